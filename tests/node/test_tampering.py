"""What a dishonest master or user can do to the record of a trade, and how the regulator names it.

A master owns its slave chain's sealer, its encryption node and the names of its users. It does not own its users'
signing keys, nor the main chain. Every attack here stays within that.
"""

import shutil
from collections import Counter
from dataclasses import asdict, replace

import pytest
from eth_abi import encode
from forged_chain import ChainFile, forge_receipts, vouch_for
from small_region import DAY, SPEC, Clock, ask, bid, trade, trader, write

from gridbourse.chain.transaction import SignedTransaction, Transaction
from gridbourse.contracts.slave_ledger import record_leaf
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.merkle import leaf_hash
from gridbourse.crypto.node_keys import KeyFolder, NodeKeys
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import ChainCorrupted, TransactionRejected
from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.merkle_log import Slave
from gridbourse.ledger.records import Confirmation, DayOpened, NodeRegistered, NodeRevoked, OrderDetails
from gridbourse.ledger.sealing import seal_record
from gridbourse.market.types import DealState, EnergyType, Side
from gridbourse.node.folder.key_rotation import REGULATOR
from gridbourse.node.region import Region
from gridbourse.regulator.audit import Regulator
from gridbourse.rules.rule_set import RuleHistory


@pytest.fixture(scope="session")
def traded(prepared, tmp_path_factory):
    """Deal 1 between Anna and Bert is settled; then Anna's and Arno's next orders, anchored together, wait."""
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("traded") / "region")
    with Region.open(folder, clock=Clock()) as region:
        write(region, "Anna", ask(energy_wh=600))
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


def details_of(offer):
    return OrderDetails(user_id="Anna", location="Roof 1", energy_quota_wh=offer.energy_wh, **asdict(offer))


def place(master, trader_id, offer, leaf):
    """Let a master place an order on the main chain by itself, past its relay."""
    market = master.main.market
    if offer.side is Side.ASK:
        master.main_wallet.send(market.set_quotas({(trader_id, offer.period): 10**6}))
    master.main_wallet.send(market.place_orders([details_of(offer).request(trader_id)], [leaf]))


def last_record(master):
    return list(master.slave.records())[-1]


def let_master_write(master, details):
    sealed = master.encryption_node.seal(master.slave_wallet.address, details)
    master.slave_wallet.send(master.slave.ledger.append(*sealed))
    return last_record(master)


def place_of(master_name, record):
    return f"slave chain {master_name}, record {record.index} in block {record.height}"


# --- without an attack ---


def test_of_an_honest_trade_every_step_holds_and_nothing_is_found(settled):
    with Region.open(settled, clock=Clock()) as region:
        trace = region.regulator.trace(1)
        assert failing(trace) == {}
        assert [len(party.steps) for party in trace.parties] == [9, 9]
        assert region.regulator.audit() == []


# --- the slave chain, written anew ---


def reseal(folder, name, change):
    """Seal a slave chain anew with its master's keys, from the blocks that `change` makes of the genuine ones.

    The master signs its own transactions again, so that they follow each other; a user's transaction after a gap in
    that user's sequence is lost.
    """
    file = ChainFile(folder, SPEC, name, Clock())
    keys = file.keys
    with file.open() as chain:
        raw_blocks = [chain.block(height).transactions for height in range(1, chain.head().height + 1)]
    file.remove()
    nonces = Counter()
    with file.open() as chain:
        for block in change([[SignedTransaction.decode(raw) for raw in block] for block in raw_blocks]):
            fitting = []
            for signed in block:
                nonce = nonces[signed.sender]
                if signed.sender == keys.node.address:
                    fitting.append(rewritten(signed, nonce, signed.transaction.data).sign(keys.node.signing).raw)
                elif signed.transaction.nonce == nonce:
                    fitting.append(signed.raw)
                else:
                    continue
                nonces[signed.sender] += 1
            # A chain with fewer blocks than are anchored would not be opened.
            filler = Transaction(chain.chain_id, nonces[keys.sealer.address], 30_000, keys.sealer.address)
            if not fitting:
                nonces[keys.sealer.address] += 1
            chain.submit(fitting or [filler.sign(keys.sealer).raw])
    vouch_for(folder, SPEC, name, Clock())


def rewritten(signed, nonce, data):
    """What was signed, with another nonce and other data."""
    was = signed.transaction
    return Transaction(was.chain_id, nonce, was.gas_limit, was.to, data)


def order_record(folder, user_id, turn):
    """A user's order record, by its turn."""
    with Region.open(folder, clock=Clock()) as region:
        master = region.master_of(user_id)
        own = (record for record in master.slave.records() if record.author == master.nodes[user_id].address)
        return [record for record in own if record.kind == RecordKind.ORDER][turn]


