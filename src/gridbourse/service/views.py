"""From what the market state holds to what the service says."""

from __future__ import annotations

from collections.abc import Iterator

from gridbourse.api.schema import (
    Deal,
    DealStatus,
    EnergyTypeName,
    Limits,
    MeteredPeriod,
    Order,
    PriceLevel,
    SideName,
    Trade,
)
from gridbourse.ledger.balancing_records import StatementDetails
from gridbourse.market.types import EnergyType, OrderId, Side
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.service.deals import DealEntry
from gridbourse.service.half_book import WaitingOrder
from gridbourse.service.market_state import MarketState
from gridbourse.service.orders import OrderEntry


def side_name(side: Side) -> SideName:
    """Name of a side."""
    return SideName(side.name.lower())


def side_of(name: SideName) -> Side:
    """The side of a name."""
    return Side[name.upper()]


def type_names(types: EnergyType) -> list[EnergyTypeName]:
    """Names of energy types."""
    return [EnergyTypeName(str(one.name).lower()) for one in EnergyType if one in types]


def type_name(energy_type: EnergyType) -> EnergyTypeName:
    """Name of one energy type."""
    return EnergyTypeName(str(energy_type.name).lower())


def types_of(names: list[EnergyTypeName] | None) -> EnergyType:
    """The energy types of names; all of them if none is named."""
    types = EnergyType(0)
    for name in names or EnergyTypeName:
        types |= EnergyType[name.upper()]
    return types


def order_text(order_id: OrderId) -> str:
    """Write an order's id."""
    return f"{order_id.pack():016x}"


def price_level(price_ticks: int, orders: list[WaitingOrder], accepted: EnergyType) -> PriceLevel | None:
    """Sum up the orders at a price that offer or accept one of some energy types; None if there are none."""
    fitting = [order for order in orders if order.energy_types & accepted]
    return PriceLevel(price_ticks, sum(order.open_wh for order in fitting), len(fitting)) if fitting else None


def trade_view(deal: DealEntry) -> Trade:
    """A deal as everybody sees it."""
    return Trade(
        deal_id=deal.deal_id,
        period=deal.ask.period,
        energy_type=type_name(deal.energy_type),
        energy_wh=deal.energy_wh,
        price_ticks=deal.price_ticks,
        money=deal.money,
        status=DealStatus(deal.state.name.lower()),
        agreed_at=deal.agreed_at,
        height=deal.height,
    )


def deal_view(state: MarketState, node_id: str, deal_id: int, side: Side) -> Deal:
    """A deal as one party sees it."""
    deal = state.deals[deal_id]
    return Deal(
        deal_id=deal_id,
        node_id=node_id,
        side=side_name(side),
        period=deal.ask.period,
        energy_type=type_name(deal.energy_type),
        energy_wh=deal.energy_wh,
        price_ticks=deal.price_ticks,
        money=deal.money,
        status=DealStatus(deal.state.name.lower()),
        own_confirmed=side in deal.confirmed_sides,
        other_confirmed=side.opposite in deal.confirmed_sides,
        answered=state.answers.answer(node_id, deal_id, side),
        confirm_before=deal.confirm_before,
        agreed_at=deal.agreed_at,
        own_order=order_text(deal.ask if side is Side.ASK else deal.bid),
        height=deal.height,
    )


def order_view(order: OrderEntry) -> Order:
    """A node's order, from its record and from what the market made of it."""
    details, placed = order.details, order.placed
    assert details is not None, "the node recorded it"
    return Order(
        order_id=order_text(placed.order_id) if placed else None,
        node_id=details.user_id,
        side=side_name(details.side),
        energy_types=type_names(details.energy_types),
        period=details.period,
        energy_wh=details.energy_wh,
        price_ticks=details.price_ticks,
        open_wh=placed.open_wh if placed else 0,
        agreed_wh=placed.agreed_wh if placed else 0,
        status=order.status,
        refusal=order.refusal.name.lower() if order.refusal is not None else None,
        replaces=order_text(OrderId.unpack(details.replaces)) if details.replaces else None,
        record_leaf=f"0x{order.leaf.hex()}",
        placed_at=placed.placed_at if placed else None,
        height=placed.height if placed else None,
    )


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
