"""shapes.py against the real network: what it says, torch must do.

Nearly everything runs on the meta device, where torch works out shapes and computes nothing.
"""

import subprocess
import sys
from functools import cache

import pytest
import torch
import torchinfo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import conv2d, interpolate, max_pool2d
from torch.utils.flop_counter import FlopCounterMode

from unet_lesson import ContractingPath, UNet, UNetConfig, shapes
from unet_lesson.config import UP_MODES

DEPTHS = range(1, 7)
CONFIGS = st.builds(
    UNetConfig,
    in_channels=st.integers(1, 4),
    num_classes=st.integers(1, 5),
    base_channels=st.integers(1, 8),
    depth=st.integers(1, 6),
    padding=st.integers(0, 1),
    batch_norm=st.booleans(),
    up=st.sampled_from(UP_MODES),
)
STEPS = st.integers(1, 6)  # how far above the smallest legal size
SIZES = st.integers(1, 900)


def property_test(examples):
    """The same draws on every run, and no clock."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


@pytest.fixture
def no_values(monkeypatch):
    """Leave out the drawing of weights: on the meta device there are none, and it takes time."""
    for draw in ("normal_", "uniform_", "kaiming_uniform_"):
        monkeypatch.setattr(nn.init, draw, lambda tensor, *args, **kwargs: tensor)


def meta_network(config):
    with torch.device("meta"):
        return UNet(config)


def test_trace_is_what_the_network_does(hooked, no_values):
    """Rows, parameters, MACs and memory of drawn networks at drawn sizes, non-square included."""
    tried = set()

    @property_test(510)
    @given(CONFIGS, STEPS, STEPS)
    def check(config, rows_above, columns_above):
        smallest, step = shapes.smallest_legal(config), 2**config.depth
        size = smallest + rows_above * step, smallest + columns_above * step
        network = meta_network(config)
        kept = KeptMaps(network)
        with FlopCounterMode(display=False) as counter, kept.watch():
            seen = hooked(network, *size)

        rows = shapes.trace(config, *size)
        assert [(r.name, r.kind, r.shape, r.parameters) for r in rows] == seen
        assert {r.name for r in rows} <= {name for name, _ in network.named_modules()}
        assert shapes.output_size(config, *size) == rows[-1].shape[1:]
        assert sum(row.macs for row in rows) == counter.get_total_flops() / 2
        assert shapes.activation_bytes(config, *size) == kept.bytes()
        total = shapes.parameter_count(config)
        assert total == torchinfo.summary(network, verbose=0).total_params
        assert total == sum(p.numel() for p in network.parameters())
        tried.add((config, size))

    check()
    kinds = {(c.padding, c.batch_norm, c.up, c.depth) for c, _ in tried}
    print(f"\n{len(tried)} configurations and sizes tried, {len(kinds)} of 72 kinds")
    assert len(tried) >= 500 and len(kinds) >= 50


class KeptMaps:
    """The distinct maps (4-D tensors, weights excluded) that autograd keeps for going back."""

    def __init__(self, network):
        self.weights = {p.untyped_storage()._cdata for p in network.parameters()}
        self.storages = {}

    def keep(self, tensor):
        storage = tensor.untyped_storage()
        if tensor.dim() == 4 and storage._cdata not in self.weights:
            self.storages[storage._cdata] = storage
        return tensor

    def watch(self):
        return torch.autograd.graph.saved_tensors_hooks(self.keep, lambda tensor: tensor)

    def bytes(self):
        return sum(storage.nbytes() for storage in self.storages.values())


def plain_layers(padding, depth, height, width):
    """(H', W') by torch's own functions, one channel wide, or None where the size does not fit."""

    def double_conv(x):
        return conv2d(conv2d(x, kernel, padding=padding), kernel, padding=padding)

    x = torch.empty(1, 1, height, width, device="meta")
    kernel = torch.empty(1, 1, 3, 3, device="meta")
    try:
        for _ in range(depth):
            x = double_conv(x)
            if x.shape[2] % 2 or x.shape[3] % 2:
                return None
            x = max_pool2d(x, 2)
        x = double_conv(x)
        for _ in range(depth):
            x = double_conv(interpolate(x, scale_factor=2))
    except RuntimeError:  # the kernel is larger than the map
        return None
    return tuple(x.shape[2:]) if x.numel() else None


