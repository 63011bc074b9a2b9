"""Answers of panels: the union of what has been met, read without a guess (PROTOCOL.md section 4)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.answers import order_ids, read_reply, read_word
from gateway.core.dialects import ProviderDialect
from gateway.core.lenient import Json
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
    ServicesReply,
    ServicesRequest,
    StatusReply,
    StatusRequest,
    StatusWord,
    Unreadable,
)

ONE, TWO = StatusRequest("1"), MultiStatusRequest(("1", "2"))
FULL = '{"charge":"0.27819","start_count":"3572","status":"Partial","remains":"157","currency":"USD"}'
FULL_READ = StatusReply(status=StatusWord.PARTIAL, charge="0.27819", start_count=3572, remains=157, currency="USD")
PENDING = StatusReply(status=StatusWord.PENDING)


def junk(body: str) -> Unreadable:
    """JSON that answers something else."""
    return Unreadable("JSON, but no answer to this question", body)


@pytest.mark.parametrize(
    ("request_sent", "body", "reply"),
    [
        # status
        (ONE, FULL, FULL_READ),
        (ONE, f'{{"data":{FULL}}}', FULL_READ),
        (ONE, f'{{"1":{FULL}}}', FULL_READ),
        (ONE, f'[{{"order":1,{FULL[1:]}]', FULL_READ),
        (ONE, '{"order_status":"In progess","start_counter":5,"count_remain":null}',
         StatusReply(status=StatusWord.IN_PROGRESS, start_count=5)),
        (ONE, '{"status":"awaiting"}', PENDING),
        (ONE, '{"status":"Teleporting","remains":"Unknown"}', StatusReply(word="Teleporting")),
        (ONE, '{"status":"Fail","remains":"7"}', StatusReply(status=StatusWord.CANCELED, remains=7)),
        (ONE, '{"status":"fail"}', ErrorReply("failed")),
        (ONE, '{"error":"Incorrect order ID"}', ErrorReply("Incorrect order ID")),
        (ONE, '{"2":{"status":"Completed"}}', junk('{"2":{"status":"Completed"}}')),
        (ONE, '{"status":"Completed","error":"no","remains":"0"}', ErrorReply("no")),
        # one that says itself that it is of another order; `id` may be of anything
        (ONE, f'{{"order":1,"id":9,{FULL[1:]}', FULL_READ),
        (ONE, f'{{"order_id":"2",{FULL[1:]}', junk(f'{{"order_id":"2",{FULL[1:]}')),
        (ONE, f'{{"order":{{"id":2}},{FULL[1:]}', junk(f'{{"order":{{"id":2}},{FULL[1:]}')),
        (ONE, '{"data":' * 9 + FULL + "}" * 9, junk('{"data":' * 9 + FULL + "}" * 9)),
        # multi status
        (TWO, '{"data":' * 9 + "{}" + "}" * 9, junk('{"data":' * 9 + "{}" + "}" * 9)),
        (TWO, f'{{"1":{FULL},"2":{{"error":"Incorrect order ID"}}}}',
         MultiStatusReply((("1", FULL_READ), ("2", ErrorReply("Incorrect order ID"))))),
        (TWO, f'{{"1":{FULL},"3":{FULL}}}', MultiStatusReply((("1", FULL_READ),))),
        (TWO, f'[{{"order":"2",{FULL[1:]},"x"]', MultiStatusReply((("2", FULL_READ),))),
        (TWO, f'{{"1":{{"order":2,{FULL[1:]},"2":{FULL}}}',
         MultiStatusReply((("1", ErrorReply("no status")), ("2", FULL_READ)))),
        (TWO, f'{{"orders":{{"1":{FULL},"2":"Incorrect order ID"}}}}',
         MultiStatusReply((("1", FULL_READ), ("2", ErrorReply("Incorrect order ID"))))),
        (TWO, "[]", MultiStatusReply(())),
        (TWO, "{}", MultiStatusReply(())),
        (TWO, '{"1":[]}', MultiStatusReply((("1", ErrorReply("no status")),))),
        (TWO, '{"error":"Incorrect request"}', ErrorReply("Incorrect request")),
        (TWO, '{"data":5}', junk('{"data":5}')),
        (TWO, "5", junk("5")),
        # add
        (AddRequest(service="1", fields=()), '{"order":23501}', AddReply("23501")),
        (AddRequest(service="1", fields=()), '{"data":{"order":"EXT-200"}}', AddReply("EXT-200")),
        (AddRequest(service="1", fields=()), "12345", AddReply("12345")),
        (AddRequest(service="1", fields=()), '{"order":1,"error":"Bad link"}', ErrorReply("Bad link")),
        (AddRequest(service="1", fields=()), '{"order":0}', junk('{"order":0}')),
        # balance
        (BalanceRequest(), '{"balance":"100.84292","currency":"usd"}', BalanceReply("100.84292", "USD")),
        (BalanceRequest(), '{"status":"success","data":{"balancef":"1,000.5"}}', BalanceReply("1000.5", "")),
        (BalanceRequest(), '{"error":"Invalid API key"}', ErrorReply("Invalid API key")),
        (BalanceRequest(), '{"balance":"much"}', junk('{"balance":"much"}')),
        (BalanceRequest(), '{"data":7}', junk('{"data":7}')),
        # refill
        (RefillRequest("1"), '{"refill":"5"}', RefillReply("5")),
        (RefillRequest("1"), '{"status":"success"}', RefillReply(None)),
        (RefillRequest("1"), "5", RefillReply("5")),
        (RefillRequest("1"), '[{"order":1,"refill":7}]', RefillReply("7")),
        (RefillRequest("1"), '[{"order":1,"refill":{"error":"Not yet"}}]', ErrorReply("Not yet")),
        (RefillRequest("1"), "[]", junk("[]")),
        (RefillRequest("1"), '{"error":"Not yet"}', ErrorReply("Not yet")),
        (RefillRequest("1"), "{}", junk("{}")),
        (RefillRequest("1"), '"No refill"', ErrorReply("No refill")),
        (MultiRefillRequest(("1", "2", "3", "4")),
         '[{"order":1,"refill":5},{"order":2,"refill":{"error":"x"}},{"order":3,"refill":"No"},{"order":4,"refill":null}]',
         MultiRefillReply((
             *(("1", RefillReply("5")), ("2", ErrorReply("x"))),
             *(("3", ErrorReply("No")), ("4", ErrorReply("no refill"))),
         ))),
        (MultiRefillRequest(("1",)), '{"error":"x"}', ErrorReply("x")),
        # refill status
        (RefillStatusRequest("5"), '{"status":"Completed"}', RefillStatusReply("Completed")),
        (RefillStatusRequest("5"), '{"status":"Error"}', RefillStatusReply("Error")),
        (RefillStatusRequest("5"), '[{"refill":5,"status":"Pending"}]', RefillStatusReply("Pending")),
        (RefillStatusRequest("5"), '{"status":{"error":"none"}}', junk('{"status":{"error":"none"}}')),
        (RefillStatusRequest("5"), '{"data":{"status":"Pending"}}', RefillStatusReply("Pending")),
        (OrderRefillStatusRequest("5"), '{"error":"Refill not found"}', ErrorReply("Refill not found")),
        (RefillStatusRequest("5"), "[]", junk("[]")),
        (MultiRefillStatusRequest(("5", "6")),
         '[{"refill":5,"status":"Completed"},{"refill":6,"status":{"error":"none"}}]',
         MultiRefillStatusReply((("5", RefillStatusReply("Completed")), ("6", ErrorReply("none"))))),
        (MultiRefillStatusRequest(("5", "6")), '{"5":"Completed","6":7}',
         MultiRefillStatusReply((("5", RefillStatusReply("Completed")), ("6", ErrorReply("no status"))))),
        (MultiRefillStatusRequest(("5",)), '{"error":"x"}', ErrorReply("x")),
        # cancel
        (CancelRequest("1"), '{"success":"We will try"}', CancelReply()),
        (CancelRequest("1"), '"Pending"', CancelReply()),
        (CancelRequest("1"), '"ok"', CancelReply()),
        (CancelRequest("1"), '"No way"', ErrorReply("No way")),
        (CancelRequest("1"), '""', junk('""')),
        (CancelRequest("1"), '{"status":1}', CancelReply()),
        (CancelRequest("1"), "{}", junk("{}")),
        (CancelRequest("1"), '{"error":"no"}', ErrorReply("no")),
        (CancelRequest("1"), '[{"order":1,"cancel":1}]', CancelReply()),
        (CancelRequest("1"), "[]", junk("[]")),
        (MultiCancelRequest(("1", "2", "3")),
         '[{"order":1,"cancel":1},{"order":2,"cancel":{"error":"x"}},{"order":3,"cancel":0}]',
         MultiCancelReply((("1", CancelReply()), ("2", ErrorReply("x")), ("3", ErrorReply("refused"))))),
        (MultiCancelRequest(("1", "2")), '{"1":"Pending","2":null}',
         MultiCancelReply((("1", CancelReply()), ("2", ErrorReply("refused"))))),
        (MultiCancelRequest(("1",)), '{"error":"x"}', ErrorReply("x")),
        # what a panel made for an order: subscriptions and drip-feeds
        (ONE, '{"status":"Active","expiry":"31/12/2026","posts":"2","orders":["12","13"]}',
         StatusReply(status=StatusWord.IN_PROGRESS, orders=("12", "13"), posts=2, expiry="31/12/2026")),
        (ONE, '{"status":"Paused","expiry":"","posts":0,"orders":[]}',
         StatusReply(status=StatusWord.IN_PROGRESS, orders=(), posts=0)),
        (ONE, '{"status":"Expired","orders":null}', StatusReply(status=StatusWord.CANCELED)),
        (ONE, '{"status":"Completed","orders":[12,"no id"]}', StatusReply(status=StatusWord.COMPLETED)),
        (MultiStatusRequest(("1", "2")),
         '{"1":{"status":"Completed","orders":"12,13"},"2":{"status":"Canceled","orders":{}}}',
         MultiStatusReply((("1", StatusReply(status=StatusWord.COMPLETED, orders=("12", "13"))),
                           ("2", StatusReply(status=StatusWord.CANCELED, orders=()))))),
        # anything
        (ONE, "Invalid API key", ErrorReply("Invalid API key")),
        (ONE, "", Unreadable("nothing was sent")),
    ],
)  # fmt: skip
def test_answer_is_read(request_sent: Request, body: str, reply: Reply | Unreadable) -> None:
    """Every shape that has been met, and no news where there is none."""
    assert read_reply(request_sent, body.encode()) == reply


@pytest.mark.parametrize("body", ["<html>Just a moment</html>", "line one\nline two", "x" * 400, "\ufffd", "[1"])
def test_q70_page_is_unreadable(body: str) -> None:
    """A page, a text of several lines or junk is no error text."""
    assert isinstance(read_reply(ONE, body.encode()), Unreadable)


def test_services_go_through_the_same_door() -> None:
    """A list is a list; a sentence in its place is an error (Q57)."""
    reply = read_reply(ServicesRequest(), b'[{"service":1,"rate":"1"}]')
    assert isinstance(reply, ServicesReply)
    assert read_reply(ServicesRequest(), b'"Access denied"') == ErrorReply("Access denied")


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Pending", StatusWord.PENDING),
        ("in-queue", StatusWord.PENDING),
        ("PROCESSING", StatusWord.PROCESSING),
        ("In_Progress", StatusWord.IN_PROGRESS),
        ("refilling", StatusWord.IN_PROGRESS),
        ("Complete", StatusWord.COMPLETED),
        ("Partially completed", StatusWord.PARTIAL),
        ("canelled", StatusWord.CANCELED),
        ("Refunded", StatusWord.CANCELED),
        ("3", None),
        ("", None),
    ],
)
def test_q47_status_word_is_known_in_every_spelling(word: str, status: StatusWord | None) -> None:
    """Case, `_`, `-` and the typos of large panels; a number means nothing by itself."""
    assert read_word(word) is status


def test_q47_code_means_what_the_panels_own_map_says() -> None:
    """Only the operator knows a panel's numbers."""
    dialect = ProviderDialect(statuses={"3": StatusWord.COMPLETED})
    assert read_word("3", dialect) is StatusWord.COMPLETED
    assert read_reply(ONE, b'{"status":3,"remains":0}', dialect) == StatusReply(status=StatusWord.COMPLETED, remains=0)


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ({"order": 5, "id": 5}, (5, 5)),
        ({"data": {"order_id": "7"}}, ("7",)),
        ({"data": []}, ()),
        ({"order": {"id": 3}}, ()),
        (5, (5,)),
        (True, (True,)),
        ("5", ()),
        (None, ()),
        ([5], ()),
    ],
)
def test_q42_ids_are_found_on_every_path(value: Json, ids: tuple[Json, ...]) -> None:
    """Usable or not: two that differ are as telling as one."""
    assert order_ids(value) == ids


