"""What `seesay train` measures while it runs: retrieval on held-out pairs, zero-shot on labelled pictures."""

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seesay.base.errors import DataError, InputError, UsageError
from seesay.cli.console import say
from seesay.data import open_source
from seesay.data.source import Example, Pass
from seesay.evaluation.adapters import Wrapped
from seesay.evaluation.datasets import open_dataset
from seesay.evaluation.datasets.address import is_of_videos
from seesay.evaluation.retrieval import recall
from seesay.evaluation.run import evaluate as evaluate_on
from seesay.inputs.transform import ImageTransform, load_pixels
from seesay.models.clip import Clip
from seesay.models.temporal_clip import VideoClip
from seesay.training.live import HeldOutVideos, LiveModel
from seesay.training.trainee import Trainee

if TYPE_CHECKING:
    from seesay.encoders.encoder import Pixels
    from seesay.training.loop import Evaluate

HELD_OUT_LIMIT = 2000  # pictures of a periodic evaluation


def measures_on(held_out: str | None, zero_shot: str | None) -> "Evaluate | None":
    """Both in one, None where nothing is asked for; the first number decides which checkpoint is the best."""
    chosen = [make(address) for make, address in ((retrieval_on, held_out), (zero_shot_on, zero_shot)) if address]
    if not chosen:
        return None
    return lambda clip, trainee: {name: number for each in chosen for name, number in each(clip, trainee).items()}


def retrieval_on(address: str) -> "Evaluate":
    """Recall on held-out pairs, which are read and decoded once.

    Raises:
        DataError: the source cannot be read, or (once asked) no pair of it.
    """
    examples = [one for one, _ in open_source(address).stream(Pass(seed=0, epoch=0)) if isinstance(one, Example)]
    examples = examples[:HELD_OUT_LIMIT]
    pixels: list[Pixels] = []
    texts: list[str] = []
    image_of_text: list[int] = []

    def read(transform: ImageTransform) -> None:
        for example in examples:
            try:
                pixels.append(load_pixels(example.image, transform))
            except InputError as error:
                say(f"seesay: left out of the evaluation: {example.key}: {error}")
                continue
            image_of_text.extend([len(pixels) - 1] * len(example.captions))
            texts.extend(example.captions)
        if not pixels:
            raise DataError(f"{address} has no pair that can be read, so nothing can be measured on it")

    def evaluate(clip: Clip, trainee: Trainee) -> dict[str, float]:
        if not pixels:
            read(ImageTransform(trainee.bundle.image))
        model = LiveModel(clip, trainee)
        return recall(model.encode_pixels(pixels), model.encode_texts(texts), np.array(image_of_text))

    return evaluate


def zero_shot_on(address: str) -> "Evaluate":
    """Zero-shot figures on a dataset of the evaluator.

    Raises:
        DataError: the dataset is not there, or cannot be read.
    """
    dataset = open_dataset(address)
    videos = HeldOutVideos()

    def evaluate(clip: Clip, trainee: Trainee) -> dict[str, float]:
        model = LiveModel(clip, trainee)
        wrapped = Wrapped(
            id="the run",
            encode_images=model.encode_pixels,
            encode_texts=model.encode_texts,
            scale=model.scale,
            read=ImageTransform(trainee.bundle.image),
        )
        if is_of_videos(address):
            if not isinstance(clip, VideoClip):
                raise UsageError(f"{address} is of videos, and this run is on pictures; set model.video.num_frames")
            wrapped = dataclasses.replace(wrapped, open=videos.reader(clip, trainee), read=lambda clip: clip)
        with tempfile.TemporaryDirectory() as folder:  # vectors of these weights are of no use to the next evaluation
            (result,) = evaluate_on(wrapped, [dataset], ["zeroshot"], cache=Path(folder))
        return {f"zero_shot_{one.name}": one.value for one in result.measures}

    return evaluate
