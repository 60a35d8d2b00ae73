"""Call auction 集中竞价: all orders of a session are cleared at one price.

``S(p)`` is the energy of all asks at or below p, ``D(p)`` of all bids at or above it. The volume is the largest
``min(S, D)``. Of the prices that reach it those count at which nobody who offered better is left out: they are the
whole ticks from the dearest accepted ask or dearest unmet bid, whichever is higher, to the cheapest accepted bid or
cheapest unmet ask. A tie rule chooses among them; orders at the price itself are rationed. So the welfare is the
largest that these orders allow, exactly: everything is integers, and prices are few enough to be counted one by one.

Money, unlike the volume, depends on the session's pricing: one price for all, the bid's own, or the middle of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gridbourse.errors import InvalidValue
from gridbourse.units import MAX_ENERGY_WH, MAX_PRICE_TICKS

Integers = NDArray[np.int64]

MAX_TOTAL_WH = 2**62
"""Energy of a side is below this, so that every sum fits into 64 bits."""

_LOW_BITS = 20


class TieRule(StrEnum):
    """Which of several prices with the same volume is taken."""

    MIDDLE = "middle"
    """Half a tick goes up."""
    LOWEST = "lowest"
    """The last accepted ask's price, or that of a dearer bid which was not met."""
    HIGHEST = "highest"
    """The last accepted bid's price, or that of a cheaper ask which was not met."""

    def choose(self, lowest_ticks: int, highest_ticks: int) -> int:
        """One price of an interval of whole ticks."""
        if self is TieRule.LOWEST:
            return lowest_ticks
        if self is TieRule.HIGHEST:
            return highest_ticks
        return (lowest_ticks + highest_ticks + 1) // 2


class Rationing(StrEnum):
    """Who is served at the price itself, where there is more on one side than on the other."""

    PRO_RATA = "pro_rata"
    """Everybody by its energy, to the last Wh (largest remainder; of equal ones the earlier)."""
    BY_TIME = "by_time"
    """The earlier ones wholly."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Asks or bids of a session.

    Parameters
    ----------
    price_ticks, energy_wh
        One entry for each order, in the order of arrival; a cancelled one keeps its turn and has no energy.

    Raises
    ------
    InvalidValue
        Arrays of unequal length, a price beyond 65535 ticks either way, an energy that is not from 0 to 2^40 - 1 Wh,
        or more energy altogether than 2^62 Wh.
    """

    price_ticks: Integers
    energy_wh: Integers

    def __post_init__(self) -> None:
        prices, energies = self.price_ticks, self.energy_wh
        if prices.shape != energies.shape or prices.ndim != 1:
            raise InvalidValue("energy_wh", energies.shape, f"one energy for each of {prices.shape} prices")
        if not prices.size:
            return
        if np.abs(prices).max() > MAX_PRICE_TICKS:
            raise InvalidValue("price_ticks", int(np.abs(prices).max()), f"prices within {MAX_PRICE_TICKS} ticks of 0")
        if energies.min() < 0 or energies.max() > MAX_ENERGY_WH:
            raise InvalidValue("energy_wh", int(energies.min()), f"energies from 0 to {MAX_ENERGY_WH} Wh")
        if int(energies.max()) * energies.size >= MAX_TOTAL_WH:
            raise InvalidValue("energy_wh", energies.size, "fewer orders in one session")

    @classmethod
    def of(cls, orders: Sequence[tuple[int, int]]) -> Side:
        """A side from pairs of price (ticks) and energy (Wh)."""
        pairs = np.array(orders, dtype=np.int64).reshape(len(orders), 2)
        return cls(pairs[:, 0].copy(), pairs[:, 1].copy())

    def __len__(self) -> int:
        return self.price_ticks.size

    def value(self, accepted_wh: Integers) -> int:
        """Sum of price x accepted energy in 1e-7 yuan, however large."""
        low = int((self.price_ticks * (accepted_wh & (1 << _LOW_BITS) - 1)).sum())
        return low + (int((self.price_ticks * (accepted_wh >> _LOW_BITS)).sum()) << _LOW_BITS)


