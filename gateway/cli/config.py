"""The commands on the configuration: check it, tell what another one would change, print its schema."""

import os
from collections.abc import Sized

import rich_click as click

from gateway.cli.config_diff import diff
from gateway.cli.session import command, config_path
from gateway.settings.environment import VARIABLES
from gateway.settings.load import load_file
from gateway.settings.schema import written_schema


@click.group()
def config() -> None:
    """The file providers.yaml."""


@config.command("check")
@click.argument("file", required=False)
@command
def check(file: str | None) -> None:
    """Tell everything that is wrong with FILE at once; without a fault, what is in it."""
    path = config_path(file)
    found, digest = load_file(path, os.environ)
    enabled = sum(provider.enabled for provider in found.providers.values())
    counted = [f"{_counted(found.providers, 'provider')} ({enabled} enabled)", _counted(found.services, "service")]
    counted += [_counted(found.tiers, "tier"), _counted(found.notify.channels, "channel")]
    click.echo(f"{path} is good: {', '.join(counted)}, {found.currency}, hash {digest}")


config.add_command(diff)


@config.command("schema")
@command
def schema() -> None:
    """Print the JSON Schema of the file, for completion in editors."""
    click.echo(written_schema(), nl=False)


@config.command("variables")
@command
def variables() -> None:
    """List every GATEWAY_ variable with its default and what it is for."""
    for each in VARIABLES:
        click.echo(f"{each.name}={each.default}\n    {each.meaning}")


def _counted(things: Sized, word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"
