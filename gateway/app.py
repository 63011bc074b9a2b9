"""Where everything is put together, and the life of a process from start to drain."""

import asyncio
import os
import random
import socket
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Final

import structlog

from gateway import __version__
from gateway.actions.authenticate import KeyRing
from gateway.actions.desk import Desk
from gateway.actions.resolve import Resolver
from gateway.actions.restock import Shelves
from gateway.actions.roster import check_change, check_orphans, moved, roster_of
from gateway.actions.shared_clock import SharedClock
from gateway.actions.wanted import wanted_of
from gateway.cache.opening import open_cache
from gateway.core.webhook import read_secret
from gateway.jobs.clockwork import every
from gateway.jobs.crew import Crew
from gateway.jobs.figures import Ledger, figures
from gateway.jobs.lag import PAUSE_SECONDS, feel_lag
from gateway.jobs.notices import Notices
from gateway.jobs.pace import Pace as Pace  # noqa: PLC0414 - whoever makes a Gateway sets its pace
from gateway.jobs.publish import Publisher
from gateway.jobs.reconcile import brakes, leftovers
from gateway.jobs.reload import Reload
from gateway.jobs.sweep import keep_time, sweep
from gateway.jobs.texts import Texts
from gateway.jobs.verify import Verification
from gateway.logs import strike_also
from gateway.metrics import Metrics
from gateway.opening import (
    check_currency,
    check_providers,
    open_tracing,
    prepare_spool,
    prove_fence,
    tell_open_files,
    tell_settings,
    tell_unverified,
)
from gateway.providers.client import ProviderClient
from gateway.providers.upstream import Upstream
from gateway.providers.webhook import Consumer, Webhook
from gateway.settings.environment import Environment
from gateway.settings.load import Settings
from gateway.settings.secrets import kept_secret
from gateway.settings.values import ProvidersFile
from gateway.store.engine import StoreError
from gateway.store.ids import GAP_MAX, IdBlock
from gateway.store.outbox import want_events
from gateway.store.owners import leave
from gateway.store.polls import recall
from gateway.store.safety import recognise
from gateway.store.spool import Spool
from gateway.store.store import open_store
from gateway.web.apipage.page import Facts
from gateway.web.callers import Callers
from gateway.web.health import Standing, health_routes
from gateway.web.pages import page_routes
from gateway.web.panel import panel_endpoint
from gateway.web.server import Address, Listener

log = structlog.get_logger(__name__)

# Three sweeps that could not write their sign of life: the books are away.
BOOKS_SILENT_MS: Final = 15_000
LISTENER_STOP_SECONDS: Final = 10.0


