"""Two settings of the design study side by side: sizes, cost, and the scores of three seeds."""

from statistics import mean

import traitlets

from unet_lesson import shapes
from unet_lesson.config import UNetConfig, check_choice
from unet_lesson.widgets import stills_design
from unet_lesson.widgets.base import Explorer, script

SCORES = {  # name in the study: name on the page, whether more is better
    "dice": ("Dice", True),
    "f1": ("object F1", True),
    "border_error": ("error at the border", False),
    "middle_error": ("error in the middle", False),
}
NO_DIFFERENCE = "no difference that three seeds can show"


def verdict(left, right, more_is_better):
    """What the scores of three seeds a side say, in words: nothing, unless their ranges part.

    left, right: three scores each. Two settings that are equally good part like this once in ten
    times: of the 20 ways to deal six scores to two sides, two put all the higher ones on one side.
    """
    if max(left) < min(right):
        higher, lower = "right", "left"
    elif max(right) < min(left):
        higher, lower = "left", "right"
    else:
        return NO_DIFFERENCE
    gap = abs(mean(right) - mean(left))
    by = f"{gap:.3f}" if gap >= 0.0005 else "less than 0.001"
    better = higher if more_is_better else lower
    return f"the ranges of the three seeds do not meet: {better} is better by {by}"


def verdicts(settings, task):
    """{score: {left: {right: words}}} for every pair of settings, on one task."""
    found = {}
    for score, (_, more_is_better) in SCORES.items():
        runs = {name: [run[score] for run in it["runs"][task]] for name, it in settings.items()}
        found[score] = {
            left: {right: verdict(runs[left], runs[right], more_is_better) for right in runs}
            for left in runs
        }
    return found


def drawn_u(setting):
    """The U of one setting, for one tile; all sizes in pixels, along one axis.

    Returns tile, output, bottom [channels, size], and levels: for each, from the top, [channels,
    size in the contracting path, size in the expansive path, what happens to the skip].
    """
    config, variant = UNetConfig(**setting["config"]), setting["variant"]
    sizes = shapes.axis_sizes(config, setting["tile"])
    *skips, bottom = sizes.contracting
    joined = list(zip(reversed(skips), sizes.upsampled, sizes.expansive, strict=True))
    if variant.get("join") == "pad":
        joined = _padded(skips, bottom, lost=setting["tile"] - skips[0])
    levels = [
        [channels, skip, after, _skip_words(skip - up, variant)]
        for channels, (skip, up, after) in zip(config.channels, reversed(joined), strict=False)
    ]
    return {
        "tile": setting["tile"],
        "output": levels[0][2],
        "bottom": [config.channels[-1], bottom],
        "levels": levels,
    }


def _padded(skips, below, lost):
    """(skip, upsampled, after the convolutions) per level, if zeros make up for what is missing."""
    joined = []
    for skip in reversed(skips):
        joined.append((skip, 2 * below, skip - lost))
        below = skip - lost
    return joined


def _skip_words(difference, variant):
    """What is done to a skip that is `difference` pixels larger than the map it meets."""
    if variant.get("skips") == "none":
        return "no skip"
    words = "copy"
    if difference:
        words = {
            "centre": f"crop {difference // 2}",
            "corner": f"crop 0 and {difference}",
            "pad": f"pad {difference // 2}",
        }[variant.get("join", "centre")]
    return words + (", add" if variant.get("skips") == "add" else "")


def measures(setting):
    """{name: (number, text)} of what one setting costs, for one input tile."""
    macs, pixels = setting["macs"], setting["output"] ** 2
    return {
        "parameters": (setting["parameters"], f"{setting['parameters']:,}"),
        "MACs per tile": (macs, f"{macs / 1e6:,.1f} M"),
        "MACs per output pixel": (macs / pixels, f"{macs / pixels:,.0f}"),
        "memory kept per tile": (setting["kept_bytes"], f"{setting['kept_bytes'] / 2**20:.1f} MiB"),
    }


