"""U-Net in PyTorch, named as in the paper and ordered as in the blog.

Ronneberger, Fischer, Brox: U-Net, Convolutional Networks for Biomedical Image Segmentation,
MICCAI 2015, section 2 and figure 1.
"""

import torch
from torch import nn

from unet_lesson import shapes
from unet_lesson.config import UNetConfig, check_count, check_flag, check_padding, check_up


class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each followed by BatchNorm (if wanted) and ReLU.

    (N, in_channels, H, W) -> (N, out_channels, H - 4, W - 4), or (..., H, W) with padding=1.

    Raises ValueError for a wrong rank, wrong channels or a map of which nothing would be left.
    """

    def __init__(self, in_channels, out_channels, *, padding=0, batch_norm=True):
        super().__init__()
        self.in_channels = check_count("in_channels", in_channels)
        self.out_channels = check_count("out_channels", out_channels)
        self.padding = check_padding(padding)
        self.batch_norm = check_flag("batch_norm", batch_norm)
        layers = []
        for channels in (self.in_channels, self.out_channels):
            layers.append(nn.Conv2d(channels, self.out_channels, 3, padding=self.padding))
            if self.batch_norm:
                layers.append(nn.BatchNorm2d(self.out_channels))
            layers.append(nn.ReLU(inplace=True))
        self.layers = nn.Sequential(*layers)
        self.layers.apply(he_initialise)

    def forward(self, x):
        check_maps("DoubleConv", x, self.in_channels)
        n, _, height, width = x.shape
        left = height + 4 * self.padding - 4, width + 4 * self.padding - 4
        if min(left) < 1:
            raise ValueError(
                f"DoubleConv: nothing is left of a map of {height} x {width} after two 3x3 "
                f"convolutions with padding={self.padding}; it must be at least "
                f"{5 - 4 * self.padding} x {5 - 4 * self.padding}"
            )
        if self.training and self.batch_norm and n * left[0] * left[1] == 1:
            raise ValueError(
                "DoubleConv: in train mode BatchNorm cannot take a variance over the one value "
                "a channel has here (batch 1, map 1 x 1); call eval(), or give it a larger "
                "image or two images"
            )
        return self.layers(x)


class ContractingPath(nn.Module):
    """The left half of the U: a DoubleConv per level, a 2x2 max pooling between two levels.

    (N, in_channels, H, W) -> [map of level 1, map of level 2, ..., map of the bottom].

    Raises ValueError where a map cannot be halved. torch's MaxPool2d would drop the last row
    and column of an odd map without a word, and the skip connections would then be off centre.
    """

    def __init__(self, config):
        super().__init__()
        self.config = check_config("ContractingPath", config)
        before = (config.in_channels, *config.channels)
        self.blocks = nn.ModuleList(
            DoubleConv(a, b, padding=config.padding, batch_norm=config.batch_norm)
            for a, b in zip(before, config.channels, strict=False)
        )
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        check_maps("ContractingPath", x, self.config.in_channels)
        shapes.check_contracting(self.config, *x.shape[2:])
        features = []
        for block in self.blocks:
            features.append(block(self.pool(features[-1]) if features else x))
        return features  # at 572: [(N, 64, 568, 568), (N, 128, 280, 280), ..., (N, 1024, 28, 28)]


def center_crop(x, size):
    """Cut the middle `size` = (height, width) out of x: (N, C, H, W) -> (N, C, height, width).

    Raises ValueError if `size` is larger than the map, or if the difference is odd: the map
    then has no middle of that size, and the crop would be half a pixel off.
    """
    check_maps("center_crop", x)
    slices = [..., slice(None), slice(None)]
    for at, axis, have, want in zip((1, 2), ("height", "width"), x.shape[2:], size, strict=True):
        want = check_count(axis, want)
        if want > have:
            raise ValueError(f"center_crop: {axis} {want} is larger than the map's {have}")
        if (have - want) % 2:
            raise ValueError(
                f"center_crop: {have} - {want} is odd, so {axis} {want} has no place in the "
                f"middle of {have}; nearest sizes that have: {want - 1}, {want + 1}"
            )
        start = (have - want) // 2
        slices[at] = slice(start, start + want)
    return x[tuple(slices)]


class UpBlock(nn.Module):
    """One step of the right half: enlarge x2, join with the cropped skip connection, DoubleConv.

    below: (N, in_channels, H, W), the map of the level below.
    skip: (N, out_channels, >= 2H, >= 2W), the map of the contracting path at this level.
    -> (N, out_channels, 2H - 4, 2W - 4), or (N, out_channels, 2H, 2W) with padding=1.

    Raises ValueError for wrong ranks, channels or batches, and for a skip that is smaller than
    the enlarged map or cannot be centred on it.
    """

    def __init__(self, in_channels, out_channels, *, padding=0, batch_norm=True, up="bilinear"):
        super().__init__()
        self.in_channels = check_count("in_channels", in_channels)
        self.out_channels = check_count("out_channels", out_channels)
        self.up = up_convolution(self.in_channels, self.out_channels, check_up(up))
        self.up.apply(he_initialise)
        self.conv = DoubleConv(
            2 * self.out_channels, self.out_channels, padding=padding, batch_norm=batch_norm
        )

    def forward(self, below, skip):
        check_maps("UpBlock: below", below, self.in_channels)
        check_maps("UpBlock: skip", skip, self.out_channels)
        check_join(below, skip)
        up = self.up(below)  # (N, out_channels, 2H, 2W)
        skip = center_crop(skip, up.shape[2:])  # (N, out_channels, 2H, 2W)
        return self.conv(torch.cat([up, skip], dim=1))  # (N, out_channels, 2H - 4, 2W - 4)


def up_convolution(in_channels, out_channels, up):
    """(N, in_channels, H, W) -> (N, out_channels, 2H, 2W), in one of three ways."""
    if up == "transpose":
        return nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
    enlarge = {
        "bilinear": nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        "nearest": nn.Upsample(scale_factor=2, mode="nearest"),
    }
    return nn.Sequential(
        enlarge[up], nn.Conv2d(in_channels, out_channels, 1), nn.ReLU(inplace=True)
    )


class ExpansivePath(nn.Module):
    """The right half of the U: an UpBlock per level, from the deepest to level 1.

    The list of a ContractingPath -> (N, base_channels, H', W').
    Raises TypeError or ValueError if the list does not hold depth + 1 maps that fit.
    """

    def __init__(self, config):
        super().__init__()
        self.config = check_config("ExpansivePath", config)
        self.blocks = nn.ModuleList(
            UpBlock(2 * c, c, padding=config.padding, batch_norm=config.batch_norm, up=config.up)
            for c in reversed(config.channels[:-1])
        )

    def forward(self, features):
        if not isinstance(features, (list, tuple)):
            kind = type(features).__name__
            raise TypeError(f"ExpansivePath: give the list of a ContractingPath, not a {kind}")
        if len(features) != self.config.depth + 1:
            raise ValueError(
                f"ExpansivePath: depth {self.config.depth} needs {self.config.depth + 1} maps "
                f"(one per level and the bottom), not {len(features)}"
            )
        *skips, x = features
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            x = block(x, skip)
        return x  # (N, base_channels, H', W')


class UNet(nn.Module):
    """The whole network: contracting path, expansive path, 1x1 convolution.

    (N, in_channels, H, W) -> (N, num_classes, H', W') logits; 572 x 572 -> 388 x 388 with the
    default config, and H' x W' = `shapes.output_size(config, H, W)` always.

    Raises ValueError for a wrong rank, wrong channels, or a size that does not fit, naming the
    level at which it fails and the nearest sizes that work.
    """

    def __init__(self, config=None):
        super().__init__()
        self.config = check_config("UNet", UNetConfig() if config is None else config)
        self.contracting = ContractingPath(self.config)
        self.expansive = ExpansivePath(self.config)
        self.head = nn.Conv2d(self.config.base_channels, self.config.num_classes, 1)
        he_initialise(self.head)

    def forward(self, x):
        check_maps("UNet", x, self.config.in_channels)
        shapes.output_size(self.config, *x.shape[2:])
        features = self.contracting(x)
        return self.head(self.expansive(features))


def he_initialise(module):
    """Draw the weights from a Gaussian of standard deviation sqrt(2 / N); biases start at 0.

    N is the number of incoming nodes of one neuron (paper, section 3): kernel height x width x
    input channels, and just the input channels for the 2x2 up-convolution of stride 2, where
    one input pixel reaches each output pixel.
    """
    if isinstance(module, nn.Conv2d):
        incoming = module.in_channels * module.kernel_size[0] * module.kernel_size[1]
    elif isinstance(module, nn.ConvTranspose2d):
        incoming = module.in_channels
    else:
        return
    nn.init.normal_(module.weight, std=(2 / incoming) ** 0.5)
    nn.init.zeros_(module.bias)


def check_config(name, config):
    if not isinstance(config, UNetConfig):
        raise TypeError(f"{name}: give a UNetConfig, not {config!r} ({type(config).__name__})")
    return config


def check_maps(name, x, channels=None):
    """Raise unless x is a batch of floating-point maps (N, C, H, W) with the right channels."""
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{name}: give a torch.Tensor, not a {type(x).__name__}")
    if x.dim() != 4:
        hint = "; for one image add x[None]" if x.dim() == 3 else ""
        raise ValueError(f"{name}: the shape must be (N, C, H, W), not {tuple(x.shape)}{hint}")
    if not x.is_floating_point():
        raise TypeError(f"{name}: the values must be floats, not {x.dtype}; try x.float()")
    if channels is not None and x.shape[1] != channels:
        raise ValueError(
            f"{name}: {x.shape[1]} channels came, {channels} are expected "
            f"(the shape is {tuple(x.shape)})"
        )


def check_join(below, skip):
    """Raise unless the skip connection can be cropped to twice the size of the map below."""
    if below.shape[0] != skip.shape[0]:
        raise ValueError(f"UpBlock: below holds {below.shape[0]} images and skip {skip.shape[0]}")
    want = tuple(2 * side for side in below.shape[2:])
    have = tuple(skip.shape[2:])
    if any(h < w for h, w in zip(have, want, strict=True)):
        raise ValueError(
            f"UpBlock: the skip connection is {have[0]} x {have[1]}, smaller than the enlarged "
            f"map of {want[0]} x {want[1]}; it can be cropped, never stretched"
        )


def device():
    """The accelerator that torch reports (CUDA, MPS, XPU, ...), or else the CPU."""
    if torch.accelerator.is_available():
        return torch.accelerator.current_accelerator()
    return torch.device("cpu")
