"""A run as a whole: it learns, stops and goes on to the same last bit, and loses nothing."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import smallest
import torch
from clips import make_clips
from torch._dynamo.backends import debugging as backends

from seesay.base.errors import DataError, TrainingError, UsageError
from seesay.training import loop
from seesay.training.checkpoint import Checkpoints
from seesay.training.config import (
    DataConfig,
    ModelConfig,
    OptimConfig,
    SaveConfig,
    TrainConfig,
    from_json,
    override,
    to_json,
)
from seesay.training.loop import train
from seesay.training.monitor import read_log
from seesay.training.recipes import RECIPES, find_recipe, shrink
from seesay.training.state import State


@pytest.fixture
def pairs(pair_folder):
    return pair_folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Tracing takes seconds and is tested elsewhere, and so is what a real model learns."""
    monkeypatch.setattr("seesay.training.trainee.export", lambda folder: None)
    monkeypatch.setattr("seesay.training.trainee.export_temporal", lambda bundle: None)
    monkeypatch.setattr("seesay.training.trainee.TINY", {})
    smallest.use()


def config_of(pairs, **changes):
    base = TrainConfig(
        model=ModelConfig(variant="tiny", patch_dropout=0.25),
        data=DataConfig(sources=(pairs,), threads=2),
        optim=OptimConfig(lr=3e-4, warmup_steps=2),
        save=SaveConfig(every_steps=7),
        steps=20,
        batch_size=4,
        log_every=1,
        is_trial=True,  # parts of fine-tuning on fresh weights
    )
    return dataclasses.replace(base, **changes)


def last(run):
    return Checkpoints(run / "checkpoints").read()


def assert_same(one, other, where=""):
    """Two checkpoints, to the last bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for name in one:
            assert_same(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{where}[{place}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where


TESTS = str(Path(smallest.__file__).parent)
SCRIPT = """
    import os, signal, sys
    import smallest
    smallest.use()
    from pathlib import Path
    from seesay.training import loop
    from seesay.training.config import from_json
    run = Path(sys.argv[1])
    one_step, config = loop._Run._one_step, from_json(Path(sys.argv[2]).read_text())
    def counted(self, *given):
        one_step(self, *given)
        if self.state.step == int(sys.argv[3]):
            os.kill(os.getpid(), getattr(signal, sys.argv[4]))
    loop._Run._one_step = counted
    loop.write_trainee = lambda trainee, folder: None
    loop.train(config, run)
