"""`gateway unknown`: the queue as an operator sees it, and each way to settle an order in it."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from gateway.cli.unknown import unknown
from gateway.core.outcome import Accepted, Unknown
from gateway.store.brakes import BrakeRule, change_brakes, claim_job, read_brakes
from gateway.store.engine import Store
from gateway.store.readings import keep_reading
from gateway.store.store import open_store
from gateway.store.unknown import Look, end_quarantine, keep_looks, keep_strange, watch_doubts
from tests.panel_process import PanelProcess
from tests.store.trade import ME, NOW, ORDER, attempts_of, bring, make_planned, make_user, money_of, order_of, sending

FILE = """
version: 1
currency: {currency}
providers:
  panel-a: {{url: "{url}", key: "${{ENV:A:-x}}", currency: {currency}, allow_private: true}}
"""
REASON = ("--reason", "seen in the panel's own list")


class Shell:
    """The commands on books that a test filled before."""

    def __init__(self, folder: Path, *, url: str = "https://panel-a.example/api/v2", currency: str = "EUR") -> None:
        self.url = f"sqlite:///{folder}/gateway.db"
        self.environ = {"GATEWAY_CONFIG": str(folder / "providers.yaml"), "GATEWAY_DATABASE_URL": self.url}
        (folder / "providers.yaml").write_text(FILE.format(url=url, currency=currency))

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
    assert "a running gateway tells the panel to cancel 41" in told
    shell("refund", str(ORDER + 1), *REASON)
    assert "its user was refunded before" in shell("not-placed", str(ORDER + 1), *REASON)


def test_brake_is_released_with_a_reason(shell: Shell) -> None:
    """Once; and without a reason nothing is done at all."""
    assert shell("release", "panel-a", *REASON).startswith("panel-a gets orders again")
    assert "there is no brake on panel-a" in shell("release", "panel-a", *REASON, code=1)
    assert "gets no new orders" not in shell("list")


async def fill_around(store: Store) -> None:
    """An order that the panel answered as 1, and one in doubt, long enough, that was sent after it."""
    user = await make_user(store)
    await bring(store, await sending(store, user, ORDER + 1), Accepted("1"))
    routes = (make_planned(cost="0.009"),)
    await bring(store, await sending(store, user, ORDER, routes=routes), Unknown("time is up"))
    (attempt,) = await attempts_of(store, ORDER)
    await store.run(partial(watch_doubts, [(attempt.id, "panel-a")], aged=[], ms=0))
    assert await store.run(partial(end_quarantine, attempt, ms=0, actor=ME, now=NOW))


async def claim(store: Store) -> None:
    """Another process is at it."""
    assert await store.run(partial(claim_job, "panel-a", "look", ME))


def test_probe_looks_and_changes_nothing(tmp_path: Path) -> None:
    """What answers under our key, what follows from it, and who else is at it."""
    panel = PanelProcess(tmp_path, "--key", "x", "--balance", "100")
    try:
        for link in ("first", "lost"):
            fields = {"key": "x", "action": "add", "service": "101", "link": f"https://s.example/{link}"}
            assert "order" in httpx.post(panel.url, data={**fields, "quantity": "10"}, trust_env=False).json()
        made = Shell(tmp_path, url=f"{panel.url}", currency="USD")
        made.in_books(fill_around)
        told = made("probe", "panel-a")
        for part in ("asked about 101 ids in 2 calls, 99 denied", "2 is in no order of ours", "charge 0.009 USD"):
            assert part in told
        assert f"order {ORDER}: placed as 2" in told
        assert "held" in made("list")
        assert "there is no provider panel-b" in made("probe", "panel-b", code=1)
        made.in_books(claim)
        assert "somebody else is looking at panel-a right now" in made("probe", "panel-a", code=1)
    finally:
        panel.kill()


def test_probe_that_proves_nothing_says_why(shell: Shell) -> None:
    """Here no order of ours was ever accepted."""
    told = shell("probe", "panel-a", code=1)
    assert told == "gateway: looking at panel-a proves nothing: no order of ours was accepted there yet\n"


@pytest.mark.parametrize(
    "arguments",
    [("accept", "1", "--upstream-id", "5"), ("not-placed", "1"), ("refund", "1"), ("release", "panel-a")],
)
def test_nothing_is_settled_without_a_reason(shell: Shell, arguments: tuple[str, ...]) -> None:
    """The option is required, and a blank is none."""
    assert "--reason" in shell(*arguments, code=2)
    assert "a reason is a line of text" in shell(*arguments, "--reason", " ", code=1)


def test_s09_29_what_a_panel_or_a_user_wrote_draws_nothing_on_a_terminal(tmp_path: Path) -> None:
    """In the list, in what is shown of an order, and in ids that are nobody's."""
    shell = Shell(tmp_path)
    draws = "\x1b[2J\x07\u202e"

    async def fill_with_odd_text(store: Store) -> None:
        user = await make_user(store)
        fields = (("link", f"https://example.com/{draws}"), ("quantity", "10"))
        await bring(store, await sending(store, user, ORDER, fields=fields), Unknown(f"HTTP 500: {draws}"))
        await store.run(partial(keep_strange, "panel-a", {f"7{draws}": f"Completed {draws}"}, now=NOW))

    shell.in_books(fill_with_odd_text)
    for told in (shell("list"), shell("show", str(ORDER))):
        assert "HTTP 500: " in told
        assert not set(told) & set(draws) - set("[2J"), ascii(told)
