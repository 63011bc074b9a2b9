"""Letterboxes on loopback for each kind of channel: in place of a webhook, Telegram, Slack and a mail server."""

import asyncio
import base64
import email
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from email.message import Message as Mail
from email.policy import default
from typing import Any

import msgspec


class Posted(msgspec.Struct, frozen=True):
    """One request that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


# What to do with a request: the bytes to answer, or None to say nothing for ever.
Manners = Callable[[Posted], bytes | None]


def reply(status: str, body: str = "ok", *headers: str) -> bytes:
    """An answer that ends the connection."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", body]
    return "\r\n".join(lines).encode()


OK = reply("200 OK")
BROKEN = reply("500 Internal Server Error", "")


class Letterbox:
    """Where a webhook, Telegram and Slack are posted to; `texts` is what was taken, as people read it."""

    def __init__(self) -> None:
        self.manners: Manners = lambda _: OK
        self.heard: list[Posted] = []
        self.taken: list[Posted] = []
        self.url = ""

    @property
    def texts(self) -> list[str]:
        """What was taken, as a person reads it."""
        told = [each.json for each in self.taken if each.body]
        return [each["text"] if "text" in each else each["data"]["text"] for each in told]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        posted = Posted(first.split(" ")[1], headers, body)
        self.heard.append(posted)
        said = self.manners(posted)
        if said is None:
            await reader.read()  # until the other side gives up
            return
        if said.startswith(b"HTTP/1.1 200"):
            self.taken.append(posted)
        writer.write(said)
        await writer.drain()


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback, by its port; at the end no connection is left, whoever hangs on it."""
    sessions: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        sessions.add(asyncio.create_task(session(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in sessions:
            task.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)
        for writer in writers:  # One with TLS waits for the other side's farewell otherwise.
            writer.transport.abort()
        await asyncio.sleep(0.01)  # for what `abort` leaves to the loop


@asynccontextmanager
async def letterbox() -> AsyncIterator[Letterbox]:
    """A letterbox that listens."""
    box = Letterbox()
    async with listening(box.serve) as port:
        box.url = f"http://127.0.0.1:{port}"
        yield box


class Letter(msgspec.Struct, frozen=True):
    """One mail that was taken."""

    sender: str
    to: tuple[str, ...]
    raw: bytes
    secure: bool  # whether it came over TLS
    user: str | None  # who was logged in

    @property
    def mail(self) -> Mail:
        """The mail, read."""
        return email.message_from_bytes(self.raw, policy=default)

    @property
    def text(self) -> str:
        """What a person reads."""
        body = self.mail.get_payload(decode=True)
        assert isinstance(body, bytes)
        return body.decode()


class MailServer:
    """A mail server with manners: `answers` says otherwise for a command's first word, None for silence."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None) -> None:
        self.letters: list[Letter] = []
        self.heard: list[str] = []  # command lines, without passwords
        self.answers: dict[str, str | None] = {}
        self.of_recipient: Callable[[str], str] = lambda _: "250 ok"
        self.port = 0
        self._tls = tls
        self._login = login

    @property
    def texts(self) -> list[str]:
        """What was taken, as a person reads it."""
        return [letter.text for letter in self.letters]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session."""
        await _Session(self, reader, writer, secure=writer.get_extra_info("ssl_object") is not None).run()

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What STARTTLS is made with."""
        return self._tls

    def knows(self, user: str, password: str) -> bool:
        """Whether this is who may send."""
        return (user, password) == self._login

    @property
    def asks(self) -> bool:
        """Whether one has to log in."""
        return self._login is not None


