"""Addresses: what is judged is what is connected to."""

import socket
from typing import Any

import httpcore
import httpx
import pytest

from gateway.providers.addresses import AddressRefused, GuardedBackend, is_public
from gateway.providers.upstream import Upstream
from gateway.providers.wire import open_transport, tls_context
from tests.providers.misdeeds import GOOD, misdoer, whole


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254"),
        *("100.64.0.1", "192.0.0.1", "224.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "fec0::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "::127.0.0.1", "64:ff9b:1::1"),
        *("64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::10.0.0.1"),
    ],
)
def test_address_that_no_panel_has_is_not_public(address: str) -> None:
    """Loopback, private, link-local, a cloud's metadata, multicast; also as IPv4 dressed up as IPv6."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::", "64:ff9b::8.8.8.8"]
)
def test_address_of_the_internet_is_public(address: str) -> None:
    """Also through a network's own translator."""
    assert is_public(address)


def resolving_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let `panel-a.example` have these addresses, others at each look-up; answers the look-ups made."""
    made: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        if host != "panel-a.example":
            return real(host, port, *rest, **named)
        made.append(host)
        addresses = answers[min(len(made), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return made


async def test_name_that_changes_between_check_and_connection_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked up once, and the connection goes to the address that was judged."""
    async with misdoer(whole(GOOD)) as there:
        made = resolving_to(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
        stream = await GuardedBackend(allow_private=True).connect_tcp("panel-a.example", there.port, 5)
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", there.port)
        await stream.aclose()
        assert made == ["panel-a.example"]


async def test_name_that_leads_home_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every address named, and nothing connected to."""
    async with misdoer(whole(GOOD)) as there:
        resolving_to(monkeypatch, ["10.0.0.1", "127.0.0.1"])
        with pytest.raises(AddressRefused, match=r"panel-a.example leads to 10.0.0.1, 127.0.0.1, which is private"):
            await GuardedBackend(allow_private=False).connect_tcp("panel-a.example", there.port, 5)
        assert there.connections == 0


async def test_next_address_is_tried_where_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As browsers do; the last refusal is the answer where none does."""
    async with misdoer(whole(GOOD)) as there:
        resolving_to(monkeypatch, ["127.0.0.2", "127.0.0.1"], ["127.0.0.2", "127.0.0.3"])
        backend = GuardedBackend(allow_private=True)
        stream = await backend.connect_tcp("panel-a.example", there.port, 5)
        await stream.aclose()
        with pytest.raises(httpcore.ConnectError):
            await backend.connect_tcp("panel-a.example", there.port, 5)


async def test_httpx_connects_through_the_guard() -> None:
    """The pool that `open_transport` puts into httpx's transport is the one that is used."""
    async with misdoer(whole(GOOD)) as there:
        panel = Upstream(name="panel-a", url=there.url, key="secret-key", currency="USD", allow_private=False)
        for keep in (True, False):
            transport = open_transport(panel, connections=1, keep=keep, tls=tls_context(panel))
            with pytest.raises(httpx.ConnectError, match="which is private"):
                await transport.handle_async_request(httpx.Request("GET", there.url))
            await transport.aclose()
        assert there.connections == 0
