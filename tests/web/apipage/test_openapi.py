"""The OpenAPI document: sound by the OpenAPI Initiative's own schema, and true of what the code reads and writes."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types

from gateway.core.dialects import UserDialect
from gateway.core.fields import HttpRequest
from gateway.core.messages import Action, ErrorReply, action_of
from gateway.core.replies import write_reply
from gateway.core.requests import read_request
from gateway.web.apipage.examples import Exchange, exchanges
from gateway.web.apipage.openapi import openapi, write_openapi

# https://spec.openapis.org/oas/3.1/schema/2022-10-07, as published there under the Apache License 2.0.
OFFICIAL = json.loads(Path(__file__).with_name("openapi-3.1.schema.json").read_text("utf-8"))
DOCUMENT: Any = json.loads(write_openapi("USD"))
EXCHANGES = exchanges("USD")
DIALECTS = (UserDialect(), UserDialect(name="legacy", order_id="number"))


def validator(name: str) -> Any:
    """Judges values by one of the document's schemas."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})


def faults(name: str, value: object) -> list[str]:
    """What is wrong with a value by one of the document's schemas."""
    return [fault.message for fault in validator(name).iter_errors(value)]


def test_document_is_openapi() -> None:
    """By the official schema of version 3.1, and each of its own schemas is JSON Schema 2020-12."""
    Draft202012Validator.check_schema(OFFICIAL)
    assert [str(fault) for fault in Draft202012Validator(OFFICIAL).iter_errors(DOCUMENT)] == []
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(openapi("USD"))) == DOCUMENT


def test_document_would_not_pass_if_it_were_broken() -> None:
    """The official schema is no empty word."""
    for broken in ({**DOCUMENT, "openapi": "2.0"}, {**DOCUMENT, "paths": {"no-slash": {}}}, {"openapi": "3.1.0"}):
        assert list(Draft202012Validator(OFFICIAL).iter_errors(broken))


def test_every_pointer_leads_somewhere() -> None:
    """Those of the discriminator too, which has every action; and every schema is pointed at."""
    schemas = DOCUMENT["components"]["schemas"]
    mapping = schemas["request"]["discriminator"]["mapping"]
    assert set(mapping) == {action.value for action in Action}
    found = {*_pointers(DOCUMENT), *mapping.values()}
    assert found == {f"#/components/schemas/{name}" for name in schemas}
    for action, pointer in mapping.items():
        assert schemas[pointer.rpartition("/")[2]]["properties"]["action"] == {"const": action}


def _pointers(value: Any) -> set[str]:
    if isinstance(value, list):
        return {pointer for each in value for pointer in _pointers(each)}
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"]} if "$ref" in value else set()
    return own.union(*(_pointers(each) for each in value.values()))


@pytest.mark.parametrize("each", EXCHANGES, ids=lambda each: f"{action_of(each.request)}: {each.title}")
def test_replies_are_what_the_document_says(each: Exchange) -> None:
    """Every example as it is written in either dialect, and nothing that is missing a part."""
    name = type(each.reply).__name__.removesuffix("Reply")
    schema = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_") + "_reply"
    for dialect in DIALECTS:
        value = json.loads(write_reply(each.reply, dialect))
        assert faults(schema, value) == []
        assert faults("reply", value) == []
        if isinstance(value, dict):
            short = dict(list(value.items())[:-1])
            assert faults(schema, short) or schema == "multi_status_reply"
            assert faults(schema, {**value, "error": "x"}) or schema == "multi_status_reply"
    for told in each.refusals:
        assert faults("error_reply", json.loads(write_reply(told))) == []


def test_requests_of_the_document_are_read_as_they_are_meant() -> None:
    """Each example is a request by the schema, and as a form and as JSON the message it stands for."""
    path = DOCUMENT["paths"]["/api/v2"]["post"]
    for content in path["requestBody"]["content"].values():
        values = [example["value"] for example in content["examples"].values()]
        assert [faults("request", value) for value in values] == [[] for _ in EXCHANGES]
        read = [read_request(HttpRequest(body=json.dumps(value).encode())).request for value in values]
        assert read == [each.request for each in EXCHANGES]
    replies = path["responses"]["200"]["content"]["application/json"]["examples"].values()
    assert [each["value"] for each in replies] == [json.loads(write_reply(each.reply)) for each in EXCHANGES]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"action": "drop"},
        {"action": "status"},
        {"action": "status", "orders": [str(number) for number in range(101)]},
        {"action": "refill_status"},
        {"action": "add", "service": "1"},
        {"action": "add", "link": "https://x.example/"},
        {"action": "cancel", "order": True},
    ],
)
def test_request_that_is_none_is_none_by_the_document(fields: dict[str, object]) -> None:
    """What the endpoint refuses, whatever its books say, the schema refuses."""
    assert faults("request", {"key": "K", **fields})


def test_errors_stand_where_the_endpoint_sends_them() -> None:
    """Beside 200: no body at 304, an error everywhere else."""
    for method in ("get", "post"):
        responses = DOCUMENT["paths"]["/api/v2"][method]["responses"]
        assert set(responses) == {"200", "304", "405", "413", "503"}
        for status in ("405", "413", "503"):
            told = responses[status]["content"]["application/json"]["examples"]["error"]["value"]
            assert json.loads(write_reply(ErrorReply(told["error"]))) == told
