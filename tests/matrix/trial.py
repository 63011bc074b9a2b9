"""A trial: two panels behind fault proxies, books, gateways in between, and the verdict over what became of it all."""

import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from gateway.app import Pace
from gateway.settings.load import Settings, load_settings
from tests.fault_proxy import FaultProxy
from tests.gateway_process import Caller, House, running_house
from tests.panel_process import SimulatedPanel
from tests.sound import broken_invariants
from tests.world import on_sale, until

# What passes before the verdict: longer than a dead owner, a lease and any upstream deadline of these tests.
LATER_SECONDS: Final = 120.0
BRISK: Final = Pace(sweep=0.1, figures=1.0, balances=60.0)
_PROVIDER: Final[Mapping[str, Any]] = {
    "allow_private": True,
    "requests_per_second": 1000,
    "poll_seconds": 0.2,
    "refresh_seconds": 3600,
    # Rows here bring many orders into doubt, and let days pass.
    "unknown": {"brake": {"count": 0}, "refund_after_hours": "never"},
}
# What each simulated panel says its balance is in; one that says another gets no orders.
_CURRENCIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "panel-a": {"currency": "USD"},
    "panel-b": {"currency": "EUR", "exchange_rate": 1},
}
# Generous, because the machine may be busy; a row about a deadline has a short one.
_TIMEOUTS: Final = {"connect": 3, "write": 3, "total": 6, "total_read": 6}
SHORT: Final[Mapping[str, Any]] = {"panel-a": {"timeouts": {"connect": 0.5, "total": 0.8}}}
_SERVICES: Final = {
    "1": {"routes": ["panel-a/101", "panel-b/2001"], "markup": {"percent": 50}},
    "2": {"routes": ["panel-a/106"]},
}
CHARGE: Final = 13_500_000  # of a hundred pieces of service 1: 0.90 a thousand and half as much again
_PLACED: Final = frozenset({"active", "completed", "partial", "canceled"})


class Side:
    """One panel with the proxy before it."""

    def __init__(self, panel: SimulatedPanel, proxy: FaultProxy) -> None:
        self.panel = panel
        self.proxy = proxy
        self._home = proxy.target

    @contextmanager
    def replaced_by(self, port: int) -> Iterator[None]:
        """Another server stands in the panel's place; connections that are kept end."""
        self.proxy.target = ("127.0.0.1", port)
        self.proxy.cut("close")
        try:
            yield
        finally:
            self.proxy.target = self._home
            self.proxy.cut("close")

    def placed(self) -> list[str]:
        """The links it has an order for, one for each order."""
        return self.panel.links()