class Gateway:
    """One process of the gateway. `start` it, then `stop` it; it holds no signal handlers of its own."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], int] | None = None,
        pace: Pace | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        environment = settings.environment
        self._settings = settings
        self._clock = clock or SharedClock()  # milliseconds since the epoch
        self._pace = pace = pace or Pace()
        self._random = random.SystemRandom()
        self.metrics = Metrics()
        self.store = open_store(environment.database_url.reveal())
        self._cache = open_cache(
            None if environment.redis_url is None else environment.redis_url.reveal(), self.metrics
        )
        self._file = settings.file  # as it is in use
        self._roster = roster_of(settings.file, self._client)
        owner = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"
        self._tracing = open_tracing(environment, owner, self.metrics)
        self.desk = Desk(
            owner=owner,
            store=self.store,
            providers=self._roster.clients,
            metrics=self.metrics,
            clock=self._clock,
            order_ids=IdBlock(self.store, lambda: self._random.randint(1, GAP_MAX)),
            answer_within=environment.answer_within,
            queue_seconds=environment.queue_seconds,
            paces=self._roster.paces,
            spool=Spool(environment.data_dir / "spool", owner),
            switched_off=self._roster.switched_off,
            unknown_rules=self._roster.unknown_rules,
            currency=self.currency,
        )
        self._shelves = Shelves(self.desk, self._cache, wanted_of(settings.file), readings=self._roster.readings)
        self._keys = KeyRing(self.store, key_secret(environment), self._clock)
        self._watch_house()
        self._verification = Verification(self.desk, pause=pace.verify, stopped_pause=pace.verify_stopped)
        consumer = consumer_of(environment)
        self._webhook = None if consumer is None else Webhook(consumer)
        self._resolver = Resolver(self.desk)
        self._crew = Crew(self.desk, self._shelves, self._resolver, every_seconds=(pace.reconcile, pace.balances))
        self.reload = Reload(settings.path, settings.hash, environ=environ, apply=self._apply, metrics=self.metrics)
        self._texts = Texts(self.desk)
        self._notices = Notices(self.desk, settings.file.notify)
        self._jobs: list[asyncio.Task[None]] = []
        self._draining = False
        self._starting = "not begun"  # what the start is at; empty once it is over
        facts = Facts(currency=self.currency, answer_within=environment.answer_within)
        callers = self._callers(environment)
        routes = [panel_endpoint(self.desk, self._keys, callers), *page_routes(facts)]
        self.listener = Listener(Address(environment.host, environment.port), routes)
        self.health = Listener(
            Address(environment.metrics_host, environment.metrics_port), health_routes(self.metrics, self.standing)
        )

    def _watch_house(self) -> None:
        """Have the metrics read what others count."""
        counts = self.store.counts
        self.metrics.watch_house(
            statements=lambda: counts.statements,
            reads=lambda: counts.reads,
            commits=lambda: counts.commits,
            dispatches=lambda: self.desk.at_work,
            spooled=lambda: len(self.desk.spool.waiting),
        )
        self.metrics.watch_conflicts(counts.conflicts, lambda: counts.repeated)
        self.metrics.watch_store(write=counts.write, batch=counts.batch, pool=counts.pool, waiting=counts.waiting)
        self.metrics.expect(list(self.desk.providers))

    def _exchange_rates(self) -> dict[str, Decimal]:
        """By provider: our currency for one of its."""
        return {name: each.exchange_rate for name, each in self._file.providers.items()}

    @property
    def currency(self) -> str:
        """What users pay in."""
        return self._file.currency

    def obstacles(self) -> list[str]:
        """What keeps this process from taking orders, in words; nothing when it is ready."""
        found = []
        if self._draining:
            found.append("on its way out")
        if self.desk.snapshot is None or not self.desk.snapshot.catalogue.services:
            found.append("no service on sale yet")
        if self.desk.unfenced:
            found.append(f"no order can be placed: {self.desk.unfenced}")
        if self.store.trouble or self._clock() - self.desk.beaten_at > BOOKS_SILENT_MS:
            found.append(f"the books cannot be written: {self.store.trouble or 'no sign of life'}")
        return found

    def standing(self) -> Standing:
        """How this process stands, for probes."""
        degraded = [self._cache.trouble] if self._cache.trouble else []
        if not self.desk.placing:
            degraded.append("no order is taken: the books break an invariant, see the log")
        if self.desk.safe_mode:
            degraded.append(f"safe mode, nothing is placed until `gateway reconcile`: {self.desk.safe_mode}")
        return Standing(starting=self._starting, obstacles=tuple(self.obstacles()), degraded=tuple(degraded))

    async def start(self) -> None:
        """Open the books, take up what a process before left, and listen; raises a GatewayError in words.

        Probes are answered from the first moment: a migration of large books may take its time.
        """
        await self.health.start()
        self._tracing.on()
        try:
            await self._start()
        except BaseException:
            await self.health.stop(1.0)
            await self._tracing.off()
            raise
        self._starting = ""
        self.metrics.config_loaded(at_seconds=self._clock() / 1000)
        users, health = str(self.listener.address), str(self.health.address)
        log.info("started", users=users, health=health, owner=self.desk.owner, version=__version__)

    async def _start(self) -> None:
        self._starting = "testing the fence"
        await prove_fence(self.desk)
        self._starting = "opening the books and bringing their schema up to date"
        await self.store.open()
        await self.store.migrate()
        self._starting = "taking up what a process before left"
        await keep_time(self.desk)
        await self.store.run(partial(recall, now=self._clock()))
        await self.store.run(partial(recognise, actor=self.desk.owner, now=self._clock()))
        await check_currency(self.desk)
        await check_providers(self.desk)
        await tell_settings(self.desk, self._file, self._settings.hash)
        await self.store.run(partial(want_events, wanted=self._webhook is not None))
        await tell_unverified(self.desk)
        tell_open_files(self._settings.environment)
        await self._verification.at_start()
        await self._shelves.warm()
        await self._texts.run()
        prepare_spool(self.desk, self._settings.environment)
        await sweep(self.desk)
        await self.listener.start()
        self._start_jobs()

    def _callers(self, environment: Environment) -> Callers:
        """Who is turned away for wrong keys."""
        return Callers(
            self._cache,
            self._clock,
            wrong_keys_per_minute=environment.wrong_keys_per_minute,
            trusted=environment.trusted_proxies,
        )

    async def stop(self) -> int:
        """Take no more orders, let what is on its way arrive, and close; answers how many orders were left in the open.

        First not ready, then for the drain delay as before: whoever sends users here has to notice, and nobody who was
        sent meanwhile is turned away. Callers are told not to use their connection again.
        Those are in the books as sending: the next process finds out or keeps them unknown, but sends none again.
        """
        environment = self._settings.environment
        self._draining = self.desk.leaving = True
        log.info("draining", at_work=self.desk.at_work, delay=environment.drain_delay_seconds)
        await asyncio.sleep(environment.drain_delay_seconds)
        await self.listener.stop(LISTENER_STOP_SECONDS)
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        await self._crew.dismiss()
        await self._verification.stop()
        await self._notices.stop()
        left = await self.desk.drain(environment.drain_seconds)
        try:
            await self._resolver.close()
            await self._texts.bring()
            await self.store.run(partial(leave, self.desk.owner))
        except StoreError as error:
            log.warning("left_without_a_word", error=str(error))
        for client in self.desk.providers.values():
            await client.aclose()
        if self._webhook is not None:
            await self._webhook.aclose()
        await self.health.stop(1.0)
        await self._cache.close()
        await self.store.close()
        self.desk.spool.close()
        await self._tracing.off()
        log.info("stopped", left=left)
        return left

    async def _apply(self, file: ProvidersFile, digest: str) -> None:
        """Use other settings from now on, all of them at once; raises CannotReload or StoreError, and nothing changed.

        An order keeps the price, the routes and the currencies it was stored with.
        """
        check_change(self._file, file)
        await check_orphans(self.store, self._file, file)
        await tell_settings(self.desk, file, digest)
        before, roster = self._roster, roster_of(file, self._client, self._roster)
        gone = sorted(self._file.providers.keys() - file.providers.keys())
        strike_also(client.upstream.key for client in roster.clients.values())

        def swap() -> None:
            self._file, self._roster = file, roster
            self._notices.adopt(file.notify)
            self.metrics.expect(list(roster.clients))
            self.desk.adopt(
                roster.clients,
                paces=roster.paces,
                unknown_rules=roster.unknown_rules,
                switched_off=roster.switched_off,
            )

        elsewhere = moved(before.clients, roster.clients)
        try:
            anew = await self._shelves.adopt(wanted_of(file), roster.readings, moved=elsewhere, swap=swap)
        except StoreError:
            for client in roster.clients.values():
                if client not in before.clients.values():
                    await client.aclose()
            raise
        for name, client in before.clients.items():
            if roster.clients[name] is not client:
                self._jobs.append(asyncio.create_task(_retire(client), name=f"retire:{name}"))
        self._texts.teach()
        self._crew.post(roster.refresh_seconds, anew=anew)
        for name in gone:
            log.warning(
                "provider_removed", provider=name, until="a restart: its orders are followed", do="enabled: false"
            )

    def _client(self, upstream: Upstream) -> ProviderClient:
        return ProviderClient(upstream, self.metrics)

    def _start_jobs(self) -> None:
        desk, rate = self.desk, self._pace
        self._every(lambda: rate.sweep, lambda: sweep(desk), "sweep")
        self._every(lambda: rate.figures, lambda: figures(desk), "figures")
        self._every(lambda: rate.texts, self._texts.run, "texts")
        self._every(lambda: rate.notices, self._notices.run, "notices")
        self._every(lambda: rate.reconcile, lambda: brakes(desk), "brakes")
        self._every(lambda: rate.reconcile, lambda: leftovers(self._resolver), "leftovers")
        self._every(self._verification.pause, self._verification.run, "verify")
        if self._webhook is not None:
            publisher = Publisher(self.store, self._webhook, self.metrics, clock=self._clock)
            self._every(publisher.pause, publisher.run, "publish")
        self._crew.post(self._roster.refresh_seconds)
        if self._settings.environment.watch_config:
            self._jobs.append(asyncio.create_task(self.reload.watch(), name="job:reload"))
        ledger = Ledger(desk, self._crew.balances, self._exchange_rates)
        self._every(ledger.pause, ledger.sum_up, "ledger")
        self._every(lambda: PAUSE_SECONDS, partial(feel_lag, self.metrics), "lag")

    def _every(self, seconds: Callable[[], float], work: Callable[[], Awaitable[object]], name: str) -> None:
        loop = every(seconds, work, name=name, metrics=self.metrics)
        self._jobs.append(asyncio.create_task(loop, name=f"job:{name}"))


async def _retire(client: ProviderClient) -> None:
    """Let go of a client that another took the place of, once whatever it began has ended."""
    try:
        await asyncio.sleep(client.upstream.timeouts.total + client.upstream.timeouts.total_read)
    finally:
        await client.aclose()


def consumer_of(environment: Environment) -> Consumer | None:
    """Who is told of events, if anybody is."""
    secret = None if environment.events_secret is None else read_secret(environment.events_secret.reveal())
    if environment.events_url is None or secret is None:
        return None
    url, private = environment.events_url.reveal(), environment.events_allow_private
    return Consumer(url=url, secret=secret, allow_private=private)


def key_secret(environment: Environment) -> bytes:
    """The secret under which keys are hashed: from the environment, or kept in the data folder."""
    if environment.key_secret is not None:
        return bytes.fromhex(environment.key_secret.reveal())
    environment.data_dir.mkdir(parents=True, exist_ok=True)
    return kept_secret(environment.data_dir / "key.secret")
