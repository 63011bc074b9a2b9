"""Outcomes: evidence in, one of four out, and nothing is ever raised (RELIABILITY.md sections 1.5 and 1.6)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.dialects import ProviderDialect
from gateway.core.outcome import (
    USUAL,
    Accepted,
    Evidence,
    NotSent,
    Outcome,
    Policy,
    Rejected,
    Unknown,
    answer_text,
    classify_add,
)
from gateway.core.rejections import RejectKind


def answered(
    body: str | bytes, status: int = 200, *, framed: bool = True, location: str | None = None, policy: Policy = USUAL
) -> Outcome:
    """The outcome of a whole answer."""
    raw = body.encode() if isinstance(body, str) else body
    return classify_add(
        Evidence(
            sent=True, status=status, body=raw, complete=True, framed=framed, location=location,
            url="https://panel.example/api/v2",
        ),
        policy=policy,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "order"),
    [
        ('{"order": 23501}', "23501"),
        ('{"order": "23501"}', "23501"),
        ('{"order": "EXT-200"}', "EXT-200"),
        ('{"order": 9007199254740993}', "9007199254740993"),
        ('{"status":"success","order":7}', "7"),
        ('{"order_id":7}', "7"),
        ('{"data":{"order":7}}', "7"),
        ('{"order":7,"id":7}', "7"),
        ("12345", "12345"),
        ('\ufeff{"order": 7}', "7"),
        ('<br />Notice: x in y\n{"order": 7}', "7"),
    ],
)
def test_one_usable_id_is_an_acceptance(body: str, order: str) -> None:
    """Under any of its names, however often the same."""
    assert answered(body) == Accepted(order)


@pytest.mark.parametrize(
    "body",
    [
        '{"order":0}', '{"order":""}', '{"order":null}', '{"order":false}', '{"order":true}', '{"order":-5}',
        '{"order":1.5}', '{"order":[1]}', '{"order":"١٢"}', '{"order":1,"id":2}', '{"order":7,"order":8}',
        "true", "0", '{"order":7,"error":"Bad link"}', '{"error":"timed out"}', '{"error":"Blub"}',
        '{"error":"Incorrect order ID"}', "", "null", "[]", "{}", '"Empty Data"', "<html></html>", "NaN",
        "1" * 5000, "[" * 30000, '{"order":', b"\xff\xfe", '<br />Notice\n{"order":1,"id":2}', "<br />x {}",
        '{"a":{"order":1}}', '<br />x {"order":0}', '<br />x {"error":"Bad link"}',
    ],
)  # fmt: skip
def test_anything_else_with_200_is_unknown(body: str | bytes) -> None:
    """No id, no usable one, two, one beside an error, a vague error, a page, nothing, a bomb."""
    assert isinstance(answered(body), Unknown)


@pytest.mark.parametrize(
    "body",
    [
        '{"jsonrpc":"2.0","id":1,"result":{"order":5}}',
        '{"id":1,"order":{"id":5}}',
        '{"id":1,"orders":[{"order_id":5}]}',
        '{"order":5,"data":{"reseller":{"orderID":6}}}',
        '{"order":"0.0"}',
        '{"order":"1.5"}',
    ],
)
def test_id_that_may_be_something_elses_is_unknown(body: str) -> None:
    """A call's or a user's `id` taken for the order's would have us follow a stranger's order."""
    assert isinstance(answered(body), Unknown)


@pytest.mark.parametrize("status", [200, 401, 403, 404, 429])
@pytest.mark.parametrize(
    "body",
    [
        '{"error":"Incorrect link","result":{"order":55}}',
        '{"error":{"message":"Incorrect link","order":55}}',
        '{"result":{"order":55}}',
        '[{"order":55}]',
        '{"order":55,}',
        '{"order":0,}',
        '<br />Notice: x in y\n{"order":55}',
        '<br />Notice: x in y\n{"result":{"order":{"id":55}}}',
    ],
)
def test_refusal_that_has_an_order_id_somewhere_is_none(body: str, status: int) -> None:
    """Whatever else it says: going to another panel could place the order twice."""
    assert isinstance(answered(body, status), Unknown | Accepted)
    assert not isinstance(answered(body, status), Rejected)


def test_refusal_may_speak_of_orders_without_an_id() -> None:
    """The word alone proves nothing."""
    body = '{"error":{"order":"Not enough funds for this order"},"data":[{"order":null}]}'
    outcome = answered(body)
    assert isinstance(outcome, Rejected)
    assert outcome.kind is RejectKind.FUNDS


def test_bare_number_needs_an_announced_end() -> None:
    """Cut off, 12345 is a valid 123: somebody else's order."""
    assert isinstance(answered("12345", framed=False), Unknown)
    assert answered('{"order":12345}', framed=False) == Accepted("12345")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ('{"error":"Not enough funds on balance"}', 200, RejectKind.FUNDS),
        ('{"error":"Bad link"}', 400, RejectKind.LINK),
        ('{"error":"Blub"}', 401, RejectKind.CREDENTIALS),
        ('{"error":"Too many requests, try again"}', 429, RejectKind.THROTTLED),
        ("<html>", 403, RejectKind.THROTTLED),
        ("<html>", 404, RejectKind.REQUEST),
        ("{}", 405, RejectKind.REQUEST),
        ("", 413, RejectKind.FIELD),
    ],
)
def test_clear_refusal_is_a_rejection(body: str, status: int, kind: RejectKind) -> None:
    """A known text, or an HTTP refusal that comes before any application code."""
    outcome = answered(body, status)
    assert isinstance(outcome, Rejected)
    assert outcome.kind is kind


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 524])
@pytest.mark.parametrize("body", ['{"error":"Bad link"}', '{"order":7}', "<html>"])
def test_server_error_is_unknown_whatever_it_says(status: int, body: str) -> None:
    """The order may have been made before the error."""
    assert isinstance(answered(body, status), Unknown)


