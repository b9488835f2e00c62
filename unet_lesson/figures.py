"""Still pictures: matplotlib functions of a configuration, a trace, a batch or a result.

Okabe-Ito colours fill areas and are never text; shape, dash or a label stands beside each.
"""

from itertools import pairwise, zip_longest
from math import log2, sqrt
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from unet_lesson import shapes
from unet_lesson.config import UNetConfig, check_config

BLUE, ORANGE, GREEN, RED, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9"
INK, WRONG = "#222222", "#B00020"

# ---- the whole U ---------------------------------------------------------------------------

PITCH, WIDTH, MARGIN = 0.8, 9.0, 0.45  # inches; PITCH: from level to level
ARROWS = {  # kind: colour, dash, line width
    "conv": (BLUE, "-", 1.6),
    "pool": (RED, "-", 2.6),
    "up": (ORANGE, (0, (1, 0.6)), 3.0),
    "copy": ("#777777", (0, (5, 2.5)), 1.4),
    "head": (INK, "-", 0.9),
}
UP_TEXT = {
    "bilinear": "bilinear x2, then 1x1",
    "nearest": "nearest x2, then 1x1",
    "transpose": "2x2 up-convolution",
}


def u_maps(config: UNetConfig) -> list[tuple[str, int]]:
    """(name, channels) of every map that `u_shape` draws, in the order in which they arise."""
    maps = [("input", config.in_channels)]
    for level, channels in enumerate(config.channels, 1):
        bottom = level > config.depth
        maps.append(("bottom" if bottom else f"contracting-{level}", channels))
        if not bottom:
            maps.append((f"pool-{level + 1}", channels))
    for level in range(config.depth, 0, -1):
        channels = config.channels[level - 1]
        maps += [(f"up-{level}", channels), (f"expansive-{level}", channels)]
    return [*maps, ("output", config.num_classes)]


def u_walk(config: UNetConfig, size: int, axis: str = "width") -> tuple[list[int], int | None]:
    """Sizes of the `u_maps` along one axis, and the index of the map that fails, or None.

    The list ends where an illegal size stops; a map that cannot be halved is its last entry,
    a map of which nothing would be left comes behind it.
    """
    sizes = shapes.axis_sizes(config, size, axis)
    walk, odd = [size], False
    for level, n in enumerate(sizes.contracting, 1):
        odd = bool(level <= config.depth and n % 2)
        walk += [n] if level > config.depth or odd else [n, n // 2]
    for pair in zip(sizes.upsampled, sizes.expansive, strict=True):
        walk += pair
    if sizes.problem:
        return walk, len(walk) - odd
    return [*walk, sizes.expansive[-1]], None


def u_shape(config: UNetConfig, height: int, width: int, *, highlight: str | None = None):
    """The whole U in one picture: every map with C x H x W, every crop, every arrow.

    height, width: of the input, in pixels. A size that does not fit is drawn as far as it
    goes, the failing map outlined in red, with the sentence of `shapes.output_size`.
    highlight: "double_conv", "contracting" or "expansive" in full colour and the rest pale,
    or None for all in full colour. Raises ValueError for another name, TypeError for a config
    that is none. Returns a matplotlib Figure, opaque white.
    After figure 1 of Ronneberger et al. 2015.
    """
    check_config(config)
    lit = _lit(highlight)
    tall = 0.95 + PITCH * (config.depth + 1)
    figure = plt.figure(figsize=(WIDTH, tall), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, tall))
    axes.set_axis_off()
    vertical, stop_v = u_walk(config, height, "height")
    horizontal, stop_h = u_walk(config, width, "width")
    failing = min((stop for stop in (stop_v, stop_h) if stop is not None), default=None)
    end = None if failing is None else failing + 1
    sizes = list(zip(vertical, horizontal, strict=False))[:end]
    boxes, alphas = {}, {}
    for i, ((name, channels), size) in enumerate(zip_longest(u_maps(config), sizes)):
        shape = (channels, *size) if size else None
        reached = failing is None or i <= failing
        alphas[name] = lit(name) if reached else 0.15
        at = _place(config, name)
        drawn = axes, name, shape, at, max(height, width)
        boxes[name] = _map_box(*drawn, alphas[name], i == failing)
        if reached:
            _label(axes, name, shape, boxes[name], alphas[name], i == failing)
    _arrows(axes, config, boxes, alphas)
    _words(axes, config, height, width, tall)
    return figure


