"""A region as one TOML file describes it. docs/region.md lists every field.

The file names who takes part and the first market settings. It holds no secret and nothing that changes while
the region runs: settings change by votes, keys by rotation, both on the chains.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from gridbourse.chain.interface import DEFAULT_TIMEOUT_SECONDS, Confirmations
from gridbourse.crypto.keys import Address
from gridbourse.crypto.suite import HPKE, suite_named
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import InvalidValue
from gridbourse.market.types import MAX_ZONE, Role, Settings
from gridbourse.region.grid import NO_GRID, GridSpec, LineSpec
from gridbourse.region.names import comparable, require_name
from gridbourse.units import format_price, price_ticks


class NodeKind(StrEnum):
    """What a function node is (paper, section 2)."""

    WIND = "wind"
    PV = "pv"
    HYDRO = "hydro"
    THERMAL = "thermal"
    STORAGE = "storage"
    DISPATCH = "dispatch"
    EFFICIENCY = "efficiency"
    MONITORING = "monitoring"
    SERVICES = "services"
    INDUSTRIAL = "industrial"
    COMMERCIAL = "commercial"
    RESIDENTIAL = "residential"
    EV = "ev"


class Engine(StrEnum):
    """Who puts the main chain's transactions in order, and where."""

    EMBEDDED = "embedded"
    ETHEREUM = "ethereum"


_CONTRACTS = ("consortium", "market", "anchors", "balancing")
_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")
# A master's name is also the name of its chain's file.
_MASTER_NAME = re.compile("[a-z0-9-]{1,40}")
# A node's name is, percent-encoded, also the name of its key file.
_MAX_NODE_ID_BYTES = 80
_MAX_CHAIN_ID = 2**32 - 1

_PLANTS = frozenset({NodeKind.WIND, NodeKind.PV, NodeKind.HYDRO, NodeKind.THERMAL, NodeKind.STORAGE})
_SERVICES = frozenset({NodeKind.DISPATCH, NodeKind.EFFICIENCY, NodeKind.MONITORING, NodeKind.SERVICES})
_CONSUMERS = frozenset({NodeKind.INDUSTRIAL, NodeKind.COMMERCIAL, NodeKind.RESIDENTIAL, NodeKind.EV})

KINDS_BELOW: Mapping[Role, frozenset[NodeKind]] = {
    Role.SOURCE: _PLANTS | _CONSUMERS,
    Role.GRID: _SERVICES | _PLANTS | _CONSUMERS,
    Role.AGGREGATOR: _PLANTS | _CONSUMERS,
    Role.USER: _PLANTS | _CONSUMERS,
}
"""Which kinds of function nodes a master may have below it: everybody is a prosumer, only the grid dispatches."""


