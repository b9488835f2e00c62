"""The training loop: one step, one epoch, many epochs, and what is kept on disk."""

import json
import os
import sys
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from unet_lesson import model as models
from unet_lesson.checkpoint import load_checkpoint, save_checkpoint, write_whole
from unet_lesson.config import check_count
from unet_lesson.objective import (
    SPECK,
    dice,
    iou,
    object_scores,
    objects,
    weighted_cross_entropy,
)
from unet_lesson.tiling import predict


def crop_target(target, size):
    """Cut the middle (height, width) out of a target: what an unpadded network predicts.

    target: (N, H, W) classes, weights or labels of the whole tile -> (N, height, width).
    Raises ValueError as `center_crop`: nothing is ever resized. Paper, figure 2.
    """
    return models.center_crop(target[:, None], tuple(size))[:, 0]


def train_step(network, optimizer, batch, loss, device):
    """One step of gradient descent on (images, targets, weights) -> the loss, a number."""
    images, targets, weights = (part.to(device) for part in batch)
    images = images.to(memory_format=torch.channels_last)
    with models.mixed_precision(device):
        logits = network(images)  # (N, 2, 68, 68) for tiles of 156 at depth 3
    targets = crop_target(targets, logits.shape[2:])
    weights = crop_target(weights, logits.shape[2:])
    value = loss(logits, targets, weights)
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    return value.item()


def epoch_batches(tiles, batch_size, epoch):
    """The batches of one epoch, in an order that depends on the seed and the epoch alone.

    In a distributed run each process gets its share of every batch. Tiles that do not fill
    a last batch are left for another epoch. The tiles are set to this epoch (`tiles.epoch`), so
    take one epoch's batches before you ask for the next. Raises ValueError if there is no whole
    batch.
    """
    rank, world = process_rank()
    if batch_size % world or batch_size > len(tiles):
        raise ValueError(
            f"batch_size {batch_size} does not fit: it must be a multiple of the {world} "
            f"processes and at most the {len(tiles)} tiles of an epoch"
        )
    tiles.epoch = epoch
    order = np.random.default_rng((tiles.seed, epoch)).permutation(len(tiles))
    whole = len(tiles) // batch_size
    batches = order[: whole * batch_size].reshape(whole, world, -1)[:, rank]
    forks = torch.cuda.is_available() and sys.platform == "linux"  # elsewhere each would start anew
    workers = {"num_workers": min(4, os.cpu_count()), "multiprocessing_context": "fork"}
    return DataLoader(tiles, batch_sampler=batches.tolist(), **(workers if forks else {}))