def _lit(highlight):
    """A function of a map's name: 1 where it is to be in full colour, else a pale alpha."""
    parts = {
        "double_conv": ("input", "contracting-1"),
        "contracting": ("input", "contracting", "pool", "bottom"),
        "expansive": ("up", "expansive", "output"),
        None: ("",),
    }
    if highlight not in parts:
        allowed = ", ".join(repr(part) for part in parts)
        raise ValueError(f"highlight must be one of {allowed}, not {highlight!r}")
    return lambda name: 1.0 if name.startswith(parts[highlight]) else 0.22


def _place(config, name):
    """Centre of a map's box, in inches from the lower left corner of the figure."""
    step = min(0.95, 5.35 / (2 * config.depth + 1))
    kind, _, level = name.partition("-")
    level = {"input": 1, "output": 1, "bottom": config.depth + 1}.get(kind) or int(level)
    left = {"input": 0, "pool": 0, "contracting": 1}.get(kind)
    right = {"output": 0, "expansive": 1, "up": 2}.get(kind)
    y = 0.7 + PITCH * (config.depth + 1 - level)
    if kind == "bottom":
        return (WIDTH - step) / 2, y
    if right is None:
        return MARGIN + step * (level - 1 + left), y
    return WIDTH - MARGIN - step * (level - 1 + right), y


def _map_box(axes, name, shape, at, largest, alpha, failing):
    """Draw one map; return (left, bottom, right, top) of its box and of the copy beside it."""
    channels, height, width = shape or (64, largest / 16, largest / 16)
    tall = 0.08 + 0.36 * sqrt(sqrt(height * width) / largest)
    wide = 0.04 + 0.015 * log2(channels)
    left, bottom = at[0] - wide / 2, at[1] - tall / 2
    colour = {"up": ORANGE, "expansive": GREEN, "output": GREEN}.get(name.split("-")[0], SKY)
    style = {"ec": INK, "lw": 0.8, "alpha": alpha, "zorder": 3}
    if failing:
        style |= {"ec": WRONG, "lw": 2.2}
    colour = colour if shape else "white"
    axes.add_patch(Rectangle((left, bottom), wide, tall, fc=colour, **style))
    if name.startswith("up"):
        left -= wide
        axes.add_patch(Rectangle((left, bottom), wide, tall, fc="white", hatch="/////", **style))
    return left, bottom, at[0] + wide / 2, bottom + tall


def _label(axes, name, shape, box, alpha, failing):
    """Write C x H x W beside the box, on the side where no arrow leaves it."""
    left, bottom, right, top = box
    text = " x ".join(map(str, shape)) if shape else "does not fit"
    middle = (bottom + top) / 2
    x, y, across, upright = {
        "input": (left, top + 0.05, "left", "bottom"),
        "pool": (right + 0.12, bottom - 0.05, "right", "top"),
        "contracting": (right + 0.07, middle + 0.04, "left", "bottom"),
        "bottom": ((left + right) / 2, bottom - 0.05, "center", "top"),
        "up": (left - 0.07, middle + 0.04, "right", "bottom"),
        "expansive": (left, bottom - 0.05, "left", "top"),
        "output": (right + 0.32, bottom - 0.05, "right", "top"),
    }[name.split("-")[0]]
    if name == "expansive-1":
        x, y, across, upright = (left + right) / 2, top + 0.05, "center", "bottom"
    style = {"fontsize": 8, "color": WRONG if failing else INK, "alpha": max(alpha, 0.4)}
    axes.text(x, y, text, ha=across, va=upright, weight="bold" if failing else None, **style)


