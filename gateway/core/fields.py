"""Fields: what a caller sent, from whichever place and in whichever encoding callers put it (PROTOCOL.md section 2).

Where one name stands in several places, the body goes before the query string, and within one place the last one
counts, as in PHP, where the callers come from. The same single reading answers who asks and what is asked, so nobody
can authenticate as one user and be charged as another.
"""

import re
from decimal import Decimal
from typing import Final, assert_never
from urllib.parse import parse_qsl

import msgspec

from gateway.core.errors import TEXT_INCORRECT_REQUEST, RequestError
from gateway.core.lenient import Json, NotJson, parse_json

BODY_MAX: Final = 256 * 1024  # bytes; ten thousand comments fit in
FIELDS_MAX: Final = 64  # fields in one request; the fullest order has some twenty
QUERY_MAX: Final = 64 * 1024  # bytes of a query string

# Where a key may stand (Q5), first the name that wins.
KEY_FIELDS: Final = ("key", "api_token", "apiKey", "api_key")
_ABSENT: Final = frozenset({"", "undefined", "null"})  # Q6
_NAME_IN_PART: Final = re.compile(rb'(?:^|[;\s])name="([^"\r\n]*)"', re.IGNORECASE)
_BOUNDARY: Final = re.compile(r'boundary="?([^";,]{1,200})"?', re.IGNORECASE)


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request of the protocol, as received or as to be sent."""

    method: str = "POST"
    query: bytes = b""  # without the question mark
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


class Fields(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent, by name; an absent field is not in it."""

    values: dict[str, str]
    broken: frozenset[str] = frozenset()  # names whose value is no text that can be stored or sent
    bearer: str | None = None  # a key from the headers
    idempotency_header: str | None = None


def read_fields(http: HttpRequest) -> Fields:
    """Everything a request says; raises RequestError when it cannot be taken apart."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in http.headers}
    pairs = _read_form(http.query) if http.query else []
    if http.body:
        pairs += _read_body(http.body, headers.get("content-type", ""))
    values: dict[str, str] = {}
    broken: set[str] = set()
    for name, value in pairs:
        values.pop(name, None)
        broken.discard(name)
        if value is None or not _storable(value):
            broken.add(name)
        elif value.strip() not in _ABSENT:
            values[name] = value
    return Fields(
        values=values,
        broken=frozenset(broken),
        bearer=_bearer(headers),
        idempotency_header=headers.get("idempotency-key") or None,
    )


def key_of(fields: Fields) -> str | None:
    """The key a request came with, from wherever it was put; None if there is none."""
    for name in KEY_FIELDS:
        if name in fields.values:
            return fields.values[name].strip()
    return fields.bearer


def _bearer(headers: dict[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key", "").strip() or None


def _read_body(body: bytes, content_type: str) -> "list[tuple[str, str | None]]":
    """JSON is known by its first byte, not by the header, which callers get wrong (Q2)."""
    stripped = body.lstrip(b" \t\r\n\xef\xbb\xbf")
    if stripped.startswith((b"{", b"[")):
        return _read_json(body)
    boundary = _BOUNDARY.search(content_type) if "multipart" in content_type.lower() else None
    return _read_form(body) if boundary is None else _read_multipart(body, boundary[1].encode("latin-1"))


def _read_form(form: bytes) -> "list[tuple[str, str | None]]":
    """A body or query string of `name=value` pairs; broken UTF-8 stays recognisable and spoils its own field only."""
    try:
        pairs = parse_qsl(
            form.decode("utf-8", "surrogateescape"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError as error:
        raise RequestError(TEXT_INCORRECT_REQUEST) from error
    return [(name, value) for name, value in pairs]


def _read_json(body: bytes) -> "list[tuple[str, str | None]]":
    try:
        value = parse_json(body, strict=True)
    except NotJson as error:
        raise RequestError(TEXT_INCORRECT_REQUEST) from error
    if not isinstance(value, dict) or len(value) > FIELDS_MAX:
        raise RequestError(TEXT_INCORRECT_REQUEST)
    return [(name, _as_text(name, inner)) for name, inner in value.items()]


def _as_text(name: str, value: Json) -> str | None:
    """A JSON value as a form would have sent it; None for what a form cannot say."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case Decimal():
            return str(value)
        case list():
            parts = [_as_text(name, inner) for inner in value if not isinstance(inner, list | dict)]
            if len(parts) != len(value):
                return None
            return ("," if name in _ID_LISTS else "\n").join(part for part in parts if part is not None)
        case dict():
            return None
        case _:
            assert_never(value)


_ID_LISTS: Final = frozenset({"order", "orders", "refill", "refills"})


def _read_multipart(body: bytes, boundary: bytes) -> "list[tuple[str, str | None]]":
    """The parts of a multipart form (Q3); a file is read as the text it holds."""
    parts = body.split(b"--" + boundary, FIELDS_MAX + 2)
    if len(parts) > FIELDS_MAX + 2:
        raise RequestError(TEXT_INCORRECT_REQUEST)
    pairs: list[tuple[str, str | None]] = []
    for part in parts[1:]:
        head, gap, value = part.partition(b"\r\n\r\n")
        name = _NAME_IN_PART.search(head)
        if not gap or name is None:
            continue
        pairs.append(
            (name[1].decode("utf-8", "surrogateescape"), value.removesuffix(b"\r\n").decode("utf-8", "surrogateescape"))
        )
    return pairs


def _storable(value: str) -> bool:
    """Whether a text can be written to every database and sent on: no NUL, no halves of characters."""
    return "\x00" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
