"""OpenAI's archives: the tensors of a TorchScript file, read without running anything that it holds.

Such a file is a zip with Python source in `code/`, which is never looked at, and a pickle in `data.pkl`,
which says what the tensors are called and where their bytes lie. The pickle is read by an unpickler that
knows how to make tensors, lists, dictionaries and empty holders of attributes, and refuses all else.

Source: pytorch, torch/csrc/jit/docs/serialization.md.
"""

import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seesay.base.errors import BundleError

_STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
}

# what a broken or hostile pickle makes an unpickler stumble over
BROKEN_PICKLE = (
    pickle.UnpicklingError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    AssertionError,
    MemoryError,
    struct.error,
)


class _Holder:
    """Stands for an object of a class that the archive defines; only its attributes are of interest."""


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive, by the code that every one holds; a broken zip is none."""
    try:
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """The tensors of a TorchScript archive under the names of its state dict.

    Raises:
        BundleError: the archive is broken, or its pickle asks for anything but tensors and containers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            root = next(name for name in archive.namelist() if name.endswith("/data.pkl")).removesuffix("data.pkl")
            with archive.open(f"{root}data.pkl") as file:
                tree = _Unpickler(file, lambda key: archive.read(f"{root}data/{key}")).load()
    except BundleError as error:
        raise BundleError(f"{path} is refused: {error}") from error
    except (StopIteration, OSError, zipfile.BadZipFile, *BROKEN_PICKLE) as error:
        raise BundleError(f"{path} is not a sound TorchScript archive: {error!r}") from error
    return dict(_tensors(tree, "", ()))


class _Unpickler(pickle.Unpickler):
    """Reads an archive's data.pkl; `find_class` is the only door to code, and it is a list."""

    def __init__(self, file: Any, read: Callable[[str], bytes]) -> None:
        super().__init__(file)
        self._read = read

    def find_class(self, module: str, name: str) -> Any:
        """The few things that an archive may ask for; what it defines itself becomes a holder."""
        if module.startswith("__torch__"):
            return _Holder
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        raise BundleError(f"its pickle asks for {module}.{name}, which is no part of a model's weights")

    def persistent_load(self, pid: Any) -> Tensor:
        """The bytes of one storage: ("storage", type, key, device, number of elements)."""
        kind, dtype, key, _, _ = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise BundleError(f"its pickle refers to {pid!r}, which is no storage")
        content = bytearray(self._read(str(key)))
        return torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)


def _rebuild_tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    return storage.as_strided(tuple(size), tuple(stride), offset)  # out of bounds is a RuntimeError


def _first(value: Any, *_: Any) -> Any:
    return value


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch.jit._pickle", "restore_type_tag"): _first,
    **{("torch.jit._pickle", f"build_{kind}list"): _first for kind in ("int", "tensor", "double", "bool")},
}


def _tensors(value: Any, name: str, above: tuple[int, ...]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name.removesuffix("."), value
    elif isinstance(value, _Holder) and id(value) not in above:
        for part, inner in vars(value).items():
            yield from _tensors(inner, f"{name}{part}.", (*above, id(value)))
