"""Every wrong solution gets its own diagnosis, and every right one passes, however it is written.

The solutions are in tests/mistakes/NAME.py: WRONG, by the diagnosis they must get, and RIGHT.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from unet_lesson.practice import EXERCISES, check
from unet_lesson.practice.report import examine


def solutions(path):
    """WRONG and RIGHT of one file."""
    spec = spec_from_file_location(f"mistakes_{path.stem}", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WRONG, module.RIGHT


FILES = {p.stem: solutions(p) for p in sorted((Path(__file__).parent / "mistakes").glob("*.py"))}
WRONG = [
    pytest.param(name, key, solution, id=f"{name}-{key}-{number}")
    for name, (wrong, _) in FILES.items()
    for key, group in wrong.items()
    for number, solution in enumerate(group)
]
RIGHT = [
    pytest.param(name, solution, id=f"{name}-{number}")
    for name, (_, right) in FILES.items()
    for number, solution in enumerate(right)
]


def test_every_exercise_has_mistakes():
    assert set(FILES) == set(EXERCISES)
    for wrong, right in FILES.values():
        told = [key for key in wrong if key != "not_attempted"]
        assert sum(len(wrong[key]) for key in told) >= 6 and len(right) >= 3


@pytest.mark.parametrize("name, key, solution", WRONG)
def test_a_wrong_solution_gets_its_own_diagnosis(name, key, solution):
    report = check(name, solution)
    assert (report.diagnosis, report.passed) == (key, False), report.message
    assert report.attempted == (key != "not_attempted")


@pytest.mark.parametrize("name, solution", RIGHT)
def test_a_right_solution_passes(name, solution):
    report = check(name, solution)
    assert report.passed and report.attempted and report.diagnosis == "passed", report.message


# ---- sabotage: without this part of a check the tests above would fail --------------------------

PARTS = [  # exercise, what is switched off, the diagnosis that is then lost
    ("conv_output_size", "_recognise", "padding_once"),
    ("receptive_field", "compare", "stride_forgotten"),
    ("legal_size_above", "compare", "not_strictly_above"),
    ("parameters_of_conv", "compare", "bias_forgotten"),
    ("tile_origins", "misfit", "margin_once"),
    ("tile_origins", "misfit", "gap"),
    ("center_crop", "check_crop_shape", "size_swapped"),
    ("center_crop", "check_place", "corner_crop"),
    ("center_crop", "check_odd", "odd_difference"),
    ("center_crop", "check_gradients", "gradient_stops"),
    ("center_crop", "_same", "changes_input"),
    ("crop_and_concat", "check_join_shape", "concat_batch"),
    ("crop_and_concat", "check_join_values", "skip_first"),
    ("crop_and_concat", "blame_join", "not_cropped"),
    ("crop_and_concat", "check_odd", "odd_difference"),
    ("double_conv", "check_layers", "too_many_convolutions"),
    ("double_conv", "check_shape", "padded"),
    ("double_conv", "check_double", "relu_missing_at_end"),
    ("double_conv", "check_registered", "shared_batch_norm"),
    ("double_conv", "check_gradients", "gradient_stops"),
    ("double_conv", "check_eval", "eval_uses_batch"),
    ("contracting_path", "check_path_layers", "wrong_depth"),
    ("contracting_path", "check_map_shapes", "after_pool"),
    ("contracting_path", "check_path_values", "relu_missing"),
    ("contracting_path", "check_pooling", "average_pooling"),
    ("up_block", "check_up_layers", "other_way_up"),
    ("up_block", "check_up_shape", "padded"),
    ("up_block", "recognise_recipe", "corner_crop"),
    ("up_block", "blame_join", "concat_batch"),
    ("unet", "check_network_layers", "head_missing"),
    ("unet", "check_network_shape", "classes_chosen"),
    ("unet", "recognise_recipe", "softmax_in_head"),
    ("unet", "wrong_level", "skip_of_wrong_level"),
    ("soft_dice", "check_dice", "loss_returned"),
    ("soft_dice", "dice_mistake", "pooled_over_batch"),
    ("soft_dice", "takes_masks", "one_hot_forgotten"),
    ("soft_dice", "check_absent", "classes_from_target"),
    ("soft_dice", "check_empty", "division_by_zero"),
    ("soft_dice", "check_true_gradient", "gradient_stops"),
    ("iou", "check_shapes", "dice_returned"),
    ("iou", "check_dtypes", "overflow"),
    ("iou", "check_no_overlap", "one_empty"),
    ("iou", "check_both_empty", "empty_not_one"),
    ("weighted_cross_entropy", "check_loss", "mean_over_weights"),
    ("weighted_cross_entropy", "check_stable", "log_of_zero"),
    ("weighted_cross_entropy", "check_true_gradient", "gradient_stops"),
    ("border_weight", "check_border", "two_forgotten"),
    ("border_weight", "recognise", "nearest_only"),
    ("training_step", "check_moves", "step_forgotten"),
    ("training_step", "check_losses", "loss_after_step"),
    ("training_step", "check_graph", "keeps_graph"),
    ("training_step", "check_other", "margin_hard_coded"),
    ("predict_by_tiles", "check_tiles", "step_is_output"),
    ("predict_by_tiles", "check_tiles_shape", "batch_axis_left"),
    ("predict_by_tiles", "check_reading", "whole_at_once"),
]
OFF = {  # what a part gives back that finds nothing wrong; the others give None
    "compare": lambda name, *rest: iter(()),
    "_same": lambda *args: True,
    "check_odd": lambda *args: "",
    "recognise_recipe": lambda matches, recipes, mistakes: recipes[0],
    "blame_join": lambda wrong, *args, **kinds: wrong,
    "_recognise": lambda *args: args[-1],
}


@pytest.mark.parametrize("name, part, key", PARTS)
def test_a_part_switched_off_is_noticed(monkeypatch, name, part, key):
    modules = [m for m in sys.modules if m.startswith("unet_lesson.practice.")]
    for module in modules:
        if hasattr(sys.modules[module], part):
            off = OFF.get(part, lambda *args, **kinds: None)
            monkeypatch.setattr(sys.modules[module], part, off)
    solutions = FILES[name][0][key]
    assert any(examine(EXERCISES[name], solution).diagnosis != key for solution in solutions)
