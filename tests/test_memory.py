"""The network from memory: what it says, part by part, and what it keeps."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest
import torch
from torch import nn

import unet_lesson
from unet_lesson.practice import progress
from unet_lesson.practice.memory import PARTS, from_memory, start
from unet_lesson.practice.report import EXERCISES

MISTAKES = Path(__file__).parent / "mistakes"
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"

pytestmark = pytest.mark.usefixtures("path")


def right(exercise):
    """A right solution of an exercise, out of the table of mistakes."""
    spec = importlib.util.spec_from_file_location(exercise, MISTAKES / f"{exercise}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RIGHT[0]


@pytest.fixture(scope="module")
def solutions():
    return {name: right(exercise) for name, exercise in PARTS.items()}


class Stub(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()

    def forward(self, x): ...


def added(below, skip):
    top, left = ((a - b) // 2 for a, b in zip(skip.shape[2:], below.shape[2:], strict=True))
    return below + skip[:, :, top : top + below.shape[2], left : left + below.shape[3]]


def attempts():
    return progress.read()["attempts"]


def test_the_parts_are_those_of_the_network():
    assert set(PARTS.values()) <= EXERCISES.keys()
    assert list(PARTS.values())[-1] == "unet"


def test_untouched_it_says_so_and_nothing_of_it_is_kept(capsys):
    for given in ({}, {"DoubleConv": Stub, "center_crop": None, "UNet": ...}):
        found = from_memory(**given)
        assert capsys.readouterr().out == "not attempted yet\n"
        assert found.minutes is None and not found.passed
        assert {report.diagnosis for report in found.reports.values()} == {"not_attempted"}
        assert attempts() == []


def test_untouched_it_prints_the_same_whatever_the_file_holds(path, capsys, later, solutions):
    start()
    later(minutes=5)
    from_memory(center_crop=solutions["center_crop"])
    capsys.readouterr()
    printed = set()
    for content in (None, path.read_text(), "{ damaged", '{"attempts": [{"open": 1}, 3]}'):
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
        progress._known.clear()
        from_memory()
        printed.add(capsys.readouterr().out)
        later(minutes=300)
    path.unlink()
    path.mkdir()
    from_memory()
    printed.add(capsys.readouterr().out)
    assert len(printed) == 1


def test_a_check_of_nothing_leaves_a_clock_that_runs_alone(later, capsys, solutions):
    start()
    assert capsys.readouterr().out.startswith("The clock runs. Write")
    later(minutes=5)
    assert from_memory().minutes is None
    start()
    assert "The clock runs for 5 min already." in capsys.readouterr().out
    from_memory(center_crop=solutions["center_crop"])
    kept = attempts()
    later(minutes=5)
    from_memory()
    assert attempts() == kept
    assert from_memory(center_crop=solutions["center_crop"]).minutes == pytest.approx(10)


def test_part_by_part_with_the_time(capsys, later, one_thread, solutions):
    start()
    later(minutes=12.4)
    capsys.readouterr()
    part = solutions | {"crop_and_concat": added, "UpBlock": None}
    del part["UNet"]
    found = from_memory(**part)
    said = capsys.readouterr().out
    assert said.startswith("3 of 6 parts hold, after 12 min.\ndouble_conv: right.\ncontracting")
    assert "center_crop: right.\ncrop_and_concat: not right yet.\n" in said
    assert "crop_and_concat: not right yet." in said and "You add the two." in said
    assert "UpBlock: not attempted yet" in said and "UNet: not attempted yet" in said
    assert "3 of 6 parts hold, after 12 min." in said and "Attempts before" not in said
    assert not found.passed and found.minutes == pytest.approx(12.4)
    assert found.reports["crop_and_concat"].diagnosis == "added"
    (kept,) = attempts()
    assert kept["parts"]["crop_and_concat"] == "added" and kept["parts"]["UNet"] == "not_attempted"
    later(minutes=10)
    progress._known.clear()  # the kernel is restarted, and all cells are run again
    start()
    found = from_memory(**solutions)
    assert found.passed and found.minutes == pytest.approx(22.4)
    assert "6 of 6 parts hold, after 22 min." in capsys.readouterr().out
    (kept,) = attempts()
    assert set(kept["parts"].values()) == {"passed"} and not kept["open"]


def test_the_history_is_shown_newest_first(capsys, later, solutions):
    one = {"center_crop": solutions["center_crop"]}
    for minutes in (10, 20, 30, 40, 50, 60, 70):
        start()
        later(minutes=minutes)
        capsys.readouterr()
        from_memory(**one)
        later(minutes=600)  # the clock is left behind
    said = capsys.readouterr().out
    lines = said.partition("the newest first:\n")[2].splitlines()
    assert [line.split(", ")[1].split(";")[0] for line in lines] == [
        "60 min",
        "50 min",
        "40 min",
        "30 min",
        "20 min",
    ]
    assert f"{progress.now():%Y}" in lines[0] and "1 of 6 parts" in lines[0]
    assert "UNet not attempted" in lines[0]


def test_without_a_clock_it_says_so(capsys, solutions):
    found = from_memory(center_crop=solutions["center_crop"])
    assert found.minutes is None
    assert "1 of 6 parts hold, (no clock" in capsys.readouterr().out
    assert attempts()[0]["minutes"] is None and not attempts()[0]["open"]


def test_what_was_there_when_the_clock_started_is_no_attempt(capsys, one_thread, solutions):
    start()
    found = from_memory(**solutions)
    assert found.passed and attempts() == []
    assert "not kept as an attempt" in capsys.readouterr().out


def test_the_solution_of_notebook_10_holds(later, one_thread):
    cells = nbformat.read(NOTEBOOKS / "10_revision.ipynb", as_version=4).cells
    (solution,) = [cell.source for cell in cells if "<summary>Solution" in cell.source]
    parts = {}
    exec(re.search("```python\n(.+?)```", solution, re.S)[1], parts)
    start()
    later(minutes=9)
    assert from_memory(*(parts[name] for name in PARTS)).passed


def test_the_package_s_own_parts_hold(capsys, later, one_thread):
    """What the notebooks build is what the check wants."""

    class UNet(unet_lesson.UNet):
        def __init__(self, in_channels, num_classes, base_channels, depth):
            config = unet_lesson.UNetConfig(in_channels, num_classes, base_channels, depth)
            super().__init__(config)

    start()
    later(minutes=5)
    found = from_memory(DoubleConv=unet_lesson.DoubleConv, UNet=UNet)
    assert found.reports["DoubleConv"].passed and found.reports["UNet"].passed


def test_a_place_that_cannot_be_written_is_told_with_the_parts(path, capsys, solutions):
    path.mkdir()
    start()
    assert "cannot" not in capsys.readouterr().out
    from_memory(center_crop=solutions["center_crop"])
    assert capsys.readouterr().out.count("cannot be kept") == 1
    from_memory(center_crop=solutions["center_crop"])
    said = capsys.readouterr().out
    assert "cannot be kept" not in said and "1 of 6 parts" in said


def test_no_random_number_of_the_reader_is_used_up(solutions, later):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    start()
    later(minutes=2)
    from_memory(DoubleConv=solutions["DoubleConv"])
    assert torch.equal(torch.get_rng_state(), state)
