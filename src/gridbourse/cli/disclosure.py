"""`gridbourse disclosure`: show single fields of a record, and check what somebody shows."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from gridbourse.chain.ethereum import EthereumChain
from gridbourse.contracts.main_chain import MainChain
from gridbourse.crypto.commitment import FieldValue
from gridbourse.crypto.keys import Address
from gridbourse.errors import InvalidValue, ProofError
from gridbourse.ledger.disclosure import Disclosed, Disclosure, verify_disclosure
from gridbourse.node.disclosing import disclose_record
from gridbourse.node.region import Region
from gridbourse.units import format_kwh, format_price, period_start

REGION = click.option(
    "--region", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the region."
)


@click.group()
def disclosure() -> None:
    """Show single fields of a record with their proof, and check such proofs."""


@disclosure.command()
@click.argument("master")
@click.argument("record", type=click.IntRange(min=0))
@click.option("--field", "fields", multiple=True, required=True, help="Field to show; may be repeated.")
@click.option("--holder", required=True, help='Whose key opens the record: a function node, a master, or "regulator".')
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write there instead of to the screen.")
@REGION
def create(master: str, record: int, fields: tuple[str, ...], holder: str, output: Path | None, region: Path) -> None:
    """Show fields of RECORD, its number on the slave chain of MASTER, as JSON that proves them."""
    with Region.open(region) as opened:
        made = disclose_record(opened, master, record, fields, holder=holder)
    text = json.dumps(made.document(), indent=2, ensure_ascii=False) + "\n"
    if output:
        output.write_text(text, "utf-8")
    else:
        click.echo(text, nl=False)


@disclosure.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--rpc", "url", help="JSON-RPC of a node of the main chain.")
@click.option(
    "--contracts",
    nargs=4,
    metavar="CONSORTIUM MARKET ANCHORS BALANCING",
    help="Their addresses, where the main chain is a network that holds other things too.",
)
@click.option("--region", type=click.Path(path_type=Path, file_okay=False), help="Or: folder of the region.")
def verify(file: Path, url: str | None, contracts: tuple[str, str, str, str] | None, region: Path | None) -> None:
    """Check the disclosure in FILE against the main chain alone. Exit code 2 if it does not hold."""
    if (url is None) == (region is None):
        raise click.UsageError("give either --rpc or --region")
    try:
        document = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidValue(
            "disclosure", str(file), f"a file that `gridbourse disclosure create` made ({error})"
        ) from error
    with _main_chain(url, contracts, region) as main:
        try:
            shown = Disclosure.read(document)
            proven = verify_disclosure(shown, main)
        except ProofError as error:
            click.secho(f"The disclosure does not hold: {error}", fg="red")
            sys.exit(2)
    _show(Console(), shown, proven)


@contextmanager
def _main_chain(
    url: str | None, contracts: tuple[str, str, str, str] | None, region: Path | None
) -> Iterator[MainChain]:
    if url is None:
        assert region is not None, "one of the two is given"
        with Region.open(region) as opened:
            yield opened.main
        return
    with closing(EthereumChain(url)) as chain:
        yield MainChain.at(chain, *map(_address, contracts)) if contracts else MainChain.open(chain)


def _address(text: str) -> Address:
    octets = bytes.fromhex(text.removeprefix("0x")) if re.fullmatch("0x[0-9a-fA-F]{40}", text) else b""
    if not octets:
        raise InvalidValue("contracts", text, "addresses of 20 bytes, as 0x1234...")
    return Address(octets)


def _show(console: Console, shown: Disclosure, proven: Disclosed) -> None:
    table = Table(title=f"Record {shown.index} on the slave chain of master {shown.master_id}", title_justify="left")
    for column in ("field", "value", "reads"):
        table.add_column(column, overflow="fold")
    for name, value in proven.fields.items():
        table.add_row(name, _value(value), _reading(name, value))
    console.print(table)
    signer = "the master" if proven.by_master else "its function node"
    console.print(f"a record of kind {proven.kind.name.lower()}, signed by {signer}, 0x{proven.author.hex()}")
    console.print(f"anchored with blocks {proven.anchor.first_block} to {proven.anchor.last_block}")
    if proven.order_id is not None:
        console.print(f"it stands for order {proven.order_id.pack():x} on the main chain")
    console.print("[green]The disclosure holds.[/green]")


def _value(value: FieldValue) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else str(int(value))


def _reading(name: str, value: FieldValue) -> str:
    """A value as people read it, where it is no such already."""
    if isinstance(value, str | tuple):
        return ""
    if name == "price_ticks":
        return f"{format_price(value)} yuan/kWh"
    if name.endswith("_wh"):
        return f"{format_kwh(value)} kWh"
    if name == "period":
        return f"delivery from {period_start(value):%Y-%m-%d %H:%M} UTC"
    return str(getattr(value, "name", value)).lower()
