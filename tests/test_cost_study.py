"""What notebook 09b says about cost: the stored ratios are whole and say it, the rest is proven."""

import json
import re
from copy import deepcopy

import cost_study
import nbformat
import numpy as np
import pytest
import torch
import torchinfo
from cost_study import OLD, RESULT
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from unet_lesson import UNet, UNetConfig, shapes

STUDY = json.loads(RESULT.read_text("utf-8"))
GROUPS = STUDY["groups"]
NOTEBOOK = nbformat.read(RESULT.parent / "09b_cost.ipynb", as_version=4)
WIDTHS = ("forward, 16 channels", "forward, 64 channels")
AGAIN, STEP = "the same again", "training step, 16 channels"


def ratio(group, way):
    return GROUPS[group]["ratios"][way][1]


def prose():
    return "\n".join(cell.source for cell in NOTEBOOK.cells if cell.cell_type == "markdown")


def names_from(*starts):
    """Run the notebook's own cells that define these, after its imports -> their names."""
    cells = [cell.source for cell in NOTEBOOK.cells if cell.cell_type == "code"]
    chosen = [next(source for source in cells if start in source) for start in starts]
    imports = cells[0].partition("\nstudy = ")[0]
    names = {}
    for source in (imports, *chosen):
        exec(source, names)
    return names


# ---- the file ----------------------------------------------------------------------------------


def test_it_is_what_the_script_would_write():
    assert STUDY["command"] == "python tests/cost_study.py" and STUDY["threads"] == 1
    assert STUDY["rounds"] >= 12
    ways = ["no_grad forgotten", "BatchNorm folded", "channels_last", "folded and channels_last"]
    wanted = {width: [*ways, "bfloat16 autocast"] for width in WIDTHS}
    wanted[STEP] = ["channels_last", "checkpointed"]
    wanted |= {"forward, bilinear, 32 channels": ["1x1 first"]}
    wanted |= {"last upsampling alone": ["1x1 first"]}
    wanted |= {"four 3x3 convolutions": ["depthwise separable"], OLD: ["bfloat16 autocast"]}
    assert {name: list(found["ratios"]) for name, found in GROUPS.items()} == {
        name: [AGAIN, *ways] for name, ways in wanted.items()
    }


def test_every_ratio_is_positive_and_inside_its_spread():
    for found in GROUPS.values():
        for low, middle, high in found["ratios"].values():
            assert 0 < low <= middle <= high


def test_the_machine_was_quiet_enough_for_what_is_said():
    for group in GROUPS:
        assert 0.98 <= round(ratio(group, AGAIN), 2) <= 1.02, f"{group}: up to 2 %, says the prose"


def test_the_shares_of_the_nine_parts_are_whole():
    shares = STUDY["parts"]["share"]
    down, up = [f"contracting {n}" for n in range(1, 6)], [f"expansive {n}" for n in (4, 3, 2, 1)]
    assert list(shares) == down + up  # the notebook pairs them with its own parts in this order
    assert all(0 < low <= middle <= high < 1 for low, middle, high in shares.values())
    assert sum(middle for _, middle, _ in shares.values()) == pytest.approx(1, abs=0.03)


# ---- what the script times ---------------------------------------------------------------------


def test_all_ways_of_a_forward_pass_give_the_same():
    ways = cost_study.forward_ways(4, 1, 64)
    plain = ways.pop("plain")()
    assert ways["no_grad forgotten"]().requires_grad and not plain.requires_grad
    half = ways.pop("bfloat16 autocast")()
    assert half.dtype == torch.bfloat16
    assert (half - plain).abs().max() < 0.3 * plain.std()
    for name, way in ways.items():
        torch.testing.assert_close(way(), plain, rtol=0, atol=1e-4, msg=name)


def test_each_way_changes_what_its_name_says_and_nothing_else():
    changed = {name: way.args[0] for name, way in cost_study.forward_ways(4, 1, 64).items()}
    for name, network in changed.items():
        norms = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
        assert norms == (0 if "folded" in name else 18), name
        weight = network.contracting.blocks[1].layers[0].weight
        order = torch.channels_last if "channels_last" in name else torch.contiguous_format
        assert weight.is_contiguous(memory_format=order), name


