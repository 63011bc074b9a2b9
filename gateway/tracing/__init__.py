"""Traces: what happened within what, for whoever follows one order through the house; off, it is one constant.

`span` tells of a part of what is traced now, `trace` begins a trace where nothing is traced yet, `note` adds facts to
what is told of now. Everything that is OpenTelemetry's is in outlet.py, which nobody imports while tracing is off.
docs/tracing.md lists every span and every attribute, and a test keeps that in step.
"""

from gateway.tracing.span import NOTHING as NOTHING
from gateway.tracing.span import Kind as Kind
from gateway.tracing.span import Recorded as Recorded
from gateway.tracing.span import Span as Span
from gateway.tracing.span import Tracer as Tracer
from gateway.tracing.span import hears_callers as hears_callers
from gateway.tracing.span import note as note
from gateway.tracing.span import on as on
from gateway.tracing.span import recorded as recorded
from gateway.tracing.span import span as span
from gateway.tracing.span import trace as trace
from gateway.tracing.span import trace_id as trace_id
from gateway.tracing.span import turn_off as turn_off
from gateway.tracing.span import turn_on as turn_on
