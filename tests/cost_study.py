"""What saves time, as ratios: `make cost-study`. Notebook 09b draws what this writes.

    python tests/cost_study.py [--rounds 12]        (or: make cost-study)

In every round each way of doing a thing runs once, in a random order, and each round gives one
ratio to the plain way of the same round. What is kept is the median of these ratios and the two
quartiles. The plain way runs twice a round: "the same again" says how noisy the machine is.
One thread, and its processor time, so that other programs on the machine disturb little. The way
without bfloat16 instructions runs in a process of its own, in which oneDNN, the library behind
torch's convolutions, is told to leave them alone. About three minutes on a quiet machine.
"""

import argparse
import json
import os
import subprocess
import sys
from copy import deepcopy
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from unet_lesson import DoubleConv, UNet, UNetConfig
from unet_lesson.objective import weighted_cross_entropy
from unet_lesson.tiling import fastest

RESULT = Path(__file__).parent.parent / "notebooks" / "cost_study.json"
OLDER = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}  # one step below the instructions for bfloat16
OLD = "forward, 64 channels, no bfloat16 instructions"
CPU = torch.device("cpu")

# ---- the ways of doing a thing: functions without arguments, by name -------------------------


@torch.no_grad()
def forward(network, x):
    return network(x)


def graph_kept(network, x):
    return network(x)


@torch.no_grad()
def autocast(network, x):
    with torch.autocast("cpu", torch.bfloat16):
        return network(x)


def padded(base, images, side):
    """A padded network with BatchNorm in eval mode, and a batch."""
    torch.manual_seed(0)
    config = UNetConfig.padded(base_channels=base, up="transpose")
    return UNet(config).eval(), torch.rand(images, 1, side, side)


def forward_ways(base, images, side):
    network, x = padded(base, images, side)
    both = fastest(network, CPU)
    folded = deepcopy(both).to(memory_format=torch.contiguous_format)
    nhwc = deepcopy(network).to(memory_format=torch.channels_last)
    return {
        "plain": partial(forward, network, x),
        "the same again": partial(forward, network, x),
        "no_grad forgotten": partial(graph_kept, network, x),
        "BatchNorm folded": partial(forward, folded, x),
        "channels_last": partial(forward, nhwc, x),
        "folded and channels_last": partial(forward, both, x),
        "bfloat16 autocast": partial(autocast, network, x),
    }


def wide_ways():
    return forward_ways(64, 1, 192)


def checkpointed(network):
    """A copy whose DoubleConvs keep only their input and run again in the backward pass."""
    network = deepcopy(network)
    for block in network.modules():
        if isinstance(block, DoubleConv):
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    return network


def step_ways():
    network, x = padded(16, 1, 256)
    network.train()
    target = torch.randint(2, (1, 256, 256))

    def step(network):
        network.zero_grad()
        weighted_cross_entropy(network(x), target).backward()

    return {
        "plain": partial(step, network),
        "the same again": partial(step, network),
        "channels_last": partial(step, deepcopy(network).to(memory_format=torch.channels_last)),
        "checkpointed": partial(step, checkpointed(network)),
    }


def early(network):
    """A copy that convolves 1x1 before it enlarges."""
    network = deepcopy(network)
    for block in network.expansive.blocks:
        enlarge, conv, relu = block.up
        block.up = nn.Sequential(conv, enlarge, relu)
    return network


def upsampling_ways(base, side, below):
    """The whole of the blog's network, and its last upsampling alone."""
    torch.manual_seed(0)
    network, x = UNet(UNetConfig.blog(base_channels=base)).eval(), torch.rand(1, 1, side, side)
    below = torch.rand(1, 2 * base, below, below)
    last, last_early = (net.expansive.blocks[-1].up for net in (network, early(network)))
    return {
        "plain": partial(forward, network, x),
        "the same again": partial(forward, network, x),
        "1x1 first": partial(forward, early(network), x),
    }, {
        "plain": partial(forward, last, below),
        "the same again": partial(forward, last, below),
        "1x1 first": partial(forward, last_early, below),
    }


def convolution_ways():
    torch.manual_seed(0)
    x, conv = torch.rand(1, 64, 256, 256), nn.Conv2d(64, 64, 3, padding=1)
    separable = nn.Conv2d(64, 64, 3, padding=1, groups=64), nn.Conv2d(64, 64, 1)
    plain, changed = nn.Sequential(*[conv] * 4), nn.Sequential(*separable * 4)
    return {
        "plain": partial(forward, plain, x),
        "the same again": partial(forward, plain, x),
        "depthwise separable": partial(forward, changed, x),
    }


