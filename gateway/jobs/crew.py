"""What runs for each provider: begun when it appears in the settings, ended when nobody wants it any more."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Final

from gateway.actions.desk import Desk
from gateway.actions.resolve import Resolver
from gateway.actions.restock import Shelves
from gateway.jobs.balances import Balances
from gateway.jobs.clockwork import every
from gateway.jobs.poll import poll
from gateway.jobs.probe import PROBE_SECONDS, probe
from gateway.jobs.reconcile import reconcile
from gateway.jobs.refresh import Schedule

# What runs for a provider that is followed, and for one whose list is wanted besides.
FOLLOWING: Final = ("poll", "reconcile", "probe")
SELLING: Final = ("refresh", "balance")
# Orders are looked for twice in each pace, and this often at least.
POLL_SECONDS_MAX: Final = 5.0


class Crew:
    """The jobs of all providers. Each looks its provider up when it runs, so that a changed one needs no new job."""

    def __init__(self, desk: Desk, shelves: Shelves, resolver: Resolver, *, every_seconds: tuple[float, float]) -> None:
        """Doubts are looked at, and balances asked for, each so often."""
        self._desk = desk
        self._resolver = resolver
        self._reconcile_seconds, self._balance_seconds = every_seconds
        self._refresh_seconds: dict[str, float] = {}
        self._schedule = Schedule(shelves, self._refresh_seconds)
        self.balances = Balances(desk)
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}

    def post(self, refresh_seconds: Mapping[str, float], *, anew: Collection[str] = ()) -> None:
        """Have these providers' lists and balances asked for, and orders of every provider on the desk followed.

        Those that are switched off are not among the former: the orders they have are followed to the end. The lists
        of some may be wanted `anew`, at once.
        """
        self._refresh_seconds.update(refresh_seconds)
        self._schedule.hasten(anew)
        for name in anew:  # its job may be asleep until a later time
            if (job := self._running.pop((name, "refresh"), None)) is not None:
                job.cancel()
        wanted = {(name, work) for name in self._desk.providers for work in FOLLOWING}
        wanted |= {(name, work) for name in refresh_seconds for work in SELLING}
        for one in [one for one in self._running if one not in wanted]:
            self._running.pop(one).cancel()
        for name, work in sorted(wanted - self._running.keys()):
            self._running[name, work] = self._begin(name, work)

    async def dismiss(self) -> None:
        """End all of it."""
        running = list(self._running.values())
        self._running.clear()
        for job in running:
            job.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _begin(self, name: str, work: str) -> asyncio.Task[None]:
        seconds, run = self._job(name, work)
        loop = every(seconds, run, name=work, metrics=self._desk.metrics, provider=name)
        return asyncio.create_task(loop, name=f"job:{work}:{name}")

    def _job(self, name: str, work: str) -> tuple[Callable[[], float], Callable[[], Awaitable[object]]]:
        """How often it runs, and what."""
        desk = self._desk
        match work:
            case "poll":
                return lambda: min(desk.paces[name] / 2000, POLL_SECONDS_MAX), partial(poll, desk, name)
            case "reconcile":
                return lambda: self._reconcile_seconds, partial(reconcile, self._resolver, name)
            case "probe":
                return lambda: PROBE_SECONDS, partial(probe, desk, name)
            case "refresh":
                return partial(self._schedule.pause, name), partial(self._schedule.refresh, name)
            case _:
                return lambda: self._balance_seconds, partial(self.balances.ask, name)