@dataclass(frozen=True, slots=True, eq=False)
class Clearing:
    """The result of a session.

    Parameters
    ----------
    price_ticks
        The clearing price; None if nothing is traded.
    volume_wh
        Energy that is traded.
    asks_wh, bids_wh
        Of each order what is accepted.
    """

    price_ticks: int | None
    volume_wh: int
    asks_wh: Integers
    bids_wh: Integers


def clear(
    asks: Side, bids: Side, *, tie_rule: TieRule = TieRule.MIDDLE, rationing: Rationing = Rationing.PRO_RATA
) -> Clearing:
    """Clear a session.

    Parameters
    ----------
    asks, bids
        All orders.
    tie_rule, rationing
        The session's settings.
    """
    nothing = Clearing(None, 0, np.zeros(len(asks), np.int64), np.zeros(len(bids), np.int64))
    if not len(asks) or not len(bids):
        return nothing
    lowest = int(min(asks.price_ticks.min(), bids.price_ticks.min()))
    highest = int(max(asks.price_ticks.max(), bids.price_ticks.max()))
    supply = np.cumsum(_energy_by_price(asks, lowest, highest))
    demand = np.cumsum(_energy_by_price(bids, lowest, highest)[::-1])[::-1]
    volume_wh = int(np.minimum(supply, demand).max())
    if not volume_wh:
        return nothing
    place = _choose(supply, demand, volume_wh, lowest, tie_rule) - lowest
    cheaper_wh = int(supply[place - 1]) if place else 0
    dearer_wh = int(demand[place + 1]) if place + 1 < demand.size else 0
    return Clearing(
        lowest + place,
        volume_wh,
        _accept(asks, lowest + place, asks.price_ticks < lowest + place, volume_wh - cheaper_wh, rationing),
        _accept(bids, lowest + place, bids.price_ticks > lowest + place, volume_wh - dearer_wh, rationing),
    )


def welfare(asks: Side, bids: Side, clearing: Clearing) -> int:
    """What buyers would have paid at most less what sellers would have taken at least, in 1e-7 yuan."""
    return bids.value(clearing.bids_wh) - asks.value(clearing.asks_wh)


class Pricing(Protocol):
    """At which price a pair of accepted orders trades: a plug-in, chosen for each session."""

    def __call__(self, ask_ticks: Integers, bid_ticks: Integers, clearing_ticks: int, /) -> Integers:
        """Prices of pairs, none below its ask or above its bid.

        Parameters
        ----------
        ask_ticks, bid_ticks
            Limits of each pair.
        clearing_ticks
            The session's clearing price.
        """
        ...


def uniform(ask_ticks: Integers, _bid_ticks: Integers, clearing_ticks: int) -> Integers:
    """One price for all 统一出清: the clearing price."""
    return np.full_like(ask_ticks, clearing_ticks)


def pay_as_bid(_ask_ticks: Integers, bid_ticks: Integers, _clearing_ticks: int) -> Integers:
    """Every buyer pays its own bid 按报价结算, and the seller gets it."""
    return bid_ticks.copy()


def mid_price(ask_ticks: Integers, bid_ticks: Integers, _clearing_ticks: int) -> Integers:
    """The middle of bid and ask 撮合价; half a tick goes up."""
    return (ask_ticks + bid_ticks + 1) // 2


