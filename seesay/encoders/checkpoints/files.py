"""Tensors by name from whatever people put them into: safetensors, PyTorch's files, OpenAI's archives.

Nothing that a file holds is ever run: PyTorch's files are read with `weights_only`.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from seesay.base.errors import BundleError
from seesay.encoders.checkpoints.folder import find_shards
from seesay.encoders.checkpoints.torchscript import BROKEN_PICKLE, is_torchscript, read_torchscript


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


def _read_shards(index: Path) -> dict[str, Tensor]:
    return {name: tensor for shard in find_shards(index) for name, tensor in read_tensors(shard).items()}


def _unwrap(path: Path, content: Any) -> dict[str, Tensor]:
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise BundleError(f"{path} holds no weights by name but a {type(content).__name__}")
    return {name: value for name, value in content.items() if isinstance(value, Tensor)}
