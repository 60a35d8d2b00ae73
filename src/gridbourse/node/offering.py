"""What a user's node does by itself within the limits that its owner set (paper, section 3.3 and Fig. 3).

Readings lead to an expected surplus or need, that to an offer, a deal to an answer. What an owner allows is a record on
the slave chain that its node signed, the newest one counts, and all that the agent knows of its own deeds it takes from
the chains. So it may be stopped at any point and started again: nothing is offered twice, and no deal is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from gridbourse.crypto.keys import Address
from gridbourse.market.types import Offer, Settings, Side
from gridbourse.metering.intake import Intake
from gridbourse.metering.surplus import AutoTradingLimits, propose
from gridbourse.node.region import Region
from gridbourse.node.relay import PendingConfirmation
from gridbourse.units import PERIODS_IN_24_HOURS

Expectation = Callable[[str, int], int | None]
"""Tells what surplus a node expects in a delivery period, in Wh: negative for need, None where nothing is known."""

HISTORY_PERIODS = 8 * PERIODS_IN_24_HOURS
"""How far a forecast looks back."""


class Obstacle(StrEnum):
    """Why a node offers nothing by itself in a delivery period."""

    OFF = "off"
    """Its owner has set no limits, or switched it off."""
    ORDERED = "ordered"
    """It has an order for the period already, by hand or by itself."""
    GATE_CLOSED = "gate_closed"
    NO_FORECAST = "no_forecast"
    """Its meter has said too little to expect anything."""
    NOTHING_LEFT = "nothing_left"
    """The reserve, the share and the smallest offer leave nothing of what is expected."""
    PRICE_LIMIT = "price_limit"
    """The owner's price is one that the market does not take."""


def decide(
    limits: AutoTradingLimits | None, rules: Settings, period: int, now: int, surplus_wh: int | None
) -> Offer | Obstacle:
    """Decide what a node that has no order for a delivery period offers in it by itself.

    Parameters
    ----------
    limits
        Its owner's; None if there never were any.
    rules
        The market's.
    period
        Delivery period.
    now
        Seconds since the epoch.
    surplus_wh
        What it expects; negative for need, None where nothing is known.
    """
    if limits is None or not limits.active:
        return Obstacle.OFF
    if now >= rules.gate_closes_at(period):
        return Obstacle.GATE_CLOSED
    if surplus_wh is None:
        return Obstacle.NO_FORECAST
    offer = propose(limits, period, surplus_wh)
    if offer is None or offer.energy_wh < rules.least_wh:
        return Obstacle.NOTHING_LEFT
    if not rules.floor_ticks <= offer.price_ticks <= rules.cap_ticks:
        return Obstacle.PRICE_LIMIT
    return offer


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
        self._region.submit()  # what was written and not taken up when somebody pulled the plug
        self._region.offer(self.proposals(period), automatic=True)
        self._region.answer(consents(self._region, self._region.deliver()), confirmed=True)

    def proposals(self, period: int) -> list[tuple[str, Offer]]:
        """What nodes want to trade in a delivery period, by master and node; without those that offered already."""
        proposals = []
        rules, now = self._region.main.consortium.settings(), self._region.clock()
        for name, relay in self._region.relays.items():
            relay.catch_up()
            for node_id in self._region.masters[name].nodes:
                if _may_offer(self._region, node_id, period):
                    expected_wh = self._expected_wh(node_id, period)
                    decided = decide(relay.limits[node_id], rules, period, now, expected_wh)
                    if isinstance(decided, Offer):
                        proposals.append((node_id, decided))
        return proposals


def offer_once(region: Region, offers: Sequence[tuple[str, Offer]]) -> list[bool]:
    """Let nodes place offers, except where one has an order for that period by now, or its owner switched it off.

    Parameters
    ----------
    region
        The nodes' region. Between the look at its chains and the offer nobody else may act on it.
    offers
        Nodes and what each is to offer.

    Returns
    -------
    list of bool
        Whether each of them is recorded and was taken up.
    """
    region.submit()
    placing: dict[tuple[str, int], Offer] = {}
    for node_id, offer in offers:
        if (node_id, offer.period) not in placing and _may_offer(region, node_id, offer.period):
            placing[node_id, offer.period] = offer
    region.offer([(node_id, offer) for (node_id, _), offer in placing.items()], automatic=True)
    return [placing.get((node_id, offer.period)) == offer for node_id, offer in offers]


def consents(region: Region, pending_confirmations: Sequence[PendingConfirmation]) -> list[PendingConfirmation]:
    """The deals of orders that nodes placed by themselves, if the owners' limits allow them as they are now.

    The others wait for the owners' own answers: who typed an order has the time to abandon what came of it.
    """
    limits = {node_id: own for relay in region.relays.values() for node_id, own in relay.limits.items()}
    return [question for question in pending_confirmations if _allows(limits.get(question.node.spec.node_id), question)]


def expect_from(intake: Intake, meters: Mapping[str, Address]) -> Expectation:
    """Expect what the meters' readings of the last 8 days suggest (`gridbourse.metering.forecast`).

    Parameters
    ----------
    intake
        The readings.
    meters
        By node: its meter. Of a node without one nothing is expected.
    """
    from gridbourse.metering.forecast import forecast  # noqa: PLC0415 - it loads numpy, for those who expect anything

    def expected_wh(node_id: str, period: int) -> int | None:
        latest = intake.latest(meters[node_id]) if node_id in meters else None
        if latest is None or not 1 <= period - latest.period <= PERIODS_IN_24_HOURS:
            return None
        history = intake.surpluses_wh(latest.meter, latest.period - HISTORY_PERIODS + 1, latest.period)
        found = forecast(history, period - latest.period)
        return found.surplus_wh if found else None

    return expected_wh


def _may_offer(region: Region, node_id: str, period: int) -> bool:
    master = region.master_of(node_id)
    relay = region.relays[master.membership.name]
    limits = relay.limits.get(node_id)
    is_on = limits is not None and limits.active and node_id not in master.revoked
    return is_on and not relay.has_offered(node_id, period)


def _allows(limits: AutoTradingLimits | None, question: PendingConfirmation) -> bool:
    if limits is None or not limits.active or not question.automatic:
        return False
    if question.side is Side.ASK:
        return question.price_ticks >= limits.lowest_sell_ticks
    return question.price_ticks <= limits.highest_buy_ticks
