"""What `seesay train` says at its end of classes that it learned: how many held-out pictures are right by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seesay.base.errors import InputError
from seesay.cli.console import say, write
from seesay.data.classes import Photo
from seesay.encoders import load
from seesay.encoders.bundle import Bundle, write_atomically
from seesay.encoders.encoder import Encoder
from seesay.tasks.classify import build_classifier, rank_labels

if TYPE_CHECKING:
    from seesay.training.config import TrainConfig

LABELS = "labels.txt"


def report_classes(config: "TrainConfig", bundle: Bundle, run: Path) -> None:
    """Keep the classes in RUN/labels.txt, and print what `seesay classify` gets right of the held-out pictures.

    Args:
        config: of a run on folders of classes; of another nothing is said.
        bundle: what came of it.
        run: its folder.

    Raises:
        DataError: a folder cannot be read any more.
    """
    from seesay.training.classes import held_out

    classes, photos = held_out(config)
    if not classes:
        return
    write_atomically(run / LABELS, "".join(f"{name}\n" for name in classes).encode())
    if photos:
        after, count = num_right(load(str(bundle.folder)), photos, classes)
        before = f"{num_right(load(config.model.start), photos, classes)[0]} before, " if config.model.start else ""
        write(f"held-out pictures with the right class first: {before}{after} now, of {count}")
    say(f"try it: seesay classify --model {bundle.folder} --labels-file {run / LABELS} PICTURE")


def num_right(encoder: Encoder, photos: Sequence[Photo], classes: Sequence[str]) -> tuple[int, int]:
    """Of pictures how many have their class first, and how many could be read."""
    classifier = build_classifier(encoder, classes)
    right = count = 0
    for photo in photos:
        try:
            (ranked,) = rank_labels(encoder, encoder.encode_images([photo.path]), classes, classifier)
        except InputError as error:
            say(f"seesay: {photo.path}: {error}")
            continue
        count += 1
        right += ranked[0].name == photo.name
    return right, count
