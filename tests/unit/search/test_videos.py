"""Videos in the library: which moments there are, what a search makes of them, and what a stop or damage costs."""

import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from encoders import COLOURS
from films import film
from PIL import Image, ImageDraw

from seesay.base.errors import InputError, LibraryError, UsageError
from seesay.inputs.video import Every, KeyFrames, Shots
from seesay.search import schema
from seesay.search.detail import Detail
from seesay.search.index import Summary
from seesay.search.library import Library
from seesay.search.query import parse
from seesay.search.store import DATABASE
from seesay.search.walk import Walk

STILLS = 5  # pictures of the fixture `photos`


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    return folder


def content(library):
    """Everything that counts of a library's videos."""
    query = (
        "SELECT name, detail, position_s, kind, start_s, end_s, time_s, box, vector "
        "FROM files JOIN items ON file_id = files.id JOIN vectors ON item_id = items.id ORDER BY name, items.id"
    )
    with closing(sqlite3.connect(library.folder / DATABASE)) as db:
        return db.execute(query).fetchall()


def ranges(hits):
    return [(Path(hit.path).name, round(hit.start_s, 2), round(hit.end_s, 2)) for hit in hits]


def test_a_text_finds_the_range_it_names(library, videos):
    film(videos / "a.mp4", ("red", 3), ("blue", 2), ("green", 4))
    assert library.add(videos) == Summary(added=1)
    assert len(library) == 9
    for colour, start_s, end_s in (("red", 0, 3), ("blue", 3, 5), ("green", 5, 9)):
        (hit, *_) = library.search(colour)
        assert ranges([hit]) == [("a.mp4", start_s, end_s)]
        assert hit.start_s <= hit.time_s < hit.end_s
        assert hit.kind == "moment"


def test_photographs_and_moments_stand_in_one_list(library, videos, photos):
    film(videos / "a.mp4", ("red", 3), ("blue", 2))
    library.add(videos, photos)
    hits = library.search("blue")
    assert {Path(hit.path).name for hit in hits[:2]} == {"a.mp4", "blue.png"}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert {hit.kind for hit in library.search("blue", only="image")} == {"image"}
    assert {hit.kind for hit in library.search("blue", only="video")} == {"moment"}


def test_one_video_gives_three_ranges_unless_it_is_named(library, videos, photos):
    film(videos / "a.mp4", *[("red", 2), ("blue", 2)] * 6)
    library.add(videos, photos)
    hits = library.search("red", limit=20)
    assert sum(hit.kind == "moment" for hit in hits) == 3
    assert len(hits) == 3 + STILLS
    assert len(library.search("red", limit=20, per_video=1)) == 1 + STILLS
    inside = library.search("red", limit=6, under=videos / "a.mp4")
    assert sorted(ranges(inside)) == [("a.mp4", start, start + 2) for start in range(0, 24, 4)]


def test_a_page_goes_on_where_the_one_before_ended(library, videos, photos):
    film(videos / "a.mp4", *[("red", 2), ("blue", 2)] * 3)
    film(videos / "b.mp4", ("green", 2), ("red", 2))
    library.add(videos, photos)
    whole = library.search("red", limit=8)
    assert len(whole) == 8
    assert [hit for start in (0, 3, 6) for hit in library.search("red", limit=3, offset=start)][:8] == whole
    with pytest.raises(UsageError, match="offset must be at least 0, got -1"):
        library.search("red", offset=-1)


@pytest.mark.parametrize("num_frames", [1, 3])
def test_a_video_shorter_than_a_second_is_one_moment(library, videos, num_frames):
    film(videos / "short.mp4", ("red", num_frames / 10), rate=10)
    assert library.add(videos) == Summary(added=1)
    (hit,) = library.search("red")
    assert (hit.start_s, hit.end_s, hit.time_s) == (0, pytest.approx(num_frames / 10), 0)


def test_two_files_of_one_name_in_two_folders_are_two(library, videos):
    for folder, colour in (("one", "red"), ("two", "blue")):
        (videos / folder).mkdir()
        film(videos / folder / "clip.mp4", (colour, 2))
    library.add(videos)
    assert library.search("red")[0].path == str(videos / "one" / "clip.mp4")
    assert library.search("blue")[0].path == str(videos / "two" / "clip.mp4")


