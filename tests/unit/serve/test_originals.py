"""Which file is served for an item: the one that the index read, and no other that has its name by now."""

import io
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from films import film
from painting import paint
from PIL import Image

from seesay.encoders import load
from seesay.search import database
from seesay.search.library import Library
from seesay.search.store import DATABASE
from seesay.serve.errors import NotFoundError
from seesay.serve.media import THUMBNAILS, Thumbnails
from seesay.serve.originals import check_original, open_original

ELSEWHERE = "a link leads elsewhere than when the file was indexed; bring the library up to date with `seesay index`"


@pytest.fixture
def photos(tmp_path):
    """Pictures, an album of links to a picture and to a folder's picture, and a film."""
    for folder in ("photos/inner", "photos/album", "attic", "secret"):
        (tmp_path / folder).mkdir(parents=True)
    paint(tmp_path / "photos" / "red.png", (200, 10, 10))
    paint(tmp_path / "photos" / "inner" / "blue.png", (10, 10, 200))
    paint(tmp_path / "attic" / "green.png", (10, 200, 10))
    (tmp_path / "photos" / "album" / "link.png").symlink_to(tmp_path / "attic" / "green.png")
    film(tmp_path / "photos" / "film.mp4", ("red", 2))
    for name in ("red.png", "blue.png", "green.png"):
        paint(tmp_path / "secret" / name, (1, 2, 3))
    return tmp_path / "photos"


@pytest.fixture
def rows(photos, tmp_path):
    """Items by the name of their file."""
    with Library.open(tmp_path / "library", encoder=load("starter")) as library:
        library.add(photos)
        hits = library.search("red", weak=True, all_files=True)
        return {Path(hit.path).name: library.item(hit.id) for hit in hits}


def same_facts(path, as_path):
    """Make a file that size and time do not tell from another."""
    facts = as_path.stat()
    content = path.read_bytes()[: facts.st_size]
    path.write_bytes(content + bytes(facts.st_size - len(content)))
    os.utime(path, ns=(facts.st_mtime_ns, facts.st_mtime_ns))


def test_files_and_albums_of_links_are_opened(rows, photos):
    for name, row in rows.items():
        opened = open_original(row)
        try:
            assert Path(opened.path).read_bytes() == next(photos.rglob(name)).read_bytes()
        finally:
            opened.close()
    assert os.fsdecode(rows["link.png"].real_path).endswith("/attic/green.png")
    assert rows["red.png"].real_path is None


def test_a_link_in_the_place_of_a_file_or_of_a_folder_is_not_followed(rows, photos, tmp_path):
    red, inner = photos / "red.png", photos / "inner"
    same_facts(tmp_path / "secret" / "red.png", red)
    same_facts(tmp_path / "secret" / "blue.png", inner / "blue.png")
    red.unlink()
    red.symlink_to(tmp_path / "secret" / "red.png")
    inner.rename(tmp_path / "away")
    inner.symlink_to(tmp_path / "secret")
    album = photos / "album" / "link.png"
    same_facts(tmp_path / "secret" / "green.png", album)
    album.unlink()
    album.symlink_to(tmp_path / "secret" / "green.png")
    for name in ("red.png", "blue.png", "link.png"):
        with pytest.raises(NotFoundError, match="a link leads elsewhere"):
            check_original(rows[name])


def test_what_the_index_never_saw_is_not_opened(rows, photos):
    red = photos / "red.png"
    red.write_bytes(b"another picture")
    with pytest.raises(NotFoundError, match="the file has changed since it was indexed"):
        check_original(rows["red.png"])
    red.unlink()
    for make in (lambda: None, lambda: os.mkfifo(red), red.mkdir):
        make()
        with pytest.raises(NotFoundError, match="the file is not there any more"):
            check_original(rows["red.png"])
        if red.exists() and not red.is_dir():
            red.unlink()
    with pytest.raises(NotFoundError, match="not there"):
        check_original(replace(rows["red.png"], path=b"/a\0b"))


def test_after_another_run_a_link_that_was_changed_is_followed(rows, photos, tmp_path):
    red = photos / "red.png"
    shutil.copy2(red, tmp_path / "attic" / "same.png")
    red.unlink()
    red.symlink_to(tmp_path / "attic" / "same.png")
    with pytest.raises(NotFoundError):
        check_original(rows["red.png"])
    with Library.open(tmp_path / "library", encoder=load("starter")) as library:
        assert library.add(photos).unchanged == 4
        check_original(library.item(rows["red.png"].id))
        red.unlink()
        shutil.copy2(tmp_path / "attic" / "same.png", red)
        library.add(photos)
        assert library.item(rows["red.png"].id).real_path is None


