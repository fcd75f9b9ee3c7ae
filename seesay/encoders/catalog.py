"""The models that can be asked for by name, and where their bundles are."""

import os
from pathlib import Path

from seesay.base.errors import UnknownNameError
from seesay.base.paths import ASSETS
from seesay.encoders.bundle import Bundle

MODELS: dict[str, Path] = {
    "starter": ASSETS / "starter",  # ships inside the package
}


def open_bundle(name: str) -> Bundle:
    """Open a model by its name here, or by the path of its folder.

    Raises:
        UnknownNameError: neither a name nor a folder; the nearest names are offered.
        BundleError: the folder is not a sound bundle.
    """
    if name in MODELS:
        return Bundle.open(MODELS[name])
    folder = Path(name).expanduser()
    if folder.is_dir():
        return Bundle.open(folder)
    if os.sep in name:
        raise UnknownNameError("model", name, MODELS, cure="and there is no such folder")
    raise UnknownNameError("model", name, MODELS)
