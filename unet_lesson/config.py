"""The one description of a U-Net that every other module reads."""

from dataclasses import dataclass
from difflib import get_close_matches
from operator import index

UP_MODES = ("bilinear", "transpose", "nearest")


def check_whole(name, value):
    """Return `value` as an int, or raise TypeError."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return index(value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{name} must be a whole number, not {value!r} ({kind})") from None


def check_count(name, value, least=1):
    """Return `value` as an int, or raise TypeError / ValueError saying what `name` may be."""
    value = check_whole(name, value)
    if value < least:
        raise ValueError(f"{name} must be {least} or more, not {value}; the nearest is {least}")
    return value


def check_flag(name, value):
    """Return `value` if it is True or False, else raise TypeError."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r} ({type(value).__name__})")
    return value


def check_padding(value):
    """Return `value` if it is 0 (valid) or 1 (same), else raise TypeError / ValueError."""
    if check_count("padding", value, least=0) > 1:
        raise ValueError(
            f"padding must be 0 (valid) or 1 (same size), not {value}; the nearest is 1"
        )
    return index(value)


def check_choice(name, value, allowed):
    """Return `value` if it is one of `allowed` (names, None), else raise Type- or ValueError."""
    if value is None and None in allowed:
        return value
    names = ", ".join(map(repr, allowed))
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {names}, not {value!r} ({type(value).__name__})")
    if value not in allowed:
        words = [word for word in allowed if word]
        near = get_close_matches(value.lower(), words, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name} must be one of {names}, not {value!r}{hint}")
    return value


def check_up(value):
    """Return `value` if it names a way to upsample, else raise TypeError / ValueError."""
    return check_choice("up", value, UP_MODES)


@dataclass(frozen=True)
class UNetConfig:
    """What a U-Net is made of. The defaults are the blog's network.

    in_channels: channels of the input image, 1 or more.
    num_classes: channels of the output, one score per class, 1 or more.
    base_channels: channels at level 1; each level below has twice as many.
    depth: number of poolings, 1 or more. There are depth + 1 levels, the bottom included.
    padding: 0 for valid 3x3 convolutions (the paper), 1 to keep the size.
    batch_norm: BatchNorm behind every 3x3 convolution.
    up: "bilinear" (align_corners=True, then 1x1 convolution and ReLU; the blog), "nearest"
        (the same with nearest) or "transpose" (2x2 up-convolution with stride 2; the paper).

    Raises TypeError or ValueError, naming the field, what came and what is allowed.
    """

    in_channels: int = 1
    num_classes: int = 2
    base_channels: int = 64
    depth: int = 4
    padding: int = 0
    batch_norm: bool = True
    up: str = "bilinear"

    def __post_init__(self):
        for name in ("in_channels", "num_classes", "base_channels", "depth"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        object.__setattr__(self, "padding", check_padding(self.padding))
        check_flag("batch_norm", self.batch_norm)
        check_up(self.up)

    @classmethod
    def blog(cls, **changes):
        """The blog's network: valid convolutions, BatchNorm, bilinear upsampling."""
        return cls(**changes)

    @classmethod
    def paper(cls, **changes):
        """The paper's network (Ronneberger et al. 2015, figure 1): 31,030,658 parameters."""
        return cls(**{"batch_norm": False, "up": "transpose"} | changes)

    @classmethod
    def padded(cls, **changes):
        """The blog's network with padding=1: the output is as large as the input."""
        return cls(**{"padding": 1} | changes)

    @property
    def channels(self):
        """Channels of every level from the top to the bottom, such as (64, 128, 256, 512, 1024)."""
        return tuple(self.base_channels * 2**level for level in range(self.depth + 1))


def check_config(config):
    """Return `config` if it is a UNetConfig, else raise TypeError."""
    if not isinstance(config, UNetConfig):
        raise TypeError(f"config must be a UNetConfig, not {config!r} ({type(config).__name__})")
    return config
