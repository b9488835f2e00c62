"""Crop and concatenate: the skip map and the upsampled map of one level over each other."""

import traitlets

from unet_lesson import shapes
from unet_lesson.config import UNetConfig
from unet_lesson.widgets import stills
from unet_lesson.widgets.base import Explorer, script


def crop_table(config, largest):
    """What the browser looks up: an entry for each input size 1 to `largest`.

    Entry 0 is for a size outside that range. A legal entry has per level, from level 1, the
    side of the skip map, of the upsampled map and the margin cut per side; any other has the
    problem in words and the nearest legal sizes.
    """
    legal = shapes.legal_sizes(config, 1, largest + 1)
    outside = f"The explorer takes input sizes 1 to {largest}."
    return [{"problem": outside, "near": [legal[0], legal[-1]]}] + [
        _entry(config, size, largest) for size in range(1, largest + 1)
    ]


def _entry(config, size, largest):
    sizes = shapes.axis_sizes(config, size)
    if sizes.problem:
        near = [n for n in shapes.nearest_legal(config, size) if n and n <= largest]
        return {"problem": f"{size} does not fit: {sizes.problem}.", "near": near}
    deep_to_shallow = zip(
        sizes.contracting[-2::-1], sizes.upsampled, sizes.crops, strict=True
    )  # the bottom has no skip
    return {"levels": [list(level) for level in deep_to_shallow][::-1]}


def displacements(config):
    """Per level, from level 1: [input pixels a pixel of it is wide, displacement].

    A corner crop takes each pixel one margin beside its partner, in height and in width, and
    a pixel of level L is 2 ** (L - 1) input pixels wide: 88, 80, 64, 32 input pixels at depth 4.
    """
    margins = reversed(shapes.crop_margins(config))
    return [[2**i, margin * 2**i] for i, margin in enumerate(margins)]


class CropExplorer(Explorer):
    """Slide the input size and the level; see what the crop cuts and what `torch.cat` joins.

    config: a UNetConfig, by default the blog's network. size: side of the square input in
    pixels. level: 1 to config.depth. corner: crop the top left corner instead of the centre.

    Raises TraitError for a level that does not exist. An illegal size is shown in red with
    the nearest legal ones.
    """

    _esm = script("crop_explorer")
    size = traitlets.Int(572).tag(sync=True)
    level = traitlets.Int(1).tag(sync=True)
    corner = traitlets.Bool(False).tag(sync=True)
    table = traitlets.List().tag(sync=True)
    legal = traitlets.List().tag(sync=True)  # the sizes of the slider
    channels = traitlets.List().tag(sync=True)  # per level
    displaced = traitlets.List().tag(sync=True)  # per level, by a corner crop

    def __init__(self, config=None, size=572, level=1, corner=False):
        self.config = UNetConfig() if config is None else config
        largest = max(1024, shapes.smallest_legal(self.config) + 8 * 2**self.config.depth)
        answers = {
            "table": crop_table(self.config, largest),
            "legal": shapes.legal_sizes(self.config, 1, largest + 1),
            "channels": self.config.channels[:-1],
            "displaced": displacements(self.config),
        }
        super().__init__(size=size, level=level, corner=corner, **answers)

    @traitlets.validate("level")
    def _level_exists(self, proposal):
        depth = self.config.depth
        if not 1 <= proposal.value <= depth:
            nearest = min(max(proposal.value, 1), depth)
            raise traitlets.TraitError(
                f"level must be 1 to {depth}, not {proposal.value}; the nearest is {nearest}"
            )
        return proposal.value

    @property
    def answer(self):
        return self.table[self.size if 0 < self.size < len(self.table) else 0]

    def facts(self):
        start = f"input {self.size} x {self.size}, level {self.level}: "
        if "problem" in self.answer:
            near = ", ".join(map(str, self.answer["near"]))
            return f"{start}{self.answer['problem']} Nearest sizes that fit: {near}."
        skip, up, margin = self.answer["levels"][self.level - 1]
        c = self.channels[self.level - 1]
        where = "top left corner" if self.corner else "centre"
        apart = self.displaced[self.level - 1][1] if self.corner else 0
        return (
            f"{start}skip {c} x {skip} x {skip}, upsampled {c} x {up} x {up}, "
            f"margin {margin} on each side. Cropped at the {where}, joined pixels look "
            f"{apart} input pixels apart on average, in height and in width. "
            f"torch.cat gives {2 * c} x {up} x {up}."
        )

    def picture(self):
        levels = self.answer.get("levels")
        maps = levels[self.level - 1] if levels else None
        channels, apart = self.channels[self.level - 1], self.displaced[self.level - 1][1]
        return stills.crop_overlay(maps, channels, self.corner, apart, self.facts())
