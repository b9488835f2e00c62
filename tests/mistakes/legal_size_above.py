"""Wrong and right ways to write legal_size_above."""

from itertools import count

from unet_lesson import UNetConfig, shapes

SMALLEST = {1: 18, 2: 44, 3: 92, 4: 188, 5: 380}


def output(n, depth, lost=4, even=True, down_only=False, bottom=4):
    """The output for an input of n pixels, or 0 if it does not fit."""
    for _ in range(depth):
        n -= lost
        if n < 1 or (even and n % 2):
            return 0
        n //= 2
    n -= lost if lost < 4 else bottom
    for _ in range(0 if down_only else depth):
        if n < 1:
            return 0
        n = 2 * n - lost
    return max(n, 0)


def by_search(n, depth):
    n += 1
    while not output(n, depth):
        n += 1
    return n


def size_down(n, depth):
    """Recursive: the size at the bottom, or None."""
    if depth == 0:
        return n - 4
    return None if (n - 4) % 2 else size_down((n - 4) // 2, depth - 1)


def by_recursion(n, depth):
    for size in count(n + 1):
        bottom = size_down(size, depth)
        if bottom and bottom * 2**depth - 4 * (2**depth - 1) > 0:
            return size


def by_formula(n, depth):
    block, offset = 2**depth, 4 * (2**depth - 1)
    return max((n - offset) // block * block + block + offset, SMALLEST[depth])


def without_minimum(n, depth):
    block, offset = 2**depth, 4 * (2**depth - 1) % 2**depth
    return (n - offset) // block * block + block + offset


def at_least_188(n, depth):
    return by_search(max(n, 187), depth)


def even_once(n, depth):
    n = max(n + 1, SMALLEST[depth])
    return n + n % 2


WRONG = {
    "not_strictly_above": [lambda n, d: by_search(n - 1, d)],
    "minimum_forgotten": [without_minimum],
    "minimum_forgotten_not_strict": [lambda n, d: without_minimum(n - 1, d)],
    "way_up_forgotten": [
        lambda n, d: next(m for m in count(n + 1) if output(m, d, down_only=True))
    ],
    "smallest_at_depth_1": [lambda n, d: max(by_search(n, d), 12 * 2**d - 4)],
    "minimum_of_depth_4": [at_least_188],
    "depth_ignored": [lambda n, d: by_search(n, 4)],
    "one_level_more": [lambda n, d: by_search(n, d + 1)],
    "multiple_of_block": [lambda n, d: (n // 2**d + 1) * 2**d],
    "bottom_forgotten": [lambda n, d: next(m for m in count(n + 1) if output(m, d, bottom=0))],
    "residue_of_depth_4": [
        lambda n, d: next(m for m in count(n + 1) if m % 2**d == 12 % 2**d),
    ],
    "evenness_forgotten": [lambda n, d: next(m for m in count(n + 1) if output(m, d, even=False))],
    "evenness_once": [even_once],
    "one_convolution": [lambda n, d: next(m for m in count(n + 1) if output(m, d, lost=2))],
    "step_added": [lambda n, d: n + 2**d],
    "size_below": [lambda n, d: shapes.nearest_legal(UNetConfig(depth=d), n)[0] or 0],
    "output_size": [lambda n, d: output(by_search(n, d), d)],
    "wrong_depth_4": [lambda n, d: n + 1],
    "always_the_same": [lambda n, d: 572],
    "wrong_return": [lambda n, d: [by_search(n, d)]],
    "raises": [lambda n, d: shapes.output_size(UNetConfig(depth=d), n, n)],
    "not_attempted": [lambda n, d: None],
}
RIGHT = [
    by_search,
    by_recursion,
    by_formula,
    lambda n, d: shapes.nearest_legal(UNetConfig(depth=d), n + 1)[1],
    lambda n, d: shapes.legal_sizes(UNetConfig(depth=d), n + 1, n + 1000)[0],
    lambda n, d: min(m for m in range(n + 1, n + 800) if output(m, d)),
]
