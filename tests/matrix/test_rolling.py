"""Row G4 as a rollout meets it: gateways behind a load balancer end one after the other, and no caller notices."""

import asyncio
import itertools
import signal
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import httpx

from tests.balancer import Balancer
from tests.matrix.served import Served, served
from tests.matrix.trial import Trial
from tests.world import until

LINK = "https://social.example/rolling"
CALLERS = 16
# Several looks of the balancer, so that it has noticed long before the last caller is served.
DELAY = "1.5"
SECONDS_MAX = 60.0


async def test_g4_gateways_replaced_one_by_one_behind_a_balancer_fail_no_request(trial: Trial) -> None:
    """Orders, statuses, lists and balances go on while both gateways are replaced: every request is answered well."""
    async with trial.gateway() as house:
        key = (await house.user()).key
    trial.settings(panels={"panel-a": {"concurrency": CALLERS}})
    environ = trial.environ(drain_delay_seconds=DELAY, drain_seconds="10")
    async with Balancer() as balancer, AsyncExitStack() as gateways:

        async def join(name: str) -> Served:
            new = await gateways.enter_async_context(served(environ, trial.folder, name=name))
            balancer.behind.append(new)
            await until(lambda: gets_connections(balancer, new), seconds=SECONDS_MAX)
            return new

        olds = [await join("first"), await join("second")]
        load = Load(trial, balancer.url, key)
        callers = [asyncio.create_task(load.trade(n)) for n in range(CALLERS)]
        await until(lambda: load.went_on(by=100), seconds=SECONDS_MAX)
        for old, name in zip(olds, ("third", "fourth"), strict=True):
            await join(name)
            old.signal(signal.SIGTERM)
            assert await old.ended(SECONDS_MAX) == 0
            balancer.behind.remove(old)
            await until(lambda: load.went_on(by=100), seconds=SECONDS_MAX)
        load.over = True
        await asyncio.gather(*callers)
    assert load.failures == []
    assert balancer.refused == 0
    assert min(load.answered[action] for action in ("add", "status", "services", "balance")) > 50
    assert set((await trial.judge()).values()) == {"completed"}
    assert len(trial.a.placed()) == load.answered["add"]


async def gets_connections(balancer: Balancer, gateway: Served) -> bool:
    """Whether the balancer sends callers there."""
    return gateway in balancer.ready


class Load:
    """Callers that order and ask without a pause, half of them over a connection they keep, half over new ones."""

    def __init__(self, trial: Trial, url: str, key: str) -> None:
        self.answered: Counter[str] = Counter()
        self.failures: list[str] = []
        self.over = False
        self._trial = trial
        self._url = url
        self._key = key
        self._mark = 0

    async def went_on(self, *, by: int) -> bool:
        """Whether so many more requests were answered since this was last so; at once when one was not."""
        total = self.answered.total()
        if total < self._mark + by and not self.failures:
            return False
        self._mark = total
        return True

    async def trade(self, number: int) -> None:
        """One caller's life."""
        keeps = number % 2 == 0
        async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
            for turn in itertools.count():
                if self.over or self.failures:
                    return
                link = f"{LINK}/{number}/{turn}"
                said = await self._call(http, keeps, "add", service="1", link=link, quantity="100")
                self._trial.told(link, str(said.get("order")))
                await self._call(http, keeps, "status", order=str(said.get("order")))
                await self._call(http, keeps, "services")
                await self._call(http, keeps, "balance")

    async def _call(self, http: httpx.AsyncClient, keeps: bool, action: str, **fields: str) -> dict[str, Any]:
        """What a request is answered; whatever a panel would call a failure is noted."""
        headers = {} if keeps else {"Connection": "close"}
        try:
            answer = await http.post(self._url, data={"key": self._key, "action": action, **fields}, headers=headers)
        except httpx.TransportError as error:
            self.failures.append(f"{action}: {error!r}")
            return {}
        said = answer.json() if answer.status_code == httpx.codes.OK else {"error": f"HTTP {answer.status_code}"}
        if isinstance(said, dict) and "error" in said:
            self.failures.append(f"{action}: {said['error']}")
            return {}
        self.answered[action] += 1
        return said if isinstance(said, dict) else {}
