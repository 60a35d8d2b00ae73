"""What the regulator checks of the settlement between organisations: totals, imbalance prices, statements.

A total must be the sum of what its master metered, by its slave chain; a price must follow from the totals and the
deals; a statement from what was metered and the price. Totals and prices name the block of the main chain that they
follow from, so what came later makes none of them wrong; what has to follow from that has a day's time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from gridbourse.contracts.balancing import ImbalancePrice, Publication, Submission
from gridbourse.contracts.main_chain import MainChain
from gridbourse.crypto.envelope import EncryptionKey
from gridbourse.delivery import DeliveryCalendar, date_text
from gridbourse.errors import EnvelopeError
from gridbourse.ledger.balancing_records import MeteredDetails, MeteredTotal, Nomination, StatementDetails
from gridbourse.ledger.payout_records import PayoutOrder
from gridbourse.ledger.sealing import open_record
from gridbourse.market.types import Deal
from gridbourse.regulator.balance_view import BalanceView, imbalance_price
from gridbourse.regulator.capacity_audit import Nominations, Source, sources
from gridbourse.regulator.market_view import MarketView
from gridbourse.regulator.verified_records import VerifiedLedger
from gridbourse.text import Message
from gridbourse.units import format_price

FOLLOW_UP_SECONDS = 86_400
"""How long a new price may take after a new total, and a statement after a new price."""


class BalanceAudit:
    """Reads what masters submitted, and checks the settlement of every day.

    Parameters
    ----------
    main
        The main chain.
    market
        Orders and deals, which the owner keeps up.
    readings
        The slave chains by the number of their master, as far as they are open.
    name
        Tells a master's name.
    calendar
        The region's delivery days.
    keys
        The regulator's keys, newest first.
    """

    def __init__(
        self,
        main: MainChain,
        market: MarketView,
        readings: Mapping[int, VerifiedLedger],
        name: Callable[[int], str],
        calendar: DeliveryCalendar,
        keys: Sequence[EncryptionKey],
    ) -> None:
        self._main = main
        self._market = market
        self._readings = readings
        self._name = name
        self._calendar = calendar
        self._keys = keys
        self._view = BalanceView(main)
        self._height = 0
        self._read = 0
        self._settled_at: dict[int, int] = {}
        self._named_at: dict[int, int] = {}
        self._nominations: dict[str, Source[Nomination]] = {}
        self._totals: list[tuple[Submission, MeteredTotal]] = []
        self.payout_orders: dict[bytes, tuple[Submission, PayoutOrder]] = {}
        """What masters ordered to be paid out, by leaf."""
        self._unreadable: list[Message] = []
        self._trader_of = cache(main.market.trader_of)

    @property
    def nominations(self) -> Nominations:
        """What masters whose slave chains are open submitted to the dispatcher."""
        return self._nominations

    def catch_up(self) -> None:
        """Read the main chain as far as the market was read."""
        height, market = self._market.height, self._main.market
        if height <= self._height:
            return
        settled, registered = (market.abi.topic(event) for event in ("DealSettled", "TraderRegistered"))
        topics = [{settled, registered}]
        for log in market.chain.logs(
            address=market.address, topics=topics, first_block=self._height + 1, last_block=height
        ):
            event = market.abi.event(log)
            assert event is not None, "selected by its topic"
            if log.topics[0] == settled:
                self._settled_at[event.values["dealId"]] = log.height
            else:
                self._named_at.setdefault(event.values["masterId"], log.height)
        self._height = height
        self._view.catch_up(height)
        for submission in self._view.submissions[self._read :]:
            self._open(submission)
        self._read = len(self._view.submissions)

    def wrong(self) -> Iterator[Message]:
        """Everything that is wrong; the slave chains have been read after the main chain."""
        cutoff = self._cutoff()
        yield from self._unreadable
        for submission, total in self._totals:
            yield from self._wrong_total(submission, total)
        yield from self._wrong_prices(cutoff)
        for master_id, reading in self._readings.items():
            yield from self._wrong_statements(master_id, reading, cutoff)

    def _open(self, submission: Submission) -> None:
        record, reading = submission.record, self._readings.get(submission.master_id)
        try:
            details = open_record(self._main.balancing, record, *self._keys)
        except EnvelopeError as error:
            text = "{place} does not open for the regulator: {error}"
            self._unreadable.append(Message(text, place=self._place(submission), error=error))
            return
        if isinstance(details, MeteredTotal):
            self._totals.append((submission, details))
        elif isinstance(details, PayoutOrder):
            self.payout_orders[record.leaf] = submission, details
        elif isinstance(details, Nomination) and reading is not None:
            source = Source(record, details, None, reading, self._place(submission))
            self._nominations[record.leaf.hex()] = source

    def _place(self, submission: Submission) -> Message:
        text = "main chain, submission {index} of {name}"
        return Message(text, index=submission.record.index, name=self._name(submission.master_id))

    def _cutoff(self) -> int:
        """The newest block that is older than what has to follow may take."""
        chain, low, high = self._main.chain, 0, self._height
        latest = chain.header(high).timestamp - FOLLOW_UP_SECONDS
        while low < high:
            middle = (low + high + 1) // 2
            if chain.header(middle).timestamp <= latest:
                low = middle
            else:
                high = middle - 1
        return low

    # Totals

    def _wrong_total(self, submission: Submission, total: MeteredTotal) -> Iterator[Message]:
        """Sum again: what is metered where it is, what was traded where it is not."""
        reading, place = self._readings.get(submission.master_id), self._place(submission)
        if reading is None:
            return
        if total.records > len(reading) or total.as_of_block >= submission.record.height:
            yield Message("{place}: sums records or blocks that were not there", place=place)
            return
        day = self._calendar.day_of(total.first_period)
        metered = self._newest_metered(reading, total, day)
        day_key = reading.day_keys.get(day)
        traders = {
            user_id: self._trader_of(submission.master_id, day_key.pseudonym(user_id.encode())) if day_key else 0
            for user_id in metered
        }
        for period in total.periods:
            positions = self._positions(period, total.as_of_block)
            known = {user_id: details.metered_wh(period) for user_id, details in metered.items()}
            balance_wh = sum(wh for trader, wh in positions.items() if self._is_below(trader, submission.master_id))
            balance_wh += sum(
                wh - positions.get(traders[user_id], 0) for user_id, wh in known.items() if wh is not None
            )
            is_open = None in known.values()
            if balance_wh != total.balance_wh(period) or is_open != (period in total.open_periods):
                text = "{place}: states {stated} Wh in period {period}, slave chain {name} says {found} Wh"
                parts = {"stated": total.balance_wh(period), "found": balance_wh, "name": reading.name}
                yield Message(text, place=place, period=self._shown(period), **parts)

    def _is_below(self, trader: int, master_id: int) -> bool:
        return self._market.master_of.get(trader) == master_id

    def _positions(self, period: int, as_of_block: int) -> dict[int, int]:
        """By trader, what it sold less what it bought, as the main chain held it at a block."""
        positions: dict[int, int] = {}
        for deal in self._deals(period, as_of_block):
            positions[deal.seller] = positions.get(deal.seller, 0) + deal.energy_wh
            positions[deal.buyer] = positions.get(deal.buyer, 0) - deal.energy_wh
        return positions

    def _deals(self, period: int, as_of_block: int) -> list[Deal]:
        numbers = self._market.settled_numbers(period)
        return [self._market.deals[deal_id] for deal_id in numbers if self._settled_at[deal_id] <= as_of_block]

    # Prices

    def _wrong_prices(self, cutoff: int) -> Iterator[Message]:
        """Make every price that counts again, from what the main chain held when it was made."""
        submitted: dict[int, list[tuple[Submission, MeteredTotal]]] = {}
        for submission, total in self._totals:
            for period in total.periods:
                submitted.setdefault(period, []).append((submission, total))
        for period, publications in self._view.published.items():
            newest, stated = publications[-1], submitted.get(period, [])
            totals = _totals_at(stated, newest.as_of_block)
            due = self._due_price(period, newest.as_of_block, totals)
            if due != newest.price:
                text = (
                    "main chain: the imbalance price of period {period} is {price} yuan/kWh for {region} Wh, but what "
                    "was traded and submitted makes {due} yuan/kWh for {found} Wh"
                )
                parts = {"price": format_price(newest.price.price_ticks), "region": newest.price.region_wh}
                yield Message(
                    text, period=self._shown(period), due=format_price(due.price_ticks), found=due.region_wh, **parts
                )
            yield from self._missing_totals(newest, {submission.master_id for submission, _ in stated})
            if _totals_at(stated, cutoff) != totals and newest.as_of_block < cutoff:
                yield from self._stale_price(newest, _totals_at(stated, cutoff), cutoff)

    def _due_price(self, period: int, height: int, totals: Mapping[int, MeteredTotal]) -> ImbalancePrice:
        """The price that follows from what the main chain held at a block."""
        settings = self._main.consortium.settings_at(height)
        return imbalance_price(period, self._deals(period, height), self._market.master_of, totals, settings)

    def _stale_price(
        self, published: Publication, totals: Mapping[int, MeteredTotal], cutoff: int
    ) -> Iterator[Message]:
        if self._due_price(published.price.period, cutoff, totals) != published.price:
            text = "main chain: the imbalance price of period {period} does not take in what was submitted since"
            yield Message(text, period=self._shown(published.price.period))

    def _missing_totals(self, published: Publication, submitters: set[int]) -> Iterator[Message]:
        consortium, height = self._main.consortium, published.as_of_block
        named = {master_id for master_id, since in self._named_at.items() if since <= height}
        missing = sorted((named & consortium.active_masters_at(height)) - submitters)
        if not missing:
            return
        day = self._calendar.day_of(published.price.period)
        due = self._calendar.ends_at(day) + consortium.settings_at(height).metering_due_seconds
        in_time = self._main.chain.header(published.height).timestamp >= due
        for master_id in missing:
            text = "main chain: the imbalance prices of day {day} did not wait for what {name} has to submit"
            if in_time:
                text = "main chain: {name} did not submit in time what it metered on day {day}"
            yield Message(text, day=date_text(day), name=self._name(master_id))

    # Statements

    def _wrong_statements(self, master_id: int, reading: VerifiedLedger, cutoff: int) -> Iterator[Message]:
        statements: dict[tuple[str, int], list[Source[StatementDetails]]] = {}
        metered: dict[tuple[str, int], list[Source[MeteredDetails]]] = {}
        for statement in sources([reading], StatementDetails).values():
            statements.setdefault(self._user_and_day(statement.details), []).append(statement)
        for source in sources([reading], MeteredDetails).values():
            metered.setdefault(self._user_and_day(source.details), []).append(source)
        for key, own in statements.items():
            for statement in own:
                yield from self._wrong_statement(statement, metered.get(key, []))
        for key, stated in metered.items():
            if self._is_overdue(master_id, stated[-1], statements.get(key, []), cutoff):
                text = "{place}: what was metered for {user} is not settled at the published price"
                yield Message(text, place=stated[-1].place, user=key[0])

    def _wrong_statement(
        self, statement: Source[StatementDetails], metered: Sequence[Source[MeteredDetails]]
    ) -> Iterator[Message]:
        details = statement.details
        before = [source.details for source in metered if source.record.index < statement.record.index]
        if not before or _energies(details) != _energies(before[-1]):
            text = "{place}: settles other energies than were metered for {user}"
            yield Message(text, place=statement.place, user=details.user_id)
        for period, ticks in enumerate(details.price_ticks, details.first_period):
            published = self._view.published.get(period, ())
            if all(ticks != publication.price.price_ticks for publication in published):
                text = "{place}: settles {user} in period {period} at {price} yuan/kWh, which was not published"
                parts = {"period": self._shown(period), "price": format_price(ticks)}
                yield Message(text, place=statement.place, user=details.user_id, **parts)
                break

    def _is_overdue(
        self,
        master_id: int,
        metered: Source[MeteredDetails],
        statements: Sequence[Source[StatementDetails]],
        cutoff: int,
    ) -> bool:
        """Whether what was metered and priced long enough ago is not what the newest statement settles."""
        newest = [self._view.published[period][-1] for period in metered.details.periods if self._has_price(period)]
        if len(newest) < len(metered.details.periods) or any(price.height > cutoff for price in newest):
            return False
        ticks = tuple(publication.price.price_ticks for publication in newest)
        if statements and statements[-1].record.index > metered.record.index:
            return statements[-1].details.price_ticks != ticks
        anchored = self._main.anchors.height_of(master_id, metered.record.index)
        return anchored is not None and anchored <= cutoff

    def _has_price(self, period: int) -> bool:
        return period in self._view.published

    def _newest_metered(self, reading: VerifiedLedger, total: MeteredTotal, day: int) -> dict[str, MeteredDetails]:
        """By user, what a total had to sum: of its day, among so many first records."""
        return {
            source.details.user_id: source.details
            for source in sources([reading], MeteredDetails).values()
            if source.record.index < total.records and self._calendar.day_of(source.details.first_period) == day
        }

    def _user_and_day(self, details: StatementDetails | MeteredDetails) -> tuple[str, int]:
        return details.user_id, self._calendar.day_of(details.first_period)

    def _shown(self, period: int) -> str:
        return self._calendar.dated_span(period)


def _totals_at(stated: Sequence[tuple[Submission, MeteredTotal]], height: int) -> dict[int, MeteredTotal]:
    """By master, the newest total that the main chain held at a block."""
    return {submission.master_id: total for submission, total in stated if submission.record.height <= height}


def _energies(details: StatementDetails | MeteredDetails) -> tuple[object, ...]:
    return details.first_period, details.fed_in_wh, details.drawn_wh, details.open_periods
