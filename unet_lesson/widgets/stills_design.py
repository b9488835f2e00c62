"""The still picture of the design explorer, in matplotlib."""

from statistics import mean
from textwrap import fill

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from unet_lesson.figures import BLUE, GREEN, INK, ORANGE, SKY

COLOURS, MARKERS = (BLUE, ORANGE), ("o", "D")  # of the left and the right setting
ROWS = 104, 158, 194, 222, 250  # of the levels; all of a U in units of its page, 344 x 262
LEFT, RIGHT, TOP, SIDE = 90, 254, 40, 46
MARKED = {"fontweight": "bold", "bbox": {"boxstyle": "round,pad=0.15", "fc": "#f9f4b4", "lw": 0}}


def side_by_side(names, cards, task, scores):
    """Two settings of the design study: their U, their cost, and three seeds a side.

    names: of the two. cards: what the explorer shows of each. task: in words. scores: for each
    (name, [three of the left, three of the right], verdict in words). What differs in the two U
    is bold on yellow. Returns a matplotlib Figure, opaque white.
    """
    figure = plt.figure(figsize=(8, 7.6), facecolor="white")
    largest = max(card["u"]["tile"] for card in cards)
    for i, (name, card) in enumerate(zip(names, cards, strict=True)):
        axes = figure.add_axes((0.5 * i, 0.6, 0.5, 0.39))
        _draw_u(axes, card["u"], cards[1 - i]["u"], SIDE / largest)
        key = {"color": COLOURS[i], "marker": MARKERS[i], "mec": INK, "clip_on": False}
        axes.plot(2, -13, ms=8 - i, **key)
        axes.text(14, -13, name, fontsize=11, va="center", color=INK)
        legal = MARKED if card["legal"] != cards[1 - i]["legal"] else {}
        figure.text(0.03 + 0.5 * i, 0.565, "legal inputs:", fontsize=9.5, color=INK)
        figure.text(0.145 + 0.5 * i, 0.565, card["legal"], fontsize=9.5, color=INK, **legal)
    for i, measure in enumerate(cards[0]["measures"]):
        pair = [card["measures"][measure] for card in cards]
        _draw_bars(figure.add_axes((0.03 + 0.245 * i, 0.46, 0.14, 0.055)), measure, pair)
    figure.text(0.03, 0.41, f"scores on {task}, three seeds a side", fontsize=11, color=INK)
    axes = None
    for i, score in enumerate(scores):
        place = 0.03 + 0.5 * (i % 2), 0.295 - 0.2 * (i // 2), 0.42, 0.07
        shared = axes if i == 3 else None  # the two errors, border and middle, on one scale
        axes = figure.add_axes(place, sharex=shared)
        _draw_seeds(axes, *score)
    return figure


def _draw_u(axes, u, other, scale):
    """One U, its maps to scale; `other`: the U on the other side, to mark what differs."""
    axes.set(xlim=(-14, 358), ylim=(262, -24), aspect="equal")
    axes.set_axis_off()
    floor = ROWS[len(u["levels"])]
    axes.plot([LEFT, LEFT, RIGHT, RIGHT], [TOP, floor, floor, TOP], color="#777777", lw=1)
    theirs = dict(_places(other))
    for (x, y), words in _places(u):
        marked = MARKED if theirs.get((x, y)) != words else {}
        axes.text(x, y, words, fontsize=9, color=INK, va="center", ha="center", **marked)
    for x, words in ((LEFT, "input tile"), (RIGHT, "output")):
        axes.text(x, 8, words, fontsize=9, color=INK, ha="center")
    squares = [(LEFT, TOP, u["tile"], SKY, "-"), (RIGHT, TOP, u["tile"], "white", "--")]
    squares += [(RIGHT, TOP, u["output"], GREEN, "-")]
    squares += [((LEFT + RIGHT) / 2, floor, u["bottom"][1], SKY, "-")]
    for y, (_, before, after, skip) in zip(ROWS, u["levels"], strict=False):
        squares += [(LEFT, y, before, SKY, "-"), (RIGHT, y, after, GREEN, "-")]
        if skip != "no skip":
            ends = (RIGHT - after * scale / 2 - 3, y), (LEFT + before * scale / 2 + 3, y)
            arrow = {"arrowstyle": "-|>", "ls": "--", "color": INK, "lw": 0.9, "shrinkA": 0}
            axes.annotate("", *ends, arrowprops=arrow | {"shrinkB": 0})
    for x, y, size, colour, line in squares:
        wide = size * scale
        corner = x - wide / 2, y - wide / 2
        axes.add_patch(Rectangle(corner, wide, wide, fc=colour, ec=INK, ls=line, lw=0.9, zorder=2))


def _places(u):
    """((x, y), words) of all that is written into a U."""
    level = len(u["levels"])
    channels, size = u["bottom"]
    yield (LEFT - 42, TOP), f"{u['tile']}²"
    yield (RIGHT + 42, TOP), f"{u['output']}²"
    yield ((LEFT + RIGHT) / 2, ROWS[level] - 13 - 0.12 * size), f"{channels} x {size}²"
    for y, (channels, before, after, skip) in zip(ROWS, u["levels"], strict=False):
        yield (LEFT - 57, y), f"{channels} x {before}²"
        yield (RIGHT + 57, y), f"{channels} x {after}²"
        yield ((LEFT + RIGHT) / 2, y - 9), skip


def _draw_bars(axes, measure, pair):
    values, words = zip(*pair, strict=True)
    axes.barh([1, 0], values, color=COLOURS, ec=INK, lw=0.8, height=0.75)
    for y, value, text in zip((1, 0), values, words, strict=True):
        axes.text(value + 0.04 * max(values), y, text, fontsize=9, va="center", color=INK)
    axes.set_xlim(0, max(values))
    axes.set_title(measure, fontsize=9.5, loc="left", color=INK)
    axes.set_axis_off()


def _draw_seeds(axes, name, runs, words):
    """Three dots a side on one axis, their means as upright lines, the verdict below."""
    axes.set_title(name, fontsize=10, loc="left", color=INK, pad=3)
    for y, values, colour, marker in zip((1, 0), runs, COLOURS, MARKERS, strict=True):
        axes.plot([mean(values)] * 2, [y - 0.4, y + 0.4], color=INK, lw=1.6)
        axes.plot(values, [y] * 3, marker, color=colour, mec=INK, mew=0.7, ms=6, clip_on=False)
    means = " and ".join(f"{mean(values):.3f}" for values in runs)
    axes.set_title(means, fontsize=10, loc="right", color=INK, pad=3)
    axes.set(ylim=(-0.7, 1.6), yticks=[])
    axes.margins(x=0.06)
    axes.locator_params(axis="x", nbins=5)
    axes.tick_params(labelsize=8.5)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.set_xlabel(fill(words, 54), fontsize=9, color=INK, labelpad=2, loc="left")
