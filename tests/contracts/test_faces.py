"""The typed faces of the contracts, against the contracts themselves."""

import pytest

from gridbourse.contracts.consortium import Master, RegulatorKeys, SlaveChain
from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.contracts.slave_ledger import record_leaf
from gridbourse.crypto.keys import SigningKey
from gridbourse.crypto.merkle import MerkleLog
from gridbourse.errors import ContractReverted, OrderRefused
from gridbourse.market import events
from gridbourse.market.events import (
    CandidatePassedOver,
    DealAbandoned,
    DealConfirmed,
    DealSettled,
    Deposited,
    DepositMoved,
    IntentRecorded,
    MatchingStopped,
    OrderCancelled,
    OrderPlaced,
    PartyConfirmed,
    QuotaSet,
    TraderRegistered,
    TransferCapacityPublished,
    Withdrawn,
)
from gridbourse.market.types import (
    Deal,
    DealState,
    EnergyType,
    Order,
    OrderId,
    OrderRequest,
    Position,
    Reason,
    Role,
    Settings,
    Side,
    Trader,
    TransferCapacity,
    ZonePair,
)

PERIOD = 1_888_992
NOW = 1_700_006_400
PAYMENT = b"\xaa" * 32
LEAF = b"\xbb" * 32
SELLER, BUYER = 1, 2
ANY = EnergyType.any()
ASK = OrderRequest(SELLER, Side.ASK, EnergyType.PV, PERIOD, 3_600, 1_000)
BID = OrderRequest(BUYER, Side.BID, ANY, PERIOD, 3_700, 1_000)
ASK_ID, BID_ID = OrderId(PERIOD, Side.ASK, 3_600, 0), OrderId(PERIOD, Side.BID, 3_700, 0)


@pytest.fixture
def traders(scene):
    """Trader 1 sells, below the source; trader 2 buys, below the user."""
    market = scene.market
    scene.source.send(market.register_traders([b"\x01" * 32]))
    scene.user.send(market.register_traders([b"\x02" * 32]))
    scene.source.send(market.set_quotas({(SELLER, PERIOD): 1_000}))
    scene.grid.send(market.deposit({BUYER: 10**7}, PAYMENT))
    return scene


@pytest.fixture
def agreed(traders):
    traders.source.send(traders.market.place_order(ASK, LEAF))
    traders.user.send(traders.market.place_order(BID, LEAF))
    return traders


# The market


def happened(scene, wallet, call):
    return scene.market.events(wallet.send(call).logs)


def test_accounts_tell_what_happened(scene):
    market = scene.market
    assert happened(scene, scene.source, market.register_traders([b"\x01" * 32, b"\x02" * 32])) == [
        TraderRegistered(1, 1, b"\x01" * 32),
        TraderRegistered(2, 1, b"\x02" * 32),
    ]
    assert happened(scene, scene.grid, market.deposit({1: 500, 2: 7}, PAYMENT)) == [
        Deposited(1, 500, PAYMENT),
        Deposited(2, 7, PAYMENT),
    ]
    assert happened(scene, scene.grid, market.withdraw(1, 100, PAYMENT)) == [Withdrawn(1, 100, PAYMENT)]
    assert happened(scene, scene.source, market.move_deposit(1, 2, 3)) == [DepositMoved(1, 2, 3)]
    assert happened(scene, scene.source, market.set_quotas({(1, PERIOD): 5})) == [QuotaSet(1, PERIOD, 5)]
    assert [market.trader(number) for number in (1, 2)] == [Trader(1, 397), Trader(1, 10)]
    assert market.position(1, PERIOD) == Position(quota_wh=5)
    assert market.money_moved() == (507, 100)
    assert (market.trader_count(), market.trader_of(1, b"\x02" * 32), market.trader_of(2, b"\x02" * 32)) == (2, 2, 0)


