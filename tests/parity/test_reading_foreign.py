"""What others write, we load: their folders give the vectors here that they give there, in search and in training."""

import json
import warnings

import numpy as np
import pytest
import tokenizers

torch = pytest.importorskip("torch", reason="torch is not installed")

from safetensors.torch import save_file  # noqa: E402
from tiny import CASED_SETTINGS, SIGLIP, cased_tokenizer, make_bundle, siglip_tokenizer  # noqa: E402

from seesay.base.errors import BundleError  # noqa: E402
from seesay.encoders import foreign  # noqa: E402
from seesay.encoders.checkpoints import open_clip as open_clip_source  # noqa: E402
from seesay.encoders.checkpoints import processor  # noqa: E402
from seesay.encoders.checkpoints.convert import convert  # noqa: E402
from seesay.encoders.export import export  # noqa: E402
from seesay.encoders.ready import BundleEncoder  # noqa: E402
from seesay.encoders.selftest import make_picture  # noqa: E402
from seesay.encoders.torch import TorchBackend, load_clip  # noqa: E402
from seesay.inputs import openai  # noqa: E402
from seesay.inputs.tokenizer import Tokenizer  # noqa: E402
from seesay.inputs.transform import ImageTransform  # noqa: E402

NEAR = 2e-6  # float32, in another order of operations
TEXTS = ["a photo of a cat", "A photo of a Cat", "EIFFEL Tower, Paris!", "two   dogs", "café &amp; co"]
PICTURES = [
    make_picture(0, (90, 91)),
    make_picture(1, (300, 151)),
    make_picture(2, (64, 64)),
    make_picture(3, (97, 64)),
]


def unit(tensor):
    return torch.nn.functional.normalize(tensor, dim=-1).detach().numpy()


def randomise(model):
    for index, (name, tensor) in enumerate(model.state_dict().items()):
        if tensor.is_floating_point() and not name.endswith("attn_mask"):
            noise = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(index))
            tensor.copy_(noise * 0.2 + ("norm" in name or "ln_" in name) * name.endswith("weight"))
    return model.eval()


def encoder_of(folder, out):
    bundle = convert(folder, out)
    return BundleEncoder(bundle, TorchBackend(bundle, device="cpu"), truncate=True)


def training_vectors(encoder, texts):
    """As a training step reads them: padded rows, one pass of the whole tower."""
    bundle = encoder.bundle
    tokens = Tokenizer(bundle.folder / "tokenizer.json", bundle.text)(texts, truncate=True)
    with torch.inference_mode():
        return load_clip(bundle).embed_texts(*map(torch.from_numpy, tokens)).numpy()


def write_json(path, content):
    path.write_text(json.dumps(content))


# -- texts


def open_clip_folder(open_clip, folder, text_cfg, tokenizer):
    """A folder as open_clip writes it, and its model."""
    folder.mkdir()
    plain = {"context_length": 32, "width": 64, "heads": 1, "layers": 2}
    config = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": plain | text_cfg,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = randomise(open_clip.CLIP(**json.loads(json.dumps(config))))
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items() if "attn_mask" not in name}
    save_file(state, folder / "open_clip_model.safetensors")
    write_json(folder / "open_clip_config.json", {"model_cfg": config, "preprocess_cfg": {}})
    if tokenizer is not None:
        (folder / "tokenizer.json").write_bytes(tokenizer)
        write_json(folder / "tokenizer_config.json", CASED_SETTINGS)
    return model


OWN = {"vocab_size": 120, "hf_tokenizer_name": "own", "pool_type": "eos", "eos_id": 2}


@pytest.mark.parametrize(
    ("text_cfg", "end"),
    [
        (OWN, 2),
        (OWN | {"tokenizer_kwargs": {"clean": "whitespace"}}, 2),
        (OWN | {"tokenizer_kwargs": {"clean": "lower"}}, 2),
        (OWN | {"tokenizer_kwargs": {"clean": "canonicalize"}}, 2),
        (OWN | {"tokenizer_kwargs": {"clean": "whitespace", "strip_sep_token": False}, "tokenizer_mode": None}, 2),
        (OWN | {"pool_type": "argmax"}, 2),  # read at the largest number, wherever that is
        (OWN | {"pool_type": "argmax"}, 61),
        ({}, None),
        ({"tokenizer_kwargs": {"clean": "canonicalize", "reduction_mask": "simple"}, "context_length": 12}, None),
        ({"tokenizer_kwargs": {"clean": "whitespace"}, "vocab_size": 49_500}, None),
        (OWN | {"norm_kwargs": {"eps": 1e-3}, "act_kwargs": {"approximate": "tanh"}, "final_ln_after_pool": True}, 2),
    ],
    ids=str,
)
def test_a_text_is_read_as_in_open_clip_when_searching_and_when_training(open_clip, tmp_path, text_cfg, end):
    tokenizer = None if end is None else cased_tokenizer(end=end)
    model = open_clip_folder(open_clip, tmp_path / "theirs", text_cfg, tokenizer)
    tokens = open_clip.get_tokenizer(f"local-dir:{tmp_path / 'theirs'}")(TEXTS)
    with torch.no_grad():
        expected = unit(model.encode_text(tokens))
    encoder = encoder_of(tmp_path / "theirs", tmp_path / "ours")
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), expected, atol=NEAR)
    np.testing.assert_allclose(training_vectors(encoder, TEXTS), expected, atol=NEAR)


