"""Channels as the settings name them, in the words of the rooms that tell them something."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from gateway.core.notice import RULES, Kind, Rule
from gateway.core.telling import Wants
from gateway.core.webhook import read_secret
from gateway.providers.courier import Destination, HookTo, SlackTo, TelegramTo
from gateway.providers.mail import MailTo
from gateway.settings.notify import EmailChannel, Notify, NotifyChannel

_MINUTES: Final = 60
# Funds that last for less than so many days are nearly gone, whatever counts as low.
FUNDS_OUT_DAYS: Final = Decimal("0.25")


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One channel: where it is, and what it wants."""

    to: Destination
    wants: Wants


def channels_of(notify: Notify) -> dict[str, Told]:
    """The channels by name; the only place where their secrets are taken out of their masks."""
    return {
        name: Told(to=_destination(channel), wants=_wants(channel, notify)) for name, channel in notify.channels.items()
    }


def rules_of(notify: Notify) -> Mapping[Kind, Rule]:
    """When notices open and close, with what the settings say otherwise."""
    opens_ms = int(notify.provider_down_seconds * 1000)
    down = msgspec.structs.replace(RULES[Kind.PROVIDER_DOWN], opens_ms=opens_ms)
    return {**RULES, Kind.PROVIDER_DOWN: down}


def _destination(channel: NotifyChannel) -> Destination:
    if channel.webhook is not None:
        hook = channel.webhook
        secret = read_secret(hook.secret.reveal())
        assert secret is not None, "check_notify.py refuses another"
        return HookTo(url=hook.url, secret=secret, allow_private=hook.allow_private)
    if channel.telegram is not None:
        bot = channel.telegram
        return TelegramTo(token=bot.token.reveal(), chat=bot.chat, api=bot.api, allow_private=bot.allow_private)
    if channel.slack is not None:
        return SlackTo(url=channel.slack.url.reveal(), allow_private=channel.slack.allow_private)
    assert channel.email is not None, "check_notify.py refuses a channel of no kind"
    return _mail(channel.email)


def _mail(email: EmailChannel) -> MailTo:
    return MailTo(
        host=email.host,
        port=email.port,
        tls=email.tls,
        sender=email.sender,
        to=email.to,
        user=email.user,
        password="" if email.password is None else email.password.reveal(),
        allow_private=email.allow_private,
    )


def _wants(channel: NotifyChannel, notify: Notify) -> Wants:
    minute = None
    if channel.digest_at is not None:
        hours, _, minutes = channel.digest_at.partition(":")
        minute = int(hours) * _MINUTES + int(minutes)
    return Wants(
        kinds=frozenset(Kind) if channel.events is None else frozenset(channel.events),
        least=channel.min_severity,
        group_ms=int(notify.group_interval_seconds * 1000),
        repeat_ms=int(notify.repeat_interval_seconds * 1000),
        digest_minute=minute,
    )
