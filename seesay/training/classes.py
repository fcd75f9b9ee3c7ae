"""Learning from folders of classes: how long, what is held out, and what does not go together."""

import dataclasses
import logging
from collections import Counter
from collections.abc import Sequence

from seesay.base.errors import UsageError
from seesay.data import open_source
from seesay.data.classes import ClassTable, Photo
from seesay.data.source import Source
from seesay.training.config import TrainConfig

logger = logging.getLogger("seesay.training")

LEAST_SEEN = 4000
"""Pictures that a run of `steps=0` sees at least: with fifty of them eighty passes."""
LEAST_PASSES = 5
"""Passes that it makes at least."""
_NAMED = 20  # classes that are named; of more the number is enough


def settle(config: TrainConfig) -> TrainConfig:
    """The config with a number of steps, where it leaves that to the size of its folders of classes.

    Raises:
        DataError: a source cannot be read.
    """
    if config.steps or not config.data.sources:
        return config
    tables = class_tables(config)
    if len(tables) < len(config.data.sources):
        return config  # refused with the other settings
    count = sum(len(table.split(config.data.hold_out, config.seed)[0]) for table in tables)
    return dataclasses.replace(config, steps=-(-max(LEAST_SEEN, LEAST_PASSES * count) // config.batch_size))


def class_tables(config: TrainConfig) -> list[ClassTable]:
    """Those of a run's sources that are folders of classes.

    Raises:
        DataError: a source cannot be read.
    """
    opened = map(open_source, config.data.sources)
    return [source for source in opened if isinstance(source, ClassTable)]


def held_out(config: TrainConfig) -> tuple[tuple[str, ...], list[Photo]]:
    """The classes of a run's folders, and the pictures that it is not trained on.

    Raises:
        DataError: a source cannot be read.
    """
    tables = class_tables(config)
    classes = tuple(dict.fromkeys(name for table in tables for name in table.classes))
    return classes, [photo for table in tables for photo in table.split(config.data.hold_out, config.seed)[1]]


def training_part(source: Source, config: TrainConfig) -> Source:
    """What of a source is trained on; says what is in it, where it is a folder of classes.

    Raises:
        UsageError: the run's settings do not go with such a source.
    """
    share = config.data.hold_out
    if not isinstance(source, ClassTable):
        if share:
            raise UsageError("data.hold_out is of folders of classes; hold pairs out yourself and name them --held-out")
        return source
    if config.loss != "matching":
        raise UsageError(
            "several pictures of a folder of classes are right for one text: that takes loss=matching, and this run "
            f"has loss={config.loss}"
        )
    own, held = source.split(share, config.seed)
    logger.info("%d pictures of %d classes are trained on: %s", len(own), len(own.classes), _counted(own.photos))
    if source.num_loose:
        logger.warning("%d pictures lie beside the folders of the classes and are left out", source.num_loose)
    if held:
        logger.info("%d pictures are held out: %s", len(held), _counted(held))
    elif share:
        logger.warning("no picture is held out, because no class has four or more; before and after are not measured")
    return own


def _counted(photos: Sequence[Photo]) -> str:
    counts = Counter(photo.name for photo in photos)
    named = ", ".join(f"{name} {count}" for name, count in list(counts.items())[:_NAMED])
    return named if len(counts) <= _NAMED else f"{named}, and {len(counts) - _NAMED} more classes"
