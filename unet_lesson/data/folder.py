"""Your own images and masks: two folders of PNG or TIFF files, checked before they are used."""

from collections.abc import Sequence
from copy import copy
from difflib import get_close_matches
from operator import index
from pathlib import Path

import numpy as np
from skimage import measure
from tqdm.auto import tqdm

from unet_lesson.data.images import SUFFIXES, normalise, read_image

NUMBERS = "a mask holds one whole number per pixel: 0 for background, then one for each object"


class FolderPairs(Sequence):
    """folder/images and folder/masks, paired by file name: images/a.png and masks/a.tif.

    [i] -> (image float32 (H, W), or (3, H, W) if in colour; instance labels int32 (H, W)), in the
    order of the names, which are in `.names`. Images of 8 or 16 bit or floats come through
    `normalise`. A mask is a grey image of whole numbers, 0 for background and one number for each
    object; if it holds only 0 and 1, its 4-connected components are the objects. Sizes may differ
    from pair to pair. Hidden files are left alone.

    Every file is read and checked here, and read again when asked for. Raises FileNotFoundError
    for a missing folder, and ValueError, naming the file and what to do, for one that is no PNG
    or TIFF or cannot be read (see `read_image`); an image without a mask or a mask without an
    image; two of one name; a mask of another size, in colour, of fractions, below 0 or of 0 and
    255; grey images mixed with coloured ones; a folder without files, or without any object.
    """

    def __init__(self, folder):
        images, masks = _files(Path(folder) / "images"), _files(Path(folder) / "masks")
        _check_partners(images, masks, "mask")
        _check_partners(masks, images, "image")
        self.names = sorted(images)
        self.paths = [(images[name], masks[name]) for name in self.names]
        self._check_all(folder)

    def _check_all(self, folder):
        ranks, objects = {}, 0
        for image_path, mask_path in tqdm(self.paths, desc="checking", unit="pair", leave=False):
            image, labels = _read_image(image_path), _read_labels(mask_path)
            if image.shape[-2:] != labels.shape:
                raise ValueError(
                    f"{mask_path} is {labels.shape} and its image {image.shape[-2:]} (height, "
                    "width); they must be the same, so export the mask again at the image's size"
                )
            ranks.setdefault(image.ndim, image_path)
            objects += labels.max()
        if len(ranks) > 1:
            raise ValueError(
                f"{ranks[2]} is grey and {ranks[3]} is in colour; save all of one kind"
            )
        if objects == 0:
            raise ValueError(f"{folder}: every mask is 0 everywhere; {NUMBERS}")

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        image, mask = self.paths[index(i)]
        return _read_image(image), _read_labels(mask)

    def split(self):
        """{"train": ..., "val": ..., "test": ...} by whole images, the same at every call.

        In every five names the fourth goes to "val", the fifth to "test". Images of one sample
        (a well, a patient, a film) should not be on two sides: then make one for each side.
        Raises ValueError for fewer than 5 pairs.
        """
        if len(self) < 5:
            raise ValueError(f"{len(self)} pairs cannot be split; at least 5 are needed")
        sides = {"train": (0, 1, 2), "val": (3,), "test": (4,)}
        return {
            side: self._part([i for i in range(len(self)) if i % 5 in places])
            for side, places in sides.items()
        }

    def _part(self, chosen):
        """The pairs at the places `chosen`, without checking them again."""
        part = copy(self)
        part.names = [self.names[i] for i in chosen]
        part.paths = [self.paths[i] for i in chosen]
        return part


def _files(folder):
    """{name without suffix: path} of a folder's files; raise unless all are PNG or TIFF."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder; images/ and masks/ are needed")
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "Thumbs.db":
            continue
        if path.suffix.lower() not in SUFFIXES:
            allowed = ", ".join(SUFFIXES)
            raise ValueError(f"{path} is no PNG or TIFF ({allowed}); convert it or move it away")
        if path.stem in found:
            raise ValueError(f"{found[path.stem]} and {path} have the same name; keep one of them")
        found[path.stem] = path
    if not found:
        raise ValueError(f"{folder} holds no files ({', '.join(SUFFIXES)})")
    return found


def _check_partners(files, others, kind):
    """Raise unless every file has a partner of the same name among the others."""
    for name, path in files.items():
        if name not in others:
            near = get_close_matches(name, others.keys() - files.keys(), n=1)
            hint = f"; should {others[near[0]].name} be renamed?" if near else ""
            folder = next(iter(others.values())).parent
            raise ValueError(f"{path} has no {kind}: no {name}.png or {name}.tif in {folder}{hint}")


def _read_image(path):
    """Normalised float32: (H, W), or (3, H, W) if in colour."""
    pixels = read_image(path)
    try:
        return normalise(pixels if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read_labels(path):
    """Instance labels int32 (H, W); raise for what is no mask of whole numbers."""
    mask = read_image(path)
    if mask.ndim == 3:
        raise ValueError(f"{path} is in colour; {NUMBERS}: save one channel that holds them")
    if mask.dtype.kind == "f":
        raise ValueError(f"{path} holds {mask.dtype}; {NUMBERS}: save it as 8 or 16 bit")
    values = np.unique(mask)
    if values[0] < 0 or values[-1] > np.iinfo(np.int32).max:
        raise ValueError(f"{path} holds values from {values[0]} to {values[-1]}; {NUMBERS}")
    for white in (255, 65535):
        if values[-1] == white and set(values) <= {0, white}:
            raise ValueError(
                f"{path} holds only 0 and {white}, black and white; {NUMBERS}: save "
                f"mask // {white}, and touching pixels of 1 become one object"
            )
    if values[-1] == 1:
        mask = measure.label(mask, background=0, connectivity=1)
    return mask.astype(np.int32)
