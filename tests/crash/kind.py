"""Kinds of worlds: what is ordered, who is limited, and who meddles while gateways are killed; drawn from the seed."""

import random
from typing import Final

import msgspec

from gateway.core.spending import UserLimits

CHILDREN_SHARE: Final = 0.35  # of the worlds
LIMITS_SHARE: Final = 0.25
MEDDLED_SHARE: Final = 0.4

SERVICES: Final = """
currency: USD
services:
  - {id: 101, name: A, rate: 0.90, min: 10, max: 100000, refill: true, cancel: true, seconds: 0.4}
  - {id: 102, name: B, rate: 0.33, min: 10, max: 100000, cancel: true, seconds: 0.3, ends: partial, delivered: 0.6}
  - {id: 103, name: C, rate: 1.70, min: 10, max: 100000, refill: true, seconds: 0.2, ends: canceled}
  - {id: 104, name: D, type: Subscriptions, rate: 0.60, min: 10, max: 5000, cancel: true, seconds: 0.3}
  - {id: 105, name: E, type: Subscriptions, rate: 0.50, min: 10, max: 5000, cancel: true, seconds: 20000, ends: partial,
     delivered: 0.6}
  - {id: 106, name: F, rate: 0.40, min: 10, max: 100000, dripfeed: true, cancel: true, seconds: 0.3}
  - {id: 107, name: G, rate: 0.70, min: 10, max: 100000, dripfeed: true, cancel: true, seconds: 0.2, ends: partial,
     delivered: 0.3}
  - {id: 108, name: H, rate: 0.80, min: 10, max: 100000, dripfeed: true, seconds: 0.2, ends: canceled}
"""
_PROVIDER: Final = """
  {name}:
    url: {url}
    key: ${{ENV:CRASH_KEY_{upper}}}
    enabled: {enabled}
    allow_private: true
    requests_per_second: 5000
    concurrency: {concurrency}
    poll_seconds: {poll}
    refresh_seconds: 3600
    timeouts: {{connect: 0.5, write: 0.5, total: 0.5, total_read: 0.4}}
    unknown:
      probe: id_window
      quarantine_seconds: 0.5
      recheck_seconds: 0.5
      calls_per_second: 200
      cap: 1000000
      brake: {{count: 0}}
      refund_after_hours: never
"""
_FILE: Final = """
version: 1
currency: USD
markup: {{percent: {markup}}}
providers:
{providers}
services:
  1: {{routes: [panel-a/101, panel-b/101]}}
  2: {{routes: [panel-b/102, panel-a/102]}}
  3: {{routes: [panel-a/103, panel-b/103]}}
  4: {{routes: [panel-a/104, panel-b/104]}}
  5: {{routes: [panel-b/105, panel-a/105]}}
  6: {{routes: [panel-a/106, panel-b/106]}}
  7: {{routes: [panel-b/107, panel-a/107]}}
  8: {{routes: [panel-a/108, panel-b/108]}}
"""
USUAL: Final[dict[str, str]] = {"markup": "20", "concurrency": "3", "poll": "0.1", "off": "", "away": ""}
NOBODY_LISTENS: Final = 1  # a port
# What an edit of providers.yaml changes. One cannot be taken up; the last two have a panel where nobody listens, so
# that orders go elsewhere and what was to be asked is handed back.
EDITS: Final[tuple[dict[str, str], ...]] = (
    {"markup": "35"},
    {"concurrency": "5"},
    {"poll": "0.3", "concurrency": "2"},
    {"off": "panel-b"},
    {"markup": "-300"},
    {"away": "panel-a"},
    {"away": "panel-b"},
)
PLAIN: Final = ("1", "2", "3")
SUBSCRIBED: Final = ("4", "5")
DRIPPED: Final = ("6", "7", "8")


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What is different about a world."""

    children: bool = False  # subscriptions and drip-feeds are ordered as well
    limits: tuple[UserLimits, ...] = (UserLimits(),) * 3  # of each user
    meddled: bool = False  # providers.yaml is edited and a person settles doubt while gateways are killed

    @property
    def limited(self) -> bool:
        """Whether somebody has limits of his own."""
        return any(each != UserLimits() for each in self.limits)


def draw_kind(seed: str) -> Kind:
    """The kind of the world of a seed, by chances of its own: the lives that were drawn before stay what they were."""
    chance = random.Random(f"kind:{seed}")
    children, limited, meddled = (chance.random() < share for share in (CHILDREN_SHARE, LIMITS_SHARE, MEDDLED_SHARE))
    return Kind(children=children, limits=_limits(chance) if limited else Kind().limits, meddled=meddled)


def every_kind() -> Kind:
    """Everything at once: what a sweep goes through."""
    return Kind(children=True, limits=_limits(random.Random("every")), meddled=True)


def _limits(chance: random.Random) -> tuple[UserLimits, ...]:
    """One user with few orders in a minute, one with little money in an hour and a day, one with few seats."""
    dollar = 10**8
    return (
        UserLimits(orders_per_minute=chance.choice((3, 6, 12))),
        UserLimits(spend_per_hour=chance.choice((2, 5, 12)) * dollar, spend_per_day=chance.choice((20, 60)) * dollar),
        UserLimits(adds_at_once=chance.choice((1, 2)), orders_per_minute=chance.choice((0, 20))),
    )


def providers_file(ports: dict[str, int], changes: dict[str, str]) -> str:
    """The text of providers.yaml for panels at these ports, with the changes of an edit."""
    values = USUAL | changes
    providers = "".join(
        _PROVIDER.format(
            name=name,
            upper=name[-1].upper(),
            url=f"http://127.0.0.1:{NOBODY_LISTENS if name == values['away'] else port}/api/v2",
            enabled="false" if name == values["off"] else "true",
            concurrency=values["concurrency"],
            poll=values["poll"],
        )
        for name, port in ports.items()
    )
    return _FILE.format(markup=values["markup"], providers=providers)
