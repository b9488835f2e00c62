"""The exercise on the border term of the paper's weight map."""

import warnings

import numpy as np
import torch

from unet_lesson.practice.learner import Wrong, call, number, show
from unet_lesson.practice.report import exercise


def bell(x, sigma):
    """exp(-x^2 / (2 sigma^2))."""
    return np.exp(-(x**2) / (2 * sigma**2))


MISTAKES = {  # key: (formulas of d1, d2, w0, sigma, likely)
    "squares_added": (
        [lambda a, b, w, s: w * np.exp(-(a**2 + b**2) / (2 * s**2))],
        "You add the squares. The paper squares the sum: (d1 + d2)^2.",
    ),
    "sigma_not_squared": (
        [
            lambda a, b, w, s: w * np.exp(-((a + b) ** 2) / (2 * s)),
            lambda a, b, w, s: w * np.exp(-((a + b) ** 2) / s),
        ],
        "sigma is squared below the line: 2 * sigma ** 2.",
    ),
    "two_forgotten": (
        [lambda a, b, w, s: w * np.exp(-((a + b) ** 2) / s**2)],
        "The 2 below the line is missing: 2 * sigma ** 2.",
    ),
    "two_squared": (
        [lambda a, b, w, s: w * np.exp(-((a + b) ** 2) / (2 * s) ** 2)],
        "The 2 is squared as well. Only sigma is: 2 * sigma ** 2.",
    ),
    "two_above": (
        [lambda a, b, w, s: w * np.exp(-2 * (a + b) ** 2 / s**2)],
        "The 2 stands above the line. It belongs below: / (2 * sigma ** 2).",
    ),
    "brackets_forgotten": (
        [
            lambda a, b, w, s: w * np.exp(-((a + b) ** 2) / 2 * s**2),
            lambda a, b, w, s: w * np.exp(-((a + b) ** 2) * s**2),
        ],
        "x / 2 * sigma ** 2 multiplies by sigma ** 2. Brackets: x / (2 * sigma ** 2).",
    ),
    "sum_not_squared": (
        [
            lambda a, b, w, s: w * np.exp(-(a + b) / (2 * s**2)),
            lambda a, b, w, s: w * np.exp(-(a + b) / (2 * s)),
            lambda a, b, w, s: w * np.exp(-(a + b) / s),
            lambda a, b, w, s: w * np.exp(-(a + b) / s**2),
        ],
        "The sum of the distances is not squared: (d1 + d2) ** 2.",
    ),
    "second_squared_only": (
        [
            lambda a, b, w, s: w * np.exp(-(a + b**2) / (2 * s**2)),
            lambda a, b, w, s: w * np.exp(-a + b**2 / (2 * s**2)),
        ],
        "Only d2 is squared. Brackets: (d1 + d2) ** 2.",
    ),
    "nearest_only": (
        [
            lambda a, b, w, s: w * bell(np.minimum(a, b), s),
            lambda a, b, w, s: w * bell(2 * a, s),
            lambda a, b, w, s: w * bell(a, s),
        ],
        "Only the nearest object counts. Between two objects both do: d1 + d2.",
    ),
    "second_nearest_only": (
        [lambda a, b, w, s: w * bell(np.maximum(a, b), s), lambda a, b, w, s: w * bell(b, s)],
        "Only the second nearest object counts. Both do: d1 + d2.",
    ),
    "distances_averaged": (
        [lambda a, b, w, s: w * bell((a + b) / 2, s)],
        "You take the mean of the two distances. Their sum is meant.",
    ),
    "difference": (
        [lambda a, b, w, s: w * bell(a - b, s)],
        "You take the difference of the two distances. Their sum is meant.",
    ),
    "product": (
        [lambda a, b, w, s: w * np.exp(-a * b / (2 * s**2)), lambda a, b, w, s: w * bell(a * b, s)],
        "You multiply the two distances. Their sum is meant.",
    ),
    "two_terms": (
        [lambda a, b, w, s: w * (bell(a, s) + bell(b, s))],
        "You add a term for each distance. There is one exp, of the sum d1 + d2.",
    ),
    "w0_forgotten": (
        [lambda a, b, w, s: bell(a + b, s)],
        "w0 is missing: the term is w0 where two objects touch, and less elsewhere.",
    ),
    "w0_inside": (
        [
            lambda a, b, w, s: np.exp(-w * (a + b) ** 2 / (2 * s**2)),
            lambda a, b, w, s: np.exp(w - (a + b) ** 2 / (2 * s**2)),
            lambda a, b, w, s: np.exp(w * bell(a + b, s)),
        ],
        "w0 is inside the exp. It stands before it, as a factor.",
    ),
    "w0_added": (
        [lambda a, b, w, s: w + bell(a + b, s)],
        "w0 is added. It is a factor of the exp.",
    ),
    "minus_forgotten": (
        [lambda a, b, w, s: w * np.exp((a + b) ** 2 / (2 * s**2))],
        "The minus is missing, or squared away: the weight must fall with the distance.",
    ),
    "minus_in_front": (
        [lambda a, b, w, s: -w * bell(a + b, s), lambda a, b, w, s: -w / bell(a + b, s)],
        "The minus stands in front of the exp. It belongs to the exponent.",
    ),
    "complement": (
        [lambda a, b, w, s: w * (1 - bell(a + b, s)), lambda a, b, w, s: w - bell(a + b, s)],
        "This is small between objects and large far from them. It must be the other way round.",
    ),
    "class_weight_added": (
        [lambda a, b, w, s: 1 + w * bell(a + b, s), lambda a, b, w, s: (1 + w) * bell(a + b, s)],
        "You add a class weight. Only the second term of equation 2 is asked for.",
    ),
    "normalised": (
        [lambda a, b, w, s: w * bell(a + b, s) / (s * np.sqrt(2 * np.pi))],
        "This is a normal distribution's density. There is no factor but w0.",
    ),
    "exp_closed_early": (
        [lambda a, b, w, s: w * np.exp(-((a + b) ** 2)) / (2 * s**2)],
        "The exp ends before the division. All of (d1 + d2) ** 2 / (2 * sigma ** 2) belongs in it.",
    ),
    "rounded": (
        [lambda a, b, w, s, n=n: np.round(w * bell(a + b, s), n) for n in (0, 1, 2, 3)]
        + [lambda a, b, w, s: np.floor(w * bell(a + b, s))],
        "You round the weight. Give it as it comes.",
    ),
    "exp_forgotten": (
        [
            lambda a, b, w, s: -w * (a + b) ** 2 / (2 * s**2),
            lambda a, b, w, s: w * (a + b) ** 2 / (2 * s**2),
        ],
        "The exp is missing.",
    ),
    "other_base": (
        [
            lambda a, b, w, s: w * 2 ** (-((a + b) ** 2) / (2 * s**2)),
            lambda a, b, w, s: w * 10 ** (-((a + b) ** 2) / (2 * s**2)),
        ],
        "The base is e: exp.",
    ),
    "arguments_swapped": (
        [lambda a, b, w, s: s * bell(a + b, w)],
        "w0 and sigma are swapped: the order is d1, d2, w0, sigma.",
    ),
    "by_heart": (
        [
            lambda a, b, w, s: 10 * bell(a + b, 5),
            lambda a, b, w, s: w * bell(a + b, 5),
            lambda a, b, w, s: 10 * bell(a + b, s),
        ],
        "You take 10 or 5, the paper's numbers, by heart. Use the arguments w0 and sigma.",
    ),
}
SETTINGS = [(3.0, 2.0), (10, 5), (0.5, 1.25)]  # w0, sigma
KINDS = ("plain numbers", "arrays", "tensors")


