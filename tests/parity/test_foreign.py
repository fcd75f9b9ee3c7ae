"""What we export, others load: from_pretrained and `local-dir:` give the vectors that we give."""

import dataclasses
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CLIP, SIGLIP, cased_tokenizer, make_bundle, siglip_tokenizer

from seesay.base.errors import BundleError, UsageError
from seesay.encoders import foreign, recipes
from seesay.encoders.ready import BundleEncoder
from seesay.encoders.selftest import make_picture
from seesay.encoders.torch import TorchBackend
from seesay.inputs.transform import ImageTransform
from seesay.models import variants
from seesay.models.variants import VARIANTS

PICTURES = [make_picture(0, (90, 70)), make_picture(1, (300, 80)), make_picture(2, (64, 64))]
TEXTS = ["a photo of a dog", "two cats, on a beach!", "x " * 100]
NEAR = 1e-5  # float32, in another order of operations
RN = variants.clip(48, variants.resnet(64, 64, (1, 1, 1, 1)), variants.text(64, 2, activation="quick_gelu"))


@pytest.fixture(scope="module", params=["clip", "resnet", "siglip"])
def bundle(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / request.param
    if request.param == "siglip":
        return make_bundle(folder, SIGLIP, "siglip2", siglip_tokenizer())
    return make_bundle(folder, CLIP if request.param == "clip" else RN, "clip")


@pytest.fixture(scope="module")
def vectors(bundle):
    encoder = BundleEncoder(bundle, TorchBackend(bundle, device="cpu"), truncate=True)
    return encoder.encode_images(PICTURES), encoder.encode_texts(TEXTS)


def test_transformers_gives_our_vectors(transformers, bundle, vectors, tmp_path):
    if bundle.model is RN:
        pytest.skip("transformers has no CLIP with a ResNet; a test below shows that it is refused")
    foreign.write_hf(bundle, tmp_path)
    model = transformers.AutoModel.from_pretrained(tmp_path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    tokens = tokenizer(TEXTS, padding="max_length", truncation=True, return_tensors="pt")
    kind = "SiglipImageProcessorPil" if bundle.model is SIGLIP else "CLIPImageProcessorPil"
    processor = getattr(transformers, kind).from_pretrained(tmp_path)
    with torch.no_grad():
        output = model(input_ids=tokens["input_ids"], **processor(PICTURES, return_tensors="pt"))
    np.testing.assert_allclose(output.image_embeds.numpy(), vectors[0], atol=NEAR)
    np.testing.assert_allclose(output.text_embeds.numpy(), vectors[1], atol=NEAR)
    assert model.logit_scale.detach().exp().item() == pytest.approx(bundle.logit_scale)


def test_open_clip_gives_our_vectors(open_clip, bundle, vectors, tmp_path):
    if bundle.model["has_bias"]:
        pytest.skip("open_clip has SigLIP in timm's sizes only; a test below holds their settings to its own")
    foreign.write_open_clip(bundle, tmp_path)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tmp_path}")
    tokens = open_clip.get_tokenizer(f"local-dir:{tmp_path}")(TEXTS)
    with torch.no_grad():
        images = model.eval().encode_image(torch.stack([transform(image) for image in PICTURES]), normalize=True)
        texts = model.encode_text(tokens, normalize=True)
    np.testing.assert_allclose(images.numpy(), vectors[0], atol=NEAR)
    np.testing.assert_allclose(texts.numpy(), vectors[1], atol=NEAR)


def _there(bundle, to):
    """The bundle with the middle of pictures where that program begins it."""
    rounding = "down" if to == "hf" else "even"
    return dataclasses.replace(bundle, image=dataclasses.replace(bundle.image, crop_rounding=rounding))


@pytest.mark.parametrize(("model", "size_px"), [(CLIP, 96), (CLIP, 100), (RN, 96), (SIGLIP, 128)], ids=str)
@pytest.mark.parametrize("to", ["hf", "open_clip"])
def test_a_model_trained_at_another_size_is_exported_at_that_size(
    open_clip, transformers, tmp_path, model, size_px, to
):
    if (model is RN, to) == (True, "hf") or (model is SIGLIP, to) == (True, "open_clip"):
        pytest.skip("that program has no such model")
    tokenizer = siglip_tokenizer() if model is SIGLIP else None
    bundle = make_bundle(tmp_path / "bundle", model, "siglip2" if model is SIGLIP else "clip", tokenizer)
    bundle = dataclasses.replace(bundle, image=bundle.image.at_size(size_px))
    ours = BundleEncoder(_there(bundle, to), TorchBackend(bundle, device="cpu")).encode_images(PICTURES)
    if to == "hf":
        foreign.write_hf(bundle, tmp_path / "hf")
        theirs = transformers.AutoModel.from_pretrained(tmp_path / "hf").eval()
        kind = "SiglipImageProcessorPil" if model is SIGLIP else "CLIPImageProcessorPil"
        processor = getattr(transformers, kind).from_pretrained(tmp_path / "hf")
        with torch.no_grad():
            output = theirs.get_image_features(**processor(PICTURES, return_tensors="pt")).pooler_output
    else:
        foreign.write_open_clip(bundle, tmp_path / "oc")
        theirs, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tmp_path / 'oc'}")
        with torch.no_grad():
            output = theirs.eval().encode_image(torch.stack([transform(image) for image in PICTURES]))
    np.testing.assert_allclose(torch.nn.functional.normalize(output, dim=1).numpy(), ours, atol=NEAR)


