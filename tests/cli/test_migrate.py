"""`gateway migrate`: the schema brought up to date once, on both databases, and what it cannot do told."""

from pathlib import Path

from click.testing import CliRunner

from gateway.cli.migrate import migrate
from gateway.store.migrate import load_migrations


def test_books_are_migrated_once(database_url: str, database_kind: str) -> None:
    """Every step on an empty database, none on one that has them."""
    known = len(load_migrations("sqlite" if database_kind == "sqlite" else "postgres"))
    for told in (f"{known} migrations ran\n", "nothing to migrate\n"):
        done = CliRunner().invoke(migrate, env={"GATEWAY_DATABASE_URL": database_url})
        assert (done.exit_code, done.stdout) == (0, told), done.output


def test_database_that_is_not_there_is_told(tmp_path: Path) -> None:
    """One line and exit code 1, so that a rollout stops here."""
    file = tmp_path / "file"
    file.touch()
    urls = ("postgresql://gateway:canary-password@127.0.0.1:1/books", f"sqlite:///{file}/books.db")
    for url in urls:
        done = CliRunner().invoke(migrate, env={"GATEWAY_DATABASE_URL": url})
        assert done.exit_code == 1
        assert done.stderr.startswith("gateway: ")
        assert done.stderr.count("\n") == 1
        assert "canary-password" not in done.output
