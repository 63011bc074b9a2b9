"""Files that hold keys, secrets or money, and whether others on the machine may read them."""

import stat
from collections.abc import Iterable
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def open_to_others(paths: Iterable[Path]) -> list[tuple[Path, str]]:
    """Of these files and folders, those that are there and not their owner's alone, with their modes in octal."""
    found: list[tuple[Path, str]] = []
    for path in paths:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue  # Not there, or not ours to look at: nothing to warn of.
        if mode & _OTHERS:
            found.append((path, f"{mode:04o}"))
    return found
