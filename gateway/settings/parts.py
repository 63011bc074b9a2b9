"""A digest for each part of providers.yaml, by which the audit trail tells what of it changed, and holds no secret."""

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.settings.secrets import Secret
from gateway.settings.values import ProvidersFile

# What holds many things by name, each of them a part of its own.
_MANY: Final = frozenset({"categories", "tiers", "providers", "services"})
_DIGITS: Final = 12  # of a digest: to tell two apart, not to withstand anybody


def parts_of(file: ProvidersFile) -> dict[str, str]:
    """The parts of a file (`markup`, `tiers.NAME`, `services.ID` …), each with what tells its values from others.

    A secret counts for nothing: one that was changed shows in no part.
    """
    found: dict[str, str] = {}
    for name in file.__struct_fields__:
        value = getattr(file, name)
        if name == "reason":
            continue
        if name in _MANY:
            found |= {f"{name}.{each}": _digest(one) for each, one in value.items()}
        else:
            found[name] = _digest(value)
    return found


def changed_parts(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """The parts that came, went, or are others now, in order."""
    return tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))


def _digest(value: object) -> str:
    text = msgspec.json.encode(value, enc_hook=_masked, order="deterministic")
    return hashlib.sha256(text).hexdigest()[:_DIGITS]


def _masked(value: object) -> str:
    assert isinstance(value, Secret), f"a value of a kind that is new in the file: {type(value).__name__}"
    return ""
