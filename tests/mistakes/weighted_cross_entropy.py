"""Wrong and right ways to write weighted_cross_entropy."""

import torch
import torch.nn.functional as F
from torch import nn

from unet_lesson import objective


def pixels(logits, target):
    return F.cross_entropy(logits, target, reduction="none")


def of(formula):
    """A formula of the loss of each pixel and its weight, (N, H, W) each."""
    return lambda logits, target, weights: formula(pixels(logits, target), weights)


def after(change, loss=None):
    """The right one, of changed logits."""
    return lambda x, y, w: (w * pixels(change(x), y)).mean()


def probability(logits, target):
    return logits.softmax(1).gather(1, target[:, None])[:, 0]


def plain(logits, target, weights):
    return (weights * -logits.log_softmax(1).gather(1, target[:, None])[:, 0]).mean()


def by_one_hot(logits, target, weights):
    y = F.one_hot(target, logits.shape[1]).permute(0, 3, 1, 2)
    return -(weights * (y * F.log_softmax(logits, dim=1)).sum(1)).sum() / weights.numel()


def by_hand(logits, target, weights):
    """Log-sum-exp with the shift by the largest."""
    shifted = logits - logits.max(1, keepdim=True).values
    log_p = shifted - shifted.exp().sum(1, keepdim=True).log()
    n, _, h, w = logits.shape
    at = torch.arange(n)[:, None, None], target, torch.arange(h)[:, None], torch.arange(w)
    return -(log_p[at] * weights).mean()


def image_by_image(logits, target, weights):
    total = 0.0
    for x, y, w in zip(logits, target, weights, strict=True):
        total = (
            total + (w * F.nll_loss(x[None].log_softmax(1), y[None], reduction="none")[0]).mean()
        )
    return total / len(logits)


def pixel_by_pixel(logits, target, weights):
    rows, n = logits.movedim(1, -1).reshape(-1, logits.shape[1]), weights.numel()
    losses = torch.stack(
        [r.logsumexp(0) - r[t] for r, t in zip(rows, target.flatten(), strict=True)]
    )
    return torch.dot(losses, weights.reshape(-1)) / n


def wrong_axis(axis):
    return lambda x, y, w: (w * -x.log_softmax(axis).gather(1, y[:, None])[:, 0]).mean()


def wrong_gather(axis):
    return lambda x, y, w: (w * -x.log_softmax(1).gather(axis, y[:, None])[:, 0]).mean()


def no_shift(logits, target, weights):
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    return (weights * -p.gather(1, target[:, None])[:, 0].log()).mean()


def log_of_sums(logits, target, weights):
    log_p = logits - logits.exp().sum(1, keepdim=True).log()
    return (weights * -log_p.gather(1, target[:, None])[:, 0]).mean()


def keeps_axis(logits, target, weights):
    """(N, 1, H, W) times (N, H, W)."""
    return (weights * -logits.log_softmax(1).gather(1, target[:, None])).mean()


def in_numpy(logits, target, weights):
    x = torch.from_numpy(logits.numpy())
    return plain(x, target, weights)


def shifts_in_place(logits, target, weights):
    logits -= logits.max(1, keepdim=True).values
    return plain(logits, target, weights)


def one_hot_mean(logits, target, weights):
    y = F.one_hot(target, logits.shape[1]).movedim(3, 1)
    return -(weights[:, None] * y * logits.log_softmax(1)).mean()


def binary(logits, target, weights):
    y = F.one_hot(target, logits.shape[1]).movedim(3, 1).float()
    return F.binary_cross_entropy_with_logits(logits, y, weights[:, None].expand_as(y))


def by_mask(logits, target, weights):
    """A mask for each class that there may be."""
    log_p = logits.log_softmax(1)
    losses = [-weights * (target == c) * log_p[:, c] for c in range(logits.shape[1])]
    return torch.stack(losses).sum(0).mean()


def two_classes(logits, target, weights):
    z = logits[:, 1] - logits[:, 0]
    return (weights * F.softplus(torch.where(target == 1, -z, z))).mean()


def of_target(logits, target, weights):
    """One channel where only class 0 is true."""
    y = F.one_hot(target).movedim(-1, 1)
    return -(weights * (y * logits.log_softmax(1)).sum(1)).mean()


