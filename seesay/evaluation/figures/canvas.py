"""What all figures share: a canvas in memory, colours, and names that matplotlib takes as they are.

Colours are Okabe and Ito's, which people with any colour vision tell apart; right and wrong also differ in more than
colour. pyplot is not used: it would keep state for the whole process, and look for a display.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from seesay.base.errors import DataError, MissingExtraError
from seesay.evaluation.measure import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
RIGHT, WRONG, GREY = "#009E73", "#B0B0B0", "#7F7F7F"

_NAME_LENGTH = 34  # letters


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, its size in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing figures", "plots") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path) -> Path:
    """Write a PNG.

    Raises:
        DataError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            # a name in a script that the font lacks is drawn as boxes; that is no reason to end an evaluation
            warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
            figure.savefig(path, dpi=120, format="png")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def set_title(figure: "Figure", result: Result, more: str) -> None:
    """Say what a figure is about, and a second line."""
    about = f"{result.task} on {shorten(result.dataset)}, {shorten(result.encoder)}"
    figure.suptitle(f"{about}\n{more}" if more else about, fontsize=10)


def spoken(name: str) -> str:
    """A measure's name for a person."""
    return name.replace("_", " ")


def shorten(name: str) -> str:
    """A name of any length, cut if it is long, for a place that has room for a few words."""
    return plain(name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…")


def plain(text: str) -> str:
    """Text that matplotlib takes as it is: between two $ it would set a formula."""
    return text.replace("$", r"\$")
