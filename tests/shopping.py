"""A morning's business by a library that others wrote: list, balance, orders, statuses, refill, cancel, refusals."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.world import LINK

NOBODYS = 999  # an order id that nobody has
WITHIN_SECONDS = 15.0  # orders take 0.3 s here; the machine may be busy
Do = Callable[..., Any]


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """What a library offers, each thing by its own method."""

    services: Do
    balance: Do
    add: Do  # service, link, quantity; other fields by name
    status: Do
    statuses: Do  # a list of ids, as for the next
    cancel: Do
    refill: Do
    refill_status: Do | None = None
    refills: Do | None = None
    refill_statuses: Do | None = None
    refused: type[Exception]  # what an `error` becomes


def shopping(client: Client) -> list[str]:
    """What is sold, what there is to spend, three orders, and what becomes of them; answers their ids."""
    rows = {row["service"]: row for row in client.services()}
    assert (rows[1]["rate"], rows[1]["min"], rows[1]["refill"], rows[1]["cancel"]) == ("1.35", "10", True, True)
    assert client.balance() == {"balance": "100", "currency": "USD"}
    first = client.add(1, LINK, 1000)["order"]
    second = client.add(1, f"{LINK}/2", 100, runs=2, interval=5)["order"]
    third = client.add(2, f"{LINK}/3", None, comments="One\nTwo")["order"]
    status = until(client, first, "Completed")
    assert (status["charge"], status["remains"], status["currency"]) == ("1.35", "0", "USD")
    until(client, second, "Completed")
    until(client, third, "Completed")
    many = client.statuses([first, second, third, NOBODYS])
    assert {order: row.get("charge") for order, row in many.items()} == {
        first: "1.35", second: "0.27", third: "0.03", str(NOBODYS): None
    }  # fmt: skip
    assert many[str(NOBODYS)] == {"error": "Incorrect order ID"}
    return [first, second, third]


def refilled(client: Client, order: str) -> None:
    """A refill, followed where the library can; one and many."""
    asked = client.refill(order)
    assert isinstance(asked["refill"], int)
    if client.refill_status is None or client.refills is None or client.refill_statuses is None:
        return
    assert client.refill_status(asked["refill"])["status"] in ("Pending", "In progress", "Completed")
    rows = client.refills([order, NOBODYS])
    assert [row["order"] for row in rows] == [int(order), NOBODYS]
    assert all(row["refill"] == {"error": "Order not eligible for refill."} for row in rows)
    first, second = client.refill_statuses([asked["refill"], NOBODYS])
    assert first["refill"] == asked["refill"]
    assert second == {"refill": NOBODYS, "status": {"error": "Refill Request Not found"}}


def canceled(client: Client) -> list[str]:
    """Two orders that take long, taken back; answers their ids."""
    orders = [client.add(1, f"{LINK}/{each}", 100)["order"] for each in "ab"]
    rows = client.cancel([*orders, NOBODYS])
    assert rows == [
        *({"order": int(order), "cancel": 1} for order in orders),
        {"order": NOBODYS, "cancel": {"error": "Incorrect order ID"}},
    ]
    for order in orders:
        until(client, order, "Canceled")
    return orders


def refusals(client: Client, stranger: Client) -> None:
    """Each is the library's own exception with our words; none is a broken answer."""
    asked: tuple[tuple[str, Do], ...] = (
        ("Incorrect service ID", lambda: client.add(12345, LINK, 100)),
        ("Quantity less than minimal 10", lambda: client.add(1, LINK, 1)),
        ("Not enough funds on balance", lambda: client.add(1, LINK, 100_000)),
        ("Incorrect order ID", lambda: client.status(NOBODYS)),
        ("Order not eligible for refill.", lambda: client.refill(NOBODYS)),
        ("Invalid API key", stranger.balance),
    )
    for text, ask in asked:
        with pytest.raises(client.refused) as refused:
            ask()
        assert str(refused.value) == text


def until(client: Client, order: str, word: str) -> dict[str, str]:
    """The status of an order once it is this."""
    ends = time.monotonic() + WITHIN_SECONDS
    while True:
        status: dict[str, str] = client.status(order)
        if status["status"] == word:
            return status
        assert time.monotonic() < ends, f"{order} is {status}"
        time.sleep(0.05)
