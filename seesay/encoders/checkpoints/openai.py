"""OpenAI's names: `visual.transformer.resblocks.0.attn.in_proj_weight` and its like.

open_clip's plain models have the same names, and its others have these for the text tower.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from seesay.base.errors import BundleError
from seesay.encoders.checkpoints.keymap import Layout, Rule, prefixed, refuse, rule
from seesay.models import variants

BLOCK = (
    rule("attention_norm.{kind}", "ln_1.{kind}"),
    rule("qkv.{kind}", "attn.in_proj_{kind}"),
    rule("attention_out.{kind}", "attn.out_proj.{kind}"),
    rule("mlp_norm.{kind}", "ln_2.{kind}"),
    rule("mlp_in.{kind}", "mlp.c_fc.{kind}"),
    rule("mlp_out.{kind}", "mlp.c_proj.{kind}"),
)

VIT = (
    rule("patch_embedding.weight", "conv1.weight"),
    rule("class_embedding", "class_embedding"),
    rule("position_embedding", "positional_embedding"),
    rule("first_norm.{kind}", "ln_pre.{kind}"),
    *prefixed(BLOCK, "blocks.{n}.", "transformer.resblocks.{n}."),
    rule("last_norm.{kind}", "ln_post.{kind}"),
)

_RESNET_BLOCK = (
    *(
        r
        for place, ours in enumerate(("narrow", "look", "widen"), start=1)
        for r in (
            rule(f"{ours}.conv.weight", f"conv{place}.weight"),
            rule(f"{ours}.norm.{{kind}}", f"bn{place}.{{kind}}"),
        )
    ),
    rule("shortcut.conv.weight", "downsample.0.weight"),
    rule("shortcut.norm.{kind}", "downsample.1.{kind}"),
)

RESNET = (
    *(rule(f"stem.{place}.conv.weight", f"conv{place + 1}.weight") for place in range(3)),
    *(rule(f"stem.{place}.norm.{{kind}}", f"bn{place + 1}.{{kind}}") for place in range(3)),
    *(r for stage in range(4) for r in prefixed(_RESNET_BLOCK, f"stages.{stage}.{{n}}.", f"layer{stage + 1}.{{n}}.")),
    rule("pool.position_embedding", "attnpool.positional_embedding"),
    rule("pool.query.{kind}", "attnpool.q_proj.{kind}"),
    rule("pool.key.{kind}", "attnpool.k_proj.{kind}"),
    rule("pool.value.{kind}", "attnpool.v_proj.{kind}"),
)

TEXT = (
    rule("token_embedding.weight", "token_embedding.weight"),
    rule("position_embedding", "positional_embedding"),
    *prefixed(BLOCK, "blocks.{n}.", "transformer.resblocks.{n}."),
    rule("last_norm.{kind}", "ln_final.{kind}"),
)

SCALE = (rule("log_scale", "logit_scale", "scalar"), rule("bias", "logit_bias", "scalar"))

IMAGE: dict[str, tuple[Rule, ...]] = {
    "vit": (
        *prefixed(VIT, "image_tower.", "visual."),
        rule("image_projection.weight", "visual.proj", "transposed"),
    ),
    "resnet": (
        *prefixed(RESNET, "image_tower.", "visual."),
        rule("image_projection.{kind}", "visual.attnpool.c_proj.{kind}"),
    ),
}

IGNORED = ("input_resolution", "context_length", "vocab_size", "attn_mask")


def layout(config: Mapping[str, Any]) -> Layout:
    """The names of OpenAI's nine models.

    Raises:
        UsageError: another kind of model.
    """
    image, text = config["image"], config["text"]
    if image["tower"] not in IMAGE or image.get("pooling") == "attention" or text["tower"] != "transformer":
        raise refuse("OpenAI", config)
    projection = rule("text_projection.weight", "text_projection", "transposed")
    rules = (*IMAGE[image["tower"]], *prefixed(TEXT, "text_tower.", ""), projection, *SCALE)
    return Layout("OpenAI", rules, ignored=IGNORED)


def infer_config(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The architecture of one of OpenAI's own checkpoints, from the shapes of its weights.

    Heads and activation have no shape: OpenAI gives a head 64 numbers and uses QuickGELU throughout. So this
    is for their files only.

    Raises:
        BundleError: a weight that every one of their models has is missing.
    """
    try:
        words, dim = state["token_embedding.weight"], state["text_projection"].shape[1]
        context_length, text_width = state["positional_embedding"].shape
        image = _infer_vit(state) if "visual.proj" in state else _infer_resnet(state)
    except KeyError as error:
        raise BundleError(f"this is no checkpoint of OpenAI's: it has no {error.args[0]}") from error
    num_layers = _count(state, "transformer.resblocks.")
    text = variants.text(text_width, num_layers, context_length=context_length, activation="quick_gelu")
    return variants.clip(dim, image, text | {"vocabulary_size": len(words), "end_id": len(words) - 1})


def _infer_vit(state: Mapping[str, Tensor]) -> dict[str, Any]:
    width, _, patch_size, _ = state["visual.conv1.weight"].shape
    side = round((len(state["visual.positional_embedding"]) - 1) ** 0.5)
    num_layers = _count(state, "visual.transformer.resblocks.")
    return variants.vit(side * patch_size, patch_size, width, num_layers, width // 64, activation="quick_gelu")


def _infer_resnet(state: Mapping[str, Tensor]) -> dict[str, Any]:
    width = state["visual.layer1.0.conv1.weight"].shape[0]
    side = round((len(state["visual.attnpool.positional_embedding"]) - 1) ** 0.5)
    first, second, third, fourth = (_count(state, f"visual.layer{stage}.") for stage in range(1, 5))
    return variants.resnet(side * 32, width, (first, second, third, fourth))


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)})
