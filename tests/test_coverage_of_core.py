"""Proofs that a file of core is judged by its own tests, and that a branch only others take is a gap."""

import subprocess
import sys
from pathlib import Path

import coverage

from tests.coverage_of_core import gaps

SIGN = """def sign(amount: int) -> str:
    if amount < 0:
        return "-"
    return ""
"""


def test_branch_taken_only_by_other_tests_is_a_gap(tmp_path: Path) -> None:
    """Of four files with one branch each, only the one whose own tests take both sides is without a gap."""
    core, tests = tmp_path / "gateway" / "core", tmp_path / "tests"
    core.mkdir(parents=True)
    tests.mkdir()
    for package in (tmp_path / "gateway", core, tests):
        (package / "__init__.py").touch()
    for name in ("half", "unknown", "whole", "lent"):
        (core / f"{name}.py").write_text(SIGN)
    own = "from gateway.core import {0}, lent\n\n\ndef test_it():\n    assert [{0}.sign(n) for n in {1}]\n"
    (tests / "test_half.py").write_text(own.format("half", "[1]"))
    (tests / "test_whole.py").write_text(own.format("whole", "[1]") + "    assert lent.sign(1) + lent.sign(-1)\n")
    (tests / "test_whole_below_nought.py").write_text(own.format("whole", "[-1]"))
    (tmp_path / ".coveragerc").write_text(
        "[run]\nbranch = true\nsource_pkgs = gateway\ndynamic_context = test_function\n"
    )
    subprocess.run(
        [sys.executable, "-m", "coverage", "run", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path, check=True, capture_output=True, timeout=60,
    )  # fmt: skip

    measured = coverage.Coverage(data_file=str(tmp_path / ".coverage"), config_file=str(tmp_path / ".coveragerc"))
    measured.load()
    found = list(gaps(measured, sorted(core.glob("[!_]*.py"))))

    assert [line.split("core/")[1].split(".py")[0] for line in found] == ["half", "lent", "unknown"]
    assert found[0].endswith(" 3")  # The line that no test of half.py reached.
