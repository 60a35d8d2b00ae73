"""A region as one TOML file describes it. docs/region.md lists every field.

The file names who takes part and the first market settings. It holds no secret and nothing that changes while
the region runs: settings change by votes, keys by rotation, both on the chains.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from gridbourse.chain.interface import DEFAULT_TIMEOUT_SECONDS, Confirmations
from gridbourse.crypto.keys import Address
from gridbourse.crypto.suite import HPKE
from gridbourse.errors import InvalidValue
from gridbourse.market.types import Role, Settings
from gridbourse.region.description import (
    Engine,
    MainChainSpec,
    MasterSpec,
    NodeKind,
    NodeSpec,
    RegionSpec,
    require_confirmations,
)
from gridbourse.region.grid import NO_GRID, GridSpec, LineSpec
from gridbourse.text import LANGUAGES, NO_DISPLAY_NAME, DisplayName
from gridbourse.units import format_price, price_ticks

_CONTRACTS = ("consortium", "market", "anchors", "balancing")
_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")


def read_region(path: Path) -> RegionSpec:
    """Read a region's TOML file.

    Raises
    ------
    InvalidValue
        The file is no TOML, or a field is missing, unknown or wrong; the error names it.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidValue("region file", str(path), f"a readable TOML file ({error})") from error
    root = _Fields("", document)
    spec = RegionSpec(
        name=root.take("name", str),
        chain_id=root.take("chain_id", int),
        settings=_settings(
            _Fields("market.", root.take("market", dict)), _Fields("settlement.", root.take("settlement", dict, {}))
        ),
        masters=tuple(_master(entry) for entry in root.tables("master")),
        single_chain=root.take("single_chain", bool, default=False),
        suite=root.take("suite", str, default=HPKE.name),
        time_zone=root.take("time_zone", str, default="UTC"),
        main_chain=_main_chain(_Fields("main_chain.", root.take("main_chain", dict, {}))),
        grid=_grid(_Fields("grid.", root.take("grid", dict, {}))),
        display_name=root.display_name(),
    )
    root.require_empty()
    return spec


