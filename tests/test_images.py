"""Files are read as they were written or refused by name; values are scaled as the docs say.

The pixels that were written are the oracle: by tifffile, by Pillow, and by a PNG writer of our own.
"""

import struct
import tracemalloc
import zlib

import imageio.v3
import numpy as np
import pytest
import tifffile
import torch

from unet_lesson.data.images import contrast, normalise, read_image

RNG = np.random.default_rng(7)
GREY = RNG.integers(0, 256, (23, 31), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (23, 31), dtype=np.uint16)
COLOUR = RNG.integers(0, 256, (23, 31, 3), dtype=np.uint8)
DEEP_COLOUR = RNG.integers(0, 65536, (23, 31, 3), dtype=np.uint16)


def opaque(pixels):
    """Add an alpha channel, full everywhere."""
    pixels = pixels.reshape(23, 31, -1)
    return np.concatenate([pixels, np.full_like(pixels[..., :1], np.iinfo(pixels.dtype).max)], 2)


def glassy(pixels):
    """Add an alpha channel with one pixel that is not opaque."""
    pixels = opaque(pixels)
    pixels[5, 6, -1] -= 1
    return pixels


def write_png(path, pixels, kind, extra=b""):
    """A PNG of the standard's colour type `kind`, with no filter."""

    def chunk(name, data):
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    height, width = pixels.shape[:2]
    depth = 1 if pixels.dtype == bool else 8 * pixels.itemsize
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1)
    rows = np.packbits(rows, 1) if depth == 1 else rows
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def png(kind):
    return lambda path, pixels: write_png(path, pixels, kind)


def tiff(**options):
    return lambda path, pixels: tifffile.imwrite(path, pixels, **options)


def pillow(**options):
    def write(path, pixels):
        imageio.v3.imwrite(path, pixels, plugin="pillow", extension=path.suffix, **options)

    return write


def planes(path, pixels):
    """One plane per colour instead of one pixel after the other."""
    pixels = np.moveaxis(pixels, -1, 0)
    tifffile.imwrite(path, pixels, photometric="rgb", planarconfig="separate")


GOOD = {
    "grey.png": (png(0), GREY, GREY),
    "grey-16.png": (png(0), DEEP, DEEP),
    "colour.png": (png(2), COLOUR, COLOUR),
    "opaque-grey.png": (png(4), opaque(GREY), GREY),
    "opaque.png": (png(6), opaque(COLOUR), COLOUR),
    "one-bit.png": (png(0), GREY > 99, GREY > 99),
    "png-in-truth.tif": (png(0), GREY, GREY),
    "grey.tif": (tiff(), GREY, GREY),
    "grey-16.tif": (tiff(), DEEP, DEEP),
    "big-endian.tif": (tiff(byteorder=">"), DEEP, DEEP),
    "big.tiff": (tiff(bigtiff=True), DEEP, DEEP),
    "tiled.tif": (tiff(tile=(16, 16)), DEEP, DEEP),
    "strips.tif": (tiff(rowsperstrip=3), DEEP, DEEP),
    "deflate.tif": (tiff(compression="zlib", predictor=True), DEEP, DEEP),
    "lzw.tif": (pillow(compression="tiff_lzw"), GREY, GREY),
    "lzw-16.tif": (pillow(compression="tiff_lzw"), DEEP, DEEP),
    "lzw-colour.tif": (pillow(compression="tiff_lzw"), COLOUR, COLOUR),
    "colour.tif": (tiff(photometric="rgb"), COLOUR, COLOUR),
    "colour-16.tif": (tiff(photometric="rgb"), DEEP_COLOUR, DEEP_COLOUR),
    "planes.tif": (planes, DEEP_COLOUR, DEEP_COLOUR),
    "opaque-16.tif": (tiff(photometric="rgb"), opaque(DEEP_COLOUR), DEEP_COLOUR),
    "float.tif": (tiff(), DEEP / np.float32(7), DEEP / np.float32(7)),
    "double.tif": (tiff(), DEEP / 7, DEEP / 7),
    "labels-32.tif": (tiff(), DEEP.astype(np.uint32) * 9, DEEP.astype(np.uint32) * 9),
    "signed.tif": (tiff(), DEEP.astype(np.int32) - 9, DEEP.astype(np.int32) - 9),
    "bits.tif": (tiff(photometric="minisblack"), GREY > 99, GREY > 99),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_file_comes_as_it_was_written(name, tmp_path):
    write, pixels, wanted = GOOD[name]
    write(tmp_path / name, pixels)
    got = read_image(str(tmp_path / name))
    wanted = wanted.astype(np.uint8) if wanted.dtype == bool else wanted
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)


