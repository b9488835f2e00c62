"""The serious run from a terminal; `torchrun` runs it on several GPUs or processes."""

import argparse
import json
import os
import sys
from datetime import timedelta
from math import ceil
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.distributed as dist

from unet_lesson import figures, shapes
from unet_lesson import model as models
from unet_lesson.checkpoint import load_checkpoint, write_whole
from unet_lesson.config import UNetConfig, check_count
from unet_lesson.data import FolderPairs, Tiles, em_like, nuclei, nuclei_like
from unet_lesson.tiling import margin, predict
from unet_lesson.training.loop import evaluate, fit, process_rank

PRESETS = {"blog": UNetConfig.blog, "paper": UNetConfig.paper, "padded": UNetConfig.padded}
FIELDS = {"train": range(24), "val": range(24, 32), "test": range(32, 40)}  # synthetic seeds
LARGEST_TILE = 284  # px: the input tile is the largest up to this that fits the images,
OUTPUT = 100  # px: but large enough, in a deep network, for an output of about so many
STEPS = 6  # an epoch has at least so many, however few the images
EXAMPLE = """examples:
  python -m unet_lesson.training --data nuclei --base-channels 8 --depth 3 --out runs/first
  python -m unet_lesson.training --data bbbc039 --preset paper --epochs 60 --out runs/nuclei
  torchrun --nproc-per-node=2 -m unet_lesson.training --data em --out runs/two
"""


def parser():
    it = argparse.ArgumentParser(
        prog="python -m unet_lesson.training",
        description="Train a U-Net, keep the best epoch, and score it once on the test images.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--data", required=True, help="bbbc039; em or nuclei, drawn; or a folder")
    it.add_argument("--out", required=True, type=Path, metavar="DIR", help="where all is kept")
    it.add_argument("--resume", action="store_true", help="go on from DIR/last.pt")
    it.add_argument("--preset", choices=PRESETS, default="blog", help="the network (blog)")
    it.add_argument("--no-skips", action="store_true", help="blank every skip connection")
    for name, default, text in (
        ("--base-channels", 64, "channels at level 1"),
        ("--depth", 4, "number of poolings"),
        ("--epochs", 40, "in all, those of a resumed run included"),
        ("--batch-size", 8, "tiles, of all processes together"),
        ("--seed", 0, "of weights, tiles and augmentation"),
    ):
        text = f"{text} ({default})"
        it.add_argument(name, type=int, default=default, metavar="N", help=text)
    for name, default, text in (
        ("--learning-rate", 2e-3, "of Adam"),
        ("--w0", 10.0, "height of the border weights, 0 for none"),
    ):
        text = f"{text} ({default:g})"
        it.add_argument(name, type=float, default=default, metavar="X", help=text)
    return it


def main(arguments=None):
    """Run the command; a bad input ends in one sentence and exit code 2, Ctrl-C in 130."""
    asked, problem, whole = parser().parse_args(arguments), None, False
    try:
        whole = run(asked)
    except (ValueError, TypeError, OSError) as error:
        problem = error
    except KeyboardInterrupt:
        pass
    if dist.is_initialized():
        dist.destroy_process_group()
    if problem:
        print(f"{parser().prog}: {problem}", file=sys.stderr)
        sys.exit(2)
    if not whole:
        print(f"Stopped. The same command with --resume goes on with what {asked.out} holds.")
        sys.exit(130)


def run(asked):
    """Train, and score the best epoch on the test images -> whether it came to the end."""
    place = start_processes()
    check_count("--batch-size", asked.batch_size)
    check_count("--seed", asked.seed, least=0)
    resume = asked.resume and (asked.out / "last.pt").exists()
    if asked.resume and not resume:
        print(f"{asked.out} holds no whole epoch yet: the run starts from the beginning.")
    if not asked.resume and (asked.out / "last.pt").exists():
        raise ValueError(f"{asked.out} holds a run already: give --resume, or another folder")
    (asked.out / "metrics.json").unlink(missing_ok=True)
    splits = load_data(asked.data)
    network, tiles = prepare(asked, splits["train"])
    history = fit(
        network,
        tiles,
        splits["val"],
        epochs=asked.epochs,
        batch_size=asked.batch_size,
        learning_rate=asked.learning_rate,
        device=place,
        out=asked.out,
        resume=resume,
    )
    whole = len(history) >= asked.epochs
    if whole and process_rank()[0] == 0:
        report(asked, splits["test"], place)
    return whole


def prepare(asked, train):
    """The network and the training tiles that the options describe."""
    image, _ = train[0]
    config = PRESETS[asked.preset](
        in_channels=1 if image.ndim == 2 else len(image),
        base_channels=asked.base_channels,
        depth=asked.depth,
    )
    torch.manual_seed(asked.seed)
    network = (models.UNetWithoutSkips if asked.no_skips else models.UNet)(config)
    room = min(min(labels.shape) for _, labels in train) + 2 * margin(config)
    most = max(LARGEST_TILE, OUTPUT + 2 * margin(config))
    below, above = shapes.nearest_legal(config, min(room, most))
    per_image = ceil(STEPS * asked.batch_size / len(train))
    tiles = Tiles(
        train,
        config,
        tile=below or above,
        per_image=per_image,
        w0=asked.w0,
        seed=asked.seed,
    )
    return network, tiles


def start_processes():
    """Join the other processes if torchrun started several -> the device of this one."""
    if "LOCAL_RANK" not in os.environ:
        return models.device()
    local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if 0 < gpus <= local:
        raise ValueError(f"there are {gpus} GPUs: give torchrun --nproc-per-node={gpus} or fewer")
    if gpus:
        torch.cuda.set_device(local)
    patience = timedelta(hours=6)  # the first process evaluates while the others wait
    dist.init_process_group("nccl" if gpus else "gloo", timeout=patience)
    return torch.device("cuda", local) if gpus else torch.device("cpu")


def load_data(name):
    """{"train": pairs, "val": pairs, "test": pairs} for --data."""
    if name == "bbbc039":
        return {split: nuclei(split) for split in FIELDS}
    if name in ("em", "nuclei"):
        draw = em_like if name == "em" else nuclei_like
        return {split: [draw(seed) for seed in seeds] for split, seeds in FIELDS.items()}
    folder = Path(name)
    if not folder.is_dir():
        raise ValueError(f"--data must be bbbc039, em, nuclei or a folder, not {name!r}")
    if (folder / "train").is_dir():
        return {split: FolderPairs(folder / split) for split in FIELDS}
    return FolderPairs(folder).split()


def report(asked, test, place):
    """Score best.pt on the test images: metrics.json, and pictures of the first four."""
    checkpoint = load_checkpoint(asked.out / "best.pt")
    network = checkpoint.model.to(place)
    metrics = {"best_epoch": checkpoint.history[-1]["epoch"], "test": evaluate(network, test)}
    text = json.dumps(metrics, indent=1)
    write_whole(asked.out / "metrics.json", lambda file: file.write(text.encode()))
    folder = asked.out / "samples"
    folder.mkdir(exist_ok=True)
    for number, (image, labels) in zip(range(4), test, strict=False):
        mask = predict(network, image)[1] > 0.5
        grey = image if image.ndim == 2 else image.mean(0)
        pictures = [grey, figures.errors(grey, mask, labels > 0)]
        titles = ["image", "blue hit, orange missed, purple false"]
        figure = figures.image_row(pictures, titles, cmap="gray", height=4)
        figure.savefig(folder / f"{number}.png", dpi=100)
        plt.close(figure)
    print(text)


if __name__ == "__main__":
    main()
