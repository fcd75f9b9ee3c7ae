"""From a checkpoint to a bundle: what it is, what it says of itself, and that its vectors stay the same."""

import dataclasses
import json
import warnings

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from references import inputs, ours  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from tiny import CLIP, SIGLIP, cased_tokenizer, make_bundle, make_state, siglip_tokenizer  # noqa: E402

from seesay.base.errors import BundleError, UnknownNameError, UsageError  # noqa: E402
from seesay.encoders import foreign  # noqa: E402
from seesay.encoders.bundle import Bundle  # noqa: E402
from seesay.encoders.checkpoints import hf_clip, hf_siglip, open_clip, openai  # noqa: E402
from seesay.encoders.checkpoints.convert import convert, read_checkpoint  # noqa: E402
from seesay.encoders.checkpoints.keymap import from_ours  # noqa: E402
from seesay.encoders.torch import load_clip  # noqa: E402
from seesay.inputs import openai as openai_tokenizer  # noqa: E402
from seesay.inputs.statistics import INCEPTION_MEAN, OPENAI_MEAN  # noqa: E402
from seesay.models import variants  # noqa: E402
from seesay.models.size import build_empty  # noqa: E402
from seesay.models.variants import VARIANTS, Variant  # noqa: E402

TOKENIZER = openai_tokenizer.tokenizer_json(cleans=True)  # not what the folders hold
# as OpenAI makes them: a head for 64 numbers
OPENAI = variants.clip(
    48, variants.vit(64, 32, 128, 2, 2, activation="quick_gelu"), variants.text(128, 2, activation="quick_gelu")
)
OPENAI_RESNET = variants.clip(48, variants.resnet(64, 8, (1, 2, 1, 1)), variants.text(64, 2, activation="quick_gelu"))


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(VARIANTS, "tiny", Variant(model=CLIP, family="clip"))
    gelu = CLIP | {"image": CLIP["image"] | {"activation": "gelu"}}
    monkeypatch.setitem(VARIANTS, "tiny-gelu", Variant(model=gelu, family="clip"))


@pytest.mark.parametrize("model", [OPENAI, OPENAI_RESNET])
def test_openais_shapes_say_what_the_model_is(model):
    assert openai.infer_config(from_ours("openai", make_state(model), model)) == model


@pytest.mark.parametrize(
    "name", ["RN50", "RN101", "RN50x4", "RN50x16", "RN50x64", "ViT-B-32", "ViT-B-16", "ViT-L-14-336"]
)
def test_openais_nine_are_known_by_their_shapes(name):
    model = VARIANTS[f"{name}-quickgelu"].model
    assert openai.infer_config(from_ours("openai", build_empty(model).state_dict(), model)) == model


def test_an_archive_becomes_a_bundle_with_the_same_vectors(tmp_path):
    clip = ours(OPENAI)

    class Archive(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for key, tensor in from_ours("openai", clip.state_dict(), OPENAI).items():
                *path, last = key.split(".")
                module = self
                for part in path:
                    if part not in dict(module.named_children()):
                        module.add_module(part, torch.nn.Module())
                    module = module.get_submodule(part)
                module.register_buffer(last, tensor.half())
            self.register_buffer("input_resolution", torch.tensor(64))

        def forward(self, images):
            return images

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated; OpenAI's archives are from 2021
        torch.jit.trace(Archive(), torch.zeros(1)).save(tmp_path / "tiny.pt")
    bundle = convert(tmp_path / "tiny.pt", tmp_path / "bundle", licence="MIT", storage="float16")
    assert Bundle.open(bundle.folder).id == bundle.id
    assert (bundle.name, bundle.licence, bundle.dim, bundle.model) == ("bundle", "MIT", 48, OPENAI)
    assert bundle.image.mean == OPENAI_MEAN
    assert (bundle.image.size_px, bundle.image.resize, bundle.text.context_length) == (64, "shortest", 77)
    images, tokens, mask = inputs(OPENAI)
    halves = ours(OPENAI).half().float()
    loaded = load_clip(bundle)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.embed_images(images), halves.embed_images(images))
        torch.testing.assert_close(loaded.embed_texts(tokens, mask), halves.embed_texts(tokens, mask))


