"""Microscope-like pictures with exact labels, drawn from a seed: no download, no annotation.

`em_like` stands in for the electron micrographs of the ISBI 2012 challenge, on which the paper
trains in section 4, `nuclei_like` for the real nuclei of BBBC039. All arithmetic is float64 and
the image has 256 grey levels, as a camera's, so that a seed gives the same bytes on every machine.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage, spatial

from unet_lesson.config import check_count

SMALLEST = 20  # pixels: what is left of an object, if less, is not labelled


def em_like(seed, size=256):
    """A picture like an electron micrograph of brain tissue: cells parted by dark membranes.

    seed: a whole number, 0 or more. size: height and width in pixels, 64 or more.
    Returns the image, float32 (H, W) in [0, 1], and the labels, int32 (H, W): 0 is membrane,
    each cell has a number of its own and is one 4-connected piece; no two cells touch.
    Mitochondria and vesicles are as dark as membrane but part of their cell, so that no
    threshold finds the membranes alone.
    Raises TypeError or ValueError for a seed or a size that is not allowed.
    """
    rng, size = _start(seed, size)
    labels = _tissue(rng, size)
    inside = ndimage.distance_transform_edt(labels)  # pixels to the nearest membrane
    cells = rng.normal(0.64, 0.04, labels.max() + 1)[labels]
    image = ndimage.gaussian_filter(cells, 2) + _granules(rng, size)

    fade = np.clip(0.9 + 0.3 * _hills(rng, size, 22), 0.4, 1)  # some membranes are cut aslant
    dark = fade * ndimage.gaussian_filter(1.0 * (labels == 0), 0.9)
    dark = np.maximum(dark, _mitochondria(rng, inside))
    dark = np.maximum(dark, _vesicles(rng, inside))
    image -= 0.42 * dark

    image *= 1 + 0.05 * _hills(rng, size, 120)  # uneven light
    noise = ndimage.gaussian_filter(rng.normal(size=image.shape), 0.5)
    return _camera(image + 0.1 * noise), labels


def nuclei_like(seed, size=256):
    """A picture like a fluorescence micrograph of cell nuclei: bright, in clusters, touching.

    seed: a whole number, 0 or more. size: height and width in pixels, 64 or more.
    Returns the image, float32 (H, W) in [0, 1], and the labels, int32 (H, W): 0 is background,
    each nucleus has a number of its own and is one 4-connected piece; nuclei that touch share
    a border, with no background between them, and a faint dark seam in the image.
    Raises TypeError or ValueError for a seed or a size that is not allowed.
    """
    rng, size = _start(seed, size)
    labels, depth = _crowd(rng, size)
    brightness = np.exp(rng.normal(-0.8, 0.3, labels.max() + 1))
    brightness[0] = 0  # the background
    chromatin = 1 + 0.08 * _hills(rng, size, 3) + 0.07 * _hills(rng, size, 7)
    dome = np.minimum(1, 0.45 + 2 * depth)  # a nucleus is thinner at its rim
    image = ndimage.gaussian_filter(brightness[labels] * dome * chromatin, 1.1)

    haze = ndimage.gaussian_filter(image, 14)  # light from above and below the focus
    light = 1 + 0.06 * _hills(rng, size, 150)
    photons = 600 * light * (0.03 + image + 0.12 * haze)
    return _camera(rng.poisson(photons) / 600), labels


# ---- what both share -----------------------------------------------------------------------


def _start(seed, size):
    """The random generator and the size, once both are checked."""
    seed = check_count("seed", seed, least=0)
    size = check_count("size", size, least=64)
    return np.random.Generator(np.random.PCG64(seed)), size


def _camera(image):
    """float64 of any range -> float32 in [0, 1], rounded to 256 grey levels."""
    return (np.rint(255 * np.clip(image, 0, 1)) / 255).astype(np.float32)


def _hills(rng, size, scale):
    """Smooth random hills and valleys `scale` pixels apart, about -1 to 1: (size, size)."""
    coarse = rng.normal(size=(size // scale + 4,) * 2)
    steps = 1 + np.arange(size) / scale
    return 1.3 * ndimage.map_coordinates(coarse, np.meshgrid(steps, steps, indexing="ij"))


def _whole_objects(labels):
    """Of every object its largest 4-connected piece, numbered 1, 2, ...; specks become 0."""
    whole, number = np.zeros(labels.shape, np.int32), 0
    for old, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None:  # no pixel has this number
            continue
        pieces, _ = ndimage.label(labels[box] == old)
        areas = np.bincount(pieces.ravel())[1:]
        if areas.max() >= SMALLEST:
            number += 1
            whole[box][pieces == areas.argmax() + 1] = number
    return whole


class Blob(NamedTuple):
    """A wobbly ellipse: centre and half-axes in pixels, angle in radians."""

    y: float
    x: float
    long: float
    short: float
    angle: float
    waves: np.ndarray  # (3, 2): amplitude and phase of 2, 3 and 4 waves around the outline


def _blob(rng, y, x, long, short):
    """A Blob at an angle and with an outline of its own."""
    waves = np.stack([rng.normal(0, (0.05, 0.04, 0.02)), rng.uniform(0, 2 * np.pi, 3)], axis=1)
    return Blob(y, x, long, short, rng.uniform(0, np.pi), waves)


def _depth(blob, y, x):
    """How deep (y, x) lies in the blob: 1 at its centre, 0 on its outline, negative outside."""
    y, x = y - blob.y, x - blob.x
    along = (x * np.cos(blob.angle) + y * np.sin(blob.angle)) / blob.long
    across = (y * np.cos(blob.angle) - x * np.sin(blob.angle)) / blob.short
    turn = np.arctan2(across, along)
    outline = 1 + sum(a * np.cos(k * turn + phase) for k, (a, phase) in enumerate(blob.waves, 2))
    return 1 - np.hypot(along, across) / outline


def _window(blob, size):
    """The rows and columns, as slices, that the blob can reach."""
    reach = 1.5 * blob.long
    start = np.clip([blob.y - reach, blob.x - reach], 0, size).astype(int)
    stop = np.clip([blob.y + reach, blob.x + reach], 0, size).astype(int)
    return slice(start[0], stop[0]), slice(start[1], stop[1])


# ---- electron microscopy -------------------------------------------------------------------


def _tissue(rng, size):
    """Instance labels (size, size) of a warped Voronoi diagram with membranes of varying width."""
    warp = [4 * _hills(rng, size, 24) for _ in "yx"]
    points = np.moveaxis(np.indices((size, size)) + warp, 0, -1)  # (size, size, 2)
    centres = _two_densities(rng, size)
    distance, nearest = spatial.cKDTree(centres).query(points, k=2)  # the two nearest centres
    apart = np.linalg.norm(centres[nearest[..., 0]] - centres[nearest[..., 1]], axis=-1)
    # pixels to the line halfway between the two: the border of their cells
    to_border = (distance[..., 1] ** 2 - distance[..., 0] ** 2) / (2 * apart)
    half_width = np.clip(2 + 0.7 * _hills(rng, size, 25), 1.3, 3.5)
    cells = nearest[..., 0] + 1
    meet = ndimage.morphological_gradient(cells, size=3) > 0  # another cell is next to the pixel
    return _whole_objects(np.where((to_border < half_width) | meet, 0, cells))


def _two_densities(rng, size):
    """Cell centres (cells, 2): far apart here, close together there, beyond the edges too."""
    crowded = _hills(rng, size, 70)
    centres = []
    for spacing, wanted in ((48, False), (25, True)):
        grid = np.mgrid[-48 : size + 48 : spacing, -48 : size + 48 : spacing].reshape(2, -1).T
        points = grid + rng.uniform(-0.42, 0.42, grid.shape) * spacing
        row, column = np.clip(points, 0, size - 1).astype(int).T
        centres.append(points[(crowded[row, column] > 0.2) == wanted])
    return np.concatenate(centres)


def _granules(rng, size):
    """The grain of cytoplasm: fine and coarse."""
    fine = ndimage.gaussian_filter(rng.normal(size=(size, size)), 1.2)
    return 0.22 * fine + 0.035 * _hills(rng, size, 7)


def _mitochondria(rng, inside):
    """Darkness 0 to 1 of long bodies with a rim and folds, wherever a cell has room for them."""
    size = len(inside)
    dark = np.zeros_like(inside)
    for y, x in rng.uniform(0, size, (size * size // 400, 2)):
        blob = _blob(rng, y, x, rng.uniform(9, 18), rng.uniform(6, 9))
        box = _window(blob, size)
        if inside[int(y), int(x)] < 7 or dark[box].any():
            continue  # too near a membrane, or another one is close
        rows, columns = np.ogrid[box]
        depth = np.minimum(_depth(blob, rows, columns), (inside[box] - 2) / 6)
        folds = np.sin(1.6 * (columns * np.cos(blob.angle) + rows * np.sin(blob.angle)))
        body = np.where(depth < 0.25, 1.0, 0.65 + 0.25 * folds)
        dark[box] = np.where(depth > 0, body, 0)
    return ndimage.gaussian_filter(dark, 0.8)


def _vesicles(rng, inside):
    """Darkness 0 to 1 of small dots that gather in some places, clear of the membranes."""
    size = len(inside)
    where = rng.integers(0, size, (2, size * size // 60))
    gather = _hills(rng, size, 35)[tuple(where)] > 0.6
    row, column = where[:, gather & (inside[tuple(where)] > 3.5)]
    dots = np.zeros_like(inside)
    dots[row, column] = 1
    return np.minimum(1, 12 * ndimage.gaussian_filter(dots, 1.4))


# ---- fluorescence --------------------------------------------------------------------------


def _crowd(rng, size):
    """Labels (size, size) of nuclei, alone and in clusters, and each pixel's depth in its own."""
    labels, depth = np.zeros((size, size), np.int32), np.zeros((size, size))
    placed = []
    for _ in range(size * size // 1300):
        if placed and rng.random() < 0.41:
            blob, margin, allowed = _neighbour(rng, placed[rng.integers(len(placed))]), 0, 0.12
        else:
            blob, margin, allowed = _nucleus(rng, *rng.uniform(-8, size + 8, 2)), 0.35, 0
        box = _window(blob, size)
        new = _depth(blob, *np.ogrid[box])
        area = (new > 0).sum()  # of it in the picture
        overlap = ((new > -margin) & (labels[box] > 0)).sum()
        if area and overlap <= allowed * area:
            placed.append(blob)
            on_top = new > depth[box]  # where two overlap, the border is where both are as deep
            labels[box][on_top] = len(placed)
            depth[box][on_top] = new[on_top]
    labels = _whole_objects(labels)
    return labels, np.where(labels > 0, depth, 0)


def _nucleus(rng, y, x):
    """A Blob as long and as wide as the nuclei of BBBC039, roughly."""
    short = rng.uniform(10, 14)
    return _blob(rng, y, x, short * rng.uniform(1.05, 1.95), short)


def _neighbour(rng, other):
    """A nucleus that touches the `other` one, in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.sin(angle), np.cos(angle)
    blob = _nucleus(rng, 0.0, 0.0)
    there = 1 / (1 - _depth(other, other.y + y, other.x + x))  # pixels from centre to outline
    here = 1 / (1 - _depth(blob, -y, -x))
    apart = 0.93 * (there + here)  # under 1: they overlap a little
    return blob._replace(y=other.y + apart * y, x=other.x + apart * x)