OWN = ProviderDialect(
    replies={
        "order": "data.trx", "refill": "job", "status": "state_text", "start_count": "before", "remains": "left",
        "charge": "paid.sum", "currency": "coin", "balance": "data.saldo",
    },
    statuses={"Sedang_Jalan": StatusWord.IN_PROGRESS, "9": StatusWord.PARTIAL, "done": StatusWord.PARTIAL},
)  # fmt: skip
ROW = '"state_text":"sedang jalan","before":"5","left":"7","paid":{"sum":"1.50"},"coin":"idr"'
ROW_READ = StatusReply(status=StatusWord.IN_PROGRESS, start_count=5, remains=7, charge="1.5", currency="IDR")


@pytest.mark.parametrize(
    ("request_sent", "body", "reply"),
    [
        (ONE, "{" + ROW + "}", ROW_READ),
        (ONE, '{"trx":1,' + ROW + "}", ROW_READ),
        (ONE, '{"state_text":9}', StatusReply(status=StatusWord.PARTIAL)),
        (ONE, '{"status":"Done","remains":3}', StatusReply(status=StatusWord.PARTIAL, remains=3)),
        (ONE, '{"state_text":"huh","left":0}', StatusReply(word="huh", remains=0)),
        (TWO, '[{"trx":1,' + ROW + '},{"trx":3,' + ROW + "}]", MultiStatusReply((("1", ROW_READ),))),
        (AddRequest(service="1", fields=()), '{"data":{"trx":55}}', AddReply("55")),
        (RefillRequest("1"), '{"job":12}', RefillReply("12")),
        (RefillRequest("1"), '{"success":true,"data":{"job":12}}', RefillReply("12")),
        (
            MultiRefillRequest(("1",)),
            '[{"order":1,"refill":{"job":12}}]',
            MultiRefillReply((("1", RefillReply("12")),)),
        ),
        (BalanceRequest(), '{"data":{"saldo":"7.5","coin":"idr"},"coin":"idr"}', BalanceReply("7.5", "IDR")),
        (RefillStatusRequest("1"), '{"state_text":9}', RefillStatusReply("Partial")),
        (RefillStatusRequest("1"), '{"data":{"state_text":"Rejected"}}', RefillStatusReply("Rejected")),
        (BalanceRequest(), '{"balance":"7.5","coin":null,"currency":"USD"}', BalanceReply("7.5", "USD")),
    ],
)
def test_q48_figures_are_found_under_the_panels_own_names(request_sent: Request, body: str, reply: Reply) -> None:
    """Its names go before the common ones, which still count; its words before the common words."""
    assert read_reply(request_sent, body.encode(), OWN) == reply


