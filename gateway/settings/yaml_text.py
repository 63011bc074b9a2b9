"""YAML as nodes with their places, read by YAML 1.2 rules; what readers of older YAML take otherwise is a fault.

PyYAML's own values are YAML 1.1's: `no` is False, `22:30` is 1350, `010` is 8, and a key that stands twice passes
silently. So only its parser is used, and each plain scalar that the two versions read differently is refused with
"quote it": nobody has to know which reader is right.
"""

import re
from typing import Final, TypeAlias

import msgspec
import yaml

from gateway.settings.faults import Fault, Place

FILE_BYTES_MAX: Final = 8 * 1024 * 1024  # a file of 20 000 declared services has some 4 MB
_DEPTH_MAX: Final = 20
_REPEATED_MAX: Final = 10_000  # nodes that aliases may add: ten lines of aliases to aliases would make a milliard
# The tags of YAML's core; any other (`!!python/object`, `!mine`, `!!set`) asks for something we do not do.
_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "int", "float", "bool", "null", "seq", "map", "timestamp", "merge", "value")
)

# Plain scalars that YAML 1.1 reads as something else than they look like.
_SURPRISES: Final = re.compile(
    r"""(?ix) (?: y|n|yes|no|on|off
        | [-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?     # base 60
        | [-+]?0[0-9_]+                                        # octal
        | [-+]?0[box][0-9a-f_]+
        | [-+]?[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?              # 1_000
        | [-+]?\.(?:inf|nan) | \.nan
        | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*                     # dates
        | = | <<
    )"""
)
_FLAGS: Final = frozenset({"y", "n", "yes", "no", "on", "off"})
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_DIGITS: Final = re.compile(r"[-+]?[0-9_]+")
# A line shown in a fault may hold a key that somebody wrote into the file; a bare ${ENV:NAME} beside it is no secret.
_KEY_LINE: Final = re.compile(
    r"(?i)(\b(?:\w*_?keys?\w?|\w*secret\w*|\w*token|\w*password|authorization)[\"']?\s*:\s+)"
    r"(?!\$\{(?:ENV|FILE):[^}:]+\}\s*(?:#|$))\S.*"
)


class Scalar(msgspec.Struct, frozen=True):
    """A value; None where the file says nothing."""

    text: str | None
    quoted: bool
    place: Place


class Listing(msgspec.Struct, frozen=True):
    """A sequence."""

    items: "tuple[Node, ...]"
    place: Place


class Mapping(msgspec.Struct, frozen=True):
    """A mapping, its keys in the order of the file."""

    items: "dict[str, tuple[Place, Node]]"
    place: Place


class Broken(msgspec.Struct, frozen=True):
    """What could not be read; its fault is noted, so whoever meets it says nothing more."""

    place: Place


Node: TypeAlias = Scalar | Listing | Mapping | Broken


class Text:
    """A file's text, and the faults found in it."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.faults: list[Fault] = []
        self._lines = text.splitlines()

    def fault(self, place: Place, what: str, *, hidden: bool = False) -> None:
        """Note that something is wrong at a place; what stands from there on may be hidden, for it is a secret."""
        source = self._lines[place.line - 1] if 0 < place.line <= len(self._lines) else ""
        source = f"{source[: place.column - 1]}***" if hidden else source
        shown = _KEY_LINE.sub(r"\1***", source.rstrip())
        self.faults.append(Fault(file=self.name, place=place, what=what, source=shown))


def read_yaml(text: Text) -> Node | None:
    """The document in a text, or None when it has no shape at all; every fault of YAML itself is noted."""
    try:
        found = yaml.compose(text.text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)
        text.fault(place, f"this is not YAML: {error.problem or error.context}")
        return None
    except yaml.YAMLError as error:
        text.fault(Place(1, 1), f"this is not YAML: {error}")
        return None
    except RecursionError:
        text.fault(Place(1, 1), "nested too deeply")
        return None
    if found is None:
        text.fault(Place(1, 1), "the file is empty")
        return None
    return _Walk(text).node(found, frozenset())


class _Walk:
    """Turns PyYAML's nodes into ours; keeps count of what aliases repeat."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._seen: set[int] = set()
        self._repeated = 0

    def node(self, found: yaml.Node, above: frozenset[int]) -> Node:
        """A node and all below it; `above` are the ones it stands in."""
        place = _place(found)
        if len(above) > _DEPTH_MAX or id(found) in above:
            return self._broken(place, "nested too deeply")
        if id(found) in self._seen:
            self._repeated += 1
            if self._repeated > _REPEATED_MAX:
                # Once is enough: what follows is left out in silence.
                over = self._repeated == _REPEATED_MAX + 1
                return self._broken(place, "aliases repeat too much") if over else Broken(place)
        self._seen.add(id(found))
        if found.tag not in _TAGS:
            return self._broken(place, f"the tag {found.tag.replace('tag:yaml.org,2002:', '!!')} means nothing here")
        above = above | {id(found)}
        match found:
            case yaml.ScalarNode():
                return self._scalar(found, place)
            case yaml.SequenceNode():
                return Listing(tuple(self.node(each, above) for each in found.value), place)
            case _:
                return self._mapping(found, place, above)

    def _mapping(self, found: yaml.Node, place: Place, above: frozenset[int]) -> Node:
        items: dict[str, tuple[Place, Node]] = {}
        for key, value in found.value:
            name = self.node(key, above)
            if isinstance(name, Broken):
                continue
            if not isinstance(name, Scalar) or name.text is None:
                self._text.fault(_place(key), "a key has to be a word")
            elif name.text in items:
                first = items[name.text][0].line
                self._text.fault(name.place, f"{name.text} stands twice; the first is at line {first}")
            else:
                items[name.text] = (name.place, self.node(value, above))
        return Mapping(items, place)

    def _scalar(self, found: yaml.ScalarNode, place: Place) -> Node:
        written = found.value
        quoted = found.style is not None
        if not quoted and _SURPRISES.fullmatch(written):
            return self._broken(place, f'YAML readers disagree about a bare {written}: {_instead(written)}"{written}"')
        return Scalar(None if not quoted and written in _NULLS else written, quoted, place)

    def _broken(self, place: Place, what: str) -> Broken:
        self._text.fault(place, what)
        return Broken(place)


def _instead(written: str) -> str:
    if written.lower() in _FLAGS:
        return "write true or false, or quote it, "
    if _DIGITS.fullmatch(written):
        plain = written.replace("_", "").lstrip("+0") or "0"
        return f"write {plain}, or quote it, "
    return "quote it, "


def _place(found: yaml.Node) -> Place:
    return Place(found.start_mark.line + 1, found.start_mark.column + 1)