def _require_confirmations(field: str, value: object) -> Confirmations:
    if value == "finalized":
        return "finalized"
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidValue(field, value, 'a number of blocks from 0 on, or "finalized"')
    return value


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A function node: a plant, a service of the grid, a household.

    Parameters
    ----------
    node_id
        Its name, different from every other in the region.
    kind
        What it is.
    location
        Where it is; it stands in encrypted records only.
    zone
        Zone of the grid that it is in, from 0 to 255; deals between zones need transfer capacity.
    """

    node_id: str
    kind: NodeKind
    location: str
    zone: int = 0


@dataclass(frozen=True, slots=True)
class MasterSpec:
    """A master.

    Parameters
    ----------
    name, role
        Who it is.
    nodes
        The function nodes below it, which are listed in its own organisation's file only.
    slave_chain_url
        Where the master lets the holder of the file read its slave chain; empty for nowhere. The token to show lies in
        ``keys/tokens/NAME``.
    slave_chain_confirmations
        When a block read from there counts as final, as in `MainChainSpec`.
    """

    name: str
    role: Role
    nodes: tuple[NodeSpec, ...]
    slave_chain_url: str = ""
    slave_chain_confirmations: Confirmations = 0


@dataclass(frozen=True, slots=True)
class MainChainSpec:
    """How the main chain is reached from here.

    Parameters
    ----------
    engine
        ``embedded``: it is kept in the folder, and its operator seals it. ``ethereum``: a node is asked, one of a
        consortium's own (`gridbourse node`) or of any other network.
    url
        Where that node serves the Ethereum JSON-RPC.
    contracts
        Addresses of `Consortium`, `EnergyMarket`, `SlaveAnchors` and `Balancing`; empty if they are the chain's first
        four blocks.
    confirmations
        When that network's blocks count as final: after so many blocks on top, 0 for at once, or ``"finalized"`` where
        it says so itself.
    charges_gas
        Whether transactions must bid what that network charges.
    final_within_seconds
        How long to wait until a transaction is final.
    """

    engine: Engine = Engine.EMBEDDED
    url: str = ""
    contracts: tuple[Address, ...] = ()
    confirmations: Confirmations = 0
    charges_gas: bool = False
    final_within_seconds: int = int(DEFAULT_TIMEOUT_SECONDS)

    def __post_init__(self) -> None:
        _require_confirmations("main_chain.confirmations", self.confirmations)
        if self.final_within_seconds < 1:
            raise InvalidValue("main_chain.final_within_seconds", self.final_within_seconds, "at least 1")
        options = self.confirmations, self.charges_gas, self.final_within_seconds
        if self.engine is Engine.EMBEDDED and options != (0, False, DEFAULT_TIMEOUT_SECONDS):
            remedy = "only for the ethereum engine; an embedded chain is final at once and charges nothing"
            raise InvalidValue("main_chain", "confirmations, charges_gas or final_within_seconds", remedy)
        if (self.engine is Engine.ETHEREUM) != self.url.startswith(("http://", "https://")):
            raise InvalidValue("main_chain.url", self.url, "http://HOST:PORT for the ethereum engine, else nothing")


@dataclass(frozen=True, slots=True)
class RegionSpec:
    """A whole region.

    Parameters
    ----------
    name
        What it is called.
    chain_id
        Ethereum chain id of the main chain; the slave chains are numbered on from it.
    settings
        The first market settings.
    masters
        Who takes part.
    single_chain
        Put every detail of everybody on the main chain, the paper's counterpart to master-slave.
    main_chain
        How the main chain is reached from here.
    suite
        Name of the algorithms that records are sealed with (`gridbourse.crypto.suite`).
    time_zone
        The region's local time, by its name in the IANA time zone database: its midnights part the delivery days.
    grid
        Zones and lines.

    Raises
    ------
    InvalidValue
        Two masters or two nodes share a name, a name is no name, no master is of role grid, a node is of a kind that
        its master cannot have, the settings or the chain id are no market's, the suite is unknown or not installed, or
        there is no such time zone.
    """

    name: str
    chain_id: int
    settings: Settings
    masters: tuple[MasterSpec, ...]
    single_chain: bool = False
    suite: str = HPKE.name
    main_chain: MainChainSpec = MainChainSpec()
    time_zone: str = "UTC"
    grid: GridSpec = NO_GRID

    def __post_init__(self) -> None:
        if not 1 <= self.chain_id <= _MAX_CHAIN_ID:
            raise InvalidValue("chain_id", self.chain_id, f"a whole number from 1 to {_MAX_CHAIN_ID}")
        suite_named(self.suite)
        DeliveryCalendar(self.time_zone)
        _require_market(self.settings)
        require_name("name", self.name)
        _require_distinct("master.name", [master.name for master in self.masters])
        _require_distinct("master.node.id", [node.node_id for master in self.masters for node in master.nodes])
        if Role.GRID not in {master.role for master in self.masters}:
            roles = [master.role.name.lower() for master in self.masters]
            raise InvalidValue("master.role", roles, "at least one master of role grid: it settles payments")
        for master in self.masters:
            _require_master(master)
            for node in master.nodes:
                if self.grid.zones and node.zone >= len(self.grid.zones):
                    remedy = f"a whole number from 0 to {len(self.grid.zones) - 1}, one for each of grid.zones"
                    raise InvalidValue(f"zone of node {node.node_id}", node.zone, remedy)


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
    )
    root.require_empty()
    return spec


def write_region(spec: RegionSpec, path: Path) -> None:
    """Write a region's TOML file, as `read_region` reads it."""
    settings = spec.settings
    lines = [
        f"name = {_text(spec.name)}",
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
        if master.slave_chain_url:
            lines += [f"slave_chain_url = {_text(master.slave_chain_url)}"]
        if master.slave_chain_confirmations:
            lines += [f"slave_chain_confirmations = {json.dumps(master.slave_chain_confirmations)}"]
        for node in master.nodes:
            fields = {"id": node.node_id, "kind": node.kind, "location": node.location}
            lines += ["", "[[master.node]]", *(f"{field} = {_text(value)}" for field, value in fields.items())]
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
    )
    fields.require_empty()
    return spec