def test_the_dispatcher_publishes_what_goes_between_zones(scene):
    market, way = scene.market, ZonePair(PERIOD, 3, 7)
    assert happened(scene, scene.source, market.register_traders([b"\x01" * 32], [3])) == [
        TraderRegistered(1, 1, b"\x01" * 32, 3)
    ]
    assert market.trader(1).zone == 3
    assert market.transfer_capacity(way) == TransferCapacity()
    assert happened(scene, scene.grid, market.publish_transfer_capacity({way: 5_000})) == [
        TransferCapacityPublished(PERIOD, 3, 7, 5_000)
    ]
    assert market.transfer_capacity(way) == TransferCapacity(5_000, 0)


def test_a_trade_tells_what_happened_from_the_order_to_the_settlement(traders):
    market = traders.market
    assert happened(traders, traders.source, market.place_order(ASK, LEAF)) == [
        OrderPlaced(ASK_ID, SELLER, EnergyType.PV, 1_000, LEAF)
    ]
    assert happened(traders, traders.user, market.place_order(BID, LEAF)) == [
        OrderPlaced(BID_ID, BUYER, ANY, 1_000, LEAF),
        IntentRecorded(1, ASK_ID, BID_ID, 1_000, 3_600, NOW + 300),
    ]
    assert happened(traders, traders.source, market.confirm([1], Side.ASK)) == [PartyConfirmed(1, Side.ASK)]
    assert happened(traders, traders.user, market.confirm([1], Side.BID)) == [
        PartyConfirmed(1, Side.BID),
        DealConfirmed(1),
    ]
    assert happened(traders, traders.grid, market.settle([1])) == [DealSettled(1, 3_600_000)]
    assert market.deal(1) == Deal(
        ASK_ID,
        BID_ID,
        SELLER,
        BUYER,
        1_000,
        NOW + 300,
        seller_confirmed=True,
        buyer_confirmed=True,
        state=DealState.SETTLED,
    )
    assert market.deal_count() == 1
    assert market.events_between(1, traders.chain.head().height)[-1] == DealSettled(1, 3_600_000)


def test_orders_are_read_as_they_stand(agreed):
    market = agreed.market
    waiting = OrderRequest(SELLER, Side.ASK, EnergyType.PV, PERIOD, 3_900, 70)
    agreed.source.send(market.place_order(waiting, LEAF))
    waiting_id = OrderId(PERIOD, Side.ASK, 3_900, 0)
    assert market.waiting_orders(PERIOD, Side.ASK) == [waiting_id]
    assert market.waiting_orders(PERIOD, Side.ASK, energy_types=EnergyType.WIND) == []
    assert market.order(waiting_id) == Order(SELLER, EnergyType.PV, 70, 70)
    assert market.order(OrderId(PERIOD, Side.ASK, 3_900, 9)) is None


def test_cancelling_amending_and_abandoning_tell_what_happened(agreed):
    market = agreed.market
    assert happened(agreed, agreed.user, market.abandon([1], Side.BID)) == [
        DealAbandoned(1, Side.BID),
        events.TurnLost(BID_ID),
    ]
    amended = OrderId(PERIOD, Side.ASK, 3_800, 0)
    assert happened(agreed, agreed.source, market.amend_order(ASK_ID, 500, 3_800, LEAF)) == [
        OrderCancelled(ASK_ID),
        OrderPlaced(amended, SELLER, EnergyType.PV, 500, LEAF),
    ]
    assert happened(agreed, agreed.source, market.cancel_orders([amended])) == [OrderCancelled(amended)]


def test_a_batch_tells_which_order_was_refused_and_why(traders):
    wrong = OrderRequest(SELLER, Side.ASK, EnergyType.PV, PERIOD, 9_001, 1)
    found = happened(traders, traders.source, traders.market.place_orders([wrong, ASK], [LEAF, PAYMENT]))
    assert found == [
        events.OrderRefused(1, 0, LEAF, Reason.PRICE_OUT_OF_BOUNDS),
        OrderPlaced(ASK_ID, SELLER, EnergyType.PV, 1_000, PAYMENT),
    ]


