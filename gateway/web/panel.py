"""The one endpoint that users call: raw bytes in, the protocol's reply out, and nothing between that costs more.

Always HTTP 200 for what the panel protocol can say, errors included, because many clients throw on anything else before
they read `error`. 413 is for a body over the cap, 408 for one that does not come, 405 for a method nobody uses, 429
for an address that comes with wrong keys again and again, 503 while the books cannot be reached or the process is on
its way out.
"""

import asyncio
import os
import time
from collections.abc import Iterable
from functools import partial
from typing import Final

import msgspec
import structlog
from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from gateway.actions.answer import answer
from gateway.actions.authenticate import KeyRing
from gateway.actions.desk import Desk
from gateway.actions.services import rendered_services
from gateway.actions.snapshot import Rendered
from gateway.actions.spent import start_counting, told_error
from gateway.actions.status import order_id
from gateway.core.error_type import ErrorType, of_text
from gateway.core.errors import (
    TEXT_INCORRECT_REQUEST,
    TEXT_INVALID_KEY,
    TEXT_TOO_MANY_REQUESTS,
    TEXT_UNAVAILABLE,
    RequestError,
)
from gateway.core.fields import BODY_MAX, QUERY_MAX, HttpRequest, key_of, read_fields
from gateway.core.messages import (
    Action,
    AddReply,
    AddRequest,
    CancelRequest,
    ErrorReply,
    OrderRefillStatusRequest,
    RefillRequest,
    Request,
    ServicesRequest,
    StatusRequest,
    action_of,
)
from gateway.core.replies import write_reply
from gateway.core.requests import read_action
from gateway.core.user import User
from gateway.points import point
from gateway.store.engine import StoreError
from gateway.store.orders import answered
from gateway.tracing import Kind, Span, hears_callers, trace
from gateway.web.callers import Callers

log = structlog.get_logger(__name__)

# The endpoint and its alias (Q4); Litestar takes each with and without a slash at its end.
PATHS: Final = ("/api/v2", "/api/v1")
RETRY_AFTER: Final = b"5"  # seconds, with a 503
# A body that is not here whole after so long is not waited for: at a byte a second the largest would take three days.
BODY_SECONDS: Final = 10.0
# Between handing an answer to granian and believing that it is out. Granian 2.8.7 returns from a send before its own
# thread has written: killed right then, it left eleven callers of twelve without the answer; 50 ms later, none.
# Believed too late is harmless, too soon orders twice: the caller comes again, and nothing says it is the same wish.
ANSWER_OUT_SECONDS: Final = 1.0

_JSON: Final = (b"content-type", b"application/json")
_CLOSE: Final = (b"connection", b"close")
_UNAVAILABLE: Final = write_reply(ErrorReply(TEXT_UNAVAILABLE))
_TOO_LARGE: Final = write_reply(ErrorReply(TEXT_INCORRECT_REQUEST))
_TOO_MANY: Final = write_reply(ErrorReply(TEXT_TOO_MANY_REQUESTS))
_INVALID_KEY: Final = write_reply(ErrorReply(TEXT_INVALID_KEY))


class _Left(Exception):
    """The caller is gone before its body was whole."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent back, and what is counted of it."""

    body: bytes
    outcome: str  # one of metrics.REQUEST_OUTCOMES
    status: int = 200
    error: ErrorType | None = None  # what went wrong
    headers: tuple[tuple[bytes, bytes], ...] = ()
    action: Action | None = None
    user: User | None = None
    order_id: int | None = None  # of an add: whether this answer arrives decides what a repeated add means
    about: int | None = None  # of anything else: the one order it is about, by the caller's word
    gone: asyncio.Task[None] | None = None  # of an add: done once the caller has closed the connection


def panel_endpoint(desk: Desk, keys: KeyRing, callers: Callers) -> ASGIRouteHandler:
    """The route handler of the endpoint."""
    endpoint = Endpoint(desk, keys, callers)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await endpoint.serve(scope, receive, send)

    return asgi(list(PATHS), copy_scope=False)(serve)


