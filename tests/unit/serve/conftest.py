"""One service over one small library, for all that only asks."""

import contextlib

import pytest
from encoders import COLOURS
from films import film
from painting import paint
from starlette.testclient import TestClient

from seesay.encoders import load
from seesay.search.library import Library
from seesay.serve.app import create_app
from seesay.serve.settings import Settings


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A library of five colours, a film, and a file that is none; with the names of what it is made of."""
    folder = tmp_path_factory.mktemp("served")
    photos = folder / "photos"
    (photos / "more").mkdir(parents=True)
    for name, colour in COLOURS.items():
        paint(photos / f"{name}.png", colour)
    paint(photos / "more" / "grün <b>\n.jpg", (20, 180, 60))
    film(photos / "film.mp4", ("red", 2), ("blue", 3))
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff and then nothing")
    with Library.open(folder / "library", encoder=load("starter")) as library:
        library.add(photos)
    return folder


@contextlib.contextmanager
def asking(folder, *, headers=None, **settings):
    app = create_app(Settings(library=folder, **settings))
    # As it is behind uvicorn: what nobody caught is an answer with status 500.
    with TestClient(
        app, base_url="http://127.0.0.1:8421", headers=headers, raise_server_exceptions=False, follow_redirects=False
    ) as client:
        yield client


@pytest.fixture(scope="session")
def client(made):
    with asking(made / "library") as client:
        yield client


@pytest.fixture(scope="session")
def serve():
    """Start another service: `with serve(folder, token=...) as client`."""
    return asking


@pytest.fixture(scope="session")
def id_of(client):
    """The id of the item of a file, by its name."""
    hits = client.get("/api/search", params={"q": "red", "weak": True, "limit": 100}).json()["hits"]
    return {hit["name"]: hit["id"] for hit in hits}
