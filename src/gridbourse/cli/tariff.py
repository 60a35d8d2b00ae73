"""`gridbourse tariff`: what a kilowatt-hour costs at the meter, part by part, and where each number comes from."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from gridbourse.cli.output import AS_JSON, Columns, print_json, show, yuan
from gridbourse.errors import InvalidValue
from gridbourse.rounding import round_half_away
from gridbourse.rules.delivered import (
    MICROYUAN_PER_TICK,
    Connection,
    DeliveredPrice,
    PricePart,
    delivered_day,
    delivered_price,
    usual_tariff,
)
from gridbourse.rules.parameters import TariffKind, VoltageLevel
from gridbourse.rules.rule_set import RuleSet, find_rule_set
from gridbourse.rules.saving import Purchase, Saving, compare_with_retail
from gridbourse.rules.tables import Provenance
from gridbourse.units import TICKS_PER_YUAN, energy_wh, format_kwh, format_price, price_ticks


@dataclass(frozen=True, slots=True)
class _Asked:
    """What both commands are asked about."""

    rules: RuleSet
    connection: Connection
    energy_ticks: int | None
    highest_level: VoltageLevel | None
    day_kinds: frozenset[str]


def _asked(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say whose price is asked for."""

    def with_options(
        rules: str,
        level: str,
        tariff_kind: str | None,
        area: str,
        energy: str | None,
        highest: str | None,
        day_kind: tuple[str, ...],
        **more: Any,
    ) -> None:
        voltage = VoltageLevel(level)
        kind = TariffKind(tariff_kind) if tariff_kind else usual_tariff(voltage)
        asked = _Asked(
            find_rule_set(rules),
            Connection(voltage, kind, area),
            price_ticks(energy) if energy else None,
            VoltageLevel(highest) if highest else None,
            frozenset(day_kind),
        )
        command(asked, **more)

    levels = click.Choice([level.value for level in VoltageLevel])
    options = (
        click.option("--rules", required=True, metavar="NAME|FOLDER", help="Set of rules, e.g. sichuan-2026."),
        click.option("--level", type=levels, required=True, help="Voltage level of the connection."),
        click.option(
            "--tariff",
            "tariff_kind",
            type=click.Choice([kind.value for kind in TariffKind]),
            help="By default two_part, and single_part below 1 kV.",
        ),
        click.option("--area", default="", help="Where it is, if the set's calendar has exceptions for it."),
        click.option("--energy", metavar="YUAN/KWH", help="Price of the energy, e.g. of an offer."),
        click.option("--highest", type=levels, help="Highest level a local trade uses: its grid fee is taken."),
        click.option("--day-kind", multiple=True, help="What kind of day it is, e.g. hot."),
    )
    decorated: Callable[..., None] = with_options
    for option in reversed(options):
        decorated = option(decorated)
    decorated.__doc__ = command.__doc__
    return decorated


@click.group()
def tariff() -> None:
    """Delivered prices by a dated set of market rules."""


@tariff.command("price")
@click.option(
    "--at",
    "moment",
    type=click.DateTime(formats=["%Y-%m-%dT%H:%M"]),
    required=True,
    metavar="YYYY-MM-DDTHH:MM",
    help="Local time of the set.",
)
@AS_JSON
@_asked
def price_at(asked: _Asked, moment: datetime, *, as_json: bool) -> None:
    """Show the delivered price of a moment with every part and its source."""
    price = _price(asked, moment)
    if as_json:
        print_json(_as_json(price))
        return
    click.echo(f"{price.moment:%Y-%m-%d %H:%M} {asked.rules.time_zone.key}, {asked.connection.level}, ", nl=False)
    click.echo(f"{asked.connection.tariff}: {price.band} (factor {float(price.factor.value):g})")
    show(price.parts, _columns(price), as_json=False)
    click.echo(f"delivered price   {_yuan(price.price_ticks)} yuan/kWh")
    if asked.energy_ticks is not None or asked.highest_level:
        retail = _price(replace(asked, energy_ticks=None, highest_level=None), moment)
        saved = Fraction(retail.microyuan_per_kwh - price.microyuan_per_kwh, MICROYUAN_PER_TICK)
        click.echo(f"retail tariff     {_yuan(retail.price_ticks)} yuan/kWh: ", nl=False)
        click.echo(f"saves {_yuan(saved)} yuan/kWh" if saved >= 0 else f"costs {_yuan(-saved)} yuan/kWh more")
    _show_monthly(asked, price)
    _show_origin(asked.rules, price)