class _Session:
    def __init__(
        self, server: MailServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, secure: bool
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._secure = secure
        self._user: str | None = None
        self._sender = ""
        self._to: list[str] = []

    async def run(self) -> None:
        """Until QUIT."""
        await self._say("220 mail.example ESMTP")
        while line := (await self._reader.readline()).decode().rstrip("\r\n"):
            verb = line.split(" ")[0].upper()
            self._server.heard.append(line if verb != "AUTH" else "AUTH")
            if verb in self._server.answers:
                told = self._server.answers[verb]
                if told is None:
                    await self._reader.read()
                    return
                await self._say(told)
                continue
            if verb == "STARTTLS":
                await self._say("220 go on")
                assert self._server.tls is not None
                await self._writer.start_tls(self._server.tls)
                self._secure = True
            elif verb == "DATA":
                await self._data()
            else:
                await self._say(self._answer(verb, line))
            if verb == "QUIT":
                return

    def _answer(self, verb: str, line: str) -> str:
        match verb:
            case "EHLO":
                able = ["mail.example", "SIZE 1000000"]
                able += ["STARTTLS"] if self._server.tls is not None and not self._secure else []
                able += ["AUTH PLAIN"] if self._server.asks else []
                return "\r\n".join(f"250{'-' if each is not able[-1] else ' '}{each}" for each in able)
            case "AUTH":
                _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
                if not self._server.knows(user, password):
                    return f"535 5.7.8 wrong: {password}"
                self._user = user
                return "235 welcome"
            case "MAIL":
                self._sender, self._to = line.partition("<")[2].partition(">")[0], []
                return "250 ok" if self._user is not None or not self._server.asks else "530 log in first"
            case "RCPT":
                address = line.partition("<")[2].partition(">")[0]
                told = self._server.of_recipient(address)
                self._to += [address] if told.startswith("2") else []
                return told
            case "QUIT":
                return "221 bye"
            case "NOOP" | "RSET":
                return "250 ok"
            case _:
                return "502 no such thing"

    async def _data(self) -> None:
        await self._say("354 go on")
        raw = (await self._reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
        letter = Letter(self._sender, tuple(self._to), raw, self._secure, self._user)
        told = self._server.answers.get("DATA END", "250 taken")
        assert told is not None
        if told.startswith("2"):
            self._server.letters.append(letter)
        await self._say(told)

    async def _say(self, line: str) -> None:
        self._writer.write(line.encode() + b"\r\n")
        await self._writer.drain()


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, implicit: bool = False, login: tuple[str, str] | None = None
) -> AsyncIterator[MailServer]:
    """A mail server that listens: in plain, with STARTTLS, or with TLS from the first byte."""
    made = MailServer(tls=None if implicit else tls, login=login)
    async with listening(made.serve, tls if implicit else None) as port:
        made.port = port
        yield made


class Boxes:
    """One of each kind, and the settings that name them."""

    def __init__(self, hook: Letterbox, telegram: Letterbox, slack: Letterbox, mail: MailServer) -> None:
        self.hook = hook
        self.telegram = telegram
        self.slack = slack
        self.mail = mail

    @property
    def environ(self) -> dict[str, str]:
        """The secrets."""
        return {
            "HOOK_SECRET": "whsec_" + base64.b64encode(b"s" * 24).decode(),
            "TELEGRAM_TOKEN": "123456:AAtelegram-bot-token",
            "SLACK_URL": f"{self.slack.url}/services/T0/B0/slack-secret",
        }

    def notify(self, **more: Any) -> dict[str, Any]:
        """The section `notify`, with all four channels."""
        private = {"allow_private": True}
        return {
            "group_interval_seconds": 5,
            "provider_down_seconds": 0.5,
            "channels": {
                "hook": {"webhook": {"url": f"{self.hook.url}/notices", "secret": "${ENV:HOOK_SECRET}", **private}},
                "chat": {
                    "telegram": {
                        "token": "${ENV:TELEGRAM_TOKEN}",
                        "chat": "-100123",
                        "api": self.telegram.url,
                        **private,
                    }
                },
                "desk": {"slack": {"url": "${ENV:SLACK_URL}", **private}},
                "mail": {
                    "email": {
                        "host": "127.0.0.1",
                        "port": self.mail.port,
                        "tls": "none",
                        "sender": "gateway@you.example",
                        "to": ["ops@you.example"],
                        **private,
                    }
                },
            },
            **more,
        }

    def texts(self) -> list[list[str]]:
        """What each has taken, as people read it."""
        return [self.hook.texts, self.telegram.texts, self.slack.texts, self.mail.texts]


@asynccontextmanager
async def boxes() -> AsyncIterator[Boxes]:
    """One of each kind, all of them listening."""
    async with letterbox() as hook, letterbox() as telegram, letterbox() as slack, mail_server() as mail:
        yield Boxes(hook, telegram, slack, mail)
