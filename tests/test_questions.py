"""The question bank holds what it says: every number is evaluated, every heading is there."""

import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

import nbformat
import pytest
import torch

from unet_lesson.practice.questions import TOPICS, bank, value

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
PUBLISHED_ERRORS = range(1, 37)
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w])|(?<![\w.])\d[\d,]*(?:\.\d+)?(?=[xX]\d)")
every_question = pytest.mark.parametrize("question", bank(), ids=lambda question: question.id)


def texts(question):
    """What a learner may repeat aloud: the answer and the right choice."""
    return " ".join([question.answer, str(question.choices.get("right", ""))])


def numbers_in(text):
    """The numbers that need proof: all but whole ones up to 10 and the years of papers."""
    found = set(re.findall(r"\d[\d,]*\d(?:\.\d+)?|\d+(?:\.\d+)?", text))
    small = {str(n) for n in range(11)}
    return {n for n in found if n not in small and not re.fullmatch(r"(19|20)\d\d", n)}


def same(printed, exact):
    """Is `exact` what is printed, at the places that are printed?"""
    plain = printed.replace(",", "")
    places = len(plain.partition(".")[2])
    return abs(float(plain) - float(exact)) <= 0.5000001 * 10**-places


@every_question
def test_every_number_is_evaluated_or_cited(question):
    text = texts(question)
    proven = question.numbers.keys() | question.cited.keys()
    assert numbers_in(text) <= proven, numbers_in(text) - proven
    for printed, expression in question.numbers.items():
        assert printed in text, printed
        assert same(printed, value(expression)), (printed, expression, value(expression))
    for printed in question.cited:
        assert printed in text, printed
    if question.number:
        float(value(question.number))


@every_question
def test_it_is_whole(question):
    said = [question.question, question.zh, question.answer, question.source, *question.must]
    said += [*question.wrong.values(), *question.choices.get("wrong", {}).items()]
    assert all(isinstance(text, str | tuple) for text in said), "an unquoted number?"
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", question.id)
    assert question.topic in TOPICS and question.level in (1, 2, 3)
    assert question.question.endswith(("?", ".")) and re.search(r"[一-鿿]", question.zh)
    assert 2 <= len(question.must) <= 5 and all(question.must)
    assert 1 <= len(re.findall(r"[.?](?:\s|$)", question.answer)) <= 8, question.answer
    if question.wrong:
        assert set(question.wrong) == {"says", "why"}
    if question.choices:
        assert set(question.choices) == {"right", "wrong"}
        assert 2 <= len(question.choices["wrong"]) <= 4
        assert question.choices["right"] not in question.choices["wrong"]
        assert all(question.choices["wrong"].values()), "each wrong choice says why"
    if question.cited:
        assert all(re.search(r"\d{4}", where) for where in question.cited.values())


def headings(stem):
    cells = nbformat.read(NOTEBOOKS / f"{stem}.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return set(re.findall(r"^#+ (.+)", text, re.M))


HEADINGS = {path.stem: headings(path.stem) for path in NOTEBOOKS.glob("*.ipynb")}


@every_question
def test_its_heading_exists(question):
    notebook, _, heading = question.heading.partition("#")
    assert heading in HEADINGS[notebook], question.heading


def test_enough_of_each_topic_and_level():
    topics = Counter(question.topic for question in bank())
    assert len(bank()) >= 200 and min(topics[topic] for topic in TOPICS) >= 8, topics
    levels = Counter(question.level for question in bank())
    assert all(levels[level] >= 40 for level in (1, 2, 3)), levels
    forms = sum(bool(question.choices or question.number) for question in bank())
    assert forms >= 50
    readme = (NOTEBOOKS.parent / "README.md").read_text("utf-8")
    assert f"all {len(bank())} questions" in readme


def test_no_two_are_alike():
    assert len({question.id for question in bank()}) == len(bank())
    for a, b in combinations(bank(), 2):
        if a.topic == b.topic:
            likeness = SequenceMatcher(None, a.question, b.question)
            if likeness.real_quick_ratio() > 0.85 and likeness.quick_ratio() > 0.85:
                assert likeness.ratio() < 0.9, (a.id, b.id)


def test_the_right_choice_is_not_told_by_its_length():
    lengths = [
        (len(q.choices["right"]), max(map(len, q.choices["wrong"]))) for q in bank() if q.choices
    ]
    assert all(right <= 1.3 * wrong for right, wrong in lengths)
    assert sum(right > wrong for right, wrong in lengths) <= 0.4 * len(lengths)


def test_no_random_number_of_the_reader_is_used_up():
    state = torch.get_rng_state()
    for question in bank():
        if question.number:
            value(question.number)
    assert torch.equal(torch.get_rng_state(), state)


def test_every_published_error_is_corrected_somewhere():
    corrected = {number for question in bank() for number in question.corrects}
    assert corrected == set(PUBLISHED_ERRORS)
