"""The relatives of U-Net: what each of them changes in our U, and a sentence that says so.

`relative(name)` gives a Picture of unet_lesson.relatives_page, which the figure and the explorer
both draw.
"""

from unet_lesson.config import check_choice
from unet_lesson.relatives_page import BLOCKS, RIGHT, Picture


def _unet(u):
    for name in BLOCKS:
        u.nodes[name].colour = "green" if name in RIGHT else "sky"
    for kind, colour in (("pool", "red"), ("up", "orange"), ("concat", "blue")):
        u.paint(kind, colour)
    u.explain(("pool", "pooling"), ("up", "up-convolution"), ("concat", "maps concatenated"))


def _fcn(u):
    u.leave_out(*RIGHT)
    u.box("fc", "box", 5, 5, "sky")
    u.join("pool", "bottom", "fc", "sky")
    for pool, column, end in ((3, 2.4, "down-4"), (4, 3.37, "bottom")):
        u.box(f"pool-{pool}", "box", column, pool, "green", size=(8, 35 - 5 * pool))
        u.put_between(f"pool-{pool}", f"down-{pool}", end)
        u.label(column - 0.2, pool + 0.5, f"pool{pool}")
    for row, column in ((3, 5.55), (4, 5.4), (5, 5.75)):
        u.box(f"score-{row}", "box", column, row, "green", size=(12, 16))
    for row, column in ((3, 6.4), (4, 6.1)):
        u.box(f"plus-{row}", "round", column, row, "orange", (18, 18), "+")
        u.join("flow", f"pool-{row}", f"score-{row}", "green", bend=-56)
        u.join("add", f"score-{row}", f"plus-{row}", "green")
    u.join("flow", "fc", "score-5", "green")
    for start, end in (("score-5", "plus-4"), ("plus-4", "plus-3"), ("plus-3", "output")):
        u.join("up", start, end, "orange")
    for at, words in (
        ((3.9, 5.1), "7x7, then 1x1"),
        ((6.25, 4.55), "x2"),
        ((6.55, 3.55), "x2"),
        ((8, 1.85), "x8"),
    ):
        u.label(*at, words)
    u.explain(("score-3", "1x1 class scores"), ("plus-3", "added"), ("up", "upsampled scores"))


def _segnet(u):
    u.paint("concat", "gone")
    for level in range(1, 5):
        pool, unpool = f"pool-{level}", f"unpool-{level}"
        u.box(pool, "grid", level - 0.5, level - 0.5, "purple", (16, 16))
        u.box(unpool, "grid", 8.5 - level, level - 0.5, "purple", (16, 16))
        u.put_between(pool, BLOCKS[level - 1], BLOCKS[level])
        u.put_between(unpool, BLOCKS[8 - level], BLOCKS[9 - level])
        u.join("index", pool, unpool, "purple")
    u.explain(("index", "pooling indices"), ("unpool-1", "unpooling"))


def _deeplab(u):
    u.leave_out("down-4", "bottom", *RIGHT)
    u.box("dilated-4", "box", 3, 2, "orange", (21, 27))
    u.box("dilated-5", "box", 4, 2, "orange", (26, 27))
    u.box("aspp", "words", 5.05, 2, "purple", (74, 40), "ASPP\n6 12 18 24")
    for start, end in (("down-3", "dilated-4"), ("dilated-4", "dilated-5"), ("dilated-5", "aspp")):
        u.join("flow", start, end, "orange")
    u.join("up", "aspp", "output", "green", bend=-110)
    u.label(3, 2.55, "rate 2")
    u.label(4, 2.55, "rate 4")
    u.label(8, 2.05, "x4")
    u.explain(
        ("dilated-4", "dilated convolutions"),
        ("aspp", "parallel rates"),
        ("up", "one big upsampling"),
    )


def _resunet(u):
    for block in BLOCKS:
        tap, plus, half = f"tap-{block}", f"plus-{block}", u.nodes[block].width / 2
        u.beside(tap, "point", block, -half - 12, 0, "orange", (5, 5))
        u.beside(plus, "round", block, half + 15, 0, "orange", (12, 12), "+")
        for edge in u.edges:
            if edge.end == block:
                edge.end = tap
        u.put_behind(plus, block)
        u.join("flow", tap, block)
        u.join("flow", block, plus)
        u.join("short", tap, plus, "orange", bend=u.nodes[block].height + 18)
    u.explain(("short", "shortcut"), ("plus-down-1", "added"))


