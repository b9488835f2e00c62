"""Wrong and right ways to write the contracting path."""

import torch.nn.functional as F
from torch import nn

from unet_lesson import ContractingPath, DoubleConv, UNetConfig


class Path(nn.Module):
    """The right one; the wrong ones below change a part."""

    factor = 2
    block = DoubleConv

    def __init__(self, in_channels, base_channels, depth):
        super().__init__()
        self.blocks = nn.ModuleList()
        for channels in self.channels(base_channels, depth):
            self.blocks.append(self.block(in_channels, channels))
            in_channels = channels

    def channels(self, base, depth):
        return [base * self.factor**level for level in range(depth + 1)]

    def pool(self, x):
        return F.max_pool2d(x, 2)

    def forward(self, x):
        maps = [self.blocks[0](x)]
        for block in self.blocks[1:]:
            maps.append(block(self.pool(maps[-1])))
        return maps


def result(change):
    """The right path with something done to its list."""
    return type("Changed", (Path,), {"forward": lambda self, x: change(Path.forward(self, x), x)})


def channels(change):
    return type("Channels", (Path,), {"channels": lambda self, base, depth: change(base, depth)})


def blocks(make):
    return type("Blocks", (Path,), {"block": staticmethod(make)})


def pooling(change):
    return type("Pooling", (Path,), {"pool": lambda self, x: change(x)})


class AfterPool(Path):
    def forward(self, x):
        maps = []
        for block in self.blocks[:-1]:
            x = F.max_pool2d(block(x), 2)
            maps.append(x)
        return [*maps, self.blocks[-1](x)]


class BeforeFirst(Path):
    def forward(self, x):
        maps = []
        for block in self.blocks:
            x = block(self.pool(x))
            maps.append(x)
        return maps


class Both(Path):
    def forward(self, x):
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
            x = self.pool(x)
            maps.append(x)
        return maps[:-1]


class PlainList(nn.Module):
    def __init__(self, in_channels, base_channels, depth):
        super().__init__()
        pairs = zip(
            [in_channels, *(base_channels * 2**i for i in range(depth))],
            range(depth + 1),
            strict=True,
        )
        self.blocks = [DoubleConv(a, base_channels * 2**i) for a, i in pairs]

    pool, forward = Path.pool, Path.forward


class SameBlock(nn.Module):
    """One block for all levels below the first."""

    def __init__(self, in_channels, base_channels, depth):
        super().__init__()
        kinds = (nn.Conv2d, nn.BatchNorm2d, relu) * 2
        first, other = (
            row(*kinds)(in_channels, base_channels),
            row(*kinds)(base_channels, base_channels),
        )
        self.blocks = nn.ModuleList([first, *[other] * depth])

    pool, forward = Path.pool, Path.forward


class Strided(Path):
    def __init__(self, in_channels, base_channels, depth):
        super().__init__(in_channels, base_channels, depth)
        pools = (base_channels * 2**level for level in range(depth))
        self.pools = nn.ModuleList(nn.Conv2d(n, n, 2, stride=2) for n in pools)


class OneNorm(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(a, b, 3), nn.Conv2d(b, b, 3)])
        self.norm = nn.BatchNorm2d(b)

    def forward(self, x):
        for conv in self.convs:
            x = self.norm(conv(x)).relu()
        return x


class Detached(Path):
    def forward(self, x):
        maps = [self.blocks[0](x)]
        for block in self.blocks[1:]:
            maps.append(block(self.pool(maps[-1].detach())))
        return maps


class Overwritten(Path):
    """Pools into the stored map's own memory."""

    def forward(self, x):
        maps = super().forward(x)
        for m in maps[:-1]:
            m.mul_(0)
        return maps


class Kept(Path):
    """The list is begun in __init__ and grows from call to call."""

    def __init__(self, *settings):
        super().__init__(*settings)
        self.maps = []

    def forward(self, x):
        self.maps += super().forward(x)
        return self.maps


class InForward(nn.Module):
    def __init__(self, *settings):
        super().__init__()
        self.settings = settings

    def forward(self, x):
        return Path(*self.settings)(x)


class DepthFour(Path):
    def __init__(self, in_channels, base_channels, depth):
        super().__init__(in_channels, base_channels, 4)


class OnlyLoop(Path):
    """Builds the levels above the bottom only."""

    def channels(self, base, depth):
        return [base * 2**level for level in range(depth)]


class NoReturn(Path):
    def forward(self, x):
        super().forward(x)


def row(*kinds, padding=0):
    def make(a, b):
        made = []
        for kind in kinds:
            made.append(nn.Conv2d(a, b, 3, padding=padding) if kind is nn.Conv2d else kind(b))
            a = b
        return nn.Sequential(*made)

    return make


def relu(_):
    return nn.ReLU()


# ---- right ones -------------------------------------------------------------------------------


class Package(ContractingPath):
    def __init__(self, in_channels, base_channels, depth):
        super().__init__(
            UNetConfig(in_channels=in_channels, base_channels=base_channels, depth=depth)
        )


class Recursive(nn.Module):
    def __init__(self, in_channels, base_channels, depth):
        super().__init__()
        self.here = DoubleConv(in_channels, base_channels)
        self.below = Recursive(base_channels, 2 * base_channels, depth - 1) if depth else None

    def forward(self, x):
        x = self.here(x)
        return [x, *self.below(F.max_pool2d(x, 2))] if self.below else [x]


