"""A scenario's own profiles: columns of kWh by local time, in quarters, halves or whole hours; or SimBench's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from gridbourse.errors import InvalidValue
from gridbourse.files.reading import Line, read_lines
from gridbourse.simulation.profiles import Profiles
from gridbourse.simulation.scenario.tables import energy
from gridbourse.units import PERIOD_SECONDS, PERIODS_IN_24_HOURS

FILE = "profiles.csv"
TIME = "time"
SIMBENCH = "simbench:"
"""Before the name of a profile that comes with the package; its scale is installed power or peak load in kW."""

FIRST_YEAR, LAST_YEAR = 1971, 9_000

STEPS = (1, 2, 4)
"""How many delivery periods a line may stand for."""


@dataclass(frozen=True, slots=True)
class ProfileTable:
    """The columns of a file.

    Parameters
    ----------
    first_period, step
        The delivery period with which the first line begins, and how many each line is for.
    columns
        By name, in Wh, one value for each line.
    """

    first_period: int
    step: int
    columns: Mapping[str, Sequence[int]]

    @property
    def periods(self) -> range:
        """The delivery periods that it knows."""
        lines = len(next(iter(self.columns.values()), ()))
        return range(self.first_period, self.first_period + lines * self.step)


class ProfileBook:
    """What a scenario's participants generate and use.

    Parameters
    ----------
    table
        Of the scenario's own file, if it has one.
    periods
        The delivery periods of the scenario.
    zone
        Its local time: SimBench's clock is taken for it, and its year is gone round and round by weekday.
    """

    def __init__(self, table: ProfileTable | None, periods: range, zone: ZoneInfo) -> None:
        self._table = table
        self._periods = periods
        self._simbench = _simbench()
        self._places = [_simbench_place(self._simbench, period, zone) for period in periods]

    def names(self) -> list[str]:
        """What a participant may name."""
        own = list(self._table.columns) if self._table else []
        return own + [SIMBENCH + name for name in self._simbench.totals]

    def energies_wh(self, name: str, scale: Decimal) -> tuple[int, ...]:
        """Energy of every period of the scenario, in Wh; nothing is lost to rounding.

        Parameters
        ----------
        name
            One of `names`.
        scale
            What the column's values are multiplied by; of a SimBench profile, kW.
        """
        if name.startswith(SIMBENCH):
            series = self._simbench.energies_wh(name.removeprefix(SIMBENCH), int(scale * 1_000))
            return tuple(series[place] for place in self._places)
        assert self._table is not None, "only names of the table come here"
        column, first, step = self._table.columns[name], self._table.first_period, self._table.step
        numerator, denominator = scale.as_integer_ratio()
        energies: list[int] = []
        before_wh = taken = 0
        for period in range(self._periods.stop - first):
            before_wh += column[period // step]
            # Counted up in parts of a line, as a register of whole Wh would show it.
            part = before_wh * numerator // (denominator * step)
            if first + period >= self._periods.start:
                energies.append(part - taken)
            taken = part
        return tuple(energies)


def read_profiles(path: Path, zone: ZoneInfo) -> ProfileTable:
    """Read columns of kWh: `time` in local time without an offset, then any columns.

    An hour that clocks show twice stands there twice; one that they leave out does not stand there.

    Raises
    ------
    InvalidValue
        A line is no time, or does not follow the one before it; a cell is no energy; or the file cannot be read.
    """
    lines, refused = read_lines(path, (TIME,))
    if refused:
        where = f"{path.name}, line {refused[0].line.number}"
        raise InvalidValue(where, refused[0].line.content, "as many cells as the first line has")
    if len(lines) < 2:
        raise InvalidValue(path.name, f"{len(lines)} lines", "two lines of values or more, so that their step shows")
    try:
        begins = _begins(lines, zone)
        names = [name for name in lines[0].values if name != TIME]
        columns = {name: tuple(energy(line, name) for line in lines) for name in names}
    except InvalidValue as error:
        raise InvalidValue(f"{path.name}, {error.field}", error.value, error.remedy) from error
    return ProfileTable(begins[0], begins[1] - begins[0], columns)


def require_covered(table: ProfileTable, periods: range) -> None:
    """Refuse a table that does not know every period of a scenario. Raises `InvalidValue`."""
    known = table.periods
    if periods.start < known.start or periods.stop > known.stop:
        begin, end = (datetime.fromtimestamp(p * PERIOD_SECONDS, UTC) for p in (periods.start, periods.stop))
        remedy = f"lines from {begin:%Y-%m-%dT%H:%M} to {end:%Y-%m-%dT%H:%M} UTC, or another start or fewer periods"
        raise InvalidValue(FILE, f"{len(known)} periods", remedy)


def _begins(lines: Sequence[Line], zone: ZoneInfo) -> list[int]:
    """The delivery period with which each line begins."""
    begins: list[int] = []
    step = 0
    for line in lines:
        wanted = begins[-1] + step if begins and step else None
        found = _candidates(line, zone)
        if wanted is None and begins:
            steps = [period - begins[-1] for period in found if period - begins[-1] in STEPS]
            if not steps:
                raise line.wrong(TIME, "a time 15, 30 or 60 minutes after that of the line before")
            step, wanted = steps[0], begins[-1] + steps[0]
        if wanted is not None and wanted not in found:
            raise line.wrong(TIME, f"the time {step * PERIOD_SECONDS // 60} minutes after that of the line before")
        begins.append(found[0] if wanted is None else wanted)
    return begins


def _candidates(line: Line, zone: ZoneInfo) -> list[int]:
    """The delivery periods that may begin at a line's time: two in an hour that clocks show twice."""
    remedy = "local time at a quarter of an hour, like 2026-08-03T00:15, without an offset"
    try:
        local = datetime.fromisoformat(line.text(TIME))
    except ValueError as error:
        raise line.wrong(TIME, remedy) from error
    if local.tzinfo:
        raise line.wrong(TIME, remedy)
    begins = periods_that_begin(local, zone)
    if not begins:
        raise line.wrong(TIME, f"{remedy}, that clocks show")
    return begins


