"""The client of one provider: ask it something, tell it something, or place an order, each within its limits.

Three ways, three rules (RELIABILITY.md section 1.7). *Ask* is for reads: kept-alive connections, retried. *Tell* is
for `refill` and `cancel`: once, on a fresh connection. *Place* is for `add`: once, on a fresh connection, armed in
the store right before the first byte, judged by evidence. Nothing raises for what the world does; it is answered as a
value.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Final, Protocol, TypeVar

import msgspec
import structlog

from gateway.core.answers import read_reply
from gateway.core.dialects import Mark
from gateway.core.error_type import ErrorType, of_outcome
from gateway.core.exchange import Exchange, exchange_of
from gateway.core.fields import HttpRequest
from gateway.core.messages import (
    Action,
    AddRequest,
    ErrorReply,
    Reply,
    Request,
    ServicesRequest,
    Unreadable,
    action_of,
)
from gateway.core.outcome import Evidence, NotSent, Rejected, Unknown, classify_add, error_text
from gateway.core.rejections import RejectKind, error_kind, recognised
from gateway.core.requests import write_request
from gateway.core.retry_after import rest_ms
from gateway.core.unclassified import error_texts
from gateway.providers.breaker import Breaker, BreakerState
from gateway.providers.heard import Heard
from gateway.providers.limits import HOUSE, Gate, NoTurn, Pacer
from gateway.providers.pulse import Pulse
from gateway.providers.retry import Budget, retry_read
from gateway.providers.said import Answered, Failed, Fenced, what_failed
from gateway.providers.strike import Strike
from gateway.providers.told import call_span, tell_exchange, tell_outcome
from gateway.providers.upstream import REPLY_BYTES_MAX, SERVICES_BYTES_MAX, Upstream
from gateway.providers.wire import Closed, Fence, Limits, Opening, exchange, open_transport, tls_context
from gateway.tracing import trace_id

log = structlog.get_logger(__name__)

_REDIRECTS: Final = range(300, 400)
_CLIENT_ERRORS: Final = 400
_BUSY: Final = (408, 425, 429)
_SERVER_ERRORS: Final = 500
_LONG_BYTES: Final = 64 * 1024
_TEXTS: Final = ("text", "error", "why", "excerpt")  # where an answer keeps a panel's own words
# The two kinds of calls that fail apart: what moves money, and reads.
ORDERS: Final = "orders"
READS: Final = "reads"
# Reads of one provider at once: the poller, the balance, the list, and one to spare.
READS_MAX: Final = 4

T = TypeVar("T")


class Observer(Protocol):
    """Who is told of calls; the metrics are one."""

    def upstream_call(self, provider: str, action: Action, error: ErrorType | None, *, seconds: float) -> None:
        """A provider was called, or spared a call; `error` is what went wrong."""
        ...

    def upstream_retry(self, provider: str) -> None:
        """A read is asked again."""
        ...

    def breaker_is(self, provider: str, kind: str, state: BreakerState) -> None:
        """The breaker for `orders` or for `reads` has another state."""
        ...


class ProviderClient:
    """One provider's client; to be closed when the provider leaves."""

    def __init__(self, upstream: Upstream, observer: Observer, *, opening: Opening = open_transport) -> None:
        self.upstream = upstream
        self._observer = observer
        self._opening = opening
        self._tls = tls_context(upstream)
        self._reader = opening(upstream, connections=READS_MAX + 2, keep=True, tls=self._tls)
        pacer = Pacer(upstream.requests_per_second)
        self._reads = Gate(READS_MAX, pacer)
        self._orders = Gate(upstream.concurrency, pacer)
        self._budget = Budget()
        self._strike = Strike(upstream.key)
        self._breakers = {kind: Breaker(_jitter) for kind in (ORDERS, READS)}
        for kind in self._breakers:
            observer.breaker_is(upstream.name, kind, BreakerState.CLOSED)
        self._away = False  # the last look was not answered
        self._rests_until = 0.0  # by the clock that never jumps: so long it asked for no reads
        self.pulse = Pulse()
        self.heard = Heard()  # errors that nobody has classified, on their way to the books
        self.classified: Mapping[str, RejectKind | None] = {}  # the books' own: by pattern, what a person said of it
        self._under_way: set[asyncio.Task[Evidence]] = set()  # reads that go on though nobody may wait for them

    async def aclose(self) -> None:
        """End reads that nobody waits for any more, and close what is kept alive."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._reader.aclose()

    @property
    def tripped(self) -> bool:
        """Whether orders had better go to another provider: its breaker for them is not closed."""
        return self._breakers[ORDERS].tripped

    @property
    def reads_tripped(self) -> bool:
        """Whether reads had better not be made: from here the provider is not reached, or it asked to be left alone."""
        return self._breakers[READS].tripped or self._resting

    @property
    def _resting(self) -> bool:
        return time.monotonic() < self._rests_until

    def meaning(self, text: str) -> RejectKind | None:
        """What an error of this provider says, by its file, by a person's word, or by the table; None: nothing."""
        return error_kind(text, self.upstream.errors, self.classified)

    async def probe(self) -> None:
        """Ask for a sign of life if a breaker's time is over: it moves nothing, and says whether others may follow."""
        clock = asyncio.get_running_loop().time
        due = {kind: breaker for kind, breaker in self._breakers.items() if breaker.due(clock())}
        if not due or self._resting:
            return
        good = False
        try:
            for breaker in due.values():
                breaker.trying()
            good = not isinstance(await self._ask_once(self.upstream.sign_of_life), Failed)
        finally:
            for kind, breaker in due.items():
                breaker.tried(good=good, now=clock())
                self._tell_breaker(kind, breaker)

    async def look(self) -> Reply | Unreadable | Failed:
        """Ask for a sign of life, once even while reads are spared: whoever mends a provider wants to see it soon.

        One that did not answer the last look and answers this one is back, and breakers that opened meanwhile close
        before their time. One that answered all along, while other calls failed, is spared as long as they say.
        """
        request = self.upstream.sign_of_life
        if self._resting:
            return self._refused(request)
        tripped = self._breakers[READS].tripped
        said = await (self._ask_once(request, judged=False) if tripped else self.ask(request))
        answered = not isinstance(said, Failed)
        if answered and self._away:
            for kind, breaker in self._breakers.items():
                if breaker.state is BreakerState.OPEN:
                    breaker.tried(good=True, now=asyncio.get_running_loop().time())
                    self._tell_breaker(kind, breaker)
        self._away = not answered
        return said

    async def ask(self, request: Request) -> Reply | Unreadable | Failed:
        """Read something, up to three times; any of the answers may be no news."""
        if self.reads_tripped:
            return self._refused(request)
        return await retry_read(
            lambda: self._ask_once(request),
            self._budget,
            lambda: self._observer.upstream_retry(self.upstream.name),
        )

    async def tell(self, request: Request, *, user: int = HOUSE) -> Reply | Unreadable | Failed:
        """Ask for a refill or a cancel, once; a Failed that was sent may have been heard."""
        if self.tripped:
            return self._refused(request)
        began = asyncio.get_running_loop().time()
        evidence = None
        with call_span(self.upstream, action_of(request)):
            try:
                async with self._orders.turn(user):
                    evidence = await self._on_fresh(request, fence=_open_fence)
                self._judge(ORDERS, evidence)
                said = self._said(request, evidence)
            except NoTurn as error:
                said = Failed(why=str(error), sent=False)
            self._count(action_of(request), what_failed(said, evidence, self.meaning), began)
        self._listen(action_of(request), *error_texts(said))
        return said

    async def place(
        self,
        request: AddRequest,
        arm: Callable[[], Awaitable[bool]],
        *,
        now: int,
        mark: Mark | None = None,
        user: int = HOUSE,
    ) -> Answered | Fenced:
        """Hand over one order; `now`, in ms since the epoch, is kept with what is observed, `mark` may be sent with it.

        While others wait as well, turns are dealt by `user`.

        `arm` commits the right to send it, right before the first byte; where it answers False nothing is sent and
        the answer is Fenced; where it raises nothing is sent either, and the answer says so. A caller that is cancelled
        meanwhile gets CancelledError once arming has ended, and no verdict: what was armed is in doubt.
        """

        async def fence() -> None:
            if not await arm():
                raise Closed

        with call_span(self.upstream, Action.ADD) as told:
            try:
                return await self._place(request, fence, now=now, mark=mark, user=user)
            except Closed:
                told.note(outcome="fenced")
                return Fenced()

    async def _place(self, request: AddRequest, fence: Fence, *, now: int, mark: Mark | None, user: int) -> Answered:
        began = asyncio.get_running_loop().time()
        try:
            async with self._orders.turn(user):
                evidence = self._struck(await self._on_fresh(request, fence=fence, mark=mark))
            self._judge(ORDERS, evidence)
            there = self.upstream
            judged = classify_add(
                evidence, there.errors, there.dialect, policy=there.policy, classified=self.classified
            )
            outcome = self._without_key(judged)
            if isinstance(outcome, Rejected | Unknown):
                self._listen(Action.ADD, error_text(evidence))
            failed = of_outcome(outcome, status=evidence.status, whole=evidence.complete)
            kept = self._kept(request, evidence, at=now)
            said = Answered(outcome=outcome, exchange=kept, error=failed)
        except NoTurn as error:
            failed = ErrorType.POLICY_BUSY
            said = Answered(outcome=NotSent(str(error)), error=failed)
        self._count(Action.ADD, failed, began)
        return said

    async def _ask_once(self, request: Request, *, judged: bool = True) -> Reply | Unreadable | Failed:
        with call_span(self.upstream, action_of(request)):
            return await self._read_once(request, judged=judged)

    async def _read_once(self, request: Request, *, judged: bool) -> Reply | Unreadable | Failed:
        times = self.upstream.timeouts
        cap = SERVICES_BYTES_MAX if isinstance(request, ServicesRequest) else REPLY_BYTES_MAX
        limits = Limits(connect=times.connect, write=times.write, total=times.total_read, bytes_max=cap)
        began = asyncio.get_running_loop().time()
        evidence = None
        try:
            evidence = await self._undisturbed(self._on_kept(request, limits))
        except NoTurn as error:
            said: Reply | Unreadable | Failed = Failed(why=str(error), sent=False)
        else:
            if judged:
                self._judge(READS, evidence)
            self._heed(evidence)
            # A long list takes a tenth of a second to read; nobody else waits for that.
            long = len(evidence.body) > _LONG_BYTES
            said = await asyncio.to_thread(self._said, request, evidence) if long else self._said(request, evidence)
        self._count(action_of(request), what_failed(said, evidence, self.meaning), began)
        self._listen(action_of(request), *error_texts(said))
        return said

    async def _undisturbed(self, reading: Coroutine[object, object, Evidence]) -> Evidence:
        """What comes of a read that no cancelling can hurt.

        A call cancelled at the wrong moment leaves a slot in httpx's pool taken for ever (DESIGN.md section 10), so
        it goes on to its own deadline.
        """
        task = asyncio.create_task(reading)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _on_kept(self, request: Request, limits: Limits) -> Evidence:
        async with self._reads.turn():
            return tell_exchange(await exchange(self._reader, self.upstream, self._written(request), limits=limits))

    async def _on_fresh(self, request: Request, *, fence: Fence, mark: Mark | None = None) -> Evidence:
        """One exchange on a connection of its own: nothing sent on it can meet a server's idle close."""
        times = self.upstream.timeouts
        limits = Limits(connect=times.connect, write=times.write, total=times.total, bytes_max=REPLY_BYTES_MAX)
        transport = self._opening(self.upstream, connections=1, keep=False, tls=self._tls)
        try:
            written = self._written(request, mark)
            return tell_exchange(await exchange(transport, self.upstream, written, limits=limits, fence=fence))
        finally:
            await transport.aclose()

    def _written(self, request: Request, mark: Mark | None = None) -> HttpRequest:
        return write_request(request, self.upstream.key, self.upstream.dialect, mark=mark)

    def _said(self, request: Request, evidence: Evidence) -> Reply | Unreadable | Failed:
        return self._without_key(self._read(request, self._struck(evidence)))

    def _read(self, request: Request, evidence: Evidence) -> Reply | Unreadable | Failed:
        """What the evidence of a read, a refill or a cancel says: the body first, then the status (Q66)."""
        if evidence.status is None or not evidence.complete:
            return Failed(why=evidence.failure or "the answer broke off", sent=evidence.sent, passing=True)
        if evidence.status in _REDIRECTS:
            where = f"redirected to {evidence.location}: configure that address"
            return Failed(why=f"HTTP {evidence.status}, {where}", sent=True)
        if evidence.status in _BUSY or evidence.status >= _SERVER_ERRORS:
            return Failed(why=f"HTTP {evidence.status}", sent=True, passing=not self._resting)
        said = read_reply(request, evidence.body, self.upstream.dialect)
        if evidence.status >= _CLIENT_ERRORS and not isinstance(said, ErrorReply):
            return Failed(why=f"HTTP {evidence.status}", sent=True)
        return said

    def _struck(self, evidence: Evidence) -> Evidence:
        """The evidence without our key, which panels have been seen to repeat (Q88)."""
        return msgspec.structs.replace(
            evidence,
            body=self._strike.body(evidence.body),
            url=self._strike.text(evidence.url),
            location=self._strike_header(evidence.location),
            content_type=self._strike_header(evidence.content_type),
            retry_after=self._strike_header(evidence.retry_after),
            failure=self._strike.text(evidence.failure),
        )

    def _listen(self, action: Action, *texts: str | None) -> None:
        """Note what is not known yet, without our key."""
        for text in texts:
            struck = self._strike.text(text or "")
            if struck and not recognised(struck, self.upstream.errors, self.classified):
                self.heard.note(action, struck)

    def _strike_header(self, value: str | None) -> str | None:
        return None if value is None else self._strike.text(value)

    def _kept(self, request: AddRequest, evidence: Evidence, *, at: int) -> Exchange:
        """What the books keep of an exchange; escapes that hid the key in the body are gone from its text."""
        kept = exchange_of(request.service, request.fields, evidence, at=at, trace=trace_id())
        asked = tuple((name, self._strike.text(value)) for name, value in kept.asked)
        return msgspec.structs.replace(kept, asked=asked, body=self._strike.text(kept.body))

    def _without_key(self, said: T) -> T:
        """The same, once more: escapes that hid the key in the body are gone from what was read."""
        match said:
            case Rejected() | ErrorReply() | Unknown() | NotSent() | Failed() | Unreadable():
                texts = {name: value for name in _TEXTS if isinstance(value := getattr(said, name, None), str)}
                return msgspec.structs.replace(said, **{name: self._strike.text(text) for name, text in texts.items()})
            case _:
                return said

    def _judge(self, kind: str, evidence: Evidence) -> None:
        """Tell a breaker how a call went: a connection that did not stand and a 5xx are bad, a silence is nothing."""
        breaker = self._breakers[kind]
        before = breaker.state
        # A balance that is asked for while a breaker tries is judged by who asked.
        if before is BreakerState.TRYING:
            return
        connected = evidence.sent or evidence.timing.fence is not None
        if not connected or (evidence.status is not None and evidence.status >= _SERVER_ERRORS):
            breaker.failed(asyncio.get_running_loop().time())
        elif evidence.status is not None:
            breaker.succeeded()
        if breaker.state is not before:
            self._tell_breaker(kind, breaker)

    def _tell_breaker(self, kind: str, breaker: Breaker) -> None:
        """Count and log the state a breaker has now."""
        self._observer.breaker_is(self.upstream.name, kind, breaker.state)
        log.warning("breaker_turned", provider=self.upstream.name, kind=kind, state=breaker.state)

    def _heed(self, evidence: Evidence) -> None:
        """Leave the provider's reads alone for as long as it says; what it says to an order is the dispatcher's."""
        rest = rest_ms(evidence.status, evidence.retry_after, now=time.time_ns() // 1_000_000)
        if rest is not None:
            self._rests_until = time.monotonic() + rest / 1000

    def _refused(self, request: Request) -> Failed:
        """The answer in place of a call that is spared a provider whose breaker is open, or that rests."""
        self._observer.upstream_call(self.upstream.name, action_of(request), ErrorType.POLICY_SPARED, seconds=0.0)
        why = "it asked to be left alone" if self._resting else "it failed again and again; the breaker is open"
        return Failed(why=why, sent=False)

    def _count(self, action: Action, error: ErrorType | None, began: float) -> None:
        seconds = asyncio.get_running_loop().time() - began
        tell_outcome(error)
        self.pulse.note(action, error)
        self._observer.upstream_call(self.upstream.name, action, error, seconds=seconds)


def _jitter() -> float:
    return random.uniform(-1, 1)  # noqa: S311 - no secrecy here


async def _open_fence() -> None:
    """For what is sent once but has no attempt to arm."""
