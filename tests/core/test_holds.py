"""Holds: what of a provider's new list waits for a person, and what ends it."""

from decimal import Decimal

import msgspec
import pytest

from gateway.core.holds import Held, HoldRules, Holds, Reason, compare, jumped
from gateway.core.provider import ProviderList, ProviderService
from tests.makers import make_list, make_row

NOW = 1_700_000_000_000
RULES = HoldRules(price_jump_max=Decimal(50), changed=True)
OFF = HoldRules()


def row(key: str = "1", rate: str = "1.00", name: str = "Instagram Followers", **changes: object) -> ProviderService:
    """One service."""
    return make_row(key, rate=Decimal(rate), name=name, **changes)


def seen(
    before: ProviderList | None,
    *rows: ProviderService,
    known: tuple[Held, ...] = (),
    rules: HoldRules = RULES,
    now: int = NOW,
    sold: bool = True,
) -> Holds:
    """What a new list changes."""
    by_key = {each.key: each for each in known}
    return compare(before, make_list("panel-a", *rows), by_key, rules=rules, sold=lambda _: sold, now=now)


def held(reason: Reason, rate: str = "1.00", now_rate: str | None = "3.00", **changes: object) -> Held:
    """A hold of service 1, as a list before has made it."""
    price = None if now_rate is None else Decimal(now_rate)
    gone = reason is Reason.GONE
    values: dict[str, object] = {
        "name": "Instagram Followers", "type": "Default", "rate": Decimal(rate),
        "now_name": "" if gone else "Instagram Followers", "now_type": "" if gone else "Default",
        "now_rate": None if gone else price, "since": NOW - 1000, **changes,
    }  # fmt: skip
    return Held(provider="panel-a", key="1", reason=reason, **values)  # type: ignore[arg-type] # the fields by name


@pytest.mark.parametrize(
    ("before", "after", "far"),
    [
        ("1.00", "1.50", False),
        ("1.00", "1.51", True),
        ("1.50", "1.00", False),
        ("1.51", "1.00", True),
        ("0", "0.01", True),
        ("0.01", "0", True),
        ("0", "0", False),
        ("1.0450000000000002", "1.045", False),
    ],
)
def test_q81_jump_goes_either_way(before: str, after: str, far: bool) -> None:
    """Half as much again is the limit, up or down; from nothing or to nothing is always one; noise is none."""
    assert jumped(Decimal(before), Decimal(after), Decimal(50)) is far


def test_q81_price_that_jumps_is_held_with_what_was_believed() -> None:
    """A small rise is not, and neither is a new service, nor one that we do not sell."""
    before = make_list("panel-a", row("1"), row("2"))
    found = seen(before, row("1", "3.00"), row("2", "1.50"), row("3", "9.00"))
    assert found == Holds(put=(held(Reason.PRICE, since=NOW),))
    assert found.put[0].why == "its price went from 1.00 to 3.00"
    assert seen(before, row("1", "3.00"), row("2"), sold=False) == Holds()
    assert seen(before, row("1", "3.00"), row("2"), rules=OFF) == Holds()


def test_q81_held_price_is_measured_by_what_was_believed() -> None:
    """Another step is written with its new figure and the old date; back within the limit it ends by itself."""
    known = held(Reason.PRICE)
    before = make_list("panel-a", row(rate="3.00"))
    assert seen(before, row(rate="3.00"), known=(known,)) == Holds()
    assert seen(before, row(rate="4.00"), known=(known,)).put == (msgspec.structs.replace(known, now_rate=Decimal(4)),)
    assert seen(before, row(rate="1.40"), known=(known,)) == Holds(drop=(known,))
    assert seen(before, row(rate="3.00"), known=(known,), rules=OFF) == Holds(drop=(known,))


def test_q80_service_that_vanished_is_remembered_and_held_when_it_is_back() -> None:
    """However alike it is; while it is gone nobody has to do anything. One that nobody sold is forgotten."""
    before = make_list("panel-a", row("1"), row("2"))
    gone = held(Reason.GONE, since=NOW)
    assert seen(before, row("2")) == Holds(put=(gone,))
    assert not gone.waits
    assert gone.why == "it is gone: 'Instagram Followers'"
    assert seen(make_list("panel-a", row("2")), row("2"), known=(gone,)) == Holds()
    (back,) = seen(make_list("panel-a", row("2")), row("1"), row("2"), known=(gone,), now=NOW + 5).put
    assert back == held(Reason.RETURNED, now_rate="1.00", since=NOW + 5)
    assert back.waits
    assert back.why == "it was gone as 'Instagram Followers' at 1.00, and is back as 'Instagram Followers'"
    assert seen(before, row("1"), row("2"), known=(back,)) == Holds()
    assert seen(before, row("2"), sold=False) == Holds()


def test_q80_another_service_under_the_same_id_is_held_until_it_is_itself_again() -> None:
    """By name or by type; a new badge is none."""
    before = make_list("panel-a", row())
    assert seen(before, row(name="Instagram Followers | Real")) == Holds()
    (likes,) = seen(before, row(name="Instagram Likes")).put
    assert (likes.reason, likes.why) == (Reason.CHANGED, "it was 'Instagram Followers', and is 'Instagram Likes'")
    (package,) = seen(before, row(type="Package")).put
    assert package.why == ("it was 'Instagram Followers' of type Default, and is 'Instagram Followers' of type Package")
    after = make_list("panel-a", row(name="Instagram Likes"))
    assert seen(after, row(), known=(likes,)) == Holds(drop=(likes,))
    (dearer,) = seen(after, row(rate="9.00"), known=(likes,)).put
    assert dearer.reason is Reason.PRICE


def test_q80_held_service_that_vanishes_is_believed_to_be_what_it_was() -> None:
    """Not what its list said last."""
    (gone,) = seen(make_list("panel-a", row(rate="3.00")), row("2"), known=(held(Reason.PRICE),)).put
    assert gone == held(Reason.GONE, since=NOW)


def test_q80_nothing_waits_where_nothing_shall() -> None:
    """Then what is gone is forgotten, and a change is none; prices are still held if they shall be."""
    prices = HoldRules(price_jump_max=Decimal(50))
    before = make_list("panel-a", row())
    assert seen(before, rules=prices) == Holds()
    assert seen(before, row(name="Instagram Likes"), rules=prices) == Holds()
    gone = held(Reason.GONE)
    assert seen(None, row(), known=(gone,), rules=prices) == Holds(drop=(gone,))
    assert seen(None, row(rate="9"), known=(gone,), rules=prices).put[0].reason is Reason.PRICE


def test_first_list_of_all_holds_nothing() -> None:
    """There is nothing to measure it by."""
    assert seen(None, row(), row("2", "100")) == Holds()
