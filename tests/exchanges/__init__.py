"""Exchanges with panels as files, one folder a dialect: what was asked, sent, answered, and what that means.

`usual/` holds what a dialect's panels do every day, and is its documentation; `odd/` what they do as well.
"""

from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl

import msgspec

from gateway.core import outcome
from gateway.core.fields import HttpRequest
from gateway.core.messages import Reply, Request, Unreadable

FOLDER = Path(__file__).parent
KEY = "panel-key"

_REQUESTS = {each.__name__: each for each in get_args(Request)}
_REPLIES = {each.__name__: each for each in (*get_args(Reply), Unreadable)}
# Replies to many ids: a pair for each, of the id and a reply of its own kind.
_MANY = {"MultiStatusReply", "MultiRefillReply", "MultiRefillStatusReply", "MultiCancelReply"}


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes over the wire: the fields in their order, in the one place where they stand."""

    method: Literal["POST", "GET"]
    form: dict[str, str] | None = None
    json: dict[str, str] | None = None
    query: dict[str, str] | None = None


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes back, as JSON or as the text itself."""

    http: int
    json: msgspec.Raw = msgspec.Raw(b"null")
    text: str | None = None

    @property
    def body(self) -> bytes:
        """The bytes."""
        return bytes(self.json) if self.text is None else self.text.encode()


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file as it is written."""

    about: str
    request: dict[str, Any]
    call: Call
    reply: Answer
    expected: dict[str, Any]
    outcome: dict[str, str] | None = None  # of an `add` alone: what the answer proves


class Exchange(msgspec.Struct, frozen=True):
    """One file, read."""

    dialect: str
    usual: bool
    name: str
    file: File
    request: Request
    expected: Reply | Unreadable


def exchanges() -> list[Exchange]:
    """Every file there is."""
    return [_read(path) for path in sorted(FOLDER.glob("*/*/*.json"))]


def sent(http: HttpRequest) -> Call:
    """A call as the files have it."""
    query = dict(parse_qsl(http.query.decode())) if http.query else None
    if http.body.startswith(b"{"):
        return Call(http.method, json=msgspec.json.decode(http.body), query=query)  # type: ignore[arg-type] # compared
    form = dict(parse_qsl(http.body.decode())) if http.body else None
    return Call(http.method, form=form, query=query)  # type: ignore[arg-type] # compared


def written(outcome_read: outcome.Outcome) -> dict[str, str]:
    """An outcome as the files have it; why something is unknown is for people, not for tests."""
    match outcome_read:
        case outcome.Accepted():
            return {"kind": "Accepted", "upstream_order": outcome_read.upstream_order}
        case outcome.Rejected():
            return {"kind": "Rejected", "reject": outcome_read.kind.value, "text": outcome_read.text}
        case _:
            return {"kind": type(outcome_read).__name__}


def _read(path: Path) -> Exchange:
    file = msgspec.json.decode(path.read_bytes(), type=File)
    dialect, kind = path.parts[-3:-1]
    request = _value(dict(file.request), _REQUESTS)
    return Exchange(dialect, kind == "usual", path.stem, file, request, _value(dict(file.expected), _REPLIES))


def _value(fields: dict[str, Any], kinds: dict[str, Any]) -> Any:
    name = fields.pop("kind")
    for field in ("orders", "refills"):
        if name in _MANY and field in fields:
            return kinds[name](tuple((asked, _row(each)) for asked, each in fields[field]))
    if name == "Unreadable":
        return Unreadable(why="")
    return msgspec.convert(fields, kinds[name])


def _row(fields: dict[str, Any]) -> Any:
    return _value(dict(fields), _REPLIES)
