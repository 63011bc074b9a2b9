"""Checks of `notify:`: one kind a channel, addresses that can be written to, secrets that have the form of one."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from gateway.core.webhook import read_secret
from gateway.settings.notify import CHANNEL_KINDS, EmailChannel, Notify, NotifyChannel

# Slack takes a message a second, Telegram one a second to a chat; a person fewer.
GROUP_SECONDS_MIN: Final = 5
RECIPIENTS_MAX: Final = 20
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_URL: Final = re.compile(r"[!-~]+")
_TOKEN: Final = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{10,100}", re.ASCII)
_CHAT: Final = re.compile(r"-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{2,40}", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9.:-]{1,253}", re.ASCII)
# What RFC 5321 calls a mailbox, without quotes and in ASCII: nothing in it can end a header or a command.
_MAILBOX: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}", re.ASCII)
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)

Fault = tuple[tuple[str | int, ...], str]  # where in the section, and what


def notify_faults(notify: Notify) -> Iterator[Fault]:
    """Everything that is wrong with the section as a whole."""
    if not notify.name.isprintable() or not 0 < len(notify.name) <= 40:
        yield ("name",), "name has 1 to 40 letters, in one line"
    if notify.group_interval_seconds < GROUP_SECONDS_MIN:
        yield ("group_interval_seconds",), f"group_interval_seconds is {GROUP_SECONDS_MIN} or more"
    if notify.repeat_interval_seconds < notify.group_interval_seconds:
        yield ("repeat_interval_seconds",), "repeat_interval_seconds is no less than group_interval_seconds"
    for field in ("provider_down_seconds", "funds_days"):
        if getattr(notify, field) <= 0:
            yield (field,), f"{field} has to be above 0"
    if notify.user_balance is not None and notify.user_balance <= 0:
        yield ("user_balance",), "user_balance has to be above 0"
    for name, channel in notify.channels.items():
        if not _NAME.fullmatch(name):
            yield ("channels", name, "*"), f"a name has small letters, digits, - and _ (40 at most), not {name}"
        for where, what in _channel(channel):
            yield ("channels", name, *where), what


def _channel(channel: NotifyChannel) -> Iterator[Fault]:
    given = [kind for kind in CHANNEL_KINDS if getattr(channel, kind) is not None]
    if len(given) != 1:
        told = f"not {' and '.join(given)}" if given else "and this is none of them"
        yield (), f"a channel is one of {', '.join(CHANNEL_KINDS)}, {told}"
    if channel.events is not None and not channel.events:
        yield ("events",), "without an event the channel is told nothing; leave events out for all of them"
    if channel.digest_at is not None and not _TIME.fullmatch(channel.digest_at):
        yield ("digest_at",), f'{channel.digest_at} is no time of day such as "08:00", in quotes'
    if channel.webhook is not None:
        yield from _address(("webhook", "url"), channel.webhook.url, private=channel.webhook.allow_private)
        if read_secret(channel.webhook.secret.reveal()) is None:
            yield ("webhook", "secret"), "the secret is whsec_ and 24 to 64 bytes in base64"
    if channel.slack is not None:
        yield from _address(("slack", "url"), channel.slack.url.reveal(), private=channel.slack.allow_private)
    if channel.telegram is not None:
        yield from _address(("telegram", "api"), channel.telegram.api, private=channel.telegram.allow_private)
        if not _TOKEN.fullmatch(channel.telegram.token.reveal()):
            yield ("telegram", "token"), "the token is a number, a colon and letters, as BotFather gave it"
        if not _CHAT.fullmatch(channel.telegram.chat):
            yield ("telegram", "chat"), "a chat is its number, such as -1001234567890, or the @name of a public one"
    if channel.email is not None:
        for where, what in _email(channel.email):
            yield ("email", *where), what


def _email(email: EmailChannel) -> Iterator[Fault]:
    if not _HOST.fullmatch(email.host):
        yield ("host",), f"{email.host!a} is no host"
    if email.port is not None and not 0 < email.port < 65536:
        yield ("port",), "a port is 1 to 65535"
    if not _MAILBOX.fullmatch(email.sender):
        yield ("sender",), "the sender is an address such as gateway@you.example, and nothing else"
    if not 0 < len(email.to) <= RECIPIENTS_MAX:
        yield ("to",), f"1 to {RECIPIENTS_MAX} addresses are written to"
    for place, each in enumerate(email.to):
        if not _MAILBOX.fullmatch(each):
            yield ("to", place), "this is no address such as ops@you.example"
    if (email.user is None) != (email.password is None):
        missing = "user" if email.user is None else "password"
        yield (missing,), f"{missing} is missing: a server that asks for one asks for both"
    if email.password is not None and email.tls == "none":
        yield ("tls",), "with tls: none the password would go in plain; use starttls or implicit"


def _address(where: tuple[str, str], url: str, *, private: bool) -> Iterator[Fault]:
    """An address may hold a secret, so it is not repeated."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        yield where, "this is no address"
        return
    if parts.scheme not in ("http", "https") or not host or not _URL.fullmatch(url):
        yield where, "an address begins with https://, names a host and has no blanks"
    elif parts.username is not None or parts.fragment:
        yield where, "an address has no user name, password or fragment"
    elif parts.scheme == "http" and not private:
        yield where, "https:// it has to be; http:// only with allow_private"
