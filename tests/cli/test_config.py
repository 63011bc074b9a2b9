"""`gateway config`: everything wrong at once, a summary when nothing is, and the schema."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.config import config
from gateway.settings.environment import VARIABLES

ROOT = Path(__file__).parent.parent.parent


def test_check_tells_every_fault_and_fails(tmp_path: Path) -> None:
    """Exit code 1, each fault with its place on stderr, and their count."""
    path = tmp_path / "p.yaml"
    path.write_text("version: 1\nprovider: {}\nproviders: {}\n")
    done = CliRunner().invoke(config, ["check", str(path)])
    assert done.exit_code == 1
    assert f"{path}:2:1: there is no field provider here; did you mean providers?" in done.stderr
    assert f"{path}:3:12: there has to be at least one provider" in done.stderr
    assert done.stderr.endswith("2 faults; nothing was done\n")
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [["check"], ["check", "providers.yaml"]])
def test_check_sums_up_a_good_file(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One line: how many of each there are, and the hash; the file may be left to the environment."""
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(config, arguments)
    assert done.exit_code == 0
    counted = "2 providers (2 enabled), 3 services, 1 tier, 0 channels"
    assert done.stdout.startswith(f"providers.yaml is good: {counted}, USD, hash ")
    assert done.stdout.count("\n") == 1


def test_schema_is_printed_as_json() -> None:
    """What editors read, ready to be put into a file."""
    done = CliRunner().invoke(config, ["schema"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["title"] == "providers.yaml of the gateway"


def test_variables_are_listed() -> None:
    """Every variable with its default and its meaning."""
    done = CliRunner().invoke(config, ["variables"])
    assert all(f"{each.name}={each.default}\n    {each.meaning}\n" in done.stdout for each in VARIABLES)
