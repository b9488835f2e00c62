"""How fast are `predict` and a training step, beside the same-shape networks of others?

    python tests/bench.py [--base 16] [--rounds 15]          (or: make bench)

Everyone takes the batch of 4 x 256 x 256: padded convolutions, BatchNorm, the same widths. The
others run as people run them: `eval()` and `no_grad()`, torch's default memory format, Adam and
cross entropy for a training step. In every round each runs once, in a new order, and each round
gives one ratio; medians over the rounds stay put when the machine is busy at times. The matmul
rate of the same cores, taken in the same rounds, is what a convolution could reach at best.

What differs between the networks, besides names:
  MONAI BasicUNet     the last up-convolution keeps its channels, so the next one reads more
  nnU-Net             halves with the stride of a level's first convolution, LeakyReLU
  smp Unet            an encoder of VGG's kind; nearest upsampling without a convolution, so the
                      next one reads more channels; no skip connection at full resolution
"""

import argparse
import os
import sys
from statistics import median
from time import perf_counter

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from unet_lesson import UNet, UNetConfig
from unet_lesson.objective import weighted_cross_entropy
from unet_lesson.tiling import predict
from unet_lesson.training.loop import train_step

BATCH, SIDE, DEPTH = 4, 256, 4
GOALS = {"predict": 0.60, "training step": 0.75}  # of the fastest peer's time
PACKAGES = "monai dynamic_network_architectures segmentation_models_pytorch"


def ours(widths):
    return UNet(UNetConfig.padded(base_channels=widths[0], depth=len(widths) - 1, up="transpose"))


def monai(widths):
    from monai.networks.nets import BasicUNet

    return BasicUNet(2, 1, 2, (*widths, widths[0]), act="relu", norm="batch")


def nnunet(widths):
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    levels = len(widths)
    return PlainConvUNet(
        input_channels=1,
        n_stages=levels,
        features_per_stage=widths,
        conv_op=nn.Conv2d,
        kernel_sizes=3,
        strides=[1] + [2] * (levels - 1),
        n_conv_per_stage=2,
        num_classes=2,
        n_conv_per_stage_decoder=2,
        conv_bias=True,
        norm_op=nn.BatchNorm2d,
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
    )


def smp(widths):
    import segmentation_models_pytorch
    from segmentation_models_pytorch.encoders import encoders
    from segmentation_models_pytorch.encoders.vgg import VGGEncoder

    layers = [layer for width in widths for layer in (width, width, "M")][:-1]
    given = {"out_channels": list(widths), "config": layers, "batch_norm": True}
    encoders["same widths"] = {"encoder": VGGEncoder, "params": {**given, "init_weights": False}}
    return segmentation_models_pytorch.Unet(
        "same widths",
        encoder_depth=len(widths) - 1,
        encoder_weights=None,
        decoder_channels=widths[-2::-1],
        in_channels=1,
        classes=2,
    )


NETWORKS = {"ours": ours, "MONAI BasicUNet": monai, "nnU-Net PlainConvUNet": nnunet, "smp": smp}


def forward(name, network):
    """The function that is timed as "predict"."""
    images = np.random.default_rng(0).random((BATCH, SIDE, SIDE), np.float32)
    if name == "ours":
        return lambda: [predict(network, image) for image in images]
    x = torch.tensor(images)[:, None]

    @torch.no_grad()
    def run():
        return network(x)

    network.eval()
    return run


def step(name, network):
    """The function that is timed as "training step"."""
    torch.manual_seed(0)
    images, targets = torch.rand(BATCH, 1, SIDE, SIDE), torch.randint(2, (BATCH, SIDE, SIDE))
    batch = images, targets, torch.ones(BATCH, SIDE, SIDE)
    if name == "ours":
        network = network.to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.Adam(network.parameters())
        cpu = torch.device("cpu")
        return lambda: train_step(network, optimizer, batch, weighted_cross_entropy, cpu)
    optimizer, loss = torch.optim.Adam(network.train().parameters()), nn.CrossEntropyLoss()

    def run():
        value = loss(network(images), targets)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value.item()

    return run


def matmul():
    """-> (function, multiplications and additions in one call): the limit of these cores."""
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    return lambda: torch.mm(a, b), 2 * 2048**3


def seconds(action):
    start = perf_counter()
    action()
    return perf_counter() - start


def rounds_of(actions, count):
    """Run all `actions` once a round, in a turning order -> {name: seconds per round}."""
    times, names = {name: [] for name in actions}, list(actions)
    for _ in range(2):  # warm up
        for action in actions.values():
            action()
    for number in range(count):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            times[name].append(seconds(actions[name]))
    return times


def table(what, times, work, limit_work):
    """Print medians, ratios and rates; -> our time as a part of the fastest peer's."""
    limit = limit_work / median(times["matmul"]) / 1e9
    ratios = {
        name: median(a / b for a, b in zip(times["ours"], times[name], strict=True))
        for name in work
    }
    print(f"\n{what:24}{'ms':>8}{'ours / this':>14}{'GFLOP':>8}{'GFLOP/s':>9}{'of limit':>10}")
    for name, flops in work.items():
        time = median(times[name])
        rate = flops / time / 1e9
        print(f"{name:24}{time * 1e3:8.0f}{ratios[name]:14.2f}", end="")
        print(f"{flops / 1e9:8.1f}{rate:9.0f}{rate / limit:10.0%}")
    print(f"{'matmul, the limit':24}{limit:39.0f}{1:10.0%}")
    best = max(ratios[name] for name in work if name != "ours")
    met = "met" if best <= GOALS[what] else "missed"
    print(f"{best:.2f} of the fastest peer's time; the goal is {GOALS[what]:.2f} or less: {met}")


def flops(network):
    """Multiplications and additions of one forward pass over the batch."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.rand(BATCH, 1, SIDE, SIDE))
    return counter.get_total_flops()


def main():
    asked = argparse.ArgumentParser(description="Time predict and a training step beside others.")
    asked.add_argument("--base", type=int, default=16, help="channels at level 1 (default: 16)")
    asked.add_argument("--rounds", type=int, default=15, help="median of so many (default: 15)")
    asked = asked.parse_args()
    widths = [asked.base * 2**level for level in range(DEPTH + 1)]
    try:
        networks = {name: make(widths) for name, make in NETWORKS.items()}
    except ImportError as error:
        sys.exit(f"{error}; the benchmark needs: pip install {PACKAGES}")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, widths {widths},")
    print(f"batch {BATCH} x {SIDE} x {SIDE}, medians of {asked.rounds} rounds")
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5:
        print(f"BUSY: load {os.getloadavg()[0]:.1f} before the start; threads wait for each other")
    work = {name: flops(network) for name, network in networks.items()}
    limit, limit_work = matmul()
    for what, prepare, times in (("predict", forward, 1), ("training step", step, 3)):
        actions = {name: prepare(name, network) for name, network in networks.items()}
        took = rounds_of(actions | {"matmul": limit}, asked.rounds)
        # a step computes each convolution three times: forward, for the input, for the weights
        table(what, took, {name: times * flop for name, flop in work.items()}, limit_work)


if __name__ == "__main__":
    main()
