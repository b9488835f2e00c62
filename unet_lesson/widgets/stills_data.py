"""The still pictures of the weight map and augmentation explorers, in matplotlib."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb

from unet_lesson.figures import BLUE, INK, ORANGE
from unet_lesson.widgets.stills import _caption


def with_outlines(grey):
    """Bytes (H, W), 255 on an outline and grey below -> (H, W, 3) floats, outlines in orange."""
    picture = np.repeat(grey[..., None] / 254, 3, axis=-1)
    picture[grey == 255] = to_rgb(ORANGE)
    return picture


def weight_map(grey, weights, top, points, curve, sentence):
    """The objects, the weight of every pixel, and the border term against d1 + d2.

    grey: bytes (H, W), 255 on an outline. weights: (H, W). top: end of the colour scale.
    points: (letter, what it is, row, column, d1 + d2 or None) to be marked. curve: the border term
    at 0, 1, 2, ... px. sentence: written below. Returns a matplotlib Figure, opaque white.
    """
    figure = plt.figure(figsize=(8, 4.4), facecolor="white")
    left = figure.add_axes((0.01, 0.28, 0.29, 0.6))
    left.imshow(with_outlines(grey))
    left.set_title("objects", fontsize=11, color=INK)
    middle = figure.add_axes((0.31, 0.28, 0.29, 0.6))
    shown = middle.imshow(weights, cmap="viridis", vmin=0, vmax=top)
    middle.set_title("weight in the loss", fontsize=11, color=INK)
    for axes in (left, middle):
        axes.set_axis_off()
        for letter, _, y, x, *_ in points:
            beside = x + (-9 if x > 15 else 9)
            axes.plot([beside, x], [y, y], color="white", lw=1.2)
            axes.plot(x, y, "o", ms=4, mfc="white", mec=INK)
            _letter(axes, letter, beside, y)
    bar = figure.colorbar(shown, cax=figure.add_axes((0.61, 0.315, 0.015, 0.53)))
    bar.ax.tick_params(labelsize=9)
    right = figure.add_axes((0.72, 0.38, 0.26, 0.465))
    right.plot(curve, color=BLUE, lw=2)
    right.set(xlim=(0, len(curve) - 1), ylim=(-0.04 * top, 1.04 * top))
    right.set_title("border term", fontsize=11, color=INK)
    right.set_xlabel("d1 + d2, pixels", fontsize=9)
    right.tick_params(labelsize=9)
    for letter, _, _, _, d in points:
        if d is not None and d < len(curve):
            _letter(right, letter, d, np.interp(d, range(len(curve)), curve))
    _caption(figure, 0.17, sentence)
    return figure


def _letter(axes, letter, x, y):
    """A letter in a white disc."""
    disc = {"boxstyle": "circle,pad=0.15", "fc": "white", "ec": INK, "lw": 0.8}
    axes.text(x, y, letter, fontsize=8, color=INK, ha="center", va="center", bbox=disc)


def before_and_after(before, after, sentence):
    """An image with its outlines before and after the augmentation.

    before, after: bytes (H, W), 255 on an outline. sentence: written below.
    Returns a matplotlib Figure, opaque white.
    """
    figure = plt.figure(figsize=(8, 4.4), facecolor="white")
    for left, grey, title in ((0.06, before, "before"), (0.54, after, "after")):
        axes = figure.add_axes((left, 0.2, 0.4, 0.72))
        axes.imshow(with_outlines(grey))
        axes.set_title(title, fontsize=11, color=INK)
        axes.set_axis_off()
    _caption(figure, 0.16, sentence)
    return figure
