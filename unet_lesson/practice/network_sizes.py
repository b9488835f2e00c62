"""Exercises in whole numbers on the whole network: legal sizes, receptive field, tiles."""

from math import prod
from operator import add, mul
from random import Random

import torch
from torch.nn.functional import conv1d

from unet_lesson import UNetConfig, shapes
from unet_lesson.practice.report import exercise
from unet_lesson.practice.sizes import compare

# ---- legal sizes ------------------------------------------------------------------------------


def legal_above(n, depth):
    """The oracle's answer."""
    return shapes.nearest_legal(UNetConfig(depth=depth), n + 1)[1]


def first_from(least, fits):
    """The smallest whole number from `least` on that fits."""
    return next(n for n in range(least, least + 5000) if fits(n))


def _smallest(depth):
    return shapes.smallest_legal(UNetConfig(depth=depth))


def _even_at_bottom(n, depth):
    bottom = (n - 4 * (2**depth - 1)) / 2**depth - 4
    return bottom % 2 == 0


LEGAL_CASES = {
    "depth_4": ("between legal sizes at depth 4", [(571, 4), (573, 4), (200, 4), (1000, 4)]),
    "strictly": ("above a size that is itself legal", [(188, 4), (572, 4), (60, 2), (44, 2)]),
    "minimum": ("below the smallest size", [(1, 4), (12, 4), (100, 4), (187, 4), (140, 4), (5, 2)]),
    "depth": (
        "other depths",
        [
            (1, 1),
            (17, 1),
            (18, 1),
            (45, 2),
            (91, 3),
            (92, 3),
            (101, 3),
            (379, 5),
            (420, 5),
            (300, 2),
        ],
    ),
}

