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
from seesay.training.checkpoint import Checkpoints
from seesay.training.classes import training_part
from seesay.training.config import TrainConfig, check_values, flat, from_json, to_json
from seesay.training.features import FeatureReader, is_kept
from seesay.training.losses.world import World
from seesay.training.monitor import LOG
from seesay.training.trainee import Trainee, tokenizer_of
from seesay.training.videos import check_videos, clip_reader

logger = logging.getLogger("seesay.training")

CONFIG = "config.json"
MODEL = "model"
_FREE = (
    *("save.", "log_every", "evaluate_every", "on_spike", "most_skipped", "is_trial"),
    *("data.threads", "data.most_bad", "trackers", "parallel"),
)
"""Settings that a run may go on with other values of: they change none of its numbers."""


def check(config: TrainConfig, world: World) -> None:
    """Refuse what cannot go together, before anything is loaded.

    Raises:
        UsageError: it says what, and what to change.
    """
    check_values(config)
    data = config.data
    if not data.sources:
        raise UsageError("there is nothing to train on: name it with --set data.sources=FOLDER, a manifest or tars")
    if not config.steps:
        raise UsageError(
            "steps cannot be 0, but where all data.sources are folders of classes; set how many with --set steps=1000"
        )
    if data.weights and len(data.weights) != len(data.sources):
        raise UsageError(f"data.weights has {len(data.weights)} numbers for {len(data.sources)} data.sources")
    if config.batch_size % world.size or config.batch_size < 2 * world.size:
        raise UsageError(
            f"batch_size {config.batch_size} cannot be shared by {world.size} processes, two pairs or more each"
        )
    if data.captions == "all" and config.loss != "matching":
        raise UsageError("data.captions=all makes several texts right for a picture: that takes loss=matching")
    check_videos(config)
    _check_start(config)


def _check_start(config: TrainConfig) -> None:
    """Refuse parts of fine-tuning without a model: fresh weights that are kept as they are, or mixed in, are noise."""
    model = config.model
    if model.start or config.is_trial:
        return
    parts = {
        "model.lock_image": model.lock_image,
        "model.lock_text": model.lock_text,
        "model.lora_rank": model.lora_rank > 0,
        "model.video.is_alone": model.video.is_alone and model.video.num_frames > 0,
        "wise below 1": config.wise < 1,
    }
    wanted = [name for name, is_on in parts.items() if is_on]
    if wanted:
        keep = "keeps" if len(wanted) == 1 else "keep"
        raise UsageError(
            f"{' and '.join(wanted)} {keep} weights of the model that a run starts from, and none is named, so they "
            "would be random: name it with --set model.start=NAME (a name from `seesay models`, or a model's folder)"
        )


def claim(run: Path, config: TrainConfig) -> None:
    """Make the folder of a run, or find that it is this config's; without a checkpoint or a model it is nobody's.

    Raises:
        UsageError: it holds another run; the first differences are named.
    """
    path = run / CONFIG
    if not path.exists() or not _has_begun(run, path, config):
        try:
            run.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{run} cannot be the folder of a run: {error.strerror}; name another with --out"
            ) from error
        if path.exists() and path.read_bytes() != to_json(config).encode():
            (run / LOG).unlink(missing_ok=True)  # of steps that another config made, and that are nowhere any more
        write_atomically(path, to_json(config).encode())
        return
    try:
        there = to_json(from_json(path.read_text("utf-8")))
    except ValueError as error:
        raise UsageError(f"{path} cannot be read: {error}; name another folder with --out") from error
    before, now = (flat(json.loads(text)) for text in (there, to_json(config)))
    changed = [
        f"{name} was {before[name]} and is {now[name]}"
        for name in now
        if before[name] != now[name] and not name.startswith(_FREE)
    ]
    if changed:
        more = f", and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise UsageError(f"{run} holds another run: {', '.join(changed[:3])}{more}; name another folder with --out")
    write_atomically(path, to_json(config).encode())


def checkpoints_of(run: Path, config: TrainConfig) -> Checkpoints:
    """Where a run keeps its checkpoints."""
    return Checkpoints(config.save.to or run / "checkpoints", keep=config.save.keep)


def _has_begun(run: Path, path: Path, config: TrainConfig) -> bool:
    """Whether there is anything that another config in this folder would spoil, wherever it was told to save."""
    if (run / MODEL).exists() or checkpoints_of(run, config).steps() or Checkpoints(run / "checkpoints").steps():
        return True
    try:
        before = from_json(path.read_text("utf-8"))
    except ValueError:
        return False  # cut while it was written, or of settings that no longer are
    return before.save.to != config.save.to and bool(checkpoints_of(run, before).steps())


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