@pytest.mark.parametrize(
    ("text_cfg", "message"),
    [
        (OWN | {"tokenizer_kwargs": {"clean": "none"}}, "clean='none'; we have lower, whitespace, canonicalize"),
        (OWN | {"tokenizer_kwargs": {"strip_sep_token": True}}, "tokenizer_kwargs asks for strip_sep_token=True"),
        (OWN | {"tokenizer_kwargs": {"language": "fr"}}, "tokenizer_kwargs asks for language='fr'"),
        (OWN | {"tokenizer_kwargs": {"use_fast": True}}, "tokenizer_kwargs asks for use_fast=True"),
        (OWN | {"tokenizer_mode": "clips"}, "text_cfg asks for tokenizer_mode='clips'"),
        (OWN | {"eos_id": 5}, "reads a text at the token 5, and its tokenizer ends a text with 2"),
    ],
    ids=str,
)
def test_what_a_tokenizer_asks_for_and_we_have_not_is_named(open_clip, tmp_path, text_cfg, message):
    open_clip_folder(open_clip, tmp_path / "theirs", OWN, cased_tokenizer())
    path = tmp_path / "theirs" / "open_clip_config.json"
    settings = json.loads(path.read_text())
    settings["model_cfg"]["text_cfg"] |= text_cfg
    write_json(path, settings)
    with pytest.raises(BundleError, match=message):
        convert(tmp_path / "theirs", tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


def hf_folder(transformers, folder, kind, text, *, settings, tokenizer):
    """A folder as transformers writes it, its model and its tokenizer."""
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**sizes, "projection_dim": 32, "max_position_embeddings": 32, **text}
    vision = {**sizes, "projection_dim": 32, "image_size": 64, "patch_size": 32}
    config = getattr(transformers, f"{kind}Config")(text_config=text, vision_config=vision, projection_dim=32)
    model = randomise(getattr(transformers, f"{kind}Model")(config))
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes(tokenizer)
    write_json(folder / "tokenizer_config.json", settings)
    return model, transformers.AutoTokenizer.from_pretrained(folder)


def hf_texts(model, tokenizer, texts, **padding):
    tokens = tokenizer(texts, return_tensors="pt", **padding)
    with torch.no_grad():
        return unit(model.get_text_features(**tokens).pooler_output)


CLIP_SETTINGS = {
    "tokenizer_class": "CLIPTokenizer", "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "model_max_length": 32,
}  # fmt: skip


def extended_tokenizer():
    """OpenAI's tokenizer with two words added, as a fine-tune of textual inversion has."""
    backend = tokenizers.Tokenizer.from_str(openai.tokenizer_json(cleans=True).decode())
    backend.add_tokens([tokenizers.AddedToken("<thing>", normalized=False), tokenizers.AddedToken("<other>")])
    return backend.to_str().encode()


@pytest.mark.parametrize(
    ("kind", "text", "settings", "tokenizer"),
    [
        ("MetaClip2", {"vocab_size": 120, "eos_token_id": 2}, CASED_SETTINGS, cased_tokenizer()),
        ("CLIP", {"vocab_size": 120, "eos_token_id": 61}, CASED_SETTINGS, cased_tokenizer(end=61)),
        ("CLIP", {"vocab_size": 120, "eos_token_id": 2}, CASED_SETTINGS, cased_tokenizer()),  # argmax, the old way
        ("CLIP", {"eos_token_id": 2}, CLIP_SETTINGS, openai.tokenizer_json(cleans=True)),
        ("CLIP", {"vocab_size": 49410, "eos_token_id": 2}, CLIP_SETTINGS, extended_tokenizer()),
        ("CLIP", {"vocab_size": 49410, "eos_token_id": 49407}, CLIP_SETTINGS, extended_tokenizer()),
    ],
    ids=["metaclip2", "own", "own-legacy", "legacy", "extended-legacy", "extended"],
)
def test_a_text_is_read_as_in_transformers_when_searching_and_when_training(
    transformers, tmp_path, kind, text, settings, tokenizer
):
    model, words = hf_folder(transformers, tmp_path / "hf", kind, text, settings=settings, tokenizer=tokenizer)
    texts = ["a photo of a cat", "A photo of a Cat", "EIFFEL Tower, Paris!"]
    if text.get("vocab_size") == 49410:
        texts = ["a photo of a cat", "a <thing> on a table", "<other>", "<thing> beside <other>, red"]
    expected = hf_texts(model, words, texts, padding="max_length")
    encoder = encoder_of(tmp_path / "hf", tmp_path / "ours")
    np.testing.assert_allclose(encoder.encode_texts(texts), expected, atol=NEAR)
    np.testing.assert_allclose(training_vectors(encoder, texts), expected, atol=NEAR)
    assert expected[0] @ expected[2] < 0.99
    if kind == "CLIP" and text == {"vocab_size": 120, "eos_token_id": 2}:
        export(encoder.bundle.folder)  # which holds the graphs to the same vectors