def test_a_byte_changed_in_a_chains_file_is_named_where_it_is_read(settled):
    content = order_record(settled, "Anna", 0).content
    file = settled / "roofs.chain"
    data = file.read_bytes()
    for offset in range(0, len(content), 97):
        changed = bytearray(data)
        changed[data.index(content) + offset] ^= 1
        file.write_bytes(changed)
        with pytest.raises(ChainCorrupted) as caught, Region.open(settled, clock=Clock()) as region:
            region.masters["roofs"].slave.chain.verify()
        assert caught.value.path == file


def test_a_record_with_a_byte_changed_is_not_what_its_user_signed(settled):
    record = order_record(settled, "Anna", 0)
    keys = KeyFolder(settled / "keys" / "masters").load_master("roofs").node
    altered = record.content[:-1] + bytes([record.content[-1] ^ 1])

    def change(blocks):
        for block in blocks:
            for turn, signed in enumerate(block):
                if record.content in signed.raw:
                    forged = SignedTransaction.decode(signed.raw.replace(record.content, altered))
                    assert forged.sender != record.author, "so the master has to write it in its own name"
                    data = signed.transaction.data.replace(record.content, altered)
                    block[turn] = rewritten(signed, 0, data).sign(keys.signing)
        return blocks

    reseal(settled, "roofs", change)
    with Region.open(settled, clock=Clock()) as region:
        require_traced(region, "record on the slave chain", "main chain, order ", "roofs", record.leaf.hex())
        require_audited(region, place_of("roofs", record), "does not open", keys.address.hex())
        require_audited(region, "slave chain roofs, records 0 to ")


def test_a_dropped_record_is_missed_by_the_order_that_carries_its_leaf(settled):
    record = order_record(settled, "Arno", 0)
    reseal(settled, "roofs", lambda blocks: [[tx for tx in block if record.content not in tx.raw] for block in blocks])
    with Region.open(settled, clock=Clock()) as region:
        require_audited(region, "main chain, order ", "slave chain roofs", record.leaf.hex())
        require_traced(region, "whole slave chain as anchored", f"roofs, records 7 to {record.index}")
        assert failing(region.regulator.trace(1)).keys() == {(Side.ASK, "whole slave chain as anchored")}


def test_two_records_in_another_order_are_not_those_anchored(settled):
    first, second = order_record(settled, "Anna", 1), order_record(settled, "Arno", 0)
    assert second.index == first.index + 1

    def change(blocks):
        one, other = (
            [tx for block in blocks for tx in block if record.content in tx.raw] for record in (first, second)
        )
        swap = {one[0].hash: other, other[0].hash: one}
        return [[swap[tx.hash][0] if tx.hash in swap else tx for tx in block] for block in blocks]

    reseal(settled, "roofs", change)
    with Region.open(settled, clock=Clock()) as region:
        (finding,) = region.regulator.audit()
        assert f"slave chain roofs, records {first.index} to {second.index}, " in finding
        require_traced(region, "whole slave chain as anchored", f"records {first.index} to {second.index}")


def test_a_chain_cut_off_after_its_anchors_is_not_opened_and_lacks_the_records_anchored(settled, tmp_path):
    record = order_record(settled, "Anna", 1)
    genuine = shutil.copytree(settled, tmp_path / "genuine")
    reseal(settled, "roofs", lambda blocks: blocks[: record.height - 1])
    with pytest.raises(ChainCorrupted, match="the main chain holds an anchor of them") as caught:
        Region.open(settled, clock=Clock())
    assert caught.value.path == settled / "roofs.chain"
    assert caught.value.place.startswith(f"blocks {record.height} to ")
    with Region.open(genuine, clock=Clock()) as region, ChainFile(settled, SPEC, "roofs", Clock()).open() as cut:
        ledger = region.masters["roofs"].slave.ledger
        slaves = {1: Slave(cut, ledger.address), 2: region.masters["grid"].slave}
        names = {1: "roofs", 2: "grid"}
        keys = KeyFolder(settled / "keys").load_node(REGULATOR)
        findings = Regulator(keys, region.main, slaves, names, DeliveryCalendar(), RuleHistory([])).audit()
    assert any(f"slave chain roofs, records {record.index} to " in finding for finding in findings), findings


# --- receipts that lie ---


