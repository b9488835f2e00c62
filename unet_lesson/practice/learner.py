"""Calling the learner's code and reading what comes back, so that every fault is told as theirs."""

import dis
import re
import sysconfig
import traceback
from functools import partial
from inspect import CO_VARARGS, CO_VARKEYWORDS, isclass, signature, unwrap
from numbers import Real
from pathlib import Path

import numpy as np
import torch
from torch import nn

NOT_THEIRS = (
    "<frozen",
    str(Path(__file__).parents[1]),
    *(sysconfig.get_path(place) for place in ("stdlib", "platstdlib", "purelib", "platlib")),
)


class Wrong(Exception):
    """The first thing that does not hold.

    diagnosis: a short stable key. fails: the smallest example, expected against got.
    likely: the mistake behind it, in the learner's terms. error: the exception of their code.
    """

    def __init__(self, diagnosis, fails, likely="", error=None):
        super().__init__(diagnosis)
        self.diagnosis, self.fails, self.likely, self.error = diagnosis, fails, likely, error


# ---- is there anything to judge? --------------------------------------------------------------


def is_stub(learner):
    """True for None, `...`, and a function or class of which no body does anything yet."""
    learner = learner.func if isinstance(learner, partial) else learner
    if learner is None or learner is Ellipsis:
        return True
    if isclass(learner):
        own = [base for base in learner.__mro__ if _root(base) not in ("torch", "builtins")]
        bodies = [value for base in own for value in vars(base).values() if _code(value)]
        return bool(own) and all(does_nothing(_code(body)) for body in bodies)
    return bool(_code(learner)) and does_nothing(_code(learner))


def _root(cls):
    return cls.__module__.partition(".")[0]


def _code(thing):
    return getattr(unwrap(getattr(thing, "__func__", thing)), "__code__", None)


QUIET = ("RESUME", "NOP", "CACHE", "PUSH_NULL", "COPY_FREE_VARS", "LOAD_", "STORE_FAST", "PRECALL")
QUIET += ("CALL", "POP_TOP", "RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS")
STARTING = {"super", "__init__", "__class__", "nn", "torch", "Module", "NotImplementedError"}


def does_nothing(code):
    """True if a compiled body is only `...`, `pass`, a docstring, None, super().__init__() or
    `raise NotImplementedError`."""
    steps = list(dis.get_instructions(code))
    loads = [(s.opname, s.argval if isinstance(s.argval, tuple) else (s.argval,)) for s in steps]
    constants = [v for op, values in loads if "CONST" in op or "SMALL_INT" in op for v in values]
    locals_read = {v for op, values in loads if "LOAD_FAST" in op for v in values}
    outer = {v for op, values in loads if "DEREF" in op for v in values} - {"__class__"}
    starred = bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)
    arguments = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + starred])
    raises = any(step.opname == "RAISE_VARARGS" for step in steps)
    return (
        all(step.opname.startswith(QUIET) for step in steps)
        and all(c in (None, Ellipsis, NotImplementedError) or raises for c in constants)
        and set(code.co_names) <= STARTING | set(code.co_qualname.split("."))
        and not outer
        and not (locals_read & arguments and "__init__" not in code.co_names)
    )


# ---- calling the learner's code ---------------------------------------------------------------


def call(learner, *args):
    """`learner(*args)`, or Wrong: it raises, returns nothing, or changes its input."""
    before = [_copy(value) for value in args]
    result = run(learner, *args)
    for place, value, was in zip(PLACES, args, before, strict=False):
        if not _same(value, was):
            fails = f"Your code changes its {place} argument: it is another after the call"
            if show(was) != show(value):
                fails += f", {show(was)} before, {show(value)} after"
            likely = (
                "Make a new one: x = x + 1, not x += 1 or x[0] = 1, and no method that changes x."
            )
            raise Wrong("changes_input", f"{fails}.", likely)
    return result


PLACES = ("first", "second", "third", "fourth", "fifth", "sixth")


def run(learner, *args):
    """`learner(*args)`, or Wrong: its signature does not fit, it raises, or returns nothing."""
    _check_signature(learner, args)
    try:
        result = learner(*args)
    except (Exception, SystemExit) as error:
        line = own_line(error)
        if isinstance(error, NotImplementedError):
            raise _unwritten(error, line) from None
        given = f", for {_given(args)}" if args else ""
        fails = f"Your code raises {named(error)}{line}{given}."
        raise Wrong("raises", fails, cause(error), error) from None
    if result is None:
        fails = f"Your code returns nothing (None) for {_given(args)}."
        likely = "A `return` is missing at the end, or is never reached. print only shows."
        raise Wrong("returns_nothing", fails, likely)
    return result


def _given(args):
    """The arguments of a call, in words."""
    return show(args if len(args) > 1 else args[0])


def _check_signature(learner, args):
    target = learner.forward if isinstance(learner, nn.Module) else learner
    try:
        wanted = signature(target)
    except (TypeError, ValueError):
        return  # a built-in function does not tell
    try:
        wanted.bind(*args)
    except TypeError as error:
        several = "s" if len(args) > 1 else ""
        fails = f"It is called with {len(args)} argument{several}, {_given(args)}: {error}."
        likely = "Take the arguments that the exercise names, in that order."
        if isinstance(learner, nn.Module) and len(wanted.parameters) == len(args) - 1:
            likely = "Is `self` the first argument of forward, before the others?"
        raise Wrong("wrong_signature", fails, likely) from None


