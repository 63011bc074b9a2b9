"""Strangers' JSON: exact numbers, known leniency, no bomb and no guess."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.lenient import DIGITS_MAX, Json, NotJson, find_error_text, parse_after_notices, parse_json


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"order": 9007199254740993}', {"order": 9007199254740993}),
        (b"[1.0450000000000002, 1.0e-5]", [Decimal("1.0450000000000002"), Decimal("1.0E-5")]),
        (b'\xef\xbb\xbf {"a": null}\r\n', {"a": None}),
        ('"é"'.encode(), "é"),
    ],
)
def test_good_json_is_read_exactly(body: bytes, value: Json, strict: bool) -> None:
    """Numbers keep every digit; a byte-order mark and blanks around mean nothing (Q41, Q51, Q75)."""
    assert parse_json(body, strict=strict) == value


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"<html>",
        b"{",
        b'{"a":',
        b"NaN",
        b"[Infinity]",
        b"1" * (DIGITS_MAX + 1),
        b"0." + b"1" * DIGITS_MAX,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"x{",
        b'Notice: [] {"order": 1',
        b'Notice {"a": "b',
        b"[x" * 300,
        b"n" + b"[x" * 300,
    ],
)
def test_junk_and_bombs_are_no_json(body: bytes, strict: bool) -> None:
    """Whatever comes, the answer is NotJson, not another error and not a part of the text."""
    with pytest.raises(NotJson):
        parse_json(body, strict=strict)


def test_notices_before_the_value_are_passed_over_in_reads_only() -> None:
    """PHP's notices are forgiven where nothing hangs on it; an answer to `add` has to stand alone (Q71)."""
    body = b'<br /><b>Notice</b>: Undefined index [x] in {y}<br />\n{"balance": "1"}'
    assert parse_json(body, strict=False) == {"balance": "1"}
    with pytest.raises(NotJson):
        parse_json(body, strict=True)


def test_value_after_notices_is_read_strictly_where_money_moves() -> None:
    """The notices are forgiven, nothing else: no key twice, no trailing comma, and there have to be notices."""
    assert parse_after_notices(b'Notice: [x]\n{"order": 7}') == {"order": 7}
    for body in (b'{"order": 7}', b"", b'Notice {"order": 7, "order": 8}', b'Notice {"order": 7,}', b"Notice"):
        with pytest.raises(NotJson):
            parse_after_notices(body)


def test_trailing_commas_are_forgiven_in_reads_only() -> None:
    """A comma before a bracket is dropped, but never inside a text (Q76)."""
    body = b'{"a": [1, 2,], "b": ",]\\"",}'
    assert parse_json(body, strict=False) == {"a": [1, 2], "b": ',]"'}
    with pytest.raises(NotJson):
        parse_json(body, strict=True)


def test_value_cut_short_is_given_up_whole() -> None:
    """The inner part of a cut answer would look like an answer to something else."""
    for body in (b'[{"service": 1}, {"service": 2}', b'<b>Notice</b> {"1": {"status": "Partial"}'):
        with pytest.raises(NotJson):
            parse_json(body, strict=False)


def test_broken_text_spoils_itself_only_in_reads() -> None:
    """One bad byte of a name does not cost the whole list; where money moves it does."""
    body = b'{"name": "caf\xe9"}'
    assert parse_json(body, strict=False) == {"name": "caf\ufffd"}
    with pytest.raises(NotJson, match="UTF-8 at byte 13"):
        parse_json(body, strict=True)


def test_key_that_stands_twice_is_refused_where_money_moves() -> None:
    """Two readers could take different ones of the two."""
    body = b'{"order": 1, "order": 2}'
    assert parse_json(body, strict=False) == {"order": 2}
    with pytest.raises(NotJson, match="twice"):
        parse_json(body, strict=True)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_give_a_value_or_not_json(body: bytes, strict: bool) -> None:
    """Total: nothing else is ever raised."""
    with contextlib.suppress(NotJson):
        find_error_text(parse_json(body, strict=strict))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"error": "Incorrect request"}, "Incorrect request"),
        ({"Error": "Bad"}, "Bad"),
        ({"errors": ["first", "second"]}, "first"),
        ({"errors": {"link": "Bad link"}}, "Bad link"),
        ({"error": {"code": 5, "message": "Nested"}}, "Nested"),
        ({"error": True, "msg": "Flagged"}, "Flagged"),
        ({"error": True}, "error True"),
        ({"error": 5}, "error 5"),
        ({"error": 0, "order": 7}, None),
        ({"error": [1, {}]}, "error [1, {}]"),
        ({"status": "fail", "message": "No"}, "No"),
        ({"status": "error"}, "failed"),
        ({"status": False}, "failed"),
        ({"success": False, "message": "Not now"}, "Not now"),
        ({"message": "Alone"}, "Alone"),
        ({"msg": "Alone too", "code": 7}, "Alone too"),
        ({"message": "beside", "order": 7}, None),
        ({"status": "Fail", "remains": "5"}, None),
        ({"error": "", "order": 7}, None),
        ({"error": False, "order": 7}, None),
        ({"error": None}, None),
        ({"status": "success", "order": 7}, None),
        ("You said it  ", "You said it"),
        ("", None),
        ([], None),
        (5, None),
        (None, None),
    ],
)
def test_error_is_found_wherever_panels_put_it(value: Json, text: str | None) -> None:
    """One reader for every place errors have been met, and silence where there is none (Q43, Q65)."""
    assert find_error_text(value) == text


def test_long_error_is_cut() -> None:
    """A page of text in the place of an error stays readable."""
    found = find_error_text({"error": "x" * 10_000})
    assert found is not None
    assert len(found) == 300
