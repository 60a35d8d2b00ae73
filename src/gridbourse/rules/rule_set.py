"""A set of market rules: one folder with its documents, parameters, tariff calendar and deviation terms.

A statement names the set it was made by, with the digest of its tables; which set settles a day is looked up in a
history, so that an old day is always settled by its old set.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from gridbourse.errors import InvalidValue
from gridbourse.rules.calendar import TariffCalendar, load_calendar
from gridbourse.rules.deviation import DeviationTerms, load_deviation_terms
from gridbourse.rules.parameters import Parameters, VoltageLevel, load_parameters

SHIPPED = Path(__file__).parent
"""Where the sets lie that come with the package, a folder each."""

FILES = ("rule_set.toml", "parameters.csv", "calendar.csv", "deviation.csv")


@dataclass(frozen=True, slots=True)
class Source:
    """A document that parameters cite.

    Parameters
    ----------
    title
        Its number and name.
    read_in
        What was read: the document itself, or a reprint.
    """

    title: str
    read_in: str


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules of a region for some time.

    Parameters
    ----------
    name
        Short name, e.g. ``"sichuan-2026"``.
    title, title_zh
        What people call it.
    time_zone
        Local time of its calendar.
    valid_from, valid_to
        First and last day it is meant for.
    sources
        The documents, by key.
    parameters, calendar, deviation
        The tables.
    digest
        SHA-256 over names and contents of the files.
    """

    name: str
    title: str
    title_zh: str
    time_zone: ZoneInfo
    valid_from: date
    valid_to: date | None
    sources: Mapping[str, Source]
    parameters: Parameters
    calendar: TariffCalendar
    deviation: tuple[DeviationTerms, ...]
    digest: str

    @property
    def version(self) -> str:
        """What a statement names: name and beginning of the digest."""
        return f"{self.name}@{self.digest[:12]}"

    def covers(self, day: date) -> bool:
        """Whether the set is meant for a day."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    def deviation_terms(self, participant: str, day: date) -> DeviationTerms:
        """How a kind of participant pays for deviating on a day.

        Raises
        ------
        InvalidValue
            The set has no terms for it.
        """
        for terms in self.deviation:
            if terms.participant == participant and terms.provenance.covers(day):
                return terms
        known = ", ".join(sorted({terms.participant for terms in self.deviation}))
        raise InvalidValue(f"{self.name}, deviation.csv", participant, f"a participant with terms on {day}: {known}")


def load_rule_set(folder: Path) -> RuleSet:
    """Read a set from its folder, strictly.

    Raises
    ------
    InvalidValue
        A file, line or field is wrong; names it, and the remedy.
    """
    described = _described(folder / "rule_set.toml")
    sources = _sources(folder, described)
    valid_from = _day(folder, described, "valid_from")
    valid_to = _day(folder, described, "valid_to") if "valid_to" in described else None
    if valid_to is not None and valid_to < valid_from:
        raise InvalidValue(f"{folder.name}/rule_set.toml, valid_to", str(valid_to), f"a day from {valid_from} on")
    return RuleSet(
        name=_text(folder, described, "name"),
        title=_text(folder, described, "title"),
        title_zh=_text(folder, described, "title_zh"),
        time_zone=_zone(folder, described),
        valid_from=valid_from,
        valid_to=valid_to,
        sources=sources,
        parameters=load_parameters(folder / "parameters.csv", list(sources)),
        calendar=load_calendar(folder / "calendar.csv", list(sources), valid_from),
        deviation=load_deviation_terms(folder / "deviation.csv", list(sources)),
        digest=_digest(folder),
    )


def find_rule_set(name: str) -> RuleSet:
    """Read a set by its name, if it comes with the package, or by its folder.

    Raises
    ------
    InvalidValue
        There is no such set, or it is wrong.
    """
    if (Path(name) / "rule_set.toml").is_file():
        return load_rule_set(Path(name))
    shipped = {path.parent.name.replace("_", "-"): path.parent for path in sorted(SHIPPED.glob("*/rule_set.toml"))}
    if name not in shipped:
        raise InvalidValue("rules", name, f"one of {', '.join(shipped)}, or a folder with a rule_set.toml")
    return load_rule_set(shipped[name])


@dataclass(frozen=True, slots=True)
class InForce:
    """A set that was put into force from a day on.

    Parameters
    ----------
    from_day
        The first day that it settles.
    rule_set
        The set.
    within_zone, between_zones
        Highest voltage level that trades within a zone of the grid, and from one into another, use; None where such
        trades pay for transmission and distribution in full.
    """

    from_day: date
    rule_set: RuleSet
    within_zone: VoltageLevel | None = None
    between_zones: VoltageLevel | None = None

    def highest_level(self, from_zone: int, to_zone: int, own: VoltageLevel) -> VoltageLevel | None:
        """The highest level that a trade of a connection uses, its own included; None as above."""
        shared = self.within_zone if from_zone == to_zone else self.between_zones
        return None if shared is None else max(shared, own, key=lambda level: level.rank)


class RuleHistory:
    """Which set settles which day: the one put into force last before or on it.

    Parameters
    ----------
    in_force
        Sets with their first days, in any sequence.

    Raises
    ------
    InvalidValue
        Two sets begin on one day.
    """

    def __init__(self, in_force: Iterable[InForce]) -> None:
        self._in_force = sorted(in_force, key=lambda entry: entry.from_day)
        days = [entry.from_day for entry in self._in_force]
        for day, following in pairwise(days):
            if day == following:
                raise InvalidValue("from_day", str(day), "one set for each day on which rules change")

    def __iter__(self) -> Iterator[InForce]:
        """In the sequence of their first days."""
        return iter(self._in_force)

    def find(self, day: date) -> InForce | None:
        """What settles a day, however long ago it was; None if no set was in force yet."""
        begun = [entry for entry in self._in_force if entry.from_day <= day]
        return begun[-1] if begun else None

    def versions(self, first_day: date, last_day: date) -> tuple[str, ...]:
        """The sets that settle any of some days, as a statement names them."""
        begun = [entry for entry in self._in_force if entry.from_day <= last_day]
        over = [entry for entry, following in pairwise(begun) if following.from_day <= first_day]
        return tuple(entry.rule_set.version for entry in begun[len(over) :])

    def on(self, day: date) -> RuleSet:
        """The set that settles a day.

        Raises
        ------
        InvalidValue
            No set was in force yet.
        """
        found = self.find(day)
        if found is None:
            raise InvalidValue("day", str(day), "a day on which a set of rules was in force")
        return found.rule_set


def _described(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidValue(f"{path.parent.name}/{path.name}", str(error), "a TOML file that can be read") from error


def _text(folder: Path, described: Mapping[str, object], field: str) -> str:
    value = described.get(field)
    if not isinstance(value, str) or not value:
        raise InvalidValue(f"{folder.name}/rule_set.toml, {field}", value, "a text")
    return value


def _day(folder: Path, described: Mapping[str, object], field: str) -> date:
    value = described.get(field)
    if type(value) is not date:
        raise InvalidValue(f"{folder.name}/rule_set.toml, {field}", value, "a day like 2026-01-01, without quotes")
    return value


def _zone(folder: Path, described: Mapping[str, object]) -> ZoneInfo:
    name = _text(folder, described, "time_zone")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError) as error:
        raise InvalidValue(f"{folder.name}/rule_set.toml, time_zone", name, "a zone like Asia/Shanghai") from error


def _sources(folder: Path, described: Mapping[str, object]) -> dict[str, Source]:
    tables = described.get("sources")
    where = f"{folder.name}/rule_set.toml, sources"
    if not isinstance(tables, dict) or not tables:
        raise InvalidValue(where, tables, "a table [sources.KEY] for each document")
    sources: dict[str, Source] = {}
    for key, table in tables.items():
        if not isinstance(table, dict) or set(table) != {"title", "read_in"}:
            raise InvalidValue(f"{where}.{key}", table, "title and read_in")
        sources[key] = Source(str(table["title"]), str(table["read_in"]))
    return sources


def _digest(folder: Path) -> str:
    digest = sha256()
    for name in FILES:
        content = (folder / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
