"""Wrong and right ways to write the whole network."""

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.transforms.functional import center_crop as torchvision_crop

from unet_lesson import ContractingPath, DoubleConv, ExpansivePath, UNet, UNetConfig, center_crop


class Net(nn.Module):
    """The right one, of plain layers; the wrong ones below change a part."""

    block = DoubleConv
    pool = staticmethod(lambda x: F.max_pool2d(x, 2))
    cut = staticmethod(center_crop)
    tail = staticmethod(lambda x: x)

    def __init__(self, in_channels, num_classes, base_channels, depth):
        super().__init__()
        c = self.channels(base_channels, depth)
        self.down = nn.ModuleList(map(self.block, [in_channels, *c[:-1]], c))
        self.up = nn.ModuleList(self.enlarge(2 * n, n) for n in reversed(c[:-1]))
        self.merge = nn.ModuleList(self.merging(n) for n in reversed(c[:-1]))
        self.head = self.last(base_channels, num_classes)

    def channels(self, base, depth):
        return [base * 2**level for level in range(depth + 1)]

    def enlarge(self, a, b):
        return nn.ConvTranspose2d(a, b, 2, stride=2)

    def merging(self, n):
        return self.block(2 * n, n)

    def last(self, a, b):
        return nn.Conv2d(a, b, 1)

    def join(self, up, skip):
        return torch.cat([up, skip], 1)

    def skips(self, x):
        maps = []
        for block in self.down[:-1]:
            maps.append(block(x))
            x = self.pool(maps[-1])
        return maps, self.down[-1](x)

    def forward(self, x):
        maps, x = self.skips(x)
        for up, merge in zip(self.up, self.merge, strict=True):
            x = up(x)
            x = merge(self.join(x, self.cut(maps.pop(), x.shape[2:])))
        return self.tail(self.head(x))


def net(**parts):
    """The right network with other parts."""
    plain = ("block", "pool", "cut", "tail")
    made = {name: staticmethod(part) if name in plain else part for name, part in parts.items()}
    return type("Changed", (Net,), made)


class AfterPool(Net):
    cut = staticmethod(torchvision_crop)  # fills up with zeros, without a word

    def skips(self, x):
        maps = []
        for block in self.down[:-1]:
            x = self.pool(block(x))
            maps.append(x)
        return maps, self.down[-1](x)


class AfterPoolSliced(AfterPool):
    cut = staticmethod(lambda x, size: shifted(x, size, 0))


class WrongLevel(Net):
    def skips(self, x):
        maps, x = super().skips(x)
        return maps[::-1], x


class PlainLists(Net):
    def __init__(self, *settings):
        super().__init__(*settings)
        self.merge_ = list(self.merge)
        del self.merge
        self.merge = self.merge_


class OneDecoder(Net):
    """Takes the top level's block for every level's second convolution."""

    def __init__(self, *settings):
        super().__init__(*settings)
        for down, up in zip(self.down, reversed(self.merge), strict=False):
            up.layers[3] = down.layers[3]


class OneNorm(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(a, b, 3), nn.Conv2d(b, b, 3)])
        self.norm = nn.BatchNorm2d(b)

    def forward(self, x):
        for conv in self.convs:
            x = self.norm(conv(x)).relu()
        return x


class Backwards(Net):
    def forward(self, x):
        return super().forward(x.detach().clone())


class FourLevels(Net):
    def __init__(self, in_channels, num_classes, base_channels, depth):
        super().__init__(in_channels, num_classes, base_channels, 4)


def stages(kinds, **conv):
    """A DoubleConv of other stages: c, b, r."""

    def make(a, b):
        made = []
        for kind in kinds:
            layer = {"c": nn.Conv2d, "b": nn.BatchNorm2d, "r": nn.ReLU}[kind]
            made.append(
                layer(a, b, 3, **conv) if kind == "c" else layer(b) if kind == "b" else layer()
            )
            a = b if kind == "c" else a
        return nn.Sequential(*made)

    return make


def bilinear(self, a, b, *behind):
    enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    return nn.Sequential(enlarge, nn.Conv2d(a, b, 1), *behind)


def shifted(x, size, by=1):
    top, left = (x.shape[2] - size[0]) // 2 + by, (x.shape[3] - size[1]) // 2 + by
    return x[:, :, top : top + size[0], left : left + size[1]]


def by_heart(x, size):
    """The margins of depth 4 or less, from the deepest level up; here the top one's of depth 1."""
    return x[:, :, 4:-4, 4:-4]


# ---- right ones -------------------------------------------------------------------------------


class Package(UNet):
    def __init__(self, in_channels, num_classes, base_channels, depth):
        super().__init__(UNetConfig(in_channels, num_classes, base_channels, depth))


