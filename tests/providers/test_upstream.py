"""An upstream: what its client needs, without showing its key."""

import msgspec

from gateway.core.dialects import ProviderDialect
from gateway.core.messages import BalanceRequest, ServicesRequest
from gateway.providers.upstream import REPLY_BYTES_MAX, SERVICES_BYTES_MAX, Timeouts, Upstream

PANEL = Upstream(name="panel-a", url="https://panel-a.example/api/v2", key="secret-key", currency="USD")


def test_key_is_not_shown() -> None:
    """Neither by repr, nor by str, nor inside something else, nor by rich's tracebacks."""
    for shown in (repr(PANEL), str(PANEL), f"{[PANEL]}", str(list(PANEL.__rich_repr__()))):
        assert "secret-key" not in shown
        assert "panel-a" in shown


def test_private_addresses_and_bad_certificates_have_to_be_asked_for() -> None:
    """The safe way is the default."""
    assert (PANEL.allow_private, PANEL.verify_tls) == (False, True)


def test_limits_are_those_of_the_design() -> None:
    """RELIABILITY.md section 1.4: 5, 10 and 90 seconds for an order, 20 for a read; 1 MB, and 32 MB for a list."""
    assert PANEL.timeouts == Timeouts(connect=5, write=10, total=90, total_read=20)
    assert (REPLY_BYTES_MAX, SERVICES_BYTES_MAX) == (1 << 20, 32 << 20)


def test_sign_of_life_is_what_the_panel_has() -> None:
    """The balance, which costs it least; the list of one that has none."""
    assert PANEL.sign_of_life == BalanceRequest()
    mute = msgspec.structs.replace(PANEL, dialect=ProviderDialect(balance=False))
    assert mute.sign_of_life == ServicesRequest()
