"""Wrong and right ways to write conv_output_size."""

import math

import numpy as np
import torch
from torch import nn


def no_return(n, kernel, padding, stride):
    size = (n + 2 * padding - kernel) // stride + 1  # noqa: F841


def divides_by_zero(n, kernel, padding, stride):
    return (n + 2 * padding - kernel) // (stride - 1) + 1


def forgets_two_things(n, kernel, padding, stride):
    return (n + padding - kernel) / stride


def by_hand(n, kernel, padding, stride):
    """Lets the kernel walk."""
    places, start = 0, -padding
    while start + kernel <= n + padding:
        places += 1
        start += stride
    return places


def by_torch(n, kernel, padding, stride):
    layer = nn.Conv2d(1, 1, kernel_size=kernel, padding=padding, stride=stride)
    return layer(torch.zeros(1, 1, n, n)).shape[-1]


def passed_on(function):
    """The same, behind a function that only hands on what it is given."""
    return lambda *args: function(*args)


WRONG = {
    "padding_forgotten": [lambda n, k, p, s: (n - k) // s + 1],
    "padding_once": [lambda n, k, p, s: (n + p - k) // s + 1],
    "padding_subtracted": [lambda n, k, p, s: (n - 2 * p - k) // s + 1],
    "padding_outside": [lambda n, k, p, s: (n - k) // s + 1 + 2 * p],
    "floor_forgotten": [lambda n, k, p, s: (n + 2 * p - k) / s + 1],
    "rounded_up": [lambda n, k, p, s: math.ceil((n + 2 * p - k) / s) + 1],
    "rounded": [lambda n, k, p, s: round((n + 2 * p - k) / s) + 1],
    "plus_one_forgotten": [lambda n, k, p, s: (n + 2 * p - k) // s],
    "plus_one_inside": [lambda n, k, p, s: (n + 2 * p - k + 1) // s],
    "plus_two": [lambda n, k, p, s: (n + 2 * p - k) // s + 2],
    "stride_forgotten": [lambda n, k, p, s: n + 2 * p - k + 1],
    "brackets_forgotten": [lambda n, k, p, s: n + 2 * p - k // s + 1],
    "kernel_each_side": [lambda n, k, p, s: (n + 2 * p - 2 * (k - 1) - 1) // s + 1],
    "kernel_not_minus_one": [lambda n, k, p, s: (n + 2 * p - k - 1) // s + 1],
    "even_kernels": [lambda n, k, p, s: (n + 2 * p - 2 * (k // 2) - 1) // s + 1],
    "same_size": [lambda n, k, p, s: math.ceil(n / s)],
    "transposed": [lambda n, k, p, s: (n - 1) * s - 2 * p + k],
    "wrong_plain": [forgets_two_things],
    "always_the_same": [lambda n, k, p, s: 570],
    "wrong_with_stride": [lambda n, k, p, s: n + 2 * p - k + 1 - (s - 1)],
    "arguments_swapped": [
        lambda n, kernel, stride, padding: (n + 2 * padding - kernel) // stride + 1,
    ],
    "kernel_and_n_swapped": [
        lambda kernel, n, padding, stride: (n + 2 * padding - kernel) // stride + 1,
    ],
    "returns_nothing": [no_return, lambda n, k, p, s: print(end="")],
    "raises": [divides_by_zero],
    "wrong_return": [lambda n, k, p, s: (n, n), lambda n, k, p, s: "570", lambda *a: True],
    "wrong_signature": [lambda n, kernel, padding: n],
    "wrong_kind": [570, "570", nn.Conv2d, [1, 2]],
    "not_attempted": [
        torch.no_grad()(lambda n, kernel, padding, stride: None),
        None,
        ...,
        lambda n, k, p, s: None,
        lambda n, k, p, s: ...,
    ],
}
RIGHT = [
    passed_on(by_hand),
    lambda n, k, p, s: (n + 2 * p - k) // s + 1,
    lambda n, k, p, s: 1 + int((n + 2 * p - k) / s),
    lambda n, k, p, s: math.floor((n + 2 * p - (k - 1) - 1) / s + 1),
    lambda n, k, p, s: np.int64(n + 2 * p - k) // s + 1,
    lambda n, k, p, s: np.floor((n + 2 * p - k) / s) + 1,
    lambda n, k, p, s: torch.tensor(n + 2 * p - k).div(s, rounding_mode="floor") + 1,
    lambda n, kernel, padding=0, stride=1: len(range(0, n + 2 * padding - kernel + 1, stride)),
    by_hand,
    by_torch,
]
