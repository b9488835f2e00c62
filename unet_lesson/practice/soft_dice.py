"""The exercise on the soft Dice."""

import torch

from unet_lesson.practice.learner import Wrong, call, run
from unet_lesson.practice.objectives import FROM_P, as_tensor, check_true_gradient, near
from unet_lesson.practice.report import exercise

# ---- the right one, and the known mistakes ------------------------------------------


def sums(p, y, axes=(2, 3)):
    """Sum of p y, of p and of y; over the pixels: (N, C) each."""
    return (p * y).sum(axes), p.sum(axes), y.sum(axes)


def ratio(p, y, axes=(2, 3), above=0.0, below=0.0):
    """(N, C, H, W) twice -> (N, C); over other axes, or with a smoothing, another."""
    both, predicted, true = sums(p, y, axes)
    return (2 * both + above) / (predicted + true + below)


def masks(target, classes):
    """(N, H, W) class numbers -> (N, C, H, W): 1 where the class is true."""
    return torch.stack([target == c for c in range(classes)], dim=1).double()


def means(values):
    """(N, K) values, or their mean over the classes, the images, or both."""
    return [values, values.mean(1), values.mean(0), values.mean()]


MEANS = ("nothing", "the classes", "the images", "images and classes")  # one for each of them


def squared(p, y):
    return 2 * (p * y).sum((2, 3)) / ((p * p).sum((2, 3)) + y.sum((2, 3)))


def mixed(y):
    """One-hot masks (N, H, W, C) brought to (N, C, H, W) by view."""
    return y.movedim(1, 3).reshape(y.shape)


def class_numbers(y):
    """(N, C, H, W) masks -> the class numbers, as if they were a mask: (N, 1, H, W)."""
    return (y * torch.arange(y.shape[1])[:, None, None]).sum(1, keepdim=True).expand_as(y)


def pooled(p, y, axes):
    """Summed over these axes, with the background and without, with a smoothing of 0 or 1."""
    values = []
    for smooth in (0, 1):
        for first in (0, 1):
            part = ratio(p[:, first:], y[:, first:], axes, smooth, smooth)
            values += [part, part.mean()]
    return values


