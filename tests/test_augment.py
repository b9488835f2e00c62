"""Joint augmentation, against torch's own grid_sample and against the numbers of the paper."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unet_lesson.data.augment import augment, elastic_displacement

SIDE = 65  # odd, so that the middle of the 3 x 3 grid is a pixel


def coordinates(height, width):
    """Two pictures that tell where a pixel came from: its row and its column."""
    return torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")


def grey_undone(image):
    """Scale and shift back, by two last channels that were 0 and 1: (C + 2, H, W) -> (C, H, W)."""
    black, white = image[-2].mean(), image[-1].mean()
    return (image[:-2] - black) / (white - black)


def moved(seed, height=SIDE, width=SIDE, strength=1.0):
    """Where each pixel came from, as the labels, the weights and the image tell it.

    -> rows and columns (2, H, W) by the labels, rows (H, W) by the weights, both whole numbers,
    and rows and columns (2, H, W) by the image.
    """
    rows, columns = coordinates(height, width)
    image = torch.stack([rows, columns, 0 * rows, 0 * rows + 1]).double()
    torch.manual_seed(seed)
    image, labels, weights = augment(image, rows * width + columns, rows.float(), strength)
    return torch.stack([labels // width, labels % width]), weights, grey_undone(image)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [(65, 65), (40, 71)])
def test_image_labels_and_weights_move_together(seed, size):
    labels, weights, image = moved(seed, *size)
    assert labels.shape[1:] == size
    assert torch.equal(weights, labels[0])
    assert (image - labels).abs().max() < 0.501  # bilinear beside nearest: half a pixel
    assert (labels[0] - labels[0, 0, 0]).abs().max() > size[0] / 2


@pytest.mark.parametrize("seed", range(4))
def test_the_values_are_those_of_grid_sample(seed):
    """torch's grid_sample, given where the pixels came from, makes the same pictures."""
    _, _, source = moved(seed)
    noise = torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)).double()
    numbers = (1000 * noise[0]).int()
    constant = torch.stack([0 * noise[0], 0 * noise[0] + 1])
    torch.manual_seed(seed)
    image, labels, weights = augment(torch.cat([noise, constant]), numbers, noise[1])
    grid = (2 * source.flip(0) / (SIDE - 1) - 1).permute(1, 2, 0)[None]  # (1, H, W, 2)
    sampled = F.grid_sample(noise[None], grid, mode="bilinear", align_corners=True)[0]
    torch.testing.assert_close(grey_undone(image), sampled, atol=1e-4, rtol=0)
    both = torch.stack([numbers, noise[1]])[None]
    nearest = F.grid_sample(both, grid, mode="nearest", align_corners=True)[0]
    assert (labels == nearest[0]).double().mean() > 0.999  # the rest: halfway between two pixels
    assert (weights == nearest[1]).double().mean() > 0.999


