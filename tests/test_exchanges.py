"""The corpus of exchanges: each file runs against the writer, the panel's ear, the reader and the judge of `add`."""

from pathlib import Path

import pytest

from gateway.core.answers import read_reply
from gateway.core.fields import HttpRequest
from gateway.core.messages import (
    AddRequest,
    ErrorReply,
    MultiCancelRequest,
    MultiRefillRequest,
    MultiRefillStatusRequest,
    MultiStatusRequest,
    Unreadable,
    action_of,
)
from gateway.core.outcome import Evidence, classify_add
from gateway.core.presets import PRESETS
from gateway.core.requests import read_call, write_request
from tests.exchanges import KEY, Exchange, exchanges, sent, written
from tests.exchanges.render import rendered

FILES = exchanges()
# Forms that the gateway never uses, because it asks about each order as its user does: they are read, not owed.
NOT_OWED = (MultiRefillRequest, MultiCancelRequest)


def named(each: Exchange) -> str:
    """A file's place in the corpus."""
    return f"{each.dialect}/{'usual' if each.usual else 'odd'}/{each.name}"


def call_of(each: Exchange) -> HttpRequest:
    """The call a file's request is sent as."""
    return write_request(each.request, KEY, PRESETS[each.dialect].dialect)


@pytest.mark.parametrize("each", FILES, ids=named)
def test_request_is_sent_as_the_file_says(each: Exchange) -> None:
    """Every field, its order, its place; and a panel of the dialect hears what was meant."""
    call = call_of(each)
    assert sent(call) == each.file.call
    asked = read_call(call, PRESETS[each.dialect].dialect)
    assert (asked.key, asked.request) == (KEY, each.request)


@pytest.mark.parametrize("each", FILES, ids=named)
def test_answer_means_what_the_file_says(each: Exchange) -> None:
    """To the reader, and to an `add` what it proves."""
    dialect, answer = PRESETS[each.dialect].dialect, each.file.reply
    read = read_reply(each.request, answer.body, dialect)
    if isinstance(each.expected, Unreadable):
        assert isinstance(read, Unreadable)
    else:
        assert read == each.expected
    assert (each.file.outcome is not None) == isinstance(each.request, AddRequest)
    if each.file.outcome is not None:
        evidence = Evidence(sent=True, status=answer.http, body=answer.body, complete=True, framed=True)
        assert written(classify_add(evidence, None, dialect)) == each.file.outcome


@pytest.mark.parametrize("name", PRESETS)
def test_each_action_a_preset_claims_has_its_files(name: str) -> None:
    """One usual exchange of each, and odd ones beside them; the usual end well, since they are documentation."""
    dialect = PRESETS[name].dialect
    own = [each for each in FILES if each.dialect == name]
    owed = {"services", "add", "status"}
    owed |= {action for action in ("refill", "cancel", "balance") if action not in dialect.lacks}
    owed |= {"refill_status"} if dialect.refill else set()
    for usual in (True, False):
        assert owed <= {action_of(each.request).value for each in own if each.usual is usual}
    forms = {type(each.request) for each in own if each.usual}
    assert (MultiStatusRequest in forms) is dialect.multi_status
    assert (MultiRefillStatusRequest in forms) is (dialect.refill and dialect.multi_refill_status)
    for each in own:
        assert not (each.usual and isinstance(each.expected, ErrorReply | Unreadable)), named(each)
        assert isinstance(each.request, NOT_OWED) or action_of(each.request).value in owed, named(each)


def test_page_of_dialects_is_in_step() -> None:
    """docs/dialects.md is what `python -m tests.exchanges` prints."""
    page = Path(__file__).parent.parent / "docs" / "dialects.md"
    assert page.read_text("utf-8") == rendered()


def test_files_say_what_they_are_about() -> None:
    """A sentence each, and no two files of a dialect with the same exchange."""
    seen: dict[tuple[object, ...], str] = {}
    for each in FILES:
        assert each.file.about.endswith((".", ")")), named(each)
        key = (each.dialect, repr(each.request), each.file.reply.http, each.file.reply.body)
        assert seen.setdefault(key, named(each)) == named(each)
