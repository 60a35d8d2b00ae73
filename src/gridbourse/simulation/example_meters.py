"""The example region's meters: they really sign and really publish over MQTT; what flows through them a data set says.

Each has been there for eight days when the region is new, so that there is something to expect from the first minute.
What a meter shows follows from its first period and the data set alone: started again, it goes on where time is.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import InvalidValue
from gridbourse.market.types import EnergyType
from gridbourse.metering.meter import Meter
from gridbourse.metering.mqtt import Broker, Concentrator
from gridbourse.metering.reading import Reading, SignedReading
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.node.commands.requests import RegisterMeter
from gridbourse.node.folder.key_rotation import RegionKeys
from gridbourse.node.offering import HISTORY_PERIODS
from gridbourse.region.description import NodeKind, NodeSpec
from gridbourse.service.rights import Kind, Principal
from gridbourse.service.use_cases.service import Exchange
from gridbourse.simulation.profiles import Profiles
from gridbourse.units import PERIOD_SECONDS, PERIODS_IN_24_HOURS

FILE = "simulated-meters.json"
"""In the region's folder: the meters' keys, and when they began to count."""

_SOURCES = {
    NodeKind.WIND: ("wind_4", 2_000_000),
    NodeKind.PV: ("pv_5", 60_000),
    NodeKind.HYDRO: ("hydro_1", 800_000),
    NodeKind.THERMAL: ("biomass_1", 500_000),
    NodeKind.RESIDENTIAL: ("pv_5", 8_000),
}
_LOADS = {
    NodeKind.INDUSTRIAL: ("industry_medium_voltage", 500_000),
    NodeKind.COMMERCIAL: ("commerce_weekday", 60_000),
    NodeKind.RESIDENTIAL: ("household_c", 5_000),
    NodeKind.EV: ("ev_home_11_kw", 11_000),
}
"""Profiles of the data set, and the W that they are scaled to."""


def _limits(energy_type: EnergyType, lowest_sell_ticks: int, highest_buy_ticks: int) -> AutoTradingLimits:
    return AutoTradingLimits(
        active=True,
        energy_type=energy_type,
        accepted_types=EnergyType.any(),
        lowest_sell_ticks=lowest_sell_ticks,
        highest_buy_ticks=highest_buy_ticks,
        smallest_wh=10,
    )


OFFERING = {
    NodeKind.WIND: _limits(EnergyType.WIND, 3_200, 3_600),
    NodeKind.PV: _limits(EnergyType.PV, 3_400, 3_600),
    NodeKind.RESIDENTIAL: _limits(EnergyType.PV, 3_300, 4_500),
}
"""Whose owners let them offer by themselves from the start, and within which limits."""

_FIRST_MONDAY = 4
_PATIENCE_SECONDS = 30
_AFTER_THE_END_SECONDS = 2


@dataclass(frozen=True, slots=True)
class _Plant:
    """A node with a meter, and what flows through it in each period of the data set's fortnight."""

    node_id: str
    kind: NodeKind
    surplus_wh: tuple[int, ...]
    limit_w: int

    def flow_wh(self, period: int) -> int:
        """What is fed in less what is drawn; `period` on the local clocks, for the weekday and the hour."""
        return self.surplus_wh[(period - _FIRST_MONDAY * PERIODS_IN_24_HOURS) % len(self.surplus_wh)]


