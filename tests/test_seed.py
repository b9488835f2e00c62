"""The blog this project grew from, and the paper behind it, as oracles.

The blog's network stands here as printed, only formatted, with its own names;
`notebooks/blog_table.tsv` is the table that the blog prints for it.
"""

import csv
import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import transforms

from unet_lesson import UNet, UNetConfig, shapes

ROOT = Path(__file__).parent.parent
OUR_NAMES = {
    "Double_convs": "DoubleConv",
    "Block_DownSample": "ContractingPath",
    "Block_UpSample": "UpBlock",
}


class Double_convs(nn.Module):
    def __init__(self, in_channels, out_channels) -> None:
        super().__init__()

        self.block = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=1, padding=0),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, stride=1, padding=0),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        x = self.block(x)

        return x


class Block_DownSample(nn.Module):
    def __init__(self) -> None:
        super().__init__()

        self.block_1 = Double_convs(1, 64)
        self.block_2 = Double_convs(64, 128)
        self.block_3 = Double_convs(128, 256)
        self.block_4 = Double_convs(256, 512)
        self.block_5 = Double_convs(512, 1024)

        self.maxpooling = nn.MaxPool2d(kernel_size=2, stride=2, padding=0)

    def forward(self, x):
        out_1 = self.block_1(x)

        x = self.maxpooling(out_1)
        out_2 = self.block_2(x)

        x = self.maxpooling(out_2)
        out_3 = self.block_3(x)

        x = self.maxpooling(out_3)
        out_4 = self.block_4(x)

        x = self.maxpooling(out_4)
        out_5 = self.block_5(x)

        return out_1, out_2, out_3, out_4, out_5


class Block_UpSample(nn.Module):
    def __init__(self, in_channels, out_channels) -> None:
        super().__init__()

        self.upsample_1 = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            nn.Conv2d(in_channels, out_channels, kernel_size=1, padding=0),
            nn.ReLU(inplace=True),
        )
        self.block_1 = Double_convs(in_channels, out_channels)

    def forward(self, x1, x2, wh):
        x1 = self.upsample_1(x1)

        centercrop = transforms.CenterCrop((wh, wh))
        x2 = centercrop(x2)
        x = torch.cat([x1, x2], dim=1)
        x = self.block_1(x)

        return x


class U_net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = Block_DownSample()
        self.up_1 = Block_UpSample(1024, 512)
        self.up_2 = Block_UpSample(512, 256)
        self.up_3 = Block_UpSample(256, 128)
        self.up_4 = Block_UpSample(128, 64)
        self.conv = nn.Sequential(nn.Conv2d(64, 2, kernel_size=1))

    def forward(self, x):
        out_1, out_2, out_3, out_4, out_5 = self.down(x)

        x = self.up_1(out_5, out_4, 56)
        x = self.up_2(x, out_3, 104)
        x = self.up_3(x, out_2, 200)
        x = self.up_4(x, out_1, 392)
        x = self.conv(x)

        return x


def blog_table():
    """The blog's rows with our names: [(kind, output shape, parameters)]."""
    text = (ROOT / "notebooks" / "blog_table.tsv").read_text("utf-8")
    return [
        (
            OUR_NAMES.get(row["type"], row["type"]),
            without_batch(json.loads(row["output_shape"])),
            int(row["params"]),
        )
        for row in csv.DictReader(text.splitlines(), delimiter="\t")
    ]


def without_batch(shape):
    return tuple(map(without_batch, shape)) if isinstance(shape[0], list) else tuple(shape[1:])


def on_meta(make):
    with torch.device("meta"):
        return make()


@pytest.fixture(scope="module")
def blog_and_ours():
    """Both networks with the same weights and, in BatchNorm, the same unusual statistics."""
    torch.manual_seed(0)
    blog, ours = U_net(), UNet()
    for name, buffer in blog.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.2, 0.2)
        elif name.endswith("running_var"):
            buffer.uniform_(0.1, 0.3)
    with torch.no_grad():
        copy_in_order(blog.parameters(), ours.parameters())
        copy_in_order(blog.buffers(), ours.buffers())
    return blog, ours


