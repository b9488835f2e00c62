"""One choice at a time, three tasks, three seeds: `make design-study`, for notebook 09.

Every setting differs from the baseline in one choice (two where the name says so). The result
is notebooks/design_study.json. Each run that is done is kept, so a stopped study goes on where it
was. About half an hour on two CPU cores. The real nuclei are fetched once, see `nuclei`; where they
cannot be had, their numbers stay as they were.
"""

import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from unet_lesson import UNetConfig, shapes
from unet_lesson.checkpoint import write_whole
from unet_lesson.data import Tiles, em_like, nuclei, nuclei_like
from unet_lesson.training import fit, scores
from unet_lesson.variants import Variant

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "notebooks" / "design_study.json"
TASKS = {"em": "drawn tissue", "nuclei": "drawn touching nuclei", "bbbc039": "real nuclei"}
SEEDS = (0, 1, 2)
BATCH = 4
PHASES = ((4e-3, 102), (5e-4, 48))  # learning rate of Adam, steps
BORDER, MIDDLE = 8, 32  # px: the outermost pixels, and those farther from the border than this

BASE = {"base_channels": 8, "depth": 3, "padding": 0, "batch_norm": True, "up": "transpose"}
LABEL = (
    "valid, centre crop, up-convolution, BatchNorm, He, concatenated, depth 3, 8 channels, "
    "border weights"
)


def setting(group, label=None, *, variant=None, w0=10.0, tile=156, **config):
    """One line of the switchboard: what differs from the baseline."""
    return {
        "group": group,
        "label": label,
        "config": BASE | config,
        "variant": variant or {},
        "w0": w0,
        "tile": tile,
    }


# An unpadded network of any depth gets the tile whose output is 68 x 68: the same pixels to learn
# from. A padded one, and one that pads at the joins, learns from more pixels of the same tile; so
# there is a valid network on a larger tile to compare them with.
SETTINGS = {
    "baseline": setting("baseline", LABEL),
    "padding=1": setting("padding", "padding=1, output as large as the input", padding=1, tile=152),
    "valid, larger tile": setting("padding", "valid, as many pixels to learn from", tile=236),
    "corner crop": setting("join", "top left corner of the skip", variant={"join": "corner"}),
    "pad instead of crop": setting("join", "zeros around the map", variant={"join": "pad"}),
    "bilinear": setting("up", "bilinear, then 1x1 convolution", up="bilinear"),
    "nearest": setting("up", "nearest, then 1x1 convolution", up="nearest"),
    "GroupNorm": setting("norm", "GroupNorm, 4 groups", variant={"norm": "group"}),
    "no normalisation": setting("norm", "no normalisation, He", batch_norm=False),
    "default initialisation": setting(
        "initialisation", "torch's own initialisation", variant={"initialise": "default"}
    ),
    "no normalisation, default initialisation": setting(
        "initialisation",
        "no normalisation and torch's own initialisation",
        variant={"initialise": "default"},
        batch_norm=False,
    ),
    "skips added": setting("skips", "skips added", variant={"skips": "add"}),
    "no skips": setting("skips", "no skips", variant={"skips": "none"}),
    "depth 1": setting("depth", "one pooling", depth=1, tile=84),
    "depth 2": setting("depth", "two poolings", depth=2, tile=108),
    "depth 4": setting("depth", "four poolings", depth=4, tile=252),
    "4 channels": setting("width", "4 channels at level 1", base_channels=4),
    "16 channels": setting("width", "16 channels at level 1", base_channels=16),
    "no border weights": setting("weights", "classes balanced, no border weights", w0=0.0),
}


# ---- one run -------------------------------------------------------------------------------


def build(chosen, seed=0):
    """The network of a setting, with the weights of a seed."""
    torch.manual_seed(seed)
    return Variant(UNetConfig(**chosen["config"]), **chosen["variant"])


