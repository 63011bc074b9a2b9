"""The endpoint on real sockets: whatever is sent is answered cheaply, by the contract's words, and nothing leaks."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from gateway.core.keys import RANDOM_BYTES, make_key
from gateway.store.users import set_state
from tests.gateway_process import Caller, House, house_settings, running_house
from tests.panel_process import SimulatedPanel, simulated_panel

LINK = "https://social.example/p/1"


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[SimulatedPanel]:
    """The one panel of these tests."""
    async with simulated_panel(tmp_path) as running:
        yield running


@pytest.fixture
async def house(panel: SimulatedPanel, tmp_path: Path) -> AsyncIterator[House]:
    """A gateway with its list on sale."""
    async with running_house(house_settings(tmp_path, a=panel.url)) as running:
        for _ in range(100):
            if running.gateway.desk.snapshot is not None and running.gateway.desk.snapshot.complete:
                break
            await asyncio.sleep(0.05)
        yield running


@pytest.fixture
async def call(house: House) -> Caller:
    """A user with little money."""
    return await house.user(credit=10**8)


INVALID = {"error": "Invalid API key"}


@pytest.mark.parametrize(
    "key",
    ["", "x", "gw_" + "0" * 39, "k" * 200_000, "\x00", "ключ", make_key(b"n" * RANDOM_BYTES)],
)
async def test_every_wrong_key_is_answered_alike(house: House, key: str) -> None:
    """Empty, malformed, long, odd, or well formed and unknown: one text, one status, nothing written."""
    before = house.gateway.store.counts.statements
    response = await house.caller("").http.post(house.url, data={"key": key, "action": "balance"})
    assert (response.status_code, response.json()) == (200, INVALID)
    assert house.gateway.store.counts.statements - before <= 8  # The jobs' own, none of this request.


@pytest.mark.parametrize("body", [b"", b"action=balance", b"key%5B%5D=x&action=balance", b"key=%ff&action=balance"])
async def test_missing_key_is_a_wrong_one(house: House, body: bytes) -> None:
    """Also where it is a list or no text at all."""
    response = await house.caller("").http.post(house.url, content=body)
    assert response.json() == INVALID


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "Incorrect request"),
        ({"action": "drop"}, "Incorrect request"),
        ({"action": "status"}, "Incorrect order ID"),
        ({"action": "status", "order": "0"}, "Incorrect order ID"),
        ({"action": "status", "order": "-1"}, "Incorrect order ID"),
        ({"action": "status", "order": "9223372036854775808"}, "Incorrect order ID"),
        ({"action": "status", "order": "1 OR 1=1"}, "Incorrect order ID"),
        ({"action": "status", "order": "١"}, "Incorrect order ID"),
        ({"action": "status", "orders": ",".join(map(str, range(101)))}, "Incorrect request"),
        ({"action": "refill", "order": "5"}, "Order not eligible for refill."),
        ({"action": "refill_status", "refill": "5"}, "Refill Request Not found"),
        ({"action": "cancel", "order": "5"}, "Incorrect order ID"),
        ({"action": "add"}, "Incorrect service ID"),
        ({"action": "add", "service": "999", "link": LINK, "quantity": "100"}, "Incorrect service ID"),
        ({"action": "add", "service": "-1", "link": LINK, "quantity": "100"}, "Incorrect service ID"),
        ({"action": "add", "service": "1", "quantity": "100"}, "Incorrect link"),
        ({"action": "add", "service": "1", "link": LINK}, "Incorrect quantity"),
        ({"action": "add", "service": "1", "link": LINK, "quantity": "1e9"}, "Incorrect quantity"),
        ({"action": "add", "service": "1", "link": LINK, "quantity": "-5"}, "Incorrect quantity"),
        ({"action": "add", "service": "1", "link": LINK, "quantity": "9"}, "Quantity less than minimal 10"),
        ({"action": "add", "service": "1", "link": LINK, "quantity": "100001"}, "Quantity more than maximum 100000"),
        ({"action": "add", "service": "1", "link": LINK, "quantity": "100", "runs": "5"}, "Incorrect interval"),
        ({"action": "add", "service": "2", "link": LINK}, "Incorrect comments"),
        ({"action": "add", "service": "1", "link": LINK, "quantity": "90000"}, "Not enough funds on balance"),
        ({"action": "add", "service": "1", "link": LINK, "quantity": "100", "rate": "0", "charge": "0"}, None),
    ],
)
async def test_bad_input_is_answered_by_its_text(
    panel: SimulatedPanel, call: Caller, fields: dict[str, str], text: str | None
) -> None:
    """The contract's words; no order, no money moved, no panel asked. What a caller may not set is ignored."""
    answer = await call(fields.get("action", ""), **{k: v for k, v in fields.items() if k != "action"})
    if text is None:
        assert (await call("status", order=answer["order"]))["charge"] == "0.135"
        return
    assert answer == {"error": text}
    assert (await call("balance"))["balance"] == "1"
    assert (panel.links(), panel.heard("add")) == ([], 0)


async def test_huge_body_is_refused_before_it_is_parsed(call: Caller) -> None:
    """413 over 256 kB, announced or not; just below it is read."""
    big = b"key=" + call.key.encode() + b"&action=balance&x=" + b"y" * (256 * 1024)
    assert (await call.http.post(call.url, content=big)).status_code == 413

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield big[: 64 * 1024]

    assert (await call.http.post(call.url, content=drip())).status_code == 413
    assert (await call.http.post(call.url, content=big[: 256 * 1024])).json() == {"balance": "1", "currency": "USD"}


