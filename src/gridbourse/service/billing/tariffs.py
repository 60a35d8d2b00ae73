"""Delivered prices for connections of the region: of an offer, beside the retail tariff, and of a day."""

from __future__ import annotations

from datetime import datetime

from gridbourse.api.billing_schema import (
    DeliveredPart,
    OfferPrice,
    TariffDay,
    TariffPeriod,
    TradeReach,
)
from gridbourse.api.billing_schema import DeliveredPrice as DeliveredPriceView
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import InvalidValue, NotFound
from gridbourse.index.queries.reader import IndexReader
from gridbourse.rounding import round_half_away
from gridbourse.rules.delivered import MICROYUAN_PER_TICK, Connection, DeliveredPrice, delivered_price
from gridbourse.rules.rule_set import InForce, RuleHistory
from gridbourse.service.rights import Kind, Principal, Right, require
from gridbourse.service.use_cases.trading import Trading
from gridbourse.text import Message
from gridbourse.units import PERIOD_SECONDS


class Tariffs:
    """Makes delivered prices by the rules in force.

    Parameters
    ----------
    trading
        Knows whose nodes are whose.
    index
        The index, which has the connections.
    calendar, rules
        The region's.
    has_zones
        Whether the region's grid has several zones.
    """

    def __init__(
        self, trading: Trading, index: IndexReader, calendar: DeliveryCalendar, rules: RuleHistory, *, has_zones: bool
    ) -> None:
        self._trading = trading
        self._index = index
        self._calendar = calendar
        self._rules = rules
        self._has_zones = has_zones

    def offer(self, principal: Principal, period: int, price_ticks: int, *, node_id: str | None = None) -> OfferPrice:
        """An offer's delivered price for a node of the caller's.

        Raises
        ------
        NotFound
            There is no such node, no connection is stated for it, or the rules have no prices for that day.
        """
        node, connection = self._connection(principal, node_id)
        moment = self._calendar.at(period * PERIOD_SECONDS)
        in_force = self._in_force(moment)
        reaches = list(TradeReach) if self._has_zones else [TradeReach.WITHIN_ZONE]
        try:
            retail = delivered_price(in_force.rule_set, connection, moment)
            offers = {
                reach: delivered_price(
                    in_force.rule_set,
                    connection,
                    moment,
                    energy_ticks=price_ticks,
                    highest_level=in_force.highest_level(0, int(reach is TradeReach.BETWEEN_ZONES), connection.level),
                )
                for reach in reaches
            }
        except InvalidValue as error:
            raise _lacking(in_force, moment, error) from error
        rows = [row for price in (retail, *offers.values()) for part in price.parts for row in part.parameters]
        rows.append(retail.factor)
        return OfferPrice(
            node_id=node,
            period=period,
            price_ticks=price_ticks,
            band=retail.band.value,
            offers=[_view(price, reach) for reach, price in offers.items()],
            retail=_view(retail, None),
            rules=in_force.rule_set.version,
            unconfirmed=sorted({row.name for row in rows if not row.provenance.confirmed}),
        )

    def day(self, principal: Principal, day: int, *, node_id: str | None = None) -> TariffDay:
        """The retail tariff of a delivery day for a node of the caller's. Raises `NotFound`, as `offer`."""
        node, connection = self._connection(principal, node_id)
        in_force = self._in_force(self._calendar.at(self._calendar.starts_at(day)))
        periods = []
        for period in self._calendar.periods(day):
            moment = self._calendar.at(period * PERIOD_SECONDS)
            try:
                price = delivered_price(in_force.rule_set, connection, moment)
            except InvalidValue as error:
                raise _lacking(in_force, moment, error) from error
            periods.append(TariffPeriod(period, period * PERIOD_SECONDS, price.band.value, price.microyuan_per_kwh))
        level, tariff = connection.level.value, connection.tariff.value
        return TariffDay(node, day, level, tariff, in_force.rule_set.version, periods)

    def _connection(self, principal: Principal, node_id: str | None) -> tuple[str, Connection]:
        require(principal, Right.READ_NODE)
        if node_id is None and principal.kind is not Kind.NODE:
            raise NotFound(Message("a delivered price is for one connection: name the node"))
        name = self._trading.nodes(principal, node_id or principal.name)[0]
        found = self._index.participants.node(name)
        if found is None or found.connection is None:
            raise NotFound(Message("no voltage level is stated for the connection of {node}", node=name))
        return name, found.connection

    def _in_force(self, moment: datetime) -> InForce:
        found = self._rules.find(moment.date())
        if found is None:
            raise NotFound(Message("no set of market rules is in force on {day}", day=moment.date().isoformat()))
        return found


def _lacking(in_force: InForce, moment: datetime, error: InvalidValue) -> NotFound:
    text = "the market rules {rules} have no prices for {day}: {field}"
    day = moment.date().isoformat()
    return NotFound(Message(text, rules=in_force.rule_set.version, day=day, field=error.field))


def _view(price: DeliveredPrice, reach: TradeReach | None) -> DeliveredPriceView:
    return DeliveredPriceView(
        reach=reach,
        price_microyuan=price.microyuan_per_kwh,
        parts=[
            DeliveredPart(
                part.name,
                round_half_away(price.of_part(part) * MICROYUAN_PER_TICK),
                [row.name for row in part.parameters],
            )
            for part in price.parts
        ],
    )
