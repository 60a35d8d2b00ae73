"""The evening settlement: from settled deals and meters to a statement for every user, on its slave chain.

Deals are read from the main chain, their parties named by those who know them, and `gridbourse.settlement` does the
rest. A statement is a record that the user's master writes, for the user, its encryption node and the regulator. When
a reading that was in doubt is there, the day is settled again and the newer statement takes the older one's place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gridbourse.errors import InvalidValue
from gridbourse.market.types import DealState
from gridbourse.network.market_view import MarketView
from gridbourse.network.records import StatementDetails
from gridbourse.network.region import Region
from gridbourse.settlement.imbalance import (
    Imbalance,
    ImbalanceRule,
    PeriodSettlement,
    SettledDeal,
    Traded,
    settle_period,
)
from gridbourse.settlement.statement import Statement, StatementLine
from gridbourse.units import PERIODS_PER_DAY

Metered = Mapping[str, Sequence[int | None]]
"""By node, shape (periods,), in Wh: fed in less drawn, None where a reading is missing or in doubt."""


def settle_day(
    region: Region,
    periods: range,
    metered_wh: Metered,
    rule: ImbalanceRule,
    inflow_wh: Sequence[int | None] | None = None,
) -> list[PeriodSettlement]:
    """Settle delivery periods, and write to every user's slave chain what is new in its statement.

    Parameters
    ----------
    region
        The region, all of its masters in one folder.
    periods
        Of one delivery day.
    metered_wh
        Of every node that has a meter; over `periods`.
    rule
        How the imbalance price is made.
    inflow_wh
        Shape (periods,): what came in from the grid outside; None where unknown.

    Raises
    ------
    InvalidValue
        The periods are not of one day, a party of a deal has no meter, or is not in this folder.
    """
    day = _day_of(periods)
    deals = _settled_deals(region, periods)
    settled = [
        settle_period(
            period,
            deals[period],
            {node_id: series[turn] for node_id, series in metered_wh.items()},
            rule,
            inflow_wh=inflow_wh[turn] if inflow_wh else None,
        )
        for turn, period in enumerate(periods)
    ]
    for name, master in region.masters.items():
        uplink = region.uplinks[name]
        uplink.catch_up()
        news = []
        for node_id, node in master.nodes.items():
            if node_id in metered_wh:
                details = _details(Statement.of(node_id, day, settled))
                if uplink.statements.get((node_id, day)) != details:
                    news.append((details, (node.encryption_public,)))
        master.write(news)
    return settled


def statement_of(region: Region, node_id: str, day: int) -> Statement:
    """Read a user's newest statement of a day from its slave chain.

    Raises
    ------
    InvalidValue
        Nobody has such a node, or the day is not settled.
    """
    uplink = region.uplinks[region.master_of(node_id).membership.name]
    uplink.catch_up()
    details = uplink.statements.get((node_id, day))
    if details is None:
        known = sorted(settled for name, settled in uplink.statements if name == node_id)
        raise InvalidValue("day", day, f"a day that is settled for {node_id}: {known or 'there is none yet'}")
    lines = (_line(details, turn) for turn in range(len(details.price_ticks)))
    return Statement(node_id, day, tuple(lines))


def _day_of(periods: range) -> int:
    days = {periods[0] // PERIODS_PER_DAY, periods[-1] // PERIODS_PER_DAY} if periods else set()
    if len(days) != 1:
        raise InvalidValue("periods", periods, "delivery periods of one day")
    return days.pop()


def _settled_deals(region: Region, periods: range) -> dict[int, list[SettledDeal]]:
    """The periods' deals that were carried out, their parties by the names that their masters know."""
    view = MarketView(region.main)
    for _ in view.catch_up():
        pass
    deals: dict[int, list[SettledDeal]] = {period: [] for period in periods}
    for deal in view.deals.values():
        period = deal.intent.ask.period
        if period in deals and deal.state is DealState.SETTLED:
            seller, buyer = (_name(region, trader) for trader in (deal.seller, deal.buyer))
            deals[period].append(SettledDeal(period, seller, buyer, deal.intent.energy_wh, deal.intent.price_ticks))
    return deals


def _name(region: Region, trader: int) -> str:
    for master in region.masters.values():
        node = master.node_of(trader)
        if node is not None:
            return node.spec.node_id
    raise InvalidValue(
        "region", f"trader {trader} is another organisation's", "a folder with all masters of the region"
    )


def _details(statement: Statement) -> StatementDetails:
    lines = statement.lines
    traded, metered = [line.traded for line in lines], [line.metered_wh or 0 for line in lines]
    return StatementDetails(
        user_id=statement.user_id,
        first_period=lines[0].period,
        bought_wh=tuple(own.bought_wh for own in traded),
        sold_wh=tuple(own.sold_wh for own in traded),
        paid=tuple(own.paid for own in traded),
        received=tuple(own.received for own in traded),
        fed_in_wh=tuple(max(wh, 0) for wh in metered),
        drawn_wh=tuple(max(-wh, 0) for wh in metered),
        open_periods=tuple(line.period for line in lines if line.metered_wh is None),
        price_ticks=tuple(line.price_ticks for line in lines),
    )


def _line(details: StatementDetails, turn: int) -> StatementLine:
    period = details.first_period + turn
    traded = Traded(details.bought_wh[turn], details.sold_wh[turn], details.paid[turn], details.received[turn])
    metered_wh = None if period in details.open_periods else details.fed_in_wh[turn] - details.drawn_wh[turn]
    return StatementLine(period, Imbalance(traded, metered_wh), details.price_ticks[turn])