def test_a_vocabulary_of_openais_size_with_other_words_is_not_taken_for_openais(transformers, tmp_path):
    content = json.loads(openai.tokenizer_json(cleans=True))
    words = content["model"]["vocab"]
    words["a</w>"], words["the</w>"] = words["the</w>"], words["a</w>"]
    settings = CLIP_SETTINGS | {"tokenizer_class": "PreTrainedTokenizerFast"}
    model, tokenizer = hf_folder(
        transformers, tmp_path / "hf", "CLIP", {}, settings=settings, tokenizer=json.dumps(content).encode()
    )
    texts = ["a cat on the sofa", "The dog"]
    expected = hf_texts(model, tokenizer, texts, padding="max_length")
    np.testing.assert_allclose(encoder_of(tmp_path / "hf", tmp_path / "o").encode_texts(texts), expected, atol=NEAR)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"padding_side": "left"}, "fills up or cuts texts at their start"),
        ({"split_special_tokens": True}, "tokenizer_config.json asks for split_special_tokens=True"),
        ({"romanize": True}, "tokenizer_config.json asks for romanize=True"),
    ],
)
def test_what_tokenizer_config_asks_for_and_we_have_not_is_named(transformers, tmp_path, changes, message):
    text = {"vocab_size": 120, "eos_token_id": 2}
    hf_folder(transformers, tmp_path / "hf", "MetaClip2", text, settings=CASED_SETTINGS, tokenizer=cased_tokenizer())
    write_json(tmp_path / "hf" / "tokenizer_config.json", CASED_SETTINGS | changes)
    with pytest.raises(BundleError, match=message):
        convert(tmp_path / "hf", tmp_path / "ours")


# -- pictures


CROP = {"crop_size": {"height": 64, "width": 64}}
CUT = {"size": {"shortest_edge": 64}, **CROP}


@pytest.mark.parametrize(
    "settings",
    [
        CUT,
        CUT | {"image_mean": [0.1, 0.5, 0.9], "image_std": [0.2, 0.3, 0.4]},
        CUT | {"image_mean": 0.5, "image_std": 0.25},
        CUT | {"do_normalize": False},
        CUT | {"do_rescale": False, "image_mean": [120.0] * 3, "image_std": [60.0] * 3},
        CUT | {"do_rescale": False, "do_normalize": False},
        CUT | {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3},
        CUT | {"do_resize": False},
        CUT | {"size": {"shortest_edge": 72}},
        CUT | {"size": {"shortest_edge": 40}},  # black around what is smaller
        CUT | {"size": {"height": 80, "width": 80}},
        CUT | {"size": {"height": 64, "width": 64}, "do_center_crop": False},
        CUT | {"size": 72, "crop_size": 64},
        *(CUT | {"resample": number} for number in range(6)),
        CUT | {"do_convert_rgb": False, "do_pad": False, "data_format": "channels_first", "device": None},
        {"image_processor_type": "SiglipImageProcessor", "size": {"height": 64, "width": 64}},
        {"image_processor_type": "ViTImageProcessor", "size": {"height": 64, "width": 64}},
        {"image_processor_type": "ViTImageProcessorFast", "size": 64, "do_center_crop": None},
        {"image_processor_type": "BitImageProcessor", **CUT},
    ],
    ids=str,
)
def test_a_picture_is_prepared_as_in_transformers(transformers, settings):
    settings = {"image_processor_type": "CLIPImageProcessor"} | settings
    kind = settings["image_processor_type"].removesuffix("Fast") + "Pil"
    theirs = getattr(transformers, kind)(**{k: v for k, v in settings.items() if k != "image_processor_type"})
    config = processor.image_config(settings, model_type="clip", image_size=64, name="preprocessor_config.json")
    transform, mean, std = ImageTransform(config), np.array(config.mean), np.array(config.std)
    for picture in PICTURES:
        expected = np.asarray(theirs([picture], return_tensors="np").pixel_values[0])
        got = ((transform(picture) / 255 - mean) / std).transpose(2, 0, 1)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("file", ["preprocessor_config.json", "processor_config.json"])
