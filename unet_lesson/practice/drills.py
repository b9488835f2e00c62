"""Drills: small tasks with drawn numbers, as many as you like. The oracle works out the answer."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from unet_lesson.config import check_choice, check_whole
from unet_lesson.practice import drill_layers as layers
from unet_lesson.practice import drill_networks as networks
from unet_lesson.practice.questions import check_level


class Kind(NamedTuple):
    """A kind of drill. draw(rng) gives a Task; topic and heading are as in the question bank."""

    draw: Callable
    topic: str
    level: int
    heading: str


KINDS = {
    "map_size": Kind(networks.map_size, "sizes", 1, "02_contracting_path#Build it"),
    "map_size_up": Kind(networks.map_size_up, "sizes", 2, "03_expansive_path#Build it"),
    "output_size": Kind(networks.output_size, "sizes", 2, "04_full_network#Which sizes fit"),
    "joined_channels": Kind(
        networks.joined_channels, "skip connections", 1, "03_expansive_path#Crop and concatenate"
    ),
    "conv_parameters": Kind(
        layers.conv_parameters, "parameters", 1, "01_double_conv#How many parameters?"
    ),
    "double_conv_parameters": Kind(
        layers.double_conv_parameters, "parameters", 2, "01_double_conv#How many parameters?"
    ),
    "up_parameters": Kind(
        layers.up_parameters, "parameters", 2, "04_full_network#28,953,474 or 31,030,658?"
    ),
    "legal_input": Kind(networks.legal_input, "sizes", 3, "04_full_network#Which sizes fit"),
    "crop": Kind(networks.crop, "padding and crop", 2, "03_expansive_path#Crop and concatenate"),
    "receptive_field": Kind(
        layers.receptive_field, "receptive field", 2, "02_contracting_path#How far each level sees"
    ),
    "conv_output_size": Kind(
        layers.conv_output_size, "sizes", 1, "01_double_conv#One convolution by hand"
    ),
    "dice": Kind(layers.dice, "metrics", 1, "06_loss_and_metrics#Pixels: accuracy, Dice, IoU"),
    "iou": Kind(layers.iou, "metrics", 1, "06_loss_and_metrics#Pixels: accuracy, Dice, IoU"),
    "transposed_size": Kind(
        layers.transposed_size, "upsampling", 2, "03_expansive_path#Three ways up"
    ),
    "macs": Kind(
        layers.macs, "cost and deployment", 2, "09b_cost#Where time, weights and memory go"
    ),
    "tiles": Kind(layers.tiles, "tiling", 2, "08_overlap_tile#Lay the tiles"),
}


@dataclass(frozen=True)
class Drill:
    """One task to work out. Printed, it shows the question and keeps the answer to itself.

    question, zh: English and Chinese. answer: a number, in `unit`. how: the way to it.
    feedback: {wrong number: why it is wrong}, never holding the answer. topic, level, heading: as
    in the question bank.
    """

    kind: str
    topic: str
    level: int
    heading: str
    question: str
    zh: str
    answer: int | float
    unit: str
    how: str
    feedback: dict

    def __repr__(self):
        return f"drill on {self.kind.replace('_', ' ')}: {self.question}"


def drill(kind=None, seed=None, level=None):
    """A task of one kind, or of any -> Drill. The same seed gives the same one; None draws anew.

    kind: one of KINDS. level: 1 to 3, to choose among the kinds of this level.

    Raises TypeError or ValueError for a kind, a seed or a level that is none, or for a kind of
    another level.
    """
    rng = random.Random(seed if seed is None else check_whole("seed", seed))
    name = rng.choice(kinds_of(level)) if kind is None else _check_kind(kind, level)
    chosen = KINDS[name]
    *task, mistakes = chosen.draw(rng)
    facts = (name, chosen.topic, chosen.level, chosen.heading)
    return Drill(*facts, *task, feedback=feedback(task[2], mistakes))


def kinds_of(level=None):
    """The names of the kinds of one level, or of all, in the order of KINDS."""
    check_level(level)
    return [name for name, kind in KINDS.items() if level in (None, kind.level)]


def _check_kind(name, level):
    check_choice("kind", name, tuple(KINDS))
    if name not in kinds_of(level):
        raise ValueError(f"drills on {name} are of level {KINDS[name].level}, not {level}")
    return name


def feedback(answer, mistakes):
    """{wrong number: why}: without what is the answer or too near it, the first reason kept."""
    reasons = {}
    for wrong, why in mistakes:
        if wrong >= 0 and abs(wrong - answer) > 0.02:
            reasons.setdefault(wrong, why)
    return reasons
