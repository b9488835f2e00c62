"""The exercise on prediction by tiles."""

from copy import deepcopy
from itertools import product
from math import ceil

import numpy as np
import torch
from torch import nn

from unet_lesson import UNet, UNetConfig
from unet_lesson.practice.learner import Wrong, call, close, show
from unet_lesson.practice.objectives import as_tensor
from unet_lesson.practice.report import exercise
from unet_lesson.tile_plan import margin, tile_step, whole_side

CASES = {  # text: (network, (height, width) of the image, side of the tile)
    "an image of three channels": (
        UNetConfig(in_channels=3, num_classes=2, base_channels=6, depth=1, up="nearest"),
        (60, 75),
        44,
    ),
    "steps smaller than the output, as at depth 3": (
        UNetConfig(in_channels=1, num_classes=3, base_channels=3, depth=3, up="transpose"),
        (165, 178),
        116,
    ),
    "an image that is filled by whole tiles, many of them": (
        UNetConfig(in_channels=1, num_classes=2, base_channels=4, depth=1, up="transpose"),
        (96, 80),
        24,
    ),
}


class Watched(UNet):
    """A UNet that notes in `seen` the shapes it is given; a copy of it notes them there too."""

    def forward(self, x):
        self.seen.append(tuple(x.shape))
        return super().forward(x)


def network_of(config):
    """A network in train mode, as after some training: its BatchNorm has seen some noise."""
    network = type("UNet", (Watched,), {"seen": []})(config)  # one list for all copies
    side = whole_side(config, 40)
    with torch.no_grad():
        for _ in range(3):
            network(0.5 + 2 * torch.randn(2, config.in_channels, side, side))
    nn.init.normal_(network.head.bias)  # no pixel whose logits are all 0
    network.seen.clear()
    return network


# ---- the right answer, and tiles laid otherwise -------------------------------------------------


@torch.no_grad()
def whole(network, image):
    """The logits of the image in one piece, mirrored beyond its border: (K, H, W)."""
    rim, (_, height, width) = margin(network.config), image.shape
    pads = [(rim, whole_side(network.config, n) - rim - n) for n in (height, width)]
    padded = np.pad(image.numpy(), ((0, 0), *pads), mode="reflect")
    logits = deepcopy(network).eval()(torch.from_numpy(padded)[None])[0]
    return logits[:, :height, :width]


@torch.no_grad()
def laid(network, image, tile, *, step=None, border="reflect", train=False, change=None, **other):
    """Tiles with a mistake: (K, H, W), NaN where none of them writes.

    step: from tile to tile. border: a mode of np.pad. train: the mode. change: of the input tile.
    other: behind, a change of a tile's logits; shift, by which it is written further on; lost,
    which leaves out the last; turned, which mixes rows and columns in reading.
    """
    rim, (_, height, width) = margin(network.config), image.shape
    output, network = tile - 2 * rim, deepcopy(network).train(train)
    step, shift = step or tile_step(network.config, tile), other.get("shift", 0)
    padded = np.pad(image.numpy(), ((0, 0), (rim, rim + tile), (rim, rim + tile)), mode=border)
    out = torch.full((network.config.num_classes, height + 2 * tile, width + 2 * tile), torch.nan)
    ends = [n - output + 1 if other.get("lost") else n for n in (height, width)]
    for y, x in product(range(0, ends[0], step), range(0, ends[1], step)):
        top, left = (x, y) if other.get("turned") else (y, x)
        part = torch.from_numpy(padded[:, top : top + tile, left : left + tile].copy())
        part = change(part) if change else part
        row, column = y + shift, x + shift
        logits = network(part[None])[0]
        logits = other["behind"](logits) if "behind" in other else logits
        out[:, row : row + output, column : column + output] = logits
    return out[:, :height, :width]


def standard(part):
    return (part - part.mean()) / part.std()


def spread(part):
    return (part - part.min()) / (part.max() - part.min())


