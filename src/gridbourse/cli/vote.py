"""`gridbourse vote`: what the masters decide together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from gridbourse.chain.cometbft.folder import NodeFolder
from gridbourse.contracts.abi import Call
from gridbourse.contracts.consortium import Consortium, RegulatorKeys, ValidatorKeys
from gridbourse.contracts.votes import cast, open_votes, oppose, withdraw
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import Address, SigningKey
from gridbourse.crypto.possession import validator_statement
from gridbourse.errors import InvalidValue
from gridbourse.market.types import Role
from gridbourse.node.folder.key_rotation import RegionKeys
from gridbourse.node.folder.setup import PublicKeys
from gridbourse.node.folder.wiring import open_main_chain
from gridbourse.region.description import RegionSpec
from gridbourse.units import price_ticks

REGION = click.option(
    "--region", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the region."
)
VOTER = click.option("--as", "voter", help="Who votes, where FOLDER holds the keys of several masters.")
Action = Callable[[Consortium, RegionSpec], Call]


@click.group()
def vote() -> None:
    """Vote as a master: more than half of the active ones carry an action out."""


@vote.command(name="list")
@REGION
def list_votes(region: Path) -> None:
    """Show what is voted on: what it replaces, who is for it and against it, and until when."""
    with open_main_chain(region) as (main, spec, _):
        found = open_votes(main.consortium)
    table = Table(title="Open votes", title_justify="left")
    for column in ("id", "action", "replaces", "for", "against", "needed", "until (UTC)"):
        table.add_column(column, overflow="fold")
    for vote in found:
        sides = (", ".join(_name(spec, number) for number in side) for side in (vote.voters, vote.opponents))
        end = datetime.fromtimestamp(vote.end, UTC).strftime("%Y-%m-%d %H:%M")
        replaces = "" if vote.replaces is None else _arguments(vote.replaces)
        action = f"{vote.function}({_arguments(vote.arguments)})"
        table.add_row(vote.action_id.hex()[:8], action, replaces, *sides, str(vote.needed), end)
    Console().print(table if found else "No vote is open.")


@vote.command(name="oppose")
@click.argument("action")
@REGION
@VOTER
def oppose_action(action: str, region: Path, voter: str | None) -> None:
    """Oppose the ACTION whose id, or its beginning, `list` shows; half of the masters end a vote."""
    _say_of(region, voter, action, oppose)
    click.echo("opposed")


@vote.command(name="withdraw")
@click.argument("action")
@REGION
@VOTER
def withdraw_vote(action: str, region: Path, voter: str | None) -> None:
    """Withdraw what was said of the ACTION whose id, or its beginning, `list` shows."""
    _say_of(region, voter, action, withdraw)
    click.echo("withdrawn")


@vote.command()
@click.argument("account")
@click.argument("role", type=click.Choice([role.name.lower() for role in Role]))
@REGION
@VOTER
def admit(account: str, role: str, region: Path, voter: str | None) -> None:
    """Vote for admitting the master with an ACCOUNT, or a suspended one again."""
    try:
        address = Address(bytes.fromhex(account.removeprefix("0x")))
    except ValueError:
        address = Address(b"")
    if len(address) != 20:
        raise InvalidValue("account", account, "an address: 0x and 40 hexadecimal digits")
    _cast(region, voter, lambda consortium, _: consortium.admit(address, Role[role.upper()]))


@vote.command()
@click.argument("master")
@REGION
@VOTER
def suspend(master: str, region: Path, voter: str | None) -> None:
    """Vote for suspending a MASTER, given by its name or number."""
    _cast(region, voter, lambda consortium, spec: consortium.suspend(_number(spec, master)))


@vote.command()
@click.argument("master")
@REGION
@VOTER
def agent(master: str, region: Path, voter: str | None) -> None:
    """Vote for making a MASTER, given by its name or number, the settlement agent."""
    _cast(region, voter, lambda consortium, spec: consortium.change_settlement_agent(_number(spec, master)))


@vote.command()
@click.argument("public", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@REGION
@VOTER
def regulator(public: Path, region: Path, voter: str | None) -> None:
    """Vote for the regulator's next keys, which it handed in as a file of PUBLIC ones."""
    keys = PublicKeys.read(public)
    named = RegulatorKeys(keys.address, keys.encryption_public)
    _cast(region, voter, lambda consortium, _: consortium.change_regulator(named))


