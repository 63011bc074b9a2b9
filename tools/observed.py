"""What dashboards and rules look at: every expression in helm/files, with where it stands, and the metrics it names."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from gateway.metrics.declare import Kind
from gateway.metrics.metrics import DECLARED

ROOT: Final = Path(__file__).parents[1]
RULES: Final = ROOT / "helm" / "files" / "rules"
DASHBOARDS: Final = ROOT / "helm" / "files" / "dashboards"
# A name of ours, of a recording rule (with colons), of the process, or Prometheus's own `up`.
_NAME: Final = re.compile(r"\b(?:gateway[a-z0-9_:]*|process_[a-z_]+|up)\b(?!\s*\()")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_SUFFIX: Final = re.compile(r"_(?:bucket|sum|count)$")
# What prometheus_client's collector of the process exports on Linux, and what a scrape adds.
PROCESS: Final = frozenset(
    {
        *("process_cpu_seconds_total", "process_open_fds", "process_max_fds", "process_resident_memory_bytes"),
        *("process_start_time_seconds", "process_virtual_memory_bytes", "up"),
    }
)


class Look(msgspec.Struct, frozen=True):
    """One expression."""

    kind: str  # "alert", "record" or "panel"
    where: str  # the alert's or the record's name; the dashboard's title and the panel's
    expression: str

    @property
    def names(self) -> frozenset[str]:
        """The metrics it reads, histograms without their suffix."""
        bare = _GROUPING.sub("", _STRING.sub("", self.expression))
        return frozenset(_whole(name) for name in _NAME.findall(bare))


def _whole(name: str) -> str:
    cut = _SUFFIX.sub("", name)
    return cut if cut in _HISTOGRAMS else name


_HISTOGRAMS: Final = frozenset(metric.exported for metric in DECLARED if metric.kind is Kind.HISTOGRAM)


def rules() -> Iterator[dict[str, Any]]:
    """Every rule of every group, in the files' order."""
    for path in sorted(RULES.glob("*.yaml")):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            yield from group["rules"]


def dashboards() -> Iterator[dict[str, Any]]:
    """Every dashboard."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        yield json.loads(path.read_text("utf-8"))


def looks() -> list[Look]:
    """Every expression there is."""
    found = [
        Look("alert" if "alert" in rule else "record", rule.get("alert") or rule["record"], rule["expr"])
        for rule in rules()
    ]
    found += [
        Look("panel", f"{board['title']}: {panel['title']}", target["expr"])
        for board in dashboards()
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]
    return found
