"""A mock interview: open questions in the order of a real one, a clock, and points to tick."""

import random
from itertools import cycle, islice

from unet_lesson.config import check_count, check_whole
from unet_lesson.practice import progress
from unet_lesson.practice.board import (
    Board,
    board_script,
    chosen,
    counted,
    folded,
    linked,
    paragraph,
    where,
)
from unet_lesson.practice.drills import KINDS, Drill, drill
from unet_lesson.practice.questions import TOPICS, bank, check_level
from unet_lesson.practice.quiz import from_drill, judge, read_number, spell

EACH = 2  # minutes for a question
LENGTHS = 6, 60  # minutes, the shortest and the longest interview
OPENING = ("two-paths", "skip-purpose", "without-skips", "concat-or-add")  # each leads to the next
FIELDS = (  # what is asked then, most often first; a number is a drill
    "number",
    "loss",
    "metrics",
    "debugging",
    "relatives",
    "padding and crop",
    "number",
    "normalisation",
    "data and training",
    "upsampling",
    "tiling",
    "cost and deployment",
    "receptive field",
    "architecture",
)


def plan(minutes, level, seed):
    """The questions in the order in which they are asked: a list of Question and Drill.

    Two minutes each. About two fifths are the opening, which follows one thread; then come a
    number and the other FIELDS, in the order of TOPICS. All are of `level` or one below (the
    opening: at most of `level`), and none comes twice.
    """
    rng, count = random.Random(seed), minutes // EACH
    known = {question.id: question for question in bank()}
    opening = [known[name] for name in OPENING if known[name].level <= level][: 2 * count // 5]
    kinds, rest = [k for k in KINDS if level - 1 <= KINDS[k].level <= level], []
    for field in islice(cycle(FIELDS), count - len(opening)):
        if field == "number":
            kinds.remove(kind := rng.choice(kinds))
            rest.append(drill(kind, rng.randrange(10**6)))
        else:
            rest.append(rng.choice(open_questions(field, level, [*opening, *rest])))
    number, *others = rest
    return [*opening, number, *sorted(others, key=lambda asked: TOPICS.index(asked.topic))]


def open_questions(topic, level, taken):
    """The bank's questions of a topic to answer in words, of `level` or one below, not `taken`."""
    return [
        question
        for question in chosen(topic)
        if level - 1 <= question.level <= level
        and not (question.choices or question.number)
        and question not in taken
    ]


def points(asked):
    """What an answer must contain; of a drill, the number."""
    return ["the right number"] if isinstance(asked, Drill) else asked.must


def spoken(asked):
    """The answer; of a drill, the number and the way to it."""
    if isinstance(asked, Drill):
        return f"{spell(asked.answer)} {asked.unit}".rstrip() + f": {asked.how}"
    return asked.answer


def clock(seconds):
    """Seconds as minutes and seconds: "2:05"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


class Interview(Board):
    """An interview with yourself: say the answer aloud, show it, tick the points you said.

    A number to work out is typed and judged. From Python: `start()`, then for each question
    `show_answer()` or `answer("388")`, and `go_on([0, 2])` with the points that you said; at the
    end `again()` for another one.
    """

    _esm = board_script("interview")
    doing = ("start", "answer", "show_answer", "go_on", "again")

    def __init__(self, minutes, level, seed):
        super().__init__()
        self.minutes, self.level, self._seed = minutes, level, seed
        self._prepare()

    def _prepare(self):
        self.asked = plan(self.minutes, self.level, self._seed)
        self._said, self._open = [], False
        self.page = {"stage": "ready", "minutes": self.minutes, "count": len(self.asked)}

    def start(self):
        """The clock starts, and the first question is asked."""
        if self.page["stage"] == "ready":
            self._started = progress.now()
            self._ask()

    def answer(self, given):
        """Type the number that a drill asks for; it is judged, and the way is shown."""
        if self.page["stage"] != "question" or not self.page["typed"]:
            return
        item = from_drill(self.asked[len(self._said)])
        number = read_number(given, item.unit)
        if number is None:
            problem = f"{given!r} is no number. Type one such as 388, 0.57 or 2/3."
            self.page = {**self.page, "problem": problem}
            return
        right, why = judge(item, number)
        self._show(verdict={"right": right, "given": given, "why": why})

    def show_answer(self):
        """Show what the answer is, and the points that it must contain."""
        if self.page["stage"] == "question":
            self._show(verdict=None)

    def go_on(self, said=()):
        """Keep which points were said, by their places; then the next question, or the result."""
        if self.page["stage"] != "answer":
            return
        asked, verdict = self.asked[len(self._said)], self.page["verdict"]
        if isinstance(asked, Drill):
            said = [0] if verdict and verdict["right"] else []
        self._said.append([i for i in range(len(points(asked))) if i in said])
        if len(self._said) < len(self.asked):
            self._ask()
        else:
            self._end()

    def again(self):
        """Another interview of the same length and level, with other questions."""
        if self.page["stage"] == "result":
            self._seed += 1
            self._prepare()

    def _ask(self):
        at, count = len(self._said), len(self.asked)
        asked = self.asked[at]
        page = {"stage": "question", "place": f"Question {at + 1} of {count}, {asked.topic}"}
        page |= {"question": asked.question, "zh": asked.zh, "typed": isinstance(asked, Drill)}
        page |= {"unit": getattr(asked, "unit", ""), "minutes": self.minutes, "problem": ""}
        page["started"] = self._started.timestamp()
        self.page = page | {"until": 60 * self.minutes * (at + 1) / count}

    def _show(self, verdict):
        asked = self.asked[len(self._said)]
        wrong = getattr(asked, "wrong", {})
        often = f"Often said: {wrong['says']} {wrong['why']}" if wrong else ""
        page = {**self.page, "stage": "answer", "problem": "", "verdict": verdict}
        page |= {"answer": spoken(asked), "points": points(asked), "often": often}
        self.page = page | {"where": where(asked)}

    def _end(self):
        seconds = round((progress.now() - self._started).total_seconds())
        topics = self._by_topic()
        said, of = (sum(numbers) for numbers in zip(*topics.values(), strict=True))
        entry = {"level": self.level, "minutes": self.minutes, "seconds": seconds}
        entry |= {"said": said, "points": of, "topics": topics}
        progress.add("interviews", entry, say=self._say)
        missed = [
            {"question": asked.question, "points": left, "where": where(asked)}
            for asked, told in zip(self.asked, self._said, strict=True)
            if (left := [point for i, point in enumerate(points(asked)) if i not in told])
        ]
        page = {"stage": "result", "topics": topics, "missed": missed, "notice": self._notice}
        page["result"] = f"{said} of {of} points in {clock(seconds)} of {self.minutes}:00 minutes."
        self.page = page | {"earlier": self._earlier()}

    def _by_topic(self):
        """{topic: [points said, points]}."""
        topics = {}
        for asked, said in zip(self.asked, self._said, strict=True):
            before = topics.get(asked.topic, [0, 0])
            topics[asked.topic] = [before[0] + len(said), before[1] + len(points(asked))]
        return topics

    def _earlier(self):
        """The last five interviews before this one, in words, the newest first."""
        kept = progress.read(self._say)["interviews"][:-1]
        return [
            f"{progress.day(entry)}: {entry['said']} of {entry['points']} points, level "
            f"{entry['level']}, {clock(entry['seconds'])} of {entry['minutes']}:00"
            for entry in kept[:-6:-1]
        ]

    def facts(self):
        topics = counted(asked.topic for asked in self.asked)
        return (
            f"mock interview of {self.minutes} minutes, level {self.level}, "
            f"{len(self.asked)} questions: {topics}"
        )

    def html(self):
        return "<hr>".join(_read(number, asked) for number, asked in enumerate(self.asked, 1))


def _read(number, asked):
    """A question to read without a kernel, its answer folded away."""
    parts = paragraph(spoken(asked)), paragraph(f"It must contain: {'; '.join(points(asked))}.")
    question = paragraph(f"{number}. {asked.question}") + paragraph(asked.zh, "zh-Hans")
    return question + folded("Answer", *parts, linked(where(asked)))


def mock_interview(minutes=20, level=2, seed=0):
    """An interview of so many minutes, two for each question -> Interview.

    minutes: 6 to 60. level: 1 to 3; questions of this level or one below are asked. The seed
    decides which.

    Raises TypeError or ValueError for minutes, a level or a seed that is none.
    """
    least, most = LENGTHS
    if check_count("minutes", minutes, least) > most:
        raise ValueError(f"minutes must be {least} to {most}, not {minutes}; the nearest is {most}")
    level = check_level(check_whole("level", level))
    return Interview(minutes, level, check_whole("seed", seed))
