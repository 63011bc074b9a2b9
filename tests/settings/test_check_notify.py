"""Checks of `notify:`: each fault with its place, and no secret in any of them."""

import pytest

from gateway.core.notice import Kind, Severity
from gateway.settings.faults import SettingsError
from gateway.settings.load import read_file
from gateway.settings.notify import Notify
from gateway.settings.yaml_text import Text
from tests.settings.files import GOOD

ENVIRON = {
    "A_KEY": "key-of-a",
    "SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "TOKEN": "123456:AAtelegram-bot-token",
    "SLACK": "https://hooks.slack.example/services/T0/B0/hidden",
    "PASSWORD": "hidden-password",
    "PLAIN": "http://hooks.slack.example/hidden",
    "BROKEN": "https://[hidden",
}
HEAD = f"{GOOD}notify:\n  channels:\n    ops:\n"  # the channel's fields are from line 9 on
MAIL = "host: smtp.you.example, sender: g@you.example, to: [ops@you.example]"


def read(text: str) -> Notify:
    """The section of a text."""
    return read_file(Text("p.yaml", text), ENVIRON).notify


def faults_of(text: str) -> list[str]:
    """`line:column what` of every fault."""
    with pytest.raises(SettingsError) as caught:
        read(text)
    assert "hidden" not in str(caught.value)
    return [f"{fault.place.line}:{fault.place.column} {fault.what}" for fault in caught.value.faults if fault.place]


def test_file_without_the_section_tells_nobody() -> None:
    """As before there was one."""
    assert read(GOOD) == Notify()
    assert read(GOOD).channels == {}


