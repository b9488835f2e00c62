"""Overlap-tile: an image of any size through the network, in memory bounded by the tile.

Ronneberger, Fischer, Brox 2015, section 2 and figure 2: to predict one part of an image the
network reads a larger part, and beyond the border the image is mirrored. Laid in steps of
2 ** depth, such tiles give exactly what the whole image at once would give.
"""

import argparse
import sys
import warnings
from copy import deepcopy
from itertools import product
from pathlib import Path

import numpy as np
import torch
from skimage import io
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from tqdm.auto import tqdm

from unet_lesson import model as models
from unet_lesson.checkpoint import load_checkpoint
from unet_lesson.config import check_count
from unet_lesson.data.images import SUFFIXES, contrast, normalise, read_image
from unet_lesson.objective import SPECK, objects
from unet_lesson.tile_plan import choose_tile, margin, plan_axis

# ---- prediction ----------------------------------------------------------------------------


def predict(model, image, *, tile=None, batch_size=1, device=None, out=None):
    """The probability of every class at every pixel, for an image of any size.

    model: a UNet; it stays as it is, and is used in eval mode whatever mode it is in.
    image: (H, W) or (C, H, W), a NumPy array or memmap, or a tensor. uint8 and uint16 are
    brought to the scale of `normalise`, floats are taken as they are.
    tile: side of the input tile in px; None chooses. batch_size: tiles at a time.
    device: None is where the model is. On a GPU that gains from it the convolutions run in
    bfloat16 (`mixed_precision`), elsewhere in the precision of the model.
    out: a float array or memmap (num_classes, H, W) to write into and return.

    -> (num_classes, H, W) float32: the softmax of the network's output for the whole image,
    mirrored beyond its border (paper, figure 2). Transposed convolution and nearest upsampling
    give it exactly, whatever the tile; bilinear with align_corners=True only if one tile covers
    the image, and a warning says so where it does not.
    Raises TypeError and ValueError for an image, tile or `out` that does not fit the model.
    """
    if not isinstance(model, models.UNet):
        raise TypeError(f"model must be a unet_lesson UNet, not a {type(model).__name__}")
    config, weight = model.config, model.head.weight
    image = check_image(config, image)
    out, (height, width) = check_out(config, image, out), image.shape[1:]
    check_count("batch_size", batch_size)
    tile = choose_tile(config, height, width, batch_size) if tile is None else tile
    tiles = list(product(plan_axis(config, height, tile), plan_axis(config, width, tile)))
    if config.up == "bilinear" and len(tiles) > 1:
        warnings.warn(INEXACT.format(len(tiles)), stacklevel=2)
    scale = contrast(image) if image.dtype.kind == "u" else None
    device = weight.device if device is None else torch.device(device)
    network = fastest(model, device)
    precise = torch.promote_types(weight.dtype, torch.float32)  # for the softmax
    bar = tqdm(total=len(tiles), desc="tiles", unit="tile", delay=2, leave=False)
    with torch.inference_mode(), bar:
        for first in range(0, len(tiles), batch_size):
            batch = tiles[first : first + batch_size]
            x = torch.stack([read_tile(image, *pair, scale) for pair in batch])
            x = x.to(device, weight.dtype, memory_format=torch.channels_last)
            with models.mixed_precision(device):
                logits = network(x)  # (len(batch), num_classes, H', W')
            y = torch.softmax(logits, dim=1, dtype=precise).cpu().numpy()
            for pair, part in zip(batch, y, strict=True):
                write_tile(out, part, *pair, margin(config))
            bar.update(len(batch))
    return out


INEXACT = (
    "{} tiles and bilinear upsampling with align_corners=True: the result depends on the tiles, "
    "because this upsampling stretches every map over its own corners. A larger tile helps if it "
    'covers the whole image; a network with up="transpose" or up="nearest" is exact in tiles.'
)


def fastest(model, device):
    """A copy of the model as it runs fastest: eval mode, channels_last, BatchNorm folded in.

    In eval mode BatchNorm multiplies and adds constants; so does the convolution before it.
    """
    network = deepcopy(model).eval().to(device, memory_format=torch.channels_last)
    for block in network.modules():
        if isinstance(block, models.DoubleConv) and block.batch_norm:
            conv1, norm1, relu1, conv2, norm2, relu2 = block.layers
            for conv, norm in ((conv1, norm1), (conv2, norm2)):
                seen = norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
                conv.weight, conv.bias = fuse_conv_bn_weights(conv.weight, conv.bias, *seen)
            block.layers = nn.Sequential(conv1, relu1, conv2, relu2)
    return network


def mirrored(start, stop, size):
    """The pixels that stand at start ... stop - 1 of an axis mirrored at both ends.

    The border pixel is not repeated: size 4 goes on as 0 1 2 3 2 1 0 1 2 ... -> (stop - start,)
    """
    period = max(2 * (size - 1), 1)
    at = np.arange(start, stop) % period
    return np.minimum(at, period - at)


def read_tile(image, rows, columns, scale):
    """Read one tile of image (C, H, W), mirrored beyond the border -> tensor (C, side, side')."""
    across = mirrored(columns.read_start, columns.read_stop, image.shape[2])
    down = mirrored(rows.read_start, rows.read_stop, image.shape[1])
    values = image[:, down[:, None], across]  # (C, side, side')
    if not np.isfinite(values).all():
        raise ValueError(f"the image holds NaN or infinite values near row {rows.start}")
    values = values if scale is None else normalise(values, scale)
    native = np.float64 if values.dtype.itemsize > 4 else np.float32
    return torch.from_numpy(values.astype(native, copy=False))


