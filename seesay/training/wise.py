"""Weights between those a run started from and those it ended with (WiSE-FT), and what each mixture keeps and gains.

Fine-tuning gains on its own task and forgets others; a straight line between the two sets of weights often has a
point that keeps nearly all of one and gains most of the other.

Source: arXiv:2109.01903.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from seesay.encoders.bundle import write_atomically
from seesay.models.clip import Clip

REPORT = "wise.json"
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the trained weights that a report measures."""


def mix(start: Mapping[str, Tensor], trained: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """`share` of the trained weights, the rest of those it started from."""
    return {
        name: start[name].lerp(tensor, share) if name in start and tensor.is_floating_point() else tensor
        for name, tensor in trained.items()
    }


def report(
    clip: Clip,
    start: Mapping[str, Tensor],
    trained: Mapping[str, Tensor],
    evaluate: Callable[[Clip], Mapping[str, float]],
    run: Path,
) -> dict[float, dict[str, float]]:
    """Measure mixtures and keep the numbers in RUN/wise.json.

    Args:
        clip: takes each mixture in turn; its weights are those of the last one afterwards.
        start: the weights before the first step.
        trained: those after the last.
        evaluate: says how good a model is.
        run: the run's folder.

    Returns:
        The numbers by share of the trained weights.
    """
    found = {}
    for share in SHARES:
        clip.load_state_dict(mix(start, trained, share))
        found[share] = dict(evaluate(clip))
    lines = [{"share": share, **numbers} for share, numbers in found.items()]
    write_atomically(run / REPORT, (json.dumps(lines, indent=2) + "\n").encode())
    return found


def table(found: Mapping[float, Mapping[str, float]]) -> list[str]:
    """A report as lines to read: each number, and how far it is from that of the weights it started from."""
    (start, first), *_ = sorted(found.items())
    lines = [f"{'trained':>8}" + "".join(f"  {name:>28}" for name in first)]
    for share, numbers in sorted(found.items()):
        cells = (
            f"  {value:>28.4f}" if share == start else f"  {f'{value:.4f} ({value - first[name]:+.4f})':>28}"
            for name, value in numbers.items()
        )
        lines.append(f"{share:>8.0%}{''.join(cells)}")
    return lines
