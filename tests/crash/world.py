"""A world: panels that survive, books that survive, users who never give up, and gateways that are killed."""

import asyncio
import http.client
import json
import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway import points
from gateway.app import Gateway, Pace, key_secret
from gateway.core.keys import RANDOM_BYTES, hash_key, make_key, shown_part
from gateway.logs import configure_logs
from gateway.panel.program import Options, PanelProgram
from gateway.settings.load import Settings, load_settings
from gateway.store.keys import NewKey, create_key
from gateway.store.users import Choices, create_user, credit_user
from tests.crash.driver import FINISH, RUN, STOP, Driver
from tests.crash.kind import EDITS, SERVICES, Kind, providers_file
from tests.crash.person import Desk, Verdict, look
from tests.crash.person import settle as settle_by_hand
from tests.crash.plan import CALM_SECONDS, Death, Fault, Life, as_switch, killer
from tests.crash.processes import Child, Ended, Shared
from tests.crash.truth import end_leases
from tests.servers import free_port

USERS: Final = 3
PANELS: Final = ("panel-a", "panel-b")
CREDIT: Final = 10**13  # units a user has: the crash is the test, not the funds
DEAD_SECONDS: Final = 90.0  # passes after a death: beyond the owner's, any lease and the upstream deadline
SETTLE_SECONDS: Final = 60.0
POSTS_SECONDS: Final = 4 * 3600.0  # pass at the panels when their clocks go on during a life
SETTLE_ADVANCE: Final = 20 * 86_400.0  # and when everything there is to end
QUIET_SECONDS: Final = 0.4
START_SECONDS: Final = 15.0


class Panel(msgspec.Struct, frozen=True):
    """A panel's process, its address and its books."""

    name: str
    child: Child
    port: int
    books: Path


