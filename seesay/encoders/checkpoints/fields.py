"""What is done with each field of a foreign config: it is used, or it is neutral, or it is refused by name.

A field that is passed over in silence is how a CLIP tool computes wrong vectors without an error. So every field that
open_clip and transformers know stands in one of these tables, and a field that stands in none is refused as soon as it
says anything. `tests/parity/test_fields.py` holds the tables against the two libraries.

Sources: open_clip 3.3, `CLIPVisionCfg`, `CLIPTextCfg`, `PreprocessCfg` and its tokenizers; transformers 5,
configuration_utils.py and generation/configuration_utils.py, the configurations of CLIP, SigLIP and MetaCLIP 2, and
`ImagesKwargs` of processing_utils.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seesay.base.errors import BundleError


@dataclass(frozen=True, slots=True)
class Field:
    """What is done with one field."""

    reason: str
    """Why nothing depends on its value, or on those in `only`; empty for a field that the reader uses."""
    only: tuple[Any, ...] | None = None
    """The values that can be read; any other is refused by name. None: every value."""


Table = Mapping[str, Field]
USED = Field("")


def _neutral(reason: str, names: str) -> dict[str, Field]:
    return dict.fromkeys(names.split(), Field(reason))


def _used(names: str) -> dict[str, Field]:
    return dict.fromkeys(names.split(), USED)


def _only(reason: str, names: str, *values: Any) -> dict[str, Field]:
    return dict.fromkeys(names.split(), Field(reason, values))


_TRAINING = "of training only: dropout and its like do nothing when a model is used"
_START = "of fresh weights only: the checkpoint's own take their place"
_OTHER_TOWER = "of another kind of tower, which another field would have to ask for"
_NORM = "a norm of each token by itself: before or after one of them is picked is the same"
_OUTPUT = "says what else a call returns, not what a vector is"

_OPEN_CLIP_BLOCKS = {
    **_only("our blocks have no scale of their own", "ls_init_value", None),
    **_only("the block that every other field here describes", "block_type", None, "default"),
    **_only(
        "off; our blocks have no further norms or scales",
        "qk_norm scaled_cosine_attn scale_heads scale_attn_inner scale_attn scale_fc",
        False,
    ),
    **_used("act_kwargs norm_kwargs"),
    **_neutral(_OUTPUT, "output_tokens"),
}

TABLES: dict[str, Table] = {
    "open_clip_config.json": {
        **_used("model_cfg preprocess_cfg"),
        **_neutral("of the hub's page, not of the model", "license license_name license_link tags version"),
    },
    "model_cfg": {
        **_used("embed_dim vision_cfg text_cfg quick_gelu init_logit_bias"),
        **_neutral("changes the names of weights, and both are read", "custom_text"),
        **_neutral(_START, "init_logit_scale"),
        **_neutral("changes the shape of the scale, and both are read", "nonscalar_logit_scale"),
        **_neutral("of a run in half precision, whose numbers we read as they are", "cast_dtype"),
        **_neutral(_OUTPUT, "output_dict"),
    },
    "vision_cfg": {
        **_used("layers width head_width mlp_ratio patch_size image_size"),
        **_OPEN_CLIP_BLOCKS,
        **_only("off; the class token is the vector", "attentional_pool", False),
        **_neutral("of the attention pool, which is refused", "attn_pooler_queries attn_pooler_heads"),
        **_only("on; our plain ViT has this norm", "no_ln_pre", False),
        **_only("learned, as ours are", "pos_embed_type", "learnable"),
        **_only("the class token", "pool_type", "tok"),
        **_neutral(_NORM, "final_ln_after_pool"),
        **_neutral(_TRAINING, "patch_dropout"),
        **_only("none; the tower is not timm's", "timm_model_name", None, ""),
        **_neutral(_OTHER_TOWER, "timm_model_pretrained timm_pool timm_proj timm_proj_bias timm_drop timm_drop_path"),
    },
    "vision_cfg of timm": {
        **_used("timm_model_name image_size"),
        **_only("the attention pool, which is part of the tower", "timm_pool", "map"),
        **_only("the tower's own end, or none", "timm_proj", None, "", "none"),
        **_neutral("of a projection that is refused", "timm_proj_bias"),
        **_neutral(_START, "timm_model_pretrained"),
        **_neutral(_TRAINING, "timm_drop timm_drop_path patch_dropout"),
        **_neutral(
            "timm's tower brings it itself, and open_clip does not look at it then",
            "layers width head_width mlp_ratio patch_size ls_init_value attentional_pool attn_pooler_queries "
            "attn_pooler_heads no_ln_pre pos_embed_type final_ln_after_pool pool_type output_tokens act_kwargs "
            "norm_kwargs block_type qk_norm scaled_cosine_attn scale_heads scale_attn_inner scale_attn scale_fc",
        ),
    },
    "text_cfg": {
        **_used("context_length vocab_size hf_tokenizer_name tokenizer_kwargs width heads layers mlp_ratio"),
        **_used("eos_id no_causal_mask pool_type proj_bias proj_type"),
        **_OPEN_CLIP_BLOCKS,
        **_only("the usual one", "tokenizer_mode", None, ""),
        **_only("off; a text has no token of its own for the vector", "embed_cls", False),
        **_neutral("of the class token, which is refused", "pad_id"),
        **_neutral(_NORM, "final_ln_after_pool"),
        **_only("none; the tower is open_clip's own", "hf_model_name", None, ""),
        **_neutral(_OTHER_TOWER, "hf_model_pretrained hf_proj_type hf_pooler_type"),
    },
    "tokenizer_kwargs": {
        **_used("clean"),
        **_only("off", "strip_sep_token", False),
        **_only("none", "language additional_special_tokens", None),
        **_only(
            "a cut of texts that are longer than the context only, at random; ours keeps their beginning",
            "reduction_mask", "", None, "simple", "random", "shuffle",
        ),
    },
    "preprocess_cfg": {
        **_used("mean std interpolation resize_mode fill_color"),
        **_only("as our pictures are", "mode", "RGB"),
        **_neutral("open_clip takes the image tower's size instead", "size"),
        **_neutral("of where the weights lie; open_clip passes it over here", "url hf_hub"),
        **_neutral("model_cfg has it too, and open_clip passes it over here", "quick_gelu"),
    },
}  # fmt: skip

_PRETRAINED = {
    **_neutral(
        "of the program that wrote the file",
        "_name_or_path name_or_path _commit_hash transformers_version architectures torch_dtype dtype torchscript "
        "use_bfloat16 tf_legacy_loss gradient_checkpointing tokenizer_class prefix attn_implementation "
        "_attn_implementation_autoset experts_implementation transformers.js_config",
    ),
    **_neutral(_OUTPUT, "output_attentions output_hidden_states return_dict use_cache tie_last_hidden_states"),
    **_neutral("the same numbers, in fewer at a time", "chunk_size_feed_forward"),
    **_only("off", "is_encoder_decoder is_decoder add_cross_attention tie_encoder_decoder", False),
    **_neutral(
        "of heads for other tasks, which a CLIP has not",
        "id2label label2id num_labels finetuning_task task_specific_params problem_type "
        "cross_attention_hidden_size decoder_start_token_id sep_token_id tie_word_embeddings",
    ),
    **_only("none", "pruned_heads per_layer_config", None, {}),
    **_neutral(
        "of generating text, which a CLIP does not",
        "max_length max_new_tokens min_length min_new_tokens early_stopping max_time stop_strings do_sample num_beams "
        "num_beam_groups temperature top_k top_p min_p top_h typical_p epsilon_cutoff eta_cutoff repetition_penalty "
        "encoder_repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids "
        "num_return_sequences output_scores output_logits return_dict_in_generate forced_bos_token_id "
        "forced_eos_token_id remove_invalid_values exponential_decay_length_penalty suppress_tokens "
        "begin_suppress_tokens sequence_bias token_healing guidance_scale watermarking_config penalty_alpha "
        "diversity_penalty renormalize_logits force_words_ids constraints low_memory cache_implementation cache_config "
        "prompt_lookup_num_tokens max_matching_ngram_size assistant_confidence_threshold num_assistant_tokens "
        "num_assistant_tokens_schedule is_assistant assistant_early_exit assistant_lookbehind target_lookbehind "
        "disable_compile dola_layers generation_kwargs compile_config continuous_batching_config "
        "prefill_chunk_size use_mtp speculation_tokens_schedule",
    ),
    **_neutral(_START, "initializer_range initializer_factor logit_scale_init_value"),
    **_neutral(_TRAINING, "attention_dropout dropout hidden_dropout_prob attention_probs_dropout_prob"),
    **_used("model_type"),
}  # fmt: skip
_HF_BLOCKS = _used("hidden_size intermediate_size num_hidden_layers num_attention_heads hidden_act layer_norm_eps")
_HF_TOKENS = {
    **_neutral("a tower that is causal, or is read at its last place, never looks for it", "bos_token_id"),
    **_neutral("the tokenizer's files say what fills a text up", "pad_token_id"),
}
_HF_IMAGE = {
    **_PRETRAINED,
    **_HF_BLOCKS,
    **_used("image_size patch_size"),
    **_only("red, green and blue", "num_channels", 3),
    **_neutral("of the text tower", "bos_token_id eos_token_id pad_token_id"),
}
_HF_TEXT = {**_PRETRAINED, **_HF_BLOCKS, **_HF_TOKENS, **_used("vocab_size max_position_embeddings")}
_CLIP_WIDTH = _neutral("the model's own projection_dim, beside the towers, is the one that counts", "projection_dim")

TABLES |= {
    "clip": {
        **_PRETRAINED,
        **_used("text_config vision_config text_config_dict vision_config_dict projection_dim"),
        **_neutral("of the text tower", "bos_token_id eos_token_id pad_token_id"),
    },
    "clip text": {**_HF_TEXT, **_CLIP_WIDTH, **_used("eos_token_id")},
    "clip vision": {**_HF_IMAGE, **_CLIP_WIDTH},
    "siglip": {
        **_PRETRAINED,
        **_used("text_config vision_config"),
        **_neutral("of the text tower", "bos_token_id eos_token_id pad_token_id"),
    },
    "siglip text": {
        **_HF_TEXT,
        **_used("projection_size"),
        **_neutral("the vector is read at the last place, whatever stands there", "eos_token_id"),
        **_neutral("transformers' SigLIP has projection_size instead", "projection_dim"),
    },
    "siglip vision": {
        **_HF_IMAGE,
        **_only("on; without the attention pool it has no vectors", "vision_use_head", True),
        **_neutral("transformers' SigLIP has no projection of pictures", "projection_dim"),
    },
    "image processor": {
        **_used("image_processor_type feature_extractor_type do_resize size default_to_square use_square_size"),
        **_used("do_center_crop crop_size resample do_rescale rescale_factor do_normalize"),
        **_used("image_mean image_std do_pad pad_size"),
        **_neutral("our pictures are RGB, whatever they were", "do_convert_rgb"),
        **_neutral(
            "how numbers are handed over, not which",
            "data_format input_data_format device return_tensors disable_grouping image_seq_length "
            "_valid_processor_keys model_input_names",
        ),
        **_neutral("of the program that wrote the file", "processor_class _processor_class transformers_version"),
    },
}  # fmt: skip
TABLES |= {
    "tokenizer_config.json": {
        **_used("tokenizer_class add_bos_token add_eos_token bos_token eos_token pad_token padding_side"),
        **_used("truncation_side model_max_length do_lower_case strip_accents tokenize_chinese_chars"),
        **_neutral(
            "in tokenizer.json too, which is the one that is read",
            "added_tokens_decoder additional_special_tokens extra_special_tokens unk_token cls_token sep_token "
            "mask_token extra_ids vocab_size add_prefix_space sp_model_kwargs legacy from_slow use_fast tokenizer_file "
            "vocab_file merges_file wordpieces_prefix unk_id byte_fallback dropout errors do_basic_tokenize "
            "never_split trim_offsets",
        ),
        **_neutral("says how tokens become text again", "clean_up_tokenization_spaces spaces_between_special_tokens"),
        **_neutral(
            "of the program that wrote the file",
            "name_or_path _commit_hash processor_class special_tokens_map_file transformers_version backend is_local "
            "tokenizer_type model_input_names local_files_only _from_auto sp_model_kwargs chat_template",
        ),
        **_neutral(
            "of one call, whose settings are ours",
            "max_length stride truncation_strategy pad_to_multiple_of padding truncation pad_token_type_id",
        ),
        **_only("off", "split_special_tokens", False),
    },
}  # fmt: skip


def check(section: Mapping[str, Any], table: str, *, name: str) -> None:
    """Refuse what a section of a foreign config asks for and we would not do.

    A field that no table has is passed over where it says nothing (null, false, empty), and refused otherwise.

    Args:
        section: field -> value.
        table: a key of `TABLES`.
        name: what the section is called, for the message.

    Raises:
        BundleError: it names each field with its value.
    """
    if not isinstance(section, Mapping):
        raise BundleError(f"its {name} is {section!r}, and must have fields with names")
    known = TABLES[table]
    others = [f"{key}={value!r}" for key, value in section.items() if not _is_read(known.get(key), value)]
    if others:
        raise BundleError(f"its {name} asks for {', '.join(others)}, which we have not")


def _is_read(field: Field | None, value: Any) -> bool:
    if field is None:
        return value is None or value is False or value in ("", [], {})
    return field.only is None or any(value == known and type(value) is type(known) for known in field.only)


def square(value: Any, *, name: str) -> int:
    """The side of a square that a config gives as one number, or as two that are alike.

    Raises:
        BundleError: two sides that differ, or no whole number.
    """
    sides = list(value) if isinstance(value, list | tuple) else [value]
    if not sides or any(isinstance(side, bool) or not isinstance(side, int) or side != sides[0] for side in sides):
        raise BundleError(f"its {name} is {value!r}; we have squares only, whose side is a whole number of pixels")
    return int(sides[0])


def triple(value: Any, *, name: str) -> tuple[float, float, float]:
    """Three numbers, for red, green and blue, that a config gives as three or as one for all.

    Raises:
        BundleError: something else.
    """
    values = list(value) if isinstance(value, list | tuple) else [value] * 3
    if len(values) != 3 or any(isinstance(part, bool) or not isinstance(part, int | float) for part in values):
        raise BundleError(f"its {name} is {value!r}; it must be a number, or three: red, green and blue")
    return float(values[0]), float(values[1]), float(values[2])
