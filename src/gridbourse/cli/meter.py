"""`gridbourse meter`: smart meters, what they counted, and what nodes offered by themselves because of it."""

from __future__ import annotations

from typing import IO

import click

from gridbourse.api.meter_schema import AutomaticOffer, MeterView, PeriodReading
from gridbourse.api.schema import Order
from gridbourse.cli.connection import Connection, RegionTimes, connected
from gridbourse.cli.output import AS_JSON, Columns, kwh, moment, period, price, read_day, show
from gridbourse.client import meters
from gridbourse.crypto.keys import Address
from gridbourse.errors import InvalidValue
from gridbourse.metering.reading import READING_BYTES, SignedReading
from gridbourse.units import energy_wh

READINGS_PER_REQUEST = 500

_METERS: Columns[MeterView] = {
    "node": lambda found: found.node_id,
    "meter": lambda found: found.meter,
    "kW": lambda found: kwh(found.limit_w),
    "readings": lambda found: found.reading_count,
    "missing": lambda found: found.missing_count,
    "heard": lambda found: moment(found.heard_at),
    "": lambda found: ", ".join(
        word
        for word, holds in (
            ("exchanged", not found.is_current),
            ("SILENT", found.is_silent),
            ("simulated", found.is_simulated),
        )
        if holds
    ),
}
_READINGS: Columns[PeriodReading] = {
    "delivery": lambda found: period(found.period),
    "drawn kWh": lambda found: _signed(found.imported_wh),
    "fed in kWh": lambda found: _signed(found.exported_wh),
    "surplus kWh": lambda found: _signed(found.surplus_wh),
    "expected kWh": lambda found: _signed(found.expected_wh),
    "error kWh": lambda found: _signed(found.expected_error_wh),
}
_OFFERS: Columns[AutomaticOffer] = {
    "delivery": lambda found: period(found.period),
    "outcome": lambda found: found.outcome,
    "expected kWh": lambda found: _signed(found.expected_wh),
    "order": lambda found: _order(found.order),
    "status": lambda found: found.order.status if found.order else None,
}


_DAY = click.option(
    "--day",
    callback=read_day,
    metavar="YYYY-MM-DD",
    help="Delivery day, by the region's calendar; by default today, and what is traded next.",
)


@click.group()
def meter() -> None:
    """Smart meters: enter them, hand in readings, see what they counted and what was offered because of it."""


@meter.command(name="list")
@AS_JSON
@connected
def list_meters(connection: Connection, *, as_json: bool) -> None:
    """List the meters of your nodes and when each was heard last."""
    show(connection.send(meters.meters()), _METERS, times=RegionTimes(connection), as_json=as_json)


@meter.command()
@click.argument("node_id", metavar="NODE")
@click.argument("address")
@click.option("--limit-kw", required=True, help="The most that the connection carries, in kW.")
@connected
def register(connection: Connection, node_id: str, address: str, limit_kw: str) -> None:
    """As master, enter the meter at the connection of NODE: the ADDRESS of the meter's key, 0x and 40 digits."""
    connection.send(meters.register(node_id, _address(address), _watts(limit_kw)))
    click.echo(f"{address} is the meter of {node_id}")


@meter.command()
@click.argument("file", type=click.File("rb"))
@connected
def send(connection: Connection, file: IO[bytes]) -> None:
    """Hand in the signed readings in FILE, 117 bytes each, one behind the other; - for standard input.

    They may be handed in again: each is taken once.
    """
    content = file.read()
    if not content or len(content) % READING_BYTES:
        raise InvalidValue("file", f"{len(content)} bytes", f"readings of {READING_BYTES} bytes each")
    signed = [
        SignedReading.from_bytes(content[at : at + READING_BYTES]) for at in range(0, len(content), READING_BYTES)
    ]
    accepted = repeated = 0
    for start in range(0, len(signed), READINGS_PER_REQUEST):
        receipt = connection.send(meters.hand_in(signed[start : start + READINGS_PER_REQUEST]))
        accepted, repeated = accepted + receipt.accepted, repeated + receipt.repeated
    click.echo(f"{accepted} readings were taken, {repeated} had been taken before")


@meter.command()
@click.argument("node_id", metavar="NODE")
@_DAY
@AS_JSON
@connected
def readings(connection: Connection, node_id: str, day: int | None, *, as_json: bool) -> None:
    """List what the meter of NODE counted on a day, by delivery period, and what it lets expect of the next ones."""
    found = [one for each in _days(connection, day) for one in connection.send(meters.readings(node_id, each))]
    show(found, _READINGS, times=RegionTimes(connection), as_json=as_json)


@meter.command()
@click.argument("node_id", metavar="NODE")
@_DAY
@AS_JSON
@connected
def offers(connection: Connection, node_id: str, day: int | None, *, as_json: bool) -> None:
    """List what NODE offered by itself on a day, and why nothing where it offered nothing."""
    found = [one for each in _days(connection, day) for one in connection.send(meters.automatic_offers(node_id, each))]
    show(found, _OFFERS, times=RegionTimes(connection), as_json=as_json)


def _days(connection: Connection, day: int | None) -> list[int]:
    """The day that was named, or today with what is traded next, which may be tomorrow's."""
    if day is not None:
        return [day]
    today = RegionTimes(connection).today
    return [today, today + 1]


def _signed(energy: int | None) -> str | None:
    return None if energy is None else kwh(energy)


def _order(order: Order | None) -> str | None:
    return f"{order.side} {kwh(order.energy_wh)} kWh at {price(order.price_ticks)}" if order else None


def _address(text: str) -> Address:
    try:
        octets = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        octets = b""
    if len(octets) != 20:
        raise InvalidValue("address", text, "the address of the meter's key: 0x and 40 hexadecimal digits")
    return Address(octets)


def _watts(kilowatts: str) -> int:
    try:
        return energy_wh(kilowatts)  # a thousand of the one are one of the other, too
    except InvalidValue as error:
        raise InvalidValue("limit_kw", kilowatts, "a power in kW with at most 3 decimals") from error
