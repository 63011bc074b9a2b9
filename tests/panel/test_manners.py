"""Manners: whatever a family of panels says is read as what it means, for every action in every dialect."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.answers import read_reply
from gateway.core.dialects import ProviderDialect
from gateway.core.messages import (
    AddReply,
    AddRequest,
    BalanceReply,
    BalanceRequest,
    CancelReply,
    CancelRequest,
    ErrorReply,
    MultiCancelReply,
    MultiCancelRequest,
    MultiRefillReply,
    MultiRefillRequest,
    MultiRefillStatusReply,
    MultiRefillStatusRequest,
    MultiStatusReply,
    MultiStatusRequest,
    OrderRefillStatusRequest,
    RefillReply,
    RefillRequest,
    RefillStatusReply,
    RefillStatusRequest,
    Reply,
    Request,
    ServiceRow,
    ServicesReply,
    ServicesRequest,
    StatusReply,
    StatusRequest,
    StatusWord,
    action_of,
)
from gateway.core.outcome import Accepted, Evidence, classify_add
from gateway.core.presets import PRESETS
from gateway.core.service import TYPES
from gateway.panel.manners import MANNERS, spoken, told, unknown_to

OWN = ProviderDialect(
    preset="json",
    replies={
        "order": "data.trx.id", "refill": "job", "status": "state_text", "start_count": "begin", "remains": "left",
        "charge": "paid.sum", "currency": "coin", "balance": "saldo",
    },
    statuses={str(number): word for number, word in enumerate(StatusWord)},
)  # fmt: skip
DIALECTS = {
    **{name: preset.dialect for name, preset in PRESETS.items()},
    "comma": ProviderDialect(decimal_comma=True),
    "own": OWN,
}

IDS = st.integers(1, 2**31 - 1).map(str)
FIGURES = st.decimals("0", "99999", places=4, allow_nan=False).map(lambda each: f"{each.normalize():f}")
COUNTS = st.integers(0, 10**6)
ERRORS = st.sampled_from(["Incorrect order ID", "Order not eligible for refill.", "Incorrect request"]).map(ErrorReply)
STATUSES = st.builds(
    StatusReply,
    status=st.sampled_from(StatusWord),
    charge=FIGURES,
    start_count=COUNTS,
    remains=COUNTS,
    currency=st.sampled_from(["USD", "EUR"]),
)
# A subscription tells what its panel made for it, in place of figures.
SUBSCRIPTIONS = st.builds(
    StatusReply,
    status=st.sampled_from([StatusWord.IN_PROGRESS, StatusWord.COMPLETED, StatusWord.CANCELED]),
    orders=st.lists(IDS, max_size=4, unique=True).map(tuple),
    posts=COUNTS,
    expiry=st.none() | st.just("31/12/2026"),
)
WORDS = st.sampled_from(["Completed", "In progress", "Rejected"]).map(RefillStatusReply)
ASKED_ONE = st.sampled_from([RefillStatusRequest("1"), OrderRefillStatusRequest("1")])
ROWS = st.builds(
    ServiceRow,
    service=IDS,
    name=st.just("Followers"),
    type=st.sampled_from([each.name for each in TYPES]),
    category=st.just("C"),
    rate=FIGURES,
    min=COUNTS,
    max=COUNTS,
    dripfeed=st.booleans(),
    refill=st.booleans(),
    cancel=st.booleans(),
)


def _many(request: type, reply: type, each: "st.SearchStrategy[object]") -> "st.SearchStrategy[tuple[Request, Reply]]":
    rows = st.dictionaries(IDS, each, min_size=1, max_size=5)
    return rows.map(lambda found: (request(tuple(found)), reply(tuple(found.items()))))


EXCHANGES: "dict[str, st.SearchStrategy[tuple[Request, Reply]]]" = {
    "services": st.tuples(
        st.just(ServicesRequest()), st.lists(ROWS, min_size=1, max_size=4).map(lambda rows: ServicesReply(tuple(rows)))
    ),
    "add": st.tuples(st.just(AddRequest(service="1", fields=())), st.builds(AddReply, IDS)),
    "status": st.tuples(st.just(StatusRequest("1")), STATUSES | SUBSCRIPTIONS | ERRORS),
    "multi status": _many(MultiStatusRequest, MultiStatusReply, STATUSES | SUBSCRIPTIONS | ERRORS),
    "refill": st.tuples(st.just(RefillRequest("1")), st.builds(RefillReply, IDS) | ERRORS),
    "multi refill": _many(MultiRefillRequest, MultiRefillReply, st.builds(RefillReply, IDS) | ERRORS),
    "refill_status": st.tuples(ASKED_ONE, WORDS | ERRORS),
    "multi refill_status": _many(MultiRefillStatusRequest, MultiRefillStatusReply, WORDS | ERRORS),
    "cancel": st.tuples(st.just(CancelRequest("1")), st.just(CancelReply()) | ERRORS),
    "multi cancel": _many(MultiCancelRequest, MultiCancelReply, st.just(CancelReply()) | ERRORS),
    "balance": st.tuples(st.just(BalanceRequest()), st.builds(BalanceReply, FIGURES, st.just("USD"))),
}  # fmt: skip


def said(request: Request, reply: Reply, dialect: ProviderDialect) -> bytes:
    """A reply as a panel of the dialect says it."""
    value = msgspec.json.decode(told(reply))
    return msgspec.json.encode(spoken(action_of(request), value, dialect))


@pytest.mark.parametrize("action", EXCHANGES)
@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=25)
@given(data=st.data())
def test_what_was_said_is_read_as_what_was_meant(name: str, action: str, data: st.DataObject) -> None:
    """Reading is the saying turned round; a flag that a family leaves out is not known, and nothing else is lost."""
    dialect = DIALECTS[name]
    request, reply = data.draw(EXCHANGES[action])
    if isinstance(reply, ServicesReply):
        unsaid = {flag: None for flag in ("dripfeed", "refill", "cancel") if flag not in MANNERS[dialect.preset].flags}
        expected: Reply = ServicesReply(tuple(msgspec.structs.replace(row, **unsaid) for row in reply.services))
    elif isinstance(reply, RefillStatusReply) and MANNERS[dialect.preset].small_words:
        expected = RefillStatusReply(reply.status.lower())  # The panel's own word; core/refill.py reads it in any case.
    else:
        expected = reply
    assert read_reply(request, said(request, reply, dialect), dialect) == expected


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=25)
@given(order=IDS)
def test_order_that_was_taken_is_an_acceptance(name: str, order: str) -> None:
    """And by what proves it, not by the reader's convenience."""
    body = said(AddRequest(service="1", fields=()), AddReply(order), DIALECTS[name])
    evidence = Evidence(sent=True, status=200, body=body, complete=True, framed=True)
    assert classify_add(evidence, None, DIALECTS[name]) == Accepted(order)


@pytest.mark.parametrize("name", PRESETS)
def test_panel_does_not_know_what_its_dialect_lacks(name: str) -> None:
    """And knows all the rest."""
    dialect = PRESETS[name].dialect
    asked: dict[str, Request] = {
        "multi_status": MultiStatusRequest(("1",)),
        "refill": RefillRequest("1"),
        "cancel": MultiCancelRequest(("1",)),
        "balance": BalanceRequest(),
    }
    assert [what for what, request in asked.items() if unknown_to(dialect, request)] == [
        what for what in dialect.lacks if what in asked
    ]
    assert unknown_to(dialect, RefillStatusRequest("1")) is not dialect.refill
    assert unknown_to(dialect, MultiRefillStatusRequest(("1",))) is ("multi_refill_status" in dialect.lacks)
