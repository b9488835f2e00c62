"""The weight map and augmentation explorers in JupyterLab, by mouse and keyboard."""

import pytest
from test_explorers import PAUSE, drag, explores

PICTURE = (
    "from unet_lesson.data.synthetic import nuclei_like\n"
    "image, labels = nuclei_like(1)\n"
    "image, labels = image[150:246, 130:226], labels[150:246, 130:226]\n"
)
SOURCES = {
    "weights": PICTURE + "from unet_lesson.widgets import WeightMapExplorer\n"
    "w = WeightMapExplorer(image, labels)\nw",
    "augmentation": PICTURE + "from unet_lesson.widgets import AugmentationExplorer\n"
    "w = AugmentationExplorer(image, labels)\nw",
}
ORACLE = (  # equation 2 word for word, and augment by hand
    "import numpy as np, torch\n"
    "from scipy.ndimage import distance_transform_edt as edt\n"
    "from skimage.segmentation import find_boundaries\n"
    "from unet_lesson.data.augment import augment\n"
    "from unet_lesson.data.weights import classes\n"
    "def weight(y, x, w0, sigma):\n"
    "    inside = classes(labels)\n"
    "    balance = inside.size / 2 / (inside == inside[y, x]).sum()\n"
    "    apart = [edt(labels * inside != n)[y, x] for n in np.unique(labels) if n]\n"
    "    d = sum(sorted(apart)[:2])\n"
    "    return balance + (1 - inside[y, x]) * w0 * np.exp(-d**2 / 2 / sigma**2)\n"
    "def picture(draw, percent):\n"
    "    torch.manual_seed(draw)\n"
    "    given = torch.tensor(image).double(), torch.tensor(labels)\n"
    "    new, lab, _ = augment(given[0][None], given[1], given[0], percent / 100)\n"
    "    low, high = np.percentile(image, (1, 99.9))\n"
    "    grey = ((new[0].numpy() - low) / (high - low)).clip(0, 1) * 254\n"
    "    return grey.round().astype('uint8'), find_boundaries(lab.numpy(), mode='inner')\n"
)


@pytest.fixture
def explorer(lab, request):
    """The explorer of SOURCES[name], live in a notebook of its own."""
    lab.open_notebook([SOURCES[request.param], ORACLE])
    root = lab.page.locator(".unet-explorer")
    root.wait_for()
    root.scroll_into_view_if_needed()
    return root


def colours(explorer, number):
    """(R, G, B) of every pixel of one of the explorer's canvases, row by row."""
    values = (
        explorer.locator("canvas")
        .nth(number)
        .evaluate("(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]")
    )
    return list(zip(values[::4], values[1::4], values[2::4], strict=True))


def same_weights(lab, explorer):
    """The table and the picture show equation 2 for w0 and sigma of the model."""
    setting = lab.python("[w.w0, w.sigma]")
    points = lab.python("[p[:4] for p in w.points]")
    viridis = bytes.fromhex(lab.python("w.viridis.hex()"))
    palette = list(zip(viridis[::3], viridis[1::3], viridis[2::3], strict=True))
    shown = colours(explorer, 1)
    for letter, _, y, x in points:
        weight = lab.python(f"float(weight({y}, {x}, *{setting}))")
        said = explorer.locator(f'[data-weight="{letter}"]').text_content()
        assert float(said) == pytest.approx(weight, abs=0.0051)
        assert shown[96 * y + x] == palette[round(255 * weight / lab.python("w.top"))]


def same_picture(lab, explorer):
    """The picture after is what augment makes with this draw and strength."""
    setting = lab.python("[w.draw, w.percent]")
    grey = bytes.fromhex(lab.python(f"picture(*{setting})[0].tobytes().hex()"))
    edge = bytes.fromhex(lab.python(f"picture(*{setting})[1].tobytes().hex()"))
    expected = [(230, 159, 0) if line else (v, v, v) for v, line in zip(grey, edge, strict=True)]
    assert colours(explorer, 1) == expected
    lines = explorer.locator("[data-line]").all_text_contents()
    assert lab.python("w.facts()") == (
        f"draw {setting[0]}, strength {setting[1]} %: {'; '.join(filter(None, lines))}."
    )


# ---- WeightMapExplorer -----------------------------------------------------------------------


@explores("weights")
def test_weights_by_mouse(lab, explorer):
    same_weights(lab, explorer)
    drag(lab, explorer.get_by_label("w0", exact=True), 1)
    drag(lab, explorer.get_by_label("sigma, pixels", exact=True), 1)
    assert lab.python("[w.w0, w.sigma]") == [20, 10]
    same_weights(lab, explorer)
    assert "w0 20, sigma 10 pixels: weights from" in explorer.locator("[aria-live]").text_content()
    drag(lab, explorer.get_by_label("w0", exact=True), 0)
    assert lab.python("[w.w0, w.sigma]") == [0, 10]
    same_weights(lab, explorer)
    assert len(set(colours(explorer, 1))) == 2  # the class balance alone


