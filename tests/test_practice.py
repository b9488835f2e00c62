"""The engine: what counts as a stub, how errors are told, and that a check leaves no trace."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import unet_lesson
from unet_lesson import DoubleConv, UNet, UNetConfig
from unet_lesson.practice import EXERCISES, check
from unet_lesson.practice.learner import Wrong, call, close, is_stub, number
from unet_lesson.practice.report import Report, examine

ROOT = Path(__file__).parent.parent


def size(n, kernel, padding, stride):
    return (n + 2 * padding - kernel) // stride + 1


# ---- stubs ------------------------------------------------------------------------------------


def only_docstring(n, kernel, padding, stride):
    """To be written."""


def passes(n, kernel, padding, stride):
    pass


def returns_none(n, kernel, padding, stride):
    answer = None  # your code here
    return answer


def not_implemented(n, kernel, padding, stride):
    raise NotImplementedError("write me")


class Empty(nn.Module):
    """To be written."""


class Started(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        ...

    def forward(self, x): ...


class StartedLongHand(nn.Module):
    def __init__(self, in_channels, out_channels):
        super(StartedLongHand, self).__init__()  # noqa: UP008

    def forward(self, x):
        raise NotImplementedError


class StartedByName(nn.Module):
    def __init__(self, in_channels, out_channels):
        nn.Module.__init__(self)

    def forward(self, x):
        return None


class Half(nn.Module):
    """Layers, and forward as it was shipped."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3)

    def forward(self, x): ...


class NoForward(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3)


STUBS = [None, ..., only_docstring, passes, returns_none, lambda *a: None, lambda n, k, p, s: ...]


@pytest.mark.parametrize("stub", [*STUBS, not_implemented])
def test_a_stub_function_is_not_attempted(stub, capsys):
    report = check("conv_output_size", stub)
    assert report == Report(False, False, "not_attempted", "not attempted yet")
    assert capsys.readouterr().out == "not attempted yet\n"


@pytest.mark.parametrize("stub", [None, ..., Empty, Started, StartedLongHand, StartedByName])
def test_a_stub_class_is_not_attempted(stub):
    for name in ("double_conv", "contracting_path", "up_block", "unet"):
        assert check(name, stub).diagnosis == "not_attempted"


@pytest.mark.parametrize(
    "thing",
    [
        lambda x: x,
        lambda x: 0,
        lambda x: print(x),
        lambda x: [],
        lambda x: x and None,
        lambda x: x.clear(),
        nn.Identity,
        unet_lesson.DoubleConv,
        type("Inherits", (unet_lesson.DoubleConv,), {}),
        Half,
        NoForward,
        0,
        "",
        [],
        nn.ReLU(),
    ],
)
def test_what_does_something_is_no_stub(thing):
    assert not is_stub(thing)


def test_what_is_half_written_is_attempted():
    for learner, key in ((Half, "returns_nothing"), (NoForward, "no_forward")):
        report = check("double_conv", learner)
        assert (report.attempted, report.diagnosis) == (True, key)

    def plain_only(n, kernel, padding, stride):
        if padding:
            raise NotImplementedError
        return size(n, kernel, padding, stride)

    assert check("conv_output_size", plain_only).diagnosis == "raises"


# ---- how errors are told ----------------------------------------------------------------------


def helper(n):
    return n / 0  # line of the helper


def fails_below(n, kernel, padding, stride):
    return helper(n)


def test_an_exception_is_told_with_the_learners_line():
    message = check("conv_output_size", fails_below).message
    line = helper.__code__.co_firstlineno + 1
    text = "`return n / 0  # line of the helper`"
    assert f"ZeroDivisionError: division by zero in line {line} of your code: {text}" in message
    assert "Traceback" not in message and "practice" not in message and "/" not in message[:40]


class DeepInTorch(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels + 1, out_channels, 3)

    def forward(self, x):
        return self.conv(x)