def test_stopped_inside_a_long_video_it_goes_on_there(library, videos, tmp_path, encoder):
    film(videos / "long.mp4", *[("red", 25), ("blue", 25)] * 2, rate=1)

    def stop(progress):
        if progress.position_s >= 70:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.add(videos, report=stop)
    assert len(library) == 70
    assert library.search("red")  # and what is there can be found
    done = encoder.num_pixels
    assert library.add(videos) == Summary(added=1)
    assert encoder.num_pixels - done == 100 - 70
    with Library.open(tmp_path / "fresh", encoder=encoder) as fresh:
        fresh.add(videos)
        assert content(library) == content(fresh)
    assert library.add(videos) == Summary(unchanged=1)


def test_a_video_that_was_moved_before_it_was_done_goes_on(library, videos, encoder):
    film(videos / "long.mp4", ("red", 50), ("blue", 30), rate=1)

    def stop(progress):
        if progress.position_s >= 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.add(videos, report=stop)
    done = encoder.num_pixels
    (videos / "long.mp4").rename(videos / "renamed.mp4")
    library.add(videos)
    assert encoder.num_pixels - done == 80 - 40
    assert library.num_files() == 1
    assert ranges(library.search("blue", limit=1)) == [("renamed.mp4", 50, 80)]


def test_a_changed_video_is_done_anew_and_a_touched_or_copied_one_costs_nothing(library, videos, encoder):
    film(videos / "a.mp4", ("red", 3))
    library.add(videos)
    before = encoder.num_pixels
    os.utime(videos / "a.mp4", (1, 1))
    shutil.copy(videos / "a.mp4", videos / "b.mp4")
    assert library.add(videos) == Summary(added=1, unchanged=1)
    assert encoder.num_pixels == before
    film(videos / "a.mp4", ("blue", 4))
    assert library.add(videos) == Summary(changed=1, unchanged=1)
    assert ranges(library.search("blue", limit=1)) == [("a.mp4", 0, 4)]
    assert len(library) == 7


def test_two_copies_that_are_new_together_are_decoded_once(library, videos, encoder):
    film(videos / "a.mp4", ("red", 3), ("blue", 3))
    shutil.copy(videos / "a.mp4", videos / "b.mp4")
    assert library.add(videos) == Summary(added=2)
    assert encoder.num_pixels == 6
    assert len(library) == 12


