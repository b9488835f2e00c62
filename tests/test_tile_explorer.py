"""TileExplorer's tables against the real network and brute force; its three faces; refusals."""

import struct

import numpy as np
import pytest
import torch
from traitlets import TraitError

from unet_lesson import UNet, UNetConfig, shapes
from unet_lesson.widgets import TileExplorer
from unet_lesson.widgets import tile_explorer as module

WIDGET = "application/vnd.jupyter.widget-view+json"
IMAGE = np.add.outer(np.arange(150) % 50, np.arange(210) % 70) / 120


def reads(unet, side, at):
    """First and last input row that the output row `at` of a tile depends on, by the gradient."""
    image = torch.rand(1, 1, side, side, requires_grad=True)
    (gradient,) = torch.autograd.grad(unet(image)[0, 0, at].sum(), image)
    rows = gradient[0, 0].abs().sum(1).nonzero().flatten()
    return rows[0].item(), rows[-1].item()


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_every_plan_covers_the_image_once(depth, padding):
    table = module.tile_table(module.configuration(depth, padding), *IMAGE.shape)
    for tile in table["legal"]:
        answer = table["answers"][tile]
        written = np.zeros(IMAGE.shape, int)
        first, last_row, last_column = table["read"]
        for top, bottom, start, stop, above, below in answer["down"]:
            assert (above, below) == (max(-top, 0), max(bottom - 150, 0))
            assert first <= top < bottom <= last_row
            for left, right, begin, end, before, behind in answer["across"]:
                written[start:stop, begin:end] += 1
                assert (before, behind) == (max(-left, 0), max(right - 210, 0))
                assert first <= left < right <= last_column
        assert (written == 1).all()
    assert sorted(table["legal"]) == table["legal"] and table["waste"][-1] == 0


def test_a_tile_reads_all_that_its_output_depends_on():
    torch.manual_seed(0)
    unet = UNet(UNetConfig(base_channels=2, depth=2, up="transpose", batch_norm=False)).eval()
    explorer = TileExplorer(IMAGE, tile=92, depth=2, column=1)
    top, bottom, start, stop, *_ = explorer.place[0]
    assert (top, bottom, start, stop) == (-20, 72, 0, 52)
    first, _ = reads(unet, 92, start - top - 20)
    _, last = reads(unet, 92, stop - 1 - top - 20)
    assert (first, last) == (0, 91)


@pytest.mark.parametrize("padding", [0, 1])
def test_the_work_is_that_of_the_real_network(padding):
    """Counted by torch on the meta device: all tiles against the whole image at once."""
    from torch.utils.flop_counter import FlopCounterMode

    config = module.configuration(3, padding)
    with torch.device("meta"):
        unet = UNet(config).eval()

    def work(height, width):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            unet(torch.empty(1, 1, height, width, device="meta"))
        return counter.get_total_flops()

    table = module.tile_table(config, *IMAGE.shape)
    wholes = [shapes.nearest_legal(config, n + 88 * (not padding))[1] for n in IMAGE.shape]
    for tile, waste, endless in zip(
        *(table[k] for k in ("legal", "waste", "endless")), strict=True
    ):
        answer = table["answers"][tile]
        count = len(answer["down"]) * len(answer["across"])
        total = count * work(*(min(tile, whole) for whole in wholes))
        assert waste == pytest.approx(1 - work(*wholes) / total)
        step = tile - 96 if padding else (tile - 88) // 8 * 8
        huge = 24_000 if padding else 24_004
        exact = 1 - step**2 * work(huge, huge) / huge**2 / work(tile, tile)
        assert endless == pytest.approx(exact, abs=0.01)