def _unetpp(u):
    names = {(row, step): f"nested-{row}-{step}" for row in range(5) for step in range(5 - row)}
    names |= {(row, 0): BLOCKS[row] for row in range(5)}
    names |= {(row, 4 - row): BLOCKS[8 - row] for row in range(4)}
    u.edges = [edge for edge in u.edges if edge.kind != "concat"]
    for (row, step), name in names.items():
        colour = "grey" if name in BLOCKS else "orange"
        u.box(name, "round", row + 2 * step, row, colour, (26, 26), f"{row},{step}")
        if name not in BLOCKS:
            u.join("up", names[row + 1, step - 1], name, "orange")
        for before in range(step):
            colour = "grey" if step - before == 4 - row else "blue"  # grey: the skip of our U
            u.join("concat", names[row, before], name, colour, 24 * (step - before - 1))
    for step in range(1, 5):
        u.box(f"head-{step}", "box", 2 * step, -1.05, "purple", (14, 14))
        u.join("head", names[0, step], f"head-{step}", "purple")
    nested, head = ("nested-0-1", "nested block"), ("head-1", "supervised head")
    u.explain(nested, ("concat", "dense skips"), head)


def _attention(u):
    for level in range(2, 5):
        gate, below = f"gate-{level}", BLOCKS[8 - level]
        u.box(gate, "round", 8.15 - level, level - 1, "orange", (20, 20), "\N{MULTIPLICATION SIGN}")
        u.put_between(gate, f"down-{level}", f"up-{level}", "gated", "orange")
        u.join("signal", below, gate, "purple")
    u.explain(("gate-2", "attention gate"), ("signal", "gating signal"), ("gated", "weighted maps"))


def _vnet(u):
    for name in ("down-4", "up-4"):
        del u.nodes[name]
    u.edges = [edge for edge in u.edges if {edge.start, edge.end} <= set(u.nodes)]
    u.box("bottom", "box", 4, 3)
    u.join("pool", "down-3", "bottom")
    u.join("up", "bottom", "up-3")
    for node in u.nodes.values():
        node.shape, node.colour = "cube", "orange"
    u.paint("pool", "red")
    for i, words in enumerate(("32, 64", "64, 128", "128, 256")):
        u.label(i - 0.3, i + 0.67, words)
    u.label(4, 3.5, "256, 512")
    u.label(4, 4.45, "3D U-Net doubles the channels before it pools")
    u.explain(("down-3", "3D maps"), ("pool", "pool or stride"))


def _nnunet(u):
    measured = "dataset fingerprint\nsize, spacing, values"
    derived = "spacing, patch size,\nbatch size, depth"
    u.box("data", "words", 0.75, 4, "purple", (150, 44), measured)
    u.box("rules", "words", 4, 5, "orange", (90, 26), "rules")
    u.box("plan", "words", 7.25, 4, "green", (150, 44), derived)
    u.join("rule", "data", "rules", "purple")
    u.join("rule", "rules", "plan", "orange")
    u.join("rule", "plan", "bottom", "green")
    u.explain(("data", "measured"), ("rules", "fixed"), ("plan", "derived"))


def _transunet(u):
    u.box("tokens", "words", 4, 5, "orange", (230, 28), "12 transformer layers, 196 tokens")
    u.edges.remove(u.find("bottom", "up-4"))
    u.join("flow", "bottom", "tokens", "orange")
    u.join("up", "tokens", "up-4", "orange")
    u.find("down-1", "up-1").colour = "gone"
    u.label(2.9, 4.1, "14 x 14 map")
    u.explain(("tokens", "global self-attention"))


def _diffusion(u):
    for name in ("input", "output"):
        u.nodes[name].shape, u.nodes[name].colour = "noise", "orange"
    u.label(-0.85, 0.7, "noisy image")
    u.label(8.85, 0.7, "its noise")
    for block in BLOCKS:
        time, node = f"time-{block}", u.nodes[block]
        u.beside(time, "round", block, 0, node.height / 2 + 27, "green", (16, 16), "t")
        u.join("time", time, block, "green")
    for block in ("down-4", "bottom", "up-4"):
        attention, node = f"attention-{block}", u.nodes[block]
        u.beside(attention, "box", block, node.width / 2 + 6, 0, "purple", (9, node.height))
        u.put_behind(attention, block)
    u.box("step", "words", 1, 4.9, "green", (150, 28), "step t: sines, an MLP")
    u.join("time", "step", "time-bottom", "green")
    u.explain(("time-bottom", "time embedding"), ("attention-bottom", "self-attention"))


