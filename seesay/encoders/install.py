"""From a name to a model on this machine: fetch the checkpoint, convert it, export its graphs, test it.

    seesay models pull openai/ViT-B-32

What was fetched goes into `lock.json` beside the models: the first pull settles the revision and the hashes of a name
that the catalog leaves open, and every later one is held to them. When the model stands, its checkpoint is removed.
"""

import dataclasses
import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import filelock

from seesay.base.errors import BundleError, UnknownNameError, UsageError
from seesay.encoders.bundle import Bundle, file_sha256, write_atomically
from seesay.encoders.catalog import (
    CATALOG,
    HUB_PREFIX,
    LOCK,
    MODELS,
    SHIPPED,
    Entry,
    bundle_folder,
    installed_folder,
    is_foreign,
    models_folder,
    read_lock,
)
from seesay.encoders.checkpoints.folder import find_shards, find_weights
from seesay.encoders.hub import Checkpoint, Progress, Report, fetch

_REPO = re.compile(r"\w[\w.-]*/\w[\w.-]*")  # also a folder's name, so it must not climb


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """What a pull is to bring."""

    name: str
    """As the model will be asked for."""
    entry: Entry | None = None
    """The catalog's facts, where it has some."""
    repo: str | None = None
    revision: str | None = None
    """The commit, where one was asked for."""
    source: Path | None = None
    """A checkpoint on this machine, instead of the hub's."""


def pull(
    name: str,
    *,
    source: Path | None = None,
    variant: str | None = None,
    is_update: bool = False,
    report: Report = lambda _: None,
) -> Bundle:
    """Bring a model to this machine; one that is there already is left as it is.

    Args:
        name: a name of the catalog, `hf-hub:org/name`, or the path of a checkpoint: a folder, or a file of weights.
        source: take the checkpoint from this folder or file, not from the hub.
        variant: the architecture, where neither catalog nor checkpoint says it.
        is_update: take the hub's newest revision, not the one that was pulled before; one that the catalog pins stays.
        report: told how far it is.

    Raises:
        UnknownNameError: no such model or variant; the nearest are offered.
        BundleError: the checkpoint cannot be fetched, is damaged, or is of another architecture.
        MissingExtraError: torch or huggingface_hub is not installed.
    """
    import seesay.encoders.export  # noqa: F401  first of all: nobody shall fetch a gigabyte to learn what is missing

    wanted = _resolve(name, source)
    downloads = _downloads(wanted.name)
    downloads.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(downloads.with_name(f"{downloads.name}.lock")):  # a second pull waits, and finds it there
        locked = {} if is_update else read_lock().get(wanted.name, {})
        there = installed_folder(wanted.name)
        if there is None or not locked or wanted.source or wanted.revision not in (None, locked.get("revision")):
            checkpoint = _obtain(wanted, locked, report)
            there = bundle_folder(wanted.name, checkpoint.revision)
            if variant is not None or not there.is_dir():
                _make(wanted, checkpoint, variant, report)
            _lock(wanted, checkpoint)
        shutil.rmtree(downloads, ignore_errors=True)
    return Bundle.open(there)


def _make(wanted: _Wanted, checkpoint: Checkpoint, variant: str | None, report: Report) -> None:
    """Convert, export and test a checkpoint; what fails never gets the model's name."""
    from seesay.encoders.export import export

    folder, scratch = bundle_folder(wanted.name, checkpoint.revision), _downloads(wanted.name) / "making"
    report(Progress("converting", wanted.name))
    _convert(wanted, checkpoint, variant, scratch)
    report(Progress("exporting", wanted.name))
    export(scratch)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    scratch.rename(folder)


def _resolve(name: str, source: Path | None) -> _Wanted:
    """Whose checkpoint is asked for, and what the model will be called."""
    path = Path(name).expanduser()
    if name in SHIPPED:
        raise UsageError(f"{name} ships with seesay; there is nothing to bring")
    if name in CATALOG:
        entry = CATALOG[name]
        return _Wanted(name=name, entry=entry, repo=entry.repo, revision=entry.revision, source=_existing(source))
    if name.startswith(HUB_PREFIX):
        repo, _, revision = name.removeprefix(HUB_PREFIX).partition("@")
        if not _REPO.fullmatch(repo):
            raise UsageError(
                f"{name!r} names no repository; write it as {HUB_PREFIX}org/name, or with @commit after it"
            )
        return _Wanted(name=HUB_PREFIX + repo, repo=repo, revision=revision or None, source=_existing(source))
    if source is None and path.exists():
        return _of_path(path.resolve())
    raise UnknownNameError("model", name, MODELS, cure="list them with `seesay models`")


