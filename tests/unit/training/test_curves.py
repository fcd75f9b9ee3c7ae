"""What a run's folder tells, and the picture of it."""

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from seesay.base.errors import DataError, MissingExtraError
from seesay.training.config import TrainConfig, to_json
from seesay.training.curves import TRAINED, draw, find_runs, read_run, smooth
from seesay.training.monitor import Monitor


def write_run(folder, *, steps=10, start=0, drop=0.1, recall=(), **more):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(to_json(TrainConfig(recipe="toy", steps=20, batch_size=8)))
    with (folder / "log.jsonl").open("a") as file:
        for step in range(start + 1, steps + 1):
            line = {"step": step, "loss": 2 - drop * step, "lr": 0.1, "scale": 14.0, "images_per_s": None}
            file.write(json.dumps(line | more | {"seconds": 2.0}) + "\n")
        for step, value in recall:
            file.write(json.dumps({"step": step, "recall@1": value, "recall@5": 0.9, "seconds": 5.0}) + "\n")
    return folder


def test_a_run_is_its_last_loss_its_best_evaluation_and_its_time(tmp_path):
    run = read_run(write_run(tmp_path / "a", recall=[(2, 0.1), (6, 0.5), (10, 0.4)]))
    assert (run.step, run.config.recipe, run.config.steps) == (10, "toy", 20)
    assert run.loss == pytest.approx(1.0)
    assert run.best == ("recall@1", 0.5, 6)
    assert run.seconds == 10 * 2 + 3 * 5
    assert list(run.curves) == ["loss", "lr", "scale", "recall@1", "recall@5"]


def test_steps_that_were_done_again_count_once_and_their_time_twice(tmp_path):
    write_run(tmp_path / "a", steps=8)
    run = read_run(write_run(tmp_path / "a", start=6, steps=10, drop=0.2))
    assert run.curves["loss"].steps == list(range(1, 11))
    assert run.curves["loss"].values[5:7] == pytest.approx([1.4, 0.6])
    assert run.seconds == 12 * 2


def test_a_run_that_has_only_begun_has_no_numbers(tmp_path):
    (tmp_path / "log.jsonl").write_text("")
    run = read_run(tmp_path)
    assert (run.step, run.loss, run.best, run.config, run.seconds) == (0, None, None, None, 0)
    with pytest.raises(DataError, match="have no line in their logs yet"):
        draw([run], tmp_path / "a.png")


def test_a_folder_that_is_no_run_is_said_to_be_none(tmp_path):
    with pytest.raises(DataError, match=r"is no run that has begun: there is no log.jsonl in it"):
        read_run(tmp_path)


def test_runs_are_found_two_folders_deep(tmp_path):
    for name in ("b", "a", "more/c", "more/deeper/d"):
        write_run(tmp_path / name)
    (tmp_path / "a" / "model").mkdir()
    (tmp_path / "a" / "model" / "config.json").write_text("{}")
    assert [str(run.relative_to(tmp_path)) for run in find_runs(tmp_path)] == ["a", "b", "more/c"]
    assert find_runs(tmp_path / "a") == [tmp_path / "a"]


def ink(path, colour):
    """How many pixels have the colour."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return int((np.abs(pixels - np.array(colour)).max(axis=-1) < 30).sum())


BLUE, ORANGE = (31, 119, 180), (255, 127, 14)  # matplotlib's first two colours


def test_every_run_and_every_number_is_drawn(tmp_path):
    had_pyplot = "matplotlib.pyplot" in sys.modules
    one = read_run(write_run(tmp_path / "a"))
    more = read_run(write_run(tmp_path / "b", steps=300, drop=0.01, recall=[(2, 0.1), (6, 0.5)]))
    draw([one], tmp_path / "one.png")
    draw([one, more], tmp_path / "both.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    assert ink(tmp_path / "one.png", BLUE) > 100
    assert ink(tmp_path / "one.png", ORANGE) == 0
    assert ink(tmp_path / "both.png", ORANGE) > 100
    with Image.open(tmp_path / "one.png") as small, Image.open(tmp_path / "both.png") as large:
        assert large.height > 1.5 * small.height  # five curves take two rows, three take one
    assert had_pyplot or "matplotlib.pyplot" not in sys.modules


def test_without_matplotlib_the_cure_is_named(tmp_path, monkeypatch):
    run = read_run(write_run(tmp_path / "a"))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"drawing curves needs .*seesay\[plots\]"):
        draw([run], tmp_path / "a.png")


def test_a_picture_that_cannot_be_written_is_an_error(tmp_path):
    run = read_run(write_run(tmp_path / "a"))
    with pytest.raises(DataError, match="cannot be written: No such file"):
        draw([run], tmp_path / "no" / "a.png")


def test_the_running_mean_keeps_lines_and_the_mean_of_what_is_periodic():
    line = [3.0 * step + 1 for step in range(50)]
    assert smooth(line, 9)[4:-4] == pytest.approx(line[4:-4])
    assert len(smooth(line, 9)) == 50
    assert smooth([0.0, 1.0, 2.0] * 9, 3)[1:-1] == pytest.approx([1.0] * 25)
    assert smooth([1.0, 5.0], 1) == [1.0, 5.0]


def test_curves_of_training_are_those_that_a_monitor_writes(tmp_path):
    one = Monitor(tmp_path, TrainConfig(steps=3, log_every=1), show=io.StringIO().write)
    for step in range(3):
        one.step(step, loss=1.0, rate=0.1, norm=1.0, scale=14.0, was_clamped=False, waited_s=0.0)
    assert list(read_run(tmp_path).curves) == list(TRAINED)
