"""Wrong and right ways to write DoubleConv."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

import unet_lesson

LAYERS = {
    "C": lambda a, b, **conv: nn.Conv2d(a, b, 3, **conv),
    "B": lambda a, b, **conv: nn.BatchNorm2d(a),
    "R": lambda a, b, **conv: nn.ReLU(),
    "D": lambda a, b, **conv: nn.Dropout(0.2),
    "I": lambda a, b, **conv: nn.InstanceNorm2d(a),
    "G": lambda a, b, **conv: nn.GroupNorm(1, a),
    "L": lambda a, b, **conv: nn.LeakyReLU(),
    "S": lambda a, b, **conv: nn.Sigmoid(),
    "E": lambda a, b, **conv: nn.ELU(),
    "P": lambda a, b, **conv: nn.MaxPool2d(2),
}


def layers(letters, a, b, **conv):
    """The layers with these letters, from a to b channels."""
    made = []
    for letter in letters:
        made.append(LAYERS[letter](a, b, **conv))
        a = b if letter == "C" else a
    return made


def row(letters, **conv):
    """A function that builds these layers one behind the other."""
    return lambda a, b: nn.Sequential(*layers(letters, a, b, **conv))


class Block(nn.Module):
    """The right one, in the longest way; the wrong ones below change a part."""

    def __init__(self, a, b):
        super().__init__()
        self.conv1 = nn.Conv2d(a, b, 3)
        self.bn1 = nn.BatchNorm2d(b)
        self.conv2 = nn.Conv2d(b, b, 3)
        self.bn2 = nn.BatchNorm2d(b)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)))


class OneBatchNorm(Block):
    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn1(self.conv2(x)))


class OneConvolution(Block):
    def forward(self, x):
        x = torch.relu(self.bn1(F.conv2d(x, self.conv1.weight)))
        x = F.conv2d(x, self.conv1.weight.repeat(1, 9, 1, 1)[:, : x.shape[1]])
        return torch.relu(self.bn2(x))


class SharedWhereItFits(Block):
    """Takes one convolution twice where the channels allow it."""

    def __init__(self, a, b):
        super().__init__(a, b)
        if a == b:
            self.conv2 = self.conv1


class PlainList(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.layers = layers("CBRCBR", a, b)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class HalfList(nn.Module):
    """Only the normalisations are hidden in a list."""

    def __init__(self, a, b):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(a, b, 3), nn.Conv2d(b, b, 3)])
        self.norms = [nn.BatchNorm2d(b), nn.BatchNorm2d(b)]

    def forward(self, x):
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(conv(x)).relu()
        return x


class MadeInForward(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x):
        return nn.Sequential(*layers("CBRCBR", self.a, self.b))(x)


class BatchOfNorms(Block):
    """BatchNorm with the channels of the wrong map."""

    def __init__(self, a, b):
        super().__init__(a, b)
        self.bn1 = nn.BatchNorm2d(a)


class LayerOfMap(Block):
    def forward(self, x):
        return torch.relu(self.bn2(self.conv2(nn.ReLU(self.bn1(self.conv1(x))))))


def list_of_layers(a, b):
    return nn.Sequential(layers("CBRCBR", a, b))


class NoBrackets(Block):
    def __init__(self, a, b):
        super.__init__()


class OneUnderscore(nn.Module):
    def _init_(self, a, b):
        super().__init__()

    forward = Block.forward


class Detached(Block):
    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x))).detach()
        return torch.relu(self.bn2(self.conv2(x)))


class NoGrad(Block):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


class AlwaysTrain(Block):
    def forward(self, x):
        for conv, bn in ((self.conv1, self.bn1), (self.conv2, self.bn2)):
            x = conv(x)
            x = F.batch_norm(x, None, None, bn.weight, bn.bias, training=True).relu()
        return x


class NoReturn(Block):
    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        torch.relu(self.bn2(self.conv2(x)))


class NoForward(Block):
    forward = nn.Module.forward

    def froward(self, x):
        return x


class NoSuper(nn.Module):
    def __init__(self, a, b):
        self.layers = nn.Sequential(*layers("CBRCBR", a, b))


class NoSuperNoLayers(nn.Module):
    def __init__(self, a, b):
        self.layers = layers("CBRCBR", a, b)

    def forward(self, x):
        return x


class NoModule:
    def __init__(self, a, b):
        self.block = nn.Sequential(*layers("CBRCBR", a, b))

    def __call__(self, x):
        return self.block(x)


class Residual(Block):
    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y))) + y[:, :, 1:-1, 1:-1]


class SecondFromInput(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(a, b, 3), nn.Conv2d(a, b, 3)
        self.bn1, self.bn2 = nn.BatchNorm2d(b), nn.BatchNorm2d(b)

    forward = Block.forward


class Unused(Block):
    """Has a layer too many, which it never calls."""

    def __init__(self, a, b):
        super().__init__(a, b)
        self.conv3 = nn.Conv2d(b, b, 3)


class Unused5(Block):
    def __init__(self, a, b):
        super().__init__(a, b)
        self.old = nn.Conv2d(a, b, 5)


def result(change):
    """The right block with something done to what it returns."""
    return type("Changed", (Block,), {"forward": lambda self, x: change(Block.forward(self, x), x)})


class Misspelt(Block):
    def forward(self, x):
        return super().forward(self.conv3(x))


class Stub(nn.Module):
    """To be written."""

    def __init__(self, in_channels, out_channels):
        super().__init__()

    def forward(self, x):
        raise NotImplementedError


class StubInit(Block):
    def forward(self, x): ...


# ---- right ones -------------------------------------------------------------------------------


class Functional(nn.Module):
    """Holds every weight itself."""

    def __init__(self, a, b):
        super().__init__()
        self.w2 = nn.Parameter(torch.randn(b, b, 3, 3) / 10)
        self.w1 = nn.Parameter(torch.randn(b, a, 3, 3) / 10)
        self.gamma = nn.ParameterList(torch.ones(b) for _ in range(2))
        self.beta = nn.ParameterList(torch.zeros(b) for _ in range(2))
        for i in range(2):
            self.register_buffer(f"mean{i}", torch.zeros(b))
            self.register_buffer(f"var{i}", torch.ones(b))

    def forward(self, x):
        for i, w in enumerate((self.w1, self.w2)):
            x = F.conv2d(x, w)
            running = getattr(self, f"mean{i}"), getattr(self, f"var{i}")
            x = F.batch_norm(x, *running, self.gamma[i], self.beta[i], self.training).clamp(min=0)
        return x


class Einsum(Block):
    """Convolves by hand."""

    def convolve(self, x, conv):
        patches = x.unfold(2, 3, 1).unfold(3, 3, 1)  # (N, C, H - 2, W - 2, 3, 3)
        out = torch.einsum("nchwij,ocij->nohw", patches, conv.weight)
        return out + conv.bias[:, None, None]

    def forward(self, x):
        x = self.bn1(self.convolve(x, self.conv1)).maximum(torch.zeros(()))
        x = self.bn2(self.convolve(x, self.conv2))
        return x * (x > 0)


class Unfolded(nn.Module):
    """Convolutions as matrix products, with weights (out, in * 9)."""

    def __init__(self, a, b):
        super().__init__()
        self.linear = nn.ModuleList([nn.Linear(9 * a, b, bias=False), nn.Linear(9 * b, b)])
        self.norm = nn.ModuleList([nn.BatchNorm2d(b), nn.BatchNorm2d(b)])

    def forward(self, x):
        for linear, norm in zip(self.linear, self.norm, strict=True):
            height, width = x.shape[2] - 2, x.shape[3] - 2
            x = linear(F.unfold(x, 3).mT).mT.unflatten(2, (height, width))
            x = F.relu(norm(x), inplace=True)
        return x


class Inherits(unet_lesson.DoubleConv):
    pass


class Lazy(nn.Sequential):
    def __init__(self, a, b):
        super().__init__(
            *(nn.LazyConv2d(b, 3, bias=False), nn.LazyBatchNorm2d(), nn.ReLU(True)),
            *(nn.LazyConv2d(b, 3), nn.LazyBatchNorm2d(eps=1e-3, momentum=0.01), nn.ReLU(True)),
        )


class Halves(nn.Module):
    """Two blocks of one convolution, and a normalisation that starts elsewhere."""

    def __init__(self, a, b):
        super().__init__()
        self.parts = nn.ModuleDict({"one": row("CBR")(a, b), "two": row("CBR", bias=False)(b, b)})
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1, 0.02)
                nn.init.constant_(module.bias, 0.1)

    def forward(self, x):
        return self.parts["two"](self.parts["one"](x))


class InDouble(nn.Module):
    """Computes in float64."""

    def __init__(self, a, b):
        super().__init__()
        self.layers = unet_lesson.DoubleConv(a, b).double()

    def forward(self, x):
        return self.layers(x.double()).float()


WRONG = {
    "padded": [row("CBRCBR", padding=1), row("CBRCBR", padding="same")],
    "padded_once": [
        lambda a, b: nn.Sequential(*layers("CBR", a, b, padding=1), *layers("CBR", b, b))
    ],
    "padded_too_much": [row("CBRCBR", padding=2)],
    "pooled": [row("CBRCBRP")],
    "relu_missing": [row("CBCB")],
    "relu_missing_at_end": [row("CBRCB")],
    "relu_missing_between": [row("CBCBR")],
    "batch_norm_missing": [row("CRCR")],
    "batch_norm_missing_at_end": [row("CBRCR")],
    "batch_norm_missing_between": [row("CRCBR")],
    "batch_norm_twice": [row("CBBRCBBR"), row("CBRCBRB"), row("CBRBCBR")],
    "relu_before_batch_norm": [row("CRBCRB"), row("CBRCRB")],
    "convolution_last": [row("BRCBRC"), row("BCRBCR"), row("BRCBRC", bias=False)],
    "convolutions_together": [row("CCBR"), row("CCRB")],
    "only_convolutions": [row("CC")],
    "other_normalisation": [row("CIRCIR"), row("CGRCGR")],
    "other_activation": [row("CBLCBL"), row("CBECBE"), row("CBSCBS")],
    "random_output": [row("CBRDCBR"), row("CBRCBRD")],
    "kernel_size": [
        lambda a, b: nn.Sequential(nn.Conv2d(a, b, 5), nn.BatchNorm2d(b), nn.ReLU()),
        lambda a, b: nn.Sequential(*layers("CBRCBR", a, b), nn.Conv2d(b, b, 1)),
    ],
    "one_convolution": [row("CBR")],
    "too_many_convolutions": [row("CBRCBRCBR"), Unused, Unused5],
    "channels_changed_late": [
        lambda a, b: nn.Sequential(*layers("CBR", a, a), *layers("CBR", a, b))
    ],
    "second_takes_input": [SecondFromInput],
    "wrong_channels": [lambda a, b: row("CBRCBR")(b, a), lambda a, b: row("CBRCBR")(a, 64)],
    "wrong_shape": [row("CBRCBR", stride=2), row("CBRCBR", dilation=2)],
    "shared_weights": [SharedWhereItFits],
    "shared_batch_norm": [OneBatchNorm],
    "not_registered": [PlainList, HalfList],
    "made_in_forward": [MadeInForward],
    "batch_lost": [result(lambda y, x: y.squeeze()), result(lambda y, x: y[0])],
    "axes_moved": [result(lambda y, x: y.permute(0, 2, 3, 1))],
    "wrong_values": [Residual],
    "gradient_stops": [Detached, NoGrad],
    "eval_uses_batch": [AlwaysTrain],
    "returns_nothing": [NoReturn, StubInit, lambda a, b: print(end="")],
    "no_forward": [NoForward],
    "super_init_missing": [NoSuper, NoSuperNoLayers],
    "not_a_module": [NoModule, lambda a, b: layers("CBRCBR", a, b), lambda a, b: lambda x: x],
    "wrong_return": [result(lambda y, x: (y, x))],
    "wrong_kind": [unet_lesson.DoubleConv(1, 2), 7, "DoubleConv", nn.Sequential()],
    "wrong_signature": [nn.BatchNorm2d(3).forward, lambda in_channels: nn.Identity()],
    "raises": [Misspelt, BatchOfNorms, LayerOfMap, NoBrackets, OneUnderscore, list_of_layers],
    "not_attempted": [None, Stub, type("Empty", (nn.Module,), {}), lambda a, b: ...],
}
RIGHT = [
    unet_lesson.DoubleConv,
    partial(unet_lesson.DoubleConv, padding=0),
    Block,
    row("CBRCBR"),
    row("CBRCBR", bias=False),
    row("CBRRCBR"),
    Functional,
    Einsum,
    Unfolded,
    Inherits,
    Lazy,
    Halves,
    InDouble,
]
