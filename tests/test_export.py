"""Exported networks against the model they came from, at every size around the smallest.

The oracle of the values is the model, checks and all; of the sizes, `shapes.legal_sizes`.
"""

import zipfile
from copy import deepcopy
from functools import cache
from itertools import product
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument

from unet_lesson import UNet, UNetConfig, export, shapes
from unet_lesson.export import Layers, export_onnx, export_program
from unet_lesson.model import UNetWithoutSkips

CONFIGS = {
    "blog": UNetConfig.blog(base_channels=2, depth=1, in_channels=3),
    "nearest": UNetConfig(base_channels=2, depth=1, up="nearest", batch_norm=False),
    "padded": UNetConfig.padded(base_channels=2, depth=2, up="transpose", num_classes=1),
    "padded, 3": UNetConfig.padded(base_channels=2, depth=3),
    "paper": UNetConfig.paper(base_channels=1),
}
SMALLEST = {"blog": 18, "nearest": 18, "padded": 8, "padded, 3": 16, "paper": 188}
LOST = {"blog": 16, "nearest": 16, "padded": 0, "padded, 3": 0, "paper": 184}  # pixels an axis
every_config = pytest.mark.parametrize("name", CONFIGS)
every_file = pytest.mark.parametrize("name", ["blog", "nearest", "padded"])  # each takes seconds


@cache
def network(name):
    """A UNet in train mode whose BatchNorm has seen images."""
    torch.manual_seed(0)
    unet = UNet(CONFIGS[name])
    with torch.no_grad():
        unet(images(2, SMALLEST[name] + 16, SMALLEST[name], unet))
    return unet


def images(batch, height, width, unet):
    return torch.rand(batch, unet.config.in_channels, height, width)


@cache
def program(name):
    return export_program(network(name))


def legal(name):
    """A few inputs (N, C, H, W), none square but one."""
    step, first = 2 ** CONFIGS[name].depth, SMALLEST[name]
    sides = [(0, 0), (1, 0), (0, 3), (4, 1)]
    for batch, (down, right) in product((1, 2, 3), sides):
        yield images(batch, first + down * step, first + right * step, network(name))


def illegal(name):
    """Every illegal height and width from a step below the smallest size to two steps above."""
    config, first = CONFIGS[name], SMALLEST[name]
    step = 2**config.depth
    fit = shapes.legal_sizes(config, first, first + 2 * step + 1)
    assert len(fit) == 3 and fit[0] == first
    for size in set(range(first - step, first + 2 * step)) - set(fit):
        if not (config.padding and size == first - step):  # legal, though not exported
            yield images(1, max(size, 1), first + step, network(name))
            yield images(1, first, max(size, 1), network(name))


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@every_config
def test_a_program_takes_every_legal_size_and_no_other(name):
    run, unet = program(name).module(), deepcopy(network(name)).eval()
    for x in legal(name):
        logits = run(x)
        assert logits.shape[2] == x.shape[2] - LOST[name] and not logits.requires_grad
        close(logits, unet(x))
    for x in illegal(name):
        with pytest.raises((AssertionError, RuntimeError)):
            run(x)


def test_a_program_stays_the_same_on_disk(tmp_path):
    torch.export.save(program("blog"), tmp_path / "unet.pt2")
    run, before = torch.export.load(tmp_path / "unet.pt2").module(), program("blog").module()
    for x in legal("blog"):
        torch.testing.assert_close(run(x), before(x), rtol=0, atol=0)
    for x in illegal("blog"):
        with pytest.raises((AssertionError, RuntimeError)):
            run(x)
    with zipfile.ZipFile(tmp_path / "unet.pt2") as archive:
        assert not any(names_a_folder(archive.read(part)) for part in archive.namelist())


def names_a_folder(content):
    """Whether a file says where on this machine it was made."""
    return any(bytes(Path(module.__file__).parent) in content for module in (export, torch))


@every_config
def test_the_layers_alone_refuse_every_illegal_size(name):
    """Without the guards that torch.export adds, as in a runtime that knows none."""
    layers = Layers(deepcopy(network(name)).eval())
    for x in legal(name):
        assert layers(x).shape[0] == x.shape[0]
    for x in illegal(name):
        with pytest.raises(RuntimeError):
            layers(x)


@every_file
def test_an_onnx_file_takes_every_legal_size_and_no_other(name, tmp_path, monkeypatch):
    path, unet = tmp_path / "new" / "unet.onnx", deepcopy(network(name)).eval()
    monkeypatch.setattr(export, "export_program", lambda model: program(name))  # made once
    export_onnx(network(name), path)
    assert list(path.parent.iterdir()) == [path]
    run = session(path)
    for x in legal(name):
        (logits,) = run.run(["logits"], {"image": x.numpy()})
        close(torch.from_numpy(logits), unet(x).detach())
    for x in illegal(name):
        with pytest.raises((Fail, InvalidArgument)):
            run.run(None, {"image": x.numpy()})
    check_what_it_says(name, path, run)


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # a refused size is an error, and a line on stderr too
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


def check_what_it_says(name, path, run):
    onnx.checker.check_model(path, full_check=True)
    assert not names_a_folder(path.read_bytes())
    config = CONFIGS[name]
    (image,), (logits,) = run.get_inputs(), run.get_outputs()
    assert (image.name, image.shape) == ("image", ["batch", config.in_channels, "height", "width"])
    assert (logits.name, logits.shape[:2]) == ("logits", ["batch", config.num_classes])
    assert image.type == "tensor(float)"
    assert run.get_modelmeta().custom_metadata_map == {
        "smallest": str(SMALLEST[name]),
        "step": str(2**config.depth),
        "margin": str(LOST[name] // 2),
    }


def test_the_model_stays_as_it_is_and_shares_nothing():
    unet = UNet(CONFIGS["blog"])
    unet.contracting.eval()  # a mode of its own in each half
    modes = [module.training for module in unet.modules()]
    before = deepcopy(unet.state_dict())
    exported = export_program(unet)
    assert [module.training for module in unet.modules()] == modes
    assert all(p.requires_grad and p.grad is None for p in unet.parameters())
    torch.testing.assert_close(unet.state_dict(), before, rtol=0, atol=0)
    x = images(2, 18, 20, unet)
    logits = exported.module()(x)
    for value in unet.state_dict().values():
        value.zero_()
    torch.testing.assert_close(exported.module()(x), logits, rtol=0, atol=0)


class Other(UNet):
    pass


@pytest.mark.parametrize("model", [None, torch.nn.Conv2d(1, 2, 3), UNetWithoutSkips, Other])
@pytest.mark.parametrize("write", [export_program, lambda model: export_onnx(model, "new.onnx")])
def test_only_a_plain_unet_is_exported(model, write, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = model(CONFIGS["padded"]) if isinstance(model, type) else model
    refused(lambda: write(model), TypeError, "plain UNet", f"not a {type(model).__name__}")
    assert not list(tmp_path.iterdir())


def test_a_file_is_not_overwritten(tmp_path):
    (tmp_path / "unet.onnx").write_text("mine")
    with pytest.raises(FileExistsError, match=r"unet\.onnx exists; move it away"):
        export_onnx(network("padded"), tmp_path / "unet.onnx")
    assert (tmp_path / "unet.onnx").read_text() == "mine"


def test_without_the_packages_it_says_how_to_have_them(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'onnx and onnxscript .* pip install -e "\.\[onnx\]"'):
        export_onnx(network("padded"), tmp_path / "unet.onnx")
    assert not list(tmp_path.iterdir())
