"""Sending a stored order: one function for a fresh ``add``, for a restarted process and for a take-over.

An attempt is sent at most once. The next route is tried only where nothing was sent, or where the panel clearly
refused for a reason that is not the user's; a panel that nobody can reach is tried again after a pause, as long as
the order may wait. One that still works on an order with the same link is waited for in the books
(store/link_waits.py): the sweep sends the order when it is time. What is unclear is stored as unknown and left alone.
"""

import asyncio
import secrets
import time
from functools import partial
from typing import Final

import msgspec
import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars

from gateway.actions.brake import check_brakes
from gateway.actions.cancel import tell_cancel
from gateway.actions.desk import Desk
from gateway.actions.spent import note_wait
from gateway.actions.verdict import bring, rescue
from gateway.core.attempt import Attempt
from gateway.core.dialects import Mark
from gateway.core.error_type import ErrorType
from gateway.core.errors import TEXT_UNAVAILABLE
from gateway.core.exchange import write_exchange
from gateway.core.messages import AddRequest
from gateway.core.order import OrderState
from gateway.core.outcome import Accepted, NotSent, Outcome, Rejected, Unknown, answer_text
from gateway.core.retry_after import rest_ms
from gateway.metrics.orders import outcome_word
from gateway.points import point
from gateway.providers.said import Answered, Fenced
from gateway.store.attempts import Decided, Job, Verdict, arm, job
from gateway.store.engine import StoreError
from gateway.store.spool import Spooled
from gateway.tracing import Span, trace

log = structlog.get_logger(__name__)

# The pause before another round over routes that could not be reached: the first, and the longest.
PAUSE_FIRST_SECONDS: Final = 1.0
PAUSE_MAX_SECONDS: Final = 30.0
# Before an unanswered order is sent once more, to a panel that knows it again.
REPEAT_AFTER_SECONDS: Final = 1.0


class Result(msgspec.Struct, frozen=True):
    """How an order stands when its dispatch ends."""

    state: OrderState
    text: str = TEXT_UNAVAILABLE  # for the user, when the order failed
    error: ErrorType | None = None  # why it did


async def dispatch(desk: Desk, attempt: Attempt, known: Job | None = None) -> Result:
    """Send an attempt and those that follow from it, until the order is decided, in doubt or somebody else's.

    `known` is what to send, for an order that was stored just now; otherwise it is read. Arming is a
    compare-and-set either way, so what has changed meanwhile is never sent.
    """
    desk.dispatching.add(attempt.order_id)
    try:
        with bound_contextvars(order_id=attempt.order_id, attempt=attempt.id, provider=attempt.provider):
            return await _dispatch(desk, attempt, known)
    finally:
        desk.dispatching.discard(attempt.order_id)


async def _dispatch(desk: Desk, attempt: Attempt, known: Job | None) -> Result:
    pause = PAUSE_FIRST_SECONDS
    cause = "taken_up" if known is None else "placed"
    while True:
        with _attempt_span(attempt, cause) as told:
            decided = await _attempt(desk, attempt, known, told=told)
        if isinstance(decided, Result):
            return decided
        known = None
        assert decided.next is not None
        attempt, cause = decided.next, "next_round" if decided.again else "failover"
        bind_contextvars(attempt=attempt.id, provider=attempt.provider)
        if decided.again:
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_MAX_SECONDS)


def _attempt_span(attempt: Attempt, cause: str) -> Span:
    """Part of the request that ordered it, for as long as it takes; a trace of its own after a restart."""
    return trace(
        "attempt",
        cause=cause,
        order=attempt.order_id,
        n=attempt.n,
        provider=attempt.provider,
        provider_service=attempt.provider_service,
    )


async def _attempt(desk: Desk, attempt: Attempt, known: Job | None, *, told: Span) -> Result | Decided:
    """Send one attempt and store what became of it: the order's result, or the decision that names the next one."""
    work = known or await desk.store.run(partial(job, attempt.id, attempt.order_id))
    if work is None or work.attempt.owner != desk.owner:  # Decided, or taken over by another process meanwhile.
        told.note(outcome="not_ours")
        return Result(OrderState.PLACING)
    said = await _send(desk, work)
    if said is None:
        told.note(outcome="left")
        return Result(OrderState.PLACING)
    text = _text(said.outcome)
    told.note(outcome=outcome_word(said.outcome), error_type=said.error)
    decided = await bring(desk, work.attempt, _verdict(desk, work, said, text=text))
    if decided is None:
        return Result(OrderState.UNKNOWN)
    told.note(state=decided.state)
    _note(desk, work, said, decided=decided)
    return Result(decided.state, text, said.error) if decided.next is None else decided


