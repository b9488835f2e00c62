"""The synthetic pictures: the same bytes everywhere, sound labels, and as hard as the real thing.

Components, overlaps and thresholds are counted here with scikit-image or one by one.
"""

from functools import cache
from hashlib import sha256

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label

from unet_lesson.data.synthetic import em_like, nuclei_like

both = pytest.mark.parametrize("generator", [em_like, nuclei_like])


@cache
def pictures(generator):
    return [generator(seed) for seed in range({em_like: 20, nuclei_like: 40}[generator])]


def digest(array):
    return sha256(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()[:32]


@pytest.mark.parametrize(
    ("generator", "image", "labels"),
    [
        (em_like, "eb0098c3dc4c472514c90d5e77158c63", "0f1fc715507163224b819e7ae2ed75c6"),
        (nuclei_like, "ef9ea73714ef2ff2fbffd8d1e4b9d2d2", "16233ce8535cc62dfc45268d8ae78464"),
    ],
)
def test_a_seed_gives_the_same_bytes_on_every_machine(generator, image, labels):
    """The digests hold for numpy 2.1 with scipy 1.14 and for numpy 2.4 with scipy 1.17."""
    assert [digest(array) for array in generator(7)] == [image, labels]


@both
def test_seeds_differ_and_nothing_else_matters(generator):
    np.random.seed(1)
    first = generator(3, 64)
    drawn = np.random.rand()
    again = generator(np.int64(3), size=np.uint16(64))
    np.random.seed(1)
    assert drawn == np.random.rand()  # numpy's own generator was left alone
    for one, two, other in zip(first, again, generator(4, 64), strict=True):
        np.testing.assert_array_equal(one, two)
        assert (one != other).mean() > 0.1


@both
@pytest.mark.parametrize("size", [64, 65, 97, 250, 256, 300])
def test_image_and_labels_at_any_size(generator, size):
    image, labels = generator(5, size)
    assert image.shape == labels.shape == (size, size)
    assert (image.dtype, labels.dtype) == (np.float32, np.int32)
    levels = np.rint(image.astype(np.float64) * 255)
    assert 0 <= levels.min() and levels.max() <= 255 and len(np.unique(levels)) > 50
    np.testing.assert_array_equal(image, (levels / 255).astype(np.float32))
    assert np.mean((levels == 0) | (levels == 255)) < 0.02  # hardly anything is clipped


@both
def test_every_object_is_one_piece_and_no_speck(generator):
    small = [generator(seed, size) for seed in range(6) for size in (64, 101)]
    for _, labels in small + pictures(generator):
        numbers, areas = np.unique(labels[labels > 0], return_counts=True)
        assert list(numbers) == list(range(1, len(numbers) + 1)) and len(numbers) >= 1
        assert label(labels, connectivity=1, background=0).max() == len(numbers)
        assert areas.min() >= 20


def test_cells_are_parted_by_membrane_even_diagonally():
    for _, labels in pictures(em_like):
        assert label(labels > 0, connectivity=2).max() == labels.max()
        assert 0.15 < np.mean(labels == 0) < 0.35


def best_threshold_dice(image, mask):
    """Dice of the dark pixels with the mask, at the threshold that suits this image best."""
    darks = [image <= level / np.float32(255) for level in range(256)]
    return max(2 * np.sum(dark & mask) / (dark.sum() + mask.sum()) for dark in darks)


def test_a_threshold_finds_membranes_as_badly_as_in_real_electron_micrographs():
    """0.665 in real ones."""
    scores = [best_threshold_dice(image, labels == 0) for image, labels in pictures(em_like)]
    assert 0.62 < np.mean(scores) < 0.68


def test_mitochondria_and_vesicles_are_as_dark_as_membranes():
    """What is darker than half of the membrane lies deep in a cell for a good part: not noise."""
    shares = []
    for image, labels in pictures(em_like):
        smooth = ndimage.gaussian_filter(image, 1.5)
        dark = smooth < np.median(smooth[labels == 0])
        deep = ndimage.distance_transform_edt(labels) > 4
        shares.append(np.sum(dark & deep) / dark.sum())
    assert 0.15 < np.mean(shares) < 0.5


def test_touching_nuclei_spoil_a_perfect_mask():
    """Object F1 at IoU 0.5 when the components of `labels > 0` are the objects.

    A nucleus lies within one component, so their IoU is the one area by the other.
    """
    scores = []
    for _, labels in pictures(nuclei_like):
        components = label(labels > 0, connectivity=1)
        areas, sizes = np.bincount(labels.flat), np.bincount(components.flat)
        nuclei = range(1, labels.max() + 1)
        around = [components[labels == number][0] for number in nuclei]
        found = sum(areas[nuclei] / sizes[around] > 0.5)
        scores.append(2 * found / (labels.max() + components.max()))
    assert 0.54 < np.mean(scores) < 0.60


def seams(labels):
    """(first, second, mask of the pixels on both sides of their border) of touching objects."""
    grown = [ndimage.binary_dilation(labels == number) for number in range(labels.max() + 1)]
    for first in range(1, labels.max() + 1):
        for second in np.unique(labels[grown[first]]):
            if second > first:
                both_sides = (labels == first) & grown[second] | (labels == second) & grown[first]
                yield first, second, both_sides


def test_touching_nuclei_can_be_told_apart():
    """By a seam darker than both, or by their brightness, in nine of ten; real ones: 0.87."""
    told_apart = []
    for image, labels in pictures(nuclei_like)[:10]:
        for first, second, seam in seams(labels):
            dim, bright = sorted(np.median(image[labels == n]) for n in (first, second))
            told_apart.append(image[seam].mean() < 0.9 * dim or bright > 1.15 * dim)
    assert len(told_apart) > 100 and np.mean(told_apart) > 0.9


@both
@pytest.mark.parametrize(
    ("seed", "size", "error", "words"),
    [
        (-1, 256, ValueError, "seed must be 0 or more, not -1"),
        (1.0, 256, TypeError, r"seed must be a whole number, not 1.0 \(float\)"),
        (True, 256, TypeError, "seed must be a whole number, not True"),
        ("7", 256, TypeError, "seed must be a whole number, not '7'"),
        (None, 256, TypeError, "seed must be a whole number, not None"),
        (0, 63, ValueError, "size must be 64 or more, not 63; the nearest is 64"),
        (0, 0, ValueError, "size must be 64 or more, not 0"),
        (0, 256.0, TypeError, r"size must be a whole number, not 256.0 \(float\)"),
        (0, (256, 256), TypeError, r"size must be a whole number, not \(256, 256\)"),
        (0, False, TypeError, "size must be a whole number, not False"),
    ],
)
def test_refusals(generator, seed, size, error, words):
    with pytest.raises(error, match=words):
        generator(seed, size)
