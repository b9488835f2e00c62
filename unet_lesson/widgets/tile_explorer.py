"""Overlap-tile on an image: what a tile reads, what it writes, and what the overlap costs."""

from bisect import bisect
from dataclasses import replace
from math import ceil

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.patches import Rectangle

from unet_lesson import figures, shapes
from unet_lesson.config import UNetConfig
from unet_lesson.tile_plan import halo, margin, plan_axis, smallest_tile, tile_step, whole_side
from unet_lesson.widgets.base import Explorer, script
from unet_lesson.widgets.stills import _caption

DEPTHS = 1, 4
SENT = 360  # pixels: the longest side of the picture that goes to the browser
SIDES = {"down": ("above", "below"), "across": ("on the left", "on the right")}


def configuration(depth, padding):
    """The network of the explorer: the paper's, or the same with padding."""
    return UNetConfig.paper(depth=depth, padding=padding)


def tile_table(config, height, width):
    """What the browser looks up for one network and image.

    legal: the input tiles of the slider, from the smallest that can be laid in steps to the one
    that covers the image. waste: for each the share of the work that is overlap, 0 to 1, on this
    image; endless: the same on an image without end, where all tiles are inner ones.
    read: first row and column that any tile reads, then one beyond the last row, the last column.
    answers: an entry for each tile from 0 to the largest; 0 stands for any other number. It has
    words, and down and across: per tile [read start, read stop, start, stop, mirrored before,
    mirrored behind], in pixels. Or it has a problem in words and the nearest legal tiles.
    """
    largest = max(whole_side(config, height), whole_side(config, width))
    legal = shapes.legal_sizes(config, smallest_tile(config), largest + 1)
    answers = [_answer(config, (height, width), tile, legal) for tile in range(largest + 1)]
    waste = [answers[n]["waste"] for n in legal]
    endless = [_endless(config, tile) for tile in legal]
    rim = margin(config)
    read = [-rim, *(whole_side(config, n) - rim for n in (height, width))]
    return {"legal": legal, "waste": waste, "endless": endless, "read": read, "answers": answers}


def _answer(config, size, tile, legal):
    problem = "" if tile else f"The explorer takes tiles of {legal[0]} to {legal[-1]} pixels"
    try:
        plans = [plan_axis(config, n, tile) for n in size] if tile else []
    except ValueError as error:
        problem = str(error)
    if problem:
        at = bisect(legal, tile)
        near = legal[max(at - 1, 0) : at + 1] if tile else [legal[0], legal[-1]]
        return {"problem": f"{problem}.", "near": near}
    sides = [plan[0].read_stop - plan[0].read_start for plan in plans]
    tiles = len(plans[0]) * len(plans[1])
    waste = 1 - macs(config, *(whole_side(config, n) for n in size)) / macs(config, *sides) / tiles
    return {
        "words": _words(config, sides, [len(plan) for plan in plans], tile, waste),
        "waste": waste,
        "down": [_axis_entry(part, size[0]) for part in plans[0]],
        "across": [_axis_entry(part, size[1]) for part in plans[1]],
    }


def macs(config, height, width):
    """Multiply-accumulate operations for one input tile."""
    return sum(row.macs for row in shapes.trace(config, height, width))


def _endless(config, tile):
    """The share of overlap if every tile is an inner one: what a pixel needs against what it takes.

    Far from any border a pixel takes what it takes in a padded network.
    """
    block = 2**config.depth
    needed = macs(replace(config, padding=1), block, block) / block**2
    return 1 - needed * tile_step(config, tile) ** 2 / macs(config, tile, tile)


def _axis_entry(part, size):
    return [*part, max(0, -part.read_start), max(0, part.read_stop - size)]


def _words(config, sides, counts, tile, waste):
    start = f"Input tile {sides[0]} x {sides[1]}"
    joined = [shapes.axis_sizes(config, side).upsampled[-1] for side in sides]
    channels = 2 * config.base_channels
    mib = 4 * channels * joined[0] * joined[1] / 2**20
    end = (
        f"{waste:.0%} of the work is overlap. The joined map of level 1, {channels} x "
        f"{joined[0]} x {joined[1]}, takes {mib:.1f} MiB."
    )
    if counts == [1, 1]:
        return f"{start}: one tile covers the image. {end}"
    rim = (
        f"halo {halo(config)} cut off at inner sides" if config.padding else _output(config, sides)
    )
    laid = f"laid every {tile_step(config, tile)} pixels"
    return f"{start}, {rim}, {laid}: {counts[0]} x {counts[1]} tiles. {end}"


def _output(config, sides):
    return "output {} x {}".format(*shapes.output_size(config, *sides))


