"""Mail: one message handed to a mail server, over verified TLS, within limits, and only where it may go.

A session is made for each message and ended after it: notices are few, and servers end idle sessions. The address that
is connected to is judged as a provider's is (addresses.py); aiosmtplib speaks on the socket that was made to it. Its
`starttls` throws away whatever came in plain before TLS stood (RFC 3207, section 4.2). Nobody else knows aiosmtplib.
"""

import asyncio
import socket
import ssl
from typing import Final, Literal

import aiosmtplib
import httpcore
import msgspec

from gateway.core.notice_forms import ROOM, Answer, Message, as_line, write_mail
from gateway.providers.addresses import allowed_addresses
from gateway.providers.strike import Strike

# Seconds: of one connection, and of a whole session. RFC 5321 would have us wait for minutes; a notice is tried again.
CONNECT_SECONDS: Final = 5.0
SESSION_SECONDS: Final = 20.0
PORTS: Final = {"starttls": 587, "implicit": 465, "none": 25}
_PERMANENT: Final = range(500, 600)

Tls = Literal["starttls", "implicit", "none"]


class MailTo(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail goes."""

    host: str
    sender: str
    to: tuple[str, ...]
    port: int | None = None
    tls: Tls = "starttls"
    user: str | None = None
    password: str = ""
    allow_private: bool = False

    def __repr__(self) -> str:
        """Without the password."""
        return f"MailTo(host={self.host!r})"


class Mail:
    """A mail server as one may speak to it."""

    room = ROOM

    def __init__(self, to: MailTo, *, tls: ssl.SSLContext | None = None) -> None:
        assert to.tls != "none" or to.user is None, "a password is never sent in plain"
        self._to = to
        # The system's authorities: a house's own mail server may have its house's certificate (SSL_CERT_FILE).
        self._tls = tls or ssl.create_default_context()
        self._strike = Strike(to.password)

    async def send(self, message: Message, *, at: int) -> Answer:
        """Hand over a message, at `at` seconds since the epoch."""
        to = self._to
        return await self._in_session(write_mail(message, sender=to.sender, to=to.to, at=at))

    async def look(self) -> str:
        """Connect, make TLS and log in, and say nothing else; answers what is wrong."""
        return (await self._in_session(None)).problem

    async def aclose(self) -> None:
        """There is nothing that is kept."""

    async def _in_session(self, mail: bytes | None) -> Answer:
        try:
            async with asyncio.timeout(SESSION_SECONDS):
                client = await self._connected()
                try:
                    refused = await self._said(client, mail)
                    await client.quit()
                finally:
                    client.close()
        except (aiosmtplib.SMTPException, httpcore.NetworkError, httpcore.TimeoutException, OSError) as error:
            return self._failed(error)  # TimeoutError and ssl's errors are OSErrors.
        return Answer(note=f"{refused} of {len(self._to.to)} recipients refused" if refused else "")

    async def _connected(self) -> aiosmtplib.SMTP:
        """A session that is encrypted and logged in as the settings say."""
        to = self._to
        port = to.port or PORTS[to.tls]
        addresses = await allowed_addresses(to.host, port, allow_private=to.allow_private, seconds=CONNECT_SECONDS)
        connected = await _socket(addresses, port)
        client = aiosmtplib.SMTP(
            hostname=to.host,
            port=None,
            sock=connected,
            use_tls=to.tls == "implicit",
            start_tls=False,
            tls_context=self._tls,
            local_hostname=_literal(connected),
            timeout=SESSION_SECONDS,
        )
        try:
            await client.connect()
            if to.tls == "starttls":
                await client.starttls(server_hostname=to.host, tls_context=self._tls)
            if to.user is not None:
                await client.login(to.user, to.password)
        except BaseException:
            if client.transport is None:
                connected.close()  # Nobody took it over, so nobody else closes it.
            client.close()
            raise
        return client

    async def _said(self, client: aiosmtplib.SMTP, mail: bytes | None) -> int:
        """Hand over the mail, if there is one; answers how many of the recipients were refused."""
        if mail is None:
            await client.noop()
            return 0
        refused, _ = await client.sendmail(self._to.sender, list(self._to.to), mail)
        return len(refused)

    def _failed(self, error: BaseException) -> Answer:
        match error:
            case aiosmtplib.SMTPConnectError() if error.__cause__ is not None:
                return self._failed(error.__cause__)
            case aiosmtplib.SMTPRecipientsRefused():
                first = error.recipients[0]
                permanent = all(each.code in _PERMANENT for each in error.recipients)
                return self._answer(f"SMTP {first.code}: no recipient was taken", passing=not permanent)
            case aiosmtplib.SMTPResponseException():
                told = f"SMTP {error.code}: {error.message}"
                return self._answer(told, passing=error.code not in _PERMANENT)
            case TimeoutError() | httpcore.TimeoutException():
                return self._answer(f"no answer within {SESSION_SECONDS:g} s", passing=True)
            case ssl.SSLCertVerificationError() | aiosmtplib.SMTPNotSupported():
                return self._answer(f"{type(error).__name__}: {error}", passing=False)
            case aiosmtplib.SMTPServerDisconnected() | OSError() | httpcore.NetworkError():
                return self._answer(f"{type(error).__name__}: {error}", passing=True)
            case _:
                return self._answer(f"{type(error).__name__}: {error}", passing=False)

    def _answer(self, problem: str, *, passing: bool) -> Answer:
        return Answer(problem=as_line(self._strike.text(problem)), passing=passing)


async def _socket(addresses: list[str], port: int) -> socket.socket:
    """A socket that is connected to the first of these addresses that lets us; raises OSError."""
    loop = asyncio.get_running_loop()
    problem: OSError | None = None
    for address in addresses:
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)  # noqa: FBT003 - the socket's own signature
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.sock_connect(made, (address, port))
        except OSError as error:
            made.close()
            problem = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    assert problem is not None, "at least one address was tried"
    raise problem


def _literal(connected: socket.socket) -> str:
    """Our end's address as EHLO takes it where there is no name (RFC 5321, section 4.1.3)."""
    address = str(connected.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
