"""The corpus of exchanges on real sockets: the client sends what a file says and answers what it says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from urllib.parse import urlsplit

import h11
import pytest

from gateway.core.fields import HttpRequest
from gateway.core.messages import Action, AddRequest, Unreadable, action_of
from gateway.core.presets import PRESETS
from gateway.metrics import Metrics
from gateway.providers.client import ProviderClient
from gateway.providers.said import Answered
from gateway.providers.upstream import Timeouts, Upstream
from tests.exchanges import KEY, Answer, Exchange, exchanges, sent, written


class Recorder:
    """A panel that gives each caller the answer that is laid out, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answer = Answer(200)
        self.heard: list[HttpRequest] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one exchange."""
        connection = h11.Connection(h11.SERVER)
        head, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                break
        if head is not None:
            query = urlsplit(head.target.decode()).query.encode()
            self.heard.append(HttpRequest(method=head.method.decode(), query=query, body=body))
            headers = [("content-length", str(len(self.answer.body))), ("connection", "close")]
            writer.write(connection.send(h11.Response(status_code=self.answer.http, headers=headers)) or b"")
            writer.write(connection.send(h11.Data(data=self.answer.body)) or b"")
        writer.close()


@asynccontextmanager
async def conversation(dialect: str) -> AsyncIterator[tuple[Recorder, ProviderClient]]:
    """A panel and a client of it that speaks a dialect."""
    recorder = Recorder()
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
    upstream = Upstream(
        name="panel-a",
        url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v2",
        key=KEY,
        currency="USD",
        dialect=PRESETS[dialect].dialect,
        timeouts=Timeouts(connect=2, write=2, total=5, total_read=5),
        requests_per_second=Decimal(1000),
        allow_private=True,
    )
    client = ProviderClient(upstream, Metrics())
    try:
        yield recorder, client
    finally:
        await client.aclose()
        server.close()
        await server.wait_closed()


async def armed() -> bool:
    """Every attempt may be sent."""
    return True


@pytest.mark.parametrize("dialect", PRESETS)
async def test_client_sends_and_answers_what_each_file_says(dialect: str) -> None:
    """Asked, told or placed; and each `add` is sent once, whatever comes back."""
    async with conversation(dialect) as (recorder, client):
        for each in (each for each in exchanges() if each.dialect == dialect):
            recorder.answer, recorder.heard = each.file.reply, []
            await _played(client, each)
            assert [sent(http) for http in recorder.heard] == [each.file.call], each.name


async def _played(client: ProviderClient, each: Exchange) -> None:
    if isinstance(each.request, AddRequest):
        said = await client.place(each.request, armed, now=0)
        assert isinstance(said, Answered)
        assert written(said.outcome) == each.file.outcome, each.name
        return
    telling = action_of(each.request) in (Action.REFILL, Action.CANCEL)
    answer = await (client.tell if telling else client.ask)(each.request)
    if isinstance(each.expected, Unreadable):
        assert isinstance(answer, Unreadable), each.name
    else:
        assert answer == each.expected, each.name
