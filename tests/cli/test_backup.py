"""`gateway backup`, `restore` and `reconcile` as an operator types them: what is said, and with which exit code."""

import shlex
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.__main__ import main

POSTGRES = "postgresql://anna:secret-key@db.example:5433/books?readers=2&pgbouncer=transaction"
FILE = """
version: 1
currency: USD
providers:
  panel-a: {url: "https://panel-a.example/api/v2", key: "${ENV:A:-x}"}
"""


class Shell:
    """Commands in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "providers.yaml").write_text(FILE)

    def __call__(self, *words: str, code: int = 0, **environ: str) -> Result:
        """What a command says, with this exit code."""
        told = {"GATEWAY_CONFIG": str(self.folder / "providers.yaml"), "GATEWAY_DATA_DIR": str(self.folder), **environ}
        done = CliRunner().invoke(main, list(words), env=told)
        assert done.exit_code == code, done.output
        return done


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Books with a user in them."""
    made = Shell(tmp_path)
    made("user", "create", "alpha")
    made("user", "credit", "alpha", "5", "--reference", "one")
    return made


def test_backup_and_restore_bring_back_what_was(shell: Shell) -> None:
    """A credit after the backup is gone, what was replaced is kept, and both say what they did."""
    backup = shell.folder / "copy.db"
    assert "every invariant of the books holds" in shell("backup", str(backup)).stdout
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert "--replace" in shell("backup", str(backup), code=1).stderr
    shell("backup", str(backup), "--replace")
    shell("user", "credit", "alpha", "7", "--reference", "two")
    said = shell("restore", str(backup)).stdout
    assert "known until" in said
    assert "gateway.db.before-" in said
    assert "gateway reconcile" in said
    assert "5 USD" in shell("user", "show", "alpha").stdout
    assert "is not a file" in shell("restore", str(shell.folder / "none.db"), code=1).stderr


def test_reconcile_says_what_it_cannot_see_and_ends_with_a_reason(shell: Shell) -> None:
    """A panel that is not to be asked has to be named; without a word nothing is ended."""
    assert "not in safe mode" in shell("reconcile").stdout
    assert "needs a --reason" in shell("reconcile", "--begin", code=1).stderr
    shell("reconcile", "--begin", "--reason", "the replica lagged")
    said = shell("reconcile", "--without", "panel-a", code=2).stdout
    assert "safe mode: the replica lagged" in said
    assert "there is no provider panel-z" in shell("reconcile", "--without", "panel-z", code=1).stderr
    assert "a line of text" in shell("reconcile", "--reason", " ", code=1).stderr
    # Nobody answers the question.
    shell("reconcile", "--reason", "looked", "--without", "panel-a", code=1)
    assert "safe mode" in shell("reconcile", "--without", "panel-a", code=2).stdout
    done = shell("reconcile", "--reason", "looked", "--without", "panel-a", "--yes").stdout
    assert "safe mode is over; 0 orders" in done


def test_postgresql_is_told_its_own_commands(tmp_path: Path) -> None:
    """Without the password and what is ours in the URL; and nothing is done."""
    shell = Shell(tmp_path)
    said = shell("backup", "/b/books.dump", GATEWAY_DATABASE_URL=POSTGRES)
    dump = "pg_dump --format=custom --file=/b/books.dump.part postgresql://anna@db.example:5433/books"
    assert said.stdout == f"(umask 077 && rm -f /b/books.dump.part && {dump} && mv /b/books.dump.part /b/books.dump)\n"
    said = shell("restore", "/b/books.dump", GATEWAY_DATABASE_URL=POSTGRES)
    assert "createdb --maintenance-db=postgresql://anna@db.example:5433/postgres books_restored" in said.stdout
    assert "--dbname=postgresql://anna@db.example:5433/books_restored /b/books.dump" in said.stdout
    assert "secret-key" not in said.output
    there = tmp_path / "of monday's.dump"
    there.touch()
    said = shell("backup", str(there), code=1, GATEWAY_DATABASE_URL=POSTGRES)
    assert "is there already; name another file, or say --replace" in said.stderr
    said = shell("backup", str(there), "--replace", GATEWAY_DATABASE_URL=POSTGRES)
    assert shlex.split(said.stdout.rstrip(")\n"))[-2:] == [f"{there}.part", str(there)]
