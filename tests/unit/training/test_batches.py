"""Warnings of what a loss over pairs takes amiss, with the share counted by hand."""

import dataclasses
import logging
import math

import numpy as np
import pytest
from PIL import Image

from seesay.data.loader import Batch
from seesay.models import variants
from seesay.training.batches import BatchWatch
from seesay.training.config import DataConfig, ModelConfig, TrainConfig
from seesay.training.loop import train
from seesay.training.monitor import read_log


def batch(*captions):
    rows = np.zeros((len(captions), 1), np.int64)
    return Batch(rows, rows, rows, rows[:, 0], rows[:, 0], [""] * len(captions), list(captions), {})


def said(caplog, config, batches, num_examples=None):
    with caplog.at_level(logging.WARNING):
        watch = BatchWatch(config, num_examples)
        for number, each in enumerate(batches, 1):
            watch.see(each, is_last=number == len(batches))
    return caplog.text


def test_captions_that_repeat_in_a_batch_offer_the_loss_that_knows_them(caplog):
    # of 8 captions 2 + 3 stand twice or more in their own batch; "a cat" of the second batch is alone there
    batches = [batch("a dog", "A dog", "a cat", "a cow"), batch("a cat", "red", "red", "red")]
    text = said(caplog, TrainConfig(loss="softmax"), batches)
    assert "62 % of the captions stand more than once in their batch, such as 'red': loss=softmax" in text
    assert "--set loss=matching" in text


@pytest.mark.parametrize(
    ("loss", "batches"),
    [
        ("matching", [batch("red", "red")]),  # which counts them as right
        ("sigmoid", [batch("red", "blue"), batch("red", "blue")]),  # not within one batch
        ("softmax", [batch("red", "red", *map(str, range(60)))]),  # 3 %
    ],
)
def test_what_hurts_nobody_is_not_said(loss, batches, caplog):
    assert said(caplog, TrainConfig(loss=loss), batches) == ""


def test_only_the_first_batches_are_looked_at_and_it_is_said_once(caplog):
    text = said(caplog, TrainConfig(loss="softmax"), [batch("red", "red")] * 30)
    assert text.count("100 % of the captions") == 1


def test_a_batch_larger_than_the_data_is_said(caplog):
    text = said(caplog, TrainConfig(batch_size=4096), [], num_examples=2917)
    assert "a batch is of 4,096 pairs, and data.sources has 2,917" in text
    assert "counts its copies as wrong answers. Set batch_size to 2,917 or less" in text
    assert said(caplog, TrainConfig(batch_size=64), [], num_examples=64) == text  # nothing more
    caplog.clear()
    assert "wrong answers" not in said(caplog, TrainConfig(loss="matching"), [], num_examples=9)


def test_a_run_looks_at_its_batches_and_matching_knows_equal_captions(tmp_path, monkeypatch, caplog):
    for number in range(6):
        Image.new("RGB", (40, 40), (40 * number, 90, 90)).save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.txt").write_text("a thing")
    text = variants.text(64, 1, context_length=16)
    model = variants.clip(32, variants.vit(32, 16, 64, 2, 1), text)
    monkeypatch.setattr("seesay.training.trainee.TINY", {"tiny": variants.Variant(model=model, family="clip")})
    monkeypatch.setattr("seesay.training.loop.write_trainee", lambda trainee, folder: None)
    config = TrainConfig(
        model=ModelConfig(variant="tiny"), data=DataConfig(sources=(str(tmp_path),)), batch_size=8, steps=1, log_every=1
    )
    losses = {}
    for loss in ("softmax", "matching"):
        train(dataclasses.replace(config, loss=loss), tmp_path / loss, show=lambda line: None)
        losses[loss] = read_log(tmp_path / loss)[0]["loss"]
    assert "a batch is of 8 pairs, and data.sources has 6" in caplog.text
    assert caplog.text.count("100 % of the captions stand more than once") == 1
    # one text of eight that are alike gets an eighth; where all are right, nothing is lost from image to text, and from
    # text to image only what the pictures differ by
    assert losses["softmax"] > math.log(8)
    assert 0 <= losses["matching"] < 0.5
