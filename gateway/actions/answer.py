"""One request in, one reply out: every action of the API by its message, ``services`` apart."""

import asyncio

from gateway.actions.add import add
from gateway.actions.balance import balance
from gateway.actions.cancel import cancel, multi_cancel
from gateway.actions.desk import Desk
from gateway.actions.refill import multi_refill, multi_refill_status, refill, refill_status
from gateway.actions.status import multi_status, status
from gateway.core.messages import (
    AddRequest,
    BalanceRequest,
    CancelRequest,
    MultiCancelRequest,
    MultiRefillRequest,
    MultiRefillStatusRequest,
    MultiStatusRequest,
    OrderRefillStatusRequest,
    RefillRequest,
    RefillStatusRequest,
    Reply,
    Request,
    ServicesRequest,
    StatusRequest,
)
from gateway.core.user import User


async def answer(desk: Desk, user: User, request: Request, *, gone: asyncio.Task[None] | None = None) -> Reply:
    """Do what a user asks; every refusal that the API can express is a reply, not an exception.

    `gone` is done once the caller has left: then nothing is waited for any more on its behalf.

    Raises StoreError when the books cannot be reached; the caller of the API then gets ``Service temporarily
    unavailable``.
    """
    match request:
        case AddRequest():
            return await add(desk, user, request, gone=gone)
        case StatusRequest():
            return await status(desk, user, request)
        case MultiStatusRequest():
            return await multi_status(desk, user, request)
        case RefillRequest():
            return await refill(desk, user, request)
        case MultiRefillRequest():
            return await multi_refill(desk, user, request)
        case RefillStatusRequest() | OrderRefillStatusRequest():
            return await refill_status(desk, user, request)
        case MultiRefillStatusRequest():
            return await multi_refill_status(desk, user, request)
        case CancelRequest():
            return await cancel(desk, user, request)
        case MultiCancelRequest():
            return await multi_cancel(desk, user, request)
        case BalanceRequest():
            return await balance(desk, user)
        case ServicesRequest():
            raise AssertionError("services is answered from bytes rendered before (gateway/actions/services.py)")