LEGAL_MISTAKES = {
    "not_strictly_above": (
        lambda n, d: shapes.nearest_legal(UNetConfig(depth=d), n)[1],
        "If n is legal itself, you give it back. The answer is larger than n.",
    ),
    "minimum_forgotten": (
        lambda n, d: first_from(n + 1, lambda m: (m - 4 * (2**d - 1)) % 2**d == 0),
        "The rest is right and the size too small: at depth 4 nothing is left of less than 188.",
    ),
    "minimum_forgotten_not_strict": (
        lambda n, d: first_from(n, lambda m: (m - 4 * (2**d - 1)) % 2**d == 0),
        "Two things: n itself is no answer, and nothing is left of less than 188 at depth 4.",
    ),
    "way_up_forgotten": (
        lambda n, d: first_from(
            max(n + 1, 9 * 2**d - 4), lambda m: (m - 4 * (2**d - 1)) % 2**d == 0
        ),
        "Your size survives the way down. On the way up each level takes 4 pixels once more.",
    ),
    "smallest_at_depth_1": (
        lambda n, d: max(20, legal_above(n, d)) if d == 1 else legal_above(n, d),
        "At depth 1 also 18 works: 14, 7, 3, 6, 2. The map at the bottom need not be even.",
    ),
    "minimum_of_depth_4": (
        lambda n, d: legal_above(max(n, 187), d),
        "188 is the smallest size at depth 4 only: 18, 44, 92 and 380 at depth 1, 2, 3 and 5.",
    ),
    "depth_ignored": (
        lambda n, d: legal_above(n, 4),
        "You always answer for depth 4.",
    ),
    "one_level_more": (
        lambda n, d: legal_above(n, d + 1),
        "You pool once too often: depth counts the poolings, and the bottom is not pooled.",
    ),
    "one_level_less": (
        lambda n, d: legal_above(n, d - 1) if d > 1 else first_from(max(n + 1, 5), lambda m: True),
        "You pool once too seldom: depth counts the poolings; there are depth + 1 levels.",
    ),
    "multiple_of_16": (
        lambda n, d: (n // 16 + 1) * 16,
        "Multiples of 16 fit a padded network of depth 4. Here every convolution takes 2 pixels.",
    ),
    "bottom_even": (
        lambda n, d: first_from(
            max(n + 1, _smallest(d)), lambda m: m > 0 and _even_at_bottom(m, d)
        ),
        "The map at the bottom is not pooled: it may be odd.",
    ),
    "bottom_forgotten": (
        lambda n, d: first_from(
            max(n + 1, _smallest(d) - 4 * 2**d), lambda m: (m - _smallest(d)) % 2**d == 0
        ),
        "The DoubleConv at the bottom is missing: it takes 4 pixels as well.",
    ),
    "residue_of_depth_4": (
        lambda n, d: first_from(n + 1, lambda m: m % 2**d == 12 % 2**d),
        "12 is what is over at depth 4. It is 2 ** depth - 4, and nothing is left of small sizes.",
    ),
    "first_level_only": (
        lambda n, d: first_from(n + 1, lambda m: (m - 4) % 2**d == 0),
        "Every level takes 4 pixels, not only the first.",
    ),
    "multiple_of_block": (
        lambda n, d: (n // 2**d + 1) * 2**d,
        "Multiples of 2 ** depth fit a padded network. Here every convolution takes 2 pixels.",
    ),
    "evenness_forgotten": (
        lambda n, d: max(n + 1, _smallest(d)),
        "Every map that is pooled must be even, or the pooling drops a row without a word.",
    ),
    "evenness_once": (
        lambda n, d: first_from(max(n + 1, _smallest(d)), lambda m: m % 2 == 0),
        "Only the first pooling is looked at: the map must be even at every level.",
    ),
    "one_convolution": (
        lambda n, d: first_from(
            max(n + 1, 6 * 2**d - 2), lambda m: (m - 2 * (2**d - 1)) % 2**d == 0
        ),
        "Each level has two convolutions and takes 4 pixels, not 2.",
    ),
    "step_added": (
        lambda n, d: n + 2**d,
        "n + 2 ** depth is legal only if n is. n may be any size.",
    ),
    "size_below": (
        lambda n, d: shapes.nearest_legal(UNetConfig(depth=d), n)[0] or 0,
        "You go down. The answer is larger than n.",
    ),
    "output_size": (
        lambda n, d: legal_above(n, d) - 12 * 2**d + 8,
        "This is the size of the output. The size of the input is asked for.",
    ),
}


@exercise("legal_size_above(n, depth)", "04_full_network", level=2, minutes=15)
def judge_legal_size_above(learner):
    """Which is the smallest legal input size that is larger than n, for a network of this depth?

    Convolutions are valid, two a level; depth counts the poolings. A size is legal if every map
    that is pooled is even and no map is empty, on the way down and on the way up.
    """
    name, cases = "legal_size_above", LEGAL_CASES
    yield from compare(name, learner, legal_above, cases, LEGAL_MISTAKES, legal_steps)


def legal_steps(n, depth):
    """The way of the right size through the network, in words."""
    sides = shapes.axis_sizes(UNetConfig(depth=depth), legal_above(n, depth))
    down, up = (", ".join(map(str, part)) for part in (sides.contracting, sides.expansive))
    return f" After the DoubleConvs it is {down} on the way down and {up} on the way up."


# ---- receptive field --------------------------------------------------------------------------


def seen(layers):
    """How many inputs in a row one output reads, by the gradient through torch's convolutions."""
    signal = torch.zeros(1, 1, 900, dtype=torch.double, requires_grad=True)
    x = signal
    for kernel, stride in layers:
        x = conv1d(x, torch.ones(1, 1, kernel, dtype=torch.double), stride=stride)
    (gradient,) = torch.autograd.grad(x[0, 0, 0], signal)
    return int(gradient.nonzero()[-1, 2]) + 1


def field(layers, first=1, jump=1, lost=1, step=mul, own=False):
    """The recurrence, with something otherwise: where it starts, what a kernel adds, the jump."""
    for kernel, stride in layers:
        jump = step(jump, stride) if own else jump
        first += (kernel - lost) * jump
        jump = jump if own else step(jump, stride)
    return first


def _backwards(layers):
    pixels = 1
    for kernel, stride in reversed(layers):
        pixels = pixels * stride + kernel - 1
    return pixels


BOTTOM = [(3, 1), (3, 1), (2, 2)] * 4 + [(3, 1), (3, 1)]


def field_cases():
    """key -> (text, cases): one layer, step 1, a pooling, the U-Net's bottom, drawn ones."""
    draw = Random(1).randint
    kernels = [[draw(1, 5) for _ in range(draw(3, 5))] for _ in range(8)]
    drawn = [[(kernel, draw(1, min(kernel, 3))) for kernel in row] for row in kernels]  # no gaps
    return {
        "one_layer": ("one layer", [([(3, 1)],), ([(5, 1)],), ([(2, 2)],)]),
        "stride_1": (
            "several layers of step 1",
            [([(3, 1), (3, 1)],), ([(3, 1), (5, 1), (2, 1)],)],
        ),
        "pooling": ("with a pooling", [(BOTTOM[:4],), (BOTTOM[:5],)]),
        "strides": ("several strides: the bottom of the U-Net, 140", [(BOTTOM[:8],), (BOTTOM,)]),
        "drawn": ("kernels and strides drawn at random", [(layers,) for layers in drawn]),
    }


FIELD_MISTAKES = {
    "stride_forgotten": (
        lambda layers: field(layers, step=lambda jump, s: 1),
        "The strides are missing: a kernel adds (kernel - 1) times the steps of all layers before.",
    ),
    "own_stride_counted": (
        lambda layers: field(layers, own=True),
        "A layer's own stride comes too early: it spreads the layers behind it, not its kernel.",
    ),
    "last_stride_only": (
        lambda layers: field(layers, step=lambda jump, s: s),
        "Only the stride just before counts in yours. The strides of all layers before multiply.",
    ),
    "own_stride_only": (
        lambda layers: field(layers, step=lambda jump, s: s, own=True),
        "Each kernel is multiplied by its own stride. It is the product of the strides before it.",
    ),
    "strides_added": (
        lambda layers: field(layers, step=add),
        "The strides are added. Two steps of 2 are a step of 4, and three one of 8: multiply.",
    ),
    "strides_added_up": (
        lambda layers: field(layers, step=lambda jump, s: jump + s - 1),
        "The strides are added. Two steps of 2 are a step of 4, and three one of 8: multiply.",
    ),
    "kernel_not_minus_one": (
        lambda layers: field(layers, lost=0),
        "A kernel adds kernel - 1: one of its inputs was seen already.",
    ),
    "kernels_added": (
        lambda layers: field(layers, first=0, lost=0),
        "A kernel adds kernel - 1, and the start is 1, the value itself.",
    ),
    "starts_at_0": (
        lambda layers: field(layers, first=0),
        "One is missing: before any layer a value sees itself, so the start is 1.",
    ),
    "starts_at_2": (lambda layers: field(layers, first=2), "One too many: the start is 1."),
    "reversed": (
        lambda layers: field(layers[::-1]),
        "This goes from the last layer to the first, or takes the formula that does: "
        "field * stride + kernel - stride. The strides before a layer count.",
    ),
    "backward_slip": (
        lambda layers: _backwards(layers),
        "From the last layer to the first it is field * stride + kernel - stride.",
    ),
    "backward_slip_forwards": (
        lambda layers: _backwards(layers[::-1]),
        "field * stride + ... goes from the last layer to the first, and with kernel - stride.",
    ),
    "first_stride_forgotten": (
        lambda layers: layers[0][0] - 1 + field([(1, 1), *layers[1:]], own=True),
        "The stride of the layers before counts, not a layer's own; yours is one layer late.",
    ),
    "half_kernel": (
        lambda layers: field([(k // 2 + 1, s) for k, s in layers]),
        "A kernel adds kernel - 1, half of it on either side. You count one side.",
    ),
    "kernel_by_heart": (
        lambda layers: field([(3, s) for _, s in layers]),
        "2 is what a kernel of 3 adds. In general it is kernel - 1.",
    ),
    "pairs_swapped": (
        lambda layers: field([(s, k) for k, s in layers]),
        "A pair is (kernel, stride), in this order.",
    ),
    "wrong_stride_1": (
        lambda layers: layers[-1][0],
        "Only the last layer counts in yours. Set the start values before the loop, not in it.",
    ),
    "return_in_loop": (
        lambda layers: layers[0][0],
        "Only the first layer counts in yours: a `return` inside the loop ends it there.",
    ),
    "stride_by_heart": (
        lambda layers: field(layers, step=lambda jump, s: jump * min(s, 2)),
        "2 is the stride of a pooling. Multiply by the stride that stands in the pair.",
    ),
    "area_returned": (
        lambda layers: field(layers) ** 2,
        "This is the area. The side is asked for.",
    ),
    "kernels_multiplied": (
        lambda layers: prod(kernel for kernel, _ in layers),
        "The kernels are multiplied. Two 3x3 see 5, not 9: the second adds 2.",
    ),
    "jump_returned": (
        lambda layers: prod(stride for _, stride in layers),
        "This is the product of the strides: the distance of two outputs, not what one sees.",
    ),
}


@exercise("receptive_field(layers)", "02_contracting_path", level=2, minutes=8)
def judge_receptive_field(learner):
    """How many pixels in a row does one value see, from the first pixel to the last, behind these
    layers?

    layers: a list of pairs (kernel, stride) from the first layer to the last, such as
    [(3, 1), (3, 1), (2, 2)]. A 2x2 pooling is (2, 2). The answer is a whole number.
    """
    yield from compare("receptive_field", learner, seen, field_cases(), FIELD_MISTAKES)
