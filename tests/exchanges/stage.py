"""A stage: one panel's server that answers each file's call with the file's reply, every file under a path of its own.

What a file does not speak of (the list of services, the order before a status) is answered as a good panel of the
dialect would.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count

import msgspec

from gateway.core.dialects import ProviderDialect
from gateway.core.fields import HttpRequest
from gateway.core.messages import (
    AddReply,
    AddRequest,
    BalanceReply,
    BalanceRequest,
    CancelReply,
    CancelRequest,
    ErrorReply,
    MultiRefillStatusReply,
    MultiRefillStatusRequest,
    MultiStatusReply,
    MultiStatusRequest,
    RefillReply,
    RefillRequest,
    RefillStatusReply,
    RefillStatusRequest,
    Reply,
    Request,
    ServiceRow,
    ServicesReply,
    ServicesRequest,
    StatusReply,
    StatusRequest,
    StatusWord,
    action_of,
)
from gateway.core.replies import write_reply
from gateway.core.requests import read_call
from gateway.core.service import find_type
from gateway.panel.http import PanelServer
from gateway.panel.manners import spoken
from gateway.panel.misdeeds import Answer
from tests.exchanges import Call, Exchange, sent

# The type of the service that an order with this field is for; without any it is a package.
TYPE_BY_FIELD = {
    "delay": "Subscriptions",
    "comments": "Custom Comments",
    "usernames": "Mentions Custom List",
    "answer_number": "Poll",
    "country": "Web Traffic",
    "quantity": "Default",
}


class Heard(msgspec.Struct, frozen=True):
    """One call that arrived."""

    request: Request
    call: Call


class Stage:
    """The server, and what it heard for each file."""

    def __init__(self, files: Sequence[Exchange], dialect: ProviderDialect) -> None:
        self.files = files
        self.heard: dict[int, list[Heard]] = defaultdict(list)
        self._dialect = dialect
        self._orders = {n: _ids(each.request, "order") for n, each in enumerate(files)}
        self._refills = {n: _ids(each.request, "refill") for n, each in enumerate(files)}
        self._server = PanelServer(self._answer)
        self.url = ""

    async def start(self) -> None:
        """Begin to listen."""
        self.url = f"http://127.0.0.1:{await self._server.start('127.0.0.1', 0)}"

    async def stop(self) -> None:
        """End every connection."""
        await self._server.stop()

    def calls(self, n: int) -> list[Call]:
        """The calls that the file is about."""
        return [each.call for each in self.heard[n] if same_question(each.request, self.files[n].request)]

    async def _answer(self, path: str, http: HttpRequest) -> Answer:
        n = int(path.strip("/"))
        request = read_call(http, self._dialect).request
        file, told = self.files[n].file, bool(self.calls(n))
        self.heard[n].append(Heard(request, sent(http)))
        if same_question(request, self.files[n].request):
            return Answer(body=file.reply.body, status=file.reply.http)
        # What the file said of an order is the last that is said of it: anything else would be news.
        reply = ErrorReply("Incorrect request") if told else self._usual(n, request)
        said = msgspec.json.decode(write_reply(reply))
        return Answer(body=msgspec.json.encode(spoken(action_of(request), said, self._dialect)))

    def _usual(self, n: int, request: Request) -> Reply:
        about = self.files[n].request
        match request:
            case ServicesRequest():
                return ServicesReply((sold_for(about),))
            case BalanceRequest():
                return BalanceReply("100", "USD")
            case AddRequest():
                return AddReply(next(self._orders[n]))
            case StatusRequest():
                return _standing(about)
            case MultiStatusRequest():
                return MultiStatusReply(tuple((each, _standing(about)) for each in request.orders))
            case RefillRequest():
                return RefillReply(next(self._refills[n]))
            case RefillStatusRequest():
                return RefillStatusReply("Pending")
            case MultiRefillStatusRequest():
                return MultiRefillStatusReply(tuple((each, RefillStatusReply("Pending")) for each in request.refills))
            case CancelRequest():
                return CancelReply()
            case _:
                return ErrorReply("Incorrect request")


def same_question(asked: Request, of_file: Request) -> bool:
    """Whether a call is the one of a file: of its kind, and about the same orders or refills, in whatever order."""
    return type(asked) is type(of_file) and ids_of(asked) == ids_of(of_file)


def ids_of(request: Request) -> set[str]:
    """The orders or refills that are asked about."""
    names = ("order", "orders", "refill", "refills")
    found = [getattr(request, name) for name in names if hasattr(request, name)]
    return {each for ids in found for each in ((ids,) if isinstance(ids, str) else ids)}


def service_of(request: Request) -> str:
    """The panel's service that an exchange is about, or needs an order of."""
    return request.service if isinstance(request, AddRequest) else "1"


def fields_of(request: Request) -> dict[str, str]:
    """What a user orders with: the file's own fields, or ten thousand of whatever it is."""
    if isinstance(request, AddRequest):
        return dict(request.fields)
    return {"link": "https://social.example/p/1", "quantity": "10000"}


def sold_for(request: Request) -> ServiceRow:
    """The service that an exchange is about, or needs an order of, as its panel lists it."""
    fields = fields_of(request)
    kind = next((kind for name, kind in TYPE_BY_FIELD.items() if name in fields), "Package")
    found = find_type(kind)
    assert found is not None
    return ServiceRow(
        service=service_of(request),
        name="What the file is about",
        type=kind,
        category="Corpus",
        rate="0.90",
        min=1,
        max=100_000,
        dripfeed=found.dripfeed,
        refill=True,
        cancel=True,
    )


def _standing(about: Request) -> StatusReply:
    """Orders that are refilled are done; others have not begun, so that whatever a file says of them can follow."""
    done = isinstance(about, RefillRequest | RefillStatusRequest | MultiRefillStatusRequest)
    word = StatusWord.COMPLETED if done else StatusWord.PENDING
    return StatusReply(status=word, charge="9", start_count=0, remains=0 if done else 10_000, currency="USD")


def _ids(request: Request, name: str) -> Iterator[str]:
    """The panel's ids in the order in which it gives them out: the file's own first."""
    one, several = getattr(request, name, None), getattr(request, f"{name}s", ())
    yield from several or ((one,) if one else ())
    yield from map(str, count(5001))
