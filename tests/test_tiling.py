"""Tiles against the whole image at once, and what breaks them, measured.

The oracle pads the image with np.pad, runs the model itself once and cuts the result; tiles laid
by hand (`lay`) are plain loops, so neither shares a line with what is tested.
"""

import ast
import tracemalloc
import warnings
from copy import deepcopy
from itertools import pairwise, product
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from skimage import io, measure
from torch import nn

from unet_lesson import UNet, UNetConfig, shapes, tile_plan, tiling
from unet_lesson.data.images import normalise
from unet_lesson.model import UNetWithoutSkips
from unet_lesson.objective import objects
from unet_lesson.tile_plan import halo, margin, plan_axis, smallest_tile
from unet_lesson.tiling import mirrored, predict

EXACT = [(padding, up) for padding in (0, 1) for up in ("transpose", "nearest")]


def network(up="transpose", padding=0, depth=2, base=3, cls=UNet, **changes):
    """A U-Net in eval mode whose BatchNorm has seen images, with logits of about unit size."""
    torch.manual_seed(depth)
    unet = cls(UNetConfig(base_channels=base, depth=depth, padding=padding, up=up, **changes))
    for module in unet.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all that it saw
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.normal_(module.bias, std=0.2)
    side = shapes.nearest_legal(unet.config, 200)[1]
    x = torch.rand(2, unet.config.in_channels, side, side)
    with torch.no_grad():
        unet(x)
        unet.head.weight /= unet.eval()(x).std()
    return unet


def picture(*shape, seed=0):
    return np.random.default_rng(seed).random(shape)


def lost(unet):
    """Pixels per side, from the real network."""
    side = shapes.smallest_legal(unet.config)
    with torch.no_grad():
        out = deepcopy(unet).eval()(
            torch.zeros(1, unet.config.in_channels, side, side).to(unet.head.weight)
        )
    return (side - out.shape[-1]) // 2


def whole_logits(unet, image):
    """The logits of the whole image at once: (C, H, W) float -> (num_classes, H, W)."""
    rim, (_, height, width) = lost(unet), image.shape
    more = [shapes.nearest_legal(unet.config, n + 2 * rim)[1] - n - rim for n in (height, width)]
    around = ((0, 0), (rim, more[0]), (rim, more[1]))
    x = torch.tensor(np.pad(image, around, mode="reflect"))[None].to(unet.head.weight)
    with torch.no_grad():
        return deepcopy(unet).eval()(x)[0, :, :height, :width]


def whole(unet, image):
    return whole_logits(unet, image).softmax(0).numpy()


def lay(unet, image, tile, step, trim=0):
    """The logits in tiles laid by hand, every `step` pixels; trim: cut from each output side.

    image: (1, H, W) -> (num_classes, H, W). The model runs as it is, in whatever mode.
    """
    _, height, width = image.shape
    rim = lost(unet) + trim
    wide = np.pad(image, ((0, 0), (rim, rim + tile), (rim, rim + tile)), mode="reflect")
    wide = torch.tensor(wide)[None].to(unet.head.weight)
    out = wide.new_empty(unet.config.num_classes, height + tile, width + tile)
    for y in range(0, height, step):
        for x in range(0, width, step):
            with torch.no_grad():
                part = unet(wide[..., y : y + tile, x : x + tile])[0]
            part = part[:, trim : part.shape[1] - trim, trim : part.shape[2] - trim]
            out[:, y : y + part.shape[1], x : x + part.shape[2]] = part
    return out[:, :height, :width]


def gap(a, b):
    """(largest difference relative to b's standard deviation, share of pixels that differ)."""
    off = (a - b).abs().amax(0)
    return (off.max() / b.std()).item(), (off > 1e-6).double().mean().item()


