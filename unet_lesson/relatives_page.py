"""A page on which a relative of U-Net is drawn: our U, and the tools to change it.

A Picture is nodes, edges, labels and a legend. Python works out every point once; the figure and
the explorer only draw them. Places are in 1/100 inch from the top left corner of the page.
"""

from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from math import hypot

PAGE = (700, 360)  # width, height
LEGEND_Y = 344
LINES = {  # kind of edge: dashes (on, off) or None, line width
    "flow": (None, 1.4),  # from block to block, and what is not of another kind
    "pool": (None, 2.0),
    "up": ((3, 2), 2.4),
    "concat": ((7, 4), 1.6),
    "add": (None, 2.4),
    "index": ((2, 3), 2.6),  # pooling indices
    "gated": ((7, 4), 2.6),
    "signal": ((2, 3), 2.2),  # to a gate
    "short": (None, 2.4),  # around a block
    "head": (None, 1.6),
    "time": (None, 1.6),
    "rule": ((6, 3), 2.2),
}
BOXES = ((10, 42), (13, 35), (17, 28), (22, 23), (27, 18), (30, 14))  # width, height by row
RIGHT = ("up-4", "up-3", "up-2", "up-1")
BLOCKS = ("down-1", "down-2", "down-3", "down-4", "bottom", *RIGHT)  # in the order they run


@dataclass
class Node:
    """One box: its centre and size. shape: one of those that `parts` knows."""

    name: str
    shape: str
    x: float
    y: float
    width: float
    height: float
    colour: str = "grey"
    text: str = ""


@dataclass
class Edge:
    """One arrow between two nodes. bend: how far above the straight line it is pulled."""

    kind: str
    start: str
    end: str
    colour: str = "grey"
    bend: float = 0


class Picture:
    """What one relative looks like. Grey is as in our U, "gone" left out, a colour is changed.

    title, year, paper, sentence: words. nodes: by name. edges: a list. labels: (x, y, words),
    centred. legend: (a node or an edge, words).
    A new one shows our U: nine blocks, four poolings, four skip connections, all grey.
    """

    def __init__(self, title, year, paper, sentence):
        self.title, self.year, self.paper, self.sentence = title, year, paper, sentence
        self.nodes, self.edges, self.labels, self.legend = {}, [], [], []
        self.box("input", "image", -0.85, 0, size=(34, 42))
        for i, name in enumerate(BLOCKS):
            self.box(name, "box", i, min(i, 8 - i))
        self.box("output", "mask", 8.85, 0, size=(34, 42))
        self.join("flow", "input", "down-1")
        for i, (start, end) in enumerate(pairwise(BLOCKS)):
            self.join("pool" if i < 4 else "up", start, end)
        self.join("flow", "up-1", "output")
        for level in range(1, 5):
            self.join("concat", f"down-{level}", f"up-{level}")

    # ---- changing it ---------------------------------------------------------------------

    def box(self, name, shape, column, row, colour="grey", size=None, text=""):
        size = size or BOXES[round(row)]
        self.nodes[name] = Node(name, shape, *place(column, row), *size, colour, text)

    def beside(self, name, shape, block, right, down, colour, size, text=""):
        """Add a node whose centre is this far, in units of the page, from a block's."""
        x, y = self.nodes[block].x + right, self.nodes[block].y + down
        self.nodes[name] = Node(name, shape, x, y, *size, colour, text)

    def join(self, kind, start, end, colour="grey", bend=0):
        self.edges.append(Edge(kind, start, end, colour, bend))

    def label(self, column, row, words):
        self.labels.append((*place(column, row), words))

    def paint(self, kind, colour):
        """Give all edges of one kind a colour, or "gone"."""
        for edge in self.edges:
            if edge.kind == kind:
                edge.colour = colour

    def leave_out(self, *names):
        """These nodes, and every edge at them, are not in the relative."""
        for name in names:
            self.nodes[name].colour = "gone"
        for edge in self.edges:
            if {edge.start, edge.end} & set(names):
                edge.colour = "gone"

    def find(self, start, end):
        """The edge from one node to another."""
        return next(edge for edge in self.edges if (edge.start, edge.end) == (start, end))

    def put_between(self, node, start, end, kind="flow", colour="grey"):
        """Lead the edge from start to end through a node; what leaves it is of this kind."""
        self.find(start, end).end = node
        self.join(kind, node, end, colour)

    def put_behind(self, node, block):
        """What left the block now leaves the node behind it."""
        for edge in self.edges:
            if edge.start == block:
                edge.start = node

    def explain(self, *entries):
        """Fill the legend: (a node's name or an edge's kind, at most three words)."""
        new = [edge for edge in self.edges if edge.colour not in ("grey", "gone")]
        for sample, words in entries:
            node = self.nodes.get(sample)
            self.legend.append((node or next(e for e in new if e.kind == sample), words))

    # ---- reading it ----------------------------------------------------------------------

    def kept(self, kind):
        """The edges of one kind that the relative has."""
        return [edge for edge in self.edges if edge.kind == kind and edge.colour != "gone"]

    def drawn(self):
        """Plain lists and dictionaries with every point worked out: nodes, edges, labels, legend.

        A node has its `parts`, an edge its three `points` (start, pulled to, end) and its `tip`.
        """
        edges = [_drawn_edge(edge, self._curve(edge)) for edge in self.edges]
        nodes = [_drawn_node(node) for node in self.nodes.values()]
        return {"nodes": nodes, "edges": edges, "labels": self.labels, "legend": self._legend()}

    def _curve(self, edge):
        start, end = self.nodes[edge.start], self.nodes[edge.end]
        middle = (start.x + end.x) / 2, (start.y + end.y) / 2 - edge.bend
        apart = hypot(end.x - start.x, end.y - start.y) - (start.width + end.width) / 2
        gap = 4 if apart > 16 else 1
        first, last = rim(start, middle, gap), rim(end, middle, gap)
        if not edge.bend:
            middle = (first[0] + last[0]) / 2, (first[1] + last[1]) / 2
        return first, middle, last

    def _legend(self):
        """For each entry the node or the edge to draw, and the words and their place."""
        entries, x, y = [], 24, LEGEND_Y
        for sample, words in [*self.legend, *self._left_out()]:
            if isinstance(sample, Node):
                wide, tall = min(sample.width, 22), min(sample.height, 22)
                text = sample.text if len(sample.text) == 1 else ""
                at = {"x": x + wide / 2, "y": y, "width": wide, "height": tall, "text": text}
                entry = {"node": _drawn_node(replace(sample, **at))}
            else:
                wide = 36
                points = (x, y), (x + wide / 2, y), (x + wide, y)
                entry = {"edge": _drawn_edge(sample, points)}
            x += wide + 15
            entries.append({**entry, "x": x, "y": y, "words": words})
            x += 24 + 6.2 * len(words)
        return entries

    def _left_out(self):
        """A legend entry for what is drawn as gone, if anything is."""
        everything = [*self.nodes.values(), *self.edges]
        gone = [one for one in everything if one.colour == "gone"]
        return [(gone[0], "left out")] if gone else []


