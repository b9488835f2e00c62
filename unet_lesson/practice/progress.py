"""What a learner has done, in one small file that never leaves the machine."""

import json
import os
import shutil
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock
from fsrs import Card, Rating, Scheduler
from platformdirs import user_data_dir

from unet_lesson.checkpoint import write_whole

PARTS = {"cards": dict, "answers": list, "attempts": list, "interviews": list}
SCHEDULER = Scheduler(enable_fuzzing=False)  # so a rating leads to the day that was promised

_known = {}  # path: the progress as this kernel knows it, should the file be lost
_stuck = set()  # paths that could not be written: what is known is then more than the file holds


def place():
    """The file: what UNET_LESSON_PROGRESS names, or progress.json in the user's data folder."""
    named = os.environ.get("UNET_LESSON_PROGRESS")
    default = Path(user_data_dir("unet_lesson")) / "progress.json"
    return Path(named).expanduser().absolute() if named else default


def now():
    """This moment, in UTC, as the scheduler wants it."""
    return datetime.now(UTC)


def moment(entry):
    """When an entry of "answers", "attempts" or "interviews" was made, or None if it says not."""
    try:
        when = datetime.fromisoformat(entry["when"])
    except (KeyError, TypeError, ValueError):
        return None
    return when if when.tzinfo and when.year > 1970 else None


def day(entry):
    """The day of an entry, where you are: "24 November 2026"."""
    return f"{moment(entry).astimezone():%d %B %Y}".lstrip("0")


def read(say=print):
    """The progress so far, a copy.

    -> {"cards": {question id: card as a dict}, "answers": [dict, ...], "attempts": [dict, ...],
    "interviews": [dict, ...]}. A damaged file is set aside and its whole entries are kept; a place
    out of reach is no error either. Each is told in one sentence, to `say`.
    """
    path = place()
    progress, damaged = deepcopy(_known.get(path) or _empty()), False
    try:
        progress, damaged = _load(path)
        if damaged:
            progress = _set_aside(path, say)
    except OSError as error:
        _out_of_reach(path, error, say)
    _known[path] = progress
    return deepcopy(progress)


def change(edit, say=print):
    """Read the progress, call `edit(progress)`, and write it, whole and at once.

    Another kernel waits meanwhile, so neither loses what the other wrote. Where the file cannot be
    written, one sentence says so and the progress is kept for as long as this kernel runs.
    """
    path = place()
    read(say)  # a damaged file is set aside first
    try:
        with _alone(path):
            progress, _ = _load(path)
            edit(progress)
            _write(path, progress)
            _stuck.discard(path)
    except OSError as error:
        progress = read(say)  # as it was before the edit
        edit(progress)
        _out_of_reach(path, error, say)
    _known[path] = progress


def add(part, entry, say=print):
    """Append `entry`, a dict, to "answers", "attempts" or "interviews", with the time as "when"."""
    dated = {"when": now().isoformat(), **entry}
    change(lambda progress: progress[part].append(dated), say)


def review(progress, name, rating, when):
    """Rate the card called `name` (a question's id) of the progress, in place; FSRS plans it."""
    known = progress["cards"].get(name)
    card, _ = SCHEDULER.review_card(Card.from_dict(known) if known else Card(), rating, when)
    progress["cards"][name] = card.to_dict()


def _empty():
    return {part: kind() for part, kind in PARTS.items()}


def _alone(path):
    """A lock on `path` for a `with` statement. Raises OSError where none can be had."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(f".{path.name}.lock"), timeout=10)


def _write(path, progress):
    text = json.dumps(progress, indent=1)
    write_whole(path, lambda file: file.write(text.encode("utf-8")))


def _load(path):
    """(the progress in the file, is the file damaged). Raises OSError if it cannot be read."""
    found = {}
    with suppress(FileNotFoundError):
        text = path.read_bytes()
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
    whole, damaged = _whole(found)
    if damaged or path in _stuck:
        whole = _join(whole, _known.get(path) or _empty())
    return whole, damaged


def _whole(found):
    """(the entries of `found` that can be used, were there others)."""
    if not isinstance(found, dict):
        return _empty(), True
    whole = {**found, **_empty()}
    for part, kind in PARTS.items():
        entries = found.get(part, kind())
        if part == "cards" and isinstance(entries, dict):
            whole[part] = {name: card for name, card in entries.items() if _usable(card)}
        elif part != "cards" and isinstance(entries, list):
            whole[part] = [entry for entry in entries if _ours(part, entry)]
    return whole, any(whole[part] != found.get(part, kind()) for part, kind in PARTS.items())


def _ours(part, entry):
    """Is it an entry as we write them into this part?"""
    if not isinstance(entry, dict) or moment(entry) is None:
        return False
    if part == "answers":
        return isinstance(entry.get("id"), str)
    if part == "attempts":
        parts, minutes = entry.get("parts", {}), entry.get("minutes")
        return isinstance(parts, dict) and isinstance(minutes, int | float | None)
    numbers = ("level", "minutes", "seconds", "said", "points")
    return all(isinstance(entry.get(name), int | float) for name in numbers)


def _usable(card):
    """Can the scheduler go on from this card?"""
    try:
        card = Card.from_dict(card)
        SCHEDULER.review_card(card, Rating.Good, now())
        return card.due.utcoffset() is not None
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError, ArithmeticError):
        return False


def _join(file, known):
    """What the file holds and what this kernel knows besides; of a card, what the kernel knows."""
    joined = {**file, "cards": {**file["cards"], **known["cards"]}}
    for part in ("answers", "attempts", "interviews"):
        joined[part] = file[part] + [entry for entry in known[part] if entry not in file[part]]
    return joined


def _set_aside(path, say):
    """Copy the damaged file beside itself, then put the whole entries in its place."""
    with _alone(path):
        progress, damaged = _load(path)
        if damaged:  # no other kernel was faster
            names = (path.with_name(f"{path.stem}.damaged-{n}.json") for n in range(1, 10**6))
            aside = next(name for name in names if not name.exists())
            shutil.copyfile(path, aside)
            _write(path, progress)
            cards, answers = len(progress["cards"]), len(progress["answers"])
            say(
                f"Your progress file was damaged and is set aside as {aside}; what could be saved "
                f"is kept: {cards} cards, {answers} answers."
            )
    return progress


def _out_of_reach(path, error, say):
    if path not in _stuck:
        say(
            f"Your progress cannot be kept in {path} ({error.strerror or error}); it lasts for as "
            "long as this kernel runs. UNET_LESSON_PROGRESS can name another file."
        )
    _stuck.add(path)
