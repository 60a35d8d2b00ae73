"""What all nodes of a network agree on before the first block: CometBFT's genesis file."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from gridbourse.chain import rlp
from gridbourse.chain.block import NO_SEALER, Genesis
from gridbourse.chain.cometbft.membership import POWER, Membership, Validator
from gridbourse.crypto.keys import Address, keccak256
from gridbourse.errors import InvalidValue

MAX_BLOCK_BYTES = 4_000_000
EVIDENCE_AGE_BLOCKS = 100_000
EVIDENCE_AGE_SECONDS = 48 * 3600
"""How old a proof of misbehaviour may be; also how long a light client may trust a header it was given."""
_NANOSECONDS = 1_000_000_000


def created_address(sender: Address, nonce: int) -> Address:
    """Address of the contract that an account's transaction creates (Yellow Paper, section 7)."""
    return Address(keccak256(rlp.encode([sender, nonce]))[12:])


def write_genesis(
    path: Path,
    chain_id: int,
    gas_limit: int,
    deployer: Address,
    founders: dict[Address, tuple[str, Validator]],
) -> None:
    """Write the genesis of a new network.

    Parameters
    ----------
    path
        The file.
    chain_id, gas_limit
        As in `Genesis`.
    deployer
        Whose first transaction creates the `Consortium`.
    founders
        Name and keys of the first validators by their master's account.
    """
    now = int(time.time())
    Genesis(chain_id, NO_SEALER, gas_limit, now)  # refuses what is no chain
    state = {
        "chain_id": chain_id,
        "gas_limit": gas_limit,
        "timestamp": now,
        "consortium": "0x" + created_address(deployer, 0).hex(),
        "founders": {
            "0x" + account.hex(): {"validator_key": validator.public_key.hex(), "node_id": validator.node_id.hex()}
            for account, (_, validator) in founders.items()
        },
    }
    # Nodes of two networks do not even connect to each other: the name that CometBFT compares tells them apart.
    digest = sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:8]
    document = {
        "genesis_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        "chain_id": f"gridbourse-{chain_id}-{digest}",
        "initial_height": "1",
        "consensus_params": {
            "block": {"max_bytes": str(MAX_BLOCK_BYTES), "max_gas": "-1"},
            "evidence": {
                "max_age_num_blocks": str(EVIDENCE_AGE_BLOCKS),
                "max_age_duration": str(EVIDENCE_AGE_SECONDS * _NANOSECONDS),
                "max_bytes": "100000",
            },
            "validator": {"pub_key_types": ["ed25519"]},
            "version": {"app": "1"},
            "abci": {"vote_extensions_enable_height": "0"},
        },
        "validators": [
            {
                "address": validator.address.hex().upper(),
                "pub_key": {
                    "type": "tendermint/PubKeyEd25519",
                    "value": b64encode(validator.public_key).decode(),
                },
                "power": str(POWER),
                "name": name,
            }
            for name, validator in founders.values()
        ],
        "app_hash": "",
        "app_state": state,
    }
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def read_genesis(path: Path) -> tuple[Genesis, Membership]:
    """Read what our side of a genesis file says.

    Raises
    ------
    InvalidValue
        It is no genesis of a network of gridbourse.
    """
    try:
        state: dict[str, Any] = json.loads(path.read_text("utf-8"))["app_state"]
        genesis = Genesis(state["chain_id"], NO_SEALER, state["gas_limit"], state["timestamp"])
        founders = {
            _address(account): Validator(bytes.fromhex(keys["validator_key"]), bytes.fromhex(keys["node_id"]))
            for account, keys in state["founders"].items()
        }
        return genesis, Membership.at_genesis(genesis.chain_id, _address(state["consortium"]), founders)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidValue("genesis", str(path), f"a file that `gridbourse network init` wrote ({error})") from error


def _address(text: str) -> Address:
    return Address(bytes.fromhex(text.removeprefix("0x")))
