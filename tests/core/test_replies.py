"""Replies: byte for byte what strict clients accept, and read back as they were written."""

import json
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.answers import read_reply
from gateway.core.dialects import UserDialect
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
)
from gateway.core.replies import write_reply

LEGACY = UserDialect(name="legacy", order_id="number")
STATUS = StatusReply(status=StatusWord.CANCELED, charge="0.27819", start_count=3572, remains=157, currency="USD")
STATUS_WIRE = '{"charge":"0.27819","start_count":"3572","status":"Canceled","remains":"157","currency":"USD"}'


@pytest.mark.parametrize(
    ("reply", "wire"),
    [
        (ErrorReply("Incorrect request"), '{"error":"Incorrect request"}'),
        (AddReply("23501"), '{"order":"23501"}'),
        (STATUS, STATUS_WIRE),
        (StatusReply(), '{"charge":"0","start_count":"0","status":"Pending","remains":"0","currency":""}'),
        (
            MultiStatusReply((("1", STATUS), ("10", ErrorReply("Incorrect order ID")))),
            f'{{"1":{STATUS_WIRE},"10":{{"error":"Incorrect order ID"}}}}',
        ),
        (
            RefillReply("12345"),
            '{"success":"Your order will be refill asap. Thank you for patience","refill":12345}',
        ),
        (RefillReply(), '{"success":"Your order will be refill asap. Thank you for patience"}'),
        (
            MultiRefillReply((("1", RefillReply("1")), ("2", RefillReply()), ("3", ErrorReply("Invalid Request")))),
            '[{"order":1,"refill":1},{"order":2,"refill":1},{"order":3,"refill":{"error":"Invalid Request"}}]',
        ),
        (RefillStatusReply("Completed"), '{"status":"Completed"}'),
        (
            MultiRefillStatusReply(
                (("1", RefillStatusReply("Completed")), ("x", ErrorReply("Refill Request Not found")))
            ),
            '[{"refill":1,"status":"Completed"},{"refill":"x","status":{"error":"Refill Request Not found"}}]',
        ),
        (
            CancelReply(),
            (
                '{"success":"We will attempt to cancel this order. Cancellation is not guaranteed. '
                'Please check again in 5 minutes."}'
            ),
        ),
        (
            MultiCancelReply((("9", ErrorReply("Incorrect order ID")), ("2", CancelReply()))),
            '[{"order":9,"cancel":{"error":"Incorrect order ID"}},{"order":2,"cancel":1}]',
        ),
        (BalanceReply("100.84292", "USD"), '{"balance":"100.84292","currency":"USD"}'),
    ],
)
def test_reply_is_the_contract_to_the_byte(reply: Reply, wire: str) -> None:
    """PROTOCOL.md section 1, row by row."""
    assert write_reply(reply).decode() == wire


ROW = ServiceRow(
    service="7",
    name="Ünï",
    type="Custom Comments",
    category="C",
    rate="0.9",
    min=1,
    max=10,
    refill=True,
    description="D",
)


def test_row_of_services_has_every_field_of_its_kind() -> None:
    """Integers, strings and booleans as panels expect them, the description twice, nothing missing."""
    (row,) = json.loads(write_reply(ServicesReply((ROW,))))
    assert row == {
        "service": 7,
        "name": "Ünï",
        "type": "Custom Comments",
        "category": "C",
        "rate": "0.9",
        "min": "1",
        "max": "10",
        "dripfeed": False,
        "refill": True,
        "cancel": False,
        "description": "D",
        "desc": "D",
    }


def test_legacy_dialect_says_it_the_old_way() -> None:
    """`Cancelled`, lower-case types, a number for the charge in multi-status, and a number for the order's id."""
    (row,) = json.loads(write_reply(ServicesReply((ROW,)), LEGACY))
    assert row["type"] == "custom_comments"
    assert write_reply(STATUS, LEGACY).decode() == STATUS_WIRE.replace("Canceled", "Cancelled")
    many = write_reply(MultiStatusReply((("1", STATUS), ("2", ErrorReply("E")))), LEGACY).decode()
    assert '"charge":0.27819,' in many
    assert '"status":"Cancelled"' in many
    bare = write_reply(MultiStatusReply((("1", StatusReply()),)), LEGACY).decode()
    assert '"charge":0,' in bare
    assert write_reply(AddReply("23501"), LEGACY) == b'{"order":23501}'
    odd = ServiceRow(service="x-1", name="", type="Holograms", category="", rate="1", min=1, max=1)
    (row,) = json.loads(write_reply(ServicesReply((odd,)), LEGACY))
    assert (row["type"], row["service"]) == ("Holograms", "x-1")


