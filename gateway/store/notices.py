"""Commands of notices: what is open, what each channel has heard of it, and who may tell it something now.

A change of a notice is a compare-and-set by its version: of two processes that look at the same trouble one writes, and
the other sees at its next look what became of it. A channel is leased to whoever tells it; only its mark that the
channel took a message ends what was to be told, so who dies between the two leaves a message that is told again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from gateway.core.notice import Facts, Kind, Notice
from gateway.core.telling import Channel, Heard
from gateway.store.engine import Query, Row, Steps, Value

# Notices that are looked at: a thousand users and all else there is.
NOTICES_MAX: Final = 5_000
LOW_USERS_MAX: Final = 1_000
# Changes in one command, so that no commit grows long with them.
CHANGES_MAX: Final = 200
# How long a channel is its teller's: longer than all tries of one message take (providers/courier.py).
LEASE_MS: Final = 180_000
_FACTS: Final = msgspec.json.Decoder(Facts)
_KINDS: Final = frozenset(Kind)


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """Everything there is to know at one moment."""

    notices: Mapping[str, Notice]  # by key
    heard: Mapping[str, Mapping[str, Heard]]  # by channel and key
    channels: Mapping[str, Channel]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a notice was and what it becomes; None: there is none."""

    before: Notice | None
    after: Notice | None


def read_board() -> Steps[Board]:
    """The notices, what channels have heard, and how the channels stand."""
    found = [_read(row) for row in (yield Query("notices_all", {"limit": NOTICES_MAX})) if row["kind"] in _KINDS]
    heard: defaultdict[str, dict[str, Heard]] = defaultdict(dict)
    for row in (yield Query("notices_heard")):
        told = Heard(opened_at=row["opened_at"], closed=row["closed"] == 1, told_at=row["told_at"])
        heard[row["channel"]][row["notice"]] = told
    names = Channel.__struct_fields__
    channels = [Channel(**{name: row[name] for name in names}) for row in (yield Query("notice_channels"))]
    return Board(
        notices={each.key: each for each in found}, heard=heard, channels={each.name: each for each in channels}
    )


def change_notices(changes: Sequence[Change]) -> Steps[None]:
    """Write what became of notices, in the order of their keys; what another process changed meanwhile is left."""
    for change in changes:
        before, after = change.before, change.after
        if after is None:
            assert before is not None, "a change of nothing into nothing"
            yield Query("notice_end", {"key": before.key, "version": before.version})
        elif before is None:
            yield Query("notice_begin", {**_row(after), "kind": after.kind, "subject": after.subject})
        else:
            yield Query("notice_change", {**_row(after), "version": before.version})


def forget_heard() -> Steps[None]:
    """Forget what channels have heard of notices that are no more."""
    yield Query("notices_unheard")


def know_channels(names: Sequence[str], *, now: int) -> Steps[None]:
    """Note channels that are new: what was over before is not told them."""
    for name in names:
        yield Query("notice_channel_begin", {"name": name, "now": now})


def claim_channel(name: str, owner: str) -> Steps[bool]:
    """Become the one who tells a channel something, for LEASE_MS or until it is changed."""
    return bool((yield Query("notice_channel_claim", {"name": name, "owner": owner, "ms": LEASE_MS})))


def change_channel(channel: Channel, owner: str, heard: Mapping[str, Heard]) -> Steps[None]:
    """Write how a channel stands now and what it has heard, by key, and let others tell it something."""
    for key, told in sorted(heard.items()):
        params: dict[str, Value] = {"channel": channel.name, "notice": key, "closed": int(told.closed)}
        yield Query("notice_hear", {**params, "opened_at": told.opened_at, "told_at": told.told_at})
    fields = {name: getattr(channel, name) for name in Channel.__struct_fields__ if name != "since"}
    yield Query("notice_channel_change", {**fields, "owner": owner})


def users_low(*, below: int) -> Steps[Mapping[str, int]]:
    """Users with less than so many units, LOW_USERS_MAX at most, and what each has."""
    rows = yield Query("users_low", {"below": below, "limit": LOW_USERS_MAX})
    return {row["name"]: row["balance"] for row in rows}


def _read(row: Row) -> Notice:
    return Notice(
        kind=Kind(row["kind"]),
        subject=row["subject"],
        mark=row["mark"],
        since=row["since"],
        wrong_at=row["wrong_at"],
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
        gone=row["gone"] == 1,
        back=row["back"],
        facts=_FACTS.decode(row["facts"]),
        version=row["version"],
    )


def _row(notice: Notice) -> dict[str, Value]:
    return {
        "key": notice.key,
        "mark": notice.mark,
        "since": notice.since,
        "wrong_at": notice.wrong_at,
        "opened_at": notice.opened_at,
        "closed_at": notice.closed_at,
        "gone": int(notice.gone),
        "back": notice.back,
        "facts": msgspec.json.encode(notice.facts).decode(),
    }
