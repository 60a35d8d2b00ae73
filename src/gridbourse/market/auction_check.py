"""Checking a clearing in one pass over the sorted orders, as the contract does; anybody may submit a clearing.

Nothing is cleared again: that a result is right is seen from the orders around its price. No accepted ask is above the
price and no rejected ask below it, the same for bids, volumes are equal; then more could be traded only if both sides
had something left at the price, and the prices that would do as well are bounded by the last accepted and the first
unmet order of each side. Reasons have the names of the contract's errors (contracts/src/interfaces/IAuction.sol).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from gridbourse.market.auction import MAX_TOTAL_WH, Clearing, Integers, Rationing, Side, TieRule

_FAR = 2**31
"""Beyond every price."""


class Fault(IntEnum):
    """Why a clearing is refused; `NONE` if it is right."""

    NONE = 0
    ORDERS_MISSING = 1
    NOT_SORTED = 2
    MORE_THAN_ORDERED = 3
    ASK_ABOVE_PRICE_ACCEPTED = 4
    ASK_BELOW_PRICE_REJECTED = 5
    BID_BELOW_PRICE_ACCEPTED = 6
    BID_ABOVE_PRICE_REJECTED = 7
    WRONGLY_RATIONED = 8
    MARGIN_MISSTATED = 9
    VOLUMES_DIFFER = 10
    MORE_CAN_BE_TRADED = 11
    PRICE_AGAINST_TIE_RULE = 12


class Margin(NamedTuple):
    """What whoever submits says of a side's orders at the price; the pass sees whether it is so.

    Parameters
    ----------
    energy_wh, accepted_wh
        Their energy, and what of it is accepted.
    """

    energy_wh: int
    accepted_wh: int


@dataclass(frozen=True, slots=True)
class SubmittedSide:
    """A side of a clearing as it is submitted.

    Parameters
    ----------
    margin
        The orders at the price.
    places
        All orders of the session's side by their turn of arrival: asks by rising price, bids by falling price, equal
        ones by arrival.
    accepted_wh
        In this sequence, what is accepted of each.
    """

    margin: Margin
    places: Sequence[int]
    accepted_wh: Sequence[int]


@dataclass(frozen=True, slots=True)
class Submission:
    """A clearing as it is submitted.

    Parameters
    ----------
    price_ticks
        The price; None if nothing is traded.
    asks, bids
        Its sides.
    """

    price_ticks: int | None
    asks: SubmittedSide
    bids: SubmittedSide


_NOTHING = Margin(0, 0)


@dataclass(slots=True)
class _Pass:
    """What is remembered of a side while its orders go by, best first.

    Ranks are prices, negated for bids: on both sides the better order has the lower rank.
    """

    rank: int
    margin: Margin
    rationing: Rationing
    volume_wh: int = 0
    seen: Margin = _NOTHING
    last_accepted: int = -_FAR
    first_unmet: int = _FAR
    previous: tuple[int, int] = (-_FAR, -1)
    least_up: tuple[int, int] = (MAX_TOTAL_WH, 0)
    most_down: tuple[int, int] = (-1, 0)

    def take(self, rank: int, place: int, energy_wh: int, accepted_wh: int) -> Fault:
        """Look at the next order."""
        if (rank, place) <= self.previous:
            return Fault.NOT_SORTED
        self.previous = (rank, place)
        if not 0 <= accepted_wh <= energy_wh:
            return Fault.MORE_THAN_ORDERED
        if rank > self.rank and accepted_wh:
            return Fault.ASK_ABOVE_PRICE_ACCEPTED
        if rank < self.rank and accepted_wh < energy_wh:
            return Fault.ASK_BELOW_PRICE_REJECTED
        if rank == self.rank and not self._rationed(place, energy_wh, accepted_wh):
            return Fault.WRONGLY_RATIONED
        self.volume_wh += accepted_wh
        if accepted_wh:
            self.last_accepted = rank
        if accepted_wh < energy_wh:
            self.first_unmet = min(self.first_unmet, rank)
        return Fault.NONE

    def _rationed(self, place: int, energy_wh: int, accepted_wh: int) -> bool:
        """Whether an order at the price gets its part, as far as it can be told before the end."""
        if not energy_wh:
            return True
        left_wh = self.margin.accepted_wh - self.seen.accepted_wh
        self.seen = Margin(self.seen.energy_wh + energy_wh, self.seen.accepted_wh + accepted_wh)
        if self.rationing is Rationing.BY_TIME:
            return accepted_wh == min(energy_wh, max(left_wh, 0))
        if self.margin.energy_wh <= 0:
            return False
        part, remainder = divmod(self.margin.accepted_wh * energy_wh, self.margin.energy_wh)
        if accepted_wh == part:
            self.most_down = max(self.most_down, (remainder, -place))
        elif accepted_wh == part + 1:
            self.least_up = min(self.least_up, (remainder, -place))
        else:
            return False
        return True

    def end(self) -> Fault:
        """Look at what only the end tells.

        Of the orders at the price, those that got the Wh left over have the larger remainders, and of equal ones the
        earlier turns.
        """
        if self.seen != self.margin:
            return Fault.MARGIN_MISSTATED
        return Fault.WRONGLY_RATIONED if self.least_up < self.most_down else Fault.NONE


_OF_BIDS = {
    Fault.ASK_ABOVE_PRICE_ACCEPTED: Fault.BID_BELOW_PRICE_ACCEPTED,
    Fault.ASK_BELOW_PRICE_REJECTED: Fault.BID_ABOVE_PRICE_REJECTED,
}


def check_clearing(
    asks: Side,
    bids: Side,
    submitted: Submission,
    tie_rule: TieRule = TieRule.MIDDLE,
    rationing: Rationing = Rationing.PRO_RATA,
) -> Fault:
    """Check a clearing; the first fault found, asks first and in the sequence of the orders.

    Parameters
    ----------
    asks, bids
        The session's orders.
    submitted
        What is said to be their clearing.
    tie_rule, rationing
        The session's settings.
    """
    price = submitted.price_ticks
    ask_side = _Pass(-_FAR if price is None else price, submitted.asks.margin, rationing)
    bid_side = _Pass(-_FAR if price is None else -price, submitted.bids.margin, rationing)
    if fault := _walk(ask_side, asks, submitted.asks, 1):
        return fault
    if fault := _walk(bid_side, bids, submitted.bids, -1):
        return _OF_BIDS.get(fault, fault)
    if ask_side.volume_wh != bid_side.volume_wh:
        return Fault.VOLUMES_DIFFER
    if ask_side.first_unmet <= -bid_side.first_unmet:
        return Fault.MORE_CAN_BE_TRADED
    if price is None:
        return Fault.NONE
    lowest = max(ask_side.last_accepted, -bid_side.first_unmet)
    highest = min(-bid_side.last_accepted, ask_side.first_unmet)
    chosen = ask_side.volume_wh and price == tie_rule.choose(lowest, highest)
    return Fault.NONE if chosen else Fault.PRICE_AGAINST_TIE_RULE


def submit(asks: Side, bids: Side, clearing: Clearing) -> Submission:
    """Write a clearing as it is submitted."""
    price = clearing.price_ticks
    return Submission(
        price,
        _submitted(asks, clearing.asks_wh, asks.price_ticks, price),
        _submitted(bids, clearing.bids_wh, -bids.price_ticks, price),
    )


def _walk(side_pass: _Pass, side: Side, submitted: SubmittedSide, sign: int) -> Fault:
    prices, energies = side.price_ticks.tolist(), side.energy_wh.tolist()
    if not len(submitted.places) == len(submitted.accepted_wh) == len(side):
        return Fault.ORDERS_MISSING
    for place, accepted_wh in zip(submitted.places, submitted.accepted_wh, strict=True):
        if not 0 <= place < len(side):
            return Fault.ORDERS_MISSING
        if fault := side_pass.take(sign * prices[place], place, energies[place], accepted_wh):
            return fault
    return side_pass.end()


def _submitted(side: Side, accepted_wh: Integers, rank: Integers, price: int | None) -> SubmittedSide:
    at_price = side.price_ticks == price if price is not None else np.zeros(len(side), np.bool_)
    margin = Margin(int(side.energy_wh[at_price].sum()), int(accepted_wh[at_price].sum()))
    places = np.argsort(rank, kind="stable")
    return SubmittedSide(margin, places.tolist(), accepted_wh[places].tolist())