def _of_path(path: Path) -> _Wanted:
    """A checkpoint on this machine; OpenAI's archives are known by their hashes."""
    if path.is_dir() and not is_foreign(path):
        raise UsageError(f"{path} is a model already; use it with --model {path}")
    if path.is_file():
        digest = file_sha256(path)
        for entry in CATALOG.values():
            if digest == entry.archive_sha256:
                return _Wanted(name=entry.name, entry=entry, source=path)
    return _Wanted(name=f"local/{path.stem if path.is_file() else path.name}", source=path)


def _existing(source: Path | None) -> Path | None:
    if source is None:
        return None
    path = source.expanduser().resolve()
    if not path.exists():
        raise UsageError(f"--from {source} is not there")
    return path


def _obtain(wanted: _Wanted, locked: Mapping[str, Any], report: Report) -> Checkpoint:
    if wanted.source or wanted.revision not in (None, locked.get("revision")):
        locked = {}  # it is of another revision
    expected = {**locked.get("sha256", {}), **(wanted.entry.sha256 if wanted.entry else {})}
    if wanted.source is not None:
        return _local(wanted, expected, report)
    assert wanted.repo is not None
    revision = wanted.revision or (locked.get("revision") if locked.get("repo") else None)
    return fetch(wanted.repo, _downloads(wanted.name), revision=revision, sha256=expected, report=report)


def _local(wanted: _Wanted, expected: Mapping[str, str], report: Report) -> Checkpoint:
    """A checkpoint on this machine, held to the hashes that are known of files of its names."""
    assert wanted.source is not None
    weights = find_weights(wanted.source) if wanted.source.is_dir() else wanted.source
    digests: dict[str, str] = {}
    for path in dict.fromkeys((weights, *find_shards(weights))):
        if not path.is_file():
            raise BundleError(f"{path} is not there, and {weights.name} names it; fetch it again")
        report(Progress("checking", path.name, 0, path.stat().st_size))
        digests[path.name] = digest = file_sha256(path)
        if expected.get(path.name, digest) != digest:
            raise BundleError(
                f"{path} is not the file that {wanted.name} was published with: its sha256 is {digest}, "
                f"expected {expected[path.name]}; fetch it again"
            )
    revision = digest if len(digests) == 1 else hashlib.sha256("".join(digests.values()).encode()).hexdigest()
    return Checkpoint(path=wanted.source, revision=revision, sha256=digests)


def _convert(wanted: _Wanted, checkpoint: Checkpoint, variant: str | None, out: Path) -> None:
    from seesay.encoders.checkpoints.convert import convert

    shutil.rmtree(out, ignore_errors=True)  # of a pull that was stopped
    entry = wanted.entry
    convert(
        checkpoint.path,
        out,
        name=wanted.name,
        licence=entry.licence if entry else "LicenseRef-unknown",
        variant=variant or (entry.variant if entry else None),
        statistics=entry.statistics if entry else None,
    )


def _lock(wanted: _Wanted, checkpoint: Checkpoint) -> None:
    models = models_folder()
    models.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(models / f"{LOCK}.lock"):  # two pulls at once must not lose each other's line
        repo = wanted.repo if wanted.source is None else None
        locked = {"repo": repo, "revision": checkpoint.revision, "sha256": dict(checkpoint.sha256)}
        lock = dict(sorted({**read_lock(), wanted.name: locked}.items()))
        write_atomically(models / LOCK, (json.dumps(lock, indent=2) + "\n").encode())


def _downloads(name: str) -> Path:
    """Where a model's files wait until it stands; kept when a pull is stopped, so that the next one goes on."""
    return models_folder() / ".downloads" / name.removeprefix(HUB_PREFIX).replace("/", "--")
