"""A block that is supposed on top of a state: other accounts, other times, calls that build on each other.

Nothing of it lasts, and it stays what it is while the chain moves on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gridbourse import _native
from gridbourse.crypto.keys import Address

_NOBODY = Address(bytes(20))


@dataclass(frozen=True, slots=True)
class Message:
    """What to run.

    Parameters
    ----------
    gas
        The most it may use.
    sender
        Who calls, as far as contracts can see.
    to, data
        Whom it calls, and what it says; with ``to=None``, the init code of a contract.
    value
        Coins that go along, in wei.
    nonce
        The sender's; it decides on the address of what is created.
    access_list
        Addresses and slots that are warm from the beginning (EIP-2930).
    """

    gas: int
    sender: Address = _NOBODY
    to: Address | None = None
    data: bytes = b""
    value: int = 0
    nonce: int = 0
    access_list: Sequence[tuple[Address, Sequence[bytes]]] = ()

    def fields(self) -> _native.Message:
        """As the core takes it."""
        accessed = [(address, list(slots)) for address, slots in self.access_list]
        return self.sender, self.to, self.data, self.value, self.gas, self.nonce, accessed


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a message ended.

    Parameters
    ----------
    succeeded
        Whether its effects hold.
    gas_used, max_gas_used
        Gas after refunds, and before.
    output
        What it returned, or what the contract said on reverting.
    halt
        Why the EVM stopped it, if it did, e.g. ``"OutOfGas"``.
    contract_address
        The contract it created.
    logs
        Address, topics and data of each event.
    """

    succeeded: bool
    gas_used: int
    output: bytes
    halt: str
    contract_address: Address | None
    logs: Sequence[tuple[Address, Sequence[bytes], bytes]]
    max_gas_used: int


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a supposed block stands.

    Parameters
    ----------
    number, timestamp
        Height, and seconds since the epoch.
    parent_hash
        Hash of the block before.
    gas_limit
        Most gas of the block.
    fee_recipient
        What ``COINBASE`` returns.
    base_fee
        What ``BASEFEE`` returns; nobody pays it.
    prev_randao
        What ``PREVRANDAO`` returns.
    """

    number: int
    timestamp: int
    parent_hash: bytes
    gas_limit: int
    fee_recipient: Address = _NOBODY
    base_fee: int = 0
    prev_randao: bytes = bytes(32)


@dataclass(frozen=True, slots=True)
class AccountOverride:
    """Other values of an account; None is what it has.

    Parameters
    ----------
    balance, nonce, code
        Other coins, nonce, code.
    slots
        Other words in its storage.
    is_emptied
        Whether all other slots are empty.
    moved_to
        Where a precompiled contract answers instead of here.
    """

    balance: int | None = None
    nonce: int | None = None
    code: bytes | None = None
    slots: Mapping[int, bytes] | None = None
    is_emptied: bool = False
    moved_to: Address | None = None


class Simulation:
    """A supposed block.

    Parameters
    ----------
    core
        The core's part of it.
    placed
        Where the block stands.
    """

    def __init__(self, core: _native.Simulation, placed: Placed) -> None:
        self._core = core
        self.placed = placed

    def place(self, placed: Placed) -> None:
        """Say where the block stands."""
        self.placed = placed
        self._core.place(
            placed.number,
            placed.timestamp,
            placed.parent_hash,
            placed.gas_limit,
            placed.fee_recipient,
            placed.base_fee,
            placed.prev_randao,
        )

    def know_hash(self, number: int, block_hash: bytes) -> None:
        """Say which hash a block has that is supposed as well."""
        self._core.know_hash(number, block_hash)

    def begin(self) -> None:
        """Do what the rules do before a block's first transaction."""
        self._core.begin()

    def suppose(self, overrides: Mapping[Address, AccountOverride]) -> None:
        """Suppose other accounts.

        Raises
        ------
        InvalidValue
            Something is to be moved that is no precompiled contract.
        """
        for address, other in overrides.items():
            self._core.suppose(
                address,
                balance=other.balance,
                nonce=other.nonce,
                code=other.code,
                emptied=other.is_emptied,
                slots=list((other.slots or {}).items()),
                moved_to=other.moved_to,
            )

    def account(self, address: Address) -> tuple[int, int]:
        """Nonce and balance of an account, as they are by now."""
        return self._core.account(address)

    def code(self, address: Address) -> bytes:
        """Code of an account, as it is by now."""
        return self._core.code(address)

    def storage(self, address: Address, slot: int) -> bytes:
        """Word in a slot of an account's storage, as it is by now."""
        return self._core.storage(address, slot)

    def call(self, message: Message, *, traces_transfers: bool = False, lasts: bool = False) -> Outcome:
        """Run a message; what it does lasts for what follows if it is said so.

        Raises
        ------
        TransactionRejected
            It cannot even start.
        """
        return Outcome(*self._core.call(message.fields(), traces_transfers, lasts))

    def estimate_gas(self, message: Message) -> int | Outcome:
        """Least gas limit with which a message succeeds, or how it ends with all that it may use.

        Raises
        ------
        TransactionRejected
            It cannot even start.
        """
        found = self._core.estimate_gas(message.fields())
        return found if isinstance(found, int) else Outcome(*found)

    def access_list(self, message: Message) -> tuple[list[tuple[Address, list[bytes]]], Outcome]:
        """What a message accesses and nobody has accessed before, and how it ends if it says so (EIP-2930).

        Raises
        ------
        TransactionRejected
            It cannot even start.
        """
        found, outcome = self._core.access_list(message.fields())
        return found, Outcome(*outcome)

    def trace(self, message: Message | bytes, tracer: str, options: Mapping[str, int]) -> Any:
        """Run a message, or the bytes of a signed transaction, and tell what it does.

        Raises
        ------
        InvalidValue
            There is no such tracer, or the trace is too long.
        TransactionRejected
            It cannot even start.
        """
        if isinstance(message, bytes):
            return json.loads(self._core.trace_transaction(message, tracer, dict(options)))
        return json.loads(self._core.trace(message.fields(), tracer, dict(options)))

    def apply(self, raw: bytes) -> None:
        """Run a signed transaction for what it does to the state."""
        self._core.apply(raw)
