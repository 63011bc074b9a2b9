"""The named statements: spelled for each database, each used, each read for a user's eyes fenced by the user."""

import ast
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Final, get_args

import asyncpg
import pytest

from gateway.store.engine import Store
from gateway.store.queries import (
    BadStatement,
    Dialect,
    compile_statement,
    fill,
    load_statements,
    named_texts,
    sql_folder,
)

DIALECTS: Final[tuple[Dialect, ...]] = get_args(Dialect)
ROOM: Final = Path(__file__).parents[2] / "gateway" / "store"

# Statements that read orders or refills and are not shown to a user as they are. A new one belongs here with its
# reason, or it has the user in its WHERE.
NOT_FOR_A_USERS_EYES: Final = {
    "order_lock": "every command that is a user's compares the user under the lock",
    "refill_newest": "asked under the lock of an order whose user was compared",
    "orders_count_by_state": "sums for the operator",
    "orders_in_doubt": "sums for the operator",
    "orders_since": "a count, of which numbers to skip follow",
    "restored_figures": "sums for the operator",
    "verify_totals": "counts for the operator's verification of the books",
    "verify_orders_slice": "as verify_totals",
    "verify_orders": "as verify_totals",
    "verify_accounts": "as verify_totals",
    "refill_lock": "what a panel said of a refill, by an id that came from the books",
    "history_order": "the operator's command line: the life of an order",
    "history_refills": "as history_order",
    "orders_list": "as history_order",
    "attempts_planned_of": "whether the order that another waits for has ended",
}


def strings_of(path: Path) -> set[str]:
    """Every text constant of a source file."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def queries_of(path: Path) -> set[str]:
    """The names a source file gives to `Query(...)` literally."""
    calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    named = (call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Query")
    return {str(call.args[0].value) for call in named if isinstance(call.args[0], ast.Constant)}


async def test_every_statement_is_understood_by_its_database(store: Store, database_url: str) -> None:
    """Each database prepares each statement against the real schema, with as many parameters as we think it has."""
    assert store.counts.commands == 0
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as books:
            for statement in load_statements("sqlite").values():
                books.execute(f"EXPLAIN {statement.text}", dict.fromkeys(statement.parameters))
        return
    connection = await asyncpg.connect(database_url)
    for statement in load_statements("postgres").values():
        prepared = await connection.prepare(statement.text)
        assert len(prepared.get_parameters()) == len(statement.parameters), statement.name
    await connection.close()


def test_both_databases_have_the_same_statements_and_parameters() -> None:
    """A command that runs on one database runs on the other."""
    ours, theirs = load_statements("sqlite"), load_statements("postgres")
    assert ours.keys() == theirs.keys()
    for name, statement in ours.items():
        assert set(statement.parameters) == set(theirs[name].parameters), name


def test_no_name_stands_twice() -> None:
    """Over all files of the folder, each name begins one statement."""
    texts = [file.read_text(encoding="utf-8") for file in sql_folder().iterdir() if file.name.endswith(".sql")]
    names = Counter(name for text in texts for name, _ in named_texts(text))
    assert len(names) > 40
    assert [name for name, times in names.items() if times > 1] == []


def test_name_that_stands_twice_stops_the_program(tmp_path: Path) -> None:
    """A program whose folder has a name twice does not start with one of the two: it says which."""
    copy = tmp_path / "gateway"
    shutil.copytree(ROOM.parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "store" / "sql" / "users.sql").open("a") as file:
        file.write("\n\n-- name: order_lock\nSELECT 1\n")
    ran = subprocess.run(
        [sys.executable, "-c", "from gateway.store.queries import load_statements; load_statements('sqlite')"],
        check=False, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert ran.returncode == 1
    assert "BadStatement: users.sql: the name order_lock is taken by another statement" in ran.stderr


def test_every_name_a_command_asks_for_exists() -> None:
    """No command yields a query that no file of the folder has."""
    names = load_statements("sqlite").keys()
    asked = {name for path in ROOM.glob("*.py") for name in queries_of(path)}
    assert len(asked) > 40
    assert asked - names == set()


def test_every_statement_is_used() -> None:
    """No statement is left behind that no command asks for."""
    spoken = {text for path in ROOM.glob("*.py") for text in strings_of(path)}
    assert load_statements("sqlite").keys() - spoken == set()


def test_every_read_of_orders_and_refills_is_the_users_own() -> None:
    """Whatever reads them says `user_id = :user_id` in its WHERE, or stands in the list above with its reason."""
    statements = load_statements("sqlite")
    reads = {
        name
        for name, statement in statements.items()
        if statement.text.startswith("SELECT") and re.search(r"FROM (orders|refills)\b", statement.text)
    }
    assert {"orders_status", "refills_status", "refill_newest_of_user"} <= reads
    assert NOT_FOR_A_USERS_EYES.keys() <= reads
    for name in reads - NOT_FOR_A_USERS_EYES.keys():
        where = statements[name].text.partition("WHERE")[2]
        assert re.search(r"(?<![.\w])user_id = :user_id\b", where), name


def test_what_is_written_at_a_users_word_is_the_users_own() -> None:
    """The two notes on an answer, which take an order's id from outside a lock, are fenced by the user too."""
    for name in ("order_answered", "order_unheard_mark"):
        assert "id = :id AND user_id = :user_id" in load_statements("sqlite")[name].text


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("text", ["{NOPE}", "{ANY}", "{ID:ids}", "{ANY_TEXT}", "{FOR_UPDATE:x}"])
def test_unknown_placeholder_is_refused(text: str, dialect: Dialect) -> None:
    """A word nobody knows, one without its argument and one with an argument it does not take."""
    with pytest.raises(BadStatement, match=re.escape(text)):
        fill(f"SELECT {text}", dialect)