class World:
    """Everything of one seed. `open` it, live lives, `settle`, look, `close`."""

    def __init__(self, folder: Path, database_url: str, *, gateways: int, seed: str, kind: Kind) -> None:
        self.folder = folder
        self.database_url = database_url
        self.shared = Shared()
        self.seed = seed
        self.kind = kind
        self.journal = folder / "driver.jsonl"
        self.names = folder / "points.txt"
        self.log = folder / "gateway.log"
        self.mutate: Callable[[], None] = lambda: None
        self.by_itself: list[bool] = []  # of the last life: which gateways met their death at a point
        self._ports = [free_port() for _ in range(gateways)]
        self._panels: list[Panel] = []
        self._driver: Child | None = None
        self._gateways: list[Child] = []
        self._person: Child | None = None
        self.edits = 0  # of providers.yaml

    def open(self) -> None:
        """Start the panels and the driver, make the users."""
        folder = self.folder
        (folder / "services.yaml").write_text(SERVICES)
        self.names.touch()
        for name in PANELS:
            self._panels.append(self._start_panel(name))
        self._edit({})
        # What one gateway imports, reads and renders none of its children has to: they are forked from here.
        Gateway(self._settings(0), clock=self.shared.clock, environ=self._environ(0))
        keys = folder / "keys.json"
        made = Child(lambda: asyncio.run(self._make_users(keys)))
        while made.poll() is None:
            time.sleep(0.01)
        self._users_keys = json.loads(keys.read_text())
        self.shared[Shared.MODE] = RUN
        self._driver = Child(self._drive)

    def live(self, life: Life) -> list[Ended]:
        """One life: the panels do wrong, the gateways run until each has met its death."""
        self._switch(life.faults)
        if life.calm:
            end_leases(self.database_url)
        happens = self._happenings(life)
        self.shared[Shared.READY] = 0
        self._gateways = [Child(partial(self._serve, n, death)) for n, death in enumerate(life.deaths)]
        self._wait_ready()
        began = time.monotonic()
        for child, death in zip(self._gateways, life.deaths, strict=True):
            while child.poll() is None and time.monotonic() - began < death.seconds:
                time.sleep(0.002)
                while happens and time.monotonic() - began > happens[0][0]:
                    happens.pop(0)[1]()
        self.by_itself = [child.poll() is not None for child in self._gateways]
        ends = [child.kill() for child in self._gateways]
        if self._person is not None:
            end = self._person.kill()
            ends += [end] if end.killed or end.code else []
            self._person = None
        if life.edit is not None:
            self._edit({})
        self.shared.pass_by(DEAD_SECONDS)
        return ends

    def _happenings(self, life: Life) -> list[tuple[float, Callable[[], None]]]:
        """What is done from outside during a life, and when, in seconds."""
        found: list[tuple[float, Callable[[], None]]] = []
        if life.leap_at is not None:
            found.append((life.leap_at, partial(self.shared.pass_by, DEAD_SECONDS)))
        if life.posts_at is not None:
            found.append((life.posts_at, partial(self._advance, POSTS_SECONDS)))
        if life.edit is not None:
            found.append((life.edit_at, partial(self._edit, EDITS[life.edit])))
        if life.person_at is not None:
            time.sleep(QUIET_SECONDS)  # What a gateway sent with its last breath arrives before a person looks.
            said = look(self.database_url, self.truth(), random.Random(f"{self.seed}:{self.shared[Shared.AHEAD]}"))
            found.append((life.person_at, partial(self._send_person, said, life.person_dies)))
        return sorted(found, key=lambda one: one[0])

    def _edit(self, changes: dict[str, str]) -> None:
        """Put another text in the place of providers.yaml, and tell everybody."""
        text = providers_file({each.name: each.port for each in self._panels}, changes)
        self.edits += bool(changes)
        (self.folder / "next.yaml").write_text(text)
        (self.folder / "next.yaml").replace(self.folder / "providers.yaml")
        for child in self._gateways:
            child.tell(signal.SIGHUP)

    def _advance(self, seconds: float) -> None:
        """Let time pass at the panels."""
        for each in self._panels:
            _control(each.port, "POST", "advance", {"seconds": seconds})

    def _send_person(self, said: list[Verdict], dies: int) -> None:
        desk = Desk(
            database_url=self.database_url,
            environ=self._environ(0),
            clock=self.shared.clock,
            names=self.names,
            log=self.log,
        )
        self._person = Child(partial(settle_by_hand, desk, said, dies=dies))

    def _wait_ready(self) -> None:
        """Until every gateway listens or is dead: a busy machine takes its time, and a life begins after it."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            dead = sum(child.poll() is not None for child in self._gateways)
            if self.shared[Shared.READY] + dead >= len(self._gateways):
                return
            time.sleep(0.002)

    def settle(self, settled: Callable[[], str | None]) -> str | None:
        """Live without faults or kills until `settled` has nothing to say; answers what it said last, or None.

        Users go on for a while, so that what is in doubt can be looked for, and then only until they have answers. Time
        passes meanwhile, never so fast that a living process looks dead, and the gateways end as told.
        """
        self._switch(())
        self._advance(SETTLE_ADVANCE)
        end_leases(self.database_url)
        self.shared[Shared.READY] = 0
        self._gateways = [Child(partial(self._serve, n, None)) for n in range(len(self._ports))]
        self._wait_ready()
        # Doubt is closed by orders that come after its quarantine, and denied twice.
        self._pass(CALM_SECONDS)
        self.shared[Shared.MODE] = FINISH
        self._pass(CALM_SECONDS)
        self._advance(SETTLE_ADVANCE)
        deadline = time.monotonic() + SETTLE_SECONDS
        why: str | None = "it did not begin"
        while time.monotonic() < deadline and why is not None:
            time.sleep(0.1)
            self.shared.pass_by(10)
            self._advance(600)
            why = f"{self.shared[Shared.WAITING]} wishes wait" if self.shared[Shared.WAITING] else settled()
        ends = [child.end(signal.SIGTERM, seconds=20) for child in self._gateways]
        if why is None and any(end.code for end in ends):
            why = f"gateways ended with {[end.code for end in ends]}"
        self.shared[Shared.MODE] = STOP
        assert self._driver is not None, "the world is open"
        while self._driver.poll() is None:
            time.sleep(0.01)
        self._driver = None
        return why

    def _pass(self, seconds: float) -> None:
        """Let so much time pass here, and more for the gateways."""
        for _ in range(int(seconds * 10)):
            time.sleep(0.1)
            self.shared.pass_by(2)

    def truth(self) -> dict[str, list[dict[str, Any]]]:
        """What each panel has."""
        return {each.name: _control(each.port, "GET", "orders") for each in self._panels}

    def reopen(self) -> None:
        """Go on after a settling: new users' programs, the same panels and books."""
        self.shared[Shared.MODE] = RUN
        self.seed += "+"
        self.journal = self.journal.with_name(f"driver{len(self.seed)}.jsonl")
        self._driver = Child(self._drive)

    def close(self) -> None:
        """End everything that still runs."""
        people = () if self._person is None else (self._person,)
        for child in (*people, *self._gateways, *(each.child for each in self._panels)):
            child.kill()
        if self._driver is not None:
            self._driver.kill()

    def _switch(self, faults: tuple[Fault, ...]) -> None:
        for each in self._panels:
            _control(each.port, "DELETE", "switches")
            for fault in faults:
                if fault.panel == each.name:
                    _control(each.port, "POST", "switches", as_switch(fault))

    def _start_panel(self, name: str) -> Panel:
        port, books = free_port(), self.folder / f"{name}.db"
        options = Options(
            services=self.folder / "services.yaml",
            data=books,
            key=f"{name}-key",
            balance="1000000",
            port=port,
            control_token="crash",
            first_order=1 if name == "panel-a" else 900_001,
        )

        async def serve() -> None:
            program = PanelProgram(options)
            await program.start()
            await asyncio.Event().wait()

        child = Child(lambda: asyncio.run(serve()))
        for _ in range(500):
            try:
                _control(port, "GET", "calls")
            except OSError:
                time.sleep(0.01)
            else:
                return Panel(name, child, port, books)
        raise AssertionError(f"{name} did not start")

    def _drive(self) -> None:
        driver = Driver(
            self.shared, self._ports, self._users_keys, kind=self.kind, journal=self.journal, seed=self.seed
        )
        asyncio.run(driver.run())

    def _environ(self, n: int) -> dict[str, str]:
        return {
            "GATEWAY_CONFIG": str(self.folder / "providers.yaml"),
            "GATEWAY_DATA_DIR": str(self.folder),
            "GATEWAY_DATABASE_URL": self.database_url,
            "GATEWAY_KEY_SECRET": "00" * 16,
            "GATEWAY_PORT": str(self._ports[n]),
            "GATEWAY_METRICS_PORT": "0",
            "GATEWAY_ANSWER_WITHIN": "0.3",
            "GATEWAY_DRAIN_SECONDS": "5",
            "GATEWAY_LOG_LEVEL": "warning",
            **{f"CRASH_KEY_{name[-1].upper()}": f"{name}-key" for name in PANELS},
        }

    def _settings(self, n: int) -> Settings:
        return load_settings(self._environ(n), self.folder / "providers.yaml")

    def _serve(self, n: int, death: Death | None) -> None:
        """A gateway's whole life, in its own process."""
        stream = self.log.open("a", encoding="utf-8")
        configure_logs("warning", "json", stream=stream)
        self.mutate()
        if death is not None:
            names = os.open(self.names, os.O_WRONLY | os.O_APPEND)
            points.hook = killer(death, names)
        asyncio.run(self._run(n))

    async def _run(self, n: int) -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        pace = Pace(sweep=0.1, figures=5.0, balances=1.0, reconcile=0.2, texts=0.2)
        made = Gateway(self._settings(n), clock=self.shared.clock, pace=pace, environ=self._environ(n))
        await made.start()
        reloads: set[asyncio.Task[bool]] = set()
        loop.add_signal_handler(signal.SIGHUP, lambda: reloads.add(loop.create_task(made.reload.reload())))
        self.shared[Shared.READY] += 1
        await ended.wait()
        if not await made.stop() and made.desk.seats:
            raise AssertionError(f"seats were never given back: {made.desk.seats}")

    async def _make_users(self, keys: Path) -> None:
        gateway = Gateway(self._settings(0), clock=self.shared.clock)
        store, secret, now = gateway.store, key_secret(self._settings(0).environment), self.shared.clock()
        await store.open()
        await store.migrate()
        made = []
        for n in range(USERS):
            name, key = f"user-{n}", make_key(bytes([n + 1]) * RANDOM_BYTES)
            stored = NewKey(hash=hash_key(key, secret), prefix=shown_part(key))
            choices = Choices(limits=self.kind.limits[n])
            await store.run(partial(create_user, name, "USD", choices, actor="crash", now=now))
            await store.run(partial(create_key, name, stored, actor="crash", now=now))
            await store.run(partial(credit_user, name, CREDIT, reference=name, actor="crash", now=now))
            made.append(key)
        await store.close()
        keys.write_text(json.dumps(made))  # noqa: ASYNC240 - this process has nothing else to do


def _control(port: int, method: str, what: str, body: Any = None) -> Any:
    """Ask a panel's control endpoint."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"X-Control-Token": "crash", "Connection": "close"}
        connection.request(method, f"/control/{what}", None if body is None else json.dumps(body), headers)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
