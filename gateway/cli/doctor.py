"""The command that looks at everything a gateway stands on, and says of each what is wrong and what to do."""

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Final

import msgspec
import rich_click as click

from gateway.cli.diagnosis import Finding, Level, examine
from gateway.cli.session import command, config_path

_MARKS: Final = {Level.OK: "ok  ", Level.NOTE: "note", Level.WARN: "WARN", Level.FAIL: "FAIL"}


@click.command()
@click.option("--url", help="The address users have, https://…: whether what they ask arrives as they asked it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")
@command
def doctor(*, url: str | None, as_json: bool) -> None:
    """Examine settings, files, books, Redis, clock, panels and the way users come; exit code 1 if something fails.

    It orders nothing and changes nothing: panels are asked for our balance, the books are read. It may be run while
    the gateway serves, and before the first start.
    """
    found = asyncio.run(examine(os.environ, config_path(None), url=url))
    failed = [each for each in found if each.level is Level.FAIL]
    if as_json:
        click.echo(msgspec.json.encode({"well": not failed, "findings": found}))
    else:
        for line in _lines(found):
            click.echo(line)
    if failed:
        sys.exit(1)


def _lines(found: Sequence[Finding]) -> list[str]:
    width = max(len(each.about) for each in found)
    lines: list[str] = []
    for each in found:
        lines.append(f"{_MARKS[each.level]}  {each.about.ljust(width)}  {each.what}")
        if each.do:
            lines.append(f"{'':<{width + 6}}  → {each.do}")
    counts = {level: sum(each.level is level for each in found) for level in Level}
    lines.append(f"{counts[Level.FAIL]} failed, {counts[Level.WARN]} to look at, {counts[Level.OK]} well")
    return lines
