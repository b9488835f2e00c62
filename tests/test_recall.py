"""The recall edition: blanks at three levels, and all as in our notebooks when they are filled."""

import ast
import html
import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from unet_lesson.practice import recall

every_notebook = pytest.mark.parametrize("name", recall.BUILT)
every_level = pytest.mark.parametrize("level", recall.LEVELS)
FUNCTION = '''def area(r):
    """r in pixels -> 面积"""
    if r < 0:
        raise ValueError(f"{r} < 0: 负")
    total = 3.14 * r**2  # 面积
    return round(total, 1)
'''


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """A function that runs cells of text as a notebook does and returns what each printed."""
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    monkeypatch.chdir(tmp_path)
    settings = Config({"HistoryManager": {"enabled": False}})
    shell = InteractiveShell(ipython_dir=str(tmp_path / "ipython"), config=settings)
    shell.user_ns["get_ipython"] = lambda: shell

    def each(cells):
        printed = []
        for cell in cells:
            shell.run_cell(cell).raise_error()
            printed.append(capsys.readouterr().out)
        return printed

    return each


def edition(name, level, solved=False):
    return recall.recall(recall.read(name), recall.BUILT[name], level, solved)["cells"]


def code(cells):
    return [cell["source"] for cell in cells if cell["cell_type"] == "code"]


def blanks(text):
    return [int(number) for number in re.findall(r"\bblank\((\d+)\)", text)]


@every_level
@every_notebook
def test_filled_blanks_give_the_notebooks_own_cells(name, level):
    ours = {cell["id"]: "".join(cell["source"]) for cell in recall.read(name)["cells"]}
    solved = [c for c in edition(name, level, solved=True) if c["cell_type"] == "code"][1:]
    assert {cell["id"]: cell["source"] for cell in solved} == {
        c["id"]: ours[c["id"]] for c in solved
    }
    assert [c["id"] for c in solved] == [
        number for number in ours if number in {c["id"] for c in solved}
    ]


@every_notebook
def test_each_level_asks_for_more_of_everything_that_is_built(name):
    left = []
    for level in recall.LEVELS:
        cells = edition(name, level)
        text = "\n".join(code(cells))
        assert blanks(text) == list(range(1, len(blanks(text)) + 1))
        left.append(len(text))
        for built in recall.BUILT[name]:
            (source,) = [s for s in code(cells) if re.search(rf"^(def|class) {built}\b", s, re.M)]
            tree = next(n for n in ast.parse(source).body if getattr(n, "name", "") == built)
            assert blanks(ast.unparse(tree)), built
            assert level < 3 or len([n for n in ast.walk(tree) if isinstance(n, ast.Return)]) == 0
    assert left == sorted(left, reverse=True) and left[2] < left[0]
    assert "blank" not in recall._given(ast.parse("\n".join(code(edition(name, 1))[1:])))


@every_level
@pytest.mark.parametrize("name", ["01_double_conv", "06_loss_and_metrics"])
def test_with_the_solutions_it_runs_and_prints_what_the_notebook_prints(name, level, run):
    cells = edition(name, level, solved=True)
    wanted = {
        cell["id"].removeprefix("printed-"): html.unescape(
            re.search("<pre>(.*)</pre>", cell["source"], re.S)[1]
        )
        for cell in cells
        if cell["id"].startswith("printed-")
    }
    names = [cell["id"] for cell in cells if cell["cell_type"] == "code"]
    printed = dict(zip(names, run(code(cells)), strict=True))
    assert {key: printed[key] for key in wanted} == wanted and len(wanted) >= 3


@every_level
def test_untouched_it_runs_and_says_which_blank_is_missing(level, run):
    cells = code(edition("01_double_conv", level))
    printed = dict(zip(cells, run(cells), strict=True))
    for source, text in printed.items():
        if found := blanks(source):
            assert text == f"not filled yet: blank {', '.join(map(str, found))}\n"
    assert "stopped here: blank 1 is needed and not filled yet\n" in printed.values()


def test_a_cell_that_waits_for_another_says_so(run):
    cells = ["x = blank(7)", "y = x + 1", "print(y)", "x = 3", "y = x + 1", "print(y)", "x + 4"]
    printed = run([recall.BEGIN, *cells])[1:]
    assert "blank 7 is needed" in printed[0]
    assert printed[1:4] == [
        "stopped here: x is needed, and it waits for a blank\n",
        "stopped here: y is needed, and it waits for a blank\n",
        "",
    ]
    assert printed[5] == "4\n" and printed[6].endswith("7\n"), "a last expression is shown"


def test_an_error_of_the_learners_own_stays_an_error(run):
    run([recall.BEGIN, "x = blank(1)"])
    with pytest.raises(NameError, match="torhc"):
        run(["torhc.zeros(2)"])
    with pytest.raises(ZeroDivisionError):
        run(["1 / 0"])
    with pytest.raises(NameError, match="'x'"):
        run(["x = 3", "del x", "x"])


def test_it_runs_where_the_files_of_the_notebooks_lie(run):
    cells = [recall.BEGIN, "from pathlib import Path", "print(Path('blog_table.tsv').is_file())"]
    assert run(cells)[2] == "True\n"


def test_blanks_of_a_function():
    text, solutions = recall.with_blanks(FUNCTION, ("area",), 1, first=4)
    assert solutions == ["r < 0", "3.14 * r**2", "round(total, 1)"]
    assert text.endswith("total = blank(5)  # 面积\n    return blank(6)\n")
    text, solutions = recall.with_blanks(FUNCTION, ("area",), 2, first=4)
    assert solutions == ['raise ValueError(f"{r} < 0: 负")', "return round(total, 1)"]
    text, solutions = recall.with_blanks(FUNCTION, ("area",), 3)
    assert text == "def area(r):\n    blank(1)\n"
    for level in recall.LEVELS:
        assert recall.filled(*recall.with_blanks(FUNCTION, ("area",), level, 4), 4) == FUNCTION


def test_only_what_is_needed_is_kept():
    sources = [
        "import math",
        "a = 1",
        "a = 2\nb = 0",
        "c = a\nd = 5",
        "def f(d):\n    return a + d",
    ]
    sources += [
        "for c in range(3):\n    b = c\nprint(f(b))",
        "print(f(d))",
        "## Play",
        "print(f(9))",
    ]
    kinds = ["markdown" if source.startswith("#") else "code" for source in sources]
    cells = [
        {"cell_type": kind, "source": [text]} for kind, text in zip(kinds, sources, strict=True)
    ]
    assert recall._kept(recall._before_play(cells), ("f",)) == {2, 4, 5}


def test_the_command_writes_notebooks_without_prose(tmp_path):
    recall.main([str(tmp_path / "out")])
    paths = sorted((tmp_path / "out").rglob("*.ipynb"))
    assert len(paths) == len(recall.LEVELS) * len(recall.BUILT)
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                assert re.match(r"#+ .+$|<details>", cell.source), cell.source
    before = [path.read_bytes() for path in paths]
    recall.main([str(tmp_path / "out")])
    assert [path.read_bytes() for path in paths] == before


def test_solutions_are_folded_below():
    cells = edition("01_double_conv", 3)
    folded = [c["source"] for c in cells if c["id"].startswith("solution-")]
    assert len(folded) == 2 and "class DoubleConv" in folded[1]
    assert "blank(" not in "".join(folded)


def test_outside_the_repository_it_says_where_to_go(monkeypatch):
    monkeypatch.setattr(recall, "NOTEBOOKS", Path("nowhere"))
    with pytest.raises(FileNotFoundError, match="copy of the repository"):
        recall.read("01_double_conv")
