"""The metrics as a whole: facts become numbers, label values are of closed sets, and the series stay few."""

import asyncio
import re
from collections import Counter
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from gateway import __version__
from gateway.core.error_type import ErrorType
from gateway.core.messages import Action
from gateway.core.notice import Severity
from gateway.core.outcome import Accepted, NotPlaced, NotSent, Outcome, Rejected, Unknown
from gateway.core.rejections import RejectKind
from gateway.jobs.crew import FOLLOWING, SELLING
from gateway.metrics import Metrics
from gateway.metrics.declare import Kind, Named, Spread
from gateway.metrics.house import CACHE_OPERATIONS, INVARIANTS, JOBS, OTHER, STORE_SECONDS
from gateway.metrics.instruments import Instruments
from gateway.metrics.metrics import DECLARED
from gateway.metrics.orders import outcome_word
from gateway.metrics.providers import CALL_ERRORS
from gateway.store.verify import Invariant
from gateway.tracing import Recorded, Tracer, trace, turn_off, turn_on

GATEWAY = Path(__file__).parents[2] / "gateway"
# What a large house may have: fifty providers, three currencies.
LARGE = {Named.PROVIDERS: 50, Named.CURRENCIES: 3, Named.VERSION: 1}
SERIES_MAX = 3000
# So that the next metric by provider does not have to begin with making room for itself.
SERIES_SPARE = 50


def exposed(metrics: Metrics) -> list[str]:
    """The lines a scrape would get, without comments."""
    return [line for line in generate_latest(metrics.registry).decode().splitlines() if not line.startswith("#")]


def test_facts_become_numbers() -> None:
    """Each room's fact ends where an operator looks for it."""
    metrics = Metrics()
    metrics.request_answered(Action.ADD, "ok", seconds=0.5, waited=0.4)
    metrics.request_answered(None, "unauthorized", seconds=0.001, waited=0.0, error=ErrorType.CALLER_KEY)
    metrics.attempt_decided("panel-a", Rejected(RejectKind.FUNDS, "no"))
    metrics.upstream_call("panel-a", Action.ADD, ErrorType.PANEL_FUNDS, seconds=0.3)
    metrics.upstream_call("panel-a", Action.STATUS, None, seconds=0.2)
    metrics.upstream_call("panel-a", Action.STATUS, ErrorType.POLICY_SPARED, seconds=0.0)
    metrics.doubt_counted(2, {"USD": Decimal("1.5")})
    metrics.orders_counted({"active": 3})
    metrics.polls_counted("panel-a", waiting=7, lag_seconds=-5, unheard_seconds=9.0)
    metrics.provider_balance("panel-a", Decimal("12.5"))
    metrics.funds_last("panel-a", float("inf"))
    metrics.config_loaded(at_seconds=17.0)
    metrics.config_loaded(at_seconds=18.0)
    metrics.notices_stand({Severity.WARNING: 2}, failing=1)
    metrics.notice_told("email", "held")
    lines = exposed(metrics)
    for line in (
        'gateway_notices_open{severity="warning"} 2.0',
        'gateway_notices_open{severity="critical"} 0.0',
        "gateway_notice_channels_failing 1.0",
        'gateway_notices_told_total{channel="email",outcome="held"} 1.0',
        'gateway_requests_total{action="add",outcome="ok"} 1.0',
        'gateway_requests_total{action="none",outcome="unauthorized"} 1.0',
        'gateway_request_errors_total{error_type="caller_key"} 1.0',
        'gateway_request_errors_total{error_type="_unclassified"} 0.0',
        'gateway_request_overhead_seconds_bucket{action="add",le="0.1"} 1.0',
        'gateway_request_overhead_seconds_bucket{action="add",le="+Inf"} 1.0',
        'gateway_request_seconds_sum{action="add"} 0.5',
        'gateway_attempts_total{outcome="rejected",provider="panel-a"} 1.0',
        'gateway_upstream_calls_total{error_type="panel_funds",provider="panel-a"} 1.0',
        'gateway_upstream_add_seconds_count{provider="panel-a"} 1.0',
        'gateway_upstream_ask_seconds_count{action="status"} 1.0',  # a call that was spared took no time
        "gateway_orders_unknown 2.0",
        'gateway_money_in_doubt{currency="USD"} 1.5',
        'gateway_orders{state="active"} 3.0',
        'gateway_orders{state="unknown"} 0.0',
        'gateway_poll_lag_seconds{provider="panel-a"} 0.0',
        'gateway_unheard_oldest_seconds{provider="panel-a"} 9.0',
        'gateway_provider_balance{provider="panel-a"} 12.5',
        'gateway_provider_funds_days{provider="panel-a"} +Inf',
        "gateway_config_generation 2.0",
        'gateway_config_reloads_total{outcome="failed"} 0.0',
    ):
        assert line in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)


