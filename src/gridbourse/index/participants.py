"""Who takes part: function nodes, the numbers under which they trade, their meters, and what they may do alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, update

from gridbourse.crypto.pseudonym import MAX_DAY, DayKey
from gridbourse.index.blocks import Block, MainBlock, SlaveBlock
from gridbourse.index.database import Database
from gridbourse.index.schema import day_accounts, days, meters, nodes, pseudonyms, trading_limits
from gridbourse.index.stored_text import stored_text
from gridbourse.ledger.records import DayOpened, LimitsSet, MeterRegistered, NodeRegistered, NodeRevoked
from gridbourse.market.events import TraderRegistered
from gridbourse.market.types import EnergyType
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.rules.delivered import Connection as GridConnection
from gridbourse.rules.delivered import connection_of

_ACCOUNT_OF = select(day_accounts.c.trader).where(
    day_accounts.c.pseudonym.in_(bindparam("keys", expanding=True)),
    day_accounts.c.chain == bindparam("chain"),
    day_accounts.c.node_id.is_(None),
)
_LIMITS = tuple(field.name for field in fields(AutoTradingLimits))


@dataclass(frozen=True, slots=True)
class Account:
    """The function node behind a trader number, and the delivery day on which it has it."""

    node_id: str
    master: str
    day: int


@dataclass(frozen=True, slots=True)
class Participant:
    """A function node, as its newest registration says."""

    node_id: str
    master: str
    kind: str
    location: str
    address: bytes
    is_revoked: bool
    voltage_level: str
    tariff: str
    area: str
    under_mechanism: bool

    @property
    def connection(self) -> GridConnection | None:
        """Its connection; None where no delivered prices are made for it."""
        return connection_of(self.voltage_level, self.tariff, self.area)


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter that a master entered for a node; of a node's several the one with the highest number stands there."""

    meter: bytes
    number: int
    node_id: str
    master: str
    limit_w: int
    registered_at: int


def apply(connection: Connection, blocks: Sequence[Block], names: Mapping[int, str]) -> None:
    """Write who entered, who was named, and what each may do.

    Parameters
    ----------
    connection
        In a transaction.
    blocks
        New blocks.
    names
        Names of the masters, by number.
    """
    registered = [
        event
        for block in blocks
        if isinstance(block, MainBlock)
        for event in block.events
        if isinstance(event, TraderRegistered)
    ]
    _register_traders(connection, registered, names)
    for block in blocks:
        if isinstance(block, SlaveBlock):
            for found in block.records:
                match found.details:
                    case NodeRegistered():
                        _register_node(connection, block.master, found.details)
                    case NodeRevoked(node_id=node_id):
                        connection.execute(update(nodes).where(nodes.c.node_id == node_id).values(is_revoked=True))
                    case DayOpened(day=day) if day <= MAX_DAY:
                        _open_day(connection, block.master, found.details)
                    case MeterRegistered():
                        _register_meter(connection, block, found.details)
                    case LimitsSet():
                        _set_limits(connection, block.master, found.details)
                    case _:
                        pass


def _register_traders(connection: Connection, registered: Sequence[TraderRegistered], names: Mapping[int, str]) -> None:
    known = {}
    for first in range(0, len(registered), 500):
        keys = [event.pseudonym for event in registered[first : first + 500]]
        for row in connection.execute(select(pseudonyms).where(pseudonyms.c.pseudonym.in_(keys))):
            known[row.pseudonym, row.chain] = row
    rows = []
    for event in registered:
        chain = names.get(event.master_id, str(event.master_id))
        owner = known.pop((event.pseudonym, chain), None)
        if owner is not None:
            connection.execute(delete(pseudonyms).where(pseudonyms.c.pseudonym == event.pseudonym))
        rows.append(
            {
                "trader": event.trader,
                "master_id": event.master_id,
                "pseudonym": event.pseudonym,
                "zone": event.zone,
                "chain": chain,
                "node_id": owner.node_id if owner else None,
                "day": owner.day if owner else None,
                "free_money": 0,
                "held_money": 0,
            }
        )
    if rows:
        connection.execute(insert(day_accounts), rows)


