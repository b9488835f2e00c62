"""Wrong and right ways to write receptive_field."""

from functools import reduce
from math import prod

import numpy as np
import torch
from torch import nn


def forwards(layers):
    field = jump = 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump *= stride
    return field


def backwards(layers):
    field = 1
    for kernel, stride in reversed(layers):
        field = field * stride + kernel - stride
    return field


def recursive(layers):
    if not layers:
        return 1
    (kernel, stride), *rest = layers
    return kernel + (recursive(rest) - 1) * stride


def by_sum(layers):
    return 1 + sum((k - 1) * prod(s for _, s in layers[:i]) for i, (k, _) in enumerate(layers))


def by_numpy(layers):
    kernels, strides = np.array(layers).T
    return 1 + ((kernels - 1) * np.cumprod(np.r_[1, strides])[:-1]).sum()


def by_fold(layers):
    return reduce(lambda a, kv: (a[0] + (kv[0] - 1) * a[1], a[1] * kv[1]), layers, (1, 1))[0]


def by_gradient(layers):
    net = nn.Sequential(*(nn.Conv1d(1, 1, k, s, bias=False) for k, s in layers)).double()
    for p in net.parameters():
        nn.init.ones_(p)
    x = torch.zeros(1, 1, 800, dtype=torch.double, requires_grad=True)
    net(x)[0, 0, 0].backward()
    return x.grad.nonzero()[:, 2].max() + 1


def pixels_seen(layers):
    """Counts the pixels themselves."""
    seen = {0}
    for kernel, stride in reversed(layers):
        seen = {place * stride + i for place in seen for i in range(kernel)}
    return len(seen)


def seen_by_gradient(layers):
    n = forwards(layers)
    x = y = torch.ones(1, 1, n, requires_grad=True)
    for kernel, stride in layers:
        y = nn.functional.conv1d(y, torch.ones(1, 1, kernel) / kernel, stride=stride)
    y.sum().backward()
    return int((x.grad != 0).sum())


def returns_in_loop(layers):
    field = jump = 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump *= stride
        return field


def stride_2(layers):
    field = jump = 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        if stride > 1:
            jump *= 2
    return field


def own_stride(layers):
    field = jump = 1
    for kernel, stride in layers:
        jump *= stride
        field += (kernel - 1) * jump
    return field


def last_stride(layers):
    field = before = 1
    for kernel, stride in layers:
        field += (kernel - 1) * before
        before = stride
    return field


def strides_added(layers):
    field = jump = 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump += stride - 1
    return field


def strides_summed(layers):
    field = jump = 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump += stride
    return field


def kernel_whole(layers):
    field = jump = 1
    for kernel, stride in layers:
        field += kernel * jump
        jump *= stride
    return field


def pops(layers):
    field = 1
    while layers:
        kernel, stride = layers.pop()
        field = (field - 1) * stride + kernel
    return field


def backward_slip(layers):
    field = 1
    for kernel, stride in reversed(layers):
        field = field * stride + kernel - 1
    return field


def per_step(layers):
    """Returns the list of all fields on the way."""
    return [forwards(layers[:i]) for i in range(1, len(layers) + 1)]


WRONG = {
    "stride_forgotten": [lambda layers: 1 + sum(k - 1 for k, _ in layers)],
    "own_stride_counted": [own_stride],
    "last_stride_only": [last_stride],
    "own_stride_only": [lambda layers: 1 + sum((k - 1) * s for k, s in layers)],
    "strides_added": [strides_summed],
    "strides_added_up": [strides_added],
    "kernel_not_minus_one": [kernel_whole],
    "kernels_added": [lambda layers: kernel_whole(layers) - 1],
    "starts_at_0": [lambda layers: forwards(layers) - 1],
    "starts_at_2": [lambda layers: forwards(layers) + 1],
    "reversed": [lambda layers: forwards(layers[::-1])],
    "backward_slip": [backward_slip],
    "kernels_multiplied": [lambda layers: prod(k for k, _ in layers)],
    "jump_returned": [lambda layers: prod(s for _, s in layers)],
    "return_in_loop": [returns_in_loop],
    "stride_by_heart": [stride_2],
    "area_returned": [lambda layers: forwards(layers) ** 2],
    "changes_input": [pops],
    "wrong_return": [per_step, lambda layers: (forwards(layers), 1)],
    "raises": [lambda layers: layers[5]],
    "always_the_same": [lambda layers: 140],
    "wrong_stride_1": [lambda layers: layers[-1][0]],
    "not_attempted": [lambda layers: ...],
}
RIGHT = [forwards, backwards, recursive, by_sum, by_numpy, by_fold, by_gradient]
RIGHT += [pixels_seen, seen_by_gradient]