def _arrows(axes, config, boxes, alphas):
    """Every arrow between two maps, and the margin of every crop."""
    for before, after in pairwise(boxes):
        kind = after.split("-")[0]
        kind = {"pool": "pool", "up": "up", "output": "head"}.get(kind, "conv")
        _arrow(axes, kind, boxes[before], boxes[after], alphas[after])
    for level, crop in zip(range(config.depth, 0, -1), shapes.crop_margins(config), strict=True):
        start, end = boxes[f"contracting-{level}"], boxes[f"up-{level}"]
        alpha = alphas[f"up-{level}"]
        _arrow(axes, "copy", start, end, alpha)
        x, y = (start[2] + end[0]) / 2, (start[1] + start[3]) / 2 - 0.05
        style = {"fontsize": 8, "color": INK, "alpha": max(alpha, 0.4), "style": "italic"}
        axes.text(x, y, f"crop {crop}" if crop else "copy", ha="center", va="top", **style)


def _arrow(axes, kind, start, end, alpha):
    """An arrow from box to box: along a level, or down or up to the next."""
    colour, dash, line = ARROWS[kind]
    (left0, bottom0, right0, top0), (left1, bottom1, right1, top1) = start, end
    x0, y0, y1, gap = (left0 + right0) / 2, (bottom0 + top0) / 2, (bottom1 + top1) / 2, 0.08
    if abs(y0 - y1) < 0.01:
        points, head = [(right0 + gap, y0), (left1 - gap, y1)], ">"
    elif kind == "pool":
        points, head = [(x0, bottom0 - gap), (x0, top1 + gap)], "v"
    elif right0 < left1:  # from the bottom: first along, then up
        x1 = left1 + 0.75 * (right1 - left1)  # the copy is the left half
        points, head = [(right0 + gap, y0), (x1, y0), (x1, bottom1 - gap)], "^"
    else:
        points, head = [(x0, top0 + gap), (x0, bottom1 - gap)], "^"
    style = {"color": colour, "alpha": alpha, "zorder": 2}
    axes.plot(*zip(*points, strict=True), lw=line, ls=dash, solid_capstyle="butt", **style)
    axes.plot(*points[-1], marker=head, ms=4.5 + line, mew=0, **style)


def _words(axes, config, height, width, tall):
    """Headings, the sentence on top, the legend below."""
    try:
        out_height, out_width = shapes.output_size(config, height, width)
    except ValueError as error:
        axes.text(0.3, tall - 0.12, fill(str(error), 118), fontsize=9, color=WRONG, va="top")
    else:
        sentence = (
            f"{config.in_channels} x {height} x {width} in, "
            f"{config.num_classes} x {out_height} x {out_width} out, "
            f"{shapes.parameter_count(config):,} parameters"
        )
        axes.text(0.3, tall - 0.12, sentence, fontsize=10, color=INK, va="top")
    legend = {
        "conv": "two 3x3 convolutions",
        "pool": "2x2 max pooling",
        "up": UP_TEXT[config.up],
        "copy": "copy" if config.padding else "copy and crop",
        "head": "1x1 convolution",
    }
    x = 0.35
    for kind, text in legend.items():
        _arrow(axes, kind, (x, 0.15, x, 0.25), (x + 0.5, 0.15, x + 0.5, 0.25), 1.0)
        axes.text(x + 0.5, 0.2, text, fontsize=8, color=INK, va="center")
        x += 0.72 + 0.06 * len(text)


# ---- pictures in a row ---------------------------------------------------------------------


