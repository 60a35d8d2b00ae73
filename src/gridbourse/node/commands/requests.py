"""The commands that a node takes, and its answers. docs/commands.md is held to this list by a test.

A command is a frozen dataclass: `NAME` is what it is called on the wire, `ANSWER` the type of its answer. What a
command may be is said here, and checked in one place (`gridbourse.node.commands.codec`), before anything is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from gridbourse.api.chain_schema import AssetsView, BlockView, TraceView, TransactionView
from gridbourse.api.payout_schema import Payouts
from gridbourse.api.schema import SigningContext
from gridbourse.contracts.slave_ledger import LedgerRecord
from gridbourse.crypto.keys import Address
from gridbourse.ledger.payout_records import PayoutInstruction
from gridbourse.ledger.records import Cancellation, Confirmation, LimitsSet, OrderDetails
from gridbourse.market.types import Offer, Role
from gridbourse.node.commands.codec import Between
from gridbourse.node.jobs.job import JobFailure
from gridbourse.node.rules import RulesInForce

Name = Annotated[str, Between(1, 200)]
Number = Annotated[int, Between(0, 2**62)]
Hash = Annotated[bytes, Between(32, 32)]
Account = Annotated[Address, Between(20, 20)]
Day = Annotated[int, Between(0, 2**24)]
Height = Annotated[int, Between(1, 2**62)]

MAX_TRANSACTION_BYTES = 16_384

SubmittedDetails = OrderDetails | Cancellation | Confirmation | LimitsSet | PayoutInstruction
"""The records that a function node may submit."""


# Writing


@dataclass(frozen=True, slots=True)
class ReadSigningContext:
    """What it takes to seal and sign a node's next records: chain, ledger, readers, and the author's next nonce."""

    NAME: ClassVar[str] = "signing_context"
    ANSWER: ClassVar[Any] = SigningContext

    node_id: Name
    author: Account


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """Under which a submission is remembered.

    Parameters
    ----------
    principal, key
        Who asked, and the key.
    digest
        Of what was asked: under the same key nothing else may be.
    """

    principal: Name
    key: Name
    digest: Hash


@dataclass(frozen=True, slots=True)
class Submit:
    """Write a record that a function node signed to its slave chain, and relay it to the market; answered when durable.

    Submitted again, it is found there: a signed record enters its chain once. Under an idempotency key another record
    that asks for the same is not written either.
    """

    NAME: ClassVar[str] = "submit"
    ANSWER: ClassVar[Any]

    node_id: Name
    transaction: Annotated[bytes, Between(1, MAX_TRANSACTION_BYTES)]
    idempotency: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class SubmittedRecord:
    """A record that lies on its slave chain.

    Parameters
    ----------
    leaf
        Its record hash.
    details
        What it says.
    is_repeated
        Whether it lay there before.
    """

    leaf: bytes
    details: SubmittedDetails
    is_repeated: bool = False


Submit.ANSWER = SubmittedRecord


@dataclass(frozen=True, slots=True)
class OpenDay:
    """Name every function node on the main chain for a delivery day."""

    NAME: ClassVar[str] = "open_day"
    ANSWER: ClassVar[Any] = None

    day: Day


@dataclass(frozen=True, slots=True)
class Credit:
    """As settlement agent: credit deposits, in 1e-7 yuan by node, against payments; once for each reference."""

    NAME: ClassVar[str] = "credit"
    ANSWER: ClassVar[Any] = None

    day: Day
    moneys: Mapping[Name, Annotated[int, Between(1, 2**80)]]
    payment_reference: Hash


@dataclass(frozen=True, slots=True)
class ReadPayouts:
    """What users want paid out and what came of it, and what they have in their masters' purses."""

    NAME: ClassVar[str] = "payouts"
    ANSWER: ClassVar[Any] = Payouts


@dataclass(frozen=True, slots=True)
class ConfirmPayout:
    """As settlement agent: the bank paid, or could not and the money is credited again; once for each reference."""

    NAME: ClassVar[str] = "confirm_payout"
    ANSWER: ClassVar[Any] = None

    reference: Hash
    paid: bool


@dataclass(frozen=True, slots=True)
class RegisterMeter:
    """Record which meter stands at the connection of a function node, and the most it carries. Repeated, once."""

    NAME: ClassVar[str] = "register_meter"
    ANSWER: ClassVar[Any] = None

    node_id: Name
    meter: Account
    limit_w: Annotated[int, Between(1, 2**40 - 1)]


@dataclass(frozen=True, slots=True)
class NodeOffer:
    """What a function node is to offer by itself."""

    node_id: Name
    offer: Offer


@dataclass(frozen=True, slots=True)
class OfferOnce:
    """Let function nodes whose keys the node keeps place offers within their owners' limits, once for each period.

    Answered with whether each was placed: not where its node has an order for the period, or is switched off.
    """

    NAME: ClassVar[str] = "offer_once"
    ANSWER: ClassVar[Any] = list[bool]

    offers: Annotated[list[NodeOffer], Between(0, 10_000)]


@dataclass(frozen=True, slots=True)
class ChangeSettings:
    """Other market settings; what is not named stays as it is in force."""

    cooling_off_seconds: Annotated[int, Between(0, 2**32 - 1)] | None = None
    floor_ticks: Annotated[int, Between(0, 2**16 - 1)] | None = None
    cap_ticks: Annotated[int, Between(0, 2**16 - 1)] | None = None
    gate_lead_seconds: Annotated[int, Between(0, 2**32 - 1)] | None = None
    max_candidates: Annotated[int, Between(1, 2**16 - 1)] | None = None
    least_wh: Annotated[int, Between(1, 2**16 - 1)] | None = None
    bid_multiple: Annotated[int, Between(1, 2**8 - 1)] | None = None


