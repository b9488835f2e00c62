"""Train a U-Net: `fit` in a notebook, `python -m unet_lesson.training` from a terminal."""

from unet_lesson.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from unet_lesson.training.loop import (
    best_epoch,
    crop_target,
    epoch_batches,
    evaluate,
    fit,
    scores,
    train_step,
)

__all__ = [
    "Checkpoint",
    "best_epoch",
    "crop_target",
    "epoch_batches",
    "evaluate",
    "fit",
    "load_checkpoint",
    "save_checkpoint",
    "scores",
    "train_step",
]