def test_the_middle_of_an_object_stays_bright():
    """An image made from the labels still matches them, but for the pixels at the outline."""
    rows, columns = coordinates(96, 96)
    labels = ((rows // 24) * 4 + columns // 24) * ((rows % 24 > 5) & (columns % 24 > 5))
    for seed in range(5):
        torch.manual_seed(seed)
        image, moved_labels, _ = augment((labels > 0)[None].float(), labels, labels / 7.0)
        bright = image[0] > (image.min() + image.max()) / 2
        assert (bright == (moved_labels > 0)).float().mean() > 0.99


def test_what_comes_from_beyond_the_edge_is_mirrored():
    for seed in range(5):
        source = moved(seed)[2]
        assert -1e-3 < source.min() and source.max() < SIDE - 1 + 1e-3
    torch.manual_seed(0)
    ones = torch.ones(40, 40)
    assert augment(ones[None], ones.int(), ones, strength=5)[2].min() == 1  # no hole anywhere


@pytest.mark.parametrize("kind", [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8])
@pytest.mark.parametrize("real", [torch.float32, torch.float64])
def test_kinds_and_values_stay(kind, real):
    labels = torch.randint(0, 100, (50, 50), dtype=kind)
    weights = torch.rand(50, 50, dtype=real)
    image, moved_labels, moved_weights = augment(weights[None], labels, weights)
    assert [x.dtype for x in (image, moved_labels, moved_weights)] == [real, kind, real]
    assert {type(x) for x in (image, moved_labels, moved_weights)} == {torch.Tensor}
    assert set(moved_labels.unique().tolist()) <= set(labels.unique().tolist())
    assert set(moved_weights.unique().tolist()) <= set(weights.unique().tolist())


def test_large_labels_stay_exact():
    labels = torch.arange(2**24 - 1599, 2**24 + 1).view(40, 40)
    moved_labels = augment(torch.rand(1, 40, 40), labels, torch.rand(40, 40))[1]
    assert set(moved_labels.unique().tolist()) <= set(labels.unique().tolist())


def test_every_turn_and_mirror_image_occurs_equally_often():
    rows, columns = coordinates(5, 5)
    labels = rows * 5 + columns
    torch.manual_seed(0)
    seen = {}
    for _ in range(400):
        out = augment(torch.rand(1, 5, 5), labels, rows.float(), strength=1e-6)[1]
        key = tuple(out.ravel().tolist())
        seen[key] = seen.get(key, 0) + 1
    turned = [labels.rot90(k) for k in range(4)]
    expected = {tuple(t.ravel().tolist()) for x in turned for t in (x, x.T)}
    assert set(seen) == expected and len(expected) == 8
    assert min(seen.values()) > 25  # 50 expected


def test_a_seed_makes_it_reproducible_and_the_inputs_stay():
    inputs = torch.rand(2, 50, 50), torch.randint(9, (50, 50)), torch.rand(50, 50)
    before = [x.clone() for x in inputs]
    runs = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        np.random.seed(0)
        runs.append(augment(*inputs))
    for first, again, other, given, kept in zip(*runs, inputs, before, strict=True):
        assert torch.equal(first, again) and not torch.equal(first, other)
        assert torch.equal(given, kept)


def test_strength_zero_changes_nothing():
    inputs = torch.rand(2, 50, 60), torch.randint(9, (50, 60)), torch.rand(50, 60)
    for seed in range(5):
        torch.manual_seed(seed)
        for given, out in zip(inputs, augment(*inputs, strength=0), strict=True):
            assert torch.equal(given, out)


def test_strength_scales_one_and_the_same_field():
    """Away from the edge, twice the strength moves a pixel twice as far, after the same turn."""
    turned = moved(1, strength=1e-6)[2]
    once, twice = (moved(1, strength=s)[2] - turned for s in (0.2, 0.4))
    middle = slice(20, 45), slice(20, 45)
    torch.testing.assert_close(twice[:, *middle], 2 * once[:, *middle], atol=1e-3, rtol=0)
    assert once[:, *middle].abs().max() > 0.5


def test_the_grey_values_change_by_a_factor_and_a_shift():
    flat = torch.full((1, 30, 30), 0.4)
    half = torch.cat([flat[..., :15] - 0.2, flat[..., 15:] + 0.2], dim=-1)  # 0.2 and 0.6
    shifts, factors = [], []
    for seed in range(300):
        torch.manual_seed(seed)
        image = augment(half, torch.zeros(30, 30).int(), flat[0], strength=1)[0]
        shifts.append((image.min() + image.max()).item() / 2 - 0.4)
        factors.append((image.max() - image.min()).item() / 0.4)
    assert 0.79 < min(factors) < 0.83 and 1.2 < max(factors) < 1.26
    assert max(map(abs, shifts)) < 0.16  # 0.1, and the mean, about which the contrast is scaled


def test_grey_values_beyond_0_and_1_are_kept():
    image = torch.linspace(-0.5, 2, 900).view(1, 30, 30)
    torch.manual_seed(0)
    out = augment(image, torch.zeros(30, 30).int(), image[0])[0]
    assert out.min() < -0.2 and out.max() > 1.5


def test_displacements_have_the_standard_deviation_of_the_paper():
    torch.manual_seed(0)
    fields = torch.stack([elastic_displacement(SIDE, 81) for _ in range(400)])
    assert fields.shape == (400, 2, SIDE, 81)
    points = fields[:, :, :: SIDE // 2, ::40]  # (400, 2, 3, 3): where the coarse grid lies
    assert points.shape[2:] == (3, 3)
    np.testing.assert_allclose(points.std(dim=0), 10, atol=1.3)  # 10 / sqrt(800), 3.6 times
    np.testing.assert_allclose(points.mean(dim=0), 0, atol=1.8)
    correlation = np.corrcoef(points.flatten(1).T)
    assert np.abs(correlation - np.eye(18)).max() < 0.2  # the 18 numbers are drawn independently
    torch.manual_seed(0)
    np.testing.assert_allclose(elastic_displacement(SIDE, 81, 20.0), 2 * fields[0], rtol=1e-6)


def test_between_the_grid_points_the_interpolation_is_bicubic():
    """Halfway, Keys's kernel (a = -0.75) weighs -0.09375, 0.59375, 0.59375, -0.09375."""
    torch.manual_seed(1)
    top = elastic_displacement(SIDE, SIDE)[0, 0]
    p0, p1, p2 = top[0], top[32], top[64]
    by_hand = 0.5 * p0 + 0.59375 * p1 - 0.09375 * p2  # the edge's point counts once more
    np.testing.assert_allclose(top[16], by_hand, rtol=1e-5)


PAIR = torch.zeros(30, 40), torch.zeros(30, 40, dtype=torch.int32)


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"image": PAIR[0]}, ValueError, "image must be (C, H, W), not (30, 40)"),
        ({"labels": PAIR[1][None]}, ValueError, "labels must be (H, W), not (1, 30, 40)"),
        ({"weights": PAIR[0][None]}, ValueError, "weights must be (H, W), not (1, 30, 40)"),
        ({"image": PAIR[1][None]}, TypeError, "image must be one of float32, float64, not torch.i"),
        ({"labels": PAIR[0]}, TypeError, "labels must be one of int64, int32, int16, int8, uint8"),
        ({"labels": PAIR[0] > 0}, TypeError, "not torch.bool"),
        ({"weights": PAIR[0].half()}, TypeError, "weights must be one of float32, float64, not t"),
        ({"image": PAIR[0].numpy()[None]}, TypeError, "image: give a torch.Tensor, not a ndarray"),
        ({"labels": PAIR[1].T}, ValueError, "(1, 30, 40), labels (40, 30) and weights (30, 40)"),
        ({"weights": PAIR[0][:9]}, ValueError, "weights (9, 40) must have the same height and w"),
        ({"labels": PAIR[1] + 2**24 + 1}, ValueError, "16777216 or less, not 16777217"),
        ({"strength": -0.5}, ValueError, "strength must be 0 or more, not -0.5; the nearest is 0"),
        ({"strength": float("nan")}, ValueError, "strength must be 0 or more, not nan"),
        ({"strength": "1"}, TypeError, "strength must be a number, not '1' (str)"),
        ({"strength": True}, TypeError, "strength must be a number, not True (bool)"),
    ],
)
def test_refusals(refused, changed, error, words):
    given = {"image": PAIR[0][None], "labels": PAIR[1], "weights": PAIR[0], "strength": 1.0}
    refused(lambda: augment(**given | changed), error, words)


def test_a_side_of_one_pixel_has_nothing_to_mirror(refused):
    thin = torch.zeros(1, 9)
    refused(lambda: augment(thin[None], thin.int(), thin), ValueError, "2 pixels or more")
