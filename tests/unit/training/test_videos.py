"""Training on videos: through the same loop, from the frames or from stored vectors."""

import dataclasses
import shutil

import numpy as np
import pytest
import smallest
import torch
from clips import LABELS, draw_clip, make_clips

from seesay.base.errors import InputError, UsageError
from seesay.data.videos import open_videos
from seesay.encoders import load
from seesay.encoders.bundle import Bundle
from seesay.encoders.temporal import load_video_clip
from seesay.encoders.torch import load_clip
from seesay.encoders.video import TEMPORAL
from seesay.training.config import (
    DataConfig,
    ModelConfig,
    OptimConfig,
    SaveConfig,
    TrainConfig,
    VideoConfig,
    override,
)
from seesay.training.live import HeldOutVideos, LiveModel
from seesay.training.loop import train
from seesay.training.losses.world import World
from seesay.training.monitor import read_log
from seesay.training.runs import open_loader
from seesay.training.state import State
from seesay.training.trainee import open_trainee
from seesay.training.videos import FrameVectors


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("seesay.training.trainee.export", lambda folder: None)
    monkeypatch.setattr("seesay.training.trainee.export_temporal", lambda bundle: None)
    monkeypatch.setattr("seesay.training.trainee.TINY", {})
    smallest.use()


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return make_clips(tmp_path_factory.mktemp("clips"), count=6)


def config_of(clips, **video):
    return TrainConfig(
        model=ModelConfig(variant="tiny", video=VideoConfig(**{"num_frames": 4, "num_layers": 1, **video})),
        data=DataConfig(sources=(clips,), threads=2, flip=False),
        optim=OptimConfig(lr=3e-4, warmup_steps=2),
        save=SaveConfig(every_steps=100),
        loss="matching",
        steps=4,
        batch_size=4,
        log_every=1,
    )


def with_vectors(config, bundle, folder):
    return dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, start=str(bundle.folder)),
        data=dataclasses.replace(config.data, vectors=str(folder)),
    )


WAYS = [("frames", "lstm"), ("shift", "transformer"), ("joint", "mean")]


@pytest.mark.parametrize(("tower", "head"), WAYS)
def test_a_run_becomes_a_video_model_with_the_trained_weights(tower, head, clips, tmp_path):
    seen = {}

    def evaluate(clip, trainee):
        seen.update({name: tensor.clone() for name, tensor in clip.state_dict().items()})
        return {"number": 1.0}

    bundle = train(config_of(clips, tower=tower, head=head), tmp_path / "run", evaluate=evaluate)
    assert (bundle.folder / TEMPORAL).is_file()
    ours = load_video_clip(bundle).state_dict()
    assert ours.keys() == seen.keys()
    for name, tensor in seen.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-6, atol=1e-6)


