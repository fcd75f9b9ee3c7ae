"""Few-shot probes: how much a few labelled pictures of each class are worth, beside the zero-shot classifier.

For each number of shots several draws; each is fitted as the linear probe is (see `probe`), its strength chosen on
pictures that were not drawn: as many a class as were, four at most. Source of that rule: CoOp, arXiv:2109.01134,
section 4.1; of the curve: CLIP, arXiv:2103.00020, figure 6.

With the zero-shot start a fit happens in the space of the embeddings, its logits are added to those of the zero-shot
classifier, and what is kept small is what is added. So no pictures at all give the zero-shot classifier. A mere
starting point would change nothing, the problem being convex.

Shape legend: N pictures, D features, C classes.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import UsageError
from seesay.evaluation.logistic import Fit, Regression, check_examples
from seesay.evaluation.measure import Measure, Result, mean_of
from seesay.evaluation.metrics import judge, top
from seesay.evaluation.probe import Split, rate, read_split, search
from seesay.evaluation.prompts import Prompts
from seesay.evaluation.view import View
from seesay.evaluation.zeroshot import build_classifier, cosines, require_labels

SHOTS = (1, 2, 4, 8, 16)
DRAWS = 3
_VALIDATION_SHOTS = 4
_TOLERANCE = 1e-5  # of fits of a few pictures, drawn at random, nothing depends on more

Start = Literal["nothing", "zeroshot"]


def fewshot(
    view: View,
    *,
    prompts: Prompts | None = None,
    shots: Sequence[int] = SHOTS,
    draws: int = DRAWS,
    start: Start = "nothing",
    seed: int = 0,
) -> Result:
    """Fit a linear classifier on a few pictures of each class and judge it on the dataset.

    Args:
        view: a dataset with one label a picture and a training split.
        prompts: other templates than the dataset's own.
        shots: pictures of each class; more than the rarest class has are left out.
        draws: how often pictures are drawn for each number of shots.
        start: "nothing" for a probe of the features; "zeroshot" for one that is drawn towards the zero-shot classifier.
        seed: of the draws.

    Returns:
        Accuracy for each number of shots, the most first, and zero-shot accuracy. A picture's score is the mean over
        the draws. Details: "shots", "mean", "low", "high" (each a list, by rising shots), "zeroshot", "draws" (of each
        number of shots the accuracy of each draw), "strengths" (likewise lambda), "start".

    Raises:
        UsageError: no labels or several a picture, no training split, labels that do not match, a class without
            training pictures, features that are no numbers.
    """
    if view.dataset.single_labels is None or view.train is None:
        raise UsageError(f"{view.dataset.name} needs one label a picture and a training split for few-shot probes")
    if draws < 1 or not shots or min(shots) < 1:
        raise UsageError(f"few-shot probes need one shot and one draw at least, got {shots} and {draws}")
    room = _Room(view, start, prompts)
    rarest = int(np.bincount(room.training.labels).min())
    wanted = sorted({number for number in shots if number <= rarest})
    if not wanted:
        raise UsageError(
            f"the rarest class of {view.dataset.name} has {rarest} training pictures, fewer than {min(shots)} shots"
        )
    curve = [_measure_shots(room, number, draws, seed) for number in wanted]
    zeroshot = mean_of("zeroshot_accuracy", room.hits(room.prior(view)), chance=room.chance)
    measures = [entry.measure for entry in curve]
    return Result(
        task="fewshot",
        dataset=view.dataset.name,
        encoder=view.encoder,
        measures=(*reversed(measures), zeroshot),
        details={
            "shots": wanted,
            "mean": [measure.value for measure in measures],
            "low": [measure.low for measure in measures],
            "high": [measure.high for measure in measures],
            "zeroshot": zeroshot.value,
            "draws": [entry.accuracies for entry in curve],
            "strengths": [entry.strengths for entry in curve],
            "start": start,
        },
    )


class _Room:
    """What all fits share: features of both splits, and the logits of the zero-shot classifier."""

    def __init__(self, view: View, start: Start, prompts: Prompts | None) -> None:
        of_images = start == "zeroshot"
        assert view.train is not None
        labels = require_labels(view)
        self._labels = labels.labels
        self.num_classes = len(labels.classes)
        self.chance = 1 / self.num_classes
        self._scale = view.scale
        self._classifier_CE = build_classifier(view, prompts=prompts)
        self.training = read_split(view, view.train, of_images=of_images)
        check_examples(self.training.features, self.training.labels, self.num_classes)
        validation = view.validation
        self.validation = None if validation is None else read_split(view, validation, of_images=of_images)
        self.features = view.images() if of_images else view.features()
        self._unreadable_N = np.asarray(~self.features.any(axis=1), np.bool_)
        self.is_drawn_to_zeroshot = of_images

    def prior(self, view: View) -> NDArray[np.float32]:
        """(N, C) logits of the zero-shot classifier on the dataset."""
        return self.logits(view.images())

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, E) embeddings -> (N, C) logits of the zero-shot classifier."""
        return np.float32(self._scale) * cosines(images, self._classifier_CE)

    def hits(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N,) of each picture of the dataset whether its class scores highest; a tie is shared out."""
        return top(judge(scores, self._labels, unreadable=self._unreadable_N), 1)

    def score(self, fit: Fit, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, C) logits of a fit, with the zero-shot classifier's where it was drawn to that."""
        scores_NC = fit.classifier.score(features)
        return scores_NC + self.logits(features) if self.is_drawn_to_zeroshot else scores_NC

    def fit(self, drawn: Split, held_out: Split | None) -> Fit:
        """The best fit on the pictures drawn, as judged on those held out."""
        offset = self.logits(drawn.features) if self.is_drawn_to_zeroshot else None
        regression = Regression(drawn.features, drawn.labels, self.num_classes, offset=offset, device="cpu")
        if held_out is None:
            return regression.fit(1.0, tolerance=_TOLERANCE)
        tried = search(
            lambda strength: regression.fit(strength, tolerance=_TOLERANCE),
            lambda fit: rate(self.score(fit, held_out.features), held_out.labels),
        )
        return max(tried, key=lambda trial: (trial.score, trial.fit.strength)).fit


