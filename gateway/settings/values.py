"""providers.yaml as values: what each field is, its unit and its default."""

from decimal import Decimal
from typing import Final, Literal

import msgspec

from gateway.core.dialects import ProviderDialect
from gateway.core.money import SMALL_CURRENCIES
from gateway.core.outcome import USUAL, Policy
from gateway.core.pricing import Markup, Rules
from gateway.core.rejections import RejectKind
from gateway.settings.notify import Notify
from gateway.settings.secrets import Secret

# Words for `strategy` that the design has and this version has not; the fault says so.
STRATEGIES_PLANNED: Final = frozenset({"cheapest", "weighted", "balanced"})

# What may hang in doubt at one provider where the file does not say: some tens of ordinary orders.
CAP: Final = Decimal(100)
CAP_SMALL_CURRENCY: Final = Decimal(1_000_000)


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds; `total` is for a whole `add`, `total_read` for a whole read."""

    connect: Decimal = Decimal(5)
    write: Decimal = Decimal(10)
    total: Decimal = Decimal(90)
    total_read: Decimal = Decimal(20)


class Selection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of a provider's services are meant; names and categories may have `*` and `?`, in any case."""

    ids: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether it names nothing."""
        return not (self.ids or self.categories or self.names or self.types)


class Imports(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which services are sold without being declared one by one; an empty `include` means all of them."""

    include: Selection = Selection()
    exclude: Selection = Selection()


class Brake(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many orders in doubt within so many seconds stop new ones; a count of 0 does not."""

    count: int = 3
    seconds: Decimal = Decimal(600)


class UnknownRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done about orders that a provider may have, and did not say so."""

    # `id_window` looks for them among the ids the provider gave out meanwhile; only where it numbers all its orders in
    # one rising row and shows nobody another's.
    probe: Literal["off", "id_window"] = "off"
    foreign_orders: bool = False  # whether other software orders with the same key: then nothing found is taken as ours
    quarantine_seconds: Decimal = Decimal(300)  # how long it may take to make an order of a call that broke off
    recheck_seconds: Decimal = Decimal(300)  # between the two times an id has to be denied
    probe_calls_max: int = 50  # for one look at one window
    calls_per_second: Decimal = Decimal(1)
    refund_after_hours: Decimal | None = Decimal(24)  # `never`: only an operator does
    cap: Decimal | None = (
        None  # our currency: what may be in doubt, and what may be refunded from our own pocket in a day
    )
    replace_minutes: Decimal = Decimal(60)  # how old an order that proves not placed may be to be placed again
    brake: Brake = Brake()
    # An identical add inside this time is answered with the first one's id: an unanswered one may be sent again. Where
    # the panel knows a repeated add by a field, that is one of the dialect's `add_fields`.
    same_id_window_seconds: Decimal = Decimal(0)

    def cap_in(self, currency: str) -> Decimal:
        """The cap in our currency: as set, or what a house of any size can bear."""
        if self.cap is not None:
            return self.cap
        return CAP_SMALL_CURRENCY if currency in SMALL_CURRENCIES else CAP


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One upstream panel."""

    url: str  # its whole API address
    key: Secret
    currency: str = "USD"
    exchange_rate: Decimal = Decimal(1)  # our currency for one of its
    enabled: bool = True
    markup: Markup | None = None
    imports: Imports | None = None  # nothing is imported without it
    timeouts: Timeouts = Timeouts()
    concurrency: int = 8  # orders on their way to it at once
    requests_per_second: Decimal | None = None  # the dialect's where it is not said
    poll_seconds: Decimal = Decimal(30)  # how often a young order is asked about
    refund_confirmations: int = 1  # how often in a row it has to name a refund before the user gets it
    refresh_seconds: Decimal = Decimal(600)  # how often its list is fetched
    # Per cent; a rate that jumps further, up or down, waits for a person. `never`: none does. Panels' everyday changes
    # stay below half; a slip of a digit, a unit or a currency does not.
    price_jump_max: Decimal | None = Decimal(50)
    hold_changed: bool = True  # whether a service that was gone, or is another one now, waits for a person
    rate_per: int = 1000  # how many pieces its rates are for
    allow_private: bool = False  # whether its address may be a private one
    verify_tls: bool = True
    dialect: ProviderDialect = ProviderDialect()
    errors: dict[str, RejectKind] = {}  # error texts of its own, and what they mean
    answers: Policy = USUAL  # what its answers to `add` prove, where that is not the usual
    unknown: UnknownRules = UnknownRules()
    # How long an order may wait here for an earlier one with its link to end; GATEWAY_QUEUE_SECONDS where it is not
    # said, and never longer.
    link_wait_seconds: int | None = None


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One service under an id of our own; what is not said here is taken from its first route."""

    routes: tuple[str, ...]  # `provider/their id`, best first
    name: str | None = None
    category: str | None = None
    description: str | None = None
    min: int | None = None
    max: int | None = None
    strategy: Literal["priority"] = "priority"
    markup: Markup | None = None
    link_wait_seconds: int | None = None  # goes before what its routes' providers say


class ProvidersFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    version: Literal[1]
    currency: str = "USD"  # what our users pay in
    markup: Markup = Markup()
    categories: dict[str, Markup] = {}
    tiers: dict[str, Markup] = {}
    providers: dict[str, Provider]
    services: dict[int, Service] = {}
    notify: Notify = Notify()  # who is told what is wrong
    reason: str = ""  # why the text is another one than before, for the audit trail

    @property
    def rules(self) -> Rules:
        """The markup rules by what they are for."""
        return Rules(
            default=self.markup,
            providers={name: each.markup for name, each in self.providers.items() if each.markup is not None},
            categories={name.casefold(): markup for name, markup in self.categories.items()},
            services={number: each.markup for number, each in self.services.items() if each.markup is not None},
        )


def split_route(route: str) -> tuple[str, str]:
    """A route's provider and that provider's own id of the service."""
    provider, _, service = route.partition("/")
    return provider.strip(), service.strip()
