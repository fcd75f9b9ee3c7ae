"""What a source of pairs holds: sizes, captions, what comes twice, what is useless, what is broken.

A source is read once, in a stream: lengths are kept as histograms and contents as digests, so memory does not grow
with it. `Inspection.findings` may be asked at any time, also when the reading was stopped half way.
"""

import hashlib
import io
import itertools
import re
import tempfile
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seesay.base.errors import InputError, MissingExtraError
from seesay.data.repeats import Repeats, Repetition
from seesay.data.source import Damaged, Example, Pass, Source
from seesay.inputs import openai
from seesay.inputs.pictures import examine_picture
from seesay.inputs.sheet import TILE_PX, Tile, thumbnail
from seesay.inputs.tokenizer import Tokenizer

CONTEXT_LENGTH = 77
"""Tokens that a CLIP reads of a caption."""
_NAMED = 20  # bad examples that are named; the others are counted
_KINDS = 200  # kinds of fault that are told apart
_SHOWN = 3  # useless captions of a kind that are named
_THREADS = 4
_NUMBER = re.compile(r"\d[\d,.]*")

_ADDRESS = re.compile(r"(?:https?://|www\.)\S+$", re.IGNORECASE)
_FILE_NAME = re.compile(
    r"\S+\.(?:jpe?g|png|gif|webp|bmp|tiff?|svg|heic)$"
    r"|(?:img|image|dsc[nf]?|pict?|photo|scan|screen ?shot|untitled|p)[ _-]*\(?\d[\d _.()-]*$",
    re.IGNORECASE,
)
_FIRST_WITHOUT_SPACES = "\u0e00"  # Thai, and after it Chinese and Japanese, write several words as one


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """Where the values of a property lie."""

    min: float
    p5: float
    median: float
    p95: float
    max: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Useless:
    """Captions of one kind that say next to nothing."""

    count: int
    share: float
    """Of all captions."""
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """What was found; spreads are None where there was nothing to measure."""

    is_whole: bool
    """Whether every example of the source was read."""
    num_examples: int
    """Good and bad."""
    num_pictures: int
    """Those that can be read."""
    formats: dict[str, int]
    width_px: Spread | None
    height_px: Spread | None
    megapixels: Spread | None
    aspect: Spread | None
    """Width / height."""
    repeated_pictures: Repetition
    """By the content of the files."""
    num_captions: int
    captions_an_image: Spread | None
    characters: Spread | None
    tokens: Spread | None
    """Of OpenAI's CLIP tokenizer, start and end counted."""
    share_cut: float
    """Captions with more tokens than a CLIP reads."""
    repeated_captions: Repetition
    useless_captions: dict[str, Useless]
    num_bad: int
    bad_reasons: dict[str, int]
    """A number in a reason is N."""
    bad: tuple[Damaged, ...]
    """The first."""


