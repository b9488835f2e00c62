"""Every drill is worked out again from the words of its question: torch, loops, sets, counting.

`python tests/test_drills.py 10000` tries so many, all kinds alike, and prints how many were wrong.
"""

import random
import re
import sys
from collections import Counter
from functools import cache
from math import floor  # noqa: F401 (a drill's `how` is evaluated below)
from pathlib import Path

import nbformat
import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from unet_lesson import DoubleConv, UNet, UNetConfig
from unet_lesson.practice.drills import KINDS, Drill, drill, feedback, kinds_of
from unet_lesson.practice.questions import TOPICS, link

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
EACH = 60  # drills of each kind in the tests
every_kind = pytest.mark.parametrize("kind", KINDS)


def numbers(text):
    return [int(n) for n in re.findall(r"\d+", text)]


def found(pattern, text):
    return int(re.search(pattern, text)[1])


# ---- brute force, from the question alone ------------------------------------------------------


@cache
def walk(n, depth):
    """All sizes of the U by torch's operators, {(path, level): pixels}; None if one is odd or 0."""
    line, weight = torch.empty(1, 1, n, device="meta"), torch.empty(1, 1, 3, device="meta")
    sizes = {}
    try:
        for level in range(1, depth + 2):
            line = F.conv1d(F.conv1d(line, weight), weight)
            sizes["down", level] = line.shape[2]
            if level <= depth and line.shape[2] % 2:
                return None
            line = F.max_pool1d(line, 2) if level <= depth else line
        for level in range(depth, 0, -1):
            line = F.conv_transpose1d(line, weight[:, :, :2], stride=2)
            sizes["joined", level] = line.shape[2]
            line = F.conv1d(F.conv1d(line, weight), weight)
            sizes["up", level] = line.shape[2]
    except RuntimeError:  # the kernel is larger than the map
        return None
    return sizes if line.shape[2] else None


def net(text):
    """(sizes, depth, level if one is asked for)."""
    depth = found(r"(\d+) poolings", text)
    level = re.search(r"of level (\d+)", text)
    return walk(found(r"image of (\d+)", text), depth), depth, level and int(level[1])


def map_size(text):
    sizes, _, level = net(text)
    return sizes["down", level]


def map_size_up(text):
    sizes, depth, level = net(text)
    assert found(r"ends with (\d+)", text) == sizes["down", depth + 1]
    return sizes["up", level]


def output_size(text):
    return net(text)[0]["up", 1]


@cache
def built(base, depth):
    with torch.device("meta"):
        return UNet(UNetConfig.paper(base_channels=base, depth=depth))


def joined_channels(text):
    depth, level = found(r"(\d+) poolings", text), found(r"of level (\d+)", text)
    block = built(found(r"has (\d+) channels", text), depth).expansive.blocks[depth - level]
    return next(m for m in block.conv.modules() if isinstance(m, torch.nn.Conv2d)).in_channels


def crop(text):
    """Rows of the skip above its middle, counted by cutting one from each side until it fits."""
    sizes, _, level = net(text)
    skip, cut = range(sizes["down", level]), 0
    while len(skip) > sizes["joined", level]:
        skip, cut = skip[1:-1], cut + 1
    assert len(skip) == sizes["joined", level]
    return cut


def legal_input(text):
    n, depth = found(r"larger than (\d+)", text), found(r"(\d+) poolings", text)
    return next(m for m in range(n + 1, n + 500) if walk(m, depth))


def conv_output_size(text):
    k, p, s, n = numbers(text)
    return len(range(0, n + 2 * p - k + 1, s))


def transposed_size(text):
    """The pixels that the kernels of all n inputs write, less the padding."""
    k, s, p, n = numbers(text)
    return len(range(max(i * s + j for i in range(n) for j in range(k)) + 1)) - 2 * p


def receptive_field(text):
    """The pixels that the value 0 reads, followed back layer by layer as a set."""
    layers = text.partition(": ")[2].rstrip("?").split(", ")
    read = {0}
    for layer in reversed(layers):
        kernel = found(r"^(\d+)x", layer)
        stride = found(r"stride (\d+)", layer) if "stride" in layer else 1
        read = {i * stride + j for i in read for j in range(kernel)}
    return max(read) - min(read) + 1


def conv_parameters(text):
    k, _, before, after = numbers(text)
    return torch.empty(after, before, k, k, device="meta").numel() + after * ("with a" in text)


def double_conv_parameters(text):
    before, after, *_ = numbers(text)
    with torch.device("meta"):
        block = DoubleConv(before, after, batch_norm="a BatchNorm after each" in text)
    return sum(p.numel() for p in block.parameters())


