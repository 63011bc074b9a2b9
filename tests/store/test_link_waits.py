"""Orders that wait for their link: for the end of the order of ours that has it, or until the panel is asked again."""

from functools import partial

import msgspec
import pytest

from gateway.core.attempt import Attempt, AttemptState
from gateway.core.messages import StatusReply, StatusWord
from gateway.core.order import OrderState
from gateway.core.outcome import Accepted, NotSent, Outcome, Rejected
from gateway.core.rejections import RejectKind
from gateway.core.routing import LINK_PAUSE_FIRST_MS, PlannedRoute
from gateway.core.user import User
from gateway.store.attempts import Decided, arm
from gateway.store.engine import Store
from gateway.store.link_waits import PUT_OFF_MAX_MS
from gateway.store.orders import ask_cancel
from gateway.store.owners import OWNER_DEAD_MS, beat, left_planned, take_over
from gateway.store.polls import Due, apply
from tests.store.trade import ME, NOW, active, attempts_of, bring, make_planned, money_of, order_of, sending

BUSY = Rejected(RejectKind.LINK_ACTIVE, "You have active order with this link")
WAIT_SECONDS = 3600
WAITING = 100_002


def patient(provider: str = "panel-a", service: str = "101") -> PlannedRoute:
    """A route on which an order may wait for its link."""
    return msgspec.structs.replace(make_planned(provider, service), link_wait=WAIT_SECONDS)


async def refused(store: Store, user: User, *, now: int = NOW, **changes: object) -> Decided:
    """A second order, which its panel refused because of its link."""
    attempt = await sending(store, user, WAITING, **{"routes": (patient(),), **changes})
    return await bring(store, attempt, BUSY, now=now)


async def due(store: Store, now: int, owner: str = ME) -> list[int]:
    """The orders a process has to send at a moment."""
    return [each.order_id for each in await store.read(partial(left_planned, owner, now=now))]


async def sent_again(store: Store, outcome: Outcome, *, now: int, go_on: bool = False) -> Decided:
    """The waiting attempt is sent, and this becomes of it."""
    waiting = (await attempts_of(store, WAITING))[-1]
    if isinstance(outcome, NotSent):
        return await bring(store, waiting, outcome, now=now, go_on=go_on)
    assert await store.run(partial(arm, waiting, now=now))
    return await bring(store, waiting, outcome, now=now, go_on=go_on)


async def ended(store: Store, one: Due, now: int) -> None:
    """Its panel says that an order is done."""
    said = StatusReply(status=StatusWord.COMPLETED, remains=0)
    await store.run(partial(apply, one, said, provider="panel-a", pace=1000, now=now))


async def test_q83_order_waits_for_the_end_of_the_order_that_has_its_link(store: Store, alpha: User) -> None:
    """Nothing is asked of the panel meanwhile; it is sent as soon as the first has ended, and both are placed once."""
    first = await active(store, alpha)
    decided = await refused(store, alpha)
    assert (decided.state, decided.next) == (OrderState.RESERVED, None)
    assert decided.wait is not None
    assert (decided.wait.holder, decided.wait.until) == (first.order_id, NOW + WAIT_SECONDS * 1000)
    assert await due(store, NOW + WAIT_SECONDS * 1000 - 1) == []
    assert await money_of(store) == (800, 100)
    await ended(store, first, NOW + 5000)
    assert await due(store, NOW + 5000) == [WAITING]
    assert (await sent_again(store, Accepted("77"), now=NOW + 5000)).state is OrderState.ACTIVE
    assert await money_of(store) == (800, 0)
    assert await due(store, NOW + PUT_OFF_MAX_MS) == []


async def test_q83_panel_is_asked_again_where_no_order_of_ours_has_the_link(store: Store, alpha: User) -> None:
    """Later each time, at the last moment once more, and then the charge goes back."""
    await refused(store, alpha)
    now, asked = NOW, []
    while (await order_of(store, WAITING)).order.state is OrderState.RESERVED:
        pause = 0
        while not await due(store, now + pause):
            pause += 10_000
        now += pause
        asked.append(pause)
        await sent_again(store, BUSY, now=now)
    assert asked[:3] == [LINK_PAUSE_FIRST_MS, 2 * LINK_PAUSE_FIRST_MS, 4 * LINK_PAUSE_FIRST_MS]
    assert now == NOW + WAIT_SECONDS * 1000
    assert len(asked) < 12
    assert (await order_of(store, WAITING)).order.state is OrderState.FAILED
    assert await money_of(store) == (1000, 0)


@pytest.mark.parametrize("wait", [0, 1])
async def test_q83_order_that_may_not_wait_or_has_waited_is_given_back(store: Store, alpha: User, wait: int) -> None:
    """At once, as ever."""
    route = msgspec.structs.replace(make_planned(), link_wait=wait)
    decided = await refused(store, alpha, routes=(route,), now=NOW + 1000)
    assert (decided.state, decided.wait) == (OrderState.FAILED, None)
    assert await money_of(store) == (1000, 0)


