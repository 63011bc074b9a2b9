"""The town of the tests of notices: a panel that breaks, a channel of each kind, gateways, and time that passes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.app import Pace
from gateway.settings.load import Settings, load_settings
from tests.gateway_process import House, running_house
from tests.letterbox import Boxes
from tests.panel_process import SimulatedPanel
from tests.world import on_sale, until

BRISK = Pace(notices=0.1, balances=0.1, figures=0.2)
MINUTE = 60.0


class Town:
    """A panel, the channels, books, and a clock that a test moves on."""

    def __init__(self, folder: Path, database_url: str, panel: SimulatedPanel, boxes: Boxes) -> None:
        self.folder = folder
        self.panel = panel
        self.boxes = boxes
        self.ahead = 0.0  # seconds
        self.database_url = database_url

    def clock(self) -> int:
        """The time of all gateways here, ms."""
        return time.time_ns() // 1_000_000 + int(self.ahead * 1000)

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a gateway here."""
        return {
            "GATEWAY_DATA_DIR": str(self.folder),
            "GATEWAY_DATABASE_URL": self.database_url,
            "GATEWAY_PORT": "0",
            "GATEWAY_METRICS_PORT": "0",
            "GATEWAY_DRAIN_SECONDS": "5",
            "GATEWAY_WATCH_CONFIG": "no",
            "PANEL_KEY": self.panel.key,
            **self.boxes.environ,
        }

    def write(self, *, broken: bool = False, panel: Mapping[str, Any] | None = None, **notify: Any) -> Path:
        """The file, with other fields of `notify` than the usual ones."""
        told = {
            "url": self.panel.url, "key": "${ENV:PANEL_KEY}", "allow_private": True, "imports": "all",
            "refresh_seconds": 3600, "requests_per_second": 1000, "poll_seconds": 0.2, **(panel or {}),
        }  # fmt: skip
        file = {"version": 1, "currency": "USD", "providers": {"panel-a": told}, "notify": self.boxes.notify(**notify)}
        path = self.folder / "providers.yaml"
        path.write_text(json.dumps({**file, "nonsense": 1} if broken else file))
        return path

    def settings(self, **notify: Any) -> Settings:
        """Settings of a gateway here."""
        return load_settings(self.environ, self.write(**notify))

    @asynccontextmanager
    async def gateway(self, settings: Settings | None = None) -> AsyncIterator[House]:
        """A gateway that sells."""
        async with running_house(
            settings or self.settings(), clock=self.clock, pace=BRISK, environ=self.environ
        ) as house:
            await on_sale(house)
            yield house

    def break_panel(self) -> None:
        """From now on it answers no `balance`, in a way that trips no breaker, which would rest half a minute."""
        self.panel.switch("error", "Account closed", action="balance", times=100_000)

    def mend_panel(self) -> None:
        """It does again."""
        self.panel.program.switches.clear()

    async def told(self, count: int) -> list[list[str]]:
        """What each channel has taken, once it is so many messages each."""

        async def all_of_them() -> bool:
            self.ahead += 2.0  # the time that passes between two messages
            return all(len(each) >= count for each in self.boxes.texts())

        await until(all_of_them)
        return self.boxes.texts()

    async def settle(self) -> None:
        """Let enough time pass for anything that would be told to be told."""
        for _ in range(10):
            self.ahead += 10.0
            await asyncio.sleep(0.15)
