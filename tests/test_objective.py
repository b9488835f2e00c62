"""Losses and metrics against torch, torchvision, MONAI, torchmetrics, brute force and by hand."""

import math
import re
import warnings
from itertools import chain, combinations, product
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
import torchmetrics.functional.classification as torchmetrics
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from skimage.measure import label, regionprops
from skimage.metrics import adapted_rand_error, variation_of_information
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from unet_lesson import objective
from unet_lesson.objective import (
    cross_entropy_and_dice,
    dice,
    dice_loss,
    focal_loss,
    iou,
    object_scores,
    objects,
    soft_dice,
    weighted_cross_entropy,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MONAI's imports warn about themselves
    from monai.losses import DiceLoss, FocalLoss

LOSSES = [weighted_cross_entropy, dice_loss, cross_entropy_and_dice, focal_loss]
every_loss = pytest.mark.parametrize("loss", LOSSES)


def batch(n=2, classes=2, height=7, width=5, dtype=torch.float32, seed=0):
    """Random logits (N, C, H, W), target (N, H, W) and weights (N, H, W)."""
    torch.manual_seed(seed)
    logits = 3 * torch.randn(n, classes, height, width, dtype=dtype)
    target = torch.randint(classes, (n, height, width))
    return logits, target, 10 * torch.rand(n, height, width, dtype=dtype)


# ---- cross entropy ---------------------------------------------------------------------------


def test_cross_entropy_of_one_pixel_by_hand():
    logits = torch.tensor([math.log(0.2), math.log(0.8)]).reshape(1, 2, 1, 1)
    pixel = torch.ones(1, 1, 1)
    for truth, expected in ((1, -math.log(0.8)), (0, -math.log(0.2))):
        target = torch.tensor([[[truth]]])
        assert weighted_cross_entropy(logits, target).item() == pytest.approx(expected)
        weighted = weighted_cross_entropy(logits, target, 9.23 * pixel)
        assert weighted.item() == pytest.approx(9.23 * expected)


@pytest.mark.parametrize("classes", [2, 5])
def test_cross_entropy_is_torchs(classes):
    logits, target, weights = batch(3, classes)
    torch.testing.assert_close(
        weighted_cross_entropy(logits, target), F.cross_entropy(logits, target)
    )
    pixels = F.cross_entropy(logits, target, reduction="none")
    torch.testing.assert_close(
        weighted_cross_entropy(logits, target, weights), (weights * pixels).mean()
    )


def test_two_half_batches_average_to_the_whole():
    logits, target, weights = batch(4)
    whole = weighted_cross_entropy(logits, target, weights)
    first, second = (
        weighted_cross_entropy(logits[half], target[half], weights[half])
        for half in (slice(2), slice(2, 4))
    )
    torch.testing.assert_close((first + second) / 2, whole)


# ---- soft Dice -------------------------------------------------------------------------------


def test_soft_dice_by_hand():
    foreground = torch.tensor([[0.9, 0.6], [0.2, 0.0]])
    probabilities = torch.stack([1 - foreground, foreground])[None]  # (1, 2, 2, 2)
    target = torch.tensor([[[1, 1], [0, 0]]])
    expected = 2 * (0.9 + 0.6) / (0.9 + 0.6 + 0.2 + 2)
    assert soft_dice(probabilities, target).tolist() == [[pytest.approx(expected, abs=1e-5)]]
    weights = torch.tensor([[[1.0, 3.0], [2.0, 5.0]]])
    expected = 2 * (0.9 + 3 * 0.6) / (0.9 + 3 * 0.6 + 2 * 0.2 + 1 + 3)
    weighted = soft_dice(probabilities, target, weights)
    assert weighted.tolist() == [[pytest.approx(expected, abs=1e-5)]]


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("missing", [False, True])
def test_dice_loss_is_monais(classes, missing):
    logits, target, _ = batch(3, classes, 9, 8)
    if missing:  # the last class, everywhere; and all of them in the first image
        target[target == classes - 1] = 0
        target[0] = 0
    monai = DiceLoss(softmax=True, to_onehot_y=True, include_background=False)
    torch.testing.assert_close(dice_loss(logits, target), monai(logits, target[:, None]))
    scores = soft_dice(logits.softmax(1), target)
    assert scores.shape == (3, classes - 1)
    torch.testing.assert_close(1 - scores.mean(), dice_loss(logits, target))


def test_dice_weights_multiply_every_sum():
    logits, target, weights = batch(2, 3)
    p = logits.softmax(1)
    expected = torch.zeros(2, 2)
    for image, c in product(range(2), (1, 2)):
        w, q, y = weights[image], p[image, c], (target[image] == c).float()
        expected[image, c - 1] = 2 * (w * q * y).sum() / (w * q + w * y).sum()
    torch.testing.assert_close(soft_dice(p, target, weights), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        dice_loss(logits, target, weights), 1 - expected.mean(), rtol=0, atol=1e-5
    )


def test_dice_of_hard_probabilities_is_the_hard_dice_and_empty_is_perfect():
    target = torch.tensor([[[0, 1], [1, 1]], [[0, 0], [0, 0]]])
    prediction = torch.tensor([[[0, 0], [1, 1]], [[0, 0], [0, 0]]])
    hard = F.one_hot(prediction, 2).movedim(3, 1).float()
    assert soft_dice(hard, target).flatten().tolist() == pytest.approx([0.8, 1.0], abs=1e-5)
    false_alarm = F.one_hot(torch.ones_like(target), 2).movedim(3, 1).float()
    assert soft_dice(false_alarm, target)[1].item() < 1e-5


# ---- focal loss ------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "y", "expected"), [(0.7, 1, 0.0080), (0.4, 0, 0.0613)])
def test_focal_loss_of_one_pixel_by_hand(p, y, expected):
    logits = torch.tensor([math.log(1 - p), math.log(p)]).reshape(1, 2, 1, 1)
    loss = focal_loss(logits, torch.tensor([[[y]]]), alpha=(0.75, 0.25))
    p_t, alpha_t = (p, 0.25) if y else (1 - p, 0.75)
    assert loss.item() == pytest.approx(-alpha_t * (1 - p_t) ** 2 * math.log(p_t))
    assert round(loss.item(), 4) == expected


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_loss_is_torchvisions_and_monais(gamma):
    z = torch.randn(2, 9, 8, generator=torch.manual_seed(0))
    logits, target = torch.stack([torch.zeros_like(z), z], 1), torch.randint(2, (2, 9, 8))
    ours = focal_loss(logits, target, gamma=gamma, alpha=(0.75, 0.25))
    theirs = sigmoid_focal_loss(z, target.float(), alpha=0.25, gamma=gamma, reduction="mean")
    torch.testing.assert_close(ours, theirs)
    logits, target, _ = batch(2, 3)
    alpha = [0.2, 0.3, 0.5]
    monai = FocalLoss(use_softmax=True, to_onehot_y=True, gamma=gamma, alpha=alpha)
    theirs = 3 * monai(logits, target[:, None])  # MONAI's mean counts the other classes' zeros
    torch.testing.assert_close(focal_loss(logits, target, gamma=gamma, alpha=alpha), theirs)


def test_focal_without_gamma_is_cross_entropy_and_with_it_never_more():
    logits, target, weights = batch(2, 3)
    plain = weighted_cross_entropy(logits, target, weights)
    torch.testing.assert_close(focal_loss(logits, target, weights, gamma=0), plain)
    for n, h, w in product(range(2), range(7), range(5)):
        pixel = logits[n, :, h, w].reshape(1, 3, 1, 1), target[n, h, w].reshape(1, 1, 1)
        assert focal_loss(*pixel) <= weighted_cross_entropy(*pixel)


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2])
def test_focal_gradients_at_probabilities_of_0_and_1_are_finite(gamma):
    logits = torch.tensor([200.0, -200.0]).reshape(1, 2, 1, 1)  # in float32: exactly 1 and 0
    assert logits.softmax(1).flatten().tolist() == [1, 0]
    for truth in (0, 1):
        x = logits.clone().requires_grad_()
        loss = focal_loss(x, torch.full((1, 1, 1), truth), gamma=gamma)
        loss.backward()
        assert loss.isfinite() and x.grad.isfinite().all()


