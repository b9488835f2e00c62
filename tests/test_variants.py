"""The switchboard: the defaults are the UNet, and every switch does what its name says."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms.v2 import functional as vision

from unet_lesson import UNet, UNetConfig, shapes
from unet_lesson.data import Tiles, em_like
from unet_lesson.model import DoubleConv
from unet_lesson.tiling import predict
from unet_lesson.training import fit
from unet_lesson.variants import GROUPS, INITIALISE, JOINS, NORMS, SKIPS, Variant, zero_pad

SMALL = UNetConfig(base_channels=4, depth=2, up="transpose")
EVERY = [
    dict(zip(("join", "skips", "norm", "initialise"), choice, strict=True))
    for choice in product(JOINS, SKIPS, NORMS, INITIALISE)
]


def seeded(make, *given, **choices):
    torch.manual_seed(3)
    return make(*given, **choices)


@pytest.mark.parametrize("changes", [{}, {"up": "bilinear", "padding": 1}, {"batch_norm": False}])
def test_the_defaults_are_the_unet_bit_for_bit(changes):
    config = UNetConfig(**{"base_channels": 4, "depth": 2} | changes)
    ours, theirs = seeded(Variant, config), seeded(UNet, config)
    x = torch.rand(2, 1, 60, 68)
    for mode in (True, False):
        assert torch.equal(ours.train(mode)(x), theirs.train(mode)(x))
    for (name, a), (other, b) in zip(
        ours.state_dict().items(), theirs.state_dict().items(), strict=True
    ):
        assert name == other and torch.equal(a, b), name


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("choice", EVERY, ids=lambda choice: "-".join(map(str, choice.values())))
def test_sizes_and_channels_of_every_variant(choice, padding, hooked):
    """Hooks tell what each module gives; plain arithmetic, level by level, what it must be."""
    config = UNetConfig(base_channels=4, depth=2, padding=padding)
    lost = 0 if padding else 4
    seen = {name: shape for name, _, shape, _ in hooked(seeded(Variant, config, **choice), 60, 68)}
    down = [(60 - lost, 68 - lost), (30 - lost - lost // 2, 34 - lost - lost // 2)]
    here = [side // 2 - lost for side in down[1]]
    for number, skip in enumerate(reversed(down)):
        here = skip if choice["join"] == "pad" else [2 * side for side in here]
        here = [side - lost for side in here]
        assert seen[f"expansive.blocks.{number}.conv"] == (8 // 2**number, *here)
    assert seen["head"] == (2, *here)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_with_pad_the_output_is_8_smaller_at_any_depth(depth):
    config = UNetConfig(base_channels=4, depth=depth)
    side = shapes.smallest_legal(config)
    with torch.device("meta"):
        network, x = Variant(config, join="pad"), torch.empty(1, 1, side, side + 2**depth)
    assert network(x).shape[2:] == (side - 8, side + 2**depth - 8)


@pytest.mark.parametrize("depth", [1, 3])
def test_added_and_absent_skips_have_as_many_parameters(depth):
    """The first 3x3 convolution of each block reads c maps in place of 2 c: 9 c c weights less."""
    config = UNetConfig(base_channels=8, depth=depth, up="nearest")
    counts = [
        sum(p.numel() for p in Variant(config, skips=skips).parameters())
        for skips in ("concat", "add", "none")
    ]
    less = sum(9 * (8 * 2**level) ** 2 for level in range(depth))
    assert counts == [counts[0], counts[0] - less, counts[0] - less] and less in (576, 12096)


def test_how_two_maps_are_joined():
    up, skip = torch.rand(2, 4, 6, 8), torch.rand(2, 4, 10, 14)
    corner, padded = vision.crop(skip, 0, 0, 6, 8), vision.pad(up, [3, 2])
    assert torch.equal(zero_pad(up, (10, 14)), padded)
    ways = {"centre": (up, skip[:, :, 2:8, 3:11]), "corner": (up, corner), "pad": (padded, skip)}
    for join, (a, b) in ways.items():
        kinds = {"concat": torch.cat([a, b], 1), "add": a + b, "none": a}
        for skips, wanted in kinds.items():
            assert torch.equal(Variant(SMALL, join=join, skips=skips).joined(up, skip), wanted)


def test_without_skips_the_maps_of_the_contracting_path_have_no_gradient():
    for skips, reached in (("add", True), ("none", False)):
        *above, bottom = gradients(skips=skips)
        assert bottom.any() and all(bool(g.any()) == reached for g in above)


def gradients(row=40, column=20, **choices):
    """Gradient of one output pixel with respect to each map of the contracting path.

    All weights are positive and there is no BatchNorm, so nothing that is read cancels out.
    """
    network = Variant(
        UNetConfig(base_channels=4, depth=3, batch_norm=False, up="transpose"), **choices
    )
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.1, 0.2)
    maps = []

    def cut(module, inputs, features):
        maps.extend(f.detach().requires_grad_() for f in features)
        return maps

    network.contracting.register_forward_hook(cut)
    network(torch.rand(1, 1, 156, 148))[0, 0, row, column].backward()
    return [torch.zeros_like(m) if m.grad is None else m.grad for m in maps]


def middle(gradient):
    """(row, column) in the middle of what was read of a map (1, C, H, W)."""
    read = gradient.abs().sum((0, 1)).nonzero()
    return (read.amin(0) + read.amax(0)) / 2


def test_corner_crop_reads_up_and_left_of_where_it_should():
    """By gradient: a whole crop margin off at every level, 40, 32 and 16 px of the image."""
    centre, corner = gradients(), gradients(join="corner")
    off = [middle(a) - middle(b) for a, b in zip(centre[:3], corner[:3], strict=True)]
    margins = shapes.crop_margins(UNetConfig(depth=3))[::-1]
    assert [tuple(d.tolist()) for d in off] == [(m, m) for m in margins] and margins == (40, 16, 4)
    assert torch.equal(centre[3] != 0, corner[3] != 0), "the bottom is read alike"
    at = torch.tensor([40, 20]) + 44  # where the output pixel lies in the image
    assert torch.equal(middle(centre[0]) + 2, at), "centre crop: exactly there"


def test_pad_reads_where_centre_crop_does():
    """The output begins 40 px further out, and so does what is read of the first skip."""
    assert torch.equal(middle(gradients(80, 60, join="pad")[0]), middle(gradients(40, 20)[0]))


def test_group_norm_is_what_its_formula_says():
    network = seeded(Variant, SMALL, norm="group")
    norms = [m for m in network.modules() if isinstance(m, nn.GroupNorm)]
    blocks = [m for m in network.modules() if isinstance(m, DoubleConv)]
    assert len(norms) == 2 * len(blocks) == 10
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    x = 3 + 2 * torch.randn(2, 8, 5, 7)
    parts = x.double().numpy().reshape(2, GROUPS, -1)  # each image and group by itself
    wanted = (parts - parts.mean(2, keepdims=True)) / np.sqrt(parts.var(2, keepdims=True) + 1e-5)
    eight = next(norm for norm in norms if norm.num_channels == 8)
    np.testing.assert_allclose(eight(x).detach().numpy(), wanted.reshape(x.shape), atol=1e-5)


def test_group_norm_knows_no_batch_mates_and_no_modes():
    x = torch.rand(2, 1, 60, 60)
    network, batch = seeded(Variant, SMALL, norm="group"), seeded(Variant, SMALL)
    alone = network.train()(x[:1])
    torch.testing.assert_close(network(x)[:1], alone)
    torch.testing.assert_close(network.eval()(x)[:1], alone)
    assert not torch.allclose(batch.train()(x)[:1], batch(x[:1]), atol=1e-2)


def test_default_initialisation_is_torchs_own():
    """Uniform to 1 / sqrt(N): its standard deviation is sqrt(6) = 2.45 times below He's."""
    config = UNetConfig(base_channels=16, depth=2, up="bilinear")
    ours, he = (seeded(Variant, config, initialise=kind) for kind in ("default", "he"))
    pairs = zip(ours.modules(), he.modules(), strict=True)
    convs = [pair for pair in pairs if isinstance(pair[0], nn.Conv2d)]
    for a, b in convs:
        bound = a.weight[0].numel() ** -0.5
        assert a.weight.abs().max() <= bound and 0 < a.bias.abs().max() <= bound
        assert not b.bias.any()
        if a.weight.numel() > 5000:
            assert (b.weight.std() / a.weight.std()).item() == pytest.approx(6**0.5, rel=0.05)
    assert len(convs) == 13


