"""Wrong and right ways to write the UpBlock."""

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.transforms.functional import center_crop as torchvision_crop

from unet_lesson import DoubleConv, center_crop
from unet_lesson import UpBlock as Shipped


class UpBlock(nn.Module):
    """The right one; the wrong ones below change a part."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.conv = self.block(in_channels, out_channels)

    def block(self, a, b):
        return DoubleConv(a, b)

    def cut(self, skip, size):
        return center_crop(skip, size)

    def join(self, up, skip):
        return torch.cat([up, skip], dim=1)

    def forward(self, below, skip):
        up = self.up(below)
        return self.conv(self.join(up, self.cut(skip, up.shape[2:])))


def join(function, channels=lambda a, b: (a, b)):
    """Another way to join; the DoubleConv takes what comes of it."""
    parts = {"join": lambda self, up, skip: function(up, skip)}
    parts["block"] = lambda self, a, b: DoubleConv(*channels(a, b))
    return type("Join", (UpBlock,), parts)


def cut(function):
    return type("Cut", (UpBlock,), {"cut": lambda self, skip, size: function(skip, *size)})


def block(make):
    return type("Block", (UpBlock,), {"block": lambda self, a, b: make(a, b)})


def up(make, channels=lambda a, b: (a, b)):
    """Another way up."""

    class Up(UpBlock):
        def __init__(self, in_channels, out_channels):
            super().__init__(in_channels, out_channels)
            self.up = make(in_channels, out_channels)
            self.conv = DoubleConv(*channels(in_channels, out_channels))

    return Up


def middle(skip, height, width, by=0):
    top, left = (skip.shape[2] - height) // 2, (skip.shape[3] - width) // 2
    top, left = max(0, top + by), max(0, left + by)
    return skip[:, :, top : top + height, left : left + width]


def one_margin(skip, height, width):
    margin = (skip.shape[2] - height) // 2
    return skip[:, :, margin : margin + height, margin : margin + width]


def minus_margin(skip, height, width):
    top, left = (skip.shape[2] - height) // 2, (skip.shape[3] - width) // 2
    return skip[:, :, top:-top, left:-left]


def enlarge(mode, **kind):
    return nn.Upsample(scale_factor=2, mode=mode, **kind)


class PadsBelow(UpBlock):
    def forward(self, below, skip):
        up = self.up(below)
        dy, dx = skip.shape[2] - up.shape[2], skip.shape[3] - up.shape[3]
        up = F.pad(up, (dx // 2, dx - dx // 2, dy // 2, dy - dy // 2))
        return self.conv(torch.cat([up, skip], dim=1))


class Swapped(UpBlock):
    def forward(self, skip, below):
        return super().forward(below, skip)


class NoSkip(UpBlock):
    def forward(self, below):
        return self.conv(self.up(below))


class NotUp(UpBlock):
    def __init__(self, a, b):
        super().__init__(a, b)
        self.up = nn.Conv2d(a, b, 1)


class AddsInPlace(UpBlock):
    def forward(self, below, skip):
        skip.mul_(2)
        return super().forward(below, skip)


class OneNorm(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(a, b, 3), nn.Conv2d(b, b, 3)])
        self.norm = nn.BatchNorm2d(b)

    def forward(self, x):
        for conv in self.convs:
            x = self.norm(conv(x)).relu()
        return x


class NotConvolved(UpBlock):
    def forward(self, below, skip):
        up = self.up(below)
        return self.join(up, self.cut(skip, up.shape[2:]))


class InList(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.parts = [nn.ConvTranspose2d(a, b, 2, 2), DoubleConv(a, b)]

    def forward(self, below, skip):
        up = self.parts[0](below)
        return self.parts[1](torch.cat([up, center_crop(skip, up.shape[2:])], 1))


class InForward(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = a, b

    def forward(self, below, skip):
        return UpBlock(self.a, self.b)(below, skip)


class Squeezed(UpBlock):
    def forward(self, below, skip):
        return super().forward(below, skip).squeeze()


class Functional(nn.Module):
    """Up, cut and joined without a module, in one function each."""

    def __init__(self, a, b):
        super().__init__()
        self.w3 = nn.Parameter(torch.rand(b, b, 3, 3) - 0.5)
        self.w2 = nn.Parameter(torch.rand(b, a, 3, 3) - 0.5)
        self.w1 = nn.Parameter(torch.rand(b, a, 1, 1) - 0.5)

    def forward(self, below, skip):
        x = below.repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = F.conv2d(x, self.w1).relu()
        x = torch.hstack([x, torchvision_crop(skip, x.shape[2:])])
        return F.conv2d(F.conv2d(x, self.w2).relu(), self.w3).relu()


class Early(UpBlock):
    """1x1 first, which is cheaper."""

    def __init__(self, a, b):
        super().__init__(a, b)
        self.up = nn.Sequential(nn.Conv2d(a, b, 1, bias=False), enlarge("bilinear"))


class Negative(UpBlock):
    def forward(self, below, skip):
        up = self.up(below)
        top, left = ((s - u) // 2 for s, u in zip(skip.shape[2:], up.shape[2:], strict=True))
        return self.conv(torch.cat([up, F.pad(skip, (-left, -left, -top, -top))], 1))


def one_by_one(a, b, *behind, mode="bilinear", **kind):
    return nn.Sequential(enlarge(mode, **kind), nn.Conv2d(a, b, 1), *behind)


def stages(*kinds):
    """A DoubleConv of other stages: c, b, r."""

    def make(a, b):
        made = []
        for kind in "".join(kinds):
            layer = {"c": nn.Conv2d, "b": nn.BatchNorm2d, "r": nn.ReLU}[kind]
            made.append(layer(a, b, 3) if kind == "c" else layer(b) if kind == "b" else layer())
            a = b if kind == "c" else a
        return nn.Sequential(*made)

    return make


WRONG = {
    "skip_first": [join(lambda up, skip: torch.cat([skip, up], 1))],
    "added": [
        join(lambda up, skip: up + skip, lambda a, b: (b, b)),
        join(lambda up, skip: up, lambda a, b: (b, b)),
    ],
    "joined_channels": [
        join(lambda up, skip: torch.cat([up, skip], 1), lambda a, b: (b, b)),
        join(lambda up, skip: torch.cat([up, skip], 1), lambda a, b: (a // 2, b)),
    ],
    "not_doubled": [
        up(lambda a, b: nn.ConvTranspose2d(a, b, 2)),
        type(
            "Own",
            (up(lambda a, b: nn.ConvTranspose2d(a, b, 2)),),
            {"cut": lambda self, s, z: middle(s, *z)},
        ),
    ],
    "arguments_ignored": [lambda a, b: UpBlock(128, 64)],
    "made_in_forward": [InForward],
    "batch_lost": [Squeezed],
    "concat_batch": [
        join(lambda up, skip: torch.cat([up, skip]), lambda a, b: (b, b)),
        join(lambda up, skip: torch.cat([up, skip], 0)),
    ],
    "concat_height": [
        join(lambda up, skip: torch.cat([up, skip], 2), lambda a, b: (b, b)),
        join(lambda up, skip: torch.cat([up, skip], 2)),
    ],
    "concat_width": [join(lambda up, skip: torch.cat([up, skip], -1))],
    "stacked": [join(lambda up, skip: torch.stack([up, skip], 1))],
    "skip_unused": [
        join(lambda up, skip: torch.cat([up, up], 1)),
        join(lambda up, skip: torch.cat([up, 0 * skip], 1)),
        type("OnlyUp", (UpBlock,), {"forward": lambda self, below, skip: self.up(below)}),
    ],
    "not_cropped": [cut(lambda skip, h, w: skip)],
    "corner_crop": [cut(lambda skip, h, w: skip[:, :, :h, :w])],
    "far_corner_crop": [cut(lambda skip, h, w: skip[:, :, -h:, -w:])],
    "off_by_one": [
        cut(lambda skip, h, w: middle(skip, h, w, 1)),
        cut(lambda skip, h, w: middle(skip, h, w, -1)),
    ],
    "width_not_centred": [cut(one_margin)],
    "skip_resized": [
        cut(lambda skip, h, w: F.interpolate(skip, (h, w))),
        cut(lambda skip, h, w: F.interpolate(skip, (h, w), mode="bilinear")),
    ],
    "below_unused": [join(lambda up, skip: torch.cat([skip, skip], 1))],
    "empty_without_margin": [cut(minus_margin)],
    "margin_hard_coded": [cut(lambda skip, h, w: skip[:, :, 4:-4, 3:-3])],
    "below_enlarged": [PadsBelow],
    "cropped_otherwise": [cut(lambda skip, h, w: skip[:, :, 1:-1, 1:-1])],
    "other_activation_up": [up(lambda a, b: one_by_one(a, b, nn.Sigmoid()))],
    "not_convolved": [NotConvolved],
    "arguments_swapped": [Swapped],
    "wrong_signature": [NoSkip],
    "not_enlarged": [NotUp],
    "channels_not_halved": [
        up(lambda a, b: enlarge("nearest"), lambda a, b: (a + b, b)),
        up(lambda a, b: nn.ConvTranspose2d(a, a, 2, 2), lambda a, b: (a + b, b)),
    ],
    "other_way_up": [
        up(lambda a, b: nn.Sequential(enlarge("nearest"), nn.Conv2d(a, b, 3, padding=1))),
        up(lambda a, b: nn.ConvTranspose2d(a, b, 4, 2, 1)),
        up(lambda a, b: nn.ConvTranspose2d(a, b, 3, stride=2)),
        up(lambda a, b: nn.ConvTranspose2d(b, a, 2, stride=2)),
        up(lambda a, b: nn.Conv2d(a, b, 2, stride=2)),
    ],
    "padded": [block(lambda a, b: DoubleConv(a, b, padding=1))],
    "one_convolution": [block(stages("cbr"))],
    "too_many_convolutions": [block(stages("cbrcbrcbr"))],
    "relu_missing_at_end": [block(stages("cbrcb"))],
    "batch_norm_missing_at_end": [block(stages("cbrcr"))],
    "relu_before_batch_norm": [block(stages("crbcrb"))],
    "shared_batch_norm": [block(OneNorm)],
    "not_registered": [InList],
    "changes_input": [AddsInPlace],
    "gradient_stops": [join(lambda up, skip: torch.cat([up, skip.detach()], 1))],
    "raises": [
        join(lambda up, skip: torch.cat(up, skip)),
        type("Below", (UpBlock,), {"cut": lambda self, skip, size: center_crop(skip, (99, 99))}),
    ],
    "returns_nothing": [type("Nothing", (UpBlock,), {"forward": lambda self, b, s: print(end="")})],
    "wrong_kind": [Shipped(4, 2), 3],
    "not_attempted": [
        None,
        type("Stub", (nn.Module,), {"forward": lambda self, below, skip: None}),
    ],
}
RIGHT = [
    UpBlock,
    Shipped,
    lambda a, b: Shipped(a, b, up="nearest", batch_norm=False),
    lambda a, b: Shipped(a, b, up="transpose"),
    cut(middle),
    cut(torchvision_crop_ := lambda skip, h, w: torchvision_crop(skip, [h, w])),
    block(stages("crcr")),
    up(lambda a, b: one_by_one(a, b, align_corners=True)),
    up(lambda a, b: one_by_one(a, b, nn.ReLU())),
    up(lambda a, b: one_by_one(a, b, nn.BatchNorm2d(b), nn.ReLU(), mode="nearest")),
    up(lambda a, b: nn.Sequential(nn.ConvTranspose2d(a, b, 2, 2, bias=False), nn.ReLU())),
    Functional,
    Early,
    Negative,
]
