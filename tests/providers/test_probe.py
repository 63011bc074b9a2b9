"""The probe on real sockets: each family is found out, and nothing is ever ordered."""

from pathlib import Path

import msgspec
import pytest

from gateway.core.dialects import ProviderDialect
from gateway.core.presets import PRESETS
from gateway.providers.probe import NotSpoken, Probed, probe
from gateway.providers.upstream import Timeouts, Upstream
from tests.panel_process import SimulatedPanel, simulated_panel

OTHERS = {
    "get": ProviderDialect(method="GET", decimal_comma=True),
    "token": ProviderDialect(key_field="api_token", balance=False),
    "header": msgspec.structs.replace(PRESETS["json"].dialect, key_header="Authorization", key_scheme="Bearer"),
    "x-api-key": msgspec.structs.replace(PRESETS["json"].dialect, key_header="X-Api-Key"),
    "query": ProviderDialect(body="query", multi_status=False),
}
DIALECTS = {**{name: preset.dialect for name, preset in PRESETS.items()}, **OTHERS}


async def probed(url: str, key: str = "panel-a-key") -> Probed:
    """What a panel speaks."""
    times = Timeouts(connect=1, write=1, total=3, total_read=3)
    return await probe(Upstream(name="p", url=url, key=key, currency="", allow_private=True, timeouts=times))


def untouched(panel: SimulatedPanel) -> bool:
    """Whether nothing was ever asked that changes anything."""
    return panel.links() == [] and not any(panel.heard(action) for action in ("add", "refill", "cancel"))


@pytest.mark.parametrize("name", DIALECTS)
async def test_dialect_is_found_out(tmp_path: Path, name: str) -> None:
    """The very dialect, of which only what was asked about can be seen."""
    async with simulated_panel(tmp_path, dialect=DIALECTS[name]) as panel:
        found = await probed(panel.url)
        assert found.family.dialect == DIALECTS[name]
        assert found.family.currency == ("USD" if DIALECTS[name].balance else "")
        assert "services: 20" in found.family.saw
        assert untouched(panel)


async def test_wrong_key_is_told_and_never_shown(tmp_path: Path) -> None:
    """Each way of asking with what the panel said to it, once for the balance and once for the list."""
    async with simulated_panel(tmp_path) as panel:
        with pytest.raises(NotSpoken) as caught:
            await probed(panel.url, "wrong-key-1234")
        assert str(caught.value).count("Invalid API key") >= 9
        assert "wrong-key" not in str(caught.value)
        assert untouched(panel)


@pytest.mark.parametrize(
    ("switch", "value", "told"),
    [
        ("redirect", "https://panel-a.example/api/v2/", "redirected to https://panel-a.example/api/v2/"),
        ("html", "", "a POST form: HTTP 200, 93 bytes that answer nothing"),
        ("close", "", "a POST form: RemoteProtocolError"),
        ("error", "no panel-a-key here", "a POST form: HTTP 200, no [key] here"),
    ],
)
async def test_what_stands_in_the_way_is_told(tmp_path: Path, switch: str, value: str, told: str) -> None:
    """A redirect ends it, since no other way would fare better; all else is one line a way."""
    async with simulated_panel(tmp_path) as panel:
        panel.switch(switch, value)
        with pytest.raises(NotSpoken) as caught:
            await probed(panel.url)
        assert told in str(caught.value)
        assert "panel-a-key" not in str(caught.value)


async def test_panel_that_is_not_there_is_told_at_once() -> None:
    """Nothing listens: no second way is tried."""
    with pytest.raises(NotSpoken, match="cannot be reached"):
        await probed("http://127.0.0.1:1/api/v2")