def test_an_exception_from_inside_torch_or_the_package_has_the_learners_line():
    def crop(x, size):
        return unet_lesson.center_crop(x, (0, 0))

    message = check("center_crop", crop).message
    assert "ValueError" in message and "`return unet_lesson.center_crop(x, (0, 0))`" in message
    lazy = type("Lazy", (DeepInTorch,), {})
    with pytest.raises(Wrong, match="raises") as caught:
        call(lazy(3, 4), torch.zeros(1, 3, 8, 8))
    assert "`return self.conv(x)`" in caught.value.fails


def test_the_line_is_the_learner_s_and_not_one_that_a_dataclass_wrote():
    class Mine(UNet):
        def __init__(self, *args):
            super().__init__(UNetConfig(depth=0))

    message = check("unet", Mine).message
    assert "depth must be 1 or more" in message and "`super().__init__(UNetConfig(" in message


def test_code_without_a_file_is_told_by_its_line_number():
    names = {}
    exec("def size(n, kernel, padding, stride):\n\n    return n.missing", names)
    message = check("conv_output_size", names["size"]).message
    assert (
        "AttributeError: 'int' object has no attribute 'missing' in line 3 of your cod" in message
    )


def test_leaving_is_an_error_and_an_interrupt_is_not():
    def leaves(*args):
        sys.exit(3)

    def interrupted(*args):
        raise KeyboardInterrupt

    assert "SystemExit: 3" in check("conv_output_size", leaves).message

    class Leaves(DoubleConv):
        def forward(self, x):
            sys.exit(3)

    assert "SystemExit: 3" in check("double_conv", Leaves).message
    with pytest.raises(KeyboardInterrupt):
        check("conv_output_size", interrupted)


def test_no_address_in_memory_is_printed():
    class Odd:
        pass

    for learner in (lambda *a: Odd(), lambda *a: len, Odd(), object()):
        assert "0x" not in check("conv_output_size", learner).message
    assert "0x" not in check("double_conv", lambda a, b: Odd()).message


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'double_conv'"):
        check("doubleconv", None)
    with pytest.raises(TypeError, match=r"name must be one of 'border_weight', .*, not 5"):
        check(5, None)