@pytest.mark.parametrize(
    "choice", EVERY[::5], ids=lambda choice: "-".join(map(str, choice.values()))
)
def test_it_can_be_trained(choice, one_thread):
    """One step through `fit` on real tiles changes every weight that is used."""
    network = seeded(Variant, SMALL, **choice)
    before = [p.clone() for p in network.parameters()]
    tiles = Tiles([em_like(0, size=64)], SMALL, tile=60, per_image=2)
    (row,) = fit(network, tiles, epochs=1, batch_size=2, device="cpu")
    assert np.isfinite(row["loss"])
    moved = [bool((a != b).any()) for a, b in zip(before, network.parameters(), strict=True)]
    assert all(moved)


def test_predict_takes_what_has_the_sizes_of_the_config(one_thread):
    """In tiles as in one piece, also with a GroupNorm, of which nothing can be folded away."""
    image, _ = em_like(0, size=64)
    network = seeded(Variant, SMALL, skips="add").eval()
    whole = np.pad(image, 20, mode="reflect")  # 104, of which 64 remain
    with torch.no_grad():
        wanted = network(torch.from_numpy(whole)[None, None]).softmax(1)[0].numpy()
    np.testing.assert_allclose(predict(network, image, tile=60), wanted, atol=1e-5)
    assert predict(seeded(Variant, SMALL, norm="group"), image).shape == (2, 64, 64)


