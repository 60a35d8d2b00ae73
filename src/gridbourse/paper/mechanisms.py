"""The paper's ten orders through two mechanisms: buyers one after the other, as the paper has it, and one call auction.

The sequential rule lets each buyer in turn take the cheapest sellers, each at the seller's price; so it trades more
energy, for early buyers with low limits use up cheap sellers that later ones would have valued more. The auction trades
less, between those who gain most by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gridbourse.market.auction import Side as AuctionSide
from gridbourse.market.auction import clear, pair
from gridbourse.market.types import Side
from gridbourse.paper.market import ORDERS, PaperOrder, Trade

LIMITS_TICKS = {order.user: order.price_ticks for order in ORDERS}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a mechanism makes of the orders.

    Parameters
    ----------
    name
        The mechanism's.
    trades
        Its trades.
    """

    name: str
    trades: Sequence[Trade]

    @property
    def traded_wh(self) -> int:
        """Energy that changes hands."""
        return sum(trade.energy_wh for trade in self.trades)

    @property
    def welfare(self) -> int:
        """What buyers would have paid at most less what sellers would have taken at least, in 1e-7 yuan."""
        return sum(trade.energy_wh * (LIMITS_TICKS[trade.buyer] - LIMITS_TICKS[trade.seller]) for trade in self.trades)

    @property
    def prices_ticks(self) -> tuple[int, int]:
        """Lowest and highest price."""
        prices = [trade.price_ticks for trade in self.trades]
        return min(prices), max(prices)

    @property
    def traded_by(self) -> Mapping[str, int]:
        """Energy of each user that trades, in Wh."""
        energies: Counter[str] = Counter()
        for trade in self.trades:
            energies[trade.buyer] += trade.energy_wh
            energies[trade.seller] += trade.energy_wh
        return energies


def outcomes(sequential: Sequence[Trade]) -> tuple[Outcome, Outcome]:
    """Both outcomes: the trades of a run, and a call auction of the same orders.

    Parameters
    ----------
    sequential
        The run's trades.
    """
    asks, bids = ([order for order in ORDERS if order.side is side] for side in Side)
    ask_side, bid_side = _side(asks), _side(bids)
    trades = pair(ask_side, bid_side, clear(ask_side, bid_side))
    pairs = zip(
        *(column.tolist() for column in (trades.ask, trades.bid, trades.energy_wh, trades.price_ticks)), strict=True
    )
    auctioned = [
        Trade(number, bids[bid].user, asks[ask].user, energy_wh, price_ticks)
        for number, (ask, bid, energy_wh, price_ticks) in enumerate(pairs, start=1)
    ]
    return Outcome("sequential", sequential), Outcome("call auction", auctioned)


def _side(orders: Sequence[PaperOrder]) -> AuctionSide:
    return AuctionSide.of([(order.price_ticks, order.energy_wh) for order in orders])
