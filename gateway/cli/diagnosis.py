"""The examinations of `gateway doctor`: each looks at one thing, changes nothing, and says what to do about it."""

import asyncio
import ctypes
import shutil
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.actions.channels import Told, channels_of
from gateway.actions.wanted import upstream_of
from gateway.cache.opening import open_cache
from gateway.cli.backup import sqlite_file
from gateway.cli.moments import shown
from gateway.cli.way_in import trouble_of
from gateway.core.errors import GatewayError
from gateway.core.messages import BalanceReply, ErrorReply, ServicesReply, action_of
from gateway.metrics import Metrics
from gateway.opening import open_tracing
from gateway.providers.certificate import certificate_ends
from gateway.providers.client import ProviderClient
from gateway.providers.courier import kind_of, open_courier
from gateway.providers.said import Failed
from gateway.providers.selftest import self_test
from gateway.settings.environment import Environment
from gateway.settings.faults import SettingsError
from gateway.settings.load import Settings, load_settings
from gateway.settings.modes import open_to_others
from gateway.settings.values import Provider
from gateway.store.engine import Store, StoreError
from gateway.store.holds import held_services
from gateway.store.migrate import load_migrations
from gateway.store.owners import books_time
from gateway.store.safety import safety
from gateway.store.schema import newest_migration
from gateway.store.store import open_store
from gateway.tracing.switch import TracingMissing
from gateway.web.server import HEADER_MS

CLOCK_WARN_MS: Final = 2_000  # a machine's clock beside the database's: beyond it log lines mislead
DISK_LEAST_BYTES: Final = 1024**3
CERTIFICATE_WARN_DAYS: Final = 14.0
BALANCE_SLOW_SECONDS: Final = 5.0
REDIS_TRIES: Final = 3  # one slow answer on a busy machine is no trouble; three are
PAGE_SECONDS: Final = 10.0
_TIME_ERROR: Final = 5  # what adjtimex(2) answers where nothing keeps the clock right
_TIMEX_BYTES: Final = 512  # more than struct timex has on any machine


class Level(StrEnum):
    """How bad something is."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one examination found."""

    about: str
    level: Level
    what: str
    do: str = ""  # what to do about it; empty where there is nothing


def good(about: str, what: str) -> Finding:
    """All is well."""
    return Finding(about=about, level=Level.OK, what=what)


def bad(about: str, what: str, *, do: str, level: Level = Level.FAIL) -> Finding:
    """Something is wrong, or may become so."""
    return Finding(about=about, level=level, what=what, do=do)


async def examine(environ: Mapping[str, str], config: Path, *, url: str | None) -> list[Finding]:
    """Everything that can be looked at; where the settings cannot be read, that alone."""
    try:
        settings = load_settings(environ, config)
    except SettingsError as error:
        do = "mend them; `gateway config check` says the same, `gateway config variables` lists what there is"
        return [bad("settings", str(fault), do=do) for fault in error.faults]
    environment = settings.environment
    found = [
        good("settings", f"{settings.path} and the environment are sound, {len(settings.file.providers)} providers")
    ]
    found += _files(settings)
    found += [each async for each in _books(environment)]
    found += [await _fence(), await _redis(environment), _clock()]
    asked = [_provider(name, each) for name, each in settings.file.providers.items()]
    found += [each for several in await asyncio.gather(*asked) for each in several]
    found += await asyncio.gather(*(_channel(name, told) for name, told in channels_of(settings.file.notify).items()))
    found += await _collector(environment)
    found += _way_in(environment)
    if url is not None:
        found.append(await asyncio.to_thread(_page, url))
    return found


