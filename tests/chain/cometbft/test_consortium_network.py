"""Four nodes with four CometBFT processes: the same chain everywhere, members by contract, nodes that come and go."""

from __future__ import annotations

import os
import signal
from base64 import b64encode

import pytest
from networks import Network, eventually, peer_names, require_cometbft, validators
from probe import ALICE, BOB, deployment, signed, store, stores

from gridbourse.chain.cometbft import node as node_module
from gridbourse.chain.cometbft.config import Trust
from gridbourse.chain.cometbft.folder import NodeFolder
from gridbourse.chain.cometbft.node import Node
from gridbourse.chain.cometbft.process import CometProcess, find_cometbft
from gridbourse.chain.cometbft.snapshot import Snapshots
from gridbourse.contracts.consortium import Consortium, RegulatorKeys, ValidatorKeys
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import SigningKey
from gridbourse.crypto.possession import validator_statement
from gridbourse.errors import ChainCorrupted, ChainError
from gridbourse.market.types import Role, Settings

SETTINGS = Settings(cooling_off_seconds=0, floor_ticks=0, cap_ticks=9_000, gate_lead_seconds=900, max_candidates=64)
ROLES = (Role.SOURCE, Role.GRID, Role.AGGREGATOR, Role.USER)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    require_cometbft()
    made = Network(tmp_path_factory.mktemp("network"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def consortium(network):
    """The contract as the first organisation sees it."""
    chain = network["hydro"].chain
    founders = {network.accounts[name].address: role for name, role in zip(network.names, ROLES, strict=True)}
    regulator = RegulatorKeys(SigningKey(b"\x05" * 32).address, b"\x06" * 32)
    receipt = Wallet(chain, network.deployer).send(Consortium.creation(founders, regulator, SETTINGS))
    return Consortium(chain, receipt.contract_address)


@pytest.fixture(scope="module")
def probe(network):
    [receipt] = network["grid"].chain.submit([deployment()])
    network.wait_equal()
    return receipt.contract_address


def send_some(network, probe, name, count=1):
    chain = network[name].chain
    return chain.submit(stores(probe, chain.next_nonce(ALICE.address), count))


def vote(network, consortium, action, *names):
    for name in names:
        Wallet(network[name].chain, network.accounts[name]).send(
            Consortium(network[name].chain, consortium.address).vote(action)
        )


def key_of(network, name):
    return b64encode(NodeFolder(network.folder / name).public_keys().public_key).decode()


def test_transactions_as_large_as_they_may_be_reach_every_node(network, probe):
    chain = network["hydro"].chain
    nonce = chain.next_nonce(BOB.address)
    large = [
        signed(BOB, nonce + turn, probe, store(turn, 1) + bytes(990_000), gas_limit=10_000_000) for turn in range(3)
    ]
    assert all(receipt.succeeded for receipt in chain.submit(large))
    network.wait_equal()


def test_every_node_has_the_same_blocks_whoever_sends(network, consortium, probe):
    for name in network.names:
        send_some(network, probe, name, 3)
        network.wait_equal()
    first = network["industry"].chain.next_nonce(BOB.address)
    bobs = [signed(BOB, first + turn, probe, store(turn, 7)) for turn in range(20)]
    network["industry"].chain.submit(bobs)
    network.wait_equal()
    for node in network.nodes.values():
        node.chain.verify()
        assert node.chain.membership.voting.keys() == {
            NodeFolder(network.folder / name).public_keys().public_key for name in network.names
        }


def test_a_cometbft_that_is_killed_comes_back_and_nothing_that_waits_is_lost(network, probe):
    chain = network["retailer"].chain
    killed = network["retailer"].comet_pid
    os.kill(killed, signal.SIGKILL)
    sent = chain.send(stores(probe, chain.next_nonce(ALICE.address), 5))
    assert all(receipt.succeeded for receipt in chain.wait(sent))
    assert network["retailer"].comet_pid != killed
    network.wait_equal()


def test_a_cometbft_that_outlived_its_node_does_not_keep_the_next_from_starting(network, probe):
    network.stop("industry")
    folder = NodeFolder(network.folder / "industry")
    leftover = CometProcess(find_cometbft(), folder.comet_home, folder.comet_log)
    network.start("industry")
    assert not leftover.running()
    network.wait_equal()


def test_one_of_four_that_is_cut_off_is_not_missed_and_catches_up(network, probe):
    stopped = network["industry"].comet_pid
    os.kill(stopped, signal.SIGSTOP)
    try:
        before = network["industry"].chain.head().height
        for _ in range(5):  # every other node proposes
            send_some(network, probe, "hydro")
        assert network["industry"].chain.head().height == before
    finally:
        os.kill(stopped, signal.SIGCONT)
    network.wait_equal()


def test_a_vote_changes_who_orders_the_chain(network, consortium):
    everybody = {key_of(network, name) for name in network.names}
    assert validators(network["grid"]) == everybody
    vote(network, consortium, consortium.suspend(4), "hydro", "grid", "retailer")
    eventually(lambda: validators(network["grid"]) == everybody - {key_of(network, "industry")})
    network.wait_equal()
    again = consortium.admit(network.accounts["industry"].address, Role.USER)
    vote(network, consortium, again, "hydro", "grid")
    eventually(lambda: validators(network["grid"]) == everybody)


def test_a_strangers_node_gets_no_connection_until_the_contract_knows_it(network, consortium, probe, monkeypatch):
    monkeypatch.setattr(node_module, "LONELY_SECONDS", 6)
    folder = network.add_folder("newcomer")
    account = SigningKey(b"\x31" * 32)
    network.start("newcomer")
    with pytest.raises(AssertionError, match="did not happen"):
        eventually(lambda: any("newcomer" in peer_names(network[name]) for name in network.names), seconds=4)
    vote(network, consortium, consortium.admit(account.address, Role.USER), "hydro", "grid", "retailer")
    keys = folder.public_keys()
    statement = validator_statement(network["hydro"].chain.chain_id, consortium.address, 5, keys.node_id)
    register = consortium.register_validator(ValidatorKeys(keys.public_key, keys.node_id), folder.sign(statement))
    Wallet(network["hydro"].chain, account).send(register)
    eventually(lambda: key_of(network, "newcomer") in validators(network["hydro"]))
    eventually(lambda: peer_names(network["newcomer"]) >= {"hydro", "grid"})
    send_some(network, probe, "hydro")
    network.wait_equal()
    vote(network, consortium, consortium.suspend(5), "hydro", "grid", "retailer")
    eventually(lambda: key_of(network, "newcomer") not in validators(network["hydro"]))
    network.stop("newcomer")


def test_half_of_the_validators_decide_nothing_and_go_on_when_a_third_returns(network, probe):
    network.stop("retailer", "industry")
    chain = network["hydro"].chain
    sent = chain.send(stores(probe, chain.next_nonce(ALICE.address), 2))
    with pytest.raises(ChainError, match="not final"):
        chain.wait(sent, timeout_seconds=5)
    network.start("retailer")
    assert all(receipt.succeeded for receipt in chain.wait(sent, timeout_seconds=60))
    network.start("industry")
    network.wait_equal()


def test_a_damaged_chain_is_refused_and_fetched_again(network, probe):
    network.stop("industry")
    folder = NodeFolder(network.folder / "industry")
    content = bytearray(folder.chain.read_bytes())
    for page in range(len(content) // 8_192):
        content[8_192 * page + 4_000] ^= 1
    folder.chain.write_bytes(content)
    with pytest.raises(ChainCorrupted):
        Node(folder.path)
    folder.set_aside()
    network.start("industry")
    network.wait_equal()
    network["industry"].chain.verify()


def test_a_node_joins_from_a_snapshot_that_the_validators_vouch_for(network, probe, monkeypatch):
    network.stop("industry")
    folder = NodeFolder(network.folder / "industry")
    folder.set_aside()
    send_some(network, probe, "hydro", 50)
    trusted = network["hydro"].comet.ask("commit", height="2")["signed_header"]["commit"]["block_id"]["hash"]
    servers = [NodeFolder(network.folder / name).settings().light_client for name in ("hydro", "grid")]
    eventually(lambda: bool(Snapshots(network["hydro"].chain).offered()))
    network.start("industry", trust=Trust(2, bytes.fromhex(trusted), servers))
    network.wait_equal()
    network["industry"].chain.verify()
    first = int(network["industry"].comet.ask("status")["sync_info"]["earliest_block_height"])
    assert first > 1, "it did not replay the blocks before"
    send_some(network, probe, "industry")
    network.wait_equal()
