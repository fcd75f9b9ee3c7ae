"""Bundles with small random models of every family, for tests of what surrounds the weights."""

import math

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
