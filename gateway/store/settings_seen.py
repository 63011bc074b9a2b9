"""What providers.yaml was when it was used last: another text is an event, told by whichever process has it first."""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.store.engine import Query, Steps
from gateway.store.events import record

PARTS_TOLD: Final = 100  # in one event; how many more there were is told as well
NO_REASON: Final = "the file gives no reason for this change"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The text that was used last."""

    hash: str  # empty while none was
    parts: dict[str, str]  # a digest for each part of it
    reason: str


def settings_seen() -> Steps[Seen]:
    """What was used last."""
    row = (yield Query("settings_seen"))[0]
    parts = msgspec.json.decode(row["parts"], type=dict[str, str])
    return Seen(hash=row["hash"], parts=parts, reason=row["reason"])


def see_settings(now_used: Seen, changed: Sequence[str], before: Seen, *, actor: str, now: int) -> Steps[bool]:
    """Keep what is used now, and tell what changed and why; False where it is what was used before.

    A reason that stood in the text before was that one's. The first text these books see is kept and is no change.
    """
    kept = {"hash": now_used.hash, "parts": msgspec.json.encode(now_used.parts).decode(), "reason": now_used.reason}
    if not (yield Query("settings_see", kept)):
        return False
    if before.hash:
        after = {"hash": now_used.hash, "changed": changed[:PARTS_TOLD], "more": max(len(changed) - PARTS_TOLD, 0)}
        yield from record(
            "settings.changed",
            actor=actor,
            before=msgspec.json.encode({"hash": before.hash}).decode(),
            after=msgspec.json.encode(after).decode(),
            reason=now_used.reason if now_used.reason not in ("", before.reason) else NO_REASON,
            now=now,
        )
    return True
