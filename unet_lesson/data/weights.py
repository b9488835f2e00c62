"""From instance labels to two classes, and the weight of every pixel in the loss.

Paper: Ronneberger, Fischer, Brox 2015, section 3 (equation 2).
"""

from math import ceil, isfinite, log, sqrt
from numbers import Real

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects


def classes(labels):
    """Instance labels (H, W) -> classes (H, W) int64: 1 inside an object, 0 elsewhere.

    Where two objects touch, both give up the pixels that meet: such a pixel has one of its four
    neighbours in another object. The ridge that arises is two pixels wide and counts as
    background, so no 4-connected piece of class 1 joins two objects (paper, section 3: "separate
    touching cells").

    Raises TypeError unless the labels are integers, ValueError for another rank, an empty image
    or a negative label.
    """
    labels = check_labels(labels)
    inside = labels > 0
    for one, other in (np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]):
        a, b = labels[one], labels[other]
        touch = (a != b) & (a > 0) & (b > 0)
        inside[one] &= ~touch
        inside[other] &= ~touch
    return inside.astype(np.int64)


def border_weights(labels, w0=10.0, sigma=5.0):
    """The weight map of the paper's equation 2: instance labels (H, W) -> float32 (H, W).

    weight = w_c + w0 exp(-(d1 + d2)^2 / (2 sigma^2)), the second term on background only.
    d1, d2: distance of a pixel to the nearest and the second nearest object, in pixels, so the
    pixel beside an object has d = 1. The ridge of `classes` is background.
    w_c = pixels / (2 x pixels of class c), so that both classes weigh the same in total; 1 where
    there is one class only.
    w0: height of the border term, 0 or more. sigma: its width in pixels, more than 0.

    Raises TypeError and ValueError as `classes`, and for a w0 or sigma that is no such number.
    """
    check_number("w0", w0)
    check_number("sigma", sigma)
    if w0 < 0:
        raise ValueError(f"w0 must be 0 or more, not {w0}; the nearest is 0")
    if sigma <= 0:
        raise ValueError(f"sigma must be more than 0 pixels, not {sigma}; the paper takes 5")
    inside = classes(labels)  # (H, W)
    objects = np.where(inside, labels, 0)  # (H, W)
    # Every w_c is 0.5 or more, and float32 tells numbers there apart in steps of 2^-24: a border
    # term under 2^-25 is lost in rounding, and the term is smaller still beyond `reach`.
    reach = sigma * sqrt(2 * max(0.0, log(w0 * 2**25))) if w0 else 0.0
    d1, d2 = two_distances(objects, reach)  # (H, W) each
    border = border_term(d1 + d2, w0, sigma)  # (H, W)
    return (class_balance(inside) + np.where(inside, 0, border)).astype(np.float32)


def border_term(distance, w0=10.0, sigma=5.0):
    """w0 exp(-distance^2 / (2 sigma^2)); distance is d1 + d2 in pixels, an infinite one gives 0."""
    return w0 * np.exp(-((distance / sigma) ** 2) / 2)


def class_balance(inside):
    """Classes (H, W) of 0 and 1 -> weights w_c (H, W), with which both weigh the same in total."""
    counts = np.bincount(inside.ravel(), minlength=2)
    if 0 in counts:
        return np.ones(inside.shape)
    return (inside.size / (2 * counts))[inside]


def two_distances(objects, reach):
    """Distance of every pixel to the nearest and second nearest object, two maps (H, W) in pixels.

    An object is measured within `reach` of its bounding box only, and is infinitely far beyond:
    a field of many objects then costs their surroundings, not the whole field for each.
    """
    _, numbered = np.unique(objects, return_inverse=True)  # (H, W): 0, 1, 2, ... without gaps
    d1, d2 = np.full((2, *objects.shape), np.inf)
    for number, box in enumerate(find_objects(numbered), start=1):
        box = tuple(slice(max(0, s.start - ceil(reach)), s.stop + ceil(reach)) for s in box)
        d = distance_transform_edt(numbered[box] != number)
        d2[box] = np.minimum(d2[box], np.maximum(d1[box], d))
        d1[box] = np.minimum(d1[box], d)
    return d1, d2


def check_labels(labels):
    """Return `labels` as an array if they are instance labels (H, W), else raise."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        hint = "; skimage.measure.label numbers those of a mask" if labels.dtype == bool else ""
        raise TypeError(f"labels must be integers, one per object, not {labels.dtype}{hint}")
    if labels.ndim != 2 or labels.size == 0:
        raise ValueError(f"labels must be (H, W) with a pixel at least, not {labels.shape}")
    if labels.min() < 0:
        raise ValueError(f"labels must be 0 (background) or more, not {labels.min()}")
    return labels


def check_number(name, value):
    """Raise unless `value` is a finite real number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r} ({type(value).__name__})")
    if not isfinite(value):
        raise ValueError(f"{name} must be finite, not {value}")
