"""BBBC039 is fetched, checked, kept and split as promised. Nothing here uses the network.

A server on this machine stands in for the real address, with small files of our own making. The
tests of the real images take them from a folder at hand (`real_nuclei_folder`), or say that
there is none.
"""

import gc
import hashlib
import socket
import sys
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import imageio.v3
import numpy as np
import pooch
import pytest
import tifffile
from scipy import ndimage
from skimage import filters

from unet_lesson.data.nuclei import nuclei

module = sys.modules[nuclei.__module__]
ROWS = [line.split("\t") for line in module.REGISTRY.read_text("utf-8").splitlines()]
SPLIT_OF = {name: split for split, name, _, _ in ROWS[1:]}

# ---- the registry --------------------------------------------------------------------------


def test_forty_fields_of_forty_wells_in_24_8_8():
    assert ROWS[0] == ["split", "name", "image_sha256", "mask_sha256"]
    assert len(ROWS) == 41
    assert sorted(SPLIT_OF.values()) == ["test"] * 8 + ["train"] * 24 + ["val"] * 8
    assert len({name.split("_")[1] for name in SPLIT_OF}) == 40, "a well is on two lines"
    hashes = [value for row in ROWS[1:] for value in row[2:]]
    assert len(set(hashes)) == 80 and all(len(bytes.fromhex(value)) == 32 for value in hashes)


def test_the_rule_of_the_docstring_gives_the_registry():
    """All but every fifth, from the third on, of 50: what is left, in fives, is T T T v t."""
    assert [row[1] for row in ROWS[1:]] == sorted(SPLIT_OF)
    assert list(SPLIT_OF.values()) == ["train", "train", "train", "val", "test"] * 8
    for split in module.SPLITS:
        rows = {name.split("_")[1][0] for name, side in SPLIT_OF.items() if side == split}
        assert rows >= set("ABCDEG")


# ---- fetching, from a server of our own ----------------------------------------------------

