"""ActionCLIP's checkpoints: a CLIP under OpenAI's names, and beside it what makes one vector of the frames'.

    model_state_dict           the CLIP, in half precision
    fusion_model_state_dict    the temporal head, each name after `module.`

All that were released have the transformer ("Transf"); the mean and the LSTM are read too. Three kinds are refused,
because what they were trained to compute is not what their names say: the convolution read its input in the wrong
order of axes, the shift moved what is added to as well, and the class transformer has PyTorch's encoder layers.

Source: github.com/sallymmx/ActionCLIP (MIT): train.py, utils/saving.py, modules/Visual_Prompt.py, MODEL_ZOO.md.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seesay.base.errors import BundleError
from seesay.encoders import recipes
from seesay.encoders.bundle import Bundle, write_bundle
from seesay.encoders.checkpoints.keymap import to_ours
from seesay.encoders.checkpoints.openai import BLOCK, infer_config
from seesay.encoders.checkpoints.torchscript import BROKEN_PICKLE, is_torchscript
from seesay.encoders.temporal import PREFIX, write_temporal
from seesay.encoders.weights import Storage
from seesay.models.temporal import Head, TemporalConfig

MODEL, FUSION = "model_state_dict", "fusion_model_state_dict"
_FRAMES = re.compile(r"(\d+)f(?:rames)?\b")
_NORM_EPS = 1e-12  # of the head's own LayerNorm; the towers have CLIP's 1e-5
_NUM_FRAMES = 8
_BLOCKS = {part.theirs[0].replace(".{kind}", ""): part.ours[0].replace(".{kind}", "") for part in BLOCK}


def read_actionclip(path: Path) -> Mapping[str, Any] | None:
    """The content of a file of ActionCLIP's training; None for any other file.

    Nothing that it holds is ever run.
    """
    if not path.is_file() or path.suffix not in (".pt", ".pth") or is_torchscript(path):
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, *BROKEN_PICKLE):
        return None  # whoever reads it as something else says what is wrong
    if not isinstance(content, dict) or not {MODEL, FUSION} <= content.keys():
        return None
    return content


def convert_actionclip(
    content: Mapping[str, Any],
    out: Path,
    *,
    path: Path,
    name: str | None = None,
    licence: str = "LicenseRef-unknown",
    storage: Storage = "float32",
) -> Bundle:
    """Make a video model of a checkpoint; graphs and self-test are added by `seesay.encoders.export.export`.

    Args:
        content: as `read_actionclip` gives it.
        out: the bundle's folder; one that is there is replaced.
        path: where the checkpoint lies; 8f, 16f or 32f in the names of file or folder says how many frames it saw,
            which nothing in it does. Without that: 8.
        name: the bundle's name; by default that of `out`.
        licence: SPDX expression that covers the weights.
        storage: how matrices are stored.

    Raises:
        BundleError: a kind that cannot be read, or weights that are missing or of another shape.
    """
    towers = _stripped(content[MODEL])
    if any(".net." in key for key in towers):
        raise BundleError(
            f"{path} has ActionCLIP's temporal shift, which also moves what each block is added to; ours does not, so "
            "its weights would compute something else"
        )
    model = infer_config(towers)
    state = to_ours("openai", towers, model)
    text = model["text"]
    bundle = Bundle(
        folder=out,
        name=name or out.name,
        licence=licence,
        dim=model["dim"],
        model=model,
        image=recipes.image_config("clip", model["image"]["image_size"]),
        text=recipes.text_config("clip", text["context_length"]),
        logit_scale=math.exp(float(state.pop("log_scale"))),
        logit_bias=None,
        calibration=None,
        files={},
    )
    config, head = _head(_stripped(content[FUSION]), text["width"] // 64, _num_frames(path), path)
    weights = {key: np.asarray(tensor.numpy()) for key, tensor in state.items()}
    bundle = write_bundle(bundle, weights, recipes.tokenizer_json("clip", None), {"": storage})
    write_temporal(bundle, config, {f"{PREFIX}head.{key}": tensor for key, tensor in head.items()})
    return bundle


def _head(
    theirs: Mapping[str, Tensor], num_heads: int, num_frames: int, path: Path
) -> tuple[TemporalConfig, dict[str, Tensor]]:
    kind, layers = _kind(theirs, path), 0
    ours: dict[str, Tensor] = {}
    for key, tensor in theirs.items():
        if found := re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)", key):
            ours[f"blocks.{found[1]}.{_block_name(found[2], key, path)}.{found[3]}"] = tensor
            layers = max(layers, int(found[1]) + 1)
        elif key.startswith("lstm_visual."):
            ours[key.replace("lstm_visual.", "lstm.")] = tensor
        elif key == "frame_position_embeddings.weight":
            if kind == "transformer":  # the LSTM's code makes them and does not use them
                ours["position_embedding"] = tensor
        else:
            raise BundleError(f"{path} has {key} in its temporal head, which no head that we know has")
    is_transformer = kind == "transformer"
    config = TemporalConfig(
        num_frames=num_frames,
        tower="frames",
        head=kind,
        num_layers=layers,
        num_heads=num_heads if is_transformer else 0,
        num_positions=len(ours["position_embedding"]) if is_transformer else 0,
        activation="quick_gelu",
        norm_eps=_NORM_EPS,
        has_unit_frames=False,
    )
    return config, ours


def _kind(theirs: Mapping[str, Tensor], path: Path) -> Head:
    if not theirs:
        return "mean"
    if any(key.startswith("transformer.resblocks.") for key in theirs):
        return "transformer"
    if any(key.startswith("lstm_visual.") for key in theirs):
        return "lstm"
    if "shift.weight" in theirs:
        raise BundleError(
            f"{path} has ActionCLIP's convolution, which was trained on input whose axes were taken for each other; "
            "no weights of it mean what a convolution over time does"
        )
    raise BundleError(f"{path} has another temporal head than ActionCLIP released; train one with `seesay train`")


def _block_name(theirs: str, key: str, path: Path) -> str:
    known = {name.removesuffix("_{kind}"): ours for name, ours in _BLOCKS.items()}
    if theirs not in known:
        raise BundleError(f"{path} has {key} in its temporal head, which no block of a transformer has")
    return known[theirs]


def _stripped(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without what DataParallel puts before each name."""
    return {key.removeprefix("module."): tensor for key, tensor in state.items()}


def _num_frames(path: Path) -> int:
    for part in (path.stem, path.parent.name):
        if found := _FRAMES.search(part.replace("_", " ").replace("-", " ")):
            return int(found[1])
    return _NUM_FRAMES
