"""The chain core, compiled from ``native/``. Amounts are in wei, times in seconds since the epoch, slots numbers."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, final

from gridbourse.crypto.keys import Address, SigningKey

__version__: str

@final
class Transaction:
    """What a sender signs.

    Parameters
    ----------
    chain_id
        The chain it is for (EIP-155); None in one that was read and names none.
    nonce
        How many transactions the sender has sent before.
    gas_limit
        Gas the execution may use.
    to
        The contract to call; None creates a contract from `data`.
    data
        Call data, or the init code.
    value
        Wei to send along.
    max_fee_per_gas, max_priority_fee_per_gas
        Wei per gas, the most that the sender would pay. The chains of this project measure gas and charge nothing.
    """

    def __init__(
        self,
        chain_id: int,
        nonce: int,
        gas_limit: int,
        to: Address | None,
        data: bytes = b"",
        value: int = 0,
        max_fee_per_gas: int = 0,
        max_priority_fee_per_gas: int = 0,
    ) -> None: ...
    @property
    def kind(self) -> int:
        """Type of the envelope (EIP-2718): 0, 1, 2 or 4."""
    @property
    def chain_id(self) -> int | None: ...
    @property
    def nonce(self) -> int: ...
    @property
    def gas_limit(self) -> int: ...
    @property
    def to(self) -> Address | None: ...
    @property
    def data(self) -> bytes: ...
    @property
    def value(self) -> int: ...
    @property
    def max_fee_per_gas(self) -> int: ...
    @property
    def max_priority_fee_per_gas(self) -> int: ...
    @property
    def access_list(self) -> list[tuple[Address, list[bytes]]]:
        """Addresses with their slots (EIP-2930)."""
    @property
    def authorizations(self) -> list[tuple[int, Address, int, int, int, int]]:
        """Chain, address, nonce, parity, r and s of each authorization (EIP-7702)."""
    def sign(self, key: SigningKey) -> SignedTransaction:
        """Sign with the sender's key."""

@final
class SignedTransaction:
    """A transaction with its recovered sender."""

    @staticmethod
    def decode(raw: bytes) -> SignedTransaction:
        """Read the bytes of a signed transaction and recover its sender.

        Raises
        ------
        TransactionRejected
            The bytes are not the one encoding of a transaction, or the signature is malleable (EIP-2) or nobody's.
        """
    @staticmethod
    def decode_all(raws: Sequence[bytes]) -> list[SignedTransaction]:
        """Read many, on all cores; raises as `decode`."""
    @property
    def transaction(self) -> Transaction: ...
    @property
    def nonce(self) -> int: ...
    @property
    def gas_limit(self) -> int: ...
    @property
    def sender(self) -> Address: ...
    @property
    def hash(self) -> bytes:
        """Keccak-256 of `raw`, the transaction's name on every Ethereum chain."""
    @property
    def raw(self) -> bytes: ...
    @property
    def signature(self) -> tuple[int, int, int]:
        """Parity, r and s."""

@final
class Log:
    """An event that a contract emitted.

    Parameters
    ----------
    address
        The contract.
    topics
        Up to four 32-byte words, first the event's signature hash.
    data
        The rest of the event, ABI-encoded.
    height, transaction_hash, index
        Where it stands: block, transaction, and its number within the transaction.
    """

    def __init__(
        self, address: Address, topics: Sequence[bytes], data: bytes, height: int, transaction_hash: bytes, index: int
    ) -> None: ...
    @property
    def address(self) -> Address: ...
    @property
    def topics(self) -> tuple[bytes, ...]: ...
    @property
    def data(self) -> bytes: ...
    @property
    def height(self) -> int: ...
    @property
    def transaction_hash(self) -> bytes: ...
    @property
    def index(self) -> int: ...
    def numbered(self, index: int) -> Log:
        """The same event with another number within its transaction."""