def test_the_1x1_convolutions_come_first_and_give_the_same():
    whole, last = cost_study.upsampling_ways(4, 188, 16)
    for ways in (whole, last):
        torch.testing.assert_close(ways["1x1 first"](), ways["plain"](), rtol=1e-4, atol=1e-4)
    assert last["plain"]().shape == (1, 4, 32, 32)


def test_checkpointing_gives_the_same_gradients_and_leaves_the_network_alone(one_thread):
    torch.manual_seed(0)
    network, x = UNet(UNetConfig(base_channels=2, depth=1)), torch.rand(2, 1, 22, 22)
    copy = cost_study.checkpointed(network)
    assert "forward" not in vars(network.contracting.blocks[0])
    for net in (network, copy):
        net(x).square().sum().backward()
    for a, b in zip(network.parameters(), copy.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-4)


def test_ratios_are_to_the_plain_way_of_the_same_round(monkeypatch):
    took = iter((4.0, 4.0, 4.0, 2.0, 2.0, 2.0, 2.0))  # whatever the order: all equal in a round
    monkeypatch.setattr(cost_study, "seconds", lambda action: action())
    assert cost_study.one_round({"plain": lambda: 4.0, "b": lambda: 6.0}, 1) == {"b": 1.5}
    assert cost_study.one_round(dict.fromkeys(("plain", "b", "c"), took.__next__), 0) == {
        "b": 1,
        "c": 1,
    }
    found = cost_study.measure({"group": {"plain": lambda: 2.0, "b": lambda: 1.0}}, rounds=3)
    assert found == {"group": {"b": [0.5, 0.5, 0.5]}}
    assert cost_study.summary([5, 1, 4, 2, 3]) == [2, 3, 4]


def test_every_part_is_timed_once_and_no_hook_is_left():
    network = UNet(UNetConfig.paper(base_channels=1, depth=2)).eval()
    times = cost_study.part_times(network, torch.rand(1, 1, 44, 44))
    down = ["contracting 1", "contracting 2", "contracting 3"]
    assert list(times) == [*down, "expansive 2", "expansive 1"]
    assert min(times.values()) >= 0
    assert not any(module._forward_hooks for module in network.modules())


# ---- what the notebook measures ----------------------------------------------------------------


def test_the_nine_parts_against_the_real_modules():
    """Weights by counting the modules' own, work by torch's counter, memory by autograd's."""
    parts = names_from("parts, level =")["parts"]
    with torch.device("meta"):
        network, x = UNet(UNetConfig.paper()), torch.empty(1, 1, 572, 572)
    with FlopCounterMode(display=False) as counter:
        network(x)
    flops = {name: sum(found.values()) for name, found in counter.get_flop_counts().items()}
    modules = dict(network.named_modules())
    assert len(parts) == 9
    for (level, side), (weights, macs, _) in parts.items():
        name = (
            f"contracting.blocks.{level - 1}" if side == "left" else f"expansive.blocks.{4 - level}"
        )
        together = [name, "head"] if (level, side) == (1, "right") else [name]
        assert weights == sum(p.numel() for at in together for p in modules[at].parameters())
        assert 2 * macs == sum(flops[f"UNet.{at}"] for at in together)
    kept = shapes.activation_bytes(network.config, 572, 572) - 4 * 572 * 572  # less the input
    assert sum(part[2] for part in parts.values()) == kept