def test_a_search_tells_whom_it_passed_over_and_why_it_stopped(traders):
    market = traders.market
    traders.source.send(market.set_quotas({(SELLER, PERIOD): 1}))
    traders.source.send(market.place_order(ASK, LEAF))
    found = happened(traders, traders.user, market.place_order(BID, LEAF))
    assert found[2:] == [CandidatePassedOver(BID_ID, ASK_ID, Reason.BEYOND_QUOTA)]
    traders.source.send(market.set_quotas({(SELLER, PERIOD): 1_000}))
    traders.grid.send(market.withdraw(BUYER, market.trader(BUYER).free_money, PAYMENT))
    assert happened(traders, traders.user, market.match_order(BID_ID)) == [
        MatchingStopped(BID_ID, Reason.DEPOSIT_TOO_SMALL)
    ]


def test_a_refused_order_raises_its_reason(traders):
    with pytest.raises(OrderRefused) as refused:
        traders.source.send(traders.market.place_order(OrderRequest(SELLER, Side.ASK, ANY, PERIOD, 1, 1), LEAF))
    assert refused.value.reason is Reason.ENERGY_TYPES_INVALID


@pytest.mark.parametrize(
    ("wallet", "call", "error", "arguments"),
    [
        ("source", lambda market: market.register_traders([b"\x01" * 32]), "PseudonymNotFree", (b"\x01" * 32,)),
        ("user", lambda market: market.set_quotas({(SELLER, PERIOD): 1}), "NotYourTrader", (SELLER,)),
        ("user", lambda market: market.move_deposit(BUYER, BUYER, 10**8), "NotEnoughMoney", (BUYER, 10**7, 10**8)),
    ],
    ids=["PseudonymNotFree", "NotYourTrader", "NotEnoughMoney"],
)
def test_what_the_market_refuses_raises_its_error_with_its_arguments(traders, wallet, call, error, arguments):
    with pytest.raises(ContractReverted) as reverted:
        getattr(traders, wallet).send(call(traders.market))
    assert (reverted.value.error, reverted.value.arguments) == (error, arguments)


def test_what_the_consortium_refuses_on_behalf_of_the_market_raises_its_error(scene):
    with pytest.raises(ContractReverted) as reverted:
        scene.stranger.send(scene.market.register_traders([LEAF]))
    assert (reverted.value.error, reverted.value.arguments) == (
        "NotActiveMaster",
        ("0x" + scene.stranger.address.hex(),),
    )


def test_an_error_that_no_contract_declares_stays_unknown_with_its_data(scene):
    reverted = ContractReverted("Unknown", (), b"\xde\xad\xbe\xef" + bytes(32))
    assert scene.market.abi.explain(reverted) is reverted


# The consortium


def test_the_consortium_is_read_as_it_was_created(scene):
    consortium = scene.consortium
    assert consortium.masters() == {
        1: Master(scene.source.address, Role.SOURCE, active=True),
        2: Master(scene.grid.address, Role.GRID, active=True),
        3: Master(scene.user.address, Role.USER, active=True),
    }
    assert (consortium.settlement_agent(), consortium.dispatcher()) == (2, 2)
    assert consortium.regulator() == scene.regulator
    assert consortium.active_master_id(scene.user.address) == 3


def test_settings_come_back_as_they_were_voted(scene):
    wanted = Settings(0, 10, 20, 60, 3, frozenset({Role.SOURCE, Role.AGGREGATOR}), 15, 50, 7_200, 1_800, 25, 3)
    carry(scene.consortium, scene.consortium.change_settings(wanted), (scene.source, scene.grid))
    assert scene.consortium.settings() == wanted


def carry(consortium, action, wallets):
    for wallet in wallets:
        wallet.send(consortium.vote(action))


