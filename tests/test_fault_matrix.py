"""The table of the fault matrix is whole and true: every row, no test that does not exist, no test left out."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROWS = {"U": 25, "D": 13, "C": 7, "T": 4, "G": 8, "N": 9}


def table() -> dict[str, str]:
    """What stands in the last cell of each row of docs/reliability.md."""
    text = (
        (ROOT / "docs" / "reliability.md").read_text("utf-8").partition("\n## Fault matrix\n")[2].partition("\n## ")[0]
    )
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    found = [(cells[0].strip("| "), cells[-1].strip("| ")) for cells in rows if re.match(r"\|? ?[A-Z]\d+$", cells[0])]
    assert len(found) == len(dict(found)), "a row stands twice"
    return dict(found)


def names_in(folder: Path) -> set[str]:
    """The names of all tests below a folder."""
    return {
        name
        for path in folder.rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)
    }


def test_table_has_every_row_once() -> None:
    """Each row of the matrix stands in the table, covered or open."""
    assert sorted(table()) == sorted(f"{kind}{n}" for kind, last in ROWS.items() for n in range(1, last + 1))


def test_row_names_tests_that_exist_or_says_why_it_is_open() -> None:
    """A cell has tests in backticks, or the word open with a reason, or both."""
    everything = names_in(ROOT / "tests")
    for row, cell in table().items():
        named = re.findall(r"`(test_\w+)`", cell)
        assert set(named) <= everything, f"{row} names {set(named) - everything}"
        assert named or re.search(r"\*\*open\*\*: \w", cell), f"{row} is neither covered nor open with a reason"


def test_every_test_of_the_matrix_stands_in_its_rows() -> None:
    """A test called `test_u6_u7_…` is in the rows U6 and U7."""
    cells = table()
    for name in names_in(ROOT / "tests" / "matrix"):
        rows = re.match(r"test((?:_[a-z]\d+)+)_", name)
        assert rows is not None, f"{name} names no row"
        for row in rows[1].strip("_").upper().split("_"):
            assert f"`{name}`" in cells[row], f"{name} is missing in row {row}"
