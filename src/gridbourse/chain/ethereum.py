"""The ethereum engine: a chain that another network orders, asked over its JSON-RPC.

The network may be a node of ours, Besu with QBFT, geth, or a development node. Its node is trusted to tell the truth:
whoever does not trust a node runs one. Beyond what every chain promises it adds nothing, and it lacks three things.
Part of a `send` may be taken when another part is refused. Where the network keeps no revert data, that of a failed
transaction comes from running it again behind the parent block, alone. And transactions of other kinds than
gridbourse signs cannot be read back.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from threading import Lock
from typing import Any, Self

from gridbourse.chain.block import Log, Receipt
from gridbourse.chain.interface import (
    DEFAULT_TIMEOUT_SECONDS,
    ZERO_ADDRESS,
    Account,
    AccountProof,
    Chain,
    Confirmations,
    Fees,
)
from gridbourse.chain.rpc import values
from gridbourse.chain.rpc.client import EVENTS_METHOD, FAILURE_METHOD, Call, RpcClient
from gridbourse.chain.rpc.errors import Code, execution_error, rejection
from gridbourse.chain.rpc.reading import (
    NetworkBlock,
    NetworkHeader,
    read_header,
    read_log,
    read_receipt,
    read_transaction,
    told,
)
from gridbourse.chain.simulation import Simulation
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.crypto.keys import Address, keccak256
from gridbourse.errors import ChainError, ChainReorganised, InvalidValue, RpcError, StateNotKept, TransactionRejected

_LOG_BLOCKS = 5_000
_NOT_NOW = frozenset({Code.INTERNAL_ERROR, Code.RESOURCE_UNAVAILABLE, Code.LIMIT_EXCEEDED})
"""What a node answers that cannot take a transaction for reasons of its own."""
_AGAIN_SECONDS = 3.0
_REMEMBERED = 10_000
_NO_SUCH_METHOD = frozenset({Code.METHOD_NOT_FOUND, -32604})
"""Besu's -32604 says that a method is switched off."""
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.005, 0.5
_PAUSE_SHARE = 0.05
"""A pause between questions is this part of the time waited so far: nobody waits much longer than it takes."""


