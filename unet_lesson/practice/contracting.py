"""The exercise on the contracting path: a map for every level."""

from itertools import pairwise, permutations, product

import torch
import torch.nn.functional as F

from unet_lesson import UNetConfig, shapes
from unet_lesson.practice.doubles import check_double, double, double_shapes
from unet_lesson.practice.learner import Wrong, close, run, show
from unet_lesson.practice.probe import (
    build,
    check_module,
    check_registered,
    find_kernels,
    first_difference,
    kernels,
    try_run,
    without_dropout,
)
from unet_lesson.practice.report import exercise

PATHS = [((3, 4, 2), (124, 132)), ((1, 2, 1), (18, 22)), ((2, 3, 3), (92, 100))]


@exercise(
    "contracting_path(in_channels, base_channels, depth)",
    "02_contracting_path",
    level=2,
    minutes=15,
    wants="class",
)
def judge_contracting_path(learner):
    """Write the left half of the U: a DoubleConv per level, a 2x2 max pooling between two levels.

    A class, an nn.Module: (N, in_channels, H, W) -> the list of depth + 1 maps, from level 1 to
    the bottom, each as it comes out of its DoubleConv. Level 1 has base_channels, and each level
    below twice as many. Convolutions are valid; with BatchNorm, or without any, as in the paper.
    DoubleConv may be yours or the package's.
    """
    for settings, size in PATHS:
        module, x = build(learner, *settings), torch.randn(2, settings[0], *size)
        got, failed = try_run(module, x)
        check_path_layers(module, x, settings, failed)
        check_map_shapes(got, map_shapes(settings, size), x)
        yield f"depth {settings[2]}: {len(got)} maps and their shapes"
    settings = PATHS[0][0]
    module = without_dropout(build(learner, *settings))
    x = 1 + 3 * torch.randn(6, settings[0], 44, 52)
    run(module, x)

    def values(*got):
        weights = path_kernels(module, settings)
        orders = check_path_values(x, got, weights)
        return lambda x: path(x, weights, orders)

    yield from check_module(module, lambda m, x: as_maps(run(m, x)), values, x)


def path(x, weights, orders):
    """All maps, by torch's operators."""
    maps = []
    for pair, order in zip(weights, orders, strict=True):
        maps.append(double(F.max_pool2d(maps[-1], 2) if maps else x, pair, order))
    return maps


def channels_of(settings):
    """The channels before and after each DoubleConv: ((in, out) of level 1, ...)."""
    into, base, depth = settings
    channels = [into, *(base * 2**level for level in range(depth + 1))]
    return list(pairwise(channels))


def path_shapes(settings):
    """The shapes of all its weights, from level 1 down."""
    return [shape for pair in channels_of(settings) for shape in double_shapes(*pair)]


def path_kernels(module, settings):
    """Its weights: a pair for every level."""
    found = find_kernels(module, path_shapes(settings))
    return list(zip(found[::2], found[1::2], strict=True))


def map_shapes(settings, size):
    """The shapes (N, C, H, W) of the maps of two images."""
    config = UNetConfig(in_channels=settings[0], base_channels=settings[1], depth=settings[2])
    sides = zip(*(shapes.axis_sizes(config, side).contracting for side in size), strict=True)
    return [(2, c, *pair) for c, pair in zip(config.channels, sides, strict=True)]


def as_maps(result):
    """The learner's maps as a list, or Wrong."""
    if isinstance(result, torch.Tensor):
        fails = f"A list of maps is wanted, and one tensor of shape {tuple(result.shape)} came."
        likely = "Every level's map is needed for the skip connections: collect and return all."
        raise Wrong("only_one_map", fails, likely)
    parts = list(result) if isinstance(result, list | tuple) else []
    if parts and all(isinstance(part, torch.Tensor) for part in parts):
        return parts
    came = "a dict" if isinstance(result, dict) else show(result)
    fails = f"A list of maps is wanted, and {came} came."
    if any(isinstance(part, list | tuple) for part in parts):
        raise Wrong("nested_list", fails, "One list, flat: the bottom is its last map.")
    raise Wrong("wrong_return", fails, "Return [map of level 1, ..., map of the bottom].")