async def test_q83_another_route_goes_before_waiting(store: Store, alpha: User) -> None:
    """Only when it refuses as well, for whatever is not the user's fault, is the link waited for."""
    await active(store, alpha)
    decided = await refused(store, alpha, routes=(patient(), make_planned("panel-b")))
    assert decided.next is not None
    assert (decided.next.provider, decided.wait) == ("panel-b", None)
    decided = await sent_again(store, Rejected(RejectKind.FUNDS, "no money"), now=NOW)
    assert decided.wait is not None
    assert decided.wait.provider == "panel-a"


async def test_q83_panel_that_nobody_reaches_is_tried_while_the_link_is_busy(store: Store, alpha: User) -> None:
    """The order that has the link ends: the next round goes there, and not to the panel that is away."""
    first = await active(store, alpha)
    await refused(store, alpha, routes=(patient(), make_planned("panel-b")))
    away = await sent_again(store, NotSent("refused"), now=NOW, go_on=True)
    assert away.next is not None
    assert (away.next.provider, away.again, away.wait) == ("panel-b", True, None)
    await ended(store, first, NOW + 1000)
    now = NOW + LINK_PAUSE_FIRST_MS
    there = await sent_again(store, NotSent("refused"), now=now, go_on=True)
    assert there.next is not None
    assert (there.next.provider, there.again) == ("panel-a", True)
    # And when that one is away as well, it is still one that was waited for, not one that refused.
    again = await sent_again(store, NotSent("refused"), now=now + 1000, go_on=True)
    assert again.next is not None
    assert again.next.provider == "panel-a"


async def test_q83_holder_is_of_the_same_panel_and_link_and_under_way(store: Store, alpha: User) -> None:
    """Not an order with another link, nor one that has ended; the same service's goes before another's."""
    other = (("link", "https://example.com/b"), ("quantity", "10"))
    await active(store, alpha, 100_010, fields=other)
    await ended(store, await active(store, alpha, 100_011), NOW)
    same = await active(store, alpha, 100_012)
    await active(store, alpha, 100_013, routes=(make_planned(service="102"),))
    decided = await refused(store, alpha)
    assert decided.wait is not None
    assert decided.wait.holder == same.order_id


async def test_q83_verdict_brought_twice_lets_it_wait_all_the_same(store: Store, alpha: User) -> None:
    """After an unclear commit the second run finds the waiting attempt, and does not send it."""
    await active(store, alpha)
    attempt = await sending(store, alpha, WAITING, routes=(patient(),))
    assert (await bring(store, attempt, BUSY)).wait is not None
    again = await bring(store, attempt, BUSY)
    assert (again.state, again.next) == (OrderState.RESERVED, None)
    assert len(await attempts_of(store, WAITING)) == 2


async def test_q83_waiting_order_is_taken_over_and_waits_on(store: Store, rival: Store, alpha: User) -> None:
    """Its process died: another has it, sends nothing before the time, and after it exactly one of two does."""
    await store.run(partial(beat, ME, now=NOW))
    first = await active(store, alpha)
    await refused(store, alpha)
    later = NOW + OWNER_DEAD_MS + 1
    await rival.run(partial(beat, "other", now=later))
    assert await rival.run(partial(take_over, "other", now=later)) == ()
    assert await due(store, later) == await due(store, later, "other") == []
    await ended(store, first, later)
    assert (await due(store, later), await due(store, later, "other")) == ([], [WAITING])
    waiting = (await attempts_of(store, WAITING))[-1]
    stale = Attempt(**{**msgspec.structs.asdict(waiting), "owner": ME})
    assert not await store.run(partial(arm, stale, now=later))
    assert await rival.run(partial(arm, waiting, now=later))
    assert not await rival.run(partial(arm, waiting, now=later))


async def test_q83_waiting_order_can_be_canceled(store: Store, alpha: User) -> None:
    """It was certainly not sent: the charge goes back at once, and nobody sends it when the link is free."""
    first = await active(store, alpha)
    await refused(store, alpha)
    assert (await store.run(partial(ask_cancel, WAITING, alpha.id, now=NOW + 1))).eligible
    assert (await order_of(store, WAITING)).order.state is OrderState.FAILED
    assert await money_of(store) == (900, 0)
    await ended(store, first, NOW + 1000)
    assert await due(store, NOW + 1000) == []
    assert (await attempts_of(store, WAITING))[-1].state is AttemptState.NOT_SENT


async def test_q83_clock_that_is_set_back_does_not_put_an_order_off_for_days(store: Store, alpha: User) -> None:
    """What is dated later than anything may be is due."""
    await refused(store, alpha)
    assert await due(store, NOW - PUT_OFF_MAX_MS) == [WAITING]
    assert await due(store, NOW) == []
