"""Books that were put back beside a panel: which orders answer under our key that these books know nothing of.

Panels number the orders of all their customers in one rising row and answer `status` to the owner alone, so what was
ordered after the backup lies among the ids above our last known one. It is found and kept as nobody's, and nothing is
booked for it: which user ordered it, no panel's status says.
"""

from decimal import Decimal
from functools import partial
from typing import Final

import msgspec

from gateway.actions.probe import LOOK, Cannot, View, ask_about, in_words
from gateway.core.messages import BalanceReply, BalanceRequest
from gateway.core.resolve import RISING_OVER, id_number, not_rising
from gateway.providers.client import ProviderClient
from gateway.settings.values import UnknownRules
from gateway.store.brakes import claim_job, return_job
from gateway.store.engine import Store
from gateway.store.readings import Equation, equation, keep_reading
from gateway.store.unknown import keep_strange, own_orders, owned

# Attempts are numbered by the database; none is above this.
ATTEMPTS_BELOW: Final = 2**62


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and how far."""

    owner: str
    known_until: int  # ms: until when the books know what happened
    calls_max: int
    now: int  # ms


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What a panel knows that the books do not."""

    provider: str
    cannot: str = ""  # why it was not looked at
    first: int = 0  # of the ids that were asked about
    last: int = 0
    lost: dict[str, str] = {}  # by its id there: what the panel says of it
    money: Equation | None = None  # what our balance there says, where there are readings from before and after

    @property
    def more(self) -> bool:
        """Whether the last ids asked about were still ours: there may be more above them."""
        return any(int(number) > self.last - NEAR_THE_END for number in self.lost)


NEAR_THE_END: Final = 100  # ids


async def compare(store: Store, client: ProviderClient, rules: UnknownRules, *, asker: Asker) -> Compared:
    """Ask a panel about every id from our oldest recent order up, as far as the calls go."""
    provider = client.upstream.name
    money = await _money(store, client, asker)
    if rules.probe != "id_window":
        why = "its ids are not to be asked about (`unknown: {probe: id_window}` in providers.yaml)"
        return Compared(provider=provider, cannot=why, money=money)
    own = await store.read(partial(own_orders, provider, below=ATTEMPTS_BELOW, limit=RISING_OVER))
    why = not_rising(own) or ""
    if why:
        return Compared(provider=provider, cannot=why, money=money)
    numbers = [number for one in own if (number := id_number(one.upstream_order)) is not None]
    size = min(100, client.upstream.dialect.batch) if client.upstream.dialect.multi_status else 1
    first, last = min(numbers), max(numbers)
    # What was under way at the backup may lie among our last orders, what was ordered after it lies above them.
    first = max(first, last - size * (asker.calls_max // 4))
    last = first + size * asker.calls_max
    ours = await store.read(partial(owned, provider, list(range(first, last + 1))))
    ids = tuple(number for number in range(first, last + 1) if number not in ours)
    view = View(doubts=(), windows={}, ids=ids, gaps=(), ends=(max(numbers),))

    async def hold() -> bool:
        return await store.run(partial(claim_job, provider, LOOK, asker.owner))

    try:
        seen = await ask_about(client, view, rules, go_on=hold)
    finally:
        await store.run(partial(return_job, provider, LOOK, asker.owner))
    if isinstance(seen, Cannot):
        return Compared(provider=provider, cannot=seen.why, money=money)
    if max(numbers) not in seen.found:
        why = f"it does not answer for our order {max(numbers)}: is it away, or another account or panel?"
        return Compared(provider=provider, cannot=why, money=money)
    silent = [number for number in ids if number not in seen.found and number not in seen.denied]
    if silent:
        why = f"it said nothing clear of {len(silent)} ids, the first of them {silent[0]}"
        return Compared(provider=provider, cannot=why, money=money)
    lost = {str(number): in_words(said) for number, said in sorted(seen.found.items()) if number in ids}
    await store.run(partial(keep_strange, provider, lost, now=asker.now))
    return Compared(provider=provider, first=first, last=last, lost=lost, money=money)


async def _money(store: Store, client: ProviderClient, asker: Asker) -> Equation | None:
    """What left our balance there since the books' last moment, and how much of it they explain."""
    if not client.upstream.dialect.balance:
        return None
    answer = await client.ask(BalanceRequest())
    if isinstance(answer, BalanceReply):
        currency = answer.currency or client.upstream.currency
        kept = partial(keep_reading, client.upstream.name, Decimal(answer.balance), currency, now=asker.now)
        await store.run(kept)
    return await store.read(partial(equation, client.upstream.name, before=asker.known_until + 1))
