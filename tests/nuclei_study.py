"""The serious run on BBBC039 and its ablations, three seeds each: `make study`.

Each row is one command, python -m unet_lesson.training; what they print for the test fields goes
into notebooks/nuclei_study.json, which notebook 07 draws. Stopped runs go on where they
were; of runs that are done only the scores are taken again. About an hour on two CPU cores.
"""

import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from skimage.filters import threshold_otsu

from unet_lesson.data import classes, nuclei
from unet_lesson.training import scores

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "notebooks" / "nuclei_study.json"
COMMON = "--data bbbc039 --base-channels 8 --depth 3 --epochs 24"
VARIANTS = {
    "blog preset": "",
    "without border weights": "--w0 0",
    "without skips": "--no-skips",
    "paper preset": "--preset paper",
    "padded preset": "--preset padded",
}
SEEDS = (0, 1, 2)


def train(job):
    """One run in a process of its own -> the metrics of its best epoch on the test fields."""
    name, seed, folder = job
    out = folder / f"{name.replace(' ', '-')}-{seed}"
    command = f"{COMMON} {VARIANTS[name]} --seed {seed} --resume --out {shlex.quote(str(out))}"
    log = folder / f"{out.name}.log"
    print(f"python -m unet_lesson.training {command}  (what it says goes to {log})", flush=True)
    with log.open("a") as file:
        run = [sys.executable, "-m", "unet_lesson.training", *shlex.split(command)]
        one = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(run, check=True, env=one, stdout=file, stderr=file)
    return json.loads((out / "metrics.json").read_text())["test"]


def baselines():
    """What needs no training: Otsu's threshold, and a perfect mask with and without the ridge."""
    test = nuclei("test")
    masks = {
        "Otsu threshold": [image > threshold_otsu(image) for image, _ in test],
        "perfect mask": [labels > 0 for _, labels in test],
        "perfect mask with ridge": [classes(labels) > 0 for _, labels in test],
    }
    return {
        name: summary([scores(mask, labels) for mask, (_, labels) in zip(found, test, strict=True)])
        for name, found in masks.items()
    }


def summary(rows):
    """{score: mean over the rows}"""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(name, seed, folder) for seed in SEEDS for name in VARIANTS]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(train, jobs))
    runs = {name: [] for name in VARIANTS}
    for (name, _, _), metrics in zip(jobs, done, strict=True):
        runs[name].append({score: round(value, 4) for score, value in metrics.items()})
    result = {
        "command": f"python -m unet_lesson.training {COMMON}",
        "options": VARIANTS,
        "seeds": SEEDS,
        "without training": {
            name: {score: round(value, 4) for score, value in row.items()}
            for name, row in baselines().items()
        },
        "runs": runs,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    for name, rows in runs.items():
        print(f"{name:24}", *(f"{score} {mean:.3f}" for score, mean in summary(rows).items()))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/study"))
