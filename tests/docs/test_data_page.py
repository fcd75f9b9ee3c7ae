"""docs/data.md says what the program does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from painting import paint
from program import SEESAY

from seesay.data import SOURCES, tars
from seesay.data.inspect import CONTEXT_LENGTH
from seesay.data.repeats import LIMIT
from seesay.data.table import CAPTION_COLUMNS, IMAGE_COLUMNS, MANIFESTS
from seesay.training.config import DataConfig

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "data.md").read_text("utf-8")
DATA = ROOT.parent / "shared" / "data"


def test_the_python_of_the_page_runs(tmp_path):
    (tmp_path / "pairs").mkdir()
    for number in range(12):
        paint(tmp_path / "pairs" / f"{number}.png", (9, 90, 20 * number))
        (tmp_path / "pairs" / f"{number}.txt").write_text(f"number {number}")
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not (DATA / "cc12m-32.tar").exists(), reason="the data to measure with is not on this machine")
def test_the_printed_example_is_what_is_printed(tmp_path):
    (tmp_path / "cc12m-32.tar").symlink_to(DATA / "cc12m-32.tar")
    (block,) = re.findall(r"```console\n\$ seesay (data inspect.*?)```", PAGE, re.DOTALL)
    command, _, printed = block.partition("\n")
    done = subprocess.run(
        [SEESAY, *command.split()],
        cwd=tmp_path,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.stdout == printed


def test_every_kind_of_source_and_every_column_is_named():
    assert set(SOURCES) == {"folder", "classes", "manifest", "tars", "videos"}
    for name in (*IMAGE_COLUMNS, *CAPTION_COLUMNS, *MANIFESTS):
        assert f"`{name}`" in PAGE or f"`pairs{name}`" in PAGE, name


def test_the_numbers_of_the_page_are_those_of_the_code():
    assert f"{tars.OPEN_SHARDS * tars.WINDOW:,} examples" in PAGE
    assert tars.OPEN_SHARDS == 4
    assert "four at a time" in PAGE
    assert f"What goes beyond {CONTEXT_LENGTH} " in PAGE
    assert LIMIT == 1_000_000
    assert f"({DataConfig().most_bad * 100:.0f} %)" in PAGE
