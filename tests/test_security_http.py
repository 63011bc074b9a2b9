"""Security items 24 to 28 of RELIABILITY.md section 3, each by its number, byte by byte over raw sockets.

Behind every odd request stands an `add`, as a smuggler would hide one: where the first is refused, or its end is in
doubt, the second is never answered and the panel never hears of it. Items 29 to 31 are in test_security_input.py.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from gateway.metrics import Metrics
from gateway.web.health import Standing, health_routes
from gateway.web.server import Address, Listener
from tests.gateway_process import Caller, House, house_settings, running_house
from tests.matrix.served import served
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.raw_http import HEAD, Line, chunks, environ, form, hidden, known, sent
from tests.world import LINK, balance, on_sale

CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"
DENIED = {"error": "Incorrect request"}
GROWTH_MAX = 24 * 1024 * 1024  # bytes, item 25
BODIES = 200  # of 256 kB each: 50 MB, of which a cache would keep every one


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[SimulatedPanel]:
    """The one panel of these tests."""
    async with simulated_panel(tmp_path) as running:
        yield running


@pytest.fixture
async def house(panel: SimulatedPanel, tmp_path: Path) -> AsyncIterator[House]:
    """A gateway with its list on sale."""
    async with running_house(house_settings(tmp_path, a=panel.url)) as running:
        await on_sale(running)
        yield running


@pytest.fixture
async def call(house: House) -> Caller:
    """A user."""
    return await house.user()


# ------------------------------------------------------------------------------------------------------------------ 24


async def test_s09_24_body_over_the_cap_is_refused_unread(call: Caller) -> None:
    """Announced: 413 before its first byte comes. In chunks: once it is over. Then the connection is closed."""
    announced = await sent(call.url, HEAD + b"Content-Length: 10000000\r\n\r\n")
    assert (announced.statuses, announced.closed) == ([413], True)
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    grown = await sent(call.url, CHUNKED + b"\r\n" + piece * 6 + b"0\r\n\r\n" + hidden(call))
    assert (grown.statuses, grown.closed) == ([413], True)
    query = await sent(call.url, b"GET /api/v2?" + b"a" * 65_000 + b"b" * 1000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert query.statuses in ([413], [414])


async def test_s09_24_field_flood_costs_little(call: Caller) -> None:
    """More than 64 fields, 120 000 of them, are refused in less than 50 ms of the gateway's time."""
    body = form(call, action="balance") + b"&a=1" * 60_000
    for raw in (body, b'{"key":"x"' + b"".join(b',"f%d":1' % n for n in range(20_000)) + b"}"):
        best = 60.0
        for _ in range(5):
            began = time.perf_counter()
            answer = await call.http.post(call.url, content=raw)
            best = min(best, time.perf_counter() - began)
            assert answer.json() == DENIED
        assert best < 0.05


# ------------------------------------------------------------------------------------------------------------------ 25


async def test_s09_25_bodies_leave_nothing_behind(panel: SimulatedPanel, tmp_path: Path) -> None:
    """Distinct bodies of 256 kB, one after another: memory stays, so no cache holds what was sent."""
    key = await known(panel, tmp_path)
    async with served(environ(tmp_path), tmp_path) as running:
        await running.ready()
        call = running.caller(key)

        async def body(n: int) -> None:
            fields = form(call, action="balance", n=str(n)) + b"&x="
            answer = await call.http.post(call.url, content=fields + b"y" * (256 * 1024 - len(fields)))
            assert answer.json()["balance"] == "100"

        for n in range(30):
            await body(n)
        before = running.memory()
        for n in range(30, 30 + BODIES):
            await body(n)
        assert running.memory() - before < GROWTH_MAX


# ------------------------------------------------------------------------------------------------------------------ 26

