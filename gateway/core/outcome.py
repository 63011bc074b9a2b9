"""Outcomes: what is proved about one transmission of an `add`, by evidence alone.

    never sent   nothing left this machine: no request header was begun
    rejected     a panel clearly refused, for a known reason
    accepted     a panel gave one usable id, and nothing in its answer speaks against it
    unknown      everything else: no retry, no other route, no refund until it is resolved

`classify_add` is total: any evidence gives one of the four and nothing is ever raised, because it stands between an
order that may exist and the money for it. Exception classes decide nothing; RELIABILITY.md sections 1.5 and 1.6 have
the table with what was measured.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from gateway.core.answers import order_ids
from gateway.core.dialects import STANDARD_PROVIDER, ProviderDialect
from gateway.core.errors import (
    TEXT_INCORRECT_LINK,
    TEXT_INCORRECT_QUANTITY,
    TEXT_INCORRECT_REQUEST,
    TEXT_UNAVAILABLE,
    text_incorrect_field,
)
from gateway.core.lenient import FAILED, Json, NotJson, find_error_text, parse_after_notices, parse_json
from gateway.core.rejections import USERS_FAULT, RejectKind, error_kind, is_vague, proves_nothing
from gateway.core.scalars import as_id
from gateway.core.service_fields import field_named

_EXCERPT: Final = 200  # characters of a panel's own words that are kept

# HTTP refusals that come before any application code ran (RELIABILITY.md section 1.6).
_HTTP_REFUSALS: Final = {
    401: RejectKind.CREDENTIALS,
    403: RejectKind.THROTTLED,
    404: RejectKind.REQUEST,
    405: RejectKind.REQUEST,
    413: RejectKind.FIELD,
    414: RejectKind.FIELD,
    415: RejectKind.REQUEST,
    429: RejectKind.THROTTLED,
    431: RejectKind.REQUEST,
}
# Refusals that a provider's own policy may take for no proof, and answers of an edge (a CDN) that never reached the
# panel behind it, which it may take for a refusal: 521 web server is down, 523 origin unreachable, 525 and 526 TLS.
MAY_BE_UNKNOWN: Final = frozenset(_HTTP_REFUSALS)
MAY_BE_REJECTED: Final = frozenset({521, 523, 525, 526})
_REDIRECTS: Final = range(300, 400)
_FIVE_HUNDREDS: Final = range(500, 600)
_GOOD: Final = range(200, 300)
# Names that mean an order wherever they stand; plain `id` may be a user's, a call's or a row's.
_ORDER_NAMES: Final = frozenset({"order", "order_id", "orderid"})
_FRACTION: Final = re.compile(r"[0-9]+\.[0-9]*", re.ASCII)


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator knows of one panel's answers to `add`, where they are not what they usually mean."""

    unrecognised_error: Literal["unknown", "rejected"] = "unknown"  # an error text nobody knows, with HTTP 200 or 4xx
    unknown_statuses: tuple[int, ...] = ()  # of MAY_BE_UNKNOWN: here they prove nothing
    rejected_statuses: tuple[int, ...] = ()  # of MAY_BE_REJECTED: here they come before the panel


USUAL: Final = Policy()


class Timing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When each phase of a transmission was reached, in ms from its beginning; None where it never was."""

    fence: int | None = None  # the connection stood, and the right to send was asked for
    armed: int | None = None  # that was committed; the first byte left
    answered: int | None = None  # the head of the answer was here
    ended: int | None = None  # the last byte, or whatever ended it


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was observed of one transmission."""

    sent: bool  # whether a request header was begun; set before it is, so that doubt counts as sent
    status: int | None = None  # None: no whole response head
    body: bytes = b""
    complete: bool = False  # whether the body ended as its framing said
    framed: bool = False  # whether it had a framing: Content-Length or chunked, not just the connection's end
    location: str | None = None  # of a redirect
    content_type: str | None = None
    retry_after: str | None = None
    timing: Timing = Timing()
    url: str = ""  # where it was sent
    failure: str = ""  # what went wrong in our own words, keys struck out


class NotSent(msgspec.Struct, frozen=True, tag=True):
    """Nothing left this machine."""

    why: str


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """A panel clearly refused."""

    kind: RejectKind
    text: str  # the panel's own words, for the operator

    @property
    def users_fault(self) -> bool:
        """Whether every other panel would refuse it as well."""
        return self.kind in USERS_FAULT