def test_placeholders_are_spelled_for_each_database() -> None:
    """The table at the head of the file, row by row."""
    text = "SELECT id FROM t WHERE id {ANY:ids} AND code {ANY_TEXT:codes} {FOR_UPDATE} {SKIP_LOCKED}"
    lite, post = (compile_statement("s", text, dialect) for dialect in DIALECTS)
    assert " ".join(lite.text.split()) == (
        "SELECT id FROM t WHERE id IN (SELECT value FROM json_each(:ids)) "
        "AND code IN (SELECT value FROM json_each(:codes))"
    )
    assert post.text == (
        "SELECT id FROM t WHERE id = ANY($1::bigint[]) AND code = ANY($2::text[]) FOR NO KEY UPDATE SKIP LOCKED"
    )
    assert lite.parameters == post.parameters == lite.lists == ("ids", "codes")


def test_parameter_used_twice_is_given_once() -> None:
    """PostgreSQL counts parameters by first appearance; a repeated one keeps its number."""
    post = compile_statement("s", "SELECT :b, :a, :b", "postgres")
    assert (post.text, post.parameters) == ("SELECT $1, $2, $1", ("b", "a"))
    assert compile_statement("s", "SELECT {ANY:a}, {ANY_TEXT:a}", "sqlite").lists == ("a",)


def test_colons_that_are_no_parameters_are_passed_over() -> None:
    """A colon in a comment, in quotes or in a cast is text."""
    text = "SELECT ':a', 'it''s :b', x::text -- :c\nFROM t WHERE y = :d"
    post = compile_statement("s", text, "postgres")
    assert post.text == "SELECT ':a', 'it''s :b', x::text -- :c\nFROM t WHERE y = $1"
    assert post.parameters == ("d",)


def test_statements_lose_their_comments_and_semicolons() -> None:
    """What stands before the first name is prose; the comment under a name is not sent to the database."""
    text = "-- A file.\n\n-- name: one\n-- Why.\nSELECT 1;\n\n-- name: two\nSELECT 2\n"
    assert named_texts(text) == [("one", "SELECT 1"), ("two", "SELECT 2")]


@pytest.mark.usefixtures("store")
async def test_add_looks_for_an_earlier_one_by_its_fingerprint(database_url: str) -> None:
    """Not by walking all orders of the user: an add costs the same however many there are."""
    if not database_url.startswith("sqlite"):
        return  # PostgreSQL chooses by what is in the tables.
    with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as books:
        for name in ("order_unheard", "order_within_window"):
            statement = load_statements("sqlite")[name]
            asked = dict.fromkeys(statement.parameters)
            plan = [row[3] for row in books.execute(f"EXPLAIN QUERY PLAN {statement.text}", asked)]
            assert plan[0].startswith("SEARCH orders USING INDEX orders_by_fingerprint (user_id=? AND fingerprint=?")
