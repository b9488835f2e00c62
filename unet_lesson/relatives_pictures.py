"""The relatives of U-Net drawn with matplotlib: our U in grey, in colour what each changes."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle, PathPatch, Polygon
from matplotlib.path import Path

from unet_lesson.figures import BLUE, GREEN, INK, ORANGE, PURPLE, RED, SKY
from unet_lesson.relatives_data import NAMES, relative
from unet_lesson.relatives_page import LINES, PAGE

__all__ = ["NAMES", "draw", "relative"]

COLOURS = {
    "blue": BLUE,
    "green": GREEN,
    "orange": ORANGE,
    "purple": PURPLE,
    "red": RED,
    "sky": SKY,
    "grey": "#999999",
    "gone": "#BBBBBB",
}
POINT = 0.72  # points in a unit of the page, which is 1/100 inch


def draw(name):
    """One relative of U-Net: our U small and in grey, what the relative changes in colour.

    name: one of NAMES, such as "segnet". `relative(name).sentence` says the same in words.
    Returns a matplotlib Figure of 7 x 3.6 inches, opaque white.
    Raises TypeError or ValueError for a name that is none, naming the nearest.
    """
    picture = relative(name)
    drawn = picture.drawn()
    wide, tall = PAGE
    figure = plt.figure(figsize=(wide / 100, tall / 100), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, wide), ylim=(tall, 0))
    axes.set_axis_off()
    for edge in drawn["edges"]:
        _edge(axes, edge)
    for node in drawn["nodes"]:
        _node(axes, node)
    for x, y, words in drawn["labels"]:
        _text(axes, x, y, words)
    for entry in drawn["legend"]:
        _node(axes, entry["node"]) if "node" in entry else _edge(axes, entry["edge"])
        _text(axes, entry["x"], entry["y"], entry["words"], ha="left")
    _text(axes, 20, 24, f"{picture.title} ({picture.year})", size=15, ha="left", weight="bold")
    return figure


def _text(axes, x, y, words, *, size=12, **style):
    style = {"ha": "center", "va": "center", "color": INK, "linespacing": 1.2} | style
    axes.text(x, y, words, fontsize=size * POINT, zorder=5, **style)


def _edge(axes, edge):
    """A curve and the triangle at its end."""
    colour, gone = COLOURS[edge["colour"]], edge["colour"] == "gone"
    dashes, width = ((1, 3), 1.2) if gone else LINES[edge["kind"]]
    style = {"ec": colour, "lw": width * POINT, "capstyle": "butt", "zorder": 2}
    style["ls"] = (0, [n / width for n in dashes]) if dashes else "-"
    curve = Path(edge["points"], [Path.MOVETO, Path.CURVE3, Path.CURVE3])
    axes.add_patch(PathPatch(curve, fc="none", **style))
    if edge["tip"] and not gone:
        axes.add_patch(Polygon(edge["tip"], fc=colour, lw=0, zorder=2))


def _node(axes, node):
    """The parts of a box, each outlined and more or less full of its colour; its words in ink."""
    colour, gone = np.array(to_rgb(COLOURS[node["colour"]])), node["colour"] == "gone"
    style = {"ec": colour, "lw": 1.4 * POINT, "ls": (0, (1, 2)) if gone else "-", "zorder": 3}
    for part in node["parts"]:
        fill = 0 if gone else part["fill"]
        style["fc"] = fill * colour + 1 - fill  # the rest is white
        if "disc" in part:
            x, y, radius = part["disc"]
            axes.add_patch(Circle((x, y), radius, **style))
        else:
            axes.add_patch(Polygon(part["polygon"], joinstyle="round", **style))
    _text(axes, node["x"], node["y"], node["text"])
