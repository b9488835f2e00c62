"""Every notebook as a learner meets it: opened from a fresh copy, looked at, run to the end."""

import shutil
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted(Path(__file__).parents[2].joinpath("notebooks").glob("*.ipynb"))
VIEW = "application/vnd.jupyter.widget-view+json"
STILL = "image/png", "text/html"  # what stands for an explorer, or for a quiz, without a kernel

# For each cell, how many elements of its output match a selector; images only once they are loaded.
SHOWN = """(selector) => window.jupyterapp.shell.currentWidget.content.widgets.map((cell) =>
    [...(cell.outputArea?.node.querySelectorAll(selector) ?? [])]
        .filter((it) => it.tagName !== "IMG" || (it.complete && it.naturalWidth > 0)).length)"""
SAME = f"""([selector, wanted]) => JSON.stringify(({SHOWN})(selector)) === JSON.stringify(wanted)"""
BROKEN = """() => [...document.querySelectorAll(".jp-Notebook img")]
    .filter((it) => it.complete && !it.naturalWidth).map((it) => it.src.slice(0, 80))"""


def count(cells, *kinds):
    """For each cell, how many outputs come in all of these kinds."""
    datas = [[o.get("data", {}) for o in cell.get("outputs", [])] for cell in cells]
    return [sum(all(kind in data for kind in kinds) for data in cell) for cell in datas]


def wait_until_shown(lab, selector, wanted):
    try:
        lab.page.wait_for_function(SAME, arg=[selector, wanted], timeout=20_000)
    except Exception:
        shown = lab.page.evaluate(SHOWN, selector)
        pytest.fail(f"{selector} in each cell: {shown} shown, {wanted} wanted")


def look(lab, name, dark):
    """Pictures of the top and of every explorer in one theme, and what axe-core says of them."""
    theme = "dark" if dark else "light"
    lab.set_theme(dark)
    lab.page.locator(".jp-Notebook .jp-Cell").first.scroll_into_view_if_needed()
    lab.screenshot(f"{name}-{theme}-top")
    explorers = lab.page.locator(".unet-explorer").all()
    for number, explorer in enumerate(explorers, 1):
        explorer.scroll_into_view_if_needed()
        lab.screenshot(f"{name}-{theme}-widget{number}", explorer)
    return lab.axe(".unet-explorer") if explorers else []


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(lab, path):
    committed = path.read_bytes()
    shutil.copy(path, lab.folder)
    stored, folded = (count(nbformat.read(path, 4).cells, kind) for kind in STILL)

    lab.open_notebook(path.name, run=False)
    wait_until_shown(lab, ".jp-RenderedImage img", stored)  # the still pictures of a fresh clone
    assert lab.page.evaluate(BROKEN) == []

    lab.run_all()
    drawn, read = (count(lab.cells(), VIEW, kind) for kind in STILL)
    explorers = [a + b for a, b in zip(drawn, read, strict=True)]
    lost = [i for i in range(len(read)) if drawn[i] > stored[i] or read[i] > folded[i]]
    assert lost == [], "these cells store nothing that stands for their explorer"
    wait_until_shown(lab, ".unet-explorer", explorers)
    assert lab.page.evaluate(BROKEN) == []
    assert look(lab, path.stem, dark=False) == []
    assert look(lab, path.stem, dark=True) == []
    assert path.read_bytes() == committed
