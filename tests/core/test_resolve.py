"""Settling doubt: windows by the order of events, pairings that are forced, and nothing where two of them fit."""

from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.resolve import (
    Attach,
    Doubt,
    Found,
    Leave,
    NotPlaced,
    Own,
    Verdict,
    Window,
    batches,
    denied_twice,
    fits,
    gaps_between,
    id_number,
    inside,
    match,
    neighbourhoods,
    not_rising,
    same_charge,
    to_ask,
    window_of,
)


def doubt(attempt: int = 1, lo: int = 10, hi: int | None = 20, **changes: object) -> Doubt:
    """A doubt in a closed, denied window, of 0.90."""
    values: dict[str, object] = {"cost": Decimal("0.90"), "quantity": 100, "denied": True, **changes}
    return Doubt(attempt=attempt, window=Window(lo=lo, hi=hi), **values)  # type: ignore[arg-type] # the fields by name


def found(number: int, charge: str | None = "0.90", remains: int | None = None) -> Found:
    """An order that answers under our key."""
    return Found(id=number, charge=None if charge is None else Decimal(charge), remains=remains)


def word(verdict: Verdict) -> str:
    """A verdict in a word, or the reason for none."""
    match verdict:
        case Attach():
            return f"is {verdict.id}"
        case NotPlaced():
            return "not placed"
        case Leave():
            return verdict.why


TWO = (doubt(1), doubt(2))


@pytest.mark.parametrize(
    ("doubts", "orders", "words", "strange"),
    [
        ((doubt(),), (found(15),), ["is 15"], ()),
        ((doubt(),), (), ["not placed"], ()),
        ((doubt(hi=None),), (found(15),), ["is 15"], ()),
        ((doubt(hi=None),), (), ["no later order bounds the window yet"], ()),
        ((doubt(denied=False),), (), ["not every id of the window was denied twice"], ()),
        ((doubt(decidable=False),), (), ["it may still be sent or answered"], ()),
        ((doubt(silent=False),), (), ["it may still be sent or answered"], ()),
        # What is on its way may own what was found; its own answer will say so.
        ((doubt(decidable=False),), (found(15),), ["more than one pairing fits: 15"], ()),
        # Two of one price, one placed: no guess (row U19).
        (TWO, (found(15),), ["more than one pairing fits: 15"] * 2, ()),
        (TWO, (found(15), found(16)), ["more than one pairing fits: 15, 16"] * 2, ()),
        ((doubt(),), (found(15), found(16)), ["more than one pairing fits: 15, 16"], ()),
        # The charge singles out one pairing, and then nothing is left for the other.
        ((doubt(1), doubt(2, cost=Decimal("0.32"))), (found(15, "0.32"),), ["not placed", "is 15"], ()),
        (
            (doubt(1), doubt(2, cost=Decimal("0.32"))),
            (found(15, "0.32"), found(16)),
            ["is 16", "is 15"],
            (),
        ),
        # Without a charge nothing is singled out.
        ((doubt(1), doubt(2, cost=None)), (found(15, None),), ["more than one pairing fits: 15"] * 2, ()),
        ((doubt(1), doubt(2, quantity=50)), (found(15, None, remains=100),), ["is 15", "not placed"], ()),
        # A charge nobody has: another's order, or a price that changed; the neighbourhood is left alone.
        (
            (doubt(1), doubt(2, lo=15, hi=30)),
            (found(12, "7"),),
            ["an id that answers under our key is nobody's: 12"] * 2,
            (12,),
        ),
        # Windows apart are decided apart.
        ((doubt(1), doubt(2, lo=20, hi=30)), (found(12, "7"),), [
            "an id that answers under our key is nobody's: 12", "not placed"], (12,)),
        ((doubt(),), (found(40),), ["not placed"], (40,)),
        ((doubt(1, lo=10, hi=20), doubt(2, lo=12, hi=30)), (found(11), found(25)), ["is 11", "is 25"], ()),
    ],
)  # fmt: skip
def test_only_what_is_forced_is_decided(
    doubts: tuple[Doubt, ...], orders: tuple[Found, ...], words: list[str], strange: tuple[int, ...]
) -> None:
    """One pairing alone, or a window that is empty for certain; everything else is left to a person."""
    settled = match(doubts, orders)
    assert [word(each) for each in settled.verdicts] == words
    assert [each.attempt for each in settled.verdicts] == [each.attempt for each in doubts]
    assert settled.strange == strange


def test_where_others_order_with_our_key_nothing_found_is_ours() -> None:
    """Strange ids are told and never attached; an empty window is empty all the same."""
    settled = match((doubt(),), (found(15),), strangers={15})
    assert settled.strange == (15,)
    assert isinstance(settled.verdicts[0], Leave)
    assert match((doubt(),), (), strangers={15}).verdicts == (NotPlaced(attempt=1),)


