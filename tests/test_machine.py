"""The order and charge machine against a model, on both databases: small enough to run with every test."""

from pathlib import Path

from tests.machine.books import PostgresBooks, SqliteBooks
from tests.machine.walk import walk


def test_any_life_agrees_with_the_model_on_sqlite(tmp_path: Path) -> None:
    """Three hundred walks of forty steps, the books read whole after each step."""
    walk(SqliteBooks(tmp_path), 300)


def test_any_life_agrees_with_the_model_on_postgresql(postgres_dsn: str) -> None:
    """The same walks, fewer of them: here a step costs several times as much."""
    walk(PostgresBooks(postgres_dsn), 15)
