"""Bundles with small random models of every family, for tests of what surrounds the weights."""

import math

import tokenizers
from references import randomise

from seesay.encoders import recipes
from seesay.encoders.bundle import Bundle, write_bundle
from seesay.inputs import openai
from seesay.models import variants
from seesay.models.clip import build

CLIP = variants.clip(
    48,
    variants.vit(64, 32, 64, 2, 2, activation="quick_gelu"),
    variants.text(64, 2, activation="quick_gelu"),
)
RESNET = variants.clip(32, variants.resnet(64, 8, (1, 1, 1, 1)), variants.text(64, 1))
SIGLIP = {
    **variants.clip(
        64,
        variants.siglip_vit(64, 32, 64, 2, 4, 128, "gelu_tanh"),
        variants.text(64, 2, activation="gelu_tanh")
        | {"vocabulary_size": 300, "context_length": 16, "norm_eps": 1e-6, **variants.SIGLIP_READING},
    ),
    **variants.SIGLIP_HEAD,
}


def make_state(model, seed=0):
    """The weights of a random model, by our names."""
    return randomise(build(model), seed).state_dict()


def make_bundle(folder, model, family, tokenizer=None, name="tiny"):
    """A bundle without graphs around a random model."""
    state = make_state(model)
    bundle = Bundle(
        folder=folder,
        name=name,
        licence="MIT",
        dim=model["dim"],
        model=model,
        image=recipes.image_config(family, model["image"].get("image_size", 64)),  # an EfficientNet takes any
        text=recipes.text_config(family, model["text"]["context_length"]),
        logit_scale=math.exp(float(state["log_scale"])),
        logit_bias=float(state["bias"]) if "bias" in state else None,
        calibration=None,
        files={},
    )
    weights = {key: tensor.numpy() for key, tensor in state.items() if key not in ("log_scale", "bias")}
    return write_bundle(bundle, weights, tokenizer or openai.tokenizer_json(), {})


def siglip_tokenizer():
    """A small vocabulary of SigLIP's kind: pieces of words, an end token, a token for padding."""
    pieces = ["<pad>", "</s>", "<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz", "▁cat", "▁dog", "▁the", "▁on"]
    backend = tokenizers.Tokenizer(
        tokenizers.models.Unigram([(piece, -float(i)) for i, piece in enumerate(pieces)], 2, False)
    )
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    backend.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    backend.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return backend.to_str().encode()


def cased_tokenizer(*, end=2, size=120):
    """A small vocabulary of a model's own, which knows capital letters; as XLM-V's, its end token is not the last."""
    letters = [*"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,!éó"]
    words = {letter: number for number, letter in enumerate(letters, start=4)}
    special = {"<s>": 0, "<pad>": 1, "<unk>": 3, "</s>": end}
    words = {word: number if number != end else 2 for word, number in words.items()}
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(words | special, [], unk_token="<unk>"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", end)]
    )
    backend.add_special_tokens(list(special))
    return backend.to_str().encode()


CASED_SETTINGS = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "model_max_length": 32,
}  # fmt: skip
