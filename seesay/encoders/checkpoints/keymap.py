"""The translation of names both ways, from rules that are data.

A rule says which of our tensors hold the same numbers as which of theirs. It can be read from either side,
so there is one list a source and never two that drift apart. Knows no source.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from seesay.base.errors import BundleError, UsageError
from seesay.base.tables import resolve
from seesay.encoders.checkpoints import SOURCES
from seesay.models.size import build_empty

State = dict[str, Tensor]
Form = Literal["same", "transposed", "matrix", "vector", "scalar"]
_NUM_AXES: dict[Form, int] = {"matrix": 2, "vector": 1, "scalar": 0}

_KINDS = "(?P<kind>weight|bias|running_mean|running_var|num_batches_tracked)"
_NAMED_AT_MOST = 5  # mismatches that a message names


@dataclass(frozen=True, slots=True)
class Rule:
    """Our tensors and theirs that hold the same numbers; in names, `{kind}` is a weight or bias, `{n}` a number."""

    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    """Several on one side are stacked along the first axis, in equal parts: (query, key, value), one fused tensor."""
    form: Form = "same"
    """How theirs lie: "transposed" (multiplied from the other side), or "matrix", "vector", "scalar", which ours are,
    with axes of length one before it."""
    num_extra: int = 0
    """How many such axes theirs have when written; read with any number."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How one source names the weights of one architecture."""

    source: str
    """Its name, for messages: "OpenAI"."""
    rules: tuple[Rule, ...]
    ignored: tuple[str, ...] = ()
    """Endings of names that hold no weights, such as stored position numbers."""
    renamed: Callable[[str], str] = str
    """From a name in an older or wrapped file to the name that the rules know."""


def rule(ours: str | Iterable[str], theirs: str | Iterable[str], form: Form = "same", num_extra: int = 0) -> Rule:
    """A `Rule`; a single name may be given as such."""
    left, right = ((side,) if isinstance(side, str) else tuple(side) for side in (ours, theirs))
    return Rule(left, right, form, num_extra)


def prefixed(rules: Iterable[Rule], ours: str, theirs: str) -> tuple[Rule, ...]:
    """The same rules for the same module standing elsewhere."""
    return tuple(
        Rule(tuple(ours + name for name in r.ours), tuple(theirs + name for name in r.theirs), r.form, r.num_extra)
        for r in rules
    )


def layout_of(source: str, config: Mapping[str, Any]) -> Layout:
    """The layout of a source in `SOURCES`.

    Raises:
        UnknownNameError: no such source.
        UsageError: the source has no such architecture.
    """
    layout: Layout = resolve(SOURCES, source, kind="checkpoint source")(config)
    return layout


def to_ours(source: str, state: Mapping[str, Tensor], config: Mapping[str, Any]) -> State:
    """Their weights under our names, in float32 (counters in int64), and nothing left over.

    Args:
        source: a name in `SOURCES`.
        state: what their file holds.
        config: the architecture, as `seesay.models.clip.build` takes it.

    Raises:
        BundleError: weights are missing, unknown or of another shape; the first five are named as they name them.
    """
    layout = layout_of(source, config)
    ours = build_empty(config).state_dict()
    expected = _translate(ours, layout.rules, to="theirs")
    given = {layout.renamed(name): tensor for name, tensor in state.items() if not name.endswith(layout.ignored)}
    for name in expected:  # PyTorch counts batches since 1.0, and counts nothing that a vector depends on
        if name.endswith("num_batches_tracked"):
            given.setdefault(name, torch.zeros((), dtype=torch.int64))
    _check_fit(expected, given, source=layout.source)
    translated = _translate(given, layout.rules, to="ours")
    return {name: _own(translated[name], tensor) for name, tensor in ours.items()}


def from_ours(source: str, state: Mapping[str, Tensor], config: Mapping[str, Any]) -> State:
    """Our weights under their names.

    Args:
        source: a name in `SOURCES`.
        state: the state dict of a `Clip`.
        config: its architecture.

    Raises:
        BundleError: the weights are not those of the architecture.
        UsageError: the source has no such architecture.
    """
    _check_fit(build_empty(config).state_dict(), state, source="seesay")
    theirs = _translate(state, layout_of(source, config).rules, to="theirs")
    return {name: tensor.contiguous() for name, tensor in theirs.items()}


def _own(tensor: Tensor, expected: Tensor) -> Tensor:
    return tensor.reshape(expected.shape).to(expected.dtype).contiguous()


def _translate(state: Mapping[str, Tensor], rules: Iterable[Rule], *, to: Literal["ours", "theirs"]) -> State:
    """Names without a rule are left out; a check before or after finds them."""
    translated: State = {}
    for r in rules:
        sources, targets = (r.theirs, r.ours) if to == "ours" else (r.ours, r.theirs)
        pattern = _pattern(sources[0])
        for found in filter(None, map(pattern.fullmatch, state)):
            parts = [state[name.format(**found.groupdict())] for name in sources]
            tensor = _reshape(torch.cat(parts) if len(parts) > 1 else parts[0], r, to=to)
            pieces = tensor.chunk(len(targets)) if len(targets) > 1 else [tensor]
            translated |= {name.format(**found.groupdict()): piece for name, piece in zip(targets, pieces, strict=True)}
    return translated


def _pattern(name: str) -> re.Pattern[str]:
    escaped = re.escape(name).replace(r"\{n\}", r"(?P<n>\d+)").replace(r"\{kind\}", _KINDS)
    return re.compile(escaped)


def _reshape(tensor: Tensor, r: Rule, *, to: Literal["ours", "theirs"]) -> Tensor:
    if r.form == "transposed":
        return tensor.t()
    if r.form == "same":
        return tensor
    shape = tensor.shape[tensor.ndim - _NUM_AXES[r.form] :]
    return tensor.reshape(shape if to == "ours" else (1,) * r.num_extra + tuple(shape))


def _check_fit(expected: Mapping[str, Tensor], given: Mapping[str, Tensor], *, source: str) -> None:
    faults = [f"{name} is missing" for name in expected if name not in given]
    faults += [f"{name} is unknown" for name in given if name not in expected]
    faults += [
        f"{name} has shape {tuple(given[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in given and given[name].squeeze().shape != tensor.squeeze().shape
    ]
    if faults:
        more = f" and {len(faults) - _NAMED_AT_MOST} more" if len(faults) > _NAMED_AT_MOST else ""
        raise BundleError(
            f"these are not the weights of this architecture as {source} names them: "
            f"{'; '.join(faults[:_NAMED_AT_MOST])}{more}; name the variant that they were trained as"
        )


def refuse(source: str, config: Mapping[str, Any]) -> UsageError:
    """The error for an architecture that a source has no names for."""
    towers = f"{config['image']['tower']} and {config['text']['tower']}"
    return UsageError(f"{source} has no model with the towers {towers}, put together as this one is")