def _unwritten(error, line):
    """A stub may raise NotImplementedError; torch does so itself where `forward` is missing."""
    last = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][-1].f_code
    if last.co_name == "_forward_unimplemented":
        fails = "Your module has no forward: torch does not know what to do with the input."
        return Wrong("no_forward", fails, "Define forward(self, ...), spelt and indented so.")
    theirs = any("NotImplementedError" in str(step.argval) for step in dis.get_instructions(last))
    key = "not_attempted" if theirs else "raises"
    return Wrong(key, f"Your code raises {named(error)}{line}.", cause(error), error)


CAUSES = {  # part of an error's text: the mistake behind it
    "truth value of an array": "`and`, `or` and `if` want one truth value. For whole arrays: & and "
    "|, with brackets around each comparison.",
    "Boolean value of Tensor": "A tensor of many values stands where one is wanted: in `and` or "
    "`if`, or where a loss is made. It is called afterwards: nn.CrossEntropyLoss()(x, y).",
    "for ^": "The power is **; ^ is something else.",
    "ufunc 'bitwise_xor'": "The power is **; ^ is something else.",
    "converted to Python scalars": "math takes one number at a time. np.exp takes a whole map, and "
    "torch.exp a whole tensor.",
    "remapped": "np.pad takes a pair for each axis, and (0, 0) for one that stays: the channels.",
    "out of bounds for array of dim": "There is no such axis. sum() without one takes all.",
    "weight tensor should be": "torch's weight= has one number for a class. For one for a pixel: "
    "reduction='none', then multiply.",
    "not implemented for 'Long'": "cross_entropy takes the logits first, then the target.",
    "created only for scalar": "backward starts from one number. Take the mean of the loss.",
    "Index tensor must have the same": "gather wants an index of as many axes: target[:, None].",
    "size mismatch (got input": "Logits and target differ in height or width: the logits belong to "
    "the middle of the target.",
    "match target batch_size": "The first axis, the images, is cut. Cut height and width only.",
}


def cause(error):
    """The likely mistake behind an exception that many meet, or ""."""
    return next((likely for part, likely in CAUSES.items() if part in str(error)), "")


def own_line(error):
    """The last of the learner's own lines that an error went through, as text."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(NOT_THEIRS)]
    theirs = [f for f in theirs if f.filename != "<string>"] or theirs  # a dataclass's own code
    if not theirs:
        return ""
    text = f": `{theirs[-1].line}`" if theirs[-1].line else ""
    return f" in line {theirs[-1].lineno} of your code{text}"


def named(error):
    """An exception as one line: its type and its text."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {_plain(text, 300)}" if text else type(error).__name__


# ---- what came, in words ----------------------------------------------------------------------


def show(value):
    """A value in few words: a number as it is, a tensor by its shape."""
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, torch.Size):
        return str(tuple(value))
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, nn.Module | torch.optim.Optimizer):
        kind = "a module" if isinstance(value, nn.Module) else "an optimizer"
        return f"{kind} ({type(value).__name__})"
    if isinstance(value, tuple | list):
        return _show_several(value)
    text = _plain(repr(value), 120)
    return text if isinstance(value, int | float) else f"{text} ({type(value).__name__})"


def _show_several(values):
    """A list by its length and first entry, a tuple in full; both as they are if plain."""
    large = torch.Tensor | np.ndarray | list | nn.Module
    if not any(isinstance(v, large) for v in values):
        more = f" and {len(values) - 8} more" if len(values) > 12 else ""
        return _plain(repr(values[:8] if more else values), 120) + more
    if isinstance(values, tuple) and 1 < len(values) < 7:
        return ", ".join(map(show, values[:-1])) + f" and {show(values[-1])}"
    return f"a {type(values).__name__} of {len(values)}, the first {show(values[0])}"


def _plain(text, most):
    """Without addresses in memory, which differ from run to run, and not too long."""
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", text)
    return text if len(text) <= most else f"{text[:most]} ..."


def number(value, likely="Return one number."):
    """A number out of Python, NumPy or torch, or Wrong("wrong_return")."""
    try:
        if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
            value = value.item()
        if isinstance(value, Real) and not isinstance(value, bool):
            return int(value) if float(value).is_integer() else float(value)
    except OverflowError:
        pass
    raise Wrong("wrong_return", f"A number is wanted, and {show(value)} came.", likely)


def tensor(value):
    """The value, if it is a tensor, or Wrong("wrong_return")."""
    if isinstance(value, torch.Tensor):
        return value
    fails = f"A tensor is wanted, and {show(value)} came."
    raise Wrong("wrong_return", fails, "Return the tensor itself.")


def close(a, b, tolerance=1e-3):
    """Two tensors of one shape whose difference is small beside their values. NaN is not close."""
    if a.shape != b.shape or a.is_complex():
        return False
    a, b = a.detach().double(), b.detach().double()
    return bool((a - b).norm() <= tolerance * b.norm() + 1e-9)


def same(a, b):
    """Two tensors of one dtype, shape and content."""
    return a.dtype == b.dtype and torch.equal(a, b)


def _copy(value):
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    return list(value) if isinstance(value, list) else value


def _same(value, was):
    if isinstance(value, torch.Tensor):
        return same(value, was)
    return np.array_equal(value, was) if isinstance(value, np.ndarray) else value == was
