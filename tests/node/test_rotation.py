"""Keys of every kind of node are rotated and revoked: the old ones act no more, and open what they opened."""

import pytest
from small_region import DAY, PERIOD, SPEC, Clock, Fuse, PowerCut, ask, bid, opened_records, trade, write

from gridbourse.cli.main import gridbourse
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.node_keys import KeyFolder, NodeKeys
from gridbourse.errors import ContractReverted, InvalidValue
from gridbourse.ledger.kinds import RecordKind
from gridbourse.ledger.records import NodeRevoked, OrderDetails
from gridbourse.ledger.sealing import open_record, seal_record
from gridbourse.market.types import DealState, Side
from gridbourse.node.folder.key_rotation import REGULATOR
from gridbourse.node.region import Region

EVERYBODY = ["Anna", "Bert", "roofs", "grid", "roofs/encryption", "grid/encryption", REGULATOR]


@pytest.fixture
def traded(region):
    write(region, "Anna", ask())
    write(region, "Bert", bid())
    trade(region)
    return region


def require_all_in_order(region):
    """All that was, still opens and proves; and the region trades on."""
    before = region.main.market.deal_count()
    write(region, "Anna", ask(period=PERIOD + 1))
    write(region, "Bert", bid(period=PERIOD + 1))
    trade(region)
    assert region.main.market.deal_count() == before + 1
    for deal_id in range(1, before + 2):
        assert region.main.market.deal(deal_id).state is DealState.SETTLED
        assert region.regulator.trace(deal_id).holds
    assert region.regulator.audit() == []
    for name in region.masters:
        assert None not in opened_records(region, name)
        assert region.relays[name].rejected_records == []
    for node_id in ("Anna", "Bert"):
        own = [record for record in region.master_of(node_id).slave.records() if is_about(region, record, node_id)]
        assert all(region.master_of(node_id).nodes[node_id].read(record) for record in own)


def is_about(region, record, node_id):
    details = region.master_of(node_id).encryption_node.open(record)
    return getattr(details, "user_id", getattr(details, "node_id", None)) == node_id


def keys_of(folder, name):
    keys = folder / "keys"
    if name == REGULATOR:
        return KeyFolder(keys).load_node(name)
    if name in ("Anna", "Bert"):
        return KeyFolder(keys / "nodes").load_node(name)
    return KeyFolder(keys / "masters").load_master(name.removesuffix("/encryption")).node


@pytest.mark.parametrize("name", EVERYBODY)
def test_after_a_rotation_everything_goes_on_and_everything_old_opens(traded, folder, name):
    old = keys_of(folder, name)
    for _ in range(2):
        traded.rotate_keys(name)
    new = keys_of(folder, name)
    assert (new.address == old.address) is name.endswith("/encryption")
    assert (new.encryption.key_id == old.encryption.key_id) is (name in ("roofs", "grid"))
    require_all_in_order(traded)


def test_a_region_whose_keys_were_all_rotated_opens_from_disk(traded, folder):
    for name in EVERYBODY:
        traded.rotate_keys(name)
    traded.close()
    with Region.open(folder, clock=Clock()) as region:
        require_all_in_order(region)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", ["Anna", "roofs", REGULATOR])
@pytest.mark.parametrize("blows_at", [1, 2, 3])
def test_an_interrupted_rotation_is_finished_when_the_region_is_opened(folder, name, blows_at, after):
    fuse = Fuse(after=after)
    with Region.open(folder, clock=Clock(), observe=fuse.observe) as region:
        fuse.submissions, fuse.blows_at = 0, blows_at
        if blows_at <= (3 if name == "Anna" else 2):
            with pytest.raises(PowerCut):
                region.rotate_keys(name)
        else:
            region.rotate_keys(name)
    new = keys_of(folder, name)
    with Region.open(folder, clock=Clock()) as region:
        ledger, consortium = region.masters["roofs"].slave.ledger, region.main.consortium
        if name == "Anna":
            assert [ledger.may_write(keys.address) for keys in new.generations] == [True, False]
        elif name == "roofs":
            assert (ledger.master(), consortium.master(1).account) == (new.address, new.address)
            assert not ledger.may_write(new.before.address)
        else:
            assert consortium.regulator().encryption_public == new.encryption.public_bytes
        require_all_in_order(region)


