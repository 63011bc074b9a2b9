"""Rows U21, U22 and U25: what panels report of orders afterwards, and prices that move; table 1.9 on real sockets."""

import asyncio
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from gateway.core.messages import StatusWord
from tests.gateway_process import Caller
from tests.matrix.trial import Trial
from tests.world import balance, until

LINK = "https://social.example/s"
FULL = 135_000_000  # the charge for a thousand
LOOK_AGAIN_SECONDS = 26 * 3600.0  # beyond every pause between two looks at an order that has ended
# What a panel says one after the other of an order for a thousand, what is given back in all then, and what is shown.
COURSES: dict[str, list[tuple[StatusWord, int, int, str]]] = {
    "partial grows, then shrinks": [
        (StatusWord.PARTIAL, 157, FULL * 157 // 1000, "Partial"),
        (StatusWord.PARTIAL, 200, FULL * 200 // 1000, "Partial"),
        (StatusWord.PARTIAL, 100, FULL * 200 // 1000, "Partial"),
    ],
    "completed after canceled": [
        (StatusWord.CANCELED, 1000, FULL, "Canceled"),
        (StatusWord.COMPLETED, 0, FULL, "Canceled"),
    ],
    "goes back to work": [
        (StatusWord.IN_PROGRESS, 500, 0, "In progress"),
        (StatusWord.PENDING, 1000, 0, "In progress"),
        (StatusWord.COMPLETED, 0, 0, "Completed"),
        (StatusWord.IN_PROGRESS, 300, 0, "Completed"),
    ],
    "less than nothing left": [(StatusWord.PARTIAL, -5, 0, "Completed")],
    "more left than was ordered": [(StatusWord.PARTIAL, 1500, FULL, "Partial")],
    "canceled after completed": [
        (StatusWord.COMPLETED, 0, 0, "Completed"),
        (StatusWord.CANCELED, 1000, FULL, "Completed"),
    ],
}
REVIEWED = {"partial grows, then shrinks", "completed after canceled", "more left than was ordered"}


async def test_u21_reports_are_applied_as_the_table_has_them(trial: Trial) -> None:
    """Refunds only ever rise, an ended order keeps its word, and what cannot be read is no news."""
    trial.a.panel.program.panel.pace = 10_000.0
    async with trial.gateway() as house:
        call = await house.user()
        orders = {name: (await trial.add(call, LINK + name, quantity="1000"))["order"] for name in COURSES}
        for at in range(max(map(len, COURSES.values()))):
            steps = {name: course[at] for name, course in COURSES.items() if at < len(course)}
            for name, (word, remains, _, _) in steps.items():
                force(trial, LINK + name, word, remains)
            await looked(trial)
            for name, (_, _, given_back, shown) in steps.items():
                row = (await trial.rows(f"SELECT refunded FROM orders WHERE id = {orders[name]}"))[0]  # noqa: S608 - ids
                told = await call("status", order=orders[name])
                assert (row["refunded"], told["status"]) == (given_back, shown), (name, at)
        reviewed = await trial.rows("SELECT id FROM orders WHERE review IS NOT NULL")
        assert {row["id"] for row in reviewed} >= {int(orders[name]) for name in REVIEWED}
    states = await trial.judge()
    assert "active" not in states.values()


def force(trial: Trial, link: str, word: StatusWord, remains: int) -> None:
    """Have the first panel say this of the order with a link."""
    books = trial.a.panel.program.books
    books.force(books.orders(link=link)[0].id, status=word, remains=remains, start_count=7)


async def looked(trial: Trial) -> None:
    """Let so much time pass that every order is asked about, and wait until it was."""
    trial.ahead += LOOK_AGAIN_SECONDS

    async def all_asked() -> bool:
        rows = await trial.rows("SELECT due_at FROM polls")
        return all(row["due_at"] > trial.clock() for row in rows)

    await until(all_asked)


async def said_of_all(trial: Trial, times: int = 1) -> None:
    """Wait until the first panel was asked so often more, and what it said was dealt with."""
    heard = trial.a.panel.heard("status")

    async def asked() -> bool:
        trial.ahead += 3600.0
        return trial.a.panel.heard("status") >= heard + times

    await until(asked)
    await until(partial(_dealt_with, trial))


async def _dealt_with(trial: Trial) -> bool:
    """Whether every order that was claimed for asking has been written back."""
    rows = await trial.rows("SELECT due_at, lease_until FROM polls")
    return all(row["due_at"] >= trial.clock() or row["lease_until"] <= trial.clock() for row in rows)


async def test_u21_odd_statuses_are_no_news(small_trial: Trial) -> None:
    """A word nobody knows, remains in words, missing ids, a text for an object, pages, lists: nothing moves."""
    trial = small_trial
    trial.a.panel.program.panel.pace = 10_000.0
    odd: list[tuple[str, str]] = [
        ("word", "On the way to Mars"),
        ("missing", ""),
        ("as_list", ""),
        ("no_multi", ""),
        ("body", '"Completed"'),
        ("body", '{"status":"fail"}'),
        ("body", '[["Canceled"]]'),
        ("body", "null"),
        ("html", ""),
        ("empty", ""),
        ("error", "Incorrect order ID"),
        ("status", "500"),
        ("throttled", "1"),  # seconds it wants to be left alone
    ]
    async with trial.gateway() as house:
        call = await house.user()
        orders = [(await trial.add(call, f"{LINK}/{n}"))["order"] for n in range(3)]
        for name, value in odd:
            trial.a.panel.switch(name, value, action="status")
            await said_of_all(trial)
            trial.a.panel.program.switches.clear()
            rows = await trial.rows("SELECT state, refunded FROM orders")
            assert [(row["state"], row["refunded"]) for row in rows] == [("active", 0)] * 3, (name, value)
        # A partial whose remains is a word: the state is believed, no money is guessed.
        for word in ("Unknown", "", "many"):
            trial.a.panel.switch("word", "Partial", action="status")
            trial.a.panel.switch("remains", word, action="status")
        await said_of_all(trial)
        trial.a.panel.program.switches.clear()
        assert {row["refunded"] for row in await trial.rows("SELECT refunded FROM orders")} == {0}
        assert await balance(call) == 100 - 3 * Decimal("0.135")
        assert all("error" not in row for row in (await call("status", orders=",".join(orders))).values())
    await trial.judge()


async def test_u21_one_bad_row_spoils_no_other(small_trial: Trial) -> None:
    """Ninety-nine good orders and one the panel denies, in one multi status: the good ones are all followed."""
    trial = small_trial
    trial.a.panel.program.panel.pace = 10_000.0
    async with trial.gateway() as house:
        call = await house.user()
        await asyncio.gather(*(trial.add(call, f"{LINK}/{n}") for n in range(100)))
        books = trial.a.panel.program.books
        bad, *good = books.orders()
        for order in good:
            books.force(order.id, status=StatusWord.COMPLETED, remains=0, start_count=1)
        books._db.execute("UPDATE orders SET key = 'somebody else' WHERE id = ?", (bad.id,))

        async def followed() -> bool:
            states = list((await trial.states()).values())
            return (states.count("completed"), states.count("active")) == (99, 1)

        await until(followed)
        books._db.execute("UPDATE orders SET key = ? WHERE id = ?", (bad.key, bad.id))
    assert set((await trial.judge()).values()) == {"completed"}


async def test_u22_figures_of_other_orders_are_not_used(small_trial: Trial) -> None:
    """Rows under ids that were not asked for, and rows that name another order than they stand for, change nothing."""
    trial = small_trial
    trial.a.panel.program.panel.pace = 10_000.0
    async with trial.gateway() as house:
        call = await house.user()
        await trial.add(call, LINK + "0")
        await nothing_moves(trial, call, cents=Decimal("0.135"))
        await trial.add(call, LINK + "1")
        await nothing_moves(trial, call, cents=Decimal("0.27"))
    assert await trial.judge() == {LINK + "0": "completed", LINK + "1": "completed"}


async def nothing_moves(trial: Trial, call: Caller, *, cents: Decimal) -> None:
    """Have the panel tell of orders that are not ours in every shape it knows; all stays as it was."""
    row: dict[str, Any] = {"charge": "0", "start_count": "1", "status": "Canceled", "remains": "100", "currency": "USD"}
    bodies = [
        {"999001": row},
        {"999001": row, "999002": row},
        [{"order": "999001", **row}, {"order": 999002, **row}],
        {"order": "999001", **row},
        {"order": {"id": 999001}, **row},
        {"data": {"999001": row}},
        {"orders": [{"order": 999001, **row}]},
        {str(order.id): {"order": order.id + 1000, **row} for order in trial.a.panel.program.books.orders()},
    ]
    for body in bodies:
        trial.a.panel.switch("body", msgspec.json.encode(body).decode(), action="status")
        await said_of_all(trial)
        trial.a.panel.program.switches.clear()
        rows = await trial.rows("SELECT state, refunded FROM orders")
        assert {(each["state"], each["refunded"]) for each in rows} == {("active", 0)}, body
        assert await balance(call) == 100 - cents


async def test_u25_price_that_moves_after_the_list_changes_no_charge(trial: Trial) -> None:
    """The panel is dearer when the order comes: the user pays the rate that was listed, and so does the next refund."""
    async with trial.gateway() as house:
        call = await house.user()
        services = {row["service"]: row for row in await call("services")}
        assert services[1]["rate"] == "1.35"
        shelf = trial.a.panel.program.panel._services
        shelf[101] = msgspec.structs.replace(shelf[101], rate=Decimal("9.99"))
        placed = await trial.add(call, LINK, quantity="1000")
        assert await balance(call) == Decimal("98.65")
        force(trial, LINK, StatusWord.PARTIAL, 500)
        await looked(trial)
        assert (await call("status", order=placed["order"]))["charge"] == "0.675"
        assert await balance(call) == Decimal("99.325")
    (cost,) = await trial.rows("SELECT amount, currency FROM transfers WHERE kind = 'cost'")
    assert (cost["amount"], cost["currency"]) == (90_000_000, "USD")  # what the list said it would be
    assert await trial.judge() == {LINK: "partial"}