# ---- all losses ------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("classes", [2, 3])
def test_gradients_are_right(loss, classes):
    logits, target, weights = batch(2, classes, 3, 4, torch.float64)
    weights[0, 0, 0] = 0
    assert torch.autograd.gradcheck(lambda x: loss(x, target, weights), logits.requires_grad_())


@every_loss
def test_a_pixel_of_weight_0_is_left_out(loss):
    logits, target, weights = batch()
    weights[0, 2, 3] = weights[1] = 0
    expected = loss(logits, target, weights)
    changed, other = logits.clone(), target.clone()
    changed[0, :, 2, 3] = torch.tensor([90.0, -90.0])
    other[0, 2, 3] = 1 - other[0, 2, 3]
    changed[1], other[1] = -changed[1], 1 - other[1]
    changed.requires_grad_()
    loss(changed, other, weights).backward()
    torch.testing.assert_close(loss(changed, other, weights), expected)
    assert changed.grad[0, :, 2, 3].tolist() == [0, 0] and not changed.grad[1].any()


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_all_weights_0_gives_0_and_no_gradient(loss, dtype):
    logits, target, weights = batch(dtype=dtype)
    logits.requires_grad_()
    value = loss(logits, target, 0 * weights)
    value.backward()
    assert value.item() == 0 and logits.grad.tolist() == torch.zeros_like(logits).tolist()


