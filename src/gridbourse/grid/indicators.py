"""What the function nodes of a grid company report from metered energy.

Energy-efficiency analysis says what got lost and how evenly the grid is used; comprehensive monitoring which meters
can be trusted; energy services what a customer with generation of its own could do better. A report consists of whole
numbers and texts, and its `report` is ready to become a slave-chain record.

Readings are, per meter, one energy per delivery period, None where it is missing. Shares are in parts per million
(ppm), rounded down, and None where there is nothing to take a share of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from statistics import median_low
from typing import Any, ClassVar

from gridbourse.errors import InvalidValue
from gridbourse.grid.series import Series, check_range, whole_wh
from gridbourse.units import MAX_ENERGY_WH, MAX_PERIOD, PERIODS_IN_24_HOURS

Readings = Mapping[str, Sequence[int | None]]
"""Per meter, shape (periods,), Wh; the same periods for all meters."""

PPM = 1_000_000

STUCK_PERIODS = 12
"""Three hours of one energy above zero, equal to the Wh: hardly a load or a plant does that."""

SILENT_PERIODS = PERIODS_IN_24_HOURS
"""A whole day of zeros: a night without sun is shorter, and a building that is lived in draws something."""

LEAST_DAYS = 5
"""How often a time of day must have been metered before a reading can be called unusual for it."""

UNUSUAL_DEVIATIONS = 10
"""How many median absolute deviations from its median a reading must be away to be called unusual."""


@dataclass(frozen=True, slots=True)
class Report:
    """What all reports share."""

    KIND: ClassVar[str]

    @property
    def report(self) -> dict[str, Any]:
        """The report as JSON can hold it: integers, texts, and lists and dicts of them; None is left out."""
        present = {name: value for name, value in asdict(self).items() if value is not None}
        return {"report": self.KIND, **present}


@dataclass(frozen=True, slots=True)
class Efficiency(Report):
    """Energy-efficiency analysis of a grid.

    Parameters
    ----------
    first_period, periods
        What the report covers.
    complete_periods
        Periods for which every meter has a reading; all else is computed from these.
    injected_wh, withdrawn_wh, losses_wh
        Fed in, taken out, and the difference.
    loss_ppm
        Losses by energy fed in.
    gaining_periods
        Numbers of the periods in which more was taken out than fed in: some meter is wrong.
    peak_wh, peak_period, valley_wh, valley_period
        Largest and least withdrawal of a period, and the first period that had it.
    load_factor_ppm
        Mean by peak withdrawal.
    valley_to_peak_ppm
        Valley by peak.
    """

    KIND: ClassVar[str] = "energy-efficiency analysis"

    first_period: int
    periods: int
    complete_periods: int
    injected_wh: int
    withdrawn_wh: int
    losses_wh: int
    loss_ppm: int | None
    gaining_periods: tuple[int, ...]
    peak_wh: int | None
    peak_period: int | None
    valley_wh: int | None
    valley_period: int | None
    load_factor_ppm: int | None
    valley_to_peak_ppm: int | None


@dataclass(frozen=True, slots=True)
class Stuck:
    """A meter that says the same energy over and over; the run may have begun before the report's periods."""

    meter: str
    first_period: int
    periods: int
    energy_wh: int


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A reading far from what its meter usually says at this time of day."""

    meter: str
    period: int
    energy_wh: int
    usual_wh: int


@dataclass(frozen=True, slots=True)
class Monitoring(Report):
    """Comprehensive monitoring of meters.

    Parameters
    ----------
    first_period, periods, meters
        What the report covers.
    missing_readings
        Readings that are not there, of all ``periods * meters``.
    availability_ppm
        Share of readings that are there.
    missing_meters
        Meters without any reading.
    stuck
        Meters that repeat themselves, in the order of the meters.
    judged_readings
        Readings whose time of day was metered often enough before to call them usual or not.
    anomalies
        The unusual ones, in the order of the meters, then of time.
    """

    KIND: ClassVar[str] = "comprehensive monitoring"

    first_period: int
    periods: int
    meters: int
    missing_readings: int
    availability_ppm: int
    missing_meters: tuple[str, ...]
    stuck: tuple[Stuck, ...]
    judged_readings: int
    anomalies: tuple[Anomaly, ...]


@dataclass(frozen=True, slots=True)
class Discharge:
    """Periods in a row in which a store has to help, and what it gives in them."""

    first_period: int
    periods: int
    energy_wh: int


@dataclass(frozen=True, slots=True)
class Services(Report):
    """Energy services for one customer.

    Parameters
    ----------
    first_period, periods
        What the report covers.
    generated_wh, consumed_wh
        The customer's own generation and its consumption.
    used_on_site_wh
        Generation consumed in the period in which it was generated.
    self_consumption_ppm, self_sufficiency_ppm
        What is used on site by generation, and by consumption (Luthander, Widén, Nilsson, Palm, "Photovoltaic
        self-consumption in buildings", Applied Energy 142, 2015).
    peak_wh
        Most that the customer draws from the grid in a period.
    shaved_peak_wh
        What the peak can be brought down to by the store that was asked about.
    discharges
        When that store has to give how much.
    """

    KIND: ClassVar[str] = "energy services"

    first_period: int
    periods: int
    generated_wh: int
    consumed_wh: int
    used_on_site_wh: int
    self_consumption_ppm: int | None
    self_sufficiency_ppm: int | None
    peak_wh: int
    shaved_peak_wh: int
    discharges: tuple[Discharge, ...]


def analyse_efficiency(first_period: int, injected: Readings, withdrawn: Readings) -> Efficiency:
    """Balance what meters fed into a grid with what meters took out of it.

    Parameters
    ----------
    first_period
        Number of the period of the first readings.
    injected, withdrawn
        Readings of the meters where energy enters and where it leaves.

    Raises
    ------
    InvalidValue
        There is no meter on one side, or meters cover different periods.
    """
    fed_in, taken_out = _totals("injected", injected), _totals("withdrawn", withdrawn)
    if len(fed_in) != len(taken_out):
        raise InvalidValue("withdrawn", f"{len(taken_out)} periods", f"{len(fed_in)} periods, as `injected` has")
    _check_span(first_period, len(fed_in))
    balance = {
        period: (entered, left)
        for period, (entered, left) in enumerate(zip(fed_in, taken_out, strict=True), start=first_period)
        if entered is not None and left is not None
    }
    load = {period: left for period, (_, left) in balance.items()}
    peak_period, valley_period = (pick(load, key=load.__getitem__, default=None) for pick in (max, min))
    peak_wh, valley_wh = max(load.values(), default=None), min(load.values(), default=None)
    injected_wh, withdrawn_wh = sum(entered for entered, _ in balance.values()), sum(load.values())
    return Efficiency(
        first_period=first_period,
        periods=len(fed_in),
        complete_periods=len(balance),
        injected_wh=injected_wh,
        withdrawn_wh=withdrawn_wh,
        losses_wh=injected_wh - withdrawn_wh,
        loss_ppm=_ppm(injected_wh - withdrawn_wh, injected_wh),
        gaining_periods=tuple(period for period, (entered, left) in balance.items() if left > entered),
        peak_wh=peak_wh,
        peak_period=peak_period,
        valley_wh=valley_wh,
        valley_period=valley_period,
        load_factor_ppm=_ppm(withdrawn_wh, (peak_wh or 0) * len(load)),
        valley_to_peak_ppm=_ppm(valley_wh or 0, peak_wh or 0),
    )


def monitor(first_period: int, readings: Readings, history: Readings) -> Monitoring:
    """Look for meters that are silent, stuck, or say what they never said at this time of day.

    A reading is an anomaly when it is further from the median of the meter's history at the same time of day than 10
    times the median absolute deviation there, and further than the median of all its history above zero. (Median and
    deviation are not moved by the outliers they are to find: Iglewicz and Hoaglin, *How to Detect and Handle
    Outliers*, 1993. Their 5 deviations suit normal errors; weather and days of rest need 10.)

    Parameters
    ----------
    first_period
        Number of the period of the first readings.
    readings
        The meters to report on.
    history
        What the same meters said before, up to the period before `first_period`; any length, no entry for a
        new meter.

    Raises
    ------
    InvalidValue
        There is no meter, or meters cover different periods.
    """
    series = _checked("readings", readings)
    periods = len(next(iter(series.values())))
    _check_span(first_period, periods)
    before = {meter: _read(f"history[{meter!r}]", past) for meter, past in history.items()}
    expected = periods * len(series)
    missing = sum(values.count(None) for values in series.values())
    stuck, anomalies, judged = list[Stuck](), list[Anomaly](), 0
    for meter, values in series.items():
        past = before.get(meter, [])
        stuck += _stuck(meter, past + values, first_period - len(past), first_period)
        usual = _usual(past, periods)
        judged += sum(values[place] is not None for place in usual)
        anomalies += (
            Anomaly(meter, first_period + place, wh, middle)
            for place, (middle, most) in usual.items()
            if (wh := values[place]) is not None and abs(wh - middle) > most
        )
    return Monitoring(
        first_period=first_period,
        periods=periods,
        meters=len(series),
        missing_readings=missing,
        availability_ppm=(expected - missing) * PPM // expected,
        missing_meters=tuple(meter for meter, values in series.items() if values.count(None) == periods),
        stuck=tuple(stuck),
        judged_readings=judged,
        anomalies=tuple(anomalies),
    )


def advise(first_period: int, generated_wh: Series, consumed_wh: Series, *, store_wh: int, largest_wh: int) -> Services:
    """Tell a customer how much of its own energy it uses, and how far a store would bring down its peak.

    The store is ideal: full at the start, without losses, recharged from the grid below the shaved peak. A real one
    comes less far, never further.

    Parameters
    ----------
    first_period
        Number of the first period.
    generated_wh, consumed_wh
        Shape (periods,), without gaps.
    store_wh, largest_wh
        What the store holds, and what it gives or takes in a period at most.

    Raises
    ------
    InvalidValue
        The series differ in length, or a number is out of range.
    """
    generated = whole_wh("generated_wh", generated_wh).tolist()
    consumed = whole_wh("consumed_wh", consumed_wh, periods=len(generated)).tolist()
    _check_span(first_period, len(generated))
    for field, value in (("store_wh", store_wh), ("largest_wh", largest_wh)):
        check_range(field, value, 0, MAX_ENERGY_WH, "0 to 2^40 - 1 Wh")
    on_site = sum(map(min, generated, consumed))
    drawn = [taken - own for taken, own in zip(consumed, generated, strict=True)]
    shaved_peak_wh = _lowest_peak(drawn, store_wh, largest_wh)
    return Services(
        first_period=first_period,
        periods=len(drawn),
        generated_wh=sum(generated),
        consumed_wh=sum(consumed),
        used_on_site_wh=on_site,
        self_consumption_ppm=_ppm(on_site, sum(generated)),
        self_sufficiency_ppm=_ppm(on_site, sum(consumed)),
        peak_wh=max(*drawn, 0),
        shaved_peak_wh=shaved_peak_wh,
        discharges=tuple(_above(drawn, shaved_peak_wh, first_period)),
    )


def _stuck(meter: str, values: Sequence[int | None], first: int, reported_from: int) -> Iterator[Stuck]:
    """Find the runs of equal readings, in values that start at period `first`, that reach the report's periods."""
    for wh, run in groupby(values):
        periods = len(list(run))
        limit = STUCK_PERIODS if wh else SILENT_PERIODS
        if wh is not None and periods >= limit and first + periods > reported_from:
            yield Stuck(meter, first, periods, wh)
        first += periods


def _usual(past: Sequence[int | None], periods: int) -> dict[int, tuple[int, int]]:
    """Median of history and most that a reading may differ, by place, where the time of day has history enough."""
    trifle = median_low([wh for wh in past if wh] or [0])
    usual = {}
    for place in range(min(periods, PERIODS_IN_24_HOURS)):
        same_time = [
            wh for wh in past[(len(past) + place) % PERIODS_IN_24_HOURS :: PERIODS_IN_24_HOURS] if wh is not None
        ]
        if len(same_time) >= LEAST_DAYS:
            middle = median_low(same_time)
            deviation = median_low([abs(wh - middle) for wh in same_time])
            most = max(UNUSUAL_DEVIATIONS * deviation, trifle)
            usual.update(dict.fromkeys(range(place, periods, PERIODS_IN_24_HOURS), (middle, most)))
    return dict(sorted(usual.items()))


def _lowest_peak(drawn: Sequence[int], store_wh: int, largest_wh: int) -> int:
    """Lowest draw from the grid, at least 0, that the store can hold in every period."""

    def holds(peak: int) -> bool:
        needed = 0
        for wh in reversed(drawn):
            needed = max(needed + max(wh - peak, -largest_wh), 0)
            if needed > store_wh:
                return False
        return True

    highest = max(*drawn, 0)
    lowest = max(highest - largest_wh, 0)
    while lowest < highest:
        middle = (lowest + highest) // 2
        lowest, highest = (lowest, middle) if holds(middle) else (middle + 1, highest)
    return lowest


def _above(drawn: Sequence[int], peak: int, first: int) -> Iterator[Discharge]:
    """Find the periods in a row that draw more than `peak`."""
    for beyond, run in groupby(drawn, key=lambda wh: wh > peak):
        energies = list(run)
        if beyond:
            yield Discharge(first, len(energies), sum(energies) - peak * len(energies))
        first += len(energies)


def _totals(field: str, readings: Readings) -> list[int | None]:
    """Sum over the meters per period; None where one is missing."""
    by_period = zip(*_checked(field, readings).values(), strict=True)
    return [sum(column) if None not in column else None for column in by_period]


def _checked(field: str, readings: Readings) -> dict[str, list[int | None]]:
    if not readings:
        raise InvalidValue(field, readings, "the readings of one meter or more")
    series = {meter: _read(f"{field}[{meter!r}]", values) for meter, values in readings.items()}
    periods = len(next(iter(series.values())))
    for meter, values in series.items():
        if not values or len(values) != periods:
            remedy = f"as many readings as the first meter, which has {periods}, and at least one"
            raise InvalidValue(f"{field}[{meter!r}]", f"{len(values)} readings", remedy)
    return series


def _read(field: str, values: Sequence[int | None]) -> list[int | None]:
    for place, wh in enumerate(values):
        if wh is not None:
            check_range(f"{field}[{place}]", wh, 0, MAX_ENERGY_WH, "0 to 2^40 - 1 Wh, or None if missing")
    return list(values)


def _check_span(first_period: int, periods: int) -> None:
    latest = MAX_PERIOD + 1 - periods
    check_range("first_period", first_period, 0, latest, f"a delivery period from 0 to {latest}")


def _ppm(part: int, whole: int) -> int | None:
    return part * PPM // whole if whole else None
