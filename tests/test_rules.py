"""Rules, runbooks and dashboards: every expression parses, names what there is, and says what to do about it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import promql_parser as promql
import pytest
import yaml

from gateway.__main__ import main
from gateway.core.error_type import ErrorType
from gateway.metrics.declare import Metric, Named
from gateway.metrics.metrics import DECLARED
from tools.dashboards import files
from tools.observed import DASHBOARDS, PROCESS, ROOT, Look, dashboards, looks, rules

RUNBOOKS = ROOT / "docs" / "runbooks"
BY_NAME = {metric.exported: metric for metric in DECLARED}
RECORDED = {look.where for look in looks() if look.kind == "record"}
ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
SEVERITIES = {"critical", "warning", "info"}
# What a scrape, a histogram and the process's own collector add to our labels.
ADDED = {"instance", "job", "le", "__name__"}
HEADINGS = ["## What it means", "## What to look at", "## What to do"]


def selectors(look: Look) -> Iterator[promql.VectorSelector]:
    """Every series an expression asks for, found by the parser; Grafana's variable stands for any provider."""
    left: list[Any] = [promql.parse(look.expression.replace("$provider", ".*"))]
    while left:
        node = left.pop()
        if isinstance(node, promql.VectorSelector):
            yield node
            continue
        names = ("expr", "lhs", "rhs", "vector_selector", "param")
        left += [inner for name in names if (inner := getattr(node, name, None)) is not None]
        left += list(getattr(node, "args", None) or ())


def declared(name: str) -> Metric | None:
    """The metric a name in an expression is of."""
    return BY_NAME.get(name) or BY_NAME.get(re.sub(r"_(bucket|sum|count)$", "", name))


@pytest.mark.parametrize("look", looks(), ids=lambda look: f"{look.kind} {look.where} {look.expression[:40]}")
def test_expression_parses_and_names_what_there_is(look: Look) -> None:
    """Metrics are declared, recorded or the process's own; labels are theirs, and values of their closed sets."""
    found = list(selectors(look))
    assert found
    for selector in found:
        name = selector.name or ""
        metric = declared(name)
        assert metric is not None or name in RECORDED or name in PROCESS, name
        labels = {} if metric is None else dict(metric.labels)
        for matcher in selector.matchers.matchers:
            if metric is None:
                continue
            assert matcher.name in labels or matcher.name in ADDED, f"{name} has no label {matcher.name}"
            allowed = labels.get(matcher.name, Named.PROVIDERS)
            if not isinstance(allowed, Named):
                matching = [value for value in allowed if re.fullmatch(matcher.value, value)]
                assert matching, f"{matcher.value} matches no {matcher.name} of {name}"


def test_parser_refuses_what_prometheus_would() -> None:
    """The parse above is no formality, and a metric that is gone would be noticed."""
    with pytest.raises(ValueError, match="parenthesis"):
        promql.parse("sum(rate(gateway_requests_total[5m])")
    assert declared("gateway_requests_gone_total") is None
    assert {each.name for each in selectors(Look("panel", "x", "up and on (job) gateway_placing"))} == {
        "up",
        "gateway_placing",
    }


def test_names_found_without_the_parser_are_the_same() -> None:
    """The document's tables find the metrics of an expression by a pattern; the parser agrees in every one."""
    for look in looks():
        parsed = {selector.name or "" for selector in selectors(look)}
        whole = {metric.exported if (metric := declared(name)) is not None else name for name in parsed}
        assert look.names == whole, look.expression


def test_every_metric_is_looked_at() -> None:
    """A metric that no panel and no alert reads is not needed, or a panel is owed."""
    used = frozenset[str]().union(*(look.names for look in looks()))
    assert [metric.exported for metric in DECLARED if metric.exported not in used] == []


