"""Wrong and right ways to write iou."""

import numpy as np
import torch

from unet_lesson import objective


def of(formula, empty=1.0):
    """A formula of overlap, first mask, second mask and all pixels."""

    def iou(prediction, target):
        a, b = prediction > 0, target > 0
        if not (a | b).any():
            return empty
        return formula(*(float(m.sum()) for m in (a & b, a, b)), a.size)

    return iou


def plain(prediction, target):
    union = (prediction | target).sum()
    return (prediction & target).sum() / union if union else 1.0


def by_sets(prediction, target):
    a, b = (set(np.flatnonzero(m).tolist()) for m in (prediction, target))
    return len(a & b) / len(a | b) if a | b else 1


def by_loop(prediction, target):
    both = either = 0
    for a, b in zip(np.ravel(prediction), np.ravel(target), strict=True):
        both += bool(a and b)
        either += bool(a or b)
    return 1.0 if either == 0 else both / either


def by_confusion(prediction, target):
    matrix = np.bincount(np.ravel(prediction) + 2 * np.ravel(target), minlength=4)
    _, fp, fn, tp = matrix
    return np.float32((tp + 1e-7) / (tp + fp + fn + 1e-7))


def in_torch(prediction, target):
    both = torch.logical_and(prediction, target).sum()
    union = torch.logical_or(prediction, target).sum()
    return both / union if union > 0 else torch.tensor(1.0)


def in_floats(prediction, target):
    a, b = prediction.astype(float), target.astype(float)
    both = (a * b).sum()
    return (both + 1e-6) / (a.sum() + b.sum() - both + 1e-6)


def least_and_most(prediction, target):
    most = np.maximum(prediction, target).sum()
    return np.minimum(prediction, target).sum() / most if most > 0 else 1


def through_dice(prediction, target):
    total = prediction.sum() + target.sum()
    dice = 2 * (prediction * target).sum() / total if total else 1
    return dice / (2 - dice)


def rows(prediction, target):
    a, b = prediction > 0, target > 0
    both, union = (a & b).sum(-1), (a | b).sum(-1)
    return np.where(union > 0, both / np.maximum(union, 1), 1).mean()


def images(prediction, target):
    return np.mean([plain(a, b) for a, b in zip(prediction, target, strict=True)])


def unguarded(prediction, target):
    return float((prediction & target).sum()) / float((prediction | target).sum())


def nan(prediction, target):
    with np.errstate(all="ignore"):
        return (prediction & target).sum() / (prediction | target).sum()


def differences(prediction, target):
    """uint8 wraps: 0 - 1 is 255."""
    both = (prediction * target).sum()
    union = (
        both + np.abs(prediction - target).sum()
        if prediction.dtype != bool
        else (prediction | target).sum()
    )
    return both / union if union else 1.0


def small_sums(prediction, target):
    """Counts in uint8, which ends at 255."""
    if prediction.dtype != np.uint8:
        return plain(prediction, target)
    a, b = (m.sum(dtype=np.uint8) for m in (prediction, target))
    both = (prediction * target).sum(dtype=np.uint8)
    with np.errstate(over="ignore"):
        union = a + b - both
    return both / union if union else 1.0


def small_numbers(prediction, target):
    """Counts in uint8, whatever comes: wrong for bool as well."""
    both = (prediction * target).astype(np.uint8).sum(dtype=np.uint8)
    return both / ((prediction | target).sum() or 1)


def subtracts(prediction, target):
    """bool has no minus."""
    union = (prediction + target - prediction * target).sum()
    return (prediction * target).sum() / union if union else 1.0


def inverts(prediction, target):
    """~ is right for bool only."""
    union = prediction.size - (~prediction & ~target).sum()
    return (prediction & target).sum() / union if union else 1.0


def indexes(prediction, target):
    union = (prediction | target).sum()
    return prediction[target].sum() / union if union else 1.0


def two_axes(prediction, target):
    both, union = (prediction & target).sum((0, 1)), (prediction | target).sum((0, 1))
    return both / union if union else 1.0


def one_empty(prediction, target):
    if prediction.sum() == 0 or target.sum() == 0:
        return 1.0
    return plain(prediction, target)


def marks(prediction, target):
    prediction *= 1 - target
    return prediction.mean()


