"""Files with several films, and photographs with a film in them: each is searched, and a hit says where it is."""

from pathlib import Path

import av
import numpy as np
import pytest
from encoders import COLOURS
from films import film, motion_photo
from pictures import heic

from seesay.cli.search import _line
from seesay.inputs.video import Every
from seesay.search.detail import Detail
from seesay.search.export import export
from seesay.search.index import Summary
from seesay.search.library import Library
from seesay.search.query import parse


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def places(hits):
    return [(Path(hit.path).name, hit.kind, hit.track, hit.start_s, hit.end_s) for hit in hits]


def colour_of(picture):
    pixels = np.asarray(picture, float).mean((0, 1))
    return min(COLOURS, key=lambda name: np.abs(pixels - COLOURS[name]).sum())


def first_colour(path):
    with av.open(str(path)) as container:
        return colour_of(next(container.decode(video=0)).to_image())


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_hit_in_a_second_track_names_it_and_shows_it(library, folder, tmp_path, suffix):
    film(folder / f"car.{suffix}", ("red", 3), ("blue", 3), others=(("green", 2), ("white", 4)))
    assert library.add(folder) == Summary(added=1)
    assert len(library) == 12
    name = f"car.{suffix}"
    (front,) = library.search("blue", limit=1)
    (rear,) = library.search("white", limit=1)
    assert places([front]) == [(name, "moment", 0, 3, 6)]
    assert places([rear]) == [(name, "moment", 1, 2, 6)]
    assert "track" not in front.to_dict()
    assert rear.to_dict()["track"] == 1
    assert _line(rear).endswith("track 2")
    assert colour_of(library.thumbnail(rear.id)) == "white"
    assert library.moments(rear.id).start_s.tolist() == [0, 1, 2, 3, 4, 5]
    found = export([rear, front], tmp_path / "out", query="white")
    assert not found.problems
    assert {first_colour(file) for file in found.files if file.suffix in (".mp4", ".mkv")} <= {"green", "white", "red"}
    assert len([file for file in found.files if file.suffix == ".vtt"]) == 2  # the tracks have times of their own


def test_moments_of_two_tracks_are_neither_one_range_nor_one_sequence(library, folder):
    film(folder / "a.mp4", ("red", 4), others=(("red", 2), ("blue", 2)))
    library.add(folder)
    assert places(library.search("red")) == [("a.mp4", "moment", 0, 0, 4), ("a.mp4", "moment", 1, 0, 2)]
    (best, *_) = library.search(parse(["red", "then", "blue"]))
    assert (best.track, best.start_s, best.end_s) == (1, 1, 3) or best.track == 1


def test_a_run_that_was_stopped_in_the_second_track_goes_on_there(tmp_path, folder, encoder):
    film(folder / "a.mp4", ("red", 30), ("blue", 30), others=(("green", 30), ("white", 40)))
    with Library.open(tmp_path / "whole", encoder=encoder) as whole:
        whole.add(folder)
        expected = [places([hit]) for hit in whole.search("white", per_video=None, limit=50)]
        num_items = len(whole)

    def stop(progress):
        if progress.position_s >= 40 and len(library) >= 64:
            raise KeyboardInterrupt

    with Library.open(tmp_path / "stopped", encoder=encoder) as library:
        with pytest.raises(KeyboardInterrupt):
            library.add(folder, report=stop)
        assert 64 <= len(library) < num_items
        before = encoder.num_pixels
        assert library.add(folder) == Summary(added=1)
        assert encoder.num_pixels - before < num_items - 60
        assert len(library) == num_items
        assert [places([hit]) for hit in library.search("white", per_video=None, limit=50)] == expected


def test_the_film_inside_a_photograph_is_found_and_is_one_hit_with_it(library, folder, tmp_path):
    path = motion_photo(folder / "phone.jpg", "red", ("green", 2), ("blue", 2))
    assert library.add(folder) == Summary(added=1)
    assert library.add(folder) == Summary(unchanged=1)
    assert places(library.search("red")) == [("phone.jpg", "image", 0, None, None)]
    assert places(library.search("blue")) == [("phone.jpg", "moment", 0, 2, 4)]
    assert [hit.kind for hit in library.search("blue", only="image")] == ["image"]
    assert [hit.kind for hit in library.search("red", only="video")] == ["moment"]
    assert {hit.kind for hit in library.search("blue", under=path)} == {"image", "moment"}
    (hit,) = library.search("blue")
    assert colour_of(library.thumbnail(hit.id)) == "blue"
    (picture,) = library.search("red")
    assert colour_of(library.thumbnail(picture.id)) == "red"
    assert len(library.moments(hit.id).ids) == 4
    assert len(library.moments(picture.id).ids) == 0
    found = export([hit, picture], tmp_path / "out", query="blue")
    assert not found.problems
    assert first_colour(tmp_path / "out" / "01-phone.mp4") in ("green", "blue")
    assert (tmp_path / "out" / "02-phone.jpg").read_bytes() == path.read_bytes()


def test_the_film_inside_a_heic_is_found(library, folder):
    whole = film(folder / "a.mp4", ("green", 2), ("blue", 2)).read_bytes()
    (folder / "a.mp4").unlink()
    (folder / "a.heic").write_bytes(heic() + (len(whole) + 8).to_bytes(4, "big") + b"mpvd" + whole)
    assert library.add(folder) == Summary(added=1)
    assert places(library.search("blue")) == [("a.heic", "moment", 0, 2, 4)]


def test_a_photograph_whose_film_is_broken_stays_and_the_ledger_says_so(library, folder):
    path = motion_photo(folder / "phone.jpg", "red", ("green", 2))
    path.write_bytes(path.read_bytes()[:-900])
    assert library.add(folder) == Summary(added=1, incomplete=1)
    assert places(library.search("red")) == [("phone.jpg", "image", 0, None, None)]
    (line,) = library.errors()
    assert line.reason.startswith("the film inside: not a video that can be read")


def test_another_step_reads_the_film_inside_a_photograph_again(library, folder):
    motion_photo(folder / "phone.jpg", "red", ("green", 2), ("blue", 2))
    library.add(folder)
    assert len(library) == 1 + 4
    assert library.add(folder, detail=Detail(moments=Every(seconds=0.5))) == Summary(changed=1)
    assert len(library) == 1 + 8
