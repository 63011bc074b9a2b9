"""What the chart refuses, each with a sentence: what would lose money, keys or users, and what is nonsense."""

import json
from typing import Any

import pytest
import yaml

from tests.chart import CHART, EXAMPLES, POSTGRESQL, manifests, refusal, values_of

FILE = "version: 1\nproviders:\n  panel-a:\n    url: {url}\n    key: {key}\n"
REFERENCE = "${ENV:PANEL_A_KEY}"


def providers(*, url: str = "https://panel-a.example/api/v2", key: str = REFERENCE, more: str = "") -> dict[str, Any]:
    """Values with one provider."""
    return {"providers": {"file": FILE.format(url=url, key=key) + more}}


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"replicas": 2},
        "replicas is 2 and database.kind is sqlite: SQLite keeps the books in one file for one gateway, and a second",
    ),
    ({"autoscaling": {"enabled": True}}, "autoscaling.enabled needs database.kind: postgresql"),
    (
        {"persistence": {"enabled": False}},
        "the books, with every balance and every order, would be gone with the pod",
    ),
    ({"persistence": {"accessModes": ["ReadWriteMany"]}}, "network file systems, on which SQLite loses commits"),
    ({"database": {"existingSecret": "books"}}, "the books would be in a file, not in your PostgreSQL"),
    ({**POSTGRESQL, "persistence": {"existingClaim": "mine"}}, "persistence.existingClaim is for SQLite"),
    (
        {**POSTGRESQL, "autoscaling": {"enabled": True, "minReplicas": 9}},
        "autoscaling.minReplicas is 9, more than maxReplicas, 6.",
    ),
    ({"database": {"kind": "postgresql"}}, "database.existingSecret has to name the Secret with its URL"),
    (
        {"database": POSTGRESQL["database"]},
        "keySecret.existingSecret has to name the Secret under which users' keys are hashed: each gateway would make",
    ),
    ({"redis": {"url": "redis://:canary@redis:6379/0"}}, "redis.url has a password in it"),
    (
        {"redis": {"url": "redis://redis:6379/0", "existingSecret": "x"}},
        "redis.url and redis.existingSecret are both set",
    ),
    ({"tracing": {"url": "http://me:canary@collector:4318"}}, "tracing.url has a password in it"),
    ({"tracing": {"existingSecret": "x"}}, "tracing.existingSecret is set and tracing.url is empty"),
    ({"providers": {"file": ""}}, "providers.file is empty and providers.existingConfigMap names none; give your"),
    ({"providers": {"file": "providers: ["}}, "providers.file cannot be read: "),
    ({"providers": {"file": "- panel-a"}}, "providers.file cannot be read: "),
    ({"providers": {"file": "version: 1\nproviders: {}"}}, "providers.file names no provider"),
    ({"providers": {"file": "version: 1\nproviders: {panel-a: }"}}, "provider panel-a has no fields"),
    (providers(key="canary"), "the key of panel-a stands in it, and a ConfigMap is no place for a secret"),
    (providers(key="canary${ENV:A}"), "the key of panel-a stands in it"),
    (providers(key="''"), "the key of panel-a stands in it"),
    (
        {"terminationGracePeriodSeconds": 114},
        "is 114, and a stop may take 115: 10 to be noticed, 10 for what is being answered, 90 for orders on",
    ),
    ({"ingress": {"enabled": True}}, "ingress.enabled needs ingress.hosts"),
    ({"httpRoute": {"enabled": True}}, "httpRoute.enabled needs httpRoute.parentRefs"),
    (
        providers(url="https://panel-a.example:8443/api/v2"),
        "panel-a is at port 8443, which the NetworkPolicy does not let out. Add it to networkPolicy.panelPorts.",
    ),
    (providers(url="http://panel-a.example/api/v2"), "panel-a is at port 80, which"),
    (
        providers(more="    allow_private: true\n"),
        "panel-a has a private address, which the NetworkPolicy does not let",
    ),
    (
        {"extraEnv": [{"name": "GATEWAY_DATABASE_URL", "value": "postgresql://gateway:canary@db/books"}]},
        "extraEnv has GATEWAY_DATABASE_URL, which the chart sets itself",
    ),
]