def write_tile(out, y, rows, columns, margin):
    """Write the part of y (num_classes, H', W') that this tile answers for."""
    top, left = rows.read_start + margin, columns.read_start + margin  # of y, in the image
    part = y[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    out[:, rows.start : rows.stop, columns.start : columns.stop] = part


def check_image(config, image):
    """Return the image as an array (C, H, W), without a copy, or raise TypeError / ValueError."""
    if config.num_classes == 1:
        raise ValueError("a softmax over num_classes=1 is 1 everywhere; use a model with 2 classes")
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu()
        image = image.float() if image.dtype == torch.bfloat16 else image
    image = np.asarray(image)
    if image.dtype.kind != "f" and (image.dtype.kind != "u" or image.dtype.itemsize > 2):
        raise TypeError(f"an image must be uint8, uint16 or float, not {image.dtype}")
    shape, channels = image.shape, config.in_channels
    if len(shape) == 2 and channels == 1:
        image = image[None]
    if image.ndim != 3 or len(image) != channels or 0 in shape:
        also = " or (H, W)" if channels == 1 else ""
        at_end = len(shape) == 3 and shape[2] == channels
        hint = "; try np.moveaxis(image, -1, 0)" if at_end else ""
        raise ValueError(f"the model takes an image ({channels}, H, W){also}, not {shape}{hint}")
    return image


def check_out(config, image, out):
    """Return `out`, or a new float32 array if it is None; raise if it cannot take the result."""
    shape = (config.num_classes, *image.shape[1:])
    if out is None:
        return np.empty(shape, np.float32)
    if not isinstance(out, np.ndarray) or out.dtype.kind != "f":
        kind = f"an array of {out.dtype}" if isinstance(out, np.ndarray) else type(out).__name__
        raise TypeError(f"out must be a NumPy array or memmap of floats, not {kind}")
    if out.shape != shape or not out.flags.writeable:
        what = f"it is {out.shape}" if out.shape != shape else "it is read-only"
        raise ValueError(f"out must be a writeable array of shape {shape}; {what}")
    if np.may_share_memory(image, out):
        raise ValueError("out lies in the image's own memory, and tiles read what others write")
    return out


# ---- the command ---------------------------------------------------------------------------


def parser():
    what = "Find the objects in an image, or in every image of a folder."
    it = argparse.ArgumentParser(prog="python -m unet_lesson.tiling", description=what)
    it.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, help="best.pt of a run")
    it.add_argument("image", metavar="IMAGE", type=Path, help="a PNG or TIFF, or a folder of them")
    it.add_argument("output", metavar="OUTPUT", type=Path, help="label image, or folder for them")
    it.add_argument("--tile", metavar="N", type=int, help="side of the input tile in px")
    return it


def main(arguments=None):
    """Run the command; a bad input ends in one sentence and exit code 2, Ctrl-C in 130."""
    asked = parser().parse_args(arguments)
    try:
        run(asked)
    except (OSError, TypeError, ValueError) as error:
        print(f"{parser().prog}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"Stopped. What {asked.output} holds is whole.")
        sys.exit(130)


def run(asked):
    """Load the checkpoint, then segment image after image."""
    files = pairs_of_files(asked.image, asked.output)
    model = load_checkpoint(asked.checkpoint).model.to(models.device())
    for source, target in tqdm(files, desc="images", delay=2):
        pixels = read_image(source)  # (H, W) or (H, W, 3)
        pixels = np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels
        if pixels.dtype not in (np.uint8, np.uint16):
            pixels = normalise(pixels)
        try:
            inside = predict(model, pixels, tile=asked.tile)[1] > 0.5
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None
        write_labels(target, objects(inside, SPECK))


def pairs_of_files(image, output):
    """[(image file, label file), ...]; raises if there is none, or the input would be lost."""
    if not image.exists():
        raise FileNotFoundError(f"there is no image or folder at {image}")
    if image.resolve() == output.resolve():
        raise ValueError(f"{output} is the input itself; name another output")
    if not image.is_dir():
        if output.suffix.lower() not in SUFFIXES:
            raise ValueError(f"{output}: the output must end in {', '.join(SUFFIXES)}")
        output.parent.mkdir(parents=True, exist_ok=True)
        return _none_lost([(image, output)])
    files = sorted(f for f in image.glob("[!.]*") if f.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"{image} holds no file that ends in {', '.join(SUFFIXES)}")
    output.mkdir(parents=True, exist_ok=True)
    return _none_lost([(path, output / path.name) for path in files])


def _none_lost(pairs):
    """Return the pairs of files if no output exists yet, else raise."""
    for _, path in pairs:
        if path.exists():
            raise FileExistsError(f"{path} exists; move it away, or name another output")
    return pairs


def write_labels(path, labels):
    """Write instance labels (H, W) as uint16, or in a TIFF as int32 if there are too many."""
    count = labels.max()
    if count <= np.iinfo(np.uint16).max:
        labels = labels.astype(np.uint16)
    elif path.suffix.lower() == ".png":
        raise ValueError(f"{path}: a PNG holds 65535 objects, not {count}; write a .tif")
    io.imsave(path, labels, check_contrast=False)


if __name__ == "__main__":
    main()