@final
class Receipt:
    """What became of a transaction.

    Parameters
    ----------
    transaction_hash, height, position
        Which transaction: its hash, its block and its place in it.
    succeeded
        Whether its effects hold; if not, only its nonce was consumed.
    gas_used
        Gas after refunds.
    contract_address
        The contract it created.
    revert_data
        What the contract said when it reverted.
    halt
        Why the EVM stopped a failed execution without a word of the contract, e.g. ``"OutOfGas"``.
    logs
        The events, in their order; height and transaction of each are the receipt's, its index its place.
    kind
        Type of the transaction.
    cumulative_gas_used
        Gas of the block up to and with this one.
    """

    def __init__(
        self,
        transaction_hash: bytes,
        height: int,
        position: int,
        succeeded: bool,
        gas_used: int,
        contract_address: Address | None,
        revert_data: bytes,
        halt: str,
        logs: Sequence[Log],
        kind: int = 2,
        cumulative_gas_used: int = 0,
    ) -> None: ...
    @property
    def transaction_hash(self) -> bytes: ...
    @property
    def height(self) -> int: ...
    @property
    def position(self) -> int: ...
    @property
    def kind(self) -> int: ...
    @property
    def succeeded(self) -> bool: ...
    @property
    def gas_used(self) -> int: ...
    @property
    def cumulative_gas_used(self) -> int: ...
    @property
    def contract_address(self) -> Address | None: ...
    @property
    def revert_data(self) -> bytes: ...
    @property
    def halt(self) -> str: ...
    @property
    def logs(self) -> tuple[Log, ...]: ...
    @property
    def bloom(self) -> bytes:
        """Bloom filter of the events, 256 bytes (Yellow Paper, 4.3.1)."""
    def explained(self, revert_data: bytes, halt: str) -> Receipt:
        """The same receipt with what the contract said, or why the EVM stopped it."""

