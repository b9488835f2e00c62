"""Exercises in whole numbers on one layer: the size behind it, its parameters.

Each compares many answers with torch or with the oracle. If some are wrong, it looks for the known
mistake that gives exactly the learner's answers: the tables of mistakes hold such formulas.
"""

from math import ceil
from random import Random

import torch
from torch import nn
from torch.nn.functional import conv1d

from unet_lesson.practice.learner import Wrong, call, number
from unet_lesson.practice.report import exercise


def compare(name, learner, right, groups, mistakes, steps=lambda *case: ""):
    """Yield the text of each group of cases that holds; raise Wrong at the first that does not.

    groups: key -> (text, cases), a case being a tuple of arguments. The key is the diagnosis
    if no mistake is recognised. mistakes: key -> (formula, likely). steps: of a case, the way to
    the right answer in words.
    """
    every = [case for _, cases in groups.values() for case in cases]
    for key, (text, cases) in groups.items():
        for case in cases:
            wanted = right(*case)
            try:
                got = number(call(learner, *_fresh(case)))
            except Wrong as wrong:
                raise _recognise(learner, every, mistakes, wrong) from None
            if got != wanted:
                fails = f"{name}({', '.join(map(str, case))}) is {wanted}, and yours gives {got}."
                fails += steps(*case)
                raise _recognise(learner, every, mistakes, Wrong(f"wrong_{key}", fails, BY_HAND))
        yield text


BY_HAND = "Work this one example out by hand, step by step beside your code."


def _recognise(learner, cases, mistakes, wrong):
    """The mistake whose formula gives the learner's answers, all of them; or `wrong` as it is."""
    if wrong.diagnosis != "raises" and not wrong.diagnosis.startswith("wrong_"):
        return wrong
    got = [_outcome(call, learner, *_fresh(case)) for case in cases]
    if len(set(got)) == 1 and got[0] is not None:
        likely = "You give the same number for every input. Use the arguments."
        return Wrong("always_the_same", wrong.fails, likely)
    for key, (formula, likely) in mistakes.items():
        if any(got) and all(
            _equal(_outcome(formula, *c), g) for c, g in zip(cases, got, strict=True)
        ):
            return Wrong(key, wrong.fails, likely)
    return wrong


def _outcome(function, *args):
    """The number that comes out, or None where it raises."""
    try:
        return number(function(*args))
    except (Wrong, ArithmeticError):
        return None


def _equal(a, b):
    return a == b or (a is not None and b is not None and abs(a - b) < 1e-6)


def _fresh(case):
    return [list(value) if isinstance(value, list) else value for value in case]


# ---- the size after a convolution -------------------------------------------------------------


def convolved(n, kernel, padding, stride):
    """What torch itself makes of n pixels."""
    ones, weight = torch.zeros(1, 1, n), torch.zeros(1, 1, kernel)
    return conv1d(ones, weight, padding=padding, stride=stride).shape[2]


