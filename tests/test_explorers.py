"""The explorers' numbers against torch, their three faces, and what they refuse."""

import struct
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import torch
from torch.nn.functional import conv1d, conv2d
from traitlets import TraitError

from unet_lesson import UNet, UNetConfig, shapes
from unet_lesson.widgets import ConvolutionExplorer, CropExplorer, FeatureMapBrowser
from unet_lesson.widgets import convolution_explorer as convolution

SETTINGS = list(product(*(range(low, high + 1) for low, high in convolution.LIMITS.values())))
WIDGET = "application/vnd.jupyter.widget-view+json"


def fits(size, kernel, stride, padding):
    """Whether torch takes this setting."""
    image = torch.empty(1, 1, size, device="meta")
    weights = torch.empty(1, 1, kernel, device="meta")
    try:
        conv1d(image, weights, stride=stride, padding=padding)
    except RuntimeError:
        return False
    return True


def reads(size, kernel, stride, padding):
    """Per output cell the input cells it depends on, along one axis, by torch.

    One image per input cell, 1 there and 0 elsewhere: the answers are the gradient's columns.
    """
    images = torch.eye(size)[:, None]
    output = conv1d(images, torch.ones(1, 1, kernel), stride=stride, padding=padding)
    return [np.flatnonzero(cell).tolist() for cell in output[:, 0].T.numpy()]


# ---- ConvolutionExplorer ---------------------------------------------------------------------


def test_windows_are_the_support_of_the_gradient_for_every_setting(one_thread):
    assert len(SETTINGS) == 16 * 7 * 4 * 4
    for setting in SETTINGS:
        size, kernel, _, _ = setting
        windows = convolution.windows(*setting)
        if not fits(*setting):
            assert windows == [], setting
            continue
        expected = reads(*setting)
        inside = [[i for i in range(a, b + 1) if 0 <= i < size] for a, b in windows]
        assert inside == expected, setting
        assert all(last - first == kernel - 1 for first, last in windows)
        missed = set(range(size)).difference(*expected)
        assert convolution.unread(*setting) == sorted(missed), setting
        assert convolution.formula(*setting).endswith(f" = {len(expected)}"), setting


def test_where_the_kernel_does_not_fit_every_nearest_setting_works_and_is_nearest():
    for setting in SETTINGS:
        fixes = convolution.fixes(*setting)
        assert bool(fixes) == bool(convolution.problem(*setting)) == (not fits(*setting))
        for name, value in fixes:
            at = list(convolution.LIMITS).index(name)
            mended = (*setting[:at], value, *setting[at + 1 :])
            step = 1 if value < setting[at] else -1
            closer = (*setting[:at], value + step, *setting[at + 1 :])
            assert fits(*mended) and not fits(*closer), (setting, name)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ((5, 3, 1, 0), ["Every input cell is read."]),
        ((6, 3, 2, 0), ["The last row and column are never read: one more step of 2"]),
        ((6, 2, 4, 0), ["Rows and columns 2 and 3 are never read: stride 4 steps over them."]),
        ((4, 2, 4, 0), ["The last 2 rows and columns are never read: one more step of 4"]),
        ((9, 3, 4, 0), ["Row 3 and column 3 are never", "The last 2 rows and columns are never"]),
    ],
)
def test_what_the_stride_leaves_unread_in_words(setting, words):
    facts = ConvolutionExplorer(*setting).facts()
    assert all(part in facts for part in words)


