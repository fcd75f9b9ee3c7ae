"""The library: your pictures and videos, searchable. The face of this room.

library = Library.open("~/.local/share/seesay/library")
library.add("~/Pictures", "~/Videos")
for hit in library.search("a dog on a beach"):
    print(hit.score, hit.path, hit.start_s, hit.end_s)
"""

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.base.errors import LibraryError, ModelMismatchError, UnknownNameError, UsageError
from seesay.base.paths import default_library
from seesay.encoders import load
from seesay.encoders.encoder import Calibrated, Encoder
from seesay.search import index
from seesay.search.detail import Detail
from seesay.search.hit import Hit
from seesay.search.items import Filter, Only
from seesay.search.matrix import Matrix
from seesay.search.picture import show_item
from seesay.search.query import Query, Steps, Term
from seesay.search.ranking import PER_VIDEO, rank
from seesay.search.rows import Counts, ErrorRow, ItemRow, Moments
from seesay.search.sequence import rank_sequences
from seesay.search.store import Store


class Library:
    """A folder with the embeddings of your pictures and videos, and the search over them.

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
        self._mapped: tuple[tuple[object, int], Matrix] | None = None

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
        return len(self._store.items)

    def num_files(self) -> int:
        """How many files it has."""
        return self._store.num_files()

    def add(
        self,
        *paths: str | bytes | os.PathLike[str],
        report: index.Report | None = None,
        retry: bool = False,
        rebuild: bool = False,
        detail: Detail | None = None,
    ) -> index.Summary:
        """Bring the library up to date with folders and files.

        Args:
            paths: folders (with everything below) and files; without any, all that were ever added.
            report: called with the progress.
            retry: also read again what failed before and has not changed since.
            rebuild: change the library to this encoder and make every vector again.
            detail: how finely these paths are to be looked at, now and later; None: as was said before,
                or one moment a second and no tiles.

        Returns:
            Counts of files added, unchanged, changed, moved, removed, failed. A file that cannot be
            read is a line in `errors()` and stops nothing.

        Raises:
            UsageError: a path is neither there nor known to the library, or there is nothing to add.
            LibraryBusyError: another process is writing.
            ModelMismatchError: another model made the library, and `rebuild` is false.
        """
        with self._store.writer():
            roots = _absolute(paths) or list(self._store.roots())
            if not roots:
                raise UsageError("nothing was added yet; name a folder, as in `seesay index ~/Pictures`")
            self._refuse_unknown(roots)
            self._take_model(rebuild=rebuild)
            self._store.add_roots(roots, detail=None if detail is None else detail.to_text())
            return self._update(roots, report=report, retry=retry)

    def refresh(self, *paths: str | bytes | os.PathLike[str], report: index.Report | None = None) -> index.Summary:
        """Look again at some files and folders below what was added; nothing is remembered as asked for.

        Args:
            paths: also ones that are gone.
            report: called with the progress.

        Raises:
            LibraryBusyError: another process is writing.
            ModelMismatchError: another model made the library.
        """
        with self._store.writer():
            self._require_model()
            return self._update(_absolute(paths), report=report)

    def roots(self) -> list[str]:
        """What was asked to be indexed: absolute paths, in order."""
        return [os.fsdecode(path) for path in self._store.roots()]

    def search(
        self,
        query: "str | Path | Query | Steps | NDArray[np.float32]",
        *,
        limit: int = 10,
        offset: int = 0,
        under: str | os.PathLike[str] | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        only: Only | None = None,
        per_video: int | None = PER_VIDEO,
        weak: bool = False,
    ) -> list[Hit]:
        """The photographs and moments nearest to a query, best first. Exact.

        Args:
            query: a text, the path of a picture (`Path`), a sum of both (`Query`), a sequence (`Steps`), or an
                (E,) vector.
            limit: how many at most.
            offset: how many of the best to leave out, for the next page. Pages fit together as long as nothing
                is added meanwhile.
            under: only files at or below this path.
            after: only files changed at this time or later; without a time zone it is local time.
            before: only files changed earlier.
            only: `image` or `video`.
            per_video: ranges of one video at most, None for no limit; there is none where `under` is that video.
            weak: also where probably nothing matches. Without it a search by one text gives nothing at all when its
                best score is below the cosine that the model's calibration says (`Calibrated`).

        Raises:
            UsageError: an empty query, a limit below 1 or an offset below 0.
            InputError: the query's picture or text cannot be read.
            ModelMismatchError: another model made the library.
        """
        if limit < 1:
            raise UsageError(f"limit must be at least 1, got {limit}")
        if only not in (None, "image", "video"):
            raise UsageError(f"only must be image or video, got {only!r}")
        if offset < 0:
            raise UsageError(f"offset must be at least 0, got {offset}")
        self._require_model()
        where = Filter(
            under=None if under is None else _absolute([under])[0],
            after_ns=_nanoseconds(after),
            before_ns=_nanoseconds(before),
            only="video" if isinstance(query, Steps) and only is None else only,
        )
        if under is not None and not os.path.isdir(os.path.expanduser(under)):
            per_video = None
        steps = query.steps if isinstance(query, Steps) else (query,)
        vectors = [self._vector(step) for step in steps]
        within_s = query.within_s if isinstance(query, Steps) else None
        with self._store.snapshot():
            hits = self._find(vectors, where, limit=offset + limit, per_video=per_video, within_s=within_s)
        least = None if weak else self.least_cosine(query)
        if least is not None and hits and hits[0].score < least:
            return []
        return hits[offset:]

    def thumbnail(self, item_id: int, *, side_px: int = 256) -> Image.Image:
        """A small picture of an item: the photograph, the frame of a moment, or the part of it that a tile shows.

        Args:
            item_id: `Hit.id`.
            side_px: of the square that it fits into.

        Returns:
            RGB.

        Raises:
            UsageError: no such item, or not any more.
            InputError: its file cannot be read.
        """
        return show_item(self.item(item_id), side_px=side_px)

    def item(self, item_id: int) -> ItemRow:
        """What the library knows of an item.

        Args:
            item_id: `Hit.id`.

        Raises:
            UsageError: no such item, or not any more.
        """
        rows = self._store.items.rows([item_id])
        if not rows:
            raise UsageError(f"the library has no item {item_id}; its file changed or is gone, so search again")
        return rows[0]

    def moments(self, item_id: int) -> Moments:
        """All moments of the video track that an item is of, in the order of time; none where it is of a photograph.

        Raises:
            UsageError: no such item, or not any more.
        """
        row = self.item(item_id)
        if row.time_s is None:
            return Moments.none()
        return self._store.items.moments(row.file_id, row.track)

    def vector_of(self, item_id: int) -> NDArray[np.float32]:
        """(E,) of length 1: the vector that an item is found by.

        Raises:
            UsageError: no such item, or not any more.
        """
        self.item(item_id)
        stored = self._store.items.vector(item_id)
        if stored is None:
            raise UsageError(f"item {item_id} has no vector of the library's model; run `seesay index`")
        return np.asarray(stored / np.linalg.norm(stored), np.float32)

    def least_cosine(self, query: "str | Path | Query | Steps | NDArray[np.float32]") -> float | None:
        """The best score of a query below which probably nothing here matches; None where nobody knows.

        It is known of a single text, by the model's calibration for as many different pictures as are here: moments of
        one shot, like photographs taken in a row, count once.
        """
        is_text = isinstance(query, str) or (isinstance(query, Query) and query.is_one_text)
        if not is_text or not isinstance(self.encoder, Calibrated):
            return None
        with self._store.snapshot():
            num_pictures = self._matrix().num_pictures
        return self.encoder.least_cosine(num_pictures)

    def counts(self) -> Counts:
        """How many files, items and lines in the ledger it has, and how far a run that adds to it is."""
        return self._store.counts()

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
            return self._update([error.path for error in self._store.errors()], report=report, retry=True)

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

    def _update(
        self, roots: Sequence[bytes], *, report: index.Report | None = None, retry: bool = False
    ) -> index.Summary:
        summary = index.update(self._store, self.encoder, _outermost(roots), report=report, retry=retry)
        self._matrix()  # so that the next search finds it ready
        return summary

    def _find(
        self,
        vectors: Sequence[NDArray[np.float32]],
        where: Filter,
        *,
        limit: int,
        per_video: int | None,
        within_s: float | None,
    ) -> list[Hit]:
        """The best hits of one vector, or of a sequence of them. Call it inside a snapshot."""
        items, matrix = self._store.items, self._matrix()
        allowed = items.ids(where) if where else None
        if len(vectors) == 1:
            return rank(items, matrix, vectors[0], limit=limit, allowed=allowed, per_video=per_video)
        assert allowed is not None, "a sequence looks at videos only"
        return rank_sequences(
            items, matrix, vectors, within_s=within_s, limit=limit, allowed=allowed, per_video=per_video
        )

    def _matrix(self) -> Matrix:
        """The one of last time while nothing came or went: mapping it anew costs a search on a small library half."""
        state = (self._store.model(), self._store.generation())
        if self._mapped is None or self._mapped[0] != state:
            self._mapped = (state, Matrix.of(self._store))
        return self._mapped[1]

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


def _absolute(paths: Sequence[str | bytes | os.PathLike[str]]) -> list[bytes]:
    return [os.path.abspath(os.fsencode(os.path.expanduser(path))) for path in paths]


def _nanoseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    largest = 2**63 - 1  # what SQLite compares with: the year 2262
    return max(-largest, min(largest, int(moment.timestamp() * 1e6) * 1000))


def _outermost(roots: Sequence[bytes]) -> list[bytes]:
    """The roots without those that another one contains, so that nothing is visited twice."""
    kept: list[bytes] = []
    for root in sorted(set(roots), key=lambda path: path.rstrip(b"/") + b"/"):
        if not kept or not (root.rstrip(b"/") + b"/").startswith(kept[-1].rstrip(b"/") + b"/"):
            kept.append(root)
    return kept
