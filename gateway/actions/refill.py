"""The actions ``refill`` and ``refill_status``: ask the panel that has the order once, and show what our books know."""

import asyncio
from functools import partial
from typing import Final

import structlog
from structlog.contextvars import bound_contextvars

from gateway.actions.desk import Desk
from gateway.actions.spent import note_error
from gateway.actions.status import order_id
from gateway.core.error_type import ErrorType
from gateway.core.errors import TEXT_NOT_REFILLABLE, TEXT_REFILL_NOT_FOUND, TEXT_UNAVAILABLE
from gateway.core.messages import (
    ErrorReply,
    MultiRefillReply,
    MultiRefillRequest,
    MultiRefillStatusReply,
    MultiRefillStatusRequest,
    OrderRefillStatusRequest,
    RefillReply,
    RefillRequest,
    RefillStatusReply,
    RefillStatusRequest,
    Reply,
    Unreadable,
)
from gateway.core.refill import RefillState
from gateway.core.rejections import proves_nothing
from gateway.core.user import User
from gateway.providers.said import Failed
from gateway.store.refills import RefillTask, ask_refill, settle, show_newest_refill, show_refills

log = structlog.get_logger(__name__)

# How long after it was taken a refill is first asked about.
LOOK_AFTER_MS: Final = 60_000


async def refill(desk: Desk, user: User, request: RefillRequest) -> RefillReply | ErrorReply:
    """Ask for a refill of one order; the reply bears our id of it.

    A clear refusal of the panel is an error; an unclear outcome is a refill that is pending: it may have been taken,
    so it is neither asked again nor denied.
    """
    if desk.safe_mode:
        note_error(ErrorType.POLICY_STOPPED)
        return ErrorReply(error=TEXT_UNAVAILABLE)
    number = order_id(request.order)
    task = None
    if number:
        refill_id = await desk.order_ids.take()
        task = await desk.store.run(partial(ask_refill, refill_id, number, user.id, now=desk.clock()))
    if task is None:
        return ErrorReply(error=TEXT_NOT_REFILLABLE)
    with bound_contextvars(order_id=number):
        telling = desk.spawn(_tell(desk, task, user), name=f"refill:{task.id}")
    done, _ = await asyncio.wait({telling}, timeout=desk.answer_within)
    taken = not done or telling.exception() is not None or telling.result()
    return RefillReply(refill=str(task.id)) if taken else ErrorReply(error=TEXT_NOT_REFILLABLE)


async def multi_refill(desk: Desk, user: User, request: MultiRefillRequest) -> MultiRefillReply:
    """Ask for several, each answered for itself."""
    replies = await asyncio.gather(*(refill(desk, user, RefillRequest(order=asked)) for asked in request.orders))
    return MultiRefillReply(orders=tuple(zip(request.orders, replies, strict=True)))


async def refill_status(
    desk: Desk, user: User, request: RefillStatusRequest | OrderRefillStatusRequest
) -> RefillStatusReply | ErrorReply:
    """How one refill stands; by an order's id, the newest of that order."""
    if isinstance(request, RefillStatusRequest):
        number = order_id(request.refill)
        shown = (await desk.store.read(partial(show_refills, user.id, [number]))).get(number) if number else None
    else:
        number = order_id(request.order)
        shown = await desk.store.read(partial(show_newest_refill, user.id, number)) if number else None
    return ErrorReply(error=TEXT_REFILL_NOT_FOUND) if shown is None else RefillStatusReply(status=shown)


async def multi_refill_status(desk: Desk, user: User, request: MultiRefillStatusRequest) -> MultiRefillStatusReply:
    """How several stand; one read for all."""
    ids = sorted({number for number in map(order_id, request.refills) if number})
    shown = await desk.store.read(partial(show_refills, user.id, ids)) if ids else {}
    return MultiRefillStatusReply(
        refills=tuple((asked, _reply(shown.get(order_id(asked)))) for asked in request.refills)
    )


async def _tell(desk: Desk, task: RefillTask, user: User) -> bool:
    """Ask the panel once and store what became of it; ``False`` only for a clear refusal."""
    client = desk.providers.get(task.provider)
    answer: Reply | Unreadable | Failed | None = None
    if client is not None and not client.upstream.dialect.refill:
        answer = ErrorReply("this panel has no refill")
    elif client is not None:
        answer = await client.tell(RefillRequest(order=task.upstream_order), user=user.id)
        log.info("refill_told", provider=task.provider, answer=type(answer).__name__)
    match answer:
        case RefillReply():
            state, shown, upstream = RefillState.OPEN, "Pending", answer.refill
        case ErrorReply() if client is None or not proves_nothing(answer.error, client.classified):
            state, shown, upstream = RefillState.REJECTED, "Rejected", None
        case _:
            state, shown, upstream = RefillState.UNKNOWN, "Pending", None
    now = desk.clock()
    due_at = now + min(LOOK_AFTER_MS, desk.first_poll_ms(task.provider))
    await desk.store.run(partial(settle, task.id, state, shown=shown, upstream_refill=upstream, due_at=due_at, now=now))
    return state is not RefillState.REJECTED


def _reply(shown: str | None) -> RefillStatusReply | ErrorReply:
    return ErrorReply(error=TEXT_REFILL_NOT_FOUND) if shown is None else RefillStatusReply(status=shown)
