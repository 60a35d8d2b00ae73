"""The regulator: it reads every chain and every record, and writes nothing.

From a deal on the main chain it walks to both orders, to the records that the parties signed on their slave
chains, to the anchors that fix those records, and to what they say. Every step has a verdict of its own; a step
that does not hold names the chain and the record at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.crypto.pseudonym import DayKey
from gridbourse.errors import GridbourseError, InvalidValue, ProofError
from gridbourse.market.events import OrderPlaced, TraderRegistered
from gridbourse.market.types import Deal, DealState, Side
from gridbourse.network.keys import NodeKeys
from gridbourse.network.main_chain import MainChain
from gridbourse.network.market_view import MarketView
from gridbourse.network.records import DealDetails, Decision, OrderDetails
from gridbourse.network.slave import Slave
from gridbourse.network.slave_reading import Opened, SlaveReading
from gridbourse.units import PERIODS_PER_DAY

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the walk.

    Parameters
    ----------
    title
        What is checked.
    holds
        The verdict.
    finding
        What was found; where it does not hold, which chain and record is at fault.
    """

    title: str
    holds: bool
    finding: str


@dataclass(slots=True)
class PartyTrace:
    """The walk to one party of a deal; what was not reached is None."""

    side: Side
    master: str = ""
    placed: OrderPlaced | None = None
    order: Opened | None = None
    anchor: Anchor | None = None
    steps: list[Step] = field(default_factory=list)

    @property
    def details(self) -> OrderDetails | None:
        """What the party's own record says."""
        return self.order.details if self.order and isinstance(self.order.details, OrderDetails) else None


@dataclass(frozen=True, slots=True)
class Trace:
    """The whole walk from a deal."""

    deal_id: int
    deal: Deal
    parties: tuple[PartyTrace, PartyTrace]

    @property
    def holds(self) -> bool:
        """True if every step holds."""
        return all(step.holds for party in self.parties for step in party.steps)


