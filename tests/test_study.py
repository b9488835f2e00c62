"""The study of notebook 07: the stored numbers are whole, say what the notebook says, and hold."""

import json

import numpy as np
import pytest
from nuclei_study import COMMON, RESULT, SEEDS, VARIANTS, baselines

STUDY = json.loads(RESULT.read_text("utf-8"))
SCORES = ("dice", "iou", "f1_50", "f1_70")


def mean(name, score):
    return np.mean([row[score] for row in STUDY["runs"][name]])


def test_it_is_what_the_script_would_write():
    assert STUDY["command"] == f"python -m unet_lesson.training {COMMON}"
    assert STUDY["options"] == VARIANTS and STUDY["seeds"] == list(SEEDS) and len(SEEDS) >= 3
    assert list(STUDY["runs"]) == list(VARIANTS)
    for rows in STUDY["runs"].values():
        assert len(rows) == len(SEEDS)
        assert all(tuple(row) == SCORES and 0 < min(row.values()) for row in rows)


def test_no_two_runs_are_the_same():
    rows = [tuple(row.values()) for rows in STUDY["runs"].values() for row in rows]
    assert len(set(rows)) == len(rows)


def test_dice_and_iou_belong_together():
    """Per field Dice = 2 IoU / (1 + IoU); this function is concave, so for means it bounds."""
    for rows in STUDY["runs"].values():
        for row in rows:
            assert row["dice"] <= 2 * row["iou"] / (1 + row["iou"]) + 1e-3
            assert row["f1_70"] <= row["f1_50"]


def test_the_notebook_says_what_the_numbers_say():
    still = STUDY["without training"]
    best, otsu, perfect = "blog preset", still["Otsu threshold"], still["perfect mask"]
    assert mean(best, "f1_50") > otsu["f1_50"] and mean(best, "f1_50") > perfect["f1_50"]
    plain = "without border weights"
    assert abs(mean(plain, "dice") - mean(best, "dice")) < 0.01
    blank = "without skips"
    lost = {score: mean(best, score) - mean(blank, score) for score in SCORES}
    assert 0.05 < lost["dice"] < 0.15 and lost["f1_70"] > lost["f1_50"]
    ranges = {
        name: [f([row["f1_50"] for row in rows]) for f in (min, max)]
        for name, rows in STUDY["runs"].items()
    }
    for name in ("paper preset", "padded preset"):
        assert ranges[name][0] < ranges[best][1] and ranges[best][0] < ranges[name][1]
    assert ranges[plain][1] < ranges[best][0], "border weights: the ranges do not meet"
    assert f"{max(high - low for low, high in ranges.values()):.2f}" == "0.07"
    strict = [[row["f1_70"] for row in rows] for rows in STUDY["runs"].values()]
    assert f"{max(max(values) - min(values) for values in strict):.2f}" == "0.15"
    assert ranges[plain][1] < otsu["f1_50"] and ranges[best][0] > perfect["f1_50"]
    assert mean(blank, "dice") < otsu["dice"] - 0.05 and 0.15 < lost["f1_70"] < 0.25
    assert mean(best, "dice") - otsu["dice"] < 0.02, "a threshold is nearly as good in pixels"


def test_what_needs_no_training_is_measured_again(real_nuclei_folder, monkeypatch):
    monkeypatch.setenv("UNET_LESSON_DATA", str(real_nuclei_folder))
    for name, row in baselines().items():
        assert row == pytest.approx(STUDY["without training"][name], abs=1e-4)
