"""Security items 41 and 43 of RELIABILITY.md section 3, each by its number: what probes tell, and who may act.

Item 42 is proved where the locks, the image, the compose file and the chart are: the table of docs/reliability.md.
"""

import asyncio
import re
import socket
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import pytest
import rich_click as click
from click.testing import CliRunner

from gateway.__main__ import main
from gateway.core.outcome import Accepted, Unknown
from gateway.settings.environment import read_environment
from gateway.store.store import open_store
from tests.gateway_process import CREDIT, house_file, house_settings, running_house
from tests.panel_process import simulated_panel
from tests.store.trade import ORDER, ask, bring, make_user, sending
from tests.world import on_sale

HEALTH_PATHS = ("/metrics", "/live", "/startup", "/ready", "/", "/nothing")

# ------------------------------------------------------------------------------------------------------------------ 41


async def test_s09_41_numbers_and_probes_hold_no_name_link_or_key(tmp_path: Path) -> None:
    """After orders that went well, badly and into doubt, and keys that are none: nobody is told who it was."""
    async with (
        simulated_panel(tmp_path) as panel,
        running_house(house_settings(tmp_path, a=panel.url, total="0.5")) as house,
    ):
        await on_sale(house)
        call = await house.user("wholesale-of-anna")
        link = "https://social.example/canary-of-a-link"
        assert "order" in await call("add", service="1", link=link, quantity="100", comments="canary-of-a-comment")
        panel.switch("error", f"Invalid link {link} for panel-a-key", action="add", times=1)
        assert "error" in await call("add", service="1", link=link, quantity="100")
        panel.switch("silent", action="add", times=1)
        assert "order" in await call("add", service="1", link=link, quantity="100")
        await call.post({"key": "canary-of-a-wrong-key", "action": "balance"})
        told = ""
        for path in HEALTH_PATHS:
            for accept in ("text/plain", "application/openmetrics-text", "text/html"):
                answer = await call.http.get(f"{house.health}{path}?key={call.key}", headers={"Accept": accept})
                told += f"{answer.headers}{answer.text}"
        assert 'gateway_requests_total{action="add",outcome="ok"} 2.0' in told
        for secret in ("wholesale", "anna", "canary", "social.example", call.key[:9], "panel-a-key", panel.url):
            assert secret not in told, secret


async def test_s09_41_numbers_and_probes_are_no_users_business(tmp_path: Path) -> None:
    """Users' port has none of them and theirs takes no order; where nobody says more, it is this machine's alone."""
    assert read_environment({}).metrics_host == "127.0.0.1"
    async with running_house(house_settings(tmp_path)) as house, httpx.AsyncClient(trust_env=False) as http:
        for path in HEALTH_PATHS[:4]:
            answer = await http.get(f"{house.gateway.listener.address}{path}")
            assert (answer.status_code, "gateway_" in answer.text) == (404, False), path
        assert (await http.post(f"{house.health}/api/v2", data={"action": "balance"})).status_code == 404
        port = house.gateway.health.address.port
        with socket.socket() as elsewhere, pytest.raises(ConnectionRefusedError):
            elsewhere.connect(("127.0.0.2", port))  # Open to everybody, it would be open here.


# ------------------------------------------------------------------------------------------------------------------ 43

WHY = ("--reason", "asked for by mail")
# Every command on the books, with arguments by which it can be tried on those of `books`. What looks changes nothing.
LOOKS: Mapping[str, tuple[str, ...]] = {
    "catalogue held": (),
    "errors list": (),
    "events dead": (),
    "ledger statement": ("alpha",),
    "ledger verify": ("--quiet",),
    "migrate": (),  # Nothing is due.
    "notify list": (),
    "order list": (),
    "order show": (str(ORDER),),
    "unknown list": (),
    "unknown show": (str(ORDER + 1),),
    "user list": (),
    "user show": ("alpha",),
}
ACTS: Mapping[str, tuple[str, ...]] = {
    "catalogue accept": ("panel-a/101",),
    "errors classify": ("1", "refused"),
    "events retry": ("--all",),
    "key revoke": ("alpha", "--all"),
    "key rotate": ("alpha",),
    "reconcile": ("--begin",),
    "unknown accept": (str(ORDER + 1), "--upstream-id", "77"),
    "unknown not-placed": (str(ORDER + 2),),
    "unknown refund": (str(ORDER + 3),),
    "unknown release": ("panel-a",),
    "user adjust": ("alpha", "5", "--reference", "ticket-1"),
    "user resume": ("beta",),
    "user set": ("alpha", "--tier", "reseller"),
    "user suspend": ("alpha",),
}
# What makes something where nothing was, or moves money under the number of a payment, which is its reason.
MAKES: Mapping[str, tuple[str, ...]] = {
    "key create": ("alpha",),
    "user create": ("gamma",),
    "user credit": ("alpha", "5", "--reference", "invoice-1"),
}
# No act on these books: they serve, ask panels, read files, copy, or are a panel.
ELSE = frozenset(
    {"backup", "catalogue", "config check", "config diff", "config schema", "config variables", "demo", "doctor"}
    | {"errors show", "healthcheck", "notify test", "panel", "provider probe", "restore", "serve", "unknown probe"}
)


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that can be typed, with its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        if (not isinstance(command, click.Group) or command.invoke_without_command) and not command.hidden:
            yield f"{before}{name}", command


