"""Disks that are full or read-only, keys that stop a run, and what the machine has, through the real program."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from mounts import read_only, small_disk
from painting import paint
from program import SEESAY

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def many(folder, count):
    folder.mkdir(exist_ok=True)
    for number in range(count):
        paint(folder / f"{number:03}.png", (number % 256, 90, 200))
    return folder


def test_a_full_disk_is_one_sentence_and_the_next_run_goes_on(run, tmp_path):
    many(tmp_path / "many", 120)
    with small_disk(tmp_path / "disk", 240) as resize:
        library = tmp_path / "disk" / "library"
        full = run("index", "many", "--library", library, code=2)
        assert full.stdout == ""
        stopped, why = full.stderr.splitlines()
        assert f"the library {library} are kept, run it again to go on" in stopped
        assert why == f"seesay: the disk with the library {library} is full; make room and run it again"
        kept = int(stopped.split("; ")[1].split()[0])
        found = run("search", "blue", "--weak", "--paths", "-n", "500", "--library", library).stdout.splitlines()
        assert len(found) == kept
        resize(4096)
        assert run("index", "--library", library).stdout.startswith(f"{120 - kept} added,")


def test_a_full_disk_behind_stdout_is_said(run, photos):
    if not Path("/dev/full").exists():
        pytest.skip("only Linux has a disk that is always full")
    run("index", "photos")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [SEESAY, "search", "red", "--weak"], stdout=full, stderr=subprocess.PIPE, text=True, env=run.environment
        )
    assert (done.returncode, done.stderr) == (2, "seesay: no space left on device; make room and run it again\n")


def test_ctrl_c_writes_down_what_was_read_and_counts_what_is_in_the_library(run, tmp_path):
    many(tmp_path / "many", 3000)
    with subprocess.Popen(
        [SEESAY, "index", "many"], cwd=tmp_path, env=run.environment, stderr=subprocess.PIPE, text=True
    ) as indexing:
        time.sleep(4)
        indexing.send_signal(signal.SIGINT)
        stderr = indexing.communicate(timeout=60)[1]
    assert indexing.returncode == 130
    told, stopped = [line for line in stderr.splitlines() if line.startswith("stop")]
    assert told == "stopping, when what was read is written down; Ctrl-C again to stop at once"
    done = int(stopped.split()[2].replace(",", ""))
    kept = int(stopped.split("; ")[1].split()[0].replace(",", ""))
    assert 0 < kept < 3000
    assert kept == done
    found = run("search", "blue", "--weak", "--paths", "-n", "5000").stdout.splitlines()
    assert len(found) == kept


def test_a_second_ctrl_c_ends_at_once():
    code = (
        "import os, signal; from seesay.cli.index import Bar, Stopping; from seesay.search.index import Progress\n"
        "bar = Bar(); bar.update(Progress(done=1, total=9, failed=0))\n"
        "with Stopping(bar):\n"
        "    os.kill(os.getpid(), signal.SIGINT); print('goes on', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT); print('does not come here')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "goes on\n"
    assert done.returncode == -signal.SIGINT


def test_doctor_names_every_extra_that_the_package_declares(run):
    (line,) = [line for line in run("doctor").stdout.splitlines() if line.startswith("ok    extras")]
    declared = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    assert declared
    installed = line.partition("installed: ")[2].partition(";")[0].split(", ")
    for extra, needs in declared.items():
        assert extra in line
        names = [need.split(">")[0].split("<")[0] for need in needs]
        has_all = all(name.replace("_", "-").lower() in packages() for name in names)
        assert (extra in installed) == has_all


def packages():
    return {each.metadata["Name"].replace("_", "-").lower() for each in metadata.distributions()}


def test_doctor_and_search_take_a_read_only_library_as_it_is(run, photos, tmp_path):
    run("index", "photos", "--library", "elsewhere")
    with read_only(tmp_path / "elsewhere", tmp_path / "disk") as place:
        told = run("doctor", "--library", place).stdout
        assert "ok    library   it can be searched, and nothing can be added: its disk is read-only" in told
        assert "FAIL" not in told
        found = run("search", "red", "-n", "1", "--weak", "--json", "--library", place).stdout
        assert json.loads(found)["path"].endswith("red.png")
        refused = run("index", "photos", "--library", place, code=2).stderr
        assert refused == (
            f"seesay: nothing can be added to the library {place}: its disk is read-only; mend that, "
            "or name another with --library\n"
        )


def test_a_name_cannot_write_a_line_of_results_or_command_the_terminal(run, photos):
    odd = photos / "a\x1b]0;owned\x07\x1b[31mred\nx 0.999  fake.jpg.png"
    (photos / "red.png").rename(odd)
    (photos / "bad\x1b[2J\n.png").write_bytes(b"no picture")
    indexed = run("index", "photos")
    lines = run("search", "red", "--weak").stdout.splitlines()
    assert len(lines) == 3
    assert r"$'photos/a\x1b]0;owned\x07\x1b[31mred\nx 0.999  fake.jpg.png'" in {line[7:].strip() for line in lines}
    for said in (
        indexed.stderr,
        run("errors").stdout,
        run("classify", odd, photos / "blue.png", "--labels", "a,b").stdout,
    ):
        assert all(line.isprintable() for line in said.splitlines())
    # into a pipe --paths and -0 are the bytes; on a terminal a line each, for a shell
    assert os.fsencode(odd) in run("search", "red", "--weak", "-0", text=False).stdout.split(b"\0")
    shown = on_a_terminal([SEESAY, "search", "red", "--weak", "--paths"], run.environment, photos.parent)
    assert len(shown.splitlines()) == 3
    assert all(line.isprintable() for line in shown.splitlines())


def on_a_terminal(command, environment, folder):
    """What a program writes to a terminal."""
    pty = pytest.importorskip("pty", reason="only POSIX has terminals")
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=environment, cwd=folder) as program:
        os.close(theirs)
        content = b""
        while True:
            try:
                content += (part := os.read(ours, 65536))
            except OSError:  # as Linux says that nobody writes any more
                break
            if not part:
                break
        program.wait()
    os.close(ours)
    return content.decode()
