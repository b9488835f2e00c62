"""The still pictures of the convolution, crop and feature map explorers, in matplotlib."""

from textwrap import fill

import matplotlib.pyplot as plt
from matplotlib.patches import ConnectionPatch, FancyArrowPatch, Rectangle

from unet_lesson.figures import BLUE, GREEN, INK, ORANGE, SKY, WRONG


def convolution_window(setting, windows, cell, unread, sentence):
    """A convolution on a grid: the input with one window, the output with its cell.

    setting: (size, kernel, stride, padding). windows: [first, last] input cell of each output
    cell along one axis. cell: (row, column) of the output, or None where there is none.
    unread: input cells along one axis that no window reads. sentence: written below.
    Returns a matplotlib Figure, opaque white.
    """
    size, kernel, _, padding = setting
    figure = plt.figure(figsize=(8, 4.4), facecolor="white")
    left = figure.add_axes((0.02, 0.2, 0.46, 0.7))
    right = figure.add_axes((0.52, 0.2, 0.46, 0.7))
    rows, columns = (range(windows[i][0], windows[i][1] + 1) for i in cell) if cell else ((), ())
    for y in range(-padding, size + padding):
        for x in range(-padding, size + padding):
            zero = min(x, y) < 0 or max(x, y) >= size
            missed = x in unread or y in unread
            colour = ORANGE if y in rows and x in columns else "none" if zero else SKY
            mark = "0" if zero else "x" if missed else ""
            _grid_cell(left, x, y, colour, mark, dashed=zero, alpha=0.12 if missed else 0.45)
    for y in range(len(windows)):
        for x in range(len(windows)):
            _grid_cell(right, x, y, ORANGE if (y, x) == cell else GREEN, "", alpha=0.45)
    if cell:
        _frame(left, columns[0], rows[0], kernel)
        _frame(right, cell[1], cell[0], 1)
        for down, across in ((0, 0), (0, 1), (1, 0), (1, 1)):
            start = columns[0] + across * kernel, rows[0] + down * kernel
            _beam(figure, left, start, right, (cell[1] + across, cell[0] + down))
    else:
        around = (size - kernel) / 2
        _frame(left, around, around, kernel, ec=WRONG, ls="--")
    side = max(size + 2 * padding, kernel, 6) + 0.2
    _centre(left, size / 2, side)
    _centre(right, len(windows) / 2, side)
    zeros = f", {padding} dashed ring{'s' * (padding > 1)} of zeros" if padding else ""
    left.set_title(f"input {size} x {size}{zeros}", fontsize=11, color=INK)
    n = len(windows)
    right.set_title(f"output {n} x {n}" if n else "no output", fontsize=11, color=INK)
    _caption(figure, 0.17, sentence, wrong=not cell)
    return figure


def _centre(axes, middle, side):
    """Show a square of this side around the middle of the grid, row 0 on top."""
    limits = middle - side / 2, middle + side / 2
    axes.set(aspect="equal", xlim=limits, ylim=limits[::-1])
    axes.set_axis_off()


def _caption(figure, top, sentence, *, wrong=False):
    style = {"fontsize": 9.5, "color": WRONG if wrong else INK, "va": "top", "ha": "center"}
    figure.text(0.5, top, fill(sentence, 105), linespacing=1.4, **style)


def _grid_cell(axes, x, y, colour, mark, *, dashed=False, alpha=0.45):
    edge = {"ec": "#666666", "lw": 0.8, "ls": (0, (3, 2)) if dashed else "-"}
    axes.add_patch(Rectangle((x + 0.04, y + 0.04), 0.92, 0.92, fc="none", **edge))
    if colour != "none":
        axes.add_patch(Rectangle((x + 0.04, y + 0.04), 0.92, 0.92, fc=colour, alpha=alpha, lw=0))
    axes.text(x + 0.5, y + 0.53, mark, fontsize=8, color=INK, ha="center", va="center")


def _frame(axes, x, y, side, ec=INK, ls="-"):
    axes.add_patch(Rectangle((x, y), side, side, fc="none", ec=ec, ls=ls, lw=2.2, zorder=4))


def _beam(figure, left, start, right, end):
    line = {"color": "#777777", "ls": (0, (2, 3)), "lw": 1}
    figure.add_artist(
        ConnectionPatch(start, end, "data", axesA=left, coordsB="data", axesB=right, **line)
    )


