"""The schema that editors complete by, in step with the structs and the documentation."""

from pathlib import Path
from typing import Any

import msgspec

from gateway.core.dialects import REPLY_FIELDS, ProviderDialect
from gateway.core.outcome import Policy
from gateway.core.presets import PRESETS
from gateway.core.pricing import Markup
from gateway.settings.notify import (
    EmailChannel,
    Notify,
    NotifyChannel,
    SlackChannel,
    TelegramChannel,
    WebhookChannel,
)
from gateway.settings.schema import file_schema, written_schema
from gateway.settings.values import Brake, Imports, Provider, ProvidersFile, Selection, Service, Timeouts, UnknownRules

ROOT = Path(__file__).parent.parent.parent
STRUCTS = (
    ProvidersFile,
    Provider,
    Service,
    Markup,
    Timeouts,
    Imports,
    Selection,
    ProviderDialect,
    UnknownRules,
    Brake,
    Policy,
    Notify,
    NotifyChannel,
    WebhookChannel,
    TelegramChannel,
    SlackChannel,
    EmailChannel,
)

# Those that a single word may stand for have their fields under another name.
FIELDS_OF = {Imports: "ImportedFields", ProviderDialect: "DialectFields"}


def definition(name: str) -> dict[str, Any]:
    """One struct's schema."""
    found: dict[str, Any] = file_schema()["$defs"][name]
    return found


def test_shipped_schema_is_in_step() -> None:
    """providers.schema.json is what `gateway config schema` prints, and the shipped file names it."""
    assert (ROOT / "providers.schema.json").read_text("utf-8") == written_schema()
    first = (ROOT / "providers.yaml").read_text("utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=./providers.schema.json"


def test_schema_has_every_field_and_no_other() -> None:
    """Each struct's fields are completed, and a misspelt one is underlined in the editor."""
    for struct in STRUCTS:
        found = definition(FIELDS_OF.get(struct, struct.__name__))
        assert set(found["properties"]) == {field.name for field in msgspec.structs.fields(struct)}
        assert found["additionalProperties"] is False


def test_schema_says_numbers_and_secrets_as_the_file_has_them() -> None:
    """A Decimal is a number, a key is a reference, `imports` is `all` or fields."""
    assert definition("Markup")["properties"]["percent"] == {"type": "number", "default": 0.0}
    assert definition("Provider")["properties"]["key"]["pattern"].startswith(r"^\$\{(ENV|FILE)")
    assert definition("Imports")["anyOf"][0] == {"const": "all"}
    assert definition("ProviderDialect")["anyOf"][0] == {"enum": list(PRESETS)}
    assert definition("DialectFields")["properties"]["replies"]["propertyNames"] == {"enum": list(REPLY_FIELDS)}
    assert {"const": "never"} in definition("UnknownRules")["properties"]["refund_after_hours"]["anyOf"]
    assert "decimal" not in written_schema().replace("decimal_comma", "")


def test_documentation_names_every_field() -> None:
    """docs/configuration.md explains each field of the file."""
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    for struct in STRUCTS:
        section = text.split(f"<!-- {struct.__name__} -->")[1].split("<!--")[0]
        for field in msgspec.structs.fields(struct):
            assert f"| `{field.name}` |" in section, f"{struct.__name__}.{field.name}"
