"""What each method of the JSON-RPC does with a chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gridbourse import __version__
from gridbourse.chain.block import Header, Log, Receipt
from gridbourse.chain.interface import Chain
from gridbourse.chain.rpc.client import EVENTS_METHOD, FAILURE_METHOD
from gridbourse.chain.rpc.errors import Code
from gridbourse.chain.rpc.limits import Limits
from gridbourse.chain.rpc.methods import objects
from gridbourse.chain.rpc.methods.fees import FeeMethods
from gridbourse.chain.rpc.methods.filters import Filters, logs_of
from gridbourse.chain.rpc.methods.parameters import EventFilter, height_of, read_block, read_block_number
from gridbourse.chain.rpc.methods.simulation import SimulationMethods
from gridbourse.chain.rpc.methods.state import StateMethods
from gridbourse.chain.rpc.methods.tracing import TracingMethods
from gridbourse.chain.rpc.values import data, quantity, read_data, read_flag, read_hash, read_quantity, read_whole
from gridbourse.crypto.keys import keccak256
from gridbourse.errors import ChainError, RpcError, StateNotKept, TransactionRejected

Method = Callable[..., Any]
KEPT_STATES = 128
"""As many as the core keeps."""
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
        Methods of the chain's engine by their names, more or in place of those here.
    """

    def __init__(
        self, chain: Chain, limits: Limits, *, read_only: bool = False, further: Mapping[str, Method] | None = None
    ) -> None:
        self.chain = self._chain = chain
        self._read_only = read_only
        self._further = further or {}
        self._limits = limits
        self._filters = Filters(chain, limits)
        self._fees = FeeMethods(chain)
        self._state = StateMethods(chain, limits)
        self._tracing = TracingMethods(chain, self._state)
        self._simulation = SimulationMethods(chain, limits, self._state)
        self.places = objects.BlockPlaces(chain)

    def table(self) -> dict[str, Method]:
        """All methods by their names."""
        sending: dict[str, Method] = {
            "eth_sendRawTransaction": self.send,
            "eth_sendRawTransactionSync": self.send_and_wait,
        }
        own = self._of_node() | self._of_blocks() | self._of_events() | self._of_state()
        return {**own, **({} if self._read_only else sending), **self._further}

    def _of_node(self) -> dict[str, Method]:
        return {
            "web3_clientVersion": lambda: f"gridbourse/{__version__}",
            "web3_sha3": lambda value: data(keccak256(read_data(value, "data"))),
            "net_version": lambda: str(self._chain.chain_id),
            "net_listening": lambda: True,
            "net_peerCount": lambda: "0x0",
            "rpc_modules": lambda: {"debug": "1.0", "eth": "1.0", "net": "1.0", "web3": "1.0", "rpc": "1.0"},
            "eth_chainId": lambda: quantity(self._chain.chain_id),
            "eth_syncing": lambda: False,
            "eth_accounts": self.accounts,
            "eth_coinbase": lambda: data(self._chain.head().sealer),
            "eth_capabilities": self.capabilities,
            "eth_gasPrice": self._fees.gas_price,
            "eth_maxPriorityFeePerGas": self._fees.max_priority_fee_per_gas,
            "eth_baseFee": self._fees.base_fee,
            "eth_blobBaseFee": self._fees.blob_base_fee,
            "eth_feeHistory": self._fees.fee_history,
        }

    def _of_blocks(self) -> dict[str, Method]:
        return {
            "eth_blockNumber": lambda: quantity(self._chain.head().height),
            "eth_getBlockByNumber": self.block_by_number,
            "eth_getBlockByHash": self.block_by_hash,
            "eth_getBlockTransactionCountByNumber": lambda block: self._count(self._numbered(block)),
            "eth_getBlockTransactionCountByHash": lambda block_hash: self._count(self._hashed(block_hash)),
            "eth_getUncleCountByBlockNumber": lambda block: self._uncle_count(self._numbered(block)),
            "eth_getUncleCountByBlockHash": lambda block_hash: self._uncle_count(self._hashed(block_hash)),
            "eth_getUncleByBlockNumberAndIndex": self.uncle_by_number,
            "eth_getUncleByBlockHashAndIndex": self.uncle_by_hash,
            "eth_getBlockReceipts": self.block_receipts,
            "eth_getTransactionByHash": self.transaction,
            "eth_getTransactionByBlockNumberAndIndex": self.transaction_by_number,
            "eth_getTransactionByBlockHashAndIndex": self.transaction_by_hash,
            "eth_getRawTransactionByHash": self.raw_transaction,
            "eth_getTransactionReceipt": self.receipt,
            "debug_getRawTransaction": lambda tx_hash: self.raw_transaction(tx_hash) or "0x",
            "debug_getRawHeader": self.raw_header,
            "debug_getBadBlocks": self.bad_blocks,
            FAILURE_METHOD: self.failure,
        }

    def _of_events(self) -> dict[str, Method]:
        return {
            "eth_getLogs": self.logs,
            "eth_newFilter": lambda events: self._filters.add(EventFilter.read(events)),
            "eth_newBlockFilter": lambda: self._filters.add(None),
            "eth_getFilterChanges": self.filter_changes,
            "eth_getFilterLogs": lambda key: self.log_objects(self._filters.logs(key)),
            "eth_uninstallFilter": self._filters.remove,
            EVENTS_METHOD: self.indexed_logs,
        }

    def _of_state(self) -> dict[str, Method]:
        return {
            "eth_call": self._state.call,
            "eth_estimateGas": self._state.estimate_gas,
            "eth_createAccessList": self._state.create_access_list,
            "eth_simulateV1": self._simulation.simulate,
            "eth_fillTransaction": self._state.fill_transaction,
            "debug_traceTransaction": self._tracing.transaction,
            "debug_traceBlockByNumber": self._tracing.block_by_number,
            "debug_traceBlockByHash": self._tracing.block_by_hash,
            "debug_traceCall": self._tracing.call,
            "eth_getTransactionCount": self._state.transaction_count,
            "eth_getBalance": self._state.balance,
            "eth_getCode": self._state.code,
            "eth_getStorageAt": self._state.storage,
            "eth_getStorageValues": self._state.storage_values,
            "eth_getProof": self._state.proof,
        }

    # The node

    def syncing(self) -> Any:
        """Whether the node is behind the others, and how far; false if it is not."""
        return self.table()["eth_syncing"]()

    def accounts(self) -> list[str]:
        """None: a server keeps nobody's keys."""
        return []

    def bad_blocks(self) -> list[Any]:
        """None: what is no valid block is never stored."""
        return []

    def capabilities(self) -> dict[str, Any]:
        """Which blocks can be asked for what."""
        head = self._chain.head()
        whole = {"disabled": False, "oldestBlock": "0x0"}
        kept = {"type": "window", "retentionBlocks": quantity(KEPT_STATES)}
        return {
            "head": {"number": quantity(head.height), "hash": data(head.hash)},
            "state": {
                "disabled": False,
                "oldestBlock": quantity(self._oldest_state(head.height)),
                "deleteStrategy": kept,
            },
            **dict.fromkeys(("tx", "logs", "receipts", "blocks"), whole),
            "stateproofs": {"disabled": False, "oldestBlock": quantity(head.height)},
        }

    def _oldest_state(self, newest: int) -> int:
        """The oldest block whose state is there; fewer than `KEPT_STATES` after a start."""
        first, last = max(0, newest - KEPT_STATES), newest
        while first < last:  # all above the oldest are there
            middle = (first + last) // 2
            try:
                self._chain.simulate(middle)
                last = middle
            except StateNotKept:
                first = middle + 1
        return last

    # Blocks

    def block_by_number(self, block: object, full: object = None) -> Any:
        """A block, or null if there is no such block."""
        return self._block_object(self._numbered(block), full=full is not None and read_flag(full, "full"))

    def block_by_hash(self, block_hash: object, full: object = None) -> Any:
        """A block, or null if there is no such block."""
        return self._block_object(self._hashed(block_hash), full=full is not None and read_flag(full, "full"))

    def block_receipts(self, block: object) -> Any:
        """All receipts of a block, or null if there is no such block."""
        height = height_of(self._chain, read_block(block))
        return None if height is None else objects.receipt_objects(self._chain.block(height)) if height else []

    def uncle_by_number(self, block: object, index: object) -> None:
        """None: there are no uncles."""
        self._numbered(block)
        read_quantity(index, "uncleIndex", bits=64)

    def uncle_by_hash(self, block_hash: object, index: object) -> None:
        """None: there are no uncles."""
        self._hashed(block_hash)
        read_quantity(index, "uncleIndex", bits=64)

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

    def _numbered(self, block: object) -> int | None:
        return height_of(self._chain, read_block_number(block))

    def _hashed(self, block_hash: object) -> int | None:
        return self._chain.height_of(read_hash(block_hash, "blockHash"))

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
        return self._transaction_at(self._numbered(block), index)

    def transaction_by_hash(self, block_hash: object, index: object) -> Any:
        """The transaction at a place of a block, or null."""
        return self._transaction_at(self._hashed(block_hash), index)

    def raw_transaction(self, tx_hash: object) -> Any:
        """The bytes of a transaction in a block, or null."""
        signed = self._chain.transaction(read_hash(tx_hash, "transactionHash"))
        return data(signed.raw) if signed else None

    def raw_header(self, block: object) -> str:
        """The bytes of a block's head, whose Keccak-256 is the block's hash."""
        height = self._numbered(block)
        header = None if height is None else self._chain.header(height)
        if not isinstance(header, Header):
            raise RpcError(
                Code.SERVER_ERROR, "header not found" if header is None else "another node keeps the headers"
            )
        return data(header.encode())

    def receipt(self, tx_hash: object) -> Any:
        """The receipt of a transaction in a block, or null."""
        receipt = self._chain.receipt(read_hash(tx_hash, "transactionHash"))
        return self._receipt_object(receipt) if receipt else None

    def failure(self, tx_hash: object) -> Any:
        """Why a transaction in a block failed, or null if it did not: what the contract said, or what stopped it."""
        receipt = self._chain.receipt(read_hash(tx_hash, "transactionHash"))
        if receipt is None or receipt.succeeded:
            return None
        return {"revertData": data(receipt.revert_data), "halt": receipt.halt}

    def send(self, raw: object) -> str:
        """Hand in a signed transaction; returns its hash."""
        return data(self._chain.send([read_data(raw, "transaction")])[0])

    def send_and_wait(self, raw: object, timeout_ms: object = None) -> Any:
        """Hand in a signed transaction and wait for its receipt (EIP-7966)."""
        transaction = read_data(raw, "transaction")
        most = self._limits.sync_wait_seconds
        seconds = min(_SYNC_WAIT_SECONDS, most)
        if timeout_ms is not None:
            wanted = read_whole(timeout_ms, "timeout", 2**64 - 1)
            seconds = wanted / 1_000 if 0 < wanted <= most * 1_000 else seconds
        [tx_hash] = self._chain.send([transaction])
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
        position = read_quantity(index, "transactionIndex", bits=64)
        if not height:
            return None
        receipts = self._chain.block(height).receipts
        return self.transaction(data(receipts[position].transaction_hash)) if position < len(receipts) else None

    def _receipt_object(self, receipt: Receipt) -> Any:
        signed = self._chain.transaction(receipt.transaction_hash)
        assert signed is not None, "a receipt has a transaction"
        return objects.receipt_object(signed, receipt, self.places.at(receipt.height))

    # Events

    def logs(self, events: object) -> list[Any]:
        """Events of a range of blocks."""
        return self.log_objects(logs_of(self._chain, EventFilter.read(events), self._limits))

    def indexed_logs(self, events: object) -> list[Any]:
        """Events of a range of blocks, each also with its number within its transaction."""
        logs = logs_of(self._chain, EventFilter.read(events), self._limits)
        shown = self.log_objects(logs)
        return [{**entry, "transactionLogIndex": quantity(log.index)} for entry, log in zip(shown, logs, strict=True)]

    def filter_changes(self, key: object) -> list[Any]:
        """What came since the last poll."""
        found = self._filters.changes(key)
        return [self._log_or_hash(entry) for entry in found]

    def log_objects(self, logs: Sequence[Log]) -> list[Any]:
        """Show events."""
        return [objects.log_object(log, self.places.at(log.height)) for log in logs]

    def _log_or_hash(self, entry: Log | str) -> Any:
        return entry if isinstance(entry, str) else objects.log_object(entry, self.places.at(entry.height))
