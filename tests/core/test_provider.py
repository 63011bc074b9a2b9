"""A provider's list: made usable row by row, and judged as a whole."""

from decimal import Decimal

import msgspec
import pytest

from gateway.core.messages import ServiceRow, ServicesReply
from gateway.core.provider import FLAWS_MAX, Flaw, ProviderList, Rise, judge, normalise


def row(service: str = "1", **changes: object) -> ServiceRow:
    """A row with what does not matter filled in."""
    values: dict[str, object] = {
        "name": f"S{service}", "type": "Default", "category": "C", "rate": "0.90", "min": 10, "max": 100, **changes,
    }  # fmt: skip
    return ServiceRow(service=service, **values)  # type: ignore[arg-type] # the fields by name


def listed(*rows: ServiceRow, rate_per: int = 1000) -> ProviderList:
    """A list of rows."""
    return normalise("panel-a", ServicesReply(rows, ("row 9: no id",)), fetched_at=5, rate_per=rate_per)


def test_row_keeps_what_it_says() -> None:
    """Rates exactly, what was unreadable as a flaw."""
    found = listed(row(refill=True, average_time="2 h", description="D"))
    (service,) = found.services
    assert (service.rate, service.min, service.max, service.refill, service.average_time) == (
        Decimal("0.90"),
        10,
        100,
        True,
        "2 h",
    )
    assert found.flaws == (Flaw("", "row 9: no id"),)


@pytest.mark.parametrize(
    ("changes", "field", "value", "flaw"),
    [
        ({"type": ""}, "type", "Default", "no type"),
        ({"type": "Hologram"}, "type", "Hologram", None),
        ({"min": -5}, "min", 1, "from -5"),
        ({"max": 2**40}, "max", 2**31 - 1, None),
        ({"type": "Package", "min": 0, "max": 0}, "max", 1, None),
        ({"name": ""}, "name", "Service 1", None),
        ({"category": ""}, "category", "Other", None),
    ],
)
def test_row_is_clamped_and_the_flaw_told(
    changes: dict[str, object], field: str, value: object, flaw: str | None
) -> None:
    """What can be mended is, and what was odd is named (Q58, Q59)."""
    found = listed(row("1", **changes))
    assert getattr(found.services[0], field) == value
    assert (flaw is None) or any(flaw in each.what for each in found.flaws)


def test_row_that_allows_nothing_is_left_out() -> None:
    """Max < min cannot be sold (Q59)."""
    found = listed(row(min=100, max=10), row("2"))
    assert [service.key for service in found.services] == ["2"]
    assert any("nothing" in flaw.what for flaw in found.flaws)


def test_q60_last_of_two_rows_counts() -> None:
    """And somebody is told."""
    found = listed(row(rate="1"), row(rate="2"))
    assert [service.rate for service in found.services] == [2]
    assert any("twice" in flaw.what for flaw in found.flaws)


def test_q53_rate_per_unit_is_made_per_thousand() -> None:
    """Except for what is flat anyway."""
    found = listed(row(rate="0.0009"), row("2", type="Package", rate="5"), rate_per=1)
    assert [service.rate for service in found.services] == [Decimal("0.9"), Decimal(5)]


@pytest.mark.parametrize("key", ["a\ud800", "a\x00", "a\nb", "\x1b[31m"])
def test_row_whose_id_cannot_be_kept_is_left_out(key: str) -> None:
    """Such an id would break every statement and every file it is written to; the others are sold."""
    found = listed(row(key), row("2"))
    assert [service.key for service in found.services] == ["2"]
    assert any("cannot be kept" in flaw.what for flaw in found.flaws)


def test_every_text_can_be_kept() -> None:
    """Half of a surrogate pair or a NUL in one word keeps no list from being stored."""
    odd = "x\ud800\x00"
    reply = ServicesReply((row(name=odd, type=odd, category=odd, description=odd, average_time=odd),), (odd,))
    found = normalise("panel-a", reply, fetched_at=5)
    assert msgspec.json.decode(msgspec.json.encode(found), type=ProviderList) == found
    assert (found.services[0].name, found.services[0].average_time, found.flaws[0].what) == ("x?", "x?", "x?")


def test_list_knows_how_it_was_read() -> None:
    """Rates read for another number of pieces, or with another comma, are of no use."""
    found = normalise("panel-a", ServicesReply((row(),)), fetched_at=5, rate_per=100, decimal_comma=True)
    assert found.read_as(100, decimal_comma=True)
    assert not found.read_as(100, decimal_comma=False)
    assert not found.read_as(1000, decimal_comma=True)


def test_first_list_is_used_and_an_empty_one_never() -> None:
    """Nothing to sell is a panel in trouble (Q57, Q74)."""
    assert judge(listed(row()), None).usable
    assert not judge(listed(), None).usable


def test_q82_list_that_lost_half_is_not_believed() -> None:
    """Half is still believed, less is not."""
    old = listed(*(row(str(n)) for n in range(1, 11)))
    assert judge(listed(*(row(str(n)) for n in range(1, 6))), old).usable
    verdict = judge(listed(*(row(str(n)) for n in range(1, 5))), old)
    assert (verdict.usable, verdict.why) == (False, "only 4 of 10 services are left")


def test_q80_q81_changes_are_told() -> None:
    """Gone, renamed, retyped, dearer; a new service and a small rise are not worth a word."""
    old = listed(row("1"), row("2"), row("3"), row("4"), row("5"))
    new = listed(row("2", name="X"), row("3", type="Package"), row("4", rate="1.36"), row("5", rate="1.35"), row("6"))
    verdict = judge(new, old)
    told = {flaw.key: flaw.what for flaw in verdict.changes}
    assert verdict.rises == (Rise("4", Decimal("0.90"), Decimal("1.36")),)
    assert told == {
        "1": "is gone: S1",
        "2": "was 'S2', is 'X'",
        "3": "was of type Default, is Package",
        "4": "rose from 0.90 to 1.36",
    }


def test_flaws_are_told_up_to_a_limit() -> None:
    """A list of nothing but flaws fills no log."""
    assert len(listed(*(row(str(n), type="") for n in range(FLAWS_MAX + 50))).flaws) == FLAWS_MAX
