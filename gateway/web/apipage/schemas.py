"""Schemas: the API's requests and replies as JSON Schema 2020-12, the requests out of messages and types.

The replies are written down here once more; the tests hold every reply the code writes against them.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias

import msgspec

from gateway.core.messages import IDS_MAX, Action, Request, StatusWord, action_of
from gateway.core.refill import WORDS
from gateway.core.requests import IDEMPOTENCY_KEY_MAX
from gateway.core.service import TYPES, ServiceType
from gateway.core.service_fields import FIELDS, INTERVAL, LINE_MAX, RUNS, Field, Holds
from gateway.web.apipage import words
from gateway.web.apipage.sections import billed

Schema: TypeAlias = "dict[str, Schema] | list[Schema] | str | int | bool"

# In a form everything is text; in JSON a number may be one.
_ID: Final[Schema] = {"type": ["integer", "string"]}
_IDS: Final[Schema] = {"type": ["string", "array"], "items": _ID, "minLength": 1, "minItems": 1, "maxItems": IDS_MAX}
_DECIMAL: Final[Schema] = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}
_WHOLE: Final[Schema] = {"type": "string", "pattern": r"^-?[0-9]+$"}
_TEXT: Final[Schema] = {"type": "string"}
_FLAG: Final[Schema] = {"type": "boolean"}
_PARAMETERS: Final[dict[str, Schema]] = {
    "service": _ID,
    "order": _ID,
    "orders": _IDS,
    "refill": _ID,
    "refills": _IDS,
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_MAX},
}


def reference(name: str) -> Schema:
    """A pointer to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def request_name(action: Action) -> str:
    """What an action's request is called in the document."""
    return f"{action.value}_request"


def type_name(kind: ServiceType) -> str:
    """What an order of a type is called in the document."""
    return f"add_{kind.legacy_name}"


def request_schemas(requests: Iterable[Request]) -> dict[str, Schema]:
    """A schema for each action out of its messages, one for each type of service, and `request` for any of them."""
    by_action: dict[Action, list[type[Request]]] = {action: [] for action in Action}
    for request in requests:
        by_action[action_of(request)].append(type(request))
    names = {action.value: request_name(action) for action in Action}
    return {
        "request": {
            "oneOf": [reference(name) for name in names.values()],
            "discriminator": {
                "propertyName": "action",
                "mapping": {action: f"#/components/schemas/{name}" for action, name in names.items()},
            },
        },
        **{request_name(action): _request(action, kinds) for action, kinds in by_action.items()},
        **{type_name(kind): _type(kind) for kind in TYPES},
    }


def reply_schemas() -> dict[str, Schema]:
    """A schema for each reply."""
    statuses: list[Schema] = [word.value for word in StatusWord]
    refills: list[Schema] = list(dict.fromkeys(shown for _, shown in WORDS.values()))
    status: dict[str, Schema] = {
        "charge": _DECIMAL,
        "start_count": _WHOLE,
        "status": {"type": "string", "enum": [*statuses, "Cancelled"], "description": "`Cancelled`: legacy dialect."},
        "remains": _WHOLE,
        "currency": _TEXT,
    }
    # The legacy dialect has a number for the charge, but only where several orders are asked for.
    in_many: Schema = {"anyOf": [_DECIMAL, {"type": "number", "description": "Legacy dialect."}]}
    row: dict[str, Schema] = {
        "service": _ID,
        "name": _TEXT,
        "type": _TEXT,
        "category": _TEXT,
        "rate": _DECIMAL,
        "min": _WHOLE,
        "max": _WHOLE,
        "dripfeed": _FLAG,
        "refill": _FLAG,
        "cancel": _FLAG,
        "description": _TEXT,
        "desc": _TEXT,
    }
    one: Schema = {"const": 1}
    return {
        "error_reply": _object({"error": {"type": "string", "examples": [each.text for each in words.ERRORS]}}),
        "services_reply": {"type": "array", "items": _object(row)},
        "add_reply": _object({"order": _ID}),
        "status_reply": _object(status),
        "multi_status_reply": {
            "type": "object",
            "additionalProperties": _or_error(_object({**status, "charge": in_many})),
            "maxProperties": IDS_MAX,
        },
        "refill_reply": _object({"success": _TEXT, "refill": _ID}),
        "multi_refill_reply": _rows("order", refill=_or_error(_ID)),
        "refill_status_reply": _object({"status": {"type": "string", "enum": refills}}),
        "multi_refill_status_reply": _rows("refill", status=_or_error({"type": "string", "enum": refills})),
        "cancel_reply": _object({"success": _TEXT}),
        "multi_cancel_reply": _rows("order", cancel=_or_error(one)),
        "balance_reply": _object(
            {"balance": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}, "currency": _TEXT}
        ),
    }


