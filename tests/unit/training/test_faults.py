"""What goes wrong on the way: gradients and weights that are not finite, damaged checkpoints, full disks."""

import errno
import itertools
import json
import logging

import numpy as np
import pytest
import torch
from torch import nn

from seesay.base.errors import DataError, TrainingError, UsageError
from seesay.models import variants
from seesay.training.checkpoint import Checkpoints
from seesay.training.config import DataConfig, ModelConfig, OptimConfig, SaveConfig, TrainConfig, override
from seesay.training.loop import train
from seesay.training.monitor import Monitor, read_log
from seesay.training.runs import claim
from seesay.training.state import State
from seesay.training.step import Stepper
from seesay.training.trainee import dress, open_trainee

TEXT = variants.text(64, 1, context_length=16)
NANO = {
    "tiny": variants.clip(32, variants.vit(32, 16, 64, 2, 1), TEXT),
    "tiny-resnet": variants.clip(32, variants.resnet(32, 8, (1, 1, 1, 1)), TEXT),
}


@pytest.fixture(autouse=True)
def small():
    """Models that take milliseconds, and nothing but a folder of the result; undone after the test's own patches."""
    patch = pytest.MonkeyPatch()
    made = {name: variants.Variant(model=model, family="clip") for name, model in NANO.items()}
    patch.setattr("seesay.training.trainee.TINY", made)
    patch.setattr("seesay.training.loop.write_trainee", lambda trainee, folder: folder.mkdir(exist_ok=True))
    yield
    patch.undo()


def config_of(pairs, *settings):
    base = TrainConfig(
        model=ModelConfig(variant="tiny"),
        data=DataConfig(sources=(pairs,), threads=1),
        optim=OptimConfig(lr=3e-4, warmup_steps=1),
        save=SaveConfig(every_steps=2, keep=9),
        loss="matching",
        steps=8,
        batch_size=4,
        log_every=1,
    )
    return override(base, settings)


def spoil(monkeypatch, bad_steps, spoiler):
    """Let some calls for gradients, counted from 1, end with spoiled ones."""
    gradients, count = Stepper.gradients, iter(range(1, 999))

    def spoiled(self, batch):
        loss = gradients(self, batch)
        return spoiler(self, loss) if next(count) in bad_steps else loss

    monkeypatch.setattr(Stepper, "gradients", spoiled)


def with_nan_gradient(stepper, loss):
    next(each for each in stepper.model.parameters() if each.grad is not None).grad.view(-1)[0] = float("nan")
    return loss


def with_nan_weight(stepper, loss):
    with torch.no_grad():
        next(stepper.model.parameters()).view(-1)[0] = float("nan")
    return loss


def steps_of(run):
    return Checkpoints(run / "checkpoints").steps()


def assert_all_finite(run):
    assert steps_of(run)
    for step in steps_of(run):
        kept = torch.load(run / "checkpoints" / f"step-{step:08}.pt", weights_only=True)
        parts = [kept["model"], (kept["average"] or {"model": {}})["model"]]
        assert all(torch.isfinite(tensor).all() for part in parts for tensor in part.values())


@pytest.mark.parametrize("setting", ["precision=float32", "micro_batch=2", "optim.ema=0.9", "optim.clip_norm=1"])
def test_a_gradient_that_is_nan_under_a_finite_loss_stops_and_moves_nothing(
    setting, pair_folder, tmp_path, monkeypatch
):
    spoil(monkeypatch, {4}, with_nan_gradient)
    with pytest.raises(TrainingError, match=r"the loss of step 4 is \d.* and its gradient is nan; .*optim.clip_norm=1"):
        train(config_of(pair_folder, setting), tmp_path / "run")
    assert steps_of(tmp_path / "run") == [2]
    assert_all_finite(tmp_path / "run")


def test_one_such_step_is_left_out_and_moves_nothing(pair_folder, tmp_path, monkeypatch):
    seen = []

    def spoiler(stepper, loss):
        seen.append([parameter.detach().clone() for parameter in stepper.model.parameters()])
        return with_nan_gradient(stepper, loss) if len(seen) == 4 else loss

    spoil(monkeypatch, range(1, 99), spoiler)
    train(config_of(pair_folder, "on_spike=skip", "optim.ema=0.9"), tmp_path / "run")
    has_moved = [any(not torch.equal(*pair) for pair in zip(*two, strict=True)) for two in itertools.pairwise(seen)]
    assert has_moved == [True, True, True, False, True, True, True]
    assert steps_of(tmp_path / "run") == [2, 5, 6, 8]  # that of step 4 waited for a step that moved
    assert_all_finite(tmp_path / "run")


