"""The clock in for providers.yaml: a new text is read and checked, and takes the place of the old one whole, or not."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import time
from typing import Final

import structlog
from watchfiles import awatch

from gateway.actions.roster import CannotReload
from gateway.logs import strike_also
from gateway.metrics import Metrics
from gateway.points import point
from gateway.settings.faults import SettingsError
from gateway.settings.load import digest_of, load_file, referred
from gateway.settings.values import ProvidersFile
from gateway.store.engine import StoreError

log = structlog.get_logger(__name__)

# The folder is watched, because Kubernetes changes a link beside the file and never the file; where no news of a change
# comes, as on some network disks, the text is compared this often.
LOOK_MS: Final = 30_000
FAULTS_TOLD: Final = 20  # of one text


class Reload:
    """The file as it is on the disk, beside the one that is in use."""

    def __init__(
        self,
        path: Path,
        digest: str,
        *,
        environ: Mapping[str, str],
        apply: Callable[[ProvidersFile, str], Awaitable[None]],  # with the hash of its text
        metrics: Metrics,
    ) -> None:
        self._path = path
        self._seen = digest  # of the text that was looked at last, good or not
        self._environ = environ
        self._apply = apply
        self._metrics = metrics
        self._turn = asyncio.Lock()

    async def watch(self) -> None:
        """Look whenever something in the file's folder changes, until cancelled."""
        folder = self._path.absolute().parent
        news = awatch(folder, watch_filter=None, recursive=False, yield_on_timeout=True, rust_timeout=LOOK_MS)
        async for _ in news:
            await self.look()

    async def look(self) -> None:
        """Take up the file if its text is another than the one looked at last."""
        if digest_of(await asyncio.to_thread(_text_of, self._path)) != self._seen:
            await self.reload()

    async def reload(self) -> bool:
        """Take up the file and the secrets it names, changed or not; answers whether it is in use now.

        What has a fault changes nothing: the old settings stay in use, and every fault is logged.
        """
        async with self._turn:
            try:
                file, digest = await asyncio.to_thread(load_file, self._path, self._environ)
            except SettingsError as error:
                self._seen = digest_of(await asyncio.to_thread(_text_of, self._path))
                return self._refused([str(fault) for fault in error.faults])
            self._seen = digest
            named = await asyncio.to_thread(referred, self._path, file, self._environ)
            strike_also(secret.reveal() for secret in named)
            point("before", "RELOAD")
            try:
                await self._apply(file, digest)
            except CannotReload as error:
                return self._refused([str(error)])
            except StoreError as error:  # The books are away: the next look tries again.
                self._seen = ""
                return self._refused([str(error)])
            point("after", "RELOAD")
            self._metrics.config_loaded(at_seconds=time())
            log.info("config_applied", file=str(self._path), hash=digest)
            return True

    def _refused(self, faults: list[str]) -> bool:
        self._metrics.config_refused()
        for fault in faults[:FAULTS_TOLD]:
            log.error("config_refused", file=str(self._path), fault=fault)
        log.warning("config_kept", file=str(self._path), faults=len(faults), instead="the settings before stay in use")
        return False


def _text_of(path: Path) -> bytes:
    """The file's text; nothing where it cannot be read, which the reading says in words."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