# ---- exact ---------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize(("padding", "up"), EXACT)
def test_tiles_equal_the_whole_image(depth, padding, up):
    unet, step = network(up, padding, depth), 2**depth
    smallest = smallest_tile(unet.config)
    image = picture(smallest // 2 + 3 * step + 1, smallest + 7)
    for dtype, limit in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
        unet.to(dtype)
        expected = whole(unet, image[None])
        for tile in (smallest + step * (depth > 2), None):
            out = np.empty(expected.shape)
            assert predict(unet, image, tile=tile, out=out) is out
            assert abs(out - expected).max() < limit, (dtype, tile)


@pytest.mark.parametrize(("padding", "up"), EXACT)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 3), (5, 1), (16, 16), (57, 22), (64, 131)])
def test_any_size_is_exact(padding, up, size):
    unet = network(up, padding, depth=2)
    image = picture(1, *size)
    for tile in (smallest_tile(unet.config), None):
        result = predict(unet, image, tile=tile)
        assert (result.shape, result.dtype) == ((2, *size), np.float32)
        assert abs(result - whole(unet, image)).max() < 1e-5


@pytest.mark.parametrize("cls", [UNet, UNetWithoutSkips])
def test_other_channels_classes_and_networks(cls):
    unet = network(cls=cls, in_channels=3, num_classes=4, batch_norm=False)
    image = picture(3, 60, 75)
    result = predict(unet, torch.tensor(image, dtype=torch.bfloat16), tile=52, batch_size=3)
    assert result.shape == (4, 60, 75)
    assert abs(result - whole(unet, image)).max() > 1e-4  # bfloat16 rounds the image
    result = predict(unet, torch.tensor(image), tile=52, batch_size=3)
    assert abs(result - whole(unet, image)).max() < 1e-4


def test_outputs_of_388_are_laid_every_384():
    config = UNetConfig.paper()
    plan = plan_axis(config, 900, 572)
    assert [tuple(tile) for tile in plan] == [
        (-92, 480, 0, 384),
        (292, 864, 384, 512),  # the last tile is moved back, by whole blocks of 16
        (420, 992, 512, 900),
    ]
    assert (margin(config), halo(config), tile_plan.tile_step(config, 572)) == (92, 0, 384)


@pytest.mark.parametrize("config", [UNetConfig(depth=2), UNetConfig.padded(depth=2, up="nearest")])
def test_a_plan_covers_the_axis_once_and_keeps_to_the_blocks(config):
    for size in range(1, 150):
        for tile in shapes.legal_sizes(config, smallest_tile(config), 90):
            plan = plan_axis(config, size, tile)
            assert plan[0].start == 0 and plan[-1].stop == size
            assert all(a.stop == b.start for a, b in pairwise(plan))
            for part in plan:
                assert part.start < part.stop
                assert (part.read_start + margin(config)) % 4 == 0  # 2 ** depth
                assert part.read_stop - part.read_start == plan[0].read_stop - plan[0].read_start
                inside = part.read_start + margin(config), part.read_stop - margin(config)
                assert inside[0] <= part.start and min(inside[1], size) >= part.stop
                assert part.start == 0 or part.start - inside[0] >= halo(config)
                assert part.stop == size or inside[1] - part.stop >= halo(config)


# ---- the halo of a padded network ----------------------------------------------------------


@pytest.mark.parametrize(("depth", "expected"), [(1, 8), (2, 24), (3, 48), (4, 96)])
@pytest.mark.parametrize("up", ["transpose", "nearest"])
def test_the_halo_is_the_smallest_that_is_exact(up, depth, expected):
    unet = network(up, 1, depth, base=2).double()
    block = 2**depth
    assert halo(unet.config) == expected
    image = picture(1, block, 6 * expected + 3 * block)
    reference = whole_logits(unet, image)
    start, stop = 2 * expected + block, 2 * expected + 2 * block  # one block in the middle

    def off(cut):
        part = whole_logits(unet, image[..., start - cut : stop + cut])[..., cut : cut + block]
        return (part - reference[..., start:stop]).abs().max().item()

    assert off(expected) < 1e-12
    assert off(expected - block) > 1e-9  # a block less is not enough
    assert off(0) > 0.05


@pytest.mark.parametrize(("depth", "expected"), [(1, 10), (2, 28), (3, 56), (4, 112)])
def test_bilinear_without_aligned_corners_needs_a_wider_halo(depth, expected):
    unet = align_corners(network("bilinear", 1, depth, base=2), False).double()
    block = 2**depth
    assert halo(unet.config) == expected
    image = picture(1, block, 5 * expected)
    start = 2 * expected  # of one block in the middle
    reference = whole_logits(unet, image)[..., start : start + block]
    for cut, exact in ((expected - block, False), (expected, True)):
        part = whole_logits(unet, image[..., start - cut : start + block + cut])
        off = (part[..., cut : cut + block] - reference).abs().max()
        assert off < 1e-12 if exact else off > 1e-9


