"""Labelled videos in the layouts of Kinetics, UCF101, HMDB51 and Charades: `LAYOUT:PATH[#PART]`.

Charades' videos show several actions each, and are judged by mean average precision; all others by accuracy.
"""

import dataclasses

from seesay.base.errors import DataError
from seesay.data.actions import TEMPLATES
from seesay.data.videos import VideoSet, open_videos
from seesay.evaluation.dataset import Dataset, Labels
from seesay.evaluation.datasets.address import Asked
from seesay.evaluation.datasets.pictures import Files

_TRAINING = {"test": "train", "val": "train"}


def open_video_dataset(asked: Asked) -> Dataset:
    """Open a part of a dataset of videos.

    Raises:
        DataError: it is not there, or is laid out in another way.
    """
    part = asked.split or ""
    dataset = _of(open_videos(f"{asked.place}#{part}" if part else asked.place))
    if asked.name or asked.entry:
        dataset = dataclasses.replace(dataset, name=asked.title)
    if not asked.with_train:
        return dataset
    layout = asked.place.partition(":")[0]
    part = part or ("val" if layout == "kinetics" else "test")
    kind = part.rstrip("123")
    if layout == "list" or kind not in _TRAINING:
        raise DataError(f"{asked.place}#{part} has no part to train on; name one that ends in #test or #val")
    return dataclasses.replace(dataset, train=_of(open_videos(f"{asked.place}#{_TRAINING[kind]}{part[len(kind) :]}")))


def _of(videos: VideoSet) -> Dataset:
    return Dataset(
        name=videos.name,
        pictures=Files([video.path for video in videos.videos], videos.videos[0].path.parents[-1]),
        labels=Labels(
            classes=videos.classes,
            labels=videos.marks(),
            templates=TEMPLATES,
            metric="mean_average_precision" if videos.is_several else "accuracy",
        ),
    )