@pytest.mark.parametrize("signed_by", ["Anna, something else", "the master, the same"])
def test_a_record_that_a_receipt_states_and_its_author_did_not_sign(folder, signed_by):
    """The chain's file holds a record that was never signed, under seals that are all genuine."""
    with Region.open(folder, clock=Clock()) as region:
        region.offer([("Bert", bid())])
        roofs = region.masters["roofs"]
        anna, ledger = roofs.nodes["Anna"], roofs.slave.ledger
        forged = seal_record(ledger, anna.address, details_of(ask(price_ticks=10)), anna._readers)
        leaf = record_leaf(anna.address, RecordKind.ORDER, forged)
        if signed_by.startswith("Anna"):
            write(region, "Anna", ask())
        else:
            roofs.slave_wallet.send(ledger.append(RecordKind.ORDER, forged))
        lying_height = roofs.slave.chain.head().height

    def lie(height, logs):
        if height != lying_height:
            return logs
        ((address, topics, _),) = logs
        stated = [*topics[:2], bytes(12) + anna.address, topics[3]]
        return [[address, stated, encode(["bytes32", "bytes"], [leaf, forged])]]

    file = ChainFile(folder, SPEC, "roofs", Clock())
    forge_receipts(file, lie)
    with file.open() as chain, pytest.raises(ChainCorrupted, match=f"block {lying_height}: executing it gives"):
        chain.verify()
    with pytest.raises(ChainCorrupted, match="the file holds another block"):
        Region.open(folder, clock=Clock())
    vouch_for(folder, SPEC, "roofs", Clock())
    with Region.open(folder, clock=Clock()) as region:
        wrong = (place_of("roofs", last_record(region.masters["roofs"])), "not what its author signed")
        trade(region)
        assert region.main.market.deal(1).price_ticks == 10
        require_traced(region, "signature of the record", *wrong)
        require_audited(region, *wrong)


# --- orders that nobody gave ---


def test_an_order_without_any_record(waiting):
    roofs = waiting.masters["roofs"]
    place(roofs, trader(waiting, "Anna"), ask(), leaf_hash(b"nothing"))
    require_traced(waiting, "record on the slave chain", "main chain, order ", "roofs", leaf_hash(b"nothing").hex())
    require_audited(waiting, "main chain, order ", "roofs", leaf_hash(b"nothing").hex())


def test_an_order_with_a_record_that_the_master_wrote_itself_in_the_users_name(waiting):
    roofs = waiting.masters["roofs"]
    record = let_master_write(roofs, details_of(ask()))
    place(roofs, trader(waiting, "Anna"), ask(), record.leaf)
    wrong = (place_of("roofs", record), "'Anna'", f"0x{roofs.slave_wallet.address.hex()} signed it")
    require_traced(waiting, "signature of the record", *wrong)
    require_audited(waiting, *wrong)


def test_an_order_with_a_record_signed_by_a_key_that_the_master_gave_the_user(waiting):
    roofs, keys = waiting.masters["roofs"], NodeKeys.generate()
    own = roofs.nodes["Anna"].spec
    taken = NodeRegistered("Anna", own.kind, own.location, keys.address.hex(), keys.encryption.public_bytes.hex())
    registration = let_master_write(roofs, taken)
    roofs.slave_wallet.send(roofs.slave.ledger.set_writers([keys.address], allowed=True))
    content = seal_record(roofs.slave.ledger, keys.address, details_of(ask()), roofs.encryption_node.readers)
    Wallet(roofs.slave.chain, keys.signing).send(roofs.slave.ledger.append(RecordKind.ORDER, content))
    record = last_record(roofs)
    place(roofs, trader(waiting, "Anna"), ask(), record.leaf)
    require_traced(waiting, "signature of the record", place_of("roofs", record), f"0x{keys.address.hex()} signed it")
    require_audited(waiting, place_of("roofs", registration), "gives 'Anna' other keys")


@pytest.mark.parametrize(
    "placed",
    [ask(price_ticks=3_500), ask(energy_wh=900), ask(energy_type=EnergyType.WIND)],
    ids=["price", "energy", "type"],
)
def test_an_order_that_differs_from_its_record(waiting, placed):
    (leaf,) = write(waiting, "Anna", ask())
    roofs = waiting.masters["roofs"]
    place(roofs, trader(waiting, "Anna"), placed, leaf)
    require_traced(
        waiting, "order as the record states it", "main chain, order ", place_of("roofs", last_record(roofs))
    )
    require_audited(waiting, "main chain, order ", place_of("roofs", last_record(roofs)))


