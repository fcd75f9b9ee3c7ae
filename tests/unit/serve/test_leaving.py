"""Work for a client that has gone away ends."""

import asyncio
import threading
import time

import pytest

from seesay.serve.leaving import GoneError, Watched, check_client


def request(app, *, body=(b"",), leaves=False, headers=()):
    """Run an application on one request; a client that leaves does so when the whole request is sent."""

    async def run():
        parts = list(body)
        sent = []
        done = asyncio.Event()

        async def receive():
            if parts:
                part = parts.pop(0)
                return {"type": "http.request", "body": part, "more_body": bool(parts)}
            if not leaves:
                await done.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/", "headers": list(headers)}
        try:
            await asyncio.wait_for(Watched(app)(scope, receive, send), 20)
        finally:
            done.set()
        return sent

    return asyncio.run(run())


def endless(seen):
    def work():
        for _ in range(2000):
            check_client()
            time.sleep(0.005)

    async def app(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        try:
            await asyncio.to_thread(work)
        except GoneError as error:
            seen.append(str(error))

    return app


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ((b"",), ()),
        ((b"a", b"b"), [(b"content-length", b"2")]),
        ((b"a", b""), [(b"transfer-encoding", b"chunked")]),
    ],
)
def test_a_thread_learns_that_its_client_is_gone(body, headers):
    seen = []
    request(endless(seen), body=body, headers=headers, leaves=True)
    assert seen == ["the client has gone away"]


def test_a_client_that_stays_gets_its_answer():
    async def app(scope, receive, send):
        assert (await receive())["body"] == b"abc"
        await asyncio.to_thread(check_client)
        await send({"type": "http.response.start", "status": 200})

    assert request(app, body=(b"abc",), headers=[(b"content-length", b"3")]) == [
        {"type": "http.response.start", "status": 200}
    ]


def test_outside_of_a_request_there_is_no_client_to_wait_for():
    check_client()
    thread = threading.Thread(target=check_client)
    thread.start()
    thread.join()