@every_loss
@pytest.mark.parametrize("foreground", ["none", "all"])
def test_one_class_missing_and_logits_far_out_stay_finite(loss, foreground):
    _, target, weights = batch()
    target[:] = int(foreground == "all")
    for size in (0.0, 1.0, 100.0, 1e4):
        logits = (size * torch.randn(2, 2, 7, 5)).requires_grad_()
        value = loss(logits, target, weights)
        value.backward()
        assert value.isfinite() and value >= 0 and logits.grad.isfinite().all()


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(loss, dtype):
    logits, target, weights = batch(1, 2, 300, 300)  # sums far beyond float16's 65504
    logits, weights = (10 * logits).to(dtype).requires_grad_(), (60 * weights).to(dtype)
    value = loss(logits, target, weights)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(logits.float(), target, weights.float()))
    value.backward()
    assert logits.grad.dtype == dtype and logits.grad.isfinite().all()


@every_loss
def test_layout_in_memory_does_not_matter(loss):
    logits, target, weights = batch(2, 3, 6, 6)
    expected = loss(logits, target, weights)
    turned = [x.transpose(-1, -2).contiguous().transpose(-1, -2) for x in (logits, target, weights)]
    last = logits.to(memory_format=torch.channels_last), target, weights
    strided = [torch.stack([x, x], -1)[..., 0] for x in (logits, target, weights)]
    for views in (turned, last, strided):
        assert not views[0].is_contiguous()
        torch.testing.assert_close(loss(*views), expected)


def test_the_sum_is_the_sum():
    given = batch(2, 3)
    total = weighted_cross_entropy(*given) + dice_loss(*given)
    torch.testing.assert_close(cross_entropy_and_dice(*given), total)


# ---- what a loss refuses ---------------------------------------------------------------------

X, T, W = batch()


