"""Searching over HTTP: what is asked for is what comes, in pages, and a wrong question gets a sentence."""

import base64
import json
from datetime import datetime

import pytest

from seesay.serve.batching import BusyError


def names(answer):
    assert answer.status_code == 200, answer.text
    return [hit["name"] for hit in answer.json()["hits"]]


def post(client, **fields):
    return client.post("/api/search", json={"weak": True} | fields)


def data_url(path):
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def test_a_hit_says_all_that_the_page_shows(client):
    answer = client.get("/api/search", params={"q": "red", "weak": True, "only": "image", "limit": 1})
    (hit,) = answer.json()["hits"]
    assert {"id", "path", "name", "folder", "kind", "score", "size_bytes", "modified_at"} <= set(hit)
    assert (hit["kind"], hit["width_px"], hit["height_px"]) == ("image", 40, 40)
    (moment,) = client.get("/api/search", params={"q": "red", "weak": True, "only": "video", "limit": 1}).json()["hits"]
    assert (moment["kind"], moment["width_px"], moment["height_px"]) == ("moment", 64, 48)
    assert 0 <= moment["start_s"] <= moment["time_s"] <= moment["end_s"] <= moment["duration_s"] + 1


def test_more_like_an_item_finds_it_first_and_so_does_its_file(client, made, id_of):
    for name in ("red.png", "blue.png", "white.png"):
        assert names(post(client, terms=[{"item": id_of[name]}], only="image"))[0] == name
        url = data_url(made / "photos" / name)
        assert names(post(client, terms=[{"image": url}], only="image"))[0] == name
        with (made / "photos" / name).open("rb") as file:
            form = {"query": json.dumps({"only": "image", "weak": True})}
            assert names(client.post("/api/search/picture", files={"image": file}, data=form))[0] == name


def test_taking_away_what_a_sum_added_leaves_the_rest(client, id_of):
    red, blue = {"item": id_of["red.png"]}, {"item": id_of["blue.png"]}
    alone = post(client, terms=[blue], only="image").json()["hits"]
    summed = post(client, terms=[red, blue, red | {"weight": -1}], only="image").json()["hits"]
    assert [hit["id"] for hit in summed] == [hit["id"] for hit in alone]
    assert [hit["score"] for hit in summed] == pytest.approx([hit["score"] for hit in alone], abs=1e-4)


def test_a_sentence_and_its_terms_are_the_same_query(client):
    typed = client.get("/api/search", params={"q": "red + 2:snow - blue", "weak": True}).json()["hits"]
    terms = [{"text": "red"}, {"text": "snow", "weight": 2}, {"text": "blue", "weight": -1}]
    assert [hit["id"] for hit in post(client, terms=terms).json()["hits"]] == [hit["id"] for hit in typed]


