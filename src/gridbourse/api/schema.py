"""What the service says, as values. The service answers with them and the client reads them: one definition.

Energy is in Wh, price in ticks of 0.0001 yuan/kWh, money in 1e-7 yuan, time in seconds since the epoch; periods are
numbered as in `gridbourse.units`. Identifiers of orders, hashes, addresses and raw bytes are hexadecimal text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Generic, TypeVar

from pydantic import Field

from gridbourse.text import DisplayName

_Item = TypeVar("_Item")

Period = Annotated[
    int,
    Field(ge=0, lt=2**24, description="Delivery period: quarter hours since 1970-01-01T00:00Z.", examples=[1983360]),
]
Day = Annotated[int, Field(ge=0, lt=2**17, description="Delivery day: days since 1970-01-01.", examples=[20660])]
EnergyWh = Annotated[int, Field(ge=0, description="Energy in Wh.", examples=[300_000])]
PriceTicks = Annotated[int, Field(ge=0, lt=2**16, description="Price in ticks of 0.0001 yuan/kWh.", examples=[3600])]
Money = Annotated[int, Field(description="Money in 1e-7 yuan, which is Wh x ticks.", examples=[1_080_000_000])]
Seconds = Annotated[int, Field(description="Seconds since 1970-01-01T00:00Z.", examples=[1_785_000_000])]
OrderIdText = Annotated[
    str,
    Field(
        pattern="^[0-9a-f]{16}$",
        description="An order's place in the book: period (6 hexadecimal digits), side (2), price (4), turn (4).",
        examples=["1e4380000e100000"],
    ),
]
DealId = Annotated[int, Field(ge=1, lt=2**63, description="Number of a deal on the main chain.", examples=[1])]
HashText = Annotated[str, Field(pattern="^0x[0-9a-f]{64}$", examples=["0x" + "5f" * 32])]
AddressText = Annotated[str, Field(pattern="^0x[0-9a-fA-F]{40}$", examples=["0x" + "5f" * 20])]
NodeId = Annotated[
    str, Field(min_length=1, max_length=80, description="A function node's name in its region.", examples=["Roof 01"])
]
MasterName = Annotated[
    str, Field(description="A master's name, also that of its slave chain.", examples=["aggregator"])
]
ChainName = Annotated[str, Field(description='"main", or the name of a slave chain\'s master.', examples=["main"])]


class SideName(StrEnum):
    """Which side of the book: an ask sells, a bid buys."""

    ASK = "ask"
    BID = "bid"


class EnergyTypeName(StrEnum):
    """What produces the energy."""

    WIND = "wind"
    PV = "pv"
    HYDRO = "hydro"
    THERMAL = "thermal"
    STORAGE = "storage"
    MIXED = "mixed"


class OrderStatus(StrEnum):
    """What became of an order."""

    RECORDED = "recorded"
    WAITING = "waiting"
    LAPSED = "lapsed"
    """The gate of its period closed before it was filled."""
    FILLED = "filled"
    CANCELLED = "cancelled"
    REFUSED = "refused"


class DealStatus(StrEnum):
    """Where a deal stands."""

    INTENT = "intent"
    CONFIRMED = "confirmed"
    ABANDONED = "abandoned"
    EXPIRED = "expired"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class Page(Generic[_Item]):
    """Part of a list; `next_cursor` leads to the rest, and is null on the last page."""

    items: list[_Item]
    next_cursor: Annotated[str | None, Field(description="Give it as `cursor` to read on.")] = None


@dataclass(frozen=True, slots=True)
class MarketSettings:
    """The rules in force; the masters change them by vote."""

    region: Annotated[str, Field(description="Name of the region.", examples=["small valley"])]
    chain_id: Annotated[int, Field(description="Chain id of the main chain.", examples=[7100])]
    time_zone: Annotated[
        str,
        Field(description="Local time, by its IANA name. Nothing here depends on it.", examples=["UTC"]),
    ]
    cooling_off_seconds: Annotated[int, Field(description="Time both parties have to confirm a deal.", examples=[300])]
    floor_ticks: PriceTicks
    cap_ticks: PriceTicks
    gate_lead_seconds: Annotated[int, Field(description="How long before delivery a gate closes.", examples=[900])]
    trading_roles: list[str]
    least_wh: Annotated[int, Field(description="The least energy of a new order, in Wh.", examples=[10])]
    bid_multiple: Annotated[
        int, Field(description="A new bid may be worth at most so many times its trader's free money.", examples=[2])
    ]
    region_display_name: DisplayName


@dataclass(frozen=True, slots=True)
class PeriodSummary:
    """A delivery period at a glance."""

    period: Period
    starts_at: Seconds
    gate_closes_at: Seconds
    is_open: Annotated[bool, Field(description="Whether its gate takes orders.")]
    best_ask_ticks: PriceTicks | None
    best_bid_ticks: PriceTicks | None
    ask_energy_wh: EnergyWh
    bid_energy_wh: EnergyWh
    traded_energy_wh: EnergyWh
    last_price_ticks: PriceTicks | None


@dataclass(frozen=True, slots=True)
class PriceLevel:
    """All that waits at one price."""

    price_ticks: PriceTicks
    energy_wh: EnergyWh
    order_count: Annotated[int, Field(ge=0, description="Orders waiting at this price.", examples=[2])]


@dataclass(frozen=True, slots=True)
class OrderBook:
    """The book of one delivery period, best price first."""

    period: Period
    starts_at: Seconds
    gate_closes_at: Seconds
    energy_type: Annotated[EnergyTypeName | None, Field(description="The energy type asked for; null for all.")]
    asks: list[PriceLevel]
    bids: list[PriceLevel]
    spread_ticks: Annotated[
        int | None,
        Field(
            description="Smallest distance from a bid up to an ask of a type that it accepts; null without such a "
            "pair. It is negative while something else keeps them apart, e.g. transfer capacity."
        ),
    ]
    height: Annotated[int, Field(description="Main-chain block after which the book stands so.", examples=[112])]


@dataclass(frozen=True, slots=True)
class Trade:
    """A deal as the tape shows it to everybody: what was agreed, not by whom."""

    deal_id: DealId
    period: Period
    energy_type: EnergyTypeName
    energy_wh: EnergyWh
    price_ticks: PriceTicks
    money: Money
    status: DealStatus
    agreed_at: Seconds
    height: Annotated[int, Field(description="Main-chain block in which it was agreed.")]


@dataclass(frozen=True, slots=True)
class PeriodPrices:
    """Prices and volume of one delivery period. Deals that ended without a transfer do not count."""

    period: Period
    energy_wh: EnergyWh
    money: Money
    deal_count: int
    open_ticks: PriceTicks
    high_ticks: PriceTicks
    low_ticks: PriceTicks
    close_ticks: PriceTicks
    average_ticks: Annotated[float, Field(description="Price weighted by energy, in ticks.", examples=[3712.5])]


@dataclass(frozen=True, slots=True)
class DayPrices:
    """A delivery day: the periods in which something was traded."""

    day: Day
    energy_type: EnergyTypeName | None
    energy_wh: EnergyWh
    money: Money
    deal_count: int
    periods: list[PeriodPrices]


@dataclass(frozen=True, slots=True)
class Quote:
    """What would happen if an order were placed now. Nothing is reserved by asking."""

    side: SideName
    period: Period
    energy_wh: EnergyWh
    price_ticks: PriceTicks
    best_price_ticks: Annotated[PriceTicks | None, Field(description="Best price that now waits on the other side.")]
    matched_wh: Annotated[EnergyWh, Field(description="Would be agreed at once.")]
    waiting_wh: Annotated[EnergyWh, Field(description="Would wait in the book.")]
    matched_money: Annotated[Money, Field(description="Price of the matched part: what is reserved of a buyer.")]
    limit_money: Annotated[Money, Field(description="Price of all of it at the order's own limit.")]
    free_money: Annotated[
        Money | None, Field(description="Free deposit on that day; null if not signed in for a node.")
    ]
    quota_wh: Annotated[EnergyWh | None, Field(description="What the node may still sell; null unless it sells.")]
    cooling_off_seconds: int
    gate_closes_at: Seconds
    obstacles: Annotated[
        list[str], Field(description="Why the market would not take it; empty if it would.", examples=[["gate_closed"]])
    ]
    warnings: Annotated[
        list[str], Field(description="What would keep it from being matched.", examples=[["deposit_too_small"]])
    ]


@dataclass(frozen=True, slots=True)
class Order:
    """An order of a function node."""

    order_id: Annotated[OrderIdText | None, Field(description="Null until it is in the market, or if it was refused.")]
    node_id: NodeId
    side: SideName
    energy_types: list[EnergyTypeName]
    period: Period
    energy_wh: EnergyWh
    price_ticks: PriceTicks
    open_wh: Annotated[EnergyWh, Field(description="Waits for a counterpart.")]
    agreed_wh: Annotated[EnergyWh, Field(description="In deals that have not ended without a transfer.")]
    status: OrderStatus
    refusal: Annotated[str | None, Field(description="Why the market refused it.", examples=["deposit_too_small"])]
    replaces: Annotated[OrderIdText | None, Field(description="The order whose open rest it took the place of.")]
    record_leaf: Annotated[HashText, Field(description="Leaf of the signed record on the slave chain.")]
    placed_at: Seconds | None
    height: Annotated[int | None, Field(description="Main-chain block that took it.")]


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal as one of its parties sees it: the other stays unknown."""

    deal_id: DealId
    node_id: NodeId
    side: SideName
    period: Period
    energy_type: EnergyTypeName
    energy_wh: EnergyWh
    price_ticks: PriceTicks
    money: Money
    status: DealStatus
    own_confirmed: bool
    other_confirmed: bool
    answered: Annotated[bool | None, Field(description="The recorded answer; null while there is none.")]
    confirm_before: Seconds
    agreed_at: Seconds
    own_order: OrderIdText
    height: int


