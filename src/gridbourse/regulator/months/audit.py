"""Monthly statements made again from what the chains held, and compared with what masters wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gridbourse.contracts.main_chain import MainChain
from gridbourse.delivery import DeliveryCalendar
from gridbourse.ledger.balancing_records import StatementDetails
from gridbourse.ledger.month_records import MonthBasis, MonthStatement
from gridbourse.market.types import SettledTrade
from gridbourse.regulator.market_view import MarketView
from gridbourse.regulator.months.view import MonthView, days_of, month_of, periods_of, versions_in
from gridbourse.regulator.name_audit import NameAudit
from gridbourse.regulator.verified_records import DecryptedRecord, VerifiedLedger
from gridbourse.rules.month import MonthBill
from gridbourse.rules.rule_set import RuleHistory
from gridbourse.text import Message

FOLLOW_UP_SECONDS = 86_400
"""How long the statements of a month may take after its readings were due."""


class MonthAudit:
    """Makes every monthly statement again.

    Parameters
    ----------
    main, view
        The main chain, and its orders and deals, which the owner keeps up.
    readings
        The slave chains by the number of their master, as far as they are open.
    registered
        Knows who trades under which number.
    calendar, rules
        The region's.
    """

    def __init__(
        self,
        main: MainChain,
        view: MarketView,
        readings: Mapping[int, VerifiedLedger],
        registered: NameAudit,
        calendar: DeliveryCalendar,
        rules: RuleHistory,
    ) -> None:
        self._main = main
        self._view = view
        self._readings = readings
        self._registered = registered
        self._calendar = calendar
        self._rules = rules
        self._height = 0
        self._settled_at: dict[int, int] = {}

    def wrong(self) -> Iterator[Message]:
        """Everything that is wrong; all chains have been read."""
        if any(reading.months for reading in self._readings.values()):
            self._note_settled()
        for master_id, reading in self._readings.items():
            yield from self._wrong_numbers(reading)
            yield from self._wrong_statements(master_id, reading)
            yield from self._missing(reading)

    def _note_settled(self) -> None:
        """Find in which blocks deals were settled."""
        market, height = self._main.market, self._view.height
        topics = [{market.abi.topic("DealSettled")}]
        for log in market.chain.logs(
            address=market.address, topics=topics, first_block=self._height + 1, last_block=height
        ):
            event = market.abi.event(log)
            assert event is not None, "selected by its topic"
            self._settled_at[event.values["dealId"]] = log.height
        self._height = height

    def _wrong_numbers(self, reading: VerifiedLedger) -> Iterator[Message]:
        newest: dict[tuple[str, int], int] = {}
        for due, opened in enumerate((own for own in reading.months if own.fault is None), start=1):
            details = opened.details
            corrected = newest.get((details.user_id, details.month), 0)
            if (details.number, details.corrects) != (due, corrected):
                text = (
                    "{place}: is monthly statement {number} in place of {corrects}, but {due} in place of {corrected} "
                    "is due"
                )
                parts = {"number": details.number, "corrects": details.corrects, "due": due, "corrected": corrected}
                yield Message(text, place=reading.place(opened.record), **parts)
            newest[details.user_id, details.month] = details.number

    def _wrong_statements(self, master_id: int, reading: VerifiedLedger) -> Iterator[Message]:
        made: dict[MonthBasis, tuple[MonthBasis, dict[str, MonthBill]]] = {}
        for opened in reading.months:
            details = opened.details
            if opened.fault is not None:
                continue
            place = reading.place(opened.record)
            if self._is_impossible(opened):
                yield Message("{place}: follows from records or blocks that were not there", place=place)
                continue
            if details.basis not in made:
                made[details.basis] = self._make(master_id, reading, details.basis)
            basis, bills = made[details.basis]
            bill = bills.get(details.user_id)
            if bill is None or not _agrees(details, bill, basis):
                text = "{place}: states the month {month} of {user} otherwise than trades, readings and rules make it"
                yield Message(text, place=place, month=details.month, user=details.user_id)

    def _is_impossible(self, opened: DecryptedRecord[MonthStatement]) -> bool:
        details = opened.details
        is_month = 1 <= details.month % 100 <= 12 and 1970 <= details.month // 100 < 10_000
        return details.records > opened.record.index or details.as_of_block > self._view.height or not is_month

    def _make(
        self, master_id: int, reading: VerifiedLedger, basis: MonthBasis
    ) -> tuple[MonthBasis, dict[str, MonthBill]]:
        """What statements ought to follow from (rules in force, all trades up to their block), and their bills."""
        days = days_of(basis.month)
        newest: dict[tuple[str, int], StatementDetails] = {}
        for opened in reading.duties.values():
            details = opened.details
            if isinstance(details, StatementDetails) and opened.fault is None and opened.record.index < basis.records:
                day = self._calendar.day_of(details.first_period)
                if day in days:
                    newest[details.user_id, day] = details
        nodes = {
            opened.details.node_id: opened.details
            for opened in reading.registrations
            if opened.record.index < basis.records
        }
        master = self._main.consortium.masters()[master_id]
        trades = self._trades(basis.month, basis.as_of_block)
        view = MonthView(self._calendar, self._rules, basis.month, trades)
        bills = view.bills(master.role.name.lower(), nodes, newest.values(), self._registered.user_of)
        rules = versions_in(self._rules, basis.month)
        return MonthBasis(basis.month, rules, basis.records, basis.as_of_block, len(trades)), bills

    def _trades(self, month: int, as_of_block: int) -> list[SettledTrade]:
        periods = periods_of(month, self._calendar)
        found = []
        for period in periods:
            for deal_id in self._view.settled_numbers(period):
                if self._settled_at.get(deal_id, as_of_block + 1) > as_of_block:
                    continue
                deal = self._view.deals[deal_id]
                seller, buyer = self._registered[deal.seller], self._registered[deal.buyer]
                energy_type = self._view.orders[deal.ask].energy_types
                trade = (period, deal.seller, deal.buyer, seller.zone, buyer.zone)
                found.append(SettledTrade(*trade, int(energy_type), deal.energy_wh, deal.price_ticks))
        return found

    def _missing(self, reading: VerifiedLedger) -> Iterator[Message]:
        """Users who were settled in a month that is over, and have no statement of it."""
        chain = self._main.chain
        latest = chain.head().timestamp - FOLLOW_UP_SECONDS - self._main.consortium.settings().metering_due_seconds
        stated = {(own.details.user_id, own.details.month) for own in reading.months if own.fault is None}
        settled = {
            (opened.details.user_id, month_of(self._calendar.day_of(opened.details.first_period)))
            for opened in reading.duties.values()
            if isinstance(opened.details, StatementDetails) and opened.fault is None
        }
        for user_id, month in sorted(settled - stated):
            if self._calendar.ends_at(days_of(month)[-1]) <= latest:
                text = "slave chain {name}: {user} has no statement of the month {month}"
                yield Message(text, name=reading.name, user=user_id, month=month)


def _agrees(details: MonthStatement, bill: MonthBill, basis: MonthBasis) -> bool:
    return details == MonthStatement.of(bill, basis, details.user_id, details.number, details.corrects)
