"""A master node: member of the main chain, administrator of its own slave chain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gridbourse.contracts.main_chain import MainChain
from gridbourse.contracts.slave_ledger import LedgerRecord
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.node_keys import MasterKeys
from gridbourse.crypto.pseudonym import DayKey
from gridbourse.errors import InvalidValue
from gridbourse.ledger.balancing_records import Submitted
from gridbourse.ledger.encryption_node import EncryptionNode
from gridbourse.ledger.function_node import FunctionNode
from gridbourse.ledger.merkle_log import Slave
from gridbourse.ledger.purse import PURSE_ZONE, purse_pseudonym
from gridbourse.ledger.reader import RecordReader
from gridbourse.ledger.records import DayOpened, MasterDetails
from gridbourse.market.events import TraderRegistered
from gridbourse.market.types import Role

RECORDS_PER_TRANSACTION = 50


@dataclass(frozen=True, slots=True)
class Membership:
    """What a master is in its region."""

    name: str
    role: Role
    master_id: int


class Master:
    """A master node with its encryption node and its function nodes.

    Parameters
    ----------
    membership
        Its name, role and number.
    keys
        Its keys.
    main
        The main chain.
    slave
        Its slave chain.
    encryption_node
        Opens and seals what crosses between the chains.
    nodes
        The function nodes below it.
    """

    def __init__(
        self,
        membership: Membership,
        keys: MasterKeys,
        main: MainChain,
        slave: Slave,
        encryption_node: EncryptionNode,
        nodes: Sequence[FunctionNode],
    ) -> None:
        self.membership = membership
        self.main = main
        self.slave = slave
        self.encryption_node = encryption_node
        self.nodes = {node.spec.node_id: node for node in nodes}
        self.main_wallet = Wallet(main.chain, keys.node.signing)
        # The single-chain model has both on one chain, where nonces are counted together.
        self.slave_wallet = self.main_wallet if slave.chain is main.chain else Wallet(slave.chain, keys.node.signing)
        self.records = RecordReader(slave, encryption_node)
        self._pseudonyms = keys.pseudonyms
        self._traders: dict[tuple[str, int], int] = {}
        self._node_of: dict[int, FunctionNode] = {}
        self._recorded_days: set[int] = set()
        self._purse = 0

    @property
    def revoked(self) -> set[str]:
        """Function nodes that act no more."""
        return self.records.revoked

    @contextmanager
    def signing(self) -> Iterator[None]:
        """What nodes sign here and does not get to their slave chain is void; what they signed elsewhere counts."""
        for node in self.nodes.values():
            node.forget_unsent()
        try:
            yield
        except BaseException:
            for node in self.nodes.values():
                node.forget_unsent()
            raise

    def open_day(self, day: int) -> None:
        """Name the function nodes on the main chain for a delivery day; those that are named already stay.

        The day is recorded on the slave chain first, with the key that tells the regulator who is who.
        """
        day_key = self._pseudonyms.day_key(day)
        if day not in self._recorded_days:
            author = self.slave_wallet.address
            record = self.encryption_node.seal(author, DayOpened(day, day_key.secret.hex()))
            self.slave_wallet.send(self.slave.ledger.append(*record))
        self.recall_day(day)
        # In the order of the pseudonyms, which is another one every day: a node's place would give it away.
        missing = sorted(
            (_pseudonym(day_key, node_id), node_id)
            for node_id in self.nodes
            if (node_id, day) not in self._traders and node_id not in self.revoked
        )
        if missing:
            market = self.main.market
            receipt = self.main_wallet.send(
                market.register_traders(
                    [pseudonym for pseudonym, _ in missing], [self.nodes[node_id].spec.zone for _, node_id in missing]
                )
            )
            events = [event for event in market.events(receipt.logs) if isinstance(event, TraderRegistered)]
            for (_, node_id), event in zip(missing, events, strict=True):
                self._note_trader(node_id, day, event.trader)

    def purse(self) -> int:
        """The number of the master's purse (`gridbourse.ledger.purse`); 0 as long as it has none."""
        if not self._purse:
            market = self.main.market
            found = market.trader_of(self.membership.master_id, purse_pseudonym(self.membership.master_id))
            if found and market.trader(found).master_id == self.membership.master_id:
                self._purse = found
        return self._purse

    def open_purse(self) -> int:
        """The same, with a purse made if there is none."""
        if not self.purse():
            pseudonym = purse_pseudonym(self.membership.master_id)
            self.main_wallet.send(self.main.market.register_traders([pseudonym], [PURSE_ZONE]))
        return self.purse()

    def finish_days(self) -> None:
        """Go on with every `open_day` that was interrupted: name whoever still has no name on a recorded day."""
        for day in sorted(self._recorded_days):
            self.open_day(day)

    def recall(self, days: Iterable[int], traders: Mapping[tuple[str, int], int]) -> None:
        """Take note of the recorded delivery days, and of the numbers that are known of its nodes."""
        for (node_id, day), trader in traders.items():
            if node_id in self.nodes:
                self._note_trader(node_id, day, trader)
        self._recorded_days.update(days)

    @property
    def recorded_days(self) -> set[int]:
        """Delivery days that were recorded."""
        return self._recorded_days

    def recall_day(self, day: int) -> None:
        """Take note of a recorded delivery day: find the nodes that the main chain has names of."""
        self._recorded_days.add(day)
        day_key = self._pseudonyms.day_key(day)
        for node_id in self.nodes:
            if (node_id, day) not in self._traders:
                trader = self.main.market.trader_of(self.membership.master_id, _pseudonym(day_key, node_id))
                if trader:
                    self._note_trader(node_id, day, trader)

    def write(self, statements: Sequence[tuple[MasterDetails, Sequence[bytes]]]) -> list[LedgerRecord]:
        """Write what the master states to its slave chain, many records to a transaction.

        Parameters
        ----------
        statements
            Each with the public keys of those who may open it besides encryption node and regulator.
        """
        author, ledger = self.slave_wallet.address, self.slave.ledger
        sealed = [self.encryption_node.seal(author, details, *readers) for details, readers in statements]
        starts = range(0, len(sealed), RECORDS_PER_TRANSACTION)
        calls = [ledger.append_many(sealed[start : start + RECORDS_PER_TRANSACTION]) for start in starts]
        receipts = self.slave_wallet.send_many(calls) if calls else []
        return [ledger.record(log) for receipt in receipts for log in receipt.logs]

    def submit(self, statements: Sequence[Submitted], *readers: int) -> None:
        """Submit sums to other organisations on the main chain.

        Parameters
        ----------
        statements
            What is submitted.
        readers
            Numbers of the masters whose encryption nodes may open it, besides the own one and the regulator.

        Raises
        ------
        InvalidValue
            One of the other masters has not registered its key yet.
        """
        balancing = self.main.balancing
        publics = {reader: balancing.encryption_key(reader) for reader in readers}
        if missing := [reader for reader, public in publics.items() if not public]:
            raise InvalidValue("reader", missing[0], "a master that has registered its encryption node's key")
        author, keys = self.main_wallet.address, publics.values()
        sealed = [self.encryption_node.seal_submission(author, details, *keys) for details in statements]
        self.main_wallet.send_many([balancing.submit(*record) for record in sealed])

    def is_named(self, node_id: str, day: int) -> bool:
        """Whether a node trades on a delivery day."""
        return (node_id, day) in self._traders

    def trader(self, node_id: str, day: int) -> int:
        """Number under which a node trades on a delivery day.

        Raises
        ------
        InvalidValue
            The master has not opened the day, or has no such node.
        """
        trader = self._traders.get((node_id, day))
        if trader is None:
            raise InvalidValue("day", day, f"a day that master {self.membership.name} has opened for {node_id}")
        return trader

    @property
    def traders(self) -> Mapping[tuple[str, int], int]:
        """The numbers of its nodes by node and delivery day."""
        return self._traders

    def node_of(self, trader: int) -> FunctionNode | None:
        """Which of the master's nodes a trader number stands for; None for another master's."""
        return self._node_of.get(trader)

    def deposit(self, moneys: Mapping[int, int], payment_reference: bytes) -> None:
        """As settlement agent: credit deposits, in 1e-7 yuan by trader, against payments received.

        They are credited in the order of the traders' numbers: who comes first every day would be known by that.
        """
        self.main_wallet.send(self.main.market.deposit(dict(sorted(moneys.items())), payment_reference))

    def _note_trader(self, node_id: str, day: int, trader: int) -> None:
        self._traders[node_id, day] = trader
        self._node_of[trader] = self.nodes[node_id]


def _pseudonym(day_key: DayKey, node_id: str) -> bytes:
    return day_key.pseudonym(node_id.encode())
