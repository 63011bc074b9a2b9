"""Mail over real sockets: verified TLS, a login that is never in plain, faults in words without the password."""

import asyncio
import ssl

import pytest
import trustme

import gateway.providers.mail as mail_module
from gateway.core.notice import Severity
from gateway.core.notice_forms import Answer, Message
from gateway.providers.mail import Mail, MailTo
from tests.letterbox import MailServer, listening, mail_server

AUTHORITY = trustme.CA()
PASSWORD = "hidden-password"
MESSAGE = Message(
    id="msg_1", made_at=1, title="[gateway] down", text="line\n.\n.dot\nend", severity=Severity.WARNING, parts=()
)


def served(name: str = "localhost", authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    """What a server of that name shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def trusting() -> ssl.SSLContext:
    """A context that trusts our authority alone."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def to(server: MailServer, **more: object) -> MailTo:
    """The way there."""
    values: dict[str, object] = {
        "host": "localhost", "port": server.port, "sender": "gateway@you.example", "allow_private": True, "tls": "none",
        "to": ("ops@you.example", "me@you.example"), **more,
    }  # fmt: skip
    return MailTo(**values)  # type: ignore[arg-type] # the fields by name


async def send(where: MailTo, tls: ssl.SSLContext | None = None) -> Answer:
    """Send the message there."""
    return await Mail(where, tls=tls).send(MESSAGE, at=1_769_817_600)


async def test_mail_arrives_whole() -> None:
    """To everybody, each line as it was, also one that is a dot."""
    async with mail_server() as server:
        assert await send(to(server)) == Answer()
        (letter,) = server.letters
    assert (letter.sender, letter.to) == ("gateway@you.example", ("ops@you.example", "me@you.example"))
    assert letter.text == "line\r\n.\r\n.dot\r\nend\r\n"
    assert letter.mail["Subject"] == "[gateway] down"
    assert server.heard[0] == "EHLO [127.0.0.1]"
    assert server.heard[-1] == "QUIT"


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_login_goes_over_tls(trusting: ssl.SSLContext, tls: str) -> None:
    """Which stands before the password is said."""
    async with mail_server(tls=served(), implicit=tls == "implicit", login=("u", PASSWORD)) as server:
        assert await send(to(server, tls=tls, user="u", password=PASSWORD), trusting) == Answer()
        (letter,) = server.letters
    assert (letter.secure, letter.user) == (True, "u")
    assert "AUTH" in server.heard


async def test_password_in_plain_is_a_mistake_of_ours() -> None:
    """The settings refuse it."""
    async with mail_server() as server:
        with pytest.raises(AssertionError, match="in plain"):
            Mail(to(server, user="u", password=PASSWORD))


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("wrong", ["name", "authority"])
async def test_certificate_of_somebody_else_ends_it(trusting: ssl.SSLContext, tls: str, wrong: str) -> None:
    """Nothing is said, and trying again at once would not help."""
    shown = served("other.example") if wrong == "name" else served(authority=trustme.CA())
    async with mail_server(tls=shown, implicit=tls == "implicit") as server:
        answer = await send(to(server, tls=tls), trusting)
        assert server.letters == []
    assert "certificate" in answer.problem.lower()
    assert not answer.passing


async def test_server_without_starttls_is_not_spoken_to_in_plain(trusting: ssl.SSLContext) -> None:
    """Whoever stands in between may have taken the offer away."""
    async with mail_server() as server:
        answer = await send(to(server, tls="starttls"), trusting)
        assert not [line for line in server.heard if line.startswith("MAIL")]
    assert "STARTTLS" in answer.problem
    assert not answer.passing


async def test_wrong_password_is_told_without_it(trusting: ssl.SSLContext) -> None:
    """This server repeats it in its refusal."""
    async with mail_server(tls=served(), login=("u", "another")) as server:
        where = to(server, tls="starttls", user="u", password=PASSWORD)
        answer = await send(where, trusting)
        looked = await Mail(where, tls=trusting).look()
    assert answer.problem == "SMTP 535: 5.7.8 wrong: [key]"
    assert looked == answer.problem
    assert not answer.passing
    assert PASSWORD not in repr(where)


@pytest.mark.parametrize(
    ("verb", "said", "problem", "passing"),
    [
        ("MAIL", "451 later", "SMTP 451: later", True),
        ("MAIL", "550 who are you", "SMTP 550: who are you", False),
        ("RCPT", "450 greylisted", "SMTP 450: no recipient was taken", True),
        ("RCPT", "550 nobody", "SMTP 550: no recipient was taken", False),
        ("DATA", "554 no", "SMTP 554: no", False),
        ("DATA END", "452 full", "SMTP 452: full", True),
    ],
)
async def test_refusal_says_whether_it_passes(verb: str, said: str, problem: str, passing: bool) -> None:
    """4xx may, 5xx does not."""
    async with mail_server() as server:
        server.answers[verb] = said
        assert await send(to(server)) == Answer(problem=problem, passing=passing)


async def test_server_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the session's deadline, with the socket closed."""
    monkeypatch.setattr(mail_module, "SESSION_SECONDS", 0.3)
    async with mail_server() as server:
        server.answers["MAIL"] = None
        assert await send(to(server)) == Answer(problem="no answer within 0.3 s", passing=True)


async def test_server_that_hangs_up_may_be_tried_again() -> None:
    """Before it said a word."""

    async def hang_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        """The connection ends with us."""

    made = MailServer()
    async with listening(hang_up) as made.port:
        answer = await send(to(made))
    assert answer.passing
    assert answer.problem


async def test_nobody_there_may_be_tried_again() -> None:
    """As where a name leads nowhere."""
    nobody = MailServer()
    nobody.port = 1
    refused = await send(to(nobody))
    assert (refused.taken, refused.passing) == (False, True)
    nowhere = await send(to(nobody, host="mail.invalid"))
    assert (nowhere.taken, nowhere.passing) == (False, True)


async def test_private_address_is_not_connected_to() -> None:
    """Unless the channel permits it."""
    async with mail_server() as server:
        answer = await send(to(server, allow_private=False))
        assert server.heard == []
    assert "which is private" in answer.problem


async def test_look_says_nothing_but_who_we_are(trusting: ssl.SSLContext) -> None:
    """TLS and a login prove that mail would go; no message does."""
    async with mail_server(tls=served(), login=("u", PASSWORD)) as server:
        assert await Mail(to(server, tls="starttls", user="u", password=PASSWORD), tls=trusting).look() == ""
    verbs = [line.split(" ")[0] for line in server.heard]
    assert verbs == ["EHLO", "STARTTLS", "EHLO", "AUTH", "NOOP", "QUIT"]


async def test_recipient_that_is_refused_is_noted() -> None:
    """The others have the mail, so it is not sent again."""
    async with mail_server() as server:
        first = True

        def refuse_once(_: str) -> str:
            nonlocal first
            first, was = False, first
            return "550 nobody" if was else "250 ok"

        server.of_recipient = refuse_once
        assert await send(to(server)) == Answer(note="1 of 2 recipients refused")
        assert server.letters[0].to == ("me@you.example",)
