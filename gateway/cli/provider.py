"""The commands on providers: find out what a panel speaks before it stands in providers.yaml."""

import asyncio
import json
import os
from collections.abc import Iterator

import rich_click as click

from gateway.cli.session import command
from gateway.core.errors import GatewayError
from gateway.core.family import Family, dialect_line
from gateway.providers.probe import Probed, probe
from gateway.providers.upstream import Upstream


class NoKey(GatewayError):
    """The variable that was named has no key in it."""


@click.group()
def provider() -> None:
    """Panels we buy from."""


@provider.command("probe")
@click.argument("url")
@click.option("--key-env", required=True, metavar="NAME", help="The environment variable that has our key there.")
@click.option("--allow-private", is_flag=True, help="Whether its address may be a private or local one.")
@click.option("--no-verify-tls", is_flag=True, help="Take any certificate.")
@command
def probe_panel(*, url: str, key_env: str, allow_private: bool, no_verify_tls: bool) -> None:
    """Find out what the panel at URL speaks, and print the lines for providers.yaml.

    Asks for the balance, the list, and the status of two orders that nobody has; never orders, refills or cancels.
    """
    key = os.environ.get(key_env, "").strip()
    if not key:
        raise NoKey(f"the variable {key_env} has no key in it")
    upstream = Upstream(
        name="panel", url=url, key=key, currency="", allow_private=allow_private, verify_tls=not no_verify_tls
    )
    found = asyncio.run(probe(upstream))
    for line in _comments(found):
        click.echo(f"# {line}")
    flags = ["allow_private: true"] * allow_private + ["verify_tls: false"] * no_verify_tls
    for line in _yaml(url, key_env, found.family, flags=flags):
        click.echo(line)


def _comments(found: Probed) -> Iterator[str]:
    yield f"answered to {found.how}"
    for sentence in found.family.saw:
        yield "".join(letter if letter.isprintable() else " " for letter in sentence)


def _yaml(url: str, key_env: str, family: Family, *, flags: list[str]) -> Iterator[str]:
    yield "providers:"
    yield "  panel:"
    yield f"    url: {json.dumps(url)}"
    yield f"    key: ${{ENV:{key_env}}}"
    if family.currency not in ("", "USD"):
        yield f"    currency: {family.currency}"
        yield f"    # exchange_rate: what one {family.currency} is in your currency, if that is another"
    for flag in flags:
        yield f"    {flag}"
    line = dialect_line(family.dialect)
    if line:
        yield f"    {line}"
    yield "    imports: all"
