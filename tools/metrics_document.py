"""Writes docs/metrics.md from the declared metrics, the rules and the dashboards: python -m tools.metrics_document."""

from collections.abc import Mapping
from typing import Final

from gateway.core.error_type import ErrorType
from gateway.metrics import house, money, notices, orders, providers, requests
from gateway.metrics.declare import Kind, Metric, Named
from tools.observed import ROOT, Look, looks

DOCUMENT: Final = ROOT / "docs" / "metrics.md"
_SUBJECTS: Final[Mapping[str, tuple[Metric, ...]]] = {
    "Requests": requests.DECLARED,
    "Orders": orders.DECLARED,
    "Money": money.DECLARED,
    "Providers": providers.DECLARED,
    "Notices": notices.DECLARED,
    "The house": house.DECLARED,
}
_HEAD: Final = """\
# Metrics

Written by `make metrics` from the declarations in `gateway/metrics/`, the rules in `helm/files/rules/` and the
dashboards in `helm/files/dashboards/`; do not edit it by hand.

`http://GATEWAY_METRICS_HOST:GATEWAY_METRICS_PORT/metrics`, Prometheus text format. Labels are closed sets, or names out
of `providers.yaml`; no user, link, key or order is ever in one. With 50 providers and three currencies there can be
{series} series at most. Counters begin at 0 with the process. What is read from the books (orders by state, money) is
the same on every replica: take `max`, not `sum`, over them.
"""
_TAIL: Final = """
## Error types

The one vocabulary of what went wrong: `error_type` here and in the log's `request` and `attempt_decided`, `fault` of
each attempt in `gateway order show`. The prefix says whose it is: `caller_` the user's, `policy_` a rule of ours,
`panel_` a provider's, `gateway_` our own; `_unclassified` is a word we owe.

{words}.

Beside these the process's own, by their usual names: `process_cpu_seconds_total`, `process_resident_memory_bytes`,
`process_open_fds`, `process_max_fds`, `process_start_time_seconds`.
"""
_LONGEST: Final = 9  # values of a label that are written out
# What a large house may have.
LARGE: Final = {Named.PROVIDERS: 50, Named.CURRENCIES: 3, Named.VERSION: 1}
_NAMED: Final = {Named.PROVIDERS: "each provider", Named.CURRENCIES: "each currency", Named.VERSION: "the version"}


def written() -> str:
    """The document."""
    found = looks()
    records = {look.where: look.names for look in found if look.kind == "record"}
    series = sum(metric.series(LARGE) for metrics in _SUBJECTS.values() for metric in metrics)
    parts = [_HEAD.format(series=series)]
    for title, metrics in _SUBJECTS.items():
        rows = [_row(metric, found, records) for metric in metrics]
        parts.append(
            f"\n## {title}\n\n| metric | type | labels | what | alerts | panels |\n|---|---|---|---|---|---|\n"
        )
        parts.extend(f"{row}\n" for row in rows)
    parts.append(_TAIL.format(words=", ".join(f"`{each.value}`" for each in ErrorType)))
    return "".join(parts)


def _row(metric: Metric, found: list[Look], records: Mapping[str, frozenset[str]]) -> str:
    """A line of a table; what reads a recording rule reads the metrics the rule is made of."""
    through = {record for record, names in records.items() if metric.exported in names}
    using = [look for look in found if metric.exported in look.names or look.names & through]
    alerts = sorted({f"[{look.where}](runbooks/{look.where}.md)" for look in using if look.kind == "alert"})
    panels = sorted({look.where for look in using if look.kind == "panel"})
    kind = metric.kind.value
    if metric.kind is Kind.HISTOGRAM:
        kind = f"histogram: {', '.join(f'{bound:g}' for bound in metric.buckets)}"
    labels = "; ".join(_label(name, values) for name, values in metric.labels)
    cells = (f"`{metric.exported}`", kind, labels, metric.meaning, ", ".join(alerts), ", ".join(panels))
    return f"| {' | '.join(cells)} |"


def _label(name: str, values: tuple[str, ...] | Named) -> str:
    if isinstance(values, Named):
        return f"{name}: {_NAMED[values]}"
    if len(values) > _LONGEST:
        return f"{name}: {len(values)} words"
    return f"{name}: {', '.join(values)}"


if __name__ == "__main__":
    DOCUMENT.write_text(written(), "utf-8")