RELATIVES = {  # in order of time. name: title, year, paper, sentence, what it changes
    "fcn": (
        "FCN",
        "2015",
        "Long, Shelhamer and Darrell, CVPR 2015 (arXiv 2014)",
        "FCN has no expansive path: 1x1 convolutions make class scores of pool3, of pool4 and of "
        "the bottom, and the scores are upsampled and added.",
        _fcn,
    ),
    "unet": (
        "U-Net",
        "2015",
        "Ronneberger, Fischer and Brox, MICCAI 2015",
        "Our U-Net: four poolings down on the left, four up-convolutions up on the right, and on "
        "each level the map of the left is concatenated to that of the right.",
        _unet,
    ),
    "segnet": (
        "SegNet",
        "2015",
        "Badrinarayanan, Kendall and Cipolla, TPAMI 2017 (arXiv 2015)",
        "SegNet keeps both paths, but no map goes across: on each level the pooling tells the "
        "unpooling where its maxima were.",
        _segnet,
    ),
    "vnet": (
        "3D U-Net, V-Net",
        "2016",
        "Çiçek et al., MICCAI 2016; Milletari, Navab and Ahmadi, 3DV 2016",
        "3D U-Net and V-Net make every map a volume. 3D U-Net pools three times and doubles the "
        "channels before each pooling; V-Net halves by convolutions of stride 2. Drawn: 3D U-Net; "
        "V-Net has one level more.",
        _vnet,
    ),
    "deeplab": (
        "DeepLab",
        "2016 to 2018",
        "Chen et al., TPAMI 2018 (v2, arXiv 2016); v3 2017; v3+ ECCV 2018",
        "DeepLab drops the last two poolings and dilates the convolutions behind them, at rates 2 "
        "and 4; ASPP looks at four rates side by side, and one big upsampling ends it.",
        _deeplab,
    ),
    "resunet": (
        "Residual U-Net",
        "2018",
        "Zhang, Liu and Wang, GRSL 2018",
        "The residual U-Net adds a shortcut around each of the nine double convolutions; the "
        "paths and the skip connections stay.",
        _resunet,
    ),
    "unetpp": (
        "U-Net++",
        "2018",
        "Zhou et al., DLMIA 2018",
        "U-Net++ fills the U with six nested blocks, fifteen in all: each reads every block before "
        "it on its level and the one below, and four heads on the top level are supervised.",
        _unetpp,
    ),
    "attention": (
        "Attention U-Net",
        "2018",
        "Oktay et al., MIDL 2018",
        "Attention U-Net puts a gate on each skip connection but the topmost: with the map from "
        "below it weights every position of the skip before the two are concatenated.",
        _attention,
    ),
    "diffusion": (
        "Diffusion U-Net",
        "2020",
        "Ho, Jain and Abbeel, NeurIPS 2020 (DDPM)",
        "The U-Net of a diffusion model takes a noisy image and gives its noise, of the same size; "
        "the time embedding enters every block, and self-attention stands at the 16 x 16 level, "
        "wherever that lies, and at the bottom.",
        _diffusion,
    ),
    "nnunet": (
        "nnU-Net",
        "2021",
        "Isensee et al., Nature Methods 2021",
        "nnU-Net leaves the U as it is: rules turn a fingerprint of the dataset into spacing, "
        "patch size, batch size and depth.",
        _nnunet,
    ),
    "transunet": (
        "TransUNet",
        "2021",
        "Chen et al., arXiv 2021",
        "TransUNet sends the map at the bottom, 14 x 14 for an input of 224, as 196 tokens through "
        "twelve transformer layers; it has no skip connection at full size.",
        _transunet,
    ),
}
NAMES = tuple(RELATIVES)


def check_name(name):
    """Return `name` if it is one of NAMES, else raise TypeError / ValueError."""
    return check_choice("name", name, NAMES)


def relative(name):
    """The Picture of one relative. Raises TypeError or ValueError for a name that is none."""
    *words, change = RELATIVES[check_name(name)]
    picture = Picture(*words)
    change(picture)
    return picture
