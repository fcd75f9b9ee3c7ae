"""What a JSON body may hold is counted before it is parsed."""

import json
import random
import time

import pytest

from seesay.serve.bodies import BodyError, check_json
from seesay.serve.settings import Budget


def commas_and_brackets(value):
    """How many the written form has outside its texts, and how deep it is."""
    if isinstance(value, dict | list):
        inner = [commas_and_brackets(each) for each in (value.values() if isinstance(value, dict) else value)]
        own = max(0, len(value) - 1) + 1
        return own + sum(num for num, _ in inner), 1 + max((depth for _, depth in inner), default=0)
    return 0, 0


def drawn(chance, depth=0):
    kind = chance.randrange(6 if depth < 4 else 4)
    if kind < 4:
        return chance.choice([1.5, None, True, 'a "quoted", [bracketed] {text}\\', "\\\\", "", "\u2028"])
    each = [drawn(chance, depth + 1) for _ in range(chance.randrange(5))]
    return each if kind == 4 else {f'k"{number},': value for number, value in enumerate(each)}


def test_it_counts_what_python_s_own_writer_wrote():
    chance = random.Random(0)
    for _ in range(300):
        value = drawn(chance)
        num, depth = commas_and_brackets(value)
        body = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode()
        check_json(body, Budget(json_values=num, json_depth=depth))
        if num:
            with pytest.raises(BodyError, match="values"):
                check_json(body, Budget(json_values=num - 1))
            with pytest.raises(BodyError, match="levels"):
                check_json(body, Budget(json_depth=depth - 1))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" + b"1.5," * (8 << 20) + b"1]", "more than 100,000 values"),
        (b"[" + b"{}," * (8 << 20) + b"1]", "values"),
        (b"[" * 40_000_000, "more than 32 levels"),
        (b'{"a":' * 10_000_000, "levels"),
        (b'"' + b'\\"' * 30_000_000, "has no end"),
        (b'["' + b"a" * 60_000_000, "has no end"),
    ],
)
def test_a_body_of_any_size_is_refused_at_once(body, said):
    began = time.perf_counter()
    with pytest.raises(BodyError) as error:
        check_json(body, Budget())
    assert said in error.value.detail
    assert time.perf_counter() - began < 20, "far more than one look at every byte"


def test_one_long_text_is_taken():
    check_json(json.dumps({"input": "data:image/png;base64," + "A" * 40_000_000}).encode(), Budget())


def test_a_body_without_end_of_values_is_refused_by_every_route(client):
    body = '{"input": [' + "1.5," * 200_000 + "1.5]}"
    for path in ("/v1/embeddings", "/api/search", "/api/classify"):
        for headers in ({"Content-Type": "application/json"}, {"Content-Type": "application/vnd.api+json"}, {}):
            answer = client.post(path, content=body, headers=headers)
            assert answer.status_code == 413, (path, headers, answer.text)
            assert "100,000 values" in answer.text
