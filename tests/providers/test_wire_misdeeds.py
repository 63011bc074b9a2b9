"""The table of misdeeds (RELIABILITY.md section 1.5), row by row, on every transport: its class, and what was heard."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import trustme

from gateway.core.fields import HttpRequest
from gateway.core.outcome import Accepted, Evidence, NotSent, Outcome, Rejected, Unknown, classify_add
from gateway.providers.upstream import Upstream
from gateway.providers.wire import Limits, Opening, exchange, tls_context
from tests.providers import misdeeds
from tests.providers.misdeeds import GOOD, Misdeed, misdoer, whole

LIMITS = Limits(connect=0.3, write=0.5, total=0.5, bytes_max=1024 * 1024)
BODY = b"key=secret-key"


async def open_fence() -> None:
    """Let everything through."""


class Panel:
    """A provider behind one transport; each order on a connection of its own, reads on one that is kept."""

    def __init__(self, opening: Opening, url: str) -> None:
        self._there = Upstream(name="panel-a", url=url, key="secret-key", currency="USD", allow_private=True)
        self._opening = opening
        self._tls = tls_context(self._there)
        self.kept = opening(self._there, connections=2, keep=True, tls=self._tls)

    async def order(self, body: bytes = BODY, *, limits: Limits = LIMITS) -> Evidence:
        """The evidence of an order."""
        transport = self._opening(self._there, connections=1, keep=False, tls=self._tls)
        try:
            return await exchange(transport, self._there, HttpRequest(body=body), limits=limits, fence=open_fence)
        finally:
            await transport.aclose()

    async def read(self) -> Evidence:
        """The evidence of a read."""
        return await exchange(self.kept, self._there, HttpRequest(body=BODY), limits=LIMITS)


@asynccontextmanager
async def panel(opening: Opening, url: str) -> AsyncIterator[Panel]:
    """A provider that is let go of."""
    made = Panel(opening, url)
    try:
        yield made
    finally:
        await made.kept.aclose()


# ------------------------------------------------------------------------------------------------------- never sent


@contextmanager
def full_backlog() -> Iterator[int]:
    """The port of a server that has accepted nobody for so long that the kernel leaves SYNs unanswered."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(4):
            caller = socket.socket()
            caller.setblocking(False)
            caller.connect_ex(server.getsockname())
            waiting.append(caller)
        try:
            yield server.getsockname()[1]
        finally:
            for caller in waiting:
                caller.close()


async def never_sent(opening: Opening, url: str) -> Evidence:
    """The evidence of an order that surely did not leave."""
    async with panel(opening, url) as there, asyncio.timeout(3):
        evidence = await there.order()
    assert isinstance(classify_add(evidence), NotSent), evidence
    assert not evidence.sent
    assert evidence.timing.fence is None
    return evidence


