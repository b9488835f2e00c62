"""The network: what it refuses, and that it computes what its parts do when called by hand."""

import re
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.transforms import CenterCrop

import unet_lesson
from unet_lesson import (
    ContractingPath,
    DoubleConv,
    ExpansivePath,
    UNet,
    UNetConfig,
    UpBlock,
    center_crop,
    shapes,
)
from unet_lesson.config import UP_MODES
from unet_lesson.model import he_initialise

SMALL = UNetConfig(in_channels=3, base_channels=2, depth=2)  # takes 44, 48, 52, ...
PADDED = UNetConfig.padded(base_channels=2, depth=2)  # takes 4, 8, 12, ...


def maps(*shape, **kind):
    return torch.zeros(shape, **kind)


def features(**changed):
    """What SMALL's contracting path makes of 44 x 44, with maps changed as in level_2=..."""
    levels = {"level_1": maps(1, 2, 40, 40), "level_2": maps(1, 4, 16, 16)}
    return list((levels | {"level_3": maps(1, 8, 4, 4)} | changed).values())


NOT_IMAGES = [  # for 3 channels: value, error, what the message must say
    (None, TypeError, "give a torch.Tensor, not a NoneType"),
    ([[1.0]], TypeError, "give a torch.Tensor, not a list"),
    (maps(3, 44, 44).numpy(), TypeError, "give a torch.Tensor, not a ndarray"),
    (maps(44, 44), ValueError, "the shape must be (N, C, H, W), not (44, 44)"),
    (maps(3, 44, 44), ValueError, "not (3, 44, 44); for one image add x[None]"),
    (maps(1, 1, 3, 44, 44), ValueError, "the shape must be (N, C, H, W), not (1, 1, 3, 44, 44)"),
    (torch.tensor(1.0), ValueError, "the shape must be (N, C, H, W), not ()"),
    (maps(1, 3, 44, 44, dtype=torch.uint8), TypeError, "must be floats, not torch.uint8; try x.fl"),
    (maps(1, 3, 44, 44, dtype=torch.long), TypeError, "floats, not torch.int64; try x.float()"),
    (maps(1, 3, 44, 44, dtype=torch.bool), TypeError, "floats, not torch.bool; try x.float()"),
    (maps(1, 3, 44, 44, dtype=torch.cfloat), TypeError, "floats, not torch.complex64"),
    (maps(1, 1, 44, 44), ValueError, "1 channels came, 3 are expected (the shape is (1, 1, 44, 44"),
    (maps(1, 44, 44, 3), ValueError, "44 channels came, 3 are expected"),
    (maps(0, 3, 44, 44), ValueError, "there is nothing in a tensor of shape (0, 3, 44, 44)"),
    (maps(1, 3, 0, 44), ValueError, "there is nothing in a tensor of shape (1, 3, 0, 44)"),
    (
        maps(1, 3, 44, 44, dtype=torch.float64),
        TypeError,
        "the input is torch.float64 and the weights torch.float32; try x.to(torch.float32)",
    ),
    (
        maps(1, 3, 44, 44, dtype=torch.float16),
        TypeError,
        "the input is torch.float16 and the weights torch.float32; try x.to(torch.float32)",
    ),
    (
        maps(1, 3, 44, 44, device="meta"),
        ValueError,
        "the input is on meta and the weights on cpu; try x.to('cpu')",
    ),
]
BAD_MAPS = [  # what is called, with which arguments, error, what the message must say
    *(
        (network, (x,), error, words)
        for x, error, words in NOT_IMAGES
        for network in (UNet(SMALL), ContractingPath(SMALL), DoubleConv(3, 2))
    ),
    *(
        (UpBlock(6, 3), arguments, error, words)
        for x, error, words in NOT_IMAGES
        for arguments in [(maps(1, 6, 20, 20), x)]
    ),
    *(
        (UpBlock(3, 2), arguments, error, words)
        for x, error, words in NOT_IMAGES
        for arguments in [(x, maps(1, 2, 90, 90))]
    ),
    # sizes
    (UNet(SMALL), (maps(1, 3, 45, 44),), ValueError, "height 45 does not fit: at level 1"),
    (UNet(SMALL), (maps(1, 3, 44, 46),), ValueError, "nearest sizes that fit: 44, 48"),
    (UNet(SMALL), (maps(1, 3, 40, 44),), ValueError, "the smallest that fits: 44"),
    (UNet(SMALL), (maps(1, 3, 4, 44),), ValueError, "level 1 of the contracting path the map is 4"),
    (UNet(PADDED), (maps(1, 1, 16, 18),), ValueError, "at level 2 the map is 9 wide"),
    (UNet(PADDED), (maps(1, 1, 1, 16),), ValueError, "at level 1 the map is 1 high"),
    (ContractingPath(SMALL), (maps(1, 3, 45, 44),), ValueError, "cannot be halved; nearest"),
    (ContractingPath(SMALL), (maps(1, 3, 44, 31),), ValueError, "the smallest that fits: 32"),
    (ContractingPath(SMALL), (maps(1, 3, 37, 44),), ValueError, "nearest sizes that fit: 36, 40"),
    (ContractingPath(SMALL), (maps(1, 3, 44, 12),), ValueError, "level 2 of the contracting path"),
    (DoubleConv(3, 2), (maps(1, 3, 4, 9),), ValueError, "of a map of 4 x 9", "at least 5 x 5"),
    # BatchNorm has nothing to compare a lone value with
    (UNet(PADDED), (maps(1, 1, 4, 4),), ValueError, "in train mode BatchNorm", "call eval()"),
    (DoubleConv(3, 2), (maps(1, 3, 5, 5),), ValueError, "in train mode BatchNorm", "two images"),
    (DoubleConv(3, 2, padding=1), (maps(1, 3, 1, 1),), ValueError, "in train mode BatchNorm"),
    # the two maps that an UpBlock joins
    (
        UpBlock(4, 2),
        (maps(1, 4, 9, 9), maps(1, 2, 17, 20)),
        ValueError,
        "the skip connection is 17 x 20, smaller than the enlarged map of 18 x 18",
    ),
    (UpBlock(4, 2), (maps(1, 4, 9, 9), maps(1, 2, 18, 16)), ValueError, "never stretched"),
    (
        UpBlock(4, 2),
        (maps(1, 4, 9, 9), maps(1, 2, 21, 20)),
        ValueError,
        "the skip connection is 21 x 20 and the enlarged map 18 x 18: an odd difference cannot",
    ),
    (
        UpBlock(4, 2),
        (maps(1, 4, 9, 9), maps(1, 2, 20, 21)),
        ValueError,
        "20 x 21 and the enlarged map",
    ),
    (
        UpBlock(4, 2),
        (maps(2, 4, 9, 9), maps(3, 2, 20, 20)),
        ValueError,
        "below holds 2 images and skip 3; both must hold the same number",
    ),
    (UpBlock(4, 2), (maps(1, 4, 2, 2), maps(1, 2, 4, 4)), ValueError, "nothing is left of a map"),
    (UpBlock(4, 2).double(), (maps(1, 4, 9, 9),) * 2, TypeError, "UpBlock: below", "torch.float64"),
    # the list that an ExpansivePath takes
    (ExpansivePath(SMALL), (maps(1, 8, 4, 4),), TypeError, "list of a ContractingPath, not a Tens"),
    (ExpansivePath(SMALL), (None,), TypeError, "list of a ContractingPath, not a NoneType"),
    (ExpansivePath(SMALL), ([],), ValueError, "depth 2 needs 3 maps", "not 0"),
    (ExpansivePath(SMALL), (features()[:2],), ValueError, "depth 2 needs 3 maps", "not 2"),
    (
        ExpansivePath(SMALL),
        (features(level_1=maps(1, 2, 21, 24)),),
        ValueError,
        "level 1: the skip connection is 21 x 24",
        "an odd difference",
    ),
    (
        ExpansivePath(SMALL),
        (features(level_3=maps(1, 8, 2, 3)),),
        ValueError,
        "at level 2 two valid 3x3 convolutions leave nothing of a map of 4 x 6",
    ),
    (ExpansivePath(SMALL), (features() * 2,), ValueError, "depth 2 needs 3 maps", "not 6"),
    (ExpansivePath(SMALL), (features()[::-1],), ValueError, "level 1: 8 channels came, 2 are"),
    (ExpansivePath(SMALL), (features(level_3=None),), TypeError, "level 3: give a torch.Tensor"),
    (ExpansivePath(SMALL), (features(level_2=maps(4, 16, 16)),), ValueError, "level 2: the shape"),
    (
        ExpansivePath(SMALL),
        (features(level_2=maps(1, 4, 6, 16)),),
        ValueError,
        "level 2: the skip connection is 6 x 16, smaller than the enlarged map of 8 x 8",
    ),
    (
        ExpansivePath(SMALL),
        (features(level_1=maps(1, 2, 6, 6)),),
        ValueError,
        "level 1: the skip connection is 6 x 6, smaller than the enlarged map of 8 x 8",
    ),
    (
        ExpansivePath(SMALL),
        (features(level_1=maps(2, 2, 40, 40)),),
        ValueError,
        "level 1: below holds 1 images and skip 2",
    ),
    # center_crop
    (center_crop, (None, (4, 4)), TypeError, "give a torch.Tensor, not a NoneType"),
    (center_crop, (maps(9, 9), (4, 4)), ValueError, "must be (N, C, H, W), not (9, 9)"),
    (center_crop, (maps(1, 1, 9, 9), (4, 5)), ValueError, "9 - 4 is odd, so height 4", "3, 5"),
    (center_crop, (maps(1, 1, 9, 9), (5, 8)), ValueError, "9 - 8 is odd, so width 8", "7, 9"),
    (center_crop, (maps(1, 1, 4, 4), (4, 1)), ValueError, "4 - 1 is odd", "nearest that have: 2"),
    (center_crop, (maps(1, 1, 9, 9), (11, 9)), ValueError, "height 11 is larger", "the most is 9"),
    (center_crop, (maps(1, 1, 9, 9), (9, 10)), ValueError, "width 10 is larger than the map's 9"),
    (center_crop, (maps(1, 1, 9, 9), (0, 9)), ValueError, "height must be 1 or more, not 0"),
    (center_crop, (maps(1, 1, 9, 9), (5, -1)), ValueError, "width must be 1 or more, not -1"),
    (center_crop, (maps(1, 1, 9, 9), (5.0, 5)), TypeError, "height must be a whole number, not 5."),
    (center_crop, (maps(1, 1, 9, 9), (5, "5")), TypeError, "width must be a whole number, not '5'"),
    (center_crop, (maps(1, 1, 9, 9), 5), TypeError, "size must be (height, width), not 5"),
    (center_crop, (maps(1, 1, 9, 9), (5,)), TypeError, "size must be (height, width), not (5,)"),
    (center_crop, (maps(1, 1, 9, 9), (1, 5, 5)), TypeError, "size must be (height, width), not"),
]
NOT_WIDTHS = [
    (0, ValueError, "must be 1 or more, not 0; the nearest is 1"),
    (-8, ValueError, "must be 1 or more, not -8; the nearest is 1"),
    (8.0, TypeError, "must be a whole number, not 8.0 (float)"),
    (True, TypeError, "must be a whole number, not True (bool)"),
    ("8", TypeError, "must be a whole number, not '8' (str)"),
    (None, TypeError, "must be a whole number, not None (NoneType)"),
]
BAD_PARTS = [  # what is built, error, what the message must say
    *(
        (partial(part, *arguments), error, f"{name} {words}")
        for value, error, words in NOT_WIDTHS
        for part in (DoubleConv, UpBlock)
        for name, arguments in (("in_channels", (value, 8)), ("out_channels", (8, value)))
    ),
    *(
        (partial(part, 8, 8, **option), error, words)
        for part in (DoubleConv, UpBlock)
        for option, error, words in (
            ({"padding": 2}, ValueError, "padding must be 0 (valid) or 1 (same size), not 2"),
            ({"padding": "same"}, TypeError, "padding must be a whole number, not 'same'"),
            ({"batch_norm": 0}, TypeError, "batch_norm must be True or False, not 0 (int)"),
        )
    ),
    (partial(UpBlock, 8, 8, up="transposed"), ValueError, "did you mean 'transpose'?"),
    (partial(UpBlock, 8, 8, up="bicubic"), ValueError, "'transpose', 'nearest', not 'bicubic'"),
    (partial(UpBlock, 8, 8, up=2), TypeError, "up must be one of 'bilinear', 'transpose'"),
    *(
        (partial(part, config), TypeError, f"config must be a UNetConfig, not {config!r}")
        for part in (UNet, ContractingPath, ExpansivePath)
        for config in ({"depth": 4}, "paper", 64, UNetConfig)
    ),
    (partial(ContractingPath, None), TypeError, "config must be a UNetConfig, not None"),
]


