"""The models that can be asked for by name: what ships, what was published, and where installed ones lie.

The facts stand in `assets/catalog.json`: for each published checkpoint its architecture (a name of
`seesay.models.variants`), its repository on the hub, licence and published accuracy. A revision and hashes are
given where they are public (OpenAI's are in the addresses of its archives, others on the hub's file pages). Where
they are not, `hub.pull` takes what it finds the first time, writes it into `lock.json` beside the models, and holds
every later fetch against that. Knows no torch and no network.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import platformdirs

from seesay.base.errors import BundleError, UnknownNameError, UsageError
from seesay.base.paths import ASSETS
from seesay.encoders.bundle import CONFIG, Bundle

SHIPPED: dict[str, Path] = {
    "starter": ASSETS / "starter",  # inside the package
}
HUB_PREFIX = "hf-hub:"
LOCK = "lock.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One published checkpoint."""

    name: str
    """As it is asked for: who trained it, a slash, the architecture."""
    variant: str
    """The architecture, a name of `seesay.models.variants`."""
    repo: str
    """On the hub, in open_clip's format or transformers'."""
    revision: str | None
    """The commit that is fetched; None where it is settled by the first fetch."""
    sha256: Mapping[str, str]
    """File name -> hash, where public."""
    licence: str
    """SPDX expression that covers the weights."""
    top1: float | None
    """Zero-shot accuracy on ImageNet in percent, as published; None where nothing is published."""
    top1_source: str | None
    archive_sha256: str | None = None
    """Of OpenAI's own archive, by which a local copy of it is known."""
    statistics: Literal["openai", "inception"] | None = field(default=None)
    """Mean and deviation, where a checkpoint has others than its family."""
    resize: Literal["squash"] | None = None
    """How pictures become squares, where a checkpoint's own config says otherwise than its family does."""
    note: str | None = None
    """What a user must know besides the licence's name."""


class Sizes(NamedTuple):
    """What an architecture costs, as `seesay.models.size.measure` counts it."""

    image_parameters: int
    text_parameters: int
    image_flops: int
    """For one picture; a multiplication and an addition are two."""
    text_flops: int
    """For one text as long as the context."""


def _read_facts() -> tuple[dict[str, Entry], dict[str, Sizes]]:
    facts: dict[str, Any] = json.loads((ASSETS / "catalog.json").read_text("utf-8"))
    entries = {raw["name"]: Entry(**raw) for raw in facts["models"]}
    return entries, {variant: Sizes(**raw) for variant, raw in facts["sizes"].items()}


CATALOG, SIZES = _read_facts()
MODELS = (*SHIPPED, *CATALOG)


def models_folder() -> Path:
    """Where pulled models lie: `$SEESAY_MODELS`, else in the user's data folder."""
    named = os.environ.get("SEESAY_MODELS")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("seesay")) / "models"


def read_lock() -> dict[str, dict[str, Any]]:
    """What was pulled: name -> `repo`, `revision`, `licence` and `sha256` of each fetched file.

    Raises:
        BundleError: the file is there and is not what `hub` wrote.
    """
    path = models_folder() / LOCK
    try:
        lock = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read ({error}); remove it and pull the models again") from error
    if not isinstance(lock, dict) or not all(isinstance(entry, dict) for entry in lock.values()):
        raise BundleError(f"{path} is no list of models; remove it and pull the models again")
    return lock


def installed_folder(name: str) -> Path | None:
    """Where a model lies on this machine; None where it was not pulled."""
    if name in SHIPPED:
        return SHIPPED[name]
    locked = read_lock().get(name)
    if locked is None:
        return None
    folder = bundle_folder(name, locked["revision"])
    return folder if (folder / CONFIG).is_file() else None


def bundle_folder(name: str, revision: str) -> Path:
    """Where a revision of a model is put, whether or not it is there."""
    return models_folder() / f"{name.removeprefix(HUB_PREFIX)}@{revision[:12]}"


def open_bundle(name: str) -> Bundle:
    """Open a model by a name of the catalog, `hf-hub:org/name`, or the path of its folder.

    Raises:
        UsageError: the model is known and not installed; says how to bring it.
        UnknownNameError: neither a name nor a folder; the nearest names are offered.
        BundleError: the folder is not a sound bundle.
    """
    folder = installed_folder(name)
    if folder is not None:
        return Bundle.open(folder)
    if name in CATALOG or name.startswith(HUB_PREFIX):
        raise UsageError(f"the model {name} is not on this machine; bring it with `seesay models pull {name}`")
    path = Path(name).expanduser()
    if path.is_file():
        raise UsageError(f"{path} is a file; make a model of it with `seesay models pull {path}`")
    if path.is_dir():
        if is_foreign(path):
            raise UsageError(f"{path} is a checkpoint of another format; make it ours with `seesay models pull {path}`")
        return Bundle.open(path)
    raise UnknownNameError("model", name, MODELS, cure="list them with `seesay models`")


def is_foreign(folder: Path) -> bool:
    """Whether a folder holds somebody else's checkpoint; transformers' config.json has the same name as ours."""
    try:
        return "format" not in json.loads((folder / CONFIG).read_text("utf-8"))
    except FileNotFoundError:
        return any(path.suffix in (".safetensors", ".bin", ".pt") for path in folder.iterdir())
    except (OSError, ValueError):
        return False  # let Bundle.open say what is wrong
