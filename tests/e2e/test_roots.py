"""What is in the library and what is not, by the commands: forget, exclude, renew, out of reach.

In this process, because there are many runs and starting a program takes longer than what it does here.
"""

import json
import sqlite3
from contextlib import closing

import pytest
from painting import paint
from typer.testing import CliRunner

from seesay.base.errors import SeesayError
from seesay.cli import build_app


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEESAY_LIBRARY", str(tmp_path / "library"))

    def run(*arguments, code=0):
        done = CliRunner().invoke(build_app(), arguments)
        if code == 0:
            assert done.exception is None, done.exception
            return done
        assert isinstance(done.exception, SeesayError)
        return str(done.exception)

    return run


def test_forget_takes_out_and_index_takes_back(run, photos):
    (photos / "trip").mkdir()
    paint(photos / "trip" / "sky.png", (9, 9, 200))
    run("index", "photos")
    lines = run("forget", "photos/trip", "photos/red.png").stdout.splitlines()
    assert lines[0] == "2 files forgotten"
    assert lines[1].startswith("2 files in the library ")
    assert (photos / "red.png").exists()
    assert run("index").stdout.startswith("0 added, 0 changed, 0 moved, 0 removed, 2 unchanged")
    assert "taken out with `seesay forget`" in run("errors", "--excluded").stdout
    assert run("index", "photos/red.png").stdout.startswith("1 added")
    refused = run("forget", "elsewhere", code=2)
    assert refused.startswith("the library has nothing at ")
    assert refused.endswith("; name a path as `seesay search` shows it, or a folder above it")


def test_files_out_of_reach_are_counted_named_and_shown(run, photos):
    run("index", "photos")
    photos.rename(photos.with_name("renamed"))
    done = run("index")
    assert done.stdout.splitlines()[0].endswith("0 removed, 0 unchanged, 0 failed, 3 out of reach")
    assert (
        f"3 files cannot be reached now and stay in the library, in {photos} (3); `seesay forget PATH`" in done.stderr
    )
    assert run("search", "red", "--weak", "-n1").stdout.endswith("  (out of reach)\n")
    found = [json.loads(line) for line in run("search", "red", "--weak", "--json").stdout.splitlines()]
    assert all(hit["out_of_reach"] is True for hit in found)
    assert run("index", "renamed").stdout.startswith("0 added, 0 changed, 3 moved")
    assert "out of reach" not in run("search", "red", "--weak").stdout


def test_what_is_left_out_and_passed_over_is_listed(run, photos):
    assert run("errors", "--excluded", code=2).startswith("there is no library in")
    (photos / "@eaDir").mkdir()
    paint(photos / "@eaDir" / "thumb.png", (1, 2, 3))
    for name in ("a.pdf", "b.pdf", "c.docx", "README"):
        (photos / name).touch()
    done = run("index", "photos", "--exclude", "*e*.png", "--exclude", "!green.png")
    assert done.stdout.startswith("1 added")
    assert "passed over: 2 .pdf, 1 without a suffix, 1 .docx; all: `seesay errors --passed-over`" in done.stderr
    lines = run("errors", "--excluded").stdout.splitlines()
    assert lines == [
        f"{photos}/@eaDir: @eaDir/ is left out by default",
        f"{photos}/blue.png: *e*.png in --exclude of {photos}",
        f"{photos}/red.png: *e*.png in --exclude of {photos}",
    ]
    assert json.loads(run("errors", "--excluded", "--json").stdout.splitlines()[0])["rule"].startswith("@eaDir/")
    assert run("errors", "--passed-over").stdout.splitlines() == [
        "       2  .pdf",
        "       1  (none)",
        "       1  .docx",
    ]
    numbers = [json.loads(line) for line in run("errors", "--passed-over", "--json").stdout.splitlines()]
    assert numbers[0] == {"suffix": ".pdf", "num_files": 2}
    assert run("index", "--no-exclude").stdout.startswith("2 added")
    assert "give one of them" in run("index", "--exclude", "a", "--no-exclude", code=2)
    assert "give one of --retry" in run("errors", "--excluded", "--passed-over", code=2)
    for name in ("a.pdf", "b.pdf", "c.docx", "README", "@eaDir/thumb.png"):
        (photos / name).unlink()
    (photos / "@eaDir").rmdir()
    assert "passed over" not in run("index").stderr
    assert run("errors", "--passed-over").stderr == "every file has the suffix of a picture or video\n"
    assert run("errors", "--excluded").stderr == "no rule left anything out\n"


def test_what_an_older_version_read_is_said_and_renewed(run, photos, tmp_path):
    assert "older version" not in run("index", "photos").stderr
    with closing(sqlite3.connect(tmp_path / "library" / "library.sqlite")) as db:
        db.execute("UPDATE files SET reader = 0 WHERE name = ?", (b"red.png",))
        db.commit()
    said = "1 file was read by an older version of seesay's decoders; read them again with `seesay index --renew`"
    assert said in run("index").stderr
    assert said in run("doctor").stdout
    assert run("index", "--renew").stdout.startswith("0 added, 1 changed, 0 moved, 0 removed, 2 unchanged")
    assert "older version" not in run("doctor").stdout
    assert run("index", "--rebuild").stdout.startswith("0 added, 3 changed, 0 moved, 0 removed, 0 unchanged")


@pytest.mark.parametrize(
    ("arguments", "after"),
    [
        (["index", ""], "index"),
        (["index", "photos", ""], "photos"),
        (["index", "photos", "--library", ""], "--library"),
        (["index", "photos", "--library="], "--library"),
        (["index", "photos", "--exclude", ""], "--exclude"),
        (["watch", ""], "watch"),
        (["forget", ""], "forget"),
        (["search", "red", "--under", ""], "--under"),
        (["classify", "", "--labels", "red"], "classify"),
        (["eval", "starter", "--on", ""], "--on"),
        (["train", "clip", "--out", ""], "--out"),
        (["data", "inspect", ""], "inspect"),
    ],
)
def test_an_empty_argument_is_refused_and_nothing_is_done(run, photos, tmp_path, arguments, after):
    assert run(*arguments, code=2) == (
        f"the argument after `{after}` is empty; a shell variable may not be set. The current folder is `.`"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]