class Inspection:
    """Takes in examples.

    Args:
        sheet_size: how many pictures to keep for a contact sheet, drawn at random.
        seed: of that draw, and of the order in which the source is read.

    Attributes:
        num_examples: taken in so far.
        num_bad: of these, those that cannot be used.
    """

    def __init__(self, *, sheet_size: int = 0, seed: int = 0) -> None:
        self._sheet_size, self._seed = sheet_size, seed
        self._random = np.random.default_rng(seed)
        self._tiles: list[Tile] = []
        self._measures = {name: _Histogram() for name in ("width", "height", "megapixels", "aspect")}
        self._lengths = {name: _Histogram() for name in ("captions", "characters", "tokens")}
        self._formats: Counter[str] = Counter()
        self._pictures, self._captions = Repeats(), Repeats()
        self._useless: dict[str, list[str]] = {}
        self._num_useless: Counter[str] = Counter()
        self._num_captions = self._num_cut = 0
        self._bad: list[Damaged] = []
        self._reasons: Counter[str] = Counter()
        self._is_whole = False
        self.num_examples = self.num_bad = 0

    def read(
        self, source: Source, *, limit: int | None = None, report: Callable[["Inspection"], None] | None = None
    ) -> None:
        """Take in a source.

        Args:
            source: read once, in the order of the seed.
            limit: examples after which to stop; of a folder or a manifest that is a random part.
            report: told after each example.

        Raises:
            DataError: the source as a whole cannot be read.
        """
        stream = source.stream(Pass(seed=self._seed, epoch=0))
        tokenizer = _tokenizer()
        waiting: deque[Future[_Seen | Damaged]] = deque()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="seesay-inspect") as pool:
            try:
                for example, _ in itertools.islice(stream, limit):
                    waiting.append(pool.submit(_look, example, tokenizer, has_tile=self._sheet_size > 0))
                    if len(waiting) >= 4 * _THREADS:
                        self._add(waiting.popleft().result(), report)
                while waiting:
                    self._add(waiting.popleft().result(), report)
            finally:
                for future in waiting:
                    future.cancel()
        self._is_whole = limit is None or self.num_examples < limit or next(stream, None) is None

    def findings(self) -> Findings:
        """What is known so far."""
        return Findings(
            is_whole=self._is_whole,
            num_examples=self.num_examples,
            num_pictures=self._formats.total(),
            formats=dict(self._formats.most_common()),
            width_px=self._measures["width"].spread(),
            height_px=self._measures["height"].spread(),
            megapixels=self._measures["megapixels"].spread(),
            aspect=self._measures["aspect"].spread(),
            repeated_pictures=self._pictures.result(),
            num_captions=self._num_captions,
            captions_an_image=self._lengths["captions"].spread(),
            characters=self._lengths["characters"].spread(),
            tokens=self._lengths["tokens"].spread(),
            share_cut=self._num_cut / max(1, self._num_captions),
            repeated_captions=self._captions.result(),
            useless_captions={
                kind: Useless(count=count, share=count / self._num_captions, examples=tuple(self._useless[kind]))
                for kind, count in self._num_useless.most_common()
            },
            num_bad=self.num_bad,
            bad_reasons=dict(self._reasons.most_common()),
            bad=tuple(self._bad),
        )

    def tiles(self) -> list[Tile]:
        """Pictures for a contact sheet, each with its first caption; drawn at random from all that were read."""
        return list(self._tiles)

    def _add(self, seen: "_Seen | Damaged", report: Callable[["Inspection"], None] | None) -> None:
        self.num_examples += 1
        if isinstance(seen, Damaged):
            self._add_bad(seen)
        else:
            self._add_good(seen)
        if report is not None:
            report(self)

    def _add_bad(self, bad: Damaged) -> None:
        self.num_bad += 1
        if len(self._bad) < _NAMED:
            self._bad.append(bad)
        reason = _NUMBER.sub("N", bad.reason)
        self._reasons[reason if reason in self._reasons or len(self._reasons) < _KINDS else "other reasons"] += 1

    def _add_good(self, seen: "_Seen") -> None:
        width, height = seen.size_px
        values = {"width": width, "height": height, "megapixels": width * height / 1e6, "aspect": width / height}
        for name, value in values.items():
            self._measures[name].add(value)
        self._formats[seen.format] += 1
        self._pictures.add(seen.digest, seen.key)
        self._lengths["captions"].add(len(seen.captions))
        for caption, num_tokens in zip(seen.captions, seen.num_tokens, strict=True):
            self._add_caption(caption, num_tokens)
        if seen.tile is not None:
            self._keep(seen.tile)

    def _add_caption(self, caption: str, num_tokens: int) -> None:
        self._num_captions += 1
        self._lengths["characters"].add(len(caption))
        self._lengths["tokens"].add(num_tokens)
        self._num_cut += num_tokens > CONTEXT_LENGTH
        self._captions.add(_digest(caption.encode("utf-8", "surrogatepass")), caption)
        kind = useless_kind(caption)
        if kind is not None:
            self._num_useless[kind] += 1
            named = self._useless.setdefault(kind, [])
            if len(named) < _SHOWN and caption not in named:
                named.append(caption)

    def _keep(self, tile: Tile) -> None:
        """Every picture is on the sheet with the same probability: reservoir sampling."""
        place = len(self._tiles)
        if place < self._sheet_size:
            self._tiles.append(tile)
        elif (place := int(self._random.integers(self._formats.total()))) < self._sheet_size:
            self._tiles[place] = tile


def useless_kind(caption: str) -> str | None:
    """Why a caption says next to nothing of its picture: an address, a file's name, no letter, one word; or None."""
    if _ADDRESS.match(caption):
        return "address"
    if _FILE_NAME.match(caption):
        return "file name"
    if not any(map(str.isalpha, caption)):
        return "no letter"
    if len(caption.split()) == 1 and max(caption) < _FIRST_WITHOUT_SPACES:
        return "one word"
    return None


class _Seen(NamedTuple):
    key: str
    format: str
    size_px: tuple[int, int]
    digest: int
    captions: tuple[str, ...]
    num_tokens: list[int]
    tile: Tile | None


class _Histogram:
    """Values in three digits, so that there are few of them; the ends are exact."""

    def __init__(self) -> None:
        self._counts: Counter[float] = Counter()
        self._least, self._most = float("inf"), float("-inf")

    def add(self, value: float) -> None:
        self._least, self._most = min(self._least, value), max(self._most, value)
        self._counts[value if isinstance(value, int) else float(f"{value:.3g}")] += 1

    def spread(self) -> Spread | None:
        if not self._counts:
            return None
        values = sorted(self._counts)
        reached = np.cumsum([self._counts[value] for value in values])
        p5, median, p95 = (values[int(np.searchsorted(reached, share * reached[-1]))] for share in (0.05, 0.5, 0.95))
        return Spread(min=self._least, p5=p5, median=median, p95=p95, max=self._most)


def _look(example: Example | Damaged, tokenizer: Tokenizer, *, has_tile: bool) -> _Seen | Damaged:
    if isinstance(example, Damaged):
        return example
    try:
        found = examine_picture(example.image, target_px=TILE_PX)
        num_tokens = [len(row) for row in tokenizer.rows(example.captions)]
        digest = _digest(example.image)
    except (InputError, MissingExtraError, OSError) as error:  # OSError: it went away between the two readings
        return Damaged(example.key, str(error))
    tile = Tile(thumbnail(found.picture), example.captions[0]) if has_tile else None
    size = found.width_px, found.height_px
    return _Seen(example.key, found.format, size, digest, example.captions, num_tokens, tile)


def _digest(content: bytes | Path) -> int:
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
        return int.from_bytes(hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).digest(), "little")


def _tokenizer() -> Tokenizer:
    """OpenAI's, with so long a context that it cuts nothing: lengths are what is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_bytes(openai.tokenizer_json())
        return Tokenizer(path, openai.text_config(context_length=1_000_000))
