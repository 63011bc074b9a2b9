"""Judgement: what the books say against what the panels have and what users were told; each fault as one line."""

import asyncio
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import asyncpg

from tests.crash.kin import CHILDREN, Rows, judge_kin, unheard
from tests.crash.limits import COUNTED, LIMITED, UNCOUNTED, judge_limits
from tests.crash.money import ACCOUNTS, MOVED, judge_money
from tests.sound import broken_invariants

# Why a person gives a user the charge back; by it such orders are known again.
GIVEN_UP: Final = "given up by a person of the crash harness"

_ORDERS: Final = (
    "SELECT id, user_id, state, charge, refunded, quantity, fields, remains, shown, idem_key, answerer, answered_at, "
    "unheard_at, replays, created_at FROM orders"
)
_GIVEN_UP: Final = f"SELECT order_id FROM events WHERE reason = '{GIVEN_UP}'"  # noqa: S608 - a text of ours
_ATTEMPTS: Final = "SELECT order_id, provider, state, upstream_order FROM attempts"
_OPEN: Final = (
    "SELECT (SELECT COUNT(*) FROM attempts WHERE state IN ('planned', 'sending')) AS flying, "
    "(SELECT COUNT(*) FROM orders WHERE state IN ('reserved', 'placing')) AS waiting, "
    "(SELECT COUNT(*) FROM orders WHERE state = 'active') AS active"
)
_PLACED: Final = frozenset({"active", "completed", "partial", "canceled"})
_TOLD_MAX: Final = 20  # lines of one judgement


def rows_of(database_url: str, *queries: str) -> list[list[dict[str, Any]]]:
    """The rows of each query, by a connection of our own."""
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=10)) as books:
            books.row_factory = sqlite3.Row
            return [[dict(row) for row in books.execute(query)] for query in queries]
    return asyncio.run(_from_postgres(database_url, queries))


async def _from_postgres(url: str, queries: Sequence[str]) -> list[list[dict[str, Any]]]:
    connection = await asyncpg.connect(url)
    try:
        return [[dict(row) for row in await connection.fetch(query)] for query in queries]
    finally:
        await connection.close()


def end_leases(database_url: str) -> None:
    """Let the leases that go by the database's own clock end, as a minute would."""
    statement = "UPDATE provider_jobs SET lease_until = 0"
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=10)) as books:
            books.execute(statement)
            books.commit()
        return

    async def end() -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(end())


def link_of(fields: str) -> str:
    """What a wish is known by, whatever it orders."""
    named = dict(json.loads(fields))
    link: str = named.get("link") or named["username"]
    return link


def unsettled(database_url: str, truth: Callable[[], dict[str, list[dict[str, Any]]]]) -> str | None:
    """What is still under way, or None; what was made by panels is asked about until the books have its end."""
    (found,), children = rows_of(database_url, _OPEN, CHILDREN)
    left = {name: count for name, count in found.items() if count}
    if left:
        return f"still under way: {left}"
    if children and (why := unheard(children)):
        return why
    if not children:
        return None
    orders, attempts, children = _kept(database_url)
    return next(iter(judge_kin(orders, attempts, children, truth())), None)


def _kept(database_url: str) -> tuple[Rows, Rows, Rows]:
    """Orders, attempts and children, as the books have them."""
    orders, attempts, children, given_up = rows_of(database_url, _ORDERS, _ATTEMPTS, CHILDREN, _GIVEN_UP)
    lost = {row["order_id"] for row in given_up}
    for order in orders:
        order["given_up"] = order["id"] in lost
    return orders, attempts, children


def judge(database_url: str, truth: dict[str, list[dict[str, Any]]], journals: Sequence[Path]) -> list[str]:
    """Every fault there is."""
    orders, attempts, children = _kept(database_url)
    faults = asyncio.run(broken_invariants(database_url))
    by_link: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for order in orders:
        order["link"] = link_of(order["fields"])
        by_link[order["link"]].append(order)
    faults += _upstream(by_link, attempts, truth)
    faults += judge_money(orders, *rows_of(database_url, MOVED, ACCOUNTS))
    faults += _refunds(orders, attempts, truth)
    faults += judge_kin(orders, attempts, children, truth)
    faults += judge_limits(*rows_of(database_url, LIMITED, COUNTED, UNCOUNTED))
    faults += _told(by_link, {str(order["id"]): order for order in orders}, journals)
    return faults[:_TOLD_MAX]