def crop_overlay(maps, channels, corner, displaced, sentence):
    """The upsampled map over the skip map of one level, the crop dashed, and what cat gives.

    maps: sides (skip, upsampled, margin) in pixels, or None for a size that does not fit.
    channels: of either map. corner: crop the top left corner. displaced: input pixels between
    the two maps then. sentence: written below. Returns a matplotlib Figure, opaque white.
    """
    figure = plt.figure(figsize=(8, 4.4), facecolor="white")
    _caption(figure, 0.14, sentence, wrong=not maps)
    axes = figure.add_axes((0.02, 0.16, 0.46, 0.82))
    axes.set(xlim=(-0.2, 1.1), ylim=(1.14, -0.2), aspect="equal")
    axes.set_axis_off()
    if not maps:
        axes.add_patch(Rectangle((0, 0), 1, 1, fc="none", ec=WRONG, ls="--", lw=2))
        axes.text(0.5, 0.5, "no maps to join", fontsize=11, ha="center", color=WRONG)
        return figure
    _overlay(axes, maps, corner, displaced)
    axes = figure.add_axes((0.5, 0.16, 0.48, 0.82))
    axes.set(xlim=(0, 3.4), ylim=(3.4, 0))
    axes.set_axis_off()
    _joined(axes, channels, maps[1])
    return figure


def _overlay(axes, maps, corner, displaced):
    """Three squares in units of the skip map's side, the margins written along two sides."""
    skip, up, margin = maps
    cut, wide = margin / skip, up / skip
    start = 0 if corner else cut
    axes.add_patch(Rectangle((0, 0), 1, 1, fc=SKY, ec=BLUE, alpha=0.4, lw=1.5))
    axes.add_patch(Rectangle((cut, cut), wide, wide, fc="white"))
    axes.add_patch(Rectangle((cut, cut), wide, wide, fc=ORANGE, alpha=0.55))
    axes.add_patch(Rectangle((start, start), wide, wide, fc="none", ec=INK, ls="--", lw=1.8))
    before, behind = (0, 2 * margin) if corner else (margin, margin)
    for at, pixels in (
        (start / 2, before),
        (start + wide / 2, up),
        ((start + wide + 1) / 2, behind),
    ):
        if pixels:
            axes.text(at, -0.03, pixels, fontsize=9, ha="center", color=INK)
            axes.text(-0.03, at, pixels, fontsize=9, ha="right", va="center", color=INK)
    axes.text(0.5, -0.12, f"skip {skip} x {skip}", fontsize=11, ha="center", color=INK)
    axes.text(
        0.5, 1.07, f"orange: upsampled {up} x {up}; dashed: the crop", fontsize=9, ha="center"
    )
    if corner and margin:
        style = {"arrowstyle": "-|>", "mutation_scale": 14, "shrinkA": 0, "shrinkB": 0}
        axes.add_patch(FancyArrowPatch((0, 0), (cut, cut), color=INK, lw=2, **style))
        axes.text(cut + 0.03, cut + 0.07, f"{displaced} input pixels", fontsize=10, color=INK)


def _joined(axes, channels, up):
    """Two maps of C channels, and below them the map of 2 C channels that torch.cat gives."""
    size = f"{channels} x {up} x {up}"
    for x, y, colour, line in ((0.5, 0.7, ORANGE, "-"), (2.1, 0.7, SKY, "--")):
        axes.add_patch(Rectangle((x, y), 0.8, 0.7, fc=colour, ec=INK, ls=line, alpha=0.55))
        axes.text(x + 0.4, y + 0.85, size, fontsize=9, ha="center", color=INK)
    for x, colour, line in ((0.9, ORANGE, "-"), (1.7, SKY, "--")):
        axes.add_patch(Rectangle((x, 2.1), 0.8, 0.7, fc=colour, ec=INK, ls=line, alpha=0.55))
    style = {"fontsize": 10, "ha": "center", "color": INK}
    axes.text(1.7, 0.2, "torch.cat([upsampled, crop], dim=1)", **{**style, "family": "monospace"})
    axes.text(0.9, 0.6, "upsampled", **style)
    axes.text(2.5, 0.6, "crop of the skip", **style)
    axes.text(1.7, 1.1, "+", fontsize=16, ha="center", color=INK)
    arrow = {"arrowstyle": "-|>", "mutation_scale": 14, "color": INK, "lw": 1.8}
    axes.add_patch(FancyArrowPatch((1.7, 1.65), (1.7, 2.05), **arrow))
    axes.text(1.7, 3.05, f"{2 * channels} x {up} x {up}", **{**style, "fontsize": 12})


def feature_map(image, values, name, channel, sentence):
    """One channel of one feature map in viridis, and beside it the input image in grey.

    image: (H, W). values: (h, w), the channel. name: of the map, such as "contracting path,
    level 2". channel: its number. sentence: written below.
    Returns a matplotlib Figure, opaque white.
    """
    figure = plt.figure(figsize=(8, 4.4), facecolor="white")
    left = figure.add_axes((0.03, 0.2, 0.38, 0.68))
    left.imshow(image, cmap="gray")
    left.set_title("input image", fontsize=11, color=INK)
    right = figure.add_axes((0.45, 0.2, 0.38, 0.68))
    shown = right.imshow(values, cmap="viridis")
    right.set_title(f"{name}, channel {channel}", fontsize=11, color=INK)
    for axes in (left, right):
        axes.set_axis_off()
    bar = figure.colorbar(shown, cax=figure.add_axes((0.85, 0.2, 0.02, 0.68)))
    bar.ax.tick_params(labelsize=9)
    _caption(figure, 0.15, sentence)
    return figure
