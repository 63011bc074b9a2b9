"""The command line as an operator types it: users, keys, serving, and one clear line for what goes wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.panel_process import PanelProcess

SHIPPED = Path(__file__).parent.parent / "providers.yaml"
WHY = ("--reason", "asked for by mail")


class Shell:
    """A shell in a folder with the shipped configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            **os.environ,
            "GATEWAY_CONFIG": str(SHIPPED),
            "GATEWAY_DATA_DIR": str(folder / "data"),
            "GATEWAY_PORT": "0",
            "GATEWAY_METRICS_PORT": "0",
        }

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What a command says."""
        command = [sys.executable, "-m", "gateway", *arguments]
        done = subprocess.run(command, env=self.environ, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    def fails(self, *arguments: str) -> str:
        """What a command with exit code 1 says on standard output."""
        command = [sys.executable, "-m", "gateway", *arguments]
        done = subprocess.run(command, env=self.environ, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A fresh folder."""
    return Shell(tmp_path)


def test_user_is_made_credited_changed_and_suspended(shell: Shell) -> None:
    """Every command of users, as an operator would use them one after the other."""
    assert "balance 0 USD" in shell("user", "create", "alpha", "--tier", "reseller")
    assert "balance 12.5 USD" in shell("user", "credit", "alpha", "12.50", "--reference", "invoice-1")
    assert "nothing moved" in shell("user", "credit", "alpha", "12.50", "--reference", "invoice-1")
    assert "balance 10 USD" in shell("user", "credit", "alpha", "--reference", "mistake-1", "--", "-2.5")
    shell("user", "set", "alpha", "--dialect", "legacy", "--duplicate-window", "60", "--tier", "", *WHY)
    shell("user", "suspend", "alpha", "--reason", "unpaid")
    shown = shell("user", "show", "alpha")
    for part in ("suspended", "everybody's", "legacy", "60 s", "10 USD"):
        assert part in shown
    shell("user", "resume", "alpha", *WHY)
    assert "alpha  active     –  legacy        10     0  USD" in shell("user", "list")


def test_limits_of_a_user_are_set_shown_and_taken_away(shell: Shell) -> None:
    """In the user's currency; what makes no sense is refused in words."""
    shell("user", "create", "alpha", "--spend-per-day", "250.50")
    shell("user", "set", "alpha", "--orders-per-minute", "30", "--spend-per-hour", "20", "--adds-at-once", "8", *WHY)
    shown = shell("user", "show", "alpha")
    for part in ("0 of 30 used", "0 of 20 USD used", "0 of 250.5 USD used", "adds at once      8"):
        assert part in shown
    shell("user", "set", "alpha", "--spend-per-day", "0", "--adds-at-once", "0", *WHY)
    shown = shell("user", "show", "alpha")
    assert "spend per day     no limit" in shown
    assert "adds at once      2500" in shown
    assert "a cap of -1 USD is below nought" in shell("user", "set", "alpha", "--spend-per-hour", "-1", *WHY, code=1)
    assert "'lots' is no plain decimal" in shell("user", "set", "alpha", "--spend-per-hour", "lots", *WHY, code=1)


def test_key_is_shown_once_and_stored_as_a_hash(shell: Shell) -> None:
    """The books have its beginning only; rotating ends it, revoking leaves none alive."""
    shell("user", "create", "alpha")
    first = shell("key", "create", "alpha", "--quiet").strip()
    assert first.startswith("gw_")
    for file in (shell.folder / "data").iterdir():
        assert first.encode() not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0
    assert f"{first[:9]}… (alive)" in shell("user", "show", "alpha")
    second = shell("key", "rotate", "alpha", "--quiet", *WHY).strip()
    shown = shell("user", "show", "alpha")
    assert f"{first[:9]}… (dead)" in shown
    assert f"{second[:9]}… (alive)" in shown
    assert "1 key of alpha ended" in shell("key", "revoke", "alpha", second[:9], *WHY)
    assert "no living key" in shell("key", "revoke", "alpha", "--all", *WHY, code=1)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("user", "show", "nobody"), "gateway: there is no user 'nobody'"),
        (("user", "create", " x"), "gateway: a user's name is 1 to 64 printable characters"),
        (
            ("user", "create", "x", "--tier", "resseler"),
            "there is no tier resseler in providers.yaml; did you mean",
        ),
        (("user", "credit", "nobody", "5", "--reference", "r"), "there is no user 'nobody'"),
        (("key", "create", "nobody"), "there is no user 'nobody'"),
        (("catalogue",), "no provider's list is known yet"),
        (("panel", "--services", "missing.yaml"), "missing.yaml cannot be read: No such file or directory"),
        (("panel", "--switch", "explode"), "there is no switch explode"),
        (("serve", "--config", "missing.yaml"), "missing.yaml: cannot be read: No such file or directory"),
    ],
)
def test_what_goes_wrong_is_one_clear_line(shell: Shell, arguments: tuple[str, ...], told: str) -> None:
    """No traceback, exit code 1."""
    said = shell(*arguments, code=1)
    assert told in said
    assert "Traceback" not in said


