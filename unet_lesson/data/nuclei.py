"""BBBC039: U2OS nuclei under a fluorescence microscope, split by well. Fetched when first used.

Image set BBBC039v1 (Caicedo et al. 2019, Cytometry A 95:473) of the Broad Bioimage Benchmark
Collection (Ljosa et al. 2012, Nature Methods 9:637). Licence: CC0 1.0.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pooch
from skimage import measure
from tqdm.auto import tqdm

from unet_lesson.data.images import normalise, read_image

ADDRESS = (  # one commit, so that the files cannot change
    "https://raw.githubusercontent.com/DeepTrackAI/cell_counting_dataset/"
    "d460149beb419c92785edcdef0628c5bf66f3325/cell%20nuclei/"
)
FOLDER = "UNET_LESSON_DATA"  # the environment variable that names another cache folder
REGISTRY = Path(__file__).with_name("bbbc039.tsv")
SPLITS = ("train", "val", "test")

pooch.get_logger().setLevel("WARNING")  # a progress bar instead of a line for each file


class Nuclei(Sequence):
    """Fields held in memory: [i] -> (image float32 (520, 696), instance labels int32 (520, 696)).

    names: the name of each field, with its well, such as "IXMtest_A02_s1_w1...".
    """

    def __init__(self, names, pairs):
        self.names = list(names)
        self.pairs = list(pairs)

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, i):
        return self.pairs[i]


def nuclei(split):
    """One split of BBBC039: "train" (24 fields), "val" (8) or "test" (8), with names in `.names`.

    Images come through `normalise`. In the labels 0 is background and each nucleus has its own
    number: the 4-connected components of each colour of the mask, the smallest scrap included.

    The 40 fields are named in bbbc039.tsv, each from another well, so no well is on two sides.
    Of 50 fields, sorted by name and so by well, every fifth was left out, from the third on; of
    the rest, in every five the fourth is "val" and the fifth is "test". Where to start was chosen
    so that the three splits have about as many nuclei to a field (112, 111, 118), before
    anything was trained. Each has fields of the rows A to E and G.

    Each file is fetched once (0.7 MB a field) and checked against its sha256 at every use.
    The folder is pooch's cache for "unet_lesson", or what UNET_LESSON_DATA names; a folder with
    all files in images/NAME.tif and masks/NAME.png is only read. A damaged file is named in a
    printed line and fetched again.

    Raises ValueError for another split and for a file that also arrives damaged, TypeError for a
    split that is no string, and ConnectionError, saying what to do, where a file is missing and
    cannot be fetched.
    """
    names = [row["name"] for row in _rows(split)]
    store = _store()
    bar = tqdm(names, desc=f"nuclei, {split}", unit="field", leave=False)
    return Nuclei(names, [_pair(store, name) for name in bar])


def _rows(split):
    """The lines of the registry that belong to a split; {column: value} each."""
    if not isinstance(split, str):
        raise TypeError(f"split must be one of {SPLITS}, not {split!r} ({type(split).__name__})")
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, not {split!r}")
    return [row for row in _registry() if row["split"] == split]


def _registry():
    with REGISTRY.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _store():
    """The cache folder, with the address and the sha256 of every file."""
    hashes = {}
    for row in _registry():
        hashes[f"images/{row['name']}.tif"] = row["image_sha256"]
        hashes[f"masks/{row['name']}.png"] = row["mask_sha256"]
    folder = pooch.os_cache("unet_lesson")
    return pooch.create(folder, ADDRESS, registry=hashes, env=FOLDER, retry_if_failed=2)


def _fetch(store, file):
    """The path of one file in the cache, after fetching it if it is missing or damaged."""
    path = store.abspath / file
    if path.exists() and pooch.file_hash(path) != store.registry[file]:
        tqdm.write(f"{path} is damaged (its sha256 is not the one on record); fetching it again")
    try:
        return store.fetch(file)
    except ValueError:
        raise ValueError(
            f"{store.get_url(file)} sends something else than the file on record "
            f"(sha256 {store.registry[file]}), so nothing was kept; try again later, or get it "
            f"elsewhere and copy it to {path}"
        ) from None
    except OSError as error:  # those of the network are OSErrors too
        cause = error.strerror or type(error).__name__
        raise ConnectionError(
            f"{path} is missing or damaged, and {store.get_url(file)} could not be fetched "
            f"({cause}). Connect to the network once; or copy the files of BBBC039 to "
            f"{store.abspath} (images/NAME.tif, masks/NAME.png); or go on with em_like or "
            "nuclei_like, which need no files."
        ) from None


def _pair(store, name):
    """(image float32 (520, 696), labels int32 (520, 696)) of one field."""
    image = read_image(_fetch(store, f"images/{name}.tif"))
    colours = read_image(_fetch(store, f"masks/{name}.png"))[..., 0]  # touching nuclei differ
    labels = measure.label(colours, background=0, connectivity=1)
    return normalise(image), labels.astype(np.int32)
