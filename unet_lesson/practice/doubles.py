"""The exercise on DoubleConv, and how a double convolution is recognised by what it computes."""

import torch
import torch.nn.functional as F
from torch import nn

from unet_lesson.practice.learner import Wrong, close, run, tensor
from unet_lesson.practice.probe import (
    build,
    check_axes,
    check_module,
    check_registered,
    find_kernels,
    kernels,
    try_run,
    unused,
)
from unet_lesson.practice.report import exercise

# One stage as letters, in the order in which they are computed: C convolution, B BatchNorm, R ReLU.
STEPS = {
    "C": F.conv2d,
    "B": lambda x, _: F.batch_norm(x, None, None, training=True),
    "R": lambda x, _: F.relu(x),
    "I": lambda x, _: F.instance_norm(x),
    "G": lambda x, _: F.group_norm(x, 1),
    "L": lambda x, _: F.leaky_relu(x, 0.01),
    "M": lambda x, _: F.leaky_relu(x, 0.2),
    "P": lambda x, _: F.leaky_relu(x, 0.25),
    "E": lambda x, _: F.elu(x),
    "U": lambda x, _: F.gelu(x),
    "W": lambda x, _: F.silu(x),
    "S": lambda x, _: torch.sigmoid(x),
    "T": lambda x, _: torch.tanh(x),
    "F": lambda x, _: F.softplus(x),
    "H": lambda x, _: F.mish(x),
}
ACTIVATIONS = "LMPEUWSTFH"  # all but ReLU


def double(x, weights, order="CBR CBR"):
    """Two stages in the order given: (N, in, H, W) -> (N, out, H - 4, W - 4)."""
    for weight, steps in zip(weights, order.split(), strict=True):
        for step in steps:
            x = STEPS[step](x, weight)
    return x


ORDERS = {  # key -> (orders that have this mistake, likely)
    "only_convolutions": (["C C"], "BatchNorm and ReLU are missing behind both convolutions."),
    "relu_missing": (["CB CB"], "There is no ReLU. Without one, two convolutions are one."),
    "relu_missing_at_end": (
        ["CBR CB", "CR C"],
        "The ReLU behind the second convolution is missing.",
    ),
    "relu_missing_between": (["CB CBR"], "The ReLU behind the first convolution is missing."),
    "batch_norm_missing": (["CR CR"], "There is no BatchNorm between convolution and ReLU."),
    "batch_norm_missing_at_end": (
        ["CBR CR", "CBR C"],
        "The BatchNorm behind the second convolution is missing.",
    ),
    "batch_norm_missing_between": (
        ["CR CBR"],
        "The BatchNorm behind the first convolution is missing.",
    ),
    "relu_before_batch_norm": (
        ["CRB CRB", "CRB CBR", "CBR CRB", "CR CRB"],
        "ReLU and BatchNorm are swapped. The order is convolution, BatchNorm, ReLU.",
    ),
    "convolution_last": (
        ["BRC BRC", "BCR BCR", "RBC RBC", "RC RC", "RCB RCB", "BC BC"],
        "The convolution comes too late. The order is convolution, BatchNorm, ReLU.",
    ),
    "convolutions_together": (
        ["C CBR", "C CRB", "C CR"],
        "BatchNorm and ReLU come once, behind both. Each convolution has its own.",
    ),
    "other_normalisation": (
        ["CIR CIR", "CGR CGR"],
        "This is no BatchNorm: it takes the mean over one image, not over the batch.",
    ),
    "other_activation": (
        [
            *(f"CB{letter} CB{letter}" for letter in ACTIVATIONS),
            *(o for a in ACTIVATIONS for o in (f"CBR CB{a}", f"CB{a} CBR")),
        ],
        "The activation is no ReLU: max(0, x), so that nothing negative is left.",
    ),
}


def check_double(x, got, weights, *, plain=False):
    """The order that gives `got` out of x with these weights, or Wrong.

    plain: without any BatchNorm is right as well, as in the paper.
    """
    right = ["CBR CBR", *(["CR CR"] if plain else [])]
    for order in right:
        if close(got, double(x, weights, order), 0.01):
            return order
    key, likely = recognise(lambda order: close(got, double(x, weights, order), 0.01))
    wanted = double(x, weights).flatten()
    at = int((got.detach().flatten() - wanted).abs().argmax())
    fails = (
        f"With your own weights, the reference gives {wanted[at]:.3f} where yours gives "
        f"{got.flatten()[at]:.3f} (train mode, shape {tuple(got.shape)})."
    )
    raise Wrong(key, fails, likely)


def recognise(matches):
    """(key, likely) of the mistake with an order that matches, or of no known one."""
    for key, (orders, likely) in ORDERS.items():
        if any(matches(order) for order in orders if order.count("C") == 2):
            return key, likely
    return "wrong_values", "Convolution, BatchNorm, ReLU, and the same once more; nothing else."


