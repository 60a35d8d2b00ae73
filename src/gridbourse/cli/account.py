"""`gridbourse account`, `gridbourse token`, `gridbourse deposit`: who may sign in, and who has paid."""

from __future__ import annotations

import click

from gridbourse.api.schema import Account, Deposit, Token
from gridbourse.cli.connection import Connection, RegionTimes, connected
from gridbourse.cli.output import AS_JSON, Columns, moment, print_json, read_day, show, yuan
from gridbourse.client import orders, session
from gridbourse.crypto.keys import keccak256
from gridbourse.delivery import date_text
from gridbourse.service.rights import Scope
from gridbourse.units import money_units

_ACCOUNTS: Columns[Account] = {
    "account": lambda account: account.name,
    "speaks for": lambda account: account.subject,
    "since": lambda account: moment(account.created_at),
}
_TOKENS: Columns[Token] = {
    "id": lambda token: token.token_id,
    "name": lambda token: token.name,
    "scopes": lambda token: ", ".join(token.scopes),
    "until": lambda token: moment(token.expires_at),
}
_DEPOSITS: Columns[Deposit] = {
    "node": lambda deposit: deposit.node_id,
    "day": lambda deposit: date_text(deposit.day),
    "free yuan": lambda deposit: yuan(deposit.free_money),
    "held yuan": lambda deposit: yuan(deposit.held_money),
}


@click.group()
def account() -> None:
    """Keep accounts of a master's nodes."""


@account.command()
@click.argument("name")
@click.argument("node")
@click.password_option(help="First password; asked for if not given.")
@connected
def create(connection: Connection, name: str, node: str, password: str) -> None:
    """Open an account NAME for the function node NODE; its keys are kept in it under the password."""
    made = connection.send(session.open_account(name, node, password))
    click.echo(f"{made.name} speaks for {made.subject}")


@account.command(name="list")
@AS_JSON
@connected
def list_accounts(connection: Connection, *, as_json: bool) -> None:
    """List the accounts of a master's nodes."""
    show(connection.send(session.accounts()), _ACCOUNTS, times=RegionTimes(connection), as_json=as_json)


@account.command(name="close")
@click.argument("name")
@connected
def close_account(connection: Connection, name: str) -> None:
    """Close an account; its sessions end."""
    connection.send(session.close_account(name))
    click.echo(f"{name} is closed")


@click.group()
def token() -> None:
    """Make and revoke API tokens."""


@token.command(name="create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    default=("read",),
    show_default=True,
    help="What it may be used for; may be repeated.",
)
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="How long it is good.")
@click.option("--account", "account_name", help="Sign in to this account first, instead of with a token.")
@AS_JSON
@connected
def create_token(
    connection: Connection, name: str, scopes: tuple[str, ...], days: int, account_name: str | None, *, as_json: bool
) -> None:
    """Make an API token NAME. Its secret is printed this once."""
    if account_name is not None:
        password = click.prompt("Password", hide_input=True, err=True)
        connection.send(session.sign_in_with_password(account_name, password))
    made = connection.send(session.create_token(name, scopes, days * 86_400))
    if account_name is not None:
        connection.send(session.sign_out())
    if as_json:
        print_json({"token_id": made.token.token_id, "secret": made.secret, "expires_at": made.token.expires_at})
    else:
        click.echo(made.secret)


@token.command(name="list")
@AS_JSON
@connected
def list_tokens(connection: Connection, *, as_json: bool) -> None:
    """List your API tokens."""
    show(connection.send(session.tokens()), _TOKENS, times=RegionTimes(connection), as_json=as_json)


@token.command(name="revoke")
@click.argument("token_id")
@connected
def revoke_token(connection: Connection, token_id: str) -> None:
    """Revoke an API token, at once."""
    connection.send(session.revoke_token(token_id))
    click.echo(f"{token_id} is revoked")


@click.group()
def deposit() -> None:
    """Credit and show deposits."""


@deposit.command(name="list")
@AS_JSON
@connected
def list_deposits(connection: Connection, *, as_json: bool) -> None:
    """List the money of your nodes, by delivery day."""
    show(connection.send(orders.deposits()), _DEPOSITS, times=RegionTimes(connection), as_json=as_json)


@deposit.command()
@click.argument("node")
@click.argument("amount")
@click.option(
    "--day", callback=read_day, metavar="YYYY-MM-DD", required=True, help="Delivery day, by the region's calendar."
)
@click.option("--reference", required=True, help="Of the payment; repeated under it, a credit counts once.")
@connected
def credit(connection: Connection, node: str, amount: str, day: int, reference: str) -> None:
    """As settlement agent: credit NODE with AMOUNT yuan that were received, for trading on a delivery day."""
    connection.send(orders.credit({node: money_units(amount)}, day, keccak256(reference.encode())))
    click.echo(f"{node} is credited with {amount} yuan")
