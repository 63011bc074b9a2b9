"""The corpus of exchanges on real sockets: the simulated panel and the whole gateway, one of each for a dialect.

tests/test_exchanges.py runs the same files through the pure functions. Here a user of the gateway asks, the panel hears
what the file says it hears, answers what the file says it answers, and the user and the books have it as it was meant.
"""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.core.messages import (
    AddRequest,
    BalanceReply,
    BalanceRequest,
    CancelRequest,
    ErrorReply,
    MultiCancelRequest,
    MultiRefillRequest,
    MultiRefillStatusReply,
    MultiRefillStatusRequest,
    MultiStatusReply,
    MultiStatusRequest,
    RefillReply,
    RefillRequest,
    RefillStatusReply,
    RefillStatusRequest,
    ServicesReply,
    ServicesRequest,
    StatusReply,
    StatusRequest,
    StatusWord,
)
from gateway.core.presets import PRESETS
from gateway.core.refill import RefillState
from gateway.core.service import find_type
from gateway.settings.load import load_settings
from gateway.store.history import Life, life_of
from gateway.store.polls import poll_soon
from gateway.store.refills import settle
from tests.exchanges import Call, Exchange, exchanges
from tests.exchanges.stage import Stage, fields_of, ids_of, same_question, service_of
from tests.gateway_process import Caller, House, running_house
from tests.sound import broken_invariants
from tests.world import until

FILES = exchanges()
HEAD = "version: 1\nproviders:\n"
PROVIDER = """\
  file-{n}:
    url: {url}/{n}/
    key: ${{ENV:PANEL_KEY}}
    allow_private: true
    requests_per_second: 1000
    poll_seconds: {poll}
    refresh_seconds: 3600
    link_wait_seconds: 0  # a refusal is answered as one: waiting for a link has tests of its own
    dialect: {dialect}
    {imports}
"""
# Whose polls the file is about; all others' would only make work.
POLLED = (StatusRequest, MultiStatusRequest, RefillRequest, RefillStatusRequest, MultiRefillStatusRequest)
# Forms that the gateway never uses: each order of a user's list may be at another panel.
NOT_ASKED = (MultiRefillRequest, MultiCancelRequest)
REFUSALS = {"link": "Incorrect link", "quantity": "Incorrect quantity"}  # what a user reads of a panel's refusal
FIELDS = ("comments", "posts")  # of a wrong field its name; every other kind is ours or the panel's affair
UNAVAILABLE = "Service temporarily unavailable"
# The day on which all of this happens: some files name days that must not be over.
NOON = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()) * 1000


class Play:
    """One dialect's stage, the gateway before it, and a user."""

    def __init__(self, stage: Stage, house: House, call: Caller) -> None:
        self.stage = stage
        self.house = house
        self.call = call

    async def order(self, n: int) -> str:
        """An order for a file that is about something else."""
        placed = await self.call("add", service=str(1000 + n), **fields_of(self.stage.files[n].request))
        assert list(placed) == ["order"]
        return str(placed["order"])

    async def heard(self, n: int) -> Call:
        """The call the file is about, once it has come."""

        async def come() -> bool:
            return bool(self.stage.calls(n))

        await until(come, seconds=30)
        return _sorted(self.stage.calls(n)[0])

    async def asked_together(self, n: int, due: Callable[[], Awaitable[None]]) -> Call:
        """The same for a call about several, each of which is due in its own time: `due` makes them due at once."""

        async def come() -> bool:
            if not self.stage.calls(n):
                await due()
            return bool(self.stage.calls(n))

        await until(come, seconds=30)
        return _sorted(self.stage.calls(n)[0])

    async def asked_again(self, n: int, order: str) -> None:
        """Wait until an order was asked about after the file's call, or its silence is noted: that is in the books."""
        file = self.stage.files[n].request

        async def come() -> bool:
            first = [same_question(each.request, file) for each in self.stage.heard[n]].index(True)
            life = await self.life(order)
            return len(self.stage.heard[n]) > first + 1 or (life.poll is not None and life.poll.misses > 0)

        await until(come, seconds=30)

    async def life(self, order: str) -> Life:
        """All that the books know of an order."""
        return await self.house.gateway.store.read(partial(life_of, int(order)))

    async def shown(self, order: str, *words: str) -> dict[str, str]:
        """The status of an order once it is one of these."""

        async def found() -> dict[str, str] | None:
            status: dict[str, str] = await self.call("status", order=order)
            return status if status["status"] in words else None

        status: dict[str, str] = await until(found, seconds=30)
        return status


