"""The explorers in JupyterLab: driven by mouse and by keyboard, compared with the oracle."""

import re

import pytest

SOURCES = {
    "convolution": "from unet_lesson.widgets import ConvolutionExplorer\n"
    "w = ConvolutionExplorer()\nw",
    "crop": "from unet_lesson.widgets import CropExplorer\nw = CropExplorer()\nw",
    "maps": "import torch\n"
    "from skimage import data\n"
    "from unet_lesson import UNet, UNetConfig\n"
    "from unet_lesson.widgets import FeatureMapBrowser\n"
    "torch.manual_seed(0)\n"
    "network = UNet(UNetConfig(base_channels=4, depth=2))\n"
    "w = FeatureMapBrowser(network, data.cell()[230:530, 250:550] / 255.0)\nw",
}
PAUSE = 1200  # milliseconds: the kernel is told after a pause, and so is a screen reader


@pytest.fixture
def explorer(lab, request):
    """The explorer of SOURCES[name], live in a notebook of its own."""
    lab.open_notebook([SOURCES[request.param], "1"])
    root = lab.page.locator(".unet-explorer")
    root.wait_for()
    root.scroll_into_view_if_needed()
    return root


def explores(name):
    return pytest.mark.parametrize("explorer", [name], indirect=True)


def drag(lab, slider, share):
    """Drag a slider's handle from where it is to a share of its length."""
    box = slider.bounding_box()
    low, high, value = (
        float(slider.evaluate(f"(s) => s.{name}")) for name in ("min", "max", "value")
    )
    y = box["y"] + box["height"] / 2
    start = box["x"] + 8 + (box["width"] - 16) * (value - low) / (high - low)
    end = box["x"] + 8 + (box["width"] - 16) * share
    lab.page.mouse.move(start, y)
    lab.page.mouse.down()
    lab.page.mouse.move((start + end) / 2, y)
    lab.page.mouse.move(end, y)
    lab.page.mouse.up()
    lab.page.wait_for_timeout(PAUSE)


def fact(explorer, name):
    return explorer.locator(f'[data-fact="{name}"]').text_content()


def read_cells(explorer):
    found = explorer.locator("[data-read]").evaluate_all("(all) => all.map(c => c.dataset.input)")
    return sorted(tuple(map(int, cell.split(","))) for cell in found)


@explores("convolution")
def test_pointing_at_an_output_cell_shows_what_it_reads(lab, explorer):
    explorer.locator('[data-cell="2,1"]').hover()
    lab.page.wait_for_timeout(PAUSE)
    assert read_cells(explorer) == [(y, x) for y in (2, 3, 4) for x in (1, 2, 3)]
    assert lab.python("[w.row, w.column]") == [2, 1]
    drag(lab, explorer.get_by_label("padding", exact=True), 1 / 3)
    assert lab.python("w.padding") == 1
    explorer.locator('[data-cell="0,0"]').click()
    lab.page.wait_for_timeout(PAUSE)
    assert "reads 9 cells, 5 of them padding zeros" in fact(explorer, "reads")
    assert fact(explorer, "reads") in lab.python("w.facts()")
    assert fact(explorer, "formula") == "output = floor((5 + 2*1 - 3) / 1) + 1 = 5"
    assert explorer.locator("[data-cell]").count() == 25
    assert "5 of them" in explorer.locator("[aria-live]").text_content()
    lab.screenshot("convolution-light", explorer)


@explores("convolution")
def test_convolution_by_keyboard_alone(lab, explorer):
    cells = lab.cell_count()
    explorer.get_by_label("input size", exact=True).focus()
    for keys in (["ArrowRight"], ["Tab"] * 2, ["ArrowLeft"], ["Tab"] * 2, ["ArrowRight"] * 3):
        for key in keys:  # size 6, kernel 2, stride 4
            lab.page.keyboard.press(key)
    for key in ["Tab"] * 4 + ["ArrowDown", "ArrowRight", "ArrowRight", "d", "d"]:
        lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("[*w.setting, w.row, w.column]") == [6, 2, 4, 0, 1, 1]
    assert read_cells(explorer) == [(4, 4), (4, 5), (5, 4), (5, 5)]
    assert explorer.locator(":focus").get_attribute("data-cell") == "1,1"
    assert fact(explorer, "unread") == (
        "Rows and columns 2 and 3 are never read: stride 4 steps over them."
    )
    assert lab.cell_count() == cells


@explores("convolution")
def test_a_kernel_that_does_not_fit_is_red_and_mended_by_a_button(lab, explorer):
    height = explorer.bounding_box()["height"]
    lab.python("w.set_trait('size', 3), w.set_trait('kernel', 7)")
    explorer.locator("[data-fix]").first.wait_for()
    assert "larger than the padded input of 3" in fact(explorer, "problem")
    assert explorer.locator("[data-fix]").all_inner_texts() == ["kernel 3", "padding 2", "size 7"]
    assert explorer.bounding_box()["height"] == height
    assert lab.axe(".unet-explorer") == []
    lab.screenshot("convolution-wrong-light", explorer)
    lab.set_theme(dark=True)
    lab.screenshot("convolution-wrong-dark", explorer)
    explorer.get_by_role("button", name="padding 2").click()
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("w.setting") == (3, 7, 1, 2)
    assert explorer.locator("[data-cell]").count() == 1


