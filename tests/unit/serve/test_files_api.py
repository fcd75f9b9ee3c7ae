"""Thumbnails, originals, clips, classification and the state of the service, over HTTP."""

import base64
import io
import os

import av
import pytest
from films import film, motion_photo
from hostile import files
from PIL import Image

from seesay.search.library import Library

HOSTILE = files()


def test_a_thumbnail_is_a_small_jpeg_that_may_be_kept_for_ever(client, id_of):
    identity = client.get("/api/search", params={"q": "red"}).json()["library"]
    for name in ("red.png", "film.mp4"):
        answer = client.get(f"/api/items/{id_of[name]}/thumbnail", params={"side": 64, "v": identity})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert "immutable" in answer.headers["cache-control"]
        assert "private" in answer.headers["cache-control"]
        assert max(Image.open(io.BytesIO(answer.content)).size) <= 128
    for side in (0, -1, 100_000, "x"):
        assert client.get(f"/api/items/{id_of['red.png']}/thumbnail", params={"side": side}).status_code == 422


def test_an_original_is_the_file_itself_with_its_type(client, made, id_of):
    for name, kind in {"red.png": "image/png", "film.mp4": "video/mp4"}.items():
        answer = client.get(f"/api/items/{id_of[name]}/file")
        assert answer.content == (made / "photos" / name).read_bytes()
        assert answer.headers["content-type"] == kind
        assert answer.headers["content-disposition"].startswith("inline")
        offered = client.get(f"/api/items/{id_of[name]}/file", params={"download": 1})
        assert offered.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(("asked", "start", "stop"), [("0-99", 0, 100), ("100-", 100, None), ("-50", -50, None)])
def test_a_video_is_given_in_ranges(client, made, id_of, asked, start, stop):
    whole = (made / "photos" / "film.mp4").read_bytes()
    answer = client.get(f"/api/items/{id_of['film.mp4']}/file", headers={"Range": f"bytes={asked}"})
    assert answer.status_code == 206
    assert answer.content == whole[start:stop]
    assert answer.headers["content-range"].endswith(f"/{len(whole)}")


def test_a_file_that_was_removed_is_404_in_each_of_its_forms(serve, tmp_path):
    (tmp_path / "photos").mkdir()
    movie = film(tmp_path / "photos" / "film.mp4", ("red", 2), ("blue", 2))
    with Library.open(tmp_path / "library") as library:
        library.add(tmp_path / "photos")
    with serve(tmp_path / "library") as client:
        hit, *_ = client.get("/api/search", params={"q": "red", "weak": True}).json()["hits"]
        movie.unlink()
        for form in ("file", "thumbnail", "clip?start_s=0&end_s=1"):
            answer = client.get(f"/api/items/{hit['id']}/{form}")
            assert answer.status_code == 404
            assert answer.json()["error"].startswith("the file is not there any more; bring the library up to date")
        hit, *_ = client.get("/api/search", params={"q": "red", "weak": True}).json()["hits"]
        assert "out_of_reach" not in hit


def test_a_library_that_cannot_be_read_is_not_called_empty(serve, tmp_path):
    Library.open(tmp_path / "library", create=True).close()
    with serve(tmp_path / "library") as client:
        for file in (tmp_path / "library").glob("library.sqlite*"):
            file.write_bytes(b"not a database " * 100)
        for path in ("/api/library", "/api/library/errors"):
            answer = client.get(path)
            assert answer.status_code == 503
            assert str(tmp_path / "library") in answer.json()["error"]


