"""Signed Ethereum transactions of type 2 (EIP-1559 in the envelope of EIP-2718).

Their bytes and hashes are those of every other Ethereum software; signing and recovering go straight to
libsecp256k1, some fifteen times faster than the usual Python stack.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridbourse.chain import rlp
from gridbourse.crypto.keys import Address, SigningKey, keccak256, recover
from gridbourse.errors import InvalidValue, Rejection, TransactionRejected

TYPE = b"\x02"
MAX_NONCE = 2**64 - 2
"""EIP-2681."""
HALF_CURVE_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0

_PAYLOAD_FIELDS = 9
_FIELDS = 12


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a sender signs.

    Parameters
    ----------
    chain_id
        The chain it is for (EIP-155).
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

    chain_id: int
    nonce: int
    gas_limit: int
    to: Address | None
    data: bytes = b""
    value: int = 0
    max_fee_per_gas: int = 0
    max_priority_fee_per_gas: int = 0

    def sign(self, key: SigningKey) -> SignedTransaction:
        """Sign with the sender's key."""
        fields = self._fields()
        signature = key.sign(keccak256(TYPE + rlp.encode(fields)))
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        raw = TYPE + rlp.encode([*fields, signature[64], r, s])
        return SignedTransaction(self, key.address, keccak256(raw), raw)

    def _fields(self) -> list[rlp.Item]:
        return [
            self.chain_id,
            self.nonce,
            self.max_priority_fee_per_gas,
            self.max_fee_per_gas,
            self.gas_limit,
            self.to or b"",
            self.value,
            self.data,
            [],
        ]


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction with its recovered sender.

    Parameters
    ----------
    transaction
        What was signed.
    sender
        Who signed it.
    hash
        Keccak-256 of `raw`, the transaction's name on every Ethereum chain.
    raw
        The encoding that travels, is hashed and is stored.
    """

    transaction: Transaction
    sender: Address
    hash: bytes
    raw: bytes

    @property
    def signature(self) -> tuple[int, int, int]:
        """Parity, r and s."""
        parity, r, s = rlp.decode_list(self.raw[1:], _FIELDS)[_PAYLOAD_FIELDS:]
        return rlp.to_int(parity), rlp.to_int(r, bits=256), rlp.to_int(s, bits=256)

    @classmethod
    def decode(cls, raw: bytes) -> SignedTransaction:
        """Read the bytes of a signed transaction and recover its sender.

        Raises
        ------
        TransactionRejected
            The bytes are no canonical type 2 transaction with an empty access list, or the signature
            is malleable (EIP-2) or belongs to no key.
        """
        if raw[:1] != TYPE:
            raise TransactionRejected(f"type {raw[:1].hex() or 'missing'}: sign one of type 02, EIP-1559")
        try:
            fields = rlp.decode_list(raw[1:], _FIELDS)
            transaction = _payload(fields)
            digest = keccak256(TYPE + rlp.encode(fields[:_PAYLOAD_FIELDS]))
            sender = recover(digest, _signature(fields))
        except InvalidValue as error:
            raise TransactionRejected(f"malformed transaction: {error}", Rejection.MALFORMED) from error
        return cls(transaction, sender, keccak256(raw), raw)


def _payload(fields: list[rlp.Decoded]) -> Transaction:
    if fields[8] != []:
        raise InvalidValue("access_list", fields[8], "an empty list: storage is not paid for by warmth here")
    nonce = rlp.to_int(fields[1])
    if nonce > MAX_NONCE:
        raise InvalidValue("nonce", nonce, f"at most {MAX_NONCE}")
    return Transaction(
        chain_id=rlp.to_int(fields[0]),
        nonce=nonce,
        gas_limit=rlp.to_int(fields[4]),
        to=Address(rlp.to_bytes(fields[5], size=20)) if fields[5] else None,
        data=rlp.to_bytes(fields[7]),
        value=rlp.to_int(fields[6], bits=256),
        max_fee_per_gas=rlp.to_int(fields[3], bits=256),
        max_priority_fee_per_gas=rlp.to_int(fields[2], bits=256),
    )


def _signature(fields: list[rlp.Decoded]) -> bytes:
    parity, r, s = rlp.to_int(fields[9]), rlp.to_int(fields[10], bits=256), rlp.to_int(fields[11], bits=256)
    if parity > 1:
        raise InvalidValue("y_parity", parity, "0 or 1")
    if s > HALF_CURVE_ORDER:
        raise InvalidValue("s", hex(s), "a value in the lower half of the curve order (EIP-2)")
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([parity])