def _upstream(
    by_link: dict[str, list[dict[str, Any]]], attempts: list[dict[str, Any]], truth: dict[str, list[dict[str, Any]]]
) -> list[str]:
    """I9, I10, I12: each wish at a panel at most once, by the order that says so."""
    accepted = {each["order_id"]: each for each in attempts if each["state"] == "accepted"}
    placed: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for panel, has in truth.items():
        for each in has:
            if each["made_for"] is None:
                placed[each["link"]].append((panel, str(each["order"])))
    faults = [f"I9 {link} was placed {len(where)} times: {where}" for link, where in placed.items() if len(where) > 1]
    for link, where in placed.items():
        if link not in by_link:
            faults.append(f"I12 {link} is at {where} and in no book")
    for link, found in by_link.items():
        living = [order for order in found if order["state"] != "failed"]
        if len(living) > 1:
            faults.append(f"charged twice for {link}: {living}")
        if not living and link in placed:
            faults.append(f"I10 {link} failed for us and is at {placed[link]}")
        for order in living:
            mine = accepted.get(order["id"])
            own = None if mine is None else (mine["provider"], mine["upstream_order"])
            if own is None and order["given_up"]:
                continue  # its user has the charge back; whether it was placed stays open
            if order["state"] in _PLACED and own not in placed[link]:
                faults.append(f"I10 order {order['id']} is {order['state']} as {own}, but {link} is at {placed[link]}")
    return faults


def _refunds(
    orders: list[dict[str, Any]], attempts: list[dict[str, Any]], truth: dict[str, list[dict[str, Any]]]
) -> list[str]:
    """What was given back is what the panel did not deliver, to the unit."""
    standing = {(panel, str(each["order"])): each for panel, has in truth.items() for each in has}
    mine = {each["order_id"]: (each["provider"], each["upstream_order"]) for each in attempts if each["upstream_order"]}
    faults = []
    for order in orders:
        said = standing.get(mine.get(order["id"], ("", "")))
        if order["state"] not in ("completed", "partial", "canceled") or said is None or order["given_up"]:
            continue
        if "posts" in said["fields"] or int(said["fields"].get("runs", "1")) > 1:
            continue  # by what its panel made for it, see judge_kin
        left = {"Completed": 0, "Partial": said["remains"], "Canceled": order["quantity"]}.get(said["status"])
        if left is not None and order["refunded"] != order["charge"] * left // order["quantity"]:
            faults.append(
                f"order {order['id']}: {order['refunded']} of {order['charge']} given back, panel says {said}"
            )
    return faults


def _told(
    by_link: dict[str, list[dict[str, Any]]], by_id: dict[str, dict[str, Any]], journals: Sequence[Path]
) -> list[str]:
    """I11: what users were told is true: every id exists and is of their wish; what was refused costs nothing."""
    faults, ids = [], Counter[str]()
    for line in (line for journal in journals for line in journal.read_text().splitlines()):
        told = json.loads(line)
        if "lost" in told:
            faults.append(f"I11 order {told['lost']} was answered and then {told['said']}")
            continue
        if told["order"] is not None:
            ids[told["order"]] += 1
            order = by_id.get(told["order"])
            if order is None or order["link"] != told["link"] or order["user_id"] != told["user"] + 1:
                faults.append(f"I11 {told['link']} was answered {told['order']}, which is {order}")
        elif any(order["state"] != "failed" for order in by_link.get(told["link"], ())):
            faults.append(f"{told['link']} was refused ({told['error']}) and is charged: {by_link[told['link']]}")
    faults += [f"I13 the id {order} was answered for {count} wishes" for order, count in ids.items() if count > 1]
    return faults