SMOOTHINGS = [(s, s) for s in (1, 0.1, 0.01, 0.5, 2, 10, 100)] + [(2, 2), (2, 1), (0, 1), (0, 2)]
DICE_MISTAKES = {  # key: ((N, C, H, W) twice -> (N, C), ...), likely
    "two_forgotten": (
        [lambda p, y: ratio(p, y) / 2],
        "The factor 2 is missing: a perfect prediction must give 1, and gives one half.",
    ),
    "iou_returned": (
        [lambda p, y: ratio(p, y) / (2 - ratio(p, y))],
        "This is the soft IoU: you divide by the union. Dice divides by both sums.",
    ),
    "overlap_subtracted": (
        [lambda p, y: 2 * ratio(p, y) / (2 - ratio(p, y))],
        "The 2 is that of Dice, but you divide by the union, as IoU does. Dice: by both sums.",
    ),
    "squared_sums": (
        [squared, lambda p, y: ratio(p, y) / (p.sum((2, 3)) + y.sum((2, 3)))],
        "You divide by squares (as V-Net does). Here the probabilities are summed as they are.",
    ),
    "loss_returned": (
        [lambda p, y: 1 - ratio(p, y), lambda p, y: -ratio(p, y)],
        "This is the Dice loss. The Dice itself is asked for: 1 is perfect.",
    ),
    "one_sum_only": (
        [lambda p, y, f=f: f * (p * y).sum((2, 3)) / y.sum((2, 3)) for f in (1, 2)]
        + [lambda p, y, f=f: f * (p * y).sum((2, 3)) / p.sum((2, 3)) for f in (1, 2)],
        "You divide by one sum only. Dice has both, that of the prediction and that of the truth.",
    ),
    "thresholded": (
        [
            lambda p, y: ratio((p > 0.5).double(), y),
            lambda p, y: ratio(masks(p.argmax(1), p.shape[1]), y),
        ],
        "You make a hard mask first. Soft means with the probabilities; a mask has no gradient.",
    ),
    "softmax_again": (
        [lambda p, y: ratio(p.softmax(1), y), lambda p, y: ratio(p.sigmoid(), y)],
        "These are probabilities already: no softmax or sigmoid a second time.",
    ),
    "one_hot_reshaped": (
        [lambda p, y: ratio(p, mixed(y))],
        "one_hot puts the classes last. Move that axis (movedim, permute): view mixes the pixels.",
    ),
    "one_hot_forgotten": (
        [lambda p, y: ratio(p, class_numbers(y))],
        "target holds class numbers. Make a mask of 0 and 1 for each class first, as one_hot does.",
    ),
    "foreground_for_every_class": (
        [lambda p, y: ratio(p, (1 - y[:, :1]).expand_as(y))],
        "Every class is compared with all of the foreground. Class c has a mask of its own.",
    ),
    "averaged_over_pixels": (
        [lambda p, y: (2 * p * y / (p + y)).mean((2, 3))],
        "The ratio is taken pixel by pixel. Sum over the pixels first, then divide.",
    ),
    "percent": ([lambda p, y: 100 * ratio(p, y)], "From 0 to 1 is asked for, not per cent."),
    "brackets_forgotten": (
        [lambda p, y: 2 * (p * y).sum((2, 3))],
        "Nothing divides the overlap. Brackets around all that is above / and all that is below.",
    ),
    "smoothing_too_large": (
        [lambda p, y, s=s, t=t: ratio(p, y, above=s, below=t) for s, t in SMOOTHINGS],
        "The smoothing can be seen in the result. It shall only avoid 0 / 0: 1e-5 is enough.",
    ),
}
OTHER_SUMS = {  # key: (p, y -> tensors that are summed over other axes, likely)
    "pooled_over_batch": (
        lambda p, y: pooled(p, y, (0, 2, 3)),
        "You sum over the batch too: a large object in one image hides a small one in another.",
    ),
    "pooled_over_everything": (
        lambda p, y: pooled(p, y, (0, 1, 2, 3)),
        "You sum over everything. Sum over height and width only.",
    ),
    "pooled_over_classes": (
        lambda p, y: pooled(p, y, (1, 2, 3)),
        "You sum over the classes too. Sum over height and width only, axes 2 and 3.",
    ),
    "one_axis_only": (
        lambda p, y: [
            v
            for axis in (2, 3)
            for d in (ratio(p, y, axis), ratio(p[:, 1:], y[:, 1:], axis))
            for v in (d, d.mean(2), d.mean())
        ],
        "You sum along one axis of the image. Sum over height and width, axes 2 and 3.",
    ),
    "transposed": (
        lambda p, y: [ratio(p, y)[:, 1:].T, ratio(p, y).T],
        "The axes are swapped: one row for each image, one column for each class.",
    ),
    "background_included": (
        lambda p, y: means(ratio(p, y)),
        "Class 0, the background, is counted too. It is large and easy; leave it out: [:, 1:].",
    ),
    "last_class_left_out": (
        lambda p, y: means(ratio(p, y)[:, :-1]),
        "The last class is left out. It is class 0 that must go: [:, 1:].",
    ),
    "one_class_only": (
        lambda p, y: means(ratio(p, y)[:, 1:2]) + means(ratio(p[:, 1:2], 1 - y[:, :1])),
        "Only class 1 is there. Every class but the background has a column.",
    ),
    "first_image_left_out": (
        lambda p, y: means(ratio(p, y)[1:]),
        "[1:] leaves out the first image. [:, 1:] leaves out class 0.",
    ),
    "summed": (
        lambda p, y: [ratio(p, y)[:, 1:].sum(axes) for axes in (0, 1, (0, 1))],
        "The values are added up. Give them all, or their mean.",
    ),
}


def dice_mistake(answers):
    """(key, likely) of the known mistake that gives the learner's values, or None.

    answers: (the learner's values, p, y) of several cases; it must be the same form of all.
    """
    for key, (formulas, likely) in DICE_MISTAKES.items():
        if any(all_near(answers, every_form(formula)) for formula in formulas):
            return key, likely
    for key, (formula, likely) in OTHER_SUMS.items():
        if all_near(answers, formula, 2e-3):
            return key, likely
    return None