@pytest.mark.parametrize(("body", "status"), [('{"order":7}', 400), ('{"error":"Blub"}', 422), ("x", 418)])
def test_odd_client_error_is_unknown(body: str, status: int) -> None:
    """An id beside a refusal, an unknown text, an unknown status."""
    assert isinstance(answered(body, status), Unknown)


@pytest.mark.parametrize(
    ("location", "refused"),
    [
        ("https://www.panel.example/api/v2", True),
        ("http://panel.example/api/v2/", True),
        ("/api/v2/", True),
        ("https://panel.example/login", False),
        ("https://panel.example/api/v2?x=1", False),
        ("file:///api/v2", False),
        ("http://[bad", False),
        (None, False),
    ],
)
def test_redirect_that_corrects_the_address_is_a_refusal(location: str | None, refused: bool) -> None:
    """It came before any application code; every other redirect is unknown, and none is followed."""
    outcome = answered("", 301, location=location)
    assert isinstance(outcome, Rejected) is refused
    assert isinstance(outcome, Unknown) is not refused


def test_nothing_sent_is_never_sent() -> None:
    """Only the missing header event proves it, whatever the exception was called."""
    assert classify_add(Evidence(sent=False, failure="ConnectError")) == NotSent("ConnectError")
    assert classify_add(Evidence(sent=False)) == NotSent("nothing was sent")


@pytest.mark.parametrize(
    "evidence", [Evidence(sent=True), Evidence(sent=True, status=200, body=b'{"order":7}', failure="reset")]
)
def test_broken_answer_is_unknown(evidence: Evidence) -> None:
    """Half an answer proves nothing, even if the half looks whole."""
    assert isinstance(classify_add(evidence), Unknown)


def test_address_without_a_path_is_never_taken_for_the_same() -> None:
    """Nothing to compare is nothing proved."""
    evidence = Evidence(sent=True, status=302, complete=True, location="https://x.example", url="https://x.example")
    assert isinstance(classify_add(evidence), Unknown)


def test_providers_own_texts_are_known() -> None:
    """What an operator has learnt turns unknown into a refusal."""
    evidence = Evidence(sent=True, status=200, body=b'{"error":"Blub"}', complete=True)
    assert classify_add(evidence, {"blub": RejectKind.SERVICE}) == Rejected(RejectKind.SERVICE, "Blub")


@pytest.mark.parametrize(
    ("kind", "text", "fault"),
    [
        (RejectKind.LINK, "Incorrect link", True),
        (RejectKind.QUANTITY, "Incorrect quantity", True),
        (RejectKind.FIELD, "Incorrect request", True),
        (RejectKind.FUNDS, "Service temporarily unavailable", False),
        (RejectKind.CREDENTIALS, "Service temporarily unavailable", False),
    ],
)
def test_user_reads_our_words_alone(kind: RejectKind, text: str, fault: bool) -> None:
    """The panel's own could carry its name, our balance there or our key."""
    outcome = Rejected(kind, "panel-a says: key 123, balance 5")
    assert (answer_text(outcome), outcome.users_fault) == (text, fault)


def test_user_reads_which_field_was_refused() -> None:
    """Its name is ours, whatever stands around it in the panel's words."""
    outcome = Rejected(RejectKind.FIELD, "panel-a, key 123: Comments field is required")
    assert answer_text(outcome) == "Incorrect comments"


