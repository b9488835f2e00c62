"""The descendants as notebook 09c builds them: attention, 3D, nnU-Net, TransUNet, diffusion."""

import math
from functools import cache

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.losses import DiceLoss
from monai.networks.nets import DiffusionModelUNet, DynUNet
from monai.networks.nets.diffusion_model_unet import DiffusionUNetResnetBlock
from skimage.transform import resize
from test_relatives import from_notebook, printed, solution
from torch import nn

from unet_lesson import UNet, UNetConfig, shapes

META = torch.device("meta")
built = cache(from_notebook)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def fill(network, seed=0):
    torch.manual_seed(seed)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    return network.eval()


# ---- Attention U-Net -------------------------------------------------------------------------


def test_attention_gate_by_hand():
    gate = fill(built("AttentionGate")(2))
    skip, below = torch.rand(1, 2, 4, 6), torch.rand(1, 4, 2, 3)
    w_x, w_g, b_g, psi, b_psi = (p.detach().numpy() for p in gate.parameters())
    x, g = skip[0].numpy(), below[0].numpy()
    coarse = np.zeros((2, 3))
    for i in range(2):
        for j in range(3):
            window = x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            q = [(w_x[c] * window).sum() + (w_g[c, :, 0, 0] * g[:, i, j]).sum() for c in range(2)]
            q = np.maximum(np.array(q) + b_g, 0)
            coarse[i, j] = 1 / (1 + np.exp(-(psi[0, :, 0, 0] @ q + b_psi[0])))
    fine = resize(coarse, (4, 6), order=1, mode="edge", anti_aliasing=False)
    with torch.no_grad():
        np.testing.assert_allclose(gate.coefficients(skip, below)[0, 0], fine, atol=1e-5)
        np.testing.assert_allclose(gate(skip, below)[0], x * fine, atol=1e-5)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_open_gates_give_unet_and_the_top_skip_has_none(batch_norm):
    config = UNetConfig.padded(base_channels=4, depth=3, up="transpose", batch_norm=batch_norm)
    gated, plain = built("AttentionUNet")(config).eval(), UNet(config).eval()
    plain.load_state_dict(gated.state_dict(), strict=False)
    x = torch.rand(2, 1, 32, 48)
    for gate in gated.gates:
        nn.init.zeros_(gate.score.weight)
        nn.init.constant_(gate.score.bias, 50)  # the sigmoid of 50 is 1
    torch.testing.assert_close(gated(x), plain(x))
    for gate in gated.gates:
        nn.init.constant_(gate.score.bias, -50)
    top, *deeper, bottom = plain.contracting(x)
    shut = plain.head(plain.expansive([top, *(0 * skip for skip in deeper), bottom]))
    torch.testing.assert_close(gated(x), shut)


def test_what_the_gates_add():
    config = UNetConfig.padded(up="transpose", batch_norm=False)
    with META:
        gated = built("AttentionUNet")(config)
    added = count(gated) - shapes.parameter_count(config)
    assert added == sum(4 * c * c + (2 * c + 1) * c + c + 1 for c in (512, 256, 128))
    assert f"{added / shapes.parameter_count(config):.1%}" == "6.7%"


# ---- 3D U-Net and V-Net ----------------------------------------------------------------------


def test_3d_unet_meets_the_published_count_and_sizes():
    with META:
        network = built("UNet3d")()
        assert count(network) == 19_069_955  # Cicek et al. 2016, section 2
        assert network(torch.empty(1, 3, 132, 132, 116)).shape == (1, 3, 44, 44, 28)
        small = built("UNet3d")(1, 2, base=2)
        for size in ((92, 100, 108), (100, 92, 92)):
            height, width = shapes.output_size(UNetConfig(depth=3), *size[:2])
            depth, _ = shapes.output_size(UNetConfig(depth=3), size[2], size[2])
            assert small(torch.empty(1, 1, *size)).shape == (1, 2, height, width, depth)