class Endpoint:
    """Answers requests of the panel protocol."""

    def __init__(self, desk: Desk, keys: KeyRing, callers: Callers) -> None:
        self._desk = desk
        self._keys = keys
        self._callers = callers

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        with _traced(scope) as told:
            await self._serve(scope, receive, send, told=told)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, *, told: Span) -> None:
        started = time.perf_counter()
        spent = start_counting()
        request_id = os.urandom(8).hex()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            answer_to_send = await self._answer(scope, receive)
        except Exception:  # The outermost handler: whatever it was, the caller gets an answer and we get the traceback.
            log.exception("request_broke")
            answer_to_send = Answered(body=_UNAVAILABLE, outcome="broken", status=500, error=ErrorType.GATEWAY_BROKEN)
        # Granian says when a caller hangs up, but a send to one who did raises nothing (measured with 2.8.7).
        there = answer_to_send.gone is None or not answer_to_send.gone.done()
        heard = False
        try:
            point("before", "ANSWER")
            # Left open, the connection would be closed at the moment its caller sends the next order on it.
            last = (_CLOSE,) if self._desk.leaving and _CLOSE not in answer_to_send.headers else ()
            await _send(send, answer_to_send, request_id, more=last)
            point("after", "ANSWER")
            heard = there
        except OSError as error:
            log.info("answer_unheard", error=str(error))
        finally:
            if answer_to_send.gone is not None:
                answer_to_send.gone.cancel()
            if answer_to_send.order_id is not None and answer_to_send.user is not None:
                _note_answer(self._desk, answer_to_send.order_id, answer_to_send.user.id, heard=heard)
            seconds = time.perf_counter() - started
            self._desk.metrics.request_answered(
                answer_to_send.action,
                answer_to_send.outcome,
                seconds=seconds,
                waited=spent.waited,
                error=answer_to_send.error,
            )
            _log(answer_to_send, seconds)
            if told.recording:
                _tell(told, scope, answer_to_send, request_id=request_id)
            structlog.contextvars.unbind_contextvars("request_id")

    async def _answer(self, scope: Scope, receive: Receive) -> Answered:
        method = str(scope.get("method", ""))
        if method not in ("GET", "POST"):
            allow = ((b"allow", b"GET, POST"),)
            return Answered(body=_TOO_LARGE, outcome="error", status=405, headers=allow, error=ErrorType.CALLER_METHOD)
        headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        query = bytes(scope.get("query_string", b""))
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read_body(receive, scope["headers"]) if len(query) <= QUERY_MAX else None
        except TimeoutError:
            return _broken_off("error", status=408, error=ErrorType.CALLER_TOO_SLOW)
        except _Left:  # Half a body is no wish: `quantity=100` may have been going to be `quantity=10000`.
            return _broken_off("error", status=400, error=ErrorType.CALLER_LEFT)
        if body is None:
            return _broken_off("too_large", status=413, error=ErrorType.CALLER_TOO_LARGE)
        http = HttpRequest(method=method, query=query, headers=tuple(headers), body=body)
        try:
            fields = read_fields(http)
            key, caller = key_of(fields), self._callers.address(scope)
            away = self._callers.seconds_away(caller)
            if away and not self._keys.knows(key):
                return _too_many(away)
            user = await self._keys.user_of(key)
            if user is None:
                away = await self._callers.wrong_key(caller)
                if away:
                    return _too_many(away)
                return Answered(body=_INVALID_KEY, outcome="unauthorized", error=ErrorType.CALLER_KEY)
            request = read_action(fields, escaped_newlines=user.dialect.escaped_newlines)
        except RequestError as error:
            return Answered(body=write_reply(ErrorReply(error.text)), outcome="error", error=of_text(error.text))
        except StoreError as error:
            log.warning("store_away", error=str(error))
            return _unavailable(None)
        gone = asyncio.create_task(_hung_up(receive)) if isinstance(request, AddRequest) else None
        return msgspec.structs.replace(await self._act(user, request, http, gone=gone), gone=gone)

    async def _act(
        self, user: User, request: Request, http: HttpRequest, *, gone: asyncio.Task[None] | None
    ) -> Answered:
        action = action_of(request)
        try:
            if isinstance(request, ServicesRequest):
                return _services(await rendered_services(self._desk, user), http, user)
            reply = await answer(self._desk, user, request, gone=gone)
        except StoreError as error:
            log.warning("store_away", error=str(error))
            return _unavailable(action)
        placed = int(reply.order) if isinstance(request, AddRequest) and isinstance(reply, AddReply) else None
        return Answered(
            body=write_reply(reply, user.dialect),
            outcome="error" if isinstance(reply, ErrorReply) else "ok",
            error=(told_error() or of_text(reply.error)) if isinstance(reply, ErrorReply) else None,
            action=action,
            user=user,
            order_id=placed,
            about=_about(request),
        )


def _about(request: Request) -> int | None:
    """The one order a request is about, if it is about one."""
    match request:
        case StatusRequest() | CancelRequest() | RefillRequest() | OrderRefillStatusRequest():
            return order_id(request.order) or None
        case _:
            return None