def _files(settings: Settings) -> Iterator[Finding]:
    """Who may read what holds keys or money, and whether there is room."""
    environment = settings.environment
    folder = environment.data_dir
    opened = open_to_others([*sorted(folder.glob("gateway.db*")), folder / "key.secret", folder / "spool"])
    for path, mode in opened:
        yield bad("files", f"{path} may be read by others (mode {mode})", do=f"chmod go-rwx {path}", level=Level.WARN)
    if not opened:
        yield good("files", f"what lies in {folder} is its owner's alone")
    where = folder
    while not where.exists():
        where = where.parent
    room = shutil.disk_usage(where).free
    if room < DISK_LEAST_BYTES:
        do = "make room: on a full disk no order is taken, and no verdict can be kept"
        yield bad("disk", f"{room / 1e6:.0f} MB are free at {where}", do=do, level=Level.WARN)
    else:
        yield good("disk", f"{room / 1e9:.1f} GB are free at {where}")
    replicas = not environment.database_url.reveal().startswith("sqlite")
    if environment.key_secret is None and replicas:
        do = "set GATEWAY_KEY_SECRET_FILE, the same for all: with secrets of their own, replicas know different keys"
        yield bad("key secret", f"it is kept in {folder}, of this process alone", do=do, level=Level.WARN)


async def _books(environment: Environment) -> AsyncIterator[Finding]:
    """Whether the books can be opened durably, what their schema is, and whether they may be traded on."""
    url = environment.database_url.reveal()
    file = sqlite_file(url)
    if file is not None and not file.exists():
        yield Finding(about="books", level=Level.NOTE, what=f"{file} is not there yet; the first start makes it")
        return
    try:
        store = open_store(url)
        await store.open()
    except StoreError as error:
        do = "see the message; while the books cannot be opened, nothing is served"
        yield bad("books", str(error), do=do)
        return
    try:
        what = f"{file}, each commit on the disk" if file is not None else "PostgreSQL, and a commit is durable there"
        yield good("books", what)
        for finding in await _schema(store):
            yield finding
        if file is None:
            yield await _clocks_apart(store)
    except GatewayError as error:
        yield bad("books", str(error), do="see the message")
    finally:
        await store.close()


async def _schema(store: Store) -> list[Finding]:
    ours, theirs = load_migrations("sqlite")[-1].number, await store.read(newest_migration)
    if theirs != ours:
        which = "older than" if theirs < ours else "newer than"
        do = "`gateway migrate`, or the next start, brings it up to date; `gateway backup` first"
        do = do if theirs < ours else "start the version that made it; this one may serve beside it if it says so"
        what = f"the schema is {theirs:04d}, {which} this program's {ours:04d}"
        return [bad("schema", what, do=do, level=Level.WARN)]
    safe = await store.read(safety)
    if safe.on:
        do = "`gateway reconcile` compares them with the panels"
        return [bad("safe mode", f"{safe.reason}; known until {shown(safe.known_until)} UTC, nothing is placed", do=do)]
    return [good("schema", f"{ours:04d}, as this program has it; not in safe mode"), await _held(store)]


async def _held(store: Store) -> Finding:
    """What waits for a person before it is sold as its provider has it now."""
    found = [each for each in (await store.read_at_length(held_services)).values() if each.waits]
    if not found:
        return good("held services", "nothing of a provider's list waits for a person")
    counts = ", ".join(
        f"{count} {word}" for word, count in sorted(Counter(each.reason.value for each in found).items())
    )
    do = "`gateway catalogue held` says what changed, `gateway catalogue accept` sells it so"
    return bad("held services", f"{len(found)} wait for a person: {counts}", do=do, level=Level.WARN)


