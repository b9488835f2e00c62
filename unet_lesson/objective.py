"""What the network is trained to make small, and what its result is judged by.

Losses take logits (N, C, H, W) and class numbers (N, H, W) and have gradients. Metrics take hard
masks or instance labels and have none: `dice` and `iou` count pixels, `object_scores` counts
objects. Class 0 is background (or membrane) throughout.
"""

from numbers import Real
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from skimage.segmentation import relabel_sequential

from unet_lesson.config import check_count

SPECK = 20  # pixels: a smaller piece of a prediction is taken for a speck, not for an object
SMOOTH = 1e-5  # keeps 0 / 0 out of the soft Dice; small enough not to be seen elsewhere

# ---- losses ----------------------------------------------------------------------------------


def weighted_cross_entropy(logits, target, weights=None):
    """Mean over all pixels of weight x -log p(true class): the paper's loss, equation 1.

    logits: (N, C, H, W), scores before the softmax. target: (N, H, W) int64, classes 0..C-1.
    weights: (N, H, W) floats, 0 or more, such as `data.border_weights`; None is 1 everywhere.
    -> a scalar. The sum is divided by the number of pixels, not by the sum of the weights, so that
    two half batches average to the whole. A pixel of weight 0 is left out; all 0 gives 0.
    float16 and bfloat16 are computed in float32. (The paper's printed formula lacks the minus.)

    Raises TypeError for another dtype and ValueError for another shape or device, a class outside
    0..C-1, or a weight that is negative or not finite.
    """
    logits, weights = _check_loss("weighted_cross_entropy: logits", logits, target, weights)
    return (weights * -_log_p(logits, target)).mean()


def dice_loss(logits, target, weights=None):
    """1 - soft Dice of the softmax, for each image and each class but 0, then the mean.

    Shapes and errors as `weighted_cross_entropy`. -> a scalar from 0 to 1; all weights 0 gives 0.
    An image without the class costs 0 if nothing is predicted and almost 1 otherwise, because a
    whole pixel of probability outweighs the smoothing of 1e-5 by far. (Milletari, Navab, Ahmadi:
    V-Net, 2016, with p instead of its p squared; the 2015 paper has no Dice loss.)
    """
    logits, weights = _check_loss("dice_loss: logits", logits, target, weights)
    return 1 - _soft_dice(logits.softmax(1), target, weights).mean()


def cross_entropy_and_dice(logits, target, weights=None):
    """`weighted_cross_entropy` + `dice_loss`: shapes and errors as there. -> a scalar.

    The usual compromise: cross entropy for steady gradients and honest probabilities, Dice to
    weigh foreground and background alike however small the foreground is.
    """
    return weighted_cross_entropy(logits, target, weights) + dice_loss(logits, target, weights)


def focal_loss(logits, target, weights=None, *, gamma=2.0, alpha=None):
    """Mean over all pixels of weight x alpha_t x (1 - p_t)^gamma x -log p_t.

    p_t: probability of the true class. gamma: 0 or more; 0 is cross entropy. alpha: one factor per
    class, such as (0.75, 0.25); None is 1 for all. Other shapes and errors as
    `weighted_cross_entropy`. -> a scalar.

    (1 - p_t)^gamma is never above 1: easy pixels are scaled down, hard ones are not amplified.
    (Lin, Goyal, Girshick, He, Dollar: Focal Loss for Dense Object Detection, 2017, equation 5.)
    """
    logits, weights = _check_loss("focal_loss: logits", logits, target, weights)
    _check_number("gamma", gamma)
    if not 0 <= gamma < np.inf:
        raise ValueError(f"gamma must be finite and 0 or more, not {gamma!r}; 2 is usual")
    log_p = _log_p(logits, target)  # (N, H, W)
    easy = (1 - log_p.exp()).clamp_min(1e-12) ** gamma  # 0 ** gamma has no gradient if gamma < 1
    return (weights * _per_pixel(alpha, logits, target) * easy * -log_p).mean()


def _log_p(logits, target):
    """Log-probability of the true class: (N, C, H, W), (N, H, W) -> (N, H, W)."""
    return logits.log_softmax(1).gather(1, target[:, None])[:, 0]


def _per_pixel(alpha, logits, target):
    """The factor of each pixel's true class, (N, H, W), or 1 without alpha."""
    if alpha is None:
        return 1
    alpha = torch.as_tensor(alpha).to(logits)
    if alpha.shape != logits.shape[1:2] or not (alpha >= 0).all():
        raise ValueError(
            f"alpha must be one factor, 0 or more, for each of the {logits.shape[1]} classes, "
            f"such as (0.75, 0.25), not {alpha.tolist()}"
        )
    return alpha[target]


