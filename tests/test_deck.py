"""The deck, the table and the sheet hold the bank, and Anki reads them and keeps progress."""

import csv
import html
import io
import os
import re
import sqlite3
import subprocess
import time
import zipfile
from dataclasses import replace

import anki.import_export_pb2 as asked
import pytest
import torch
from anki.collection import Collection
from torch import nn
from torch.nn import functional as F

from unet_lesson import UNet, UNetConfig
from unet_lesson.practice import deck, sheet
from unet_lesson.practice.questions import bank

MONDAY, TUESDAY = 1_790_000_000, 1_790_086_400


@pytest.fixture(scope="module")
def package():
    return deck.anki_package(bank(), MONDAY)


@pytest.fixture
def collection(tmp_path):
    collection = Collection(str(tmp_path / "learner.anki2"))
    yield collection
    collection.close()


def take_over(collection, package, tmp_path):
    """What a learner does: File, Import, with Anki's own settings."""
    path = tmp_path / "unet.apkg"
    path.write_bytes(package)
    options = asked.ImportAnkiPackageOptions(with_scheduling=False)
    request = asked.ImportAnkiPackageRequest(package_path=str(path), options=options)
    return collection.import_anki_package(request).log


def notes(package, tmp_path):
    """The rows of the package's own database: {guid: (id, changed, fields)}."""
    path = tmp_path / "notes.anki2"
    path.write_bytes(zipfile.ZipFile(io.BytesIO(package)).read("collection.anki2"))
    database = sqlite3.connect(path)
    rows = database.execute("select guid, id, mod, flds from notes").fetchall()
    database.close()
    return {guid: (number, changed, fields) for guid, number, changed, fields in rows}


def changed_bank(change):
    """The bank with another answer to the question `skip-purpose`."""
    return [replace(q, answer=change) if q.id == "skip-purpose" else q for q in bank()]


def test_anki_opens_it_and_finds_every_question(collection, package, tmp_path):
    log = take_over(collection, package, tmp_path)
    assert len(log.new) == len(bank()) and collection.note_count() == collection.card_count()
    for topic in {q.topic for q in bank()}:
        found = collection.find_notes(f'"deck:U-Net::{topic}"')
        assert len(found) == sum(q.topic == topic for q in bank()), topic
    for level, tag in deck.LEVELS.items():
        assert len(collection.find_notes(f"tag:{tag}")) == sum(q.level == level for q in bank())
    assert collection.note_count() == len(bank())


def test_a_card_shows_all_that_the_bank_says(collection, package, tmp_path):
    take_over(collection, package, tmp_path)
    for question in bank():
        (card,) = collection.find_cards(f"Id:{question.id}")
        card = collection.get_card(card)
        front, back = (html.unescape(side) for side in (card.question(), card.answer()))
        assert question.question in front and question.zh in front
        assert question.answer not in front and question.answer in back
        choices = (
            [question.choices["right"], *question.choices["wrong"]] if question.choices else []
        )
        assert all(f"<li>{choice}</li>" in front for choice in choices)
        said = [
            *question.must,
            *question.wrong.values(),
            *question.choices.get("wrong", {}).values(),
        ]
        assert all(text in back for text in [*said, question.source, question.id]), question.id
        assert "{{" not in front + back, "Anki found no field of this name"


def test_a_changed_answer_is_taken_over_and_the_progress_stays(collection, package, tmp_path):
    take_over(collection, package, tmp_path)
    (number,) = collection.find_cards("Id:skip-purpose")
    card = collection.get_card(number)
    card.start_timer()
    states = collection._backend.get_scheduling_states(number)
    rated = collection.sched.build_answer(card=card, states=states, rating=3)
    collection.sched.answer_card(rated)
    due = collection.get_card(number).due

    log = take_over(collection, deck.anki_package(changed_bank("Anew."), TUESDAY), tmp_path)
    card = collection.get_card(number)
    assert not log.new and collection.note_count() == len(bank())
    assert card.note()["Answer"] == "Anew." and (card.reps, card.due) == (1, due)


def test_ids_come_from_the_question_alone(package, tmp_path):
    before = notes(package, tmp_path)
    after = notes(deck.anki_package(changed_bank("Anew.")[3:], TUESDAY), tmp_path)
    assert {guid: before[guid][0] for guid in after} == {g: row[0] for g, row in after.items()}
    assert [g for g in after if after[g][2] != before[g][2]] == ["unet-lesson skip-purpose"]
    assert len({row[0] for row in before.values()}) == len(bank())


def test_the_same_questions_give_the_same_bytes(package, tmp_path, monkeypatch):
    assert deck.anki_package(bank(), MONDAY) == package
    times = {member.date_time for member in zipfile.ZipFile(io.BytesIO(package)).infolist()}
    assert times == {(1980, 1, 1, 0, 0, 0)}, "two builds in two seconds would not show it"
    runs = []
    for name, zone in (("one", "Asia/Shanghai"), ("two", "UTC")):
        monkeypatch.setenv("TZ", zone)
        if hasattr(time, "tzset"):  # not on Windows
            time.tzset()
        deck.main([str(tmp_path / name)])
        runs.append([path.read_bytes() for path in sorted((tmp_path / name).iterdir())])
    monkeypatch.undo()
    if hasattr(time, "tzset"):
        time.tzset()
    assert len(runs[0]) == 3 and runs[0] == runs[1]


