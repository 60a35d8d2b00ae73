"""`gridbourse chain`: look at chains, and check them without trusting who serves them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from gridbourse.api.chain_schema import BlockSummary, ChainSummary, RecordSummary, SearchHit
from gridbourse.chain.block import Log
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.proof import prove_account, prove_transaction, read_header, verify_account, verify_transaction
from gridbourse.chain.rpc.client import RpcClient
from gridbourse.chain.rpc.values import read_address, read_data, read_hash
from gridbourse.chain.transaction import SignedTransaction
from gridbourse.cli.connection import Connection, RegionTimes, connected
from gridbourse.cli.output import AS_JSON, Columns, moment, print_json, show, show_one
from gridbourse.client import chains
from gridbourse.contracts.abi import contract_abi
from gridbourse.crypto.merkle import MerkleLog
from gridbourse.errors import ChainCorrupted, ChainError, InvalidValue
from gridbourse.node.folder.wiring import chain_files, missing_files

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
@click.option(
    "--interval-ms", type=int, help="Time from the first record to the sealing of its block; 0 seals at once."
)
@click.option("--gas-limit", type=int, help="The most gas of a block.")
@click.option("--anchor-seconds", type=int, help="Time between two anchorings; 0 for the node's own schedule.")
@AS_JSON
@connected
def settings(
    connection: Connection,
    name: str,
    interval_ms: int | None,
    gas_limit: int | None,
    anchor_seconds: int | None,
    *,
    as_json: bool,
) -> None:
    """Show how the blocks of slave chain NAME are made; as its master, set what an option names."""
    wanted = {"interval_ms": interval_ms, "gas_limit": gas_limit, "anchor_seconds": anchor_seconds}
    changes = {field: value for field, value in wanted.items() if value is not None}
    found = connection.send(chains.block_settings(name))
    if changes:
        connection.send(chains.set_block_settings(replace(found, **changes)))
        found = connection.send(chains.block_settings(name))
    show_one(found, asdict(found), times=RegionTimes(connection), as_json=as_json)


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
@click.argument("name", required=False)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of a region that no node runs: read the files of its chains, or of chain NAME.",
)
@click.option("--execute", is_flag=True, help="With --folder: run every block again, too.")
@AS_JSON
@connected
def verify(connection: Connection, name: str | None, folder: Path | None, *, execute: bool, as_json: bool) -> None:
    """Check a chain. Exit code 2 if something is wrong.

    Of slave chain NAME of a service the Merkle log is rebuilt here and compared with every anchor. With --folder every
    byte of the files is read: sums of pages, links, seals, roots and indexes of blocks, and the state they lead to.
    """
    if folder is not None:
        _verify_files(folder, name, execute=execute, as_json=as_json)
    elif name is None or execute:
        raise InvalidValue("name", name, "the name of a slave chain, or --folder, which --execute needs")
    else:
        _verify_anchors(connection, name, as_json=as_json)


def _verify_files(folder: Path, wanted: str | None, *, execute: bool, as_json: bool) -> None:
    missing = missing_files(folder)
    found: dict[str, str | None] = {name: told for name, told in missing.items() if wanted in (None, name)}
    try:
        with chain_files(folder) as files:
            if wanted is not None and wanted not in {**files, **missing}:
                raise InvalidValue("name", wanted, f"one of {', '.join(files)}")
            found |= _findings({name: file for name, file in files.items() if wanted in (None, name)}, execute=execute)
    except ChainCorrupted as error:  # not even to be opened: nothing else is, either
        found[error.path.stem] = str(error)
    if as_json:
        print_json(found)
    else:
        for name, finding in found.items():
            told = "is what was sealed" + (", and executing it gives the same" if execute else "")
            click.secho(f"{name}: {finding or told}", fg="red" if finding else "green")
    if any(found.values()):
        sys.exit(2)


def _findings(files: Mapping[str, EmbeddedChain], *, execute: bool) -> dict[str, str | None]:
    """By chain, what is wrong first, or None."""
    found: dict[str, str | None] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for name, file in files.items():
            report = partial(_tell, progress, progress.add_task(name), name)
            try:
                file.verify(executes=execute, report=report)
                found[name] = None
            except ChainError as error:
                found[name] = str(error)
    return found


def _tell(progress: Progress, task: TaskID, name: str, what: str, done: int, total: int) -> None:
    progress.update(task, description=f"{name}: {what}", completed=done, total=total)


def _verify_anchors(connection: Connection, name: str, *, as_json: bool) -> None:
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
@click.option("--hash", "block_hash", help="Hash of the block, from somebody you trust: the proof brings the header.")
@click.option(
    "--header",
    "header_file",
    type=click.File(),
    help="The block, as eth_getBlockByNumber gives it, from somebody you trust; with --hash, as debug_getRawHeader "
    "gives it, from anybody.",
)
def verify_proof(proof_file: TextIO, block_hash: str | None, header_file: TextIO | None) -> None:
    """Check PROOF, a file that `chain proof` printed, against a header or its hash, and print what it proves.

    Asks nobody.
    """
    proven = _read_json(proof_file, "PROOF")
    given = _read_json(header_file, "--header") if header_file else {}
    header = given.get("result", given)
    if block_hash is not None:
        raw = header or proven.get("header")
        if raw is None:
            raise InvalidValue("--header", None, "the header's bytes too: this proof was made before it was sealed")
        header = read_header(read_data(raw, "header"), read_hash(block_hash, "--hash"))
    elif not header:
        raise InvalidValue("--hash", block_hash, "--hash or --header")
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
