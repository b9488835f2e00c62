"""The exercise on the IoU of two masks."""

import numpy as np
import torch

from unet_lesson.practice.learner import Wrong, call, number
from unet_lesson.practice.report import exercise


def counts(formula):
    """A formula of overlap, first and second mask and all pixels, as one of two masks."""
    return lambda a, b: formula(*(float(np.sum(m)) for m in (a & b, a, b, a | True)))


def mean_of(axis, empty):
    """The mean of the IoUs along one axis. empty: what counts where there is none, or None."""

    def formula(a, b):
        axes = tuple(other for other in range(a.ndim) if other != axis % a.ndim)
        both, union = (a & b).sum(axes), (a | b).sum(axes)
        values = np.where(union, both / np.maximum(union, 1), np.nan if empty is None else empty)
        return np.nanmean(values)

    return formula


def intersection_over_union(a, b):
    return counts(lambda i, a, b, n: i / (a + b - i))(a, b)


IOU_MISTAKES = {  # key: (formulas of two bool masks, likely)
    "dice_returned": (
        [counts(lambda i, a, b, n: 2 * i / (a + b))],
        "This is Dice: twice the overlap over both sums. IoU is overlap over union.",
    ),
    "overlap_counted_twice": (
        [counts(lambda i, a, b, n: i / (a + b))],
        "You divide by the sum of the two. The overlap is in both: take it off once.",
    ),
    "overlap_left_out": (
        [counts(lambda i, a, b, n: i / (a + b - 2 * i))],
        "You divide by what is in one mask only. The union holds the overlap as well.",
    ),
    "two_and_union": (
        [counts(lambda i, a, b, n: 2 * i / (a + b - i))],
        "The 2 belongs to Dice. IoU is overlap over union.",
    ),
    "accuracy_returned": (
        [counts(lambda i, a, b, n: (n - a - b + 2 * i) / n)],
        "This is the share of pixels that agree. The background is most of it; IoU leaves it out.",
    ),
    "agreement_over_union": (
        [counts(lambda i, a, b, n: (n - a - b + 2 * i) / (a + b - i))],
        "You count all pixels that agree. The overlap is where both are 1.",
    ),
    "recall_returned": (
        [counts(lambda i, a, b, n: i / b)],
        "You divide by the target only (recall). The union is wanted.",
    ),
    "precision_returned": (
        [counts(lambda i, a, b, n: i / a)],
        "You divide by the prediction only (precision). The union is wanted.",
    ),
    "over_larger": (
        [counts(lambda i, a, b, n: i / max(a, b))],
        "You divide by the larger mask. The union is wanted.",
    ),
    "over_smaller": (
        [counts(lambda i, a, b, n: i / min(a, b))],
        "You divide by the smaller mask. The union is wanted.",
    ),
    "over_all_pixels": (
        [counts(lambda i, a, b, n: i / n)],
        "You divide by all pixels of the image. The union is wanted.",
    ),
    "not_divided": (
        [counts(lambda i, a, b, n: i)],
        "This is the number of common pixels. Divide it by the union.",
    ),
    "union_returned": (
        [counts(lambda i, a, b, n: a + b - i), counts(lambda i, a, b, n: (a + b - i) / n)],
        "This is the union. The overlap over it is asked for.",
    ),
    "inverted": ([counts(lambda i, a, b, n: (a + b - i) / i)], "Overlap over union, not under."),
    "loss_returned": (
        [counts(lambda i, a, b, n: 1 - i / (a + b - i))],
        "This is 1 - IoU, the distance. The IoU itself is asked for.",
    ),
    "background_returned": (
        [lambda a, b: intersection_over_union(~a, ~b)],
        "This is the IoU of the background: count where the masks are 1.",
    ),
    "background_included": (
        [lambda a, b: (intersection_over_union(a, b) + intersection_over_union(~a, ~b)) / 2],
        "This is the mean with the background's IoU. Only the pixels that are 1 count.",
    ),
    "averaged_along_an_axis": (
        [mean_of(axis, empty) for axis in (0, 1, -1) for empty in (1, 0, None)],
        "You take the mean of many IoUs, of rows or images. Count all pixels together.",
    ),
    "squared": ([lambda a, b: intersection_over_union(a, b) ** 2], "The IoU is not squared."),
    "whole_division": (
        [lambda a, b: intersection_over_union(a, b) // 1],
        "Rounded down to a whole number, as // and int do. Divide with /.",
    ),
    "always_one": (
        [lambda a, b: 1.0],
        "1 for masks that differ. len, set and any do not count: sum the pixels that are 1.",
    ),
    "percent": ([lambda a, b: 100 * intersection_over_union(a, b)], "From 0 to 1, not per cent."),
    "smoothing_too_large": (
        [counts(lambda i, a, b, n, s=s: (i + s) / (a + b - i + s)) for s in (1, 0.1, 0.5, 2, 10)]
        + [counts(lambda i, a, b, n: i / (a + b - i + 1))],
        "The number added against 0 / 0 can be seen in the result. 1e-6 is enough.",
    ),
}
IOU_SHAPES = ((6, 8), (5, 4), (30,), (3, 4, 5), (30, 40))


def mask_pairs():
    """Pairs of bool masks of several shapes, alike in part."""
    draw = np.random.default_rng(0)
    pairs = []
    for shape in IOU_SHAPES:
        a = draw.random(shape) < 0.45
        pairs.append((a, np.where(draw.random(shape) < 0.35, draw.random(shape) < 0.6, a)))
    return pairs


def as_kind(mask, kind, tensors):
    """The mask as an array, or a tensor, of one dtype."""
    array = mask.astype(kind)
    return torch.from_numpy(array) if tensors else array


@exercise("iou(prediction, target)", "06_loss_and_metrics", level=1, minutes=5)
def judge_iou(learner):
    """Write the IoU of two masks of one class: overlap over union, a number from 0 to 1.

    prediction, target: of one shape, any shape; bool, or whole numbers 0 and 1 of any dtype. All
    pixels are counted together. Two empty masks agree: 1. The masks come as NumPy arrays, or as
    tensors if your code takes only those. A number against 0 / 0 may be added if it does not show.
    """
    tensors = takes_only_tensors(learner)

    def answer(pair, kind):
        return number(call(learner, *(as_kind(mask, kind, tensors) for mask in pair)), ALL_AXES)

    yield from check_shapes(answer)
    check_dtypes(answer)
    yield "masks of bool and of uint8"
    check_no_overlap(answer)
    yield "no overlap: 0"
    check_both_empty(answer)
    yield "two empty masks: 1"


ALL_AXES = "Return one number: .sum() without an axis counts the whole mask."


def takes_only_tensors(learner):
    """True if arrays raise and tensors do not."""
    for tensors in (False, True):
        try:
            call(learner, *(as_kind(mask, int, tensors) for mask in mask_pairs()[0]))
            return tensors
        except Wrong as wrong:
            if wrong.diagnosis != "raises":
                return tensors
    return False


def check_shapes(answer):
    """Yield what holds for masks that overlap, or raise Wrong."""
    pairs = mask_pairs()
    for pair, shape in zip(pairs, IOU_SHAPES, strict=True):
        wanted = intersection_over_union(*pair)
        mine, wrong = number_or_nan(answer, pair)
        if not abs(mine - wanted) <= 1e-3:
            fails = wrong.fails if wrong else example(pair, wanted, mine)
            if len(shape) != 2:
                likely = "Sum over all axes, however many there are."
                raise Wrong("two_axes_only", fails, likely)
            raise only_bool(pairs, answer, wrong or mistake(pairs, answer, fails))
        yield f"masks of shape {shape}"


def example(pair, wanted, mine):
    a, b = pair
    text = f"{(a & b).sum()} pixels are in both, {a.sum()} in the prediction, {b.sum()} in the "
    return f"{text}target, of shape {a.shape}: that is {wanted:.4f}, and yours gives {mine:.4f}."


def mistake(pairs, answer, fails):
    """The known mistake that gives all the learner's answers, or Wrong("wrong_value")."""
    flat = pairs[:2]
    got = [answer(pair, int) for pair in flat]
    for key, (formulas, likely) in IOU_MISTAKES.items():
        for formula in formulas:
            if all(abs(formula(*p) - g) <= 1e-4 for p, g in zip(flat, got, strict=True)):
                return Wrong(key, fails, likely)
    likely = "Count the pixels that are 1 in both, and those that are 1 in at least one."
    return Wrong("wrong_value", fails, likely)


def only_bool(pairs, answer, wrong):
    """Wrong("only_bool") if masks of bool are right, or `wrong`, also if its mistake is known."""
    if wrong.diagnosis not in ("raises", "wrong_value"):
        return wrong
    try:
        right = [abs(answer(p, bool) - intersection_over_union(*p)) <= 1e-3 for p in pairs]
    except Wrong:
        return wrong
    likely = (
        "Masks of bool are right. With 0 and 1, ~ and [] mean something else: compare with > 0."
    )
    return Wrong("only_bool", wrong.fails, likely) if all(right) else wrong


def check_dtypes(answer):
    """Raise Wrong unless bool and uint8 give what whole numbers gave."""
    for kind, key, likely in ((bool, "bool_masks", BOOL), (np.uint8, "overflow", UINT8)):
        pair = mask_pairs()[-1]  # of more than 255 pixels
        wanted, name = intersection_over_union(*pair), np.dtype(kind).name
        try:
            mine = answer(pair, kind)
        except Wrong as wrong:
            if wrong.diagnosis != "raises":
                raise
            raise Wrong(key, f"int64 was right. With {name}: {wrong.fails}", likely) from None
        if not abs(mine - wanted) <= 1e-3:
            raise Wrong(key, f"int64 was right. With {name}: {example(pair, wanted, mine)}", likely)


BOOL = "With bool, + means or, and - is not allowed: use & and |, or count each mask by itself."
UINT8 = "uint8 ends at 255 and has nothing below 0: 0 - 1 is 255. Use & and |, or count first."


def check_no_overlap(answer):
    """Raise Wrong unless masks without a common pixel give 0."""
    a = mask_pairs()[0][0]
    none = np.zeros_like(a)
    for pair, text in (
        ((a, ~a), "Two masks have no pixel in common"),
        ((none, a), "The prediction is empty, the target is not"),
        ((a, none), "The target is empty, the prediction is not"),
    ):
        mine, wrong = number_or_nan(answer, pair)
        if abs(mine) <= 1e-3:
            continue
        key = "one_empty" if np.isfinite(mine) else "division_by_zero"
        likely = "Only if both are empty, so that the union is 0, the answer is 1."
        fails = wrong.fails if wrong else f"Yours gives {mine:.4f}."
        raise Wrong(key, f"{text}: the IoU is 0. {fails}", likely)


def check_both_empty(answer):
    """Raise Wrong unless 0 / 0 gives 1."""
    none = np.zeros(IOU_SHAPES[0], bool)
    mine, wrong = number_or_nan(answer, (none, none))
    if abs(mine - 1) <= 1e-3:
        return
    key = "empty_not_one" if np.isfinite(mine) else "division_by_zero"
    key = "empty_is_zero" if mine == 0 else key
    fails = wrong.fails if wrong else f"Yours gives {mine:.4f}."
    fails = f"Both masks are empty: 0 / 0, which shall be 1. {fails}"
    raise Wrong(key, fails, "If the union is 0, return 1.0.")


def number_or_nan(answer, pair):
    """(what the learner gives, None), or (NaN, the Wrong) if the code raises."""
    try:
        return answer(pair, int), None
    except Wrong as wrong:
        if wrong.diagnosis != "raises":
            raise
        return np.nan, wrong