def distances(sigma):
    """Two maps (4, 6) of distances, d1 <= d2, of the order of sigma; in the first pixel both 0."""
    d1 = np.random.default_rng(0).uniform(0, 1, (4, 6)) * sigma
    d2 = d1 + np.random.default_rng(1).uniform(0.05, 1, (4, 6)) * sigma
    d1[0, 0] = d2[0, 0] = 0
    return d1, d2


@exercise("border_weight(d1, d2, w0, sigma)", "05_data", level=1, minutes=4)
def judge_border_weight(learner):
    """Write the border term of the weight map, the second term of the paper's equation 2.

    w0 exp(-(d1 + d2)^2 / (2 sigma^2)), without w_c, the weight of the class. d1, d2: distances to
    the nearest and the second nearest object, in pixels: numbers, or NumPy arrays or tensors of
    one shape. Your code may take one kind or all. w0: the height. sigma: the width in pixels.
    """
    failed = {}
    for kind in KINDS:
        try:
            got = [values(learner, kind, *setting) for setting in SETTINGS]
        except Wrong as wrong:
            if wrong.diagnosis != "raises":
                raise
            failed[kind] = wrong
            continue
        check_border(got)
        yield f"d1 and d2 as {kind}"
    if len(failed) == len(KINDS):
        raise failed["arrays"]
    if "arrays" in failed:
        yield "your code takes no arrays; np.exp would take a whole map at once"


def values(learner, kind, w0, sigma):
    """The learner's answers for two maps: an array (4, 6)."""
    d1, d2 = distances(sigma)
    if kind == "plain numbers":
        pairs = zip(d1.flatten().tolist(), d2.flatten().tolist(), strict=True)
        return np.array([number(call(learner, *pair, w0, sigma)) for pair in pairs]).reshape(4, 6)
    if kind == "tensors":
        d1, d2 = torch.from_numpy(d1).float(), torch.from_numpy(d2).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy, where it is given tensors
        got = call(learner, d1, d2, w0, sigma)
    if isinstance(got, np.ndarray | torch.Tensor) and got.shape == d1.shape:
        return np.asarray(got.detach() if isinstance(got, torch.Tensor) else got)
    fails = f"For {kind} of shape {tuple(d1.shape)} you return {show(got)}."
    if isinstance(got, list | tuple):
        likely = "np.array makes an array of a list; or write one expression for the whole map."
        raise Wrong("wrong_shape", fails, likely)
    raise Wrong("wrong_shape", fails, "A weight for each pixel is wanted: nothing is summed.")


def check_border(got):
    """Raise Wrong unless the answers for all settings are right."""
    for (w0, sigma), mine in zip(SETTINGS, got, strict=True):
        d1, d2 = distances(sigma)
        right = w0 * bell(d1 + d2, sigma)
        off = ~(np.abs(mine - right) <= 1e-4 * w0)  # NaN too
        if off.any():
            at = tuple(np.argwhere(off)[0])
            fails = (
                f"For d1 {d1[at]:.2f}, d2 {d2[at]:.2f}, w0 {w0} and sigma {sigma} the weight is "
            )
            raise recognise(got, f"{fails}{right[at]:.4f}, and yours is {mine[at]:.4f}.")


def recognise(got, fails):
    """The mistake whose formula gives all the learner's answers."""
    for key, (formulas, likely) in MISTAKES.items():
        for formula in formulas:
            wanted = [formula(*distances(sigma), w0, sigma) for w0, sigma in SETTINGS]
            if all(np.allclose(a, b, 1e-3, 1e-5) for a, b in zip(got, wanted, strict=True)):
                return Wrong(key, fails, likely)
    likely = "Try d1 = d2 = 0, where exp(0) is 1: w0 must come. Then check what is in the exp."
    return Wrong("wrong_value", fails, likely)
