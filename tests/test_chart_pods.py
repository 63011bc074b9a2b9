"""The pods of the chart: what they may do, what they are told, how long they get to end, and where secrets are."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import __version__
from gateway.__main__ import main
from gateway.app import LISTENER_STOP_SECONDS
from gateway.metrics import Metrics
from gateway.settings.environment import VARIABLES, read_environment
from gateway.settings.load import load_file
from gateway.web.health import Standing, health_routes
from tests.chart import (
    CHART,
    EXAMPLES,
    POSTGRESQL,
    Manifest,
    containers_of,
    manifests,
    notes,
    one,
    pods_of,
    serving,
    values_of,
)

# What stands in the Secrets the examples name, by their keys.
SECRETS = {
    "GATEWAY_DATABASE_URL": "postgresql://gateway:canary@db.example:5432/books",
    "GATEWAY_REDIS_URL": "rediss://:canary@redis.example:6379/0",
    "GATEWAY_KEY_SECRET": "ab" * 32,
    "GATEWAY_EVENTS_URL": "https://events.example/hook",
    "GATEWAY_EVENTS_SECRET": "whsec_" + "YWJj" * 8,
    "GATEWAY_TRACING_HEADERS": "authorization=Bearer canary",
}


def environment_of(container: Manifest) -> dict[str, str]:
    """The variables as the container finds them."""
    return {each["name"]: each.get("value", SECRETS.get(each["name"], "")) for each in container["env"]}


def gateway_in(values: dict[str, Any]) -> Manifest:
    """The container that serves."""
    (container,) = serving(manifests(values))["spec"]["template"]["spec"]["containers"]
    return dict(container)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_pod_is_restricted(example: str) -> None:
    """Each rule of the Pod Security Standard "restricted", and a root file system that nobody writes."""
    found = dict(pods_of(manifests(values_of(example))))
    assert len(found) == 3
    for name, pod in found.items():
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(pod), name
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] >= 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        kinds = {kind for volume in pod["volumes"] for kind in set(volume) - {"name"}}
        assert kinds <= {"emptyDir", "configMap", "secret", "persistentVolumeClaim"}, name
        for container in containers_of(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            }
            assert not any("hostPort" in port for port in container.get("ports", []))
            assert container["resources"]["limits"]["memory"]
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
            assert container["args"][0] in main.commands, "the gateway has no such command"


@pytest.mark.parametrize(
    ("values", "drain", "grace"),
    [
        ({}, 90, 115),
        ({"settings": {"drainDelaySeconds": 0}}, 90, 105),
        ({"settings": {"drainDelaySeconds": 2.5, "drainSeconds": 30.5}}, 30.5, 49),
        ({"settings": {"drainSeconds": 0}}, 0, 25),
        ({"terminationGracePeriodSeconds": 300}, 90, 300),
        ({"providers": {"file": "", "existingConfigMap": "mine"}}, 90, 115),
        (values_of("examples/postgresql.yaml"), 120, 145),
        (values_of("examples/everything.yaml"), 60, 120),
    ],
    ids=["default", "no-delay", "fractions", "nought", "longer", "unread", "postgresql", "everything"],
)
def test_grace_is_the_sum_of_what_a_stop_may_take(values: dict[str, Any], drain: float, grace: int) -> None:
    """Delay + listener + drain + 5 to close; orders on their way get the longest `add` of any provider."""
    pod = serving(manifests(values))["spec"]["template"]["spec"]
    told = read_environment(environment_of(pod["containers"][0]))
    assert told.drain_seconds == drain
    assert pod["terminationGracePeriodSeconds"] == grace
    assert grace >= told.drain_delay_seconds + LISTENER_STOP_SECONDS + told.drain_seconds + 5


@pytest.mark.parametrize(
    ("totals", "drain"),
    [(["{total: 30}", "{total: 40.2}"], 41), (["{total: 30}", "{connect: 3}"], 90), (["{total: 900}"], 600)],
    ids=["longest", "usual", "most"],
)
def test_drain_is_the_longest_add(totals: list[str], drain: int) -> None:
    """Rounded up; a provider that says nothing has the usual 90; never more than the gateway takes."""
    lines = [
        f'  panel-{n}: {{url: "https://p.example/", key: "${{ENV:A}}", timeouts: {total}}}'
        for n, total in enumerate(totals)
    ]
    file = "\n".join(["version: 1", "providers:", *lines])
    assert environment_of(gateway_in({"providers": {"file": file}}))["GATEWAY_DRAIN_SECONDS"] == str(drain)


def test_a_shorter_drain_is_warned_of() -> None:
    """Each rollout would leave orders in doubt; and so would pods without volumes, and several without Redis."""
    warned = notes(values_of("examples/everything.yaml"))
    for part in ("settings.drainSeconds is shorter than the longest `add`", "persistence.enabled is false"):
        assert part in warned
    assert "WARNING: several gateways without Redis" in notes({**POSTGRESQL, "replicas": 2})
    assert "WARNING" not in notes(values_of("examples/postgresql.yaml"))
    assert "It sells nothing yet" in notes({})
    assert "It sells nothing yet" not in notes(values_of("examples/sqlite.yaml"))
    assert "https://gateway.example/api/v2" in notes(values_of("examples/sqlite.yaml"))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_gateway_takes_what_it_is_told(example: str, tmp_path: Path) -> None:
    """Every variable is one of its own and good, and providers.yaml is without a fault."""
    values = values_of(example)
    known = {variable.name for variable in VARIABLES}
    for _, pod in pods_of(manifests(values)):
        for container in containers_of(pod):
            names = [each["name"] for each in container.get("env", [])]
            assert len(set(names)) == len(names)
            assert {name for name in names if name.startswith("GATEWAY_")} <= known
    told = read_environment(environment_of(gateway_in(values)))
    found = manifests(values)
    name = serving(found)["metadata"]["name"]
    file = one(found, "ConfigMap", f"{name}-providers")["data"]["providers.yaml"]
    assert file == one(found, "ConfigMap", f"{name}-migration")["data"]["providers.yaml"]
    (tmp_path / "keys").mkdir()
    for name in ("panel-a", "panel-b"):
        (tmp_path / "keys" / name).write_text("canary")
    written = tmp_path / "providers.yaml"
    written.write_text(file.replace("/run/secrets/providers", str(tmp_path / "keys")))
    load_file(written, {"PANEL_A_KEY": "canary", "PANEL_C_KEY": "canary", "SMTP_PASSWORD": "canary"})
    assert str(told.data_dir) in [mount["mountPath"] for mount in gateway_in(values)["volumeMounts"]]
    assert str(told.config.parent) in [mount["mountPath"] for mount in gateway_in(values)["volumeMounts"]]
    assert (told.host, told.metrics_host) == ("0.0.0.0", "0.0.0.0")


def test_settings_arrive() -> None:
    """Each of them, as the gateway reads it."""
    told = read_environment(environment_of(gateway_in(values_of("examples/everything.yaml"))))
    assert (told.answer_within, told.queue_seconds, told.drain_delay_seconds) == (5, 600, 15)
    assert (told.wrong_keys_per_minute, told.log_level, told.log_format) == (1_000_000, "warning", "console")
    assert [str(each) for each in told.trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    assert (told.port, told.metrics_port) == (8080, 9100)
    assert told.events_allow_private
    assert told.tracing_url is not None
    assert told.tracing_url.reveal() == "https://collector.example:4318/otlp"
    assert [(name, value.reveal()) for name, value in told.tracing_headers] == [("authorization", "Bearer canary")]
    assert (told.tracing_ratio, told.tracing_traceparent) == (0.25, "parent")
    assert told.database_url.reveal() == SECRETS["GATEWAY_DATABASE_URL"]
    assert told.redis_url is not None
    assert told.redis_url.reveal() == "redis://valkey.shop.svc:6379/0"


def test_extra_variables_may_not_be_the_chart_s_own() -> None:
    """The list the refusal goes by has every variable that the chart ever sets."""
    text = (CHART / "templates" / "_pod.tpl").read_text("utf-8")
    own = text.partition('define "gateway.ownVariables" -}}')[2].partition("{{- end }}")[0].split()
    assert set(own) <= {variable.name for variable in VARIABLES}
    for example in EXAMPLES:
        told = environment_of(gateway_in(values_of(example)))
        assert {name for name in told if name.startswith("GATEWAY_")} <= set(own)


@pytest.mark.parametrize("example", EXAMPLES)
def test_secrets_are_named_and_never_written(example: str) -> None:
    """No Secret is made, no ConfigMap holds one, and no variable of a secret has its value beside it."""
    values = values_of(example)
    found = manifests(values)
    assert not [each for each in found if each["kind"] == "Secret"]
    for each in found:
        if each["kind"] == "ConfigMap" and "providers.yaml" in each["data"]:
            for provider in yaml.safe_load(each["data"]["providers.yaml"])["providers"].values():
                assert provider["key"].startswith("${")
    for _, pod in pods_of(found):
        for container in containers_of(pod):
            for variable in container.get("env", []):
                if variable["name"] in SECRETS and "value" in variable:
                    assert variable["name"] == "GATEWAY_REDIS_URL"
                    assert "@" not in variable["value"]
    files = values["providers"].get("secretAs") == "files"
    container = gateway_in(values)
    wanted = [
        values["providers"].get("existingSecret") if not files else "",
        values.get("notify", {}).get("existingSecret"),
    ]
    assert [each["secretRef"]["name"] for each in container.get("envFrom", [])] == [name for name in wanted if name]
    assert ("/run/secrets/providers" in json.dumps(container["volumeMounts"])) == files


def test_books_outlive_everything() -> None:
    """SQLite: one claim that Helm never removes, and one gateway at a time. PostgreSQL: a claim for each that stays."""
    found = manifests({})
    claim, sqlite = one(found, "PersistentVolumeClaim"), serving(found)
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert (sqlite["kind"], sqlite["spec"]["strategy"]) == ("Deployment", {"type": "Recreate"})
    assert sqlite["spec"]["replicas"] == 1
    volumes = {each["name"]: each for each in sqlite["spec"]["template"]["spec"]["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    mine = manifests({"persistence": {"existingClaim": "mine"}})
    assert not [each for each in mine if each["kind"] == "PersistentVolumeClaim"]
    assert '"claimName": "mine"' in json.dumps(serving(mine))

    several = serving(manifests({**POSTGRESQL, "replicas": 2}))
    assert several["kind"] == "StatefulSet"
    assert [each["metadata"]["name"] for each in several["spec"]["volumeClaimTemplates"]] == ["data"]
    assert several["spec"]["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert several["spec"]["podManagementPolicy"] == "Parallel"
    assert "data" not in {each["name"] for each in several["spec"]["template"]["spec"]["volumes"]}

    bare = serving(manifests({**POSTGRESQL, "replicas": 2, "persistence": {"enabled": False}}))
    assert (bare["kind"], bare["spec"]["strategy"]["type"]) == ("Deployment", "RollingUpdate")
    assert bare["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    volumes = {each["name"]: each for each in bare["spec"]["template"]["spec"]["volumes"]}
    assert "emptyDir" in volumes["data"]


def test_probes_ask_what_the_gateway_answers() -> None:
    """Paths that are there, on the port that is not the users'; liveness asks nothing of the books."""
    paths = {path for route in health_routes(Metrics(), Standing) for path in route.paths}
    container = gateway_in({})
    asked = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {each["path"] for each in asked.values()} <= paths
    assert asked["liveness"]["path"] == "/live"
    assert asked["readiness"]["path"] == "/ready"
    assert {each["port"] for each in asked.values()} == {"metrics"}
    ready = container["readinessProbe"]
    delay = read_environment(environment_of(container)).drain_delay_seconds
    assert delay >= ready["periodSeconds"] * ready["failureThreshold"], "a stop would be over before it is noticed"