def test_text_is_text_and_not_html():
    odd = replace(bank()[0], answer="if a < b & c > d", must=["<b>", "x"], wrong={})
    _, _, _, _, answer, points, *_ = deck.fields(odd)
    assert answer == "if a &lt; b &amp; c &gt; d" and "<li>&lt;b&gt;</li>" in points
    formulas = re.compile(r"\{\{|\\[(\[]|\[(sound|latex|\$)")  # what Anki would take for its own
    assert not [q.id for q in bank() for text in deck.fields(q) if formulas.search(text)]


def test_the_right_choice_is_not_always_in_one_place():
    places = [deck._choices(q).index(q.choices["right"]) for q in bank() if q.choices]
    assert set(places) >= {0, 1, 2} and max(map(places.count, set(places))) < 0.6 * len(places)


def test_the_style_leaves_the_colours_to_day_and_night():
    assert not re.search(r"color:|background|#[0-9a-f]{3}|rgb", deck.STYLE)


def test_the_table_opens_in_a_spreadsheet():
    content = deck.table(bank())
    assert content.startswith(b"\xef\xbb\xbf"), "Excel would take the Chinese for something else"
    head, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert len(rows) == len(bank()) and {len(row) for row in rows} == {len(head)}
    assert [row[0] for row in rows] == [q.id for q in bank()]
    assert not [cell for row in rows for cell in row if cell[:1] in tuple("=+-@")]  # a formula


def test_anki_reads_the_table_without_its_headings(collection, tmp_path):
    path = tmp_path / "unet.csv"
    path.write_bytes(deck.table(bank()))
    comma = asked.CsvMetadata.COMMA
    metadata = collection.get_csv_metadata(str(path), comma)
    request = asked.ImportCsvRequest(path=str(path), metadata=metadata)
    assert len(collection.import_csv(request).log.new) == len(bank())


def test_the_time_is_that_of_the_commit_or_of_the_file(tmp_path):
    file = tmp_path / "questions.yaml"
    file.write_text("a")
    assert deck.edited(file) == int(file.stat().st_mtime)
    dates = {
        **os.environ,
        "GIT_COMMITTER_DATE": f"{MONDAY} +0800",
        "GIT_AUTHOR_DATE": f"{MONDAY} +0800",
    }
    learner = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init"], ["add", file.name], [*learner, "commit", "--message=a"]):
        command = ["git", "-C", str(tmp_path), *words]
        subprocess.run(command, check=True, env=dates, capture_output=True)
    assert deck.edited(file) == MONDAY
    file.write_text("b")
    assert deck.edited(file) == int(file.stat().st_mtime)


def test_every_number_on_the_sheet_is_worked_out():
    text = sheet.TEMPLATE.read_text("utf-8")
    text = re.sub(r"\{\{.+?\}\}|<style>.*</style>|<pre>.*?</pre>|<[^>]+>", " ", text, flags=re.S)
    cited = r"momentum 0\.99|sections 3 and 3\.1|\b20(1[4-8]|2[01])\b"
    asked = {"572", "512", "256", "600", "64", "128", "1024", "255", "10", "0.1", "0.9"}
    asked |= {"1101", "1011", "12", "16"}  # 12 and 16 of the formulas: see `depths`
    found = set(re.findall(r"\d[\d.,]*\d", re.sub(cited, "", text)))
    assert found == asked


def test_numbers_of_the_sheet_stand_there():
    text = re.sub(r"<[^>]+>", "", sheet.sheet())
    assert "{{" not in text and "<!--" not in sheet.sheet()
    for number in (
        "31,030,658",
        "28,953,474",
        "150.4 G",
        "188, 204, 220",
        "4, 16, 40, 88",
        "45.6%",
    ):
        assert number in text
    assert "5, 14, 32, 68, 140 pixels" in text and "188 or 204, by position" in text
    for block in ("64 ch, 568", "1024 ch, 28", "64 ch, 388", "crop 88 a side: 568 to 392"):
        assert block in text


def test_the_code_on_the_sheet_is_the_papers_network():
    names = {"nn": nn, "F": F, "torch": torch}
    code = re.findall(r"<pre>\n(.*?)</pre>", sheet.sheet(), re.S)
    exec(html.unescape("\n".join(code)), names)
    ours, theirs = names["UNet"]((4, 8, 16, 32, 64)), UNet(UNetConfig.paper(base_channels=4))
    weights = list(ours.down.parameters())
    for up, join in zip(ours.up, ours.join, strict=True):
        weights += [*up.parameters(), *join.parameters()]
    weights += ours.head.parameters()
    for mine, shipped in zip(weights, theirs.parameters(), strict=True):
        mine.data = shipped.data
    image = torch.rand(2, 1, 188, 204)
    torch.testing.assert_close(ours(image), theirs(image), rtol=0, atol=0)