async def test_field_flood_is_refused(call: Caller) -> None:
    """More fields than anybody has, in any encoding, are an incorrect request."""
    form = b"key=" + call.key.encode() + b"&action=balance" + b"&a=1" * 60_000
    assert (await call.http.post(call.url, content=form)).json() == {"error": "Incorrect request"}
    many = {"key": call.key, "action": "balance", **{f"f{n}": "1" for n in range(100)}}
    assert (await call.http.post(call.url, json=many)).json() == {"error": "Incorrect request"}
    deep = b'{"key":' + b"[" * 100_000
    assert (await call.http.post(call.url, content=deep)).json() == {"error": "Incorrect request"}


async def test_every_encoding_and_alias_is_taken(call: Caller) -> None:
    """GET, JSON, multipart, slashes, v1, bearer and header keys (Q1, Q2, Q3, Q4, Q5)."""
    good = {"balance": "1", "currency": "USD"}
    fields = {"key": call.key, "action": "balance"}
    base = call.url.removesuffix("/api/v2")
    for path in ("/api/v2", "/api/v2/", "/api/v1", "/api/v1/"):
        assert (await call.http.post(base + path, data=fields)).json() == good
    assert (await call.http.get(call.url, params=fields)).json() == good
    assert (await call.http.post(call.url, content=json.dumps(fields))).json() == good
    parts = {name: (None, value) for name, value in fields.items()}
    assert (await call.http.post(call.url, files=parts)).json() == good
    action = {"action": "balance"}
    bearer = {"authorization": f"Bearer {call.key}"}
    assert (await call.http.post(call.url, data=action, headers=bearer)).json() == good
    assert (await call.http.post(call.url, data=action, headers={"x-api-key": call.key})).json() == good


async def test_answers_are_plain_json_with_200(call: Caller) -> None:
    """Exactly `application/json`, no white space before, an id to find it by in the logs."""
    response = await call.post({"key": call.key, "action": "drop"})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.content.startswith(b"{")
    assert len(response.headers["x-request-id"]) == 16
    assert (await call.http.put(call.url, data={})).status_code == 405
    assert (await call.http.get(call.url.removesuffix("/api/v2") + "/elsewhere")).status_code == 404


async def test_list_is_sent_compressed_or_not_at_all(call: Caller) -> None:
    """Gzip for who takes it, 304 for who has it, and the same bytes every time."""
    fields = {"key": call.key, "action": "services"}
    plain = await call.http.post(call.url, data=fields, headers={"accept-encoding": "identity"})
    packed = await call.http.post(call.url, data=fields, headers={"accept-encoding": "gzip"})
    assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
    assert plain.content == packed.content
    assert int(packed.headers["content-length"]) < len(plain.content)
    same = await call.http.post(call.url, data=fields, headers={"if-none-match": plain.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")


async def test_revoked_and_suspended_keys_die_within_a_second(house: House, call: Caller) -> None:
    """Like keys that never were."""
    assert (await call("balance"))["balance"] == "1"
    now = house.gateway.desk.clock()
    suspend = partial(set_state, "alpha", "suspended", actor="test", reason="", now=now)
    await house.gateway.store.run(suspend)
    await asyncio.sleep(1.05)
    assert await call("balance") == INVALID


async def test_pipelined_and_odd_http_is_answered(house: House, call: Caller) -> None:
    """HTTP/1.0, no, an empty or any User-Agent, cookies, Expect: 100-continue, two requests in one packet (Q17)."""
    body = f"key={call.key}&action=balance".encode()
    address = house.gateway.listener.address

    async def raw(request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(request)
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
        return answer

    old = b"POST /api/v2 HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    assert b'{"balance":"1"' in await raw(old)
    head = b"POST /api/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(body)
    last = head + b"Connection: close\r\n\r\n" + body
    assert (await raw(head + b"\r\n" + body + last)).count(b'{"balance":"1"') == 2
    for agent in (b"", b"Mozilla/4.0 (compatible; MSIE 5.01; Windows NT 5.0)", b"sqlmap/1.0", b"\xff\xfe"):
        cookies = b"Cookie: PHPSESSID=1; cf_clearance=x; =; ;\r\nCookie: key=another\r\n"
        odd = head + b"User-Agent: %s\r\n" % agent + cookies + b"Connection: close\r\n\r\n" + body
        assert b'{"balance":"1"' in await raw(odd), agent
    waiting = head + b"Connection: close\r\nExpect: 100-continue\r\n\r\n" + body
    assert b'{"balance":"1"' in await raw(waiting)


async def test_health_tells_ready_live_and_metrics(house: House, call: Caller) -> None:
    """On a port of their own; nothing of a user, a link or a key is in the metrics."""
    await call("add", service="1", link=LINK, quantity="100")
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{house.health}/live")).text == "alive\n"
        assert (await http.get(f"{house.health}/ready")).text == "ready\n"
        metrics = (await http.get(f"{house.health}/metrics")).text
        assert (await http.get(house.health + "/api/v2")).status_code == 404
    assert 'gateway_requests_total{action="add",outcome="ok"} 1.0' in metrics
    assert 'gateway_attempts_total{outcome="accepted",provider="panel-a"} 1.0' in metrics
    for secret in (call.key, "alpha", LINK, "panel-a-key"):
        assert secret not in metrics
