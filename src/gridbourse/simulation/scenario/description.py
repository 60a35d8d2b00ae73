"""What one folder says about an experiment.

::

    scenario.toml       what is run: when, by which mechanism, strategies, tariff, seed
    region.toml         the region: masters, market settings, zones and lines, as any region's (docs/region.md)
    participants.csv    who takes part, with which profiles, limits and strategies
    profiles.csv        generation and load by local time, where participants name its columns
    orders.csv          orders as they come, instead of profiles
    *.py                strategies of one's own
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

from gridbourse.errors import InvalidValue
from gridbourse.grid.dispatch import Line, PowerNetwork
from gridbourse.market.auction import Rationing, TieRule
from gridbourse.market.types import EnergyType
from gridbourse.region.description import RegionSpec
from gridbourse.region.description_file import read_region
from gridbourse.simulation.scenario import profiles as profile_files
from gridbourse.simulation.scenario import wants as want_files
from gridbourse.simulation.scenario.participants import FILE as PARTICIPANTS_FILE
from gridbourse.simulation.scenario.participants import Participant, read_participants
from gridbourse.simulation.scenario.profiles import (
    ProfileBook,
    ProfileTable,
    periods_that_begin,
    read_profiles,
    require_covered,
)
from gridbourse.simulation.scenario.strategies import STRATEGIES, StrategySpec, strategy_class
from gridbourse.simulation.scenario.tariff import Tariff, read_tariff
from gridbourse.simulation.scenario.toml_file import Fields, TomlFile
from gridbourse.simulation.scenario.values import AUCTIONS, ON_CHAINS, Level, Mechanism, Want
from gridbourse.simulation.scenario.wants import RandomWants
from gridbourse.units import MAX_ENERGY_WH, PERIODS_IN_24_HOURS, energy_wh, money_units

FILE = "scenario.toml"
REGION_FILE = "region.toml"
MAX_PERIODS = 400 * PERIODS_IN_24_HOURS

FOUR_MECHANISMS = (Mechanism.SEQUENTIAL, Mechanism.CONTINUOUS, Mechanism.UNIFORM, Mechanism.MID_PRICE)


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """What a sweep varies.

    Parameters
    ----------
    seeds
        How many, from the scenario's own on.
    axes
        By dotted field of scenario.toml, e.g. ``"market.mechanism"``: its values.
    """

    seeds: int
    axes: Mapping[str, Sequence[object]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """An experiment, ready to run.

    Parameters
    ----------
    folder, title
        Where it is described, and what figures call it.
    region
        The region, with all participants below their masters.
    participants
        Who trades.
    flows_wh
        By participant with a profile: generation and load of each period.
    wants
        What is offered, in the order of the periods; of one period, in the order of arrival or of participants.csv.
    is_ordered
        Whether `wants` of a period come in their order; otherwise chance decides who is first.
    periods
        Delivery periods.
    seed
        Of everything drawn.
    level, mechanism
        How it is run.
    is_audited
        Whether the regulator audits the chains at the end of a run.
    tie_rule, rationing
        Of call auctions.
    deposit
        What everybody has to trade with, in 1e-7 yuan.
    strategies, default_strategy
        By name, and whose name stands for none.
    tariff
        What energy costs beside the market; None leaves costs unmeasured.
    carbon_g_per_kwh
        Of energy that is not matched with the region's own renewable energy; None leaves carbon unmeasured.
    loss_permille
        Losses of every line, by what flows through it.
    compared
        The mechanisms of a comparison.
    sweep
        What a sweep varies.
    """

    folder: Path
    title: str
    region: RegionSpec
    participants: tuple[Participant, ...]
    flows_wh: Mapping[str, Sequence[tuple[int, int]]]
    wants: tuple[Want, ...]
    is_ordered: bool
    periods: range
    seed: int
    level: Level
    mechanism: Mechanism
    is_audited: bool
    tie_rule: TieRule
    rationing: Rationing
    deposit: int
    strategies: Mapping[str, StrategySpec]
    default_strategy: str
    tariff: Tariff | None
    carbon_g_per_kwh: Fraction | None
    loss_permille: int
    compared: tuple[Mechanism, ...]
    sweep: SweepSpec

    @property
    def zone(self) -> ZoneInfo:
        """The region's local time."""
        return ZoneInfo(self.region.time_zone)

    @property
    def network(self) -> PowerNetwork | None:
        """Its zones and lines, if it has any."""
        grid = self.region.grid
        if not grid.zones:
            return None
        lines = [Line(own.name, own.from_zone, own.to_zone, own.limit_wh, own.reactance_milliohm) for own in grid.lines]
        return PowerNetwork(grid.zones, lines)


