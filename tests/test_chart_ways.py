"""The ways in and out of the chart's pods, what Prometheus and Grafana get, and the chart's own papers."""

import re
import shutil
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest

from gateway import __version__
from tests import chart_readme
from tests.chart import CHART, POSTGRESQL, Manifest, manifests, one, serving, values_of
from tests.test_chart import KUBERNETES, faults

RULES = """# Comments stay.
groups:
  - name: money
    rules:
      - alert: BooksViolated
        expr: gateway_ledger_violations > 0
        for: 1m
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.invariant }} is broken"}
"""


def test_users_never_come_to_metrics() -> None:
    """Two Services; what leads users in leads to the first alone."""
    found = manifests(values_of("examples/everything.yaml"))
    users, metrics = one(found, "Service", "shop"), one(found, "Service", "shop-metrics")
    assert [port["targetPort"] for port in users["spec"]["ports"]] == ["http"]
    assert [port["targetPort"] for port in metrics["spec"]["ports"]] == ["metrics"]
    assert (metrics["spec"]["type"], metrics["spec"]["clusterIP"]) == ("ClusterIP", "None")
    for rule in one(found, "Ingress")["spec"]["rules"]:
        assert [path["backend"]["service"] for path in rule["http"]["paths"]] == [
            {"name": "shop", "port": {"name": "http"}}
        ]
    (rule,) = one(found, "HTTPRoute")["spec"]["rules"]
    assert rule["backendRefs"] == [{"name": "shop", "port": 80}]
    monitored = one(found, "ServiceMonitor")["spec"]
    assert monitored["selector"]["matchLabels"].items() <= metrics["metadata"]["labels"].items()
    assert not monitored["selector"]["matchLabels"].items() <= users["metadata"]["labels"].items()
    assert [each["port"] for each in monitored["endpoints"]] == [port["name"] for port in metrics["spec"]["ports"]]


def ways(policy: Manifest, direction: str) -> dict[Any, Any]:
    """Peers by port; nothing stands for anywhere."""
    peers = "to" if direction == "egress" else "from"
    rules = policy["spec"].get(direction, [])
    return {port["port"]: rule.get(peers) for rule in rules for port in rule["ports"]}


def test_only_what_is_needed_goes_in_and_out() -> None:
    """Without books and Redis elsewhere, names and panels are all; nothing private is reached."""
    found = manifests({})
    policies = [each for each in found if each["kind"] == "NetworkPolicy"]
    assert all(each["spec"]["policyTypes"] == ["Ingress", "Egress"] for each in policies)
    assert len(policies) == 3
    out = ways(one(found, "NetworkPolicy", "gateway"), "egress")
    assert set(out) == {53, 443}
    private = {network for peer in out[443] for network in peer["ipBlock"]["except"]}
    assert {"10.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16", "172.16.0.0/12", "fc00::/7", "fe80::/10"} <= private
    assert ways(one(found, "NetworkPolicy", "gateway"), "ingress") == {
        "http": None,
        "metrics": [{"namespaceSelector": {}}],
    }
    assert ways(one(found, "NetworkPolicy", "gateway-migration"), "egress") == {}
    assert set(ways(one(found, "NetworkPolicy", "gateway-test"), "egress")) == {53, "http", "metrics"}
    assert not [each for each in manifests({"networkPolicy": {"enabled": False}}) if each["kind"] == "NetworkPolicy"]


def test_peers_are_those_that_were_named() -> None:
    """PostgreSQL, Redis, users and Prometheus, each at its own place."""
    found = manifests(values_of("examples/postgresql.yaml"))
    out = ways(one(found, "NetworkPolicy", "gateway"), "egress")
    assert set(out) == {53, 443, 8443, 5432, 6379}
    assert out[5432] == [{"ipBlock": {"cidr": "10.20.0.0/24"}}]
    assert out[6379] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "valkey"}}}]
    into = ways(one(found, "NetworkPolicy", "gateway"), "ingress")
    assert "ingress-nginx" in str(into["http"])
    assert "monitoring" in str(into["metrics"])
    assert "'app.kubernetes.io/component': 'test'" in str(into["metrics"]), "helm test asks whether it is ready"
    assert set(ways(one(found, "NetworkPolicy", "gateway-migration"), "egress")) == {53, 5432}
    everything = manifests(values_of("examples/everything.yaml"))
    out = ways(one(everything, "NetworkPolicy", "shop"), "egress")
    assert 8000 in out
    assert out[587] == out[443], "mail goes where panels are: to the public internet"
    assert 587 not in ways(one(found, "NetworkPolicy", "gateway"), "egress")
    assert out[4318] == [{"ipBlock": {"cidr": "203.0.113.7/32"}}]


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://collector:4318", 4318),
        ("http://collector", 80),
        ("https://collector.example/otlp", 443),
        ("https://[2001:db8::7]:4318/v1/traces", 4318),
    ],
    ids=["usual", "http", "https", "ipv6"],
)
def test_spans_get_out_by_the_port_of_their_address(url: str, port: int) -> None:
    """Of the gateways, and of no Job; without an address nothing is opened."""
    found = manifests({"tracing": {"url": url}})
    assert set(ways(one(found, "NetworkPolicy", "gateway"), "egress")) == {53, port, 443}
    assert ways(one(found, "NetworkPolicy", "gateway-migration"), "egress") == {}


