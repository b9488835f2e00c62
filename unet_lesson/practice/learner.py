"""Calling the learner's code and reading what comes back, so that every fault is told as theirs."""

import dis
import re
import sysconfig
import traceback
from inspect import isclass, signature
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
    return getattr(getattr(thing, "__func__", thing), "__code__", None)


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
    arguments = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    raises = any(step.opname == "RAISE_VARARGS" for step in steps)
    return (
        all(step.opname.startswith(QUIET) for step in steps)
        and all(c in (None, Ellipsis, NotImplementedError) or raises for c in constants)
        and set(code.co_names) <= STARTING | set(code.co_qualname.split("."))
        and not (locals_read & arguments and "__init__" not in code.co_names)
    )


# ---- calling the learner's code ---------------------------------------------------------------


def call(learner, *args):
    """`learner(*args)`, or Wrong: it raises, returns nothing, or changes its input."""
    before = [_copy(value) for value in args]
    result = run(learner, *args)
    for value, was in zip(args, before, strict=True):
        if not _same(value, was):
            raise Wrong(
                "changes_input",
                f"Your code changes what it is given ({show(was)} before, {show(value)} after).",
                "Write into a new object: x = x + 1, not x += 1; no pop, no relu_ on an input.",
            )
    return result


def run(learner, *args):
    """`learner(*args)`, or Wrong: its signature does not fit, it raises, or returns nothing."""
    _check_signature(learner, args)
    try:
        result = learner(*args)
    except (Exception, SystemExit) as error:
        line = own_line(error)
        if isinstance(error, NotImplementedError):
            raise _unwritten(error, line) from None
        given = f", for {show(args)}" if args else ""
        fails = f"Your code raises {named(error)}{line}{given}."
        raise Wrong("raises", fails, error=error) from None
    if result is None:
        fails = f"Your code returns nothing (None) for {show(args)}."
        raise Wrong("returns_nothing", fails, "A `return` is missing at the end.")
    return result


def _check_signature(learner, args):
    target = learner.forward if isinstance(learner, nn.Module) else learner
    try:
        wanted = signature(target)
    except (TypeError, ValueError):
        return  # a built-in function does not tell
    try:
        wanted.bind(*args)
    except TypeError as error:
        fails = f"It is called with {len(args)} arguments, {show(args)}: {error}."
        likely = "Take the arguments that the exercise names, in that order."
        raise Wrong("wrong_signature", fails, likely) from None


def _unwritten(error, line):
    """A stub may raise NotImplementedError; torch does so itself where `forward` is missing."""
    last = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][-1].f_code
    if last.co_name == "_forward_unimplemented":
        fails = "Your module has no forward: torch does not know what to do with the input."
        return Wrong("no_forward", fails, "Define forward(self, ...), spelt and indented so.")
    theirs = any("NotImplementedError" in str(step.argval) for step in dis.get_instructions(last))
    key = "not_attempted" if theirs else "raises"
    return Wrong(key, f"Your code raises {named(error)}{line}.", error=error)


def own_line(error):
    """The last of the learner's own lines that an error went through, as text."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(NOT_THEIRS)]
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
    if isinstance(value, tuple | list) and any(isinstance(v, torch.Tensor | list) for v in value):
        words = " and ".join(show(v) for v in value)
        return words if isinstance(value, tuple) else f"a list of {words}"
    text = _plain(repr(value), 120)
    plain = isinstance(value, int | float | tuple | list)
    return text if plain else f"{text} ({type(value).__name__})"


def _plain(text, most):
    """Without addresses in memory, which differ from run to run, and not too long."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)[:most]


def number(value):
    """A number out of Python, NumPy or torch, or Wrong("wrong_return")."""
    try:
        if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
            value = value.item()
        if isinstance(value, Real) and not isinstance(value, bool):
            return int(value) if float(value).is_integer() else float(value)
    except OverflowError:
        pass
    raise Wrong(
        "wrong_return", f"A number is wanted, and {show(value)} came.", "Return one number."
    )


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