@final
class Header:
    """A block's head: what it commits to, and the seal that vouches for it and all before it."""

    @staticmethod
    def of_genesis(chain_id: int, sealer: Address, gas_limit: int, timestamp: int, fork: str) -> Header:
        """The head of a chain before its first block."""
    @staticmethod
    def decode(data: bytes) -> Header:
        """Read canonical bytes.

        Raises
        ------
        InvalidValue
            `data` is no header.
        """
    def encode(self) -> bytes:
        """Canonical bytes, the seal included."""
    @property
    def hash(self) -> bytes:
        """The block's name, which the next block carries; it covers the seal, too."""
    @property
    def seal_digest(self) -> bytes:
        """What the sealer signs: the hash of the header with an empty seal."""
    def sealed(self, seal: bytes) -> Header:
        """The same header with a seal."""
    def is_sealed(self) -> bool:
        """Whether the seal is the sealer's signature; where there is no sealer this is no question."""
    @property
    def chain_id(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def parent_hash(self) -> bytes: ...
    @property
    def transactions_root(self) -> bytes:
        """Root of Ethereum's trie of the raw transactions."""
    @property
    def receipts_root(self) -> bytes:
        """Root of Ethereum's trie of the receipts."""
    @property
    def changes_root(self) -> bytes:
        """Hash of all that the block changed of the state."""
    @property
    def state_root(self) -> bytes:
        """Root of Ethereum's state trie behind the block at `state_height`, which is the one before."""
    @property
    def state_height(self) -> int: ...
    @property
    def gas_used(self) -> int: ...
    @property
    def gas_limit(self) -> int: ...
    @property
    def sealer(self) -> Address: ...
    @property
    def seal(self) -> bytes: ...

@final
class ProposedBlock:
    """A block that was run on the newest state, and is not part of the chain yet."""

    @property
    def header(self) -> Header:
        """Its head, without a seal."""
    @property
    def taken(self) -> list[int]:
        """Which of the candidates it holds."""
    @property
    def transactions(self) -> list[bytes]: ...
    @property
    def receipts(self) -> list[Receipt]: ...

Message: TypeAlias = tuple[Address, Address | None, bytes, int, int, int, list[tuple[Address, list[bytes]]]]
"""Sender, receiver, data, wei, gas limit, nonce, and what is accessed."""
Outcome: TypeAlias = tuple[bool, int, bytes, str, Address | None, list[tuple[Address, tuple[bytes, ...], bytes]], int]
"""Whether it succeeded, gas, output, what stopped it, what it created, events, and gas before refunds."""

@final
class Simulation:
    """A block that is supposed on top of a state; `gridbourse.chain.simulation` says more."""

    def begin(self) -> None: ...
    def place(
        self,
        number: int,
        timestamp: int,
        parent_hash: bytes,
        gas_limit: int,
        beneficiary: Address,
        base_fee: int,
        prev_randao: bytes,
    ) -> None: ...
    def know_hash(self, number: int, hash: bytes) -> None: ...  # noqa: A002
    def suppose(
        self,
        address: Address,
        *,
        balance: int | None,
        nonce: int | None,
        code: bytes | None,
        emptied: bool,
        slots: Sequence[tuple[int, bytes]],
        moved_to: Address | None,
    ) -> None: ...
    def account(self, address: Address) -> tuple[int, int]: ...
    def code(self, address: Address) -> bytes: ...
    def storage(self, address: Address, slot: int) -> bytes: ...
    def call(self, message: Message, traces_transfers: bool, lasts: bool) -> Outcome: ...
    def estimate_gas(self, message: Message) -> int | Outcome: ...
    def access_list(self, message: Message) -> tuple[list[tuple[Address, list[bytes]]], Outcome]: ...
    def trace(self, message: Message, tracer: str, options: Mapping[str, int]) -> str: ...
    def trace_transaction(self, raw: bytes, tracer: str, options: Mapping[str, int]) -> str: ...
    def apply(self, raw: bytes) -> None: ...

@final
class Core:
    """The open file of a chain; threads may share it.

    Parameters
    ----------
    path
        The file; made if it does not exist.
    chain_id, sealer, gas_limit, timestamp, fork
        The genesis.

    Raises
    ------
    ChainLocked
        Another process has the file open.
    ChainCorrupted
        The file is not what was written; the error names the place.
    InvalidValue
        The file holds the chain of another genesis.
    """

    def __init__(
        self, path: Path, chain_id: int, sealer: Address, gas_limit: int, timestamp: int, fork: str
    ) -> None: ...
    @property
    def head(self) -> Header: ...
    @property
    def progress(self) -> int:
        """How far the engine that orders this chain has come, by its own count."""
    def set_progress(self, progress: int) -> None: ...
    def check(self, signed: SignedTransaction, expected_nonce: int) -> None:
        """Check a transaction against the rules of the chain and what its sender has sent before.

        Raises
        ------
        TransactionRejected
            It may not enter a block; the message names field and remedy.
        """
    def execute_raw(self, raws: Sequence[bytes], timestamp: int) -> ProposedBlock:
        """Recover, check and run transactions as the next block; if one is rejected, there is none."""
    def execute(self, transactions: Sequence[SignedTransaction], timestamp: int) -> ProposedBlock:
        """Check and run transactions as the next block; if one is rejected, there is none."""
    def execute_valid(
        self, candidates: Sequence[SignedTransaction], timestamp: int, seconds: float | None = None
    ) -> ProposedBlock:
        """Run those candidates that may stand where they would stand, as long as there is time."""
    def append(self, proposed: ProposedBlock, seal: bytes, progress: int = 0) -> Header:
        """Make a proposed block the newest; returns its header when it survives a crash of the machine."""
    def nonce(self, address: Address) -> int: ...
    def proof(
        self, address: Address, slots: Sequence[int]
    ) -> tuple[bytes, tuple[int, int, bytes, bytes] | None, list[bytes], list[tuple[int, int, list[bytes]]]]:
        """What an account and some slots hold behind the newest block, and what proves it (EIP-1186).

        Returns
        -------
        tuple
            The state root, which the next block's header carries; nonce, balance, storage root and hash of the code, or
            None; the account's nodes; number, value and nodes of each slot.
        """
    def balance(self, address: Address) -> int: ...
    def code(self, address: Address) -> bytes: ...
    def storage(self, address: Address, slot: int) -> bytes: ...
    def simulate(self, height: int, timestamp: int) -> Simulation:
        """Suppose a block behind that of a height.

        Raises
        ------
        StateNotKept
            The state behind it is not there any more.
        """
    def header(self, height: int) -> Header | None: ...
    def height_of(self, block_hash: bytes) -> int | None: ...
    def body(self, height: int) -> tuple[list[bytes], list[Receipt]]:
        """Raw transactions and receipts of a block."""
    def transaction(self, tx_hash: bytes) -> SignedTransaction | None: ...
    def receipt(self, tx_hash: bytes) -> Receipt | None: ...
    def receipts_with_logs(
        self, emitter: Address | None, first: tuple[int, int], last_block: int, most: int
    ) -> list[Receipt]:
        """Next receipts from a height and position on that may hold an event of a contract."""
    def encoded_block(self, height: int) -> bytes:
        """A block as it travels to another node."""
    def append_encoded(self, block: bytes, progress: int) -> Header:
        """Take in a block that another node ran.

        Raises
        ------
        ChainCorrupted
            It does not stand on the head, or does not hold what its header commits to.
        """
    def verify(self, *, executes: bool, report: Callable[[str, int, int], None]) -> None:
        """Read every page and every block, and run every block again if that is wanted.

        Raises
        ------
        ChainCorrupted
            Something is not what was written, or not right.
        """
    def check_blocks(self, first: int, most: int) -> int:
        """Check some blocks, each by itself, from a height on; returns the next to check, which ends behind the head.

        Raises
        ------
        ChainCorrupted
            One is not what was sealed.
        """
    def scrub(self, first: int, most: int) -> int:
        """Check some pages of the file; returns the first to check next, which ends at their number.

        Raises
        ------
        ChainCorrupted
            A page is not what was written.
        """
    def back_up(self, path: Path) -> None:
        """Write a copy of the file, with all that is durable."""
    def meta(self, name: str) -> bytes | None:
        """A value that is kept beside the blocks."""
    def put_meta(self, name: str, value: bytes) -> None:
        """Keep a value beside the blocks; it is durable with the next block or progress, without a wait of its own."""
    def close(self) -> None:
        """Bring everything into one file and let go of it."""

def intrinsic_gas(transaction: Transaction, fork: str) -> int:
    """Least gas limit: what a transaction takes before it runs, and the floor of its call data (EIP-7623)."""

def keccak256(data: bytes) -> bytes: ...
def key_address(secret: bytes) -> Address: ...
def sign_digest(secret: bytes, digest: bytes) -> bytes: ...
def recover_address(digest: bytes, signature: bytes) -> Address: ...
def ordered_key(index: int) -> bytes: ...
def ordered_root(items: Sequence[bytes]) -> bytes: ...
def ordered_proof(items: Sequence[bytes], index: int) -> list[bytes]: ...
def trie_root(leaves: Sequence[tuple[bytes, bytes]]) -> bytes: ...
def trie_proof(leaves: Sequence[tuple[bytes, bytes]], key: bytes) -> list[bytes]: ...
def verify_proof(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes | None: ...
def read_transaction(fork: str, chain_id: int, raw: bytes) -> tuple[bytes, bytes, int]: ...
def transition(
    fork: str, block: Mapping[str, Any], accounts: Sequence[tuple[Any, ...]], raw: bytes
) -> tuple[bytes, bytes, int, str | None]: ...
