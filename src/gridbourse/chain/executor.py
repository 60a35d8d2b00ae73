"""The state transition of a chain: which transactions may enter a block, and what they do.

It knows nothing of who puts transactions in order, nor of files: every engine hands it the same blocks and
gets the same receipts, changes and hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from gridbourse.chain.block import AccountChange, Genesis, Log, Receipt
from gridbourse.chain.evm import Evm, Message, Outcome
from gridbourse.chain.revert import contract_error
from gridbourse.chain.transaction import SignedTransaction, Transaction
from gridbourse.crypto.keys import Address
from gridbourse.errors import Rejection, TransactionRejected

MAX_INIT_CODE_BYTES = 49_152
"""EIP-3860."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block stands: its height, and its time in seconds since the epoch."""

    height: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Execution:
    """What a block does.

    Parameters
    ----------
    receipts
        One per transaction.
    changes
        What it does to the state, by rising address.
    gas_used
        Gas of all transactions.
    """

    receipts: tuple[Receipt, ...]
    changes: tuple[AccountChange, ...]
    gas_used: int


class Executor:
    """The state at a chain's head, and the rules that lead from one block to the next.

    Parameters
    ----------
    genesis
        What the chain is.
    """

    def __init__(self, genesis: Genesis) -> None:
        self._genesis = genesis
        self._evm = Evm(genesis.chain_id, genesis.gas_limit)

    def execute(self, place: Place, transactions: Sequence[SignedTransaction]) -> Execution:
        """Run a block on the state without changing it; `apply` the changes to move on.

        Raises
        ------
        TransactionRejected
            A transaction may not stand where it stands.
        """
        with self._opened(place) as block:
            for signed in transactions:
                block.add(signed)
            return block.finish()

    def execute_valid(
        self, place: Place, candidates: Iterable[SignedTransaction]
    ) -> tuple[list[SignedTransaction], Execution]:
        """Run those of the candidates that may stand where they would stand, and leave the others out."""
        taken: list[SignedTransaction] = []
        with self._opened(place) as block:
            for signed in candidates:
                with suppress(TransactionRejected):
                    block.add(signed)
                    taken.append(signed)
            return taken, block.finish()

    @contextmanager
    def _opened(self, place: Place) -> Iterator[_OpenBlock]:
        self._evm.begin(place.height, place.timestamp)
        try:
            yield _OpenBlock(self, self._evm, place.height, self._genesis.gas_limit)
        except BaseException:
            self._evm.discard()
            raise

    def apply(self, changes: Iterable[AccountChange]) -> None:
        """Change the state as a block did."""
        self._evm.apply(changes)

    def check(self, signed: SignedTransaction, expected_nonce: int, gas_left: int) -> None:
        """Check a transaction against the rules of the chain and what the sender has sent before.

        Parameters
        ----------
        signed
            The transaction.
        expected_nonce
            How many transactions its sender has sent.
        gas_left
            What the transactions before it left of the block's gas.

        Raises
        ------
        TransactionRejected
            It may not enter a block; the message names field and remedy.
        """
        transaction = signed.transaction
        if transaction.chain_id != self._genesis.chain_id:
            remedy = f"sign for chain {self._genesis.chain_id}"
            raise _rejected(signed, Rejection.NOT_TAKEN_HERE, "chain_id", transaction.chain_id, remedy)
        if transaction.nonce != expected_nonce:
            reason = Rejection.NONCE_TOO_LOW if transaction.nonce < expected_nonce else Rejection.NONCE_TOO_HIGH
            raise _rejected(signed, reason, "nonce", transaction.nonce, f"the sender's next is {expected_nonce}")
        # Fees are bids, the most that the sender would pay. Gas is free, so any bid is enough and none is taken.
        if transaction.max_priority_fee_per_gas > transaction.max_fee_per_gas:
            tip, remedy = (
                transaction.max_priority_fee_per_gas,
                f"at most max_fee_per_gas, {transaction.max_fee_per_gas}",
            )
            raise _rejected(signed, Rejection.NOT_TAKEN_HERE, "max_priority_fee_per_gas", tip, f"give {remedy}")
        if transaction.value:
            remedy = "no account has a balance here; give 0"
            raise _rejected(signed, Rejection.NOT_TAKEN_HERE, "value", transaction.value, remedy)
        if transaction.gas_limit > gas_left:
            raise _rejected(signed, Rejection.BLOCK_GAS, "gas_limit", transaction.gas_limit, f"give at most {gas_left}")
        needed_gas = intrinsic_gas(transaction)
        if transaction.gas_limit < needed_gas:
            remedy = f"give at least {needed_gas}"
            raise _rejected(signed, Rejection.INTRINSIC_GAS, "gas_limit", transaction.gas_limit, remedy)
        if transaction.to is None and len(transaction.data) > MAX_INIT_CODE_BYTES:
            remedy = f"give init code of at most {MAX_INIT_CODE_BYTES} bytes"
            raise _rejected(signed, Rejection.INIT_CODE, "data", f"of {len(transaction.data)} bytes", remedy)

    def next_nonce(self, address: Address) -> int:
        """How many transactions an account has sent."""
        return self._evm.nonce(address)

    def code(self, address: Address) -> bytes:
        """Code of a contract; empty for any other account."""
        return self._evm.code(address)

    def storage(self, address: Address, slot: int) -> bytes:
        """Word in a slot of a contract's storage."""
        return self._evm.storage(address, slot)

    def call(self, place: Place, message: Message, gas_limit: int) -> Outcome:
        """Run a message as the only transaction of a block, and forget it; the output of a creation is the code.

        Raises
        ------
        TransactionRejected
            It cannot even start.
        """
        self._evm.begin(place.height, place.timestamp)
        try:
            outcome = self._evm.execute(message, gas_limit)
            if outcome.contract_address is None:
                return outcome
            return replace(outcome, output=self._evm.code(outcome.contract_address))
        finally:
            self._evm.discard()

    def estimate_gas(self, place: Place, message: Message, most_gas: int) -> int:
        """Smallest gas limit with which a message succeeds as the first transaction of a block.

        It is enough at any later place as well, where the transaction only finds more warm.

        Raises
        ------
        ContractReverted
            It fails with the most gas, too.
        """
        enough = most_gas
        outcome = self.call(place, message, enough)
        if not outcome.succeeded:
            raise contract_error(outcome.output, outcome.halt)
        # Refunds come at the end and a call inside gets 63/64 of the gas: it may take more than is used.
        candidate = outcome.gas_used
        too_little = candidate - 1
        while enough - too_little > 1:
            if self.call(place, message, candidate).succeeded:
                enough = candidate
            else:
                too_little = candidate
            candidate = min((too_little + enough) // 2, too_little * 2)
        return enough


class _OpenBlock:
    """A block while transactions are put into it."""

    def __init__(self, executor: Executor, evm: Evm, height: int, gas_limit: int) -> None:
        self._executor = executor
        self._evm = evm
        self._height = height
        self._gas_limit = self._gas_left = gas_limit
        self._receipts: list[Receipt] = []

    def add(self, signed: SignedTransaction) -> None:
        """Run a transaction behind those that are in the block; a rejected one leaves no trace."""
        self._executor.check(signed, self._evm.nonce(signed.sender), self._gas_left)
        receipt = self._transact(signed, len(self._receipts))
        self._gas_left -= receipt.gas_used
        self._receipts.append(receipt)

    def finish(self) -> Execution:
        """Close the block."""
        return Execution(tuple(self._receipts), self._evm.finish(), self._gas_limit - self._gas_left)

    def _transact(self, signed: SignedTransaction, position: int) -> Receipt:
        transaction = signed.transaction
        message = Message(signed.sender, transaction.to, transaction.data)
        outcome = self._evm.execute(message, transaction.gas_limit)
        return Receipt(
            transaction_hash=signed.hash,
            height=self._height,
            position=position,
            succeeded=outcome.succeeded,
            gas_used=outcome.gas_used,
            contract_address=outcome.contract_address,
            revert_data=b"" if outcome.succeeded else outcome.output,
            halt=outcome.halt,
            logs=tuple(
                Log(address, topics, data, self._height, signed.hash, index)
                for index, (address, topics, data) in enumerate(outcome.logs)
            ),
        )


def intrinsic_gas(transaction: Transaction) -> int:
    """Gas that a transaction takes before it runs (EIP-2, EIP-2028, EIP-3860)."""
    zeros = transaction.data.count(0)
    gas = 21_000 + 4 * zeros + 16 * (len(transaction.data) - zeros)
    if transaction.to is None:
        gas += 32_000 + 2 * ((len(transaction.data) + 31) // 32)
    return gas


def _rejected(
    signed: SignedTransaction, reason: Rejection, field: str, value: object, remedy: str
) -> TransactionRejected:
    return TransactionRejected(f"transaction 0x{signed.hash.hex()}: {field} {value}: {remedy}", reason)
