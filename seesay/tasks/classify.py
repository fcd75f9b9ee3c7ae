"""Zero-shot classification: labels become sentences, sentences become the classifier.

Shape legend: N pictures, C labels, E embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.base.arguments import list_of_strings
from seesay.base.errors import UsageError
from seesay.encoders.encoder import Encoder
from seesay.inputs.pictures import Source

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
