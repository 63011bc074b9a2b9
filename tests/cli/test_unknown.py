"""`gateway unknown`: the queue as an operator sees it, and each way to settle an order in it."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.unknown import unknown
from gateway.core.outcome import Unknown
from gateway.store.brakes import BrakeRule, change_brakes, read_brakes
from gateway.store.engine import Store
from gateway.store.readings import keep_reading
from gateway.store.store import open_store
from gateway.store.unknown import Look, keep_looks, keep_strange, watch_doubts
from tests.store.trade import ME, NOW, ORDER, attempts_of, bring, make_user, money_of, order_of, sending

FILE = """
version: 1
providers:
  panel-a: {url: "https://panel-a.example/api/v2", key: "${ENV:A:-x}", currency: EUR, exchange_rate: 1.1}
"""
REASON = ("--reason", "seen in the panel's own list")


class Shell:
    """The commands on books that a test filled before."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/gateway.db"
        self.environ = {"GATEWAY_CONFIG": str(folder / "providers.yaml"), "GATEWAY_DATABASE_URL": self.url}
        (folder / "providers.yaml").write_text(FILE)

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What a command says."""
        done = CliRunner().invoke(unknown, list(arguments), env=self.environ)
        assert done.exit_code == code, done.output
        return done.stdout if code == 0 else done.stderr

    def in_books(self, work: Callable[[Store], Awaitable[object]]) -> None:
        """Do something with the books."""

        async def run() -> None:
            store = open_store(self.url)
            await store.open()
            await store.migrate()
            await work(store)
            await store.close()

        asyncio.run(run())


async def fill(store: Store) -> None:
    """Three orders in doubt at panel-a, one of which was looked for, and a reading before and after."""
    user = await make_user(store)
    await store.run(partial(keep_reading, "panel-a", Decimal(10), "EUR", now=NOW - 1))
    for number in range(ORDER, ORDER + 3):
        await bring(store, await sending(store, user, number), Unknown("HTTP 500: 'oh'"))
    (attempt,) = await attempts_of(store, ORDER)
    await store.run(partial(watch_doubts, [(attempt.id, "panel-a")], aged=[], ms=0))
    look = Look(attempt=attempt.id, lo=40, hi=50, note="more than one pairing fits: 41, 42", found=(("41", "Pending"),))
    await store.run(partial(keep_looks, [look], now=NOW))
    await store.run(partial(keep_strange, "panel-a", {"7": "Completed 0.5 EUR"}, now=NOW))
    await store.run(partial(keep_reading, "panel-a", Decimal("9.5"), "EUR", now=NOW + 1))
    rules = {"panel-a": BrakeRule(count=3, within_ms=1000, cap=10**9, currency="USD")}
    found = await store.read(partial(read_brakes, rules))
    await store.run(partial(change_brakes, found, actor=ME, now=NOW))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Books with three orders in doubt."""
    made = Shell(tmp_path)
    made.in_books(fill)
    return made


def test_list_has_the_queue_the_brakes_and_the_strange_ids(shell: Shell) -> None:
    """One line an order, with the money that hangs on it and what is known."""
    told = shell("list")
    for part in (
        *(str(ORDER), "panel-a", "0.000001 USD", "held", "more than one pairing fits: 41, 42", "HTTP 500: 'oh'"),
        *("panel-a gets no new orders: 3 orders in doubt within 1 s", "7", "Completed 0.5 EUR"),
    ):
        assert part in told


def test_list_of_sound_books_says_so(tmp_path: Path) -> None:
    """Nothing to do is an answer."""
    assert Shell(tmp_path)("list") == "nothing is in doubt\n"


def test_show_tells_everything_that_is_known(shell: Shell) -> None:
    """What was asked, where it may be, what hangs on it, and what the balance speaks for."""
    told = shell("show", str(ORDER))
    for part in (
        *("attempt 1 at panel-a/101", "HTTP 500: 'oh'", "0.000001 USD, held", "0.5 EUR", "link: https://example.com/a"),
        *("above 40 and below 50", "41: Pending", "not asked for", "speaks for placed; no proof"),
    ):
        assert part in told
    assert "where it would lie is not known" in shell("show", str(ORDER + 1))
    assert "there is no order 5" in shell("show", "5", code=1)


def test_accept_captures_and_says_so(shell: Shell) -> None:
    """Under the panel's id, with a reason, once."""
    told = shell("accept", str(ORDER), "--upstream-id", "41", *REASON)
    assert told == f"order {ORDER} is followed as 41; its charge is captured\n"
    assert "no attempt in doubt" in shell("accept", str(ORDER), "--upstream-id", "41", *REASON, code=1)
    taken = shell("accept", str(ORDER + 1), "--upstream-id", "41", *REASON, code=1)
    assert taken == f"gateway: panel-a order 41 belongs to order {ORDER} already\n"
    assert "printable" in shell("accept", str(ORDER + 1), "--upstream-id", " ", *REASON, code=1)


def test_not_placed_order_that_is_old_is_given_back(shell: Shell) -> None:
    """These are years old: the charge goes back."""
    assert "its charge is given back" in shell("not-placed", str(ORDER), *REASON)

    async def check(store: Store) -> None:
        assert (await order_of(store)).order.state == "failed"
        assert await money_of(store) == (800, 200)

    shell.in_books(check)
    assert "no attempt in doubt" in shell("not-placed", str(ORDER), *REASON, code=1)


def test_refunded_order_stays_in_doubt_and_may_still_be_settled(shell: Shell) -> None:
    """From our own pocket; what is learnt later is our loss, and that is said."""
    assert "canceled and refunded" in shell("refund", str(ORDER), *REASON)
    assert "refunded" in shell("list")
    assert "from our own pocket" in shell("show", str(ORDER))
    told = shell("accept", str(ORDER), "--upstream-id", "41", *REASON)
    assert "so the cost is a loss" in told
    assert "have the panel cancel 41" in told
    shell("refund", str(ORDER + 1), *REASON)
    assert "its user was refunded before" in shell("not-placed", str(ORDER + 1), *REASON)


def test_brake_is_released_with_a_reason(shell: Shell) -> None:
    """Once; and without a reason nothing is done at all."""
    assert shell("release", "panel-a", *REASON).startswith("panel-a gets orders again")
    assert "there is no brake on panel-a" in shell("release", "panel-a", *REASON, code=1)
    assert "gets no new orders" not in shell("list")


@pytest.mark.parametrize(
    "arguments",
    [("accept", "1", "--upstream-id", "5"), ("not-placed", "1"), ("refund", "1"), ("release", "panel-a")],
)
def test_nothing_is_settled_without_a_reason(shell: Shell, arguments: tuple[str, ...]) -> None:
    """The option is required, and a blank is none."""
    assert "--reason" in shell(*arguments, code=2)
    assert "a reason is a line of text" in shell(*arguments, "--reason", " ", code=1)