MISTAKES = {  # key: (network, image, tile -> logits, likely)
    "eval_forgotten": (
        [lambda *case: laid(*case, train=True)],
        "The network is in train mode, and BatchNorm takes the mean of each tile: network.eval().",
    ),
    "step_is_output": (
        [lambda n, image, tile: laid(n, image, tile, step=tile - 2 * margin(n.config))],
        "Tiles follow one another by their whole output. Only in steps of 2 ** depth do the "
        "poolings of all tiles fall on the same pixels: (output // block) * block.",
    ),
    "zeros_at_border": (
        [lambda *case: laid(*case, border="constant")],
        "Beyond its border the image is filled with zeros. Mirror it: mode 'reflect'.",
    ),
    "border_repeated": (
        [lambda *case: laid(*case, border="symmetric")],
        "The mirror repeats the border pixel. It stands once: mode 'reflect', not 'symmetric'.",
    ),
    "edge_repeated": (
        [lambda *case: laid(*case, border="edge")],
        "The border pixel is drawn out beyond the border. Mirror the image: mode 'reflect'.",
    ),
    "wrapped_around": (
        [lambda *case: laid(*case, border="wrap")],
        "Beyond its border the image begins again. Mirror it: mode 'reflect'.",
    ),
    "step_is_tile": (
        [lambda n, image, tile: laid(n, image, tile, step=tile)],
        "The step is a whole tile, and there are gaps: a tile loses its margin on each side.",
    ),
    "placed_at_input": (
        [lambda n, image, tile: laid(n, image, tile, shift=margin(n.config))],
        "A tile's output is written a margin too far down and right.",
    ),
    "axes_swapped": (
        [lambda *case: laid(*case, turned=True)],
        "Rows and columns are mixed where a tile is read: padded[:, y : y + tile, x : x + tile].",
    ),
    "last_tile_lost": (
        [lambda *case: laid(*case, lost=True)],
        "Only whole tiles are laid, and the end of the image is never written.",
    ),
    "tile_normalised": (
        [lambda *case: laid(*case, change=standard), lambda *case: laid(*case, change=spread)],
        "Every tile is brought to its own scale. Take the pixels as they are.",
    ),
    "result_normalised": (
        [
            lambda *case, scaled=scaled: laid(*case, behind=scaled)
            for scaled in (standard, spread, lambda z: z / z.max(), lambda z: z / z.abs().max())
        ],
        "Every tile's result is brought to its own scale, and the tiles no longer fit together.",
    ),
    "softmax_wrong_axis": (
        [
            lambda *case: laid(*case, behind=lambda z: z.softmax(1)),
            lambda *case: laid(*case, behind=lambda z: z.softmax(2)),
            lambda *case: laid(*case, behind=lambda z: z.flatten().softmax(0).view_as(z)),
            lambda *case: whole(*case[:2]).softmax(1),
            lambda *case: whole(*case[:2]).softmax(2),
        ],
        "The softmax goes along another axis: the classes are axis 1 of (N, K, H, W).",
    ),
    "softmax_twice": (
        [lambda *case: whole(*case[:2]).softmax(0).softmax(0)],
        "The softmax is taken twice.",
    ),
    "other_values": (
        [lambda *case: whole(*case[:2]).sigmoid(), lambda *case: whole(*case[:2]).log_softmax(0)],
        "Give back the logits or their softmax.",
    ),
}


# ---- the check ----------------------------------------------------------------------------------