@every_loss
@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ((X.numpy(), T, W), TypeError, ["logits", "ndarray"]),
        ((X.long(), T, W), TypeError, ["floats", "int64"]),
        ((X[0], T, W), ValueError, ["(N, C, H, W)", "(2, 7, 5)", "x[None]"]),
        ((X[:0], T, W), ValueError, ["(N, C, H, W)", "(0, 2, 7, 5)"]),
        ((X[:, :1], T, W), ValueError, ["1 channel", "num_classes=2"]),
        ((X, T.numpy(), W), TypeError, ["target", "ndarray"]),
        ((X, T.byte(), W), TypeError, ["int64", "uint8", "target.long()"]),
        ((X, T.float(), W), TypeError, ["int64", "float32"]),
        ((X, T * 255, W), ValueError, ["value 255", "0..1", "mask // 255", "weight 0"]),
        ((X, T - 1, W), ValueError, ["value -1", "0..1"]),
        ((X, T + 1, W), ValueError, ["value 2", "0..1"]),
        ((X, T[:, None], W), ValueError, ["(N, H, W)", "(2, 1, 7, 5)", "target[:, 0]"]),
        ((X, T[:1], W), ValueError, ["(N, H, W)", "(1, 7, 5)"]),
        (
            (X, F.pad(T, (1, 1, 2, 2)), W),
            ValueError,
            ["11 x 7", "7 x 5", "unet_lesson.training.crop_target(target, (7, 5))"],
        ),
        ((X, T.to("meta"), W), ValueError, ["on meta", "target.to('cpu')"]),
        ((X, T, W.numpy()), TypeError, ["weights", "ndarray"]),
        ((X, T, W.long()), TypeError, ["weights", "int64", "weights.float()"]),
        ((X, T, W[:, 1:]), ValueError, ["weights", "6 x 5", "crop_target"]),
        ((X, T, -W), ValueError, ["weights", "0 or more"]),
        ((X, T, W / 0), ValueError, ["weights", "finite", "inf"]),
        ((X, T, W * math.nan), ValueError, ["weights", "finite", "nan"]),
    ],
)
def test_refusals(refused, loss, given, error, words):
    refused(lambda: loss(*given), error, *words)


def test_refusals_of_one_loss(refused):
    refused(lambda: soft_dice(X, T), ValueError, "from 0 to 1", "logits.softmax(1)")
    refused(lambda: soft_dice(X.softmax(1) * math.nan, T), ValueError, "nan")
    refused(lambda: soft_dice(2 * X.softmax(1), T), ValueError, "from 0 to 1")
    for gamma in (-1, math.inf, math.nan):
        refused(lambda gamma=gamma: focal_loss(X, T, gamma=gamma), ValueError, "gamma", "2 is")
    refused(lambda: focal_loss(X, T, gamma="2"), TypeError, "gamma", "'2'")
    refused(lambda: focal_loss(X, T, alpha=(0.1, 0.2, 0.7)), ValueError, "2 classes")
    refused(lambda: focal_loss(X, T, alpha=0.25), ValueError, "2 classes", "(0.75, 0.25)")
    refused(lambda: focal_loss(X, T, alpha=(0.5, -1)), ValueError, "0 or more")


# ---- pixels ----------------------------------------------------------------------------------


def test_dice_and_iou_by_hand():
    prediction, target = [1, 1, 1, 0, 0, 0, 1, 0], [1, 1, 0, 0, 0, 1, 1, 0]
    assert dice(prediction, target) == 2 * 3 / (4 + 4)
    assert iou(prediction, target) == 3 / 5


masks = st.integers(0, 2**12 - 1).map(lambda n: np.array([n >> i & 1 for i in range(12)], bool))


@given(masks, masks)
@settings(max_examples=100, deadline=None)
def test_dice_and_iou_are_torchmetrics(a, b):
    if a.any() or b.any():
        p, t = torch.from_numpy(a), torch.from_numpy(b)
        assert dice(a, b) == pytest.approx(torchmetrics.binary_f1_score(p, t).item())
        assert iou(a, b) == pytest.approx(torchmetrics.binary_jaccard_index(p, t).item())
    assert dice(a, b) == pytest.approx(2 * iou(a, b) / (1 + iou(a, b)))
    assert dice(a, b) == dice(b, a) and iou(a, b) == iou(b, a)


@pytest.mark.parametrize("metric", [dice, iou])
def test_empty_masks_have_defined_values(metric):
    empty, full = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    assert metric(empty, empty) == metric(full, full) == 1.0
    assert metric(empty, full) == metric(full, empty) == 0.0


@pytest.mark.parametrize("metric", [dice, iou])
def test_a_mask_may_come_as_any_of_these(metric):
    a, b = np.random.default_rng(0).random((2, 3, 6, 5)) > 0.4
    expected = metric(a, b)
    assert type(expected) is float
    for kind in (np.uint8, np.int64, np.float32):
        assert metric(a.astype(kind), b) == expected
    tensor = torch.from_numpy(a)
    for kind in (torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16):
        assert metric(tensor.to(kind), torch.from_numpy(b)) == expected
    assert metric(tensor.float().requires_grad_(), b) == expected
    assert metric(np.asfortranarray(a), b[::1]) == metric(a[..., ::-1], b[..., ::-1]) == expected


