"""The service against its own description: whatever is sent, it answers, and never with a fault of its own.

A longer run: SEESAY_FUZZ=1000 python -m pytest tests/unit/serve/test_fuzz.py -s
"""

import base64
import contextlib
import os
from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.python.asgi import shutdown_lifespans

from seesay.serve.app import create_app
from seesay.serve.settings import Settings

NUM_EXAMPLES = int(os.environ.get("SEESAY_FUZZ", "10"))
SLOW = tuple(HealthCheck)  # data of this size is what is wanted


@pytest.fixture(scope="module")
def schema(made):
    app = create_app(Settings(library=made / "library", hosts=("testserver",)))
    yield schemathesis.openapi.from_asgi("/openapi.json", app)
    shutdown_lifespans()


def test_every_route_is_in_the_description(schema):
    paths = {f"{operation.ok().method.upper()} {operation.ok().path}" for operation in schema.get_all_operations()}
    assert {
        "GET /api/search", "POST /api/search", "POST /api/search/picture", "GET /api/items/{item_id}",
        "GET /api/items/{item_id}/thumbnail", "GET /api/items/{item_id}/file", "GET /api/items/{item_id}/clip",
        "GET /api/items/{item_id}/marks", "GET /api/items/{item_id}/heat", "POST /api/classify",
        "POST /api/classify/picture", "GET /api/library", "GET /api/library/errors", "POST /v1/embeddings",
        "GET /v1/models", "GET /healthz", "GET /readyz", "GET /metrics",
    } <= paths  # fmt: skip


def fill(case, ids, picture):
    """Items that are there and pictures that can be read, where what was drawn would be neither."""
    if case.path_parameters and "item_id" in case.path_parameters:
        number = case.path_parameters["item_id"]
        case.path_parameters["item_id"] = ids[number % len(ids)] if isinstance(number, int) else number
    if not isinstance(case.body, dict):
        return
    if case.media_type == "multipart/form-data":
        case.body["image"] = picture
        return
    for part in (case.body, *(case.body.get("terms") or ())):
        if isinstance(part.get("item"), int):
            part["item"] = ids[part["item"] % len(ids)]
        if isinstance(part.get("image"), str):
            part["image"] = "data:image/png;base64," + base64.b64encode(picture).decode()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_nothing_that_is_sent_makes_a_fault_of_ours(schema, mode, made, id_of):
    statuses = Counter()
    ids, picture = sorted(id_of.values()), (made / "photos" / "red.png").read_bytes()

    def check(operation):
        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=NUM_EXAMPLES, suppress_health_check=SLOW, database=None)
        def run(case):
            if mode is GenerationMode.POSITIVE:
                fill(case, ids, picture)
            answer = case.call()
            statuses[operation.label, answer.status_code] += 1
            assert answer.status_code < 500, case.as_curl_command()
            assert b"Traceback" not in answer.content

        run()

    for result in schema.get_all_operations():
        operation = result.ok()
        with contextlib.suppress(Unsatisfiable):  # a route that takes nothing cannot be sent anything wrong
            check(operation)
    assert sum(statuses.values()) > 50
    if mode is GenerationMode.POSITIVE and NUM_EXAMPLES >= 100:  # of a few, all may be refused for what they say
        answered = {path for path, status in statuses if status < 300}
        assert len(answered) >= 15, answered
    for (path, status), count in sorted(statuses.items()):
        print(f"{count:>6}  {status}  {path}")
