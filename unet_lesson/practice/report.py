"""The engine behind every exercise: call the learner's code, compare, say what went wrong.

An exercise is a generator, its judge. It calls the learner's code through `call`, yields a sentence
for each thing that holds, and raises `Wrong` at the first that does not. `check` does the rest.
"""

import random
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import cleandoc, isclass

import numpy as np
import torch
from torch import nn

from unet_lesson.config import check_choice
from unet_lesson.practice.learner import Wrong, is_stub, named, own_line, show

EXERCISES = {}  # name -> Exercise, filled by the decorator `exercise`


@dataclass(frozen=True)
class Report:
    """What `check` found. A cell that ends in `check(...)` shows nothing beside what it printed.

    attempted: False for an untouched stub. passed: True if all holds.
    diagnosis: a short key that never changes, such as "passed", "not_attempted", "corner_crop".
    message: the text that was printed.
    """

    attempted: bool
    passed: bool
    diagnosis: str
    message: str

    def _ipython_display_(self):
        pass


@dataclass(frozen=True)
class Exercise:
    """One exercise. level: 1 to 3. minutes: about how long it takes. wants: function or class."""

    name: str
    notebook: str
    level: int
    minutes: int
    signature: str
    statement: str
    wants: str
    judge: Callable


def exercise(text, notebook, *, level, minutes, wants="function"):
    """Make the generator below an exercise of signature `text`; its docstring is the statement."""

    def register(judge):
        name = text.partition("(")[0]
        statement = cleandoc(judge.__doc__)
        EXERCISES[name] = Exercise(name, notebook, level, minutes, text, statement, wants, judge)
        return judge

    return register


def check(name, learner):
    """Try the learner's function or class, print what was found and return it as a Report.

    Raises TypeError or ValueError for an unknown exercise; whatever is wrong with `learner` is in
    the report.
    """
    check_choice("name", name, tuple(sorted(EXERCISES)))
    report = examine(EXERCISES[name], learner)
    print(report.message)
    return report


def examine(exercise, learner):
    """Run the judge over the learner's object -> Report."""
    held, wrong = [], None
    try:
        if is_stub(learner):
            raise Wrong("not_attempted", "")
        check_kind(exercise, learner)
        with fresh_state():
            for sentence in exercise.judge(learner):
                held.append(sentence)
    except Wrong as found:
        wrong = found
        if held and found.diagnosis == "not_attempted":  # written in part
            wrong = Wrong("raises", found.fails)
    except KeyboardInterrupt as stop:
        line = own_line(stop) or " before it was through"
        text = f"You stopped the check{line}. Does a loop there never end?"
        raise KeyboardInterrupt(text) from None
    except Exception as error:
        wrong = Wrong(
            "not_understood",
            f"The check could not make sense of what came back: {named(error)}.",
            "Return plain numbers or tensors, as the exercise asks.",
        )
    return _report(exercise, held, wrong)


def _report(exercise, held, wrong):
    if wrong is None:
        lines = [f"{exercise.name}: right.", *(f"  holds: {text}" for text in held)]
        return Report(True, True, "passed", "\n".join(lines))
    if wrong.diagnosis == "not_attempted":
        return Report(False, False, "not_attempted", "not attempted yet")
    lines = [f"{exercise.name}: not right yet.", *(f"  holds: {text}" for text in held)]
    lines.append(f"  fails: {wrong.fails}")
    if wrong.likely:
        lines.append(f"  likely: {wrong.likely}")
    return Report(True, False, wrong.diagnosis, "\n".join(lines))


def check_kind(exercise, learner):
    """Raise Wrong unless a function came, or a class (or a function that builds the module)."""
    name, wants = exercise.name, exercise.wants
    likely = f"Write check({name!r}, your_{wants}), with the {wants} itself, not called."
    if wants == "class" and isinstance(learner, nn.Module):
        kind = type(learner).__name__
        raise Wrong("wrong_kind", f"A class is wanted, and a module made from {kind} came.", likely)
    if not callable(learner) or (wants == "function" and isclass(learner)):
        raise Wrong("wrong_kind", f"A {wants} is wanted, and {show(learner)} came.", likely)


@contextmanager
def fresh_state():
    """The same random numbers at every check, and the reader's own state back afterwards.

    Gradients are on, and a warning from the learner's code stays a warning.
    """
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    torch.default_generator.manual_seed(0)
    try:
        with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("default")
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])
