"""The study of notebook 09: whole, its costs true, its judge right, the notebook's words held."""

import inspect
import json
import re

import design_study
import nbformat
import numpy as np
import pytest
import torch
from design_study import (
    BATCH,
    PHASES,
    RESULT,
    SEEDS,
    SETTINGS,
    TASKS,
    build,
    costs,
    judge,
    whole_mask,
)
from scipy.stats import norm

from unet_lesson import UNetConfig, shapes
from unet_lesson.data import em_like
from unet_lesson.tiling import predict

STUDY = json.loads(RESULT.read_text("utf-8"))
RUNS = {name: it["runs"] for name, it in STUDY["settings"].items()}
SCORES = ("dice", "f1", "border_error", "middle_error")
NOTEBOOK = nbformat.read(RESULT.with_name("09_design_choices.ipynb"), as_version=4)


# ---- the file ------------------------------------------------------------------------------


def test_it_is_what_the_script_would_write():
    assert STUDY["command"] == "python tests/design_study.py" and STUDY["batch"] == BATCH
    assert STUDY["seeds"] == list(SEEDS) and len(SEEDS) == 3
    assert STUDY["steps"] == sum(steps for _, steps in PHASES) and STUDY["tasks"] == TASKS
    assert list(STUDY["settings"]) == list(SETTINGS)
    for name, chosen in SETTINGS.items():
        assert {key: STUDY["settings"][name][key] for key in chosen} == chosen
        assert list(RUNS[name]) == list(TASKS)


def test_every_run_is_there_and_no_two_are_the_same():
    rows = [row for runs in RUNS.values() for three in runs.values() for row in three]
    assert len(rows) == len(SETTINGS) * len(TASKS) * len(SEEDS)
    assert all(
        tuple(row) == SCORES and 0 <= min(row.values()) <= max(row.values()) <= 1 for row in rows
    )
    learned = [tuple(row.values()) for row in rows if row["dice"] > 0]
    assert len(set(learned)) == len(learned) > 150


@pytest.mark.parametrize("name", SETTINGS)
def test_the_costs_are_measured_again_and_are_those_of_shapes(name, one_thread):
    chosen = SETTINGS[name]
    measured, config, tile = costs(chosen), UNetConfig(**chosen["config"]), chosen["tile"]
    assert {key: STUDY["settings"][name][key] for key in measured} == measured
    legal = shapes.legal_sizes(config, 1, measured["smallest"] + measured["step"] + 1)
    assert legal == [measured["smallest"], measured["smallest"] + measured["step"]]
    macs = sum(row.macs for row in shapes.trace(config, tile, tile))
    arithmetic = {
        "parameters": shapes.parameter_count(config),
        "macs": macs,
        "kept_bytes": shapes.activation_bytes(config, tile, tile),
        "output": shapes.output_size(config, tile, tile)[0],
    }
    if chosen["variant"].get("skips"):  # half the maps at the first convolution of every UpBlock
        arithmetic["parameters"] -= 9 * (8**2 + 16**2 + 32**2)
        arithmetic["macs"] -= 9 * (8**2 * 70**2 + 16**2 * 38**2 + 32**2 * 22**2)
        del arithmetic["kept_bytes"]
    if chosen["variant"].get("join") == "pad":
        assert measured["output"] == tile - 8 and measured["macs"] > macs
        arithmetic = {"parameters": arithmetic["parameters"]}
    assert {key: measured[key] for key in arithmetic} == arithmetic


# ---- the judge -----------------------------------------------------------------------------


def undecided(name, image):
    """A network of the setting, not trained, that says yes to about half of the image."""
    network = build(SETTINGS[name], seed=5).eval()
    side = shapes.smallest_legal(network.config) + 8 * 2**network.config.depth
    with torch.no_grad():
        no, yes = network(torch.from_numpy(image[None, None, :side, :side]))[0]
        network.head.bias[0] += (yes - no).median()
    return network


@pytest.mark.parametrize("name", ["baseline", "nearest", "depth 1", "skips added"])
def test_the_whole_image_is_predicted_as_by_predict(name, one_thread):
    """For what has the sizes of its config: against the package's overlap-tile, in many tiles."""
    image, _ = em_like(100, size=160)
    network = undecided(name, image)
    probability = predict(network, image[:, :130])[1]
    mask = whole_mask(network, image[:, :130])
    assert mask.shape == (160, 130) and 0 < mask.mean() < 1
    clear = abs(probability - 0.5) > 1e-5
    assert clear.mean() > 0.999 and np.array_equal(mask[clear], probability[clear] > 0.5)