def test_currency_without_money_keeps_no_figure() -> None:
    """When the last doubt in a currency is settled, its line is gone and does not stand still."""
    metrics = Metrics()
    metrics.doubt_counted(1, {"USD": Decimal(1), "EUR": Decimal(2)})
    metrics.doubt_counted(1, {"USD": Decimal(3)})
    doubts = [line for line in exposed(metrics) if line.startswith("gateway_money_in_doubt{")]
    assert doubts == ['gateway_money_in_doubt{currency="USD"} 3.0']


def test_word_that_is_not_declared_is_refused() -> None:
    """A new word would be a series nobody knows."""
    with pytest.raises(AssertionError, match="odd is not declared for outcome of requests"):
        Metrics().request_answered(None, "odd", seconds=0.0, waited=0.0)


def test_job_nobody_declared_is_counted_all_the_same() -> None:
    """The job loop counts failures where nothing more may fail."""
    metrics = Metrics()
    metrics.job_failed("a-job-of-next-year")
    metrics.cache_failed("flush")
    assert f'gateway_job_failures_total{{task="{OTHER}"}} 1.0' in exposed(metrics)
    assert f'gateway_cache_failures_total{{operation="{OTHER}"}} 1.0' in exposed(metrics)


def test_words_of_other_rooms_are_those_declared() -> None:
    """Jobs, spawned work, operations of the cache and invariants are named alike where they happen and here."""
    app = (GATEWAY / "app.py").read_text("utf-8")
    jobs = set(re.findall(r'self\._every\(.*"(\w+)"\)', app))
    spawned: set[str] = set()
    for path in GATEWAY.rglob("*.py"):
        spawned |= set(re.findall(r'name=f"(\w+):\{', path.read_text("utf-8")))
    assert len(jobs) > 3
    assert jobs | {each for each in spawned if each not in ("job", "render", "listen", "retire")} <= {*JOBS}
    assert {*FOLLOWING, *SELLING} <= {*JOBS}
    redis = (GATEWAY / "cache" / "redis_cache.py").read_text("utf-8")
    assert set(re.findall(r'self\._(?:try|guarded|do)\w*\("(\w+)"', redis)) <= {*CACHE_OPERATIONS}
    assert set(INVARIANTS) == {each.value for each in Invariant}


def test_series_stay_few() -> None:
    """With every label value there is, fifty providers and three currencies make fewer series than a scrape minds.

    Not the declarations alone say so: everything that can happen happens, and what a scrape then gets is counted.
    """
    everything = Metrics()
    for metric in DECLARED:
        for values in product(*(named(kind) for _, kind in metric.labels)):
            if metric.kind is Kind.HISTOGRAM:
                everything.observe(metric, 0.1, *values)
            else:
                everything.set(metric, 1.0, *values)
    scraped = Counter(
        re.sub(r"_(bucket|sum|count)$", "", line.partition(" ")[0].partition("{")[0])
        for line in exposed(everything)
        if line.startswith("gateway_")
    )
    assert scraped == {metric.exported: metric.series(LARGE) for metric in DECLARED}
    real = scraped.total()
    assert real + SERIES_SPARE <= SERIES_MAX, f"{real} series; the largest: {scraped.most_common(12)}"
    assert f"there can be\n{real} series at most" in (GATEWAY.parent / "docs" / "metrics.md").read_text("utf-8")


def named(values: tuple[str, ...] | Named) -> tuple[str, ...]:
    """A label's values in a large house."""
    if values is Named.VERSION:
        return (__version__,)
    return tuple(f"{values.name}-{n}" for n in range(LARGE[values])) if isinstance(values, Named) else values


def test_counted_series_are_no_more_than_declared() -> None:
    """What is said of the most there can be is true of what a scrape gets."""
    metrics = Metrics()
    metrics.expect([f"panel-{n}" for n in range(50)])
    for action in Action:
        metrics.request_answered(action, "ok", seconds=0.1, waited=0.0)
    for n in range(50):
        for error in (None, *map(ErrorType, CALL_ERRORS)):
            metrics.upstream_call(f"panel-{n}", Action.ADD, error, seconds=0.1)
    named = {metric.exported: metric for metric in DECLARED}
    lines = [line for line in exposed(metrics) if line.startswith("gateway_")]
    for name, metric in named.items():
        own = [line for line in lines if re.match(rf"{name}(_bucket|_sum|_count)?[{{ ]", line)]
        assert len(own) <= metric.series(LARGE), name
    assert len(lines) < SERIES_MAX


