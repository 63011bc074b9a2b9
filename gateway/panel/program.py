"""The simulated panel as a program: the API at /api/v2, its control endpoint at /control, one SQLite file."""

import asyncio
import hmac
import json
import signal
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.dialects import STANDARD_PROVIDER, ProviderDialect
from gateway.core.errors import TEXT_INCORRECT_REQUEST, TEXT_INVALID_KEY, RequestError
from gateway.core.fields import HttpRequest, key_of, read_fields
from gateway.core.messages import AddRequest, MultiStatusRequest, Request, action_of
from gateway.core.requests import Asked, read_action, read_call
from gateway.panel.actions import Panel
from gateway.panel.books import Books
from gateway.panel.control import controlled
from gateway.panel.http import PanelServer
from gateway.panel.manners import spoken, told, unknown_to
from gateway.panel.misdeeds import Answer, misdeed, replaced, shaped, transported
from gateway.panel.services import PanelError, load_services
from gateway.panel.switches import Switch, Switches

API_PATHS: Final = ("/api/v2", "/api/v2/", "/api/v1", "/api/v1/")
CONTROL_PATH: Final = "/control/"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a panel is started with."""

    services: Path
    data: Path  # the SQLite file
    key: str
    balance: str = "1000"
    host: str = "127.0.0.1"
    port: int = 0
    control_token: str = ""  # without one there is no control endpoint
    pace: float = 1.0  # every service's seconds are multiplied with it
    first_order: int = 1
    switches: tuple[Switch, ...] = ()
    dialect: ProviderDialect | None = None  # None: every caller is heard who can be, and answered by the contract


class PanelProgram:
    """A running panel."""

    def __init__(self, options: Options) -> None:
        self._options = options
        file = load_services(options.services)
        self.books = Books(options.data, first_order=options.first_order)
        self.panel = Panel(file, self.books, pace=options.pace)
        self.books.open_key(options.key, self.panel.units(options.balance))
        self.switches = Switches()
        for switch in options.switches:
            self.switches.add(switch)
        self._server = PanelServer(self._handle)
        self._dialect = options.dialect or STANDARD_PROVIDER
        self.marks: list[dict[str, str]] = []  # what came with each add beside the order, where the dialect wants it
        self._late: set[asyncio.Task[None]] = set()
        self.url = ""

    async def start(self) -> None:
        """Begin to listen; `url` is the API's address then. Raises PanelError when the port is not to be had."""
        try:
            port = await self._server.start(self._options.host, self._options.port)
        except OSError as error:
            raise PanelError(
                f"cannot listen on {self._options.host} port {self._options.port}: {error.strerror}"
            ) from error
        self.url = f"http://{self._options.host}:{port}/api/v2"

    async def stop(self) -> None:
        """End every connection and let go of the file."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        await self._server.stop()
        self.books.close()

    async def _handle(self, path: str, http: HttpRequest) -> Answer:
        if path in API_PATHS:
            return await self._api(http)
        token = self._options.control_token
        if path.startswith(CONTROL_PATH) and token:
            given = dict(http.headers).get(b"x-control-token", b"")
            if not hmac.compare_digest(given, token.encode()):
                return Answer(body=b'{"error":"wrong control token"}', status=403)
            return controlled(self.panel, self.switches, path.removeprefix(CONTROL_PATH), http=http)
        return Answer(body=b'{"error":"nothing here"}', status=404)

    async def _api(self, http: HttpRequest) -> Answer:
        try:
            asked = self._heard(http)
        except RequestError as error:
            return self._refused(error.text)
        key, request = asked.key or "", asked.request
        if self.books.balance(key) is None:
            return self._refused(TEXT_INVALID_KEY)
        action = action_of(request)
        self.books.hear(action)
        on = self.switches.take(action)
        if "latency" in on:
            await asyncio.sleep(float(on["latency"].value) / 1000)
        self.panel.one_order_a_link = "active_link" in on
        self.panel.knows_again = "known_again" in on
        instead = replaced(on)
        if instead is not None and "late" in on:
            self._do_later(key, request, float(on["late"].value) / 1000)
            return transported(misdeed(instead), on)
        if instead is not None and not instead.processed:
            return transported(misdeed(instead), on)
        if "no_multi" in on and isinstance(request, MultiStatusRequest):
            return self._refused(TEXT_INCORRECT_REQUEST)
        if unknown_to(self._dialect, request):
            return self._refused(TEXT_INCORRECT_REQUEST)
        if isinstance(request, AddRequest) and self._dialect.add_fields:
            sent = read_fields(http).values
            self.marks.append({name: sent[name] for name in self._dialect.add_fields})
        before = self.books.newest()
        body = told(self.panel.answer(key, request))
        if "same_id" in on and before is not None and b'"order"' in body:
            body = json.dumps({"order": before}).encode()
        if instead is not None:
            return transported(misdeed(instead), on)
        return transported(Answer(body=shaped(action, body, on, dialect=self._dialect)), on)

    def _heard(self, http: HttpRequest) -> Asked:
        """Who asks what; raises RequestError. A panel of no dialect checks the key before it looks at the rest."""
        if self._options.dialect is not None:
            return read_call(http, self._options.dialect)
        fields = read_fields(http)
        key = key_of(fields) or ""
        if self.books.balance(key) is None:
            raise RequestError(TEXT_INVALID_KEY)
        return Asked(key=key, request=read_action(fields))

    def _refused(self, text: str) -> Answer:
        value = spoken(None, {"error": text}, self._dialect)
        return Answer(body=msgspec.json.encode(value))

    def _do_later(self, key: str, request: Request, seconds: float) -> None:
        """Do what is asked although it was answered already, as a slow queue behind a panel does."""

        async def do() -> None:
            await asyncio.sleep(seconds)
            self.panel.answer(key, request)

        task = asyncio.create_task(do())
        self._late.add(task)
        task.add_done_callback(self._late.discard)


async def run_panel(options: Options) -> None:
    """Run a panel until SIGTERM or SIGINT; its address goes to standard output as one line of JSON."""
    program = PanelProgram(options)
    await program.start()
    print(json.dumps({"url": program.url}), flush=True)  # noqa: T201 - this line is the program's output
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()
    await program.stop()
