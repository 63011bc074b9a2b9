"""What the settings want sold and whom they want asked."""

from decimal import Decimal

import pytest

from gateway.actions.wanted import upstream_of, wanted_of
from tests.settings.files import GOOD, read


@pytest.mark.parametrize(
    ("lines", "pace"),
    [
        ("", 10),
        ("    dialect: {requests_per_second: 2}\n", 2),
        ("    requests_per_second: 5\n    dialect: {requests_per_second: 2}\n", 5),
    ],
)
def test_pace_is_the_providers_own_or_its_dialects(lines: str, pace: int) -> None:
    """What the operator says of this one panel goes before what its family bears."""
    provider = read(GOOD + lines).providers["panel-a"]
    assert upstream_of("panel-a", provider).requests_per_second == Decimal(pace)


def test_what_a_panel_lacks_reaches_the_catalogue() -> None:
    """So that no list of ours promises it."""
    (source,) = wanted_of(read(f"{GOOD}    dialect: smartpanel\n")).sources.values()
    assert (source.refills, source.cancels, source.imports) == (False, False, False)
    (other,) = wanted_of(read(f"{GOOD}    imports: all\n")).sources.values()
    assert (other.refills, other.cancels, other.imports) == (True, True, True)
