"""The server: HTTP and WebSocket on one port, who may ask, and how much."""

from __future__ import annotations

import asyncio
import hmac
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from gridbourse.chain.interface import Chain
from gridbourse.chain.rpc.connections import bounded
from gridbourse.chain.rpc.conversation import Conversation
from gridbourse.chain.rpc.dispatch import Dispatcher, failure
from gridbourse.chain.rpc.errors import Code
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.methods.table import Method, Methods
from gridbourse.chain.rpc.subscriptions import HeadWatcher, Subscriptions
from gridbourse.errors import ChainError, InvalidValue, RpcError

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8545
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1", "[::1]")
_START_SECONDS = 10.0
_STOP_SECONDS = 5
_MEDIA_TYPES = ("application/json", "application/json-rpc", "application/jsonrequest")
"""Those that geth takes."""


class RpcServer:
    """Serves one chain from a thread of its own.

    Parameters
    ----------
    chain
        The chain; it stays the caller's to close.
    host
        Address to listen on; loopback only by default.
    port
        Port to listen on; 0 for any free one.
    token
        What callers must show as ``Authorization: Bearer TOKEN``; None asks for nothing, and is refused where others
        than this machine can reach the port.
    names
        Further host names by which callers may address the server. Others are refused, which keeps web pages from
        reaching it under a name of their own.
    origins
        Web origins whose pages may use the server.
    limits
        How much one caller may ask for.
    read_only
        Take no transactions.
    further
        What can be asked beyond the Ethereum methods, by name.

    Raises
    ------
    InvalidValue
        The address is no loopback address and there is no token, or it cannot be listened on.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        host: str = LOOPBACK,
        port: int = DEFAULT_PORT,
        token: str | None = None,
        names: Sequence[str] = (),
        origins: Sequence[str] = (),
        limits: Limits | None = None,
        read_only: bool = False,
        further: Mapping[str, Method] | None = None,
    ) -> None:
        self._socket = _listen(host, port, token)
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        limits = limits or Limits()
        methods = Methods(chain, limits, read_only=read_only, further=further)
        http, web_socket = bounded(limits.connections)
        config = uvicorn.Config(
            _application(methods, token, [*_LOCAL_NAMES, host, *names], origins, limits),
            http=http,
            ws=web_socket,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="on",
            ws_max_size=limits.body_bytes,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name=f"rpc {self.url}")
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.close()
                raise ChainError(f"{self.url}: the server did not start; its log says why")
            time.sleep(0.005)

    def close(self) -> None:
        """End what runs, then stop; closing twice is the same as once."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _listen(host: str, port: int, token: str | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, so that asyncio switches Nagle's algorithm off: with it every answer waits 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise InvalidValue("host and port", f"{host}:{port}", f"a free port of this machine ({error})") from error
    address = str(listening.getsockname()[0])
    if token is None and not address.startswith("127.") and address != "::1":
        listening.close()
        raise InvalidValue("host", host, "a token as well, or a loopback address: others can reach this one")
    return listening


def _application(
    methods: Methods, token: str | None, hosts: Sequence[str], origins: Sequence[str], limits: Limits
) -> Starlette:
    dispatcher = Dispatcher(methods, limits)
    watcher = HeadWatcher(methods.chain)
    # As many as there may be callers: some wait for a block, and keep nobody else waiting by that.
    workers = ThreadPoolExecutor(limits.requests + limits.web_sockets, "rpc")
    load = _Load(limits)

    async def answer(body: bytes, own: Mapping[str, Method]) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(workers, dispatcher.answer, body, own)

    async def http(request: Request) -> Response:
        if refused := _refused(request, token) or _wrong_media_type(request):
            return refused
        with load.request() as incoming:
            try:
                answered = await answer(await incoming.body(request), {})
            except _Refused as refusal:
                return refusal.response
            except ClientDisconnect:
                return Response(status_code=400)  # to nobody
        return Response(answered, media_type=_MEDIA_TYPES[0]) if answered else Response(status_code=204)

    conversations: set[Conversation] = set()

    async def websocket(connection: WebSocket) -> None:
        refused = _refused(connection, token) or _foreign_page(connection, origins)
        if refused is None and not _make_room(conversations, limits.web_sockets):
            text = f"{limits.web_sockets} WebSockets are open; ask over HTTP, or come again"
            refused = _error(503, Code.LIMIT_EXCEEDED, text)
        if refused:
            await connection.send_denial_response(refused)
            return
        await connection.accept()
        subscriptions = Subscriptions(methods.chain, methods, limits)
        conversation = Conversation(connection, answer, subscriptions, limits.web_socket_idle_seconds)
        conversations.add(conversation)
        try:
            await conversation.run(watcher)
        finally:
            conversations.discard(conversation)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(watcher.run())
        yield
        watching.cancel()
        workers.shutdown(wait=False, cancel_futures=True)

    return Starlette(
        routes=[Route("/", http, methods=["POST"]), WebSocketRoute("/", websocket)],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
            Middleware(CORSMiddleware, allow_origins=origins, allow_methods=["POST"], allow_headers=["*"]),
        ],
        lifespan=lifespan,
    )


