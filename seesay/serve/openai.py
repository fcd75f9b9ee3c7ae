"""Embeddings as OpenAI's clients and the multimodal servers ask for them: `/v1/embeddings`, `/v1/models`.

Beside strings, an input may be a picture as `data:image/...;base64,...`, or an object: `{"text": ...}`,
`{"image": data url}`, `{"type": "image_url", "image_url": {"url": data url}}`. Addresses are not fetched: a string
that holds one is a text like any other.

Source: OpenAI's API reference, "Create embeddings".
"""

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from seesay.base.errors import InputError, UsageError
from seesay.serve.errors import RefusedError
from seesay.serve.queries import from_data_url
from seesay.serve.service import Service, service_of

MOST_INPUTS = 2048  # as OpenAI
router = APIRouter()


class ImageUrl(BaseModel):
    """OpenAI's way to say a picture."""

    url: str


class Thing(BaseModel):
    """A text or a picture."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["text", "image", "image_url"] | None = None
    text: str | None = None
    image: str | None = None
    image_url: ImageUrl | str | None = None


class EmbeddingsRequest(BaseModel):
    """What clients send; fields that change nothing here (`user`) are taken and left."""

    input: str | list[str | int | list[int] | Thing] | Thing
    model: Annotated[str, Field(max_length=300)] = ""
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None


@router.post("/v1/embeddings")
def embeddings(asked: EmbeddingsRequest, request: Request) -> dict[str, Any]:
    """One vector of length 1 for each text or picture, in order."""
    service = service_of(request)
    _check(asked, service)
    given = asked.input if isinstance(asked.input, list) else [asked.input]
    if not 1 <= len(given) <= MOST_INPUTS:
        raise RefusedError(f"input has from 1 to {MOST_INPUTS} entries, got {len(given)}", param="input")
    things = [_read(service, each) for each in given]
    try:
        vectors_NE = _embed(service, things)
    except (InputError, UsageError) as error:
        raise RefusedError(str(error), param="input") from error
    num_tokens = service.count_tokens([thing for thing in things if isinstance(thing, str)])
    return {
        "object": "list",
        "model": service.encoder.id,
        "data": [
            {"object": "embedding", "index": index, "embedding": _write(vector_E, asked.encoding_format)}
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


def _read(service: Service, given: str | int | list[int] | Thing) -> str | Image.Image:
    """A text as it is, a picture decoded."""
    if isinstance(given, int | list):
        raise RefusedError("token ids of another tokenizer mean nothing here; send the text", param="input")
    if isinstance(given, str):
        return _open(service, given) if given.startswith("data:image/") else given
    url = given.image_url.url if isinstance(given.image_url, ImageUrl) else given.image_url
    said = [each for each in (given.text, given.image, url) if each is not None]
    if len(said) != 1:
        raise RefusedError("an object of input has one of text, image and image_url", param="input")
    return given.text if given.text is not None else _open(service, said[0])


def _open(service: Service, url: str) -> Image.Image:
    try:
        return service.upload(from_data_url(url))
    except (InputError, UsageError) as error:
        raise RefusedError(str(error), param="input") from error


def _embed(service: Service, things: Sequence[str | Image.Image]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Texts and pictures in the order in which they came."""
    vectors_NE = np.empty((len(things), service.encoder.dim), np.float32)
    texts = [(row, thing) for row, thing in enumerate(things) if isinstance(thing, str)]
    images = [(row, thing) for row, thing in enumerate(things) if not isinstance(thing, str)]
    if texts:
        vectors_NE[[row for row, _ in texts]] = service.encoder.encode_texts([text for _, text in texts])
    if images:
        vectors_NE[[row for row, _ in images]] = service.encoder.encode_images([image for _, image in images])
    return vectors_NE


def _write(vector_E: np.ndarray[Any, np.dtype[np.float32]], form: str) -> str | list[float]:
    return base64.b64encode(vector_E.astype("<f4").tobytes()).decode() if form == "base64" else vector_E.tolist()
