"""U-Net on two A4 pages, as HTML to print: sheet.html, with every number worked out.

In sheet.html, {{expression}} is evaluated as in the question bank, and {{expression | format}}
is written in that format.
"""

import re
from pathlib import Path

from unet_lesson import UNetConfig, shapes
from unet_lesson.practice.questions import value

TEMPLATE = Path(__file__).parent / "sheet.html"
SIZE = 572  # pixels: the paper's figure 1
TOP = (26, 112, 166, 206, 236)  # of the boxes in the drawing, level 1 to the bottom


def sheet():
    """The two pages as one HTML text, with nothing in it from elsewhere."""
    text = TEMPLATE.read_text("utf-8")
    text = text.replace("<!-- the U -->", drawing()).replace("<!-- depths -->", depths())
    return re.sub(r"\{\{(.+?)(?: \| (\S+))?\}\}", _evaluated, text)


def _evaluated(found):
    expression, form = found.groups()
    return format(value(expression), form or "")


def depths():
    """Table rows: what the paper's network would be with one to five poolings."""
    rows = []
    for depth in range(1, 6):
        config = UNetConfig(depth=depth, batch_norm=False, up="transpose")
        smallest = shapes.smallest_legal(config)
        field = shapes.receptive_field(config)
        first, last = field.output
        cells = (
            depth,
            f"{2**depth}k + {smallest % 2**depth}, from {smallest}".replace(" + 0", ""),
            smallest - shapes.output_size(config, smallest, smallest)[0],
            shapes.crop_margins(config)[-1],
            field.levels[-1],
            first if first == last else f"{first} or {last}",
            f"{shapes.parameter_count(config):,}",
        )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "\n".join(rows)


def drawing():
    """The paper's U at 572 pixels as SVG: nine blocks, each with channels and side."""
    config = UNetConfig.paper()
    sizes = shapes.axis_sizes(config, SIZE)
    right = list(zip(sizes.upsampled, sizes.expansive, sizes.crops, strict=True))
    parts = [_block(level, False, config, size) for level, size in enumerate(sizes.contracting)]
    for level, (joined, size, crop) in zip(range(config.depth - 1, -1, -1), right, strict=True):
        parts.append(_block(level, True, config, size))
        parts.append(_skip(level, sizes.contracting[level], joined, crop))
    parts += [_step(level, right) for level in range(config.depth) for right in (False, True)]
    ends = (("start", 12, SIZE, config.in_channels), ("end", 708, size, config.num_classes))
    for anchor, x, side, channels in ends:
        words = f"{side} x {side} x {channels}"
        parts.append(
            f'<text x="{x}" y="14" style="text-anchor: {anchor}" class="end">{words}</text>'
        )
    words = f"The paper's U from {SIZE} to {size} pixels, with the size of every map"
    return f'<svg viewBox="0 0 720 292" role="img" aria-label="{words}">{"".join(parts)}</svg>'


def _middle(level, right):
    """The middle of a block, in units of the drawing."""
    return 720 - _middle(level, False) if right else 52 + 77 * level


def _height(size):
    return 12 + 62 * (size / SIZE) ** 0.75


def _block(level, right, config, size):
    x, top, height = _middle(level, right), TOP[level], _height(size)
    channels = config.channels[level]
    width = 8 + channels**0.5
    colour = "#009E73" if right else "#0072B2"
    words = f"{channels} ch, {size}"
    return (
        f'<rect x="{x - width / 2:.1f}" y="{top}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{colour}"/><text x="{x}" y="{top + height + 10:.1f}">{words}</text>'
    )


def _skip(level, size, joined, crop):
    """The arrow of a skip connection, with the crop per side."""
    start, end, y = _middle(level, False) + 24, _middle(level, True) - 26, TOP[level] + 8
    words = f"crop {crop} a side: {size} to {joined}"
    return (
        f'<path d="M{start} {y}H{end}" class="skip"/><text x="360" y="{y - 3}">{words}</text>'
        f'<path d="M{end} {y - 3}l6 3l-6 3z"/>'
    )


def _step(level, right):
    """The arrow of a pooling, down on the left, or of an up-convolution, up on the right."""
    side = -1 if right else 1
    x, y = _middle(level, right) + side * 42, TOP[level] + 36 - 4 * level
    name, tip = ("up", "M-3 0L0 -6L3 0z") if right else ("pool", "M-3 24L0 30L3 24z")
    return (
        f'<g class="{name}" transform="translate({x} {y})"><path d="M0 0V24"/><path d="{tip}"/></g>'
    )
