"""Runs a master's node, trades without end, and prints what was acknowledged, until it is killed.

It prints the hash of every transaction that took place, and every trade that one of its orders made. When it is told
to stop it stops trading, and when its input ends it stops in order.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from gridbourse.chain.cometbft.folder import read_account_key
from gridbourse.chain.cometbft.node import Node
from gridbourse.chain.interface import Chain
from gridbourse.contracts.abi import Call
from gridbourse.contracts.energy_market import EnergyMarket
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import Address
from gridbourse.errors import ChainError
from gridbourse.market.events import (
    DealAbandoned,
    DealConfirmed,
    DealSettled,
    IntentRecorded,
    OrderPlaced,
    PartyConfirmed,
)
from gridbourse.market.types import EnergyType, OrderId, OrderRequest, Side

LOWEST_TICKS, HIGHEST_TICKS, LARGEST_WH = 3_000, 3_999, 1_000
ABANDONED = 7
"""Every seventh deal is abandoned."""


def seller_of(master: int) -> int:
    return 2 * master - 1


def buyer_of(master: int) -> int:
    return 2 * master


class Trading:
    """What a master's two traders have to answer, by the chain's events, and what they order next.

    Parameters
    ----------
    market
        The market on the node's own chain.
    master
        The master's number.
    period
        Delivery period of all orders.
    """

    def __init__(self, market: EnergyMarket, master: int, period: int) -> None:
        self._market = market
        self._own = {Side.ASK: seller_of(master), Side.BID: buyer_of(master)}
        self._period = period
        self._random = random.Random(os.getpid())
        self._seen = 0
        self._trader: dict[OrderId, int] = {}
        self._open: dict[tuple[int, Side], None] = {}
        self._to_settle: dict[int, None] = {}
        self._seller: dict[int, int] = {}

    def follow(self, chain: Chain) -> None:
        """Read on from where the last reading ended."""
        head = chain.head().height
        for event in self._market.events_between(self._seen + 1, head):
            match event:
                case OrderPlaced():
                    self._trader[event.order_id] = event.trader
                case IntentRecorded(deal_id=deal_id):
                    self._seller[deal_id] = self._trader[event.ask]
                    for side, order_id in ((Side.ASK, event.ask), (Side.BID, event.bid)):
                        if self._trader[order_id] == self._own[side]:
                            self._open[deal_id, side] = None
                case PartyConfirmed():
                    self._open.pop((event.deal_id, event.side), None)
                case DealAbandoned(deal_id=deal_id):
                    for side in Side:
                        self._open.pop((deal_id, side), None)
                case DealConfirmed(deal_id=deal_id) if self._seller[deal_id] == self._own[Side.ASK]:
                    self._to_settle[deal_id] = None
                case DealSettled():
                    self._to_settle.pop(event.deal_id, None)
        self._seen = head

    def calls(self) -> Iterator[Call]:
        """An ask, a bid, and answers to all deals so far."""
        for side, energy_types in ((Side.ASK, EnergyType.PV), (Side.BID, EnergyType.any())):
            ticks, energy_wh = self._random.randint(LOWEST_TICKS, HIGHEST_TICKS), self._random.randint(1, LARGEST_WH)
            order = OrderRequest(self._own[side], side, energy_types, self._period, ticks, energy_wh)
            yield self._market.place_order(order, self._random.randbytes(32))
        for side in Side:
            asked = [deal_id for deal_id, of in self._open if of is side]
            if confirmed := [deal_id for deal_id in asked if deal_id % ABANDONED]:
                yield self._market.confirm(confirmed, side)
            if abandoned := [deal_id for deal_id in asked if not deal_id % ABANDONED]:
                yield self._market.abandon(abandoned, side)
        if self._to_settle:
            yield self._market.settle(list(self._to_settle))


def main(folder: Path, market: Address, master: int, period: int) -> None:
    with Node(folder) as node:
        node.wait_ready()
        say("ready", node.comet_pid)
        trading = threading.Event()
        trading.set()
        contract = EnergyMarket(node.chain, market)
        wallet = Wallet(node.chain, read_account_key(folder / "account.key"))
        trader = threading.Thread(target=trade, args=(wallet, Trading(contract, master, period), contract, trading))
        trader.start()
        for line in sys.stdin:
            if line == "stop\n":
                trading.clear()
                trader.join()
                say("stopped")
            elif line == "comet\n":
                say("ready", node.comet_pid)
            else:
                say("head", node.chain.head().height, node.chain.head().hash.hex())


def trade(wallet: Wallet, own: Trading, market: EnergyMarket, trading: threading.Event) -> None:
    while trading.is_set():
        try:
            own.follow(wallet.chain)
            receipts = wallet.chain.submit(wallet.sign(list(own.calls())))
        except ChainError:  # not final in time, or displaced by what an earlier life of this node had sent
            wallet.forget_nonces()
            time.sleep(0.1)
            continue
        for receipt in receipts:
            if receipt.succeeded:
                say("done", receipt.transaction_hash.hex())
            for event in market.events(receipt.logs):
                if isinstance(event, IntentRecorded):
                    parties = event.ask.pack(), event.bid.pack()
                    say("deal", event.deal_id, *parties, event.energy_wh, event.price_ticks)


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), Address(bytes.fromhex(sys.argv[2])), int(sys.argv[3]), int(sys.argv[4]))
