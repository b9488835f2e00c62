"""Training: exact resumption, interrupts and kills, checkpoints, processes, the command."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import warnings
from functools import partial
from multiprocessing import get_context
from shutil import copyfile

import numpy as np
import pytest
import torch
import torch.distributed as dist
from skimage import io
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from unet_lesson import UNet, UNetConfig, device
from unet_lesson.data import Tiles, nuclei_like
from unet_lesson.model import UNetWithoutSkips
from unet_lesson.objective import dice, iou, object_scores, objects, weighted_cross_entropy
from unet_lesson.training import (
    best_epoch,
    crop_target,
    evaluate,
    fit,
    load_checkpoint,
    save_checkpoint,
    train_step,
)
from unet_lesson.training.__main__ import load_data, main, parser, prepare

CONFIG = UNetConfig(base_channels=2, depth=1, up="transpose")
CPU = torch.device("cpu")
CHILDREN = get_context("forkserver")  # each starts from a process that has torch loaded
CHILDREN.set_forkserver_preload(["unet_lesson.training.__main__"])


def pairs(count=2, size=64):
    return [nuclei_like(seed, size) for seed in range(count)]


def new_network(config=CONFIG, kind=UNet):
    torch.manual_seed(0)
    return kind(config)


def new_tiles(config=CONFIG, **changes):
    return Tiles(pairs(), config, **{"tile": 32, "per_image": 4} | changes)


def run(out=None, epochs=4, network=None, tiles=None, **changes):
    """A short run -> (network, history)."""
    network, tiles = network or new_network(), tiles or new_tiles()
    given = {"val": pairs(1), "batch_size": 4, "device": "cpu", "out": out} | changes
    return network, fit(network, tiles, epochs=epochs, **given)


def same_weights(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# ---- the target ------------------------------------------------------------------------------


def test_the_target_is_cut_to_the_output_from_the_middle():
    target = torch.arange(2 * 9 * 12).reshape(2, 9, 12)
    assert torch.equal(crop_target(target, (5, 8)), target[:, 2:7, 2:10])
    assert torch.equal(crop_target(target, torch.empty(1, 2, 9, 12).shape[2:]), target)


@pytest.mark.parametrize(
    ("size", "words"),
    [((10, 12), "height 10 is larger"), ((4, 12), "odd, so height 4"), ((9, 13), "width 13 is")],
)
def test_a_target_that_does_not_fit_is_never_resized(size, words):
    with pytest.raises(ValueError, match=words):
        crop_target(torch.zeros(2, 9, 12), size)


# ---- one step, one epoch ---------------------------------------------------------------------


def test_a_step_is_torchs_own_gradient_descent():
    ours, theirs = new_network(), new_network()
    x, target = torch.rand(2, 1, 32, 32), torch.randint(2, (2, 32, 32))
    sgd = partial(torch.optim.SGD, lr=0.1)
    batch = (x, target, torch.ones(2, 32, 32))
    loss = train_step(ours.train(), sgd(ours.parameters()), batch, weighted_cross_entropy, CPU)
    optimizer = sgd(theirs.parameters())
    wanted = cross_entropy(theirs.train()(x), target[:, 8:24, 8:24])
    wanted.backward()
    optimizer.step()
    assert loss == pytest.approx(wanted.item(), rel=1e-5)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_evaluate_is_the_mean_over_images_of_what_one_forward_pass_gives():
    network, fields = new_network().eval(), pairs(3)
    rows = []
    for image, labels in fields:
        mirrored = torch.tensor(np.pad(image, 8, mode="reflect"))[None, None]  # 80 -> 64
        with torch.no_grad():
            mask = network(mirrored)[0].argmax(0) == 1
        found = objects(mask, 20)
        f1 = [object_scores(found, labels, t).f1 for t in (0.5, 0.7)]
        rows.append([dice(mask, labels > 0), iou(mask, labels > 0), *f1])
    assert list(evaluate(network, fields).values()) == pytest.approx(np.mean(rows, 0).tolist())


def test_training_learns():
    network, history = run(epochs=25, learning_rate=2e-2)
    assert [row["epoch"] for row in history] == list(range(1, 26))
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]
    assert best_epoch(history)["dice"] > 0.7
    assert not network.training


def test_skips_carry_nothing_in_the_network_without():
    network = new_network(kind=UNetWithoutSkips).eval()
    x, seen = torch.rand(1, 1, 32, 32), []
    network.expansive.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    y = network(x)
    with_skips = new_network().eval()
    assert y.shape == with_skips(x).shape and not torch.equal(y, with_skips(x))
    assert [bool(maps.any()) for maps in seen[0]] == [False, True]


# ---- resume, interrupt, kill -----------------------------------------------------------------


@pytest.mark.parametrize("kind", [UNet, UNetWithoutSkips])
def test_resumed_training_is_bit_for_bit_the_uninterrupted_one(tmp_path, kind):
    straight, history = run(tmp_path / "a", 4, new_network(kind=kind))
    run(tmp_path / "b", 2, new_network(kind=kind))
    resumed, again = run(tmp_path / "b", 4, kind(CONFIG), resume=True)  # other weights at first
    assert again == history and same_weights(resumed, straight)
    one, two = (load_checkpoint(tmp_path / name / "last.pt") for name in "ab")
    assert same_weights(one.model, two.model) and one.history == two.history == history
    for a, b in zip(one.optimizer["state"].values(), two.optimizer["state"].values(), strict=True):
        assert all(torch.equal(a[key], b[key]) for key in ("step", "exp_avg", "exp_avg_sq"))
    for name in ("best.pt", "history.json"):
        assert (tmp_path / "a" / name).exists() and (tmp_path / "b" / name).exists()
    best = [load_checkpoint(tmp_path / name / "best.pt") for name in "ab"]
    assert best[0].history == best[1].history == history[: best_epoch(history)["epoch"]]
    assert same_weights(best[0].model, best[1].model)


def test_another_seed_is_another_run():
    def weights(seed):
        network = new_network()
        fit(network, new_tiles(seed=seed), epochs=1, batch_size=4, device="cpu")
        return network

    assert same_weights(weights(1), weights(1)) and not same_weights(weights(1), weights(2))


@pytest.mark.parametrize("step", [0, 1, 2, 3, 5, 7])
def test_an_interrupt_keeps_the_whole_epochs_and_the_session(tmp_path, capsys, step):
    """Two steps an epoch: the interrupt comes in step `step` of eight."""
    steps = iter(range(8))

    def loss(*given):
        if next(steps) == step:
            raise KeyboardInterrupt
        return weighted_cross_entropy(*given)

    loss.__name__ = "weighted_cross_entropy"
    network, history = run(tmp_path, 4, loss=loss)
    assert len(history) == step // 2 and not network.training
    assert f"Interrupted: {step // 2} of 4 epochs are whole." in capsys.readouterr().out
    if step // 2:
        assert load_checkpoint(tmp_path / "last.pt").history == history
        resumed, again = run(tmp_path, 4, resume=True)
        straight, wanted = run(epochs=4)
        assert again == wanted and same_weights(resumed, straight)
    assert not list(tmp_path.glob(".*"))


def train_in_child(out, resume):
    torch.set_num_threads(1)
    run(out, 400, resume=resume)


def test_kill_9_at_any_moment_damages_no_checkpoint_and_loses_one_epoch_at_most(
    tmp_path, one_thread
):
    """24 kills; each next process goes on from what the last one left."""
    kills = known = 0
    moments = np.random.default_rng(0).uniform(0.0, 0.15, 24)
    for moment in moments:
        process = CHILDREN.Process(target=train_in_child, args=(tmp_path, known > 0))
        process.start()
        while not (tmp_path / "last.pt").exists() and process.is_alive():
            time.sleep(0.01)
        started = epochs_kept(tmp_path)
        while epochs_kept(tmp_path) == started and process.is_alive():
            time.sleep(0.005)
        time.sleep(moment)
        told = len(json.loads((tmp_path / "history.json").read_text()))
        assert process.is_alive()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += 1
        kept = epochs_kept(tmp_path)
        assert kept >= max(told - 1, known), "more than the epoch in hand was lost"
        load_checkpoint(tmp_path / "best.pt")
        known = kept
    resumed, history = run(tmp_path, known + 2, resume=True)
    straight, wanted = run(epochs=known + 2)
    assert history == wanted and same_weights(resumed, straight)
    print(f"\nkilled {kills} times, {known} epochs kept")


def epochs_kept(folder):
    path = folder / "last.pt"
    return len(load_checkpoint(path).history) if path.exists() else 0


# ---- checkpoints -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    run(folder, 1)
    return folder / "last.pt"


def test_a_checkpoint_is_read_as_data_and_is_ready_for_use(checkpoint):
    content = torch.load(checkpoint, weights_only=True)
    assert content["config"]["up"] == "transpose" and content["skips"] is True
    loaded = load_checkpoint(checkpoint)
    assert not loaded.model.training and loaded.model.config == CONFIG
    assert len(loaded.history) == 1 and loaded.settings["tile"] == 32


def test_truncated_at_any_length_it_is_refused(checkpoint, tmp_path):
    whole, part = checkpoint.read_bytes(), tmp_path / "part.pt"
    for length in np.linspace(0, len(whole) - 1, 25).astype(int):
        part.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"part.pt cannot be read: it is cut off, damaged"):
            load_checkpoint(part)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil was here",)


def change(content, **changes):
    return {**content, **changes}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda content: content["model"], "is no checkpoint of unet_lesson.training"),
        (lambda content: [1, 2], "is no checkpoint of unet_lesson.training"),
        (lambda content: change(content, format="other 1"), "is no checkpoint of unet_lesson"),
        (lambda c: {k: v for k, v in c.items() if k != "history"}, "no whole .*: history missing"),
        (lambda c: change(c, config=c["config"] | {"base_channels": 4}), "weights do not fit"),
        (lambda c: change(c, config=c["config"] | {"depth": 0}), "depth must be 1 or more"),
        (lambda c: change(c, config=c["config"] | {"colour": 1}), "config in it is not one of"),
        (lambda c: change(c, model={}), "weights do not fit the config"),
    ],
)
def test_foreign_and_mismatched_checkpoints_are_refused(checkpoint, tmp_path, spoil, words):
    path = tmp_path / "spoilt.pt"
    torch.save(spoil(torch.load(checkpoint, weights_only=True)), path)
    with pytest.raises(ValueError, match=words):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", b"\x89PNG\r\n\x1a\n" + bytes(99), pickle.dumps(Evil())]
)
def test_other_files_are_refused_and_never_run(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.pt").write_bytes(content)
    with warnings.catch_warnings(), pytest.raises(ValueError, match="cannot be read"):
        warnings.simplefilter("ignore")  # torch remarks on the pickle's age first
        load_checkpoint("file.pt")
    torch.save({"format": Evil()}, "evil.pt")
    with pytest.raises(ValueError, match="cannot be read"):
        load_checkpoint("evil.pt")
    assert not (tmp_path / "evil was here").exists()


def test_a_missing_checkpoint_is_named():
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*nowhere.pt"):
        load_checkpoint("nowhere.pt")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": new_network(kind=UNetWithoutSkips)}, "another network: UNet, UNetConfig"),
        ({"tiles": Tiles(pairs(3)[1:], CONFIG, tile=32, per_image=4)}, "the training images"),
        ({"tiles": new_tiles(seed=1)}, "a run with seed 0, not 1"),
        ({"batch_size": 2}, "a run with batch_size 4, not 2"),
        ({"learning_rate": 0.1}, "a run with learning_rate 0.005, not 0.1"),
        ({"out": None}, "needs `out`"),
    ],
)
def test_another_run_is_not_resumed(checkpoint, changes, words):
    with pytest.raises(ValueError, match=words):
        run(**{"out": checkpoint.parent, "epochs": 2, "resume": True} | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 0}, "epochs must be 1"),
        ({"batch_size": 9}, "at most the 8"),
        ({"batch_size": 0}, "batch_size must be 1"),
        ({"network": new_network(UNetConfig(base_channels=4, depth=1))}, "tiles were cut for"),
        ({"learning_rate": 1e30}, "the loss is .*: try a tenth of the learning rate"),
    ],
)
def test_fit_refuses(changes, words):
    with pytest.raises(ValueError, match=words):
        run(**changes)


def test_fit_refuses_a_folder_that_holds_a_run_and_what_is_no_unet(checkpoint):
    before = checkpoint.read_bytes()
    with pytest.raises(ValueError, match="holds a run already"):
        run(checkpoint.parent, 1)
    assert checkpoint.read_bytes() == before
    with pytest.raises(TypeError, match="a unet_lesson UNet, not a Conv2d"):
        run(network=torch.nn.Conv2d(1, 2, 3))
    with pytest.raises(ValueError, match="no image to evaluate on"):
        evaluate(new_network(), [])


def test_numpy_numbers_as_settings_leave_a_checkpoint_that_can_be_read(tmp_path):
    tiles = new_tiles(seed=np.arange(3)[1], w0=np.float32(5), augmentation=np.float64(0.5))
    given = {"batch_size": np.int64(4), "learning_rate": np.logspace(-3, -2, 2)[0]}
    fit(new_network(), tiles, epochs=1, device="cpu", out=tmp_path, **given)
    settings = load_checkpoint(tmp_path / "last.pt").settings
    assert settings["seed"] == 1 and settings["w0"] == 5 and settings["learning_rate"] == 1e-3


def test_a_failed_write_leaves_the_old_checkpoint(checkpoint, monkeypatch):
    before = checkpoint.read_bytes()
    loaded = load_checkpoint(checkpoint)
    optimizer = torch.optim.Adam(loaded.model.parameters())
    monkeypatch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(checkpoint, loaded.model, optimizer, [], {})
    assert checkpoint.read_bytes() == before


# ---- several processes -----------------------------------------------------------------------

PAPER = UNetConfig.paper(base_channels=2, depth=1)  # no BatchNorm


def gradients(network, batch, config=PAPER):
    """What one step on a batch leaves in .grad; the optimiser changes nothing."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    train_step(network.train(), optimizer, batch, weighted_cross_entropy, CPU)
    return [parameter.grad.clone() for parameter in network.parameters()]