def load_scenario(folder: Path, overrides: Mapping[str, object] | None = None) -> Scenario:
    """Read a scenario.

    Parameters
    ----------
    folder
        With the files named above. Python files that strategies name are run.
    overrides
        By dotted field of scenario.toml: what takes its place, e.g. ``{"market.mechanism": "uniform", "seed": 2}``.

    Raises
    ------
    InvalidValue
        Something is missing or wrong; names file, line, field and remedy.
    """
    if not (folder / FILE).is_file():
        remedy = f"a folder with a file {FILE}; `gridbourse scenario init FOLDER` makes one"
        raise InvalidValue("scenario", str(folder), remedy)
    file = TomlFile(folder / FILE, overrides)
    root = file.root
    bare = _read_region(folder)
    zone = ZoneInfo(bare.time_zone)
    periods = _periods(root, zone)
    strategies = _strategies(folder, root)
    default = root.take("strategy", str, "truthful")
    if default not in strategies:
        raise root.wrong("strategy", default, "one of " + ", ".join(strategies))
    table = _profile_table(folder, zone)
    book = ProfileBook(table, periods, zone)
    participants = read_participants(folder / PARTICIPANTS_FILE, bare, book.names(), list(strategies))
    if table and any(name in table.columns for one in participants for name in (one.generation, one.load)):
        require_covered(table, periods)
    seed = root.integer("seed", 0, 2**63 - 1, 1)
    drawn = _random_wants(root.table("random_orders")) if "random_orders" in root else None
    wants = _wants(folder, drawn, participants, (bare, periods, zone, seed))
    flows_wh = want_files.flows(participants, book, periods)
    if not wants:
        wants = tuple(want_files.wants_of_profiles(participants, flows_wh, periods))
    market = root.table("market")
    scenario = Scenario(
        folder=folder,
        title=root.take("title", str, folder.name),
        region=_with_participants(bare, participants),
        participants=participants,
        flows_wh=flows_wh,
        wants=tuple(sorted(wants, key=lambda want: want.period)),
        is_ordered=(folder / want_files.FILE).is_file(),
        periods=periods,
        seed=seed,
        level=root.choice("level", Level, Level.MARKET),
        mechanism=market.choice("mechanism", Mechanism, Mechanism.CONTINUOUS),
        is_audited=root.take("audit", bool, default=True),
        tie_rule=market.choice("tie_rule", TieRule, TieRule.MIDDLE),
        rationing=market.choice("rationing", Rationing, Rationing.PRO_RATA),
        deposit=_money(market, "deposit_yuan", "1000000"),
        strategies=strategies,
        default_strategy=default,
        tariff=read_tariff(root.table("tariff")) if "tariff" in root else None,
        carbon_g_per_kwh=_carbon(root.table("carbon")) if "carbon" in root else None,
        loss_permille=_loss(root.table("grid")),
        compared=_compared(root.table("compare")),
        sweep=_sweep(root.table("sweep")),
    )
    market.require_empty()
    root.require_empty()
    _require_consistent(scenario, file)
    return scenario


def _require_consistent(scenario: Scenario, file: TomlFile) -> None:
    if not scenario.wants:
        remedy = f"a participant with generation or load, a file {want_files.FILE}, or a table [random_orders]"
        raise InvalidValue(FILE, "nothing to trade", remedy)
    if scenario.level is not Level.MARKET and scenario.mechanism not in ON_CHAINS:
        remedy = f"one of {', '.join(ON_CHAINS)} at level {scenario.level}, or the level {Level.MARKET}"
        raise InvalidValue(file.where("market.mechanism"), str(scenario.mechanism), remedy)
    if scenario.network is not None and scenario.mechanism in AUCTIONS:
        remedy = f"one of {', '.join(ON_CHAINS)}: a call auction knows no zones; or take [grid] out of {REGION_FILE}"
        raise InvalidValue(file.where("market.mechanism"), str(scenario.mechanism), remedy)
    settings = scenario.region.settings
    for want in scenario.wants:
        if not settings.floor_ticks <= want.limit_ticks <= settings.cap_ticks:
            remedy = (
                f"limits from {settings.floor_ticks / 10_000} to {settings.cap_ticks / 10_000}, as {REGION_FILE} says"
            )
            raise InvalidValue(f"limit of {want.participant}", want.limit_ticks / 10_000, f"{remedy}, in yuan/kWh")
    if scenario.tariff:
        scenario.tariff.require_covered(scenario.periods)
    for spec in scenario.strategies.values():
        spec.make(0, "")


def _read_region(folder: Path) -> RegionSpec:
    path = folder / REGION_FILE
    if not path.is_file():
        raise InvalidValue(
            REGION_FILE, "missing", "a region's file beside scenario.toml, as docs/region.md explains it"
        )
    try:
        return read_region(path)
    except InvalidValue as error:
        where = REGION_FILE if error.field == "region file" else TomlFile(path).where(error.field)
        raise InvalidValue(where, error.value, error.remedy) from error


