"""Trackers get the config once and each number of each line; a missing package is told before the first step."""

import json
import sys
from types import ModuleType

import pytest

from seesay.base.errors import MissingExtraError, UnknownNameError, UsageError
from seesay.training.config import TrainConfig, from_json, override, to_json
from seesay.training.monitor import Monitor
from seesay.training.trackers import TRACKERS, open_trackers


def make_run(folder, trackers, *, steps=(0, 1)):
    folder.mkdir(exist_ok=True)
    config = override(TrainConfig(batch_size=8, log_every=1), [f"trackers={trackers}"])
    one = Monitor(folder, config, show=lambda line: None, trackers=open_trackers(config, folder))
    with one:
        for step in steps:
            one.step(step, loss=3.0 - step, rate=0.1, norm=1.0, scale=14.0, was_clamped=False, waited_s=0.0)
        one.write({"step": steps[-1] + 1, "image_to_text_recall@1": 0.25})


class Recorder:
    """Stands in for what a tracker's package makes."""

    def __init__(self, **options):
        self.options, self.numbers, self.texts, self.is_closed = options, [], [], False


@pytest.fixture
def boards(monkeypatch):
    made = []

    class SummaryWriter(Recorder):
        def __init__(self, folder, purge_step):
            super().__init__(folder=folder, purge_step=purge_step)
            made.append(self)

        def add_text(self, name, text, step):
            self.texts.append(text)

        def add_scalar(self, name, value, step):
            self.numbers.append((name, value, step))

        def flush(self):
            pass

        def close(self):
            self.is_closed = True

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    return made


@pytest.fixture
def wandb(monkeypatch):
    class Run(Recorder):
        def define_metric(self, name, step_metric):
            self.texts.append((name, step_metric))

        def log(self, numbers):
            assert not self.is_closed
            self.numbers.append(numbers)

        def finish(self):
            self.is_closed = True

    module = ModuleType("wandb")
    module.runs = []
    module.Error = type("Error", (Exception,), {})

    def init(**options):
        if module.fault:
            raise module.Error(module.fault)
        module.runs.append(Run(**options))
        return module.runs[-1]

    module.init, module.fault = init, ""
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_tensorboard_gets_every_number_and_the_config(boards, tmp_path):
    make_run(tmp_path, "tensorboard")
    (board,) = boards
    assert board.options == {"folder": str(tmp_path / "tensorboard"), "purge_step": 1}
    assert from_json(board.texts[0].strip("`\n")).trackers == ("tensorboard",)
    assert ("loss", 3.0, 1) in board.numbers
    assert ("loss", 2.0, 2) in board.numbers
    assert ("image_to_text_recall@1", 0.25, 2) in board.numbers
    names = {name for name, _, _ in board.numbers}
    assert {"lr", "scale", "gradient_norm", "images_per_s", "memory_bytes"} <= names
    assert "step" not in names
    assert board.is_closed


def test_a_run_that_goes_on_hides_what_a_killed_one_wrote_past_it(boards, tmp_path):
    make_run(tmp_path, "tensorboard", steps=range(5))
    make_run(tmp_path, "tensorboard", steps=range(3, 5))
    assert [board.options["purge_step"] for board in boards] == [1, 4]


def test_tensorboard_itself_reads_what_was_written(tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="tensorboard takes 53 MB and is not among the test requirements",
    )
    make_run(tmp_path, "tensorboard", steps=range(5))
    make_run(tmp_path, "tensorboard", steps=range(3, 6))
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [
        (step + 1, pytest.approx(3.0 - step)) for step in range(6)
    ]
    assert [event.step for event in events.Scalars("image_to_text_recall@1")] == [6]


def test_wandb_gets_every_number_and_the_config_and_goes_on_as_the_same_run(wandb, tmp_path):
    make_run(tmp_path / "run", "wandb")
    make_run(tmp_path / "run", "wandb", steps=(2,))
    first, second = wandb.runs
    assert first.options["config"]["batch_size"] == 8
    assert first.options["config"]["optim.lr"] == TrainConfig().optim.lr
    assert (first.options["name"], first.options["resume"]) == ("run", "allow")
    assert first.options["id"] == second.options["id"]
    assert first.texts == [("*", "step")]
    assert first.numbers[0]["step"] == 1
    assert first.numbers[0]["loss"] == 3.0
    assert first.numbers[-1] == {"step": 2, "image_to_text_recall@1": 0.25}
    assert first.is_closed


def test_a_wandb_that_cannot_begin_says_why(wandb, tmp_path):
    wandb.fault = "no API key"
    with pytest.raises(UsageError, match="wandb cannot begin: no API key; set WANDB_MODE=offline"):
        make_run(tmp_path, "wandb")


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")])
def test_a_missing_package_is_told_with_its_cure(name, module, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"the tracker {name} needs .* `pip install 'seesay\[{name}\]'`"):
        open_trackers(TrainConfig(trackers=(name,)), tmp_path)


def test_a_tracker_is_closed_when_the_run_fails(boards, tmp_path):
    config = TrainConfig(batch_size=8, log_every=1, trackers=("tensorboard",))
    one = Monitor(tmp_path, config, show=lambda line: None, trackers=open_trackers(config, tmp_path))
    one.write({"step": 1, "recall": 0.5})
    with pytest.raises(ZeroDivisionError), one:
        raise ZeroDivisionError
    assert boards[0].is_closed


def test_the_config_takes_trackers_by_name():
    assert TRACKERS
    config = override(TrainConfig(), [f"trackers={','.join(TRACKERS)}"])
    assert config.trackers == tuple(TRACKERS)
    assert from_json(to_json(config)) == config
    assert json.loads(to_json(config))["trackers"] == list(TRACKERS)
    with pytest.raises(UsageError, match="it takes tensorboard or wandb"):
        override(TrainConfig(), ["trackers=tensorbord"])
    with pytest.raises(UnknownNameError, match="did you mean trackers"):
        override(TrainConfig(), ["tracker=wandb"])
