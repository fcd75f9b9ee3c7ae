"""Tensors by name from whatever people put them into: safetensors, PyTorch's files, OpenAI's archives.

Nothing that a file holds is ever run: PyTorch's files are read with `weights_only`.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from seesay.base.errors import BundleError
from seesay.encoders.checkpoints.torchscript import BROKEN_PICKLE, is_torchscript, read_torchscript

# in a folder, the first of these that is there; open_clip's own before transformers', where a folder has both
NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint, as it is stored.

    Args:
        path: `.safetensors`, a PyTorch file (a state dict, or a training checkpoint with one under
            "state_dict"), a TorchScript archive, or the index of a checkpoint in several files.

    Raises:
        BundleError: the file is missing, cut short, of another kind, or holds code.
    """
    if not path.is_file():
        raise BundleError(f"{path} is not there")
    if path.suffix == ".json":
        return _read_shards(path)
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except (SafetensorError, OSError) as error:
            raise BundleError(f"{path} is not a sound safetensors file: {error}; fetch it again") from error
    if is_torchscript(path):
        return read_torchscript(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, *BROKEN_PICKLE) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise BundleError(f"{path} is refused: it is cut short, or holds more than weights ({reason})") from error
    return _unwrap(path, content)


def find_weights(folder: Path) -> Path:
    """The file of a folder that holds the weights.

    Raises:
        BundleError: none of the usual names is there.
    """
    for name in NAMES:
        if (folder / name).is_file():
            return folder / name
    raise BundleError(f"{folder} has no weights; it should hold one of {', '.join(NAMES)}")


def read_json(path: Path) -> dict[str, Any]:
    """A dictionary from a JSON file.

    Raises:
        BundleError: the file is missing, not JSON, or no dictionary.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise BundleError(f"{path} is no dictionary but {type(content).__name__}")
    return content


def _read_shards(index: Path) -> dict[str, Tensor]:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict):
        raise BundleError(f"{index} does not say which file holds which weight: it has no weight_map")
    # a name only: an index must not lead out of its folder
    shards = [read_tensors(index.parent / Path(str(name)).name) for name in sorted(set(places.values()))]
    return {name: tensor for shard in shards for name, tensor in shard.items()}


def _unwrap(path: Path, content: Any) -> dict[str, Tensor]:
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise BundleError(f"{path} holds no weights by name but a {type(content).__name__}")
    return {name: value for name, value in content.items() if isinstance(value, Tensor)}
