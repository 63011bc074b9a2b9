"""Attempts in the books: armed once by one owner, decided once, and an id of another order is no acceptance."""

import asyncio
from decimal import Decimal
from functools import partial

import msgspec
import pytest

from gateway.core.attempt import Attempt, AttemptState
from gateway.core.exchange import exchange_of, write_exchange
from gateway.core.order import Order, OrderState
from gateway.core.outcome import Accepted, Evidence, NotSent, Outcome, Rejected, Unknown
from gateway.core.rejections import RejectKind
from gateway.core.routing import PlannedRoute
from gateway.core.user import User
from gateway.store.attempts import Decided, Verdict, arm, decide, job, plan_attempt, read_attempts
from gateway.store.engine import ConstraintBroken, Store
from gateway.store.orders import NewOrder, place, show
from gateway.store.owners import OWNER_DEAD_MS, beat, doubt, leave, left_planned, stale, take_over
from gateway.store.users import Choices, create_user, credit_user, list_users
from tests.store.trade import ask, make_new_order

NOW = 1_700_000_000_000
ROUTES = tuple(
    PlannedRoute(provider=name, service="1", cost=Decimal("0.5"), currency="EUR", exchange_rate=Decimal(1))
    for name in ("panel-a", "panel-b")
)


@pytest.fixture
async def user(store: Store) -> User:
    """A user with 1000 units, and this process alive."""
    await store.run(partial(beat, "me", now=NOW))
    made = await store.run(partial(create_user, "alpha", "USD", Choices(), actor="test", now=NOW))
    await store.run(partial(credit_user, "alpha", 1000, reference="r", actor="test", now=NOW))
    return made


async def placed(store: Store, user: User, number: int = 5) -> Attempt:
    """An order of 100 units with its first attempt."""
    new = NewOrder(
        order=Order(id=number, user_id=user.id, currency="USD", charge=100, quantity=10),
        fingerprint=f"f{number}", idem_key=None, duplicate_window=0, service_id=1, type="Default",
        fields=(("link", "L"),), rate=1, rule="default", routes=ROUTES, passed="", can_refill=True, can_cancel=True,
        owner="me",
    )  # fmt: skip
    made = await store.run(partial(place, new, now=NOW))
    assert made.attempt is not None
    return made.attempt


async def decided(store: Store, attempt: Attempt, outcome: Outcome, *, go_on: bool = False) -> Decided:
    """A verdict brought to the books."""
    verdict = Verdict(outcome=outcome, go_on=go_on, failure="no", owner="me", poll_at=NOW)
    return await store.run(partial(decide, attempt, verdict, now=NOW))


async def money(store: Store) -> tuple[int, int]:
    """What the user has, and what is held."""
    (listed,) = await store.read(partial(list_users, "alpha"))
    return listed.avail, listed.held


async def test_attempt_is_armed_once_and_only_by_its_owner(store: Store, user: User) -> None:
    """A compare-and-set: whoever comes second, or is not the owner, may not send."""
    attempt = await placed(store, user)
    other = msgspec.structs.replace(attempt, owner="other")
    assert not await store.run(partial(arm, other, now=NOW))
    racing = await asyncio.gather(*(store.run(partial(arm, attempt, now=NOW + n)) for n in range(8)))
    assert racing.count(True) == 1


async def test_accepted_order_is_captured_and_watched(store: Store, user: User) -> None:
    """Held becomes ours; the same verdict again changes nothing."""
    attempt = await placed(store, user)
    await store.run(partial(arm, attempt, now=NOW))
    assert await money(store) == (900, 100)
    for _ in range(2):
        assert (await decided(store, attempt, Accepted("77"))).state is OrderState.ACTIVE
    assert await money(store) == (900, 0)
    (kept,) = await store.read(partial(read_attempts, 5))
    assert (kept.state, kept.upstream_order) == (AttemptState.ACCEPTED, "77")


async def test_id_of_another_order_is_no_acceptance(store: Store, user: User) -> None:
    """Two orders with one id: the second is unknown and somebody is told (U13, Q87)."""
    first, second = await placed(store, user, 5), await placed(store, user, 6)
    for attempt in (first, second):
        await store.run(partial(arm, attempt, now=NOW))
    assert (await decided(store, first, Accepted("77"))).alarm is None
    doubted = await decided(store, second, Accepted("77"))
    assert doubted.state is OrderState.UNKNOWN
    assert doubted.alarm is not None
    assert await money(store) == (800, 100)


