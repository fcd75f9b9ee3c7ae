"""Learning classes from folders: it learns them, measures what it held out, and takes features once."""

import dataclasses
import logging

import numpy as np
import pytest
import smallest
import torch
from painting import paint

from seesay.base.errors import UsageError
from seesay.data import open_source
from seesay.data.augment import random_resized_crop, sharpened
from seesay.inputs.transform import ImageConfig, ImageTransform
from seesay.training import features, loop
from seesay.training.checkpoint import Checkpoints
from seesay.training.classes import held_out, settle
from seesay.training.config import override
from seesay.training.loop import train
from seesay.training.monitor import read_log
from seesay.training.recipes import find_recipe, shrink

COLOURS = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(loop, "write_trainee", lambda trainee, folder: trainee.bundle)
    monkeypatch.setattr("seesay.training.trainee.TINY", {})
    smallest.use()


@pytest.fixture
def photos(tmp_path):
    for name, colour in COLOURS.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(5):
            paint(tmp_path / "photos" / name / f"{number}.png", tuple(value + number for value in colour))
    return tmp_path / "photos"


def config_of(photos, *settings):
    return override(shrink(find_recipe("classes")), [f"data.sources={photos}", *settings])


def test_the_pictures_decide_the_steps(photos):
    recipe = dataclasses.replace(find_recipe("classes"), data=config_of(photos).data)
    assert settle(recipe).steps == 125  # 4,000 pictures in batches of 32
    assert settle(dataclasses.replace(recipe, batch_size=1, steps=0)).steps == 4000
    assert settle(dataclasses.replace(recipe, steps=7)).steps == 7


def test_held_out_pictures_are_said_and_not_trained_on(photos, tmp_path, caplog):
    config = config_of(photos, "steps=4", "batch_size=12")
    classes, held = held_out(config)
    assert classes == ("blue", "green", "red")
    with caplog.at_level(logging.INFO, "seesay.training"):
        train(config, tmp_path / "run")
    assert "12 pictures of 3 classes are trained on: blue 4, green 4, red 4" in caplog.text
    assert "3 pictures are held out: blue 1, green 1, red 1" in caplog.text
    assert len(held) == 3


def test_nothing_held_out_is_said(photos, tmp_path, caplog):
    for path in photos.rglob("[234].png"):
        path.unlink()
    paint(photos / "loose.png", (1, 2, 3))
    train(config_of(photos), tmp_path / "run")
    assert "no picture is held out, because no class has four or more" in caplog.text
    assert "1 pictures lie beside the folders of the classes and are left out" in caplog.text


def test_only_the_image_projection_learns(photos, tmp_path):
    config = config_of(photos, "steps=3")
    start = loop.open_trainee(config.model, seed=config.seed).clip.state_dict()
    train(config, tmp_path / "run")
    trained = Checkpoints(tmp_path / "run" / "checkpoints").read()["model"]
    moved = {name for name, tensor in trained.items() if not torch.equal(tensor, start[name])}
    assert moved == {"image_projection.weight", "log_scale"}


def test_features_computed_once_give_the_numbers_of_computing_them_each_time(photos, tmp_path, monkeypatch):
    config = config_of(photos, "steps=12", "batch_size=12", "data.augment=squash")  # the same view every time
    train(config, tmp_path / "kept")
    monkeypatch.setattr("seesay.training.runs.is_kept", lambda *given: False)
    train(config, tmp_path / "each")
    kept, each = ([line["loss"] for line in read_log(tmp_path / name)] for name in ("kept", "each"))
    np.testing.assert_allclose(kept, each, rtol=1e-4)  # batches of other sizes sum in another order


def test_features_are_not_kept_where_the_tower_learns_or_pictures_are_many(photos, pair_folder):
    config = config_of(photos, "steps=1000")
    clip = loop.open_trainee(config.model, seed=0).clip
    table = open_source(str(photos))
    assert len(table) == 15
    assert not features.is_kept(clip, [table], config)
    clip.image_tower.requires_grad_(False)
    assert features.is_kept(clip, [table], config)
    assert not features.is_kept(clip, [table], override(config, ["teacher.model=starter"]))
    assert not features.is_kept(clip, [table], override(config, ["steps=15"]))  # 15 * 8 pictures are no more than views
    assert not features.is_kept(clip, [table, open_source(pair_folder)], config)


def test_a_broken_picture_is_named_once_and_left_out(photos, tmp_path, caplog):
    (photos / "red" / "9.png").write_bytes(b"no picture")
    train(config_of(photos, "steps=8", "data.hold_out=0"), tmp_path / "run")
    assert caplog.text.count("left out") == 1
    assert "9.png" in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["loss=softmax"], "takes loss=matching, and this run has loss=softmax"),
        (["data.sources=pairs.csv"], "data.hold_out is of folders of classes"),
    ],
)
def test_what_does_not_go_together(settings, message, photos, tmp_path, monkeypatch):
    (tmp_path / "pairs.csv").write_text("image,caption\na.png,a dog\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        train(config_of(photos, *settings), tmp_path / "run")


def test_training_sharpens_what_it_enlarges_as_the_model_does():
    """A whole picture, squashed, is what the model's own transform makes of it."""
    from PIL import Image

    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    config = ImageConfig(size_px=48, resize="squash", interpolation="bicubic_sharp", mean=(0.5,) * 3, std=(0.5,) * 3)
    random = np.random.default_rng(0)
    whole = sharpened(lambda picture, size, _: np.array(picture.resize((size, size), Image.Resampling.BICUBIC)))
    np.testing.assert_array_equal(whole(noise, 48, random), ImageTransform(config)(noise))
    assert sharpened(random_resized_crop)(noise, 48, random).shape == (48, 48, 3)