@cache
def sizes_that_fit(padding, depth):
    """All of 1 ... 1023, tried one by one."""
    return [n for n in range(1, 1024) if plain_layers(padding, depth, n, n)]


def test_output_size_refuses_what_the_network_refuses(no_values):
    tried, fitting = set(), set()

    @property_test(300)
    @given(CONFIGS, SIZES, SIZES, st.booleans())
    def check(config, height, width, rounded):
        if rounded:  # few drawn sizes fit by themselves
            height, width = (shapes.nearest_legal(config, n)[1] for n in (height, width))
        tried.add((config, height, width))
        network = meta_network(config).eval()
        x = torch.empty(1, config.in_channels, height, width, device="meta")
        expected = plain_layers(config.padding, config.depth, height, width)
        if expected:
            fitting.add((config, height, width))
            assert shapes.output_size(config, height, width) == expected
            assert network(x).shape[2:] == expected
            return
        with pytest.raises(ValueError) as ours:
            shapes.output_size(config, height, width)
        with pytest.raises(ValueError) as networks:
            network(x)
        assert str(networks.value) == str(ours.value)
        check_refusal(config, height, width, str(ours.value))

    check()
    print(f"\n{len(tried)} configurations and sizes tried, {len(fitting)} of them fit")
    assert len(fitting) >= 50 and len(tried - fitting) >= 100


def check_refusal(config, height, width, message):
    """It names the axis that does not fit, the level, and the nearest sizes that do."""
    fit = sizes_that_fit(config.padding, config.depth)
    axis, size = ("width", width) if height in fit else ("height", height)
    below, above = nearest(fit, size)
    near = f"nearest sizes that fit: {below}, {above}" if below else f"smallest that fits: {above}"
    assert message.startswith(f"{axis} {size} does not fit: at level ")
    assert message.endswith(near)


def nearest(fit, size):
    return max((n for n in fit if n <= size), default=None), min(n for n in fit if n >= size)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("padding", [0, 1])
def test_legal_sizes_by_trying_them_all(padding, depth):
    config, fit = UNetConfig(padding=padding, depth=depth), sizes_that_fit(padding, depth)
    assert shapes.smallest_legal(config) == fit[0]
    assert shapes.legal_sizes(config, 0, 1024) == fit
    for start, stop in [(fit[0], fit[0]), (fit[0], fit[0] + 1), (fit[0] + 1, fit[-1]), (9, 3)]:
        assert shapes.legal_sizes(config, start, stop) == [n for n in fit if start <= n < stop]
    assert shapes.axis_sizes(config, 0).problem and shapes.axis_sizes(config, -1).problem
    for size in range(-2, fit[-1] + 1):
        assert shapes.nearest_legal(config, size) == nearest(fit, size)
        assert (shapes.axis_sizes(config, size).problem is None) == (size in fit)


def test_the_contracting_path_takes_what_it_can_halve(no_values):
    """Smaller images than the whole network takes, and no others."""
    config = UNetConfig(base_channels=1, depth=2)
    with torch.device("meta"):
        path = ContractingPath(config).eval()
    taken = []
    for size in range(1, 80):
        x = torch.empty(1, 1, 44, size, device="meta")
        try:
            shapes.check_contracting(config, 44, size)
        except ValueError as refusal:
            with pytest.raises(ValueError) as from_path:
                path(x)
            assert str(from_path.value) == str(refusal)
        else:
            sides = [features.shape[3] for features in path(x)]
            assert tuple(sides) == shapes.axis_sizes(config, size).contracting
            taken.append(size)
    assert taken == list(range(32, 80, 4))  # the whole network: from 44


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("depth", DEPTHS)
def test_crop_margins_do_not_depend_on_the_size(padding, depth):
    """Half the difference between skip and enlarged map, seen in the network as it runs."""
    config = UNetConfig(base_channels=1, depth=depth, padding=padding)
    smallest, step = shapes.smallest_legal(config), 2**depth
    network = meta_network(config).eval()
    for size in (smallest, smallest + step, smallest + 5 * step):
        *skips, below = network.contracting(torch.empty(1, 1, smallest, size, device="meta"))
        margins = []
        for block, skip in zip(network.expansive.blocks, reversed(skips), strict=True):
            margins.append((skip.shape[3] - 2 * below.shape[3]) / 2)
            below = block(below, skip)
        assert shapes.crop_margins(config) == tuple(margins)


