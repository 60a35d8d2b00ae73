"""What a consortium's node tells beyond the Ethereum methods of its JSON-RPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridbourse.chain.cometbft.chain import CometChain
from gridbourse.chain.cometbft.client import CometClient
from gridbourse.chain.rpc.methods.table import Method
from gridbourse.chain.rpc.values import data, quantity

MISBEHAVIOURS = "gridbourse_misbehaviours"
VALIDATORS = "gridbourse_validators"
NODE = "gridbourse_node"

_KINDS = {1: "duplicate vote", 2: "light client attack"}


def consortium_methods(chain: CometChain, comet: CometClient) -> Mapping[str, Method]:
    """Methods by their names.

    Parameters
    ----------
    chain
        The node's chain.
    comet
        Its CometBFT.
    """

    def misbehaviours() -> list[dict[str, Any]]:
        masters = {validator.address: number for number, validator in chain.membership.validators.items()}
        return [
            {
                "block": quantity(block),
                "kind": _KINDS.get(found.kind, "unknown"),
                "validator": data(found.validator),
                "master": masters.get(found.validator),
                "cometHeight": quantity(found.height),
                "timestamp": quantity(found.timestamp),
            }
            for block, found in chain.misbehaviours()
        ]

    def validators() -> list[dict[str, Any]]:
        numbers = {validator.public_key: number for number, validator in chain.membership.validators.items()}
        return [
            {
                "master": numbers.get(key),
                "validatorKey": data(key),
                "nodeId": data(validator.node_id),
                "address": data(validator.address),
            }
            for key, validator in sorted(chain.membership.voting.items())
        ]

    def node() -> dict[str, Any]:
        peers = comet.ask("net_info")["peers"]
        return {
            "height": quantity(chain.head().height),
            "cometHeight": quantity(chain.ordered_height),
            "waiting": quantity(chain.waiting()),
            "peers": [
                {"name": peer["node_info"]["moniker"], "nodeId": "0x" + peer["node_info"]["id"]} for peer in peers
            ],
        }

    def syncing() -> dict[str, Any] | bool:
        height = quantity(chain.head().height)
        is_behind = comet.ask("status")["sync_info"]["catching_up"]
        return {"currentBlock": height} if is_behind else False

    return {
        MISBEHAVIOURS: misbehaviours,
        VALIDATORS: validators,
        NODE: node,
        "eth_syncing": syncing,
        "net_peerCount": lambda: quantity(int(comet.ask("net_info")["n_peers"])),
    }
