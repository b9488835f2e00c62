"""The exercise on where tiles lie."""

from itertools import islice, pairwise
from math import ceil

from unet_lesson.practice.learner import Wrong, call, number, run, show
from unet_lesson.practice.report import exercise

TILE_CASES = [(1000, 572, 94), (384, 572, 94), (385, 572, 94), (100, 572, 94), (90, 48, 8)]
TILE_CASES += [
    (128, 64, 16),
    (129, 64, 16),
    (500, 220, 94),
    (64, 32, 0),
    (70, 32, 0),
    (333, 96, 8),
    (47, 50, 13),
]


def starts(length, tile, margin, step=None):
    """The plain answer, or with another step."""
    return list(range(0, length, step or tile - 2 * margin))


def inside(length, tile, margin):
    """Tiles that never leave the image; the last is moved back."""
    last = max(length - tile, 0)
    return [*range(0, last, tile - 2 * margin), last]


TILE_MISTAKES = {
    "margin_forgotten": (
        lambda n, t, m: starts(n, t, m, t),
        "You step by a whole tile. The margin at both of its ends is not written.",
    ),
    "margin_once": (
        lambda n, t, m: starts(n, t, m, t - m),
        "The margin is taken off once. A tile loses it at both ends: tile - 2 * margin.",
    ),
    "margin_added": (
        lambda n, t, m: starts(n, t, m, t + 2 * m),
        "The margin makes the step smaller, not larger: tile - 2 * margin.",
    ),
    "last_tile_missing": (
        lambda n, t, m: starts(n - t + 2 * m + 1, t, m),
        "Only whole tiles are laid. The end of the axis is never written; one tile more covers it.",
    ),
    "last_tile_left_out": (
        lambda n, t, m: starts(n, t, m)[:-1],
        "The last tile is left out, and the end of the axis is never written.",
    ),
    "ends_a_tile_early": (
        lambda n, t, m: starts(n - t, t, m),
        "The last tile begins more than a tile before the end: the end is never written.",
    ),
    "ends_a_margin_early": (
        lambda n, t, m: starts(n - m, t, m),
        "The last tile may begin a margin before the end too, or the end is never written.",
    ),
    "first_and_last_only": (
        lambda n, t, m: [0, n - t + 2 * m],
        "There are only a first and a last tile. What lies between is never written.",
    ),
    "one_tile_more": (
        lambda n, t, m: [*starts(n, t, m), len(starts(n, t, m)) * (t - 2 * m)],
        "The last tile begins at the end of the axis or behind it. A start must be below length.",
    ),
    "tiles_kept_inside": (
        inside,
        "Your tiles never leave the image, so its own margin is never written. The first tile "
        "begins to write at 0: it reads a margin beyond, where the image is mirrored.",
    ),
    "tiles_kept_inside_unfinished": (
        lambda n, t, m: starts(max(n - t + 1, 1), t, m),
        "Your tiles never leave the image, and the end of it is not written either.",
    ),
    "starts_at_margin": (
        lambda n, t, m: [m + at for at in starts(n, t, m)],
        "Everything lies a margin too far: the first pixels are never written.",
    ),
    "starts_at_margin_short": (
        lambda n, t, m: list(range(m, n, t - 2 * m)),
        "The first tile begins to write at the margin: the pixels before are never written.",
    ),
    "stops_returned": (
        lambda n, t, m: [at + t - 2 * m for at in starts(n, t, m)],
        "These are the ends of the tiles. Where each begins is asked for.",
    ),
}


@exercise("tile_origins(length, tile, margin)", "08_overlap_tile", level=2, minutes=8)
def judge_tile_origins(learner):
    """Where along an axis of `length` pixels does each tile begin to write?

    A tile reads `tile` pixels and loses `margin` at each of its two ends, so that it writes
    tile - 2 * margin. Give a list of whole numbers: in order, the first is 0, every pixel of the
    axis is written, and no tile is there for nothing. The last tile may reach beyond the end
    (the image is mirrored there) or be moved back. Where each tile begins to read, a margin
    before, is accepted as well. The margin is less than half of the tile; take both as given.
    """
    answers = [_origins(call(learner, *case), case) for case in TILE_CASES]
    for case, answer in zip(TILE_CASES, answers, strict=True):
        wrong = misfit(case, answer)
        if wrong:
            raise _recognise(answers, wrong)
    yield f"every pixel is written by as few tiles as possible, for {len(TILE_CASES)} grids"
    if answers[0][0]:
        yield "you give where a tile begins to read; it writes a margin further on"


def _origins(answer, case):
    """The learner's list as whole numbers, or Wrong."""
    single = not hasattr(answer, "__iter__") or getattr(answer, "ndim", 1) == 0
    if single or isinstance(answer, str | bytes | dict):
        fails = f"A list of whole numbers is wanted, and {show(answer)} came."
        raise Wrong("wrong_return", fails, "Return all origins together.")
    values = run(lambda: list(islice(answer, case[0] + 2)))  # a generator may raise only now
    try:
        return [number(value) for value in values]
    except Wrong:
        fails = f"A list of whole numbers is wanted, and {show(values)} came."
        raise Wrong("wrong_return", fails, "Only where each tile begins, as a number.") from None


def misfit(case, answer):
    """Wrong, with the example, or None if the tiles of one axis are right."""
    length, tile, margin = case
    step = tile - 2 * margin
    at = [origin + margin for origin in answer] if answer[:1] == [-margin] else answer
    found = _fault(at, length, step)
    if not found:
        return None
    key, text, likely = found
    example = f"tile_origins{case}: a tile writes {step}; yours begin at {show(answer)}"
    return Wrong(key, f"{example}, and {text}.", likely)


def _fault(at, length, step):
    """(key, what is wrong, likely mistake) of the starts along one axis, or None."""
    if not at:
        return (
            "no_tiles",
            "no pixel is written",
            "Do you take length, tile and margin in this order?",
        )
    if at[0]:
        likely = SHORT_AXIS if at[0] < 0 else "The first tile writes from the first pixel on."
        return "first_not_0", "the first must begin at 0", likely
    if at != sorted(set(at)):
        likely = STANDING if at[0] == at[-1] else "Does the same start come twice, or too early?"
        return "not_in_order", "they must rise from tile to tile", likely
    missing = [a + step for a, b in pairwise([*at, length]) if b - a > step]
    if missing:
        inner = missing[0] < at[-1]
        return "gap", f"pixel {missing[0]} is never written", INNER_GAP if inner else OPEN_END
    if at[-1] >= length:
        return "one_tile_more", "the last writes nothing", TILE_MISTAKES["one_tile_more"][1]
    if len(at) > ceil(length / step):
        return "too_many_tiles", f"{ceil(length / step)} would do", TOO_CLOSE
    return None


SHORT_AXIS = "An axis shorter than what a tile writes needs one tile, at 0: do not go below 0."
STANDING = "The same start comes again. Does it grow in your loop? Is a full axis given one more?"
INNER_GAP = "Between two tiles pixels are left out: a tile writes less than it reads."
OPEN_END = "The end is not written: go on as long as a start is below length."
TOO_CLOSE = "Two tiles write the same pixels: step by all that a tile writes."


def _recognise(answers, wrong):
    """The mistake whose formula gives all the learner's answers, or `wrong` as it is."""
    for key, (formula, likely) in TILE_MISTAKES.items():
        if answers == [formula(*case) for case in TILE_CASES]:
            return Wrong(key, wrong.fails, likely)
    return wrong