def up_parameters(text):
    before, after = (found(rf"{word} (\d+)", text) for word in ("from", "to"))
    weight = torch.empty(before, after, 2, 2, device="meta")
    x = F.conv_transpose2d(torch.empty(1, before, 1, 1, device="meta"), weight, stride=2)
    assert x.shape == (1, after, 2, 2)
    return weight.numel() + after


def macs(text):
    k, _, p, before, n, _, after = numbers(text)
    x = torch.empty(1, before, n, n, device="meta")
    with FlopCounterMode(display=False) as counter:
        F.conv2d(x, torch.empty(after, before, k, k, device="meta"), padding=p)
    return counter.get_total_flops() // 2


def counts(text):
    """(pixels in both, in the prediction, in the truth), bit by bit."""
    a, b = ("".join(pair) for pair in re.findall(r"([01]{5}) / ([01]{5})", text))
    return sum(x == y == "1" for x, y in zip(a, b, strict=True)), a.count("1"), b.count("1")


def dice(text):
    both, a, b = counts(text)
    return 2 * both / (a + b)


def iou(text):
    both, a, b = counts(text)
    return both / (a + b - both)


def tiles(text):
    out, height, width = (numbers(text)[i] for i in (2, 4, 5))
    return sum(1 for _ in range(0, height, out) for _ in range(0, width, out))


BRUTE = {name: globals()[name] for name in KINDS}


def right(task):
    return task.answer == pytest.approx(BRUTE[task.kind](task.question), rel=1e-12)


@every_kind
def test_answers_are_those_of_brute_force(kind, one_thread):
    tasks = [drill(kind, seed) for seed in range(EACH)]
    assert all(task.kind == kind for task in tasks)
    assert [task for task in tasks if not right(task)] == []
    assert len({task.question for task in tasks}) > EACH / 12


# ---- feedback ----------------------------------------------------------------------------------


def conv_without_pairs(text):
    """568 for 570 and the like: one convolution of the level is forgotten."""
    return map_size(text) + 2


