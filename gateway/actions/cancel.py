"""The action ``cancel``: note the wish, tell the panel that has the order, and let its later status decide."""

import asyncio
from functools import partial
from typing import Final

import structlog

from gateway.actions.desk import Desk
from gateway.actions.spent import note_error
from gateway.actions.status import order_id
from gateway.core.error_type import ErrorType
from gateway.core.errors import TEXT_INCORRECT_ORDER, TEXT_NOT_CANCELABLE, TEXT_UNAVAILABLE
from gateway.core.messages import CancelReply, CancelRequest, ErrorReply, MultiCancelReply, MultiCancelRequest
from gateway.core.user import User
from gateway.providers.limits import HOUSE
from gateway.store.orders import ask_cancel, show
from gateway.store.polls import poll_soon

log = structlog.get_logger(__name__)

# A panel that took a cancel usually shows it within this time.
LOOK_AFTER_MS: Final = 30_000


async def cancel(desk: Desk, user: User, request: CancelRequest) -> CancelReply | ErrorReply:
    """Ask for one order to be canceled."""
    if desk.safe_mode:
        note_error(ErrorType.POLICY_STOPPED)
        return ErrorReply(error=TEXT_UNAVAILABLE)
    number = order_id(request.order)
    if not number or number not in await desk.store.read(partial(show, user.id, [number])):
        return ErrorReply(error=TEXT_INCORRECT_ORDER)
    task = await desk.store.run(partial(ask_cancel, number, user.id, now=desk.clock()))
    if not task.eligible:
        return ErrorReply(error=TEXT_NOT_CANCELABLE)
    if task.provider is not None and task.upstream_order is not None:
        if not _can_cancel(desk, task.provider):
            return ErrorReply(error=TEXT_NOT_CANCELABLE)
        told = tell_cancel(desk, number, task.provider, upstream_order=task.upstream_order, user=user.id)
        desk.spawn(told, name=f"cancel:{number}")
    return CancelReply()


async def multi_cancel(desk: Desk, user: User, request: MultiCancelRequest) -> MultiCancelReply:
    """Ask for several, each answered for itself."""
    replies = await asyncio.gather(*(cancel(desk, user, CancelRequest(order=asked)) for asked in request.orders))
    return MultiCancelReply(orders=tuple(zip(request.orders, replies, strict=True)))


def _can_cancel(desk: Desk, provider: str) -> bool:
    """Whether a panel has the action; a service of several routes may have been ordered at one that has not."""
    client = desk.providers.get(provider)
    return client is None or client.upstream.dialect.cancel


async def tell_cancel(desk: Desk, number: int, provider: str, *, upstream_order: str, user: int = HOUSE) -> None:
    """Tell the panel once. Whatever it answers proves nothing; the order is asked about soon."""
    client = desk.providers.get(provider)
    if client is not None and client.upstream.dialect.cancel:
        answer = await client.tell(CancelRequest(order=upstream_order), user=user)
        log.info("cancel_told", order_id=number, provider=provider, answer=type(answer).__name__)
    await desk.store.run(
        partial(poll_soon, number, due_at=desk.clock() + min(LOOK_AFTER_MS, desk.first_poll_ms(provider)))
    )
