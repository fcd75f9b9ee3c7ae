"""What a run says while it runs: a line a few times a minute, a JSON line each log step, and what looks wrong."""

import json
import logging
import math
import resource
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

logger = logging.getLogger("seesay.training")

LOG = "log.jsonl"
_HISTORY = 50
_SPIKE = 3.0  # times the usual distance of a loss from the median of the last ones
_LEAST_SPIKE = 1.0  # nats above that median, below which nothing is a spike


class Monitor:
    """Collects steps and says what they were.

    Args:
        run: the run's folder; its log is continued.
        steps: the last step.
        batch_size: pairs of a step over all processes.
        log_every: steps between two lines.
        show: told of each line; only the first process has one.
    """

    def __init__(
        self, run: Path, *, steps: int, batch_size: int, log_every: int, show: Callable[[str], None] | None
    ) -> None:
        self._run, self._steps, self._batch_size, self._log_every, self._show = run, steps, batch_size, log_every, show
        self._begun, self._waited_s, self._first = time.perf_counter(), 0.0, -1
        self._losses: deque[float] = deque(maxlen=_HISTORY)
        self._said: set[str] = set()

    def is_spike(self, loss: float) -> bool:
        """Whether a loss is no number, or far above the last ones."""
        if not math.isfinite(loss):
            return True
        if len(self._losses) < _HISTORY // 2:
            return False
        middle = statistics.median(self._losses)
        usual = statistics.median(abs(each - middle) for each in self._losses)
        return loss > middle + max(_LEAST_SPIKE, _SPIKE * usual)

    def step(
        self, step: int, *, loss: float, rate: float, norm: float, scale: float, was_clamped: bool, waited_s: float
    ) -> None:
        """Take in one step, counted from 0."""
        if self._first < 0:
            self._first = step
            self._begun = time.perf_counter()
        self._losses.append(loss)
        self._waited_s += waited_s
        self._warn(step, loss, was_clamped)
        if (step + 1) % self._log_every and step + 1 != self._steps:
            return
        elapsed_s = time.perf_counter() - self._begun
        done = step - self._first
        seconds_a_step = elapsed_s / done if done else math.nan
        line = {
            "step": step + 1,
            "loss": loss,
            "lr": rate,
            "gradient_norm": norm,
            "scale": scale,
            "images_per_s": self._batch_size / seconds_a_step if done else None,
            "waited_share": self._waited_s / elapsed_s if done else None,
            "memory_bytes": memory_bytes(),
        }
        self.write(line)
        if self._show is not None:
            left_s = (self._steps - step - 1) * seconds_a_step if done else None
            self._show(_line(line, self._steps, left_s))
        if done and self._waited_s > 0.5 * elapsed_s:
            self._once(
                "data",
                "more than half of the time goes into waiting for data: raise data.threads, or store smaller pictures",
            )

    def write(self, line: dict[str, Any]) -> None:
        """Append a line to the run's log, where this process keeps one."""
        if self._show is not None:
            with (self._run / LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def _warn(self, step: int, loss: float, was_clamped: bool) -> None:
        chance = math.log(self._batch_size)
        if step >= 200 and len(self._losses) == _HISTORY and abs(statistics.fmean(self._losses) - chance) < 0.02:
            self._once("chance", f"the loss sits at {chance:.2f}, the logarithm of the batch: nothing is being learned")
        if was_clamped:
            self._once("scale", f"at step {step + 1} the scale reached its limit of 100")

    def _once(self, what: str, message: str) -> None:
        if what not in self._said and self._show is not None:
            self._said.add(what)
            logger.warning("%s", message)


def memory_bytes() -> int:
    """The most memory so far: of the GPU where there is one, else of this process."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def read_log(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's log; a step that a resumed run did again counts as it was the last time."""
    lines: dict[tuple[int, bool], dict[str, Any]] = {}
    with (run / LOG).open(encoding="utf-8") as file:
        for text in file:
            try:
                line = json.loads(text)
            except ValueError:
                continue  # the one that was being written when the run was killed
            lines[line["step"], "loss" in line] = line
    return [lines[key] for key in sorted(lines)]


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
