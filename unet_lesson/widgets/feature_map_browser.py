"""The real activations of a U-Net on a real image, level by level and channel by channel."""

import matplotlib as mpl
import numpy as np
import traitlets

from unet_lesson.widgets import stills
from unet_lesson.widgets.base import Explorer, script

LARGEST = 96  # pixels per side of a map that is sent to the browser
PATHS = ("contracting", "expansive")


def as_batch(image, network):
    """(H, W) or (C, H, W), numpy or torch -> (1, C, H, W) as the network's weights are."""
    import torch

    from unet_lesson.model import UNet

    if not isinstance(network, UNet):
        raise TypeError(f"network must be a UNet, not a {type(network).__name__}")
    if not isinstance(image, torch.Tensor | np.ndarray):
        raise TypeError(f"image must be a numpy array or a tensor, not a {type(image).__name__}")
    if image.ndim not in (2, 3):
        raise ValueError(f"image must be (H, W) or (C, H, W), not {tuple(image.shape)}")
    if image.ndim == 3 and image.shape[0] != network.config.in_channels == image.shape[2]:
        raise ValueError(f"image must be (C, H, W), not {tuple(image.shape)}; move channels first")
    if isinstance(image, np.ndarray):
        image = torch.tensor(image)
    weights = next(network.parameters())
    batch = image.reshape(1, -1, *image.shape[-2:]).to(weights.device)
    return batch.to(weights.dtype) if batch.is_floating_point() else batch


def activations(network, batch, keep):
    """[keep(map) for every level down the contracting path, then up the expansive path].

    Runs the network once in eval mode under no_grad and leaves its train / eval flags as they
    were. keep: a function of one map (C, H, W), so that the large maps can be let go at once.
    """
    import torch

    kept = []
    blocks = [*network.contracting.blocks, *network.expansive.blocks]
    hooks = [
        block.register_forward_hook(lambda _module, _inputs, out: kept.append(keep(out[0])))
        for block in blocks
    ]
    flags = [(module, module.training) for module in network.modules()]
    try:
        network.eval()
        with torch.no_grad():
            network(batch)
    finally:
        for module, flag in flags:
            module.training = flag
        for hook in hooks:
            hook.remove()
    return kept


def shrink(maps):
    """(C, H, W) -> (C, h, w) of at most 96 x 96, each value the mean of a square of pixels."""
    from torch.nn.functional import avg_pool2d

    factor = -(-max(maps.shape[1:]) // LARGEST)
    return avg_pool2d(maps[None], factor, ceil_mode=True)[0], factor


def stage(maps):
    """What the browser needs of one map (C, H, W): bytes to draw, and numbers per channel.

    The bytes run from 0 for `low` to 255 for `high`, the extremes of the channel as sent. The
    other numbers are of the map as it is; zeros is the share of its values that
    are 0, rounded down to 0.01 % so that 1 means all of them.
    """
    small, factor = shrink(maps)
    low, high = small.amin((1, 2)), small.amax((1, 2))
    span = (high - low).clamp_min(1e-12)[:, None, None]
    pixels = ((small - low[:, None, None]) / span * 255).round().byte().cpu().numpy()
    numbers = {
        "low": low,
        "high": high,
        "min": maps.amin((1, 2)),
        "mean": maps.mean((1, 2)),
        "max": maps.amax((1, 2)),
        "zeros": (maps == 0).float().mean((1, 2)).mul(1e4).floor() / 1e4,
    }
    return {
        "shape": list(maps.shape),
        "factor": factor,
        "size": list(small.shape[1:]),
        "pixels": pixels.tobytes(),
        **{name: values.float().cpu().tolist() for name, values in numbers.items()},
    }


class FeatureMapBrowser(Explorer):
    """Browse the feature maps of a UNet on one image.

    network: a UNet; it is run once, in eval mode, and its train / eval flag is left alone.
    image: (H, W) or (C, H, W), numpy array or tensor of floats, of a size that fits.
    path: "contracting" or "expansive". level: 1 to depth + 1 (the bottom, on the contracting
    path); the expansive path has 1 to depth, and shows its deepest for depth + 1. channel:
    counted from 0; a map with fewer channels shows its last.

    Raises TypeError if network is no UNet or image holds no floats, ValueError for an image
    that does not fit, with the network's own sentence, and TraitError for a level, channel or
    path that does not exist.
    Maps larger than 96 x 96 are averaged over squares of pixels before they are sent to the
    browser; the numbers beside the picture are those of the map itself.
    """

    _esm = script("feature_map_browser")
    path = traitlets.Enum(PATHS, "contracting").tag(sync=True)
    level = traitlets.Int(1, min=1).tag(sync=True)
    channel = traitlets.Int(0, min=0).tag(sync=True)
    depth = traitlets.Int().tag(sync=True)
    stage = traitlets.Dict().tag(sync=True)  # of the current path and level
    image = traitlets.Dict().tag(sync=True)  # grey pixels and size of the input
    viridis = traitlets.Bytes().tag(sync=True)  # 256 x RGB

    def __init__(self, network, image, level=1, channel=0, path="contracting"):
        batch = as_batch(image, network)
        depth = network.config.depth
        self.stages = dict(zip(_places(depth), activations(network, batch, stage), strict=True))
        self.grey = stage(batch[0].mean(0, keepdim=True))
        colours = (mpl.colormaps["viridis"](range(256)) * 255).round().astype(np.uint8)
        answers = {"depth": depth, "image": self.grey, "viridis": colours[:, :3].tobytes()}
        super().__init__(path=path, level=level, channel=channel, **answers)
        self.send_stage()

    @traitlets.validate("level")
    def _level_exists(self, proposal):
        bottom = self.depth + 1
        if proposal.value > bottom:
            raise traitlets.TraitError(
                f"level must be 1 to {bottom}, not {proposal.value}; the nearest is {bottom}"
            )
        return proposal.value

    @traitlets.observe("path", "level")
    def send_stage(self, _change=None):
        """Send the maps of the current path and level to the browser."""
        here = self.place
        if here in getattr(self, "stages", {}):
            self.stage = {"path": here[0], "level": here[1], **self.stages[here]}

    @property
    def place(self):
        """(path, level) that is shown."""
        return self.path, min(self.level, self.depth + (self.path == "contracting"))

    def facts(self):
        maps = self.stage
        shape, (path, level) = maps["shape"], self.place
        c = min(self.channel, shape[0] - 1)
        silent = sum(share == 1 for share in maps["zeros"])
        return (
            f"{path} path, level {level}: {' x '.join(map(str, shape))}. "
            f"Channel {c}: min {maps['min'][c]:.4f}, mean {maps['mean'][c]:.4f}, "
            f"max {maps['max'][c]:.4f}, {maps['zeros'][c]:.2%} zeros. "
            f"{silent} of {shape[0]} channels are zero everywhere."
        )

    def picture(self):
        path, level = self.place
        c = min(self.channel, self.stage["shape"][0] - 1)
        name = f"{path} path, level {level}"
        shown = pixels(self.stage, c)
        return stills.feature_map(pixels(self.grey, 0), shown, name, c, self.facts())


def _places(depth):
    down = [("contracting", level) for level in range(1, depth + 2)]
    return down + [("expansive", level) for level in range(depth, 0, -1)]


def pixels(maps, channel):
    """(h, w) values of one channel as the browser shows them."""
    grid = np.frombuffer(maps["pixels"], np.uint8).reshape(-1, *maps["size"])[channel]
    low, high = maps["low"][channel], maps["high"][channel]
    return low + grid / 255 * (high - low)
