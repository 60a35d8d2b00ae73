"""Proofs for who holds a header only: made from what a foreign node says, checked here and by a foreign library."""

from __future__ import annotations

import copy
import json
from contextlib import closing

import pytest
import rlp
from click.testing import CliRunner
from conformance.engines import Process, free_port
from foundry import program
from hypothesis import given
from hypothesis import strategies as st
from probe import ALICE, BYTECODE, CHAIN_ID, call_data, deploy, stores, word
from trie import HexaryTrie
from trie.exceptions import BadTrieProof

from gridbourse._native import ordered_key, ordered_proof, ordered_root, trie_proof, trie_root, verify_proof
from gridbourse.chain.proof import prove_account, prove_transaction, read_header, verify_account, verify_transaction
from gridbourse.chain.rpc.client import RpcClient
from gridbourse.chain.rpc.server import RpcServer
from gridbourse.chain.transaction import Transaction
from gridbourse.cli.chain import chain as commands
from gridbourse.crypto.keys import keccak256
from gridbourse.errors import ChainError, InvalidValue, RpcError

CALLS = 40


class Scene:
    """A block of a foreign node, with many transactions of which one is asked for."""

    def __init__(self, node: RpcClient) -> None:
        self.node = node
        raws = [self.signed(0, None, BYTECODE)]
        node.ask("eth_sendRawTransaction", "0x" + raws[0].hex())
        node.ask("evm_mine")
        receipt = node.ask("eth_getTransactionReceipt", "0x" + keccak256(raws[0]).hex())
        self.contract = bytes.fromhex(receipt["contractAddress"][2:])
        calls = [call_data("store(uint256,uint256)", slot, slot * slot + 1) for slot in range(CALLS - 1)]
        calls.append(call_data("fail(uint256)", 7))
        self.raws = [self.signed(1 + index, self.contract, data) for index, data in enumerate(calls)]
        for raw in self.raws:
            node.ask("eth_sendRawTransaction", "0x" + raw.hex())
        node.ask("evm_mine")
        self.header = node.ask("eth_getBlockByNumber", "latest", False)

    @staticmethod
    def signed(nonce: int, to: bytes | None, data: bytes) -> bytes:
        return Transaction(CHAIN_ID, nonce, 700_000, to, data).sign(ALICE).raw


@pytest.fixture(scope="module")
def scene():
    port = free_port()
    options = ["--no-mining", "--gas-price", "0", "--base-fee", "0", "--order", "fifo"]
    anvil = Process(
        [str(program("anvil")), "--port", str(port), "--chain-id", str(CHAIN_ID), "--quiet", *options], port
    )
    anvil.start()
    node = RpcClient(f"http://127.0.0.1:{port}")
    yield Scene(node)
    node.close()
    anvil.kill()