def _register_node(connection: Connection, master: str, details: NodeRegistered) -> None:
    stated = {
        "chain": master,
        "kind": stored_text(details.kind),
        "location": stored_text(details.location),
        "address": bytes.fromhex(details.address_hex),
        "encryption_public": bytes.fromhex(details.encryption_public_hex),
        "voltage_level": stored_text(details.voltage_level),
        "tariff": stored_text(details.tariff),
        "area": stored_text(details.area),
        "under_mechanism": details.under_mechanism,
    }
    known = connection.execute(select(nodes).where(nodes.c.node_id == details.node_id)).first()
    if known is not None:
        connection.execute(update(nodes).where(nodes.c.node_id == details.node_id).values(stated))
        return
    number = connection.scalar(select(func.count()).select_from(nodes))
    connection.execute(insert(nodes), {"node_id": details.node_id, "number": number, "is_revoked": False, **stated})
    for row in connection.execute(select(days).where(days.c.chain == master)).all():
        _name(connection, master, row.day, DayKey(row.day_key), [details.node_id])


def _open_day(connection: Connection, master: str, details: DayOpened) -> None:
    day_key = details.day_key()
    place = and_(days.c.chain == master, days.c.day == details.day)
    if connection.execute(select(days).where(place)).first() is None:
        connection.execute(insert(days), {"chain": master, "day": details.day, "day_key": day_key.secret})
    named = select(nodes.c.node_id).where(nodes.c.chain == master).order_by(nodes.c.number)
    _name(connection, master, details.day, day_key, connection.scalars(named).all())


def _name(connection: Connection, master: str, day: int, day_key: DayKey, node_ids: Iterable[str]) -> None:
    """Say whose the pseudonyms of a day are: of accounts that are there already, and of those to come."""
    has_account = select(day_accounts.c.node_id).where(day_accounts.c.chain == master, day_accounts.c.day == day)
    named = {*connection.scalars(has_account)}
    owners = {day_key.pseudonym(node_id.encode()): node_id for node_id in node_ids if node_id not in named}
    for pseudonym, node_id in owners.items():
        trader = connection.scalar(_ACCOUNT_OF, {"keys": [pseudonym], "chain": master})
        if trader is not None:
            account = update(day_accounts).where(day_accounts.c.trader == trader)
            connection.execute(account.values(node_id=node_id, day=day))
        elif connection.execute(select(pseudonyms).where(pseudonyms.c.pseudonym == pseudonym)).first() is None:
            row = {"pseudonym": pseudonym, "chain": master, "node_id": node_id, "day": day}
            connection.execute(insert(pseudonyms), row)


def _register_meter(connection: Connection, block: SlaveBlock, details: MeterRegistered) -> None:
    meter = bytes.fromhex(details.meter_hex)
    known = connection.execute(select(meters).where(meters.c.meter == meter)).first()
    number = (connection.scalar(select(func.max(meters.c.number))) or 0) + 1
    stated = {"number": number, "chain": block.master, "node_id": details.node_id, "limit_w": details.limit_w}
    if known is not None:
        connection.execute(update(meters).where(meters.c.meter == meter).values(stated))
    else:
        connection.execute(insert(meters), {"meter": meter, "registered_at": block.head.timestamp, **stated})


def _set_limits(connection: Connection, master: str, details: LimitsSet) -> None:
    connection.execute(delete(trading_limits).where(trading_limits.c.node_id == details.user_id))
    limits = {name: int(getattr(details, name)) for name in _LIMITS if name != "active"}
    row = {"node_id": details.user_id, "chain": master, "active": details.active, **limits}
    connection.execute(insert(trading_limits), row)


# Queries