def test_either_file_says_it_and_the_newer_one_wins(transformers, tmp_path, file):
    bundle = make_bundle(tmp_path / "bundle", SIGLIP, "siglip2", siglip_tokenizer())
    foreign.write_hf(bundle, tmp_path / "hf")
    settings = {"image_processor_type": "SiglipImageProcessor", "size": {"height": 64, "width": 64}, "resample": 2}
    settings |= {"image_mean": [0.1, 0.2, 0.3]}
    if file == "processor_config.json":  # the older file beside it says something else
        write_json(tmp_path / "hf" / file, {"image_processor": settings, "processor_class": "SiglipProcessor"})
    else:
        write_json(tmp_path / "hf" / "processor_config.json", {"processor_class": "SiglipProcessor"})
        write_json(tmp_path / "hf" / file, settings)
    model = transformers.SiglipModel.from_pretrained(tmp_path / "hf").eval()
    pixels = transformers.SiglipImageProcessorPil.from_pretrained(tmp_path / "hf")(PICTURES, return_tensors="pt")
    with torch.no_grad():
        expected = unit(model.get_image_features(**pixels).pooler_output)
    got = encoder_of(tmp_path / "hf", tmp_path / "ours").encode_images(PICTURES)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (CUT | {"crop_size": {"height": 64, "width": 80}}, "we have squares only"),
        (CUT | {"crop_size": 96}, "makes pictures of 96 pixels, and its image tower takes 64"),
        (CUT | {"do_center_crop": False}, "makes the shorter side 64 and cuts nothing"),
        (CUT | {"do_center_crop": False, "do_resize": False}, "neither resizes nor cuts"),
        (CUT | {"size": {"longest_edge": 64}}, "we read shortest_edge, or height and width"),
        (CUT | {"crop_pct": 0.9}, "asks for crop_pct=0.9"),
        (CUT | {"size_divisor": 32}, "asks for size_divisor=32"),
        (CUT | {"rescale_factor": 0}, "multiplies pixels by 0"),
        (CUT | {"do_pad": True, "pad_size": {"height": 96, "width": 96}}, "pads pictures to"),
        (CUT | {"image_mean": [0.5, 0.5]}, "must be a number, or three"),
        (
            CUT | {"image_processor_type": "BlipImageProcessor"},
            "for transformers' BlipImageProcessor; we know",
        ),
    ],
    ids=str,
)
def test_what_an_image_processor_asks_for_and_we_have_not_is_named(settings, message):
    settings = {"image_processor_type": "CLIPImageProcessor"} | settings
    with pytest.raises(BundleError, match=f"its preprocessor_config.json.*{message}"):
        processor.image_config(settings, model_type="clip", image_size=64, name="preprocessor_config.json")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"mean": 0.5, "std": [0.2, 0.3, 0.4]},
        {"size": 999, "mode": "RGB", "resize_mode": "longest", "interpolation": "bilinear", "fill_color": 0},
        {"resize_mode": "squash", "interpolation": "random", "fill_color": 9},
    ],
    ids=str,
)
def test_a_picture_is_prepared_as_in_open_clip(open_clip, tmp_path, settings):
    open_clip_folder(open_clip, tmp_path / "theirs", OWN, cased_tokenizer())
    path = tmp_path / "theirs" / "open_clip_config.json"
    write_json(path, json.loads(path.read_text()) | {"preprocess_cfg": settings})
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tmp_path / 'theirs'}")
    pictures = [make_picture(0, (47, 64)), make_picture(1, (300, 81))]
    with torch.no_grad():
        expected = unit(model.eval().encode_image(torch.stack([transform(picture) for picture in pictures])))
    got = encoder_of(tmp_path / "theirs", tmp_path / "ours").encode_images(pictures)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resize_mode": "longest", "fill_color": 9}, "fills with the colour 9"),
        ({"resize_mode": "tile"}, "asks for resize_mode='tile'; open_clip has shortest, longest, squash"),
        ({"mode": "L"}, "preprocess_cfg asks for mode='L'"),
        ({"gamma": 2.2}, "preprocess_cfg asks for gamma=2.2"),
    ],
)
def test_what_preprocess_cfg_asks_for_and_we_have_not_is_named(settings, message):
    with pytest.raises(BundleError, match=message):
        open_clip_source.image_config(settings, image_size=64, statistics=None)