@pytest.mark.parametrize("name, rim", [("padding=1", 0), ("pad instead of crop", 4)])
def test_with_padding_the_zeros_are_the_networks_own(name, rim, one_thread):
    image, _ = em_like(100, size=160)
    network = undecided(name, image)
    image = image[: 128 - rim, : 88 - rim]  # with the rim around it a size that fits
    with torch.no_grad():
        y = network(torch.from_numpy(np.pad(image, rim, mode="reflect"))[None, None])[0]
    assert y.shape[1:] == image.shape
    assert np.array_equal(whole_mask(network, image), (y[1] > y[0]).numpy())


def test_where_the_errors_are_counted(monkeypatch):
    rng, size = np.random.default_rng(0), (90, 110)
    labels, mask = rng.integers(0, 2, size), rng.integers(0, 2, size) > 0
    row, column = np.indices(size)
    far = np.minimum.reduce([row, 89 - row, column, 109 - column])  # 0 at the border
    monkeypatch.setattr(design_study, "whole_mask", lambda network, image: mask)
    got, wrong = judge(None, [(None, labels)]), mask != (labels > 0)
    assert got["border_error"] == pytest.approx(wrong[far < 8].mean(), abs=1e-4)
    assert got["middle_error"] == pytest.approx(wrong[far >= 32].mean(), abs=1e-4)
    both = 2 * (mask & (labels > 0)).sum() / (mask.sum() + labels.sum())
    assert got["dice"] == pytest.approx(both, abs=1e-4)


# ---- the script ----------------------------------------------------------------------------


class Here:
    """In place of the pool of processes: everything in this one."""

    def __init__(self, *_):
        self.map = map

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_a_stopped_study_goes_on_and_one_without_the_real_nuclei_keeps_their_numbers(
    tmp_path, monkeypatch, capsys
):
    """All runs but one are kept already; the network cannot be reached."""
    kept = {"dice": 0.5, "f1": 0.5, "border_error": 0.1, "middle_error": 0.1}
    new = {**kept, "dice": 0.25}

    def no_network(task):
        if task == "bbbc039":
            raise ConnectionError("not here, no network")
        return [], []

    monkeypatch.setattr(design_study, "RESULT", tmp_path / "study.json")
    monkeypatch.setattr(design_study, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(design_study, "pictures", no_network)
    monkeypatch.setattr(design_study, "train", lambda chosen, pairs, seed: (chosen, seed))
    monkeypatch.setattr(design_study, "judge", lambda network, pairs: new)
    monkeypatch.setattr(design_study, "costs", lambda chosen: {})
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "study.json").write_text(RESULT.read_text("utf-8"))
    for name in SETTINGS:
        for task in ("em", "nuclei"):
            for seed in SEEDS:
                path = tmp_path / f"{name.replace(' ', '-')}--{task}--{seed}.json"
                path.write_text(json.dumps(kept))
    (tmp_path / "no-skips--nuclei--1.json").unlink()

    design_study.main(tmp_path)
    told = json.loads((tmp_path / "study.json").read_text())["settings"]
    assert told["no skips"]["runs"]["nuclei"] == [kept, new, kept]
    assert told["baseline"]["runs"]["em"] == [kept] * 3
    assert all(told[name]["runs"]["bbbc039"] == RUNS[name]["bbbc039"] for name in SETTINGS)
    assert (tmp_path / "no-skips--nuclei--1.json").exists()
    assert (
        "real nuclei: the numbers stay as they were. not here, no network"
        in capsys.readouterr().out
    )


# ---- the notebook --------------------------------------------------------------------------


def test_the_notebook_shows_the_studys_own_code():
    cells = "\n".join(cell.source for cell in NOTEBOOK.cells if cell.cell_type == "code")
    for function in (build, design_study.train, design_study.pixels_lost, whole_mask):
        assert inspect.getsource(function).strip() in cells, function.__name__
    for line in inspect.getsource(design_study).splitlines():
        assert not line.startswith(("BATCH = ", "PHASES = ")) or line in cells.splitlines()


def seeds(name, task, score):
    return np.array([row[score] for row in RUNS[name][task]])


def parts(name, score, other="baseline"):
    """For each task 1 or -1 where all seeds lie above or below all of the other, else 0."""
    pairs = [(seeds(name, task, score), seeds(other, task, score)) for task in TASKS]
    return [int(a.min() > b.max()) - int(a.max() < b.min()) for a, b in pairs]