def test_migration_comes_before_the_rollout() -> None:
    """With settings of its own, for those of the release come later; PostgreSQL is migrated, SQLite by its gateway."""
    for values, steps in (({}, [["config", "check"]]), (POSTGRESQL, [["config", "check"], ["migrate"]])):
        found = manifests(values)
        job = one(found, "Job")
        assert [each["args"] for each in containers_of(job["spec"]["template"]["spec"])] == steps
        hooks = {}
        for each in found:
            annotations = each["metadata"].get("annotations", {})
            if annotations.get("helm.sh/hook") == "pre-install,pre-upgrade":
                hooks[each["kind"]] = (int(annotations["helm.sh/hook-weight"]), each["metadata"]["name"])
        assert {kind for kind, (weight, _) in hooks.items() if weight < hooks["Job"][0]} == {
            "ConfigMap",
            "NetworkPolicy",
        }
        assert hooks["ConfigMap"][1] in json.dumps(job["spec"]["template"]["spec"]["volumes"])
        assert job["spec"]["template"]["spec"]["serviceAccountName"] == "default"
    assert not [each for each in manifests({"migration": {"enabled": False}}) if each["kind"] == "Job"]


@pytest.mark.parametrize(
    ("change", "rollout", "always"),
    [("# more", False, True), ("# ${ENV:PANEL_A_KEY}", False, True), ("# ${ENV:PANEL_D_KEY}", True, True)],
    ids=["text", "known-variable", "new-variable"],
)
def test_new_variable_is_a_rollout_and_new_text_only_if_asked_for(change: str, rollout: bool, always: bool) -> None:
    """The gateway takes another text up while it serves; variables it reads at its start."""
    file = values_of("examples/sqlite.yaml")["providers"]["file"]
    for asked, expected in ((False, rollout), (True, always)):
        pods = []
        for text in (file, f"{file}{change}\n"):
            values = {"providers": {"file": text, "rolloutOnChange": asked}}
            pods.append(serving(manifests(values))["spec"]["template"])
        assert (pods[0] != pods[1]) is expected
        assert read_environment(environment_of(pods[0]["spec"]["containers"][0])).watch_config is not asked


def test_image_is_this_gateway_s() -> None:
    """The tag is the gateway's version where the values say nothing else; a digest counts before it."""
    assert gateway_in({})["image"] == f"panel-gateway:{__version__}"
    assert gateway_in({"image": {"tag": "1.2.3"}})["image"] == "panel-gateway:1.2.3"
    digest = gateway_in(values_of("examples/everything.yaml"))["image"]
    assert digest.startswith("registry.example:5000/shop/panel-gateway@sha256:")