def test_no_route_shows_what_a_link_leads_to_and_no_file_stays_open(rows, photos, tmp_path, serve):
    red = photos / "red.png"
    with serve(tmp_path / "library") as client:
        address = f"/api/items/{rows['red.png'].id}"
        content = red.read_bytes()
        for _ in range(3):
            assert client.get(f"{address}/file").content == content
            assert client.get(f"{address}/file", headers={"Range": "bytes=1-3"}).content == content[1:4]
            assert client.get(f"{address}/file", headers={"Range": "bytes=999999-"}).status_code == 416
        assert client.get(f"/api/items/{rows['link.png'].id}/file").status_code == 200
        red.unlink()
        red.symlink_to(tmp_path / "secret" / "red.png")
        film_path = photos / "film.mp4"
        film_path.rename(tmp_path / "attic" / "film.mp4")
        film_path.symlink_to(tmp_path / "attic" / "film.mp4")
        moment = f"/api/items/{rows['film.mp4'].id}"
        for path in (
            f"{address}/file",
            f"{address}/thumbnail",
            f"{address}/heat?q=red",
            f"{moment}/file",
            f"{moment}/thumbnail",
            f"{moment}/clip?start_s=0&end_s=1",
        ):
            answer = client.get(path)
            assert (answer.status_code, answer.json()) == (404, {"error": ELSEWHERE}), path
        opened = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
        assert not [path for path in opened if path.startswith((str(photos), str(tmp_path / "attic")))]


def test_thumbnails_of_another_library_are_neither_shown_nor_kept(rows, photos, tmp_path, serve):
    old = tmp_path / "library" / THUMBNAILS / f"{rows['red.png'].id}-256.jpg"
    old.parent.mkdir()
    Image.new("RGB", (40, 40), "yellow").save(old)
    with serve(tmp_path / "library") as client:
        first = client.get("/api/search", params={"q": "red", "weak": True}).json()["library"]
        address = f"/api/items/{rows['red.png'].id}/thumbnail"
        plain, named = client.get(address), client.get(address, params={"v": first})
        assert "immutable" not in plain.headers["cache-control"]
        assert "immutable" in named.headers["cache-control"]
        assert plain.content == named.content
        assert Image.open(io.BytesIO(named.content)).getpixel((20, 20))[1] < 50  # not yellow
    assert [path.name for path in (tmp_path / "library" / THUMBNAILS).iterdir()] == [first]
    (tmp_path / "library" / DATABASE).unlink()
    with Library.open(tmp_path / "library", encoder=load("starter")) as library:
        library.add(photos / "inner")
    with serve(tmp_path / "library") as client:
        (hit,) = client.get("/api/search", params={"q": "red", "weak": True}).json()["hits"]
        assert hit["id"] == 1
        answer = client.get("/api/items/1/thumbnail", params={"v": first})
        assert answer.status_code == 404
        assert "of another library than the one that is served now; search again" in answer.json()["error"]
        blue = Image.open(io.BytesIO(client.get("/api/items/1/thumbnail").content)).getpixel((20, 20))
        assert blue[2] > 150
    assert not (tmp_path / "library" / THUMBNAILS / first).exists()


def test_links_among_thumbnails_are_not_followed(rows, tmp_path):
    diary = tmp_path / "diary" / "1-256.jpg"
    diary.parent.mkdir()
    diary.write_bytes(b"my diary")
    row, identity = rows["red.png"], "0" * 32
    thumbnails = Thumbnails(tmp_path / "library")
    for link in (tmp_path / "library" / THUMBNAILS, tmp_path / "library" / THUMBNAILS / identity):
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(diary.parent)
        assert thumbnails.get(row, identity, side_px=256).startswith(b"\xff\xd8")
        link.unlink()
    folder = tmp_path / "library" / THUMBNAILS / identity
    folder.mkdir()
    (folder / f"{row.id}-256.jpg").symlink_to(diary)
    assert thumbnails.get(row, identity, side_px=256).startswith(b"\xff\xd8")
    assert [path.name for path in diary.parent.iterdir()] == ["1-256.jpg"]
    assert diary.read_bytes() == b"my diary"


def test_a_library_that_another_program_holds_is_503_with_the_cure(rows, tmp_path, serve, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    with serve(tmp_path / "library") as client:
        with closing(sqlite3.connect(tmp_path / "library" / DATABASE, isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            for path in ("/api/search?q=red", f"/api/items/{rows['red.png'].id}"):
                answer = client.get(path)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
                assert "another program holds the library" in answer.json()["error"]
        assert client.get("/api/search?q=red").status_code == 200
