"""Forms: a message as each kind of channel takes it, and what a channel's answer means.

    webhook    Standard Webhooks, one POST for a message; all its notices are in `data.notices`
    telegram   sendMessage without a parse mode: nothing in the text means anything, so nothing has to be escaped
    slack      an incoming webhook; & < > are the three letters that Slack asks to be escaped, and markdown is off
    email      a plain text of UTF-8, its header made by the standard library, which refuses a line's end in it

Sources: standardwebhooks.com (2023), core.telegram.org/bots/api "sendMessage" and "Making requests", docs.slack.dev
"Sending messages using incoming webhooks" and "Formatting message text", RFC 5322, RFC 3834.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

import msgspec

from gateway.core.fields import HttpRequest
from gateway.core.notice import Severity
from gateway.core.outcome import Evidence
from gateway.core.retry_after import REST_MAX_MS, rest_ms
from gateway.core.telling import Part
from gateway.core.webhook import signed

# The largest text in UTF-16 units: Telegram refuses a longer one, Slack advises no more, the others have no such limit
# and a person still does.
TELEGRAM_MAX: Final = 4096
SLACK_MAX: Final = 4000
ROOM: Final = 16_000
NOTICES_MAX: Final = 200  # in the body of a webhook; `more` counts the rest
PROBLEM_MAX: Final = 160
_CUT: Final = "…"
_TAKEN: Final = range(200, 300)
_PASSING: Final = (408, 425, 429)
_SERVER_ERRORS: Final = 500


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, whatever the channel."""

    id: str  # the same at each try
    made_at: int  # ms since the epoch
    title: str
    text: str
    severity: Severity
    parts: tuple[Part, ...]

    @property
    def whole(self) -> str:
        """Title and text."""
        return f"{self.title}\n\n{self.text}"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one try."""

    problem: str = ""  # why it was not taken; empty: it was
    passing: bool = False  # whether it is worth trying again soon
    after_ms: int = 0  # how long the channel asks to be left alone
    note: str = ""  # what an operator may want to know although it was taken

    @property
    def taken(self) -> bool:
        """Whether the channel has the message."""
        return not self.problem


class _Parameters(msgspec.Struct, frozen=True):
    """What may be done about a request that Telegram did not take."""

    retry_after: int = 0  # seconds


class _Told(msgspec.Struct, frozen=True):
    """What Telegram says of a request."""

    description: str = ""
    parameters: _Parameters = _Parameters()


_TOLD: Final = msgspec.json.Decoder(_Told)


def write_webhook(message: Message, secret: bytes, *, at: int) -> HttpRequest:
    """A message as one event, signed `at` seconds since the epoch."""
    body = msgspec.json.encode(
        {
            "type": "notice",
            "timestamp": _rfc3339(message.made_at),
            "data": {
                "severity": message.severity,
                "title": message.title,
                "text": message.text,
                "notices": [_notice(part) for part in message.parts[:NOTICES_MAX]],
                "more": max(len(message.parts) - NOTICES_MAX, 0),
            },
        }
    )
    return HttpRequest(headers=signed(message.id, body, secret, at=at), body=body)


def write_telegram(message: Message, chat: str) -> HttpRequest:
    """A message as `sendMessage` takes it."""
    return _json(
        {
            "chat_id": chat,
            "text": cut(message.whole, TELEGRAM_MAX),
            "link_preview_options": {"is_disabled": True},
            "disable_notification": message.severity is Severity.INFO,
        }
    )


def write_slack(message: Message) -> HttpRequest:
    """A message as an incoming webhook takes it."""
    text = cut(message.whole, SLACK_MAX)
    for letter, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(letter, escaped)
    return _json({"text": text, "mrkdwn": False, "unfurl_links": False})


def write_mail(message: Message, *, sender: str, to: tuple[str, ...], at: int) -> bytes:
    """A message as a mail of `at` seconds since the epoch; its Message-ID is the same at each try."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Subject"] = message.title
    mail["Date"] = format_datetime(datetime.fromtimestamp(at, UTC))
    mail["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notice is sent back.
    if message.severity is Severity.CRITICAL:
        mail["Importance"] = "high"
    mail.set_content(cut(message.text, ROOM) + "\n", charset="utf-8", cte="quoted-printable")
    return mail.as_bytes()


def judge(evidence: Evidence, *, words: bool, now: int) -> Answer:
    """What an answer to a POST means; `words` says whether its body has a reason that people should read.

    Telegram and Slack say in a word or a sentence what is wrong; a webhook's body may be anything.
    """
    if evidence.status is None:
        return Answer(problem=evidence.failure or "no answer", passing=True)
    told = _read(evidence.body) if words else _Told()
    if evidence.status in _TAKEN:
        return Answer()
    asked = min(max(told.parameters.retry_after, 0) * 1000, REST_MAX_MS)
    after = asked or rest_ms(evidence.status, evidence.retry_after, now=now) or 0
    why = as_line(told.description)
    return Answer(
        problem=f"HTTP {evidence.status}" + (f": {why}" if why else ""),
        passing=evidence.status in _PASSING or evidence.status >= _SERVER_ERRORS,
        after_ms=after,
    )


def cut(text: str, units_max: int) -> str:
    """A text of at most so many UTF-16 units, as Telegram counts; what is too long ends in an ellipsis."""
    raw = text.encode("utf-16-le")
    if len(raw) <= 2 * units_max:
        return text
    # Half of a pair at the end is dropped.
    return raw[: 2 * (units_max - len(_CUT))].decode("utf-16-le", "ignore") + _CUT


def as_line(text: str) -> str:
    """A stranger's reason as it may stand in a log line."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:PROBLEM_MAX])
    return shown.strip()


def _json(fields: Mapping[str, object]) -> HttpRequest:
    return HttpRequest(headers=((b"content-type", b"application/json"),), body=msgspec.json.encode(fields))


def _notice(part: Part) -> dict[str, object]:
    notice = part.notice
    return {
        "event": notice.kind,
        "state": part.what,
        "severity": notice.severity,
        "subject": notice.subject,
        "since": _rfc3339(notice.since),
        "until": None if notice.closed_at is None else _rfc3339(notice.closed_at),
        "facts": notice.facts,
    }


def _rfc3339(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).isoformat(timespec="seconds")


def _read(body: bytes) -> _Told:
    """Telegram's object, or Slack's word."""
    try:
        return _TOLD.decode(body)
    except msgspec.DecodeError:
        return _Told(description=body.decode("utf-8", "replace"))
