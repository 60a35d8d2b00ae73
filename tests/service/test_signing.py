"""Records signed where keys are unlocked: how often the node is asked, and what happens where another was faster."""

import asyncio

import pytest
from small_market import PERIOD

from gridbourse.errors import TransactionRejected
from gridbourse.ledger.records import OrderDetails
from gridbourse.market.types import EnergyType, Offer, Side
from gridbourse.node.commands.requests import IdempotencyKey, ReadSigningContext, Submit
from gridbourse.node.folder.key_rotation import RegionKeys
from gridbourse.service.signing import RecordSigner


class Counted:
    """The service's way to its node, and what went over it."""

    def __init__(self, node):
        self._node = node
        self.sent = []

    async def ask(self, command):
        self.sent.append(type(command))
        return await self._node.ask(command)


@pytest.fixture
def way(service):
    return Counted(service.exchange.node)


@pytest.fixture
def keys(service):
    return RegionKeys(service.folder).nodes.load_node("Anna")


def order(energy_wh):
    return OrderDetails.of("Anna", "Roof 1", Offer(Side.ASK, EnergyType.PV, PERIOD, energy_wh, 3_600))


def signed(service, name="Anna"):
    """Quantities of the orders on a node's slave chain, in their sequence."""

    def read(region):
        master = region.master_of(name)
        details = map(master.encryption_node.open, master.slave.records())
        return [one.energy_wh for one in details if isinstance(one, OrderDetails) and one.user_id == name]

    return service.region(read)


def test_the_first_order_asks_for_a_nonce_and_every_further_one_is_a_single_message(service, way, keys):
    signer = RecordSigner(way)
    for energy_wh in (1, 2, 3):
        service.ask(signer.submit(keys, order(energy_wh)))
    assert way.sent == [ReadSigningContext, Submit, Submit, Submit]
    assert signed(service) == [1, 2, 3]


def test_orders_of_one_node_that_come_together_ask_once_and_keep_their_sequence(service, way, keys):
    signer = RecordSigner(way)

    async def together():
        await asyncio.gather(*(signer.submit(keys, order(energy_wh)) for energy_wh in range(1, 41)))

    service.ask(together())
    assert way.sent == [ReadSigningContext, *[Submit] * 40]
    assert signed(service) == list(range(1, 41))


def test_where_another_web_server_was_faster_the_record_is_signed_anew_and_written_once(service, way, keys):
    here, there = RecordSigner(way), RecordSigner(way)
    for signer, energy_wh in ((here, 1), (there, 2), (here, 3), (there, 4)):
        service.ask(signer.submit(keys, order(energy_wh)))
    assert signed(service) == [1, 2, 3, 4]

    async def together():
        await asyncio.gather(*((here, there)[turn % 2].submit(keys, order(turn)) for turn in range(5, 25)))

    service.ask(together())
    assert sorted(signed(service)) == list(range(1, 25))


def test_a_repeated_request_does_not_use_up_a_nonce(service, way, keys):
    signer, key = RecordSigner(way), IdempotencyKey("node:Anna", "k", b"\x01" * 32)
    assert not service.ask(signer.submit(keys, order(1), key)).is_repeated
    assert service.ask(signer.submit(keys, order(1), key)).is_repeated
    service.ask(signer.submit(keys, order(2)))
    assert signed(service) == [1, 2]


def test_what_the_node_refuses_for_another_reason_is_not_tried_again(service, way, keys, monkeypatch):
    signer = RecordSigner(way)
    context = service.ask(signer.context("Anna", keys.address))

    async def poor(node_id, address):
        from dataclasses import replace

        return replace(context, gas_limit=21_000)

    monkeypatch.setattr(signer, "context", poor)
    with pytest.raises(TransactionRejected):
        service.ask(signer.submit(keys, order(1)))
    assert way.sent.count(Submit) == 1
    assert signed(service) == []