@dataclass(frozen=True, slots=True)
class Deposit:
    """A node's money on one delivery day."""

    node_id: NodeId
    day: Day
    free_money: Money
    held_money: Annotated[Money, Field(description="Held by deals that have not ended.")]


@dataclass(frozen=True, slots=True)
class Position:
    """A node's energy claims in one delivery period."""

    node_id: NodeId
    period: Period
    quota_wh: Annotated[EnergyWh, Field(description="What it may sell.")]
    held_wh: Annotated[EnergyWh, Field(description="In deals that have not ended.")]
    sold_wh: EnergyWh
    bought_wh: EnergyWh


@dataclass(frozen=True, slots=True)
class MeteredPeriod:
    """What a node's meter counted in one delivery period, beside what it traded, as its master settled it."""

    node_id: NodeId
    period: Period
    fed_in_wh: Annotated[EnergyWh | None, Field(description="Fed in; null while the readings are in doubt.")]
    drawn_wh: Annotated[EnergyWh | None, Field(description="Drawn; null while the readings are in doubt.")]
    sold_wh: EnergyWh
    bought_wh: EnergyWh
    imbalance_wh: Annotated[
        int | None, Field(description="Fed in less drawn, less sold, plus bought: positive is long, negative is short.")
    ]
    price_ticks: Annotated[PriceTicks, Field(description="Imbalance price.")]
    imbalance_money: Annotated[Money, Field(description="What the node gets for it; negative for what it pays.")]