async def test_refusal_goes_to_the_next_route_and_the_last_one_gives_the_money_back(store: Store, user: User) -> None:
    """Each route once; then the order has failed and nothing is held."""
    attempt = await placed(store, user)
    await store.run(partial(arm, attempt, now=NOW))
    first = await decided(store, attempt, Rejected(RejectKind.FUNDS, "no"))
    assert first.next is not None
    assert (first.state, first.next.provider, first.again) == (OrderState.RESERVED, "panel-b", False)
    await store.run(partial(arm, first.next, now=NOW))
    assert (await decided(store, first.next, Rejected(RejectKind.SERVICE, "no"))).state is OrderState.FAILED
    assert await money(store) == (1000, 0)


async def test_users_mistake_is_asked_of_nobody_else(store: Store, user: User) -> None:
    """Every other panel would refuse as well."""
    attempt = await placed(store, user)
    await store.run(partial(arm, attempt, now=NOW))
    ended = await decided(store, attempt, Rejected(RejectKind.LINK, "no"))
    assert (ended.state, ended.next) == (OrderState.FAILED, None)


async def test_unreached_panels_are_tried_in_another_round(store: Store, user: User) -> None:
    """As long as the order may wait."""
    first = await placed(store, user)
    second = (await decided(store, first, NotSent("away"), go_on=True)).next
    assert second is not None
    third = await decided(store, second, NotSent("away"), go_on=True)
    assert third.next is not None
    assert (third.next.provider, third.again) == ("panel-a", True)
    assert (await decided(store, third.next, NotSent("away"))).state is OrderState.FAILED


async def test_armed_attempt_can_no_longer_be_never_sent(store: Store, user: User) -> None:
    """A verdict that was overtaken by the arming changes nothing."""
    attempt = await placed(store, user)
    await store.run(partial(arm, attempt, now=NOW))
    assert (await decided(store, attempt, NotSent("said too early"))).state is OrderState.PLACING
    (kept,) = await store.read(partial(read_attempts, 5))
    assert kept.state is AttemptState.SENDING


async def test_doubt_is_resolved_by_a_late_word_and_by_nothing_else(store: Store, user: User) -> None:
    """Unknown keeps the money held; a late acceptance captures it; no second attempt is planned meanwhile."""
    attempt = await placed(store, user)
    await store.run(partial(arm, attempt, now=NOW))
    doubted = await decided(store, attempt, Unknown("time is up"))
    assert (doubted.state, doubted.next) == (OrderState.UNKNOWN, None)
    assert await money(store) == (900, 100)
    assert (await decided(store, attempt, Accepted("77"))).state is OrderState.ACTIVE
    assert await money(store) == (900, 0)


async def test_dead_owners_attempts_are_taken_over_and_the_living_ones_left(store: Store, user: User) -> None:
    """What was planned is sent by another; what was being sent is doubted."""
    planned, sending = await placed(store, user, 5), await placed(store, user, 6)
    await store.run(partial(arm, sending, now=NOW))
    await store.run(partial(beat, "other", now=NOW))
    assert await store.run(partial(take_over, "other", now=NOW + 1000)) == ()
    assert await store.read(partial(stale, now=NOW + 1000, deadline=NOW - 1)) == ()
    later = NOW + OWNER_DEAD_MS + 1
    await store.run(partial(beat, "other", now=later))
    (taken,) = await store.run(partial(take_over, "other", now=later))
    assert (taken.id, taken.owner) == (planned.id, "other")
    assert [each.id for each in await store.read(partial(left_planned, "other", now=later))] == [planned.id]
    assert not await store.run(partial(arm, planned, now=later))
    (lost,) = await store.read(partial(stale, now=later, deadline=NOW - 1))
    assert await store.run(partial(doubt, lost, actor="other", now=later))
    assert not await store.run(partial(doubt, lost, actor="other", now=later))
    shown = await store.read(partial(show, user.id, [6]))
    assert shown[6].status == "Pending"


async def test_owner_that_left_is_dead_at_once(store: Store, user: User) -> None:
    """A clean end lets others go on without waiting."""
    attempt = await placed(store, user)
    await store.run(partial(leave, "me"))
    await store.run(partial(beat, "other", now=NOW))
    (taken,) = await store.run(partial(take_over, "other", now=NOW))
    assert taken.id == attempt.id
    work = await store.run(partial(job, attempt.id, 5))
    assert work is not None
    assert (work.attempt.owner, work.fields) == ("other", (("link", "L"),))