@explores("crop")
def test_crop_by_mouse(lab, explorer):
    drag(lab, explorer.get_by_label("input size", exact=True), 0)
    assert lab.python("w.size") == 188
    drag(lab, explorer.get_by_label("level", exact=True), 1)
    explorer.get_by_label("top left corner").click()
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("[w.size, w.level, w.corner]") == [188, 4, True]
    assert fact(explorer, "joined") == "1024 x 8 x 8"
    assert explorer.locator('[data-ruler="cut"]').all_text_contents() == ["8", "8"]
    assert explorer.locator("[data-arrow]").get_attribute("data-arrow") == "32"
    assert "32 input pixels apart" in fact(explorer, "displaced")
    assert explorer.locator("svg").get_attribute("aria-label").startswith("Skip 512 x 16 x 16")


@explores("crop")
def test_crop_by_keyboard_alone(lab, explorer):
    cells = lab.cell_count()
    explorer.get_by_label("input size", exact=True).focus()
    for key in ["ArrowRight", "Tab", "Tab", "ArrowRight", "Tab", "Tab", "ArrowRight", "d", "d"]:
        lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("[w.size, w.level, w.corner]") == [588, 2, True]
    assert explorer.locator("[data-arrow]").get_attribute("data-arrow") == "80"
    assert lab.cell_count() == cells


@explores("crop")
def test_an_illegal_size_is_red_and_mended_by_a_button(lab, explorer):
    height = explorer.bounding_box()["height"]
    field = explorer.get_by_label("input size, number")
    field.fill("573")
    field.press("Tab")
    lab.page.wait_for_timeout(PAUSE)
    assert field.input_value() == "573"
    assert lab.python("w.size") == 573
    assert fact(explorer, "problem").startswith("573 does not fit: at level 1 the map is 569 wide")
    assert explorer.bounding_box()["height"] == height
    lab.screenshot("crop-wrong-light", explorer)
    field.fill("5000")
    lab.page.wait_for_timeout(PAUSE)
    assert explorer.locator("[data-fix]").all_inner_texts() == ["188", "1020"]
    field.fill("573")
    explorer.get_by_role("button", name="588").click()
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("w.size") == 588
    assert explorer.locator('[data-ruler="cut"]').all_text_contents() == ["88"] * 4
    assert fact(explorer, "joined") == "128 x 408 x 408"


@explores("maps")
def test_maps_by_mouse(lab, explorer):
    drag(lab, explorer.get_by_label("channel", exact=True), 1)
    assert lab.python("w.channel") == 3
    same_numbers(lab, explorer)
    explorer.get_by_label("expansive").click()
    lab.page.wait_for_timeout(PAUSE)
    drag(lab, explorer.get_by_label("level", exact=True), 1)
    assert lab.python("w.place") == ("expansive", 2)
    same_numbers(lab, explorer)


@explores("maps")
def test_maps_by_keyboard_alone(lab, explorer):
    cells = lab.cell_count()
    explorer.get_by_label("level", exact=True).focus()
    for key in ["End", "Tab", "Tab", "ArrowRight", "d", "d"]:
        lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    lab.page.keyboard.press("End")  # the bottom's channels are there now
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("[w.level, w.channel]") == [3, 15]
    same_numbers(lab, explorer)
    assert lab.cell_count() == cells


def same_numbers(lab, explorer):
    """The page's numbers are the network's, and the picture is the map's bytes in viridis."""
    c = lab.python("w.channel")
    shape = tuple(int(n) for n in fact(explorer, "shape").split(" x "))
    assert list(shape) == lab.python("w.stage['shape']")
    for name in ("min", "mean", "max"):
        assert fact(explorer, name) == lab.python(f"format(w.stage['{name}'][{c}], '.4f')")
    assert fact(explorer, "zeros") == lab.python(f"format(w.stage['zeros'][{c}], '.2%')")
    height, width = lab.python("w.stage['size']")
    seen = (
        explorer.locator("canvas")
        .nth(1)
        .evaluate("(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]")
    )
    first = c * height * width
    grey = bytes.fromhex(lab.python(f"w.stage['pixels'][{first}:{first + height * width}].hex()"))
    colours = bytes.fromhex(lab.python("w.viridis.hex()"))
    assert seen == [n for v in grey for n in (*colours[3 * v : 3 * v + 3], 255)]


@pytest.mark.parametrize("explorer", SOURCES, indirect=True)
def test_python_moves_the_view_axe_is_content_and_both_themes_look_right(lab, explorer, request):
    name = request.node.callspec.params["explorer"]
    settings = {
        "convolution": {"size": 7, "padding": 1, "stride": 2, "row": 3, "column": 1},
        "crop": {"level": 4, "corner": True},
        "maps": {"path": "expansive", "channel": 2},
    }[name]
    lab.python(f"[w.set_trait(k, v) for k, v in {settings}.items()]")
    lab.page.wait_for_timeout(PAUSE)
    spoken = explorer.locator("[aria-live]").text_content()
    expected = {
        "convolution": "Output cell (3, 1) reads 9 cells, 3 of them padding zeros",
        "crop": "32 input pixels apart",
        "maps": "expansive path, level 1, channel 2",
    }
    assert expected[name] in spoken
    for theme in ("light", "dark"):
        lab.set_theme(dark=theme == "dark")
        assert lab.axe(".unet-explorer") == []
        lab.screenshot(f"{name}-{theme}", explorer)


@pytest.mark.parametrize("explorer", SOURCES, indirect=True)
def test_keys_inside_never_reach_the_notebook(lab, explorer):
    cells = lab.cell_count()
    for target in explorer.locator("input, button, [role=gridcell][tabindex='0']").all():
        target.focus()
        for key in ("d", "d", "a", "x", "j", "Escape", "d", "d"):
            lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    assert lab.cell_count() == cells
    assert re.search("Explorer|Browser", lab.cells()[0]["source"])
