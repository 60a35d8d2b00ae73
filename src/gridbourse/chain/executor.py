"""The state transition of a chain: which transactions may enter a block, and what they do.

It knows nothing of who puts transactions in order, nor of files: every engine hands it the same blocks and
gets the same receipts, changes and hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gridbourse.chain.block import AccountChange, Genesis, Log, Receipt
from gridbourse.chain.evm import Evm, Outcome
from gridbourse.chain.revert import contract_error
from gridbourse.chain.transaction import SignedTransaction, Transaction
from gridbourse.crypto.keys import Address
from gridbourse.errors import TransactionRejected

MAX_INIT_CODE_BYTES = 49_152
"""EIP-3860."""


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

    def execute(self, height: int, timestamp: int, transactions: Sequence[SignedTransaction]) -> Execution:
        """Run a block on the state without changing it; `apply` the changes to move on.

        Raises
        ------
        TransactionRejected
            A transaction may not stand where it stands.
        """
        self._evm.begin(height, timestamp)
        try:
            receipts = []
            gas_used = 0
            for position, signed in enumerate(transactions):
                gas_left = self._genesis.gas_limit - gas_used
                receipt = self._transact(signed, height, position, gas_left)
                gas_used += receipt.gas_used
                receipts.append(receipt)
        except BaseException:
            self._evm.discard()
            raise
        return Execution(tuple(receipts), self._evm.finish(), gas_used)

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
        needed_gas = intrinsic_gas(transaction)
        if transaction.chain_id != self._genesis.chain_id:
            raise _rejected(signed, "chain_id", transaction.chain_id, f"sign for chain {self._genesis.chain_id}")
        if transaction.nonce != expected_nonce:
            raise _rejected(signed, "nonce", transaction.nonce, f"the sender's next one is {expected_nonce}")
        if transaction.max_fee_per_gas or transaction.max_priority_fee_per_gas:
            raise _rejected(signed, "max_fee_per_gas", transaction.max_fee_per_gas, "gas is free here; give 0")
        if transaction.value:
            raise _rejected(signed, "value", transaction.value, "no account has a balance here; give 0")
        if transaction.gas_limit > gas_left:
            raise _rejected(signed, "gas_limit", transaction.gas_limit, f"the block has {gas_left} gas left")
        if transaction.gas_limit < needed_gas:
            raise _rejected(signed, "gas_limit", transaction.gas_limit, f"it takes {needed_gas} before it runs")
        if transaction.to is None and len(transaction.data) > MAX_INIT_CODE_BYTES:
            raise _rejected(signed, "data", len(transaction.data), f"init code has {MAX_INIT_CODE_BYTES} bytes at most")

    def next_nonce(self, address: Address) -> int:
        """How many transactions an account has sent."""
        return self._evm.nonce(address)

    def code(self, address: Address) -> bytes:
        """Code of a contract, empty for any other address."""
        return self._evm.code(address)

    def storage(self, address: Address, slot: int) -> int:
        """Value of a contract's storage slot."""
        return self._evm.storage(address, slot)

    def call(
        self, height: int, timestamp: int, sender: Address, to: Address | None, data: bytes, gas_limit: int
    ) -> Outcome:
        """Run a call, or a creation, as the only transaction of a block, and forget it.

        Raises
        ------
        TransactionRejected
            It cannot even start.
        """
        self._evm.begin(height, timestamp)
        try:
            if to is None:
                return self._evm.create(sender, data, gas_limit)
            return self._evm.call(sender, to, data, gas_limit)
        finally:
            self._evm.discard()

    def estimate_gas(self, height: int, timestamp: int, sender: Address, to: Address | None, data: bytes) -> int:
        """Smallest gas limit with which a transaction succeeds as the first of a block.

        It is enough at any later place as well, where it only finds more warm.

        Raises
        ------
        ContractReverted
            It fails however much gas it has.
        """
        enough = self._genesis.gas_limit
        outcome = self.call(height, timestamp, sender, to, data, enough)
        if not outcome.succeeded:
            raise contract_error(outcome.output, outcome.halt)
        too_little = outcome.gas_used - 1
        candidate = outcome.gas_used
        while enough - too_little > 1:
            if self._succeeds(height, timestamp, sender, to, data, candidate):
                enough = candidate
            else:
                too_little = candidate
            candidate = min((too_little + enough) // 2, too_little * 2)
        return enough

    def _succeeds(
        self, height: int, timestamp: int, sender: Address, to: Address | None, data: bytes, gas_limit: int
    ) -> bool:
        try:
            return self.call(height, timestamp, sender, to, data, gas_limit).succeeded
        except TransactionRejected:
            return False

    def _transact(self, signed: SignedTransaction, height: int, position: int, gas_left: int) -> Receipt:
        transaction, sender = signed.transaction, signed.sender
        self.check(signed, self._evm.nonce(sender), gas_left)
        if transaction.to is None:
            outcome = self._evm.create(sender, transaction.data, transaction.gas_limit)
        else:
            self._evm.bump_nonce(sender)
            outcome = self._evm.call(sender, transaction.to, transaction.data, transaction.gas_limit)
        return Receipt(
            transaction_hash=signed.hash,
            height=height,
            position=position,
            succeeded=outcome.succeeded,
            gas_used=outcome.gas_used,
            contract_address=outcome.contract_address,
            revert_data=b"" if outcome.succeeded else outcome.output,
            halt=outcome.halt,
            logs=tuple(
                Log(address, topics, data, height, signed.hash, index)
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


def _rejected(signed: SignedTransaction, field: str, value: object, remedy: str) -> TransactionRejected:
    return TransactionRejected(f"transaction 0x{signed.hash.hex()}: {field} {value}: {remedy}")
