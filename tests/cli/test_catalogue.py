"""The catalogue as it is printed: what a provider cannot do stands below it."""

from pathlib import Path

from click.testing import CliRunner

from gateway.__main__ import main
from tests.panel_process import PanelProcess

FILE = """
version: 1
providers:
  panel-a: {{url: "{url}", key: "${{ENV:PANEL_A_KEY}}", allow_private: true, imports: all, dialect: smartpanel}}
"""


def test_what_a_provider_cannot_do_is_told(tmp_path: Path) -> None:
    """Its family, and each thing that will never be asked of it."""
    panel = PanelProcess(tmp_path, "--dialect", "smartpanel", "--key", "panel-a-key")
    try:
        file = tmp_path / "providers.yaml"
        file.write_text(FILE.format(url=panel.url))
        environ = {"GATEWAY_CONFIG": str(file), "GATEWAY_DATA_DIR": str(tmp_path), "PANEL_A_KEY": "panel-a-key"}
        result = CliRunner().invoke(main, ["catalogue", "--fetch"], env=environ)
    finally:
        panel.stop()
    assert result.exit_code == 0, result.output
    assert "20 services in USD" in result.output
    assert "panel-a speaks smartpanel, without multi_refill_status, refill, cancel" in result.output
