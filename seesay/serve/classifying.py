"""`/api/classify`: a picture and labels in, probabilities out, without training."""

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from pydantic import Field

from seesay.base.errors import UsageError
from seesay.serve.queries import Asked, from_data_url
from seesay.serve.service import Service, service_of
from seesay.tasks.classify import DEFAULT_TEMPLATE, build_classifier, rank_labels

router = APIRouter(prefix="/api")

Texts = Annotated[list[Annotated[str, Field(min_length=1, max_length=500)]], Field(max_length=1000)]


class AskedClassify(Asked):
    """A picture, sent or of the library, and what it may show."""

    image: Annotated[str | None, Field(description="data:image/...;base64,...")] = None
    item: Annotated[int | None, Field(ge=0, lt=2**63)] = None
    labels: Texts
    templates: Annotated[tuple[Annotated[str, Field(max_length=500)], ...], Field(min_length=1, max_length=100)] = (
        DEFAULT_TEMPLATE,
    )


@router.post("/classify")
def classify(request: Request, asked: AskedClassify) -> dict[str, Any]:
    """Which label fits, the likeliest first."""
    service = service_of(request)
    if (asked.image is None) == (asked.item is None):
        raise UsageError("name the picture with either image or item")
    if asked.image is not None:
        return _rank(service, service.encoder.encode_images([service.upload(from_data_url(asked.image))]), asked)
    return _rank(service, service.vector_of(asked.item or 0)[None], asked)


@router.post("/classify/picture")
def classify_upload(
    request: Request, image: Annotated[UploadFile, File()], labels: Annotated[str, Form(max_length=100_000)]
) -> dict[str, Any]:
    """The same for a picture's file; labels with commas between them."""
    service = service_of(request)
    names = [label.strip() for label in labels.split(",") if label.strip()]
    vectors = service.encoder.encode_images([service.upload(image.file.read())])
    return _rank(service, vectors, AskedClassify(labels=names[:1000]))


def _rank(service: Service, vectors_1E: Any, asked: AskedClassify) -> dict[str, Any]:
    names = list(dict.fromkeys(label.strip() for label in asked.labels if label.strip()))
    classifier_CE = build_classifier(service.encoder, names, asked.templates)
    (ranked,) = rank_labels(service.encoder, vectors_1E, names, classifier_CE)
    cosines = dict(zip(names, (vectors_1E @ classifier_CE.T)[0].tolist(), strict=True))
    return {
        "labels": [
            {"label": label.name, "probability": round(label.probability, 6), "cosine": round(cosines[label.name], 4)}
            for label in ranked
        ]
    }
