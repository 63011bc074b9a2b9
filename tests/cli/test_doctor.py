"""`gateway doctor`: each thing it looks at, well and ill, with what to do; and that it orders nothing."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from gateway.__main__ import main
from gateway.store.safety import begin
from gateway.store.store import open_store
from tests.collector import collecting
from tests.gateway_process import house_settings, running_house
from tests.store.trade import ME, NOW
from tests.world import World, on_sale


class Doctor:
    """The command in a folder with providers.yaml."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.environ = {
            "GATEWAY_CONFIG": str(folder / "providers.yaml"),
            "GATEWAY_DATA_DIR": str(folder),
            "PANEL_A_KEY": "panel-a-key",
            "PANEL_B_KEY": "panel-b-key",
            **environ,
        }

    async def __call__(self, *words: str, code: int = 0) -> dict[str, tuple[str, str]]:
        """The level and the text of each finding, by what it is about; the worst where there are several."""
        done = await asyncio.to_thread(CliRunner().invoke, main, ["doctor", "--json", *words], env=self.environ)
        assert done.exit_code == code, done.output
        # A gateway that serves in this process logs into it as well.
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        assert told["well"] == (code == 0)
        order = ["ok", "note", "warn", "fail"]
        found: dict[str, tuple[str, str]] = {}
        for each in sorted(told["findings"], key=lambda one: order.index(one["level"])):
            assert each["level"] in ("ok", "note") or each["do"], each
            found[each["about"]] = (each["level"], each["what"])
        return found

    async def text(self) -> str:
        """What a person reads."""
        done = await asyncio.to_thread(CliRunner().invoke, main, ["doctor"], env=self.environ)
        return done.output


async def test_settings_that_cannot_be_read_are_all_there_is(tmp_path: Path) -> None:
    """Each fault with its place; nothing else can be looked at."""
    (tmp_path / "providers.yaml").write_text("version: 1\ncurency: USD\n")
    doctor = Doctor(tmp_path, GATEWAY_PORT="no")
    found = await doctor(code=1)
    assert set(found) == {"settings"}
    assert found["settings"][0] == "fail"
    assert "GATEWAY_PORT" in await doctor.text()


async def test_panels_that_are_away_fail_before_the_first_start(tmp_path: Path) -> None:
    """The books are not there yet, which is no fault; a panel that cannot be reached is one."""
    house_settings(tmp_path)
    doctor = Doctor(tmp_path)
    found = await doctor(code=1)
    assert found["books"][0] == "note"
    assert found["provider panel-a"][0] == "fail"
    assert "cannot be reached" in found["provider panel-a"][1]
    assert found["fence"][0] == "ok"
    assert not (tmp_path / "gateway.db").exists()
    text = await doctor.text()
    assert "FAIL  provider panel-a" in text
    assert "→ look at the address" in text
    assert "2 failed" in text


async def test_healthy_gateway_is_told_well_and_nothing_is_ordered(
    both: World, database_url: str, redis_url: str
) -> None:
    """On both databases, while it serves: books, schema, clock, Redis, panels, and the page as users see it."""
    doctor = Doctor(both.folder, GATEWAY_DATABASE_URL=database_url, GATEWAY_REDIS_URL=redis_url)
    async with running_house(both.settings(redis_url=redis_url)) as house:
        await on_sale(house)
        found = await doctor("--url", str(house.gateway.listener.address))
        wrong = await doctor("--url", "http://localhost:" + str(house.gateway.listener.address).rpartition(":")[2])
    for about in ("settings", "files", "books", "schema", "redis", "fence", "provider panel-a", "public address"):
        assert found[about][0] == "ok", found[about]
    assert wrong["public address"][0] == "ok"  # the page goes by the name it was asked for
    if database_url.startswith("postgresql"):
        assert found["database clock"][0] == "ok"
    assert (both.a.heard("add"), both.a.links()) == (0, [])
    assert "USD there" in found["provider panel-a"][1]


async def test_what_is_ill_is_named_with_what_to_do(panels: World) -> None:
    """Modes, Redis, a schema that is behind, safe mode, a panel's currency, a page that is somebody else's."""
    settings = panels.settings()
    store = open_store(settings.environment.database_url.reveal())
    await store.open()
    await store.migrate()
    await store.run(partial(begin, "the replica lagged", actor=ME, now=NOW))
    await store.close()
    open_up(panels.folder / "gateway.db")
    file = panels.folder / "providers.yaml"
    change(file, "currency: EUR", "currency: CHF")
    doctor = Doctor(panels.folder, GATEWAY_REDIS_URL="redis://127.0.0.1:1/0", GATEWAY_HOST="0.0.0.0")
    found = await doctor("--url", panels.a.url, code=1)
    assert found["files"][0] == "warn"
    assert "mode 0644" in found["files"][1]
    assert found["redis"][0] == "warn"
    assert found["safe mode"][0] == "fail"
    assert "the replica lagged" in found["safe mode"][1]
    assert found["provider panel-b"][0] == "fail"
    assert "providers.yaml says CHF" in found["provider panel-b"][1]
    assert found["public address"][0] == "fail"
    assert found["stopping"][0] == "note"
    assert "EUR there" in found["provider panel-b"][1]


async def test_collector_of_spans_is_asked(panels: World) -> None:
    """By a request without a span; one that takes nothing is a warning, for orders go on without it."""
    panels.settings()
    doctor = Doctor(panels.folder)
    assert "tracing" not in await doctor()
    with collecting() as collector:
        doctor = Doctor(panels.folder, GATEWAY_TRACING_URL=collector.url, GATEWAY_TRACING_RATIO="0.5")
        assert (await doctor())["tracing"] == ("ok", "the collector takes spans; 0.5 of all traces are kept")
        assert collector.spans == []
        collector.answer = lambda: 403
        level, what = (await doctor())["tracing"]
    assert (level, "403" in what) == ("warn", True)


async def test_key_that_a_panel_refuses_fails(panels: World) -> None:
    """In the panel's own words."""
    panels.settings()
    doctor = Doctor(panels.folder)
    doctor.environ["PANEL_A_KEY"] = "another"
    found = await doctor(code=1)
    assert found["provider panel-a"][0] == "fail"
    assert "it refused" in found["provider panel-a"][1]


async def test_panel_without_a_balance_is_asked_for_its_list(panels: World) -> None:
    """That it is there and what it sells is told, and that its funds are not."""
    panels.settings()
    change(panels.folder / "providers.yaml", "exchange_rate: 1\n", "exchange_rate: 1\n    dialect: {balance: false}\n")
    level, what = (await Doctor(panels.folder)())["provider panel-a"]
    assert (level, "20 services there" in what, "it has no `balance`" in what) == ("ok", True, True)
    assert (panels.a.heard("services"), panels.a.heard("balance")) == (1, 0)
    panels.a.switch("html", action="services")
    level, what = (await Doctor(panels.folder)(code=1))["provider panel-a"]
    assert (level, what) == ("fail", "its answer to `services` cannot be read")


def open_up(path: Path) -> None:
    """Let others read a file."""
    path.chmod(0o644)


def change(path: Path, old: str, new: str) -> None:
    """Another text in a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
