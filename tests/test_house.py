"""Proofs that the repository keeps the rules of the house, and that each rule complains when it is broken."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house import RULES, Complaint, Source, complaints

ROOT = Path(__file__).parent.parent
CORE = "gateway/core/thing.py"
CAPTION = '"""Says what this is for."""\n'


def repository() -> list[Source]:
    """Every Python file of ours, read once for a run of this test."""
    paths = sorted(path for room in ("gateway", "tests", "bench", "tools") for path in (ROOT / room).rglob("*.py"))
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in paths]


def said(*sources: Source) -> list[str]:
    """The complaints about these files, as they are printed."""
    return [str(complaint) for complaint in complaints(sources)]


def test_house_is_tidy() -> None:
    """Sizes, captions, charters of core, and tests file for file: nothing to complain about."""
    sources = repository()
    assert len(sources) > 20
    found = complaints(sources)
    assert not found, "\n" + "\n".join(str(each) for each in found)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """What import-linter says of the package in a folder: the current folder comes first on its path."""
    program = Path(sys.executable).with_name("lint-imports")
    command = [str(program), "--no-logo", "--no-cache"]
    wide = {"COLUMNS": "200"}  # So that no contract's name is broken over two lines.
    return subprocess.run(
        command, cwd=folder, env=os.environ | wide, check=False, capture_output=True, text=True, timeout=120
    )


def test_floors_hold() -> None:
    """Imports only go down, and each driver has one room, by the contracts in pyproject.toml."""
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_floors_are_those_of_the_design() -> None:
    """The contract has the table of DESIGN.md section 3, top floor first, and what was added since; none is out."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    floors = contracts[0]
    rooms = [{room.strip(" ()") for room in floor.split("|")} for floor in floors["layers"]]
    design = [{"__main__"}, {"cli"}, {"app"}, {"opening"}, {"web", "jobs"}, {"actions"}]
    below = [{"providers", "store", "cache", "settings", "panel"}, {"metrics", "logs", "points"}]
    assert rooms == [*design, *below, {"tracing"}, {"core"}]
    assert floors["exhaustive"] is True


def test_floors_complain_about_a_step_upwards(tmp_path: Path) -> None:
    """The contracts are not empty words: a house with an upward import and a stray driver fails them by name."""
    house = tmp_path / "gateway"
    for room in ("core", "store", "providers", "panel", "web", "cache", "cli"):
        (house / room).mkdir(parents=True)
        (house / room / "__init__.py").touch()
    (house / "__init__.py").touch()
    (house / "metrics.py").touch()
    (house / "core" / "order.py").write_text("import gateway.store\nimport random\n")
    (house / "store" / "books.py").write_text("import sqlite3\nimport httpx\n")
    (house / "web" / "page.py").write_text("import gateway.panel\nimport redis\nimport sqlite3\n")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text("utf-8"))
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    broken = {line.partition(" BROKEN")[0] for line in done.stdout.splitlines() if " BROKEN" in line}
    assert broken == {
        "imports only go down",
        "only the command line knows the simulated panel",
        "httpx and tenacity only in providers",
        "SQL drivers only in store and in the simulated panel's own file",
        "redis only in cache",
        "core imports msgspec and the standard library alone",
    }


def test_complaint_reads_as_one_line_that_says_what_to_do() -> None:
    """`path:line: what: do this instead`, so that an editor jumps there."""
    assert str(Complaint("gateway/a.py", 7, "float in core", "count in units")) == (
        "gateway/a.py:7: float in core: count in units"
    )


def test_tidy_file_passes_every_rule() -> None:
    """A file as it should be draws no complaint, wherever it stands."""
    text = (
        CAPTION
        + "import datetime\nimport msgspec\nfrom gateway.core.money import scale_of\n\n\n"
        + "def quote(rate: int, quantity: int, tier: str, *, scale: int, step: int) -> int:\n    return rate\n\n\n"
        + "class Books:\n    def __exit__(self, kind, error, traceback, more):\n        try:\n            pass\n"
        + "        except ValueError:\n            pass\n        except BaseException:\n            raise\n"
    )
    test = Source("tests/core/test_thing.py", '"""Proves it."""\n')
    assert said(Source(CORE, text), test) == []


BAD = [
    ("import time\n", "2: core imports time: core reads no clock; take `now` as a parameter"),
    ("from random import choice\n", "2: core imports random: core rolls no die"),
    ("def late():\n    from os import environ\n", "3: core imports os: core does not know the machine"),
    ("import asyncio.queues\n", "2: core imports asyncio.queues: core does not wait"),
    ("import logging\n", "2: core imports logging: core does not log"),
    ("from gateway.store.engine import Store\n", "2: core imports gateway.store.engine: imports only go down"),
    ("import httpx\n", "2: core imports httpx: use msgspec or the standard library"),
    ("today = date.today()\n", "2: core calls today(): core reads no clock"),
    ("moment = datetime.datetime.now(UTC)\n", "2: core calls now(): core reads no clock"),
    ("text = open('x')\n", "2: core calls open(): core reads no file"),
    ("share = 0.5\n", "2: float in core: count in units"),
    ("def rate(text: str) -> float: ...\n", "2: float in core: count in units"),
    ("__all__ = ['x']\n", "2: __all__: give what the file keeps to itself an underscore"),
    ("try:\n    pass\nexcept Exception:\n    pass\n", "4: catches every error: name the errors"),
    ("try:\n    pass\nexcept (ValueError, BaseException):\n    pass\n", "4: catches every error: name the errors"),
    ("try:\n    pass\nexcept:\n    pass\n", "4: catches every error: name the errors"),
    ("def f(a, b, c, d): ...\n", "2: f takes d by position: put `*` before d"),
    ("class C:\n    def f(self, a, b, c, d): ...\n", "3: f takes d by position: put `*` before d"),
    ("def f(a, *, b, c, d, e, g): ...\n", "2: f has 6 parameters: give what belongs together one struct"),
    ("async def f():\n" + "    pass\n" * 60, "2: f has 61 lines: name its steps as helpers below it"),
    ("x = 1\n" * 400, "401: 401 lines: draw the file's own floors"),
    ("x = y  # type: ignore\n", "2: silenced without a reason"),
    ("x = y  # type: ignore[attr-defined]\n", "2: silenced without a reason"),
    ("x = y  # noqa\n", "2: silenced without a reason"),
    ("x = y  # noqa: S101\n", "2: silenced without a reason"),
]


