"""The one vocabulary of what went wrong: closed, prefixed by whose fault it is, and complete for our own texts."""

import pytest

from gateway.core import errors
from gateway.core.attempt import AttemptState
from gateway.core.error_type import ErrorType, of_history, of_kind, of_outcome, of_text
from gateway.core.exchange import Exchange
from gateway.core.outcome import Accepted, NotPlaced, NotSent, Outcome, Rejected, Unknown
from gateway.core.rejections import USERS_FAULT, RejectKind
from gateway.core.service_fields import FIELDS

PREFIXES = ("caller_", "policy_", "panel_", "gateway_")


def test_each_word_says_first_whose_it_is() -> None:
    """Whoever reads it knows whom to call; the one word without a prefix is the one we owe a better one."""
    assert {each for each in ErrorType if not each.startswith(PREFIXES)} == {ErrorType.UNCLASSIFIED}


def test_each_text_of_ours_but_the_shared_one_has_its_word() -> None:
    """Only `Service temporarily unavailable` stands for several causes: it is said by whoever refused."""
    texts = [value for name, value in vars(errors).items() if name.startswith("TEXT_")]
    texts += [errors.text_less_than_minimum(5), errors.text_more_than_maximum(9)]
    texts += [errors.text_incorrect_field(field) for field in FIELDS]
    assert len(texts) > 20
    assert [text for text in texts if of_text(text) is ErrorType.UNCLASSIFIED] == [errors.TEXT_UNAVAILABLE]
    assert of_text(errors.text_less_than_minimum(5)) is ErrorType.CALLER_QUANTITY
    assert of_text(errors.text_incorrect_field("runs")) is ErrorType.CALLER_FIELD
    assert of_text("A text nobody wrote") is ErrorType.UNCLASSIFIED


@pytest.mark.parametrize("kind", list(RejectKind))
def test_each_refusal_of_a_panel_has_its_word(kind: RejectKind) -> None:
    """A new kind of refusal without a word would raise here, not in an order's way."""
    assert of_kind(kind).endswith(f"_{kind}")
    assert of_kind(kind).startswith("caller_") == (kind in USERS_FAULT)
    assert of_outcome(Rejected(kind, "no")) is of_kind(kind)


@pytest.mark.parametrize(
    ("outcome", "status", "whole", "word"),
    [
        (Accepted("5"), 200, True, None),
        (NotSent("no"), None, False, ErrorType.PANEL_UNREACHABLE),
        (NotPlaced("no"), None, False, ErrorType.PANEL_NOT_PLACED),
        (Unknown("?"), None, False, ErrorType.PANEL_SILENT),
        (Unknown("?"), 200, False, ErrorType.PANEL_SILENT),
        (Unknown("?"), 200, True, ErrorType.PANEL_UNREADABLE),
        (Unknown("?"), 502, True, ErrorType.PANEL_BROKEN),
    ],
    ids=["accepted", "not sent", "not placed", "silent", "cut", "unreadable", "broken"],
)
def test_outcome_has_its_word(
    outcome: Outcome | NotPlaced, status: int | None, whole: bool, word: ErrorType | None
) -> None:
    """A doubt is named by what came: nothing whole, a 500, or something that proves nothing."""
    assert of_outcome(outcome, status=status, whole=whole) is word


SILENCE = Exchange(service="1", asked=(), at=0, sent=True)
HELD_REASON = "the provider is held: funds"


@pytest.mark.parametrize(
    ("state", "reason", "exchange", "word"),
    [
        (AttemptState.ACCEPTED, "", SILENCE, None),
        (AttemptState.PLANNED, "", None, None),
        (AttemptState.REJECTED, "funds: not enough", SILENCE, ErrorType.PANEL_FUNDS),
        (AttemptState.REJECTED, "link: bad link", SILENCE, ErrorType.CALLER_LINK),
        (AttemptState.REJECTED, "said by a person", None, ErrorType.UNCLASSIFIED),
        (AttemptState.NOT_PLACED, "", None, ErrorType.PANEL_NOT_PLACED),
        (AttemptState.UNKNOWN, "the process died", None, ErrorType.GATEWAY_CUT_OFF),
        (AttemptState.UNKNOWN, "?", SILENCE, ErrorType.PANEL_SILENT),
        (AttemptState.NOT_SENT, "ConnectError", SILENCE, ErrorType.PANEL_UNREACHABLE),
        (AttemptState.NOT_SENT, HELD_REASON, None, ErrorType.POLICY_HELD),
        (AttemptState.NOT_SENT, "the books could not be written: x", None, ErrorType.GATEWAY_BOOKS),
        (AttemptState.NOT_SENT, "no free slot within 30 s", None, ErrorType.POLICY_BUSY),
    ],
)
def test_history_has_the_word_that_was_counted(
    state: AttemptState, reason: str, exchange: Exchange | None, word: ErrorType | None
) -> None:
    """Whoever looks at an order days later reads what the metric and the log said."""
    assert of_history(state, reason, exchange) is word