def align_corners(unet, flag):
    for module in unet.modules():
        if isinstance(module, nn.Upsample):
            module.align_corners = flag
    return unet


def test_a_network_without_padding_has_no_halo():
    assert halo(UNetConfig.paper()) == 0


# ---- what breaks it, by how much (facts.md has the same at full width) ----------------------


@pytest.mark.parametrize("up", ["transpose", "nearest"])
def test_a_step_that_is_no_multiple_breaks_it(up):
    unet, image = network(up, depth=4, base=4).double(), picture(1, 200, 210)
    reference = whole_logits(unet, image)
    assert gap(lay(unet, image, tile=284, step=96), reference) < (1e-12, 0)
    off, share = gap(lay(unet, image, tile=284, step=100), reference)  # laid edge to edge
    assert off > 1 and 0.7 < share < 0.99  # the first tile is right


def test_bilinear_with_aligned_corners_breaks_it_whatever_the_step():
    unet, image = network("bilinear", depth=3).double(), picture(1, 132, 132)
    reference = whole_logits(unet, image)
    for step in (64, 68):
        off, share = gap(lay(unet, image, tile=156, step=step), reference)
        assert off > 1 and share > 0.8
    assert gap(lay(unet, image, tile=220, step=132), reference) < (1e-12, 0)  # one tile


def test_batch_norm_in_train_mode_breaks_it():
    unet, image = network(depth=3).double(), picture(1, 130, 140)
    reference = whole_logits(unet, image)
    off, share = gap(lay(deepcopy(unet).train(), image, tile=156, step=64), reference)
    assert off > 1 and share > 0.8
    assert abs(predict(unet, image, tile=156) - reference.softmax(0).numpy()).max() < 1e-6


def test_bilinear_without_aligned_corners_breaks_a_ring_that_trimming_mends():
    unet = align_corners(network("bilinear", depth=4, base=2), False).double()
    image = picture(1, 96, 192)  # two tiles; the whole ends where the second does
    off = (lay(unet, image, tile=284, step=96) - whole_logits(unet, image)).abs().amax((0, 1))
    ring = np.arange(96 - 15 + 4, 96 + 15)  # the second tile overwrites 4 px of the first
    assert off[ring].min() > 1e-6
    assert np.delete(off.numpy(), ring).max() < 1e-12
    for block in unet.expansive.blocks:
        block.up[0] = nn.Sequential(block.up[0], nn.ZeroPad2d(-1))  # trims a pixel on each side
    wide = torch.tensor(np.pad(image, ((0, 0), (107, 107), (107, 107)), mode="reflect"))[None]
    with torch.no_grad():
        both = unet(wide[..., :300, :396])  # (1, 2, 86, 182)
        second = unet(wide[..., :300, 96:396])
    assert both.shape[2:] == (300 - 214, 396 - 214)  # 15 px less than before on each side
    assert (both[..., 96:] - second).abs().max() < 1e-12


@pytest.mark.parametrize("up", ["transpose", "nearest"])
def test_padding_without_a_halo_is_wrong(up):
    unet, image = network(up, padding=1, depth=3).double(), picture(1, 128, 128)
    reference = whole_logits(unet, image)
    off, share = gap(lay(unet, image, tile=64, step=64), reference)
    assert off > 1 and share > 0.7
    exact = predict(unet, image, tile=112, out=np.empty((2, 128, 128)))
    assert abs(exact - reference.softmax(0).numpy()).max() < 1e-12


# ---- what predict does by itself -----------------------------------------------------------


def test_bilinear_is_said_once_to_depend_on_the_tiles():
    unet, image = network("bilinear"), picture(100, 80)
    with pytest.warns(UserWarning, match='"transpose" or up="nearest"') as caught:
        several = predict(unet, image, tile=60)
    assert len(caught) == 1 and caught[0].filename == __file__
    one = predict(unet, image)  # a warning would be an error here
    assert abs(one - whole(unet, image[None])).max() < 1e-5 < abs(one - several).max()


