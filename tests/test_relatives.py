"""The relatives as notebook 09c builds them, against torch, torchvision, MONAI and the papers."""

import ast
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
import torchvision
from monai.networks.nets import BasicUNetPlusPlus
from torch import nn
from torch.nn import functional as F

from unet_lesson import DoubleConv, UNet, UNetConfig
from unet_lesson.shapes import parameter_count

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "09c_relatives.ipynb"


def code_sources():
    """The sources of the notebook's code cells."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def from_notebook(*names):
    """The classes and functions of these names, as the notebook's own cells define them.

    Only imports, classes and functions are run, nothing else: one that reads a variable of the
    notebook fails. -> the one asked for, or a list of them in the order asked.
    """
    kept = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)
    tree = ast.parse("\n".join(code_sources()))
    tree.body = [node for node in tree.body if isinstance(node, kept)]
    space = {"__name__": "notebook", "torch": torch, "nn": nn, "F": F}
    exec(compile(tree, NOTEBOOK.name, "exec"), space)
    for name in names:
        assert space[name].__module__ == "notebook", f"{name} is imported, not built"
    found = [space[name] for name in names]
    return found[0] if len(found) == 1 else found


def printed():
    """All that the notebook's cells print."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def solution(name):
    """The function `name` from a folded solution."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    blocks = [b for b in re.findall(r"```python\n(.*?)```", text, re.S) if f"def {name}(" in b]
    space = {"torch": torch, "nn": nn, "F": F}
    exec(blocks[0], space)
    return space[name]


# ---- the first five: FCN, SegNet, DeepLab, residual U-Net, U-Net++ ----------------------------


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def random_weights(network):
    """All parameters and running statistics random, so that no error can hide behind a 0 or 1."""
    torch.manual_seed(0)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5) if "running_var" in name else value.normal_(std=0.3)
    return network.eval()


def copy_in_order(source, target):
    """Give `target` the values of `source`, which has the same shapes in the same order."""
    pairs = zip(source.state_dict().values(), target.state_dict().values(), strict=True)
    for value, place in pairs:
        assert value.shape == place.shape
        place.copy_(value)


def bilinear_kernel(channels, size):
    """The weights with which the authors' FCN starts its transposed convolutions."""
    factor = (size + 1) // 2
    centre = factor - 0.5 - 0.5 * (size % 2 == 1)
    ramp = 1 - (torch.arange(size) - centre).abs() / factor
    kernel = torch.zeros(channels, channels, size, size)
    for channel in range(channels):
        kernel[channel, channel] = ramp[:, None] * ramp
    return kernel


def test_fcn_is_the_chain_of_transposed_convolutions_that_its_authors_published():
    config = UNetConfig.padded(base_channels=2, depth=5, num_classes=3)
    fcn = random_weights(from_notebook("FCN8s")(config))
    x = torch.rand(2, 1, 160, 224)
    with torch.no_grad():
        maps = fcn.contracting(x)
        eighth, sixteenth, score = (c(m) for c, m in zip(fcn.scores, maps[-3:], strict=True))
        for other in (sixteenth, eighth):
            score = F.conv_transpose2d(score, bilinear_kernel(3, 4), stride=2, padding=1) + other
        wanted = F.conv_transpose2d(score, bilinear_kernel(3, 16), stride=8, padding=4)
        given = fcn(x)
    assert given.shape == (2, 3, 160, 224)
    inside = (..., slice(40, -40), slice(40, -40))  # at the border the two treat what is missing
    torch.testing.assert_close(given[inside], wanted[inside], rtol=1e-4, atol=1e-4)
    assert [tuple(m.shape[2:]) for m in maps[-3:]] == [(20, 28), (10, 14), (5, 7)]


def test_the_published_fcn_has_as_many_weights_as_its_dense_vgg16():
    with torch.device("meta"):
        dense = torchvision.models.vgg16(num_classes=21)
    assert count(dense) == 134_346_581
    assert "134,346,581" in printed()


def test_segnet_has_vgg16s_encoder_and_unpools_to_where_the_maxima_stood():
    levels = [[3, 64, 64], [64, 128, 128], [128, 256, 256, 256], [256, 512, 512, 512]]
    levels.append([512, 512, 512, 512])
    with torch.device("meta"):
        segnet = from_notebook("SegNet")(levels, 38)
        encoder = torchvision.models.vgg16_bn().features
    shapes = [p.shape for p in segnet.contracting.parameters()]
    assert shapes == [p.shape for p in encoder.parameters()]
    assert count(segnet) == 29_464_934  # summed by hand over the layers of segnet_sun.prototxt
    assert "29,464,934" in printed()


