"""A master node: member of the main chain, administrator of its own slave chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gridbourse.contracts.consortium import SlaveChain
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.pseudonym import PseudonymKey
from gridbourse.errors import InvalidValue
from gridbourse.market.events import TraderRegistered
from gridbourse.market.types import Role
from gridbourse.network.keys import NodeKeys
from gridbourse.network.main_chain import MainChain
from gridbourse.network.slave import Slave
from gridbourse.network.user import Profile, User


@dataclass(frozen=True, slots=True)
class Membership:
    """What a master is in its region."""

    name: str
    role: Role
    master_id: int


class Master:
    """A master node with its encryption node and its users.

    Parameters
    ----------
    membership
        Its name, role and number.
    keys
        Its keys; the encryption key is its encryption node's.
    pseudonym_key
        Secret from which its users' names on the main chain follow.
    main
        The main chain.
    slave
        Its slave chain.
    regulator_public
        X25519 public key of the regulator, who reads every record.
    """

    def __init__(
        self,
        membership: Membership,
        keys: NodeKeys,
        pseudonym_key: PseudonymKey,
        main: MainChain,
        slave: Slave,
        regulator_public: bytes,
    ) -> None:
        self.membership = membership
        self.main = main
        self.slave = slave
        self.encryption = keys.encryption
        self.readers = (keys.encryption.public_bytes, regulator_public)
        self.main_wallet = Wallet(main.chain, keys.signing)
        # The single-chain model has both on one chain, where nonces are counted together.
        self.slave_wallet = self.main_wallet if slave.chain is main.chain else Wallet(slave.chain, keys.signing)
        self.users: dict[str, User] = {}
        self._pseudonym_key = pseudonym_key
        self._traders: dict[tuple[str, int], int] = {}
        self._user_of: dict[int, User] = {}

    def add_users(self, profiles: Iterable[Profile]) -> list[User]:
        """Take users in: they get their own keys and may write on the slave chain."""
        users = [User(profile, NodeKeys.generate(), self.slave, self.readers) for profile in profiles]
        self.users.update({user.profile.user_id: user for user in users})
        writers = [user.address for user in users]
        self.slave_wallet.send(self.slave.ledger.set_writers(writers, allowed=True))
        return users

    def register_slave(self, genesis_hash: bytes) -> None:
        """Make the slave chain known to the consortium."""
        slave = SlaveChain(self.slave.chain.chain_id, genesis_hash, self.slave.ledger.address)
        self.main_wallet.send(self.main.consortium.register_slave(slave))

    def open_day(self, day: int) -> None:
        """Register the users' pseudonyms for a delivery day on the main chain; those that are there stay."""
        market, day_key = self.main.market, self._pseudonym_key.day_key(day)
        pseudonyms = {user_id: day_key.pseudonym(user_id.encode()) for user_id in self.users}
        numbers = {user_id: market.trader_of(pseudonym) for user_id, pseudonym in pseudonyms.items()}
        missing = [user_id for user_id, number in numbers.items() if number == 0]
        if missing:
            receipt = self.main_wallet.send(market.register_traders([pseudonyms[user_id] for user_id in missing]))
            events = [event for event in market.events(receipt.logs) if isinstance(event, TraderRegistered)]
            numbers.update({user_id: event.trader for user_id, event in zip(missing, events, strict=True)})
        for user_id, number in numbers.items():
            self._traders[user_id, day] = number
            self._user_of[number] = self.users[user_id]

    def trader(self, user_id: str, day: int) -> int:
        """Number under which a user trades on a delivery day.

        Raises
        ------
        InvalidValue
            The master has not opened the day, or has no such user.
        """
        trader = self._traders.get((user_id, day))
        if trader is None:
            raise InvalidValue("day", day, f"a day that master {self.membership.name} has opened for {user_id}")
        return trader

    def user_of(self, trader: int) -> User | None:
        """Which of the master's users a trader number stands for; None for another master's."""
        return self._user_of.get(trader)

    def deposit(self, moneys: Mapping[int, int], payment_reference: bytes) -> None:
        """As settlement agent: credit deposits, in 1e-7 yuan by trader, against payments received."""
        self.main_wallet.send(self.main.market.deposit(moneys, payment_reference))
