"""What CometBFT says of a block of ours, kept in the block's `seal`.

CometBFT's blocks without transactions leave no block here, so the two heights differ; the seal ties them
together. The validators' signatures of CometBFT's block ``height + 1``, whose header carries our block's hash as
its application hash, vouch for the block and for all before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from gridbourse.chain import rlp
from gridbourse.chain.block import Header
from gridbourse.chain.cometbft.wire import Misbehaviour

_FIELDS = 2


@dataclass(frozen=True, slots=True)
class Ordering:
    """Where a block comes from.

    Parameters
    ----------
    height
        Height of the CometBFT block whose transactions it holds.
    misbehaviours
        What that block proves against validators.
    """

    height: int
    misbehaviours: tuple[Misbehaviour, ...] = ()

    def encode(self) -> bytes:
        """Canonical bytes."""
        return rlp.encode([self.height, [_fields(item) for item in self.misbehaviours]])

    @classmethod
    def of(cls, header: Header) -> Self:
        """Read a header's seal; the genesis stands at height 0.

        Raises
        ------
        InvalidValue
            The block was not ordered by CometBFT.
        """
        if header.height == 0:
            return cls(0)
        height, misbehaviours = rlp.decode_list(header.seal, _FIELDS)
        return cls(rlp.to_int(height), tuple(map(_misbehaviour, rlp.to_list(misbehaviours))))


def _fields(item: Misbehaviour) -> list[rlp.Item]:
    return [item.kind, item.validator, item.height, item.timestamp]


def _misbehaviour(item: rlp.Decoded) -> Misbehaviour:
    kind, validator, height, timestamp = rlp.to_list(item)
    return Misbehaviour(rlp.to_int(kind), rlp.to_bytes(validator, size=20), rlp.to_int(height), rlp.to_int(timestamp))
