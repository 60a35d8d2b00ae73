"""Settlement statements: what function nodes paid and received for delivery on a day, deals and imbalances alike."""

from __future__ import annotations

from collections.abc import Iterator

from gridbourse.api.schema import Deal, SideName, Statement, StatementItem, StatementLine
from gridbourse.delivery import DeliveryCalendar
from gridbourse.index.queries.reader import IndexReader
from gridbourse.ledger.balancing_records import StatementDetails
from gridbourse.region.description import RegionSpec
from gridbourse.service.rights import Principal, Right, require
from gridbourse.service.use_cases.trading import Trading
from gridbourse.service.use_cases.views import metered_views
from gridbourse.text import NO_DISPLAY_NAME


class Statements:
    """Draws statements from the market and from how masters settled it against the meters.

    Parameters
    ----------
    trading
        Knows whose nodes are whose.
    index
        The index.
    calendar
        The region's delivery days.
    spec
        Says what people call the nodes.
    """

    def __init__(self, trading: Trading, index: IndexReader, calendar: DeliveryCalendar, spec: RegionSpec) -> None:
        self._trading = trading
        self._index = index
        self._calendar = calendar
        self._display_names = {node.node_id: node.display_name for master in spec.masters for node in master.nodes}

    def statement(self, principal: Principal, day: int, *, node_id: str | None = None) -> Statement:
        """The statement of a delivery day, for the caller's nodes. Raises `NotFound`."""
        require(principal, Right.READ_NODE)
        nodes = self._trading.nodes(principal, node_id)
        settled = {own.user_id: own for own in self._index.records.statements(nodes, day)}
        periods = self._calendar.periods(day)
        lines = [
            *map(_deal_line, self._index.trades.settled(nodes, periods)),
            *(line for own in settled.values() for line in _imbalances(own)),
        ]
        lines.sort(key=lambda line: (line.period, line.node_id, line.item, line.deal_id or 0, line.side))
        return Statement(
            day=day,
            node_id=node_id,
            lines=lines,
            paid=sum(line.money for line in lines if line.side is SideName.BID),
            received=sum(line.money for line in lines if line.side is SideName.ASK),
            open_periods=sum(len(own.open_periods) for own in settled.values()),
            unsettled_nodes=[own for own in nodes if own not in settled],
            display_names={own: self._display_names.get(own, NO_DISPLAY_NAME) for own in nodes},
        )


def _deal_line(deal: Deal) -> StatementLine:
    return StatementLine(
        node_id=deal.node_id,
        item=StatementItem.DEAL,
        period=deal.period,
        deal_id=deal.deal_id,
        side=deal.side,
        energy_type=deal.energy_type,
        energy_wh=deal.energy_wh,
        price_ticks=deal.price_ticks,
        money=deal.money,
    )


def _imbalances(settled: StatementDetails) -> Iterator[StatementLine]:
    for metered in metered_views(settled):
        if metered.imbalance_wh:
            yield StatementLine(
                node_id=metered.node_id,
                item=StatementItem.IMBALANCE,
                period=metered.period,
                deal_id=None,
                side=SideName.ASK if metered.imbalance_wh > 0 else SideName.BID,
                energy_type=None,
                energy_wh=abs(metered.imbalance_wh),
                price_ticks=metered.price_ticks,
                money=abs(metered.imbalance_money),
            )
