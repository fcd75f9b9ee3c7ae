"""The run: from a config and a folder to a trained bundle, stopped and gone on with at any time.

    RUN/config.json     what was asked for
    RUN/log.jsonl       a line each log step, and one each evaluation
    RUN/checkpoints/    where it stands
    RUN/model/          the result, a bundle

A run that is started again with the same config goes on from its last checkpoint; on the CPU what comes out is the
same to the last bit as if it had never stopped.
"""

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import torch

from seesay.base.errors import TrainingError
from seesay.data.loader import Batch
from seesay.encoders.bundle import Bundle
from seesay.models.clip import Clip
from seesay.training import wise
from seesay.training.checkpoint import Checkpoints
from seesay.training.classes import settle
from seesay.training.config import TrainConfig
from seesay.training.losses.world import World
from seesay.training.monitor import Monitor
from seesay.training.processes import any_of, gather, joined
from seesay.training.runs import check, claim, open_loader, stop_signals
from seesay.training.state import State
from seesay.training.trackers import open_trackers
from seesay.training.trainee import Trainee, dress, open_trainee, undress, write_trainee

logger = logging.getLogger("seesay.training")

Evaluate: TypeAlias = Callable[[Clip, Trainee], Mapping[str, float]]
"""Numbers about the model as it is, the first of which says which checkpoint is the best: more is better."""


def train(
    config: TrainConfig,
    run: Path,
    *,
    evaluate: Evaluate | None = None,
    show: Callable[[str], None] | None = None,
) -> Bundle | None:
    """Train, or go on with, a run.

    Args:
        config: what to do; a run that was begun must have the same.
        run: its folder.
        evaluate: asked every `evaluate_every` steps and at the end.
        show: told of progress, a line at a time.

    Returns:
        The trained model; None where the run was told to stop (SIGTERM), or in any process but the first.

    Raises:
        UsageError: the folder holds a run of another config; or the config asks for what does not go together.
        DataError: the data or a checkpoint cannot be read or written.
        TrainingError: a loss is no number, and `on_spike` is "stop"; the batch is written for inspection.
    """
    with joined(config.device) as device, stop_signals() as stopped:
        world = World.current()
        is_first = world.rank == 0
        config = settle(config)
        check(config, world)
        if is_first:
            claim(run, config)
        gather(None)  # nobody reads before the first one has written
        one = _Run(State(config, device, world), run, evaluate, (show or _say_nothing) if is_first else None)
        with one.monitor:
            return one.finish() if one.go_on(stopped) else None


class _Run:
    def __init__(self, state: State, run: Path, evaluate: Evaluate | None, show: Callable[[str], None] | None) -> None:
        self.state, self.config, self.run, self.evaluate = state, state.config, run, evaluate
        self.is_first = state.world.rank == 0
        config = self.config
        trackers = [] if show is None else open_trackers(config, run)
        self.monitor = Monitor(run, config, show=show, trackers=trackers)
        self.checkpoints = Checkpoints(config.save.to or run / "checkpoints", keep=config.save.keep)
        if (kept := self.checkpoints.read()) is not None:
            state.restore(kept)
            self.monitor.losses.extend(kept["losses"])
            if show is not None:
                show(f"going on after step {state.step:,}")

    def go_on(self, stopped: threading.Event) -> bool:
        """Train to the last step; False where it was told to stop before."""
        config, state = self.config, self.state
        state.train_mode()
        loader = open_loader(config, state.trainee, state.world, state.cursor)
        saved = time.monotonic()
        with contextlib.closing(cast(Any, iter(loader))) as batches:
            for batch in itertools.islice(batches, max(0, config.steps - state.step)):
                self._one_step(batch, loader.waited_s)
                is_last = state.step == config.steps
                is_time = self.is_first and time.monotonic() - saved > 60 * config.save.every_minutes
                must_stop = any_of(stopped.is_set(), state.device)
                if config.evaluate_every and state.step % config.evaluate_every == 0 and not is_last:
                    self._evaluate()
                is_due = state.step % config.save.every_steps == 0 or is_last or must_stop
                if is_due or any_of(is_time, state.device):
                    content = state.content()
                    if self.is_first:
                        self.checkpoints.write(state.step, {**content, "losses": list(self.monitor.losses)})
                    saved = time.monotonic()
                if must_stop and not is_last:
                    return False
        return True

    def finish(self) -> Bundle | None:
        """Merge, evaluate and write the result."""
        weights = self.state.weights()
        if not self.is_first:
            return None
        trainee = open_trainee(self.config.model, seed=self.config.seed)
        clip = trainee.clip
        start = {name: tensor.clone() for name, tensor in clip.state_dict().items()}
        dress(clip, self.config)
        clip.load_state_dict(weights)
        undress(clip)
        trained = {name: tensor.clone() for name, tensor in clip.state_dict().items()}
        clip.to(self.state.device)
        found: dict[float, dict[str, float]] = {}
        if self.config.model.start and self.evaluate is not None:
            found = wise.report(clip, start, trained, self._measure, self.run)
            for line in wise.table(found):
                logger.info("%s", line)
        clip.load_state_dict(wise.mix(start, trained, self.config.wise) if self.config.wise < 1 else trained)
        self._note(found.get(self.config.wise) or self._measure(clip))
        return write_trainee(trainee, self.run / "model")

    def _one_step(self, batch: Batch, waited_s: float) -> None:
        state = self.state
        loss = state.gradients(batch)
        # the loss is the same in every process but for its last bit, and they must decide alike
        if any_of(self.monitor.is_spike(loss), state.device):
            self._keep_spike(batch, loss)
        else:
            rate, norm, was_clamped = state.move()
            self.monitor.step(
                state.step,
                loss=loss,
                rate=rate,
                norm=norm,
                scale=float(state.clip.log_scale.detach().exp()),
                was_clamped=was_clamped,
                waited_s=waited_s,
            )
        state.step += 1

    def _keep_spike(self, batch: Batch, loss: float) -> None:
        path = self.run / f"spike-{self.state.step + 1:08}-{self.state.world.rank}.npz"
        np.savez_compressed(path, pixels=batch.pixels, ids=batch.ids, keys=np.array(batch.keys), loss=loss)
        message = f"the loss of step {self.state.step + 1} is {loss:.4g}; its batch is in {path}"
        if self.config.on_spike == "stop":
            raise TrainingError(f"{message}. Lower optim.lr, or leave such batches out with --set on_spike=skip")
        logger.warning("%s; it was left out", message)

    def _evaluate(self) -> None:
        if self.evaluate is None:
            return
        with self.state.averaged():
            clip = self.state.plain()
            if clip is not None:
                self._note(self._measure(clip))
        gather(None)  # the others wait for the first one
        self.state.train_mode()

    def _note(self, numbers: Mapping[str, float]) -> None:
        """Log what was measured, and remember whether it was the best."""
        if not numbers:
            return
        step = self.state.step
        self.monitor.write({"step": step, **numbers})
        logger.info("step %d: %s", step, ", ".join(f"{name} {value:.4f}" for name, value in numbers.items()))
        name, value = next(iter(numbers.items()))
        best = self.checkpoints.best()
        if best is None or value > best["value"]:
            self.checkpoints.set_best(step, name, value)

    def _measure(self, clip: Clip) -> dict[str, float]:
        clip.eval()
        with torch.inference_mode():
            return {} if self.evaluate is None else dict(self.evaluate(clip, self.state.trainee))


def _say_nothing(line: str) -> None:
    """Progress that nobody reads; the log is written all the same."""
