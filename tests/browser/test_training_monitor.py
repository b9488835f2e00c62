"""TrainingMonitor in JupyterLab: the picture follows a training in the next cell."""

SHOW = (
    "import torch\n"
    "from unet_lesson import UNet, UNetConfig\n"
    "from unet_lesson.data import Tiles, nuclei_like\n"
    "from unet_lesson.training import fit\n"
    "from unet_lesson.widgets import TrainingMonitor\n"
    "field = nuclei_like(3, 64)\n"
    "w = TrainingMonitor(*field)\n"
    "w"
)
TRAIN = (
    "config = UNetConfig(base_channels=2, depth=1, up='transpose')\n"
    "tiles = Tiles([field], config, tile=32, per_image=4)\n"
    "torch.manual_seed(0)\n"
    "network = UNet(config)\n"
    "fit(network, tiles, [field], epochs=3, batch_size=4, on_epoch=w)\n"
    "None"
)
SIZE = "(i) => [i.complete, i.naturalWidth]"


def test_the_picture_follows_the_training(lab):
    lab.open_notebook([SHOW, "1"])
    monitor = lab.page.locator(".unet-explorer")
    image, line = monitor.locator("img"), monitor.locator("[data-fact=epoch]")
    monitor.wait_for()
    assert line.text_content() == "Training monitor: no epoch yet."
    first, height = image.get_attribute("src"), monitor.bounding_box()["height"]
    lab.python(f"exec({TRAIN!r})")
    lab.page.wait_for_timeout(1500)
    assert line.text_content() == image.get_attribute("alt") == lab.python("w.words")
    assert line.text_content().startswith("Epoch 3: loss ")
    assert image.get_attribute("src") != first and image.evaluate(SIZE) == [True, 720]
    assert monitor.bounding_box()["height"] == height
    assert monitor.locator("[aria-live]").text_content() == line.text_content()
    assert lab.axe(".unet-explorer") == []
    lab.screenshot("training-light", monitor)
    lab.set_theme(dark=True)
    assert lab.axe(".unet-explorer") == []
    lab.screenshot("training-dark", monitor)
