"""Facts, thumbnails and types of the library's files, whatever state they are in."""

import io
import os
from pathlib import Path

import pytest
from encoders import ColourEncoder
from films import film
from painting import paint
from PIL import Image

from seesay.base.errors import InputError
from seesay.search.library import Library
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
    assert colour(Thumbnails(tmp_path / "library").get(row, side_px=100))[2] > 200


def colour(content):
    return Image.open(io.BytesIO(content)).convert("RGB").resize((1, 1)).getpixel((0, 0))


def test_a_thumbnail_shows_its_item_and_is_made_once(library):
    thumbnails = Thumbnails(library.folder)
    (hit,) = library.search("red", only="image", limit=1)
    content = thumbnails.get(library.item(hit.id), side_px=100)
    assert max(Image.open(io.BytesIO(content)).size) <= 128
    assert colour(content)[0] > 200
    Path(hit.path).unlink()
    assert thumbnails.get(library.item(hit.id), side_px=128) == content
    with pytest.raises(InputError):
        thumbnails.get(library.item(hit.id), side_px=512)
    paint(library.folder.parent / "photos" / "red.png", (255, 0, 0))


def test_the_thumbnail_of_a_moment_is_its_frame(library):
    thumbnails = Thumbnails(library.folder)
    for name, channel in (("red", 0), ("blue", 2)):
        (hit,) = library.search(name, only="video", limit=1)
        seen = colour(thumbnails.get(library.item(hit.id), side_px=128))
        assert seen[channel] == max(seen) > 150


def test_thumbnails_stay_within_their_room_and_the_longest_unused_go(library):
    thumbnails = Thumbnails(library.folder, most_bytes=1000)
    folder = library.folder / THUMBNAILS
    folder.mkdir(exist_ok=True)
    for number in range(5):
        (folder / f"9{number}-128.jpg").write_bytes(bytes(400))
        os.utime(folder / f"9{number}-128.jpg", (2e9 + number, 2e9 + number))
    thumbnails.clean()
    assert sorted(path.name for path in folder.iterdir()) == ["93-128.jpg", "94-128.jpg"]
    for path in folder.iterdir():
        path.unlink()


def test_facts_are_as_a_person_sees_the_picture_and_none_where_nobody_can(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (tmp_path / "broken.mp4").write_bytes(b"nothing at all")
    turned = describe(str(tmp_path / "turned.jpg"))
    assert (turned["width_px"], turned["height_px"], turned["name"]) == (20, 40, "turned.jpg")
    for name in ("broken.png", "broken.mp4", "missing.jpg"):
        found = describe(str(tmp_path / name))
        assert (found["width_px"], found["height_px"]) == (None, None)
    assert describe(str(tmp_path / "missing.jpg"))["size_bytes"] is None
    made = describe(str(film(tmp_path / "film.mp4", ("red", 2))))
    assert (made["width_px"], made["height_px"]) == (64, 48)
    assert made["duration_s"] == pytest.approx(2, abs=0.3)


def test_only_what_a_browser_cannot_run_is_shown_as_it_is():
    assert media_type("a.JPG") == "image/jpeg"
    assert media_type("a.mp4") == "video/mp4"
    for name in ("a.svg", "a.html", "a.xml", "a.pdf", "a.js", "a", "a.png.svg"):
        assert media_type(name) is None
