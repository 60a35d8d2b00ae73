"""CometBFT's configuration: what differs from its defaults, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gridbourse.chain.cometbft.bundle import MAX_BUNDLE_BYTES
from gridbourse.chain.cometbft.folder import NodeSettings
from gridbourse.chain.cometbft.genesis import EVIDENCE_AGE_SECONDS

MAX_TX_BYTES = 2 * MAX_BUNDLE_BYTES + 100_000
"""What CometBFT takes as one transaction: a bundle that its last transaction made twice as long."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What a node that joins from a snapshot is told by somebody it trusts.

    Parameters
    ----------
    height, hash
        A block of CometBFT and its hash; everything newer is proven from it.
    servers
        At least two CometBFT RPCs of different organisations, ``host:port``.
    """

    height: int
    hash: bytes
    servers: Sequence[str]


def configuration(settings: NodeSettings, abci: Path, rpc: Path, trust: Trust | None) -> str:
    """Text of ``config.toml``.

    Parameters
    ----------
    settings
        Of this node.
    abci, rpc
        Unix sockets: where the application listens, and where CometBFT's RPC shall.
    trust
        Where to begin if the node has no block yet; None replays every block.
    """
    light_client = f",tcp://{settings.light_client}" if settings.light_client else ""
    ids = ",".join(peer.partition("@")[0] for peer in settings.peers)
    tables: dict[str, Mapping[str, object]] = {
        "": {
            "moniker": settings.name,
            "proxy_app": f"unix://{abci}",
            "genesis_file": "../genesis.json",
            "priv_validator_key_file": "../validator.key.json",
            "priv_validator_state_file": "../validator.state.json",
            "node_key_file": "../node.key.json",
            "log_level": "error",
            "filter_peers": settings.members_only,
        },
        # Bundles come as base64 in JSON.
        "rpc": {"laddr": f"unix://{rpc}{light_client}", "max_body_bytes": 2 * MAX_TX_BYTES},
        # Every member names every other, so nobody has to ask strangers for addresses. Gossip is not held back:
        # nine bundles in ten are on their way within a few milliseconds.
        "p2p": {
            "laddr": f"tcp://{settings.p2p}",
            "persistent_peers": ",".join(settings.peers),
            "unconditional_peer_ids": ids,
            "private_peer_ids": ids,
            "persistent_peers_max_dial_period": "5s",
            "pex": False,
            "addr_book_strict": False,
            "allow_duplicate_ip": True,
            "flush_throttle_timeout": "5ms",
            "send_rate": 50_000_000,
            "recv_rate": 50_000_000,
        },
        "mempool": {"max_tx_bytes": MAX_TX_BYTES, "max_txs_bytes": 256_000_000},
        # A block is made when there is something for it, and every few seconds, because CometBFT's block time is
        # that of the votes for the block before. (With `skip_timeout_commit` all nodes have been seen to stand
        # still between two heights although transactions waited.)
        "consensus": {
            "timeout_propose": "2s",
            "timeout_propose_delta": "500ms",
            "timeout_prevote": "500ms",
            "timeout_prevote_delta": "250ms",
            "timeout_precommit": "500ms",
            "timeout_precommit_delta": "250ms",
            "timeout_commit": "100ms",
            "create_empty_blocks": False,
            "create_empty_blocks_interval": "5s",
            "peer_gossip_sleep_duration": "40ms",
        },
        "storage": {"discard_abci_responses": True},
        "tx_index": {"indexer": "null"},
        "statesync": _state_sync(trust),
    }
    return "\n".join(_table(name, fields) for name, fields in tables.items())


def _state_sync(trust: Trust | None) -> Mapping[str, object]:
    if trust is None:
        return {"enable": False}
    return {
        "enable": True,
        "rpc_servers": ",".join(f"http://{server}" for server in trust.servers),
        "trust_height": trust.height,
        "trust_hash": trust.hash.hex().upper(),
        "trust_period": f"{EVIDENCE_AGE_SECONDS}s",
        "discovery_time": "5s",
    }


def _table(name: str, fields: Mapping[str, object]) -> str:
    heading = f"[{name}]\n" if name else ""
    return heading + "".join(f"{field} = {json.dumps(value)}\n" for field, value in fields.items())