def data(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def nodes(texts: list[str]) -> list[bytes]:
    return [data(text) for text in texts]


def foreign(root: bytes, key: bytes, proof: list[bytes]) -> bytes:
    """What a foreign library says the value is, empty where there is none."""
    return HexaryTrie.get_from_proof(root, key, [rlp.decode(node) for node in proof])


class TestTransaction:
    @pytest.mark.parametrize("index", [0, 1, CALLS // 2, CALLS - 1])
    def test_what_was_sent_and_what_came_of_it(self, scene, index):
        proof = prove_transaction(scene.node, keccak256(scene.raws[index]))
        proven = verify_transaction(proof, scene.header)
        assert proven.raw == scene.raws[index]
        assert proven.hash == keccak256(scene.raws[index])
        assert proven.succeeded == (index < CALLS - 1)
        assert [log.address for log in proven.logs] == [scene.contract] * proven.succeeded
        if proven.succeeded:
            assert int.from_bytes(proven.logs[0].topics[1], "big") == index

    def test_a_foreign_library_says_the_same(self, scene):
        proof = prove_transaction(scene.node, keccak256(scene.raws[17]))
        key = ordered_key(int(proof["transactionIndex"], 16))
        for root, name in (("transactionsRoot", "transaction"), ("receiptsRoot", "receipt")):
            value = foreign(data(scene.header[root]), key, nodes(proof[f"{name}Proof"]))
            assert value == data(proof[name])

    def test_another_value_is_refused(self, scene):
        proof = prove_transaction(scene.node, keccak256(scene.raws[3]))
        other = prove_transaction(scene.node, keccak256(scene.raws[4]))
        for name in ("transaction", "receipt", "transactionProof", "receiptProof", "transactionIndex"):
            with pytest.raises(InvalidValue):
                verify_transaction({**proof, name: other[name]}, scene.header)

    def test_every_byte_of_the_nodes_counts(self, scene):
        proof = prove_transaction(scene.node, keccak256(scene.raws[3]))
        for name in ("transactionProof", "receiptProof"):
            for position, node in enumerate(nodes(proof[name])):
                for place in range(0, len(node), 7):
                    changed = bytearray(node)
                    changed[place] ^= 1
                    damaged = copy.deepcopy(proof)
                    damaged[name][position] = "0x" + changed.hex()
                    with pytest.raises(InvalidValue, match="Root"):
                        verify_transaction(damaged, scene.header)

    def test_another_block_proves_nothing(self, scene):
        proof = prove_transaction(scene.node, keccak256(scene.raws[3]))
        earlier = scene.node.ask("eth_getBlockByNumber", "0x1", False)
        with pytest.raises(InvalidValue, match="block"):
            verify_transaction(proof, earlier)
        with pytest.raises(InvalidValue):
            verify_transaction(proof, {**earlier, "number": scene.header["number"], "hash": scene.header["hash"]})

    def test_one_that_is_in_no_block_has_none(self, scene):
        with pytest.raises(InvalidValue, match="transaction"):
            prove_transaction(scene.node, bytes(32))

    def test_a_node_that_leaves_something_out_is_found(self, scene):
        class Forgetful(RpcClient):
            def ask_all(self, calls):
                answers = super().ask_all(calls)
                return [
                    answer[:-1] if call.method == "eth_getBlockReceipts" else answer
                    for call, answer in zip(calls, answers, strict=True)
                ]

        forgetful = Forgetful(scene.node.url)
        with pytest.raises(ChainError, match="receiptsRoot"):
            prove_transaction(forgetful, keccak256(scene.raws[3]))
        forgetful.close()


class TestAccount:
    def test_what_an_account_and_its_slots_hold(self, scene):
        slots = [1, *(int.from_bytes(keccak256(bytes(31) + bytes([key]) + bytes(32)), "big") for key in range(5)), 999]
        proof = prove_account(scene.node, scene.contract, slots)
        proven = verify_account(proof, scene.header)
        assert proven.nonce == 1
        assert proven.code_hash == keccak256(data(scene.node.ask("eth_getCode", "0x" + scene.contract.hex(), "latest")))
        assert [proven.slots[slot] for slot in slots] == [CALLS - 1, 1, 2, 5, 10, 17, 0]

    def test_that_there_is_none_is_proven_too(self, scene):
        proven = verify_account(prove_account(scene.node, b"\x77" * 20, [1]), scene.header)
        assert (proven.nonce, proven.balance, proven.code_hash, proven.slots) == (0, 0, bytes(32), {1: 0})

    def test_another_value_is_refused(self, scene):
        proof = prove_account(scene.node, scene.contract, [1])
        for change in (
            lambda account: account.update(nonce="0x2"),
            lambda account: account["storageProof"][0].update(value="0x5"),
            lambda account: account["storageProof"][0].update(key="0x2"),
            lambda account: account["storageProof"][0]["proof"].pop(),
            lambda account: account["accountProof"].pop(),
        ):
            other = copy.deepcopy(proof)
            change(other["account"])
            with pytest.raises(InvalidValue):
                verify_account(other, scene.header)


LISTS = st.lists(st.binary(min_size=1, max_size=90), min_size=1, max_size=300)
LEAVES = st.dictionaries(st.binary(min_size=2, max_size=2), st.binary(min_size=1, max_size=40), min_size=1, max_size=60)


@given(LISTS, st.integers(0, 310))
def test_a_foreign_library_finds_what_a_list_has_at_an_index(items, index):
    root, proof = ordered_root(items), ordered_proof(items, index)
    expected = items[index] if index < len(items) else None
    assert verify_proof(root, ordered_key(index), proof) == expected
    assert (foreign(root, ordered_key(index), proof) or None) == expected


@given(LEAVES, st.binary(min_size=2, max_size=2))
def test_a_foreign_library_makes_the_same_trie(leaves, absent):
    trie = HexaryTrie({})
    for key, value in leaves.items():
        trie[key] = value
    assert trie_root(list(leaves.items())) == trie.root_hash
    for key in {absent, *leaves}:
        proof = trie_proof(list(leaves.items()), key)
        assert verify_proof(trie.root_hash, key, proof) == leaves.get(key)
        assert (foreign(trie.root_hash, key, proof) or None) == leaves.get(key)


@given(LEAVES, st.data())
def test_what_the_foreign_library_refuses_is_refused(leaves, draw):
    key = draw.draw(st.sampled_from(sorted(leaves)))
    root, proof = trie_root(list(leaves.items())), trie_proof(list(leaves.items()), key)
    shortened = proof[:-1]
    with pytest.raises(ValueError, match="proof"):
        verify_proof(root, key, shortened)
    with pytest.raises(BadTrieProof):
        foreign(root, key, shortened)


class TestCommands:
    def run(self, *arguments: str):
        result = CliRunner().invoke(commands, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.output)

    def test_a_transaction_proven_and_checked_without_asking_anybody(self, scene, tmp_path):
        tx_hash = keccak256(scene.raws[5])
        proof, header = tmp_path / "proof.json", tmp_path / "header.json"
        proof.write_text(json.dumps(self.run("proof", "--rpc", scene.node.url, "--transaction", "0x" + tx_hash.hex())))
        header.write_text(json.dumps({"jsonrpc": "2.0", "id": 1, "result": scene.header}))
        proven = self.run("verify-proof", str(proof), "--header", str(header))
        assert proven["transaction"] == "0x" + tx_hash.hex()
        assert proven["sender"] == "0x" + ALICE.address.hex()
        assert proven["succeeded"]
        assert proven["events"][0]["contract"] == "0x" + scene.contract.hex()

    def test_an_account_and_its_slots(self, scene, tmp_path):
        proof, header = tmp_path / "proof.json", tmp_path / "header.json"
        asked = ("--account", "0x" + scene.contract.hex(), "--slot", "1", "--slot", "0x2")
        proof.write_text(json.dumps(self.run("proof", "--rpc", scene.node.url, *asked)))
        header.write_text(json.dumps(scene.header))
        proven = self.run("verify-proof", str(proof), "--header", str(header))
        assert proven["slots"] == {"0x1": hex(CALLS - 1), "0x2": "0x0"}

    @pytest.mark.parametrize("text", ["{", "[]", "{}"])
    def test_what_is_no_proof_is_named(self, scene, tmp_path, text):
        proof, header = tmp_path / "proof.json", tmp_path / "header.json"
        proof.write_text(text)
        header.write_text(json.dumps(scene.header))
        with pytest.raises(InvalidValue):
            self.run("verify-proof", str(proof), "--header", str(header))


def test_the_next_header_proves_what_our_own_chain_holds(chain):
    probe = deploy(chain)
    for raws in (stores(probe, 1, 30), stores(probe, 31, 30)):
        chain.submit(raws)
    before = chain.head()
    slots = [1, *(int.from_bytes(keccak256(word(key) + word(0)), "big") for key in (1, 45, 60)), 999]
    root, account, nodes, proven = chain._core.proof(probe, slots)
    chain.submit(stores(probe, 61, 1))
    header = chain.head()
    assert (header.state_root, header.state_height) == (root, before.height)
    encoded = foreign(root, keccak256(probe), nodes)
    assert rlp.decode(encoded)[2:] == [account[2], account[3]]
    assert [value for _, value, _ in proven] == [60, 2, 46, 61, 0]
    for slot, value, proof in proven:
        found = foreign(account[2], keccak256(word(slot)), proof)
        assert int.from_bytes(rlp.decode(found) if found else b"", "big") == value
    _, nobody, nodes, _ = chain._core.proof(b"\x55" * 20, [])
    assert nobody is None
    assert verify_proof(chain._core.proof(probe, [])[0], keccak256(b"\x55" * 20), nodes) is None


class TestHeldByItsHash:
    """Somebody holds the hash of a header, and nothing else; whoever answers need not be trusted."""

    @pytest.fixture
    def served(self, chain):
        self.probe = deploy(chain)
        (self.raw,) = stores(self.probe, 1, 1)
        chain.submit([self.raw])
        chain.submit(stores(self.probe, 2, 1))
        with RpcServer(chain, port=0) as server, closing(RpcClient(server.url)) as node:
            yield chain, node

    def test_the_bytes_of_a_header_hash_to_the_block(self, served):
        chain, node = served
        for height in range(chain.head().height + 1):
            assert keccak256(data(node.ask("debug_getRawHeader", hex(height)))) == chain.header(height).hash
        with pytest.raises(RpcError, match="header not found"):
            node.ask("debug_getRawHeader", "0x99")

    def test_a_transaction_is_proven_by_it(self, served):
        chain, node = served
        proof = prove_transaction(node, keccak256(self.raw))
        proven = verify_transaction(proof, read_header(data(proof["header"]), chain.header(2).hash))
        assert proven.raw == self.raw

    def test_an_account_is_proven_by_the_next_header_when_that_is_sealed(self, served, tmp_path):
        chain, node = served
        proof = prove_account(node, self.probe, [0])
        assert proof["header"] is None
        path, header = tmp_path / "proof.json", tmp_path / "header.json"
        path.write_text(json.dumps(proof))
        chain.submit(stores(self.probe, 3, 1))
        named = "0x" + chain.head().hash.hex()
        with pytest.raises(InvalidValue, match="before it was sealed"):
            TestCommands().run("verify-proof", str(path), "--hash", named)
        raw = node.ask("debug_getRawHeader", proof["block"]["number"])
        header.write_text(json.dumps({"jsonrpc": "2.0", "id": 1, "result": raw}))
        proven = TestCommands().run("verify-proof", str(path), "--hash", named, "--header", str(header))
        assert proven["account"] == "0x" + self.probe.hex()

    def test_a_header_with_another_hash_or_a_byte_changed_is_refused(self, served):
        chain, node = served
        header = data(node.ask("debug_getRawHeader", "0x2"))
        with pytest.raises(InvalidValue, match="hash"):
            read_header(header, chain.header(1).hash)
        for place in range(0, len(header), 5):
            changed = header[:place] + bytes([header[place] ^ 1]) + header[place + 1 :]
            with pytest.raises(InvalidValue, match="hash"):
                read_header(changed, chain.header(2).hash)

    def test_a_header_of_ethereum_is_read_in_its_own_form(self):
        fields = [bytes([number]) * 32 for number in range(15)]
        fields[8] = b"\x07"
        raw = rlp.encode(fields)
        found = read_header(raw, keccak256(raw))
        assert found["number"] == "0x7"
        assert [found[root][2:4] for root in ("stateRoot", "transactionsRoot", "receiptsRoot")] == ["03", "04", "05"]

    def test_the_command_asks_for_one_of_both_and_takes_the_hash(self, served, tmp_path):
        chain, node = served
        path = tmp_path / "proof.json"
        path.write_text(json.dumps(prove_transaction(node, keccak256(self.raw))))
        named = "0x" + chain.header(2).hash.hex()
        assert TestCommands().run("verify-proof", str(path), "--hash", named)["succeeded"]
        with pytest.raises(InvalidValue, match="--hash or --header"):
            TestCommands().run("verify-proof", str(path))