@vote.command()
@click.option("--cooling-off-seconds", type=click.IntRange(0, 2**32 - 1), help="Time to confirm a deal.")
@click.option("--floor", help="Lowest price of an order, in yuan/kWh.")
@click.option("--cap", help="Highest price of an order, in yuan/kWh.")
@click.option("--gate-lead-seconds", type=click.IntRange(0, 2**32 - 1), help="From gate closure to delivery.")
@click.option("--max-candidates", type=click.IntRange(1, 2**16 - 1), help="Resting orders one search looks at.")
@click.option(
    "--trading-role",
    "roles",
    multiple=True,
    type=click.Choice([role.name.lower() for role in Role]),
    help="A role whose users may trade; may be repeated.",
)
@click.option("--fallback", help="What energy is worth in a period without deals, in yuan/kWh.")
@click.option("--incentive-permille", type=click.IntRange(0, 1_000), help="Part of the imbalance price.")
@click.option("--metering-due-seconds", type=click.IntRange(0, 2**32 - 1), help="From a day's end to its metered sums.")
@click.option(
    "--apart-seconds", type=click.IntRange(0, 2**32 - 1), help="So long an order is kept from who let it down."
)
@click.option("--least-wh", type=click.IntRange(1, 2**16 - 1), help="Least energy of a new order.")
@click.option("--bid-multiple", type=click.IntRange(1, 2**8 - 1), help="A bid is worth so many times the free money.")
@REGION
@VOTER
def settings(
    cooling_off_seconds: int | None,
    floor: str | None,
    cap: str | None,
    gate_lead_seconds: int | None,
    max_candidates: int | None,
    roles: tuple[str, ...],
    fallback: str | None,
    incentive_permille: int | None,
    metering_due_seconds: int | None,
    apart_seconds: int | None,
    least_wh: int | None,
    bid_multiple: int | None,
    region: Path,
    voter: str | None,
) -> None:
    """Vote for other market settings; what is not named stays as it is now."""
    wanted: dict[str, Any] = {
        "cooling_off_seconds": cooling_off_seconds,
        "floor_ticks": price_ticks(floor) if floor else None,
        "cap_ticks": price_ticks(cap) if cap else None,
        "gate_lead_seconds": gate_lead_seconds,
        "max_candidates": max_candidates,
        "trading_roles": frozenset(Role[name.upper()] for name in roles) if roles else None,
        "fallback_ticks": price_ticks(fallback) if fallback else None,
        "incentive_permille": incentive_permille,
        "metering_due_seconds": metering_due_seconds,
        "apart_seconds": apart_seconds,
        "least_wh": least_wh,
        "bid_multiple": bid_multiple,
    }
    changes = {name: value for name, value in wanted.items() if value is not None}
    if not changes:
        raise InvalidValue("settings", "nothing", "at least one setting that is to be another")
    _cast(region, voter, lambda consortium, _: consortium.change_settings(replace(consortium.settings(), **changes)))


@vote.command()
@click.argument("node", type=click.Path(path_type=Path, exists=True, file_okay=False))
@REGION
@VOTER
def validator(node: Path, region: Path, voter: str | None) -> None:
    """Register the validator whose keys lie in the folder NODE: it votes on blocks for its master from now on."""
    folder = NodeFolder(node)
    made = folder.public_keys()
    with open_main_chain(region) as (main, spec, keys):
        key, consortium = keys.masters.load_master(_voter(spec, keys, voter)).node.signing, main.consortium
        master_id = consortium.active_master_id(key.address)
        statement = validator_statement(main.chain.chain_id, consortium.address, master_id, made.node_id)
        proof = folder.sign(statement)
        registration = consortium.register_validator(ValidatorKeys(made.public_key, made.node_id), proof)
        Wallet(main.chain, key).send(registration)
    click.echo("registered; it votes two blocks later")


def _cast(folder: Path, voter: str | None, action: Action) -> None:
    with open_main_chain(folder) as (main, spec, keys):
        key = keys.masters.load_master(_voter(spec, keys, voter)).node.signing
        carried = cast(main.consortium, key, action(main.consortium, spec))
    click.echo("carried out" if carried else "voted; it is not carried out yet")


def _say_of(folder: Path, voter: str | None, action: str, say: Callable[[Consortium, SigningKey, bytes], None]) -> None:
    with open_main_chain(folder) as (main, spec, keys):
        key = keys.masters.load_master(_voter(spec, keys, voter)).node.signing
        meant = [found for found in main.consortium.open_actions() if found.hex().startswith(action.lower())]
        if len(meant) != 1:
            raise InvalidValue(
                "action", action, "the id of one action that is voted on, as `gridbourse vote list` shows"
            )
        say(main.consortium, key, meant[0])


def _voter(spec: RegionSpec, keys: RegionKeys, voter: str | None) -> str:
    own = [master.name for master in spec.masters if keys.masters.holds(master.name)]
    if voter is None and len(own) == 1:
        return own[0]
    if voter not in own:
        raise InvalidValue("--as", voter, f"one whose keys lie in the folder: {', '.join(own) or 'there is none'}")
    return voter


def _number(spec: RegionSpec, master: str) -> int:
    names = [own.name for own in spec.masters]
    if master in names:
        return names.index(master) + 1
    if not master.isdigit():
        raise InvalidValue("master", master, f"a master's number, or one of {', '.join(names)}")
    return int(master)


def _name(spec: RegionSpec, number: int) -> str:
    return spec.masters[number - 1].name if number <= len(spec.masters) else f"number {number}"


def _arguments(arguments: tuple[object, ...]) -> str:
    return ", ".join(_text(argument) for argument in arguments)


def _text(argument: object) -> str:
    return f"0x{argument.hex()}" if isinstance(argument, bytes) else str(argument)
