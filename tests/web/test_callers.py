"""Whose call it is, and who is turned away."""

from ipaddress import ip_network
from typing import cast

import pytest
from litestar.types import Scope

from gateway.cache.memory import MemoryCache
from gateway.web.callers import Callers

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def scope(peer: str, *forwarded: str) -> Scope:
    """A call as the server hands it on."""
    headers = [(b"X-Forwarded-For", each.encode()) for each in forwarded]
    return cast("Scope", {"client": (peer, 1234), "headers": headers})


class Clock:
    """Milliseconds, set by the test."""

    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        """The time."""
        return self.now


def callers(clock: Clock, times: int = 3) -> Callers:
    """Three wrong keys a minute."""
    return Callers(MemoryCache(), clock, wrong_keys_per_minute=times, trusted=TRUSTED)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        ("192.0.2.1", ("198.51.100.9",), "192.0.2.1"),
        ("10.0.0.1", ("198.51.100.9",), "198.51.100.9"),
        ("10.0.0.1", ("203.0.113.5, 198.51.100.9",), "198.51.100.9"),
        ("10.0.0.1", ("203.0.113.5", "198.51.100.9, 10.9.9.9"), "198.51.100.9"),
        ("::ffff:10.0.0.1", ("198.51.100.9",), "198.51.100.9"),
        ("::ffff:192.0.2.1", (), "192.0.2.1"),
        ("fd00::1", ("2001:db8:1:2:3::4",), "2001:db8:1:2::/64"),
        ("10.0.0.1", (), "?"),
        ("10.0.0.1", ("no address",), "?"),
        ("10.0.0.1", ("10.0.0.2",), "10.0.0.1"),
        ("", (), "?"),
    ],
)
def test_address_is_the_nearest_that_is_no_proxy_of_ours(peer: str, forwarded: tuple[str, ...], address: str) -> None:
    """What a stranger writes into X-Forwarded-For is not believed, also when a proxy of ours passes it on."""
    assert callers(Clock()).address(scope(peer, *forwarded)) == address


async def test_address_is_turned_away_until_its_time_is_over() -> None:
    """Three wrong keys a minute, then twenty seconds' wait; another address is welcome."""
    clock = Clock()
    kept = callers(clock)
    assert [await kept.wrong_key("a") for _ in range(4)] == [0, 0, 0, 20]
    assert (kept.seconds_away("a"), kept.seconds_away("b")) == (20, 0)
    clock.now += 19_500
    assert kept.seconds_away("a") == 1
    clock.now += 500
    assert kept.seconds_away("a") == 0
    assert await kept.wrong_key("a") == 0


async def test_limit_of_nought_turns_nobody_away() -> None:
    """It is switched off."""
    kept = callers(Clock(), 0)
    assert [await kept.wrong_key("a") for _ in range(10)] == [0] * 10
