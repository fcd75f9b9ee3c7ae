"""Temporal heads and towers: what each may and may not see of the order of frames."""

import pytest
import torch
import torch.nn.functional as F
from references import randomise

from seesay.base.errors import UsageError
from seesay.models import TEMPORAL_HEADS, variants
from seesay.models.clip import build
from seesay.models.temporal import build_head, make_config
from seesay.models.temporal_clip import VideoClip
from seesay.models.temporal_towers import shift

B, T, E, S = 2, 4, 32, 32
MODEL = variants.clip(E, variants.vit(S, 8, 64, 3, 4), variants.text(64, 1, context_length=16))
POOLED = variants.clip(64, variants.siglip_vit(S, 8, 64, 3, 4, 128, "gelu"), variants.text(64, 1)) | {
    "image_projection": "none"
}


def make_clip(tower="frames", head="mean", *, trained=False, model=MODEL, seed=0):
    torch.manual_seed(seed)
    clip = randomise(build(model), seed)
    config = make_config(clip.dim, num_frames=T, tower=tower, head=head, num_layers=2)
    video = VideoClip(clip, config)
    if trained:
        for parameter in video.temporal.parameters():
            parameter.data += 0.3 * torch.randn(parameter.shape)
    return video.eval()


def make_frames(seed=1, dim=E):
    return F.normalize(torch.randn(B, T, dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


def make_videos(seed=2):
    return torch.randn(B, T, 3, S, S, generator=torch.Generator().manual_seed(seed))


def make_trained_head(name, seed=0):
    torch.manual_seed(seed)
    head = build_head(make_config(E, num_frames=T, head=name, num_layers=2), E)
    for parameter in head.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape)
    return head


def direction(vectors):
    return F.normalize(vectors, dim=-1)


def test_there_are_heads():
    assert set(TEMPORAL_HEADS) == {"mean", "convolution", "lstm", "transformer", "class_transformer"}


@pytest.mark.parametrize("name", TEMPORAL_HEADS)
def test_a_fresh_head_points_where_the_mean_does(name):
    torch.manual_seed(0)
    head = build_head(make_config(E, num_frames=T, head=name), E)
    frames = make_frames()
    torch.testing.assert_close(direction(head(frames)), direction(frames.mean(dim=1)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", TEMPORAL_HEADS)
def test_every_weight_of_a_head_learns_within_two_steps(name):
    torch.manual_seed(0)
    head = build_head(make_config(E, num_frames=T, head=name, num_layers=2), E)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1) if list(head.parameters()) else None
    moved = {key: False for key, _ in head.named_parameters()}
    for step in range(3):
        before = {key: value.detach().clone() for key, value in head.named_parameters()}
        if optimizer is None:
            return
        optimizer.zero_grad()
        (head(make_frames(seed=step)) * torch.randn(B, E)).sum().backward()
        optimizer.step()
        moved |= {key: moved[key] or bool((value != before[key]).any()) for key, value in head.named_parameters()}
    assert all(moved.values()), moved


@pytest.mark.parametrize("name", TEMPORAL_HEADS)
def test_only_the_mean_is_blind_to_the_order(name):
    head, frames = make_trained_head(name), make_frames()
    turned = head(frames.flip(1))
    assert torch.allclose(turned, head(frames), atol=1e-5) == (name == "mean")


@pytest.mark.parametrize("name", TEMPORAL_HEADS)
def test_a_video_does_not_depend_on_its_neighbours_in_the_batch(name):
    head, frames = make_trained_head(name), make_frames()
    torch.testing.assert_close(head(frames)[1:], head(frames[1:]), rtol=0, atol=1e-5)


def test_the_convolution_blends_each_number_over_time_and_never_numbers_with_each_other():
    """ActionCLIP's reads (B, T, E) as if it were (B, E, T)."""
    head, frames = make_trained_head("convolution"), make_frames()
    before, here, after = head.blend.weight[:, 0].unbind(1)
    blended = here * frames
    blended[:, 1:] += before * frames[:, :-1]
    blended[:, :-1] += after * frames[:, 1:]
    torch.testing.assert_close(head(frames), (frames + blended).mean(dim=1), rtol=0, atol=1e-6)


def test_the_convolution_is_blind_to_the_order_within():
    head, frames = make_trained_head("convolution"), make_frames()
    swapped = frames[:, [0, 2, 1, 3]]
    torch.testing.assert_close(head(swapped), head(frames), rtol=0, atol=1e-6)


def test_the_lstm_says_nothing_of_the_past_before_it_is_read():
    head, frames = make_trained_head("lstm"), make_frames()
    said, _ = head.lstm(frames)
    changed = frames.clone()
    changed[:, -1] += 1
    again, _ = head.lstm(changed)
    torch.testing.assert_close(said[:, :-1], again[:, :-1])
    assert not torch.allclose(said[:, -1], again[:, -1])


def test_more_frames_than_positions_are_refused():
    head = make_trained_head("transformer")
    with pytest.raises(UsageError, match="positions for 77 frames, got 78"):
        head(torch.zeros(1, 78, E))


def test_a_head_behind_a_joint_tower_is_refused():
    with pytest.raises(UsageError, match="joint"):
        build_head(make_config(E, num_frames=T, tower="joint", head="lstm"), E)


def test_shift_by_hand():
    tokens = torch.arange(2 * 3 * 2 * 8, dtype=torch.float32).reshape(6, 2, 8)
    moved = shift(tokens, num_frames=3, num_prefix=1).reshape(2, 3, 2, 8)
    frames = tokens.reshape(2, 3, 2, 8)
    torch.testing.assert_close(moved[:, :, 0], frames[:, :, 0])  # the class token stays
    torch.testing.assert_close(moved[:, :, 1, 0], frames[:, [1, 2, 2], 1, 0])  # from the next, the last twice
    torch.testing.assert_close(moved[:, :, 1, 1], frames[:, [0, 0, 1], 1, 1])  # from the one before
    torch.testing.assert_close(moved[:, :, 1, 2:], frames[:, :, 1, 2:])


@pytest.mark.parametrize("tower", ["frames", "shift", "joint"])
@pytest.mark.parametrize("model", [MODEL, POOLED], ids=["class token", "pool"])
def test_pictures_are_seen_as_before(tower, model):
    video = make_clip(tower, trained=True, model=model)
    plain = randomise(build(model), 0).eval()
    videos = make_videos()
    with torch.inference_mode():
        video.embed_images(videos)  # leaves nothing behind
        torch.testing.assert_close(video.embed_images(videos[:, 0]), plain.embed_images(videos[:, 0]))


@pytest.mark.parametrize("tower", ["frames", "shift"])
def test_a_video_in_which_nothing_moves_is_its_picture(tower):
    video = make_clip(tower, "transformer")
    still = make_videos()[:, :1].expand(-1, T, -1, -1, -1)
    with torch.inference_mode():
        torch.testing.assert_close(video.embed_images(still), video.embed_images(still[:, 0]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("model", [MODEL, POOLED], ids=["class token", "pool"])
@pytest.mark.parametrize(("tower", "sees"), [("frames", False), ("shift", True), ("joint", True)])
def test_with_the_mean_as_head_only_shift_and_joint_see_the_order(tower, sees, model):
    video, videos = make_clip(tower, trained=True, model=model), make_videos()
    with torch.inference_mode():
        same = torch.allclose(video.embed_images(videos), video.embed_images(videos.flip(1)), atol=1e-4)
    assert same != sees


@pytest.mark.parametrize("tower", ["frames", "shift", "joint"])
def test_videos_do_not_look_at_each_other(tower):
    video, videos = make_clip(tower, trained=True), make_videos()
    with torch.inference_mode():
        torch.testing.assert_close(video.embed_images(videos)[1:], video.embed_images(videos[1:]), rtol=0, atol=1e-5)


def test_a_joint_tower_of_one_frame_at_time_zero_is_the_picture_tower():
    torch.manual_seed(0)
    clip = randomise(build(MODEL), 0)
    video = VideoClip(clip, make_config(E, num_frames=1, tower="joint")).eval()
    video.temporal["joint"].time_embedding.data.zero_()
    pictures = make_videos()[:, :1]
    with torch.inference_mode():
        torch.testing.assert_close(video.embed_images(pictures), video.embed_images(pictures[:, 0]), rtol=0, atol=1e-5)


def test_frame_vectors_give_what_the_frames_give():
    video, videos = make_clip("frames", "transformer", trained=True), make_videos()
    with torch.inference_mode():
        vectors = direction(video.project_frames(videos))
        torch.testing.assert_close(video.embed_images(vectors), video.embed_images(videos), rtol=0, atol=1e-5)


@pytest.mark.parametrize("tower", ["shift", "joint"])
def test_frame_vectors_are_refused_where_the_tower_needs_the_frames(tower):
    with pytest.raises(UsageError, match=tower):
        make_clip(tower).embed_images(make_frames())


def test_other_numbers_of_frames_are_refused_by_a_joint_tower():
    with pytest.raises(UsageError, match="sees 4 frames at once, got 3"):
        make_clip("joint").embed_images(make_videos()[:, :3])


@pytest.mark.parametrize("tower", ["shift", "joint"])
def test_time_inside_needs_a_vision_transformer(tower):
    resnet = variants.clip(E, variants.resnet(64, 8, (1, 1, 1, 1)), variants.text(64, 1))
    clip = build(resnet)
    with pytest.raises(UsageError, match="ModifiedResNet"):
        VideoClip(clip, make_config(E, num_frames=T, tower=tower))


def test_the_temporal_weights_are_the_only_new_ones():
    plain = set(build(MODEL).state_dict())
    for tower, head in (("frames", "lstm"), ("shift", "transformer"), ("joint", "mean")):
        names = set(make_clip(tower, head).state_dict())
        assert plain < names or (tower, head) == ("shift", "mean")
        assert all(name.startswith("temporal.") for name in names - plain)
