"""The exercise on the weighted cross entropy, and what it shares with that on the soft Dice."""

import numpy as np
import torch
import torch.nn.functional as F

from unet_lesson.practice.learner import Wrong, call, number, run, show
from unet_lesson.practice.probe import check_gradients
from unet_lesson.practice.report import exercise

# ---- values and gradients -----------------------------------------------------------------------


def near(got, wanted, most=2e-3):
    """Two tensors of one shape of which no value is further apart than `most`, nor NaN."""
    if got.shape != wanted.shape:
        return False
    return bool(((got.detach().double() - wanted.detach().double()).abs() <= most).all())


def as_tensor(value, likely="torch.stack makes one tensor of a list of tensors."):
    """The learner's result as a tensor, be it a tensor, an array or a number; or Wrong."""
    if isinstance(value, torch.Tensor):
        if value.is_complex() or value.is_sparse or value.is_meta:
            fails = f"A tensor of numbers is wanted; {value.dtype} on {value.device} came."
            raise Wrong("wrong_return", fails, "Return plain floats.")
        return value
    if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind in "fiub":
        return torch.from_numpy(np.array(value))
    try:
        return torch.tensor(float(number(value)), dtype=torch.double)
    except Wrong:
        likely = likely if isinstance(value, list) else "Return the tensor itself."
        fails = f"A tensor is wanted, and {show(value)} came."
        raise Wrong("wrong_return", fails, likely) from None


FROM_P = "The number of classes is shape[1] of the first argument: a target need not hold them all."
ONLY_TORCH = "Stay with torch's tensors up to the result: no item, detach, .data or NumPy."


def check_true_gradient(learner, reference, x, *rest):
    """Raise Wrong unless the gradient that comes back to x is that of the reference.

    reference: (the learner's result, x, rest) -> what it should be, by torch's operators.
    """
    x = x.clone().requires_grad_()
    try:
        got = run(learner, x, *rest)
    except Wrong as wrong:
        if wrong.diagnosis != "raises":
            raise
        raise Wrong("gradient_stops", f"With gradients on: {wrong.fails}", ONLY_TORCH) from None
    if not isinstance(got, torch.Tensor):
        fails = f"A tensor with a gradient is wanted, and {show(got)} came."
        raise Wrong("gradient_stops", fails, ONLY_TORCH)
    check_gradients(got, {"the first argument": x})
    factors = torch.rand_like(got)
    (mine,) = torch.autograd.grad((got * factors).sum(), x)
    (right,) = torch.autograd.grad((reference(got, x, *rest) * factors).sum(), x)
    if not (mine - right).norm() <= 0.05 * right.norm():
        fails = "The values are right, but the gradient of the first argument is not the true one."
        raise Wrong("gradient_stops", fails, ONLY_TORCH)


# ---- weighted_cross_entropy: the known mistakes -------------------------------------------------


def pixels(logits, target):
    """The cross entropy of each pixel, by torch itself: (N, H, W)."""
    return F.cross_entropy(logits, target, reduction="none")


def by_softmax(logits, target, change):
    """-log of the true class's probability, with a change: p (N, H, W) -> (N, H, W)."""
    return -change(logits.softmax(1).gather(1, target[:, None])[:, 0])


def gathered(logits, target, axis):
    """What gather along another axis picks out."""
    return -logits.log_softmax(1).gather(axis, target[:, None])[:, 0]


def log_p_of_all(logits, axis=1):
    return -logits.log_softmax(axis)


def picked(values, target):
    return values.gather(1, target[:, None])[:, 0]


def sigmoids(logits, target):
    """The loss of one sigmoid for each class: (N, C, H, W)."""
    truth = F.one_hot(target, logits.shape[1]).movedim(3, 1).to(logits)
    return F.binary_cross_entropy_with_logits(logits, truth, reduction="none")


def unmoved(logits, target):
    """The loss of each pixel where (N, C, H, W) was reshaped to (N H W, C) at once."""
    return pixels(logits.reshape(-1, logits.shape[1]), target.flatten()).view_as(target)