def test_stopping_and_going_on_gives_the_same_bits(clips, tmp_path):
    config = config_of(clips)
    whole, part = tmp_path / "whole", tmp_path / "part"
    train(config, whole)
    half = override(config, ["save.every_steps=2"])
    train(half, part)
    shutil.rmtree(part / "model")
    (part / "checkpoints" / "step-00000004.pt").unlink()
    train(half, part)
    one, other = (load_video_clip(Bundle.open(run / "model")).state_dict() for run in (whole, part))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_batch_in_parts_moves_the_weights_as_a_whole_one_does(clips):
    moved = []
    for micro in (0, 2):
        config = override(config_of(clips), [f"micro_batch={micro}"])
        state = State(config, torch.device("cpu"), World())
        state.train_mode()
        batches = iter(open_loader(config, state.trainee, World(), None))
        batch = next(batches)
        batches.close()
        state.gradients(batch)
        moved.append(
            {name: value.grad.clone() for name, value in state.clip.named_parameters() if value.grad is not None}
        )
    for name in moved[0]:
        torch.testing.assert_close(moved[0][name], moved[1][name], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("is_alone", [True, False])
def test_with_stored_vectors_the_image_tower_stays(is_alone, clips, tiny_bundle, tmp_path):
    config = with_vectors(config_of(clips, is_alone=is_alone), tiny_bundle, tmp_path / "vectors")
    bundle = train(config, tmp_path / "run")
    before, after = load_clip(tiny_bundle).state_dict(), load_clip(bundle).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any(name.startswith("image_") for name in changed)
    assert any(name.startswith("text_") for name in changed) != is_alone
    assert len(list((tmp_path / "vectors").rglob("*.npy"))) == 12
    assert len(read_log(tmp_path / "run")) == 4


def test_of_a_model_whose_towers_stay_pictures_and_texts_are_seen_as_before(clips, tiny_bundle, tmp_path):
    config = with_vectors(config_of(clips, is_alone=True), tiny_bundle, tmp_path / "vectors")
    bundle = train(config, tmp_path / "run")
    before, after = load_clip(tiny_bundle).state_dict(), load_clip(bundle).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert bundle.id == tiny_bundle.id
    pictures = draw_clip(LABELS[0])
    one, other = load(str(bundle.folder)), load(str(tiny_bundle.folder))  # with its graphs
    np.testing.assert_array_equal(one.encode_images(pictures), other.encode_images(pictures))


def test_a_locked_text_tower_stays(clips, tiny_bundle, tmp_path):
    config = with_vectors(config_of(clips), tiny_bundle, tmp_path / "vectors")
    bundle = train(override(config, ["model.lock_text=true"]), tmp_path / "run")
    before, after = load_clip(tiny_bundle).state_dict(), load_clip(bundle).state_dict()
    texts = [name for name in before if name.startswith("text_")]
    assert texts
    assert all(torch.equal(before[name], after[name]) for name in texts)


def test_nothing_of_the_trained_weights_is_the_zero_shot_answer(clips, tiny_bundle, tmp_path):
    """WiSE-FT at share 0 is the untouched CLIP: its temporal part starts as the mean."""
    config = override(with_vectors(config_of(clips), tiny_bundle, tmp_path / "vectors"), ["wise=0"])
    mixed = load_video_clip(train(config, tmp_path / "run"))
    frames = load(str(tiny_bundle.folder)).encode_images(draw_clip(LABELS[1])[::2])
    with torch.inference_mode():
        got = mixed.embed_images(torch.from_numpy(frames)[None])[0].numpy()
    mean = frames.mean(axis=0)
    np.testing.assert_allclose(got, mean / np.linalg.norm(mean), atol=1e-5)


def test_a_video_with_several_labels_matches_the_texts_of_all_of_them(tmp_path):
    root = tmp_path / "Charades"
    root.mkdir()
    (root / "Charades_v1_classes.txt").write_text("c000 walking\nc001 waving\nc002 eating\n")
    shown = {"A": "c000 0 1;c001 0 1", "B": "c001 0 1;c002 1 2", "C": "c002 0 1", "D": "c000 0 1"}
    lines = [f'{name},"{actions}"' for name, actions in shown.items()]
    (root / "Charades_v1_train.csv").write_text("\n".join(["id,actions", *lines]))
    for number, name in enumerate(shown):
        (root / "Charades_v1_rgb" / name).mkdir(parents=True)
        for place, frame in enumerate(draw_clip(LABELS[0], number)):
            frame.save(root / "Charades_v1_rgb" / name / f"{name}-{place}.png")
    config = config_of(f"charades:{root}#train")
    state = State(config, torch.device("cpu"), World())
    batches = iter(open_loader(config, state.trainee, World(), None))
    batch = next(batches)
    batches.close()
    matches = (batch.image_labels[:, :, None] == batch.text_groups).any(axis=1)
    assert matches.diagonal().all()
    codes = {"c000": "walking", "c001": "waving", "c002": "eating"}
    for key, row in zip(batch.keys, matches, strict=True):
        names = [name for code, name in codes.items() if code in shown[key[-1]]]
        assert row.tolist() == [any(name in caption for name in names) for caption in batch.captions]
    assert train(config, tmp_path / "run") is not None


def test_a_stored_vector_is_that_of_its_frame_and_is_made_once(clips, tiny_bundle, tmp_path):
    encoder = load(str(tiny_bundle.folder))
    vectors = FrameVectors(encoder, tmp_path / "vectors", num_frames=4, num_stored=8)
    video = open_videos(clips).videos[0].path
    frames = sorted(video.iterdir())
    got = vectors(video, np.random.default_rng(0))
    every = encoder.encode_images(frames)
    cosines = got @ every.T
    assert [row // 2 for row in cosines.argmax(axis=1)] == [0, 1, 2, 3]  # one of each part
    assert cosines.max(axis=1).min() > 0.999
    again = FrameVectors(encoder, tmp_path / "vectors", num_frames=4, num_stored=8)
    again._encoder = None  # nothing is made anew
    np.testing.assert_array_equal(again(video, np.random.default_rng(0)), got)


def test_vectors_of_another_model_are_refused(clips, tiny_bundle, tmp_path):
    encoder = load(str(tiny_bundle.folder))
    FrameVectors(encoder, tmp_path, num_frames=4)
    with pytest.raises(UsageError, match="name another folder"):
        FrameVectors(encoder, tmp_path, num_frames=4, num_stored=64)


def test_a_video_that_is_gone_is_an_input_error(tiny_bundle, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        FrameVectors(load(str(tiny_bundle.folder)), tmp_path, num_frames=4)(
            tmp_path / "no.mp4", np.random.default_rng(0)
        )


def test_held_out_videos_are_read_once_where_the_image_tower_stays(clips, tiny_bundle, tmp_path):
    config = ModelConfig(start=str(tiny_bundle.folder), video=VideoConfig(num_frames=4, num_layers=1))
    trainee = open_trainee(config, seed=0)
    trainee.clip.eval()
    videos, path = HeldOutVideos(), open_videos(clips).videos[0].path
    pixels = videos.reader(trainee.clip, trainee)(path)
    assert pixels.shape == (4, 64, 64, 3)
    for parameter in trainee.clip.parameters():
        parameter.requires_grad_(False)
    vectors = videos.reader(trainee.clip, trainee)(path)
    assert vectors.shape == (4, 48)
    model = LiveModel(trainee.clip, trainee)
    np.testing.assert_allclose(model.encode_pixels([pixels]), model.encode_pixels([vectors]), atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (["model.video.num_frames=0"], "need model.video.num_frames"),
        (["data.vectors=somewhere"], "name it with model.start"),
        (
            ["data.vectors=somewhere", "model.start=starter", "model.video.tower=joint"],
            "looks at the frames themselves",
        ),
        (["teacher.model=starter"], "a teacher sees pictures"),
        (["model.patch_dropout=0.5", "model.video.tower=shift", "model.video.head=mean"], "patch_dropout"),
        (["model.video.tower=joint"], "must be"),
    ],
)
def test_what_does_not_go_together_is_refused(settings, reason, clips, tmp_path):
    with pytest.raises(UsageError, match=reason):
        train(override(config_of(clips), settings), tmp_path / "run")


def test_going_on_from_a_video_model_keeps_its_temporal_weights(clips, tiny_bundle, tmp_path):
    first = train(with_vectors(config_of(clips), tiny_bundle, tmp_path / "vectors"), tmp_path / "first")
    config = ModelConfig(start=str(first.folder), video=VideoConfig(num_frames=4, num_layers=1))
    ours, theirs = open_trainee(config, seed=5).clip.state_dict(), load_video_clip(first).state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    with pytest.raises(UsageError, match="ask for what is there"):
        open_trainee(dataclasses.replace(config, video=VideoConfig(num_frames=8)), seed=0)
