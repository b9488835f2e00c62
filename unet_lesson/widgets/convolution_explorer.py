"""A convolution on a grid: point at an output cell and see the input cells it reads."""

from functools import cache
from itertools import product

import traitlets

from unet_lesson.widgets import stills
from unet_lesson.widgets.base import Explorer, script

LIMITS = {"size": (1, 16), "kernel": (1, 7), "stride": (1, 4), "padding": (0, 3)}


def windows(size, kernel, stride, padding):
    """[first, last] input cell that each output cell reads, along one axis.

    Cells below 0 and from `size` on are padding zeros. Empty where the kernel does not fit.
    """
    starts = range(-padding, size + padding - kernel + 1, stride)
    return [[first, first + kernel - 1] for first in starts]


def unread(size, kernel, stride, padding):
    """The input cells along one axis that no output cell reads; empty without an output."""
    seen = windows(size, kernel, stride, padding)
    missed = [i for i in range(size) if not any(first <= i <= last for first, last in seen)]
    return missed if seen else []


def formula(size, kernel, stride, padding):
    """The size formula filled in: "floor((5 + 2*0 - 3) / 1) + 1 = 3"."""
    n = (size + 2 * padding - kernel) // stride + 1
    return f"floor(({size} + 2*{padding} - {kernel}) / {stride}) + 1 = {n}"


def problem(size, kernel, stride, padding):
    """Why this setting has no output, or an empty string."""
    padded = size + 2 * padding
    if kernel <= padded:
        return ""
    return f"The kernel of {kernel} is larger than the padded input of {padded}: no output."


def fixes(size, kernel, stride, padding):
    """The nearest settings that work, each a change of one number: [["kernel", 3], ...]."""
    if not problem(size, kernel, stride, padding):
        return []
    nearest = {
        "kernel": size + 2 * padding,
        "padding": (kernel - size + 1) // 2,
        "size": kernel - 2 * padding,
    }
    return [[name, value] for name, value in nearest.items() if value <= LIMITS[name][1]]


def unread_words(size, kernel, stride, padding):
    """What the stride leaves unread, in a sentence or two."""
    seen = windows(size, kernel, stride, padding)
    missed = unread(size, kernel, stride, padding)
    between = [i for i in missed if i < seen[-1][1]]
    tail = len(missed) - len(between)
    words = []
    if between:
        words.append(f"{_cells(between)} never read: stride {stride} steps over them.")
    if tail:
        last = "row and column are" if tail == 1 else f"{tail} rows and columns are"
        words.append(f"The last {last} never read: one more step of {stride} does not fit.")
    return " ".join(words) or ("Every input cell is read." if seen else "")


def _cells(numbers):
    *most, last = map(str, numbers)
    if not most:
        return f"Row {last} and column {last} are"
    return f"Rows and columns {', '.join(most)} and {last} are"


@cache
def table():
    """Everything the browser looks up, for each setting "size kernel stride padding"."""
    answers = {}
    for setting in product(*(range(low, high + 1) for low, high in LIMITS.values())):
        answers[" ".join(map(str, setting))] = {
            "windows": windows(*setting),
            "unread": unread(*setting),
            "formula": formula(*setting),
            "words": unread_words(*setting),
            "problem": problem(*setting),
            "fixes": fixes(*setting),
        }
    return answers


def _number(name, value):
    low, high = LIMITS[name]
    return traitlets.Int(value, min=low, max=high).tag(sync=True)


class ConvolutionExplorer(Explorer):
    """Slide input size, kernel, stride and padding of a convolution; point at an output cell.

    size: side of the square input, 1 to 16 cells. kernel: 1 to 7. stride: 1 to 4.
    padding: zeros on each side, 0 to 3. row, column: the output cell, counted from 0; the last
    one is shown where the output has fewer. Raises TraitError for a number out of its range;
    a kernel larger than the padded input is shown in red with the nearest settings that work.
    """

    _esm = script("convolution_explorer")
    size = _number("size", 5)
    kernel = _number("kernel", 3)
    stride = _number("stride", 1)
    padding = _number("padding", 0)
    row = traitlets.Int(0, min=0).tag(sync=True)
    column = traitlets.Int(0, min=0).tag(sync=True)
    table = traitlets.Dict().tag(sync=True)
    limits = traitlets.Dict(LIMITS).tag(sync=True)

    def __init__(self, size=5, kernel=3, stride=1, padding=0, row=0, column=0):
        numbers = {"size": size, "kernel": kernel, "stride": stride, "padding": padding}
        super().__init__(**numbers, row=row, column=column, table=table())

    @property
    def setting(self):
        return self.size, self.kernel, self.stride, self.padding

    @property
    def cell(self):
        """(row, column) of the output cell that is shown, or None without an output."""
        n = len(windows(*self.setting))
        return (min(self.row, n - 1), min(self.column, n - 1)) if n else None

    def facts(self):
        size, kernel, stride, padding = self.setting
        start = f"input {size} x {size}, kernel {kernel}, stride {stride}, padding {padding}: "
        if self.cell is None:
            near = ", ".join(f"{name} {value}" for name, value in fixes(*self.setting))
            why = problem(*self.setting).rstrip(".")
            return f"{start}{formula(*self.setting)}. {why}; nearest that work: {near}."
        seen = windows(*self.setting)
        row, column = self.cell
        inside = [sum(0 <= i < size for i in range(a, b + 1)) for a, b in (seen[row], seen[column])]
        zeros = kernel**2 - inside[0] * inside[1]
        return (
            f"{start}output {len(seen)} x {len(seen)}, {formula(*self.setting)}. "
            f"Output cell ({row}, {column}) reads {kernel**2} {_plural('cell', kernel**2)}, "
            f"{zeros} of them padding zeros. {unread_words(*self.setting)}"
        )

    def picture(self):
        return stills.convolution_window(
            self.setting,
            windows(*self.setting),
            self.cell,
            unread(*self.setting),
            self.facts(),
        )


def _plural(word, count):
    return word if count == 1 else f"{word}s"