_NODES = select(
    nodes.c.node_id,
    nodes.c.chain,
    nodes.c.kind,
    nodes.c.location,
    nodes.c.address,
    nodes.c.is_revoked,
    nodes.c.voltage_level,
    nodes.c.tariff,
    nodes.c.area,
    nodes.c.under_mechanism,
).order_by(nodes.c.number)
_NODE = _NODES.where(nodes.c.node_id == bindparam("node_id"))
_OWNER = select(day_accounts.c.node_id, day_accounts.c.chain, day_accounts.c.day).where(
    day_accounts.c.trader == bindparam("trader"), day_accounts.c.node_id.is_not(None)
)
_TRADER = select(day_accounts.c.trader).where(
    day_accounts.c.node_id == bindparam("node_id"), day_accounts.c.day == bindparam("day")
)
_DAYS = select(days.c.day).distinct().order_by(days.c.day)
_LIMITS_OF = select(*(trading_limits.c[name] for name in _LIMITS)).where(
    trading_limits.c.node_id == bindparam("node_id")
)
_ALL_LIMITS = select(trading_limits.c.node_id, *(trading_limits.c[name] for name in _LIMITS)).order_by(
    trading_limits.c.node_id
)
_METERS = select(
    meters.c.meter, meters.c.number, meters.c.node_id, meters.c.chain, meters.c.limit_w, meters.c.registered_at
).order_by(meters.c.number)


class ParticipantRegistry:
    """Reads who is who.

    Parameters
    ----------
    database
        The index.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def nodes(self, master: str | None = None) -> list[Participant]:
        """All function nodes, or those of one master, in the order in which they entered."""
        statement = _NODES if master is None else _NODES.where(nodes.c.chain == master)
        return [Participant(*row) for row in self._database.rows(statement)]

    def node(self, node_id: str) -> Participant | None:
        """A function node; None if there is none of that name."""
        row = self._database.first(_NODE, node_id=node_id)
        return Participant(*row) if row else None

    def master_of(self, node_id: str) -> str | None:
        """Name of a node's master; None if there is no such node."""
        found = self.node(node_id)
        return found.master if found else None

    def owner(self, trader: int) -> Account | None:
        """Who a trader is; None if that is not known here."""
        row = self._database.first(_OWNER, trader=trader)
        return Account(*row) if row else None

    def trader(self, node_id: str, day: int) -> int | None:
        """Number under which a node trades on a delivery day; None if its master has not opened the day."""
        found: int | None = self._database.value(_TRADER, node_id=node_id, day=day)
        return found

    def traders(self, master: str) -> dict[tuple[str, int], int]:
        """Numbers of a master's nodes, by node and delivery day."""
        statement = select(day_accounts.c.node_id, day_accounts.c.day, day_accounts.c.trader).where(
            day_accounts.c.chain == master, day_accounts.c.node_id.is_not(None)
        )
        return {(node_id, day): trader for node_id, day, trader in self._database.rows(statement)}

    def days(self, master: str | None = None) -> list[int]:
        """Delivery days that any master, or one, has opened."""
        statement = _DAYS if master is None else _DAYS.where(days.c.chain == master)
        return [day for (day,) in self._database.rows(statement)]

    def limits(self, node_id: str) -> AutoTradingLimits | None:
        """What a node may do by itself, as its owner said last; None if it never did."""
        row = self._database.first(_LIMITS_OF, node_id=node_id)
        return _limits(row) if row else None

    def all_limits(self, master: str | None = None) -> dict[str, AutoTradingLimits]:
        """What every node, or those of one master, may do by themselves, by node."""
        statement = _ALL_LIMITS if master is None else _ALL_LIMITS.where(trading_limits.c.chain == master)
        return {node_id: _limits(row) for node_id, *row in self._database.rows(statement)}

    def meters(self) -> list[Meter]:
        """All meters, in the order in which they were entered."""
        return [Meter(*row) for row in self._database.rows(_METERS)]


def _limits(row: Sequence[Any]) -> AutoTradingLimits:
    values: dict[str, Any] = dict(zip(_LIMITS, row, strict=True))
    for name in ("energy_type", "accepted_types"):
        values[name] = EnergyType(values[name])
    return AutoTradingLimits(**values)
