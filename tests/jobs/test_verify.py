"""A gateway that finds its books broken: it stops taking orders, goes on showing them, and says so until repaired."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from gateway.app import Gateway, Pace
from gateway.jobs.verify import Stopped, Verification
from gateway.settings.load import Settings
from gateway.store.verify import Invariant
from tests.gateway_process import House, house_settings, running_house
from tests.panel_process import simulated_panel
from tests.tamper import tamper
from tests.world import LINK, on_sale, until

UNAVAILABLE = {"error": "Service temporarily unavailable"}
BREAK = "UPDATE orders SET charge = charge + 1"
REPAIR = "UPDATE orders SET charge = charge - 1"


async def metric(house: House, name: str) -> str:
    """The value of a metric, as it is scraped."""
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"{house.health}/metrics")).text
    return next((line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(name + " ")), "nan")


async def started(settings: Settings, pace: Pace) -> House:
    """A gateway of this pace, started."""
    gateway = Gateway(settings, pace=pace)
    await gateway.start()
    return House(gateway, settings)


async def add(call: Any) -> Any:
    """An order, or why there is none."""
    return await call("add", service="1", link=LINK, quantity="100")


async def test_violation_at_start_stops_orders_and_not_reads(database_url: str, tmp_path: Path) -> None:
    """The next process serves status and refuses `add`; once the books are repaired it takes orders by itself."""
    async with simulated_panel(tmp_path, "panel-a") as a, simulated_panel(tmp_path, "panel-b") as b:
        settings = house_settings(tmp_path, a=a.url, b=b.url, database_url=database_url)
        async with running_house(settings) as house:
            await on_sale(house)
            user = await house.user()
            order = (await add(user))["order"]
            assert await metric(house, "gateway_placing") == "1.0"
        await tamper(database_url, BREAK)
        with capture_logs() as logs:
            house = await started(settings, Pace(verify_stopped=0.2))
        (told,) = [each for each in logs if each["event"] == "books_violated"]
        assert (told["log_level"], told["invariant"], told["rows"]) == ("critical", "paid", 1)
        assert told["named"][0].startswith(f"paid: order {order}: ")
        try:
            await on_sale(house)
            call = house.caller(user.key)
            assert (await call("status", order=order))["status"] in {"Pending", "In progress", "Completed"}
            assert isinstance(await call("services"), list)
            assert await add(call) == UNAVAILABLE
            assert await metric(house, "gateway_placing") == "0.0"
            assert await metric(house, 'gateway_books_violations{invariant="paid"}') == "1.0"
            await tamper(database_url, REPAIR)
            await until(lambda: _takes_orders(call))
            assert await metric(house, "gateway_placing") == "1.0"
            assert await metric(house, 'gateway_books_violations{invariant="paid"}') == "0.0"
        finally:
            await house.close()
            await house.gateway.stop()


async def _takes_orders(call: Any) -> bool:
    return "order" in await add(call)


async def test_violation_meanwhile_is_found_in_all_of_the_books(database_url: str, tmp_path: Path) -> None:
    """What breaks while the gateway serves stops orders with the next run, an account that nothing moved included."""
    settings = house_settings(tmp_path, database_url=database_url)
    house = await started(settings, Pace(verify=0.1, verify_stopped=0.1))
    try:
        await house.user()
        await tamper(database_url, "UPDATE accounts SET balance = balance + 1 WHERE code = 'user:1:avail'")

        async def stopped() -> bool:
            return not house.gateway.desk.placing

        await until(stopped)
        assert await metric(house, 'gateway_books_violations{invariant="balance"}') == "1.0"
        assert await metric(house, 'gateway_books_violations{invariant="paid"}') == "0.0"
    finally:
        await house.close()
        await house.gateway.stop()


async def test_stop_for_another_reason_is_left_alone(tmp_path: Path) -> None:
    """Sound books do not open what somebody else closed."""
    house = await started(house_settings(tmp_path), Pace(verify=0.05, verify_stopped=0.05))
    try:
        house.gateway.desk.placing = False
        before = float(await metric(house, 'gateway_books_verified_timestamp_seconds{scope="day"}'))

        async def verified() -> bool:
            return float(await metric(house, 'gateway_books_verified_timestamp_seconds{scope="all"}')) > before

        await until(verified)
        assert house.gateway.desk.placing is False
    finally:
        await house.close()
        await house.gateway.stop()


async def test_every_invariant_is_a_series_from_the_start(tmp_path: Path) -> None:
    """An alert on a series that does not exist yet would be silent: each stands at 0."""
    async with running_house(house_settings(tmp_path)) as house:
        for invariant in Invariant:
            assert await metric(house, f'gateway_books_violations{{invariant="{invariant}"}}') == "0.0"


async def test_verification_ends_with_its_process(tmp_path: Path) -> None:
    """A run under way is given up at the next slice, so that a stop does not wait for all of the books."""
    async with running_house(house_settings(tmp_path)) as house:
        await house.user()
        verification = Verification(house.gateway.desk, pause=1, stopped_pause=1)
        await verification.stop()
        with pytest.raises(Stopped, match="after 1 transfers"):
            await verification.run()
        assert house.gateway.desk.placing
