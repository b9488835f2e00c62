"""The relatives' pictures: facts against tables written by hand, geometry, words, three faces."""

import json
import struct
from collections import Counter
from itertools import combinations
from math import hypot

import matplotlib.pyplot as plt
import numpy as np
import pytest
from traitlets import TraitError

from unet_lesson.relatives_page import BLOCKS, LINES
from unet_lesson.relatives_pictures import NAMES, draw, relative
from unet_lesson.widgets import RelativesExplorer
from unet_lesson.widgets import relatives_explorer as module

WIDGET = "application/vnd.jupyter.widget-view+json"
IN_ORDER_OF_TIME = [
    ("fcn", 2015),
    ("unet", 2015),
    ("segnet", 2015),
    ("vnet", 2016),
    ("deeplab", 2016),
    ("resunet", 2018),
    ("unetpp", 2018),
    ("attention", 2018),
    ("diffusion", 2020),
    ("nnunet", 2021),
    ("transunet", 2021),
]
FACTS = {  # by hand, from the papers: how many lines of each kind a relative has
    "fcn": {"pool": 5, "up": 3, "add": 2},  # VGG16 pools five times; x2, x2, x8
    "unet": {"pool": 4, "up": 4, "concat": 4},
    "segnet": {"pool": 4, "up": 4, "index": 4},
    "vnet": {"pool": 3, "up": 3, "concat": 3},
    "deeplab": {"pool": 2, "up": 1},
    "resunet": {"pool": 4, "up": 4, "concat": 4, "short": 9},
    "unetpp": {"pool": 4, "up": 10, "concat": 20, "head": 4},
    "attention": {"pool": 4, "up": 4, "concat": 4, "gated": 3, "signal": 3},
    "diffusion": {"pool": 4, "up": 4, "concat": 4, "time": 10},  # nine blocks and the source
    "nnunet": {"pool": 4, "up": 4, "concat": 4, "rule": 3},
    "transunet": {"pool": 4, "up": 4, "concat": 3},
}
each = pytest.mark.parametrize("name", NAMES)


# ---- facts -------------------------------------------------------------------------------------


def test_the_names_are_in_order_of_time():
    assert [(name, int(relative(name).year[:4])) for name in NAMES] == IN_ORDER_OF_TIME


@each
def test_lines_of_each_kind_are_as_many_as_in_the_paper(name):
    picture = relative(name)
    counted = {kind: len(picture.kept(kind)) for kind in LINES if kind != "flow"}
    assert {kind: n for kind, n in counted.items() if n} == FACTS[name]


def test_unetpp_is_its_paper_s_equation_1():
    """x(i, 0) reads x(i-1, 0); x(i, j) reads all before it on level i and x(i+1, j-1) upsampled."""
    picture = relative("unetpp")
    place = {n.name: tuple(map(int, n.text.split(","))) for n in picture.nodes.values() if n.text}
    assert len(place) == 15
    found = Counter(
        (edge.kind, place[edge.start], place[edge.end])
        for edge in picture.edges
        if {edge.start, edge.end} <= set(place)
    )
    expected = {("pool", (i, 0), (i + 1, 0)) for i in range(4)}
    for i, j in place.values():
        if j:
            expected |= {("concat", (i, k), (i, j)) for k in range(j)}
            expected.add(("up", (i + 1, j - 1), (i, j)))
    assert found == Counter(expected) and len(expected) == 34
    heads = [place[edge.start] for edge in picture.kept("head")]
    assert heads == [(0, 1), (0, 2), (0, 3), (0, 4)], "the heads that are supervised"


def test_indices_and_gates_are_on_the_right_level():
    segnet, attention = relative("segnet"), relative("attention")
    for level, edge in enumerate(segnet.kept("index"), 1):
        below = "bottom" if level == 4 else f"down-{level + 1}"
        assert segnet.find(f"down-{level}", edge.start) and segnet.find(edge.start, below)
        below = "bottom" if level == 4 else f"up-{level + 1}"
        assert segnet.find(below, edge.end) and segnet.find(edge.end, f"up-{level}")
        if level == 1:
            assert attention.find("down-1", "up-1").kind == "concat", "no gate at full size"
            continue
        gate = attention.find(below, f"gate-{level}")
        assert gate.kind == "signal", "the gate is fed from one level below"
        assert attention.find(f"down-{level}", gate.end).kind == "concat"
        assert attention.find(gate.end, f"up-{level}").kind == "gated"


