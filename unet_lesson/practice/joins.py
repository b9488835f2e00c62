"""What went wrong in a concatenation: the maps that a second run of the learner's code joins."""

from unet_lesson.practice.learner import Wrong
from unet_lesson.practice.probe import watch

CUT_TO_NOTHING = "A slice is empty. The margin is half of the difference of the two sizes."


def blame_join(wrong, module, *inputs, first=True):
    """The mistake in the last concatenation if there is one, or `wrong`: a second run watches.

    first: no other size has gone well before.
    """
    joins = watch(module, *inputs).joins
    found = join_mistake(*joins[-1], first) if joins else None
    if found and found.diagnosis in ("not_cropped", "skip_too_small") and len(inputs) == 2:
        found = _crop_mistake(found, joins[-1][0], *inputs)
    if found and wrong.diagnosis == "raises":
        found.fails += f" {wrong.fails}"
    if joins and not found and wrong.diagnosis == "added":
        likely = "After the join there are 2 x out_channels: the DoubleConv takes those."
        return Wrong("joined_channels", wrong.fails, likely)
    return found or wrong


def _crop_mistake(wrong, maps, below, skip):
    """A closer look at a join of two sizes: were the arguments swapped, was anything cut?"""
    if maps[0] is skip and maps[1] is not below:
        likely = "It is called with (below, skip), the map from below first."
        return Wrong("arguments_swapped", wrong.fails, likely)
    if skip.shape[2:] not in [m.shape[2:] for m in maps]:
        likely = "The skip is cut, but not to the other map's height and width."
        return Wrong("cropped_otherwise", wrong.fails, likely)
    return wrong


def join_mistake(maps, axis, first):
    """The mistake in a concatenation, by the maps and the axis: Wrong or None."""
    shapes = [tuple(m.shape) for m in maps]
    fails = f"You join maps of shape {' and '.join(map(str, shapes))} along axis {axis}."
    if axis == "new":
        return Wrong("stacked", fails, "torch.stack makes a new axis. torch.cat joins along one.")
    wrong_axis = {0: "concat_batch", 2: "concat_height", 3: "concat_width"}
    if len(shapes) < 2 or any(len(shape) != 4 for shape in shapes):
        return None
    if axis % 4 in wrong_axis:
        likely = "Channels are axis 1 of (N, C, H, W): torch.cat([...], dim=1)."
        return Wrong(wrong_axis[axis % 4], fails, likely)
    if first and any(0 in shape for shape in shapes):
        return Wrong("cut_to_nothing", fails, CUT_TO_NOTHING)
    if any(0 in shape for shape in shapes):
        likely = "Where nothing is to be cut the margin is 0, and x[0:-0] is empty."
        return Wrong("empty_without_margin", fails, likely)
    if len({shape[2:] for shape in shapes}) == 1:
        return None
    if first and shapes[1][2:] < shapes[0][2:]:
        likely = "The skip is the smaller one: it is taken after the pooling, or cut too much."
        return Wrong("skip_too_small", fails, likely)
    if first:
        likely = "The skip must be cut to the other map's size first."
        return Wrong("not_cropped", fails, likely)
    likely = "Other sizes went well. Read the margins from the two maps, not by heart."
    return Wrong("margin_hard_coded", fails, likely)
