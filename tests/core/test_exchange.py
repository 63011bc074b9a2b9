"""Exchanges: whatever was sent and came back, what is kept is bounded, can be read again, and says what was seen."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.exchange import (
    BODY_BYTES_MAX,
    EXCHANGE_CHARS_MAX,
    VALUE_CHARS_MAX,
    exchange_of,
    read_exchange,
    write_exchange,
)
from gateway.core.outcome import Evidence, Timing

NOW = 1_700_000_000_000


def kept(evidence: Evidence, *fields: tuple[str, str]) -> str:
    """What is written of it."""
    return write_exchange(exchange_of("101", fields, evidence, at=NOW))


def test_everything_observed_is_kept() -> None:
    """Headers, phases, and how the answer ended."""
    evidence = Evidence(
        sent=True, status=302, body=b"<html>", complete=True, framed=True, location="/login", content_type="text/html",
        retry_after="5", failure="reset", timing=Timing(fence=1, armed=2, answered=3, ended=4),
    )  # fmt: skip
    read = read_exchange(kept(evidence, ("link", "L")))
    assert (read.service, read.asked, read.at) == ("101", (("link", "L"),), NOW)
    assert (read.sent, read.complete, read.framed, read.status) == (True, True, True, 302)
    assert (read.location, read.content_type, read.retry_after) == ("/login", "text/html", "5")
    assert (read.body, read.body_bytes, read.failure) == ("<html>", 6, "reset")
    assert read.timing == Timing(fence=1, armed=2, answered=3, ended=4)
    traced = exchange_of("101", (), evidence, at=NOW, trace="0af7")
    assert (read.trace, read_exchange(write_exchange(traced)).trace) == ("", "0af7")


def test_nothing_observed_is_short() -> None:
    """What is not there is not written."""
    assert kept(Evidence(sent=False)) == f'{{"service":"101","asked":[],"at":{NOW},"sent":false,"timing":{{}}}}'


def test_long_texts_are_cut_and_say_so() -> None:
    """A link of ten thousand characters, comments, a page."""
    evidence = Evidence(sent=True, status=200, body=b"x" * 100_000, location="y" * 9_000, complete=True)
    read = read_exchange(kept(evidence, ("comments", "z" * 250_000)))
    assert read.body == "x" * BODY_BYTES_MAX + "…"
    assert read.body_bytes == 100_000
    assert read.location == "y" * VALUE_CHARS_MAX + "…"
    assert read.asked == (("comments", "z" * VALUE_CHARS_MAX + "…"),)


def test_text_that_grows_when_it_is_written_is_cut_further() -> None:
    """A control character is six in JSON; the whole stays within its bound."""
    evidence = Evidence(sent=True, status=200, body=b"\x01" * 100_000, complete=True)
    fields = tuple((f"field-{n}", "\x02" * 9_000) for n in range(64))
    text = kept(evidence, *fields)
    assert len(text) <= EXCHANGE_CHARS_MAX
    assert read_exchange(text).status == 200


def test_half_a_pair_is_replaced() -> None:
    """PostgreSQL and UTF-8 have no half of a surrogate pair."""
    assert read_exchange(kept(Evidence(sent=False), ("link", "\ud83d"))).asked == (("link", "?"),)


@given(
    st.binary(max_size=2_000),
    st.lists(st.tuples(st.text(max_size=50), st.text(max_size=3_000)), max_size=70),
    st.text(max_size=2_000),
)
def test_anything_is_kept_within_bounds(body: bytes, fields: list[tuple[str, str]], word: str) -> None:
    """Total: any bytes, any texts; never over the limit, always readable, always UTF-8 without NUL."""
    evidence = Evidence(sent=True, status=200, body=body, location=word, content_type=word, failure=word)
    text = kept(evidence, *fields)
    assert len(text) <= EXCHANGE_CHARS_MAX
    assert "\x00" not in text
    text.encode()
    assert read_exchange(text).body_bytes == len(body)