def test_fcn_adds_scores_of_pool3_pool4_and_the_bottom_and_convolves_no_more():
    picture = relative("fcn")
    assert {edge.end for edge in picture.kept("add")} == {"plus-3", "plus-4"}
    for pool, up in ((3, "plus-4"), (4, "score-5")):
        assert picture.find(f"pool-{pool}", f"score-{pool}") and picture.find(up, f"plus-{pool}")
    behind = {edge.end for edge in picture.edges if edge.colour != "gone"}
    assert not behind & {"up-1", "up-2", "up-3", "up-4"}
    assert [words for *_, words in picture.labels][-3:] == ["x2", "x2", "x8"]


def test_vnet_has_channels_doubled_before_the_pooling_and_only_cubes():
    picture = relative("vnet")
    assert {node.shape for node in picture.nodes.values()} == {"cube"}
    pairs = [tuple(map(int, words.split(", "))) for *_, words in picture.labels[:4]]
    assert pairs == [(32 * 2**i, 64 * 2**i) for i in range(4)]


def test_deeplab_diffusion_and_transunet():
    deeplab = relative("deeplab")
    assert ["rate 2", "rate 4", "x4"] == [words for *_, words in deeplab.labels]
    rows = {deeplab.nodes[name].y for name in ("down-3", "dilated-4", "dilated-5", "aspp")}
    assert len(rows) == 1, "no pooling: the dilated blocks stay on one level"
    diffusion = relative("diffusion")
    assert {edge.end for edge in diffusion.kept("time")} == {*BLOCKS, "time-bottom"}
    sides = [diffusion.nodes[name] for name in ("input", "output")]
    assert len({(one.width, one.height, one.shape) for one in sides}) == 1
    attention = [name for name in diffusion.nodes if name.startswith("attention")]
    assert attention == ["attention-down-4", "attention-bottom", "attention-up-4"]
    transunet = relative("transunet")
    assert f"{(224 // 16) ** 2} tokens" in transunet.nodes["tokens"].text
    assert transunet.find("down-1", "up-1").colour == "gone"
    assert transunet.find("tokens", "up-4").kind == "up"


def test_nnunet_leaves_the_u_as_it_is():
    picture, ours = relative("nnunet"), relative("unet")
    grey = {name for name, node in picture.nodes.items() if node.colour == "grey"}
    assert grey == set(ours.nodes)
    lines = {(e.kind, e.start, e.end) for e in picture.edges if e.colour == "grey"}
    assert lines == {(e.kind, e.start, e.end) for e in ours.edges}


# ---- geometry ----------------------------------------------------------------------------------


def distance(node, point):
    """How far a point is from a node's outline; negative inside."""
    dx, dy = abs(point[0] - node["x"]), abs(point[1] - node["y"])
    if node["shape"] in ("round", "point"):
        return hypot(dx, dy) - node["width"] / 2
    return max(dx - node["width"] / 2, dy - node["height"] / 2)