COLOURS = np.array(  # 1 touches 2; the two parts of colour 1 on the right meet at a corner only
    [
        [1, 1, 2, 2, 0, 1, 0],
        [1, 1, 2, 2, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
    ],
    np.uint8,
)
NUCLEI = [[1, 1, 2, 2, 0, 3, 0], [1, 1, 2, 2, 0, 0, 4], [0, 0, 0, 0, 0, 0, 4]]
IMAGE = np.arange(21, dtype=np.uint16).reshape(3, 7) * 100


def make_files(folder):
    """Three small fields as the real ones are stored, and their registry."""
    lines = ["\t".join(ROWS[0])]
    for number, name in enumerate(("IXM_A01", "IXM_B02", "IXM_C03")):
        image, mask = folder / "images" / f"{name}.tif", folder / "masks" / f"{name}.png"
        for path in (image, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(image, IMAGE + number)
        nothing, full = np.zeros_like(COLOURS), np.full_like(COLOURS, 255)
        imageio.v3.imwrite(mask, np.dstack([COLOURS, nothing, nothing, full]))
        hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (image, mask)]
        lines.append("\t".join(["train" if number < 2 else "val", name, *hashes]))
    (folder / "registry.tsv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server over `folder`; `answers` is what it says first, `asked` what was asked."""
    state = SimpleNamespace(folder=tmp_path / "server", cache=tmp_path / "cache", asked=[])
    state.answers, state.waits, state.failed = [], [], False
    make_files(state.folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.asked.append(self.path)
            status = state.answers.pop(0) if state.answers else 200
            path = state.folder / self.path.removeprefix("/cell%20nuclei/")
            status = status if path.exists() else 404
            state.failed |= status != 200
            body = path.read_bytes() if status in (200, "cut") else b"no"
            self.send_response(200 if status == "cut" else status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if status == "cut" else body)

        def log_message(self, *arguments):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    address = f"http://127.0.0.1:{http.server_port}/cell%20nuclei/"
    monkeypatch.setattr(module, "ADDRESS", address)
    monkeypatch.setattr(module, "REGISTRY", state.folder / "registry.tsv")
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=state.waits.append))
    monkeypatch.setenv("UNET_LESSON_DATA", str(state.cache))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield state
    http.shutdown()
    http.server_close()
    if state.failed:  # pooch leaves the sockets of failed requests to the garbage collector
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            gc.collect()


def contents(folder):
    """{path: bytes} of all files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


def served(server, *names):
    return {name: (server.folder / name).read_bytes() for name in names}


TRAIN = ["images/IXM_A01.tif", "images/IXM_B02.tif", "masks/IXM_A01.png", "masks/IXM_B02.png"]


def test_each_file_is_fetched_once_and_kept(server, capsys, caplog, monkeypatch):
    monkeypatch.setattr(pooch.get_logger(), "handlers", [caplog.handler])
    fields = nuclei("train")
    assert sorted(server.asked) == [f"/cell%20nuclei/{name}" for name in TRAIN]
    assert contents(server.cache) == served(server, *TRAIN)
    assert len(fields) == 2 and fields.names == ["IXM_A01", "IXM_B02"]
    for number, (image, labels) in enumerate(fields):
        assert image.dtype == np.float32 and labels.dtype == np.int32
        low, high = np.percentile(IMAGE + number, (1, 99.9))
        np.testing.assert_allclose(image, (IMAGE + number - low) / (high - low), rtol=1e-5)
        np.testing.assert_array_equal(labels, NUCLEI)
    shown = capsys.readouterr()
    assert "nuclei, train" in shown.err and "/2 [" in shown.err and shown.out == ""
    assert not caplog.records, "a line of the library for each file, beside the bar"

    again = nuclei("train")
    assert len(server.asked) == 4
    np.testing.assert_array_equal(again[1][0], fields[1][0])


def test_the_folder_is_looked_up_at_every_call(server, tmp_path, monkeypatch):
    nuclei("val")
    monkeypatch.setenv("UNET_LESSON_DATA", str(tmp_path / "elsewhere"))
    nuclei("val")
    assert contents(tmp_path / "elsewhere") == contents(server.cache) != {}
    monkeypatch.delenv("UNET_LESSON_DATA")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "usual" / name)
    nuclei("val")
    assert contents(tmp_path / "usual" / "unet_lesson") == contents(server.cache)


def test_a_complete_folder_is_only_read(server, monkeypatch):
    monkeypatch.setenv("UNET_LESSON_DATA", str(server.folder))
    paths = [server.folder, *server.folder.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = [(path, path.stat().st_mtime_ns) for path in sorted(paths)]
    assert len(nuclei("train")) == 2
    after = [server.folder, *server.folder.rglob("*")]
    assert [(path, path.stat().st_mtime_ns) for path in sorted(after)] == before
    assert server.asked == []


@pytest.mark.parametrize("file", ["images/IXM_C03.tif", "masks/IXM_C03.png"])
@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:30] + bytes([data[30] ^ 1]) + data[31:],
        lambda data: b"<html>please sign in</html>",
    ],
    ids=["one byte short", "half", "empty", "one bit", "a web page"],
)
def test_a_damaged_file_is_named_and_fetched_again(file, harm, server, capsys):
    good = nuclei("val")
    whole = (server.cache / file).read_bytes()
    (server.cache / file).write_bytes(harm(whole))
    capsys.readouterr()
    again = nuclei("val")
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and str(server.cache / file) in said and "damaged" in said
    assert (server.cache / file).read_bytes() == whole
    assert server.asked[2:] == [f"/cell%20nuclei/{file}"]
    np.testing.assert_array_equal(again[0][1], good[0][1])


@pytest.mark.parametrize("harm", [lambda data: data[:-9], lambda data: data + b"!"])
def test_a_wrong_file_on_the_server_is_refused(harm, server, refused):
    path = server.folder / "masks" / "IXM_C03.png"
    path.write_bytes(harm(path.read_bytes()))
    message = refused(lambda: nuclei("val"), ValueError, "masks/IXM_C03.png", "nothing was kept")
    assert len(server.asked) == 1 + 3, "two more tries, in case it was the network"
    assert list(contents(server.cache)) == ["images/IXM_C03.tif"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() not in message


@pytest.mark.parametrize("answers", [[503, 500], ["cut", "cut"]])
def test_two_failures_are_overcome(answers, server):
    server.answers = list(answers)
    assert len(nuclei("val")) == 1
    assert len(server.asked) == 4 and server.waits == [1, 2]


def refusal(call, *words):
    """The ConnectionError that a call must raise: one sentence, without the library's own."""
    with pytest.raises(ConnectionError) as caught:
        call()
    message = str(caught.value)
    error = caught.value
    assert type(error) is ConnectionError
    assert error.__suppress_context__ and error.__cause__ is None
    assert "\n" not in message and "Traceback" not in message
    for word in (*words, "Connect to the network once", "copy the files", "em_like"):
        assert word in message, message
    return message


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_without_network_and_cache_one_sentence_says_what_to_do(server, monkeypatch):
    monkeypatch.setattr(module, "ADDRESS", f"http://127.0.0.1:{closed_port()}/")
    refusal(lambda: nuclei("train"), f"{server.cache / TRAIN[0]} is missing", f"{server.cache} (")
    assert contents(server.cache) == {}, "half a file was left"
    assert server.waits == [1, 2]


def test_without_network_a_damaged_file_is_never_used(server, monkeypatch, capsys):
    nuclei("val")
    monkeypatch.setattr(module, "ADDRESS", f"http://127.0.0.1:{closed_port()}/")
    assert len(nuclei("val")) == 1, "a complete cache needs no network"
    (server.cache / "masks/IXM_C03.png").write_bytes(b"changed")
    refusal(lambda: nuclei("val"), "masks/IXM_C03.png is missing or damaged")
    assert "masks/IXM_C03.png is damaged" in capsys.readouterr().out


def test_a_file_gone_from_the_server(server):
    (server.folder / "images" / "IXM_C03.tif").unlink()
    refusal(lambda: nuclei("val"), "/cell%20nuclei/images/IXM_C03.tif could not be fetched")


def test_a_cache_that_cannot_be_a_folder(server, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("UNET_LESSON_DATA", str(tmp_path / "file"))
    refusal(lambda: nuclei("val"), str(tmp_path / "file"), "Not a directory")


@pytest.mark.parametrize("split", ["Train", "all", "", "training"])
def test_other_splits(split, refused):
    refused(lambda: nuclei(split), ValueError, "('train', 'val', 'test')", repr(split))


@pytest.mark.parametrize("split", [None, 0, ["train"]])
def test_splits_that_are_no_string(split, refused):
    refused(lambda: nuclei(split), TypeError, "('train', 'val', 'test')", type(split).__name__)


# ---- the real images -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(real_nuclei_folder):
    """{split: fields}, read from a folder that is complete, so that nothing is fetched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNET_LESSON_DATA", str(real_nuclei_folder))
        patch.setattr(module, "ADDRESS", f"http://127.0.0.1:{closed_port()}/")
        return {split: nuclei(split) for split in module.SPLITS}


def test_the_real_files_have_the_hashes_of_the_source(real_nuclei_folder):
    sums = real_nuclei_folder / "SHA256SUMS"
    if not sums.exists():
        pytest.skip("SHA256SUMS is only beside the shared copy of the real images")
    known = {line.split()[1]: line.split()[0] for line in sums.read_text().splitlines()}
    for _, name, image, mask in ROWS[1:]:
        assert (known[f"images/{name}.tif"], known[f"masks/{name}.png"]) == (image, mask)


def test_real_fields_against_scipy_and_numpy(real, real_nuclei_folder):
    for split, fields in real.items():
        assert fields.names == [name for name, side in SPLIT_OF.items() if side == split]
        for name, (image, labels) in zip(fields.names, fields, strict=True):
            stored = tifffile.imread(real_nuclei_folder / f"images/{name}.tif").astype(float)
            low, high = np.percentile(stored, (1, 99.9))
            np.testing.assert_allclose(image, (stored - low) / (high - low), atol=1e-6)
            mask = imageio.v3.imread(real_nuclei_folder / f"masks/{name}.png")[..., 0]
            assert image.shape == labels.shape == (520, 696)
            np.testing.assert_array_equal(labels > 0, mask > 0)
            count = 0
            for colour in range(1, mask.max() + 1):
                parts, found = ndimage.label(mask == colour)
                ours, theirs = labels[parts > 0], parts[parts > 0]
                pairs = np.unique(1000 * ours + theirs)
                assert len(pairs) == len(np.unique(ours)) == found
                count += found
            assert set(np.unique(labels)) == set(range(count + 1))


def touching(labels):
    """How many objects have a 4-neighbour in another object."""
    pairs = [(labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])]
    found = [set(x[(a != b) & (a > 0) & (b > 0)]) for a, b in pairs for x in (a, b)]
    return len(set().union(*found))


def matches(found, wanted):
    """Objects that agree with IoU > 0.5, by counting the pixels of each pair."""
    shape = found.max() + 1, wanted.max() + 1
    pixels = np.bincount((found * shape[1] + wanted).ravel(), minlength=shape[0] * shape[1])
    pixels = pixels.reshape(shape)
    union = pixels.sum(1)[1:, None] + pixels.sum(0)[None, 1:] - pixels[1:, 1:]
    return (pixels[1:, 1:] > 0.5 * union).sum()


def test_the_numbers_of_the_real_fields(real):
    """Nuclei in each split, and what a threshold and a perfect binary mask reach on all 40."""
    counts = {split: [labels.max() for _, labels in fields] for split, fields in real.items()}
    assert {split: sum(n) for split, n in counts.items()} == {
        "train": 2698,
        "val": 889,
        "test": 940,
    }
    assert [round(np.mean(counts[split])) for split in module.SPLITS] == [112, 111, 118]
    fields = [field for split in module.SPLITS for field in real[split]]
    total = sum(labels.max() for _, labels in fields)
    assert sum(touching(labels) for _, labels in fields) / total == pytest.approx(0.269, abs=5e-4)
    both = {"otsu": [0, 0], "perfect": [0, 0]}
    dice = []
    for image, labels in fields:
        masks = {"otsu": image > filters.threshold_otsu(image), "perfect": labels > 0}
        dice.append(
            2 * (masks["otsu"] & masks["perfect"]).sum() / sum(m.sum() for m in masks.values())
        )
        for kind, mask in masks.items():
            found, count = ndimage.label(mask, np.ones((3, 3)))
            both[kind][0] += 2 * matches(found, labels)
            both[kind][1] += count + labels.max()
    assert np.mean(dice) == pytest.approx(0.953, abs=5e-4)
    scores = {kind: hits / objects for kind, (hits, objects) in both.items()}
    assert scores == {
        "otsu": pytest.approx(0.779, abs=5e-4),
        "perfect": pytest.approx(0.895, abs=5e-4),
    }
