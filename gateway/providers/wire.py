"""One HTTP exchange with a provider: bytes out under limits, evidence back.

The fence is the `trace` hook: httpcore calls it before it writes the first header, after TCP and TLS stand. Only that
event tells what may have been heard; the class of an exception tells nothing (measured: ReadError happens before,
during and after processing, RELIABILITY.md section 1.5). httpx's transport is spoken to directly, so nothing follows a
redirect, reads a proxy from the environment, re-sends, or decodes a compressed bomb. Nobody else knows httpx.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, Final, Protocol

import httpcore
import httpx

from gateway.core.fields import HttpRequest
from gateway.core.outcome import Evidence, Timing
from gateway.points import point
from gateway.providers.addresses import GuardedBackend
from gateway.providers.upstream import Upstream

# httpx logs whole URLs, which may carry our key, at INFO.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# Between the commit that arms an attempt and its first byte; a process that was stopped there for longer must not send.
ARMED_SECONDS_MAX: Final = 5.0
# Connections kept for reads beside those in use; panels close theirs after a minute at most.
KEEPALIVE_MAX: Final = 4
KEEPALIVE_SECONDS: Final = 30.0
# Headers of an answer that say something beside its status.
KEPT_HEADERS: Final = ("location", "content-type", "retry-after")
_HEADERS_BEGIN: Final = "send_request_headers.started"

Fence = Callable[[], Awaitable[None]]


class SecondSend(Exception):
    """A library tried to send a request once more; it must not."""


class LateArm(Exception):
    """Armed too long ago, or who knows whether: somebody may have judged the attempt meanwhile, so it is not sent."""


class Closed(Exception):
    """The fence stays closed: not one byte may leave."""


def open_transport(
    upstream: Upstream, *, connections: int, keep: bool, tls: ssl.SSLContext
) -> httpx.AsyncHTTPTransport:
    """A transport for one provider; `keep` says whether connections are used again."""
    transport = httpx.AsyncHTTPTransport(verify=tls, trust_env=False, retries=0, http1=True, http2=False)
    # httpx has no way to hand over a network backend; its pool is replaced by the same one with ours. The version is
    # pinned below the next minor one, and tests/providers/test_addresses.py fails should this stop working.
    transport._pool = httpcore.AsyncConnectionPool(  # noqa: SLF001 - see above
        ssl_context=tls,
        max_connections=connections,
        max_keepalive_connections=KEEPALIVE_MAX if keep else 0,
        keepalive_expiry=KEEPALIVE_SECONDS if keep else 0.0,
        retries=0,
        http1=True,
        http2=False,
        network_backend=GuardedBackend(allow_private=upstream.allow_private),
    )
    return transport


class Opening(Protocol):
    """Makes a transport for one provider: httpx's own, `open_transport`, or another that passes the same misdeeds."""

    def __call__(
        self, upstream: Upstream, *, connections: int, keep: bool, tls: ssl.SSLContext
    ) -> httpx.AsyncBaseTransport:
        """See `open_transport`."""
        ...


def tls_context(upstream: Upstream) -> ssl.SSLContext:
    """TLS as verified by default; a provider's opt-out is its own."""
    return _tls_context(upstream.verify_tls)


@lru_cache(maxsize=2)  # Reading the authorities takes 25 ms, and providers and the self-test share what is read.
def _tls_context(verify: bool) -> ssl.SSLContext:  # noqa: FBT001 - the cache's key
    return httpx.create_ssl_context(verify=verify, trust_env=False)


async def exchange(
    transport: httpx.AsyncBaseTransport,
    upstream: Upstream,
    http: HttpRequest,
    *,
    limits: "Limits",
    fence: Fence | None = None,
) -> Evidence:
    """Send one request and gather what can be known of it; never raises for the world's faults.

    `fence` is awaited once, right before the first byte, and to its end even if the deadline passes or the caller is
    cancelled. If it raises, nothing is sent; raises only Closed, which the fence itself raised.
    """
    seen = _Seen(fence, limits.armed_max)
    address = upstream.url + (("&" if "?" in upstream.url else "?") + http.query.decode() if http.query else "")
    failure, complete = "", False
    try:
        async with asyncio.timeout(limits.total):
            request = _request(http, address, limits, seen=seen)
            response = await transport.handle_async_request(request)
            try:
                await _read(response, seen, limits.bytes_max)
                complete = True
            finally:
                await response.aclose()
    except (Closed, SecondSend, LateArm) as error:
        failure = str(error)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError, OSError) as error:
        failure = _in_words(error, limits)
    except (ValueError, UnicodeError, TypeError) as error:  # h11 and idna on a URL or header that cannot be sent.
        failure = _in_words(error, limits)
    if seen.closed:
        raise Closed
    seen.reached("ended")
    return Evidence(
        sent=seen.sent,
        status=seen.status,
        body=bytes(seen.body),
        complete=complete,
        framed=seen.framed,
        location=seen.headers.get("location"),
        content_type=seen.headers.get("content-type"),
        retry_after=seen.headers.get("retry-after"),
        timing=Timing(**seen.timing),
        url=address,
        failure=seen.failure or failure,
    )


