"""Who may ask, under which name, and how much they may send."""

import base64
import json

import pytest
from hostile import png_of

from seesay.serve.settings import Budget

TOKEN = 'correct "horse"; battery=staple, etc.'
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def closed(serve, made):
    with serve(made / "library", host="0.0.0.0", token=TOKEN, hosts=("photos.example.org",)) as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1:8421", "localhost:8421", "LOCALHOST", "[::1]:8421", "[::1]", "127.0.0.1"])
def test_it_answers_under_the_names_of_this_machine(client, host):
    assert client.get("/api/library", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8421", "localhost.evil.example", "127.0.0.1.evil.example", "", ":8421", "[::1"],
)
def test_a_name_that_was_made_to_point_here_is_refused(client, host):
    for path in ("/", "/api/library", "/healthz", "/page/x"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 421
        assert "--allow-host" in answer.json()["error"]


def test_a_name_that_was_allowed_is_answered_and_no_other(closed):
    assert closed.get("/api/library", headers=BEARER | {"Host": "photos.example.org"}).status_code == 200
    assert closed.get("/api/library", headers=BEARER | {"Host": "other.example.org"}).status_code == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://[", "https://", ""])
def test_a_page_of_another_site_can_neither_ask_nor_read(client, origin):
    for method in ("get", "post", "options"):
        answer = getattr(client, method)("/api/search", headers={"Origin": origin})
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_an_image_of_another_page_is_refused_though_it_has_no_origin(client, id_of, site):
    embedded = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    followed = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for path in ("/", f"/api/items/{id_of['red.png']}/thumbnail", "/api/search?q=red", "/page/main.js"):
        assert client.get(path, headers=embedded).status_code == 403
        assert client.get(path, headers=followed).status_code == (200 if path == "/" else 403)
    assert client.get("/", headers=followed | {"Sec-Fetch-Dest": "iframe"}).status_code == 403
    for ours in ("same-origin", "none"):
        assert client.get("/api/search?q=red", headers={"Sec-Fetch-Site": ours}).status_code == 200


def test_head_is_get_without_the_body(client, id_of):
    for path in ("/", "/healthz", "/api/library", "/v1/models", f"/api/items/{id_of['red.png']}/file"):
        asked, got = client.head(path), client.get(path)
        assert (asked.status_code, asked.headers["content-type"]) == (200, got.headers["content-type"])
    assert client.head("/api/classify").status_code == 405
    methods = {method for path in client.get("/openapi.json").json()["paths"].values() for method in path}
    assert methods == {"get", "post"}, "HEAD is no operation of its own"


def test_its_own_page_may_ask(client):
    answer = client.post("/api/search", json={"terms": [{"text": "red"}]}, headers={"Origin": "http://127.0.0.1:8421"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/library", "/v1/models", "/metrics", "/openapi.json", "/", "/page/x", "/nothing"]
)
def test_without_the_token_nothing_is_told(closed, path):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"},
                    {"Authorization": "Bearer"}, {"Authorization": f"Bearer {TOKEN}x"}, {"Cookie": "seesay_token=no"},
                    {"Authorization": b"Bearer \xff\xfe"}, {"Cookie": "][;=;,"}):  # fmt: skip
        answer = closed.get(path, headers={"Host": "localhost"} | headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "token" in answer.text
        assert TOKEN not in answer.text


def test_the_token_is_taken_from_the_header_or_once_from_the_address(closed):
    local = {"Host": "localhost"}
    assert closed.get("/api/library", headers=local | BEARER).status_code == 200
    assert closed.get("/", params={"token": "wrong"}, headers=local).status_code == 401
    assert closed.get("/api/library", params={"token": TOKEN}, headers=local).status_code == 401
    answer = closed.get("/", params={"token": TOKEN}, headers=local)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie, _, attributes = answer.headers["set-cookie"].partition("; ")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(attributes.split("; "))
    closed.cookies.clear()
    assert closed.get("/api/library", headers=local | {"Cookie": cookie}).status_code == 200


def test_a_token_lasts_as_long_as_the_browser_unless_it_is_to_be_kept(closed):
    local = {"Host": "localhost"}
    for asked, is_kept in (({}, False), ({"keep": "1"}, True), ({"keep": "0"}, False)):
        answer = closed.get("/", params={"token": TOKEN} | asked, headers=local)
        assert ("max-age=34560000" in answer.headers["set-cookie"].lower()) == is_kept
    closed.cookies.clear()


def test_cookies_of_neighbours_on_the_same_host_are_in_nobody_s_way(closed):
    local = {"Host": "localhost"}
    answer = closed.get("/", params={"token": TOKEN}, headers=local)
    cookie = answer.headers["set-cookie"].partition(";")[0]
    closed.cookies.clear()
    name = cookie.partition("=")[0]
    for others in ("a[b]=\x01;", 'x="unended;', "seesay_token=other; seesay_token_9=other;", ";;=;", f"{name}=old;"):
        given = closed.get("/api/library", headers=local | {"Cookie": f"{others} {cookie}; z={{}}"})
        assert given.status_code == 200, others
    assert name != "seesay_token", "two services on one host must not overwrite each other's"


def test_whoever_watches_over_the_process_needs_no_token(closed):
    assert closed.get("/healthz", headers={"Host": "localhost"}).json() == {"status": "ok"}
    assert closed.get("/readyz", headers={"Host": "localhost"}).status_code in (200, 503)


@pytest.mark.parametrize("path", ["/", "/api/library", "/api/search", "/nothing", "/healthz", "/page/nothing.js"])
def test_every_answer_forbids_what_the_page_does_not_need(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_a_body_is_refused_by_what_it_says_and_by_what_it_is(serve, made):
    with serve(made / "library", budget=Budget(body_bytes=1 << 20)) as client:
        large = json.dumps({"terms": [{"image": "data:image/png;base64," + "A" * (2 << 20)}]}).encode()
        pieces = (large[start : start + 65536] for start in range(0, len(large), 65536))
        json_type = {"Content-Type": "application/json"}
        for path in ("/api/search", "/api/classify", "/v1/embeddings"):
            assert client.post(path, content=large, headers=json_type).status_code == 413
        chunked = client.post("/api/search", content=pieces, headers=json_type)
        assert (chunked.status_code, "1 MiB" in chunked.json()["error"]) == (413, True)
        form = client.post("/api/search/picture", files={"image": bytes(2 << 20)})
        assert form.status_code == 413

        def parts():
            yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
            for _ in range(40):
                yield bytes(65536)
            yield b"\r\n--x--\r\n"

        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        assert client.post("/api/search/picture", content=parts(), headers=kind).status_code == 413
        for length in ("-1", "x", "9" * 5000, "9" * 19):
            answer = client.post("/api/search", content=b"{}", headers={"Content-Length": length})
            assert answer.status_code in (400, 413)


def test_a_picture_too_large_in_pixels_is_refused_wherever_it_is_sent(serve, made):
    url = "data:image/png;base64," + base64.b64encode(png_of(12_000, 12_000)).decode()
    with serve(made / "library") as client:
        for path, body in {
            "/api/search": {"terms": [{"image": url}]},
            "/api/classify": {"image": url, "labels": ["a"]},
            "/v1/embeddings": {"input": url},
        }.items():
            answer = client.post(path, json=body)
            assert answer.status_code in (400, 422)
            assert "12000 x 12000 pixels" in answer.text


def test_errors_name_no_file_of_ours_and_show_no_trace(client, id_of, monkeypatch):
    for answer in (
        client.get("/api/search", params={"q": "red", "under": "/etc/passwd"}),
        client.post("/api/search", json={"terms": [{"image": "/etc/passwd"}]}),
        client.post("/api/search", content=b"\xff\xfe{", headers={"Content-Type": "application/json"}),
        client.get("/page/../app.py"),
        client.get("/page/%2e%2e/app.py"),
        client.get("/page/..%2f..%2fapp.py"),
    ):
        assert 400 <= answer.status_code < 500
        assert "Traceback" not in answer.text
        assert "seesay/serve" not in answer.text

    def fail(*arguments, **options):
        raise RuntimeError("/secret/place broke")

    monkeypatch.setattr("seesay.serve.searching.describe_item", fail)
    answer = client.get(f"/api/items/{id_of['red.png']}")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "its log says what, under" in answer.json()["error"]
