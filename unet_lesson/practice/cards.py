"""Flashcards of all questions; each comes back when you are about to forget it."""

import random
from datetime import timedelta

from fsrs import Card, Rating

from unet_lesson.config import check_choice, check_count
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

RATINGS = {"again": Rating.Again, "hard": Rating.Hard, "good": Rating.Good, "easy": Rating.Easy}
SOON = timedelta(minutes=20)  # a card due so soon still belongs to this sitting


def spell(interval):
    """A timedelta in words: "10 min", "3 days", "2 months"."""
    days = interval / timedelta(days=1)
    units = (("year", 365, 2), ("month", 30, 2), ("day", 1, 1), ("hour", 1 / 24, 1))
    for word, length, least in units:  # "45 days" says more than "1 month"
        count = round(days / length)
        if days >= least * length:
            return f"{count} {word}{'s' if count > 1 else ''}"
    return f"{max(round(interval / timedelta(minutes=1)), 1)} min"


def in_order(questions):
    """Questions as they are met first: the easy ones first, the topics mixed, always the same."""
    mixed = list(questions)
    random.Random(0).shuffle(mixed)
    return sorted(mixed, key=lambda question: question.level)


def intervals(card, moment):
    """{rating: when the card would come back}, each a timedelta, for a card rated at `moment`."""
    reviewed = {
        name: progress.SCHEDULER.review_card(card, rating, moment)[0]
        for name, rating in RATINGS.items()
    }
    return {name: after.due - moment for name, after in reviewed.items()}


def coming(cards, moment):
    """How many cards (fsrs) come when after `moment`: {"later today": 2, "tomorrow": 5, ...}."""
    today = moment.astimezone().date()
    counts = {"later today": 0, "tomorrow": 0, "within 8 days": 0, "later": 0}
    for card in cards:
        days = (card.due.astimezone().date() - today).days
        if days > 8:
            counts["later"] += 1
        elif days > 1:
            counts["within 8 days"] += 1
        elif days == 1:
            counts["tomorrow"] += 1
        elif card.due > moment:
            counts["later today"] += 1
    return {name: count for name, count in counts.items() if count}


class Cards(Board):
    """Flashcards: turn with Space or Enter, then say how well you knew it, with the keys 1 to 4.

    The scheduler (FSRS) decides when a card comes back; the progress file keeps it. From Python:
    `rate("good")` rates the card that is asked, `more()` adds new cards, `look()` looks for cards
    that have become due.
    """

    _esm = board_script("cards")
    doing = ("rate", "more", "look")

    def __init__(self, topic=None, level=None, notebook=None, new=10):
        super().__init__()
        self._questions = {
            question.id: question for question in in_order(chosen(topic, level, notebook))
        }
        self._batch = self._new = check_count("new", new, least=0)
        self._rated = 0
        self.look()

    def rate(self, rating):
        """Say how the answer came: "again", "hard", "good" or "easy"."""
        check_choice("rating", rating, tuple(RATINGS))
        if "id" not in self.page:
            return
        name, moment = self.page["id"], progress.now()

        def edit(kept):
            progress.review(kept, name, RATINGS[rating], moment)

        self._rated += 1
        self._new -= self.page["unseen"]
        progress.change(edit, self._say)
        self.look()

    def more(self):
        """As many new cards again; ten if there were none."""
        self._new += self._batch or 10
        self.look()

    def look(self):
        """Ask what is due now; else a new card; else one that is due soon; else say what comes."""
        moment = progress.now()
        kept = progress.read(self._say)["cards"]
        cards = {name: Card.from_dict(kept[name]) for name in self._questions if name in kept}
        unseen = [name for name in self._questions if name not in cards]
        waiting = sorted(cards, key=lambda name: cards[name].due)
        due = [name for name in waiting if cards[name].due <= moment]
        soon = [name for name in waiting if cards[name].due <= moment + SOON]
        new = unseen[: self._new]
        asked = next(iter([*due, *new, *soon]), None)
        page = {"due": len(due), "new": len(new), "unseen_left": len(unseen), "rated": self._rated}
        page |= {"coming": coming(cards.values(), moment), "notice": self._notice}
        page["next"] = spell(cards[waiting[0]].due - moment) if waiting else ""
        if asked:
            page |= self._card(asked, cards.get(asked), moment)
            page["early"] = asked not in due + new
        self.page = page

    def _card(self, name, card, moment):
        question = self._questions[name]
        page = {"id": name, "topic": question.topic, "level": question.level}
        page |= {"question": question.question, "zh": question.zh, "answer": question.answer}
        page |= {"must": question.must, "wrong": question.wrong, "where": where(question)}
        times = intervals(card or Card(), moment)
        page["times"] = [[rating, spell(time)] for rating, time in times.items()]
        return page | {"unseen": card is None}

    def facts(self):
        levels = counted(f"level {q.level}" for q in self._questions.values())
        topics = counted(q.topic for q in chosen() if q.id in self._questions)
        return f"cards of {len(self._questions)} questions, {levels}: {topics}"

    def html(self):
        topics = {}
        for question in chosen():
            if question.id in self._questions:
                topics.setdefault(question.topic, []).append(question)
        return "".join(
            folded(f"{topic}, {len(questions)} questions", "<ul>", *map(_read, questions), "</ul>")
            for topic, questions in topics.items()
        )


def _read(question):
    """A question to read without a kernel, its answer folded away."""
    must = f"It must contain: {'; '.join(question.must)}."
    parts = paragraph(question.zh, "zh-Hans"), paragraph(question.answer), paragraph(must)
    return f"<li>{folded(question.question, *parts, linked(where(question)))}</li>"


def cards(topic=None, level=None, notebook=None, new=10):
    """Flashcards of the bank's questions -> Cards, which asks first what is due.

    topic: one of questions.TOPICS; level: 1, 2 or 3; notebook: the one that shows the answers, such
    as "03"; None means all. new: at most so many cards in one sitting that you have not seen
    before.

    Raises TypeError or ValueError for a topic, a level, a notebook or a number that is none.
    """
    return Cards(topic, level, notebook, new)