@pytest.mark.parametrize("text", ["007", "9" * 30, "18446744073709551616"])
def test_only_a_number_that_stays_itself_becomes_one(text: str) -> None:
    """An id that JSON would change is repeated as it was asked."""
    wire = json.loads(write_reply(MultiCancelReply(((text, CancelReply()),))))
    assert wire == [{"order": text, "cancel": 1}]


IDS = st.integers(1, 2**31 - 1).map(str)
TEXTS = st.text("abc ABC.-", min_size=1, max_size=20).map(str.strip).filter(bool)
PLAIN = st.decimals(0, 10**6, places=5).map(lambda number: f"{number:f}".rstrip("0").rstrip(".") or "0")
STATUSES = st.builds(
    StatusReply,
    status=st.sampled_from(list(StatusWord)),
    charge=PLAIN,
    start_count=st.integers(0, 10**9),
    remains=st.integers(0, 10**9),
    currency=st.sampled_from(["USD", "EUR", "VND"]),
)
ERRORS = st.builds(ErrorReply, TEXTS)


T = TypeVar("T")


def many(item: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[tuple[str, T | ErrorReply], ...]]:
    """Items under ids that differ."""
    return st.dictionaries(IDS, item | ERRORS, min_size=1, max_size=5).map(lambda rows: tuple(rows.items()))


ROWS = st.builds(
    ServiceRow,
    service=IDS,
    name=TEXTS,
    type=st.sampled_from(["Default", "Package", "Custom Comments", "Hologram"]),
    category=TEXTS,
    rate=PLAIN,
    min=st.integers(0, 10**6),
    max=st.integers(0, 10**9),
    dripfeed=st.booleans(),
    refill=st.booleans(),
    cancel=st.booleans(),
    description=TEXTS,
)
EXCHANGES = st.one_of(
    st.tuples(st.just(ServicesRequest()), st.builds(ServicesReply, st.lists(ROWS, min_size=1, max_size=4).map(tuple))),
    st.tuples(st.just(AddRequest(service="1", fields=())), st.builds(AddReply, IDS) | ERRORS),
    st.tuples(st.just(StatusRequest("1")), STATUSES | ERRORS),
    many(STATUSES).map(lambda rows: (MultiStatusRequest(tuple(i for i, _ in rows)), MultiStatusReply(rows))),
    st.tuples(st.just(RefillRequest("1")), st.builds(RefillReply, IDS) | ERRORS),
    many(st.builds(RefillReply, IDS)).map(
        lambda rows: (MultiRefillRequest(tuple(i for i, _ in rows)), MultiRefillReply(rows))
    ),
    st.tuples(st.just(RefillStatusRequest("1")), st.builds(RefillStatusReply, TEXTS) | ERRORS),
    many(st.builds(RefillStatusReply, TEXTS)).map(
        lambda rows: (MultiRefillStatusRequest(tuple(i for i, _ in rows)), MultiRefillStatusReply(rows))
    ),
    st.tuples(st.just(CancelRequest("1")), st.just(CancelReply()) | ERRORS),
    many(st.just(CancelReply())).map(
        lambda rows: (MultiCancelRequest(tuple(i for i, _ in rows)), MultiCancelReply(rows))
    ),
    st.tuples(st.just(BalanceRequest()), st.builds(BalanceReply, PLAIN, st.just("USD")) | ERRORS),
)


@given(EXCHANGES)
def test_reading_what_was_written_gives_it_back(exchange: tuple[Request, Reply]) -> None:
    """Our own replies are read by our own client as what they were."""
    request, reply = exchange
    assert read_reply(request, write_reply(reply)) == reply