def soft_dice(probabilities, target, weights=None):
    """(2 x overlap + 1e-5) / (sum of probabilities + sum of truth + 1e-5), per image and class.

    probabilities: (N, C, H, W) from 0 to 1. target, weights: as `weighted_cross_entropy`; a
    pixel's weight multiplies it in all three sums. -> (N, C - 1): classes 1..C-1, class 0 is left
    out. 1 for a perfect prediction, and where neither truth nor prediction has the class.

    Raises as `weighted_cross_entropy`, and ValueError for values outside 0 to 1.
    """
    name = "soft_dice: probabilities"
    probabilities, weights = _check_loss(name, probabilities, target, weights)
    low, high = probabilities.detach().aminmax()
    if not (low >= 0 and high <= 1.0001):
        raise ValueError(
            f"{name}: the values run from {low:g} to {high:g}; they must be from 0 to 1. "
            "For logits try logits.softmax(1)"
        )
    return _soft_dice(probabilities, target, weights)


def _soft_dice(probabilities, target, weights):
    p = probabilities[:, 1:]  # (N, C - 1, H, W)
    classes = torch.arange(1, probabilities.shape[1], device=target.device)
    truth = target[:, None] == classes[:, None, None]  # (N, C - 1, H, W)
    weights = weights[:, None]  # (N, 1, H, W)
    overlap = (weights * p * truth).sum((2, 3))  # (N, C - 1)
    total = (weights * p).sum((2, 3)) + (weights * truth).sum((2, 3))  # (N, C - 1)
    return (2 * overlap + SMOOTH) / (total + SMOOTH)


# ---- metrics of pixels -----------------------------------------------------------------------


def dice(prediction, target):
    """2 |A and B| / (|A| + |B|) of two masks of one class. -> a float; both empty: 1.0.

    prediction, target: hard masks, bool or 0/1, of one shape, any shape, numpy or torch. All
    pixels are pooled: for the mean over images, call it for each. Dice = 2 IoU / (1 + IoU).

    Raises ValueError for two shapes, an array without pixels, or values other than 0 and 1.
    """
    a, b = _same_shape(_mask("prediction", prediction), _mask("target", target))
    total = a.sum() + b.sum()
    return float(2 * (a & b).sum() / total) if total else 1.0


def iou(prediction, target):
    """|A and B| / |A or B| of two masks of one class. -> a float; both empty: 1.0.

    Masks and errors as `dice`. Also called the Jaccard index.
    """
    a, b = _same_shape(_mask("prediction", prediction), _mask("target", target))
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0


# ---- metrics of objects ----------------------------------------------------------------------


class ObjectScores(NamedTuple):
    """True positives are matched pairs; false positives predicted objects without a partner."""

    precision: float
    recall: float
    f1: float
    true_positives: int
    false_positives: int
    false_negatives: int


def objects(mask, smallest=0):
    """Number the objects of a mask: its 4-connected components of at least `smallest` pixels.

    mask: (H, W), bool or 0/1, numpy or torch. -> (H, W) int32: 0 outside, then 1, 2, 3, ...
    Raises ValueError for another shape or other values.
    """
    mask = _mask("mask", mask)
    if mask.ndim != 2:
        raise ValueError(f"mask: the shape must be (H, W), not {mask.shape}")
    labels, _ = ndimage.label(mask)
    large = np.bincount(labels.ravel()) >= check_count("smallest", smallest, least=0)
    large[0] = False
    return (np.cumsum(large) * large).astype(np.int32)[labels]


def object_scores(prediction, target, threshold=0.5):
    """Precision, recall and F1 of objects: two match if their IoU is above the threshold.

    prediction, target: (H, W) integers, numpy or torch: 0 outside, each object a positive number
    of its own, in any order. threshold: from 0.5 to below 1. -> ObjectScores. Without any object
    in either, precision, recall and F1 are 1; otherwise 0 / 0 counts as 0.

    No object can match twice: an IoU above 0.5 means that the pair shares more than half of
    either, and no second partner can have more than half as well. So nothing needs assigning.

    Raises TypeError for what is no integer and ValueError for two shapes, negative labels or a
    threshold out of range.
    """
    prediction, target = _two_labels(prediction, target)
    _check_number("threshold", threshold)
    if not 0.5 <= threshold < 1:
        raise ValueError(
            f"threshold must be at least 0.5 and below 1, not {threshold!r}: "
            "below 0.5 an object could match twice, and no IoU is above 1"
        )
    sizes_p, sizes_t = (np.bincount(labels.ravel()) for labels in (prediction, target))
    pairs, overlap = np.unique(prediction * len(sizes_t) + target, return_counts=True)
    p, t = np.divmod(pairs, len(sizes_t))  # the pairs of labels that share pixels
    iou_of_pair = overlap / (sizes_p[p] + sizes_t[t] - overlap)
    hits = int(((iou_of_pair > threshold) & (p > 0) & (t > 0)).sum())
    return _scores(hits, len(sizes_p) - 1 - hits, len(sizes_t) - 1 - hits)


def _scores(hits, false_alarms, missed):
    found, true = hits + false_alarms, hits + missed
    if not found + true:
        return ObjectScores(1.0, 1.0, 1.0, 0, 0, 0)
    ratios = hits / max(found, 1), hits / max(true, 1), 2 * hits / (found + true)
    return ObjectScores(*ratios, hits, false_alarms, missed)