@pytest.mark.parametrize("name", ALERTS)
def test_alert_says_how_bad_it_is_for_how_long_and_what_to_do(name: str) -> None:
    """Severity, `for`, a summary, a description, and a page that quotes the expression it is about."""
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in SEVERITIES
    assert re.fullmatch(r"[1-9][0-9]*[mh]", alert["for"])
    notes = alert["annotations"]
    assert notes["summary"].endswith(".")
    assert notes["description"].endswith(".")
    assert notes["runbook_url"] == f"docs/runbooks/{name}.md"  # from here; the chart puts an address before it
    page = (RUNBOOKS / f"{name}.md").read_text("utf-8")
    assert page.startswith(f"# {name}\n\n**{alert['labels']['severity']}**, after {alert['for']} of:\n")
    quoted = [line.removeprefix("    ") for line in page.split("## ")[0].splitlines() if line.startswith("    ")]
    assert "\n".join(quoted) == alert["expr"]
    assert re.findall(r"^## .*", page, re.MULTILINE) == HEADINGS
    for heading in HEADINGS:
        assert len(page.partition(heading)[2].partition("\n## ")[0].strip()) > 30, heading


def test_every_page_is_of_an_alert_and_listed() -> None:
    """A page whose alert is gone would only mislead."""
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == set(ALERTS)
    listed = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\)", (RUNBOOKS / "README.md").read_text("utf-8"), re.MULTILINE)
    assert [name for name, _ in listed] == [link for _, link in listed]
    assert {name for name, _ in listed} == set(ALERTS)


def test_commands_and_words_of_runbooks_exist() -> None:
    """At night nobody should type a command we do not have, or look for a metric or an error type that is gone."""
    checked = 0
    for path in RUNBOOKS.glob("*.md"):
        text = path.read_text("utf-8")
        for line in re.findall(r"`gateway ([^`]+)`", text):
            command: click.Command = main
            for word in line.split():
                if not isinstance(command, click.Group) or word.startswith("--"):  # A group may do something itself.
                    break
                assert word in command.commands, f"{path.name}: gateway {line}"
                command = command.commands[word]
                checked += 1
            for option in re.findall(r"(--[\w-]+)", line):
                known = {each for param in command.params for each in (*param.opts, *param.secondary_opts)}
                assert option in known, f"{path.name}: gateway {line}"
        for name in re.findall(r"\bgateway_[a-z_]+", text):
            known_word = declared(name) is not None or name in {each.value for each in ErrorType}
            assert known_word, f"{path.name}: {name}"
    assert checked > 30


def test_links_of_runbooks_lead_somewhere() -> None:
    """To another page here, or a document beside."""
    for path in RUNBOOKS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)", path.read_text("utf-8")):
            assert (path.parent / target).resolve().is_file(), f"{path.name}: {target}"


def test_rules_are_plain_files() -> None:
    """The chart takes them as they are: valid YAML, names said once, recording rules by Prometheus' own habit."""
    names = [rule.get("alert") or rule["record"] for rule in rules()]
    assert len(names) == len(set(names))
    groups = [
        group["name"]
        for path in sorted((ROOT / "helm" / "files" / "rules").glob("*.yaml"))
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
    ]
    assert len(groups) == len(set(groups))
    assert all(re.fullmatch(r"gateway:\w+:\w+", name) for name in RECORDED)


def test_dashboards_are_in_step_with_their_source() -> None:
    """Whoever changes a panel in tools/boards runs `make metrics`; nobody edits the JSON."""
    written = dict(files())
    assert {path.name for path in DASHBOARDS.glob("*.json")} == set(written)
    for name, text in written.items():
        assert Path(DASHBOARDS / name).read_text("utf-8") == text, f"{name}: make metrics"


def test_every_panel_says_what_it_shows_in_which_unit() -> None:
    """A description, a unit, a legend; no two panels on one place, nothing beyond the grid."""
    for board in dashboards():
        taken: set[tuple[int, int]] = set()
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        assert len({panel["title"] for panel in board["panels"]}) == len(board["panels"]), board["title"]
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, panel["title"]
            assert max(x for x, _ in cells) < 24
            taken |= cells
            if panel["type"] == "row":
                continue
            assert panel["description"].endswith("."), panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]
