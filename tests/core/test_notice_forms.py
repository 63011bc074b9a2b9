"""Forms: what each kind of channel is sent, to the letter, and what its answers mean."""

import base64
import email
import hashlib
import hmac
import json
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.notice import Facts, Kind, Notice, Severity
from gateway.core.notice_forms import (
    NOTICES_MAX,
    PROBLEM_MAX,
    ROOM,
    SLACK_MAX,
    TELEGRAM_MAX,
    Answer,
    Message,
    as_line,
    cut,
    judge,
    write_mail,
    write_slack,
    write_telegram,
    write_webhook,
)
from gateway.core.outcome import Evidence
from gateway.core.retry_after import REST_MAX_MS
from gateway.core.telling import Part, What

NOW = 1_769_817_600_000
SECRET = b"s" * 24


def message(text: str = "WARNING provider down", *, severity: Severity = Severity.WARNING, parts: int = 1) -> Message:
    """A message."""
    notice = Notice(
        kind=Kind.PROVIDER_DOWN, subject="panel-a", since=NOW, wrong_at=NOW, opened_at=NOW, closed_at=NOW + 60_000,
        facts=Facts(count=2),
    )  # fmt: skip
    return Message(
        id="msg_1", made_at=NOW, title="[gateway] down", text=text, severity=severity,
        parts=(Part(what=What.CLOSED, notice=notice),) * parts,
    )  # fmt: skip


def said(status: int | None, body: bytes = b"", **more: object) -> Evidence:
    """What came of a POST."""
    return Evidence(sent=True, status=status, body=body, complete=True, **more)  # type: ignore[arg-type] # by name