@pytest.mark.parametrize(("padding", "tile"), [(0, 52), (1, 60)])
def test_batches_and_tensors_give_the_same(padding, tile):
    unet, image = network(padding=padding), picture(90, 75).astype(np.float32)
    one = predict(unet, image, tile=tile)
    assert abs(predict(unet, torch.tensor(image), tile=tile, batch_size=3) - one).max() < 1e-5
    assert abs(predict(unet, image.T[None].copy().swapaxes(1, 2), tile=tile) - one).max() == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2"])
def test_whole_numbers_are_scaled_as_the_whole_image_is(dtype):
    unet = network()
    image = (picture(90, 75) ** 3 * 250).astype(dtype)
    before = image.copy()
    expected = whole(unet, normalise(image)[None])
    assert abs(predict(unet, image, tile=52) - expected).max() < 1e-5
    assert (image == before).all()


def test_float16_float64_and_half_precision_models():
    unet, image = network(), picture(60, 75)
    expected = predict(unet, image)
    for dtype in (np.float16, ">f4", np.float32, np.float64):
        assert abs(predict(unet, image.astype(dtype)) - expected).max() < 2e-2
    half = np.zeros((2, 60, 75), np.float16)
    assert predict(unet, image, out=half) is half
    assert abs(half - expected).max() < 1e-3
    assert abs(predict(unet.bfloat16(), image) - expected).max() < 0.3


def test_the_model_stays_as_it_was(monkeypatch):
    unet, image = network(), picture(90, 75)
    unet.train()
    unet.contracting.blocks[0].eval()
    unet(torch.rand(1, 1, 60, 60)).sum().backward()
    before = {name: (value.clone(), value.stride()) for name, value in unet.state_dict().items()}
    modes = [module.training for module in unet.modules()]
    grads = [parameter.grad.clone() for parameter in unet.parameters()]

    def same():
        assert [module.training for module in unet.modules()] == modes
        assert list(unet.state_dict()) == list(before)
        for name, value in unet.state_dict().items():
            assert torch.equal(value, before[name][0]) and value.stride() == before[name][1]
            assert not value.is_inference()
        for parameter, grad in zip(unet.parameters(), grads, strict=True):
            assert torch.equal(parameter.grad, grad) and parameter.requires_grad
        assert not torch.is_inference_mode_enabled()

    predict(unet, image, tile=52)
    same()
    written = []

    def stop(*given):
        written.append(given)
        if len(written) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(tiling, "write_tile", stop)
    with pytest.raises(KeyboardInterrupt):
        predict(unet, image, tile=52)
    same()


def test_it_runs_in_the_fastest_settings():
    """BatchNorm is gone, and weights and maps are channels_last."""
    unet, seen = network(), []

    def watch(module, inputs, output):
        seen.append(
            (inputs[0].is_contiguous(memory_format=torch.channels_last), output.requires_grad)
        )

    conv = unet.contracting.blocks[1].layers[3]
    conv.register_forward_hook(watch)  # hooks are copied with the model
    predict(unet, picture(60, 60))
    assert seen == [(True, False)]
    fast = tiling.fastest(unet, torch.device("cpu"))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    weight = fast.expansive.blocks[0].conv.layers[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("size", "start", "stop"), [(1, -3, 9), (2, -5, 9), (4, -9, 20), (7, 2, 30)]
)
def test_mirroring_is_numpys_reflect(size, start, stop):
    axis = np.arange(size)
    before, behind = max(-start, 0), max(stop - size, 0)
    expected = np.pad(axis, (before, behind), mode="reflect")[start + before : stop + before]
    assert (axis[mirrored(start, stop, size)] == expected).all()


# ---- memory --------------------------------------------------------------------------------


def test_memory_is_bounded_by_the_tile(tmp_path):
    """Four times the pixels, memmap to memmap: NumPy takes no more, torch sees the same tiles."""
    unet, shapes_seen = network(depth=1, base=1), []
    unet.register_forward_hook(lambda _, inputs, output: shapes_seen.append(inputs[0].shape))
    peaks = []
    for height in (500, 2000):
        image = np.memmap(tmp_path / f"in-{height}", np.float32, "w+", shape=(height, 700))
        out = np.memmap(tmp_path / f"out-{height}", np.float16, "w+", shape=(2, height, 700))
        tracemalloc.start()
        assert predict(unet, image, tile=200, batch_size=2, out=out) is out
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 100_000 < 2e6 < image.nbytes / 2
    assert set(shapes_seen) == {(2, 1, 200, 200)}


