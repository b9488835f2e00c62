"""Wrong and right ways to write parameters_of_conv."""

import numpy as np
from torch import nn


def by_torch(in_channels, out_channels, kernel, bias):
    layer = nn.Conv2d(in_channels, out_channels, kernel, bias=bias)
    return sum(p.numel() for p in layer.parameters())


def by_branches(in_channels, out_channels, kernel, bias):
    weights = in_channels * out_channels * kernel**2
    if not bias:
        return weights
    return weights + out_channels


def weight_shape(in_channels, out_channels, kernel, bias):
    return (out_channels, in_channels, kernel, kernel)


WRONG = {
    "bias_forgotten": [lambda i, o, k, b: i * o * k * k],
    "bias_always": [lambda i, o, k, b: (i * k * k + 1) * o],
    "bias_inverted": [lambda i, o, k, b: i * o * k * k + (not b) * o],
    "bias_one_number": [lambda i, o, k, b: i * o * k * k + b],
    "bias_per_input": [lambda i, o, k, b: i * o * k * k + b * i],
    "bias_per_kernel": [lambda i, o, k, b: i * o * (k * k + b)],
    "kernel_not_squared": [lambda i, o, k, b: i * o * k + b * o],
    "kernel_doubled": [lambda i, o, k, b: i * o * k * 2 + b * o],
    "kernel_forgotten": [lambda i, o, k, b: (i + b) * o],
    "inputs_forgotten": [lambda i, o, k, b: (k * k + b) * o],
    "outputs_forgotten": [lambda i, o, k, b: i * k * k + b * o],
    "one_output": [lambda i, o, k, b: i * k * k + b],
    "channels_added": [lambda i, o, k, b: (i + o) * k * k + b * o],
    "batch_norm_counted": [lambda i, o, k, b: i * o * k * k + b * o + 2 * o],
    "kernel_by_heart": [lambda i, o, k, b: 9 * i * o + b * o],
    "zero_without_bias": [lambda i, o, k, b: k * k * i * o + o if b else 0],
    "caret": [lambda i, o, k, b: k ^ 2 * i * o + o * b],
    "wrong_without_bias": [lambda i, o, k, b: 2 * i * o * k * k + b * o],
    "wrong_return": [weight_shape],
    "returns_nothing": [lambda i, o, k, b: nn.Conv2d(i, o, k, bias=b) and None],
    "raises": [lambda i, o, k, b: nn.Conv2d(i, o, k, bias=b).numel()],
    "not_attempted": [lambda i, o, k, b: None],
}
RIGHT = [
    lambda i, o, k, b: i * o * k * k + (o if b else 0),
    lambda i, o, k, b: (i * k**2 + b) * o,
    lambda i, o, k, b: int(np.prod([o, i, k, k])) + o * int(b),
    lambda i, o, k, b: np.prod((o, i, k, k)) + b * np.int64(o),
    lambda *a: sum(a[0] * a[2] ** 2 + a[3] for _ in range(a[1])),
    by_torch,
    by_branches,
]