def test_a_few_in_a_row_stop_the_run_and_no_model_is_written(pair_folder, tmp_path, monkeypatch):
    spoil(monkeypatch, {4, 5, 6}, with_nan_gradient)
    with pytest.raises(TrainingError, match=r"last of 3 steps in a row that were left out, as many as most_skipped"):
        train(config_of(pair_folder, "on_spike=skip", "most_skipped=3"), tmp_path / "run")
    assert steps_of(tmp_path / "run") == [2]
    assert not (tmp_path / "run" / "model").exists()
    assert [line["step"] for line in read_log(tmp_path / "run") if "left_out" in line] == [4, 5, 6]


def test_weights_that_are_nan_stop_at_once_and_the_good_checkpoint_stays(pair_folder, tmp_path, monkeypatch):
    spoil(monkeypatch, {4}, with_nan_weight)
    with pytest.raises(TrainingError, match=r"weights are not finite, and were not saved. The last good ones .*step 2"):
        train(config_of(pair_folder, "on_spike=skip"), tmp_path / "run")
    assert steps_of(tmp_path / "run") == [2]
    monkeypatch.undo()
    train(config_of(pair_folder, "on_spike=skip"), tmp_path / "run")
    train(config_of(pair_folder, "on_spike=skip"), tmp_path / "straight")
    one, other = (Checkpoints(tmp_path / name / "checkpoints").read()["model"] for name in ("run", "straight"))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_nothing_is_written_of_weights_that_only_the_last_step_made_bad(pair_folder, tmp_path, monkeypatch):
    move = Stepper.move

    def moved(self):
        found = move(self)
        with_nan_weight(self, 0.0)
        return found

    monkeypatch.setattr(Stepper, "move", moved)
    with pytest.raises(TrainingError, match=r"after step 1: The weights are not finite.*None were saved yet"):
        train(config_of(pair_folder, "steps=1"), tmp_path / "run")
    assert steps_of(tmp_path / "run") == []
    assert not (tmp_path / "run" / "model").exists()


def test_gone_on_from_a_checkpoint_the_same_steps_are_left_out(pair_folder, tmp_path, monkeypatch):
    gradients = State.gradients

    def spoiled(self, batch):
        loss = gradients(self, batch)
        return with_nan_gradient(self.stepper, loss) if any(key.endswith("03.png") for key in batch.keys) else loss

    monkeypatch.setattr(State, "gradients", spoiled)
    settings = ("on_spike=skip", "optim.ema=0.9", "save.every_steps=5", "steps=10")
    config, run = config_of(pair_folder, *settings), tmp_path / "run"
    train(config, run)
    bad = [line["step"] for line in read_log(run) if "left_out" in line]
    assert bad == [bad[0], bad[0] + 6]  # once a pass
    assert bad[1] > 5
    straight = Checkpoints(run / "checkpoints").read()
    (run / "checkpoints" / "step-00000010.pt").unlink()
    train(config, run)
    assert steps_of(run) == [5, 10]
    resumed = Checkpoints(run / "checkpoints").read()
    for part in ("model", "average"):
        one, other = (each[part] if part == "model" else each[part]["model"] for each in (resumed, straight))
        assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize(("bad", "is_kept"), [({8}, True), ({7, 8, 9, 10, 11, 12}, False)])
def test_a_run_that_ends_within_left_out_steps_asks_other_batches(bad, is_kept, pair_folder, tmp_path, monkeypatch):
    spoil(monkeypatch, bad, with_nan_gradient)
    config = config_of(pair_folder, "on_spike=skip", "most_skipped=4")
    if is_kept:
        train(config, tmp_path / "run")
    else:
        with pytest.raises(TrainingError, match="the last 2 steps were left out, and the 4 batches after them would"):
            train(config, tmp_path / "run")
    assert (8 in steps_of(tmp_path / "run"), (tmp_path / "run" / "model").exists()) == (is_kept, is_kept)


def test_an_overflow_of_float16_is_scaled_down_and_stops_nothing(pair_folder, tmp_path, monkeypatch):
    spoil(monkeypatch, {1, 2}, with_nan_gradient)
    train(config_of(pair_folder, "precision=float16", "steps=3", "on_spike=stop"), tmp_path / "run")
    assert Checkpoints(tmp_path / "run" / "checkpoints").read()["scaler"]["scale"] == 65536.0 / 4
    assert [line["step"] for line in read_log(tmp_path / "run") if "left_out" in line] == [1, 2]


