"""The command that serves: the gateway with the operator's own settings, until a signal ends it."""

import asyncio
import os
import resource
import signal
import sys

import rich_click as click
import structlog

from gateway.app import Gateway
from gateway.cli.session import command, config_path, prepare_folder
from gateway.core.errors import GatewayError
from gateway.logs import configure_logs, log_the_rest
from gateway.settings.load import Settings, load_settings

log = structlog.get_logger(__name__)


@click.command()
@click.option("--config", help="The file with providers; GATEWAY_CONFIG otherwise.")
@command
def serve(config: str | None) -> None:
    """Serve users until SIGTERM or Ctrl-C, then let orders on their way arrive.

    A changed providers.yaml is taken up by itself, or on SIGHUP, which also reads the secrets it names anew.
    """
    settings = load_settings(os.environ, config_path(config))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # An image of this process's memory would have every key in it.
    prepare_folder(settings.environment.database_url.reveal())
    set_up_logs(settings)
    log_the_rest()
    try:
        asyncio.run(_serve(settings))
    except (GatewayError, OSError, ValueError) as error:
        log.critical("not_started", why=error)
        sys.exit(1)


def set_up_logs(settings: Settings) -> None:
    """Logs as the environment says, with every provider's key and whatever else was referred to struck out."""
    environment = settings.environment
    keys = [provider.key.reveal() for provider in settings.file.providers.values()]
    secrets = [environment.database_url, environment.redis_url, environment.key_secret]
    secrets += [environment.events_url, environment.events_secret, environment.tracing_url, *settings.referred]
    # `Bearer …` whole, and what comes after the word.
    headers = [value.reveal() for _, value in environment.tracing_headers]
    keys += [*headers, *(value.rpartition(" ")[2] for value in headers)]
    keys += [secret.reveal() for secret in secrets if secret is not None]
    configure_logs(environment.log_level, environment.log_format, secrets=keys)


async def _serve(settings: Settings) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    gateway = Gateway(settings)
    await gateway.start()
    if settings.environment.log_format == "console":  # In JSON the event `started` says the same.
        click.echo(f"users: {gateway.listener.address}/api/v2   health: {gateway.health.address}/ready", err=True)
    reloads: set[asyncio.Task[bool]] = set()

    def reload() -> None:
        reloads.add(task := loop.create_task(gateway.reload.reload(), name="reload"))
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    await ended.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)  # A second signal ends the process at once; the books can take it.
    await gateway.stop()