# ---- what is refused -------------------------------------------------------------------------


def _check_loss(name, scores, target, weights):
    """Return scores and weights, at least float32, or raise. Weights None become (1, 1, 1)."""
    _check_scores(name, scores)
    _check_target(target, scores)
    if scores.dtype in (torch.float16, torch.bfloat16):
        scores = scores.float()
    if weights is None:
        return scores, scores.new_ones(1, 1, 1)
    _check_weights(weights, scores)
    return scores, weights.to(scores.dtype)


def _check_tensor(name, x):
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{name}: give a torch.Tensor, not a {type(x).__name__}")


def _check_scores(name, x):
    _check_tensor(name, x)
    if not x.is_floating_point():
        raise TypeError(f"{name}: the values must be floats, not {x.dtype}")
    if x.dim() != 4 or 0 in x.shape:
        hint = "; for one image add x[None]" if x.dim() == 3 else ""
        raise ValueError(f"{name}: the shape must be (N, C, H, W), not {tuple(x.shape)}{hint}")
    if x.shape[1] == 1:
        raise ValueError(
            f"{name}: the softmax of 1 channel is always 1 and teaches nothing; "
            "background and foreground need num_classes=2"
        )


def _check_target(target, scores):
    _check_tensor("target", target)
    if target.dtype != torch.int64:
        raise TypeError(f"target: the classes must be int64, not {target.dtype}; try target.long()")
    _check_pixels("target", target, scores)
    low, high = (value.item() for value in target.aminmax())
    if low < 0 or high >= scores.shape[1]:
        raise ValueError(
            f"target: the value {low if low < 0 else high} is outside 0..{scores.shape[1] - 1}, "
            "the classes of this network. For a mask of 0 and 255 try mask // 255; to leave a "
            "pixel out give it class 0 and weight 0"
        )


def _check_weights(weights, scores):
    _check_tensor("weights", weights)
    if not weights.is_floating_point():
        raise TypeError(f"weights must be floats, not {weights.dtype}; try weights.float()")
    _check_pixels("weights", weights, scores)
    low, high = weights.detach().aminmax()
    if not (low >= 0 and high < torch.inf):
        raise ValueError(f"weights must be finite and 0 or more; they run from {low} to {high}")


def _check_pixels(name, x, scores):
    """Raise unless x is (N, H, W), one value for each pixel of the scores, on their device."""
    n, _, height, width = scores.shape
    if x.dim() == 3 and x.shape[0] == n and x.shape[1:] != scores.shape[2:]:
        raise ValueError(
            f"{name}: {x.shape[1]} x {x.shape[2]} pixels came, the network's output has {height} x "
            f"{width}; crop the target with unet_lesson.training.crop_target"
            f"({name}, ({height}, {width}))"
        )
    if x.shape != (n, height, width):
        hint = f"; try {name}[:, 0]" if x.shape == (n, 1, height, width) else ""
        raise ValueError(f"{name}: the shape must be (N, H, W), not {tuple(x.shape)}{hint}")
    if x.device != scores.device:
        raise ValueError(
            f"{name}: it is on {x.device} and the network's output on {scores.device}; "
            f"try {name}.to({str(scores.device)!r})"
        )


def _check_number(name, value):
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r} ({type(value).__name__})")


def _array(x):
    """numpy array of an array, tensor or list."""
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu()
        return (x.double() if x.is_floating_point() else x).numpy()  # numpy has no bfloat16
    return np.asarray(x)


def _mask(name, x):
    """Boolean numpy array of a mask of 0 and 1, or raise."""
    x = _array(x)
    if x.size == 0:
        raise ValueError(f"{name}: there is nothing in an array of shape {x.shape}")
    if x.dtype == bool:
        return x
    other = x[(x != 0) & (x != 1)]
    if other.size:
        raise ValueError(
            f"{name}: it holds {other[0]}; a mask holds 0 and 1 only. For a mask of 0 and 255 try "
            "mask // 255, for probabilities p > 0.5, for instance labels labels > 0"
        )
    return x == 1


def _same_shape(prediction, target):
    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction is {prediction.shape} and target {target.shape}; the shapes must agree. "
            "unet_lesson.training.crop_target cuts a target to the network's output"
        )
    return prediction, target


def _two_labels(prediction, target):
    """Both label images, their objects renumbered 1, 2, 3, ..., or raise."""
    found = []
    for name, labels in (("prediction", prediction), ("target", target)):
        labels = _array(labels)
        if labels.dtype.kind not in "iu":
            raise TypeError(
                f"{name}: instance labels are integers, not {labels.dtype}; "
                "for a mask try unet_lesson.objective.objects(mask)"
            )
        if labels.ndim != 2 or labels.size == 0:
            raise ValueError(f"{name}: the shape must be (H, W), not {labels.shape}")
        if labels.min() < 0:
            raise ValueError(f"{name}: labels are 0 or more; it holds {labels.min()}")
        found.append(relabel_sequential(labels)[0].astype(np.int64))
    return _same_shape(*found)
