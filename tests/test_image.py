"""The image, as far as it can be proved without Docker: hadolint's word, what goes in, whose it is, what it is told."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gateway import __version__
from gateway.__main__ import main
from gateway.settings.environment import VARIABLES
from tests.chart import containers_of, manifests, serving

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "Dockerfile").read_text("utf-8")


class Step(msgspec.Struct, frozen=True):
    """One instruction with its words, and the stage it stands in."""

    stage: int
    name: str
    words: str


def steps() -> Iterator[Step]:
    """The Dockerfile's instructions, lines that go on taken together; what is before the first FROM is stage 0."""
    stage = 0
    lines = [line for line in TEXT.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, words = line.partition(" ")
        stage += name == "FROM"
        yield Step(stage, name, words.strip())


STEPS = list(steps())
LAST = [step for step in STEPS if step.stage == max(each.stage for each in STEPS)]


def words_of(name: str) -> list[str]:
    """What the last stage says by this instruction."""
    return [step.words for step in LAST if step.name == name]


def test_hadolint_has_nothing_to_say() -> None:
    """Not even in style."""
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [program, "--failure-threshold", "style", "--no-color", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_packages_come_by_their_hashes() -> None:
    """From a lock, wheels only: nothing is compiled, so there is no compiler; the last stage installs nothing."""
    (locked,) = [step for step in STEPS if " -r " in step.words]
    assert '--require-hashes --only-binary :all: -r "${LOCK}"' in locked.words
    (lock,) = [step.words for step in STEPS if step.name == "ARG" and step.words.startswith("LOCK=")]
    assert lock == "LOCK=run.lock"  # OpenTelemetry is in it only for whoever says so
    (own,) = [step for step in STEPS if step.name == "RUN" and "--no-deps" in step.words]
    assert "--no-index" in own.words
    for step in STEPS:
        assert not re.search(r"apt|apk|gcc|build-essential|curl|wget|ADD ", step.words), step.words
    assert not [step for step in LAST if " install" in step.words.replace("install -d", "") and step.name == "RUN"]
    assert [step.words for step in LAST if step.name == "COPY"] == ["--from=build /opt/gateway /opt/gateway"]
    assert len({step.words.split()[0] for step in STEPS if step.name == "FROM"}) == 1, "one Python for both stages"


def test_what_is_copied_is_there_and_sent() -> None:
    """Each source exists and gets past .dockerignore, which keeps back everything else: books, keys, history."""
    ignore = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in ignore if line and not line.startswith("#")]
    assert rules[0] == "*"
    sent = {rule.removeprefix("!").rstrip("/") for rule in rules if rule.startswith("!")}
    copied = {
        source.rstrip("/")
        for step in STEPS
        if step.name == "COPY" and "--from" not in step.words
        for source in step.words.split()[:-1]
    }
    assert copied == sent
    for source in copied:
        assert (ROOT / source).exists(), source


def test_it_runs_as_the_chart_has_it_run() -> None:
    """By number and never as root; with what the gateway knows; and the tag that the chart asks for."""
    (user,) = words_of("USER")
    pod = serving(manifests({}))["spec"]["template"]["spec"]
    assert user == f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    (container,) = containers_of(pod)
    (env,) = words_of("ENV")
    told = dict(pair.split("=", 1) for pair in env.split())
    ours = {name: value for name, value in told.items() if name.startswith("GATEWAY_")}
    assert set(ours) <= {variable.name for variable in VARIABLES}
    charted = {each["name"]: each.get("value") for each in container["env"]}
    assert ours == {name: charted[name] for name in ours}
    assert f"VERSION={__version__}" in words_of("ARG")
    (label,) = words_of("LABEL")
    for name in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in label


def test_commands_are_the_gateways() -> None:
    """What is started, and what asks how it is."""
    (entry,), (first,), (check,) = words_of("ENTRYPOINT"), words_of("CMD"), words_of("HEALTHCHECK")
    assert json.loads(entry) == ["gateway"]
    program, command = json.loads(check.partition("CMD ")[2])
    assert program == "gateway"
    for name in (*json.loads(first), command):
        assert name in main.commands
    assert words_of("STOPSIGNAL") == ["SIGTERM"]
