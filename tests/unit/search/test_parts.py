"""Pages, long pictures and damaged ones in the library: what is found, where in the file, and what the ledger says."""

import json

import numpy as np
import pytest
from encoders import COLOURS
from PIL import Image

import seesay.cli.search
from seesay.search import index
from seesay.search.detail import Detail
from seesay.search.export import export
from seesay.search.index import Summary
from seesay.search.library import Library
from seesay.search.rows import Box
from seesay.search.tiles import wanted_px


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "files"
    made.mkdir()
    return made


def scan(path, *colours, size=(60, 50)):
    first, *others = (Image.new("RGB", size, COLOURS[colour]) for colour in colours)
    first.save(path, save_all=True, append_images=others)
    return path


def strip(path, *colours, wide=False, side=40):
    """Squares of these colours, one below or beside the other."""
    picture = Image.new("RGB", (side, side * len(colours)))
    for number, colour in enumerate(colours):
        picture.paste(COLOURS[colour], (0, number * side, side, (number + 1) * side))
    (picture.transpose(Image.Transpose.TRANSPOSE) if wide else picture).save(path)
    return path


# --- pages -----------------------------------------------------------------------------------------------------------


def test_a_hit_of_a_scan_names_its_best_page(library, folder, photos):
    scan(folder / "scan.tif", "red", "blue", "green")
    assert library.add(folder, photos) == Summary(added=6)
    assert len(library) == 8
    for page, colour in enumerate(("red", "blue", "green"), start=1):
        hits = library.search(colour)
        (hit,) = [hit for hit in hits if hit.path.endswith("scan.tif")]
        assert (hit.page, hit.kind, round(hit.score, 3)) == (page, "image", 1.0)
        assert hit.to_dict()["page"] == page
        assert library.item(hit.id).page == page
        assert library.thumbnail(hit.id).getpixel((20, 20)) == COLOURS[colour]
    assert "page" not in next(hit for hit in hits if hit.path.endswith(".png")).to_dict()
    assert library.add(folder) == Summary(unchanged=1)


def test_a_scan_that_moved_or_was_copied_keeps_its_pages(library, folder):
    scan(folder / "a.tif", "red", "blue")
    library.add(folder)
    (folder / "a.tif").rename(folder / "b.tif")
    assert library.add(folder) == Summary(moved=1)
    (folder / "c.tif").write_bytes((folder / "b.tif").read_bytes())
    assert library.add(folder) == Summary(unchanged=1, added=1)
    assert sorted((hit.path[-5:], hit.page) for hit in library.search("blue", all_files=True)) == [
        ("b.tif", 2),
        ("c.tif", 2),
    ]


def test_a_scan_that_was_stopped_goes_on_with_the_page_that_is_missing(library, encoder, folder, monkeypatch):
    colours = [list(COLOURS)[number % 5] for number in range(12)]
    scan(folder / "scan.tif", *colours)
    monkeypatch.setattr(index, "BATCH", 4)

    def stop(pixels):
        if encoder.num_pixels >= 8:
            raise KeyboardInterrupt
        return see(pixels)

    see = encoder.encode_pixels
    encoder.encode_pixels = stop
    with pytest.raises(KeyboardInterrupt):
        library.add(folder)
    encoder.encode_pixels = see
    assert len(library) == 8
    assert library.add(folder) == Summary(added=1)
    assert encoder.num_pixels == 12
    items = [library.item(number) for number in range(1, 13)]
    assert [item.page for item in items] == list(range(1, 13))
    assert len({item.file_id for item in items}) == 1


def test_a_scan_with_a_broken_page_gives_the_others(library, folder):
    path = scan(folder / "scan.tif", "red", "blue", "green")
    data = path.read_bytes()
    with Image.open(path) as picture:
        picture.seek(1)
        start = picture.tag_v2[273][0]
        picture.seek(2)
        last = picture.tag_v2[273][0]
    assert start < last
    path.write_bytes(data[: last + 300])  # the last page is a tenth there
    assert library.add(folder) == Summary(added=1, incomplete=1)
    (error,) = library.errors()
    assert error.reason.startswith("page 3: the file is cut short")
    assert {hit.page for colour in ("red", "blue") for hit in library.search(colour)} == {1, 2}
    path.write_bytes(data[: start - 40])
    assert library.add(folder) == Summary(changed=1, incomplete=1)
    (error,) = library.errors()
    assert error.reason.startswith("page 2: ")
    assert error.reason.endswith("neither it nor what follows can be read")


