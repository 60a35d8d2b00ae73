"""What the service says of chains, of those who take part, and of audits, as values: see `gridbourse.api.schema`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gridbourse.api.schema import (
    AddressText,
    ChainName,
    DealId,
    DealStatus,
    EnergyWh,
    HashText,
    MasterName,
    Money,
    NodeId,
    OrderIdText,
    Period,
    PriceTicks,
    Seconds,
    SideName,
)
from gridbourse.text import DisplayName


@dataclass(frozen=True, slots=True)
class ChainSummary:
    """A chain of the region and how far it is."""

    name: ChainName
    chain_id: Annotated[int | None, Field(description="Ethereum chain id; null if not kept here.", examples=[7100])]
    role: Annotated[str | None, Field(description="Role of its master; null for the main chain.", examples=["grid"])]
    height: Annotated[int, Field(ge=0, description="Newest block.")]
    hash: HashText
    timestamp: Seconds
    record_count: Annotated[int | None, Field(description="Leaves of its Merkle log; null for the main chain.")]
    anchored_count: Annotated[int | None, Field(description="Leaves that the newest anchor covers.")]
    anchored_block: Annotated[int | None, Field(description="Newest block that an anchor covers.")]
    display_name: Annotated[DisplayName | None, Field(description="Its master's; null for the main chain.")]


@dataclass(frozen=True, slots=True)
class BlockSummary:
    """A block's head."""

    chain: ChainName
    height: Annotated[int, Field(ge=0)]
    timestamp: Seconds
    hash: HashText
    parent_hash: HashText
    transaction_count: int


@dataclass(frozen=True, slots=True)
class EventView:
    """An event that a contract emitted."""

    contract: Annotated[str, Field(examples=["EnergyMarket"])]
    name: Annotated[str, Field(examples=["IntentRecorded"])]
    values: Annotated[dict[str, str], Field(description="Arguments by name, written out.")]


@dataclass(frozen=True, slots=True)
class TransactionView:
    """A transaction and what became of it."""

    chain: ChainName
    hash: HashText
    height: int
    position: int
    sender: AddressText
    to: AddressText | None
    contract: Annotated[str | None, Field(description="Contract that was called, if it is one of the region's.")]
    function: Annotated[str | None, Field(description="Function that was called.", examples=["placeOrders"])]
    nonce: int
    gas_used: int
    succeeded: bool
    events: list[EventView]


@dataclass(frozen=True, slots=True)
class BlockView:
    """A block with its transactions."""

    block: BlockSummary
    sealer: AddressText
    transactions_root: HashText
    receipts_root: HashText
    state_root: HashText
    gas_used: int
    transactions: list[TransactionView]


@dataclass(frozen=True, slots=True)
class AnchorView:
    """An anchor of a slave chain on the main chain."""

    master: MasterName
    first_block: Annotated[int, Field(description="First block of the slave chain that it covers.")]
    last_block: int
    leaf_count: Annotated[int, Field(description="Leaves of the Merkle log after `last_block`.")]
    root: Annotated[HashText, Field(description="Root of the log then (RFC 9162).")]
    height: Annotated[int, Field(description="Main-chain block that holds it.")]


@dataclass(frozen=True, slots=True)
class RecordSummary:
    """A record of a slave chain, as everybody on that chain sees it."""

    chain: MasterName
    index: Annotated[int, Field(ge=0, description="Number in the chain's Merkle log.")]
    kind: Annotated[str, Field(description="What it is about.", examples=["order"])]
    author: AddressText
    leaf: HashText
    height: int
    transaction: HashText
    is_anchored: bool
    is_readable: Annotated[bool, Field(description="Whether you may read what it says.")]


@dataclass(frozen=True, slots=True)
class RecordView:
    """A record, what you may read of it, and why not the rest."""

    record: RecordSummary
    content_bytes: Annotated[int, Field(description="Length of the sealed content.")]
    readers: Annotated[list[str], Field(description="Ids of the keys that it is sealed to.")]
    details: Annotated[
        dict[str, str | int | bool] | None, Field(description="What it says; null if you may not read it.")
    ]
    explanation: Annotated[str, Field(description="Why you may read it, or why not.")]


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """The proof that a record lies under an anchored root (RFC 9162, section 2.1.3)."""

    chain: MasterName
    index: int
    leaf: HashText
    leaf_count: Annotated[int, Field(description="Size of the tree, from the anchor.")]
    path: Annotated[list[HashText], Field(description="Hashes from the leaf's sibling up.")]
    root: HashText
    anchor: AnchorView


