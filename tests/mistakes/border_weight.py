"""Wrong and right ways to write border_weight."""

import math

import numpy as np
import torch

from unet_lesson.data.weights import border_term


def bell(x, sigma):
    return np.exp(-(x**2) / (2 * sigma**2))


def plain(d1, d2, w0, sigma):
    return w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))


def by_math(d1, d2, w0, sigma):
    return w0 * math.exp(-((d1 + d2) ** 2) / (2 * sigma**2))


def in_torch(d1, d2, w0, sigma):
    return w0 * torch.exp(-(d1 + d2).pow(2) / (2 * sigma**2))


def any_kind(d1, d2, w0, sigma):
    d1, d2 = torch.as_tensor(d1), torch.as_tensor(d2)
    return w0 * (-0.5 * ((d1 + d2) / sigma).square()).exp()


def expanded(d1, d2, w0, sigma):
    return w0 * math.e ** (-(d1**2 + 2 * d1 * d2 + d2**2) / (2 * sigma * sigma))


def loops(d1, d2, w0, sigma):
    out = np.empty_like(d1)
    for at in np.ndindex(d1.shape):
        out[at] = by_math(d1[at], d2[at], w0, sigma)
    return out


def maps_only(d1, d2, w0, sigma):
    """Takes arrays and tensors, and no plain numbers."""
    return w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2)) if d1.ndim == 2 else None


def in_place(d1, d2, w0, sigma):
    d1 += d2
    return w0 * bell(d1, sigma)


def squares(d1, d2, w0, sigma):
    return w0 * math.exp(-(d1**2 + d2**2) / (2 * sigma**2))


WRONG = {
    "squares_added": [squares, lambda a, b, w, s: w * np.exp(-(a**2 + b**2) / (2 * s**2))],
    "sigma_not_squared": [
        lambda a, b, w, s: w * np.exp(-((a + b) ** 2) / (2 * s)),
        lambda a, b, w, s: w * math.exp(-((a + b) ** 2) / s),
    ],
    "two_forgotten": [lambda a, b, w, s: w * np.exp(-((a + b) ** 2) / s**2)],
    "two_squared": [lambda a, b, w, s: w * np.exp(-((a + b) ** 2) / (2 * s) ** 2)],
    "two_above": [lambda a, b, w, s: w * np.exp(-2 * (a + b) ** 2 / s**2)],
    "brackets_forgotten": [lambda a, b, w, s: w * np.exp(-((a + b) ** 2) / 2 * s**2)],
    "sum_not_squared": [
        lambda a, b, w, s: w * np.exp(-(a + b) / (2 * s**2)),
        lambda a, b, w, s: w * torch.exp(-(a + b) / (2 * s)),
    ],
    "second_squared_only": [lambda a, b, w, s: w * np.exp(-(a + b**2) / (2 * s**2))],
    "nearest_only": [
        lambda a, b, w, s: w * bell(np.minimum(a, b), s),
        lambda a, b, w, s: w * by_math(min(a, b), 0, 1, s),
    ],
    "second_nearest_only": [lambda a, b, w, s: w * bell(np.maximum(a, b), s)],
    "distances_averaged": [lambda a, b, w, s: w * bell((a + b) / 2, s)],
    "difference": [lambda a, b, w, s: w * bell(b - a, s)],
    "product": [lambda a, b, w, s: w * bell(a * b, s)],
    "two_terms": [lambda a, b, w, s: w * bell(a, s) + w * bell(b, s)],
    "w0_forgotten": [lambda a, b, w, s: bell(a + b, s), lambda a, b, w, s: by_math(a, b, 1, s)],
    "w0_inside": [lambda a, b, w, s: np.exp(-w * (a + b) ** 2 / (2 * s**2))],
    "w0_added": [lambda a, b, w, s: w + bell(a + b, s)],
    "minus_forgotten": [
        lambda a, b, w, s: w * np.exp((a + b) ** 2 / (2 * s**2)),
        lambda a, b, w, s: w * math.exp((a + b) ** 2 / (2 * s**2)),
        lambda a, b, w, s: w * np.exp((-(a + b)) ** 2 / (2 * s**2)),
    ],
    "minus_in_front": [lambda a, b, w, s: -w * bell(a + b, s)],
    "complement": [lambda a, b, w, s: w * (1 - bell(a + b, s))],
    "class_weight_added": [lambda a, b, w, s: 1 + w * bell(a + b, s)],
    "normalised": [lambda a, b, w, s: w * bell(a + b, s) / (s * math.sqrt(2 * math.pi))],
    "exp_forgotten": [lambda a, b, w, s: w * -((a + b) ** 2) / (2 * s**2)],
    "other_base": [lambda a, b, w, s: w * 2 ** (-((a + b) ** 2) / (2 * s**2))],
    "arguments_swapped": [lambda a, b, s, w: w * bell(a + b, s)],
    "by_heart": [lambda a, b, w, s: 10 * bell(a + b, 5), lambda a, b, w, s: w * bell(a + b, 5)],
    "exp_closed_early": [lambda a, b, w, s: w * np.exp(-((a + b) ** 2)) / (2 * s**2)],
    "rounded": [
        lambda a, b, w, s: plain(a, b, w, s).round(2),
        lambda a, b, w, s: np.asarray(plain(a, b, w, s)).astype(int),
    ],
    "wrong_shape": [
        lambda a, b, w, s: [plain(x, y, w, s) for x, y in zip(a, b, strict=True)],
        lambda a, b, w, s: plain(a, b, w, s).tolist(),
        lambda a, b, w, s: plain(a, b, w, s).sum(),
        lambda a, b, w, s: plain(a, b, w, s)[0],
    ],
    "wrong_value": [lambda a, b, w, s: 0.0, lambda a, b, w, s: w * np.cos(a + b)],
    "changes_input": [in_place],
    "wrong_return": [lambda a, b, w, s: (a, b)],
    "raises": [
        lambda a, b, w, s: w * exp(-(a + b)),  # noqa: F821
        lambda a, b, w, s: a.exp(b),
        lambda a, b, w, s: w * np.exp(-((a + b) ^ 2) / (2 * s ^ 2)),
    ],
    "returns_nothing": [lambda a, b, w, s: print(end="")],
    "wrong_signature": [lambda d, w0, sigma: d, lambda a, b: a],
    "wrong_kind": [10.0],
    "not_attempted": [None, lambda d1, d2, w0, sigma: None],
}
RIGHT = [
    plain,
    by_math,
    in_torch,
    lambda a, b, w, s: by_math(float(a), float(b), w, s),
    any_kind,
    expanded,
    loops,
    maps_only,
    lambda a, b, w, s: border_term(a + b, w, s),
    lambda a, b, w, s: w / np.exp(((a + b) / s) ** 2 / 2),
    lambda d1, d2, w0=10, sigma=5: w0 * np.exp(-np.square(d1 + d2) / (2.0 * np.square(sigma))),
]
