"""What users and masters write on a slave chain.

A record is a signed slave-chain transaction whose content only its readers can open: 16 random bytes that name
it, then an envelope of the record's details, sealed for this ledger, author, kind and name. The signature of
the transaction is the author's signature of the record.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, ClassVar, Self

from gridbourse.contracts.slave_ledger import LedgerRecord, SlaveLedger
from gridbourse.crypto.envelope import EncryptionKey, open_envelope, seal
from gridbourse.crypto.keys import Address
from gridbourse.errors import EnvelopeError
from gridbourse.market.types import DealState, EnergyType, OrderId, Side

NAME_BYTES = 16


class RecordKind(IntEnum):
    """What a record is about."""

    ORDER = 1
    DECISION = 2
    DEAL = 3
    DAY = 4
    NODE = 5


@dataclass(frozen=True, slots=True)
class OrderDetails:
    """A user's own order, with the details that stay on its slave chain (paper, section 3.1).

    Parameters
    ----------
    user_id
        The user's name at its master.
    location
        Where the energy is fed in or drawn.
    energy_quota_wh
        What the user may sell in the period; 0 for a buyer.
    side, energy_types, period, energy_wh, price_ticks
        The order.
    """

    KIND: ClassVar[RecordKind] = RecordKind.ORDER

    user_id: str
    location: str
    energy_quota_wh: int
    side: Side
    energy_types: EnergyType
    period: int
    energy_wh: int
    price_ticks: int

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Build from decoded JSON."""
        types = {"side": Side(fields["side"]), "energy_types": EnergyType(fields["energy_types"])}
        return cls(**{**fields, **types})


@dataclass(frozen=True, slots=True)
class Decision:
    """A user's answer within the cooling-off time."""

    KIND: ClassVar[RecordKind] = RecordKind.DECISION

    user_id: str
    deal_id: int
    side: Side
    confirmed: bool

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Build from decoded JSON."""
        return cls(**{**fields, "side": Side(fields["side"])})


@dataclass(frozen=True, slots=True)
class DealDetails:
    """A deal as it comes back to the slave chain of one party: when it is agreed and when it ends.

    Parameters
    ----------
    user_id, side
        The party whose record this is; the other one stays a pseudonym's order.
    deal_id, own_order, other_order
        What is on the main chain.
    energy_wh, price_ticks
        What was agreed.
    state
        Where the deal stood when this was written.
    """

    KIND: ClassVar[RecordKind] = RecordKind.DEAL

    user_id: str
    side: Side
    deal_id: int
    own_order: int
    other_order: int
    energy_wh: int
    price_ticks: int
    state: DealState

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Build from decoded JSON."""
        return cls(**{**fields, "side": Side(fields["side"]), "state": DealState(fields["state"])})

    @property
    def orders(self) -> tuple[OrderId, OrderId]:
        """The party's own order and its counterpart."""
        return OrderId.unpack(self.own_order), OrderId.unpack(self.other_order)


@dataclass(frozen=True, slots=True)
class DayOpened:
    """A delivery day for which the master names its users; its key tells the regulator who they are.

    Parameters
    ----------
    day
        Days since 1970-01-01.
    day_key_hex
        The key from which the day's pseudonyms follow (`gridbourse.crypto.pseudonym.DayKey`).
    """

    KIND: ClassVar[RecordKind] = RecordKind.DAY

    day: int
    day_key_hex: str

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Build from decoded JSON."""
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class NodeRegistered:
    """A function node that the master took in, or whose keys changed.

    Parameters
    ----------
    node_id, kind, location
        Who it is, what and where.
    address_hex, encryption_public_hex
        The keys that speak and read for it from now on.
    """

    KIND: ClassVar[RecordKind] = RecordKind.NODE

    node_id: str
    kind: str
    location: str
    address_hex: str
    encryption_public_hex: str

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Build from decoded JSON."""
        return cls(**fields)


Details = OrderDetails | Decision | DealDetails | DayOpened | NodeRegistered

_BY_KIND: dict[int, type[Details]] = {
    kind.KIND: kind for kind in (OrderDetails, Decision, DealDetails, DayOpened, NodeRegistered)
}


def seal_record(ledger: SlaveLedger, author: Address, details: Details, readers: Sequence[bytes]) -> bytes:
    """Encrypt details into the content of a record.

    Parameters
    ----------
    ledger
        Where the record will lie; it opens nowhere else.
    author
        Who will sign it.
    details
        What it says.
    readers
        X25519 public keys of all who may read it.
    """
    name = secrets.token_bytes(NAME_BYTES)
    payload = json.dumps(asdict(details), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return name + seal(payload, place=_place(ledger, author, details.KIND, name), recipients=readers)


def open_record(ledger: SlaveLedger, record: LedgerRecord, key: EncryptionKey) -> Details:
    """Decrypt a record with one of its readers' keys.

    Raises
    ------
    EnvelopeError
        The record is not sealed to `key`, was changed, or lies where it was not written for.
    """
    kind = _BY_KIND.get(record.kind)
    if kind is None:
        raise EnvelopeError(f"record {record.index}: kind {record.kind} is unknown")
    name, envelope = record.content[:NAME_BYTES], record.content[NAME_BYTES:]
    payload = open_envelope(envelope, place=_place(ledger, record.author, record.kind, name), key=key)
    try:
        return kind.from_fields(json.loads(payload))
    except (ValueError, TypeError, KeyError) as error:
        raise EnvelopeError(f"record {record.index}: its details are not those of a {kind.__name__}") from error


def _place(ledger: SlaveLedger, author: Address, kind: int, name: bytes) -> bytes:
    """Chain, ledger, author, kind and name, all of fixed width."""
    return ledger.chain.chain_id.to_bytes(8, "big") + ledger.address + author + bytes([kind]) + name