@asynccontextmanager
async def play(folder: Path, dialect: str) -> AsyncIterator[Play]:
    """A gateway with a provider for every file of a dialect."""
    files = [each for each in FILES if each.dialect == dialect]
    stage = Stage(files, PRESETS[dialect].dialect)
    await stage.start()
    text = HEAD
    for n, each in enumerate(files):
        imports = "imports: all" if isinstance(each.request, ServicesRequest) else ""
        poll = "0.3" if isinstance(each.request, POLLED) else "600"
        text += PROVIDER.format(n=n, url=stage.url, poll=poll, dialect=dialect, imports=imports)
    text += "services:\n"
    for n, each in enumerate(files):
        if not isinstance(each.request, ServicesRequest):
            text += f"  {1000 + n}: {{routes: [file-{n}/{service_of(each.request)}]}}\n"
    file = folder / "providers.yaml"
    file.write_text(text)
    environ = {"GATEWAY_DATA_DIR": str(folder), "GATEWAY_PORT": "0", "GATEWAY_METRICS_PORT": "0",
               "GATEWAY_LOG_LEVEL": "error", "PANEL_KEY": "panel-key"}  # fmt: skip
    try:
        ahead = NOON - time.monotonic_ns() // 1_000_000
        clock = lambda: ahead + time.monotonic_ns() // 1_000_000  # noqa: E731 - a name for one argument
        async with running_house(load_settings(environ, file), clock=clock) as house:

            async def ready() -> bool:
                snapshot = house.gateway.desk.snapshot
                return snapshot is not None and snapshot.complete

            await until(ready, seconds=60)
            yield Play(stage, house, await house.user(credit=10**13))
    finally:
        await stage.stop()


@pytest.mark.parametrize("dialect", PRESETS)
async def test_whole_gateway_does_what_each_file_says(dialect: str, tmp_path: Path) -> None:
    """Every file at once, each at a panel of its own: the call, the answer to the user, the books, and all adds up."""
    async with play(tmp_path, dialect) as running:
        numbers = [n for n, each in enumerate(running.stage.files) if not isinstance(each.request, NOT_ASKED)]
        ends = await asyncio.gather(*(_played(running, n) for n in numbers), return_exceptions=True)
        wrong = [
            f"{running.stage.files[n].name}: {''.join(traceback.format_exception(end))}"
            for n, end in zip(numbers, ends, strict=True)
            if end is not None
        ]
        assert not wrong, "\n".join(wrong)
        assert len(numbers) >= len(running.stage.files) - 4
    assert await broken_invariants(f"sqlite:///{tmp_path}/gateway.db") == []


async def _played(running: Play, n: int) -> None:
    each = running.stage.files[n]
    kinds: dict[type, Callable[[Play, int, Exchange], Awaitable[None]]] = {
        AddRequest: _add,
        ServicesRequest: _services,
        StatusRequest: _status,
        MultiStatusRequest: _status,
        RefillRequest: _refill,
        RefillStatusRequest: _refill_status,
        MultiRefillStatusRequest: _refill_status,
        CancelRequest: _cancel,
        BalanceRequest: _balance,
    }
    await kinds[type(each.request)](running, n, each)


