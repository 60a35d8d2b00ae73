"""A key that acts on one chain."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack

from gridbourse.chain.block import Receipt
from gridbourse.chain.interface import Chain
from gridbourse.chain.revert import contract_error
from gridbourse.chain.transaction import Transaction
from gridbourse.contracts.abi import Call, contract_abi
from gridbourse.crypto.keys import Address, SigningKey

GAS_LIMIT = 30_000_000
"""Keeps one transaction from filling a block. Where gas costs something the sender needs coins for all of it."""


class Wallet:
    """Signs and sends calls; nonces follow each other without asking the chain again. No other wallet uses its key.

    Several threads may share a wallet: each one's calls reach the chain in the order of their nonces.

    Parameters
    ----------
    chain
        The chain to act on.
    key
        The key to sign with.
    gas_limit
        Most gas one call may use.
    """

    def __init__(self, chain: Chain, key: SigningKey, *, gas_limit: int = GAS_LIMIT) -> None:
        self.chain = chain
        self.address = key.address
        self._key = key
        self._gas_limit = gas_limit
        self._next_nonce: int | None = None
        self._lock = threading.RLock()

    def sign(self, calls: Sequence[Call]) -> list[bytes]:
        """Sign calls with consecutive nonces; the raw transactions have to be submitted in this order.

        If they are not, or that fails, tell the wallet by `forget_nonces`.
        """
        with self.held():
            return self._sign(calls)

    def held(self) -> AbstractContextManager[object]:
        """Keep other threads from signing with this wallet until what was signed is handed in."""
        return self._lock

    def forget_nonces(self) -> None:
        """Sign on from the chain's own count: what was signed before and did not get there is void."""
        self._next_nonce = None

    def send_many(self, calls: Sequence[Call]) -> list[Receipt]:
        """Sign and submit calls in this order; returns when all are final.

        Raises
        ------
        ContractReverted, OrderRefused
            A contract refused one of the calls. The others took place.
        """
        with self.held():
            try:
                receipts = self.chain.submit(self._sign(calls))
            except BaseException:
                self.forget_nonces()
                raise
        for call, receipt in zip(calls, receipts, strict=True):
            if not receipt.succeeded:
                raise contract_abi(call.contract).explain(contract_error(receipt.revert_data, receipt.halt))
        return receipts

    def send(self, call: Call) -> Receipt:
        """Sign and submit one call; returns when it is final. Raises like `send_many`."""
        (receipt,) = self.send_many([call])
        return receipt

    def deploy(self, contract: str, *args: object) -> Address:
        """Create a contract from its committed bytecode and return its address."""
        receipt = self.send(contract_abi(contract).creation(*args))
        assert receipt.contract_address is not None, "a successful creation has an address"
        return receipt.contract_address

    def _sign(self, calls: Sequence[Call]) -> list[bytes]:
        if self._next_nonce is None:
            # Not counting what is under way: if it is not known whether that arrives, what is sent next must not be
            # able to happen beside it, only instead of it.
            self._next_nonce = self.chain.account(self.address).nonce
        first = self._next_nonce
        self._next_nonce += len(calls)
        fees = self.chain.fees()
        return [
            Transaction(
                chain_id=self.chain.chain_id,
                nonce=first + turn,
                gas_limit=self._gas_limit,
                to=call.to,
                data=call.data,
                max_fee_per_gas=fees.max_fee_per_gas,
                max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
            )
            .sign(self._key)
            .raw
            for turn, call in enumerate(calls)
        ]


def send_together(calls: Sequence[tuple[Wallet, Call]]) -> list[Receipt]:
    """Sign calls, each with a wallet of the same chain, and hand all of them in at once; a block takes what it can.

    Returns
    -------
    list of Receipt
        In the sequence of `calls`; also of those that a contract refused.

    Raises
    ------
    TransactionRejected
        The chain took none of them, because of one.
    """
    wallets = list(dict.fromkeys(wallet for wallet, _ in calls))
    if not wallets:
        return []
    with ExitStack() as held:
        for wallet in wallets:
            held.enter_context(wallet.held())
        try:
            return wallets[0].chain.submit([raw for wallet, call in calls for raw in wallet.sign([call])])
        except BaseException:
            for wallet in wallets:
                wallet.forget_nonces()
            raise