@exercise("predict_by_tiles(network, image, tile)", "08_overlap_tile", level=3, minutes=20)
def judge_predict_by_tiles(learner):
    """Write overlap-tile: predict a large image in tiles of side `tile`.

    network: a UNet without padding, as it comes out of training, in train mode. Predict in eval
    mode and without gradients. image: a tensor (C, H, W), larger than a tile. tile: the side of an
    input tile, a legal one. -> (K, H, W), tensor or array: the logits of all K classes, or their
    softmax, exactly as the whole image in one piece would give them, mirrored beyond its border
    (the border pixel is not repeated). So tiles begin at multiples of 2 ** network.config.depth.
    The network never reads more than a tile at a time. A few tiles may make a batch, but not all:
    memory must not grow with the image.
    """
    for text, (config, size, tile) in CASES.items():
        network = network_of(config)
        image = 0.5 + 2 * torch.randn(config.in_channels, *size)
        case = deepcopy(network), image, tile
        got = attempt(learner, network, image, tile)
        seen = list(network.seen)  # before anything else is predicted
        check_tiles(got, case, network)
        check_reading(seen, case, got)
        yield f"{text}: {size[0]} x {size[1]} in tiles of {tile}"
    if (got.sum(0) - 1).abs().max() < 1e-3:
        yield "you give the softmax of the scores, which is as good"


def attempt(learner, network, image, tile):
    """The learner's result as a tensor, or Wrong."""
    try:
        return as_tensor(call(learner, network, image, tile), ONE_RESULT).float()
    except Wrong as wrong:
        if wrong.diagnosis != "raises":
            raise
        if "requires grad" in wrong.fails:
            raise Wrong("keeps_graph", wrong.fails, NO_GRADIENTS) from None
        shape = network.seen[-1] if network.seen else (1, len(image), tile, tile)
        if len(shape) == 4 and shape[1] > len(image):
            raise Wrong("raises", wrong.fails, "np.pad takes (0, 0) for the channels.") from None
        if min(shape[-2:]) < tile:
            fails = f"A piece of {shape[-2:]} goes into the network, and a tile is {tile}. "
            likely = "At the border a tile reaches beyond the image: mirror it there first."
            raise Wrong("piece_of_a_tile", fails + wrong.fails, likely) from None
        raise


ONE_RESULT = "Write the tiles into one tensor (K, H, W), and return that."
NO_GRADIENTS = "Predict under torch.no_grad() or inference_mode(), which keeps no maps."


def check_tiles(got, case, network):
    """Raise Wrong unless the result is right. case: network before, image, tile; network: after."""
    right = whole(*case[:2])
    check_tiles_shape(got, right, case)
    if any(close(got, form) for form in (right, right.softmax(0))):
        return
    off = wrong_pixels(got, right)
    fails = f"{off.sum()} of {off.numel()} pixels are not as in one piece{where(off)}."
    if never_written(got, margin(case[0].config)):
        raise Wrong("no_mirror", fails, NO_MIRROR)
    if any(added(got, form, off) for form in (right, right.softmax(0))):
        raise Wrong("overlap_added", fails, "Where tiles overlap their results are added.")
    for key, (values, likely) in MISTAKES.items():
        if any(fits(got, value(*case)) for value in values):
            raise Wrong(key, fails, likely)
    raise Wrong(*region(off, got, case[0], network, fails))


TRAINED = "A pass in train mode changed BatchNorm's running mean: eval() before the first pass."