def test_s09_43_every_command_that_changes_something_asks_why() -> None:
    """A command of which nobody said here whether it looks or acts fails this test."""
    known = dict(commands(main))
    assert set(known) == {*LOOKS, *ACTS, *MAKES, *ELSE}
    for name in ACTS.keys() - {"reconcile"}:  # Without a reason it compares, and begins or ends nothing.
        assert [each.required for each in known[name].params if each.name == "reason"] == [True], name
    for name in MAKES:
        assert {"reason", "reference"} & {each.name for each in known[name].params}, name


class Books:
    """Books in PostgreSQL with something for every command, and the command line under one of its roles."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        (folder / "providers.yaml").write_text(house_file())

    def __call__(self, name: str, *arguments: str, role: str, code: int = 0) -> str:
        """What a command says, typed by somebody whose URL has this role."""
        environ = {
            "GATEWAY_CONFIG": str(self.folder / "providers.yaml"),
            "GATEWAY_DATA_DIR": str(self.folder / "data"),
            "GATEWAY_DATABASE_URL": self.url.replace("gateway@", f"{role}@"),
            "PANEL_A_KEY": "a",
            "PANEL_B_KEY": "b",
        }
        done = CliRunner().invoke(main, [*name.split(), *arguments], env=environ)
        assert done.exit_code == code, (name, done.output)
        return str(done.output)

    def rows(self) -> list[list[tuple[object, ...]]]:
        """Every row there is, of every table."""

        async def read() -> list[list[tuple[object, ...]]]:
            tables = await ask(self.url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
            return [await ask(self.url, f"SELECT * FROM {name} ORDER BY 1, 2") for (name,) in tables]  # noqa: S608 - ours

        return asyncio.run(read())


_ROWS = (
    "UPDATE users SET state = 'suspended' WHERE name = 'beta'",
    "UPDATE events SET dead_at = 1, published_at = NULL WHERE id = 1",
    "INSERT INTO brakes VALUES('panel-a', 'three in doubt', 1, NULL)",
    "INSERT INTO panel_texts VALUES(1, 'panel-a', 'we do not want it', 'add', 'we do not want it', 1, 1, 1, NULL)",
    "INSERT INTO held_services VALUES('panel-a', '101', 'price', 'Likes', 'Default', '1', 'Likes', 'Default', '2', 1)",
)


async def _fill(url: str) -> None:
    """Two users, an order that a panel has, three in doubt, a brake, an event nobody took, a text, a held service."""
    store = open_store(url)
    await store.open()
    await store.migrate()
    alpha = await make_user(store)
    await make_user(store, "beta", money=0)
    await bring(store, await sending(store, alpha), Accepted("up-1"))
    for number in (ORDER + 1, ORDER + 2, ORDER + 3):
        await bring(store, await sending(store, alpha, number), Unknown("silence"))
    await store.close()
    # A row each of what panels bring.
    for text in _ROWS:
        await ask(url, text)


@pytest.fixture
def books(postgres_dsn: str, tmp_path: Path) -> Iterator[Books]:
    """With a role that may only read, made as docs/operations.md says."""
    document = (Path(__file__).parent.parent / "docs" / "operations.md").read_text("utf-8")
    (made,) = re.findall(r"```sql\n(CREATE ROLE auditor.*?)```", document, re.DOTALL)

    async def run(*texts: str) -> None:
        connection = await asyncpg.connect(postgres_dsn)
        for text in texts:
            await connection.execute(text)
        await connection.close()

    database = postgres_dsn.rpartition("/")[2]
    asyncio.run(_fill(postgres_dsn))
    asyncio.run(run(made.replace("DATABASE gateway", f"DATABASE {database}")))
    yield Books(postgres_dsn, tmp_path)
    asyncio.run(run("DROP OWNED BY auditor", "DROP ROLE auditor"))


def test_s09_43_role_that_may_only_read_sees_all_and_changes_nothing(books: Books) -> None:
    """A command that looks says the same to it as to the owner; one that acts ends in one line, and nothing moved."""
    for name, arguments in LOOKS.items():
        auditors, owners = (
            re.sub(r"\d+ min", "", books(name, *arguments, role=role)) for role in ("auditor", "gateway")
        )
        assert auditors == owners, name
    before = books.rows()
    for name, arguments in {**ACTS, **MAKES}.items():
        said = books(name, *arguments, *(() if name == "user credit" else WHY), role="auditor", code=1)
        assert said.startswith("gateway: the database role of this URL may not do that, and nothing was done: "), said
        assert len(said.splitlines()) == 1, said
    assert books.rows() == before


def test_s09_43_every_act_is_in_the_audit_with_who_and_why(books: Books) -> None:
    """Typed by somebody who may: one event at least, with an actor and the reason that was given."""
    for name, arguments in {**MAKES, **ACTS}.items():
        reason = WHY if name != "user credit" else ()
        last = asyncio.run(ask(books.url, "SELECT MAX(id) FROM events"))[0][0]
        books(name, *arguments, *reason, role="gateway")
        found = asyncio.run(ask(books.url, f"SELECT actor, reason FROM events WHERE id > {last}"))  # noqa: S608 - ours
        assert found, name
        whys = [why or "" for _, why in found]
        assert any(("invoice-1" if name == "user credit" else WHY[1]) in why for why in whys), (name, found)
        assert all(actor.startswith("cli:") for actor, _ in found), (name, found)


AUDIT_CHANGES = {
    "UPDATE events SET reason = 'another' WHERE id = 1": "append only",
    "UPDATE events SET actor = 'nobody'": "append only",
    "DELETE FROM events WHERE id = 1": "append only",
    "UPDATE transfers SET amount = amount + 1": "append only",
    "DELETE FROM transfers": "append only",
    "DELETE FROM accounts": "never deleted",
}
OF_ONE_KIND = {
    "sqlite": {
        "INSERT OR REPLACE INTO events(id, kind, actor, created_at) VALUES(1, 'x', 'nobody', 1)": "append only",
    },
    "postgresql": {
        "TRUNCATE events": "append only",
        "TRUNCATE transfers": "append only",
        "TRUNCATE accounts CASCADE": "append only|never deleted",
    },
}


async def test_s09_43_audit_is_appended_to_and_nothing_else(database_url: str, database_kind: str) -> None:
    """On either database, whoever types SQL: no row is changed, replaced or taken away."""
    store = open_store(database_url)
    await store.open()
    await store.migrate()
    await make_user(store, money=CREDIT)
    await store.close()
    before = [await ask(database_url, f"SELECT * FROM {name} ORDER BY id") for name in ("events", "transfers")]  # noqa: S608 - ours
    for text, why in {**AUDIT_CHANGES, **OF_ONE_KIND[database_kind]}.items():
        with pytest.raises(Exception, match=why):
            await ask(database_url, text)
    after = [await ask(database_url, f"SELECT * FROM {name} ORDER BY id") for name in ("events", "transfers")]  # noqa: S608 - ours
    assert after == before
    assert len(before[0]) == 2


async def test_s09_43_prices_that_change_are_in_the_audit_with_their_reason(tmp_path: Path) -> None:
    """By a reload and by a restart: which parts of providers.yaml, by which process, and what the file says why."""
    file = tmp_path / "providers.yaml"
    environ = {"PANEL_A_KEY": "a", "PANEL_B_KEY": "b"}
    async with running_house(house_settings(tmp_path), environ=environ) as house:
        told = partial(ask, f"sqlite:///{tmp_path}/gateway.db", _SETTINGS_CHANGED)
        assert await told() == []
        file.write_text(house_file().replace("markup: {percent: 20}", "reason: spring prices\nmarkup: {percent: 25}"))
        assert await house.gateway.reload.reload()
        ((actor, after, reason),) = await told()
        assert (actor, reason) == (house.gateway.desk.owner, "spring prices")
        assert '"changed":["markup"]' in after
    settings = house_settings(tmp_path, rate_b="1.2")
    async with running_house(settings) as house:
        assert await told() == [
            (actor, after, reason),
            (house.gateway.desk.owner, _changed(settings.hash), "the file gives no reason for this change"),
        ]
    async with running_house(settings):
        assert len(await told()) == 2


_SETTINGS_CHANGED = "SELECT actor, after, reason FROM events WHERE kind = 'settings.changed' ORDER BY id"


def _changed(digest: str) -> str:
    return f'{{"hash":"{digest}","changed":["markup","providers.panel-b"],"more":0}}'
