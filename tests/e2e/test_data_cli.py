"""`seesay data` through the real program."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from painting import paint
from PIL import Image


@pytest.fixture
def pairs(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    for number in range(5):
        paint(folder / f"{number}.png", (40 * number, 90, 20))
        (folder / f"{number}.txt").write_text(f"a dull green square, the {number}th\n")
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xffno")
    (folder / "bad.txt").write_text("nothing")
    return folder


def test_inspect_prints_what_there_is_and_draws_it(run, pairs, tmp_path):
    done = run("data", "inspect", "pairs", "--sheet", "sheet.png")
    assert done.stdout.splitlines()[:3] == ["6 examples, 1 bad", "5 pictures: 5 PNG", "5 captions"]
    assert "pairs/bad.jpg: " in done.stdout
    assert done.stderr == "contact sheet: sheet.png\n"
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 180 * 4
    found = json.loads(run("data", "inspect", "pairs", "--json", "--limit", "6").stdout)
    assert (found["num_pictures"], found["is_whole"], found["width_px"]["median"]) == (5, True, 40)
    assert found["bad"][0]["key"] == "pairs/bad.jpg"


def test_where_nothing_can_be_used_it_says_so(run, pairs):
    for path in pairs.glob("*.png"):
        path.unlink()
    done = run("data", "inspect", "pairs", "--sheet", "sheet.png", code=1)
    assert "no picture can be read, so there is no contact sheet" in done.stderr


@pytest.mark.parametrize(
    ("sheet", "message"), [("sheet.jpg", "should end in .png"), ("no/sheet.png", "the folder no is not there")]
)
def test_a_sheet_that_cannot_be_drawn_is_refused_at_once(sheet, message, run, pairs):
    done = run("data", "inspect", "pairs", "--sheet", sheet, code=2)
    assert message in done.stderr
    assert done.stdout == ""


STOPPED = """
    import os, signal, sys
    from seesay.data.inspect import Inspection
    add = Inspection._add
    def counted(self, *given):
        add(self, *given)
        if self.num_examples == 3:
            os.kill(os.getpid(), signal.SIGINT)
    Inspection._add = counted
    sys.argv = ["seesay", "data", "inspect", "pairs"]
    from seesay.cli import main
    try:
        main()
    finally:
        assert "torch" not in sys.modules
"""


def test_stopped_it_shows_what_it_knows(run, pairs, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(STOPPED)],
        cwd=tmp_path,
        env={**run.environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    assert "stopped after 3 examples" in done.stderr
    assert done.stdout.startswith("3 examples, ")
    assert "there are more that were not read" in done.stdout
