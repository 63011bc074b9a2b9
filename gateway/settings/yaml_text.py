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


Node: TypeAlias = Scalar | Listing | Mapping


class Text:
    """A file's text, and the faults found in it."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.faults: list[Fault] = []
        self._lines = text.splitlines()

    def fault(self, place: Place, what: str) -> None:
        """Note that something is wrong at a place."""
        source = self._lines[place.line - 1] if 0 < place.line <= len(self._lines) else ""
        self.faults.append(Fault(file=self.name, place=place, what=what, source=source.rstrip()))


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
    return _node(text, found, 0, above=frozenset())


def _node(text: Text, found: yaml.Node, depth: int, *, above: frozenset[int]) -> Node | None:
    place = Place(found.start_mark.line + 1, found.start_mark.column + 1)
    if depth > _DEPTH_MAX or id(found) in above:
        text.fault(place, "nested too deeply")
        return None
    if isinstance(found, yaml.ScalarNode):
        return _scalar(text, found, place)
    above = above | {id(found)}
    if isinstance(found, yaml.SequenceNode):
        nodes = (_node(text, each, depth + 1, above=above) for each in found.value)
        return Listing(tuple(each for each in nodes if each is not None), place)
    items: dict[str, tuple[Place, Node]] = {}
    for key, value in found.value:
        key_place = Place(key.start_mark.line + 1, key.start_mark.column + 1)
        if not isinstance(key, yaml.ScalarNode) or (key.style is None and key.value in _NULLS):
            text.fault(key_place, "a key has to be a word")
            continue
        name = _scalar(text, key, key_place)
        if name is None or name.text is None:
            continue
        if name.text in items:
            text.fault(key_place, f"{name.text} stands twice; the first is at line {items[name.text][0].line}")
            continue
        node = _node(text, value, depth + 1, above=above)
        if node is not None:
            items[name.text] = (key_place, node)
    return Mapping(items, place)


def _scalar(text: Text, found: yaml.ScalarNode, place: Place) -> Scalar | None:
    quoted = found.style is not None
    if not quoted and _SURPRISES.fullmatch(found.value):
        flag = "write true or false, or " if found.value.lower() in _FLAGS else ""
        text.fault(place, f'YAML readers disagree about a bare {found.value}: {flag}quote it, "{found.value}"')
        return None
    return Scalar(None if not quoted and found.value in _NULLS else found.value, quoted, place)