def test_books_in_another_currency_are_not_served(shell: Shell) -> None:
    """A balance in one currency cannot pay a charge in another; the start says so."""
    shell("user", "create", "alpha")
    other = shell.folder / "other.yaml"
    text = SHIPPED.read_text("utf-8").replace("currency: USD", "currency: GBP", 1)
    other.write_text(text.replace("    currency: USD\n", "    currency: USD\n    exchange_rate: 0.8\n"))
    assert "providers.yaml says GBP, but there are users with balances: 1 in USD" in shell(
        "serve", "--config", str(other), code=1
    )


def test_amount_that_is_none_is_refused(shell: Shell) -> None:
    """Nothing is rounded or guessed."""
    shell("user", "create", "alpha")
    for amount in ("1e5", "abc", "0.000000001", "0"):
        assert "gateway:" in shell("user", "credit", "alpha", amount, "--reference", "r", code=1)


def test_busy_port_and_unwritable_folder_are_told(shell: Shell) -> None:
    """Which port, which folder."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        shell.environ["GATEWAY_PORT"] = str(port)
        assert f"port {port} on 127.0.0.1 is taken by another program" in shell("serve", code=1)
        assert f"port {port}" in shell("panel", "--port", str(port), code=1)
    shell.environ["GATEWAY_PORT"] = "0"
    (shell.folder / "file").write_text("in the way")
    shell.environ["GATEWAY_DATA_DIR"] = str(shell.folder / "file" / "data")
    assert "file/data" in shell("serve", code=1)


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[PanelProcess]:
    """The shipped first panel as a program."""
    running = PanelProcess(tmp_path, "--pace", "0.05")
    yield running
    running.stop()


def test_served_by_itself_it_takes_orders_and_ends_cleanly(shell: Shell, panel: PanelProcess) -> None:
    """`gateway serve` as a program: an order by its key, then SIGTERM and exit code 0."""
    shell.environ["GATEWAY_DEMO_PANEL_A_URL"] = panel.url
    shell("user", "create", "alpha")
    shell("user", "credit", "alpha", "5", "--reference", "r")
    key = shell("key", "create", "alpha", "--quiet").strip()
    command = [sys.executable, "-m", "gateway", "serve"]
    with subprocess.Popen(command, env=shell.environ, stderr=subprocess.PIPE, text=True) as serving:
        assert serving.stderr is not None
        line = "{}"
        while "users" not in json.loads(line):
            line = serving.stderr.readline()
            assert line, "it ended before it listened"
        url = f"{json.loads(line)['users']}/api/v2"

        def ask(**fields: str) -> dict[str, str]:
            form = urllib.parse.urlencode({"key": key, **fields}).encode()
            with urllib.request.urlopen(url, form, timeout=10) as answer:  # noqa: S310 - our own address
                found: dict[str, str] = json.load(answer)
                return found

        placed: dict[str, str] = {}
        for _ in range(100):
            placed = ask(action="add", service="1", link="https://social.example/1", quantity="1000")
            if "order" in placed:
                break
            time.sleep(0.1)
        assert ask(action="balance") == {"balance": "3.875", "currency": "USD"}
        assert ask(action="status", order=placed["order"])["charge"] == "1.125"
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(timeout=20) == 0
    listed = shell("catalogue")
    assert "Followers · refill 30 days" in listed
    assert "category:followers" in listed


def test_demo_places_an_order_and_says_what_to_paste(shell: Shell) -> None:
    """The README's first command, ended after its first order."""
    said = shell("demo", "--once")
    assert "completed" in said
    assert "balance 100 USD → 98.875 USD" in said
    for part in ("curl -s http://127.0.0.1:", "<?php", "import json"):
        assert part in said


def test_demo_ends_with_ctrl_c(shell: Shell) -> None:
    """All of it, cleanly, at any moment."""
    command = [sys.executable, "-m", "gateway", "demo"]
    with subprocess.Popen(
        command, env=shell.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        while "metrics" not in demo.stdout.readline():
            pass
        demo.send_signal(signal.SIGINT)
        _, said = demo.communicate(timeout=20)
        assert demo.returncode == 0
        assert "stopped" in said
        assert "Traceback" not in said
