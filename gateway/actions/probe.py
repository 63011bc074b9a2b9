"""Looking for lost orders at a panel: where their ids must lie, which answer under our key, whose each could be.

A look has three parts (RELIABILITY.md section 1.8, R1). First, from the books, the windows. Then the panel is asked,
at its pace. Then, from the books again, whose what was found could be *by now*: an order that was accepted meanwhile is
no candidate, and one on its way is one more that may own what was found. That order of reading is what makes it sound:
whatever the panel showed was armed before it was asked, so it is in the books when they are read again.

Nothing here writes. What follows from a look is decided by core/resolve.py.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from functools import partial
from time import monotonic
from typing import Final

import msgspec

from gateway.core.attempt import AttemptState
from gateway.core.messages import (
    ErrorReply,
    MultiStatusReply,
    MultiStatusRequest,
    StatusReply,
    StatusRequest,
    StatusWord,
)
from gateway.core.rejections import denies_order
from gateway.core.resolve import (
    RISING_OVER,
    Doubt,
    Found,
    Leave,
    Own,
    Settled,
    Window,
    batches,
    denied_twice,
    gaps_between,
    match,
    not_rising,
    to_ask,
    window_of,
)
from gateway.core.service import find_type
from gateway.providers.client import ProviderClient
from gateway.settings.values import UnknownRules
from gateway.store.engine import Store
from gateway.store.unknown import DOUBTS_MAX, OpenDoubt, makes_orders, open_doubts, own_orders, owned, strange_ids

# Attempts are numbered by the database; none is above this.
ATTEMPTS_BELOW: Final = 2**62
BATCH_MAX: Final = 100  # ids in one call, as for any other status
LOOK_BEYOND: Final = 100  # ids beyond our last one, where nothing bounds a window from above
LOOK: Final = "look"  # the job of asking a panel: a gateway's, or a person's who looks by hand, one at a time
STRANGE_MAX: Final = 10_000  # ids known to be nobody's; with more of them a key is not ours alone
BY_HAND: Final = "no id proves anything about a subscription"
_PARTLY: Final = frozenset({StatusWord.PARTIAL, StatusWord.CANCELED})  # its charge is no longer that of the whole


class Cannot(msgspec.Struct, frozen=True):
    """Why a look proves nothing."""

    why: str


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look at a provider."""

    doubts: tuple[OpenDoubt, ...]
    windows: dict[int, Window]  # by attempt; one without a window cannot be looked for
    ids: tuple[int, ...]  # to be asked about: in a window, and not ours
    gaps: tuple[int, ...]  # to be asked about as well: not ours and in no window, so the panel has to deny them
    ends: tuple[int, ...]  # the same: our own orders that bound a window, so it has to know them


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a panel said of the ids it was asked about."""

    found: dict[int, StatusReply]  # under our key
    denied: frozenset[int]
    calls: int


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a look."""

    settled: Settled
    doubts: dict[int, OpenDoubt]  # by attempt, as they stood when it was judged
    lost: dict[int, StatusReply]  # found, and in no order of ours
    foreign: bool  # whether others order with our key, as was said or was seen


