"""Who asks nothing keeps nobody out, and what cannot be finished is answered before the service stops."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest
import uvicorn

from seesay.serve.connections import Server, protocol_with
from seesay.serve.settings import Budget


async def hello(scope, receive, send):
    if scope["path"] == "/slow":
        await asyncio.sleep(60)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextlib.contextmanager
def serving(app=hello, *, on_last_moments=lambda: None, grace_s=5.0, **limits):
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=protocol_with(Budget(**limits)), ws="none", lifespan="off", log_level="critical", access_log=False,
        timeout_graceful_shutdown=round(grace_s) + 5,
    )  # fmt: skip
    server = Server(config, on_last_moments, grace_s=grace_s)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    server.port = listening.getsockname()[1]
    try:
        yield server
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def get(connection, path="/"):
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    answer = connection.recv(4096)
    while answer and not answer.endswith(b"ok"):
        answer += connection.recv(4096)
    return answer[:15]


def is_closed(connection):
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
def test_a_head_that_does_not_come_ends_the_connection(sent):
    with serving(head_s=0.3) as server, connect(server) as connection:
        connection.sendall(sent)
        began = time.monotonic()
        assert is_closed(connection)
        assert 0.2 < time.monotonic() - began < 5


def test_a_head_that_comes_drop_by_drop_has_no_more_time():
    with serving(head_s=0.5) as server, connect(server) as connection:
        with contextlib.suppress(ConnectionError):
            for letter in b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X" * 200:
                connection.sendall(bytes([letter]))
                time.sleep(0.02)
        assert is_closed(connection)


def test_a_connection_that_was_kept_has_the_time_of_a_new_one_for_its_next_request():
    with serving(head_s=0.5) as server, connect(server) as connection:
        assert get(connection) == b"HTTP/1.1 200 OK"
        assert get(connection) == b"HTTP/1.1 200 OK"
        connection.sendall(b"GET / HT")
        assert is_closed(connection)


def test_half_requests_on_every_connection_keep_nobody_out():
    with serving(connections=20, head_s=30) as server, contextlib.ExitStack() as stack:
        halves = []
        for _ in range(60):
            half = stack.enter_context(connect(server))
            half.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
            halves.append(half)
        with connect(server) as connection:
            began = time.monotonic()
            assert get(connection) == b"HTTP/1.1 200 OK"
            assert time.monotonic() - began < 5
        assert all(is_closed(half) for half in halves[:40]), "the oldest are closed for the new ones"


def test_a_request_that_is_answered_is_never_closed_for_a_new_connection():
    entered = threading.Event()

    async def slow(scope, receive, send):
        entered.set()
        await asyncio.sleep(1.0)
        await hello({"path": "/"}, receive, send)

    with serving(slow, connections=3) as server, connect(server) as first, contextlib.ExitStack() as stack:
        first.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert entered.wait(10)
        for _ in range(8):
            stack.enter_context(connect(server))
        assert first.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_what_is_not_finished_in_time_is_told_of_it_before_the_end():
    released = threading.Event()

    async def waiting(scope, receive, send):
        while not released.is_set():
            await asyncio.sleep(0.02)
        await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    with serving(waiting, on_last_moments=released.set, grace_s=0.3) as server, connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.2)
        server.should_exit = True
        assert connection.recv(4096).startswith(b"HTTP/1.1 503")
