"""Clients of others in a second language: libraries of the npm registry, unchanged, against a whole gateway.

`make clients-node` installs them as tests/node/package-lock.json names them, by hash, and runs this file; the tests
alone do not, since they need Node and its registry. No library made for panels is to be had there, so these are what a
developer of a panel in JavaScript takes: one that makes a client out of openapi.json, by JSON and by form, and one that
sits on Node's own fetch.
"""

import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from tests.gateway_process import House, house_settings, running_house
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.shopping import Client, canceled, refilled, refusals, shopping
from tests.sound import broken_invariants
from tests.world import balance, on_sale

NODE = Path(__file__).parent / "node"
LIBRARIES = ("axios", "axios-form", "fetch")


class Refused(Exception):
    """The library gave back an `error`, or threw."""


@contextmanager
def library(name: str, url: str, key: str) -> Iterator[Client]:
    """A library in a Node of its own."""
    command = ["node", str(NODE / "panel.mjs"), name, url, key]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        questions, answers = process.stdin, process.stdout

        def ask(action: str, **fields: Any) -> Any:
            wanted = {name: value for name, value in fields.items() if value is not None}
            questions.write(json.dumps({"action": action, **wanted}) + "\n")
            questions.flush()
            answer = json.loads(answers.readline())
            if "failed" in answer:
                raise Refused(answer["failed"])
            reply = answer["reply"]
            if isinstance(reply, dict) and "error" in reply:
                raise Refused(reply["error"])
            return reply

        yield _client(ask)
        questions.close()
        assert process.wait(20) == 0


def _client(ask: Any) -> Client:
    def listed(ids: Any) -> str:
        return ",".join(str(each) for each in ids)

    return Client(
        services=lambda: ask("services"),
        balance=lambda: ask("balance"),
        add=lambda service, link, quantity, **more: ask("add", service=service, link=link, quantity=quantity, **more),
        status=lambda order: ask("status", order=order),
        statuses=lambda orders: ask("status", orders=listed(orders)),
        cancel=lambda orders: ask("cancel", orders=listed(orders)),
        refill=lambda order: ask("refill", order=order),
        refill_status=lambda refill: ask("refill_status", refill=refill),
        refills=lambda orders: ask("refill", orders=listed(orders)),
        refill_statuses=lambda refills: ask("refill_status", refills=listed(refills)),
        refused=Refused,
    )


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[SimulatedPanel]:
    """The one panel of these tests."""
    async with simulated_panel(tmp_path) as running:
        yield running


@pytest.fixture
async def house(panel: SimulatedPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A gateway with its list on sale; no proxy of the machine's stands before it."""
    monkeypatch.setenv("NO_PROXY", "*")
    async with running_house(house_settings(tmp_path, a=panel.url)) as running:
        await on_sale(running)
        yield running


@pytest.mark.parametrize("name", LIBRARIES)
async def test_library_of_another_language_works_as_with_any_panel(
    name: str, house: House, panel: SimulatedPanel, tmp_path: Path
) -> None:
    """The same morning's business as in tests/test_clients.py."""
    call = await house.user()

    def business() -> list[str]:
        with library(name, house.url, call.key) as client, library(name, house.url, "no key") as stranger:
            placed = shopping(client)
            refilled(client, placed[0])
            panel.program.panel.pace = 100.0
            placed += canceled(client)
            refusals(client, stranger)
            return placed

    placed = await anyio.to_thread.run_sync(business)
    assert len(panel.links()) == len(placed) == 5
    assert await balance(call) == 100 - Decimal("1.35") - Decimal("0.27") - Decimal("0.03")
    assert await broken_invariants(f"sqlite:///{tmp_path}/gateway.db") == []