def test_what_did_not_change_is_not_sent_again(client, id_of):
    item = f"/api/items/{id_of['red.png']}"
    for path in (f"{item}/thumbnail", f"{item}/file", f"{item}/file?download=1"):
        first = client.get(path)
        for asked in ({"If-None-Match": first.headers["etag"]}, {"If-None-Match": f'"x", W/{first.headers["etag"]}'}):
            for method in (client.get, client.head):
                again = method(path, headers=asked)
                assert (again.status_code, again.content) == (304, b"")
                assert again.headers["etag"] == first.headers["etag"]
                assert again.headers["cache-control"] == first.headers["cache-control"]
        changed = client.get(path, headers={"If-None-Match": '"another"'})
        assert (changed.status_code, changed.content) == (200, first.content)
    when = client.get(f"{item}/file").headers["last-modified"]
    assert client.get(f"{item}/file", headers={"If-Modified-Since": when}).status_code == 304
    assert client.get(f"{item}/file", headers={"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}).status_code == 200
    both = {"If-Modified-Since": when, "If-None-Match": '"another"'}  # the tag decides
    assert client.get(f"{item}/file", headers=both).status_code == 200


def test_the_head_of_a_file_is_told_without_reading_it(client, made, id_of, monkeypatch):
    path = f"/api/items/{id_of['film.mp4']}/file"
    whole = client.get(path)

    async def read(*args, **named):
        raise AssertionError("the file was opened")

    monkeypatch.setattr("anyio.open_file", read)
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "accept-ranges", "content-disposition"):
        assert head.headers[name] == whole.headers[name]
    part = client.head(path, headers={"Range": "bytes=0-99"})
    assert (part.status_code, part.headers["content-length"], part.content) == (206, "100", b"")


def test_the_head_of_a_clip_is_told_without_cutting_it(client, id_of, monkeypatch):
    def cut(*args, **named):
        raise AssertionError("a clip was cut")

    monkeypatch.setattr("seesay.serve.cutting.cut_clip", cut)
    path = f"/api/items/{id_of['film.mp4']}/clip"
    assert client.head(path, params={"start_s": 0, "end_s": 2}).status_code == 200
    assert client.head(path, params={"start_s": "x", "end_s": 2}).status_code == 422


def test_a_range_that_is_none_breaks_nothing(client, id_of):
    path = f"/api/items/{id_of['film.mp4']}/file"
    for asked in ("bytes=999999999-", "bytes=5-2", "bytes=x", "lines=0-1", "bytes=" + "0-1," * 2000 + "0-1"):
        assert client.get(path, headers={"Range": asked}).status_code in (200, 206, 400, 416)


def test_a_name_that_is_markup_or_a_line_break_stays_a_name(client, made, id_of):
    answer = client.get(f"/api/items/{id_of['grün <b>' + chr(10) + '.jpg']}/file")
    assert answer.content == (made / "photos" / "more" / "grün <b>\n.jpg").read_bytes()
    assert "\n" not in answer.headers["content-disposition"]


def test_what_a_browser_could_run_is_never_shown(serve, tmp_path):
    from painting import paint

    from seesay.search.library import Library

    (tmp_path / "photos").mkdir()
    picture = paint(tmp_path / "photos" / "a.png", (200, 10, 10))
    with Library.open(tmp_path / "library") as library:
        library.add(picture)
        (hit,) = library.search("red", weak=True)
    was = picture.stat()
    picture.unlink()
    with serve(tmp_path / "library") as client:
        gone = client.get(f"/api/items/{hit.id}/file")
        assert (gone.status_code, "seesay index" in gone.json()["error"]) == (404, True)
        assert client.get(f"/api/items/{hit.id}/thumbnail").status_code in (404, 422)
        assert client.get(f"/api/items/{hit.id}/heat", params={"q": "red"}).status_code in (404, 422)
        found = client.get("/api/search", params={"q": "red", "weak": True}).json()["hits"]
        assert [(each["id"], each["width_px"]) for each in found] == [(hit.id, 40)], "as the index saw it"
        script = b"<script>alert(1)</script>"
        picture.write_bytes(script + b" " * (was.st_size - len(script)))
        os.utime(picture, ns=(was.st_mtime_ns, was.st_mtime_ns))
        answer = client.get(f"/api/items/{hit.id}/file")
        assert answer.headers["content-type"] == "image/png"  # and nosniff: it is a broken picture, not a page
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_clip_is_the_part_that_was_asked_for(client, id_of, tmp_path):
    path = f"/api/items/{id_of['film.mp4']}/clip"
    answer = client.get(path, params={"start_s": 2, "end_s": 4})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    (tmp_path / "clip.mp4").write_bytes(answer.content)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert 0.5 < container.duration / av.time_base < 5
    for start_s, end_s in ((3, 2), (0, 1e6), ("nan", 1), (-1, 1)):
        assert client.get(path, params={"start_s": start_s, "end_s": end_s}).status_code == 422
    photo = client.get(f"/api/items/{id_of['red.png']}/clip", params={"start_s": 0, "end_s": 1})
    assert photo.status_code == 422


def test_of_a_second_track_and_of_a_film_in_a_photograph_the_right_film_is_served(serve, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    film(folder / "car.mp4", ("red", 3), others=(("blue", 3),))
    photo = motion_photo(folder / "phone.jpg", "white", ("green", 3))
    with Library.open(tmp_path / "library") as library:
        library.add(folder)
        (car,) = [hit for hit in library.search("blue", weak=True, under=folder / "car.mp4") if hit.track]
        moments = library.search("green", weak=True, under=photo, only="video")
        (picture,) = library.search("green", weak=True, under=photo, only="image")
    with serve(tmp_path / "library") as client:
        assert client.get(f"/api/items/{car.id}").json()["track"] == 1
        marks = client.get(f"/api/items/{car.id}/marks", params={"q": "blue"}).json()["moments"]
        assert [mark["id"] for mark in marks] == [car.id]
        (tmp_path / "clip.mp4").write_bytes(
            client.get(f"/api/items/{car.id}/clip", params={"start_s": 0, "end_s": 2}).content
        )
        with av.open(str(tmp_path / "clip.mp4")) as container:
            red, _, blue = next(container.decode(video=0)).to_ndarray(format="rgb24").mean((0, 1))
        assert blue > 200 > 50 > red
        answer = client.get(f"/api/items/{moments[0].id}/file")
        assert answer.headers["content-type"] == "video/mp4"
        assert photo.read_bytes().endswith(answer.content)
        tag = {"If-None-Match": answer.headers["etag"]}
        assert client.get(f"/api/items/{moments[0].id}/file", headers=tag).status_code == 304
        head = client.head(f"/api/items/{moments[0].id}/file")
        assert (head.status_code, head.headers["content-length"]) == (200, answer.headers["content-length"])
        part = client.get(f"/api/items/{moments[0].id}/file", headers={"Range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, b"ftyp")
        assert client.get(f"/api/items/{moments[0].id}/file", params={"download": 1}).content == photo.read_bytes()
        assert client.get(f"/api/items/{picture.id}/file").content == photo.read_bytes()


def test_classify_gives_a_probability_for_each_label_once(client, made, id_of):
    labels = ["red", "blue", " red ", "green"]
    url = "data:image/png;base64," + base64.b64encode((made / "photos" / "blue.png").read_bytes()).decode()
    by_url = client.post("/api/classify", json={"image": url, "labels": labels}).json()["labels"]
    assert {each["label"] for each in by_url} == {"red", "blue", "green"}
    assert sum(each["probability"] for each in by_url) == pytest.approx(1, abs=1e-4)
    assert [each["probability"] for each in by_url] == sorted((e["probability"] for e in by_url), reverse=True)
    by_item = client.post("/api/classify", json={"item": id_of["blue.png"], "labels": labels}).json()["labels"]
    assert [each["label"] for each in by_item] == [each["label"] for each in by_url]
    with (made / "photos" / "blue.png").open("rb") as file:
        by_file = client.post("/api/classify/picture", files={"image": file}, data={"labels": "red, blue,,green"})
    assert by_file.json()["labels"] == by_url
    for wrong in ({"labels": []}, {"labels": [" "]}, {"labels": ["a"], "item": None}, {"labels": ["a"], "image": "x"}):
        answer = client.post("/api/classify", json={"item": id_of["blue.png"]} | wrong)
        assert answer.status_code == 422, wrong
        assert answer.json()["error"]


def test_the_state_counts_what_is_there_and_lists_what_could_not_be_read(client, made):
    state = client.get("/api/library").json()
    assert (state["num_files"], state["num_images"], state["num_videos"]) == (7, 6, 1)
    assert state["num_items"] > 7
    assert state["roots"] == [str(made / "photos")]
    assert state["model"].startswith("starter@")
    assert (state["indexing"], state["errors"]) == (None, {"count": 1})
    ledger = client.get("/api/library/errors").json()
    assert ledger["count"] == 1
    assert ledger["errors"][0]["path"].endswith("broken.jpg")
    assert ledger["errors"][0]["reason"]
    assert client.get("/api/library/errors", params={"offset": 1}).json() == {"errors": [], "count": 1}


def test_metrics_count_requests_by_route_and_never_by_path(client, id_of):
    client.get(f"/api/items/{id_of['red.png']}")
    client.get("/nothing/of/the/kind/albatross")
    text = client.get("/metrics").text
    assert 'route="/api/items/{item_id}",status="200"' in text
    assert "albatross" not in text
    assert 'seesay_batch_size_count{kind="text"}' in text
    assert "seesay_waiting_texts 0.0" in text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_gets_an_answer_and_never_breaks_the_service(client, name):
    content = HOSTILE[name]
    url = "data:image/png;base64," + base64.b64encode(content).decode()
    answers = [
        client.post("/api/search/picture", files={"image": content}),
        client.post("/api/classify/picture", files={"image": content}, data={"labels": "a,b"}),
        client.post("/api/search", json={"terms": [{"image": url}]}),
        client.post("/v1/embeddings", json={"input": [url]}),
    ]
    for answer in answers:
        assert answer.status_code in (200, 400, 422), answer.text
        assert "Traceback" not in answer.text
        assert "passwd" not in answer.text
    assert len({answer.status_code == 200 for answer in answers}) == 1


def test_hostile_files_are_nearly_all_refused():
    assert len(HOSTILE) > 20
