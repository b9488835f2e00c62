"""DesignExplorer in JupyterLab: by mouse and keyboard, everything shown compared with Python."""

from itertools import product
from statistics import mean

import pytest
from test_explorers import PAUSE, fact

SOURCE = (
    "import json\n"
    "from pathlib import Path\n"
    "from unet_lesson import UNetConfig, shapes\n"
    "from unet_lesson.widgets import DesignExplorer\n"
    "study = json.loads(Path('design_study.json').read_text())\n"
    "w = DesignExplorer(study)\n"
    "w"
)
ALL_EQUAL = (
    "same = json.loads(json.dumps(study))\n"
    "for it in same['settings'].values():\n"
    "    it['runs'] = {'em': [{'dice': 1, 'f1': 0, 'border_error': 0, 'middle_error': 0.5}] * 3}\n"
    "DesignExplorer(same, 'depth 1', '16 channels')"
)
SCORES = {"dice": 1, "f1": 1, "border_error": -1, "middle_error": -1}  # what is better


def expected_u(lab, name):
    """What stands in the U of a setting without its own way to join, by place."""
    setting = f"study['settings'][{name!r}]"
    config = f"UNetConfig(**{setting}['config'])"
    sizes = f"shapes.axis_sizes({config}, {setting}['tile'])"
    channels, down, up, crops, tile, output, skips = lab.python(
        f"({config}.channels, {sizes}.contracting, {sizes}.expansive, {sizes}.crops, "
        f"{setting}['tile'], {setting}['output'], {setting}['variant'].get('skips'))"
    )
    words = {"tile": f"{tile}²", "output": f"{output}²", "bottom": f"{channels[-1]} x {down[-1]}²"}
    for i, (before, after, crop) in enumerate(zip(down, up[::-1], crops[::-1], strict=False)):
        words[f"down-{i}"] = f"{channels[i]} x {before}²"
        words[f"up-{i}"] = f"{channels[i]} x {after}²"
        words[f"skip-{i}"] = "no skip" if skips else f"crop {crop}" if crop else "copy"
    return words


def same_as_python(lab, explorer):
    """The two U, the costs and the scores are those of the kernel's settings and task."""
    left, right, task = lab.python("(w.left, w.right, w.task)")
    assert explorer.locator("select").evaluate_all("(all) => all.map(s => s.value)") == [
        left,
        right,
    ]
    assert explorer.locator("input:checked").get_attribute("value") == task
    drawn = {side: expected_u(lab, name) for side, name in (("left", left), ("right", right))}
    for side, other in (("left", "right"), ("right", "left")):
        shown = explorer.locator(f'[data-u^="{side}-"]').evaluate_all(
            "(all) => all.map(t => [t.dataset.u, t.textContent, 'differs' in t.dataset])"
        )
        assert {place: words for place, words, _ in shown} == {
            f"{side}-{place}": words for place, words in drawn[side].items()
        }
        marked = {place.split("-", 1)[1] for place, _, differs in shown if differs}
        assert marked == {p for p, words in drawn[side].items() if words != drawn[other].get(p)}
    settings = lab.python(f"[study['settings'][name] for name in ({left!r}, {right!r})]")
    same_costs(lab, explorer, settings)
    for score in SCORES:
        same_score(explorer, score, [[r[score] for r in s["runs"][task]] for s in settings])
    assert explorer.locator("[aria-live]").text_content() == lab.python("w.facts()")


def same_costs(lab, explorer, settings):
    """Legal inputs and numbers as in the study, bars as long as their numbers say."""
    measures = {
        "parameters": (lambda s: s["parameters"], "{:,}"),
        "MACs per tile": (lambda s: s["macs"] / 1e6, "{:,.1f} M"),
        "MACs per output pixel": (lambda s: s["macs"] / s["output"] ** 2, "{:,.0f}"),
        "memory kept per tile": (lambda s: s["kept_bytes"] / 1024**2, "{:.1f} MiB"),
    }
    for side, setting in zip(("left", "right"), settings, strict=True):
        legal = lab.python(f"shapes.legal_sizes(UNetConfig(**{setting['config']}), 0, 999)[:3]")
        assert fact(explorer, f"{side}-legal") == f"{legal[0]}, {legal[1]}, {legal[2]}, ..."
        assert fact(explorer, f"{side}-label") == setting["label"]
    for name, (number, form) in measures.items():
        values = [number(setting) for setting in settings]
        for side, value in zip(("left", "right"), values, strict=True):
            assert fact(explorer, f"{side} {name}") == form.format(value)
            bar = explorer.locator(f'[data-bar="{side} {name}"]')
            share = bar.evaluate("(bar) => bar.offsetWidth / bar.parentElement.offsetWidth")
            assert share == pytest.approx(value / max(values), abs=0.02)  # whole pixels


