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


def test_what_the_page_says_of_the_first_run_is_what_that_run_printed():
    record = (Path(__file__).parents[2] / "bench/records/2026-11-27-tiny/tiny.txt").read_text("utf-8")
    shown = re.search(r"What you see while it runs:\n\n```text\n(.*?)```", PAGE, re.DOTALL)[1]
    lines = [line.removesuffix(", ...") for line in shown.splitlines() if line != "..."]
    assert len(lines) == 3
    assert all(line in record for line in lines)
    for step, percent in (("200", "34 %"), ("50", "18 %")):
        recall = float(re.search(rf"step {step}: .*?text_to_image_recall@10 ([\d.]+)", record)[1])
        assert f"{100 * recall:.0f} %" == percent
        assert percent in PAGE