def peak_by_profiler(action):
    """MiB that torch's allocator held at most while `action` ran."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        action()
    events = found.profiler.kineto_results.events()
    events = [event for event in events if event.name() == "[memory]"]
    changes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return np.cumsum(changes).max() / 2**20


@pytest.mark.parametrize("way", ["no_grad", "no_grad forgotten", "training step", "checkpointed"])
def test_the_memory_counter_against_torchs_allocator(way, one_thread):
    """The allocator also serves what convolutions use for scratch: here up to 4 MiB more."""
    Memory = names_from("class Memory")["Memory"]
    network, x = UNet(UNetConfig(base_channels=16)), torch.rand(1, 1, 252, 252)
    network = cost_study.checkpointed(network) if way == "checkpointed" else network
    actions = {
        "no_grad": lambda net, x: torch.no_grad()(net.eval())(x),
        "no_grad forgotten": lambda net, x: net.eval()(x),
    }
    action = actions.get(way, lambda net, x: net.train()(x).mean().backward())
    shadow, empty = deepcopy(network).to("meta"), x.to("meta")
    with Memory() as counted:
        action(shadow, empty)
    truth = peak_by_profiler(lambda: action(network, x))
    assert truth - 4 < counted.peak < 1.01 * truth


def test_the_memory_counter_lets_go():
    Memory = names_from("class Memory")["Memory"]
    with Memory() as memory:
        a = torch.empty(2**20, device="meta")  # 4 MiB
        b = a.view(2, -1)  # shares them
        assert memory.now() == 4
        c = b + 1
        del a, b
        assert (memory.now(), memory.peak) == (4, 8)
        del c
        assert memory.now() == 0


def test_the_cell_for_a_graphics_card_runs_on_any_device():
    names = names_from("def of_the_limit")
    config = UNetConfig.padded(base_channels=2, depth=1)
    found = names["of_the_limit"](torch.device("cpu"), config, 1, 16, 64)
    assert found[0] == torch.float32 and all(0 < value < np.inf for value in found[1:])


def test_the_cell_for_the_readers_own_machine_runs(capsys):
    names = names_from("def rate", "class Memory")
    source = next(cell.source for cell in NOTEBOOK.cells if "measure_here = False" in cell.source)
    source = source.replace("measure_here = False", "measure_here = True")
    exec(source.replace("rounds=15", "rounds=1").replace("256, 256", "32, 32"), names)
    assert re.findall(r"[\d.]+ of the plain time", capsys.readouterr().out)[1:]


# ---- what the notebook says --------------------------------------------------------------------


def test_the_notebook_says_what_the_ratios_say():
    narrow, wide = WIDTHS
    for width in WIDTHS:
        assert 0.98 <= ratio(width, "BatchNorm folded") <= 1.02, "no gain that shows"
        assert f"{ratio(width, 'no_grad forgotten') - 1:.0%}" == "7%"
        more = ratio(width, "channels_last") - ratio(width, "folded and channels_last")
        assert 0.02 < more < 0.07, "a few percent more"
    assert 0.78 < ratio(narrow, "channels_last") < 0.84, "about a fifth less"
    assert 0.81 < ratio(STEP, "channels_last") < 0.86, "in training a sixth less"
    assert f"{1 - ratio(wide, 'channels_last'):.0%}" == "6%"
    assert 0.52 < ratio(wide, "bfloat16 autocast") < 0.60, "little more than half"
    assert 2.4 < ratio(OLD, "bfloat16 autocast") < 2.6, "two and a half times"
    assert 1.28 < ratio(STEP, "checkpointed") < 1.40, "a third more"
    assert 0.37 < ratio("last upsampling alone", "1x1 first") < 0.43, "two fifths"
    assert 0.975 < ratio("forward, bilinear, 32 channels", "1x1 first") < 1.025, "noise"
    assert 0.62 < ratio("four 3x3 convolutions", "depthwise separable") < 0.71, "two thirds"


def test_the_readers_own_cell_times_what_the_study_times(capsys):
    names = names_from("def rate", "class Memory")
    source = next(cell.source for cell in NOTEBOOK.cells if "measure_here = False" in cell.source)
    source = source.replace("measure_here = False", "measure_here = True")
    source = source.replace("rounds=15", "rounds=1").replace("return median", "return 1 or median")
    exec(source, names)
    ways = cost_study.convolution_ways()
    plain, changed = (ways[name].args for name in ("plain", "depthwise separable"))
    assert names["x"].shape == plain[1].shape
    for mine, (theirs, _) in ((names["full"], plain), (names["separable"], changed)):
        assert str(mine) == str(theirs)
        assert not any(p.requires_grad for p in mine.parameters())


def test_time_is_spread_over_the_levels_and_the_top_takes_more_than_its_work():
    time = {part: share for part, (_, share, _) in STUDY["parts"]["share"].items()}
    rows = shapes.trace(UNetConfig.paper(), 572, 572)
    top = ("contracting.blocks.0.", "expansive.blocks.3.", "head")
    work = sum(r.macs for r in rows if r.name.startswith(top)) / sum(r.macs for r in rows)
    assert time["contracting 1"] + time["expansive 1"] > 1.3 * work
    assert max(time.values()) < 0.2, "no single part is to blame"


def mib(config, size=572):
    return shapes.activation_bytes(config, size, size) / 2**20


def test_numbers_in_the_prose_that_need_no_clock():
    text = prose()
    paper, blog = UNetConfig.paper(), UNetConfig()
    assert 388**2 // (mib(paper) // mib(paper, 188) * 4**2) == 553 and "553 times" in text
    assert mib(paper) // mib(paper, 380) == 2 and 1.9 < 388**2 / (2 * 196**2) < 2.1
    assert shapes.output_size(paper, 380, 380) == (196, 196) and "twice as many" in text
    assert f"{mib(paper):.0f}, {mib(paper) - 572**2 * 4 / 2**20:.0f}" == "694, 692"
    assert 188**2 == 35_344 and "35,344" in text
    for digits, dtype in ((24, torch.float32), (11, torch.float16), (8, torch.bfloat16)):
        assert torch.finfo(dtype).eps == 2.0 ** (1 - digits)
    assert torch.tensor(3e-8).half() > 0 and torch.tensor(2.9e-8).half() == 0
    for lead, is_zero in ((5.40, False), (5.41, True)):  # of the gradient of a mean
        gradient = torch.tensor(1 / (1 + np.exp(lead)) / 388**2, dtype=torch.float32)
        assert (gradient.half() == 0) == is_zero
    assert torch.backends.cudnn.allow_tf32, "by default"
    assert 1 - 0.9**2 == pytest.approx(0.19) and f"{1 - 0.9**0.5:.4f}" == "0.0513"
    bilinear = UNetConfig.paper(up="bilinear")
    assert f"{mib(bilinear) - mib(paper):.0f}" == "221" and "221 MiB more" in text
    enlarged = sum(2 * c * n * n for c, n in ((512, 56), (256, 104), (128, 200), (64, 392)))
    assert f"{4 * enlarged / 2**20:.0f}" == "147" and "147 are the enlarged map" in text
    weights = [4 * shapes.parameter_count(config) / 2**20 for config in (paper, bilinear)]
    assert f"{weights[0] - weights[1]:.0f}" == "8" and "saves 8 MiB of weights" in text
    rows = shapes.trace(blog, 572, 572)
    four = sum(row.macs for row in rows if row.name.endswith("up.1"))
    assert f"{four / sum(row.macs for row in rows):.0%}" == "4%" and "4 % of its work" in text


def test_numbers_of_the_play_and_the_exercises():
    text, blog = prose(), UNetConfig()
    for config, size, out in ((blog, 572, 388), (blog, 428, 244)):
        assert f"{mib(config, size):.1f} MiB" in text
        assert shapes.output_size(config, size, size) == (out, out)
    for config in (UNetConfig(base_channels=32), UNetConfig(depth=3)):
        assert f"{mib(config):.1f} MiB" in text
        assert 3.9 < shapes.parameter_count(blog) / shapes.parameter_count(config) < 4.1
    assert 282 * 282 * 128 * 9 * 64 == 5_863_145_472
    names = {"shapes": shapes}
    exec(re.search(r"```python\n(def largest_tile.+?)```", text, re.S)[1], names)
    found = [names["largest_tile"](UNetConfig.paper(), most) for most in (300, 1000)]
    assert found == [396, 652]  # as the notebook's cell says
    for tile, most in zip(found, (300, 1000), strict=True):
        assert mib(UNetConfig.paper(), tile) <= most < mib(UNetConfig.paper(), tile + 16)


def test_memory_in_the_prose_is_what_the_cells_print():
    printed = "".join(o.get("text", "") for c in NOTEBOOK.cells for o in c.get("outputs", []))
    peak = dict(re.findall(r"(no_grad|no_grad forgotten|training step): +([\d.]+) MiB", printed))
    assert f"{float(peak['no_grad forgotten']) / float(peak['no_grad']):.1f}" == "3.8"
    kept = dict(re.findall(r"(plain|checkpointed): +([\d.]+) MiB kept", printed))
    most = dict(re.findall(r"(plain|checkpointed): .*, +([\d.]+) MiB at the peak", printed))
    assert peak["no_grad forgotten"] == kept["plain"] == "1352.5" and "147 MiB less" in prose()
    assert float(kept["checkpointed"]) / float(kept["plain"]) == pytest.approx(0.5, abs=0.03)
    assert float(most["checkpointed"]) / float(most["plain"]) == pytest.approx(0.6, abs=0.02)
    assert "level 1: weights 0.6%, MACs 20%, kept 44%" in printed
    assert "level 5: weights 45.6%, MACs 8%, kept 2%" in printed
    blog = UNetConfig()
    rows = shapes.trace(blog, 572, 572)
    top = ("contracting.blocks.0", "expansive.blocks.3", "head")
    kept = sum(shapes.saved_values(blog, row) for row in rows if row.name.startswith(top))
    assert f"{kept / sum(shapes.saved_values(blog, row) for row in rows):.0%}" == "48%"


class Popping(UNet):
    """Takes each map out of the list when it is joined."""

    def forward(self, x):
        features = self.contracting(x)
        x = features.pop()
        for block in self.expansive.blocks:
            x = block(x, features.pop())
        return self.head(x)


def test_memory_in_the_prose_that_no_cell_prints():
    Memory = names_from("class Memory")["Memory"]
    with torch.device("meta"):
        blank, popping, early = torch.empty(1, 1, 572, 572), Popping().eval(), UNet().train()
    early = cost_study.early(early)
    with torch.no_grad(), Memory() as memory:
        popping(blank)
    assert f"{memory.peak:.1f}" == "284.3" and "284.3 MiB" in prose()
    with Memory() as memory:
        result = early(blank)
        assert f"{memory.now():.1f}" == "1205.0" and "1205.0" in prose()
    del result


def test_in_16_bits_little_more_than_half_is_kept(one_thread):
    Memory = names_from("class Memory")["Memory"]
    network, x = UNet(UNetConfig(base_channels=8)).train(), torch.rand(1, 1, 572, 572)
    kept = []
    for enabled in (False, True):
        with Memory() as memory, torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            result = network(x)
            kept.append(memory.now())
        del result
    assert f"{kept[0]:.0f}" == "170" and "keeps 170 MiB" in prose()
    assert 0.5 < kept[1] / kept[0] < 0.56, "little more than half"


def test_torchinfo_multiplies_by_all_four():
    up = nn.ConvTranspose2d(8, 4, 2, stride=2, bias=False)
    with FlopCounterMode(display=False) as counter:
        assert up(torch.rand(1, 8, 10, 10)).shape == (1, 4, 20, 20)
    assert counter.get_total_flops() == 2 * 12_800 and "costs 12,800" in prose()
    theirs = torchinfo.summary(up, input_size=(1, 8, 10, 10), verbose=0)
    assert theirs.total_mult_adds == 51_200 and "says 51,200" in prose()


@pytest.mark.parametrize("channels, times", [(64, "7.9"), (512, "8.8")])
def test_depthwise_separable_against_real_layers(channels, times):
    full = nn.Conv2d(channels, channels, 3)
    depthwise = nn.Conv2d(channels, channels, 3, groups=channels)
    pointwise = nn.Conv2d(channels, channels, 1)
    few = depthwise.weight.numel() + pointwise.weight.numel()
    assert f"{full.weight.numel() / few:.1f}" == times
