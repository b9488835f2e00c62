"""Read one image file as it was stored, and bring its values to a common scale."""

from math import ceil, sqrt
from pathlib import Path

import imageio.v3
import numpy as np
import tifffile

PNG = b"\x89PNG\r\n\x1a\n"
TIFF = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"  # little and big endian; the last two are BigTIFF
SUFFIXES = (".png", ".tif", ".tiff")
SAMPLE = 1_000_000  # pixels that `contrast` looks at
READABLE = "readable are PNG and TIFF, one page, grey or RGB"

# ---- reading -------------------------------------------------------------------------------


def read_image(path):
    """The pixels of one PNG or TIFF file, as stored: (H, W) grey or (H, W, 3) colour.

    The dtype is the file's: uint8, uint16 or, in a TIFF, any other integer or float; one-bit
    images come as uint8 of 0 and 1. The kind of a file is read from its first bytes, not from
    its name. An alpha channel that is opaque everywhere is left out.

    Raises FileNotFoundError for a missing file and ValueError, naming the file, for one that is
    truncated, damaged or of another kind, has several pages, a palette, a transparent pixel, or
    is a PNG with 16-bit colours, of which the library would return the upper 8 bits only.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    if not path.is_file():
        raise ValueError(f"{path}: this is a folder, not an image; {READABLE}")
    with path.open("rb") as file:
        head = file.read(26)
    if not head.startswith((PNG, *TIFF)):
        raise ValueError(f"{path}: this is something else (it starts with {head[:8]}); {READABLE}")
    try:
        pixels = _read_png(path, head) if head.startswith(PNG) else _read_tiff(path)
        return _without_alpha(pixels)
    except Exception as error:  # a damaged file can make the libraries fail in any way
        what = "" if type(error) is ValueError else "damaged or cut short: "
        raise ValueError(f"{path}: {what}{error}; {READABLE}") from error


def _read_png(path, head):
    """(H, W) or (H, W, channels). head: the first 26 bytes of the file."""
    depth, colour = head[24:25], head[25:26]  # one byte each
    if colour == b"\x03":
        raise ValueError("the colours are numbers of a palette; save it as grey or RGB")
    if depth == b"\x10" and colour != b"\x00":
        raise ValueError("16-bit colours of a PNG cannot be read in full; save it as TIFF")
    pixels = imageio.v3.imread(path, plugin="pillow")
    return pixels.astype(np.uint8) if pixels.dtype == bool else pixels


def _read_tiff(path):
    """(H, W) or (H, W, channels)."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        pages = max(len(tiff.pages), tiff.series[0].size // page.size)
        if pages > 1:
            raise ValueError(f"a stack of {pages} pages; save the page you want by itself")
        kind = page.photometric.name
        if kind not in ("MINISBLACK", "RGB"):
            raise ValueError(f"its values are of kind {kind}; save it as grey or RGB")
        try:
            pixels = page.asarray()
        except ValueError as error:  # LZW and a few more need a package that may not be here
            if "imagecodecs" not in str(error):
                raise
            pixels = imageio.v3.imread(path, plugin="pillow")
            if (pixels.shape, pixels.dtype) != (page.shape, page.dtype):
                raise ValueError(f"compression {page.compression.name}; save it without") from None
        if page.axes == "SYX":  # one plane per colour
            pixels = np.moveaxis(pixels, 0, -1)
    return pixels.astype(np.uint8) if pixels.dtype == bool else pixels


def _without_alpha(pixels):
    """Drop the alpha channel of (H, W, 2) or (H, W, 4) if every pixel is opaque."""
    if pixels.dtype.kind not in "uif":
        raise ValueError(f"its values are {pixels.dtype}, no whole or real numbers")
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        opaque = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
        if (pixels[..., -1] != opaque).any():
            channels = pixels.shape[2]
            raise ValueError(
                f"{channels} channels, the last not opaque alpha; save it as grey or RGB"
            )
        pixels = pixels[..., 0] if pixels.shape[2] == 2 else pixels[..., :3]
    if pixels.ndim != 2 and (pixels.ndim != 3 or pixels.shape[2] != 3):
        raise ValueError(f"its shape is {pixels.shape}, neither (H, W) nor (H, W, 3)")
    return pixels  # (H, W) or (H, W, 3)


# ---- scaling -------------------------------------------------------------------------------


def contrast(image):
    """The values that `normalise` maps to 0 and 1: the 1st and the 99.9th percentile.

    image: (H, W) or (C, H, W), integers or floats, a NumPy memmap too. Of more than a million
    values only an evenly strided sample of at most about a million is read. All channels share
    one pair, so that their balance stays. Should the two percentiles be the same (a few bright
    pixels on black), it is the sample's smallest and largest value instead.

    -> (low, high), floats. Raises TypeError for values that are no numbers, and ValueError for
    another rank, channels at the end, no pixels, or NaN or infinite values.
    """
    image = _check_image(image)
    step = ceil(sqrt(image.size / SAMPLE))
    sample = np.asarray(image[..., ::step, ::step], dtype=np.float64)
    _check_finite(sample)
    low, high = np.percentile(sample, (1, 99.9))
    if low == high:
        low, high = sample.min(), sample.max()
    return float(low), float(high)


def normalise(image, scale=None):
    """Bring an image to float32 with `low` at 0 and `high` at 1; values beyond are not clipped.

    image: (H, W) or (C, H, W), integers or floats. scale: (low, high); None is contrast(image).
    With the scale of the whole image, a part of it becomes what it is in the whole. A constant
    image becomes 0 everywhere.

    Raises TypeError and ValueError as `contrast`, and ValueError for a scale that is no pair of
    finite numbers with low <= high.
    """
    image = _check_image(image)
    low, high = contrast(image) if scale is None else scale
    if not (np.isfinite([low, high]).all() and low <= high):
        raise ValueError(f"scale must be finite numbers with low <= high, not {(low, high)}")
    scaled = (np.asarray(image, dtype=np.float64) - low) / (high - low or 1)
    _check_finite(scaled)
    return scaled.astype(np.float32)  # the shape of the image


def _check_image(image):
    """Return `image` as an array if it is (H, W) or (C, H, W) of numbers, else raise."""
    image = np.asarray(image)
    if image.dtype.kind not in "uif":
        raise TypeError(f"an image must hold whole or real numbers, not {image.dtype}")
    at_end = image.ndim == 3 and image.shape[2] <= 4 < image.shape[0]
    if image.ndim not in (2, 3) or at_end:
        hint = "; try np.moveaxis(image, -1, 0)" if at_end else ""
        raise ValueError(f"an image must be (H, W) or (C, H, W), not {image.shape}{hint}")
    if image.size == 0:
        raise ValueError(f"there is nothing in an image of shape {image.shape}")
    return image


def _check_finite(values):
    """Raise unless all values are finite."""
    bad = values.size - np.isfinite(values).sum()
    if bad:
        raise ValueError(
            f"{bad} of {values.size} values are NaN or infinite; mend the image or leave it out"
        )