def test_what_is_refused(refused):
    refused(
        lambda: Variant(SMALL, join="center"),
        ValueError,
        "join",
        "'centre', 'corner', 'pad'",
        "did you mean 'centre'?",
    )
    refused(lambda: Variant(SMALL, skips="Add"), ValueError, "skips", "did you mean 'add'?")
    refused(
        lambda: Variant(SMALL, norm="groups"), ValueError, "None, 'group'", "did you mean 'group'?"
    )
    refused(lambda: Variant(SMALL, initialise="xyz"), ValueError, "'he', 'default', not 'xyz'")
    refused(lambda: Variant(SMALL, join=3), TypeError, "join", "3 (int)")
    refused(lambda: Variant(SMALL, skips=None), TypeError, "skips", "None (NoneType)")
    refused(lambda: Variant(SMALL, initialise=[]), TypeError, "initialise", "list")
    refused(lambda: Variant({}), TypeError, "config must be a UNetConfig")
    plain = UNetConfig(batch_norm=False)
    refused(lambda: Variant(plain, norm="group"), ValueError, "batch_norm=True")
    for width, near in ((6, 4), (3, 4), (15, 12)):
        odd = UNetConfig(base_channels=width, depth=1)
        refused(
            lambda odd=odd: Variant(odd, norm="group"),
            ValueError,
            f"the nearest that works is {near}",
        )
    network = Variant(SMALL, join="pad")
    refused(lambda: network(torch.rand(1, 1, 62, 60)), ValueError, "height 62", "60, 64")
    refused(lambda: network(torch.rand(1, 3, 60, 60)), ValueError, "Variant: 3 channels came")
