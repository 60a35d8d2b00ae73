"""`gridbourse region`: make a region from its description, and look at one."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from gridbourse.chain.cometbft.folder import read_account_key
from gridbourse.node.folder.backup import back_up, restore
from gridbourse.node.folder.setup import PublicKeys, found_from, make_share
from gridbourse.node.region import Region
from gridbourse.region.description_file import read_region
from gridbourse.region.shown_names import ShownNames
from gridbourse.service.upgrade import upgrade
from gridbourse.text import DEFAULT_LANGUAGE
from gridbourse.units import format_price

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def region() -> None:
    """Make and look at regions."""


@region.command()
@click.argument("description", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("folder", type=FOLDER)
def init(description: Path, folder: Path) -> None:
    """Make a region in FOLDER from its DESCRIPTION, a TOML file: keys, chains and contracts."""
    with Region.create(folder, read_region(description)) as made:
        _show(Console(), made)


@region.command()
@click.argument("description", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("folder", type=FOLDER)
@click.option("--name", required=True, help='The own master\'s name, or "regulator".')
def keys(description: Path, folder: Path, name: str) -> None:
    """Make one organisation's FOLDER of the region that DESCRIPTION describes: its keys, and nobody else's.

    What it hands in for the founding is FOLDER/public.json.
    """
    made = make_share(folder, read_region(description), name)
    click.echo(f"{folder / 'public.json'}: account 0x{made.address_hex}")


@region.command(name="found")
@click.argument("folder", type=FOLDER)
@click.argument("public", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--deployer-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Key of the deployer that the chain's genesis names; by default the master of FOLDER deploys.",
)
def found_region(folder: Path, public: tuple[Path, ...], deployer_key: Path | None) -> None:
    """Deploy the consortium's contracts on the main chain that FOLDER names, with everybody's PUBLIC keys."""
    deployer = read_account_key(deployer_key) if deployer_key else None
    contracts = found_from(folder, [PublicKeys.read(path) for path in public], deployer)
    for name, address in zip(("consortium", "market", "anchors", "balancing"), contracts, strict=True):
        click.echo(f'{name} = "0x{address.hex()}"')


@region.command()
@click.argument("folder", type=FOLDER)
def status(folder: Path) -> None:
    """Open the region in FOLDER, which proves its chains, and show who takes part and what there is."""
    with Region.open(folder) as opened:
        _show(Console(), opened)


@region.command()
@click.argument("folder", type=FOLDER)
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))
def backup(folder: Path, archive: Path) -> None:
    """Write the region in FOLDER, which nobody has open, to one new file. It holds the keys: keep it like them."""
    with Region.open(folder) as opened:
        back_up(opened, folder, archive)
    click.echo(f"{folder} is backed up in {archive}")


@region.command(name="restore")
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.argument("folder", type=FOLDER)
def restore_region(archive: Path, folder: Path) -> None:
    """Make FOLDER from a backup, after checking all of it and proving its chains."""
    restore(archive, folder)
    click.echo(f"{folder} is restored from {archive}")


@region.command(name="upgrade")
@click.argument("folder", type=FOLDER)
def upgrade_region(folder: Path) -> None:
    """Bring the files of an older region in FOLDER to the form of today. Back it up before."""
    changed = upgrade(folder)
    for change in changed:
        click.echo(change)
    click.echo(f"{folder} is of today" if not changed else f"{folder} is upgraded")


def _show(console: Console, shown: Region) -> None:
    main = shown.main
    settings = main.consortium.settings()
    names = ShownNames.of(shown.spec, DEFAULT_LANGUAGE)
    console.print(f"[bold]{names.region}[/bold]: {main.market.deal_count()} deals")
    console.print(
        f"prices {format_price(settings.floor_ticks)} to {format_price(settings.cap_ticks)} yuan/kWh, "
        f"cooling-off {settings.cooling_off_seconds} s, gate closes {settings.gate_lead_seconds} s before delivery"
    )
    table = Table()
    for column in ("chain", "name", "role", "id", "blocks", "nodes", "records", "anchored"):
        table.add_column(column, justify="left" if column in {"chain", "name", "role"} else "right")
    head = main.chain.head().height
    table.add_row("main", "", "all", str(main.chain.chain_id), str(head), "", "", "")
    for name, master in shown.masters.items():
        anchor = main.anchors.last_anchor(master.membership.master_id)
        table.add_row(
            name,
            names.master(name),
            master.membership.role.name.lower(),
            str(master.slave.chain.chain_id),
            str(master.slave.chain.head().height),
            str(len(master.nodes)),
            str(master.slave.ledger.leaf_count()),
            str(anchor.leaf_count if anchor else 0),
        )
    console.print(table)
