"""The commands on what panels say went wrong: list what nobody has classified, and say what it means."""

from functools import partial
from typing import Final

import rich_click as click

from gateway.cli.moments import shown
from gateway.cli.session import actor, command, in_books, now, printable, table
from gateway.core.unclassified import MEANINGS, read_meaning, write_meaning
from gateway.store.texts import PanelText, classify_text, list_texts, text_of

SHOWN_CHARS: Final = 90  # of a pattern, in a row of the list
ID_MAX: Final = 2**63 - 1


@click.group()
def errors() -> None:
    """What panels say went wrong: texts that are not known put orders in doubt until somebody says what they mean."""


@errors.command("list")
@click.option("--provider", help="Of this one only.")
@click.option("--all", "every", is_flag=True, help="Those that were classified as well.")
@command
def list_all(provider: str | None, *, every: bool) -> None:
    """Texts nobody has classified, the most frequent first; `#` stands for numbers and ids, <link> for links."""
    texts = in_books(lambda store: store.read(partial(list_texts, provider, every=every)))
    if not texts:
        click.echo("nothing is waiting to be classified" if not every else "no text was ever met that is not known")
        return
    rows = [
        (
            *(str(each.id), each.provider, each.action, str(each.seen), shown(each.last_seen_at)),
            *(_meaning(each), _short(each.pattern)),
        )
        for each in texts
    ]
    click.echo(table(("id", "provider", "action", "seen", "last", "means", "text"), rows))


@errors.command("show")
@click.argument("text", type=click.IntRange(1, ID_MAX))
@command
def show(text: int) -> None:
    """All that is known of TEXT: its pattern, one of its examples, when it was first and last heard."""
    each = in_books(lambda store: store.read(partial(text_of, text)))
    for label, value in (
        ("provider", each.provider),
        ("first heard", f"{shown(each.first_seen_at)}, as an answer to {each.action}"),
        ("last heard", shown(each.last_seen_at)),
        ("seen", f"{each.seen} times" if each.seen > 1 else "once"),
        ("pattern", each.pattern),
        ("example", each.example),
        ("means", _meaning(each)),
    ):
        click.echo(f"{label:<11} {printable(value)}")


@errors.command("classify")
@click.argument("text", type=click.IntRange(1, ID_MAX))
@click.argument("code", type=click.Choice(MEANINGS), metavar="CODE")
@click.option("--reason", required=True, help="Why; it is kept with the text.")
@click.option("--sure", is_flag=True, help="Also where it smells of time or trouble.")
@command
def classify(text: int, code: str, reason: str, *, sure: bool) -> None:
    """Say that TEXT means CODE from now on.

    CODE is credentials, funds, service, quantity, link, field, link_active, throttled, request or refused for a
    refusal; order or nothing for what proves nothing, so that such an answer stays in doubt.

    Be sure that the panel never makes an order when it says so: what it refuses is sent to the next panel.
    """
    if not reason.strip():
        raise click.UsageError("a classification needs a reason")
    said = partial(classify_text, text, read_meaning(code), actor=actor(), reason=reason.strip(), now=now(), sure=sure)
    each = in_books(lambda store: store.run(said))
    click.echo(f"text {text} of {each.provider} means {code}; running gateways know it within ten seconds")
    click.echo("orders that are in doubt already stay in doubt: gateway unknown list")


def _meaning(each: PanelText) -> str:
    return write_meaning(each.meaning) if each.classified else "–"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}…"