def test_gradients_of_float16_that_stay_bad_stop_the_run(pair_folder, tmp_path, monkeypatch):
    spoil(monkeypatch, range(1, 99), with_nan_gradient)
    config = config_of(pair_folder, "precision=float16", "steps=60", "on_spike=skip", "most_skipped=3")
    with pytest.raises(TrainingError, match="last of 3 steps in a row"):
        train(config, tmp_path / "run")
    # 65536 is 2 to the 16th: so many steps lower the factor to 1, three more say that it is not the factor
    assert len(read_log(tmp_path / "run")) == 16 + 3


def test_a_batch_that_is_left_out_leaves_batch_norms_as_they_were(pair_folder, tmp_path, monkeypatch):
    seen = []

    def spoiler(stepper, loss):
        buffers = dict(stepper.model.named_buffers())
        seen.append({name: tensor for name, tensor in buffers.items() if name.endswith("running_mean")})
        for tensor in seen[-1].values():
            tensor.fill_(float("nan"))  # what activations that overflow make of it
        return float("nan")

    spoil(monkeypatch, {2}, spoiler)
    settings = ("model.variant=tiny-resnet", "on_spike=skip", "steps=3")
    train(config_of(pair_folder, *settings), tmp_path / "run")
    assert seen[0]
    assert_all_finite(tmp_path / "run")


@pytest.mark.parametrize("how", ["cut", "nan", "nan in the mean"])
def test_a_bad_checkpoint_is_passed_over_for_the_one_before_and_said(how, pair_folder, tmp_path, caplog):
    config, folder = config_of(pair_folder, "steps=6", "optim.ema=0.9"), tmp_path / "run" / "checkpoints"
    train(config, tmp_path / "run")
    expected = Checkpoints(folder).read()["model"]
    content = torch.load(folder / "step-00000006.pt", weights_only=True)
    if how == "cut":
        path = folder / "step-00000006.pt"
        path.write_bytes(path.read_bytes()[:-500])
    else:
        part = content["model"] if how == "nan" else content["average"]["model"]
        next(iter(part.values())).fill_(float("nan"))
        torch.save(content, folder / "step-00000006.pt")
    with caplog.at_level(logging.WARNING):
        train(config, tmp_path / "run")
    assert "a checkpoint is passed over: step-00000006.pt" in caplog.text
    assert "step-00000004.pt is the last sound one" in caplog.text
    after = Checkpoints(folder).read()
    assert after["step"] == 6
    assert all(torch.equal(tensor, expected[name]) for name, tensor in after["model"].items())


def test_a_damaged_later_checkpoint_does_not_push_out_a_sound_one(tmp_path):
    kept = Checkpoints(tmp_path, keep=1)
    (tmp_path / "step-00000008.pt").write_bytes(b"damaged")
    kept.write(4, {"step": 4})
    kept.write(6, {"step": 6})
    assert kept.steps() == [6, 8]
    assert kept.read() == {"step": 6}


def test_without_a_sound_checkpoint_the_run_says_which_are_bad(tmp_path):
    (tmp_path / "step-00000008.pt").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"no checkpoint in .* is sound: step-00000008.pt: .*begin again in another"):
        Checkpoints(tmp_path).read()


@pytest.mark.parametrize(
    ("code", "message"),
    [(errno.ENOSPC, "No space left on device .*make room, and run it again"), (errno.EIO, "output error .*mend that")],
)
def test_a_log_that_cannot_be_written_is_a_sentence(code, message, pair_folder, tmp_path, monkeypatch):
    append = Monitor._append

    def full(self, line):
        if line["step"] == 5:
            raise OSError(
                code, "No space left on device" if code == errno.ENOSPC else "Input/output error", "log.jsonl"
            )
        append(self, line)

    monkeypatch.setattr(Monitor, "_append", full)
    with pytest.raises(DataError, match=message):
        train(config_of(pair_folder), tmp_path / "run", show=lambda line: None)
    assert steps_of(tmp_path / "run") == [2, 4]
    assert_all_finite(tmp_path / "run")


def test_full_memory_of_a_device_is_a_sentence(pair_folder, tmp_path, monkeypatch):
    def full(self, batch):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    monkeypatch.setattr(Stepper, "gradients", full)
    with pytest.raises(TrainingError, match=r"Tried to allocate 2.00 GiB. Set micro_batch to a part of the 4 pairs"):
        train(config_of(pair_folder), tmp_path / "run")


