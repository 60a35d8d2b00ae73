"""Metered energies that a head-end hands in as CSV files."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from gridbourse.errors import InvalidValue
from gridbourse.files.reading import Line, RefusedLine, is_refused_file, judge, read_lines, write_refused
from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region
from gridbourse.node.settling.balancing import record_metered
from gridbourse.units import MAX_ENERGY_WH, MAX_PERIOD, PERIOD_SECONDS

METERED_FIELDS = ("node", "period", "metered_wh")

logger = logging.getLogger(__name__)

_Reading = tuple[str, int, int | None]
"""Node, period, and fed in less drawn; None where that is missing or in doubt."""


class MeteredFiles:
    """A folder of CSV files with the columns `METERED_FIELDS`, each with energies of some nodes and periods.

    ``period`` is a local time, as ``2026-11-30T08:15``, or a period's number; ``metered_wh`` fed in less drawn, in
    whole Wh, and empty where a reading is missing or in doubt. A file is moved into the folder when it is complete.
    What files say of one day adds up; of what they say differently the newest file counts. A line that says something
    impossible is refused, and told beside its file.

    Parameters
    ----------
    folder
        The folder; it need not be there yet.
    """

    name = "metered files"
    every_seconds = 0.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: dict[Path, tuple[int, int]] = {}

    def tasks(self, region: Region) -> Iterator[Task]:
        """One, if there are new files: what they say together is recorded."""
        changed: dict[Path, tuple[int, int]] = {}
        for path in self._folder.glob("*.csv"):
            status = path.stat()
            stamp = status.st_mtime_ns, status.st_size
            if self._taken.get(path) != stamp and not is_refused_file(path):
                changed[path] = stamp
        if changed:
            yield Task(str(self._folder), partial(self._record, region, changed))

    def _record(self, region: Region, changed: dict[Path, tuple[int, int]]) -> None:
        for relay in region.relays.values():
            relay.catch_up()
        days: dict[int, dict[str, dict[int, int | None]]] = {}
        for path in sorted(changed, key=lambda path: (changed[path], path)):
            for node_id, period, metered_wh in self._read(region, path):
                own = days.setdefault(region.calendar.day_of(period), {}).setdefault(node_id, {})
                own[period] = metered_wh
        for day in sorted(days):
            record_metered(region, days[day])
        self._taken |= changed

    def _read(self, region: Region, path: Path) -> list[_Reading]:
        """What a file says, without the lines that are refused; those are told beside it."""
        try:
            lines, refused = read_lines(path, METERED_FIELDS)
        except InvalidValue as error:
            logger.warning("%s is not taken: %s", path, error)
            write_refused(path, [RefusedLine(Line(1, {}, ""), str(error))])
            return []
        readings, wrong = judge(lines, partial(_reading, region))
        repeated = _repeated([reading for _, reading in readings])
        refused += [
            *wrong,
            *(
                RefusedLine(line, "it says something of a period of which another line says something, too")
                for line, reading in readings
                if reading[:2] in repeated
            ),
        ]
        for own in refused:
            logger.warning("%s: line %d is refused: %s", path, own.line.number, own.reason)
        write_refused(path, refused)
        return [reading for _, reading in readings if reading[:2] not in repeated]


def _reading(region: Region, line: Line) -> _Reading:
    node_id = line.text("node")
    master = region.master_of(node_id)
    text = line.values["period"].strip()
    if text.isdecimal():
        period = line.integer("period", 0, MAX_PERIOD)
    else:
        period = region.calendar.period_from(text, f"line {line.number}, period")
    meters = region.relays[master.membership.name].meters.values()
    limits_w = [meter.limit_w for meter in meters if meter.node_id == node_id]
    # A register shows whole Wh, so a difference may be 1 Wh high.
    most_wh = max(limits_w) * PERIOD_SECONDS // 3_600 + 1 if limits_w else MAX_ENERGY_WH
    if not line.values["metered_wh"].strip():
        return node_id, period, None
    return node_id, period, line.integer("metered_wh", -most_wh, most_wh)


def _repeated(readings: Sequence[_Reading]) -> set[tuple[str, int]]:
    """Nodes and periods of which several lines of a file say something: nobody can tell which of them is right."""
    counts = Counter((node_id, period) for node_id, period, _ in readings)
    return {key for key, count in counts.items() if count > 1}
