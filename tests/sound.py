"""Whether the books are sound, asked as `gateway ledger verify` asks, by connections of our own."""

from gateway.store.store import open_store
from gateway.store.verify import in_words, verify


async def broken_invariants(database_url: str) -> list[str]:
    """A line for each row that breaks an invariant; none when the books are sound."""
    found = await open_store(database_url).read_at_length(verify)
    return in_words(found.violations)
