"""What a trace is told of a call to a provider: where it went, how long each phase took, what came back; no word of it.

No header of the trace goes along: panels are strangers, and neither our ids nor our sampling are their concern.
"""

from typing import Final
from urllib.parse import urlsplit

from gateway.core.error_type import ErrorType
from gateway.core.messages import Action
from gateway.core.outcome import Evidence
from gateway.providers.upstream import Upstream
from gateway.tracing import Kind, Span, note, recorded, trace

_PHASES: Final = ("fence", "armed", "answered")


def call_span(upstream: Upstream, action: Action) -> Span:
    """The span of one call, its wait for a turn included; a trace of its own where it is a job's."""
    told = trace(f"{upstream.dialect.method} {action.value}", Kind.CLIENT)
    if told.recording:
        address = urlsplit(upstream.url)
        told.note(
            provider=upstream.name,
            action=action,
            method=upstream.dialect.method,
            host=address.hostname,
            port=address.port or (443 if address.scheme == "https" else 80),
        )
    return told


def tell_exchange(evidence: Evidence) -> Evidence:
    """Tell of what was seen on the wire, as soon as it is over; answers it."""
    told = recorded()
    if told is not None:
        told.note(status=evidence.status, sent=evidence.sent)
        ended = evidence.timing.ended or 0
        for phase in _PHASES:
            reached: int | None = getattr(evidence.timing, phase)
            if reached is not None:
                told.happened(phase, before=(ended - reached) / 1000)
    return evidence


def tell_outcome(error: ErrorType | None) -> None:
    """Tell of what went wrong, if anything did."""
    note(error_type=error)
