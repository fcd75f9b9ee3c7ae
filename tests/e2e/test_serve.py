"""`seesay serve` as a user starts it: the official OpenAI client, stopping while it works, and refusing to be open."""

import base64
import contextlib
import json
import re
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlopen

import numpy as np
import openai
import pytest
from program import SEESAY

ADDRESS = re.compile(r"http://\S+:(\d+)")


@contextlib.contextmanager
def serving(run, *arguments):
    """A running service; the process and its address."""
    process = subprocess.Popen(
        [SEESAY, "serve", "--port", "0", *arguments],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=run.environment,
    )  # fmt: skip
    try:
        line = process.stderr.readline()
        found = ADDRESS.search(line)
        assert found, line + process.stderr.read()
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def indexed(run, photos):
    run("index", str(photos))
    return photos


def test_the_official_client_gets_vectors_of_texts_and_pictures(run, photos):
    url = "data:image/png;base64," + base64.b64encode((photos / "red.png").read_bytes()).decode()
    with serving(run) as (_, address), openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client:
        (model,) = client.models.list().data
        # By default this client asks for base64 and decodes it; the plain form has to say the same.
        packed = client.embeddings.create(input=["a red car", url], model=model.id)
        plain = client.embeddings.create(input=["a red car", url], model="starter", encoding_format="float")
        for first, second in zip(packed.data, plain.data, strict=True):
            assert np.linalg.norm(first.embedding) == pytest.approx(1, abs=1e-5)
            np.testing.assert_allclose(first.embedding, second.embedding, atol=1e-6)
        assert packed.usage.prompt_tokens > 0
        with pytest.raises(openai.NotFoundError, match="not served here"):
            client.embeddings.create(input="a", model="text-embedding-3-small")
        with pytest.raises(openai.BadRequestError, match="leave dimensions out"):
            client.embeddings.create(input="a", model=model.id, dimensions=8)


def test_a_token_is_what_the_official_client_calls_an_api_key(run):
    with serving(run, "--token", "a long secret") as (_, address):
        with openai.OpenAI(base_url=f"{address}/v1", api_key="a long secret", max_retries=0) as client:
            assert len(client.embeddings.create(input="a", model="starter").data) == 1
        wrong = openai.OpenAI(base_url=f"{address}/v1", api_key="a wrong one", max_retries=0)
        with wrong, pytest.raises(openai.AuthenticationError, match="wants its token"):
            wrong.embeddings.create(input="a", model="starter")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_what_was_taken_is_answered_when_it_is_told_to_stop(run, how):
    texts = [f"a photo of {number} things on a table" for number in range(400)]
    body = json.dumps({"input": texts}).encode()
    head = (
        "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with serving(run) as (process, address):
        port = int(address.rpartition(":")[2])
        _wait_until_ready(address)
        metrics = f"{address}/metrics"
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(head.encode() + body)
            _wait_for(
                lambda: b'seesay_batch_size_count{kind="text"} 1.0' not in urlopen(metrics).read()
            )  # it has begun
            process.send_signal(how)
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert answer.startswith(b"HTTP/1.1 200")
        assert len(json.loads(answer.partition(b"\r\n\r\n")[2])["data"]) == len(texts)
        assert process.wait(20) in (0, -how, 130)  # 130: stopped with Ctrl-C
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        assert "Traceback" not in process.stderr.read()


def test_many_at_once_get_their_own_answers(run, indexed):
    with serving(run) as (_, address):
        _wait_until_ready(address)

        def ask(number):
            with urlopen(f"{address}/api/search?weak=1&q={('red', 'green', 'blue')[number % 3]}") as answer:
                return [hit["name"] for hit in json.load(answer)["hits"]]

        alone = [ask(number) for number in range(3)]
        with ThreadPoolExecutor(24) as pool:
            assert list(pool.map(ask, range(96))) == alone * 32


def test_it_refuses_to_be_open_to_others_without_a_token(run):
    done = run("serve", "--host", "0.0.0.0", "--port", "0", code=2)
    assert "add --token" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_is_taken_is_said_with_a_cure(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("serve", "--port", str(taken.getsockname()[1]), code=2)
    assert "try another --port" in done.stderr


def _wait_until_ready(address):
    def is_ready():
        with contextlib.suppress(OSError), urlopen(f"{address}/readyz") as answer:
            return answer.status == 200
        return False

    _wait_for(is_ready)


def _wait_for(condition, within_s=30.0):
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