def test_counter_begins_at_nought() -> None:
    """What happens for the first time is an increase, also of a provider that did nothing yet."""
    metrics = Metrics()
    metrics.expect(["panel-a"])
    assert 'gateway_attempts_total{outcome="unknown",provider="panel-a"} 0.0' in exposed(metrics)
    assert 'gateway_request_errors_total{error_type="gateway_broken"} 0.0' in exposed(metrics)
    assert not any(line.startswith("gateway_provider_up") for line in exposed(metrics))  # nobody has asked it yet


def test_what_others_count_is_read_at_the_scrape() -> None:
    """The store's own numbers are asked for when somebody looks, in the buckets that are declared."""
    metrics, spread = Metrics(), Spread(STORE_SECONDS.buckets)
    metrics.watch_spread(STORE_SECONDS, spread)
    for seconds in (0.0005, 0.001, 0.3, 99.0):
        spread.note(seconds)
    lines = exposed(metrics)
    assert 'gateway_store_write_seconds_bucket{le="0.001"} 2.0' in lines  # a bound is inside its bucket
    assert 'gateway_store_write_seconds_bucket{le="1.0"} 3.0' in lines
    assert 'gateway_store_write_seconds_bucket{le="+Inf"} 4.0' in lines
    with pytest.raises(AssertionError, match="other buckets"):
        metrics.watch_spread(STORE_SECONDS, Spread((1.0,)))


def test_declared_names_are_unlike_each_other_and_said_in_a_sentence() -> None:
    """A scrape would refuse a name that comes twice, and a reader a metric without a meaning."""
    assert len({metric.exported for metric in DECLARED}) == len(DECLARED)
    for metric in DECLARED:
        assert metric.meaning.endswith("."), metric.name
        assert (metric.kind is Kind.HISTOGRAM) == bool(metric.buckets)


async def test_two_gateways_in_one_process_do_not_mix() -> None:
    """Each has a registry of its own."""
    one, other = Metrics(), Metrics()
    await asyncio.sleep(0)
    one.order_replayed()
    assert "gateway_orders_replayed_total 1.0" in exposed(one)
    assert "gateway_orders_replayed_total 0.0" in exposed(other)
    assert isinstance(one, Instruments)


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Accepted("5"), "accepted"),
        (NotSent("x"), "not_sent"),
        (NotPlaced("x"), "not_placed"),
        (Unknown("x"), "unknown"),
        (Rejected(RejectKind.LINK, "x"), "rejected"),
    ],
)
def test_outcome_has_its_word(outcome: Outcome | NotPlaced, word: str) -> None:
    """The class; never the panel's own text."""
    assert outcome_word(outcome) == word


def test_bucket_names_the_latest_trace_that_fell_into_it() -> None:
    """Where one is kept, and of the histograms that are declared so; everything else stays as it was."""
    metrics = Metrics()
    metrics.request_answered(Action.ADD, "ok", seconds=0.3, waited=0.2)
    kept: list[Recorded] = []
    turn_on(Tracer(kept.append, ratio=1.0))
    for seconds in (0.3, 0.4, 7.0):
        with trace("request"):
            metrics.request_answered(Action.ADD, "ok", seconds=seconds, waited=0.2)
            metrics.loop_lagged(seconds)
    turn_off()
    metrics.request_answered(Action.ADD, "ok", seconds=7.0, waited=0.2)
    told = kept[-1]
    named = {
        (sample.name, sample.labels["le"]): sample.exemplar
        for family in metrics.collect()
        for sample in family.samples
        if sample.exemplar is not None
    }
    assert {place for place in named if place[0] == "gateway_request_seconds_bucket"} == {
        ("gateway_request_seconds_bucket", "0.5"),
        ("gateway_request_seconds_bucket", "10.0"),
    }
    assert not [name for name, _ in named if "lag" in name]
    assert named["gateway_request_seconds_bucket", "0.5"].value == 0.4
    last = named["gateway_request_seconds_bucket", "10.0"]
    assert last.labels == {"trace_id": told.trace, "span_id": f"{told.span_id:016x}"}
    assert "trace_id" not in "\n".join(exposed(metrics))
