"""The instruments: numbers in plain dictionaries, and how a scrape reads them.

Counting is an addition in a dictionary, a third of a microsecond; the library's own objects take a lock and look their
labels up each time, at four times that. So all of it happens on the event loop's thread, as every fact of every room
does; what another thread counts it counts for itself, and it is read at the scrape (`watch`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, product
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from gateway.metrics.declare import PREFIX, Kind, Metric, Named, Spread

# A counter begins at 0 in all its series where they are at most so many a provider: what first happens is then seen to
# happen, and a panel of a quiet house shows a nought instead of nothing.
BEGINNING_MAX: Final = 8

_Labels: TypeAlias = tuple[str, ...]


class Instruments(Collector):
    """The process's instruments, in a registry of its own, so that two gateways in one process do not mix."""

    def __init__(self, declared: Iterable[Metric]) -> None:
        self._declared = {metric.name: metric for metric in declared}
        self._numbers: dict[str, dict[_Labels, float]] = {name: {} for name in self._declared}
        self._spreads: dict[str, dict[_Labels, Spread]] = {name: {} for name in self._declared}
        self._read: dict[str, dict[_Labels, Callable[[], float]]] = {name: {} for name in self._declared}
        for metric in self._declared.values():
            self._begin(metric, ())
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def expect(self, providers: Sequence[str]) -> None:
        """Begin the counters of these providers at 0."""
        for metric in self._declared.values():
            if any(values is Named.PROVIDERS for _, values in metric.labels):
                self._begin(metric, providers)

    def count(self, metric: Metric, *values: str, by: float = 1.0) -> None:
        """So many more of a counter, under these label values."""
        series = self._numbers[metric.name]
        before = series.get(values)
        if before is None:
            _check(metric, values)
            before = 0.0
        series[values] = before + by

    def set(self, metric: Metric, value: float, *values: str) -> None:
        """A gauge as it is now."""
        series = self._numbers[metric.name]
        if values not in series:
            _check(metric, values)
        series[values] = value

    def number(self, metric: Metric, *values: str) -> float:
        """What a counter or a gauge says now; 0 where it has said nothing yet."""
        return self._numbers[metric.name].get(values, 0.0)

    def said(self, metric: Metric, *values: str) -> float | None:
        """The same; None where nothing was said under these labels."""
        return self._numbers[metric.name].get(values)

    def observe(self, metric: Metric, size: float, *values: str) -> None:
        """One more of a histogram, of this size."""
        found = self._spreads[metric.name].get(values)
        if found is None:
            _check(metric, values)
            found = self._spreads[metric.name][values] = Spread(metric.buckets, exemplars=metric.exemplars)
        found.note(size)

    def forget(self, metric: Metric) -> None:
        """Drop a gauge's series: what it told of is no more."""
        self._numbers[metric.name].clear()

    def watch(self, metric: Metric, read: Callable[[], float], *values: str) -> None:
        """Read a counter or a gauge at each scrape, where somebody counts it for us."""
        _check(metric, values)
        self._read[metric.name][values] = read

    def watch_spread(self, metric: Metric, spread: Spread) -> None:
        """Read a histogram without labels at each scrape."""
        assert metric.buckets == spread.bounds, f"{metric.name} is declared with other buckets"
        self._spreads[metric.name][()] = spread

    def collect(self) -> Iterator[Family]:
        """All of them, as the library writes them; called at a scrape."""
        for metric in self._declared.values():
            match metric.kind:
                case Kind.COUNTER | Kind.GAUGE:
                    yield self._plain(metric)
                case Kind.HISTOGRAM:
                    yield self._spread_out(metric)

    def describe(self) -> Iterator[Family]:
        """Their names, so that nothing else in the registry may have one of them."""
        return self.collect()

    def _begin(self, metric: Metric, providers: Sequence[str]) -> None:
        """A counter starts at 0 in series that are known beforehand; a gauge without labels too."""
        sets = [providers if values is Named.PROVIDERS else values for _, values in metric.labels]
        if metric.kind is Kind.HISTOGRAM or (metric.kind is Kind.GAUGE and metric.labels):
            return
        known = [each for each in sets if not isinstance(each, Named)]
        if len(known) < len(sets):
            return
        combinations = list(product(*known))
        if not providers or len(combinations) <= BEGINNING_MAX * len(providers):
            for values in combinations:
                self._numbers[metric.name].setdefault(values, 0.0)

    def _plain(self, metric: Metric) -> Family:
        names = [name for name, _ in metric.labels]
        kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
        family = kind(f"{PREFIX}_{metric.name}", metric.meaning, labels=names)
        read = self._read[metric.name]
        for values, number in self._numbers[metric.name].items():
            if values not in read:
                family.add_metric(values, number)
        for values, asked in read.items():
            family.add_metric(values, asked())
        return family

    def _spread_out(self, metric: Metric) -> Family:
        family = HistogramMetricFamily(
            f"{PREFIX}_{metric.name}", metric.meaning, labels=[name for name, _ in metric.labels]
        )
        bounds = [*map(floatToGoString, metric.buckets), "+Inf"]
        for values, spread in self._spreads[metric.name].items():
            family.add_metric(values, _buckets(bounds, spread), spread.sum)
        return family


def _buckets(bounds: Sequence[str], spread: Spread) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    """How many were at most so large, and of each bucket that has one the latest trace that fell into it."""
    sums = list(zip(bounds, accumulate(spread.counts), strict=True))
    found: list[tuple[str, float] | tuple[str, float, Exemplar]] = [*sums]
    for n, seen in spread.examples.items():
        labels = {"trace_id": seen.trace_id, "span_id": seen.span_id}
        found[n] = (*sums[n], Exemplar(labels, seen.size, seen.at))
    return found


def _check(metric: Metric, values: _Labels) -> None:
    """Refuse a word that is not declared: it would be a series nobody knows."""
    assert len(values) == len(metric.labels), f"{metric.name} has {len(metric.labels)} labels, not {len(values)}"
    for (name, allowed), value in zip(metric.labels, values, strict=True):
        known = isinstance(allowed, Named) or value in allowed
        assert known, f"{value} is not declared for {name} of {metric.name}"
