"""What a dishonest master or user can do to the record of a trade, and how the regulator names it.

A master owns its slave chain's sealer, its encryption node and the names of its users. It does not own its users'
signing keys, nor the main chain. Every attack here stays within that.
"""

import shutil
from dataclasses import replace

import pytest
from small_region import DAY, PERIOD, SPEC, Clock, ask, bid, trade, trader, write

from gridbourse.chain.block import Genesis
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.contracts.slave_ledger import record_leaf
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.merkle import leaf_hash
from gridbourse.errors import ChainCorrupted, TransactionRejected
from gridbourse.market.types import DealState, Side
from gridbourse.network.keys import KeyFolder, NodeKeys
from gridbourse.network.records import DayOpened, DealDetails, NodeRegistered, OrderDetails, RecordKind, seal_record
from gridbourse.network.region import BLOCK_GAS_LIMIT, REGULATOR, Region
from gridbourse.network.regulator import Regulator
from gridbourse.network.slave import Slave

ASKED = ask(energy_wh=600)


@pytest.fixture(scope="session")
def traded(prepared, tmp_path_factory):
    """Deal 1 between Anna and Bert is settled; then Anna's and Arno's next orders, anchored together, wait."""
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("traded") / "region")
    with Region.open(folder, clock=Clock()) as region:
        write(region, "Anna", ASKED)
        write(region, "Bert", bid(energy_wh=600))
        trade(region)
        write(region, "Anna", ask(price_ticks=8_000))
        write(region, "Arno", ask(price_ticks=8_100))
        trade(region)
    return folder


@pytest.fixture
def settled(traded, tmp_path):
    return shutil.copytree(traded, tmp_path / "settled")


@pytest.fixture
def waiting(region):
    """Bert's bid waits for whatever the master of roofs places against it."""
    region.offer([("Bert", bid())])
    return region


@pytest.fixture
def agreed(waiting):
    waiting.offer([("Anna", ask())])
    return waiting


def failing(trace):
    return {(party.side, step.title): step.finding for party in trace.parties for step in party.steps if not step.holds}


def require_traced(region, title, *words, deal=1, side=Side.ASK):
    """The walk fails at this step, and its finding holds all the words."""
    finding = failing(region.regulator.trace(deal))[side, title]
    assert all(word in finding for word in words), finding


def require_audited(region, *words):
    """One finding of the audit holds all the words."""
    findings = region.regulator.audit()
    assert any(all(word in finding for word in words) for finding in findings), findings


def place(master, trader_id, offer, leaf):
    """Let a master place an order on the main chain by itself, past its up-link."""
    details = OrderDetails("", "", 0, offer.side, offer.energy_types, offer.period, offer.energy_wh, offer.price_ticks)
    market = master.main.market
    if offer.side is Side.ASK:
        master.main_wallet.send(market.set_quotas(offer.period, {trader_id: 10**6}))
    master.main_wallet.send(market.place_orders([details.request(trader_id)], [leaf]))


def last_record(master):
    return list(master.slave.records())[-1]


def name_of(master_name, record):
    return f"slave chain {master_name}, record {record.index} in block {record.height}"


def details_of(offer, user_id="Anna", location="Roof 1"):
    quota_wh = offer.energy_wh if offer.side is Side.ASK else 0
    return OrderDetails(
        user_id,
        location,
        quota_wh,
        offer.side,
        offer.energy_types,
        offer.period,
        offer.energy_wh,
        offer.price_ticks,
    )


# --- without an attack ---


def test_of_an_honest_trade_every_step_holds_and_nothing_is_found(settled):
    with Region.open(settled, clock=Clock()) as region:
        trace = region.regulator.trace(1)
        assert failing(trace) == {}
        assert [len(party.steps) for party in trace.parties] == [9, 9]
        assert region.regulator.audit() == []


# --- the slave chain, written anew ---


def reseal(folder, name, change):
    """Seal a slave chain anew with its master's own keys, from blocks that `change` makes of the genuine ones."""
    keys = KeyFolder(folder / "keys" / "masters").load_master(name)
    master_id = [master.name for master in SPEC.masters].index(name) + 1
    genesis = Genesis(SPEC.chain_id + master_id, keys.sealer.address, gas_limit=BLOCK_GAS_LIMIT)
    with EmbeddedChain(folder / f"{name}.chain", genesis, keys.sealer, clock=Clock()) as chain:
        blocks = [list(chain.block(height).transactions) for height in range(1, chain.head().height + 1)]
    for file in folder.glob(f"{name}.chain*"):
        file.unlink()
    with EmbeddedChain(folder / f"{name}.chain", genesis, keys.sealer, clock=Clock()) as chain:
        for block in change(blocks, Wallet(chain, keys.node.signing)):
            chain.submit(block)


def record_of(folder, user_id, turn):
    """A user's order record by its turn."""
    with Region.open(folder, clock=Clock()) as region:
        master = region.master_of(user_id)
        own = [record for record in master.slave.records() if record.author == master.nodes[user_id].address]
        return [record for record in own if record.kind == RecordKind.ORDER][turn]


def signed_by_itself(master, ledger_of, content):
    """Write a record of kind order in the master's own name."""
    return master.sign([replace(ledger_of, data=content)])


def test_a_byte_changed_in_a_chains_file_is_noticed_on_opening(settled):
    content = record_of(settled, "Anna", 0).content
    file = settled / "roofs.chain"
    data = file.read_bytes()
    for offset in range(0, len(content), 97):
        changed = bytearray(data)
        changed[data.index(content) + offset] ^= 1
        file.write_bytes(changed)
        with pytest.raises(ChainCorrupted) as caught:
            Region.open(settled, clock=Clock())
        assert caught.value.path == file
        assert caught.value.place


def test_a_record_with_one_byte_changed_in_a_resealed_chain_is_no_longer_signed_by_its_user(settled):
    record = record_of(settled, "Anna", 0)

    def change(blocks, master):
        for block in blocks:
            for turn, raw in enumerate(block):
                if record.content in raw:
                    altered = record.content[:-1] + bytes([record.content[-1] ^ 1])
                    forged = raw.replace(record.content, altered)
                    assert SignedTransaction.decode(forged).sender != record.author
                    signed = SignedTransaction.decode(raw).transaction
                    data = signed.data.replace(record.content, altered)
                    nonce = master.chain.next_nonce(master.address)
                    block[turn] = replace(signed, nonce=nonce, data=data).sign(master._key).raw
        return without_gaps(blocks, master)

    reseal(settled, "roofs", change)
    with Region.open(settled, clock=Clock()) as region:
        require_traced(region, "record on the slave chain", "main chain, order ", "roofs", record.leaf.hex())
        require_audited(region, name_of("roofs", record), "does not open")
        require_audited(region, f"slave chain roofs, records 3 to ")
