"""The parts of providers.yaml: each value shows in its own part and in no other, a secret in none."""

from gateway.settings.load import read_file
from gateway.settings.parts import changed_parts, parts_of
from gateway.settings.yaml_text import Text
from tests.gateway_process import house_file

KEYS = {"PANEL_A_KEY": "a", "PANEL_B_KEY": "b"}


def parts(text: str, **environ: str) -> dict[str, str]:
    """The parts of a text."""
    return parts_of(read_file(Text("providers.yaml", text), KEYS | environ))


def test_each_change_shows_in_its_own_part() -> None:
    """A price, a provider's pace, a service's route, a tier that comes and one that goes."""
    before = house_file()
    for was, becomes, part in (
        ("markup: {percent: 20}", "markup: {percent: 21}", ("markup",)),
        ("concurrency: 8", "concurrency: 9", ("providers.panel-a",)),
        ("routes: [panel-a/106]", "routes: [panel-a/107]", ("services.4",)),
        ("{percent: -5}", "{percent: -5}, shop: {percent: -1}", ("tiers.shop",)),
        ("tiers: {reseller: {percent: -5}}", "", ("tiers.reseller",)),
        ("currency: USD\n", "currency: USD\nreason: nothing else\n", ()),
    ):
        assert was in before
        assert changed_parts(parts(before), parts(before.replace(was, becomes, 1))) == part


def test_secret_counts_for_nothing() -> None:
    """Another key of a panel is no other part, so that nothing of it is in a digest."""
    text = house_file()
    assert parts(text) == parts(text, PANEL_A_KEY="another")
