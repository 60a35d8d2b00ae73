"""The chains: block strips, blocks, transactions, records, proofs, and what a deal left on them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Query, Response

from gridbourse.api.chain_schema import AnchorView, RecordView
from gridbourse.crypto.merkle import verify_inclusion
from gridbourse.errors import NotFound, ProofError
from gridbourse.index.schema import MAIN
from gridbourse.service.rights import RIGHTS, Kind, Principal, Right
from gridbourse.text import Message
from gridbourse.web.frame import Frame, PageFrame, page_router
from gridbourse.web.record_fields import shower
from gridbourse.web.searching import found_by
from gridbourse.web.strips import BLOCKS, draw, follows

router = page_router()
ANCHORS_SHOWN = 40
ROWS = 25


@router.get("/chains")
async def chains(frame: PageFrame, q: Annotated[str, Query(max_length=100)] = "") -> Response:
    """All chains side by side, and the search in them."""
    queries = frame.exchange.chains
    summaries = queries.chains()
    strips = None
    if frame.principal.kind in RIGHTS[Right.READ_CHAINS]:
        blocks = {chain.name: queries.blocks(frame.principal, chain.name, None, BLOCKS).items for chain in summaries}
        strips = draw(summaries, blocks, _newest_anchors(frame, ANCHORS_SHOWN))
    return frame.render("chains.html", chains=summaries, strips=strips, q=q, found=await found_by(frame, q))


@router.get("/chains/deal/{deal_id}")
async def deal(frame: PageFrame, deal_id: int) -> Response:
    """A deal on both chains."""
    found = frame.exchange.trading.deal(frame.principal, deal_id)
    chain = frame.exchange.directory.master_of(found.node_id)
    assert chain is not None, "the node of a deal that is shown takes part"
    order = frame.exchange.trading.order(frame.principal, found.own_order)
    leaf = bytes.fromhex(order.record_leaf[2:])
    records = frame.exchange.chains.records_of_deal(frame.principal, chain, deal_id, leaf)
    return frame.render("deal.html", deal=found, chain=chain, records=records)


@router.get("/chains/record/{leaf}")
async def record_of_leaf(frame: PageFrame, leaf: str) -> Response:
    """Lead to the record that has a leaf."""
    found = frame.exchange.chains.find_record(frame.principal, _hash(leaf))
    return frame.go(f"/chains/{quote(found.chain)}/records/{found.index}")


@router.get("/chains/{name}")
async def chain(
    frame: PageFrame,
    name: str,
    blocks: Annotated[str | None, Query(max_length=40)] = None,
    records: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """One chain: its blocks, and for a slave chain its records and anchors."""
    queries = frame.exchange.chains
    shown = queries.blocks(frame.principal, name, blocks, ROWS)
    summary = next(one for one in queries.chains() if one.name == name)
    page = None
    if name != MAIN and queries.is_member(frame.principal, name):
        page = queries.records(frame.principal, name, cursor=records, limit=ROWS)
    return frame.render(
        "chain.html",
        chain=summary,
        blocks=shown.items,
        next_blocks=shown.next_cursor,
        linked=follows(shown.items),
        records=page.items if page else None,
        next_records=page.next_cursor if page else None,
        anchors=queries.anchors(name, None, ROWS).items if name != MAIN else [],
        block_settings=queries.settings(frame.principal, name) if page else None,
        is_own=frame.principal.kind is Kind.MASTER and frame.principal.name == name,
    )


@router.post("/chains/settings")
async def set_blocks(
    frame: PageFrame,
    interval_ms: Annotated[int, Form(ge=0, le=10_000)],
    gas_limit: Annotated[int, Form(ge=30_000_000, le=30_000_000_000)],
    anchor_seconds: Annotated[int, Form(ge=0, le=86_400)],
) -> Response:
    """Say how the blocks of the reader's own slave chain are to be made."""
    await frame.exchange.administration.set_blocks(frame.principal, interval_ms, gas_limit, anchor_seconds)
    return frame.go(f"/chains/{quote(frame.principal.name)}", done="blocks_set")


@router.get("/chains/{name}/blocks/{height}")
async def block(frame: PageFrame, name: str, height: int) -> Response:
    """One block."""
    view = await frame.exchange.chains.block(frame.principal, name, height)
    newest = next(one.height for one in frame.exchange.chains.chains() if one.name == name)
    held = frame.exchange.chains.anchors_in(height) if name == MAIN else []
    return frame.render("block.html", view=view, newest=newest, anchors=held)


@router.get("/chains/{name}/transactions/{tx_hash}")
async def transaction(frame: PageFrame, name: str, tx_hash: str) -> Response:
    """One transaction."""
    view = await frame.exchange.chains.transaction(frame.principal, name, _hash(tx_hash))
    return frame.render("transaction.html", view=view)


@router.get("/chains/{name}/records/{index}")
async def record(frame: PageFrame, name: str, index: int) -> Response:
    """A record: what the reader may read of it, and why not the rest."""
    view = await frame.exchange.chains.record(frame.principal, name, index)
    return frame.render(
        "record.html", view=view, why=_why(frame.principal, view), shown=shower(frame.t, frame.exchange.calendar)
    )


@router.get("/chains/{name}/records/{index}/proof")
async def proof(frame: PageFrame, name: str, index: int) -> Response:
    """The proof that a record is anchored, checked here once more."""
    found = frame.exchange.chains.proof(frame.principal, name, index)
    leaf, *path, root = (bytes.fromhex(text[2:]) for text in (found.leaf, *found.path, found.root))
    try:
        verify_inclusion(leaf, index, found.leaf_count, path, root)
        holds = True
    except ProofError:
        holds = False
    return frame.render("proof.html", proof=found, holds=holds)


def _why(principal: Principal, view: RecordView) -> str:
    if view.details is not None:
        return f"why.open.{principal.kind}"
    if principal.kind is Kind.NODE and not view.record.is_readable:
        return "why.no_key" if principal.keys is None else "why.other_node"
    return "why.broken"


def _newest_anchors(frame: Frame, limit: int) -> list[AnchorView]:
    queries = frame.exchange.chains
    names = (one.name for one in queries.chains() if one.name != MAIN)
    return [anchor for name in names for anchor in queries.anchors(name, None, limit).items]


def _hash(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise NotFound(Message("{text!r} is no hash", text=text)) from error