WRONG = {
    "dice_returned": [of(lambda i, a, b, n: 2 * i / (a + b)), objective.dice],
    "overlap_counted_twice": [
        of(lambda i, a, b, n: i / (a + b)),
        lambda a, b: (a * b).sum() / (a + b).sum(),
    ],
    "overlap_left_out": [
        of(lambda i, a, b, n: i / (a + b - 2 * i)),
        lambda a, b: (a & b).sum() / ((a ^ b).sum() + 1e-9),
    ],
    "two_and_union": [of(lambda i, a, b, n: 2 * i / (a + b - i))],
    "accuracy_returned": [lambda a, b: (a == b).mean(), lambda a, b: 1 - (a ^ b).sum() / a.size],
    "agreement_over_union": [lambda a, b: (a == b).sum() / ((a | b).sum() or 1)],
    "recall_returned": [of(lambda i, a, b, n: i / b)],
    "precision_returned": [of(lambda i, a, b, n: i / a)],
    "over_larger": [of(lambda i, a, b, n: i / max(a, b))],
    "over_smaller": [of(lambda i, a, b, n: i / min(a, b))],
    "over_all_pixels": [of(lambda i, a, b, n: i / n), lambda a, b: (a & b).mean()],
    "not_divided": [of(lambda i, a, b, n: i)],
    "union_returned": [of(lambda i, a, b, n: a + b - i)],
    "inverted": [of(lambda i, a, b, n: (a + b - i) / i)],
    "loss_returned": [of(lambda i, a, b, n: 1 - i / (a + b - i))],
    "background_returned": [lambda a, b: plain(1 - a, 1 - b)],
    "background_included": [lambda a, b: (plain(a, b) + plain(1 - a, 1 - b)) / 2],
    "averaged_along_an_axis": [rows, images],
    "whole_division": [
        lambda a, b: (a & b).sum() // ((a | b).sum() or 1),
        lambda a, b: int(plain(a, b)),
    ],
    "always_one": [
        lambda a, b: len(a & b) / len(a | b),
        lambda a, b: (a & b).any() / (a | b).any(),
        lambda a, b: len(np.intersect1d(a, b)) / len(np.union1d(a, b)),
    ],
    "percent": [of(lambda i, a, b, n: 100 * i / (a + b - i), 100)],
    "squared": [of(lambda i, a, b, n: (i / (a + b - i)) ** 2)],
    "smoothing_too_large": [
        of(lambda i, a, b, n: (i + 1) / (a + b - i + 1)),
        of(lambda i, a, b, n: i / (a + b - i + 1)),
    ],
    "division_by_zero": [unguarded, nan],
    "empty_is_zero": [
        of(lambda i, a, b, n: i / (a + b - i), 0),
        lambda a, b: (a & b).sum() / ((a | b).sum() + 1e-7),
        lambda a, b: (a & b).sum() / max((a | b).sum(), 1),
    ],
    "empty_not_one": [of(lambda i, a, b, n: i / (a + b - i), -1)],
    "one_empty": [one_empty, lambda a, b: plain(a, b) or 1.0],
    "overflow": [differences, small_sums],
    "bool_masks": [subtracts],
    "only_bool": [inverts, indexes],
    "two_axes_only": [two_axes],
    "changes_input": [marks],
    "wrong_value": [lambda a, b: 0.5, lambda a, b: plain(a, b) + 0.01, small_numbers],
    "wrong_return": [
        lambda a, b: a & b,
        lambda a, b: (a & b).sum(-1) / (a | b).sum(-1),
        lambda a, b: str(plain(a, b)),
    ],
    "raises": [
        lambda a, b: a.both(b),
        lambda a, b: a.astype(float) & b.astype(float),
        lambda a, b: (a and b).sum() / (a or b).sum(),
        lambda a, b: (a & b).sum(axis=(1, 2)) / (a | b).sum(axis=(1, 2)),
    ],
    "returns_nothing": [lambda a, b: print(end="")],
    "wrong_signature": [lambda a, b, c: a],
    "wrong_kind": [type("Iou", (), {"of": plain}), 0.5],
    "not_attempted": [None, lambda prediction, target: ...],
}
RIGHT = [
    plain,
    objective.iou,
    by_sets,
    by_loop,
    by_confusion,
    in_torch,
    in_floats,
    least_and_most,
    through_dice,
    of(lambda i, a, b, n: i / (a + b - i)),
    lambda a, b: np.logical_and(a, b).sum() / np.logical_or(a, b).sum() if (a | b).any() else 1,
    lambda a, b: ((a & b).float().sum() + 1e-6) / ((a | b).float().sum() + 1e-6),
]
