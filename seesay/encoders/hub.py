"""A checkpoint from the Hugging Face hub onto this machine, whole and checked.

The hub is reached through huggingface_hub, so its endpoint, token, cache and offline switch count. The files go into a
folder of ours, because a download that was cut off, even by `kill -9`, must go on where it stopped, and huggingface_hub
throws its half away. Every weights file is hashed before anything reads it: against what the catalog or an earlier
fetch knows, and against the hub's own word. Must not know what is in a file.
"""

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from seesay.base.errors import BundleError, MissingExtraError
from seesay.encoders.bundle import file_sha256
from seesay.encoders.checkpoints.folder import BESIDE, WEIGHTS, find_shards

_SHA256 = re.compile("[0-9a-f]{64}")
_PART = ".part"

Stage: TypeAlias = Literal["fetching", "checking", "converting", "exporting"]


class Progress(NamedTuple):
    """How far a pull is."""

    stage: Stage
    what: str
    """The file that is fetched or checked, or the model that is made."""
    done_bytes: int = 0
    total_bytes: int | None = None
    """None where nobody knows."""


Report: TypeAlias = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """A checkpoint that lies on this machine."""

    path: Path
    """A folder, or a single file of weights."""
    revision: str
    """The hub's commit; of a local checkpoint the sha256 of its weights."""
    sha256: Mapping[str, str]
    """File name -> hash, of every file that was read."""


class _Remote(NamedTuple):
    """A file on the hub."""

    name: str
    url: str
    commit: str
    size_bytes: int | None
    sha256: str | None
    """The hub's own word; it has one for large files only."""


def fetch(repo: str, folder: Path, *, revision: str | None, sha256: Mapping[str, str], report: Report) -> Checkpoint:
    """Bring a repository's weights and what stands beside them; go on where an earlier try stopped.

    Args:
        repo: `org/name`.
        folder: where the files go, in a folder named after the commit.
        revision: the commit, or None for the newest.
        sha256: file name -> hash that it must have.
        report: told how far it is.

    Raises:
        BundleError: the hub cannot be reached and the files are not in its cache; or it has no such repository; or
            a file has another hash.
        MissingExtraError: huggingface_hub is not installed.
    """
    hub = _import_hub()
    try:
        with _quiet_logs():
            weights = _find_weights(hub, repo, revision)
            folder = folder / weights.commit  # never a file of one commit beside those of another
            folder.mkdir(parents=True, exist_ok=True)
            names = {weights.name: weights, **_find_beside(hub, repo, weights.commit)}
            found = {
                name: _bring(hub, repo, remote, folder, sha256.get(name), report) for name, remote in names.items()
            }
            for shard in find_shards(folder / weights.name):
                if shard.name not in found:
                    remote = _find_shard(hub, repo, shard.name, weights.commit)
                    found[shard.name] = _bring(hub, repo, remote, folder, sha256.get(shard.name), report)
    except _Unreachable as unreachable:
        return _from_cache(hub, repo, folder, revision, sha256, unreachable)
    return Checkpoint(path=folder, revision=weights.commit, sha256=found)


class _Unreachable(Exception):  # noqa: N818  not an error yet: the cache may have the files
    """The hub does not answer, or may not be asked."""


def _import_hub() -> ModuleType:
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.utils
    except ModuleNotFoundError as error:
        raise MissingExtraError("fetching a model", "train") from error
    return huggingface_hub


def _find_weights(hub: ModuleType, repo: str, revision: str | None) -> _Remote:
    for name in WEIGHTS:
        if (remote := _ask(hub, repo, name, revision)) is not None:
            return remote
    raise BundleError(f"the hub's {repo} has no weights that we read; it would need one of {', '.join(WEIGHTS)}")


def _find_shard(hub: ModuleType, repo: str, name: str, commit: str) -> _Remote:
    if (remote := _ask(hub, repo, name, commit)) is None:
        raise BundleError(f"the hub's {repo} is not whole: its index names {name}, which is not there")
    return remote


def _find_beside(hub: ModuleType, repo: str, commit: str) -> dict[str, _Remote]:
    asked = {name: _ask(hub, repo, name, commit) for name in BESIDE}
    return {name: remote for name, remote in asked.items() if remote is not None}


