"""No field of the two libraries' configs is unknown to us, and what we call neutral changes no vector of theirs."""

import dataclasses
import inspect
import json
import warnings
from copy import deepcopy
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from seesay.base.errors import BundleError  # noqa: E402
from seesay.encoders.checkpoints import convert  # noqa: E402
from seesay.encoders.checkpoints import open_clip as ours  # noqa: E402
from seesay.encoders.checkpoints.fields import TABLES, check  # noqa: E402
from seesay.encoders.checkpoints.keymap import from_ours  # noqa: E402
from seesay.models.size import build_empty  # noqa: E402
from seesay.models.variants import VARIANTS  # noqa: E402

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 64, "layers": 1},
    "text_cfg": {"context_length": 8, "vocab_size": 50, "width": 64, "heads": 1, "layers": 1},
}
# another value than the default, for each field that a test changes
OTHER = {
    "ls_init_value": 0.1, "block_type": "custom", "pos_embed_type": "sin_cos_2d", "pool_type": "avg",
    "timm_model_name": "x",
    "tokenizer_mode": "clips", "hf_model_name": "x", "language": "fr", "additional_special_tokens": ["<a>"],
    "reduction_mask": "syntax", "mode": "L", "timm_pool": "avg", "timm_proj": "linear", "num_channels": 1,
    "vision_use_head": False, "pruned_heads": {"0": [1]}, "per_layer_config": {"0": {"hidden_size": 3}},
    "hf_pooler_type": "cls_pooler", "hf_proj_type": "linear", "hf_model_pretrained": False, "timm_drop_path": 0.5,
    "act_kwargs": {"approximate": "tanh"}, "norm_kwargs": {"eps": 0.1}, "hf_tokenizer_name": "x", "proj_type": "none",
    "tokenizer_kwargs": {"clean": "whitespace"}, "num_labels": 5,
}  # fmt: skip


def other(default, name):
    """A value that is not the default."""
    if name in OTHER:
        return OTHER[name]
    if isinstance(default, bool):
        return not default
    return 7 if default is None else default * 2


def fields(config_type):
    return {field.name: field.default for field in dataclasses.fields(config_type)}


def parameters(function, *without):
    found = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in found if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in ("self", *without)}


def sections(open_clip):
    model, tokenizer = open_clip.model, open_clip.tokenizer
    files = (
        "tokenizer_name",
        "bpe_path",
        "cache_dir",
        "tokenizer_mode",
        "context_length",
    )  # the caller's, or text_cfg's
    kwargs = parameters(tokenizer.HFTokenizer.__init__, *files) | parameters(tokenizer.SimpleTokenizer.__init__, *files)
    return {
        "model_cfg": parameters(model.CLIP.__init__),
        "vision_cfg": fields(model.CLIPVisionCfg),
        "vision_cfg of timm": fields(model.CLIPVisionCfg),
        "text_cfg": fields(model.CLIPTextCfg),
        "tokenizer_kwargs": {name: default for name, default in kwargs.items() if name != "kwargs"},
        "preprocess_cfg": fields(open_clip.transform.PreprocessCfg),
    }


def test_open_clip_has_no_field_that_we_do_not_know(open_clip):
    found = sections(open_clip)
    for table, names in found.items():
        assert names.keys() <= TABLES[table].keys(), table
    assert sum(map(len, found.values())) > 100


def test_what_open_clip_can_only_have_at_one_value_is_refused_by_name_at_another(open_clip):
    refused = 0
    for table, defaults in sections(open_clip).items():
        for name, default in defaults.items():
            field = TABLES[table][name]
            if field.only is None or table == "vision_cfg of timm":  # whose defaults are another tower's
                continue
            check({name: default}, table, name=table)
            with pytest.raises(BundleError, match=f"its {table} asks for {name}=.*, which we have not"):
                check({name: other(default, name)}, table, name=table)
            refused += 1
    assert refused > 20