def test_every_kind_of_channel_is_read() -> None:
    """With its secrets filled in, what it wants and its defaults."""
    notify = read(
        f"{GOOD}notify:\n  name: shop\n  user_balance: 5\n  channels:\n"
        "    a: {webhook: {url: 'https://you.example/${ENV:TOKEN}', secret: '${ENV:SECRET}'}, digest_at: '23:59'}\n"
        "    b: {telegram: {token: '${ENV:TOKEN}', chat: -100123}, events: [provider_down, funds_low]}\n"
        "    c: {slack: {url: '${ENV:SLACK}'}, min_severity: critical}\n"
        f"    d: {{email: {{{MAIL}, user: u, password: '${{ENV:PASSWORD}}', tls: implicit, port: 4465}}}}\n"
        "    e: {webhook: {url: 'http://127.0.0.1:9/x', secret: '${ENV:SECRET}', allow_private: true}}\n"
    )
    a, b, c, d = (notify.channels[name] for name in "abcd")
    assert a.webhook is not None
    assert (a.webhook.url, a.digest_at, a.events) == ("https://you.example/123456:AAtelegram-bot-token", "23:59", None)
    assert b.telegram is not None
    assert (b.telegram.chat, b.telegram.api) == ("-100123", "https://api.telegram.org")
    assert b.events == (Kind.PROVIDER_DOWN, Kind.FUNDS_LOW)
    assert c.slack is not None
    assert (c.slack.url.reveal(), c.min_severity) == (ENVIRON["SLACK"], Severity.CRITICAL)
    assert d.email is not None
    assert d.email.password is not None
    assert (d.email.password.reveal(), d.email.port, d.email.tls) == ("hidden-password", 4465, "implicit")
    assert "hidden" not in repr(notify)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("      {}\n", "9:7 a channel is one of webhook, telegram, slack, email, and this is none of them"),
        (
            f"      slack: {{url: '${{ENV:SLACK}}'}}\n      email: {{{MAIL}}}\n",
            "9:7 a channel is one of webhook, telegram, slack, email, not slack and email",
        ),
        (
            "      slack: {url: '${ENV:SLACK}'}\n      events: []\n",
            "10:15 without an event the channel is told nothing; leave events out for all of them",
        ),
        (
            "      slack: {url: '${ENV:SLACK}'}\n      digest_at: '24:00'\n",
            '10:18 24:00 is no time of day such as "08:00", in quotes',
        ),
        (
            "      slack: {url: https://hooks.slack.example/hidden}\n",
            "9:20 a secret is not written here: name it, ${ENV:NAME} or ${FILE:/run/secrets/name}",
        ),
        ("      slack: {url: '${ENV:PLAIN}'}\n", "9:20 https:// it has to be; http:// only with allow_private"),
        ("      slack: {url: '${ENV:BROKEN}'}\n", "9:20 this is no address"),
        (
            "      slack: {url: '${ENV:TOKEN}'}\n",
            "9:20 an address begins with https://, names a host and has no blanks",
        ),
        (
            "      webhook: {url: 'https://u@x.example', secret: '${ENV:SECRET}'}\n",
            "9:22 an address has no user name, password or fragment",
        ),
        (
            "      webhook: {url: 'https://x.example', secret: '${ENV:PASSWORD}'}\n",
            "9:51 the secret is whsec_ and 24 to 64 bytes in base64",
        ),
        ("      webhook: {url: 'https://x.example'}\n", "9:16 secret is missing"),
        (
            "      telegram: {token: '${ENV:PASSWORD}', chat: 1}\n",
            "9:25 the token is a number, a colon and letters, as BotFather gave it",
        ),
        (
            "      telegram: {token: '${ENV:TOKEN}', chat: ops}\n",
            "9:47 a chat is its number, such as -1001234567890, or the @name of a public one",
        ),
        (
            "      telegram: {token: '${ENV:TOKEN}', chat: 1, api: 'http://x.example'}\n",
            "9:55 https:// it has to be; http:// only with allow_private",
        ),
        ("      email: {host: 'a b', sender: g@x.example, to: [o@x.example]}\n", "9:21 'a b' is no host"),
        (f"      email: {{{MAIL}, port: 65536}}\n", "9:91 a port is 1 to 65535"),
        (
            '      email: {host: h, sender: "g@x.example\\r\\nRCPT TO:<x>", to: [o@x.example]}\n',
            "9:32 the sender is an address such as gateway@you.example, and nothing else",
        ),
        ("      email: {host: h, sender: g@x.example, to: []}\n", "9:49 1 to 20 addresses are written to"),
        (
            '      email: {host: h, sender: g@x.example, to: [o@x.example, "a@b>\\n"]}\n',
            "9:63 this is no address such as ops@you.example",
        ),
        (f"      email: {{{MAIL}, user: u}}\n", "9:14 password is missing: a server that asks for one asks for both"),
        (
            f"      email: {{{MAIL}, password: '${{ENV:PASSWORD}}'}}\n",
            "9:14 user is missing: a server that asks for one asks for both",
        ),
        (
            f"      email: {{{MAIL}, user: u, password: '${{ENV:PASSWORD}}', tls: none}}\n",
            "9:128 with tls: none the password would go in plain; use starttls or implicit",
        ),
        ("      slack: {url: '${ENV:SLACK}'}\n      events: [fund_low]\n", None),
    ],
    ids=[
        *("no kind", "two kinds", "no event", "no time", "a secret in the file", "slack in plain", "no address"),
        *("no scheme", "a user in it", "no signing secret", "no secret", "no token", "no chat", "an api in plain"),
        *("no host", "no port", "a header in the sender", "nobody", "a command in an address", "no password"),
        *("no user", "a password in plain", "no such event"),
    ],
)
def test_fault_of_a_channel_is_told_where_it_stands(text: str, what: str | None) -> None:
    """One fault, its place, and not a letter of what is secret."""
    found = faults_of(HEAD + text)
    if what is None:
        assert [each.partition("did you mean ")[2] for each in found] == ["funds_low?"]
    else:
        assert found == [what]


@pytest.mark.parametrize(
    ("field", "what"),
    [
        ("name: ''", "7:9 name has 1 to 40 letters, in one line"),
        ('name: "a\\nb"', "7:9 name has 1 to 40 letters, in one line"),
        ("group_interval_seconds: 4", "7:27 group_interval_seconds is 5 or more"),
        (
            "repeat_interval_seconds: 59",
            "7:28 repeat_interval_seconds is no less than group_interval_seconds",
        ),
        ("provider_down_seconds: 0", "7:26 provider_down_seconds has to be above 0"),
        ("funds_days: -1", "7:15 funds_days has to be above 0"),
        ("user_balance: 0", "7:17 user_balance has to be above 0"),
        (
            "channels: {Ops: {slack: {url: '${ENV:SLACK}'}}}",
            "7:14 a name has small letters, digits, - and _ (40 at most), not Ops",
        ),
        ("chanels: {}", "7:3 there is no field chanels here; did you mean channels?"),
    ],
)
def test_fault_of_the_section_is_told_where_it_stands(field: str, what: str) -> None:
    """Numbers out of range, names that are none."""
    assert faults_of(f"{GOOD}notify:\n  {field}\n") == [what]
