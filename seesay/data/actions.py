"""What actions are called: label files of public datasets, and the sentences that say a label.

The names are facts of the datasets, in the order of their numbers. Sources: UCF101's in the words of the MIT-licensed
CLIP release (data/prompts.md); HMDB51's folders in alphabetical order, underscores as spaces; Kinetics-400's from the
labels that ActionCLIP and its successors train with, which are DeepMind's label_map.txt.
"""

from functools import cache

from seesay.base.errors import UnknownNameError
from seesay.base.paths import ASSETS

TEMPLATES = (
    "a photo of action {}",
    "a picture of action {}",
    "Human action of {}",
    "{}, an action",
    "{} this is an action",
    "{}, a video of action",
    "Playing action of {}",
    "{}",
    "Playing a kind of action, {}",
    "Doing a kind of action, {}",
    "Look, the human is {}",
    "Can you recognize the action of {}?",
    "Video classification of {}",
    "A video of {}",
    "The man is {}",
    "The woman is {}",
)
"""ActionCLIP's textual prompts: before, after and around the label. Source: its code, utils/Text_Prompt.py (MIT)."""

LABEL_FILES = ("ucf101", "hmdb51", "kinetics400")
"""Datasets whose labels come with seesay."""


@cache
def label_names(dataset: str) -> tuple[str, ...]:
    """The labels of a dataset, in the order of their numbers.

    Raises:
        UnknownNameError: none of `LABEL_FILES`.
    """
    if dataset not in LABEL_FILES:
        raise UnknownNameError("label file", dataset, LABEL_FILES, cure="or name a file with one label a line")
    return tuple((ASSETS / "actions" / f"{dataset}.txt").read_text("utf-8").splitlines())


def sentences(label: str) -> tuple[str, ...]:
    """Every template with the label in it, which may hold braces of its own."""
    return tuple(template.replace("{}", label) for template in TEMPLATES)
