"""Who votes: the active masters of `Consortium`, read from its events.

Before the contract exists, the founders of the genesis vote, each with the key that the genesis names for its
account. The block that creates the contract hands over: from then on a master votes with the key it registered
there, or, while it has registered none, with the one the genesis names for the account it was admitted with. A
master that was admitted later votes from the block in which it registers a key. A registration counts if the key
itself signed that it votes for this master (`gridbourse.crypto.possession`): who came first decides nothing, so nobody
can take a key, or keep its owner from registering it. If no active master has a key, the set stays what it was: a
network without voters could never decide anything again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from gridbourse.chain.block import Log
from gridbourse.crypto.keys import Address, keccak256
from gridbourse.crypto.possession import proves_validator, validator_statement

POWER = 1
"""Every master has one vote."""

_ADMITTED = keccak256(b"MasterAdmitted(uint16,address,uint8)")
_SUSPENDED = keccak256(b"MasterSuspended(uint16)")
_REGISTERED = keccak256(b"ValidatorRegistered(uint16,bytes32,bytes20,bytes)")


@dataclass(frozen=True, slots=True)
class Validator:
    """What a master's node is known by to CometBFT.

    Parameters
    ----------
    public_key
        Ed25519 key that signs its votes, 32 bytes.
    node_id
        First 20 bytes of the SHA-256 hash of the Ed25519 key that its connections are authenticated with.
    """

    public_key: bytes
    node_id: bytes

    @property
    def address(self) -> bytes:
        """What CometBFT calls it by, in evidence for one: the first 20 bytes of the SHA-256 hash of its key."""
        return sha256(self.public_key).digest()[:20]


@dataclass(frozen=True, slots=True)
class Membership:
    """The masters as the events up to some block show them.

    Parameters
    ----------
    chain_id, consortium
        The chain, and the address that the contract there has or will have.
    founders
        Validators of the genesis by their master's account.
    active
        Numbers of the active masters.
    validators
        Validators by their master's number.
    voting
        Who votes, by public key.
    """

    chain_id: int
    consortium: Address
    founders: Mapping[Address, Validator]
    active: frozenset[int] = frozenset()
    validators: Mapping[int, Validator] = field(default_factory=dict)
    voting: Mapping[bytes, Validator] = field(default_factory=dict)

    @classmethod
    def at_genesis(cls, chain_id: int, consortium: Address, founders: Mapping[Address, Validator]) -> Membership:
        """The membership before the first block."""
        voting = {validator.public_key: validator for validator in founders.values()}
        return cls(chain_id, consortium, founders, voting=voting)

    def after(self, logs: Iterable[Log]) -> Membership:
        """Membership behind a block with these events."""
        active, validators = set(self.active), dict(self.validators)
        changed = False
        for log in logs:
            if log.address != self.consortium or len(log.topics) < 2:
                continue
            event, master_id = log.topics[0], int.from_bytes(log.topics[1], "big")
            if event == _ADMITTED:
                active.add(master_id)
                founder = self.founders.get(Address(log.topics[2][12:]))
                if founder is not None:
                    validators.setdefault(master_id, founder)
            elif event == _SUSPENDED:
                active.discard(master_id)
            elif event == _REGISTERED:
                validator = Validator(log.data[:32], log.data[32:52])
                # Key, node id, where the proof begins, its length, and the proof.
                if not self._is_proven(master_id, validator, log.data[128:192]):
                    continue
                validators[master_id] = validator
            else:
                continue
            changed = True
        if not changed:
            return self
        voting = {
            validator.public_key: validator for number, validator in sorted(validators.items()) if number in active
        }
        return replace(self, active=frozenset(active), validators=validators, voting=voting or self.voting)

    def updates_to(self, later: Membership) -> list[tuple[bytes, int]]:
        """Public keys whose power changes, with their new one, by rising key."""
        changed = self.voting.keys() ^ later.voting.keys()
        return [(key, POWER if key in later.voting else 0) for key in sorted(changed)]

    def _is_proven(self, master_id: int, validator: Validator, proof: bytes) -> bool:
        statement = validator_statement(self.chain_id, self.consortium, master_id, validator.node_id)
        return proves_validator(validator.public_key, statement, proof)

    def is_member(self, node_id: bytes) -> bool:
        """Whether a node is that of a voting master."""
        return any(validator.node_id == node_id for validator in self.voting.values())
