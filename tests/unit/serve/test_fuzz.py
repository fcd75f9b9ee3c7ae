"""The service against its own description: whatever is sent, it answers, and never with a fault of its own.

A longer run: SEESAY_FUZZ=1000 python -m pytest tests/unit/serve/test_fuzz.py -s
"""

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


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_nothing_that_is_sent_makes_a_fault_of_ours(schema, mode):
    statuses = Counter()

    def check(operation):
        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=NUM_EXAMPLES, suppress_health_check=SLOW, database=None)
        def run(case):
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
    for (path, status), count in sorted(statuses.items()):
        print(f"{count:>6}  {status}  {path}")
