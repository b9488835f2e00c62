"""U-Net in PyTorch, named as in the paper and ordered as in the blog.

Ronneberger, Fischer, Brox: U-Net, Convolutional Networks for Biomedical Image Segmentation,
MICCAI 2015, section 2 and figure 1.
"""

import torch
from torch import nn

from unet_lesson import shapes
from unet_lesson.checks import check_crop, check_features, check_join, check_maps, check_room
from unet_lesson.config import (
    UNetConfig,
    check_config,
    check_count,
    check_flag,
    check_padding,
    check_up,
)


class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each followed by BatchNorm (if wanted) and ReLU.

    (N, in_channels, H, W) -> (N, out_channels, H - 4, W - 4), or (..., H, W) with padding=1.

    Raises TypeError for anything but floats of the weights' dtype (NumPy's are float64), and
    ValueError for a wrong rank, wrong channels, an empty batch, a map of which nothing would be
    left, or a single value per channel in train mode, of which BatchNorm has no variance.
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
        check_maps("DoubleConv", x, self.in_channels, self.layers[0].weight)
        check_room(self, x)
        return self.layers(x)


class ContractingPath(nn.Module):
    """The left half of the U: a DoubleConv per level, a 2x2 max pooling between two levels.

    (N, in_channels, H, W) -> [map of level 1, map of level 2, ..., map of the bottom].

    Raises TypeError and ValueError as DoubleConv, and ValueError where a map cannot be halved,
    naming the level and the nearest sizes that work. torch's MaxPool2d would drop the last row
    and column of an odd map without a word, and the skip connections would then be off centre.
    """

    def __init__(self, config):
        super().__init__()
        self.config = check_config(config)
        before = (config.in_channels, *config.channels)
        self.blocks = nn.ModuleList(
            DoubleConv(a, b, padding=config.padding, batch_norm=config.batch_norm)
            for a, b in zip(before, config.channels, strict=False)
        )
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        check_maps("ContractingPath", x, self.config.in_channels, next(self.parameters()))
        shapes.check_contracting(self.config, *x.shape[2:])
        features = [self.blocks[0](x)]
        for block in self.blocks[1:]:
            features.append(block(self.pool(features[-1])))
        return features  # at 572: [(N, 64, 568, 568), (N, 128, 280, 280), ..., (N, 1024, 28, 28)]


def center_crop(x, size):
    """Cut the middle `size` = (height, width) out of x: (N, C, H, W) -> (N, C, height, width).

    Any dtype, so that a mask can be cut like its image. Raises TypeError for what is no tensor
    or no pair of whole numbers, and ValueError if `size` is larger than the map, or if the
    difference is odd: the map then has no middle of that size.
    """
    height, width = check_crop(x, size)
    top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    return x[:, :, top : top + height, left : left + width]


class UpBlock(nn.Module):
    """One step of the right half: enlarge x2, join with the cropped skip connection, DoubleConv.

    below: (N, in_channels, H, W), the map of the level below.
    skip: (N, out_channels, >= 2H, >= 2W), the map of the contracting path at this level.
    -> (N, out_channels, 2H - 4, 2W - 4), or (N, out_channels, 2H, 2W) with padding=1.

    Raises TypeError and ValueError as DoubleConv, and ValueError for a skip of another batch,
    smaller than the enlarged map, or with an odd difference to it.
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
        weight = self.conv.layers[0].weight
        check_maps("UpBlock: below", below, self.in_channels, weight)
        check_maps("UpBlock: skip", skip, self.out_channels, weight)
        check_join("UpBlock", below.shape, skip.shape)
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
        self.config = check_config(config)
        self.blocks = nn.ModuleList(
            UpBlock(2 * c, c, padding=config.padding, batch_norm=config.batch_norm, up=config.up)
            for c in reversed(config.channels[:-1])
        )

    def forward(self, features):
        check_features(self.config, features)
        *skips, x = features
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            x = block(x, skip)
        return x  # (N, base_channels, H', W')


class UNet(nn.Module):
    """The whole network: contracting path, expansive path, 1x1 convolution.

    (N, in_channels, H, W) -> (N, num_classes, H', W') logits; 572 x 572 -> 388 x 388 with the
    default config, and H' x W' = `shapes.output_size(config, H, W)` always.

    Raises TypeError and ValueError as DoubleConv, and ValueError for a size that does not fit,
    naming the level at which it fails and the nearest sizes that work.
    """

    def __init__(self, config=None):
        super().__init__()
        self.config = check_config(UNetConfig() if config is None else config)
        self.contracting = ContractingPath(self.config)
        self.expansive = ExpansivePath(self.config)
        self.head = nn.Conv2d(self.config.base_channels, self.config.num_classes, 1)
        he_initialise(self.head)

    def forward(self, x):
        check_maps("UNet", x, self.config.in_channels, self.head.weight)
        shapes.output_size(self.config, *x.shape[2:])
        features = self.contracting(x)
        return self.head(self.expansive(features))


class UNetWithoutSkips(UNet):
    """The same layers, but every skip connection carries zeros: what are skips good for?

    Same sizes and parameters as UNet, for the comparison in notebook 07; raises the same.
    """

    def forward(self, x):
        check_maps("UNet", x, self.config.in_channels, self.head.weight)
        shapes.output_size(self.config, *x.shape[2:])
        *skips, bottom = self.contracting(x)
        zeros = [torch.zeros_like(skip) for skip in skips]
        return self.head(self.expansive([*zeros, bottom]))


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


def device():
    """The accelerator that torch reports (CUDA, MPS, XPU, ...), or else the CPU."""
    if torch.accelerator.is_available():
        return torch.accelerator.current_accelerator()
    return torch.device("cpu")


def mixed_precision(where):
    """A context in which a GPU computes convolutions in bfloat16, if it gains from that.

    where: a torch.device. On a CPU, and on a GPU without bfloat16, it changes nothing.
    """
    gains = where.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(where.type, torch.bfloat16, enabled=gains)