def card(setting, tasks):
    """What the browser shows of one setting; nothing there depends on the other one."""
    u, costs = drawn_u(setting), measures(setting)
    legal = "".join(f"{setting['smallest'] + i * setting['step']}, " for i in range(3)) + "..."
    runs = {
        task: {score: [run[score] for run in setting["runs"][task]] for score in SCORES}
        for task in tasks
    }
    return {
        "group": setting["group"],
        "label": setting["label"],
        "u": u,
        "legal": legal,
        "measures": costs,
        "runs": runs,
        "means": {
            task: {score: f"{mean(values):.3f}" for score, values in scores.items()}
            for task, scores in runs.items()
        },
        "words": f"input {u['tile']}, bottom {u['bottom'][1]}, output {u['output']}; "
        f"legal inputs {legal}; "
        + ", ".join(f"{text} {name}" for name, (_, text) in costs.items()),
    }


class DesignExplorer(Explorer):
    """Two settings of the design study: their U, their legal inputs, their cost, their scores.

    study: the dict that notebooks/design_study.json holds. left, right: names of two of its
    settings, such as "baseline" and "no skips". task: one of its tasks, such as "em"; a task that
    some setting was not run on is left out.
    Sizes in pixels; MACs and memory for one input tile (memory: what autograd keeps in train
    mode); errors as the share of wrong pixels, within 8 px of the image's border (at the border)
    or more than 32 px from it (in the middle).

    Raises ValueError for a name that the study does not have, TypeError if study is no dict.
    """

    _esm = script("design_explorer")
    left = traitlets.Unicode("baseline").tag(sync=True)
    right = traitlets.Unicode("no skips").tag(sync=True)
    task = traitlets.Unicode("em").tag(sync=True)
    table = traitlets.Dict().tag(sync=True)  # tasks, scores, cards, verdicts

    def __init__(self, study, left="baseline", right="no skips", task="em"):
        settings, tasks = _check_study(study)
        self._names = {"left": list(settings), "right": list(settings), "task": list(tasks)}
        table = {
            "tasks": tasks,
            "scores": SCORES,
            "cards": {name: card(setting, tasks) for name, setting in settings.items()},
            "verdicts": {name: verdicts(settings, name) for name in tasks},
        }
        super().__init__(table=table, left=left, right=right, task=task)

    @traitlets.validate("left", "right", "task")
    def _name_exists(self, proposal):
        return check_choice(proposal.trait.name, proposal.value, self._names[proposal.trait.name])

    @property
    def cards(self):
        return self.table["cards"][self.left], self.table["cards"][self.right]

    def verdict(self, score):
        """The words for the two settings shown: `verdict` of one of the four SCORES."""
        return self.table["verdicts"][self.task][score][self.left][self.right]

    def facts(self):
        left, right = self.cards
        scores = (
            f"{words} {left['means'][self.task][score]} and {right['means'][self.task][score]}, "
            f"{self.verdict(score)}"
            for score, (words, _) in SCORES.items()
        )
        return (
            f"Left, {self.left}: {left['words']}. Right, {self.right}: {right['words']}. "
            f"On {self.table['tasks'][self.task]}, means of three seeds: {'; '.join(scores)}."
        )

    def picture(self):
        names, task = (self.left, self.right), self.table["tasks"][self.task]
        scores = [
            (words, [side["runs"][self.task][score] for side in self.cards], self.verdict(score))
            for score, (words, _) in SCORES.items()
        ]
        return stills_design.side_by_side(names, self.cards, task, scores)


def _check_study(study):
    """Return (settings, tasks that all of them were run on), or raise."""
    if not isinstance(study, dict):
        kind = type(study).__name__
        raise TypeError(
            f"study must be a dict, not {study!r} ({kind}); "
            "try json.loads(Path('design_study.json').read_text())"
        )
    if not {"settings", "tasks", "seeds"} <= set(study):
        raise ValueError(
            "study must have settings, tasks and seeds, as design_study.json has them, "
            f"not {', '.join(map(str, study)) or 'nothing'}"
        )
    if len(study["seeds"]) != 3:
        raise ValueError(
            f"study must have three seeds, as our words say, not {len(study['seeds'])}"
        )
    settings = study["settings"]
    tasks = {
        task: words
        for task, words in study["tasks"].items()
        if all(it["runs"].get(task) for it in settings.values())
    }
    if not tasks:
        raise ValueError("study must have a task that every setting was run on, and has none")
    return settings, tasks