def test_tiles_of_a_page_name_it_too(library, folder):
    scan(folder / "scan.tif", "red", "blue", size=(90, 60))
    library.add(folder, detail=Detail(tiles=True))
    assert {library.item(number).page for number in range(1, len(library) + 1)} == {1, 2}
    (hit,) = library.search("blue")
    assert hit.page == 2


def test_the_line_of_a_hit_says_the_page_and_the_part(library, folder):
    scan(folder / "scan.tif", "red", "blue")
    strip(folder / "tall.png", "green", "black", "white", "green", "red")
    library.add(folder)
    lines = [seesay.cli.search._line(hit) for colour in ("blue", "white") for hit in library.search(colour, limit=1)]
    assert lines[0].endswith("scan.tif  page 2")
    assert " in 0-100% x " in lines[1]


def test_an_export_shows_the_page(library, folder, tmp_path):
    scan(folder / "scan.tif", "red", "blue")
    library.add(folder)
    done = export(library.search("blue"), tmp_path / "out", query="blue")
    assert done.problems == []
    assert json.loads((tmp_path / "out" / "hits.json").read_text())["hits"][0]["page"] == 2
    sheet = np.asarray(Image.open(tmp_path / "out" / "sheet.png").convert("RGB"))
    assert (sheet == COLOURS["blue"]).all(2).any()
    assert not (sheet == COLOURS["red"]).all(2).any()


# --- long pictures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wide", [False, True])
def test_a_long_picture_is_found_by_any_part_of_it(library, folder, wide):
    strip(folder / "long.png", "white", "red", "white", "blue", "white", "green", wide=wide)
    library.add(folder)
    assert len(library) == 1 + 8
    (hit,) = library.search("green")
    assert hit.score > 0.99
    part = (hit.box.left, hit.box.right) if wide else (hit.box.top, hit.box.bottom)
    np.testing.assert_allclose(part, (5 / 6, 1), atol=1e-4)
    thumbnail = library.thumbnail(hit.id, side_px=64)
    assert abs(thumbnail.width - thumbnail.height) <= 1
    assert thumbnail.getpixel((thumbnail.width // 2, thumbnail.height // 2)) == COLOURS["green"]
    assert library.search("red", limit=5)[0].id != hit.id


def test_a_picture_of_2_to_1_and_a_video_have_no_squares(library, folder):
    strip(folder / "two.png", "red", "blue")
    library.add(folder)
    assert len(library) == 1


def test_the_thumbnail_of_a_part_is_decoded_no_larger_than_it_must_be():
    assert wanted_px(Box(0.0, 0.9, 1.0, 1.0), 256) == 256  # of a tall picture: as wide as the whole
    assert wanted_px(Box(0.5, 0.0, 0.6, 1.0), 256) == 256
    assert wanted_px(Box(0.0, 0.0, 0.4, 0.6), 256) == round(256 / 0.6)


# --- damaged pictures ------------------------------------------------------------------------------------------------


def test_a_nearly_whole_picture_is_found_and_noted_once(library, folder, photos):
    whole = Image.new("RGB", (320, 320), COLOURS["red"])
    whole.save(folder / "a.jpg", quality=95)
    data = (folder / "a.jpg").read_bytes()
    (folder / "a.jpg").write_bytes(data[:-2])
    (folder / "half.jpg").write_bytes(data[: len(data) * 3 // 4])
    assert library.add(folder, photos) == Summary(added=6, failed=1, incomplete=1)
    reasons = {error.path.rpartition(b"/")[2]: error.reason for error in library.errors()}
    assert reasons[b"a.jpg"].startswith("the file is cut short or damaged: every pixel is there and was taken")
    assert reasons[b"half.jpg"].startswith("the file is cut short (")
    assert {hit.path.rpartition("/")[2] for hit in library.search("red", limit=2)} == {"a.jpg", "red.png"}
    assert library.add(folder) == Summary(unchanged=1, failed=1)
    (folder / "a.jpg").write_bytes(data)
    assert library.add(folder) == Summary(changed=1, failed=1)
    assert len(library.errors()) == 1


def test_a_query_by_a_nearly_whole_picture_works(tmp_path, library, photos):
    library.add(photos)
    data = (photos / "blue.png").read_bytes()
    cut = tmp_path / "cut.png"
    cut.write_bytes(data[:-14])
    assert library.search(cut)[0].path.endswith("blue.png")


def test_the_whole_is_there_for_a_library_of_pages_in_a_process_of_its_own(library, folder):
    scan(folder / "scan.tif", "red", "blue")
    library.add(folder)
    with Library.open(library.folder, encoder=library.encoder) as again:
        assert [hit.page for hit in again.search("blue")] == [2]
