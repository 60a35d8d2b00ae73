"""`gridbourse member`: who takes part."""

from __future__ import annotations

import click

from gridbourse.api.chain_schema import AssetRow, AssetsView, MasterView, NodeView
from gridbourse.cli.connection import Connection, RegionTimes, connected
from gridbourse.cli.output import AS_JSON, LANGUAGE, Columns, kwh, moment, show
from gridbourse.client import chains
from gridbourse.text import Language


@click.group()
def member() -> None:
    """See who takes part: masters and function nodes."""


@member.command(name="list")
@LANGUAGE
@AS_JSON
@connected
def list_masters(connection: Connection, language: Language, *, as_json: bool) -> None:
    """List the masters."""
    columns: Columns[MasterView] = {
        "master": lambda found: found.name,
        "name": lambda found: found.display_name.read(language, found.name),
        "role": lambda found: found.role,
        "status": lambda found: "active" if found.is_active else "suspended",
        "nodes": lambda found: found.node_count,
        "last anchor": lambda found: moment(found.last_anchor_at),
        "not anchored": lambda found: found.unanchored_records,
    }
    show(connection.send(chains.masters()), columns, times=RegionTimes(connection), as_json=as_json)


@member.command()
@AS_JSON
@connected
def assets(connection: Connection, *, as_json: bool) -> None:
    """List what each master has to trade, as it published it to all masters."""
    found = connection.send(chains.assets())
    if as_json:
        show(found, {}, times=RegionTimes(connection), as_json=True)
        return
    columns: Columns[tuple[AssetsView, AssetRow]] = {
        "master": lambda pair: pair[0].master,
        "kind": lambda pair: pair[1].kind,
        "zone": lambda pair: pair[1].zone,
        "nodes": lambda pair: pair[1].node_count,
        "kW": lambda pair: kwh(pair[1].capacity_w),
        "block": lambda pair: pair[0].height,
    }
    pairs = [(published, row) for published in found for row in published.rows]
    show(pairs, columns, times=RegionTimes(connection), as_json=False)


@member.command()
@LANGUAGE
@AS_JSON
@connected
def nodes(connection: Connection, language: Language, *, as_json: bool) -> None:
    """List the function nodes that are yours, or below you."""
    columns: Columns[NodeView] = {
        "node": lambda found: found.node_id,
        "name": lambda found: found.display_name.read(language, found.node_id),
        "master": lambda found: found.master,
        "kind": lambda found: found.kind,
        "location": lambda found: found.location,
        "orders": lambda found: found.order_count,
        "deals": lambda found: found.deal_count,
    }
    show(connection.send(chains.nodes()), columns, times=RegionTimes(connection), as_json=as_json)
