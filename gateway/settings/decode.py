"""Decoding: nodes into the structs of values.py, going on after each fault, so that one look shows all of them."""

import types
from collections.abc import Mapping as MappingType
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from gateway.core.scalars import plain
from gateway.settings.faults import Place, suggestion
from gateway.settings.secrets import Secret, Unresolved, has_reference, resolve
from gateway.settings.values import Imports
from gateway.settings.yaml_text import Listing, Mapping, Node, Scalar, Text

Path = tuple[str | int, ...]


class Missing(Enum):
    """Stands for a value that could not be read; its fault is noted."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
_TRUTH: Final = {"true": True, "false": False}
_WORDS: Final = {str: "a text", int: "a whole number", Decimal: "a number", bool: "true or false", Secret: "a text"}


class Decoder:
    """Decodes one file; `places` then tells where each value stands, for faults found later."""

    def __init__(self, text: Text, environ: MappingType[str, str]) -> None:
        self.text = text
        self.places: dict[Path, Place] = {}
        self._environ = environ

    def decode(self, node: Node, kind: Any, path: Path = ()) -> Any:
        """The value of a node as `kind`, or MISSING with its faults noted."""
        self.places[path] = node.place
        origin = get_origin(kind)
        if origin in (Union, types.UnionType):
            inner = next(each for each in get_args(kind) if each is not type(None))
            if isinstance(node, Scalar) and node.text is None:
                return None
            return self.decode(node, inner, path)
        if origin is Literal:
            return self._literal(node, get_args(kind))
        if origin is dict:
            return self._dict(node, get_args(kind), path)
        if origin is tuple:
            return self._tuple(node, get_args(kind)[0], path)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(node, kind, path)
        return self._scalar(node, kind)

    def _struct(self, node: Node, kind: type[msgspec.Struct], path: Path) -> Any:
        if kind is Imports and isinstance(node, Scalar) and node.text == "all":
            return Imports()
        if not isinstance(node, Mapping):
            return self._wrong(node, "fields, each with its value")
        hints = get_type_hints(kind)
        values: dict[str, Any] = {}
        sound = True
        for name, (place, inner) in node.items.items():
            if name not in hints:
                self.text.fault(place, f"there is no field {name} here{suggestion(name, hints)}")
                sound = False
                continue
            value = self.decode(inner, hints[name], (*path, name))
            if value is MISSING:
                sound = False
            values[name] = value
        for field in msgspec.structs.fields(kind):
            if field.required and field.name not in node.items:
                self.text.fault(node.place, f"{field.name} is missing")
                sound = False
        return kind(**values) if sound else MISSING

    def _dict(self, node: Node, kinds: tuple[Any, ...], path: Path) -> Any:
        key_kind, value_kind = kinds
        if not isinstance(node, Mapping):
            return self._wrong(node, "names, each with its value")
        found: dict[Any, Any] = {}
        sound = True
        for name, (place, inner) in node.items.items():
            key = self._scalar(Scalar(name, quoted=False, place=place), key_kind)
            value = MISSING if key is MISSING else self.decode(inner, value_kind, (*path, key))
            if key is not MISSING:
                self.places[(*path, key, "*")] = place
            sound = sound and value is not MISSING
            found[key] = value
        return found if sound else MISSING

    def _tuple(self, node: Node, kind: Any, path: Path) -> Any:
        if not isinstance(node, Listing):
            return self._wrong(node, "a list")
        found = tuple(self.decode(inner, kind, (*path, number)) for number, inner in enumerate(node.items))
        return MISSING if MISSING in found else found

    def _literal(self, node: Node, allowed: tuple[Any, ...]) -> Any:
        words = {str(each): each for each in allowed}
        if isinstance(node, Scalar) and node.text in words:
            return words[node.text]
        told = suggestion(node.text, words) if isinstance(node, Scalar) and node.text else ""
        return self._wrong(node, " or ".join(words), told)

    def _scalar(self, node: Node, kind: Any) -> Any:
        if not isinstance(node, Scalar) or node.text is None:
            return self._wrong(node, _WORDS.get(kind, "a word"))
        if isinstance(kind, type) and issubclass(kind, Enum):
            return self._enum(node, kind)
        if kind is Secret or (kind is str and has_reference(node.text)):
            return self._resolved(node, kind)
        if kind is str:
            return node.text
        if node.quoted:
            return self._wrong(node, f"{_WORDS[kind]}, without quotes")
        if kind is bool:
            value: Any = _TRUTH.get(node.text.lower(), MISSING)
        else:
            value = self._number(node.text, kind)
        return self._wrong(node, _WORDS[kind]) if value is MISSING else value

    def _enum(self, node: Scalar, kind: type[Enum]) -> Any:
        word = self._literal(node, tuple(each.value for each in kind))
        return MISSING if word is MISSING else kind(word)

    def _number(self, text: str, kind: Any) -> Any:
        """A plain decimal, from its own digits; no exponent, no separators, never a float."""
        if not all(letter in "+-.0123456789" for letter in text) or plain(text) is None:
            return MISSING
        if kind is int:
            return int(text) if text.lstrip("+-").isdigit() else MISSING
        return Decimal(text)

    def _resolved(self, node: Scalar, kind: Any) -> Any:
        assert node.text is not None
        try:
            found = resolve(node.text, self._environ)
        except Unresolved as error:
            self.text.fault(node.place, str(error))
            return MISSING
        return Secret(found) if kind is Secret else found

    def _wrong(self, node: Node, wanted: str, told: str = "") -> Missing:
        self.text.fault(node.place, f"here belongs {wanted}, not {_named(node)}{told}")
        return MISSING


def _named(node: Node) -> str:
    match node:
        case Scalar(text=None):
            return "nothing"
        case Scalar():
            return f'"{node.text}"' if node.quoted else str(node.text)
        case Listing():
            return "a list"
        case Mapping():
            return "fields"
