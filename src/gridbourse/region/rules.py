"""Which set of market rules settles which days of a region, as its description tells it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from gridbourse.errors import InvalidValue
from gridbourse.region.fields import Fields, toml_text
from gridbourse.region.layout import RULES_FOLDER
from gridbourse.rules.parameters import VoltageLevel
from gridbourse.rules.rule_set import InForce, RuleHistory, RuleSet, find_rule_set, load_rule_set

_DIGEST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class RulesSpec:
    """A set of market rules, and from which day on it is in force.

    Parameters
    ----------
    from_day
        The first day that it settles.
    rule_set
        Its version, name and beginning of the digest (``sichuan-2026@3f0c...``): what a region agreed on cannot change
        in a file.
    within_zone, between_zones
        Highest voltage level that trades within a zone and between zones use, as in `InForce`.
    """

    from_day: date
    rule_set: str
    within_zone: VoltageLevel | None = None
    between_zones: VoltageLevel | None = None

    @classmethod
    def read(cls, fields: Fields) -> RulesSpec:
        """Read a table ``[[rules]]``. Raises `InvalidValue`."""
        spec = cls(
            fields.day("from_day"),
            fields.take("set", str),
            fields.word("within_zone", VoltageLevel),
            fields.word("between_zones", VoltageLevel),
        )
        fields.require_empty()
        return spec

    def lines(self) -> list[str]:
        """The same table, as it is written."""
        levels = {"within_zone": self.within_zone, "between_zones": self.between_zones}
        return [
            "",
            "[[rules]]",
            f"from_day = {self.from_day}",
            f"set = {toml_text(self.rule_set)}",
            *(f"{name} = {toml_text(level)}" for name, level in levels.items() if level is not None),
        ]


def load_rules(specs: Iterable[RulesSpec], folder: Path) -> RuleHistory:
    """Load the sets of a region.

    Parameters
    ----------
    specs
        Which.
    folder
        The region's. A set lies in ``rules/NAME`` there, or comes with the package.

    Raises
    ------
    InvalidValue
        A set is not there, is wrong, or is another one than the region agreed on.
    """
    return RuleHistory(_load(spec, folder / RULES_FOLDER) for spec in specs)


def pinned(specs: Iterable[RulesSpec], folder: Path) -> tuple[RulesSpec, ...]:
    """The same with the version of every set that is called by its name alone: what a new region agrees on.

    Parameters
    ----------
    specs
        As somebody wrote them.
    folder
        Where the region's own sets lie, a folder each.

    Raises
    ------
    InvalidValue
        A set is not there, or is wrong.
    """
    return tuple(
        spec if "@" in spec.rule_set else replace(spec, rule_set=_find(spec.rule_set, folder).version) for spec in specs
    )


def _load(spec: RulesSpec, folder: Path) -> InForce:
    name, _, digest = spec.rule_set.partition("@")
    found = _find(name, folder)
    if not digest or not found.digest.startswith(digest) or len(digest) < _DIGEST_DIGITS:
        raise InvalidValue("rules.set", spec.rule_set, f"{found.version}, which is the set that lies here")
    return InForce(spec.from_day, found, spec.within_zone, spec.between_zones)


def _find(name: str, folder: Path) -> RuleSet:
    own = folder / name
    return load_rule_set(own) if own.is_dir() else find_rule_set(name)
