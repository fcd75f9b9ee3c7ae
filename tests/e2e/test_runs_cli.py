"""`seesay runs` through the real program, which needs no torch for it."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from seesay.training.config import TrainConfig, to_json


@pytest.fixture
def finished(tmp_path):
    for name, drop in (("runs/a", 0.1), ("runs/b", 0.05)):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(to_json(TrainConfig(recipe="toy", steps=20)))
        lines = [{"step": step, "loss": 3 - drop * step, "lr": 0.1, "seconds": 30.0} for step in range(1, 11)]
        lines.append({"step": 10, "recall@1": 0.25, "seconds": 1.0})
        (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


TABLE = [
    "run     recipe  steps    loss  best                   time",
    "runs/a  toy     10/20  2.0000  recall@1 0.2500 at 10  5 min",
    "runs/b  toy     10/20  2.5000  recall@1 0.2500 at 10  5 min",
]


def test_show_prints_the_last_numbers_and_draws_the_curves(run, finished):
    done = run("runs", "show", "runs/a", "runs/b", "--out", "both.png")
    assert done.stdout.splitlines() == TABLE
    assert done.stderr.splitlines()[-1] == "curves: both.png"  # before it matplotlib may tell of its fonts
    with Image.open(finished / "both.png") as picture:
        assert picture.width > 500


def test_no_torch_is_needed(run, finished):
    code = "import sys; sys.modules['torch'] = None; from seesay.cli import main; main()"
    command = [sys.executable, "-c", code, "runs", "show", "runs/a"]
    done = subprocess.run(command, cwd=finished, env=run.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (finished / "runs" / "a" / "curves.png").exists()


def test_list_finds_them(run, finished):
    assert run("runs", "list", "runs").stdout.splitlines() == TABLE
    found = [json.loads(line) for line in run("runs", "list", "--json").stdout.splitlines()]
    assert [(one["run"], one["step"], one["best"]["value"]) for one in found] == [
        ("runs/a", 10, 0.25),
        ("runs/b", 10, 0.25),
    ]
    assert run("runs", "list", "nowhere", code=1).stderr == "no run in nowhere\n"


def test_what_is_no_run_is_told(run, finished):
    assert "runs is no run that has begun" in run("runs", "show", "runs", code=2).stderr
    assert "should end in .png" in run("runs", "show", "runs/a", "--out", "a.svg", code=2).stderr