def check_path_layers(module, x, settings, failed):
    """Raise Wrong unless there are just the weights of depth + 1 DoubleConvs."""
    check_registered(module, x)
    have, want = [tuple(p.shape) for p in kernels(module)], path_shapes(settings)
    if find_kernels(module, want) is None or len(have) != len(want):
        fails = f"For (in_channels, base_channels, depth) = {settings} "
        fails += f"{first_difference(want, have)}." + (f" {failed.fails}" if failed else "")
        raise Wrong(*path_mistake(have, settings, fails))
    if failed:
        raise failed


def path_mistake(have, settings, fails):
    """Key, example and likely mistake for weights of other shapes."""
    if not have:
        return "not_registered", fails, "No weights are found: use nn.ModuleList."
    for key, channels, likely in other_paths(have, settings):
        shapes_ = [shape for pair in pairwise(channels) for shape in double_shapes(*pair)]
        if sorted(have) == sorted(shapes_):
            return key, fails, likely
    if any(shape[2:] == (2, 2) for shape in have):
        likely = "Halving is done by nn.MaxPool2d(2), which learns nothing."
        return "convolution_instead_of_pooling", fails, likely
    outs = [shape[0] for shape in have[::2]]
    steps = pairwise([settings[0], *outs])
    if have == [shape for pair in steps for shape in double_shapes(*pair)]:
        likely = "The channels double: base_channels * 2**level. ^ is no power."
        return "channels_not_doubled", fails, likely
    if len(have) != 2 * settings[2] + 2:
        return "wrong_layers", fails, "Two convolutions a level, depth + 1 levels, and no more."
    return "wrong_channels", fails, "Each DoubleConv takes the channels of the level above."


