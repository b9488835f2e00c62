"""Wrong and right ways to write soft_dice."""

import numpy as np
import torch
import torch.nn.functional as F

from unet_lesson import objective


def masks(p, target):
    return F.one_hot(target, p.shape[1]).movedim(3, 1).float()  # (N, C, H, W)


def sums(p, y, axes=(2, 3)):
    return (p * y).sum(axes), p.sum(axes), y.sum(axes)


def formula(change, axes=(2, 3), first=1, truth=masks):
    """Soft Dice of which a part is changed."""

    def soft_dice(p, target):
        y = truth(p, target)
        return change(*sums(p[:, first:], y[:, first:], axes))

    return soft_dice


def right(both, predicted, true):
    return (2 * both + 1e-5) / (predicted + true + 1e-5)


def on(change_p):
    """The right one, of changed probabilities."""
    return lambda p, target: plain(change_p(p), target)


plain = formula(right)


def squared(p, target):
    p, y = p[:, 1:], masks(p, target)[:, 1:]
    return (2 * (p * y).sum((2, 3)) + 1e-5) / ((p**2).sum((2, 3)) + (y**2).sum((2, 3)) + 1e-5)


def class_by_class(p, target):
    """A loop over images and classes."""
    out = torch.ones(len(p), p.shape[1] - 1)
    for n in range(len(p)):
        for c in range(1, p.shape[1]):
            q, y = p[n, c], target[n] == c
            total = q.sum() + y.sum()
            if total > 0:
                out[n, c - 1] = 2 * q[y].sum() / total
    return out


def by_einsum(p, target):
    y = torch.eye(p.shape[1])[target]  # (N, H, W, C)
    both = torch.einsum("nchw,nhwc->nc", p, y)
    total = p.sum((2, 3)) + y.sum((1, 2))
    return ((2 * both + 1e-6) / (total + 1e-6))[:, 1:]


def flat(p, target):
    n, c = p.shape[:2]
    p, y = (
        p.reshape(n, c, -1),
        torch.zeros_like(p).scatter_(1, target[:, None], 1).reshape(n, c, -1),
    )
    tp = (p * y).sum(-1)
    fp, fn = (p * (1 - y)).sum(-1), ((1 - p) * y).sum(-1)
    return ((2 * tp + 1e-8) / (2 * tp + fp + fn + 1e-8))[:, 1:]


def by_where(p, target):
    both, predicted, true = sums(p[:, 1:], masks(p, target)[:, 1:])
    total = predicted + true
    return torch.where(total > 0, 2 * both / total.clamp_min(1e-12), torch.ones_like(total))


def stacked(p, target):
    rows = [
        torch.stack([right(*(s.sum() for s in (q * (t == c), q, (t == c).float()))) for c, q in k])
        for k, t in ((list(enumerate(image))[1:], t) for image, t in zip(p, target, strict=True))
    ]
    return torch.stack(rows)


def by_distance(p, target):
    """1 - (differences) / (both sums)."""
    p, y = p[:, 1:], masks(p, target)[:, 1:]
    return 1 - (p - y).abs().sum((2, 3)) / ((p + y).sum((2, 3)) + 1e-9)


def in_numpy(p, target):
    y = (target.numpy()[:, None] == np.arange(p.shape[1])[:, None, None])[:, 1:]
    q = p.numpy()[:, 1:]
    both, total = (q * y).sum((2, 3)), q.sum((2, 3)) + y.sum((2, 3))
    return (2 * both + 1e-5) / (total + 1e-5)


def detached_overlap(p, target):
    both, predicted, true = sums(p[:, 1:], masks(p, target)[:, 1:])
    return right(both.detach(), predicted, true)


def in_place(p, target):
    p[:, 0] = 0
    return plain(p, target)


def fixed_classes(p, target):
    """Takes the classes from the target."""
    y = F.one_hot(target).movedim(3, 1)
    return right(*sums(p[:, 1:], y[:, 1:]))


def broadcast(p, target):
    """One mask for all classes if only class 0 is true."""
    return right(*sums(p, F.one_hot(target).movedim(3, 1)))[:, 1:]


def viewed(p, target):
    return F.one_hot(target, p.shape[1]).view(p.shape).float()


def foreground(p, target):
    return (target > 0).float()[:, None].expand_as(p)


def numbers(p, target):
    return target[:, None].float().expand_as(p)


def per_pixel(p, target):
    p, y = p[:, 1:], masks(p, target)[:, 1:]
    return (2 * p * y / (p + y)).mean((2, 3))


def one_mask(p, target):
    return 2 * (p * target).sum((1, 2)) / (p.sum((1, 2)) + target.sum((1, 2)) + 1e-5)


