"""A library that came from somebody else, or from a disk that loses bits: nothing outside it is touched, and what is
found is what the record says."""

import json
import os
import shutil
import sqlite3
import warnings
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime

import filelock
import numpy as np
import pytest

from seesay.base.errors import LibraryBusyError, LibraryError, SchemaError, UsageError
from seesay.search import database, matrix_files
from seesay.search.library import Library
from seesay.search.matrix_files import INDEX, Header
from seesay.search.store import DATABASE, LOCK

DIARY = b"my diary\n" * 100


def found(library):
    return [(hit.path, round(hit.score, 4)) for hit in library.search("red", weak=True)]


@pytest.fixture
def expected(library, photos):
    library.add(photos)
    hits = found(library)
    library.close()
    return hits


@pytest.fixture
def diary(tmp_path):
    path = tmp_path / "diary.txt"
    path.write_bytes(DIARY)
    return path


@pytest.fixture
def again(library, encoder):
    """Open the library once more, as one does who got it from somebody else."""
    return lambda: Library.open(library.folder, encoder=encoder, create=False)


def header_of(folder):
    line, _, ids = (folder / INDEX).read_bytes().partition(b"\n")
    return Header(**json.loads(line)), ids


def forge(folder, ids=None, **changes):
    """An index file with other values, and a digest that fits them: an attacker can make one too."""
    header, own_ids = header_of(folder)
    ids = own_ids if ids is None else ids
    header = replace(header, **changes)
    header = replace(header, digest=header.digest_with(ids))
    (folder / INDEX).write_bytes(json.dumps(asdict(header)).encode() + b"\n" + ids)


@pytest.mark.parametrize("name", ["{diary}", "../diary.txt", "matrix-../../diary.txt", "matrix-00.f16/../../diary.txt"])
@pytest.mark.parametrize("is_behind", [True, False])
def test_a_search_writes_no_file_that_an_index_names_elsewhere(library, expected, diary, again, name, is_behind):
    header, _ = header_of(library.folder)
    forge(library.folder, b"", rows_file=name.format(diary=diary), num_rows=0, generation=header.generation - is_behind)
    with again() as opened:
        assert found(opened) == expected
    assert diary.read_bytes() == DIARY


@pytest.mark.parametrize("which", ["rows", INDEX, f"{INDEX}.new", matrix_files.LOCK])
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_in_the_place_of_matrix_files_are_not_written_through(library, expected, diary, again, which, link):
    header, _ = header_of(library.folder)
    place = library.folder / (header.rows_file if which == "rows" else which)
    place.unlink(missing_ok=True)
    link(diary, place)
    if which == "rows":
        forge(library.folder, b"", num_rows=0, sums=[], generation=header.generation - 1)
    elif which != INDEX:
        (library.folder / INDEX).unlink()
    with again() as opened:
        assert found(opened) == expected
    assert diary.read_bytes() == DIARY


@pytest.mark.parametrize("which", ["rows", INDEX, matrix_files.LOCK])
def test_a_pipe_or_a_folder_in_the_place_of_a_matrix_file_stops_nothing(library, expected, again, which):
    header, _ = header_of(library.folder)
    place = library.folder / (header.rows_file if which == "rows" else which)
    for make in (os.mkfifo, os.mkdir):
        if place.is_dir():
            place.rmdir()
        else:
            place.unlink(missing_ok=True)
        make(place)
        with again() as opened:
            assert found(opened) == expected
            if place.is_dir():  # what nothing can mend by itself, doctor names
                assert which == "rows" or "remove it" in opened.check_derived()


@pytest.mark.parametrize(
    "changes",
    [
        {"num_rows": -1},
        {"num_rows": 10**12},
        {"num_rows": 5.0},
        {"num_rows": True},
        {"dim": 10**9},
        {"dim": 4},
        {"generation": "9"},
        {"format": 3},
        {"sums": [0]},
        {"sums": ["x"]},
        {"rows_file": None},
        {"rows_file": "matrix-00.f16\n"},
        {"library": "0" * 32},
    ],
)
def test_numbers_of_an_index_file_that_cannot_be_are_not_believed(library, expected, again, changes):
    forge(library.folder, **changes)
    with again() as opened:
        assert found(opened) == expected
        assert opened.check_derived() is None


