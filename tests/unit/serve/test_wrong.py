"""What is wrong with a request is said in the API's words, with the field as the client wrote it."""

import json
import re

import pytest

# what pydantic and Python would say, and no client knows
INTERNAL = re.compile(r"Input should|constrained|pydantic|Extra inputs|NoneType|class |list\[|Field required|body\.")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"limit": "a few"}, "limit must be a whole number, got 'a few'"),
        ({"limit": 9999}, "limit must be 500 or less, got 9999"),
        ({"limit": 0}, "limit must be 1 or more, got 0"),
        ({"limit": 2.5}, "limit must be a whole number, got 2.5"),
        ({"limt": 5}, "limt is not a field of this request; did you mean limit?"),
        ({"zebra": 5}, "zebra is not a field of this request"),
        ({"terms": [{"text": "a"}, {"text": 5}]}, "terms[1].text must be a text, got 5"),
        ({"terms": [{"txt": "a"}]}, "terms[0].txt is not a field of this request; did you mean text?"),
        ({"terms": [{"text": "a", "weight": 101}]}, "terms[0].weight must be 100 or less, got 101"),
        ({"terms": {"text": "a"}}, "terms must be a list, got an object"),
        ({"terms": ["a"]}, "terms[0] must be an object, got 'a'"),
        ({"terms": [{"text": "a"}] * 17}, "terms must have at most 16 entries, got a list of 17"),
        ({"terms": [{"text": "a" * 2001}]}, "terms[0].text must have at most 2,000 characters, got 'aaa"),
        ({"under": 5}, "under must be a text or a list, got 5"),
        ({"under": ["a", 5]}, "under[1] must be a text, got 5"),
        ({"only": "audio"}, "only must be 'image' or 'video', got 'audio'"),
        ({"weak": "perhaps"}, "weak must be true or false, got 'perhaps'"),
        ({"after": "yesterday"}, "after must be a date, as in 2026-07-01 or 2026-07-01T10:00:00, got 'yesterday'"),
        ({"within_s": 0}, "within_s must be more than 0, got 0"),
        ({"cursor": "next"}, "cursor must be as an answer of this service gave it, got 'next'"),
        ({"min_score": [1]}, "min_score must be a number, got a list of 1"),
        ([], "the request, sent as Content-Type: application/json, must be an object, got a list of 0"),
        (None, "the request has no body; send a JSON object"),
    ],
)
def test_a_wrong_search_is_refused_in_the_words_of_the_api(client, sent, said):
    answer = client.post("/api/search", json=sent) if sent is not None else client.post("/api/search")
    assert answer.status_code == 422
    assert said in answer.json()["error"]
    assert not INTERNAL.search(answer.text)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/search", "q is missing"),
        ("/api/search?q=a&limit=x", "limit must be a whole number, got 'x'"),
        ("/api/search?q=a&after=x&limit=0", "limit must be 1 or more, got '0'; after must be a date"),
        ("/api/items/x", "item_id must be a whole number, got 'x'"),
        ("/api/items/1/thumbnail?side=5000", "side must be 1024 or less, got '5000'"),
        ("/api/items/1/clip?start_s=nan&end_s=2", "start_s must be"),
        ("/api/library/errors?limit=0", "limit must be 1 or more, got '0'"),
    ],
)
def test_a_wrong_address_is_refused_in_the_words_of_the_api(client, path, said):
    answer = client.get(path)
    assert answer.status_code == 422
    assert said in answer.json()["error"]
    assert not INTERNAL.search(answer.text)


def test_a_wrong_form_is_refused_in_the_words_of_the_api(client):
    for path, fields in (("/api/search/picture", {"query": "{}"}), ("/api/classify/picture", {"labels": "a"})):
        answer = client.post(path, data=fields)
        assert (answer.status_code, answer.json()["error"]) == (422, "image is missing")
        answer = client.post(path, data=fields | {"image": "a text"})
        assert (answer.status_code, answer.json()["error"]) == (422, "image must be a file of a form, got 'a text'")
    for query, said in (("{", "takes: Expecting"), ('{"limt": 1}', "takes: limt is not a field"), ("[]", "an object")):
        answer = client.post("/api/search/picture", files={"image": b"x"}, data={"query": query})
        assert answer.status_code == 422
        assert said in answer.json()["error"]


def test_what_is_no_json_is_a_bad_request_and_says_where(client):
    for path in ("/api/search", "/api/classify", "/v1/embeddings"):
        answer = client.post(path, content=b'{"a": ,}', headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert "the request is not JSON: Expecting value, at character 6" in json.dumps(answer.json())


def test_an_address_where_nothing_is_and_a_method_that_is_not_answered_say_so(client):
    assert client.get("/api/nothing").json() == {"error": "nothing is at /api/nothing; /openapi.json lists what is"}
    assert client.get("/v1/nothing").json()["error"]["message"].startswith("nothing is at /v1/nothing;")
    answer = client.delete("/api/search")
    assert answer.status_code == 405
    assert re.fullmatch(r"DELETE is not answered at /api/search; (GET|POST) is", answer.json()["error"])
