"""The quiz: every answer of the bank is judged as the bank says, with its reason."""

import random
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from fsrs import Card

from unet_lesson.practice import progress
from unet_lesson.practice.board import folded, linked
from unet_lesson.practice.cards import cards
from unet_lesson.practice.drills import KINDS
from unet_lesson.practice.drills import drill as make_drill
from unet_lesson.practice.questions import TOPICS, bank, notebook_of, notebooks, value
from unet_lesson.practice.quiz import (
    Item,
    Quiz,
    drills,
    from_bank,
    from_drill,
    judge,
    near,
    quiz,
    read_number,
)

CHOICES = [question for question in bank() if question.choices]
NUMBERS = [question for question in bank() if question.number]
PRINTED = r"\d[\d,]*\d(?:\.\d+)?|\d+(?:\.\d+)?"

pytestmark = pytest.mark.usefixtures("path")


@pytest.mark.parametrize("question", CHOICES, ids=lambda question: question.id)
def test_a_wrong_choice_is_told_its_own_reason(question):
    item = from_bank(question, random.Random(0))
    assert sorted(item.choices) == sorted([question.choices["right"], *question.choices["wrong"]])
    assert judge(item, question.choices["right"]) == (True, "")
    for choice, why in question.choices["wrong"].items():
        assert judge(item, choice) == (False, why)


@pytest.mark.parametrize("question", NUMBERS, ids=lambda question: question.id)
def test_the_number_that_the_answer_prints_is_right_and_others_are_not(question):
    item = from_bank(question, random.Random(0))
    exact = float(value(question.number))
    printed = [read_number(text) for text in re.findall(PRINTED, question.answer)]
    assert any(judge(item, sign * number)[0] for number in printed for sign in (1, -1))
    for wrong in (exact + 1, exact - 1, 2 * exact + 1, -exact - 1):
        right, why = judge(item, wrong)
        if abs(exact) < 50 or exact == round(exact):
            assert not right and why.startswith("It is ")


def test_the_right_choice_is_in_every_place():
    places = {item.choices.index(item.right) for item in quiz(count=500).items if item.choices}
    assert {0, 1, 2, 3} <= places


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("388", 388),
        (" 388 pixels ", 388),
        ("31,030,658", 31030658),
        ("31 030 658", 31030658),
        ("1,024.5", 1024.5),
        ("47.6 %", 0.476),
        ("2/3", 2 / 3),
        ("-507.87", -507.87),
        ("1e3", 1000),
    ],
)
def test_a_number_is_read_as_people_write_it(text, number):
    assert read_number(text, "pixels") == pytest.approx(number, rel=1e-15)


@pytest.mark.parametrize("text", ["6.25", "6.25 %", "1/16", "6.25 percent"])
def test_a_share_is_read_as_per_cent_where_they_are_asked_for(text):
    assert read_number(text, "percent") == 6.25


@pytest.mark.parametrize(
    "text", ["", "many", "0,57", "1,02", "1/0", "nan", "inf", "1e999", "1/2/3", "--1"]
)
def test_what_is_no_number_is_none(text):
    assert read_number(text, "pixels") is None


@pytest.mark.parametrize(
    ("given", "number", "right"),
    [
        (31030658, 31030658, True),
        (31030657, 31030658, False),
        (570, 568, False),
        (100, 99.99999999999991, True),
        (99.5, 99.99999999999991, False),
        (47.6, 47.62943860345169, True),
        (48, 47.62943860345169, True),
        (47, 47.62943860345169, False),
        (-507.87, -507.8731, True),
        (507.87, -507.8731, False),
        (0, 0.0, True),
        (0.05, 0.0, False),
    ],
)
def test_whole_numbers_are_met_and_others_to_one_in_a_hundred(given, number, right):
    assert near(given, number) == right


def test_a_typical_wrong_number_gets_its_own_reason():
    more = {"number": 568.0, "unit": "pixels", "feedback": {570: "One convolution is missing."}}
    item = Item("x", "sizes", "How wide?", "多宽", "It is 568.", **more)
    assert judge(item, 570) == (False, "It is 568 pixels. One convolution is missing.")
    assert judge(item, 571) == (False, "It is 568 pixels.")
    assert judge(item, 568) == (True, "")


def test_the_seed_decides_and_no_question_comes_twice():
    one, same, other = quiz(seed=3), quiz(seed=3), quiz(seed=4)
    assert one.items == same.items != other.items
    for drawn in (one, other):
        assert len({item.id for item in drawn.items}) == len(drawn.items) == 10


