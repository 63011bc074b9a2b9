"""The demo: two simulated panels, the gateway in front of them, a user with a key and money, and a first order."""

import asyncio
import os
import secrets
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent
from urllib.parse import urlencode

import msgspec
import rich_click as click

from gateway.app import Gateway
from gateway.cli.session import command, config_path, now
from gateway.core.errors import GatewayError
from gateway.core.keys import RANDOM_BYTES, hash_key, make_key, shown_part
from gateway.logs import configure_logs
from gateway.panel.program import Options, PanelProgram
from gateway.settings.load import Settings, load_settings
from gateway.settings.secrets import kept_secret
from gateway.store.keys import NewKey, create_key
from gateway.store.users import Choices, create_user, credit_user
from gateway.web.apipage.samples import SAMPLES

USER = "demo-panel"
CREDIT = 10_000_000_000  # units: 100 of the currency
LINK = "https://social.example/someone"
WAIT_SECONDS = 40.0  # for the first order to be completed
SHOWN = 3  # samples; the page has all of them
PANELS = (("PANEL_A", "panel-a"), ("PANEL_B", "panel-b"))


class DemoFailed(GatewayError):
    """The demo did not get as far as it promises; the message says where it stopped."""


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The gateway's port; a free one otherwise.")
@click.option("--once", is_flag=True, help="End after the first order, as the tests do.")
@click.option("--verbose", is_flag=True, help="Show the gateway's logs.")
@command
def demo(port: int, *, once: bool, verbose: bool) -> None:
    """Start two panels, the gateway and a user, place a first order, and print what to paste; Ctrl-C ends it."""
    configure_logs("info" if verbose else "error", "console")
    with TemporaryDirectory(prefix="gateway-demo-") as folder:
        asyncio.run(_demo(Path(folder), port, once=once))


async def _demo(folder: Path, port: int, *, once: bool) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    closing: list[Callable[[], Awaitable[object]]] = []
    try:
        environ = dict(os.environ)
        for prefix, name in PANELS:
            panel = await _panel(folder, name)
            closing.append(panel.stop)
            environ[f"GATEWAY_DEMO_{prefix}_URL"] = panel.url
            environ[f"{prefix}_KEY"] = f"{name}-key"
            click.echo(f"  {name:<9} {panel.url}   control token: demo")
        settings = _settings(folder, environ, port)
        gateway = Gateway(settings)
        await gateway.start()
        closing.append(gateway.stop)
        key = await _user(gateway, folder)
        url = f"{gateway.listener.address}/api/v2"
        click.echo(f"  {'gateway':<9} {url}\n  {'metrics':<9} {gateway.health.address}/metrics\n")
        await _first_order(Caller(url, key), ended)
        for sample in SAMPLES[:SHOWN]:
            click.echo(f"{sample.language}\n{indent(sample.write(url, key), '  ')}")
        click.echo(f"everything about the API: {gateway.listener.address}/")
        if not once:
            click.echo("Ctrl-C ends all of it; nothing is kept.")
            await ended.wait()
    finally:
        click.echo("\nstopping …", err=True)
        for close in reversed(closing):
            await close()
        click.echo("stopped", err=True)


async def _panel(folder: Path, name: str) -> PanelProgram:
    with as_file(files("gateway.panel").joinpath("demo", f"{name}.yaml")) as services:
        options = Options(
            services=services,
            data=folder / f"{name}.db",
            key=f"{name}-key",
            control_token="demo",  # noqa: S106 - printed on purpose, and listens on loopback only
            first_order=50_001 if name == "panel-a" else 7_001,
        )
        program = PanelProgram(options)
        await program.start()
        return program


def _settings(folder: Path, environ: dict[str, str], port: int) -> Settings:
    environ.pop("GATEWAY_KEY_SECRET_FILE", None)
    environ |= {
        "GATEWAY_DATA_DIR": str(folder),
        "GATEWAY_DATABASE_URL": f"sqlite:///{folder / 'gateway.db'}",
        "GATEWAY_PORT": str(port),
        "GATEWAY_METRICS_PORT": "0",
        "GATEWAY_KEY_SECRET": "",
        "GATEWAY_DRAIN_SECONDS": "2",
    }
    return load_settings(environ, config_path(None))


async def _user(gateway: Gateway, folder: Path) -> str:
    """A user with a key and 100 to spend."""
    at, store = now(), gateway.store
    fresh = make_key(secrets.token_bytes(RANDOM_BYTES))
    stored = NewKey(hash=hash_key(fresh, kept_secret(folder / "key.secret")), prefix=shown_part(fresh))
    currency = gateway.currency
    await store.run(partial(create_user, USER, currency, Choices(), actor="demo", now=at))
    await store.run(partial(create_key, USER, stored, actor="demo", now=at))
    await store.run(partial(credit_user, USER, CREDIT, reference="demo", actor="demo", now=at))
    return fresh


class Caller:
    """A panel that calls the gateway as any other would: a POST form over a socket of its own."""

    def __init__(self, url: str, key: str) -> None:
        host, _, port = url.removeprefix("http://").partition("/")[0].rpartition(":")
        self._host, self._port, self._key = host, int(port), key

    async def call(self, action: str, **fields: str) -> dict[str, str] | list[dict[str, str]]:
        """What the gateway answers."""
        form = urlencode({"key": self._key, "action": action, **fields}).encode()
        head = (
            f"POST /api/v2 HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(form)}\r\nConnection: close\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(head.encode() + form)
        await writer.drain()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])  # type: ignore[no-any-return] # our own reply


async def _first_order(caller: Caller, ended: asyncio.Event) -> None:
    """List, order, follow to the end, and show what it cost."""
    for _ in range(100):
        services = await caller.call("services")
        if isinstance(services, list):
            break
        await asyncio.sleep(0.1)
    else:
        raise DemoFailed("the gateway has no list of services; run with --verbose to see why")
    first = services[0]
    click.echo(f"{len(services)} services; the first: {first['service']}  {first['name']}  {first['rate']} per 1000")
    before = await _balance(caller)
    placed = await caller.call(
        "add", service=str(first["service"]), link="https://social.example/someone", quantity="1000"
    )
    if not isinstance(placed, dict) or "order" not in placed:
        raise DemoFailed(f"the first order was refused: {placed}")
    order = placed["order"]
    click.echo(f"order {order} placed: 1000 pieces; balance {before} → {await _balance(caller)}")
    told = ""
    for _ in range(int(WAIT_SECONDS / 0.2)):
        status = await caller.call("status", order=order)
        assert isinstance(status, dict), f"a status of {status}"
        word = status["status"]
        if word != told:
            click.echo(f"  {word:<12} remains {status['remains']:>5}   charge {status['charge']} {status['currency']}")
        told = word
        if word == "Completed":
            click.echo(f"order {order} completed\n")
            return
        if ended.is_set():
            return
        await asyncio.sleep(0.2)
    raise DemoFailed(f"order {order} was not completed within {WAIT_SECONDS:g} s; last seen: {told}")


async def _balance(caller: Caller) -> str:
    found = await caller.call("balance")
    assert isinstance(found, dict), f"a balance of {found}"
    return f"{found['balance']} {found['currency']}"
