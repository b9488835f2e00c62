"""The explorers of the weight map and of the augmentation: numbers, faces, what they refuse."""

import struct
from math import exp

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from traitlets import TraitError

from unet_lesson.data.augment import augment
from unet_lesson.widgets import AugmentationExplorer, WeightMapExplorer

WIDGET = "application/vnd.jupyter.widget-view+json"


def bars():
    """Three upright bars in 40 x 50 pixels, with gaps of 1 px and 9 px: d1 = d2 = 1, and 5."""
    labels = np.zeros((40, 50), np.int32)
    labels[:, 6:16], labels[:, 17:26], labels[:, 35:44] = 4, 9, 2
    return np.where(labels, 0.5 + labels / 20, 0.1), labels


def discs():
    """Touching and lone discs in 50 x 60 pixels."""
    rows, columns = np.ogrid[:50, :60]
    labels = np.zeros((50, 60), np.int32)
    for number, (y, x, radius) in enumerate(
        [(14, 14, 10), (20, 32, 9), (40, 45, 9), (44, 8, 7)], 1
    ):
        labels[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = number
    return np.random.default_rng(0).normal(0.2 + 0.6 * (labels > 0), 0.05), labels


@pytest.fixture(scope="module")
def weight_map():
    return WeightMapExplorer(*discs())


@pytest.fixture(scope="module")
def augmentation():
    return AugmentationExplorer(*discs())


def outline(labels):
    """Pixels of an object with a 4-neighbour elsewhere, by hand."""
    padded = np.pad(labels, 1, mode="edge")
    near = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
    return (labels > 0) & np.any([other != labels for other in near], axis=0)


def oracle(labels):
    """class balance, d1 + d2 and what is background, from a distance map for each object."""
    padded = np.pad(labels, 1, mode="edge")
    near = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
    ridge = np.any([(other != labels) & (other > 0) for other in near], axis=0)
    inside = (labels > 0) & ~ridge
    apart = [distance_transform_edt(~(inside & (labels == n))) for n in np.setdiff1d(labels, 0)]
    balance = np.where(inside, 0.5 / inside.mean(), 0.5 / (1 - inside.mean()))
    return balance, np.sort(apart, axis=0)[:2].sum(axis=0), inside


# ---- WeightMapExplorer -----------------------------------------------------------------------


def test_every_map_that_the_browser_gets_is_equation_2(weight_map):
    _, labels = discs()
    balance, apart, inside = oracle(labels)
    maps = np.frombuffer(weight_map.maps, np.uint8).reshape(21, 10, *labels.shape)
    assert weight_map.size == list(labels.shape) and len(weight_map.table) == 210
    for w0 in range(21):
        for sigma in range(1, 11):
            weights = balance + ~inside * w0 * np.exp(-(apart**2) / (2 * sigma**2))
            sent = maps[w0, sigma - 1] / 255 * weight_map.top
            assert np.abs(sent - weights).max() <= weight_map.top / 255 * 0.501
            numbers = weight_map.table[f"{w0} {sigma}"]
            ends = numbers["low"], numbers["high"]
            assert ends == pytest.approx((weights.min(), weights.max()), rel=1e-6)
    assert weight_map.top == pytest.approx(weights.max())  # of the last, w0 20 and sigma 10


def test_the_four_points_are_what_they_are_called(weight_map):
    _, labels = discs()
    balance, apart, inside = oracle(labels)
    middle = np.zeros(labels.shape, bool)
    middle[4:-4, 4:-4] = True
    points = {letter: (y, x, d) for letter, _, y, x, d in weight_map.points}
    outside = middle & ~inside
    assert [*points] == list("ABCD")
    assert points["A"][2] == apart[points["A"][:2]] == apart[outside].min()
    assert points["C"][2] == apart[points["C"][:2]] == apart[outside].max()
    assert points["B"][2] == apart[points["B"][:2]] == pytest.approx(10, abs=2)
    depth = distance_transform_edt(inside)
    assert depth[points["D"][:2]] == depth[middle].max() and points["D"][2] is None
    for setting in ("10 5", "3 8", "0 1"):
        w0, sigma = map(int, setting.split())
        for (y, x, d), numbers in zip(
            points.values(), weight_map.table[setting]["points"], strict=True
        ):
            border = w0 * exp(-(d**2) / (2 * sigma**2)) if d else 0
            assert numbers == pytest.approx([balance[y, x], border, balance[y, x] + border])


def test_the_hand_cases_of_the_paper_are_points_a_and_b():
    explorer = WeightMapExplorer(*bars())
    assert [d for *_, d in explorer.points][:2] == [2, 10]
    (_, a, _), (_, b, _), *_ = explorer.answer["points"]
    assert (f"{a:.2f}", f"{b:.2f}") == ("9.23", "1.35")
    assert explorer.answer["curve"][:21:10] == pytest.approx([10, 1.3534, 0.0034], abs=1e-4)
    explorer.w0, explorer.sigma = 20, 1
    assert explorer.answer["curve"][:3] == pytest.approx([20, 12.1306, 2.7067], abs=1e-4)
    balance = 2000 / (2 * 880)  # 22 of 50 columns are background
    assert f"A between two objects (d1 + d2 = 2.0 px) {balance + 2.7067:.2f}" in explorer.facts()
    assert explorer.facts().startswith("w0 20, sigma 1 px: weights from 0.89 to ")


def test_the_objects_are_drawn_in_grey_with_their_outlines(weight_map):
    image, labels = discs()
    sent = np.frombuffer(weight_map.picture_bytes, np.uint8).reshape(labels.shape)
    np.testing.assert_array_equal(sent == 255, outline(labels))
    low, high = np.percentile(image, (1, 99.9))
    grey = np.clip((image - low) / (high - low), 0, 1) * 254
    np.testing.assert_allclose(sent[sent < 255], grey[sent < 255], atol=0.5)


# ---- AugmentationExplorer --------------------------------------------------------------------


def by_hand(draw, percent, weights):
    """augment itself, seeded: new image, new labels and `weights` moved along."""
    image, labels = (torch.from_numpy(x) for x in discs())
    torch.manual_seed(draw)
    out = augment(image[None], labels, torch.tensor(weights.copy()).float(), percent / 100)
    return out[0][0].numpy(), out[1].numpy(), out[2].numpy()


@pytest.mark.parametrize("draw", range(1, 7))
def test_every_picture_that_the_browser_gets_is_what_augment_makes(augmentation, draw):
    image, labels = discs()
    low, high = np.percentile(image, (1, 99.9))
    sent = np.frombuffer(augmentation.after, np.uint8).reshape(6, 21, *labels.shape)
    for percent in (0, 10, 100, 200):
        new, new_labels, _ = by_hand(draw, percent, image)
        picture = sent[draw - 1, percent // 10]
        edge = outline(new_labels)
        np.testing.assert_array_equal(picture == 255, edge)
        grey = np.clip((new - low) / (high - low), 0, 1) * 254
        np.testing.assert_allclose(picture[~edge], grey[~edge], atol=0.5)


@pytest.mark.parametrize("draw", range(1, 7))
def test_the_lines_say_what_happened(augmentation, draw):
    image, labels = discs()
    rows, columns = (np.broadcast_to(axis, labels.shape) for axis in np.ogrid[:50, :60])
    start, here = ([by_hand(draw, p, axis)[2] for axis in (rows, columns)] for p in (1e-4, 100))
    moved = np.hypot(here[0] - start[0], here[1] - start[1])
    first, grey, objects = augmentation.lines[f"{draw} 100"]
    assert first.endswith(
        f"; then deformed, sigma 10 px: pixels moved by {moved.mean():.0f} px on average, "
        f"{moved.max():.0f} at most"
    )
    turned = image[::-1, ::-1] if "180" in first else image  # not square: 0 or 180 degrees
    turned = turned[:, ::-1] if " and mirrored" in first else turned
    np.testing.assert_allclose(by_hand(draw, 1e-4, turned)[0], turned, atol=1e-3)
    new, new_labels, _ = by_hand(draw, 100, image)
    assert grey == (
        f"grey values: mean {image.mean():.2f} -> {new.mean():.2f}, "
        f"spread {image.std():.2f} -> {new.std():.2f}"
    )
    share = [f"{(x > 0).sum() / x.size:.0%}"[:-1] for x in (labels, new_labels)]
    count = len(np.unique(new_labels)) - 1
    assert objects == f"objects: 4 -> {count}, on {share[0]} -> {share[1]} % of the pixels"
    assert augmentation.lines[f"{draw} 0"] == ["strength 0: nothing is changed at all", "", ""]


def test_a_square_is_turned_by_all_four_angles():
    image, labels = (x[:48, :48] for x in discs())
    explorer = AugmentationExplorer(image, labels)
    said = {explorer.lines[f"{draw} 100"][0].split(";")[0] for draw in range(1, 7)}
    assert {"90" in words or "270" in words for words in said} == {True, False}
    assert {"not mirrored" in words for words in said} == {True, False}


def test_the_learners_random_numbers_and_pictures_are_left_alone():
    image, labels = discs()
    torch.manual_seed(123)
    before = image.copy(), labels.copy(), torch.get_rng_state()
    AugmentationExplorer(image, labels)
    assert np.array_equal(before[0], image) and np.array_equal(before[1], labels)
    assert torch.equal(before[2], torch.get_rng_state())


# ---- both ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [WeightMapExplorer, AugmentationExplorer])
def test_three_faces(make):
    explorer = make(*bars())
    data, _ = explorer._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png", WIDGET}
    assert data["text/plain"] == repr(explorer) == explorer.facts()
    png = data["image/png"]
    assert png.startswith(b"\x89PNG") and len(png) < 150_000
    assert struct.unpack(">II", png[16:24]) == (800, 440)
    assert png == explorer._repr_mimebundle_()[0]["image/png"]


IMAGE, LABELS = bars()


@pytest.mark.parametrize("make", [WeightMapExplorer, AugmentationExplorer])
@pytest.mark.parametrize(
    ("image", "labels", "error", "words"),
    [
        (IMAGE, LABELS[:30], ValueError, "image is (40, 50) and labels (30, 50); both must be al"),
        (
            np.zeros((97, 50)),
            np.zeros((97, 50), int),
            ValueError,
            "16 to 96 pixels, not (97, 50); ",
        ),
        (IMAGE[:9], LABELS[:9], ValueError, "the explorer takes sides of 16 to 96 pixels, not (9"),
        (IMAGE, IMAGE, TypeError, "labels must be integers, one per object, not float64"),
        (IMAGE, -LABELS, ValueError, "labels must be 0 (background) or more, not -9"),
    ],
)
def test_pictures_that_are_refused(refused, make, image, labels, error, words):
    refused(lambda: make(image, labels), error, words)


def test_one_object_has_no_border_to_another(refused):
    words = "labels must hold two objects or more"
    refused(lambda: WeightMapExplorer(IMAGE, LABELS // 9), ValueError, words)


@pytest.mark.parametrize(
    ("explorer", "name", "value", "words"),
    [
        ("weight_map", "w0", 21, "w0"),
        ("weight_map", "w0", -1, "w0"),
        ("weight_map", "sigma", 0, "sigma"),
        ("weight_map", "sigma", 2.5, "sigma"),
        ("augmentation", "percent", 210, "percent"),
        ("augmentation", "draw", 0, "draw"),
        ("augmentation", "draw", 7, "draw"),
        ("augmentation", "percent", 44, "a multiple of 10, not 44; the nearest is 40"),
    ],
)
def test_numbers_out_of_range_are_refused(request, explorer, name, value, words):
    with pytest.raises(TraitError, match=words):
        setattr(request.getfixturevalue(explorer), name, value)
