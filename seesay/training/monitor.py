"""What a run says while it runs: a line each log step, for a person and as JSON, and what looks wrong."""

import json
import logging
import math
import resource
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from seesay.training.config import TrainConfig
from seesay.training.trackers import Tracker

logger = logging.getLogger("seesay.training")

LOG = "log.jsonl"
_HISTORY = 50
_SPIKE = 3.0  # times the usual distance of a loss from the median of the last ones
_LEAST_SPIKE = 1.0  # nats above that median, below which nothing is a spike
_PATIENCE = 200  # steps before which no model needs to have learned anything
_NEAR_CHANCE = 0.02  # nats
_MOST_WAITED = 0.5  # of the time
_WARM = 20  # steps before which waiting says nothing: the first batches fill the queue


class Monitor:
    """Collects steps and says what they were. A context that closes its trackers.

    Args:
        run: the run's folder; its log is continued.
        config: of the run.
        show: told of each line; only the first process has one.
        trackers: given each line's numbers.

    Attributes:
        losses: the last ones, which decide what a spike is.
    """

    def __init__(
        self, run: Path, config: TrainConfig, *, show: Callable[[str], None] | None, trackers: Sequence[Tracker] = ()
    ) -> None:
        self._run, self._config, self._show, self._trackers = run, config, show, trackers
        self._written = self._last = self._begun = self._since = time.perf_counter()
        self._first = self._logged = -1
        self._away_s = self._waited_s = self._all_waited_s = 0.0
        self.losses: deque[float] = deque(maxlen=_HISTORY)
        self._said: set[str] = set()

    def __enter__(self) -> None:
        """Nothing to open."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the trackers, also when the run fails."""
        for tracker in self._trackers:
            tracker.close()

    def is_spike(self, loss: float) -> bool:
        """Whether a loss is no number, or far above the last ones."""
        if not math.isfinite(loss):
            return True
        if len(self.losses) < _HISTORY // 2:
            return False
        middle = statistics.median(self.losses)
        usual = statistics.median(abs(each - middle) for each in self.losses)
        return loss > middle + max(_LEAST_SPIKE, _SPIKE * usual)

    def step(
        self, step: int, *, loss: float, rate: float, norm: float, scale: float, was_clamped: bool, waited_s: float
    ) -> None:
        """Take in one step, counted from 0, right after it was made."""
        now = time.perf_counter()
        self.losses.append(loss)
        self._warn(step, loss=loss, scale=scale, was_clamped=was_clamped)
        if self._first < 0:  # its time is that of starting, so speed counts from its end
            self._first = self._logged = step
            self._begun = self._since = now
            self._away_s = 0.0
        else:
            self._waited_s += waited_s
            self._all_waited_s += waited_s
        self._last = now
        if (step + 1) % self._config.log_every and step + 1 != self._config.steps:
            return
        line: dict[str, Any] = {"step": step + 1, "loss": loss, "lr": rate, "gradient_norm": norm, "scale": scale}
        line |= self._speed(step, now) | {"memory_bytes": memory_bytes()}
        self._append(line)
        if self._show is not None:
            self._show(_line(line, self._config.steps, self._left_s(step, now)))

    def leave_out(self, step: int, fault: str) -> None:
        """Take in a step, counted from 0, that moved nothing, and why."""
        self._append({"step": step + 1, "left_out": fault})

    def write(self, line: dict[str, Any]) -> None:
        """Take in an evaluation: the step after which it was made, and its numbers."""
        self._append(line)
        now = time.perf_counter()
        self._away_s += now - self._last  # the speed of training does not depend on how often it is evaluated
        self._last = now

    def _speed(self, step: int, now: float) -> dict[str, float | None]:
        """Since the last line, over all processes: each of them takes its share of the batch."""
        steps, self._logged = step - self._logged, step
        trained_s = now - self._since - self._away_s
        waited_s = self._waited_s
        self._since, self._away_s, self._waited_s = now, 0.0, 0.0
        if not steps:
            return {"images_per_s": None, "waited_share": None}
        return {
            "images_per_s": self._config.batch_size * steps / trained_s,
            "waited_share": min(1.0, waited_s / trained_s),
        }

    def _left_s(self, step: int, now: float) -> float | None:
        """With evaluations, which will come again."""
        done = step - self._first
        return (self._config.steps - step - 1) * (now - self._begun) / done if done else None

    def _append(self, line: dict[str, Any]) -> None:
        """Into the run's log and the trackers, where this process keeps them."""
        if self._show is None:
            return
        now = time.perf_counter()
        seconds, self._written = now - self._written, now
        line = {  # what is no number has no place in JSON
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in line.items()
        }
        with (self._run / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "seconds": round(seconds, 3)}) + "\n")
        numbers = {
            name: float(value) for name, value in line.items() if name != "step" and isinstance(value, int | float)
        }
        for tracker in self._trackers if numbers else ():
            tracker.write(line["step"], numbers)

    def _warn(self, step: int, *, loss: float, scale: float, was_clamped: bool) -> None:
        chance = chance_loss(self._config)
        is_time = step >= max(_PATIENCE, self._config.optim.warmup_steps) and len(self.losses) == _HISTORY
        # what a teacher adds to the loss has no known chance
        if is_time and not self._config.teacher.model and abs(statistics.fmean(self.losses) - chance) < _NEAR_CHANCE:
            size = f"the logarithm of the batch of {self._config.batch_size:,}"
            self._once(
                "chance",
                f"the loss sits at {chance:.2f}, {size}{' and 1' if self._config.loss == 'sigmoid' else ''}, as of a "
                "model that tells no pair from another: nothing is being learned. Look at the pairs with `seesay data "
                "inspect`, or change optim.lr",
            )
        if was_clamped:
            self._once(
                "scale",
                f"at step {step + 1:,} the scale reached its limit of {scale:.0f}. That is usual late in a long run; "
                "early, it is a sign of a learning rate that is too high or of pairs that are known by heart",
            )
        done, elapsed_s = step - self._first, self._last - self._begun
        if self._first >= 0 and done >= _WARM and self._all_waited_s > _MOST_WAITED * elapsed_s:
            self._once(
                "data",
                "more than half of the time goes into waiting for data: raise data.threads, or store smaller pictures",
            )

    def _once(self, what: str, message: str) -> None:
        if what not in self._said and self._show is not None:
            self._said.add(what)
            logger.warning("%s", message)


