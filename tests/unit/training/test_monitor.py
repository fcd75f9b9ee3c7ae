"""What a run says of itself is true: its speed, its time left, and each of its warnings once."""

import dataclasses
import json
import logging
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from seesay.training import monitor
from seesay.training.config import OptimConfig, TeacherConfig, TrainConfig
from seesay.training.losses.sigmoid import sigmoid_loss
from seesay.training.losses.softmax import softmax_loss
from seesay.training.monitor import Monitor, chance_loss, read_lines, read_log

CONFIG = TrainConfig(steps=1000, batch_size=64, log_every=10, optim=OptimConfig(warmup_steps=0))


@pytest.fixture
def clock(monkeypatch):
    """Time that only passes when a test says so."""
    clock = SimpleNamespace(now_s=1000.0)
    monkeypatch.setattr(monitor, "time", SimpleNamespace(perf_counter=lambda: clock.now_s))
    return clock


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.WARNING, logger="seesay.training")
    return lambda: [record.getMessage() for record in caplog.records]


def watch(tmp_path, config=CONFIG, **options):
    shown = []
    return Monitor(tmp_path, config, show=shown.append, **options), shown


def take(one, steps, *, clock=None, step_s=0.5, **facts):
    facts = {"loss": 3.0, "rate": 1e-3, "norm": 1.0, "scale": 14.3, "was_clamped": False, "waited_s": 0.0, **facts}
    for step in steps:
        if clock is not None:
            clock.now_s += step_s
        one.step(step, **facts)


def test_a_line_says_loss_rate_speed_scale_time_left_and_memory(clock, tmp_path):
    one, shown = watch(tmp_path)
    take(one, range(20), clock=clock, waited_s=0.1)
    assert shown[-1].startswith("step 20/1,000  loss 3.0000  lr 1.00e-03  scale 14.3  128/s  waited 20%  ")
    assert " GB  8 min left" in shown[-1]
    (_, line) = read_log(tmp_path)
    assert line["memory_bytes"] > 10e6
    assert line["gradient_norm"] == 1.0


def test_the_first_step_is_no_measure_of_speed(clock, tmp_path):
    one, _ = watch(tmp_path)
    clock.now_s += 300  # a model is made, a first batch is waited for, kernels are compiled
    take(one, [0], waited_s=100.0)
    take(one, range(1, 10), clock=clock)
    (line,) = read_log(tmp_path)
    assert line["images_per_s"] == pytest.approx(128)
    assert line["waited_share"] == 0


def test_speed_is_that_of_the_last_steps_and_a_resumed_run_has_its_own(clock, tmp_path):
    one, _ = watch(tmp_path)
    take(one, range(10), clock=clock)
    take(one, range(10, 20), clock=clock, step_s=0.25)
    clock.now_s += 9999
    one, shown = watch(tmp_path)
    take(one, range(15, 30), clock=clock, step_s=1.0)
    assert [line["images_per_s"] for line in read_log(tmp_path)] == pytest.approx([128, 64, 64])
    assert [line["images_per_s"] for line in read_lines(tmp_path)] == pytest.approx([128, 256, 64, 64])
    assert " 16 min left" in shown[-1]


def test_an_evaluation_is_no_training(clock, tmp_path):
    one, _ = watch(tmp_path)
    take(one, range(15), clock=clock)
    clock.now_s += 60
    one.write({"step": 15, "recall": 0.5})
    take(one, range(15, 20), clock=clock)
    assert read_log(tmp_path)[-1]["images_per_s"] == pytest.approx(128)


def test_the_seconds_of_all_lines_are_the_time_that_it_took(clock, tmp_path):
    one, _ = watch(tmp_path)
    take(one, range(20), clock=clock)
    clock.now_s += 60
    one.write({"step": 20, "recall": 0.5})
    assert sum(line["seconds"] for line in read_lines(tmp_path)) == pytest.approx(20 * 0.5 + 60)


