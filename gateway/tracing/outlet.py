"""The way out: finished spans become OpenTelemetry's, without any key, and go to a collector by OTLP over HTTP.

The one file that imports OpenTelemetry, and so the one that is not imported while tracing is off. A thread of its own
sends: a collector that is down, slow or wrong costs that thread's time and nobody else's. What waits is bounded; what
comes beyond it is dropped and counted. At the end what waits is sent within a limit, and the rest is let go of.

By type as by value nothing secret leaves: of a fact that is no plain value only its type's name is sent, and every
text goes through the net of the logs. All texts of a request go through it as one, and only where something was
struck out of that each goes alone: a net of hundreds of keys costs as much for a line as for a page.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from time import monotonic
from typing import Final

import requests
import structlog
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway.tracing.names import OURS_TO_MEND, plain_name
from gateway.tracing.span import Kind, Place, Recorded

log = structlog.get_logger(__name__)

# Spans that wait: some two hundred orders, a few MB.
WAITING_MAX: Final = 4096
# In one request. Turning a span into bytes takes some 60 µs, and the event loop waits for some of it.
BATCH_MAX: Final = 128
# So long spans are gathered.
GATHER_SECONDS: Final = 1.0
# So long a request may take, the library's own repeats included.
SEND_SECONDS: Final = 10.0
# Characters of a text; what explains a decision is longer than a name and shorter than this.
TEXT_MAX: Final = 1000

_KINDS: Final = {Kind.INTERNAL: SpanKind.INTERNAL, Kind.SERVER: SpanKind.SERVER, Kind.CLIENT: SpanKind.CLIENT}
_LIBRARY: Final = "opentelemetry"
Strike = Callable[[str], str]


class Outlet:
    """One way out; `put` is for any thread."""

    def __init__(
        self, url: str, headers: Mapping[str, str], *, about: Mapping[str, str], strike: Strike, version: str
    ) -> None:
        self.sent = 0
        self.failed = 0  # the collector did not take them
        self.dropped = 0  # too many waited
        self._strike = strike
        detected = {name: strike(str(value)) for name, value in OTELResourceDetector().detect().attributes.items()}
        self._resource = Resource({**about, **detected})
        self._scope = InstrumentationScope("gateway", version)
        self._heard = _hear_library()
        self._well = True  # what was sent last was taken
        # Nothing from the environment or ~/.netrc decides where spans go, and with which password.
        session = requests.Session()
        session.trust_env = False
        self._exporter = OTLPSpanExporter(
            endpoint=url,
            headers=dict(headers),
            timeout=SEND_SECONDS,
            compression=Compression.Gzip,
            session=session,
        )
        self._waiting: deque[Recorded] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="spans", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def look(self) -> str:
        """Send a request without a span in it, for whoever examines; why it was not taken, or nothing."""
        self._heard.first = ""
        taken = self._exporter.export([]) is SpanExportResult.SUCCESS
        return "" if taken else self._strike(self._heard.first)

    def put(self, span: Recorded) -> None:
        """Have a finished span sent, or drop it; waits for nothing."""
        with self._lock:
            if len(self._waiting) >= WAITING_MAX:
                self.dropped += 1
                return
            self._waiting.append(span)
            enough = len(self._waiting) >= BATCH_MAX
        if enough:
            self._wake.set()

    async def close(self, seconds: float) -> None:
        """Send what waits, at most so long; what is left then is dropped."""
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, seconds)
        with self._lock:
            left = len(self._waiting)
            self._waiting.clear()
            self.dropped += left
        if left:
            log.warning("spans_left", spans=left)
        # It ends a repeat that is waited for; the thread holds up nobody's end.
        self._exporter.shutdown()  # type: ignore[no-untyped-call] # the library leaves this method without types

    def _work(self) -> None:
        """Gather and send until closed and nothing waits."""
        while not (self._closing and not self._waiting):
            if len(self._waiting) < BATCH_MAX and not self._closing:
                self._wake.wait(GATHER_SECONDS)
                self._wake.clear()
            with self._lock:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MAX))]
            if batch:
                self._send(batch)

    def _send(self, batch: Sequence[Recorded]) -> None:
        began = monotonic()
        page = "\n".join(text for span in batch for text in _texts(span))
        strike = _as_it_is if self._strike(page) == page else self._strike
        written = [self._written(span, _Plain(strike)) for span in batch]
        self._heard.first = ""
        taken = self._exporter.export(written) is SpanExportResult.SUCCESS
        if taken:
            self.sent += len(batch)
        else:
            self.failed += len(batch)
        if taken is not self._well:
            self._well = taken
            if taken:
                log.warning("spans_taken_again", failed=self.failed, dropped=self.dropped)
            else:
                log.warning("spans_not_taken", error=self._heard.first, seconds=round(monotonic() - began, 1))

    def _written(self, span: Recorded, plain: "_Plain") -> ReadableSpan:
        """A span as OpenTelemetry has it, without any key."""
        error = span.facts.get("error_type")
        facts = {**span.facts, "error_type": error or span.failed or None}
        bad = bool(span.failed) if error is None else str(error).startswith(OURS_TO_MEND)
        return ReadableSpan(
            name=plain.text(span.name),
            context=_context(span.place),
            parent=None if span.parent is None else _context(span.parent),
            resource=self._resource,
            attributes={plain_name(name): plain.value(value) for name, value in facts.items() if value is not None},
            events=[Event(plain.text(each.name), timestamp=each.at) for each in span.happenings],
            links=[Link(_context(each)) for each in span.links],
            kind=_KINDS[span.kind],
            status=Status(StatusCode.ERROR) if bad else Status(StatusCode.UNSET),
            start_time=span.began,
            end_time=span.ended,
            instrumentation_scope=self._scope,
        )


class _Plain:
    """Facts as they may leave."""

    def __init__(self, strike: Strike) -> None:
        self._strike = strike

    def value(self, value: object) -> str | bool | int | float | list[str]:
        """A fact; of one that is no plain value only the type."""
        match value:
            case Enum():
                return self.value(value.value)
            case bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case list() | tuple():
                return [self.text(each) for each in value if isinstance(each, str)]
            case _:
                return f"<{type(value).__name__}>"

    def text(self, text: str) -> str:
        """A text, cut."""
        return self._strike(text)[:TEXT_MAX]


def _texts(span: Recorded) -> Iterator[str]:
    """Every text of a span, for one look at all of them."""
    yield span.name
    for value in span.facts.values():
        if isinstance(value, (list, tuple)):
            yield from (each for each in value if isinstance(each, str))
        elif isinstance(value, Enum):
            yield str(value.value)
        elif isinstance(value, str):
            yield value
    for each in span.happenings:
        yield each.name


def _as_it_is(text: str) -> str:
    return text


def _context(place: Place | Recorded) -> SpanContext:
    remote = isinstance(place, Place) and place.remote
    return SpanContext(place.trace_id, place.span_id, is_remote=remote, trace_flags=TraceFlags(TraceFlags.SAMPLED))


class _Heard(logging.Handler):
    """Keeps the library's first word about a request, which is why it failed: the last says only that it gave up.

    What it would log itself, line by line, nobody has to read.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.first = self.first or record.getMessage()


def _hear_library() -> _Heard:
    heard, logger = _Heard(), logging.getLogger(_LIBRARY)
    logger.handlers = [heard]
    logger.propagate = False
    return heard
