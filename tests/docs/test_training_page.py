"""docs/training.md names what there is."""

import itertools
import re
from pathlib import Path

from pages import read_page, seesay_commands

from seesay.data.public import PUBLIC_SETS, find_set
from seesay.training.config import names
from seesay.training.monitor import __file__ as monitor_file
from seesay.training.recipes import RECIPES, find_recipe

PAGE = read_page("training")
COMMANDS = seesay_commands(PAGE)


def test_every_public_set_has_its_row_with_its_client():
    found = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([\d,]+) \| ([\w-]+) \|", PAGE, re.MULTILINE)
    rows = {row[0]: row for row in found}
    assert list(rows) == list(PUBLIC_SETS)
    clients = {"pypi": "pip", "npm": "npm", "debian": "apt-get"}
    for name, row in rows.items():
        assert {clients[package.registry] for package in find_set(name).packages} == {row[3]}


def test_the_recipes_and_settings_of_its_commands_exist():
    runs = [command for command in COMMANDS if command[1] == "train"]
    assert len(runs) >= 4
    for _, _, recipe, *options in runs:
        assert recipe in RECIPES
        for option, value in itertools.pairwise(options):
            if option == "--set":
                assert value.partition("=")[0] in names()


def test_the_numbers_of_the_tiny_recipe_are_the_recipes():
    tiny = find_recipe("tiny")
    assert re.search(r"4\.16 for 64 pairs", PAGE)
    assert tiny.batch_size == 64
    assert f"/{tiny.steps:,}  loss" in PAGE


def test_every_warning_of_the_monitor_is_explained():
    code = Path(monitor_file).read_text("utf-8")
    said_by_it = ("nothing is being learned", "the scale reached its limit of", "more than half of the time goes into")
    for said in said_by_it:
        assert said in code
        assert said in PAGE
