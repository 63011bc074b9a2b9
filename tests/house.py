"""The rules of the house that no linter knows, as functions from a source file to complaints.

Each complaint reads `path:line: what: do this instead`. tests/test_house.py runs them over the repository and proves on
bad sources that each of them complains. Floors between rooms are import-linter's (pyproject.toml).
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import msgspec

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
PARAMETERS_MAX = 5
POSITIONAL_MAX = 3
"""STYLE.md has the third keyword-only. Here actions and protocol read as three words, `cancel(desk, user, request)`,
`write_request(request, key, dialect)`, and names at each call would only repeat the arguments; so it is the fourth."""

CORE_MAY_NOT_IMPORT = {
    "asyncio": "core does not wait; return what to wait for",
    "concurrent": "core does not wait; return what to wait for",
    "http": "core opens no socket; return the request to send",
    "logging": "core does not log; return the fact",
    "os": "core does not know the machine; take the value as a parameter",
    "pathlib": "core reads no file; take the text as a parameter",
    "random": "core rolls no die; take the number as a parameter",
    "secrets": "core rolls no die; take the bytes as a parameter",
    "select": "core does not wait; return what to wait for",
    "socket": "core opens no socket; return the request to send",
    "sqlite3": "core keeps nothing; return what to store",
    "subprocess": "core starts nothing; return what to start",
    "sys": "core does not know the machine; take the value as a parameter",
    "threading": "core does not wait; return what to wait for",
    "time": "core reads no clock; take `now` as a parameter",
    "uuid": "core rolls no die; take the identity as a parameter",
}
"""DESIGN.md section 3, floor 0, and the modules beside the named ones that wait, read a clock, open or roll as well."""

CORE_MAY_NOT_CALL = {
    "now": "core reads no clock; take `now` as a parameter",
    "open": "core reads no file; take the text as a parameter",
    "print": "core prints nothing; return the text",
    "today": "core reads no clock; take the day as a parameter",
    "utcnow": "core reads no clock; take `now` as a parameter",
}

CORE_MAY_IMPORT_BESIDES = {"msgspec"}

BROAD_EXCEPT_ALLOWED = {
    "gateway/web/": "the outermost web handler, which answers whatever happens",
    "gateway/jobs/": "the job loop, which goes on whatever happens",
    "gateway/store/sqlite.py": "group commit: a command's error is its own caller's, never its neighbours'",
    "gateway/store/postgres.py": "group commit: a command's error is its own caller's, never its neighbours'",
}
"""STYLE.md rule 25: where an error nobody foresaw is logged and counted, or kept and handed to whoever waits for it."""

# Signatures that somebody else fixed: ASGI's application, structlog's processor, httpcore's network backend.
FOREIGN_SIGNATURES = {
    ("scope", "receive", "send"),
    ("logger", "method_name", "event_dict"),
    ("host", "port", "timeout", "local_address", "socket_options"),
}

# A command of the command line, a handler or a hook: its parameters are the library's or the user's business.
FRAMEWORK_DECORATORS = {"command", "group", "option", "argument", "asgi", "get", "post", "put", "delete", "patch"}


class Source(msgspec.Struct, frozen=True):
    """One Python file: its path from the repository's root, with slashes, and its text."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        """The file as Python's own parser reads it."""
        return ast.parse(self.text, self.path)


class Complaint(msgspec.Struct, frozen=True, order=True):
    """What is wrong at one line, and what to do about it."""

    path: str
    line: int
    what: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}: {self.instead}"


def complaints(sources: Iterable[Source]) -> list[Complaint]:
    """Everything the house has to say about these files, in the order of paths and lines."""
    files = list(sources)
    found = [complaint for source in files for rule in RULES for complaint in rule(source)]
    return sorted([*found, *repeated_captions(files), *missing_tests(files), *stray_tests(files)])


def long_file(source: Source) -> Iterator[Complaint]:
    """A file of more than 400 lines."""
    lines = source.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield Complaint(source.path, lines, f"{lines} lines", "draw the file's own floors, then split along them")


def long_functions(source: Source) -> Iterator[Complaint]:
    """A function of more than 60 lines, its docstring counted."""
    for function in _functions(source.tree):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield Complaint(
                source.path, function.lineno, f"{function.name} has {lines} lines", "name its steps as helpers below it"
            )


def many_parameters(source: Source) -> Iterator[Complaint]:
    """A function of ours with more than five parameters, or with a fourth one that may be given without its name.

    One that says why it needs more beside a `noqa: PLR0913`, ruff's name for the same rule, may have them.
    """
    lines = source.text.splitlines()
    if source.path.startswith("tests/"):
        return  # Fixtures are parameters.
    for function in _functions(source.tree):
        if _signature_is_fixed(function):
            continue
        positional = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
        if positional[:1] in (["self"], ["cls"]):
            positional = positional[1:]
        if tuple(positional) in FOREIGN_SIGNATURES:
            continue
        count = len(positional) + len(function.args.kwonlyargs)
        where = (source.path, function.lineno)
        if count > PARAMETERS_MAX and "noqa: PLR0913" not in lines[function.lineno - 1]:
            yield Complaint(*where, f"{function.name} has {count} parameters", "give what belongs together one struct")
        if len(positional) > POSITIONAL_MAX:
            fourth = positional[POSITIONAL_MAX]
            yield Complaint(*where, f"{function.name} takes {fourth} by position", f"put `*` before {fourth}")


def missing_caption(source: Source) -> Iterator[Complaint]:
    """A file whose first docstring line is missing or is not exactly one sentence."""
    caption = _caption(source)
    if caption is None:
        yield Complaint(source.path, 1, "no charter", "say in the first docstring line what the room is for")
    elif not caption.endswith(".") or re.search(r"[.?!] [A-Z]", caption):
        yield Complaint(source.path, 1, "the charter is not one sentence", "make it fit on the room's door")


def broad_except(source: Source) -> Iterator[Complaint]:
    """An `except Exception`, or broader, outside the two kinds of places that may; one that raises again is none."""
    if any(source.path.startswith(place) for place in BROAD_EXCEPT_ALLOWED):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _raises_again(node):
            yield Complaint(source.path, node.lineno, "catches every error", "name the errors you have an answer to")


def core_reaches_out(source: Source) -> Iterator[Complaint]:
    """In core: something that waits, opens a file, reads a clock or rolls a die; another room; a foreign package."""
    if not source.path.startswith("gateway/core/"):
        return
    for line, module in _imports(source.tree):
        top = module.partition(".")[0]
        if top in CORE_MAY_NOT_IMPORT:
            yield Complaint(source.path, line, f"core imports {module}", CORE_MAY_NOT_IMPORT[top])
        elif top == "gateway" and module != "gateway.core" and not module.startswith("gateway.core."):
            yield Complaint(source.path, line, f"core imports {module}", "imports only go down; pass the value in")
        elif top not in CORE_MAY_IMPORT_BESIDES | {"gateway"} and not _is_standard(top):
            yield Complaint(source.path, line, f"core imports {module}", "use msgspec or the standard library")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and (name := _last_name(node.func)) in CORE_MAY_NOT_CALL:
            yield Complaint(source.path, node.lineno, f"core calls {name}()", CORE_MAY_NOT_CALL[name])


def float_in_core(source: Source) -> Iterator[Complaint]:
    """A float in core, where amounts are integers and everything else that has a fraction is a Decimal from text."""
    if not source.path.startswith("gateway/core/"):
        return
    for node in ast.walk(source.tree):
        match node:
            case ast.Constant(value=float()) | ast.Name(id="float"):
                yield Complaint(source.path, node.lineno, "float in core", "count in units, or use Decimal from text")
            case _:
                pass


def declares_all(source: Source) -> Iterator[Complaint]:
    """An `__all__`: the folders are the boundary."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and node.id == "__all__" and isinstance(node.ctx, ast.Store):
            yield Complaint(source.path, node.lineno, "__all__", "give what the file keeps to itself an underscore")