async def _clocks_apart(store: Store) -> Finding:
    before = time.time_ns() // 1_000_000
    theirs = await store.read(books_time)
    apart = theirs - (before + time.time_ns() // 1_000_000) // 2
    what = f"this machine's clock is {-apart / 1000:+.1f} s beside the database's, which all replicas go by"
    if abs(apart) < CLOCK_WARN_MS:
        return good("database clock", what)
    return bad("database clock", what, do="keep both right by NTP (chrony): log lines mislead", level=Level.WARN)


async def _fence() -> Finding:
    try:
        await self_test()
    except GatewayError as error:
        do = "install the versions of run.lock: with these nothing would be placed"
        return bad("fence", str(error), do=do)
    return good("fence", "a request can be stopped before its first byte")


async def _redis(environment: Environment) -> Finding:
    if environment.redis_url is None:
        return Finding(about="redis", level=Level.NOTE, what="none: lists and limits are each process's own")
    trouble = ""
    for _ in range(REDIS_TRIES):
        try:
            cache = open_cache(environment.redis_url.reveal(), Metrics())
        except ValueError as error:
            return bad("redis", str(error), do="mend GATEWAY_REDIS_URL")
        try:
            token = str(time.monotonic_ns()).encode()
            await cache.put("doctor", token)
            came = await cache.get("doctor")
        finally:
            await cache.close()
        if not cache.trouble and came == token:
            return good("redis", "written and read in time")
        trouble = cache.trouble or "what was written was not read again"
    do = "orders go on without it; look whether it runs, takes writes (not a replica, not full) and is within 45 ms"
    return bad("redis", trouble, do=do, level=Level.WARN)


def _clock() -> Finding:
    """Whether anything keeps this machine's clock right, as its kernel sees it."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return Finding(about="clock", level=Level.NOTE, what="this system does not say whether its clock is kept right")
    if state == _TIME_ERROR:
        do = "run chrony or systemd-timesyncd, unless the host keeps the clock of this machine"
        return bad("clock", "nothing keeps this machine's clock right", do=do, level=Level.WARN)
    return good("clock", "kept right, as the kernel says")


async def _provider(name: str, provider: Provider) -> list[Finding]:
    """Ask a panel for our balance, or its list where it has none, and when its certificate ends; never for an order."""
    about = f"provider {name}"
    found: list[Finding] = []
    if not provider.verify_tls:
        do = "have it checked: whoever stands in between reads our key"
        found.append(bad(about, "nobody checks its certificate (verify_tls: false)", do=do, level=Level.WARN))
    client = ProviderClient(upstream_of(name, provider), Metrics())
    try:
        began = time.monotonic()
        answer = await client.ask(client.upstream.sign_of_life)
        seconds = time.monotonic() - began
    finally:
        await client.aclose()
    level = Level.FAIL if provider.enabled else Level.NOTE
    match answer:
        case BalanceReply():
            found.append(_funds(about, answer, provider.currency, seconds=seconds))
        case ServicesReply():
            told = f"{len(answer.services)} services there, answered in {seconds:.1f} s"
            found.append(good(about, f"{told}; it has no `balance`, so nobody can tell how long our money lasts"))
        case ErrorReply():
            do = "is the key right, and the account open?"
            return [*found, bad(about, f"it refused: {answer.error[:200]}", do=do, level=level)]
        case Failed():
            do = "look at the address, the firewall, the certificate"
            return [*found, bad(about, f"it cannot be reached: {answer.why}", do=do, level=level)]
        case _:
            do = f"`gateway provider probe {provider.url} --key-env …` finds out what it speaks"
            asked = action_of(client.upstream.sign_of_life)
            return [*found, bad(about, f"its answer to `{asked}` cannot be read", do=do, level=level)]
    ends = await certificate_ends(provider.url)
    days = None if ends is None else (ends - time.time()) / 86_400
    if days is not None and days < CERTIFICATE_WARN_DAYS:
        do = "tell whoever runs it: from that day on no order reaches it"
        found.append(bad(about, f"its certificate ends in {days:.1f} days", do=do, level=Level.WARN))
    return found


def _funds(about: str, answer: BalanceReply, currency: str, *, seconds: float) -> Finding:
    told = f"{answer.balance} {answer.currency or currency} there, answered in {seconds:.1f} s"
    if answer.currency and answer.currency != currency:
        do = f"currency: {answer.currency} in providers.yaml, with its exchange_rate: prices are wrong as it is"
        return bad(about, f"{told}; providers.yaml says {currency}", do=do)
    if Decimal(answer.balance) <= 0:
        return bad(about, told, do="pay in: it will refuse every order", level=Level.WARN)
    if seconds > BALANCE_SLOW_SECONDS:
        return bad(about, told, do="it is slow: look at its route priority and timeouts", level=Level.WARN)
    return good(about, told)


async def _channel(name: str, told: Told) -> Finding:
    """Whether a channel can be reached, and whether it knows us, without a message."""
    about, kind = f"channel {name}", kind_of(told.to)
    courier = open_courier(told.to)
    try:
        problem = await courier.look()
    finally:
        await courier.aclose()
    if problem:
        do = "what is wrong is told there late or never: look at its address, its secret, the firewall"
        return bad(about, f"{kind}: {problem}", do=do, level=Level.WARN)
    return good(about, f"{kind}, reached without a message; `gateway notify test --channel {name}` sends one")


async def _collector(environment: Environment) -> list[Finding]:
    """Whether spans can be sent, and are taken: a request without any says so."""
    about = "tracing"
    try:
        outlet = open_tracing(environment, "doctor", Metrics()).outlet
    except TracingMissing as error:
        return [bad(about, str(error), do="install it, or take GATEWAY_TRACING_URL away: so it does not start")]
    if outlet is None:
        return []
    problem = await asyncio.to_thread(outlet.look)
    await outlet.close(0.0)
    if problem:
        do = "spans are dropped and orders go on: look at GATEWAY_TRACING_URL, its headers, the firewall"
        return [bad(about, f"the collector takes nothing: {problem[:300]}", do=do, level=Level.WARN)]
    return [good(about, f"the collector takes spans; {environment.tracing_ratio:g} of all traces are kept")]


def _way_in(environment: Environment) -> Iterator[Finding]:
    """What can be seen from here of proxies and load balancers before us."""
    local = environment.host in {"127.0.0.1", "::1", "localhost"}
    if not environment.trusted_proxies:
        do = "behind a proxy name its networks in GATEWAY_TRUSTED_PROXIES, or all callers are one address"
        yield bad(
            "proxies", "no proxy's X-Forwarded-For is believed", do=do, level=Level.NOTE if not local else Level.WARN
        )
    else:
        told = ", ".join(str(each) for each in environment.trusted_proxies)
        yield good("proxies", f"X-Forwarded-For is believed from {told}")
    reads = environment.answer_within + 2
    yield Finding(
        about="timeouts",
        level=Level.NOTE,
        what=f"`add` answers within {environment.answer_within:g} s, idle connections are kept {HEADER_MS // 1000} s",
        do=f"a proxy has to wait for an answer longer than {reads:g} s, keep idle connections to us for less than "
        f"{HEADER_MS // 1000} s, and never send a POST twice",
    )
    if not local and environment.drain_delay_seconds == 0:
        do = "behind a load balancer set GATEWAY_DRAIN_DELAY_SECONDS to what it needs to notice /ready, 5 to 15"
        yield bad("stopping", "a stop turns callers away at once", do=do, level=Level.NOTE)


def _page(url: str) -> Finding:
    """Ask for our own page as a user would: whether the proxy passes on what the page is made of."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return bad("public address", f"{url} is no web address", do="say https://host")
    wanted = f"{parts.scheme}://{parts.netloc}/api/v2"
    try:
        with urllib.request.urlopen(f"{parts.scheme}://{parts.netloc}/api", timeout=PAGE_SECONDS) as answer:  # noqa: S310 - http or https, looked at above
            page = answer.read().decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        return bad("public address", f"{url} does not answer: {why}", do="look at DNS, firewall, proxy and certificate")
    if wanted not in page:
        do = "the proxy has to pass Host on, and say X-Forwarded-Proto where it takes TLS; or this is not our page"
        return bad("public address", f"the page there does not name {wanted}", do=do)
    if (trouble := trouble_of(wanted)) is not None:
        return bad("public address", trouble[0], do=trouble[1])
    return good("public address", f"users are shown {wanted}, and a large POST to it arrives as it was sent")
