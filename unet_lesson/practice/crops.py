"""Exercises on the skip connection: cut its middle out, and join it with the map from below."""

import torch
import torch.nn.functional as F

from unet_lesson.practice.joins import CUT_TO_NOTHING, blame_join
from unet_lesson.practice.learner import Wrong, call, close, same, show, tensor
from unet_lesson.practice.probe import CALLING, check_gradients, hint, misfit
from unet_lesson.practice.report import exercise

ODD = "Refuse an odd difference with a ValueError, or round: cut from start to start + height."
REFUSALS = (ValueError, AssertionError, NotImplementedError)  # of an odd difference


# ---- center_crop ------------------------------------------------------------------------------

CROPS = [((12, 16), (8, 10)), ((20, 31), (18, 23)), ((10, 7), (10, 3)), ((6, 6), (6, 6))]
CROPS += [((40, 8), (2, 2))]


@exercise("center_crop(x, size)", "03_expansive_path", level=2, minutes=8)
def judge_center_crop(learner):
    """Cut the middle of `size` = (height, width) out of x, (N, C, H, W) -> (N, C, height, width).

    What is cut off is the same on both sides. Where the difference is odd there is no middle:
    refuse with a ValueError, as the package does, or leave the odd pixel on either side.
    """
    for (height, width), size in CROPS:
        x = numbered(2, 3, height, width)  # (2, 3, height, width)
        got = tensor(crop(learner, x, torch.Size(size)))
        check_crop_shape(x, size, got)
        check_place(x, size, got)
        yield f"{size[0]} x {size[1]} out of {height} x {width}"
    yield check_odd(lambda x: tensor(call(learner, x, (5, 4))), numbered(1, 2, 8, 9), (5, 4))
    x = torch.rand(1, 1, 6, 6, requires_grad=True)
    check_gradients(call(learner, x, (2, 4)), {"x": x})
    yield "gradients flow"


def crop(learner, x, size):
    """What the learner cuts out, or Wrong."""
    try:
        return call(learner, x, size)
    except Wrong as wrong:
        if isinstance(wrong.error, TypeError):
            wrong.likely = wrong.likely or "A slice wants whole numbers: divide with //."
        raise


def numbered(*shape):
    """A map in which every value is another: which pixels were kept can be read off."""
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float).view(shape)


def check_crop_shape(x, size, got):
    """Raise Wrong unless the shape is (N, C, height, width)."""
    (n, c, height, width), (h, w) = x.shape, size
    if got.shape == (n, c, h, w):
        return
    fails = (
        f"Out of a map of {height} x {width} you cut {h} x {w}: the shape must be "
        f"{(n, c, h, w)}, and yours is {tuple(got.shape)}."
    )
    for key, (shape, likely) in wrong_shapes(n, c, (height, width), (h, w)).items():
        if tuple(got.shape) == shape:
            raise Wrong(key, fails, likely)
    if got.shape[2:] == (height, width):
        likely = "A slice is for axis 0 if no colon stands before it: x[:, :, rows, columns]."
        raise Wrong("wrong_axes", fails, likely)
    if 0 in got.shape and h < height and w < width:
        raise Wrong("cut_to_nothing", fails, CUT_TO_NOTHING)
    if 0 in got.shape:
        likely = "Where nothing is to be cut the margin is 0, and x[0:-0] is empty."
        raise Wrong("empty_without_margin", fails, likely)
    raise Wrong("wrong_shape", fails, "Height is axis 2 and width axis 3 of (N, C, H, W).")


