"""Spans: the record of one thing that took time, and which of them is told of just now.

What is traced now is in a context variable, so that tasks inherit it: what goes on after a request was answered has
the request for its parent. A span that is told of is a plain record of ours; it becomes OpenTelemetry's in the
thread that sends it. While tracing is off, or a trace was not drawn, there is nothing but constants: `span` looks at
the variable and answers NOTHING.

Whether a trace is kept is drawn once, at its beginning, by our own die: the flag that a caller sends costs us nothing.
"""

import os
import random
import re
from collections.abc import Callable
from contextvars import ContextVar, Token
from enum import StrEnum
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Final, Literal, Self

import msgspec
import structlog

# W3C Trace Context, version 00; what a later version adds comes after one more dash.
_TRACEPARENT: Final = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_FIRST_VERSION: Final = b"00"

# What is done with a `traceparent` that a caller sends: nothing, a link to it, or its trace is gone on with.
Hearing = Literal["ignore", "link", "parent"]


class Kind(StrEnum):
    """Which side of a call a span is; OpenTelemetry's word."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


class Place(msgspec.Struct, frozen=True):
    """Which span of which trace: what a parent or a link is named by."""

    trace_id: int
    span_id: int
    remote: bool = False  # it is a caller's, not ours


class Happening(msgspec.Struct, frozen=True):
    """A moment within a span."""

    name: str
    at: int  # ns since the epoch


class Span:
    """A span nobody is told of: everything may be said to it, and nothing is kept."""

    __slots__ = ()
    recording = False

    def note(self, **facts: object) -> None:
        """These are facts of it; None says nothing. docs/tracing.md has the words."""

    def rename(self, name: str) -> None:
        """Its name, where it was not known at the beginning."""

    def happened(self, name: str, *, before: float = 0.0) -> None:
        """Something happened in it, so many seconds ago."""

    def link(self, other: "Span") -> None:
        """It has to do with another, of its own trace or of any."""

    def child(self, name: str, kind: Kind, facts: dict[str, object]) -> "Span":  # noqa: ARG002 - see Recorded
        """A part of it."""
        return NOTHING

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


NOTHING: Final = Span()

# What is told of now; where it is not set, a trace may begin.
_NOW: ContextVar[Span] = ContextVar("span")


class _Undrawn(Span):
    """The beginning of a trace that is not kept: nothing within it begins one of its own."""

    __slots__ = ("_token",)

    def __enter__(self) -> Self:
        self._token = _NOW.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _NOW.reset(self._token)


class Recorded(Span):
    """A span that is told of, from its beginning to its end; then it is handed over whole."""

    __slots__ = (
        *("_bound", "_put", "_token", "anchor", "began", "ended", "failed", "facts", "happenings", "kind"),
        *("links", "name", "parent", "span_id", "trace_id"),
    )
    recording = True

    def __init__(
        self,
        put: Callable[["Recorded"], None],
        name: str,
        *,
        kind: Kind = Kind.INTERNAL,
        facts: dict[str, object],
        parent: "Place | Recorded | None" = None,
    ) -> None:
        self._put = put
        self.name = name
        self.kind = kind
        self.facts = facts
        self.parent = parent
        self.trace_id: int = parent.trace_id if parent is not None else _some(16)
        self.span_id = _some(8)
        self.links: list[Place] = []
        self.happenings: list[Happening] = []
        self.failed = ""  # the type of the error that ended it
        # One clock a trace, which never jumps: no part of it is before the whole.
        self.anchor: int = parent.anchor if isinstance(parent, Recorded) else time_ns() - perf_counter_ns()
        self._token: Token[Span] | None = None
        self._bound = not isinstance(parent, Recorded)
        self.began = self.anchor + perf_counter_ns()  # ns since the epoch
        self.ended = 0

    @property
    def trace(self) -> str:
        """Its trace's id as it is written everywhere."""
        return f"{self.trace_id:032x}"

    @property
    def place(self) -> Place:
        """What it is named by."""
        return Place(self.trace_id, self.span_id)

    def note(self, **facts: object) -> None:
        """These are facts of it; what comes after its end is not kept."""
        if not self.ended:
            self.facts.update(facts)

    def rename(self, name: str) -> None:
        """Its name from now on."""
        self.name = name

    def happened(self, name: str, *, before: float = 0.0) -> None:
        """Something happened in it; what comes after its end is not kept."""
        if not self.ended:
            self.happenings.append(Happening(name, self.anchor + perf_counter_ns() - int(before * 1e9)))

    def link(self, other: Span) -> None:
        """It has to do with another; what comes after its end is not kept."""
        if isinstance(other, Recorded) and not self.ended:
            self.links.append(other.place)

    def child(self, name: str, kind: Kind, facts: dict[str, object]) -> Span:
        """A part of it; also after its end, for what was begun in it and goes on."""
        return Recorded(self._put, name, kind=kind, facts=facts, parent=self)

    def beside(self, name: str, kind: Kind, **facts: object) -> "Recorded":
        """A trace of its own, kept because this one is: for what serves many at once."""
        return Recorded(self._put, name, kind=kind, facts=facts)

    def __enter__(self) -> Self:
        self._token = _NOW.set(self)
        if self._bound:  # All that is logged within the trace says which it is.
            structlog.contextvars.bind_contextvars(trace_id=self.trace)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _NOW.reset(self._token)
        if self._bound:
            structlog.contextvars.unbind_contextvars("trace_id")
        if kind is not None and not self.facts.keys() & {"error_type", "outcome"}:
            self.failed = kind.__qualname__  # The type alone: who knows what is in the words.
        self.ended = self.anchor + perf_counter_ns()
        self._put(self)