def other_paths(have, settings):
    """(key, channels before and behind every level, likely) of the known mistakes."""
    into, base, depth = settings
    powers = [2**level for level in range(depth + 1)]

    def wrong(key, factors, likely, into=into, base=base):
        return key, [into, *(base * factor for factor in factors)], likely

    for other in (d for d in range(7) if d != depth):
        likely = f"depth poolings make depth + 1 levels; yours has {other + 1}."
        yield wrong("wrong_depth", [2**level for level in range(other + 1)], likely)
    likely = "Level 1 has base_channels; the doubling begins below it."
    yield wrong("doubled_too_soon", powers, likely, base=2 * base)
    likely = "Read the argument: the number stands fixed in your code."
    yield wrong("base_channels_ignored", powers, likely, base=have[0][0])
    for number in {shape[1] for shape in have} - {into}:
        yield wrong("in_channels_ignored", powers, likely, into=number)
    likely = "The channels double from level to level, down to the bottom: 1, 2, 4, ..."
    yield wrong("channels_not_doubled", [1] * (depth + 1), likely)
    yield wrong("channels_added", range(1, depth + 2), likely)
    yield wrong("channels_quadrupled", [power**2 for power in powers], likely)
    yield wrong("bottom_not_doubled", [*powers[:-1], powers[-1] // 2], likely)
    named = {"in_channels": into, "base_channels": base, "depth": depth}
    for key, (into, base, depth), likely in other_settings(**named):
        yield wrong(key, [2**level for level in range(depth + 1)], likely, into, base)


def other_settings(**settings):
    """(key, values, likely): the settings in another order, or some left at their defaults."""
    likely = f"Two arguments are swapped. The order is {', '.join(settings)}."
    for swapped in permutations(settings.values()):
        yield "arguments_swapped", swapped, likely
    likely = "Pass all the arguments on: fixed numbers or UNetConfig's own values stand there."
    for chosen in product(*((value, getattr(UNetConfig(), n)) for n, value in settings.items())):
        yield "arguments_ignored", chosen, likely


def check_map_shapes(result, wanted, x):
    """Raise Wrong unless the maps have these shapes, in this order."""
    got = [tuple(m.shape) for m in as_maps(result)]
    if got == wanted:
        return
    fails = f"{tuple(x.shape)} must become {wanted}, and yours becomes {got}."
    pooled = [(n, c, height // 2, width // 2) for n, c, height, width in wanted]
    for key, shapes_, likely in (
        ("reversed_order", wanted[::-1], "The order is from level 1 down to the bottom."),
        ("bottom_missing", wanted[:-1], "The map of the bottom belongs at the end of the list."),
        ("first_missing", wanted[1:], "The map of level 1 is missing."),
        ("input_too", [tuple(x.shape), *wanted], "The image itself is no map of the list."),
        ("after_pool", [*pooled[:-1], wanted[-1]], AFTER_POOL),
        ("after_pool", pooled, AFTER_POOL),
        ("after_pool", pooled[:-1], AFTER_POOL),
    ):
        if got == shapes_:
            raise Wrong(key, fails, likely)
    raise Wrong(*size_mistake(got, wanted, x, fails))


AFTER_POOL = "The skip is taken after the pooling. Keep the map first, then pool it."


def size_mistake(got, wanted, x, fails):
    """Key, example and likely mistake for other sizes."""
    if got == wanted * (len(got) // len(wanted)):
        likely = "The list keeps what an earlier call put in: begin it in forward."
        return "list_kept", fails, likely
    if len(got) > len(wanted) and set(wanted) <= set(got):
        return "too_many_maps", fails, "Only the maps out of the DoubleConvs belong in the list."
    if len(got) == 1:
        likely = "Every level's map is needed for the skip connections: collect and return all."
        return "only_one_map", fails, likely
    if len(got) != len(wanted):
        return "wrong_number_of_maps", fails, "One map a level: depth + 1 of them."
    if sorted(got) == sorted(wanted):
        return "wrong_order", fails, "The order is from level 1 down to the bottom."
    height, level = x.shape[2], range(len(got))
    heights = [shape[2] for shape in got]
    if heights == [height // 2**i for i in level]:
        return "padded", fails, "You pad. Valid convolutions take 4 pixels a level: padding 0."
    if heights == [height - 4 * (i + 1) for i in level]:
        return "pooling_missing", fails, "A 2x2 max pooling between two levels is missing."
    if heights[0] == height // 2 - 4:
        return "pooled_first", fails, "You pool before the first DoubleConv."
    return "wrong_shape", fails, "DoubleConv takes 4 pixels, the pooling halves."


def check_path_values(x, got, weights):
    """The order of every level, or Wrong: each map is the DoubleConv of the pooled map above."""
    orders = []
    for level, (result, pair) in enumerate(zip(got, weights, strict=True), start=1):
        try:
            orders.append(check_double(x, result, pair, plain=True))
        except Wrong as wrong:
            if level > 1 and wrong.diagnosis == "wrong_values":
                check_pooling(level, got[level - 2], result, pair)
            wrong.fails = f"Level {level}. {wrong.fails}"
            raise
        x = F.max_pool2d(result, 2)
    return orders


def check_pooling(level, above, result, pair):
    """Raise Wrong if the map comes from the one above by another way of halving."""
    for key, halved, what in (
        ("average_pooling", F.avg_pool2d(above, 2), "the mean of 2x2 pixels"),
        ("every_second_pixel", above[:, :, ::2, ::2], "every second pixel"),
        ("smallest_taken", -F.max_pool2d(-above, 2), "the smallest of 2x2 pixels"),
        ("larger_window", F.max_pool2d(above, 3, 2, 1), "the largest of 3x3 pixels"),
    ):
        if any(close(result, double(halved, pair, order), 0.01) for order in ("CBR CBR", "CR CR")):
            fails = f"The map of level {level} is made of {what} of the map above."
            raise Wrong(key, fails, "The pooling takes the largest of 2x2 pixels: nn.MaxPool2d(2).")