def test_the_message_says_what_holds_what_fails_and_why():
    message = check("center_crop", lambda x, size: x[:, :, : size[0], : size[1]]).message
    assert message == (
        "center_crop: not right yet.\n"
        "  fails: Out of 12 x 16 you keep rows 0 to 7 and columns 0 to 9; the middle is rows 2 to "
        "9 and columns 3 to 12.\n"
        "  likely: You cut the top left corner. Start at half of the difference."
    )
    message = check("conv_output_size", lambda n, k, p, s: (n + p - k) // s + 1).message
    assert message.startswith(
        "conv_output_size: not right yet.\n  holds: without padding, step 1\n"
    )
    assert "  fails: conv_output_size(5, 3, 1, 1) is 5, and yours gives 4.\n" in message
    message = check("conv_output_size", size).message
    assert message.startswith("conv_output_size: right.\n  holds: ")


# ---- a check leaves no trace ------------------------------------------------------------------


def test_random_states_come_back_and_the_judgement_is_the_same():
    class Draws(unet_lesson.DoubleConv):
        def forward(self, x):
            np.random.rand(), torch.rand(3)
            return super().forward(x)

    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = check("double_conv", Draws)
    torch.manual_seed(6)
    second = check("double_conv", Draws)
    torch.manual_seed(5)
    assert first == second and first.passed
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


def test_gradients_may_be_off_outside():
    with torch.no_grad():
        assert check("double_conv", unet_lesson.DoubleConv).passed
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        assert check("up_block", unet_lesson.UpBlock).passed


def test_a_warning_of_the_learner_is_no_error():
    def warns(*args):
        warnings.warn("take care", stacklevel=1)
        return size(*args)

    with pytest.warns(UserWarning, match="take care"):
        assert check("conv_output_size", warns).passed


def test_the_learners_prints_stay(capsys):
    check("conv_output_size", lambda *args: print("seen") or size(*args))
    assert "seen\n" in capsys.readouterr().out


def test_nothing_is_shown_beside_the_print():
    report = check("conv_output_size", size)
    assert report._ipython_display_() is None  # IPython then shows nothing
    with pytest.raises(AttributeError):
        report.passed = False


def test_the_learners_list_is_not_changed_between_calls():
    given_lists = []

    def keeps(layers):
        given_lists.append(layers)
        field = jump = 1
        for kernel, stride in layers:
            field, jump = field + (kernel - 1) * jump, jump * stride
        return field

    assert check("receptive_field", keeps).passed
    assert len({id(layers) for layers in given_lists}) == len(given_lists)


# ---- whatever comes back ----------------------------------------------------------------------

THINGS = [
    *(float("nan"), float("inf"), -1, 10**400, 1j, True, "570", b"", object(), print, nn.ReLU),
    *([], {}, set(), (), [None], [[1]], (1, 2), np.zeros(0), np.ones((2, 2)), np.bool_(True)),
    *(np.array("x"), np.array(None), torch.zeros(()), torch.zeros(0), torch.zeros(2, 3, 4, 6)),
    *(torch.zeros(2, 3, 8, 10, dtype=torch.cfloat), torch.full((2, 3, 8, 10), float("nan"))),
    *(torch.zeros(1, 4, 8, 11, dtype=torch.bool), torch.zeros(2, 6, 8, 10, 1), range(3), ...),
    *(
        torch.empty(2, 4, 8, 10, device="meta"),
        torch.eye(3).to_sparse(),
        nn.Parameter(torch.ones(3)),
    ),
]
FUNCTIONS = [name for name, exercise in EXERCISES.items() if exercise.wants == "function"]
CLASSES = [name for name, exercise in EXERCISES.items() if exercise.wants == "class"]


@pytest.mark.parametrize("thing", THINGS, ids=range(len(THINGS)))
def test_no_check_raises_whatever_comes_back(thing):
    class Gives(unet_lesson.DoubleConv):
        def __init__(self, *settings):
            super().__init__(settings[0], settings[-1])

        def forward(self, *args):
            return thing

    for name in FUNCTIONS:
        report = check(name, lambda *args: [thing][0])
        assert report.attempted and not report.passed, (name, thing)
    for name in CLASSES:
        for learner in (Gives, lambda *args: [thing][0]):
            report = check(name, learner)
            assert report.attempted and not report.passed, (name, thing)
    for name in EXERCISES:
        if thing is not ...:
            assert not check(name, thing).passed


@settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(st.integers(-5, 700), st.floats(), st.none(), st.text()), max_size=9))
def test_no_list_of_anything_raises(values):
    answer = iter(values * 100)
    for name in ("tile_origins", "receptive_field", "legal_size_above"):
        assert not check(name, lambda *args: [*values, -3]).passed
        assert not check(name, lambda *args: next(answer, None)).passed


# ---- the helpers, and the list of exercises -----------------------------------------------------


@pytest.mark.parametrize(
    "value", [3, 3.0, np.int32(3), np.float64(3), np.array(3), torch.tensor(3), torch.tensor(3.0)]
)
def test_a_number_may_be_of_any_kind(value):
    assert number(value) == 3 and isinstance(number(value), int)


def test_close_is_about_the_shape_and_the_size_of_the_difference():
    a = torch.rand(3, 4)
    assert close(a, a.double() * 1.0001) and not close(a, 1.1 * a) and not close(a, a[:2])
    assert not close(a * float("nan"), a) and not close(a, torch.zeros(3, 4))


def test_every_exercise_is_described():
    for name, exercise in EXERCISES.items():
        assert exercise.name == name and exercise.signature.startswith(f"{name}(")
        assert exercise.level in (1, 2, 3) and 1 <= exercise.minutes <= 60
        assert (ROOT / "notebooks" / f"{exercise.notebook}.ipynb").exists()
        assert exercise.statement.endswith(".") and len(exercise.statement) > 60
        assert examine(exercise, None).message == "not attempted yet"


def test_the_package_stays_light():
    code = "import sys, unet_lesson; print([m for m in sys.modules if 'practice' in m])"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n"
