"""The `notify:` section of providers.yaml as values: who is told of what, and how often."""

from decimal import Decimal
from typing import Final, Literal

import msgspec

from gateway.core.notice import Kind, Severity
from gateway.settings.secrets import Secret

TELEGRAM_API: Final = "https://api.telegram.org"


class WebhookChannel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address that is POSTed to, as Standard Webhooks has it."""

    url: str
    secret: Secret  # what each message is signed with
    allow_private: bool = False  # whether its address may be a private one, and http://


class TelegramChannel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A chat in Telegram, which a bot writes to."""

    token: Secret
    chat: str  # its number, or the @name of a public one
    api: str = TELEGRAM_API  # a Bot API server of your own, or a stand-in
    allow_private: bool = False


class SlackChannel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel in Slack, through an incoming webhook; Mattermost and Rocket.Chat take the same."""

    url: Secret  # the whole address: whoever has it can write there
    allow_private: bool = False


class EmailChannel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """People who are written to through a mail server."""

    host: str
    sender: str
    to: tuple[str, ...]
    port: int | None = None  # 587, 465 or 25 by `tls` where it is not said
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    user: str | None = None
    password: Secret | None = None
    allow_private: bool = False


class NotifyChannel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One channel: one of the four kinds, and what it is told."""

    webhook: WebhookChannel | None = None
    telegram: TelegramChannel | None = None
    slack: SlackChannel | None = None
    email: EmailChannel | None = None
    events: tuple[Kind, ...] | None = None  # all of them where none is named
    min_severity: Severity = Severity.INFO
    digest_at: str | None = None  # "08:00", in UTC: what is open and what was, once a day


# A channel's kinds, each a field of it.
CHANNEL_KINDS: Final = ("webhook", "telegram", "slack", "email")


class Notify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told of what."""

    name: str = "gateway"  # stands first in each message, where there are several gateways
    channels: dict[str, NotifyChannel] = {}
    group_interval_seconds: Decimal = Decimal(60)  # between two messages to one channel
    repeat_interval_seconds: Decimal = Decimal(14_400)  # after which what is still open is told again
    provider_down_seconds: Decimal = Decimal(300)  # how long a provider has to be silent
    funds_days: Decimal = Decimal(3)  # days that a balance lasts, below which it is low
    user_balance: Decimal | None = None  # our currency: below it a user's balance is low; nobody's without it