@pytest.mark.parametrize(("model", "family"), [(CLIP, "clip"), (SIGLIP, "siglip")])
def test_a_folder_of_transformers_comes_back_as_it_went(tmp_path, model, family):
    bundle = make_bundle(tmp_path / "bundle", model, family, siglip_tokenizer() if family == "siglip" else None)
    foreign.write_hf(bundle, tmp_path / "hf")
    back = convert(tmp_path / "hf", tmp_path / "back")
    assert back.model == model
    rounding = "even" if family == "siglip" else "down"  # transformers cuts so, and SigLIP cuts nothing
    assert back.image == dataclasses.replace(bundle.image, crop_rounding=rounding)
    cleaner = "none" if family == "siglip" else "lower"  # SigLIP's is written into the tokenizer there
    assert back.text == dataclasses.replace(bundle.text, cleaner=cleaner)
    assert back.logit_scale == pytest.approx(bundle.logit_scale)
    assert back.logit_bias == bundle.logit_bias
    assert back.files["model.safetensors"] == bundle.files["model.safetensors"]
    if family == "clip":
        other = convert(tmp_path / "hf", tmp_path / "other", tokenizer=TOKENIZER)
        assert (other.folder / "tokenizer.json").read_bytes() == TOKENIZER


def test_a_folder_of_open_clip_comes_back_as_it_went(tmp_path):
    bundle = make_bundle(tmp_path / "bundle", CLIP, "clip")
    foreign.write_open_clip(bundle, tmp_path / "theirs")
    back = convert(tmp_path / "theirs", tmp_path / "back")
    assert (back.model, back.image, back.text) == (CLIP, bundle.image, bundle.text)
    assert back.files == bundle.files


@pytest.mark.parametrize("name", VARIANTS)
def test_open_clips_settings_are_read_as_our_variants(name):
    model = VARIANTS[name].model
    is_plain = VARIANTS[name].family == "clip"
    settings = foreign._open_clip_plain(model, {}) if is_plain else foreign._open_clip_timm(model, {})
    assert open_clip.config_from(json.loads(json.dumps(settings))) == model


def test_what_the_files_beside_the_weights_say_wins(tmp_path, tiny):
    foreign.write_open_clip(make_bundle(tmp_path / "bundle", CLIP, "clip"), tmp_path / "theirs")
    path = tmp_path / "theirs" / "open_clip_config.json"
    settings = json.loads(path.read_text())
    settings["preprocess_cfg"] |= {"mean": [0.5, 0.5, 0.5], "resize_mode": "squash", "interpolation": "bilinear"}
    path.write_text(json.dumps(settings))
    image = read_checkpoint(tmp_path / "theirs", variant="tiny").image
    assert (image.mean, image.resize, image.interpolation) == ((0.5, 0.5, 0.5), "squash", "bilinear")
    settings["preprocess_cfg"] = {}
    path.write_text(json.dumps(settings))
    image = read_checkpoint(tmp_path / "theirs", variant="tiny", statistics="inception").image
    assert (image.mean, image.resize) == (INCEPTION_MEAN, "shortest")


