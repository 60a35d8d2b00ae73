"""The regulator: it reads every chain and every record, and writes nothing.

From a deal on the main chain it walks to both orders, to the records that the parties signed on their slave
chains, to the anchors that fix those records, and to what they say. Every step has a verdict of its own; a step
that does not hold names the chain and the record at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial, reduce
from typing import TypeVar

from gridbourse.contracts.consortium import SlaveChain
from gridbourse.contracts.main_chain import MainChain
from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.contracts.slave_ledger import LedgerRecord, SlaveLedger
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.delivery import DeliveryCalendar, date_text
from gridbourse.errors import ChainError, GridbourseError, InvalidValue, ProofError
from gridbourse.ledger.merkle_log import Slave
from gridbourse.ledger.records import DealDetails, Details, NodeReport
from gridbourse.ledger.sealing import open_record
from gridbourse.market.events import (
    DealAbandoned,
    DealConfirmed,
    DealExpired,
    DealSettled,
    DepositMoved,
    Event,
    IntentRecorded,
    OrderPlaced,
    PartyConfirmed,
    TraderRegistered,
    TransferCapacityPublished,
)
from gridbourse.market.types import Deal, DealState, EnergyType, OrderId, Side, ZonePair
from gridbourse.regulator.balance_audit import BalanceAudit
from gridbourse.regulator.capacity_audit import (
    CapacityTrace,
    trace_capacity,
    wrong_capacities,
    wrong_publications,
    wrong_statements,
)
from gridbourse.regulator.change_audit import ChangeAudit
from gridbourse.regulator.conduct_audit import ConductAudit
from gridbourse.regulator.market_view import DEAL_EVENTS, STATE_AFTER, MarketView
from gridbourse.regulator.money_audit import MoneyAudit
from gridbourse.regulator.months.audit import MonthAudit
from gridbourse.regulator.name_audit import NameAudit
from gridbourse.regulator.trace import STATES, PartyTrace, Step, Trace, order_hex, order_text
from gridbourse.regulator.verified_records import DecryptedRecord, VerifiedLedger
from gridbourse.rules.rule_set import RuleHistory
from gridbourse.text import Message

MOST_READINGS = 50
"""So often chains are read on before one moment of all of them is given up; each time only what is new."""

_Value = TypeVar("_Value")


class Regulator:
    """Traces deals and audits whole chains.

    It trusts the main chain, which the consortium seals together, and its own key; of a slave chain it believes
    what is signed by whom it concerns and agrees with the main chain.

    Parameters
    ----------
    keys
        Its keys; every record is sealed to the encryption key.
    main
        The main chain.
    slaves
        The slave chains by the number of their master, as far as they are open for reading.
    names
        The masters' names by their number.
    calendar
        The region's delivery days.
    rules
        The sets of market rules by which months are settled.
    """

    def __init__(
        self,
        keys: NodeKeys,
        main: MainChain,
        slaves: Mapping[int, Slave],
        names: Mapping[int, str],
        calendar: DeliveryCalendar,
        rules: RuleHistory,
    ) -> None:
        self._calendar = calendar
        self._main = main
        self._names = names
        self._opening = keys.opening
        self._view = MarketView(main)
        self._happened = self._view.follow(TraderRegistered, DepositMoved, TransferCapacityPublished, *DEAL_EVENTS)
        self._readings = {
            number: VerifiedLedger(
                number, names[number], slave, partial(main.consortium.accounts, number), keys.opening
            )
            for number, slave in slaves.items()
        }
        self._changes = ChangeAudit(main, self._view, self._readings, calendar)
        self._registered = NameAudit(main, self._readings, self._name)
        self._balance = BalanceAudit(main, self._view, self._readings, self._name, calendar, keys.opening)
        self._money = MoneyAudit(main, self._view, self._readings, self._name, self._balance.payout_orders)
        self._months = MonthAudit(main, self._view, self._readings, self._registered, calendar, rules)
        self._answers: dict[tuple[int, Side], bool] = {}
        self._conduct = ConductAudit(main, self._registered, self._view.deals, self._answers, self._name)
        self._published: list[tuple[ZonePair, int]] = []
        self._anchors: dict[int, list[Anchor]] = {}
        self._unread: dict[int, ChainError] = {}
        self._states: dict[int, set[DealState]] = {}

    def open(self, ledger: SlaveLedger, record: LedgerRecord) -> Details:
        """Decrypt a record of a slave chain. Raises `EnvelopeError` if it does not open."""
        return open_record(ledger, record, *self._opening)

    def open_submitted(self, record: LedgerRecord) -> Details:
        """Decrypt a record that a master submitted on the main chain. Raises `EnvelopeError` if it does not open."""
        return open_record(self._main.balancing, record, *self._opening)

    def trace(self, deal_id: int) -> Trace:
        """Walk from a deal to the proof of every detail behind it.

        Raises
        ------
        InvalidValue
            The main chain has no such deal.
        """
        self._catch_up()
        if deal_id in self._view.deals:
            asked = self._view.deals[deal_id]
            self._read_together({self._view.master_of[trader] for trader in (asked.seller, asked.buyer)})
        else:
            raise InvalidValue("deal", deal_id, f"the number of a deal, 1 to {len(self._view.deals)}")
        deal = self._view.deals[deal_id]
        seller, buyer = self._party(deal.ask), self._party(deal.bid)
        for party in (seller, buyer):
            self._walk(party, deal_id, deal)
        return Trace(deal_id, deal, self._calendar.dated_span(deal.ask.period), (seller, buyer))

    def audit(self) -> list[str]:
        """Check all records of all chains against the main chain; returns what is wrong, empty if nothing is.

        What is merely not done yet is not wrong: an order without its anchor, a deal's end not yet on the slave chains.
        """
        self._read_together(self._readings)
        findings: list[str] = []
        for master_id in self._main.consortium.masters():
            try:
                findings += self._wrong_slave(master_id)
            except ProofError as error:
                findings.append(Message.of(error))
            except ChainError as error:
                text = "slave chain {name} cannot be read: {error}"
                findings.append(Message(text, name=self._name(master_id), error=error))
        for placed in self._view.orders.values():
            findings += self._wrong_order(placed)
        for deal_id, side in self._answers:
            findings += self._wrong_answer(deal_id, side)
        for order_id in sorted(self._view.orders.withdrawn()):
            findings += self._changes.wrong_withdrawal(order_id, self._master_id(self._view.orders[order_id]))
        readings = list(self._readings.values())
        findings += self._registered.wrong()
        findings += self._conduct.wrong()
        findings += self._balance.wrong()
        findings += wrong_capacities(readings, self._balance.nominations, self._calendar)
        findings += wrong_publications(readings, self._published, self._calendar)
        findings += wrong_statements(readings, self._view.deals.values(), self._main.market.trader_of, self._calendar)
        findings += self._months.wrong()
        # Last: it reads on.
        findings += self._money.wrong()
        return list(dict.fromkeys(findings))

    def trace_capacity(self, period: int, from_zone: str, to_zone: str) -> CapacityTrace:
        """Walk from a transfer capacity to the nominations and schedules that it was computed from.

        Raises
        ------
        InvalidValue
            Dispatch recorded no capacity for this period and pair of zones.
        """
        self._catch_up()
        for reading in self._readings.values():
            reading.catch_up()
        readings = list(self._readings.values())
        return trace_capacity(readings, self._balance.nominations, self._calendar, period, from_zone, to_zone)

    def reports(self) -> list[NodeReport]:
        """What the function nodes of all masters reported; a report that must not be believed is left to `audit`."""
        for reading in self._readings.values():
            reading.catch_up()
        return [
            opened.details for reading in self._readings.values() for opened in reading.reports if opened.fault is None
        ]

    # The walk

    def _walk(self, party: PartyTrace, deal_id: int, deal: Deal) -> None:
        """Take one step after the other, as far as the way leads."""
        steps: tuple[tuple[str, Callable[[], str]], ...] = (
            ("order on the main chain", lambda: self._step_order(party, deal)),
            ("record on the slave chain", lambda: self._step_newest_record(party)),
            ("inclusion under an anchor", lambda: self._step_inclusion(party)),
            ("signature of the record", lambda: self._step_signature(party)),
            ("order as the record states it", lambda: self._step_agreement(party)),
            ("pseudonym of the day", lambda: self._step_pseudonym(party)),
            ("answer within the cooling-off time", lambda: self._step_answer(party, deal_id)),
            ("deal on the slave chain", lambda: self._step_deal(party, deal_id, deal)),
            ("whole slave chain as anchored", lambda: self._step_chain(party)),
        )
        for title, take in steps:
            try:
                party.steps.append(Step(title, holds=True, finding=take()))
            except GridbourseError as error:
                party.steps.append(Step(title, holds=False, finding=Message.of(error)))
                if party.order is None:
                    break

    def _step_order(self, party: PartyTrace, deal: Deal) -> str:
        placed = party.placed
        if not deal.ask.price_ticks <= deal.price_ticks <= deal.bid.price_ticks:
            raise ProofError(
                Message("main chain: the deal's price {price} is outside its orders'", price=deal.price_ticks)
            )
        return Message(
            "order {order} of trader {trader}, carrying leaf {leaf}",
            order=order_hex(placed.order_id),
            trader=placed.trader,
            leaf=placed.record_hash.hex(),
        )

    def _step_newest_record(self, party: PartyTrace) -> str:
        self._require_read(self._reading(party).master_id)
        return self._step_record(party)

    def _step_record(self, party: PartyTrace) -> str:
        leaf, order_id, reading = party.placed.record_hash, party.placed.order_id, self._reading(party)
        if leaf in reading.unreadable:
            raise ProofError(reading.unreadable[leaf])
        order = party.order = reading.orders.get(leaf)
        if order is None:
            raise ProofError(
                Message(
                    "main chain, order {order}: slave chain {name} has no order record with its leaf {leaf}; its "
                    "master placed what nobody recorded, or changed or dropped the record",
                    order=order_hex(order_id),
                    name=reading.name,
                    leaf=leaf.hex(),
                )
            )
        place, first = reading.place(order.record), self._view.order_of(reading.master_id, leaf)
        if first is not None and first != order_id:
            text = "main chain, order {order}: {place} already stands for order {first}"
            raise ProofError(Message(text, order=order_hex(order_id), place=place, first=order_hex(first)))
        return place

    def _step_inclusion(self, party: PartyTrace) -> str:
        anchors = self._anchors[self._master_id(party.placed)]
        anchor = party.anchor = self._reading(party).require_included(_reached(party.order).record, anchors)
        return Message(
            "the anchor of blocks {first} to {last}, {count} records, root {root}",
            first=anchor.first_block,
            last=anchor.last_block,
            count=anchor.leaf_count,
            root=anchor.root.hex(),
        )

    def _step_signature(self, party: PartyTrace) -> str:
        order = _reached(party.order)
        if order.fault:
            raise ProofError(order.fault)
        return Message("signed by {user}, 0x{author}", user=order.details.user_id, author=order.record.author.hex())

    def _step_agreement(self, party: PartyTrace) -> str:
        placed, order = party.placed, _reached(party.order)
        order_id, details = placed.order_id, order.details
        stated = (details.side, details.period, details.energy_types, details.energy_wh, details.price_ticks)
        found = (order_id.side, order_id.period, placed.energy_types, placed.energy_wh, order_id.price_ticks)
        if stated != found:
            place = self._reading(party).place(order.record)
            text = "main chain, order {order}: {found}, but {place} states: {stated}"
            orders = {"found": self._said(*found), "stated": self._said(*stated)}
            raise ProofError(Message(text, order=order_hex(order_id), place=place, **orders))
        told = Message(
            "{user}, {location}: {stated}", user=details.user_id, location=details.location, stated=self._said(*stated)
        )
        if not details.replaces:
            return told
        replaced = OrderId.unpack(details.replaces)
        if not self._view.orders.is_withdrawn(replaced):
            text = "main chain, order {order}: stands beside {replaced}, which it replaces"
            raise ProofError(Message(text, order=order_hex(order_id), replaced=order_hex(replaced)))
        return Message("{told}, in place of order {replaced}", told=told, replaced=order_hex(replaced))

    def _step_pseudonym(self, party: PartyTrace) -> str:
        trader, details = party.placed.trader, _reached(party.order).details
        day = self._calendar.day_of(details.period)
        day_key = self._reading(party).day_keys.get(day)
        if day_key is None:
            parts = {"name": party.master, "day": date_text(day)}
            raise ProofError(Message("slave chain {name} records no key for day {day}", **parts))
        if day_key.pseudonym(details.user_id.encode()) != self._registered[trader].pseudonym:
            place = self._reading(party).place(_reached(party.order).record)
            text = "main chain, trader {trader} is not {user} of {place}"
            raise ProofError(Message(text, trader=trader, user=details.user_id, place=place))
        return Message(
            "trader {trader} is {user} on day {day}", trader=trader, user=details.user_id, day=date_text(day)
        )

    def _step_answer(self, party: PartyTrace, deal_id: int) -> str:
        answer = self._answers.get((deal_id, party.side))
        if answer is None:
            return Message("the main chain has no answer of this party")
        reading, user_id = self._reading(party), _reached(party.order).details.user_id
        verb = Message("confirmed") if answer else Message("abandoned")
        for opened in reading.decisions.get((deal_id, party.side), []):
            stated = opened.details
            if opened.fault is None and (stated.user_id, stated.confirmed) == (user_id, answer):
                return Message("{verb} by {user}, {place}", verb=verb, user=user_id, place=reading.place(opened.record))
        text = "main chain, deal {deal}: {verb} for {user}, who signed no such record on slave chain {name}"
        raise ProofError(Message(text, deal=deal_id, verb=verb, user=user_id, name=reading.name))

    def _step_deal(self, party: PartyTrace, deal_id: int, deal: Deal) -> str:
        reading = self._reading(party)
        # That both confirmed is not written down again: the parties wrote it themselves.
        state = DealState.INTENT if deal.state is DealState.CONFIRMED else deal.state
        records = reading.deals.get((deal_id, party.side), [])
        for opened in records:
            if lie := self._mismatch(reading, opened):
                raise ProofError(lie)
        for opened in records:
            if opened.fault is None and opened.details.state is state:
                return Message("{state}, {place}", state=STATES[state], place=reading.place(opened.record))
        text = "slave chain {name} does not record deal {deal} as {state}"
        raise ProofError(Message(text, name=reading.name, deal=deal_id, state=STATES[state]))

    def _step_chain(self, party: PartyTrace) -> str:
        wrong = list(self._wrong_chain(self._master_id(party.placed)))
        if wrong:
            raise ProofError(reduce(lambda first, more: Message("{first}; {more}", first=first, more=more), wrong))
        return Message("{count} records of slave chain {name}", count=len(self._reading(party)), name=party.master)

    # What an audit looks for

    def _wrong_slave(self, master_id: int) -> Iterator[str]:
        """What is wrong with the records of a slave chain."""
        reading = self._open_reading(master_id)
        self._require_read(master_id)
        yield from reading.findings
        yield from self._wrong_chain(master_id)
        newest = self._anchors[master_id][-1] if self._anchors[master_id] else None
        yield from self._changes.dropped_orders(master_id, newest)
        yield from self._changes.dropped_cancellations(master_id, newest)
        records = (opened for of_deal in reading.deals.values() for opened in of_deal)
        yield from (found for opened in records if (found := self._mismatch(reading, opened)))

    def _wrong_chain(self, master_id: int) -> Iterator[str]:
        """Compare a whole slave chain with what its master registered and anchored."""
        reading, registered = self._readings[master_id], self._main.consortium.slave_chain(master_id)
        chain = reading.slave.chain
        if registered != SlaveChain(chain.chain_id, chain.header(0).hash, reading.slave.ledger.address):
            yield Message("slave chain {name} is not the one that its master registered", name=reading.name)
        yield from reading.wrong_anchors(self._anchors[master_id])

    def _wrong_order(self, placed: OrderPlaced) -> Iterator[str]:
        """Find the first thing that is wrong with an order of the main chain."""
        party = self._party(placed.order_id)
        try:
            for step in (self._step_record, self._step_signature, self._step_agreement, self._step_pseudonym):
                step(party)
        except ProofError as error:
            yield Message.of(error)

    def _wrong_answer(self, deal_id: int, side: Side) -> Iterator[str]:
        """Find an answer that its user did not give. An order without a record is another finding."""
        deal = self._view.deals[deal_id]
        party = self._party(deal.ask if side is Side.ASK else deal.bid)
        try:
            party.order = self._reading(party).orders.get(party.placed.record_hash)
            if party.order is not None:
                self._step_answer(party, deal_id)
        except ProofError as error:
            yield Message.of(error)

    def _mismatch(self, reading: VerifiedLedger, opened: DecryptedRecord[DealDetails]) -> str | None:
        """Compare what the master wrote to a party with the deal on the main chain."""
        stated, deal = opened.details, self._view.deals.get(opened.details.deal_id)
        if opened.fault is not None:
            return None
        if deal is None:
            text = "{place}: states deal {deal}, which is not on the main chain"
            return Message(text, place=reading.place(opened.record), deal=stated.deal_id)
        own, other = deal.ask, deal.bid
        if stated.side is Side.BID:
            own, other = other, own
        order = reading.orders.get(self._view.orders[own].record_hash)
        told = (stated.user_id, *stated.orders, stated.energy_wh, stated.price_ticks)
        agreed = (order and order.details.user_id, own, other, deal.energy_wh, deal.price_ticks)
        if told != agreed or stated.state not in self._states[stated.deal_id]:
            text = "{place}: states deal {deal} otherwise than the main chain"
            return Message(text, place=reading.place(opened.record), deal=stated.deal_id)
        return None

    # What the main chain tells

    def _party(self, order_id: OrderId) -> PartyTrace:
        placed = self._view.orders[order_id]
        return PartyTrace(order_id.side, placed, self._name(self._master_id(placed)))

    def _said(self, side: Side, period: int, energy_types: EnergyType, energy_wh: int, price_ticks: int) -> Message:
        return order_text(side, self._calendar.dated_span(period), energy_types, energy_wh, price_ticks)

    def _name(self, master_id: int) -> str:
        return self._names.get(master_id, f"number {master_id}")

    def _reading(self, party: PartyTrace) -> VerifiedLedger:
        return self._open_reading(self._master_id(party.placed))

    def _open_reading(self, master_id: int) -> VerifiedLedger:
        if master_id not in self._readings:
            text = "slave chain {name} is not open to the regulator: nothing on it is proven"
            raise ProofError(Message(text, name=self._name(master_id)))
        return self._readings[master_id]

    def _master_id(self, placed: OrderPlaced) -> int:
        return self._registered[placed.trader].master_id

    def _read_together(self, masters: Collection[int]) -> None:
        """Read chains until they belong together, whatever is written meanwhile.

        What the main chain tells of orders and answers was on a slave chain before; what a slave chain tells of deals,
        on the main chain. So both hold only of slave chains that were read while the main chain stood still.
        """
        for _ in range(MOST_READINGS):
            self._catch_up()
            self._unread.clear()
            for master_id in sorted(self._readings.keys() & set(masters)):
                self._anchors[master_id] = self._main.anchors.anchors(master_id)
                try:
                    self._readings[master_id].catch_up()
                except ChainError as error:
                    self._unread[master_id] = error
            if self._main.chain.head().height == self._view.height:
                return
        raise ChainError("the main chain grows faster than it can be checked; try again when less happens")

    def _require_read(self, master_id: int) -> None:
        if master_id in self._unread:
            raise self._unread[master_id]

    def _catch_up(self) -> None:
        """Read the main chain, always before the slave chains: what it holds was on one of them before."""
        self._view.catch_up()
        while self._happened:
            self._note(self._happened.popleft())
        self._balance.catch_up()

    def _note(self, event: Event) -> None:
        match event:
            case TraderRegistered():
                self._registered.note(event)
            case DepositMoved():
                self._conduct.note(event)
            case TransferCapacityPublished():
                pair = ZonePair(event.period, event.from_zone, event.to_zone)
                self._published.append((pair, event.capacity_wh))
            case IntentRecorded() | DealConfirmed() | DealExpired() | DealSettled():
                self._states.setdefault(event.deal_id, set()).add(STATE_AFTER[type(event)])
            case PartyConfirmed():
                self._answers[event.deal_id, event.side] = True
            case DealAbandoned():
                self._answers[event.deal_id, event.side] = False
                self._states.setdefault(event.deal_id, set()).add(DealState.ABANDONED)
            case _:
                pass


def _reached(value: _Value | None) -> _Value:
    """What an earlier step found; without it the walk has ended already."""
    assert value is not None, "the step before has found it"
    return value
