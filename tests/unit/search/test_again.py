"""Reading again what did not change: --rebuild, and --renew after our decoders changed."""

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from encoders import COLOURS, ColourEncoder
from films import film
from painting import paint

from seesay.base.errors import InputError
from seesay.search import index, library, reading
from seesay.search.index import Summary
from seesay.search.library import Library
from seesay.search.store import DATABASE

STILLS = len(COLOURS)


def vectors(opened):
    """All vectors, by file and time."""
    query = "SELECT name, time_s, vector FROM files JOIN items ON file_id = files.id JOIN vectors ON item_id = items.id"
    with closing(sqlite3.connect(opened.folder / DATABASE)) as db:
        return {(name, time_s): np.frombuffer(vector, "<f2") for name, time_s, vector in db.execute(query)}


def spoil(opened):
    """As if a decoder of ours had made every vector wrongly."""
    wrong = np.eye(1, 48, dtype="<f2").tobytes()
    with closing(sqlite3.connect(opened.folder / DATABASE)) as db:
        db.execute("UPDATE vectors SET vector = ?", (wrong,))
        db.execute("UPDATE files SET reader = 0")
        db.commit()
    for path in opened.folder.glob("matrix*"):
        path.unlink()


def is_wrong(vector):
    return vector[0] == 1


@pytest.fixture
def filled(library, photos):
    film(photos / "film.mp4", ("red", 20), ("blue", 20), ("green", 20))
    assert library.add(photos) == Summary(added=STILLS + 1)
    return library


def equal(one, other):
    assert one.keys() == other.keys()
    for key in one:
        np.testing.assert_allclose(one[key].astype(float), other[key].astype(float), atol=2e-3)


def test_a_rebuild_with_the_same_model_makes_every_vector_again(filled, photos):
    right = vectors(filled)
    spoil(filled)
    assert filled.add() == Summary(unchanged=STILLS + 1)
    assert filled.add(rebuild=True) == Summary(changed=STILLS + 1)
    equal(vectors(filled), right)
    assert filled.add() == Summary(unchanged=STILLS + 1)
    assert filled.add(rebuild=True) == Summary(changed=STILLS + 1)  # a new one begins anew


@pytest.mark.parametrize("goes_on_with", [{}, {"rebuild": True}, {"renew": True}])
@pytest.mark.parametrize("at", [2, 6])
def test_a_rebuild_that_is_killed_loses_nothing_and_goes_on(filled, photos, monkeypatch, at, goes_on_with):
    right = vectors(filled)
    spoil(filled)
    monkeypatch.setattr(index, "BATCH", 4)
    counter = itertools.count(1)

    class KilledError(Exception):
        pass

    def stop(progress):
        if next(counter) > at * 2:
            raise KilledError

    with pytest.raises(KilledError):
        filled.add(rebuild=True, report=stop)
    halfway = vectors(filled)
    assert {name for name, _ in halfway} == {name for name, _ in right}
    moments = sorted(time_s for name, time_s in halfway if name == b"film.mp4")
    assert moments == sorted(time_s for name, time_s in right if name == b"film.mp4")  # old and new, none twice
    done = sum(not is_wrong(vector) for (name, _), vector in halfway.items() if name != b"film.mp4")
    num_pixels = filled.encoder.num_pixels
    summary = filled.add(**goes_on_with)
    assert summary.removed == summary.failed == 0
    equal(vectors(filled), right)
    assert filled.encoder.num_pixels - num_pixels <= len(right) - done  # what was done is not done again
    assert filled.add() == Summary(unchanged=STILLS + 1)
    assert filled.num_outdated() == 0


def test_a_rebuild_to_another_model_that_was_killed_goes_on_with_the_next_rebuild(filled):
    other = ColourEncoder("other")
    with Library.open(filled.folder, encoder=other) as opened:

        def stop(progress):
            if progress.done == STILLS:
                raise KeyboardInterrupt

        index_batch, index.BATCH = index.BATCH, 2
        try:
            with pytest.raises(KeyboardInterrupt):
                opened.add(rebuild=True, report=stop)
        finally:
            index.BATCH = index_batch
        before = other.num_pixels
        assert before >= 4
        summary = opened.add(rebuild=True)
        assert (summary.unchanged, summary.changed) == (STILLS, 1)  # what was read is committed before it ends


