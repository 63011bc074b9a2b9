"""A place that is POSTed to: reached without a word, and only where it may go."""

import asyncio
import ssl

import trustme

from gateway.providers.post import reach
from tests.letterbox import letterbox, listening


async def test_address_is_reached_without_a_word() -> None:
    """The connection stands, and nothing was heard."""
    async with letterbox() as box:
        assert await reach(f"{box.url}/x", allow_private=True, seconds=2) == ""
        assert box.heard == []


async def test_private_address_is_not_reached() -> None:
    """Unless that is permitted."""
    async with letterbox() as box:
        said = await reach(box.url, allow_private=False, seconds=2)
    assert "which is private; allow_private permits it" in said


async def test_nobody_there_is_said() -> None:
    """In words."""
    assert "ConnectError" in await reach("http://127.0.0.1:1/x", allow_private=True, seconds=2)


async def hang_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """The connection ends with us."""


async def say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Whatever comes."""
    await reader.read()


async def test_certificate_nobody_vouches_for_is_said() -> None:
    """Before anything is sent there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    async with listening(hang_up, context) as port:
        said = await reach(f"https://localhost:{port}/x", allow_private=True, seconds=2)
    assert "certificate" in said.lower()


async def test_silence_during_tls_is_cut() -> None:
    """A server that takes the connection and says nothing."""
    async with listening(say_nothing) as port:
        said = await reach(f"https://localhost:{port}/x", allow_private=True, seconds=0.2)
    assert said
