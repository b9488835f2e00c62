"""A folder of the user's own pairs is read as it was written, or refused by file and reason."""

from pathlib import Path

import imageio.v3
import numpy as np
import pytest
import tifffile
import torch
from scipy import ndimage

from unet_lesson.data.folder import FolderPairs

RNG = np.random.default_rng(11)
GREY = RNG.integers(0, 256, (40, 50), dtype=np.uint8)
DEEP = RNG.integers(0, 4096, (40, 50), dtype=np.uint16)
COLOUR = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
MASK = np.kron(np.arange(20).reshape(4, 5), np.ones((10, 10), int)).astype(np.uint8)
BINARY = (MASK % 3 == 1).astype(np.uint8)  # 10 x 10 squares; some meet at a corner, none on a side


def write(folder, files):
    """{name: pixels, bytes, or None for a folder} -> the folder, written."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir()
        elif isinstance(content, bytes):
            path.write_bytes(content)
        elif path.suffix.lower() == ".png":
            imageio.v3.imwrite(path, content)
        else:
            photometric = "rgb" if content.shape[-1] in (3, 4) else "minisblack"
            tifffile.imwrite(path, content, photometric=photometric)
    return folder


def one(image=GREY, mask=MASK, **more):
    """The files of one pair, and more."""
    return {"images/a.png": image, "masks/a.png": mask} | more


def percentiles_to_0_and_1(image):
    low, high = np.percentile(image, (1, 99.9))
    return (image - low) / (high - low)


@pytest.mark.parametrize(
    ("names", "image", "mask"),
    [
        (("a.png", "a.png"), GREY, MASK),
        (("a.png", "a.tif"), DEEP, MASK.astype(np.uint16) * 100),
        (("a.tif", "a.png"), DEEP / np.float32(9), MASK),
        (("a.TIFF", "a.PNG"), DEEP, MASK.astype(np.uint16) * 3000),
        (("a.b.tif", "a.b.tif"), GREY, MASK.astype(np.int32) * 100_000),
        (("a.png", "a.png"), GREY, np.maximum(MASK, 1)),  # no background at all
        (("a.png", "a.png"), GREY, np.where(MASK == 19, 255, MASK)),  # 255, but not alone
        (("a.png", "a.png"), GREY, np.where(MASK == 19, 2, 0).astype(np.uint8)),  # one object
    ],
)
def test_a_pair_comes_as_it_was_written(names, image, mask, tmp_path):
    write(tmp_path, {f"images/{names[0]}": image, f"masks/{names[1]}": mask})
    pairs = FolderPairs(str(tmp_path))
    assert len(pairs) == 1 and pairs.names == [Path(names[0]).stem]
    got, labels = pairs[0]
    assert got.dtype == np.float32 and labels.dtype == np.int32
    np.testing.assert_allclose(got, percentiles_to_0_and_1(image), atol=1e-6)
    np.testing.assert_array_equal(labels, mask)
    assert torch.from_numpy(got).shape == torch.from_numpy(labels).shape == (40, 50)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_colour_comes_with_channels_first(name, tmp_path):
    write(tmp_path, {f"images/{name}": COLOUR, "masks/a.png": MASK})
    image, labels = FolderPairs(tmp_path)[0]
    assert image.shape == (3, 40, 50) and labels.shape == (40, 50)
    wanted = percentiles_to_0_and_1(COLOUR)
    for channel in range(3):
        np.testing.assert_allclose(image[channel], wanted[..., channel], atol=1e-6)


def test_a_mask_of_0_and_1_becomes_its_4_connected_objects(tmp_path):
    empty = np.zeros_like(BINARY)
    write(tmp_path, {"images/a.png": GREY, "masks/a.png": BINARY})
    write(tmp_path, {"images/b.png": GREY, "masks/b.png": empty})
    (_, labels), (_, nothing) = FolderPairs(tmp_path)
    wanted, count = ndimage.label(BINARY)
    assert labels.max() == count == 7
    np.testing.assert_array_equal(labels, wanted)
    np.testing.assert_array_equal(nothing, empty)


def test_pairs_are_in_the_order_of_their_names_and_hidden_files_are_left_alone(tmp_path):
    files = {f"images/{name}.png": np.roll(GREY, i) for i, name in enumerate("dacb")}
    files |= {f"masks/{name}.tif": np.roll(MASK, i) for i, name in enumerate("dacb")}
    write(tmp_path, files | {"images/.DS_Store": b"x", "masks/Thumbs.db": b"x", "notes.txt": b"x"})
    pairs = FolderPairs(tmp_path)
    assert pairs.names == ["a", "b", "c", "d"]
    for name, (_, labels) in zip(pairs.names, pairs, strict=True):
        np.testing.assert_array_equal(labels, np.roll(MASK, "dacb".index(name)))
    np.testing.assert_array_equal(pairs[-1][1], MASK)
    with pytest.raises(TypeError, match="slice"):
        pairs[0:2]
    with pytest.raises(IndexError):
        pairs[4]


def test_sizes_may_differ_from_pair_to_pair(tmp_path):
    write(tmp_path, one() | {"images/b.png": GREY[:30, :20], "masks/b.png": MASK[:30, :20]})
    assert [labels.shape for _, labels in FolderPairs(tmp_path)] == [(40, 50), (30, 20)]


# ---- what is refused -----------------------------------------------------------------------

WHOLE = imageio.v3.imwrite("<bytes>", GREY, extension=".png")
CUT = WHOLE[:-100]
JPEG = imageio.v3.imwrite("<bytes>", GREY, extension=".jpg")
NAN = np.where(GREY == GREY[0, 0], np.nan, GREY).astype(np.float32)
WHITE = BINARY * np.uint8(255)
GLASSY = np.dstack([COLOUR, GREY])
B = {"images/b.png": GREY, "masks/b.png": MASK}

BAD = {  # name: files, what the message must hold
    "nothing": ({"notes.txt": b""}, "images", "no such folder"),
    "no masks folder": ({"images/a.png": GREY}, "masks", "no such folder"),
    "images is a file": ({"images": b"", "masks/a.png": MASK}, "images", "no such folder"),
    "masks is a file": ({"images/a.png": GREY, "masks": b""}, "masks", "no such folder"),
    "empty images": ({"images": None, "masks/a.png": MASK}, "images holds no files"),
    "empty masks": ({"images/a.png": GREY, "masks": None}, "masks holds no files"),
    "only hidden files": (
        {"images/.a.png": GREY, "masks/.a.png": MASK},
        "images holds no files",
    ),
    "image without mask": (one(**{"images/b.png": GREY}), "images/b.png has no mask", "b.tif"),
    "mask without image": (one(**{"masks/b.png": MASK}), "masks/b.png has no image", "b.png"),
    "another naming": (
        {"images/cell_01.png": GREY, "masks/cell_01_mask.png": MASK},
        "images/cell_01.png has no mask",
        "should cell_01_mask.png be renamed?",
    ),
    "another case": ({"images/A.png": GREY, "masks/a.png": MASK}, "images/A.png has no mask"),
    "two images of one name": (one(**{"images/a.tif": GREY}), "images/a.png", "images/a.tif"),
    "two masks of one name": (one(**{"masks/a.tif": MASK}), "masks/a.png", "masks/a.tif"),
    "a text in between": (one(**{"images/notes.txt": b"hi"}), "images/notes.txt is no PNG or TIFF"),
    "a jpeg": (
        {"images/a.jpg": JPEG, "masks/a.png": MASK},
        "images/a.jpg is no PNG or TIFF",
    ),
    "a jpeg called png": (one(image=JPEG), "images/a.png: this is something else", "PNG and TIFF"),
    "an array file": (one(**{"masks/a.npy": b"\x93NUMPY"}), "masks/a.npy is no PNG or TIFF"),
    "a folder inside": (one(**{"images/more": None}), "images/more is no PNG or TIFF"),
    "a folder called png": (one(**{"masks/b.png": None, "images/b.png": GREY}), "masks/b.png"),
    "an empty image": (one(image=b""), "images/a.png", "something else"),
    "a cut image": (one(image=CUT), "images/a.png", "cut short"),
    "a cut mask": (one(mask=CUT), "masks/a.png", "cut short"),
    "the last of three cut": (one(**B) | {"images/c.png": GREY, "masks/c.png": CUT}, "masks/c.png"),
    "a stack": (
        {"images/a.tif": np.stack([GREY] * 5), "masks/a.png": MASK},
        "images/a.tif",
        "a stack of 5 pages",
    ),
    "a stack of masks": (
        {"images/a.png": GREY, "masks/a.tif": np.stack([MASK] * 2)},
        "masks/a.tif",
        "a stack of 2 pages",
    ),
    "a transparent image": (one(image=GLASSY), "images/a.png", "alpha"),
    "NaN in an image": (
        {"images/a.tif": NAN, "masks/a.png": MASK},
        "images/a.tif",
        "NaN or infinite",
    ),
    "grey and colour": (
        one(**{"images/b.png": COLOUR, "masks/b.png": MASK}),
        "images/a.png is grey",
        "images/b.png is in colour",
    ),
    "colour and grey": (
        one(image=COLOUR, **B),
        "images/b.png is grey",
        "images/a.png is in colour",
    ),
    "a smaller mask": (one(mask=MASK[:-1]), "masks/a.png is (39, 50)", "(40, 50)"),
    "a transposed mask": (one(mask=MASK.T.copy()), "masks/a.png is (50, 40)", "(40, 50)"),
    "a mask for a larger colour image": (
        one(image=COLOUR, mask=MASK[:3]),
        "masks/a.png is (3, 50)",
        "(40, 50)",
    ),
    "black and white": (one(mask=WHITE), "masks/a.png", "0 and 255", "mask // 255"),
    "white only": (one(mask=np.full_like(MASK, 255)), "masks/a.png", "0 and 255"),
    "black and white in 16 bit": (
        one(mask=BINARY * np.uint16(65535)),
        "masks/a.png",
        "0 and 65535",
        "mask // 65535",
    ),
    "0 and 255 in 32 bit": (
        {"images/a.png": GREY, "masks/a.tif": WHITE.astype(np.int32)},
        "masks/a.tif",
        "0 and 255",
    ),
    "a mask in colour": (one(mask=COLOUR), "masks/a.png is in colour", "save one channel"),
    "a grey mask saved as RGB": (one(mask=np.dstack([MASK] * 3)), "masks/a.png is in colour"),
    "a mask of fractions": (
        {"images/a.png": GREY, "masks/a.tif": MASK.astype(np.float32)},
        "masks/a.tif holds float32",
        "8 or 16 bit",
    ),
    "a mask below 0": (
        {"images/a.png": GREY, "masks/a.tif": MASK.astype(np.int16) - 1},
        "masks/a.tif holds values from -1 to 18",
    ),
    "a mask beyond int32": (
        {"images/a.png": GREY, "masks/a.tif": MASK.astype(np.uint32) * 200_000_000},
        "masks/a.tif holds values from 0 to 3800000000",
    ),
    "no object anywhere": (one(mask=MASK * 0), "every mask is 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_folders(name, tmp_path):
    files, *words = BAD[name]
    write(tmp_path, files)
    error = FileNotFoundError if "no such folder" in words else ValueError
    with pytest.raises(error) as caught:
        FolderPairs(tmp_path)
    message = str(caught.value).replace("\\", "/")
    assert caught.type is error and "unet_lesson" in str(caught.traceback[-1].path), message
    for word in (tmp_path.as_posix(), *words):
        assert word in message, message


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        FolderPairs(tmp_path / "nowhere")


def test_a_file_harmed_after_the_check_is_named_when_read(tmp_path, refused):
    pairs = FolderPairs(write(tmp_path, one(**B)))
    (tmp_path / "images" / "b.png").write_bytes(CUT)
    assert pairs[0][0].shape == (40, 50)
    refused(lambda: pairs[1], ValueError, str(tmp_path / "images" / "b.png"), "cut short")


# ---- split ---------------------------------------------------------------------------------


@pytest.fixture
def twelve(tmp_path):
    for i in range(12):
        mask = np.full((8, 8), i + 2, np.uint8)
        write(tmp_path, {f"images/{i:02}.png": GREY[:8, :8], f"masks/{i:02}.png": mask})
    return tmp_path


def test_split_by_whole_images(twelve):
    parts = FolderPairs(twelve).split()
    assert {side: " ".join(part.names) for side, part in parts.items()} == {
        "train": "00 01 02 05 06 07 10 11",
        "val": "03 08",
        "test": "04 09",
    }
    for part in parts.values():
        assert len(part) == len(part.names)
        for name, (_, labels) in zip(part.names, part, strict=True):
            np.testing.assert_array_equal(labels, int(name) + 2)


def test_split_needs_five(twelve, refused):
    for side in ("images", "masks"):
        for path in (twelve / side).iterdir():
            if int(path.stem) > 4:
                path.unlink()
    five = FolderPairs(twelve).split()
    assert [len(five[side]) for side in ("train", "val", "test")] == [3, 1, 1]
    (twelve / "images" / "04.png").unlink()
    (twelve / "masks" / "04.png").unlink()
    refused(FolderPairs(twelve).split, ValueError, "4 pairs", "at least 5")
