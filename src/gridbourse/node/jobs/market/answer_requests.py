"""A request for energy makes prosumers look at their meters: who has a surplus answers with an offer (Fig. 3)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gridbourse.market.types import Offer, Side
from gridbourse.node.jobs.job import REGION, Task
from gridbourse.node.offering import decide, offer_once
from gridbourse.node.planning import Planner
from gridbourse.node.readings import Readings
from gridbourse.node.region import Region


class AnswerRequests:
    """Nodes answer bids on the main chain, whosever they are, within their owners' limits.

    A node answers a request for a delivery period for which it has no order yet, if its schedule or its meter lets it
    expect a surplus and the price is one at which it may sell. The market does the rest.

    Parameters
    ----------
    readings
        What meters said.
    """

    name = "answer requests"
    every_seconds = 0.0

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._height: int | None = None

    def tasks(self, region: Region) -> Iterator[Task]:
        """One, if there are new requests that any node may answer."""
        relay = next(iter(region.relays.values()), None)
        if relay is None:
            return
        relay.catch_up()
        market = relay.market
        after, self._height = self._height, market.height
        # What was asked for before this began to look is for those who looked then.
        is_answering = any(limits.active for relay in region.relays.values() for limits in relay.limits.values())
        asked = market.requests(after) if is_answering and after not in {None, self._height} else {}
        if asked and (offers := self._offers(region, asked)):
            yield Task(REGION, partial(offer_once, region, offers))

    def _offers(self, region: Region, asked: dict[int, int]) -> list[tuple[str, Offer]]:
        """What nodes answer to requests: by period, the highest price that somebody bids."""
        self._readings.catch_up(region)
        planner, rules, now = Planner(region, self._readings), region.main.consortium.settings(), region.clock()
        owners = [(relay, relay.limits) for relay in region.relays.values()]
        found = []
        for period, price_ticks in asked.items():
            if now >= rules.gate_closes_at(period):
                continue
            for relay, allowed in owners:
                for node_id, limits in allowed.items():
                    if (
                        limits.active
                        and not relay.has_offered(node_id, period)
                        and limits.lowest_sell_ticks <= price_ticks
                    ):
                        made = decide(limits, rules, period, now, planner.expected_wh(node_id, period))
                        if isinstance(made, Offer) and made.side is Side.ASK:
                            found.append((node_id, made))
        return found