@pytest.mark.parametrize(
    ("call", "arguments", "error", "words"), [(*r[:3], r[3:]) for r in BAD_MAPS]
)
def test_bad_maps_are_refused(refused, call, arguments, error, words):
    refused(lambda: call(*arguments), error, *words)


@pytest.mark.parametrize(("build", "error", "words"), BAD_PARTS)
def test_bad_parts_are_refused(refused, build, error, words):
    refused(build, error, words)


def test_every_public_name_has_a_bad_input():
    """Also prints how many there are."""
    print(f"\n{len(BAD_MAPS)} bad inputs and {len(BAD_PARTS)} bad parts tried")
    called = {getattr(call, "__name__", type(call).__name__) for call, *_ in BAD_MAPS}
    built = {build.func.__name__ for build, *_ in BAD_PARTS}
    elsewhere = {"UNetConfig", "shapes", "device"}  # test_config.py; device() takes no input
    assert called == {"center_crop", *built} == set(unet_lesson.__all__) - elsewhere


def test_autocast_may_mix_dtypes():
    """Autocast hands bfloat16 maps to float32 weights on purpose."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = UNet(SMALL)(torch.rand(1, 3, 44, 48))
    assert y.dtype == torch.bfloat16 and y.shape == (1, 2, 4, 8)


@pytest.mark.parametrize("cut", [(0, 0), (2, 0), (4, 6), (10, 12)])
@pytest.mark.parametrize("size", [(13, 14), (20, 17)])
def test_center_crop_is_torchvisions_where_there_is_a_centre(cut, size):
    x = torch.rand(2, 3, *size)
    wanted = tuple(side - c for side, c in zip(size, cut, strict=True))
    assert torch.equal(center_crop(x, wanted), CenterCrop(wanted)(x))


def double_conv_by_hand(x, weights, padding, batch_norm):
    """`weights` in the order of parameters(): weight, bias (, scale, shift), twice. Eats them."""
    for _ in range(2):
        x = F.conv2d(x, next(weights), next(weights), padding=padding)
        if batch_norm:
            scale, shift = next(weights), next(weights)
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
            x = (x - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
            x = x * scale[:, None, None] + shift[:, None, None]
        x = x.clamp(min=0)
    return x


def shaken(module):
    """The module in float64 with every parameter drawn anew: no bias 0 and no scale 1 is left."""
    generator = torch.Generator().manual_seed(0)
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
    return module


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_double_conv_by_hand(padding, batch_norm):
    block = shaken(DoubleConv(3, 5, padding=padding, batch_norm=batch_norm))
    x = torch.randn(2, 3, 9, 11, dtype=torch.double)
    by_hand = double_conv_by_hand(x, iter(block.parameters()), padding, batch_norm)
    assert by_hand.shape == (2, 5, 5 + 4 * padding, 7 + 4 * padding)
    torch.testing.assert_close(block(x), by_hand)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("up", UP_MODES)
def test_up_block_by_hand(up, padding):
    block = shaken(UpBlock(6, 3, padding=padding, batch_norm=False, up=up))
    below = torch.randn(2, 6, 5, 4, dtype=torch.double)
    skip = torch.randn(2, 3, 14, 12, dtype=torch.double)
    weights = iter(block.parameters())
    if up == "transpose":
        enlarged = F.conv_transpose2d(below, next(weights), next(weights), stride=2)
    else:
        align = {"align_corners": True} if up == "bilinear" else {}
        enlarged = F.interpolate(below, scale_factor=2, mode=up, **align)
        enlarged = F.conv2d(enlarged, next(weights), next(weights)).relu()
    joined = torch.cat([enlarged, skip[:, :, 2:12, 2:10]], dim=1)
    by_hand = double_conv_by_hand(joined, weights, padding, batch_norm=False)
    torch.testing.assert_close(block(below, skip), by_hand)


def test_unet_is_its_parts_in_order():
    network = shaken(UNet(SMALL)).eval()
    x = torch.randn(1, 3, 52, 48, dtype=torch.double)
    left, right = network.contracting.blocks, network.expansive.blocks
    level_1 = left[0](x)
    level_2 = left[1](F.max_pool2d(level_1, 2))
    bottom = left[2](F.max_pool2d(level_2, 2))
    by_hand = network.head(right[1](right[0](bottom, level_2), level_1))
    torch.testing.assert_close(network(x), by_hand)
    assert all(map(torch.equal, network.contracting(x), [level_1, level_2, bottom]))


@pytest.mark.parametrize("up", UP_MODES)
def test_he_initialisation(up):
    """Standard deviation sqrt(2 / incoming nodes), biases 0: as in the paper, section 3."""
    torch.manual_seed(0)
    network = UNet(UNetConfig(base_channels=32, depth=2, up=up))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.weight.numel() > 5000:
            window = 1 if isinstance(module, nn.ConvTranspose2d) else module.kernel_size[0] ** 2
            expected = (2 / (window * module.in_channels)) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=0.05)
            assert abs(module.weight.mean().item()) < 0.05 * expected
            assert module.bias.count_nonzero() == 0
    conv = nn.Conv2d(64, 512, 3)
    he_initialise(conv)
    assert conv.weight.std().item() == pytest.approx(0.0589, abs=0.0003)


def test_values_keep_their_size_on_the_way():
    """What He initialisation is for: without BatchNorm, no level fades out or blows up."""
    torch.manual_seed(0)
    network = UNet(UNetConfig.paper(base_channels=16, depth=3))
    x = torch.randn(1, 1, 92, 92)
    sizes = [features.square().mean().sqrt().item() for features in network.contracting(x)]
    assert all(0.3 < size < 3 for size in sizes)


@pytest.mark.parametrize("depth", range(1, 7))
@pytest.mark.parametrize("preset", [UNetConfig.blog, UNetConfig.paper, UNetConfig.padded])
def test_presets_at_every_depth(preset, depth):
    config = preset(depth=depth, base_channels=3, in_channels=2, num_classes=7)
    with torch.device("meta"):
        network = UNet(config)
    height = shapes.smallest_legal(config) + 2**depth
    width = height + 3 * 2**depth
    y = network(torch.empty(1, 2, height, width, device="meta"))
    lost = 0 if config.padding else 12 * 2**depth - 8
    assert y.shape == (1, 7, height - lost, width - lost)


def test_every_parameter_learns():
    network = UNet(UNetConfig.paper(base_channels=2, depth=2))
    network(torch.rand(2, 1, 44, 48)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_in_eval_mode_an_image_does_not_see_its_neighbour():
    network = shaken(UNet(SMALL)).eval()
    x = torch.rand(2, 3, 44, 48, dtype=torch.double)
    torch.testing.assert_close(network(x)[:1], network(x[:1]))
    network.train()
    assert (network(x)[:1] - network(x[:1])).abs().max() > 1e-3  # BatchNorm's batch statistics


def test_device_is_what_torch_reports(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("meta"))
    assert unet_lesson.device() == torch.device("meta")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert unet_lesson.device() == torch.device("cpu")


def test_few_lines_name_a_device():
    """Where a checkpoint is read to, what gains from bfloat16, and what torchrun starts."""
    named = re.compile(r"""["'](cpu|cuda|mps|xpu)\b|\.cuda\(""")
    lines = [
        f"{path.name}: {line.strip()}"
        for path in sorted(Path(unet_lesson.__file__).parent.rglob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if named.search(line)
    ]
    assert [line.split(": ")[0] for line in lines] == [
        "checkpoint.py",
        "model.py",
        "model.py",
        "__main__.py",
        "loop.py",
    ]
    assert lines[1] == 'model.py: return torch.device("cpu")'


DEVICES = sorted({"cpu", str(unet_lesson.device())})


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("preset", [UNetConfig.blog, UNetConfig.paper, UNetConfig.padded])
def test_each_device_agrees_with_float64(preset, device):
    """The CPU, and the accelerator where there is one, against the CPU in double precision."""
    torch.manual_seed(0)
    config = preset(base_channels=8, depth=3)
    network = UNet(config).eval()
    size = shapes.legal_sizes(config, 150, 170)[0]
    x = torch.rand(2, 1, size, size + 8)
    with torch.no_grad(), torch.backends.cudnn.flags(allow_tf32=False):
        computed = network.to(device)(x.to(device)).to("cpu", torch.double)
        exact = network.to("cpu", torch.double)(x.double())
    assert (computed - exact).abs().max() < 1e-4 * exact.std()


def test_center_crop_cuts_a_mask_like_its_image():
    mask = torch.arange(36).view(1, 1, 6, 6)
    assert torch.equal(center_crop(mask, (2, 4)), mask[:, :, 2:4, 1:5])
    assert center_crop(mask > 9, (2, 4)).dtype == torch.bool
