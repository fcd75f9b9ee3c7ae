"""The references, made importable: open_clip and transformers import torchvision, which has no CPU build for our torch.

torchvision's compiled operators cannot be loaded beside a CPU torch, and without them its import fails, although
nothing here calls one. So they are declared, without bodies. Where the operators do load, nothing is done.
"""

import importlib.util
import warnings
from pathlib import Path

import pytest

OPERATORS = ("nms", "qnms", "roi_align", "qroi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d")
BACKWARD = ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d")


def declare_operators():
    """Declare torchvision's operators if its library cannot be loaded; returns what must be kept alive."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None:
        return None
    try:
        torch.ops.load_library(Path(spec.origin).parent / "_C.so")
    except (OSError, RuntimeError):
        library = torch.library.Library("torchvision", "DEF")
        for name in (*OPERATORS, *(f"_{name}_backward" for name in BACKWARD)):
            library.define(f"{name}(Tensor x) -> Tensor")
        return library
    return None


if importlib.util.find_spec("torch") is not None:
    _KEPT = declare_operators()


@pytest.fixture(scope="session")
def open_clip():
    """The module open_clip; the test is skipped where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("open_clip", reason="open-clip-torch is not installed")


@pytest.fixture(scope="session")
def transformers():
    """The module transformers; the test is skipped where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("transformers", reason="transformers is not installed")