@pytest.mark.parametrize(
    "settings",
    [
        ["model.lock_image=true"],
        ["model.lock_text=true"],
        ["model.lora_rank=2"],
        ["wise=0.5"],
        ["wise=0"],
        ["model.video.is_alone=true", "model.video.num_frames=2"],
    ],
)
def test_parts_of_fine_tuning_need_a_model_to_start_from(settings, pair_folder, tmp_path):
    with pytest.raises(UsageError, match="weights of the model that a run starts from, and none is named"):
        train(config_of(pair_folder, *settings), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_without_a_checkpoint_is_nobodys(pair_folder, tmp_path, monkeypatch):
    run = tmp_path / "run"
    with pytest.raises(UsageError, match="no variant is called"):
        train(config_of(pair_folder, "model.variant=nonsense"), run)
    spoil(monkeypatch, {1}, with_nan_gradient)
    with pytest.raises(TrainingError):  # no checkpoint yet
        train(config_of(pair_folder, "optim.lr=1e-3"), run, show=lambda line: None)
    monkeypatch.undo()
    train(config_of(pair_folder, "steps=2"), run, show=lambda line: None)
    assert [line["step"] for line in read_log(run)] == [1, 2]
    with pytest.raises(UsageError, match="holds another run"):
        train(config_of(pair_folder, "steps=3"), run)


def test_a_folder_whose_checkpoints_lie_elsewhere_or_that_has_a_model_is_somebodys(pair_folder, tmp_path):
    run, config = tmp_path / "run", config_of(pair_folder)
    claim(run, override(config, [f"save.to={tmp_path / 'elsewhere'}"]))
    Checkpoints(tmp_path / "elsewhere").write(2, {"step": 2})
    with pytest.raises(UsageError, match="holds another run"):
        claim(run, override(config, ["steps=3"]))
    (tmp_path / "elsewhere" / "step-00000002.pt").unlink()
    (run / "model").mkdir()
    with pytest.raises(UsageError, match="holds another run"):
        claim(run, override(config, ["steps=3"]))
    (run / "config.json").write_text("{")
    with pytest.raises(UsageError, match=r"config.json cannot be read: .* no JSON: .*; name another folder with --out"):
        claim(run, config)
    (run / "model").rmdir()
    claim(run, config)
    assert json.loads((run / "config.json").read_text())["steps"] == 8


@pytest.mark.parametrize(
    ("settings", "scale", "bias"),
    [
        ([], 10.0, -10.0),  # SigLIP, arXiv:2303.15343, section 3.2
        (["model.init_bias=-4.5", "model.init_scale=20"], 20.0, -4.5),
        (["loss=softmax"], 1 / 0.07, None),  # CLIP, arXiv:2103.00020, section 2.5
        (["loss=softmax", "model.init_scale=50"], 50.0, None),
    ],
)
def test_scale_and_bias_begin_where_they_are_told(settings, scale, bias, pair_folder):
    config = config_of(pair_folder, "loss=sigmoid", *settings)
    clip = open_trainee(config.model, seed=0).clip
    dress(clip, config)
    assert float(clip.log_scale.detach().exp()) == pytest.approx(scale)
    assert (None if clip.bias is None else float(clip.bias.detach())) == bias


def test_a_bias_of_ones_own_replaces_that_of_the_model(pair_folder):
    config = config_of(pair_folder, "loss=sigmoid", "model.init_bias=-3")
    clip = open_trainee(config.model, seed=0).clip
    clip.bias = nn.Parameter(torch.tensor(-12.0))
    dress(clip, override(config, ["model.init_bias="]))
    assert float(clip.bias.detach()) == -12.0
    dress(clip, config)
    assert float(clip.bias.detach()) == -3.0
    with pytest.raises(UsageError, match=r"model.init_bias goes with loss=sigmoid; loss=softmax uses no bias"):
        dress(clip, override(config, ["loss=softmax"]))


@pytest.mark.parametrize("micro_batch", ["0", "2"])
def test_scale_and_bias_that_are_not_learned_stay(micro_batch, pair_folder, tmp_path):
    settings = ["loss=sigmoid", "model.learn_bias=false", "model.learn_scale=false", "steps=2"]
    train(config_of(pair_folder, *settings, f"micro_batch={micro_batch}"), tmp_path / "run")
    kept = Checkpoints(tmp_path / "run" / "checkpoints").read()["model"]
    assert float(kept["bias"]) == -10.0
    np.testing.assert_allclose(float(kept["log_scale"]), np.log(10), rtol=1e-6)


def test_pictures_smaller_than_a_patch_are_refused(pair_folder, tmp_path):
    for variant, least in (("tiny", 16), ("tiny-resnet", 32)):
        with pytest.raises(UsageError, match=f"model.image_size is 4, and the image tower needs {least} pixels"):
            train(config_of(pair_folder, f"model.variant={variant}", "model.image_size=4"), tmp_path / "run")
