"""Unclassified texts: what may be said of one, and which are found in what a panel answered."""

import pytest

from gateway.core.answers import read_reply
from gateway.core.messages import (
    CancelReply,
    CancelRequest,
    ErrorReply,
    MultiCancelReply,
    MultiRefillReply,
    MultiRefillStatusReply,
    MultiStatusReply,
    MultiStatusRequest,
    RefillReply,
    RefillRequest,
    RefillStatusReply,
    StatusReply,
)
from gateway.core.pattern import CUT
from gateway.core.rejections import RejectKind
from gateway.core.unclassified import MEANINGS, error_texts, objection, read_meaning, write_meaning


def test_meaning_is_what_was_written() -> None:
    """Read and written it is the same; a word of a later version proves nothing."""
    for word in MEANINGS:
        assert write_meaning(read_meaning(word)) == word
    assert read_meaning("weather") is None
    assert {*MEANINGS} == {*RejectKind, "nothing"}


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("error #", "every error"),
        (f"private account {CUT}", "cut off"),
        ("service is temporarily closed", "smells of time"),
    ],
)
def test_text_that_says_too_little_is_no_refusal(pattern: str, told: str) -> None:
    """What is refused goes to the next panel, so no order may exist; that it proves nothing may always be said."""
    for kind in set(RejectKind) - {RejectKind.ORDER}:
        assert told in (objection(pattern, kind) or "")
    assert objection(pattern, None) is None
    assert objection(pattern, RejectKind.ORDER) is None


def test_person_who_is_sure_may_take_a_vague_text_for_a_refusal_and_no_other() -> None:
    """That panel's habit may be known; every error and half a text never are."""
    assert objection("service is temporarily closed", RejectKind.SERVICE, sure=True) is None
    assert objection("error #", RejectKind.SERVICE, sure=True) is not None
    assert objection(f"closed {CUT}", RejectKind.SERVICE, sure=True) is not None
    assert objection("account is private", RejectKind.LINK) is None


def test_errors_are_found_in_every_reply() -> None:
    """For the whole, or for some of the ids."""
    bad, good = ErrorReply("Blub"), ErrorReply("Blob")
    assert error_texts(bad) == {"Blub"}
    assert error_texts(MultiStatusReply((("1", bad), ("2", StatusReply()), ("3", good)))) == {"Blub", "Blob"}
    assert error_texts(MultiRefillReply((("1", bad), ("2", RefillReply())))) == {"Blub"}
    assert error_texts(MultiRefillStatusReply((("1", bad), ("2", RefillStatusReply("x"))))) == {"Blub"}
    assert error_texts(MultiCancelReply((("1", bad), ("2", CancelReply())))) == {"Blub"}
    assert error_texts(StatusReply()) == frozenset()


def test_our_own_words_are_nobodys_text() -> None:
    """What an error without words is called here is not for an operator to judge."""
    assert error_texts(read_reply(MultiStatusRequest(("1",)), b'{"1":{}}')) == frozenset()
    assert error_texts(read_reply(RefillRequest("1"), b'{"status":"fail"}')) == frozenset()
    assert error_texts(read_reply(CancelRequest("1"), b"[]")) == frozenset()
    assert error_texts(read_reply(CancelRequest("1"), b"0")) == frozenset()