def periods_that_begin(local: datetime, zone: ZoneInfo) -> list[int]:
    """Delivery periods that begin at a local time: two in an hour that clocks show twice, none in one they leave out.

    None either where no quarter of an hour begins, and before 1971 and after 9000, whose times not all can be told.
    """
    if not FIRST_YEAR <= local.year <= LAST_YEAR:
        return []
    moments = [local.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    # A time that clocks leave out is another one when it comes back from UTC.
    shown = [moment for moment in moments if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local]
    seconds = sorted({moment.timestamp() for moment in shown})
    return [int(second) // PERIOD_SECONDS for second in seconds if not second % PERIOD_SECONDS]


@cache
def _simbench() -> Profiles:
    """Read once in a process: it takes longer than all else of a small scenario."""
    return Profiles.load()


def _simbench_place(profiles: Profiles, period: int, zone: ZoneInfo) -> int:
    """The period of the data set with the same weekday and time of day."""
    local = datetime.fromtimestamp(period * PERIOD_SECONDS, zone)
    periods = len(next(iter(profiles.totals.values()))) - 1
    days = periods // PERIODS_IN_24_HOURS
    week = (local.date() - profiles.start.date()).days % (days - days % 7)
    return week * PERIODS_IN_24_HOURS + (local.hour * 60 + local.minute) // 15


def scale_of(line: Line, column: str) -> Decimal:
    """A factor of 0 or more from a cell; 1 where it is empty. Raises `InvalidValue`."""
    text = line.values.get(column, "").strip() or "1"
    try:
        scale = Decimal(text)
    except InvalidOperation:
        scale = Decimal(-1)
    if not scale.is_finite() or not 0 <= scale <= 10**9:
        raise line.wrong(column, "a number of 0 or more")
    return scale