class Pooled(nn.Module):
    """The pooling belongs to the level below it; a tuple comes out."""

    def __init__(self, a, base, depth):
        super().__init__()
        self.first = row(nn.Conv2d, nn.BatchNorm2d, relu, nn.Conv2d, nn.BatchNorm2d, relu)(a, base)
        for level in range(1, depth + 1):
            block = nn.Sequential(nn.MaxPool2d(2), DoubleConv(base, 2 * base))
            setattr(self, f"level{level}", block)
            base = 2 * base

    def forward(self, x):
        maps = []
        for block in self.children():
            x = block(x)
            maps += [x]
        return tuple(maps)


class Backwards(Path):
    """Its list of blocks begins at the bottom."""

    def __init__(self, *settings):
        super().__init__(*settings)
        self.blocks = nn.ModuleList(reversed(self.blocks))

    def forward(self, x):
        maps = []
        for block in reversed(self.blocks):
            x = block(F.adaptive_max_pool2d(x, [s // 2 for s in x.shape[2:]]) if maps else x)
            maps.append(x)
        return maps


WRONG = {
    "convolution_instead_of_pooling": [Strided],
    "base_channels_ignored": [lambda a, base, depth: Path(a, 64, depth)],
    "in_channels_ignored": [lambda a, base, depth: Path(1, base, depth)],
    "larger_window": [pooling(lambda x: F.max_pool2d(x, 3, 2, 1))],
    "only_one_map": [
        result(lambda maps, x: maps[-1:]),
        result(lambda maps, x: maps[-1]),
        result(lambda maps, x: maps[0]),
    ],
    "reversed_order": [result(lambda maps, x: maps[::-1])],
    "bottom_missing": [result(lambda maps, x: maps[:-1])],
    "first_missing": [result(lambda maps, x: maps[1:])],
    "input_too": [result(lambda maps, x: [x, *maps])],
    "nested_list": [result(lambda maps, x: (maps[:-1], maps[-1]))],
    "wrong_return": [result(lambda maps, x: dict(enumerate(maps))), result(lambda maps, x: [])],
    "after_pool": [
        AfterPool,
        result(lambda maps, x: [*(F.max_pool2d(m, 2) for m in maps[:-1])]),
        result(lambda maps, x: [F.max_pool2d(m, 2) for m in maps]),
    ],
    "too_many_maps": [Both],
    "list_kept": [Kept],
    "arguments_swapped": [
        lambda a, depth, base: Path(a, base, depth),
        lambda base, a, depth: Path(a, base, depth),
    ],
    "arguments_ignored": [
        lambda a, base, depth: ContractingPath(UNetConfig()),
        lambda a, base, depth: Path(1, 64, depth),
    ],
    "pooled_first": [BeforeFirst],
    "pooling_missing": [pooling(lambda x: x)],
    "average_pooling": [pooling(lambda x: F.avg_pool2d(x, 2))],
    "every_second_pixel": [pooling(lambda x: x[:, :, ::2, ::2])],
    "padded": [blocks(lambda a, b: DoubleConv(a, b, padding=1))],
    "not_registered": [PlainList],
    "made_in_forward": [InForward],
    "wrong_depth": [DepthFour, OnlyLoop, channels(lambda b, d: [b * 2**i for i in range(d + 2)])],
    "doubled_too_soon": [channels(lambda b, d: [2 * b * 2**i for i in range(d + 1)])],
    "channels_not_doubled": [
        channels(lambda b, d: [b] * (d + 1)),
        channels(lambda b, d: [b * 2 ^ i for i in range(d + 1)]),
    ],
    "channels_added": [channels(lambda b, d: [b * (i + 1) for i in range(d + 1)])],
    "channels_quadrupled": [channels(lambda b, d: [b * 4**i for i in range(d + 1)])],
    "bottom_not_doubled": [channels(lambda b, d: [b * 2 ** min(i, d - 1) for i in range(d + 1)])],
    "wrong_layers": [
        blocks(row(nn.Conv2d, nn.BatchNorm2d, relu)),
        blocks(lambda a, b: nn.Sequential(DoubleConv(a, b), nn.Conv2d(b, b, 1))),
    ],
    "shared_batch_norm": [blocks(OneNorm)],
    "batch_norm_twice": [blocks(row(*(nn.Conv2d, nn.BatchNorm2d, nn.BatchNorm2d, relu) * 2))],
    "shared_weights": [SameBlock],
    "relu_missing": [blocks(row(nn.Conv2d, nn.BatchNorm2d, nn.Conv2d, nn.BatchNorm2d))],
    "relu_missing_at_end": [
        blocks(row(nn.Conv2d, nn.BatchNorm2d, relu, nn.Conv2d, nn.BatchNorm2d))
    ],
    "batch_norm_missing_at_end": [blocks(row(nn.Conv2d, nn.BatchNorm2d, relu, nn.Conv2d, relu))],
    "relu_before_batch_norm": [
        blocks(row(nn.Conv2d, relu, nn.BatchNorm2d, nn.Conv2d, relu, nn.BatchNorm2d))
    ],
    "wrong_values": [Overwritten],
    "gradient_stops": [result(lambda maps, x: [m.detach() for m in maps])],
    "returns_nothing": [NoReturn],
    "raises": [type("Misspelt", (Path,), {"forward": lambda self, x: self.layers(x)})],
    "wrong_kind": [Path(1, 2, 1), [DoubleConv]],
    "not_attempted": [None, type("Stub", (nn.Module,), {"forward": lambda self, x: None})],
}
RIGHT = [
    Path,
    Package,
    Recursive,
    Pooled,
    Backwards,
    blocks(lambda a, b: DoubleConv(a, b, batch_norm=False)),
    lambda a, b, depth: Path(a, b, depth),
]