def _services(rendered: Rendered | ErrorReply, http: HttpRequest, user: User) -> Answered:
    """The list as bytes made before; compressed, or not at all when the caller has it already."""
    if isinstance(rendered, ErrorReply):
        # Refused only while nothing is on sale yet.
        return Answered(
            body=write_reply(rendered),
            outcome="error",
            action=Action.SERVICES,
            user=user,
            error=ErrorType.GATEWAY_STARTING,
        )
    headers = {name.lower(): value for name, value in http.headers}
    tag = rendered.etag.encode()
    about = ((b"etag", tag), (b"vary", b"accept-encoding"))
    if tag in headers.get(b"if-none-match", b""):
        return Answered(body=b"", outcome="ok", status=304, headers=about, action=Action.SERVICES, user=user)
    if b"gzip" in headers.get(b"accept-encoding", b""):
        gzip = (*about, (b"content-encoding", b"gzip"))
        return Answered(body=rendered.gzip, outcome="ok", headers=gzip, action=Action.SERVICES, user=user)
    return Answered(body=rendered.plain, outcome="ok", headers=about, action=Action.SERVICES, user=user)


def _too_many(seconds: int) -> Answered:
    retry = ((b"retry-after", str(seconds).encode()),)
    return Answered(body=_TOO_MANY, outcome="limited", status=429, headers=retry, error=ErrorType.POLICY_LIMITED)


def _unavailable(action: Action | None) -> Answered:
    retry = ((b"retry-after", RETRY_AFTER),)
    return Answered(
        body=_UNAVAILABLE,
        outcome="unavailable",
        status=503,
        headers=retry,
        action=action,
        error=ErrorType.GATEWAY_BOOKS,
    )


def _broken_off(outcome: str, *, status: int, error: ErrorType) -> Answered:
    """The answer to what is not read to its end."""
    return Answered(body=_TOO_LARGE, outcome=outcome, status=status, headers=(_CLOSE,), error=error)


async def _read_body(receive: Receive, headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The whole body, or None when it is over the cap; nothing of a body announced as too large is read.

    Raises _Left when the rest of it will never come.
    """
    for name, value in headers:
        if name == b"content-length" and (not value.isdigit() or int(value[:20]) > BODY_MAX):
            return None
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _Left
        part = message.get("body", b"")
        size += len(part)
        if size > BODY_MAX:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _hung_up(receive: Receive) -> None:
    """Return once the caller has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(
    send: Send, answer_to_send: Answered, request_id: str, *, more: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    length = (b"content-length", str(len(answer_to_send.body)).encode())
    headers = [_JSON, length, (b"x-request-id", request_id.encode()), *answer_to_send.headers, *more]
    await send({"type": "http.response.start", "status": answer_to_send.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer_to_send.body, "more_body": False})


def _note_answer(desk: Desk, order_id: int, user_id: int, *, heard: bool) -> None:
    """Keep whether the caller has the order's id; best effort, in its own time (RELIABILITY.md section 1.4, A11)."""
    desk.spawn(_keep_answer(desk, order_id, user_id, heard=heard), name=f"answered:{order_id}")


async def _keep_answer(desk: Desk, order_id: int, user_id: int, *, heard: bool) -> None:
    if heard:
        await asyncio.sleep(ANSWER_OUT_SECONDS)
    await desk.store.run(partial(answered, order_id, user_id, heard=heard, now=desk.clock()))


def _traced(scope: Scope) -> Span:
    """The span of a request; whether a caller's `traceparent` counts is the operator's word."""
    caller = b""
    if hears_callers():
        caller = next((value for name, value in scope["headers"] if name.lower() == b"traceparent"), b"")
    return trace("request", Kind.SERVER, caller=caller)


def _tell(told: Span, scope: Scope, sent: Answered, *, request_id: str) -> None:
    """What a request's span says: whose it was, what it wanted, what became of it; nothing that the caller wrote."""
    method, path = str(scope.get("method", "")), str(scope.get("path", "")).rstrip("/")
    method = method if method in ("GET", "POST") else "_OTHER"
    told.rename(f"{method} {path if sent.action is None else sent.action.value}")
    told.note(
        method=method,
        route=path,
        status=sent.status,
        action=sent.action,
        outcome=sent.outcome,
        error_type=sent.error,
        user=None if sent.user is None else str(sent.user.id),
        order=sent.order_id or sent.about,
        request_id=request_id,
    )


def _log(sent: Answered, seconds: float) -> None:
    """One line a request; reads are only told at debug level, they come by the hundred."""
    tell = (
        log.debug
        if sent.outcome == "ok" and sent.action not in (Action.ADD, Action.CANCEL, Action.REFILL)
        else log.info
    )
    tell(
        "request",
        action=None if sent.action is None else sent.action.value,
        outcome=sent.outcome,
        error_type=sent.error,
        status=sent.status,
        user=None if sent.user is None else sent.user.name,
        order_id=sent.order_id or sent.about,
        ms=round(seconds * 1000, 2),
    )
