"""What a user's node does by itself within the limits that its owner set (paper, section 3.3 and Fig. 3).

Readings lead to an expected surplus or need, that to an offer, a deal to an answer. What an owner allows is a record on
the slave chain that its node signed, the newest one counts, and all that the agent knows of its own deeds it takes from
the chains. So it may be stopped at any point and started again: nothing is offered twice, and no deal is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gridbourse.crypto.keys import Address
from gridbourse.market.types import Offer, Side
from gridbourse.metering.forecast import forecast
from gridbourse.metering.intake import Intake
from gridbourse.metering.surplus import OfferLimits, propose
from gridbourse.network.region import Region
from gridbourse.network.uplink import Question
from gridbourse.units import PERIODS_PER_DAY

Expectation = Callable[[str, int], int | None]
"""Tells what surplus a node expects in a delivery period, in Wh: negative for need, None where nothing is known."""

_HISTORY_PERIODS = 8 * PERIODS_PER_DAY


class Agent:
    """Acts for all nodes in a region's folder whose owners have set limits.

    Parameters
    ----------
    region
        The region; owners set their limits with `Region.set_limits`, which also switches a node on or off.
    expected_wh
        Where its expectations come from: `expect_from` makes them from meters.
    """

    def __init__(self, region: Region, expected_wh: Expectation) -> None:
        self._region = region
        self._expected_wh = expected_wh

    def act(self, period: int) -> None:
        """Offer what is to be traded in a delivery period, and answer every deal that waits.

        It may be called as often as one likes. Settlement is not the users' but the settlement agent's:
        `Region.settle`.
        """
        self._region.take_up()  # what was written and not taken up when somebody pulled the plug
        self._region.offer(self.proposals(period))
        self._region.answer(self.consents(self._region.bring_down()), confirmed=True)

    def proposals(self, period: int) -> list[tuple[str, Offer]]:
        """What nodes want to trade in a delivery period, by master and node; without those that offered already."""
        proposals = []
        for name, uplink in self._region.uplinks.items():
            uplink.catch_up()
            for node_id in self._region.masters[name].nodes:
                limits = uplink.limits.get(node_id)
                if limits is None or not limits.active or uplink.has_offered(node_id, period):
                    continue
                surplus_wh = self._expected_wh(node_id, period)
                offer = propose(limits, period, surplus_wh) if surplus_wh is not None else None
                if offer is not None:
                    proposals.append((node_id, offer))
        return proposals

    def consents(self, questions: Sequence[Question]) -> list[Question]:
        """The deals that the owners' limits allow as they are now; the others wait for the owners' own answers."""
        limits = {node_id: own for uplink in self._region.uplinks.values() for node_id, own in uplink.limits.items()}
        return [question for question in questions if _allows(limits.get(question.node.spec.node_id), question)]


def expect_from(intake: Intake, meters: Mapping[str, Address]) -> Expectation:
    """Expect what the meters' readings of the last 8 days suggest (`gridbourse.metering.forecast`).

    Parameters
    ----------
    intake
        The readings.
    meters
        By node: its meter. Of a node without one nothing is expected.
    """

    def expected_wh(node_id: str, period: int) -> int | None:
        latest = intake.latest(meters[node_id]) if node_id in meters else None
        if latest is None or not 1 <= period - latest.period <= PERIODS_PER_DAY:
            return None
        history = intake.surpluses_wh(latest.meter, latest.period - _HISTORY_PERIODS + 1, latest.period)
        found = forecast(history, period - latest.period)
        return found.surplus_wh if found else None

    return expected_wh


def _allows(limits: OfferLimits | None, question: Question) -> bool:
    if limits is None or not limits.active:
        return False
    if question.side is Side.ASK:
        return question.price_ticks >= limits.lowest_sell_ticks
    return question.price_ticks <= limits.highest_buy_ticks