def test_pixels_of_all_images_are_pooled():
    target = np.zeros((2, 10, 10), bool)
    target[0, :9], target[1, 0, 0] = True, True
    prediction = target.copy()
    prediction[1] = False  # the small object is missed
    assert dice(prediction, target) == 2 * 90 / (90 + 91)
    each = [dice(p, t) for p, t in zip(prediction, target, strict=True)]
    assert each == [1.0, 0.0]


@pytest.mark.parametrize("metric", [dice, iou])
@pytest.mark.parametrize(
    ("prediction", "target", "words"),
    [
        (np.zeros((4, 4)), np.full((4, 4), 255), ["target", "255", "mask // 255"]),
        (np.full((4, 4), 0.7), np.zeros((4, 4)), ["prediction", "0.7", "p > 0.5"]),
        (np.full((4, 4), np.nan), np.zeros((4, 4)), ["prediction", "nan"]),
        (np.zeros((4, 4)), torch.full((4, 4), -1), ["target", "-1"]),
        (np.zeros((4, 4)), np.zeros((1, 4, 4)), ["(4, 4)", "(1, 4, 4)", "crop_target"]),
        (np.zeros((0, 4)), np.zeros((0, 4)), ["prediction", "nothing", "(0, 4)"]),
    ],
)
def test_masks_that_are_refused(refused, metric, prediction, target, words):
    refused(lambda: metric(prediction, target), ValueError, *words)


# ---- objects ---------------------------------------------------------------------------------


@pytest.mark.parametrize("smallest", [0, 1, 4, 1000])
def test_objects_are_the_4_connected_components_of_scikit_image(smallest):
    mask = np.random.default_rng(0).random((40, 30)) > 0.5
    found = objects(mask, smallest)
    assert found.dtype == np.int32
    regions = regionprops(label(mask, connectivity=1))
    large = [region.coords.tolist() for region in regions if region.area >= smallest]
    ours = [np.argwhere(found == number).tolist() for number in range(1, found.max() + 1)]
    assert sorted(ours) == sorted(large)
    assert np.array_equal(found, objects(torch.from_numpy(mask), smallest))


def test_objects_that_touch_at_a_corner_are_two():
    assert objects([[1, 0], [0, 1]]).tolist() == [[1, 0], [0, 2]]
    assert objects(np.zeros((3, 3))).tolist() == np.zeros((3, 3)).tolist()


def test_what_objects_refuses(refused):
    refused(lambda: objects(np.zeros((1, 3, 3))), ValueError, "(H, W)", "(1, 3, 3)")
    refused(lambda: objects(np.full((3, 3), 255)), ValueError, "255")
    refused(lambda: objects(np.zeros((3, 3)), -1), ValueError, "smallest must be 0 or more")
    refused(lambda: objects(np.zeros((3, 3)), 2.5), TypeError, "smallest must be a whole number")


def by_assignment(prediction, target, threshold):
    """(TP, FP, FN) by one mask per object and scipy's best assignment of pairs."""
    ours = [prediction == n for n in np.unique(prediction) if n]
    true = [target == n for n in np.unique(target) if n]
    good = np.zeros((len(ours), len(true)))
    for (i, a), (j, b) in product(enumerate(ours), enumerate(true)):
        good[i, j] = (a & b).sum() / (a | b).sum() > threshold
    hits = good[linear_sum_assignment(good, maximize=True)].sum()
    return hits, len(ours) - hits, len(true) - hits


def blobs(rng, count, side=24):
    """Random labels, not consecutive: rectangles over each other."""
    labels = np.zeros((side, side), np.int32)
    for number in rng.permutation(1000)[:count] + 1:
        top, left, height, width = rng.integers(0, side - 3), rng.integers(0, side - 3), 0, 0
        height, width = rng.integers(2, 9, 2)
        labels[top : top + height, left : left + width] = number
    return labels


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9])
def test_object_scores_are_those_of_the_best_assignment(threshold):
    rng, seen = np.random.default_rng(0), set()
    for _ in range(60):
        target = blobs(rng, rng.integers(0, 8))
        prediction = np.where(rng.random(target.shape) < 0.1, blobs(rng, 3), target)
        prediction = np.roll(prediction, rng.integers(0, 2, 2), (0, 1))
        scores = object_scores(prediction, target, threshold)
        hits, false_alarms, missed = by_assignment(prediction, target, threshold)
        assert scores[3:] == (hits, false_alarms, missed)
        if hits:
            assert scores.precision == pytest.approx(hits / (hits + false_alarms))
            assert scores.recall == pytest.approx(hits / (hits + missed))
            harmonic = 2 / (1 / scores.precision + 1 / scores.recall)
            assert scores.f1 == pytest.approx(harmonic)
        seen.add(hits)
    assert len(seen) > 3