def test_row_of_another_order_is_known_by_the_panels_own_name() -> None:
    """U22: whichever name it has for the id."""
    body = ('{"trx":2,' + ROW + "}").encode()
    assert isinstance(read_reply(ONE, body, OWN), Unreadable)
    assert order_ids({"data": {"trx": 5}, "order": 5}, OWN) == (5, 5)


REQUESTS = st.sampled_from(
    [ONE, TWO, AddRequest(service="1", fields=()), BalanceRequest(), ServicesRequest(), RefillRequest("1"),
     MultiRefillRequest(("1",)), RefillStatusRequest("1"), MultiRefillStatusRequest(("1",)), CancelRequest("1"),
     MultiCancelRequest(("1",))]
)  # fmt: skip
KEYS = st.sampled_from(
    ["1", "2", "order", "status", "error", "refill", "data", "orders", "cancel", "message", "balance"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["1", "Completed", "fail"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


@given(REQUESTS, JSON)
def test_any_json_gives_a_value(request_sent: Request, value: object) -> None:
    """Total: whatever shape comes, something is answered and nothing raised."""
    reply = read_reply(request_sent, json.dumps(value).encode())
    assert type(reply).__name__.endswith("Reply") or isinstance(reply, Unreadable)


@given(REQUESTS, st.binary(max_size=100))
def test_any_bytes_give_a_value(request_sent: Request, body: bytes) -> None:
    """The same for what is not even JSON."""
    reply = read_reply(request_sent, body)
    assert type(reply).__name__.endswith("Reply") or isinstance(reply, Unreadable)
