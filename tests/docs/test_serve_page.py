"""docs/serve.md says what the service does."""

import json
import re
from dataclasses import fields

import pytest
from pages import read_page
from starlette.testclient import TestClient

from seesay.serve.app import create_app
from seesay.serve.openai import MOST_INPUTS
from seesay.serve.queries import AskedSearch
from seesay.serve.settings import Budget, Settings

PAGE = read_page("serve")
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    app = create_app(Settings(library=tmp_path_factory.mktemp("none") / "library"))
    with TestClient(app, base_url="http://localhost") as client:
        yield client.get("/openapi.json").json()


def test_every_route_is_named(described):
    assert len(described["paths"]) > 15
    for path in described["paths"]:
        path = path.replace("{item_id}", "{id}").partition("/{name}")[0]
        assert re.search(rf"{re.escape(path)}[`?]", PAGE), path


def test_its_search_is_one_and_its_answer_has_the_fields_of_one(tmp_path):
    asked, answer = EXAMPLES
    assert len(AskedSearch(**asked).terms) == 3
    with TestClient(create_app(Settings(library=tmp_path / "none")), base_url="http://localhost") as client:
        given = client.post("/api/search", json={"terms": [{"text": "a beach"}]}).json()
    assert set(answer) == set(given) - {"reason"}


def test_its_numbers_are_those_of_the_code():
    settings = Settings()
    for number in (
        f"{settings.budget.body_bytes >> 20} MiB", f"{settings.budget.pixels // 10**6} megapixels",
        f"{MOST_INPUTS} of them", f"up to {settings.batch_size} a run", f"{settings.budget.waiting} texts",
        f"{settings.host}:{settings.port}", f"`limit` is {AskedSearch().limit}",
    ):  # fmt: skip
        assert number in PAGE.replace("\n", " "), number


def test_its_table_is_the_whole_budget_with_the_numbers_of_the_code():
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE, re.MULTILINE))
    names = [field.name for field in fields(Budget)]
    said = {name: rows.get(name, "missing").strip() for name in names}
    units = {"body_bytes": (1 << 20, " MiB"), "pixels": (10**6, " million")}
    expected = {}
    for name in names:
        divisor, unit = units.get(name, (1, " s" if name.endswith("_s") else ""))
        expected[name] = f"{getattr(Budget(), name) / divisor:,.0f}{unit}"
    assert said == expected