def test_one_record_placed_as_two_orders(waiting):
    waiting.offer([("Anna", ask(energy_wh=100))])
    roofs = waiting.masters["roofs"]
    record = last_record(roofs)
    place(roofs, trader(waiting, "Anna"), ask(energy_wh=100), record.leaf)
    assert waiting.regulator.trace(1).parties[0].steps[1].holds
    require_traced(waiting, "record on the slave chain", place_of("roofs", record), "already stands", deal=2)
    require_audited(waiting, "main chain, order ", place_of("roofs", record), "already stands")


def test_a_users_order_placed_under_another_users_pseudonym(waiting):
    (leaf,) = write(waiting, "Anna", ask())
    roofs, arno = waiting.masters["roofs"], trader(waiting, "Arno")
    place(roofs, arno, ask(), leaf)
    wrong = (f"trader {arno} is not Anna", place_of("roofs", last_record(roofs)))
    require_traced(waiting, "pseudonym of the day", *wrong)
    require_audited(waiting, *wrong)


def test_a_day_whose_names_are_explained_anew(agreed):
    roofs = agreed.masters["roofs"]
    record = let_master_write(roofs, DayOpened(DAY, "07" * 32))
    require_audited(agreed, place_of("roofs", record), f"another key for day {DAY}")
    trade(agreed)
    assert agreed.regulator.trace(1).holds, "what the day's first record says still proves who traded"


# --- orders and answers that were given and do not appear ---


def test_an_order_anchored_and_not_taken_up(region):
    write(region, "Anna", ask())
    roofs = region.masters["roofs"]
    assert region.regulator.audit() == [], "the master still may take it up"
    region.anchor()
    require_audited(region, place_of("roofs", last_record(roofs)), "did not take this order up")


def test_an_order_that_its_master_made_the_market_refuse(region):
    (leaf,) = write(region, "Anna", ask())
    roofs = region.masters["roofs"]
    place(roofs, trader(region, "Anna"), ask(energy_wh=0), leaf)
    region.anchor()
    require_audited(region, place_of("roofs", last_record(roofs)), "did not take this order up")


def test_an_order_that_the_market_refused_as_its_user_stated_it_is_not_the_masters_fault(region):
    (order_id,) = region.offer([("Anna", ask(price_ticks=9_500))])
    region.anchor()
    assert order_id is None
    assert region.regulator.audit() == []


def test_an_order_dropped_before_its_user_is_revoked(region):
    """The revocation that comes after is no excuse: it stands behind the order on the slave chain."""
    write(region, "Anna", ask())
    roofs = region.masters["roofs"]
    order = last_record(roofs)
    let_master_write(roofs, NodeRevoked("Anna"))
    region.anchor()
    require_audited(region, place_of("roofs", order), "did not take this order up")


def test_an_order_withdrawn_before_its_user_is_revoked(region):
    """Nor is one that was written before and kept back: what counts is when it was anchored."""
    (order_id,) = region.offer([("Anna", ask())])
    roofs = region.masters["roofs"]
    let_master_write(roofs, NodeRevoked("Anna"))
    roofs.main_wallet.send(region.main.market.cancel_orders([order_id]))
    wrong = (f"main chain, order {order_id.pack():x}", "withdrawn before the revocation of its user was anchored")
    require_audited(region, *wrong)
    region.anchor()
    require_audited(region, *wrong)


def test_an_order_withdrawn_without_its_user(region):
    (order_id,) = region.offer([("Anna", ask())])
    roofs = region.masters["roofs"]
    roofs.main_wallet.send(region.main.market.cancel_orders([order_id]))
    require_audited(region, f"main chain, order {order_id.pack():x}", "withdrawn")


@pytest.mark.parametrize("answer", ["confirm", "abandon"])
def test_an_answer_that_the_user_never_gave(agreed, answer):
    roofs = agreed.masters["roofs"]
    roofs.main_wallet.send(getattr(agreed.main.market, answer)([1], Side.ASK))
    wrong = ("main chain, deal 1", "Anna", "no such record on slave chain roofs")
    require_traced(agreed, "answer within the cooling-off time", *wrong)
    require_audited(agreed, *wrong)


@pytest.mark.parametrize("signed", ["by the user, the opposite", "by another user", "by the master"])
def test_an_answer_for_which_something_else_was_signed(agreed, signed):
    roofs, deal = agreed.masters["roofs"], (1, Side.ASK)
    if signed == "by the master":
        let_master_write(roofs, Confirmation("Anna", *deal, confirmed=True))
    else:
        node = roofs.nodes["Arno" if signed == "by another user" else "Anna"]
        roofs.slave.submit_records([node.decide(*deal, confirmed=signed == "by another user")])
    roofs.main_wallet.send(agreed.main.market.confirm([1], Side.ASK))
    wrong = ("main chain, deal 1: confirmed for Anna", "no such record on slave chain roofs")
    require_traced(agreed, "answer within the cooling-off time", *wrong)
    require_audited(agreed, *wrong)


