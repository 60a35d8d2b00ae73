"""From what records say to what the service says."""

from __future__ import annotations

from collections.abc import Iterator

from gridbourse.api.schema import Limits, MeteredPeriod
from gridbourse.index.naming import type_name, type_names
from gridbourse.ledger.balancing_records import StatementDetails
from gridbourse.metering.surplus import AutoTradingLimits


def metered_views(statement: StatementDetails) -> Iterator[MeteredPeriod]:
    """The periods of a settled day in which something was metered or traded."""
    for turn in range(len(statement.price_ticks)):
        period, price_ticks = statement.first_period + turn, statement.price_ticks[turn]
        fed_in_wh, drawn_wh = statement.fed_in_wh[turn], statement.drawn_wh[turn]
        sold_wh, bought_wh = statement.sold_wh[turn], statement.bought_wh[turn]
        if not (fed_in_wh or drawn_wh or sold_wh or bought_wh):
            continue
        in_doubt = period in statement.open_periods
        imbalance_wh = None if in_doubt else fed_in_wh - drawn_wh - sold_wh + bought_wh
        yield MeteredPeriod(
            node_id=statement.user_id,
            period=period,
            fed_in_wh=None if in_doubt else fed_in_wh,
            drawn_wh=None if in_doubt else drawn_wh,
            sold_wh=sold_wh,
            bought_wh=bought_wh,
            imbalance_wh=imbalance_wh,
            price_ticks=price_ticks,
            imbalance_money=(imbalance_wh or 0) * price_ticks,
        )


def limits_view(limits: AutoTradingLimits) -> Limits:
    """What a node may do by itself."""
    return Limits(
        active=limits.active,
        energy_type=type_name(limits.energy_type),
        accepted_types=type_names(limits.accepted_types),
        lowest_sell_ticks=limits.lowest_sell_ticks,
        highest_buy_ticks=limits.highest_buy_ticks,
        reserve_wh=limits.reserve_wh,
        smallest_wh=limits.smallest_wh,
        max_share_permille=limits.max_share_permille,
    )
