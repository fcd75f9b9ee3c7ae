"""The library: your pictures and videos, searchable. The face of this room.

library = Library.open("~/.local/share/seesay/library")
library.add("~/Pictures", "~/Videos")
for hit in library.search("a dog on a beach"):
    print(hit.score, hit.path, hit.start_s, hit.end_s)
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.base.arguments import whole_number
from seesay.base.errors import LibraryError, ModelMismatchError, UnknownNameError, UsageError
from seesay.base.paths import default_library, show
from seesay.encoders import load
from seesay.encoders.encoder import Calibrated, Encoder
from seesay.search import index
from seesay.search.arguments import LARGEST_ID, absolute, check_detail, check_query
from seesay.search.detail import Detail
from seesay.search.finding import answer
from seesay.search.hit import Hit
from seesay.search.items import Only
from seesay.search.matrix import Matrix
from seesay.search.options import Found, Options, Place, Sort
from seesay.search.picture import show_item
from seesay.search.query import Asked, Query, Steps, Term, unknown_words
from seesay.search.ranking import PER_VIDEO
from seesay.search.reach import out_of_reach
from seesay.search.reading import READERS
from seesay.search.rows import Counts, ErrorRow, ItemRow, Moments
from seesay.search.rules import Rules, join_patterns
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
            UsageError: `folder` is empty.
            LibraryError: there is none and `create` is false, or it cannot be opened.
            SchemaError: a newer seesay made it, or the file is something else.
        """
        place = default_library() if folder is None else Path(os.fsdecode(absolute([folder])[0]))
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
    def read_only(self) -> str | None:
        """Why nothing can be added, such as a read-only disk; None where it can. A search needs no writing."""
        return self._store.read_only

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
        renew: bool = False,
        detail: Detail | None = None,
        exclude: Sequence[str] | None = None,
    ) -> index.Summary:
        """Bring the library up to date with folders and files.

        Args:
            paths: folders (with everything below) and files; without any, all that were ever added.
            report: called with the progress.
            retry: also read again what failed before and has not changed since.
            rebuild: read everything in these paths again, and change the library to this encoder. A file's old vectors
                are found until it was read again, and what a run leaves undone that was stopped, the next one does.
            renew: read again what an older version of our decoders read.
            detail: how finely these paths are to be looked at, now and later; None: as was said before,
                or one moment a second and no tiles.
            exclude: patterns as in a `.gitignore` of what to leave out of these paths, now and later; they replace
                what was said before, so an empty list takes it back. None: as was said before.

        Returns:
            Counts of files added, unchanged, changed, moved, removed, failed, out of reach. A file that cannot be
            read is a line in `errors()` and stops nothing. One whose drive, share or root is not there stays.

        Raises:
            UsageError: a path is empty, or neither there nor known to the library; there is nothing to add; or a
                pattern cannot be used.
            LibraryBusyError: another process is writing.
            ModelMismatchError: another model made the library, and it is not to be rebuilt.
        """
        check_detail(detail)
        asked, text = absolute(paths), None if exclude is None else join_patterns(exclude)
        with self._store.writer():
            roots = asked or list(self._store.roots())
            if not roots:
                raise UsageError("nothing was added yet; name a folder, as in `seesay index ~/Pictures`")
            self._refuse_unknown(roots)
            self._take_model(rebuild=rebuild)
            self._store.add_roots(roots, detail=None if detail is None else detail.to_text())
            left_out = self._store.left_out()
            left_out.take_back(asked)
            if exclude is not None:
                left_out.set_patterns(roots, text)
            renewal = self._store.renewal()
            if rebuild and not renewal.is_begun():
                renewal.mark_all(roots)
            elif renew:
                renewal.mark_outdated(roots, READERS)
            summary = self._update(roots, report=report, retry=retry or rebuild or renew)
            if rebuild or not asked:
                renewal.finish()
            return summary

    def forget(self, *paths: str | bytes | os.PathLike[str]) -> int:
        """Take files, or folders with everything below them, out of the library. They need not be there.

        What lies below a root stays out until it is named to `add` itself; a root is no root any more.

        Returns:
            How many files were taken out.

        Raises:
            UsageError: no path is given, one is empty, or the library has nothing there.
            LibraryBusyError: another process is writing.
        """
        asked = absolute(paths)
        if not asked:
            raise UsageError("name a file or folder to forget, as in `seesay forget ~/Pictures/old`")
        with self._store.writer():
            left_out = self._store.left_out()
            for path in asked:
                if not left_out.has(path):
                    raise UsageError(
                        f"the library has nothing at {show(path)}; name a path as `seesay search` shows it, "
                        "or a folder above it"
                    )
            return sum(left_out.forget(path) for path in asked)

    def excluded(self) -> dict[bytes, str]:
        """What the last runs left out, and by which rule; of a folder only itself."""
        return self._store.left_out().excluded()

    def passed_over(self) -> dict[str, int]:
        """How many files seesay cannot read by their suffix, most first; without a suffix an empty one."""
        return self._store.left_out().passed_over()

    def num_outdated(self) -> int:
        """How many files an older version of our decoders read; `add(renew=True)` reads them again."""
        return self._store.renewal().num_outdated(READERS)

    def is_left_out(self, path: str | bytes | os.PathLike[str]) -> bool:
        """Whether a rule leaves out a path below a root, by what the folders above it hold now."""
        left_out = self._store.left_out()
        rules = Rules(left_out.patterns(), left_out.forgotten())
        try:
            return rules.trace(absolute([path])[0])[1] is not None
        except OSError:
            return False  # a run will say why

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
            return self._update(absolute(paths), report=report)

    def roots(self) -> list[str]:
        """What was asked to be indexed: absolute paths, in order."""
        return [os.fsdecode(path) for path in self._store.roots()]

    def search(
        self,
        query: Asked,
        *,
        limit: int = 10,
        offset: int = 0,
        under: Place | Sequence[Place] | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        only: Only | None = None,
        per_video: int | None = PER_VIDEO,
        weak: bool = False,
        sort: Sort = "score",
        min_score: float | None = None,
        all_files: bool = False,
    ) -> list[Hit]:
        """The photographs and moments nearest to a query, best first. Exact.

        Args:
            query: a text, the path of a picture (`Path`), a sum of both (`Query`), a sequence (`Steps`), or an
                (E,) vector.
            limit: how many at most.
            offset: how many of the best to leave out, for the next page. Pages fit together as long as nothing
                is added meanwhile.
            under: only files at or below this path, or one of these. Links are followed.
            after: only files taken at this time or later; changed, where a file does not say when it was taken.
                Without a time zone it is local time.
            before: only files taken, or changed, earlier.
            only: `image` or `video`.
            per_video: ranges of one video at most, None for no limit; there is none where `under` names that video.
                1: each file at most once, there too.
            weak: also where probably nothing matches. Without it a search by one text gives nothing at all when its
                best score is below the cosine that the model's calibration says (`Calibrated`).
            sort: `score`, or `date`: the newest first. By date come all hits at or above `min_score`, or above the
                cosine of the calibration, but at most the 5,000 best; where neither is known, the best `limit`.
            min_score: only hits with this cosine or a higher one. It is used instead of the calibration.
            all_files: copies, a camera original and its JPEG, a photograph and its short film as hits of their own.
                Otherwise they are one hit, of the one that fits best, and `Hit.also` names the others.

        Raises:
            UsageError: an empty query, an option without meaning, or `under` names a place of which the library has
                nothing.
            InputError: the query's picture or text cannot be read.
            ModelMismatchError: another model made the library.
        """
        options = Options(
            limit=limit,
            offset=offset,
            under=under,
            after=after,
            before=before,
            only=only,
            per_video=per_video,
            weak=weak,
            sort=sort,
            min_score=min_score,
            is_grouped=not all_files,
        )
        return self.find(query, options).hits

    def find(self, query: Asked, options: Options, *, calibrated_by: Asked | None = None) -> Found:
        """What `search` does, with what else there is to say of the answer.

        Args:
            query: as for `search`.
            options: as for `search`.
            calibrated_by: the query as it was asked, where `query` is what became of it; a calibration speaks of texts.

        Raises:
            The same as `search`.
        """
        check_query(query)
        self._require_model()
        steps = query.steps if isinstance(query, Steps) else (query,)
        vectors = [self._vector(step) for step in steps]
        known = self.least_cosine(query if calibrated_by is None else calibrated_by)
        with self._store.snapshot():
            found = answer(
                self._store,
                self._matrix(),
                vectors,
                options,
                within_s=query.within_s if isinstance(query, Steps) else None,
                least_cosine=known,
            )
        return replace(found, hits=self._with_reach(found.hits))

    def unknown_words(self, query: Asked) -> list[str]:
        """Words of a query's texts that the model does not know, each once, as they were written.

        None where nobody can tell: a model tells that was given the words it knows (`KnowsWords`), today the starter.
        """
        return unknown_words(query, self.encoder)

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
        return show_item(self.item(item_id), side_px=whole_number("side_px", side_px, least=1))

    def item(self, item_id: int) -> ItemRow:
        """What the library knows of an item.

        Args:
            item_id: `Hit.id`.

        Raises:
            UsageError: no such item, or not any more.
        """
        item_id = whole_number("an item's id", item_id, least=0)
        rows = self._store.items.rows([item_id]) if item_id <= LARGEST_ID else []
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
        stored = self._store.items.vector(self.item(item_id).id)
        if stored is None:
            raise UsageError(f"item {item_id} has no vector of the library's model; run `seesay index`")
        return np.asarray(stored / np.linalg.norm(stored), np.float32)

    def least_cosine(self, query: Asked) -> float | None:
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

    def _with_reach(self, hits: list[Hit]) -> list[Hit]:
        """Hits that know whether their file can be reached now."""
        lost = out_of_reach(self._store, [os.fsencode(hit.path) for hit in hits])
        return [replace(hit, out_of_reach=os.fsencode(hit.path) in lost) for hit in hits]

    def _update(
        self, roots: Sequence[bytes], *, report: index.Report | None = None, retry: bool = False
    ) -> index.Summary:
        summary = index.update(self._store, self.encoder, _outermost(roots), report=report, retry=retry)
        self._matrix()  # so that the next search finds it ready
        return summary

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


def _outermost(roots: Sequence[bytes]) -> list[bytes]:
    """The roots without those that another one contains, so that nothing is visited twice."""
    kept: list[bytes] = []
    for root in sorted(set(roots), key=lambda path: path.rstrip(b"/") + b"/"):
        if not kept or not (root.rstrip(b"/") + b"/").startswith(kept[-1].rstrip(b"/") + b"/"):
            kept.append(root)
    return kept
