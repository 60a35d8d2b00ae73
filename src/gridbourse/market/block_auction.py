"""Block orders 分块申报 in the call auction: all or none over a set of periods, at one limit for their mean price.

A block is accepted as a whole or not at all, so which blocks are accepted is a choice among subsets; everything else
follows from it. Of all subsets whose blocks lose nothing at the prices they lead to, the one with the largest welfare
is taken; of equal ones the one found first, earlier blocks being accepted first, and none rather than any. It is found
by branch and bound, exactly: blocks are decided in their order, and a branch is left when even with all undecided
blocks divisible, each period by itself, it could not become better. There are at most 2^(n+1) - 2 branches for n
blocks, and n is at most `MAX_BLOCKS`: more are refused, not cleared approximately.

Prices are set by ordinary orders: an accepted block counts as energy that comes at any price, and where nothing else
bounds the price on one side, it is the bound on the other. A period in which only blocks would meet has no price, so
they are not accepted. A block that would gain at the prices may be rejected all the same (paradoxically rejected), as
on every coupled exchange, since accepting it would move them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gridbourse.errors import InvalidValue
from gridbourse.market.auction import Clearing, Integers, Rationing, Side, TieRule, clear, welfare
from gridbourse.units import MAX_ENERGY_WH, MAX_PRICE_TICKS

MAX_BLOCKS = 12
"""At most 8,190 branches, of one clearing for each period."""


@dataclass(frozen=True, slots=True)
class Block:
    """An order for several periods, all or none.

    Parameters
    ----------
    sells
        Whether it is an ask.
    price_ticks
        Lowest mean price it sells at, or highest it buys at; weighted by its energy.
    energies_wh
        By period.

    Raises
    ------
    InvalidValue
        Its price is at the market's bounds, or it has no energy in some period, or none at all, or too much.
    """

    sells: bool
    price_ticks: int
    energies_wh: Mapping[int, int]

    def __post_init__(self) -> None:
        if abs(self.price_ticks) >= MAX_PRICE_TICKS:
            raise InvalidValue("price_ticks", self.price_ticks, f"a price within {MAX_PRICE_TICKS - 1} ticks of 0")
        for energy_wh in self.energies_wh.values():
            if not 1 <= energy_wh <= MAX_ENERGY_WH:
                raise InvalidValue("energies_wh", energy_wh, f"energies from 1 to {MAX_ENERGY_WH} Wh")
        if not self.energies_wh:
            raise InvalidValue("energies_wh", {}, "an energy for at least one period")

    @property
    def limit_value(self) -> int:
        """Its energy at its limit, in 1e-7 yuan."""
        return self.price_ticks * sum(self.energies_wh.values())

    def gain(self, prices_ticks: Mapping[int, int]) -> int:
        """What it gains at prices beyond its limit, in 1e-7 yuan."""
        value = sum(energy_wh * prices_ticks[period] for period, energy_wh in self.energies_wh.items())
        return value - self.limit_value if self.sells else self.limit_value - value


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """Ordinary orders of a period.

    Parameters
    ----------
    asks, bids
        With prices strictly within the market's bounds, at which accepted blocks stand.

    Raises
    ------
    InvalidValue
        A price is at a bound.
    """

    asks: Side
    bids: Side

    def __post_init__(self) -> None:
        for side in (self.asks, self.bids):
            if len(side) and np.abs(side.price_ticks).max() == MAX_PRICE_TICKS:
                raise InvalidValue("price_ticks", MAX_PRICE_TICKS, f"prices within {MAX_PRICE_TICKS - 1} ticks of 0")


@dataclass(frozen=True, slots=True, eq=False)
class BlockClearing:
    """The result of all periods of a day.

    Parameters
    ----------
    accepted
        Places of the accepted blocks.
    welfare
        Of ordinary orders and blocks, in 1e-7 yuan.
    clearings
        By period, of the ordinary orders; the price is also that of the blocks.
    """

    accepted: tuple[int, ...]
    welfare: int
    clearings: Mapping[int, Clearing]


def clear_with_blocks(
    sessions: Mapping[int, Session],
    blocks: Sequence[Block],
    *,
    tie_rule: TieRule = TieRule.MIDDLE,
    rationing: Rationing = Rationing.PRO_RATA,
) -> BlockClearing:
    """Clear the periods of a day with blocks across them.

    Parameters
    ----------
    sessions
        Ordinary orders of every period.
    blocks
        In the order of arrival.
    tie_rule, rationing
        The sessions' settings.

    Raises
    ------
    InvalidValue
        There are too many blocks, or one is for a period that has no session.
    """
    if len(blocks) > MAX_BLOCKS:
        raise InvalidValue("blocks", len(blocks), f"at most {MAX_BLOCKS} blocks, so that the optimum stays exact")
    for block in blocks:
        if unknown := set(block.energies_wh) - set(sessions):
            raise InvalidValue("energies_wh", min(unknown), "energies of periods that are cleared")
    best = _cleared(sessions, blocks, (), tie_rule, rationing)
    assert best is not None, "without blocks there is always a clearing"
    branches: list[tuple[bool, ...]] = [()]
    while branches:
        decided = branches.pop()
        if decided and _most(sessions, blocks, decided) <= best.welfare:
            continue
        if decided and decided[-1]:
            accepted = tuple(place for place, taken in enumerate(decided) if taken)
            found = _cleared(sessions, blocks, accepted, tie_rule, rationing)
            if found is not None and found.welfare > best.welfare:
                best = found
        if len(decided) < len(blocks):
            branches += [(*decided, False), (*decided, True)]
    return best


def _cleared(
    sessions: Mapping[int, Session],
    blocks: Sequence[Block],
    accepted: tuple[int, ...],
    tie_rule: TieRule,
    rationing: Rationing,
) -> BlockClearing | None:
    """The clearing with these blocks, or None if they do not fit or one of them would lose."""
    taken = [blocks[place] for place in accepted]
    clearings: dict[int, Clearing] = {}
    prices: dict[int, int] = {}
    total = sum(-block.limit_value if block.sells else block.limit_value for block in taken)
    for period, session in sessions.items():
        own = _with_blocks(session, period, taken, ())
        clearing = clear(*own, tie_rule=tie_rule, rationing=rationing)
        if not _placed(own, clearing):
            return None
        asks_wh, bids_wh = clearing.asks_wh[: len(session.asks)], clearing.bids_wh[: len(session.bids)]
        price = _price(session, asks_wh, bids_wh, tie_rule) if clearing.volume_wh else None
        if price is None and any(period in block.energies_wh for block in taken):
            return None
        clearings[period] = Clearing(price, clearing.volume_wh, asks_wh, bids_wh)
        total += welfare(session.asks, session.bids, clearings[period])
        if price is not None:
            prices[period] = price
    if any(block.gain(prices) < 0 for block in taken):
        return None
    return BlockClearing(accepted, total, clearings)


def _most(sessions: Mapping[int, Session], blocks: Sequence[Block], decided: tuple[bool, ...]) -> int | float:
    """An upper bound of the welfare of every subset that begins with these decisions."""
    taken = [block for block, accepted in zip(blocks, decided, strict=False) if accepted]
    undecided = blocks[len(decided) :]
    total = sum(-block.limit_value if block.sells else block.limit_value for block in taken)
    for period, session in sessions.items():
        own = _with_blocks(session, period, taken, undecided)
        clearing = clear(*own)
        if not _placed(own, clearing):
            return -float("inf")
        divisible = _with_blocks(session, period, (), undecided)
        asks_wh, bids_wh = clearing.asks_wh[: len(divisible[0])], clearing.bids_wh[: len(divisible[1])]
        total += divisible[1].value(bids_wh) - divisible[0].value(asks_wh)
    return total


def _with_blocks(
    session: Session, period: int, taken: Sequence[Block], divisible: Sequence[Block]
) -> tuple[Side, Side]:
    """A period's sides with blocks behind the ordinary orders: first those at their limits, then those at any price."""
    sides: list[Side] = []
    for side, sells, any_price in ((session.asks, True, -MAX_PRICE_TICKS), (session.bids, False, MAX_PRICE_TICKS)):
        added = [
            (block.price_ticks, block.energies_wh[period])
            for block in divisible
            if block.sells is sells and period in block.energies_wh
        ]
        added += [
            (any_price, block.energies_wh[period])
            for block in taken
            if block.sells is sells and period in block.energies_wh
        ]
        more = Side.of(added)
        sides.append(
            Side(np.concatenate((side.price_ticks, more.price_ticks)), np.concatenate((side.energy_wh, more.energy_wh)))
        )
    return sides[0], sides[1]


def _placed(own: tuple[Side, Side], clearing: Clearing) -> bool:
    """Whether everything that comes at any price is accepted."""
    return all(
        bool((accepted_wh == side.energy_wh)[np.abs(side.price_ticks) == MAX_PRICE_TICKS].all())
        for side, accepted_wh in zip(own, (clearing.asks_wh, clearing.bids_wh), strict=True)
    )


def _price(session: Session, asks_wh: Integers, bids_wh: Integers, tie_rule: TieRule) -> int | None:
    """The price of a period by its ordinary orders; None if there are none."""
    asks, bids = session.asks, session.bids
    lowest = [*asks.price_ticks[asks_wh > 0].tolist(), *bids.price_ticks[bids_wh < bids.energy_wh].tolist()]
    highest = [*bids.price_ticks[bids_wh > 0].tolist(), *asks.price_ticks[asks_wh < asks.energy_wh].tolist()]
    if not lowest and not highest:
        return None
    low = max(lowest) if lowest else min(highest)
    return tie_rule.choose(low, min(highest) if highest else low)
