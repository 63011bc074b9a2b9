"""The commands on the ledger, as an operator types them."""

import asyncio
import csv
import io
import json
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


def test_statement_is_a_table_csv_or_json(shell: Shell) -> None:
    """The same movements in three shapes; amounts are exact texts."""
    shell("user", "adjust", "alpha", "-0.00000001", "--reference", "T-1", "--reason", "a rounding of theirs")
    lines = shell("ledger", "statement", "alpha").splitlines()
    assert lines[0] == "alpha: opening balance 0 USD, held 0"
    assert lines[-1] == "alpha: closing balance 12.49999999 USD, held 0"
    assert lines[3].split()[2:5] == ["deposit", "dep:invoice-1", "12.5"]
    rows = list(csv.DictReader(io.StringIO(shell("ledger", "statement", "alpha", "--csv"))))
    assert [(row["key"], row["change"], row["balance"], row["currency"]) for row in rows] == [
        ("dep:invoice-1", "12.5", "12.5", "USD"),
        ("adj:T-1", "-0.00000001", "12.49999999", "USD"),
    ]
    made = json.loads(shell("ledger", "statement", "alpha", "--json", "--since", "2000-01-01"))
    assert (made["opening"], made["closing"], len(made["movements"])) == ("0", "12.49999999", 2)
    later = json.loads(shell("ledger", "statement", "alpha", "--json", "--since", "2100-01-01"))
    assert (later["opening"], later["closing"], later["movements"]) == ("12.49999999", "12.49999999", [])
    assert "there is no user 'beta'" in shell("ledger", "statement", "beta", code=1)


def test_adjustment_moves_money_once_and_never_below_nought(shell: Shell) -> None:
    """Up and down with a reason; a repeated reference moves nothing, with another amount it is refused, in words."""
    adjust = ("user", "adjust", "alpha")
    down = (*adjust, "-2.50", "--reference", "T-1", "--reason", "charged by mistake elsewhere")
    assert shell(*down) == "adjusted by -2.50 USD; balance 10 USD\n"
    assert shell(*down) == "T-1 was adjusted before, nothing moved; balance 10 USD\n"
    other = shell(*adjust, "-3", "--reference", "T-1", "--reason", "x", code=1)
    assert other == "gateway: reference T-1 was used before, for -2.5 USD to alpha; nothing was moved\n"
    up = shell(*adjust, "2.5", "--reference", "T-1", "--reason", "x", code=1)
    assert "was used before, for -2.5 USD to alpha" in up
    much = shell(*adjust, "-10.00000001", "--reference", "T-2", "--reason", "x", code=1)
    assert much == "gateway: alpha has less than 10.00000001 USD to spend; nothing was moved\n"
    assert "balance 12 USD" in shell(*adjust, "2", "--reference", "T-2", "--reason", "x")
    assert "Missing option" in shell(*adjust, "2", "--reference", "T-3", code=2)
    assert "needs a reason" in shell(*adjust, "2", "--reference", "T-3", "--reason", " ", code=1)
    credited = shell("user", "credit", "alpha", "13", "--reference", "invoice-1", code=1)
    assert credited == "gateway: reference invoice-1 was used before, for 12.5 USD to alpha; nothing was moved\n"
    assert shell("ledger", "verify", "--quiet").startswith("sound")