prices = st.sampled_from([None, Decimal("0.10"), Decimal("0.90")])
small_windows = st.tuples(st.integers(0, 8), st.one_of(st.none(), st.integers(1, 8)))


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[tuple[Doubt, ...], tuple[Found, ...]]:
    """A few doubts and a few found orders, crowded, so that they get in each other's way."""
    doubts = [
        Doubt(
            attempt=number,
            window=Window(lo=lo, hi=None if width is None else lo + width),
            cost=draw(prices),
            quantity=draw(st.sampled_from([None, 10, 100])),
            decidable=draw(st.booleans()),
            silent=draw(st.booleans()),
            denied=draw(st.booleans()),
        )
        for number, (lo, width) in enumerate(draw(st.lists(small_windows, min_size=1, max_size=4)))
    ]
    ids = draw(st.lists(st.integers(1, 14), unique=True, max_size=4))
    return tuple(doubts), tuple(
        Found(id=each, charge=draw(prices), remains=draw(st.sampled_from([None, 10, 100]))) for each in ids
    )


@given(neighbours())
def test_nothing_is_attached_where_two_pairings_fit(case: tuple[tuple[Doubt, ...], tuple[Found, ...]]) -> None:
    """What is attached fits nobody else and nothing else; the order in which things are told does not matter."""
    doubts, orders = case
    settled = match(doubts, orders)
    by_attempt = {each.attempt: each for each in doubts}
    by_id = {each.id: each for each in orders}
    for verdict in settled.verdicts:
        if isinstance(verdict, Attach):
            assert [each.attempt for each in doubts if fits(each, by_id[verdict.id])] == [verdict.attempt]
            assert [each.id for each in orders if fits(by_attempt[verdict.attempt], each)] == [verdict.id]
            assert by_attempt[verdict.attempt].decidable
            assert verdict.id not in settled.strange
    mixed = sorted(doubts, key=lambda each: -each.attempt)
    again = match(mixed, orders[::-1])
    assert sorted(again.verdicts, key=lambda each: each.attempt) == sorted(
        settled.verdicts, key=lambda each: each.attempt
    )


@given(neighbours())
def test_what_is_decided_holds_in_every_possible_world(case: tuple[tuple[Doubt, ...], tuple[Found, ...]]) -> None:
    """A world gives each found order to a doubt it fits. Attached holds in all of them, not placed as well."""
    doubts, orders = case
    worlds = [
        given_to
        for given_to in permutations(doubts, len(orders))
        if all(fits(owner, one) for owner, one in zip(given_to, orders, strict=True))
    ]
    settled = match(doubts, orders)
    for world in worlds:
        truth = {owner.attempt: one.id for owner, one in zip(world, orders, strict=True)}
        for verdict in settled.verdicts:
            match verdict:
                case Attach():
                    assert truth[verdict.attempt] == verdict.id
                case NotPlaced():
                    assert verdict.attempt not in truth
                case Leave():
                    assert verdict.why


@given(neighbours())
def test_not_placed_needs_a_closed_denied_window_and_nothing_left_in_it(
    case: tuple[tuple[Doubt, ...], tuple[Found, ...]],
) -> None:
    """No candidate remains for any doubt whose window overlaps."""
    doubts, orders = case
    settled = match(doubts, orders)
    attached = {verdict.id for verdict in settled.verdicts if isinstance(verdict, Attach)}
    for one, verdict in zip(doubts, settled.verdicts, strict=True):
        if isinstance(verdict, NotPlaced):
            assert one.window.hi is not None
            assert one.denied
            assert one.silent
            assert one.decidable
            assert not [each for each in orders if inside(each.id, one.window) and each.id not in attached]


@pytest.mark.parametrize(
    ("charge", "cost", "same"),
    [
        ("0.90", "0.9000", True),
        ("0.9", "0.9", True),
        ("0.01", "0.0062", True),  # rounded to what a panel writes
        ("0.0009", "0.0032", False),
        ("0.32", "0.90", False),
        ("150", "150.4", True),
        ("1", "0.5", False),
        ("0", "0.9", True),  # not said yet
        ("0.91", "0.90", True),
        ("1.00", "0.90", False),
        ("Infinity", "0.9", False),
    ],
)
def test_charge_is_compared_as_closely_as_it_is_written(charge: str, cost: str, same: bool) -> None:
    """A hundredth at the coarsest, or two in a hundred."""
    assert same_charge(Decimal(charge), Decimal(cost)) is same


def test_what_is_not_said_speaks_against_nothing() -> None:
    """A charge or a remains that is missing on either side decides nothing; what lies outside never fits."""
    assert fits(doubt(), found(15, None))
    assert fits(doubt(cost=None, quantity=None), found(15, "7", remains=9999))
    assert not fits(doubt(), found(15, "0.90", remains=101))
    assert not fits(doubt(), found(10))
    assert not fits(doubt(), found(20))
    assert fits(doubt(hi=None), found(10**9))


