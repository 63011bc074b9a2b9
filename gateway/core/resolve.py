"""Settling doubt: which order found at a panel must be the one an unanswered `add` made, and which was never placed.

Panels number the orders of all their customers in one rising row and answer `status` only to the owner. So an id that
answers under our key and belongs to no attempt of ours is an order we lost sight of (RELIABILITY.md section 1.8, R1).
The rules, in prose:

- A doubt has a *window*: above the id of an add that was answered before it was armed, below the id of an add that was
  armed after its quarantine. Before and after are told by the books' own order of events, never by a clock.
- A found order *fits* a doubt when it lies in the window and neither its charge nor its remains speak against it.
- It is attached only where that is forced: it fits this doubt alone, and this doubt fits it alone.
- A doubt is *not placed* only where its window is closed, its sender can send no more, every id in it is ours or was
  denied twice, and nothing is left over that any doubt with an overlapping window could be.
- A found order that fits nobody is strange: somebody else orders with our key, or a price has changed. Then nothing is
  decided in that neighbourhood, and a person looks.

Everything else stays in doubt. There is no likelihood here, and no order of preference: what two pairings fit is
nobody's.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Final, TypeAlias

import msgspec

# A panel's charge may be rounded, to a hundredth at the coarsest, and its rate may have moved a little.
CHARGE_STEP_MAX: Final = Decimal("0.01")
CHARGE_SHARE: Final = Decimal("0.02")
# How many of a provider's last own orders have to be numbered in one rising row before its ids prove anything.
RISING_OVER: Final = 50
ID_DIGITS_MAX: Final = 18
# How far back from our last order ids between ours are looked for, to see that they are denied.
GAPS_OVER: Final = 1000


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted order of ours, with its place in the books' own order of events."""

    upstream_order: str
    armed: int  # the event of its arming: before it, no byte of it had left
    told: int  # the event of its acceptance: by then the id was given out


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Where the id of a lost order must lie, both ends excluded."""

    lo: int
    hi: int | None = None  # None: no later order bounds it yet


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt whose outcome nobody can tell, or that is still on its way: it too may own what is found."""

    attempt: int
    window: Window
    cost: Decimal | None = None  # what the panel would ask for it, in its currency
    quantity: int | None = None  # what its remains cannot be above; None where the panel counts otherwise
    decidable: bool = True  # False: still being sent, its own answer may come
    silent: bool = True  # whether its sender can send no more
    denied: bool = False  # whether every id in its closed window is ours, was found, or was denied twice


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An order that answers under our key and that no attempt of ours has."""

    id: int
    charge: Decimal | None = None  # of the whole; None where the panel does not say, or has given some of it back
    remains: int | None = None


class Attach(msgspec.Struct, frozen=True, kw_only=True):
    """It was placed, under this id."""

    attempt: int
    id: int


class NotPlaced(msgspec.Struct, frozen=True, kw_only=True):
    """It was never placed."""

    attempt: int


class Leave(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is proved."""

    attempt: int
    why: str


Verdict: TypeAlias = Attach | NotPlaced | Leave


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a panel decides."""

    verdicts: tuple[Verdict, ...]  # one for each doubt, in the order they were given
    strange: tuple[int, ...]  # found, and nobody's


def match(doubts: Sequence[Doubt], found: Sequence[Found], *, strangers: Collection[int] = ()) -> Settled:
    """Decide what is forced; ``strangers`` are ids known to be nobody's, all of them where others use our key too."""
    fitting = {
        one.id: () if one.id in strangers else tuple(doubt for doubt in doubts if fits(doubt, one)) for one in found
    }
    strange = tuple(sorted(number for number, owners in fitting.items() if not owners))
    verdicts: dict[int, Verdict] = {}
    for group in neighbourhoods(doubts):
        near = sorted(one.id for one in found if any(inside(one.id, doubt.window) for doubt in group))
        nobodys = [number for number in near if number in strange]
        if nobodys:
            why = "an id that answers under our key is nobody's: " + ", ".join(map(str, nobodys))
            verdicts.update((doubt.attempt, Leave(attempt=doubt.attempt, why=why)) for doubt in group)
            continue
        verdicts.update(_within(group, near, fitting))
    return Settled(verdicts=tuple(verdicts[doubt.attempt] for doubt in doubts), strange=strange)


def _within(
    group: Sequence[Doubt], near: Sequence[int], fitting: Mapping[int, tuple[Doubt, ...]]
) -> Iterable[tuple[int, Verdict]]:
    """The verdicts of doubts whose windows hang together, when nothing strange was found among them."""
    could = {doubt.attempt: [number for number in near if doubt in fitting[number]] for doubt in group}
    forced = {
        doubt.attempt: could[doubt.attempt][0]
        for doubt in group
        if doubt.decidable and len(could[doubt.attempt]) == 1 and len(fitting[could[doubt.attempt][0]]) == 1
    }
    left = set(near).difference(forced.values())
    for doubt in group:
        yield doubt.attempt, _verdict(doubt, forced.get(doubt.attempt), left)


def _verdict(doubt: Doubt, forced: int | None, left: Collection[int]) -> Verdict:
    if forced is not None:
        return Attach(attempt=doubt.attempt, id=forced)
    if left:
        why = "more than one pairing fits: " + ", ".join(map(str, sorted(left)))
    elif not doubt.decidable or not doubt.silent:
        why = "it may still be sent or answered"
    elif doubt.window.hi is None:
        why = "no later order bounds the window yet"
    elif not doubt.denied:
        why = "not every id of the window was denied twice"
    else:
        return NotPlaced(attempt=doubt.attempt)
    return Leave(attempt=doubt.attempt, why=why)


