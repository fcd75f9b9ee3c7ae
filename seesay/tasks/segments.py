"""When something happens in a long video: from scores of single frames to stretches with a start, an end and a label.

A label's score of a frame is its cosine less the label's own mean over the video: what is there all the time (the
room, the camera, the label that fits everything a little) drops out, and what is left is what comes and goes. Runs of
frames above each of several thresholds are proposals. A proposal is worth the mean within it less the mean of what
lies just outside, so that one that is too short or too long loses to the one that fits. Overlapping proposals of one
label lower each other's score instead of being thrown away.

Shape legend: T frames, C labels, E embedding.

Sources: outer-inner contrast from AutoLoc, arXiv:1807.08333; Gaussian soft suppression from Soft-NMS,
arXiv:1704.04503.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import InputError, UsageError
from seesay.data.actions import TEMPLATES
from seesay.encoders.encoder import Encoder
from seesay.inputs.video import Every, frames
from seesay.tasks.classify import build_classifier

_AT_ONCE = 32  # frames held at a time


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a video."""

    start_s: float
    end_s: float
    label: str
    score: float
    """How much the label stands out within against just outside, in cosine; higher is surer, 0 is nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentRule:
    """How scores become segments. The defaults were set on paper, not tuned on any dataset."""

    levels: int = 9
    """Thresholds, evenly between a label's mean and its highest score."""
    margin: float = 0.25
    """What counts as just outside: this share of the length on each side, one frame at least."""
    smooth_frames: int = 3
    """Frames that a score is averaged over, an odd number; one frame alone is rarely an action."""
    softness: float = 0.3
    """The width of the suppression, in overlap squared: lower suppresses more."""
    least_score: float = 0.01
    """Proposals below it are left out: cosines of neighbouring frames differ by about as much."""


DEFAULT_RULE = SegmentRule()


def segments(
    encoder: Encoder,
    video: str | Path,
    labels: Sequence[str],
    *,
    templates: Sequence[str] = TEMPLATES,
    every_s: float = 0.5,
    rule: SegmentRule = DEFAULT_RULE,
) -> list[Segment]:
    """Where in a video each label happens.

    Args:
        encoder: the model for pictures and texts.
        video: a file; of any length, frames are never all in memory.
        labels: C names.
        templates: sentences with one `{}`; several are averaged.
        every_s: seconds between two frames; nothing shorter is found.
        rule: how scores become segments.

    Returns:
        Segments of all labels, the surest first; they may overlap.

    Raises:
        UsageError: labels or templates that make no classifier.
        InputError: the video cannot be read.
    """
    classifier_CE = build_classifier(encoder, labels, templates)
    times_s, scores_TC = score_frames(encoder, video, classifier_CE, every_s=every_s)
    return find_segments(times_s, scores_TC, labels, every_s=every_s, rule=rule)


def score_frames(
    encoder: Encoder, video: str | Path, classifier: NDArray[np.float32], *, every_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Cosines of frames and labels.

    Args:
        encoder: the model.
        video: a file.
        classifier: (C, E) as `build_classifier` makes it.
        every_s: seconds between two frames.

    Returns:
        (T,) times in seconds and (T, C) cosines.

    Raises:
        InputError: the video cannot be read, or has no frame.
    """
    times_s: list[float] = []
    scores: list[NDArray[np.float32]] = []
    pixels: list[NDArray[np.uint8]] = []
    for frame in frames(video, Every(seconds=every_s), size_px=encoder.transform.target_px):
        times_s.append(frame.time_s)
        pixels.append(encoder.transform(frame.image))
        if len(pixels) == _AT_ONCE:
            scores.append(encoder.encode_pixels(np.stack(pixels)) @ classifier.T)
            pixels = []
    if pixels:
        scores.append(encoder.encode_pixels(np.stack(pixels)) @ classifier.T)
    if not scores:
        raise InputError("the video has no frames")
    return np.array(times_s), np.concatenate(scores)


def find_segments(
    times_s: NDArray[np.float64],
    scores: NDArray[np.floating],
    labels: Sequence[str],
    *,
    every_s: float,
    rule: SegmentRule = DEFAULT_RULE,
) -> list[Segment]:
    """From scores of frames to segments; the part that needs no model.

    Args:
        times_s: (T,) ascending.
        scores: (T, C) the higher, the likelier.
        labels: C names.
        every_s: how long the last frame lasts.
        rule: see `SegmentRule`.

    Returns:
        Segments of all labels, the surest first.

    Raises:
        UsageError: shapes do not fit.
    """
    if scores.shape != (len(times_s), len(labels)) or not len(times_s):
        raise UsageError(f"scores must have shape ({len(times_s)}, {len(labels)}), one frame at least: {scores.shape}")
    ends_s = np.append(times_s[1:], times_s[-1] + every_s)
    centred_TC = scores.astype(np.float64) - scores.mean(axis=0, dtype=np.float64)
    found = []
    for place, label in enumerate(labels):
        smooth_T = _smooth(centred_TC[:, place], rule.smooth_frames)
        for start, end, score in _suppress(_propose(smooth_T, rule), rule):
            found.append(Segment(float(times_s[start]), float(ends_s[end - 1]), label, score))
    return sorted(found, key=lambda one: (-one.score, one.start_s))


def overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    """What two spans share over what they cover together, 0 to 1."""
    shared = min(first[1], second[1]) - max(first[0], second[0])
    return max(0.0, shared) / (max(first[1], second[1]) - min(first[0], second[0]) or 1.0)


def _smooth(scores_T: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The mean of neighbours; at the ends of those that there are."""
    if width <= 1 or len(scores_T) < width:
        return scores_T
    kernel = np.ones(width)
    return np.convolve(scores_T, kernel, "same") / np.convolve(np.ones(len(scores_T)), kernel, "same")


def _propose(scores_T: NDArray[np.float64], rule: SegmentRule) -> list[tuple[int, int, float]]:
    """(first frame, frame after the last, score) of every run above every threshold."""
    highest = float(scores_T.max())
    if highest <= 0:
        return []
    proposals: dict[tuple[int, int], float] = {}
    for level in range(rule.levels):
        above = scores_T > highest * level / rule.levels
        edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]).astype(np.int8)))
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            proposals[start, end] = _contrast(scores_T, start, end, rule.margin)
    return [(start, end, score) for (start, end), score in proposals.items() if score >= rule.least_score]


def _contrast(scores_T: NDArray[np.float64], start: int, end: int, margin: float) -> float:
    """The mean within less the mean just outside; a run over everything is compared with 0, the video's mean."""
    width = max(1, round((end - start) * margin))
    outside = np.concatenate([scores_T[max(0, start - width) : start], scores_T[end : end + width]])
    return float(scores_T[start:end].mean() - (outside.mean() if len(outside) else 0.0))


def _suppress(proposals: list[tuple[int, int, float]], rule: SegmentRule) -> list[tuple[int, int, float]]:
    """Take the best, lower the others by how much they overlap with it, and again."""
    kept = []
    left = list(proposals)
    while left:
        best = max(left, key=lambda one: (one[2], one[0] - one[1]))
        left.remove(best)
        kept.append(best)
        lowered = [
            (start, end, score * float(np.exp(-(overlap((start, end), best[:2]) ** 2) / rule.softness)))
            for start, end, score in left
        ]
        left = [one for one in lowered if one[2] >= rule.least_score]
    return kept
