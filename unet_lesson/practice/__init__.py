"""Exercises that say what went wrong: `check(name, your_function_or_class)`."""

from unet_lesson.practice import (  # noqa: F401 (each brings its exercises)
    border_weight,
    contracting,
    crops,
    doubles,
    iou,
    network,
    network_sizes,
    objectives,
    sizes,
    soft_dice,
    tile_grid,
    tiles,
    training_step,
    up_block,
)
from unet_lesson.practice.cards import cards
from unet_lesson.practice.drills import drill
from unet_lesson.practice.interview import mock_interview
from unet_lesson.practice.memory import from_memory, start
from unet_lesson.practice.quiz import drills, quiz
from unet_lesson.practice.report import EXERCISES, Report, check

__all__ = [
    "EXERCISES",
    "Report",
    "cards",
    "check",
    "drill",
    "drills",
    "from_memory",
    "mock_interview",
    "quiz",
    "start",
]