PALETTE = (
    struct.pack(">I", 6) + b"PLTE" + bytes(6) + struct.pack(">I", zlib.crc32(b"PLTE\0\0\0\0\0\0"))
)
BAD = {
    "empty.png": (
        lambda path, _: path.write_bytes(b""),
        GREY,
        "something else (it starts with b'')",
    ),
    "notes.png": (lambda path, _: path.write_text("hello"), GREY, "something else", "PNG and TIFF"),
    "photo.jpg": (pillow(), COLOUR, "something else", "PNG and TIFF"),
    "jpeg-in-truth.png": (
        lambda path, pixels: imageio.v3.imwrite(path, pixels, plugin="pillow", extension=".jpg"),
        COLOUR,
        "something else",
    ),
    "folder.tif": (lambda path, _: path.mkdir(), GREY, "a folder"),
    "head.png": (lambda path, _: path.write_bytes(b"\x89PNG\r\n\x1a\n"), GREY, "cut short"),
    "head.tif": (lambda path, _: path.write_bytes(b"II*\0\x08\0\0\0"), GREY, "cut short"),
    "colour-16.png": (png(2), DEEP_COLOUR, "16-bit colours", "TIFF"),
    "opaque-16.png": (png(6), opaque(DEEP_COLOUR), "16-bit colours", "TIFF"),
    "palette.png": (lambda p, x: write_png(p, x, 3, PALETTE), GREY % 2, "palette", "grey or RGB"),
    "palette.tif": (
        tiff(photometric="palette", colormap=np.zeros((3, 256), np.uint16)),
        GREY,
        "PALETTE",
        "grey or RGB",
    ),
    "inverted.tif": (tiff(photometric="miniswhite"), GREY, "MINISWHITE"),
    "glassy-grey.png": (png(4), glassy(GREY), "2 channels", "alpha"),
    "glassy.png": (png(6), glassy(COLOUR), "4 channels", "alpha"),
    "glassy-16.tif": (tiff(photometric="rgb"), glassy(DEEP_COLOUR), "4 channels", "alpha"),
    "stack.tif": (tiff(), np.stack([GREY] * 7), "a stack of 7 pages", "by itself"),
    "three-pages.tif": (tiff(photometric="minisblack"), np.stack([GREY] * 3), "a stack of 3 pages"),
    "five-channels.tif": (
        tiff(photometric="minisblack", planarconfig="contig"),
        np.dstack([GREY] * 5),
        "(23, 31, 5)",
    ),
    "volume.tif": (
        tiff(photometric="minisblack", volumetric=True, tile=(16, 16, 16)),
        np.stack([GREY] * 4),
        "(4, 23, 31)",
    ),
    "complex.tif": (tiff(), DEEP.astype(np.complex64), "complex64"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_refused_by_name(name, tmp_path, refused):
    write, pixels, *words = BAD[name]
    write(tmp_path / name, pixels)
    refused(lambda: read_image(tmp_path / name), ValueError, str(tmp_path / name), *words)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.png: there is no such file"):
        read_image(tmp_path / "gone.png")


@pytest.mark.parametrize("name", GOOD)
def test_a_file_cut_short_is_refused_or_whole(name, tmp_path):
    """Wherever it is cut: either the refusal or, where only the end matter is lost, the pixels."""
    write, pixels, wanted = GOOD[name]
    path = tmp_path / name
    write(path, pixels)
    whole = path.read_bytes()
    refusals = 0
    ends = range(len(whole) - 12, len(whole))
    for length in {*range(0, len(whole), len(whole) // 25), *ends}:
        path.write_bytes(whole[:length])
        try:
            np.testing.assert_array_equal(read_image(path), wanted)
        except ValueError as error:
            assert str(path) in str(error) and "PNG and TIFF" in str(error)
            refusals += 1
    assert refusals >= 20


@pytest.mark.parametrize("name", ["grey.png", "colour.tif", "lzw.tif", "deflate.tif"])
def test_a_damaged_file_gives_an_image_or_the_refusal(name, tmp_path):
    """Random bytes changed: nothing but a ValueError that names the file ever comes out."""
    write, pixels, _ = GOOD[name]
    path = tmp_path / name
    write(path, pixels)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    refusals = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        changed = whole.copy()
        changed[rng.integers(8, min(400, len(whole)), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(changed.tobytes())
        try:
            assert read_image(path).ndim in (2, 3)
        except ValueError as error:
            assert str(path) in str(error)
            refusals += 1
    assert refusals


# ---- scaling -------------------------------------------------------------------------------

RAMP = RNG.permutation(1001).astype(np.uint16).reshape(7, 143)  # the 1st percentile is 10


def test_contrast_of_a_ramp_by_hand():
    assert contrast(RAMP) == pytest.approx((10, 999))
    assert contrast(np.stack([RAMP, RAMP, RAMP])) == pytest.approx((10, 999))


def test_normalise_of_a_ramp_by_hand():
    scaled = normalise(RAMP)
    assert scaled.dtype == np.float32 and scaled.shape == (7, 143)
    assert scaled[RAMP == 10] == 0 and scaled[RAMP == 999] == 1
    assert scaled.min() == np.float32(-10 / 989)  # below the 1st percentile: kept, no wrap-around
    assert scaled.max() == np.float32(990 / 989)  # above the 99.9th: not clipped


@pytest.mark.parametrize(
    "same",
    [
        RAMP.astype(np.float64),
        RAMP.astype(np.float32),
        RAMP.astype(np.int32),
        RAMP.astype(">u2"),
        RAMP.T.copy().T,
        np.repeat(RAMP, 2, 1)[:, ::2],
        torch.from_numpy(RAMP.astype(np.float32)),
    ],
)
def test_kind_and_layout_of_the_numbers_do_not_matter(same):
    np.testing.assert_array_equal(normalise(same), normalise(RAMP))


@pytest.mark.parametrize("shape", [(40, 50), (3, 40, 50), (1, 1), (1100, 1300), (3, 900, 800)])
def test_normalise_without_scale_uses_contrast(shape):
    image = RNG.gamma(2, 900, shape)
    np.testing.assert_array_equal(normalise(image), normalise(image, contrast(image)))


def test_a_part_is_scaled_as_the_whole():
    image = RNG.integers(0, 4096, (60, 80), dtype=np.uint16)
    whole, part = normalise(image), normalise(image[10:30, 5:75], contrast(image))
    np.testing.assert_array_equal(part, whole[10:30, 5:75])


def test_contrast_of_a_large_image_is_near_that_of_all_its_pixels():
    y, x = np.mgrid[:1700, :1300]
    image = (2000 + 1500 * np.sin(y / 90) * np.cos(x / 70) + RNG.normal(0, 80, y.shape)).astype(
        "u2"
    )
    everything = np.percentile(image, (1, 99.9))
    np.testing.assert_allclose(contrast(image), everything, atol=25)  # of a range of 3000


def test_contrast_does_not_read_a_large_memmap_whole(tmp_path):
    image = np.memmap(tmp_path / "large.raw", np.uint8, "w+", shape=(20_000, 20_000))
    image[::20, ::20] = 200  # so few that all of them are in the sample, or none
    tracemalloc.start()
    assert contrast(image) == (200.0, 200.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6


def test_a_constant_image_becomes_zeros():
    for value in (0, 7, 65535):
        image = np.full((9, 8), value, np.uint16)
        np.testing.assert_array_equal(normalise(image), np.zeros((9, 8), np.float32))


def test_a_few_bright_pixels_on_black_are_not_lost():
    image = np.zeros((100, 100), np.uint8)
    image[3, 4:9] = 40, 80, 120, 160, 200  # fewer than one in a thousand
    assert contrast(image) == (0.0, 200.0)
    np.testing.assert_array_equal(normalise(image), image / np.float32(200))


NAN = np.where(np.eye(4), np.nan, 1.0)
LATE = np.ones((1100, 1100))
LATE[1, 1] = np.inf  # between the pixels of the sample


@pytest.mark.parametrize("call", [contrast, normalise])
@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (NAN, ValueError, "4 of 16 values are NaN or infinite"),
        (-np.inf * np.ones((2, 2)), ValueError, "4 of 4 values are NaN or infinite"),
        (np.eye(3) > 0, TypeError, "bool"),
        (np.eye(3) * 1j, TypeError, "complex128"),
        ([["a"]], TypeError, "numbers"),
        (None, TypeError, "object"),
        (np.zeros(5), ValueError, "not (5,)"),
        (np.zeros((1, 1, 5, 5)), ValueError, "not (1, 1, 5, 5)"),
        (np.zeros((20, 30, 3)), ValueError, "np.moveaxis(image, -1, 0)"),
        (np.zeros((0, 5)), ValueError, "nothing in an image of shape (0, 5)"),
    ],
)
def test_no_image(call, image, error, words, refused):
    refused(lambda: call(image), error, words)


def test_a_bad_value_outside_the_sample_is_found(refused):
    assert contrast(LATE) == (1.0, 1.0)
    refused(lambda: normalise(LATE), ValueError, "1 of 1210000 values are NaN or infinite")


@pytest.mark.parametrize("scale", [(5, 4), (0, np.inf), (np.nan, 1)])
def test_bad_scales(scale, refused):
    refused(lambda: normalise(GREY, scale), ValueError, "low <= high", str(scale[0]))
