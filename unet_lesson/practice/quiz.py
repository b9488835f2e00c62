"""A quiz from the question bank and the drills: each answer is judged and explained."""

import math
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import count as count_from
from itertools import cycle, islice

from fsrs import Rating

from unet_lesson.config import check_count, check_whole
from unet_lesson.practice import progress
from unet_lesson.practice.board import (
    Board,
    board_script,
    chosen,
    counted,
    folded,
    paragraph,
    where,
)
from unet_lesson.practice.drills import KINDS, drill, kinds_of
from unet_lesson.practice.questions import bank, notebook_of, value

NEAR = 0.01  # a number that is not whole may be off by one part in a hundred


@dataclass(frozen=True)
class Item:
    """One question of a quiz: to choose (`choices`, `right`) or to work out (`number`, `unit`).

    feedback: {wrong choice or wrong number: why it is wrong}. often: the common wrong answer and
    why. where: the place in the notebooks, as board.where gives it, or {}.
    """

    id: str
    topic: str
    question: str
    zh: str
    answer: str
    choices: tuple = ()
    right: str = ""
    number: float = math.nan
    unit: str = ""
    feedback: dict = field(default_factory=dict)
    often: str = ""
    where: dict = field(default_factory=dict)


def from_bank(question, rng):
    """A Question of the bank as an Item, its choices shuffled by `rng`."""
    shared = (question.id, question.topic, question.question, question.zh, question.answer)
    wrong = question.wrong
    often = f"Often said: {wrong['says']} {wrong['why']}" if wrong else ""
    more = {"often": often, "where": where(question)}
    if question.choices:
        right, why = question.choices["right"], question.choices["wrong"]
        choices = [right, *why]
        rng.shuffle(choices)
        return Item(*shared, choices=tuple(choices), right=right, feedback=why, **more)
    number = float(value(question.number))
    return Item(*shared, number=number, unit=question.unit, **more)


def from_drill(drill):
    """A Drill as an Item, with a reason for each typical wrong number."""
    shared = (f"drill-{drill.kind}", drill.topic, drill.question, drill.zh, drill.how)
    more = {"feedback": drill.feedback, "where": where(drill)}
    return Item(*shared, number=float(drill.answer), unit=drill.unit, **more)


def is_whole(number):
    """Is this float a whole number, but for its last bits?"""
    return abs(number - round(number)) < 1e-9


def near(given, number):
    """Is `given` the number? A whole one must be met, another one to one part in a hundred."""
    if is_whole(number):
        return given == round(number)
    return abs(given - number) <= NEAR * abs(number)


def read_number(text, unit=""):
    """The number in "388", "31,030,658" or "2/3", or None where there is none.

    Where per cent are asked for, 1/16 is 6.25; elsewhere 85 % is 0.85.
    """
    text = str(text).strip().removesuffix(unit).strip()
    percent, text = text.endswith("%"), text.removesuffix("%").strip()
    if re.fullmatch(r"-?\d{1,3}([, ]\d{3})+(\.\d+)?", text):
        text = text.replace(",", "").replace(" ", "")
    top, _, bottom = text.partition("/")
    try:
        number = float(top) / float(bottom or 1)
    except (ValueError, ZeroDivisionError):
        return None
    if not math.isfinite(number):
        return None
    if unit == "percent":
        return 100 * number if bottom else number
    return number / 100 if percent else number


def spell(number):
    """A number as it is read: "31,030,658", "47.63"."""
    return f"{round(number):,}" if is_whole(number) else f"{number:.4g}"


def judge(item, given):
    """Judge a choice or a number -> (is it right, why it is not)."""
    if item.choices:
        if given not in item.choices:
            raise ValueError(f"the answer must be one of {item.choices}, not {given!r}")
        return given == item.right, item.feedback.get(given, "")
    if near(given, item.number):
        return True, ""
    right = f"It is {spell(item.number)} {item.unit}".rstrip()
    return False, f"{right}. {slip(item, given)}".rstrip()


def slip(item, given):
    """Why a number is wrong, where it is a typical wrong one; else ""."""
    return next((why for wrong, why in item.feedback.items() if near(given, wrong)), "")


def so_far(answers):
    """What all the answers in quizzes say, in words. answers: those of the progress."""
    topics = {question.id: question.topic for question in bank()}
    topics |= {f"drill-{name}": kind.topic for name, kind in KINDS.items()}
    known = [a for a in answers if a.get("where") == "quiz" and a.get("id") in topics]
    missed = [answer for answer in known if not answer.get("right")]
    words = [f"In all quizzes so far: {len(known) - len(missed)} of {len(known)} right."]
    if missed:
        most = Counter(topics[answer["id"]] for answer in missed).most_common(3)
        words.append(f"Missed most: {', '.join(f'{topic} {n}' for topic, n in most)}.")
    slips = Counter(answer["slip"] for answer in missed if answer.get("slip")).most_common(1)
    words += [f"The slip that came most often, {n} times: {why}" for why, n in slips if n > 1]
    return " ".join(words)


