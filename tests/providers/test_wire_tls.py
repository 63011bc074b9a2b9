"""TLS as it is verified: expired, of another host, of nobody known, an old protocol, a stall; never sent."""

import asyncio
import datetime as dt
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
import pytest
import trustme
from structlog.testing import capture_logs

from gateway.core.outcome import Accepted, NotSent
from gateway.providers import wire
from gateway.providers.breaker import FAILURES_MAX
from gateway.providers.client import ORDERS
from gateway.providers.upstream import Timeouts, Upstream
from gateway.providers.wire import Opening
from gateway.settings.load import load_settings
from tests.gateway_process import NOBODY, house_settings, running_house
from tests.providers.clients import Client, place
from tests.providers.misdeeds import GOOD
from tests.store.trade import ask

_AUTHORITY: Final = trustme.CA()
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(GOOD), GOOD)
_DAY: Final = dt.timedelta(days=1)


def served_with(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """A server's side with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def good() -> ssl.SSLContext:
    """As it should be."""
    return served_with(_AUTHORITY.issue_cert("localhost"))


def expired() -> ssl.SSLContext:
    """Good until yesterday."""
    yesterday = dt.datetime.now(dt.UTC) - _DAY
    return served_with(_AUTHORITY.issue_cert("localhost", not_before=yesterday - _DAY, not_after=yesterday))


def not_yet() -> ssl.SSLContext:
    """Good from tomorrow."""
    tomorrow = dt.datetime.now(dt.UTC) + _DAY
    return served_with(_AUTHORITY.issue_cert("localhost", not_before=tomorrow, not_after=tomorrow + _DAY))


def wrong_host() -> ssl.SSLContext:
    """Somebody else's."""
    return served_with(_AUTHORITY.issue_cert("panel-b.example"))


def self_signed() -> ssl.SSLContext:
    """Signed by nobody we know."""
    return served_with(trustme.CA().issue_cert("localhost"))


def old_protocol() -> ssl.SSLContext:
    """TLS 1.0 and 1.1 alone."""
    context = good()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # That is what is tested.
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context


def stalled() -> None:
    """Connections are taken and nothing is said."""


class Server:
    """A panel behind TLS, and what it heard."""

    def __init__(self) -> None:
        self.heard = b""
        self.connections = 0
        self.url = ""


@asynccontextmanager
async def server(context: ssl.SSLContext | None) -> AsyncIterator[Server]:
    """It answers every order with an id."""
    made = Server()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        with suppress(OSError, asyncio.CancelledError):
            if context is not None:
                made.heard += await reader.read(65536)
                writer.write(_ANSWER)
                await writer.drain()
            else:
                await reader.read()  # until the other side gives up; no hello comes back
        writer.close()

    running = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
    made.url = f"https://localhost:{running.sockets[0].getsockname()[1]}/api/v2"
    async with running:
        yield made


def trusting(opening: Opening) -> Opening:
    """The same transport, which knows the authority of these tests besides the usual ones."""

    def opened(upstream: Upstream, *, connections: int, keep: bool, tls: ssl.SSLContext) -> httpx.AsyncBaseTransport:
        assert tls.verify_mode is ssl.CERT_REQUIRED
        ours = wire._tls_context.__wrapped__(True)
        _AUTHORITY.configure_trust(ours)
        return opening(upstream, connections=connections, keep=keep, tls=ours)

    return opened


async def test_good_certificate_is_good(opening: Opening) -> None:
    """So that the tests below fail for the reason they name."""
    async with server(good()) as there:
        client = Client(there.url, opening=trusting(opening))
        assert await place(client) == Accepted("12345")
        assert b"action=add" in there.heard
        await client.aclose()


@pytest.mark.parametrize(
    ("context", "said"),
    [
        (expired, "certificate has expired"),
        (not_yet, "not yet valid"),
        (wrong_host, "Hostname mismatch"),
        (self_signed, "unable to get local issuer certificate"),
        (old_protocol, "rotocol"),
        (stalled, "ConnectTimeout"),
    ],
)
async def test_u4_bad_tls_is_never_sent_and_said(opening: Opening, context: object, said: str) -> None:
    """Not one byte of the order or the key; the reason in words; the provider counts as failing and is spared (Q89)."""
    assert callable(context)
    async with server(context()) as there:
        times = Timeouts(connect=0.3, write=1, total=3, total_read=3)
        client = Client(there.url, opening=trusting(opening), timeouts=times)
        for number in range(FAILURES_MAX):
            assert not client._breakers[ORDERS].tripped, number
            outcome = await place(client)
            assert isinstance(outcome, NotSent)
            assert said in outcome.why
        assert client.tripped
        assert there.heard == b""
        await client.aclose()


@pytest.mark.parametrize("context", [expired, wrong_host, self_signed])
async def test_opt_out_of_one_provider_is_its_own(opening: Opening, context: object) -> None:
    """`verify_tls: false` takes any certificate there, and no other provider's (Q89)."""
    assert callable(context)
    async with server(context()) as there:
        trusting_anybody = Client(there.url, opening=opening, verify_tls=False)
        assert await place(trusting_anybody) == Accepted("12345")
        assert isinstance(await place(Client(there.url, opening=opening)), NotSent)


async def test_opt_out_is_told_loudly(tmp_path: Path) -> None:
    """A warning at each start, and an event in the books, which names the provider."""
    house_settings(tmp_path)
    file = tmp_path / "providers.yaml"
    file.write_text(file.read_text().replace(NOBODY, f"{NOBODY}\n    verify_tls: false", 1))
    environ = {
        "GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_PORT": "0", "GATEWAY_METRICS_PORT": "0",
        "PANEL_A_KEY": "panel-a-key", "PANEL_B_KEY": "panel-b-key",
    }  # fmt: skip
    with capture_logs() as logs:
        async with running_house(load_settings(environ, file)):
            pass
    told = [each for each in logs if each["event"] == "tls_unverified"]
    assert [(each["provider"], each["log_level"]) for each in told] == [("panel-a", "warning")]
    events = await ask(f"sqlite:///{tmp_path}/gateway.db", "SELECT kind, reason FROM events")
    assert events == [("provider.tls_unverified", "panel-a is configured with verify_tls: false")]