def _with_participants(region: RegionSpec, participants: Sequence[Participant]) -> RegionSpec:
    masters = (
        replace(
            master,
            nodes=(*master.nodes, *(one.node for one in participants if one.master == master.name)),
        )
        for master in region.masters
    )
    try:
        return replace(region, masters=tuple(masters))
    except InvalidValue as error:
        raise InvalidValue(
            f"{PARTICIPANTS_FILE} with {REGION_FILE}, {error.field}", error.value, error.remedy
        ) from error


def _periods(root: Fields, zone: ZoneInfo) -> range:
    text = root.take("start", str)
    try:
        local = datetime.fromisoformat(text)
    except ValueError as error:
        raise root.wrong("start", text, "a local time like 2026-08-03T00:00, in quotes") from error
    begins = [] if local.tzinfo else periods_that_begin(local, zone)
    if not begins:
        remedy = "a local time at a quarter of an hour from 1971 to 9000 that clocks show, without an offset"
        raise root.wrong("start", text, remedy)
    first = begins[0]
    return range(first, first + root.integer("periods", 1, MAX_PERIODS, PERIODS_IN_24_HOURS))


def _strategies(folder: Path, root: Fields) -> dict[str, StrategySpec]:
    found = {name: StrategySpec(name, kind, {}) for name, kind in STRATEGIES.items() if name != "fixed"}
    tables = root.table("strategies")
    for name in tables.names:
        fields = tables.table(name)
        text = fields.take("class", str)
        try:
            kind = strategy_class(folder, text)
        except InvalidValue as error:
            raise fields.wrong("class", error.value, error.remedy) from error
        found[name] = StrategySpec(name, kind, fields.rest())
    return found


def _profile_table(folder: Path, zone: ZoneInfo) -> ProfileTable | None:
    path = folder / profile_files.FILE
    return read_profiles(path, zone) if path.is_file() else None


def _wants(
    folder: Path,
    drawn: RandomWants | None,
    participants: Sequence[Participant],
    where: tuple[RegionSpec, range, ZoneInfo, int],
) -> tuple[Want, ...]:
    region, periods, zone, seed = where
    path = folder / want_files.FILE
    if drawn and path.is_file():
        raise InvalidValue(f"{FILE}, random_orders", "present", f"either that or a file {want_files.FILE}, not both")
    if drawn:
        bounds_ticks = region.settings.floor_ticks, region.settings.cap_ticks
        return tuple(drawn.draw(participants, periods, bounds_ticks, seed))
    if path.is_file():
        return want_files.read_orders(path, {one.name: one for one in participants}, periods, zone)
    return ()


def _random_wants(fields: Fields) -> RandomWants:
    energies = []
    for name, default in (("least_kwh", 1), ("most_kwh", 499)):
        energies.append(energy_wh(fields.integer(name, 1, MAX_ENERGY_WH // 1_000, default)))
    if energies[0] > energies[1]:
        raise fields.wrong("least_kwh", energies[0] // 1_000, "at most most_kwh")
    prices = fields.price("price_yuan_per_kwh"), fields.price("deviation_yuan_per_kwh")
    names = fields.take("energy_types", list, [])
    known = {member.name.lower(): member for member in EnergyType if member.name}
    if unknown := [name for name in names if name not in list(known)]:
        raise fields.wrong("energy_types", unknown[0], "some of " + ", ".join(known))
    drawn = RandomWants(
        fields.integer("count", 1, 10**8), *prices, energies[0], energies[1], tuple(known[name] for name in names)
    )
    fields.require_empty()
    return drawn


def _money(fields: Fields, name: str, default: str) -> int:
    text = fields.take(name, str, default)
    try:
        return money_units(text)
    except InvalidValue as error:
        raise fields.wrong(name, text, error.remedy + ", in quotes") from error


def _carbon(fields: Fields) -> Fraction:
    value = fields.integer("grid_g_per_kwh", 0, 10_000)
    fields.require_empty()
    return Fraction(value)


def _loss(fields: Fields) -> int:
    value = fields.integer("line_loss_permille", 0, 1_000, 0)
    fields.require_empty()
    return value


def _compared(fields: Fields) -> tuple[Mechanism, ...]:
    names = fields.take("mechanisms", list, list(FOUR_MECHANISMS))
    if len(names) < 2 or any(name not in list(Mechanism) for name in names) or len(set(names)) < len(names):
        raise fields.wrong("mechanisms", names, "two or more different ones of " + ", ".join(Mechanism))
    fields.require_empty()
    return tuple(Mechanism(name) for name in names)


def _sweep(fields: Fields) -> SweepSpec:
    seeds = fields.integer("seeds", 1, 100_000, 10)
    axes = fields.table("axes")
    found = {name: axes.take(name, list) for name in axes.names}
    for name, values in found.items():
        if not values:
            raise axes.wrong(name, values, "a list of one value or more")
    fields.require_empty()
    return SweepSpec(seeds, found)
