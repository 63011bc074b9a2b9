"""The commands on the ledger: verify the books, and print a user's statement of account."""

import sys
from functools import partial

import rich_click as click

from gateway.cli.moments import Moment, shown
from gateway.cli.session import command, in_books
from gateway.store.verify import MEANING, Found, Progress, verify


@click.group()
def ledger() -> None:
    """The ledger: prove that the books are sound, and show a user every movement of its money."""


@ledger.command("verify")
@click.option("--since", type=Moment(), help="Only what moved from then on: 24h, 7d, 2026-01-31.")
@click.option("--all", "every", is_flag=True, help="All of the books, which is also what is done without --since.")
@click.option("--quiet", is_flag=True, help="No progress; violations and the result only.")
@command
def verify_books(since: int | None, *, every: bool, quiet: bool) -> None:
    """Check every invariant of the books, while the gateway serves or not; exit code 1 when one is broken."""
    if since is not None and every:
        raise click.UsageError("--since and --all exclude each other")
    listener = _silent if quiet else _Shown()
    found = in_books(lambda store: store.read_at_length(partial(verify, since=since, listener=listener)))
    _report(found)
    if not found.sound:
        sys.exit(1)


def _silent(progress: Progress) -> None:
    """Tell nothing."""


class _Shown:
    """Progress on standard error: one line that grows on a terminal, one line a part elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()

    def __call__(self, progress: Progress) -> None:
        ended = progress.done >= progress.of
        if self._terminal:
            share = 100 * progress.done // max(progress.of, 1)
            line = f"\r{progress.part:<9} {progress.done:>12,} of {progress.of:,} ({share} %)"
            click.echo(line, err=True, nl=ended)
        elif ended:
            click.echo(f"{progress.part}: {progress.done}", err=True)


def _report(found: Found) -> None:
    scope = "all of the books" if found.since is None else f"what moved since {shown(found.since)} UTC"
    looked = f"{scope}: {found.orders} orders, {found.accounts} accounts, {found.transfers} transfers"
    if found.sound:
        click.echo(f"sound: {looked}; every invariant holds")
        return
    for invariant, rows in found.counts.items():
        click.echo(f"VIOLATED {invariant} ({MEANING[invariant]}): {rows} row{'s' if rows != 1 else ''}")
        named = [each for each in found.violations if each.invariant is invariant]
        for each in named:
            click.echo(f"  {each.where}: {each.what}")
        if rows > len(named):
            click.echo(f"  … and {rows - len(named)} more")
    click.echo(f"NOT SOUND: {looked}; {sum(found.counts.values())} violations. docs/ledger.md says what to do")