def test_a_file_of_weights_needs_a_variant(tmp_path, tiny):
    save_file(from_ours("open_clip", make_state(CLIP), CLIP), tmp_path / "weights.safetensors")
    with pytest.raises(UsageError, match=r"does not say what it is: .* name the variant, such as ViT-S-32"):
        convert(tmp_path / "weights.safetensors", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert convert(tmp_path / "weights.safetensors", tmp_path / "out", variant="tiny").model == CLIP
    with pytest.raises(UnknownNameError, match="no variant is called 'ViT-B32'; did you mean ViT-B-32"):
        convert(tmp_path / "weights.safetensors", tmp_path / "out", variant="ViT-B32")
    with pytest.raises(BundleError, match="these are not the weights of this architecture as open_clip names them"):
        convert(tmp_path / "weights.safetensors", tmp_path / "out", variant="ViT-S-32")


def test_a_variant_with_another_activation_than_the_checkpoint_says_is_refused(tmp_path, tiny):
    bundle = make_bundle(tmp_path / "bundle", CLIP, "clip")
    foreign.write_open_clip(bundle, tmp_path / "oc")
    foreign.write_hf(bundle, tmp_path / "hf")
    archive = from_ours("openai", make_state(CLIP), CLIP) | {"input_resolution": torch.tensor(64)}
    torch.save(archive, tmp_path / "openai.pt")
    for source in ("oc", "hf", "openai.pt"):
        convert(tmp_path / source, tmp_path / "out", variant="tiny")
        with pytest.raises(
            BundleError, match=r"is no tiny-gelu: .* image\.activation is 'quick_gelu', of the variant 'gelu'"
        ):
            convert(tmp_path / source, tmp_path / "out", variant="tiny-gelu")


def test_settings_that_we_have_not_are_named(tmp_path):
    bundle = make_bundle(tmp_path / "bundle", CLIP, "clip")
    foreign.write_open_clip(bundle, tmp_path / "theirs")
    path = tmp_path / "theirs" / "open_clip_config.json"
    good = json.loads(path.read_text())
    for changes, message in (
        ({"vision_cfg": good["model_cfg"]["vision_cfg"] | {"ls_init_value": 0.1}}, "asks for ls_init_value=0.1"),
        ({"vision_cfg": {"image_size": 64, "timm_model_name": "convnext_base", "timm_pool": "map"}}, "'convnext_base'"),
        ({"text_cfg": {"hf_model_name": "roberta-base"}}, "asks for hf_model_name='roberta-base'"),
        ({"text_cfg": {"no_causal_mask": True, "pool_type": "first"}}, "pool_type is 'first'"),
        ({"vision_cfg": None}, "describes no model that we have: its model_cfg must have the fields of a vision_cfg"),
    ):
        path.write_text(json.dumps({"model_cfg": good["model_cfg"] | changes}))
        with pytest.raises(BundleError, match=message):
            convert(tmp_path / "theirs", tmp_path / "out")
    path.write_text("[]")
    with pytest.raises(BundleError, match="is no dictionary but list"):
        convert(tmp_path / "theirs", tmp_path / "out")


def test_what_transformers_leaves_out_is_its_default():
    config = hf_clip.config_from({"model_type": "clip", "text_config": {"eos_token_id": 2}, "vision_config": {}})
    assert config == VARIANTS["ViT-B-32-quickgelu"].model
    siglip = hf_siglip.config_from({"model_type": "siglip"})
    theirs = VARIANTS["ViT-B-16-SigLIP"].model
    tanh = {"activation": "gelu_tanh"}
    assert siglip == theirs | {side: theirs[side] | tanh for side in ("image", "text")}
    with pytest.raises(BundleError, match="the activation 'silu'"):
        hf_clip.config_from({"vision_config": {"hidden_act": "silu"}})
    with pytest.raises(BundleError, match="its vision_config asks for vision_use_head=False"):
        hf_siglip.config_from({"vision_config": {"vision_use_head": False}})


def test_a_resize_filter_that_we_have_not_is_refused(tmp_path):
    foreign.write_hf(make_bundle(tmp_path / "bundle", CLIP, "clip"), tmp_path / "hf")
    path = tmp_path / "hf" / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"resample": 9}))
    with pytest.raises(BundleError, match=r"Pillow's filter 9; the filters are nearest \(0\), lanczos \(1\)"):
        convert(tmp_path / "hf", tmp_path / "out")
    old = {
        "feature_extractor_type": "CLIPFeatureExtractor",
        "size": 64,
        "crop_size": 64,
        "do_center_crop": True,
        "resample": 2,
        "image_mean": [0.1, 0.2, 0.3],
    }
    path.write_text(json.dumps(old))  # as they were written in 2021
    image = read_checkpoint(tmp_path / "hf").image
    assert (image.resize, image.interpolation, image.mean) == ("shortest", "bilinear", (0.1, 0.2, 0.3))


def test_a_vocabulary_of_its_own_needs_its_tokenizer(tmp_path, tiny, monkeypatch):
    model = CLIP | {"text": CLIP["text"] | {"vocabulary_size": 100, "end_id": 2}}
    monkeypatch.setitem(VARIANTS, "own", Variant(model=model, family="clip"))
    save_file(from_ours("open_clip", make_state(model), model), tmp_path / "weights.safetensors")
    with pytest.raises(UsageError, match="vocabulary of its own"):
        convert(tmp_path / "weights.safetensors", tmp_path / "out", variant="own")
    bundle = convert(tmp_path / "weights.safetensors", tmp_path / "out", variant="own", tokenizer=cased_tokenizer())
    assert bundle.model == model
    assert bundle.text.cleaner == "none"  # it knows capital letters
    for tokenizer, message in (
        (TOKENIZER, "makes the token 49407, and its text tower knows 100 tokens"),
        (
            cased_tokenizer(end=61),
            "at the token 2, and its tokenizer ends a text with 61; every text would",
        ),
        (b"{", "tokenizer.json is not JSON"),
    ):
        with pytest.raises(BundleError, match=message):
            convert(tmp_path / "weights.safetensors", tmp_path / "no", variant="own", tokenizer=tokenizer)
    assert not (tmp_path / "no").exists()
