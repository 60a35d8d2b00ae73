"""The chains: blocks, transactions, records, proofs, anchors."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from gridbourse.api.chain_schema import (
    AnchorView,
    BlockSettingsView,
    BlockSummary,
    BlockView,
    ChainSummary,
    InclusionProof,
    RecordSummary,
    RecordView,
    SearchHit,
    TransactionView,
)
from gridbourse.api.schema import HashText, Page
from gridbourse.service.auth.current import CurrentUser, ExchangeOf
from gridbourse.service.rights import Right
from gridbourse.service.routes.routing import Cursor, Limit, operation

router = APIRouter(prefix="/chains", tags=["chains"])
_READ = operation(Right.READ_CHAINS, HTTPStatus.NOT_FOUND)

Name = Annotated[str, Path(max_length=40, description='"main", or the name of a master for its slave chain.')]
Height = Annotated[int, Path(ge=1, lt=2**63, description="Number of a block.")]
Index = Annotated[int, Path(ge=0, lt=2**63, description="Number of a record in its chain's Merkle log.")]


@router.get("", **operation(Right.READ_MARKET))
async def list_chains(exchange: ExchangeOf) -> list[ChainSummary]:
    """All chains of the region and how far they are anchored."""
    return exchange.chains.chains()


@router.get("/search", **operation(Right.READ_CHAINS))
async def search_chains(
    exchange: ExchangeOf,
    principal: CurrentUser,
    q: Annotated[str, Query(min_length=1, max_length=100, description="A number, an id, a hash, a name or a place.")],
) -> list[SearchHit]:
    """Find deals, traders, orders, nodes, records, blocks and transactions that you may read; at most a hundred.

    A number is that of a deal or a trader or the height of a block. A hash is that of a record's leaf, a block or a
    transaction, given whole; of records and blocks their first eight digits suffice.
    """
    return await exchange.search.search(principal, q)


@router.get("/{name}/blocks", **_READ)
async def list_blocks(
    exchange: ExchangeOf, principal: CurrentUser, name: Name, cursor: Cursor = None, limit: Limit = 50
) -> Page[BlockSummary]:
    """Heads of a chain's blocks, newest first."""
    return exchange.chains.blocks(principal, name, cursor, limit)


@router.get("/{name}/blocks/{height}", **_READ)
async def read_block(exchange: ExchangeOf, principal: CurrentUser, name: Name, height: Height) -> BlockView:
    """A block with its transactions. Those of a slave chain are shown to its own members and the regulator."""
    return await exchange.chains.block(principal, name, height)


@router.get("/{name}/transactions/{tx_hash}", **_READ)
async def read_transaction(
    exchange: ExchangeOf, principal: CurrentUser, name: Name, tx_hash: HashText
) -> TransactionView:
    """A transaction, the call that it makes, and the events that it led to."""
    return await exchange.chains.transaction(principal, name, bytes.fromhex(tx_hash[2:]))


@router.get("/{name}/anchors", **operation(Right.READ_MARKET, HTTPStatus.NOT_FOUND))
async def list_anchors(exchange: ExchangeOf, name: Name, cursor: Cursor = None, limit: Limit = 50) -> Page[AnchorView]:
    """Anchors of a slave chain on the main chain, newest first."""
    return exchange.chains.anchors(name, cursor, limit)


@router.get("/{name}/records", **_READ)
async def list_records(
    exchange: ExchangeOf,
    principal: CurrentUser,
    name: Name,
    kind: Annotated[str | None, Query(max_length=20, description="Only of this kind.", examples=["order"])] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[RecordSummary]:
    """Records of a slave chain, newest first, for its own members and the regulator."""
    return exchange.chains.records(principal, name, kind=kind, cursor=cursor, limit=limit)


@router.get("/{name}/settings", **_READ)
async def read_block_settings(exchange: ExchangeOf, principal: CurrentUser, name: Name) -> BlockSettingsView:
    """How the blocks of a slave chain are made: its master sets it."""
    return exchange.chains.settings(principal, name)


@router.put(
    "/settings",
    status_code=HTTPStatus.NO_CONTENT,
    **operation(Right.KEEP_CHAIN, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def set_block_settings(exchange: ExchangeOf, principal: CurrentUser, wanted: BlockSettingsView) -> None:
    """Say how the blocks of your own slave chain are to be made, from the next one on."""
    await exchange.administration.set_blocks(principal, wanted.interval_ms, wanted.gas_limit, wanted.anchor_seconds)


@router.get("/{name}/records/{index}", **_READ)
async def read_record(exchange: ExchangeOf, principal: CurrentUser, name: Name, index: Index) -> RecordView:
    """A record: what you may read of it, and why you may not read the rest."""
    return await exchange.chains.record(principal, name, index)


@router.get("/{name}/records/{index}/proof", **operation(Right.READ_CHAINS, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
async def read_proof(exchange: ExchangeOf, principal: CurrentUser, name: Name, index: Index) -> InclusionProof:
    """The proof that a record lies under an anchored root (RFC 9162)."""
    return exchange.chains.proof(principal, name, index)