PRICINGS: dict[str, Pricing] = {"uniform": uniform, "pay_as_bid": pay_as_bid, "mid_price": mid_price}
"""The pricings by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """Pairs of accepted orders, dearest bid and cheapest ask first.

    Parameters
    ----------
    ask, bid
        Places of the orders in their sides.
    energy_wh, price_ticks
        Of each pair.
    """

    ask: Integers
    bid: Integers
    energy_wh: Integers
    price_ticks: Integers


def pair(asks: Side, bids: Side, clearing: Clearing, pricing: Pricing = uniform) -> Trades:
    """Pair accepted asks and bids 高低匹配: the cheapest ask with the dearest bid, equal ones by time.

    Parameters
    ----------
    asks, bids, clearing
        A session and its result.
    pricing
        The session's.
    """
    if clearing.price_ticks is None:
        empty = np.zeros(0, np.int64)
        return Trades(empty, empty, empty, empty)
    ask_places, bid_places = _served(asks.price_ticks, clearing.asks_wh), _served(-bids.price_ticks, clearing.bids_wh)
    ask_ends = np.cumsum(clearing.asks_wh[ask_places])
    bid_ends = np.cumsum(clearing.bids_wh[bid_places])
    ends = np.sort(np.concatenate((ask_ends, bid_ends)), kind="stable")
    ends = ends[np.diff(ends, prepend=0) > 0]
    ask = ask_places[np.searchsorted(ask_ends, ends)]
    bid = bid_places[np.searchsorted(bid_ends, ends)]
    prices = pricing(asks.price_ticks[ask], bids.price_ticks[bid], clearing.price_ticks)
    return Trades(ask, bid, np.diff(ends, prepend=0), prices)


def apportion_wh(total_wh: int, weights_wh: Integers) -> Integers:
    """`rounding.apportion` for a million orders: the same parts, in 64-bit integers.

    A quotient is first estimated in floating point, whose error is less than one for energies below 2^40 Wh, and put
    right by its exact remainder, computed modulo 2^64.

    Parameters
    ----------
    total_wh
        From 0 to the sum of the weights, and below 2^62.
    weights_wh
        Each from 0 to 2^40 - 1.
    """
    of_all = int(weights_wh.sum())
    if not of_all:
        return np.zeros_like(weights_wh)
    parts: Integers = np.floor(weights_wh * (total_wh / of_all)).astype(np.int64)
    remainders = _product(weights_wh, total_wh) - _product(parts, of_all)
    parts += remainders // of_all
    remainders %= of_all
    missing = total_wh - int(parts.sum())
    if missing:
        least = np.partition(remainders, -missing)[-missing]
        up = np.flatnonzero(remainders > least)
        parts[up] += 1
        parts[np.flatnonzero(remainders == least)[: missing - up.size]] += 1
    return parts


def _product(values: Integers, factor: int) -> Integers:
    """Products modulo 2^64, as signed numbers."""
    product: Integers = (values.view(np.uint64) * np.uint64(factor)).view(np.int64)
    return product


def _energy_by_price(side: Side, lowest: int, highest: int) -> Integers:
    """Energy of a side at each tick; summed in two halves, as floating point sums only 53 bits exactly."""
    places, span = side.price_ticks - lowest, highest - lowest + 1
    low = np.bincount(places, side.energy_wh & (1 << _LOW_BITS) - 1, span).astype(np.int64)
    high = np.bincount(places, side.energy_wh >> _LOW_BITS, span).astype(np.int64)
    return low + (high << _LOW_BITS)


def _choose(supply: Integers, demand: Integers, volume_wh: int, lowest: int, tie_rule: TieRule) -> int:
    """The clearing price: of the prices with the largest volume at which nobody who offered better is left out."""
    rising = demand[::-1]
    last = supply.size - 1
    accepted_ask = int(np.searchsorted(supply, volume_wh))
    unmet_ask = min(int(np.searchsorted(supply, volume_wh, "right")), last)
    accepted_bid = last - int(np.searchsorted(rising, volume_wh))
    unmet_bid = max(last - int(np.searchsorted(rising, volume_wh, "right")), 0)
    return tie_rule.choose(lowest + max(accepted_ask, unmet_bid), lowest + min(accepted_bid, unmet_ask))


def _accept(side: Side, price: int, better: NDArray[np.bool_], at_price_wh: int, rationing: Rationing) -> Integers:
    """Accept what is better than the price, and of the orders at the price as much as is left."""
    accepted = np.where(better, side.energy_wh, 0)
    margin = np.flatnonzero(side.price_ticks == price)
    if margin.size:
        wanted = side.energy_wh[margin]
        if rationing is Rationing.PRO_RATA:
            accepted[margin] = apportion_wh(at_price_wh, wanted)
        else:
            before = np.cumsum(wanted) - wanted
            accepted[margin] = np.clip(at_price_wh - before, 0, wanted)
    return accepted


def _served(rank: Integers, accepted_wh: Integers) -> Integers:
    """Places of accepted orders, best rank first and equal ones by time; the narrowest type is sorted fastest."""
    places = np.flatnonzero(accepted_wh)
    ranks = rank[places] - rank[places].min()
    return places[np.argsort(ranks.astype(np.min_scalar_type(int(ranks.max()))), kind="stable")]
