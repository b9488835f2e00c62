"""The question bank to take with you: `python -m unet_lesson.practice.deck OUT`, or `make deck`.

OUT/unet.apkg is a deck for Anki, OUT/unet.csv the same questions as a table, OUT/unet-sheet.html
two pages to print. The deck needs genanki, which `pip install 'unet-lesson[deck]'` brings.
"""

import argparse
import csv
import hashlib
import html
import io
import json
import random
import sqlite3
import subprocess
import zipfile
from itertools import count
from pathlib import Path

from unet_lesson.practice.questions import BANK, bank, link
from unet_lesson.practice.sheet import sheet

LEVELS = {1: "level-1-basic", 2: "level-2-solid", 3: "level-3-deep"}
FIELDS = ("Id", "Question", "Chinese", "Choices", "Answer", "Points", "Mistake", "Source")
FRONT = """<div class="question">{{Question}}</div><div lang="zh">{{Chinese}}</div>{{Choices}}"""
BACK = """{{FrontSide}}<hr id="answer"><p>{{Answer}}</p>
<h2>Your answer should say</h2>{{Points}}{{Mistake}}
<p class="source">{{Source}}<br>{{Id}}</p>"""
# No colour is set: text, background and lines are those that Anki chooses for day and night.
STYLE = """.card { font: 20px/1.45 sans-serif; text-align: left; max-width: 42em; margin: 0 auto; }
.question { font-weight: bold; }
h2 { font-size: 1em; margin: 1em 0 0.3em; }
ul, ol { margin: 0.3em 0; padding-left: 1.4em; }
.mistake { border-left: 4px solid currentColor; padding-left: 0.8em; margin: 1em 0; }
.source { font-size: 0.75em; border-top: 1px solid currentColor; padding-top: 0.4em; }"""
COLUMNS = ("#id", "topic", "level", "question", "chinese", "choices", "answer", "points")
COLUMNS += ("common wrong answer", "why it is wrong", "notebook", "source")


def number_for(name):
    """A whole number that always belongs to this name: Anki's ids look like a time in ms."""
    return 1_600_000_000_000 + int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10**11


def fields(question):
    """The fields of one Anki note, in the order of FIELDS: HTML, with the bank's text escaped."""
    shown = _items("ol type=A", _choices(question))
    plain = (question.id, question.question, question.zh)
    return [
        *map(html.escape, plain),
        shown,
        html.escape(question.answer),
        _items("ul", question.must),
        _mistake(question),
        html.escape(_where(question)),
    ]


def _items(kind, texts):
    if not texts:
        return ""
    rows = "".join(f"<li>{html.escape(text)}</li>" for text in texts)
    return f"<{kind}>{rows}</{kind.split()[0]}>"


def _choices(question):
    """The choices in an order that stays the same for one question."""
    if not question.choices:
        return []
    texts = [question.choices["right"], *question.choices["wrong"]]
    random.Random(question.id).shuffle(texts)
    return texts


def _mistake(question):
    """The common wrong answer and the wrong choices, each with why it is wrong."""
    rows = [(question.wrong["says"], question.wrong["why"])] if question.wrong else []
    rows += question.choices.get("wrong", {}).items()
    texts = [f"<p>Wrong: {html.escape(says)}<br>{html.escape(why)}</p>" for says, why in rows]
    if question.choices:
        texts.insert(0, f"<p>Right: {html.escape(question.choices['right'])}</p>")
    return f'<div class="mistake">{"".join(texts)}</div>' if texts else ""


def _where(question):
    notebook, _, heading = question.heading.partition("#")
    place = f"Notebook {notebook}, section {heading}."
    return f"{place} {question.source}" if question.source else place


def anki_package(questions, edited):
    """The deck as the bytes of an .apkg file; the same questions and time give the same bytes.

    edited: when the questions last changed, in seconds since 1970. Anki takes a changed answer
    over only if the deck is newer than what it has, and keeps the learner's progress.
    Raises ModuleNotFoundError if genanki is not installed.
    """
    package = _genanki().Package(_decks(questions))
    database = sqlite3.connect(":memory:")
    package.write_to_db(database.cursor(), edited, count(1))
    database.commit()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, data in (("collection.anki2", database.serialize()), ("media", json.dumps({}))):
            file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # dated 1980
    database.close()
    return content.getvalue()


def _genanki():
    try:
        import genanki
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "the Anki deck needs genanki: pip install 'unet-lesson[deck]'"
        ) from None
    return genanki


def _decks(questions):
    """A deck below "U-Net" for each topic, with the questions in the order of the bank."""
    genanki = _genanki()

    class Note(genanki.Note):
        """A note whose own id, too, comes from the question's."""

        def write_to_db(self, cursor, timestamp, deck_id, id_gen):
            super().write_to_db(cursor, timestamp, deck_id, count(number_for(self.guid)))

    template = {"name": "Card", "qfmt": FRONT, "afmt": BACK}
    names = [{"name": name} for name in FIELDS]
    model = genanki.Model(number_for("model"), "unet-lesson", names, [template], STYLE)
    decks = {}
    for place, question in enumerate(questions):
        topic = question.topic
        deck = decks.setdefault(topic, genanki.Deck(number_for(topic), f"U-Net::{topic}"))
        tags = [topic.replace(" ", "-"), LEVELS[question.level]]
        guid = f"unet-lesson {question.id}"
        deck.add_note(Note(model, fields(question), tags=tags, guid=guid, due=place))
    return list(decks.values())


def table(questions):
    """The questions as a CSV table, UTF-8 with a mark in front by which Excel knows it.

    Anki reads the table, too, if Comma is chosen in its import dialog: it takes the headings,
    which start with #, for a comment.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for question in questions:
        wrong = [question.wrong.get("says", ""), question.wrong.get("why", "")]
        asked = [question.question, question.zh, _lines(_choices(question))]
        said = [question.answer, _lines(question.must), *wrong]
        head = [question.id, question.topic, question.level]
        rows.writerow([*head, *asked, *said, link(question), question.source])
    return text.getvalue().encode("utf-8-sig")


def _lines(texts):
    """One text a line; a spreadsheet would take a line that starts with a minus for a formula."""
    return "\n".join(f"\u2022 {text}" for text in texts)


def edited(path=BANK):
    """When a file last changed, in seconds since 1970: its commit, or its time on the disk.

    The commit's time is the same in every clone. It counts if git knows the file unchanged.
    """
    try:
        if not _git(path, "status", "--porcelain") and (time := _git(path, "log", "--format=%ct")):
            return int(time.split()[0])
    except (OSError, subprocess.CalledProcessError):
        pass  # no git, or no repository: an installed package
    return int(path.stat().st_mtime)


def _git(path, *words):
    command = ["git", "-C", str(path.parent), *words, "--", path.name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main(arguments=None):
    """The command line; see the top of this file."""
    parser = argparse.ArgumentParser(prog="python -m unet_lesson.practice.deck")
    parser.add_argument("out", type=Path, help="the folder to write to; it is made if need be")
    out = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    files = {
        "unet.apkg": anki_package(bank(), edited()),
        "unet.csv": table(bank()),
        "unet-sheet.html": sheet().encode(),
    }
    for name, content in files.items():
        (out / name).write_bytes(content)
    print(f"{len(bank())} questions in {', '.join(str(out / name) for name in files)}")


if __name__ == "__main__":
    main()
