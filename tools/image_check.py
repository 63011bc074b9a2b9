"""Builds the Dockerfile for real and serves an order from what results, without Docker: `make image-check`, as root.

It needs buildah and debootstrap (Debian: apt-get install buildah debootstrap) and the registries of Debian and of
Python. The base image is made here, Debian's own Python under the name that the Dockerfile's FROM has, because no
registry of images is asked. What is built is then run as `tools/jail.py` has it.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tools.jail import SECONDS_MAX, Jail

ROOT: Final = Path(__file__).parents[1]
STORE: Final = ROOT / ".tools" / "image"
TAG: Final = "panel-gateway:check"
NEEDED: Final = ("buildah", "debootstrap", "unshare", "setpriv", "chroot")
BASE_PACKAGES: Final = "python3,python3-venv,ca-certificates,tzdata"
PROVIDERS: Final = """\
version: 1
currency: USD
providers:
  panel-a: {{url: "{url}", key: "${{ENV:PANEL_A_KEY}}", allow_private: true, imports: all, poll_seconds: 1}}
"""
LINK: Final = "https://social.example/p/1"


def main() -> None:
    """Build, look, serve, stop; the first thing that is not as it should be ends it with words."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        sys.exit(f"this needs root, {', '.join(NEEDED)}; missing here: {', '.join(missing) or 'root'}")
    STORE.mkdir(parents=True, exist_ok=True)
    (base,) = re.findall(r"^ARG PYTHON=(\S+)", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    make_base(f"docker.io/library/{base}")
    build()
    config = json.loads(buildah("inspect", "--type", "image", TAG))["Docker"]["config"]
    check_config(config)
    with mounted() as root, tempfile.TemporaryDirectory(prefix="image-check-") as folder:
        check_contents(root)
        jail = Jail(root, config, Path(folder), PANEL_A_KEY="panel-a-key")
        check_confinement(jail)
        check_service(jail, config)
    print("all of it is as it should be")


def run(*command: str | Path) -> None:
    """Run a program of Debian's; its words are shown."""
    subprocess.run([*map(str, command)], check=True, stdout=sys.stderr)


def buildah(*arguments: str | Path) -> str:
    """What buildah answers, with a store of our own, which needs neither a daemon nor a driver."""
    places = ("--root", STORE / "store", "--runroot", STORE / "run", "--storage-driver", "vfs")
    done = subprocess.run(["buildah", *map(str, (*places, *arguments))], check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"buildah {arguments[0]} failed with {done.returncode}")
    return done.stdout.strip()


def expect(what: str, found: object, right: object) -> None:
    """Say what was found, and end when it is not what it should be."""
    print(f"{what}: {found}")
    if found != right:
        sys.exit(f"{what}: {right} was expected")


def make_base(name: str) -> None:
    """An image of the base's name: Debian with its own Python, `python` and `pip` where the official one has them."""
    if name in buildah("images", "--format", "{{.Name}}:{{.Tag}}").splitlines():
        return
    folder = STORE / "base"
    shutil.rmtree(folder, ignore_errors=True)
    run("debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm", folder)
    run("chroot", folder, "python3", "-m", "venv", "/usr/local")
    made = buildah("from", "scratch")
    buildah("copy", "--quiet", made, folder, "/")
    path = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    buildah("config", "--env", f"PATH={path}", "--cmd", "python3", made)
    buildah("commit", "--quiet", "--rm", made, name)
    shutil.rmtree(folder)


def build() -> None:
    """The Dockerfile, every instruction of it; this machine's certificates are lent to pip while it builds."""
    pip = STORE / "pip.conf"
    pip.write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n", "utf-8")
    lent = ("--volume", "/etc/ssl/certs:/etc/ssl/certs:ro", "--volume", f"{pip}:/etc/pip.conf:ro")
    how = ("--isolation", "chroot", "--pull-never", "--no-cache", "--format", "docker")
    print(buildah("bud", *how, *lent, "--build-arg", "REVISION=checked", "--tag", TAG, ROOT).splitlines()[-1])


def check_config(config: Mapping[str, Any]) -> None:
    """User, entry, signal, ports, labels and health check came through the build."""
    expect("its user", config["User"], "10001:10001")
    expect("its command", [*config["Entrypoint"], *config["Cmd"]], ["gateway", "serve"])
    expect("its signal to end", config["StopSignal"], "SIGTERM")
    expect("its ports", sorted(config["ExposedPorts"]), ["8080/tcp", "9090/tcp"])
    expect("its health check", config["Healthcheck"]["Test"], ["CMD", "gateway", "healthcheck"])
    expect("its revision", config["Labels"]["org.opencontainers.image.revision"], "checked")


def check_contents(root: Path) -> None:
    """No compiler and no pip of its own."""
    found = {each.name for each in (root / "usr" / "bin").iterdir()}
    found |= {each.name for each in (root / "usr" / "local" / "bin").iterdir()}
    found |= {each.name for each in (root / "opt" / "gateway" / "bin").iterdir()}
    expect("compilers and pip in it", sorted(found & {"gcc", "cc", "g++", "clang", "make", "pip", "pip3"}), [])
    expect("pip's package", [each.name for each in root.glob("opt/gateway/lib/python3*/site-packages/pip*")], [])


def check_confinement(jail: Jail) -> None:
    """Nobody's root, no capability, nothing to be written but /data and /tmp."""
    expect("who it is", jail.ask("id", "-u", "-n"), (0, "gateway"))
    _, status = jail.ask("grep", "-E", "^(CapEff|CapBnd|NoNewPrivs|Groups)", "/proc/self/status")
    expect("what it may", status.split(), ["Groups:", "CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1"])
    for place in ("/opt/gateway", "/etc/gateway", "/"):
        code, said = jail.ask("touch", f"{place}/x")
        expect(f"writing to {place}", (code, said.rpartition(": ")[2]), (1, "Read-only file system"))
    expect("writing to /data and /tmp", jail.ask("touch", "/data/x", "/tmp/x"), (0, ""))  # noqa: S108 - its own
    (jail.data / "x").unlink()


def check_service(jail: Jail, config: Mapping[str, Any]) -> None:
    """A panel and a gateway out of it, an order through both, the image's health check, and an end by its signal."""
    with jail.start("gateway", "panel", "--data", "/data/panel.db", "--pace", "0.01") as panel:
        url = panel.find(r"http://[^\"]+")
        jail.providers.write_text(PROVIDERS.format(url=url), "utf-8")
        expect("gateway config check", jail.ask("gateway", "config", "check")[0], 0)
        check = tuple(config["Healthcheck"]["Test"][1:])
        expect("its health check before it serves", jail.ask(*check)[0], 1)
        with jail.start(*config["Entrypoint"], *config["Cmd"]) as gateway:
            gateway.find(r"started")
            wait(lambda: jail.ask(*check, "--ready")[0] == 0, "ready")
            expect("its health check", jail.ask(*check)[0], 0)
            order(jail)
            expect("its exit code", gateway.stop(signal.SIGTERM), 0)
        kept = {each.name: f"{each.stat().st_mode & 0o777:o}" for each in sorted(jail.data.glob("gateway.db"))}
        expect("its books, and who may read them", kept, {"gateway.db": "600"})
        expect("gateway ledger verify", jail.ask("gateway", "ledger", "verify")[0], 0)


def order(jail: Jail) -> None:
    """A user made by the commands in the image orders over the network, and is told of the end."""
    expect("gateway user create", jail.ask("gateway", "user", "create", "checker")[0], 0)
    (key,) = set(re.findall(r"gw_\w+", jail.ask("gateway", "key", "create", "checker")[1]))
    jail.ask("gateway", "user", "credit", "checker", "10", "--reference", "image-check")
    plain = next(each for each in post(jail, key=key, action="services") if each["type"] == "Default")
    wish = {"service": str(plain["service"]), "link": LINK, "quantity": plain["min"]}
    placed = post(jail, key=key, action="add", **wish)
    expect("an add is answered with", list(placed), ["order"])
    wait(lambda: post(jail, key=key, action="status", order=placed["order"])["status"] == "Completed", "completed")
    print(f"its order: {post(jail, key=key, action='status', order=placed['order'])}")


def post(jail: Jail, **fields: str) -> Any:
    """What the gateway answers."""
    body = urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{jail.port}/api/v2", body, timeout=30) as answer:
        return json.loads(answer.read())


def wait(done: Callable[[], bool], what: str) -> None:
    """Until something is so."""
    deadline = time.monotonic() + SECONDS_MAX
    while not done():
        if time.monotonic() > deadline:
            sys.exit(f"it was never {what}")
        time.sleep(0.5)


@contextlib.contextmanager
def mounted() -> Iterator[Path]:
    """The image's root file system, as a folder of its own that is gone afterwards."""
    container = buildah("from", "--pull-never", TAG)
    try:
        yield Path(buildah("mount", container))
    finally:
        buildah("umount", container)
        buildah("rm", container)


if __name__ == "__main__":
    main()