@dataclass(frozen=True, slots=True)
class MasterView:
    """A member of the main chain."""

    master_id: int
    name: MasterName
    role: Annotated[str, Field(examples=["grid"])]
    account: AddressText
    is_active: bool
    is_settlement_agent: bool
    node_count: int
    slave_chain_id: int
    unanchored_records: Annotated[int, Field(description="Records that no anchor covers yet.")]
    last_anchor_at: Annotated[Seconds | None, Field(description="Time of its newest anchor.")]
    display_name: DisplayName


@dataclass(frozen=True, slots=True)
class AssetRow:
    """Function nodes of one kind in one zone, summed."""

    kind: Annotated[str, Field(examples=["pv"])]
    zone: Annotated[int, Field(description="Number of the zone of the grid.", examples=[0])]
    node_count: int
    capacity_w: Annotated[
        int, Field(description="What their connections carry together, as far as meters are entered.")
    ]


@dataclass(frozen=True, slots=True)
class AssetsView:
    """What a master has to trade, as it published it, and where on the main chain that stands."""

    master: MasterName
    rows: list[AssetRow]
    leaf: HashText
    height: Annotated[int, Field(description="Block of the main chain.")]
    transaction: HashText


@dataclass(frozen=True, slots=True)
class NodeView:
    """A function node below you."""

    node_id: NodeId
    master: MasterName
    kind: Annotated[str, Field(examples=["pv"])]
    location: str
    address: AddressText
    is_revoked: bool
    order_count: int
    deal_count: int
    display_name: DisplayName


@dataclass(frozen=True, slots=True)
class ReportView:
    """A report of a function node: a dispatch, an analysis, a monitoring, an advice."""

    node_id: NodeId
    master: MasterName
    title: str
    body: Annotated[str, Field(description="The report, as JSON.")]
    index: Annotated[int, Field(description="Its record on the slave chain.")]
    timestamp: Seconds


@dataclass(frozen=True, slots=True)
class VoteView:
    """An action that masters voted for."""

    action_id: HashText
    action: Annotated[str, Field(examples=["changeSettings"])]
    arguments: list[str]
    voters: list[MasterName]
    is_carried: bool
    opened_at: Seconds


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that asks for attention."""

    kind: Annotated[
        str,
        Field(
            description="late_anchor, silent_meter, deaf_head_end, broken_proof, failing_job, stalled.",
            examples=["late_anchor"],
        ),
    ]
    subject: Annotated[str, Field(description="The chain or node.", examples=["aggregator"])]
    detail: str
    since: Seconds | None


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One step of the walk from a deal to its proofs."""

    title: str
    holds: bool
    finding: str


@dataclass(frozen=True, slots=True)
class TraceParty:
    """The walk to one party of a deal."""

    side: SideName
    master: MasterName
    trader: int
    order_id: OrderIdText
    node_id: Annotated[str | None, Field(description="Null where the record does not open.")]
    location: str | None
    record_index: int | None
    record_leaf: HashText | None
    anchor: AnchorView | None
    steps: list[TraceStep]


@dataclass(frozen=True, slots=True)
class TraceView:
    """The whole walk from a deal."""

    deal_id: DealId
    holds: bool
    status: DealStatus
    period: Period
    energy_wh: EnergyWh
    price_ticks: PriceTicks
    money: Money
    parties: list[TraceParty]


@dataclass(frozen=True, slots=True)
class SearchHit:
    """Something that a search found."""

    kind: Annotated[
        str, Field(description="deal, trader, order, node, record, block or transaction.", examples=["deal"])
    ]
    key: Annotated[str, Field(description="What it is called there.", examples=["1"])]
    chain: ChainName | None
    text: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The check of all records of all chains."""

    holds: bool
    findings: list[str]
    records_checked: int
    deals_checked: int
    checked_at: Seconds
