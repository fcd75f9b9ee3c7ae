"""Mixtures of weights: what a run started from, what it ended with, and what lies between."""

import json

import pytest
import torch
from tiny import CLIP, make_bundle, make_state

from seesay.models.clip import build
from seesay.training import wise
from seesay.training.config import DataConfig, ModelConfig, OptimConfig, TrainConfig
from seesay.training.loop import train
from seesay.training.trainee import open_trainee


def test_a_mixture_lies_on_the_line_between():
    start, trained = make_state(CLIP, 0), make_state(CLIP, 1)
    for share, expected in ((0.0, start), (1.0, trained)):
        for name, tensor in wise.mix(start, trained, share).items():
            torch.testing.assert_close(tensor, expected[name])
    half = wise.mix(start, trained, 0.5)
    for name, tensor in half.items():
        torch.testing.assert_close(tensor, (start[name] + trained[name]) / 2)


def test_what_only_the_trained_one_has_is_kept():
    mixed = wise.mix({}, {"bias": torch.tensor(-10.0)}, 0.25)
    assert mixed == {"bias": torch.tensor(-10.0)}


def test_a_report_measures_both_ends_and_is_kept(tmp_path):
    start, trained = make_state(CLIP, 0), make_state(CLIP, 1)

    def distance(clip):
        """0 at the start, 1 at the end."""
        parts = [
            ((clip.state_dict()[name] - start[name]).norm() / (trained[name] - start[name]).norm())
            for name in ("text_projection.weight", "image_tower.patch_embedding.weight")
        ]
        return {"gained": float(sum(parts) / 2), "kept": 1 - float(sum(parts) / 2)}

    found = wise.report(build(CLIP), start, trained, distance, tmp_path)
    assert list(found) == [0.0, 0.25, 0.5, 0.75, 1.0]
    for share, numbers in found.items():
        assert numbers["gained"] == pytest.approx(share, abs=1e-5)
    assert json.loads((tmp_path / "wise.json").read_text())[1]["share"] == 0.25
    lines = wise.table(found)
    assert lines[0].split() == ["trained", "gained", "kept"]
    assert lines[-1].split() == ["100%", "1.0000", "(+1.0000)", "0.0000", "(-1.0000)"]


def test_a_run_that_started_from_a_model_reports_and_writes_the_mixture(tmp_path, pair_folder, monkeypatch):
    monkeypatch.setattr("seesay.training.trainee.export", lambda folder: None)
    make_bundle(tmp_path / "start", CLIP, "clip")
    config = TrainConfig(
        model=ModelConfig(start=str(tmp_path / "start")),
        data=DataConfig(sources=(pair_folder,), threads=1),
        optim=OptimConfig(lr=1e-3, warmup_steps=1),
        steps=3,
        batch_size=4,
        wise=0.25,
    )
    seen = []

    def evaluate(clip, trainee):
        seen.append(clip.text_projection.weight.detach().clone())
        return {"first": float(seen[-1].norm())}

    bundle = train(config, tmp_path / "run", evaluate=evaluate)
    start = open_trainee(config.model, seed=0).clip.text_projection.weight.detach()
    ends = seen[0], seen[4]
    torch.testing.assert_close(ends[0], start)
    assert not torch.equal(ends[0], ends[1])
    written = torch.from_numpy(bundle.read_weights()["text_projection.weight"].copy())
    torch.testing.assert_close(written, start.lerp(ends[1], 0.25))
    assert (tmp_path / "run" / "wise.json").is_file()