def draw_items(topic, level, notebook, count, seed):
    """`count` items in an order of their own: up to a third drills, the others from the bank."""
    rng = random.Random(seed)
    pool = chosen(topic, level, notebook, judged=True)
    kinds = [
        kind
        for kind in kinds_of(level)
        if topic in (None, KINDS[kind].topic) and notebook in (None, notebook_of(KINDS[kind]))
    ]
    kinds = rng.sample(kinds, min(count // 3, len(kinds)))
    items = [from_drill(drill(kind, rng.randrange(10**6))) for kind in kinds]
    questions = rng.sample(pool, min(count - len(items), len(pool)))
    items += [from_bank(question, rng) for question in questions]
    rng.shuffle(items)
    return items


class Quiz(Board):
    """Questions to choose or to work out, one at a time, by mouse or by keyboard.

    items: the questions asked, a list of Item. draw: called for another such list, if others can
    be had. Each answer is judged at once, with the reason, and kept in the progress file; a
    question that was missed becomes due as a card. From Python: `answer(text)`, `go_on()`, and at
    the end `again()` or `others()`.
    """

    _esm = board_script("quiz")
    doing = ("answer", "go_on", "again", "others")

    def __init__(self, items, draw=None):
        super().__init__()
        self.items, self._draw = items, draw
        self._start(items)

    def _start(self, asked):
        self._asked, self._given, self._open = asked, [], True
        self.page = self._question()

    def answer(self, given):
        """Answer the question that is open: the text of a choice, or a number as text."""
        if not self._open:
            return
        item = self._asked[len(self._given)]
        read = given if item.choices else read_number(given, item.unit)
        if read is None:
            problem = f"{given!r} is no number. Type one such as 388, 0.57 or 2/3."
            self.page = {**self._question(), "problem": problem, "given": given}
            return
        right, why = judge(item, read)
        self._open = False
        self._keep(item, right, "" if item.choices else slip(item, read))
        page = self._question()
        self._given.append(right)
        verdict = {"right": right, "given": given, "why": why, "answer": item.answer}
        verdict |= {"choice": item.right, "often": "" if right else item.often}
        self.page = {**page, "verdict": verdict, "where": item.where, "notice": self._notice}

    def go_on(self):
        """The next question, or behind the last one the result."""
        self._open = len(self._given) < len(self._asked)
        self.page = self._question() if self._open else self._result()

    def again(self):
        """At the end: the questions that were missed once more, or all if none was."""
        if len(self._given) == len(self._asked):
            self._start(self._missed() or self._asked)

    def others(self):
        """At the end: other questions of the same kind."""
        if self._draw and len(self._given) == len(self._asked):
            self.items = self._draw()
            self._start(self.items)

    def _keep(self, item, right, why):
        """Write the answer down; what was missed is due as a card."""
        moment = progress.now()

        def edit(kept):
            entry = {"when": moment.isoformat(), "where": "quiz", "id": item.id, "right": right}
            kept["answers"].append({**entry, "slip": why} if why else entry)
            if not right and item.id in {question.id for question in bank()}:
                progress.review(kept, item.id, Rating.Again, moment)

        progress.change(edit, self._say)

    def _missed(self):
        return [item for item, right in zip(self._asked, self._given, strict=True) if not right]

    def _question(self):
        item, done = self._asked[len(self._given)], len(self._given)
        page = {"id": item.id, "topic": item.topic, "question": item.question, "zh": item.zh}
        page |= {"choices": list(item.choices), "unit": item.unit}
        page["place"] = f"Question {done + 1} of {len(self._asked)}, {item.topic}"
        return page

    def _result(self):
        right, missed = sum(self._given), self._missed()
        result = f"{right} of {len(self._asked)} right."
        topics = counted(item.topic for item in missed)
        page = {"result": result, "topics": f"Missed: {topics}." if missed else ""}
        page["missed"] = [{"question": item.question, "where": item.where} for item in missed]
        page["so_far"] = so_far(progress.read(self._say)["answers"])
        return page | {"notice": self._notice, "others": bool(self._draw)}

    def facts(self):
        choose = sum(bool(item.choices) for item in self.items)
        return (
            f"quiz of {len(self.items)} questions, {choose} to choose and "
            f"{len(self.items) - choose} to work out: {counted(i.topic for i in self.items)}"
        )

    def html(self):
        return "<hr>".join(
            paragraph(f"{number}. {item.question}")
            + paragraph(item.zh, "zh-Hans")
            + "".join(paragraph(f"- {choice}") for choice in item.choices)
            + folded("Answer", *(paragraph(text) for text in (item.right, item.answer) if text))
            for number, item in enumerate(self.items, 1)
        )


def quiz(topic=None, level=None, notebook=None, count=10, seed=0):
    """A quiz of `count` questions, from the bank and up to a third drills, drawn by `seed` -> Quiz.

    topic: one of questions.TOPICS; level: 1, 2 or 3; notebook: the one that shows the answers, such
    as "03"; None means all. Where the bank has fewer such questions, the quiz is shorter.

    Raises TypeError or ValueError for a topic, a level, a notebook, a count or a seed that is none.
    """
    count, seeds = check_count("count", count), count_from(check_whole("seed", seed))

    def draw():
        return draw_items(topic, level, notebook, count, next(seeds))

    return Quiz(draw(), draw)


def drills(kind=None, level=None, count=5, seed=0):
    """A quiz of drills alone, drawn by `seed`, and others as long as you like -> Quiz.

    kind: such as "crop"; another word is answered with all kinds. level: 1, 2 or 3. None means all.

    Raises TypeError or ValueError for a kind, a level, a count or a seed that is none.
    """
    rng = random.Random(check_whole("seed", seed))
    count = check_count("count", count)

    def draw():
        kinds = [kind] if kind else rng.sample(kinds_of(level), k=len(kinds_of(level)))
        names = islice(cycle(kinds), count)
        return [from_drill(drill(name, rng.randrange(10**6), level)) for name in names]

    return Quiz(draw(), draw)