def test_number_of_gateways_has_one_master() -> None:
    """The autoscaler, or `replicas`; a budget where there are several."""
    scaled = manifests({**POSTGRESQL, "autoscaling": {"enabled": True}})
    target = one(scaled, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert target == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": serving(scaled)["metadata"]["name"]}
    assert "replicas" not in serving(scaled)["spec"]
    assert one(scaled, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert serving(manifests({**POSTGRESQL, "replicas": 2}))["spec"]["replicas"] == 2
    assert "PodDisruptionBudget" not in {each["kind"] for each in manifests({})}, "it would keep every node"
    spread = serving(scaled)["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    for each in spread:
        labels = serving(scaled)["spec"]["template"]["metadata"]["labels"]
        assert each["labelSelector"]["matchLabels"].items() <= labels.items()


def test_rules_and_dashboards_are_taken_from_files(tmp_path: Path) -> None:
    """As they are, `{{ }}` of Prometheus and Grafana included; none where there are no files."""
    chart = tmp_path / "helm"
    shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("rules", "dashboards"))
    values = {"metrics": {"rules": {"enabled": True, "labels": {"a": "b"}}, "dashboards": {"enabled": True}}}
    plain = {(each["kind"], each["metadata"]["name"]) for each in manifests(values, chart=chart)}
    again = tmp_path / "again"
    shutil.copytree(chart, again)
    for folder in ("rules", "dashboards"):
        (again / "files" / folder).mkdir(parents=True)
    (again / "files" / "rules" / "money_alerts.yaml").write_text(RULES)
    dashboard = '{\n  "title": "Money",\n  "legend": "{{provider}}"\n}\n'
    (again / "files" / "dashboards" / "money.json").write_text(dashboard)
    found = manifests(values, chart=again)
    made = {(each["kind"], each["metadata"]["name"]) for each in found} - plain
    assert made == {("PrometheusRule", "gateway-money-alerts"), ("ConfigMap", "gateway-dashboard-money")}
    rule = one(found, "PrometheusRule")
    assert rule["metadata"]["labels"]["a"] == "b"
    (alert,) = rule["spec"]["groups"][0]["rules"]
    assert alert["annotations"]["summary"] == "{{ $labels.invariant }} is broken"
    assert not faults(rule, KUBERNETES[-1])
    shown = one(found, "ConfigMap", "gateway-dashboard-money")
    assert shown["data"]["money.json"].strip() == dashboard.strip()
    assert shown["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_runbooks_are_where_their_reader_keeps_them() -> None:
    """Each alert leads to its page there, whole; without an address it names the page in the repository."""

    def led_to(runbooks: str) -> set[str]:
        found = manifests({"metrics": {"rules": {"enabled": True, "runbooks": runbooks}}})
        groups = [group for each in found if each["kind"] == "PrometheusRule" for group in each["spec"]["groups"]]
        return {rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"] if "alert" in rule}

    pages = {path.name for path in (CHART.parent / "docs" / "runbooks").glob("Gateway*.md")}
    assert len(pages) > 30
    assert led_to("") == {f"docs/runbooks/{page}" for page in pages}
    for address in ("https://git.example/gateway/blob/main/docs/runbooks", "http://wiki:8090/ops/"):
        assert led_to(address) == {f"{address.rstrip('/')}/{page}" for page in pages}


def test_readme_has_every_value() -> None:
    """Written from values.yaml; `make chart-readme` does it."""
    assert (CHART / "README.md").read_text("utf-8") == chart_readme.readme()
    paths = [path for path, _, _ in chart_readme.rows((CHART / "values.yaml").read_text("utf-8"))]
    assert len(paths) > 90
    for example in ("sqlite", "postgresql", "everything"):
        assert f"examples/{example}.yaml" in (CHART / "README.md").read_text("utf-8")


def test_chart_is_of_this_version() -> None:
    """The version the chart installs is the gateway's; the chart can be packed, without the examples."""
    with helm.Chart.load(CHART) as chart:
        assert chart.metadata["appVersion"] == __version__
        assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", chart.version)
        packed = [each["name"] for each in chart.files]
        assert not [name for name in packed if name.startswith("examples/")]
