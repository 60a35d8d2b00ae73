"""Asks an application what CometBFT asks, request by request, without a network: every step can be the last one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from probe import NOON

from gridbourse.chain.block import NO_SEALER, Genesis
from gridbourse.chain.cometbft.application import Application
from gridbourse.chain.cometbft.bundle import encode_bundle
from gridbourse.chain.cometbft.chain import CometChain
from gridbourse.chain.cometbft.genesis import created_address
from gridbourse.chain.cometbft.membership import Membership, Validator
from gridbourse.chain.cometbft.wire import Message, Misbehaviour, encode, repeated
from gridbourse.crypto.keys import SigningKey

MASTERS = [SigningKey(bytes([number]) * 32) for number in (0x21, 0x22, 0x23, 0x24)]
DEPLOYER = SigningKey(b"\x2f" * 32)
VALIDATOR_KEYS = sorted(
    (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2, 3, 4)),
    key=lambda key: key.public_key().public_bytes_raw(),
)
VALIDATORS = [
    Validator(key.public_key().public_bytes_raw(), bytes([number]) * 20)
    for number, key in enumerate(VALIDATOR_KEYS, start=1)
]
GENESIS = Genesis(2021, NO_SEALER, 100_000_000, NOON)
MEMBERSHIP = Membership.at_genesis(
    GENESIS.chain_id,
    created_address(DEPLOYER.address, 0),
    {key.address: validator for key, validator in zip(MASTERS, VALIDATORS, strict=True)},
)
ACCEPTED, REJECTED = 1, 2


class Peer:
    """An application and the requests of its CometBFT. What the chain's callers send is ordered at once."""

    def __init__(self, path: Path) -> None:
        self.chain = CometChain(path, GENESIS, MEMBERSHIP, self._broadcast, clock=lambda: NOON)
        self.application = Application(self.chain, self.chain.membership.is_member)
        self.updates: list[tuple[bytes, int]] = []

    def ask(self, request: int, *fields: tuple[int, int | bytes | str | None]) -> Message:
        """Answer to a request; an error of the application is an error here."""
        return Message(self.application.answer(encode((request, encode(*fields))))).only_field()[1]

    def info(self) -> tuple[int, bytes]:
        answer = self.ask(3)
        return answer.number(4), answer.content(5)

    def check(self, bundle: bytes, *, again: bool = False) -> str:
        """Empty if the bundle may wait, else why not."""
        answer = self.ask(8, (1, bundle), (2, int(again)))
        return answer.text(3) if answer.number(1) else ""

    def prepare(self, bundles: Sequence[bytes], max_bytes: int = 4_000_000) -> list[bytes]:
        return self.ask(
            16, (1, max_bytes), *repeated(2, bundles), (5, self._next()), (6, _time(self._next()))
        ).contents(1)

    def process(self, bundles: Sequence[bytes]) -> int:
        return self.ask(17, *self._block(bundles)).number(1)

    def finalize(self, bundles: Sequence[bytes], misbehaviours: Sequence[Misbehaviour] = ()) -> Message:
        answer = self.ask(20, *self._block(bundles, misbehaviours))
        for update in map(Message, answer.contents(3)):
            self.updates.append((update.message(1).content(1), update.number(2)))
        return answer

    def commit(self) -> None:
        self.ask(11)

    def order(self, bundles: Sequence[bytes], misbehaviours: Sequence[Misbehaviour] = ()) -> bytes:
        """A whole block; the hash behind it."""
        decided = self.finalize(bundles, misbehaviours)
        self.commit()
        return decided.content(5)

    def _broadcast(self, bundle: bytes) -> None:
        assert not self.check(bundle)
        self.order([bundle])

    def _next(self) -> int:
        return self.chain.ordered_height + 1

    def _block(self, bundles, misbehaviours=()):
        reported = [
            encode(
                (1, m.kind), (2, encode((1, m.validator), (3, 1))), (3, m.height), (4, _encoded(m.timestamp)), (5, 4)
            )
            for m in misbehaviours
        ]
        height = self._next()
        return [*repeated(1, bundles), *repeated(3, reported), (4, b"\x99" * 32), (5, height), (6, _time(height))]


def bundle(*raw_transactions: bytes) -> bytes:
    return encode_bundle(raw_transactions)


def _time(height: int) -> bytes:
    return _encoded(NOON + height)


def _encoded(timestamp: int) -> bytes:
    return encode((1, timestamp), (2, 987_654_321))