class Tracer:
    """Where traces begin, and where finished spans go."""

    def __init__(
        self,
        put: Callable[[Recorded], None],
        *,
        ratio: float,
        hearing: Hearing = "ignore",
        die: Callable[[], float] = random.random,
    ) -> None:
        self._put = put
        self._ratio = ratio  # of traces that are kept
        self._die = die
        self.hearing = hearing

    def begin(self, name: str, kind: Kind, facts: dict[str, object], *, caller: bytes = b"") -> Span:
        """The beginning of a trace, should it be kept; `caller` is the header `traceparent`."""
        if self._die() >= self._ratio:
            return _Undrawn()
        heard = None if self.hearing == "ignore" else read_traceparent(caller)
        parent = heard if self.hearing == "parent" else None
        begun = Recorded(self._put, name, kind=kind, facts=facts, parent=parent)
        if heard is not None and parent is None:
            begun.links.append(heard)
        return begun


_tracer: Tracer | None = None  # of the process; None while tracing is off


def turn_on(tracer: Tracer) -> None:
    """Begin traces from now on."""
    global _tracer  # noqa: PLW0603 - like points.hook: one for the process, so that no room has to hand it on
    _tracer = tracer


def turn_off() -> None:
    """Begin none any more; what is under way is told of to its end."""
    global _tracer  # noqa: PLW0603 - see turn_on
    _tracer = None


def on() -> bool:
    """Whether traces are begun."""
    return _tracer is not None


def hears_callers() -> bool:
    """Whether a `traceparent` is worth looking for."""
    return _tracer is not None and _tracer.hearing != "ignore"


def span(name: str, kind: Kind = Kind.INTERNAL, **facts: object) -> Span:
    """A part of what is traced now, for a `with`; NOTHING where nothing is."""
    now = _NOW.get(None)
    return NOTHING if now is None else now.child(name, kind, facts)


def trace(name: str, kind: Kind = Kind.INTERNAL, *, caller: bytes = b"", **facts: object) -> Span:
    """The same, and the beginning of a trace where nothing is traced and nothing was left out."""
    now = _NOW.get(None)
    if now is not None:
        return now.child(name, kind, facts)
    return NOTHING if _tracer is None else _tracer.begin(name, kind, facts, caller=caller)


def note(**facts: object) -> None:
    """These are facts of what is told of now."""
    now = _NOW.get(None)
    if now is not None:
        now.note(**facts)


def recorded() -> Recorded | None:
    """What is told of now, if it is kept."""
    now = _NOW.get(None)
    return now if isinstance(now, Recorded) else None


def trace_id() -> str:
    """Which trace is told of now, in hexadecimal; nothing where none is kept."""
    now = recorded()
    return "" if now is None else now.trace


def read_traceparent(text: bytes) -> Place | None:
    """The span a caller names in the header `traceparent`; None where it names none as the standard has it."""
    found = _TRACEPARENT.fullmatch(text.strip())
    if found is None or (found[1] == _FIRST_VERSION and found[4] is not None):
        return None
    place = Place(int(found[2], 16), int(found[3], 16), remote=True)
    return place if place.trace_id and place.span_id else None


def _some(size: int) -> int:
    """A number of so many bytes that nobody else has; never 0, which the standard has for none."""
    return int.from_bytes(os.urandom(size)) or 1
