"""Documents that name what the code has: a new type, field, text or dialect owes its line there."""

import re
from pathlib import Path

import msgspec

from gateway.core import errors
from gateway.core.dialects import ProviderDialect
from gateway.core.messages import Action, StatusWord
from gateway.core.rejections import TEXTS, VAGUE, RejectKind
from gateway.core.service import TYPES
from gateway.settings.load import load_file
from gateway.store.texts import TEXTS_MAX
from gateway.web.apipage.sections import billed

DOCS = Path(__file__).parent.parent / "docs"
API = (DOCS / "api.md").read_text("utf-8")
ADDING = (DOCS / "adding-a-provider.md").read_text("utf-8")


def test_api_has_a_row_for_each_type_with_its_fields() -> None:
    """Name, synonyms, every field but the link, and what is billed."""
    rows = {cells[1].strip().partition(" (")[0]: cells for line in API.splitlines() if (cells := line.split("|"))[4:]}
    for kind in TYPES:
        name, fields, what = rows[kind.name][1:4]
        own = [field.name for field in kind.fields[1:]]
        assert [each for each in re.findall("`([a-z_]+)`", fields) if each in own] == own, kind.name
        assert what.strip() == billed(kind), kind.name
        assert all(synonym in name for synonym in kind.synonyms)
        assert ("dripfeed" in fields) == kind.dripfeed


def test_api_has_every_action_word_and_text() -> None:
    """As they are on the wire; texts that nothing answers with yet are not promised."""
    unused = {errors.TEXT_TOO_MANY_REQUESTS, errors.TEXT_INVALID_IN_LIST}
    by_field = {errors.TEXT_INCORRECT_LINK, errors.TEXT_INCORRECT_QUANTITY}  # as `Incorrect <field>`
    texts = {value for name, value in vars(errors).items() if name.startswith("TEXT_")} - unused - by_field
    for word in (*Action, *StatusWord, *texts):
        assert f"`{word}`" in API, word


def test_guide_has_every_field_of_a_dialect_and_every_meaning() -> None:
    """Whoever adds a provider finds there what can be said of it."""
    for field in msgspec.structs.fields(ProviderDialect):
        assert f"`dialect.{field.name}" in ADDING or f"dialect.{field.name}`" in ADDING, field.name
    for kind in RejectKind:
        assert f"`{kind}`" in ADDING


def test_page_of_errors_has_the_whole_catalogue() -> None:
    """Every meaning with its texts in their order, the words that prove nothing, and the limit of rows."""
    page = (DOCS / "errors.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE))
    assert rows == {kind.value: ", ".join(texts) for kind, texts in TEXTS}
    assert list(rows) == [kind.value for kind, _ in TEXTS]
    assert f"These words do: {', '.join(VAGUE)}." in page
    assert f"at most {TEXTS_MAX} rows" in page


def test_examples_of_the_guide_are_files_that_can_be_used(tmp_path: Path) -> None:
    """Each block is a whole providers.yaml without a fault."""
    blocks = re.findall(r"```yaml\n(.*?)```", ADDING, re.DOTALL)
    assert len(blocks) == 3
    secret = tmp_path / "panel-c"
    secret.write_text("key-c")
    for number, block in enumerate(blocks):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block.replace("/run/secrets/panel-c", str(secret)))
        found, _ = load_file(file, {"PANEL_A_KEY": "key-a", "PANEL_B_KEY": "key-b"})
        assert len(found.providers) == 1