"""


def run_until(signal_name, step, config, run, tmp_path):
    (tmp_path / "wanted.json").write_text(to_json(config))
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(SCRIPT),
        str(run),
        str(tmp_path / "wanted.json"),
        str(step),
        signal_name,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, env={**os.environ, "PYTHONPATH": TESTS})


def test_killed_and_gone_on_it_is_the_same_to_the_last_bit(pairs, tmp_path):
    config = config_of(pairs)
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    train(config, straight)
    done = run_until("SIGKILL", 9, config, killed, tmp_path)  # two steps behind the checkpoint of step 7
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert Checkpoints(killed / "checkpoints").steps() == [7]
    train(config, killed)
    assert_same(last(straight), last(killed))


def test_sigterm_saves_and_ends_well(pairs, tmp_path):
    config, run = config_of(pairs), tmp_path / "run"
    done = run_until("SIGTERM", 5, config, run, tmp_path)
    assert done.returncode == 0, done.stderr
    assert Checkpoints(run / "checkpoints").steps() == [5]


def test_it_learns_and_says_so(pairs, tmp_path):
    config = config_of(
        pairs, steps=60, batch_size=8, optim=OptimConfig(lr=1e-3, warmup_steps=5), save=SaveConfig(every_steps=100)
    )
    config = dataclasses.replace(config, loss="matching", data=dataclasses.replace(config.data, captions="all"))
    shown = []
    bundle = train(config, tmp_path / "run", show=shown.append)
    losses = [line["loss"] for line in read_log(tmp_path / "run")]
    assert len(losses) == 60
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:5])
    assert bundle.folder == tmp_path / "run" / "model"
    assert "step 60/60  loss" in shown[-1]
    assert "left" in shown[-2]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_takes_two_steps(name, pairs, class_folder, tmp_path):
    config = shrink(find_recipe(name))
    source = class_folder if config.data.hold_out else pairs
    source = make_clips(tmp_path / "clips") if config.model.video.num_frames else source
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, sources=(source,)))
    assert from_json(to_json(config)) == config
    assert train(config, tmp_path / "run").name.startswith("tiny")
    assert len(read_log(tmp_path / "run")) == 2


@pytest.mark.parametrize(
    "setting",
    [
        "optim.ema=0.9",
        "optim.name=muon",
        "model.recompute=true",
        "model.lora_rank=2",
        "model.lock_image=true",
        "wise=0.5",
        "precision=bfloat16",
        "micro_batch=2",
        "optim.layer_decay=0.7",
        "loss=sigmoid",
    ],
)
def test_every_part_goes_on_to_the_same_bit(setting, pairs, tmp_path, monkeypatch):
    config = override(config_of(pairs, steps=4, save=SaveConfig(every_steps=2)), [setting])
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    train(config, straight)
    one_step = loop._Run._one_step

    def counted(self, *given):
        one_step(self, *given)
        if self.state.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop._Run, "_one_step", counted)
    assert train(config, stopped) is None
    monkeypatch.setattr(loop._Run, "_one_step", one_step)
    train(config, stopped)
    assert_same(last(straight), last(stopped))


def test_recomputing_changes_no_number(pairs, tmp_path):
    for name, recompute in (("plain", "false"), ("again", "true")):
        train(override(config_of(pairs, steps=2), [f"model.recompute={recompute}"]), tmp_path / name)
    assert_same(last(tmp_path / "plain"), last(tmp_path / "again"))


def test_compiling_changes_no_number_and_one_graph_serves_all_lengths(pairs, tmp_path, monkeypatch):
    """Graphs are captured and differentiated as with the real compiler, which takes a minute for its kernels."""
    compile_, graphs = torch.compile, []

    def capture(graph, inputs):
        graphs.append(graph)
        return backends.aot_eager(graph, inputs)

    folder = shutil.copytree(pairs, tmp_path / "pairs")
    for number in range(24):  # batches whose longest text differs
        (folder / f"{number:02}.txt").write_text("red " * (1 + number % 12))
    config = override(config_of(str(folder), steps=4), ["batch_size=2", "model.patch_dropout=0"])
    train(config, tmp_path / "plain")
    monkeypatch.setattr(torch, "compile", lambda model: compile_(model, backend=capture))
    train(override(config, ["model.compile=true"]), tmp_path / "compiled")
    plain, compiled = ([line["loss"] for line in read_log(tmp_path / name)] for name in ("plain", "compiled"))
    np.testing.assert_allclose(compiled, plain, rtol=1e-5)
    assert len(graphs) == 1
    assert last(tmp_path / "compiled")["model"].keys() == last(tmp_path / "plain")["model"].keys()


def test_a_locked_tower_stays_and_low_rank_additions_are_merged(pairs, tmp_path):
    config = override(config_of(pairs, steps=3), ["model.lock_image=true", "model.patch_dropout=0"])
    train(config, tmp_path / "locked")
    fresh = loop.open_trainee(config.model, seed=config.seed).clip.state_dict()
    after = last(tmp_path / "locked")["model"]
    for name, tensor in fresh.items():
        assert torch.equal(after[name], tensor) is name.startswith("image_tower"), name
    bundle = train(override(config, ["model.lock_image=false", "model.lora_rank=2"]), tmp_path / "lora")
    assert "image_tower.blocks.0.qkv.weight" in bundle.read_weights()


def test_the_best_stays(pairs, tmp_path):
    values = iter([0.1, 0.9, 0.3, 0.2, 0.1])
    config = config_of(pairs, steps=10, evaluate_every=2, save=SaveConfig(every_steps=2, keep=1))
    train(config, tmp_path / "run", evaluate=lambda clip, trainee: {"recall": next(values)})
    kept = Checkpoints(tmp_path / "run" / "checkpoints")
    assert kept.best() == {"step": 4, "name": "recall", "value": 0.9}
    assert kept.steps() == [4, 10]
    assert [line["recall"] for line in read_log(tmp_path / "run") if "recall" in line] == [0.1, 0.9, 0.3, 0.2, 0.1]


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_batch(pairs, tmp_path, monkeypatch):
    gradients = State.gradients
    monkeypatch.setattr(
        State, "gradients", lambda self, batch: gradients(self, batch) if next(count) != 3 else float("nan")
    )
    count = iter(range(99))
    with pytest.raises(TrainingError, match=r"the loss of step 4 is nan; its batch is in .*spike-00000004-0.npz"):
        train(config_of(pairs), tmp_path / "run")
    assert np.load(tmp_path / "run" / "spike-00000004-0.npz")["pixels"].shape == (4, 64, 64, 3)
    count = iter(range(99))
    train(config_of(pairs, on_spike="skip", steps=6), tmp_path / "skipping")
    lines = {line["step"]: line for line in read_log(tmp_path / "skipping")}
    assert list(lines) == [1, 2, 3, 4, 5, 6]
    assert [(step, line["left_out"]) for step, line in lines.items() if "left_out" in line] == [
        (4, "the loss of step 4 is nan")
    ]


def test_a_damaged_checkpoint_is_passed_over(pairs, tmp_path):
    config, run = config_of(pairs, steps=8, save=SaveConfig(every_steps=4)), tmp_path / "run"
    train(config, run)
    expected = last(run)
    path = run / "checkpoints" / "step-00000008.pt"
    path.write_bytes(path.read_bytes()[:1000])
    train(config, run)
    assert_same(expected, last(run))


def test_a_full_disk_leaves_the_earlier_ones(tmp_path, monkeypatch):
    kept = Checkpoints(tmp_path)
    kept.write(1, {"step": 1})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"(?i)step 2 cannot be written .*no space left.*make room"):
        kept.write(2, {"step": 2})
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001.pt"]
    assert kept.read() == {"step": 1}


def test_an_object_store_keeps_checkpoints_too():
    kept = Checkpoints("memory://bucket/run", keep=2)
    assert kept.read() is None
    for step in (1, 2, 3):
        kept.write(step, {"step": step})
    assert kept.steps() == [2, 3]
    assert kept.read() == {"step": 3}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["data.sources="], "there is nothing to train on"),
        (["data.weights=1,2"], "data.weights has 2 numbers for 1"),
        (["batch_size=1"], "batch_size cannot be '1'; it takes a whole number from 2"),
        (["data.captions=all"], "takes loss=matching"),
        (["steps=0"], "steps cannot be 0, but where all data.sources are folders of classes"),
        (["model.variant=tny"], "did you mean tiny"),
        (["model.variant=ViT-B-16-SigLIP"], "start from a bundle of it with model.start"),
        (["model.unlocked_blocks=9", "model.lock_image=true"], "the tower has 3 blocks"),
    ],
)
def test_what_does_not_go_together(settings, message, pairs, tmp_path):
    with pytest.raises(UsageError, match=message):
        train(override(config_of(pairs), settings), tmp_path / "run")


def test_what_changes_no_number_may_change_while_a_run_goes_on(pairs, tmp_path):
    run = tmp_path / "run"
    train(config_of(pairs, steps=2), run)
    changed = override(config_of(pairs, steps=2), ["save.every_steps=5", "data.threads=1", "log_every=2"])
    train(changed, run)
    assert from_json((run / "config.json").read_text()) == changed


def test_ctrl_c_saves_and_ends_as_ctrl_c(pairs, tmp_path, monkeypatch):
    one_step, before = loop._Run._one_step, signal.getsignal(signal.SIGINT)

    def counted(self, *given):
        one_step(self, *given)
        if self.state.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(loop._Run, "_one_step", counted)
    with pytest.raises(KeyboardInterrupt):
        train(config_of(pairs), tmp_path / "run")
    assert Checkpoints(tmp_path / "run" / "checkpoints").steps() == [3]
    assert signal.getsignal(signal.SIGINT) is before


def test_checkpoints_go_where_they_are_told(pairs, tmp_path):
    config = override(config_of(pairs, steps=4), [f"save.to=memory://elsewhere/{tmp_path.name}", "save.every_steps=2"])
    train(config, tmp_path / "run")
    assert Checkpoints(config.save.to).steps() == [2, 4]
    assert not (tmp_path / "run" / "checkpoints").exists()
    shown = []
    train(config, tmp_path / "run", show=shown.append)
    assert shown[0] == "going on after step 4"


def test_what_the_losses_were_decides_a_spike_after_going_on_too(pairs, tmp_path, monkeypatch):
    config = config_of(pairs, steps=4, save=SaveConfig(every_steps=2))
    train(config, tmp_path / "run")
    kept = last(tmp_path / "run")
    assert kept["losses"] == [line["loss"] for line in read_log(tmp_path / "run")]


def test_the_folder_of_another_run_is_refused(pairs, tmp_path):
    train(config_of(pairs, steps=1), tmp_path / "run")
    with pytest.raises(UsageError, match=r"holds another run: .*optim.lr was 0.0003 and is 0.1; name another folder"):
        train(override(config_of(pairs, steps=1), ["optim.lr=0.1"]), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["optim"]["lr"] == 3e-4
