"""The mock interview in JupyterLab: worked through by mouse and by keyboard, in both themes."""

import json
import re

import pytest
from test_explorers import PAUSE, fact
from test_practice_widgets import looks_right

SETUP = (
    "import os, time\n"
    "os.environ['UNET_LESSON_PROGRESS'] = {path!r}\n"
    "from unet_lesson.practice import mock_interview\n"
    "from unet_lesson.practice.drills import Drill\n"
    "w = mock_interview(6, level={level}, seed=1)\n"
    "w"
)


@pytest.fixture
def interview(lab, tmp_path):
    """interview(level) -> (three questions, live in a notebook, the second of them a number)."""
    path = tmp_path / "progress.json"

    def show(level):
        lab.open_notebook([SETUP.format(path=str(path), level=level), "1"])
        root = lab.page.locator(".unet-explorer")
        root.wait_for()
        root.scroll_into_view_if_needed()
        assert lab.python("[isinstance(a, Drill) for a in w.asked]") == [False, True, False]
        return root, path

    return show


def said_so(lab, words):
    lab.page.wait_for_timeout(PAUSE)
    assert words in lab.page.locator(".unet-explorer [aria-live]").text_content()


def test_by_mouse(lab, interview):
    root, path = interview(2)
    height = root.bounding_box()["height"]
    root.get_by_role("button", name="Start the clock").click()
    root.get_by_text("Question 1 of 3").wait_for()
    assert fact(root, "question") == lab.python("w.page['question']")
    root.get_by_role("button", name="Show the answer").click()
    assert fact(root, "answer") == lab.python("w.page['answer']")
    ticks = root.get_by_role("checkbox")
    assert [tick.text_content()[1:] for tick in ticks.all()] == lab.python("w.page['points']")
    ticks.nth(0).click()
    ticks.nth(1).click()
    ticks.nth(0).click()
    assert ticks.nth(1).is_checked() and not ticks.nth(0).is_checked()
    assert fact(root, "ticked") == f"1 of {ticks.count()} points ticked."
    looks_right(lab, "interview-answer", root)
    root.get_by_role("button", name="Next").click()
    root.get_by_label("Your number").fill("many")
    root.get_by_role("button", name="Answer", exact=True).click()
    root.get_by_text("'many' is no number").wait_for()
    wrong, why = lab.python("list(w.asked[1].feedback.items())[0]")
    root.get_by_label("Your number").fill(str(wrong))
    root.get_by_role("button", name="Answer", exact=True).click()
    root.locator("[data-fact=verdict]").wait_for()
    assert fact(root, "verdict").startswith(f"{wrong} is not right.")
    assert why in fact(root, "verdict") and root.get_by_role("checkbox").count() == 0
    looks_right(lab, "interview-number", root)
    assert root.get_by_role("link").get_attribute("href") == lab.python("w.page['where']['href']")
    root.get_by_role("button", name="Next").click()
    lab.python("setattr(w, 'page', {**w.page, 'started': time.time() - 365})")
    root.get_by_text("6:05 of 6:00, the time is up").wait_for()
    looks_right(lab, "interview-late", root)
    root.get_by_role("button", name="Show the answer").click()
    root.get_by_role("button", name="Next").click()
    root.locator("[data-fact=result]").wait_for()
    assert fact(root, "result").startswith("1 of ")
    assert fact(root, "result") == lab.python("w.page['result']")
    looks_right(lab, "interview-result", root)
    (kept,) = json.loads(path.read_text())["interviews"]
    assert kept["said"] == 1 and kept["topics"][lab.python("w.asked[1].topic")] == [0, 1]
    assert root.bounding_box()["height"] == height


def test_by_keyboard_alone(lab, interview):
    root, path = interview(1)
    cells, press = lab.cell_count(), lab.page.keyboard.press
    root.focus()
    press("d")
    press("d")
    press("Enter")
    root.get_by_text("Question 1 of 3").wait_for()
    assert "this question has until 2:00" in fact(root, "clock")
    press("1")  # not before the answer is seen
    press("Space")
    root.locator("[data-fact=answer]").wait_for()
    said_so(lab, lab.python("w.page['answer']")[:60])
    for key in ("1", "2", "2", "x"):
        press(key)
    root.get_by_text(re.compile(r"^0:(0[2-9]|[1-5]\d) of 6:00")).wait_for()  # the clock moves on
    assert fact(root, "ticked").startswith("1 of ")
    press("Enter")
    root.get_by_text("Question 2 of 3").wait_for()
    lab.page.keyboard.type(str(lab.python("w.asked[1].answer")))
    press("Enter")
    root.locator("[data-fact=verdict]").wait_for()
    assert "is right." in fact(root, "verdict")
    press("Enter")
    root.get_by_text("Question 3 of 3").wait_for()
    press("Enter")
    root.locator("[data-fact=answer]").wait_for()
    press("Shift+Tab")  # to the link, then to the last of the points
    press("Shift+Tab")
    press("Space")
    last = root.get_by_role("checkbox").last
    assert last.is_checked()
    assert last.evaluate("(it) => it === document.activeElement && it.matches(':focus-visible')")
    press("Tab")
    press("Tab")
    press("Enter")
    root.locator("[data-fact=result]").wait_for()
    assert fact(root, "result").startswith("3 of ")
    said_so(lab, "3 of ")
    assert json.loads(path.read_text())["interviews"][0]["said"] == 3
    for key in ("d", "d", "a", "x", "2", "Escape"):
        press(key)
    press("Enter")
    root.get_by_text("3 questions in 6 minutes.").wait_for()
    assert lab.cell_count() == cells
    assert all(cell["cell_type"] == "code" for cell in lab.cells())