class ExampleMeters:
    """Simulates the meters of an example region, and enters them there.

    Parameters
    ----------
    exchange
        The running exchange.
    broker
        Where its head-end listens.
    clock
        Seconds since the epoch.
    """

    def __init__(self, exchange: Exchange, broker: Broker, clock: Callable[[], float] = time.time) -> None:
        self._exchange = exchange
        self._broker = broker
        self._clock = clock

    async def run(self) -> None:
        """Let the meters count and publish, period after period.

        Raises
        ------
        InvalidValue
            The broker does not take the meters' connection.
        """
        spec = self._exchange.spec
        plants = _plants(node for master in spec.masters for node in master.nodes)
        path = self._exchange.folder / FILE
        is_new = not path.exists()
        last = self._last_period()
        first, keys = await asyncio.to_thread(_keys, path, [plant.node_id for plant in plants], last)
        ahead = _periods_ahead(spec.time_zone, first)
        meters = {
            plant: await asyncio.to_thread(_meter, plant, keys[plant.node_id], first, last, ahead) for plant in plants
        }
        self._exchange.metering.simulated = frozenset(meter.address for meter in meters.values())
        concentrator = Concentrator(self._broker, spec.name, "simulated-meters", meters.values())
        try:
            if not await asyncio.to_thread(concentrator.await_broker, _PATIENCE_SECONDS):
                raise InvalidValue("broker", f"{self._broker.host}:{self._broker.port}", "one that takes subscriptions")
            await self._enter(meters, allow=is_new)
            await self._publish(meters, concentrator, last, ahead)
        finally:
            concentrator.close()

    async def _enter(self, meters: Mapping[_Plant, Meter], *, allow: bool) -> None:
        """Enter the meters; the head-end then asks them for all that they have counted."""
        points = {plant.node_id: (meter.address, plant.limit_w) for plant, meter in meters.items()}
        limits = {plant.node_id: OFFERING[plant.kind] for plant in meters if allow and plant.kind in OFFERING}
        for node_id, (meter, limit_w) in points.items():
            await self._exchange.node.ask(RegisterMeter(node_id, meter, limit_w))
        nodes = RegionKeys(self._exchange.folder).nodes
        for node_id, allowed in limits.items():
            master = self._exchange.directory.master_of(node_id)
            principal = Principal(Kind.NODE, node_id, master, keys=nodes.load_node(node_id))
            await self._exchange.trading.set_limits(principal, allowed)
        self._exchange.metering.ask_again()

    async def _publish(
        self, meters: Mapping[_Plant, Meter], concentrator: Concentrator, reported: int, ahead: int
    ) -> None:
        """Count each period once it has ended, from the one after `reported` on, however late it has become by then."""
        while True:
            next_end = (reported + 2) * PERIOD_SECONDS + _AFTER_THE_END_SECONDS
            await asyncio.sleep(max(0.0, next_end - self._clock()))
            for period in range(reported + 1, self._last_period() + 1):
                for plant, meter in meters.items():
                    concentrator.publish(_count(plant, meter, period, ahead))
                reported = period

    def _last_period(self) -> int:
        """The delivery period that ended last."""
        return int(self._clock()) // PERIOD_SECONDS - 1


def _plants(nodes: Iterable[NodeSpec]) -> list[_Plant]:
    """The nodes of which the data set knows what flows; a store's flows follow its orders, so it has no meter here."""
    profiles = Profiles.load()
    found = []
    for node in nodes:
        series = [
            [sign * wh for wh in profiles.energies_wh(*kinds[node.kind])]
            for kinds, sign in ((_SOURCES, 1), (_LOADS, -1))
            if node.kind in kinds
        ]
        if series:
            limit_w = max(kinds[node.kind][1] for kinds in (_SOURCES, _LOADS) if node.kind in kinds)
            found.append(_Plant(node.node_id, node.kind, tuple(map(sum, zip(*series, strict=True))), limit_w))
    return found


def _keys(path: Path, nodes: Sequence[str], last: int) -> tuple[int, dict[str, SigningKey]]:
    """The period from which on the meters count, and their keys; made if there are none yet."""
    if not path.exists():
        stored = {
            "first_period": last - HISTORY_PERIODS,
            "keys": {node_id: secrets.token_hex(32) for node_id in nodes},
        }
        draft = path.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(stored, indent=1) + "\n", "utf-8")
        draft.replace(path)
    stored = json.loads(path.read_text("utf-8"))
    return stored["first_period"], {name: SigningKey(bytes.fromhex(key)) for name, key in stored["keys"].items()}


def _meter(plant: _Plant, key: SigningKey, first: int, last: int, ahead: int) -> Meter:
    """A meter that has counted from its first period to the last one, and remembers the last days of it."""
    remembered = max(first, last - HISTORY_PERIODS)
    flows = [plant.flow_wh(period + ahead) for period in range(first + 1, remembered + 1)]
    drawn_wh, fed_in_wh = -sum(wh for wh in flows if wh < 0), sum(wh for wh in flows if wh > 0)
    taken_at = (remembered + 1) * PERIOD_SECONDS
    reading = Reading(key.address, remembered - first, remembered, drawn_wh, fed_in_wh, taken_at)
    meter = Meter(key, [reading.sign(key)])
    for period in range(remembered + 1, last + 1):
        _count(plant, meter, period, ahead)
    return meter


def _count(plant: _Plant, meter: Meter, period: int, ahead: int) -> SignedReading:
    flow_wh = plant.flow_wh(period + ahead)
    meter.count(imported_wh=max(-flow_wh, 0), exported_wh=max(flow_wh, 0))
    return meter.read(period)


def _periods_ahead(time_zone: str, period: int) -> int:
    """How many periods the region's clocks are ahead of UTC, so that the sun rises there in the morning."""
    offset = datetime.fromtimestamp(period * PERIOD_SECONDS, ZoneInfo(time_zone)).utcoffset()
    return int(offset.total_seconds()) // PERIOD_SECONDS if offset else 0