def groups():
    """-> {name: (what is timed, its ways)}, the network and its size in words."""
    whole, last = upsampling_ways(32, 284, 96)
    valid = "valid, BatchNorm, bilinear"
    return {
        "forward, 16 channels": ("1 x 1 x 256 x 256, padded, BatchNorm", forward_ways(16, 1, 256)),
        "forward, 64 channels": ("1 x 1 x 192 x 192, padded, BatchNorm", wide_ways()),
        "training step, 16 channels": ("1 x 1 x 256 x 256, padded, BatchNorm", step_ways()),
        "forward, bilinear, 32 channels": (f"1 x 1 x 284 x 284, {valid}", whole),
        "last upsampling alone": ("1 x 64 x 96 x 96, bilinear, 1x1 convolution, ReLU", last),
        "four 3x3 convolutions": ("1 x 64 x 256 x 256, 64 to 64 channels", convolution_ways()),
    }


# ---- the clock -------------------------------------------------------------------------------


def seconds(action):
    start = process_time()
    action()
    return process_time() - start


def one_round(ways, number):
    """Run each way once, in an order of its own -> {name: time / time of the plain way}."""
    names = np.random.default_rng(number).permutation(list(ways)).tolist()
    took = {name: seconds(ways[name]) for name in names}
    return {name: took[name] / took["plain"] for name in ways if name != "plain"}


def summary(values):
    """[lower quartile, median, upper quartile]"""
    return [round(float(q), 3) for q in np.quantile(values, (0.25, 0.5, 0.75))]


def measure(work, rounds):
    """All groups in turn, so many rounds -> {group: {way: [ratio of each round]}}."""
    found = {name: {way: [] for way in ways if way != "plain"} for name, ways in work.items()}
    for ways in work.values():  # warm up
        one_round(ways, 0)
    for number in range(rounds):
        for name, ways in work.items():
            for way, ratio in one_round(ways, number).items():
                found[name][way].append(ratio)
    return found


# ---- level by level --------------------------------------------------------------------------


def part_times(network, x):
    """Seconds from the end of one part of the U to the end of the next -> {part: seconds}."""
    depth, ends = network.config.depth, []
    down = {f"contracting {i}": block for i, block in enumerate(network.contracting.blocks, 1)}
    ups = zip(range(depth, 0, -1), network.expansive.blocks, strict=True)
    parts = down | {f"expansive {level}": block for level, block in ups}
    hooks = [
        block.register_forward_hook(lambda *_: ends.append(process_time()))
        for block in parts.values()
    ]
    start = process_time()
    forward(network, x)
    for hook in hooks:
        hook.remove()
    return dict(zip(parts, np.diff([start, *ends]).tolist(), strict=True))


def part_shares(rounds):
    """Share of the forward pass's time in each part of the paper's network -> {part: quartiles}"""
    network, x = UNet(UNetConfig.paper()).eval(), torch.rand(1, 1, 572, 572)
    part_times(network, x)
    runs = [part_times(network, x) for _ in range(rounds)]
    shares = {part: [run[part] / sum(run.values()) for run in runs] for part in runs[0]}
    return {part: summary(values) for part, values in shares.items()}


# ---- the command -----------------------------------------------------------------------------


def without_instructions(rounds):
    """bfloat16 at 64 channels in a process that may not use the instructions for it."""
    command = [sys.executable, __file__, "--rounds", str(rounds), "--older"]
    run = subprocess.run(command, env={**os.environ, **OLDER}, check=True, stdout=subprocess.PIPE)
    return json.loads(run.stdout)


def main():
    asked = argparse.ArgumentParser(description="Measure what notebook 09b says about time.")
    asked.add_argument("--rounds", type=int, default=12, help="median of so many (default: 12)")
    asked.add_argument("--older", action="store_true", help=argparse.SUPPRESS)
    asked = asked.parse_args()
    torch.set_num_threads(1)
    if asked.older:
        names = ("plain", "the same again", "bfloat16 autocast")
        ways = {name: way for name, way in wide_ways().items() if name in names}
        print(json.dumps(measure({"older": ways}, asked.rounds)["older"]))
        return
    result = {
        "command": "python tests/cost_study.py",
        "torch": torch.__version__.split("+")[0],
        "threads": torch.get_num_threads(),
        "rounds": asked.rounds,
        "bfloat16 instructions": bool(torch.cpu.get_capabilities().get("avx512_bf16", False)),
    }
    parts = part_shares(asked.rounds // 3)
    what = "the paper's network, forward, 1 x 1 x 572 x 572, without gradients"
    result["parts"] = {"what": what, "share": parts}
    work = groups()
    older = without_instructions(asked.rounds)
    found = measure({name: ways for name, (_, ways) in work.items()}, asked.rounds)
    sizes = {name: size for name, (size, _) in work.items()}
    found[OLD] = older
    sizes[OLD] = sizes["forward, 64 channels"]
    result["groups"] = {
        name: {
            "size": sizes[name],
            "ratios": {way: summary(values) for way, values in ratios.items()},
        }
        for name, ratios in found.items()
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    for name, group in result["groups"].items():
        print(f"{name} ({group['size']})")
        for way, (low, ratio, high) in group["ratios"].items():
            print(f"    {way:25}{ratio:6.2f}  ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
