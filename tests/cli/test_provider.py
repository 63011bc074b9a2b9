"""The commands on providers: what the probe prints is a file that can be used."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.__main__ import main
from gateway.core.presets import PRESETS
from gateway.settings.load import load_file
from tests.panel_process import PanelProcess


@pytest.mark.parametrize("name", ["perfectpanel", "smartpanel"])
def test_printed_lines_are_a_file_that_can_be_used(tmp_path: Path, name: str) -> None:
    """Comments with what was seen, then the provider; with a version before it, the file has no fault."""
    panel = PanelProcess(tmp_path, "--dialect", name, "--key", "panel-a-key")
    try:
        command = ["provider", "probe", panel.url, "--key-env", "PROBED_KEY", "--allow-private"]
        result = CliRunner().invoke(main, command, env={"PROBED_KEY": "panel-a-key"})
    finally:
        panel.stop()
    assert result.exit_code == 0, result.output
    assert "# services: 20" in result.output
    assert "panel-a-key" not in result.output
    file = tmp_path / "providers.yaml"
    file.write_text(f"version: 1\n{result.output}")
    provider = load_file(file, {"PROBED_KEY": "panel-a-key"})[0].providers["panel"]
    assert (provider.dialect, provider.allow_private, provider.url) == (PRESETS[name].dialect, True, panel.url)


def test_key_that_is_not_there_is_told() -> None:
    """By the variable's name."""
    result = CliRunner().invoke(main, ["provider", "probe", "http://x.example", "--key-env", "NOWHERE"])
    assert result.exit_code == 1
    assert "NOWHERE" in result.output
