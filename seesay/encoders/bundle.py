"""A bundle: one folder is one model.

    config.json          what the model is, and everything that must be right for its numbers to be right
    model.safetensors    the weights, once, in 32, 16 or 8 bits (see `weights`)
    tokenizer.json       as the tokenizers library writes it
    image.onnx text.onnx the graphs, where exported; their weights are those of model.safetensors
    text_packed.onnx     the text graph again, for texts that share their beginnings; causal towers only, may be missing
    selftest.json        a few inputs and their vectors

config.json has a fixed set of keys, and so has every section: a missing or unknown one is an error,
because whatever is guessed here (an activation, a resize mode) is wrong silently. Knows no torch.
"""

import dataclasses
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from seesay.base.errors import BundleError, UsageError, reason
from seesay.encoders.weights import Array, Storage, encode, read_header, read_weights, write_weights
from seesay.inputs.tokenizer import TextConfig
from seesay.inputs.transform import ImageConfig

FORMAT = 1
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
IMAGE_GRAPH, TEXT_GRAPH, SELFTEST = "image.onnx", "text.onnx", "selftest.json"
PACKED_GRAPH = "text_packed.onnx"
CALIBRATED_PICTURES = (20, 640)  # pictures of the smallest and the largest library that a calibration speaks of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bundle:
    """What config.json says, and the folder it says it of. Made by `Bundle.open` or `write_bundle`."""

    folder: Path
    name: str
    licence: str
    """SPDX expression that covers the weights."""
    dim: int
    """E, the length of a vector."""
    model: Mapping[str, Any]
    """The architecture, as `seesay.models.clip.build` takes it."""
    image: ImageConfig
    text: TextConfig
    logit_scale: float
    """What a cosine is multiplied by before a softmax over labels (not its logarithm)."""
    logit_bias: float | None
    """What is then added; None where the model has no bias."""
    calibration: Mapping[str, Any] | None
    """When a score means a match, `{"least_cosine": 0.2, "per_doubling": 0.02}`, for a library of
    20 pictures and what is added for one twice as large; None where nobody has measured it."""
    files: Mapping[str, str]
    """Name -> sha256 of the files that the vectors depend on."""

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Read and check config.json, and that the files it names are there and whole.

        The weights are not hashed here (see `verify`), because every start would pay for it.

        Raises:
            BundleError: a file or a key is missing, unknown or of another kind.
        """
        try:
            raw = json.loads((folder / CONFIG).read_text("utf-8"))
        except FileNotFoundError as error:
            raise BundleError(f"{folder} is no model: it has no {CONFIG}") from error
        except (OSError, ValueError) as error:
            raise BundleError(f"{folder / CONFIG} cannot be read: {reason(error)}") from error
        bundle = cls._from_dict(folder, raw)
        for name in bundle.files:
            if not (folder / name).is_file():
                raise BundleError(f"{folder} lacks {name}, which its {CONFIG} names; fetch or make the model again")
        read_header(folder / WEIGHTS)  # a download that was cut short ends here
        return bundle

    @classmethod
    def _from_dict(cls, folder: Path, raw: Any) -> "Bundle":
        where = folder / CONFIG
        if not isinstance(raw, dict):
            raise BundleError(f"{where} is no dictionary but {type(raw).__name__}")
        if raw.get("format") != FORMAT:
            raise BundleError(f"{where} has format {raw.get('format')!r}, this seesay reads {FORMAT}; update the other")
        keys = {"format", *(field.name for field in dataclasses.fields(cls)), "folder"} - {"folder"}
        _check_keys(f"{where}", raw, keys)
        _check_types(where, raw)
        _check_keys(f"{where}: files", raw["files"], {WEIGHTS, TOKENIZER})
        if raw["calibration"] is not None:
            _check_keys(f"{where}: calibration", raw["calibration"], {"least_cosine", "per_doubling"})
        try:
            image, text = ImageConfig.from_dict(raw["image"]), TextConfig.from_dict(raw["text"])
        except UsageError as error:
            raise BundleError(f"{where}: {error}") from error
        rest = {key: value for key, value in raw.items() if key not in ("format", "image", "text")}
        return cls(folder=folder, image=image, text=text, **rest)

    def to_dict(self) -> dict[str, Any]:
        """What config.json holds."""
        rest = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "folder"}
        return {"format": FORMAT, **rest, "image": self.image.to_dict(), "text": self.text.to_dict()}

    @cached_property
    def id(self) -> str:
        """`name@hash`, the hash over architecture, preprocessing and the hashes of weights and tokenizer."""
        config = self.to_dict()
        parts = {key: config[key] for key in ("model", "image", "text", "files")}
        canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return f"{self.name}@{hashlib.sha256(canonical.encode()).hexdigest()[:12]}"

    @property
    def is_causal(self) -> bool:
        """Whether a token of a text depends only on those before it, so that texts can share beginnings."""
        return bool(self.model["text"].get("attention") == "causal")

    def least_cosine(self, num_pictures: int) -> float | None:
        """When the best of so many pictures for a text is below this, probably none shows it.

        The best of many wrong pictures is better than that of a few, so it grows with their number, as far as that
        was measured. None where nobody measured it.
        """
        if self.calibration is None:
            return None
        fewest, most = CALIBRATED_PICTURES
        doublings = math.log2(min(max(num_pictures, fewest), most) / fewest)
        return float(self.calibration["least_cosine"] + self.calibration["per_doubling"] * doublings)

    def verify(self) -> None:
        """Hash the files and compare; reads all of them.

        Raises:
            BundleError: a file is not the one that config.json was written for.
        """
        for name, expected in self.files.items():
            got = file_sha256(self.folder / name)
            if got != expected:
                raise BundleError(
                    f"{self.folder / name} was changed: its sha256 is {got[:12]}…, {CONFIG} says {expected[:12]}…; "
                    "fetch or make the model again"
                )

    def read_weights(self) -> dict[str, Array]:
        """Every weight by name, as float32 (counters as int64).

        Raises:
            BundleError: the file is broken.
        """
        return read_weights(self.folder / WEIGHTS)


def write_bundle(
    bundle: Bundle, weights: Mapping[str, Array], tokenizer: bytes, storage: Mapping[str, Storage]
) -> Bundle:
    """Write a bundle's three essential files; a folder that was there is replaced, or stays as it was.

    Graphs and self-test are added by `seesay.encoders.export.export`.

    Args:
        bundle: what to write and where; its `files` are computed here.
        weights: name -> float32 or int64, without the logit scale and bias, which config.json holds.
        tokenizer: the content of tokenizer.json.
        storage: how matrices are stored, see `weights.encode`.

    Returns:
        The bundle as it was written.
    """
    folder = bundle.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        fresh = Path(scratch) / "new"
        fresh.mkdir()
        write_weights(fresh / WEIGHTS, encode(weights, storage))
        (fresh / TOKENIZER).write_bytes(tokenizer)
        files = {name: file_sha256(fresh / name) for name in (WEIGHTS, TOKENIZER)}
        bundle = dataclasses.replace(bundle, files=files)
        text = json.dumps(bundle.to_dict(), indent=2, ensure_ascii=False) + "\n"
        (fresh / CONFIG).write_text(text, "utf-8")
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        fresh.rename(folder)
    return bundle


def copy_bundle(bundle: Bundle, folder: Path, *, storage: Mapping[str, Storage] | None = None) -> Bundle:
    """Write a bundle's three essential files elsewhere; graphs and self-test are made there by `export`.

    Args:
        bundle: what to copy.
        folder: where to.
        storage: store the matrices in another way, see `weights.encode`; by default byte for byte.
    """
    if storage is not None:
        tokenizer = (bundle.folder / TOKENIZER).read_bytes()
        return write_bundle(dataclasses.replace(bundle, folder=folder), bundle.read_weights(), tokenizer, storage)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (CONFIG, WEIGHTS, TOKENIZER):
        shutil.copyfile(bundle.folder / name, folder / name)
    return Bundle.open(folder)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(content)
    fresh.replace(path)


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_keys(where: str, raw: Mapping[str, Any], expected: set[str]) -> None:
    missing, extra = sorted(expected - raw.keys()), sorted(raw.keys() - expected)
    if missing:
        raise BundleError(f"{where} lacks {', '.join(missing)}")
    if extra:
        raise BundleError(f"{where} has unknown {', '.join(extra)}; it may hold {', '.join(sorted(expected))}")


def _check_types(where: Path, raw: Mapping[str, Any]) -> None:
    kinds: dict[str, Any] = {
        "name": str, "licence": str, "dim": int, "model": dict, "image": dict, "text": dict,
        "logit_scale": int | float, "logit_bias": int | float | None, "calibration": dict | None, "files": dict,
    }  # fmt: skip
    for key, kind in kinds.items():
        if not isinstance(raw[key], kind) or isinstance(raw[key], bool):
            raise BundleError(f"{where}: {key} is {raw[key]!r}, expected {getattr(kind, '__name__', kind)}")