TWO = np.repeat([[1, 1, 1, 2, 2, 2]], 4, axis=0)  # two objects of 3 x 4 pixels, side by side
MERGED, SPLIT = np.minimum(TWO, 1), TWO + 10 * (TWO == 2) * (np.arange(4) > 1)[:, None]


def test_split_and_merge_by_hand():
    assert object_scores(TWO, TWO) == (1, 1, 1, 2, 0, 0)
    assert object_scores(MERGED, TWO) == (0, 0, 0, 0, 1, 2)  # IoU 0.5 with either: no match
    assert object_scores(SPLIT, TWO) == (1 / 3, 1 / 2, 2 / 5, 1, 2, 1)
    assert dice(MERGED > 0, TWO > 0) == dice(SPLIT > 0, TWO > 0) == 1.0


def test_the_threshold_is_strict():
    target, prediction = np.ones((1, 10), int), np.ones((1, 10), int)
    prediction[0, 7:] = 0  # IoU 0.7
    assert object_scores(prediction, target, 0.7 - 1e-6).f1 == 1
    assert object_scores(prediction, target, 0.7).f1 == 0


def test_scores_without_objects():
    none = np.zeros((4, 6), int)
    assert object_scores(none, none) == (1, 1, 1, 0, 0, 0)
    assert object_scores(none, TWO) == (0, 0, 0, 0, 0, 2)
    assert object_scores(TWO, none) == (0, 0, 0, 0, 2, 0)
    assert object_scores(none, MERGED) == (0, 0, 0, 0, 0, 1)  # background is no object that
    assert object_scores(MERGED, none) == (0, 0, 0, 0, 1, 0)  # could match, however alike


def test_labels_may_be_large_small_and_tensors():
    expected = object_scores(SPLIT, TWO)
    for kind in (np.uint8, np.uint16, np.int64):
        assert object_scores(SPLIT.astype(kind), TWO.astype(kind)) == expected
    assert object_scores(torch.from_numpy(SPLIT), TWO * 2**40) == expected
    many = np.arange(1, 40_001).reshape(200, 200).astype(np.int32)  # pairs beyond int32
    assert object_scores(many, many[::-1].copy()[::-1]) == (1, 1, 1, 40_000, 0, 0)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: object_scores(TWO > 0, TWO), TypeError, ["prediction", "bool", "objects(mask)"]),
        (lambda: object_scores(TWO, TWO / 1), TypeError, ["target", "float64"]),
        (lambda: object_scores(TWO, TWO[None]), ValueError, ["target", "(1, 4, 6)"]),
        (lambda: object_scores(TWO, TWO[1:]), ValueError, ["(4, 6)", "(3, 6)"]),
        (lambda: object_scores(TWO, -TWO), ValueError, ["target", "0 or more", "-2"]),
        (lambda: object_scores(TWO[:0], TWO[:0]), ValueError, ["(0, 6)"]),
        (lambda: object_scores(TWO, TWO, 0.4), ValueError, ["0.4", "at least 0.5", "twice"]),
        (lambda: object_scores(TWO, TWO, 1), ValueError, ["below 1"]),
        (lambda: object_scores(TWO, TWO, math.nan), ValueError, ["nan"]),
        (lambda: object_scores(TWO, TWO, "0.5"), TypeError, ["threshold must be a number"]),
    ],
)
def test_labels_that_are_refused(refused, call, error, words):
    refused(call, error, *words)


# ---- Rand error and variation of information: scikit-image's, by hand --------------------------


