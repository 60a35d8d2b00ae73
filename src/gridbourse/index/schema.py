"""The tables of the index. docs/index-database.md says what stands in each, and what of it is confidential.

Conventions: energy in Wh, prices in ticks of 0.0001 yuan/kWh, money in 1e-7 yuan, times in seconds since the epoch.
`side` is 0 for an ask and 1 for a bid, `energy_types` the contract's set of bits, `chain` the name of a chain: "main",
or the master of a slave chain. An order's id on the main chain is its period, side, price and turn.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    literal_column,
)
from sqlalchemy.types import TypeEngine

MAIN = "main"
"""The main chain's name."""

SCHEMA_VERSION = 2
"""An index of another version is not migrated but built again: nothing is in it that the chains do not hold."""

metadata = MetaData()

_Number = BigInteger().with_variant(Integer, "sqlite")
"""As a primary key, the number under which SQLite keeps the row itself."""


class Money(TypeDecorator[int]):
    """An amount of money: the contract's have up to 96 bits, more than a database's integers."""

    impl = Numeric(30, 0)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite has no exact numbers beyond 64 bits; there it is text."""
        kind: TypeEngine[Any] = String(30) if dialect.name == "sqlite" else Numeric(30, 0)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: int | None, dialect: Dialect) -> object:
        """Write."""
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: object, _: Dialect) -> int | None:
        """Read."""
        return None if value is None else int(str(value))


def _partial(
    name: str, *columns: Column[int] | Column[str], where: ColumnElement[bool], is_unique: bool = False
) -> Index:
    return Index(name, *columns, unique=is_unique, sqlite_where=where, postgresql_where=where)


def _among(column: Column[str], *values: str) -> ColumnElement[bool]:
    """Whether a column has one of some values, written out: a database uses no partial index for a parameter."""
    return column.in_([literal_column(f"'{value}'") for value in values])


index_state = Table(
    "index_state",
    metadata,
    Column("schema_version", Integer, primary_key=True),
    Column("region", Text, nullable=False),
    Column("kept", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)

heads = Table(
    "heads",
    metadata,
    Column("chain", Text, primary_key=True),
    Column("height", BigInteger, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("parent_hash", LargeBinary, nullable=False),
    Column("transaction_count", Integer, nullable=False),
    Column("record_count", BigInteger, nullable=False),
    Column("author", LargeBinary),
)

changes = Table(
    "changes",
    metadata,
    Column("sequence", _Number, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
)

blocks = Table(
    "blocks",
    metadata,
    Column("chain", Text, nullable=False),
    Column("height", BigInteger, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("parent_hash", LargeBinary, nullable=False),
    Column("transaction_count", Integer, nullable=False),
    PrimaryKeyConstraint("chain", "height"),
    sqlite_with_rowid=False,
)
Index("blocks_by_hash", blocks.c.hash)

# The market

orders = Table(
    "orders",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("record_hash", LargeBinary, nullable=False),
    Column("chain", Text, nullable=False),
    Column("node_id", Text),
    Column("location", Text),
    Column("quota_wh", BigInteger),
    Column("replaces", Text),
    Column("automatic", Boolean),
    Column("side", SmallInteger),
    Column("energy_types", SmallInteger),
    Column("period", Integer),
    Column("energy_wh", BigInteger),
    Column("price_ticks", Integer),
    Column("status", Text, nullable=False),
    Column("refusal", SmallInteger),
    Column("trader", BigInteger),
    Column("turn", Integer),
    Column("placed_at", BigInteger),
    Column("height", BigInteger),
    Column("open_wh", BigInteger, nullable=False),
    Column("withdrawn_wh", BigInteger, nullable=False),
    Column("stopped_height", BigInteger),
)
_id = (orders.c.period, orders.c.side, orders.c.price_ticks, orders.c.turn)
Index("orders_by_record", orders.c.record_hash)
IS_PLACED = orders.c.turn.is_not(None)
_partial("orders_by_id", *_id, where=IS_PLACED, is_unique=True)
Index("orders_by_node", orders.c.node_id, orders.c.number)

IS_WAITING = orders.c.open_wh > literal_column("0")
IS_RECORDED = _among(orders.c.status, "recorded")
IS_STOPPED = orders.c.stopped_height.is_not(None)
_partial("orders_waiting", *_id, where=IS_WAITING)
_partial("orders_recorded", orders.c.chain, orders.c.number, where=IS_RECORDED)
_partial("orders_stopped", orders.c.period, where=IS_STOPPED)

trades = Table(
    "trades",
    metadata,
    Column("deal_id", _Number, primary_key=True, autoincrement=False),
    Column("period", Integer, nullable=False),
    Column("ask_price_ticks", Integer, nullable=False),
    Column("ask_turn", Integer, nullable=False),
    Column("bid_price_ticks", Integer, nullable=False),
    Column("bid_turn", Integer, nullable=False),
    Column("seller", BigInteger, nullable=False),
    Column("buyer", BigInteger, nullable=False),
    Column("energy_type", SmallInteger, nullable=False),
    Column("energy_wh", BigInteger, nullable=False),
    Column("price_ticks", Integer, nullable=False),
    Column("confirm_before", BigInteger, nullable=False),
    Column("agreed_at", BigInteger, nullable=False),
    Column("height", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("seller_confirmed", Boolean, nullable=False),
    Column("buyer_confirmed", Boolean, nullable=False),
    Column("seller_due", Text),
    Column("buyer_due", Text),
)
Index("trades_by_period", trades.c.period, trades.c.deal_id)
Index("trades_by_seller", trades.c.seller)
Index("trades_by_buyer", trades.c.buyer)

IS_OPEN = _among(trades.c.status, "intent", "confirmed")
_partial("trades_open", trades.c.status, trades.c.confirm_before, where=IS_OPEN)
_partial("trades_due_to_sellers", trades.c.deal_id, where=trades.c.seller_due.is_not(None))
_partial("trades_due_to_buyers", trades.c.deal_id, where=trades.c.buyer_due.is_not(None))

answers = Table(
    "answers",
    metadata,
    Column("deal_id", BigInteger, nullable=False),
    Column("side", SmallInteger, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("is_pending", Boolean, nullable=False),
    PrimaryKeyConstraint("deal_id", "side", "node_id"),
    sqlite_with_rowid=False,
)
IS_PENDING = answers.c.is_pending.is_(True)
_partial("answers_pending", answers.c.deal_id, where=IS_PENDING)

cancellations = Table(
    "cancellations",
    metadata,
    Column("chain", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("record_hash", LargeBinary, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    PrimaryKeyConstraint("chain", "number"),
    sqlite_with_rowid=False,
)

day_accounts = Table(
    "day_accounts",
    metadata,
    Column("trader", _Number, primary_key=True, autoincrement=False),
    Column("master_id", Integer, nullable=False),
    Column("pseudonym", LargeBinary, nullable=False),
    Column("zone", SmallInteger, nullable=False),
    Column("chain", Text),
    Column("node_id", Text),
    Column("day", BigInteger),
    Column("free_money", Money, nullable=False),
    Column("held_money", Money, nullable=False),
)
Index("day_accounts_by_pseudonym", day_accounts.c.pseudonym)
Index("day_accounts_by_node", day_accounts.c.node_id, day_accounts.c.day)

positions = Table(
    "positions",
    metadata,
    Column("trader", BigInteger, nullable=False),
    Column("period", Integer, nullable=False),
    Column("quota_wh", BigInteger, nullable=False),
    Column("held_wh", BigInteger, nullable=False),
    Column("sold_wh", BigInteger, nullable=False),
    Column("bought_wh", BigInteger, nullable=False),
    PrimaryKeyConstraint("trader", "period"),
    sqlite_with_rowid=False,
)

payments = Table(
    "payments",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("reference", LargeBinary, nullable=False),
    Column("trader", BigInteger, nullable=False),
    Column("money", Money, nullable=False),
    Column("is_out", Boolean, nullable=False),
    Column("height", BigInteger, nullable=False),
)
Index("payments_by_reference", payments.c.reference)

deposit_moves = Table(
    "deposit_moves",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("from_trader", BigInteger, nullable=False),
    Column("to_trader", BigInteger, nullable=False),
    Column("money", Money, nullable=False),
    Column("height", BigInteger, nullable=False),
)
Index("deposit_moves_by_traders", deposit_moves.c.from_trader, deposit_moves.c.to_trader)

transfer_capacities = Table(
    "transfer_capacities",
    metadata,
    Column("period", Integer, nullable=False),
    Column("from_zone", SmallInteger, nullable=False),
    Column("to_zone", SmallInteger, nullable=False),
    Column("capacity_wh", BigInteger, nullable=False),
    PrimaryKeyConstraint("period", "from_zone", "to_zone"),
    sqlite_with_rowid=False,
)

# Records, and what those say that concern a function node, its master and the regulator

records = Table(
    "records",
    metadata,
    Column("chain", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("height", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("author", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("transaction_hash", LargeBinary, nullable=False),
    Column("is_valid", Boolean, nullable=False),
    Column("node_id", Text),
    Column("deal_id", BigInteger),
    PrimaryKeyConstraint("chain", "number"),
    sqlite_with_rowid=False,
)
Index("records_by_leaf", records.c.leaf)
Index("records_by_kind", records.c.chain, records.c.kind, records.c.number)
_partial("records_of_deals", records.c.chain, records.c.deal_id, where=records.c.deal_id.is_not(None))

subtrees = Table(
    "subtrees",
    metadata,
    Column("chain", Text, nullable=False),
    Column("level", SmallInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("chain", "level", "number"),
    sqlite_with_rowid=False,
)

anchors = Table(
    "anchors",
    metadata,
    Column("chain", Text, nullable=False),
    Column("last_block", BigInteger, nullable=False),
    Column("first_block", BigInteger, nullable=False),
    Column("leaf_count", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("height", BigInteger, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    PrimaryKeyConstraint("chain", "last_block"),
    sqlite_with_rowid=False,
)
Index("anchors_by_leaf_count", anchors.c.chain, anchors.c.leaf_count)
Index("anchors_by_height", anchors.c.height)

reports = Table(
    "reports",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("chain", Text, nullable=False),
    Column("record", BigInteger, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
)
Index("reports_by_node", reports.c.node_id, reports.c.number)

day_records = Table(
    "day_records",
    metadata,
    Column("chain", Text, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("day", BigInteger, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("record", BigInteger, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("content", Text, nullable=False),
    PrimaryKeyConstraint("chain", "kind", "day", "node_id"),
    sqlite_with_rowid=False,
)
"""The newest metered energies, statement and schedule of each node and delivery day; content is JSON."""
Index("day_records_by_record", day_records.c.chain, day_records.c.kind, day_records.c.record)

kept_records = Table(
    "kept_records",
    metadata,
    Column("chain", Text, nullable=False),
    Column("record", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("content", Text, nullable=False),
    PrimaryKeyConstraint("chain", "record"),
    sqlite_with_rowid=False,
)
"""Records of which not only the newest counts: payout instructions, transfer capacities; content is JSON."""
Index("kept_records_by_kind", kept_records.c.chain, kept_records.c.kind, kept_records.c.record)

# Who takes part

nodes = Table(
    "nodes",
    metadata,
    Column("node_id", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("chain", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("address", LargeBinary, nullable=False),
    Column("encryption_public", LargeBinary, nullable=False),
    Column("is_revoked", Boolean, nullable=False),
)

days = Table(
    "days",
    metadata,
    Column("chain", Text, nullable=False),
    Column("day", BigInteger, nullable=False),
    Column("day_key", LargeBinary, nullable=False),
    PrimaryKeyConstraint("chain", "day"),
    sqlite_with_rowid=False,
)

pseudonyms = Table(
    "pseudonyms",
    metadata,
    Column("pseudonym", LargeBinary, primary_key=True),
    Column("chain", Text, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("day", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

meters = Table(
    "meters",
    metadata,
    Column("meter", LargeBinary, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("chain", Text, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("limit_w", BigInteger, nullable=False),
    Column("registered_at", BigInteger, nullable=False),
)

trading_limits = Table(
    "trading_limits",
    metadata,
    Column("node_id", Text, primary_key=True),
    Column("chain", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("energy_type", SmallInteger, nullable=False),
    Column("accepted_types", BigInteger, nullable=False),
    Column("lowest_sell_ticks", Integer, nullable=False),
    Column("highest_buy_ticks", Integer, nullable=False),
    Column("reserve_wh", BigInteger, nullable=False),
    Column("smallest_wh", BigInteger, nullable=False),
    Column("max_share_permille", Integer, nullable=False),
)

votes = Table(
    "votes",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("action_id", LargeBinary, nullable=False),
    Column("action", LargeBinary, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("voters", Text, nullable=False),
    Column("is_carried", Boolean, nullable=False),
)
Index("votes_by_action", votes.c.action_id, votes.c.number)

# The balance

submissions = Table(
    "submissions",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("master_id", Integer, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("author", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("height", BigInteger, nullable=False),
    Column("transaction_hash", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

imbalance_prices = Table(
    "imbalance_prices",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("period", Integer, nullable=False),
    Column("price_ticks", Integer, nullable=False),
    Column("region_wh", BigInteger, nullable=False),
    Column("reference_wh", BigInteger, nullable=False),
    Column("as_of_block", BigInteger, nullable=False),
    Column("height", BigInteger, nullable=False),
)
Index("imbalance_prices_by_period", imbalance_prices.c.period, imbalance_prices.c.number)
