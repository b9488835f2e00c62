"""The network from memory: an empty cell, a clock, and a check that says which parts hold."""

from dataclasses import dataclass
from datetime import timedelta

from unet_lesson.practice import progress
from unet_lesson.practice.report import EXERCISES, examine

PARTS = {  # the learner's name: the exercise
    "DoubleConv": "double_conv",
    "ContractingPath": "contracting_path",
    "center_crop": "center_crop",
    "crop_and_concat": "crop_and_concat",
    "UpBlock": "up_block",
    "UNet": "unet",
}
LONGEST = timedelta(hours=4)  # a clock that has run for longer was left behind
SHORTEST = 1  # minute: nobody writes six parts in less

_unsaid = []  # what is wrong with the progress file; told once the learner has written something


@dataclass(frozen=True)
class FromMemory:
    """What `from_memory` found. A cell that ends in it shows nothing beside what it printed.

    reports: {name of the part: Report}. minutes: since `start`, or None without a clock.
    """

    reports: dict
    minutes: float | None

    @property
    def passed(self):
        """Do all six parts hold?"""
        return all(report.passed for report in self.reports.values())

    def _ipython_display_(self):
        pass


def start():
    """Start the clock. One that runs goes on, so a kernel may be restarted meanwhile.

    It stops when `from_memory` finds all parts right, and by itself after four hours.
    """

    runs = []

    def edit(kept):
        runs[:] = [attempt] if (attempt := running(kept["attempts"])) else []
        if not runs:
            kept["attempts"].append({"when": progress.now().isoformat(), "open": True})

    progress.change(edit, _unsaid.append)
    since = f" for {_spell(_minutes(runs[0]))} already" if runs else ""
    print(f"The clock runs{since}. Write the six parts, then let from_memory look at them.")


def running(attempts):
    """The attempt whose clock runs, or None."""
    for attempt in attempts[-1:]:
        began = progress.moment(attempt)
        if attempt.get("open") and timedelta(0) <= progress.now() - began < LONGEST:
            return attempt
    return None


def from_memory(
    DoubleConv=None,
    ContractingPath=None,
    center_crop=None,
    crop_and_concat=None,
    UpBlock=None,
    UNet=None,
):
    """Check the parts of the network one by one, and keep the attempt with its time.

    Each is a class or a function of your own, as the exercise of its name wants it; what is left
    out counts as not attempted. Prints how long it took, what holds and the attempts before.
    """
    given = (DoubleConv, ContractingPath, center_crop, crop_and_concat, UpBlock, UNet)
    reports = {
        name: examine(EXERCISES[exercise], part)
        for (name, exercise), part in zip(PARTS.items(), given, strict=True)
    }
    if not any(report.attempted for report in reports.values()):
        print("not attempted yet")
        return FromMemory(reports, None)
    minutes, attempts = _keep(reports)
    print(*_verdict(reports, minutes), sep="\n")
    for name, report in reports.items():
        told = report.message.partition("\n")[0] if report.passed else report.message
        print(told if report.attempted else f"{name}: {told}")
    for sentence in [*_earlier(attempts), *_unsaid]:
        print(sentence)
    _unsaid.clear()
    return FromMemory(reports, minutes)


def _keep(reports):
    """Write the attempt down -> (minutes since the start or None, all attempts)."""
    kept = []

    def edit(known):
        attempts = known["attempts"]
        attempt = running(attempts)
        minutes = attempt and _minutes(attempt)
        if attempt is None:
            attempts.append(attempt := {"when": progress.now().isoformat()})
        passed = all(report.passed for report in reports.values())
        attempt["parts"] = {name: report.diagnosis for name, report in reports.items()}
        attempt["minutes"] = minutes
        attempt["open"] = minutes is not None and not passed
        kept[:] = minutes, list(attempts)
        if _too_soon(minutes, passed):
            attempts.remove(attempt)

    progress.change(edit, _unsaid.append)
    return kept


def _minutes(attempt):
    """For how many minutes its clock has run."""
    return (progress.now() - progress.moment(attempt)) / timedelta(minutes=1)


def _too_soon(minutes, passed):
    """Were all parts there when the clock started? Running all cells once more does that."""
    return passed and minutes is not None and minutes < SHORTEST


def _verdict(reports, minutes):
    """The sentences in front of the parts."""
    held = sum(report.passed for report in reports.values())
    took = f"after {_spell(minutes)}" if minutes is not None else "(no clock: start() begins one)"
    yield f"{held} of {len(reports)} parts hold, {took}."
    if _too_soon(minutes, held == len(reports)):
        yield "They were there when the clock started, so this is not kept as an attempt."


def _earlier(attempts):
    """The sentences behind the parts: the attempts before this one."""
    earlier = [known for known in attempts[:-1] if "parts" in known]
    if earlier:
        yield "Attempts before this one, the newest first:"
    for attempt in earlier[:-6:-1]:
        yield f"  {_told(attempt)}"


def _told(attempt):
    """One attempt in words: "24 November 2026: 4 of 6 parts, 31 min; UpBlock added"."""
    parts, minutes = attempt["parts"], attempt.get("minutes")
    wrong = [f"{name} {diagnosis}" for name, diagnosis in parts.items() if diagnosis != "passed"]
    text = f"{progress.day(attempt)}: {len(parts) - len(wrong)} of {len(parts)} parts"
    text += f", {_spell(minutes)}" if minutes is not None else ""
    return f"{text}; {', '.join(wrong).replace('_', ' ')}" if wrong else text


def _spell(minutes):
    return f"{round(minutes)} min" if minutes >= 1 else "less than a minute"