def image_row(images, titles, *, cmap="viridis", height=2.0, numbers=False, colorbar=False):
    """Pictures side by side, each on its own colour scale; a grid up to 16 x 16 pixels.

    images: arrays or tensors (H, W), or (H, W, 3) with red, green and blue from 0 to 1.
    titles: one for each. height: of a picture, in inches.
    numbers: write the value into each cell. colorbar: add the colour scale.
    Returns a matplotlib Figure. Raises ValueError for another rank, no images or a title amiss.
    """
    images = [_array(i) for i in images]
    if not images or len(images) != len(titles):
        raise ValueError(f"each image needs a title: {len(images)} images, {len(titles)} titles")
    for image in images:
        if image.ndim != 2 and (image.ndim != 3 or image.shape[2] != 3):
            raise ValueError(f"an image must be (H, W), or (H, W, 3) in colour, not {image.shape}")
    size = (height * len(images) * 1.1, height + 0.4)
    figure, axes = plt.subplots(1, len(images), figsize=size, squeeze=False, facecolor="white")
    for axis, image, title in zip(axes[0], images, titles, strict=True):
        drawn = axis.imshow(image, cmap=cmap, interpolation="nearest")
        axis.set_title(title, fontsize=10)
        axis.set(xticks=[], yticks=[])
        if max(image.shape) <= 16:  # a grid, so that the cells can be counted
            axis.set_xticks([x - 0.5 for x in range(1, image.shape[1])], minor=True)
            axis.set_yticks([y - 0.5 for y in range(1, image.shape[0])], minor=True)
            axis.grid(which="minor", color="#888888", linewidth=0.7)
            axis.tick_params(which="minor", length=0)
        if numbers:
            write_numbers(axis, drawn)
        if colorbar:
            figure.colorbar(drawn, ax=axis, fraction=0.046)
    figure.tight_layout()
    return figure


def write_numbers(axis, drawn):
    """Write each value of a small picture into its cell, dark on light and light on dark."""
    values = drawn.get_array()
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, _ = drawn.cmap(drawn.norm(value))
        ink = "white" if 0.3 * red + 0.6 * green + 0.1 * blue < 0.5 else INK
        axis.text(column, row, f"{value:g}", ha="center", va="center", fontsize=9, color=ink)


# ---- labels over a picture -----------------------------------------------------------------

PURPLE = "#CC79A7"


def overlay(image, labels):
    """Objects drawn over a grey picture: a tint for each, and its outline.

    image: (H, W) floats, shown from its 1st to its 99.9th percentile. labels: (H, W), 0 where
    there is no object; a mask of 0 and 1 is one object. Neighbours may share a colour, the
    outline tells them apart. Returns (H, W, 3) floats from 0 to 1.
    Raises ValueError if the two differ in size.
    """
    from skimage.color import label2rgb
    from skimage.segmentation import find_boundaries

    grey, labels = _grey(image), _array(labels).astype(int)
    _same_size(grey, labels)
    colours = [to_rgb(colour) for colour in (ORANGE, SKY, GREEN, PURPLE, BLUE, RED)]
    picture = label2rgb(labels, grey, colours, alpha=0.35, bg_label=0, bg_color=None)
    edge = find_boundaries(labels, mode="inner")
    picture[edge] = label2rgb(labels, colors=colours, bg_label=0)[edge]
    return picture


def errors(image, prediction, target):
    """A mask against the truth: hit in blue, missed in orange, false alarm in red-purple.

    image: (H, W) floats, shown in grey below. prediction, target: (H, W) masks of 0 and 1.
    Returns (H, W, 3) floats from 0 to 1. Raises ValueError if they differ in size.
    """
    grey, prediction, target = _grey(image), _array(prediction) > 0, _array(target) > 0
    _same_size(grey, prediction)
    _same_size(grey, target)
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    cases = ((prediction & target, SKY), (target & ~prediction, ORANGE))
    for where, colour in (*cases, (prediction & ~target, PURPLE)):
        picture[where] = 0.4 * picture[where] + 0.6 * np.array(to_rgb(colour))
    return picture


def _array(values):
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _grey(image):
    image = _array(image).astype(float)
    low, high = np.percentile(image, (1, 99.9))
    return np.clip((image - low) / max(high - low, 1e-12), 0, 1)


def _same_size(image, mask):
    if image.ndim != 2 or image.shape != mask.shape:
        raise ValueError(f"image and mask must be (H, W) alike, not {image.shape}, {mask.shape}")
