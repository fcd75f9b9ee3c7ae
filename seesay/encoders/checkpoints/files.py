"""Tensors by name from whatever people put them into: safetensors, PyTorch's files, OpenAI's archives.

Programs that train wrap the weights: in a dictionary with the optimizer's state, and under a prefix for the wrapper of
the module. Both are found and taken off here. Nothing that a file holds is ever run: PyTorch's files are read with
`weights_only`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from seesay.base.errors import BundleError
from seesay.encoders.checkpoints.folder import find_shards
from seesay.encoders.checkpoints.torchscript import BROKEN_PICKLE, is_torchscript, read_torchscript

# Where a program keeps the weights; the first that holds some is taken, averaged ones (EMA) last.
_KEYS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params", "clip")
_AVERAGED = ("ema_state_dict", "model_ema", "state_dict_ema", "ema_model", "ema", "model_ema_state_dict")
_DEPTH = 3  # dictionaries in dictionaries
# What torch.compile, DataParallel, FSDP and activation checkpointing put around a module, at any depth.
_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
# The names that every CLIP has one of; what stands before them is the prefix of whoever holds the model.
_ANCHOR = re.compile(r"(?:^|\.)(?:logit_scale$|visual\.|vision_model\.|text_model\.|token_embedding\.weight$)")
_NAMED_AT_MOST = 5  # keys that a message names


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint, as it is stored.

    Args:
        path: `.safetensors`, a PyTorch file (a state dict, or a training checkpoint that holds one), a TorchScript
            archive, or the index of a checkpoint in several files.

    Raises:
        BundleError: the file is missing, cut short, of another kind, or holds code.
    """
    if path.suffix == ".json":
        if not path.is_file():
            raise BundleError(f"{path} is not there")
        return _read_shards(path)
    return unwrap(_read_file(path), where=str(path))


def _read_file(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise BundleError(f"{path} is not there")
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
    return _from_dictionary(path, content)


def _read_shards(index: Path) -> dict[str, Tensor]:
    state = {name: tensor for shard in find_shards(index) for name, tensor in _read_file(shard).items()}
    return unwrap(state, where=str(index))


def unwrap(state: Mapping[str, Tensor], *, where: str) -> dict[str, Tensor]:
    """The same weights without what wrappers put before their names.

    What stands beside a prefixed model (a teacher that is no CLIP, a metric, an average of the weights) is left away.

    Raises:
        BundleError: two models stand side by side; it names their prefixes.
    """
    plain = {
        ".".join(part for part in name.split(".") if part not in _WRAPPERS): value for name, value in state.items()
    }
    prefixes = sorted({found for name in plain if (found := _prefix(name)) is not None})
    own = [prefix for prefix in prefixes if prefix.rstrip(".") not in _AVERAGED] or prefixes
    if not own or "" in own:
        return plain
    if len(own) > 1:
        raise BundleError(
            f"{where} has the weights of {len(own)} models, whose names begin with {', '.join(map(repr, own))}; "
            "save the one that is wanted in a file of its own"
        )
    return {name.removeprefix(own[0]): value for name, value in plain.items() if name.startswith(own[0])}


def _without_wrappers(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _prefix(name: str) -> str | None:
    """What stands before the first name that a CLIP has; None where there is none."""
    found = _ANCHOR.search(name)
    if found is None:
        return None
    prefix = name[: found.start() + 1] if name[found.start()] == "." else ""
    return prefix.removesuffix("text.")  # in a `CustomTextCLIP` that is a part of the name


def _from_dictionary(path: Path, content: Any) -> dict[str, Tensor]:
    """The weights somewhere in what a training program saved."""
    if not isinstance(content, dict):
        raise BundleError(f"{path} holds no weights by name but a {type(content).__name__}")
    for state in _dictionaries(content, _DEPTH):
        if any(_ANCHOR.search(name) for name in state):
            return state
    flat = _tensors(content)
    if flat and not any(isinstance(value, dict) and _tensors(value) for value in content.values()):
        return flat  # whoever compares names says what is missing
    raise BundleError(f"{path} has no weights of a CLIP where we look for them; {_describe(content)}")


def _dictionaries(content: Mapping[Any, Any], depth: int) -> Iterator[dict[str, Tensor]]:
    """Every dictionary of tensors, in the order in which they are looked for: this one, then those inside."""
    yield _tensors(content)
    known = (*_KEYS, *(key for key in content if key not in (*_KEYS, *_AVERAGED)), *_AVERAGED)
    for key in known:
        if depth and isinstance(content.get(key), dict):
            yield from _dictionaries(content[key], depth - 1)


def _tensors(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _describe(content: Mapping[Any, Any]) -> str:
    """Which keys hold tensors, and how the first of them are called."""
    found = {str(key): _tensors(value) for key, value in content.items() if isinstance(value, dict)}
    parts = [
        f"{key!r} holds {len(state)} tensors, the first {next(iter(state))!r}" for key, state in found.items() if state
    ]
    if not parts:
        return f"its keys are {', '.join(map(repr, list(content)[:_NAMED_AT_MOST]))}"
    return "; ".join(parts[:_NAMED_AT_MOST])