@dataclass(frozen=True, slots=True)
class Admit:
    """A master to admit, or a suspended one to admit again."""

    account: Account
    role: Role


@dataclass(frozen=True, slots=True)
class Suspend:
    """A master to suspend."""

    master: Name


@dataclass(frozen=True, slots=True)
class ChangeSettlementAgent:
    """The master that credits deposits and debits withdrawals."""

    master: Name


@dataclass(frozen=True, slots=True)
class Vote:
    """Let a master vote; more than half of the active masters carry an action. Answered with what is in force then."""

    NAME: ClassVar[str] = "vote"
    ANSWER: ClassVar[Any] = RulesInForce

    master: Name
    action: ChangeSettings | Admit | Suspend | ChangeSettlementAgent


# Reading


@dataclass(frozen=True, slots=True)
class ReadRules:
    """What the main chain's contracts have in force: the market's settings, the members, the chains."""

    NAME: ClassVar[str] = "rules"
    ANSWER: ClassVar[Any] = RulesInForce


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block with its transactions."""

    NAME: ClassVar[str] = "block"
    ANSWER: ClassVar[Any] = BlockView

    chain: Name
    height: Height


@dataclass(frozen=True, slots=True)
class ReadTransaction:
    """A transaction; null if the chain has none with this hash."""

    NAME: ClassVar[str] = "transaction"
    ANSWER: ClassVar[Any] = TransactionView | None

    chain: Name
    hash: Hash


@dataclass(frozen=True, slots=True)
class ReadAssets:
    """What each master has to trade, as it published it to all masters on the main chain."""

    NAME: ClassVar[str] = "assets"
    ANSWER: ClassVar[Any] = list[AssetsView]


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """Read a record of a slave chain, as it lies there or opened by a key that the node keeps.

    Parameters
    ----------
    reader
        ``master`` for the chain's encryption node, ``regulator`` for the regulator, ``nobody`` to leave it sealed.
    """

    NAME: ClassVar[str] = "open_record"
    ANSWER: ClassVar[Any]

    master: Name
    index: Number
    height: Height
    reader: Literal["master", "regulator", "nobody"] = "nobody"


@dataclass(frozen=True, slots=True)
class OpenedRecord:
    """A record, and what it says.

    Parameters
    ----------
    chain_id, ledger
        Where it lies: it opens nowhere else.
    record
        The record; its content is sealed.
    details
        What it says, field by field; null if nobody was to open it, or it does not open.
    fault
        Why it does not open.
    """

    chain_id: int
    ledger: Address
    record: LedgerRecord
    details: Mapping[str, str | int | bool] | None = None
    fault: str | None = None


OpenRecord.ANSWER = OpenedRecord


# The regulator


@dataclass(frozen=True, slots=True)
class TraceTrade:
    """As regulator: walk from a trade to the proof of every detail behind it."""

    NAME: ClassVar[str] = "trace"
    ANSWER: ClassVar[Any]

    trade: Annotated[int, Between(1, 2**62)]
    language: Literal["en", "zh"] = "en"


@dataclass(frozen=True, slots=True)
class TraceReport:
    """The walk in three forms: for the API, as `gridbourse trace --json` writes it, and as a page in a language."""

    view: TraceView
    document: Mapping[str, object]
    page: str


TraceTrade.ANSWER = TraceReport


@dataclass(frozen=True, slots=True)
class Audit:
    """As regulator: check all records of all chains against the main chain. Answered with what was found wrong."""

    NAME: ClassVar[str] = "audit"
    ANSWER: ClassVar[Any] = list[str]


# Operation


@dataclass(frozen=True, slots=True)
class BackUp:
    """Write the region into an archive, a new file; nothing is written to the region meanwhile."""

    NAME: ClassVar[str] = "back_up"
    ANSWER: ClassVar[Any] = None

    archive: Path


@dataclass(frozen=True, slots=True)
class ReadHealth:
    """How the node is."""

    NAME: ClassVar[str] = "health"
    ANSWER: ClassVar[Any]


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of all jobs of a node.

    Parameters
    ----------
    ended_at
        When it was over, in seconds since the epoch; before the first, when the node started.
    failures
        What the jobs could not do the last time they tried.
    """

    ended_at: float
    failures: tuple[JobFailure, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """How a node is.

    Parameters
    ----------
    process
        Its process's number.
    last_round
        When its jobs last had their turn, and what failed.
    waiting
        How many submissions and other commands wait.
    """

    process: int
    last_round: Round
    waiting: int


ReadHealth.ANSWER = Health


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Follow what happens on this connection: that the index has new blocks, and each round of the jobs.

    Answered when the index holds all that the chains hold.
    """

    NAME: ClassVar[str] = "subscribe"
    ANSWER: ClassVar[Any] = None


Command = (
    ReadSigningContext
    | Submit
    | OpenDay
    | Credit
    | ReadPayouts
    | ConfirmPayout
    | RegisterMeter
    | OfferOnce
    | Vote
    | ReadRules
    | ReadBlock
    | ReadTransaction
    | ReadAssets
    | OpenRecord
    | TraceTrade
    | Audit
    | BackUp
    | ReadHealth
    | Subscribe
)
COMMANDS: Mapping[str, Any] = {kind.NAME: kind for kind in Command.__args__}
"""Every command by its name."""
