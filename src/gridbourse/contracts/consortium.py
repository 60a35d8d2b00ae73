"""The members of the main chain and the rules they set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gridbourse.chain.block import Receipt
from gridbourse.contracts.abi import Call, Contract, contract_abi
from gridbourse.crypto.keys import Address, SigningKey
from gridbourse.market.types import Role, Settings


@dataclass(frozen=True, slots=True)
class Master:
    """A master node, the member of the main chain."""

    account: Address
    role: Role
    active: bool


@dataclass(frozen=True, slots=True)
class SlaveChain:
    """A master's private chain as registered on the main chain."""

    chain_id: int
    genesis_hash: bytes
    ledger: Address


@dataclass(frozen=True, slots=True)
class ValidatorKeys:
    """What a master's node votes and connects with, where CometBFT orders the main chain.

    Parameters
    ----------
    public_key
        Ed25519 key that signs the votes, 32 bytes.
    node_id
        First 20 bytes of the SHA-256 hash of the node's own Ed25519 key.
    """

    public_key: bytes
    node_id: bytes


@dataclass(frozen=True, slots=True)
class Ballot:
    """An action that is voted on.

    Parameters
    ----------
    action
        The call that it makes.
    in_force
        The call that would restore what is in force now; empty where it replaces nothing.
    proposer
        Number of the master that put it to the vote.
    end
        The last second in which it may be voted for, since the epoch.
    in_favour, against
        Numbers of the masters that are for it, and against it.
    """

    action: bytes
    in_force: bytes
    proposer: int
    end: int
    in_favour: tuple[int, ...]
    against: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RegulatorKeys:
    """The government, as the masters named it: its address and the public key that records are sealed to."""

    account: Address
    encryption_public: bytes


