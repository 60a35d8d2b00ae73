"""Blocks made by hand, and an index of them."""

import hashlib

from gridbourse.contracts.slave_ledger import RecordHead
from gridbourse.crypto.keys import Address
from gridbourse.delivery import DeliveryCalendar
from gridbourse.index.blocks import Head, MainBlock, SlaveBlock
from gridbourse.index.database import Database
from gridbourse.index.index import Index
from gridbourse.index.queries.reader import IndexReader
from gridbourse.ledger.reader import SlaveRecord
from gridbourse.ledger.records import NodeRegistered
from gridbourse.market.events import TraderRegistered
from gridbourse.market.types import OrderId, Side

PERIOD = 2_000_000
NAMES = {1: "roofs", 2: "grid"}
MASTER, BERT = Address(b"\x0a" * 20), Address(b"\x0b" * 20)


def leaf(number):
    return hashlib.sha256(b"leaf %d" % number).digest()


def bid_id(turn, price_ticks=3_700):
    return OrderId(PERIOD, Side.BID, price_ticks, turn)


class Blocks:
    """Chains that grow block by block."""

    def __init__(self):
        self._heights, self._counts = {}, {}

    def main(self, *events, anchors=(), balance=()):
        return MainBlock(self._head("main"), tuple(events), tuple(anchors), (), tuple(balance))

    def slave(self, name, *details, kind=1):
        head, first = self._head(name), self._counts.get(name, 0)
        self._counts[name] = first + len(details)
        records = [
            SlaveRecord(RecordHead(number, BERT, kind, leaf(number), head.height, bytes(32)), stated)
            for number, stated in enumerate(details, start=first)
        ]
        return SlaveBlock(name, head, tuple(records), MASTER)

    def _head(self, chain):
        height = self._heights[chain] = self._heights.get(chain, 0) + 1
        return Head(height, 1_000 + height, self._hash(chain, height), self._hash(chain, height - 1), 1)

    def _hash(self, chain, height):
        return hashlib.sha256(f"{chain} {height}".encode()).digest()


def index_in(folder, kept=("roofs",), region="valley"):
    return Index(Database.of(folder), region, NAMES, kept, DeliveryCalendar())


def reader_of(index):
    return IndexReader(index.database)


def traders(*numbers, master_id=1):
    return [TraderRegistered(number, master_id, bytes([number]) * 32) for number in numbers]


def node(node_id, address=BERT):
    return NodeRegistered(node_id, "pv", "Roof 1", address.hex(), "00" * 32)
