"""Thumbnails, originals, clips, classification and the state of the service, over HTTP."""

import base64
import io

import av
import pytest
from films import film, motion_photo
from hostile import files
from PIL import Image

from seesay.search.library import Library

HOSTILE = files()


def test_a_thumbnail_is_a_small_jpeg_that_may_be_kept_for_ever(client, id_of):
    for name in ("red.png", "film.mp4"):
        answer = client.get(f"/api/items/{id_of[name]}/thumbnail", params={"side": 64})
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
    picture.unlink()
    with serve(tmp_path / "library") as client:
        gone = client.get(f"/api/items/{hit.id}/file")
        assert (gone.status_code, "seesay index" in gone.json()["error"]) == (404, True)
        assert client.get(f"/api/items/{hit.id}/thumbnail").status_code in (404, 422)
        assert client.get(f"/api/items/{hit.id}/heat", params={"q": "red"}).status_code in (404, 422)
        found = client.get("/api/search", params={"q": "red", "weak": True}).json()["hits"]
        assert [(each["id"], each["width_px"]) for each in found] == [(hit.id, None)]
        picture.write_bytes(b"<script>alert(1)</script>")
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
