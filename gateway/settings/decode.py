"""Decoding: nodes into the structs of values.py, going on after each fault, so that one look shows all of them.

A field that cannot be read leaves its default behind, or a stand-in where there is none, and its path in `unsound`:
so check.py can still look at everything around it. What was decoded with a fault is never used beyond that.
"""

import types
from collections.abc import Mapping as MappingType
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from gateway.core.dialects import ProviderDialect
from gateway.core.presets import PRESETS
from gateway.core.scalars import plain
from gateway.settings.faults import Place, suggestion
from gateway.settings.secrets import Secret, Unresolved, is_reference, resolve
from gateway.settings.values import STRATEGIES_PLANNED, Imports
from gateway.settings.yaml_text import Broken, Listing, Mapping, Node, Scalar, Text

Path = tuple[str | int, ...]


class Missing(Enum):
    """Stands for a value that could not be read; its fault is noted."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
_TRUTH: Final = {"true": True, "false": False}
# The fields, beside secrets, whose texts may refer to the environment: an address, and what a panel wants said besides.
_REFERRING: Final = frozenset({"url", "headers", "extra_fields", "add_fields"})
# The fields that may say `never`, which is None here.
_NEVER: Final = frozenset({"refund_after_hours", "price_jump_max"})
_WORDS: Final = {str: "a text", int: "a whole number", Decimal: "a number", bool: "true or false", Secret: "a text"}


class Decoder:
    """Decodes one file; `places` then tells where each value stands, for faults found later."""

    def __init__(self, text: Text, environ: MappingType[str, str]) -> None:
        self.text = text
        self.places: dict[Path, Place] = {}
        self.unsound: set[Path] = set()
        self._environ = environ

    def decode(self, node: Node, kind: Any, path: Path = ()) -> Any:
        """The value of a node as `kind`, or MISSING with its faults noted."""
        self.places[path] = node.place
        value = self._value(node, kind, path)
        if value is MISSING:
            self.unsound.add(path)
        return value

    def _value(self, node: Node, kind: Any, path: Path) -> Any:
        if isinstance(node, Broken):
            return MISSING
        origin = get_origin(kind)
        if origin in (Union, types.UnionType):
            inner = next(each for each in get_args(kind) if each is not type(None))
            if isinstance(node, Scalar) and (node.text is None or (node.text == "never" and path[-1] in _NEVER)):
                return None
            return self._value(node, inner, path)
        if origin is Literal:
            return self._literal(node, get_args(kind))
        if origin is dict:
            return self._dict(node, get_args(kind), path)
        if origin is tuple:
            return self._tuple(node, get_args(kind)[0], path)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(node, kind, path)
        return self._scalar(node, kind, path)

    def _struct(self, node: Node, kind: type[msgspec.Struct], path: Path) -> Any:
        if kind is Imports and isinstance(node, Scalar) and node.text == "all":
            return Imports()
        if kind is ProviderDialect and isinstance(node, Scalar):
            name = self._literal(node, tuple(PRESETS))
            return MISSING if name is MISSING else PRESETS[name].dialect
        if not isinstance(node, Mapping):
            return self._wrong(node, "all, or fields" if kind is Imports else "fields, each with its value")
        hints = get_type_hints(kind)
        values: dict[str, Any] = {}
        for name, (place, inner) in node.items.items():
            if name not in hints:
                self.text.fault(place, f"there is no field {name} here{suggestion(name, hints)}")
                continue
            value = self.decode(inner, hints[name], (*path, name))
            if value is not MISSING:
                values[name] = value
        for field in msgspec.structs.fields(kind):
            if field.required and field.name not in values:
                if field.name not in node.items:
                    self.text.fault(node.place, f"{field.name} is missing")
                self.unsound.add((*path, field.name))
                values[field.name] = _stand_in(hints[field.name])
        return _on_preset(values) if kind is ProviderDialect else kind(**values)

    def _dict(self, node: Node, kinds: tuple[Any, ...], path: Path) -> Any:
        key_kind, value_kind = kinds
        if not isinstance(node, Mapping):
            return self._wrong(node, "names, each with its value")
        found: dict[Any, Any] = {}
        for name, (place, inner) in node.items.items():
            key = self._scalar(Scalar(name, quoted=False, place=place), key_kind, path)
            if key is MISSING:
                continue
            if (*path, key, "*") in self.places:
                self.text.fault(place, f"{key} stands twice; the first is at line {self.places[*path, key, '*'].line}")
                continue
            self.places[*path, key, "*"] = place
            value = self.decode(inner, value_kind, (*path, key))
            if value is not MISSING:
                found[key] = value
        return found

    def _tuple(self, node: Node, kind: Any, path: Path) -> Any:
        if not isinstance(node, Listing):
            return self._wrong(node, "a list")
        found = (self.decode(inner, kind, (*path, number)) for number, inner in enumerate(node.items))
        # A stand-in keeps the places of what follows.
        return tuple(_stand_in(kind) if each is MISSING else each for each in found)

    def _literal(self, node: Node, allowed: tuple[Any, ...]) -> Any:
        words = {str(each): each for each in allowed}
        if isinstance(node, Scalar) and node.text in words:
            return words[node.text]
        told = suggestion(node.text, words) if isinstance(node, Scalar) and node.text else ""
        if isinstance(node, Scalar) and node.text in STRATEGIES_PLANNED and "priority" in words:
            told = "; it is planned, and priority is the only strategy there is so far"
        return self._wrong(node, " or ".join(words), told)

    def _scalar(self, node: Node, kind: Any, path: Path) -> Any:
        if not isinstance(node, Scalar) or node.text is None:
            return self._wrong(node, _WORDS.get(kind, "a word"))
        if isinstance(kind, type) and issubclass(kind, Enum):
            return self._enum(node, kind)
        if kind is Secret:
            return self._secret(node)
        if kind is str:
            return self._text(node, path)
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

    def _secret(self, node: Scalar) -> Any:
        if not is_reference(node.text or ""):
            what = "a secret is not written here: name it, ${ENV:NAME} or ${FILE:/run/secrets/name}"
            self.text.fault(node.place, what, hidden=True)
            return MISSING
        found = self._resolved(node)
        return MISSING if found is MISSING else Secret(found)

    def _text(self, node: Scalar, path: Path) -> Any:
        if "${" not in (node.text or ""):
            return node.text
        if _REFERRING.isdisjoint(path[2:]):
            where = "a provider's key, url, headers, extra_fields and add_fields, and a channel's url and secrets"
            self.text.fault(node.place, f"${{...}} is filled in only in {where}")
            return MISSING
        return self._resolved(node)

    def _resolved(self, node: Scalar) -> Any:
        try:
            return resolve(node.text or "", self._environ)
        except Unresolved as error:
            self.text.fault(node.place, str(error))
            return MISSING

    def _wrong(self, node: Node, wanted: str, told: str = "") -> Missing:
        self.text.fault(node.place, f"here belongs {wanted}, not {_named(node)}{told}")
        return MISSING


def _on_preset(values: dict[str, Any]) -> ProviderDialect:
    """A preset with what is said instead; what is said name by name is added to the preset's names."""
    base = PRESETS[values.get("preset", ProviderDialect().preset)].dialect
    joined = {name: {**getattr(base, name), **value} for name, value in values.items() if isinstance(value, dict)}
    return msgspec.structs.replace(base, **{**values, **joined})


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
        case Broken():
            raise AssertionError("a broken node has its fault already")


def _stand_in(kind: Any) -> Any:
    """What stands for a required value that could not be read."""
    origin = get_origin(kind)
    if origin is Literal:
        return get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    return origin() if origin is not None else kind("")
