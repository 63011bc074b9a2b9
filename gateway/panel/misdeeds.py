"""Misdeeds: a good reply turned into what the switches ask for, as an answer whose every byte is decided here."""

import gzip
from typing import Any, Final, Literal

import msgspec

from gateway.core.dialects import ProviderDialect
from gateway.core.messages import Action
from gateway.panel.manners import spoken
from gateway.panel.switches import INSTEAD, Switch

PAGE: Final = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking</body></html>"
NOTICE: Final = (
    b"<br />\n<b>Notice</b>:  Undefined index: interval [x] in <b>/home/panel/api.php</b> on line <b>12</b><br />\n"
)


class Answer(msgspec.Struct, kw_only=True):
    """What goes over the wire, and how it ends."""

    body: bytes
    status: int = 200
    headers: list[tuple[str, str]] = []
    framing: Literal["length", "chunked", "close"] = "length"
    cut: int | None = None  # bytes of the whole answer that are sent
    drip: float = 0.0  # seconds between its bytes
    ending: Literal["good", "close", "reset", "silent"] = "good"  # good: it is sent


def replaced(on: dict[str, Switch]) -> Switch | None:
    """The switch that takes the place of the reply, if one does."""
    return next((switch for name, switch in on.items() if name in INSTEAD), None)


def misdeed(switch: Switch) -> Answer:
    """The answer in the place of a reply."""
    value = switch.value
    match switch.name:
        case "error":
            return Answer(body=msgspec.json.encode({"error": value}))
        case "status":
            code, _, text = value.partition(" ")
            if text:
                return Answer(body=text.encode(), status=int(code))
            return Answer(body=PAGE, status=int(code), headers=[("content-type", "text/html")])
        case "body":
            return Answer(body=value.encode("utf-8", "surrogateescape"))  # "\udcff" is the byte 0xFF
        case "html":
            return Answer(body=PAGE, headers=[("content-type", "text/html")])
        case "empty":
            return Answer(body=b"")
        case "throttled":
            body = b'{"error":"Too many requests"}'
            return Answer(body=body, status=429, headers=[("retry-after", value or "1")])
        case "redirect":
            return Answer(body=b"", status=307, headers=[("location", value)])
        case "bomb":
            body = gzip.compress(bytes(int(value) * 1024 * 1024))
            return Answer(body=body, headers=[("content-encoding", "gzip")])
        case "close" | "reset" | "silent" as ending:
            return Answer(body=b"", ending=ending)
        case _:
            raise AssertionError(f"{switch.name} does not take the place of a reply")


def shaped(action: Action, body: bytes, on: dict[str, Switch], *, dialect: ProviderDialect) -> bytes:
    """A reply's JSON in another shape, as the switches ask for, and in the panel's own words."""
    value = msgspec.json.decode(body)
    if isinstance(value, dict) and action is Action.ADD and "order" in value:
        value = _shaped_order(value, on)
    if isinstance(value, dict) and action is Action.STATUS and "error" not in value:
        value = _shaped_statuses(value, on)
    body = msgspec.json.encode(spoken(action, value, dialect))
    if "notices" in on:
        body = NOTICE + body
    return b"\xef\xbb\xbf" + body if "bom" in on else body


def transported(answer: Answer, on: dict[str, Switch]) -> Answer:
    """An answer on its way, as the switches ask for."""
    if "cut" in on:
        answer.cut = int(on["cut"].value)
    if "drip" in on:
        answer.drip = float(on["drip"].value) / 1000
    if "framing" in on:
        answer.framing = "chunked" if on["framing"].value == "chunked" else "close"
    if "headers" in on:
        answer.headers = [*answer.headers, *((f"x-extra-{n}", "x" * 50) for n in range(int(on["headers"].value)))]
    return answer


def _shaped_order(value: dict[str, Any], on: dict[str, Switch]) -> Any:
    order = value["order"]
    if "order_as" in on:
        order = msgspec.json.decode(on["order_as"].value.encode())
    name = on["order_field"].value if "order_field" in on else "order"
    if name == "":
        return order
    *outer, last = name.split(".")
    made: dict[str, Any] = {last: order}
    for each in reversed(outer):
        made = {each: made}
    return made


def _shaped_statuses(value: dict[str, Any], on: dict[str, Switch]) -> Any:
    many = all(isinstance(each, dict) for each in value.values())
    rows: dict[str, Any] = value if many else {"": value}
    if "missing" in on:
        rows = {key: row for number, (key, row) in enumerate(rows.items()) if number % 2 == 0}
    for row in rows.values():
        if "error" not in row:
            row.update({name: on[switch].value for name, switch in _FIELDS.items() if switch in on})
    if not many:
        return rows.get("", {})
    return [{"order": key, **row} for key, row in rows.items()] if "as_list" in on else rows


_FIELDS: Final = {"status": "word", "remains": "remains"}
