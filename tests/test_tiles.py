"""Training tiles: what is cut and mirrored, and that a tile depends on its number alone."""

import numpy as np
import pytest
import torch

from unet_lesson import UNetConfig, shapes
from unet_lesson.data import Tiles, border_weights, classes
from unet_lesson.training import crop_target

VALID = UNetConfig(base_channels=2, depth=1, up="transpose")  # takes 16 px: 24 -> 8
PADDED = UNetConfig.padded(base_channels=2, depth=1)


def numbered(height, width):
    """An image in which every pixel has its own value, and labels that say which value it is."""
    labels = 1 + np.arange(height * width).reshape(height, width)
    return labels.astype(np.float32), labels


def test_without_augmentation_a_tile_is_a_piece_of_the_mirrored_image():
    image, labels = numbered(30, 40)
    tiles = Tiles([(image, labels)], VALID, tile=24, per_image=40, augmentation=0, w0=None)
    mirrored = np.pad(image, 8, mode="reflect")  # the margin of 8 on each side
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, (24, 24))
    places = {float(window[12, 12]): window for window in windows.reshape(-1, 24, 24)}
    assert len(places) == 23 * 33
    for x, target, weights in tiles:
        assert x.shape == (1, 24, 24) and target.shape == weights.shape == (24, 24)
        assert np.array_equal(x[0], places[float(x[0, 12, 12])])
        inner = x[0, 8:16, 8:16].numpy().astype(int)  # what the network predicts
        assert np.isin(inner, labels).all() and len(np.unique(inner)) == 64, "never mirrored"


def test_every_place_is_drawn_the_outermost_too():
    image, labels = numbered(10, 11)
    tiles = Tiles([(image, labels)], VALID, tile=24, per_image=300, augmentation=0, w0=None)
    corners = {int(x[0, 8, 8]) for x, _, _ in tiles}
    assert corners == {int(v) for v in labels[:3, :4].ravel()}


@pytest.mark.parametrize("config", [VALID, PADDED])
def test_target_and_weights_belong_to_the_image(config):
    rng = np.random.default_rng(0)
    labels = np.zeros((40, 44), np.int32)
    labels[5:20, 5:20], labels[5:20, 20:33], labels[24:36, 8:30] = 3, 9, 4
    image = (labels + 0.1 * rng.random(labels.shape)).astype(np.float32)
    tiles = Tiles([(image, labels)], config, tile=24, per_image=30, augmentation=0)
    near = border_weights(labels)
    for x, target, weights in tiles:
        inside = shapes.output_size(config, 24, 24)
        cut = (24 - inside[0]) // 2
        found = x[0, cut : 24 - cut, cut : 24 - cut].numpy().astype(int)
        assert np.array_equal(crop_target(target[None], inside)[0] > 0, classes(found) > 0)
        at = [(image == v).nonzero() for v in x[0, cut : 24 - cut, cut : 24 - cut].numpy().ravel()]
        wanted = [near[y[0], z[0]] for y, z in at]
        assert np.array_equal(crop_target(weights[None], inside)[0].numpy().ravel(), wanted)


def test_augmented_tiles_keep_image_and_target_together():
    labels = np.zeros((64, 64), np.int32)
    labels[10:30, 12:40], labels[40:60, 20:50] = 1, 2
    tiles = Tiles([((labels > 0).astype(np.float32), labels)], VALID, tile=40, per_image=20)
    for x, target, _ in tiles:
        bright = (x[0] - x[0].min()) / (x[0].max() - x[0].min()).clamp_min(1e-6) > 0.5
        if target.float().mean() > 0.05:
            assert (bright == (target > 0)).float().mean() > 0.95


def test_a_tile_depends_on_seed_epoch_and_number_alone():
    pairs = [numbered(30, 30), numbered(31, 29)]

    def draw(seed, epoch, number):
        tiles = Tiles(pairs, VALID, tile=24, per_image=3, seed=seed, w0=None)
        tiles.epoch = epoch
        torch.manual_seed(torch.seed() % 2**31)  # whatever the global generator did before
        return tiles[number][0]

    first = draw(1, 2, 3)
    assert torch.equal(first, draw(1, 2, 3))
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 5)):
        assert not torch.equal(first, draw(*other))


def test_a_tile_leaves_torchs_generator_alone():
    tiles = Tiles([numbered(30, 30)], VALID, tile=24, w0=None)
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    tiles[0]
    assert torch.equal(torch.rand(3), wanted)


def test_colour_images_keep_their_channels():
    image, labels = numbered(30, 30)
    tiles = Tiles(
        [(np.stack([image, 2 * image, 3 * image]), labels)], VALID, tile=24, augmentation=0
    )
    x, _, _ = tiles[0]
    assert x.shape == (3, 24, 24) and torch.equal(x[2], 3 * x[0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Tiles([], VALID, tile=24), "no image to cut tiles from"),
        (lambda: Tiles([numbered(30, 30)], VALID, tile=25), "height 25 does not fit: .* 24, 26"),
        (lambda: Tiles([numbered(30, 7)], VALID, tile=24), r"\(30, 7\); a tile of 24 needs 8"),
        (lambda: Tiles([numbered(9, 9)], VALID, tile=24, per_image=0), "per_image must be 1"),
        (
            lambda: Tiles([(np.zeros((9, 8), np.float32), np.zeros((8, 9), int))], VALID, tile=24),
            r"image 0 is \(1, 9, 8\), its labels are \(8, 9\)",
        ),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()
