"""Embeddings as OpenAI's clients and the multimodal servers ask for them: `/v1/embeddings`, `/v1/models`.

The shapes that clients send are in shapes.py. Addresses are not fetched: a string that holds one is a text like any
other.

Source: OpenAI's API reference, "Create embeddings".
"""

import base64
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, WithJsonSchema

from seesay.base.errors import InputError, UsageError
from seesay.encoders.encoder import Pixels, Vectors
from seesay.serve.errors import RefusedError
from seesay.serve.service import Service, service_of
from seesay.serve.shapes import MOST_INPUTS, Sent, read_input, read_messages

router = APIRouter()


_INPUT_SCHEMA = {
    "description": "A text or picture, or up to 2,048 of them. A picture is data:image/...;base64,... or an object.",
    "anyOf": [
        {"type": "string"},
        {"type": "object"},
        {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}, "maxItems": MOST_INPUTS},
    ],
}


class EmbeddingsRequest(BaseModel):
    """What clients send; null is as if it were left out, and fields that change nothing here (`user`) are ignored."""

    input: Annotated[Any, WithJsonSchema(_INPUT_SCHEMA)] = None
    messages: Annotated[Any, Field(description="vLLM's form: one text or one picture")] = None
    modality: Annotated[str | None, Field(max_length=40, description="infinity's: text or image")] = None
    model: Annotated[str | None, Field(max_length=300)] = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


@router.post("/v1/embeddings")
def embeddings(asked: EmbeddingsRequest, request: Request) -> dict[str, Any]:
    """One vector of length 1 for each text or picture, in order."""
    service = service_of(request)
    _check(asked, service)
    things = [_ready(service, sent) for sent in _sent(asked)]
    try:
        vectors_NE = _embed(service, things)
    except (InputError, UsageError) as error:
        raise RefusedError(str(error), param="input") from error
    num_tokens = service.count_tokens([thing for thing in things if isinstance(thing, str)])
    return {
        "object": "list",
        "model": service.encoder.id,
        "data": [
            {"object": "embedding", "index": index, "embedding": _write(vector_E, asked.encoding_format or "float")}
            for index, vector_E in enumerate(vectors_NE)
        ],
        "usage": {"prompt_tokens": num_tokens, "total_tokens": num_tokens},
    }


@router.get("/v1/models")
def models(request: Request) -> dict[str, Any]:
    """The one model that is served."""
    model = {"id": service_of(request).encoder.id, "object": "model", "created": 0, "owned_by": "seesay"}
    return {"object": "list", "data": [model]}


@router.get("/v1/models/{name:path}")
def model(name: str, request: Request) -> dict[str, Any]:
    """The served model, by its id or its name."""
    service = service_of(request)
    _check_model(name, service)
    return {"id": service.encoder.id, "object": "model", "created": 0, "owned_by": "seesay"}


def _check(asked: EmbeddingsRequest, service: Service) -> None:
    if asked.model:
        _check_model(asked.model, service)
    if asked.dimensions not in (None, service.encoder.dim):
        raise RefusedError(
            f"this model gives {service.encoder.dim} dimensions and cannot give fewer; leave dimensions out",
            param="dimensions",
        )


def _check_model(name: str, service: Service) -> None:
    served = service.encoder.id
    if name not in (served, served.partition("@")[0]):
        raise RefusedError(
            f"the model {name!r} is not served here; {served} is", status=404, code="model_not_found", param="model"
        )


def _sent(asked: EmbeddingsRequest) -> Iterator[Sent]:
    if (asked.input is None) == (asked.messages is None):
        raise RefusedError("send input, or messages, and not both: what is to be embedded", param="input")
    return iter([read_messages(asked.messages)]) if asked.input is None else read_input(asked.input, asked.modality)


def _ready(service: Service, sent: Sent) -> str | Pixels:
    """A text cut to what the model can read, a picture as the model's pixels: both small, whatever was sent."""
    if isinstance(sent, str):
        return service.shorten(sent)
    try:
        return service.pixels(sent.content)
    except (InputError, UsageError) as error:
        raise RefusedError(str(error), param="input") from error


def _embed(service: Service, things: Sequence[str | Pixels]) -> Vectors:
    """Texts and pictures in the order in which they came."""
    vectors_NE = np.empty((len(things), service.encoder.dim), np.float32)
    texts = [(row, thing) for row, thing in enumerate(things) if isinstance(thing, str)]
    images = [(row, thing) for row, thing in enumerate(things) if not isinstance(thing, str)]
    if texts:
        vectors_NE[[row for row, _ in texts]] = service.encoder.encode_texts([text for _, text in texts])
    if images:
        vectors_NE[[row for row, _ in images]] = service.encoder.encode_pixels(np.stack([image for _, image in images]))
    return vectors_NE


def _write(vector_E: np.ndarray[Any, np.dtype[np.float32]], form: str) -> str | list[float]:
    return base64.b64encode(vector_E.astype("<f4").tobytes()).decode() if form == "base64" else vector_E.tolist()
