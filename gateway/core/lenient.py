"""Lenient JSON: bytes of a stranger into plain values, without floats and without blowing up.

*Strict* is for what moves money (a user's request, a panel's answer to `add`): one JSON value, no key twice. *Lenient*
is for reads: notices of PHP before the value, trailing commas and broken UTF-8 are forgiven (PROTOCOL.md Q71, Q75,
Q76). Both keep a number's text (int or Decimal, never float) and refuse NaN, endless digits and endless depth.
"""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final, Never, TypeAlias

from gateway.core.errors import GatewayError

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | Decimal | bool | None"

# Digits of one number: an id of 2**64 has 20, a price with float noise 20; what is longer is an attack or junk.
DIGITS_MAX: Final = 64
# How far into a body its JSON may begin: some kilobytes of PHP notices have been met (Q71).
NOTICES_BYTES_MAX: Final = 64 * 1024
# Brackets in those notices that could be the beginning of the value.
_BEGINNINGS_MAX: Final = 200
# An error shown to the operator; a page of HTML in its place helps nobody.
ERROR_TEXT_MAX: Final = 300
FAILED: Final = "failed"  # what an error is called that says no more than that there is one

_STRING_OR_TRAILING_COMMA: Final = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', re.DOTALL)
_BEGINNING: Final = re.compile(r"[\[{]")


class NotJson(GatewayError):
    """Bytes are no JSON, or JSON that nobody sends in earnest."""


def parse_json(body: bytes, *, strict: bool) -> Json:
    """The value in a body; raises NotJson. A byte-order mark is dropped in both ways of reading (Q75)."""
    body = body.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n")
    if not body:
        raise NotJson("nothing was sent")
    try:
        text = body.decode("utf-8", "strict" if strict else "replace")
    except UnicodeDecodeError as error:
        raise NotJson(f"no UTF-8 at byte {error.start}") from error
    try:
        return _decode(text, _STRICT if strict else _LENIENT)
    except NotJson:
        if strict:
            raise
    return _decode_with_faults(text)


def find_error_text(value: Json) -> str | None:
    """What a panel's JSON says went wrong, or None if it says no such thing (Q43, Q65)."""
    match value:
        case str():
            return _short(value) or None
        case dict():
            return _named_error(value) or _failed_status(value) or _message_alone(value)
        case _:
            return None


def _named_error(value: "dict[str, Json]") -> str | None:
    for name in ("error", "Error", "errors", "ERROR"):
        said = value.get(name)
        text = _text_inside(said)
        if text or said:  # Something stands there, and be it only a number.
            return text or _message(value) or f"error {said}"[:ERROR_TEXT_MAX]
    return None


def _failed_status(value: "dict[str, Json]") -> str | None:
    """`{"status": "fail"}` and `{"success": false}`; beside an order's figures `status` is the order's own (Q43)."""
    if any(name in value for name in ("remains", "charge", "start_count", "start_counter")):
        return None
    status = value.get("status")
    failed = status is False or (isinstance(status, str) and status.strip().lower() in _FAILED_WORDS)
    if failed or value.get("success") is False:
        return _message(value) or FAILED
    return None


_FAILED_WORDS: Final = frozenset({"fail", "failed", "failure", "error", "false"})
_ASIDES: Final = frozenset({"message", "msg", "code", "http_code", "time"})


def _message_alone(value: "dict[str, Json]") -> str | None:
    """A message with nothing beside it that could be an answer."""
    return _message(value) if value.keys() <= _ASIDES else None


def _message(value: "dict[str, Json]") -> str | None:
    return _text_inside(value.get("message")) or _text_inside(value.get("msg"))


def _text_inside(said: Json) -> str | None:
    """The first text in what stands where an error stands: a text, a list or a map of them, or `{"message": …}`."""
    match said:
        case str():
            return _short(said) or None
        case dict():
            inner: list[Json] = [said.get("message"), *said.values()]
        case list():
            inner = said
        case _:
            return None
    return next((_short(text) for text in inner if isinstance(text, str) and text.strip()), None)


def _short(text: str) -> str:
    return text.strip()[:ERROR_TEXT_MAX]


def parse_after_notices(body: bytes) -> Json:
    """The one value that PHP notices stand before, as strict as it can be read; raises NotJson (Q71)."""
    text = body.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n").decode("utf-8", "replace")
    if not text or text[0] in "[{":
        raise NotJson("no notices before the value")
    return _after_notices(text, lambda rest: _decode(rest, _STRICT))


def _decode_with_faults(text: str) -> Json:
    """The last value of a text that begins with notices, or a value with trailing commas."""
    return _without_commas(text) if text[0] in "[{" else _after_notices(text, _without_commas)


def _without_commas(text: str) -> Json:
    return _decode(_STRING_OR_TRAILING_COMMA.sub(_keep_string, text), _LENIENT)


def _after_notices(text: str, read: Callable[[str], Json]) -> Json:
    """The value that ends a text.

    A value that stops in the middle is given up whole: its inner parts would look like an answer.
    """
    for tried, found in enumerate(_BEGINNING.finditer(text, 0, NOTICES_BYTES_MAX)):
        if tried == _BEGINNINGS_MAX:
            break
        try:
            return read(text[found.start() :])
        except _CutShort:
            break
        except NotJson:
            continue
    raise NotJson("no JSON value at the end of the text")


def _keep_string(found: re.Match[str]) -> str:
    return "" if found[0] == "," else found[0]


class _CutShort(NotJson):
    """The text ends in the middle of a value."""


def _decode(text: str, decoder: json.JSONDecoder) -> Json:
    try:
        value: Json = decoder.decode(text)
    except json.JSONDecodeError as error:
        cut_short = error.pos >= len(text) or error.msg.startswith("Unterminated string")
        raise (_CutShort if cut_short else NotJson)(f"{error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise NotJson("nested too deeply") from error
    return value


def _whole(text: str) -> int:
    if len(text) > DIGITS_MAX:
        raise NotJson(f"a number of {len(text)} digits")
    return int(text)


def _fraction(text: str) -> Decimal:
    if len(text) > DIGITS_MAX:
        raise NotJson(f"a number of {len(text)} digits")
    return Decimal(text)


def _no_constant(name: str) -> Never:
    raise NotJson(f"{name} is no number")


def _no_key_twice(pairs: "list[tuple[str, Json]]") -> "dict[str, Json]":
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotJson("a key stands twice in one object")
    return value


_LENIENT: Final = json.JSONDecoder(parse_int=_whole, parse_float=_fraction, parse_constant=_no_constant, strict=False)
_STRICT: Final = json.JSONDecoder(
    parse_int=_whole, parse_float=_fraction, parse_constant=_no_constant, object_pairs_hook=_no_key_twice
)
