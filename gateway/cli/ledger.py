"""The commands on the ledger: verify the books, and print a user's statement of account."""

import csv
import sys
from functools import partial

import msgspec
import rich_click as click

from gateway.cli.moments import Moment, shown
from gateway.cli.session import command, in_books, table
from gateway.core.money import format_amount, scale_of
from gateway.store.statement import Statement, statement
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


@ledger.command("statement")
@click.argument("name", metavar="USER")
@click.option("--since", type=Moment(), help="From then on: 2026-01-31, 2026-01-31T12:30, 7d.")
@click.option("--until", type=Moment(), help="Up to before then.")
@click.option("--order", type=int, help="Movements of this order alone.")
@click.option("--csv", "shape", flag_value="csv", help="Comma-separated, with a head.")
@click.option("--json", "shape", flag_value="json", help="One JSON object.")
@command
def show_statement(name: str, *, since: int | None, until: int | None, order: int | None, shape: str | None) -> None:
    """Print every movement of USER's money with the balance after it; amounts are exact, times are UTC."""
    work = partial(statement, name, since=since, until=until, order_id=order)
    made = in_books(lambda store: store.read_at_length(work))
    match shape:
        case "csv":
            _print_csv(made)
        case "json":
            click.echo(msgspec.json.encode(_plain(made)))
        case _:
            _print_table(made)


_COLUMNS = ("time", "kind", "order", "key", "change", "balance", "held change", "held")


def _cells(made: Statement) -> list[tuple[str, ...]]:
    scale = scale_of(made.currency)
    return [
        (
            *(shown(each.at), each.kind, "" if each.order_id is None else str(each.order_id), each.key),
            *(format_amount(each.change, scale), format_amount(each.balance, scale)),
            *(format_amount(each.held_change, scale), format_amount(each.held, scale)),
        )
        for each in made.movements
    ]


def _print_csv(made: Statement) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow((*_COLUMNS, "currency"))
    writer.writerows((*cells, made.currency) for cells in _cells(made))


def _print_table(made: Statement) -> None:
    scale = scale_of(made.currency)
    for word, balance, held in (
        ("opening", made.opening, made.opening_held),
        ("closing", made.closing, made.closing_held),
    ):
        if word == "closing":
            click.echo(table(_COLUMNS, _cells(made)) if made.movements else "no movements")
        told = f"{format_amount(balance, scale)} {made.currency}, held {format_amount(held, scale)}"
        click.echo(f"{made.user}: {word} balance {told}")


def _plain(made: Statement) -> dict[str, object]:
    """A statement with amounts as texts, which lose no digit in anybody's JSON."""
    scale = scale_of(made.currency)
    names = [column.replace(" ", "_") for column in _COLUMNS]
    return {
        "user": made.user,
        "currency": made.currency,
        **{
            name: format_amount(getattr(made, name), scale)
            for name in ("opening", "opening_held", "closing", "closing_held")
        },
        "movements": [dict(zip(names, cells, strict=True)) for cells in _cells(made)],
    }
