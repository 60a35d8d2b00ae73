"""The market's contract does the same on every engine, from the order to the settlement."""

from __future__ import annotations

import time
from secrets import token_bytes
from types import SimpleNamespace

import pytest

from gridbourse.contracts.consortium import RegulatorKeys
from gridbourse.contracts.main_chain import MainChain
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import ContractReverted, OrderRefused
from gridbourse.market.events import (
    DealAbandoned,
    DealConfirmed,
    DealSettled,
    IntentRecorded,
    OrderPlaced,
    PartyConfirmed,
)
from gridbourse.market.types import DealState, EnergyType, OrderId, OrderRequest, Reason, Role, Settings, Side
from gridbourse.units import PERIOD_SECONDS

SETTINGS = Settings(cooling_off_seconds=300, floor_ticks=0, cap_ticks=9_000, gate_lead_seconds=900, max_candidates=64)
PERIOD = int(time.time()) // PERIOD_SECONDS + 96
SELLER, BUYER = 1, 2
LEAF = b"\xbb" * 32
ANY = EnergyType.any()


@pytest.fixture
def market(chain):
    """A new market: trader 1 sells, below the source; trader 2 buys, below the grid company, which also settles."""
    source, grid = (Wallet(chain, SigningKey(token_bytes(32))) for _ in range(2))
    regulator = RegulatorKeys(SigningKey(token_bytes(32)).address, token_bytes(32))
    main = MainChain.create(chain, source, {source.address: Role.SOURCE, grid.address: Role.GRID}, regulator, SETTINGS)
    reopened = MainChain.at(chain, *main.contracts)
    contract = reopened.market
    source.send_many([contract.register_traders([b"\x01" * 32]), contract.set_quotas({(SELLER, PERIOD): 10_000})])
    grid.send_many([contract.register_traders([b"\x02" * 32]), contract.deposit({BUYER: 10**9}, bytes(32))])
    return SimpleNamespace(chain=chain, source=source, grid=grid, contract=contract)


def happened(market, wallet, call):
    return market.contract.events(wallet.send(call).logs)


def agree(market, ticks, energy_wh=1_000):
    """Let an ask and a bid for the same meet; returns both ids and what became of the bid."""
    contract = market.contract
    ask = OrderRequest(SELLER, Side.ASK, EnergyType.PV, PERIOD, ticks, energy_wh)
    bid = OrderRequest(BUYER, Side.BID, ANY, PERIOD, ticks + 100, energy_wh)
    [placed] = happened(market, market.source, contract.place_order(ask, LEAF))
    receipt = market.grid.send(contract.place_order(bid, LEAF))
    return placed.order_id, contract.events(receipt.logs), market.chain.header(receipt.height).timestamp


def test_an_order_is_placed_matched_confirmed_and_settled(market):
    contract = market.contract
    ask_id, events, now = agree(market, 3_600)
    bid_id = OrderId(PERIOD, Side.BID, 3_700, 0)
    assert ask_id == OrderId(PERIOD, Side.ASK, 3_600, 0)
    assert events == [
        OrderPlaced(bid_id, BUYER, ANY, 1_000, LEAF),
        IntentRecorded(1, ask_id, bid_id, 1_000, 3_600, now + 300),
    ]
    assert happened(market, market.source, contract.confirm([1], Side.ASK)) == [PartyConfirmed(1, Side.ASK)]
    assert happened(market, market.grid, contract.confirm([1], Side.BID)) == [
        PartyConfirmed(1, Side.BID),
        DealConfirmed(1),
    ]
    assert happened(market, market.grid, contract.settle([1])) == [DealSettled(1, 3_600_000)]
    assert contract.deal(1).state is DealState.SETTLED
    assert contract.events_between(1, market.chain.head().height)[-1] == DealSettled(1, 3_600_000)


def test_a_deal_is_abandoned(market):
    contract = market.contract
    agree(market, 3_600)
    events = happened(market, market.grid, contract.abandon([1], Side.BID))
    assert DealAbandoned(1, Side.BID) in events
    assert contract.deal(1).state is DealState.ABANDONED


def test_many_orders_in_one_send_are_matched_in_their_order(market):
    contract = market.contract
    asks = [OrderRequest(SELLER, Side.ASK, EnergyType.PV, PERIOD, 3_000 + turn, 10) for turn in range(20)]
    market.source.send_many([contract.place_order(ask, LEAF) for ask in asks])
    bid = OrderRequest(BUYER, Side.BID, ANY, PERIOD, 9_000, 200)
    events = happened(market, market.grid, contract.place_order(bid, LEAF))
    prices = [event.price_ticks for event in events if isinstance(event, IntentRecorded)]
    assert prices == [3_000 + turn for turn in range(20)], "the cheapest first, at the seller's price"
    assert contract.deal_count() == 20


def test_refusals_carry_their_reason(market):
    contract = market.contract
    above_cap = OrderRequest(SELLER, Side.ASK, EnergyType.PV, PERIOD, 9_001, 1)
    with pytest.raises(OrderRefused) as refused:
        market.source.send(contract.place_order(above_cap, LEAF))
    assert refused.value.reason is Reason.PRICE_OUT_OF_BOUNDS
    ask_id, _, _ = agree(market, 3_600)
    with pytest.raises(ContractReverted) as refused:
        market.grid.send(contract.amend_order(ask_id, 5, 3_000, LEAF))
    assert refused.value.error not in {"Unknown", "OutOfGas"}