@tariff.command("table")
@click.option(
    "--day",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    required=True,
    metavar="YYYY-MM-DD",
    help="Local day of the set.",
)
@click.option("--csv", "csv_file", type=click.Path(path_type=Path, dir_okay=False), help="Write it there as CSV.")
@AS_JSON
@_asked
def table(asked: _Asked, day: datetime, csv_file: Path | None, *, as_json: bool) -> None:
    """Show the delivered prices of a day, quarter hour by quarter hour."""
    prices = list(
        delivered_day(
            asked.rules,
            asked.connection,
            day.date(),
            energy_ticks=asked.energy_ticks,
            highest_level=asked.highest_level,
            day_kinds=asked.day_kinds,
        )
    )
    if csv_file:
        _write_csv(csv_file, prices)
        click.echo(f"{csv_file}: {len(prices)} prices by {asked.rules.version}")
    elif as_json:
        print_json([_as_json(price) for price in prices])
    else:
        show(prices, _DAY, as_json=False, title=f"{day:%Y-%m-%d}, yuan/kWh by {asked.rules.version}")


@tariff.command("saving")
@click.argument("statement", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="STATEMENT.csv")
@AS_JSON
@_asked
def saving(asked: _Asked, statement: Path, *, as_json: bool) -> None:
    """Set what a statement bought beside the retail tariff; `gridbourse statement --csv` writes the file."""
    if asked.energy_ticks is not None:
        raise InvalidValue("--energy", format_price(asked.energy_ticks), "no price: the statement has them")
    savings = compare_with_retail(
        asked.rules,
        asked.connection,
        _purchases(statement),
        highest_level=asked.highest_level,
        day_kinds=asked.day_kinds,
    )
    if as_json:
        print_json([_saving_as_json(one) for one in savings])
        return
    show(savings, _SAVINGS, as_json=False, title=f"Bought, by {asked.rules.version}")
    total, retail = (sum(money) for money in ([one.cost for one in savings], [one.retail_cost for one in savings]))
    click.echo(f"delivered {yuan(total)} yuan, by the retail tariff {yuan(retail)}: saved {yuan(retail - total)} yuan")


def _purchases(path: Path) -> Iterator[Purchase]:
    rows = csv.DictReader(path.read_text("utf-8-sig").splitlines())
    needed = ("item", "delivery_from", "side", "energy_kwh", "price_yuan_per_kwh")
    if not set(needed) <= set(rows.fieldnames or ()):
        raise InvalidValue(f"{path.name}, line 1", ",".join(rows.fieldnames or ()), f"columns {', '.join(needed)}")
    for row in rows:
        if (row["item"], row["side"]) != ("deal", "bid"):
            continue
        where = f"{path.name}, line {rows.line_num}"
        try:
            moment = datetime.fromisoformat(row["delivery_from"])
            yield Purchase(moment, energy_wh(row["energy_kwh"]), price_ticks(row["price_yuan_per_kwh"]))
        except InvalidValue as error:
            raise InvalidValue(f"{where}, {error.field}", error.value, error.remedy) from error
        except (TypeError, ValueError) as error:
            remedy = "a time with its offset, like 2026-08-03T12:15+08:00"
            raise InvalidValue(f"{where}, delivery_from", row["delivery_from"], remedy) from error


_SAVINGS: Columns[Saving] = {
    "from": lambda one: f"{one.delivered.moment:%m-%d %H:%M}",
    "band": lambda one: one.delivered.band.value,
    "kWh": lambda one: format_kwh(one.purchase.energy_wh),
    "price": lambda one: format_price(one.purchase.price_ticks),
    "delivered": lambda one: _yuan(one.delivered.price_ticks),
    "retail": lambda one: _yuan(one.retail.price_ticks),
    "saved yuan": lambda one: yuan(one.saved),
}


def _saving_as_json(one: Saving) -> dict[str, object]:
    return {
        "rules": one.delivered.rules,
        "delivery_from": one.delivered.moment.isoformat(),
        "band": one.delivered.band,
        "energy_wh": one.purchase.energy_wh,
        "price_ticks": one.purchase.price_ticks,
        "delivered_yuan_per_kwh": _yuan(one.delivered.price_ticks),
        "retail_yuan_per_kwh": _yuan(one.retail.price_ticks),
        "cost": one.cost,
        "retail_cost": one.retail_cost,
        "saved": one.saved,
    }