class StatementItem(StrEnum):
    """What a line of a statement is for."""

    DEAL = "deal"
    IMBALANCE = "imbalance"


@dataclass(frozen=True, slots=True)
class StatementLine:
    """What a node paid or received for one thing."""

    node_id: NodeId
    item: Annotated[
        StatementItem, Field(description="A settled deal with another user, or an imbalance with the settlement agent.")
    ]
    period: Period
    deal_id: DealId | None
    side: Annotated[SideName, Field(description="Who sells (ask) receives. Long is sold to the agent, short bought.")]
    energy_type: EnergyTypeName | None
    energy_wh: EnergyWh
    price_ticks: PriceTicks
    money: Money


@dataclass(frozen=True, slots=True)
class Statement:
    """What nodes paid and received for delivery on one day."""

    day: Day
    node_id: Annotated[NodeId | None, Field(description="Whose; null for all nodes of the caller's.")]
    lines: Annotated[list[StatementLine], Field(description="By delivery period.")]
    paid: Money
    received: Money
    open_periods: Annotated[int, Field(description="Not settled, for want of a reading; summed over the nodes.")]
    unsettled_nodes: Annotated[
        list[NodeId], Field(description="Not settled against their meters yet: for these the lines are deals only.")
    ]
    display_names: Annotated[
        dict[str, DisplayName], Field(description="What people call the nodes of the lines, by node id.")
    ]


