"""The documentation is what the program does."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from films import film
from painting import paint
from program import SEESAY

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def here(tmp_path):
    """A folder with the files that the README talks about, each a plain picture."""
    for name in ("Pictures/dog.jpg", "Scans/receipt.png", "photo.jpg", "demo/chelsea.png", "demo/coffee.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        paint(tmp_path / name, (90, 120, 30))
    for name in ("Quilby", "red_cup"):
        (tmp_path / "my-products" / name).mkdir(parents=True)
        for number in range(2):
            paint(tmp_path / "my-products" / name / f"{number}.jpg", (90 * number, 10 * len(name), 30))
    (tmp_path / "Videos").mkdir()
    film(tmp_path / "Videos" / "holiday.mp4", ("red", 3), ("blue", 3))
    (tmp_path / ".demo").mkdir()
    (tmp_path / "demo").rename(tmp_path / ".demo" / "photos")
    (tmp_path / "cars").mkdir()
    return tmp_path


def test_the_first_screen_says_what_it_is_and_shows_two_commands_and_a_result():
    first = "\n".join(README.splitlines()[:15])
    for said in ("Search your own pictures", "make demo", "make test", "chelsea.png"):
        assert said in first


def test_every_command_of_the_readme_runs(here):
    commands = [
        line.removeprefix("$ ").partition("  #")[0].strip()
        for block in blocks("console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    commands = [command for command in commands if not command.startswith("make ")]  # CI runs those
    assert len(commands) >= 9
    order = sorted(commands, key=lambda command: not command.startswith("seesay index"))
    environment = {
        **os.environ,
        "HOME": str(here),
        "XDG_DATA_HOME": str(here / "data"),
        "PATH": f"{SEESAY.parent}{os.pathsep}{os.environ['PATH']}",
    }
    environment.pop("SEESAY_LIBRARY", None)
    for command in order:
        command = command.replace("/tmp/cars", str(here / "cars"))
        # the pictures here are plain, and show nothing that anybody would look for
        command = command.replace("seesay search", "seesay search --weak")
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], cwd=here, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert list((here / "cars").iterdir())


def test_the_python_of_the_readme_runs(here):
    code = blocks("python")
    assert code
    done = subprocess.run([sys.executable, "-c", "\n".join(code)], cwd=here, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def load_maker():
    spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", sorted(load_maker().PAGES))
def test_made_pages_are_up_to_date(page):
    expected = load_maker().PAGES[page]()
    assert (ROOT / "docs" / page).read_text("utf-8") == expected, "run `make docs`"


def test_every_link_of_the_docs_leads_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))]
    assert links
    broken = [(page.name, link) for page, link in links if "://" not in link and not (page.parent / link).exists()]
    assert not broken


def test_every_file_the_readme_points_to_is_there():
    named = re.findall(r"`(seesay/[\w/]+\.py)`", README)
    assert len(named) >= 5
    assert not [name for name in named if not (ROOT / name).exists()]


def test_every_make_target_of_the_docs_exists():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:\$ |`)make (\w+)", README + (ROOT / "CONTRIBUTING.md").read_text()))
    assert named
    assert named <= targets


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_ci_runs_lint_and_test_and_nothing_else():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if line.startswith("make")] == ["make lint", "make test"]