DIFFERENT = {  # what the notebook calls a difference; everything else is not told apart
    ("corner crop", "dice"): [-1, -1, -1],
    ("GroupNorm", "f1"): [0, -1, -1],
    ("no normalisation, default initialisation", "f1"): [-1, -1, -1],
    ("no skips", "dice"): [-1, -1, -1],
    ("depth 1", "f1"): [-1, -1, 0],
    ("4 channels", "f1"): [-1, -1, 0],
    ("no border weights", "dice"): [1, 1, 0],
    ("no border weights", "f1"): [0, -1, -1],
}


def test_what_the_notebook_calls_a_difference():
    for name in list(SETTINGS)[1:]:
        for score in ("dice", "f1"):
            found = parts(name, score)
            differs = max(found.count(1), found.count(-1)) > 1 and not {1, -1} <= set(found)
            assert differs == ((name, score) in DIFFERENT), (name, score, found)
            assert found == DIFFERENT.get((name, score), found)


def test_what_the_notebook_says_of_padding_and_of_the_joins():
    padded, larger, joined = "padding=1", "valid, larger tile", "pad instead of crop"
    assert parts(padded, "dice")[0] == parts(larger, "dice")[0] == 1
    assert parts(padded, "dice", larger) == [0, 0, 0]
    assert parts(padded, "f1", larger) == [-1, 0, 0], "more pixels may explain it"
    assert parts(padded, "border_error", larger) == [1, -1, 0], "hints, one task each"
    for name, task, percent in (
        (padded, "em", "22.7"),
        (larger, "em", "15.3"),
        (padded, "nuclei", "1.0"),
        (larger, "nuclei", "1.5"),
    ):
        assert f"{100 * seeds(name, task, 'border_error').mean():.1f}" == percent, (name, task)
    assert STUDY["settings"][joined]["output"] == STUDY["settings"][larger]["output"] == 148
    assert parts(joined, "dice", larger) == parts(joined, "f1", larger) == [-1, 0, 0]
    assert parts(joined, "border_error", larger) == [1, -1, 0]
    for name in ("corner crop", "no skips"):
        assert parts(name, "border_error") == parts(name, "middle_error") == [1, 1, 1]
    assert all(parts("corner crop", score, "no skips") == [0, 0, 0] for score in SCORES), (
        "surprise 1"
    )
    study = json.loads(RESULT.with_name("nuclei_study.json").read_text("utf-8"))
    assert f"{seeds('no skips', 'bbbc039', 'dice').mean():.3f}" == "0.927"
    without = [row["dice"] for row in study["runs"]["without skips"]]
    assert f"{np.mean(without):.3f}" == "0.863", "in notebook 07"


def test_what_the_notebook_says_of_the_other_choices():
    for way in ("bilinear", "nearest"):
        assert all(parts(way, score) == [0, 0, 0] for score in SCORES)
    assert parts("skips added", "dice") == parts("skips added", "f1") == [0, 0, 0]
    assert parts("no normalisation", "dice")[0] == parts("no normalisation", "f1")[0] == -1
    assert parts("default initialisation", "dice")[0] == 1
    neither = "no normalisation, default initialisation"
    assert sorted(seeds(neither, "em", "dice") == 0) == [False, False, True]
    assert parts(neither, "f1", "no normalisation") == [0, -1, 0]
    assert parts(neither, "dice", "no normalisation") == [0, 0, 0]
    assert parts("depth 1", "dice")[2] == 1, "on real nuclei a little higher"
    wide = [
        seeds("16 channels", task, "f1").mean() > seeds("baseline", task, "f1").mean()
        for task in TASKS
    ]
    assert all(wide) and parts("16 channels", "dice")[0] == parts("16 channels", "f1")[0] == 1
    lost = (
        seeds("baseline", "nuclei", "f1").mean() - seeds("no border weights", "nuclei", "f1").mean()
    )
    assert f"{lost:.2f}" == "0.34"


def test_the_shares_that_the_notebook_names():
    cost = STUDY["settings"]
    base = cost["baseline"]
    assert round(152**2 / base["output"] ** 2, 1) == 5.0, "pixels to learn from"

    def share(name, key):
        return cost[name][key] / base[key]

    assert f"{1 - share('no normalisation', 'kept_bytes'):.0%}" == "39%"
    assert f"{1 - share('skips added', 'parameters'):.0%}" == "10%"
    assert 0.22 < share("depth 2", "parameters") < 0.26 and share("depth 2", "macs") < 0.5
    assert 3.9 < share("depth 4", "parameters") < 4.1
    assert 1 / 17 < cost["depth 2"]["parameters"] / cost["depth 4"]["parameters"] < 1 / 15
    assert 3.9 < share("16 channels", "parameters") < 4 and 3.9 < share("16 channels", "macs") < 4
    assert 1.9 < share("16 channels", "kept_bytes") < 2.1
    per_pixel = {name: it["macs"] / it["output"] ** 2 for name, it in cost.items()}
    for name in ("padding=1", "pad instead of crop"):
        assert per_pixel[name] < per_pixel["baseline"] / 2
    transpose, bilinear = (UNetConfig.paper(up=way) for way in ("transpose", "bilinear"))
    more = shapes.activation_bytes(bilinear, 572, 572) / shapes.activation_bytes(
        transpose, 572, 572
    )
    assert 1.3 < more < 1.36, "a third more"
    less = shapes.parameter_count(bilinear) / shapes.parameter_count(transpose)
    assert f"{1 - less:.0%}" == "7%"
    for name in ("depth 2", "4 channels"):
        assert 0.45 < share(name, "kept_bytes") < 0.55
    assert 1 / 21 < share("depth 1", "parameters") < 1 / 18, "about a twentieth"


