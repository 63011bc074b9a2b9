"""The file compose.yaml without Docker: its makers' schema, paths and variables that are there, no port too many."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import __version__
from gateway.app import LISTENER_STOP_SECONDS
from gateway.settings.environment import VARIABLES, Environment, read_environment

ROOT = Path(__file__).parent.parent
FILE = ROOT / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
REFERENCE = re.compile(r"\$\{([A-Z_]+)(?::[?-][^}]*)?\}")


def told() -> Environment:
    """The gateway's settings as it finds them there."""
    return read_environment({name: REFERENCE.sub("secret", value) for name, value in environ().items()})


def environ() -> dict[str, str]:
    """The gateway's variables."""
    found: dict[str, str] = SERVICES["gateway"]["environment"]
    return found


def binds(service: str) -> list[tuple[Path, str]]:
    """What of this repository is seen in a container, and where."""
    found = [each.split(":") for each in SERVICES[service].get("volumes", [])]
    return [(ROOT / parts[0], parts[1]) for parts in found if parts[0].startswith(".")]


def test_it_is_what_the_specification_says(tmp_path: Path) -> None:
    """By the schema that the Compose Specification publishes; and a misspelt word in it would be found."""
    spoilt = tmp_path / "compose.yaml"
    spoilt.write_text(FILE.read_text("utf-8").replace("cap_drop:", "cap_dorp:", 1))
    for path, code, word in ((FILE, 0, "done"), (spoilt, 1, "'cap_dorp' was unexpected")):
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        assert done.returncode == code, done.stdout
        assert word in done.stdout


def test_every_path_is_there() -> None:
    """Docker would make an empty folder in place of what is missing, and say nothing."""
    seen = [path for service in SERVICES for path, _ in binds(service)]
    assert len(seen) >= 5
    for path in [*seen, ROOT / "Dockerfile"]:
        assert path.exists(), path
    named = {name for service in SERVICES.values() for name in service.get("networks", [])}
    assert named == set(COMPOSE["networks"])
    volumes = {each.split(":")[0] for service in SERVICES.values() for each in service.get("volumes", [])}
    assert {each for each in volumes if not each.startswith(".")} == set(COMPOSE["volumes"])


def test_gateway_takes_what_it_is_told() -> None:
    """Variables of its own, good ones; both databases are those beside it, on their ports."""
    assert set(environ()) <= {variable.name for variable in VARIABLES}
    settings = told()
    assert settings.database_url.reveal() == "postgresql://gateway:secret@postgres:5432/gateway"
    assert settings.redis_url is not None
    assert settings.redis_url.reveal() == "redis://redis:6379/0"
    assert SERVICES["postgres"]["environment"]["POSTGRES_USER"] == "gateway"
    assert SERVICES["gateway"]["image"].endswith(f":{__version__}")
    inside = [where for _, where in binds("gateway")]
    assert str(settings.config) in inside
    assert f"gateway-data:{settings.data_dir}" in SERVICES["gateway"]["volumes"]


def test_grace_is_longer_than_a_stop() -> None:
    """The same sum as in the chart."""
    settings = told()
    grace = int(SERVICES["gateway"]["stop_grace_period"].removesuffix("s"))
    assert grace == settings.drain_delay_seconds + LISTENER_STOP_SECONDS + settings.drain_seconds + 5