def _node(fields: _Fields) -> NodeSpec:
    spec = NodeSpec(
        node_id=fields.take("id", str),
        kind=_enum("master.node.kind", NodeKind.__members__, fields.take("kind", str).upper()),
        location=fields.take("location", str),
        zone=fields.take("zone", int, 0),
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
        return _require_confirmations(self._prefix + name, value)

    def tables(self, name: str) -> list[_Fields]:
        entries = self.take(name, list, [])
        if not all(isinstance(entry, dict) for entry in entries):
            raise InvalidValue(self._prefix + name, entries, f"[[{self._prefix}{name}]] tables")
        return [_Fields(f"{self._prefix}{name}.", entry) for entry in entries]

    def require_empty(self) -> None:
        if self._values:
            raise InvalidValue(self._prefix + next(iter(self._values)), "present", "no such field: it is unknown")


def _text(value: str) -> str:
    """A TOML basic string: its escapes are those of JSON, and it does without the delete character."""
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _enum(field: str, members: Mapping[str, _Value], name: str) -> _Value:
    if name not in members:
        raise InvalidValue(field, name.lower(), "one of " + ", ".join(member.lower() for member in members))
    return members[name]


def _require_market(settings: Settings) -> None:
    limits = (
        ("market.cooling_off_seconds", settings.cooling_off_seconds, 0, 2**32 - 1),
        ("market.gate_closure_lead_seconds", settings.gate_lead_seconds, 0, 2**32 - 1),
        ("market.max_candidates", settings.max_candidates, 1, 2**16 - 1),
        ("market.apart_seconds", settings.apart_seconds, 0, 2**32 - 1),
        ("market.least_wh", settings.least_wh, 1, 2**16 - 1),
        ("market.bid_multiple", settings.bid_multiple, 1, 2**8 - 1),
        ("settlement.incentive_permille", settings.incentive_permille, 0, 1_000),
        ("settlement.metering_due_seconds", settings.metering_due_seconds, 0, 2**32 - 1),
    )
    for field, value, least, most in limits:
        if not least <= value <= most:
            raise InvalidValue(field, value, f"a whole number from {least} to {most}")
    if settings.floor_ticks > settings.cap_ticks:
        cap = format_price(settings.cap_ticks)
        raise InvalidValue("market.price_floor_yuan_per_kwh", format_price(settings.floor_ticks), f"at most {cap}")
    if not settings.floor_ticks <= settings.fallback_ticks <= settings.cap_ticks:
        fallback, floor, cap = map(format_price, (settings.fallback_ticks, settings.floor_ticks, settings.cap_ticks))
        raise InvalidValue("settlement.fallback_yuan_per_kwh", fallback, f"a price from {floor} to {cap}")
    if not settings.trading_roles:
        raise InvalidValue("market.trading_roles", [], "at least one role, or leave it out for all")


def _require_master(master: MasterSpec) -> None:
    if not _MASTER_NAME.fullmatch(master.name) or master.name == "main":
        raise InvalidValue("master.name", master.name, "1 to 40 of a-z, 0-9 and '-', and not 'main'")
    for node in master.nodes:
        require_name("master.node.id", node.node_id)
        if node.location:
            require_name(f"location of node {node.node_id}", node.location)
        if len(node.node_id.encode()) > _MAX_NODE_ID_BYTES:
            raise InvalidValue("master.node.id", node.node_id, f"at most {_MAX_NODE_ID_BYTES} bytes of UTF-8")
        if node.kind not in KINDS_BELOW[master.role]:
            allowed = ", ".join(sorted(KINDS_BELOW[master.role]))
            raise InvalidValue(f"kind of node {node.node_id}", str(node.kind), f"one of {allowed}")
        if not 0 <= node.zone <= MAX_ZONE:
            raise InvalidValue(f"zone of node {node.node_id}", node.zone, f"a whole number from 0 to {MAX_ZONE}")


def _require_distinct(field: str, names: Sequence[str]) -> None:
    compared = [comparable(name) for name in names]
    repeated = {name for name, form in zip(names, compared, strict=True) if compared.count(form) > 1 or not name}
    if repeated:
        raise InvalidValue(field, sorted(repeated), "a name for each that no other has or looks like")