@pytest.mark.parametrize("write", [foreign.write_hf, foreign.write_open_clip])
def test_an_export_that_is_another_model_is_not_kept(tmp_path, monkeypatch, write):
    bundle = make_bundle(tmp_path / "bundle", CLIP, "clip")

    def forgets(*_):  # as a writer of a new family may do one day
        return {
            name: tensor * (1.5 if "visual" in name or "vision" in name else 1) for name, tensor in written(*_).items()
        }

    written = foreign.from_ours
    monkeypatch.setattr(foreign, "from_ours", forgets)
    with pytest.raises(BundleError, match=r"read back, its image vectors are off by up to .* it was not kept"):
        write(bundle, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


EOS = CLIP | {"text": CLIP["text"] | {"vocabulary_size": 120, "end_id": 2}}


@pytest.mark.parametrize(
    ("text", "cleaner"),
    [({}, "none"), ({}, "whitespace"), ({}, "lower"), ({"pooling": "largest"}, "none")],
    ids=str,
)
def test_a_vocabulary_of_its_own_goes_to_both_programs(open_clip, transformers, tmp_path, text, cleaner):
    model = EOS | {"text": EOS["text"] | text}
    bundle = make_bundle(tmp_path / "bundle", model, "clip", cased_tokenizer())
    bundle = dataclasses.replace(bundle, text=dataclasses.replace(bundle.text, cleaner=cleaner))
    texts = ["a photo of a Cat", "EIFFEL Tower, Paris!", "two dogs"]
    expected = BundleEncoder(bundle, TorchBackend(bundle, device="cpu")).encode_texts(texts)
    foreign.write_hf(bundle, tmp_path / "hf")
    tokens = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")(texts, padding=True, return_tensors="pt")
    theirs = transformers.AutoModel.from_pretrained(tmp_path / "hf").eval()
    with torch.no_grad():
        output = theirs.get_text_features(tokens["input_ids"], attention_mask=tokens["attention_mask"]).pooler_output
    np.testing.assert_allclose(torch.nn.functional.normalize(output, dim=1).numpy(), expected, atol=NEAR)
    foreign.write_open_clip(bundle, tmp_path / "oc")
    theirs = open_clip.create_model(f"local-dir:{tmp_path / 'oc'}").eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{tmp_path / 'oc'}")(texts)
    with torch.no_grad():
        output = theirs.encode_text(tokens, normalize=True)
    np.testing.assert_allclose(output.numpy(), expected, atol=NEAR)


def test_what_is_cut_from_a_picture_goes_to_transformers_only(transformers, tmp_path):
    bundle = make_bundle(tmp_path / "bundle", CLIP, "clip")
    for index, changes in enumerate(({"resize_px": 80}, {"resize_px": 70, "resize": "squash"}, {"resize": "none"})):
        cut = dataclasses.replace(bundle, image=dataclasses.replace(bundle.image, interpolation="lanczos", **changes))
        folder = tmp_path / f"hf{index}"
        foreign.write_hf(cut, folder)
        processor = transformers.CLIPImageProcessorPil.from_pretrained(folder)
        pixels = processor([make_picture(1, (301, 90))], return_tensors="np").pixel_values[0].transpose(1, 2, 0)
        expected = ImageTransform(_there(cut, "hf").image)(make_picture(1, (301, 90)))
        np.testing.assert_allclose((pixels * cut.image.std + cut.image.mean) * 255, expected, atol=1e-3)
        bicubic = dataclasses.replace(cut, image=dataclasses.replace(cut.image, interpolation="bicubic"))
        with pytest.raises(UsageError, match="open_clip cuts nothing from a picture but what makes it a square"):
            foreign.write_open_clip(bicubic, tmp_path / "oc")


TIMM = [name for name, variant in VARIANTS.items() if variant.family != "clip"]


@pytest.mark.parametrize("name", TIMM)
def test_the_settings_for_open_clip_are_its_own(open_clip, name):
    theirs = json.loads((Path(open_clip.__file__).parent / "model_configs" / f"{name}.json").read_text())
    variant = VARIANTS[name]
    text = recipes.text_config(variant.family, variant.model["text"]["context_length"])
    is_openai = variant.family == "pe"
    tokens = {} if is_openai else {"hf_tokenizer_name": name, "tokenizer_kwargs": {"clean": text.cleaner}}
    ours = foreign._open_clip_timm(variant.model, tokens)
    ratios = [config["text_cfg"].pop("mlp_ratio", 4.0) for config in (ours, theirs)]
    width = ours["text_cfg"]["width"]
    assert int(width * ratios[0]) == int(width * ratios[1]) == variant.model["text"]["mlp_dim"]
    for side in (ours, theirs):  # where the tokenizer is from, and what is a default there
        side["text_cfg"].pop("hf_tokenizer_name", None)
        if side["text_cfg"].get("proj_type", "linear") == "linear":
            side["text_cfg"].pop("proj_type", None)
        for key, default in (("act_kwargs", {}), ("proj_bias", False)):
            if side["text_cfg"].get(key) == default:
                del side["text_cfg"][key]
    assert ours == theirs


@pytest.mark.parametrize("name", ["RN50x64", "ViT-g-14", "ViT-H-14-378-quickgelu", "ViT-bigG-14"])
def test_open_clip_reads_the_settings_of_plain_models_as_they_are_meant(open_clip, name):
    variant = VARIANTS[name]
    ours = foreign._open_clip_plain(variant.model, {})
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it initialises, which a tensor without numbers takes for an oversight
        clip = open_clip.CLIP(**ours)
    expected = foreign.from_ours("open_clip", _empty_state(variant.model), variant.model)
    got = {key: tensor.shape for key, tensor in clip.state_dict().items()}
    assert {key: tensor.shape for key, tensor in expected.items()} == got


def _empty_state(model):
    from seesay.models.size import build_empty

    return build_empty(model).state_dict()


def test_what_others_cannot_hold_is_refused(tmp_path):
    resnet = make_bundle(tmp_path / "rn", RN, "clip")
    with pytest.raises(UsageError, match="transformers' CLIPModel has no model with the towers resnet"):
        foreign.write_hf(resnet, tmp_path / "out")
    siglip = make_bundle(tmp_path / "siglip", SIGLIP, "siglip2", siglip_tokenizer())
    with pytest.raises(UsageError, match="as timm knows them, and this is none of them; export to hf"):
        foreign.write_open_clip(siglip, tmp_path / "out")
    mixed = CLIP | {"text": CLIP["text"] | {"activation": "gelu"}}
    with pytest.raises(UsageError, match="one activation for both towers"):
        foreign.write_open_clip(make_bundle(tmp_path / "mixed", mixed, "clip"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("write", "program"), [(foreign.write_hf, "transformers"), (foreign.write_open_clip, "open_clip")]
)
def test_what_only_we_have_is_refused_with_the_cure(write, program, tmp_path):
    for side in ("image", "text"):
        hidden = make_bundle(tmp_path / side, CLIP | {f"{side}_projection": "mlp"}, "clip")
        with pytest.raises(UsageError, match=f"{program} has no projection .* this model's {side} side .*--to onnx"):
            write(hidden, tmp_path / "out")
    plain = make_bundle(tmp_path / "plain", CLIP, "clip")
    sharp = dataclasses.replace(plain, image=dataclasses.replace(plain.image, interpolation="bicubic_sharp"))
    with pytest.raises(UsageError, match=f"{program} resizes with .*bilinear.* bicubic_sharp; .*--to onnx"):
        write(sharp, tmp_path / "out")
    assert not (tmp_path / "out").exists()
