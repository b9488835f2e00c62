"""Two classes and the weight map, against brute force and cases worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt
from skimage.measure import label as connected

from unet_lesson.data.weights import border_weights, classes


def discs(height, width, count, seed, spread=14):
    """Instance labels (H, W): discs of 3 to `spread` px radius, later ones over earlier ones."""
    rng = np.random.default_rng(seed)
    rows, columns = np.ogrid[:height, :width]
    labels = np.zeros((height, width), np.int32)
    for number in rng.permutation(10 * count)[:count] + 1:  # with gaps, in no order
        row, column, radius = rng.integers((0, 0, 3), (height, width, spread))
        labels[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = number
    return labels


def ridge_by_hand(labels):
    """Look at each pixel's four neighbours, one by one."""
    out = np.zeros(labels.shape, int)
    for (y, x), own in np.ndenumerate(labels):
        near = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        near = [
            labels[p] for p in near if 0 <= min(p) and p[0] < len(labels) and p[1] < labels[0].size
        ]
        out[y, x] = own > 0 and all(other in (0, own) for other in near)
    return out


def naive_weights(labels, w0, sigma):
    """Equation 2 word for word: a distance map of the whole image for each object."""
    inside = ridge_by_hand(labels) == 1
    numbers = np.setdiff1d(labels[inside], 0)
    share = inside.mean()
    balance = np.where(inside, 0.5 / share, 0.5 / (1 - share)) if 0 < share < 1 else 1.0
    if len(numbers) < 2:
        return np.broadcast_to(balance, labels.shape)
    distances = [distance_transform_edt(~(inside & (labels == number))) for number in numbers]
    d1, d2 = np.sort(distances, axis=0)[:2]
    return balance + ~inside * w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))


small_labels = arrays(
    st.sampled_from([np.uint8, np.int32, np.int64]),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.sampled_from([0, 0, 1, 2, 100]),
)


@given(small_labels)
@settings(deadline=None)
def test_classes_against_looking_at_every_neighbour(labels):
    out = classes(labels)
    assert out.dtype == np.int64
    np.testing.assert_array_equal(out, ridge_by_hand(labels))


@given(small_labels)
@settings(deadline=None)
def test_no_connected_piece_joins_two_objects(labels):
    pieces = connected(classes(labels), connectivity=1)
    for piece in range(1, pieces.max() + 1):
        assert len(np.unique(labels[pieces == piece])) == 1


def test_the_ridge_is_two_pixels_wide():
    line = np.array([[4, 4, 4, 9, 9, 9, 0, 4]])
    np.testing.assert_array_equal(classes(line), [[1, 1, 0, 0, 1, 1, 0, 1]])
    corner = np.array([[1, 0], [0, 2]])  # a corner is no 4-neighbour: nothing is given up
    np.testing.assert_array_equal(classes(corner), [[1, 0], [0, 1]])


@given(small_labels, st.sampled_from([0.0, 1e-9, 3.0, 10.0, 1000.0]), st.floats(0.3, 9))
@settings(deadline=None, max_examples=60)
def test_weights_of_small_images_against_equation_2(labels, w0, sigma):
    out = border_weights(labels, w0, sigma)
    np.testing.assert_allclose(out, naive_weights(labels, w0, sigma), rtol=2e-7)


@pytest.mark.parametrize(
    ("w0", "sigma", "seed"), [(10.0, 5.0, 0), (10.0, 5.0, 1), (1e4, 1.5, 2), (3, 12, 3)]
)
def test_weights_of_a_field_of_discs_against_equation_2(w0, sigma, seed):
    labels = discs(150, 210, 25, seed)
    out = border_weights(labels, w0, sigma)
    assert out.dtype == np.float32 and out.shape == labels.shape
    np.testing.assert_allclose(out, naive_weights(labels, w0, sigma), rtol=2e-7)


@pytest.mark.parametrize(("distance", "term"), [(1, "9.23"), (5, "1.35"), (10, "0.003")])
def test_the_border_terms_worked_out_by_hand(distance, term):
    """10 exp(-4 / 50), 10 exp(-100 / 50), 10 exp(-400 / 50), midway between two bars."""
    labels = np.zeros((7, 2 * distance + 5), int)
    labels[:, :3], labels[:, -3:] = 1, 2
    background = 7 * (2 * distance - 1)
    term_here = border_weights(labels)[3, distance + 2] - labels.size / (2 * background)
    assert f"{term_here:.{len(term) - 2}f}" == term


def test_the_ridge_bears_the_border_term_and_objects_do_not():
    labels = np.repeat([[1, 1, 1, 2, 2, 2]], 4, axis=0)
    balance = 24 / (2 * 8), 24 / (2 * 16)  # 8 ridge pixels, 16 inside
    ridge = balance[0] + 10 * np.exp(-9 / 50)  # d1 = 1, d2 = 2
    expected = [balance[1], balance[1], ridge, ridge, balance[1], balance[1]]
    np.testing.assert_allclose(border_weights(labels), [expected] * 4, rtol=1e-6)


def test_class_balance():
    half = np.repeat([[1, 0]], 6, axis=0)
    np.testing.assert_array_equal(border_weights(half), 1)
    tenth = np.zeros((10, 10), int)
    tenth[3, :] = 7
    out = border_weights(tenth)
    np.testing.assert_allclose([out[3, 0], out[0, 0]], [5, 100 / 180], rtol=1e-6)
    np.testing.assert_allclose(out[tenth == 7].sum(), out[tenth == 0].sum(), rtol=1e-6)


@pytest.mark.parametrize("labels", [np.zeros((5, 8), int), np.full((5, 8), 3)])
def test_one_class_weighs_one(labels):
    np.testing.assert_array_equal(border_weights(labels), 1)


def test_the_labels_stay_as_they_were_and_may_be_read_only_or_strided():
    labels = discs(60, 80, 8, 5)
    before = labels.copy()
    labels.flags.writeable = False
    whole = border_weights(labels)
    np.testing.assert_array_equal(labels, before)
    np.testing.assert_array_equal(border_weights(labels.T).T, whole)


@pytest.mark.parametrize("function", [classes, border_weights])
@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        (np.zeros((2, 3)), TypeError, "labels must be integers, one per object, not float64"),
        (np.zeros((2, 3), bool), TypeError, "not bool; skimage.measure.label numbers"),
        (None, TypeError, "not object"),
        (np.zeros((1, 2, 3), int), ValueError, "must be (H, W) with a pixel at least, not (1, 2"),
        (np.zeros((0, 3), int), ValueError, "not (0, 3)"),
        (np.array([[0, -2]]), ValueError, "labels must be 0 (background) or more, not -2"),
    ],
)  # fmt: skip
def test_labels_that_are_refused(refused, function, labels, error, words):
    refused(lambda: function(labels), error, words)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"w0": -1}, ValueError, "w0 must be 0 or more, not -1; the nearest is 0"),
        ({"sigma": 0}, ValueError, "sigma must be more than 0 pixels, not 0; the paper takes 5"),
        ({"sigma": -5.0}, ValueError, "sigma must be more than 0 pixels, not -5.0"),
        ({"w0": float("inf")}, ValueError, "w0 must be finite, not inf"),
        ({"sigma": float("nan")}, ValueError, "sigma must be finite, not nan"),
        ({"w0": "10"}, TypeError, "w0 must be a number, not '10' (str)"),
        ({"sigma": True}, TypeError, "sigma must be a number, not True (bool)"),
    ],
)
def test_settings_that_are_refused(refused, settings, error, words):
    refused(lambda: border_weights(np.eye(3, dtype=int), **settings), error, words)
