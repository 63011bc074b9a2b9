"""Logs: one line an event, and no key in any of them, whoever logs it and however it is spelt."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog

from gateway.core.keys import RANDOM_BYTES, make_key
from gateway.logs import STRUCK_OUT, configure_logs, forms_of, strike_out
from tests.gateway_process import house_settings, running_house
from tests.panel_process import simulated_panel

CANARY = "canary/key with+odd&signs"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, at the most talkative level; afterwards logging is as it was."""
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    stream = io.StringIO()
    before = structlog.get_config()
    configure_logs("debug", "json", secrets=[CANARY, "panel-a-key", "panel-b-key", "short"], stream=stream)
    # A logger used meanwhile must not keep these settings for the tests that come after.
    structlog.configure(**{**structlog.get_config(), "cache_logger_on_first_use": False})
    yield stream
    structlog.configure(**before)
    logging.getLogger().handlers = handlers
    logging.getLogger().setLevel(level)


def test_event_is_one_line_of_json(lines: io.StringIO) -> None:
    """Line ends inside a value do not make a second one, and an exception comes with its traceback."""
    log = structlog.get_logger("test")
    log.info("event", text="one\ntwo", order_id=5)
    try:
        raise ValueError("broke")
    except ValueError:
        log.exception("failed")
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (first["event"], first["text"], first["order_id"], first["level"]) == ("event", "one\ntwo", 5, "info")
    assert "ValueError: broke" in second["exception"]


@pytest.mark.parametrize(
    "text", [CANARY, quote(CANARY, safe=""), f"https://x?key={CANARY}", make_key(bytes(RANDOM_BYTES))]
)
def test_key_is_struck_out_wherever_it_stands(lines: io.StringIO, text: str) -> None:
    """In a field, in a name nobody expected, in an exception, in another library's message."""
    structlog.get_logger("test").info("event", anything={"deep": [text]})
    logging.getLogger("httpx").warning("HTTP Request: POST %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        structlog.get_logger("test").exception("failed")
    told = lines.getvalue()
    assert told.count(STRUCK_OUT) >= 3
    assert CANARY not in told
    assert quote(CANARY, safe="") not in told
    assert "gw_000000000000" not in told


def test_short_secret_strikes_out_no_ordinary_word() -> None:
    """And of two spellings the longer goes first."""
    assert forms_of(["abc"]) == ()
    assert strike_out("abcabc", forms_of(["abc", "abcabc"])) == STRUCK_OUT


def test_chatty_libraries_are_told_to_be_quiet(lines: io.StringIO) -> None:
    """They log whole URLs at INFO."""
    logging.getLogger("httpx").info("GET https://x?key=5")
    assert lines.getvalue() == ""


async def test_no_key_in_anything_a_whole_gateway_logs(lines: io.StringIO, tmp_path: Path) -> None:
    """Orders, refusals that repeat the key, wrong keys, keys in a URL, crashes: not one line has a key in it."""
    async with simulated_panel(tmp_path, "panel-a") as a, simulated_panel(tmp_path, "panel-b") as b:
        a.switch("error", "Incorrect service ID for panel-a-key", action="add", processed=False, times=1)
        a.switch("error", "Invalid API key panel-a-key", action="status", times=2)
        a.switch("html", action="balance")
        async with running_house(house_settings(tmp_path, a=a.url, b=b.url, log_level="debug")) as house:
            await asyncio.sleep(0.6)
            call = await house.user()
            for number in range(3):
                await call("add", service="1", link=f"https://social.example/{number}", quantity="100")
            await call.http.get(call.url, params={"key": call.key, "action": "balance"})
            await call.http.get(call.url, params={"key": call.key + "x", "action": "balance"})
            await asyncio.sleep(0.6)
    told = lines.getvalue()
    assert '"event": "attempt_decided"' in told
    assert '"action": "add"' in told
    for key in (call.key, "panel-a-key", "panel-b-key"):
        assert key not in told
    books = (tmp_path / "gateway.db").read_bytes()
    assert call.key.encode() not in books
    assert b"panel-a-key" not in books