@pytest.mark.parametrize("topic", dict.fromkeys(q.topic for q in CHOICES + NUMBERS))
def test_a_topic_is_kept(topic):
    drawn = quiz(topic, count=500).items
    assert drawn and {item.topic for item in drawn} == {topic}
    forms = {q.id for q in bank() if q.topic == topic and (q.choices or q.number)}
    drills = {f"drill-{name}" for name, kind in KINDS.items() if kind.topic == topic}
    assert {item.id for item in drawn} == forms | drills


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_level_is_kept_and_a_third_are_drills(level):
    levels = {question.id: question.level for question in bank()}
    levels |= {f"drill-{name}": kind.level for name, kind in KINDS.items()}
    ids = [item.id for item in quiz(level=level, count=9).items]
    assert {levels[name] for name in ids} == {level} and len(set(ids)) == 9
    kinds = sum(kind.level == level for kind in KINDS.values())
    assert sum(name.startswith("drill-") for name in ids) == min(3, kinds)


@pytest.mark.parametrize("kind", KINDS)
def test_a_drill_is_judged_with_its_own_reasons(kind):
    made = make_drill(kind, 5)
    item = from_drill(made)
    assert judge(item, made.answer) == (True, "")
    if made.answer != round(made.answer):
        assert judge(item, round(made.answer, 3))[0]
    for wrong, why in made.feedback.items():
        right, said = judge(item, wrong)
        assert not right and said.endswith(why)


@pytest.mark.parametrize("notebook", notebooks())
def test_every_notebook_has_a_quiz_of_its_own_questions_and_drills(notebook):
    drawn = quiz(notebook=notebook, count=500).items
    assert drawn and all(item.where["href"].startswith(notebook + "_") for item in drawn)
    shown = {q.id for q in CHOICES + NUMBERS if notebook_of(q) == notebook}
    drills = {f"drill-{name}" for name, kind in KINDS.items() if notebook_of(kind) == notebook}
    assert {item.id for item in drawn} == shown | drills


def test_what_is_no_topic_level_or_count_is_refused(refused, monkeypatch):
    refused(lambda: quiz("los"), ValueError, "topic must be one of", "did you mean 'loss'?")
    refused(lambda: quiz(3), TypeError, "topic must be one of None, 'architecture'", "not 3 (int)")
    refused(
        lambda: quiz(level=4), ValueError, "level must be 1, 2, 3 or None, not 4", "nearest is 3"
    )
    refused(lambda: quiz(level="2"), TypeError, "level must be a whole number, not '2'")
    refused(lambda: quiz(count=0), ValueError, "count must be 1 or more, not 0")
    refused(lambda: quiz(seed=0.5), TypeError, "seed must be a whole number")
    refused(lambda: quiz(notebook="3"), ValueError, "notebook must be one of None, '00', '01'")
    refused(lambda: quiz(notebook=3), TypeError, "notebook must be one of", "not 3 (int)")
    monkeypatch.setattr("unet_lesson.practice.board.bank", lambda: CHOICES[:1])
    other = next(topic for topic in TOPICS if topic != CHOICES[0].topic)
    refused(lambda: quiz(other), ValueError, "the bank has no such question of topic", other)


def work_through(made, rights):
    """Answer each question as `rights` says; the pages seen with the verdicts."""
    pages = []
    for item, right in zip(made._asked, rights, strict=True):
        assert made.page["question"] == item.question and "verdict" not in made.page
        if item.choices:
            given = item.right if right else next(c for c in item.choices if c != item.right)
        else:
            given = f"{item.number if right else 7 * item.number + 1}"
        made.answer(given)
        pages.append(made.page)
        made.answer(given)  # the question is closed
        assert made.page is pages[-1]
        made.go_on()
    return pages


def test_a_quiz_from_beginning_to_end():
    made, rights = quiz(count=6, seed=2), [True, False, True, True, False, False]
    for item, page, right in zip(made.items, work_through(made, rights), rights, strict=True):
        assert page["verdict"]["right"] == right and page["verdict"]["answer"] == item.answer
        assert page["where"]["href"].startswith("0") and ".ipynb#" in page["where"]["href"]
    assert made.page["result"] == "3 of 6 right."
    missed = [item for item, right in zip(made.items, rights, strict=True) if not right]
    assert [entry["question"] for entry in made.page["missed"]] == [i.question for i in missed]
    kept = progress.read()["answers"]
    assert [entry["right"] for entry in kept] == rights
    assert [entry["id"] for entry in kept] == [item.id for item in made.items]
    made.again()
    assert made.page["place"].startswith("Question 1 of 3")
    work_through(made, [True] * 3)
    assert made.page["result"] == "3 of 3 right." and made.page["missed"] == []