def test_the_sentence():
    explorer = TileExplorer(IMAGE, tile=204, row=4, column=99)
    assert explorer.facts() == (
        "150 x 210 image, valid, depth 4: Input tile 204 x 204, output 20 x 20, laid every 16 "
        "pixels: 10 x 13 tiles. 95% of the work is overlap. The joined map of level 1, "
        "128 x 24 x 24, takes 0.3 MiB. Tile (4, 12) reads rows -28 to 175 and columns 100 "
        "to 303, mirrored: 28 above, 26 below, 94 on the right. It writes rows "
        "64 to 79 and columns 192 to 209."
    )
    explorer.padding, explorer.tile = 1, 224
    assert explorer.facts() == (
        "150 x 210 image, padded, depth 4: Input tile 160 x 224: one tile covers the image. "
        "0% of the work is overlap. The joined map of level 1, 128 x 160 x 224, takes 17.5 MiB. "
        "Tile (0, 0) reads rows 0 to 159 and columns 0 to 223, mirrored: 10 below, "
        "14 on the right. It writes rows 0 to 149 and columns 0 to 209."
    )
    explorer.depth, explorer.tile = 2, 52
    assert "halo 24 cut off at inner sides, laid every 4 pixels" in explorer.facts()


def test_the_joined_map_is_the_networks():
    config = UNetConfig.paper(depth=3, base_channels=64)
    with torch.device("meta"):
        unet = UNet(config)
    seen = []
    unet.expansive.blocks[-1].conv.register_forward_pre_hook(lambda _, x: seen.append(x[0].shape))
    unet(torch.empty(1, 1, 156, 156, device="meta"))
    assert (
        "The joined map of level 1, {} x {} x {},".format(*seen[0][1:])
        in TileExplorer(IMAGE, tile=156, depth=3).facts()
    )


def test_what_does_not_fit_is_refused_in_words_with_the_nearest():
    explorer = TileExplorer(IMAGE, tile=253)
    assert "tile 253 does not fit: at level 1 the map is 249 wide" in explorer.facts()
    assert explorer.answer["near"] == [252, 268]
    explorer.padding, explorer.tile = 1, 64
    assert "tile 64 is too small" in explorer.facts()
    assert explorer.answer["near"] == [208]
    for tile in (0, -5, 100_000):
        explorer.tile = tile
        assert explorer.answer["problem"] == "The explorer takes tiles of 208 to 224 pixels."
        assert explorer.answer["near"] == [208, 224]


def test_the_table_follows_the_network_and_the_view_the_last_tile():
    explorer = TileExplorer(IMAGE, tile=60, depth=2, row=3, column=5)
    assert explorer.place[0][2] == 3 * 20
    explorer.depth = 1
    assert explorer.table == module.tile_table(module.configuration(1, 0), *IMAGE.shape)
    explorer.tile = 200
    assert explorer.place == (explorer.answer["down"][-1], explorer.answer["across"][-1])


def test_the_picture_that_is_sent_is_the_mirrored_image():
    explorer = TileExplorer(IMAGE)
    before, behind, step = explorer.seen
    wide = np.pad(IMAGE.astype(np.float32), (before, behind), mode="reflect")[::step, ::step]
    sent = np.frombuffer(explorer.grey, np.uint8).reshape(wide.shape) / 255
    low, high = np.percentile(IMAGE, (1, 99.9))
    assert np.abs(sent - ((wide - low) / (high - low)).clip(0, 1)).max() < 0.003
    assert (before, step) == (92, 2)


@pytest.mark.parametrize("settings", [{}, {"tile": 253}, {"padding": 1, "tile": 224}])
def test_three_faces(settings):
    explorer = TileExplorer(IMAGE, **settings)
    data, _ = explorer._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png", WIDGET}
    assert data["text/plain"] == repr(explorer) == explorer.facts()
    png = data["image/png"]
    assert png.startswith(b"\x89PNG") and len(png) < 150_000
    assert struct.unpack(">II", png[16:24]) == (800, 460)
    assert png == explorer._repr_mimebundle_()[0]["image/png"]


def test_without_an_image_it_draws_one():
    assert TileExplorer().size == [512, 512]


@pytest.mark.parametrize("wrong", [{"depth": 0}, {"depth": 5}, {"padding": 2}, {"row": -1}])
def test_a_number_out_of_range_is_refused(wrong):
    with pytest.raises(TraitError, match=next(iter(wrong))):
        TileExplorer(IMAGE, **wrong)


@pytest.mark.parametrize("shape", [(63, 100), (3, 100, 100), (100,)])
def test_an_image_that_does_not_fit_is_refused(shape):
    with pytest.raises(ValueError, match=r"image must be \(H, W\) of at least 64 x 64"):
        TileExplorer(np.zeros(shape))
