"""OpenAI's archives: the tensors of a TorchScript file, read without running anything that it holds.

Such a file is a zip with Python source in `code/`, which is never looked at, and a pickle in `data.pkl`,
which says what the tensors are called and where their bytes lie. The pickle is read by an unpickler that
knows how to make tensors, lists, dictionaries and empty holders of attributes, and refuses all else.

Source: pytorch, torch/csrc/jit/docs/serialization.md.
"""

import itertools
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
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


MAX_RATIO = 4  # PyTorch never compresses; numbers that somebody packed again shrink by a tenth
_MAX_PICKLE_BYTES = 64 << 20
_MAX_PARTS = 1_000_000  # of the tree of modules: parts may be shared, and then a small pickle is a large tree


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


def check_zip(path: Path) -> None:
    """Refuse an archive that unpacks to far more than it has; one that is no zip, or a broken one, is let through.

    Raises:
        BundleError: it does.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            num_unpacked = sum(member.file_size for member in archive.infolist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return
    if num_unpacked > MAX_RATIO * path.stat().st_size:
        raise BundleError(
            f"{path} is refused: {path.stat().st_size:,} bytes of it become {num_unpacked:,}, and weights cannot be "
            "packed so small; fetch it again from where it is published"
        )


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """The tensors of a TorchScript archive under the names of its state dict.

    Raises:
        BundleError: the archive is broken, unpacks to far more than it has, or its pickle asks for anything but tensors
            and containers.
    """
    check_zip(path)
    try:
        with zipfile.ZipFile(path) as archive:
            root = next(name for name in archive.namelist() if name.endswith("/data.pkl")).removesuffix("data.pkl")
            if archive.getinfo(f"{root}data.pkl").file_size > _MAX_PICKLE_BYTES:
                raise BundleError(f"its data.pkl is larger than {_MAX_PICKLE_BYTES >> 20} MiB, and holds names alone")
            with archive.open(f"{root}data.pkl") as file:
                tree = _Unpickler(file, archive, f"{root}data/").load()
            return dict(_tensors(tree, "", (), itertools.count()))
    except BundleError as error:
        raise BundleError(f"{path} is refused: {error}") from error
    except (StopIteration, OSError, zipfile.BadZipFile, *BROKEN_PICKLE) as error:
        raise BundleError(f"{path} is not a sound TorchScript archive: {error!r}") from error


class _Unpickler(pickle.Unpickler):
    """Reads an archive's data.pkl; `find_class` is the only door to code, and it is a list."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(file)
        self._archive, self._folder = archive, folder
        self._storages: dict[tuple[str, torch.dtype], Tensor] = {}  # several tensors may share one

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
        kind, dtype, key, _, num_elements = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise BundleError(f"its pickle refers to {pid!r}, which is no storage")
        if (found := self._storages.get((str(key), dtype))) is not None:
            return found
        member = self._archive.getinfo(f"{self._folder}{key}")
        if member.file_size != num_elements * dtype.itemsize:
            raise BundleError(
                f"its storage {key} has {member.file_size:,} bytes, and its pickle says {num_elements:,} numbers of "
                f"{dtype.itemsize} bytes"
            )
        content = bytearray(self._archive.read(member))
        storage = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
        self._storages[str(key), dtype] = storage
        return storage


def _rebuild_tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    tensor = storage.as_strided(tuple(size), tuple(stride), offset)  # out of bounds is a RuntimeError
    if tensor.numel() > max(storage.numel(), 1):
        raise BundleError(f"a tensor of {tensor.numel():,} numbers has a storage of {storage.numel():,}")
    return tensor


def _first(value: Any, *_: Any) -> Any:
    return value


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch.jit._pickle", "restore_type_tag"): _first,
    **{("torch.jit._pickle", f"build_{kind}list"): _first for kind in ("int", "tensor", "double", "bool")},
}


def _tensors(value: Any, name: str, above: tuple[int, ...], parts: Iterator[int]) -> Iterator[tuple[str, Tensor]]:
    if next(parts) > _MAX_PARTS:
        raise BundleError(f"it has more than {_MAX_PARTS:,} parts")
    if isinstance(value, Tensor):
        yield name.removesuffix("."), value
    elif isinstance(value, _Holder) and id(value) not in above:
        for part, inner in vars(value).items():
            yield from _tensors(inner, f"{name}{part}.", (*above, id(value)), parts)
