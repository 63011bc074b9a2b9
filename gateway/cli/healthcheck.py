"""The command a container's health check runs: one question to the running gateway, one line, exit code 0 or 1."""

import http.client
import os
import urllib.error
import urllib.request
from typing import Final
from urllib.parse import urlsplit

import rich_click as click

from gateway.cli.session import command
from gateway.core.errors import GatewayError
from gateway.settings.environment import read_environment

# What the line is cut to: obstacles are sentences, and somebody else's page at a wrong address may be long.
SAID_MAX: Final = 500
# An address to listen on that stands for every one of this machine, and where this machine is found there.
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - it is looked up here, not listened on


class Unwell(GatewayError):
    """The gateway did not answer, or not with 200; the message says what came."""


@click.command()
@click.argument("url", required=False)
@click.option("--ready", is_flag=True, help="Whether orders can be taken, not only whether the process turns.")
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=5.0, help="How long to wait.", show_default=True)
@command
def healthcheck(*, url: str | None, ready: bool, seconds: float) -> None:
    """Ask the gateway on this machine how it is; exit code 0 if it is well, 1 if not.

    It asks /live at GATEWAY_METRICS_HOST and GATEWAY_METRICS_PORT: a database that is away makes no container
    unhealthy. Or it asks URL, and is content with 200.
    """
    asked = url or _own_address("/ready" if ready else "/live")
    click.echo(_ask(asked, seconds))


def _own_address(path: str) -> str:
    """Where the gateway with this environment listens for probes."""
    environment = read_environment(os.environ)
    host, port = environment.metrics_host, environment.metrics_port
    if port == 0:
        raise Unwell("GATEWAY_METRICS_PORT is 0, any free one: give the URL to ask")
    return f"http://{_EVERYWHERE.get(host, f'[{host}]' if ':' in host else host)}:{port}{path}"


def _ask(url: str, seconds: float) -> str:
    """What the URL says, in one line; raises Unwell if it does not say 200."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise Unwell(f"{url} is no web address")
    # No proxy of the environment's: a health check asks this process, not its way to the world.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=seconds) as answer:
            if answer.status != http.HTTPStatus.OK:
                raise Unwell(f"{url} answered {answer.status}")
            return _line(answer.read(SAID_MAX))
    except urllib.error.HTTPError as error:
        with error:
            raise Unwell(f"{url} answered {error.code}: {_line(error.read(SAID_MAX))}") from error
    except (OSError, http.client.HTTPException) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        raise Unwell(f"{url} does not answer: {why}") from error


def _line(said: bytes) -> str:
    return "; ".join(said.decode("utf-8", "replace").split("\n")).strip("; ")