class Regulator:
    """Traces deals and audits whole chains.

    Parameters
    ----------
    keys
        Its keys; every record is sealed to the encryption key.
    main
        The main chain.
    slaves
        The slave chains by the number of their master, open for reading.
    names
        The masters' names by their number.
    """

    def __init__(self, keys: NodeKeys, main: MainChain, slaves: Mapping[int, Slave], names: Mapping[int, str]) -> None:
        self._main = main
        self._view = MarketView(main)
        masters = main.consortium.masters()
        self._readings = {
            master_id: SlaveReading(names[master_id], slave, masters[master_id].account, keys.encryption)
            for master_id, slave in slaves.items()
        }
        self._pseudonyms: dict[int, TraderRegistered] = {}

    def trace(self, deal_id: int) -> Trace:
        """Walk from a deal to the proof of every detail behind it.

        Raises
        ------
        InvalidValue
            The main chain has no such deal.
        """
        self._catch_up()
        if deal_id not in self._view.deals:
            raise InvalidValue("deal", deal_id, f"the number of a deal, 1 to {len(self._view.deals)}")
        deal = self._main.market.deal(deal_id)
        return Trace(deal_id, deal, (self._walk(deal_id, deal, Side.ASK), self._walk(deal_id, deal, Side.BID)))

    def audit(self) -> list[str]:
        """Check all records of all chains against the main chain; returns what is wrong, empty if nothing is."""
        self._catch_up()
        findings: list[str] = []
        for master_id, reading in self._readings.items():
            findings += reading.findings
            anchors = self._main.anchors.anchors(master_id)
            findings += reading.wrong_anchors(anchors)
            anchored = anchors[-1].leaf_count if anchors else 0
            for leaf, order in reading.orders.items():
                if order.record.index < anchored and not self._is_answered(leaf):
                    findings.append(
                        f"slave chain {reading.name}, record {order.record.index}: the master anchored this order "
                        "and did not take it up to the main chain"
                    )
        for placed in self._view.orders.values():
            reading = self._readings[self._pseudonyms[placed.trader].master_id]
            if placed.record_hash not in reading.orders:
                findings.append(
                    f"main chain, order {placed.order_id.pack():x}: slave chain {reading.name} has no record"
                )
        return findings

    def _walk(self, deal_id: int, deal: Deal, side: Side) -> PartyTrace:
        """Take one step after the other, as far as the way leads."""
        party = PartyTrace(side)
        steps: tuple[tuple[str, Callable[[], str]], ...] = (
            ("order on the main chain", lambda: self._step_order(party, deal)),
            ("record on the slave chain", lambda: self._step_record(party)),
            ("signature of the record", lambda: self._step_signature(party)),
            ("inclusion under an anchor", lambda: self._step_inclusion(party)),
            ("order as the record states it", lambda: self._step_agreement(party)),
            ("pseudonym of the day", lambda: self._step_pseudonym(party)),
            ("answer within the cooling-off time", lambda: self._step_answer(party, deal_id, deal)),
            ("deal on the slave chain", lambda: self._step_deal(party, deal_id, deal)),
            ("whole slave chain as anchored", lambda: self._step_chain(party)),
        )
        for title, take in steps:
            try:
                party.steps.append(Step(title, holds=True, finding=take()))
            except GridbourseError as error:
                party.steps.append(Step(title, holds=False, finding=str(error)))
                if party.order is None:
                    break
        return party

    def _step_order(self, party: PartyTrace, deal: Deal) -> str:
        order_id = deal.ask if party.side is Side.ASK else deal.bid
        placed = party.placed = self._view.orders[order_id]
        party.master = self._reading(party).name
        if not deal.ask.price_ticks <= deal.price_ticks <= deal.bid.price_ticks:
            raise ProofError(f"main chain: the deal's price {deal.price_ticks} is outside its orders'")
        return f"order {order_id.pack():x} of trader {placed.trader}, carrying leaf {placed.record_hash.hex()}"

    def _step_record(self, party: PartyTrace) -> str:
        placed, reading = _reached(party.placed), self._reading(party)
        order = reading.orders.get(placed.record_hash)
        if order is None:
            raise ProofError(
                f"slave chain {reading.name} has no order record with leaf {placed.record_hash.hex()}: "
                "its master placed an order that nobody recorded, or dropped or changed the record"
            )
        party.order = order
        return f"record {order.record.index} in block {order.record.height} of slave chain {reading.name}"

    def _step_signature(self, party: PartyTrace) -> str:
        order, details = _reached(party.order), _reached(party.details)
        self._reading(party).require_signed(order, details.user_id)
        return f"signed by {details.user_id}, 0x{order.record.author.hex()}"

    def _step_inclusion(self, party: PartyTrace) -> str:
        anchors = self._main.anchors.anchors(self._master_id(party))
        anchor = party.anchor = self._reading(party).require_included(_reached(party.order).record, anchors)
        blocks = f"blocks {anchor.first_block} to {anchor.last_block}"
        return f"the anchor of {blocks}, {anchor.leaf_count} records, root {anchor.root.hex()}"

    def _step_agreement(self, party: PartyTrace) -> str:
        placed, details = _reached(party.placed), _reached(party.details)
        order_id = placed.order_id
        stated = (details.side, details.period, details.energy_types, details.energy_wh, details.price_ticks)
        found = (order_id.side, order_id.period, placed.energy_types, placed.energy_wh, order_id.price_ticks)
        if stated != found:
            index = _reached(party.order).record.index
            raise ProofError(f"slave chain {party.master}, record {index}: states {stated}, the main chain has {found}")
        return f"{details.user_id}, {details.location}: {details.energy_wh} Wh at {details.price_ticks} ticks"

    def _step_pseudonym(self, party: PartyTrace) -> str:
        placed, details = _reached(party.placed), _reached(party.details)
        day = details.period // PERIODS_PER_DAY
        secret = self._reading(party).day_keys.get(day)
        registered = self._pseudonyms[placed.trader].pseudonym
        if secret is None:
            raise ProofError(f"slave chain {party.master} records no key for day {day}")
        if DayKey(secret).pseudonym(details.user_id.encode()) != registered:
            raise ProofError(
                f"main chain: trader {placed.trader} is not {details.user_id} of slave chain {party.master}"
            )
        return f"trader {placed.trader} is {details.user_id} on day {day}"

    def _step_answer(self, party: PartyTrace, deal_id: int, deal: Deal) -> str:
        confirmed = deal.seller_confirmed if party.side is Side.ASK else deal.buyer_confirmed
        if not confirmed:
            return "the party did not confirm" if deal.state is not DealState.SETTLED else "no cooling-off time"
        reading, details = self._reading(party), _reached(party.details)
        for opened in reading.decisions.get((deal_id, party.side), []):
            decision = opened.details
            if isinstance(decision, Decision) and decision.confirmed and decision.user_id == details.user_id:
                reading.require_signed(opened, details.user_id)
                return f"record {opened.record.index} in block {opened.record.height}, signed by {details.user_id}"
        raise ProofError(
            f"slave chain {reading.name}: deal {deal_id} was confirmed without a record of {details.user_id}"
        )

    def _step_deal(self, party: PartyTrace, deal_id: int, deal: Deal) -> str:
        reading = self._reading(party)
        for opened in reversed(reading.deals.get((deal_id, party.side), [])):
            found = opened.details
            if isinstance(found, DealDetails) and found.state is deal.state:
                if (found.energy_wh, found.price_ticks) != (deal.energy_wh, deal.price_ticks):
                    raise ProofError(f"slave chain {reading.name}, record {opened.record.index}: not the deal agreed")
                return f"record {opened.record.index} in block {opened.record.height}: {deal.state.name.lower()}"
        raise ProofError(f"slave chain {reading.name} does not record deal {deal_id} as {deal.state.name.lower()}")

    def _step_chain(self, party: PartyTrace) -> str:
        reading = self._reading(party)
        wrong = [*reading.findings, *reading.wrong_anchors(self._main.anchors.anchors(self._master_id(party)))]
        if wrong:
            raise ProofError("; ".join(wrong))
        return f"{len(reading)} records of slave chain {reading.name}"

    def _reading(self, party: PartyTrace) -> SlaveReading:
        return self._readings[self._master_id(party)]

    def _master_id(self, party: PartyTrace) -> int:
        return self._pseudonyms[_reached(party.placed).trader].master_id

    def _is_answered(self, leaf: bytes) -> bool:
        return leaf in self._view.order_of_record or leaf in self._view.refusal_of_record

    def _catch_up(self) -> None:
        for event in self._view.catch_up():
            if isinstance(event, TraderRegistered):
                self._pseudonyms[event.trader] = event
        for reading in self._readings.values():
            reading.catch_up()


def _reached(value: _Value | None) -> _Value:
    """What an earlier step found; without it the walk has ended already."""
    assert value is not None, "the step before has found it"
    return value
