"""The progress file: whole at every moment, shared by kernels, never lost, never an error."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import platformdirs
import pytest
from fsrs import Card
from hypothesis import given, settings
from hypothesis import strategies as st

from unet_lesson.practice import progress

WHEN = "2026-01-02T00:00:00+00:00"
ANSWER = {"id": "a", "when": WHEN}
CARD = Card(card_id=7, due=datetime(2026, 1, 2, tzinfo=UTC)).to_dict()
PARTS = {"cards", "answers", "attempts", "interviews"}


def restart():
    """What a new kernel knows: nothing."""
    progress._known.clear()
    progress._stuck.clear()


@pytest.fixture
def path(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "progress.json"
    monkeypatch.setenv("UNET_LESSON_PROGRESS", str(path))
    restart()
    yield path
    restart()


@pytest.fixture
def said():
    return []


def keep(name, card=CARD):
    return lambda kept: kept["cards"].update({name: card})


def test_the_file_is_the_named_one_or_in_the_users_data(path, monkeypatch):
    assert progress.place() == path
    monkeypatch.delenv("UNET_LESSON_PROGRESS")
    folder = Path(platformdirs.user_data_dir("unet_lesson"))
    assert progress.place() == folder / "progress.json"


def test_reading_writes_nothing_and_begins_empty(path, capsys):
    assert progress.read() == {"cards": {}, "answers": [], "attempts": [], "interviews": []}
    assert not path.parent.exists()
    assert capsys.readouterr().out == ""


def test_what_was_kept_is_there_after_a_restart(path, said):
    progress.change(keep("a"), said.append)
    progress.add("answers", {"id": "a", "right": True}, said.append)
    progress.add("attempts", {"minutes": 3.5, "when": WHEN}, said.append)
    before = progress.read()
    restart()
    assert progress.read() == before
    assert before["cards"] == {"a": CARD}
    assert before["attempts"] == [{"minutes": 3.5, "when": WHEN}]
    assert datetime.fromisoformat(before["answers"][0]["when"]).utcoffset() is not None
    assert said == []
    assert json.loads(path.read_text("utf-8")) == before


def test_a_copy_is_given_and_an_edit_that_fails_changes_nothing(path):
    progress.change(keep("a"))
    progress.read()["cards"].clear()

    def fail(kept):
        kept["cards"].clear()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        progress.change(fail)
    assert list(progress.read()["cards"]) == ["a"]


def test_a_file_that_the_learner_removes_is_a_fresh_start(path):
    progress.change(keep("a"))
    path.unlink()
    assert progress.read()["cards"] == {}


def test_what_a_later_version_added_stays(path):
    path.parent.mkdir()
    path.write_text(json.dumps({"cards": {"a": CARD}, "plans": [1]}))
    progress.change(keep("b"))
    found = json.loads(path.read_text())
    assert found["plans"] == [1] and set(found["cards"]) == {"a", "b"}
    assert len(list(path.parent.glob("*.json"))) == 1


WHOLE = {"cards": {"a": CARD}, "answers": [ANSWER], "attempts": [], "interviews": []}
DAMAGED = {  # content: what is kept of it
    "cut off": (json.dumps(WHOLE)[:-20].encode(), 0),
    "empty": (b"", 0),
    "no text": (b"\xff\xfe\x00", 0),
    "another thing": (b"[1, 2]", 0),
    "deep": (b"[" * 100_000, 0),
    "a card without a date": ({**WHOLE, "cards": {"a": CARD, "b": {**CARD, "due": "soon"}}}, 1),
    "a card without a zone": (
        {**WHOLE, "cards": {"a": CARD, "b": {**CARD, "due": "2026-01-02T00:00:00"}}},
        1,
    ),
    "a card that cannot be": ({**WHOLE, "cards": {"a": CARD, "b": {**CARD, "state": 2}}}, 1),
    "a card that is none": ({**WHOLE, "cards": {"a": CARD, "b": 3}}, 1),
    "an answer that is none": ({**WHOLE, "answers": [ANSWER, "b"]}, 1),
    "an answer without a date": ({**WHOLE, "answers": [ANSWER, {"id": "a"}]}, 1),
    "an answer of the year 1": (
        {**WHOLE, "answers": [ANSWER, {"id": "a", "when": "0001-01-01T00:00:00+00:00"}]},
        1,
    ),
    "parts that are none": ({**WHOLE, "attempts": [{"when": WHEN, "parts": 3}]}, 1),
    "an interview of no length": (
        {**WHOLE, "interviews": [{"when": WHEN, "level": 2, "minutes": 20, "seconds": None}]},
        1,
    ),
    "answers that are none": ({**WHOLE, "answers": 5}, 1),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_set_aside_with_a_sentence_and_nothing_else_is_lost(path, said, damage):
    content, cards = DAMAGED[damage]
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    path.parent.mkdir()
    path.write_bytes(content)
    kept = progress.read(said.append)
    aside = path.with_name("progress.damaged-1.json")
    assert aside.read_bytes() == content
    assert len(said) == 1 and str(aside) in said[0] and f"{cards} cards" in said[0]
    assert kept["cards"] == ({"a": CARD} if cards else {})
    if cards and damage != "answers that are none":
        assert kept["answers"] == [ANSWER]
    assert json.loads(path.read_bytes()) == kept  # written at once, should the kernel end here
    progress.change(keep("c"), said.append)
    restart()
    assert set(progress.read(said.append)["cards"]) == {*kept["cards"], "c"}
    assert len(said) == 1


def test_what_this_kernel_knows_outlives_the_damage_and_each_file_aside_has_a_name(path, said):
    for name in "ab":
        progress.change(keep(name), said.append)
        progress.add("answers", {"id": name}, said.append)
    for number in (1, 2):
        path.write_bytes(path.read_bytes()[:-30])
        kept = progress.read(said.append)
        assert path.with_name(f"progress.damaged-{number}.json").exists()
        assert set(kept["cards"]) == {"a", "b"}
        assert [answer["id"] for answer in kept["answers"]] == ["a", "b"]
    assert len(said) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.sampled_from([*PARTS, *CARD]), part)
    ),
    max_leaves=20,
)


@settings(deadline=None, max_examples=60)
@given(found=JSON)
def test_whatever_the_file_holds_only_what_is_whole_is_used(found):
    whole, _ = progress._whole(json.loads(json.dumps(found)))
    assert PARTS <= set(whole)
    assert all(Card.from_dict(card).due.tzinfo for card in whole["cards"].values())
    assert progress._whole(whole) == (whole, False)
    assert all(isinstance(entry, dict) for part in PARTS - {"cards"} for entry in whole[part])


def test_a_place_that_cannot_be_written_is_told_once_and_made_up_for_later(path, said):
    path.parent.write_text("a file where the folder should be")
    for name in "ab":
        progress.change(keep(name), said.append)
        progress.add("answers", {"id": name}, said.append)
    assert len(said) == 1 and str(path) in said[0] and "UNET_LESSON_PROGRESS" in said[0]
    progress.read(said.append)["cards"].clear()  # a copy
    assert set(progress.read(said.append)["cards"]) == {"a", "b"}
    path.parent.unlink()
    progress.change(keep("c"), said.append)
    written = path.read_bytes()
    path.unlink()
    assert progress.read(said.append)["cards"] == {}  # the file counts again
    path.write_bytes(written)
    restart()
    found = progress.read(said.append)
    assert set(found["cards"]) == {"a", "b", "c"}
    assert [answer["id"] for answer in found["answers"]] == ["a", "b"]
    assert len(said) == 1


def test_a_write_that_breaks_off_leaves_the_old_file_whole(path, said, monkeypatch):
    progress.change(keep("a"), said.append)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("os.fsync", full)
        progress.change(keep("b"), said.append)
        progress.change(keep("c"), said.append)
        assert path.read_bytes() == before
        assert set(progress.read()["cards"]) == {"a", "b", "c"}
    assert len(said) == 1 and "No space left" in said[0]
    progress.change(keep("d"), said.append)
    restart()
    assert set(progress.read()["cards"]) == {"a", "b", "c", "d"}


WRITER = """
import sys
from pathlib import Path
from unet_lesson.practice import progress
mine, go = sys.argv[1], Path(sys.argv[2])
print("ready", flush=True)
while not go.exists():
    pass
for number in range(40):
    progress.add("answers", {"id": f"{mine}{number}"})
    progress.change(lambda kept: kept["cards"].update({f"{mine}{number}": %r}))
"""


def test_two_kernels_that_write_at_once_lose_nothing(path, tmp_path, said):
    go = tmp_path / "go"
    command = [sys.executable, "-c", WRITER % CARD]
    writers = [
        subprocess.Popen([*command, name, str(go)], stdout=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    go.touch()
    assert [writer.communicate()[0] for writer in writers] == ["", ""]
    assert [writer.returncode for writer in writers] == [0, 0]
    found = progress.read(said.append)
    expected = {f"{name}{number}" for name in "ab" for number in range(40)}
    assert {answer["id"] for answer in found["answers"]} == expected == set(found["cards"])
    assert len(found["answers"]) == 80 and said == []
