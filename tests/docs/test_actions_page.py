"""docs/actions.md names what there is."""

import itertools
import re
from typing import get_args, get_type_hints

from pages import read_page, seesay_commands

from seesay.data.videos import LAYOUTS, is_video_address
from seesay.training.config import VideoConfig, names
from seesay.training.recipes import RECIPES

PAGE = read_page("actions")
COMMANDS = seesay_commands(PAGE)


def test_every_layout_has_its_row():
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert rows[: len(LAYOUTS)] == list(LAYOUTS)


def test_every_way_to_see_time_is_named():
    kinds = get_type_hints(VideoConfig)
    for field in ("tower", "head"):
        assert all(f"`{value}`" in PAGE for value in get_args(kinds[field]))


def test_recipes_settings_and_addresses_of_its_commands_exist():
    runs = [command for command in COMMANDS if command[1] == "train"]
    assert len(runs) == 2
    for _, _, recipe, *options in runs:
        assert recipe in RECIPES
        for option, value in itertools.pairwise(options):
            if option == "--set":
                name, _, given = value.partition("=")
                assert name in names()
                assert name != "data.sources" or is_video_address(given)
    for name in re.findall(r"`((?:model|data)\.[\w.]+)=", PAGE):
        assert name in names()