def test_new_records_do_not_open_for_rotated_keys(traded, folder):
    old = {name: keys_of(folder, name) for name in ("Anna", "roofs", REGULATOR)}
    for name in ("Anna", "roofs/encryption", REGULATOR):
        traded.rotate_keys(name)
    write(traded, "Anna", ask())
    slave = traded.masters["roofs"].slave
    records = list(slave.records())
    assert all(open_record(slave.ledger, records[0], keys.encryption) for keys in old.values())
    for keys in old.values():
        with pytest.raises(Exception, match="not sealed to"):
            open_record(slave.ledger, records[-1], keys.encryption)


@pytest.mark.parametrize("name", ["Anna", "roofs"])
def test_a_rotated_key_writes_no_more(traded, folder, name):
    slave, old = traded.masters["roofs"].slave, keys_of(folder, name)
    traded.rotate_keys(name)
    with pytest.raises(ContractReverted, match="NotWriter"):
        Wallet(slave.chain, old.signing).send(slave.ledger.append(1, b""))
    if name == "roofs":
        with pytest.raises(ContractReverted, match="NotActiveMaster"):
            Wallet(traded.main.chain, old.signing).send(traded.main.market.register_traders([b"\x01" * 32]))


def test_a_record_signed_by_a_rotated_key_after_its_rotation_is_not_believed(traded, folder):
    """Even where the master let the old key write again."""
    old = keys_of(folder, "Anna")
    traded.rotate_keys("Anna")
    roofs = traded.masters["roofs"]
    ledger = roofs.slave.ledger
    roofs.slave_wallet.send(ledger.set_writers([old.address], allowed=True))
    forged = OrderDetails("Anna", "Roof 1", 1_000, Side.ASK, ask().energy_types, PERIOD, 1_000, 3_600)
    content = seal_record(ledger, old.address, forged, roofs.encryption_node.readers)
    Wallet(roofs.slave.chain, old.signing).send(ledger.append(RecordKind.ORDER, content))
    assert traded.relays["roofs"].submit() == []
    assert [record.author for record in traded.relays["roofs"].rejected_records] == [old.address]
    (finding,) = traded.regulator.audit()
    assert f"speaks for 'Anna', but 0x{old.address.hex()} signed it" in finding


def test_a_ledger_handed_over_to_somebody_who_is_no_master_is_found(traded):
    roofs, other = traded.masters["roofs"], NodeKeys.generate()
    roofs.slave_wallet.send(roofs.slave.ledger.change_master(other.address))
    (finding,) = traded.regulator.audit()
    assert f"slave chain roofs: its ledger was handed over to 0x{other.address.hex()}" in finding


def test_nobody_elses_name_is_rotated(region):
    for name in ("Nobody", "Anna/encryption", "/encryption"):
        with pytest.raises(InvalidValue, match="encryption"):
            region.rotate_keys(name)


def test_only_the_keys_that_replace_the_newest_ones_enter_a_key_file(folder):
    nodes = KeyFolder(folder / "keys" / "nodes")
    own = nodes.load_node("Anna")
    nodes.renew("Anna", own.renewed())
    for keys in (own.renewed(), NodeKeys.generate()):
        with pytest.raises(InvalidValue, match="replace the newest"):
            nodes.renew("Anna", keys)
    assert [keys.address for keys in nodes.load_node("Anna").generations][1:] == [own.address]


# Revocation


def test_a_revoked_node_writes_no_more_and_its_waiting_orders_are_withdrawn(traded):
    (waiting,) = traded.offer([("Anna", ask(price_ticks=8_000))])
    traded.revoke_node("Anna")
    assert traded.main.market.order(waiting) is None
    with pytest.raises(ContractReverted, match="NotWriter"):
        write(traded, "Anna", ask())
    assert traded.regulator.audit() == []
    assert traded.regulator.trace(1).holds
    assert None not in opened_records(traded, "roofs")