def _price(asked: _Asked, moment: datetime) -> DeliveredPrice:
    return delivered_price(
        asked.rules,
        asked.connection,
        moment.replace(tzinfo=asked.rules.time_zone),
        energy_ticks=asked.energy_ticks,
        highest_level=asked.highest_level,
        day_kinds=asked.day_kinds,
    )


def _show_monthly(asked: _Asked, price: DeliveredPrice) -> None:
    if asked.connection.tariff is TariffKind.TWO_PART:
        day = price.moment.date()
        demand, capacity = (
            asked.rules.parameters.get(f"{name}.{asked.connection.level}", day).published
            for name in ("demand_charge", "capacity_charge")
        )
        click.echo(f"beside it         {demand} of demand, or {capacity} of capacity")


def _columns(price: DeliveredPrice) -> Columns[PricePart]:
    return {
        "part": lambda part: part.name,
        "yuan/kWh": lambda part: _yuan(part.price_ticks),
        "factor": lambda part: f"{float(price.factor.value):g}" if part.floats else "",
        "adds": lambda part: _yuan(price.of_part(part)),
        "source": lambda part: ", ".join(dict.fromkeys(row.provenance.source for row in part.parameters)) or "given",
    }


_DAY: Columns[DeliveredPrice] = {
    "from": lambda price: f"{price.moment:%H:%M}",
    "band": lambda price: price.band.value,
    "energy": lambda price: _yuan(price.of_part(price.parts[0])),
    "loss": lambda price: _yuan(price.of_part(price.parts[1])),
    "network": lambda price: _yuan(price.of_part(price.parts[2])),
    "delivered": lambda price: _yuan(price.price_ticks),
}


def _show_origin(rules: RuleSet, price: DeliveredPrice) -> None:
    rows = [(row.name, row.provenance) for part in price.parts for row in part.parameters]
    rows += [(price.factor.name, price.factor.provenance), (f"band {price.band}", price.band_row.provenance)]
    click.echo(f"\nRules {rules.version}")
    for key in dict.fromkeys(provenance.source for _, provenance in rows):
        click.echo(f"  {key}: {rules.sources[key].title} (read in {rules.sources[key].read_in})")
    unconfirmed = [name for name, provenance in rows if not provenance.confirmed]
    if unconfirmed:
        click.secho(f"  Not confirmed by an operator: {', '.join(unconfirmed)}", fg="yellow")
    for name, provenance in rows:
        if provenance.doubt:
            click.secho(f"  Doubtful: {name}: {provenance.doubt}", fg="yellow")


def _as_json(price: DeliveredPrice) -> dict[str, object]:
    return {
        "rules": price.rules,
        "from": price.moment.isoformat(),
        "band": price.band,
        "factor": str(float(price.factor.value)),
        "yuan_per_kwh": _yuan(price.price_ticks),
        "parts": [
            {
                "part": part.name,
                "yuan_per_kwh": _yuan(part.price_ticks, 8),
                "adds_yuan_per_kwh": _yuan(price.of_part(part), 8),
                "parameters": [{"name": row.name, **_origin(row.provenance)} for row in part.parameters],
            }
            for part in price.parts
        ],
        "calendar": _origin(price.band_row.provenance),
    }


def _origin(provenance: Provenance) -> dict[str, object]:
    return {
        "source": provenance.source,
        "article": provenance.article,
        "confirmed": provenance.confirmed,
        "doubt": provenance.doubt,
    }


def _write_csv(path: Path, prices: list[DeliveredPrice]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = [part.name for part in prices[0].parts]
        writer.writerow(("delivery_from", "band", *(f"{name}_yuan_per_kwh" for name in names), "yuan_per_kwh", "rules"))
        for price in prices:
            parts = (_yuan(price.of_part(part), 8) for part in price.parts)
            moment = price.moment.isoformat(timespec="minutes")
            writer.writerow((moment, price.band, *parts, _yuan(price.price_ticks), price.rules))


def _yuan(ticks: Fraction, decimals: int = 6) -> str:
    """A price in yuan/kWh, as tariffs are published."""
    units = round_half_away(ticks * 10**decimals / TICKS_PER_YUAN)
    sign = "-" if units < 0 else ""
    whole, rest = divmod(abs(units), 10**decimals)
    return f"{sign}{whole}.{rest:0{decimals}}"
