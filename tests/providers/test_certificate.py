"""When a certificate ends, asked of a real TLS server; silence where there is nothing to trust."""

import asyncio
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from gateway.providers.certificate import certificate_ends


async def serve(authority: trustme.CA, ends: datetime) -> tuple[asyncio.Server, int]:
    """A server whose certificate ends then; and its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", not_after=ends).configure_cert(context)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    return server, server.sockets[0].getsockname()[1]


async def test_end_of_a_certificate_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the second, where its authority is one this machine trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    server, port = await serve(authority, datetime.now(UTC) + timedelta(days=5))
    try:
        ends = await certificate_ends(f"https://localhost:{port}/api/v2")
    finally:
        server.close()
        await server.wait_closed()
    assert ends is not None
    assert abs(ends - time.time() - 5 * 86_400) < 60


async def test_nothing_to_trust_says_nothing() -> None:
    """Without TLS, where nobody answers, and where nobody vouches for it."""
    assert await certificate_ends("http://127.0.0.1:1/api") is None
    assert await certificate_ends("https://127.0.0.1:1/api") is None
    server, port = await serve(trustme.CA(), datetime.now(UTC) + timedelta(days=5))
    try:
        assert await certificate_ends(f"https://localhost:{port}/") is None
    finally:
        server.close()
        await server.wait_closed()