def test_a_revoked_nodes_open_deal_waits_for_no_answer_and_its_order_does_not_come_back(region, clock):
    (sold,) = region.offer([("Anna", ask())])
    region.offer([("Bert", bid())])
    region.revoke_node("Anna")
    assert [question.node.spec.node_id for question in region.deliver()] == ["Bert"]
    clock.now = region.main.market.deal(1).confirm_before + 1
    region.masters["grid"].main_wallet.send(region.main.market.expire([1]))
    assert region.main.market.deal(1).state is DealState.EXPIRED
    assert region.main.market.order(sold) is None
    region.deliver()
    assert region.regulator.audit() == []


def test_a_revoked_node_stays_revoked_and_is_not_named_again(traded, folder):
    traded.revoke_node("Anna")
    traded.close()
    with Region.open(folder, clock=Clock()) as region:
        with pytest.raises(ContractReverted, match="NotWriter"):
            write(region, "Anna", ask())
        region.open_day(DAY + 1)
        assert not region.masters["roofs"].is_named("Anna", DAY + 1)
        assert region.masters["roofs"].is_named("Arno", DAY + 1)


def test_what_a_node_ordered_before_its_revocation_is_taken_up_and_withdrawn(region):
    """Also where the revocation was written before the relay came to it: nothing is dropped unseen."""
    (leaf,) = write(region, "Anna", ask(price_ticks=8_000))
    roofs = region.masters["roofs"]
    record = roofs.encryption_node.seal(roofs.slave_wallet.address, NodeRevoked("Anna"))
    roofs.slave_wallet.send(roofs.slave.ledger.append(*record))
    region.relays["roofs"].submit()
    order_id = region.relays["roofs"].order_of(leaf)
    assert region.main.market.order(order_id) is None
    region.anchor()
    assert region.regulator.audit() == []


def test_an_order_for_a_day_that_was_opened_after_the_revocation_is_not_due(region):
    write(region, "Anna", ask(period=PERIOD + 96))
    region.revoke_node("Anna")
    region.open_day(DAY + 1)
    region.anchor()
    assert region.regulator.audit() == []


def test_a_day_that_was_opened_halfway_is_finished_before_a_node_of_it_is_revoked(folder):
    fuse = Fuse()
    with Region.open(folder, clock=Clock(), observe=fuse.observe) as region:
        write(region, "Anna", ask(period=PERIOD + 96))
        fuse.submissions, fuse.blows_at = 0, 2
        with pytest.raises(PowerCut):
            region.open_day(DAY + 1)
    with Region.open(folder, clock=Clock()) as region:
        region.revoke_node("Anna")
        region.anchor()
        assert region.masters["roofs"].is_named("Anna", DAY + 1)
        assert region.regulator.audit() == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("blows_at", [1, 2, 3, 4])
def test_an_interrupted_revocation_is_finished_when_the_region_is_opened(folder, blows_at, after):
    fuse = Fuse(after=after)
    with Region.open(folder, clock=Clock(), observe=fuse.observe) as region:
        (waiting,) = region.offer([("Anna", ask(price_ticks=8_000))])
        fuse.submissions, fuse.blows_at = 0, blows_at
        with pytest.raises(PowerCut):
            region.revoke_node("Anna")
    with Region.open(folder, clock=Clock()) as region:
        if (blows_at, after) == (1, False):
            assert "Anna" not in region.masters["roofs"].revoked, "nothing was written of it yet"
            return
        assert region.main.market.order(waiting) is None
        assert not region.masters["roofs"].slave.ledger.may_write(region.masters["roofs"].nodes["Anna"].address)
        assert region.regulator.audit() == []


# The command


def test_the_command_rotates_and_revokes(tmp_path):
    from click.testing import CliRunner

    Region.create(tmp_path / "region", SPEC).close()
    for words in (["rotate", "roofs/encryption"], ["rotate", "Anna"], ["revoke", "Anna"]):
        result = CliRunner().invoke(gridbourse, ["key", *words, "--region", str(tmp_path / "region")])
        assert result.exit_code == 0, result.output
        assert words[1] in result.output