def along(edge, steps=24):
    """Points of the curve, by its definition."""
    a, b, c = map(np.array, edge["points"])
    return [(1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c for t in np.linspace(0, 1, steps)]


@each
def test_every_edge_leaves_its_first_node_and_ends_at_its_last(name):
    drawn = relative(name).drawn()
    nodes = {node["name"]: node for node in drawn["nodes"]}
    for edge in drawn["edges"]:
        first, _, last = edge["points"]
        assert 0.9 < distance(nodes[edge["start"]], first) < 4.1, edge
        assert 0.9 < distance(nodes[edge["end"]], last) < 4.1, edge
        if edge["tip"]:
            corners = np.array(edge["tip"])
            back = (corners[0] + corners[2]) / 2 - corners[1]
            assert np.allclose(corners[1], last) and np.isclose(np.hypot(*back), 8)
            assert back @ (np.array(first) - last) > 0, "it points to the end"


@each
def test_no_box_lies_on_another_and_no_line_runs_through_a_box(name):
    drawn = relative(name).drawn()
    for one, other in combinations(drawn["nodes"], 2):
        across = abs(one["x"] - other["x"]) - (one["width"] + other["width"]) / 2
        down = abs(one["y"] - other["y"]) - (one["height"] + other["height"]) / 2
        assert max(across, down) > 0, (one["name"], other["name"])
    for edge in drawn["edges"]:
        for node in drawn["nodes"]:
            if edge["colour"] != "gone" != node["colour"]:
                assert min(distance(node, point) for point in along(edge)) > 0, (edge, node)


@pytest.fixture
def figure(name):
    figure = draw(name)
    figure.canvas.draw()
    yield figure
    plt.close(figure)


@each
def test_the_figure_is_white_and_its_words_touch_no_other_words_no_box_and_no_line(figure, name):
    pixels = np.asarray(figure.canvas.buffer_rgba())
    assert pixels.shape == (360, 700, 4) and (pixels[..., 3] == 255).all()
    assert (pixels[[0, -1]] == 255).all() and (pixels[:, [0, -1]] == 255).all()
    drawn = relative(name).drawn()
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    assert min(text.get_fontsize() for text in texts) > 8.5
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    for text, box in zip(texts, boxes, strict=True):
        (x0, x1), (y1, y0) = box.intervalx, 360 - box.intervaly  # as on the page: y downwards
        assert x0 > 0 and y0 > 0 and x1 < 700 and y1 < 360, text
        for node in drawn["nodes"]:
            left, top = node["x"] - node["width"] / 2, node["y"] - node["height"] / 2
            apart = max(left - x1, x0 - left - node["width"], top - y1, y0 - top - node["height"])
            inside = node["text"] == text.get_text() and x0 > left and x1 < left + node["width"]
            assert apart > 0 or inside, (text, node["name"])
        for edge in drawn["edges"]:
            for x, y in along(edge) if edge["colour"] != "gone" else ():
                assert not (x0 < x < x1 and y0 < y < y1), (text, edge)


UNEXPLAINED = {  # colours that are not in the legend: the two paths; what has words beside it
    "unet": {"sky", "green"},
    "fcn": {"sky"},
    "diffusion": {"orange"},
}


@each
def test_the_legend_explains_what_is_new_in_at_most_three_words(name):
    picture = relative(name)
    legend = picture.drawn()["legend"]
    assert all(len(entry["words"].split()) <= 3 for entry in legend)
    shown = {entry[key]["colour"] for entry in legend for key in ("node", "edge") if key in entry}
    used = {one.colour for one in (*picture.nodes.values(), *picture.edges)}
    assert used - shown - {"grey"} == UNEXPLAINED.get(name, set())
    assert ("gone" in used) == (legend[-1]["words"] == "left out")


def test_no_two_pictures_and_no_two_sentences_are_alike():
    drawn = {json.dumps(relative(name).drawn()) for name in NAMES}
    assert len(drawn) == len({relative(name).sentence for name in NAMES}) == len(NAMES) == 11


# ---- refusals and the explorer -----------------------------------------------------------------


@pytest.mark.parametrize("call", [draw, relative, RelativesExplorer])
@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("segnt", ValueError, ["'segnt'", "'fcn', 'unet'", "did you mean 'segnet'?"]),
        ("U-Net++", ValueError, ["'U-Net++'", "did you mean 'unet"]),
        ("VNet", ValueError, ["did you mean 'vnet'?"]),
        ("", ValueError, ["name must be one of"]),
        (3, TypeError, ["not 3 (int)"]),
        (None, TypeError, ["not None (NoneType)"]),
    ],
)
def test_a_name_that_is_none_is_refused(refused, call, name, error, words):
    refused(lambda: call(name), error, *words)


@pytest.mark.parametrize("name", ["fcn", "unetpp"])
def test_three_faces(name):
    explorer = RelativesExplorer(name)
    data, _ = explorer._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png", WIDGET}
    assert data["text/plain"] == repr(explorer) == explorer.facts()
    assert relative(name).sentence in explorer.facts()
    png = data["image/png"]
    assert struct.unpack(">II", png[16:24]) == (700, 360) and len(png) < 60_000


def test_the_explorer_sends_every_picture_and_all_words_once():
    explorer = RelativesExplorer()
    sent = json.loads(json.dumps(explorer.table))
    assert list(sent) == list(NAMES) == explorer.names and set(explorer.fields) == set(
        module.FIELDS
    )
    for name, entry in sent.items():
        assert all(entry[field].endswith(".") for field in module.FIELDS)
        assert entry["nodes"] == json.loads(json.dumps(relative(name).drawn()["nodes"]))
    explorer.name = "unetpp"
    assert "Nested maps" in explorer.facts()
    with pytest.raises(ValueError, match="did you mean 'attention'"):
        explorer.name = "atention"
    with pytest.raises(TraitError):
        explorer.name = 3
    assert explorer.name == "unetpp"


CROSSES = {  # by hand: the words for what crosses the U
    "fcn": "Maps added",
    "segnet": "Pooling indices",
    "attention": "Gated maps",
    "unetpp": "Nested maps",
    "deeplab": "Nothing",
}


@each
def test_what_crosses_the_u_comes_first(name):
    assert module.WORDS[name][0].startswith(CROSSES.get(name, "Maps concatenated"))
