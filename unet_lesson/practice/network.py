"""The exercise on the whole network."""

from itertools import product

import torch
import torch.nn.functional as F

from unet_lesson import UNetConfig, shapes
from unet_lesson.practice.contracting import other_settings, path_shapes
from unet_lesson.practice.doubles import attempt, double, double_shapes
from unet_lesson.practice.joins import blame_join
from unet_lesson.practice.learner import Wrong, close, run
from unet_lesson.practice.probe import (
    build,
    check_axes,
    check_module,
    check_registered,
    find_kernels,
    first_difference,
    kernels,
    left_over,
    misfit,
    watch,
    without_dropout,
)
from unet_lesson.practice.report import exercise
from unet_lesson.practice.up_block import MISTAKES, decoder_step, recognise_recipe, right_recipes

NETWORKS = [((5, 6, 2, 1), (18, 22)), ((3, 5, 4, 2), (44, 52)), ((7, 3, 2, 3), (100, 108))]
TAILS = {
    "": lambda x: x,
    "softmax": lambda x: x.softmax(1),
    "softmax_over_columns": lambda x: x.softmax(3),
    "softmax_over_rows": lambda x: x.softmax(2),
    "softmax_over_batch": lambda x: x.softmax(0),
    "log_softmax": lambda x: x.log_softmax(1),
    "sigmoid": torch.sigmoid,
    "relu": F.relu,
    "tanh": torch.tanh,
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
}
POOLS = {
    "max": lambda x: F.max_pool2d(x, 2),
    "average": lambda x: F.avg_pool2d(x, 2),
    "every second": lambda x: x[:, :, ::2, ::2],
}
LOGITS = "The head is a plain 1x1 convolution: the loss wants its scores as they are."
NETWORK_MISTAKES = [
    *((f"{tail}_in_head", {"tail": tail}, LOGITS) for tail in TAILS if tail),
    ("skip_after_pool", {"skips": "pooled"}, "The skips are taken after the pooling, not before."),
    ("average_pooling", {"pool": "average"}, "The pooling takes the largest of 2x2 pixels."),
    (
        "every_second_pixel",
        {"pool": "every second"},
        "The pooling takes the largest of 2x2 pixels.",
    ),
    ("batch_norm_in_one_half", {"decoder": "CR CR"}, "BatchNorm in both halves, or in none."),
    ("batch_norm_in_one_half", {"decoder": "CBR CBR"}, "BatchNorm in both halves, or in none."),
    *MISTAKES,
]


@exercise(
    "unet(in_channels, num_classes, base_channels, depth)",
    "04_full_network",
    level=3,
    minutes=45,
    wants="class",
)
def judge_unet(learner):
    """Write the whole network, from a blank page or out of your own parts or the package's.

    A class, an nn.Module: (N, in_channels, H, W) -> (N, num_classes, H', W') scores, before any
    softmax; 572 x 572 becomes 388 x 388 at depth 4. depth counts the poolings; level 1 has
    base_channels, and each level below twice as many. Convolutions are valid, skips are cut in
    their middle and joined behind the upsampled map. Free: BatchNorm (or none at all, as in the
    paper), the way up (as in up_block), biases. Only legal sizes are tried.
    """
    for settings, size in NETWORKS:
        module, x = build(learner, *settings), torch.randn(2, settings[0], *size)
        check_whole(module, x, settings, first=settings == NETWORKS[0][0])
        yield f"depth {settings[3]}, {size[0]} x {size[1]}: the layers and the shape"
    recipes = None
    for settings, size in (((3, 5, 4, 1), (18, 22)), ((3, 5, 4, 2), (48, 52))):
        module = without_dropout(build(learner, *settings))
        x = 1 + 2 * torch.randn(6, settings[0], *size)
        run(module, x)
        found = []
        values = network_values(module, x, settings, recipes, found)
        for sentence in check_module(module, lambda m, x: [run(m, x)], values, x):
            yield f"depth {settings[3]}: {sentence}"
        recipes = found


def network_values(module, x, settings, recipes, found):
    """The function that compares the result with all right recipes and puts the one in `found`."""

    def values(got):
        variants = network_kernels(module, settings)

        def matches(recipe, known=variants):
            return any(close(got, network(x, weights, recipe), 0.01) for weights in known)

        up = variants[0][1][0][0]
        recipe = recognise_recipe(matches, recipes or right_recipes(up), NETWORK_MISTAKES)
        found.append(recipe)
        weights = next(weights for weights in variants if matches(recipe, [weights]))
        return lambda x: [network(x, weights, recipe)]

    return values


