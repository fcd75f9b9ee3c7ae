"""What we export, others load: from_pretrained and `local-dir:` give the vectors that we give."""

import dataclasses
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CLIP, SIGLIP, make_bundle, siglip_tokenizer

from seesay.base.errors import UsageError
from seesay.encoders import foreign, recipes
from seesay.encoders.ready import BundleEncoder
from seesay.encoders.selftest import make_picture
from seesay.encoders.torch import TorchBackend
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
