"""How much one caller may ask for. Every limit has a clear error, `-32005` where the specification has one."""

from __future__ import annotations

from dataclasses import dataclass, field

from gridbourse.chain.rpc.connections import ConnectionLimits


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a server.

    Parameters
    ----------
    body_bytes, all_body_bytes
        Longest request, and most bytes of all that come in at once.
    answer_bytes
        Longest answer; what a batch still asks for after that is refused.
    batch_requests
        Most requests in one batch.
    log_blocks, logs
        Widest range of blocks, and most events, of one question for events.
    call_gas
        Most gas of one call or estimate; on a block's whole gas a single one could hold up the chain for minutes.
    filters
        Most filters at once.
    filter_idle_seconds
        A filter that nobody polled for so long is gone.
    requests
        Most HTTP requests that are being answered at once.
    web_sockets
        Most WebSockets at once.
    web_socket_idle_seconds
        A WebSocket without subscriptions that asked nothing for so long is ended.
    connections
        Bounds of the connections themselves.
    subscriptions
        Most subscriptions of one connection.
    sync_wait_seconds
        Longest that `eth_sendRawTransactionSync` waits.
    """

    body_bytes: int = 8 * 2**20
    all_body_bytes: int = 128 * 2**20
    answer_bytes: int = 64 * 2**20
    batch_requests: int = 10_000
    log_blocks: int = 10_000
    logs: int = 20_000
    call_gas: int = 100_000_000
    filters: int = 1_000
    filter_idle_seconds: float = 300.0
    requests: int = 200
    web_sockets: int = 100
    web_socket_idle_seconds: float = 300.0
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    subscriptions: int = 100
    sync_wait_seconds: float = 10.0
