"""Drills on one layer, on two masks, and on tiles: functions that draw the numbers of a task."""

# ruff: noqa: RUF001 (Chinese has its own comma)

from math import ceil
from typing import NamedTuple

import torch
from torch.nn.functional import conv_transpose1d

from unet_lesson import objective
from unet_lesson.practice.network_sizes import FIELD_MISTAKES, seen
from unet_lesson.practice.sizes import (
    CONVOLUTION_MISTAKES,
    PARAMETER_MISTAKES,
    convolution_parameters,
    convolved,
)

CHANNELS = (1, 3, 8, 16, 32, 64, 128, 256, 512)


class Task(NamedTuple):
    """What one drill asks. how: the way to the answer, with its numbers.

    mistakes: pairs of a number that somebody may come to and why it is wrong, likeliest first.
    """

    question: str
    zh: str
    answer: int | float
    unit: str
    how: str
    mistakes: list


def told(table, keys, *case):
    """The pairs for these keys of a table of mistakes, for one case."""
    return [(table[key][0](*case), table[key][1]) for key in keys]


# ---- sizes ------------------------------------------------------------------------------------


def conv_output_size(rng):
    """Pixels after a convolution, with padding and stride."""
    k, s = rng.randint(2, 7), rng.randint(1, 3)
    n, p = rng.randint(8, 300), rng.randint(0, k // 2)
    keys = ("padding_forgotten", "padding_once", "plus_one_forgotten", "stride_forgotten")
    keys += ("rounded_up", "floor_forgotten", "kernel_each_side", "same_size", "transposed")
    return Task(
        f"A convolution with kernel {k}, padding {p} and stride {s} runs over an axis of {n} "
        "pixels. How many pixels are there after it?",
        f"一个轴长 {n} 像素，经过 kernel={k}、padding={p}、stride={s} 的卷积后还剩多少像素？",
        convolved(n, k, p, s),
        "pixels",
        f"floor(({n} + 2 * {p} - {k}) / {s}) + 1.",
        told(CONVOLUTION_MISTAKES, keys, n, k, p, s),
    )


def transposed_size(rng):
    """Pixels after a transposed convolution."""
    n, k, s = rng.randint(3, 150), rng.randint(2, 5), rng.randint(1, 3)
    p = rng.randint(0, (k - 1) // 2)
    ones, weight = torch.zeros(1, 1, n), torch.zeros(1, 1, k)
    return Task(
        f"A transposed convolution with kernel {k}, stride {s} and padding {p} runs over an axis "
        f"of {n} pixels. How many pixels are there after it?",
        f"一个轴长 {n} 像素，经过 kernel={k}、stride={s}、padding={p} 的转置卷积后是多少像素？",
        conv_transpose1d(ones, weight, stride=s, padding=p).shape[2],
        "pixels",
        f"({n} - 1) * {s} - 2 * {p} + {k}.",
        [
            (n * s, "n * stride holds only where kernel - 2 * padding equals the stride."),
            ((n - 1) * s + k, "The padding is missing: here it takes pixels away at both ends."),
            ((n - 1) * s - p + k, "The padding is taken off once. It counts at both ends."),
            ((n - 1) * s + 2 * p + k, "The padding is added. In a transposed one it takes away."),
            (n * s - 2 * p + k, "n pixels have n - 1 steps between them, not n."),
            ((n + 2 * p - k) // s + 1, "This is the ordinary convolution. This one goes back."),
        ],
    )


def receptive_field(rng):
    """Pixels in a row that one value sees after a stack of layers."""
    convolution = [((3, 1), "3x3 convolution"), ((5, 1), "5x5 convolution")]
    convolution += [((3, 2), "3x3 convolution of stride 2"), ((1, 1), "1x1 convolution")]
    pooling = ((2, 2), "2x2 pooling of stride 2")
    stack = [rng.choice([*convolution, convolution[0], pooling]) for _ in range(rng.randint(2, 5))]
    stack.append(convolution[0])
    layers, names = zip(*stack, strict=True)
    keys = ("stride_forgotten", "own_stride_counted", "last_stride_only", "strides_added")
    keys += ("kernel_not_minus_one", "kernels_added", "starts_at_0", "reversed", "half_kernel")
    keys += ("kernels_multiplied", "area_returned")
    jumps = [
        torch.tensor([1, *(s for _, s in layers[:i])]).prod().item() for i in range(len(layers))
    ]
    parts = [f"{k - 1} * {jump}" for (k, _), jump in zip(layers, jumps, strict=True)]
    return Task(
        "How many pixels in a row does one value see after these layers, in this order: "
        f"{', '.join(names)}?",
        f"依次经过以下各层之后，感受野的边长是多少像素：{'，'.join(map(_chinese, layers))}？",
        seen(layers),
        "pixels",
        f"1 + {' + '.join(parts)}: each kernel adds kernel - 1 times the strides before it.",
        told(FIELD_MISTAKES, keys, layers),
    )


def _chinese(layer):
    kernel, stride = layer
    kind = "池化" if layer == (2, 2) else "卷积"
    return f"{kernel}x{kernel} {kind}（步长 {stride}）"


# ---- parameters and work ----------------------------------------------------------------------


def conv_parameters(rng):
    """Weights and biases of one convolution."""
    before, after = rng.choice(CHANNELS), rng.choice(CHANNELS[2:])
    k, bias = rng.choice((1, 3, 5, 7)), rng.random() < 0.7
    keys = ("bias_forgotten", "bias_always", "bias_per_input", "bias_one_number")
    keys += ("bias_per_kernel", "kernel_not_squared", "kernel_forgotten", "inputs_forgotten")
    keys += ("outputs_forgotten", "channels_added", "batch_norm_counted", "counted_twice")
    return Task(
        f"How many parameters does a {k}x{k} convolution from {before} to {after} channels, "
        f"{'with' if bias else 'without'} a bias, have?",
        f"一个 {k}x{k} 卷积，输入 {before} 通道、输出 {after} 通道，"
        f"{'带' if bias else '不带'}偏置，有多少个参数？",
        convolution_parameters(before, after, k, bias),
        "parameters",
        f"{k} * {k} * {before} * {after}" + (f" + {after}." if bias else "."),
        told(PARAMETER_MISTAKES, keys, before, after, k, bias),
    )


def double_conv_parameters(rng):
    """Parameters of a DoubleConv, with or without BatchNorm."""
    a, b = rng.choice(CHANNELS), rng.choice(CHANNELS[2:])
    norm = rng.random() < 0.5
    both = sum(convolution_parameters(c, b, 3, True) for c in (a, b))
    answer = both + 4 * b * norm
    return Task(
        f"How many parameters does a DoubleConv from {a} to {b} channels learn? It has two 3x3 "
        f"convolutions with biases{', a BatchNorm after each' if norm else ', no BatchNorm'}.",
        f"一个 DoubleConv（两个带偏置的 3x3 卷积，{'各接一个' if norm else '不带'} BatchNorm），"
        f"输入 {a} 通道、输出 {b} 通道，有多少个可学习参数？",
        answer,
        "parameters",
        f"9 * {a} * {b} + {b} and 9 * {b} * {b} + {b}{f', and 2 * {b} twice' if norm else ''}.",
        [
            (answer - 2 * b, "The biases are missing: one for each output channel, twice."),
            (both, "Each BatchNorm learns a scale and a shift for each channel: 2 twice."),
            (both + 4 * b, "There is no BatchNorm here."),
            (both + 2 * b, "There are two BatchNorms, each with a scale and a shift a channel."),
            (both + 8 * b, "The running mean and variance are kept, but not learned."),
            (9 * a * b + b + 2 * b * norm, "This is the first convolution alone."),
            (2 * (9 * a * b + b) + 4 * b * norm, "The second one reads what the first gives."),
            (9 * a * a + a + 9 * a * b + b + 4 * b * norm, "The first changes the channels."),
            (3 * (a * b + b * b) + 2 * b + 4 * b * norm, "A 3x3 kernel has 9 weights, not 3."),
        ],
    )


def up_parameters(rng):
    """Parameters of a 2x2 up-convolution that halves the channels."""
    c = rng.choice(CHANNELS[2:])
    layer = torch.nn.ConvTranspose2d(2 * c, c, 2, stride=2, device="meta")
    return Task(
        f"How many parameters does a 2x2 up-convolution of stride 2 from {2 * c} to {c} channels, "
        "with a bias, have?",
        f"一个 2x2、步长 2 的上卷积（转置卷积），{2 * c} 通道变 {c} 通道，带偏置，有多少个参数？",
        sum(p.numel() for p in layer.parameters()),
        "parameters",
        f"2 * 2 * {2 * c} * {c} + {c}.",
        [
            (8 * c * c, "The bias is missing: one number for each output channel."),
            (8 * c * c + 2 * c, "The bias has a number for each output channel, not input."),
            (18 * c * c + c, "That is a 3x3 kernel. This one is 2x2."),
            (2 * c * c + c, "The kernel is missing: 2 * 2 weights for each pair of channels."),
            (4 * c * c + c, "It reads twice as many channels as it gives."),
            (16 * c * c + 2 * c, "It halves the channels; you keep them."),
            (16 * c * c + c, "The kernel has 2 * 2 weights a pair of channels, not 8."),
        ],
    )


def macs(rng):
    """Multiply-accumulate operations of a 3x3 convolution on a square map."""
    n, k = rng.choice((10, 16, 32, 64, 100)), rng.choice((1, 3))
    p, a, b = rng.randint(0, k // 2), rng.choice((3, 8, 16, 32, 64)), rng.choice((8, 16, 32, 64))
    out = convolved(n, k, p, 1)
    weights = convolution_parameters(a, b, k, False)
    return Task(
        f"A {k}x{k} convolution with padding {p} takes {a} channels of {n} x {n} pixels to {b} "
        "channels. How many multiply-accumulate operations does it take, the bias left out?",
        f"一个 {k}x{k}、padding={p} 的卷积把 {a} 通道 {n} x {n} 的特征图变成 {b} 通道，"
        "不计偏置，需要多少次乘加运算（MACs）？",
        weights * out * out,
        "operations",
        f"{weights:,} weights, each used at {out} x {out} positions.",
        [
            (weights * n * n, "Without padding there are fewer output positions than pixels."),
            (2 * weights * out * out, "Those are FLOPs: a multiplication and an addition each."),
            (weights * out, "Each weight is used at every position: height times width."),
            (weights, "Those are the weights. Each is used at every output position."),
            (weights // a * out * out, "The input channels are missing: each output reads all."),
            (weights // b * out * out, "The output channels are missing."),
            (weights // k * out * out, "The kernel is a square: k * k, not k."),
            (weights * out * out + b * out * out, "The bias is left out here."),
        ],
    )


# ---- masks and tiles --------------------------------------------------------------------------


def _two_masks(rng):
    """Two masks (2, 5) that meet somewhere and differ, their counts and the text for them."""
    while True:
        a, b = torch.tensor([rng.random() < 0.5 for _ in range(20)]).view(2, 2, 5)
        if bool((a & b).any()) and bool((a ^ b).any()):
            rows = [" / ".join("".join("01"[x] for x in row) for row in m.tolist()) for m in (a, b)]
            return a, b, int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), rows


def dice(rng):
    """Dice of two small masks."""
    a, b, hit, false, missed, (first, second) = _two_masks(rng)
    return Task(
        f"The prediction is {first} and the truth {second}, row by row. What is the Dice, as a "
        "fraction such as 2/3 or with three decimal places?",
        f"预测掩码为 {first}，真值为 {second}（逐行）。Dice 系数是多少（分数或三位小数）？",
        objective.dice(a, b),
        "",
        f"2 * {hit} / ({hit + false} + {hit + missed}): both have {hit}, one {hit + false}, "
        f"the other {hit + missed}.",
        [
            (objective.iou(a, b), "That is the IoU: the common pixels over those of either."),
            (hit / (2 * hit + false + missed), "The common pixels count twice above the line."),
            *_other_scores(hit, false, missed),
            (2 * hit / (hit + false + missed), "Below stand both counts added, not the union."),
        ],
    )


def iou(rng):
    """IoU of two small masks."""
    a, b, hit, false, missed, (first, second) = _two_masks(rng)
    return Task(
        f"The prediction is {first} and the truth {second}, row by row. What is the IoU, as a "
        "fraction such as 2/3 or with three decimal places?",
        f"预测掩码为 {first}，真值为 {second}（逐行）。IoU（交并比）是多少（分数或三位小数）？",
        objective.iou(a, b),
        "",
        f"{hit} / {hit + false + missed}: {hit} pixels in both, {hit + false + missed} in either.",
        [
            (objective.dice(a, b), "That is the Dice: twice the common pixels over both counts."),
            (hit / (2 * hit + false + missed), "The common pixels are in the union only once."),
            *_other_scores(hit, false, missed),
        ],
    )


def _other_scores(hit, false, missed):
    right = 10 - false - missed
    return [
        (right / 10, "That is the accuracy: the background counts in it as well."),
        (hit / (hit + false), "That is the precision: only the prediction's pixels below."),
        (hit / (hit + missed), "That is the recall: only the truth's pixels below."),
        (hit / 10, "Over all pixels of the picture: the background has no part in it."),
    ]


def tiles(rng):
    """Tiles that cover an image, their outputs laid edge to edge."""
    out = 68 + 16 * rng.randint(0, 20)
    tile, height, width = out + 184, rng.randint(400, 3000), rng.randint(400, 3000)
    rows, columns = ceil(height / out), ceil(width / out)
    inputs = ceil(height / tile) * ceil(width / tile)
    return Task(
        f"A network takes tiles of {tile} x {tile} and gives {out} x {out}. The outputs are laid "
        f"edge to edge, and the image is mirrored beyond its border. How many tiles does an image "
        f"of {height} x {width} need?",
        f"网络输入 {tile} x {tile} 的图块，输出 {out} x {out}；输出首尾相接，边界外镜像填充。"
        f"一张 {height} x {width} 的图像需要多少个图块？",
        rows * columns,
        "tiles",
        f"ceil({height} / {out}) = {rows} times ceil({width} / {out}) = {columns}.",
        [
            (inputs, "You divide by the input. Only the output of a tile is written."),
            ((height // out) * (width // out), "Round up: the last tile covers what is left."),
            (round(height / out) * round(width / out), "Round up, never to the nearest."),
            (rows + columns, "Rows times columns of tiles, not their sum."),
            (ceil(height * width / out**2), "Round up each axis by itself, then multiply."),
            ((rows + 1) * (columns + 1), "One row and column too many: no tile lies outside."),
        ],
    )