def test_segnet_against_unpooling_written_out():
    segnet = random_weights(from_notebook("SegNet")([[1, 4, 4], [4, 6, 6]], 3))
    x = torch.rand(2, 1, 8, 12)
    with torch.no_grad():
        given, y, places = segnet(x), x, []
        for block in segnet.contracting:
            y = block(y)
            n, c, h, w = y.shape
            windows = (
                y.view(n, c, h // 2, 2, w // 2, 2).transpose(3, 4).reshape(n, c, h // 2, -1, 4)
            )
            places.append(windows.numpy().argmax(-1))  # 0 to 3: which corner of the window
            y = windows.amax(-1)
        for block, place in zip(segnet.expansive, reversed(places), strict=True):
            filled = torch.zeros(*y.shape[:2], 2 * y.shape[2], 2 * y.shape[3])
            for at in np.ndindex(*y.shape):
                row, column = divmod(int(place[at]), 2)
                filled[*at[:2], 2 * at[2] + row, 2 * at[3] + column] = y[at]
            y = block(filled)
        torch.testing.assert_close(given, segnet.head(y))
    assert given.shape == (2, 3, 8, 12)


@pytest.mark.parametrize("rate", [2, 3])
def test_dilation_is_a_larger_kernel_full_of_zeros(rate):
    dilate = from_notebook("dilate")
    block = random_weights(nn.Sequential(DoubleConv(3, 4, padding=1, batch_norm=False)))
    x, y = torch.rand(1, 3, 20, 24), torch.rand(1, 3, 20, 24)
    for conv in (m for m in block.modules() if isinstance(m, nn.Conv2d)):
        side = 2 * rate + 1
        spread = torch.zeros(*conv.weight.shape[:2], side, side)
        spread[..., ::rate, ::rate] = conv.weight.detach()
        y = F.relu(F.conv2d(x if conv.in_channels == 3 else y, spread, conv.bias, padding=rate))
    torch.testing.assert_close(dilate(block, rate)(x), y)


@pytest.mark.parametrize("rates", [(6, 12, 18), (12, 24, 36)])
def test_aspp_is_torchvisions(rates):
    aspp = random_weights(from_notebook("ASPP")(5, 7, rates))
    theirs = torchvision.models.segmentation.deeplabv3.ASPP(5, rates, 7).eval()
    copy_in_order(aspp, theirs)
    x = torch.rand(2, 5, 20, 29)
    torch.testing.assert_close(aspp(x), theirs(x))


def test_residual_unit_passes_its_input_on():
    unit = random_weights(from_notebook("ResidualUnit")(4, 6, stride=2))
    x = torch.randn(2, 4, 10, 12)
    rest = unit(x) - F.conv2d(x[..., ::2, ::2], unit.shortcut.weight, unit.shortcut.bias)
    y = x
    for layer in unit.body:
        y = layer(y)
    torch.testing.assert_close(rest, y, rtol=1e-4, atol=1e-4)
    kinds = [type(layer).__name__ for layer in unit.body]
    assert kinds == ["BatchNorm2d", "ReLU", "Conv2d"] * 2  # figure 1b of the paper
    with torch.no_grad():
        unit.body[-1].weight.zero_()
        unit.body[-1].bias.zero_()
    torch.testing.assert_close(unit(x), unit.shortcut(x))


def test_residual_unet_has_the_sizes_of_its_papers_table_1():
    config = UNetConfig(in_channels=3, num_classes=1, depth=3)
    with torch.device("meta"):
        network = from_notebook("ResidualUNet")(config)
        seen = []
        for unit in [*network.contracting, *network.expansive]:
            unit.register_forward_hook(lambda unit, given, out: seen.append(tuple(out.shape[1:])))
        out = network(torch.empty(1, 3, 224, 224))
    down = [(64, 224, 224), (128, 112, 112), (256, 56, 56), (512, 28, 28)]
    assert seen == [*down, *reversed(down[:-1])]
    assert out.shape == (1, 1, 224, 224)
    widths = [(3, 64), (64, 128), (128, 256), (256, 512), (768, 256), (384, 128), (192, 64)]
    by_hand = sum(9 * a * b + 9 * b * b + 2 * b + 2 * a + 2 * b for a, b in widths) + 65
    by_hand -= 2 * 3  # figure 2: the first unit has no BatchNorm in front
    assert isinstance(network.contracting[0].body[0], nn.Conv2d)
    assert f"{by_hand:,}" == "7,789,313" and "7,789,313" in printed()
    assert count(network) == by_hand + sum(a * b + b for a, b in widths)


def test_unetplusplus_of_depth_1_is_a_unet():
    config = UNetConfig.padded(base_channels=4, depth=1, up="transpose")
    nested = random_weights(from_notebook("UNetPlusPlus")(config))
    unet = UNet(config).eval()
    copy_in_order(nested, unet)
    x = torch.rand(2, 1, 16, 24)
    (given,) = nested(x)
    torch.testing.assert_close(given, unet(x), rtol=0, atol=0)


def test_unetplusplus_against_monais():
    """MONAI's top row has twice the channels behind each up-convolution: ours, and zeros."""
    config = UNetConfig.padded(base_channels=4, depth=4, num_classes=3, up="transpose")
    ours = random_weights(from_notebook("UNetPlusPlus")(config))
    theirs = BasicUNetPlusPlus(
        2, 1, 3, (4, 8, 16, 32, 64, 4), deep_supervision=True, act="relu", norm="batch"
    ).eval()
    for level in range(5):
        block = getattr(theirs, f"conv_{level}_0")
        copy_double_conv(ours.contracting.blocks[level], block if level == 0 else block.convs)
    for name, up in ours.ups.items():
        level, node = map(int, name.split(","))
        block, c = getattr(theirs, f"upcat_{level}_{node}"), up.out_channels
        wider = block.upsample.deconv
        with torch.no_grad():
            wider.weight.zero_()[:, :c] = up.weight
            wider.bias.zero_()[:c] = up.bias
        order = [*range(c, c * (node + 1)), *range(c)]  # MONAI puts the skips first
        copy_double_conv(ours.convs[name], block.convs, order)
    for node, head in enumerate(ours.heads, start=1):
        copy_in_order(head, getattr(theirs, f"final_conv_0_{node}"))
    x = torch.rand(2, 1, 32, 48)
    for given, wanted in zip(ours(x), theirs(x), strict=True):
        torch.testing.assert_close(given, wanted, rtol=1e-4, atol=1e-3)


def copy_double_conv(ours, theirs, order=None):
    """Our conv, norm, ReLU, twice, into MONAI's TwoConv; `order` of the first's inputs."""
    first, norm_1, _, second, norm_2, _ = ours.layers
    pairs = ((first, norm_1, theirs.conv_0), (second, norm_2, theirs.conv_1))
    for conv, norm, place in pairs:
        weight = conv.weight if order is None or conv is second else conv.weight[:, order]
        with torch.no_grad():
            place.conv.weight.zero_()[:, : weight.shape[1]] = weight
            place.conv.bias.copy_(conv.bias)
        copy_in_order(norm, place.adn.N)


def test_unetplusplus_has_the_published_parameters():
    """The totals that the authors' code states: U-Net, wide U-Net, U-Net++ with one output."""
    kinds = {"num_classes": 1, "up": "transpose", "batch_norm": False}
    with torch.device("meta"):
        nested = from_notebook("UNetPlusPlus")(UNetConfig.padded(base_channels=32, **kinds))
    assert count(nested) - 3 * 33 == 9_041_601
    for channels, total in ((32, 7_759_521), (35, 9_282_246)):
        assert parameter_count(UNetConfig.padded(base_channels=channels, **kinds)) == total
        assert f"{total:,}" in printed()


def test_the_solutions_of_the_exercises():
    my_field, my_joined = solution("my_field"), solution("my_joined")
    for rates in ([1], [2], [1, 2], [1, 2, 4], [6, 12, 18]):
        x = torch.zeros(1, 1, 81, 1, requires_grad=True)
        stack = [nn.Conv2d(1, 1, (3, 1), padding=(r, 0), dilation=r) for r in rates]
        nn.Sequential(*stack)(x)[0, 0, 40].sum().backward()
        seen = x.grad.flatten().nonzero().flatten()
        assert my_field(rates) == seen[-1] - seen[0] + 1
    a, b, conv = torch.rand(2, 3, 9, 8), torch.rand(2, 5, 9, 8), nn.Conv2d(8, 6, 3)
    joined = my_joined(conv, a, b)
    torch.testing.assert_close(joined, conv(torch.cat([a, b], dim=1)))
