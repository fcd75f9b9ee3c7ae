"""The models that benches compare: one set of random weights as our bundle, in open_clip and in transformers."""

import contextlib
import importlib
import io
import math
import sys
import warnings
from pathlib import Path
from typing import Any

from seesay.encoders import recipes
from seesay.encoders.bundle import Bundle, copy_bundle, write_bundle
from seesay.encoders.foreign import write_hf
from seesay.encoders.weights import in_8_bits
from seesay.inputs import openai

ROOT = Path(__file__).resolve().parent.parent


def import_peer(name: str) -> Any:
    """open_clip, transformers or torch, importable also where torchvision's operators cannot be loaded."""
    path = str(ROOT / "tests" / "parity")
    if path not in sys.path:
        sys.path.insert(0, path)
    importlib.import_module("conftest")
    warnings.simplefilter("ignore")
    with contextlib.redirect_stderr(io.StringIO()):
        return importlib.import_module(name)


def make_bundle(variant: str, folder: Path, *, int8_folder: Path | None = None) -> Bundle:
    """A model with random weights, with its graphs; on request also as an 8-bit export of the same weights."""
    import torch

    from seesay.encoders.export import export
    from seesay.encoders.torch import stored_state
    from seesay.models.clip import build
    from seesay.models.variants import VARIANTS

    torch.manual_seed(0)
    config = VARIANTS[variant].model
    clip = build(config).eval()
    for block in clip.text_tower.blocks:  # type: ignore[attr-defined]  # fresh biases are zero, and would hide faults
        for layer in (block.qkv, block.attention_out, block.mlp_in, block.mlp_out):
            torch.nn.init.normal_(layer.bias, std=0.05)
    bundle = Bundle(
        folder=folder,
        name="bench",
        licence="MIT",
        dim=config["dim"],
        model=config,
        image=recipes.image_config("clip", config["image"]["image_size"]),
        text=recipes.text_config("clip", config["text"]["context_length"]),
        logit_scale=math.exp(float(clip.log_scale)),
        logit_bias=None,
        calibration=None,
        files={},
    )
    write_bundle(bundle, stored_state(clip), openai.tokenizer_json(), {})
    with contextlib.redirect_stderr(io.StringIO()):
        export(folder)
        if int8_folder is not None:
            whole = Bundle.open(folder)
            copy_bundle(whole, int8_folder, storage=in_8_bits(whole.read_weights()))
            export(int8_folder)
    return Bundle.open(folder)


def open_clip_model(variant: str, folder: Path) -> tuple[Any, Any]:
    """open_clip's module and tokenizer for the bundle's weights."""
    from seesay.encoders.checkpoints.keymap import from_ours
    from seesay.encoders.torch import load_clip

    open_clip = import_peer("open_clip")
    bundle = Bundle.open(folder)
    with contextlib.redirect_stderr(io.StringIO()):
        model = open_clip.create_model(variant)
    model.load_state_dict(from_ours("open_clip", load_clip(bundle).state_dict(), bundle.model), strict=True)
    return model.eval(), open_clip.get_tokenizer(variant)


def transformers_model(folder: Path, scratch: Path) -> tuple[Any, Any] | None:
    """CLIPModel of transformers and its tokenizer for the bundle's weights; None where it has no such model."""
    bundle = Bundle.open(folder)
    if bundle.model["image"]["tower"] != "vit":
        return None
    transformers = import_peer("transformers")
    transformers.logging.set_verbosity_error()
    write_hf(bundle, scratch)
    with contextlib.redirect_stderr(io.StringIO()):
        model = transformers.CLIPModel.from_pretrained(scratch, attn_implementation="sdpa").eval()
        return model, transformers.CLIPTokenizerFast.from_pretrained(scratch)
