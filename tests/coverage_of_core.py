"""Whether each file of gateway/core has every branch taken by its own tests: python -m tests.coverage_of_core.

One run of tests/core, with coverage noting which test took which branch. Then each file is judged by the tests in its
own test file alone, `test_order.py` and any `test_order_….py` for `order.py`, and by what importing it runs.
"""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import coverage

ROOT = Path(__file__).parent.parent
DATA_FILE = ROOT / ".coverage.core"


def main() -> int:
    """Runs the tests of core and prints what they leave out; 0 when that is nothing."""
    command = [sys.executable, "-m", "coverage", "run", f"--data-file={DATA_FILE}", "-m", "pytest", "-q", "tests/core"]
    tests = subprocess.run(command, cwd=ROOT, check=False)
    if tests.returncode != 0:
        return tests.returncode
    measured = coverage.Coverage(data_file=str(DATA_FILE), config_file=str(ROOT / "pyproject.toml"))
    measured.load()
    left_out = list(gaps(measured, sorted((ROOT / "gateway" / "core").glob("[!_]*.py"))))
    print("\n".join(left_out) or "every branch of core is taken by its own tests")  # noqa: T201 - a command's answer
    return int(bool(left_out))


def gaps(measured: coverage.Coverage, files: list[Path]) -> Iterator[str]:
    """A line for each file that its own tests do not cover wholly, with the lines and branches they leave out."""
    for file in files:
        own = rf"(^|\.)test_{file.stem}(_\w+)?\."
        table = io.StringIO()
        # Without a test, "", is what importing the file ran.
        share = measured.report(include=[str(file)], contexts=["^$", own], show_missing=True, file=table)
        if share < 100:
            row = next(line for line in table.getvalue().splitlines() if f"{file.stem}.py" in line)
            yield f"not covered by its own tests: {row}"


if __name__ == "__main__":
    sys.exit(main())
