"""The metrics: declared in one place, documented one by one, and fed with closed sets."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from gateway.core.messages import Action
from gateway.core.outcome import Accepted, NotPlaced, NotSent, Outcome, Rejected, Unknown
from gateway.core.rejections import RejectKind
from gateway.metrics import Metrics, outcome_word

DOCUMENT = Path(__file__).parent.parent / "docs" / "metrics.md"


def test_document_lists_exactly_what_is_exported() -> None:
    """Every metric has a line in docs/metrics.md with its labels, and no line is about a metric that is gone."""
    metrics = Metrics()
    told = dict(re.findall(r"^\| `(gateway_\w+)` \| ([\w, ]*) ?\|", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    exported = {}
    for family in metrics.registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        exported[name] = family.documentation
    assert set(told) == set(exported)


def test_facts_become_numbers() -> None:
    """Each room's fact ends where an operator looks for it."""
    metrics = Metrics()
    metrics.request_answered(Action.ADD, "ok", seconds=0.5, waited=0.4)
    metrics.request_answered(None, "unauthorized", seconds=0.001, waited=0.0)
    metrics.attempt_decided("panel-a", Rejected(RejectKind.FUNDS, "no"))
    metrics.doubt_counted(2, {"USD": Decimal("1.5")})
    metrics.orders_counted({"active": 3})
    metrics.polls_counted("panel-a", waiting=7, lag_seconds=-5)
    metrics.provider_balance("panel-a", Decimal("12.5"))
    text = generate_latest(metrics.registry).decode()
    for line in (
        'gateway_requests_total{action="add",outcome="ok"} 1.0',
        'gateway_requests_total{action="none",outcome="unauthorized"} 1.0',
        'gateway_request_overhead_seconds_bucket{action="add",le="0.1"} 1.0',
        'gateway_attempts_total{outcome="rejected_funds",provider="panel-a"} 1.0',
        'gateway_money_in_doubt{currency="USD"} 1.5',
        'gateway_orders{state="active"} 3.0',
        'gateway_orders{state="unknown"} 0.0',
        'gateway_poll_lag_seconds{provider="panel-a"} 0.0',
        'gateway_provider_balance{provider="panel-a"} 12.5',
    ):
        assert line in text


def test_outcome_of_a_request_is_of_a_closed_set() -> None:
    """A new word would be a series nobody knows."""
    with pytest.raises(AssertionError, match="REQUEST_OUTCOMES"):
        Metrics().request_answered(None, "odd", seconds=0.0, waited=0.0)


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Accepted("5"), "accepted"),
        (NotSent("x"), "not_sent"),
        (NotPlaced("x"), "not_placed"),
        (Unknown("x"), "unknown"),
        (Rejected(RejectKind.LINK, "x"), "rejected_link"),
    ],
)
def test_outcome_has_its_word(outcome: Outcome | NotPlaced, word: str) -> None:
    """The class, and for a refusal its kind; never the panel's own text."""
    assert outcome_word(outcome) == word
