"""The consumer of events over real sockets: what counts as taken, what does not, and where nothing is sent to."""

import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator

import pytest

from gateway.core.webhook import Happened
from gateway.providers.webhook import Consumer, Webhook
from gateway.providers.wire import Limits
from tests.consumer import TAKEN, ConsumerServer, answer, consumer_server

SECRET = b"s" * 24
EVENT = Happened(
    id=7, kind="order.active", actor="me", user_id=1, order_id=2, before=None, after="{}", reason=None, at="now"
)
SHORT = Limits(connect=1.0, write=1.0, total=0.5, bytes_max=1000)


@pytest.fixture
async def consumer() -> AsyncIterator[ConsumerServer]:
    """A consumer on loopback."""
    async with consumer_server() as made:
        yield made


async def tell(url: str, *, private: bool = True, limits: Limits = SHORT) -> str | None:
    """Tell of one event."""
    webhook = Webhook(Consumer(url=url, secret=SECRET, allow_private=private), limits=limits)
    try:
        return await webhook.tell(EVENT, at=1_700_000_000)
    finally:
        await webhook.aclose()


async def test_event_arrives_signed(consumer: ConsumerServer) -> None:
    """The consumer can check who sent it with nothing but the secret."""
    assert await tell(consumer.url) is None
    (heard,) = consumer.heard
    signed = f"evt_7.1700000000.{heard.body.decode()}".encode()
    digest = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert heard.headers["webhook-signature"] == f"v1,{digest}"
    assert heard.told["type"] == "order.active"


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "202 Accepted"])
async def test_any_2xx_is_taken(consumer: ConsumerServer, status: str) -> None:
    """What the answer says beside its status does not matter."""
    consumer.manners = lambda _: answer(status, body="" if status.startswith("204") else "{}")
    assert await tell(consumer.url) is None


@pytest.mark.parametrize("status", ["500 Oops", "404 Not Found", "410 Gone", "429 Slowly"])
async def test_any_other_status_is_not_taken(consumer: ConsumerServer, status: str) -> None:
    """Its number says why."""
    consumer.manners = lambda _: answer(status)
    assert await tell(consumer.url) == f"HTTP {status[:3]}"


async def test_redirect_is_not_followed(consumer: ConsumerServer) -> None:
    """Events go to the address that was configured and to no other."""
    async with consumer_server() as elsewhere:
        consumer.manners = lambda _: answer("307 Temporary Redirect", f"Location: {elsewhere.url}")
        assert await tell(consumer.url) == "HTTP 307"
        assert elsewhere.heard == []


async def test_silence_ends_at_the_deadline(consumer: ConsumerServer) -> None:
    """A consumer that hangs costs half a second here, and the event is not taken."""
    consumer.manners = lambda _: None
    began = time.monotonic()
    assert await tell(consumer.url) == "no whole answer within 0.5 s"
    assert time.monotonic() - began < 5


async def test_long_answer_is_cut(consumer: ConsumerServer) -> None:
    """The status counts; the rest of what it wants to tell us is not read."""
    consumer.manners = lambda _: answer("200 OK", body="x" * 1_000_000)
    assert await tell(consumer.url) is None


async def test_private_address_is_refused(consumer: ConsumerServer) -> None:
    """Unless it was allowed: nothing connects to loopback, a private network, or the cloud's metadata."""
    consumer.manners = lambda _: TAKEN
    for host in ("127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1"):
        problem = await tell(f"http://{host}:{consumer.url.rpartition(':')[2]}", private=False)
        assert problem is not None
        assert "private" in problem
    assert consumer.heard == []


async def test_nobody_there_is_told() -> None:
    """A closed port is a reason, not an exception."""
    problem = await tell("http://127.0.0.1:1/hook")
    assert problem is not None
    assert "ConnectError" in problem


def test_secret_is_in_no_representation() -> None:
    """Neither the secret nor the address, which may hold one, gets into a traceback."""
    assert repr(Consumer(url="https://me.example/token", secret=SECRET)) == "Consumer()"
