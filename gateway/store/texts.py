"""Commands of texts nobody has classified: keep them by provider and pattern, list them, and keep what a person said.

There are TEXTS_MAX of them a provider, whatever a panel says: beyond it the rarest go. A count is exact however often
a batch is brought; one that dies with its process is lost, and is heard again.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.core.unclassified import Meaning, objection, read_meaning, write_meaning
from gateway.store.engine import Query, Refused, Row, Steps, Value
from gateway.store.events import record

TEXTS_MAX: Final = 200  # of one provider; a panel has some tens of sentences
LISTED_MAX: Final = 2_000


class NoSuchText(Refused):
    """There is no text of that number."""


class NotClassified(Refused):
    """The text may not mean what was said."""


class PanelText(msgspec.Struct, frozen=True, kw_only=True):
    """One pattern of one provider."""

    id: int
    provider: str
    pattern: str
    action: str  # what it was first the answer to
    example: str
    seen: int
    first_seen_at: int  # ms
    last_seen_at: int  # ms
    classified: bool
    meaning: Meaning


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one process heard since it last told: by provider, and with a number that rises."""

    owner: str
    number: int
    texts: tuple["Told", ...]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One pattern and how often it was heard."""

    provider: str
    pattern: str
    action: str
    example: str
    seen: int


def keep_texts(batch: Batch, *, now: int) -> Steps[None]:
    """Count what was heard; a batch that was kept before is left as it is, and so is one of an owner who has left."""
    if not (yield Query("texts_batch", {"owner": batch.owner, "batch": batch.number})):
        return
    # In one order, so that two processes meet in no circle.
    for told in sorted(batch.texts, key=lambda each: (each.provider, each.pattern)):
        params: dict[str, Value] = {**msgspec.structs.asdict(told), "now": now}
        if not (yield Query("text_heard_again", params)):
            yield Query("text_keep", params)
    for provider in sorted({told.provider for told in batch.texts}):
        yield Query("texts_crowded_out", {"provider": provider, "kept": TEXTS_MAX})


def list_texts(
    provider: str | None = None, *, every: bool = False, limit: int = LISTED_MAX
) -> Steps[tuple[PanelText, ...]]:
    """Texts that nobody has classified, the most frequent first; with `every` the classified ones as well."""
    rows = yield Query("texts_list", {"provider": provider, "every": int(every), "limit": limit})
    return tuple(_read(row) for row in rows)


def text_of(number: int) -> Steps[PanelText]:
    """One text; raises NoSuchText."""
    rows = yield Query("text_by_id", {"id": number})
    if not rows:
        raise NoSuchText(f"there is no text {number}")
    return _read(rows[0])


def classify_text(  # noqa: PLR0913 - who says what of which text, why, and when
    number: int, meaning: Meaning, *, actor: str, reason: str, now: int, sure: bool = False
) -> Steps[PanelText]:
    """Keep what a person says a text means; answers the text. Raises NoSuchText and NotClassified.

    It is for answers that are judged from now on: nothing that was decided, and nothing in doubt, is looked at again.
    """
    text = yield from text_of(number)
    why_not = objection(text.pattern, meaning, sure=sure)
    if why_not is not None:
        raise NotClassified(f"text {number} cannot be {write_meaning(meaning)}: {why_not}")
    if (yield Query("text_classify", {"id": number, "meaning": write_meaning(meaning)})):
        told = {"text": number, "provider": text.provider, "pattern": text.pattern}
        was = write_meaning(text.meaning) if text.classified else None
        yield from record(
            "text.classified",
            actor=actor,
            before=_json({**told, "meaning": was}),
            after=_json({**told, "meaning": write_meaning(meaning)}),
            reason=reason,
            now=now,
        )
    return (yield from text_of(number))


def meanings() -> Steps[Mapping[str, Mapping[str, Meaning]]]:
    """What persons said, by provider and pattern."""
    found: dict[str, dict[str, Meaning]] = {}
    for row in (yield Query("texts_classified")):
        found.setdefault(row["provider"], {})[row["pattern"]] = read_meaning(row["meaning"])
    return found


def waiting_texts() -> Steps[Mapping[str, int]]:
    """How many texts nobody has classified, by provider; those with none are not named."""
    return {row["provider"]: row["texts"] for row in (yield Query("texts_waiting"))}


def _read(row: Row) -> PanelText:
    word = row["meaning"]
    return PanelText(
        id=row["id"],
        provider=row["provider"],
        pattern=row["pattern"],
        action=row["action"],
        example=row["example"],
        seen=row["seen"],
        first_seen_at=row["first_seen_at"],
        last_seen_at=row["last_seen_at"],
        classified=word is not None,
        meaning=None if word is None else read_meaning(word),
    )


def _json(value: Mapping[str, object]) -> str:
    return msgspec.json.encode(value).decode()