def _drawn_node(node):
    return {**asdict(node), "parts": parts(node)}


def _drawn_edge(edge, points):
    return {**asdict(edge), "points": points, "tip": tip(points)}


# ---- geometry --------------------------------------------------------------------------------


def place(column, row):
    """Centre of a place of the V: column 0 to 8 from left to right, row 0 to 5 downwards."""
    return 102 + 62 * column, 84 + 46 * row


def rim(node, towards, gap):
    """Where the line from the node's centre towards a point has left it by `gap`."""
    x, y = towards[0] - node.x, towards[1] - node.y
    if node.shape in ("round", "point"):
        share = (node.width / 2 + gap) / hypot(x, y)
    else:
        half = node.width / 2 + gap, node.height / 2 + gap
        share = min(h / abs(d) for h, d in zip(half, (x, y), strict=True) if d)
    return node.x + share * x, node.y + share * y


def tip(points, long=8, half=4):
    """The triangle at the end of an arrow: three points; none where the arrow is too short."""
    (x0, y0), (x1, y1), (x, y) = points
    if hypot(x - x0, y - y0) < long + 2:
        return []
    length = hypot(x - x1, y - y1)
    dx, dy = (x - x1) / length, (y - y1) / length
    left, top = x - long * dx, y - long * dy
    return [(left - half * dy, top + half * dx), (x, y), (left + half * dy, top - half * dx)]


def parts(node):
    """What a node is drawn of: polygons and discs, each with how full of colour it is, 0 to 1."""
    shapes = {"box": _box, "cube": _cube, "grid": _grid, "noise": _noise, "words": _words}
    shapes |= {"round": _round, "point": _round, "image": _cells, "mask": _cells}
    return shapes[node.shape](node)


def _patch(node, left=0, top=0, wide=1, tall=1, fill=0.7):
    """A rectangle; its place and size in shares of the node."""
    x0, y0 = node.x + (left - 0.5) * node.width, node.y + (top - 0.5) * node.height
    x1, y1 = x0 + wide * node.width, y0 + tall * node.height
    return {"polygon": [(x0, y0), (x1, y0), (x1, y1), (x0, y1)], "fill": fill}


def _box(node):
    return [_patch(node)]


def _words(node):
    return [_patch(node, fill=0.12)]


def _round(node):
    """A circle; a point is a small full one."""
    return [{"disc": (node.x, node.y, node.width / 2), "fill": float(node.shape == "point")}]


def _grid(node):
    """2 x 2 pixels, one of them the maximum."""
    corners = [(0, 0), (0.5, 0), (0, 0.5), (0.5, 0.5)]
    return [_patch(node, *at, 0.5, 0.5, 0.9 if at == (0.5, 0) else 0.1) for at in corners]


def _cells(node):
    """Two cells, pale in an image and full in a mask."""
    fill = 0.9 if node.shape == "mask" else 0.35
    places = ((-0.13, -0.2, 0.24), (0.17, 0.2, 0.21))  # centre and radius, in shares
    discs = [
        (node.x + x * node.width, node.y + y * node.height, r * node.width) for x, y, r in places
    ]
    return [*_words(node), *({"disc": disc, "fill": fill} for disc in discs)]


def _noise(node):
    """Grains on a grid of 5 x 6, the same ones each time."""
    grains = [(i, j) for i in range(5) for j in range(6) if (3 * i + 5 * j + i * j) % 5 < 2]
    return [*_words(node), *(_patch(node, i / 5, j / 6, 1 / 5, 1 / 6, 0.9) for i, j in grains)]


def _cube(node, deep=8):
    """The front, and the upper and the right side."""
    front = _patch(node)
    (x0, y0), (x1, _), (_, y1), _ = front["polygon"]
    upper = [(x0, y0), (x0 + deep, y0 - deep), (x1 + deep, y0 - deep), (x1, y0)]
    right = [(x1, y0), (x1 + deep, y0 - deep), (x1 + deep, y1 - deep), (x1, y1)]
    return [front, {"polygon": upper, "fill": 0.3}, {"polygon": right, "fill": 0.95}]