@pytest.mark.parametrize(("body", "words"), BAD, ids=[words for _, words in BAD])
def test_broken_rule_is_complained_about_once(body: str, words: str) -> None:
    """Each rule, broken in a file that is otherwise tidy, draws one complaint, with the right line and a way out."""
    found = said(Source(CORE, CAPTION + body), Source("tests/core/test_thing.py", '"""Proves it."""\n'))
    assert len(found) == 1
    assert found[0].startswith(f"{CORE}:{words}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import msgspec\n", "no charter"),
        ('"""Says what. Says more."""\n', "the charter is not one sentence"),
        ('"""Says what"""\n', "the charter is not one sentence"),
    ],
)
def test_file_without_one_sentence_for_its_door_is_complained_about(text: str, words: str) -> None:
    """The first docstring line is there, and is one sentence."""
    assert [each.split(": ")[1] for each in said(Source("bench/thing.py", text))] == [words]


def test_two_rooms_may_not_have_one_charter() -> None:
    """The same sentence on two doors says of neither what sets it apart."""
    found = said(Source("bench/a.py", CAPTION), Source("bench/b.py", CAPTION))
    assert found == ["bench/b.py:1: the charter of bench/a.py: say what sets this room apart"]


def test_core_file_owes_a_test_file_of_its_own() -> None:
    """A file of core that nobody proves is named, with the file that is owed."""
    assert said(Source(CORE, CAPTION)) == [f"{CORE}:1: no test file of its own: write tests/core/test_thing.py"]


def test_test_file_stands_where_its_source_stands() -> None:
    """A test names the file it proves, alone or followed by what it proves; at the top level it may prove anything."""
    code = Source("gateway/store/order.py", CAPTION)
    for name in ("store/test_order.py", "store/test_order_walks.py", "test_anything.py", "store/fixtures.py"):
        assert said(code, Source(f"tests/{name}", '"""Proves it."""\n')) == []
    stray = Source("tests/store/test_walks.py", '"""Proves it."""\n')
    assert said(code, stray) == [
        "tests/store/test_walks.py:1: gateway/store has no walks.py: name the test after the file it proves"
    ]


def test_row_of_the_fault_matrix_is_in_its_tests_name() -> None:
    """A file there may have any name, its tests may not: each says which rows it proves."""
    body = '"""Rows."""\n\n\nasync def test_u9_byte_drip_is_cut(): ...\nasync def test_u6_u7_lost_answer(): ...\n'
    assert said(Source("tests/matrix/test_anything.py", body)) == []
    stray = body + "async def test_byte_drip_is_cut(): ...\nasync def test_u123_byte_drip(): ...\n"
    found = said(Source("tests/matrix/test_anything.py", stray))
    assert [each.split(": ")[1] for each in found] == [
        "test_byte_drip_is_cut names no row",
        "test_u123_byte_drip names no row",
    ]


def test_outermost_handlers_may_catch_everything() -> None:
    """The web's outermost handler and the job loop answer for what nobody foresaw; a file of actions may not."""
    body = CAPTION + "try:\n    pass\nexcept Exception:\n    pass\n"
    for place in ("gateway/web/panel.py", "gateway/jobs/loop.py", "gateway/store/sqlite.py"):
        assert said(Source(place, body)) == []
    assert len(said(Source("gateway/actions/add.py", body))) == 1


def test_signatures_others_fixed_are_theirs() -> None:
    """Commands, handlers and processors take what their framework gives; tests take what fixtures they like."""
    wide = "def f(a, b, c, d, e, g): ...\n"
    allowed = [
        CAPTION + "@click.command\n@click.option('--x')\n" + wide,
        CAPTION + "@post('/')\nasync " + wide,
        CAPTION
        + wide.replace(": ...", ":  # noqa: PLR0913 - one place where all this comes together\n    ...").replace(
            "(a,", "(*, a,"
        ),
    ]
    for text in allowed:
        assert said(Source("gateway/cli/thing.py", text)) == []
    assert said(Source("tests/test_thing.py", CAPTION + wide)) == []


def test_every_rule_is_shown_to_complain() -> None:
    """No rule is without a bad example above: a new one owes one."""
    broken = [Source(CORE, CAPTION + body) for body, _ in BAD] + [Source("bench/a.py", "x = 1\n")]
    broken.append(Source("tests/matrix/test_a.py", CAPTION + "def test_a(): ...\n"))
    silent = [rule.__name__ for rule in RULES if not any(list(rule(source)) for source in broken)]
    assert silent == []