@dataclass(frozen=True, slots=True)
class Account:
    """An account kept by the service."""

    name: Annotated[str, Field(description="What its holder signs in with.", examples=["roof01"])]
    kind: Annotated[str, Field(description="node, master or regulator.", examples=["node"])]
    subject: Annotated[str, Field(description="The node or master that it speaks for.", examples=["Roof 01"])]
    created_at: Seconds


@dataclass(frozen=True, slots=True)
class Token:
    """An API token; its secret is told once, when it is made."""

    token_id: Annotated[str, Field(examples=["9f86d081884c7d65"])]
    name: Annotated[str, Field(description="What it is for.", examples=["trading robot"])]
    scopes: Annotated[list[str], Field(description="read, trade, manage, meter.", examples=[["read", "trade"]])]
    created_at: Seconds
    expires_at: Seconds


@dataclass(frozen=True, slots=True)
class Session:
    """Who is asking."""

    kind: Annotated[str, Field(description="node, master, regulator or nobody.", examples=["node"])]
    name: Annotated[str, Field(description="The node or master; empty for nobody.", examples=["Roof 01"])]
    master: Annotated[str | None, Field(description="The master it is or is below.", examples=["aggregator"])]
    scopes: list[str]
    keeps_keys: Annotated[
        bool, Field(description="Whether the service signs for it; if not, it signs its records itself.")
    ]


@dataclass(frozen=True, slots=True)
class SigningContext:
    """What a node needs to seal and sign a record by itself."""

    node_id: NodeId
    location: str
    chain_id: Annotated[int, Field(description="Of the slave chain, which the transaction is for.")]
    ledger: Annotated[AddressText, Field(description="Contract that keeps the records.")]
    nonce: Annotated[int, Field(description="The node's next.")]
    gas_limit: int
    readers: Annotated[
        list[str], Field(description="Public keys that a record is sealed to besides the node's own, in hexadecimal.")
    ]


@dataclass(frozen=True, slots=True)
class SignInMessage:
    """The message to sign with `personal_sign`."""

    message: str


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A new token."""

    token: Token
    secret: Annotated[str, Field(description="Give it as `Authorization: Bearer`. It is told this once.")]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an owner lets its node do by itself: automatic offering."""

    active: Annotated[bool, Field(description="Whether it offers and answers by itself at all.")]
    energy_type: Annotated[EnergyTypeName, Field(description="What its plant produces.")]
    accepted_types: Annotated[list[EnergyTypeName], Field(min_length=1, max_length=6, description="What it buys.")]
    lowest_sell_ticks: Annotated[PriceTicks, Field(description="It sells for no less.")]
    highest_buy_ticks: Annotated[PriceTicks, Field(description="It buys for no more.")]
    reserve_wh: Annotated[int, Field(ge=0, lt=2**40, description="Surplus of every period that is not offered.")] = 0
    smallest_wh: Annotated[int, Field(ge=1, lt=2**40, description="It makes no smaller offer.")] = 1
    max_share_permille: Annotated[
        int, Field(ge=1, le=1000, description="Most of a surplus or need that it offers.")
    ] = 1000
