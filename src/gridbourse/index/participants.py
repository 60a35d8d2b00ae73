"""Who is who: function nodes, their keys, and the trader numbers they have on each delivery day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gridbourse.crypto.pseudonym import DayKey
from gridbourse.index.news import SlaveBlock
from gridbourse.ledger.records import DayOpened, NodeRegistered, NodeRevoked
from gridbourse.market.events import TraderRegistered


@dataclass(frozen=True, slots=True)
class Account:
    """The function node behind a trader number, and the delivery day on which it has it."""

    node_id: str
    master: str
    day: int


class ParticipantRegistry:
    """Follows what masters record about nodes and days, so that a trader number can be read.

    Parameters
    ----------
    masters
        Names of the masters in the sequence of their numbers.

    Attributes
    ----------
    nodes
        Newest registration of each function node.
    master_of
        Name of each node's master.
    revoked
        Nodes that act no more.
    owners
        Who each trader is.
    numbers
        The masters' numbers on the main chain.
    """

    def __init__(self, masters: Sequence[str]) -> None:
        self.numbers = {master: number for number, master in enumerate(masters, start=1)}
        self.nodes: dict[str, NodeRegistered] = {}
        self.master_of: dict[str, str] = {}
        self.revoked: set[str] = set()
        self.owners: dict[int, Account] = {}
        self._traders: dict[tuple[str, int], int] = {}
        self._day_keys: dict[str, dict[int, DayKey]] = defaultdict(dict)
        self._pseudonyms: dict[tuple[int, bytes], Account] = {}

    def note_slave_block(self, block: SlaveBlock) -> None:
        """Take in what a master recorded."""
        for found in block.records:
            match found.details:
                case NodeRegistered(node_id=node_id):
                    self.nodes[node_id] = found.details
                    self.master_of[node_id] = block.master
                    for day, day_key in self._day_keys[block.master].items():
                        self._name(node_id, block.master, day, day_key)
                case DayOpened(day=day):
                    day_key = self._day_keys[block.master][day] = found.details.day_key()
                    for node_id, master in self.master_of.items():
                        if master == block.master:
                            self._name(node_id, master, day, day_key)
                case NodeRevoked(node_id=node_id):
                    self.revoked.add(node_id)
                case _:
                    pass

    def note_trader(self, registered: TraderRegistered) -> None:
        """Take in a trader number of the main chain."""
        owner = self._pseudonyms.pop((registered.master_id, registered.pseudonym), None)
        if owner is not None:
            self.owners[registered.trader] = owner
            self._traders[owner.node_id, owner.day] = registered.trader

    def trader(self, node_id: str, day: int) -> int | None:
        """Number under which a node trades on a delivery day; None if its master has not opened the day."""
        return self._traders.get((node_id, day))

    def number_of(self, node_id: str) -> int:
        """Number of a node's master on the main chain."""
        return self.numbers[self.master_of[node_id]]

    def days(self) -> list[int]:
        """Delivery days that any master has opened."""
        return sorted({day for day_keys in self._day_keys.values() for day in day_keys})

    def _name(self, node_id: str, master: str, day: int, day_key: DayKey) -> None:
        if (node_id, day) not in self._traders:
            self._pseudonyms[self.numbers[master], day_key.pseudonym(node_id.encode())] = Account(node_id, master, day)
