"""Action recognition: which label says what happens in a video.

Shape legend: N videos, C labels, E embedding.

Source: ActionCLIP, arXiv:2109.08472. Its tests average the probabilities of its 16 templates; here a label's sentences
are averaged as vectors (CLIP, arXiv:2103.00020, section 3.1.4), so that 16 cost no more than one.
"""

from collections.abc import Sequence

from seesay.data.actions import TEMPLATES
from seesay.encoders.encoder import Encoder
from seesay.encoders.video import VideoEncoder, VideoSource
from seesay.tasks.classify import Label, build_classifier, rank_labels


def actions(
    encoder: Encoder | VideoEncoder,
    videos: Sequence[VideoSource],
    labels: Sequence[str],
    *,
    templates: Sequence[str] = TEMPLATES,
) -> list[list[Label]]:
    """Which label fits each video, without any training or with a trained temporal part.

    Args:
        encoder: the model; an encoder of pictures sees a video as the mean of eight frames.
        videos: N files, folders of frames, or lists of Pillow pictures; a picture is a video in which nothing moves.
        labels: C names.
        templates: sentences with one `{}`; several are averaged.

    Returns:
        For each video all labels, the likeliest first; the probabilities sum to 1.

    Raises:
        UsageError: labels or templates that make no classifier.
        InputError: a video or a sentence cannot be read.
    """
    model = encoder if isinstance(encoder, VideoEncoder) else VideoEncoder(encoder)
    classifier_CE = build_classifier(model.encoder, labels, templates)
    return rank_labels(model.encoder, model.encode_videos(videos), labels, classifier_CE)