@pytest.mark.parametrize(
    "content",
    [b"", b"[" * 100_000, b"{}\n", b"null\n", b'{"format": ' + b"9" * 5000 + b"}\n", b"\xff\xfe\n", bytes(99)],
)
def test_an_index_file_that_is_none_is_made_again(library, expected, again, content):
    (library.folder / INDEX).write_bytes(content)
    with again() as opened:
        assert found(opened) == expected


@pytest.mark.parametrize("ids", [[5, 4, 3, 2, 1], [1, 1, 2, 3, 4], [0, 1, 2, 3, 4], [1, 2, 3, 4, 99]])
def test_ids_that_are_not_those_of_the_record_are_not_used(library, expected, again, ids):
    forge(library.folder, np.array(ids, "<i8").tobytes())
    with again() as opened:
        assert found(opened) == expected


def test_bits_that_were_lost_are_noticed_and_mended_by_a_search_and_by_index(library, expected, again):
    header, _ = header_of(library.folder)
    rows = library.folder / header.rows_file
    sound = rows.read_bytes()
    random = np.random.default_rng(0)
    for mend in (found, Library.add):
        for _ in range(10):
            rows = library.folder / header_of(library.folder)[0].rows_file
            damaged = bytearray(sound)
            damaged[random.integers(len(sound))] ^= 1 << random.integers(8)
            rows.write_bytes(damaged)
            with again() as opened:
                assert "are damaged or of another library; run `seesay index`" in opened.check_derived()
                mend(opened)
                assert opened.check_derived() is None
                assert found(opened) == expected


def test_a_bit_of_the_index_file_that_was_lost_changes_no_search(library, expected, again):
    sound = (library.folder / INDEX).read_bytes()
    for place in range(0, len(sound), 7):
        damaged = bytearray(sound)
        damaged[place] ^= 1 << (place % 8)
        (library.folder / INDEX).write_bytes(damaged)
        with again() as opened:
            assert found(opened) == expected


@pytest.mark.parametrize("value", [np.nan, np.inf, -22.0, 22.0, 0.5])
def test_of_a_matrix_too_large_to_sum_up_each_time_what_is_shown_is_that_of_the_record(
    library, expected, again, monkeypatch, value
):
    monkeypatch.setattr(matrix_files, "SUMMED_AT_OPEN_BYTES", 0)
    header, _ = header_of(library.folder)
    path = library.folder / header.rows_file
    rows = np.fromfile(path, "<f2").reshape(-1, header.dim)
    rows[2] = value
    rows.tofile(path)
    with again() as opened, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert found(opened) == expected
        assert header_of(library.folder)[0].rows_file != header.rows_file


def test_sums_are_the_same_whether_rows_come_at_once_or_in_parts(monkeypatch):
    monkeypatch.setattr(matrix_files, "ROWS_A_SUM", 16)
    rows = np.random.default_rng(0).standard_normal((100, 8)).astype(np.float16)
    sums = matrix_files.Sums()
    for start, stop in ((0, 5), (5, 16), (16, 17), (17, 70), (70, 100)):
        sums.add(rows[start:stop])
    import zlib

    assert sums.values == [zlib.crc32(rows[start : start + 16].tobytes()) for start in range(0, 100, 16)]


def test_a_matrix_of_a_library_that_was_made_anew_is_not_taken_for_its_own(library, expected, again, photos):
    (library.folder / DATABASE).unlink()
    for name, other in (("red", "blue"), ("green", "white")):
        (photos / f"{name}.png").rename(photos / "x")
        (photos / f"{other}.png").rename(photos / f"{name}.png")
        (photos / "x").rename(photos / f"{other}.png")
    kept = {path.name: path.read_bytes() for path in library.folder.glob("matrix*")}
    with Library.open(library.folder, encoder=library.encoder) as opened:
        opened.add(photos)
        now = found(opened)
        assert now != expected
    for name, content in kept.items():
        (library.folder / name).write_bytes(content)
    with again() as opened:
        assert found(opened) == now


