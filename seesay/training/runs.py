"""The folder of a run: whose it is, how it is told to stop, and where its examples come from."""

import contextlib
import json
import logging
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seesay.base.errors import UsageError
from seesay.data import open_source
from seesay.data.augment import find_augmentation, sharpened
from seesay.data.feed import Feed
from seesay.data.loader import Loader, Preparation
from seesay.encoders.bundle import write_atomically
from seesay.training.classes import training_part
from seesay.training.config import TrainConfig, flat, from_json, to_json
from seesay.training.features import FeatureReader, is_kept
from seesay.training.losses.world import World
from seesay.training.trainee import Trainee, tokenizer_of
from seesay.training.videos import check_videos, clip_reader

logger = logging.getLogger("seesay.training")

CONFIG = "config.json"
_FREE = ("save.", "log_every", "evaluate_every", "on_spike", "data.threads", "data.most_bad", "trackers", "parallel")
"""Settings that a run may go on with other values of: they change none of its numbers."""


def check(config: TrainConfig, world: World) -> None:
    """Refuse what cannot go together, before anything is loaded.

    Raises:
        UsageError: it says what, and what to change.
    """
    data = config.data
    if not data.sources:
        raise UsageError("there is nothing to train on: name it with --set data.sources=FOLDER, a manifest or tars")
    if data.weights and len(data.weights) != len(data.sources):
        raise UsageError(f"data.weights has {len(data.weights)} numbers for {len(data.sources)} data.sources")
    if config.batch_size % world.size or config.batch_size < 2 * world.size:
        raise UsageError(
            f"batch_size {config.batch_size} cannot be shared by {world.size} processes, two pairs or more each"
        )
    if data.captions == "all" and config.loss != "matching":
        raise UsageError("data.captions=all makes several texts right for a picture: that takes loss=matching")
    check_videos(config)
    if config.steps < 1 or config.save.every_steps < 1 or config.log_every < 1:
        raise UsageError("steps, save.every_steps and log_every count from 1")


def claim(run: Path, config: TrainConfig) -> None:
    """Make the folder of a run, or find that it is this config's.

    Raises:
        UsageError: it holds another run; the first differences are named.
    """
    path = run / CONFIG
    if not path.exists():
        run.mkdir(parents=True, exist_ok=True)
        write_atomically(path, to_json(config).encode())
        return
    before, now = (flat(json.loads(text)) for text in (to_json(from_json(path.read_text("utf-8"))), to_json(config)))
    changed = [
        f"{name} was {before[name]} and is {now[name]}"
        for name in now
        if before[name] != now[name] and not name.startswith(_FREE)
    ]
    if changed:
        more = f", and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise UsageError(f"{run} holds another run: {', '.join(changed[:3])}{more}; name another folder with --out")
    write_atomically(path, to_json(config).encode())


def open_loader(config: TrainConfig, trainee: Trainee, world: World, cursor: dict[str, Any] | None) -> Loader:
    """This process's batches, from where the cursor stands.

    Raises:
        DataError: a source cannot be read, or the cursor is of others.
    """
    data, cursor = config.data, cursor or {}
    weights = data.weights or (1.0,) * len(data.sources)
    sources = [
        (training_part(open_source(source), config), weight)
        for source, weight in zip(data.sources, weights, strict=True)
    ]
    augment = find_augmentation(data.augment)
    if trainee.bundle.image.interpolation == "bicubic_sharp":
        augment = sharpened(augment)
    read = clip_reader(config, trainee.bundle.image.size_px)
    if read is None and is_kept(trainee.clip, [source for source, _ in sources], config):
        read = kept = FeatureReader(trainee.clip, trainee.bundle, augment)
        logger.info("the image tower stays as it is: what it makes of the pictures is computed once, before the steps")
        kept.fill(source for source, _ in sources)
    how = Preparation(
        size_px=trainee.bundle.image.size_px,
        augment=augment,
        tokenizer=tokenizer_of(trainee),
        captions=data.captions,
        seed=config.seed,
        read=read,
    )
    feed = Feed(sources, seed=config.seed, rank=world.rank, size=world.size, cursor=cursor.get("feed"))
    bad, seen = cursor.get("counts", (0, 0))
    batch_size = config.batch_size // world.size
    return Loader(feed, how, batch_size=batch_size, threads=data.threads, most_bad=data.most_bad, counts=(bad, seen))


@contextlib.contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM sets, which is how clusters and `timeout` ask for an end, and the first Ctrl-C.

    Raises:
        KeyboardInterrupt: at the end, where it was Ctrl-C; a second one does not wait for that.
    """
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only there may handlers be set
        yield stopped
        return
    came: list[int] = []

    def stop(number: int, _: object) -> None:
        came.append(number)
        stopped.set()
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signal.SIGINT in came:
        raise KeyboardInterrupt