def network(x, weights, recipe):
    """The whole U: (N, in_channels, H, W) -> (N, num_classes, H', W')."""
    down, up, head = weights
    skips = []
    for pair in down[:-1]:
        x = double(x, pair, recipe.order)
        pooled = POOLS[recipe.pool](x)
        skips.append(pooled if recipe.skips == "pooled" else x)
        x = pooled
    x = double(x, down[-1], recipe.order)
    for triple, skip in zip(up, reversed(skips), strict=True):
        x = decoder_step(x, skip, triple, recipe)
    return TAILS[recipe.tail](F.conv2d(x, head))


def network_shapes(settings, kind):
    """The shapes of all weights: contracting path, (up, DoubleConv) per level, head."""
    into, classes, base, depth = settings
    found = path_shapes((into, base, depth))
    for level in reversed(range(depth)):
        out = base * 2**level
        found.append((out, 2 * out, 1, 1) if kind == "1x1" else (2 * out, out, 2, 2))
        found += double_shapes(2 * out, out)
    return [*found, (classes, base, 1, 1)]


def network_kernels(module, settings):
    """All ways to tell the weights apart, each ([pair, ...], [triple, ...], head), or [].

    A level's second convolution has the same shape on the way down and up: either may be first.
    """
    depth = settings[3]
    for kind in ("1x1", "2x2"):
        found = find_kernels(module, network_shapes(settings, kind))
        if found:
            return [_sorted(found, depth, swap) for swap in product((0, 1), repeat=depth)]
    return []


def _sorted(found, depth, swap):
    found = list(found)
    for level, swapped in enumerate(swap):
        if swapped:
            down, up = 2 * level + 1, 2 * depth + 2 + 3 * (depth - 1 - level) + 2
            found[down], found[up] = found[up], found[down]
    down, up = found[: 2 * depth + 2], found[2 * depth + 2 : -1]
    triples = list(zip(up[::3], up[1::3], up[2::3], strict=True))
    return list(zip(down[::2], down[1::2], strict=True)), triples, found[-1]


# ---- layers and shape -------------------------------------------------------------------------


def check_whole(module, x, settings, first):
    """Raise Wrong unless layers and shape are right."""
    got, failed = attempt(module, x)
    try:
        check_network_layers(module, x, settings)
        if failed:
            raise failed
        check_network_shape(module, x, got, settings)
    except Wrong as wrong:
        if failed and wrong is not failed:
            wrong.fails += f" {failed.fails}"
        wrong = misfit(wrong, MISFIT)
        found = blame_join(wrong, module, x, first=first)
        raise (wrong_level(module, x) or found if found is failed else found) from None


MISFIT = "Print the shapes in forward. A skip is kept before the pooling, and by hand the deepest "
MISFIT += "comes first; the package's ExpansivePath takes the list as it comes."


def wrong_level(module, x):
    """Wrong if the last join had two numbers of channels, else None."""
    joins = watch(module, x).joins
    shapes_ = [tuple(m.shape) for m in joins[-1][0]] if joins else []
    if len({shape[1] for shape in shapes_}) < 2:
        return None
    fails = f"You join maps of shape {' and '.join(map(str, shapes_))}: both should be one level's."
    return Wrong("skip_of_wrong_level", fails, "On the way up the deepest skip comes first.")


def check_network_layers(module, x, settings):
    """Raise Wrong unless there are just the weights of a U-Net of these settings."""
    check_registered(module, x)
    have = [tuple(p.shape) for p in kernels(module)]
    want = network_shapes(settings, "1x1")
    if not network_kernels(module, settings) or len(have) != len(want):
        raise Wrong(*network_mistake(have, settings))


def network_mistake(have, settings):
    """Key, example and likely mistake for weights of other shapes."""
    _, classes, base, _ = settings
    fails = f"For (in_channels, num_classes, base_channels, depth) = {settings} "
    if not have:
        return "not_registered", fails + "no weights are found.", "Use self and nn.ModuleList."
    wants = [network_shapes(settings, kind) for kind in ("1x1", "2x2")]
    want = min(wants, key=lambda want: len(left_over(want, have)))
    missing, more = left_over(want, have), left_over(have, want)
    fails += f"{first_difference(want, have)}."
    for key, others, likely in other_networks(settings):
        if sorted(have) in [sorted(other) for other in others]:
            return key, fails, likely
    found = other_body(have, settings)
    if found and missing != [(classes, base, 1, 1)]:
        return found[0], fails, found[1]
    return shape_mistake(missing, more, (classes, base, 1, 1), fails)


