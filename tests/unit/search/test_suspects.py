"""Files whose decoder ends the process, never returns, or raises what nobody expects."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest
from films import film
from painting import paint

from seesay.search import reading
from seesay.search.index import Summary
from seesay.search.suspects import REASON

TESTS = Path(__file__).parents[2]
DECODERS = textwrap.dedent("""
    import os, sys, time
    from seesay.search import reading, trial

    def meet(function):
        def wrapped(path, *args, **options):
            if "crash" in os.path.basename(path):
                os._exit(7)
            if "hang" in os.path.basename(path):
                print("hangs", flush=True)
                time.sleep(600)
            return function(path, *args, **options)
        return wrapped

    reading.examine_picture = meet(reading.examine_picture)
    reading.read_info = meet(reading.read_info)
""")
PROGRAM = textwrap.dedent(f"""
    {{}}
    from encoders import ColourEncoder
    from seesay.search.library import Library

    trial.LIMIT_S = float(os.environ.get("TRIAL_S", 60))
    trial.COMMAND = (sys.executable, "-c", {DECODERS!r} + "trial.main()")
    with Library.open(sys.argv[1], encoder=ColourEncoder()) as library:
        summary = library.add(sys.argv[2])
        print(summary.added, summary.unchanged, summary.failed)
""").replace("{}", DECODERS)


def start(tmp_path: Path, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, tmp_path / "library", folder],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "TRIAL_S": "5"},
        stdout=subprocess.PIPE,
        text=True,
    )


def run(tmp_path: Path, folder: Path) -> tuple[int, str]:
    with start(tmp_path, folder) as process:
        said, _ = process.communicate(timeout=60)
    return process.returncode, said.strip()


def end_while_reading(tmp_path: Path, folder: Path, *, by_hand: bool = False) -> None:
    """A run that is killed, or given up by pressing Ctrl-C twice, while a decoder does not return."""
    (folder / "20-hang.png").write_bytes((folder / "20.png").read_bytes() + b"0")
    os.utime(folder / "20-hang.png", (1, 1))
    with start(tmp_path, folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "hangs\n"
        for _ in range(2 if by_hand else 0):
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
        process.kill()


def notes(library: Path) -> dict[str, int]:
    with closing(sqlite3.connect(library / "library.sqlite")) as db:
        rows = db.execute("SELECT path, num_runs FROM reading")
        return {os.fsdecode(path).rpartition("/")[2]: num_runs for path, num_runs in rows}


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "files"
    made.mkdir()
    for number in range(40):
        paint(made / f"{number:02}.png", (number, 100, 50))
    film(made / "film.mp4", ("red", 2))
    return made


@pytest.mark.parametrize("name", ["20-crash.png", "crash.mp4"])
def test_a_file_that_ends_the_process_twice_is_passed_over_and_all_others_are_read(tmp_path, folder, name, library):
    (folder / name).write_bytes((folder / ("film.mp4" if name.endswith("mp4") else "20.png")).read_bytes() + b"0")
    assert run(tmp_path, folder)[0] == 7
    assert notes(library.folder)[name] == 1
    assert run(tmp_path, folder)[0] == 7  # it comes last, and alone
    assert notes(library.folder)[name] == 2
    ended, said = run(tmp_path, folder)
    assert (ended, said[-2:], library.num_files()) == (0, " 1", 41)
    (error,) = library.errors()
    assert (os.fsdecode(error.path), error.reason) == (str(folder / name), REASON)
    assert "`seesay errors --retry`" in REASON
    assert notes(library.folder) == {}
    assert run(tmp_path, folder) == (0, "0 41 1")  # it stays passed over
    assert library.retry() == Summary(added=1)  # here it does not end the process
    assert library.errors() == []


def test_a_file_that_changed_since_is_read_again(tmp_path, folder, library):
    path = folder / "20-crash.png"
    path.write_bytes((folder / "20.png").read_bytes())
    for _ in range(2):
        run(tmp_path, folder)
    paint(path, (200, 10, 10))
    assert library.add(folder) == Summary(added=41, unchanged=1)  # the film was read before the pictures in question
    assert library.errors() == []


def test_a_decoder_that_never_returns_counts_when_the_person_ends_the_run(tmp_path, folder, library):
    for number in (1, 2):
        end_while_reading(tmp_path, folder, by_hand=True)
        assert notes(library.folder)["20-hang.png"] == number
    assert run(tmp_path, folder)[1].endswith(" 1")
    assert library.num_files() == 41


def test_a_file_is_not_to_blame_when_what_ended_the_runs_was_somebody_else(tmp_path, folder, library):
    for number in (1, 2):
        end_while_reading(tmp_path, folder)
        assert notes(library.folder)["20-hang.png"] == number
    # here its decoder is sound, and so it is in the process that tries it
    assert library.add(folder).failed == 0
    assert (library.num_files(), library.errors(), notes(library.folder)) == (42, [], {})


def test_a_run_that_is_stopped_in_order_blames_nobody(folder, library):
    def stop(progress):
        if progress.done == 10:
            raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            library.add(folder, report=stop)
        assert notes(library.folder) == {}


class Panic(BaseException):
    """What a decoder written in Rust raises."""


@pytest.mark.parametrize("error", [AttributeError("no 'thread_count'"), MemoryError(), Panic("out of range\nat x.rs")])
def test_whatever_a_decoder_raises_is_the_reason_of_its_file(folder, library, monkeypatch, caplog, error):
    film(folder / "bad.mp4", ("blue", 2))
    paint(folder / "bad.png", (1, 2, 3))

    def failing(function):
        def wrapped(path, *args, **options):
            if Path(path).stem == "bad":
                raise error
            return function(path, *args, **options)

        return wrapped

    monkeypatch.setattr(reading, "examine_picture", failing(reading.examine_picture))
    monkeypatch.setattr(reading, "read_info", failing(reading.read_info))
    caplog.set_level("INFO", "seesay.search")
    assert library.add(folder) == Summary(added=41, failed=2)
    reasons = {Path(os.fsdecode(line.path)).name: line.reason for line in library.errors()}
    said = {
        AttributeError: "its decoder failed (AttributeError: no 'thread_count')",
        MemoryError: "not enough memory to decode it",
        Panic: "its decoder failed (Panic: out of range)",
    }
    assert reasons == dict.fromkeys(("bad.png", "bad.mp4"), said[type(error)])
    assert "Traceback" in caplog.text
    assert "wrapped" in caplog.text