def _ask(hub: ModuleType, repo: str, name: str, revision: str | None) -> _Remote | None:
    """What the hub says of a file; None where the repository has no such file."""
    from huggingface_hub import errors

    url = _url(hub, repo, name, revision)
    try:
        told = hub.get_hf_file_metadata(url)
    except errors.GatedRepoError as error:
        raise BundleError(
            f"the hub gives {repo} only to those who accepted its terms; do so at {_endpoint(hub)}/{repo}, "
            "then log in with `hf auth login`"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise BundleError(f"the hub at {_endpoint(hub)} has no repository {repo}, or it is private") from error
    except errors.RevisionNotFoundError as error:
        raise BundleError(f"the hub's {repo} has no revision {revision}") from error
    except errors.EntryNotFoundError:
        return None
    except _network_errors() as error:
        raise _Unreachable(str(error)) from error
    if told.commit_hash is None or told.etag is None:
        raise BundleError(f"{_endpoint(hub)} does not answer as a hub does: it names no commit for {repo}/{name}")
    digest = told.etag if _SHA256.fullmatch(told.etag) else None
    return _Remote(name, told.location, told.commit_hash, told.size, digest)


def _bring(hub: ModuleType, repo: str, remote: _Remote, folder: Path, expected: str | None, report: Report) -> str:
    """Fetch one file unless it is there, and return its sha256."""
    if expected is not None and remote.sha256 not in (expected, None):
        raise BundleError(_other_hash(f"the hub's {repo}/{remote.name}", str(remote.sha256), expected))
    expected = expected or remote.sha256
    path = folder / remote.name
    if not path.is_file():
        part = path.with_name(path.name + _PART)
        cached = hub.try_to_load_from_cache(repo, remote.name, revision=remote.commit)
        if isinstance(cached, str):
            _link(part, Path(cached))
        else:
            _download(hub, repo, remote, part, report)
        part.replace(path)
    return _check(path, expected, where=f"{repo}/{remote.name}", report=report)


def _download(hub: ModuleType, repo: str, remote: _Remote, part: Path, report: Report) -> None:
    from huggingface_hub.file_download import http_get

    # a large file lies at another host, with its permission in the address; our token is none of its business
    headers = hub.utils.build_hf_headers() if _host(remote.url) == _host(_endpoint(hub)) else {}
    try:
        with part.open("ab") as file:
            http_get(
                remote.url,
                file,
                resume_size=file.tell(),
                headers=headers,
                expected_size=remote.size_bytes,
                tqdm_class=cast(Any, _bar(remote, report)),
            )
    except _network_errors() as error:
        done, total = part.stat().st_size, remote.size_bytes
        of = f" of {total:,}" if total else ""
        raise BundleError(
            f"fetching {repo}/{remote.name} stopped after {done:,}{of} bytes ({_first_line(error)}); "
            "what came is kept, run it again to go on"
        ) from error


def _check(path: Path, expected: str | None, *, where: str, report: Report) -> str:
    report(Progress("checking", path.name, 0, path.stat().st_size))
    got = file_sha256(path)
    if expected is not None and got != expected:
        path.unlink()  # nothing to go on from
        raise BundleError(_other_hash(where, got, expected))
    return got


def _other_hash(where: str, got: str, expected: str) -> str:
    return (
        f"{where} is not the file that was expected: its sha256 is {got}, expected {expected}; it was cut short or "
        "exchanged. Run it again; if it stays so, do not use it"
    )


def _from_cache(
    hub: ModuleType,
    repo: str,
    folder: Path,
    revision: str | None,
    sha256: Mapping[str, str],
    unreachable: _Unreachable,
) -> Checkpoint:
    """The checkpoint from huggingface_hub's own cache, for a machine without network."""
    for name in WEIGHTS:
        cached = hub.try_to_load_from_cache(repo, name, revision=revision)
        if isinstance(cached, str):
            snapshot = Path(cached).parent
            folder = folder / snapshot.name
            folder.mkdir(parents=True, exist_ok=True)
            found = {}
            shards = [shard.name for shard in find_shards(snapshot / name)]
            for file in dict.fromkeys((name, *shards, *(other for other in BESIDE if (snapshot / other).is_file()))):
                if not (snapshot / file).is_file():
                    raise _missing(hub, repo, file, revision, unreachable)
                _link(folder / file, snapshot / file)
                found[file] = _check(folder / file, sha256.get(file), where=str(snapshot / file), report=_ignore)
            return Checkpoint(path=folder, revision=snapshot.name, sha256=found)
    raise _missing(hub, repo, next(iter(sha256), WEIGHTS[0]), revision, unreachable)


def _missing(hub: ModuleType, repo: str, name: str, revision: str | None, unreachable: _Unreachable) -> BundleError:
    url = _url(hub, repo, name, revision)
    return BundleError(
        f"{repo}/{name} is not on this machine and the hub cannot be reached ({_first_line(unreachable)}); connect and "
        f"run it again, or bring {url} and the .json files beside it from another machine and name their folder "
        "with --from"
    )


def _link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    try:
        path.symlink_to(target.resolve())
    except OSError:  # Windows allows it to some users only
        shutil.copyfile(target, path)


def _ignore(progress: Progress) -> None:
    """A `Report` that nobody reads."""


def _bar(remote: _Remote, report: Report) -> type:
    """What huggingface_hub takes for a tqdm class; it counts bytes for `report` and prints nothing."""

    class Bar:
        def __init__(self, *, initial: int = 0, **_: object) -> None:
            self.done = initial

        def __enter__(self) -> "Bar":
            return self

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            """Nothing to close."""

        def update(self, num_bytes: int) -> None:
            self.done += num_bytes
            report(Progress("fetching", remote.name, self.done, remote.size_bytes))

    return Bar


def _network_errors() -> tuple[type[Exception], ...]:
    """OSError, and the root error of whichever HTTP library this huggingface_hub was built on."""
    from huggingface_hub.errors import HfHubHTTPError

    return cast(tuple[type[Exception], ...], HfHubHTTPError.__bases__)


@contextlib.contextmanager
def _quiet_logs() -> Iterator[None]:
    """huggingface_hub warns of every retry, with addresses that hold secrets; we say it once, if it fails."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _endpoint(hub: ModuleType) -> str:
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or str(hub.constants.ENDPOINT)


def _url(hub: ModuleType, repo: str, name: str, revision: str | None) -> str:
    return str(hub.hf_hub_url(repo, name, revision=revision, endpoint=_endpoint(hub)))


def _host(url: str) -> str:
    return url.split("/", 3)[2]


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