def copy_in_order(sources, targets):
    for source, target in zip(sources, targets, strict=True):
        assert source.shape == target.shape
        target.copy_(source)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_the_blogs_weights_give_the_blogs_output(blog_and_ours, mode):
    x = torch.rand(1, 1, 572, 572, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs, ours = (network.train(mode == "train")(x) for network in blog_and_ours)
    difference = (theirs - ours).abs().max().item()
    print(f"\n{mode}: largest difference {difference:.1e}, outputs vary by {theirs.std():.2f}")
    assert theirs.shape == ours.shape == (1, 2, 388, 388)
    assert theirs.std() > 0.01  # the comparison is of something
    assert difference < 1e-5
    for a, b in zip(*(network.buffers() for network in blog_and_ours), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_the_table_is_that_of_the_blogs_code(hooked):
    rows = hooked(on_meta(U_net), 572, 572)
    assert [(OUR_NAMES.get(kind, kind), *rest) for _, kind, *rest in rows] == blog_table()


def test_trace_and_network_reproduce_all_85_rows(hooked):
    table = blog_table()
    traced = [(row.kind, row.shape, row.parameters) for row in shapes.trace(UNetConfig(), 572, 572)]
    run = [row[1:] for row in hooked(on_meta(UNet), 572, 572)]
    assert len(table) == 85
    assert traced == table
    assert run == table
    assert sum(parameters for *_, parameters in table) == 28_953_474
    assert shapes.parameter_count(UNetConfig()) == 28_953_474
    assert sum(p.numel() for p in on_meta(UNet).parameters()) == 28_953_474


def test_sizes_that_the_blogs_code_runs_misaligned_are_refused(refused):
    blog, ours = on_meta(U_net), on_meta(UNet)
    for size in range(573, 588):
        x = torch.empty(1, 1, size, size, device="meta")
        assert blog(x).shape == (1, 2, 388, 388)  # the blog's code says nothing
        words = [f"height {size} does not fit", "572, 588"]
        refused(lambda x=x: ours(x), ValueError, *words)
        refused(lambda s=size: shapes.output_size(UNetConfig(), s, s), ValueError, *words)
    for size in (571, 588):
        with pytest.raises(RuntimeError):
            blog(torch.empty(1, 1, size, size, device="meta"))
    assert ours(torch.empty(1, 1, 588, 572, device="meta")).shape == (1, 2, 404, 388)


@pytest.mark.parametrize(
    ("channels", "classes", "parameters"),
    [(1, 2, 31_030_658), (1, 1, 31_030_593), (3, 2, 31_031_810), (3, 21, 31_033_045)],
)
def test_the_papers_network(channels, classes, parameters):
    config = UNetConfig.paper(in_channels=channels, num_classes=classes)
    network = on_meta(lambda: UNet(config))
    assert shapes.parameter_count(config) == parameters
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_the_papers_figures():
    config = UNetConfig.paper()
    axis = shapes.axis_sizes(config, 572)
    assert axis.contracting == (568, 280, 136, 64, 28)
    assert axis.upsampled == (56, 104, 200, 392)
    assert axis.expansive == (52, 100, 196, 388)
    assert shapes.crop_margins(config) == (4, 16, 40, 88)
    rows = shapes.trace(config, 572, 572)
    assert sum(row.macs for row in rows) == 150_428_424_448
    assert sum(row.macs for row in shapes.trace(UNetConfig.blog(), 572, 572)) == 150_428_424_448

    def parameters(*names):
        return sum(row.parameters for row in rows if row.name.startswith(names))

    assert parameters(*(f"contracting.blocks.{i}" for i in range(4))) == 4_684_224
    assert parameters("contracting.blocks.4") == 14_157_824
    assert parameters(*(f"expansive.blocks.{i}.up" for i in range(4))) == 2_786_240
    assert parameters(*(f"expansive.blocks.{i}.conv" for i in range(4))) == 9_402_240
    assert parameters("head") == 130
