"""What every action has at hand: the store, the providers, the snapshot, the clock; filled in by ``app.py``."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextvars import copy_context
from typing import Any, Final, TypeVar

import msgspec
import structlog

from gateway.actions.conditions import Conditions
from gateway.actions.flights import Flights
from gateway.actions.news import News
from gateway.actions.snapshot import Snapshot
from gateway.core.routing import Condition
from gateway.metrics import Metrics
from gateway.providers.client import ProviderClient
from gateway.settings.values import UnknownRules
from gateway.store.engine import Store
from gateway.store.ids import IdBlock
from gateway.store.spool import Spool

T = TypeVar("T")
log = structlog.get_logger(__name__)

# Orders whose sending goes on at once in this process; beyond it `add` is refused before any money moves.
DISPATCHES_MAX: Final = 10_000
# What a task is about, by the word its name begins with: what it logs, and what is logged of it, says so.
_ABOUT: Final = {
    "dispatch": "order_id",
    "cancel": "order_id",
    "answered": "order_id",
    "unanswered": "order_id",
    "refill": "refill_id",
    "brakes": "provider",
}


class Desk:
    """One process's belongings. ``snapshot`` is swapped whole when a new one is ready, and so is what `adopt` takes."""

    def __init__(  # noqa: PLR0913 - the one place where an action's needs come together
        self,
        *,
        owner: str,
        store: Store,
        providers: Mapping[str, ProviderClient],
        metrics: Metrics,
        clock: Callable[[], int],
        order_ids: IdBlock,
        answer_within: float,
        queue_seconds: float,
        paces: Mapping[str, int],
        spool: Spool,
        unknown_rules: Mapping[str, UnknownRules],
        currency: str,
        switched_off: frozenset[str] = frozenset(),
    ) -> None:
        self.owner = owner  # this process's name in the owners table
        self.store = store
        self.providers = providers
        self.metrics = metrics
        self.clock = clock  # milliseconds since the epoch
        self.order_ids = order_ids
        self.answer_within = answer_within  # seconds `add` waits for the panel's word
        self.queue_seconds = queue_seconds  # how long an order waits for a provider, or for its link
        self.paces = paces  # by provider: how often an order under way is asked about, ms
        self.spool = spool  # verdicts the books could not take yet
        self.switched_off = switched_off  # providers whose orders are followed, and that get no new ones
        self.unknown_rules = unknown_rules  # by provider: what is done about orders in doubt
        self.currency = currency  # ours: what users pay in
        self.snapshot: Snapshot | None = None  # None until the first catalogue stands
        self.conditions = Conditions()
        self.news = News()  # what happened and people should hear of, until the job of notices takes it
        # By a clock that never jumps, in seconds: until then the books' clock jumped too lately to think anybody dead.
        self.quiet_until = 0.0
        self.beaten_at = 0  # when this process last wrote its sign of life, ms
        self.seats: Counter[int] = Counter()  # by user: orders this process hands over (actions/seats.py)
        self.dispatching: set[int] = set()  # orders being handed to a panel by this process
        self.flights = Flights()  # adds under way
        # By user and fingerprint: adds that may have been stored although the books could not say so, being marked.
        self.unanswered: dict[tuple[int, str], asyncio.Task[None]] = {}
        self.leaving = False  # a stop was asked for: callers are told to come again on another connection
        self.placing = True  # False stops new orders, not reads
        # Why nothing is placed, asked for or settled although the books can be written: they were put back.
        self.safe_mode = ""
        self.by_hand_until = 0  # ms: doubt that came up before is left to a person
        self.unfenced = ""  # why a request cannot be stopped before its first byte; then nothing is sent at all
        self._tasks: set[asyncio.Task[Any]] = set()

    def adopt(
        self,
        providers: Mapping[str, ProviderClient],
        *,
        paces: Mapping[str, int],
        unknown_rules: Mapping[str, UnknownRules],
        switched_off: frozenset[str],
    ) -> None:
        """Use other providers from now on; what is under way keeps the client it began with."""
        self.providers, self.paces = providers, paces
        self.unknown_rules, self.switched_off = unknown_rules, switched_off

    def condition(self, provider: str) -> Condition:
        """What stands in the way of a provider now."""
        if provider in self.switched_off:
            return Condition(held="switched off")
        client = self.providers.get(provider)
        condition = self.conditions.of(provider, self.clock())
        return msgspec.structs.replace(condition, tripped=True) if client is not None and client.tripped else condition

    def first_poll_ms(self, provider: str) -> int:
        """How long after an order was accepted its panel is first asked about it, in ms."""
        return self.paces[provider]

    @property
    def longest_add_ms(self) -> int:
        """The longest time any provider's ``add`` may take, in ms."""
        return max((int(client.upstream.timeouts.total * 1000) for client in self.providers.values()), default=0)

    def spawn(self, work: Coroutine[object, object, T], *, name: str) -> asyncio.Task[T]:
        """Run something that belongs to the application, not to the request that started it.

        `name` is what it does and what it is about, `dispatch:17`; whatever it logs has that as a field.
        """
        kind, _, about = name.partition(":")
        field = _ABOUT.get(kind, "about")
        context = copy_context()
        context.run(structlog.contextvars.bind_contextvars, **{field: int(about) if field.endswith("_id") else about})
        task = asyncio.get_running_loop().create_task(work, name=name, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._ended, context=context)
        return task

    def _ended(self, task: asyncio.Task[T]) -> None:
        """Forget a task; one that failed is told of, because nobody else may be waiting for it."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            kind = task.get_name().partition(":")[0]
            self.metrics.job_failed(kind)
            log.error("task_failed", task=kind, error=error)

    @property
    def at_work(self) -> int:
        """How many spawned tasks still run."""
        return len(self._tasks)

    async def drain(self, seconds: float) -> int:
        """Wait for spawned tasks at most ``seconds``; answers how many still run, uncancelled: they may be sending."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)
        return len(self._tasks)
