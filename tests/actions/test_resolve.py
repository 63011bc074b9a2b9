"""The resolver's waits and looks, tick by tick, by a clock of the test's own: no jump and no restart shortens one."""

import os
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.actions.desk import Desk
from gateway.actions.probe import BY_HAND, Seen, View, ask_about, judge, view_of
from gateway.actions.resolve import Resolver
from gateway.core.attempt import AttemptState
from gateway.core.order import OrderState
from gateway.core.outcome import Accepted, Unknown
from gateway.core.resolve import Leave
from gateway.core.user import User
from gateway.settings.values import UnknownRules
from gateway.store.brakes import claim_job, return_job
from gateway.store.unknown import OpenDoubt, all_doubts
from tests.cut_books import CutBooks
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.stocked import Time, close_desk, make_desk
from tests.store.trade import ME, ORDER, RIVAL, ask, attempts_of, bring, make_planned, order_of, sending

RULES = UnknownRules(probe="id_window", calls_per_second=Decimal(1000))
QUARANTINE = 300 + 2  # and what an `add` may take
RECHECK = 300
ROUTES = (make_planned(cost="0.009"),)
LOST = ORDER + 1


class Ticks:
    """Seconds of a clock that only a test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.at

    def pass_by(self, seconds: float) -> None:
        """Move it on."""
        self.at += seconds


class Scene:
    """A panel, the books of a gateway in front of it, and an order in doubt."""

    def __init__(self, desk: Desk, panel: SimulatedPanel, user: User, url: str) -> None:
        self.desk = desk
        self.panel = panel
        self.user = user
        self.url = url
        self.ticks = Ticks()
        self.resolver = Resolver(desk, self.ticks)

    async def run(self) -> OpenDoubt | None:
        """One tick; answers what is in doubt after it."""
        await self.resolver.run("panel-a")
        doubts = await self.desk.store.read(all_doubts)
        return doubts[0] if doubts else None

    async def accept(self, number: int, upstream_order: str) -> None:
        """An order of ours that the panel answered with this id."""
        attempt = await sending(self.desk.store, self.user, number, routes=ROUTES)
        await bring(self.desk.store, attempt, Accepted(upstream_order))

    async def database_passes(self, seconds: float) -> None:
        """Have the database's clock read so much later, as far as doubts go."""
        earlier = f"UPDATE doubts SET since = since - {int(seconds * 1000)} RETURNING since"  # noqa: S608 - a number
        await ask(self.url, earlier)

    async def ripen(self) -> OpenDoubt:
        """Let the quarantine of the one in doubt pass by both clocks."""
        (doubt,) = await self.ripen_all()
        return doubt

    async def ripen_all(self) -> tuple[OpenDoubt, ...]:
        """The same for all that are in doubt."""
        await self.run()
        await self.database_passes(QUARANTINE)
        self.ticks.pass_by(QUARANTINE)
        await self.resolver.run("panel-a")
        doubts = await self.desk.store.read(all_doubts)
        assert all(doubt.quarantined is not None for doubt in doubts)
        return doubts


