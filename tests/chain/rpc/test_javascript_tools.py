"""ethers, viem and web3.js as judges, with their defaults: ``tools/*.mjs`` deploy, send, call, watch and read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from probe import BOB, BYTECODE, CHAIN_ID
from probe_abi import ABI

TOOLS = Path(__file__).parent / "tools"


@pytest.fixture
def run(server):
    def run(tool):
        # npm's wheel puts Node beside Python.
        node = shutil.which("node", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        if node is None or not (TOOLS / "node_modules").exists():
            pytest.skip("the tools are not installed; `make tests/chain/rpc/tools/node_modules` installs them")
        given = {
            "url": server.url,
            "webSocketUrl": server.url.replace("http", "ws"),
            "secret": "0x" + BOB.secret.hex(),
            "abi": ABI,
            "bytecode": "0x" + BYTECODE.hex(),
        }
        command = [node, TOOLS / f"{tool}.mjs"]
        done = subprocess.run(
            command, input=json.dumps(given), capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def event(key):
    return [str(key), "0x" + BOB.address.hex(), str(key + 1)]


def lowered(fields):
    return [str(field).lower() for field in fields]


def require_common(found, chain):
    """What every tool must find, whatever it calls things."""
    receipt = chain.receipt(bytes.fromhex(found["sent"][2:]))
    assert receipt is not None
    assert receipt.logs[0].address == bytes.fromhex(found["address"][2:])
    assert (str(found["chainId"]), found["value"], found["status"], found["logs"]) == (str(CHAIN_ID), "8", 1, 1)
    assert found["found"] == [found["sent"]]
    assert lowered(found["pushed"]) == event(11)
    assert found["block"] == "0x" + chain.head().hash.hex()
    assert found["from"].lower() == "0x" + BOB.address.hex()


def test_ethers(run, chain, probe):
    found = run("ethers")
    require_common(found, chain)
    assert found["type"] == 0, "it takes a base fee of zero for a chain without EIP-1559"
    assert lowered(found["polled"]) == event(9)
    assert found["refusal"] == ["CALL_EXCEPTION", "not today"]
    assert found["custom"] == ["CALL_EXCEPTION", "Refused"]
    assert found["stale"] == "NONCE_EXPIRED"


def test_viem(run, chain, probe):
    found = run("viem")
    require_common(found, chain)
    assert found["type"] == 2
    assert lowered(found["polled"]) == event(9)
    assert found["refusal"][1:] == ["ContractFunctionRevertedError", "not today"]
    assert found["custom"][1:] == ["ContractFunctionRevertedError", "Refused"]
    assert found["stale"] == "NonceTooLowError"


def test_web3js(run, chain, probe):
    found = run("web3js")
    require_common(found, chain)
    assert found["type"] == 2
    assert found["refusal"] == ["ContractExecutionError", "execution reverted: not today"]
    assert found["custom"] == ["ContractExecutionError", "Refused"]
    assert "nonce too low" in found["stale"]