async def _add(running: Play, n: int, each: Exchange) -> None:
    """Sent once, as the file has it; accepted, refused or in doubt, and charged accordingly."""
    outcome = each.file.outcome
    assert outcome is not None
    answer = await running.call("add", service=str(1000 + n), **fields_of(each.request))
    assert running.stage.calls(n) == [each.file.call]
    if outcome["kind"] == "Rejected":
        text = REFUSALS.get(outcome["reject"], UNAVAILABLE)
        if outcome["reject"] == "field":
            text = f"Incorrect {next(name for name in FIELDS if name in outcome['text'].lower())}"
        assert answer == {"error": text}
        return
    assert list(answer) == ["order"]
    life = await running.life(answer["order"])
    (attempt,) = life.attempts
    assert (await running.call("status", order=answer["order"]))["status"] == "Pending"
    if outcome["kind"] == "Accepted":
        assert (attempt.state, attempt.upstream_order) == ("accepted", outcome["upstream_order"])
    else:
        assert (attempt.state, attempt.upstream_order) == ("unknown", None)
        assert life.order.state == "unknown"


async def _services(running: Play, n: int, each: Exchange) -> None:
    """Sold as the file says, with our ids; a list that is none sells nothing and takes nothing away."""
    assert await running.heard(n) == each.file.call
    snapshot = running.house.gateway.desk.snapshot
    assert snapshot is not None
    catalogue = snapshot.catalogue
    ours = {
        service.routes[0].service: service
        for service in catalogue.services
        if service.routes[0].provider == f"file-{n}"
    }
    if not isinstance(each.expected, ServicesReply):
        assert ours == {}
        return
    rows = {row["service"]: row for row in await running.call("services")}
    usable = [row for row in each.expected.services if row.min <= row.max]  # Q59
    assert list(ours) == [row.service for row in usable]
    for row in usable:
        seen = rows[ours[row.service].id]
        assert (seen["name"], seen["type"], seen["category"]) == (row.name, row.type or "Default", row.category)
        assert (Decimal(seen["rate"]), int(seen["max"])) == (Decimal(row.rate), row.max)
        assert int(seen["min"]) == max(row.min, 1)
        kind, dialect = find_type(row.type or "Default"), PRESETS[each.dialect].dialect
        assert kind is not None
        assert seen["dripfeed"] is bool(row.dripfeed and kind.dripfeed)
        assert seen["refill"] is bool(row.refill and dialect.refill)
        assert seen["cancel"] is bool(row.cancel and dialect.cancel)


async def _status(running: Play, n: int, each: Exchange) -> None:
    """The user sees it as it was meant; what says nothing of an order changes nothing."""
    orders = {upstream: await running.order(n) for upstream in _in_turn(each)}
    store = running.house.gateway.store

    async def due() -> None:
        await asyncio.gather(*(store.run(partial(poll_soon, int(order), due_at=0)) for order in orders.values()))

    assert await running.asked_together(n, due) == _sorted(each.file.call)
    told: dict[str, Any] = dict(each.expected.orders) if isinstance(each.expected, MultiStatusReply) else {}
    if isinstance(each.expected, StatusReply):
        told = dict.fromkeys(orders, each.expected)
    for upstream, order in orders.items():
        said = told.get(upstream)
        if isinstance(said, StatusReply) and said.status is not None:

            async def as_said(order: str = order, said: StatusReply = said) -> bool:
                return _as_said(await running.call("status", order=order), said)

            await until(as_said, seconds=30)
        else:
            await running.asked_again(n, order)
            assert (await running.call("status", order=order))["status"] == "Pending"


def _as_said(seen: dict[str, str], said: StatusReply) -> bool:
    """Whether a user sees what the panel says; what is not said is not made up, and canceled is canceled whole."""
    if said.status is StatusWord.CANCELED:
        remains, charge = 10_000, Decimal(0)
    else:
        remains = int(seen["remains"]) if said.remains is None else said.remains
        charge = Decimal("0.0009") * (10_000 - (remains if said.status is StatusWord.PARTIAL else 0))
    start_count = seen["start_count"] if said.start_count is None else str(said.start_count)
    expected = (said.status, start_count, str(remains), charge)
    return (seen["status"], seen["start_count"], seen["remains"], Decimal(seen["charge"])) == expected


