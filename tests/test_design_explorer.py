"""DesignExplorer's U against the real networks, its verdicts against scipy, its three faces."""

import copy
import struct
from itertools import product

import numpy as np
import pytest
import torch
from design_study import SETTINGS, TASKS
from scipy.stats import mannwhitneyu

from unet_lesson import DoubleConv, UNetConfig, shapes
from unet_lesson.variants import Variant
from unet_lesson.widgets import DesignExplorer
from unet_lesson.widgets import design_explorer as module

WIDGET = "application/vnd.jupyter.widget-view+json"


def made_study():
    """The settings of the real study with scores that nobody measured."""
    random, settings = np.random.default_rng(0), {}
    for name, chosen in SETTINGS.items():
        config, tile = UNetConfig(**chosen["config"]), chosen["tile"]
        padded = chosen["variant"].get("join") == "pad"
        runs = {
            task: [
                dict(zip(module.SCORES, random.uniform(0, 0.3, 4).round(4).tolist(), strict=True))
                for _ in range(3)
            ]
            for task in TASKS
        }
        settings[name] = chosen | {
            "output": tile - 8 if padded else shapes.output_size(config, tile, tile)[0],
            "smallest": shapes.smallest_legal(config),
            "step": 2**config.depth,
            "parameters": shapes.parameter_count(config),
            "macs": sum(row.macs for row in shapes.trace(config, tile, tile)),
            "kept_bytes": shapes.activation_bytes(config, tile, tile),
            "runs": runs,
        }
    for name, setting in settings.items():
        for run in setting["runs"]["em"]:
            run["dice"] += 0.6 * (name != "no skips")  # which is far below all others
    return {"tasks": TASKS, "seeds": [0, 1, 2], "settings": settings}


@pytest.fixture
def study():
    return made_study()


def maps(setting):
    """(C, H) after every DoubleConv of the real network, in the order in which they run."""
    seen = []
    with torch.device("meta"):
        network = Variant(UNetConfig(**setting["config"]), **setting["variant"]).eval()
        for part in network.modules():
            if isinstance(part, DoubleConv):
                part.register_forward_hook(lambda *given: seen.append(given[2].shape[1:3]))
        output = network(torch.empty(1, 1, setting["tile"], setting["tile"]))
    return [tuple(shape) for shape in seen], output.shape[2]


@pytest.mark.parametrize("name", SETTINGS)
def test_the_u_has_the_maps_of_the_real_network(name, study):
    setting = study["settings"][name]
    found, output = maps(setting)
    depth, u = setting["config"]["depth"], module.drawn_u(setting)
    assert [(c, before) for c, before, *_ in u["levels"]] == found[:depth]
    assert tuple(u["bottom"]) == found[depth]
    assert [(c, after) for c, _, after, _ in reversed(u["levels"])] == found[depth + 1 :]
    assert u["output"] == output and u["tile"] == setting["tile"]


def test_what_happens_to_the_skips(study):
    skips = {
        name: [words for *_, words in module.drawn_u(setting)["levels"]]
        for name, setting in study["settings"].items()
    }
    assert skips["baseline"] == ["crop 40", "crop 16", "crop 4"]
    assert skips["padding=1"] == ["copy"] * 3
    assert skips["corner crop"] == ["crop 0 and 80", "crop 0 and 32", "crop 0 and 8"]
    assert skips["pad instead of crop"] == ["pad 8", "pad 8", "pad 4"]
    assert skips["skips added"] == ["crop 40, add", "crop 16, add", "crop 4, add"]
    assert skips["no skips"] == ["no skip"] * 3
    assert skips["depth 4"] == ["crop 88", "crop 40", "crop 16", "crop 4"]