class _Refused(Exception):
    """A request that is answered with `response`."""

    def __init__(self, status: int, text: str) -> None:
        self.response = _error(status, Code.LIMIT_EXCEEDED, text)


class _Load:
    """What the HTTP requests of all callers take together."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.running = 0
        self.body_bytes = 0

    @contextmanager
    def request(self) -> Iterator[_Incoming]:
        """One more request; what it took is given back at the end."""
        incoming = _Incoming(self)
        try:
            yield incoming
        finally:
            self.body_bytes -= incoming.body_bytes
            self.running -= incoming.is_running


class _Incoming:
    """What one request takes. Until it has come in whole it takes memory, and only then one of the places."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self.body_bytes = 0
        self.is_running = False

    async def body(self, request: Request) -> bytes:
        """Read all of it, and take a place among those that are answered."""
        limits, body = self._load.limits, bytearray()
        async for chunk in request.stream():
            body += chunk
            self.body_bytes += len(chunk)
            self._load.body_bytes += len(chunk)
            if len(body) > limits.body_bytes:
                raise _Refused(413, f"a request has at most {limits.body_bytes} bytes")
            if self._load.body_bytes > limits.all_body_bytes:
                raise _Refused(503, "too many long requests are coming in; ask again")
        if self._load.running >= limits.requests:
            raise _Refused(503, f"{limits.requests} requests are being answered; ask again")
        self.is_running = True
        self._load.running += 1
        return bytes(body)


def _make_room(conversations: AbstractSet[Conversation], most: int) -> bool:
    """Whether one more may begin, if need be in the place of the one that has been idle the longest."""
    if len(conversations) < most:
        return True
    idle = [conversation for conversation in conversations if conversation.is_idle]
    if idle:
        min(idle, key=lambda conversation: conversation.idle_since).end("another WebSocket needs the place")
    return bool(idle)


def _wrong_media_type(request: Request) -> Response | None:
    """Refuse what a page's form can send without asking; names of media types have no case (RFC 9110, 8.3.1)."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in _MEDIA_TYPES:
        return None
    return _error(415, Code.INVALID_REQUEST, f"Content-Type: give {_MEDIA_TYPES[0]}")


def _refused(connection: HTTPConnection, token: str | None) -> Response | None:
    if token is None:
        return None
    shown = connection.headers.get("authorization", "")
    if hmac.compare_digest(shown.encode(), f"Bearer {token}".encode()):
        return None
    response = _error(401, Code.INVALID_REQUEST, "Authorization: give the server's token as Bearer")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _foreign_page(connection: HTTPConnection, origins: Sequence[str]) -> Response | None:
    """Browsers let any page open a WebSocket, and say whose page it is."""
    origin = connection.headers.get("origin")
    if origin is None or origin in origins or "*" in origins:
        return None
    return _error(403, Code.INVALID_REQUEST, f"Origin: pages of {origin} may not use this server")


def _error(status: int, code: Code, text: str) -> Response:
    return Response(failure(RpcError(code, text)), status_code=status, media_type="application/json")
