"""Where else the numbers of a run go: programs that draw them while it runs. Each is a line in the table.

Every tracker gets the config once, and then the numbers of each line that the run's own log gets.
"""

import json
import os
import secrets
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from seesay.base.errors import MissingExtraError, UsageError
from seesay.base.tables import resolve
from seesay.training.config import TrainConfig, flat, to_json

TRACKERS = {
    "tensorboard": "seesay.training.trackers:TensorBoard",
    "wandb": "seesay.training.trackers:Wandb",
}


class Tracker(Protocol):
    """Takes numbers in."""

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Take in the numbers of one line."""

    def close(self) -> None:
        """Bring everything to where it belongs; nothing comes after."""


def open_trackers(config: TrainConfig, run: Path) -> list[Tracker]:
    """Those that the config names.

    Raises:
        MissingExtraError: the package of one is not installed.
        UsageError: one cannot begin.
    """
    return [resolve(TRACKERS, name, kind="tracker")(config, run) for name in config.trackers]


class TensorBoard:
    """Event files in RUN/tensorboard, for `tensorboard --logdir`."""

    def __init__(self, config: TrainConfig, run: Path) -> None:
        self._writer_type = _module("torch.utils.tensorboard", "tensorboard").SummaryWriter
        self._folder, self._config = run / "tensorboard", config
        self._writer: Any = None

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """See `Tracker`. The first step of a run that goes on hides what a killed one wrote past it."""
        if self._writer is None:
            self._writer = self._writer_type(str(self._folder), purge_step=step)
            self._writer.add_text("config", f"```\n{to_json(self._config)}```", step)
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """See `Tracker`."""
        if self._writer is not None:
            self._writer.close()


class Wandb:
    """A run at Weights & Biases, or in RUN/wandb with WANDB_MODE=offline; its other WANDB_ variables count too."""

    def __init__(self, config: TrainConfig, run: Path) -> None:
        wandb = _module("wandb", "wandb")
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "seesay"),
                name=run.resolve().name,
                dir=str(run),
                id=_wandb_id(run),
                resume="allow",
                config=flat(json.loads(to_json(config))),
            )
        except wandb.Error as error:
            raise UsageError(f"wandb cannot begin: {error}; set WANDB_MODE=offline to keep its files here") from error
        # its own count only goes up, and a run that was killed does its last steps again
        self._run.define_metric("*", step_metric="step")

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """See `Tracker`."""
        self._run.log({"step": step, **numbers})

    def close(self) -> None:
        """See `Tracker`."""
        self._run.finish()


def _wandb_id(run: Path) -> str:
    """Kept beside the run, so that one that goes on goes on there too."""
    path = run / "wandb-id"
    if not path.exists():
        path.write_text(secrets.token_hex(6), "utf-8")
    return path.read_text("utf-8").strip()


def _module(name: str, extra: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(f"the tracker {extra}", extra) from error
