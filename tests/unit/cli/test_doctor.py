"""What `seesay doctor` says of a library."""

import shutil
import sqlite3
from contextlib import closing

import pytest
import typer
from encoders import ColourEncoder
from painting import paint

from seesay.cli import doctor as module
from seesay.search import database
from seesay.search.library import Library
from seesay.search.matrix_files import INDEX
from seesay.search.store import DATABASE


@pytest.fixture
def folder(tmp_path):
    for name in "abcdefgh":
        paint(tmp_path / f"{name}.png", (200, 10, 10))
    with Library.open(tmp_path / "library", encoder=ColourEncoder()) as library:
        library.add(tmp_path)
    return tmp_path / "library"


def test_doctor_has_a_line_for_every_damage_and_never_a_traceback(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    for part in ("_versions", "_extras", "_backend", "_model", "_disk"):
        monkeypatch.setattr(module, part, lambda *_: iter(()))

    def said(damage):
        place = tmp_path / "copy"
        shutil.copytree(folder, place)
        try:
            path = place / DATABASE
            damage(path)
            with pytest.raises(typer.Exit):
                module.doctor(place)
            (line,) = capsys.readouterr().out.splitlines()
            assert line.startswith("FAIL  library")
            return line
        finally:
            shutil.rmtree(place)

    content = (folder / DATABASE).read_bytes()
    for page in range(1, len(content) // 4096, 5):
        line = said(lambda path, at=page * 4096: path.write_bytes(content[:at] + b"\xa5" * 4096 + content[at + 4096 :]))
        assert "index again" in line
    assert "is empty, so it is no library" in said(lambda path: path.write_bytes(b""))
    assert "index again" in said(lambda path: path.write_bytes(content[:6000]))
    assert "is a folder and not a library's file" in said(lambda path: (path.unlink(), path.mkdir()))
    assert "run `seesay index`" in said(lambda path: (path.parent / INDEX).write_bytes(b"{}"))

    def short_vector(path):
        with closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE vectors SET vector = x'00' WHERE item_id < 3")
            db.commit()

    assert "2 of its vectors are not of length 1" in said(short_vector)

    def odd(path):
        with closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE files SET folder = 'text'")
            db.commit()

    assert "8 rows of files hold what their columns cannot" in said(odd)
    held = []

    def hold(path):
        held.append(sqlite3.connect(path, isolation_level=None))
        held[0].execute("PRAGMA locking_mode = EXCLUSIVE")
        held[0].execute("BEGIN EXCLUSIVE")

    assert "another program holds the library" in said(hold)
    held[0].close()
