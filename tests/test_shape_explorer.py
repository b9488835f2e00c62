"""ShapeExplorer and the still picture behind it, held against the oracle, `unet_lesson.shapes`."""

import json
from itertools import combinations

import matplotlib.pyplot as plt
import pytest
import traitlets

from unet_lesson import UNetConfig, figures, shapes
from unet_lesson.widgets import ShapeExplorer
from unet_lesson.widgets.shape_explorer import LARGEST, SMALLEST, shape_table

CONFIGS = [
    UNetConfig(),
    UNetConfig.paper(),
    UNetConfig.padded(up="nearest", base_channels=5),
    UNetConfig(depth=1, in_channels=3, num_classes=7, base_channels=4, up="transpose"),
    UNetConfig.paper(depth=3, padding=1, base_channels=16),
    UNetConfig(depth=6, base_channels=128, num_classes=12),
    UNetConfig(depth=6, base_channels=128, padding=1),
]
SIZES = range(SMALLEST, LARGEST + 1)
some_configs = pytest.mark.parametrize("config", CONFIGS, ids=str)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def maps_of_trace(config, height, width):
    """{name: (C, H, W)} of every map that is shown, from the rows of `shapes.trace`."""
    rows = shapes.trace(config, height, width)
    shape = {row.name: row.shape for row in rows}
    maps = {"input": (config.in_channels, height, width), "output": shape["head"]}
    maps["bottom"] = shape[f"contracting.blocks.{config.depth}"]
    pools = [row.shape for row in rows if row.kind == "MaxPool2d"]
    for level in range(1, config.depth + 1):
        block = f"expansive.blocks.{config.depth - level}"
        maps[f"contracting-{level}"] = shape[f"contracting.blocks.{level - 1}"]
        maps[f"pool-{level + 1}"] = pools[level - 1]
        up = f"{block}.up" if config.up == "transpose" else f"{block}.up.1"
        maps |= {f"up-{level}": shape[up], f"expansive-{level}": shape[block]}
    return maps


def looked_up(table, height, width):
    """What the browser looks up in the table: every map, as far as both axes get."""
    row, column = height - table["start"], width - table["start"]
    sizes = zip(table["walks"][row], table["walks"][column], strict=False)
    return {
        name: (channels, *size)
        for (name, channels), size in zip(table["maps"], sizes, strict=False)
    }


@some_configs
def test_every_map_of_the_table_is_the_map_of_the_trace(config):
    table = shape_table(config)
    legal = shapes.legal_sizes(config, SMALLEST, LARGEST + 1)
    assert [n for n, stop in zip(SIZES, table["stops"], strict=True) if stop is None] == legal
    for height, width in zip(legal[:40], reversed(legal), strict=False):
        assert looked_up(table, height, width) == maps_of_trace(config, height, width)


@some_configs
def test_every_illegal_size_stops_where_the_oracle_stops(config):
    table = shape_table(config)
    names = [name for name, _ in table["maps"]]
    for n, walk, stop in zip(SIZES, table["walks"], table["stops"], strict=True):
        sizes = shapes.axis_sizes(config, n)
        maps = dict(zip(names, walk, strict=False))
        shown = [v for name, v in maps.items() if name == "bottom" or name.startswith("contr")]
        assert tuple(shown) == sizes.contracting
        if sizes.problem:
            level = int(sizes.problem.split("at level ")[1].split()[0])
            kind = "up" if "expansive" in sizes.problem else "contracting"
            assert names[stop] == ("bottom" if level > config.depth else f"{kind}-{level}")


@some_configs
def test_every_refusal_is_the_oracles(config):
    refusals = shape_table(config)["refusals"]
    fits = shapes.smallest_legal(config)
    for n in SIZES:
        for axis, size in (("height", (n, fits)), ("width", (fits, n))):
            refusal = None
            try:
                shapes.output_size(config, *size)
            except ValueError as error:
                refusal = str(error)
            assert refusals[axis][n - SMALLEST] == refusal


@some_configs
def test_totals_follow_from_three_numbers(config):
    table = shape_table(config)
    first, step = table["legal"]
    legal = shapes.legal_sizes(config, SMALLEST, LARGEST + 1)
    assert (first, first + step) == tuple(shapes.legal_sizes(config, 1, first + step + 1))
    for height, width in [(legal[0], legal[-1]), (legal[-1], legal[-1]), (legal[-1], legal[1])]:
        i, j = (height - first) // step, (width - first) // step
        macs = sum(row.macs for row in shapes.trace(config, height, width))
        for key, total in (
            ("macs", macs),
            ("bytes", shapes.activation_bytes(config, height, width)),
        ):
            a, b, c = table[key]
            assert a + b * (i + j) + c * i * j == total
            assert total < 2**53  # whole numbers stay exact in JavaScript


@some_configs
def test_the_rest_of_the_table(config):
    table = shape_table(config)
    assert table["parameters"] == shapes.parameter_count(config)
    assert table["crops"] == shapes.crop_margins(config)[::-1]
    field = shapes.receptive_field(config)
    assert table["field"] == {"bottom": field.levels[-1], "output": field.output}
    for n in (SMALLEST, 187, 570, 571, 572, 573, LARGEST):
        wanted = {m for m in shapes.nearest_legal(config, n) if m and SMALLEST <= m <= LARGEST}
        assert set(table["nearest"][n - SMALLEST]) == wanted
    assert len(json.dumps(table)) < 1_000_000


