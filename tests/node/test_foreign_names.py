"""A master that sees what another one sends, and sends the same first, takes nothing of it, and is named."""

import pytest
from small_region import DAY, PAYMENT, SPEC, ask, bid, records_of, trade, write

from gridbourse.contracts.consortium import ValidatorKeys
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import InvalidValue
from gridbourse.ledger.records import DealDetails
from gridbourse.market.events import OrderPlaced, OrderRefused
from gridbourse.market.types import OrderRequest, Role, Side
from gridbourse.node.region import Region


@pytest.fixture
def copied(tmp_path, clock):
    """A region in which the grid master registered the names of the other's users before that master did."""
    with Region.create(tmp_path / "region", SPEC, clock=clock) as region:
        roofs, grid = region.masters["roofs"], region.masters["grid"]
        day_key = roofs._pseudonyms.day_key(DAY)
        names = sorted(day_key.pseudonym(node_id.encode()) for node_id in roofs.nodes)
        grid.main_wallet.send(region.main.market.register_traders(names))
        region.open_day(DAY)
        region.deposit({"Anna": 10**8, "Bert": 10**9}, DAY, PAYMENT)
        yield region


def test_a_copied_name_brings_neither_deposits_nor_orders(copied):
    market = copied.main.market
    thieves, own = (1, 2), [copied.masters["roofs"].trader(node_id, DAY) for node_id in ("Anna", "Arno")]
    assert not set(thieves) & set(own)
    assert all(market.trader(trader).master_id == 1 for trader in own)
    copied.offer([("Anna", ask()), ("Bert", bid())])
    trade(copied)
    assert market.trader(own[0]).free_money == 10**8 + market.deal(1).money
    assert [market.trader(trader).free_money for trader in thieves] == [0, 0]
    assert len(records_of(copied, "roofs", DealDetails)) == 2, "the intent, and that it was settled"


def test_the_audit_names_who_registered_a_foreign_name(copied):
    findings = copied.regulator.audit()
    assert len(findings) == 2
    assert {user for user in ("Anna", "Arno") for finding in findings if user in finding} == {"Anna", "Arno"}
    assert all("grid registered the name of" in finding for finding in findings)


def test_the_audit_names_who_registered_a_name_of_nobody(region):
    region.masters["grid"].main_wallet.send(region.main.market.register_traders([b"\x07" * 32]))
    (finding,) = region.regulator.audit()
    assert "grid registered a name of nobody" in finding


@pytest.mark.parametrize("energy_wh", [0, 50], ids=["refused", "placed"])
def test_a_copied_record_hash_keeps_no_order_from_the_market(region, energy_wh):
    """The other master sends an order of its own that names the record, or one that is refused."""
    (leaf,) = write(region, "Anna", ask())
    grid, order = region.masters["grid"], ask(energy_wh=energy_wh, price_ticks=3_601)
    request = OrderRequest(
        grid.trader("Bea", DAY), Side.ASK, order.energy_types, order.period, order.price_ticks, order.energy_wh
    )
    grid.main_wallet.send(region.main.market.place_orders([request], [leaf]))
    relay = region.relays["roofs"]
    happened = [event for event in relay.submit() if isinstance(event, OrderPlaced | OrderRefused)]
    assert [event.record_hash for event in happened] == [leaf]
    assert region.main.market.fate_of_record(1, leaf) == relay.order_of(leaf) == happened[0].order_id
    assert region.main.market.order(happened[0].order_id).energy_wh == 1_000


def test_the_audit_names_a_validator_key_without_proof(region):
    consortium, grid = region.main.consortium, region.masters["grid"]
    grid.main_wallet.send(consortium.register_validator(ValidatorKeys(b"\x05" * 32, b"\x06" * 20), bytes(64)))
    (finding,) = region.regulator.audit()
    assert "grid registered the validator key 0505" in finding


def test_a_deposit_for_a_number_that_nobody_has_is_refused_by_name(region):
    with pytest.raises(InvalidValue, match="trader"):
        region.credit({99: 1}, b"\x02" * 32)


def test_the_audit_names_a_slave_chain_that_two_masters_registered(region):
    consortium, newcomer = region.main.consortium, SigningKey(b"\x30" * 32)
    for master in region.masters.values():
        master.main_wallet.send(consortium.vote(consortium.admit(newcomer.address, Role.USER)))
    Wallet(region.main.chain, newcomer).send(consortium.register_slave(consortium.slave_chain(1)))
    assert "main chain: roofs and number 3 registered the same slave chain" in region.regulator.audit()