def test_a_rebuild_of_a_part_leaves_the_rest(filled, photos):
    (photos / "below").mkdir()
    paint(photos / "below" / "x.png", (9, 9, 9))
    filled.add()
    assert filled.add(photos / "below", rebuild=True) == Summary(changed=1)


def test_a_file_that_moved_meanwhile_is_read_all_the_same(filled, photos):
    spoil(filled)
    (photos / "red.png").rename(photos / "renamed.png")
    summary = filled.add(rebuild=True)
    assert summary.failed == 0
    assert not any(is_wrong(vector) for vector in vectors(filled).values())
    assert (b"red.png", None) not in vectors(filled)


def test_what_an_older_version_read_is_counted_and_renewed(filled, photos, monkeypatch):
    right = vectors(filled)
    assert filled.num_outdated() == 0
    spoil(filled)
    assert filled.num_outdated() == STILLS + 1
    assert filled.add(renew=True) == Summary(changed=STILLS + 1)
    equal(vectors(filled), right)
    assert filled.num_outdated() == 0
    assert filled.add(renew=True) == Summary(unchanged=STILLS + 1)


def test_a_new_version_of_one_decoder_renews_its_files_alone(filled, monkeypatch):
    for number, expected in ((1, 1), (0, STILLS)):  # of videos, then of pictures
        raised = tuple(version + (at == number) for at, version in enumerate(reading.READERS))
        monkeypatch.setattr(library, "READERS", raised)
        assert filled.num_outdated() == expected
        assert filled.add(renew=True) == Summary(changed=expected, unchanged=STILLS + 1 - expected)


def test_copies_and_moved_files_keep_the_version_that_read_them(filled, photos, monkeypatch):
    spoil(filled)
    (photos / "copy.png").write_bytes((photos / "red.png").read_bytes())
    (photos / "blue.png").rename(photos / "moved.png")
    assert filled.add() == Summary(added=1, moved=1, unchanged=STILLS)
    assert filled.num_outdated() == STILLS + 2


def test_a_file_that_fails_when_it_is_read_again_keeps_what_it_had(filled, photos, monkeypatch):
    examine_picture = reading.examine_picture

    def refuse(path, **options):
        if Path(path).name == "red.png":
            raise InputError("the new decoder does not take it")
        return examine_picture(path, **options)

    with monkeypatch.context() as worse:
        worse.setattr(reading, "examine_picture", refuse)
        assert filled.add(rebuild=True) == Summary(changed=STILLS, failed=1)
        assert filled.add() == Summary(unchanged=STILLS + 1)  # it is not tried every time
    assert [error.reason for error in filled.errors()] == ["the new decoder does not take it"]
    assert filled.search("red", limit=1)[0].path == str(photos / "red.png")
    assert filled.num_outdated() == 1
    assert filled.add(renew=True) == Summary(changed=1, unchanged=STILLS)
    assert filled.errors() == []


def test_a_file_that_changed_and_fails_is_not_kept(filled, photos):
    (photos / "red.png").write_text("no picture")
    assert filled.add(rebuild=True) == Summary(changed=STILLS, failed=1)
    assert str(photos / "red.png") not in {hit.path for hit in filled.search("red", limit=99)}


def test_what_cannot_be_reached_is_read_again_when_it_is_back(filled, photos, tmp_path):
    spoil(filled)
    photos.rename(tmp_path / "away")
    assert filled.add(rebuild=True) == Summary(out_of_reach=STILLS + 1)
    assert all(is_wrong(vector) for vector in vectors(filled).values())
    (tmp_path / "away").rename(photos)
    assert filled.add() == Summary(changed=STILLS + 1)
    assert not any(is_wrong(vector) for vector in vectors(filled).values())
