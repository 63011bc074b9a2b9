"""Books that were put back: read and not traded on, compared with the panels, and traded on again without a double.

The same on both databases: SQLite by `gateway backup` and `restore`, PostgreSQL by what the two print, as it is
printed, with PostgreSQL's own programs.
"""

import asyncio
import os
import subprocess
import sys
from functools import partial
from itertools import count

import asyncpg
import httpx
import msgspec

from gateway.app import Pace
from tests.gateway_process import NOBODY, Caller, running_house
from tests.servers import postgres_programs
from tests.sound import broken_invariants
from tests.world import World, on_sale, status_of, until

LINK = "https://social.example/put-back"
BRISK = Pace(sweep=0.1, figures=1.0, reconcile=0.1, balances=60.0)
UNAVAILABLE = {"error": "Service temporarily unavailable"}
# Ids are looked at quickly here, and nothing is left to the time policy.
RULES = "{probe: id_window, calls_per_second: 50, probe_calls_max: 4, quarantine_seconds: 1, recheck_seconds: 1}"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a command said."""

    exit_code: int
    stdout: str
    stderr: str


class Books:
    """The books of a world, their backup, and the commands on them."""

    def __init__(self, world: World, database_url: str) -> None:
        self.world = world
        self.url = database_url
        self.copy = world.folder / "backup.db"

    async def command(self, *words: str) -> Said:
        """What an operator's command says, in a process of its own: what a gateway in this one logs is not its."""
        environ = {
            **os.environ,
            "GATEWAY_CONFIG": str(self.world.folder / "providers.yaml"),
            "GATEWAY_DATA_DIR": str(self.world.folder),
            "GATEWAY_DATABASE_URL": self.url,
            "PANEL_A_KEY": "panel-a-key",
            "PANEL_B_KEY": "panel-b-key",
        }
        run = partial(subprocess.run, env=environ, capture_output=True, text=True, check=False)
        done = await asyncio.to_thread(run, [sys.executable, "-m", "gateway", *words])
        return Said(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    async def back_up(self) -> None:
        """Copy them."""
        done = await self.command("backup", str(self.copy))
        assert done.exit_code == 0, done.stderr
        if self.url.startswith("postgresql"):
            await typed(done.stdout)
            assert self.copy.stat().st_size > 10_000
        assert f"{self.copy.stat().st_mode & 0o777:o}" == "600", "whatever the umask of who copies"
        assert [each.name for each in self.copy.parent.glob(f"{self.copy.name}*")] == [self.copy.name]

    async def restore(self) -> None:
        """Put the copy in their place; a PostgreSQL gets another name."""
        done = await self.command("restore", str(self.copy))
        assert done.exit_code == 0, done.stderr
        assert "safe mode" in done.stdout
        if self.url.startswith("postgresql"):
            await typed(done.stdout)
            self.url += "_restored"

    async def drop(self) -> None:
        """Leave nothing on the server that all tests share."""
        if self.url.startswith("sqlite"):
            return
        server = await asyncpg.connect(f"{self.url.rpartition('/')[0]}/postgres")
        await server.execute(f'DROP DATABASE "{self.url.rpartition("/")[2]}" WITH (FORCE)')
        await server.close()


async def typed(lines: str) -> None:
    """Run lines that a command of ours printed, as an operator types them."""
    path = f"{postgres_programs()}:{os.environ['PATH']}"
    done = await asyncio.to_thread(
        subprocess.run, ["sh", "-e", "-c", lines], env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


async def test_restored_books_are_reconciled_before_they_are_traded_on(both: World, database_url: str) -> None:
    """An order planned at the backup and sent after it, and one ordered after it: neither is placed a second time."""
    books = Books(both, database_url)
    async with running_house(both.settings(unknown=RULES), pace=BRISK) as house:
        await on_sale(house)
        call = await house.user()
        first = (await call("add", service="1", link=f"{LINK}/first", quantity="100"))["order"]
        await status_of(call, first, "In progress", "Completed")
    down = both.settings(a=NOBODY, b=NOBODY, unknown=RULES, answer_within="0.2", drain_seconds="0")
    async with running_house(down, pace=BRISK) as house:
        planned = (await house.caller(call.key)("add", service="1", link=f"{LINK}/planned", quantity="100"))["order"]
    await books.back_up()
    async with running_house(both.settings(unknown=RULES), pace=BRISK) as house:
        await on_sale(house)
        later = house.caller(call.key)
        lost = (await later("add", service="1", link=f"{LINK}/lost", quantity="100"))["order"]
        await status_of(later, planned, "In progress", "Completed")
        await status_of(later, lost, "In progress", "Completed")
    placed = [f"{LINK}/{name}" for name in ("first", "planned", "lost")]
    assert sorted(both.a.links()) == sorted(placed)

    await books.restore()
    settings = both.settings(unknown=RULES, database_url=books.url)
    async with running_house(settings, pace=BRISK) as house:
        await on_sale(house)
        call = house.caller(call.key)
        await in_safe_mode(house.health)
        await only_reads(call, first=first, planned=planned, lost=lost)
        await asyncio.sleep(0.5)  # five sweeps
        assert sorted(both.a.links()) == sorted(placed)

        await reconciled(books)

        async def taken() -> str | None:
            answer: dict[str, str] = await call("add", service="1", link=f"{LINK}/new", quantity="100")
            return answer.get("order")

        new = await until(taken)
        assert int(new) > int(lost) + 1_000_000 - 40_000
        await status_of(call, new, "In progress", "Completed")
        # Long enough for the gateway to have looked for the one in doubt, had it been its own to settle.
        await asyncio.sleep(2.5)
        assert (await call("status", order=planned))["status"] == "Pending"
        assert sorted(both.a.links()) == sorted([*placed, f"{LINK}/new"])
        listed = (await books.command("unknown", "list")).stdout
        assert planned in listed
        here = next(order for order in both.a.program.books.orders() if order.link == f"{LINK}/planned")
        done = await books.command(
            "unknown", "accept", planned, "--upstream-id", str(here.id), "--reason", "seen there"
        )
        assert done.exit_code == 0, done.stderr
        await status_of(call, planned, "In progress", "Completed")
    assert await broken_invariants(books.url) == []
    assert (await books.command("reconcile")).stdout.startswith("these books are not in safe mode")
    await books.drop()


async def test_copy_made_under_load_is_whole(both: World, database_url: str) -> None:
    """Orders are placed while the books are copied: all of the copy holds together, and no order is placed twice."""
    books = Books(both, database_url)
    async with running_house(both.settings(unknown=RULES), pace=BRISK) as house:
        await on_sale(house)
        call = await house.user()
        told: list[str] = []

        async def trade(number: int) -> None:
            for turn in count():
                said = await call("add", service="1", link=f"{LINK}/{number}/{turn}", quantity="100")
                told.append(said["order"])
                await call("status", order=told[-1])

        async def so_many_more(before: int) -> bool:
            return len(told) >= before + 20

        trading = [asyncio.create_task(trade(number)) for number in range(4)]
        await until(lambda: so_many_more(0), seconds=60)
        known = list(told)
        await books.back_up()
        after = len(told)
        await until(lambda: so_many_more(after), seconds=60)
        for task in trading:
            task.cancel()
        await asyncio.gather(*trading, return_exceptions=True)

    await books.restore()
    assert await broken_invariants(books.url) == []
    settings = both.settings(unknown=RULES, database_url=books.url)
    async with running_house(settings, pace=BRISK) as house:
        await on_sale(house)
        call = house.caller(call.key)
        await in_safe_mode(house.health)
        assert all("error" not in answer for answer in (await call("status", orders=",".join(known[:90]))).values())
        placed = sorted(both.a.links() + both.b.links())
        assert len(placed) == len(set(placed)) > len(known)
        assert await call("add", service="1", link=f"{LINK}/new", quantity="100") == UNAVAILABLE
        said = await books.command("reconcile")
        assert said.exit_code == 2, said.stderr
        assert "orders of yours that these books do not know" in said.stdout
        said = await books.command("reconcile", "--reason", "compared", "--without", "panel-b", "--yes")
        assert said.exit_code == 0, said.stderr

        async def taken() -> str | None:
            answer: dict[str, str] = await call("add", service="1", link=f"{LINK}/new", quantity="100")
            return answer.get("order")

        assert await until(taken) not in told
        # At the other panel where three of what the copy caught on its way brake the first one.
        assert sorted(both.a.links() + both.b.links()) == sorted([*placed, f"{LINK}/new"])
    assert await broken_invariants(books.url) == []
    await books.drop()


async def only_reads(call: Caller, *, first: str, planned: str, lost: str) -> None:
    """What the books know is answered; nothing is placed, canceled or refilled."""
    assert (await call("status", order=first))["status"] in ("In progress", "Completed")
    assert (await call("status", order=planned))["status"] == "Pending"
    assert "error" in await call("status", order=lost)
    assert len(await call("services")) > 0
    assert await call("add", service="1", link=f"{LINK}/new", quantity="100") == UNAVAILABLE
    assert await call("cancel", order=first) == UNAVAILABLE
    assert await call("refill", order=first) == UNAVAILABLE


async def reconciled(books: Books) -> None:
    """Reported first; not ended while a panel was looked at by nobody; then ended."""
    said = await books.command("reconcile")
    assert said.exit_code == 2, said.stderr
    assert "2 orders of yours that these books do not know" in said.stdout, said.stdout
    assert "1 orders were planned then" in said.stdout
    assert "panel-b: NOT compared: no order of ours was accepted there yet" in said.stdout
    said = await books.command("reconcile", "--reason", "compared", "--yes")
    assert said.exit_code == 1
    assert "--without panel-b" in said.stderr
    said = await books.command("reconcile", "--reason", "compared", "--without", "panel-b", "--yes")
    assert said.exit_code == 0, said.stderr
    assert "1 order that had been planned" in said.stdout


async def in_safe_mode(health: str) -> None:
    """Ready, with what is missed in words, and counted as not placing."""
    async with httpx.AsyncClient(trust_env=False) as http:
        ready = await http.get(f"{health}/ready")
        metrics = (await http.get(f"{health}/metrics")).text
    assert ready.status_code == 200
    assert "degraded: safe mode, nothing is placed until `gateway reconcile`" in ready.text
    assert "gateway_placing 0.0" in metrics


async def test_safe_mode_is_begun_by_hand_in_a_running_gateway(both: World, database_url: str) -> None:
    """After a failover that lost commits, say: with a reason, within a sweep, once."""
    books = Books(both, database_url)
    async with running_house(both.settings(unknown=RULES), pace=BRISK) as house:
        await on_sale(house)
        call = await house.user()
        assert (await books.command("reconcile", "--begin")).exit_code == 1
        done = await books.command("reconcile", "--begin", "--reason", "the replica lagged")
        assert done.exit_code == 0, done.stderr
        assert "already" in (await books.command("reconcile", "--begin", "--reason", "again")).stderr

        async def stopped() -> bool:
            answer = await call("add", service="1", link=LINK, quantity="100")
            return bool(answer == UNAVAILABLE)

        await until(stopped)
        await in_safe_mode(house.health)