async def test_port_closed(opening: Opening) -> None:
    """Nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody else can begin to
        await never_sent(opening, f"http://127.0.0.1:{taken.getsockname()[1]}/api/v2")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "[bad", "", "a..b", "x" * 300])
async def test_u3_dns_fails(opening: Opening, host: str) -> None:
    """No such name, or none that could be one."""
    await never_sent(opening, f"http://{host}/api/v2")


async def test_syn_unanswered(opening: Opening) -> None:
    """A full backlog, as a firewall that drops: given up after `connect` seconds."""
    with full_backlog() as port:
        await never_sent(opening, f"http://127.0.0.1:{port}/api/v2")


async def test_untrusted_certificate(opening: Opening) -> None:
    """Signed by nobody we know."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(10))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
    async with server:
        evidence = await never_sent(opening, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v2")
    assert "CERTIFICATE_VERIFY_FAILED" in evidence.failure
    assert heard == []


async def test_tls_to_a_plain_port(opening: Opening) -> None:
    """A server that waits for a request while we wait for its hello."""
    async with misdoer(whole(GOOD)) as there:
        await never_sent(opening, there.url.replace("http:", "https:"))
        assert there.heard == []


async def test_pool_exhausted(opening: Opening) -> None:
    """No connection is free: it is as if nothing had been tried."""
    async with misdoer(misdeeds.read_then_silence) as there:
        upstream = Upstream(name="panel-a", url=there.url, key="k", currency="USD", allow_private=True)
        transport = opening(upstream, connections=1, keep=False, tls=tls_context(upstream))
        first = asyncio.create_task(exchange(transport, upstream, HttpRequest(body=BODY), limits=LIMITS))
        await asyncio.sleep(0.1)
        short = Limits(connect=0.1, write=0.1, total=0.3, bytes_max=1024)
        evidence = await exchange(transport, upstream, HttpRequest(body=BODY), limits=short, fence=open_fence)
        assert isinstance(classify_add(evidence), NotSent), evidence
        await first
        await transport.aclose()
        assert len(there.heard) == 1


# ------------------------------------------------------------------------------------------- after the first byte

AFTER: dict[str, tuple[Misdeed, int, type[Outcome]]] = {
    "rst on accept": (misdeeds.rst_on_accept, 0, Unknown),
    "fin on accept": (misdeeds.fin_on_accept, 0, Unknown),
    "reads headers, rst": (misdeeds.head_then_rst, 0, Unknown),
    "reads all, fin": (misdeeds.read_then_fin, 1, Unknown),
    "reads all, rst": (misdeeds.read_then_rst, 1, Unknown),
    "reads all, silent": (misdeeds.read_then_silence, 1, Unknown),
    "half the headers": (misdeeds.half_headers, 1, Unknown),
    "half the body, content-length": (misdeeds.half_body, 1, Unknown),
    "half the body, chunked": (misdeeds.half_chunk, 1, Unknown),
    "half the body, close-delimited": (misdeeds.half_close_delimited, 1, Unknown),
    "a bare number, close-delimited": (misdeeds.short_bare_number, 1, Unknown),
    "header bomb": (misdeeds.header_bomb, 1, Unknown),
    "gzip bomb": (misdeeds.gzip_bomb, 1, Unknown),
    "a body over the cap": (misdeeds.endless_body, 1, Unknown),
    "500 html": (whole(b"<html>", b"500 Oops"), 1, Unknown),
    "302": (whole(b"", b"302 Found", b"\r\nLocation: https://other.example/login"), 1, Unknown),
    "a byte at a time": (misdeeds.drip, 1, Unknown),
    "100 continue without end": (misdeeds.endless_continue, 1, Unknown),
    "200 html": (whole(b"<html>"), 1, Unknown),
    "200 empty": (whole(b""), 1, Unknown),
    "a refusal": (whole(b'{"error":"Bad link"}'), 1, Rejected),
    "an order": (whole(GOOD), 1, Accepted),
}


@pytest.mark.parametrize(("misdeed", "heard", "outcome"), AFTER.values(), ids=AFTER.keys())
async def test_after_the_first_byte(opening: Opening, misdeed: Misdeed, heard: int, outcome: type[Outcome]) -> None:
    """Unknown unless it answers clearly; heard once at most, on one connection, within the deadline."""
    async with misdoer(misdeed) as there, panel(opening, there.url) as asked:
        async with asyncio.timeout(3):
            evidence = await asked.order()
        assert isinstance(classify_add(evidence), outcome), evidence
        assert evidence.sent
        assert (len(there.heard), there.connections) == (heard, 1)


@pytest.mark.parametrize("misdeed", [misdeeds.never_read, misdeeds.early_400], ids=["never reads", "early 400"])
async def test_large_body_that_is_not_read(opening: Opening, misdeed: Misdeed) -> None:
    """20 MB, of which the kernel takes some: the end is the deadline or the cut, and nobody can tell."""
    async with misdoer(misdeed) as there, panel(opening, there.url) as asked:
        async with asyncio.timeout(5):
            evidence = await asked.order(b"x" * 20 * 1024 * 1024)
        assert isinstance(classify_add(evidence), Unknown), evidence
        assert (there.heard, there.connections) == ([], 1)


async def test_kept_connection_closed_while_idle(opening: Opening) -> None:
    """Reads are asked on a new one; each was heard once."""
    async with misdoer(misdeeds.close_when_idle) as there, panel(opening, there.url) as asked:
        for number in (1, 2, 3):
            assert (await asked.read()).body == GOOD
            await asyncio.sleep(0.05)
            assert (len(there.heard), there.connections) == (number, number)


async def test_kept_connection_closed_at_the_second_request(opening: Opening) -> None:
    """It looks like an idle close and was heard: so an order never goes on a connection that was used before."""
    async with misdoer(misdeeds.close_at_the_second) as there, panel(opening, there.url) as asked:
        assert (await asked.read()).body == GOOD
        second = await asked.read()
        assert (second.sent, second.status) == (True, None)
        assert len(there.heard) >= 2
        before = there.connections
        for _ in range(3):
            assert classify_add(await asked.order()) == Accepted("12345")
        assert there.connections == before + 3
