"""What is looked at before the doors open: the fence, the books' currency, files, certificates and providers.

Only a wrong currency keeps a process from starting; of the rest it is said what is wrong, while it can be mended.
"""

from functools import partial

import structlog

from gateway import __version__
from gateway.actions.desk import Desk
from gateway.core.errors import GatewayError
from gateway.logs import struck
from gateway.metrics import Metrics
from gateway.providers.selftest import SelfTestFailed, self_test
from gateway.settings.environment import Environment
from gateway.settings.modes import open_to_others
from gateway.settings.parts import changed_parts, parts_of
from gateway.settings.values import ProvidersFile
from gateway.store.events import record
from gateway.store.figures import read_figures
from gateway.store.settings_seen import Seen, see_settings, settings_seen
from gateway.store.unknown import doubtful_providers
from gateway.store.users import users_elsewhere
from gateway.tracing.switch import Switch, Wanted

log = structlog.get_logger(__name__)


class WrongCurrency(GatewayError):
    """The books and providers.yaml disagree about what users pay in."""


async def prove_fence(desk: Desk) -> None:
    """Refuse to place orders if the fence does not hold; what reads the books alone is served all the same."""
    try:
        await self_test()
    except SelfTestFailed as error:
        desk.unfenced = str(error)
        desk.metrics.placing_is(on=False)
        log.critical("fence_broken", error=str(error), placing=False)


async def check_currency(desk: Desk) -> None:
    """A balance in one currency cannot pay a charge in another; better to say so than to refuse every order."""
    elsewhere = await desk.store.read(partial(users_elsewhere, desk.currency))
    if elsewhere:
        told = ", ".join(f"{users} in {currency}" for currency, users in elsewhere.items())
        raise WrongCurrency(f"providers.yaml says {desk.currency}, but there are users with balances: {told}")


async def check_providers(desk: Desk) -> None:
    """Orders at a provider that is no longer in the file cannot be followed: that is said, loudly."""
    found = await desk.store.read_at_length(read_figures)
    doubtful = await desk.store.read(doubtful_providers)
    for name in sorted({*found.polls, *doubtful}.difference(desk.providers)):
        orders = found.polls[name].waiting if name in found.polls else 0
        told = log.bind(provider=name, orders=orders, in_doubt=name in doubtful)
        told.error("provider_missing", do="put it back with `enabled: false`")


async def tell_settings(desk: Desk, file: ProvidersFile, digest: str) -> None:
    """Write into the audit trail that providers.yaml is another one than was used last; raises StoreError."""
    before = await desk.store.read(settings_seen)
    if before.hash != digest:
        seen = Seen(hash=digest, parts=parts_of(file), reason=file.reason.strip())
        changed = changed_parts(before.parts, seen.parts)
        await desk.store.run(partial(see_settings, seen, changed, before, actor=desk.owner, now=desk.clock()))


async def tell_unverified(desk: Desk) -> None:
    """Say of each provider whose certificate nobody checks that whoever stands between us can read our key."""
    for name, client in desk.providers.items():
        if client.upstream.verify_tls:
            continue
        log.warning("tls_unverified", provider=name, danger="anybody in between reads our key and answers for it")
        now, why = desk.clock(), f"{name} is configured with verify_tls: false"
        await desk.store.run(partial(record, "provider.tls_unverified", actor=desk.owner, now=now, reason=why))


def tell_open_files(environment: Environment) -> None:
    """Say which files with keys or money others on this machine may read."""
    folder = environment.data_dir
    for path, mode in open_to_others([*sorted(folder.glob("gateway.db*")), folder / "key.secret"]):
        log.warning("file_open_to_others", path=str(path), mode=mode, instead=f"chmod 600 {path}")


def prepare_spool(desk: Desk, environment: Environment) -> None:
    """Say now, and not in the night it is needed, that verdicts could not be kept on the disk."""
    try:
        desk.spool.prepare()
    except OSError as error:
        log.error("spool_unwritable", folder=environment.data_dir, error=error)  # noqa: TRY400 - a traceback would say no more


def open_tracing(environment: Environment, owner: str, metrics: Metrics) -> Switch:
    """Tracing as the environment asks for it, not begun; raises TracingMissing where it is not installed."""
    url = environment.tracing_url
    wanted = (
        None
        if url is None
        else Wanted(
            url=url.reveal(),
            headers=tuple((name, value.reveal()) for name, value in environment.tracing_headers),
            ratio=environment.tracing_ratio,
            hearing=environment.tracing_traceparent,
        )
    )
    switch = Switch(wanted, instance=owner, version=__version__, strike=struck)
    outlet = switch.outlet
    if outlet is not None:
        metrics.watch_spans(sent=lambda: outlet.sent, failed=lambda: outlet.failed, dropped=lambda: outlet.dropped)
    return switch
