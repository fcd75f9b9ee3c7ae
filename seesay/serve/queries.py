"""What clients send, and the queries it becomes. Nothing here is ever taken for a path or fetched from elsewhere.

{"terms": [{"text": "a beach"}, {"item": 17, "weight": 0.5}, {"image": "data:image/jpeg;base64,..."}]}
"""

import base64
import binascii
import io
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from seesay.base.errors import InputError, UsageError
from seesay.inputs.pictures import examine_picture
from seesay.inputs.quiet import QuietPillow
from seesay.search.options import Options
from seesay.search.query import Query, Steps, Term

MOST_HITS = 500
_QUIET = QuietPillow()
VectorOf = Callable[[int], NDArray[np.float32]]


class Asked(BaseModel):
    """A JSON object of a client; a field that is not known is an error, since it is most likely misspelt."""

    model_config = ConfigDict(extra="forbid")


class AskedTerm(Asked):
    """A part of a query: exactly one of text, item and image."""

    text: Annotated[str | None, Field(max_length=2000)] = None
    item: Annotated[int | None, Field(ge=0, lt=2**63, description="an item of the library: more like it")] = None
    image: Annotated[str | None, Field(description="a picture as data:image/...;base64,...")] = None
    weight: Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False, description="negative: unlike it")] = 1.0


Place = Annotated[str, Field(max_length=4096)]
Terms = Annotated[list[AskedTerm], Field(max_length=16)]


class AskedSearch(Asked):
    """A search."""

    terms: Terms = []
    then: Annotated[list[Terms], Field(max_length=8, description="what follows in the same video")] = []
    within_s: Annotated[float | None, Field(gt=0, le=1e6, description="seconds between two steps at most")] = None
    limit: Annotated[int, Field(ge=1, le=MOST_HITS)] = 60
    cursor: Annotated[str | None, Field(pattern=r"^\d{1,9}$", description="of the page before")] = None
    only: Literal["image", "video"] | None = None
    under: Annotated[
        Place | Annotated[list[Place], Field(max_length=100)] | None,
        Field(description="only files at or below this path, or these"),
    ] = None
    after: Annotated[datetime | None, Field(description="taken, or changed where a file does not say it")] = None
    before: datetime | None = None
    weak: Annotated[bool, Field(description="also where probably nothing matches")] = False
    sort: Annotated[Literal["score", "date"], Field(description="date: of all that match the newest first")] = "score"
    min_score: Annotated[
        float | None, Field(allow_inf_nan=False, description="only hits with this cosine; not the calibration's")
    ] = None
    all: Annotated[bool, Field(description="copies and pairs as hits of their own")] = False

    def to_options(self) -> Options:
        """What the library takes.

        Raises:
            UsageError: a value without meaning.
        """
        return Options(
            limit=self.limit,
            offset=int(self.cursor or 0),
            under=self.under,
            after=self.after,
            before=self.before,
            only=self.only,
            weak=self.weak,
            sort=self.sort,
            min_score=self.min_score,
            is_grouped=not self.all,
        )


def to_query(asked: AskedSearch, vector_of: VectorOf, upload: Callable[[bytes], Image.Image]) -> Query | Steps:
    """The query of a search.

    Args:
        asked: what the client wrote.
        vector_of: (E,) of an item of the library.
        upload: opens the bytes of a picture.

    Raises:
        UsageError: it has nothing to look for.
        InputError: one of its pictures cannot be read.
    """
    first = Query(tuple(_term(term, vector_of, upload) for term in asked.terms))
    if not asked.then:
        return first
    rest = (Query(tuple(_term(term, vector_of, upload) for term in step)) for step in asked.then)
    return Steps((first, *rest), asked.within_s)


def _term(asked: AskedTerm, vector_of: VectorOf, upload: Callable[[bytes], Image.Image]) -> Term:
    given = [name for name in ("text", "item", "image") if getattr(asked, name) is not None]
    if len(given) != 1:
        raise UsageError(f"a term has one of text, item and image; this one has {' and '.join(given) or 'none'}")
    if asked.item is not None:
        return Term(vector=vector_of(asked.item), weight=asked.weight)
    if asked.image is not None:
        return Term(image=upload(from_data_url(asked.image)), weight=asked.weight)
    if not (asked.text or "").strip():
        raise UsageError("a text of the query is empty")
    return Term(text=asked.text, weight=asked.weight)


def from_data_url(url: str) -> bytes:
    """The bytes of `data:image/...;base64,...`.

    Raises:
        UsageError: it is something else; addresses are never fetched.
    """
    head, comma, content = url.partition(",")
    if not (head.startswith("data:") and head.endswith(";base64") and comma):
        raise UsageError("a picture is sent as data:image/...;base64,...; addresses are not fetched")
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError("the picture's base64 is damaged") from error


def open_upload(content: bytes, *, target_px: int, most_pixels: int) -> Image.Image:
    """A picture that somebody sent.

    Args:
        content: the bytes of its file.
        target_px: the model's side.
        most_pixels: it may declare, before anything is decoded.

    Raises:
        InputError: it cannot be read, or is larger.
    """
    _refuse_large(content, most_pixels)
    return examine_picture(content, target_px=target_px).picture


def _refuse_large(content: bytes, most_pixels: int) -> None:
    try:
        with _QUIET, Image.open(io.BytesIO(content)) as header:
            width_px, height_px = header.size
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, Image.DecompressionBombError):
        return  # whoever reads it says why not, and has limits of its own
    if width_px * height_px > most_pixels:
        raise InputError(f"a picture of {width_px} x {height_px} pixels; the service takes {most_pixels:,} at most")