def every_form(formula):
    """Of values (N, C) all forms: without the background and with it, and the means."""
    return lambda p, y: [*means(formula(p, y)[:, 1:]), *means(formula(p, y))]


def all_near(answers, forms, most=1e-4):
    """Is one of the forms what the learner gives in every case?"""
    rows = [[near(got, form, most) for form in forms(p, y)] for got, p, y in answers]
    return any(map(all, zip(*rows, strict=True)))


# ---- the check ----------------------------------------------------------------------------------


def dice_case(n, classes, height, width):
    """Probabilities (N, C, H, W) and class numbers (N, H, W), no two images alike."""
    often = torch.linspace(1, -1, classes)[:, None, None]  # some classes have more pixels
    scores = 2 * torch.randn(n, classes, height, width) + often
    part = torch.linspace(0.3, 0.9, n)[:, None, None]  # the share of pixels that are predicted well
    other = torch.randint(classes, (n, height, width)) * (torch.rand(n, height, width) < 0.7)
    target = torch.where(torch.rand(n, height, width) < part, scores.argmax(1), other)
    return scores.softmax(1), target


@exercise("soft_dice(probabilities, target)", "06_loss_and_metrics", level=2, minutes=10)
def judge_soft_dice(learner):
    """Write the soft Dice of each image and each class but the background.

    probabilities: (N, C, H, W), from 0 to 1. target: (N, H, W) int64, class numbers 0 to C - 1.
    -> (N, C - 1), the classes 1 to C - 1: 2 x the sum of p y, over the sum of p + the sum of y.
    The sums go over the pixels of one image; y is 1 where the class is true, else 0. The mean of
    these values over classes, images or both is accepted as well. No threshold and no square:
    gradients flow. Where an image has neither truth nor probability of a class, the answer is 1.
    A smoothing above and below the line, 1e-5 as in the package, does that; above 1e-3 it shows.
    """
    cases = [
        dice_case(*shape) for shape in ((4, 3, 6, 8), (3, 4, 7, 5), (2, 2, 5, 6), (1, 3, 4, 3))
    ]
    for p, target in cases:
        form = check_dice(learner, p, target, cases[:2])
        yield f"probabilities of shape {tuple(p.shape)}"
    check_absent(learner)
    yield "a class that is nowhere true: 0 as soon as something of it is predicted"
    check_empty(learner)
    yield "a class that is neither true nor predicted: 1"
    p, target = dice_case(3, 3, 5, 4)
    check_true_gradient(learner, like_dice, p, target)
    yield "gradients flow"
    if form:
        yield f"you give the mean over {MEANS[form]}, where all values were asked for"


def like_dice(got, p, target):
    """The right values in the form of the learner's: all, or a mean."""
    forms = means(ratio(p, masks(target, p.shape[1]))[:, 1:])
    found = [form for form in forms if near(got, form)]
    if not found:
        raise Wrong("wrong_value", "With gradients on, the values are others than before.")
    return found[0]


def check_dice(learner, p, target, cases):
    """Which of `means` is right in one case, or Wrong. cases: to recognise a mistake by."""
    y = masks(target, p.shape[1])
    right = ratio(p, y, above=1e-5, below=1e-5)[:, 1:]
    try:
        got = as_tensor(call(learner, p, target))
        fitting = [form for form, values in enumerate(means(right)) if near(got, values)]
        if fitting:
            return fitting[0]
        answers = [(as_tensor(call(learner, *c)), c[0], masks(c[1], c[0].shape[1])) for c in cases]
    except Wrong as wrong:
        raise takes_masks(wrong, learner, p, y) from None
    fails = dice_example(got, p, y, right)
    found = dice_mistake(answers)
    if found:
        raise Wrong(found[0], fails, found[1])
    if got.shape in [form.shape for form in means(right)]:
        raise Wrong("wrong_value", fails, "Take one image and one class: which of its sums is off?")
    raise Wrong("wrong_shape", fails, "Only height and width, axes 2 and 3, are summed away.")