def test_a_huge_image_is_scaled_without_reading_it_whole(tmp_path):
    image = np.memmap(tmp_path / "in", np.uint8, "w+", shape=(40_000, 40_000))  # a sparse file
    tracemalloc.start()
    tile = tiling.read_tile(image[None], plan(-92, 480), plan(39_600, 40_172), (0.0, 1.0))
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
    assert tile.shape == (1, 572, 572)


def plan(start, stop):
    return tile_plan.Tile(start, stop, start, stop)


@pytest.mark.parametrize(
    ("config", "size", "tiles"),
    [
        (UNetConfig(base_channels=8, depth=3, up="transpose"), (520, 696), 1),
        (UNetConfig.paper(), (520, 696), 1),
        (UNetConfig.padded(), (520, 696), 1),
        (UNetConfig.paper(), (5000, 5000), 81),
        (UNetConfig.padded(depth=6, up="nearest"), (1000, 1000), 16),
    ],
)
def test_the_chosen_tile_is_whole_for_a_small_image_and_bounded_for_a_large(config, size, tiles):
    tile = tile_plan.choose_tile(config, *size)
    plans = [plan_axis(config, n, tile) for n in size]
    assert len(plans[0]) * len(plans[1]) == tiles
    joined = next(
        row
        for row in shapes.trace(config, tile, tile)
        if row.name.endswith(f"{config.depth - 1}.up")
        or row.name.endswith(f"{config.depth - 1}.up.2")
    )
    values = 2 * np.prod(joined.shape)  # upsampled and skip
    assert 4 * values <= 1.05 * tile_plan.LARGEST_MAP or tile == smallest_tile(config)
    assert tile_plan.choose_tile(config, 5000, 5000, batch_size=8) <= tile or tiles == 1


# ---- what notebook 08 builds ---------------------------------------------------------------


@pytest.fixture(scope="module")
def notebook():
    """The names that the functions in the cells of notebook 08 define."""
    path = Path(__file__).parent.parent / "notebooks" / "08_overlap_tile.ipynb"
    names = {"torch": torch, "np": np, "product": product, "shapes": shapes, "margin": 44}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            tree.body = [part for part in tree.body if isinstance(part, ast.FunctionDef)]
            exec(compile(tree, cell.id, "exec"), names)
    return names


@pytest.mark.parametrize(("side", "overlap"), [(64, 0.5), (96, 0.25), (48, 0.5)])
def test_the_notebooks_sliding_window_is_monais(notebook, side, overlap):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # monai's own, at its import
        from monai.inferers import sliding_window_inference
    unet = network(padding=1, depth=3)
    image = picture(130, 200).astype(np.float32)
    step = int(side * (1 - overlap))
    mine = notebook["sliding_window"](unet, image, side, step)
    with torch.no_grad():
        expected = sliding_window_inference(
            torch.tensor(image)[None, None], side, 4, unet, overlap=overlap, mode="gaussian"
        )[0]
    torch.testing.assert_close(mine, expected, rtol=0, atol=2e-4)
    assert gap(mine, whole_logits(unet, image[None]))[0] > 0.05  # near, and never exact


def test_the_notebooks_tiles_are_those_of_predict(notebook):
    valid, padded = network(depth=3), network(padding=1, depth=3)
    image = picture(150, 208).astype(np.float32)
    for mine, expected in (
        (notebook["whole"](valid, image), whole(valid, image[None])),
        (notebook["tiled"](valid, image, 156, 64), predict(valid, image, tile=156)),
        (notebook["windows"](padded, image[:144], 80, 48), predict(padded, image[:144], tile=176)),
    ):
        assert abs(mine.softmax(0).numpy() - expected).max() < 1e-4
    halos = [notebook["my_halo"](depth)[1] for depth in range(1, 7)]
    configs = [UNetConfig.padded(depth=depth, up="transpose") for depth in range(1, 7)]
    assert halos == [halo(config) for config in configs]


