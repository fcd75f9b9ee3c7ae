"""`seesay train` as a person runs it: alone, in several processes, and with mistakes."""

import re
import subprocess
import sys

import pytest
from painting import paint
from typer.testing import CliRunner

from seesay.cli import build_app

COLOURS = {"red": (220, 10, 10), "green": (10, 200, 10), "blue": (10, 10, 220), "grey": (90, 90, 90)}


@pytest.fixture
def pairs(tmp_path):
    for folder in ("pairs", "held-out"):
        for name, colour in COLOURS.items():
            for number in range(3):
                path = tmp_path / folder / f"{name}-{number}.png"
                path.parent.mkdir(exist_ok=True)
                paint(path, colour)
                path.with_suffix(".txt").write_text(f"all {name}")
                path = tmp_path / "classes" / name / f"{number}.png"
                path.parent.mkdir(exist_ok=True, parents=True)
                paint(path, colour)
    return tmp_path


def test_learn_from_a_teacher_measure_and_search_with_the_result(run, pairs):
    run("data", "embed", "pairs", "--model", "starter", "--to", "taught")
    settings = [part for each in ("data.sources=pairs", "teacher.model=taught") for part in ("--set", each)]
    done = run("train", "tiny", "--tiny", *settings, "--out", "run", "--held-out", "held-out", "--zero-shot", "classes")
    assert "step 2/2  loss" in done.stderr
    assert "text_to_image_recall@1" in done.stderr
    assert "zero_shot_accuracy" in done.stderr
    assert done.stdout.startswith("tiny@")
    run("index", "pairs", "--model", "run/model")
    assert run("search", "all red", "--model", "run/model").stdout.count("pairs/") >= 1
    assert "loss" in run("runs", "show", "run").stdout


def test_the_starter_learns_classes_and_names_pictures_by_them(run, tmp_path):
    for name, colour in (("Quilby", (220, 10, 10)), ("Zorbax_40", (10, 10, 220))):
        (tmp_path / "products" / name).mkdir(parents=True)
        for number in range(5):
            paint(tmp_path / "products" / name / f"{number}.png", tuple(max(0, value - 4 * number) for value in colour))
    settings = [part for each in ("data.sources=products", "steps=20", "batch_size=8") for part in ("--set", each)]
    done = run("train", "classes", *settings, "--out", "run")
    assert "8 pictures of 2 classes are trained on: Quilby 4, Zorbax 40 4" in done.stderr
    found = re.search(r"held-out pictures with the right class first: (\d) before, 2 now, of 2", done.stdout)
    assert found, done.stdout
    assert "--labels-file run/labels.txt" in done.stderr
    picture = "products/Zorbax_40/0.png"
    said = run("classify", picture, "--model", "run/model", "--labels-file", "run/labels.txt", "--top", "1").stdout
    assert said.endswith("Zorbax 40\n")


def test_two_processes_through_torchrun(run, pairs):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "seesay"]
    command += ["train", "tiny", "--tiny", "--set", "data.sources=pairs", "--out", "run", "--held-out", "held-out"]
    environment = {**run.environment, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=pairs, env=environment, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("tiny@") == 1
    assert done.stderr.count("step 2/2  loss") == 1
    assert "stopped" not in done.stderr
    assert (pairs / "run" / "model" / "config.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tinny", "--out", "run"], "no recipe is called 'tinny'; did you mean tiny"),
        (["tiny", "--out", "run", "--set", "optim.lrr=1"], "no setting is called 'optim.lrr'; did you mean optim.lr"),
        (["tiny", "--out", "run", "--set", "optim.lr=fast"], "optim.lr cannot be 'fast'; it takes a number from 0"),
        (["tiny", "--out", "run", "--set", "optim.lr"], "--set takes name=value"),
        (["tiny", "--out", "run", "--set", "data.sources=a-{0..2}.tar"], "3 of 3 shards are not there: a-0.tar"),
        (
            ["tiny", "--out", "run", "--set", "data.sources=htpp://b/a.tar"],
            "nothing reads htpp://; did you mean http://",
        ),
        (["tiny", "--out", "run", "--set", "seed=-1"], "seed cannot be '-1'; it takes a whole number from 0"),
        (["lora_finetune", "--out", "run", "--set", "data.sources=."], "model.lora_rank and wise below 1 keep weights"),
        (["tiny", "--out", "run"], "there is nothing to train on"),
        (["tiny"], "name the folder of the run with --out"),
    ],
)
def test_mistakes_are_named_with_the_cure(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(build_app(), ["train", *arguments])
    assert message in str(result.exception)
    assert not (tmp_path / "run" / "model").exists()
