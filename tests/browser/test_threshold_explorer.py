"""ThresholdExplorer in JupyterLab: by mouse and keyboard, everything shown compared with Python."""

import pytest
from test_explorers import PAUSE, drag, fact

SOURCE = (
    "import numpy as np\n"
    "from scipy import ndimage\n"
    "from unet_lesson import figures\n"
    "from unet_lesson.data import nuclei_like\n"
    "from unet_lesson.objective import dice, iou\n"
    "from unet_lesson.widgets import ThresholdExplorer\n"
    "image, labels = nuclei_like(3, 128)\n"
    "truth = labels > 0\n"
    "noise = np.random.default_rng(0).normal(size=truth.shape)\n"
    "p = np.clip(ndimage.gaussian_filter(truth + 1.5 * noise, 2), 0, 1)\n"
    "w = ThresholdExplorer(p, truth)\n"
    "w"
)


def same_as_python(lab, explorer):
    """Numbers, picture and markers are those of the kernel's threshold, by the metrics there."""
    t = lab.python("w.threshold")
    mask = f"(p > {t} / 100)"
    found = lab.python(f"bool({mask}.any())")
    hits = lab.python(f"int(({mask} & truth).sum())")
    assert fact(explorer, "hit") == str(hits)
    assert fact(explorer, "missed") == lab.python(f"str(int((~{mask} & truth).sum()))")
    assert fact(explorer, "false_alarm") == lab.python(f"str(int(({mask} & ~truth).sum()))")
    scores = {
        "dice": lab.python(f"dice({mask}, truth)"),
        "iou": lab.python(f"iou({mask}, truth)"),
        "recall": lab.python(f"float({mask}[truth].mean())"),
        "precision": lab.python(f"float(truth[{mask}].mean())") if found else None,
    }
    for name, score in scores.items():
        assert fact(explorer, name) == ("none" if score is None else f"{score:.4f}")
        marker = explorer.locator(f'[data-marker="{name}"]')
        assert marker.is_visible() == (score is not None)
        if score is not None:
            assert float(marker.get_attribute("data-score")) == pytest.approx(score)
    pixels = explorer.locator("canvas").evaluate(
        "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    del pixels[3::4]
    drawn = lab.python(f"(255 * figures.errors(p, {mask}, truth)).round().astype(int).tolist()")
    drawn = [value for row in drawn for pixel in row for value in pixel]
    assert max(abs(a - b) for a, b in zip(pixels, drawn, strict=True)) <= 1  # grey was rounded


def test_by_mouse(lab, explorer):
    same_as_python(lab, explorer)
    slider = explorer.get_by_label("threshold, %", exact=True)
    drag(lab, slider, 0.8)
    assert 75 <= lab.python("w.threshold") <= 85
    same_as_python(lab, explorer)
    drag(lab, slider, 1)
    assert lab.python("w.threshold") == 100
    assert fact(explorer, "precision") == "none"
    same_as_python(lab, explorer)


def test_by_keyboard_alone(lab, explorer):
    cells = lab.cell_count()
    explorer.get_by_label("threshold, %", exact=True).focus()
    for key in ["Home", "ArrowRight", "ArrowRight", "d", "d"]:
        lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("w.threshold") == 2
    same_as_python(lab, explorer)
    lab.page.keyboard.press("Tab")
    lab.page.keyboard.press("Control+a")
    lab.page.keyboard.type("61")
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("w.threshold") == 61
    same_as_python(lab, explorer)
    for key in ("d", "d", "a", "x", "j", "Escape", "d", "d"):
        lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    assert lab.cell_count() == cells


def test_a_number_out_of_range_is_red_and_mended_by_a_button(lab, explorer):
    height = explorer.bounding_box()["height"]
    explorer.get_by_label("threshold, %, number").fill("250")
    refusal = explorer.get_by_role("alert")
    assert "whole numbers 0 to 100" in refusal.text_content()
    assert explorer.bounding_box()["height"] == height
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("w.threshold") == 50
    refusal.get_by_role("button", name="100").click()
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("w.threshold") == 100


def test_python_moves_the_view_axe_is_content_and_both_themes_look_right(lab, explorer):
    lab.python("w.set_trait('threshold', 34)")
    lab.page.wait_for_timeout(PAUSE)
    same_as_python(lab, explorer)
    assert fact(explorer, "best").split(". ")[0] in lab.python("w.facts()")
    spoken = explorer.locator("[aria-live]").text_content()
    assert spoken.startswith("threshold 34%: hit ") and spoken in lab.python("w.facts()")
    for theme in ("light", "dark"):
        lab.set_theme(dark=theme == "dark")
        assert lab.axe(".unet-explorer") == []
        lab.screenshot(f"threshold-{theme}", explorer)