class Trial:
    """Everything a row of the matrix needs. A row ends with `judge`, and fails when it does not."""

    def __init__(self, folder: Path, database_url: str, a: Side, b: Side) -> None:
        self.folder = folder
        self.database_url = database_url
        self.a = a
        self.b = b
        self.ahead = 0.0  # seconds that have passed although nobody waited
        self.judged = False
        self.foreign: set[str] = set()  # links that somebody else orders with our key
        self._told: list[tuple[str, str]] = []  # link and id of every add that was answered with one

    def clock(self) -> int:
        """The time of the gateways here, in milliseconds: the machine's, and what has passed besides."""
        return time.time_ns() // 1_000_000 + int(self.ahead * 1000)

    def settings(
        self,
        *,
        panels: Mapping[str, Mapping[str, Any]] | None = None,
        services: Mapping[str, Mapping[str, Any]] | None = None,
        without: Sequence[str] = (),
        **variables: str,
    ) -> Settings:
        """Settings of a gateway behind the proxies; `variables` are GATEWAY_ ones in small letters.

        A panel that is named in `without` is not in the file.
        """
        providers = {}
        for name, side in (("panel-a", self.a), ("panel-b", self.b)):
            if name in without:
                continue
            changes = dict((panels or {}).get(name, {}))
            timeouts = {**_TIMEOUTS, **changes.pop("timeouts", {})}
            key = f"${{ENV:{name.upper().replace('-', '_')}_KEY}}"
            money = _CURRENCIES[name]
            providers[name] = {
                **_PROVIDER,
                **money,
                "url": side.proxy.url(),
                "key": key,
                "timeouts": timeouts,
                **changes,
            }
        file = self.folder / "providers.yaml"
        told = {"version": 1, "currency": "USD", "providers": providers, "services": services or _SERVICES}
        file.write_text(json.dumps(told))
        return load_settings(self.environ(**variables), file)

    def environ(self, **variables: str) -> dict[str, str]:
        """The environment of a gateway here."""
        return {
            "GATEWAY_DATA_DIR": str(self.folder),
            "GATEWAY_DATABASE_URL": self.database_url,
            "GATEWAY_PORT": "0",
            "GATEWAY_METRICS_PORT": "0",
            "GATEWAY_DRAIN_SECONDS": "3",
            "GATEWAY_ANSWER_WITHIN": "6",
            "GATEWAY_WATCH_CONFIG": "no",  # gateways of one trial share the folder, not the file
            "PANEL_A_KEY": self.a.panel.key,
            "PANEL_B_KEY": self.b.panel.key,
            **{f"GATEWAY_{name.upper()}": value for name, value in variables.items()},
        }

    @asynccontextmanager
    async def gateway(self, settings: Settings | None = None, *, ahead: float = 0.0) -> AsyncIterator[House]:
        """A gateway with its list on sale; its clock is so many seconds ahead of the others'."""
        own = int(ahead * 1000)
        async with running_house(
            settings or self.settings(), clock=lambda: self.clock() + own, pace=BRISK, environ=self.environ()
        ) as house:
            await on_sale(house)
            yield house

    async def add(self, call: Caller, link: str, *, service: str = "1", quantity: str = "100", **more: str) -> Any:
        """What an add is answered; an id is remembered for the verdict."""
        answer = await call("add", service=service, link=link, quantity=quantity, **more)
        if "order" in answer:
            self.told(link, str(answer["order"]))
        return answer

    def told(self, link: str, order: str) -> None:
        """Remember that somebody was told this id for this link."""
        self._told.append((link, order))

    def heard(self) -> int:
        """How many adds the panels heard."""
        return self.a.panel.heard("add") + self.b.panel.heard("add")

    async def state(self, link: str) -> str:
        """The state of the newest order with a link."""
        rows = await self.rows("SELECT state, fields FROM orders ORDER BY created_at, id")
        return next(str(row["state"]) for row in reversed(rows) if _link(row) == link)

    async def states(self) -> dict[str, str]:
        """The state of every order by its link."""
        return {_link(row): row["state"] for row in await self.rows("SELECT state, fields FROM orders")}

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """The rows of the books that a statement answers, by a connection of our own."""
        if self.database_url.startswith("sqlite"):
            with closing(sqlite3.connect(self.database_url.removeprefix("sqlite:///"), timeout=10)) as books, books:
                books.row_factory = sqlite3.Row
                return [dict(row) for row in books.execute(query)]
        connection = await asyncpg.connect(self.database_url)
        try:
            return [dict(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def judge(self, settings: Settings | None = None, *, last: Sequence[str] = ("unknown",)) -> dict[str, str]:
        """Mend everything, let time pass, settle, stop, and hold the books against the panels and what was told.

        Answers the state of each order by its link; orders may stay in the states `last`, all others come to an end.
        """
        self.judged = True
        for side in (self.a, self.b):
            side.proxy.heal()
            side.panel.program.switches.clear()
            side.panel.program.panel.pace = 0.001
        self.ahead += LATER_SECONDS
        async with self.gateway(settings) as house:

            async def settled() -> bool:
                open_states = {"reserved", "placing", "unknown", "active"}.difference(last)
                left = {row["state"] for row in await self.rows("SELECT state FROM orders")} & open_states
                if left == {"active"}:
                    self.ahead += 3600.0  # an old order is asked about once an hour
                return house.gateway.desk.at_work == 0 and not left

            await until(settled)
        faults = await self.faults()
        assert not faults, "\n".join(faults)
        return await self.states()

    async def faults(self) -> list[str]:
        """Everything that does not hold: I1 to I8 in the books, I9 to I12 against the panels and the callers."""
        found = await broken_invariants(self.database_url)
        orders = await self.rows("SELECT id, state, fields FROM orders")
        attempts = await self.rows("SELECT order_id, provider, state, upstream_order FROM attempts")
        return found + self._against_panels(orders, attempts) + self._against_callers(orders)

    def _against_panels(self, orders: list[dict[str, Any]], attempts: list[dict[str, Any]]) -> list[str]:
        placed: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for name, side in (("panel-a", self.a), ("panel-b", self.b)):
            for each in side.panel.program.books.orders():
                placed[each.link].append((name, str(each.id)))
        for link in self.foreign:
            placed.pop(link, None)
        accepted = {
            each["order_id"]: (each["provider"], each["upstream_order"])
            for each in attempts
            if each["state"] == "accepted"
        }
        by_link = {_link(order): order for order in orders}
        found = [f"I9 {link} is placed {len(there)} times: {there}" for link, there in placed.items() if len(there) > 1]
        found += [f"I12 {link} is at {there} and in no book" for link, there in placed.items() if link not in by_link]
        for link, order in by_link.items():
            where = placed.get(link, [])
            mine = accepted.get(order["id"])
            if order["state"] == "failed" and where:
                found.append(f"I10 {link} failed for us and is at {where}")
            if order["state"] in _PLACED and mine not in where:
                found.append(f"I10 {link} is {order['state']} as {mine}, but is at {where}")
            if where and order["state"] in ("reserved", "placing"):
                found.append(f"I12 {link} is {order['state']} for us and is at {where}")
        return found

    def _against_callers(self, orders: list[dict[str, Any]]) -> list[str]:
        known = {str(order["id"]): _link(order) for order in orders}
        return [
            f"I11 {link} was answered {order}, which is {known.get(order)}"
            for link, order in self._told
            if known.get(order) != link
        ]


def _link(row: Mapping[str, Any]) -> str:
    return str(dict(json.loads(row["fields"]))["link"])