def train(chosen, pairs, seed):
    """Train the network of a setting on pairs (image, labels) -> the network, in eval mode."""
    network, cut = build(chosen, seed), {"tile": chosen["tile"], "w0": chosen["w0"], "seed": seed}
    for rate, steps in PHASES:
        tiles = Tiles(pairs, network.config, **cut, per_image=steps * BATCH // len(pairs))
        fit(network, tiles, epochs=1, batch_size=BATCH, learning_rate=rate, device="cpu")
    return network


def whole_mask(network, image):
    """What the network takes for an object in a whole image: (H, W) -> bool (H, W).

    The same for every variant: the image is mirrored so far that the output covers it, goes
    through the network in one piece, and the output is cut to it. A padded network gets the image
    as it is, with its own zeros outside.
    """
    lost = pixels_lost(network)
    around = []
    for size in image.shape:
        _, side = shapes.nearest_legal(network.config, size + lost)
        around.append((lost // 2, side - size - lost // 2))
    x = torch.from_numpy(np.pad(image, around, mode="reflect"))[None, None]  # (1, 1, H', W')
    with torch.inference_mode():
        yes = network(x.to(memory_format=torch.channels_last)).argmax(1)[0]
    return yes[: image.shape[0], : image.shape[1]].numpy() == 1


def pixels_lost(network):
    """Pixels by which the output is smaller than the input, per axis."""
    side = shapes.smallest_legal(network.config)
    with torch.inference_mode():
        return side - network(torch.zeros(1, 1, side, side)).shape[-1]


def judge(network, pairs):
    """Mean over whole images: Dice, object F1, and the share of wrong pixels by place."""
    rows = []
    for image, labels in pairs:
        mask = whole_mask(network, image)
        row, wrong = scores(mask, labels), mask != (labels > 0)
        inside = wrong[BORDER:-BORDER, BORDER:-BORDER]
        border = (wrong.sum() - inside.sum()) / (wrong.size - inside.size)
        middle = wrong[MIDDLE:-MIDDLE, MIDDLE:-MIDDLE].mean()
        rows.append((row["dice"], row["f1_50"], border, middle))
    names = "dice", "f1", "border_error", "middle_error"
    return dict(zip(names, np.mean(rows, axis=0).round(4).tolist(), strict=True))


@cache
def pictures(task):
    """(pairs to learn from, pairs to be judged by)"""
    if task == "bbbc039":
        return nuclei("train"), list(nuclei("test"))
    draw = em_like if task == "em" else nuclei_like
    return [draw(seed) for seed in range(6)], [draw(seed) for seed in range(100, 106)]


# ---- what a setting costs ------------------------------------------------------------------


def costs(chosen):
    """Sizes, and what one input tile costs: parameters, multiplications, bytes kept."""
    network, tile = build(chosen), chosen["tile"]
    config, x = network.config, torch.randn(1, 1, tile, tile)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        output = network.eval()(x).shape[-1]
    return {
        "output": output,
        "smallest": shapes.smallest_legal(config),
        "step": 2**config.depth,
        "parameters": sum(p.numel() for p in network.parameters()),
        "macs": counter.get_total_flops() // 2,
        "kept_bytes": kept_bytes(network.train(), x),
    }


def kept_bytes(network, x):
    """Bytes of the maps, the input among them, that autograd keeps for the backward pass."""
    own, kept = {p.untyped_storage().data_ptr() for p in network.parameters()}, {}

    def keep(tensor):
        if tensor.dim() == 4:  # not the two numbers a channel of a normalisation
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        network(x)
    return sum(store.nbytes() for at, store in kept.items() if at not in own)


# ---- all of them ---------------------------------------------------------------------------


def run(job):
    """Train and judge once, or read what an earlier study has kept."""
    name, task, seed, folder = job
    path = folder / f"{name.replace(' ', '-')}--{task}--{seed}.json"
    if not path.exists():
        learn, new = pictures(task)
        row = judge(train(SETTINGS[name], learn, seed), new)
        write_whole(path, lambda file: file.write(json.dumps(row).encode()))
        print(f"{task} {name} {seed}: {row}", flush=True)
    return json.loads(path.read_text("utf-8"))


def write(runs):
    """The json of notebook 09, from {task: {setting: rows of the seeds}}."""
    result = {
        "command": "python tests/design_study.py",
        "seeds": SEEDS,
        "steps": sum(steps for _, steps in PHASES),
        "batch": BATCH,
        "tasks": {task: TASKS[task] for task in TASKS if task in runs},
        "settings": {
            name: {**chosen, **costs(chosen), "runs": {task: runs[task][name] for task in runs}}
            for name, chosen in SETTINGS.items()
        },
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def stored(task):
    """{setting: rows of the seeds} of a task as the json has them, or None where one is missing."""
    old = json.loads(RESULT.read_text("utf-8"))["settings"] if RESULT.exists() else {}
    if all(task in old.get(name, {"runs": ()})["runs"] for name in SETTINGS):
        return {name: old[name]["runs"][task] for name in SETTINGS}


def quiet():
    """In a process of the pool: no progress bars, two would overwrite each other."""
    sys.stderr = open(os.devnull, "w")


def main(folder):
    os.environ["OMP_NUM_THREADS"] = "1"  # of each process of the pool
    folder.mkdir(parents=True, exist_ok=True)
    runs = {task: stored(task) for task in TASKS}
    with ProcessPoolExecutor(2, get_context("spawn"), quiet) as pool:
        for task in TASKS:
            try:
                pictures(task)
            except OSError as error:
                print(f"{TASKS[task]}: the numbers stay as they were. {error}", flush=True)
                continue
            jobs = [(name, task, seed, folder) for name in SETTINGS for seed in SEEDS]
            rows = iter(pool.map(run, jobs))
            runs[task] = {name: [next(rows) for _ in SEEDS] for name in SETTINGS}
            write({task: rows for task, rows in runs.items() if rows})
    for task, settings in runs.items():
        for name, rows in (settings or {}).items():
            means = {score: np.mean([row[score] for row in rows]) for score in rows[0]}
            print(f"{task:8} {name:42}", *(f"{score} {mean:.3f}" for score, mean in means.items()))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/design"))