def right_loss(logits, target, weights):
    return (weights * pixels(logits, target)).mean()


CE_MISTAKES = {  # key: (formulas of logits, target, weights, likely)
    "minus_forgotten": (
        [lambda x, y, w: -right_loss(x, y, w)],
        "The minus is missing (the paper's equation 1 lacks it too): log p is below 0.",
    ),
    "weights_ignored": (
        [lambda x, y, w: pixels(x, y).mean()],
        "The weights have no part in the result: each pixel's loss is multiplied by its own.",
    ),
    "mean_over_weights": (
        [
            lambda x, y, w: (w * pixels(x, y)).sum() / w.sum(),
            lambda x, y, w: ((w * pixels(x, y)).sum((1, 2)) / w.sum((1, 2))).mean(),
        ],
        "You divide by the sum of the weights, as torch does with class weights. Here it is the "
        "number of pixels, so that two half batches average to the whole.",
    ),
    "sum_returned": (
        [lambda x, y, w: (w * pixels(x, y)).sum()],
        "This is the sum over all pixels. The mean is asked for.",
    ),
    "mean_over_images_only": (
        [lambda x, y, w: (w * pixels(x, y)).sum() / len(x)],
        "This is the mean over the images of a sum of pixels. The mean over all pixels is wanted.",
    ),
    "mean_over_classes": (
        [lambda x, y, w: right_loss(x, y, w) / x.shape[1]],
        "A mean over (N, C, H, W) counts each pixel C times. Sum over the classes first.",
    ),
    "weights_averaged": (
        [
            lambda x, y, w: pixels(x, y).mean() * w.mean(),
            lambda x, y, w: pixels(x, y).mean() * w.sum(),
            lambda x, y, w: pixels(x, y).sum() * w.sum() / w.numel(),
        ],
        "The mean is taken before the weights come in. Multiply pixel by pixel, then average.",
    ),
    "broadcast_over_batch": (
        [
            lambda x, y, w: (w[:, None] * pixels(x, y)).mean(),
            lambda x, y, w: (w[:, None] * pixels(x, y)).sum() / w.numel(),
        ],
        "(N, 1, H, W) times (N, H, W) is (N, N, H, W): every image meets every image's weights.",
    ),
    "weights_of_first_image": (
        [lambda x, y, w, image=n: (w[image] * pixels(x, y)).mean() for n in (0, -1)],
        "All images get the weights of one. Each has its own.",
    ),
    "weights_mixed": (
        [
            lambda x, y, w: (w.flip(0) * pixels(x, y)).mean(),
            lambda x, y, w: (w.mean((1, 2), keepdim=True) * pixels(x, y)).mean(),
        ],
        "A pixel does not meet its own weight. Multiply (N, H, W) by (N, H, W).",
    ),
    "softmax_twice": (
        [
            lambda x, y, w: right_loss(x.softmax(1), y, w),
            lambda x, y, w: right_loss(x.softmax(1).softmax(1), y, w),
        ],
        "The softmax is taken twice: cross_entropy and log_softmax take logits.",
    ),
    "weights_before_log": (
        [
            lambda x, y, w: by_softmax(x, y, lambda p: (w * p).log()).mean(),
            lambda x, y, w: by_softmax(x, y, lambda p: (w * p).clamp(1e-07, 1).log()).mean(),
        ],
        "The weight goes into the logarithm. It multiplies the loss: w x -log p.",
    ),
    "weights_on_logits": (
        [
            lambda x, y, w: pixels(w[:, None] * x, y).mean(),
            lambda x, y, w: right_loss(w[:, None] * x, y, w),
        ],
        "The logits are multiplied by the weights. It is the loss of a pixel that is weighted.",
    ),
    "log_forgotten": (
        [
            lambda x, y, w: (w * by_softmax(x, y, lambda p: p)).mean(),
            lambda x, y, w: -(w * by_softmax(x, y, lambda p: p)).mean(),
            lambda x, y, w: (w * (1 + by_softmax(x, y, lambda p: p))).mean(),
        ],
        "The logarithm is missing: w x -log p.",
    ),
    "softmax_forgotten": (
        [lambda x, y, w: -(w * picked(x, y)).mean(), lambda x, y, w: (w * picked(x, y)).mean()],
        "The logits are taken for log-probabilities. A log_softmax over the classes is missing.",
    ),
    "softmax_wrong_axis": (
        [lambda x, y, w, a=a: (w * picked(log_p_of_all(x, a), y)).mean() for a in (0, 2, 3)],
        "The softmax goes along another axis. Classes are axis 1 of (N, C, H, W).",
    ),
    "gather_wrong_axis": (
        [lambda x, y, w, a=a: (w * gathered(x, y, a)).mean() for a in (0, 2, 3)],
        "The true class is looked up along another axis. Classes are axis 1: gather(1, ...).",
    ),
    "classes_not_moved": (
        [lambda x, y, w: (w * unmoved(x, y)).mean()],
        "reshape(-1, C) of (N, C, H, W) mixes pixels and classes: move the classes last before.",
    ),
    "all_classes": (
        [
            lambda x, y, w: (w[:, None] * log_p_of_all(x)).sum(1).mean(),
            lambda x, y, w: (w[:, None] * log_p_of_all(x)).mean(),
        ],
        "All classes count. Only the log-probability of the true class does.",
    ),
    "class_1_only": (
        [
            lambda x, y, w: (w * log_p_of_all(x)[:, 1] * y).mean(),
            lambda x, y, w: (w * log_p_of_all(x)[:, 1] * (y == 1)).mean(),
            lambda x, y, w: (w * log_p_of_all(x)[:, 1]).mean(),
        ],
        "Only class 1 counts. The true class of every pixel does, the background's too.",
    ),
    "sigmoid_for_softmax": (
        [
            lambda x, y, w: (w * picked(-F.logsigmoid(x), y)).mean(),
            lambda x, y, w: (w[:, None] * sigmoids(x, y)).sum(1).mean(),
            lambda x, y, w: (w[:, None] * sigmoids(x, y)).mean(),
        ],
        "Each class has its own sigmoid here. The classes share one softmax.",
    ),
    "other_base": (
        [lambda x, y, w, base=b: right_loss(x, y, w) / np.log(base) for b in (2, 10)],
        "This is the logarithm to base 2 or 10. The natural one is meant.",
    ),
    "weights_squared": (
        [
            lambda x, y, w: (w * w * pixels(x, y)).mean(),
            lambda x, y, w: (w.sqrt() * pixels(x, y)).mean(),
        ],
        "The weights come in as a square or a root. Multiply once.",
    ),
    "weights_added": (
        [
            lambda x, y, w: (w + pixels(x, y)).mean(),
            lambda x, y, w: (pixels(x, y) / w).mean(),
            lambda x, y, w: ((1 + w) * pixels(x, y)).mean(),
        ],
        "The weight of a pixel multiplies its loss, and nothing is added to it.",
    ),
}


