"""What the regulator checks of names: who registered on the main chain what, and whose it is.

The contracts keep every name to the master that registered it, so a foreign one harms nobody. It is named all the same:
nobody registers by accident what only another master could know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from gridbourse.contracts.main_chain import MainChain
from gridbourse.crypto.possession import proves_validator, validator_statement
from gridbourse.ledger.purse import purse_pseudonym
from gridbourse.market.events import TraderRegistered
from gridbourse.regulator.verified_records import VerifiedLedger
from gridbourse.text import Message


class _Owner(NamedTuple):
    master_id: int
    user_id: str


class NameAudit:
    """Knows every registered trader, and finds pseudonyms, slave chains and validators of others.

    Parameters
    ----------
    main
        The main chain.
    readings
        The slave chains by the number of their master, as far as they are open.
    name
        Tells a master's name.
    """

    def __init__(self, main: MainChain, readings: Mapping[int, VerifiedLedger], name: Callable[[int], str]) -> None:
        self._main = main
        self._readings = readings
        self._name = name
        self._registered: dict[int, TraderRegistered] = {}
        self._unexplained: dict[int, TraderRegistered] = {}
        self._owners: dict[bytes, _Owner] = {}
        self._derived: dict[tuple[int, int], int] = {}
        """By master and day, how many of its users the table of pseudonyms has."""

    def __getitem__(self, trader: int) -> TraderRegistered:
        return self._registered[trader]

    def user_of(self, trader: int) -> str:
        """Who a trader is; its number where that is not known."""
        owner = self._owners.get(self._registered[trader].pseudonym)
        return owner.user_id if owner else f"{trader}"

    def note(self, registered: TraderRegistered) -> None:
        """Take in a trader's registration."""
        self._registered[registered.trader] = registered
        # A purse is its master's own, and no user's.
        if registered.pseudonym != purse_pseudonym(registered.master_id):
            self._unexplained[registered.trader] = registered

    def wrong(self) -> Iterator[Message]:
        """Everything that is wrong; the slave chains have been read after the main chain."""
        yield from self._foreign_pseudonyms()
        yield from self._foreign_slaves()
        yield from self._unproven_validators()

    def _foreign_pseudonyms(self) -> Iterator[Message]:
        if self._unexplained:
            self._derive()
        for trader, registered in list(self._unexplained.items()):
            owner, name = self._owners.get(registered.pseudonym), self._name(registered.master_id)
            if owner is not None and owner.master_id == registered.master_id:
                del self._unexplained[trader]
            elif owner is not None:
                text = "main chain, trader {trader}: {name} registered the name of {user}, who is below {master}"
                parts = {"user": owner.user_id, "master": self._name(owner.master_id)}
                yield Message(text, trader=trader, name=name, **parts)
            elif registered.master_id in self._readings:
                text = "main chain, trader {trader}: {name} registered a name of nobody on its slave chain"
                yield Message(text, trader=trader, name=name)

    def _derive(self) -> None:
        """Make the pseudonyms of all users on all days that are not made yet."""
        for master_id, reading in self._readings.items():
            users = list(reading.nodes)
            for day, day_key in reading.day_keys.items():
                known = self._derived.get((master_id, day), 0)
                self._derived[master_id, day] = len(users)
                for user_id in users[known:]:
                    self._owners[day_key.pseudonym(user_id.encode())] = _Owner(master_id, user_id)

    def _foreign_slaves(self) -> Iterator[Message]:
        consortium, first = self._main.consortium, dict[tuple[bytes, bytes], int]()
        for master_id in consortium.masters():
            slave = consortium.slave_chain(master_id)
            if slave is None:
                continue
            other = first.setdefault((slave.genesis_hash, slave.ledger), master_id)
            if other != master_id:
                text = "main chain: {name} and {other} registered the same slave chain"
                yield Message(text, name=self._name(other), other=self._name(master_id))

    def _unproven_validators(self) -> Iterator[Message]:
        consortium = self._main.consortium
        for master_id, keys, proof in consortium.registrations():
            statement = validator_statement(consortium.chain.chain_id, consortium.address, master_id, keys.node_id)
            if not proves_validator(keys.public_key, statement, proof):
                text = "main chain: {name} registered the validator key {key} without proof that it holds it"
                yield Message(text, name=self._name(master_id), key=keys.public_key.hex())