def shape_mistake(missing, more, head, fails):
    """Key, example and likely mistake, by the weights that are missing and those too many."""
    if missing == [head]:
        key = "other_head" if more else "head_missing"
        return key, fails, "The head is a 1x1 convolution from base_channels to num_classes."
    joined = [shape[0] for shape in missing if shape[1:] == (2 * shape[0], 3, 3)]
    if any((out, out, 3, 3) in more for out in joined):
        likely = "The decoder's DoubleConv takes the joined channels: you add, or leave them out."
        return "added", fails, likely
    if any((out, 3 * out, 3, 3) in more for out in joined):
        return "channels_not_halved", fails, "Enlarging halves the channels, by a convolution."
    if not more and all(shape[0] == shape[1] for shape in missing):
        return "one_convolution", fails, "A DoubleConv has two 3x3 convolutions."
    if not missing:
        return "too_many_layers", fails, "There are layers that no U-Net has, or that are unused."
    return "wrong_channels", fails, "Follow the channels level by level, the joined ones as well."


def other_body(have, settings):
    """(key, likely) if these are the two halves of other settings, with any head; or None."""
    names = ("in_channels", "num_classes", "base_channels", "depth")
    for key, other, likely in other_settings(**dict(zip(names, settings, strict=True))):
        for kind in ("1x1", "2x2"):
            *body, _ = network_shapes(other, kind)
            if len(have) <= len(body) + 1 and not left_over(body, have):
                return key, likely
    return None


def other_networks(settings):
    """(key, lists of weight shapes, likely): networks of another depth or width."""
    into, classes, base, depth = settings
    kinds = ("1x1", "2x2")
    for other in (d for d in range(1, 7) if d != depth):
        shapes_ = [network_shapes((into, classes, base, other), kind) for kind in kinds]
        yield "wrong_depth", shapes_, f"depth counts the poolings: yours has {other}, not {depth}."
    shapes_ = [network_shapes((into, classes, 2 * base, depth), kind) for kind in kinds]
    yield "doubled_too_soon", shapes_, "Level 1 has base_channels; the doubling begins below it."
    fixed = "Read the argument: the number stands fixed in your code."
    for number in (n for n in (1, 2, 3, 10, 21) if n != into):
        shapes_ = [network_shapes((number, classes, base, depth), kind) for kind in kinds]
        yield "in_channels_ignored", shapes_, fixed
    for number in (n for n in (1, 2, 3, 10, 21) if n != classes):
        shapes_ = [network_shapes((into, number, base, depth), kind) for kind in kinds]
        yield "num_classes_ignored", shapes_, fixed
    for number in (n for n in (8, 16, 32, 64) if n != base):
        shapes_ = [network_shapes((into, classes, number, depth), kind) for kind in kinds]
        yield "base_channels_ignored", shapes_, fixed


def check_network_shape(module, x, got, settings):
    """Raise Wrong unless the shape is that of the oracle."""
    into, classes, base, depth = settings
    config = UNetConfig(into, classes, base, depth)
    size = shapes.output_size(config, *x.shape[2:])
    wanted = (x.shape[0], classes, *size)
    if got.shape == wanted:
        return
    fails = f"{tuple(x.shape)} must become {wanted}, and yours becomes {tuple(got.shape)}."
    check_axes(got, wanted, fails)
    if got.shape == (wanted[0], *size):
        raise Wrong("classes_chosen", fails, "Return the scores of all classes, without argmax.")
    if got.shape == (wanted[0], base, *size):
        raise Wrong("head_unused", fails, "The head is not called in forward.")
    if any(shape[2:] == tuple(size) for shape in watch(module, x).made):
        likely = "You change the size of the result. The output is smaller than the input here."
        raise Wrong("resized", fails, likely)
    if got.shape[2:] == x.shape[2:]:
        raise Wrong("padded", fails, "You pad. Valid convolutions take 4 pixels a level and path.")
    raise Wrong("wrong_shape", fails, "Follow the sizes level by level, down and up.")
