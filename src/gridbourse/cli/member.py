"""`gridbourse member`: who takes part."""

from __future__ import annotations

import click

from gridbourse.api.chain_schema import MasterView, NodeView
from gridbourse.cli.connection import Connection, RegionTimes, connected
from gridbourse.cli.output import AS_JSON, LANGUAGE, Columns, moment, show
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
