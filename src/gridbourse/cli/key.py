"""`gridbourse key`: rotate and revoke the keys of a region's nodes."""

from __future__ import annotations

from pathlib import Path

import click

from gridbourse.node.region import Region

REGION = click.option(
    "--region", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the region."
)


@click.group()
def key() -> None:
    """Rotate and revoke keys."""


@key.command()
@click.argument("name")
@REGION
def rotate(name: str, region: Path) -> None:
    """Give NAME new keys: a function node, a master, MASTER/encryption, or "regulator". Old records stay readable."""
    with Region.open(region) as opened:
        opened.rotate_keys(name)
    click.echo(f"{name} has new keys")


@key.command()
@click.argument("node")
@REGION
def revoke(node: str, region: Path) -> None:
    """Revoke a function NODE: it writes no more, and its waiting orders are withdrawn. Its records stay readable."""
    with Region.open(region) as opened:
        opened.revoke_node(node)
    click.echo(f"{node} is revoked")
