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
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import torch

from seesay.base.errors import DataError, TrainingError
from seesay.data.loader import Batch
from seesay.encoders.bundle import Bundle
from seesay.models.clip import Clip
from seesay.training import wise
from seesay.training.batches import BatchWatch
from seesay.training.checkpoint import cure_of
from seesay.training.classes import settle
from seesay.training.config import TrainConfig
from seesay.training.losses.world import World
from seesay.training.monitor import Monitor
from seesay.training.processes import any_of, gather, highest_of, joined
from seesay.training.runs import MODEL, check, checkpoints_of, claim, open_loader, stop_signals
from seesay.training.state import State
from seesay.training.step import random_state, set_random_state
from seesay.training.trackers import open_trackers
from seesay.training.trainee import Trainee, dress, open_trainee, undress, write_trainee

logger = logging.getLogger("seesay.training")

_GOOD, _OVERFLOW, _BAD = range(3)
"""What a step's loss and gradient are; an overflow is what float16 does until its factor has come down."""
_CURE = "Lower optim.lr, bound the gradient with optim.clip_norm=1, or use precision=float32"

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
        DataError: the data or a checkpoint cannot be read, or nothing can be written any more.
        TrainingError: a loss or a gradient is not finite and `on_spike` is "stop", or so many in a row are left out as
            `most_skipped` allows; the batches are written for inspection. Or the weights are not finite, or memory is
            full.
    """
    try:
        return _train(config, run, evaluate, show)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise DataError(
            f"the run in {run} stopped: {error.strerror or error}{where}; its checkpoints are as they were: "
            f"{cure_of(error)}, and run it again to go on from the last"
        ) from error
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"the memory of the device is full: {str(error).splitlines()[0]} Set micro_batch to a part of the "
            f"{config.batch_size:,} pairs of a batch, which changes no number, or model.recompute=true"
        ) from error


def _train(
    config: TrainConfig, run: Path, evaluate: Evaluate | None, show: Callable[[str], None] | None
) -> Bundle | None:
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
        self.checkpoints = checkpoints_of(run, config)
        self.num_skipped = 0  # in a row, up to now
        self.is_late = False  # whether a checkpoint waits for a step that was not left out
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
        watch = BatchWatch(config, loader.num_examples) if self.is_first else None
        saved = time.monotonic()
        with contextlib.closing(cast(Any, iter(loader))) as batches:
            for batch in itertools.islice(batches, max(0, config.steps - state.step)):
                self._one_step(batch, loader.waited_s)
                is_last = state.step == config.steps
                if watch is not None:
                    watch.see(batch, is_last=is_last)
                if is_last and self.num_skipped:
                    self._look_at_more(batches)
                is_time = self.is_first and time.monotonic() - saved > 60 * config.save.every_minutes
                must_stop = any_of(stopped.is_set(), state.device)
                if config.evaluate_every and state.step % config.evaluate_every == 0 and not is_last:
                    self._evaluate()
                is_due = self.is_late or state.step % config.save.every_steps == 0 or is_last or must_stop
                is_due = is_due or any_of(is_time, state.device)
                self.is_late = is_due and self.num_skipped > 0  # no loss says yet that these weights are any good
                if is_due and not self.is_late:
                    self._save()
                    saved = time.monotonic()
                if must_stop and not is_last:
                    return False
        return True

    def finish(self) -> Bundle | None:
        """Merge, evaluate and write the result."""
        if not self.state.has_finite_weights():
            raise TrainingError(f"{self._not_finite()} No model was written")
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
        return write_trainee(trainee, self.run / MODEL)

    def _one_step(self, batch: Batch, waited_s: float) -> None:
        state = self.state
        loss = state.gradients(batch)
        verdict = self._judge(loss)
        if verdict == _GOOD:
            self.num_skipped = 0
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
        else:
            fault = self._fault(loss)
            state.leave_out(has_overflowed=verdict == _OVERFLOW)
            self.monitor.leave_out(state.step, fault)
            if verdict == _BAD:
                self._keep_spike(batch, loss, fault)
        state.step += 1

    def _judge(self, loss: float) -> int:
        """What all processes make of their gradients: numbers differ in the last bit, decisions may not."""
        is_finite = math.isfinite(self.state.norm())
        if self.monitor.is_spike(loss) or not (is_finite or self.state.stepper.is_scaled()):
            own = _BAD
        else:
            own = _GOOD if is_finite else _OVERFLOW
        return highest_of(own, self.state.device)

    def _fault(self, loss: float) -> str:
        what = f"the loss of step {self.state.step + 1} is {loss:.4g}"
        norm = self.state.norm()
        return f"{what} and its gradient is {norm:.4g}" if math.isfinite(loss) and not math.isfinite(norm) else what

    def _keep_spike(self, batch: Batch, loss: float, fault: str) -> None:
        path = self.run / f"spike-{self.state.step + 1:08}-{self.state.world.rank}.npz"
        np.savez_compressed(path, pixels=batch.pixels, ids=batch.ids, keys=np.array(batch.keys), loss=loss)
        message = f"{fault}; its batch is in {path}"
        self.num_skipped += 1
        if not self.state.has_finite_weights():
            raise TrainingError(f"{message}. {self._not_finite()} {_CURE}")
        if self.config.on_spike == "stop":
            raise TrainingError(f"{message}. {_CURE}, or leave such batches out with --set on_spike=skip")
        if self.num_skipped >= self.config.most_skipped:
            raise TrainingError(
                f"{message}. It is the last of {self.num_skipped} steps in a row that were left out, as many as "
                f"most_skipped allows: it is not the batches that are bad. {_CURE}, in a new folder"
            )
        logger.warning("%s; it was left out", message)

    def _not_finite(self) -> str:
        steps = self.checkpoints.steps()
        kept = f"The last good ones are those of step {steps[-1]:,}" if steps else "None were saved yet"
        return f"The weights are not finite, and were not saved. {kept} in {self.checkpoints}."

    def _look_at_more(self, batches: Iterator[Batch]) -> None:
        """Where the last steps were left out: find out by other batches whether the weights are any good.

        Raises:
            TrainingError: no batch has a loss and a gradient that are finite, as far as `most_skipped` lets look.
        """
        state, most = self.state, self.config.most_skipped
        cursor, random = state.cursor, random_state(state.device)
        for batch in itertools.islice(batches, most):
            verdict = self._judge(state.gradients(batch))
            state.leave_out(has_overflowed=False)
            if verdict != _BAD:
                self.num_skipped, state.cursor = 0, cursor
                set_random_state(random, state.device)
                return
        raise TrainingError(
            f"the last {self.num_skipped} steps were left out, and the {most} batches after them would have been too: "
            f"the weights are of no use, and were not saved. {_CURE}, in a new folder"
        )

    def _save(self) -> None:
        if not self.state.has_finite_weights():
            raise TrainingError(f"after step {self.state.step:,}: {self._not_finite()} {_CURE}")
        content = self.state.content()
        if self.is_first:
            self.checkpoints.write(self.state.step, {**content, "losses": list(self.monitor.losses)})

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