class Parts(nn.Module):
    """The package's two halves and a head."""

    def __init__(self, a, classes, base, depth):
        super().__init__()
        config = UNetConfig.paper(in_channels=a, base_channels=base, depth=depth)
        self.head = nn.Conv2d(base, classes, kernel_size=1, bias=False)
        self.right, self.left = ExpansivePath(config), ContractingPath(config)

    def forward(self, image):
        return self.head(self.right(self.left(image)))


class Level(nn.Module):
    """Recursive: a level and all that is below it."""

    def __init__(self, a, base, depth):
        super().__init__()
        self.merge = DoubleConv(2 * base, base) if depth else None
        self.down = DoubleConv(a, base)
        self.below = Level(base, 2 * base, depth - 1) if depth else None
        self.up = bilinear(self, 2 * base, base, nn.BatchNorm2d(base), nn.ReLU()) if depth else None

    def forward(self, x):
        x = self.down(x)
        if self.below is None:
            return x
        up = self.up(self.below(nn.functional.max_pool2d(x, 2)))
        dy, dx = (x.shape[2] - up.shape[2]) // 2, (x.shape[3] - up.shape[3]) // 2
        return self.merge(torch.cat([up, x[:, :, dy : x.shape[2] - dy, dx : x.shape[3] - dx]], 1))


class Recursive(nn.Sequential):
    def __init__(self, a, classes, base, depth):
        super().__init__(Level(a, base, depth), nn.Conv2d(base, classes, 1))


class Functional(nn.Module):
    """All weights in one list."""

    def __init__(self, a, classes, base, depth):
        super().__init__()
        self.depth = depth
        c = [base * 2**level for level in range(depth + 1)]
        shapes = [
            (o, i, 3, 3) for i, n in zip([a, *c], c, strict=False) for o, i in ((n, i), (n, n))
        ]
        for n in reversed(c[:-1]):
            shapes += [(2 * n, n, 2, 2), (n, 2 * n, 3, 3), (n, n, 3, 3)]
        shapes.append((classes, base, 1, 1))
        self.weights = nn.ParameterList(torch.randn(shape) / 10 for shape in shapes)

    def forward(self, x):
        weights, skips = iter(self.weights), []
        for level in range(self.depth + 1):
            x = F.max_pool2d(x, 2) if level else x
            x = F.conv2d(F.conv2d(x, next(weights)).relu(), next(weights)).relu()
            skips.append(x)
        for skip in skips[-2::-1]:
            x = F.conv_transpose2d(x, next(weights), stride=2).relu()
            x = torch.cat([x, torchvision_crop(skip, x.shape[2:])], 1)
            x = F.conv2d(F.conv2d(x, next(weights)).relu(), next(weights)).relu()
        return F.conv2d(x, next(weights))


def halves(config, flip=False):
    """Two halves of the package, with this configuration made of the four arguments."""

    class Halves(nn.Module):
        def __init__(self, a, classes, base, depth):
            super().__init__()
            made = config(a, classes, base, depth)
            self.left, self.right = ContractingPath(made), ExpansivePath(made)
            self.head = nn.Conv2d(base, classes, 1)

        def forward(self, x):
            maps = self.left(x)
            return self.head(self.right(maps[::-1] if flip else maps))

    return Halves


class InForward(nn.Module):
    def __init__(self, *settings):
        super().__init__()
        self.settings = settings

    def forward(self, x):
        return Net(*self.settings)(x)


class Resized(Net):
    def forward(self, x):
        return F.interpolate(super().forward(x), x.shape[2:])


class HeadUnused(Net):
    def forward(self, x):
        self.head, head = nn.Identity(), self.head
        x = super().forward(x)
        self.head = head
        return x


class Dropout(Net):
    """With the dropout at the end of the contracting path that the paper has."""

    def __init__(self, *settings):
        super().__init__(*settings)
        self.dropout = nn.Dropout(0.5)

    def skips(self, x):
        maps, x = super().skips(x)
        return maps, self.dropout(x)