# ---- refusals ------------------------------------------------------------------------------

IMAGE = np.zeros((60, 60), np.float32)
CONFIG = {"depth": 2}


@pytest.mark.parametrize(
    ("image", "options", "error", "words"),
    [
        (IMAGE, {"tile": 53}, ValueError, ["tile 53 does not fit", "52, 56"]),
        (IMAGE, {"tile": 40}, ValueError, ["tile 40", "the smallest that fits: 44"]),
        (IMAGE, {"tile": 52.0}, TypeError, ["tile must be a whole number, not 52.0"]),
        (IMAGE, {"tile": 0}, ValueError, ["tile 0 does not fit", "44"]),
        (IMAGE, {"batch_size": 0}, ValueError, ["batch_size must be 1 or more"]),
        (IMAGE.astype(int), {}, TypeError, ["uint8, uint16 or float, not int64"]),
        (IMAGE > 0, {}, TypeError, ["not bool"]),
        (IMAGE[0], {}, ValueError, ["(1, H, W) or (H, W), not (60,)"]),
        (IMAGE[:0], {}, ValueError, ["not (0, 60)"]),
        (np.zeros((3, 9, 9)), {}, ValueError, ["(1, H, W) or (H, W), not (3, 9, 9)"]),
        (IMAGE[..., None], {}, ValueError, ["np.moveaxis(image, -1, 0)"]),
        (IMAGE, {"out": np.zeros((60, 60))}, ValueError, ["(2, 60, 60); it is (60, 60)"]),
        (IMAGE, {"out": np.zeros((2, 60, 60), int)}, TypeError, ["floats, not an array of int64"]),
        (IMAGE, {"out": torch.zeros(2, 60, 60)}, TypeError, ["NumPy array", "not Tensor"]),
    ],
)
def test_refusals(image, options, error, words, refused):
    refused(
        lambda: predict(UNet(UNetConfig(base_channels=1, **CONFIG)), image, **options),
        error,
        *words,
    )


def test_refusals_of_the_model_and_of_shared_or_locked_memory(refused):
    refused(lambda: predict(nn.Conv2d(1, 1, 1), IMAGE), TypeError, "must be a unet_lesson UNet")
    single = UNet(UNetConfig(base_channels=1, depth=2, num_classes=1))
    refused(lambda: predict(single, IMAGE), ValueError, "num_classes=1")
    unet = UNet(UNetConfig(base_channels=1, depth=2, in_channels=2))
    both = np.zeros((2, 60, 60), np.float32)
    refused(lambda: predict(unet, both, out=both), ValueError, "image's own memory")
    locked = np.zeros((2, 60, 60), np.float32)
    locked.flags.writeable = False
    refused(lambda: predict(unet, both, out=locked), ValueError, "read-only")


def test_a_tile_without_a_core_is_refused_unless_it_is_alone(refused):
    padded = UNet(UNetConfig.padded(base_channels=1, depth=2, up="nearest"))
    refused(lambda: predict(padded, IMAGE, tile=48), ValueError, "tile 48", "works: 52")
    assert predict(padded, IMAGE, tile=52).shape == (2, 60, 60)
    assert predict(padded, IMAGE[:48, :48], tile=48).shape == (2, 48, 48)
    valid = UNet(UNetConfig(base_channels=1, depth=4, up="nearest"))
    refused(lambda: predict(valid, IMAGE, tile=188), ValueError, "tile 188", "works: 204")
    assert predict(valid, IMAGE[:4, :4], tile=188).shape == (2, 4, 4)


# ---- the command ---------------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path):
    from unet_lesson.checkpoint import save_checkpoint

    unet = network()
    nn.init.constant_(unet.head.bias[1:].data, 0.05)  # no ties where all features are 0
    save_checkpoint(tmp_path / "best.pt", unet, torch.optim.Adam(unet.parameters()), [], {})
    return unet, tmp_path / "best.pt"


