"""Several processes train as one does: the same pairs a step, the same numbers, whatever they hold of the model."""

import contextlib
import dataclasses
import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import smallest
import torch
from PIL import Image
from tiny import SIGLIP, make_bundle
from torch import multiprocessing as processes

from seesay.base.errors import UsageError
from seesay.training import loop
from seesay.training.checkpoint import Checkpoints
from seesay.training.config import DataConfig, ModelConfig, OptimConfig, SaveConfig, TrainConfig, override
from seesay.training.loop import train
from seesay.training.monitor import read_log

BASE = TrainConfig(
    model=ModelConfig(variant="tiny"),
    data=DataConfig(threads=1),
    optim=OptimConfig(lr=3e-4, warmup_steps=2, clip_norm=1.0),
    save=SaveConfig(every_steps=2),
    steps=4,
    batch_size=8,
    log_every=1,
    is_trial=True,
)
RUNS = {
    "ddp": [],
    "ddp-matching": ["loss=matching"],
    "ddp-sigmoid-parts-ema": ["loss=sigmoid", "micro_batch=2", "optim.ema=0.9"],
    "fsdp": ["parallel=fsdp"],
    "fsdp-sigmoid-parts-ema": ["parallel=fsdp", "loss=sigmoid", "micro_batch=2", "optim.ema=0.9"],
    "fsdp-locked-lora": ["parallel=fsdp", "model.lock_image=true", "model.lora_rank=2", "model.lora_towers=text"],
    "fsdp-muon": ["parallel=fsdp", "optim.name=muon", "model.recompute=true"],
}
# every loss on a model with a bias (SigLIP), which softmax and matching do not use; above it has none or a new one
BIASED = {
    "ddp-softmax-bias": ["loss=softmax"],
    "ddp-matching-bias-parts": ["loss=matching", "micro_batch=2"],
    "ddp-auto-bias": ["loss=auto"],
    "fsdp-matching-bias": ["loss=matching", "parallel=fsdp"],
}
SIGLIP_FOLDER = "siglip"
GOING_ON = "fsdp-going-on-as-ddp"
# Sums over processes are taken in another order, which moves the last bits; AdamW divides by the gradient's own size,
# so where that is next to nothing a step can differ by a part of the rate.
LOSS = {"rtol": 1e-4}
WEIGHTS = {"atol": 2e-4, "rtol": 1e-3}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    for number in range(24):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
        (folder / f"{number:02}.txt").write_text(f"picture number {number}")
    make_bundle(folder / SIGLIP_FOLDER, SIGLIP | {"text": SIGLIP["text"] | {"vocabulary_size": 49_408}}, "siglip")
    return str(folder)


def configs(pairs):
    base = dataclasses.replace(BASE, data=dataclasses.replace(BASE.data, sources=(pairs,)))
    start = f"model.start={Path(pairs) / SIGLIP_FOLDER}"
    return {name: override(base, settings) for name, settings in RUNS.items()} | {
        name: override(base, [start, *settings]) for name, settings in BIASED.items()
    }


def prepare():
    torch.set_num_threads(1)
    smallest.use()
    loop.write_trainee = lambda trainee, folder: None


def take_part(rank, size, ports, folder, pairs, names):
    prepare()
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "localhost"}
    for name, port in zip(names, ports, strict=True):
        os.environ["MASTER_PORT"] = str(port)  # one each: the first process may still be finishing the run before
        config = configs(pairs)["ddp" if name == GOING_ON else name]
        if name == GOING_ON and rank == 0:
            cut_off(Path(folder) / "fsdp", Path(folder) / name)
        evaluate = (lambda clip, trainee: {"norm": norm(clip)}) if "fsdp" in name else None
        config = dataclasses.replace(config, evaluate_every=2)
        train(config, Path(folder) / name, evaluate=evaluate)


def cut_off(run, copy):
    """The run as it was when half of its steps were done."""
    shutil.copytree(run, copy)
    (copy / "checkpoints" / "step-00000004.pt").unlink()


def norm(clip):
    return float(torch.stack([parameter.norm() for parameter in clip.parameters()]).norm())


def run_on(size, folder, pairs, names):
    with contextlib.ExitStack() as stack:
        free = [stack.enter_context(socket.socket()) for _ in names]
        for each in free:
            each.bind(("localhost", 0))
        ports = [each.getsockname()[1] for each in free]
    processes.spawn(take_part, (size, ports, str(folder), pairs, names), nprocs=size)


@pytest.fixture(scope="module")
def alone(pairs, tmp_path_factory):
    """The same runs in one process."""
    folder = tmp_path_factory.mktemp("alone")
    patch = pytest.MonkeyPatch()
    with patch.context() as within:
        within.setattr("seesay.training.trainee.TINY", {})
        within.setattr("seesay.training.loop.write_trainee", lambda trainee, folder: None)
        smallest.use()
        for name, config in configs(pairs).items():
            train(config, folder / name)
    return folder


@pytest.fixture(scope="module")
def two(pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    run_on(2, folder, pairs, [*RUNS, *BIASED, GOING_ON])
    return folder


def losses(run):
    return [line["loss"] for line in read_log(run) if "loss" in line]


def weights(run):
    return Checkpoints(run / "checkpoints").read()


@pytest.mark.parametrize("name", [*RUNS, *BIASED])
def test_two_processes_give_the_numbers_of_one(name, alone, two):
    assert len(losses(two / name)) == BASE.steps
    np.testing.assert_allclose(losses(two / name), losses(alone / name), **LOSS)
    one, other = weights(alone / name), weights(two / name)
    if "muon" in name:
        return  # its iteration runs in bfloat16, where another order of sums moves the third digit
    for part in ("model", "average"):
        pair = [each[part] if part == "model" else (each[part] or {"model": {}})["model"] for each in (one, other)]
        assert pair[0].keys() == pair[1].keys()
        for tensor, expected in zip(pair[1].values(), pair[0].values(), strict=True):
            torch.testing.assert_close(tensor, expected, **WEIGHTS)


def test_four_processes_give_the_numbers_of_one(alone, pairs, tmp_path):
    run_on(4, tmp_path, pairs, ["ddp"])
    np.testing.assert_allclose(losses(tmp_path / "ddp"), losses(alone / "ddp"), **LOSS)


def test_an_evaluation_sees_the_whole_model(two):
    for name in (name for name in RUNS if name.startswith("fsdp")):
        seen = [line["norm"] for line in read_log(two / name) if "norm" in line]
        assert len(seen) == 2
        kept = weights(two / name)
        last = (kept["average"] or kept)["model"]
        whole = torch.stack([tensor.norm() for key, tensor in last.items() if "parametrizations" not in key]).norm()
        if not any("parametrizations" in key for key in last):
            assert seen[-1] == pytest.approx(float(whole), rel=1e-5)


def test_shards_go_on_as_copies(two):
    """A checkpoint is whole, so what was trained in shards goes on in copies."""
    assert Checkpoints(two / GOING_ON / "checkpoints").steps() == [2, 4]
    np.testing.assert_allclose(losses(two / GOING_ON), losses(two / "fsdp"), **LOSS)


def test_another_number_of_processes_is_refused(two, pairs, tmp_path, monkeypatch):
    cut_off(two / "ddp", tmp_path / "ddp")
    monkeypatch.setattr("seesay.training.trainee.TINY", {})
    smallest.use()
    with pytest.raises(UsageError, match="has 2 processes, and goes on with as many, not 1"):
        train(dataclasses.replace(configs(pairs)["ddp"], evaluate_every=2), tmp_path / "ddp")
