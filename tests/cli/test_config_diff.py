"""`gateway config diff`: what another file would change, by the lists the gateway has kept."""

import asyncio
import json
from functools import partial
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from gateway.__main__ import main
from gateway.core.provider import ProviderList
from gateway.store.services import keep_list
from gateway.store.store import open_store
from tests.makers import make_list, make_row
from tests.store.trade import active, make_user

FILE = """
version: 1
currency: USD
markup: {percent: 20}
tiers: {reseller: {percent: -5}}
providers:
  panel-a: {url: "https://panel-a.example/api/v2", key: "${ENV:PANEL_KEY}"}
  panel-b: {url: "https://panel-b.example/api/v2", key: "${ENV:PANEL_KEY}"}
services:
  1: {routes: [panel-a/101, panel-b/201]}
  2: {routes: [panel-a/102]}
"""
OTHER = (
    FILE.replace("percent: 20", "percent: 50")
    .replace("routes: [panel-a/101, panel-b/201]", "routes: [panel-b/201, panel-a/101]")
    .replace("  2: {routes: [panel-a/102]}\n", "  3: {routes: [panel-b/202]}\n")
)


async def _keep(url: str, *lists: ProviderList) -> None:
    store = open_store(url)
    await store.open()
    await store.migrate()
    for each in lists:
        await store.run(partial(keep_list, each.provider, msgspec.json.encode(each).decode(), fetched_at=1))
    await store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The file in use, and the lists a gateway kept."""
    (tmp_path / "providers.yaml").write_text(FILE)
    lists = (
        make_list("panel-a", make_row("101"), make_row("102")),
        make_list("panel-b", make_row("201"), make_row("202")),
    )
    asyncio.run(_keep(f"sqlite:///{tmp_path}/gateway.db", *lists))
    return tmp_path


def asked(folder: Path, text: str, *more: str) -> Result:
    """What is answered about a new file."""
    new = folder / "new.yaml"
    new.write_text(text)
    config = str(folder / "providers.yaml")
    environ = {"GATEWAY_CONFIG": config, "GATEWAY_DATA_DIR": str(folder), "PANEL_KEY": "a-key-of-panels"}
    return CliRunner().invoke(main, ["config", "diff", str(new), *more], env=environ)


def test_same_file_changes_nothing(folder: Path) -> None:
    """Said in one line."""
    result = asked(folder, FILE)
    assert (result.exit_code, result.output) == (
        0,
        "0 would appear, 0 vanish, 0 change, 2 services in USD afterwards\n",
    )


def test_table_says_what_comes_goes_and_changes(folder: Path) -> None:
    """Provider, rate and margin before and after."""
    result = asked(folder, OTHER)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()]
    changed = next(row for row in rows if row[:1] == ["1"])
    assert "panel-a/101 → panel-b/201" in " ".join(changed)
    assert "1.08 → 1.35" in " ".join(changed)
    assert "0.18 → 0.45" in " ".join(changed)
    assert next(row for row in rows if row[:1] == ["2"])[3] == "vanishes"
    assert next(row for row in rows if row[:1] == ["3"])[3] == "appears"
    assert " ".join(rows[-1]).startswith("1 would appear, 1 vanish, 1 change, 2 services")


def test_json_is_one_object_a_service_at_the_tiers_rates(folder: Path) -> None:
    """For a script that would refuse a change that is too large."""
    result = asked(folder, OTHER, "--json", "--tier", "reseller")
    found = [json.loads(line) for line in result.output.splitlines()]
    assert [(each["id"], each["kind"]) for each in found] == [(1, "changes"), (2, "vanishes"), (3, "appears")]
    assert (found[0]["before"]["rate"], found[0]["after"]["rate"]) == (102_600_000, 128_250_000)


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["table", "json"])
def test_provider_that_would_leave_with_open_orders_is_named(folder: Path, more: tuple[str, ...]) -> None:
    """With how many there are, what users paid for them, and what to say instead; not where none is open."""

    async def fill() -> None:
        store = open_store(f"sqlite:///{folder}/gateway.db")
        await store.open()
        await active(store, await make_user(store))
        await store.close()

    lines = [line for line in FILE.splitlines(keepends=True) if "panel-a.example" not in line and "102" not in line]
    without = "".join(lines).replace("[panel-a/101, panel-b/201]", "[panel-b/201]")
    assert "are open there" not in asked(folder, without, *more).stderr
    asyncio.run(fill())
    result = asked(folder, without, *more)
    assert result.exit_code == 0, result.output
    assert "open there that nobody could follow without it, 1 worth 0.000001 USD" in result.stderr
    assert "say `enabled: false` until they have ended" in result.stderr
    assert asked(folder, FILE, *more).stderr == ""


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        (FILE.replace("currency: USD", "currency: EUR"), (), "prices cannot be compared"),
        (FILE, ("--tier", "nobody"), "there is no tier nobody in either file"),
        (FILE.replace("markup", "markups"), (), "did you mean markup?"),
    ],
)
def test_what_cannot_be_compared_is_told(folder: Path, text: str, more: tuple[str, ...], said: str) -> None:
    """And nothing is printed as a difference."""
    if "EUR" in text:
        text = text.replace('"${ENV:PANEL_KEY}"}', '"${ENV:PANEL_KEY}", currency: EUR}')
    result = asked(folder, text, *more)
    assert result.exit_code != 0
    assert said in result.output


def test_list_that_is_not_known_is_named(folder: Path) -> None:
    """Its services would not be missing: nobody has seen them."""
    more = '  panel-c: {url: "https://panel-c.example/api/v2", key: "${ENV:PANEL_KEY}", imports: all}\nservices:'
    result = asked(folder, FILE.replace("services:", more))
    assert result.exit_code == 0, result.output
    assert "no list of panel-c is known" in result.output


NOTIFY = """
notify:
  funds_days: 4
  channels:
    ops: {webhook: {url: "https://you.example/${ENV:PANEL_KEY}", secret: "${ENV:SIGNING}"}}
    desk: {slack: {url: "${ENV:SLACK:-https://hooks.slack.example/hidden}"}}
"""
CHANGED = (
    NOTIFY.replace("    desk:", "    night:")
    .replace("you.example", "me.example")
    .replace("funds_days: 4", "name: shop")
)


def test_channels_that_come_go_or_change_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their names alone: what is in them is secret; what is said of all of them is told from and to."""
    monkeypatch.setenv("SIGNING", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    (folder / "providers.yaml").write_text(FILE + NOTIFY)
    told = asked(folder, FILE + CHANGED).output
    assert told.splitlines()[1:] == [
        "notify: channel desk vanishes",
        "notify: channel night appears",
        "notify: channel ops changes",
        "notify: name changes from gateway to shop",
        "notify: funds_days changes from 4 to 3",
    ]
    machines = [json.loads(line) for line in asked(folder, FILE + CHANGED, "--json").output.splitlines()]
    assert machines[0] == {"notify": "channel desk", "kind": "vanishes"}
    assert len(machines) == 5
    assert "hidden" not in told
    assert "a-key-of-panels" not in told