@explores("weights")
def test_weights_by_keyboard_alone(lab, explorer):
    cells = lab.cell_count()
    explorer.get_by_label("w0", exact=True).focus()
    for key in ["ArrowRight"] * 2 + ["Tab"] * 2 + ["Home", "ArrowRight", "ArrowRight", "d", "d"]:
        lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("[w.w0, w.sigma]") == [12, 3]
    same_weights(lab, explorer)
    assert lab.cell_count() == cells


@explores("weights")
def test_the_hand_cases_and_the_curve(lab, explorer):
    assert explorer.locator('[data-term="A"]').text_content() == "9.23"
    assert explorer.locator('[data-term="B"]').text_content() == "1.35"
    before = explorer.locator("[data-curve]").get_attribute("d")
    label = explorer.locator("svg[role=img]").get_attribute("aria-label")
    assert label == "Border term against d1 + d2: 10 at 0 pixels, 1.35 at 10, 0.00 at 20"
    lab.python("w.set_trait('sigma', 10)")
    lab.page.wait_for_timeout(PAUSE)
    assert explorer.locator("[data-curve]").get_attribute("d") != before
    assert explorer.get_by_label("sigma, pixels, number").input_value() == "10"


# ---- AugmentationExplorer --------------------------------------------------------------------


@explores("augmentation")
def test_augmentation_by_mouse(lab, explorer):
    same_picture(lab, explorer)
    drag(lab, explorer.get_by_label("draw", exact=True), 0.4)
    drag(lab, explorer.get_by_label("strength, %", exact=True), 1)
    assert lab.python("[w.draw, w.percent]") == [3, 200]
    same_picture(lab, explorer)
    assert "strength 200 %" in explorer.locator("[aria-live]").text_content()
    drag(lab, explorer.get_by_label("strength, %", exact=True), 0)
    same_picture(lab, explorer)
    assert colours(explorer, 1) == colours(explorer, 0)
    assert "nothing is changed" in explorer.locator('[data-line="0"]').text_content()


@explores("augmentation")
def test_augmentation_by_keyboard_alone(lab, explorer):
    cells = lab.cell_count()
    explorer.get_by_label("strength, %", exact=True).focus()
    for key in ["ArrowLeft"] * 3 + ["Tab"] * 2 + ["End", "ArrowLeft", "d", "d"]:
        lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("[w.draw, w.percent]") == [5, 70]
    same_picture(lab, explorer)
    assert lab.cell_count() == cells


# ---- both ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("explorer", "label", "typed", "words", "near", "left"),
    [
        ("weights", "w0", "25", "whole numbers 0 to 20", "20", "w.w0"),
        ("weights", "sigma, pixels", "0", "whole numbers 1 to 10", "1", "w.sigma"),
        ("augmentation", "strength, %", "44", "multiples of 10, 0 to 200", "40", "w.percent"),
        ("augmentation", "draw", "9", "whole numbers 1 to 6", "6", "w.draw"),
    ],
    indirect=["explorer"],
)
def test_a_number_that_is_not_allowed_is_red_and_mended_by_a_button(
    lab, explorer, label, typed, words, near, left
):
    height, before = explorer.bounding_box()["height"], lab.python(left)
    field = explorer.get_by_label(f"{label}, number")
    field.fill(typed)
    lab.page.wait_for_timeout(PAUSE)
    alert = explorer.get_by_role("alert").filter(has_text=words)
    assert field.get_attribute("aria-invalid") == "true" and lab.python(left) == before
    assert explorer.bounding_box()["height"] == height
    assert lab.axe(".unet-explorer") == []
    name = left.removeprefix("w.")
    lab.screenshot(f"data-wrong-{name}-light", explorer)
    alert.get_by_role("button", name=near).click()
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python(left) == int(near) and field.get_attribute("aria-invalid") == "false"


@pytest.mark.parametrize("explorer", SOURCES, indirect=True)
def test_axe_is_content_and_both_themes_look_right(lab, explorer, request):
    name = request.node.callspec.params["explorer"]
    height = explorer.bounding_box()["height"]
    for theme in ("light", "dark"):
        lab.set_theme(dark=theme == "dark")
        assert lab.axe(".unet-explorer") == []
        lab.screenshot(f"{name}-{theme}", explorer)
    extreme = {"weights": ("w0", 20, "sigma", 10), "augmentation": ("percent", 0, "draw", 6)}[name]
    lab.python(f"w.set_trait({extreme[:2]!r}[0], {extreme[1]}), w.set_trait(*{extreme[2:]!r})")
    lab.page.wait_for_timeout(PAUSE)
    assert explorer.bounding_box()["height"] == height
    lab.screenshot(f"{name}-dark-extreme", explorer)


@pytest.mark.parametrize("explorer", SOURCES, indirect=True)
def test_keys_inside_never_reach_the_notebook(lab, explorer):
    cells = lab.cell_count()
    for target in explorer.locator("input, button").all():
        target.focus()
        for key in ("d", "d", "a", "x", "j", "Escape", "d", "d"):
            lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    assert lab.cell_count() == cells
    assert "Explorer" in lab.cells()[0]["source"]