@given(st.binary(max_size=300), st.integers(100, 599), st.booleans(), st.booleans())
def test_any_bytes_are_classified(body: bytes, status: int, complete: bool, framed: bool) -> None:
    """Total, and nothing is accepted that was not whole."""
    outcome = classify_add(Evidence(sent=True, status=status, body=body, complete=complete, framed=framed))
    assert isinstance(outcome, Accepted | Rejected | Unknown)
    if isinstance(outcome, Accepted):
        assert complete
        assert outcome.upstream_order.encode() in body


@given(
    st.dictionaries(
        st.sampled_from(["order", "id", "error", "data", "status"]),
        st.none() | st.booleans() | st.integers(-5, 99) | st.text(max_size=4) | st.lists(st.integers()),
    )
)
def test_accepted_only_with_a_usable_id(value: dict[str, object]) -> None:
    """Whatever stands beside it."""
    outcome = answered(json.dumps(value))
    if isinstance(outcome, Accepted):
        assert not value.get("error")
        assert outcome.upstream_order in {str(value.get("order")).strip(), str(value.get("id")).strip()}


TRX = ProviderDialect(replies={"order": "data.trx"})


def in_own_words(body: str | bytes, status: int = 200, dialect: ProviderDialect = TRX) -> Outcome:
    """The outcome of a whole answer of a panel that has another name for an order's id."""
    raw = body.encode() if isinstance(body, str) else body
    return classify_add(Evidence(sent=True, status=status, body=raw, complete=True, framed=True), None, dialect)


@pytest.mark.parametrize(
    "body", ['{"data":{"trx":7}}', '{"data":{"trx":"7"},"order":7}', '<br />x\n{"data":{"trx":7}}']
)
def test_id_under_the_panels_own_name_is_an_acceptance(body: str) -> None:
    """Its dialect says where the id stands; without that nobody can tell."""
    assert in_own_words(body) == Accepted("7")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"data":{"trx":7},"order":8}', 200),
        ('{"data":{"trx":0}}', 200),
        ('{"data":{"trx":7},"error":"Bad link"}', 200),
        ('{"error":"Bad link","detail":{"TRX":7}}', 200),
        ('{"status":"fail","data":{"trx":7}}', 200),
        ('{"data":{"trx":7}}', 404),
        ('<br />x {"data":{"trx":7}', 404),
        ('<br />x {"data":{"trx":7}}', 429),
        ('{"trx":7}', 200),
    ],
)
def test_what_speaks_against_an_acceptance_does_so_under_any_name(body: str, status: int) -> None:
    """Two ids, no usable one, one beside an error or a refusal, or not where the dialect says: not an acceptance."""
    assert not isinstance(in_own_words(body, status), Accepted)
    if "7" in body and status == 200:
        assert isinstance(in_own_words(body, status), Unknown)


ANSWERS = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 9) | st.sampled_from(["7", "Bad link", "fail", "success", ""]),
    lambda inner: st.dictionaries(
        st.sampled_from(["order", "id", "trx", "data", "error", "status", "message", "order_id"]), inner, max_size=4
    ),
    max_leaves=6,
)


@given(ANSWERS, st.sampled_from([200, 201, 400, 401, 404, 429, 500]), st.sampled_from(["trx", "data.trx", "data.id"]))
def test_dialect_turns_no_doubt_into_a_verdict(answer: object, status: int, path: str) -> None:
    """It may show an id where it says there is one, or speak against a verdict; it makes no refusal and moves no id."""
    body = json.dumps(answer)
    plain, own = answered(body, status), in_own_words(body, status, ProviderDialect(replies={"order": path}))
    if isinstance(own, Rejected):
        assert own == plain
    if isinstance(own, Accepted) and own != plain:
        assert isinstance(plain, Unknown)
        found: object = answer
        for name in path.split("."):
            assert isinstance(found, dict)
            found = found[name]
        assert str(found) == own.upstream_order
        assert status in (200, 201)


@given(
    st.binary(max_size=60),
    st.sampled_from(
        [
            ProviderDialect(statuses={"Bad link": "Completed"}),  # type: ignore[dict-item] # never looked at
            ProviderDialect(replies={"status": "trx", "balance": "order"}, decimal_comma=True),
            ProviderDialect(multi_status=False, cancel=False, body="json"),
        ]
    ),
)
def test_no_other_part_of_a_dialect_touches_an_add(body: bytes, dialect: ProviderDialect) -> None:
    """Words, figures and capabilities say nothing about whether an order was taken."""
    assert in_own_words(body, 200, dialect) == answered(body)