@pytest.fixture
async def scene(cut_books: CutBooks, alpha: User, database_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """The panel answered our order as 1; then one in doubt was sent; then somebody else's became 2."""
    async with simulated_panel(tmp_path) as panel:
        desk = make_desk(cut_books, {"panel-a": panel.url}, Time(), folder=tmp_path, owner=ME, rules=RULES)
        made = Scene(desk, panel, alpha, database_url)
        assert panel.order_by("https://s.example/first", quantity="10") == "1"
        await made.accept(ORDER, "1")
        await bring(cut_books, await sending(cut_books, alpha, LOST, routes=ROUTES), Unknown("time is up"))
        assert panel.order_by("https://s.example/other", key="other") == "2"
        yield made
        await desk.drain(5)
        desk.spool.close()
        await close_desk(desk)


async def close_window(scene: Scene, *, key: str | None = None) -> None:
    """A later order of ours, as 3 at the panel; with another key the panel gave us an id that is not ours."""
    assert scene.panel.order_by("https://s.example/later", key=key, quantity="10") == "3"
    await scene.accept(ORDER + 2, "3")


async def states(scene: Scene) -> list[AttemptState]:
    """How the lost order's attempts stand, at first."""
    return [each.state for each in await attempts_of(scene.desk.store, LOST)][:1]


@pytest.mark.parametrize("clock", ["database", "own"])
async def test_quarantine_waits_for_both_clocks(scene: Scene, clock: str) -> None:
    """A database whose clock jumps a day ahead ends nothing, and neither does time that only this process saw (T1)."""
    await scene.run()
    if clock == "database":
        await scene.database_passes(86_400)
    else:
        scene.ticks.pass_by(86_400)
    doubt = await scene.run()
    assert doubt is not None
    assert doubt.quarantined is None
    if clock == "database":
        scene.ticks.pass_by(QUARANTINE)
    else:
        await scene.database_passes(QUARANTINE)
    doubt = await scene.run()
    assert doubt is not None
    assert doubt.quarantined is not None


async def test_process_that_begins_anew_waits_anew(scene: Scene) -> None:
    """What it has not seen pass, it waits for."""
    await scene.run()
    await scene.database_passes(QUARANTINE)
    scene.ticks.pass_by(QUARANTINE - 1)
    scene.resolver = Resolver(scene.desk, scene.ticks)
    await scene.run()
    scene.ticks.pass_by(2)
    doubt = await scene.run()
    assert doubt is not None
    assert doubt.quarantined is None


async def test_not_placed_needs_two_looks_far_enough_apart(scene: Scene) -> None:
    """After the window was closed; in between nobody is asked."""
    await scene.ripen()
    await close_window(scene)
    doubt = await scene.run()
    assert doubt is not None
    assert (doubt.lo, doubt.hi, doubt.note) == (1, 3, "not every id of the window was denied twice")
    asked = scene.panel.heard("status")
    scene.ticks.pass_by(RECHECK - 1)
    await scene.run()
    assert scene.panel.heard("status") == asked
    scene.ticks.pass_by(1)
    await scene.run()
    assert await states(scene) == [AttemptState.NOT_PLACED]
    await scene.desk.drain(5)
    assert scene.panel.links().count("https://example.com/a") == 1


async def test_denials_from_before_the_window_was_closed_do_not_count(scene: Scene) -> None:
    """A panel may show an order some time after it gave out the next id."""
    await scene.ripen()
    for _ in range(3):
        scene.ticks.pass_by(4 * RECHECK)
        doubt = await scene.run()
        assert doubt is not None
        assert doubt.note == "no later order bounds the window yet"
    await close_window(scene)
    doubt = await scene.run()
    assert doubt is not None
    assert doubt.note == "not every id of the window was denied twice"
    assert await states(scene) == [AttemptState.UNKNOWN]


async def test_bound_that_is_not_ours_at_the_panel_bounds_nothing(scene: Scene) -> None:
    """It answered us another's id: the order in doubt may be anywhere."""
    await scene.ripen()
    await close_window(scene, key="other")
    for _ in range(4):
        doubt = await scene.run()
        assert doubt is not None
        assert doubt.note == "not every id of the window was denied twice"
        scene.ticks.pass_by(8 * RECHECK)
    assert await states(scene) == [AttemptState.UNKNOWN]


async def test_silence_is_no_denial(scene: Scene) -> None:
    """Neither is an error that says nothing of orders, nor an answer that leaves ids out."""
    await scene.ripen()
    await close_window(scene)
    for name, value in (("error", "Something went wrong"), ("empty", ""), ("missing", "")):
        scene.panel.program.switches.clear()
        scene.panel.switch(name, value, action="status")
        for _ in range(3):
            await scene.run()
            scene.ticks.pass_by(20 * RECHECK)
    assert await states(scene) == [AttemptState.UNKNOWN]


async def test_order_that_is_there_after_all_is_found_at_the_next_look(scene: Scene) -> None:
    """Denied once, then shown: it is ours, and placed once."""
    await scene.ripen()
    assert scene.panel.order_by("https://example.com/a", quantity="10") == "3"
    assert scene.panel.order_by("https://s.example/later", quantity="10") == "4"
    await scene.accept(ORDER + 2, "4")
    assert await scene.run() is None
    (attempt,) = await attempts_of(scene.desk.store, LOST)
    assert (attempt.state, attempt.upstream_order) == (AttemptState.ACCEPTED, "3")


async def test_order_that_a_panel_may_have_made_itself_is_nobodys(scene: Scene) -> None:
    """Beside a subscription of ours: a person looks at what is found, and an order that is known to be one is ours."""
    subscription = await sending(scene.desk.store, scene.user, ORDER + 5, routes=ROUTES, type="Subscriptions")
    await bring(scene.desk.store, subscription, Accepted("900"))
    await scene.ripen()
    assert scene.panel.order_by("https://example.com/a", quantity="10") == "3"
    assert scene.panel.order_by("https://s.example/later", quantity="10") == "4"
    await scene.accept(ORDER + 2, "4")
    doubt = await scene.run()
    assert doubt is not None
    assert doubt.note == "an id that answers under our key is nobody's: 3"
    made = (
        f"INSERT INTO children(order_id, provider, upstream_order, created_at) VALUES({ORDER + 5}, 'panel-a', '3', 0)"
    )
    await ask(scene.url, f"{made} RETURNING id")
    for _ in range(2):
        scene.ticks.pass_by(20 * RECHECK)
        await scene.run()
    assert await states(scene) == [AttemptState.NOT_PLACED]


async def test_subscription_in_doubt_is_left_to_a_person(scene: Scene) -> None:
    """Its panel may number subscriptions in a row of their own: no id that is denied proves that it was not placed."""
    lost = await sending(scene.desk.store, scene.user, ORDER + 5, routes=ROUTES, type="Subscriptions")
    await bring(scene.desk.store, lost, Unknown("time is up"))
    await scene.ripen_all()
    await close_window(scene)
    for _ in range(3):
        scene.ticks.pass_by(20 * RECHECK)
        await scene.run()
    assert await states(scene) == [AttemptState.NOT_PLACED]
    (attempt,) = await attempts_of(scene.desk.store, ORDER + 5)
    assert attempt.state is AttemptState.UNKNOWN
    (doubt,) = await scene.desk.store.read(partial(all_doubts, ORDER + 5))
    assert doubt.note == BY_HAND


async def test_order_on_its_way_may_own_what_was_found(scene: Scene) -> None:
    """Until its own answer comes nothing is attached; then there is nothing left to attach."""
    await scene.ripen()
    under_way = await sending(scene.desk.store, scene.user, ORDER + 3, routes=ROUTES)
    assert scene.panel.order_by("https://example.com/b", quantity="10") == "3"
    scene.ticks.pass_by(RECHECK)
    doubt = await scene.run()
    assert doubt is not None
    assert doubt.note == "more than one pairing fits: 3"
    await bring(scene.desk.store, under_way, Accepted("3"))
    scene.ticks.pass_by(4 * RECHECK)
    await scene.run()
    assert await states(scene) == [AttemptState.UNKNOWN]


async def test_order_accepted_while_the_panel_was_asked_is_no_candidate(scene: Scene) -> None:
    """The books are read again after the panel: what has an owner by then is nobody's else."""
    await scene.ripen()
    store, client = scene.desk.store, scene.desk.providers["panel-a"]
    assert scene.panel.order_by("https://example.com/b", quantity="10") == "3"
    view = await view_of(store, client, RULES)
    assert isinstance(view, View)

    async def always() -> bool:
        return True

    seen = await ask_about(client, view, RULES, go_on=always)
    assert isinstance(seen, Seen)
    assert 3 in seen.found
    await scene.accept(ORDER + 3, "3")
    judged = await judge(store, client, (view, seen), rules=RULES, denials=lambda _: {})
    assert judged.lost == {}
    assert judged.settled.strange == ()
    assert [type(verdict) for verdict in judged.settled.verdicts] == [Leave]


async def test_one_process_speaks_for_a_provider(scene: Scene) -> None:
    """The other does nothing until the first lets go."""
    other = make_desk(scene.desk.store, {"panel-a": scene.panel.url}, Time(), owner=RIVAL, rules=RULES)
    twin = Resolver(other, scene.ticks)
    await scene.run()
    await twin.run("panel-a")
    owners = "SELECT lease_owner FROM provider_jobs WHERE kind = 'resolve'"
    assert await ask(scene.url, owners) == [(ME,)]
    await scene.resolver.close()
    await twin.run("panel-a")
    assert await ask(scene.url, owners) == [(RIVAL,)]
    await close_desk(other)


async def test_person_who_looks_by_hand_is_not_talked_over(scene: Scene) -> None:
    """One of them asks at a time; the gateway's look comes later."""
    await scene.ripen()
    await scene.desk.store.run(partial(claim_job, "panel-a", "look", "cli:ops"))
    doubt = await scene.run()
    assert doubt is not None
    assert doubt.note == "somebody else is looking there right now"
    assert scene.panel.heard("status") == 0
    await scene.desk.store.run(partial(return_job, "panel-a", "look", "cli:ops"))
    scene.ticks.pass_by(RECHECK)
    doubt = await scene.run()
    assert doubt is not None
    assert doubt.note == "no later order bounds the window yet"


async def test_log_says_how_long_doubt_lasts(scene: Scene) -> None:
    """Once after a quarter of an hour, once more, louder, after two hours."""
    clock = scene.desk.clock
    assert isinstance(clock, Time)
    with capture_logs() as logs:
        for minutes in (14, 2, 1, 110, 1):
            clock.pass_by(minutes * 60)
            await scene.run()
    lasting = [(each["log_level"], each["minutes"]) for each in logs if each["event"] == "doubt_lasts"]
    assert lasting == [("warning", 16), ("error", 127)]


async def test_doubt_at_a_provider_that_left_the_file_ends_by_time_alone(scene: Scene) -> None:
    """No look, no quarantine, no early end: after 24 hours by both clocks its user is refunded, the doubt stays."""
    left = make_desk(scene.desk.store, {}, Time(), folder=Path(os.devnull), owner=RIVAL)
    resolver = Resolver(left, scene.ticks)
    asked = scene.panel.heard("status")
    for hours in (0, 23, 1):
        assert (await order_of(scene.desk.store, LOST)).order.state is OrderState.UNKNOWN
        await scene.database_passes(hours * 3600)
        scene.ticks.pass_by(hours * 3600)
        await resolver.run_left()
    assert (await order_of(scene.desk.store, LOST)).order.state is OrderState.CANCELED
    assert (await attempts_of(scene.desk.store, LOST))[0].state is AttemptState.UNKNOWN
    assert scene.panel.heard("status") == asked
    (doubt,) = await scene.desk.store.read(all_doubts)
    assert (doubt.refunded_at is not None, doubt.quarantined) == (True, None)
    await close_desk(left)
