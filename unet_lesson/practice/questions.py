"""The question bank: questions.yaml, read and checked; every number in it can be evaluated."""

import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

from unet_lesson.config import check_whole

BANK = Path(__file__).parent / "questions.yaml"
TOPICS = (
    "architecture",
    "skip connections",
    "sizes",
    "parameters",
    "receptive field",
    "padding and crop",
    "tiling",
    "upsampling",
    "normalisation",
    "loss",
    "metrics",
    "data and training",
    "debugging",
    "cost and deployment",
    "relatives",
)


@dataclass(frozen=True)
class Question:
    """One question of the bank.

    id: its stable name. topic: one of TOPICS. level: 1 to 3. question, zh: English and Chinese.
    answer: to say aloud. must: the points an answer must contain. heading: the place in the
    notebooks that shows it, as "notebook#its heading". source: where what is not computed there
    comes from. numbers: {number as printed: expression that gives it}; cited: {number: source}.
    wrong: {"says": the common wrong answer, "why": why it is wrong}. corrects: the published
    errors it puts right. choices: {"right": text, "wrong": {text: why}}; number: an expression
    whose value is the answer, in `unit`.
    """

    id: str
    topic: str
    level: int
    question: str
    zh: str
    answer: str
    must: list[str]
    heading: str
    source: str = ""
    numbers: dict[str, str] = field(default_factory=dict)
    cited: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    corrects: list[int] = field(default_factory=list)
    choices: dict = field(default_factory=dict)
    number: str = ""
    unit: str = ""


@cache
def bank() -> tuple[Question, ...]:
    """All questions, in the order of the file."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    rows = yaml.load(BANK.read_text("utf-8"), loader)
    return tuple(Question(**row) for row in rows)


@cache
def notebooks() -> tuple[str, ...]:
    """The notebooks that show the answers, in their order: "00", "01", ..., "09b", "09c"."""
    return tuple(sorted({notebook_of(question) for question in bank()}))


def notebook_of(asked):
    """The notebook that shows a question or a drill: "03"."""
    return asked.heading.partition("_")[0]


def link(asked):
    """The place that shows a question or a drill, as a link from one notebook to another."""
    notebook, _, heading = asked.heading.partition("#")
    return f"{notebook}.ipynb#{heading.replace(' ', '-')}"


def check_level(level):
    """Return `level` if it is None, 1, 2 or 3, else raise TypeError / ValueError."""
    if level is None or 1 <= check_whole("level", level) <= 3:
        return level
    nearest = min(max(level, 1), 3)
    raise ValueError(f"level must be 1, 2, 3 or None, not {level}; the nearest is {nearest}")


def value(expression):
    """What an expression of the bank gives: over torch and the oracle, never typed by hand."""
    names = _names()
    with names["torch"].random.fork_rng(devices=()):  # layers draw weights: not from the reader's
        return eval(expression, names)


@cache
def _names():
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional as F

    from unet_lesson import DoubleConv, UNet, UNetConfig, objective, shapes

    def parameters(thing):
        if isinstance(thing, UNetConfig):
            return shapes.parameter_count(thing)
        return sum(p.numel() for p in thing.parameters())

    presets = {
        "blog": UNetConfig.blog(),
        "paper": UNetConfig.paper(),
        "padded": UNetConfig.padded(),
    }
    mine = {"sizes": shapes.axis_sizes, "parameters": parameters, "np": np, "torch": torch}
    mine |= {"F": F, "nn": nn, "math": math, "shapes": shapes, "objective": objective}
    return {**mine, **presets, "DoubleConv": DoubleConv, "UNet": UNet, "UNetConfig": UNetConfig}
