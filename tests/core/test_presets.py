"""The presets: each under its own name, with a source, and a dialect whose parts agree."""

from typing import get_args, get_type_hints

import pytest

from gateway.core.dialects import STANDARD_PROVIDER, ProviderDialect
from gateway.core.presets import PRESETS


def test_presets_are_those_that_the_file_may_name() -> None:
    """The closed set of words and the table are one; the first is the contract itself."""
    assert tuple(PRESETS) == get_args(get_type_hints(ProviderDialect)["preset"])
    assert PRESETS["perfectpanel"].dialect == STANDARD_PROVIDER


@pytest.mark.parametrize("name", PRESETS)
def test_preset_says_what_it_is_and_where_that_was_read(name: str) -> None:
    """A figure without a source is a rumour."""
    preset = PRESETS[name]
    assert preset.dialect.preset == name
    assert preset.about.endswith(".")
    assert "PROTOCOL.md" in preset.source


def test_families_differ() -> None:
    """Two presets that say the same of a panel would be one."""
    seen = [(each.dialect, each.about) for each in PRESETS.values()]
    assert len(seen) == len(set(map(repr, seen)))
