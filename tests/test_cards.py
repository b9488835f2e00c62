"""The cards: what is asked when, compared with py-fsrs itself, and across restarts."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from fsrs import Card, Rating, Scheduler

from unet_lesson.practice import progress
from unet_lesson.practice.cards import RATINGS, Cards, cards, coming, spell
from unet_lesson.practice.questions import bank

ORACLE = Scheduler(enable_fuzzing=False)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(path, monkeypatch):
    """A clock that the test moves: clock.now."""

    class Clock:
        now = NOON

    Clock.path = path
    monkeypatch.setattr(progress, "now", lambda: Clock.now)
    return Clock


def restart():
    progress._known.clear()
    progress._stuck.clear()


def due(name):
    return datetime.fromisoformat(progress.read()["cards"][name]["due"])


def test_every_rating_leads_to_the_day_that_fsrs_says_and_the_button_promised(clock):
    made, mirror, rng = cards(new=4), {}, random.Random(1)
    for _ in range(60):
        if "id" not in made.page:
            made.more()
        name, promised = made.page["id"], dict(made.page["times"])
        rating = rng.choice([*RATINGS])
        card = mirror.get(name, Card(card_id=1))
        mirror[name], _ = ORACLE.review_card(card, Rating[rating.capitalize()], clock.now)
        made.rate(rating)
        assert due(name) == mirror[name].due
        assert promised[rating] == spell(mirror[name].due - clock.now)
        clock.now += timedelta(minutes=rng.choice([1, 1, 30, 60 * 24 * 3]))
        made.look()
    kept = progress.read()
    assert set(kept["cards"]) == set(mirror) and len(mirror) > 10


def test_first_what_is_due_then_new_ones_then_what_is_due_soon(clock):
    made = cards(new=3)
    first = made.page["id"]
    made.rate("good")  # 10 minutes
    second = made.page["id"]
    assert second != first and made.page["unseen"]
    clock.now += timedelta(minutes=11)
    made.look()
    assert made.page["id"] == first and made.page["due"] == 1 and not made.page["unseen"]
    made.rate("easy")
    assert made.page["id"] == second
    made.rate("again")  # 1 minute, but there is a third new one
    third = made.page["id"]
    assert third not in (first, second) and made.page["new"] == 1
    made.rate("easy")
    assert made.page["id"] == second and made.page["due"] == 0  # soon
    made.rate("easy")
    assert "id" not in made.page
    assert made.page["new"] == 0 and made.page["unseen_left"] == len(bank()) - 3
    made.rate("good")  # nothing is asked, nothing happens
    assert len(progress.read()["cards"]) == 3
    made.more()
    assert made.page["unseen"] and made.page["new"] == 3


def test_the_overdue_come_longest_waiting_first(clock):
    made, order = cards(new=6), []
    for minutes in range(1, 7):
        order.append(made.page["id"])
        made.rate("easy")
        clock.now += timedelta(minutes=minutes)
    clock.now += timedelta(days=400)
    made.look()
    assert order != sorted(order)
    for name in order:
        assert made.page["id"] == name
        made.rate("easy")


def test_the_same_card_twice_in_a_row_is_a_new_page(clock):
    made, pages = cards(new=1), []
    for _ in range(3):
        made.rate("again")
        pages.append(made.page)
    assert len({page["id"] for page in pages}) == 1
    assert pages[0] != pages[1] != pages[2]  # else the browser would hear of no change


def test_scheduling_survives_a_restart(clock):
    made = cards(new=5)
    for rating in ("easy", "good", "hard", "again", "easy"):
        made.rate(rating)
    clock.now += timedelta(minutes=3)
    made.look()
    before = made.page
    restart()
    again = Cards(new=0)
    assert {**before, "rated": 0} == again.page
    assert again.page["unseen_left"] == len(bank()) - 5


def test_no_rating_but_the_four(clock):
    made = cards()
    with pytest.raises(ValueError, match=r"rating must be one of 'again', 'hard', .*, not 'ok'"):
        made.rate("ok")
    assert progress.read()["cards"] == {}


def test_what_comes_when():
    days = [0, 0.2, 0.4, 0.6, 1.4, 1.6, 5, 8.4, 8.6, 40]  # noon: half a day is midnight
    waiting = [Card(card_id=1, due=NOON + timedelta(days=day)) for day in days]
    local = NOON.astimezone()
    midnight = (local + timedelta(days=1)).replace(hour=0, minute=0)
    expected = {"later today": 0, "tomorrow": 0, "within 8 days": 0, "later": 0}
    for card in waiting[1:]:
        at = card.due.astimezone()
        for name, start in (("later", 8), ("within 8 days", 1), ("tomorrow", 0), ("", -1)):
            if at >= midnight + timedelta(days=start):
                expected[name or "later today"] += 1
                break
    assert coming(waiting, NOON) == {name: n for name, n in expected.items() if n}
    assert sum(coming(waiting, NOON).values()) == 9
    assert coming([], NOON) == {}


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (timedelta(seconds=5), "1 min"),
        (timedelta(minutes=5.5), "6 min"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=23), "23 hours"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=45), "45 days"),
        (timedelta(days=90), "3 months"),
        (timedelta(days=720), "24 months"),
        (timedelta(days=800), "2 years"),
    ],
)
def test_intervals_in_words(interval, words):
    assert spell(interval) == words


def test_every_question_is_a_card_easy_ones_first_and_topics_mixed():
    made = cards()
    names = list(made._questions)
    assert sorted(names) == sorted(question.id for question in bank())
    levels = [made._questions[name].level for name in names]
    assert levels == sorted(levels)
    assert len({made._questions[name].topic for name in names[:10]}) >= 4
    assert list(cards()._questions) == names


def test_a_topic_and_a_level_are_kept_and_others_refused(refused, monkeypatch):
    made = cards("loss", 2)
    expected = {q.id for q in bank() if (q.topic, q.level) == ("loss", 2)}
    assert set(made._questions) == expected
    expected = {q.id for q in bank() if q.heading.startswith("09b_")}
    assert set(cards(notebook="09b")._questions) == expected
    monkeypatch.setattr(
        "unet_lesson.practice.board.bank", lambda: [q for q in bank() if q.level < 3]
    )
    refused(lambda: cards(level=3), ValueError, "the bank has no such question", "level 3")
    refused(lambda: cards("metric"), ValueError, "did you mean 'metrics'?")
    refused(lambda: cards(level=0), ValueError, "not 0; the nearest is 1")
    refused(lambda: cards(new=-1), ValueError, "new must be 0 or more")


def test_the_faces_are_stable_whatever_the_progress_and_the_date(clock, capsys):
    def faces():
        return {k: v for k, v in cards()._repr_mimebundle_()[0].items() if k.startswith("text")}

    fresh = faces()
    assert set(fresh) == {"text/plain", "text/html"}
    assert fresh["text/plain"].startswith(f"cards of {len(bank())} questions, level 1 ")
    assert fresh["text/html"].count("<details>") == len(bank()) + len({q.topic for q in bank()})
    made = cards()
    for _ in range(12):
        made.rate("good")
    assert made.facts() == fresh["text/plain"]
    clock.now += timedelta(days=500)
    assert faces() == fresh
    clock.path.write_text("damaged")
    assert faces() == fresh
    clock.path.unlink()
    clock.path.mkdir()  # cannot be read as a file at all
    restart()
    assert faces() == fresh
    assert capsys.readouterr().out == ""


def test_a_damaged_file_is_told_on_the_page_and_nothing_else_is_lost(clock):
    made = cards()
    made.rate("easy")
    clock.path.write_text(clock.path.read_text()[:-50])
    made.rate("easy")
    assert "progress.damaged-1.json" in made.page["notice"]
    assert len(progress.read()["cards"]) == 2
