"""What a chain stores: headers, receipts, logs and state changes, their canonical bytes and hashes.

Everything is RLP, hashed with Keccak-256; lists are committed to by RFC 9162 Merkle tree hashes, so an
inclusion proof of a transaction or a receipt is one of `gridbourse.crypto.merkle`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gridbourse.chain import rlp
from gridbourse.crypto.keys import Address, SigningKey, keccak256, recover
from gridbourse.crypto.merkle import EMPTY_ROOT
from gridbourse.errors import InvalidValue

NO_HASH = bytes(32)
NO_SEALER = Address(bytes(20))
"""The sealer of a chain that others order: nobody signs its headers, and `Header.seal` says where they come from."""
DEFAULT_GAS_LIMIT = 1_000_000_000

SLOT_BYTES = 64
"""A key and its value in `AccountChange.slots`."""

_ADDRESS_PREFIX, _WORD_PREFIX = b"\x94", b"\xa0"
"""What RLP puts before 20 and before 32 bytes."""
_HEADER_FIELDS = 11
_RECEIPT_FIELDS = 6
_CHANGE_FIELDS = 4


@dataclass(frozen=True, slots=True)
class Header:
    """A block's head.

    Parameters
    ----------
    chain_id
        The chain.
    height
        Number of the block; the genesis is 0.
    timestamp
        Seconds since the epoch, never before the parent's.
    parent_hash
        Hash of the block before.
    transactions_root
        Tree hash of the raw transactions.
    receipts_root
        Tree hash of the encoded receipts.
    changes_root
        Tree hash of the encoded state changes.
    gas_used, gas_limit
        Gas of all transactions, and its bound.
    sealer
        Who sealed the block.
    seal
        The sealer's signature of `seal_digest`, ``r || s || parity``; empty in the genesis. Without a sealer, what
        the engine that ordered the block says of it (`gridbourse.chain.cometbft.ordering`).
    """

    chain_id: int
    height: int
    timestamp: int
    parent_hash: bytes
    transactions_root: bytes
    receipts_root: bytes
    changes_root: bytes
    gas_used: int
    gas_limit: int
    sealer: Address
    seal: bytes = b""

    @property
    def state_root(self) -> bytes:
        """What the header commits to of the state: the changes that the block made to it."""
        return self.changes_root

    @property
    def seal_digest(self) -> bytes:
        """What the sealer signs: the hash of all fields but the seal."""
        return keccak256(rlp.encode(self._sealed_fields()))

    @property
    def hash(self) -> bytes:
        """The block's name, which the next block carries.

        It covers the seal too. A sealer's signature on the newest block therefore vouches for every seal
        before it, and a reader who trusts the sealer needs to check only that one.
        """
        return keccak256(self.encode())

    def sealed_by(self, key: SigningKey) -> Header:
        """Return the header with its seal."""
        return replace(self, seal=key.sign(self.seal_digest))

    def is_sealed(self) -> bool:
        """Whether the seal is the sealer's signature of this header.

        Where there is no sealer this is no question: the engine that ordered the chain vouches for its hashes.
        """
        if self.sealer == NO_SEALER:
            return True
        try:
            return recover(self.seal_digest, self.seal) == self.sealer
        except InvalidValue:
            return False

    def encode(self) -> bytes:
        """Canonical bytes, seal included."""
        return rlp.encode([*self._sealed_fields(), self.seal])

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Read canonical bytes.

        Raises
        ------
        InvalidValue
            `data` is no header.
        """
        fields = rlp.decode_list(data, _HEADER_FIELDS)
        return cls(
            chain_id=rlp.to_int(fields[0]),
            height=rlp.to_int(fields[1]),
            timestamp=rlp.to_int(fields[2]),
            parent_hash=rlp.to_bytes(fields[3], size=32),
            transactions_root=rlp.to_bytes(fields[4], size=32),
            receipts_root=rlp.to_bytes(fields[5], size=32),
            changes_root=rlp.to_bytes(fields[6], size=32),
            gas_used=rlp.to_int(fields[7]),
            gas_limit=rlp.to_int(fields[8]),
            sealer=Address(rlp.to_bytes(fields[9], size=20)),
            seal=rlp.to_bytes(fields[10]),
        )

    def _sealed_fields(self) -> list[rlp.Item]:
        return [
            self.chain_id,
            self.height,
            self.timestamp,
            self.parent_hash,
            self.transactions_root,
            self.receipts_root,
            self.changes_root,
            self.gas_used,
            self.gas_limit,
            self.sealer,
        ]