def test_facts():
    assert repr(ShapeExplorer()) == (
        "ShapeExplorer: 1 x 572 x 572 -> 2 x 388 x 388; 28,953,474 parameters; 150.43 GMACs; "
        "1352.5 MiB of activations; receptive field 140 at the bottom, 220 to 236 at the output"
    )
    paper = ShapeExplorer(UNetConfig.paper(), height=572, width=588).facts()
    assert "2 x 388 x 404; 31,030,658 parameters" in paper
    assert "188 to 204 at the output" in paper
    refused = ShapeExplorer(height=570).facts()
    assert refused == (
        "ShapeExplorer: height 570 does not fit: at level 2 the map is 279 high "
        "and cannot be halved; nearest sizes that fit: 556, 572"
    )


def test_traits_keep_table_and_facts_together():
    explorer = ShapeExplorer(UNetConfig(in_channels=3, num_classes=5, batch_norm=False))
    changes = {"depth": 2, "base_channels": 8, "padding": 1, "up": "nearest", "height": 64}
    for name, value in changes.items():
        setattr(explorer, name, value)
        assert explorer.table == shape_table(explorer.config)
    explorer.width = 32
    assert explorer.config == UNetConfig(3, 5, 8, 2, 1, False, "nearest")
    assert "3 x 64 x 32 -> 5 x 64 x 32" in explorer.facts()
    explorer.depth = 6
    assert "width 32 does not fit" in explorer.facts()
    assert explorer.table["refusals"]["width"][32 - SMALLEST] in explorer.facts()


def test_what_is_out_of_range_is_refused():
    explorer = ShapeExplorer()
    before = explorer.facts()
    for name, value in {"height": 15, "width": 1025, "depth": 7, "base_channels": 3}.items():
        with pytest.raises(traitlets.TraitError, match=name):
            setattr(explorer, name, value)
    with pytest.raises(traitlets.TraitError, match="bilinear"):
        explorer.up = "cubic"
    with pytest.raises(TypeError, match="UNetConfig"):
        ShapeExplorer("paper")
    assert explorer.facts() == before


def test_three_faces():
    for explorer in (ShapeExplorer(), ShapeExplorer(height=570, width=100)):
        data, _ = explorer._repr_mimebundle_()
        assert "application/vnd.jupyter.widget-view+json" in data
        assert data["text/plain"] == explorer.facts()
        assert data["image/png"].startswith(b"\x89PNG")
    assert plt.get_fignums() == []


# ---- the still picture ----------------------------------------------------------------------


def texts(figure):
    return [text for axes in figure.axes for text in axes.texts]


@some_configs
def test_the_picture_has_every_map_and_every_crop(config):
    height, width = shapes.legal_sizes(config, 700, LARGEST + 1)[:2]
    figure = figures.u_shape(config, height, width)
    written = [text.get_text() for text in texts(figure)]
    maps = maps_of_trace(config, height, width)
    for shape in maps.values():
        assert written.count(" x ".join(map(str, shape))) == list(maps.values()).count(shape)
    margins = shapes.crop_margins(config)
    wanted = ["copy"] * (config.depth + 1) if config.padding else [f"crop {m}" for m in margins]
    assert sorted(t for t in written if t.startswith(("crop ", "copy"))) == sorted(
        wanted if config.padding else [*wanted, "copy and crop"]
    )
    assert f"{shapes.parameter_count(config):,} parameters" in written[-6]
    assert figure.get_facecolor() == (1, 1, 1, 1)


@pytest.mark.parametrize("padding", (0, 1))
@pytest.mark.parametrize("depth", range(1, 7))
def test_no_two_words_of_the_picture_touch(depth, padding):
    config = UNetConfig(depth=depth, padding=padding, base_channels=128)
    sizes = [shapes.legal_sizes(config, 1, 1025)[-1], 16, 100, 571]
    for size in sizes:
        figure = figures.u_shape(config, size, 1021 if size != sizes[0] else size)
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in texts(figure)]
        assert all(text.get_fontsize() >= 8 for text in texts(figure))
        for box in boxes:
            assert box.x0 >= 0 and box.x1 <= figure.bbox.width, size
        for one, other in combinations(boxes, 2):
            assert not one.overlaps(other), (size, one, other)


def test_the_picture_of_a_size_that_does_not_fit():
    figure = figures.u_shape(UNetConfig(), 570, 572)
    written = [text.get_text() for text in texts(figure)]
    with pytest.raises(ValueError) as caught:
        shapes.output_size(UNetConfig(), 570, 572)
    assert str(caught.value) in [" ".join(text.split()) for text in written]
    red = [text.get_text() for text in texts(figure) if text.get_color() == figures.WRONG]
    assert "128 x 279 x 280" in red and not any(" x 388" in text for text in written)
    red = [p for p in figure.axes[0].patches if p.get_edgecolor()[:2] == (0xB0 / 255, 0)]
    assert len(red) == 1
    figure = figures.u_shape(UNetConfig(), 16, 572)
    assert "does not fit" in [text.get_text() for text in texts(figure)]


def test_highlight():
    def pale(part):
        figure = figures.u_shape(UNetConfig(), 572, 572, highlight=part)
        return {t.get_text() for t in texts(figure) if t.get_alpha() and t.get_alpha() < 1}

    assert pale(None) == set()
    assert "64 x 568 x 568" not in pale("double_conv") and "128 x 280 x 280" in pale("double_conv")
    assert "1024 x 28 x 28" not in pale("contracting") and "512 x 56 x 56" in pale("contracting")
    assert "2 x 388 x 388" not in pale("expansive") and "1 x 572 x 572" in pale("expansive")
    with pytest.raises(ValueError, match=r"'contracting'.*not 'encoder'"):
        figures.u_shape(UNetConfig(), 572, 572, highlight="encoder")
