"""The U-Net with one choice made otherwise: the switchboard of notebook 09.

What a UNetConfig says already (padding, BatchNorm or none, the way up, depth, width) stays there;
here are the choices that no lesson but the ninth makes.
"""

import torch
from torch import nn
from torch.nn import functional as F

from unet_lesson import shapes
from unet_lesson.checks import check_maps
from unet_lesson.config import check_choice
from unet_lesson.model import DoubleConv, UNet, center_crop

JOINS = ("centre", "corner", "pad")
SKIPS = ("concat", "add", "none")
NORMS = (None, "group")
INITIALISE = ("he", "default")
GROUPS = 4  # of channels in a GroupNorm: at 64 channels 16 each, as Wu and He (2018) have it


class Variant(UNet):
    """A UNet with some choices made otherwise. With the defaults it is UNet, bit for bit.

    join: how a skip connection and the smaller map from below are brought to one size.
        "centre" crops the skip's middle (the paper, figure 1), "corner" its top left corner;
        "pad" puts zeros around the map from below, and the output is then larger.
    skips: "concat" joins along the channels (the paper), "add" adds, "none" leaves the skip out;
        for the last two the DoubleConv behind takes half the channels, so they are equally large.
    norm: None as the config says, or "group" for GroupNorm in place of BatchNorm.
    initialise: "he" (the paper, section 3), or "default" for what torch draws itself.

    (N, in_channels, H, W) -> (N, num_classes, H', W') logits. H', W' are those of
    `shapes.output_size`; with join="pad" and no padding H - 8, W - 8, whatever the depth, which
    `predict` does not expect. A checkpoint keeps the config alone: train without `out`.
    Raises TypeError and ValueError as UNet, for the same sizes, and for a choice that is none.
    """

    def __init__(self, config=None, *, join="centre", skips="concat", norm=None, initialise="he"):
        super().__init__(config)
        self.join = check_choice("join", join, JOINS)
        self.skips = check_choice("skips", skips, SKIPS)
        self.norm = check_choice("norm", norm, NORMS)
        self.initialise = check_choice("initialise", initialise, INITIALISE)
        if skips != "concat":
            for block in self.expansive.blocks:
                block.conv = _half_as_many_inputs(block.conv)
        if norm == "group":
            _use_group_norm(self)
        if initialise == "default":
            for module in self.modules():
                if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                    module.reset_parameters()

    def forward(self, x):
        check_maps("Variant", x, self.config.in_channels, self.head.weight)
        shapes.output_size(self.config, *x.shape[2:])
        *skips, x = self.contracting(x)
        for block, skip in zip(self.expansive.blocks, reversed(skips), strict=True):
            x = block.conv(self.joined(block.up(x), skip))
        return self.head(x)  # (N, num_classes, H', W')

    def joined(self, up, skip):
        """up: (N, C, H, W), skip: (N, C, larger, larger) -> what the next DoubleConv reads."""
        height, width = up.shape[2:]
        if self.join == "centre":
            skip = center_crop(skip, (height, width))
        elif self.join == "corner":
            skip = skip[:, :, :height, :width]
        else:
            up = zero_pad(up, skip.shape[2:])
        if self.skips == "concat":
            return torch.cat([up, skip], dim=1)  # (N, 2 C, H, W)
        return up + skip if self.skips == "add" else up  # (N, C, H, W)


def zero_pad(x, size):
    """Put zeros around x, as many on either side: (N, C, H, W) -> (N, C, height, width)."""
    down, across = size[0] - x.shape[2], size[1] - x.shape[3]
    return F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))


def _half_as_many_inputs(conv):
    """The DoubleConv of an UpBlock, for a map that was not concatenated with another."""
    how = {"padding": conv.padding, "batch_norm": conv.batch_norm}
    return DoubleConv(conv.out_channels, conv.out_channels, **how)


def _use_group_norm(network):
    """Put a GroupNorm in the place of every BatchNorm, or raise ValueError."""
    config = network.config
    if not config.batch_norm:
        raise ValueError("norm 'group' takes the place of BatchNorm; try batch_norm=True")
    if config.base_channels % GROUPS:
        near = max(config.base_channels // GROUPS, 1) * GROUPS
        raise ValueError(
            f"norm 'group' parts the channels into {GROUPS} groups, and base_channels is "
            f"{config.base_channels}; the nearest that works is {near}"
        )
    for block in network.modules():
        if isinstance(block, DoubleConv):
            block.batch_norm = False  # nothing to fold into the convolutions, for `predict`
            for i in (1, 4):
                block.layers[i] = nn.GroupNorm(GROUPS, block.out_channels)
