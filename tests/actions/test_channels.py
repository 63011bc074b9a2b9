"""Channels of the settings in the words of those who tell them."""

from decimal import Decimal

from gateway.actions.channels import channels_of, rules_of
from gateway.core.notice import RULES, Kind, Severity
from gateway.core.telling import Wants
from gateway.providers.courier import HookTo, SlackTo, TelegramTo
from gateway.providers.mail import MailTo
from gateway.settings.notify import EmailChannel, Notify, NotifyChannel, SlackChannel, TelegramChannel, WebhookChannel
from gateway.settings.secrets import Secret

HOOK = WebhookChannel(url="https://h.example", secret=Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))


def test_each_kind_becomes_a_destination() -> None:
    """With its secret out of its mask, and nowhere else."""
    mail = EmailChannel(host="m.example", sender="a@b.example", to=("c@d.example",), user="u", password=Secret("p"))
    bare = EmailChannel(host="m.example", sender="a@b.example", to=("c@d.example",), tls="none", port=26)
    channels = {
        "a": NotifyChannel(webhook=HOOK),
        "b": NotifyChannel(telegram=TelegramChannel(token=Secret("1:t"), chat="7", allow_private=True)),
        "c": NotifyChannel(slack=SlackChannel(url=Secret("https://s.example/x"))),
        "d": NotifyChannel(email=mail),
        "e": NotifyChannel(email=bare),
    }
    found = {name: told.to for name, told in channels_of(Notify(channels=channels)).items()}
    hook = found["a"]
    assert isinstance(hook, HookTo)
    assert (hook.url, len(hook.secret), hook.allow_private) == ("https://h.example", 24, False)
    assert found["b"] == TelegramTo(token="1:t", chat="7", api="https://api.telegram.org", allow_private=True)
    assert found["c"] == SlackTo(url="https://s.example/x")
    to = ("c@d.example",)
    assert found["d"] == MailTo(host="m.example", sender="a@b.example", to=to, user="u", password="p")
    assert found["e"] == MailTo(host="m.example", sender="a@b.example", to=to, tls="none", port=26)


def test_what_a_channel_wants_is_its_own_and_the_sections() -> None:
    """Events, severity and digest are the channel's; how often is everybody's."""
    channel = NotifyChannel(webhook=HOOK, events=(Kind.FUNDS_LOW,), min_severity=Severity.WARNING, digest_at="08:30")
    notify = Notify(
        channels={"a": channel, "b": NotifyChannel(webhook=HOOK)},
        group_interval_seconds=Decimal(10),
        repeat_interval_seconds=Decimal("60.5"),
    )
    found = channels_of(notify)
    assert found["a"].wants == Wants(
        kinds=frozenset({Kind.FUNDS_LOW}), least=Severity.WARNING, group_ms=10_000, repeat_ms=60_500, digest_minute=510
    )
    assert found["b"].wants == Wants(group_ms=10_000, repeat_ms=60_500)


def test_how_long_a_provider_is_silent_is_the_settings_to_say() -> None:
    """Every other rule is ours."""
    rules = rules_of(Notify(provider_down_seconds=Decimal("1.5")))
    assert rules[Kind.PROVIDER_DOWN].opens_ms == 1500
    assert {kind: rule for kind, rule in rules.items() if kind is not Kind.PROVIDER_DOWN} == {
        kind: rule for kind, rule in RULES.items() if kind is not Kind.PROVIDER_DOWN
    }