def test_nothing_is_open_to_the_world() -> None:
    """Users come through a proxy on this machine; the books, Redis, Prometheus and metrics cannot be reached at all."""
    ports = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert {name for name, open_ports in ports.items() if open_ports} == {"gateway", "grafana"}
    for name in ("gateway", "grafana"):
        assert all(port.startswith("127.0.0.1:") for port in ports[name])
    assert ports["gateway"] == ["127.0.0.1:8080:8080"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert all(SERVICES[name]["networks"] == ["inside"] for name in ("postgres", "redis", "prometheus"))
    gateway = SERVICES["gateway"]
    assert (gateway["read_only"], gateway["cap_drop"], gateway["user"]) == (True, ["ALL"], "10001:10001")
    for service in SERVICES.values():
        assert service["security_opt"] == ["no-new-privileges:true"]
        image = service["image"].rpartition(":")[2]
        assert image not in ("", "latest")


def test_secrets_come_from_dot_env() -> None:
    """Each that is asked for stands in .env.example, is empty there, and nothing starts without it."""
    text = FILE.read_text("utf-8").partition("services:")[2]
    wanted = set(REFERENCE.findall(text))
    assert wanted == {"POSTGRES_PASSWORD", "GRAFANA_PASSWORD"}
    example = (ROOT / ".env.example").read_text("utf-8").splitlines()
    for name in wanted:
        assert f"{name}=" in example
        assert all(f"${{{name}:?" in line for line in text.splitlines() if f"${{{name}" in line)


@pytest.mark.parametrize("path", sorted((ROOT / "compose").rglob("*.y*ml")), ids=lambda path: path.name)
def test_files_for_others_are_yaml_with_a_word_why(path: Path) -> None:
    """Prometheus' and Grafana's own files."""
    assert path.read_text("utf-8").startswith("# ")
    assert isinstance(yaml.safe_load(path.read_text("utf-8")), dict)


def test_prometheus_scrapes_the_gateway_and_knows_the_rules() -> None:
    """Where it listens, and where the rules are in the container."""
    found = yaml.safe_load((ROOT / "compose" / "prometheus.yml").read_text("utf-8"))
    (job,) = found["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"gateway:{told().metrics_port}"]}]
    seen = {where: path for path, where in binds("prometheus")}
    assert found["rule_files"] == ["/etc/prometheus/rules/*.yaml"]
    assert seen["/etc/prometheus/rules"] == ROOT / "helm" / "files" / "rules"
    assert "--config.file=/etc/prometheus/prometheus.yml" in SERVICES["prometheus"]["command"]
    assert seen["/etc/prometheus/prometheus.yml"] == ROOT / "compose" / "prometheus.yml"


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    """Its provisioning names the service beside it, and the folder the dashboards are in."""
    (source,) = yaml.safe_load((ROOT / "compose/grafana/datasources/prometheus.yaml").read_text("utf-8"))["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (shelf,) = yaml.safe_load((ROOT / "compose/grafana/dashboards/gateway.yaml").read_text("utf-8"))["providers"]
    seen = {where: path for path, where in binds("grafana")}
    assert seen[shelf["options"]["path"]] == ROOT / "helm" / "files" / "dashboards"
    assert seen["/etc/grafana/provisioning"] == ROOT / "compose" / "grafana"


# What compose/tracing.yaml puts over compose.yaml.
OVER: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose" / "tracing.yaml").read_text("utf-8"))["services"]


def test_tracing_is_what_the_specification_says() -> None:
    """By itself; and every service it changes is one of compose.yaml's, but for the collector."""
    path = ROOT / "compose" / "tracing.yaml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    assert OVER.keys() - SERVICES.keys() == {"jaeger"}


def test_gateway_sends_spans_to_the_collector_beside_it() -> None:
    """From an image of another name, for it has OpenTelemetry in it; the collector is on the gateway's network."""
    over = OVER["gateway"]
    lock = over["build"]["args"]["LOCK"]
    assert f"ARG LOCK=run.lock\nCOPY run.lock {lock} ./\n" in (ROOT / "Dockerfile").read_text("utf-8")
    assert over["image"] == f"{SERVICES['gateway']['image']}-tracing"
    both = {**environ(), **over["environment"]}
    settings = read_environment({name: REFERENCE.sub("secret", value) for name, value in both.items()})
    assert settings.tracing_url is not None
    assert settings.tracing_url.reveal() == "http://jaeger:4318"
    jaeger = OVER["jaeger"]
    assert set(SERVICES["gateway"]["networks"]) & set(jaeger["networks"])
    assert (jaeger["read_only"], jaeger["cap_drop"], jaeger["ports"]) == (True, ["ALL"], ["127.0.0.1:16686:16686"])
    assert jaeger["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"2\.[0-9]+\.[0-9]+", jaeger["image"].rpartition(":")[2])


def test_grafana_leads_from_a_latency_to_its_trace() -> None:
    """Prometheus keeps exemplars, and is told of with everything it was told of before; they lead to the collector."""
    assert OVER["prometheus"]["command"] == [*SERVICES["prometheus"]["command"], "--enable-feature=exemplar-storage"]
    ((source, where),) = [each.split(":")[:2] for each in OVER["grafana"]["volumes"]]
    assert where == "/etc/grafana/provisioning/datasources"
    sources = yaml.safe_load((ROOT / source / "jaeger.yaml").read_text("utf-8"))["datasources"]
    usual = yaml.safe_load((ROOT / "compose/grafana/datasources/prometheus.yaml").read_text("utf-8"))["datasources"]
    prometheus, jaeger = sources
    ((lead,),) = (prometheus["jsonData"].pop("exemplarTraceIdDestinations"),)
    assert lead == {"name": "trace_id", "datasourceUid": jaeger["uid"]}
    assert [prometheus] == usual
    assert jaeger["url"] == "http://jaeger:16686"
