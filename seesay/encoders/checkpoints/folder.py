"""Which files of a checkpoint's folder, or of its repository on the hub, hold what. Knows no torch and no network."""

import json
from pathlib import Path
from typing import Any

from seesay.base.errors import BundleError

# The first that is there is taken: open_clip's own names before transformers', where a folder has both,
# and safetensors before pickles.
WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
BESIDE = (
    "open_clip_config.json",
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
)
_INDEX = ".index.json"


def find_weights(folder: Path) -> Path:
    """The file of a folder that holds the weights, or the index of those that do.

    Raises:
        BundleError: none of the usual names is there.
    """
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise BundleError(f"{folder} has no weights; it should hold one of {', '.join(WEIGHTS)}")


def find_shards(weights: Path) -> list[Path]:
    """The files beside an index that hold the weights, sorted; of any other file itself.

    Raises:
        BundleError: the index cannot be read, or does not say where the weights are.
    """
    if not weights.name.endswith(_INDEX):
        return [weights]
    places = read_json(weights).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise BundleError(f"{weights} does not say which file holds which weight: it has no weight_map")
    # a name only: an index must not lead out of its folder
    return [weights.with_name(name) for name in sorted({Path(str(place)).name for place in places.values()})]


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
