"""Where `under` looks: links, several places, and places of which the library has nothing."""

from datetime import datetime
from pathlib import Path

import pytest
from painting import paint

from seesay.base.errors import UsageError
from seesay.search.finding import why_none
from seesay.search.options import Options


def names(hits):
    return sorted(Path(hit.path).name for hit in hits)


@pytest.fixture
def trips(tmp_path, library):
    """A library of two folders: a/a.png and b/b.png."""
    for name in ("a", "b"):
        (tmp_path / "trips" / name).mkdir(parents=True)
        paint(tmp_path / "trips" / name / f"{name}.png", (255, 0, 0))
    library.add(tmp_path / "trips")
    return tmp_path / "trips"


def test_several_places_are_one_search(library, trips):
    assert names(library.search("red", under=[trips / "a", trips / "b" / "b.png"])) == ["a.png", "b.png"]
    assert names(library.search("red", under=[trips / "b"])) == ["b.png"]
    assert names(library.search("red", under=[])) == ["a.png", "b.png"]


@pytest.mark.parametrize("path", ["a", "./a/", "b/../a", "a/a.png", "~/trips/a", "link", "link/", "way/a", "pic.png"])
def test_a_place_may_be_named_in_any_way(library, trips, monkeypatch, path):
    (trips / "link").symlink_to(trips / "a")
    (trips / "way").symlink_to(trips)
    (trips / "pic.png").symlink_to(trips / "a" / "a.png")
    monkeypatch.chdir(trips)
    monkeypatch.setenv("HOME", str(trips.parent))
    assert names(library.search("red", under=path)) == ["a.png"]


def test_what_was_added_through_a_link_is_found_by_its_real_place(library, tmp_path):
    (tmp_path / "disk" / "photos" / "trip").mkdir(parents=True)
    paint(tmp_path / "disk" / "photos" / "trip" / "a.png", (255, 0, 0))
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "photos")
    library.add(tmp_path / "link")
    for place in ("link", "link/trip", "disk/photos", "disk/photos/trip", "disk/photos/trip/a.png", "disk"):
        (hit,) = library.search("red", under=tmp_path / place)
        assert hit.path == str(tmp_path / "link" / "trip" / "a.png")


@pytest.mark.parametrize("path", ["c", "A", "aa", "a/c", "a/a.pn", "../other", "a/a.png/x"])
def test_a_place_of_which_the_library_has_nothing_is_named(library, trips, monkeypatch, path):
    (trips.parent / "other").mkdir()
    monkeypatch.chdir(trips.parent)
    with pytest.raises(UsageError) as caught:
        library.search("red", under=[trips / "a", f"trips/{path}"])
    assert str(caught.value) == f"trips/{path}: nothing of the library is there; it holds: trips"


def test_what_is_no_place_is_refused(library, trips):
    with pytest.raises(UsageError, match="a path is empty"):
        library.search("red", under="")
    with pytest.raises(UsageError, match="no file has a name with a zero byte"):
        library.search("red", under="a\0b")
    with pytest.raises(UsageError, match="no path can be"):
        library.search("red", under="\ud800")


def test_many_roots_are_not_all_named(library, tmp_path):
    for number in range(7):
        (tmp_path / str(number)).mkdir()
        paint(tmp_path / str(number) / f"{number}.png", (255, 0, 0))
        library.add(tmp_path / str(number))
    with pytest.raises(UsageError, match=r"it holds: .*/4 and 2 more$"):
        library.search("red", under=tmp_path / "x")


def test_a_root_without_pictures_is_a_place(library, trips):
    empty = trips.parent / "empty"
    empty.mkdir()
    library.add(empty)
    assert library.search("red", under=empty) == []


def test_names_that_are_no_text_are_places(library, tmp_path):
    odd = tmp_path / "caf\udce9"
    odd.mkdir()
    paint(odd / "a.png", (255, 0, 0))
    library.add(odd)
    assert names(library.search("red", under=odd)) == ["a.png"]


@pytest.mark.parametrize(
    ("options", "num_allowed", "said"),
    [
        ({}, 0, "nothing here matches"),
        ({"only": "video"}, 3, "nothing here matches"),
        ({"only": "video"}, 0, "there is no video in the library"),
        ({"only": "image", "under": "x"}, 0, "there is no picture there"),
        ({"after": datetime(2090, 1, 1)}, 0, "nothing in the library was taken or changed since 2090-01-01"),
        (
            {"after": datetime(2020, 1, 1), "before": datetime(2020, 1, 2, 3, 4, 5), "under": "x"},
            0,
            "nothing there was taken or changed since 2020-01-01 and before 2020-01-02 03:04:05",
        ),
        ({"min_score": 0.5}, 7, "nothing here has a score of 0.5 or more"),
    ],
)
def test_why_there_is_nothing(options, num_allowed, said):
    assert why_none(Options(**options), num_allowed) == said