class EthereumChain(Chain):
    """A chain behind a node's JSON-RPC.

    Parameters
    ----------
    url
        Where the node listens.
    chain_id
        What the network must be; None takes any.
    confirmations
        When a block counts as final: 0 at once, on networks that never reorganise (ours, Besu QBFT); a number of blocks
        on top; or ``"finalized"``, where the network has that tag.
    charges_gas
        Whether transactions must bid what the network charges; otherwise they bid 0.
    token
        Bearer token that the node asks for.
    patience_seconds
        How long to try to reach the node before giving up.
    final_within_seconds
        How long `submit` waits for finality: on Ethereum itself ``"finalized"`` takes a quarter of an hour.
    resend_seconds
        How long `submit` waits for a block before it sends again what is in none; on slow networks longer than the
        time between blocks.

    Raises
    ------
    InvalidValue
        It is another network.
    ChainError
        The node does not answer.
    """

    def __init__(
        self,
        url: str,
        *,
        chain_id: int | None = None,
        confirmations: Confirmations = 0,
        charges_gas: bool = False,
        token: str | None = None,
        patience_seconds: float = 30.0,
        final_within_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        resend_seconds: float = 5.0,
    ) -> None:
        if not (confirmations == "finalized" or (isinstance(confirmations, int) and confirmations >= 0)):
            raise InvalidValue("confirmations", confirmations, '"finalized" or a number of blocks from 0 on')
        self._node = RpcClient(url, token=token, patience_seconds=patience_seconds)
        self._confirmations = confirmations
        self._charges_gas = charges_gas
        self._final_within_seconds = final_within_seconds
        self._resend_seconds = resend_seconds
        self._waits_for_receipts = True
        self._final: NetworkHeader | None = None
        self._lock = Lock()
        self._sent: dict[bytes, bytes] = {}
        try:
            self._chain_id = told(values.read_quantity, self._node.ask("eth_chainId"), "eth_chainId")
        except BaseException:
            self.close()
            raise
        if chain_id not in {None, self._chain_id}:
            self.close()
            raise InvalidValue("url", url, f"a node of chain {chain_id}; this one is of chain {self._chain_id}")

    @property
    def chain_id(self) -> int:
        """Number that transactions for this chain are signed with."""
        return self._chain_id

    def send(self, raw_transactions: Sequence[bytes]) -> list[bytes]:
        """Hand in signed transactions in this order; returns their hashes.

        What the network knows already, from an earlier attempt whose answer was lost, counts as taken.
        """
        hashes = [keccak256(raw) for raw in raw_transactions]
        answers = self._node.ask_all([Call("eth_sendRawTransaction", [values.data(raw)]) for raw in raw_transactions])
        outcomes = zip(hashes, answers, strict=True)
        refused = {tx_hash: answer for tx_hash, answer in outcomes if isinstance(answer, RpcError)}
        known = self._ask_all([Call("eth_getTransactionByHash", [values.data(tx_hash)]) for tx_hash in refused])
        for error, transaction in zip(refused.values(), known, strict=True):
            if transaction is None:
                raise error if error.code in _NOT_NOW else rejection(error)
        self._remember(dict(zip(hashes, raw_transactions, strict=True)))
        return hashes

    def wait(self, hashes: Sequence[bytes], *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> list[Receipt]:
        """Wait until transactions are final; returns their receipts in the same order."""
        began = time.monotonic()
        deadline, again = began + timeout_seconds, began + _AGAIN_SECONDS
        receipts: dict[bytes, Receipt] = {}
        missing = list(dict.fromkeys(hashes))
        while missing:
            # The last one tells for all, most of the time.
            receipts.update(self._final_receipts(missing[-1:]))
            if missing[-1] in receipts:
                receipts.update(self._final_receipts(missing[:-1]))
            missing = [tx_hash for tx_hash in missing if tx_hash not in receipts]
            if missing and time.monotonic() > deadline:
                raise ChainError(
                    f"{len(missing)} of {len(hashes)} transactions not final within {timeout_seconds:g} s, among them"
                    f" 0x{missing[-1].hex()}; if the chain knows them, wait again or longer"
                )
            if missing and time.monotonic() > again:
                self._hand_in_again(missing)
                again = time.monotonic() + _AGAIN_SECONDS
            if missing:
                share = _PAUSE_SHARE * (time.monotonic() - began)
                pause = min(max(share, _SHORTEST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
                time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        with self._lock:
            for tx_hash in hashes:
                self._sent.pop(tx_hash, None)
        return [receipts[tx_hash] for tx_hash in hashes]

    def submit(self, raw_transactions: Sequence[bytes]) -> list[Receipt]:
        """`send`, then `wait`; what a node may have lost after it was sent is sent again."""
        if len(raw_transactions) == 1 and (receipt := self._submit_at_once(raw_transactions[0])):
            return [receipt]
        deadline = time.monotonic() + self._final_within_seconds
        hashes = self.send(raw_transactions)
        while time.monotonic() < deadline - self._resend_seconds:
            with suppress(ChainError):
                return self.wait(hashes, timeout_seconds=self._resend_seconds)
            with suppress(TransactionRejected):  # what it still has it refuses
                self.send(raw_transactions)
        return self.wait(hashes, timeout_seconds=max(0.0, deadline - time.monotonic()))

    def call(
        self, to: Address | None, data: bytes, *, sender: Address = ZERO_ADDRESS, gas_limit: int | None = None
    ) -> bytes:
        """Run a call on the newest state, which on a network that reorganises need not be final."""
        return told(values.read_data, self._execute("eth_call", to, data, sender, gas_limit), "eth_call")

    def estimate_gas(
        self, to: Address | None, data: bytes, *, sender: Address = ZERO_ADDRESS, gas_limit: int | None = None
    ) -> int:
        """Gas limit with which a transaction succeeds, as the network estimates it."""
        answer = self._execute("eth_estimateGas", to, data, sender, gas_limit)
        return told(values.read_quantity, answer, "eth_estimateGas")

    def prove(self, height: int, address: Address, slots: Sequence[int]) -> AccountProof:  # noqa: ARG002
        """Refused: the state is another node's.

        Raises
        ------
        StateNotKept
            Always.
        """
        raise StateNotKept(f"the trie of block {height} is not kept here; ask {self._node.url}")

    def simulate(self, height: int) -> Simulation:
        """Refused: the state is another node's.

        Raises
        ------
        StateNotKept
            Always.
        """
        raise StateNotKept(f"the state of block {height} is not kept here; ask {self._node.url}")

    def next_nonce(self, address: Address) -> int:
        """Nonce of an account's next transaction, counting those that the node knows but that are in no block."""
        answer = self._node.ask("eth_getTransactionCount", values.data(address), "pending")
        return told(values.read_quantity, answer, "eth_getTransactionCount")

    def account(self, address: Address) -> Account:
        """An account on the newest state; one that nobody has used is empty."""
        methods = ("eth_getTransactionCount", "eth_getCode", "eth_getBalance")
        nonce, code, balance = self._ask_all([Call(method, [values.data(address), "latest"]) for method in methods])
        return Account(
            nonce=told(values.read_quantity, nonce, "nonce"),
            code=told(values.read_data, code, "code"),
            balance_wei=told(values.read_quantity, balance, "balance"),
        )

    def storage(self, address: Address, slot: int) -> bytes:
        """Word of 32 bytes in a slot of a contract's storage, on the newest state."""
        answer = self._node.ask("eth_getStorageAt", values.data(address), values.quantity(slot), "latest")
        return told(values.read_hash, answer, "eth_getStorageAt")

    def fees(self) -> Fees:
        """Nothing where gas is free; otherwise the tip that the network advises above twice the newest base fee."""
        if not self._charges_gas:
            return Fees()
        newest, tip = self._ask_all([_block("latest"), Call("eth_maxPriorityFeePerGas", [])])
        tip_wei = told(values.read_quantity, tip, "eth_maxPriorityFeePerGas")
        base_wei = told(values.read_quantity, newest.get("baseFeePerGas", "0x0"), "baseFeePerGas")
        return Fees(2 * base_wei + tip_wei, tip_wei)

    def head(self) -> NetworkHeader:
        """Header of the newest final block.

        Raises
        ------
        ChainReorganised
            The block that was final before is not part of the chain any more.
        """
        with self._lock:
            final = self._newest_final()
            seen = self._final
            if seen and final.height < seen.height:
                return seen  # the node is behind what it told before
            follows = seen is None or seen.hash in {final.hash, final.parent_hash}
            if seen and not follows and self._block_hash(seen.height) != seen.hash:
                raise ChainReorganised(
                    f"{self._node.url}: block {seen.height} was final with hash 0x{seen.hash.hex()} and is not there"
                    " any more: wait for more confirmations, and read anew what came after it"
                )
            self._final = final
            return final

    def header(self, height: int) -> NetworkHeader:
        """Header of a final block, from height 0 on, which is the genesis."""
        self._require_final(height, first=0)
        [answer] = self._ask_all([_block(values.quantity(height))])
        return read_header(answer)

    def height_of(self, block_hash: bytes) -> int | None:
        """Height of the final block with a hash; None if the chain has no such block."""
        answer = self._node.ask("eth_getBlockByHash", values.data(block_hash), False)  # noqa: FBT003
        if answer is None:
            return None
        height = read_header(answer).height
        is_ours = self._is_final(height) and self._block_hash(height) == block_hash
        return height if is_ours else None

    def block(self, height: int) -> NetworkBlock:
        """Read a final block, from height 1 on.

        Raises
        ------
        ChainError
            A transaction in it is of another kind than those that gridbourse signs.
        """
        self._require_final(height, first=1)
        number = values.quantity(height)
        block, receipts = self._ask_all([_block(number, full=True), Call("eth_getBlockReceipts", [number])])
        transactions = tuple(read_transaction(entry).raw for entry in block["transactions"])
        return NetworkBlock(read_header(block), transactions, tuple(self._explained(map(read_receipt, receipts))))

    def transaction(self, tx_hash: bytes) -> SignedTransaction | None:
        """Find a transaction in a final block; None if it is in none."""
        answer = self._node.ask("eth_getTransactionByHash", values.data(tx_hash))
        if answer is None or answer.get("blockNumber") is None:
            return None
        height = told(values.read_quantity, answer["blockNumber"], "blockNumber")
        return read_transaction(answer) if self._is_final(height) else None

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Find the receipt of a transaction in a final block; None if it is in none."""
        return self._final_receipts([tx_hash]).get(tx_hash)

    def logs(
        self,
        *,
        address: Address | None = None,
        topics: Sequence[Collection[bytes] | None] = (),
        first_block: int = 1,
        last_block: int | None = None,
    ) -> Iterator[Log]:
        """Events of final blocks in the order in which they were emitted."""
        head = self.head().height
        last = head if last_block is None else min(last_block, head)
        wanted: dict[str, Any] = {
            "topics": [None if accepted is None else list(map(values.data, accepted)) for accepted in topics]
        }
        if address is not None:
            wanted["address"] = values.data(address)
        method = EVENTS_METHOD if self._node_is_ours else "eth_getLogs"
        span = _LOG_BLOCKS
        while first_block <= last:
            portion_end = min(last, first_block + span - 1)
            blocks = {"fromBlock": values.quantity(first_block), "toBlock": values.quantity(portion_end)}
            try:
                answer = self._node.ask(method, {**wanted, **blocks})
            except RpcError as error:
                if span == 1 or error.code == Code.INVALID_PARAMS:
                    raise
                span //= 2  # every network has limits of its own
                continue
            yield from self._numbered(answer)
            first_block = portion_end + 1

    def close(self) -> None:
        """Let go of the connections; closing twice is the same as once."""
        self._node.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask_all(self, calls: Sequence[Call]) -> list[Any]:
        """Ask many things, none of which may go wrong."""
        answers = self._node.ask_all(calls)
        for answer in answers:
            if isinstance(answer, RpcError):
                raise answer
        return answers

    def _execute(
        self, method: str, to: Address | None, call_data: bytes, sender: Address, gas_limit: int | None
    ) -> Any:
        message = {"from": values.data(sender), "input": values.data(call_data)}
        if gas_limit is not None:
            message["gas"] = values.quantity(gas_limit)
        if to is not None:
            message["to"] = values.data(to)
        try:
            return self._node.ask(method, message, "latest")
        except RpcError as error:
            raise execution_error(error) or error from error

    def _submit_at_once(self, raw: bytes) -> Receipt | None:
        """One question instead of two, where a block is final at once and the node has EIP-7966.

        None if that leads nowhere: the longer way then gives the receipt, or the reason.
        """
        if self._confirmations != 0 or not self._waits_for_receipts:
            return None
        try:
            answer = self._node.ask("eth_sendRawTransactionSync", values.data(raw))
        except RpcError as error:
            self._waits_for_receipts = error.code not in _NO_SUCH_METHOD
            return None
        [receipt] = self._explained([read_receipt(answer)])
        return receipt

    # What is final

    def _newest_final(self) -> NetworkHeader:
        if self._confirmations == "finalized":
            [answer] = self._node.ask_all([_block("finalized")])
            if answer is None or (isinstance(answer, RpcError) and "not found" in answer.message):
                [answer] = self._ask_all([_block("0x0")])  # nothing is final yet but the genesis
            if isinstance(answer, RpcError):
                raise answer
            return read_header(answer)
        [answer] = self._ask_all([_block("latest")])
        newest = read_header(answer)
        if not self._confirmations:
            return newest
        [answer] = self._ask_all([_block(values.quantity(max(0, newest.height - self._confirmations)))])
        return read_header(answer)

    def _block_hash(self, height: int) -> bytes | None:
        [answer] = self._ask_all([_block(values.quantity(height))])
        return read_header(answer).hash if answer else None

    def _is_final(self, height: int) -> bool:
        """Whether a block that the node has is final."""
        return self._confirmations == 0 or self._is_in_reach(height)

    def _is_in_reach(self, height: int) -> bool:
        """Ask for the head only where what it was is not enough."""
        seen = self._final
        return (seen is not None and height <= seen.height) or height <= self.head().height

    def _require_final(self, height: int, *, first: int) -> None:
        if height < first or not self._is_in_reach(height):
            raise InvalidValue("height", height, f"a height from {first} to {self.head().height}")

    # Receipts

    def _remember(self, sent: Mapping[bytes, bytes]) -> None:
        """Keep the newest transactions until somebody has their receipts."""
        with self._lock:
            self._sent.update(sent)
            while len(self._sent) > _REMEMBERED:
                del self._sent[next(iter(self._sent))]

    def _hand_in_again(self, hashes: Sequence[bytes]) -> None:
        """Hand in once more what was sent here and is in no block: a node that died may have taken it with it."""
        with self._lock:
            raws = [self._sent[tx_hash] for tx_hash in hashes if tx_hash in self._sent]
        if raws:  # most are refused, because they wait already: that is as good
            self._node.ask_all([Call("eth_sendRawTransaction", [values.data(raw)]) for raw in raws])

    def _final_receipts(self, hashes: Sequence[bytes]) -> dict[bytes, Receipt]:
        """Receipts of those transactions that are in final blocks."""
        answers = self._ask_all([Call("eth_getTransactionReceipt", [values.data(tx_hash)]) for tx_hash in hashes])
        mined = [read_receipt(answer) for answer in answers if answer and answer.get("blockNumber")]
        final = [receipt for receipt in mined if self._is_final(receipt.height)]
        return {receipt.transaction_hash: receipt for receipt in self._explained(final)}

    def _explained(self, receipts: Iterable[Receipt]) -> Iterator[Receipt]:
        """Receipts with the words of the contract where a transaction failed: a node of ours keeps them."""
        for receipt in receipts:
            if receipt.succeeded or receipt.revert_data:
                yield receipt
            else:
                yield self._told_why(receipt) if self._node_is_ours else self._replayed(receipt)

    @cached_property
    def _node_is_ours(self) -> bool:
        """Whether the node has the methods of gridbourse beside those of Ethereum."""
        try:
            return str(self._node.ask("web3_clientVersion")).startswith("gridbourse/")
        except RpcError:
            return False

    def _told_why(self, receipt: Receipt) -> Receipt:
        answer = self._node.ask(FAILURE_METHOD, values.data(receipt.transaction_hash))
        revert_data = told(values.read_data, answer["revertData"], "revertData")
        return receipt.explained(revert_data, str(answer["halt"]))

    def _replayed(self, receipt: Receipt) -> Receipt:
        """Run a failed transaction again behind its parent block. Without those between them it may do otherwise."""
        transaction = self._node.ask("eth_getTransactionByHash", values.data(receipt.transaction_hash))
        message = {name: transaction[name] for name in ("from", "to", "input", "gas", "value") if transaction.get(name)}
        try:
            self._node.ask("eth_call", message, values.quantity(receipt.height - 1))
        except RpcError as error:
            failure = execution_error(error)
            if failure and failure.reverted:
                return receipt.explained(failure.data, "")
            if failure:
                return receipt.explained(b"", failure.error)
        return receipt

    def _numbered(self, answers: Sequence[Mapping[str, Any]]) -> list[Log]:
        """Read events, and number them within their transactions, which few networks do."""
        hashes = {answer["transactionHash"] for answer in answers if "transactionLogIndex" not in answer}
        receipts = self._ask_all([Call("eth_getTransactionReceipt", [tx_hash]) for tx_hash in sorted(hashes)])
        first_index = {receipt["transactionHash"]: receipt["logs"][0]["logIndex"] for receipt in receipts}
        logs = []
        for answer in answers:
            log = read_log(answer)
            if "transactionLogIndex" in answer:
                index = told(values.read_quantity, answer["transactionLogIndex"], "transactionLogIndex")
            else:
                index = log.index - told(values.read_quantity, first_index[answer["transactionHash"]], "logIndex")
            logs.append(log.numbered(index))
        return logs


def _block(number: str, *, full: bool = False) -> Call:
    return Call("eth_getBlockByNumber", [number, full])
