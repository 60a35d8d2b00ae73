"""What each method of the JSON-RPC does with a chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gridbourse import __version__
from gridbourse.chain.block import Log, Receipt
from gridbourse.chain.interface import ZERO_ADDRESS, Chain
from gridbourse.chain.rpc import objects
from gridbourse.chain.rpc.errors import Code
from gridbourse.chain.rpc.filters import Criteria, Filters, read_block, read_range
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.values import (
    data,
    quantity,
    read_address,
    read_data,
    read_hash,
    read_quantity,
    read_word,
)
from gridbourse.crypto.keys import Address, keccak256
from gridbourse.errors import ChainError, InvalidValue, RpcError, TransactionRejected

Method = Callable[..., Any]
_MAX_HISTORY_BLOCKS = 1_024
_SYNC_WAIT_SECONDS = 2.0
"""EIP-7966's default."""


class Methods:
    """The methods over one chain.

    Parameters
    ----------
    chain
        The chain.
    limits
        How much one caller may ask for.
    read_only
        Leave out the methods that hand transactions in.
    further
        More methods by their names, which are those of the chain's engine.
    """

    def __init__(
        self, chain: Chain, limits: Limits, *, read_only: bool = False, further: Mapping[str, Method] | None = None
    ) -> None:
        self.chain = self._chain = chain
        self._read_only = read_only
        self._further = further or {}
        self._limits = limits
        self._filters = Filters(chain, limits)
        self.places = objects.BlockPlaces(chain)

    def table(self) -> dict[str, Method]:
        """All methods by their names."""
        sending = {"eth_sendRawTransaction": self.send, "eth_sendRawTransactionSync": self.send_and_wait}
        return self._reading() | ({} if self._read_only else sending)

    def _reading(self) -> dict[str, Method]:
        return {
            **self._further,
            "web3_clientVersion": lambda: f"gridbourse/{__version__}",
            "web3_sha3": lambda value: data(keccak256(read_data(value, "data"))),
            "net_version": lambda: str(self._chain.chain_id),
            "net_listening": lambda: True,
            "net_peerCount": lambda: "0x0",
            "rpc_modules": lambda: {"eth": "1.0", "net": "1.0", "web3": "1.0", "rpc": "1.0"},
            "eth_chainId": lambda: quantity(self._chain.chain_id),
            "eth_syncing": lambda: False,
            "eth_accounts": self.accounts,
            "eth_coinbase": lambda: data(self._chain.head().sealer),
            "eth_blockNumber": lambda: quantity(self._chain.head().height),
            "eth_getBlockByNumber": self.block_by_number,
            "eth_getBlockByHash": self.block_by_hash,
            "eth_getBlockTransactionCountByNumber": self.transaction_count_by_number,
            "eth_getBlockTransactionCountByHash": self.transaction_count_by_hash,
            "eth_getUncleCountByBlockNumber": lambda block: self._uncle_count(read_block(self._chain, block)),
            "eth_getUncleCountByBlockHash": lambda block: self._uncle_count(self._height_of(block)),
            "eth_getUncleByBlockNumberAndIndex": lambda _block, _index: None,
            "eth_getUncleByBlockHashAndIndex": lambda _block, _index: None,
            "eth_getBlockReceipts": self.block_receipts,
            "eth_getTransactionByHash": self.transaction,
            "eth_getTransactionByBlockNumberAndIndex": self.transaction_by_number,
            "eth_getTransactionByBlockHashAndIndex": self.transaction_by_hash,
            "eth_getRawTransactionByHash": self.raw_transaction,
            "eth_getTransactionReceipt": self.receipt,
            "eth_getLogs": self.logs,
            "eth_newFilter": self.new_filter,
            "eth_newBlockFilter": lambda: self._filters.add(None, {}),
            "eth_getFilterChanges": self.filter_changes,
            "eth_getFilterLogs": lambda key: self.logs(self._filters.asked(key)),
            "eth_uninstallFilter": self._filters.remove,
            "eth_call": self.call,
            "eth_estimateGas": self.estimate_gas,
            "eth_getTransactionCount": self.transaction_count,
            "eth_getBalance": self.balance,
            "eth_getCode": self.code,
            "eth_getStorageAt": self.storage,
            "eth_gasPrice": lambda: quantity(self._chain.fees().max_fee_per_gas),
            "eth_maxPriorityFeePerGas": lambda: quantity(self._chain.fees().max_priority_fee_per_gas),
            "eth_feeHistory": self.fee_history,
        }

    def accounts(self) -> list[str]:
        """None: a server keeps nobody's keys."""
        return []

    # Blocks

    def block_by_number(self, block: object, full: object = False) -> Any:  # noqa: FBT002
        """A block, or null if there is no such block."""
        return self._block_object(read_block(self._chain, block), full=_flag(full))

    def block_by_hash(self, block_hash: object, full: object = False) -> Any:  # noqa: FBT002
        """A block, or null if there is no such block."""
        return self._block_object(self._height_of(block_hash), full=_flag(full))

    def transaction_count_by_number(self, block: object) -> Any:
        """How many transactions a block has, or null if there is no such block."""
        return self._count(read_block(self._chain, block))

    def transaction_count_by_hash(self, block_hash: object) -> Any:
        """How many transactions a block has, or null if there is no such block."""
        return self._count(self._height_of(block_hash))

    def block_receipts(self, block: object) -> Any:
        """All receipts of a block, or null if there is no such block."""
        height = self._block_or_hash(block)
        return None if height is None else objects.receipt_objects(self._chain.block(height)) if height else []

    def fee_history(self, count: object, newest: object, percentiles: object = None) -> Any:
        """What gas cost: nothing."""
        wanted = count if isinstance(count, int) else read_quantity(count, "blockCount")
        if wanted < 1:
            raise InvalidValue("blockCount", count, "a number of blocks from 1 on")
        last = self._existing(newest)
        shown = min(wanted, _MAX_HISTORY_BLOCKS, last + 1)
        oldest = last - shown + 1
        headers = [self._chain.header(height) for height in range(oldest, last + 1)]
        history = {
            "oldestBlock": quantity(oldest),
            "baseFeePerGas": ["0x0"] * (shown + 1),
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
            "baseFeePerBlobGas": ["0x0"] * (shown + 1),
            "blobGasUsedRatio": [0.0] * shown,
        }
        if isinstance(percentiles, list) and percentiles:
            history["reward"] = [["0x0"] * len(percentiles)] * shown
        return history

    def _block_object(self, height: int | None, *, full: bool) -> Any:
        if height is None:
            return None
        if height == 0:
            return objects.genesis_object(self._chain.header(0))
        return objects.block_object(self._chain.block(height), full=full)

    def _count(self, height: int | None) -> str | None:
        return None if height is None else quantity(len(self._chain.block(height).transactions) if height else 0)

    def _uncle_count(self, height: int | None) -> str | None:
        return None if height is None else "0x0"

    def _height_of(self, block_hash: object) -> int | None:
        return self._chain.height_of(read_hash(block_hash, "blockHash"))

    def _block_or_hash(self, block: object) -> int | None:
        is_hash = isinstance(block, str) and len(block) == 66
        return self._height_of(block) if is_hash else read_block(self._chain, block)

    def _existing(self, block: object) -> int:
        height = read_block(self._chain, block)
        if height is None:
            raise RpcError(Code.RESOURCE_NOT_FOUND, "unknown block")
        return height

    # Transactions

    def transaction(self, tx_hash: object) -> Any:
        """A transaction in a block, or null."""
        wanted = read_hash(tx_hash, "transactionHash")
        signed, receipt = self._chain.transaction(wanted), self._chain.receipt(wanted)
        if signed is None or receipt is None:
            return None
        return objects.transaction_object(signed, receipt, self.places.at(receipt.height))

    def transaction_by_number(self, block: object, index: object) -> Any:
        """The transaction at a place of a block, or null."""
        return self._transaction_at(read_block(self._chain, block), index)

    def transaction_by_hash(self, block_hash: object, index: object) -> Any:
        """The transaction at a place of a block, or null."""
        return self._transaction_at(self._height_of(block_hash), index)

    def raw_transaction(self, tx_hash: object) -> Any:
        """The bytes of a transaction in a block, or null."""
        signed = self._chain.transaction(read_hash(tx_hash, "transactionHash"))
        return data(signed.raw) if signed else None

    def receipt(self, tx_hash: object) -> Any:
        """The receipt of a transaction in a block, or null."""
        receipt = self._chain.receipt(read_hash(tx_hash, "transactionHash"))
        return self._receipt_object(receipt) if receipt else None

    def send(self, raw: object) -> str:
        """Hand in a signed transaction; returns its hash."""
        return data(self._chain.send([read_data(raw, "transaction")])[0])

    def send_and_wait(self, raw: object, timeout_ms: object = None) -> Any:
        """Hand in a signed transaction and wait for its receipt (EIP-7966)."""
        most = self._limits.sync_wait_seconds
        seconds = min(_SYNC_WAIT_SECONDS, most)
        if timeout_ms is not None:
            wanted = timeout_ms if isinstance(timeout_ms, int) else read_quantity(timeout_ms, "timeout")
            seconds = wanted / 1_000 if 0 < wanted <= most * 1_000 else seconds
        [tx_hash] = self._chain.send([read_data(raw, "transaction")])
        try:
            [receipt] = self._chain.wait([tx_hash], timeout_seconds=seconds)
        except ChainError as error:
            raise RpcError(Code.SYNC_TIMEOUT, f"sent, but {error}", data(tx_hash)) from error
        return self._receipt_object(receipt)

    def send_each(self, raws: Sequence[bytes]) -> list[str | ChainError]:
        """Hand in signed transactions in their order; returns what became of each: its hash, or why it was not taken.

        As many as possible go to the chain together. Around one that is turned away the portions are halved, and
        doubled again behind it, so that even a bad batch costs few more steps than it has transactions.
        """
        outcomes: list[str | ChainError] = []
        size = len(raws)
        while len(outcomes) < len(raws):
            portion = raws[len(outcomes) : len(outcomes) + size]
            try:
                outcomes += map(data, self._chain.send(portion))
                size *= 2
            except TransactionRejected as error:
                if len(portion) == 1:
                    outcomes.append(error)
                size = max(1, len(portion) // 2)
            except ChainError as error:
                outcomes += [error] * (len(raws) - len(outcomes))
        return outcomes

    def _transaction_at(self, height: int | None, index: object) -> Any:
        position = read_quantity(index, "transactionIndex")
        if not height:
            return None
        receipts = self._chain.block(height).receipts
        return self.transaction(data(receipts[position].transaction_hash)) if position < len(receipts) else None

    def _receipt_object(self, receipt: Receipt) -> Any:
        signed = self._chain.transaction(receipt.transaction_hash)
        assert signed is not None, "a receipt has a transaction"
        return objects.receipt_object(signed, receipt, self.places.at(receipt.height))

    # Events

    def logs(self, criteria: object) -> list[Any]:
        """Events of a range of blocks."""
        wanted = Criteria.read(criteria)
        assert isinstance(criteria, Mapping), "it was read as one"
        first, last = read_range(self._chain, criteria, self._limits)
        return self.log_objects(wanted.logs(self._chain, first, last, self._limits.logs))

    def new_filter(self, criteria: object) -> str:
        """Start to collect events from the next block on."""
        wanted = Criteria.read(criteria)
        assert isinstance(criteria, Mapping), "it was read as one"
        return self._filters.add(wanted, criteria)

    def filter_changes(self, key: object) -> list[Any]:
        """What came since the last poll."""
        found = self._filters.changes(key)
        return [self._log_or_hash(entry) for entry in found]

    def log_objects(self, logs: Sequence[Log]) -> list[Any]:
        """Show events."""
        return [objects.log_object(log, self.places.at(log.height)) for log in logs]

    def _log_or_hash(self, entry: Log | str) -> Any:
        return entry if isinstance(entry, str) else objects.log_object(entry, self.places.at(entry.height))

    # The newest state

    def call(self, message: object, block: object = "latest", overrides: object = None) -> str:
        """Run a call and forget it."""
        self._require_newest(block, overrides)
        to, sender, call_data, gas = _read_message(message, self._limits.call_gas)
        if to is None:
            raise InvalidValue("to", None, "the contract to call")
        return data(self._chain.call(to, call_data, sender=sender, gas_limit=gas))

    def estimate_gas(self, message: object, block: object = "latest", overrides: object = None) -> str:
        """Gas limit with which a transaction succeeds."""
        self._require_newest(block, overrides)
        to, sender, call_data, gas = _read_message(message, self._limits.call_gas)
        return quantity(self._chain.estimate_gas(to, call_data, sender=sender, gas_limit=gas))

    def transaction_count(self, address: object, block: object = "latest") -> str:
        """Nonce of an account; with ``pending`` that of the next transaction to send."""
        account = read_address(address, "address")
        if block == "pending":
            return quantity(self._chain.next_nonce(account))
        self._require_newest(block)
        return quantity(self._chain.account(account).nonce)

    def balance(self, address: object, block: object = "latest") -> str:
        """Coins of an account."""
        self._require_newest(block)
        return quantity(self._chain.account(read_address(address, "address")).balance_wei)

    def code(self, address: object, block: object = "latest") -> str:
        """Code of a contract."""
        self._require_newest(block)
        return data(self._chain.account(read_address(address, "address")).code)

    def storage(self, address: object, slot: object, block: object = "latest") -> str:
        """Word of a contract's storage."""
        self._require_newest(block)
        return data(self._chain.storage(read_address(address, "address"), read_word(slot, "slot")))

    def _require_newest(self, block: object, overrides: object = None) -> None:
        """Only the newest state is kept."""
        if overrides:
            raise InvalidValue("stateOverrides", "present", "none: they are not supported")
        height = self._existing("latest" if block is None else block)
        head = self._chain.head().height
        if height < head:
            text = f"the state of block {height} is not kept; ask at latest, now block {head}"
            raise RpcError(Code.RESOURCE_UNAVAILABLE, text)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue("full", value, "true for whole transactions, or false for their hashes")
    return value


def _read_message(message: object, most_gas: int) -> tuple[Address | None, Address, bytes, int]:
    """Receiver, sender, data and gas of a call. Fees given along mean nothing here."""
    if not isinstance(message, Mapping):
        raise InvalidValue("transaction", message, "an object with to, from and data")
    to, sender = message.get("to"), message.get("from")
    texts = [value for value in (message.get("input"), message.get("data")) if value is not None]
    if len(texts) > 1 and texts[0] != texts[1]:
        raise InvalidValue("input", "other than data", "one of them, or both alike")
    if message.get("value") and read_quantity(message["value"], "value"):
        raise RpcError(Code.INSUFFICIENT_FUNDS, "insufficient funds: no account has a balance here; give value 0")
    return (
        read_address(to, "to") if to is not None else None,
        read_address(sender, "from") if sender is not None else ZERO_ADDRESS,
        read_data(next(iter(texts), "0x"), "data"),
        min(read_quantity(message["gas"], "gas"), most_gas) if message.get("gas") else most_gas,
    )