# What stands between the head and the hidden request, and has to be refused.
REFUSED = {
    "two lengths": HEAD + b"Content-Length: {n}\r\nContent-Length: 0\r\n\r\n{body}",
    "lengths in one line": HEAD + b"Content-Length: {n}, {n}\r\n\r\n{body}",
    "plus": HEAD + b"Content-Length: +{n}\r\n\r\n{body}",
    "minus": HEAD + b"Content-Length: -5\r\n\r\n{body}",
    "hexadecimal": HEAD + b"Content-Length: 0x10\r\n\r\n{body}",
    "empty length": HEAD + b"Content-Length: \r\n\r\n{body}",
    "endless length": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n{body}",
    "chunked, identity": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n{chunks}",
    "identity": HEAD + b"Transfer-Encoding: identity\r\n\r\n{chunks}",
    "two codings": CHUNKED + b"Transfer-Encoding: identity\r\n\r\n{chunks}",
    "xchunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n{chunks}",
    "space before the colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n{chunks}",
    "vertical tab": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n{chunks}",
    "folded line": HEAD + b"X-A: b\r\n c\r\nContent-Length: {n}\r\n\r\n{body}",
    "folded coding": HEAD + b"Transfer-Encoding:\r\n chunked\r\nContent-Length: {n}\r\n\r\n{body}",
    "NUL": HEAD + b"X-A: a\x00b\r\nContent-Length: {n}\r\n\r\n{body}",
    "chunks to HTTP/1.0": b"POST /api/v2 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}",
    "line feed in an extension": CHUNKED + b'\r\n{hex};a="\r\n"\r\n{body}\r\n0\r\n\r\n',
    "endless extension": CHUNKED + b"\r\n{hex};" + b"a" * 100_000 + b"\r\n{body}\r\n0\r\n\r\n",
    "signed chunk": CHUNKED + b"\r\n+{hex}\r\n{body}\r\n0\r\n\r\n",
    "0x chunk": CHUNKED + b"\r\n0x{hex}\r\n{body}\r\n0\r\n\r\n",
    "endless chunk": CHUNKED + b"\r\nffffffffffffffffffff\r\n{body}\r\n0\r\n\r\n",
    "bare line feeds in chunks": CHUNKED + b"\r\n{hex}\n{body}\n0\n\n",
    "more than the chunk": CHUNKED + b"\r\n{hex}\r\n{body}XX0\r\n\r\n",
}


def filled(template: bytes, body: bytes) -> bytes:
    """A request out of its template."""
    parts = {b"{n}": b"%d" % len(body), b"{hex}": b"%x" % len(body), b"{chunks}": chunks(body), b"{body}": body}
    for name, value in parts.items():
        template = template.replace(name, value)
    return template


async def test_s09_26_doubtful_length_is_refused_and_hides_nothing(call: Caller, panel: SimulatedPanel) -> None:
    """400, closed, no word more: what stood behind it is never read as a request."""
    body = form(call, action="balance")
    lines = await asyncio.gather(*(sent(call.url, filled(raw, body) + hidden(call)) for raw in REFUSED.values()))
    odd = {
        name: (line.statuses, line.closed)
        for name, line in zip(REFUSED, lines, strict=True)
        if (line.statuses, line.closed) != ([400], True) or b"balance" in line.received
    }
    assert odd == {}
    assert panel.links() == []
    assert await balance(call) == 100


@pytest.mark.parametrize("order", ["length first", "coding first"])
async def test_s09_26_length_beside_chunks_is_the_last_of_its_connection(
    call: Caller, panel: SimulatedPanel, order: str
) -> None:
    """The coding counts (RFC 9112 section 6.3), and whatever another server made of the length, no more is read."""
    body = form(call, action="balance")
    for length in (4, len(body), len(chunks(body))):
        names = [b"Content-Length: %d\r\n" % length, b"Transfer-Encoding: chunked\r\n"]
        names = names if order == "length first" else names[::-1]
        line = await sent(call.url, HEAD + b"".join(names) + b"\r\n" + chunks(body) + hidden(call))
        assert (line.statuses, line.closed) == ([200], True)
        assert line.received.endswith(b'{"balance":"100","currency":"USD"}')
    assert panel.links() == []


async def test_s09_26_bare_line_feeds_have_one_meaning(call: Caller, panel: SimulatedPanel) -> None:
    """Lines that end without a carriage return are lines (RFC 9112 section 2.2): one request, one answer, no more."""
    body = form(call, action="balance")
    line = await sent(call.url, HEAD.replace(b"\r\n", b"\n") + b"Content-Length: %d\n\n" % len(body) + body)
    assert line.statuses == [200]
    assert line.received.endswith(b'{"balance":"100","currency":"USD"}')
    assert panel.links() == []


# ------------------------------------------------------------------------------------------------------------------ 27


