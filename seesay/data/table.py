"""Examples that fit into memory as rows of (picture's path, captions): a manifest, or a folder of pairs.

A manifest is CSV, TSV, JSONL or Parquet with a column for the picture's path, relative to the manifest, and one for
the caption: the first that is there of `IMAGE_COLUMNS` and `CAPTION_COLUMNS`. A caption may be a list (in CSV and TSV
a row each), and rows of one picture are one example with several captions. A column `group` says which examples match
each other. A folder holds pictures, each beside a text of the same stem with a caption a line.
"""

import codecs
import csv
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from seesay.base.errors import DataError, MissingExtraError, reason
from seesay.base.texts import encoding_of, open_text, read_text
from seesay.data.source import Damaged, Example, Pass, Position
from seesay.inputs.pictures import PICTURE_SUFFIXES

IMAGE_COLUMNS = ("image", "filepath", "file_name", "filename", "path", "file", "image_path")
CAPTION_COLUMNS = ("caption", "captions", "text", "title", "description", "sentences")


class _Row(NamedTuple):
    image: Path
    captions: tuple[str, ...]
    group: str | None


class Table:
    """Rows in memory, shuffled as a whole."""

    def __init__(self, rows: Iterable[_Row]) -> None:
        self._rows = list(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def stream(self, one: Pass, start: Position = ()) -> Iterator[tuple[Example | Damaged, Position]]:
        """See `Source.stream`; a position is how many of this process's rows are done."""
        for number, position in one.rows(len(self._rows), start):
            row = self._rows[number]
            key = str(row.image)
            found = Example(key, row.image, row.captions, row.group) if row.captions else Damaged(key, "has no caption")
            yield found, position


def open_manifest(path: Path) -> Table:
    """Read a .csv, .tsv, .jsonl, .ndjson or .parquet file.

    Raises:
        DataError: it cannot be read, or has no column for pictures or captions.
        MissingExtraError: Parquet, and pyarrow is not installed.
    """
    try:
        raw = _READERS[path.suffix.lower()](path)
        # two rows of one picture are one example, wherever they stand
        rows: dict[Path, _Row] = {}
        for record in raw:
            row = _row(record, path)
            before = rows.get(row.image)
            rows[row.image] = row if before is None else before._replace(captions=before.captions + row.captions)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {reason(error)}") from error
    if not rows:
        raise DataError(f"{path} has no rows")
    return Table(rows.values())


def open_folder(path: Path) -> Table:
    """Read the pictures under a folder whose captions stand in a .txt file beside them.

    Raises:
        DataError: it cannot be read, or no picture has a text beside it.
    """
    try:
        pictures = sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURE_SUFFIXES)
        rows = [
            _Row(picture, _clean(read_text(text, errors="replace").splitlines()), None)
            for picture in pictures
            if (text := picture.with_suffix(".txt")).is_file()
        ]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {reason(error)}") from error
    if not rows:
        raise DataError(
            f"{path} has {len(pictures)} pictures and none with a caption: write each one's into a .txt file beside "
            "it, or put the pictures of each class into a folder called what they show"
        )
    return Table(rows)


def read_records(path: Path) -> Iterator[Mapping[str, Any]]:
    """The rows of a manifest with all their columns, for whoever looks for others than pictures and captions.

    Raises:
        DataError: it cannot be read, or is of no kind that is known.
        MissingExtraError: Parquet, and pyarrow is not installed.
    """
    if path.suffix.lower() not in _READERS:
        raise DataError(f"{path} is no table that is known; name one of {', '.join(_READERS)}")
    try:
        if path.suffix.lower() == ".parquet":
            yield from _read_parquet(path, all_columns=True)
        else:
            yield from _READERS[path.suffix.lower()](path)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {reason(error)}") from error


def _row(record: Mapping[str, Any], path: Path) -> _Row:
    image, caption = (
        next((name for name in names if name in record), None) for names in (IMAGE_COLUMNS, CAPTION_COLUMNS)
    )
    if image is None or caption is None:
        what, names = ("picture", IMAGE_COLUMNS) if image is None else ("caption", CAPTION_COLUMNS)
        raise DataError(
            f"{path} has no column for the {what}: it has {', '.join(map(str, record))}; call it {names[0]}"
        )
    group = record.get("group")
    if not isinstance(record[image], str) or not record[image]:
        raise DataError(f"{path} has a row without a picture: {str(dict(record))[:200]}")
    return _Row(path.parent / record[image], as_captions(record[caption]), None if group is None else str(group))


def as_captions(value: Any) -> tuple[str, ...]:
    """A text, a list of texts or nothing as captions; blank ones are left out."""
    if isinstance(value, str):
        return _clean([value])
    return _clean(value) if isinstance(value, list | tuple) else ()


def _clean(captions: Iterable[Any]) -> tuple[str, ...]:
    return tuple(caption.strip() for caption in captions if isinstance(caption, str) and caption.strip())


def _read_csv(path: Path) -> Iterator[Mapping[str, Any]]:
    with open_text(path) as file:
        reader = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        try:
            for row in reader:
                if None in row or None in row.values():  # how csv marks what is too much, and what is missing
                    raise DataError(_uneven(path, reader.line_num, row, len(reader.fieldnames or ())))
                yield row
        except csv.Error as error:
            raise DataError(f"{path}:{reader.reader.line_num} cannot be read: {reason(error)}") from error


def _uneven(path: Path, line: int, row: Mapping[Any, Any], expected: int) -> str:
    got = sum(value is not None for name, value in row.items() if name is not None) + len(row.get(None) or ())
    cure = 'put quotes around a text that has one in it: "a dog, running"' if got > expected else "is it cut short?"
    what = "tab" if path.suffix.lower() == ".tsv" else "comma"
    return f"{path}:{line} has {got} columns, and the first line names {expected}; they end at a {what}: {cure}"


def _lines(path: Path) -> Iterator[bytes]:
    """Lines in UTF-8, with their ends; as they are in the file where it is in UTF-8, so that a cut letter shows."""
    with path.open("rb") as file:
        encoding = encoding_of(file.read(4))
        file.seek(0)
        if encoding == "utf-8-sig":
            yield from file
            return
    with open_text(path) as text:
        yield from (line.encode() for line in text)


def _read_jsonl(path: Path) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line)
        except ValueError as error:  # also of bytes that are no text
            cut = "" if line.endswith(b"\n") else ", and the file ends within it: it was cut short"
            raise DataError(f"{path}:{number} is no JSON{cut}: {error}") from error
        if not isinstance(record, dict):
            raise DataError(f"{path}:{number} is no object but {type(record).__name__}")
        yield record


def _read_parquet(path: Path, *, all_columns: bool = False) -> Iterator[Mapping[str, Any]]:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("reading Parquet", "parquet") from error
    with pyarrow.parquet.ParquetFile(path) as file:
        known = {*IMAGE_COLUMNS, *CAPTION_COLUMNS, "group"}
        columns = [name for name in file.schema_arrow.names if all_columns or name in known]
        batches = (batch.to_pylist() for batch in file.iter_batches(columns=columns))
        yield from itertools.chain.from_iterable(batches)


_READERS = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
}
MANIFESTS = tuple(_READERS)
