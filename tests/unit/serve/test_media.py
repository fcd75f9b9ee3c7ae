"""Facts, thumbnails and types of the library's files, whatever state they are in."""

import io
import os
import shutil
from pathlib import Path

import pytest
from encoders import ColourEncoder
from films import film
from painting import paint
from PIL import Image

from seesay.search.library import Library
from seesay.search.rows import UNSEEN, Facts
from seesay.serve.errors import NotFoundError
from seesay.serve.media import THUMBNAILS, Thumbnails, describe, media_type
from seesay.serve.searching import describe_item


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    (folder / "photos").mkdir()
    paint(folder / "photos" / "red.png", (255, 0, 0))
    film(folder / "photos" / "film.mp4", ("red", 1), ("blue", 2))
    with Library.open(folder / "library", encoder=ColourEncoder()) as opened:
        opened.add(folder / "photos")
        yield opened


def test_a_page_of_a_scan_is_named_and_its_thumbnail_shows_it(tmp_path):
    red, blue = (Image.new("RGB", (60, 50), colour) for colour in ("red", "blue"))
    (tmp_path / "scans").mkdir()
    red.save(tmp_path / "scans" / "scan.tif", save_all=True, append_images=[blue])
    with Library.open(tmp_path / "library", encoder=ColourEncoder()) as library:
        library.add(tmp_path / "scans")
        (hit,) = library.search("blue")
        row = library.item(hit.id)
    assert describe_item(row)["page"] == 2
    assert colour(Thumbnails(tmp_path / "library").get(row, "0" * 32, side_px=100))[2] > 200


def colour(content):
    return Image.open(io.BytesIO(content)).convert("RGB").resize((1, 1)).getpixel((0, 0))


def test_a_thumbnail_shows_its_item_and_is_made_once(library):
    thumbnails = Thumbnails(library.folder)
    (hit,) = library.search("red", only="image", limit=1)
    content = thumbnails.get(library.item(hit.id), library.identity, side_px=100)
    assert max(Image.open(io.BytesIO(content)).size) <= 128
    assert colour(content)[0] > 200
    Path(hit.path).unlink()
    assert thumbnails.get(library.item(hit.id), library.identity, side_px=128) == content
    with pytest.raises(NotFoundError):
        thumbnails.get(library.item(hit.id), library.identity, side_px=512)
    paint(library.folder.parent / "photos" / "red.png", (255, 0, 0))


def test_the_thumbnail_of_a_moment_is_its_frame(library):
    thumbnails = Thumbnails(library.folder)
    for name, channel in (("red", 0), ("blue", 2)):
        (hit,) = library.search(name, only="video", limit=1)
        seen = colour(thumbnails.get(library.item(hit.id), library.identity, side_px=128))
        assert seen[channel] == max(seen) > 150


def test_thumbnails_stay_within_their_room_and_the_longest_unused_go(library):
    thumbnails = Thumbnails(library.folder, most_bytes=1000)
    folder = library.folder / THUMBNAILS / library.identity
    folder.mkdir(exist_ok=True, parents=True)
    for number in range(5):
        (folder / f"9{number}-128.jpg").write_bytes(bytes(400))
        os.utime(folder / f"9{number}-128.jpg", (2e9 + number, 2e9 + number))
    thumbnails.clean(library.identity)
    assert sorted(path.name for path in folder.iterdir()) == ["93-128.jpg", "94-128.jpg"]
    for path in folder.iterdir():
        path.unlink()


def test_facts_are_as_a_person_sees_the_picture_and_stay_whatever_becomes_of_the_file(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(folder / "turned.jpg", exif=exif)
    film(folder / "film.mp4", ("red", 2))
    pictures = [Image.new("RGB", (30, 10), (90 * number, 0, 0)) for number in range(3)]
    pictures[0].save(folder / "moving.gif", save_all=True, append_images=pictures[1:], duration=200)
    os.utime(folder / "film.mp4", (1e9, 1e9))
    size_bytes = (folder / "film.mp4").stat().st_size
    with Library.open(tmp_path / "library", encoder=ColourEncoder()) as library:
        library.add(folder)
        hits = library.search("red", weak=True, per_video=1, limit=10)
        before = {Path(hit.path).name: describe(hit.path, hit.facts) for hit in hits}
        rows = [library.item(hit.id) for hit in hits]
    shutil.rmtree(folder)
    folder.mkdir()
    os.mkfifo(folder / "turned.jpg")  # to open it would wait for ever
    with Library.open(tmp_path / "library", encoder=ColourEncoder()) as library:
        hits = library.search("red", weak=True, per_video=1, limit=10)
        assert {Path(hit.path).name: describe(hit.path, hit.facts) for hit in hits} == before
    assert {name: (one["width_px"], one["height_px"]) for name, one in before.items()} == {
        "turned.jpg": (20, 40),
        "film.mp4": (64, 48),
        "moving.gif": (30, 10),
    }
    assert before["film.mp4"]["size_bytes"] == size_bytes
    assert before["film.mp4"]["modified_at"] == "2001-09-09T01:46:40+00:00"
    assert before["film.mp4"]["duration_s"] == pytest.approx(2, abs=0.3)
    assert before["moving.gif"]["duration_s"] == pytest.approx(0.6)
    assert "duration_s" not in before["turned.jpg"]
    assert {describe_item(row)["width_px"] for row in rows} == {20, 64, 30}


def test_of_a_file_that_nobody_measured_the_answer_has_nulls():
    unseen = describe("/gone/a.jpg", Facts(5, 0, UNSEEN))
    assert (unseen["width_px"], unseen["height_px"], unseen["size_bytes"]) == (None, None, 5)
    assert describe("/gone/a.jpg", None)["modified_at"] is None


def test_only_what_a_browser_cannot_run_is_shown_as_it_is():
    assert media_type("a.JPG") == "image/jpeg"
    assert media_type("a.mp4") == "video/mp4"
    for name in ("a.svg", "a.html", "a.xml", "a.pdf", "a.js", "a", "a.png.svg"):
        assert media_type(name) is None