@dataclass(frozen=True, slots=True)
class Genesis:
    """What a chain is before its first block; its header's hash is the first block's parent.

    Parameters
    ----------
    chain_id
        Number that signed transactions name, from 1 to 2**64 - 1; no two chains of a region share one.
    sealer
        Address whose key seals the blocks; `NO_SEALER` if another engine orders and vouches for them.
    gas_limit
        Most gas in one block, and so in one transaction.
    timestamp
        Earliest time of a block, in seconds since the epoch.
    """

    chain_id: int
    sealer: Address
    gas_limit: int = DEFAULT_GAS_LIMIT
    timestamp: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.chain_id < 2**64:
            raise InvalidValue("chain_id", self.chain_id, "a number from 1 to 2**64 - 1")
        if not 21_000 <= self.gas_limit < 2**63:
            raise InvalidValue("gas_limit", self.gas_limit, "a number from 21000 to 2**63 - 1")

    @property
    def header(self) -> Header:
        """Block 0: it has no transactions and no seal."""
        return Header(
            chain_id=self.chain_id,
            height=0,
            timestamp=self.timestamp,
            parent_hash=NO_HASH,
            transactions_root=EMPTY_ROOT,
            receipts_root=EMPTY_ROOT,
            changes_root=EMPTY_ROOT,
            gas_used=0,
            gas_limit=self.gas_limit,
            sealer=self.sealer,
        )


@dataclass(frozen=True, slots=True)
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

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    height: int
    transaction_hash: bytes
    index: int


@dataclass(frozen=True, slots=True)
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
        The events, in their order.
    """

    transaction_hash: bytes
    height: int
    position: int
    succeeded: bool
    gas_used: int
    contract_address: Address | None
    revert_data: bytes
    halt: str
    logs: tuple[Log, ...]

    def encode(self) -> bytes:
        """Canonical bytes; the place in the chain is not part of them."""
        outcome = (int(self.succeeded), self.gas_used, self.contract_address or b"", self.revert_data)
        fields: list[rlp.Item] = [*outcome, self.halt.encode()]
        logs = rlp.list_of(map(_encode_log, self.logs))
        return rlp.list_of([*map(rlp.encode, fields), logs])

    @classmethod
    def decode(cls, data: bytes, transaction_hash: bytes, height: int, position: int) -> Receipt:
        """Read canonical bytes, given the place they were found in.

        Raises
        ------
        InvalidValue
            `data` is no receipt.
        """
        fields = rlp.decode_list(data, _RECEIPT_FIELDS)
        return cls(
            transaction_hash=transaction_hash,
            height=height,
            position=position,
            succeeded=rlp.to_int(fields[0]) == 1,
            gas_used=rlp.to_int(fields[1]),
            contract_address=Address(rlp.to_bytes(fields[2], size=20)) if fields[2] else None,
            revert_data=rlp.to_bytes(fields[3]),
            halt=rlp.to_bytes(fields[4]).decode("ascii", errors="replace"),
            logs=tuple(
                _decode_log(log, transaction_hash, height, index) for index, log in enumerate(rlp.to_list(fields[5]))
            ),
        )


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What a block did to one account.

    Parameters
    ----------
    address
        The account.
    nonce
        Its nonce after the block.
    code
        Its code, if the block created it.
    slots
        Its changed storage: 32 bytes key and 32 bytes value after the block, each, by rising key.
    """

    address: Address
    nonce: int
    code: bytes | None
    slots: bytes

    def encode(self) -> bytes:
        """Canonical bytes."""
        code = [] if self.code is None else [self.code]
        return rlp.encode([self.address, self.nonce, code, self.slots])

    @classmethod
    def decode(cls, data: bytes) -> AccountChange:
        """Read canonical bytes.

        Raises
        ------
        InvalidValue
            `data` is no change of an account.
        """
        fields = rlp.decode_list(data, _CHANGE_FIELDS)
        code, slots = rlp.to_list(fields[2]), rlp.to_bytes(fields[3])
        if len(code) > 1 or len(slots) % SLOT_BYTES:
            raise InvalidValue("change", "another shape", "at most one code, and slots of 64 bytes each")
        return cls(
            address=Address(rlp.to_bytes(fields[0], size=20)),
            nonce=rlp.to_int(fields[1]),
            code=rlp.to_bytes(code[0]) if code else None,
            slots=slots,
        )


@dataclass(frozen=True, slots=True)
class Block:
    """A sealed block.

    Parameters
    ----------
    header
        Its head.
    transactions
        The raw transactions.
    receipts
        Their receipts, in the same order.
    changes
        What the block did to the state, by rising address.
    """

    header: Header
    transactions: tuple[bytes, ...]
    receipts: tuple[Receipt, ...]
    changes: tuple[AccountChange, ...]


def _encode_log(log: Log) -> bytes:
    """Logs are most of what is encoded, addresses and words most of a log: their prefixes are known."""
    topics = rlp.list_of([_WORD_PREFIX + topic for topic in log.topics])
    return rlp.list_of([_ADDRESS_PREFIX + log.address, topics, rlp.encode(log.data)])


def _decode_log(item: rlp.Decoded, transaction_hash: bytes, height: int, index: int) -> Log:
    address, topics, data = rlp.to_list(item)
    return Log(
        address=Address(rlp.to_bytes(address, size=20)),
        topics=tuple(rlp.to_bytes(topic, size=32) for topic in rlp.to_list(topics)),
        data=rlp.to_bytes(data),
        height=height,
        transaction_hash=transaction_hash,
        index=index,
    )
