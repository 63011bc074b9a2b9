"""The action ``cancel``: note the wish, tell the panel that has the order, and let its later status decide."""

import asyncio
import secrets
from functools import partial
from time import monotonic
from typing import Final

import structlog

from gateway.actions.desk import Desk
from gateway.actions.spent import note_error
from gateway.actions.status import order_id
from gateway.core.error_type import ErrorType
from gateway.core.errors import TEXT_INCORRECT_ORDER, TEXT_NOT_CANCELABLE, TEXT_UNAVAILABLE
from gateway.core.messages import CancelReply, CancelRequest, ErrorReply, MultiCancelReply, MultiCancelRequest
from gateway.core.rejections import RejectKind, proves_nothing
from gateway.core.user import User
from gateway.points import point
from gateway.providers.client import ProviderClient
from gateway.providers.limits import HOUSE
from gateway.providers.said import Failed
from gateway.store.cancels import AGAIN_MS, Answer, due_cancels, settle_cancel, take_cancel
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
    if task.provider is None:
        return CancelReply()
    desk.spawn(tell_cancel(desk, number, task.provider, user=user.id), name=f"cancel:{number}")
    return CancelReply() if _can_cancel(desk, task.provider) else ErrorReply(error=TEXT_NOT_CANCELABLE)


async def multi_cancel(desk: Desk, user: User, request: MultiCancelRequest) -> MultiCancelReply:
    """Ask for several, each answered for itself."""
    replies = await asyncio.gather(*(cancel(desk, user, CancelRequest(order=asked)) for asked in request.orders))
    return MultiCancelReply(orders=tuple(zip(request.orders, replies, strict=True)))


def _can_cancel(desk: Desk, provider: str) -> bool:
    """Whether a panel has the action; a service of several routes may have been ordered at one that has not."""
    client = desk.providers.get(provider)
    return client is None or client.upstream.dialect.cancel


async def tell_cancel(desk: Desk, number: int, provider: str, *, user: int = HOUSE) -> None:
    """Tell the panel, if the books owe it and nobody else is at it. Whatever it answers proves nothing.

    The order is asked about soon. What is not told here is owed still, and told by whoever comes to it.
    """
    client = desk.providers.get(provider)
    if client is None or desk.safe_mode or desk.unfenced:
        return
    upstream = client.upstream
    obstacle = "" if upstream.dialect.cancel else "its panel has no cancel"
    again_ms = max(AGAIN_MS, int(upstream.timeouts.total * 2000))
    take = partial(take_cancel, number, secrets.token_hex(8), again_ms=again_ms, obstacle=obstacle, now=desk.clock())
    telling = await desk.store.run(take)
    if telling is None:
        return
    point("before", "TOLD")
    said = await client.tell(CancelRequest(order=telling.upstream_order), user=user)
    point("after", "TOLD")
    answer, why = _heard(client, said)
    log.info("cancel_told", order_id=number, provider=provider, answer=answer)
    await desk.store.run(partial(settle_cancel, telling, answer, why=why, now=desk.clock()))
    due_at = desk.clock() + min(LOOK_AFTER_MS, desk.first_poll_ms(provider))
    await desk.store.run(partial(poll_soon, number, due_at=due_at))


async def tell_owed(desk: Desk, provider: str) -> None:
    """Take up what nobody told a provider: of processes that died, and what it said nothing to."""
    # Nobody is thought dead while the clock has jumped too lately, and a panel's silence is not over either.
    if desk.providers[provider].tripped or monotonic() < desk.quiet_until:
        return
    for number in await desk.store.read(partial(due_cancels, provider, now=desk.clock())):
        desk.spawn(tell_cancel(desk, number, provider), name=f"cancel:{number}")


def _heard(client: ProviderClient, said: object) -> tuple[Answer, str]:
    """What came of telling, and the panel's words for it.

    A panel that had no time for it, or said what a person judged to prove nothing, is told once more like a silent one.
    """
    match said:
        case Failed(sent=False):
            return "unsent", said.why
        case Failed():
            return "silent", said.why
        case ErrorReply():
            again = client.meaning(said.error) is RejectKind.THROTTLED or proves_nothing(said.error, client.classified)
            return "silent" if again else "refused", said.error
        case _:
            return "taken", ""
