"""What the grid can carry between zones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gridbourse.errors import MarketError
from gridbourse.market.accounts import Accounts
from gridbourse.market.consortium import Consortium
from gridbourse.market.events import TransferCapacityPublished
from gridbourse.market.types import Deal, TransferCapacity, ZonePair


class Transfers(Accounts):
    """How much energy the deals of a delivery period may carry from one zone to another.

    The dispatcher publishes it; what it has not published is zero. Within a zone there is no limit. An intent takes of
    it, an abandoned or expired deal gives back, a settled one keeps it. To publish less than is taken is allowed: no
    deal ends by it, but none is made until enough is free again.
    """

    def __init__(self, consortium: Consortium) -> None:
        super().__init__(consortium)
        self._transfers: dict[ZonePair, TransferCapacity] = {}

    def publish_transfer_capacity(self, caller: int, capacities_wh: Mapping[ZonePair, int]) -> None:
        """Publish what may be carried, for each pair the whole of it.

        Raises
        ------
        MarketError
            ``NotActiveMaster``, ``NotDispatcher``, or ``SameZone`` for a pair that is one zone.
        """
        self.consortium.require_active(caller)
        if caller != self.consortium.dispatcher:
            raise MarketError("NotDispatcher", caller)
        for pair in capacities_wh:
            if pair.from_zone == pair.to_zone:
                raise MarketError("SameZone", pair.from_zone)
        for pair, capacity_wh in capacities_wh.items():
            self._transfers[pair] = replace(self.transfer_capacity(pair), capacity_wh=capacity_wh)
            self.events.append(TransferCapacityPublished(*pair, capacity_wh))

    def transfer_capacity(self, pair: ZonePair) -> TransferCapacity:
        """What may be carried and what deals have taken of it."""
        return self._transfers.get(pair, TransferCapacity())

    def _free_way(self, deal: Deal) -> int:
        """How much of a deal's energy may be carried."""
        pair = self._zones(deal)
        known = self.transfer_capacity(pair)
        return deal.energy_wh if pair.from_zone == pair.to_zone else max(0, known.capacity_wh - known.used_wh)

    def _carry(self, deal: Deal, energy_wh: int) -> None:
        """Take of the capacity, or give back what is negative."""
        pair = self._zones(deal)
        if pair.from_zone != pair.to_zone:
            known = self.transfer_capacity(pair)
            self._transfers[pair] = replace(known, used_wh=known.used_wh + energy_wh)

    def _zones(self, deal: Deal) -> ZonePair:
        return ZonePair(deal.ask.period, self.trader(deal.seller).zone, self.trader(deal.buyer).zone)
