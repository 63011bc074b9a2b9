"""Raw HTTP to a gateway: bytes out, whatever comes back in, and whether the other side closed the connection."""

import asyncio
import re
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import httpx

from tests.gateway_process import Caller, house_settings, running_house
from tests.panel_process import SimulatedPanel
from tests.world import LINK, on_sale

HEAD = b"POST /api/v2 HTTP/1.1\r\nHost: gateway\r\n"


async def known(panel: SimulatedPanel, folder: Path) -> str:
    """The key of a user whom a gateway that is started on this folder will know."""
    async with running_house(house_settings(folder, a=panel.url)) as house:
        await on_sale(house)
        return (await house.user()).key


def environ(folder: Path) -> dict[str, str]:
    """The environment of a gateway of its own there."""
    return {
        "GATEWAY_DATA_DIR": str(folder),
        "GATEWAY_PORT": "0",
        "GATEWAY_METRICS_PORT": "0",
        "PANEL_A_KEY": "panel-a-key",
        "PANEL_B_KEY": "panel-b-key",
    }


class Line:
    """What came back over one connection, and whether the other side closed it."""

    def __init__(self, received: bytes, *, closed: bool) -> None:
        self.received = received
        self.closed = closed

    @property
    def statuses(self) -> list[int]:
        """The HTTP statuses of the answers, in their order."""
        return [int(each) for each in re.findall(rb"HTTP/1\.[01] (\d{3}) ", self.received)]


async def sent(url: str, raw: bytes, *, answers: int = 1, seconds: float = 10.0) -> Line:
    """Send these bytes; what comes until the other side closes, or a moment after so many answers."""
    there = httpx.URL(url)
    reader, writer = await asyncio.open_connection(there.host, there.port)
    with closing(writer):
        writer.write(raw)
        received = b""
        try:
            async with asyncio.timeout(seconds) as left:
                while part := await reader.read(65_536):
                    received += part
                    if len(Line(received, closed=False).statuses) >= answers:
                        left.reschedule(asyncio.get_running_loop().time() + 0.3)
        except TimeoutError:
            return Line(received, closed=False)
        except ConnectionResetError:  # It closed with something of ours unread.
            return Line(received, closed=True)
        return Line(received, closed=True)


def form(call: Caller, **fields: str) -> bytes:
    """A body."""
    return urlencode({"key": call.key, **fields}).encode()


def hidden(call: Caller) -> bytes:
    """A whole second request: an order."""
    body = form(call, action="add", service="1", link=f"{LINK}/hidden", quantity="100")
    return HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def chunks(body: bytes, size: bytes = b"", after: bytes = b"\r\n") -> bytes:
    """A body in one chunk."""
    return (size or b"%x" % len(body)) + b"\r\n" + body + after + b"0\r\n\r\n"