def process_rank():
    """(number of this process, number of processes): (0, 1) unless torchrun started several."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def evaluate(network, pairs):
    """Mean scores over whole images: pixel Dice and IoU, object F1 at IoU 0.5 and 0.7.

    pairs: a sequence of (image, instance labels). Objects are the connected parts of the
    predicted class 1; pieces under 20 pixels count as specks, so true objects should be larger.
    -> {"dice": ..., "iou": ..., "f1_50": ..., "f1_70": ...}, 0 to 1.
    Raises ValueError if there are no pairs.
    """
    if not len(pairs):
        raise ValueError("there is no image to evaluate on")
    rows = [scores(predict(network, image)[1] > 0.5, labels) for image, labels in pairs]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def scores(mask, labels):
    """The scores of one predicted mask (H, W) against instance labels (H, W)."""
    found = objects(mask, SPECK)
    return {
        "dice": dice(mask, labels > 0),
        "iou": iou(mask, labels > 0),
        "f1_50": object_scores(found, labels, 0.5).f1,
        "f1_70": object_scores(found, labels, 0.7).f1,
    }


def fit(
    network,
    tiles,
    val=(),
    *,
    epochs,
    batch_size=8,
    learning_rate=5e-3,
    loss=weighted_cross_entropy,
    device=None,
    out=None,
    resume=False,
    on_epoch=None,
):
    """Train `network` on `tiles` with Adam -> the history, a dict for each whole epoch.

    network: a UNet; it is trained in place and left in eval mode. tiles: a `Tiles`.
    val: pairs (image, labels) for `evaluate` after each epoch. epochs: in all, those of a
    resumed run included. device: by default `unet_lesson.device()`.
    out: a new folder for last.pt, best.pt (highest val f1_50, Dice breaking ties) and
    history.json. resume: go on from out/last.pt, exactly as if the run had not stopped.
    on_epoch: called with (history, network) after each epoch.

    Interrupted, it stops at once and returns the whole epochs; out/last.pt is whole too, while
    the network holds what the broken epoch has made of it.
    Raises ValueError if `out` holds a run and resume is False, if the checkpoint to resume from
    is damaged or belongs to another run, if the tiles were cut for another network, and if the
    loss is no longer a finite number.
    """
    check_count("epochs", epochs)
    batch_size, learning_rate = check_count("batch_size", batch_size), float(learning_rate)
    _check_run(network, tiles, out, resume)
    device = torch.device(device or models.device())
    network.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), learning_rate)
    settings = _settings(tiles, batch_size, learning_rate, loss)
    history = _resume(out, network, optimizer, settings) if resume else []
    wrapped = _distributed(network, device)
    bar = _bar(len(tiles) // batch_size, len(history), epochs)
    try:
        for epoch in range(len(history), epochs):
            batches = epoch_batches(tiles, batch_size, epoch)
            row = {"epoch": epoch + 1, "loss": _epoch(wrapped, optimizer, batches, loss, bar)}
            if len(val) and process_rank()[0] == 0:
                row |= evaluate(network, val)
            _keep(out, network, optimizer, [*history, row], settings)
            history.append(row)
            if on_epoch:
                on_epoch(history, network)
    except KeyboardInterrupt:
        print(f"Interrupted: {len(history)} of {epochs} epochs are whole.")
    finally:
        bar.close()
        network.eval()
    return history


def _bar(steps, done, epochs):
    """A progress bar over all steps; only the first process shows it."""
    quiet = process_rank()[0] > 0
    shown = {"total": epochs * steps, "initial": done * steps, "unit": "step", "disable": quiet}
    return tqdm(desc="training", **shown)


def _epoch(network, optimizer, batches, loss, bar):
    """Train on each batch once -> the mean loss, of all processes."""
    network.train()
    device, losses = next(network.parameters()).device, []
    for batch in batches:
        losses.append(train_step(network, optimizer, batch, loss, device))
        bar.update()
        bar.set_postfix(loss=f"{losses[-1]:.3f}")
        if not np.isfinite(losses[-1]):
            raise ValueError(f"the loss is {losses[-1]}: try a tenth of the learning rate")
    mean = torch.tensor(np.mean(losses), device=device, dtype=torch.float32)
    if process_rank()[1] > 1:
        dist.all_reduce(mean, dist.ReduceOp.SUM)
    return mean.item() / process_rank()[1]


def _check_run(network, tiles, out, resume):
    """Raise, before anything is computed, where a run could not be kept or would make no sense."""
    if not isinstance(network, models.UNet):
        raise TypeError(f"network must be a unet_lesson UNet, not a {type(network).__name__}")
    if tiles.config != network.config:
        raise ValueError(f"the tiles were cut for {tiles.config}, the network is {network.config}")
    if out is None:
        return
    if not resume and (Path(out) / "last.pt").exists():
        raise ValueError(f"{out} holds a run already: resume it, or name another folder")
    Path(out).mkdir(parents=True, exist_ok=True)


def _settings(tiles, batch_size, learning_rate, loss):
    """What must be the same for a run to be resumed."""
    of_tiles = ("seed", "tile", "per_image", "augmentation", "w0")
    images = 0
    for image, labels, _ in tiles.fields:
        images = crc32(image.tobytes(), crc32(labels.tobytes(), images))
    return {
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "loss": getattr(loss, "__name__", type(loss).__name__),
        "images": images,
        **{name: getattr(tiles, name) for name in of_tiles},
    }


def _distributed(network, device):
    """The network as torch's DistributedDataParallel if there are several processes."""
    if process_rank()[1] == 1:
        return network
    return DistributedDataParallel(network, [device.index] if device.type == "cuda" else None)


def best_epoch(history):
    """The row with the highest object F1, and of these the highest pixel Dice."""
    return max(history, key=lambda row: (row.get("f1_50", 0), row.get("dice", 0), row["epoch"]))


def _keep(out, network, optimizer, history, settings):
    """Write best.pt, history.json and, last, last.pt: a resumed run trusts last.pt alone."""
    if out is None or process_rank()[0]:
        return
    folder = Path(out)
    if best_epoch(history) is history[-1]:
        save_checkpoint(folder / "best.pt", network, optimizer, history, settings)
    text = json.dumps(history, indent=1)
    write_whole(folder / "history.json", lambda file: file.write(text.encode()))
    save_checkpoint(folder / "last.pt", network, optimizer, history, settings)


def _resume(out, network, optimizer, settings):
    """Load out/last.pt into network and optimiser -> the history so far."""
    if out is None:
        raise ValueError("resume=True needs `out`, the folder of the run that is to go on")
    folder = Path(out)
    checkpoint = load_checkpoint(folder / "last.pt")
    if type(checkpoint.model) is not type(network) or checkpoint.model.config != network.config:
        was = f"{type(checkpoint.model).__name__}, {checkpoint.model.config}"
        raise ValueError(f"{folder} holds a run of another network: {was}")
    for name, value in settings.items():
        was = checkpoint.settings.get(name)
        if was != value:
            hint = "; the number sums up the training images" if name == "images" else ""
            raise ValueError(f"{folder} holds a run with {name} {was!r}, not {value!r}{hint}")
    network.load_state_dict(checkpoint.model.state_dict())
    optimizer.load_state_dict(checkpoint.optimizer)
    return checkpoint.history