# Values that cannot be, whatever the others say: the path that is named, and what is wrong with it.
NONSENSE: list[tuple[dict[str, Any], str, str]] = [
    ({"replica": 2}, "", "additional properties 'replica' not allowed"),
    ({"replicas": "two"}, "/replicas", "got string, want integer"),
    ({"replicas": -1}, "/replicas", "minimum: got -1, want 0"),
    ({"database": {"kind": "mysql"}}, "/database/kind", "value must be one of 'sqlite', 'postgresql'"),
    ({"settings": {"answerWithin": 600}}, "/settings/answerWithin", "maximum: got 600, want 60"),
    ({"settings": {"drainSeconds": 601}}, "/settings/drainSeconds", "maximum: got 601, want 600"),
    ({"settings": {"logLevel": "loud"}}, "/settings/logLevel", "value must be one of"),
    ({"podSecurityContext": {"runAsUser": 0}}, "/podSecurityContext/runAsUser", "minimum: got 0, want 1"),
    ({"podDisruptionBudget": {"maxUnavailable": 0}}, "/podDisruptionBudget/maxUnavailable", "minimum: got 0, want 1"),
    ({"metrics": {"port": 8080}}, "/metrics/port", "'not' failed"),
    ({"image": {"repository": "panel-gateway:latest"}}, "/image/repository", "does not match pattern"),
    ({"image": {"digest": "sha256:short"}}, "/image/digest", "does not match pattern"),
    ({"persistence": {"size": "10 GB"}}, "/persistence/size", "does not match pattern"),
    ({"persistence": {"accessModes": []}}, "/persistence/accessModes", "minItems: got 0, want 1"),
    ({"ingress": {"hosts": ["https://gateway.example/"]}}, "/ingress/hosts/0", "does not match pattern"),
    ({"networkPolicy": {"panelPorts": ["https"]}}, "/networkPolicy/panelPorts/0", "got string, want integer"),
    ({"extraEnv": [{"nam": "A"}]}, "/extraEnv/0", "additional properties 'nam' not allowed"),
    ({"redis": {"url": "redis:6379"}}, "/redis/url", "does not match pattern"),
    ({"tracing": {"url": "collector:4318"}}, "/tracing/url", "does not match pattern"),
    ({"tracing": {"ratio": 10}}, "/tracing/ratio", "maximum: got 10, want 1"),
    ({"tracing": {"traceparent": False}}, "/tracing/traceparent", "value must be one of"),
    *(
        ({"metrics": {"rules": {"runbooks": nonsense}}}, "/metrics/rules/runbooks", "does not match pattern")
        for nonsense in (
            "docs/runbooks",
            "git.example/runbooks",
            "ftp://git.example",
            "https://",
            "https:// x",
            "https://git.example/a?b",
        )
    ),
]


@pytest.mark.parametrize(("values", "sentence"), REFUSED, ids=[str(each) for each in range(len(REFUSED))])
def test_what_would_lose_something_is_refused_with_a_sentence(values: dict[str, Any], sentence: str) -> None:
    """Whatever the rest of the values is; and no secret is repeated in it."""
    said = refusal(values)
    assert sentence in said
    assert "canary" not in said


@pytest.mark.parametrize(("values", "path", "what"), NONSENSE, ids=[path or "unknown" for _, path, _ in NONSENSE])
def test_nonsense_is_refused_by_its_path(values: dict[str, Any], path: str, what: str) -> None:
    """Before any template is looked at."""
    said = refusal(values)
    assert f"at '{path}'" in said
    assert what in said


def test_what_is_safe_is_taken() -> None:
    """The other side of each refusal: the same values where they do no harm."""
    for values in (
        {**POSTGRESQL, "replicas": 2},
        {**POSTGRESQL, "persistence": {"enabled": False}},
        {**POSTGRESQL, "autoscaling": {"enabled": True}},
        {"replicas": 0},
        {"persistence": {"existingClaim": "mine"}},
        {"redis": {"url": "redis://redis:6379/0"}},
        {"tracing": {"url": "http://collector:4318", "existingSecret": "x", "ratio": 0}},
        {"terminationGracePeriodSeconds": 115},
        {"providers": {"file": "", "existingConfigMap": "mine"}},
        {**providers(url="https://panel-a.example:8443/api/v2"), "networkPolicy": {"panelPorts": [8443]}},
        {**providers(url="http://10.0.0.1/api/v2"), "networkPolicy": {"enabled": False}},
        providers(url="https://${ENV:PANEL_HOST}/api/v2"),
        providers(key="${FILE:/run/secrets/providers/panel-a}"),
        providers(key="${ENV:PANEL_A_KEY:-}"),
    ):
        assert manifests(values)


def leaves(schema: dict[str, Any], at: str = "") -> set[str]:
    """The paths of all values a schema knows."""
    inner = schema.get("properties")
    if inner is None:
        return {at}
    assert schema["additionalProperties"] is False, f"{at or 'the top'} takes anything"
    return {path for name, each in inner.items() for path in leaves(each, f"{at}.{name}".strip("."))}


def has(values: Any, path: str) -> bool:
    """Whether the values say something at that path, be it nothing."""
    for name in path.split("."):
        if not isinstance(values, dict) or name not in values:
            return False
        values = values[name]
    return True


def test_schema_and_values_know_the_same() -> None:
    """Each value of values.yaml is checked, and the schema has none that is not there; `global` is Helm's own."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    assert [path for path in sorted(leaves(schema)) if not has(values, path)] == ["global"]
    assert len(EXAMPLES) > 3
    for example in EXAMPLES:
        assert manifests(values_of(example))