def fits(doubt: Doubt, one: Found) -> bool:
    """Whether a found order could be this one: in its window, and nothing known of it speaks against it."""
    if not inside(one.id, doubt.window):
        return False
    if one.remains is not None and doubt.quantity is not None and one.remains > doubt.quantity:
        return False
    return one.charge is None or doubt.cost is None or same_charge(one.charge, doubt.cost)


def same_charge(charge: Decimal, cost: Decimal) -> bool:
    """Whether a panel's charge is what we expected to pay, as closely as it writes it; nought is not said at all."""
    if charge == 0:
        return True
    exponent = charge.as_tuple().exponent
    step = Decimal(1).scaleb(exponent) if isinstance(exponent, int) else CHARGE_STEP_MAX
    return abs(charge - cost) <= max(min(step, CHARGE_STEP_MAX), cost * CHARGE_SHARE)


def inside(number: int, window: Window) -> bool:
    """Whether an id lies in a window."""
    return window.lo < number and (window.hi is None or number < window.hi)


def neighbourhoods(doubts: Sequence[Doubt]) -> list[list[Doubt]]:
    """Doubts in groups whose windows overlap, from one to the next."""
    groups: list[list[Doubt]] = []
    end: int | None = None  # of the group being gathered; None: it has no end
    for doubt in sorted(doubts, key=lambda one: (one.window.lo, one.attempt)):
        # The last id of one window and the first of the next: apart by less than two, they share none.
        apart = not groups or (end is not None and doubt.window.lo + 1 >= end)
        if apart:
            groups.append([doubt])
            end = doubt.window.hi
        else:
            groups[-1].append(doubt)
            end = None if end is None or doubt.window.hi is None else max(end, doubt.window.hi)
    return groups


def id_number(upstream_order: str) -> int | None:
    """A panel's id as a number; None for one that is none, or is not written as a number is."""
    text = upstream_order
    plain = text.isascii() and text.isdigit() and len(text) <= ID_DIGITS_MAX and not text.startswith("0")
    return int(text) if plain else None


def not_rising(own: Sequence[Own]) -> str | None:
    """Why a provider's ids prove nothing; None where its orders are numbered in one rising row, as far as is seen.

    Only where one was answered before the other was armed must the ids rise; of two on their way at once either may
    be first.
    """
    if not own:
        return "no order of ours was accepted there yet"
    numbers = [(id_number(one.upstream_order), one) for one in own]
    for number, one in numbers:
        if number is None:
            return f"its ids are not numbers: {one.upstream_order}"
        for other, earlier in numbers:
            if earlier.told < one.armed and other is not None and other >= number:
                return f"its ids do not rise: {earlier.upstream_order} came before {one.upstream_order}"
    return None


def window_of(own: Sequence[Own], *, armed: int, quarantined: int | None) -> Window | None:
    """Where an attempt's id must lie; ``None`` when nothing bounds it from below.

    ``armed`` is the event of its arming, ``quarantined`` the one that ended its quarantine, if it has ended. Both ends
    may be wider than they need to be, never narrower.
    """
    numbers = [(number, one) for one in own if (number := id_number(one.upstream_order)) is not None]
    before = [number for number, one in numbers if one.told < armed]
    if not before:
        return None
    lo = max(before)
    after = [number for number, one in numbers if quarantined is not None and one.armed > quarantined and number > lo]
    return Window(lo=lo, hi=min(after, default=None))


def to_ask(windows: Iterable[Window], owned: Collection[int], *, beyond: int, ids_max: int) -> tuple[int, ...] | None:
    """The ids to ask about, in order, none of them ours; ``None`` when there are more than ``ids_max``.

    A window without an end is looked at up to ``beyond``.
    """
    wanted: set[int] = set()
    for window in windows:
        end = beyond + 1 if window.hi is None else window.hi
        if end - window.lo - 1 > ids_max + len(owned):
            return None
        wanted.update(number for number in range(window.lo + 1, end) if number not in owned)
    return tuple(sorted(wanted)) if len(wanted) <= ids_max else None


def batches(ids: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """Ids in calls of so many."""
    return [tuple(ids[start : start + size]) for start in range(0, len(ids), size)]


def gaps_between(own: Sequence[Own], windows: Sequence[Window], owned: Collection[int], *, count: int) -> list[int]:
    """Ids among those of our last orders that are not ours and in no window, the latest first, at most ``count``.

    They were given to others. If one of them answers under our key, others order with it, or the panel shows
    everybody's orders to everybody: then what is found in a window proves nothing.
    """
    numbers = [number for one in own if (number := id_number(one.upstream_order)) is not None]
    if not numbers:
        return []
    last, first = max(numbers), max(min(numbers), max(numbers) - GAPS_OVER)
    gaps = (
        number
        for number in range(last - 1, first, -1)
        if number not in owned and not any(inside(number, window) for window in windows)
    )
    return list(islice(gaps, count))


def denied_twice(window: Window, asked: Collection[int], denials: Mapping[int, tuple[int, int]], *, apart: int) -> bool:
    """Whether a window is closed and each id in it that is not ours was denied at two times ``apart`` from each other.

    ``asked`` are the ids of the window that are not ours, and may be more; ``denials`` has for each when it was first
    and last denied, in the unit of ``apart``, both after the window was closed.
    """
    if window.hi is None:
        return False
    times = (denials.get(number) for number in asked if inside(number, window))
    return all(each is not None and each[1] - each[0] >= apart for each in times)
