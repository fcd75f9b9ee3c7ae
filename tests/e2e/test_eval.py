"""`seesay eval`: the whole way from folders of pictures to a table, and what it says when that is not possible."""

import csv
import json

import pytest
from encoders import ColourEncoder
from painting import paint
from PIL import Image
from typer.testing import CliRunner

from seesay.base.errors import SeesayError
from seesay.cli import build_app
from seesay.cli import eval as command

COLOURS = {"red": (220, 10, 10), "green": (10, 200, 10), "blue": (10, 10, 220)}


@pytest.fixture
def classes(tmp_path):
    """Twelve pictures in a folder a class."""
    for name, colour in COLOURS.items():
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(4):
            paint(tmp_path / "set" / name / f"{name}{number}.png", colour)
    return tmp_path / "set"


@pytest.fixture
def within(classes, monkeypatch, tmp_path):
    """Run it in this process, on an encoder that knows colours; each name loads one of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("seesay.evaluation.run.cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(command, "load_encoder", lambda name: (Inverted if name == "wrong" else Hearing)(name))

    def within(*arguments):
        return CliRunner().invoke(build_app(), ["eval", *arguments])

    return within


class Hearing(ColourEncoder):
    """Does not mind the full stop of a template."""

    def encode_texts(self, texts):
        return super().encode_texts([text.rstrip(".") for text in texts])


class Inverted(Hearing):
    """Takes every picture for what is least like it."""

    def encode_texts(self, texts):
        return -super().encode_texts(texts)


def table(stdout):
    return [json.loads(line) for line in stdout.splitlines()]


def test_a_folder_of_classes_becomes_a_table_files_and_pictures(run, classes, tmp_path):
    (classes / "red" / "red0.png").write_bytes(b"no picture")
    (tmp_path / "mine.txt").write_text("a {} wall\n{}\n")
    done = run("eval", "starter", "--on", "set", "--templates", "mine.txt", "--out", "out")
    encoder, heading, first, *_ = done.stdout.splitlines()
    assert encoder.startswith("starter@")
    assert heading.split()[:4] == ["dataset", "task", "measure", "value"]
    assert first.split()[:3] == ["set", "zeroshot", "accuracy"]
    assert "red0.png cannot be read and counts as wrong" in done.stderr
    rows = list(csv.DictReader((tmp_path / "out" / "results.csv").read_text().splitlines()))
    assert {row["samples"] for row in rows} == {"12"}
    assert all(0 <= float(row["low"]) <= float(row["value"]) <= float(row["high"]) <= 1 for row in rows)
    assert "red0.png" in json.dumps(json.loads((tmp_path / "out" / "results.json").read_text())["unreadable"])
    assert (tmp_path / "out" / "results.md").exists()
    for picture in ("bars-zeroshot.png", *(path.name for path in (tmp_path / "out").glob("*.png"))):
        with Image.open(tmp_path / "out" / picture) as opened:
            assert opened.width > 300


def test_the_second_run_opens_no_picture(within, classes):
    first = within("good", "--on", f"{classes}", "--json")
    encoded = []
    original = ColourEncoder.encode_pixels
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ColourEncoder, "encode_pixels", lambda self, pixels: encoded.append(1) or original(self, pixels))
        second = within("good", "--on", f"{classes}", "--json")
    assert first.exit_code == second.exit_code == 0, first.output
    assert table(first.stdout) == table(second.stdout)
    assert not encoded


def test_an_encoder_that_knows_scores_one_and_another_is_compared_sample_by_sample(within, classes):
    done = within("good", "--on", f"{classes}", "--against", "wrong", "--json")
    assert done.exit_code == 0, done.output
    found = table(done.stdout)
    of_models = [one for one in found if "encoder" in one and one["name"] == "accuracy"]
    accuracy = {one["encoder"].partition("@")[0]: one["value"] for one in of_models}
    assert accuracy == {"good": 1, "wrong": 0}
    (difference,) = (one for one in found if "p_value" in one and one["name"] == "accuracy")
    assert difference["value"] == 1
    assert difference["p_value"] < 0.01
    assert difference["num_samples"] == 12


def test_templates_reach_every_task_that_has_sentences(within, classes, tmp_path):
    (tmp_path / "blind.txt").write_text("{} and black\n")  # the encoder hears the last word only
    chosen = ["--on", f"{classes}", "--task", "zeroshot", "--task", "calibration", "--json"]
    own, blind = within("good", *chosen), within("good", *chosen, "--templates", f"{tmp_path / 'blind.txt'}")
    assert own.exit_code == blind.exit_code == 0, blind.output
    values = [{one["name"]: one["value"] for one in table(done.stdout)} for done in (own, blind)]
    assert values[0]["accuracy"] == 1
    assert values[1]["accuracy"] == pytest.approx(1 / 3)
    assert values[0]["ece"] != values[1]["ece"]


def test_the_list_names_every_dataset_with_its_page(within):
    listed = within("list")
    assert listed.exit_code == 0
    found = table(within("list", "--json").stdout)
    assert len(found) == len(listed.stdout.splitlines()) - 1 >= 30
    assert all(one["page"].startswith("http") and one["page"] in listed.stdout for one in found)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["good"], "--on DATASET"),
        (["good", "--on", "cifar11"], "did you mean cifar10"),
        (["good", "--on", "cifar10"], "170 MB to download"),
        (["good", "--on", "no/such.tar"], "is not there"),
        (["good", "--on", "set", "--task", "zeroshoot"], "did you mean zeroshot"),
        (["good", "--on", "set", "--task", "retrieval"], "retrieval needs a dataset with captions"),
        (["good", "--on", "set", "--templates", "nothing.txt"], "name a file"),
        (["good", "--on", "set", "--templates", "bad.txt"], "without {}"),
        (["good", "--on", "set", "--on", "set"], "give one a name of your own"),
        (["good", "--on", "set", "--against", "good"], "the same model"),
        (["good", "--on", "set", "--out", "bad.txt"], "cannot be made a folder"),
        (["good", "--on", "set", "--points", "x.csv"], "--points is of no use to zeroshot"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_with_the_cure(within, classes, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "bad.txt").write_text("a photo\n")
    done = within(*arguments)
    assert isinstance(done.exception, SeesayError), done.output
    assert said in str(done.exception)
