"""`/api/search` and what the page does with a hit: the item, its moments, why it matched."""

import json
import os
import time
from datetime import datetime
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi import Path as InPath
from fastapi import Query as Parameter
from numpy.typing import NDArray
from pydantic import ValidationError

from seesay.base.errors import LibraryError, ModelMismatchError, UsageError
from seesay.search.hit import to_time
from seesay.search.options import Found
from seesay.search.query import Query, Steps, Term, parse_sentence, unknown_words
from seesay.search.rows import ItemRow
from seesay.serve import heat
from seesay.serve.media import describe
from seesay.serve.queries import MOST_HITS, AskedSearch, Place, to_query
from seesay.serve.service import Service, service_of

router = APIRouter(prefix="/api")
NUM_MARKS = 20

Sentence = Annotated[str, Parameter(max_length=2000, description="a beach + snow - 2:people, a door opens then a dog")]
Within = Annotated[float | None, Parameter(gt=0, le=1e6, description="seconds between two steps of a sequence at most")]
ItemId = Annotated[int, InPath(ge=0, lt=2**63)]


@router.get("/search")
def search_by_sentence(
    request: Request,
    q: Sentence,
    limit: Annotated[int, Parameter(ge=1, le=MOST_HITS)] = 60,
    cursor: Annotated[str | None, Parameter(pattern=r"^\d{1,9}$")] = None,
    only: Literal["image", "video"] | None = None,
    under: Annotated[list[Place] | None, Parameter(max_length=100)] = None,
    after: datetime | None = None,
    before: datetime | None = None,
    weak: bool = False,
    sort: Literal["score", "date"] = "score",
    min_score: Annotated[float | None, Parameter(allow_inf_nan=False)] = None,
    all_files: Annotated[bool, Parameter(alias="all")] = False,
    within_s: Within = None,
) -> dict[str, Any]:
    """Search by what could be typed into a search box."""
    asked = AskedSearch(
        limit=limit,
        cursor=cursor,
        only=only,
        under=under,
        after=after,
        before=before,
        weak=weak,
        sort=sort,
        min_score=min_score,
        all=all_files,
    )
    return search(service_of(request), parse_sentence(q, within_s=within_s), asked)


@router.post("/search")
def search_by_terms(request: Request, asked: AskedSearch) -> dict[str, Any]:
    """Search by texts, pictures and items, with weights, or by a sequence of such sums."""
    service = service_of(request)
    return search(service, _query(service, asked), asked)


@router.post("/search/picture")
def search_by_upload(
    request: Request, image: Annotated[UploadFile, File()], query: Annotated[str, Form(max_length=100_000)] = "{}"
) -> dict[str, Any]:
    """Search by a picture's file; `query` is what `/api/search` takes, whose terms are added to the picture."""
    service = service_of(request)
    try:
        asked = AskedSearch.model_validate(json.loads(query))
    except (ValidationError, ValueError) as error:
        raise UsageError("query must be the JSON object that /api/search takes") from error
    picture = Term(image=service.upload(image.file.read()))
    others = _query(service, asked) if asked.terms else Query((picture,))
    if isinstance(others, Steps):
        raise UsageError("a picture's file cannot begin a sequence; send it as a data: URL in terms")
    return search(service, Query((picture, *(others.terms if asked.terms else ()))), asked)


@router.get("/items/{item_id}")
def item(request: Request, item_id: ItemId) -> dict[str, Any]:
    """A photograph or moment, and of a video all its moments."""
    service = service_of(request)
    row = service.item(item_id)
    found = describe_item(row)
    if row.time_s is not None:
        moments = service.libraries.use(lambda library: library.moments(item_id))
        columns = zip(moments.ids, moments.start_s, moments.end_s, moments.time_s, strict=True)
        found["moments"] = [
            {"id": int(own), "start_s": float(start), "end_s": float(end), "time_s": float(time_s)}
            for own, start, end, time_s in columns
        ]
    return found


@router.get("/items/{item_id}/marks")
def marks(request: Request, item_id: ItemId, q: Sentence, within_s: Within = None) -> dict[str, Any]:
    """Where else in its video an item's query is met, best first."""
    return _marks(service_of(request), item_id, parse_sentence(q, within_s=within_s))


