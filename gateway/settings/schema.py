"""The JSON Schema of providers.yaml, out of the same structs, for completion in editors."""

from decimal import Decimal
from typing import Any, Final

import msgspec

from gateway.core.dialects import ACTION_NAMES, REPLY_FIELDS, REQUEST_FIELDS, ProviderDialect
from gateway.core.presets import PRESETS
from gateway.settings.secrets import REFERENCE_PATTERN, Secret
from gateway.settings.values import Imports, Provider, ProvidersFile, UnknownRules

TITLE: Final = "providers.yaml of the gateway"


def file_schema() -> dict[str, Any]:
    """The schema, ready to be written as JSON."""
    (schema,), components = msgspec.json.schema_components(
        [ProvidersFile], schema_hook=_foreign, ref_template="#/$defs/{name}"
    )
    imports = components[Imports.__name__]
    components["ImportedFields"] = {**imports, "title": "ImportedFields"}
    components[Imports.__name__] = {"anyOf": [{"const": "all"}, {"$ref": "#/$defs/ImportedFields"}]}
    dialect = components[ProviderDialect.__name__]
    for field, names in (("actions", ACTION_NAMES), ("fields", REQUEST_FIELDS), ("replies", REPLY_FIELDS)):
        dialect["properties"][field]["propertyNames"] = {"enum": list(names)}
    components["DialectFields"] = {**dialect, "title": "DialectFields"}
    components[ProviderDialect.__name__] = {"anyOf": [{"enum": list(PRESETS)}, {"$ref": "#/$defs/DialectFields"}]}
    for component in components.values():
        _numbers(component)
    for kind, name in ((UnknownRules, "refund_after_hours"), (Provider, "price_jump_max")):
        components[kind.__name__]["properties"][name]["anyOf"].append({"const": "never"})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": TITLE,
        **schema,
        "$defs": dict(sorted(components.items())),
    }


def written_schema() -> str:
    """The schema as the file providers.schema.json has it."""
    return msgspec.json.format(msgspec.json.encode(file_schema(), order="sorted"), indent=2).decode() + "\n"


def _foreign(kind: type) -> dict[str, Any]:
    if kind is Secret:
        return {"type": "string", "description": "${ENV:NAME} or ${FILE:/path}", "pattern": REFERENCE_PATTERN}
    raise TypeError(f"{kind} has no schema")


def _numbers(component: Any) -> None:
    """Decimals are numbers in the file; msgspec calls them texts of the format `decimal`."""
    if isinstance(component, dict):
        if component.get("format") == "decimal":
            component.pop("format")
            component["type"] = "number"
            if isinstance(component.get("default"), str):
                component["default"] = float(Decimal(component["default"]))
        for value in component.values():
            _numbers(value)
    elif isinstance(component, list):
        for value in component:
            _numbers(value)