async def _refill(running: Play, n: int, each: Exchange) -> None:
    """A clear no is a no; anything else is a refill with an id of ours."""
    order = await running.order(n)
    await running.shown(order, "Completed")
    answer = await running.call("refill", order=order)
    assert running.stage.calls(n) == [each.file.call]
    if isinstance(each.expected, ErrorReply):
        assert answer == {"error": "Order not eligible for refill."}
        return
    assert list(answer) == ["success", "refill"]
    life = await running.life(order)
    expected = each.expected.refill if isinstance(each.expected, RefillReply) else None
    assert [refill.upstream_refill for refill in life.refills] == [expected]


async def _refill_status(running: Play, n: int, each: Exchange) -> None:
    """Its end is shown; what cannot be told leaves it pending."""
    orders, refills = {}, {}
    for upstream in _in_turn(each):
        orders[upstream] = order = await running.order(n)
        await running.shown(order, "Completed")
        refills[upstream] = str((await running.call("refill", order=order))["refill"])
    store, now = running.house.gateway.store, running.house.gateway.desk.clock()
    soon = partial(settle, state=RefillState.OPEN, shown="Pending", upstream_refill=None, due_at=0, now=now)

    async def due() -> None:
        await asyncio.gather(*(store.run(partial(soon, int(refill))) for refill in refills.values()))

    assert await running.asked_together(n, due) == _sorted(each.file.call)
    told: dict[str, Any] = dict(each.expected.refills) if isinstance(each.expected, MultiRefillStatusReply) else {}
    if isinstance(each.expected, RefillStatusReply):
        told = dict.fromkeys(refills, each.expected)
    for upstream, refill in refills.items():
        said = told.get(upstream)
        expected = {"status": said.status if isinstance(said, RefillStatusReply) else "Pending"}

        async def shown(refill: str = refill, expected: dict[str, str] = expected) -> bool:
            return bool(await running.call("refill_status", refill=refill) == expected)

        await until(shown, seconds=30)


async def _cancel(running: Play, n: int, each: Exchange) -> None:
    """Whatever the panel answers, the order is canceled only when its status says so."""
    order = await running.order(n)
    answer = await running.call("cancel", order=order)
    assert list(answer) == ["success"]
    assert await running.heard(n) == each.file.call
    assert (await running.call("status", order=order))["status"] == "Pending"
    assert len(running.stage.calls(n)) == 1


async def _balance(running: Play, n: int, each: Exchange) -> None:
    """What we have there is a metric; what is no balance is none."""
    assert await running.heard(n) == each.file.call

    async def told() -> list[str]:
        text = (await running.call.http.get(f"{running.house.health}/metrics")).text
        return [line for line in text.splitlines() if line.startswith(f'gateway_provider_balance{{provider="file-{n}"')]

    if isinstance(each.expected, BalanceReply):
        (line,) = await until(told)
        assert Decimal(line.split()[-1]) == Decimal(each.expected.balance)
    else:
        assert await told() == []


def _in_turn(each: Exchange) -> list[str]:
    """The panel's ids a file asks about, in the order in which the stage gives them out."""
    request = each.request
    several = getattr(request, "orders", ()) or getattr(request, "refills", ())
    return list(several) or sorted(ids_of(request))


def _sorted(call: Call) -> Call:
    """A call with its list of ids in order: which of two orders is due first is nobody's promise."""

    def tidy(fields: dict[str, str] | None) -> dict[str, str] | None:
        if fields is None:
            return None
        return {
            name: ",".join(sorted(value.split(","))) if name in ("orders", "refills") else value
            for name, value in fields.items()
        }

    return Call(call.method, form=tidy(call.form), json=tidy(call.json), query=tidy(call.query))
