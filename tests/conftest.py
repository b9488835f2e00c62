"""What several test files share: the real network's maps, a check of refusals, real images."""

import os
from datetime import timedelta
from pathlib import Path

import pooch
import pytest
import torch

import unet_lesson
from unet_lesson.practice import memory, progress

PACKAGE = Path(unet_lesson.__file__).parent
CONTAINERS = {
    "Sequential",
    "ModuleList",
    "ExpansivePath",
}  # no row of their own in the blog's table


def run_with_hooks(network, height, width):
    """Run the network once on (1, C, height, width).

    -> [(name, kind, output shape without the batch, own parameters)] in the order of finishing.
    """
    seen = []

    def watch(name, module):
        def hook(module, inputs, output):
            many = isinstance(output, list | tuple)
            shape = tuple(tuple(o.shape[1:]) for o in output) if many else tuple(output.shape[1:])
            own = sum(p.numel() for p in module.parameters(recurse=False))
            seen.append((name, type(module).__name__, shape, own))

        return module.register_forward_hook(hook)

    hooks = [
        watch(name, module)
        for name, module in network.named_modules()
        if name and type(module).__name__ not in CONTAINERS
    ]
    weight = next(network.parameters())
    network(torch.empty(1, weight.shape[1], height, width, device=weight.device))
    for hook in hooks:
        hook.remove()
    return seen


@pytest.fixture(scope="session")
def hooked():
    return run_with_hooks


@pytest.fixture(scope="session")
def refused():
    """A check that a call raises just this error, with these words, and from our own code."""

    def check(call, error, *words):
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        message = str(caught.value)
        assert caught.type is error, message
        assert all(word in message for word in words), message
        assert Path(caught.traceback[-1].path).is_relative_to(PACKAGE), "not from our code"
        return message

    return check


@pytest.fixture(scope="session")
def real_nuclei_folder():
    """A folder with the files of BBBC039 that `nuclei` names; without one, the test says so."""
    lines = (PACKAGE / "data" / "bbbc039.tsv").read_text("utf-8").splitlines()[1:]
    names = [line.split("\t")[1] for line in lines]
    files = [f"images/{name}.tif" for name in names] + [f"masks/{name}.png" for name in names]
    moved = os.environ.get("UNET_LESSON_DATA")
    shared = Path(__file__).parent.parent.parent / "shared" / "data" / "bbbc039"
    for folder in filter(None, (moved, pooch.os_cache("unet_lesson"), shared)):
        if all((Path(folder) / file).is_file() for file in files):
            return Path(folder)
    pytest.skip(
        "the real images are not here, and these tests fetch nothing; to have them: "
        "from unet_lesson.data import nuclei; [nuclei(s) for s in ('train', 'val', 'test')]"
    )


@pytest.fixture
def one_thread():
    """One thread, as child processes have: sums in another order round otherwise.

    Thousands of tiny convolutions are faster so, too: threads wait for each other longer than
    they compute.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Where the test keeps its progress, in a session that has read and said nothing yet."""
    monkeypatch.setenv("UNET_LESSON_PROGRESS", str(tmp_path / "progress.json"))
    for remembered in (progress._known, progress._stuck, memory._unsaid):
        remembered.clear()
    return tmp_path / "progress.json"


@pytest.fixture
def later(monkeypatch):
    """later(minutes=5): moves the clock of the progress on."""
    moment = [progress.now()]
    monkeypatch.setattr(progress, "now", lambda: moment[0])

    def move(**span):
        moment[0] += timedelta(**span)

    return move
