"""The commands on notices: send a sample through each channel, and see what is open and how the channels stand."""

import asyncio
import os
import secrets
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec
import rich_click as click

from gateway.actions.channels import Told, channels_of
from gateway.cli.moments import shown
from gateway.cli.session import command, config_path, in_books, now, table
from gateway.core.errors import GatewayError
from gateway.core.notice import MINUTE_MS, RULES, Facts, Kind, Notice, mark_of
from gateway.core.notice_forms import Answer, Message
from gateway.core.notice_text import sentence, write
from gateway.core.telling import Part, What
from gateway.providers.courier import kind_of, open_courier
from gateway.settings.load import load_file
from gateway.settings.notify import Notify
from gateway.store.notices import Board, read_board

_MINUTES_AGO: Final = 7  # a sample's trouble began
_OF_THE_HOUSE: Final = (
    *(Kind.BOOKS_VIOLATED, Kind.ORDERS_STOPPED, Kind.MARGIN_LOST, Kind.ORDERS_UNKNOWN, Kind.RELOAD_FAILED),
)


class NoChannel(GatewayError):
    """There is nothing to send a sample through; the message says what to do."""


@click.group()
def notify() -> None:
    """Notices: who is told what is wrong (`notify:` in providers.yaml)."""


@notify.command("test")
@click.option("--channel", "name", help="This channel alone; each of them otherwise.")
@click.option(
    "--event", default=Kind.PROVIDER_DOWN.value, type=click.Choice([each.value for each in Kind]), help="Of what."
)
@command
def send_samples(*, name: str | None, event: str) -> None:
    """Send a sample through each channel and tell what each answered; exit code 1 if one did not take it.

    It is sent whatever a channel wants to be told, says that it is a sample, and is kept nowhere.
    """
    section = load_file(config_path(None), os.environ)[0].notify
    channels = channels_of(section)
    if name is not None and name not in channels:
        raise NoChannel(f"there is no channel {name}; there are {', '.join(channels) or 'none'}")
    chosen = channels if name is None else {name: channels[name]}
    if not chosen:
        raise NoChannel("no channel is named: `notify: {channels: …}` in providers.yaml (docs/notices.md)")
    answers = asyncio.run(_send(chosen, section, Kind(event)))
    rows = [(each, kind_of(chosen[each].to), _answered(answer)) for each, answer in answers.items()]
    click.echo(table(("channel", "kind", "answer"), rows))
    if not all(answer.taken for answer in answers.values()):
        sys.exit(1)


@notify.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a notice.")
@command
def list_open(*, as_json: bool) -> None:
    """What is open now, the worst first, and how the channels stand."""
    board: Board = in_books(lambda store: store.read_at_length(read_board))
    opened = sorted((each for each in board.notices.values() if each.open and not each.mark), key=_worst)
    if as_json:
        for each in opened:
            click.echo(msgspec.json.encode(each).decode())
        return
    at = now()
    for each in opened:
        click.echo(f"{each.severity.upper():<8}  {sentence(Part(what=What.STILL, notice=each), now=at)}")
    click.echo(f"{len(opened)} open")
    if board.channels:
        rows = [
            (
                each.name,
                shown(each.sent_at) if each.sent_at else "never",
                str(each.tries),
                each.problem or "–",
            )
            for each in board.channels.values()
        ]
        click.echo(table(("channel", "last message", "failures", "problem"), rows))


async def _send(channels: Mapping[str, Told], section: Notify, kind: Kind) -> dict[str, Answer]:
    """Send it through all of them at once; each is tried as a real one is."""
    at, sample = now(), secrets.token_hex(8)

    async def one(told: Told) -> Answer:
        courier = open_courier(told.to)
        try:
            part = sample_of(kind, at=at)
            written = write([part], house=section.name, now=at, room=courier.room)
            message = Message(
                id=f"msg_test_{sample}",
                made_at=at,
                title=f"TEST {written.title}",
                text=f"This is a test of `gateway notify test`: nothing has happened.\n\n{written.text}",
                severity=written.severity,
                parts=(part,),
            )
            return await courier.bring(message, now)
        finally:
            await courier.aclose()

    return dict(zip(channels, await asyncio.gather(*map(one, channels.values())), strict=True))


def sample_of(kind: Kind, *, at: int) -> Part:
    """A notice of a kind as it might be."""
    facts = Facts(
        count=2,
        amount=Decimal("4.20"),
        currency="USD",
        days=Decimal("1.5"),
        limit=Decimal(50 if kind is Kind.PRICE_JUMP else 5),
        named=("101 0.90 → 1.50", "102 1 → 2") if kind is Kind.PRICE_JUMP else ("sample-a", "sample-b"),
    )
    passing = RULES[kind].passing
    notice = Notice(
        kind=kind,
        subject="" if kind in _OF_THE_HOUSE else "sample",
        mark=mark_of(facts) if passing else "",
        since=at - _MINUTES_AGO * MINUTE_MS,
        wrong_at=at,
        opened_at=at,
        facts=facts,
    )
    return Part(what=What.PASSED if passing else What.OPENED, notice=notice)


def _answered(answer: Answer) -> str:
    return answer.problem if not answer.taken else f"taken{f', {answer.note}' if answer.note else ''}"


def _worst(notice: Notice) -> tuple[int, str]:
    return -notice.severity.rank, notice.key
