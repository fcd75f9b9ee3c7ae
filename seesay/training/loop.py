"""The run: from a config and a folder to a trained bundle, stopped and gone on with at any time.

    RUN/config.json     what was asked for
    RUN/log.jsonl       a line each log step, and one each evaluation
    RUN/checkpoints/    where it stands
    RUN/model/          the result, a bundle

A run that is started again with the same config goes on from its last checkpoint; on the CPU what comes out is the
same to the last bit as if it had never stopped.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from seesay.base.errors import TrainingError, UsageError
from seesay.data.loader import Batch
from seesay.encoders.bundle import Bundle
from seesay.models.clip import Clip
from seesay.training.checkpoint import Checkpoints
from seesay.training.config import TrainConfig
from seesay.training.losses.world import World
from seesay.training.monitor import Monitor
from seesay.training.optimizer import make_optimizers, set_rates
from seesay.training.processes import any_of, gather, get_state, joined, set_state, wrap
from seesay.training.runs import check, claim, open_loader, stop_signals
from seesay.training.step import Stepper, find_loss, to_device
from seesay.training.trackers import open_trackers
from seesay.training.trainee import Trainee, dress, freeze_statistics, mix, open_trainee, undress, write_trainee

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
    with joined() as device, stop_signals() as stopped:
        world = World.current()
        is_first = world.rank == 0
        check(config, world)
        if is_first:
            claim(run, config)
        gather(None)  # nobody reads before the first one has written
        one = _Run(config, run, device, world, evaluate, (show or _say_nothing) if is_first else None)
        with one.monitor:
            return one.finish() if one.go_on(stopped) else None


class _Run:
    def __init__(
        self,
        config: TrainConfig,
        run: Path,
        device: torch.device,
        world: World,
        evaluate: Evaluate | None,
        show: Callable[[str], None] | None,
    ) -> None:
        self.config, self.run, self.device, self.world = config, run, device, world
        self.evaluate, self.is_first = evaluate, world.rank == 0
        self.trainee = open_trainee(config.model, seed=config.seed)
        self.clip = self.trainee.clip
        torch.manual_seed(config.seed)
        dress(self.clip, config)
        self.clip.to(device)
        torch.manual_seed(config.seed + 1 + world.rank)  # what is dropped differs between processes
        model = wrap(self.clip, config.parallel, device)
        self.ema = None
        if config.optim.ema:
            average = get_ema_multi_avg_fn(config.optim.ema)  # type: ignore[no-untyped-call]
            self.ema = AveragedModel(self.clip, multi_avg_fn=average, use_buffers=True)
        self.optimizers = make_optimizers(self.clip, config.optim)
        self.stepper = Stepper(
            model=cast(Any, torch.compile(model)) if config.model.compile else model,
            log_scale=self.clip.log_scale,
            optimizers=self.optimizers,
            loss=find_loss(config.loss, world),
            precision=config.precision,
            micro_batch=config.micro_batch,
            clip_norm=config.optim.clip_norm,
        )
        trackers = [] if show is None else open_trackers(config, run)
        self.monitor = Monitor(run, config, show=show, trackers=trackers)
        self.checkpoints = Checkpoints(run / "checkpoints", keep=config.save.keep)
        self.step = 0
        self.cursor: dict[str, Any] | None = None
        if (kept := self.checkpoints.read()) is not None:
            self._restore(kept)
        if show is not None and self.step:
            show(f"going on after step {self.step:,}")

    def go_on(self, stopped: threading.Event) -> bool:
        """Train to the last step; False where it was told to stop before."""
        self._train_mode()
        loader = open_loader(self.config, self.trainee, self.world, self.cursor)
        image = self.trainee.bundle.image
        mean, std = (torch.tensor(values, device=self.device) for values in (image.mean, image.std))
        saved = time.monotonic()
        with closing(cast(Any, iter(loader))) as batches:
            for batch in itertools.islice(batches, max(0, self.config.steps - self.step)):
                self._one_step(batch, mean, std, loader.waited_s)
                is_last = self.step == self.config.steps
                is_time = self.is_first and time.monotonic() - saved > 60 * self.config.save.every_minutes
                must_stop = any_of(stopped.is_set(), self.device)
                if self.config.evaluate_every and self.step % self.config.evaluate_every == 0 and not is_last:
                    self._evaluate()
                if (
                    self.step % self.config.save.every_steps == 0
                    or is_last
                    or must_stop
                    or any_of(is_time, self.device)
                ):
                    self._save()
                    saved = time.monotonic()
                if must_stop and not is_last:
                    return False
        return True

    def finish(self) -> Bundle | None:
        """Merge, evaluate and write the result."""
        weights = self.ema.module.state_dict() if self.ema is not None else get_state(self.clip, [])["model"]
        if not self.is_first:
            return None
        trainee = open_trainee(self.config.model, seed=self.config.seed)
        start = {name: tensor.clone() for name, tensor in trainee.clip.state_dict().items()}
        dress(trainee.clip, self.config)
        trainee.clip.load_state_dict(weights)
        undress(trainee.clip)
        if self.config.wise < 1:
            trainee.clip.load_state_dict(mix(start, trainee.clip.state_dict(), self.config.wise))
        self._evaluate(trainee.clip)
        return write_trainee(trainee, self.run / "model")

    def _one_step(self, batch: Batch, mean: Tensor, std: Tensor, waited_s: float) -> None:
        config = self.config
        factor = set_rates(self.optimizers, self.step, config.steps, config.optim.warmup_steps)
        loss = self.stepper.gradients(to_device(batch, mean, std))
        self.cursor = batch.cursor
        if self.monitor.is_spike(loss):
            self._keep_spike(batch, loss)
        else:
            norm, was_clamped = self.stepper.move()
            if self.ema is not None:
                self.ema.update_parameters(self.clip)
            self.monitor.step(
                self.step,
                loss=loss,
                rate=config.optim.lr * factor,
                norm=norm,
                scale=float(self.clip.log_scale.detach().exp()),
                was_clamped=was_clamped,
                waited_s=waited_s,
            )
        self.step += 1

    def _keep_spike(self, batch: Batch, loss: float) -> None:
        path = self.run / f"spike-{self.step + 1:08}-{self.world.rank}.npz"
        np.savez_compressed(path, pixels=batch.pixels, ids=batch.ids, keys=np.array(batch.keys), loss=loss)
        message = f"the loss of step {self.step + 1} is {loss:.4g}; its batch is in {path}"
        if self.config.on_spike == "stop":
            raise TrainingError(f"{message}. Lower optim.lr, or leave such batches out with --set on_spike=skip")
        logger.warning("%s; it was left out", message)

    def _evaluate(self, clip: Clip | None = None) -> None:
        if self.evaluate is None or not self.is_first:
            return
        clip = clip or (cast(Clip, self.ema.module) if self.ema is not None else self.clip)
        clip.eval()
        with torch.inference_mode():
            numbers = dict(self.evaluate(clip, self.trainee))
        self._train_mode()
        self.monitor.write({"step": self.step, **numbers})
        logger.info("step %d: %s", self.step, ", ".join(f"{name} {value:.4f}" for name, value in numbers.items()))
        name, value = next(iter(numbers.items()))
        best = self.checkpoints.best()
        if best is None or value > best["value"]:
            self.checkpoints.set_best(self.step, name, value)

    def _train_mode(self) -> None:
        self.clip.train()
        freeze_statistics(self.clip)

    def _save(self) -> None:
        state = get_state(self.clip, self.optimizers)
        each = gather({"cursor": self.cursor, "random": torch.get_rng_state()})
        if self.is_first:
            ema = None if self.ema is None else self.ema.state_dict()
            scaler = self.stepper.scaler.state_dict()
            self.checkpoints.write(self.step, {**state, "step": self.step, "each": each, "ema": ema, "scaler": scaler})

    def _restore(self, kept: dict[str, Any]) -> None:
        if len(kept["each"]) != self.world.size:
            raise UsageError(
                f"the run has {len(kept['each'])} processes, and goes on with as many, not {self.world.size}"
            )
        set_state(self.clip, self.optimizers, kept)
        own = kept["each"][self.world.rank]
        self.step, self.cursor = kept["step"], own["cursor"]
        torch.set_rng_state(own["random"])
        if self.ema is not None:
            self.ema.load_state_dict(kept["ema"])
        self.stepper.scaler.load_state_dict(kept["scaler"])


def _say_nothing(line: str) -> None:
    """Progress that nobody reads; the log is written all the same."""
