"""The library through its face: what a run counts, what a search finds, what is refused."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from encoders import COLOURS, ColourEncoder
from painting import paint

from seesay.base.errors import LibraryBusyError, LibraryError, ModelMismatchError, SchemaError, UsageError
from seesay.search import schema
from seesay.search.index import Summary
from seesay.search.library import Library
from seesay.search.matrix import INDEX
from seesay.search.query import Query, Term
from seesay.search.store import DATABASE

is_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")


def names(hits):
    return [Path(hit.path).name for hit in hits]


def content(library):
    """Everything that counts in a library, whatever order it was added in."""
    query = (
        "SELECT folder, name, size_bytes, digest, vector "
        "FROM files JOIN items ON file_id = files.id JOIN vectors ON item_id = items.id"
    )
    with closing(sqlite3.connect(library.folder / DATABASE)) as db:
        return sorted(db.execute(query))


def test_a_text_finds_the_picture_it_names(library, photos):
    assert library.add(photos) == Summary(added=5)
    for colour in ("red", "green", "blue", "white", "black"):
        assert names(library.search(colour, limit=1)) == [f"{colour}.png"]


def test_scores_are_cosines_best_first(library, photos, encoder):
    library.add(photos)
    hits = library.search("red")
    vectors = encoder.encode_images([hit.path for hit in hits])
    expected = vectors @ encoder.encode_texts(["red"])[0]
    np.testing.assert_allclose([hit.score for hit in hits], expected, atol=1e-3)  # float16 rows
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_second_run_over_unchanged_files_reads_no_pixels(library, photos, encoder):
    library.add(photos)
    before = encoder.num_pixels
    assert library.add(photos) == Summary(unchanged=5)
    assert encoder.num_pixels == before


def test_without_a_path_everything_added_before_is_visited(library, photos):
    library.add(photos)
    paint(photos / "late.png", (200, 0, 0))
    assert library.add() == Summary(added=1, unchanged=5)


def test_a_moved_file_keeps_its_vector(library, photos, encoder):
    library.add(photos)
    before = encoder.num_pixels
    (photos / "trip").mkdir()
    (photos / "red.png").rename(photos / "trip" / "renamed.png")
    assert library.add(photos) == Summary(moved=1, unchanged=4)
    assert encoder.num_pixels == before
    assert names(library.search("red", limit=1)) == ["renamed.png"]


def test_a_touched_file_and_a_copy_cost_no_pixels(library, photos, encoder):
    library.add(photos)
    before = encoder.num_pixels
    os.utime(photos / "red.png", (1, 1))
    shutil.copy(photos / "blue.png", photos / "again.png")
    assert library.add(photos) == Summary(added=1, unchanged=5)
    assert encoder.num_pixels == before
    assert sorted(names(library.search("blue", limit=2, all_files=True))) == ["again.png", "blue.png"]


def test_two_files_that_swapped_names_are_both_right(library, photos):
    library.add(photos)
    (photos / "red.png").rename(photos / "x.png")
    (photos / "blue.png").rename(photos / "red.png")
    (photos / "x.png").rename(photos / "blue.png")
    library.add(photos)
    assert names(library.search("red", limit=1)) == ["blue.png"]
    assert names(library.search("blue", limit=1)) == ["red.png"]
    assert len(library) == 5


def test_a_changed_file_is_read_again(library, photos):
    library.add(photos)
    paint(photos / "red.png", (0, 0, 250))
    assert library.add(photos) == Summary(changed=1, unchanged=4)
    assert names(library.search("red", limit=1)) != ["red.png"]


def test_a_removed_file_leaves_the_results(library, photos):
    library.add(photos)
    (photos / "red.png").unlink()
    assert library.add(photos) == Summary(removed=1, unchanged=4)
    assert "red.png" not in names(library.search("red"))


def test_files_of_a_removed_folder_leave_the_results(library, photos):
    (photos / "trip" / "day").mkdir(parents=True)
    paint(photos / "trip" / "day" / "deep.png", (255, 0, 0))
    library.add(photos)
    shutil.rmtree(photos / "trip")
    assert library.add(photos) == Summary(removed=1, unchanged=5)
    assert library.num_files() == 5


def test_a_removed_file_named_itself_leaves_the_results(library, photos):
    library.add(photos / "red.png")
    (photos / "red.png").unlink()
    assert library.add(photos / "red.png") == Summary(removed=1)


def test_files_below_a_folder_that_cannot_be_listed_stay(library, photos, monkeypatch):
    trip = photos / "trip"
    trip.mkdir()
    paint(trip / "deep.png", (255, 0, 0))
    library.add(photos)
    scandir = os.scandir

    def refuse(path):
        if os.fsdecode(path) == str(trip):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # a mode would not stop root, who runs many a CI
    assert library.add(photos) == Summary(unchanged=5, failed=1, out_of_reach=1)
    assert "deep.png" in names(library.search("red"))
    (error,) = library.errors()
    assert (error.path, error.reason) == (os.fsencode(trip), "the folder cannot be listed: Permission denied")
    monkeypatch.undo()
    assert library.add(photos) == Summary(unchanged=6)
    assert library.errors() == []


@is_root
def test_files_below_a_folder_without_permission_stay(library, photos):
    trip = photos / "trip"
    trip.mkdir()
    paint(trip / "deep.png", (255, 0, 0))
    library.add(photos)
    trip.chmod(0)
    try:
        assert library.add(photos) == Summary(unchanged=5, failed=1, out_of_reach=1)
    finally:
        trip.chmod(stat.S_IRWXU)


def test_hidden_files_and_links_to_folders_are_passed_over(library, photos):
    (photos / ".thumbnails").mkdir()
    paint(photos / ".thumbnails" / "small.png", (255, 0, 0))
    paint(photos / ".hidden.png", (255, 0, 0))
    (photos / "loop").symlink_to(photos)
    assert library.add(photos) == Summary(added=5)


def test_a_bad_file_is_a_line_in_the_ledger_and_no_neighbour_is_skipped(library, photos):
    (photos / "a-text.jpg").write_text("this is no picture")
    (photos / "empty.png").touch()
    (photos / "gone.jpg").symlink_to(photos / "nowhere.jpg")
    os.mkfifo(photos / "pipe.jpg")
    shortened = (photos / "red.png").read_bytes()
    (photos / "cut.png").write_bytes(shortened[: len(shortened) // 2])
    odd = os.fsencode(photos) + b"/caf\xe9.png"
    shutil.copy(os.fsencode(photos / "green.png"), odd)
    summary = library.add(photos)
    assert summary == Summary(added=6, failed=5)
    ledger = {Path(os.fsdecode(error.path)).name: error.reason for error in library.errors()}
    assert set(ledger) == {"a-text.jpg", "empty.png", "gone.jpg", "pipe.jpg", "cut.png"}
    assert ledger["gone.jpg"] == "a link to a file that is not there"
    assert "not a regular file" in ledger["pipe.jpg"]
    assert "empty" in ledger["empty.png"]
    assert os.fsencode(library.search("green", limit=1)[0].path) in (odd, os.fsencode(photos / "green.png"))


def test_a_known_failure_is_read_again_only_when_it_changed_or_on_retry(library, photos):
    bad = photos / "bad.png"
    bad.write_text("no picture")
    assert library.add(photos) == Summary(added=5, failed=1)
    assert library.add(photos) == Summary(unchanged=5, failed=1)
    assert library.retry() == Summary(failed=1)
    paint(bad, (255, 0, 0))
    assert library.add(photos) == Summary(added=1, unchanged=5)
    assert library.errors() == []


def test_the_ledger_forgets_files_that_are_gone(library, photos):
    (photos / "bad.png").write_text("no picture")
    library.add(photos)
    (photos / "bad.png").unlink()
    library.add(photos)
    assert library.errors() == []


def test_a_picture_that_broke_leaves_the_results(library, photos):
    library.add(photos)
    (photos / "red.png").write_text("overwritten")
    assert library.add(photos) == Summary(unchanged=4, failed=1)
    assert "red.png" not in names(library.search("red"))


def test_under_is_applied_before_ranking(library, photos):
    for folder in ("a", "a b", "a0"):
        (photos / folder).mkdir()
        paint(photos / folder / f"{folder}.png", (0, 255, 0))
    library.add(photos)
    assert names(library.search("red", limit=1, under=photos / "a")) == ["a.png"]
    assert names(library.search("red", under=photos / "blue.png")) == ["blue.png"]
    assert len(library.search("red", under=photos)) == 8


def test_a_sum_moves_the_result(library, photos, encoder):
    library.add(photos)
    mixed = Query((Term(text="red"), Term(text="white"), Term(text="red", weight=-1.0)))
    assert names(library.search(mixed, limit=1)) == ["white.png"]
    assert names(library.search(photos / "blue.png", limit=1)) == ["blue.png"]
    assert names(library.search(encoder.encode_texts(["green"])[0] * 7, limit=1)) == ["green.png"]


def test_an_incremental_library_equals_a_fresh_one(library, photos, tmp_path, encoder):
    library.add(photos)
    (photos / "red.png").unlink()
    paint(photos / "new.png", (10, 200, 10))
    paint(photos / "blue.png", (1, 2, 250))
    library.add(photos)
    with Library.open(tmp_path / "fresh", encoder=encoder) as fresh:
        fresh.add(photos)
        assert content(library) == content(fresh)
        assert len(content(fresh)) == 5


def test_the_matrix_is_rebuilt_when_it_is_missing_or_does_not_match(library, photos):
    library.add(photos)
    expected = library.search("red")
    for harm in (
        lambda: [path.unlink() for path in library.folder.glob("matrix*")],
        lambda: (library.folder / INDEX).write_bytes(b"{}\n"),
        lambda: (library.folder / INDEX).write_bytes(b"garbage"),
        lambda: [path.write_bytes(b"") for path in library.folder.glob("matrix-*.f16")],
    ):
        harm()
        assert library.search("red") == expected


def test_a_library_of_another_model_is_refused_with_the_cure(library, photos, tmp_path):
    library.add(photos)
    other = ColourEncoder("other")
    with Library.open(library.folder, encoder=other) as opened:
        with pytest.raises(
            ModelMismatchError, match=r"was indexed by colours@0+, this encoder is other@0+; .*--rebuild"
        ):
            opened.search("red")
        with pytest.raises(ModelMismatchError):
            opened.add(photos)
        assert opened.add(rebuild=True) == Summary(changed=5)
        assert names(opened.search("red", limit=1)) == ["red.png"]
    with pytest.raises(ModelMismatchError):
        library.search("red")


def test_a_rebuild_that_was_stopped_goes_on(library, photos, tmp_path):
    library.add(photos)
    other = ColourEncoder("other")
    with Library.open(library.folder, encoder=other) as opened:
        opened._store.set_model(other.id, other.dim)  # as if killed right after the change of model
        assert opened.search("red") == []
        assert opened.add() == Summary(changed=5)
        assert other.num_pixels == 5


def test_a_newer_library_is_refused_with_the_cure(tmp_path, photos, library):
    library.add(photos)
    library.close()
    with sqlite3.connect(library.folder / DATABASE) as db:
        db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(SchemaError, match=r"has schema \d+, this seesay knows up to \d+; upgrade"):
        Library.open(library.folder)


def test_a_file_that_is_no_library_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / DATABASE) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    with pytest.raises(SchemaError, match="not a seesay library"):
        Library.open(tmp_path)
    (tmp_path / DATABASE).write_bytes(b"garbage" * 1000)
    with pytest.raises(SchemaError, match="cannot be read as a library"):
        Library.open(tmp_path)


def test_a_second_writer_is_told_and_stops(library, photos):
    code = (
        "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire();"
        "print('held', flush=True); sys.stdin.read()"
    )
    lock = library.folder / "writer.lock"
    with subprocess.Popen(
        [sys.executable, "-c", code, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LibraryBusyError, match="another process is writing"):
            library.add(photos)
        other.communicate("")
    assert library.add(photos) == Summary(added=5)


def test_a_reader_sees_one_moment_while_a_writer_adds(library, photos, encoder):
    library.add(photos)
    with Library.open(library.folder, encoder=encoder) as reader:
        before = len(reader.search("red", limit=100))
        paint(photos / "late.png", (255, 0, 0))
        library.add(photos)
        assert len(reader.search("red", limit=100)) == before + 1


def test_what_cannot_be_asked_is_refused(library, photos, tmp_path):
    with pytest.raises(LibraryError, match="nothing was added to"):
        library.search("red")
    with pytest.raises(UsageError, match="nothing was added yet"):
        library.add()
    with pytest.raises(UsageError, match="there is no file or folder"):
        library.add(tmp_path / "nowhere")
    library.add(photos)
    with pytest.raises(UsageError, match="the query is empty"):
        library.search("  ")
    with pytest.raises(UsageError, match="limit must be at least 1, got 0"):
        library.search("red", limit=0)
    with pytest.raises(UsageError, match=r"must be \(48,\), finite and not 0; got \(3,\)"):
        library.search(np.ones(3, np.float32))
    with pytest.raises(LibraryError, match="there is no library in"):
        Library.open(tmp_path / "none", create=False)


def test_stopping_in_the_middle_keeps_all_that_was_read(library, photos):
    for number in range(80):
        paint(photos / f"{number:03}.png", (number, number, number))

    def stop(progress):
        if progress.done == 70:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.add(photos, report=stop)
    assert len(library) == 70
    assert library.add(photos) == Summary(added=15, unchanged=70)


def test_check_says_nothing_of_a_sound_library(library, photos):
    library.add(photos)
    assert library.check() == []


def test_a_library_whose_model_has_no_name_here_says_how_to_name_it(library, photos):
    library.add(photos)
    with (
        Library.open(library.folder) as opened,
        pytest.raises(UsageError, match=r"colours@0+ made this library, .* name its folder with --model"),
    ):
        opened.search("red")


class Calibrated(ColourEncoder):
    """Of which somebody knows when a picture shows what a text says."""

    least = 1.01

    def least_cosine(self, num_pictures):
        return self.least - 0.01 * num_pictures


def test_where_nothing_matches_a_text_nothing_is_found(tmp_path, photos):
    with Library.open(tmp_path / "calibrated", encoder=Calibrated()) as library:
        library.add(photos)
        assert len(library) == 5
        best = library.search("red", weak=True)[0]
        assert best.score == pytest.approx(1.0, abs=1e-3)
        assert library.search("red")[0] == best  # 1.01 less 0.01 for each of them: the library's size counts
        assert library.least_cosine("red") == pytest.approx(0.96)
        library.encoder.least = 1.1
        assert library.search("red") == []
        assert library.search(Path(best.path))[0].path == best.path  # a calibration speaks of texts alone
        assert library.search(Query((Term(text="red"), Term(text="blue", weight=0.1)))) != []


def test_pictures_that_are_alike_count_once_for_whether_anything_matches(tmp_path, photos):
    with Library.open(tmp_path / "calibrated", encoder=Calibrated()) as library:
        library.add(photos)
        (tmp_path / "more").mkdir()
        for number in range(4):
            paint(tmp_path / "more" / f"{number}.png", COLOURS["red"])
        library.add(tmp_path / "more")
        assert len(library) == 9
        assert library.least_cosine("red") >= 1.01 - 0.06 - 1e-9  # the five, and the four as one more at the most
        assert library.least_cosine(Path("red.png")) is None


def test_an_item_its_vector_and_the_counts(library, photos, encoder):
    (photos / "bad.png").write_text("no picture")
    library.add(photos)
    hit = library.search("red", limit=1)[0]
    assert os.fsdecode(library.item(hit.id).path) == hit.path
    vector = library.vector_of(hit.id)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(vector, encoder.encode_images([hit.path])[0], atol=5e-4)  # stored in 16 bits
    assert len(library.moments(hit.id).ids) == 0
    counts = library.counts()
    assert (counts.files, counts.items, counts.videos, counts.errors, counts.running) == (5, 5, 0, 1, None)
    for ask in (library.item, library.vector_of, library.moments):
        with pytest.raises(UsageError, match="has no item 999"):
            ask(999)


def test_how_far_a_run_is_can_be_seen_from_outside_while_it_goes_on(library, photos):
    seen = []

    def look(progress):
        with Library.open(library.folder, create=False) as other:
            seen.append(other.counts().running)

    library.add(photos, report=look)
    assert seen[0] == (0, 5)
    assert library.counts().running is None


def test_a_run_that_was_killed_is_not_taken_for_one_that_goes_on(library, photos, monkeypatch):
    library.add(photos)
    job = library._store.start_job()
    library._store.report_job(job, 3, 9)
    assert library.counts().running == (3, 9)
    monkeypatch.setattr("seesay.search.store.SILENT_S", 0.0)
    assert library.counts().running is None
