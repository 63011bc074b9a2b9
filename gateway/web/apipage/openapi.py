"""The OpenAPI document: the endpoint as machines read it, out of the same messages, examples and words as the page."""

from typing import Final
from urllib.parse import parse_qsl

import msgspec

from gateway.core.dialects import STANDARD_PROVIDER
from gateway.core.errors import TEXT_INCORRECT_REQUEST, TEXT_UNAVAILABLE
from gateway.core.messages import ErrorReply, Reply, action_of
from gateway.core.replies import write_reply
from gateway.core.requests import write_request
from gateway.web.apipage import words
from gateway.web.apipage.examples import Exchange, exchanges
from gateway.web.apipage.page import TITLE
from gateway.web.apipage.schemas import Schema, reference, reply_schemas, request_schemas
from gateway.web.apipage.sections import KEY

_BODIES: Final = ("application/x-www-form-urlencoded", "application/json", "multipart/form-data")
_ABOUT: Final = (
    "One endpoint; `action` says what is asked for. What the protocol can say is answered with HTTP 200, errors "
    "included. Which fields an `add` needs is decided by the type of its service, which the list of services tells."
)


def write_openapi(currency: str) -> bytes:
    """The document; it is the same under every address."""
    return msgspec.json.format(msgspec.json.encode(openapi(currency)), indent=1)


def openapi(currency: str) -> dict[str, Schema]:
    """OpenAPI 3.1, with amounts in the gateway's currency."""
    asked = exchanges(currency)
    schemas = {**request_schemas(each.request for each in asked), **reply_schemas()}
    replies: list[Schema] = [reference(name) for name in reply_schemas()]
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": "2", "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}, {"header": []}],
        "paths": {"/api/v2": {"post": _post(asked), "get": _get(asked)}},
        "components": {
            "schemas": {**schemas, "reply": {"anyOf": replies}},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": words.PARAMETERS["key"]},
                "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
    }


def _post(asked: tuple[Exchange, ...]) -> Schema:
    examples = _examples(asked, requests=True)
    content: dict[str, Schema] = {body: {"schema": reference("request"), "examples": examples} for body in _BODIES}
    mark: Schema = {
        "name": "Idempotency-Key",
        "in": "header",
        "description": words.PARAMETERS["idempotency_key"],
        "schema": {"type": "string"},
    }
    return {
        "operationId": "ask",
        "summary": "Ask for one action",
        "parameters": [mark],
        "requestBody": {"required": True, "content": content},
        "responses": _responses(asked),
    }


def _get(asked: tuple[Exchange, ...]) -> Schema:
    fields: Schema = {
        "name": "fields",
        "in": "query",
        "required": True,
        "style": "form",
        "explode": True,
        "description": "The same fields as in a form",
        "schema": reference("request"),
    }
    return {
        "operationId": "askByQuery",
        "summary": "Ask for one action by a query string",
        "parameters": [fields],
        "responses": _responses(asked),
    }


def _responses(asked: tuple[Exchange, ...]) -> Schema:
    answers: dict[str, Schema] = {
        "200": _response(200, _examples(asked, requests=False), reference("reply")),
        "304": {"description": words.HTTP_STATUSES[304]},
    }
    for status, text in ((405, TEXT_INCORRECT_REQUEST), (413, TEXT_INCORRECT_REQUEST), (503, TEXT_UNAVAILABLE)):
        example: dict[str, Schema] = {"error": {"value": _value(ErrorReply(text))}}
        answers[str(status)] = _response(status, example, reference("error_reply"))
    return answers


def _response(status: int, examples: dict[str, Schema], schema: Schema) -> Schema:
    media: Schema = {"schema": schema, "examples": examples}
    return {"description": words.HTTP_STATUSES[status], "content": {"application/json": media}}


def _examples(asked: tuple[Exchange, ...], *, requests: bool) -> dict[str, Schema]:
    """Every exchange's one side, named after its action."""
    examples: dict[str, Schema] = {}
    for each in asked:
        action = action_of(each.request).value
        name = f"{action}_{sum(other.startswith(action) for other in examples) + 1}"
        value = _fields(each) if requests else _value(each.reply)
        examples[name] = {
            "summary": f"{words.ACTIONS[action_of(each.request)][0]}: {each.title.lower()}",
            "value": value,
        }
    return examples


def _fields(exchange: Exchange) -> Schema:
    """A request's fields, as the gateway itself would write them."""
    return dict(parse_qsl(write_request(exchange.request, KEY, STANDARD_PROVIDER).body.decode()))


def _value(reply: Reply) -> Schema:
    """A reply as it is sent, read back."""
    return msgspec.json.decode(write_reply(reply))  # type: ignore[no-any-return] # JSON that we wrote ourselves
