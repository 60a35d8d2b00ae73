"""Requests about chains, those who take part, and what the regulator does."""

from __future__ import annotations

from urllib.parse import quote

from gridbourse.api.chain_schema import (
    Alarm,
    AnchorView,
    AssetsView,
    AuditReport,
    BlockSummary,
    BlockView,
    ChainSummary,
    InclusionProof,
    MasterView,
    NodeView,
    RecordSummary,
    RecordView,
    ReportView,
    SearchHit,
    TraceView,
    TransactionView,
    VoteView,
)
from gridbourse.api.schema import Page
from gridbourse.client.request import Request, get, post


def chains() -> Request[list[ChainSummary]]:
    """All chains."""
    return get("/chains", list[ChainSummary])


def blocks(chain: str, limit: int = 50) -> Request[Page[BlockSummary]]:
    """Blocks of a chain, newest first."""
    return get(f"/chains/{quote(chain)}/blocks", Page[BlockSummary], limit=limit)


def block(chain: str, height: int) -> Request[BlockView]:
    """One block."""
    return get(f"/chains/{quote(chain)}/blocks/{height}", BlockView)


def transaction(chain: str, tx_hash: str) -> Request[TransactionView]:
    """One transaction."""
    return get(f"/chains/{quote(chain)}/transactions/{tx_hash}", TransactionView)


def anchors(chain: str, limit: int = 50) -> Request[Page[AnchorView]]:
    """Anchors of a slave chain, newest first."""
    return get(f"/chains/{quote(chain)}/anchors", Page[AnchorView], limit=limit)


def records(chain: str, *, kind: str | None = None, limit: int = 50) -> Request[Page[RecordSummary]]:
    """Records of a slave chain, newest first."""
    return get(f"/chains/{quote(chain)}/records", Page[RecordSummary], kind=kind, limit=limit)


def record(chain: str, index: int) -> Request[RecordView]:
    """A record, and what you may read of it."""
    return get(f"/chains/{quote(chain)}/records/{index}", RecordView)


def proof(chain: str, index: int) -> Request[InclusionProof]:
    """The proof that a record lies under an anchored root."""
    return get(f"/chains/{quote(chain)}/records/{index}/proof", InclusionProof)


def masters() -> Request[list[MasterView]]:
    """The members of the main chain."""
    return get("/masters", list[MasterView])


def assets() -> Request[list[AssetsView]]:
    """What each master has to trade, as it published it to all masters."""
    return get("/assets", list[AssetsView])


def nodes() -> Request[list[NodeView]]:
    """Function nodes that you reach."""
    return get("/nodes", list[NodeView])


def reports(limit: int = 50) -> Request[Page[ReportView]]:
    """Reports of function nodes, newest first."""
    return get("/reports", Page[ReportView], limit=limit)


def votes() -> Request[list[VoteView]]:
    """What masters voted for."""
    return get("/votes", list[VoteView])


def trace(deal_id: int) -> Request[TraceView]:
    """As regulator: walk from a deal to its proofs."""
    return get(f"/audit/deals/{deal_id}/trace", TraceView)


def audit() -> Request[AuditReport]:
    """As regulator: check all records of all chains."""
    return post("/audit/reports", AuditReport)


def search(text: str) -> Request[list[SearchHit]]:
    """As regulator: find deals, orders, records, blocks and nodes."""
    return get("/chains/search", list[SearchHit], q=text)


def alarms() -> Request[list[Alarm]]:
    """As regulator: what asks for attention."""
    return get("/audit/alarms", list[Alarm])
