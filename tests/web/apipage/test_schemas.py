"""Schemas: an order is one by the schema of its type exactly when the gateway takes its fields."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types

from gateway.core.errors import InvalidOrder
from gateway.core.service import TYPES, Limits, ServiceType, read_details
from gateway.core.service_fields import FIELDS, Holds
from gateway.web.apipage.examples import add_fields, exchanges
from gateway.web.apipage.schemas import request_schemas, type_name

SCHEMAS = request_schemas(each.request for each in exchanges("USD"))
WIDE = Limits(min=1, max=10**6, dripfeed=True)


def taken(kind: ServiceType, fields: dict[str, str]) -> bool:
    """Whether the gateway takes an order of this type."""
    try:
        read_details(kind, WIDE, tuple(fields.items()))
    except InvalidOrder:
        return False
    return True


def valid(kind: ServiceType, fields: dict[str, Any]) -> bool:
    """Whether it is one by the document."""
    return bool(Draft202012Validator(SCHEMAS[type_name(kind)]).is_valid(fields))


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_schema_and_table_ask_for_the_same_fields(kind: ServiceType) -> None:
    """Whole, without each of its fields, with each of them wrong, and with half a drip-feed."""
    whole = dict(add_fields(kind))
    assert taken(kind, whole)
    assert valid(kind, whole)
    for name in whole:
        without = {key: value for key, value in whole.items() if key != name}
        optional = FIELDS[name].optional
        assert (taken(kind, without), valid(kind, without)) == (optional, optional), name
        assert not valid(kind, {**whole, name: {"a": 1}})
    for field in kind.fields:
        if field.holds is Holds.NUMBER:
            number = {**whole, field.name: 0}
            optional = field.optional
            assert (taken(kind, {**whole, field.name: "0"}), valid(kind, number)) == (optional, optional)
            assert valid(kind, {**whole, field.name: int(field.example)})
        elif field.holds in (Holds.ONE_OF, Holds.DATE):
            wrong = {**whole, field.name: "7"}
            assert (taken(kind, wrong), valid(kind, wrong)) == (False, False)
    if kind.dripfeed:
        assert valid(kind, {**whole, "runs": "2", "interval": 5})
        half = {**whole, "runs": "2"}
        assert (taken(kind, half), valid(kind, half)) == (False, False)


def test_what_a_field_needs_is_asked_for_in_text_and_number() -> None:
    """A form says `1` where JSON may say 1; the other kinds of traffic need another field, or none."""
    traffic = next(kind for kind in TYPES if any(field.needs for field in kind.fields))
    base = {name: value for name, value in add_fields(traffic) if name != "google_keyword"}
    for value in ("1", 1):
        assert not valid(traffic, {**base, "type_of_traffic": value})
        assert valid(traffic, {**base, "type_of_traffic": value, "google_keyword": "x"})
    for value in ("2", 2):
        assert not valid(traffic, {**base, "type_of_traffic": value})
    assert valid(traffic, {**base, "type_of_traffic": 3})