def where(off):
    """The rows and columns between which pixels are wrong."""
    if not off.any():
        return ""
    rows, columns = (off.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    return f", in rows {rows[0]} to {rows[-1]} and columns {columns[0]} to {columns[-1]}"


NO_MIRROR = "The tiles stay inside the image, and its own margin is never written: mirror it."


def never_written(got, rim):
    """Does a margin around the image hold one and the same value, and its middle others?"""
    around = torch.ones(got.shape[1:], dtype=torch.bool)
    around[rim:-rim, rim:-rim] = False
    rest, values = got[:, ~around], got[:, around].nan_to_num()
    return bool((values == values[:, :1]).all() and (rest != rest[:, :1]).any())


def wrong_pixels(got, right):
    """(H, W) bool: where neither the logits nor their softmax came; the form that fits better."""
    forms = [
        ((got - form).abs() <= 1e-3 * form.abs().max()).all(0) for form in (right, right.softmax(0))
    ]
    return ~max(forms, key=lambda form: form.sum())


def fits(got, wanted):
    """Is `got` this, or its softmax, wherever something is written?"""
    written = ~wanted[0].isnan()
    if written.float().mean() < 0.1:
        return False
    forms = (wanted, wanted.softmax(0))
    return any(close(got[:, written], form[:, written], 0.01) for form in forms)


def added(got, right, off):
    """Are some pixels right, and do all others hold the right value twice or more often?"""
    times = ((got * right).sum(0) / (right * right).sum(0)).round()  # (H, W)
    same = (got - times * right).abs().max() <= 1e-3 * got.abs().max()
    return bool(same and 0 < off.float().mean() < 0.6 and (times[off] >= 2).all())


def region(off, got, before, network, fails):
    """Key, example and likely mistake, by what BatchNorm has seen and where wrong pixels lie."""
    pairs, rim = zip(network.buffers(), before.buffers(), strict=True), margin(before.config)
    if not all(torch.equal(*pair) for pair in pairs):
        return "eval_too_late", fails, TRAINED
    middle = off[rim:-rim, rim:-rim] if min(off.shape) > 2 * rim else off
    if not middle.any():
        return "border_wrong", fails, "Within a margin of the border it is wrong: mirror the image."
    if not off[: off.shape[0] // 2, : off.shape[1] // 2].any():
        likely = "Does the last tile reach the end, and does it begin at a multiple of 2 ** depth?"
        return "end_wrong", fails, likely
    if (got == got[:, :1, :1]).all():
        return "wrong_values", fails, "Every pixel is the same: nothing is written into the result."
    return "wrong_values", fails, THREE_QUESTIONS


THREE_QUESTIONS = "Is every start y a multiple of 2 ** depth? Does its tile read from y - margin "
THREE_QUESTIONS += "of one mirrored image? Is what comes out written at y as it is?"


def check_tiles_shape(got, right, case):
    """Raise Wrong unless the shape is (K, H, W)."""
    shape, (k, h, w), rim = tuple(got.shape), right.shape, margin(case[0].config)
    if shape == (k, h, w):
        return
    fails = f"For {h} x {w} pixels and {k} classes {(k, h, w)} is wanted; you give {show(got)}."
    told = {
        (1, k, h, w): ("batch_axis_left", "Take the batch axis off: logits[0]."),
        (h, w, k): ("channels_last", "The classes come first."),
        (k, w, h): ("axes_swapped", "Height comes before width."),
        (h, w): ("one_class_only", "One map comes. All classes are asked for, not the best one."),
        (k, h - 2 * rim, w - 2 * rim): ("no_mirror", NO_MIRROR),
        (k, h + 2 * rim, w + 2 * rim): ("not_cut_back", "The mirrored margin is still there."),
    }
    other = "wrong_shape", "One value for each class and pixel."
    if len(shape) == 3 and shape[0] == k and shape[1] >= h and shape[2] >= w:
        other = "not_cut_back", "Cut the result back to the image."
    key, likely = told.get(shape, other)
    raise Wrong(key, fails, likely)


def check_reading(seen, case, got):
    """Raise Wrong if the shapes seen are too large, or the result keeps its graph."""
    network, image, tile = case
    largest = max((max(shape[-2:]) for shape in seen), default=0)
    if largest > tile:
        fails = f"The network reads {largest} pixels a side, and a tile has {tile}."
        raise Wrong("whole_at_once", fails, "Its memory must be bounded by the tile.")
    step, batch = tile_step(network.config, tile), max((shape[0] for shape in seen), default=0)
    tiles = ceil(image.shape[1] / step) * ceil(image.shape[2] / step)
    if tiles > 100 and batch > tiles / 2:
        fails = f"{batch} tiles go through the network in one batch, and {tiles} fill the image."
        raise Wrong("all_tiles_at_once", fails, FEW_TILES)
    if got.requires_grad:
        fails = "The result has a gradient: the maps of all tiles are kept in memory."
        raise Wrong("keeps_graph", fails, NO_GRADIENTS)


FEW_TILES = "Memory then grows with the image. One tile at a time, or a small fixed number."