def lit_network(config):
    """A network in which every value depends on all it can see: nothing cancels or is cut.

    All weights are positive, so no ReLU cuts; pooling takes the mean, because the largest of
    four hides the other three from the gradient.
    """
    network = UNet(config).double().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.fill_(0 if name.endswith("bias") else 1 / parameter[0].numel())
    network.contracting.pool = nn.AvgPool2d(2)
    return network


def support(value, x):
    """The rectangle of input pixels that reach `value`: its (height, width)."""
    (gradient,) = torch.autograd.grad(value, x, retain_graph=True)
    seen = gradient[0, 0] != 0
    rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
    height, width = (int(side[-1] - side[0] + 1) for side in (rows, columns))
    assert seen.sum() == height * width  # no holes
    return height, width


def output_sides(config):
    """The receptive field's side at 2**depth neighbouring outputs, far from the image's sides.

    Far, because padding and bilinear upsampling cut it there. Height and width do not mix, so
    a low image will do.
    """
    step = 2**config.depth
    width = shapes.nearest_legal(config, shapes.receptive_field(config).output[1] + 4 * step)[1]
    x = torch.ones(1, 1, shapes.smallest_legal(config), width, dtype=torch.double)
    y = lit_network(config)(x.requires_grad_())
    start = y.shape[3] // 2
    return [support(y[0, 0, 0, start + i], x)[1] for i in range(step)]


@pytest.mark.parametrize("up", UP_MODES)
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_receptive_field_of_the_output_is_the_support_of_the_gradient(depth, padding, up):
    config = UNetConfig(base_channels=1, depth=depth, padding=padding, up=up)
    sides = output_sides(config)
    assert shapes.receptive_field(config).output == (min(sides), max(sides))
    if (depth, up) == (4, "transpose"):  # the paper's network, valid and padded
        assert sorted(sides) == 4 * [188] + 12 * [204]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("padding", [0, 1])
def test_receptive_field_per_level_is_the_support_of_the_gradient(depth, padding):
    config = UNetConfig(base_channels=1, depth=depth, padding=padding)
    size = shapes.smallest_legal(UNetConfig(depth=depth)) + 2**depth
    size -= size % 2**depth if padding else 0
    x = torch.ones(1, 1, size, size, dtype=torch.double, requires_grad=True)
    features = lit_network(config).contracting(x)
    fields = [support(f[0, 0, f.shape[2] // 2, f.shape[3] // 2], x) for f in features]
    assert fields == [(side, side) for side in shapes.receptive_field(config).levels]


def test_known_receptive_fields():
    assert shapes.receptive_field(UNetConfig.paper()).levels == (5, 14, 32, 68, 140)
    outputs = [shapes.receptive_field(UNetConfig.paper(depth=d)).output for d in (1, 2, 3, 4)]
    assert outputs == [(18, 18), (44, 44), (92, 100), (188, 204)]
    assert shapes.receptive_field(UNetConfig.paper(depth=60)).levels[0] == 5  # no search
    assert shapes.receptive_field(UNetConfig.blog()).output == (220, 236)


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("unet_lesson.shapes", ["torch", "numpy"]),
        ("unet_lesson", ["torch", "torchvision", "skimage", "matplotlib", "ipywidgets"]),
        ("unet_lesson.model", ["torchvision", "skimage", "matplotlib", "ipywidgets"]),
    ],
)
def test_a_light_import(module, unwanted):
    program = f"import sys, {module}; print(*sorted(set({unwanted}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, ""), run.stderr
