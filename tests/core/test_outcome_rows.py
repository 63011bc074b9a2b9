"""Outcomes by the table of RELIABILITY.md section 1.6, row by row, each with what a provider's policy makes of it."""

import json
from collections.abc import Mapping

import pytest

from gateway.core.outcome import (
    MAY_BE_REJECTED,
    MAY_BE_UNKNOWN,
    USUAL,
    Accepted,
    Evidence,
    Outcome,
    Policy,
    Rejected,
    Unknown,
    classify_add,
    error_text,
)
from gateway.core.rejections import RejectKind


def answered(
    body: str | bytes,
    status: int = 200,
    *,
    policy: Policy = USUAL,
    classified: Mapping[str, RejectKind | None] | None = None,
) -> Outcome:
    """The outcome of a whole answer."""
    raw = body.encode() if isinstance(body, str) else body
    evidence = Evidence(sent=True, status=status, body=raw, complete=True, framed=True)
    return classify_add(evidence, policy=policy, classified=classified)


KNOWN = '{"error":"Not enough funds"}'
VAGUE = (
    *("timeout", "Request timed out", "Please try again", "Internal error", "Server error", "Database is locked"),
    *("Something went wrong", "Order is processing", "Site under maintenance"),
)
REFUSED_BY_HTTP = {
    429: RejectKind.THROTTLED, 401: RejectKind.CREDENTIALS, 403: RejectKind.THROTTLED, 404: RejectKind.REQUEST,
    405: RejectKind.REQUEST, 413: RejectKind.FIELD, 414: RejectKind.FIELD, 415: RejectKind.REQUEST,
    431: RejectKind.REQUEST,
}  # fmt: skip


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_row_usable_id_is_accepted_with_any_2xx(status: int) -> None:
    """2xx, an object, a usable id, no error."""
    assert answered('{"order":"23501"}', status) == Accepted("23501")


@pytest.mark.parametrize("order", ["0", '""', "null", "false", "true", "-5", "1.5", "[7]", "{}", '"١٢"', '"7 8"'])
@pytest.mark.parametrize("status", [200, 400, 409, 422])
def test_row_unusable_id_is_unknown(order: str, status: int) -> None:
    """Somebody else's order, or none; with any status that is no refusal of HTTP's own."""
    assert isinstance(answered(f'{{"order":{order}}}', status), Unknown)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429])
def test_row_id_beside_an_error_is_unknown(status: int) -> None:
    """Whichever of them is true."""
    assert isinstance(answered('{"order":7,"error":"Not enough funds"}', status), Unknown)


@pytest.mark.parametrize("text", VAGUE)
@pytest.mark.parametrize("status", [200, 400, 422])
@pytest.mark.parametrize("policy", [USUAL, Policy(unrecognised_error="rejected")])
def test_row_text_that_smells_of_time_is_unknown(text: str, status: int, policy: Policy) -> None:
    """Under every policy: panels have been seen to say so and place the order."""
    assert isinstance(answered(json.dumps({"error": text}), status, policy=policy), Unknown)


@pytest.mark.parametrize("status", [200, 400, 409, 422])
def test_row_unrecognised_text_follows_the_providers_policy(status: int) -> None:
    """Unknown until somebody who knows the panel says that its errors are refusals."""
    body = '{"error":"Blub"}'
    assert isinstance(answered(body, status), Unknown)
    sure = Policy(unrecognised_error="rejected")
    assert answered(body, status, policy=sure) == Rejected(RejectKind.REFUSED, "Blub")
    assert isinstance(answered('{"error":"Incorrect order ID"}', status, policy=sure), Unknown)
    assert isinstance(answered('{"error":"Blub","order":7}', status, policy=sure), Unknown)
    assert isinstance(answered('{"error":"12!"}', status, policy=sure), Unknown)
    assert isinstance(answered("{}", status, policy=sure), Unknown)


