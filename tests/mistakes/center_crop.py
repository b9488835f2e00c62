"""Wrong and right ways to write center_crop."""

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.transforms import CenterCrop
from torchvision.transforms.functional import center_crop as torchvision_crop

import unet_lesson


def cut(x, top, left, height, width):
    return x[:, :, top : top + height, left : left + width]


def margins(x, size):
    return (x.shape[2] - size[0]) // 2, (x.shape[3] - size[1]) // 2


def plain(x, size):
    return cut(x, *margins(x, size), *size)


def minus_margin(x, size):
    """Empty where the margin is 0."""
    top, left = margins(x, size)
    return x[:, :, top:-top, left:-left]


def same_on_both_sides(x, size):
    """One pixel too many where the difference is odd."""
    (top, left), (height, width) = margins(x, size), x.shape[2:]
    return x[:, :, top : height - top, left : width - left]


def float_margin(x, size):
    top, left = (x.shape[2] - size[0]) / 2, (x.shape[3] - size[1]) / 2
    return cut(x, top, left, *size)


def one_margin(x, size):
    """The margin of the height for both axes."""
    top, _ = margins(x, size)
    return cut(x, top, top, *size)


def whole_difference(x, size):
    top, left = x.shape[2] - size[0], x.shape[3] - size[1]
    return x[:, :, top : x.shape[2] - top, left : x.shape[3] - left]


def swapped_size(x, size):
    width, height = size
    return plain(x, (height, width))


def one_less(x, size):
    top, left = margins(x, size)
    return cut(x, max(top - 1, 0), max(left - 1, 0), *size)


def in_place(x, size):
    out = plain(x, size)
    out.mul_(1.5)
    return out


def wrong_on_odd(x, size):
    """Takes a corner where there is no middle."""
    odd = (x.shape[2] - size[0]) % 2 or (x.shape[3] - size[1]) % 2
    return cut(x, 0, 0, *size) if odd else plain(x, size)


def refuses_odd(x, size):
    if (x.shape[2] - size[0]) % 2 or (x.shape[3] - size[1]) % 2:
        raise ValueError("no middle")
    return plain(x, size)


