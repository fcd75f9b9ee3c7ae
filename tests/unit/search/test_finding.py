"""Dates, thresholds, order and pages."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from encoders import ColourEncoder
from films import film
from painting import paint
from PIL import ExifTags, Image

from seesay.base.errors import UsageError
from seesay.search.library import Library
from seesay.search.query import parse

WHITE_BY_YEAR = {2001: 255, 2003: 250, 2002: 245, 2004: 240}


def names(hits):
    return [Path(hit.path).name for hit in hits]


def photo(path, colour, taken=None, changed=None):
    """A picture of one colour, and when it was taken (UTC) and changed."""
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = f"{taken:%Y:%m:%d %H:%M:%S}"
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.OffsetTimeOriginal] = "+00:00"
    Image.new("RGB", (40, 40), colour).save(path, exif=exif.tobytes())
    if changed is not None:
        os.utime(path, (changed.timestamp(), changed.timestamp()))
    return path


@pytest.fixture
def years(tmp_path, library):
    """Pictures of some years that are less and less white, two of which do not say when they were taken."""
    folder = tmp_path / "years"
    folder.mkdir()
    for year, white in WHITE_BY_YEAR.items():
        day = datetime(year, 6, 1, tzinfo=UTC)
        says = {"taken": day} if year != 2002 else {"changed": day}
        photo(folder / f"{year}.jpg", (white, white, 255 - (255 - white) * 8), **says)
    library.add(folder)
    return folder


def test_after_and_before_go_by_when_it_was_taken(library, years):
    day = datetime(2003, 6, 1, tzinfo=UTC)
    assert sorted(names(library.search("white", after=day))) == ["2003.jpg", "2004.jpg"]
    assert sorted(names(library.search("white", before=day))) == ["2001.jpg", "2002.jpg"]
    assert names(library.search("white", after=day, before=day + timedelta(seconds=1))) == ["2003.jpg"]
    hits = {Path(hit.path).stem: hit for hit in library.search("white")}
    assert hits["2003"].taken == day
    assert hits["2003"].to_dict()["taken"] == day.astimezone().isoformat()
    assert hits["2002"].taken is None
    assert "taken" not in hits["2002"].to_dict()


@pytest.mark.parametrize("day", [datetime(1, 1, 1), datetime(9999, 12, 31), datetime(9999, 12, 31, tzinfo=UTC)])
def test_any_date_is_a_filter(library, years, day):
    assert len(library.search("white", after=day)) + len(library.search("white", before=day)) == 4


def test_by_date_the_newest_of_all_that_match_comes_first(library, years):
    ranked = library.search("white")
    assert names(ranked) == ["2001.jpg", "2003.jpg", "2002.jpg", "2004.jpg"]
    third = ranked[2].score
    by_date = library.search("white", sort="date", min_score=third)
    assert names(by_date) == ["2003.jpg", "2002.jpg", "2001.jpg"]
    assert names(library.search("white", sort="date", min_score=third, limit=1)) == ["2003.jpg"]
    pages = [library.search("white", sort="date", min_score=third, limit=2, offset=at) for at in (0, 2, 4)]
    assert [hit for page in pages for hit in page] == by_date


def test_by_date_without_a_threshold_the_best_are_sorted_page_by_page(library, years):
    assert names(library.search("white", sort="date", limit=2)) == ["2003.jpg", "2001.jpg"]
    assert names(library.search("white", sort="date", limit=2, offset=2)) == ["2004.jpg", "2002.jpg"]


class Strict(ColourEncoder):
    def least_cosine(self, num_pictures):
        return 0.9


def test_min_score_is_used_instead_of_the_calibration(tmp_path, photos):
    with Library.open(tmp_path / "strict", encoder=Strict()) as library:
        library.add(photos)
        (photos / "red.png").unlink()
        library.add(photos)
        assert library.search("red") == []
        weak = library.search("red", weak=True)
        least = weak[1].score
        assert library.search("red", min_score=least) == weak[:2]
        assert library.search("red", min_score=0.999) == []
        assert library.search("red", sort="date", min_score=-1.0) != []
        (photo,) = library.search("blue", sort="date")  # one is above the calibration's cosine
        assert Path(photo.path).name == "blue.png"


def test_min_score_holds_for_pictures_and_sequences(library, tmp_path):
    film(tmp_path / "a.mp4", ("red", 2), ("blue", 2))
    film(tmp_path / "b.mp4", ("red", 2), ("white", 2))
    library.add(tmp_path / "a.mp4", tmp_path / "b.mp4")
    asked = parse(["red", "then", "blue"])
    scores = [hit.score for hit in library.search(asked)]
    assert scores[0] > scores[-1]
    assert [hit.score for hit in library.search(asked, min_score=scores[0])] == scores[:1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sort": "size"}, "sort must be score or date, got 'size'"),
        ({"min_score": float("nan")}, "min_score must be a number"),
        ({"offset": -1}, "offset must be at least 0, got -1"),
        ({"limit": 0}, "limit must be at least 1, got 0"),
        ({"per_video": 0}, "per_video must be at least 1, got 0"),
        ({"after": "2021-03-04"}, "after must be a datetime, got '2021-03-04'"),
        ({"only": "text"}, "only must be image or video, got 'text'"),
    ],
)
def test_options_without_meaning_are_refused(library, photos, options, message):
    library.add(photos)
    with pytest.raises(UsageError, match=message):
        library.search("red", **options)


def test_one_range_a_video_gives_as_many_files_as_were_asked_for(library, tmp_path):
    for number in range(6):
        film(tmp_path / f"{number}.mp4", ("red", 1), ("blue", 1), ("red", 1 + number), ("blue", 1), ("red", 2))
    paint(tmp_path / "a.png", (250, 0, 0))
    library.add(tmp_path)
    for place in (None, tmp_path, [tmp_path / "0.mp4", tmp_path / "1.mp4"]):
        paths = [hit.path for hit in library.search("red", limit=5, per_video=1, under=place)]
        assert len(paths) == len(set(paths)) == (2 if isinstance(place, list) else 5)
