"""Families: the nearest preset for what a panel answered, and its lines as the file has them."""

import json

import msgspec
import pytest

from gateway.core.dialects import ProviderDialect
from gateway.core.family import Heard, dialect_line, family_of, understood
from gateway.core.messages import BalanceRequest, ServicesRequest
from gateway.core.presets import PRESETS

ROW = {"service": 1, "name": "F", "type": "Default", "category": "C", "rate": "0.90", "min": "10", "max": "100"}
BALANCE = b'{"balance":"7.5","currency":"EUR"}'
DENIED = b'{"2147483646":{"error":"Incorrect order ID"},"2147483647":{"error":"Incorrect order ID"}}'
BARE = b'{"2147483646":"Incorrect order ID","2147483647":"Incorrect order ID"}'
ERROR = b'{"error":"Incorrect request"}'


def listed(**changes: object) -> bytes:
    """A list of one service."""
    return json.dumps([{**ROW, **changes}]).encode()


def heard(
    services: bytes | None = None, *, balance: bytes | None = BALANCE, many: bytes | None = DENIED, **dialect: object
) -> Heard:
    """What a panel said, to a way of asking."""
    asked = ProviderDialect(**dialect)  # type: ignore[arg-type] # the fields by name
    return Heard(dialect=asked, balance=balance, services=services, many=many)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (heard(listed(refill=True, cancel=False)), ""),
        (heard(listed(type="default")), "dialect: legacy"),
        (heard(listed(type="default", dripfeed=0), many=BARE), "dialect: smartpanel"),
        (heard(listed(type="default"), balance=b'{"status":"success","balance":"1"}'), "dialect: smartpanel"),
        (heard(listed(type="default", refill=False), many=ERROR), "dialect: rentalpanel"),
        (heard(listed(type="default", refill=False)), "dialect: {preset: rentalpanel, multi_status: true}"),
        (heard(listed(type="default", refill=1), many=BARE), "dialect: {preset: smartpanel, refill: true}"),
        (heard(listed(), body="json"), "dialect: json"),
        (heard(b'{"success":true,"data":' + listed() + b"}"), 'dialect: {preset: json, body: "form"}'),
        (heard(listed(), method="GET"), 'dialect: {preset: perfectpanel, method: "GET"}'),
        (heard(listed(rate="0,90")), "dialect: {preset: perfectpanel, decimal_comma: true}"),
        (heard(listed(rate="1,000")), ""),
        (heard(listed(), many=ERROR), "dialect: {preset: perfectpanel, multi_status: false}"),
        (heard(listed(), many=None), "dialect: {preset: perfectpanel, multi_status: false}"),
        (heard(listed(), balance=None), "dialect: {preset: perfectpanel, balance: false}"),
        (heard(None), ""),
        (heard(b"<html>", many=b"<html>"), "dialect: {preset: perfectpanel, multi_status: false}"),
    ],
)
def test_panel_is_known_by_what_it_says(said: Heard, line: str) -> None:
    """The nearest family, and only what this panel does otherwise."""
    assert dialect_line(family_of(said).dialect) == line


def test_what_was_seen_is_told() -> None:
    """Money, services, and what was not tried."""
    family = family_of(heard(listed(type="default", dripfeed=0), many=BARE))
    assert family.currency == "EUR"
    assert family.saw[:3] == ("balance: 7.5 EUR", "services: 1", "status of two orders: answered for 2 of 2")
    assert [each.partition(":")[0] for each in family.saw[3:]] == ["refill", "cancel", "family"]


def test_what_was_not_answered_is_told() -> None:
    """An operator sees what the probe could not."""
    saw = family_of(heard(b"[]", balance=None, many=ERROR)).saw
    assert saw[0] == "balance: no answer"
    assert saw[1] == "services: no list"
    assert saw[2].startswith("status of two orders: no answer for each")
    mixed = json.dumps([ROW, {"service": 2, "rate": "x"}]).encode()
    assert family_of(heard(mixed, balance=b'{"balance":"1"}')).saw[:2] == (
        "balance: 1 in a currency it does not name",
        "services: 1, 1 rows that cannot be read",
    )


@pytest.mark.parametrize(
    ("body", "balance", "services"),
    [
        (BALANCE, True, False),
        (listed(), False, True),
        (ERROR, False, False),
        (b"[]", False, False),
        (b"", False, False),
    ],
)
def test_only_an_answer_is_an_answer(body: bytes, balance: bool, services: bool) -> None:
    """An error, an empty list and a page are none: another way of asking is tried."""
    assert understood(BalanceRequest(), body, ProviderDialect()) is balance
    assert understood(ServicesRequest(), body, ProviderDialect()) is services


@pytest.mark.parametrize("name", PRESETS)
def test_line_of_a_preset_is_its_name(name: str) -> None:
    """The contract needs no line at all."""
    dialect = PRESETS[name].dialect
    assert dialect_line(dialect) == ("" if name == "perfectpanel" else f"dialect: {name}")
    assert "key_header" in dialect_line(msgspec.structs.replace(dialect, key_header="X-Api-Key"))
