"""The exercise on the UpBlock, and the ways in which a step of the decoder may be computed."""

from dataclasses import dataclass, replace
from itertools import product

import torch
import torch.nn.functional as F

from unet_lesson.practice.doubles import ACTIVATIONS, ORDERS, STEPS, attempt, double, double_shapes
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
)
from unet_lesson.practice.report import exercise


@dataclass(frozen=True)
class Recipe:
    """How the network is computed. The fields of the first line may vary; the rest is right so.

    enlarge: "corners" (bilinear, corners aligned: the blog's), "centres" (bilinear), "nearest" or
    "transposed" (the weight itself enlarges). behind: the steps behind the up-convolution's
    weight. early: these come before the enlarging. order: of a DoubleConv.
    """

    enlarge: str = "corners"
    behind: str = "R"
    early: bool = False
    order: str = "CBR CBR"
    cut: str = "middle"
    skip_first: bool = False
    skips: str = "maps"
    pool: str = "max"
    tail: str = ""
    decoder: str = ""  # the order there, if it is another


def right_recipes(up):
    """All that count as right for an up-convolution with this weight."""
    orders, behind = ("CBR CBR", "CR CR"), ("", "R", "BR")
    if up.shape[2:] == (2, 2):
        return [Recipe("transposed", b, False, order) for order, b in product(orders, behind)]
    ways = product(orders, ("corners", "nearest", "centres"), behind, (False, True))
    return [Recipe(how, b, early, order) for order, how, b, early in ways]


def enlarged(x, weight, recipe):
    """(N, in, H, W) -> (N, out, 2H, 2W)."""
    if recipe.enlarge == "transposed":
        x = F.conv_transpose2d(x, weight, stride=2)
        steps = recipe.behind
    else:
        steps = "C" + recipe.behind
    for step in steps if recipe.early else "":
        x = STEPS[step](x, weight)
    if recipe.enlarge == "nearest":
        x = F.interpolate(x, scale_factor=2, mode="nearest")
    elif recipe.enlarge != "transposed":
        corners = recipe.enlarge == "corners"
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=corners)
    for step in "" if recipe.early else steps:
        x = STEPS[step](x, weight)
    return x


def piece(skip, size, how):
    """A piece of the skip: its middle, or as a mistake would have it. Too small: zeros around."""
    (height, width), (h, w) = skip.shape[2:], size
    if how in ("bilinear", "nearest"):
        return F.interpolate(skip, size=size, mode=how)
    top, left = int((height - h) / 2), int((width - w) / 2)
    top, left = {
        "middle": (top, left),
        "corner": (0, 0),
        "far corner": (height - h, width - w),
        "one less": (top - 1, left - 1),
        "one more": (top + 1, left + 1),
        "swapped": (left, top),
        "height": (top, top),
        "width": (left, left),
        "top only": (top, 0),
        "left only": (0, left),
    }[how]
    return F.pad(skip, (-left, left + w - width, -top, top + h - height))


def decoder_step(below, skip, weights, recipe):
    """Enlarge, cut, join, DoubleConv. weights: of the up-convolution and the two convolutions."""
    up = enlarged(below, weights[0], recipe)  # (N, out, 2H, 2W)
    skip = piece(skip, up.shape[2:], recipe.cut)  # (N, out, 2H, 2W)
    skip = {"zeros": 0 * skip, "twice up": up}.get(recipe.skips, skip)
    joined = torch.cat([skip, up] if recipe.skip_first else [up, skip], dim=1)
    return double(joined, weights[1:], recipe.decoder or recipe.order)  # (N, out, 2H - 4, 2W - 4)


MIDDLE = "Start at half of the difference, for each axis its own."
MISTAKES = [  # (key, what the recipe has otherwise, likely)
    ("skip_first", {"skip_first": True}, "The upsampled map comes first: cat([up, skip], dim=1)."),
    ("corner_crop", {"cut": "corner"}, f"The top left corner of the skip is cut out. {MIDDLE}"),
    ("far_corner_crop", {"cut": "far corner"}, f"The bottom right corner is cut out. {MIDDLE}"),
    ("off_by_one", {"cut": "one less"}, f"The skip is cut out a pixel too high and left. {MIDDLE}"),
    ("off_by_one", {"cut": "one more"}, f"The skip is cut out a pixel too low and right. {MIDDLE}"),
    ("margins_swapped", {"cut": "swapped"}, "The margins of height and width are swapped."),
    ("width_not_centred", {"cut": "height"}, f"The height's margin is used for both. {MIDDLE}"),
    ("height_not_centred", {"cut": "width"}, f"The width's margin is used for both. {MIDDLE}"),
    ("width_not_centred", {"cut": "top only"}, f"Only the height is centred. {MIDDLE}"),
    ("height_not_centred", {"cut": "left only"}, f"Only the width is centred. {MIDDLE}"),
    ("skip_resized", {"cut": "bilinear"}, "The skip is shrunk. Its pixels must be cut, not mixed."),
    ("skip_resized", {"cut": "nearest"}, "The skip is shrunk. Its pixels must be cut, not mixed."),
    ("skip_unused", {"skips": "zeros"}, "The skip has no part in the result."),
    ("skip_unused", {"skips": "twice up"}, "The upsampled map is joined with itself."),
]
MISTAKES += [
    ("other_activation_up", {"behind": letter}, "Behind the up-convolution: ReLU or nothing.")
    for letter in ACTIVATIONS
]
MISTAKES += [
    (key, {"order": order}, likely)
    for key, (orders, likely) in ORDERS.items()
    for order in orders
    if order not in ("CBR CBR", "CR CR")
]


