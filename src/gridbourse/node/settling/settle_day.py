"""A day settled from beginning to end where all masters lie in one folder, and statements read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gridbourse.errors import InvalidValue
from gridbourse.ledger.balancing_records import StatementDetails
from gridbourse.node.region import Region
from gridbourse.node.settling.balancing import DaySettlement, own_trades, record_metered
from gridbourse.settlement.imbalance import Imbalance, PeriodSettlement, Traded
from gridbourse.settlement.statement import Statement, StatementLine


def settle_day(
    region: Region,
    periods: range,
    metered_wh: Mapping[str, Sequence[int | None]],
    inflow_wh: Sequence[int | None] | None = None,
) -> list[PeriodSettlement]:
    """Hand metered energies in, and take all steps of `gridbourse.node.settling.balancing` that follow.

    Parameters
    ----------
    region
        The region, with all of its masters in one folder.
    periods
        Of one delivery day.
    metered_wh
        Of every node that has a meter, shape (periods,), in Wh: fed in less drawn, None where a reading is missing.
    inflow_wh
        Shape (periods,): what came in from the grid outside; None where unknown.

    Returns
    -------
    list of PeriodSettlement
        The periods as the statements tell them, by node.

    Raises
    ------
    InvalidValue
        The periods are not of one day, a series has another length, a node is not known here or traded and has no
        meter, or a master without a meter is waited for.
    """
    day = region.calendar.one_day(periods)
    for node_id, series in metered_wh.items():
        if len(series) != len(periods):
            raise InvalidValue(f"metered energies of {node_id}", len(series), f"{len(periods)} of them")
    _require_meters(region, periods, metered_wh)
    record_metered(region, {node_id: dict(zip(periods, series, strict=True)) for node_id, series in metered_wh.items()})
    DaySettlement(region).step()
    lines = {node_id: statement_of(region, node_id, day).lines for node_id in metered_wh}
    return [
        PeriodSettlement(
            period,
            next(iter(lines.values()))[turn].price_ticks,
            {node_id: own[turn].settled for node_id, own in lines.items()},
            inflow_wh[turn] if inflow_wh else None,
        )
        for turn, period in enumerate(periods)
    ]


def _require_meters(region: Region, periods: range, metered_wh: Mapping[str, object]) -> None:
    for name, master in region.masters.items():
        relay = region.relays[name]
        relay.catch_up()
        for period in periods:
            for node_id in own_trades(master, relay.market, period):
                if node_id and node_id not in metered_wh:
                    raise InvalidValue("metered_wh", node_id, "energies, or None, of every node that traded")


def statement_of(region: Region, node_id: str, day: int) -> Statement:
    """Read a user's newest statement of a day from its slave chain.

    Raises
    ------
    InvalidValue
        Nobody has such a node, or the day is not settled.
    """
    relay = region.relays[region.master_of(node_id).membership.name]
    relay.catch_up()
    details = relay.statements.get((node_id, day))
    if details is None:
        known = sorted(settled for name, settled in relay.statements if name == node_id)
        raise InvalidValue("day", day, f"a day that is settled for {node_id}: {known or 'there is none yet'}")
    lines = (_line(details, turn) for turn in range(len(details.price_ticks)))
    return Statement(node_id, day, tuple(lines))


def _line(details: StatementDetails, turn: int) -> StatementLine:
    period = details.first_period + turn
    traded = Traded(details.bought_wh[turn], details.sold_wh[turn], details.paid[turn], details.received[turn])
    metered_wh = None if period in details.open_periods else details.fed_in_wh[turn] - details.drawn_wh[turn]
    return StatementLine(period, Imbalance(traded, metered_wh), details.price_ticks[turn])
