"""Presets: the dialects of the known families of panels, each with where what it says comes from.

A preset says what a family's published page says, and where pages of one family differ, what is safe for all of them:
a call more is better than a question that is never answered. `gateway provider probe` finds what one panel does.
"""

from typing import Final

import msgspec

from gateway.core.dialects import ProviderDialect


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """One family."""

    dialect: ProviderDialect
    about: str  # one sentence, for operators
    source: str  # where it was read, and when


PRESETS: Final = {
    "perfectpanel": Preset(
        dialect=ProviderDialect(),
        about="The common API: a POST form to /api/v2, many ids in one call, refills and cancels.",
        source="PROTOCOL.md section 1: the vendor's documentation page as thousands of panels copy it, November 2026",
    ),
    "legacy": Preset(
        dialect=ProviderDialect(preset="legacy", refill=False, cancel=False, multi_refill_status=False),
        about="The common API before refill and cancel: Cancelled, types such as custom_comments, charges as numbers.",
        source="PROTOCOL.md section 1, the legacy reply dialect; the PHP class that old panels publish has no refill",
    ),
    "smartpanel": Preset(
        dialect=ProviderDialect(preset="smartpanel", refill=False, cancel=False, multi_refill_status=False),
        about='The SmartPanel script: "status": "success" beside every answer, an unknown id as a bare sentence.',
        source="API pages of panels that run the script, November 2026; PROTOCOL.md Q43, Q45, Q49, Q55",
    ),
    "rentalpanel": Preset(
        # Some of the family's pages have `orders`, some have not; none has `refills`.
        dialect=ProviderDialect(preset="rentalpanel", multi_status=False, multi_refill_status=False),
        about="Rented panel scripts: the common API with types in small letters, one order in a call.",
        source="API pages of demo panels of two such scripts, November 2026; PROTOCOL.md Q46, Q64",
    ),
    "json": Preset(
        dialect=ProviderDialect(preset="json", body="json", multi_refill_status=False),
        about="Panels of own make: a JSON body in, and out an object with success and data.",
        source="PROTOCOL.md Q42, Q56, Q62, Q65: clients and panels that speak JSON only",
    ),
}
