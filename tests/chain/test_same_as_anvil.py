"""The same raw transactions on a chain of ours and on anvil: the same receipts, and the same storage."""

from __future__ import annotations

import pytest
from conformance.engines import Process, free_port
from foundry import program
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from probe import CHAIN_ID, GENESIS, NOON, SEALER, signed

from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.rpc.client import RpcClient
from gridbourse.crypto.keys import SigningKey, keccak256

SLOTS = st.integers(0, 3)
VALUES = st.sampled_from([0, 1, 2, 2**255])


def push(value: int) -> bytes:
    data = value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
    return bytes([0x5F + len(data)]) + data


STEPS = st.one_of(
    st.tuples(SLOTS, VALUES).map(lambda it: push(it[1]) + push(it[0]) + b"\x55"),  # SSTORE
    st.tuples(SLOTS, SLOTS).map(lambda it: push(it[0]) + b"\x54" + push(it[1]) + b"\x55"),  # SSTORE(SLOAD)
    st.tuples(SLOTS, SLOTS).map(lambda it: b"\x5f\x35" + push(it[0]) + b"\x01" + push(it[1]) + b"\x55"),  # of call data
    st.tuples(SLOTS, VALUES).map(
        lambda it: push(it[1]) + push(it[0]) + b"\x5d" + push(it[0]) + b"\x5c\x50"
    ),  # transient
    st.integers(0, 70).map(lambda size: push(7) + push(size) + push(0) + b"\xa1"),  # LOG1
    st.integers(0, 200).map(lambda size: push(size) + b"\x5f\x20\x5f\x52"),  # MSTORE(KECCAK256)
    st.just(b"\x5f\x5f\x5f\xf0\x50"),  # CREATE of nothing
    st.sampled_from([b"\x5f\x5f\xfd", b"\xfe", b"\x00"]),  # REVERT, INVALID, STOP
)
PROGRAMS = st.lists(STEPS, min_size=1, max_size=12).map(b"".join)


def creation(code: bytes) -> bytes:
    head = push(len(code)) + b"\x80"
    offset = len(head) + 6
    return head + bytes([0x60, offset]) + b"\x5f\x39\x5f\xf3" + code


@pytest.fixture(scope="module")
def node():
    port = free_port()
    options = ["--no-mining", "--gas-price", "0", "--base-fee", "0", "--order", "fifo", "--hardfork", "prague"]
    anvil = Process(
        [str(program("anvil")), "--port", str(port), "--chain-id", str(CHAIN_ID), "--quiet", *options], port
    )
    anvil.start()
    client = RpcClient(f"http://127.0.0.1:{port}")
    yield client
    client.close()
    anvil.kill()


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    with EmbeddedChain(tmp_path_factory.mktemp("ours") / "a.chain", GENESIS, SEALER, clock=lambda: NOON) as chain:
        yield chain


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(PROGRAMS, st.lists(st.integers(0, 2), max_size=5), st.integers(1, 2**200))
def test_receipts_and_storage_are_the_same(node, ours, code, arguments, seed):
    key = SigningKey(keccak256(seed.to_bytes(32, "big")))
    nonce = ours.next_nonce(key.address)
    contract = keccak256(rlp_of(key.address, nonce))[12:]
    raws = [signed(key, nonce, None, creation(code), gas_limit=400_000)]
    raws += [
        signed(key, nonce + 1 + index, contract, argument.to_bytes(32, "big"), gas_limit=300_000)
        for index, argument in enumerate(arguments)
    ]
    found = ours.submit(raws)
    for raw in raws:
        node.ask("eth_sendRawTransaction", "0x" + raw.hex())
    node.ask("evm_mine")
    for receipt in found:
        other = node.ask("eth_getTransactionReceipt", "0x" + receipt.transaction_hash.hex())
        assert receipt.succeeded == (other["status"] == "0x1")
        assert receipt.gas_used == int(other["gasUsed"], 16)
        created = receipt.contract_address
        if receipt.succeeded:
            assert (created and "0x" + created.hex()) == other["contractAddress"]
        assert [(log.address, log.topics, log.data) for log in receipt.logs] == [
            (
                bytes.fromhex(log["address"][2:]),
                tuple(bytes.fromhex(t[2:]) for t in log["topics"]),
                bytes.fromhex(log["data"][2:]),
            )
            for log in other["logs"]
        ]
    for slot in range(4):
        other = node.ask("eth_getStorageAt", "0x" + contract.hex(), hex(slot), "latest")
        assert ours.storage(contract, slot) == bytes.fromhex(other[2:])


def rlp_of(address: bytes, nonce: int) -> bytes:
    encoded = b"\x80" if nonce == 0 else bytes([nonce])
    return bytes([0xC0 + 21 + len(encoded), 0x94]) + address + encoded