def mirrored(network):
    """Turn every kernel round, so that a network without off-centre crops commutes with it."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
                module.weight.copy_(module.weight.flip(2, 3, 4))
    return network


@pytest.mark.parametrize("name, shape", [("UNet3d", (3, 92, 92, 92)), ("VNet", (1, 16, 32, 16))])
def test_volumes_are_cropped_and_joined_in_the_middle(name, shape):
    network = built(name)(base=2).eval()
    x = torch.rand(1, *shape)
    with torch.no_grad():
        straight = network(x)
        turned = mirrored(network)(x.flip(2, 3, 4)).flip(2, 3, 4)
    assert straight.std() > 0
    torch.testing.assert_close(turned, straight, atol=1e-4, rtol=1e-4)


def test_vnet_keeps_the_size_and_each_stage_adds_its_input():
    stage = built("Stage")(3, 3, 2)
    nn.init.zeros_(stage.layers[-1].weight)
    nn.init.zeros_(stage.layers[-1].bias)
    x = torch.rand(1, 3, 4, 5, 6)
    assert torch.equal(stage(x), x)
    with META:
        network = built("VNet")()
        assert network(torch.empty(1, 1, 64, 128, 128)).shape == (1, 2, 64, 128, 128)
    assert not any(isinstance(module, nn.MaxPool3d) for module in network.modules())
    kernels = [m.kernel_size[0] for m in network.modules() if isinstance(m, nn.Conv3d)]
    assert (kernels.count(5), kernels.count(2), kernels.count(1)) == (21, 4, 1)


def test_receptive_fields_of_vnet_are_those_of_its_table_1():
    network = built("VNet")(base=1).eval()
    for name, parameter in network.named_parameters():
        nn.init.constant_(parameter, 0.02 if "weight" in name else 0)
    x = torch.zeros(1, 1, 16, 16, 416, requires_grad=True)
    maps, fields = x, []
    for level in range(5):
        maps = network.left[level](network.shrink[level - 1](maps) if level else maps)
        middle = maps[0, :, maps.shape[2] // 2, maps.shape[3] // 2, maps.shape[4] // 2].sum()
        seen = torch.autograd.grad(middle, x, retain_graph=True)[0].sum((0, 1, 2, 3)).nonzero()
        fields.append((seen.max() - seen.min() + 1).item())
    assert fields == [5, 22, 72, 172, 372]  # Milletari et al. 2016, table 1


def test_squared_dice_loss_is_monais():
    loss = built("squared_dice_loss")
    p, truth = torch.rand(1, 1, 6, 7, 8), (torch.rand(1, 1, 6, 7, 8) > 0.8).float()
    oracle = DiceLoss(squared_pred=True, smooth_nr=0, smooth_dr=0)
    torch.testing.assert_close(loss(p, truth), oracle(p, truth))


# ---- nnU-Net ---------------------------------------------------------------------------------

DECATHLON = {  # median shape, spacing -> patch, halvings: Isensee et al. 2021, supplement
    "brain": ((138, 169, 138), (1, 1, 1), [128, 128, 128], [5, 5, 5]),
    "heart": ((115, 320, 232), (1.37, 1.25, 1.25), [80, 192, 160], [4, 5, 5]),
    "liver": ((482, 512, 512), (1, 0.77, 0.77), [128, 128, 128], [5, 5, 5]),
    "hippocampus": ((36, 50, 35), (1, 1, 1), [40, 56, 40], [3, 3, 3]),
    "prostate": ((20, 320, 319), (3.6, 0.625, 0.625), [20, 320, 256], [2, 6, 6]),
    "lung": ((252, 512, 512), (1.24, 0.79, 0.79), [80, 192, 160], [4, 5, 5]),
    "pancreas": ((96, 512, 512), (2.5, 0.8, 0.8), [40, 224, 224], [3, 5, 5]),
    "hepatic vessels": ((150, 494, 494), (1.5, 0.8, 0.8), [64, 192, 192], [4, 5, 5]),
    "spleen": ((187, 512, 512), (1.6, 0.79, 0.79), [64, 192, 160], [4, 5, 5]),
}


@pytest.mark.parametrize("name", DECATHLON)
def test_plans_are_the_published_ones(name):
    shape, spacing, patch, halvings = DECATHLON[name]
    ours, levels, _ = built("plan")(shape, spacing)
    assert ours == patch
    assert [sum(axis in axes for axes in levels) for axis in range(3)] == halvings


def test_the_tenth_is_tipped_by_the_input_and_the_score_maps():
    plan, stored = built("plan", "stored")
    patch, levels, _ = plan((150, 512, 512), (3, 0.78, 0.78))  # colon; published: 56, 192, 160
    assert patch == [56, 192, 192]
    scores = sum(2 * math.prod(patch) / 8**level for level in range(3))  # of two classes
    budget = 520e6 * 32 / 30  # the authors' reference value for 30 channels, here 32
    assert stored(patch, levels) < budget < stored(patch, levels) + math.prod(patch) + scores


@pytest.mark.parametrize("name", ["brain", "heart", "prostate"])
def test_stored_values_are_those_of_monais_network(name):
    topology, stored = built("topology", "stored")
    _, spacing, patch, _ = DECATHLON[name]
    levels = topology(patch, spacing)
    strides = [[2 if axis in axes else 1 for axis in range(3)] for axes in levels]
    kernels, filters = (
        [3] * (len(levels) + 1),
        [min(32 * 2**i, 320) for i in range(len(levels) + 1)],
    )
    values = []
    with META:
        network = DynUNet(3, 1, 2, kernels, [[1, 1, 1], *strides], strides, filters=filters)
        for title, module in network.named_modules():
            if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)) and "output" not in title:
                module.register_forward_hook(lambda *given: values.append(given[2].numel()))
        network(torch.empty(1, 1, *patch))
    assert stored(patch, levels) == sum(values)


@settings(max_examples=200, deadline=None)
@given(st.tuples(*[st.integers(1, 300)] * 3), st.tuples(*[st.floats(0.2, 10)] * 3))
def test_halvings_keep_four_voxels_and_wait_for_coarse_axes(shape, spacing):
    sizes, gaps = list(shape), list(spacing)
    for axes in built("topology")(shape, spacing):
        assert axes
        candidates = [i for i in range(3) if sizes[i] >= 8]
        finest = min(gaps[i] for i in candidates)
        for i in range(3):
            assert (i in axes) == (i in candidates and gaps[i] / finest < 2)
        sizes = [math.ceil(n / 2) if i in axes else n for i, n in enumerate(sizes)]
        gaps = [2 * gap if i in axes else gap for i, gap in enumerate(gaps)]
    assert all(4 <= n < 8 or n == whole < 4 for n, whole in zip(sizes, shape, strict=True))


# ---- TransUNet -------------------------------------------------------------------------------


def test_transformer_at_the_bottom_is_vit_base():
    config = UNetConfig.padded(up="transpose", batch_norm=False)
    with META:
        network = built("TransUNet")(config, side=224, width=768, layers=12, heads=12)
        vit = torchvision.models.vit_b_16()
        assert network.tokens(torch.empty(1, 1024, 14, 14)).shape == (1, 196, 768)
        assert network(torch.empty(1, 1, 224, 224)).shape == (1, 2, 224, 224)
    assert count(network.encoder) == count(vit.encoder) - vit.encoder.pos_embedding.numel()
    added = count(network.embed) + network.position.numel() + count(network.encoder)
    assert f"{added / 1e6:.0f}M" == "86M"  # Dosovitskiy et al. 2021, table 1


def test_without_positions_tokens_are_a_set_and_with_them_the_size_is_fixed():
    config = UNetConfig.padded(base_channels=4, depth=2, up="transpose")
    network = built("TransUNet")(config, side=32, width=16, layers=2, heads=4).eval()
    tokens, order = network.tokens(torch.rand(1, 16, 8, 8)), torch.randperm(64)
    with torch.no_grad():
        straight, shuffled = network.encoder(tokens), network.encoder(tokens[:, order])
    torch.testing.assert_close(shuffled, straight[:, order])
    with pytest.raises(RuntimeError, match="must match the size"):
        network(torch.rand(1, 1, 48, 48))


def test_tokens_go_back_to_where_they_came_from():
    config = UNetConfig.padded(base_channels=4, depth=2, up="transpose")
    network = built("TransUNet")(config, side=32, width=16, layers=1, heads=1).eval()
    network.encoder = nn.Identity()
    nn.init.dirac_(network.embed.weight), nn.init.zeros_(network.embed.bias)
    nn.init.dirac_(network.back.weight), nn.init.zeros_(network.back.bias)
    plain = UNet(config).eval()
    plain.load_state_dict(network.state_dict(), strict=False)
    x = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(network(x), plain(x))


# ---- diffusion -------------------------------------------------------------------------------


def test_time_embedding_by_hand():
    embedded = built("time_embedding")(torch.tensor([0.0, 7.0, 999.0]), 6)
    for row, t in zip(embedded, (0, 7, 999), strict=True):
        angles = [t * 1e4**-power for power in (0, 0.5, 1)]
        wanted = [*map(math.sin, angles), *map(math.cos, angles)]
        np.testing.assert_allclose(row, wanted, atol=1e-4)


def test_timed_block_is_monais():
    ours = fill(built("TimedBlock")(32, 64, 16))
    theirs = DiffusionUNetResnetBlock(2, 32, 16, 64, norm_num_groups=32, norm_eps=1e-5).eval()
    parts = {
        "norm1": ours.first[0],
        "conv1.conv": ours.first[2],
        "time_emb_proj": ours.time[1],
        "norm2": ours.second[0],
        "conv2.conv": ours.second[3],
        "skip_connection.conv": ours.shortcut,
    }
    weights = {f"{to}.{k}": v for to, part in parts.items() for k, v in part.state_dict().items()}
    theirs.load_state_dict(weights)
    x, time = torch.rand(2, 32, 6, 7), torch.randn(2, 16)
    torch.testing.assert_close(ours(x, time), theirs(x, time))


def test_attention_of_a_timed_block_by_hand():
    plain, attending = (fill(built("TimedBlock")(32, 32, 8, attention=a)) for a in (False, True))
    plain.load_state_dict(attending.state_dict(), strict=False)
    x, time = torch.rand(1, 32, 3, 4), torch.randn(1, 8)
    with torch.no_grad():
        before, after = plain(x, time), attending(x, time)
        rows = attending.norm(before)[0].reshape(32, 12).T.numpy()
    w, b, w_out, b_out = (p.detach().numpy() for p in attending.attention.parameters())
    q, k, v = np.split(rows @ w.T + b, 3, axis=1)
    scores = np.exp(q @ k.T / math.sqrt(32))
    found = (scores / scores.sum(1, keepdims=True)) @ v @ w_out.T + b_out
    np.testing.assert_allclose(after[0] - before[0], found.T.reshape(32, 3, 4), atol=1e-4)


def test_diffusion_unet_meets_the_published_count_and_monais():
    with META:
        ours = built("DiffusionUNet")()
        theirs = DiffusionModelUNet(
            spatial_dims=2,
            in_channels=3,
            out_channels=3,
            num_res_blocks=(2, 2, 2, 2),
            channels=(128, 256, 256, 256),
            attention_levels=(False, True, False, False),
            norm_num_groups=32,
            num_head_channels=(0, 256, 0, 256),
        )
        assert ours(torch.empty(2, 3, 32, 32), torch.empty(2)).shape == (2, 3, 32, 32)
    assert f"{count(ours) / 1e6:.1f}" == "35.7"  # Ho et al. 2020, appendix B
    assert count(ours) == count(theirs)


def test_attention_is_at_16_pixels_and_at_the_bottom_and_every_block_has_a_skip():
    sizes, joined = [], []
    with META:
        network = built("DiffusionUNet")()
        for module in network.modules():
            if isinstance(module, nn.MultiheadAttention):
                module.register_forward_hook(lambda *given: sizes.append(given[2][0].shape[1]))
        for block in network.up:
            block.register_forward_hook(lambda *given: joined.append(given[1][0].shape[1]))
        network(torch.empty(1, 3, 32, 32), torch.empty(1))
    assert sizes == [256, 256, 16, 256, 256, 256]
    assert joined == [*[512] * 8, 384, 384, 256, 256]


def test_the_step_and_nothing_else_moves_the_answer():
    network = fill(built("DiffusionUNet")(base=32))
    x = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        answers = [network(x, torch.full((2,), t)) for t in (10.0, 10.0, 900.0)]
    assert torch.equal(answers[0], answers[1])
    assert (answers[0] - answers[2]).std() > 0.01 * answers[0].std()


def test_what_the_notebook_prints_and_the_solution_of_its_exercise():
    for number in ("6.7%", "19,069,955", "[20, 320, 256]", "85,993,728", "35,746,307"):
        assert number in printed()
    target_spacing = solution("target_spacing")
    target_spacing.__globals__["np"] = np
    spacings = np.array([[2.0, 9], [2, 8], [1, 3], [2, 9]])[:, [0, 1, 0]]  # the second is coarse
    flat, deep = np.array([[90, 20, 99]] * 4), np.array([[90, 40, 99]] * 4)
    np.testing.assert_allclose(target_spacing(spacings, flat), [2, 3 + 0.3 * 5, 2])
    np.testing.assert_allclose(target_spacing(spacings, deep), [2, 8.5, 2])
    np.testing.assert_allclose(target_spacing(spacings[:, [0, 0, 0]], flat), [2, 2, 2])