# ---- the exercise -----------------------------------------------------------------------------


@exercise(
    "double_conv(in_channels, out_channels)", "01_double_conv", level=1, minutes=10, wants="class"
)
def judge_double_conv(learner):
    """Write the block of the network: twice a valid 3x3 convolution, BatchNorm and ReLU.

    A class, an nn.Module: (N, in_channels, H, W) -> (N, out_channels, H - 4, W - 4). The first
    convolution changes the number of channels. A bias or none, as you like.
    """
    for channels in ((2, 6), (4, 4), (5, 4)):
        module, x = build(learner, *channels), torch.randn(2, channels[0], 12, 15)
        got, failed = attempt(module, x)
        check_layers(module, x, *channels, got)
        if failed:
            raise failed
        check_shape(x, got, channels[1])
        yield f"{channels[0]} to {channels[1]} channels: two 3x3 convolutions, and the shape"

    def values(got):
        weights = find_kernels(module, double_shapes(5, 4))
        check_double(x, got, weights)
        return lambda x: [double(x, weights)]

    x = 1 + 3 * torch.randn(6, 5, 14, 11)
    yield from check_module(module, lambda m, x: [run(m, x)], values, x)


def attempt(module, *inputs):
    """(tensor, None), or (None, Wrong) if it raises."""
    got, failed = try_run(module, *inputs)
    return got if failed else tensor(got), failed


def double_shapes(into, out):
    """The shapes of its two weights."""
    return [(out, into, 3, 3), (out, out, 3, 3)]


def check_layers(module, x, into, out, got):
    """Raise Wrong unless there are just the weights of two 3x3 convolutions."""
    check_registered(module, x)
    have = [tuple(p.shape) for p in kernels(module)]
    if find_kernels(module, double_shapes(into, out)) and len(have) == 2:
        layers = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
        if len(layers) > 2:
            fails = f"There are {len(layers)} BatchNorms behind two convolutions."
            raise Wrong("batch_norm_twice", fails, "One BatchNorm behind each convolution.")
        return
    fails = f"The weights must be of shape {double_shapes(into, out)}, and yours are {have}"
    fails += f" (the result: {tuple(got.shape)})." if got is not None else "."
    spare = unused(module, x)
    if got is not None and spare and len(have) - len(spare) == 2:
        likely = "A layer is never used. Delete it: its weights would never learn."
        raise Wrong("too_many_convolutions", fails, likely)
    raise Wrong(*layer_mistake(have, into, out, fails))


def layer_mistake(have, into, out, fails):
    """Key, example and likely mistake for weights of other shapes."""
    square = [shape for shape in have if len(shape) == 4]
    if not have:
        return (
            "not_registered",
            fails,
            "No weights are found. Layers belong in self or a Sequential.",
        )
    if any(shape[2:] != (3, 3) for shape in square):
        return "kernel_size", fails, "Both kernels are 3x3: nn.Conv2d(..., ..., 3)."
    if len(square) == 1:
        return "one_convolution", fails, "There is only one convolution."
    if len(square) > 2:
        return "too_many_convolutions", fails, "There are two convolutions, no more."
    if have == [(into, into, 3, 3), (out, into, 3, 3)]:
        return "channels_changed_late", fails, "The first convolution changes the channels."
    if have == [(out, into, 3, 3)] * 2:
        return "second_takes_input", fails, "The second convolution takes what the first gives."
    return "wrong_channels", fails, "From in_channels to out_channels, then out to out."


def check_shape(x, got, out):
    """Raise Wrong unless the shape is (N, out_channels, H - 4, W - 4)."""
    n, _, height, width = x.shape
    wanted = (n, out, height - 4, width - 4)
    if got.shape == wanted:
        return
    fails = f"{tuple(x.shape)} must become {wanted}, and yours becomes {tuple(got.shape)}."
    check_axes(got, wanted, fails)
    lost = (height - got.shape[2], width - got.shape[3]) if got.dim() == 4 else None
    told = {
        (0, 0): ("padded", "You pad. Valid convolutions take one pixel from each side: padding 0."),
        (2, 2): ("padded_once", "One of the two convolutions pads. Both are valid: padding 0."),
        (-4, -4): ("padded_too_much", "You pad, and by 2. Valid convolutions have padding 0."),
    }
    pooled = (height - (height - 4) // 2, width - (width - 4) // 2)
    told[pooled] = ("pooled", "The pooling is no part of the block.")
    key, likely = told.get(lost, ("wrong_shape", "Two valid 3x3 convolutions of step 1 take 4."))
    raise Wrong(key, fails, likely)