@pytest.mark.parametrize("more_is_better", [True, False])
def test_a_verdict_needs_every_seed_of_one_side_above_every_seed_of_the_other(more_is_better):
    """Mann and Whitney count the pairs in which the left one is higher: all 9, or none."""
    random, said = np.random.default_rng(1), set()
    for shift in np.linspace(-4, 4, 200):
        left, right = random.integers(0, 4, 3) / 10, (random.integers(0, 4, 3) + shift.round()) / 10
        words = module.verdict(left.tolist(), right.tolist(), more_is_better)
        higher = {9: "left", 0: "right"}.get(mannwhitneyu(left, right).statistic)
        if higher is None:
            assert words == "no difference that three seeds can show"
        else:
            lower = {"left": "right", "right": "left"}[higher]
            better = higher if more_is_better else lower
            gap = abs(np.mean(left) - np.mean(right))
            assert words == (
                f"the ranges of the three seeds do not meet: {better} is better by {gap:.3f}"
            )
        said.add(words.split(":")[-1].split(" is")[0])
    assert said == {"no difference that three seeds can show", " left", " right"}


def test_by_chance_ranges_part_in_one_case_of_ten():
    """As the page says below the scores."""
    assert mannwhitneyu([1, 2, 3], [4, 5, 6], method="exact").pvalue == pytest.approx(0.1)


def test_a_gap_that_rounds_to_nothing_is_not_called_nothing():
    words = module.verdict([0.9001, 0.9002, 0.9001], [0.9003, 0.9004, 0.9003], True)
    assert words.endswith("right is better by less than 0.001")


def test_every_pair_has_words_and_swapping_the_sides_swaps_them(study):
    table = DesignExplorer(study).table["verdicts"]
    mirror = {"left is": "right is", "right is": "left is"}
    for task, score, left, right in product(TASKS, module.SCORES, SETTINGS, SETTINGS):
        words, swapped = table[task][score][left][right], table[task][score][right][left]
        side = next((side for side in mirror if side in words), "")
        assert swapped == (words.replace(side, mirror[side]) if side else words)
    assert table["em"]["dice"]["baseline"]["no skips"].startswith("the ranges")
    assert "left is better by 0." in table["em"]["dice"]["baseline"]["no skips"]


def test_facts_by_hand(study):
    scores = {"dice": 0.9, "f1": 0.5, "border_error": 0.02, "middle_error": 0.01}
    for name, more in (("baseline", 0.0), ("padding=1", 0.06)):
        setting = study["settings"][name]
        runs = [
            {key: value + seed / 100 + more for key, value in scores.items()} for seed in (0, 1, 2)
        ]
        runs[1]["f1"] = 0.3  # so that these ranges meet
        setting |= {"runs": {"em": runs}, "parameters": 1234567, "macs": 2_000_000_000}
        setting |= {"kept_bytes": 3 * 2**20}
    study["settings"] = {name: study["settings"][name] for name in ("baseline", "padding=1")}
    study["tasks"] = {"em": "drawn tissue"}
    explorer = DesignExplorer(study, "padding=1", "baseline")
    assert explorer.facts() == (
        "Left, padding=1: input 152, bottom 19, output 152; legal inputs 8, 16, 24, ...; "
        "1,234,567 parameters, 2,000.0 M MACs per tile, 86,565 MACs per output pixel, "
        "3.0 MiB memory kept per tile. "
        "Right, baseline: input 156, bottom 12, output 68; legal inputs 92, 100, 108, ...; "
        "1,234,567 parameters, 2,000.0 M MACs per tile, 432,526 MACs per output pixel, "
        "3.0 MiB memory kept per tile. "
        "On drawn tissue, means of three seeds: Dice 0.970 and 0.910, the ranges of the three "
        "seeds do not meet: left is better by 0.060; object F1 0.480 and 0.440, no difference "
        "that three seeds can show; error at the border 0.090 and 0.030, the ranges of the three "
        "seeds do not meet: right is better by 0.060; error in the middle 0.080 and 0.020, the "
        "ranges of the three seeds do not meet: right is better by 0.060."
    )


def test_legal_inputs_are_the_oracles(study):
    for name, card in DesignExplorer(study).table["cards"].items():
        config = UNetConfig(**study["settings"][name]["config"])
        first = shapes.legal_sizes(config, 0, 300)[:3]
        assert card["legal"] == ", ".join(map(str, first)) + ", ..."