class TileExplorer(Explorer):
    """Drag the tile over the image; set its size, the depth, and padded or valid convolutions.

    image: (H, W) of at least 64 pixels a side, numpy; None draws 512 x 512 of EM-like tissue.
    tile: side of the input tile in pixels. depth: 1 to 4. padding: 0 or 1. row, column: of the
    tile, from 0; beyond the last one it is the last one.

    Raises ValueError for another image and TraitError for a number out of range. A tile that
    does not fit the network is shown in red with the nearest ones that do.
    """

    _esm = script("tile_explorer")
    tile = traitlets.Int(252).tag(sync=True)
    depth = traitlets.Int(4, min=DEPTHS[0], max=DEPTHS[1]).tag(sync=True)
    padding = traitlets.Int(0, min=0, max=1).tag(sync=True)
    row = traitlets.Int(0, min=0).tag(sync=True)
    column = traitlets.Int(0, min=0).tag(sync=True)
    size = traitlets.List().tag(sync=True)  # height and width of the image
    seen = traitlets.List().tag(sync=True)  # pixels shown before row 0, after the last, per pixel
    grey = traitlets.Bytes().tag(sync=True)  # the image, mirrored all around, a byte per pixel
    table = traitlets.Dict().tag(sync=True)  # of this depth and padding

    def __init__(self, image=None, tile=252, depth=4, padding=0, row=0, column=0):
        self._image = _check_image(image)
        size = self._image.shape
        networks = [configuration(d, p) for d in range(1, DEPTHS[1] + 1) for p in (0, 1)]
        before = max(margin(config) for config in networks)
        behind = max(whole_side(c, n) - margin(c) - n for c in networks for n in size)
        step = ceil((max(size) + before + behind) / SENT)
        self._wide = np.pad(self._image, (before, behind), mode="reflect")
        low, high = np.percentile(self._image, (1, 99.9))
        grey = np.clip((self._wide[::step, ::step] - low) / (high - low or 1), 0, 1)
        super().__init__(
            tile=tile,
            depth=depth,
            padding=padding,
            row=row,
            column=column,
            size=list(size),
            seen=[before, behind, step],
            grey=(255 * grey).round().astype(np.uint8).tobytes(),
        )
        self.table = tile_table(configuration(depth, padding), *size)

    @traitlets.observe("depth", "padding")
    def _new_network(self, change):
        if self.table:  # not while the first values are set
            self.table = tile_table(configuration(self.depth, self.padding), *self.size)

    @property
    def answer(self):
        answers = self.table["answers"]
        return answers[self.tile if 0 < self.tile < len(answers) else 0]

    @property
    def place(self):
        """(down, across): the entries of the tile that is shown."""
        down, across = self.answer["down"], self.answer["across"]
        return down[min(self.row, len(down) - 1)], across[min(self.column, len(across) - 1)]

    def facts(self):
        kind = "padded" if self.padding else "valid"
        start = f"{self.size[0]} x {self.size[1]} image, {kind}, depth {self.depth}: "
        if "problem" in self.answer:
            return f"{start}{self.answer['problem']}"
        down, across = self.place
        row = self.answer["down"].index(down)
        column = self.answer["across"].index(across)
        mirrored = [
            f"{pixels} {where}"
            for name, entry in zip(SIDES, self.place, strict=True)
            for pixels, where in zip(entry[4:], SIDES[name], strict=True)
            if pixels
        ]
        return (
            f"{start}{self.answer['words']} Tile ({row}, {column}) reads rows {down[0]} to "
            f"{down[1] - 1} and columns {across[0]} to {across[1] - 1}, "
            f"mirrored: {', '.join(mirrored) or 'nothing'}. It writes rows {down[2]} to "
            f"{down[3] - 1} and columns {across[2]} to {across[3] - 1}."
        )

    def picture(self):
        figure = plt.figure(figsize=(8, 4.6), facecolor="white")
        self._draw_tile(figure.add_axes((0.01, 0.27, 0.48, 0.7)))
        self._draw_waste(figure.add_axes((0.58, 0.38, 0.4, 0.5)))
        _caption(figure, 0.24, self.facts(), wrong="problem" in self.answer)
        return figure

    def _draw_tile(self, axes):
        """The image, pale where it is mirrored, with all parts written and the tile in hand."""
        before, behind, _ = self.seen
        height, width = self.size
        first, last_row, last_column = self.table["read"]
        axes.imshow(self._wide, "gray", extent=(-before, width + behind, height + behind, -before))
        axes.set(xlim=(first, last_column), ylim=(last_row, first))
        axes.set_axis_off()
        for x, y, wide, tall in (
            (first, first, last_column - first, -first),
            (first, height, last_column - first, last_row - height),
            (first, 0, -first, height),
            (width, 0, last_column - width, height),
        ):
            axes.add_patch(Rectangle((x, y), wide, tall, fc="white", alpha=0.55, lw=0))
        axes.add_patch(Rectangle((0, 0), width, height, fc="none", ec=figures.INK, lw=1.5))
        if "problem" in self.answer:
            return
        down, across = self.place
        axes.hlines([part[2] for part in self.answer["down"]], 0, width, "white", lw=0.6)
        axes.vlines([part[2] for part in self.answer["across"]], 0, height, "white", lw=0.6)
        for (left, right), (top, bottom), style in (
            (across[:2], down[:2], {"fc": "none", "ec": figures.SKY, "ls": "--"}),
            (across[2:4], down[2:4], {"fc": "#E69F0066", "ec": figures.ORANGE}),
        ):
            axes.add_patch(Rectangle((left, top), right - left, bottom - top, lw=2.4, **style))

    def _draw_waste(self, axes):
        """The share of the work that is overlap, against the tile; a dot where we are."""
        lines = (
            ("waste", figures.BLUE, "-", "this image"),
            ("endless", figures.INK, ":", "endless"),
        )
        for name, colour, dash, label in lines:
            percent = [100 * share for share in self.table[name]]
            axes.plot(self.table["legal"], percent, dash, color=colour, lw=2, label=label)
        axes.legend(fontsize=9, frameon=False, loc="lower left")
        if "problem" not in self.answer:
            axes.plot(self.tile, 100 * self.answer["waste"], "o", color=figures.RED, ms=9)
        axes.set(xlabel="input tile, pixels", ylim=(0, 100))
        axes.set_title("% of the work that is overlap", fontsize=10, color=figures.INK)


def _check_image(image):
    """Return a grey image (H, W) as float32, or raise ValueError."""
    if image is None:
        from unet_lesson.data import em_like

        image, _ = em_like(0, 512)
    image = np.asarray(image, np.float32)
    if image.ndim != 2 or min(image.shape) < 64:
        raise ValueError(f"image must be (H, W) of at least 64 x 64 pixels, not {image.shape}")
    return image
