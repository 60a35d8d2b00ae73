"""Strategies of your own: a class says a price, and is told what became of the order."""

import random

from gridbourse.simulation import Outcome, Situation


class Careful:
    """Begins between its limit and the market's bound, and gives way whenever it was not served.

    Parameters
    ----------
    draw
        Chance, seeded for this participant.
    share
        How far it goes from its limit at the beginning, from 0 to 1.
    """

    def __init__(self, draw: random.Random, share: float) -> None:
        self.share = share * draw.uniform(0.8, 1.2)

    def price_ticks(self, situation: Situation) -> int:
        """A price in 0.0001 yuan/kWh; what is worse than the limit, or beyond the market's bounds, is brought back."""
        bound = situation.cap_ticks if situation.side.name == "ASK" else situation.floor_ticks
        return round(situation.limit_ticks + self.share * (bound - situation.limit_ticks))

    def learn(self, outcome: Outcome) -> None:
        """Gives way by a tenth where nothing was traded, and asks for a little more where all was."""
        if outcome.traded_wh == 0:
            self.share *= 0.9
        elif outcome.traded_wh == outcome.situation.energy_wh:
            self.share = min(self.share * 1.02, 1.0)