@pytest.mark.parametrize("status", [200, 400, 409, 422])
def test_row_classified_text_is_what_a_person_said(status: int) -> None:
    """A refusal of that kind, or no proof, whatever the policy; never where an id stands beside it or with a 5xx."""
    said = {"blub #": RejectKind.LINK, "blob": None, "ghost": RejectKind.ORDER}
    for policy in (USUAL, Policy(unrecognised_error="rejected")):
        assert answered('{"error":"Blub 7"}', status, policy=policy, classified=said) == Rejected(
            RejectKind.LINK, "Blub 7"
        )
        for body in (
            '{"error":"Blob"}',
            '{"error":"Ghost"}',
            '{"error":"Blub 7","order":7}',
            '{"error":"Blub 7 times"}',
        ):
            known = policy is USUAL or body != '{"error":"Blub 7 times"}'
            assert isinstance(answered(body, status, policy=policy, classified=said), Unknown) == known, body
    assert isinstance(answered('{"error":"Blub 7"}', 502, classified=said), Unknown)


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        (Evidence(sent=True, status=200, body=b'{"error":"Blub"}', complete=True), "Blub"),
        (Evidence(sent=True, status=422, body=b'{"message":"Blub"}', complete=True), "Blub"),
        (Evidence(sent=True, status=200, body=b'"Blub"', complete=True), "Blub"),
        (Evidence(sent=True, status=200, body=b'{"status":"fail"}', complete=True), None),
        (Evidence(sent=True, status=200, body=b'{"order":7}', complete=True), None),
        (Evidence(sent=True, status=200, body=b"<html>", complete=True), None),
        (Evidence(sent=True, status=500, body=b'{"error":"Blub"}', complete=True), None),
        (Evidence(sent=True, status=302, body=b'{"error":"Blub"}', complete=True), None),
        (Evidence(sent=True, status=200, body=b'{"error":"Blub"}'), None),
    ],
)
def test_row_text_that_could_be_classified_is_found(evidence: Evidence, text: str | None) -> None:
    """Where a meaning would count: one JSON value that came whole, and no 5xx."""
    assert error_text(evidence) == text


@pytest.mark.parametrize(("status", "kind"), REFUSED_BY_HTTP.items())
@pytest.mark.parametrize("body", ["", "<html>", "{}", '{"error":"Blub"}'])
def test_row_http_refusal_is_rejected_unless_the_policy_doubts_it(status: int, kind: RejectKind, body: str) -> None:
    """It came before any application code; where a panel's own code answers so, an operator can say that."""
    outcome = answered(body, status)
    assert isinstance(outcome, Rejected)
    assert outcome.kind is kind
    doubting = Policy(unknown_statuses=(status,))
    assert isinstance(answered(body, status, policy=doubting), Unknown)
    assert answered(KNOWN, status, policy=doubting) == Rejected(RejectKind.FUNDS, "Not enough funds")
    others = tuple(MAY_BE_UNKNOWN - {status})
    assert isinstance(answered(body, status, policy=Policy(unknown_statuses=others)), Rejected)


def test_row_every_http_refusal_may_be_doubted() -> None:
    """The nine of the table and no other."""
    assert set(REFUSED_BY_HTTP) == MAY_BE_UNKNOWN


@pytest.mark.parametrize("status", [402, 406, 408, 409, 410, 418, 422, 425, 451, 499])
def test_row_any_other_4xx_follows_its_text(status: int) -> None:
    """A known refusal in JSON counts; a page, nothing, or half of it does not."""
    assert isinstance(answered(KNOWN, status), Rejected)
    for body in ("<html>", "", "{}", '{"error":', '{"order":7}'):
        assert isinstance(answered(body, status), Unknown)


@pytest.mark.parametrize("status", [*range(500, 508), *range(520, 531), 599])
@pytest.mark.parametrize("body", [KNOWN, '{"order":7}', "<html>", ""])
def test_row_any_5xx_is_unknown(status: int, body: str) -> None:
    """Processed or not: whatever it says."""
    assert isinstance(answered(body, status), Unknown)


@pytest.mark.parametrize("status", range(500, 600))
def test_row_answer_of_an_edge_may_be_a_refusal(status: int) -> None:
    """Only the four that never reached the panel, only where it is said, and never with an order's id in it."""
    trusting = Policy(rejected_statuses=tuple(MAY_BE_REJECTED))
    outcome = answered("<html>", status, policy=trusting)
    assert isinstance(outcome, Rejected) is (status in {521, 523, 525, 526})
    assert isinstance(answered('{"order":7}', status, policy=trusting), Unknown)


@pytest.mark.parametrize("body", ["<html>", "", "null", "[]", "{}", "{", '{"order":', "[" * 30_000, b"\x80\x81", "NaN"])
@pytest.mark.parametrize("policy", [USUAL, Policy(unrecognised_error="rejected")])
def test_row_no_proper_answer_is_unknown(body: str | bytes, policy: Policy) -> None:
    """A page, nothing, no object, broken, too deep, no text: under every policy."""
    assert isinstance(answered(body, policy=policy), Unknown)