class Consortium(Contract):
    """Masters admit and suspend each other, and change every setting, by votes of more than half of them."""

    NAME = "Consortium"

    @staticmethod
    def creation(founders: Mapping[Address, Role], regulator: RegulatorKeys, settings: Settings) -> Call:
        """Create the consortium; masters are numbered from 1 in the order of `founders`."""
        roles = [int(role) for role in founders.values()]
        keys = regulator.account, regulator.encryption_public
        return contract_abi(Consortium.NAME).creation(list(founders), roles, *keys, _settings_tuple(settings))

    def vote(self, action: Call) -> Call:
        """Vote for an action made by one of the methods marked "by vote"."""
        return self._call("vote", action.data)

    def admit(self, account: Address, role: Role) -> Call:
        """By vote: admit a new master, or a suspended one again."""
        return self._call("admit", account, int(role))

    def suspend(self, master_id: int) -> Call:
        """By vote: suspend a master."""
        return self._call("suspend", master_id)

    def change_settings(self, settings: Settings) -> Call:
        """By vote: change the market settings."""
        return self._call("changeSettings", _settings_tuple(settings))

    def change_settlement_agent(self, master_id: int) -> Call:
        """By vote: name the master that credits deposits and debits withdrawals."""
        return self._call("changeSettlementAgent", master_id)

    def change_dispatcher(self, master_id: int) -> Call:
        """By vote: name the master that publishes transfer capacity."""
        return self._call("changeDispatcher", master_id)

    def change_regulator(self, regulator: RegulatorKeys) -> Call:
        """By vote: name the regulator's keys."""
        return self._call("changeRegulator", regulator.account, regulator.encryption_public)

    def change_key(self, master_id: int, key: SigningKey) -> Call:
        """Replace the calling master's own key by another, which consents."""
        (digest,) = self._view("keyConsent", master_id)
        consent = key.sign(digest)
        return self._call("changeKey", key.address, 27 + consent[64], consent[:32], consent[32:64])

    def register_slave(self, slave: SlaveChain) -> Call:
        """Register the calling master's slave chain, once."""
        return self._call("registerSlave", slave.chain_id, slave.genesis_hash, slave.ledger)

    def register_validator(self, keys: ValidatorKeys, proof: bytes) -> Call:
        """Register the calling master's node as a validator, or another in its place.

        Parameters
        ----------
        keys
            What the node votes and connects with.
        proof
            Signature of the key over `validator_statement`, 64 bytes; without it the registration changes nothing.
        """
        return self._call("registerValidator", keys.public_key, keys.node_id, proof)

    def registrations(self) -> Iterator[tuple[int, ValidatorKeys, bytes]]:
        """Every registration of a validator, oldest first: the master's number, its keys and the proof."""
        for log in self.chain.logs(address=self.address, topics=[{self.abi.topic("ValidatorRegistered")}]):
            event = self.abi.event(log)
            assert event is not None, "selected by its topic"
            said = event.values
            yield said["masterId"], ValidatorKeys(said["key"], said["nodeId"]), said["proof"]

    def validator(self, master_id: int) -> ValidatorKeys | None:
        """What a master registered to vote with; it counts only if its proof holds."""
        key, node_id = self._view("validator", master_id)
        return ValidatorKeys(bytes(key), bytes(node_id)) if any(key) else None

    def is_carried(self, receipt: Receipt) -> bool:
        """Whether the vote in a receipt was the one that carried its action out."""
        return any(log.topics[0] == self.abi.topic("ActionCarried") for log in receipt.logs)

    def oppose(self, action_id: bytes) -> Call:
        """Oppose an action that is voted on."""
        return self._call("oppose", action_id)

    def withdraw_vote(self, action_id: bytes) -> Call:
        """Withdraw the calling master's vote for an action, or against it."""
        return self._call("withdrawVote", action_id)

    def open_actions(self) -> list[bytes]:
        """The actions that are voted on now."""
        (action_ids,) = self._view("openActions")
        return [bytes(action_id) for action_id in action_ids]

    def ballot_on(self, action_id: bytes) -> Ballot:
        """What is voted on, and how it stands; reverts if it is not voted on."""
        (action, proposer, end, in_favour, against), in_force = self._view("ballotOn", action_id)
        return Ballot(bytes(action), bytes(in_force), proposer, end, _numbers(in_favour), _numbers(against))

    def settings(self) -> Settings:
        """The market settings in force."""
        (fields,) = self._view("settings")
        return _settings(fields)

    def settings_at(self, height: int) -> Settings:
        """The market settings that were in force after a block."""
        topics = [{self.abi.topic("SettingsChanged")}]
        *_, last = self.chain.logs(address=self.address, topics=topics, last_block=height)
        event = self.abi.event(last)
        assert event is not None, "selected by its topic"
        return _settings(event.values["settings"])

    def active_masters_at(self, height: int) -> set[int]:
        """Numbers of the masters that were active after a block."""
        admitted, suspended = (self.abi.topic(event) for event in ("MasterAdmitted", "MasterSuspended"))
        active: set[int] = set()
        for log in self.chain.logs(address=self.address, topics=[{admitted, suspended}], last_block=height):
            change = active.add if log.topics[0] == admitted else active.discard
            change(int.from_bytes(log.topics[1], "big"))
        return active

    def masters(self) -> dict[int, Master]:
        """All masters by their number."""
        (count,) = self._view("masterCount")
        return {number: self.master(number) for number in range(1, count + 1)}

    def master(self, master_id: int) -> Master:
        """A master by its number."""
        ((account, role, active),) = self._view("master", master_id)
        return Master(_address(account), Role(role), active)

    def accounts(self, master_id: int) -> list[Address]:
        """All addresses that a master ever had, oldest first."""
        topics = {self.abi.topic(event) for event in ("MasterAdmitted", "MasterKeyChanged")}
        number = {master_id.to_bytes(32, "big")}
        return [Address(log.topics[2][12:]) for log in self.chain.logs(address=self.address, topics=[topics, number])]

    def active_master_id(self, account: Address) -> int:
        """Number of the active master with an address; reverts if there is none."""
        (master_id,) = self._view("activeMasterId", account)
        return int(master_id)

    def settlement_agent(self) -> int:
        """Number of the master that credits deposits and debits withdrawals."""
        (master_id,) = self._view("settlementAgent")
        return int(master_id)

    def settlement_agents(self) -> set[int]:
        """Numbers of all masters that are or were settlement agents."""
        logs = self.chain.logs(address=self.address, topics=[{self.abi.topic("SettlementAgentChanged")}])
        events = map(self.abi.event, logs)
        return {int(event.values["masterId"]) for event in events if event is not None}

    def dispatcher(self) -> int:
        """Number of the master that publishes transfer capacity."""
        (master_id,) = self._view("dispatcher")
        return int(master_id)

    def regulator(self) -> RegulatorKeys:
        """The government's keys."""
        (account,) = self._view("regulator")
        (encryption_public,) = self._view("regulatorEncryptionKey")
        return RegulatorKeys(_address(account), bytes(encryption_public))

    def slave_chain(self, master_id: int) -> SlaveChain | None:
        """A master's slave chain, once it is registered."""
        ((chain_id, genesis_hash, ledger),) = self._view("slaveChain", master_id)
        return SlaveChain(chain_id, genesis_hash, _address(ledger)) if chain_id else None


def _settings_tuple(settings: Settings) -> tuple[int, ...]:
    return (
        settings.cooling_off_seconds,
        settings.floor_ticks,
        settings.cap_ticks,
        settings.gate_lead_seconds,
        settings.max_candidates,
        sum(1 << role for role in settings.trading_roles),
        settings.fallback_ticks,
        settings.incentive_permille,
        settings.metering_due_seconds,
        settings.apart_seconds,
        settings.least_wh,
        settings.bid_multiple,
    )


def _settings(fields: Sequence[int]) -> Settings:
    cooling, floor, cap, gate, candidates, roles, *others = fields
    trading = frozenset(role for role in Role if roles >> role & 1)
    return Settings(cooling, floor, cap, gate, candidates, trading, *others)


def _numbers(bits: int) -> tuple[int, ...]:
    return tuple(number for number in range(bits.bit_length()) if bits >> number & 1)


def _address(text: str) -> Address:
    return Address(bytes.fromhex(text[2:]))
