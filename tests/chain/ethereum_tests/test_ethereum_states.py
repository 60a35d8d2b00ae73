"""Transactions with Ethereum's prices on states given whole: the state root and the hash of the logs behind them agree.

Every fork that a genesis may name is run, as far as a file has it. Blob transactions are left out: no chain of ours
takes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ethereum_vectors import cases, data, hash_of_block, number, word

from gridbourse import _native

FORKS = ("Cancun", "Prague", "Osaka")
BLOB = 3


def block(case: dict[str, Any]) -> dict[str, Any]:
    environment = case["env"]
    height = number(environment["currentNumber"])
    return {
        "chain_id": number(case.get("config", {}).get("chainid", "0x1")),
        "number": height,
        "timestamp": number(environment["currentTimestamp"]),
        "gas_limit": number(environment["currentGasLimit"]),
        "coinbase": data(environment["currentCoinbase"]),
        "base_fee": number(environment.get("currentBaseFee", "0x0")),
        "prev_randao": word(environment.get("currentRandom", "0x0")),
        "excess_blob_gas": number(environment.get("currentExcessBlobGas", "0x0")),
        "hashes": {earlier: hash_of_block(earlier) for earlier in range(max(0, height - 256), height)},
    }


def accounts(state: dict[str, Any]) -> list[Any]:
    return [
        (
            data(address),
            number(account["nonce"]),
            word(account["balance"]),
            data(account["code"]),
            [(word(key), word(value)) for key, value in account["storage"].items()],
        )
        for address, account in state.items()
    ]


@pytest.mark.files_of("GeneralStateTests", "state_tests")
def test_post_states(file: Path):
    wrong, run = [], 0
    for name, case in cases(file).items():
        before = accounts(case["pre"])
        for fork in FORKS:
            for index, post in enumerate(case["post"].get(fork, [])):
                raw = data(post["txbytes"])
                if raw[:1] == bytes([BLOB]):
                    continue
                run += 1
                root, logs, _, rejection = _native.transition(fork, block(case), before, raw)
                found = (root.hex(), logs.hex(), rejection is not None)
                expected = (post["hash"][2:], post["logs"][2:], "expectException" in post)
                if found != expected:
                    wrong.append(f"{name} {fork} {index}: {found} is not {expected}: {rejection}")
    assert not wrong, "\n".join(wrong)
    if not run:
        pytest.skip(f"nothing of {', '.join(FORKS)} but blobs")
