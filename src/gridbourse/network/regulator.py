"""The regulator: it reads every chain and every record, and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.contracts.slave_ledger import LedgerRecord, record_leaf
from gridbourse.crypto.merkle import verify_inclusion
from gridbourse.errors import ProofError
from gridbourse.market.events import OrderPlaced
from gridbourse.market.types import OrderId, Side
from gridbourse.network.keys import NodeKeys
from gridbourse.network.main_chain import MainChain
from gridbourse.network.market_view import MarketView
from gridbourse.network.records import OrderDetails, open_record
from gridbourse.network.slave import Slave


@dataclass(frozen=True, slots=True)
class TracedOrder:
    """An order on the main chain, and the proven record behind it."""

    order_id: OrderId
    master_id: int
    record: LedgerRecord
    anchor: Anchor
    details: OrderDetails


class Regulator:
    """Walks from a deal on the main chain to the records of its parties.

    Parameters
    ----------
    keys
        Its keys; every record is sealed to the encryption key.
    main
        The main chain.
    slaves
        The slave chains by the number of their master, open for reading.
    """

    def __init__(self, keys: NodeKeys, main: MainChain, slaves: Mapping[int, Slave]) -> None:
        self._keys = keys
        self._main = main
        self._slaves = slaves
        self._view = MarketView(main)
        self._records: dict[int, dict[bytes, LedgerRecord]] = {master_id: {} for master_id in slaves}
        self._heights: dict[int, int] = dict.fromkeys(slaves, 0)

    def trace_deal(self, deal_id: int) -> dict[Side, TracedOrder]:
        """Trace both orders of a deal.

        Raises
        ------
        ProofError
            A record is missing, is not anchored, or says something else than the main chain.
        """
        for _ in self._view.catch_up():
            pass
        deal = self._view.deals.get(deal_id)
        if deal is None:
            raise ProofError(f"deal {deal_id}: the main chain has no such deal")
        orders = {Side.ASK: deal.intent.ask, Side.BID: deal.intent.bid}
        return {side: self._trace(self._view.orders[order_id]) for side, order_id in orders.items()}

    def _trace(self, placed: OrderPlaced) -> TracedOrder:
        master_id = self._main.market.trader(placed.trader).master_id
        record = self._record(master_id, placed.record_hash)
        anchor = self._prove(master_id, record)
        details = open_record(self._slaves[master_id].ledger, record, self._keys.encryption)
        order_id = placed.order_id
        stated = (order_id.side, placed.energy_types, order_id.period, placed.energy_wh, order_id.price_ticks)
        if not isinstance(details, OrderDetails) or stated != (
            details.side,
            details.energy_types,
            details.period,
            details.energy_wh,
            details.price_ticks,
        ):
            raise ProofError(f"master {master_id}, record {record.index}: not the order {order_id} of the main chain")
        return TracedOrder(order_id, master_id, record, anchor, details)

    def _record(self, master_id: int, leaf: bytes) -> LedgerRecord:
        slave, known = self._slaves[master_id], self._records[master_id]
        if leaf not in known:
            head = slave.chain.head().height
            known.update({record.leaf: record for record in slave.records(after_block=self._heights[master_id])})
            self._heights[master_id] = head
        record = known.get(leaf)
        if record is None:
            raise ProofError(f"master {master_id}: its slave chain has no record with leaf {leaf.hex()}")
        if record_leaf(record.author, record.kind, record.content) != leaf:
            raise ProofError(f"master {master_id}, record {record.index}: its content does not hash to its leaf")
        return record

    def _prove(self, master_id: int, record: LedgerRecord) -> Anchor:
        """Prove that a record is in the log as the master anchored it first after writing it."""
        anchors = self._main.anchors.anchors(master_id)
        anchor = next((anchor for anchor in anchors if anchor.leaf_count > record.index), None)
        if anchor is None:
            raise ProofError(f"master {master_id}, record {record.index}: not anchored yet")
        proof = self._slaves[master_id].inclusion_proof(record.index, anchor.leaf_count)
        verify_inclusion(record.leaf, record.index, anchor.leaf_count, proof, anchor.root)
        return anchor
