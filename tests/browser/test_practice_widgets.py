"""Quiz and cards in JupyterLab: worked through by mouse and by keyboard, in both themes."""

import json

import pytest
from playwright.sync_api import expect
from test_explorers import PAUSE, fact

SETUP = (
    "import os\n"
    "os.environ['UNET_LESSON_PROGRESS'] = {path!r}\n"
    "from random import Random\n"
    "from unet_lesson.practice import cards, quiz\n"
    "from unet_lesson.practice.drills import drill\n"
    "from unet_lesson.practice.questions import bank\n"
    "from unet_lesson.practice.quiz import Quiz, from_bank, from_drill\n"
    "w = {call}\n"
    "w"
)
CHOICES = "[from_bank(q, Random(1)) for q in bank() if q.choices]"
NUMBERS = "[from_drill(drill('dice', 1)), from_bank([q for q in bank() if q.number][0], None)]"
MIXED = f"Quiz([item for pair in zip({NUMBERS}, {CHOICES}) for item in pair])"  # four items
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"


@pytest.fixture
def board(lab, tmp_path):
    """board(call) -> (the widget that `call` makes, live in a notebook, its progress file)."""
    path = tmp_path / "progress.json"

    def show(call, *more):
        lab.open_notebook([SETUP.format(path=str(path), call=call), *more, "1"])
        root = lab.page.locator(".unet-explorer").first
        root.wait_for()
        root.scroll_into_view_if_needed()
        return root, path

    return show


def judge_as_python(lab, root, right):
    """The verdict says what was expected, with the answer and the place that Python gives."""
    root.locator("[data-fact=verdict]").wait_for()
    assert fact(root, "verdict").startswith("Right." if right else "Not right.")
    assert lab.python("w.page['verdict']['why']") in fact(root, "verdict")
    assert fact(root, "answer") == lab.python("w.page['verdict']['answer']")
    assert root.get_by_role("link").get_attribute("href") == lab.python("w.page['where']['href']")


def looks_right(lab, name, root):
    for theme in ("light", "dark"):
        lab.set_theme(dark=theme == "dark")
        assert lab.axe(".unet-explorer") == []
        lab.screenshot(f"{name}-{theme}", root)
    lab.set_theme(dark=False)


def test_a_quiz_by_mouse(lab, board):
    root, path = board(MIXED, "quiz(count=2)")
    height = root.bounding_box()["height"]
    looks_right(lab, "quiz-question", root)
    for at, right in enumerate((False, True, False, True)):
        number = lab.python(f"w.items[{at}].number if not w.items[{at}].choices else None")
        if number is None:
            choices = lab.python(f"list(w.items[{at}].choices)")
            good = choices.index(lab.python(f"w.items[{at}].right"))
            root.locator(f'[data-choice="{good if right else int(not good)}"]').click()
        else:
            field = root.get_by_label("Your number")
            field.fill("many")
            root.get_by_role("button", name="Answer").click()
            root.get_by_text("'many' is no number").wait_for()
            field.fill(f"{number if right else 3 * number + 1}")
            root.get_by_role("button", name="Answer").click()
        judge_as_python(lab, root, right)
        if at < 2:
            looks_right(lab, f"quiz-{('wrong', 'right')[at]}", root)
        root.get_by_role("button", name="Next").click()
    root.locator("[data-fact=result]").wait_for()
    assert fact(root, "result") == "2 of 4 right."
    assert root.get_by_role("link").count() == 2
    looks_right(lab, "quiz-result", root)
    answers = json.loads(path.read_text())["answers"]
    assert [answer["right"] for answer in answers] == [False, True, False, True]
    root.get_by_role("button", name="Ask the missed ones again").click()
    root.get_by_text("Question 1 of 2").wait_for()
    assert fact(root, "question") == lab.python("w.items[0].question")
    assert root.bounding_box()["height"] == height
    ids = lab.page.locator(".unet-explorer [id]").evaluate_all("(all) => all.map(one => one.id)")
    assert len(set(ids)) == len(ids), "two quizzes share an id"


def test_a_quiz_by_keyboard_alone(lab, board):
    root, _ = board(MIXED)
    cells, press = lab.cell_count(), lab.page.keyboard.press
    root.focus()
    for at in range(4):
        root.get_by_text(f"Question {at + 1} of 4").wait_for()
        if lab.python(f"bool(w.items[{at}].choices)"):
            press("d")
            press("d")
            good = lab.python(f"w.items[{at}].choices.index(w.items[{at}].right)")
            press(str(good + 1))
        else:
            if at == 0:
                root.get_by_label("Your number").focus()
            lab.page.keyboard.type(str(lab.python(f"w.items[{at}].number")))
            press("Enter")
        judge_as_python(lab, root, True)
        press("Enter")
    root.locator("[data-fact=result]").wait_for()
    assert fact(root, "result") == "4 of 4 right."
    lab.page.wait_for_timeout(PAUSE)
    assert root.locator("[aria-live]").text_content().startswith("4 of 4 right.")
    for key in ("d", "d", "a", "x", "2", "Escape", "d", "d"):
        press(key)
    assert lab.cell_count() == cells
    press("Enter")
    root.get_by_text("Question 1 of 4").wait_for()