class _Shots(NamedTuple):
    measure: Measure
    accuracies: list[float]
    strengths: list[float]


def _measure_shots(room: _Room, shots: int, draws: int, seed: int) -> _Shots:
    hits, strengths = [], []
    for draw in range(draws):
        random = np.random.default_rng([seed, shots, draw])
        rows, left = draw_shots(room.training.labels, shots, random)
        source, pool = (room.training, left) if room.validation is None else (room.validation, None)
        held_out = _hold_out(source, pool, min(shots, _VALIDATION_SHOTS), random)
        fit = room.fit(room.training.take(rows), held_out)
        hits.append(room.hits(room.score(fit, room.features)))
        strengths.append(fit.strength)
    name = f"accuracy_{shots}_shot{'s' if shots > 1 else ''}"
    measure = mean_of(name, np.mean(hits, axis=0), chance=room.chance)
    return _Shots(measure, [float(hit.mean()) for hit in hits], strengths)


def draw_shots(
    labels: NDArray[np.int64] | NDArray[np.bool_], shots: int, random: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw so many pictures of each class, or all where there are fewer.

    Args:
        labels: (N,) numbers of classes.
        shots: pictures of each.
        random: of the draw.

    Returns:
        The numbers of those drawn, class by class, and of those left.
    """
    order = random.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    sorted_labels = labels[order]
    first_of_class = np.searchsorted(sorted_labels, sorted_labels)
    is_drawn = np.arange(len(order)) - first_of_class < shots
    return order[is_drawn], order[~is_drawn]


def _hold_out(source: Split, pool: NDArray[np.intp] | None, shots: int, random: np.random.Generator) -> Split | None:
    """A few pictures a class to choose the strength on, or None where all pictures were drawn to be fitted on."""
    left = source if pool is None else source.take(pool)
    if not len(left.labels):
        return None
    rows, _ = draw_shots(left.labels, shots, random)
    return left.take(rows)
