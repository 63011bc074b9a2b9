"""The way in, as the doctor sees it: one large POST, which proxies may redirect, refuse, cache or dress."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.cli.way_in import BODY_BYTES, trouble_of
from tests.gateway_process import House

OURS = b'{"error":"Invalid API key"}'


@contextmanager
def answering(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """Something in the gateway's place that reads a request whole and says this."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert len(self.rfile.read(int(self.headers["Content-Length"]))) > BODY_BYTES
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/api/v2"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_gateway_itself_is_no_trouble(house: House) -> None:
    """It refuses the key in its own words, however long the request is."""
    assert await asyncio.to_thread(trouble_of, house.url) is None


@pytest.mark.parametrize(
    ("status", "body", "headers", "said"),
    [
        (301, b"", {"Location": "https://panel.example/api/v2"}, "redirected to https://panel.example/api/v2"),
        (413, b"<html>", {}, "a body of 200 kB is refused"),
        (403, b"<html>Just a moment...", {"Content_Type": "text/html"}, "HTTP 403 with text/html"),
        (200, b"[]", {}, "not the gateway's words"),
        (200, OURS, {"Age": "7"}, "through a cache (Age: 7)"),
        (200, OURS, {"X_Cache": "HIT from edge"}, "through a cache (X-Cache: HIT from edge)"),
    ],
    ids=["redirect", "body", "challenge", "other", "age", "hit"],
)
def test_what_stands_in_the_way_is_named(status: int, body: bytes, headers: dict[str, str], said: str) -> None:
    """With what to do about it."""
    with answering(status, body, **headers) as url:
        trouble = trouble_of(url)
    assert trouble is not None
    assert said in trouble[0]
    assert trouble[1]


def test_answer_that_no_cache_kept_is_no_trouble() -> None:
    """A proxy that says so is fine."""
    with answering(200, OURS, CF_Cache_Status="DYNAMIC", X_Cache="MISS") as url:
        assert trouble_of(url) is None


def test_nobody_there_is_told() -> None:
    """As what it is."""
    trouble = trouble_of("http://127.0.0.1:1/api/v2")
    assert trouble is not None
    assert "is not answered" in trouble[0]
