"""Training tiles: cut at random from whole images, augmented, with target and weights."""

import numpy as np
import torch
from skimage.segmentation import relabel_sequential
from torch.utils.data import Dataset

from unet_lesson import shapes
from unet_lesson.config import check_config, check_count, check_whole
from unet_lesson.data.augment import augment
from unet_lesson.data.weights import border_weights, classes


class Tiles(Dataset):
    """Random tiles of some whole images, as many per epoch as asked for.

    pairs: (image (H, W) or (C, H, W) float32, instance labels (H, W)), one per image.
    config: the network's UNetConfig. tile: side of the input tile in px, a size that fits.
    per_image: tiles of each image in an epoch.
    augmentation: strength of `augment`; 0 for none. w0: height of the border weights
    (`border_weights`), or None for weights of 1 everywhere.

    tiles[i] -> image (C, tile, tile), target (tile, tile) int64 of 0 and 1, weights
    (tile, tile) float32. An unpadded network predicts only the middle of it: `crop_target`.
    That middle lies inside the image; around it the image is mirrored, as in the paper.
    What tiles[i] is depends on seed, epoch and i alone, so a run can be resumed exactly.

    Raises ValueError for a tile that does not fit the network or whose middle is larger than
    an image, and for an image and labels of different sizes.
    """

    def __init__(self, pairs, config, *, tile, per_image=1, augmentation=1.0, w0=10.0, seed=0):
        self.config, self.tile = check_config(config), check_whole("tile", tile)
        self.per_image = check_count("per_image", per_image)
        self.augmentation, self.w0 = float(augmentation), None if w0 is None else float(w0)
        self.seed, self.epoch = check_count("seed", seed, least=0), 0
        self.inside = shapes.output_size(config, tile, tile)[0]
        self.fields = [self._field(number, *pair) for number, pair in enumerate(pairs)]
        if not self.fields:
            raise ValueError("there is no image to cut tiles from")

    def _field(self, number, image, labels):
        """Mirror one image and its maps beyond the border, by what a tile reads there."""
        image, labels = np.asarray(image, np.float32), np.asarray(labels)
        image = image.reshape(-1, *image.shape[-2:])  # (C, H, W)
        if image.shape[1:] != labels.shape:
            raise ValueError(f"image {number} is {image.shape}, its labels are {labels.shape}")
        if min(labels.shape) < self.inside:
            raise ValueError(
                f"image {number} is {labels.shape}; a tile of {self.tile} needs {self.inside} "
                "each way, so choose a smaller tile"
            )
        ones = np.ones(labels.shape, np.float32)
        weights = ones if self.w0 is None else border_weights(labels, self.w0)
        rim = (self.tile - self.inside) // 2
        around = ((rim, rim), (rim, rim))
        labels, _, _ = relabel_sequential(labels)  # 1, 2, 3, ...: small enough to augment
        mirrored = [np.pad(x, around, mode="reflect") for x in (*image, labels, weights)]
        return np.stack(mirrored[:-2]), *mirrored[-2:]

    def __len__(self):
        return len(self.fields) * self.per_image

    def __getitem__(self, i):
        if not 0 <= i < len(self):
            raise IndexError(f"there are tiles 0 to {len(self) - 1}, not {i}")
        rng = np.random.default_rng((self.seed, self.epoch, i))
        maps = self.fields[i % len(self.fields)]
        last = np.array(maps[1].shape) - self.tile
        top, left = rng.integers(last, endpoint=True)
        here = (..., slice(top, top + self.tile), slice(left, left + self.tile))
        cut = [torch.tensor(m[here]) for m in maps]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**62)))
            image, labels, weights = augment(*cut, strength=self.augmentation)
        return image, torch.from_numpy(classes(labels.numpy())), weights