def test_pages_put_together_are_the_whole(client):
    whole = client.get("/api/search", params={"q": "green", "weak": True, "limit": 100}).json()
    assert whole["cursor"] is None
    ids, cursor = [], None
    for _ in range(20):
        page = client.get(
            "/api/search", params={"q": "green", "weak": True, "limit": 3} | ({"cursor": cursor} if cursor else {})
        ).json()
        ids += [hit["id"] for hit in page["hits"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert ids == [hit["id"] for hit in whole["hits"]]
    assert len(ids) > 6


def test_filters_choose_before_ranking(client, made):
    ask = {"terms": [{"text": "red"}], "limit": 100}
    assert set(names(post(client, **ask, only="video"))) == {"film.mp4"}
    assert names(post(client, **ask, under=str(made / "photos" / "more"))) == ["grün <b>\n.jpg"]
    assert names(post(client, **ask, before="2000-01-01")) == []
    assert len(names(post(client, **ask, after="2000-01-01"))) == len(names(post(client, **ask)))
    answer = post(client, **ask, under="/etc")
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("/etc: nothing of the library is there; it holds: ")


def test_several_places_are_one_search(client, made):
    places = [str(made / "photos" / "more"), str(made / "photos" / "red.png")]
    asked = {"q": "red", "under": places, "weak": True}
    by_get = client.get("/api/search", params=asked)
    assert set(names(by_get)) == {"grün <b>\n.jpg", "red.png"}
    assert names(post(client, terms=[{"text": "red"}], under=places, weak=True)) == names(by_get)
    assert client.get("/api/search", params=asked | {"under": [*places, "/etc"]}).status_code == 422
    assert post(client, terms=[{"text": "red"}], under="a\0b").status_code == 422


def test_a_date_that_leaves_nothing_is_the_reason(client):
    answer = client.get("/api/search", params={"q": "red", "after": "2090-01-01T00:00:00"}).json()
    assert (answer["hits"], answer["is_match"], answer["is_held_back"]) == ([], False, False)
    assert answer["reason"] == "nothing in the library was taken or changed since 2090-01-01"


def test_by_date_the_newest_come_first_page_after_page(client):
    asked = {"q": "red", "sort": "date", "min_score": -1, "all": True}
    whole = client.get("/api/search", params=asked | {"limit": 500}).json()["hits"]
    dates = [hit.get("taken") or hit["modified_at"] for hit in whole]
    assert [datetime.fromisoformat(date) for date in dates] == sorted(map(datetime.fromisoformat, dates), reverse=True)
    pages = [client.get("/api/search", params=asked | {"limit": 3, "cursor": str(at)}).json() for at in (0, 3)]
    assert [hit["id"] for page in pages for hit in page["hits"]] == [hit["id"] for hit in whole[:6]]
    assert client.get("/api/search", params=asked | {"min_score": "nan"}).status_code == 422


def test_words_that_the_model_does_not_know_are_said(client):
    assert client.get("/api/search", params={"q": "a kissa - girrafe"}).json()["unknown_words"] == ["kissa", "girrafe"]
    assert post(client, terms=[{"text": "a dog"}]).json()["unknown_words"] == []


def test_nothing_matches_is_said_and_weak_shows_what_comes_nearest(client):
    ask = {"q": "a herd of elephants crossing a river at dawn"}
    strict = client.get("/api/search", params=ask).json()
    weak = client.get("/api/search", params=ask | {"weak": True}).json()
    assert strict["least_cosine"] == weak["least_cosine"] > 0
    assert (strict["is_match"], strict["hits"], strict["cursor"]) == (False, [], None)
    assert weak["hits"]
    assert weak["is_match"] is False
    second = {"weak": True, "limit": 1, "cursor": "1"}
    assert client.get("/api/search", params=ask | second).json()["is_match"] is False
    assert client.get("/api/search", params=ask | second | {"weak": False}).json()["hits"] == []


def test_when_too_many_wait_one_is_told_to_come_again(client, monkeypatch):
    def refuse(lane, things):
        raise BusyError("the model has more to do than it can take")

    monkeypatch.setattr("seesay.serve.batching.Lane.submit", refuse)
    for answer in (
        client.get("/api/search", params={"q": "red"}),
        client.post("/v1/embeddings", json={"input": "red"}),
        client.post("/api/classify", json={"item": 1, "labels": ["red"]}),
    ):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert "more to do" in answer.text


def test_a_sequence_finds_what_follows(client):
    answer = post(client, terms=[{"text": "red"}], then=[[{"text": "blue"}]])
    hits = answer.json()["hits"]
    assert {hit["name"] for hit in hits} == {"film.mp4"}
    assert all(len(hit["steps_s"]) == 2 and hit["steps_s"][0] < hit["steps_s"][1] for hit in hits)


def test_an_item_says_the_other_moments_of_its_video_and_marks_are_among_them(client, id_of):
    item = client.get(f"/api/items/{id_of['film.mp4']}").json()
    assert item["name"] == "film.mp4"
    times = [moment["time_s"] for moment in item["moments"]]
    assert len(times) >= 2
    assert times == sorted(times)
    marks = client.get(f"/api/items/{id_of['film.mp4']}/marks", params={"q": "blue"}).json()["moments"]
    assert {mark["id"] for mark in marks} <= {moment["id"] for moment in item["moments"]}
    assert [mark["score"] for mark in marks] == sorted((mark["score"] for mark in marks), reverse=True)
    assert client.get(f"/api/items/{id_of['red.png']}/marks", params={"q": "blue"}).json() == {"moments": []}
    assert "moments" not in client.get(f"/api/items/{id_of['red.png']}").json()


def test_a_heat_map_covers_what_the_model_saw(client, id_of):
    for name in ("red.png", "film.mp4"):
        heat = client.get(f"/api/items/{id_of[name]}/heat", params={"q": "red"}).json()
        values = [value for row in heat["values"] for value in row]
        assert (len(heat["values"]), len(values)) == (heat["rows"], heat["rows"] * heat["columns"])
        assert heat["low"] == pytest.approx(min(values), abs=1e-3)
        assert heat["high"] == pytest.approx(max(values), abs=1e-3)
        view = heat["view"]
        assert view["left"] < view["right"]
        assert view["top"] < view["bottom"]
    by_terms = client.post(f"/api/items/{id_of['red.png']}/heat", json={"terms": [{"text": "red"}]})
    assert by_terms.json() == client.get(f"/api/items/{id_of['red.png']}/heat", params={"q": "red"}).json()


def test_what_is_not_there_is_404_and_what_makes_no_sense_is_422_with_a_sentence(client):
    for path in ("", "/thumbnail", "/file", "/marks?q=a", "/heat?q=a", "/clip?start_s=0&end_s=1"):
        for item in (0, 999_999):
            answer = client.get(f"/api/items/{item}{path}")
            assert answer.status_code == 404, path
            assert "search again" in answer.json()["error"]
    assert post(client, terms=[{"item": 999_999}]).status_code == 404
    for wrong in ({"terms": []}, {"terms": [{"text": "a", "weight": -1}]}, {"terms": [{"txt": "a"}]}, {"limit": "x"}):
        answer = post(client, **wrong)
        assert answer.status_code == 422
        assert len(answer.json()["error"]) > 10
    cancels = post(client, terms=[{"text": "a"}, {"text": "a", "weight": -1}])
    assert (cancels.status_code, "cancel out" in cancels.json()["error"]) == (422, True)


def test_without_a_library_the_service_says_how_to_begin(serve, tmp_path):
    with serve(tmp_path / "none") as client:
        answer = client.get("/api/search", params={"q": "red"})
        assert answer.status_code == 200
        assert (answer.json()["hits"], answer.json()["is_match"]) == ([], False)
        assert "seesay index" in answer.json()["reason"]
        assert client.get("/api/library").json()["num_items"] == 0
        assert client.get("/api/library/errors").json() == {"errors": [], "count": 0}
        assert client.get("/api/items/1").status_code in (404, 503)
        assert client.post("/v1/embeddings", json={"input": "red"}).status_code == 200
    assert not (tmp_path / "none").exists()


def test_what_is_added_while_the_service_runs_is_found(serve, tmp_path):
    from painting import paint

    from seesay.search.library import Library

    with serve(tmp_path / "library") as client:
        assert client.get("/api/search", params={"q": "red", "weak": True}).json()["hits"] == []
        for count, name in enumerate(("red.png", "blue.png"), 1):
            (tmp_path / "photos").mkdir(exist_ok=True)
            paint(tmp_path / "photos" / name, (200, 10, 10))
            with Library.open(tmp_path / "library") as library:
                library.add(tmp_path / "photos")
            assert len(client.get("/api/search", params={"q": "red", "weak": True}).json()["hits"]) == count
            assert client.get("/api/library").json()["num_items"] == count


def test_a_sentence_with_then_finds_a_sequence(client):
    asked = {"terms": [{"text": "red"}], "then": [[{"text": "blue"}]]}
    by_terms = client.post("/api/search", json=asked).json()["hits"]
    by_sentence = client.get("/api/search", params={"q": "red then blue"}).json()["hits"]
    assert by_sentence == by_terms
    best = by_sentence[0]
    assert best["name"] == "film.mp4"
    first_s, second_s = best["steps_s"]
    assert first_s < 2 <= second_s  # 2 s of red, then blue
    none = client.get("/api/search", params={"q": "red then blue", "within_s": 0.5}).json()["hits"]
    assert none == []  # a moment a second
    marks = client.get(f"/api/items/{best['id']}/marks", params={"q": "red then blue"})
    assert marks.json()["moments"][0]["start_s"] == best["start_s"]
    assert client.get(f"/api/items/{best['id']}/heat", params={"q": "red then blue"}).status_code == 200
    refused = client.get("/api/search", params={"q": "red", "within_s": 3})
    assert refused.status_code == 422
    assert "need a sequence" in refused.json()["error"]