def test_windows_hang_together_when_they_share_an_id() -> None:
    """From one to the next; an open one has everything after it."""
    doubts = [doubt(4, 40, 50), doubt(1, 10, 20), doubt(2, 18, 30), doubt(3, 29, 32)]
    assert [[each.attempt for each in group] for group in neighbourhoods(doubts)] == [[1, 2], [3], [4]]
    doubts.append(doubt(5, 12, None))
    assert [[each.attempt for each in group] for group in neighbourhoods(doubts)] == [[1, 5, 2, 3, 4]]
    assert neighbourhoods([]) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("07", None), ("0", None), ("7.0", None), ("٧", None), ("ab12", None), ("", None), ("9" * 19, None)],
)
def test_id_is_a_number_only_where_it_is_written_as_one(text: str, number: int | None) -> None:
    """Anything else may be the same id in two spellings."""
    assert id_number(text) == number


def own(upstream_order: str | int, armed: int, told: int) -> Own:
    """An accepted order of ours."""
    return Own(upstream_order=str(upstream_order), armed=armed, told=told)


@pytest.mark.parametrize(
    ("orders", "why"),
    [
        ([], "no order of ours was accepted there yet"),
        ([own("a1", 1, 2)], "its ids are not numbers: a1"),
        ([own(5, 1, 2), own("x", 3, 4)], "its ids are not numbers: x"),
        ([own("x", 1, 2), own(5, 3, 4)], "its ids are not numbers: x"),
        ([own(5, 1, 2), own(6, 3, 4)], None),
        ([own(6, 1, 2), own(5, 3, 4)], "its ids do not rise: 6 came before 5"),
        ([own(6, 1, 4), own(5, 3, 5)], None),  # both on their way at once: either may be first
    ],
)
def test_ids_prove_something_only_where_they_rise(orders: list[Own], why: str | None) -> None:
    """Numbers, in one row, in the order in which they were given out."""
    assert not_rising(orders) == why
    if len(orders) < 2 or why is None or "numbers" not in why:
        assert not_rising(orders[::-1]) == why


def test_window_is_what_the_order_of_events_allows() -> None:
    """Above what was answered before it was armed, below what was armed after its quarantine; never by a clock."""
    orders = [own(10, 1, 2), own(12, 3, 9), own(15, 11, 12), own(18, 21, 22), own(20, 23, 24)]
    assert window_of(orders, armed=5, quarantined=None) == Window(lo=10)
    assert window_of(orders, armed=10, quarantined=None) == Window(lo=12)
    assert window_of(orders, armed=10, quarantined=20) == Window(lo=12, hi=18)
    assert window_of(orders, armed=10, quarantined=30) == Window(lo=12)
    assert window_of(orders, armed=1, quarantined=20) is None
    assert window_of([own("x", 1, 2)], armed=5, quarantined=None) is None
    assert window_of([*orders, own(3, 25, 26)], armed=10, quarantined=24) == Window(lo=12)


def test_ids_to_ask_are_those_between_that_are_not_ours() -> None:
    """Each once, whichever windows it lies in; a window that costs too much is not asked for at all."""
    windows = [Window(lo=10, hi=15), Window(lo=12, hi=17), Window(lo=20)]
    assert to_ask(windows, {13, 99}, beyond=22, ids_max=10) == (11, 12, 14, 15, 16, 21, 22)
    assert to_ask(windows, {13}, beyond=22, ids_max=6) is None
    assert to_ask([Window(lo=1, hi=10**12)], {13}, beyond=22, ids_max=1000) is None
    assert to_ask([], set(), beyond=0, ids_max=10) == ()
    assert batches((1, 2, 3, 4, 5), 2) == [(1, 2), (3, 4), (5,)]
    assert batches((), 2) == []


def test_gaps_are_ids_between_our_own_and_in_no_window() -> None:
    """What was given to others for certain, the latest first."""
    orders = [own(10, 1, 2), own("x", 1, 2), own(20, 3, 4)]
    assert gaps_between(orders, [], {10, 20, 15}, count=3) == [19, 18, 17]
    assert gaps_between(orders, [Window(lo=16, hi=19)], {10, 20}, count=3) == [19, 16, 15]
    assert gaps_between([own("x", 1, 2)], [], set(), count=3) == []
    assert gaps_between([own(10, 1, 2), own(11, 3, 4)], [], {10, 11}, count=3) == []
    assert min(gaps_between([own(1, 1, 2), own(10**9, 3, 4)], [], set(), count=9999)) == 10**9 - 999


def test_window_is_denied_when_each_of_its_ids_was_twice() -> None:
    """So far apart, or ours; one that was not asked, or too soon again, keeps it open."""
    window = Window(lo=10, hi=13)
    assert denied_twice(window, {11, 12, 40}, {11: (0, 300), 12: (5, 400)}, apart=300)
    assert denied_twice(window, {11}, {11: (0, 300)}, apart=300)
    assert not denied_twice(window, {11, 12}, {11: (0, 300)}, apart=300)
    assert not denied_twice(window, {11, 12}, {11: (0, 300), 12: (5, 304)}, apart=300)
    assert not denied_twice(Window(lo=10), set(), {}, apart=300)
    assert denied_twice(Window(lo=10, hi=11), set(), {}, apart=300)
