"""Wrong and right ways to write tile_origins."""

from itertools import count, takewhile
from math import ceil

import numpy as np
import torch


def by_loop(length, tile, margin):
    origins, at = [], 0
    while at < length:
        origins.append(at)
        at += tile - 2 * margin
    return origins


def moved_back(length, tile, margin):
    step = tile - 2 * margin
    last = max(length - step, 0)
    return [*range(0, last, step), last]


def evenly(length, tile, margin):
    step = tile - 2 * margin
    number = ceil(length / step)
    return np.linspace(0, max(length - step, 0), number).astype(int)


def generator(length, tile, margin):
    yield from range(0, length, tile - 2 * margin)


def generator_that_raises(length, tile, margin):
    yield 0
    yield length.stop


def reads(length, tile, margin):
    return [at - margin for at in range(0, length, tile - 2 * margin)]


def inside(length, tile, margin):
    if length <= tile:
        return [0]
    return [*range(0, length - tile, tile - 2 * margin), length - tile]


def step(tile, margin):
    return tile - 2 * margin


WRONG = {
    "margin_forgotten": [lambda n, t, m: list(range(0, n, t))],
    "margin_once": [lambda n, t, m: list(range(0, n, t - m))],
    "margin_added": [lambda n, t, m: list(range(0, n, t + 2 * m))],
    "last_tile_missing": [lambda n, t, m: [i * step(t, m) for i in range(n // step(t, m))]],
    "last_tile_left_out": [lambda n, t, m: list(range(0, n, step(t, m)))[:-1]],
    "one_tile_more": [
        lambda n, t, m: list(range(0, n + step(t, m), step(t, m))),
        lambda n, t, m: [i * step(t, m) for i in range(n // step(t, m) + 1)],
        lambda n, t, m: list(range(0, n + 1, step(t, m))),
        lambda n, t, m: list(range(0, n + m, step(t, m))),
        lambda n, t, m: list(range(0, n + 2 * m, step(t, m))),
    ],
    "tiles_kept_inside": [inside],
    "tiles_kept_inside_unfinished": [lambda n, t, m: [*range(0, max(n - t, 0) + 1, step(t, m))]],
    "starts_at_margin": [lambda n, t, m: [m + at for at in range(0, n, step(t, m))]],
    "starts_at_margin_short": [lambda n, t, m: list(range(m, n, step(t, m)))],
    "stops_returned": [lambda n, t, m: [at + step(t, m) for at in range(0, n, step(t, m))]],
    "too_many_tiles": [
        lambda n, t, m: list(range(n)),
        lambda n, t, m: range(0, n, step(t, m) // 2),
        lambda n, t, m: range(0, n, max(step(t, m) // 16 * 16, 1)),
    ],
    "not_in_order": [
        lambda n, t, m: [0, *list(range(0, n, step(t, m)))[:0:-1]],
        lambda n, t, m: [*range(0, n - step(t, m) + 1, step(t, m)), n - step(t, m)],
        lambda n, t, m: [0] * 10**6,
    ],
    "first_not_0": [
        lambda n, t, m: list(range(0, n, step(t, m)))[::-1],
        lambda n, t, m: [min(at, n - step(t, m)) for at in range(0, n, step(t, m))],
    ],
    "gap": [
        lambda n, t, m: [0],
        lambda n, t, m: list(range(0, n - t + 1, step(t, m))),
        lambda n, t, m: list(range(0, n - 2 * m, step(t, m))),
        lambda n, t, m: [i * step(t, m) for i in range(round(n / step(t, m)))],
        lambda n, t, m: [0] if n <= t else list(range(0, n, step(t, m))),
        lambda n, t, m: [0, *range(t - m, n, step(t, m))],
    ],
    "no_tiles": [lambda n, t, m: [], lambda n, m, t: list(range(0, n, step(t, m)))],
    "wrong_return": [
        lambda n, t, m: ceil(n / step(t, m)),
        lambda n, t, m: [(at, at + step(t, m)) for at in range(0, n, step(t, m))],
        lambda n, t, m: [str(at) for at in range(0, n, step(t, m))],
    ],
    "raises": [
        generator_that_raises,
        lambda n, t, m: range(0, n, step(t, m) / 1),
    ],
    "returns_nothing": [lambda n, t, m: [].append(0)],
    "not_attempted": [lambda n, t, m: None],
}
RIGHT = [
    lambda n, t, m: list(range(0, n, t - 2 * m)),
    lambda n, t, m: range(0, n, t - m - m),
    lambda n, t, m: [i * (t - 2 * m) for i in range(-(-n // (t - 2 * m)))],
    lambda n, t, m: tuple(takewhile(lambda at: at < n, count(0, t - 2 * m))),
    lambda n, t, m: torch.arange(0, n, t - 2 * m),
    lambda n, t, m: np.arange(0, n, t - 2 * m),
    by_loop,
    moved_back,
    evenly,
    generator,
    reads,
]
