"""Zero-shot classification: labels become sentences, sentences become the classifier.

Shape legend: N pictures, C labels, E embedding.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.base.arguments import list_of_strings
from seesay.base.errors import InputError, MissingExtraError, UsageError
from seesay.encoders.encoder import Encoder
from seesay.encoders.looking import mean_of
from seesay.inputs.pictures import Source, open_picture
from seesay.inputs.transform import ImageTransform
from seesay.inputs.video import is_video

BATCH = 32  # files that go through the model together
DEFAULT_TEMPLATE = "a photo of a {}"


@dataclass(frozen=True, slots=True)
class Label:
    """A label and how likely it is among those offered."""

    name: str
    probability: float


def build_classifier(
    encoder: Encoder, labels: Sequence[str], templates: Sequence[str] = (DEFAULT_TEMPLATE,)
) -> NDArray[np.float32]:
    """One unit vector a label: the mean of its sentences' unit vectors, made unit again.

    Args:
        encoder: the model.
        labels: C names, each once.
        templates: sentences with one `{}` where the name goes.

    Returns:
        (C, E) float32 unit rows.

    Raises:
        UsageError: no labels, a label twice, or a template without exactly one `{}`.
        InputError: a sentence the model cannot read.

    Source: CLIP, arXiv:2103.00020, section 3.1.4: the ensemble is in embedding space, not in probabilities.
    """
    labels, templates = list_of_strings("labels", labels), list_of_strings("templates", templates)
    if not labels:
        raise UsageError("no labels were given; name some, as in --labels cat,dog")
    if len(set(labels)) != len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise UsageError(f"the label {twice!r} is given twice")
    if not templates:
        raise UsageError("no template was given; leave it out for the default, 'a photo of a {}'")
    for template in templates:
        if template.count("{}") != 1:
            raise UsageError(f"a template needs one {{}} where the label goes, got {template!r}")
    # A label may hold braces of its own, so it is put in by replacing, not by format().
    sentences = [template.replace("{}", label) for label in labels for template in templates]
    vectors_CTE = encoder.encode_texts(sentences).reshape(len(labels), len(templates), -1)
    mean_CE = vectors_CTE.mean(axis=1)
    classifier_CE: NDArray[np.float32] = mean_CE / np.linalg.norm(mean_CE, axis=1, keepdims=True)
    return classifier_CE


def classify(
    encoder: Encoder,
    images: Sequence[Source | Image.Image],
    labels: Sequence[str],
    *,
    templates: Sequence[str] = (DEFAULT_TEMPLATE,),
) -> list[list[Label]]:
    """Which label fits each picture.

    Args:
        encoder: the model.
        images: N paths, encoded bytes or Pillow pictures.
        labels: C names.
        templates: sentences with one `{}`; several are averaged.

    Returns:
        For each picture all labels, the likeliest first; the probabilities sum to 1.

    Raises:
        UsageError: labels or templates that make no classifier.
        InputError: a picture or a sentence cannot be read.
    """
    labels = list_of_strings("labels", labels)
    classifier_CE = build_classifier(encoder, labels, templates)
    return rank_labels(encoder, encoder.encode_images(images), labels, classifier_CE)


@dataclass(frozen=True, slots=True)
class Classified:
    """What `classify_files` says of a file."""

    path: str
    labels: list[Label]
    """All, the likeliest first; none where there is a problem."""
    problem: str | None = None
    """Why it cannot be read."""


def classify_files(
    encoder: Encoder, paths: Iterable[str], labels: Sequence[str], classifier: NDArray[np.float32]
) -> Iterator[Classified]:
    """Which label fits each picture or video, in the order of the paths, in bounded memory however many there are.

    Pictures are decoded in threads and go through the model in batches. Of a video it is the mean of eight frames.

    Args:
        encoder: the model.
        paths: of pictures and videos; more are taken as answers are asked for.
        labels: C names.
        classifier: (C, E) as `build_classifier` makes it.

    Returns:
        One answer a path; what cannot be read has its reason and stops nothing.
    """
    batch: list[_Read] = []
    for read in _read_ahead(partial(_read, transform=encoder.transform), paths):
        batch.append(read)
        if len(batch) == BATCH:
            yield from _classify_batch(encoder, batch, labels, classifier)
            batch.clear()
    yield from _classify_batch(encoder, batch, labels, classifier)


class _Read(NamedTuple):
    """A file as a thread read it: pixels, or a problem; neither: it is a video."""

    path: str
    pixels: NDArray[np.uint8] | None = None
    problem: str | None = None


def _read(path: str, transform: ImageTransform) -> _Read:
    try:
        if is_video(path):
            return _Read(path)
        return _Read(path, transform(open_picture(path, target_px=transform.target_px)))
    except (OSError, InputError, MissingExtraError) as error:
        return _Read(path, problem=str(error))


def _read_ahead(read: Callable[[str], _Read], paths: Iterable[str]) -> Iterator[_Read]:
    """In order, never more than two batches ahead of the caller."""
    waiting: deque[Future[_Read]] = deque()
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="seesay-classify") as pool:
        try:
            for path in paths:
                waiting.append(pool.submit(read, path))
                if len(waiting) > 2 * BATCH:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _classify_batch(
    encoder: Encoder, batch: Sequence[_Read], labels: Sequence[str], classifier: NDArray[np.float32]
) -> Iterator[Classified]:
    pixels = [read.pixels for read in batch if read.pixels is not None]
    vectors = iter(encoder.encode_pixels(np.stack(pixels)) if pixels else ())
    for path, seen, problem in batch:
        if problem is not None:
            yield Classified(path, [], problem)
            continue
        try:
            vector = mean_of(path, encoder) if seen is None else next(vectors)
        except (OSError, InputError, MissingExtraError) as error:
            yield Classified(path, [], str(error))
            continue
        (ranked,) = rank_labels(encoder, vector[None], labels, classifier)
        yield Classified(path, ranked)


def rank_labels(
    encoder: Encoder, vectors: NDArray[np.float32], labels: Sequence[str], classifier: NDArray[np.float32]
) -> list[list[Label]]:
    """The last step alone, for a classifier that serves many pictures.

    Args:
        encoder: the model, for its scale.
        vectors: (N, E) unit rows of pictures.
        labels: C names.
        classifier: (C, E) as `build_classifier` makes it.

    Returns:
        For each row all labels, the likeliest first.
    """
    cosine_NC: NDArray[np.float32] = vectors @ classifier.T
    probability_NC = softmax(encoder.scale * cosine_NC)
    order_NC = np.argsort(-probability_NC, axis=1, kind="stable")
    return [
        [Label(labels[index], float(row[index])) for index in order]
        for row, order in zip(probability_NC, order_NC, strict=True)
    ]


def softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Rows to probabilities, whatever the size of the logits."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    result: NDArray[np.floating] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return result
