"""Runs a program out of an image's root file system as a container runtime would, with what Debian has: no daemon.

Its root is read-only, its user is the image's own, it has no capability and can get none, and it is process 1 of a
process space of its own. /tmp is its own, /data a folder of the caller's; the network is this machine's.
"""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

SECONDS_MAX: Final = 60.0
# $1 the root, $2 what is hung in at /data, $3 the providers.yaml, $4 the user; then the command.
_SCRIPT: Final = """\
set -eu
root=$1 data=$2 file=$3 user=$4
shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o mode=0755,nosuid tmpfs "$root/dev"
for each in null zero random urandom; do touch "$root/dev/$each"; mount --bind "/dev/$each" "$root/dev/$each"; done
mount -t tmpfs -o size=64m,mode=1777,nosuid,nodev tmpfs "$root/tmp"
mount --bind "$data" "$root/data"
mount --bind "$file" "$root/etc/gateway/providers.yaml"
mount -o remount,bind,ro "$root/etc/gateway/providers.yaml"
cd "$root"
drop="--no-new-privs --bounding-set=-all --inh-caps=-all --clear-groups"
exec chroot "$root" setpriv $drop --reuid="${user%:*}" --regid="${user#*:}" "$@"
"""


class Jail:
    """One image, ready to run commands on one /data; `config` is what the image tells its runtime."""

    def __init__(self, root: Path, config: Mapping[str, Any], folder: Path, **variables: str) -> None:
        self.data = folder / "data"
        self.providers = folder / "providers.yaml"
        self.port, health = _free_port(), _free_port()
        user = tuple(map(int, config["User"].split(":")))
        self.data.mkdir(mode=0o700)
        os.chown(self.data, *user)
        self.providers.touch()
        # A runtime makes the places at which something is hung in.
        (root / "etc" / "gateway").mkdir(exist_ok=True)
        (root / "etc" / "gateway" / "providers.yaml").touch()
        self._begin = (
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _SCRIPT, "jail"),
            *(str(root), str(self.data), str(self.providers), config["User"]),
        )
        own = dict(each.split("=", 1) for each in config["Env"])
        told = {"GATEWAY_PORT": str(self.port), "GATEWAY_METRICS_PORT": str(health), "GATEWAY_HOST": "127.0.0.1"}
        self._environ = {**own, **told, "GATEWAY_METRICS_HOST": "127.0.0.1", **variables}

    def ask(self, *command: str) -> tuple[int, str]:
        """The exit code of a command in it, and all it says."""
        done = subprocess.run(
            [*self._begin, *command],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        return done.returncode, done.stdout.strip()

    def start(self, *command: str) -> "Running":
        """A command in it that goes on; to be used as a context manager."""
        return Running((*self._begin, *command), self._environ, self.data.parent / f"{command[1]}.log")


class Running:
    """A program that runs in it."""

    def __init__(self, command: tuple[str, ...], environ: Mapping[str, str], log: Path) -> None:
        self._command = command
        self._environ = environ
        self._log = log

    def __enter__(self) -> Self:
        with self._log.open("wb") as sink:
            self._process = subprocess.Popen(
                self._command, env=self._environ, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
            )
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._process.kill()  # what it has started ends with it
        self._process.wait()

    def find(self, pattern: str) -> str:
        """What its output has of this, once it has said it."""
        deadline = time.monotonic() + SECONDS_MAX
        while (found := re.search(pattern, self._log.read_text("utf-8", "replace"))) is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"never said {pattern}:\n{self._log.read_text('utf-8', 'replace')}")
            time.sleep(0.1)
        return found[0]

    def stop(self, number: signal.Signals) -> int:
        """Its exit code when it is sent a signal, as a runtime sends it to process 1."""
        child = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text("utf-8").split()[0]
        os.kill(int(child), number)
        return self._process.wait(SECONDS_MAX)


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port: int = tried.getsockname()[1]
        return port
