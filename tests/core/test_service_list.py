"""Lists of services as panels send them."""

from decimal import Decimal

import pytest

from gateway.core.lenient import Json
from gateway.core.messages import ServiceRow, ServicesReply
from gateway.core.service_list import NAME_MAX, ROWS_MAX, read_services

ROW: dict[str, Json] = {
    "service": 1,
    "name": "A",
    "type": "default",
    "category": "C",
    "rate": "0.90",
    "min": "50",
    "max": 9,
}
READ = ServiceRow(service="1", name="A", type="Default", category="C", rate="0.9", min=50, max=9)


@pytest.mark.parametrize(
    "value",
    [
        [ROW],
        {"services": [ROW]},
        {"status": "success", "data": [ROW]},
        {"value": {"list": [ROW]}},
        [[ROW]],
        [None, ROW],
    ],
)
def test_q56_list_is_found_wherever_it_is_wrapped(value: Json) -> None:
    """The first array whose objects have an id and a rate."""
    found = read_services(value, decimal_comma=False)
    assert found is not None
    assert found.services == (READ,)


@pytest.mark.parametrize(
    "value",
    [
        {"error": "x"},
        "Empty Data",
        [],
        {},
        None,
        5,
        [{"service": 1}],
        {"a": {"a": {"a": {"a": {"a": [ROW]}}}}},
        [[], [], [], [], []],
    ],
)
def test_q57_q74_what_is_no_list_is_none(value: Json) -> None:
    """An error, nothing, or junk is never "zero services"."""
    assert read_services(value, decimal_comma=False) is None


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"service": "EXT-7"}, "service", "EXT-7"),
        ({"service": None, "id": 7}, "service", "7"),
        ({"rate": Decimal("1.0")}, "rate", "1"),
        ({"rate": None, "price": "2,000.50"}, "rate", "2000.5"),
        ({"min": "x"}, "min", 1),
        ({"max": None}, "max", 0),
        ({"type": None}, "type", ""),
        ({"type": "Hologram Views"}, "type", "Hologram Views"),
        ({"refill": "1"}, "refill", True),
        ({"cancel": 0}, "cancel", False),
        ({"dripfeed": "maybe"}, "dripfeed", None),
        ({"name": "x" * 1000}, "name", "x" * NAME_MAX),
        ({"name": "a\x00b"}, "name", "ab"),
        ({"name": None}, "name", ""),
        ({"desc": "D"}, "description", "D"),
        ({"average_time": "2 hours"}, "average_time", "2 hours"),
    ],
)
def test_row_is_read_tolerantly(change: dict[str, Json], field: str, value: object) -> None:
    """Other names, other types, missing values: each as it was meant, or not said (Q48, Q54, Q55, Q58, Q59, Q69)."""
    found = read_services([{**ROW, **change}], decimal_comma=False)
    assert found is not None
    assert getattr(found.services[0], field) == value


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("text", "row 2: no object"),
        ({"rate": 1}, "row 2: no id"),
        ({"service": "x" * 65, "rate": 1}, "row 2: no id"),
        ({"service": 2, "rate": "free"}, "row 2: service 2 has no rate"),
        ({"service": 2, "rate": -1}, "row 2: service 2 has no rate"),
    ],
)
def test_row_that_cannot_be_read_is_named_and_left_out(row: Json, what: str) -> None:
    """The others are not spoilt by it."""
    assert read_services([ROW, row], decimal_comma=False) == ServicesReply((READ,), (what,))


def test_endless_list_is_cut_and_told() -> None:
    """No panel sells so much."""
    found = read_services([ROW] * (ROWS_MAX + 2), decimal_comma=False)
    assert found is not None
    assert len(found.services) == ROWS_MAX
    assert found.unreadable == (f"2 rows over {ROWS_MAX}",)


def test_q50_comma_is_a_point_where_the_dialect_says_so() -> None:
    """A panel that writes 0,90 means ninety hundredths if the operator says so."""
    found = read_services([{**ROW, "rate": "0,90"}], decimal_comma=True)
    assert found is not None
    assert found.services[0].rate == "0.9"