async def test_database_itself_forbids_a_second_live_attempt(store: Store, user: User) -> None:
    """Whatever a mistake of ours would try."""
    await placed(store, user)
    with pytest.raises(ConstraintBroken):
        await store.run(partial(plan_attempt, 5, 2, ROUTES[1], owner="me", now=NOW))


async def test_two_who_arm_in_one_millisecond_are_still_two(store: Store, user: User) -> None:
    """A second dispatch of the same attempt, in the same millisecond of the same process, may not send as well."""
    attempt = await placed(store, user)
    racing = await asyncio.gather(*(store.run(partial(arm, attempt, now=NOW, mark=f"call-{n}")) for n in range(8)))
    assert racing.count(True) == 1
    unmarked = [await store.run(partial(arm, attempt, now=NOW)) for _ in range(2)]
    assert unmarked == [False, False]
    other = msgspec.structs.replace(attempt, owner="other")
    winner = f"call-{racing.index(True)}"
    assert not await store.run(partial(arm, other, now=NOW, mark=winner))


async def test_second_run_of_an_arming_finds_the_first(store: Store, user: User) -> None:
    """After a COMMIT nobody heard of the store runs the command anew: what it armed is still its own."""
    attempt = await placed(store, user)
    command = partial(arm, attempt, now=NOW, mark="call-1")
    assert [await store.run(command) for _ in range(3)] == [True, True, True]
    await decided(store, attempt, Unknown("time is up"))
    assert not await store.run(command)


async def test_evidence_is_written_with_the_verdict_and_stays(store: Store, user: User, database_url: str) -> None:
    """No verdict without its exchange; a later word without one leaves what was kept, one with its own replaces it."""

    async def kept() -> str | None:
        rows = await ask(database_url, "SELECT id, evidence FROM attempts")
        found = dict(rows)[attempt.id]
        return None if found is None else str(found)

    attempt = await placed(store, user)
    await store.run(partial(arm, attempt, now=NOW))
    assert await kept() is None
    said = write_exchange(exchange_of("1", (("link", "\x00é"),), Evidence(sent=True, body=b"\x00\xff"), at=NOW))
    verdict = Verdict(outcome=Unknown("?"), evidence=said, go_on=False, failure="", owner="me", poll_at=NOW)
    await store.run(partial(decide, attempt, verdict, now=NOW))
    assert await kept() == said
    await decided(store, attempt, Accepted("77"))
    assert await kept() == said
    other = await placed(store, user, 6)
    await store.run(partial(arm, other, now=NOW))
    attempt = other
    for evidence, outcome in (("{}", Unknown("?")), (said, Accepted("78"))):
        later = msgspec.structs.replace(verdict, outcome=outcome, evidence=evidence)
        await store.run(partial(decide, other, later, now=NOW))
        assert await kept() == evidence


@pytest.mark.parametrize(
    ("window", "link", "later", "state"),
    [
        (120_000, "L", 120_000, OrderState.FAILED),
        (120_000, "L", 120_001, OrderState.UNKNOWN),
        (120_000, "another", 0, OrderState.UNKNOWN),
        (0, "L", 1, OrderState.UNKNOWN),
    ],
)
async def test_panel_that_merges_identical_orders_made_no_second_one(
    store: Store, user: User, window: int, link: str, later: int, state: OrderState
) -> None:
    """Where that is known of it, inside its window and for the very same order; otherwise nobody can tell."""
    first = await placed(store, user, 5)
    new = make_new_order(
        user.id, 6, fields=(("link", link),), routes=ROUTES[:1], owner="me", duplicate_window=0, charge=100
    )
    second = (await store.run(partial(place, new, now=NOW))).attempt
    assert second is not None
    await store.run(partial(arm, first, now=NOW))
    await store.run(partial(arm, second, now=NOW + later))
    await decided(store, first, Accepted("77"))
    verdict = Verdict(outcome=Accepted("77"), go_on=False, failure="no", owner="me", poll_at=NOW, same_id_ms=window)
    told = await store.run(partial(decide, second, verdict, now=NOW + later))
    assert (told.state, told.alarm is None) == (state, state is OrderState.FAILED)
    assert await money(store) == ((900, 0) if state is OrderState.FAILED else (800, 100))