def test_the_command_labels_one_image_or_a_folder(checkpoint, tmp_path, monkeypatch):
    unet, path = checkpoint
    monkeypatch.setattr(tiling, "SPECK", 3)  # this network is untrained: it sees small things
    folder = tmp_path / "in"
    folder.mkdir()
    image = (picture(70, 90) * 255).astype(np.uint8)
    io.imsave(folder / "a.png", image)
    io.imsave(folder / "b.tif", (picture(60, 80) * 60_000).astype(np.uint16), check_contrast=False)
    io.imsave(folder / "c.tiff", picture(60, 80).astype(np.float32) * 7, check_contrast=False)
    (folder / ".a.png").write_bytes(b"not shown")
    tiling.main([str(path), str(folder / "a.png"), str(tmp_path / "a.tif"), "--tile", "60"])
    tiling.main([str(path), str(folder), str(tmp_path / "out")])
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == ["a.png", "b.tif", "c.tiff"]
    pieces = measure.label(predict(unet, image)[1] > 0.5, connectivity=1)
    kept = [piece.label for piece in measure.regionprops(pieces) if piece.area >= 3]
    expected = sum(new * (pieces == old) for new, old in enumerate(kept, 1))
    assert expected.max() > 1 and len(kept) < pieces.max(), "specks are dropped, as in the scores"
    for file in (tmp_path / "a.tif", tmp_path / "out/a.png"):
        labels = io.imread(file)
        assert labels.dtype == np.uint16 and (labels == expected).all()
    floats = normalise(io.imread(folder / "c.tiff"))
    assert (io.imread(tmp_path / "out/c.tiff") == objects(predict(unet, floats)[1] > 0.5, 3)).all()


def test_the_command_overwrites_nothing(checkpoint, tmp_path, capsys):
    _, path = checkpoint
    (tmp_path / "images").mkdir(), (tmp_path / "masks").mkdir()
    io.imsave(tmp_path / "images" / "a.png", np.zeros((40, 40), np.uint8), check_contrast=False)
    (tmp_path / "masks" / "a.png").write_bytes(b"drawn by hand")
    for given in (("images", "masks"), ("images/a.png", "masks/a.png")):
        with pytest.raises(SystemExit) as stop:
            tiling.main([str(path), *(str(tmp_path / name) for name in given)])
        assert stop.value.code == 2 and "a.png exists; move it away" in capsys.readouterr().err
    assert (tmp_path / "masks" / "a.png").read_bytes() == b"drawn by hand"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_that_is_not_finite_is_refused(value):
    image = picture(60, 80).astype(np.float32)
    image[30, 40] = value
    with pytest.raises(ValueError, match="NaN or infinite values near row"):
        predict(UNet(UNetConfig(base_channels=2, depth=1, up="transpose")), image)


def test_more_objects_than_uint16_holds(tmp_path, refused):
    labels = np.arange(70_000, dtype=np.int32).reshape(200, 350)
    tiling.write_labels(tmp_path / "a.tif", labels)
    assert (io.imread(tmp_path / "a.tif") == labels).all()
    refused(lambda: tiling.write_labels(tmp_path / "a.png", labels), ValueError, "65535", ".tif")
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no.pt", "a.png", "b.png"], "no checkpoint at"),
        (["best.pt", "no.png", "b.png"], "no image or folder at no.png"),
        (["best.pt", "a.png", "b.jpg"], "b.jpg: the output must end in .png, .tif, .tiff"),
        (["best.pt", "a.png", "a.png"], "a.png is the input itself"),
        (["best.pt", "empty", "out"], "empty holds no file"),
        (["best.pt", "text.png", "b.png"], "text.png"),
        (["best.pt", "colour.png", "b.png"], "colour.png: the model takes an image (1, H, W)"),
        (["best.pt", "a.png", "b.png", "--tile", "61"], "tile 61 does not fit"),
    ],
)
def test_the_command_refuses_in_one_sentence(arguments, words, checkpoint, monkeypatch, capsys):
    monkeypatch.chdir(checkpoint[1].parent)
    io.imsave("a.png", np.full((70, 90), 7, np.uint8), check_contrast=False)
    io.imsave("colour.png", np.zeros((70, 90, 3), np.uint8), check_contrast=False)
    checkpoint[1].with_name("text.png").write_text("no image")
    checkpoint[1].with_name("empty").mkdir()
    with pytest.raises(SystemExit) as caught:
        tiling.main(arguments)
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert words in said and said.count("\n") == 1 and "Traceback" not in said
