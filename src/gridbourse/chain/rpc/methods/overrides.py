"""What a caller supposes: other accounts, and another block. The fields are those of geth's overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gridbourse.chain.rpc.errors import Code
from gridbourse.chain.rpc.values import (
    read_address,
    read_data,
    read_hash,
    read_list,
    read_object,
    read_quantity,
    shown,
)
from gridbourse.chain.simulation import AccountOverride, Placed
from gridbourse.crypto.keys import Address
from gridbourse.errors import InvalidValue, RpcError

MAX_ACCOUNTS = 1_000
MAX_SLOTS = 10_000


def read_state_overrides(value: object) -> dict[Address, AccountOverride]:
    """Read other accounts by their addresses; null is none.

    Raises
    ------
    InvalidValue, RpcError
        A field is malformed, they are too many, or precompiled contracts are moved where they cannot be.
    """
    if value is None:
        return {}
    fields = read_object(value, "stateOverrides")
    if len(fields) > MAX_ACCOUNTS:
        raise InvalidValue("stateOverrides", f"{len(fields)} accounts", f"at most {MAX_ACCOUNTS}")
    found = {read_address(name, "stateOverrides"): _read_account(entry) for name, entry in fields.items()}
    targets = [other.moved_to for other in found.values() if other.moved_to]
    if any(other.moved_to == address for address, other in found.items()):
        raise RpcError(Code.MOVED_TO_ITSELF, "movePrecompileToAddress: a precompiled contract is moved to itself")
    if len(set(targets)) < len(targets):
        raise RpcError(Code.MOVED_TWICE, "movePrecompileToAddress: two precompiled contracts are moved to one address")
    slots = sum(len(other.slots or {}) for other in found.values())
    if slots > MAX_SLOTS:
        raise InvalidValue("stateOverrides", f"{slots} slots", f"at most {MAX_SLOTS}")
    return found


def _read_account(value: object) -> AccountOverride:
    fields = read_object(value, "stateOverrides")
    balance, nonce, code = (fields.get(name) for name in ("balance", "nonce", "code"))
    state, difference, moved_to = (fields.get(name) for name in ("state", "stateDiff", "movePrecompileToAddress"))
    if state is not None and difference is not None:
        raise InvalidValue("state", "with stateDiff", "one or the other")
    return AccountOverride(
        balance=None if balance is None else read_quantity(balance, "balance"),
        nonce=None if nonce is None else read_quantity(nonce, "nonce", bits=64),
        code=None if code is None else read_data(code, "code"),
        slots=_read_slots(state if difference is None else difference),
        is_emptied=state is not None,
        moved_to=None if moved_to is None else read_address(moved_to, "movePrecompileToAddress"),
    )


def _read_slots(value: object) -> dict[int, bytes]:
    if value is None:
        return {}
    fields = read_object(value, "state")
    return {int.from_bytes(read_hash(slot, "slot"), "big"): read_hash(word, slot) for slot, word in fields.items()}


@dataclass(frozen=True, slots=True)
class BlockOverride:
    """Another block; None is what follows from the state that it stands on."""

    number: int | None = None
    time: int | None = None
    gas_limit: int | None = None
    fee_recipient: Address | None = None
    base_fee: int | None = None
    prev_randao: bytes | None = None

    @classmethod
    def read(cls, value: object) -> BlockOverride:
        """Read a block's fields; null is none.

        Raises
        ------
        InvalidValue
            A field is malformed, or asks for what there is not.
        """
        if value is None:
            return cls()
        fields = read_object(value, "blockOverrides")
        recipient, randao = fields.get("feeRecipient"), fields.get("prevRandao")
        if (withdrawals := fields.get("withdrawals")) is not None and read_list(
            withdrawals, "withdrawals", MAX_ACCOUNTS
        ):
            raise InvalidValue("withdrawals", shown(withdrawals), "none: nobody withdraws here")
        if (blob_fee := fields.get("blobBaseFee")) is not None and read_quantity(blob_fee, "blobBaseFee"):
            raise InvalidValue("blobBaseFee", blob_fee, "0: there are no blobs")
        numbers = {name: _optional(fields, name) for name in ("number", "time", "gasLimit", "baseFeePerGas")}
        return cls(
            numbers["number"],
            numbers["time"],
            numbers["gasLimit"],
            None if recipient is None else read_address(recipient, "feeRecipient"),
            numbers["baseFeePerGas"],
            None if randao is None else _read_randao(randao),
        )

    def over(self, placed: Placed) -> Placed:
        """Where the block stands with what is other."""
        return replace(
            placed,
            number=placed.number if self.number is None else self.number,
            timestamp=placed.timestamp if self.time is None else self.time,
            gas_limit=placed.gas_limit if self.gas_limit is None else self.gas_limit,
            fee_recipient=placed.fee_recipient if self.fee_recipient is None else self.fee_recipient,
            base_fee=placed.base_fee if self.base_fee is None else self.base_fee,
            prev_randao=placed.prev_randao if self.prev_randao is None else self.prev_randao,
        )


def _optional(fields: Mapping[str, object], name: str) -> int | None:
    value = fields.get(name)
    return None if value is None else read_quantity(value, name, bits=64)


def _read_randao(value: object) -> bytes:
    """Read 32 bytes, which the specification writes as a number and geth as a hash."""
    if isinstance(value, str) and len(value) == 66:
        return read_hash(value, "prevRandao")
    return read_quantity(value, "prevRandao").to_bytes(32, "big")