@pytest.mark.parametrize("vector", [b"", b"abc", bytes(10_000), "text", 7, "nan", "long"])
def test_a_vector_that_is_none_is_found_by_nothing_and_doctor_counts_it(library, expected, again, vector):
    with closing(sqlite3.connect(library.folder / DATABASE)) as db:
        ((dim,),) = db.execute("SELECT dim FROM models")
        special = {"nan": np.full(dim, np.nan, "<f2").tobytes(), "long": np.full(dim, 3, "<f2").tobytes()}
        db.execute("UPDATE vectors SET vector = ? WHERE item_id = 1", (special.get(vector, vector),))
        ((name,),) = db.execute("SELECT name FROM files WHERE id = (SELECT file_id FROM items WHERE id = 1)")
        db.commit()
    (library.folder / INDEX).unlink()
    with again() as opened:
        rest = [(path, score) for path, score in expected if not os.fsencode(path).endswith(b"/" + name)]
        assert found(opened) == rest
        assert opened.check()
        with pytest.raises(UsageError, match="the vector of item 1 is damaged; run `seesay index --rebuild`"):
            opened.vector_of(1)


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TRIGGER t AFTER UPDATE ON state BEGIN DELETE FROM files; END",
        "CREATE VIEW v AS SELECT * FROM files",
        "ALTER TABLE roots RENAME TO r; CREATE VIEW roots AS SELECT * FROM r",
        "CREATE VIRTUAL TABLE v USING fts5(text)",
    ],
)
def test_a_library_with_programs_in_it_is_refused(library, expected, again, script):
    with closing(sqlite3.connect(library.folder / DATABASE)) as db:
        db.executescript(script)
    with pytest.raises(SchemaError, match="has something that seesay never makes"):
        again()


@pytest.mark.parametrize(
    "script",
    [
        "ALTER TABLE files DROP COLUMN taken_ns; ALTER TABLE files ADD COLUMN taken_ns INTEGER AS (size_bytes)",
        "DROP TABLE forgotten",
    ],
)
def test_a_library_with_other_tables_is_refused(library, expected, again, script):
    with closing(sqlite3.connect(library.folder / DATABASE)) as db:
        db.executescript(script)
    with pytest.raises(SchemaError, match=r"lacks .*; move the library away and index again"):
        again()


@pytest.mark.parametrize(
    "change",
    [
        "files SET folder = 'text'",
        "files SET name = 7 WHERE id = 1",
        "files SET size_bytes = 'many'",
        "items SET start_s = 9e999",
        "items SET track = x'00'",
        "files SET digest = 'text'",
    ],
)
def test_values_that_cannot_be_are_a_sentence(library, expected, again, change):
    with closing(sqlite3.connect(library.folder / DATABASE)) as db:
        db.execute(f"UPDATE {change}")
        db.commit()
    with again() as opened:
        with pytest.raises(SchemaError, match=r"a row of .* in the library is damaged .* see `seesay doctor`"):
            found(opened)
        assert "hold what their columns cannot" in opened.check()[0]


@pytest.mark.parametrize(
    "change",
    [
        "items SET box = '0,0,nan,1'",
        "items SET box = '0,0,9,9'",
        "items SET box = 'all of it'",
        "jobs SET summary = '[1', finished_at = NULL",
        "jobs SET summary = '{}', finished_at = NULL",
        "jobs SET summary = '[\"a\", [], 9e99]', finished_at = NULL",
        "roots SET path = x'2e2e'",
        "roots SET path = x'2f0061'",
        "mounts SET point = x'2f0061'",
    ],
)
def test_odd_text_in_a_library_stops_no_search(library, expected, again, change):
    with closing(sqlite3.connect(library.folder / DATABASE)) as db:
        db.execute(f"UPDATE {change}")
        db.commit()
    with again() as opened:
        assert found(opened) == expected
        assert opened.counts().running is None


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
def test_a_database_file_that_is_a_link_a_pipe_or_a_folder_is_refused(library, expected, again, diary, end):
    place = library.folder / f"{DATABASE}{end}"
    for make, kind in (
        (lambda: place.symlink_to(diary), "link"),
        (lambda: os.mkfifo(place), "pipe"),
        (place.mkdir, "folder"),
    ):
        place.unlink(missing_ok=True)
        make()
        with pytest.raises(LibraryError, match=f"is a {kind}.* and not a library's file; move it away and try again"):
            again()
    assert diary.read_bytes() == DIARY


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_a_database_file_with_a_second_name_is_not_written(library, expected, again, diary, end):
    os.link(diary, library.folder / f"{DATABASE}{end}")
    with again() as opened:
        assert found(opened) == expected
        assert "hard link" in opened.read_only
        with pytest.raises(LibraryError, match="nothing can be added"):
            opened.add()
    assert diary.read_bytes() == DIARY