def chance_loss(config: TrainConfig) -> float:
    """The loss of a model to which all pairs look alike, in nats.

    Softmax gives each of B texts 1 / B. The sigmoid loss asks B questions an image; the best single answer to all of
    them is 1 / B, which costs ln B for the one and (B - 1) ln(B / (B - 1)), nearly 1, for the others.
    """
    size = config.batch_size
    others = (size - 1) * math.log(size / (size - 1)) if config.loss == "sigmoid" else 0.0
    return math.log(size) + others


def memory_bytes() -> int:
    """The most memory so far: of the GPU where one is used, else of this process; of Apple's GPU what it has now."""
    import torch

    if torch.cuda.is_available() and (peak := torch.cuda.max_memory_allocated()):
        return peak
    if torch.backends.mps.is_available() and (now := torch.mps.driver_allocated_memory()):
        return now
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def read_log(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's log; a step that a resumed run did again counts as it was the last time."""
    lines: dict[tuple[int, bool], dict[str, Any]] = {}
    for line in read_lines(run):
        if "loss" in line or "left_out" in line:
            lines[line["step"], True] = line
        else:
            lines[line["step"], False] = line
    return [lines[key] for key in sorted(lines)]


def read_lines(run: Path) -> Iterator[dict[str, Any]]:
    """Every line as it was written, `seconds` after the one before it or after its process began."""
    with (run / LOG).open(encoding="utf-8") as file:
        for text in file:
            try:
                line = json.loads(text)
            except ValueError:
                continue  # the one that was being written when the run was killed
            if isinstance(line, dict) and "step" in line:
                yield line


def _line(line: dict[str, Any], steps: int, left_s: float | None) -> str:
    speed = f"  {line['images_per_s']:,.0f}/s  waited {line['waited_share']:.0%}" if line["images_per_s"] else ""
    left = f"  {_duration(left_s)} left" if left_s is not None else ""
    return (
        f"step {line['step']:,}/{steps:,}  loss {line['loss']:.4f}  lr {line['lr']:.2e}  scale {line['scale']:.1f}"
        f"{speed}  {line['memory_bytes'] / 1e9:.1f} GB{left}"
    )


def _duration(seconds: float) -> str:
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes} min" if minutes < 120 else f"{hours} h"