async def view_of(store: Store, client: ProviderClient, rules: UnknownRules) -> View | Cannot:
    """Where the orders in doubt at a provider must lie, or why its ids prove nothing."""
    provider, size = client.upstream.name, _batch(client)
    doubts = await store.read(partial(open_doubts, provider))
    if len(doubts) > DOUBTS_MAX:
        return Cannot(f"more than {DOUBTS_MAX} orders are in doubt at once")
    recent = await store.read(partial(own_orders, provider, below=ATTEMPTS_BELOW, limit=RISING_OVER))
    why = not_rising(recent)
    if why is not None:
        return Cannot(why)
    windows = await _windows(store, doubts, recent)
    wanted = [windows[each.attempt.id] for each in doubts if ripe(each) and each.attempt.id in windows]
    ids_max = rules.probe_calls_max * size
    beyond = max(int(one.upstream_order) for one in recent) + min(LOOK_BEYOND, ids_max // 2)
    span = to_ask(wanted, (), beyond=beyond, ids_max=ids_max)
    if span is None:
        return Cannot(f"its id may be one of more than {ids_max}: more than probe_calls_max allows")
    elsewhere = [windows.get(each.attempt.id, Window(lo=0)) for each in doubts]
    near = gaps_between(recent, elsewhere, (), count=2 * BATCH_MAX)
    ours = await store.read(partial(owned, provider, [*span, *near]))
    return View(
        doubts=doubts,
        windows=windows,
        ids=tuple(number for number in span if number not in ours),
        gaps=tuple(number for number in near if number not in ours)[:size],
        ends=tuple(sorted({end for window in wanted for end in (window.lo, window.hi) if end is not None})),
    )


async def ask_about(
    client: ProviderClient, view: View, rules: UnknownRules, *, go_on: Callable[[], Awaitable[bool]]
) -> Seen | Cannot:
    """Ask a panel about what a view names, paced; ``go_on`` says before each call whether it may be made."""
    size = _batch(client)
    calls = [*batches(view.gaps, size), *batches(view.ends, size), *batches(view.ids, size)]
    found: dict[int, StatusReply] = {}
    denied: set[int] = set()
    due = monotonic()
    for call in calls:
        await asyncio.sleep(max(due - monotonic(), 0.0))
        due = monotonic() + float(1 / rules.calls_per_second)
        if not await go_on():
            return Cannot("somebody else is looking there right now")
        for number, said in (await _ask(client, call)).items():
            if isinstance(said, StatusReply):
                found[number] = said
            elif denies_order(said.error, client.upstream.errors):
                denied.add(number)
    return Seen(found=found, denied=frozenset(denied), calls=len(calls))


async def judge(
    store: Store, client: ProviderClient, looked: tuple[View, Seen], *, rules: UnknownRules, denials: "Denials"
) -> Judged:
    """Decide what is forced, by what the books say now that the panel was asked."""
    view, seen = looked
    provider = client.upstream.name
    # In this order: what is accepted between the two reads stands in both, which decides nothing; never in neither.
    doubts = await store.read(partial(open_doubts, provider))
    ours = await store.read(partial(owned, provider, list(seen.found)))
    known = await store.read(partial(strange_ids, provider, limit=STRANGE_MAX))
    recent = await store.read(partial(own_orders, provider, below=ATTEMPTS_BELOW, limit=RISING_OVER))
    later = [each for each in doubts if each.attempt.id not in view.windows]
    windows = {**await _windows(store, later, recent), **view.windows}
    lost = {number: said for number, said in seen.found.items() if number not in ours}
    # A panel that makes orders by itself, for posts of subscriptions, is as one where others order with our key.
    making = await store.read(partial(makes_orders, provider)) or any(_subscribed(each) for each in doubts)
    foreign = rules.foreign_orders or making or not set(view.gaps).isdisjoint(lost)
    strangers = set(lost) if foreign else {int(each.upstream_order) for each in known}
    asked = set(view.ids).difference(lost, ours)

    def doubt_of(each: OpenDoubt) -> Doubt:
        number = each.attempt.id
        window = windows.get(number)
        # Subscriptions may be numbered in a row of their own: no id proves anything about them.
        settled_soon = window is not None and ripe(each) and number in view.windows and not _subscribed(each)
        return Doubt(
            attempt=number,
            window=window or Window(lo=0),
            cost=each.cost,
            quantity=_counted(each),
            decidable=settled_soon,
            silent=settled_soon,
            denied=window is not None
            # A bound that the panel does not know as ours was no order of ours: it bounds nothing.
            and {window.lo, window.hi} <= seen.found.keys()
            and denied_twice(window, asked, denials(number), apart=int(rules.recheck_seconds * 1000)),
        )

    found = [
        Found(id=number, charge=_charge(said, client.upstream.currency), remains=said.remains)
        for number, said in lost.items()
        if number in view.ids
    ]
    settled = match([doubt_of(each) for each in doubts], found, strangers=strangers)
    by_hand = {each.attempt.id for each in doubts if _subscribed(each)}
    verdicts = (
        Leave(attempt=each.attempt, why=BY_HAND) if each.attempt in by_hand else each for each in settled.verdicts
    )
    settled = msgspec.structs.replace(settled, verdicts=tuple(verdicts))
    if foreign:
        settled = msgspec.structs.replace(settled, strange=tuple(sorted(lost)))
    return Judged(settled=settled, doubts={each.attempt.id: each for each in doubts}, lost=lost, foreign=foreign)


# When each id was first and last denied since an attempt's window was closed, in ms of a clock that never jumps.
Denials = Callable[[int], dict[int, tuple[int, int]]]


def ripe(doubt: OpenDoubt) -> bool:
    """Whether an attempt's panel had all the time it may need: only then anything is concluded about it."""
    return doubt.attempt.state is AttemptState.UNKNOWN and doubt.quarantined is not None


def in_words(said: StatusReply) -> str:
    """What a panel said of an order, on a line."""
    parts = (
        ("charge", said.charge),
        ("", said.currency),
        ("start", said.start_count),
        ("remains", said.remains),
    )
    return " ".join(
        [said.status or said.word or "?", *(f"{name} {value}".strip() for name, value in parts if value is not None)]
    )


async def _windows(store: Store, doubts: Sequence[OpenDoubt], recent: Sequence[Own]) -> dict[int, Window]:
    """The window of each doubt that has one: as it was kept, or as the order of events in the books tells."""
    found: dict[int, Window] = {}
    for doubt in doubts:
        number, known = doubt.attempt.id, recent
        if doubt.lo is None and not any(one.told < doubt.armed for one in recent):
            before = partial(own_orders, doubt.attempt.provider, below=number, limit=RISING_OVER)
            known = (*recent, *await store.read(before))
        window = window_of(known, armed=doubt.armed, quarantined=doubt.quarantined)
        if doubt.lo is not None or window is not None:
            lo = doubt.lo if doubt.lo is not None or window is None else window.lo
            hi = doubt.hi if doubt.hi is not None or window is None else window.hi
            assert lo is not None, "one of the two has it"
            found[number] = Window(lo=lo, hi=hi)
    return found


def _batch(client: ProviderClient) -> int:
    """How many ids one call may ask about."""
    dialect = client.upstream.dialect
    return min(BATCH_MAX, dialect.batch) if dialect.multi_status else 1


async def _ask(client: ProviderClient, ids: Sequence[int]) -> dict[int, StatusReply | ErrorReply]:
    """What the panel says of each; an id it says nothing of is missing, and that is no news."""
    if len(ids) == 1:
        said = await client.ask(StatusRequest(order=str(ids[0])))
        return {ids[0]: said} if isinstance(said, StatusReply | ErrorReply) else {}
    texts = {str(number): number for number in ids}
    answer = await client.ask(MultiStatusRequest(orders=tuple(texts)))
    if not isinstance(answer, MultiStatusReply):
        return {}
    return {texts[order]: said for order, said in answer.orders if order in texts}


def _counted(doubt: OpenDoubt) -> int | None:
    """What a panel's remains cannot be above; a package is counted by each panel in its own way."""
    kind = find_type(doubt.type)
    return None if kind is None or kind.flat or kind.subscribed else doubt.quantity


def _subscribed(doubt: OpenDoubt) -> bool:
    kind = find_type(doubt.type)
    return kind is not None and kind.subscribed


def _charge(said: StatusReply, currency: str) -> Decimal | None:
    """The charge of the whole order, where the panel says it in the currency we know its prices in."""
    if said.charge is None or said.status in _PARTLY or (said.currency or currency) != currency:
        return None
    return Decimal(said.charge)
