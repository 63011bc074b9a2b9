"""What leaves with the spans and what does not, whom a caller's wish costs nothing, and what a bad collector harms."""

import asyncio
import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from tests.collector import Collector, collecting
from tests.gateway_process import running_house
from tests.matrix.served import served
from tests.panel_process import simulated_panel
from tests.test_log_lines import KEY, books, lines_of, one, settings
from tests.traced import CALLER, TRACEPARENT, request_of, traced
from tests.world import LINK, World, status_of, until

OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Where the spans go."""
    with collecting() as running:
        yield running


@pytest.mark.parametrize("hearing", ["ignore", "link", "parent"])
async def test_traceparent_counts_as_the_operator_says(panels: World, collector: Collector, hearing: str) -> None:
    """Unread, a link, or the trace that is gone on with."""
    async with traced(panels, collector, tracing_traceparent=hearing) as house:
        call = await house.user()
        fields = {"key": call.key, "action": "balance"}
        await call.http.post(house.url, data=fields, headers={"Traceparent": TRACEPARENT})
    request = request_of(collector, "POST balance")
    if hearing == "parent":
        assert (request.trace, request.parent, request.links) == (*CALLER, ())
    else:
        assert (request.trace != CALLER[0], request.parent) == (True, "")
        assert request.links == ((CALLER,) if hearing == "link" else ())


@pytest.mark.parametrize("hearing", ["ignore", "link", "parent"])
async def test_callers_wish_to_be_traced_costs_nothing(panels: World, collector: Collector, hearing: str) -> None:
    """Its flag says sampled; our own die says what is kept, and it keeps nothing here."""
    async with traced(panels, collector, tracing_traceparent=hearing, tracing_ratio="0") as house:
        call = await house.user()
        fields = {"key": call.key, "action": "add", "service": "1", "link": LINK, "quantity": "100"}
        answer = await call.http.post(house.url, data=fields, headers={"traceparent": TRACEPARENT})
        await status_of(call, answer.json()["order"], "Completed")
    assert (collector.bodies, panels.a.links()) == ([], [LINK])


@pytest.mark.parametrize("way", ["refuses", "hangs", "gone"])
async def test_collector_in_trouble_harms_no_order(panels: World, collector: Collector, way: str) -> None:
    """Refused, silent or away: orders go on, what cannot be sent is counted, and the end comes within its limit."""
    if way == "refuses":
        collector.answer = lambda: 400
    elif way == "hangs":
        collector.answer = _slowly
    url = "http://127.0.0.1:1" if way == "gone" else collector.url
    async with traced(panels, collector, tracing_url=url) as house:
        call = await house.user()
        for n in range(5):
            placed = await call("add", service="1", link=f"{LINK}{n}", quantity="100")
            assert "order" in placed
        if way == "refuses":

            async def counted() -> bool:
                async with httpx.AsyncClient(trust_env=False) as http:
                    text = (await http.get(f"{house.health}/metrics")).text
                return 'gateway_spans_total{outcome="failed"} 0.0' not in text

            await until(counted)
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 15
    assert len(panels.a.links()) == 5


async def test_nothing_secret_is_sent(tmp_path: Path, collector: Collector) -> None:
    """No key of ours, of a panel or of the collector, no link and no word of a panel: of a whole life, byte by byte."""
    await books(f"sqlite:///{tmp_path / 'gateway.db'}")
    token = "collectors-own-token"
    async with simulated_panel(tmp_path, "panel-a") as a, simulated_panel(tmp_path, "panel-b") as b:
        a.switch("error", f"panel-a-key {LINK} is bad, {KEY}", action="add", processed=False, times=2)
        more = {
            "GATEWAY_TRACING_URL": collector.url,
            "GATEWAY_TRACING_RATIO": "1",
            "GATEWAY_TRACING_TRACEPARENT": "link",
            "GATEWAY_TRACING_HEADERS": f"authorization=Bearer {token}",
            "OTEL_RESOURCE_ATTRIBUTES": f"deployment.environment.name=test,note={KEY}",
        }
        async with served({**settings(tmp_path, a.url, b.url), **more}, tmp_path) as running:
            await running.ready()
            call = running.caller(KEY)

            async def both_on_sale() -> bool:
                return any(each["event"] == "catalogue_on_sale" and each["complete"] for each in lines_of(running))

            await until(both_on_sale)
            fields = {"key": KEY, "action": "add", "service": "1", "link": LINK, "quantity": "100"}
            placed = await call.post(fields)
            query = "&".join(f"{name}={value}" for name, value in fields.items())
            await call.http.get(f"{running.users}/api/v2?{query}&comments={LINK}", headers={"traceparent": KEY})
            await call.post({"key": f"{KEY}x", "action": "balance"})
            await call.post({"key": KEY, "action": "cancel", "order": placed.json()["order"]})
            told = await one(running, "request", action="add", order_id=int(placed.json()["order"]))
            running.signal(signal.SIGTERM)
            assert await running.ended() == 0
        lines = lines_of(running)
    said = b"".join(collector.bodies)
    assert request_of(collector, "GET add").facts["gateway.outcome"] == "ok"
    for private in (KEY, "panel-a-key", "panel-b-key", token, LINK, "social.example", "is bad"):
        assert private.encode() not in said, private
        assert private == "is bad" or private not in running.log.read_text() or private in (LINK, "social.example")
    assert {each["authorization"] for each in collector.headers} == {f"Bearer {token}"}
    assert set(collector.paths) == {"/v1/traces"}
    about = collector.spans[0].resource
    assert (about["deployment.environment.name"], about["note"]) == ("test", "[key]")
    trace = told["trace_id"]
    assert trace in {each.trace for each in collector.spans}
    decided = [each for each in lines if each["event"] == "attempt_decided" and each.get("trace_id") == trace]
    assert decided


async def test_panels_hear_nothing_of_it(tmp_path: Path, collector: Collector) -> None:
    """They are strangers: neither our trace nor the caller's goes along with a call, of whatever kind."""
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        heard.append(head + await reader.readexactly(int(length[1]) if length else 0))
        row = {"service": "101", "name": "x", "type": "Default", "rate": "1", "min": "10", "max": "1000"}
        body = json.dumps([{**row, "category": "x"}] if b"action=services" in heard[-1] else {"order": 5}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v2"
    async with simulated_panel(tmp_path, "panel-b") as b, server:
        world = World(b, b, tmp_path, {"tracing_traceparent": "parent", "a": url})
        async with traced(world, collector, a=url) as house:
            call = await house.user()
            fields = {"key": call.key, "action": "add", "service": "1", "link": LINK, "quantity": "100"}
            answered = await call.http.post(house.url, data=fields, headers={"traceparent": TRACEPARENT})
            assert answered.json()["order"]
    asked = b"".join(heard)
    assert b"action=add" in asked
    assert request_of(collector).trace == CALLER[0]
    for word in (b"traceparent", b"tracestate", b"baggage", CALLER[0].encode(), CALLER[1].encode()):
        assert word not in asked.lower()


def _slowly() -> int:
    time.sleep(20)
    return 200


async def test_latencies_name_a_trace_each(panels: World, collector: Collector) -> None:
    """Who asks for OpenMetrics gets exemplars that the real parser takes; the plain text is without, and the same."""
    async with traced(panels, collector) as house, httpx.AsyncClient(trust_env=False) as http:
        call = await house.user()
        placed = await call("add", service="1", link=LINK, quantity="100")
        await status_of(call, placed["order"], "Completed")
        usual = await http.get(f"{house.health}/metrics")
        asked = await http.get(f"{house.health}/metrics", headers={"Accept": OPENMETRICS})
        unwilling = await http.get(f"{house.health}/metrics", headers={"Accept": "text/plain"})
    assert usual.headers["content-type"] == unwilling.headers["content-type"]
    assert usual.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "trace_id" not in usual.text
    assert "# EOF" not in usual.text
    assert asked.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    named: dict[str, set[str]] = {}
    names = set()
    read = openmetrics.text_string_to_metric_families(asked.text)  # type: ignore[no-untyped-call] # it has no types
    for family in read:
        for sample in family.samples:
            names.add((sample.name, *sorted(sample.labels.items())))
            if sample.exemplar is not None:
                assert sample.exemplar.value <= float(sample.labels["le"])
                named.setdefault(family.name, set()).add(sample.exemplar.labels["trace_id"])
    families = plain(usual.text)
    same = {(each.name, *sorted(each.labels.items())) for family in families for each in family.samples}
    assert {each for each in same if str(each[0]).startswith("gateway_")} <= names
    kept = {each.trace for each in collector.spans}
    request = request_of(collector)
    for family_name in ("request_seconds", "request_overhead_seconds", "upstream_add_seconds", "store_write_seconds"):
        assert named[f"gateway_{family_name}"] <= kept
    assert named["gateway_upstream_add_seconds"] == {request.trace}
    assert request.trace in named["gateway_request_seconds"]
    assert named["gateway_upstream_ask_seconds"] <= kept
    sent = re.search(r'gateway_spans_total\{outcome="sent"\} (\d+)', usual.text)
    assert sent is not None


async def test_openmetrics_is_not_spoken_while_tracing_is_off(panels: World) -> None:
    """There is nothing it could say that the plain text does not."""
    async with running_house(panels.settings()) as house, httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{house.health}/metrics", headers={"Accept": OPENMETRICS})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