@pytest.mark.parametrize("pair", [("baseline", "padding=1"), ("depth 1", "depth 4")])
def test_three_faces(study, pair):
    explorer = DesignExplorer(study, *pair, task="nuclei")
    data, _ = explorer._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png", WIDGET}
    assert data["text/plain"] == repr(explorer) == explorer.facts()
    assert f"On {TASKS['nuclei']}" in explorer.facts()
    png = data["image/png"]
    assert struct.unpack(">II", png[16:24]) == (800, 760) and len(png) < 150_000
    assert png == explorer._repr_mimebundle_()[0]["image/png"]
    explorer.right = "no skips"
    assert explorer._repr_mimebundle_()[0]["image/png"] != png


def test_the_still_picture_writes_the_numbers_and_marks_what_differs(study):
    figure = DesignExplorer(study, "baseline", "padding=1").picture()
    texts = [text for axes in figure.axes for text in axes.texts]
    marked = {text.get_text() for text in texts if text.get_fontweight() == "bold"}
    assert marked == {"156²", "152²", "68²", "crop 40", "crop 16", "crop 4", "copy"} | {
        "16 x 72²", "32 x 32²", "64 x 12²", "8 x 68²", "16 x 36²", "32 x 20²",
        "16 x 76²", "32 x 38²", "64 x 19²", "8 x 152²",
    }  # fmt: skip
    plain = {text.get_text() for text in texts} - marked
    assert {"baseline", "padding=1", "input tile", "output"} <= plain
    dots = [
        line.get_xdata()
        for axes in figure.axes[-4:]
        for line in axes.lines
        if len(line.get_xdata()) == 3
    ]
    runs = [
        [run[score] for run in study["settings"][name]["runs"]["em"]]
        for score in module.SCORES
        for name in ("baseline", "padding=1")
    ]
    assert np.array_equal(dots, runs)
    assert figure.axes[-1].get_xlim() == figure.axes[-2].get_xlim()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"left": "padding"}, ["left", "'padding'", "did you mean 'padding=1'"]),
        ({"right": "NO SKIPS"}, ["right", "'NO SKIPS'", "did you mean 'no skips'"]),
        ({"task": "bbbc"}, ["task", "'em', 'nuclei', 'bbbc039'", "did you mean 'bbbc039'"]),
        ({"left": ""}, ["left must be one of 'baseline', 'padding=1'"]),
    ],
)
def test_a_name_that_the_study_does_not_have(refused, study, given, words):
    refused(lambda: DesignExplorer(study, **given), ValueError, *words)
    explorer = DesignExplorer(study)
    before = explorer.facts()
    (item,) = given.items()
    refused(lambda: setattr(explorer, *item), ValueError, *words)
    assert explorer.facts() == before


def test_a_task_that_was_not_run_everywhere_is_left_out(refused, study):
    less = copy.deepcopy(study)
    del less["settings"]["depth 4"]["runs"]["bbbc039"]
    explorer = DesignExplorer(less)
    assert list(explorer.table["tasks"]) == ["em", "nuclei"] == list(explorer.table["verdicts"])
    refused(
        lambda: DesignExplorer(less, task="bbbc039"), ValueError, "'em', 'nuclei', not 'bbbc039'"
    )
    for setting in less["settings"].values():
        setting["runs"] = {}
    refused(lambda: DesignExplorer(less), ValueError, "every setting was run on")


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ("design_study.json", TypeError, ["dict", "'design_study.json' (str)", "json.loads"]),
        ({}, ValueError, ["settings, tasks and seeds", "nothing"]),
        ({"runs": {}, "seeds": [0]}, ValueError, ["settings", "runs, seeds"]),
        ({"settings": {}, "tasks": {}, "seeds": [0, 1]}, ValueError, ["three seeds", "not 2"]),
    ],
)
def test_a_study_that_is_none(refused, wrong, error, words):
    refused(lambda: DesignExplorer(wrong), error, *words)