class Limits:
    """How long one exchange may take, and how much may come back."""

    def __init__(
        self,
        *,
        connect: float,
        write: float,
        total: float,
        bytes_max: int,
        armed_max: float = ARMED_SECONDS_MAX,
    ) -> None:
        self.connect = connect  # seconds
        self.write = write
        self.total = total
        self.armed_max = armed_max
        self.bytes_max = bytes_max


class TooLarge(httpx.StreamError):
    """An answer went over its cap; the rest was not read."""


class _Seen:
    """What was observed so far, and the hook that observes it."""

    def __init__(self, fence: Fence | None, armed_max: float) -> None:
        self.sent = False
        self.closed = False  # the fence was asked and said no, by Closed
        self.failure = ""  # why arming failed, where it did
        self.status: int | None = None
        self.body = bytearray()
        self.framed = False
        self.headers: dict[str, str] = {}  # those of KEPT_HEADERS that came
        self.timing: dict[str, int] = {}
        self.fence = fence
        self._armed_max = armed_max
        self._began = asyncio.get_running_loop().time()

    def reached(self, phase: str) -> None:
        """Note when a phase was reached."""
        self.timing[phase] = int((asyncio.get_running_loop().time() - self._began) * 1000)

    async def trace(self, event: str, info: dict[str, Any]) -> None:  # noqa: ARG002 - httpcore's signature
        """The hook of httpcore; only the moment before the first byte matters."""
        point("wire", event)
        if not event.endswith(_HEADERS_BEGIN):
            return
        if self.sent and self.fence is not None:
            raise SecondSend("the request would have been sent twice")
        self.sent = True  # First: what is cut off while the store commits counts as sent.
        if self.fence is not None:
            self.reached("fence")
            await self._arm(self.fence)
            self.reached("armed")
            point("armed", event)

    async def _arm(self, fence: Fence) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        arming = asyncio.ensure_future(fence())
        try:
            await asyncio.wait({arming})  # Which leaves the arming alone when it is cancelled itself.
        except asyncio.CancelledError:
            await asyncio.wait({arming})  # A verdict must not overtake the arming.
            self._note(arming)
            raise
        self._note(arming)
        if not self.sent:
            raise Closed
        if arming.cancelled():
            raise LateArm("arming was cut off")
        if loop.time() - began > self._armed_max:
            raise LateArm(f"arming took longer than {self._armed_max:g} s")

    def _note(self, arming: asyncio.Future[None]) -> None:
        """An arming that failed is proof that nothing was sent; one that was cut off may have been committed."""
        problem = None if arming.cancelled() else arming.exception()
        if problem is not None:
            self.sent = False
            self.closed = isinstance(problem, Closed)
            self.failure = f"arming failed: {type(problem).__name__}: {problem}"


def _request(http: HttpRequest, address: str, limits: Limits, *, seen: "_Seen") -> httpx.Request:
    headers = [*http.headers, (b"accept-encoding", b"identity"), (b"accept", b"application/json, */*")]
    if seen.fence is not None:
        headers.append((b"connection", b"close"))
    timeout = {"connect": limits.connect, "read": limits.total, "write": limits.write, "pool": limits.connect}
    return httpx.Request(
        http.method,
        address,
        headers=headers,
        content=http.body if http.method == "POST" else None,
        extensions={"trace": seen.trace, "timeout": timeout},
    )


async def _read(response: httpx.Response, seen: _Seen, bytes_max: int) -> None:
    """The head, then the body as it came, up to the cap."""
    seen.status = response.status_code
    seen.reached("answered")
    seen.headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    chunked = "chunked" in response.headers.get("transfer-encoding", "").lower()
    seen.framed = chunked or "content-length" in response.headers
    async for part in response.aiter_raw():
        if len(seen.body) + len(part) > bytes_max:
            raise TooLarge(f"more than {bytes_max} bytes")
        seen.body += part


def _in_words(error: Exception, limits: Limits) -> str:
    if isinstance(error, TimeoutError):
        return f"no whole answer within {limits.total:g} s"
    said = str(error) or _reason(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _reason(error: BaseException) -> str:
    """What an error was made from, in its words: httpx hands some on without any."""
    cause = error.__cause__ or error.__context__
    if cause is None:
        return ""
    return str(cause) or _reason(cause) or type(cause).__name__
