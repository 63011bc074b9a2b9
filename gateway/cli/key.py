"""The commands on keys: make one, put a new one in the place of the old, end one; each is shown only once."""

import secrets
from functools import partial

import rich_click as click

from gateway.app import key_secret
from gateway.cli.session import actor, command, environment, in_books, now, reason_option
from gateway.core.keys import RANDOM_BYTES, hash_key, make_key, shown_part
from gateway.store.keys import NewKey, create_key, revoke_key, rotate_key

ONCE = "This is the only time it is shown."


@click.group()
def key() -> None:
    """Keys: what users send with every request."""


@key.command("create")
@click.argument("name")
@click.option("--quiet", is_flag=True, help="Print the key alone.")
@reason_option("Whom it is for; kept in the audit trail.", required=False)
@command
def create(name: str, *, quiet: bool, reason: str) -> None:
    """Give user NAME one more key."""
    fresh, stored = _fresh()
    in_books(lambda store: store.run(partial(create_key, name, stored, actor=actor(), reason=reason, now=now())))
    click.echo(fresh if quiet else f"{fresh}\n{ONCE}")


@key.command("rotate")
@click.argument("name")
@click.option("--overlap", type=click.IntRange(0, 30 * 24 * 3600), default=0, help="Seconds the old keys live on.")
@click.option("--quiet", is_flag=True, help="Print the key alone.")
@reason_option("Why; it is kept in the audit trail.")
@command
def rotate(name: str, overlap: int, *, quiet: bool, reason: str) -> None:
    """Give user NAME a new key in the place of all it has."""
    fresh, stored = _fresh()
    work = partial(rotate_key, name, stored, overlap_ms=overlap * 1000, actor=actor(), reason=reason, now=now())
    ended = in_books(lambda store: store.run(work))
    when = f"in {overlap} s" if overlap else "now"
    click.echo(fresh if quiet else f"{fresh}\n{ONCE} {ended} older end {when}.")


@key.command("revoke")
@click.argument("name")
@click.argument("prefix", required=False)
@click.option("--all", "every", is_flag=True, help="End every key the user has.")
@reason_option("Why; it is kept in the audit trail.")
@command
def revoke(name: str, prefix: str | None, *, every: bool, reason: str) -> None:
    """End user NAME's key that begins with PREFIX (as `gateway user show` lists it), or every one with --all."""
    if (prefix is None) != every:
        raise click.UsageError("name a key by its PREFIX, or say --all")
    work = partial(revoke_key, name, _shown(prefix), actor=actor(), reason=reason, now=now())
    ended = in_books(lambda store: store.run(work))
    click.echo(f"{ended} key{'s' if ended != 1 else ''} of {name} ended; dead within a second")


def _shown(prefix: str | None) -> str | None:
    return None if prefix is None else shown_part(prefix.rstrip("…"))


def _fresh() -> tuple[str, NewKey]:
    fresh = make_key(secrets.token_bytes(RANDOM_BYTES))
    return fresh, NewKey(hash=hash_key(fresh, key_secret(environment())), prefix=shown_part(fresh))
