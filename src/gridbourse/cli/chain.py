"""`gridbourse chain`: look at chains, and check them without trusting who serves them."""

from __future__ import annotations

import sys

import click

from gridbourse.api.chain_schema import BlockSummary, ChainSummary, RecordSummary, SearchHit
from gridbourse.cli.connection import Connection, RegionTimes, connected
from gridbourse.cli.output import AS_JSON, Columns, moment, print_json, show
from gridbourse.client import chains
from gridbourse.crypto.merkle import MerkleLog

_CHAINS: Columns[ChainSummary] = {
    "chain": lambda found: found.name,
    "id": lambda found: found.chain_id,
    "blocks": lambda found: found.height,
    "newest": lambda found: moment(found.timestamp),
    "records": lambda found: found.record_count,
    "anchored": lambda found: found.anchored_count,
}
_BLOCKS: Columns[BlockSummary] = {
    "height": lambda block: block.height,
    "time": lambda block: moment(block.timestamp),
    "hash": lambda block: block.hash[:18],
    "parent": lambda block: block.parent_hash[:18],
    "transactions": lambda block: block.transaction_count,
}
_RECORDS: Columns[RecordSummary] = {
    "record": lambda record: record.index,
    "kind": lambda record: record.kind,
    "block": lambda record: record.height,
    "leaf": lambda record: record.leaf[:18],
    "author": lambda record: record.author,
    "anchored": lambda record: "yes" if record.is_anchored else "",
    "readable": lambda record: "yes" if record.is_readable else "",
}
_HITS: Columns[SearchHit] = {
    "kind": lambda hit: hit.kind,
    "chain": lambda hit: hit.chain,
    "key": lambda hit: hit.key,
    "what": lambda hit: hit.text,
}


@click.group()
def chain() -> None:
    """Look at chains and check them."""


@chain.command(name="list")
@AS_JSON
@connected
def list_chains(connection: Connection, *, as_json: bool) -> None:
    """List all chains and how far they are anchored."""
    show(connection.send(chains.chains()), _CHAINS, times=RegionTimes(connection), as_json=as_json)


@chain.command()
@click.argument("text")
@AS_JSON
@connected
def search(connection: Connection, text: str, *, as_json: bool) -> None:
    """Find what you may read by TEXT: the number of a deal, trader or block, an id, a hash, a name or a place."""
    show(connection.send(chains.search(text)), _HITS, times=RegionTimes(connection), as_json=as_json)


@chain.command()
@click.argument("name")
@AS_JSON
@connected
def blocks(connection: Connection, name: str, *, as_json: bool) -> None:
    """List the newest blocks of chain NAME."""
    show(connection.send(chains.blocks(name)).items, _BLOCKS, times=RegionTimes(connection), as_json=as_json)


@chain.command()
@click.argument("name")
@click.option("--kind", help="Only of this kind, e.g. order, deal, decision, report.")
@AS_JSON
@connected
def records(connection: Connection, name: str, kind: str | None, *, as_json: bool) -> None:
    """List the newest records of slave chain NAME."""
    show(
        connection.send(chains.records(name, kind=kind)).items, _RECORDS, times=RegionTimes(connection), as_json=as_json
    )


@chain.command()
@click.argument("name")
@AS_JSON
@connected
def verify(connection: Connection, name: str, *, as_json: bool) -> None:
    """Rebuild the Merkle log of slave chain NAME here, and compare it with every anchor. Exit code 2 if one differs."""
    leaves = {record.index: record.leaf for record in connection.entries(chains.records(name, limit=500))}
    log = MerkleLog(bytes.fromhex(leaves[index][2:]) for index in sorted(leaves))
    anchors = sorted(connection.entries(chains.anchors(name, limit=500)), key=lambda anchor: anchor.last_block)
    wrong = [
        anchor.last_block
        for anchor in anchors
        if anchor.leaf_count > len(log) or f"0x{log.root(anchor.leaf_count).hex()}" != anchor.root
    ]
    if as_json:
        print_json({"chain": name, "records": len(log), "anchors": len(anchors), "wrong_anchors_at_block": wrong})
    elif wrong:
        blocks_named = ", ".join(map(str, wrong))
        click.secho(f"{name}: the anchors up to blocks {blocks_named} are not of these records", fg="red")
    else:
        click.secho(f"{name}: {len(log)} records, and all {len(anchors)} anchors are of them", fg="green")
    if wrong:
        sys.exit(2)
