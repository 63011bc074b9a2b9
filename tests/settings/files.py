"""Small providers.yaml texts, and what is said about them, for the tests of this room."""

import pytest

from gateway.settings.faults import SettingsError
from gateway.settings.load import read_file
from gateway.settings.values import ProvidersFile
from gateway.settings.yaml_text import Text

ENVIRON = {"A_KEY": "key-of-a"}
PROVIDER = """\
  panel-a:
    url: https://panel-a.example/api/v2
    key: ${ENV:A_KEY}
"""
GOOD = f"version: 1\nproviders:\n{PROVIDER}"


def read(text: str) -> ProvidersFile:
    """A text's values."""
    return read_file(Text("p.yaml", text), ENVIRON)


def faults_of(text: str) -> list[str]:
    """`line:column what` of every fault."""
    with pytest.raises(SettingsError) as caught:
        read(text)
    places = [(fault.place, fault.what) for fault in caught.value.faults]
    return [f"{place.line}:{place.column} {what}" if place else what for place, what in places]
