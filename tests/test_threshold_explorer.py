"""ThresholdExplorer's numbers against torchmetrics and by hand; its three faces; refusals."""

import struct

import numpy as np
import pytest
import torch
from torchmetrics.functional import classification
from traitlets import TraitError

from unet_lesson import figures
from unet_lesson.widgets import ThresholdExplorer
from unet_lesson.widgets import threshold_explorer as module

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def maps():
    """A rough probability map (40, 56) and its truth."""
    rng = np.random.default_rng(0)
    target = np.zeros((40, 56), np.uint8)
    target[5:20, 8:30] = target[28:36, 40:50] = 1
    return np.clip(0.25 + 0.4 * target + 0.25 * rng.normal(size=target.shape), 0, 1), target


def test_the_four_scores_are_torchmetrics_at_every_threshold(maps):
    probability, target = map(torch.from_numpy, maps)
    table = ThresholdExplorer(*maps).table
    metrics = {
        "dice": classification.binary_f1_score,
        "iou": classification.binary_jaccard_index,
        "precision": classification.binary_precision,
        "recall": classification.binary_recall,
    }
    for t in range(101):
        mask = probability > t / 100
        for name, metric in metrics.items():
            ours = table[name][t]
            assert (ours is None) == (name == "precision" and not mask.any())
            if ours is not None:
                assert ours == pytest.approx(metric(mask.int(), target).item(), abs=1e-6)
        confusion = classification.binary_confusion_matrix(mask.int(), target).tolist()
        assert [[table["false_alarm"][t]], [table["missed"][t], table["hit"][t]]] == [
            confusion[0][1:],
            confusion[1],
        ]


def test_the_bytes_that_are_sent_give_the_same_mask_at_every_threshold(maps):
    probability, target = maps
    probability[0, :4] = 0, 0.07, 0.29, 1  # on a threshold is not above it
    explorer = ThresholdExplorer(probability, target)
    sent = np.frombuffer(explorer.levels, np.uint8).reshape(explorer.size)
    for t in range(101):
        assert np.array_equal(sent > t, probability > t / 100)
    assert np.frombuffer(explorer.target, np.uint8).tolist() == target.flatten().tolist()
    grey = np.frombuffer(explorer.grey, np.uint8).reshape(explorer.size) / 255
    drawn = figures.errors(probability, target, target)[target == 0]
    assert np.abs(drawn - grey[target == 0][:, None]).max() < 0.5 / 255 + 1e-9


def test_facts_by_hand():
    probability = np.full((8, 8), 0.1)
    target = np.zeros((8, 8), bool)
    probability[0], target[0] = 0.8, True  # 8 hits
    probability[1, :4] = 0.7  # 4 false alarms
    target[2, :2] = True  # 2 missed
    explorer = ThresholdExplorer(probability, target)
    assert explorer.facts() == (
        "threshold 50%: hit 8, missed 2, false alarm 4 pixels. "
        "Dice 0.7273, IoU 0.5714, precision 0.6667, recall 0.8000. "
        "Best Dice 0.8889 and best IoU 0.8000, both at 70%."
    )
    explorer.threshold = 80
    assert "hit 0, missed 10, false alarm 0 pixels. Dice 0.0000, IoU 0.0000, precision none" in (
        explorer.facts()
    )


def test_an_empty_truth_has_no_recall():
    explorer = ThresholdExplorer(np.zeros((8, 8)), np.zeros((8, 8)))
    assert "Dice 1.0000, IoU 1.0000, precision none, recall none" in explorer.facts()
    assert explorer._repr_mimebundle_()[0]["image/png"]


def test_dice_and_iou_are_best_at_the_same_threshold(maps):
    table = ThresholdExplorer(*maps).table
    assert np.argmax(table["dice"]) == np.argmax(table["iou"])


def test_tensors_and_what_pytorch_gives(maps):
    probability, target = map(torch.from_numpy, maps)
    expected = ThresholdExplorer(*maps).facts()
    assert ThresholdExplorer(probability.requires_grad_(), target.long()).facts() == expected
    assert ThresholdExplorer(probability, target.bool()).facts() == expected


@pytest.mark.parametrize("threshold", [0, 37, 100])
def test_three_faces(maps, threshold):
    explorer = ThresholdExplorer(*maps, threshold)
    data, _ = explorer._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png", WIDGET}
    assert data["text/plain"] == repr(explorer) == explorer.facts()
    png = data["image/png"]
    assert struct.unpack(">II", png[16:24]) == (800, 440) and len(png) < 150_000
    assert png == explorer._repr_mimebundle_()[0]["image/png"]


OK = np.zeros((8, 8))


@pytest.mark.parametrize(
    ("probability", "target", "words"),
    [
        (OK, np.zeros((8, 9)), ["(8, 8) and (8, 9)", "one size"]),
        (OK[None], OK[None], ["(H, W)", "(1, 8, 8)"]),
        (OK[:, :7], OK[:, :7], ["8 to 256", "(8, 7)"]),
        (np.zeros((257, 8)), np.zeros((257, 8)), ["(257, 8)", "probability[:256, :256]"]),
        (OK - 0.1, OK, ["0 to 1", "-0.1"]),
        (OK + 255, OK, ["255", "image / 255"]),
        (OK * np.nan, OK, ["0 to 1", "nan"]),
        (OK, OK + 255, ["target", "255", "mask // 255"]),
        (OK, OK + 0.5, ["target", "0.5"]),
    ],
)
def test_maps_that_are_refused(refused, probability, target, words):
    refused(lambda: ThresholdExplorer(probability, target), ValueError, *words)


@pytest.mark.parametrize("wrong", [-1, 101, 0.5])
def test_a_threshold_out_of_range_is_refused(wrong):
    with pytest.raises(TraitError, match="threshold"):
        ThresholdExplorer(OK, OK, wrong)


def test_one_line_and_one_colour_for_each_score():
    assert len({dash for _, dash, *_ in module.LINES.values()}) == len(module.LINES) == 4
    assert len({colour for colour, *_ in module.LINES.values()}) == 4