def _request(action: Action, kinds: list[type[Request]]) -> Schema:
    """An action's request: the fields of all its forms, of which one has to be there."""
    title, about = words.ACTIONS[action]
    properties: dict[str, Schema] = {
        "key": {"type": "string", "description": f"{words.PARAMETERS['key']}; not needed beside a header."},
        "action": {"const": action.value},
    }
    forms: list[list[Schema]] = []
    for kind in kinds:
        fields = [field for field in msgspec.structs.fields(kind) if field.name in _PARAMETERS]
        for field in fields:
            properties[field.name] = _described(_PARAMETERS[field.name], words.PARAMETERS[field.name])
        forms.append([field.name for field in fields if field.required])
    schema: dict[str, Schema] = {"type": "object", "title": title, "description": about, "properties": properties}
    if action is Action.ADD:
        orders: list[Schema] = [reference(type_name(kind)) for kind in TYPES]
        schema["anyOf"] = orders
    if len(forms) == 1:
        return {**schema, "required": ["action", *forms[0]]}
    return {**schema, "required": ["action"], "anyOf": [{"required": form} for form in forms]}


def _type(kind: ServiceType) -> Schema:
    """The fields of an order of one type; which of them it needs may hang on another."""
    fields = [*kind.fields, *((RUNS, INTERVAL) if kind.dripfeed else ())]
    needy = [field for field in kind.fields if field.needs is not None]
    schema: dict[str, Schema] = {
        "type": "object",
        "title": kind.name,
        "description": f"An order of a service of the type {kind.name}; billed: {billed(kind)}.",
        "properties": {field.name: _field(field) for field in fields},
        "required": [field.name for field in kind.fields if field.needs is None and not field.optional],
    }
    if kind.dripfeed:
        schema["dependentRequired"] = {RUNS.name: [INTERVAL.name], INTERVAL.name: [RUNS.name]}
    if needy:
        schema["allOf"] = [_needed(field) for field in needy]
    return schema


def _needed(field: Field) -> Schema:
    assert field.needs is not None, f"{field.name} needs nothing"
    other, value = field.needs
    values: list[Schema] = [value, int(value)] if FIELDS[other].holds is Holds.NUMBER else [value]
    return {
        "if": {"properties": {other: {"enum": values}}, "required": [other]},
        "then": {"required": [field.name]},
    }


def _field(field: Field) -> Schema:
    about = field.about
    if field.choices and field.holds is Holds.NUMBER:
        about += ": " + ", ".join(f"{at} {each}" for at, each in enumerate(field.choices, 1))
    match field.holds:
        case Holds.LINE:
            return _described(
                {"type": "string", "minLength": 1, "maxLength": LINE_MAX, "examples": [field.example]}, about
            )
        case Holds.LINES:
            listed: Schema = {"type": ["string", "array"], "items": _TEXT, "minLength": 1, "examples": [field.example]}
            return _described(listed, about)
        case Holds.NUMBER:
            number: Schema = {
                "type": ["integer", "string"],
                "minimum": 0 if field.optional else 1,
                "maximum": field.max,
                "examples": [field.example],
            }
            return _described(number, about)
        case Holds.ONE_OF:
            values: list[Schema] = [*field.choices, *(int(each) for each in field.choices)]
            return _described({"enum": values, "examples": [field.example]}, field.about)
        case Holds.DATE:
            day = r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$"
            return _described({"type": "string", "pattern": day, "examples": [field.example]}, about)


def _described(schema: Schema, about: str) -> Schema:
    assert isinstance(schema, dict), schema
    return {**schema, "description": about}


def _object(properties: dict[str, Schema]) -> Schema:
    """An object that has exactly these."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _rows(asked: str, **answered: Schema) -> Schema:
    return {"type": "array", "maxItems": IDS_MAX, "items": _object({asked: _ID, **answered})}


def _or_error(schema: Schema) -> Schema:
    return {"anyOf": [schema, reference("error_reply")]}
