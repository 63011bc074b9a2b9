"""The document of the metrics is what the declarations, the rules and the dashboards say today."""

from gateway.metrics.metrics import DECLARED
from tools.metrics_document import DOCUMENT, written


def test_document_is_in_step() -> None:
    """Whoever declares a metric, or has an alert look at one, runs `make metrics`."""
    assert DOCUMENT.read_text("utf-8") == written(), "make metrics"


def test_document_has_a_line_for_each_metric() -> None:
    """Name, type, labels and meaning; no metric is left out of the subjects."""
    text = written()
    assert [metric.exported for metric in DECLARED if f"| `{metric.exported}` | {metric.kind}" not in text] == []
