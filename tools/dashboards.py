"""Writes helm/files/dashboards from tools/boards: python -m tools.dashboards."""

import json
from collections.abc import Iterator
from typing import Final

from tools.board import written
from tools.boards.money import MONEY
from tools.boards.overview import OVERVIEW
from tools.boards.providers import PROVIDERS
from tools.boards.runtime import RUNTIME
from tools.observed import DASHBOARDS

BOARDS: Final = {"overview": OVERVIEW, "providers": PROVIDERS, "money": MONEY, "runtime": RUNTIME}


def files() -> Iterator[tuple[str, str]]:
    """Each file's name and text."""
    for name, board in BOARDS.items():
        yield f"{name}.json", json.dumps(written(board), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DASHBOARDS.mkdir(parents=True, exist_ok=True)
    for name, text in files():
        (DASHBOARDS / name).write_text(text, "utf-8")
