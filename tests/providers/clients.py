"""Clients for tests: short limits, a provider on loopback, and what they told their observer."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

from gateway.core.error_type import ErrorType
from gateway.core.messages import Action, AddRequest
from gateway.core.outcome import Outcome
from gateway.providers.breaker import BreakerState
from gateway.providers.client import ProviderClient
from gateway.providers.said import Fenced
from gateway.providers.upstream import Timeouts, Upstream
from gateway.providers.wire import Opening, open_transport

ORDER = AddRequest(service="101", fields=(("link", "https://social.example/1"), ("quantity", "100")))
NOW = 1_700_000_000_000
BALANCE = b'{"balance":"5","currency":"USD"}'


class Heard:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.retries = 0
        self.breakers: list[tuple[str, str]] = []

    def upstream_call(self, provider: str, action: Action, error: ErrorType | None, *, seconds: float) -> None:
        """Remember a call."""
        assert provider == "panel-a"
        assert seconds >= 0
        self.calls.append((action.value, "ok" if error is None else error.value))

    def breaker_is(self, provider: str, kind: str, state: BreakerState) -> None:
        """Remember a state."""
        assert provider == "panel-a"
        self.breakers.append((kind, state.value))

    def upstream_retry(self, provider: str) -> None:
        """Count a repeat."""
        assert provider == "panel-a"
        self.retries += 1


class Client(ProviderClient):
    """A client of a test, with what it told."""

    def __init__(self, url: str, *, opening: Opening = open_transport, **changes: object) -> None:
        self.told = Heard()
        values: dict[str, object] = {
            "timeouts": Timeouts(connect=0.5, write=0.5, total=0.5, total_read=0.5),
            "requests_per_second": Decimal(1000),
            "allow_private": True,
            "key": "secret-key",
            **changes,
        }
        there = Upstream(name="panel-a", url=url, currency="USD", **values)  # type: ignore[arg-type] # by name
        super().__init__(there, self.told, opening=opening)


async def yes() -> bool:
    """Armed."""
    return True


async def no() -> bool:
    """Somebody else has it."""
    return False


async def place(client: ProviderClient, arm: Callable[[], Awaitable[bool]] = yes) -> Outcome | Fenced:
    """What became of an order."""
    said = await client.place(ORDER, arm, now=NOW)
    return said if isinstance(said, Fenced) else said.outcome
