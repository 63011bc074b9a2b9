"""The house that is measured: a panel and the gateway as programs of their own, seen through /proc and /metrics."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

SERVICES = 5_000
CLOSE_SECONDS = 60.0  # a drain has its own limit, well below
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class House:
    """A panel and a gateway on a folder; measured from outside."""

    def __init__(
        self,
        folder: Path,
        database_url: str | None,
        *,
        program: str = "gateway",
        lines: str = "",
        more: Mapping[str, str] | None = None,
    ) -> None:
        """`program` is the module that is the gateway, `lines` go into providers.yaml, `more` are its variables.

        What was started is ended again where something goes wrong.
        """
        self._folder = folder
        self._running: list[subprocess.Popen[str]] = []
        try:
            self._open(database_url, program=program, lines=lines, more=more or {})
        except BaseException:  # Ctrl-C as well: nobody has the house yet who could close it.
            self.close()
            raise

    def _open(self, database_url: str | None, *, program: str, lines: str, more: Mapping[str, str]) -> None:
        folder = self._folder
        services = folder / "services.yaml"
        services.write_text(_services())
        panel = self._start(
            *("gateway", "panel", "--services", str(services), "--data", str(folder / "panel.db")),
            *("--key", "bench-key", "--balance", "100000000", "--pace", "1000"),
            stdout=subprocess.PIPE,
        )
        assert panel.stdout is not None
        url = json.loads(panel.stdout.readline())["url"]
        config = folder / "providers.yaml"
        config.write_text(
            "version: 1\nproviders:\n  bench:\n"
            f"    url: {url}\n    key: ${{ENV:BENCH_KEY}}\n    allow_private: true\n    imports: all\n"
            "    concurrency: 64\n    requests_per_second: 100000\n    poll_seconds: 600\n" + lines
        )
        self._environ = {
            **os.environ,
            "BENCH_KEY": "bench-key",
            "GATEWAY_CONFIG": str(config),
            "GATEWAY_DATA_DIR": str(folder),
            "GATEWAY_PORT": "0",
            "GATEWAY_METRICS_PORT": "0",
            "GATEWAY_LOG_LEVEL": "warning",
            "GATEWAY_LOG_FORMAT": "console",  # which tells the addresses at any level
            **({"GATEWAY_DATABASE_URL": database_url} if database_url else {}),
            **more,
        }
        self._gateway = self._start(program, "serve", env=self._environ, stderr=subprocess.PIPE)
        assert self._gateway.stderr is not None
        told = self._gateway.stderr.readline()
        found = re.search(r"users: http://[^:]+:(\d+)\S*\s+health: (http://[^/]+)", told)
        assert found is not None, told + self._gateway.stderr.read()
        self.port = int(found[1])
        self._health = found[2]
        self._until_ready()
        self.key, self.legacy_key = self.user("bench"), self.user("bench-legacy")
        self.run("user", "set", "bench-legacy", "--dialect", "legacy", "--reason", "benchmark")
        self.run("user", "credit", "bench", "10000000", "--reference", "bench")

    def _start(
        self,
        module: str,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", module, *arguments]
        started = subprocess.Popen(command, env=env, stdout=stdout, stderr=stderr, text=True)
        self._running.append(started)
        return started

    def close(self) -> None:
        """End both programs, the gateway first; one that does not end is killed, and told of."""
        late = []
        for process in reversed(self._running):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=CLOSE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                late.append(str(process.args))
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        self._running.clear()
        if late:
            raise RuntimeError(f"did not end within {CLOSE_SECONDS:.0f} s of being told to: {late}")

    def cpu_seconds(self) -> float:
        """What the gateway's process has used so far."""
        fields = Path(f"/proc/{self._gateway.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS

    def counted(self) -> dict[str, float]:
        """Work done so far: statements, reads, commits, calls to the panel."""
        text = self.get("/metrics")
        names = {"statements": "store_statements", "reads": "store_reads", "commits": "store_commits"}
        found = {name: _value(text, f"gateway_{metric}_total ") for name, metric in names.items()}
        found["calls"] = sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith("gateway_upstream_calls_total")
        )
        return found

    def user(self, name: str) -> str:
        """The key of a new user."""
        self.run("user", "create", name)
        return self.run("key", "create", name, "--quiet").strip()

    def _until_ready(self) -> None:
        for _ in range(300):
            try:
                self.get("/ready")
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError("the gateway did not become ready")

    def get(self, path: str) -> str:
        """What the port of the probes answers."""
        with urllib.request.urlopen(self._health + path, timeout=5) as answer:  # noqa: S310 - our own address
            return str(answer.read().decode())

    def run(self, *arguments: str) -> str:
        """What a command of the gateway says."""
        command = [sys.executable, "-m", "gateway", *arguments]
        done = subprocess.run(command, env=self._environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"gateway {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done.stdout


def _value(text: str, name: str) -> float:
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def _services() -> str:
    rows = "\n".join(
        f'  - {{id: {n}, name: "Followers of kind {n} · refill 30 days · instant", category: Category {n % 50}, '
        f"rate: 0.{n % 90 + 10}, min: 10, max: 100000, refill: true, cancel: true, seconds: 1000, "
        f'description: "What a service of kind {n} does, how fast it starts and what is guaranteed, in a line."}}'
        for n in range(1, SERVICES + 1)
    )
    return f"currency: USD\nservices:\n{rows}\n"