def batch_of(numbers, config):
    tiles = new_tiles(config)
    return [torch.stack(parts) for parts in zip(*(tiles[i] for i in numbers), strict=True)]


def half_a_batch(rank, folder, config):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    network = DistributedDataParallel(new_network(config))
    found = gradients(network, batch_of([0, 1] if rank == 0 else [2, 3], config))
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize(("config", "alike"), [(PAPER, True), (CONFIG, False)])
def test_two_processes_with_half_the_batch_give_the_gradients_of_one(tmp_path, config, alike):
    """Without BatchNorm. With it each process takes the statistics of its own half: not alike."""
    given = [(rank, tmp_path, config) for rank in (0, 1)]
    processes = [CHILDREN.Process(target=half_a_batch, args=each) for each in given]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    halves = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    whole = gradients(new_network(config), batch_of([0, 1, 2, 3], config))
    largest = max(g.abs().max() for g in whole)
    for rank in (0, 1):
        off = max((a - b).abs().max() for a, b in zip(halves[rank], whole, strict=True)) / largest
        assert (off < 1e-5) == alike, off


# ---- the command -----------------------------------------------------------------------------

SMALL = ["--base-channels", "2", "--depth", "1", "--batch-size", "4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five small images with masks, as a user keeps them."""
    root = tmp_path_factory.mktemp("mine")
    for name in ("images", "masks"):
        (root / name).mkdir()
    for seed in range(5):
        image, labels = nuclei_like(seed, 96)
        io.imsave(root / "images" / f"{seed}.png", (255 * image).round().astype(np.uint8))
        masks = labels.astype(np.uint16)
        io.imsave(root / "masks" / f"{seed}.png", masks, check_contrast=False)
    return root


def test_a_run_from_the_terminal_stopped_and_resumed(folder, tmp_path, capsys):
    def command(out, epochs, *more):
        given = ["--data", str(folder), "--out", str(tmp_path / out), "--epochs", str(epochs)]
        main([*given, *SMALL, *more])

    command("a", 3)
    command("b", 1, "--resume")
    assert "holds no whole epoch yet" in capsys.readouterr().out
    command("b", 3, "--resume")
    for name in ("last.pt", "best.pt", "history.json", "metrics.json", "samples/0.png"):
        assert (tmp_path / "a" / name).exists()
    for name in ("history.json", "metrics.json"):
        assert (tmp_path / "a" / name).read_text() == (tmp_path / "b" / name).read_text()
    a, b = (load_checkpoint(tmp_path / name / "last.pt").model for name in "ab")
    assert same_weights(a, b)
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert set(metrics["test"]) == {"dice", "iou", "f1_50", "f1_70"}
    with pytest.raises(SystemExit) as stop:
        command("a", 3)
    assert stop.value.code == 2
    assert "holds a run already: give --resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--data", "nucleii"], "must be bbbc039, em, nuclei or a folder, not 'nucleii'"),
        (["--data", "em", "--seed", "-1"], "--seed must be 0 or more"),
        (["--data", "em", "--depth", "0"], "depth must be 1 or more"),
        (["--data", "em", "--preset", "best"], "invalid choice: 'best'"),
        (["--data", "em", "--batch-size", "0", *SMALL[:4]], "--batch-size must be 1"),
    ],
)
def test_the_command_refuses_in_one_sentence(tmp_path, capsys, monkeypatch, options, words):
    small = {"train": pairs(2, 96), "val": pairs(1, 96), "test": pairs(1, 96)}
    if options[1] == "em":
        monkeypatch.setattr("unet_lesson.training.__main__.load_data", lambda name: small)
    with pytest.raises(SystemExit) as stop:
        main([*options, "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert re.search(words, told) and "Traceback" not in told


def test_torchrun_runs_it_in_two_processes(folder, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["-m", "unet_lesson.training", "--data", str(folder), "--preset", "paper"]
    command += [*SMALL, "--epochs", "2", "--out", str(tmp_path / "two")]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=quiet, timeout=120)
    assert done.returncode == 0, done.stderr
    history = json.loads((tmp_path / "two" / "history.json").read_text())
    assert [row["epoch"] for row in history] == [1, 2] and "f1_50" in history[-1]
    assert (tmp_path / "two" / "metrics.json").exists()
    assert done.stderr.count("| 0/12 [") == 1, "only one process shows its progress"


def test_the_default_device_is_the_one_the_lesson_names():
    network = new_network()
    fit(network, new_tiles(), epochs=1, batch_size=4)
    assert next(network.parameters()).device.type == device().type


def test_a_folder_with_its_own_sides_is_taken_as_it_is(folder, tmp_path):
    for side, numbers in (("train", "01"), ("val", "2"), ("test", "34")):
        for kind in ("images", "masks"):
            (tmp_path / side / kind).mkdir(parents=True)
            for number in numbers:
                copyfile(folder / kind / f"{number}.png", tmp_path / side / kind / f"{number}.png")
    sides = load_data(str(tmp_path))
    assert {side: sides[side].names for side in sides} == {
        "train": ["0", "1"],
        "val": ["2"],
        "test": ["3", "4"],
    }


@pytest.mark.parametrize(("depth", "least"), [(1, 200), (4, 100), (5, 90), (6, 60)])
def test_a_deep_network_gets_a_tile_with_a_useful_output(depth, least):
    image, labels = nuclei_like(0, 256)
    wide = np.tile(image, (4, 4)), np.tile(labels, (4, 4))
    command = ["--data", "em", "--out", "x", "--base-channels", "1", "--depth", str(depth)]
    network, tiles = prepare(parser().parse_args(command), [wide])
    assert tiles.inside >= least and tiles.config == network.config
