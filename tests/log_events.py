"""Every event the gateway's code logs, read from the code itself: its name, its levels and the fields it is given."""

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec

GATEWAY = Path(__file__).parent.parent / "gateway"
LEVELS = {each: each for each in ("debug", "info", "warning", "error", "critical")} | {"exception": "error"}


class Event(msgspec.Struct, frozen=True):
    """One event, from however many places it is logged."""

    name: str
    levels: frozenset[str]
    fields: frozenset[str]


class Unreadable(AssertionError):
    """A line of code that logs in a way no reader of code can tell the event of."""


def events_of(folder: Path = GATEWAY) -> dict[str, Event]:
    """The events by name; raises Unreadable with the place, where one cannot be read."""
    found: dict[str, Event] = {}
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for each in _logged(function, path):
                    before = found.get(each.name, Event(each.name, frozenset(), frozenset()))
                    levels, fields = before.levels | each.levels, before.fields | each.fields
                    found[each.name] = Event(each.name, levels, fields)
    return found


def _logged(function: ast.AST, path: Path) -> Iterator[Event]:
    """What one function logs: through `log`, through a `log.bind(…)` of its own, or a method it chose before."""
    loggers: dict[str, frozenset[str]] = {"log": frozenset()}  # by name: the fields bound to it
    methods: dict[str, frozenset[str]] = {}  # by name: the levels it may stand for
    mappings: dict[str, frozenset[str]] = {}  # by name: the keys of a literal that may be spread into a call
    for each in ast.walk(function):
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
            name, value = each.targets[0].id, each.value
            if isinstance(value, ast.Call) and _method(value.func, loggers) == "bind":
                loggers[name] = frozenset(keyword.arg or "" for keyword in value.keywords)
            elif isinstance(value, ast.IfExp) and all(_method(one, loggers) for one in (value.body, value.orelse)):
                methods[name] = frozenset(LEVELS[_method(one, loggers)] for one in (value.body, value.orelse))
            elif isinstance(value, ast.Dict):
                mappings[name] = frozenset(str(getattr(key, "value", "?")) for key in value.keys)
    for each in ast.walk(function):
        if not isinstance(each, ast.Call):
            continue
        method = _method(each.func, loggers)
        chosen = methods.get(each.func.id) if isinstance(each.func, ast.Name) else None
        if method not in LEVELS and chosen is None:
            continue
        if not each.args or not isinstance(each.args[0], ast.Constant):
            raise Unreadable(f"{path}:{each.lineno}: the event's name is no literal")
        fields = set().union(*(_fields(keyword, mappings, path) for keyword in each.keywords))
        if isinstance(each.func, ast.Attribute) and isinstance(each.func.value, ast.Name):
            fields |= loggers[each.func.value.id]
        yield Event(str(each.args[0].value), chosen or frozenset({LEVELS[method]}), frozenset(fields - {"exc_info"}))


def _method(node: ast.AST, loggers: dict[str, frozenset[str]]) -> str:
    """Which method of a logger a node is, or nothing."""
    known = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in loggers
    return node.attr if known and isinstance(node, ast.Attribute) else ""


def _fields(keyword: ast.keyword, mappings: dict[str, frozenset[str]], path: Path) -> frozenset[str]:
    if keyword.arg is not None:
        return frozenset({keyword.arg})
    if isinstance(keyword.value, ast.Name) and keyword.value.id in mappings:
        return mappings[keyword.value.id]
    raise Unreadable(f"{path}:{keyword.value.lineno}: the fields are not spelt out")
