"""Wrong and right ways to write crop_and_concat."""

import torch
import torch.nn.functional as F
from torchvision.transforms.functional import center_crop as torchvision_crop

from unet_lesson import center_crop


def middle(below, skip):
    (height, width), (tall, wide) = below.shape[2:], skip.shape[2:]
    top, left = (tall - height) // 2, (wide - width) // 2
    return skip[:, :, top : top + height, left : left + width]


def shifted(below, skip, by=1):
    (height, width), (tall, wide) = below.shape[2:], skip.shape[2:]
    top, left = max((tall - height) // 2 + by, 0), max((wide - width) // 2 + by, 0)
    return skip[:, :, top : top + height, left : left + width]


def plain(below, skip):
    return torch.cat([below, middle(below, skip)], dim=1)


def corner(below, skip):
    return torch.cat([below, skip[:, :, : below.shape[2], : below.shape[3]]], dim=1)


def far_corner(below, skip):
    return torch.cat([below, skip[:, :, -below.shape[2] :, -below.shape[3] :]], dim=1)


def one_margin(below, skip):
    """The margin of the height for both axes."""
    (height, width), top = below.shape[2:], (skip.shape[2] - below.shape[2]) // 2
    return torch.cat([below, skip[:, :, top : top + height, top : top + width]], dim=1)


def minus_margin(below, skip):
    top, left = ((b - a) // 2 for a, b in zip(below.shape[2:], skip.shape[2:], strict=True))
    return torch.cat([below, skip[:, :, top:-top, left:-left]], dim=1)


def same_on_both_sides(below, skip):
    top, left = ((b - a) // 2 for a, b in zip(below.shape[2:], skip.shape[2:], strict=True))
    height, width = skip.shape[2:]
    return torch.cat([below, skip[:, :, top : height - top, left : width - left]], dim=1)


def pads_below(below, skip):
    left, top = ((skip.shape[i] - below.shape[i]) // 2 for i in (3, 2))
    right, bottom = (skip.shape[i] - below.shape[i] - m for i, m in ((3, left), (2, top)))
    return torch.cat([F.pad(below, (left, right, top, bottom)), skip], dim=1)


def adds_in_place(below, skip):
    below += middle(below, skip)
    return below


def negative_padding(below, skip):
    left, top = ((skip.shape[i] - below.shape[i]) // 2 for i in (3, 2))
    right, bottom = (skip.shape[i] - below.shape[i] - m for i, m in ((3, left), (2, top)))
    return torch.cat((below, F.pad(skip, (-left, -right, -top, -bottom))), -3)


def into_empty(below, skip):
    channels = below.shape[1]
    out = below.new_empty(below.shape[0], channels + skip.shape[1], *below.shape[2:])
    out[:, :channels], out[:, channels:] = below, middle(below, skip)
    return out


def stacks(below, skip):
    return torch.stack([below, middle(below, skip)], dim=1)


def by_list(below, skip):
    """Channel by channel."""
    maps = [*below.unbind(1), *middle(below, skip).unbind(1)]
    return torch.stack(maps, dim=1)


def minus_one_margin(below, skip):
    margin = (skip.shape[2] - below.shape[2]) // 2
    return torch.cat([below, skip[:, :, margin:-margin, margin:-margin]], dim=1)


def pixel_too_few(below, skip):
    """-d // 2 rounds away from 0."""
    dy, dx = (b - a for a, b in zip(below.shape[2:], skip.shape[2:], strict=True))
    return torch.hstack([below, F.pad(skip, (-dx // 2, -dx // 2, -dy // 2, -dy // 2))])


def size_as_margin(below, skip):
    height, width = below.shape[2:]
    return torch.cat([below, skip[:, :, height:-height, width:-width]], dim=1)


def refuses(below, skip):
    assert all((a - b) % 2 == 0 for a, b in zip(below.shape[2:], skip.shape[2:], strict=True))
    return plain(below, skip)


WRONG = {
    "concat_batch": [
        lambda b, s: torch.cat([b, middle(b, s)]),
        lambda b, s: torch.cat([b, middle(b, s)], dim=0),
    ],
    "concat_height": [lambda b, s: torch.cat([b, middle(b, s)], 2)],
    "concat_width": [lambda b, s: torch.cat([b, middle(b, s)], -1)],
    "stacked": [stacks],
    "added": [lambda b, s: b + middle(b, s)],
    "changes_input": [adds_in_place],
    "mixed": [lambda b, s: torch.maximum(b, middle(b, s)), lambda b, s: (b + middle(b, s)) / 2],
    "below_only": [lambda b, s: b],
    "skip_only": [lambda b, s: middle(b, s)],
    "skip_first": [
        lambda b, s: torch.cat([middle(b, s), b], 1),
        lambda b, s: plain(s[:, :, : b.shape[2], : b.shape[3]], b),
    ],
    "skip_unused": [lambda b, s: torch.cat([b, b], 1)],
    "arguments_swapped": [lambda skip, below: plain(below, skip)],
    "cropped_otherwise": [minus_one_margin],
    "not_cropped": [lambda b, s: torch.cat([b, s], 1)],
    "below_enlarged": [
        pads_below,
        lambda b, s: torch.cat([F.interpolate(b, s.shape[2:]), s], 1),
    ],
    "corner_crop": [corner],
    "far_corner_crop": [far_corner],
    "off_by_one": [
        lambda b, s: torch.cat([b, shifted(b, s)], 1),
        lambda b, s: torch.cat([b, shifted(b, s, -1)], 1),
    ],
    "width_not_centred": [one_margin],
    "resized": [lambda b, s: torch.cat([b, F.interpolate(s, b.shape[2:])], 1)],
    "no_piece": [lambda b, s: torch.cat([b, middle(b, s).relu() * 2], 1)],
    "margin_hard_coded": [
        lambda b, s: torch.cat([b, s[:, :, 2:-2, 3:-3]], 1),
        lambda b, s: torch.cat([b, s[:, :, 2:10, 3:13]], 1),
    ],
    "empty_without_margin": [minus_margin],
    "cut_to_nothing": [size_as_margin],
    "odd_difference": [same_on_both_sides, pixel_too_few],
    "below_changed": [
        lambda b, s: plain(b, s).long(),
        lambda b, s: plain(-b, s),
        lambda b, s: plain(b.flip(3), s),
    ],
    "gradient_stops": [lambda b, s: plain(b, s.detach())],
    "wrong_return": [lambda b, s: (b, middle(b, s)), lambda b, s: [b, middle(b, s)]],
    "returns_nothing": [lambda b, s: plain(b, s) * 0 if b is None else None],
    "raises": [
        lambda b, s: torch.cat(b, s),
        lambda b, s: b + s,
        lambda b, s: torch.cat([center_crop(b, s.shape[2:]), s], dim=1),
        lambda skip, below: torch.cat([below, center_crop(skip, below.shape[2:])], dim=1),
    ],
    "not_attempted": [lambda b, s: ...],
}
RIGHT = [
    plain,
    refuses,
    lambda below, skip: torch.cat((below, center_crop(skip, below.shape[2:])), 1),
    lambda b, s: torch.cat([b, torchvision_crop(s, list(b.shape[-2:]))], dim=-3),
    lambda b, s: torch.hstack([b, middle(b, s)]),
    lambda b, s: torch.concat([b, middle(b, s)], axis=1),
    negative_padding,
    into_empty,
    by_list,
]