# ---- its words -----------------------------------------------------------------------------


def printed(words):
    """The output of the one cell of the notebook whose code holds these words."""
    (cell,) = (it for it in NOTEBOOK.cells if it.cell_type == "code" and words in it.source)
    return "".join(it.get("text", "") for it in cell.outputs)


def power(effect, count):
    """Share of studies that call a true effect a difference, by integration.

    A task parts if the lowest of one side is above the highest of the other, at x; then two of
    three tasks, or all. By luck in the other direction: less than 1 in 1000, left out.
    """
    x = np.linspace(-8, 12, 20001)
    highest = count * norm.pdf(x) * norm.cdf(x) ** (count - 1)
    part = np.trapezoid(highest * norm.sf(x - effect) ** count, x)
    return 3 * part**2 * (1 - part) + part**3


def test_what_the_rule_can_see():
    rows = [line for line in printed("rng.normal(effect").splitlines() if "an effect" in line]
    assert len(rows) == 3
    for effect, row in enumerate(rows, 1):
        three, five = (int(number) / 100 for number in re.findall(r"(\d+)%", row))
        assert three == pytest.approx(power(effect, 3), abs=0.012)
        assert five == pytest.approx(power(effect, 5), abs=0.012)
    assert power(1, 3) == pytest.approx(1 / 6, abs=0.01), "it misses five of six"


def test_what_the_rule_found_and_what_luck_gives():
    found = [parts(name, score) for name in list(SETTINGS)[1:] for score in ("dice", "f1")]
    partings, one = np.count_nonzero(found), 1 / 20  # 1 of the 20 ways, in either direction
    luck = 2 * (3 * one**2 * (1 - 2 * one) + one**3)
    told = printed("partings = sum(")
    assert f"partings: {partings} of {np.size(found)} " in told and partings == 34
    assert f"about {np.size(found) / 10:.0f}\n" in told
    assert f"differences: {len(DIFFERENT)} of {len(found)}, by luck about {luck * 36:.1f}" in told


def test_torchs_own_start_is_smaller_as_printed():
    """torch draws evenly up to 1 / sqrt(fan_in), and takes 32 x 4 for that on the way up."""
    told = printed("torch.nn.ConvTranspose2d(64, 32")
    convolution = (2 / 576) ** 0.5 / (1 / 576**0.5 / 3**0.5)
    up = (2 / 64) ** 0.5 / (1 / (32 * 4) ** 0.5 / 3**0.5)
    assert f"{convolution:.2f} times smaller" in told and f"{up:.2f} times smaller" in told
    assert (f"{convolution:.2f}", f"{up:.2f}") == ("2.45", "3.46")


def test_the_live_threshold_says_what_the_text_says():
    told = printed("found[name] = np.array").splitlines()
    assert sum(line.endswith(": True") for line in told) == 3
    assert not any(line.endswith(": False") for line in told)


def test_the_notebook_claims_no_more_than_its_rule():
    text = " ".join(cell.source for cell in NOTEBOOK.cells if cell.cell_type == "markdown")
    for words in ("no difference", "do as well", "worth no more", "no worse", "five seeds might"):
        assert words not in text.lower(), words
    looked = (len(SETTINGS) * len(SEEDS), len(design_study.pictures("em")[1]))
    assert looked == (57, 6) and "looked at 57 times" in text
    for words in (
        "6 images to learn from and 6 new ones (24 and 8 of the real nuclei)",
        "A skip cropped at the corner cannot be told from no skip at all.",
        "move Dice and object F1 in opposite directions**, at the same threshold",
        "Two, three and four poolings are not told apart",
        "No order was measured, and no two were combined",
        "10.6 percentage points lower with GroupNorm",
        "not told apart by three seeds, which is not the same as equally good",
        "A parting on one task is a hint",
    ):
        assert words in text, words