def test_times_beyond_the_calendar_are_its_end(library, expected, again):
    with closing(sqlite3.connect(library.folder / DATABASE)) as db:
        db.execute(
            "INSERT INTO errors VALUES (x'2f61', NULL, NULL, 'why', 1e300), (x'2f62', NULL, NULL, 'why', -1e300)"
        )
        db.commit()
    with again() as opened:
        assert [datetime.fromtimestamp(error.seen_at, UTC).year for error in opened.errors()] == [9999, 1970]


def test_a_lock_that_is_a_link_empties_no_other_file(library, expected, again, diary):
    (library.folder / LOCK).unlink()
    (library.folder / LOCK).symlink_to(diary)
    with again() as opened, pytest.raises(LibraryError, match=r"cannot be used: .* is a link or no file; remove it"):
        opened.add()
    assert diary.read_bytes() == DIARY


@pytest.mark.parametrize("identity", ["", "../../x", "A" * 32, "0" * 31 + "/", None, 7])
def test_an_identity_that_would_be_another_folder_is_refused(library, expected, again, identity):
    with closing(sqlite3.connect(library.folder / DATABASE)) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("UPDATE state SET identity = ?", (identity if identity is not None else b"",))
        db.commit()
    with again() as opened, pytest.raises(SchemaError, match="has no identity"):
        opened.identity  # noqa: B018


def test_each_library_has_an_identity_of_its_own_and_keeps_it(tmp_path, encoder):
    seen = set()
    for name in "abc":
        with Library.open(tmp_path / name, encoder=encoder) as opened:
            seen.add(opened.identity)
        with Library.open(tmp_path / name, encoder=encoder) as opened:
            assert opened.identity in seen
    assert len(seen) == 3


def test_a_new_library_is_its_owners_alone_and_a_mode_that_was_set_stays(tmp_path, encoder, photos):
    before = os.umask(0o022)
    try:
        with Library.open(tmp_path / "above" / "new", encoder=encoder) as opened:
            opened.add(photos)
        (tmp_path / "shared").mkdir()
        (tmp_path / "shared").chmod(0o755)
        Library.open(tmp_path / "shared", encoder=encoder).close()
        (tmp_path / "above" / "new").chmod(0o750)
        Library.open(tmp_path / "above" / "new", encoder=encoder).close()
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("above", "above/new", "shared")]
    assert modes == [0o755, 0o750, 0o755]
    Library.open(tmp_path / "other", encoder=encoder).close()
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o700


def test_a_program_that_holds_the_file_is_named_as_the_reason(library, expected, again, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(library.folder / DATABASE, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LibraryBusyError, match=r"another program holds the library .*; close it and try again"):
            again()


@pytest.mark.parametrize("damage", ["empty", "cut", "page", "text"])
def test_damage_to_the_file_is_a_sentence_with_the_cure(library, expected, again, damage):
    path = library.folder / DATABASE
    content = path.read_bytes()
    page = len(content) // 4096 // 2 * 4096
    path.write_bytes(
        {
            "empty": b"",
            "cut": content[: len(content) // 2],
            "page": content[:page] + b"\xa5" * 4096 + content[page + 4096 :],
            "text": b"SQLite format 4" + content[15:],
        }[damage]
    )

    def use():
        with again() as opened:
            found(opened)
            for problem in opened.check():
                raise SchemaError(f"{problem}; move it away and index again")  # as doctor does

    with pytest.raises(SchemaError, match="index again"):
        use()


def test_a_copy_made_of_hard_links_is_searched_and_the_original_stays(library, expected, encoder, tmp_path, photos):
    shutil.copytree(library.folder, tmp_path / "backup", copy_function=os.link)
    before = {path.name: path.read_bytes() for path in library.folder.iterdir()}
    with Library.open(tmp_path / "backup", encoder=encoder) as opened:
        assert found(opened) == expected
    assert {path.name: path.read_bytes() for path in library.folder.iterdir()} == before


def test_a_lock_that_another_holds_does_not_hide_damage(library, expected, again):
    header, _ = header_of(library.folder)
    (library.folder / header.rows_file).write_bytes(bytes(header.num_rows * header.dim * 2))
    with filelock.FileLock(library.folder / matrix_files.LOCK), again() as opened:
        assert found(opened) == expected