def recognise_recipe(matches, recipes, mistakes):
    """The right recipe that matches. If there is none: Wrong, with the mistake that does."""
    for recipe in recipes:
        if matches(recipe):
            return recipe
    usual = [recipe for recipe in recipes if not recipe.early and recipe.behind != "BR"]
    for key, changes, likely in mistakes:
        for recipe in usual[: len(usual) // 2 if "order" in changes else None]:
            if matches(replace(recipe, **changes)):
                raise Wrong(key, NOT_EQUAL, likely)
    likely = "Enlarge, cut the skip's middle, join, then the DoubleConv, and nothing else."
    raise Wrong("wrong_values", NOT_EQUAL, likely)


NOT_EQUAL = "With your own weights, the reference gives other values than yours (train mode)."


# ---- the exercise -----------------------------------------------------------------------------

UPS = [(4, (6, 8), (8, 6)), (2, (4, 6), (10, 2)), (3, (6, 4), (0, 6))]  # out, below, margins


@exercise(
    "up_block(in_channels, out_channels)", "03_expansive_path", level=3, minutes=15, wants="class"
)
def judge_up_block(learner):
    """Write one step of the right half: enlarge x2, join with the cut skip, DoubleConv.

    A class, an nn.Module, called with (below, skip): below (N, in_channels, H, W) is enlarged to
    (N, out_channels, 2H, 2W); skip (N, out_channels, at least 2H, at least 2W) is cut to that in
    its middle and joined behind it. in_channels is 2 * out_channels. The result is
    (N, out_channels, 2H - 4, 2W - 4). Any of the three ways up: bilinear or nearest with a 1x1
    convolution, or a 2x2 up-convolution of stride 2; with or without an activation behind it.
    Two valid convolutions with ReLU, and with BatchNorm or without any, as in the paper.
    """
    module, pair = build(learner, 8, 4), up_pair(6, 4, *UPS[0][1:])
    check_step(module, pair, 4, first=True)
    weights = lambda: up_kernels(module, 4)  # noqa: E731

    def values(got):
        matches = lambda recipe: close(got, decoder_step(*pair, weights(), recipe), 0.01)  # noqa: E731
        recipe = recognise_recipe(matches, right_recipes(weights()[0]), MISTAKES)
        return lambda *pair: [decoder_step(*pair, weights(), recipe)]

    yield from check_module(module, lambda m, *pair: [run(m, *pair)], values, *pair)
    for out, size, margins in UPS:
        check_step(build(learner, 2 * out, out), up_pair(2, out, size, margins), out, first=False)
        yield f"{2 * out} to {out} channels, a skip {margins[0]} and {margins[1]} larger: the shape"


def check_used(module, pair, got):
    """Raise Wrong unless another skip and another map from below change the result."""
    for name, other in (
        ("skip", (pair[0], pair[1].flip(0, 2, 3))),
        ("below", (pair[0].flip(0, 2, 3), pair[1])),
    ):
        if close(got, run(module, *other), 1e-6):
            raise Wrong(f"{name}_unused", f"Another {name} gives the same result.", "Join both.")


def check_step(module, pair, out, first):
    """Raise Wrong unless layers and shape are right."""
    got, failed = attempt(module, *pair)
    try:
        check_up_layers(module, pair, out)
        if failed:
            raise failed
        check_used(module, pair, got)
        check_up_shape(module, pair, got)
    except Wrong as wrong:
        if wrong.diagnosis == "raises" and attempt(module, *pair[::-1])[0] is not None:
            likely = "It is called as block(below, skip), the map from below first."
            raise Wrong("arguments_swapped", wrong.fails, likely) from None
        wrong = not_doubled(wrong, module, pair)
        raise blame_join(wrong, module, *pair, first=first) from None


def not_doubled(wrong, module, pair):
    """Wrong if a transposed convolution does not double the map, else `wrong`."""
    height, width = twice = tuple(2 * side for side in pair[0].shape[2:])
    for shape in watch(module, *pair).enlarged:
        if shape[2:] != twice and wrong.diagnosis in ("raises", "wrong_shape"):
            fails = f"Enlarged, the map must be {height} x {width}, and yours is "
            fails += f"{shape[2]} x {shape[3]}."
            return Wrong("not_doubled", fails, "The up-convolution's kernel is 2x2, with stride 2.")
    return misfit(wrong, f"Double below, to {height} x {width}, then cut the skip to that.")


def up_pair(n, out, size, margins):
    """A map from below and a skip that is larger than twice its size by the margins."""
    sides = [2 * side + margin for side, margin in zip(size, margins, strict=True)]
    return 1 + 2 * torch.randn(n, 2 * out, *size), 1 + 2 * torch.randn(n, out, *sides)


def up_kernels(module, out):
    """The weights of up-convolution and DoubleConv, or None."""
    for wanted in up_shapes(out):
        found = find_kernels(module, wanted)
        if found:
            return found
    return None


def up_shapes(out):
    """The shapes of all weights: with a 1x1 convolution behind an enlargement, or a 2x2 up."""
    ups = ((out, 2 * out, 1, 1), (2 * out, out, 2, 2))
    return [[up, *double_shapes(2 * out, out)] for up in ups]


def check_up_layers(module, pair, out):
    """Raise Wrong unless there are just the weights of an up-convolution and a DoubleConv."""
    check_registered(module, *pair)
    have = [tuple(p.shape) for p in kernels(module)]
    if up_kernels(module, out) is None or len(have) != 3:
        wanted = min(up_shapes(out), key=lambda shapes: len(left_over(shapes, have)))
        fails = f"From {2 * out} to {out} channels {first_difference(wanted, have)}."
        ups = [shapes[0] for shapes in up_shapes(out)]
        if not set(ups) & set(have):
            fails += f" (Or {ups[1]}, of a transposed convolution.)"
        raise Wrong(*up_mistake(have, out, fails))


def up_mistake(have, out, fails):
    """Key, example and likely mistake for weights of other shapes."""
    threes = [shape for shape in have if shape[2:] == (3, 3)]
    if not have:
        return (
            "not_registered",
            fails,
            "No weights are found. Layers belong in self or a Sequential.",
        )
    if not any(out in shape[:2] for shape in have):
        likely = "Read the arguments: the numbers stand fixed in your code."
        return "arguments_ignored", fails, likely
    if (2 * out, out, 3, 3) in threes:
        return "other_way_up", fails, "The up-convolution's kernel is 2x2, with stride 2."
    if (out, 2 * out, 2, 2) in have:
        likely = "nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2), in this order."
        return "other_way_up", fails, likely
    if threes[:2] == [(out, out, 3, 3)] * 2:
        return "added", fails, "The DoubleConv takes out channels: you add, or forget the skip."
    if (out, 3 * out, 3, 3) in threes:
        return "channels_not_halved", fails, "Enlarging halves the channels too, by a convolution."
    if len(have) == 2 and len(threes) == 2:
        return (
            "up_convolution_missing",
            fails,
            "Behind the enlargement a 1x1 convolution is missing.",
        )
    if len(threes) == 2 or threes.count((out, 2 * out, 3, 3)) == 2:
        likely = "Ways up that count here: bilinear + 1x1, nearest + 1x1, transposed 2x2, stride 2."
        return "other_way_up", fails, likely
    if len(threes) < 2:
        return "one_convolution", fails, "The DoubleConv has two 3x3 convolutions."
    return "too_many_convolutions", fails, "An up-convolution and two 3x3 convolutions, no more."


def check_up_shape(module, pair, got):
    """Raise Wrong unless the shape is (N, out_channels, 2H - 4, 2W - 4)."""
    (n, _, height, width), skip = pair[0].shape, pair[1].shape
    wanted = (n, skip[1], 2 * height - 4, 2 * width - 4)
    if got.shape == wanted:
        return
    fails = f"below {tuple(pair[0].shape)} and skip {tuple(skip)} must become {wanted}, "
    fails += f"and yours become {tuple(got.shape)}."
    check_axes(got, wanted, fails)
    told = {
        (2 * height, 2 * width): ("padded", "You pad. Both convolutions are valid: padding 0."),
        (height - 4, width - 4): ("not_enlarged", "The map from below is not enlarged."),
        (skip[2] - 4, skip[3] - 4): (
            "below_enlarged",
            "You bring the map from below to the size of the skip. It is the skip that is cut.",
        ),
        (2 * height - 2, 2 * width - 2): ("padded_once", "One of the two convolutions pads."),
    }
    if got.shape[1] == 2 * skip[1]:
        raise Wrong("not_convolved", fails, "The DoubleConv behind the join is not called.")
    key, likely = told.get(
        tuple(got.shape[2:]), ("wrong_shape", "Twice the size of below, less 4 pixels.")
    )
    raise Wrong(key, fails, likely)
