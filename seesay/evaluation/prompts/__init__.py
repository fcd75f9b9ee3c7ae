"""Prompts: the sentences that say a class. The paper's for its datasets, general ones in a few languages, a user's own.

`paper.json` holds facts from the MIT-licensed CLIP release, `languages.json` templates of our own. Knows no encoder.

Shape legend: C classes.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from seesay.base.errors import UnknownNameError, UsageError, reason
from seesay.base.texts import read_text
from seesay.data.classes import imagenet_classes

GENERAL = ("a photo of a {}.",)
"""Where nothing else is known. Source: CLIP, arXiv:2103.00020, section 3.1.4."""
_PLACE = re.compile(r"\{c?\}")  # where a template takes the name; {c} is CLIP_benchmark's way to write it

_HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompts:
    """Templates, and the classes that they were written for."""

    name: str
    templates: tuple[str, ...]
    """Each with {} where the class's name goes."""
    classes: tuple[tuple[str, ...], ...] = ()
    """Of each of C classes its names, the first being the one that is shown; empty for general templates."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of each class the first name."""
        return tuple(names[0] for names in self.classes)


def find_prompts(name: str) -> Prompts:
    """Prompts by name: a dataset of the paper, a language code, or "" for the general ones.

    Raises:
        UnknownNameError: there are none of that name; the nearest are offered.
    """
    if not name:
        return Prompts(name="general", templates=GENERAL)
    if name in (languages := _languages()):
        return Prompts(name=name, templates=languages[name])
    paper = _paper()
    if name not in paper:
        raise UnknownNameError(
            "set of prompts", name, [*paper, *languages], cure="or name a file with one template a line"
        )
    found = paper[name]
    classes = tuple((names,) if isinstance(names, str) else tuple(names) for names in found.get("classes", ()))
    if name == "imagenet":
        classes = tuple((class_name,) for class_name in imagenet_classes().values())
    return Prompts(name=name, templates=tuple(found["templates"]), classes=classes)


def list_prompts() -> tuple[str, ...]:
    """Every name that `find_prompts` knows."""
    return (*_languages(), *_paper())


def read_templates(path: Path) -> Prompts:
    """A user's own: a text file with one template a line, {} where the name goes; blank lines are skipped.

    Raises:
        UsageError: it cannot be read, or a line has no place for the name.
    """
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the templates file {path} cannot be read: {reason(error)}") from error
    return Prompts(name=path.stem, templates=check_templates([line.strip() for line in lines if line.strip()], path))


def check_templates(templates: Sequence[str], where: object) -> tuple[str, ...]:
    """The templates, once each of them has a place for the name.

    Raises:
        UsageError: there are none, or one has no {}.
    """
    if not templates:
        raise UsageError(f"{where} has no template; write one a line, with {{}} where the class's name goes")
    for template in templates:
        if not _PLACE.search(template):
            raise UsageError(f"{where} has a template without {{}} for the class's name: {template!r}")
    return tuple(templates)


def fill(template: str, name: str) -> str:
    """The template with the name in it; other braces stay, so that no name can break it."""
    return _PLACE.sub(lambda _: name, template)


def write_sentences(classes: Sequence[str], prompts: Prompts) -> list[list[str]]:
    """Of each class every sentence that says it: its names, where `prompts` knows more than one, in every template.

    Args:
        classes: C names as the dataset has them; one that `prompts` does not know stands for itself.
        prompts: the templates.

    Raises:
        UsageError: a name is empty.
    """
    empty = [number for number, name in enumerate(classes) if not name.strip()]
    if empty:
        raise UsageError(f"class {empty[0]} of {len(classes)} has no name; every class needs a word for it")
    known = {names[0]: names for names in prompts.classes}
    return [
        [fill(template, name) for name in known.get(shown, (shown,)) for template in prompts.templates]
        for shown in classes
    ]


@cache
def _paper() -> dict[str, Any]:
    datasets: dict[str, Any] = json.loads((_HERE / "paper.json").read_text("utf-8"))["datasets"]
    return datasets


@cache
def _languages() -> dict[str, tuple[str, ...]]:
    found = json.loads((_HERE / "languages.json").read_text("utf-8"))
    return {code: tuple(templates) for code, templates in found.items() if code != "about"}
