"""What a metric is, as a value: its name, its kind, what it says, and which values its labels may have."""

from bisect import bisect_left
from collections.abc import Mapping
from enum import StrEnum
from time import time
from typing import Final

import msgspec

from gateway.tracing import recorded

PREFIX: Final = "gateway"


class Kind(StrEnum):
    """What a metric does over time."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Named(StrEnum):
    """Label values that the configuration names; how many there may be is the operator's doing."""

    PROVIDERS = "the providers of providers.yaml"
    CURRENCIES = "the currencies of providers.yaml"
    VERSION = "this program's version"


Values = tuple[str, ...] | Named


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric: what it is called, which values its labels may have, and what it says."""

    name: str  # without the prefix and without `_total`
    kind: Kind
    meaning: str
    labels: tuple[tuple[str, Values], ...] = ()
    buckets: tuple[float, ...] = ()  # of a histogram: upper bounds, without the last, which is everything
    exemplars: bool = False  # of a histogram: whether each bucket names a trace that fell into it

    @property
    def exported(self) -> str:
        """The name as rules and panels write it; a histogram's has `_bucket`, `_sum` and `_count` after it."""
        return f"{PREFIX}_{self.name}" + ("_total" if self.kind is Kind.COUNTER else "")

    def series(self, named: Mapping[Named, int]) -> int:
        """How many series it can have at most, with so many providers and currencies."""
        found = len(self.buckets) + 3 if self.kind is Kind.HISTOGRAM else 1
        for _, values in self.labels:
            found *= named[values] if isinstance(values, Named) else len(values)
        return found


def counter(name: str, meaning: str, **labels: Values) -> Metric:
    """A number that only grows, from 0 at the start of the process."""
    return Metric(name=name, kind=Kind.COUNTER, meaning=meaning, labels=tuple(labels.items()))


def gauge(name: str, meaning: str, **labels: Values) -> Metric:
    """A number as it is now."""
    return Metric(name=name, kind=Kind.GAUGE, meaning=meaning, labels=tuple(labels.items()))


def histogram(name: str, meaning: str, buckets: tuple[float, ...], **labels: Values) -> Metric:
    """How many were how large."""
    return Metric(name=name, kind=Kind.HISTOGRAM, meaning=meaning, labels=tuple(labels.items()), buckets=buckets)


def traced_histogram(name: str, meaning: str, buckets: tuple[float, ...], **labels: Values) -> Metric:
    """The same, whose buckets name a trace each while tracing is on."""
    return msgspec.structs.replace(histogram(name, meaning, buckets, **labels), exemplars=True)


class Example(msgspec.Struct, frozen=True):
    """A trace that fell into a bucket: the latest."""

    trace_id: str
    span_id: str
    size: float
    at: float  # seconds since the epoch


class Spread:
    """A histogram for rooms that count for themselves: a few additions, no lock; one thread may add to one of them."""

    def __init__(self, bounds: tuple[float, ...], *, exemplars: bool = False) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0
        self.examples: dict[int, Example] = {}  # by bucket; empty while nothing is traced
        self._exemplars = exemplars

    def note(self, size: float) -> None:
        """There was one more, of this size."""
        bucket = bisect_left(self.bounds, size)
        self.counts[bucket] += 1
        self.sum += size
        if self._exemplars and (told := recorded()) is not None:
            self.examples[bucket] = Example(told.trace, f"{told.span_id:016x}", size, time())