def same_score(explorer, score, runs):
    """Dots stand where the axis says, means and verdict follow from the runs."""
    strip = explorer.locator(f'[data-strip="{score}"]')
    ticks = strip.locator("text").evaluate_all(
        "(all) => all.map(n => { const b = n.getBoundingClientRect();"
        " return [Number(n.textContent), b.x + b.width / 2]; })"
    )
    dots = strip.locator("[data-dot]").evaluate_all(
        "(all) => all.map(n => { const b = n.firstChild.getBoundingClientRect();"
        " return [...n.dataset.dot.split(' '), b.x + b.width / 2]; })"
    )
    assert [float(value) for _, value, _ in dots] == [*runs[0], *runs[1]]
    assert [side for side, *_ in dots] == ["left"] * 3 + ["right"] * 3
    (low, start), (high, end) = ticks[0], ticks[-1]
    for _, value, x in dots:
        assert low <= float(value) <= high
        assert x == pytest.approx(
            start + (end - start) * (float(value) - low) / (high - low), abs=1
        )
    for side, values in zip(("left", "right"), runs, strict=True):
        assert fact(explorer, f"{side} {score}") == f"{mean(values):.3f}"
    better = [SCORES[score] * (b - a) for a, b in product(*runs)]
    verdict = fact(explorer, f"{score} verdict")
    if min(better) <= 0 <= max(better):
        assert verdict == "no difference that three seeds can show"
    else:
        side = "right" if better[0] > 0 else "left"
        gap = abs(mean(runs[0]) - mean(runs[1]))
        assert verdict.startswith("the ranges of the three seeds do not meet: ")
        assert verdict.endswith(f"{side} is better by {gap:.3f}" if gap >= 0.0005 else "0.001")


def test_by_mouse(lab, explorer):
    lab.page.wait_for_timeout(PAUSE)
    same_as_python(lab, explorer)
    explorer.get_by_label("right", exact=True).select_option("padding=1")
    explorer.get_by_text("drawn touching nuclei").click()
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("(w.left, w.right, w.task)") == ("baseline", "padding=1", "nuclei")
    same_as_python(lab, explorer)
    explorer.get_by_role("button", name="swap").click()
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("(w.left, w.right)") == ("padding=1", "baseline")
    same_as_python(lab, explorer)
    explorer.get_by_label("right", exact=True).select_option("depth 4")
    explorer.get_by_label("left", exact=True).select_option("4 channels")
    lab.page.wait_for_timeout(PAUSE)
    assert lab.python("(w.left, w.right)") == ("4 channels", "depth 4")
    same_as_python(lab, explorer)


def test_by_keyboard_alone(lab, explorer):
    cells = lab.cell_count()
    explorer.locator("input:checked").focus()
    for key in ["ArrowRight", "Tab", "Space", "Tab", "ArrowDown", "Tab", "ArrowDown"]:
        lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    names = lab.python("list(study['settings'])")
    after = [names[names.index(name) + 1] for name in ("no skips", "baseline")]
    assert lab.python("[w.left, w.right, w.task]") == [*after, "nuclei"]
    same_as_python(lab, explorer)
    focused = explorer.locator(":focus-visible")
    assert focused.get_attribute("id") == explorer.locator("select").nth(1).get_attribute("id")
    assert focused.evaluate("(it) => getComputedStyle(it).outlineWidth") == "3px"
    for target in explorer.locator("select, button, input:checked").all():
        target.focus()
        for key in ("d", "d", "a", "x", "j", "Escape", "d", "d"):
            lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(PAUSE)
    assert lab.cell_count() == cells


def test_python_moves_the_view_axe_is_content_and_both_themes_look_right(lab):
    lab.open_notebook([SOURCE, ALL_EQUAL])
    explorer = lab.page.locator(".unet-explorer").first
    lab.page.locator(".unet-explorer").nth(1).scroll_into_view_if_needed()
    ids = lab.page.locator(".unet-explorer [id]").evaluate_all("(all) => all.map(n => n.id)")
    assert len(set(ids)) == len(ids) >= 6
    explorer.scroll_into_view_if_needed()
    height = explorer.bounding_box()["height"]
    for name in ("baseline", "padding=1", "depth 1", "depth 4", "16 channels"):
        lab.python(f"w.set_trait('right', {name!r})")
        lab.page.wait_for_function(
            "(name) => document.querySelectorAll('.unet-explorer select')[1].value === name",
            arg=name,
        )
        assert explorer.bounding_box()["height"] == height
    lab.python("[w.set_trait('left', 'padding=1'), w.set_trait('task', 'nuclei')]")
    lab.page.wait_for_timeout(PAUSE)
    same_as_python(lab, explorer)
    for theme in ("light", "dark"):
        lab.set_theme(dark=theme == "dark")
        assert lab.axe(".unet-explorer >> nth=0") == []
        lab.screenshot(f"design-{theme}", explorer)
