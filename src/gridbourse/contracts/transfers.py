"""What the grid can carry between zones: the part of the market's contract that the dispatcher feeds."""

from __future__ import annotations

from collections.abc import Mapping

from gridbourse.contracts.abi import Call
from gridbourse.contracts.accounts import Accounts
from gridbourse.market.types import TransferCapacity, ZonePair


class Transfers(Accounts):
    """Energy goes from zone to zone as far as the dispatcher has published; within a zone there is no limit."""

    def publish_transfer_capacity(self, capacities_wh: Mapping[ZonePair, int]) -> Call:
        """Publish how much the deals of a period may carry, in Wh for each pair, the whole of it; dispatcher only.

        What deals have taken of it already counts against the new number, which may be smaller.
        """
        rows = [(*pair, capacity_wh) for pair, capacity_wh in capacities_wh.items()]
        return self._call("publishTransferCapacity", rows)

    def transfer_capacity(self, pair: ZonePair) -> TransferCapacity:
        """What may be carried and what deals have taken of it; zero if nothing was published."""
        (fields,) = self._view("transferCapacity", *pair)
        return TransferCapacity(*fields)