def test_members_come_go_and_change_by_votes(scene):
    consortium, newcomer = scene.consortium, SigningKey.generate().address
    regulator = RegulatorKeys(SigningKey.generate().address, b"\x07" * 32)
    majority = (scene.source, scene.user)
    carry(consortium, consortium.change_settlement_agent(1), majority)
    carry(consortium, consortium.change_dispatcher(3), majority)
    carry(consortium, consortium.change_regulator(regulator), majority)
    carry(consortium, consortium.suspend(2), majority)
    carry(consortium, consortium.admit(newcomer, Role.AGGREGATOR), majority)
    assert consortium.master(4) == Master(newcomer, Role.AGGREGATOR, active=True)
    assert consortium.master(2) == Master(scene.grid.address, Role.GRID, active=False)
    assert (consortium.settlement_agent(), consortium.dispatcher()) == (1, 3)
    assert consortium.regulator() == regulator
    with pytest.raises(ContractReverted, match="NotActiveMaster"):
        consortium.active_master_id(scene.grid.address)


def test_an_action_without_a_vote_is_refused(scene):
    with pytest.raises(ContractReverted, match="OnlyByVote"):
        scene.source.send(scene.consortium.suspend(2))


def test_a_slave_chain_is_read_as_it_was_registered(scene):
    assert scene.consortium.slave_chain(1) is None
    registered = SlaveChain(77, b"\x0c" * 32, scene.ledger.address)
    scene.source.send(scene.consortium.register_slave(registered))
    assert scene.consortium.slave_chain(1) == registered


# The slave ledger and its anchors


def test_records_come_back_as_they_were_written(scene):
    scene.source.send(scene.ledger.append(1, b"one"))
    receipt = scene.source.send(scene.ledger.append_many([(2, b""), (255, b"x" * 1_000)]))
    records = list(scene.ledger.records())
    assert [(record.index, record.kind, record.content) for record in records] == [
        (0, 1, b"one"),
        (1, 2, b""),
        (2, 255, b"x" * 1_000),
    ]
    for record in records:
        assert record.author == scene.source.address
        assert record.leaf == record_leaf(record.author, record.kind, record.content)
    assert records[2].transaction_hash == receipt.transaction_hash
    assert scene.ledger.leaf_count() == 3
    assert [record.index for record in scene.ledger.records(first_block=records[1].height)] == [1, 2]


def test_the_master_says_who_may_write(scene):
    assert not scene.ledger.may_write(scene.user.address)
    scene.source.send(scene.ledger.set_writers([scene.user.address], allowed=True))
    scene.user.send(scene.ledger.append(1, b"mine"))
    scene.source.send(scene.ledger.set_writers([scene.user.address], allowed=False))
    with pytest.raises(ContractReverted) as reverted:
        scene.user.send(scene.ledger.append(1, b"mine"))
    assert (reverted.value.error, reverted.value.arguments) == ("NotWriter", ("0x" + scene.user.address.hex(),))


def test_anchors_come_back_and_prove_what_they_state(scene):
    log = MerkleLog(bytes([number]) * 32 for number in range(5))
    scene.source.send(scene.consortium.register_slave(SlaveChain(77, b"\x0c" * 32, scene.ledger.address)))
    assert (scene.anchors.anchors(1), scene.anchors.last_anchor(1)) == ([], None)
    wanted = [Anchor(1, 4, 3, log.root(3)), Anchor(5, 9, 5, log.root(5))]
    for anchor in [*wanted, wanted[1]]:
        scene.source.send(scene.anchors.anchor(anchor))
    assert scene.anchors.anchors(1) == wanted
    assert scene.anchors.last_anchor(1) == wanted[1]
    assert scene.anchors.includes(1, 0, 2, bytes([2]) * 32, log.inclusion_proof(2, 3))
    assert not scene.anchors.includes(1, 0, 2, bytes([1]) * 32, log.inclusion_proof(2, 3))


def test_an_anchor_with_a_gap_is_refused(scene):
    scene.source.send(scene.consortium.register_slave(SlaveChain(77, b"\x0c" * 32, scene.ledger.address)))
    with pytest.raises(ContractReverted) as reverted:
        scene.source.send(scene.anchors.anchor(Anchor(2, 4, 1, LEAF)))
    assert (reverted.value.error, reverted.value.arguments) == ("RangeNotNext", (2, 1))
