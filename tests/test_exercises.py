"""The exercises of notebooks 01 to 08: stubs, hints and solutions fit the checks of the package."""

import ast
import math
import re
from pathlib import Path

import nbformat
import pytest

from unet_lesson import UNetConfig
from unet_lesson.practice import EXERCISES
from unet_lesson.tile_plan import halo

PATHS = sorted((Path(__file__).parent.parent / "notebooks").glob("0[1-8]_*.ipynb"))
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4).cells for path in PATHS}
PLACES = [
    (re.search(r'^check\("(\w+)", \w+\)\Z', cell.source, re.M)[1], stem, number)
    for stem, cells in NOTEBOOKS.items()
    for number, cell in enumerate(cells)
    if cell.cell_type == "code" and re.search(r"^check\(", cell.source, re.M)
]
every_exercise = pytest.mark.parametrize("name, stem, number", PLACES, ids=[p[0] for p in PLACES])
STEPS = ["Hint 1: a nudge", "Hint 2: the likely error", "Hint 3: how", "Solution"]


def names_of(stem):
    """What the notebook's first cell imports."""
    names = {"__name__": "notebook"}
    exec(NOTEBOOKS[stem][1].source, names)
    return names


def folded(stem, number):
    """Summary -> text of what is folded behind the stub."""
    text = NOTEBOOKS[stem][number + 1].source
    found = re.findall(r"<details><summary>(.+?)</summary>\n\n(.+?)\n\n</details>", text, re.S)
    assert [summary for summary, _ in found][:4] == STEPS
    return dict(found[:4])


def run(code, names):
    """Run a cell -> the value of its last line, as IPython does."""
    *body, last = ast.parse(code).body
    exec(compile(ast.Module(body, []), "<cell>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)


def test_every_exercise_is_in_the_notebook_that_it_names():
    assert sorted((name, stem) for name, stem, _ in PLACES) == sorted(
        (name, exercise.notebook) for name, exercise in EXERCISES.items()
    )


def test_every_notebook_has_two_to_four_exercises():
    for stem, cells in NOTEBOOKS.items():
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        section = text.partition("\n## Try it\n")[2].partition("\n## ")[0]
        numbers = re.findall(r"^\*\*(\d)\. .+?\*\* Level [1-3], \d+ minutes\. ", section, re.M)
        assert numbers == list("1234"[: len(numbers)]) and 2 <= len(numbers) <= 4, stem


@every_exercise
def test_the_text_says_signature_level_and_minutes(name, stem, number):
    exercise, text = EXERCISES[name], f"\n{NOTEBOOKS[stem][number - 1].source}"
    task = text[text.rindex("\n**") :]
    level, minutes = re.search(r"\*\* Level (\d), (\d+) minutes\. ", task).groups()
    assert (int(level), int(minutes)) == (exercise.level, exercise.minutes)
    mine = re.search(r"check\(.+, (\w+)\)", NOTEBOOKS[stem][number].source)[1]
    arguments = exercise.signature.partition("(")[2]
    assert f"`{mine}({arguments}`" in task


@every_exercise
def test_the_stub_as_shipped_is_not_attempted(name, stem, number, capsys):
    report = run(NOTEBOOKS[stem][number].source, names_of(stem))
    assert (report.attempted, report.diagnosis) == (False, "not_attempted")
    assert capsys.readouterr().out == "not attempted yet\n"
    (output,) = NOTEBOOKS[stem][number].outputs
    assert output.text == "not attempted yet\n"


@every_exercise
def test_the_folded_solution_passes(name, stem, number):
    (solution,) = re.findall(r"```python\n(.+?)```", folded(stem, number)["Solution"], re.S)
    call = NOTEBOOKS[stem][number].source.splitlines()[-1]
    report = run(f"{solution}\n{call}", names_of(stem))
    assert report.passed, report.message


def test_answers_without_a_cell_of_their_own():
    texts = "\n".join(cell.source for cell in NOTEBOOKS["08_overlap_tile"])
    assert f"**{halo(UNetConfig.padded(depth=5, up='transpose'))}**: 190 pixels" in texts
    texts = "\n".join(cell.source for cell in NOTEBOOKS["07_training"])
    assert f"= {0.63 * math.log(1 + 1 / math.e) + 0.37 * math.log(2):.3f}." in texts