def test_a_line_is_json_whatever_the_numbers(clock, tmp_path):
    one, _ = watch(tmp_path)
    take(one, range(10), clock=clock, norm=math.inf)

    def refuse(name):
        raise AssertionError(name)

    line = json.loads((tmp_path / "log.jsonl").read_text(), parse_constant=refuse)
    assert line["gradient_norm"] is None


def test_only_the_first_process_writes(clock, tmp_path):
    one = Monitor(tmp_path, CONFIG, show=None)
    take(one, range(20), clock=clock, was_clamped=True)
    assert not (tmp_path / "log.jsonl").exists()


def test_a_line_that_was_cut_short_is_passed_over(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert read_log(tmp_path) == [{"step": 1, "loss": 2.0}]


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_chance_is_the_loss_of_a_model_to_which_all_pairs_look_alike(loss):
    size = 16
    rows = torch.nn.functional.normalize(torch.ones(size, 4, dtype=torch.float64), dim=-1)
    scale = torch.tensor(3.0, dtype=torch.float64)
    if loss == "softmax":
        least = softmax_loss(rows, rows, scale=scale).item()
    else:  # the bias is what it learns then: the cosines are 1
        biases = [math.log(1 / (size - 1)) - 3.0 + change for change in np.linspace(-1, 1, 21)]
        least = min(sigmoid_loss(rows, rows, scale=scale, bias=torch.tensor(bias).double()).item() for bias in biases)
    assert chance_loss(TrainConfig(batch_size=size, loss=loss)) == pytest.approx(least, abs=1e-6)


@pytest.mark.parametrize(("loss", "words"), [("softmax", "batch of 64, as"), ("sigmoid", "batch of 64 and 1, as")])
def test_it_says_once_when_nothing_is_learned(loss, words, tmp_path, said):
    config = TrainConfig(steps=1000, batch_size=64, log_every=10, loss=loss, optim=OptimConfig(warmup_steps=300))
    one, _ = watch(tmp_path, config)
    take(one, range(300), loss=chance_loss(config) - 0.01)
    assert said() == []  # the rate was still rising
    take(one, range(300, 400), loss=chance_loss(config) - 0.01)
    (message,) = said()
    assert words in message
    assert "nothing is being learned" in message


def test_a_loss_of_the_other_kind_is_no_chance(tmp_path, said):
    one, _ = watch(tmp_path)
    take(one, range(400), loss=chance_loss(TrainConfig(batch_size=64, loss="sigmoid")))
    assert said() == []


def test_with_a_teacher_no_loss_is_known_to_be_chance(tmp_path, said):
    config = dataclasses.replace(CONFIG, teacher=TeacherConfig(model="starter"))
    one, _ = watch(tmp_path, config)
    take(one, range(400), loss=chance_loss(config))
    assert said() == []


def test_it_says_once_that_the_scale_is_clamped(tmp_path, said):
    one, _ = watch(tmp_path)
    take(one, range(1000, 1003), was_clamped=True, scale=100.0)
    (message,) = said()
    assert message.startswith("at step 1,001 the scale reached its limit of 100")


def test_it_says_once_that_data_is_waited_for(clock, tmp_path, said):
    one, _ = watch(tmp_path)
    take(one, range(10), clock=clock, waited_s=0.4)
    assert said() == []  # perhaps only the beginning
    take(one, range(10, 40), clock=clock, waited_s=0.3)
    (message,) = said()
    assert message.startswith("more than half of the time goes into waiting for data")


def test_it_does_not_say_so_when_it_waits_for_less(clock, tmp_path, said):
    one, _ = watch(tmp_path)
    take(one, range(40), clock=clock, waited_s=0.2)
    assert said() == []


def test_a_spike_is_far_above_the_last_losses(tmp_path):
    one, _ = watch(tmp_path)
    assert one.is_spike(math.nan)
    assert not one.is_spike(99.0)  # nothing to compare with
    for step in range(30):
        take(one, [step], loss=3.0 + 0.1 * (step % 3))
    assert not one.is_spike(3.9)
    assert one.is_spike(4.2)