class Accepted(msgspec.Struct, frozen=True, tag=True):
    """A panel took the order."""

    upstream_order: str


class Unknown(msgspec.Struct, frozen=True, tag=True):
    """Nobody can tell."""

    why: str


class NotPlaced(msgspec.Struct, frozen=True, tag=True):
    """The panel never had it: proved by a look at the panel, or said by a person.

    No reply to an `add` proves this, so `classify_add` never answers it.
    """

    why: str


Outcome: TypeAlias = NotSent | Rejected | Accepted | Unknown


def classify_add(
    evidence: Evidence,
    own: dict[str, RejectKind] | None = None,
    dialect: ProviderDialect = STANDARD_PROVIDER,
    *,
    policy: Policy = USUAL,
    classified: Mapping[str, RejectKind | None] | None = None,
) -> Outcome:
    """What the evidence proves; `own` and `classified` are what this provider's error texts mean (core/rejections.py).

    Of the dialect only the place of an order's id counts, as one more where it may stand: two different ids, or an id
    beside an error, prove nothing wherever they stand.
    """
    if not evidence.sent:
        return NotSent(evidence.failure or "nothing was sent")
    if evidence.status is None or not evidence.complete:
        return Unknown(evidence.failure or "the answer broke off")
    if evidence.status in _FIVE_HUNDREDS:
        if evidence.status in policy.rejected_statuses and not _mentions_order(evidence.body, dialect):
            return Rejected(RejectKind.THROTTLED, f"HTTP {evidence.status}: {_excerpt(evidence.body)}")
        return Unknown(f"HTTP {evidence.status}: {_excerpt(evidence.body)}")
    if evidence.status in _REDIRECTS:
        return _redirected(evidence)
    panel = _Panel(own or {}, classified or {}, dialect, policy)
    try:
        value = parse_json(evidence.body, strict=True)
    except NotJson as error:
        return _without_json(evidence, str(error), panel)
    return _from_json(evidence, value, panel)


def error_text(evidence: Evidence) -> str | None:
    """The error in an answer to `add`, for which a meaning could be found; None where none would count.

    A 5xx, a redirect or an answer that broke off is in doubt whatever it says, and so is what is no JSON.
    """
    if not evidence.complete or evidence.status in (*_FIVE_HUNDREDS, *_REDIRECTS):
        return None
    try:
        text = find_error_text(parse_json(evidence.body, strict=True))
    except NotJson:
        return None
    return None if text == FAILED else text


def answer_text(outcome: Rejected) -> str:
    """What a user reads of a refusal: a text of ours; the panel's may carry its name, our balance or our key."""
    match outcome.kind:
        case RejectKind.LINK:
            return TEXT_INCORRECT_LINK
        case RejectKind.QUANTITY:
            return TEXT_INCORRECT_QUANTITY
        case RejectKind.FIELD:
            # The name is one of ours that the panel's words hold; none of those words goes on.
            named = field_named(outcome.text)
            return TEXT_INCORRECT_REQUEST if named is None else text_incorrect_field(named)
        case _:
            return TEXT_UNAVAILABLE


class _Panel(msgspec.Struct, frozen=True):
    """How one panel speaks."""

    own: dict[str, RejectKind]
    classified: Mapping[str, RejectKind | None]
    dialect: ProviderDialect
    policy: Policy


def _from_json(evidence: Evidence, value: Json, panel: _Panel) -> Outcome:
    ids = order_ids(value, panel.dialect)
    claimed = _claimed(value, panel.dialect)
    text = find_error_text(value)
    if text is not None and (ids or claimed):
        return Unknown(f"an order id beside an error: {text[:_EXCERPT]}")
    if text is not None:
        return _from_text(evidence, text, panel)
    if not ids and not claimed:
        return _http_refusal(evidence, panel.policy) or Unknown(f"no order id in {_excerpt(evidence.body)}")
    if evidence.status not in _GOOD:
        return Unknown(f"HTTP {evidence.status} with an order id")
    return _from_ids(evidence, value, ids, dialect=panel.dialect)


