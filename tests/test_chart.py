"""The chart for each Kubernetes it says it is for: rendered, linted, and checked against that version's own schemas."""

from functools import cache
from typing import Any

import helm_python as helm
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types
from kubernetes_validate.utils import all_versions, schema_contents  # type: ignore[import-untyped] # as jsonschema
from packaging.version import Version
from referencing import Registry, Resource

from tests.chart import CHART, EXAMPLES, Manifest, manifests, pods_of, values_of

OLDEST = Version("1.27")
# Each stands there twice, strict and not.
KUBERNETES = sorted({each for each in all_versions() if Version(each) >= OLDEST}, key=Version)

# Kinds that are not Kubernetes' own: what the chart uses of them, by their makers' references (prometheus-operator's
# API v1, Gateway API v1). Nothing else may stand there.
_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_LABELS = {"type": "object", "additionalProperties": {"type": "string"}}


def _thing(required: str, **properties: Any) -> dict[str, Any]:
    known = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**known, "required": required.split()}


def _many(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": item}


_RULE = _thing(
    "expr",
    alert=_TEXT,
    record=_TEXT,
    expr=_TEXT,
    labels=_LABELS,
    annotations=_LABELS,
    **{"for": _TEXT, "keep_firing_for": _TEXT},
)
FOREIGN = {
    "monitoring.coreos.com/v1/ServiceMonitor": _thing(
        "selector endpoints",
        selector=_thing("matchLabels", matchLabels=_LABELS),
        namespaceSelector=_thing("matchNames", matchNames=_many(_TEXT)),
        endpoints=_many(_thing("port", port=_TEXT, path=_TEXT, interval={"pattern": "^[0-9]+(ms|s|m)$"})),
    ),
    "monitoring.coreos.com/v1/PrometheusRule": _thing(
        "groups", groups=_many(_thing("name rules", name=_TEXT, interval=_TEXT, rules=_many(_RULE)))
    ),
    "gateway.networking.k8s.io/v1/HTTPRoute": _thing(
        "parentRefs rules",
        parentRefs=_many(_thing("name", name=_TEXT, namespace=_TEXT, sectionName=_TEXT)),
        hostnames=_many(_TEXT),
        rules=_many(
            _thing(
                "backendRefs",
                matches=_many(
                    _thing("path", path=_thing("type value", type={"const": "PathPrefix"}, value={"const": "/"}))
                ),
                backendRefs=_many(_thing("name port", name=_TEXT, port={"type": "integer"})),
            )
        ),
    ),
}


@cache
def checker(kubernetes: str, kind: str, api: str) -> Draft202012Validator:
    """What checks a kind as this version of Kubernetes does when it is strict about fields it does not know."""
    folder = f"kubernetes-json-schema/v{kubernetes}-local-strict"
    group, _, version = api.rpartition("/")
    name = "-".join(filter(None, (kind.lower(), group.split(".")[0], version)))
    schema = schema_contents(f"{folder}/{name}.json", kubernetes)
    return Draft202012Validator(schema, registry=definitions(folder, kubernetes))


@cache
def definitions(folder: str, kubernetes: str) -> Registry[Any]:
    """What the schemas of one version have in common."""
    return Resource.from_contents(schema_contents(f"{folder}/_definitions.json", kubernetes)) @ Registry()


def faults(manifest: Manifest, kubernetes: str) -> list[str]:
    """What this version of Kubernetes has against a manifest."""
    kind, api = manifest["kind"], manifest["apiVersion"]
    foreign = FOREIGN.get(f"{api}/{kind}")
    if foreign is not None:
        found = Draft202012Validator(foreign).iter_errors(manifest["spec"])
    else:
        found = checker(kubernetes, kind, api).iter_errors(manifest)
    return [f"{kind} {manifest['metadata']['name']}: {each.json_path}: {each.message}" for each in found]


def test_versions_begin_where_the_chart_does() -> None:
    """1.27 and everything newer that is known, without a gap."""
    assert [Version(each).minor for each in KUBERNETES] == list(range(27, 27 + len(KUBERNETES)))
    assert len(KUBERNETES) >= 11
    with helm.Chart.load(CHART) as chart:
        assert chart.metadata["kubeVersion"] == f">={OLDEST}.0-0"


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_every_example_fits_kubernetes(kubernetes: str) -> None:
    """No warning of Helm's strict lint, and no fault by the version's own schemas, which take no unknown field."""
    for example in EXAMPLES:
        values = values_of(example)
        linted = helm.lint(CHART, values, strict=True, namespace="shop", kube_version=f"v{kubernetes}")
        assert (linted["messages"], linted["errors"]) == ([], []), example
        found = [fault for each in manifests(values) for fault in faults(each, kubernetes)]
        assert not found, f"{example}: {found}"


def test_schemas_would_complain() -> None:
    """A misspelt field and a wrong type are found, in Kubernetes' kinds and in foreign ones."""
    found = {each["kind"]: each for each in manifests(values_of("examples/everything.yaml"))}
    newest = KUBERNETES[-1]
    for kind, field, value in (
        ("Deployment", "replica", 3),
        ("HorizontalPodAutoscaler", "minReplicas", "three"),
        ("NetworkPolicy", "egres", []),
        ("ServiceMonitor", "endpoint", []),
        ("HTTPRoute", "rules", []),
    ):
        spoilt = {**found[kind], "spec": {**found[kind]["spec"], field: value}}
        assert not faults(found[kind], newest)
        assert any(field in fault for fault in faults(spoilt, newest)), kind


def test_examples_show_every_kind() -> None:
    """Between them they make everything the chart can make, so that the test above has seen it."""
    made = {each["kind"] for example in EXAMPLES for each in manifests(values_of(example))}
    files = sum(1 for _ in (CHART / "files" / "rules").glob("*.yaml"))
    assert made == {
        *("Deployment", "StatefulSet", "Job", "Pod", "Service", "ServiceAccount", "ConfigMap"),
        *("PersistentVolumeClaim", "Ingress", "HTTPRoute", "HorizontalPodAutoscaler", "PodDisruptionBudget"),
        *("NetworkPolicy", "ServiceMonitor"),
        *(["PrometheusRule"] if files else []),
    }


@pytest.mark.parametrize("example", EXAMPLES)
def test_names_and_labels_are_a_release_s_own(example: str) -> None:
    """No two of a kind have one name; each says whose it is; a selector finds the pods that serve, and no others."""
    found = manifests(values_of(example))
    names = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(set(names)) == len(names)
    for each in found:
        assert each["metadata"]["namespace"] == "shop"
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == "gateway"
        assert each["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    pods = {}
    for each in found:
        template = each["spec"]["template"] if each["kind"] in {"Deployment", "StatefulSet", "Job"} else each
        if template is not each or each["kind"] == "Pod":
            pods[each["kind"]] = template["metadata"]["labels"].items()
    assert len(pods) == len(list(pods_of(found))) == 3
    for each in found:
        if each["kind"] == "Service":
            chosen = [kind for kind, labels in pods.items() if each["spec"]["selector"].items() <= labels]
            assert chosen in (["Deployment"], ["StatefulSet"])
