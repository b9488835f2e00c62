"""The rules that every notebook keeps, and proof that it builds what the package ships."""

import re
from pathlib import Path
from statistics import median

import nbformat
import pytest
import torch
from torch import nn

import unet_lesson
from unet_lesson import UNetConfig

ROOT = Path(__file__).parent.parent
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in PATHS}
every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)


def code_cells(name):
    return [cell for cell in NOTEBOOKS[name].cells if cell.cell_type == "code"]


def markdown(name):
    return [cell.source for cell in NOTEBOOKS[name].cells if cell.cell_type == "markdown"]


def tags(cell):
    return cell.metadata.get("tags", [])


def test_the_notebooks_are_here():
    numbers = [path.stem.partition("_")[0] for path in PATHS]
    assert numbers == [*(f"{number:02}" for number in range(9)), "09", "09b", "09c", "10"]


@every_notebook
def test_format_and_metadata_are_the_normal_form(name):
    notebook = NOTEBOOKS[name]
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info == {"name": "python"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}
        assert "widget-view" not in str([list(o.get("data", {})) for o in cell.get("outputs", [])])


@every_notebook
def test_it_was_executed_from_top_to_bottom(name):
    counts = [cell.execution_count for cell in code_cells(name)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code_cells(name):
        kinds = [output.output_type for output in cell.outputs]
        assert ("error" in kinds) == ("raises-exception" in tags(cell)), cell.source
        assert all(o.get("name") != "stderr" for o in cell.outputs), cell.source
        tracebacks = str([output.get("traceback") for output in cell.outputs])
        assert "File " not in tracebacks, "a path or a line number of one machine"


@every_notebook
def test_cells_are_few_and_short(name):
    lines = [len(cell.source.splitlines()) for cell in code_cells(name)]
    assert len(NOTEBOOKS[name].cells) < 60
    assert median(lines) <= 6 and max(lines) <= 30


@every_notebook
def test_outputs_are_compared(name):
    cells = code_cells(name)
    allowed = {"raises-exception", "nbval-ignore-output"}
    assert set().union(*map(tags, cells)) <= allowed
    assert sum("nbval-ignore-output" in tags(cell) for cell in cells) < len(cells) / 10
    for cell in cells:
        for output in cell.outputs:
            text = output.get("data", {}).get("text/plain")
            bar = text and re.fullmatch(r"[\w, ]+: +\d+%\|.*\[00:00<\?, \?\w+/s\]", text)  # tqdm's
            shown = {"image/png", "text/html"} & output.get("data", {}).keys()
            assert text is None or bar or shown, f"bare repr: {text}"
            assert not re.search(r"0x[0-9a-f]{6,}", str(output.get("text", text)))


@every_notebook
def test_every_plot_is_shown_and_then_said(name):
    plots = [
        cell for cell in code_cells(name) if "plt." in cell.source or "figures." in cell.source
    ]
    assert plots
    for cell in plots:
        _, shown, said = cell.source.partition("\nplt.show()\n")
        assert shown and said.startswith("print("), f"no sentence after the picture:\n{cell.source}"
        assert "image/png" in str([list(o.get("data", {})) for o in cell.outputs]), cell.source


@every_notebook
def test_nothing_comes_from_outside_or_needs_a_gpu(name):
    for cell in NOTEBOOKS[name].cells:
        assert not re.search(r"""src\s*=|!\[|@import|<(script|style|svg)""", cell.source)
        assert "cuda" not in cell.source.lower()
    for cell in code_cells(name):
        assert not re.search(r"^\s*[!%]|;\s*$|pip install", cell.source, re.M), cell.source


@every_notebook
def test_opening_and_end(name):
    texts = markdown(name)
    assert re.match(rf"# {name.partition('_')[0]} ", texts[0])
    assert "ou will be able to**" in texts[0]
    headings = re.findall(r"^## (.+)", "\n".join(texts), re.M)
    wanted = ["Play", "Try it", "What interviewers ask", "Summary"]
    assert [h for h in headings if h in wanted] == wanted
    assert re.findall(r"^(\d)\. ", texts[-1], re.M) == list("12345")


def heading_anchors(path):
    if path.suffix == ".ipynb":
        text = "\n".join(markdown(path.stem))
    else:
        text = path.read_text("utf-8")
    titles = re.findall(r"^#+ (.+)", text, re.M)
    return {t.replace(" ", "-") for t in titles} | {t.lower().replace(" ", "-") for t in titles}


@pytest.mark.parametrize("path", [*PATHS, ROOT / "README.md"], ids=lambda path: path.name)
def test_every_relative_link_and_anchor_resolves(path):
    text = "\n".join(markdown(path.stem)) if path in PATHS else path.read_text("utf-8")
    text = re.sub(r"```.*?```", "", text, flags=re.S)  # in code, a[0](x) is no link
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert links
    for link in links:
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        assert not anchor or anchor in heading_anchors(target), link


def class_from(name, title):
    """The class as the notebook's own cell defines it, with the notebook's imports."""
    names = {"torch": torch, "nn": nn, "__name__": "notebook", **vars_of_package()}
    for cell in code_cells(name):
        if re.match(r"class \w+\(nn.Module\)", cell.source):
            exec(cell.source, names)
    assert names[title].__module__ != "unet_lesson.model"
    return names[title]


def vars_of_package():
    return {title: getattr(unet_lesson, title) for title in unet_lesson.__all__}


def same_output(built, shipped, *inputs):
    """Give the notebook's module the package's weights and compare, in train and eval mode."""
    torch.manual_seed(1)
    for parameter in shipped.parameters():
        nn.init.normal_(parameter, std=0.1)
    built.load_state_dict(shipped.state_dict())
    for mode in (True, False):
        ours, theirs = built.train(mode)(*inputs), shipped.train(mode)(*inputs)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)


SMALL = UNetConfig(base_channels=4)


def test_double_conv_of_notebook_01():
    built = class_from("01_double_conv", "DoubleConv")
    same_output(built(3, 5), unet_lesson.DoubleConv(3, 5), torch.rand(2, 3, 12, 15))
    padded = unet_lesson.DoubleConv(3, 5, padding=1)
    same_output(built(3, 5, padding=1), padded, torch.rand(2, 3, 12, 15))


def test_contracting_path_of_notebook_02():
    built = class_from("02_contracting_path", "ContractingPath")
    shipped = unet_lesson.ContractingPath(SMALL)
    same_output(built((1, *SMALL.channels)), shipped, torch.rand(2, 1, 188, 204))


def test_expansive_path_of_notebook_03():
    block = class_from("03_expansive_path", "UpBlock")
    maps = torch.rand(2, 8, 6, 8), torch.rand(2, 4, 20, 24)
    same_output(block(8, 4), unet_lesson.UpBlock(8, 4), *maps)
    path = class_from("03_expansive_path", "ExpansivePath")
    features = unet_lesson.ContractingPath(SMALL)(torch.rand(2, 1, 188, 204))
    features = [feature.detach() for feature in features]
    same_output(path((32, 16, 8, 4)), unet_lesson.ExpansivePath(SMALL), features)


def test_unet_of_notebook_04():
    built = class_from("04_full_network", "UNet")
    same_output(built(SMALL), unet_lesson.UNet(SMALL), torch.rand(2, 1, 188, 204))
