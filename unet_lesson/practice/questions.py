"""The question bank: questions.yaml, read and checked; every number in it can be evaluated."""

import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

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
    notebooks that shows it, as "notebook#heading". source: where what is not computed there
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

    @property
    def link(self):
        """The place that shows it, as a link from one notebook to another."""
        notebook, _, heading = self.heading.partition("#")
        return f"{notebook}.ipynb#{heading}"


@cache
def bank() -> tuple[Question, ...]:
    """All questions, in the order of the file."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    rows = yaml.load(BANK.read_text("utf-8"), loader)
    return tuple(Question(**row) for row in rows)


def value(expression):
    """What an expression of the bank gives: over torch and the oracle, never typed by hand."""
    return eval(expression, _names())


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