def loss_case(n, classes, height, width):
    """Logits (N, C, H, W), class numbers (N, H, W), and weights that differ from image to image."""
    logits = 2 * torch.randn(n, classes, height, width)
    target = torch.randint(classes, (n, height, width))
    level = torch.linspace(0.3, 3, n)[:, None, None]
    return logits, target, level * (0.1 + torch.rand(n, height, width))


@exercise(
    "weighted_cross_entropy(logits, target, weights)", "06_loss_and_metrics", level=2, minutes=10
)
def judge_weighted_cross_entropy(learner):
    """Write the cross entropy in which every pixel has a weight of its own.

    logits: (N, C, H, W), before the softmax. target: (N, H, W) int64, class numbers 0 to C - 1.
    weights: (N, H, W), 0 or more. -> a scalar tensor with a gradient: the mean over all pixels of
    weight x -log p(true class). The sum is divided by the number of pixels, whatever the weights,
    as in the package: two half batches then average to the whole. (torch's cross_entropy with
    weights for classes divides by the sum of the weights.) Logits of 1000 must do no harm.
    """
    cases = [loss_case(*shape) for shape in ((3, 3, 4, 5), (4, 2, 6, 3), (1, 5, 3, 3))]
    cases[2][2][0, 0] = 0  # pixels that are left out, and still divided by
    for case in cases:
        check_loss(learner, case, cases[:2])
        yield f"logits of shape {tuple(case[0].shape)}"
    check_absent_classes(learner)
    yield "a target that holds class 0 only"
    check_stable(learner)
    yield "logits of 1000 and more"
    check_true_gradient(learner, lambda got, *case: right_loss(*case), *loss_case(2, 3, 4, 5))
    yield "gradients flow"