def wrong_shapes(n, c, whole, size):
    """Shapes that tell a mistake: key -> (shape, likely)."""
    (height, width), (h, w) = whole, size
    top, left = height - h, width - w
    return {
        "not_cropped": (
            (n, c, height, width),
            "Nothing was cut off. Height is axis 2 and width axis 3: x[:, :, rows, columns].",
        ),
        "size_swapped": ((n, c, w, h), "Height and width are swapped: size is (height, width)."),
        "height_for_both": ((n, c, h, h), "You use the height for both axes."),
        "width_for_both": ((n, c, w, w), "You use the width for both axes."),
        "width_not_cropped": ((n, c, h, width), "Only the height is cut."),
        "height_not_cropped": ((n, c, height, w), "Only the width is cut."),
        "difference_each_side": (
            (n, c, height - 2 * top, width - 2 * left),
            "You cut the whole difference from each side. Half of it belongs to each.",
        ),
        "half_difference": (
            (n, c, height - top // 2, width - left // 2),
            "You cut half of the difference from one side only.",
        ),
        "margin_hard_coded": (
            (n, c, height - 4, width - 6),
            "You always cut 2 and 3 pixels. Read the margin from the two sizes.",
        ),
        "size_hard_coded": (
            (n, c, 8, 10),
            "You always cut out 8 x 10. Read the size you are given.",
        ),
        "one_too_many": (
            (n, c, h + 1, w + 1),
            "One row and column too many: a slice ends before its stop.",
        ),
        "one_too_few": (
            (n, c, h - 1, w - 1),
            "One row and column too few: a slice ends before its stop.",
        ),
        "half_of_size": (
            (n, c, h - h % 2, w - w % 2),
            "The middle plus and minus half of the size loses a pixel where the size is odd.",
        ),
        "stop_is_length": (
            (n, c, h - top // 2, w - left // 2),
            "A slice goes from start to stop: x[start : start + height], not x[start : height].",
        ),
        "height_margin_for_both": (
            (n, c, h, width - top),
            "You cut the height's margin from the width as well.",
        ),
        "width_margin_for_both": (
            (n, c, height - left, w),
            "You cut the width's margin from the height as well.",
        ),
        "wrong_axes": (
            tuple(torch.empty(n, c, height, width)[:, :h, :w].shape),
            "These are axes 1 and 2. Height is axis 2, width axis 3.",
        ),
        "batch_lost": ((c, h, w), "The batch axis is lost."),
    }


def place_of(x, got):
    """The (top, left) at which `got` lies in x, or None if it is no piece of x."""
    h, w = got.shape[2:]
    for top in range(x.shape[2] - h + 1):
        for left in range(x.shape[3] - w + 1):
            part = x[:, :, top : top + h, left : left + w]
            if same(part, got):
                return top, left
    return None


def check_place(x, size, got):
    """Raise Wrong unless `got`, of the right size, is the middle of x."""
    (height, width), (h, w) = x.shape[2:], size
    right = ((height - h) // 2, (width - w) // 2)
    place = place_of(x, got.detach())
    if place == right:
        return
    if place is None:
        modes = ("nearest", "bilinear", "bicubic", "area")
        if any(close(got, F.interpolate(x, size, mode=mode), 1e-3) for mode in modes):
            fails = f"You shrink {height} x {width} to {h} x {w}."
            raise Wrong("resized", fails, "Cropping copies pixels. It does not resize or mix them.")
        fails = f"Your {h} x {w} values are no piece of the map of {height} x {width}."
        raise Wrong("no_piece", fails, "Cropping copies pixels. It does not resize or mix them.")
    fails = (
        f"Out of {height} x {width} you keep {_span('rows', place[0], h)} and "
        f"{_span('columns', place[1], w)}; the middle is {_span('rows', right[0], h)} and "
        f"{_span('columns', right[1], w)}."
    )
    raise Wrong(*_misplaced(place, right, (height - h, width - w), fails))


def _span(axis, start, count):
    return f"{axis} {start} to {start + count - 1}"


def _misplaced(place, right, most, fails):
    """Key, example and likely mistake for a piece from the wrong place."""
    if place == (0, 0):
        return "corner_crop", fails, "You cut the top left corner. Start at half of the difference."
    if place == most:
        return "far_corner_crop", fails, "You cut the bottom right corner. Start at half of it."
    if place == right[::-1]:
        return "margins_swapped", fails, "The margins of height and width are swapped."
    if place[0] == right[0] or place[1] == right[1]:
        axis = "width" if place[0] == right[0] else "height"
        return f"{axis}_not_centred", fails, f"The {axis} does not start at half of the difference."
    if max(abs(a - b) for a, b in zip(place, right, strict=True)) == 1:
        return "off_by_one", fails, "One pixel off: start at (H - height) // 2."
    return "wrong_place", fails, "Start at half of the difference, for each axis its own."


def check_odd(cut, x, size):
    """Return what held: an odd difference refused or rounded; raise Wrong if neither."""
    (height, width), (h, w) = x.shape[2:], size
    asked = f"The differences are odd: {h} x {w} out of {height} x {width}"
    try:
        got = cut(x)
    except Wrong as wrong:
        if isinstance(wrong.error, REFUSALS):
            return "an odd difference, which you refuse"
        if wrong.error is None and wrong.diagnosis != "returns_nothing":
            raise
        raise Wrong("odd_difference", f"{asked}. {wrong.fails}", ODD) from None
    if got.shape[2:] != (h, w):
        raise Wrong("odd_difference", f"{asked}, and {show(got)} comes.", ODD)
    place = place_of(x, got.detach())
    if place is None or abs(2 * place[0] - height + h) > 1 or abs(2 * place[1] - width + w) > 1:
        fails = f"{asked}, and your piece starts at {place}, not in the middle."
        raise Wrong("odd_difference", fails, ODD)
    return "an odd difference, which you round"


# ---- crop_and_concat --------------------------------------------------------------------------

JOINS = [((2, 3, 8, 10), (2, 3, 12, 16)), ((1, 4, 18, 23), (1, 2, 20, 31))]
JOINS += [((2, 2, 5, 3), (2, 2, 9, 3)), ((2, 2, 3, 3), (2, 2, 3, 3))]


@exercise("crop_and_concat(below, skip)", "03_expansive_path", level=1, minutes=3)
def judge_crop_and_concat(learner):
    """Cut the middle of `skip` to the size of `below`, and join the channels: below first.

    below: (N, C1, h, w), the upsampled map. skip: (N, C2, H, W), at least as large.
    -> (N, C1 + C2, h, w). An odd difference may be refused with a ValueError, or rounded.
    """
    for below_shape, skip_shape in JOINS:
        below, skip = 300 * torch.rand(below_shape), numbered(*skip_shape)
        got = join(learner, below, skip, first=below_shape == JOINS[0][0])
        check_join_shape(below, skip, got)
        check_join_values(below, skip, got)
        yield f"below of shape {below_shape}, skip of shape {skip_shape}"
    below = torch.rand(1, 1, 5, 4)
    yield check_odd(lambda x: tensor(call(learner, below, x))[:, 1:], numbered(1, 2, 8, 9), (5, 4))
    pair = torch.rand(1, 1, 2, 2, requires_grad=True), torch.rand(1, 1, 4, 4, requires_grad=True)
    check_gradients(call(learner, *pair), {"below": pair[0], "skip": pair[1]})
    yield "gradients flow to both"


def join(learner, below, skip, first):
    """What the learner makes of the two, or Wrong with the reason why it raises."""
    try:
        return tensor(call(learner, below, skip))
    except Wrong as wrong:
        if wrong.diagnosis != "raises":
            raise
        likely = "The skip is cut, to the height and width of below. The order is (below, skip)."
        wrong = misfit(hint(wrong, CALLING), likely)
        raise blame_join(wrong, learner, below, skip, first=first) from None


def check_join_shape(below, skip, got):
    """Raise Wrong unless the shape is (N, C1 + C2, h, w)."""
    (n, c, h, w), (_, c2, height, width) = below.shape, skip.shape
    if got.shape == (n, c + c2, h, w):
        return
    fails = (
        f"below {tuple(below.shape)} and skip {tuple(skip.shape)} make {(n, c + c2, h, w)}, "
        f"and yours has {tuple(got.shape)}."
    )
    told = {
        (2 * n, c, h, w): ("concat_batch", "You join along the batch. Channels are axis 1."),
        (n, c, 2 * h, w): ("concat_height", "You join along the height. Channels are axis 1."),
        (n, c, h, 2 * w): ("concat_width", "You join along the width. Channels are axis 1."),
        (n, c + c2, height, width): (
            "below_enlarged",
            "You bring below to the size of skip. It is the skip that is cut.",
        ),
    }
    if tuple(got.shape) in told:
        key, likely = told[tuple(got.shape)]
        raise Wrong(key, fails, likely)
    if got.dim() == 5:
        raise Wrong("stacked", fails, "torch.stack makes a new axis. torch.cat joins along one.")
    if got.shape == below.shape:
        raise Wrong(*_not_joined(below, skip, got, fails))
    raise Wrong("wrong_shape", fails, "Cut skip to h x w, then torch.cat([below, cut], dim=1).")


def _not_joined(below, skip, got, fails):
    """Key, example and likely mistake for a result with as many channels as below."""
    top, left = (a - b for a, b in zip(skip.shape[2:], below.shape[2:], strict=True))
    for key, piece, likely in (
        ("below_only", below, "You give back below. The skip is not in it."),
        ("skip_only", None, "You give back the cut skip. below is not in it."),
    ):
        if same(got, piece) if piece is not None else place_of(skip, got.detach()):
            return key, fails, likely
    piece = skip[:, :, top // 2 : top // 2 + below.shape[2], left // 2 : left // 2 + below.shape[3]]
    if close(got, below + piece, 1e-6):
        return "added", fails, "You add the two. Here they are put side by side: torch.cat."
    return "mixed", fails, "You mix the two. Here they are put side by side: torch.cat."


def check_join_values(below, skip, got):
    """Raise Wrong unless below comes first, unchanged, and then the middle of skip."""
    channels, size = below.shape[1], tuple(below.shape[2:])
    first, second = got[:, :channels], got[:, channels:]
    if same(first, below):
        if same(second[:, :channels], below):
            raise Wrong("skip_unused", "You join below with itself.", "The skip has no part in it.")
        check_place(skip, size, second)
    elif same(got[:, skip.shape[1] :], below):
        fails = f"The first {channels} channels must be those of below, and yours come last."
        raise Wrong("skip_first", fails, "The order is torch.cat([below, skip], dim=1).")
    else:
        fails = f"The first {channels} channels must be those of below, unchanged."
        raise Wrong("below_changed", fails, "Only the skip is cut, and nothing is computed.")
