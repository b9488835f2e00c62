"""The mock interview: what is asked, how it is judged and what it keeps."""

import json
from collections import Counter

import pytest

from unet_lesson.practice import interview, progress
from unet_lesson.practice.drills import Drill
from unet_lesson.practice.interview import FIELDS, clock, mock_interview, open_questions, plan
from unet_lesson.practice.questions import TOPICS, bank

pytestmark = pytest.mark.usefixtures("path")


def name(asked):
    return asked.kind if isinstance(asked, Drill) else asked.id


# ---- what is asked -----------------------------------------------------------------------------


def test_it_follows_one_thread_then_a_number_then_the_fields():
    asked = plan(20, 2, 0)
    opening = ["two-paths", "skip-purpose", "without-skips", "concat-or-add"]
    assert [name(a) for a in asked[:4]] == opening
    assert isinstance(asked[4], Drill)
    rest = [a.topic for a in asked[5:]]
    assert {"loss", "metrics", "debugging", "relatives", "padding and crop"} == set(rest)
    assert rest == sorted(rest, key=TOPICS.index)


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("minutes", [6, 7, 20, 45, 60])
def test_two_minutes_each_of_the_level_or_one_below_and_nothing_twice(minutes, level):
    for seed in range(8):
        asked = plan(minutes, level, seed)
        assert len(asked) == minutes // 2
        assert len({name(a) for a in asked}) == len(asked)
        opening = [a for a in asked if name(a) in interview.OPENING]
        assert all(a.level <= level for a in opening) and asked[: len(opening)] == opening
        assert all(level - 1 <= a.level <= level for a in asked if a not in opening)
        drills = sum(isinstance(a, Drill) for a in asked)
        assert 1 <= drills <= 1 + minutes // 10


def test_only_questions_that_are_answered_in_words_are_asked():
    ids = {q.id for q in bank() if q.choices or q.number}
    assert not ids & {name(a) for seed in range(20) for a in plan(60, 2, seed)}
    for level in (1, 2, 3):
        fewest = Counter({f: len(open_questions(f, level, [])) for f in FIELDS if f != "number"})
        assert min(fewest.values()) >= 2, fewest  # 60 minutes ask two of a field


def test_the_seed_decides():
    assert plan(20, 2, 5) == plan(20, 2, 5) != plan(20, 2, 6)
    assert len({name(a) for seed in range(30) for a in plan(20, 2, seed)}) > 40


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"minutes": 5}, ValueError, ["minutes must be 6 or more, not 5; the nearest is 6"]),
        ({"minutes": 90}, ValueError, ["minutes must be 6 to 60, not 90; the nearest is 60"]),
        ({"minutes": 7.5}, TypeError, ["minutes must be a whole number"]),
        ({"level": 4}, ValueError, ["level must be 1, 2, 3", "not 4; the nearest is 3"]),
        ({"level": None}, TypeError, ["level must be a whole number, not None"]),
        ({"seed": "x"}, TypeError, ["seed must be a whole number"]),
    ],
)
def test_what_is_no_interview_is_refused(given, error, words, refused):
    refused(lambda: mock_interview(**given), error, *words)


# ---- from beginning to end ---------------------------------------------------------------------


def work_through(made, later, said, numbers=()):
    """Answer all: `said(asked)` gives the points, the numbers are typed right or, once, wrong."""
    numbers = iter(numbers)
    made.start()
    for at, asked in enumerate(made.asked, 1):
        page = made.page
        assert page["stage"] == "question" and page["question"] == asked.question
        assert page["place"] == f"Question {at} of {len(made.asked)}, {asked.topic}"
        assert page["until"] == pytest.approx(60 * made.minutes * at / len(made.asked))
        assert "answer" not in page and "points" not in page
        later(seconds=30)
        if isinstance(asked, Drill):
            assert page["typed"] and page["unit"] == asked.unit
            made.answer(str(asked.answer if next(numbers, True) else max(asked.feedback)))
        else:
            made.answer("388")  # nothing is typed here
            assert made.page["stage"] == "question"
            made.show_answer()
            assert made.page["answer"] == asked.answer and made.page["points"] == asked.must
        assert made.page["stage"] == "answer"
        made.go_on(said(asked))


