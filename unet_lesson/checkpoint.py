"""A checkpoint is one file: the network, the optimiser, the history and the settings of a run."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from unet_lesson.config import UNetConfig
from unet_lesson.model import UNet, UNetWithoutSkips

FORMAT = "unet_lesson checkpoint 1"
KEYS = {"format", "config", "skips", "model", "optimizer", "history", "settings"}


@dataclass(frozen=True)
class Checkpoint:
    """What `load_checkpoint` gives.

    model: the UNet with its weights, on the CPU, in eval mode, ready for `predict`.
    history: a dict for each whole epoch. settings: what the run was started with.
    optimizer: the optimiser's state, for a run that goes on.
    """

    model: UNet
    history: list
    settings: dict
    optimizer: dict


def save_checkpoint(path, model, optimizer, history, settings):
    """Write a checkpoint so that `path` is at every moment the old file or the new one, whole."""
    content = {
        "format": FORMAT,
        "config": asdict(model.config),
        "skips": not isinstance(model, UNetWithoutSkips),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "history": history,
        "settings": settings,
    }
    write_whole(path, lambda file: torch.save(content, file))


def write_whole(path, write):
    """Call `write(file)` on a file beside `path`, wait for the disk, then rename it to `path`."""
    path = Path(path)
    beside = path.with_name(f".{path.name}.part")
    with beside.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def load_checkpoint(path):
    """Read a checkpoint -> Checkpoint; `load_checkpoint(path).model` is ready for `predict`.

    Only tensors and plain values are read, never code (`weights_only=True`).
    Raises FileNotFoundError if there is no file, and ValueError for a file that is cut off,
    is no checkpoint of this package, or whose weights do not fit its own config.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint at {path}")
    content = _read(path)
    config = _config(path, content["config"])
    model = (UNet if content["skips"] else UNetWithoutSkips)(config)
    try:
        model.load_state_dict(content["model"])
    except (RuntimeError, AttributeError, TypeError):
        raise ValueError(f"{path}: the weights do not fit the config {config}") from None
    return Checkpoint(model.eval(), content["history"], content["settings"], content["optimizer"])


def _read(path):
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds, each about its own insides
        raise ValueError(
            f"{path} cannot be read: it is cut off, damaged or no checkpoint "
            f"({type(error).__name__}); the run's other file, best.pt or last.pt, may be whole"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(
            f"{path} is no checkpoint of unet_lesson.training (a file that `fit` has written); "
            "plain weights go into a network with load_state_dict"
        )
    if missing := KEYS - content.keys():
        raise ValueError(f"{path} is no whole checkpoint: {', '.join(sorted(missing))} missing")
    return content


def _config(path, fields):
    try:
        return UNetConfig(**fields)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: the config in it is not one of UNetConfig: {error}") from None
