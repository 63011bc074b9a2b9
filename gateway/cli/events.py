"""The commands on events that a consumer never took: list them, and have them told again."""

from functools import partial

import rich_click as click

from gateway.cli.moments import shown
from gateway.cli.session import actor, command, in_books, now, reason_option, table
from gateway.store.outbox import DEAD_LISTED_MAX, count_events, dead_events, retry_events


@click.group()
def events() -> None:
    """Events: what is told to the consumer behind GATEWAY_EVENTS_URL."""


@events.command("dead")
@command
def dead() -> None:
    """Events that were given up, a day after the first try to tell them."""
    given_up = in_books(lambda store: store.read_at_length(dead_events))
    counted = in_books(lambda store: store.read_at_length(count_events))
    rows = [
        (
            *(str(each.id), shown(each.created_at), each.kind, "–" if each.order_id is None else str(each.order_id)),
            *(str(each.tries), shown(each.dead_at), each.problem or "–"),
        )
        for each in given_up
    ]
    if rows:
        click.echo(table(("event", "time", "kind", "order", "tries", "given up", "problem"), rows))
    more = f", the first {DEAD_LISTED_MAX} are shown" if counted.dead > len(rows) else ""
    click.echo(f"{counted.dead} given up{more}; {counted.waiting} waiting to be told")


@events.command("retry")
@click.argument("numbers", metavar="[EVENT]...", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every event that was given up.")
@reason_option("Why; it is kept in the audit trail.")
@command
def retry(numbers: tuple[int, ...], *, every: bool, reason: str) -> None:
    """Put back events that were given up; they are told again within seconds, as if for the first time."""
    if every == bool(numbers):
        raise click.UsageError("name events by their numbers, or say --all")
    work = partial(retry_events, list(numbers), every=every, actor=actor(), reason=reason, now=now())
    back = in_books(lambda store: store.run(work))
    click.echo(f"{len(back)} event{'s' if len(back) != 1 else ''} put back")
    for number in sorted(set(numbers) - set(back)):
        click.echo(f"event {number} was not given up", err=True)
