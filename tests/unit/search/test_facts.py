"""What the library keeps of each file, so that nobody has to open it: size, length, time."""

import json
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from films import film
from painting import paint
from PIL import Image

from seesay.search.rows import UNSEEN, Look
from seesay.search.walk import LARGEST_NS, fit_ns
from seesay.serve.media import describe


def looks(library):
    with closing(sqlite3.connect(library.folder / "library.sqlite")) as db:
        rows = db.execute("SELECT name, width_px, height_px, duration_s FROM files")
        return {os.fsdecode(name): Look(*row) for name, *row in rows}


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "files"
    made.mkdir()
    paint(made / "red.png", (255, 0, 0))
    film(made / "film.mp4", ("red", 2))
    Image.new("RGB", (60, 50)).save(made / "scan.tif", save_all=True, append_images=[Image.new("RGB", (60, 50))])
    return made


def test_copies_and_moved_files_keep_what_was_seen(library, folder):
    library.add(folder)
    seen = looks(library)
    assert seen["scan.tif"] == Look(60, 50, None)
    assert seen["film.mp4"][:2] == (64, 48)
    assert UNSEEN not in seen.values()
    for name in ("red.png", "film.mp4", "scan.tif"):
        (folder / f"copy-{name}").write_bytes((folder / name).read_bytes())
        (folder / name).rename(folder / f"moved-{name}")
    library.add(folder)
    assert looks(library) == {f"{how}-{name}": look for name, look in seen.items() for how in ("copy", "moved")}


def test_renew_looks_again_at_what_an_older_version_read(library, folder):
    library.add(folder)
    seen = looks(library)
    with closing(sqlite3.connect(library.folder / "library.sqlite")) as db:
        db.execute("UPDATE files SET reader = 0, width_px = NULL, height_px = NULL, duration_s = NULL")
        db.commit()
    hits = library.search("red", weak=True)
    assert {describe(hit.path, hit.facts)["width_px"] for hit in hits} == {None}
    library.add(renew=True)
    assert looks(library) == seen


@pytest.mark.parametrize("year", [1600, 2446, 30_000])
def test_a_time_that_nothing_can_hold_becomes_the_nearest_that_can(library, folder, monkeypatch, year):
    time_ns = round((year - 1970) * 365.2425 * 86_400) * 10**9
    stat = os.stat

    def faked(path, *args, **options):
        status = stat(path, *args, **options)
        if not os.fsdecode(path).endswith("red.png"):
            return status
        return type(status)(tuple(status)[:10], {"st_mtime_ns": time_ns, "st_dev": status.st_dev})

    monkeypatch.setattr("seesay.search.walk.os.stat", faked)
    assert library.add(folder).added == 3
    assert library.add(folder).unchanged == 3
    (hit,) = library.search("red", only="image", limit=1, sort="date")
    said = json.dumps(hit.to_dict() | describe(hit.path, hit.facts))
    assert ('"modified_at": "1677-' if year < 1970 else '"modified_at": "2262-') in said
    found = library.search("red", only="image", weak=True, after=datetime(2200, 1, 1, tzinfo=UTC))
    assert [hit.path for hit in found] == ([] if year < 1970 else [str(folder / "red.png")])


def test_times_that_fit_stay():
    for time_ns in (-1, 0, LARGEST_NS, -LARGEST_NS):
        assert fit_ns(time_ns) == time_ns
    assert fit_ns(2**70) == LARGEST_NS
