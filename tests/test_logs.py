"""Logs: one line an event, and no key in any of them, whoever logs it and however it is spelt."""

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog

from gateway.core.keys import RANDOM_BYTES, make_key
from gateway.core.messages import AddRequest
from gateway.logs import STRUCK_OUT, Format, configure_logs, forms_of, strike_out
from gateway.settings.secrets import Secret
from tests.gateway_process import house_settings, running_house
from tests.panel_process import simulated_panel

CANARY = "canary/key with+odd&signs"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


@contextmanager
def logs_to(stream: io.StringIO, shape: Format) -> Iterator[io.StringIO]:
    """What is logged, at the most talkative level; afterwards logging is as it was."""
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    before = structlog.get_config()
    configure_logs("debug", shape, secrets=[CANARY, "panel-a-key", "panel-b-key", "short"], stream=stream)
    # A logger used meanwhile must not keep these settings for the tests that come after.
    structlog.configure(**{**structlog.get_config(), "cache_logger_on_first_use": False})
    yield stream
    structlog.configure(**before)
    logging.getLogger().handlers = handlers
    logging.getLogger().setLevel(level)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The lines of JSON."""
    with logs_to(io.StringIO(), "json") as stream:
        yield stream


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


def test_line_of_json_is_ascii_whatever_a_panel_says(lines: io.StringIO) -> None:
    """No line end of any alphabet, no half of a letter, no number that JSON has not."""
    structlog.get_logger("test").info("event", why="a\u2028b\x85c\ud800d\x1be", much=float("nan"), nothing=None)
    told = lines.getvalue()
    assert told.isascii()
    assert len(told.splitlines()) == 1
    found = json.loads(told, parse_constant=pytest.fail)
    assert found["why"] == "a\u2028b\x85c\ud800d\x1be"
    assert "nothing" not in found
    assert list(found)[:4] == ["timestamp", "level", "event", "logger"]


def test_value_that_is_not_plain_is_told_by_its_type(lines: io.StringIO) -> None:
    """A user's wish, a secret and bytes say nothing of what is in them, however deep they lie."""
    wish = AddRequest(service="1", fields=(("link", "https://social.example/private"),))
    structlog.get_logger("test").info(
        "event", wish=[wish], secret={"deep": Secret("abc")}, body=b"private", at=Path("x")
    )
    found = json.loads(lines.getvalue())
    assert found["wish"] == ["<AddRequest>"]
    assert found["secret"] == {"deep": "<Secret>"}
    assert (found["body"], found["at"]) == ("<bytes>", "x")
    assert "private" not in lines.getvalue()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("GET https://x/api?key=abcdef&action=add", "GET https://x/api?key=[key]&action=add"),
        ("action=add&api_key=abcdef&x=1", "action=add&api_key=[key]&x=1"),
        ("Authorization: Bearer abcdefgh.ij", "Authorization: Bearer [key]"),
        ("redis://:letmein@host:6379/0", "redis://[key]@host:6379/0"),
        ("no keyboard=here, mail me@host.example", "no keyboard=here, mail me@host.example"),
    ],
)
def test_what_stands_where_keys_stand_is_struck_out(text: str, left: str) -> None:
    """A foreign key is nobody's configured secret, and must not be told either."""
    assert strike_out(text, ()) == left


def test_password_of_an_address_is_struck_out_by_itself() -> None:
    """A driver's error repeats it and not the whole address."""
    forms = forms_of(["postgresql://books:open%2Fsesame@db.example/books"])
    assert strike_out("password 'open/sesame' or open%2Fsesame", forms) == "password '[key]' or [key]"


def test_console_shows_no_local_variable_and_obeys_nobody() -> None:
    """A traceback is Python's own, a panel's escape sequence is shown and not sent to the terminal."""
    with logs_to(Terminal(), "console") as stream:
        hidden = repr(stream)
        try:
            raise ValueError("broke\x1b[2J")
        except ValueError:
            structlog.get_logger("test").exception("failed", why="red\x1b]0;title\x07", order_id=17)
    told = stream.getvalue()
    assert hidden not in told
    assert "Traceback (most recent call last):" in told
    assert "\x1b[2J" not in told
    assert "\x1b]0;" not in told
    assert "\\x1b]0;title" in told
    assert re.search(r"\x1b\[3\dm.*order_id.*17", told), "coloured on a terminal"


def test_console_that_is_no_terminal_has_no_colour() -> None:
    """A file gets text alone."""
    with logs_to(io.StringIO(), "console") as stream:
        structlog.get_logger("test").warning("event", order_id=17)
    assert "\x1b" not in stream.getvalue()
    assert re.search(r"\[warning *\] event +.*order_id=17", stream.getvalue())


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
