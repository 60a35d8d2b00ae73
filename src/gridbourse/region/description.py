"""Who takes part in a region, and its first settings. `gridbourse.region.description_file` reads and writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gridbourse.chain.interface import DEFAULT_TIMEOUT_SECONDS, Confirmations
from gridbourse.crypto.keys import Address
from gridbourse.crypto.suite import HPKE, suite_named
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import InvalidValue
from gridbourse.market.types import MAX_ZONE, Role, Settings
from gridbourse.region.grid import NO_GRID, GridSpec
from gridbourse.region.names import comparable, require_name
from gridbourse.text import LANGUAGES, NO_DISPLAY_NAME, DisplayName
from gridbourse.units import format_price


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
    OWN = "own"
    """The master itself, which trades for itself."""


class Engine(StrEnum):
    """Who puts the main chain's transactions in order, and where."""

    EMBEDDED = "embedded"
    ETHEREUM = "ethereum"


# A master's name is also the name of its chain's file.
_MASTER_NAME = re.compile("[a-z0-9-]{1,40}")
# A node's name is, percent-encoded, also the name of its key file.
_MAX_NODE_ID_BYTES = 80
_MAX_CHAIN_ID = 2**32 - 1

_PLANTS = frozenset({NodeKind.WIND, NodeKind.PV, NodeKind.HYDRO, NodeKind.THERMAL, NodeKind.STORAGE})
_SERVICES = frozenset({NodeKind.DISPATCH, NodeKind.EFFICIENCY, NodeKind.MONITORING, NodeKind.SERVICES})
CONSUMERS = frozenset({NodeKind.INDUSTRIAL, NodeKind.COMMERCIAL, NodeKind.RESIDENTIAL, NodeKind.EV})

TRADING_KINDS = _PLANTS | CONSUMERS | {NodeKind.OWN}
"""Kinds of function nodes that trade: all but the grid's services."""

KINDS_BELOW: Mapping[Role, frozenset[NodeKind]] = {
    Role.SOURCE: TRADING_KINDS,
    Role.GRID: TRADING_KINDS | _SERVICES,
    Role.AGGREGATOR: TRADING_KINDS,
    Role.USER: TRADING_KINDS,
}
"""Which kinds of function nodes a master may have below it: everybody is a prosumer, only the grid dispatches."""


def require_confirmations(field: str, value: object) -> Confirmations:
    """Refuse what says of no block that it is final.

    Raises
    ------
    InvalidValue
        It is neither a number of blocks nor ``"finalized"``.
    """
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
    display_name
        What people call it.
    """

    node_id: str
    kind: NodeKind
    location: str
    zone: int = 0
    display_name: DisplayName = NO_DISPLAY_NAME


@dataclass(frozen=True, slots=True)
class MasterSpec:
    """A master.

    Parameters
    ----------
    name, role
        Who it is.
    nodes
        The function nodes below it, which are listed in its own organisation's file only; one at most is its own.
    slave_chain_url
        Where the master lets the holder of the file read its slave chain; empty for nowhere. The token to show lies in
        ``keys/tokens/NAME``.
    slave_chain_confirmations
        When a block read from there counts as final, as in `MainChainSpec`.
    display_name
        What people call it.
    """

    name: str
    role: Role
    nodes: tuple[NodeSpec, ...]
    slave_chain_url: str = ""
    slave_chain_confirmations: Confirmations = 0
    display_name: DisplayName = NO_DISPLAY_NAME


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
        require_confirmations("main_chain.confirmations", self.confirmations)
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
    display_name
        What people call it.

    Raises
    ------
    InvalidValue
        Two masters or two nodes share a name or are called the same, a name is no name, no master is of role grid, a
        node is of a kind that its master cannot have, the settings or the chain id are no market's, the suite is
        unknown or not installed, or there is no such time zone.
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
    display_name: DisplayName = NO_DISPLAY_NAME

    def __post_init__(self) -> None:
        if not 1 <= self.chain_id <= _MAX_CHAIN_ID:
            raise InvalidValue("chain_id", self.chain_id, f"a whole number from 1 to {_MAX_CHAIN_ID}")
        suite_named(self.suite)
        DeliveryCalendar(self.time_zone)
        _require_market(self.settings)
        require_name("name", self.name)
        nodes = [node for master in self.masters for node in master.nodes]
        _require_distinct("master.name", [master.name for master in self.masters])
        _require_distinct("master.node.id", [node.node_id for node in nodes])
        _require_readable("display_name", [(self.name, self.display_name)])
        _require_readable("master.display_name", [(master.name, master.display_name) for master in self.masters])
        _require_readable("master.node.display_name", [(node.node_id, node.display_name) for node in nodes])
        if Role.GRID not in {master.role for master in self.masters}:
            roles = [master.role.name.lower() for master in self.masters]
            raise InvalidValue("master.role", roles, "at least one master of role grid: it settles payments")
        for master in self.masters:
            _require_master(master)
            for node in master.nodes:
                if self.grid.zones and node.zone >= len(self.grid.zones):
                    remedy = f"a whole number from 0 to {len(self.grid.zones) - 1}, one for each of grid.zones"
                    raise InvalidValue(f"zone of node {node.node_id}", node.zone, remedy)


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
    own = [node.node_id for node in master.nodes if node.kind is NodeKind.OWN]
    if len(own) > 1:
        raise InvalidValue("kind of nodes " + ", ".join(own), NodeKind.OWN.value, "one node at most that is the master")
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


def _require_readable(field: str, named: Sequence[tuple[str, DisplayName]]) -> None:
    """Refuse display names that cannot be read, or that nobody can tell apart from what another one is shown as."""
    for _, name in named:
        for text in filter(None, (name.en, name.zh)):
            require_name(field, text)
    for language in LANGUAGES:
        _require_distinct(field, [name.read(language, short) for short, name in named])


def _require_distinct(field: str, names: Sequence[str]) -> None:
    compared = [comparable(name) for name in names]
    repeated = {name for name, form in zip(names, compared, strict=True) if compared.count(form) > 1 or not name}
    if repeated:
        raise InvalidValue(field, sorted(repeated), "a name for each that no other has or looks like")
