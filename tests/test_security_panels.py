"""Security items of RELIABILITY.md section 3: what panels say, three currencies at once, what a process shows."""

import base64
import json
import signal
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import pytest

from gateway.core.messages import StatusWord
from tests.gateway_process import house_settings, running_house
from tests.matrix.served import served
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.store.trade import ask
from tests.world import LINK, balance, on_sale, status_of

KEY = "panel-a-key"
ECHOES = {
    "plain": KEY,
    "url": quote(KEY).replace("-", "%2D"),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "hex": KEY.encode().hex(),
    "json": "".join(f"\\u{ord(letter):04x}" for letter in KEY),
    "html": "".join(f"&#{ord(letter)};" for letter in KEY),
}


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[SimulatedPanel]:
    """The first panel."""
    async with simulated_panel(tmp_path) as running:
        yield running


async def test_s09_22_user_panel_and_other_panel_have_three_currencies(panel: SimulatedPanel, tmp_path: Path) -> None:
    """A user in roubles, panels in dollars and euros: a refund is a share of the user's charge, whatever the rate."""
    async with simulated_panel(tmp_path, "panel-b", pace=1_000) as other:
        more = {"currency": "RUB", "rate_a": "90", "rate_b": "100"}
        panel.switch("error", "Not enough funds on balance", action="add", processed=False)
        async with running_house(house_settings(tmp_path, a=panel.url, b=other.url, **more)) as house:
            await on_sale(house)
            call = await house.user(credit=1_000 * 10**8)
            rates = {row["service"]: Decimal(row["rate"]) for row in await call("services")}
            assert rates[1] == Decimal("0.90") * 90 * Decimal("1.5")
            order = (await call("add", service="1", link=LINK, quantity="1000"))["order"]
            told = await status_of(call, order, "Pending", "Processing", "In progress")
            charge = Decimal(told["charge"])
            assert (charge, 1_000 - charge) == (rates[1], await balance(call))
        # The rouble has fallen by half since: what the order was charged is what is given back of.
        found = other.program.books.orders(link=LINK)[0]
        other.program.books.force(found.id, status=StatusWord.PARTIAL, remains=400, start_count=7)
        again = house_settings(tmp_path, a=panel.url, b=other.url, currency="RUB", rate_a="180", rate_b="200")
        async with running_house(again) as house:
            call = house.caller(call.key)
            told = await status_of(call, order, "Partial")
            assert (Decimal(told["charge"]), told["currency"]) == (charge * 600 / 1000, "RUB")
            assert await balance(call) == 1_000 - charge * 600 / 1000
    rows = await ask(f"sqlite:///{tmp_path / 'gateway.db'}", "SELECT DISTINCT kind, currency FROM transfers")
    assert set(rows) == {("deposit", "RUB"), ("hold", "RUB"), ("capture", "RUB"), ("refund", "RUB"), ("cost", "EUR")}


async def test_s09_36_panels_own_words_reach_no_user_and_its_key_no_book(panel: SimulatedPanel, tmp_path: Path) -> None:
    """An error with our key in six encodings, our balance there and the panel's name: we say it in our own words."""
    async with running_house(house_settings(tmp_path, a=panel.url)) as house:
        await on_sale(house)
        call = await house.user()
        placed = (await call("add", service="1", link=LINK, quantity="100"))["order"]
        for echo in ECHOES.values():
            said = f'{{"error":"Bad link for {echo} of panel-a, which has 12.345 left"}}'
            for action in ("add", "cancel", "refill", "balance"):
                panel.switch("body", said, action=action)
            answers = [
                await call("add", service="1", link=f"{LINK}/bad", quantity="100"),
                *[await call(action, order=placed) for action in ("status", "cancel", "refill")],
                await call("balance"),
            ]
            assert answers[0] == {"error": "Incorrect link"}
            shown = json.dumps(answers)
            assert not [word for word in (echo, "12.345", "panel-a", "Bad link") if word in shown]
            panel.program.switches.clear()
    books = (tmp_path / "gateway.db").read_bytes()
    assert b"which has 12.345 left" in books  # A person may read it, without the key.
    assert not [echo for echo in ECHOES.values() if echo.encode() in books]


async def test_s09_38_process_shows_no_key_to_others_nor_when_it_dies(panel: SimulatedPanel, tmp_path: Path) -> None:
    """Neither in its command line nor in its last words, and its memory is never written to the disk."""
    house_settings(tmp_path, a=panel.url)  # writes providers.yaml
    environ = {
        "GATEWAY_DATA_DIR": str(tmp_path),
        "GATEWAY_PORT": "0",
        "GATEWAY_METRICS_PORT": "0",
        "GATEWAY_LOG_LEVEL": "debug",
        "PYTHONFAULTHANDLER": "1",
        "PANEL_A_KEY": KEY,
        "PANEL_B_KEY": "panel-b-key",
    }
    async with served(environ, tmp_path) as program:
        await program.listening()
        proc = Path(f"/proc/{program.process.pid}")
        limits = dict(line.split("  ", 1) for line in (proc / "limits").read_text().splitlines()[1:])
        assert limits["Max core file size"].split()[:2] == ["0", "0"]
        assert b"panel-" not in (proc / "cmdline").read_bytes().replace(str(tmp_path).encode(), b"")
        program.signal(signal.SIGABRT)
        assert await program.ended() == -signal.SIGABRT
    last = program.log.read_text()
    assert "Fatal Python error: Aborted" in last
    assert not [key for key in (KEY, "panel-b-key") if key in last]
