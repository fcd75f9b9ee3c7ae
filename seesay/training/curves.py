"""What runs did, out of their folders: a few numbers of each, and their curves in one picture.

Neither torch nor a display is needed; the picture needs the extra `plots`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from seesay.base.errors import DataError, MissingExtraError, UsageError, reason
from seesay.training.config import TrainConfig, from_json
from seesay.training.monitor import LOG, chance_loss, read_lines, read_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAINED = {
    "loss": "loss, nats",
    "lr": "learning rate",
    "scale": "scale",
    "images_per_s": "images/s",
    "waited_share": "share of time waiting for data",
}
"""Curves of the training itself, with their titles; every other number comes from evaluations."""
_SMOOTH_ABOVE = 200  # points, from which a running mean is drawn over them
_COLUMNS = 3


class Curve(NamedTuple):
    """A number over the steps."""

    steps: list[int]
    values: list[float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What a run's folder tells."""

    name: str
    """The folder, as it was named."""
    config: TrainConfig | None
    """None where it is gone."""
    curves: dict[str, Curve]
    """Those of `TRAINED` first, then each number of the evaluations."""
    seconds: float
    """That its processes took, up to their last line."""

    @property
    def step(self) -> int:
        """The last that is known of."""
        return max((curve.steps[-1] for curve in self.curves.values()), default=0)

    @property
    def loss(self) -> float | None:
        """The last."""
        return self.curves["loss"].values[-1] if "loss" in self.curves else None

    @property
    def best(self) -> tuple[str, float, int] | None:
        """The evaluations' first number where it was highest: name, value, step; None without evaluations."""
        name = next((name for name in self.curves if name not in TRAINED), None)
        if name is None:
            return None
        curve = self.curves[name]
        place = max(range(len(curve.values)), key=curve.values.__getitem__)
        return name, curve.values[place], curve.steps[place]


def read_run(folder: Path) -> Run:
    """Read a run's folder, also while it runs.

    Raises:
        DataError: it is none, or cannot be read.
    """
    try:
        lines = read_log(folder)
        seconds = sum(line.get("seconds", 0.0) for line in read_lines(folder))
        path = folder / "config.json"
        config = from_json(path.read_text("utf-8")) if path.exists() else None
    except FileNotFoundError as error:
        raise DataError(f"{folder} is no run that has begun: there is no {LOG} in it") from error
    except (OSError, UsageError) as error:
        raise DataError(f"{folder} cannot be read: {reason(error)}") from error
    curves: dict[str, Curve] = {name: Curve([], []) for name in TRAINED}
    for line in lines:
        if "left_out" in line:
            continue
        for name in TRAINED if "loss" in line else [name for name in line if name not in ("step", "seconds")]:
            _add(curves, name, line)
    return Run(
        name=str(folder),
        config=config,
        curves={name: curve for name, curve in curves.items() if curve.steps},
        seconds=seconds,
    )


def find_runs(folder: Path) -> list[Path]:
    """The folder itself, those in it, and those in these, as far as they are runs; by name."""
    found = {log.parent for pattern in (LOG, f"*/{LOG}", f"*/*/{LOG}") for log in folder.glob(pattern)}
    return sorted(found)


def draw(runs: Sequence[Run], path: Path) -> None:
    """Write a PNG with a panel for each curve, the runs over each other.

    Raises:
        DataError: it cannot be written, or there is nothing to draw.
        MissingExtraError: matplotlib is not installed.
    """
    try:
        # Figure and canvas by hand: pyplot would keep state for the whole process, and look for a display
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing curves", "plots") from error
    names = list(dict.fromkeys(name for run in runs for name in run.curves))
    if not names:
        raise DataError(f"{' and '.join(run.name for run in runs)} have no line in their logs yet")
    columns = min(_COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(4.4 * columns, 2.9 * rows + 0.3), layout="constrained")
    FigureCanvasAgg(figure)
    for place, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.set_title(TRAINED.get(name, name.replace("_", " ")), fontsize=10)
        for number, run in enumerate(runs):
            if name in run.curves:
                _draw_curve(axes, run.curves[name], f"C{number}", run.name)
        if name == "loss":
            _draw_chance(axes, runs)
        axes.grid(visible=True, alpha=0.3)
        axes.tick_params(labelsize=8)
        if place + columns >= len(names):
            axes.set_xlabel("step", fontsize=9)
    handles = [figure.axes[0].plot([], [], color=f"C{number}")[0] for number in range(len(runs))]
    figure.legend(handles, [run.name for run in runs], loc="outside upper left", ncols=min(4, len(runs)), fontsize=9)
    try:
        figure.savefig(path, dpi=110, format="png")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


def smooth(values: Sequence[float], window: int) -> list[float]:
    """The mean of each value and up to `window` // 2 on either side of it; fewer at the ends."""
    half = window // 2
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    bounds = [(max(0, place - half), min(len(values), place + half + 1)) for place in range(len(values))]
    return [(sums[end] - sums[begin]) / (end - begin) for begin, end in bounds]


def _add(curves: dict[str, Curve], name: str, line: dict[str, Any]) -> None:
    value = line.get(name)
    if isinstance(value, int | float):
        curve = curves.setdefault(name, Curve([], []))
        curve.steps.append(line["step"])
        curve.values.append(float(value))


def _draw_curve(axes: "Axes", curve: Curve, color: str, label: str) -> None:
    count = len(curve.steps)
    if count <= _SMOOTH_ABOVE:
        axes.plot(*curve, color=color, linewidth=1.4, marker="o" if count < 30 else "", markersize=3, label=label)
        return
    axes.plot(*curve, color=color, linewidth=0.6, alpha=0.3)
    axes.plot(curve.steps, smooth(curve.values, count // 40), color=color, linewidth=1.4, label=label)


def _draw_chance(axes: "Axes", runs: Sequence[Run]) -> None:
    """Where they all have the same, the loss of a model that knows nothing."""
    chances = {round(chance_loss(run.config), 6) for run in runs if run.config and not run.config.teacher.model}
    if len(chances) == 1:
        (chance,) = chances
        axes.axhline(chance, color="grey", linestyle="--", linewidth=1)
        axes.annotate("chance", (1, chance), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8)