def test_what_was_missed_is_due_as_a_card_and_told_over_all_quizzes():
    question = next(question for question in CHOICES if question.topic == "loss")
    drill = make_drill("conv_parameters", seed=1)
    made = Quiz([from_bank(question, random.Random(0)), from_drill(drill)])
    wrong, why = next(iter(drill.feedback.items()))
    for rights, told in ([False, True], "1 of 2 right. Missed most: loss 1."), ([True] * 2, "3 of"):
        work_through(made, rights)
        assert made.page["so_far"].startswith(f"In all quizzes so far: {told}")
        made._start(made.items)
    for times in (1, 2):
        made._start(made.items[1:])
        made.answer(str(wrong))
        made.go_on()
        slip = f"The slip that came most often, {times} times: {why}"
        assert made.page["so_far"].endswith(slip) == (times > 1)
    kept = progress.read()["cards"]
    assert set(kept) == {question.id}, "a drill is no card, and a right answer needs none"
    assert Card.from_dict(kept[question.id]).due <= progress.now() + timedelta(minutes=2)
    assert cards(new=0).page["id"] == question.id


def test_others_are_other_questions():
    for made in (quiz(count=4, seed=3), drills(count=4, seed=3)):
        first = [item.question for item in made.items]
        made.others()
        assert [item.question for item in made.items] == first, "not before the end"
        work_through(made, [True] * 4)
        assert made.page["others"]
        made.others()
        assert made.page["place"].startswith("Question 1 of 4")
        assert [item.question for item in made.items] != first
    only = Quiz(quiz(count=1).items)
    work_through(only, [True])
    only.others()
    assert "result" in only.page and not only.page["others"]


def test_drills_alone_of_a_kind_or_a_level(refused):
    assert {item.id for item in drills("crop", count=3).items} == {"drill-crop"}
    kinds = {item.id.removeprefix("drill-") for item in drills(level=1, count=30).items}
    assert len({item.id for item in drills().items}) == 5, "five kinds"
    assert len(kinds) > 3 and {KINDS[kind].level for kind in kinds} == {1}
    assert drills(seed=4).facts() == drills(seed=4).facts()
    refused(lambda: drills("crops"), ValueError, "did you mean 'crop'?")
    refused(lambda: drills(count=0), ValueError, "count must be 1 or more")
    refused(lambda: drills(seed="x"), TypeError, "seed must be a whole number")


def test_no_answer_is_no_answer():
    question = next(question for question in NUMBERS)
    made = Quiz([from_bank(question, random.Random(0))])
    made.go_on()  # nothing is answered yet
    made.again()
    made.answer("many")
    assert "'many' is no number" in made.page["problem"] and "verdict" not in made.page
    assert progress.read()["answers"] == []
    made.answer(str(float(value(question.number))))
    assert made.page["verdict"]["right"] and "problem" not in made.page
    with pytest.raises(ValueError, match="must be one of"):
        judge(from_bank(CHOICES[0], random.Random(0)), "something else")


def test_a_place_that_cannot_be_written_is_told_on_the_page(path, monkeypatch, capsys):
    path.write_text("a file")
    monkeypatch.setenv("UNET_LESSON_PROGRESS", str(path / "progress.json"))
    made = quiz(count=1)
    made.answer(made.items[0].right or "1")
    assert "cannot be kept" in made.page["notice"]
    assert capsys.readouterr().out == ""


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.count, self.visible = [], 0, []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert tag in {"details", "summary", "p", "a", "hr"}
        self.open += [tag] if tag != "hr" else []
        self.count += tag == "details"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "details" not in self.open:
            self.visible.append(data)


def test_the_faces_are_stable_and_the_answers_are_folded_away(path):
    made = quiz(count=8, seed=5)
    faces = made._repr_mimebundle_()[0]
    assert set(faces) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    assert faces["text/plain"] == repr(made) == made.facts()
    assert made.facts().startswith("quiz of 8 questions, ")
    read = Tags(faces["text/html"])
    assert read.count == 8
    for item in made.items:
        assert any(item.question in seen for seen in read.visible)
        assert not any(item.answer in seen for seen in read.visible)
        assert all(any(choice in seen for seen in read.visible) for choice in item.choices)
    work_through(made, [False] * 8)
    path.write_text("damaged")
    again = quiz(count=8, seed=5)
    for one in (made, again):
        assert one.facts() == faces["text/plain"] and one.html() == faces["text/html"]


def test_signs_of_html_in_a_question_stay_text():
    item = Item("x", "loss", "Is 2 < <b>3</b> & 4?", "二 < 三", "It <i>is</i>.", number=1.0)
    read = Tags(Quiz([item]).html())
    assert "1. Is 2 < <b>3</b> & 4?" in read.visible and "二 < 三" in read.visible
    assert folded("<p>", linked({"href": '"><b>', "text": "<b>"})).count("<b>") == 0


def test_a_message_of_the_browser_does_only_what_is_allowed():
    made = quiz(count=2)
    sent = []
    made.send = sent.append
    made._heed(made, {"do": "answer", "given": made.items[0].right or "1"}, [])
    assert "verdict" in made.page
    made._heed(made, {"do": "close"}, [])
    made._heed(made, {"do": "go_on"}, [])
    assert made.page["place"].startswith("Question 2") and made.comm is not None
    assert sent == [{"done": "answer"}, {"done": "close"}, {"done": "go_on"}]