def test_from_beginning_to_end(later):
    made = mock_interview(20, 2, 3)
    assert made.page == {"stage": "ready", "minutes": 20, "count": 10}
    made.go_on([0])
    made.show_answer()
    made.again()
    assert made.page["stage"] == "ready"  # nothing is asked yet
    work_through(made, later, lambda asked: [0, 9])
    of = sum(1 if isinstance(a, Drill) else len(a.must) for a in made.asked)
    assert made.page["result"] == f"10 of {of} points in 5:00 of 20:00 minutes."
    topics = Counter(a.topic for a in made.asked)
    assert {topic: said for topic, (said, _) in made.page["topics"].items()} == topics
    missed = {entry["question"]: entry["points"] for entry in made.page["missed"]}
    assert missed == {
        a.question: a.must[1:] for a in made.asked if not isinstance(a, Drill) and len(a.must) > 1
    }
    assert all(".ipynb#" in entry["where"]["href"] for entry in made.page["missed"])
    (kept,) = progress.read()["interviews"]
    assert (kept["said"], kept["points"], kept["seconds"]) == (10, of, 300)
    assert (kept["level"], kept["minutes"]) == (2, 20) and kept["topics"] == made.page["topics"]


def test_a_number_is_judged_and_what_is_none_is_asked_again(later):
    made = mock_interview(6, 1, 0)
    at = next(i for i, a in enumerate(made.asked) if isinstance(a, Drill))
    made.start()
    for _ in range(at):
        made.show_answer()
        made.go_on([])
    drill = made.asked[at]
    made.answer("many")
    assert made.page["stage"] == "question" and "'many' is no number" in made.page["problem"]
    wrong, why = next(iter(drill.feedback.items()))
    made.answer(str(wrong))
    verdict = made.page["verdict"]
    assert not verdict["right"] and why in verdict["why"] and made.page["problem"] == ""
    assert drill.how in made.page["answer"]
    made.go_on([0])  # a wrong number cannot be ticked
    assert made._said[at] == []


def test_a_number_that_is_shown_but_not_typed_is_no_point(later):
    made = mock_interview(6, 1, 0)
    made.start()
    for asked in made.asked:
        made.show_answer()
        assert made.page["verdict"] is None
        made.go_on([0])
        assert made._said[-1] == ([] if isinstance(asked, Drill) else [0])
    number = next(a for a in made.asked if isinstance(a, Drill))
    assert number.question in [entry["question"] for entry in made.page["missed"]]


def test_another_one_asks_something_else_and_shows_those_before(later, path):
    made = mock_interview(10, 2, 0)
    for round_ in range(8):
        asked = made.asked
        work_through(made, later, lambda _, n=round_: range(n), [False])
        assert len(made.page["earlier"]) == min(round_, 5)
        made.again()
        assert made.page["stage"] == "ready" and made.asked != asked
        later(seconds=3600)
    kept = progress.read()["interviews"]
    assert len(kept) == 8 and kept[0]["said"] == 0
    content = json.loads(path.read_text())
    content["interviews"][6:] = [{**kept[6], "when": "?"}, {"when": kept[7]["when"]}, {}]
    path.write_text(json.dumps(content))
    progress._known.clear()
    work_through(made, later, lambda _: [])
    first = made.page["earlier"][0]
    assert len(made.page["earlier"]) == 5
    assert f"{kept[5]['said']} of {kept[5]['points']} points, level 2, 2:30 of 10:00" in first
    assert first.startswith(progress.day(kept[5]))


def test_a_place_that_cannot_be_written_is_told_at_the_end(path, later, capsys):
    path.mkdir()
    made = mock_interview(6)
    work_through(made, later, lambda _: [0])
    assert "cannot be kept" in made.page["notice"] and capsys.readouterr().out == ""
    assert made.page["result"].startswith("3 of ")


def test_the_faces_are_stable_and_the_answers_folded_away(path, later):
    made = mock_interview()
    faces = made._repr_mimebundle_()[0]
    assert set(faces) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    assert faces["text/plain"].startswith("mock interview of 20 minutes, level 2, 10 questions: ")
    html = faces["text/html"]
    assert html.count("<details><summary>Answer</summary>") == 10
    for part in html.split("<details>")[0:1]:
        assert "1. Walk me through" in part and made.asked[0].answer[:40] not in part
    work_through(made, later, lambda _: [])
    path.write_text("damaged")
    later(seconds=10**6)
    again = mock_interview()
    for one in (made, again):
        assert (one.facts(), one.html()) == (faces["text/plain"], html)


def test_time_in_words():
    assert [clock(s) for s in (0, 59.9, 60, 125, 3599)] == ["0:00", "0:59", "1:00", "2:05", "59:59"]
