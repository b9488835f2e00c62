"""TrainingMonitor: what it says and draws before, during and after a training."""

import struct

import numpy as np
import pytest
import torch

from unet_lesson import UNet, UNetConfig
from unet_lesson.data import Tiles, nuclei_like
from unet_lesson.tiling import predict
from unet_lesson.training import fit
from unet_lesson.widgets import TrainingMonitor

CONFIG = UNetConfig(base_channels=2, depth=1, up="transpose")


@pytest.fixture
def field():
    return nuclei_like(3, 64)


def test_before_the_first_epoch_it_says_so(field):
    monitor = TrainingMonitor(*field)
    assert repr(monitor) == monitor.words == "Training monitor: no epoch yet."
    assert not monitor.mask.any()


def test_fit_keeps_it_up_to_date(field):
    monitor, told = TrainingMonitor(*field), []
    monitor.observe(lambda change: told.append(change.new), "words")
    before = monitor.png
    torch.manual_seed(0)
    network = UNet(CONFIG)
    tiles = Tiles([field], CONFIG, tile=32, per_image=4)
    given = {"epochs": 3, "batch_size": 4, "device": "cpu", "on_epoch": monitor}
    history = fit(network, tiles, [field], **given)
    assert monitor.history == history and len(told) == 3
    last = history[-1]
    wanted = f"Epoch 3: loss {last['loss']:.3f}, object F1 {last['f1_50']:.2f}."
    assert monitor.facts() == wanted == told[-1]
    assert np.array_equal(monitor.mask, predict(network, field[0])[1] > 0.5)
    assert monitor.png != before and monitor.png.startswith(b"\x89PNG")


def test_without_validation_it_shows_the_loss_alone(field):
    monitor = TrainingMonitor(*field)
    monitor([{"epoch": 1, "loss": 0.5}], UNet(CONFIG).eval())
    assert monitor.facts() == "Epoch 1: loss 0.500."


def test_three_faces(field):
    data, _ = TrainingMonitor(*field)._repr_mimebundle_()
    assert data["text/plain"] == "Training monitor: no epoch yet."
    assert "application/vnd.jupyter.widget-view+json" in data
    width, height = struct.unpack(">II", data["image/png"][16:24])
    assert (width, height) == (900, 360)


def test_image_and_labels_must_fit(field):
    image, labels = field
    with pytest.raises(ValueError, match=r"alike, not \(64, 64\), \(63, 64\)"):
        TrainingMonitor(image, labels[1:])
