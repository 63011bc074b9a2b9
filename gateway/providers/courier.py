"""Couriers: a message brought to a channel, in a few tries while what stands in the way may pass.

Three tries with jitter, or after as long as the channel itself asks for, where that is short; what takes longer is
tried again by whoever sends (core/telling.py), with what is true by then. A channel that hangs costs its courier three
deadlines and nobody else anything.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias, assert_never

import msgspec
from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt, wait_random_exponential

from gateway.core.fields import HttpRequest
from gateway.core.notice_forms import (
    ROOM,
    SLACK_MAX,
    TELEGRAM_MAX,
    Answer,
    Message,
    as_line,
    judge,
    write_slack,
    write_telegram,
    write_webhook,
)
from gateway.providers.mail import Mail, MailTo
from gateway.providers.post import Post, reach
from gateway.providers.strike import Strike

TRIES: Final = 3
WAIT_FIRST_SECONDS: Final = 1.0  # Slack takes one message a second
WAIT_MAX_SECONDS: Final = 8.0
# A channel that asks to be left alone for longer is not waited for.
ASKED_MAX_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 5.0


class HookTo(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook."""

    url: str
    secret: bytes
    allow_private: bool = False

    def __repr__(self) -> str:
        """Without the secret, and without the address, which may hold one."""
        return "HookTo()"


class TelegramTo(msgspec.Struct, frozen=True, kw_only=True):
    """A chat in Telegram, through a bot."""

    token: str
    chat: str
    api: str
    allow_private: bool = False

    def __repr__(self) -> str:
        """Without the token."""
        return f"TelegramTo(chat={self.chat!r})"


class SlackTo(msgspec.Struct, frozen=True, kw_only=True):
    """A channel in Slack, through an incoming webhook."""

    url: str
    allow_private: bool = False

    def __repr__(self) -> str:
        """Without the address, which is a secret as a whole."""
        return "SlackTo()"


Destination: TypeAlias = HookTo | TelegramTo | SlackTo | MailTo
KINDS: Final = ("webhook", "telegram", "slack", "email")


class Carrier(Protocol):
    """One kind of channel."""

    room: int  # characters of its largest message

    async def send(self, message: Message, *, at: int) -> Answer:
        """Try once, at `at` seconds since the epoch."""
        ...

    async def look(self) -> str:
        """Look whether it can be reached, without a message; answers what is wrong."""
        ...

    async def aclose(self) -> None:
        """Let go of what is kept."""
        ...


class Courier:
    """A channel as one may speak to it; to be closed at the end."""

    def __init__(self, carrier: Carrier, *, wait_seconds: float = WAIT_FIRST_SECONDS) -> None:
        self._carrier = carrier
        self._wait_seconds = wait_seconds
        self.room = carrier.room
        self.look = carrier.look
        self.aclose = carrier.aclose

    async def bring(self, message: Message, clock: Callable[[], int]) -> Answer:
        """Bring a message in a few tries; the clock is in ms since the epoch. Answers what came of the last one."""

        async def once() -> Answer:
            return await self._carrier.send(message, at=clock() // 1000)

        jitter = wait_random_exponential(multiplier=self._wait_seconds, max=WAIT_MAX_SECONDS)
        tries = AsyncRetrying(
            retry=_worth_repeating,
            stop=stop_after_attempt(TRIES),
            wait=lambda state: max(jitter(state), _asked_seconds(state)),
            retry_error_callback=_last,
        )
        answer: Answer = await tries(once)
        return answer


class Posted:
    """A channel that takes a POST."""

    def __init__(
        self,
        post: Post,
        write: Callable[[Message, int], HttpRequest],
        look: Callable[[], Awaitable[str]],
        *,
        room: int,
        secret: str = "",
    ) -> None:
        """`secret` is struck out of its reasons; where there is one, its answers have reasons that people read."""
        self.room = room
        self._post = post
        self._write = write
        self._look = look
        self._words = secret != ""
        self._strike = Strike(secret)

    async def send(self, message: Message, *, at: int) -> Answer:
        """Try once."""
        evidence = await self._post.send(self._write(message, at))
        answer = judge(evidence, words=self._words, now=at * 1000)
        return msgspec.structs.replace(answer, problem=as_line(self._strike.text(answer.problem)))

    async def look(self) -> str:
        """Whether it can be reached."""
        return as_line(self._strike.text(await self._look()))

    async def aclose(self) -> None:
        """Let go of kept connections."""
        await self._post.aclose()


def kind_of(to: Destination) -> str:
    """What kind of channel it is, in a word of KINDS."""
    match to:
        case HookTo():
            return "webhook"
        case TelegramTo():
            return "telegram"
        case SlackTo():
            return "slack"
        case MailTo():
            return "email"
        case _:
            assert_never(to)


def open_courier(to: Destination, *, wait_seconds: float = WAIT_FIRST_SECONDS) -> Courier:
    """The way to a channel."""
    return Courier(_carrier(to), wait_seconds=wait_seconds)


def _carrier(to: Destination) -> Carrier:
    match to:
        case MailTo():
            return Mail(to)
        case HookTo():
            post = Post("webhook", to.url, allow_private=to.allow_private, connections=2)
            return Posted(post, lambda message, at: write_webhook(message, to.secret, at=at), _reach(to), room=ROOM)
        case SlackTo():
            post = Post("slack", to.url, allow_private=to.allow_private, connections=2)
            return Posted(post, lambda message, _: write_slack(message), _reach(to), room=SLACK_MAX, secret=to.url)
        case TelegramTo():
            post = Post("telegram", f"{_bot(to)}/sendMessage", allow_private=to.allow_private, connections=2)
            chat = to.chat
            return Posted(
                post,
                lambda message, _: write_telegram(message, chat),
                lambda: _known_bot(to),
                room=TELEGRAM_MAX,
                secret=to.token,
            )
        case _:
            assert_never(to)


def _reach(to: HookTo | SlackTo) -> Callable[[], Awaitable[str]]:
    return lambda: reach(to.url, allow_private=to.allow_private, seconds=LOOK_SECONDS)


def _bot(to: TelegramTo) -> str:
    return f"{to.api.rstrip('/')}/bot{to.token}"


async def _known_bot(to: TelegramTo) -> str:
    """Ask Telegram who the bot is: the one question that proves a token and says nothing to anybody."""
    post = Post("telegram", f"{_bot(to)}/getMe", allow_private=to.allow_private, connections=1)
    try:
        evidence = await post.send(HttpRequest())
    finally:
        await post.aclose()
    return judge(evidence, words=True, now=0).problem


def _worth_repeating(state: RetryCallState) -> bool:
    # An allow-list: an exception is a mistake of ours and goes up.
    if state.outcome is None or state.outcome.failed:
        return False
    answer = state.outcome.result()
    assert isinstance(answer, Answer), "a carrier answers nothing else"
    return not answer.taken and answer.passing and answer.after_ms <= ASKED_MAX_SECONDS * 1000


def _asked_seconds(state: RetryCallState) -> float:
    assert state.outcome is not None, "a wait follows a try"
    return float(state.outcome.result().after_ms / 1000)


def _last(state: RetryCallState) -> Answer:
    """What the last try was answered, after all of them failed."""
    assert state.outcome is not None, "there was a try"
    answer = state.outcome.result()
    assert isinstance(answer, Answer), "a carrier answers nothing else"
    return answer
