"""Security items 29 to 31 of RELIABILITY.md section 3, each by its number: odd text, odd JSON, what answers tell."""

import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway_process import Caller, House, house_settings, running_house
from tests.matrix.served import served
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.raw_http import environ, known
from tests.world import LINK, balance, on_sale

DENIED = {"error": "Incorrect request"}


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


# ------------------------------------------------------------------------------------------------------------------ 29

ODD_TEXTS = {
    "SQL": "https://social.example/'; DROP TABLE orders; --",
    "percent nought": "https://social.example/%00",
    "right to left": "https://social.example/\u202etxt.exe",
    "emoji": "https://social.example/👍🏽",
    "script": "https://social.example/<script>alert(1)</script>",
    "template": "{{7*7}}${7*7}{order}",
    "javascript": "javascript:alert(1)",
    "file": "file:///etc/passwd",
    "header": "https://social.example/ Set-Cookie: a=b",
}


async def test_s09_29_odd_text_is_stored_and_sent_literally_or_refused(call: Caller, panel: SimulatedPanel) -> None:
    """As it is, to the last character, to the panel and into the books; what no line can hold is an incorrect link."""
    for name, text in ODD_TEXTS.items():
        answer = await call("add", service="1", link=text, quantity="10")
        assert list(answer) in (["order"], ["error"]), name
        if "order" in answer:
            assert panel.links()[-1] == text, name
        else:
            assert answer == {"error": "Incorrect link"}, name
    before = panel.links()
    for bad in ("x" * 10_000, "https://social.example/\x00", "https://social.example/\r\nSet-Cookie: a=b", "a\nb"):
        answer = await call("add", service="1", link=bad, quantity="10")
        assert answer == (DENIED if "\x00" in bad else {"error": "Incorrect link"})
    assert panel.links() == before
    assert len(before) >= 5


async def test_s09_29_log_lines_stay_lines(panel: SimulatedPanel, tmp_path: Path) -> None:
    """Line ends of every kind and JSON in what a caller sends: each line that is logged is one object of ours."""
    key = await known(panel, tmp_path)
    async with served({**environ(tmp_path), "GATEWAY_LOG_LEVEL": "debug"}, tmp_path) as running:
        await running.ready()
        call = running.caller(key)
        forged = '\r\n{"event":"forged","level":"info"}\n\u2028\u0085\x1b[2K'
        for fields in ({"service": "2", "link": LINK, "comments": forged}, {"service": "1", "link": LINK + forged}):
            await call("add", quantity="10", **fields)
        await call(forged)
        await call("status", order=forged)
        await call.http.post(call.url, data={"key": forged, "action": "balance"}, headers={"User-Agent": "x{y}"})
        told = running.log.read_bytes().decode()
    plain = [line for line in told.split("\n") if not line.startswith("{")]
    assert plain == [""], plain  # what comes after the last line's end
    lines = [json.loads(line) for line in told.split("\n") if line.startswith("{")]
    assert "request" in {line["event"] for line in lines}
    assert "forged" not in {line["event"] for line in lines}
    assert "\x1b" not in told


# ------------------------------------------------------------------------------------------------------------------ 30

ODD_JSON = {
    "key twice": b'{"key":"KEY","key":"other","action":"balance"}',
    "action twice": b'{"key":"KEY","action":"balance","action":"add"}',
    "deep": b'{"key":"KEY","action":"balance","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "deep maps": b'{"key":"KEY","action":"balance","x":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
    "NaN": b'{"key":"KEY","action":"add","service":1,"link":"l","quantity":NaN}',
    "Infinity": b'{"key":"KEY","action":"add","service":1,"link":"l","quantity":-Infinity}',
    "long number": b'{"key":"KEY","action":"add","service":1,"link":"l","quantity":' + b"9" * 5000 + b"}",
    "long exponent": b'{"key":"KEY","action":"add","service":1,"link":"l","quantity":1e1000000}',
    "no object": b'["KEY","balance"]',
    "cut": b'{"key":"KEY","action":"balance"',
    "two values": b'{"key":"KEY","action":"balance"}{"key":"KEY","action":"add"}',
    "half a character": b'{"key":"KEY","action":"status","order":"\\ud800"}',
    "no UTF-8": b'{"key":"KEY","action":"status","order":"\xff"}',
    "key of another type": b'{"key":["KEY"],"action":"balance","x":{}}',
    "key as a map": b'{"key":{"a":"KEY"},"action":"balance"}',
    "action as a list": b'{"key":"KEY","action":["add","balance"]}',
    "fields as maps": b'{"key":"KEY","action":"add","service":{"a":1},"link":{"b":2},"quantity":{"$gt":0}}',
    "truth": b'{"key":"KEY","action":"add","service":true,"link":true,"quantity":true}',
    "trailing comma": b'{"key":"KEY","action":"balance",}',
}


async def test_s09_30_odd_json_is_an_error_of_the_contract(call: Caller, panel: SimulatedPanel) -> None:
    """HTTP 200 with `error`, quickly; nobody is charged, nothing is ordered, nobody becomes somebody else."""
    for name, template in ODD_JSON.items():
        began = time.perf_counter()
        answer = await call.http.post(call.url, content=template.replace(b"KEY", call.key.encode()))
        assert answer.status_code == 200, name
        told = answer.json()
        if name == "key of another type":  # One text in a list is that text, as a form would have sent it.
            assert "error" in told or told["balance"] == "100"
        else:
            assert list(told) == ["error"], (name, told)
        assert time.perf_counter() - began < 2, name
    assert panel.links() == []
    assert await balance(call) == 100


# ------------------------------------------------------------------------------------------------------------------ 31


async def test_s09_31_answers_open_no_door_and_tell_no_version(house: House, call: Caller) -> None:
    """No CORS with credentials, no cookie, no trace of the inside, no version; the API page allows no script."""
    base = str(house.gateway.listener.address)
    origin = {"Origin": "https://other.example"}
    answers = [
        await call.http.post(call.url, data={"key": call.key, "action": "balance"}, headers=origin),
        await call.http.options(call.url, headers={**origin, "Access-Control-Request-Method": "POST"}),
        await call.http.post(call.url, content=b"\xff" * 100),
        await call.http.request("DELETE", call.url),
        await call.http.get(f"{base}/nothing/here"),
        await call.http.get(f"{base}/api"),
        await call.http.get(f"{base}/openapi.json"),
        await call.http.get(f"{house.health}/nothing"),
    ]
    for answer in answers:
        assert "access-control-allow-credentials" not in answer.headers
        assert "set-cookie" not in answer.headers
        assert re.search(r"\d", answer.headers.get("server", "")) is None
        assert re.search(r"Traceback|site-packages|File \"|litestar", answer.text, re.IGNORECASE) is None, answer.url
    assert "access-control-allow-origin" not in answers[0].headers
    page = answers[5]
    assert "script" not in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