WRONG = {
    "minus_forgotten": [
        of(lambda loss, w: -(w * loss).mean()),
        lambda x, y, w: (w * x.log_softmax(1).gather(1, y[:, None])[:, 0]).mean(),
    ],
    "weights_ignored": [of(lambda loss, w: loss.mean()), lambda x, y, w: F.cross_entropy(x, y)],
    "mean_over_weights": [of(lambda loss, w: (w * loss).sum() / w.sum())],
    "sum_returned": [of(lambda loss, w: (w * loss).sum())],
    "mean_over_images_only": [of(lambda loss, w: (w * loss).sum((1, 2)).mean())],
    "mean_over_classes": [one_hot_mean],
    "weights_averaged": [
        of(lambda loss, w: loss.mean() * w.mean()),
        lambda x, y, w: (F.cross_entropy(x, y) * w).mean(),
        lambda x, y, w: (F.cross_entropy(x, y) * w).sum(),
    ],
    "broadcast_over_batch": [keeps_axis, of(lambda loss, w: (w[:, None] * loss).mean())],
    "weights_of_first_image": [of(lambda loss, w: (w[0] * loss).mean())],
    "weights_mixed": [
        of(lambda loss, w: (w.flip(0) * loss).mean()),
        of(lambda loss, w: (loss.mean((1, 2)) * w.mean((1, 2))).mean()),
    ],
    "softmax_twice": [
        after(lambda x: x.softmax(1)),
        lambda x, y, w: (w * nn.CrossEntropyLoss(reduction="none")(nn.Softmax2d()(x), y)).mean(),
    ],
    "weights_before_log": [lambda x, y, w: -(w * probability(x, y)).log().mean()],
    "weights_on_logits": [lambda x, y, w: F.cross_entropy(w[:, None] * x, y)],
    "log_forgotten": [
        lambda x, y, w: -(w * probability(x, y)).mean(),
        lambda x, y, w: F.nll_loss(x.softmax(1) * w[:, None], y),
        lambda x, y, w: (w * (1 - probability(x, y))).mean(),
    ],
    "softmax_forgotten": [lambda x, y, w: (w * F.nll_loss(x, y, reduction="none")).mean()],
    "softmax_wrong_axis": [wrong_axis(0), wrong_axis(2), wrong_axis(-1)],
    "gather_wrong_axis": [wrong_gather(2), wrong_gather(3)],
    "classes_not_moved": [
        lambda x, y, w: (pixels(x.reshape(-1, x.shape[1]), y.flatten()) * w.flatten()).mean()
    ],
    "all_classes": [lambda x, y, w: -(w[:, None] * x.log_softmax(1)).mean()],
    "class_1_only": [lambda x, y, w: -(w * y * x.log_softmax(1)[:, 1]).mean()],
    "sigmoid_for_softmax": [binary],
    "other_base": [of(lambda loss, w: (w * loss).mean() / torch.tensor(2.0).log())],
    "weights_squared": [of(lambda loss, w: (w * (w * loss)).mean())],
    "weights_added": [
        of(lambda loss, w: (w + loss).mean()),
        of(lambda loss, w: ((1 + w) * loss).mean()),
    ],
    "not_reduced": [
        of(lambda loss, w: w * loss),
        of(lambda loss, w: (w * loss).mean((1, 2))),
        lambda x, y, w: w[:, None] * x.log_softmax(1),
    ],
    "zero_weights_left_out": [
        lambda x, y, w: (w * F.cross_entropy(x, y, reduction="none")).sum() / (w > 0).sum()
    ],
    "two_classes_only": [two_classes],
    "classes_from_target": [of_target],
    "overflow": [no_shift, log_of_sums],
    "log_of_zero": [lambda x, y, w: (w * -probability(x, y).log()).mean()],
    "log_clipped": [
        lambda x, y, w: (w * -(probability(x, y) + 1e-8).log()).mean(),
        lambda x, y, w: (w * -probability(x, y).clamp(1e-7, 1).log()).mean(),
    ],
    "gradient_stops": [
        in_numpy,
        lambda x, y, w: plain(x, y, w).item(),
        lambda x, y, w: plain(x, y, w).detach(),
        lambda x, y, w: plain(x.data, y, w),
        lambda x, y, w: torch.tensor(plain(x, y, w).item(), requires_grad=True),
    ],
    "changes_input": [shifts_in_place],
    "wrong_value": [
        lambda x, y, w: plain(x, y, w) + 1,
        lambda x, y, w: 0.0 * plain(x, y, w),
        lambda x, y, w: plain(x, y, w) * torch.nan,
    ],
    "wrong_return": [lambda x, y, w: [plain(x, y, w)], lambda x, y, w: "loss"],
    "raises": [
        lambda x, y, w: F.cross_entropy(x, y, weight=w),
        lambda x, y, w: (w * F.cross_entropy(y, x, reduction="none")).mean(),
        lambda x, y, w: -(w * x.log_softmax(1).gather(1, y)).mean(),
        lambda x, y, w: (w * F.cross_entropy(x, y[:, None], reduction="none")).mean(),
    ],
    "returns_nothing": [lambda x, y, w: print(end="")],
    "wrong_signature": [lambda x, y: x],
    "wrong_kind": [nn.CrossEntropyLoss, torch.tensor(1.0)],
    "not_attempted": [None, lambda logits, target, weights: None],
}
RIGHT = [
    plain,
    objective.weighted_cross_entropy,
    by_one_hot,
    by_hand,
    image_by_image,
    pixel_by_pixel,
    of(lambda loss, w: (w * loss).mean()),
    of(lambda loss, w: (w * loss).sum() / loss.numel()),
    lambda x, y, w: torch.einsum("nhw,nhw->", w, pixels(x, y)) / y.numel(),
    after(lambda x: x.log_softmax(1)),
    after(lambda x: x.double()),
    by_mask,
]