def _from_text(evidence: Evidence, text: str, panel: _Panel) -> Outcome:
    """An error text with no order's id anywhere: known, HTTP's own refusal, or by the panel's policy."""
    kind = error_kind(text, panel.own, panel.classified)
    if kind is not None and kind is not RejectKind.ORDER:
        return Rejected(kind, text[:_EXCERPT])
    refused = _http_refusal(evidence, panel.policy)
    open_to_policy = kind is None and not is_vague(text) and not proves_nothing(text, panel.classified)
    if refused is None and open_to_policy and panel.policy.unrecognised_error == "rejected":
        return Rejected(RejectKind.REFUSED, text[:_EXCERPT])
    return refused or Unknown(f"an error that proves nothing: {text[:_EXCERPT]}")


def _from_ids(evidence: Evidence, value: Json, ids: tuple[Json, ...], *, dialect: ProviderDialect) -> Outcome:
    """One usable id, under however many names, is an acceptance."""
    usable = {as_id(each) for each in ids}
    first = next(iter(usable), None)
    if first is None or not usable.union(_claimed(value, dialect)) <= {first} or _FRACTION.fullmatch(first):
        return Unknown(f"no single usable order id in {_excerpt(evidence.body)}")
    if not isinstance(value, dict) and not evidence.framed:
        # Cut off, `12345` is a valid `123`: a bare number counts only where its length was announced.
        return Unknown(f"a bare number whose end was not announced: {first}")
    return Accepted(first)


def _claimed(value: Json, dialect: ProviderDialect) -> set[str]:
    """Every id under an order's name, however deep: where it may be an order's, a refusal is none."""
    names = _ORDER_NAMES | {dialect.replies.get("order", "").rpartition(".")[2].lower()} - {"id", ""}
    found: set[str | None] = set()
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, list):
            left.extend(each)
        elif isinstance(each, dict):
            left.extend(each.values())
            named = [inner for name, inner in each.items() if name.lower() in names]
            found.update(as_id(inner.get("id") if isinstance(inner, dict) else inner) for inner in named)
    return {claim for claim in found if claim is not None}


def _without_json(evidence: Evidence, why: str, panel: _Panel) -> Outcome:
    """A body that is not one JSON value: a page, nothing, or PHP notices before it (Q71)."""
    refused = _http_refusal(evidence, panel.policy)
    if refused is not None:
        claims = _mentions_order(evidence.body, panel.dialect)
        return Unknown(f"HTTP {evidence.status} with an order id") if claims else refused
    try:
        value = parse_after_notices(evidence.body)
    except NotJson:
        return Unknown(f"{why}: {_excerpt(evidence.body)}")
    ids = order_ids(value, panel.dialect)
    if isinstance(value, dict) and len(ids) == 1 and find_error_text(value) is None and evidence.status in _GOOD:
        return _from_ids(evidence, value, ids, dialect=panel.dialect)
    return Unknown(f"{why}: {_excerpt(evidence.body)}")


def _mentions_order(body: bytes, dialect: ProviderDialect) -> bool:
    """Whether a body that is no proper JSON has an order's id in it all the same."""
    try:
        value = parse_json(body, strict=False)
    except NotJson:
        return False
    return bool(_claimed(value, dialect) or order_ids(value, dialect))


def _http_refusal(evidence: Evidence, policy: Policy) -> Rejected | None:
    kind = None if evidence.status is None else _HTTP_REFUSALS.get(evidence.status)
    if evidence.status in policy.unknown_statuses:
        return None
    return None if kind is None else Rejected(kind, f"HTTP {evidence.status}: {_excerpt(evidence.body)}")


def _redirected(evidence: Evidence) -> Outcome:
    """A redirect that only corrects the address's spelling came before any application code; others are unknown."""
    if evidence.location is not None and _same_but_spelling(evidence.url, evidence.location):
        return Rejected(RejectKind.REQUEST, f"redirected to {evidence.location[:_EXCERPT]}: configure that address")
    return Unknown(f"HTTP {evidence.status} to {(evidence.location or '')[:_EXCERPT]!r}")


def _same_but_spelling(asked: str, told: str) -> bool:
    """Whether two addresses differ in scheme, host and a slash at the end alone."""
    try:
        before, after = urlsplit(asked), urlsplit(told)
    except ValueError:
        return False
    if after.scheme not in ("http", "https", "") or not before.path:
        return False
    return before.path.rstrip("/") == after.path.rstrip("/") and (after.query in ("", before.query))


def _excerpt(body: bytes) -> str:
    return repr(body[:_EXCERPT].decode("utf-8", "replace"))
