"""Files that are one picture to a person."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from encoders import ColourEncoder
from films import film
from painting import paint
from PIL import Image

from seesay.search.query import parse


def shown(library, query="red", **options):
    """Name, and names of the same picture, of each hit."""
    hits = library.search(query, limit=50, **options)
    return [(Path(hit.path).name, [Path(path).name for path in hit.also]) for hit in hits]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


def raw(path, colour):
    """A camera original, as far as its suffix says so; inside it is a plain picture, which opens without `rawpy`."""
    Image.new("RGB", (40, 40), colour).save(path, "PNG")
    return path


def test_copies_are_one_hit_that_names_the_others(library, folder):
    paint(folder / "b.png", (255, 0, 0))
    (folder / "deep").mkdir()
    shutil.copy(folder / "b.png", folder / "deep" / "c.png")
    shutil.copy(folder / "b.png", folder / "a.png")
    paint(folder / "other.png", (200, 0, 0))
    library.add(folder)
    assert shown(library) == [("a.png", ["b.png", "c.png"]), ("other.png", [])]
    assert sorted(shown(library, all_files=True)) == [(name, []) for name in ("a.png", "b.png", "c.png", "other.png")]
    (hit, _) = library.search("red")
    assert hit.to_dict()["also"] == [str(folder / "b.png"), str(folder / "deep" / "c.png")]


def test_copies_that_a_filter_leaves_out_are_not_named(library, folder):
    paint(folder / "a.png", (255, 0, 0))
    (folder / "deep").mkdir()
    shutil.copy(folder / "a.png", folder / "deep" / "b.png")
    library.add(folder)
    assert shown(library, under=folder / "deep") == [("b.png", [])]


def test_an_original_and_its_jpeg_are_one_hit_of_the_one_that_fits_best(library, folder):
    raw(folder / "IMG_1.CR2", (255, 0, 0))
    paint(folder / "IMG_1.JPG", (200, 60, 60))
    paint(folder / "IMG_1.heic.jpg", (90, 90, 90))  # another name
    (folder / "deep").mkdir()
    paint(folder / "deep" / "IMG_1.JPG", (180, 60, 60))  # another folder
    library.add(folder)
    assert shown(library)[0] == ("IMG_1.CR2", ["IMG_1.JPG"])
    assert [also for _, also in shown(library)[1:]] == [[], []]


@pytest.mark.parametrize(
    ("still", "moving"),
    [
        ("IMG_1.jpg", "IMG_1.MOV"),
        ("IMG_1.JPG", "IMG_1.mp4"),
        ("PXL_1.jpg", "PXL_1.MP"),
        ("PXL_1.MP.jpg", "PXL_1.MP"),
        ("PXL_1.MP.jpg", "PXL_1.mp4"),
        ("MVIMG_1.dng", "MVIMG_1.mp4"),
    ],
)
def test_a_photograph_and_its_short_film_are_one_hit(library, folder, still, moving):
    if still.endswith(".dng"):
        raw(folder / still, (255, 0, 0))
    else:
        paint(folder / still, (255, 0, 0))
    film(folder / "film.mp4", ("blue", 1), ("red", 1), ("blue", 1))
    (folder / "film.mp4").rename(folder / moving)
    library.add(folder)
    assert shown(library) == [(still, [moving])]
    assert shown(library, "blue") == [(moving, [still])]
    assert {name for name, _ in shown(library, all_files=True)} == {still, moving}
    assert shown(library, only="video")[0] == (moving, [])


def test_a_longer_film_and_its_cover_are_two(library, folder):
    paint(folder / "holiday.jpg", (255, 0, 0))
    film(folder / "holiday.mp4", ("red", 3), ("blue", 4))
    library.add(folder)
    assert {name for name, _ in shown(library)} == {"holiday.jpg", "holiday.mp4"}
    assert not any(also for _, also in shown(library))


def test_two_photographs_of_one_name_are_two(library, folder):
    paint(folder / "a.jpg", (255, 0, 0))
    paint(folder / "a.png", (250, 0, 0))
    library.add(folder)
    assert [also for _, also in shown(library)] == [[], []]


def test_what_is_paired_with_a_member_belongs_to_the_group(library, folder):
    paint(folder / "IMG_1.JPG", (255, 0, 0))
    raw(folder / "IMG_1.NEF", (200, 20, 20))
    film(folder / "IMG_1.mp4", ("red", 1))
    (folder / "copies").mkdir()
    shutil.copy(folder / "IMG_1.JPG", folder / "copies" / "z.jpg")
    library.add(folder)
    names = {"IMG_1.JPG", "IMG_1.NEF", "IMG_1.mp4", "z.jpg"}
    ((best, also),) = shown(library)
    assert {best, *also} == names
    assert len(also) == 3


def test_copies_of_a_video_give_the_ranges_of_one(library, folder):
    film(folder / "a.mp4", ("red", 2), ("blue", 3), ("red", 3))
    shutil.copy(folder / "a.mp4", folder / "b.mp4")
    library.add(folder)
    assert shown(library) == [("a.mp4", ["b.mp4"])] * 2
    sequences = shown(library, parse(["red", "then", "blue"]))
    assert set(map(str, sequences)) == {str(("a.mp4", ["b.mp4"]))}
    assert len(shown(library, parse(["red", "then", "blue"]), all_files=True)) == 2 * len(sequences)


def test_a_longer_list_begins_with_the_shorter_one_and_pages_fit_together(tmp_path):
    from seesay.search.library import Library

    random = np.random.default_rng(0)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(150):
        paint(folder / f"IMG_{number}.jpg", tuple(random.integers(0, 256, 3).tolist()))
        if number % 3 == 0:
            raw(folder / f"IMG_{number}.NEF", tuple(random.integers(0, 256, 3).tolist()))
        if number % 5 == 0:
            shutil.copy(folder / f"IMG_{number}.jpg", folder / f"copy {number}.jpg")
    with Library.open(tmp_path / "library", encoder=ColourEncoder()) as library:
        library.add(folder)
        assert len(library) == 230
        whole = library.search("red", limit=1000)
        assert len(whole) == 150
        everything = [path for hit in whole for path in (hit.path, *hit.also)]
        assert len(everything) == len(set(everything)) == 230
        alone = {hit.path: hit.score for hit in library.search("red", limit=1000, all_files=True)}
        assert all(hit.score >= max(alone[path] for path in (hit.path, *hit.also)) for hit in whole)
        for limit in (1, 7, 128, 149):
            assert library.search("red", limit=limit) == whole[:limit]
        pages = itertools.chain.from_iterable(library.search("red", limit=40, offset=at) for at in range(0, 200, 40))
        assert list(pages) == whole
