"""`gateway config diff`: what another providers.yaml would change of what is sold, before it is in use."""

import json
import os
from collections.abc import Sequence
from functools import partial

import msgspec
import rich_click as click

from gateway.actions.roster import in_words
from gateway.actions.wanted import wanted_of
from gateway.cli.catalogue import NO_ID, NothingKnown, kept_in_books, usable_lists
from gateway.cli.session import command, config_path, in_books, printable, table
from gateway.core.catalogue import EVERYBODY, Catalogue, build_catalogue, missing_ids
from gateway.core.changes import Change, Sold, changes
from gateway.core.money import format_amount, scale_of
from gateway.settings.load import load_file
from gateway.settings.notify import Notify
from gateway.settings.values import ProvidersFile
from gateway.store.figures import open_at

NAME_SHOWN = 40  # characters
_HEAD = ("id", "name", "change", "from", "rate", "margin", "besides")


@click.command("diff")
@click.argument("new")
@click.option("--against", help="The file to compare with; the one in use (GATEWAY_CONFIG) otherwise.")
@click.option("--tier", default=EVERYBODY, help="The rates of this tier; everybody's otherwise.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a service; amounts in the smallest unit.")
@command
def diff(*, new: str, against: str | None, tier: str, as_json: bool) -> None:
    """Tell what the file NEW would change of what is sold: services that come, go, change price, provider or margin.

    And of `notify:`, which channels come, go or change.

    Both files are read with the lists the gateway has kept; a provider whose list is not known yet is named. So is one
    that would leave the file while orders are open there, which a reload refuses.
    """
    path = config_path(against)
    before, after = load_file(path, os.environ)[0], load_file(config_path(new), os.environ)[0]
    if before.currency != after.currency:
        raise NothingKnown(f"{path} is in {before.currency} and {new} in {after.currency}: prices cannot be compared")
    if tier and tier not in {*before.tiers, *after.tiers}:
        raise NothingKnown(f"there is no tier {tier} in either file")
    was, becomes = _catalogues(before, after)
    found = changes(was, becomes, tier=tier)
    told = _told(before.notify, after.notify)
    gone = sorted(before.providers.keys() - after.providers.keys())
    if as_json:
        for change in found:
            click.echo(json.dumps(msgspec.to_builtins(change), ensure_ascii=False))
        for what, kind in told.items():
            click.echo(json.dumps({"notify": what, "kind": kind}, ensure_ascii=False))
        _tell_orphans(gone)
        return
    if found:
        click.echo(table(_HEAD, [_row(change, scale_of(was.currency)) for change in found]))
    kinds = [change.kind for change in found]
    click.echo(
        f"{kinds.count('appears')} would appear, {kinds.count('vanishes')} vanish, {kinds.count('changes')} change, "
        f"{len(becomes.services)} services in {becomes.currency} afterwards"
    )
    for what, kind in told.items():
        click.echo(f"notify: {what} {kind}")
    for name in becomes.missing:
        click.echo(f"no list of {name} is known: its services are not among these", err=True)
    _tell_orphans(gone)


def _told(before: Notify, after: Notify) -> dict[str, str]:
    """Channels that come, go or change, and what is said of all of them; never what is in them, which is secret."""
    found = {}
    for name in sorted(before.channels.keys() | after.channels.keys()):
        was, becomes = before.channels.get(name), after.channels.get(name)
        if was != becomes:
            found[f"channel {name}"] = "appears" if was is None else "vanishes" if becomes is None else "changes"
    for field in Notify.__struct_fields__:
        if field != "channels" and getattr(before, field) != getattr(after, field):
            found[field] = f"changes from {getattr(before, field)} to {getattr(after, field)}"
    return found


def _tell_orphans(gone: Sequence[str]) -> None:
    """Say what is open at providers that would leave the file."""
    for orphans in in_books(lambda store: store.read_at_length(partial(open_at, gone))) if gone else ():
        click.echo(f"a reload refuses this: {in_words(orphans)}", err=True)


def _catalogues(before: ProvidersFile, after: ProvidersFile) -> tuple[Catalogue, Catalogue]:
    """What each file sells of the lists that are kept; a service that has no id yet has the same stand-in in both."""
    kept = in_books(kept_in_books)
    sides = [(wanted_of(file), usable_lists(file, kept.lists)) for file in (before, after)]
    if not any(lists for _, lists in sides):
        raise NothingKnown("no provider's list is known yet: start the gateway once")
    fresh = dict.fromkeys(service for wanted, lists in sides for service in missing_ids(wanted, lists, kept.ids))
    numbers = {**kept.ids, **{service: NO_ID + n for n, service in enumerate(fresh)}}
    was, becomes = (build_catalogue(wanted, lists, numbers, held=kept.holds) for wanted, lists in sides)
    return was, becomes


def _row(change: Change, scale: int) -> tuple[str, ...]:
    before, after = change.before, change.after
    return (
        "new" if change.id >= NO_ID else str(change.id),
        printable(change.name)[:NAME_SHOWN],
        change.kind,
        _both(None if before is None else before.first, None if after is None else after.first),
        _both(_amount(before, "rate", scale), _amount(after, "rate", scale)),
        _both(_amount(before, "margin", scale), _amount(after, "margin", scale)),
        printable("; ".join(change.others)),
    )


def _amount(sold: Sold | None, what: str, scale: int) -> str | None:
    return None if sold is None else format_amount(getattr(sold, what), scale)


def _both(before: str | None, after: str | None) -> str:
    """One value where nothing changed, or both."""
    if before is None or after is None or before == after:
        return after or before or ""
    return f"{before} → {after}"