@router.post("/items/{item_id}/marks")
def marks_by_terms(request: Request, item_id: ItemId, asked: AskedSearch) -> dict[str, Any]:
    """The same for a query of terms."""
    service = service_of(request)
    return _marks(service, item_id, _query(service, asked))


@router.get("/items/{item_id}/heat")
def heat_by_sentence(request: Request, item_id: ItemId, q: Sentence) -> dict[str, Any]:
    """Why it matched: the cosine of each part of the picture."""
    service = service_of(request)
    return _heat(service, item_id, parse_sentence(q))


@router.post("/items/{item_id}/heat")
def heat_by_terms(request: Request, item_id: ItemId, asked: AskedSearch) -> dict[str, Any]:
    """The same for a query of terms."""
    service = service_of(request)
    return _heat(service, item_id, _query(service, asked))


def search(service: Service, query: Query | Steps, asked: AskedSearch) -> dict[str, Any]:
    """The answer to a search: hits, whether anything matches, and where the next page begins."""
    began = time.perf_counter()
    options = asked.to_options()
    # Read here and not in the library's threads, so that the model sees those who ask together as one batch.
    known = _known(query, service)
    try:
        found = service.libraries.use(lambda library: library.find(known, options, calibrated_by=query))
    except ModelMismatchError:
        raise
    except LibraryError as error:
        found = Found(hits=[], has_more=False, is_match=False, least_cosine=None, why_none=str(error))
    answer = {
        "hits": [hit.to_dict() | describe(hit.path) for hit in found.hits],
        "cursor": str(options.offset + options.limit) if found.has_more else None,
        "is_match": found.is_match,
        "is_held_back": found.is_held_back,
        "least_cosine": found.least_cosine,
        "unknown_words": unknown_words(query, service.encoder),
        "took_ms": round(1000 * (time.perf_counter() - began), 1),
    }
    return answer if found.why_none is None else answer | {"reason": found.why_none}


def describe_item(row: ItemRow) -> dict[str, Any]:
    """An item as every answer says it."""
    kind = "image" if row.time_s is None else "moment"
    found: dict[str, Any] = {"id": row.id, "kind": kind, **describe(os.fsdecode(row.path))}
    if row.time_s is not None:
        found |= {"start_s": row.start_s, "end_s": row.end_s, "time_s": row.time_s}
    if row.taken_ns is not None:
        found["taken"] = to_time(row.taken_ns).isoformat()
    if row.page is not None:
        found["page"] = row.page
    if row.track:
        found["track"] = row.track
    return found if row.box is None else found | {"box": row.box._asdict()}


def _query(service: Service, asked: AskedSearch) -> Query | Steps:
    return to_query(asked, service.vector_of, service.upload)


def _known(query: Query | Steps, service: Service) -> NDArray[np.float32] | Steps:
    """The same query with nothing left to encode."""
    if isinstance(query, Query):
        return query.vector(service.encoder)
    steps = tuple(Query((Term(vector=step.vector(service.encoder)),)) for step in query.steps)
    return Steps(steps, query.within_s)


def _heat(service: Service, item_id: int, query: Query | Steps) -> dict[str, Any]:
    """Of a sequence, of its first step: that is the moment that a hit shows."""
    return heat.of_item(service, service.item(item_id), query.steps[0] if isinstance(query, Steps) else query)


def _marks(service: Service, item_id: int, query: Query | Steps) -> dict[str, Any]:
    row = service.item(item_id)
    if row.time_s is None:
        return {"moments": []}
    known = _known(query, service)
    path = os.fsdecode(row.path)
    hits = service.libraries.use(
        lambda library: library.search(known, limit=NUM_MARKS, under=path, only="video", per_video=None, all_files=True)
    )
    keys = ("id", "time_s", "start_s", "end_s", "score")
    same = [hit.to_dict() for hit in hits if hit.track == row.track]
    return {"moments": [{key: value for key, value in hit.items() if key in keys} for hit in same]}