def rand_by_pairs(prediction, target):
    """(error, precision, recall) by looking at every pair of pixels."""
    pairs = list(combinations(range(target.size), 2))
    ours, true = (
        [labels.flat[i] == labels.flat[j] for i, j in pairs] for labels in (prediction, target)
    )
    both = sum(a and b for a, b in zip(ours, true, strict=True))
    precision, recall = both / sum(ours), both / sum(true)
    return 1 - 2 * precision * recall / (precision + recall), precision, recall


@pytest.mark.parametrize("prediction", [TWO, MERGED, SPLIT])
def test_rand_error_counts_pairs_of_pixels(prediction):
    error, *shares = adapted_rand_error(TWO, prediction)
    expected, precision, recall = rand_by_pairs(prediction, TWO)
    assert error == pytest.approx(expected)
    # Which share comes first is open: scikit-image issue 6485 says they are swapped.
    assert sorted(shares) == pytest.approx(sorted([precision, recall]))


def test_rand_error_of_merge_and_split_by_hand():
    pairs = {n: n * (n - 1) / 2 for n in (6, 12, 24)}
    precision, recall = 2 * pairs[12] / pairs[24], 1
    merged = 1 - 2 * precision * recall / (precision + recall)
    assert adapted_rand_error(TWO, MERGED)[0] == pytest.approx(merged)
    precision, recall = 1, (pairs[12] + 2 * pairs[6]) / (2 * pairs[12])
    split = 1 - 2 * precision * recall / (precision + recall)
    assert adapted_rand_error(TWO, SPLIT)[0] == pytest.approx(split)


def test_variation_of_information_is_bits_of_split_and_merge():
    assert variation_of_information(TWO, TWO).tolist() == [0, 0]
    assert variation_of_information(TWO, MERGED) == pytest.approx([0, 1])  # one bit was lost
    assert variation_of_information(TWO, SPLIT) == pytest.approx([0.5, 0])  # in half the pixels


def test_every_public_name_has_words():
    names = [n for n in vars(objective) if callable(getattr(objective, n)) and n[0] != "_"]
    ours = [n for n in names if getattr(objective, n).__module__ == objective.__name__]
    assert all(getattr(objective, name).__doc__ for name in ours) and len(ours) == 10


# ---- what notebook 06 builds is what the package ships -----------------------------------------


@pytest.fixture(scope="module")
def notebook():
    """The functions that notebook 06 defines, those of its solutions instead of its stubs."""
    path = Path(__file__).parent.parent / "notebooks" / "06_loss_and_metrics.ipynb"
    cells = nbformat.read(path, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    sources = [re.findall(r"^def .+\n(?:    .+\n|\n)+", source + "\n", re.M) for source in code]
    solutions = re.findall(r"```python\n(.+?)```", "\n".join(c.source for c in cells), re.S)
    names = {"torch": torch, "F": F, "np": np, "combinations": combinations}
    for source in [*chain(*sources), *solutions]:
        exec(source, names)
    return SimpleNamespace(**names)


def test_losses_of_the_notebook(notebook):
    given = batch(2, 3)
    logits, target, weights = given
    mine = notebook.my_weighted_cross_entropy(*given)
    torch.testing.assert_close(mine, weighted_cross_entropy(*given))
    mine = (notebook.cross_entropy(logits, target) * weights).mean()
    torch.testing.assert_close(mine, weighted_cross_entropy(*given))
    p = logits.softmax(1)
    mine, ours = notebook.my_soft_dice(p, target), soft_dice(p, target)
    torch.testing.assert_close(mine, ours, rtol=0, atol=1e-5)
    one = notebook.soft_dice(p[1, 2], (target[1] == 2).float())
    torch.testing.assert_close(one, ours[1, 1], rtol=0, atol=1e-5)


def test_metrics_of_the_notebook(notebook):
    a, b = (np.random.default_rng(0).random((2, 6, 5)) > 0.4).astype(int)
    for pair in ((a, b), (0 * a, b), (0 * a, 0 * b)):
        assert notebook.my_iou(*pair) == pytest.approx(iou(*pair))
    for prediction in (MERGED, SPLIT):
        assert notebook.rand_error(prediction, TWO) == rand_by_pairs(prediction, TWO)[0]