def test_a_truncated_video_gives_what_it_holds_and_a_line_in_the_ledger(library, videos):
    whole = film(videos / "a.mkv", ("red", 20), ("blue", 20), rate=1, size=(320, 240)).read_bytes()
    (videos / "a.mkv").write_bytes(whole[: len(whole) * 3 // 5])
    assert library.add(videos) == Summary(added=1, incomplete=1)
    assert library.search("red")[0].end_s <= 40
    (error,) = library.errors()
    assert "cut short" in error.reason or "damaged" in error.reason
    assert 0 < len(library) < 40
    assert library.add(videos) == Summary(unchanged=1)
    assert len(library.errors()) == 1
    (videos / "a.mkv").rename(videos / "b.mkv")
    assert library.add(videos) == Summary(moved=1)
    assert [error.path for error in library.errors()] == [os.fsencode(videos / "b.mkv")]
    cut = (videos / "b.mkv").read_bytes()
    (videos / "b.mkv").unlink()
    assert library.add(videos) == Summary(removed=1)
    assert library.errors() == []
    (videos / "b.mkv").write_bytes(cut)
    library.add(videos)
    (videos / "b.mkv").write_bytes(whole)
    assert library.add(videos) == Summary(changed=1)
    assert library.errors() == []
    assert len(library) == 40


def test_a_file_that_is_no_video_is_a_line_in_the_ledger_and_stops_nothing(library, videos):
    (videos / "a.mp4").write_text("not a video")
    (videos / "b.mp4").touch()
    film(videos / "c.mp4", ("red", 2))
    assert library.add(videos) == Summary(added=1, failed=2)
    assert [os.fsdecode(error.path)[-5:] for error in library.errors()] == ["a.mp4", "b.mp4"]
    assert library.add(videos) == Summary(unchanged=1, failed=2)


def test_a_video_that_broke_leaves_the_results(library, videos):
    film(videos / "a.mp4", ("red", 2))
    library.add(videos)
    (videos / "a.mp4").write_text("overwritten")
    assert library.add(videos) == Summary(failed=1)
    assert library.search("red") == []


def test_a_video_on_a_drive_that_is_pulled_out_keeps_what_was_read(library, videos, tmp_path, monkeypatch):
    path = film(videos / "a.mp4", ("red", 80), rate=1)

    def stop(progress):
        if progress.position_s > 40:
            raise KeyboardInterrupt

    def pull_out(*_, **__):
        path.rename(tmp_path / "drawer.mp4")
        raise InputError("a part of the file cannot be read")
        yield

    with pytest.raises(KeyboardInterrupt):
        library.add(videos, report=stop)
    monkeypatch.setattr("seesay.search.reading.map_frames", pull_out)
    assert library.add(videos) == Summary(failed=1)
    monkeypatch.undo()
    assert len(library) == 41
    (tmp_path / "drawer.mp4").rename(path)
    assert library.add(videos) == Summary(added=1)
    assert len(library) == 80
    assert library.errors() == []


def test_every_and_key_frames_are_remembered_for_their_root(library, videos, photos):
    film(videos / "a.mp4", ("red", 4), ("blue", 4))
    library.add(photos, videos)
    assert len(library) == 8 + STILLS
    assert library.add(videos, detail=Detail(moments=Every(seconds=2))) == Summary(changed=1)
    assert len(library) == 4 + STILLS
    assert library.add() == Summary(unchanged=1 + STILLS)
    film(videos / "b.mp4", ("white", 4))
    assert library.add() == Summary(added=1, unchanged=1 + STILLS)
    assert len(library) == 4 + 2 + STILLS
    library.add(videos, detail=Detail(moments=KeyFrames(at_most_s=4.0)))
    assert len(library) == 2 + 1 + STILLS


def test_a_shot_is_one_moment_from_its_first_frame_to_its_last(library, videos):
    film(videos / "a.mp4", ("red", 3), ("blue", 5), ("green", 4))
    library.add(videos, detail=Detail(moments=Shots()))
    moments = [row[4:7] for row in content(library)]
    assert [(start_s, end_s) for start_s, end_s, _ in moments] == [(0, 3), (3, 8), (8, 12)]
    for start_s, end_s, time_s in moments:
        assert abs(time_s - (start_s + end_s) / 2) <= 0.5
    assert library.add() == Summary(unchanged=1)


def test_stopped_inside_a_long_video_of_shots_it_goes_on_there(library, videos, tmp_path, encoder):
    film(videos / "long.mp4", *[("red", 2), ("blue", 3)] * 26, rate=2)
    shots = Detail(moments=Shots())

    def stop(progress):
        if progress.position_s >= 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.add(videos, report=stop, detail=shots)
    done = len(library)
    assert 0 < done < 54
    looked = encoder.num_pixels
    library.add(videos)
    with Library.open(tmp_path / "fresh", encoder=encoder) as fresh:
        before = encoder.num_pixels
        fresh.add(videos, detail=shots)
        whole = encoder.num_pixels - before
        assert content(library) == content(fresh)
    assert before - looked == whole - done
    starts, ends = ([row[place] for row in content(library)] for place in (4, 5))
    assert starts[1:] == ends[:-1]


def test_a_nearer_root_decides_how_finely_to_look(library, videos):
    (videos / "lectures").mkdir()
    film(videos / "a.mp4", ("red", 4))
    film(videos / "lectures" / "b.mp4", ("blue", 4))
    library.add(videos / "lectures", detail=Detail(moments=Every(seconds=4)))
    library.add(videos)
    assert len(library) == 4 + 1
    assert library.add() == Summary(unchanged=2)


@pytest.mark.parametrize(
    "detail",
    [
        Detail(),
        Detail(tiles=True),
        Detail(moments=Every(seconds=0.5)),
        Detail(moments=KeyFrames(), tiles=True),
        Detail(moments=Shots(every_s=0.25, at_most_s=7), tiles=True),
    ],
)
def test_how_finely_to_look_survives_being_stored(detail):
    assert Detail.from_text(detail.to_text()) == detail


def test_an_unknown_way_of_looking_is_refused():
    with pytest.raises(LibraryError, match="unknown here: 'sideways'; upgrade"):
        Detail.from_text("sideways")


def draw_small_thing(path, size=(640, 480)):
    picture = Image.new("RGB", size, (130, 130, 130))
    ImageDraw.Draw(picture).rectangle((size[0] * 0.7, 0, size[0], size[1] * 0.5), fill=COLOURS["red"])
    picture.save(path)


def test_a_tile_finds_a_small_thing_and_says_where(library, photos):
    draw_small_thing(photos / "corner.png")
    library.add(photos)
    whole = next(hit for hit in library.search("red") if hit.path.endswith("corner.png"))
    assert whole.box is None
    assert library.add(photos, detail=Detail(tiles=True)) == Summary(changed=STILLS + 1)
    tile = next(hit for hit in library.search("red") if hit.path.endswith("corner.png"))
    assert tile.score > whole.score
    assert (tile.box.right, tile.box.top) == (pytest.approx(1), 0)
    assert tile.kind == "image"
    assert sum(hit.path.endswith("corner.png") for hit in library.search("red")) == 1


def test_tiles_of_a_frame_are_one_moment(library, videos):
    film(videos / "a.mp4", ("red", 2), ("blue", 2), size=(320, 240))
    library.add(videos, detail=Detail(tiles=True))
    assert len(library) == 4 * (1 + 6)
    assert ranges(library.search("red", limit=1)) == [("a.mp4", 0, 2)]


def test_frames_smaller_than_a_tile_are_found_whole(library, videos, photos):
    film(videos / "tiny.mp4", ("red", 2), size=(32, 16))
    library.add(videos, detail=Detail(tiles=True))
    assert len(library) == 2
    assert library.search("red", only="video")[0].box is None


def test_an_animation_is_a_video_and_its_still_is_a_picture(library, videos):
    frames = [Image.new("RGB", (48, 48), COLOURS[colour]) for colour in ("red", "blue")]
    frames[0].save(videos / "moving.gif", save_all=True, append_images=frames[1:], duration=1000)
    frames[0].save(videos / "still.gif")
    assert library.add(videos) == Summary(added=2)
    assert ranges(library.search("blue", limit=1)) == [("moving.gif", 1, 2)]
    assert library.add(videos) == Summary(unchanged=2)
    assert {hit.kind for hit in library.search("red", limit=2)} == {"image", "moment"}


@pytest.mark.parametrize("suffix", ["mkv", "webm", "avi", "mpg", "ts", "mov", "MP4"])
def test_every_common_container_is_searched(library, videos, suffix):
    film(videos / f"a.{suffix}", ("red", 2), ("blue", 2), codec="libvpx-vp9" if suffix == "webm" else "libx264")
    assert library.add(videos) == Summary(added=1)
    (hit, *_) = library.search("blue")
    assert hit.start_s == pytest.approx(2, abs=0.3)
    assert hit.end_s == pytest.approx(4, abs=0.3)


def test_typescript_is_passed_over(videos):
    (videos / "program.ts").write_text("export const answer = 42;\n")
    (videos / "module.MTS").write_text("import { answer } from './program';\n")
    film(videos / "stream.ts", ("red", 2))
    (listing,) = Walk([os.fsencode(videos)])
    assert [file.name for file in listing.found] == [b"stream.ts"]


def test_dates_filter_before_ranking(library, photos):
    for number, name in enumerate(sorted(COLOURS)):
        time_s = datetime(2020 + number, 1, 1, tzinfo=UTC).timestamp()
        os.utime(photos / f"{name}.png", (time_s, time_s))
    library.add(photos)
    years = [datetime(2020 + number, 1, 1, tzinfo=UTC) for number in range(6)]
    found = library.search("red", after=years[1], before=years[3])
    assert {Path(hit.path).stem for hit in found} == set(sorted(COLOURS)[1:3])
    assert library.search("red", before=years[0]) == []
    assert len(library.search("red", after=years[0])) == STILLS
    with pytest.raises(UsageError, match="only must be image or video, got 'film'"):
        library.search("red", only="film")


def test_a_sequence_finds_its_steps_in_order(library, videos, photos):
    film(videos / "a.mp4", ("red", 3), ("green", 6), ("blue", 3))
    film(videos / "b.mp4", ("blue", 3), ("green", 3), ("red", 3))
    library.add(videos, photos)
    (best, *_) = library.search(parse(["red", "then", "blue"]), per_video=1)
    assert best.path == str(videos / "a.mp4")
    assert best.steps_s[0] < 3
    assert 9 <= best.steps_s[1] < 12
    assert best.start_s <= best.steps_s[0] < best.steps_s[1] < best.end_s
    (near, *_) = library.search(parse(["red", "then", "blue"], within_s=4), per_video=1)
    assert near.score < best.score
    assert near.steps_s[1] - near.steps_s[0] <= 4
    assert {Path(hit.path).suffix for hit in library.search(parse(["red", "then", "blue"]))} == {".mp4"}


def test_a_thumbnail_is_what_was_found(library, videos, photos):
    film(videos / "a.mp4", ("red", 3), ("blue", 3))
    draw_small_thing(photos / "corner.png")
    library.add(videos, photos, detail=Detail(tiles=True))
    for hit in library.search("red", limit=3):
        picture = library.thumbnail(hit.id, side_px=64)
        assert max(picture.size) <= 64
        red, green, blue = np.asarray(picture, float).mean((0, 1))
        assert red > green + 50, hit
        assert red > blue + 50, hit
        assert library.item(hit.id).path == os.fsencode(hit.path)
    with pytest.raises(UsageError, match="the library has no item 999"):
        library.thumbnail(999)


def test_ids_stay_until_the_file_changes(library, videos):
    film(videos / "a.mp4", ("red", 3))
    library.add(videos)
    (before,) = library.search("red")
    film(videos / "b.mp4", ("blue", 3))
    (videos / "a.mp4").rename(videos / "c.mp4")
    library.add(videos)
    assert library.search("red", limit=1)[0].id == before.id
    film(videos / "c.mp4", ("red", 4))
    library.add(videos)
    assert library.search("red", limit=1)[0].id != before.id


def test_a_library_of_the_first_schema_is_brought_up_to_date_and_keeps_its_vectors(
    library, tmp_path, photos, videos, encoder
):
    old = tmp_path / "old"
    library.add(photos)
    library.close()
    old.mkdir()
    with closing(sqlite3.connect(old / DATABASE)) as db:
        db.executescript(
            f"PRAGMA application_id = {schema.APPLICATION_ID}; {schema.MIGRATIONS[0]}; PRAGMA user_version = 1"
        )
        db.execute("ATTACH ? AS new", (str(library.folder / DATABASE),))
        for table in ("models", "roots", "files", "items", "vectors"):
            columns = ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")
        db.execute("UPDATE main.state SET (model_id, generation) = (SELECT model_id, generation FROM new.state)")
        db.commit()
    before = encoder.num_pixels
    with Library.open(old, encoder=encoder) as opened:
        assert opened.add() == Summary(unchanged=STILLS)
        assert encoder.num_pixels == before
        assert opened.search("red", limit=1)[0].path.endswith("red.png")
        film(videos / "a.mp4", ("red", 3))
        assert opened.add(videos) == Summary(added=1)
        assert opened.search("red", limit=1)[0].id is not None


def test_many_that_open_a_new_library_at_once_all_get_it(tmp_path):
    def make(_):
        with closing(sqlite3.connect(tmp_path / DATABASE, timeout=30, isolation_level=None)) as db:
            schema.migrate(db)
            return db.execute("PRAGMA user_version").fetchone()[0]

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(make, range(8))) == {len(schema.MIGRATIONS)}
