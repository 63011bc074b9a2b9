"""A gateway program that ends its own process at a point: SIGKILL from within, at the n-th step of a way of points."""

from collections.abc import Sequence
from pathlib import Path

# Python runs a module of this name before anything else; `-m gateway` then finds the hook set.
_HOOK = """
import os, signal
from gateway import points

way = {way!r}

def hook(what, of):
    if (what, of) == way[0]:
        del way[0]
        if not way:
            os.kill(os.getpid(), signal.SIGKILL)

points.hook = hook
"""


def killed_at(way: Sequence[tuple[str, str]], folder: Path) -> dict[str, str]:
    """What a gateway's environment needs so that it dies once it has passed these points, one after the other."""
    place = folder / "killed"
    place.mkdir(exist_ok=True)
    (place / "sitecustomize.py").write_text(_HOOK.format(way=list(way)))
    return {"PYTHONPATH": str(place)}
