"""Rendering: the presets and their usual exchanges as a page for people."""

import json

import msgspec

from gateway.core.presets import PRESETS
from tests.exchanges import Exchange, exchanges

_HEAD = """\
# Dialects, by example

Made from `tests/exchanges/*/usual/*.json` by `python -m tests.exchanges > docs/dialects.md`: what the gateway sends to
each family of panels, what such a panel answers, and what that is read as. The same files are run as tests.
[adding-a-provider.md](adding-a-provider.md) tells which preset to take.
"""


def rendered() -> str:
    """The whole page."""
    usual = [each for each in exchanges() if each.usual]
    parts = [_HEAD]
    for name, preset in PRESETS.items():
        lacks = ", ".join(f"`{each}`" for each in preset.dialect.lacks)
        parts.append(f"## `{name}`\n\n{preset.about}\n\nRead in: {preset.source}.\n")
        if lacks:
            parts.append(f"Never asked for: {lacks}.\n")
        parts += [_exchange(each) for each in usual if each.dialect == name]
    return "\n".join(parts)


def _exchange(each: Exchange) -> str:
    call = each.file.call
    place = "form" if call.form else "json" if call.json else "query"
    fields = call.form or call.json or call.query or {}
    body = json.dumps(msgspec.json.decode(each.file.reply.body), ensure_ascii=False)
    told = {name: value for name, value in each.file.expected.items() if name != "kind"}
    lines = [
        f"### {each.name}\n",
        f"{each.file.about}\n",
        "```",
        f"{call.method}, {place}: {json.dumps(fields, ensure_ascii=False)}",
        f"HTTP {each.file.reply.http}: {body}",
        f"read as {each.file.expected['kind']}: {json.dumps(told, ensure_ascii=False)}",
        "```",
    ]
    return "\n".join(lines) + "\n"
