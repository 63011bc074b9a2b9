"""A simulated panel for a test: in this process for speed, or as a program of its own where it has to be killed."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.core.dialects import ProviderDialect
from gateway.core.messages import AddReply, AddRequest
from gateway.panel.program import Options, PanelProgram
from gateway.panel.switches import Switch

SHIPPED = Path(__file__).parent.parent / "gateway" / "panel" / "demo"


class SimulatedPanel:
    """A running panel and its ground truth."""

    def __init__(self, program: PanelProgram, key: str) -> None:
        self.program = program
        self.key = key

    @property
    def url(self) -> str:
        """Its API's address."""
        return self.program.url

    def switch(self, name: str, value: str = "", **more: Any) -> None:
        """Switch a misdeed on."""
        self.program.switches.add(Switch(name=name, value=value, **more))

    def links(self) -> list[str]:
        """The link of every order it was sent, in order: what was really placed, without what it made of it itself."""
        books = self.program.books
        return [order.link for order in books.orders() if books.maker_of(order.id) is None]

    def order_by(self, link: str, *, key: str | None = None, quantity: str = "100") -> str:
        """Somebody else orders here, with our key or another; answers the id."""
        books, panel = self.program.books, self.program.panel
        books.open_key(key or self.key, panel.units("1000"))
        fields = (("link", link), ("quantity", quantity))
        service = "101" if self.key == "panel-a-key" else "2001"
        said = panel.answer(key or self.key, AddRequest(service=service, fields=fields))
        assert isinstance(said, AddReply), said
        return said.order

    def heard(self, action: str) -> int:
        """How often an action was asked for."""
        return self.program.books.heard().get(action, 0)


@asynccontextmanager
async def simulated_panel(
    folder: Path,
    name: str = "panel-a",
    *,
    port: int = 0,
    pace: float = 0.05,
    balance: str = "1000",
    dialect: ProviderDialect | None = None,
) -> AsyncIterator[SimulatedPanel]:
    """One of the shipped panels in this process; started again on the same folder it has the same orders."""
    options = Options(
        services=SHIPPED / f"{name}.yaml",
        data=folder / f"{name}.db",
        key=f"{name}-key",
        balance=balance,
        control_token="token",
        pace=pace,
        port=port,
        dialect=dialect,
        first_order=1 if name == "panel-a" else 900_001,
    )
    program = PanelProgram(options)
    await program.start()
    try:
        yield SimulatedPanel(program, options.key)
    finally:
        await program.stop()


class PanelProcess:
    """A panel as a program of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "gateway", "panel", "--data", str(folder / "panel.db"), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline())["url"]

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.communicate()

    def stop(self) -> int:
        """End it as an operator would; answers its exit code."""
        self.process.terminate()
        self.process.communicate(timeout=10)
        return self.process.returncode
