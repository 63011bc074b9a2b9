"""The commands on the ledger, as an operator types them."""

import asyncio
from pathlib import Path

import pytest

from tests.tamper import tamper
from tests.test_command_line import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder with a user that has money."""
    made = Shell(tmp_path)
    made("user", "create", "alpha")
    made("user", "credit", "alpha", "12.50", "--reference", "invoice-1")
    return made


def break_books(shell: Shell) -> None:
    """Give the user a unit nobody paid for."""
    url = f"sqlite:///{shell.folder}/data/gateway.db"
    asyncio.run(tamper(url, "UPDATE accounts SET balance = balance + 1 WHERE code = 'user:1:avail'"))


def test_sound_books_are_verified(shell: Shell) -> None:
    """One line says what was looked at; the exit code is 0."""
    told = shell("ledger", "verify")
    assert told == "sound: all of the books: 0 orders, 3 accounts, 1 transfers; every invariant holds\n"
    assert "what moved since" in shell("ledger", "verify", "--since", "24h")


def test_violation_is_named_and_ends_with_1(shell: Shell) -> None:
    """The invariant, the row and the amounts are on standard output, and a script can tell by the exit code."""
    break_books(shell)
    told = shell.fails("ledger", "verify", "--quiet")
    assert "VIOLATED balance (I1 a balance is what came in less what went out): 1 row\n" in told
    assert "  account user:1:avail: holds 12.50000001 USD, its transfers make 12.5 USD\n" in told
    assert told.endswith("1 violations. docs/ledger.md says what to do\n")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--since", "yesterday"), "'yesterday' is no moment: write 2026-01-31"),
        (("--since", "24h", "--all"), "--since and --all exclude each other"),
    ],
)
def test_wrong_options_are_told(shell: Shell, options: tuple[str, ...], told: str) -> None:
    """What is wrong with an option, and how to write it."""
    assert told in " ".join(shell("ledger", "verify", *options, code=2).split())
