"""The clock in for texts nobody has classified: bring what was heard to the books, learn what persons said of it."""

from collections.abc import Mapping
from functools import partial

from gateway.actions.desk import Desk
from gateway.core.unclassified import Meaning
from gateway.store.texts import Batch, Told, keep_texts, meanings, waiting_texts


class Texts:
    """One process's part: its batches are numbered, and one that the books did not take is brought again."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._batch = Batch(owner=desk.owner, number=0, texts=())
        self._known: Mapping[str, Mapping[str, Meaning]] = {}  # by provider and pattern

    async def run(self) -> None:
        """Bring and learn; raises StoreError when the books are away, and nothing that was heard is forgotten."""
        await self.bring()
        store = self._desk.store
        self._known = await store.read(meanings)
        self.teach()
        self._desk.metrics.texts_waiting(sum((await store.read(waiting_texts)).values()))

    def teach(self) -> None:
        """Have every client know what is known, those that a reload has made just now as well."""
        for name, client in self._desk.providers.items():
            client.classified = self._known.get(name, {})

    async def bring(self) -> None:
        """Bring what was heard since the last time, or once more what the books did not take."""
        if not self._batch.texts:
            self._batch = Batch(owner=self._desk.owner, number=self._batch.number + 1, texts=self._heard())
        if self._batch.texts:
            await self._desk.store.run(partial(keep_texts, self._batch, now=self._desk.clock()))
            self._batch = Batch(owner=self._desk.owner, number=self._batch.number, texts=())

    def _heard(self) -> tuple[Told, ...]:
        told: list[Told] = []
        for name, client in self._desk.providers.items():
            noted, beyond = client.heard.take()
            self._desk.metrics.texts_heard(beyond + sum(each.seen for each in noted))
            told += [
                Told(
                    provider=name,
                    pattern=each.pattern,
                    action=each.action.value,
                    example=each.example,
                    seen=each.seen,
                )
                for each in noted
            ]
        return tuple(told)
