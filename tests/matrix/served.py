"""A gateway as a program of its own, for rows that measure it, kill it, or give it a world that is not the test's."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.gateway_process import Caller
from tests.world import until

_ADDRESSES = re.compile(r'"users": "(\S+)", "health": "(\S+)"')


class Served:
    """A running `gateway serve`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.users = ""
        self.health = ""
        self._callers: list[Caller] = []

    async def listening(self) -> None:
        """Wait until it says where it listens."""

        async def said() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            found = _ADDRESSES.search(self.log.read_text())
            if found is not None:
                self.users, self.health = found[1], found[2]
            return found is not None

        await until(said, seconds=30)

    async def ready(self) -> None:
        """Wait until it takes orders."""
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:

            async def answered() -> bool:
                return (await http.get(f"{self.health}/ready")).status_code == 200

            await until(answered, seconds=30)

    def caller(self, key: str) -> Caller:
        """A user's panel."""
        self._callers.append(Caller(f"{self.users}/api/v2", key))
        return self._callers[-1]

    async def close(self) -> None:
        """Let go of the callers' connections."""
        for caller in self._callers:
            await caller.http.aclose()

    def memory(self, what: str = "VmRSS") -> int:
        """Its memory in bytes: what it has now, or with `VmHWM` the most it ever had."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{what}:\s+(\d+) kB", text)
        assert found is not None
        return int(found[1]) * 1024

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def ended(self, seconds: float = 30.0) -> int:
        """Its exit code, once it has ended."""

        async def gone() -> bool:
            return self.process.poll() is not None

        await until(gone, seconds=seconds)
        return self.process.returncode


@asynccontextmanager
async def served(
    environ: Mapping[str, str],
    folder: Path,
    *,
    name: str = "gateway",
    around: Sequence[str] = (),
    code: Path | None = None,
) -> AsyncIterator[Served]:
    """A gateway program on providers.yaml of a folder; `around` is put before its command. Killed at the end.

    Its code is this repository's, or what lies in the folder `code`.
    """
    log = folder / f"{name}.log"
    command = [*around, sys.executable, "-m", "gateway", "serve", "--config", str(folder / "providers.yaml")]
    with log.open("wb") as sink:
        process = subprocess.Popen(  # noqa: ASYNC220 - it takes a millisecond
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=code,  # `-m` looks there first
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
        )
    running = Served(process, log)
    try:
        await running.listening()
        yield running
    finally:
        await running.close()
        if process.poll() is None:
            process.kill()
        await asyncio.to_thread(process.wait)
