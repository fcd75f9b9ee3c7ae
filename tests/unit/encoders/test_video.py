"""An encoder that takes videos."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from clips import draw_clip, write_video
from encoders import ColourEncoder
from PIL import Image

from seesay.base.errors import BundleError, InputError, UsageError
from seesay.cli.export import export
from seesay.encoders import load
from seesay.encoders.bundle import Bundle, copy_bundle
from seesay.encoders.temporal import copy_temporal, export_temporal, load_video_clip, write_temporal
from seesay.encoders.torch import load_clip
from seesay.encoders.video import TEMPORAL, TEMPORAL_GRAPH, OnnxTemporal, VideoEncoder, as_video_encoder
from seesay.encoders.weights import in_8_bits
from seesay.models.temporal import make_config
from seesay.models.temporal_clip import VideoClip

FRAMES = draw_clip("moving right", num_frames=8, size=64)


def make_video_model(tiny_bundle, folder, *, head="transformer", tower="frames", seed=0):
    """A copy of a bundle with a temporal part of random weights."""
    shutil.copytree(tiny_bundle.folder, folder)
    bundle = Bundle.open(folder)
    torch.manual_seed(seed)
    clip = VideoClip(load_clip(bundle), make_config(bundle.dim, num_frames=4, head=head, tower=tower, num_layers=1))
    for parameter in clip.temporal.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape)
    write_temporal(bundle, clip.temporal_config, clip.state_dict())
    return as_video_encoder(load(str(folder)))


def test_without_training_a_video_is_the_unit_mean_of_its_frames():
    encoder = ColourEncoder()
    mean = encoder.encode_images(FRAMES).mean(axis=0)
    got = VideoEncoder(encoder, num_frames=8).encode_video(FRAMES)
    np.testing.assert_allclose(got, mean / np.linalg.norm(mean), atol=1e-6)


def test_a_file_a_folder_and_its_frames_are_one_video(tmp_path):
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(FRAMES):
        frame.save(tmp_path / "frames" / f"{number}.png")
    encoder = VideoEncoder(ColourEncoder())
    of_file = encoder.encode_video(write_video(tmp_path / "clip.mp4", FRAMES))
    of_folder, of_list = encoder.encode_videos([tmp_path / "frames", FRAMES])
    np.testing.assert_allclose(of_folder, of_list, atol=1e-6)
    np.testing.assert_allclose(of_file, of_list, atol=0.03)  # H.264 changes colours a little


@pytest.mark.parametrize(("views", "crops"), [(1, 3), (3, 1), (10, 3)])
def test_of_a_still_square_every_view_and_crop_is_the_same(views, crops):
    still = [FRAMES[0]] * 4
    one = VideoEncoder(ColourEncoder()).encode_video(still)
    many = VideoEncoder(ColourEncoder(), num_views=views, num_crops=crops).encode_video(still)
    np.testing.assert_allclose(many, one, atol=1e-6)


def test_ten_views_look_at_ten_times_as_many_frames_and_three_crops_at_three_times(tmp_path):
    video = write_video(tmp_path / "clip.mp4", draw_clip("moving left", num_frames=20, size=64))
    encoder = ColourEncoder()
    VideoEncoder(encoder, num_frames=2, num_views=10, num_crops=3).encode_video(video)
    assert encoder.num_pixels == 2 * 10 * 3


def test_ids_tell_apart_what_gives_other_vectors():
    encoder = ColourEncoder()
    ids = {
        VideoEncoder(encoder, num_frames=frames, num_views=views, num_crops=crops).id
        for frames in (4, 8)
        for views in (1, 10)
        for crops in (1, 3)
    }
    assert len(ids) == 8


def test_a_video_without_frames_is_an_input_error():
    with pytest.raises(InputError, match="no frames"):
        VideoEncoder(ColourEncoder()).encode_video([])


def test_no_video_gives_no_row():
    assert VideoEncoder(ColourEncoder()).encode_videos([]).shape == (0, 48)


@pytest.mark.parametrize(("tower", "head"), [("frames", "transformer"), ("shift", "mean"), ("joint", "mean")])
def test_a_trained_temporal_part_is_used_and_sees_the_order(tower, head, tiny_bundle, tmp_path):
    encoder = make_video_model(tiny_bundle, tmp_path / "model", head=head, tower=tower)
    forth, back = encoder.encode_videos([FRAMES, FRAMES[::-1]])
    np.testing.assert_allclose(np.linalg.norm([forth, back], axis=1), 1, atol=1e-5)
    assert np.abs(forth - back).max() > 1e-3
    clip = load_video_clip(encoder.encoder.bundle)
    pixels = np.stack([encoder.encoder.transform(FRAMES[place]) for place in (1, 3, 5, 7)])
    image = encoder.encoder.bundle.image
    mean, std = (torch.tensor(each).reshape(3, 1, 1) for each in (image.mean, image.std))
    with torch.inference_mode():
        videos = (torch.from_numpy(pixels).movedim(-1, -3)[None] / 255 - mean) / std
        expected = clip.embed_images(videos)[0].numpy()
    np.testing.assert_allclose(forth, expected, atol=1e-4)


@pytest.mark.parametrize("head", ["convolution", "lstm", "transformer", "class_transformer"])
def test_a_graph_gives_what_torch_gives_and_needs_none(head, tiny_bundle, tmp_path):
    by_torch = make_video_model(tiny_bundle, tmp_path / "model", head=head)
    assert export_temporal(by_torch.encoder.bundle)
    by_graph = as_video_encoder(by_torch.encoder)
    assert isinstance(by_graph._temporal, OnnxTemporal)
    videos = [FRAMES, FRAMES[::-1]]
    np.testing.assert_allclose(by_graph.encode_videos(videos), by_torch.encode_videos(videos), atol=1e-5)
    if head == "transformer":
        FRAMES[0].save(tmp_path / "still.png")
        code = (
            "import sys, seesay; from seesay.encoders.video import as_video_encoder;"
            f"as_video_encoder(seesay.load({str(tmp_path / 'model')!r})).encode_video({str(tmp_path / 'still.png')!r});"
            "sys.exit('torch' in sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


def test_a_graph_of_other_weights_is_refused(tiny_bundle, tmp_path):
    encoder = make_video_model(tiny_bundle, tmp_path / "model", head="convolution")
    export_temporal(encoder.encoder.bundle)
    graph = (tmp_path / "model" / TEMPORAL_GRAPH).read_bytes()
    clip = load_video_clip(encoder.encoder.bundle)
    clip.temporal["head"].blend.weight.data += 1
    write_temporal(encoder.encoder.bundle, clip.temporal_config, clip.state_dict())
    assert not (tmp_path / "model" / TEMPORAL_GRAPH).exists()
    (tmp_path / "model" / TEMPORAL_GRAPH).write_bytes(graph)
    with pytest.raises(BundleError, match="made for other weights"):
        as_video_encoder(load(str(tmp_path / "model")))


@pytest.mark.parametrize(("tower", "head"), [("shift", "transformer"), ("joint", "mean"), ("frames", "mean")])
def test_what_needs_the_frames_or_no_weights_has_no_graph(tower, head, tiny_bundle, tmp_path):
    encoder = make_video_model(tiny_bundle, tmp_path / "model", head=head, tower=tower)
    assert not export_temporal(encoder.encoder.bundle)


def test_for_pictures_and_texts_a_video_model_is_the_bundle_it_was(tiny_bundle, tmp_path):
    encoder = make_video_model(tiny_bundle, tmp_path / "model")
    plain = load(str(tiny_bundle.folder))
    np.testing.assert_array_equal(encoder.encoder.encode_images(FRAMES), plain.encode_images(FRAMES))
    np.testing.assert_array_equal(encoder.encode_texts(["a cat"]), plain.encode_texts(["a cat"]))
    assert encoder.encoder.id == plain.id
    assert encoder.id != as_video_encoder(plain).id


def test_a_bundle_without_a_temporal_part_gives_the_mean(tiny_bundle):
    encoder = as_video_encoder(load(str(tiny_bundle.folder)), num_frames=4)
    mean = load(str(tiny_bundle.folder)).encode_images([FRAMES[place] for place in (1, 3, 5, 7)]).mean(axis=0)
    np.testing.assert_allclose(encoder.encode_video(FRAMES), mean / np.linalg.norm(mean), atol=1e-5)


def test_a_temporal_part_of_other_towers_is_refused(tiny_bundle, tmp_path):
    make_video_model(tiny_bundle, tmp_path / "model")
    path = tmp_path / "model" / TEMPORAL
    facts = json.loads(path.read_text())
    facts["files"]["model.safetensors"] = "0" * 64
    path.write_text(json.dumps(facts))
    with pytest.raises(BundleError, match="not the one that"):
        as_video_encoder(load(str(tmp_path / "model"))).encode_video(FRAMES)


@pytest.mark.parametrize(
    ("content", "reason"),
    [("{", "cannot be read"), ('{"tower": "frames"}', "lacks head"), ("[]", "lacks a dictionary")],
)
def test_a_temporal_part_that_cannot_be_read_is_said(content, reason, tiny_bundle, tmp_path):
    shutil.copytree(tiny_bundle.folder, tmp_path / "model")
    (tmp_path / "model" / TEMPORAL).write_text(content)
    with pytest.raises(BundleError, match=reason):
        as_video_encoder(load(str(tmp_path / "model")))


def test_a_picture_is_a_video_in_which_nothing_moves(tmp_path):
    FRAMES[0].save(tmp_path / "still.png")
    encoder = VideoEncoder(ColourEncoder())
    rows = encoder.encode_videos(
        [FRAMES[0], tmp_path / "still.png", (tmp_path / "still.png").read_bytes(), [Image.open(tmp_path / "still.png")]]
    )
    np.testing.assert_allclose(rows, rows[[0]].repeat(4, axis=0), atol=1e-6)


def test_a_video_model_in_8_bits_keeps_its_temporal_part(tiny_bundle, tmp_path):
    whole = make_video_model(tiny_bundle, tmp_path / "model", head="class_transformer")
    export(str(tmp_path / "model"), out=tmp_path / "small", int8=True)
    small = as_video_encoder(load(str(tmp_path / "small")))
    assert isinstance(small._temporal, OnnxTemporal)
    forth, back = small.encode_videos([FRAMES, FRAMES[::-1]])
    assert np.abs(forth - back).max() > 1e-3
    assert (forth * whole.encode_video(FRAMES)).sum() > 0.97


def test_a_copy_in_8_bits_keeps_a_joint_tower(tiny_bundle, tmp_path):
    bundle = make_video_model(tiny_bundle, tmp_path / "model", head="mean", tower="joint").encoder.bundle
    copied = copy_bundle(bundle, tmp_path / "small", storage=in_8_bits(bundle.read_weights()))
    copy_temporal(bundle, copied)
    theirs, ours = (load_video_clip(each).temporal.state_dict() for each in (bundle, copied))
    assert theirs
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)


@pytest.mark.parametrize("to", ["hf", "open_clip"])
def test_a_format_without_a_place_for_the_temporal_part_is_refused(to, tiny_bundle, tmp_path):
    make_video_model(tiny_bundle, tmp_path / "model")
    with pytest.raises(UsageError, match=f"{to} has no place for its temporal part .* --to onnx keeps it"):
        export(str(tmp_path / "model"), to=to, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
