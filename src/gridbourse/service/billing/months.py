"""Monthly statements of function nodes, with all corrections."""

from __future__ import annotations

from collections.abc import Sequence

from gridbourse.api.billing_schema import MonthLine, MonthStatement
from gridbourse.index.queries.months import MonthRecord
from gridbourse.index.queries.reader import IndexReader
from gridbourse.service.rights import Principal, Right, require
from gridbourse.service.use_cases.trading import Trading


class MonthStatements:
    """Reads monthly statements as masters wrote them.

    Parameters
    ----------
    trading
        Knows whose nodes are whose.
    index
        The index.
    """

    def __init__(self, trading: Trading, index: IndexReader) -> None:
        self._trading = trading
        self._index = index

    def statements(self, principal: Principal, *, node_id: str | None = None) -> list[MonthStatement]:
        """All of the caller's nodes, the newest month first, of a month the newest document. Raises `NotFound`."""
        return self._found(principal, node_id, None)

    def of_month(self, principal: Principal, month: str, *, node_id: str | None = None) -> list[MonthStatement]:
        """What counts of a month, by node. Raises `NotFound`."""
        found = [own for own in self._found(principal, node_id, month_number(month)) if own.is_newest]
        return sorted(found, key=lambda own: (own.master, own.node_id))

    def _found(self, principal: Principal, node_id: str | None, month: int | None) -> list[MonthStatement]:
        require(principal, Right.READ_NODE)
        records = self._index.months.statements(node_ids=self._trading.nodes(principal, node_id), month=month)
        corrected = {(own.chain, own.details.corrects) for own in records}
        newest_first = sorted(records, key=lambda own: (own.details.month, own.chain, own.record), reverse=True)
        return [_view(own, is_newest=(own.chain, own.details.number) not in corrected) for own in newest_first]


def month_number(month: str) -> int:
    """A month as records have it."""
    return int(month.replace("-", ""))


def items_of(statements: Sequence[MonthStatement]) -> list[MonthLine]:
    """The lines of several statements, summed by what they are for: what a master's month comes to."""
    found: dict[str, MonthLine] = {}
    for statement in statements:
        for line in statement.lines:
            before = found.get(line.item, MonthLine(line.item, 0, 0, 0))
            found[line.item] = MonthLine(
                line.item, before.energy_wh + line.energy_wh, before.paid + line.paid, before.received + line.received
            )
    return list(found.values())


def _view(found: MonthRecord, *, is_newest: bool) -> MonthStatement:
    own = found.details
    return MonthStatement(
        number=_number(found.chain, own.number),
        corrects=_number(found.chain, own.corrects) if own.corrects else None,
        is_newest=is_newest,
        node_id=own.user_id,
        master=found.chain,
        month=f"{own.month // 100:04}-{own.month % 100:02}",
        rules=list(own.rules),
        lines=[MonthLine(*line) for line in zip(own.items, own.energies_wh, own.paid, own.received, strict=True)],
        paid=sum(own.paid),
        received=sum(own.received),
        gaps=list(own.gaps),
        open_periods=own.open_periods,
        compared_wh=own.compared_wh,
        delivered=own.delivered - own.delivered_back,
        retail=own.retail,
        record=found.record,
        leaf=f"0x{found.leaf.hex()}",
    )


def _number(chain: str, number: int) -> str:
    return f"{chain}-{number:06}"