def convolution_cases():
    """key -> (text, cases): plain, with padding, with a stride, with both."""
    draw = Random(0).randint
    kernels = [draw(1, 7) for _ in range(12)]
    drawn = [(draw(k, 60), k, draw(0, k // 2), draw(1, 4)) for k in kernels]
    plain = [(5, 3, 0, 1), (6, 2, 0, 1), (572, 3, 0, 1), (9, 1, 0, 1), (9, 5, 0, 1)]
    padded = [(5, 3, 1, 1), (6, 4, 1, 1), (28, 5, 2, 1), (28, 5, 1, 1), (9, 7, 2, 1)]
    strided = [(6, 2, 0, 2), (7, 2, 0, 2), (8, 3, 0, 2), (9, 3, 0, 2), (11, 3, 0, 3), (12, 4, 0, 3)]
    return {
        "plain": ("without padding, step 1", plain),
        "with_padding": ("with padding", padded),
        "with_stride": ("with a stride, also where the last step does not fit", strided),
        "with_both": ("sizes drawn at random, with padding and stride", drawn),
    }


CONVOLUTION_MISTAKES = {
    "padding_forgotten": (
        lambda n, k, p, s: (n - k) // s + 1,
        "The padding is missing: the axis is n + 2 * padding long before the kernel moves.",
    ),
    "padding_once": (
        lambda n, k, p, s: (n + p - k) // s + 1,
        "The padding is counted once. It is added at both ends: n + 2 * padding.",
    ),
    "padding_subtracted": (
        lambda n, k, p, s: (n - 2 * p - k) // s + 1,
        "The padding is taken away. It makes the axis longer: n + 2 * padding.",
    ),
    "padding_outside": (
        lambda n, k, p, s: (n - k) // s + 1 + 2 * p,
        "The padding is added after the division. The kernel steps over the zeros as well.",
    ),
    "floor_forgotten": (
        lambda n, k, p, s: (n + 2 * p - k) / s + 1,
        "There are no half pixels: the last step that does not fit is left out. Divide with //.",
    ),
    "rounded_up": (
        lambda n, k, p, s: ceil((n + 2 * p - k) / s) + 1,
        "You round up. A last step that does not fit is not taken: round down, with //.",
    ),
    "rounded": (
        lambda n, k, p, s: round((n + 2 * p - k) / s) + 1,
        "You round to the nearest. A last step that does not fit is not taken: use //.",
    ),
    "plus_one_forgotten": (
        lambda n, k, p, s: (n + 2 * p - k) // s,
        "The + 1 is missing: the kernel stands once before its first step.",
    ),
    "plus_one_inside": (
        lambda n, k, p, s: (n + 2 * p - k + 1) // s,
        "The + 1 belongs behind the division: the steps are divided, the first place is not.",
    ),
    "stride_forgotten": (
        lambda n, k, p, s: n + 2 * p - k + 1,
        "The stride is missing: divide the way of the kernel, n + 2 * padding - kernel, by it.",
    ),
    "brackets_forgotten": (
        lambda n, k, p, s: n + 2 * p - k // s + 1,
        "Brackets are missing: * and / go before + and -. The whole way is divided by the stride.",
    ),
    "kernel_each_side": (
        lambda n, k, p, s: (n + 2 * p - 2 * (k - 1) - 1) // s + 1,
        "You take kernel - 1 from each side. It is kernel - 1 in all: one pixel a side for 3x3.",
    ),
    "kernel_not_minus_one": (
        lambda n, k, p, s: (n + 2 * p - k - 1) // s + 1,
        "One pixel too few: at step 1 a kernel takes kernel - 1, not kernel.",
    ),
    "plus_two": (
        lambda n, k, p, s: (n + 2 * p - k) // s + 2,
        "One too many: only 1 is added behind the division, for the first place of the kernel.",
    ),
    "even_kernels": (
        lambda n, k, p, s: (n + 2 * p - 2 * (k // 2) - 1) // s + 1,
        "kernel // 2 on each side is right for odd kernels only; in all it is kernel - 1.",
    ),
    "same_size": (
        lambda n, k, p, s: -(-n // s),
        "You give the size with 'same' padding. Here the padding is what the caller says.",
    ),
    "arguments_swapped": (
        lambda n, k, p, s: (n + 2 * s - k) // p + 1,
        "Padding and stride are swapped: the order is n, kernel, padding, stride.",
    ),
    "kernel_and_n_swapped": (
        lambda n, k, p, s: (k + 2 * p - n) // s + 1,
        "n and kernel are swapped: the order is n, kernel, padding, stride.",
    ),
    "transposed": (
        lambda n, k, p, s: (n - 1) * s - 2 * p + k,
        "This is the size after a transposed convolution, which goes the other way.",
    ),
}


@exercise("conv_output_size(n, kernel, padding, stride)", "01_double_conv", level=1, minutes=5)
def judge_conv_output_size(learner):
    """How many pixels does a convolution leave of an axis of n pixels?

    kernel: its side. padding: zeros added at each of the two ends. stride: the step. All are whole
    numbers, and so is the answer: a last step that does not fit is not taken.
    """
    groups = convolution_cases()
    yield from compare("conv_output_size", learner, convolved, groups, CONVOLUTION_MISTAKES)


# ---- parameters -------------------------------------------------------------------------------


def convolution_parameters(in_channels, out_channels, kernel, bias):
    """What torch itself counts."""
    layer = nn.Conv2d(in_channels, out_channels, kernel, bias=bias, device="meta")
    return sum(p.numel() for p in layer.parameters())


PARAMETER_CASES = {
    "without_bias": ("without a bias", [(1, 1, 3, False), (2, 5, 3, False), (3, 2, 5, False)]),
    "with_bias": ("with a bias", [(1, 1, 3, True), (2, 5, 3, True), (1, 64, 3, True)]),
    "kernel": ("other kernels", [(64, 2, 1, True), (4, 3, 2, False), (6, 7, 5, True)]),
    "large": ("a layer of the network's bottom", [(512, 1024, 3, True)]),
}

PARAMETER_MISTAKES = {
    "bias_forgotten": (
        lambda i, o, k, b: k * k * i * o,
        "The bias is missing: one number for each output channel.",
    ),
    "bias_always": (
        lambda i, o, k, b: k * k * i * o + o,
        "You count the bias even where bias is False.",
    ),
    "bias_inverted": (
        lambda i, o, k, b: k * k * i * o + (0 if b else o),
        "The bias is counted where there is none, and left out where there is one.",
    ),
    "bias_one_number": (
        lambda i, o, k, b: k * k * i * o + b,
        "The bias is one number for each output channel, not one for the layer.",
    ),
    "bias_per_input": (
        lambda i, o, k, b: k * k * i * o + b * i,
        "The bias has a number for each output channel, not for each input channel.",
    ),
    "bias_per_kernel": (
        lambda i, o, k, b: (k * k + b) * i * o,
        "You give each k x k kernel a bias. There is one for each output channel.",
    ),
    "kernel_not_squared": (
        lambda i, o, k, b: k * i * o + b * o,
        "The kernel is a square: kernel * kernel weights, not kernel.",
    ),
    "kernel_doubled": (
        lambda i, o, k, b: 2 * k * i * o + b * o,
        "The kernel is a square: kernel * kernel weights, not 2 * kernel.",
    ),
    "kernel_by_heart": (
        lambda i, o, k, b: 9 * i * o + b * o,
        "9 is right for a 3x3 kernel only. Read the side from the argument.",
    ),
    "kernel_forgotten": (
        lambda i, o, k, b: i * o + b * o,
        "The kernel is missing: each pair of channels has kernel * kernel weights.",
    ),
    "inputs_forgotten": (
        lambda i, o, k, b: k * k * o + b * o,
        "The input channels are missing: each output channel has a kernel for each of them.",
    ),
    "outputs_forgotten": (
        lambda i, o, k, b: k * k * i + b * o,
        "The output channels are missing: each of them has kernels of its own.",
    ),
    "one_output": (
        lambda i, o, k, b: k * k * i + b,
        "This is one output channel. There are out_channels of them.",
    ),
    "zero_without_bias": (
        lambda i, o, k, b: k * k * i * o + o if b else 0,
        "Brackets are missing: `a + b if bias else 0` is 0 without a bias. a + (b if bias else 0).",
    ),
    "caret": (
        lambda i, o, k, b: k ^ (2 * i * o) + o * b,
        "The power is kernel**2; ^ is something else.",
    ),
    "counted_twice": (
        lambda i, o, k, b: 2 * (k * k * i * o + b * o),
        "This is twice as many. Here is one convolution, not two.",
    ),
    "channels_added": (
        lambda i, o, k, b: k * k * (i + o) + b * o,
        "The channels are multiplied, not added: every output channel reads every input channel.",
    ),
    "batch_norm_counted": (
        lambda i, o, k, b: k * k * i * o + b * o + 2 * o,
        "You count the two numbers a channel of a BatchNorm. Here is the convolution alone.",
    ),
}


@exercise(
    "parameters_of_conv(in_channels, out_channels, kernel, bias)",
    "01_double_conv",
    level=1,
    minutes=4,
)
def judge_parameters_of_conv(learner):
    """How many numbers does a convolution learn?

    kernel: the side of its square kernel. bias: True or False. The answer is a whole number.
    """
    name = "parameters_of_conv"
    yield from compare(name, learner, convolution_parameters, PARAMETER_CASES, PARAMETER_MISTAKES)
