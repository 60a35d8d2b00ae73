"""`gridbourse community`: what a community generated, and who used it."""

from __future__ import annotations

import click

from gridbourse.api.billing_schema import Community, SharedEnergy
from gridbourse.cli.connection import Connection, connected
from gridbourse.cli.month import month_given
from gridbourse.cli.output import AS_JSON, Columns, kwh, show, show_one
from gridbourse.client import billing

_MEMBERS: Columns[SharedEnergy] = {
    "node": lambda one: one.node_id,
    "drawn kWh": lambda one: kwh(one.drawn_wh),
    "from the community kWh": lambda one: kwh(one.shared_wh),
}
_COMMUNITIES: Columns[Community] = {
    "community": lambda one: one.name,
    "master": lambda one: one.master,
    "key": lambda one: one.key,
    "plants": lambda one: ", ".join(one.plants),
}


@click.command()
@click.argument("name", required=False)
@click.option(
    "--month",
    "month_text",
    metavar="YYYY-MM",
    callback=month_given,
    help="Which month; without it and NAME, the communities are listed.",
)
@AS_JSON
@connected
def community(connection: Connection, name: str | None, month_text: str | None, *, as_json: bool) -> None:
    """Show what the community NAME generated in a month and who used it, quarter hour by quarter hour summed up."""
    if name is None and month_text is not None:
        raise click.UsageError("NAME says which community")
    if name is None:
        show(connection.send(billing.communities()), _COMMUNITIES, as_json=as_json)
        return
    if month_text is None:
        raise click.UsageError("--month says which month")
    found = connection.send(billing.community_month(name, month_text))
    if not as_json:
        show(found.members, _MEMBERS, as_json=False, title=f"{name}, {month_text}, {found.community.key} key")
    sums = {
        "generated": f"{kwh(found.generated_wh)} kWh",
        "shared": f"{kwh(found.shared_wh)} kWh",
        "to the grid": f"{kwh(found.to_grid_wh)} kWh",
        **{
            test.name.replace("_", " "): f"{test.share_permille / 10} %, limit {test.limit_permille / 10} %: "
            f"{'passed' if test.passed else 'not passed'}"
            for test in found.local_use
        },
    }
    if found.open_periods:
        sums["open periods"] = f"{found.open_periods}: a reading is missing or in doubt"
    show_one(found, sums, as_json=as_json)
