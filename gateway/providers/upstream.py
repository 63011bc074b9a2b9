"""An upstream: one provider as its client needs it, with every limit of a conversation with it."""

from decimal import Decimal
from typing import Any, Final

import msgspec

from gateway.core.dialects import STANDARD_PROVIDER, ProviderDialect
from gateway.core.messages import BalanceRequest, ServicesRequest
from gateway.core.outcome import USUAL, Policy
from gateway.core.rejections import RejectKind

# Bytes of one answer. Lists of 5000 services are some 2 MB; nothing else is more than a page (RELIABILITY.md U15).
SERVICES_BYTES_MAX: Final = 32 * 1024 * 1024
REPLY_BYTES_MAX: Final = 1024 * 1024


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; `total` bounds a whole `add`, `total_read` a read: httpx's own timeout starts anew at each byte."""

    connect: float = 5.0
    write: float = 10.0
    total: float = 90.0
    total_read: float = 20.0


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider is, how it wants to be spoken to, and how much of it at once."""

    name: str
    url: str
    key: str
    currency: str
    dialect: ProviderDialect = STANDARD_PROVIDER
    timeouts: Timeouts = Timeouts()
    concurrency: int = 8  # orders on their way to it at once
    requests_per_second: Decimal = Decimal(10)
    allow_private: bool = False  # whether it may live at a private or loopback address
    verify_tls: bool = True
    errors: dict[str, RejectKind] = {}  # error texts of its own
    policy: Policy = USUAL  # what its answers prove, where that is not the usual
    refund_confirmations: int = 1  # how often in a row it has to name a refund before it is paid
    same_id_seconds: float = 0.0  # so long it answers an identical add with the id of the first
    link_wait: int | None = None  # seconds an order may wait for a link that is busy there; None: not said

    @property
    def sign_of_life(self) -> BalanceRequest | ServicesRequest:
        """What it is asked to see whether it is there: the balance, or its list where it has no balance to tell."""
        return BalanceRequest() if self.dialect.balance else ServicesRequest()

    def __repr__(self) -> str:
        """Without the key, so that no log or traceback has it."""
        return f"Upstream(name={self.name!r}, url={self.url!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The same for tracebacks that show variables."""
        return [("name", self.name), ("url", self.url)]
