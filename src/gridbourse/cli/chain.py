"""`gridbourse chain`: look at chains, and check them without trusting who serves them."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import Any, TextIO

import click

from gridbourse.api.chain_schema import BlockSummary, ChainSummary, RecordSummary, SearchHit
from gridbourse.chain.block import Log
from gridbourse.chain.proof import prove_account, prove_transaction, verify_account, verify_transaction
from gridbourse.chain.rpc.client import RpcClient
from gridbourse.chain.rpc.values import read_address, read_hash
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.cli.connection import Connection, RegionTimes, connected
from gridbourse.cli.output import AS_JSON, Columns, moment, print_json, show
from gridbourse.client import chains
from gridbourse.contracts.abi import contract_abi
from gridbourse.crypto.merkle import MerkleLog
from gridbourse.errors import InvalidValue

CONTRACTS = ("EnergyMarket", "Balancing", "Consortium", "SlaveAnchors", "SlaveLedger")
"""The contracts whose events are told by name."""

_CHAINS: Columns[ChainSummary] = {
    "chain": lambda found: found.name,
    "name": lambda found: found.display_name.read("en", found.name) if found.display_name else "",
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


@chain.command()
@click.option("--rpc", "url", required=True, help="JSON-RPC address of any node of the chain; it needs no trust.")
@click.option("--token", envvar="GRIDBOURSE_RPC_TOKEN", help="What the node wants to be shown.")
@click.option("--transaction", "tx_hash", help="Hash of a transaction: what was sent, and what came of it.")
@click.option("--account", help="Address of an account: what it holds.")
@click.option(
    "--slot", "slots", multiple=True, help="With --account: a storage slot, as 5 or 0x05; any number of them."
)
@click.option("--height", type=click.IntRange(0), help="With --account: the block whose header is to prove it.")
def proof(
    url: str, token: str | None, tx_hash: str | None, account: str | None, slots: tuple[str, ...], height: int | None
) -> None:
    """Print, as JSON, the proof of a transaction or an account for somebody who holds a header only."""
    if (tx_hash is None) == (account is None):
        raise InvalidValue("--transaction", tx_hash, "either --transaction or --account")
    with closing(RpcClient(url, token=token)) as node:
        if tx_hash is not None:
            print_json(prove_transaction(node, read_hash(tx_hash, "--transaction")))
        else:
            address = read_address(account, "--account")
            print_json(prove_account(node, address, [_slot(text) for text in slots], height))


@chain.command(name="verify-proof")
@click.argument("proof_file", metavar="PROOF", type=click.File())
@click.option(
    "--header",
    "header_file",
    required=True,
    type=click.File(),
    help="The block, as eth_getBlockByNumber gives it, from somebody you trust.",
)
def verify_proof(proof_file: TextIO, header_file: TextIO) -> None:
    """Check PROOF, a file that `chain proof` printed, against a header, and print what it proves. Asks nobody."""
    proven, header = _read_json(proof_file, "PROOF"), _read_json(header_file, "--header")
    header = header.get("result", header)
    if "account" in proven:
        found = verify_account(proven, header)
        print_json(
            {
                "account": "0x" + found.address.hex(),
                "nonce": found.nonce,
                "balance": found.balance,
                "code_hash": "0x" + found.code_hash.hex(),
                "slots": {hex(slot): hex(value) for slot, value in found.slots.items()},
            }
        )
    else:
        sent = verify_transaction(proven, header)
        print_json(
            {
                "transaction": "0x" + sent.hash.hex(),
                "sender": "0x" + SignedTransaction.decode(sent.raw).sender.hex(),
                "succeeded": sent.succeeded,
                "events": [_event(log) for log in sent.logs],
            }
        )


def _read_json(file: TextIO, name: str) -> dict[str, Any]:
    try:
        read = json.load(file)
    except ValueError as error:
        raise InvalidValue(name, file.name, f"a file of JSON ({error})") from None
    if not isinstance(read, dict):
        raise InvalidValue(name, file.name, "a JSON object")
    return read


def _slot(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise InvalidValue("--slot", text, "a number, as 5 or 0x05") from None


def _event(log: Log) -> dict[str, Any]:
    """By its name and fields where a contract of gridbourse has such an event."""
    told = {"contract": "0x" + log.address.hex()}
    for name in CONTRACTS:
        event = contract_abi(name).event(log)
        if event is not None:
            return {**told, "event": event.name, **{key: _shown(value) for key, value in event.values.items()}}
    return {**told, "topics": ["0x" + topic.hex() for topic in log.topics], "data": "0x" + log.data.hex()}


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return [_shown(part) for part in value] if isinstance(value, (list, tuple)) else value
