"""The library: your pictures, searchable. The face of this room.

library = Library.open("~/.local/share/seesay/library")
library.add("~/Pictures")
for hit in library.search("a dog on a beach"):
    print(hit.score, hit.path)
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import LibraryError, ModelMismatchError, UnknownNameError, UsageError
from seesay.base.paths import default_library
from seesay.encoders import load
from seesay.encoders.encoder import Encoder
from seesay.search import index
from seesay.search.matrix import Matrix
from seesay.search.query import Query, Term
from seesay.search.store import ErrorRow, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One result. A picture has no times; a video moment has (seconds from the start)."""

    path: str
    score: float
    """Cosine of the query and the item, in [-1, 1]."""
    kind: str = "image"
    start_s: float | None = None
    end_s: float | None = None


class Library:
    """A folder with the embeddings of your pictures, and the search over them.

    One process may add at a time; any number may search meanwhile. Use an object from one thread.

    Attributes:
        folder: where it is.
    """

    def __init__(self, store: Store, encoder: Encoder | None, load: Callable[..., Encoder] = load) -> None:
        """Use `Library.open`."""
        self.folder = store.folder
        self._store = store
        self._encoder = encoder
        self._load = load

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str] | None = None,
        *,
        encoder: Encoder | None = None,
        create: bool = True,
        load: Callable[..., Encoder] = load,
    ) -> Self:
        """Open a library, or begin one.

        Args:
            folder: where it is; by default `$SEESAY_LIBRARY`, else in the user's data folder.
            encoder: the model to add and search with; by default the one that made the library,
                loaded when it is first needed, and the starter for a new library.
            create: begin one where there is none.
            load: how a model is loaded where none was given, from its name or, without one, the default.

        Raises:
            LibraryError: there is none and `create` is false, or it cannot be opened.
            SchemaError: a newer seesay made it, or the file is something else.
        """
        place = Path(folder).expanduser() if folder is not None else default_library()
        return cls(Store(place.absolute(), create=create), encoder, load)

    @property
    def encoder(self) -> Encoder:
        """The model that reads queries and pictures, loaded on first use.

        Raises:
            UsageError: the library's model is not installed, or was given as a folder.
        """
        if self._encoder is None:
            model_id = self.model_id
            try:
                self._encoder = self._load(model_id.partition("@")[0]) if model_id else self._load()
            except UnknownNameError as error:
                raise UsageError(
                    f"{model_id} made this library, and no model here has that name; name its folder with --model"
                ) from error
        return self._encoder

    @property
    def model_id(self) -> str | None:
        """The id of the model that made the library; None before anything was added."""
        model = self._store.model()
        return model and model[0]

    def __len__(self) -> int:
        """How many items a search can find."""
        return self._store.num_items()

    def num_files(self) -> int:
        """How many files it has."""
        return self._store.num_files()

    def add(
        self,
        *paths: str | bytes | os.PathLike[str],
        report: index.Report | None = None,
        retry: bool = False,
        rebuild: bool = False,
    ) -> index.Summary:
        """Bring the library up to date with folders and files.

        Args:
            paths: folders (with everything below) and files; without any, all that were ever added.
            report: called with the progress.
            retry: also read again what failed before and has not changed since.
            rebuild: change the library to this encoder and make every vector again.

        Returns:
            Counts of files added, unchanged, changed, moved, removed, failed. A file that cannot be
            read is a line in `errors()` and stops nothing.

        Raises:
            UsageError: a path is neither there nor known to the library, or there is nothing to add.
            LibraryBusyError: another process is writing.
            ModelMismatchError: another model made the library, and `rebuild` is false.
        """
        with self._store.writer():
            roots = [os.path.abspath(os.fsencode(os.path.expanduser(path))) for path in paths] or self._store.roots()
            if not roots:
                raise UsageError("nothing was added yet; name a folder, as in `seesay index ~/Pictures`")
            self._refuse_unknown(roots)
            self._take_model(rebuild=rebuild)
            self._store.add_roots(roots)
            summary = index.update(self._store, self.encoder, _outermost(roots), report=report, retry=retry)
            self._matrix()  # so that the next search finds it ready
            return summary

    def search(
        self,
        query: "str | Path | Query | NDArray[np.float32]",
        *,
        limit: int = 10,
        under: str | os.PathLike[str] | None = None,
    ) -> list[Hit]:
        """The items nearest to a query, best first. Exact.

        Args:
            query: a text, the path of a picture (`Path`), a sum of both (`Query`), or an (E,) vector.
            limit: how many at most.
            under: only files at or below this path.

        Raises:
            UsageError: an empty query or a limit below 1.
            InputError: the query's picture or text cannot be read.
            ModelMismatchError: another model made the library.
        """
        if limit < 1:
            raise UsageError(f"limit must be at least 1, got {limit}")
        self._require_model()
        vector = self._vector(query)
        with self._store.snapshot():
            allowed = None
            if under is not None:
                place = os.path.abspath(os.fsencode(os.path.expanduser(under)))
                allowed = self._store.item_ids(under=place)
            ids, scores = self._matrix().top(vector, limit=limit, allowed=allowed)
            rows = self._store.items(ids.tolist())
        # Every id is there: the matrix and the items are of one snapshot.
        return [
            Hit(
                path=os.fsdecode(row.path),
                score=float(score),
                kind=row.kind,
                start_s=row.start_s,
                end_s=row.end_s,
            )
            for row, score in zip(rows, scores, strict=True)
        ]

    def errors(self) -> list[ErrorRow]:
        """The ledger: files and folders that could not be read, and why."""
        return self._store.errors()

    def retry(self, *, report: index.Report | None = None) -> index.Summary:
        """Read again what the ledger lists, and nothing else.

        Raises:
            LibraryBusyError: another process is writing.
            ModelMismatchError: another model made the library.
        """
        with self._store.writer():
            self._take_model(rebuild=False)
            paths = [error.path for error in self._store.errors()]
            return index.update(self._store, self.encoder, _outermost(paths), report=report, retry=True)

    def check(self) -> list[str]:
        """What is wrong with the file on disk, in words; empty when it is sound."""
        return self._store.check()

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _vector(self, query: "str | Path | Query | NDArray[np.float32]") -> NDArray[np.float32]:
        if isinstance(query, np.ndarray):
            length = float(np.linalg.norm(query))
            if query.shape != (self.encoder.dim,) or not np.isfinite(length) or length == 0:
                raise UsageError(f"a query vector must be ({self.encoder.dim},), finite and not 0; got {query.shape}")
            return np.asarray(query / length, np.float32)
        if isinstance(query, Path):
            query = Query((Term(image=query),))
        elif isinstance(query, str):
            if not query.strip():
                raise UsageError("the query is empty")
            query = Query((Term(text=query),))
        return query.vector(self.encoder)

    def _matrix(self) -> Matrix:
        return Matrix.of(self._store)

    def _require_model(self) -> None:
        made_by = self.model_id
        if made_by is None:
            raise LibraryError(f"nothing was added to {self.folder} yet; do it with `seesay index PATH`")
        if made_by != self.encoder.id:
            raise ModelMismatchError(
                f"{self.folder} was indexed by {made_by}, this encoder is {self.encoder.id}; "
                "reindex with `seesay index --rebuild`"
            )

    def _take_model(self, *, rebuild: bool) -> None:
        if rebuild and self._encoder is None:
            # The library's own model may be what is being left behind: a rebuild without a name takes the default.
            self._encoder = self._load()
        if self.model_id is None or (rebuild and self.model_id != self.encoder.id):
            self._store.set_model(self.encoder.id, self.encoder.dim)
        self._require_model()

    def _refuse_unknown(self, roots: Sequence[bytes]) -> None:
        for root in roots:
            folder, name = os.path.split(root)
            is_known = root in self._store.roots() or name in self._store.files_in(folder)
            if not os.path.lexists(root) and not is_known and not self._store.folders_under(root):
                raise UsageError(f"there is no file or folder {os.fsdecode(root)!r}")


def _outermost(roots: Sequence[bytes]) -> list[bytes]:
    """The roots without those that another one contains, so that nothing is visited twice."""
    kept: list[bytes] = []
    for root in sorted(set(roots), key=lambda path: path.rstrip(b"/") + b"/"):
        if not kept or not (root.rstrip(b"/") + b"/").startswith(kept[-1].rstrip(b"/") + b"/"):
            kept.append(root)
    return kept
