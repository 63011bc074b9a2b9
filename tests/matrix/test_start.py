"""Row G7: a start with a great many open orders is ready in time; `make start-large` has the full number."""

import os
import sys
import time

import pytest

from tests.matrix.served import served
from tests.matrix.trial import CHARGE, SHORT, Trial
from tests.sound import broken_invariants
from tests.world import until

LINK = "https://social.example/crowd"
# Orders under way; a twentieth of that in doubt besides.
CROWD = int(os.environ.get("CROWD", "5000"))
USERS = max(500, CROWD // 20)  # few orders a user: PostgreSQL walks through every version of a balance
READY_SECONDS_MAX = 5.0
# What `gateway serve` itself may take on a machine that does other things besides; the row is about the orders.
MARGIN_SECONDS = 5.0
FIRST = 500_000_000

_N = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {last}) "
_COPIED = (
    "fingerprint, service_id, type, fields, quantity, currency, rate, rule, charge, refunded, state, shown, "
    "start_count, remains, routes, can_refill, can_cancel, answerer, created_at, updated_at"
)


async def fill(trial: Trial, orders: int) -> None:
    """Put a crowd into the books: copies of an order under way, and of one in doubt, of many users; books sound."""
    users = _N.format(last=USERS - 1)
    await trial.rows(
        users + "INSERT INTO users(name, currency, created_at) SELECT 'crowd-' || i, 'USD', 0 FROM n RETURNING id"  # noqa: S608 - numbers
    )
    for side in ("avail", "held"):
        await trial.rows(
            f"INSERT INTO accounts(code, user_id, currency, enforced) SELECT 'user:' || id || ':{side}', id, 'USD', 1 "  # noqa: S608 - one of two words
            "FROM users WHERE name LIKE 'crowd-%' RETURNING id"
        )
    await trial.rows(
        "UPDATE users SET avail_account = (SELECT id FROM accounts WHERE code = 'user:' || users.id || ':avail'), "
        "held_account = (SELECT id FROM accounts WHERE code = 'user:' || users.id || ':held') "
        "WHERE name LIKE 'crowd-%' RETURNING id"
    )
    (first,) = await trial.rows("SELECT MIN(id) AS id FROM users WHERE name LIKE 'crowd-%'")
    await trial.rows(
        "INSERT INTO transfers(tx_key, kind, source_id, dest_id, currency, amount, created_at) "  # noqa: S608 - numbers
        f"SELECT 'dep:crowd-' || u.id, 'deposit', w.id, u.avail_account, 'USD', {CHARGE * (orders + 1000)}, 0 "
        "FROM users u JOIN accounts w ON w.code = 'world:USD' WHERE u.name LIKE 'crowd-%' RETURNING id"
    )
    await copies(trial, "active", orders, begin=FIRST, first_user=first["id"])
    await copies(trial, "unknown", orders // 20, begin=FIRST + orders, first_user=first["id"])


async def copies(trial: Trial, state: str, count: int, *, begin: int, first_user: int) -> None:
    """So many copies of the one order in this state, with its attempt, its transfers and its poll."""
    row = _N.format(last=count - 1)
    new = f"{begin} + n.i"
    of_user = f"u.id = {first_user} + n.i % {USERS}"
    (of,) = await trial.rows(f"SELECT id FROM orders WHERE state = '{state}' AND id < {FIRST}")  # noqa: S608 - a state's name
    template = f"FROM n JOIN orders o ON o.id = {of['id']}"
    await trial.rows(
        f"{row} INSERT INTO orders(id, user_id, {_COPIED}) SELECT {new}, {first_user} + n.i % {USERS}, {_COPIED} "
        f"{template} RETURNING id"
    )
    await trial.rows(
        f"{row} INSERT INTO attempts(order_id, n, provider, provider_service, cost, currency, state, upstream_order, "
        f"reason, owner, created_at, sending_at, resolved_at) SELECT {new}, a.n, a.provider, a.provider_service, "
        f"a.cost, a.currency, a.state, a.upstream_order || '0' || ({new}), a.reason, a.owner, a.created_at, "
        f"a.sending_at, a.resolved_at {template} JOIN attempts a ON a.order_id = o.id RETURNING id"
    )
    for kind, source, dest in (
        ("hold", "u.avail_account", "u.held_account"),
        ("capture", "u.held_account", "t.dest_id"),
        ("cost", "t.source_id", "t.dest_id"),
    ):
        await trial.rows(
            f"{row} INSERT INTO transfers(tx_key, kind, order_id, source_id, dest_id, currency, amount, created_at) "
            f"SELECT '{kind}:' || ({new}) || '{':0' if kind == 'cost' else ''}', t.kind, {new}, {source}, {dest}, "
            f"t.currency, t.amount, t.created_at {template} "
            f"JOIN transfers t ON t.order_id = o.id AND t.kind = '{kind}' JOIN users u ON {of_user} RETURNING id"
        )
    await trial.rows(
        f"{row} INSERT INTO polls(order_id, provider, upstream_order, due_at, accepted_at) "
        f"SELECT {new}, p.provider, p.upstream_order || '0' || ({new}), p.due_at, p.accepted_at {template} "
        "JOIN polls p ON p.order_id = o.id RETURNING order_id"
    )


async def test_g7_start_with_a_crowd_of_open_orders_is_ready_in_time(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    """Thousands under way and hundreds in doubt: ready within five seconds, and a new order is taken at once."""
    trial.a.panel.program.panel.pace = 100_000.0
    async with trial.gateway(trial.settings(panels=SHORT)) as house:
        key = (await house.user()).key
        await trial.add(house.caller(key), LINK + "active")
        trial.a.panel.switch("close", action="add", times=1)
        await trial.add(house.caller(key), LINK + "unknown")

        async def both() -> bool:
            return set((await trial.states()).values()) == {"active", "unknown"}

        await until(both)
    await fill(trial, CROWD)
    trial.settings()
    began = time.monotonic()
    async with served(trial.environ(), trial.folder) as running:
        await running.ready()
        seconds = time.monotonic() - began
        placed = await trial.add(running.caller(key), LINK + "new")
        assert "order" in placed
    with capsys.disabled():
        sys.stdout.write(f"\nready {seconds:.1f} s after the start, {CROWD} orders open, {CROWD // 20} in doubt\n")
    assert seconds < READY_SECONDS_MAX + MARGIN_SECONDS
    (counted,) = await trial.rows("SELECT COUNT(*) AS orders FROM orders")
    assert counted["orders"] == CROWD + CROWD // 20 + 3
    # The panels know nothing of the copies, so only the books themselves are judged.
    trial.judged = True
    assert await broken_invariants(trial.database_url) == []
