"""One threshold on a map of probabilities: what it finds, what it misses, and the four scores."""

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.patches import Patch

from unet_lesson import figures
from unet_lesson.widgets.base import Explorer, script
from unet_lesson.widgets.stills import _caption

SIDES = 8, 256  # pixels: smallest and largest side of a picture that is sent to the browser
THRESHOLDS = np.arange(101) / 100
LINES = {  # score: colour, dash, marker, width of its line in the still picture
    "dice": (figures.BLUE, "-", "o", 2.6),
    "iou": (figures.ORANGE, "--", "s", 2.0),
    "precision": (figures.GREEN, "-.", "^", 1.6),
    "recall": (figures.RED, ":", "D", 1.6),
}
WORDS = {"dice": "Dice", "iou": "IoU", "precision": "precision", "recall": "recall"}


def as_array(x):
    """numpy array of an array, a tensor or a list."""
    return np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)


def check_maps(probability, target):
    """Return (probability, target) as arrays, float64 and as it came, or raise."""
    probability, target = as_array(probability), as_array(target)
    if probability.ndim != 2 or probability.shape != target.shape:
        raise ValueError(
            "probability and target must be (H, W) of one size, "
            f"not {probability.shape} and {target.shape}"
        )
    least, most = SIDES
    if min(target.shape) < least or max(target.shape) > most:
        raise ValueError(
            f"the explorer takes sides of {least} to {most} pixels, not {target.shape}; "
            f"try probability[:{most}, :{most}] and target[:{most}, :{most}]"
        )
    if not (probability.min() >= 0 and probability.max() <= 1):  # so NaN is refused too
        raise ValueError(
            f"probability must be from 0 to 1, not {probability.min():g} to "
            f"{probability.max():g}; for an image of 8 bits try image / 255"
        )
    return probability.astype(float), target


def levels(probability):
    """(H, W) -> bytes (H, W): how many of the thresholds 0, 0.01, ..., 1 each value is above.

    So a pixel is foreground at threshold t / 100 if its level is above t, in whole numbers.
    """
    return np.searchsorted(THRESHOLDS, probability).astype(np.uint8)


def scores(probability, target):
    """Pixels and scores at each of the 101 thresholds, as lists.

    hit, missed, false_alarm: pixels. dice, iou, precision, recall: from 0 to 1; precision is None
    where nothing is found, recall where there is nothing to find.
    """
    from unet_lesson.objective import dice, iou

    found = {name: [] for name in ("hit", "missed", "false_alarm", *LINES)}
    for threshold in THRESHOLDS:
        mask = probability > threshold
        found["dice"].append(dice(mask, target))  # refuses a target that is no mask of 0 and 1
        found["iou"].append(iou(mask, target))
        hit, above, true = (int(x.sum()) for x in (mask & (target > 0), mask, target > 0))
        found["hit"].append(hit)
        found["missed"].append(true - hit)
        found["false_alarm"].append(above - hit)
        found["precision"].append(hit / above if above else None)
        found["recall"].append(hit / true if true else None)
    return found


class ThresholdExplorer(Explorer):
    """Slide the threshold; see hits, misses and false alarms, and Dice, IoU, precision, recall.

    probability: (H, W) floats from 0 to 1, numpy or torch: the foreground's probability, or the
    brightness of an image. target: (H, W), bool or 0/1, the truth. Sides of 8 to 256 pixels.
    threshold: in percent, 0 to 100; a pixel counts as foreground above it.

    Raises ValueError for two sizes, another rank or size, values outside 0 to 1 or a target that
    is no mask, and TraitError for a threshold out of range.
    """

    _esm = script("threshold_explorer")
    threshold = traitlets.Int(50, min=0, max=100).tag(sync=True)
    size = traitlets.List().tag(sync=True)  # height and width
    levels = traitlets.Bytes().tag(sync=True)
    target = traitlets.Bytes().tag(sync=True)  # 0 and 1
    grey = traitlets.Bytes().tag(sync=True)  # the probability in grey, as figures.errors draws it
    table = traitlets.Dict().tag(sync=True)

    def __init__(self, probability, target, threshold=50):
        probability, target = check_maps(probability, target)
        table = scores(probability, target)
        self._maps = probability, target > 0
        nothing = np.zeros(target.shape)
        grey = figures.errors(probability, nothing, nothing)[..., 0] * 255
        super().__init__(
            threshold=threshold,
            size=list(target.shape),
            levels=levels(probability).tobytes(),
            target=(target > 0).astype(np.uint8).tobytes(),
            grey=grey.round().astype(np.uint8).tobytes(),
            table=table,
        )

    def facts(self):
        at = {name: values[self.threshold] for name, values in self.table.items()}
        said = (
            f"{word} {'none' if at[name] is None else format(at[name], '.4f')}"
            for name, word in WORDS.items()
        )
        best = int(np.argmax(self.table["dice"]))
        return (
            f"threshold {self.threshold}%: hit {at['hit']}, missed {at['missed']}, "
            f"false alarm {at['false_alarm']} pixels. {', '.join(said)}. "
            f"Best Dice {self.table['dice'][best]:.4f} and best IoU {self.table['iou'][best]:.4f}, "
            f"both at {best}%."
        )

    def picture(self):
        probability, target = self._maps
        figure = plt.figure(figsize=(8, 4.4), facecolor="white")
        left = figure.add_axes((0.02, 0.24, 0.4, 0.66))
        mask = probability > THRESHOLDS[self.threshold]
        left.imshow(figures.errors(probability, mask, target), interpolation="nearest")
        left.set_title(f"above {self.threshold}%", fontsize=11, color=figures.INK)
        left.set_axis_off()
        cases = zip(
            (figures.SKY, figures.ORANGE, figures.PURPLE),
            ("hit", "missed", "false alarm"),
            strict=True,
        )
        style = {"fontsize": 9, "frameon": False, "ncols": 3, "handlelength": 1}
        keys = [Patch(fc=colour, label=word) for colour, word in cases]
        left.legend(handles=keys, loc="upper center", bbox_to_anchor=(0.5, 0.01), **style)
        self._draw_curves(figure.add_axes((0.5, 0.33, 0.47, 0.57)))
        _caption(figure, 0.13, self.facts())
        return figure

    def _draw_curves(self, axes):
        """The four scores against the threshold, a marker on each where the threshold is."""
        axes.axvline(self.threshold, color=figures.INK, lw=1)
        for name, (colour, dash, marker, width) in LINES.items():
            values = [np.nan if value is None else value for value in self.table[name]]
            style = {"color": colour, "ls": dash, "lw": width, "label": WORDS[name]}
            axes.plot(values, marker=marker, markevery=[self.threshold], clip_on=False, **style)
        axes.set(xlim=(0, 100), ylim=(-0.02, 1.02))
        axes.set_xlabel("threshold, %", fontsize=9)
        axes.tick_params(labelsize=9)
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, 1.18),
            fontsize=9,
            ncols=4,
            frameon=False,
            handlelength=2.6,
        )
