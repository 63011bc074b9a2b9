"""How often the clock comes in for what has no schedule of its own."""

import msgspec


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds between two runs."""

    sweep: float = 5.0
    figures: float = 10.0
    texts: float = 10.0
    notices: float = 10.0
    balances: float = 60.0
    reconcile: float = 5.0
    verify: float = 3600.0
    verify_stopped: float = 60.0  # also from the start to the first verification of all the books
