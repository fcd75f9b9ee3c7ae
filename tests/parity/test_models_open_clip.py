"""Every architecture gives open_clip's vectors, from the same random weights carried over by the key map.

They have one or two layers; widths, heads and everything else that makes a size are the real ones.
"""

import json
import warnings

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from references import (  # noqa: E402
    compare,
    inputs,
    open_clip_config,
    open_clip_model,
    open_clip_vectors,
    ours,
    shrink,
    vectors,
)

from seesay.encoders.checkpoints.keymap import from_ours  # noqa: E402
from seesay.models.clip import build  # noqa: E402
from seesay.models.size import build_empty  # noqa: E402
from seesay.models.variants import VARIANTS  # noqa: E402

# float32: we measure 2e-7. GELU in its tanh form moves a vector of two layers by 2e-5 only, at a cosine of
# 0.9999999, so the usual tolerance of 1e-4 would let it pass
COSINE, DIFFERENCE = 0.999999, 2e-6


def distinct():
    """One name for each architecture that is left when pictures and depth are shrunk; of QuickGELU's one a tower."""
    names = {}
    for name, variant in VARIANTS.items():
        if not name.endswith("-quickgelu") or name in ("RN50-quickgelu", "ViT-B-32-quickgelu"):
            names.setdefault(json.dumps(shrink(variant.model)), name)
    return list(names.values())


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", distinct())
def test_vectors_are_open_clips(open_clip, name):
    config = shrink(VARIANTS[name].model)
    clip = ours(config)
    theirs = open_clip_vectors(open_clip_model(open_clip, name, config, clip), config)
    for one, other in zip(vectors(clip, config), theirs, strict=True):
        cosine, difference = compare(one, other)
        assert cosine >= COSINE
        assert difference < DIFFERENCE


@pytest.mark.parametrize("name", [name for name in VARIANTS if not name.endswith("-quickgelu")])
def test_every_weight_has_open_clips_shape_in_the_full_size(open_clip, name):
    theirs = open_clip_config(open_clip, name)
    kind = open_clip.CustomTextCLIP if theirs.pop("custom_text", False) else open_clip.CLIP
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it initialises, which a tensor without numbers takes for an oversight
        expected = kind(**theirs).state_dict()
    model = VARIANTS[name].model
    got = from_ours("open_clip", build_empty(model).state_dict(), model)
    if "init_logit_bias" in theirs:
        expected["logit_bias"] = expected["logit_scale"]
    assert {key: value.shape for key, value in got.items()} == {key: value.shape for key, value in expected.items()}


@pytest.mark.parametrize("name", ["ViT-B-32", "ViT-B-16-SigLIP", "PE-Core-T-16-384"])
def test_a_swap_that_no_shape_betrays_is_seen(open_clip, name):
    config = shrink(VARIANTS[name].model)
    clip = ours(config)
    theirs = open_clip_vectors(open_clip_model(open_clip, name, config, clip), config)
    swaps = [{"activation": "quick_gelu"}, {"activation": "gelu_tanh"}]
    if config["image"]["rotary_grid"]:
        swaps.append({"rotary_grid": 0})
    if config["image"]["pool_num_heads"]:
        swaps.append({"pool_num_heads": config["image"]["pool_num_heads"] // 2})
    for swap in [*swaps, {"num_heads": 1}]:
        other = build(config | {"image": config["image"] | swap}).eval()
        other.load_state_dict(clip.state_dict())
        assert compare(vectors(other, config)[0], theirs[0])[1] > 5 * DIFFERENCE, swap


@pytest.mark.parametrize(
    ("name", "side"), [("ViT-B-32", 6), ("RN50", 3), ("ViT-B-16-SigLIP", 3), ("PE-Core-T-16-384", 6)]
)
def test_other_picture_sizes_are_open_clips(open_clip, name, side):
    config = shrink(VARIANTS[name].model)
    clip = ours(config)
    model = open_clip_model(open_clip, name, config, clip)
    size = side * config["image"].get("patch_size", 32)
    larger = config | {"image": config["image"] | {"image_size": size}}
    if config["image"].get("pooling") == "attention":
        model.visual.set_input_size(size)
    elif name.startswith("ViT"):
        state = dict(model.state_dict())
        model = open_clip_model(open_clip, name, larger, build(larger))
        open_clip.model.resize_pos_embed(state, model)
        model.load_state_dict(state)
    else:
        pytest.skip("open_clip resizes the positions of a ViT only; the next test compares the function")
    images = inputs(larger)[0]
    with torch.inference_mode():
        cosine, difference = compare(clip.embed_images(images), model.encode_image(images, normalize=True))
    assert cosine >= COSINE
    assert difference < DIFFERENCE


@pytest.mark.parametrize("side", [4, 7])
def test_resized_positions_are_open_clips(open_clip, side):
    from types import SimpleNamespace

    from seesay.models.transformer import resize_positions

    positions = torch.randn(1 + 16, 8)
    state = {"visual.positional_embedding": positions}
    model = SimpleNamespace(visual=SimpleNamespace(grid_size=(side, side)))
    open_clip.model.resize_pos_embed(state, model)
    torch.testing.assert_close(
        resize_positions(positions, (side, side), num_prefix=1), state["visual.positional_embedding"]
    )


# a fresh model of ours against a fresh one of theirs; what we start otherwise, and why
OTHERWISE = {
    "image_projection.bias": "a ResNet's: PyTorch's default there, zero here, as a text projection's is in both",
}


@pytest.mark.parametrize("name", ["RN50", "ViT-B-32", "ViT-B-16-SigLIP"])
def test_fresh_weights_are_spread_as_open_clips(open_clip, name):
    torch.manual_seed(0)
    config = shrink(VARIANTS[name].model)
    clip = build(config)
    translated = {value.data_ptr(): key for key, value in clip.state_dict().items()}
    fresh = open_clip_model(open_clip, name, config, clip, is_fresh=True).state_dict()
    compared = 0
    for key, mine in from_ours("open_clip", clip.state_dict(), config).items():
        if "logit" in key or translated.get(mine.data_ptr()) in OTHERWISE or not mine.is_floating_point():
            continue
        theirs = fresh[key].float()
        assert mine.mean().item() == pytest.approx(
            theirs.mean().item(), abs=6 * theirs.std().item() / mine.numel() ** 0.5 + 1e-8
        )
        if mine.numel() >= 512:
            # the deviation of a sample of n is off by 1 / sqrt(2 n); five of those, and an equal share for theirs
            assert mine.std().item() == pytest.approx(
                theirs.std().item(), rel=10 / (2 * mine.numel()) ** 0.5, abs=1e-9
            ), key
            compared += 1
    assert compared > 20