async def test_s09_27_old_odd_and_eager_requests_are_answered_or_refused(call: Caller, panel: SimulatedPanel) -> None:
    """HTTP/1.0, a whole address as the target, any Host, Expect: right answers; floods and other protocols: none."""
    body = form(call, action="balance")
    rest = b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    served = {
        "HTTP/1.0": b"POST /api/v2 HTTP/1.0\r\n" + rest,
        "whole address": b"POST http://other.example/api/v2 HTTP/1.1\r\nHost: x\r\n" + rest,
        "wrong Host": b"POST /api/v2 HTTP/1.1\r\nHost: other.example:99999\r\n" + rest,
        "no Host": b"POST /api/v2 HTTP/1.1\r\n" + rest,
        "100 kB in a header": HEAD + b"X-A: " + b"a" * 100_000 + b"\r\n" + rest,
        "GET with a body": b"GET /api/v2 HTTP/1.1\r\nHost: x\r\n" + rest,
        "trailer": CHUNKED + b"\r\n" + chunks(body)[:-2] + b"Content-Length: 5\r\n\r\n",
        "extension": CHUNKED + b"\r\n" + chunks(body, b"%x;a=b" % len(body)),
        "h2c": HEAD + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n" + rest,
        "Expect": HEAD + b"Expect: 100-continue\r\n" + rest,
    }
    refused = {
        "1 MB in a header": (HEAD + b"X-A: " + b"a" * 1_000_000 + b"\r\n" + rest, [431]),
        "1 000 headers": (HEAD + b"".join(b"X-%d: a\r\n" % n for n in range(1000)) + rest, [431]),
        "200 kB of target": (b"GET /api/v2?" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", [414]),
        "HTTP/0.9": (b"GET /api/v2\r\n\r\n", [400]),
        "HTTP/2.0": (HEAD.replace(b"1.1", b"2.0") + rest, [400]),
        "HTTP/2 at once": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), []),
        "TLS": (bytes.fromhex("16030100a5010000a10303") + bytes(160), [400]),
        "dots": (b"POST /x/../api/v2 HTTP/1.1\r\nHost: x\r\n" + rest, [404]),
        "TRACE": (b"TRACE /api/v2 HTTP/1.1\r\nHost: x\r\n\r\n", [405]),
        "CONNECT": (b"CONNECT /api/v2 HTTP/1.1\r\nHost: x\r\n\r\n", [405]),
    }
    good = await asyncio.gather(*(sent(call.url, raw, answers=1) for raw in served.values()))
    for name, line in zip(served, good, strict=True):
        assert [status for status in line.statuses if status != 100] == [200], name
        assert line.received.endswith(b'{"balance":"100","currency":"USD"}'), name
    bad = await asyncio.gather(*(sent(call.url, raw) for raw, _ in refused.values()))
    for (name, (_, statuses)), line in zip(refused.items(), bad, strict=True):
        assert line.statuses == statuses, name
        assert b"balance" not in line.received, name
    assert panel.links() == []


async def test_s09_27_pipelined_requests_are_answered_in_their_order(call: Caller, panel: SimulatedPanel) -> None:
    """A slow order first and quick reads behind it, all in one packet: the answers come in that order, each once."""
    panel.switch("latency", "300", action="add", times=1)
    bodies = [
        form(call, action="add", service="1", link=LINK, quantity="100"),
        form(call, action="drop"),
        form(call, action="balance"),
    ]
    raw = b"".join(HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies)
    line = await sent(call.url, raw, answers=3)
    assert line.statuses == [200, 200, 200]
    order, error, money = re.findall(rb"\r\n\r\n(\{.*?\})(?=HTTP/1|$)", line.received, re.DOTALL)
    assert list(json.loads(order)) == ["order"]
    assert json.loads(error) == DENIED
    assert json.loads(money)["balance"] == "99.865"
    assert panel.links() == [LINK]


# ------------------------------------------------------------------------------------------------------------------ 28


async def test_s09_28_header_that_never_ends_is_cut() -> None:
    """Half a header, a byte now and then, or nothing at all: closed when its time is over."""
    listener = Listener(Address("127.0.0.1", 0), health_routes(Metrics(), Standing), header_ms=1000)
    await listener.start()
    try:
        url = str(listener.address)
        began = time.monotonic()
        lines = await asyncio.gather(*(sent(url, raw) for raw in (b"", HEAD, HEAD + b"X: ")), dripped(url))
        assert all(line.closed and line.statuses in ([], [408]) for line in lines)
        assert 0.5 < time.monotonic() - began < 8
    finally:
        await listener.stop(1)


async def dripped(url: str) -> Line:
    """A header of one byte each tenth of a second, for as long as somebody listens."""
    there = httpx.URL(url)
    reader, writer = await asyncio.open_connection(there.host, there.port)
    with closing(writer):
        answering = asyncio.create_task(reader.read())
        for byte in HEAD + b"X-A: " + b"a" * 100:
            writer.write(bytes([byte]))
            if (await asyncio.wait({answering}, timeout=0.1))[0]:
                break
        closed = answering.done()
        answering.cancel()
        return Line(b"", closed=closed)
