"""The way out: what a span becomes, what is struck out, what is dropped and counted, and how it ends."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.core.error_type import ErrorType
from gateway.logs import strike_out
from gateway.tracing import Kind, Recorded, Tracer, trace, turn_off, turn_on
from gateway.tracing.outlet import BATCH_MAX, TEXT_MAX, WAITING_MAX, Outlet
from tests.collector import Collector, collecting

SECRET = "hunter2-and-more"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Where the spans go."""
    with collecting() as running:
        yield running


def outlet_to(url: str, strike: Callable[[str], str] = str) -> Outlet:
    """A way out that has begun."""
    made = Outlet(f"{url}/v1/traces", {"x-word": "hello"}, about={"service.name": "here"}, strike=strike, version="7")
    made.start()
    return made


def made(name: str = "x", **facts: Any) -> Recorded:
    """A finished span of a trace of its own."""
    found: list[Recorded] = []
    turn_on(Tracer(found.append, ratio=1.0))
    with trace(name, Kind.CLIENT) as told:
        told.note(**facts)
    turn_off()
    return found[0]


async def test_fact_is_sent_as_a_plain_value_or_as_its_type(collector: Collector) -> None:
    """Words, numbers, lists of words; of anything else nobody knows what is in it."""
    outlet = outlet_to(collector.url)
    facts: dict[str, Any] = {"action": Kind.CLIENT, "n": 3, "sent": True, "ratio": 0.5, "none": None, "status": 200}
    outlet.put(made(**facts, candidates=("a", "b", 7), cost=Decimal(1), request={"link": "x"}, body=b"secret"))
    outlet.put(made(why="x" * (TEXT_MAX + 1)))
    await outlet.close(10)
    first, second = collector.spans
    assert first.facts == {
        "gateway.action": "client",
        "gateway.n": 3,
        "gateway.sent": True,
        "gateway.ratio": 0.5,
        "http.response.status_code": 200,
        "gateway.candidates": ["a", "b"],
        "gateway.cost": "<Decimal>",
        "gateway.request": "<dict>",
        "gateway.body": "<bytes>",
    }
    assert len(second.facts["gateway.why"]) == TEXT_MAX
    assert first.resource["service.name"] == "here"
    assert collector.headers[0]["x-word"] == "hello"
    assert (outlet.sent, outlet.failed, outlet.dropped) == (2, 0, 0)


@pytest.mark.parametrize("where", ["name", "fact", "list", "word"])
async def test_secret_is_struck_out_wherever_it_stands(collector: Collector, where: str) -> None:
    """By value, as in the logs, and its neighbours in the request are sent as they are."""
    outlet = outlet_to(collector.url, lambda text: strike_out(text, [SECRET]))
    facts: dict[str, dict[str, Any]] = {
        "fact": {"why": f"a {SECRET} b"},
        "list": {"passed": ["a", SECRET]},
        "word": {"why": "key=never-configured&x=1"},
    }
    outlet.put(made("clean", why="nothing here"))
    outlet.put(made(SECRET if where == "name" else "x", **facts.get(where, {})))
    await outlet.close(10)
    body = b"".join(collector.bodies)
    assert SECRET.encode() not in body
    assert b"never-configured" not in body
    assert b"[key]" in body
    assert collector.one("clean").facts == {"gateway.why": "nothing here"}


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (ErrorType.PANEL_SILENT, True),
        (ErrorType.GATEWAY_BOOKS, True),
        (ErrorType.UNCLASSIFIED, True),
        (ErrorType.CALLER_FUNDS, False),
        (ErrorType.POLICY_HELD, False),
        (None, False),
    ],
)
async def test_only_what_is_to_be_mended_has_failed(
    collector: Collector, error: ErrorType | None, failed: bool
) -> None:
    """A caller's mistake and a rule of ours are how things should go."""
    outlet = outlet_to(collector.url)
    outlet.put(made(error_type=error))
    await outlet.close(10)
    (span,) = collector.spans
    assert (span.failed, span.facts.get("error.type")) == (failed, None if error is None else error.value)


async def test_too_many_are_dropped_and_counted_at_once() -> None:
    """Nothing waits for the collector, and no more is kept than there is room for, by however many threads."""
    taken = threading.Event()

    def answer() -> int:
        taken.wait(10)
        return 200

    with collecting() as collector:
        collector.answer = answer
        outlet = outlet_to(collector.url)
        span, count = made(), WAITING_MAX + 3 * BATCH_MAX

        def put() -> None:
            for _ in range(count // 2):
                outlet.put(span)

        threads = [threading.Thread(target=put) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        # What the thread took already does not wait any more.
        assert BATCH_MAX <= outlet.dropped <= 3 * BATCH_MAX
        taken.set()
        await outlet.close(30)
        assert outlet.sent + outlet.dropped == count
        assert len(collector.spans) == outlet.sent


async def test_trouble_is_told_once_with_why_and_its_end_too(collector: Collector) -> None:
    """Not a line for each request that fails: it may be the same for an hour."""
    statuses = iter([400, 400, 200, 200])
    collector.answer = lambda: next(statuses)
    outlet = outlet_to(collector.url)
    with capture_logs() as lines:
        for n in range(1, 5):
            outlet.put(made())
            await asyncio.to_thread(collector.until, partial(_told_of, outlet, n))
        await outlet.close(10)
    assert (outlet.sent, outlet.failed) == (2, 2)
    first, second = lines
    assert (first["event"], second["event"]) == ("spans_not_taken", "spans_taken_again")
    assert "400" in first["error"]
    assert (second["failed"], second["dropped"]) == (2, 0)


def _told_of(outlet: Outlet, spans: int) -> bool:
    return outlet.sent + outlet.failed >= spans


async def test_end_comes_within_its_limit(collector: Collector) -> None:
    """Whatever the collector does; what was not sent is told of and counted."""
    hold = threading.Event()

    def answer() -> int:
        hold.wait(20)
        return 200

    collector.answer = answer
    outlet = outlet_to(collector.url)
    for _ in range(2 * BATCH_MAX):
        outlet.put(made())
    began = time.monotonic()
    with capture_logs() as lines:
        await outlet.close(0.3)
    assert time.monotonic() - began < 10
    hold.set()
    assert outlet.dropped >= BATCH_MAX
    assert [line["event"] for line in lines] == ["spans_left"]


async def test_look_sends_nothing_and_says_why_it_was_not_taken(collector: Collector) -> None:
    """A request without a span is one that a collector takes or refuses as any other."""
    outlet = Outlet(collector.url, {}, about={}, strike=str, version="7")
    assert await asyncio.to_thread(outlet.look) == ""
    assert (collector.bodies, collector.spans) == ([b""], [])
    collector.answer = lambda: 401
    assert "401" in await asyncio.to_thread(outlet.look)
    await outlet.close(1)
    away = Outlet("http://127.0.0.1:1", {}, about={}, strike=str, version="7")
    assert "refused" in await asyncio.to_thread(away.look)
    await away.close(1)


async def test_close_without_a_beginning_is_no_trouble() -> None:
    """A start that failed has nothing to send."""
    await Outlet("http://127.0.0.1:1", {}, about={}, strike=str, version="7").close(1)