WRONG = {
    "two_forgotten": [
        formula(lambda i, a, b: i / (a + b)),
        formula(lambda i, a, b: (i + 1e-5) / (a + b + 1e-5)),
        formula(lambda i, a, b: (i / (a + b)).mean()),
    ],
    "iou_returned": [
        formula(lambda i, a, b: i / (a + b - i)),
        formula(lambda i, a, b: ((i + 1e-6) / (a + b - i + 1e-6)).mean(0)),
    ],
    "overlap_subtracted": [formula(lambda i, a, b: 2 * i / (a + b - i))],
    "squared_sums": [squared],
    "loss_returned": [
        formula(lambda i, a, b: 1 - right(i, a, b)),
        formula(lambda i, a, b: -right(i, a, b).mean()),
    ],
    "one_sum_only": [
        formula(lambda i, a, b: i / (b + 1e-6)),
        formula(lambda i, a, b: 2 * i / (a + 1e-6)),
    ],
    "pooled_over_batch": [
        formula(right, (0, 2, 3)),
        formula(lambda *s: right(*s).mean(), (0, 2, 3)),
        formula(right, (0, 2, 3), first=0),
    ],
    "pooled_over_everything": [
        lambda p, t: right(*(s.sum() for s in sums(p[:, 1:], masks(p, t)[:, 1:]))),
        lambda p, t: right(*(s.sum() for s in sums(p, masks(p, t)))),
        lambda p, t: (2 * (p * masks(p, t)).sum() + 1) / (p.sum() + masks(p, t).sum() + 1),
    ],
    "pooled_over_classes": [formula(right, (1, 2, 3)), formula(right, (1, 2, 3), first=0)],
    "one_axis_only": [formula(right, (3,)), formula(lambda *s: right(*s).mean(2), (2,))],
    "transposed": [lambda p, t: plain(p, t).T],
    "background_included": [
        formula(right, first=0),
        formula(lambda *s: right(*s).mean(), first=0),
        formula(lambda *s: right(*s).mean(1), first=0),
    ],
    "last_class_left_out": [lambda p, t: right(*sums(p, masks(p, t)))[:, :-1]],
    "one_class_only": [lambda p, t: plain(p, t)[:, 0], lambda p, t: plain(p, t)[:, :1]],
    "summed": [lambda p, t: plain(p, t).sum()],
    "thresholded": [
        on(lambda p: (p > 0.5).float()),
        on(lambda p: masks(p, p.argmax(1))),
        on(torch.round),
    ],
    "softmax_again": [on(lambda p: p.softmax(1)), on(torch.sigmoid)],
    "one_hot_reshaped": [formula(right, truth=viewed)],
    "one_hot_forgotten": [
        formula(right, truth=numbers),
        one_mask,
        lambda p, t: right(*((p * t).sum((2, 3)), p.sum((2, 3)), t.sum((2, 3)))),
    ],
    "foreground_for_every_class": [formula(right, truth=foreground)],
    "averaged_over_pixels": [per_pixel],
    "percent": [lambda p, t: 100 * plain(p, t)],
    "smoothing_too_large": [
        formula(lambda i, a, b: (2 * i + 1) / (a + b + 1)),
        formula(lambda i, a, b: (2 * i + 0.01) / (a + b + 0.01)),
        formula(lambda i, a, b: 2 * (i + 1) / (a + b + 2)),
        formula(lambda i, a, b: 2 * i / (a + b + 1)),
    ],
    "division_by_zero": [formula(lambda i, a, b: 2 * i / (a + b))],
    "empty_is_zero": [
        formula(lambda i, a, b: 2 * i / (a + b + 1e-8)),
        formula(lambda i, a, b: 2 * i / (a + b).clamp_min(1e-6)),
        formula(lambda i, a, b: torch.nan_to_num(2 * i / (a + b))),
    ],
    "empty_not_one": [
        formula(lambda i, a, b: 2 * (i + 1e-6) / (a + b + 1e-6)),
        formula(lambda i, a, b: (2 * i + 1e-6) / (a + b + 2e-6)),
    ],
    "brackets_forgotten": [
        formula(lambda i, a, b: 2 * i + 1e-5 / (a + b) + 1e-5),
        formula(lambda i, a, b: (2 * i + 1e-5 / (a + b) + 1e-5).mean()),
    ],
    "first_image_left_out": [lambda p, t: right(*sums(p, masks(p, t)))[1:]],
    "one_hot_not_moved": [
        formula(right, truth=lambda p, t: F.one_hot(t, p.shape[1])),
        formula(right, truth=lambda p, t: F.one_hot(t, p.shape[1]).permute(0, 3, 2, 1)),
        formula(right, truth=lambda p, t: F.one_hot(t, p.shape[1]).transpose(1, 3)),
    ],
    "absent_not_zero": [
        lambda p, t: torch.where(masks(p, t).sum((2, 3)) > 0, right(*sums(p, masks(p, t))), 1.0)[
            :, 1:
        ]
    ],
    "classes_from_target": [fixed_classes, broadcast, lambda p, t: broadcast(p, t).mean()],
    "gradient_stops": [
        in_numpy,
        detached_overlap,
        lambda p, t: plain(p, t).detach(),
        lambda p, t: plain(p, t).mean().item(),
        lambda p, t: torch.tensor(plain(p, t).tolist()),
    ],
    "changes_input": [in_place],
    "wrong_shape": [lambda p, t: plain(p, t)[..., None], formula(right, (1, 2))],
    "wrong_value": [lambda p, t: plain(p, t) ** 3, lambda p, t: 0 * plain(p, t)],
    "wrong_return": [
        lambda p, t: plain(p, t).tolist(),
        lambda p, t: list(plain(p, t)),
        lambda p, t: (plain(p, t), 1),
    ],
    "raises": [lambda p, t: plain(p, t).men(), lambda p, t: p.no_such()],
    "returns_nothing": [lambda p, t: print(end="")],
    "wrong_signature": [lambda p: p],
    "wrong_kind": [objective, 1.0],
    "not_attempted": [None, ..., lambda p, t: None],
}
RIGHT = [
    plain,
    objective.soft_dice,
    class_by_class,
    by_einsum,
    flat,
    by_where,
    stacked,
    lambda p, t: objective.soft_dice(p, t).mean(),
    lambda p, t: plain(p.double(), t).mean(0),
    lambda p, t: plain(p, t).mean(dim=1),
    formula(lambda i, a, b: (2 * i + 1e-3) / (a + b + 1e-3)),
]