def write_region(spec: RegionSpec, path: Path) -> None:
    """Write a region's TOML file, as `read_region` reads it."""
    settings = spec.settings
    lines = [
        f"name = {_text(spec.name)}",
        *_display_name_lines(spec.display_name),
        f"chain_id = {spec.chain_id}",
        f"single_chain = {str(spec.single_chain).lower()}",
        f"suite = {_text(spec.suite)}",
        f"time_zone = {_text(spec.time_zone)}",
        "",
        *_main_chain_lines(spec.main_chain),
        "[market]",
        f"cooling_off_seconds = {settings.cooling_off_seconds}",
        f"price_floor_yuan_per_kwh = {_text(format_price(settings.floor_ticks))}",
        f"price_cap_yuan_per_kwh = {_text(format_price(settings.cap_ticks))}",
        f"gate_closure_lead_seconds = {settings.gate_lead_seconds}",
        f"max_candidates = {settings.max_candidates}",
        f"apart_seconds = {settings.apart_seconds}",
        f"least_wh = {settings.least_wh}",
        f"bid_multiple = {settings.bid_multiple}",
        f"trading_roles = [{', '.join(_text(role.name.lower()) for role in sorted(settings.trading_roles))}]",
        "",
        "[settlement]",
        f"fallback_yuan_per_kwh = {_text(format_price(settings.fallback_ticks))}",
        f"incentive_permille = {settings.incentive_permille}",
        f"metering_due_seconds = {settings.metering_due_seconds}",
    ]
    lines += _grid_lines(spec.grid)
    for master in spec.masters:
        lines += ["", "[[master]]", f"name = {_text(master.name)}", f"role = {_text(master.role.name.lower())}"]
        lines += _display_name_lines(master.display_name)
        if master.slave_chain_url:
            lines += [f"slave_chain_url = {_text(master.slave_chain_url)}"]
        if master.slave_chain_confirmations:
            lines += [f"slave_chain_confirmations = {json.dumps(master.slave_chain_confirmations)}"]
        for node in master.nodes:
            fields = {"id": node.node_id, "kind": node.kind, "location": node.location}
            lines += ["", "[[master.node]]", *(f"{field} = {_text(value)}" for field, value in fields.items())]
            lines += _display_name_lines(node.display_name)
            if node.zone:
                lines += [f"zone = {node.zone}"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _main_chain(fields: _Fields) -> MainChainSpec:
    found = _Fields("main_chain.contracts.", contracts) if (contracts := fields.take("contracts", dict, {})) else None
    spec = MainChainSpec(
        engine=_enum("main_chain.engine", Engine.__members__, fields.take("engine", str, Engine.EMBEDDED).upper()),
        url=fields.take("url", str, ""),
        contracts=tuple(found.address(name) for name in _CONTRACTS) if found else (),
        confirmations=fields.confirmations("confirmations"),
        charges_gas=fields.take("charges_gas", bool, default=False),
        final_within_seconds=fields.take("final_within_seconds", int, int(DEFAULT_TIMEOUT_SECONDS)),
    )
    fields.require_empty()
    if found:
        found.require_empty()
    return spec


def _main_chain_lines(spec: MainChainSpec) -> list[str]:
    if spec == MainChainSpec():
        return []
    lines = ["[main_chain]", f"engine = {_text(spec.engine)}", f"url = {_text(spec.url)}"]
    if spec.confirmations:
        lines += [f"confirmations = {json.dumps(spec.confirmations)}"]
    if spec.charges_gas:
        lines += ["charges_gas = true"]
    lines += [f"final_within_seconds = {spec.final_within_seconds}", ""]
    if spec.contracts:
        addresses = zip(_CONTRACTS, spec.contracts, strict=True)
        lines += ["[main_chain.contracts]", *(f'{name} = "0x{address.hex()}"' for name, address in addresses), ""]
    return lines


def _grid(fields: _Fields) -> GridSpec:
    lines = []
    for entry in fields.tables("line"):
        ends = entry.take("from", str), entry.take("to", str)
        numbers = entry.take("limit_kw", int), entry.take("reactance_milliohm", int)
        lines.append(LineSpec(entry.take("name", str), *ends, *numbers))
        entry.require_empty()
    zones = tuple(map(str, fields.take("zones", list, [])))
    spec = GridSpec(zones, tuple(lines), fields.take("margin_permille", int, 100))
    fields.require_empty()
    return spec


def _grid_lines(spec: GridSpec) -> list[str]:
    if spec == NO_GRID:
        return []
    zones = ", ".join(_text(zone) for zone in spec.zones)
    lines = ["", "[grid]", f"zones = [{zones}]", f"margin_permille = {spec.margin_permille}"]
    for line in spec.lines:
        lines += ["", "[[grid.line]]", f"name = {_text(line.name)}"]
        lines += [f"from = {_text(line.from_zone)}", f"to = {_text(line.to_zone)}"]
        lines += [f"limit_kw = {line.limit_kw}", f"reactance_milliohm = {line.reactance_milliohm}"]
    return lines


def _settings(fields: _Fields, settlement: _Fields) -> Settings:
    roles = fields.take("trading_roles", list, [role.name.lower() for role in Role])
    settings = Settings(
        cooling_off_seconds=fields.take("cooling_off_seconds", int),
        floor_ticks=fields.price("price_floor_yuan_per_kwh"),
        cap_ticks=fields.price("price_cap_yuan_per_kwh"),
        gate_lead_seconds=fields.take("gate_closure_lead_seconds", int),
        max_candidates=fields.take("max_candidates", int, 64),
        trading_roles=frozenset(_enum("market.trading_roles", Role.__members__, str(role).upper()) for role in roles),
        fallback_ticks=settlement.price("fallback_yuan_per_kwh", "0.4"),
        incentive_permille=settlement.take("incentive_permille", int, 100),
        metering_due_seconds=settlement.take("metering_due_seconds", int, 86_400),
        apart_seconds=fields.take("apart_seconds", int, 86_400),
        least_wh=fields.take("least_wh", int, 10),
        bid_multiple=fields.take("bid_multiple", int, 2),
    )
    fields.require_empty()
    settlement.require_empty()
    return settings


def _master(fields: _Fields) -> MasterSpec:
    spec = MasterSpec(
        name=fields.take("name", str),
        role=_enum("master.role", Role.__members__, fields.take("role", str).upper()),
        nodes=tuple(_node(entry) for entry in fields.tables("node")),
        slave_chain_url=fields.take("slave_chain_url", str, ""),
        slave_chain_confirmations=fields.confirmations("slave_chain_confirmations"),
        display_name=fields.display_name(),
    )
    fields.require_empty()
    return spec


def _node(fields: _Fields) -> NodeSpec:
    spec = NodeSpec(
        node_id=fields.take("id", str),
        kind=_enum("master.node.kind", NodeKind.__members__, fields.take("kind", str).upper()),
        location=fields.take("location", str),
        zone=fields.take("zone", int, 0),
        display_name=fields.display_name(),
    )
    fields.require_empty()
    return spec


_Value = TypeVar("_Value")


class _Fields:
    """The fields of a TOML table, taken one by one, so that a misspelt one is noticed."""

    def __init__(self, prefix: str, values: Mapping[str, Any]) -> None:
        self._prefix = prefix
        self._values = dict(values)

    def take(self, name: str, kind: type[_Value], default: _Value | None = None) -> _Value:
        value = self._values.pop(name, default)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise InvalidValue(self._prefix + name, value, f"a value of type {kind.__name__}")
        return value

    def price(self, name: str, default: str | None = None) -> int:
        text = self.take(name, str, default)
        try:
            return price_ticks(text)
        except InvalidValue as error:
            raise InvalidValue(self._prefix + name, text, error.remedy) from error

    def address(self, name: str) -> Address:
        text = self.take(name, str)
        if not _ADDRESS.fullmatch(text):
            raise InvalidValue(self._prefix + name, text, "an address: 0x and 40 hexadecimal digits")
        return Address(bytes.fromhex(text.removeprefix("0x")))

    def confirmations(self, name: str) -> Confirmations:
        value = self._values.pop(name, 0)
        return require_confirmations(self._prefix + name, value)

    def display_name(self) -> DisplayName:
        names = _Fields(f"{self._prefix}display_name.", self.take("display_name", dict, {}))
        name = DisplayName(**{language: names.take(language, str, "") for language in LANGUAGES})
        names.require_empty()
        return name

    def tables(self, name: str) -> list[_Fields]:
        entries = self.take(name, list, [])
        if not all(isinstance(entry, dict) for entry in entries):
            raise InvalidValue(self._prefix + name, entries, f"[[{self._prefix}{name}]] tables")
        return [_Fields(f"{self._prefix}{name}.", entry) for entry in entries]

    def require_empty(self) -> None:
        if self._values:
            raise InvalidValue(self._prefix + next(iter(self._values)), "present", "no such field: it is unknown")


def _display_name_lines(name: DisplayName) -> list[str]:
    if name == NO_DISPLAY_NAME:
        return []
    given = [(language, text) for language, text in (("en", name.en), ("zh", name.zh)) if text]
    return [f"display_name = {{ {', '.join(f'{language} = {_text(text)}' for language, text in given)} }}"]


def _text(value: str) -> str:
    """A TOML basic string: its escapes are those of JSON, and it does without the delete character."""
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _enum(field: str, members: Mapping[str, _Value], name: str) -> _Value:
    if name not in members:
        raise InvalidValue(field, name.lower(), "one of " + ", ".join(member.lower() for member in members))
    return members[name]
