"""The paper's ten orders through two mechanisms: buyers one after the other, as the paper has it, and one call auction.

The sequential rule lets each buyer in turn take the cheapest sellers, each at the seller's price; so it trades more
energy, for early buyers with low limits use up cheap sellers that later ones would have valued more. The auction trades
less, between those who gain most by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gridbourse.simulation.experiment.run import run
from gridbourse.simulation.scenario.description import load_scenario
from gridbourse.simulation.scenario.shipped import shipped
from gridbourse.simulation.scenario.values import Mechanism, Trade


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
        return sum(trade.welfare for trade in self.trades)

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


def outcomes() -> tuple[Outcome, Outcome]:
    """Both outcomes, by the market's rules alone."""
    sequential, auction = (
        run(load_scenario(shipped("paper"), {"market.mechanism": mechanism})).trades
        for mechanism in (Mechanism.SEQUENTIAL, Mechanism.UNIFORM)
    )
    return Outcome("sequential", sequential), Outcome("call auction", auction)
