"""The file and the environment together: everything wrong is told at once, and the shipped file is good."""

import hashlib
from pathlib import Path

import pytest

from gateway.settings.faults import SettingsError
from gateway.settings.load import load_file, load_settings
from tests.settings.files import ENVIRON, GOOD, faults_of

ROOT = Path(__file__).parent.parent.parent


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    """YAML's faults, fields, values, names and ranges, from one reading, each with its line and caret."""
    path = tmp_path / "p.yaml"
    path.write_text(
        "version: 2\n"
        "curency: USD\n"
        "markup:\n"
        "  percent: -100\n"
        "providers:\n"
        "  panel-a:\n"
        "    url: https://panel-a.example\n"
        "    key: ${ENV:NOWHERE}\n"
        "    enabled: on\n"
        "services:\n"
        "  1:\n"
        "    routes: [panel-c/5]\n"
    )
    with pytest.raises(SettingsError) as caught:
        load_settings({"GATEWAY_PROT": "1"}, path)
    assert str(caught.value) == (
        "environment: there is no variable GATEWAY_PROT; did you mean GATEWAY_PORT?\n"
        f"{path}:1:10: here belongs 1, not 2\n"
        "    version: 2\n"
        "             ^\n"
        f"{path}:2:1: there is no field curency here; did you mean currency?\n"
        "    curency: USD\n"
        "    ^\n"
        f"{path}:4:12: percent has to be above -100\n"
        "      percent: -100\n"
        "               ^\n"
        f"{path}:8:10: NOWHERE is not set in the environment\n"
        "        key: ${ENV:NOWHERE}\n"
        "             ^\n"
        f'{path}:9:14: YAML readers disagree about a bare on: write true or false, or quote it, "on"\n'
        "        enabled: on\n"
        "                 ^\n"
        f"{path}:12:14: there is no provider panel-c; did you mean panel-a?\n"
        "        routes: [panel-c/5]\n"
        "                 ^"
    )


def test_settings_are_the_file_and_the_environment(tmp_path: Path) -> None:
    """Both as values, with the hash of the file's text."""
    path = tmp_path / "p.yaml"
    path.write_text(GOOD)
    settings = load_settings(ENVIRON | {"GATEWAY_CONFIG": str(path), "GATEWAY_PORT": "0"})
    assert list(settings.file.providers) == ["panel-a"]
    assert settings.environment.port == 0
    assert settings.hash == hashlib.sha256(GOOD.encode()).hexdigest()[:16]
    assert "key-of-a" not in repr(settings)


def test_good_file_does_not_hide_a_bad_environment(tmp_path: Path) -> None:
    """The environment's faults are raised though the file has none."""
    path = tmp_path / "p.yaml"
    path.write_text(GOOD)
    with pytest.raises(SettingsError, match="GATEWAY_PORT"):
        load_settings(ENVIRON | {"GATEWAY_PORT": "x"}, path)


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"a: \xff", "is no UTF-8 text at byte 3"),
        (b"#" * (8 * 1024 * 1024 + 1), "is larger than 8388608 bytes"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_file_that_cannot_be_read_is_one_line(tmp_path: Path, raw: bytes | None, what: str) -> None:
    """A missing, foreign or endless file is a fault like any other."""
    path = tmp_path / "p.yaml"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(SettingsError) as caught:
        load_file(path, {})
    assert str(caught.value) == f"{path}: {what}"


@pytest.mark.parametrize("text", ["", "- 1\n", "5\n"])
def test_file_without_fields_is_a_fault(text: str) -> None:
    """A list, a word or nothing at all is no configuration."""
    assert len(faults_of(text)) == 1


def test_shipped_file_is_good_as_it_stands() -> None:
    """The example works without a variable set: two panels, failover, both other types, a tier."""
    file, _ = load_file(ROOT / "providers.yaml", {})
    assert {name: each.currency for name, each in file.providers.items()} == {"panel-a": "USD", "panel-b": "EUR"}
    assert file.services[1].routes == ("panel-a/101", "panel-b/2001")
    assert file.services[2].routes == ("panel-a/104",)
    assert file.services[3].routes == ("panel-a/105",)
    assert "reseller" in file.tiers


def test_shipped_file_takes_addresses_and_keys_from_the_environment() -> None:
    """What `make demo` sets reaches the providers."""
    environ = {"GATEWAY_DEMO_PANEL_A_URL": "http://127.0.0.1:1/api/v2", "PANEL_A_KEY": "other"}
    file, _ = load_file(ROOT / "providers.yaml", environ)
    assert file.providers["panel-a"].url == "http://127.0.0.1:1/api/v2"
    assert file.providers["panel-a"].key.reveal() == "other"
