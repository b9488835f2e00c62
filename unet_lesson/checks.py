"""What the network refuses, in words: what came, what is allowed, what works.

Without these checks torch would fail deep inside, in terms of its own, or go on silently.
"""

import torch

from unet_lesson.config import check_count


def check_rank(name, x):
    """Raise unless x is a tensor of shape (N, C, H, W)."""
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{name}: give a torch.Tensor, not a {type(x).__name__}")
    if x.dim() != 4:
        hint = "; for one image add x[None]" if x.dim() == 3 else ""
        raise ValueError(f"{name}: the shape must be (N, C, H, W), not {tuple(x.shape)}{hint}")


def check_maps(name, x, channels, weight=None):
    """Raise unless x is a batch of floating-point maps (N, C, H, W) with the right channels.

    With `weight`, x must also be of its dtype (autocast excepted) and on its device.
    """
    check_rank(name, x)
    if not x.is_floating_point():
        raise TypeError(f"{name}: the values must be floats, not {x.dtype}; try x.float()")
    if x.shape[1] != channels:
        raise ValueError(
            f"{name}: {x.shape[1]} channels came, {channels} are expected "
            f"(the shape is {tuple(x.shape)})"
        )
    if 0 in x.shape:
        raise ValueError(f"{name}: there is nothing in a tensor of shape {tuple(x.shape)}")
    if weight is not None:
        check_like(name, x, weight)


def check_like(name, x, weight):
    """Raise unless x is of the dtype of the weights (autocast excepted) and on their device."""
    kind = x.device.type
    if x.device != weight.device:
        raise ValueError(
            f"{name}: the input is on {x.device} and the weights on {weight.device}; "
            f"try x.to({str(weight.device)!r})"
        )
    autocast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    if x.dtype != weight.dtype and not autocast:
        raise TypeError(
            f"{name}: the input is {x.dtype} and the weights {weight.dtype}; "
            f"try x.to({weight.dtype})"
        )


def check_crop(x, size):
    """Return `size` as (height, width) if it can be cut out of the middle of x, else raise."""
    check_rank("center_crop", x)
    if not isinstance(size, tuple | list) or len(size) != 2:
        raise TypeError(f"center_crop: size must be (height, width), not {size!r}")
    for axis, have, want in zip(("height", "width"), x.shape[2:], size, strict=True):
        want = check_count(axis, want)
        if want > have:
            raise ValueError(
                f"center_crop: {axis} {want} is larger than the map's {have}; the most is {have}"
            )
        if (have - want) % 2:
            near = ", ".join(str(n) for n in (want - 1, want + 1) if n)
            raise ValueError(
                f"center_crop: {have} - {want} is odd, so {axis} {want} has no place in the "
                f"middle of {have}; nearest that have: {near}"
            )
    return size


def check_join(name, below, skip):
    """Raise unless a skip connection can be cropped to twice the size of the map below.

    below, skip: their shapes (N, C, H, W).
    """
    if below[0] != skip[0]:
        raise ValueError(
            f"{name}: below holds {below[0]} images and skip {skip[0]}; "
            "both must hold the same number"
        )
    want_height, want_width = 2 * below[2], 2 * below[3]
    if skip[2] < want_height or skip[3] < want_width:
        raise ValueError(
            f"{name}: the skip connection is {skip[2]} x {skip[3]}, smaller than the enlarged "
            f"map of {want_height} x {want_width}; it can be cropped, never stretched"
        )
    if (skip[2] - want_height) % 2 or (skip[3] - want_width) % 2:
        raise ValueError(
            f"{name}: the skip connection is {skip[2]} x {skip[3]} and the enlarged map "
            f"{want_height} x {want_width}: an odd difference cannot be cut from both sides alike"
        )


def check_features(config, features):
    """Raise unless `features` are the depth + 1 maps of a contracting path that fit together."""
    if not isinstance(features, list | tuple):
        kind = type(features).__name__
        raise TypeError(f"ExpansivePath: give the list of a ContractingPath, not a {kind}")
    if len(features) != config.depth + 1:
        raise ValueError(
            f"ExpansivePath: depth {config.depth} needs {config.depth + 1} maps "
            f"(one per level and the bottom), not {len(features)}"
        )
    for level, channels in enumerate(config.channels, start=1):
        check_maps(f"ExpansivePath: level {level}", features[level - 1], channels)
    n, c, height, width = features[-1].shape
    for level in range(config.depth, 0, -1):
        skip = features[level - 1].shape
        check_join(f"ExpansivePath: level {level}", (n, c, height, width), skip)
        height, width = (2 * side - 4 + 4 * config.padding for side in (height, width))
        if min(height, width) < 1:
            raise ValueError(
                f"ExpansivePath: at level {level} two valid 3x3 convolutions leave nothing of a "
                f"map of {height + 4} x {width + 4}; start from a larger image"
            )


def check_room(double_conv, x):
    """Raise unless two 3x3 convolutions leave something, and BatchNorm enough to train on."""
    padding = double_conv.padding
    n, _, height, width = x.shape
    left = height + 4 * padding - 4, width + 4 * padding - 4
    least = 5 - 4 * padding
    if min(left) < 1:
        raise ValueError(
            f"DoubleConv: nothing is left of a map of {height} x {width} after two 3x3 "
            f"convolutions with padding={padding}; it must be at least {least} x {least}"
        )
    if double_conv.training and double_conv.batch_norm and n * left[0] * left[1] == 1:
        raise ValueError(
            "DoubleConv: in train mode BatchNorm cannot take a variance over the one value "
            "a channel has here (batch 1, map 1 x 1); call eval(), or give it a larger "
            "image or two images"
        )