def unexplained_silence(source: Source) -> Iterator[Complaint]:
    """A `type: ignore` or `noqa` without its code, or without its reason in the same line."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type != tokenize.COMMENT or not re.search(r"#\s*(type:\s*ignore|noqa)", token.string):
            continue
        explained = r"#\s*(type: ignore\[[a-z, -]+\]|noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*)\s*(#|[-–—:,;(])?\s*[A-Za-z`].*"
        if not re.search(explained, token.string):
            yield Complaint(source.path, token.start[0], "silenced without a reason", "`# noqa: CODE - the reason`")


def repeated_captions(sources: Iterable[Source]) -> Iterator[Complaint]:
    """Two files with the same first docstring line: one of them does not say what it is for."""
    seen: dict[str, str] = {}
    for source in sources:
        caption = _caption(source)
        if caption is not None and caption in seen:
            yield Complaint(source.path, 1, f"the charter of {seen[caption]}", "say what sets this room apart")
        elif caption is not None:
            seen[caption] = source.path


def missing_tests(sources: Iterable[Source]) -> Iterator[Complaint]:
    """A file of core without a test file of its own."""
    paths = {source.path for source in sources}
    for path in sorted(paths):
        name = PurePosixPath(path).name
        owed = f"tests/core/test_{name}"
        if path.startswith("gateway/core/") and name != "__init__.py" and owed not in paths:
            yield Complaint(path, 1, "no test file of its own", f"write {owed}")


MATRIX = "tests/matrix/"
"""Its tests cross all rooms: each proves a row of the table in docs/reliability.md and is named after it."""


def rowless_tests(source: Source) -> Iterator[Complaint]:
    """In the fault matrix: a test that is named after no row."""
    if not source.path.startswith(MATRIX):
        return
    for function in _functions(source.tree):
        if function.name.startswith("test") and not re.match(r"test(_[ucdtgnk]\d{1,2})+_[a-z]", function.name):
            what = f"{function.name} names no row"
            yield Complaint(source.path, function.lineno, what, "call it `test_u9_…` after the row it proves")


def stray_tests(sources: Iterable[Source]) -> Iterator[Complaint]:
    """A test file in a room that tests no file of that room: `test_order_walks.py` belongs to `order.py`."""
    paths = {source.path for source in sources}
    for path in sorted(paths):
        test = PurePosixPath(path)
        room = PurePosixPath("gateway", *test.parts[1:-1])
        if not path.startswith("tests/") or len(test.parts) == 2 or not test.name.startswith("test_"):
            continue
        if path.startswith(MATRIX):
            continue  # rowless_tests has its own rule for these.
        stem = test.stem.removeprefix("test_")
        owners = {stem[: match.start()] for match in re.finditer("_|$", stem)}
        if not any(f"{room}/{owner}.py" in paths or f"{room}/{owner}/__init__.py" in paths for owner in owners):
            yield Complaint(path, 1, f"{room} has no {stem}.py", "name the test after the file it proves")


RULES = (
    long_file,
    long_functions,
    many_parameters,
    missing_caption,
    broad_except,
    core_reaches_out,
    float_in_core,
    declares_all,
    unexplained_silence,
    rowless_tests,
)


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _signature_is_fixed(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    dunder = function.name.startswith("__") and function.name.endswith("__") and function.name != "__init__"
    return dunder or any(_last_name(each) in FRAMEWORK_DECORATORS for each in function.decorator_list)


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Call(func=func):
            return _last_name(func)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def _caption(source: Source) -> str | None:
    docstring = ast.get_docstring(source.tree)
    return docstring.splitlines()[0].strip() if docstring else None


def _is_broad(kind: ast.expr | None) -> bool:
    match kind:
        case None:
            return True
        case ast.Tuple(elts=kinds):
            return any(_is_broad(each) for each in kinds)
        case _:
            return _last_name(kind) in {"Exception", "BaseException"}


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise)


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def _is_standard(top: str) -> bool:
    return top in sys.stdlib_module_names
