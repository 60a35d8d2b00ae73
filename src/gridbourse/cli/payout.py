"""`gridbourse payout`: money that goes out, from a user's wish to the bank's confirmation."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from gridbourse.api.payout_schema import PayoutEntry, PayoutState, PurseEntry
from gridbourse.cli.connection import Connection, RegionTimes, connected
from gridbourse.cli.output import AS_JSON, Columns, print_json, show, yuan
from gridbourse.client import payouts
from gridbourse.delivery import date_text
from gridbourse.files.reading import judge, read_lines, write_refused
from gridbourse.files.writing import write_private_csv
from gridbourse.node.jobs.money.payout_files import CONFIRMATION_FIELDS, PAYOUT_FIELDS, read_confirmation
from gridbourse.units import format_yuan, money_units

_PAYOUTS: Columns[PayoutEntry] = {
    "node": lambda own: own.node_id,
    "yuan": lambda own: yuan(own.money),
    "to": lambda own: own.payee,
    "": lambda own: "above that, every day" if own.standing and own.reference is None else "",
    "after": lambda own: date_text(own.day) if own.day else "",
    "state": lambda own: own.state,
    "reference": lambda own: own.reference,
}
_PURSES: Columns[PurseEntry] = {"node": lambda own: own.node_id, "in the purse, yuan": lambda own: yuan(own.money)}
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def payout() -> None:
    """Have money paid out, and see what came of it."""


@payout.command()
@click.argument("amount")
@click.argument("payee")
@connected
def request(connection: Connection, amount: str, payee: str) -> None:
    """Have AMOUNT yuan of your node's money paid once to PAYEE, name and number of a bank account."""
    connection.send(payouts.request(money_units(amount), payee))
    click.echo(f"{amount} yuan are to be paid to {payee}")


@payout.command()
@click.argument("amount")
@click.argument("payee", default="")
@connected
def standing(connection: Connection, amount: str, payee: str) -> None:
    """Have what is above AMOUNT yuan paid to PAYEE after every delivery day; without PAYEE, end that."""
    connection.send(payouts.request(money_units(amount), payee, standing=True))
    click.echo(f"what is above {amount} yuan is paid to {payee} every day" if payee else "nothing is paid by itself")


@payout.command(name="list")
@AS_JSON
@connected
def list_payouts(connection: Connection, *, as_json: bool) -> None:
    """List payouts of your nodes, and what they have in their master's purse."""
    found, times = connection.send(payouts.payouts()), RegionTimes(connection)
    if not as_json:
        show(found.payouts, _PAYOUTS, times=times, as_json=False)
        show(found.purses, _PURSES, times=times, as_json=False)
        return
    print_json({name: [asdict(own) for own in getattr(found, name)] for name in ("payouts", "purses")})


@payout.command(name="file")
@click.argument("file", type=_FILE)
@connected
def write_file(connection: Connection, file: Path) -> None:
    """As settlement agent: write to FILE what the bank is to pay and has not confirmed, a CSV file.

    It may be handed in as often as one likes: the bank pays each reference once.
    """
    sent = [own for own in connection.send(payouts.payouts()).payouts if own.state == PayoutState.SENT]
    write_private_csv(file, PAYOUT_FIELDS, [(own.reference, own.payee, format_yuan(own.money)) for own in sent])
    click.echo(f"{len(sent)} payouts for the bank are in {file}")


@payout.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@connected
def confirm(connection: Connection, file: Path) -> None:
    """As settlement agent: take what the bank did from FILE, a CSV file with reference and state, paid or returned.

    It may be handed in again. Lines that cannot be read are told in a file beside it.
    """
    lines, refused = read_lines(file, CONFIRMATION_FIELDS)
    confirmations, wrong = judge(lines, read_confirmation)
    for _, (reference, paid) in confirmations:
        connection.send(payouts.confirm(reference.hex(), paid=paid))
    write_refused(file, [*refused, *wrong])
    click.echo(f"{len(confirmations)} confirmations were taken, {len(refused) + len(wrong)} lines refused")
