"""A process whose libraries would not let it stop a request places nothing, and serves everything else."""

from pathlib import Path
from typing import Any

import httpcore._trace
import httpx
import pytest
from structlog.testing import capture_logs

from tests.gateway_process import house_settings, running_house
from tests.panel_process import simulated_panel
from tests.world import LINK, on_sale


async def _silent(_trace: Any, _name: str, _info: dict[str, Any]) -> None:
    """No hook any more."""


async def test_broken_fence_places_nothing_and_serves_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order stored before is left alone, for a process that can send it; the operator is told in three places."""
    async with simulated_panel(tmp_path, "panel-a") as a:
        down = house_settings(tmp_path, answer_within="0.2", drain_seconds="0")
        async with running_house(house_settings(tmp_path, a=a.url)) as house:
            await on_sale(house)
            call = await house.user()
        async with running_house(down) as house:
            order = (await house.caller(call.key)("add", service="1", link=LINK, quantity="100"))["order"]
        monkeypatch.setattr(httpcore._trace.Trace, "atrace", _silent)
        with capture_logs() as logs:
            async with running_house(house_settings(tmp_path, a=a.url)) as house:
                await on_sale(house)
                reading = house.caller(call.key)
                assert await reading("add", service="1", link=f"{LINK}/2", quantity="100") == {
                    "error": "Service temporarily unavailable"
                }
                assert (await reading("status", order=order))["status"] == "Pending"
                assert (await reading("balance"))["balance"] == "99.865"
                assert len(await reading("services")) > 0
                async with httpx.AsyncClient(trust_env=False) as http:
                    ready = await http.get(f"{house.health}/ready")
                    metrics = (await http.get(f"{house.health}/metrics")).text
                assert ready.status_code == 503
                assert "no order can be placed" in ready.text
                assert "gateway_placing 0.0" in metrics
        assert [each["log_level"] for each in logs if each["event"] == "fence_broken"] == ["critical"]
        assert a.heard("add") == 0