def rounds_up(x, size):
    top, left = -((size[0] - x.shape[2]) // 2), -((size[1] - x.shape[3]) // 2)
    return cut(x, top, left, *size)


def by_padding(x, size):
    (top, left), (height, width) = margins(x, size), x.shape[2:]
    return F.pad(x, (-left, left + size[1] - width, -top, top + size[0] - height))


def by_narrow(x, size):
    for axis, length in zip((2, 3), size, strict=True):
        x = x.narrow(axis, (x.size(axis) - length) // 2, length)
    return x


def by_peeling(x, size):
    """Takes a row or a column off each end until the size is right."""
    while x.shape[2] > size[0]:
        x = x[:, :, 1:-1] if x.shape[2] > size[0] + 1 else x[:, :, 1:]
    while x.shape[3] > size[1]:
        x = x[..., 1:-1] if x.shape[3] > size[1] + 1 else x[..., :-1]
    return x


def by_index(x, size):
    rows, columns = (torch.arange(n) + m for n, m in zip(size, margins(x, size), strict=True))
    return x[:, :, rows[:, None], columns]


def centre_and_half(x, size):
    row, column = x.shape[2] // 2, x.shape[3] // 2
    up, left = size[0] // 2, size[1] // 2
    return x[:, :, row - up : row + up, column - left : column + left]


def minus_one_margin(x, size):
    margin = (x.shape[2] - size[0]) // 2
    return x[:, :, margin:-margin, margin:-margin] if margin else x


def without_colons(x, size):
    """Cuts axes 0 and 1."""
    top, left = margins(x, size)
    return x[top : top + size[0], left : left + size[1]]


def odd(otherwise):
    """The right one, but for an odd difference this comes, or is raised."""

    def cuts(x, size):
        if (x.shape[2] - size[0]) % 2 or (x.shape[3] - size[1]) % 2:
            if otherwise:
                raise otherwise("odd")
            return None
        return plain(x, size)

    return cuts


class Crop(nn.Module):
    def forward(self, x, size):
        return plain(x, size).clone()


WRONG = {
    "corner_crop": [lambda x, s: x[:, :, : s[0], : s[1]], lambda x, s: cut(x, 0, 0, *s)],
    "far_corner_crop": [lambda x, s: cut(x, x.shape[2] - s[0], x.shape[3] - s[1], *s)],
    "margins_swapped": [lambda x, s: cut(x, *margins(x, s)[::-1], *s)],
    "width_not_centred": [one_margin, lambda x, s: cut(x, margins(x, s)[0], 0, *s)],
    "height_not_centred": [lambda x, s: cut(x, 0, margins(x, s)[1], *s)],
    "off_by_one": [one_less, lambda x, s: cut(x, *(m + 1 for m in margins(x, s)), *s)],
    "resized": [
        lambda x, s: F.interpolate(x, size=s),
        lambda x, s: F.adaptive_avg_pool2d(x, s),
        lambda x, s: F.interpolate(x, size=s, mode="bilinear"),
    ],
    "half_of_size": [centre_and_half],
    "stop_is_length": [lambda x, s: x[:, :, margins(x, s)[0] : s[0], margins(x, s)[1] : s[1]]],
    "height_margin_for_both": [minus_one_margin],
    "no_piece": [
        lambda x, s: torch.zeros(*x.shape[:2], *s),
        lambda x, s: plain(x, s).flip(2),
        lambda x, s: plain(x, s) / 255,
    ],
    "not_cropped": [lambda x, s: x],
    "size_swapped": [swapped_size],
    "height_for_both": [lambda x, s: plain(x, (s[0], s[0]))],
    "width_for_both": [lambda x, s: plain(x, (s[1], s[1]))],
    "width_not_cropped": [lambda x, s: plain(x, (s[0], x.shape[3]))],
    "height_not_cropped": [lambda x, s: plain(x, (x.shape[2], s[1]))],
    "difference_each_side": [whole_difference],
    "margin_hard_coded": [lambda x, s: x[:, :, 2:-2, 3:-3]],
    "size_hard_coded": [lambda x, s: x[:, :, 2:10, 3:13]],
    "empty_without_margin": [minus_margin],
    "cut_to_nothing": [lambda x, s: x[:, :, s[0] : -s[0], s[1] : -s[1]]],
    "odd_difference": [same_on_both_sides, wrong_on_odd, odd(RuntimeError), odd(None)],
    "wrong_axes": [lambda x, s: x[:, : s[0], : s[1]], without_colons],
    "batch_lost": [lambda x, s: plain(x, s)[0]],
    "one_too_many": [lambda x, s: cut(x, *margins(x, s), s[0] + 1, s[1] + 1)],
    "one_too_few": [lambda x, s: cut(x, *margins(x, s), s[0] - 1, s[1] - 1)],
    "gradient_stops": [lambda x, s: plain(x, s).detach(), lambda x, s: plain(x.data, s)],
    "changes_input": [in_place],
    "wrong_return": [lambda x, s: plain(x, s).detach().numpy(), margins],
    "raises": [float_margin, lambda x, s: x.crop(s)],
    "returns_nothing": [lambda x, s: plain(x, s) and None if False else print(end="")],
    "wrong_kind": [CenterCrop, CenterCrop((4, 6)).size],
    "wrong_signature": [lambda x: x, CenterCrop((4, 6))],
    "not_attempted": [None, lambda x, size: None],
}
RIGHT = [
    plain,
    refuses_odd,
    rounds_up,
    by_padding,
    by_narrow,
    by_peeling,
    by_index,
    Crop(),
    unet_lesson.center_crop,
    torchvision_crop,
    lambda x, size: CenterCrop(size)(x),
    lambda x, size: x[
        ..., *(slice((a - b) // 2, (a + b) // 2) for a, b in zip(x.shape[2:], size, strict=True))
    ],
]