def test_webhook_is_one_signed_event_with_all_notices() -> None:
    """Under the message's id, so that a receiver can dedupe; the body is the same at each try."""
    http = write_webhook(message(), SECRET, at=NOW // 1000 + 5)
    headers = dict(http.headers)
    moment = str(NOW // 1000 + 5).encode()
    digest = hmac.new(SECRET, b".".join((b"msg_1", moment, http.body)), hashlib.sha256).digest()
    assert headers[b"webhook-signature"] == b"v1," + base64.b64encode(digest)
    assert (headers[b"webhook-id"], headers[b"webhook-timestamp"]) == (b"msg_1", moment)
    assert json.loads(http.body) == {
        "type": "notice",
        "timestamp": "2026-01-31T00:00:00+00:00",
        "data": {
            "severity": "warning",
            "title": "[gateway] down",
            "text": "WARNING provider down",
            "notices": [
                {
                    "event": "provider_down",
                    "state": "closed",
                    "severity": "warning",
                    "subject": "panel-a",
                    "since": "2026-01-31T00:00:00+00:00",
                    "until": "2026-01-31T00:01:00+00:00",
                    "facts": {"count": 2},
                }
            ],
            "more": 0,
        },
    }
    assert http.body == write_webhook(message(), SECRET, at=NOW // 1000 + 99).body
    many = json.loads(write_webhook(message(parts=NOTICES_MAX + 3), SECRET, at=1).body)["data"]
    assert (len(many["notices"]), many["more"]) == (NOTICES_MAX, 3)
    still = message()
    part = Part(what=What.OPENED, notice=Notice(kind=Kind.RELOAD_FAILED, subject="", since=NOW, wrong_at=NOW))
    opened = Message(id="m", made_at=1, title="t", text="x", severity=still.severity, parts=(part,))
    assert json.loads(write_webhook(opened, SECRET, at=1).body)["data"]["notices"][0]["until"] is None


def test_telegram_gets_plain_text_that_means_nothing_to_it() -> None:
    """No parse mode, no preview; what is no more than news makes no sound."""
    sent = json.loads(write_telegram(message("a_b *c* <d> &amp;"), "-100123").body)
    assert sent == {
        "chat_id": "-100123",
        "text": "[gateway] down\n\na_b *c* <d> &amp;",
        "link_preview_options": {"is_disabled": True},
        "disable_notification": False,
    }
    assert json.loads(write_telegram(message(severity=Severity.INFO), "1").body)["disable_notification"] is True


def test_telegram_text_is_cut_as_telegram_counts() -> None:
    """In UTF-16 units: a letter outside the first plane is two."""
    text = json.loads(write_telegram(message("😀" * 3000), "1").body)["text"]
    assert len(text.encode("utf-16-le")) // 2 <= TELEGRAM_MAX
    assert text.endswith("😀…")


def test_slack_gets_its_three_letters_escaped() -> None:
    """And reads no markdown, no mention and no link into a name."""
    sent = json.loads(write_slack(message("<!channel> *b* & <https://x|y>")).body)
    assert sent == {
        "text": "[gateway] down\n\n&lt;!channel&gt; *b* &amp; &lt;https://x|y&gt;",
        "mrkdwn": False,
        "unfurl_links": False,
    }
    long = json.loads(write_slack(message("x" * 9000)).body)["text"]
    assert len(long) == SLACK_MAX


def test_mail_is_plain_and_says_that_a_program_wrote_it() -> None:
    """Its Message-ID is the message's, so that a mail that came twice is shown once."""
    raw = write_mail(
        message("é · 5 €\nzwei"), sender="gateway@you.example", to=("a@you.example", "b@you.example"), at=NOW // 1000
    )
    mail = email.message_from_bytes(raw, policy=default)
    assert mail["From"] == "gateway@you.example"
    assert mail["To"] == "a@you.example, b@you.example"
    assert mail["Subject"] == "[gateway] down"
    assert mail["Date"] == "Sat, 31 Jan 2026 00:00:00 +0000"
    assert mail["Message-ID"] == "<msg_1@you.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Importance"] is None
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode() == "é · 5 €\r\nzwei\r\n"
    raw.decode("ascii")
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    critical = write_mail(message("x" * 40_000, severity=Severity.CRITICAL), sender="a@b", to=("c@d",), at=1)
    assert email.message_from_bytes(critical, policy=default)["Importance"] == "high"
    assert len(email.message_from_bytes(critical).get_payload(decode=True)) <= ROOM + 8


@pytest.mark.parametrize("title", ["a\r\nBcc: x@y.example", "a\nb", "a\rb"])
def test_no_title_adds_a_header(title: str) -> None:
    """Titles have no line's end; the library refuses one all the same."""
    bad = Message(id="m", made_at=1, title=title, text="x", severity=Severity.INFO, parts=())
    with pytest.raises(ValueError, match=r"linefeed|newline|carriage"):
        write_mail(bad, sender="a@b", to=("c@d",), at=1)


@pytest.mark.parametrize(
    ("evidence", "words", "answer"),
    [
        (said(204), False, Answer()),
        (said(200, b'{"ok":true,"result":{}}'), True, Answer()),
        (said(None, failure="ConnectError: no"), False, Answer(problem="ConnectError: no", passing=True)),
        (said(None), False, Answer(problem="no answer", passing=True)),
        (said(500, b"<html>"), False, Answer(problem="HTTP 500", passing=True)),
        (said(302, location="https://x"), False, Answer(problem="HTTP 302")),
        (said(410, b"gone"), False, Answer(problem="HTTP 410")),
        (said(404, b"no_service"), True, Answer(problem="HTTP 404: no_service")),
        (
            said(403, b'{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}'),
            True,
            Answer(problem="HTTP 403: Forbidden: bot was blocked by the user"),
        ),
        (
            said(429, b'{"ok":false,"description":"Too Many Requests","parameters":{"retry_after":7}}'),
            True,
            Answer(problem="HTTP 429: Too Many Requests", passing=True, after_ms=7000),
        ),
        (
            said(429, b'{"description":"x","parameters":{"retry_after":999999}}'),
            True,
            Answer(problem="HTTP 429: x", passing=True, after_ms=REST_MAX_MS),
        ),
        (
            said(429, b'{"description":"x","parameters":{"retry_after":-3}}'),
            True,
            Answer(problem="HTTP 429: x", passing=True),
        ),
        (said(429, b"", retry_after="3"), True, Answer(problem="HTTP 429", passing=True, after_ms=3000)),
        (said(503, b"", retry_after="3"), False, Answer(problem="HTTP 503", passing=True, after_ms=3000)),
        (said(408), False, Answer(problem="HTTP 408", passing=True)),
    ],
    ids=[
        *("taken", "telegram took it", "no connection", "silence", "broken", "redirect", "gone", "slack's word"),
        *("telegram's reason", "telegram's rest", "a long rest", "no rest", "slack's rest", "a webhook's rest"),
        "a time-out",
    ],
)
def test_answer_means_what_its_sender_says_it_means(evidence: Evidence, words: bool, answer: Answer) -> None:
    """2xx is taken; what passes is worth another try; a stranger's body is never repeated."""
    found = judge(evidence, words=words, now=NOW)
    assert found == answer
    assert found.taken is (answer.problem == "")


def test_reason_is_one_short_line() -> None:
    """Whatever a server writes."""
    assert as_line("a\r\nb\x1b[0m ") == "a  b [0m"
    assert len(as_line("x" * 1000)) == PROBLEM_MAX


@given(st.text(), st.integers(2, 50))
def test_cut_text_is_never_longer_and_never_broken(text: str, units: int) -> None:
    """And a text that fits is left alone."""
    text = text.encode("utf-8", "ignore").decode()
    found = cut(text, units)
    assert len(found.encode("utf-16-le")) // 2 <= units
    found.encode()
    assert found == text or (found.endswith("…") and text.startswith(found[:-1]))
