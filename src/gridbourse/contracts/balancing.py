"""What masters tell the dispatcher and the settlement agent, sealed, and the imbalance prices that follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gridbourse.chain.block import Log
from gridbourse.contracts.abi import Call, Contract
from gridbourse.contracts.slave_ledger import LedgerRecord, record_leaf


@dataclass(frozen=True, slots=True)
class Submission:
    """A sealed record that a master submitted on the main chain; its index counts those of all masters, from 0."""

    master_id: int
    record: LedgerRecord


@dataclass(frozen=True, slots=True)
class ImbalancePrice:
    """What imbalances of a delivery period cost.

    Parameters
    ----------
    period, price_ticks
        The period, and the price.
    region_wh
        The region's own imbalance: positive is long, negative is short.
    reference_wh
        The traded energy whose worth the price was made from; 0 where it was made from the fallback.
    """

    period: int
    price_ticks: int
    region_wh: int
    reference_wh: int


@dataclass(frozen=True, slots=True)
class Publication:
    """An imbalance price as the settlement agent published it.

    Parameters
    ----------
    price
        The price.
    as_of_block
        It follows from what the main chain held up to this block.
    height
        The block it was published in.
    """

    price: ImbalancePrice
    as_of_block: int
    height: int


class Balancing(Contract):
    """Sums go sealed from masters to the dispatcher and the settlement agent; prices are published for everybody."""

    NAME = "Balancing"

    def register_encryption_key(self, public: bytes) -> Call:
        """Name the public key of the calling master's encryption node, or the next one."""
        return self._call("registerEncryptionKey", public)

    def submit(self, kind: int, content: bytes) -> Call:
        """Submit a sealed record to another organisation."""
        return self._call("submit", kind, content)

    def publish_imbalance_prices(self, prices: Sequence[ImbalancePrice], as_of_block: int) -> Call:
        """Publish imbalance prices that follow from what the main chain held up to a block; settlement agent only."""
        rows = [(price.period, price.price_ticks, price.region_wh, price.reference_wh) for price in prices]
        return self._call("publishImbalancePrices", rows, as_of_block)

    def encryption_key(self, master_id: int) -> bytes:
        """The public key that others seal to for a master; empty before it is registered."""
        (key,) = self._view("encryptionKey", master_id)
        return bytes(key)

    def entries(self, first_block: int, last_block: int) -> Iterator[Submission | Publication]:
        """Submissions and publications of a range of blocks, in their order."""
        topics = [{self.abi.topic("Submitted"), self.abi.topic("ImbalancePricePublished")}]
        logs = self.chain.logs(address=self.address, topics=topics, first_block=first_block, last_block=last_block)
        return self.read(logs)

    def read(self, logs: Iterable[Log]) -> Iterator[Submission | Publication]:
        """Submissions and publications among logs, in their order."""
        for log in logs:
            event = self.abi.event(log) if log.address == self.address else None
            if event is None or event.name not in {"Submitted", "ImbalancePricePublished"}:
                continue
            said = event.values
            if event.name == "Submitted":
                author, kind, content = said["author"], said["kind"], said["content"]
                leaf = record_leaf(author, kind, content)
                place = log.height, log.transaction_hash
                yield Submission(said["masterId"], LedgerRecord(said["index"], author, kind, leaf, *place, content))
            else:
                price = ImbalancePrice(said["period"], said["priceTicks"], said["regionWh"], said["referenceWh"])
                yield Publication(price, said["asOfBlock"], log.height)
