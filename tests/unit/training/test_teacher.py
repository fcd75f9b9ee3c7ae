"""Learning from another model: its vectors are the right ones, stored or live, and the student comes nearer."""

import dataclasses

import numpy as np
import pytest
import smallest
import torch
from encoders import COLOURS, ColourEncoder
from painting import paint
from tiny import CLIP, make_bundle

from seesay.base.errors import DataError, UsageError
from seesay.data import open_source
from seesay.data.loader import Batch
from seesay.encoders import load
from seesay.training.config import DataConfig, ModelConfig, OptimConfig, TeacherConfig, TrainConfig
from seesay.training.loop import train
from seesay.training.monitor import read_log
from seesay.training.teacher import Stored, open_teacher, store

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    for name, colour in COLOURS.items():
        for number in range(3):
            paint(folder / f"{name}-{number}.png", colour)
            (folder / f"{name}-{number}.txt").write_text(f"a picture of {name}\nall {name}")
    return folder


@pytest.fixture
def stored(pairs, tmp_path):
    assert store([open_source(str(pairs))], ColourEncoder(), tmp_path / "taught") == 0
    return tmp_path / "taught"


def batch_of(keys, captions, pixels=None):
    none = np.zeros((0, 0), np.int64)
    pixels = np.zeros((len(keys), 8, 8, 3), np.uint8) if pixels is None else pixels
    return Batch(pixels, none, none, none, none, keys, captions, {})


def test_stored_vectors_are_found_by_picture_and_by_words(pairs, stored):
    encoder = ColourEncoder()
    keys = [str(pairs / "red-1.png"), str(pairs / "blue-0.png")]
    images, texts = open_teacher(str(stored), CPU)(batch_of(keys, ["all red", "a picture of blue", "all blue"]))
    # stored as float16, so off by 5e-4 of a value
    np.testing.assert_allclose(images, encoder.encode_images(keys), atol=5e-4)
    np.testing.assert_allclose(texts, encoder.encode_texts(["red", "blue", "blue"]), atol=5e-4)
    assert torch.allclose(images.norm(dim=1), torch.ones(2), atol=1e-6)


def test_what_is_not_stored_is_an_error_that_names_it(stored):
    with pytest.raises(DataError, match=r"no vector of 'elsewhere.png': run `seesay data embed` again"):
        Stored(stored, CPU)(batch_of(["elsewhere.png"], ["all red"]))


def test_a_second_call_encodes_nothing(pairs, stored):
    encoder = ColourEncoder()
    store([open_source(str(pairs))], encoder, stored)
    assert encoder.num_pixels == 0


def test_a_call_that_was_killed_in_the_middle_of_a_row_goes_on(pairs, stored):
    for name, size in (("images.vectors", 101), ("texts.keys", 13)):
        content = (stored / name).read_bytes()
        (stored / name).write_bytes(content[:-size])
    encoder = ColourEncoder()
    store([open_source(str(pairs))], encoder, stored)
    assert encoder.num_pixels == 2  # 101 bytes are of two rows of 96
    keys = sorted(str(path) for path in pairs.glob("*.png"))
    images, _ = Stored(stored, CPU)(batch_of(keys, ["all red"]))
    np.testing.assert_allclose(images, encoder.encode_images(keys), atol=5e-4)


def test_a_bad_picture_is_counted_and_the_others_are_stored(pairs, tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    (tmp_path / "a.txt").write_text("all red")
    paint(tmp_path / "b.png", COLOURS["red"])
    (tmp_path / "b.txt").write_text("all red")
    assert store([open_source(str(tmp_path))], ColourEncoder(), tmp_path / "taught") == 1
    Stored(tmp_path / "taught", CPU)(batch_of([str(tmp_path / "b.png")], ["all red"]))


def test_the_folder_of_another_teacher_is_refused(pairs, stored):
    with pytest.raises(UsageError, match=r"holds vectors of colours@.*, not of other@.*; name another folder"):
        store([open_source(str(pairs))], ColourEncoder("other"), stored)


def test_a_folder_without_sound_facts_is_refused(stored):
    (stored / "teacher.json").write_text("{}")
    with pytest.raises(DataError, match="holds no vectors of a teacher"):
        open_teacher(str(stored), CPU)


def test_a_live_teacher_says_what_its_encoder_says(tmp_path):
    make_bundle(tmp_path / "teacher", CLIP, "clip")
    encoder = load(str(tmp_path / "teacher"), backend="torch", device="cpu")
    teacher = open_teacher(str(tmp_path / "teacher"), CPU)
    side = CLIP["image"]["image_size"]
    pixels = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    images, texts = teacher(batch_of(["", ""], ["a cat", "a very long dog"], pixels))
    torch.testing.assert_close(images, torch.from_numpy(encoder.encode_pixels(pixels)), atol=1e-5, rtol=0)
    expected = torch.from_numpy(encoder.encode_texts(["a cat", "a very long dog"]))
    torch.testing.assert_close(texts, expected, atol=1e-5, rtol=0)
    smaller, _ = teacher(batch_of(["", ""], ["a cat", "a dog"], pixels[:, : side // 2, : side // 2]))
    assert smaller.shape == images.shape


def test_a_student_comes_nearer_to_its_teacher(pairs, stored, tmp_path, monkeypatch):
    monkeypatch.setattr("seesay.training.trainee.TINY", {})
    monkeypatch.setattr("seesay.training.loop.write_trainee", lambda trainee, folder: None)
    smallest.use()
    config = TrainConfig(
        model=ModelConfig(variant="tiny"),
        data=DataConfig(sources=(str(pairs),), threads=1, augment="squash"),
        optim=OptimConfig(lr=2e-3, warmup_steps=2),
        teacher=TeacherConfig(model=str(stored), weight=1.0),
        steps=16,
        batch_size=10,
        log_every=1,
    )
    with_weight = [train_losses(config, tmp_path / "one")]
    with_weight.append(train_losses(dataclasses.replace(config, teacher=TeacherConfig()), tmp_path / "none"))
    taught, alone = with_weight
    # pictures of one colour look alike, so the pairs alone cannot tell three of them apart, and the teacher says so
    assert taught[0] > alone[0]
    assert np.mean(taught[-3:]) - np.mean(alone[-3:]) < 0.5 * (taught[0] - alone[0])


def train_losses(config, run):
    train(config, run)
    return [line["loss"] for line in read_log(run)]
