"""The datasets that CLIP is measured on: how large they are, what is measured, where they come from, what others got.

`catalog.json` holds the facts, each with its source. Nothing is fetched here.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from seesay.base.errors import UnknownNameError

PUBLISHED = "https://huggingface.co/datasets/clip-benchmark/{}/tree/main"
"""Where CLIP_benchmark publishes its WebDatasets; {} is the repository."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """What a published model gets."""

    model: str
    """By the name of our catalog of models."""
    metric: str
    value: float
    """In [0, 1]."""
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One dataset."""

    name: str
    title: str
    kind: str
    """"classification", "retrieval", "composition" or "bias"."""
    classes: int | None
    train: int | None
    """Pictures to train on."""
    test: int | None
    metric: str
    """A name of `metrics.METRICS`; "" where it is no classification."""
    prompts: str
    """A name of `prompts.find_prompts`."""
    page: str
    """The project's page, where it is described and got."""
    size_bytes: int | None
    """Of the archives; None where it could not be looked up."""
    wds: str | None
    """CLIP_benchmark's repository, where it publishes the dataset."""
    aliases: tuple[str, ...]
    is_numbered: bool
    """The classes of `prompts` stand in the order of the dataset's own numbers."""
    figures: tuple[Figure, ...]

    @property
    def reference(self) -> tuple[tuple[str, str, float], ...]:
        """What `Dataset.reference` holds."""
        return tuple((figure.model, figure.metric, figure.value) for figure in self.figures)

    @property
    def address(self) -> str | None:
        """Where it can be opened from by `open_dataset`, and is fetched when it is."""
        return PUBLISHED.format(self.wds) if self.wds else None

    @property
    def size(self) -> str:
        """The size for a person; "" where it is not known."""
        if self.size_bytes is None:
            return ""
        return f"{self.size_bytes / 1e9:,.1f} GB" if self.size_bytes >= 1e9 else f"{self.size_bytes / 1e6:,.0f} MB"

    def how_to_get(self, folder: Path) -> str:
        """What to say of a dataset that is not on this machine.

        Args:
            folder: where it would be found by its name.
        """
        facts = [
            self.title,
            f"{self.test:,} pictures to test on" if self.test else "",
            f"{self.classes:,} classes" if self.classes else "",
            f"{self.size} to download" if self.size else "",
        ]
        ways = [f"put it into {folder} as class folders or tars", f"say where it lies: {self.name}=PATH"]
        if self.address:
            ways.append(f"have CLIP_benchmark's copy fetched by naming {self.name}={self.address}")
        return (
            f"{self.name} is not on this machine ({', '.join(filter(None, facts))}); get it from {self.page} and "
            f"{'; or '.join(ways)}"
        )


def entries() -> Mapping[str, Entry]:
    """Every dataset by its name, in the order of the catalog."""
    return _read()


def find_entry(name: str) -> Entry:
    """The entry of that name or alias.

    Raises:
        UnknownNameError: there is none; the nearest are offered.
    """
    for entry in _read().values():
        if name in (entry.name, *entry.aliases):
            return entry
    raise UnknownNameError("dataset", name, _read(), cure="list them with `seesay eval list`")


def guess_entry(place: str) -> Entry | None:
    """The entry whose name a file, folder or address begins with; None where none does.

    `imagenet-1000.tar` is ImageNet and `wds_vtab-cifar10` CIFAR-10; `cifar100` is not CIFAR-10, because a name ends
    before a letter or digit.
    """
    parts = [part for part in re.split(r"[/\\]", re.sub(r"/tree/[^/]+/?$", "", place.lower())) if part]
    stem = _plain(parts[-1].removeprefix("wds_")) if parts else ""
    best: tuple[int, Entry] | None = None
    for entry in _read().values():
        for name in (entry.name, *entry.aliases, *([entry.wds.removeprefix("wds_")] if entry.wds else [])):
            plain = _plain(name)
            rest = stem[len(plain) :]
            if stem.startswith(plain) and not rest[:1].isalnum() and (best is None or len(plain) > best[0]):
                best = (len(plain), entry)
    return best[1] if best else None


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace("/", "-")


@cache
def _read() -> Mapping[str, Entry]:
    raw = json.loads(Path(__file__).with_name("catalog.json").read_text("utf-8"))
    found = [_entry(one, raw["sources"]) for one in raw["datasets"]]
    return {entry.name: entry for entry in found}


def _entry(raw: Mapping[str, Any], sources: Mapping[str, str]) -> Entry:
    rest = {key: value for key, value in raw.items() if key not in ("figures", "aliases", "numbered")}
    return Entry(
        **rest,
        aliases=tuple(raw["aliases"]),
        is_numbered=raw["numbered"],
        figures=tuple(
            Figure(model=model, metric=metric, value=value, source=sources[source])
            for model, metric, value, source in raw["figures"]
        ),
    )