# --- anchors that lie ---


@pytest.mark.parametrize(
    "lie",
    [{"root": bytes(32)}, {"last_block": 1_000_000}, {"leaf_count": 1_000_000}, {"leaf_count": 8}],
    ids=["root", "blocks", "too many records", "too few records"],
)
def test_an_anchor_that_states_what_the_chain_does_not_hold(agreed, lie):
    roofs = agreed.masters["roofs"]
    agreed.answer(agreed.deliver(), confirmed=True)
    agreed.settle()
    genuine = roofs.slave.next_anchor(None)
    roofs.main_wallet.send(agreed.main.anchors.anchor(replace(genuine, **lie)))
    last = replace(genuine, **lie).leaf_count - 1
    require_audited(agreed, f"slave chain roofs, records 0 to {last}, ")
    require_traced(agreed, "whole slave chain as anchored", f"slave chain roofs, records 0 to {last}, ")
    if "root" in lie:
        record = agreed.regulator.trace(1).parties[0].order.record
        require_traced(agreed, "inclusion under an anchor", place_of("roofs", record))


def test_after_a_false_anchor_only_the_records_that_it_covers_are_suspected(settled):
    with Region.open(settled, clock=Clock()) as region:
        roofs, anchors = region.masters["roofs"], region.main.anchors
        write(region, "Anna", ask(price_ticks=8_200))
        region.relays["roofs"].submit()
        first = last_record(roofs).index
        roofs.main_wallet.send(anchors.anchor(replace(roofs.slave.next_anchor(anchors.last_anchor(1)), root=bytes(32))))
        write(region, "Anna", ask(price_ticks=8_300))
        region.relays["roofs"].submit()
        region.anchor()
        (finding,) = region.regulator.audit()
        assert f"slave chain roofs, records {first} to {first}, " in finding


def test_a_chain_that_is_not_the_registered_one(agreed, folder):
    roofs = agreed.masters["roofs"]
    other = Slave.create(roofs.slave.chain, roofs.slave_wallet)
    regulator = Regulator(
        KeyFolder(folder / "keys").load_node(REGULATOR),
        agreed.main,
        {1: other, 2: agreed.masters["grid"].slave},
        {1: "roofs", 2: "grid"},
        DeliveryCalendar(),
        RuleHistory([]),
    )
    assert "slave chain roofs is not the one that its master registered" in regulator.audit()


# --- what is told to a party ---


@pytest.mark.parametrize(
    "lie",
    [
        {"price_ticks": 3_500},
        {"energy_wh": 999},
        {"state": DealState.ABANDONED},
        {"other_order": 0},
        {"user_id": "Arno"},
        {"side": Side.BID},
        {"deal_id": 7},
    ],
    ids=lambda lie: next(iter(lie)),
)
def test_a_deal_told_otherwise_than_it_was(agreed, lie):
    roofs = agreed.masters["roofs"]
    trade(agreed)
    genuine = roofs.encryption_node.open(last_record(roofs))
    record = let_master_write(roofs, replace(genuine, **lie))
    require_audited(agreed, place_of("roofs", record), "states deal")
    if not lie.keys() & {"side", "deal_id"}:
        require_traced(agreed, "deal on the slave chain", place_of("roofs", record))


def test_a_deal_that_its_party_was_never_told_of(agreed):
    require_traced(agreed, "deal on the slave chain", "slave chain roofs does not record deal 1")


# --- records that the regulator cannot open ---


def test_a_record_sealed_without_the_regulator(waiting):
    roofs = waiting.masters["roofs"]
    anna = roofs.nodes["Anna"]
    anna._readers = anna._readers[:2]
    waiting.offer([("Anna", ask())])
    wrong = (place_of("roofs", last_record(roofs)), f"0x{anna.address.hex()}", "does not open for the regulator")
    require_traced(waiting, "record on the slave chain", *wrong)
    require_audited(waiting, *wrong)


def test_a_record_copied_from_another_chain(region):
    roofs, grid = region.masters["roofs"], region.masters["grid"]
    write(region, "Anna", ask())
    region.relays["roofs"].submit()
    record = last_record(roofs)
    with pytest.raises(TransactionRejected):
        grid.slave.submit_records([roofs.slave.chain.transaction(record.transaction_hash).raw])
    grid.slave_wallet.send(grid.slave.ledger.append(record.kind, record.content))
    (finding,) = region.regulator.audit()
    assert place_of("grid", last_record(grid)) in finding
