"""seesay: CLIP, end to end. Train it, test it, and search your own pictures and videos with it.

    import seesay

    encoder = seesay.load()                                  # the starter: no download, no torch
    encoder.encode_texts(["a dog on a beach"])               # (1, E) float32, unit rows
    library = seesay.Library.open("my-library", encoder=encoder)
    library.add("~/Pictures")
    library.search("a dog on a beach")

Importing this is cheap: everything is loaded when it is first used.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seesay.base.errors import SeesayError
    from seesay.encoders import load
    from seesay.encoders.encoder import Encoder
    from seesay.search.detail import Detail
    from seesay.search.hit import Hit
    from seesay.search.library import Library
    from seesay.search.query import Query, Steps, Term
    from seesay.tasks.classify import classify

__version__ = "0.1.0"
__all__ = ["Detail", "Encoder", "Hit", "Library", "Query", "SeesayError", "Steps", "Term", "classify", "load"]

# seesay works offline and tells nobody what it does, so what it is built on must not either. Whichever part of seesay a
# process begins with, this runs first: each library reads its variable when it is imported, and processes that are
# started from here inherit them. Whatever the user's environment says: nobody sets them to be reported on.
os.environ.update(
    ORT_DISABLE_TELEMETRY="1",  # ONNX Runtime: a lasting device id in ~/.cache, and events to its maker's server
    HF_HUB_DISABLE_TELEMETRY="1",  # huggingface_hub, and with it datasets and transformers
    WANDB_ERROR_REPORTING="false",  # wandb: its own crashes, beside the numbers that it was asked to take
)

_HOME = {
    "Detail": "seesay.search.detail",
    "Encoder": "seesay.encoders.encoder",
    "Hit": "seesay.search.hit",
    "Library": "seesay.search.library",
    "Query": "seesay.search.query",
    "SeesayError": "seesay.base.errors",
    "Steps": "seesay.search.query",
    "Term": "seesay.search.query",
    "classify": "seesay.tasks.classify",
    "load": "seesay.encoders",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'seesay' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