COMMON = {  # kind: (a wrong number out of the question, a word of the reason)
    "map_size": (conv_without_pairs, "one short"),
    "map_size_up": (lambda t: map_size_up(t) + 4, "before the two convolutions"),
    "output_size": (lambda t: found(r"image of (\d+)", t), "only with padding"),
    "joined_channels": (lambda t: joined_channels(t) // 2, "forget the concatenation"),
    "crop": (lambda t: 2 * crop(t), "two sides together"),
    "legal_input": (lambda t: legal_input(t) - 2 ** found(r"(\d+) poolings", t), "go down"),
    "conv_output_size": (lambda t: conv_output_size(t) - 1, "+ 1 is missing"),
    "transposed_size": (lambda t: transposed_size(t) + numbers(t)[1], "steps between them"),
    "receptive_field": (lambda t: receptive_field(t) - 1, "One is missing"),
    "conv_parameters": (lambda t: numbers(t)[0] ** 2 * numbers(t)[2] * numbers(t)[3], "bias"),
    "double_conv_parameters": (lambda t: double_conv_parameters(t) - 2 * numbers(t)[1], "biases"),
    "up_parameters": (lambda t: up_parameters(t) - found(r"to (\d+)", t), "bias is missing"),
    "macs": (lambda t: 2 * macs(t), "FLOPs"),
    "dice": (iou, "IoU"),
    "iou": (dice, "Dice"),
    "tiles": (
        lambda t: -(-numbers(t)[4] // numbers(t)[0]) * -(-numbers(t)[5] // numbers(t)[0]),
        "Only the output",
    ),
}


@every_kind
def test_the_common_wrong_answer_is_recognised_and_the_right_one_never(kind):
    wrong, words = COMMON[kind]
    seen = 0
    for seed in range(EACH):
        task = drill(kind, seed)
        assert all(abs(number - task.answer) > 0.02 for number in task.feedback)
        assert all(why.endswith(".") for why in task.feedback.values())
        assert len(task.feedback) >= 2, task
        reasons = [why for n, why in task.feedback.items() if abs(n - wrong(task.question)) < 1e-9]
        seen += any(words in why for why in reasons)
    assert seen > 0.4 * EACH  # at times the mistake gives the right number, or another's


def test_feedback_leaves_out_the_answer_and_keeps_the_first_reason():
    mistakes = [(570, "one"), (568, "right"), (570, "two"), (-4, "below 0"), (568.01, "near")]
    assert feedback(568, mistakes) == {570: "one"}


# ---- words -------------------------------------------------------------------------------------


@every_kind
def test_the_way_leads_to_the_answer(kind):
    for seed in range(EACH):
        task = drill(kind, seed)
        if kind in ("map_size", "map_size_up", "output_size"):
            assert task.how.endswith(f" = {task.answer}.")
            steps = re.findall(r"(\d+) - 4 = (\d+)", task.how)
            assert steps and all(int(a) - 4 == int(b) for a, b in steps)
        elif kind == "legal_input":
            assert task.how.startswith(f"{task.answer} - 4 = ")
        elif kind == "crop":
            assert eval(task.how.rpartition(": ")[2].rstrip(".")) == task.answer
        elif kind == "double_conv_parameters":
            parts = task.how.rstrip(".").partition(", and ")
            norm = 2 * numbers(parts[2])[1] * 2 if parts[2] else 0
            assert sum(map(eval, parts[0].split(" and "))) + norm == task.answer
        elif kind in ("joined_channels", "macs", "tiles"):
            a, b, *_ = [int(n) for n in re.findall(r"\d+", task.how.replace(",", ""))]
            values = {"joined_channels": a + b, "macs": a * b * b}
            if kind == "tiles":
                values["tiles"] = int(numbers(task.how)[2]) * int(numbers(task.how)[5])
            assert values[kind] == task.answer
        else:
            assert eval(task.how.partition(": ")[0].rstrip(".")) == pytest.approx(task.answer)


@every_kind
def test_english_and_chinese_ask_with_the_same_numbers(kind):
    for seed in range(EACH):
        task = drill(kind, seed)
        assert re.search(r"[一-鿿]", task.zh) and task.zh.endswith(("？", "）"))  # noqa: RUF001
        assert set(numbers(task.zh)) <= set(numbers(task.question)) | {1}
        assert len(set(numbers(task.zh))) >= len(set(numbers(task.question))) - 2
        assert task.question.endswith(("?", "."))
        assert repr(task) == f"drill on {kind.replace('_', ' ')}: {task.question}"


def test_every_kind_stands_in_a_topic_and_at_a_heading():
    for kind in KINDS.values():
        assert kind.topic in TOPICS
        notebook, _, heading = kind.heading.partition("#")
        cells = nbformat.read(NOTEBOOKS / f"{notebook}.ipynb", as_version=4).cells
        titles = re.findall(r"^#+ (.+)", "\n".join(c.source for c in cells), re.M)
        assert heading in titles, kind.heading
    assert link(drill("tiles", 0)) == "08_overlap_tile.ipynb#Lay-the-tiles"


# ---- which one is drawn ------------------------------------------------------------------------


def test_a_seed_always_gives_the_same_drill_and_no_other_state_moves():
    random.seed(1)
    torch.manual_seed(1)
    before = random.getstate(), torch.get_rng_state()
    assert all(drill(seed=seed) == drill(seed=seed) for seed in range(20))
    assert random.getstate() == before[0] and torch.equal(torch.get_rng_state(), before[1])
    assert drill("crop", 7) == drill("crop", 7, level=2)
    assert len({drill("macs").question for _ in range(40)}) > 3
    assert isinstance(drill(), Drill)


def test_levels_choose_among_the_kinds():
    assert sorted([*kinds_of(1), *kinds_of(2), *kinds_of(3)]) == sorted(KINDS)
    drawn = Counter(drill(seed=seed, level=1).kind for seed in range(200))
    assert drawn.keys() == set(kinds_of(1))
    assert Counter(drill(seed=seed).kind for seed in range(300)).keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"kind": "crops"}, ValueError, ["crops", "did you mean 'crop'?"]),
        ({"kind": 3}, TypeError, ["kind must be one of 'map_size'", "not 3 (int)"]),
        ({"level": 4}, ValueError, ["level must be 1, 2, 3 or None, not 4; the nearest is 3"]),
        ({"level": "easy"}, TypeError, ["level must be a whole number"]),
        ({"seed": 0.5}, TypeError, ["seed must be a whole number"]),
        ({"kind": "crop", "level": 1}, ValueError, ["drills on crop are of level 2, not 1"]),
    ],
)
def test_what_is_no_drill_is_refused(given, error, words, refused):
    refused(lambda: drill(**given), error, *words)


if __name__ == "__main__":
    torch.set_num_threads(1)
    total, wrong = int(sys.argv[1]), []
    names = list(KINDS)
    for i in range(total):
        task = drill(names[i % len(names)], seed=i)
        if not right(task) or task.answer in task.feedback:
            wrong.append(task)
    print(*wrong[:10], sep="\n", end="")
    print(f"{total:,} drills of {len(names)} kinds against brute force: {len(wrong)} wrong")