def scalar(value, case):
    """The learner's loss as a number, or Wrong."""
    shape = tuple(getattr(value, "shape", ()))
    if shape not in ((), (1,)):
        fails = f"One number is wanted, and a shape of {shape} comes from {tuple(case[0].shape)}."
        raise Wrong("not_reduced", fails, "Take the mean over all pixels at the end.")
    return number(value.reshape(()) if shape else value)


def check_loss(learner, case, cases):
    """Raise Wrong unless one case is right. cases: those by which a mistake is recognised."""
    right, mine = right_loss(*case).item(), scalar(call(learner, *case), case)
    if abs(mine - right) <= 1e-3 * abs(right):
        return
    shape = tuple(case[0].shape)
    fails = f"The loss of logits of shape {shape} is {right:.4f}, and yours {mine:.4f}."
    got = [scalar(call(learner, *other), other) for other in cases]
    for key, (formulas, likely) in CE_MISTAKES.items():
        for formula in formulas:
            wanted = [formula(*other).item() for other in cases]
            if all(abs(a - b) <= 1e-4 * abs(b) for a, b in zip(got, wanted, strict=True)):
                raise Wrong(key, fails, likely)
    held = [abs(g - right_loss(*c).item()) <= 1e-3 for g, c in zip(got, cases, strict=True)]
    if all(held):
        raise Wrong("zero_weights_left_out", fails, "A pixel of weight 0 counts as a pixel, too.")
    if held[1]:
        raise Wrong("two_classes_only", fails, "It is right for two classes. There may be more.")
    likely = "Try a single pixel of weight 1: -log p of its true class must come."
    raise Wrong("wrong_value", fails, likely)


def check_absent_classes(learner):
    """Raise Wrong unless a batch of background gives the right loss."""
    logits, target, weights = loss_case(2, 3, 4, 5)
    case = logits, torch.zeros_like(target), weights
    right, fails = right_loss(*case).item(), "Of three classes only class 0 is true anywhere"
    try:
        mine = scalar(call(learner, *case), case)
    except Wrong as wrong:
        raise Wrong("classes_from_target", f"{fails}. {wrong.fails}", FROM_P) from None
    if not abs(mine - right) <= 1e-3 * right:
        fails += f": the loss is {right:.4f}, and yours is {mine:.4f}."
        raise Wrong("classes_from_target", fails, FROM_P)


def check_stable(learner):
    """Raise Wrong if large logits give NaN, infinity or too small a loss."""
    logits, target, weights = loss_case(2, 3, 4, 5)
    for key, large, text in (
        ("overflow", logits + 1000, "All logits are 1000 larger, which changes no probability"),
        ("log_of_zero", 100 * logits, "The logits go from -600 to 600"),
    ):
        case = large, target, weights
        right, mine = right_loss(*case).item(), scalar(call(learner, *case), case)
        if abs(mine - right) <= 1e-3 * right:
            continue
        fails = f"{text}: the loss is {right:.2f}, and yours is {mine:.2f}."
        if key == "log_of_zero" and np.isfinite(mine):
            raise Wrong("log_clipped", fails, CLIPPED)
        raise Wrong(key, fails, STABLE)


STABLE = "exp overflows above 88, and a small probability becomes 0. log_softmax avoids both."
CLIPPED = "Something is cut off or added before the logarithm. log_softmax needs neither."
