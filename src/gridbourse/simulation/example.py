"""The example region: accounts to try it with, and a market with some life in it."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from gridbourse.api.schema import DealStatus
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.errors import GridbourseError
from gridbourse.market.types import EnergyType, Offer, Side
from gridbourse.node.commands.requests import Credit
from gridbourse.node.folder.key_rotation import RegionKeys
from gridbourse.region.description import NodeKind
from gridbourse.service.rights import Kind, Principal
from gridbourse.service.use_cases.service import Exchange
from gridbourse.units import PERIODS_IN_24_HOURS, money_units

logger = logging.getLogger(__name__)

_SERVICES = frozenset({NodeKind.DISPATCH, NodeKind.EFFICIENCY, NodeKind.MONITORING, NodeKind.SERVICES})
_SELLS = {
    NodeKind.WIND: EnergyType.WIND,
    NodeKind.PV: EnergyType.PV,
    NodeKind.HYDRO: EnergyType.HYDRO,
    NodeKind.THERMAL: EnergyType.THERMAL,
    NodeKind.STORAGE: EnergyType.STORAGE,
}
_USUAL_TICKS = {
    EnergyType.WIND: 3_300,
    EnergyType.PV: 3_500,
    EnergyType.HYDRO: 3_700,
    EnergyType.THERMAL: 4_300,
    EnergyType.STORAGE: 4_600,
}
_DEPOSIT_YUAN = 100_000
_FIRST_ORDERS = 120
_CONFIRMED_SHARE = 0.92


@dataclass(frozen=True, slots=True)
class ExampleAccount:
    """An account of the example region. Its password is told once and kept nowhere."""

    name: str
    password: str
    kind: Kind
    subject: str


def open_accounts(exchange: Exchange) -> list[ExampleAccount]:
    """Open an account for every node, every master and the regulator; takes some seconds."""
    keys = RegionKeys(exchange.folder)
    subjects = [
        *((Kind.NODE, node.node_id) for master in exchange.spec.masters for node in master.nodes),
        *((Kind.MASTER, master.name) for master in exchange.spec.masters),
        (Kind.REGULATOR, "regulator"),
    ]
    made = []
    for kind, subject in subjects:
        account = ExampleAccount(subject.lower().replace(" ", "-"), secrets.token_urlsafe(12), kind, subject)
        own = keys.nodes.load_node(subject) if kind is Kind.NODE else None
        exchange.credentials.create_account(account.name, kind, subject, account.password, own)
        made.append(account)
    return made


class ExampleMarket:
    """Lets the plants and consumers of a region trade, by chance but around usual prices.

    Those whose owners let them offer by themselves are left to do so.

    Parameters
    ----------
    exchange
        The running exchange, whose folder holds the nodes' keys.
    pause_seconds
        Between two orders, on average.
    """

    def __init__(self, exchange: Exchange, pause_seconds: float = 2.0) -> None:
        self._exchange = exchange
        self._pause_seconds = pause_seconds
        self._chance = random.Random(2021)  # noqa: S311 - a play, no secret
        keys = RegionKeys(exchange.folder)
        self._nodes = {
            node.node_id: (node.kind, keys.nodes.load_node(node.node_id), master.name)
            for master in exchange.spec.masters
            for node in master.nodes
        }

    async def run(self) -> None:
        """Open the market with many orders at once, then let one come every now and then."""
        paid: set[int] = set()
        await self._pay_in(paid)
        await asyncio.gather(*(self._place() for _ in range(_FIRST_ORDERS)))
        while True:
            await self._answer()
            await asyncio.sleep(self._chance.uniform(0.5, 1.5) * self._pause_seconds)
            await self._pay_in(paid)
            await self._place()

    async def _pay_in(self, paid: set[int]) -> None:
        """Let everybody have a deposit on every day that is open."""
        for day in set(self._exchange.directory.days()) - paid:
            moneys = dict.fromkeys(self._nodes, money_units(_DEPOSIT_YUAN))
            await self._exchange.node.ask(Credit(day, moneys, day.to_bytes(32, "big")))
            paid.add(day)

    async def _place(self) -> None:
        node_id = self._chance.choice(
            [name for name, (kind, _, _) in self._nodes.items() if kind not in _SERVICES and not self._is_left(name)]
        )
        kind, keys, master = self._nodes[node_id]
        sold = _SELLS.get(kind)
        usual = _USUAL_TICKS[sold] if sold else 4_000
        ticks = max(600, round(self._chance.gauss(usual, 250) / 10) * 10)
        energy_wh = self._chance.randrange(20, 400) * 1_000
        first = self._exchange.market.first_open_period()
        period = first + min(int(self._chance.expovariate(1 / 8)), PERIODS_IN_24_HOURS)
        side, types = (Side.ASK, sold) if sold else (Side.BID, EnergyType.any())
        try:
            await self._exchange.trading.place(
                _principal(node_id, master, keys), Offer(side, types, period, energy_wh, ticks)
            )
        except GridbourseError:
            logger.exception("an order of the example market was not placed")

    async def _answer(self) -> None:
        for node_id, (_, keys, master) in self._nodes.items():
            if self._is_left(node_id):
                continue
            principal = _principal(node_id, master, keys)
            for deal_id, confirmed in list(self._open_deals(node_id)):
                try:
                    await self._exchange.trading.answer(principal, deal_id, confirmed=confirmed)
                except GridbourseError:
                    logger.info("deal %s of the example market was answered otherwise", deal_id)

    def _is_left(self, node_id: str) -> bool:
        limits = self._exchange.directory.limits(node_id)
        return limits is not None and limits.active

    def _open_deals(self, node_id: str) -> Iterator[tuple[int, bool]]:
        """Deals that wait for a node, and what it makes of them; some it thinks over for longer."""
        for deal in self._exchange.index.trades.deals(node_id=node_id, status=DealStatus.INTENT, limit=200):
            if deal.answered is None and self._chance.random() < 0.3:
                yield deal.deal_id, self._chance.random() < _CONFIRMED_SHARE


def _principal(node_id: str, master: str, keys: NodeKeys) -> Principal:
    return Principal(Kind.NODE, node_id, master, keys=keys)