WRONG = {
    "corner_crop": [net(cut=lambda x, size: x[:, :, : size[0], : size[1]])],
    "far_corner_crop": [net(cut=lambda x, size: x[:, :, -size[0] :, -size[1] :])],
    "off_by_one": [net(cut=shifted)],
    "skip_resized": [net(cut=lambda x, size: F.interpolate(x, size, mode="bilinear"))],
    "margin_hard_coded": [net(cut=by_heart)],
    "not_cropped": [net(cut=lambda x, size: x)],
    "skip_first": [net(join=lambda self, up, skip: torch.cat([skip, up], 1))],
    "concat_batch": [net(join=lambda self, up, skip: torch.cat([up, skip]))],
    "concat_height": [net(join=lambda self, up, skip: torch.cat([up, skip], 2))],
    "skip_unused": [net(join=lambda self, up, skip: torch.cat([up, up], 1))],
    "added": [
        net(join=lambda self, up, skip: up + skip, merging=lambda self, n: DoubleConv(n, n)),
        net(join=lambda self, up, skip: up, merging=lambda self, n: DoubleConv(n, n)),
    ],
    "channels_not_halved": [
        net(
            enlarge=lambda self, a, b: nn.Upsample(scale_factor=2),
            merging=lambda self, n: DoubleConv(3 * n, n),
        ),
        net(
            enlarge=lambda self, a, b: nn.ConvTranspose2d(a, a, 2, 2),
            merging=lambda self, n: DoubleConv(3 * n, n),
        ),
    ],
    "skip_after_pool": [AfterPool],
    "skip_too_small": [AfterPoolSliced],
    "skip_of_wrong_level": [WrongLevel],
    "average_pooling": [net(pool=lambda x: F.avg_pool2d(x, 2))],
    "every_second_pixel": [net(pool=lambda x: x[:, :, ::2, ::2])],
    "head_missing": [net(last=lambda self, a, b: nn.Identity())],
    "head_unused": [HeadUnused],
    "resized": [Resized],
    "batch_lost": [net(tail=lambda x: x[0]), net(tail=torch.squeeze)],
    "axes_moved": [net(tail=lambda x: x.permute(0, 2, 3, 1))],
    "arguments_swapped": [
        halves(lambda a, n, base, depth: UNetConfig(a, base, n, depth)),
        lambda a, base, n, depth: Package(a, n, base, depth),
        lambda a, n, depth, base: Net(a, n, base, depth),
    ],
    "arguments_ignored": [
        halves(lambda *settings: UNetConfig()),
        halves(lambda a, n, base, depth: UNetConfig(depth=depth)),
    ],
    "made_in_forward": [InForward],
    "joined_channels": [net(merging=lambda self, n: DoubleConv(n, n))],
    "other_head": [net(last=lambda self, a, b: nn.Conv2d(a, b, 3, padding=1))],
    "softmax_in_head": [
        net(tail=lambda x: x.softmax(1)),
        net(last=lambda self, a, b: nn.Sequential(nn.Conv2d(a, b, 1), nn.Softmax2d())),
    ],
    "log_softmax_in_head": [net(tail=lambda x: F.log_softmax(x, 1))],
    "sigmoid_in_head": [net(tail=torch.sigmoid)],
    "relu_in_head": [net(tail=torch.relu)],
    "batch_norm_in_head": [
        net(last=lambda self, a, b: nn.Sequential(nn.Conv2d(a, b, 1), nn.BatchNorm2d(b)))
    ],
    "softmax_over_columns_in_head": [net(tail=lambda x: x.softmax(-1))],
    "batch_norm_in_one_half": [net(merging=lambda self, n: DoubleConv(2 * n, n, batch_norm=False))],
    "num_classes_ignored": [lambda a, n, base, depth: Net(a, 1, base, depth)],
    "in_channels_ignored": [lambda a, n, base, depth: Net(1, n, base, depth)],
    "base_channels_ignored": [lambda a, n, base, depth: Net(a, n, 64, depth)],
    "classes_chosen": [net(tail=lambda x: x.argmax(1))],
    "padded": [net(block=lambda a, b: DoubleConv(a, b, padding=1))],
    "doubled_too_soon": [lambda a, n, base, depth: Net(a, n, 2 * base, depth)],
    "wrong_depth": [FourLevels, lambda a, n, base, depth: Net(a, n, base, depth + 1)],
    "one_convolution": [net(block=stages("cbr"))],
    "relu_missing_at_end": [net(block=stages("cbrcb"))],
    "batch_norm_missing_at_end": [net(block=stages("cbrcr"))],
    "relu_before_batch_norm": [net(block=stages("crbcrb"))],
    "not_registered": [PlainLists],
    "shared_weights": [OneDecoder],
    "shared_batch_norm": [net(block=OneNorm)],
    "gradient_stops": [
        Backwards,
        net(join=lambda self, up, skip: torch.cat([up, skip.detach()], 1)),
    ],
    "raises": [
        net(skips=lambda self, x: self.encoder(x)),
        halves(UNetConfig, flip=True),
        halves(lambda *settings: UNetConfig(*settings, padding=2)),
    ],
    "returns_nothing": [net(tail=lambda x: None)],
    "wrong_return": [net(tail=lambda x: [x])],
    "wrong_signature": [UNet],
    "wrong_kind": [UNet(UNetConfig(depth=1, base_channels=1))],
    "not_attempted": [None, type("Stub", (nn.Module,), {"forward": lambda self, x: None})],
}
RIGHT = [
    Net,
    Package,
    Parts,
    Recursive,
    Functional,
    Dropout,
    net(enlarge=bilinear),
    net(enlarge=lambda self, a, b: bilinear(self, a, b, nn.ReLU(inplace=True))),
    net(cut=torchvision_crop, block=stages("cbrcbr", bias=False)),
]