async def _send(desk: Desk, work: Job) -> Answered | None:
    """Hand one attempt to its provider; ``None`` when it is not ours to send, or nothing may be sent at all."""
    attempt = work.attempt
    if desk.unfenced or desk.safe_mode:
        return None
    client = desk.providers.get(attempt.provider)
    if client is None:
        return _held_back("the provider is no longer configured")
    condition = desk.condition(attempt.provider)
    if condition.held is not None:
        return _held_back(f"the provider is held: {condition.held}")
    if condition.tripped and work.others:
        return _held_back("the provider failed again and again, and there is another")
    now = desk.clock()
    mark = secrets.token_hex(8)  # of this transmission: another dispatch of the attempt has another
    # The same numbers however often the attempt is taken up, should its provider want one with every order.
    named = Mark(order=str(attempt.order_id), attempt=str(attempt.id))
    request = AddRequest(service=attempt.provider_service, fields=work.fields)
    store_away: list[StoreError] = []
    armed = False

    async def arm_it() -> bool:
        nonlocal armed
        armed = True  # First: a dispatch that is cut off while the books commit counts as armed.
        try:
            armed = await desk.store.run(partial(arm, attempt, now=now, mark=mark))
        except StoreError as error:
            store_away.append(error)
            armed = False
        return armed

    async def still_mine() -> bool:
        try:  # Armed by the same mark, and nobody else has decided anything about the attempt since.
            return await desk.store.run(partial(arm, attempt, now=now, mark=mark))
        except StoreError:
            return False

    began = time.perf_counter()
    try:
        said = await client.place(request, arm_it, now=now, mark=named, user=work.user_id)
        if isinstance(said, Answered) and _may_repeat(desk, attempt.provider, said, since=began):
            await asyncio.sleep(REPEAT_AFTER_SECONDS)
            again = await client.place(request, still_mine, now=now, mark=named, user=work.user_id)
            if isinstance(again, Answered) and isinstance(again.outcome, Accepted):
                said = again
    except asyncio.CancelledError:
        if armed:
            doubt = Answered(outcome=Unknown("the sending was cut off"), error=ErrorType.GATEWAY_CUT_OFF)
            await rescue(desk, Spooled(attempt=attempt, verdict=_verdict(desk, work, doubt)))
        raise
    point("judged", "add")
    note_wait(time.perf_counter() - began)
    if isinstance(said, Fenced):
        why = f"the books could not be written: {store_away[0]}" if store_away else ""
        return Answered(outcome=NotSent(why), error=ErrorType.GATEWAY_BOOKS) if why else None
    return said


def _held_back(why: str) -> Answered:
    return Answered(outcome=NotSent(why), error=ErrorType.POLICY_HELD)


def _may_repeat(desk: Desk, provider: str, said: Answered, *, since: float) -> bool:
    """Whether an unanswered order may be sent once more: its panel will know it again for as long as that can take.

    By this process's own clock that never jumps. Only an id counts then; anything else leaves the doubt as it was.
    """
    window = float(desk.unknown_rules[provider].same_id_window_seconds)
    latest = time.perf_counter() - since + REPEAT_AFTER_SECONDS + desk.providers[provider].upstream.timeouts.total
    return isinstance(said.outcome, Unknown) and latest < window


def _verdict(desk: Desk, work: Job, said: Answered, *, text: str = TEXT_UNAVAILABLE) -> Verdict:
    now, outcome = desk.clock(), said.outcome
    client = desk.providers.get(work.attempt.provider)
    return Verdict(
        outcome=outcome,
        evidence=None if said.exchange is None else write_exchange(said.exchange),
        go_on=isinstance(outcome, NotSent) and now - work.created_at < desk.queue_seconds * 1000,
        failure=text,
        owner=desk.owner,
        poll_at=now + desk.first_poll_ms(work.attempt.provider),
        same_id_ms=0 if client is None else int(client.upstream.same_id_seconds * 1000),
    )


def _text(outcome: Outcome) -> str:
    """What the user is told should this outcome be the last: the reason only when it is theirs."""
    if isinstance(outcome, Rejected) and outcome.users_fault:
        return answer_text(outcome)
    return TEXT_UNAVAILABLE


def _heed(desk: Desk, provider: str, said: Answered) -> None:
    """Send a provider no orders for as long as it asked, with its 429 or 503; every replica hears that for itself."""
    kept, now = said.exchange, desk.clock()
    rest = None if kept is None else rest_ms(kept.status, kept.retry_after, now=now)
    if rest is not None:
        desk.conditions.asked_to_rest(provider, rest, now=now)
        log.info("provider_rests", provider=provider, seconds=rest / 1000)


def _note(desk: Desk, work: Job, said: Answered, *, decided: Decided) -> None:
    """Count and log a stored outcome, and remember what it says about the provider."""
    attempt, outcome = work.attempt, said.outcome
    desk.metrics.attempt_decided(attempt.provider, outcome)
    if isinstance(outcome, Rejected):
        desk.conditions.refused(attempt.provider, attempt.provider_service, outcome.kind, now=desk.clock())
    _heed(desk, attempt.provider, said)
    say = log.warning if isinstance(outcome, Unknown) else log.info
    say(
        "attempt_decided",
        order_id=attempt.order_id,
        attempt=attempt.id,
        provider=attempt.provider,
        outcome=type(outcome).__name__,
        error_type=said.error,
        state=decided.state.value,
    )
    if isinstance(outcome, Unknown):
        desk.spawn(check_brakes(desk), name=f"brakes:{attempt.provider}")
    if decided.cancel is not None:
        told = tell_cancel(desk, attempt.order_id, attempt.provider)
        desk.spawn(told, name=f"cancel:{attempt.order_id}")
    if decided.wait is not None:
        log.info("order_waits", provider=decided.wait.provider, holder=decided.wait.holder, until=decided.wait.until)
    if decided.alarm is not None:
        log.error("attempt_alarm", order_id=attempt.order_id, provider=attempt.provider, alarm=decided.alarm)