@pytest.mark.parametrize("setting", [(5, 3, 1, 1), (16, 7, 1, 3), (6, 2, 4, 1), (2, 1, 1, 3)])
def test_cells_and_padding_zeros_are_counted_as_torch_reads_them(setting):
    size, kernel, stride, padding = setting
    image = torch.zeros(1, 1, size, size, requires_grad=True)
    weights = torch.ones(1, 1, kernel, kernel)
    output = conv2d(image, weights, stride=stride, padding=padding)[0, 0]
    for row, column in [(0, 0), (len(output) - 1, 0), (len(output) // 2, len(output) - 1)]:
        (gradient,) = torch.autograd.grad(output[row, column], image, retain_graph=True)
        zeros = kernel**2 - gradient.count_nonzero().item()
        facts = ConvolutionExplorer(*setting, row=row, column=column).facts()
        assert f"Output cell ({row}, {column}) reads {kernel**2} cell" in facts
        assert f", {zeros} of them padding zeros." in facts


def test_the_browser_gets_the_answer_for_every_setting():
    table = ConvolutionExplorer().table
    assert len(table) == len(SETTINGS)
    assert table["6 2 4 0"] == {
        "windows": [[0, 1], [4, 5]],
        "unread": [2, 3],
        "formula": "floor((6 + 2*0 - 2) / 4) + 1 = 2",
        "words": "Rows and columns 2 and 3 are never read: stride 4 steps over them.",
        "problem": "",
        "fixes": [],
    }
    assert table["3 7 1 0"]["fixes"] == [["kernel", 3], ["padding", 2], ["size", 7]]


def test_an_output_cell_that_is_gone_shows_the_last_one():
    explorer = ConvolutionExplorer(5, row=9, column=1)
    assert explorer.cell == (2, 1)
    explorer.size = 2
    assert explorer.cell is None
    assert explorer.facts() == (
        "input 2 x 2, kernel 3, stride 1, padding 0: floor((2 + 2*0 - 3) / 1) + 1 = 0. "
        "The kernel of 3 is larger than the padded input of 2: no output; "
        "nearest that work: kernel 2, padding 1, size 3."
    )


@pytest.mark.parametrize("wrong", [{"size": 17}, {"kernel": 0}, {"stride": 2.5}, {"padding": 4}])
def test_a_number_out_of_range_is_refused(wrong):
    with pytest.raises(TraitError, match=next(iter(wrong))):
        ConvolutionExplorer(**wrong)


# ---- CropExplorer ----------------------------------------------------------------------------


def joins(network, size):
    """Per level, from level 1: sides of the skip and of the upsampled map, by forward hooks."""
    seen = {"skip": [], "up": []}
    hooks = [(block, "skip") for block in network.contracting.blocks[:-1]]
    hooks += [(block.up, "up") for block in network.expansive.blocks]
    for module, kind in hooks:
        module.register_forward_hook(lambda _m, _i, out, kind=kind: seen[kind].append(out.shape[3]))
    network(torch.empty(1, 1, size, size, device="meta"))
    return list(zip(seen["skip"], reversed(seen["up"]), strict=True))


@pytest.mark.parametrize(
    "config",
    [UNetConfig(base_channels=2), UNetConfig.padded(base_channels=2, depth=2), UNetConfig(depth=6)],
)
def test_the_crop_table_is_what_the_network_joins(config):
    explorer = CropExplorer(config)
    for size in (explorer.legal[0], explorer.legal[3], explorer.legal[-1]):
        with torch.device("meta"):
            network = UNet(config).eval()
        expected = [[skip, up, (skip - up) // 2] for skip, up in joins(network, size)]
        assert explorer.table[size]["levels"] == expected
    assert explorer.channels == list(config.channels[:-1])


def test_every_other_size_is_refused_with_the_nearest_that_fit():
    config = UNetConfig(base_channels=1, batch_norm=False)
    explorer = CropExplorer(config)
    with torch.device("meta"):
        network = UNet(config)
    for size in (*range(1, 20), *range(180, 240), 571, 573, 1021, 1024):
        image = torch.empty(1, 1, size, size, device="meta")
        if size in explorer.legal:
            assert "levels" in explorer.table[size]
            network(image)
            continue
        with pytest.raises(ValueError) as error:
            network(image)
        entry = explorer.table[size]
        assert entry["problem"].rstrip(".").replace("wide", "high") in str(error.value)
        assert entry["near"] == [n for n in shapes.nearest_legal(config, size) if n and n <= 1024]
    assert explorer.table[573]["near"] == [572, 588]
    assert explorer.table[0]["near"] == [188, 1020]


def centre(value, image):
    """Middle of the input rows that reach one value, by gradient."""
    (gradient,) = torch.autograd.grad(value, image, retain_graph=True)
    rows = gradient[0, 0].abs().sum(1).nonzero().flatten()
    return (rows[0] + rows[-1]).item() / 2


@pytest.mark.parametrize("level", [1, 2])
def test_a_corner_crop_looks_beside_its_partner_by_as_much_as_is_shown(level):
    config = UNetConfig.paper(base_channels=1, depth=2)
    explorer = CropExplorer(config, size=60, level=level, corner=True)
    network = UNet(config)
    for weights in network.parameters():
        torch.nn.init.ones_(weights)
    network.contracting.pool = torch.nn.AvgPool2d(2)  # reaches all it reads, not just the largest
    image = torch.ones(1, 1, 60, 60, requires_grad=True)
    *skips, below = network.contracting(image)
    for block, skip in zip(network.expansive.blocks, reversed(skips), strict=True):
        up = block.up(below)
        below = block(below, skip)
        if skip is skips[level - 1]:
            break
    skip, margin = skips[level - 1], explorer.table[60]["levels"][level - 1][2]
    period = 2 ** (config.depth - level + 1)  # of the positions in the upsampled map

    def looks_at(maps, offset=0):
        at = up.shape[2] // 2 // period * period
        return sum(centre(maps[0, 0, at + i + offset, at], image) for i in range(period)) / period

    partner, corner = looks_at(up), looks_at(skip)
    assert partner == looks_at(skip, margin)
    assert partner - corner == explorer.displaced[level - 1][1]
    assert f"look {partner - corner:.0f} input pixels apart on average" in explorer.facts()


def test_the_numbers_of_the_paper():
    explorer = CropExplorer()
    assert [apart for _, apart in explorer.displaced] == [88, 80, 64, 32]
    assert [level[2] for level in explorer.table[572]["levels"]] == [88, 40, 16, 4]
    assert explorer.facts() == (
        "input 572 x 572, level 1: skip 64 x 568 x 568, upsampled 64 x 392 x 392, margin 88 on "
        "each side. Cropped at the centre, joined pixels look 0 input pixels apart on average, in "
        "height and in width. torch.cat gives 128 x 392 x 392."
    )
    explorer.size = 573
    assert explorer.facts().endswith("cannot be halved. Nearest sizes that fit: 572, 588.")
    explorer.size = -4
    assert explorer.facts().endswith(
        "The explorer takes input sizes 1 to 1024. Nearest sizes that fit: 188, 1020."
    )
    with pytest.raises(TraitError, match="level must be 1 to 4, not 5; the nearest is 4"):
        explorer.level = 5


# ---- FeatureMapBrowser -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return UNet(UNetConfig(base_channels=4, depth=2)).eval()


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((140, 204))


def maps_of(network, image):
    """{(path, level): map (C, H, W)}, by running the two paths by hand."""
    x = torch.as_tensor(image, dtype=torch.float32)[None, None]
    with torch.no_grad():
        features = network.contracting(x)
        maps = {("contracting", i): f[0] for i, f in enumerate(features, 1)}
        below = features[-1]
        for level, block in zip((2, 1), network.expansive.blocks, strict=True):
            below = block(below, features[level - 1])
            maps["expansive", level] = below[0]
    return {place: maps.numpy() for place, maps in maps.items()}


def block_means(channel, factor):
    height, width = channel.shape
    return np.array(
        [
            [channel[y : y + factor, x : x + factor].mean() for x in range(0, width, factor)]
            for y in range(0, height, factor)
        ]
    )


def test_every_map_of_both_paths_is_what_the_network_computes(network, image):
    browser = FeatureMapBrowser(network, image)
    places = maps_of(network, image)
    assert set(browser.stages) == set(places)
    for (path, level), maps in places.items():
        browser.path, browser.level = path, level
        sent = browser.stage
        assert (sent["path"], sent["level"], sent["shape"]) == (path, level, list(maps.shape))
        assert max(sent["size"]) <= 96 and sent["factor"] == -(-max(maps.shape[1:]) // 96)
        bytes_ = np.frombuffer(sent["pixels"], np.uint8).reshape(len(maps), *sent["size"])
        for c, channel in enumerate(maps):
            small = block_means(channel, sent["factor"])
            scaled = (small - small.min()) / max(np.ptp(small), 1e-12) * 255
            assert np.abs(bytes_[c] - scaled).max() < 0.51
            numbers = [sent[name][c] for name in ("low", "high", "min", "mean", "max")]
            expected = [small.min(), small.max(), channel.min(), channel.mean(), channel.max()]
            assert numbers == pytest.approx(expected, abs=1e-5)
            assert sent["zeros"][c] == pytest.approx((channel == 0).mean(), abs=1.01e-4)


def test_the_network_is_left_as_it_was(network, image):
    network.train()
    network.expansive.eval()
    flags = [module.training for module in network.modules()]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    browser = FeatureMapBrowser(network, torch.from_numpy(image)[None], level=2, channel=1)
    assert [module.training for module in network.modules()] == flags
    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    network.eval()
    maps = maps_of(network, image)["contracting", 2][1]
    assert f"max {maps.max():.4f}" in browser.facts()


def test_a_dead_channel_is_counted_and_drawn(network, image):
    dead = UNet(network.config).eval()
    torch.nn.init.constant_(dead.contracting.blocks[0].layers[4].bias, -1e6)
    browser = FeatureMapBrowser(dead, image, channel=99)
    assert browser.facts() == (
        "contracting path, level 1: 4 x 136 x 200. Channel 3: min 0.0000, mean 0.0000, "
        "max 0.0000, 100.00% zeros. 4 of 4 channels are zero everywhere."
    )
    assert set(browser.stage["pixels"]) == {0}


def test_the_expansive_path_has_no_bottom_and_shows_its_deepest(network, image):
    browser = FeatureMapBrowser(network, image, level=3)
    assert browser.place == ("contracting", 3)
    browser.path = "expansive"
    assert browser.place == ("expansive", 2)
    assert browser.facts().startswith("expansive path, level 2: 8 x ")


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (np.zeros((141, 204)), ValueError, "height 141 does not fit.*nearest sizes.*140, 144"),
        (np.zeros((2, 140, 204)), ValueError, "2 channels came, 1 are expected"),
        (np.zeros((1, 1, 140, 204)), ValueError, r"\(H, W\) or \(C, H, W\), not \(1, 1, 140"),
        (np.zeros((140, 204), np.uint8), TypeError, "must be floats.*float()"),
        (np.zeros((140, 204, 1)), ValueError, r"not \(140, 204, 1\); move channels first"),
        ("cell.png", TypeError, "image must be a numpy array or a tensor, not a str"),
    ],
)
def test_an_image_that_does_not_fit_is_refused(network, wrong, error, words):
    with pytest.raises(error, match=words):
        FeatureMapBrowser(network, wrong)


def test_what_is_no_unet_or_does_not_exist_is_refused(network, image):
    with pytest.raises(TypeError, match="network must be a UNet, not a Linear"):
        FeatureMapBrowser(torch.nn.Linear(1, 1), image)
    with pytest.raises(TraitError, match="level must be 1 to 3, not 4; the nearest is 3"):
        FeatureMapBrowser(network, image, level=4)
    with pytest.raises(TraitError, match="path"):
        FeatureMapBrowser(network, image, path="sideways")


# ---- all three -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda *_: ConvolutionExplorer(),
        lambda *_: ConvolutionExplorer(3, 7),
        lambda *_: CropExplorer(corner=True),
        lambda *_: CropExplorer(size=573),
        lambda network, image: FeatureMapBrowser(network, image, path="expansive"),
    ],
)
def test_three_faces(network, image, make):
    explorer = make(network, image)
    data, _ = explorer._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png", WIDGET}
    assert data["text/plain"] == repr(explorer) == explorer.facts()
    png = data["image/png"]
    assert png.startswith(b"\x89PNG") and len(png) < 150_000
    width, height = struct.unpack(">II", png[16:24])
    assert (width, height) == (800, 440)
    assert png == explorer._repr_mimebundle_()[0]["image/png"]


def test_importing_the_explorers_leaves_torch_alone():
    code = (
        "import sys; import unet_lesson.widgets; "
        "print([m for m in ('torch', 'torchvision', 'skimage') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