def takes_masks(wrong, learner, p, y):
    """What raises, by what does not: masks for class numbers, or N, C, H and W of one length."""
    if wrong.diagnosis != "raises":
        return wrong
    cube = dice_case(3, 3, 3, 3)
    for pair in ((p, y.float()), (p[:, 1], y[:, 1].float()), cube):
        try:
            run(learner, *pair)
        except Wrong:
            continue
        if pair is cube:
            return Wrong("one_hot_not_moved", wrong.fails, NOT_MOVED)
        return Wrong("one_hot_forgotten", wrong.fails, DICE_MISTAKES["one_hot_forgotten"][1])
    return wrong


NOT_MOVED = "The masks are not (N, C, H, W). one_hot puts the classes last: movedim(3, 1)."


def dice_example(got, p, y, right):
    """The first value that is not right, in words."""
    shape = tuple(p.shape)
    if got.shape == right.shape:
        apart = ((got - right).abs() <= 2e-3).logical_not()  # NaN too
        image, column = apart.nonzero()[0].tolist() if apart.any() else (0, 0)
        both, predicted, true = (float(s[image, column + 1]) for s in sums(p, y))
        return (
            f"In image {image} the sums of class {column + 1} are p y {both:.3f}, p {predicted:.3f}"
            f" and y {true:.0f}: that is {right[image, column]:.4f}, and yours gives "
            f"{got[image, column]:.4f}."
        )
    text = f"{shape} must give {tuple(right.shape)}, of mean {right.mean():.4f}"
    mine = f"a shape of {tuple(got.shape)}" if got.dim() else f"one number, {got.item():.4f}"
    return f"{text}, and yours gives {mine}."


def check_absent(learner):
    """Raise Wrong unless a class without a true pixel gets 0, whatever classes are true."""
    p = torch.full((2, 3, 4, 6), 1 / 24)  # 1 pixel in all for the classes 1 and 2
    p[:, 0] = 1 - 2 / 24
    target = torch.zeros(2, 4, 6, dtype=torch.long)
    fails = "Two classes are nowhere true and have a sum of p of 1: the answer is 0"
    try:
        got = as_tensor(call(learner, p, target))
    except Wrong as wrong:
        raise Wrong("classes_from_target", f"{fails}. {wrong.fails}", FROM_P) from None
    if got.shape not in [form.shape for form in means(p[:, 1:, 0, 0])]:
        raise Wrong("classes_from_target", f"{fails}, and {got.shape} comes.", FROM_P)
    if not near(got, torch.zeros_like(got)):
        fails += f", and yours gives {got.flatten()[0]:.4f}."
        raise Wrong(*absent_mistake(learner, p, target, got, fails))


def absent_mistake(learner, p, target, got, fails):
    """Key, example and likely mistake where a class that is nowhere true does not get 0."""
    if not ((got > 0).all() and (got < 0.9).all()):
        return "absent_not_zero", fails, "1 only if nothing of the class is predicted either."
    target[:, 0, 0] = 2  # now the last class is there
    got, right = as_tensor(call(learner, p, target)), ratio(p, masks(target, 3))[:, 1:]
    if any(near(got, form) for form in means(right)):
        return "classes_from_target", fails, FROM_P
    return "smoothing_too_large", fails, DICE_MISTAKES["smoothing_too_large"][1]


def check_empty(learner):
    """Raise Wrong unless 0 / 0 gives 1."""
    p = torch.zeros(2, 3, 4, 6)
    p[:, 0] = 1
    try:
        got = as_tensor(call(learner, p, torch.zeros(2, 4, 6, dtype=torch.long)))
    except Wrong as wrong:
        if wrong.diagnosis != "raises":
            raise
        got, fails = torch.tensor(torch.nan), wrong.fails
    else:
        fails = f"Yours gives {got.flatten()[0]:.4f}."
    if near(got, torch.ones_like(got)):
        return
    key = "division_by_zero" if not got.isfinite().all() else "empty_not_one"
    key = "empty_is_zero" if near(got, torch.zeros_like(got)) else key
    fails = f"Nothing is true and nothing is predicted: 0 / 0, which shall be 1. {fails}"
    raise Wrong(key, fails, "Add the same small number, 1e-5, above and below the line.")