def vectors(open_clip, config):
    """open_clip's vectors of a tiny model, whose weights do not depend on the config."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = open_clip.CLIP(**deepcopy(config)).eval()
    for index, tensor in enumerate(model.state_dict().values()):
        if tensor.ndim:
            tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(index)) * 0.3)
    generator = torch.Generator().manual_seed(99)
    images, tokens = torch.randn(2, 3, 32, 32, generator=generator), torch.randint(1, 48, (2, 8), generator=generator)
    tokens[:, 5] = 49
    with torch.inference_mode():
        first = [out[0] if isinstance(out, tuple) else out for out in (model.visual(images),)]
        return torch.cat([first[0], model.encode_text(tokens)])


@pytest.mark.parametrize("section", ["vision_cfg", "text_cfg"])
def test_what_is_called_neutral_changes_no_vector_of_open_clip(open_clip, section):
    expected, changed = vectors(open_clip, TINY), 0
    for name, default in sections(open_clip)[section].items():
        field = TABLES[section][name]
        if not field.reason or field.only is not None or name == "output_tokens":  # another kind of answer
            continue
        config = TINY | {section: TINY[section] | {name: other(default, name)}}
        torch.testing.assert_close(vectors(open_clip, config), expected)
        changed += 1
    assert changed >= 5


@pytest.mark.parametrize("section", ["model_cfg", "vision_cfg", "text_cfg"])
def test_what_is_called_used_changes_what_we_build(open_clip, section):
    plain = ours.config_from(TINY)
    whole = {"vision_cfg": TINY["vision_cfg"], "text_cfg": TINY["text_cfg"]}
    read = {"hf_tokenizer_name", "tokenizer_kwargs"}  # by the tokenizer's reader, which has its own tests
    with_eos = {"eos_id": {"pool_type": "eos"}, "no_causal_mask": {"pool_type": "last"}}
    for name, default in sections(open_clip)[section].items():
        if TABLES[section][name].reason or name in read | whole.keys():
            continue
        value = other(TINY.get(section, TINY).get(name, default), name)
        value = "eos" if name == "pool_type" else value
        if section == "model_cfg":
            config = TINY | {name: value}
        else:
            config = TINY | {section: TINY[section] | with_eos.get(name, {}) | {name: value}}
        assert ours.config_from(config) != plain, name


def configs(open_clip):
    return sorted((Path(open_clip.__file__).parent / "model_configs").glob("*.json"))


def test_every_config_of_open_clip_is_read_as_it_builds_it_or_refused_by_a_name_in_it(open_clip):
    read = refused = 0
    for path in configs(open_clip):
        settings = json.loads(path.read_text())
        try:
            model = ours.config_from(settings)
        except BundleError as error:
            words = [*settings, *settings["vision_cfg"], *settings.get("text_cfg", {})]
            refused += any(word in str(error) for word in (*words, "timm's"))
            continue
        read += 1
        if path.stem in VARIANTS:
            assert model == VARIANTS[path.stem].model, path.name
            continue
        is_custom, bias = settings.pop("custom_text", False), settings.get("init_logit_bias")
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it initialises, which a tensor without numbers takes for an oversight
            kind = open_clip.CustomTextCLIP if is_custom else open_clip.CLIP
            theirs = kind(**settings).state_dict()
        expected = {name.removeprefix("text."): tensor.shape for name, tensor in theirs.items()}
        got = from_ours("open_clip", build_empty(model).state_dict(), model)
        assert {name: tensor.shape for name, tensor in got.items()} == expected, (path.name, bias)
    assert read > 60
    assert read + refused == len(configs(open_clip))  # each refusal has a name of the config in it


def hf_sections(transformers):
    return {
        "clip": [transformers.CLIPConfig, transformers.MetaClip2Config],
        "clip text": [transformers.CLIPTextConfig, transformers.MetaClip2TextConfig],
        "clip vision": [transformers.CLIPVisionConfig, transformers.MetaClip2VisionConfig],
        "siglip": [transformers.SiglipConfig],
        "siglip text": [transformers.SiglipTextConfig],
        "siglip vision": [transformers.SiglipVisionConfig],
    }


def test_transformers_has_no_field_that_we_do_not_know(transformers):
    generation = transformers.GenerationConfig._get_default_generation_params()
    for table, kinds in hf_sections(transformers).items():
        for kind in kinds:
            names = {*kind().to_dict(), *(field.name for field in dataclasses.fields(kind)), *generation}
            assert names <= TABLES[table].keys(), (kind.__name__, names - TABLES[table].keys())
    processor = {*transformers.processing_utils.ImagesKwargs.__annotations__}
    for kind in (transformers.CLIPImageProcessorPil, transformers.SiglipImageProcessorPil):
        processor |= {*kind().to_dict()}
    assert processor <= TABLES["image processor"].keys(), processor - TABLES["image processor"].keys()
    assert len(processor) > 20


def hf_model(transformers, kind, text, vision):
    config = getattr(transformers, f"{kind}Config")(text_config=text, vision_config=vision, projection_dim=16)
    model = getattr(transformers, f"{kind}Model")(config).eval()
    for index, tensor in enumerate(model.state_dict().values()):
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(index)) * 0.3)
    generator = torch.Generator().manual_seed(99)
    images, tokens = torch.randn(2, 3, 32, 32, generator=generator), torch.randint(3, 48, (2, 8), generator=generator)
    tokens[:, 5] = 49
    with torch.inference_mode():
        output = model(input_ids=tokens, pixel_values=images)
    return torch.cat([output.image_embeds, output.text_embeds])


@pytest.mark.parametrize("kind", ["CLIP", "MetaClip2", "Siglip"])
def test_what_is_called_neutral_changes_no_vector_of_transformers(transformers, kind):
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**sizes, "vocab_size": 50, "max_position_embeddings": 8, "eos_token_id": 49}
    vision = {**sizes, "image_size": 32, "patch_size": 16}
    expected, changed = hf_model(transformers, kind, text, vision), 0
    family = "siglip" if kind == "Siglip" else "clip"
    for side, config_type in (("text", f"{kind}TextConfig"), ("vision", f"{kind}VisionConfig")):
        own = {field.name for field in dataclasses.fields(getattr(transformers, config_type))}
        for name in own & {
            name for name, field in TABLES[f"{family} {side}"].items() if field.reason and not field.only
        }:
            if name in ("transformers_version", "architectures", "dtype", "id2label", "label2id", "problem_type"):
                continue  # of the file, not of the model; dtype is what its numbers are stored as
            default = getattr(getattr(transformers, config_type)(), name)
            value = {"return_dict": True, "output_hidden_states": True}.get(name, other(default, name))
            changes = {"text": text, "vision": vision}
            changes[side] = changes[side] | {name: value}
            got = hf_model(transformers, kind, changes["text"], changes["vision"])
            torch.testing.assert_close(got, expected, msg=f"{side} {name}")
            changed += 1
    assert changed >= 6


# config.json of openai/clip-vit-large-patch14-336 and of laion's uploads: a whole dump of transformers 4
OLD_DUMP = {
    "_name_or_path": "", "add_cross_attention": False, "architectures": None, "attention_dropout": 0.0,
    "bad_words_ids": None, "begin_suppress_tokens": None, "bos_token_id": 0, "chunk_size_feed_forward": 0,
    "cross_attention_hidden_size": None, "decoder_start_token_id": None, "diversity_penalty": 0.0, "do_sample": False,
    "dropout": 0.0, "early_stopping": False, "encoder_no_repeat_ngram_size": 0, "eos_token_id": 2,
    "exponential_decay_length_penalty": None, "finetuning_task": None, "forced_bos_token_id": None,
    "forced_eos_token_id": None, "hidden_act": "quick_gelu", "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
    "initializer_factor": 1.0, "initializer_range": 0.02, "is_decoder": False, "is_encoder_decoder": False,
    "label2id": {"LABEL_0": 0, "LABEL_1": 1}, "layer_norm_eps": 1e-05, "length_penalty": 1.0, "max_length": 20,
    "min_length": 0, "no_repeat_ngram_size": 0, "num_beam_groups": 1, "num_beams": 1, "num_return_sequences": 1,
    "output_attentions": False, "output_hidden_states": False, "output_scores": False, "pad_token_id": 1,
    "prefix": None, "problem_type": None, "projection_dim": 512, "pruned_heads": {}, "remove_invalid_values": False,
    "repetition_penalty": 1.0, "return_dict": True, "return_dict_in_generate": False, "sep_token_id": None,
    "suppress_tokens": None, "task_specific_params": None, "temperature": 1.0, "tf_legacy_loss": False,
    "tie_encoder_decoder": False, "tie_word_embeddings": True, "tokenizer_class": None, "top_k": 50, "top_p": 1.0,
    "torch_dtype": None, "torchscript": False, "transformers_version": "4.25.0.dev0", "typical_p": 1.0,
    "use_bfloat16": False,
}  # fmt: skip


def test_an_old_dump_is_the_model_that_it_was():
    settings = {
        "_commit_hash": None, "architectures": ["CLIPModel"], "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592, "model_type": "clip", "projection_dim": 512,
        "text_config_dict": None, "vision_config_dict": None,
        "text_config": OLD_DUMP | {"model_type": "clip_text_model"},
        "vision_config": OLD_DUMP | {"model_type": "clip_vision_model"},
        "torch_dtype": "float32", "transformers_version": None,
    }  # fmt: skip
    assert convert._from_hf(settings) == VARIANTS["ViT-B-32-quickgelu"].model


def test_the_sections_of_2021_win_with_their_defaults(transformers):
    text = {"hidden_size": 64, "num_attention_heads": 2, "eos_token_id": 2}
    old = {"hidden_size": 128, "intermediate_size": 256}
    settings = {"model_type": "clip", "text_config": text, "text_config_dict": old}
    theirs = transformers.CLIPConfig(text_config=dict(text), text_config_dict=dict(old)).text_config
    words = convert._from_hf(settings)["text"]
    got = (words["width"], words["mlp_dim"], words["num_heads"], words["end_id"])
    assert got == (theirs.hidden_size, theirs.intermediate_size, theirs.num_attention_heads, theirs.eos_token_id)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("vision-text-dual-encoder", "transformers' VisionTextDualEncoder"),
        ("siglip2", "NaFlex"),
        ("chinese_clip", "which we have not; we read clip, metaclip_2, siglip"),
    ],
)
def test_another_model_is_named(kind, message):
    with pytest.raises(BundleError, match=message):
        convert._from_hf({"model_type": kind})