def test_a_link_opens_the_place_beside_and_scrolls_to_it(lab, board):
    root, _ = board("cards(notebook='03')")
    root.get_by_role("button", name="Show the answer").click()
    place = lab.python("w.page['where']['href']")
    assert place == "03_expansive_path.ipynb#Crop-and-concatenate"
    root.get_by_role("link").click()
    heading = lab.page.locator("h2", has_text="Crop and concatenate")
    expect(heading).to_be_in_viewport(timeout=20_000)
    assert len(lab.page.context.pages) == 1


def test_cards_by_mouse_and_after_a_restart(lab, board):
    root, path = board("cards(new=2)")
    height = root.bounding_box()["height"]
    looks_right(lab, "cards-question", root)
    root.get_by_role("button", name="中文").click()
    assert fact(root, "question") == lab.python("w.page['zh']")
    root.get_by_role("button", name="English").click()
    for rating in ("easy", "again"):
        asked = lab.python("w.page['id']")
        assert fact(root, "question") == lab.python("w.page['question']")
        root.get_by_role("button", name="Show the answer").click()
        assert fact(root, "answer") == lab.python("w.page['answer']")
        if rating == "easy":
            looks_right(lab, "cards-answer", root)
        root.locator(f"[data-rating={rating}]").click()
        root.get_by_role("button", name="Show the answer").wait_for()
        assert asked in json.loads(path.read_text())["cards"]
    assert lab.python("w.page['id']") == asked  # again: it comes back soon
    before = fact(root, "plan")
    lab.page.evaluate(RESTART)
    lab.run_all()
    root = lab.page.locator(".unet-explorer").first
    root.wait_for()
    assert lab.python("w.page['rated'], w.page['unseen_left']") == (
        0,
        lab.python("len(w._questions)") - 2,
    )
    assert "Coming: later today 1, within 8 days 1" in before
    assert fact(root, "plan").partition("Coming")[2] == before.partition("Coming")[2]
    path.write_text(path.read_text()[:-40])
    root.get_by_role("button", name="Show the answer").click()
    root.locator("[data-rating=easy]").click()
    root.locator("[data-fact=notice]").wait_for()
    assert str(path.with_name("progress.damaged-1.json")) in fact(root, "notice")
    assert len(json.loads(path.read_text())["cards"]) == 3
    assert root.bounding_box()["height"] == height


def test_cards_by_keyboard_alone(lab, board):
    root, path = board("cards(topic='loss', level=1, new=3)", "cards(new=1)")
    cells, press = lab.cell_count(), lab.page.keyboard.press
    root.get_by_role("button", name="中文").focus()
    press("Enter")
    assert fact(root, "question") == lab.python("w.page['zh']")
    press("Shift+Tab")
    press("Space")
    assert fact(root, "question") == lab.python("w.page['question']")
    bare = root.locator(".unet-board-foot")
    bare.click(
        position={"x": bare.bounding_box()["width"] - 20, "y": 20}
    )  # the keys then go to the widget, not to the cell
    for at, key in enumerate(("4", "1", "4", "4"), 1):
        press("2")  # not before the answer is seen
        press(("Space", "Enter")[at % 2])
        root.locator("[data-fact=answer]").wait_for()
        press("d")
        press("d")
        if at == 2:
            press("Space")
            assert root.locator("[data-fact=answer]").count() == 0
            press("Space")
        press(key)
        root.get_by_text(f"Rated: {at}.").wait_for()
        lab.page.wait_for_timeout(PAUSE)
    assert fact(root, "done").startswith("Nothing is due now. The next card comes in")
    looks_right(lab, "cards-done", root)
    kept = json.loads(path.read_text())["cards"]
    assert [card["state"] for card in kept.values()] == [2] * 3, "learned: each was easy in the end"
    press("Tab")
    press("Enter")
    root.get_by_role("button", name="Show the answer").wait_for()
    assert "New in this sitting: 3" in fact(root, "plan")
    assert root.locator("[aria-live]").count() == 1
    assert lab.cell_count() == cells
    assert all(cell["cell_type"] == "code" for cell in lab.cells())
